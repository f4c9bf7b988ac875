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

/* An object of `size` bytes that begins with a struct clu_shared, with one reference, its first `zeroed` bytes zero but for
 * that; NULL: no memory. */
CLU_CALLED void *clu_share_begin(const struct cluster_allocator *a, size_t size, size_t zeroed)
{
    struct clu_shared *shared = (struct clu_shared *)clu_alloc(a, size);
    if (shared) {
        memset(shared, 0, zeroed);
        shared->size = size;
        shared->references = 1;
    }
    return shared;
}

CLU_FN void *clu_share_new(const struct cluster_allocator *a, size_t size)
{
    return clu_share_begin(a, size, size);
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
