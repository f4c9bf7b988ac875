/*
 * An allocator on a caller's fixed buffer: a first-fit heap without headers, since callers give sizes back. Free blocks form
 * one list in address order, each holding its own size and the next; neighbours are joined at once. Sizes and addresses are
 * multiples of 16. The state stands at the beginning of the buffer; nothing else is owned, and nothing is read of what is
 * in use.
 */
#ifndef CLU_BASE_ARENA_H
#define CLU_BASE_ARENA_H

#include "memory.h"

#define CLU_ARENA_UNIT 16

struct clu_arena_block {
    size_t size;
    struct clu_arena_block *next; /* at a higher address */
};

struct clu_arena {
    struct clu_arena_block *free;
};

CLU_FN uint8_t *clu_arena_end(struct clu_arena_block *block)
{
    return (uint8_t *)block + block->size;
}

/* Where the list points to the first free block at or above `at`; *before is the one below it, or NULL. */
CLU_FN struct clu_arena_block **clu_arena_find(struct clu_arena *arena, const uint8_t *at, struct clu_arena_block **before)
{
    struct clu_arena_block **link = &arena->free;
    *before = NULL;
    while (*link && (uint8_t *)*link < at) {
        *before = *link;
        link = &(*link)->next;
    }
    return link;
}

CLU_FN void clu_arena_give(struct clu_arena *arena, uint8_t *at, size_t size)
{
    struct clu_arena_block *before, **link, *block = (struct clu_arena_block *)(void *)at;
    if (!size)
        return;
    link = clu_arena_find(arena, at, &before);
    block->size = size;
    block->next = *link;
    *link = block;
    if (block->next && clu_arena_end(block) == (uint8_t *)block->next) {
        block->size += block->next->size;
        block->next = block->next->next;
    }
    if (before && clu_arena_end(before) == at) {
        before->size += block->size;
        before->next = block->next;
    }
}

/* The first `size` bytes of the free block that `link` points to. */
CLU_FN void *clu_arena_cut(struct clu_arena_block **link, size_t size)
{
    struct clu_arena_block *block = *link;
    if (block->size > size) {
        struct clu_arena_block *rest = (struct clu_arena_block *)(void *)((uint8_t *)block + size);
        rest->size = block->size - size;
        rest->next = block->next;
        *link = rest;
    } else {
        *link = block->next;
    }
    return block;
}

CLU_FN void *clu_arena_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct clu_arena *arena = (struct clu_arena *)ctx;
    struct clu_arena_block *before, **link;
    size_t had, wants;
    void *fresh;
    if ((!ptr && !new_size) || new_size > SIZE_MAX - CLU_ARENA_UNIT)
        return NULL;
    had = ptr ? (old_size + CLU_ARENA_UNIT - 1) / CLU_ARENA_UNIT * CLU_ARENA_UNIT : 0;
    wants = (new_size + CLU_ARENA_UNIT - 1) / CLU_ARENA_UNIT * CLU_ARENA_UNIT;
    if (wants <= had) {
        clu_arena_give(arena, (uint8_t *)ptr + wants, had - wants);
        return new_size ? ptr : NULL;
    }
    if (ptr) {
        link = clu_arena_find(arena, (uint8_t *)ptr + had, &before);
        if (*link && (uint8_t *)*link == (uint8_t *)ptr + had && (*link)->size >= wants - had) {
            (void)clu_arena_cut(link, wants - had);
            return ptr;
        }
    }
    for (link = &arena->free; *link && (*link)->size < wants;)
        link = &(*link)->next;
    if (!*link)
        return NULL;
    fresh = clu_arena_cut(link, wants);
    if (ptr) {
        memcpy(fresh, ptr, old_size);
        clu_arena_give(arena, (uint8_t *)ptr, had);
    }
    return fresh;
}

CLUSTER_DEF int cluster_arena_init(struct cluster_allocator *allocator, void *buffer, size_t size)
{
    uint8_t *at = (uint8_t *)buffer;
    struct clu_arena *arena;
    size_t skip;
    if (!allocator || !buffer || size < 64)
        return CLUSTER_E_INVALID;
    skip = (size_t)((0 - (uintptr_t)at) % CLU_ARENA_UNIT);
    arena = (struct clu_arena *)(void *)(at + skip);
    arena->free = NULL;
    skip += CLU_ARENA_UNIT;
    clu_arena_give(arena, at + skip, (size - skip) / CLU_ARENA_UNIT * CLU_ARENA_UNIT);
    memset(allocator, 0, sizeof *allocator);
    allocator->size = (uint32_t)sizeof *allocator;
    allocator->ctx = arena;
    allocator->resize = clu_arena_resize;
    return CLUSTER_OK;
}

#endif
