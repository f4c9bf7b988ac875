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

/* The last block of the list below `at`: the head, if there is no other. */
CLU_FN struct clu_arena_block *clu_arena_below(struct clu_arena_block *block, const uint8_t *at)
{
    while (block->next && (uint8_t *)block->next < at)
        block = block->next;
    return block;
}

/* Join a block and the next one, if they touch. */
CLU_FN void clu_arena_join(struct clu_arena_block *block)
{
    struct clu_arena_block *next = block->next;
    if ((uint8_t *)block + block->size == (uint8_t *)next) {
        block->size += next->size;
        block->next = next->next;
    }
}

CLU_FN void clu_arena_give(struct clu_arena_block *head, uint8_t *at, size_t size)
{
    struct clu_arena_block *before = clu_arena_below(head, at), *block = (struct clu_arena_block *)(void *)at;
    if (!size)
        return;
    block->size = size;
    block->next = before->next;
    before->next = block;
    clu_arena_join(block);
    clu_arena_join(before);
}

/* The first `size` bytes of the block after this one. */
CLU_CALLED void *clu_arena_cut(struct clu_arena_block *before, size_t size)
{
    struct clu_arena_block *block = before->next, *rest = (struct clu_arena_block *)(void *)((uint8_t *)block + size);
    if (block->size > size) {
        rest->size = block->size - size;
        rest->next = block->next;
        before->next = rest;
    } else {
        before->next = block->next;
    }
    return block;
}

CLU_FN void *clu_arena_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct clu_arena_block *head = (struct clu_arena_block *)ctx, *before = head;
    size_t had = (old_size + CLU_ARENA_UNIT - 1) / CLU_ARENA_UNIT * CLU_ARENA_UNIT;
    size_t wants = (new_size + CLU_ARENA_UNIT - 1) / CLU_ARENA_UNIT * CLU_ARENA_UNIT;
    void *fresh;
    if (new_size > wants) /* it wrapped */
        return NULL;
    if (ptr) {
        uint8_t *end = (uint8_t *)ptr + had;
        if (wants <= had) {
            clu_arena_give(head, (uint8_t *)ptr + wants, had - wants);
            return wants ? ptr : NULL;
        }
        before = clu_arena_below(head, end);
        if ((uint8_t *)before->next == end && before->next->size >= wants - had) {
            (void)clu_arena_cut(before, wants - had);
            return ptr;
        }
        before = head;
    }
    while (before->next && before->next->size < wants)
        before = before->next;
    if (!wants || !before->next)
        return NULL;
    fresh = clu_arena_cut(before, wants);
    if (ptr) {
        memcpy(fresh, ptr, old_size);
        clu_arena_give(head, (uint8_t *)ptr, had);
    }
    return fresh;
}

CLUSTER_DEF int cluster_arena_init(struct cluster_allocator *allocator, void *buffer, size_t size)
{
    struct clu_arena_block *head;
    size_t skip = (size_t)((0 - (uintptr_t)buffer) % CLU_ARENA_UNIT);
    if (!allocator || !buffer || size < 64)
        return CLUSTER_E_INVALID;
    head = (struct clu_arena_block *)(void *)((uint8_t *)buffer + skip);
    head->size = 0;
    head->next = NULL;
    clu_arena_give(head, (uint8_t *)head + CLU_ARENA_UNIT, (size - skip - CLU_ARENA_UNIT) / CLU_ARENA_UNIT * CLU_ARENA_UNIT);
    *allocator = *clu_allocator_or_default(NULL);
    allocator->ctx = head;
    allocator->resize = clu_arena_resize;
    return CLUSTER_OK;
}

#endif
