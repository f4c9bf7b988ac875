/*
 * Memory through the caller's allocator, with checked sizes. Callers keep the size of what they own and give it back with it.
 */
#ifndef CLU_BASE_MEMORY_H
#define CLU_BASE_MEMORY_H

#include "platform.h"

CLU_FN void *clu_alloc(const struct cluster_allocator *a, size_t size)
{
    return a->resize(a->ctx, NULL, 0, size);
}

CLU_FN void *clu_alloc_zero(const struct cluster_allocator *a, size_t size)
{
    void *p = clu_alloc(a, size);
    if (p)
        memset(p, 0, size);
    return p;
}

CLU_FN void clu_free(const struct cluster_allocator *a, void *ptr, size_t size)
{
    if (ptr)
        (void)a->resize(a->ctx, ptr, size, 0);
}

/* Make room for `need` elements of `each` bytes; *capacity counts elements and grows by doubling. False: no memory, all as
 * it was. `array` points to the caller's pointer, whatever its type. */
CLU_FN bool clu_reserve(const struct cluster_allocator *a, void *array, size_t *capacity, size_t need, size_t each)
{
    void *old, *grown;
    size_t wanted = *capacity ? *capacity : 8;
    if (need <= *capacity)
        return true;
    if (need > SIZE_MAX / 2 / each)
        return false;
    while (wanted < need)
        wanted *= 2;
    memcpy(&old, array, sizeof old);
    grown = a->resize(a->ctx, old, *capacity * each, wanted * each);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

CLU_FN void *clu_default_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (!new_size) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

/* The caller's allocator, or malloc's family where there is none. */
CLU_FN const struct cluster_allocator *clu_allocator_or_default(const struct cluster_allocator *given)
{
    static const struct cluster_allocator standard = {(uint32_t)sizeof standard, 0, NULL, clu_default_resize};
    return given && given->resize ? given : &standard;
}

/* A wipe of secrets that the compiler cannot drop. */
CLU_FN void clu_wipe(void *data, size_t size)
{
    volatile uint8_t *p = (volatile uint8_t *)data;
    while (size--)
        *p++ = 0;
}

/* A comparison whose time does not depend on where bytes differ. */
CLU_FN bool clu_equal_ct(const void *a, const void *b, size_t size)
{
    const uint8_t *left = (const uint8_t *)a, *right = (const uint8_t *)b;
    volatile uint8_t difference = 0;
    size_t i;
    for (i = 0; i < size; i++)
        difference = (uint8_t)(difference | (left[i] ^ right[i]));
    return difference == 0;
}

/* What follows the fields of a caller's struct that we know must be zero: a newer caller may mean something by it. */
CLU_FN bool clu_tail_is_zero(const void *object, size_t size, size_t known)
{
    const uint8_t *bytes = (const uint8_t *)object;
    for (; known < size; known++)
        if (bytes[known])
            return false;
    return true;
}

/* Write a struct of the caller's, which may be an older, shorter one: it keeps its size. */
CLU_FN int clu_write_struct(void *out, void *known, size_t size)
{
    uint32_t given = out ? *(const uint32_t *)out : 0;
    if (given < sizeof given)
        return CLUSTER_E_INVALID;
    *(uint32_t *)known = given;
    memcpy(out, known, given < size ? given : size);
    return 0;
}

#endif
