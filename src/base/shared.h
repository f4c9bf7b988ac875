/*
 * The head of an immutable object that several owners hold: it is freed with its last reference. One thread at a time.
 */
#ifndef CLU_BASE_SHARED_H
#define CLU_BASE_SHARED_H

#include "memory.h"

struct clu_shared {
    size_t size; /* of the whole object */
    size_t references;
};

/* A zeroed object of `size` bytes that begins with a struct clu_shared, with one reference; NULL: no memory. */
CLU_FN void *clu_share_new(const struct cluster_allocator *a, size_t size)
{
    struct clu_shared *shared = (struct clu_shared *)clu_alloc_zero(a, size);
    if (shared) {
        shared->size = size;
        shared->references = 1;
    }
    return shared;
}

CLU_FN void *clu_share(void *object)
{
    ((struct clu_shared *)object)->references++;
    return object;
}

CLU_FN void clu_unshare(const struct cluster_allocator *a, void *object)
{
    struct clu_shared *shared = (struct clu_shared *)object;
    if (shared && --shared->references == 0)
        clu_free(a, shared, shared->size);
}

#endif
