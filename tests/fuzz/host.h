/* What the fuzz targets of whole handles have of a host: memory that is counted, and a machine without variables and files. To be
 * included after the library. */
#ifndef TESTS_FUZZ_HOST_H
#define TESTS_FUZZ_HOST_H

#include "target.h"

struct counted {
    struct cluster_allocator hook;
    long live;        /* bytes that are allocated */
    unsigned fail_in; /* allocations; 0: none fails */
};

static inline void *counted_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct counted *m = (struct counted *)ctx;
    void *moved;
    if (!new_size) {
        m->live -= (long)old_size;
        free(ptr);
        return NULL;
    }
    if (m->fail_in && !--m->fail_in)
        return NULL;
    moved = realloc(ptr, new_size);
    if (moved)
        m->live += (long)new_size - (long)old_size;
    return moved;
}

static inline void counted_begin(struct counted *m)
{
    memset(m, 0, sizeof *m);
    m->hook.size = (uint32_t)sizeof m->hook;
    m->hook.ctx = m;
    m->hook.resize = counted_resize;
}

static inline int no_environment(void *ctx, const char *name, char *out, size_t capacity)
{
    (void)ctx;
    (void)name;
    (void)out;
    (void)capacity;
    return CLUSTER_E_NOT_FOUND;
}

static inline int64_t no_file(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    (void)ctx;
    (void)path;
    (void)data;
    (void)size;
    (void)stamp;
    return CLUSTER_E_NOT_FOUND;
}

#endif
