/* The arena against a model: no overlap, contents kept, everything freed is one block again, exhaustion harms nothing. */
#include "../../src/base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % limit);
}

/* The free list is in order, without neighbours that touch; returns the free bytes and their number of blocks. */
static size_t free_bytes(const struct cluster_allocator *a, size_t *blocks)
{
    const struct clu_arena_block *b;
    size_t total = 0;
    *blocks = 0;
    for (b = ((const struct clu_arena_block *)a->ctx)->next; b; b = b->next) {
        assert_true((uintptr_t)b % 16 == 0 && b->size % 16 == 0 && b->size > 0);
        if (b->next)
            assert_true((const uint8_t *)b + b->size < (const uint8_t *)b->next);
        total += b->size;
        ++*blocks;
    }
    return total;
}

static void refuses_bad_buffers(void **state)
{
    struct cluster_allocator a;
    uint8_t buffer[64];
    (void)state;
    assert_int_equal(cluster_arena_init(NULL, buffer, sizeof buffer), CLUSTER_E_INVALID);
    assert_int_equal(cluster_arena_init(&a, NULL, 1000), CLUSTER_E_INVALID);
    assert_int_equal(cluster_arena_init(&a, buffer, 63), CLUSTER_E_INVALID);
    assert_int_equal(cluster_arena_init(&a, buffer, 64), CLUSTER_OK);
    assert_int_equal(a.size, sizeof a);
}

static void works_on_any_alignment(void **state)
{
    static uint8_t buffer[64 + 16 + 16];
    size_t shift;
    (void)state;
    for (shift = 0; shift < 16; shift++) {
        struct cluster_allocator a;
        size_t blocks, all;
        uint8_t *p;
        memset(buffer, 0xee, sizeof buffer);
        assert_int_equal(cluster_arena_init(&a, buffer + shift, 64), CLUSTER_OK);
        all = free_bytes(&a, &blocks);
        assert_int_equal(blocks, 1);
        assert_true(all >= 32);
        p = (uint8_t *)clu_alloc(&a, all);
        assert_non_null(p);
        assert_true((uintptr_t)p % 16 == 0);
        memset(p, 0x11, all);
        assert_null(clu_alloc(&a, 1));
        clu_free(&a, p, all);
        assert_int_equal(free_bytes(&a, &blocks), all);
        for (p = buffer; p < buffer + shift; p++)
            assert_int_equal(*p, 0xee);
        for (p = buffer + shift + 64; p < buffer + sizeof buffer; p++)
            assert_int_equal(*p, 0xee);
    }
}

static void sizes_at_the_edge(void **state)
{
    static uint8_t buffer[1024];
    struct cluster_allocator a;
    size_t all, blocks;
    void *p;
    (void)state;
    assert_int_equal(cluster_arena_init(&a, buffer, sizeof buffer), CLUSTER_OK);
    all = free_bytes(&a, &blocks);
    assert_null(clu_alloc(&a, SIZE_MAX));
    assert_null(clu_alloc(&a, SIZE_MAX - 15));
    assert_null(clu_alloc(&a, SIZE_MAX - 16));
    assert_null(clu_alloc(&a, all + 1));
    assert_null(clu_alloc(&a, 0));
    p = clu_alloc(&a, 1);
    assert_non_null(p);
    assert_null(a.resize(a.ctx, p, 1, SIZE_MAX));
    assert_null(a.resize(a.ctx, p, 1, all + 1));
    assert_int_equal(free_bytes(&a, &blocks), all - 16);
    assert_null(a.resize(a.ctx, p, 1, 0));
    assert_int_equal(free_bytes(&a, &blocks), all);
}

static void resizes_in_place(void **state)
{
    static uint8_t buffer[1024];
    struct cluster_allocator a;
    size_t all, blocks;
    uint8_t *p, *q, *r;
    (void)state;
    assert_int_equal(cluster_arena_init(&a, buffer, sizeof buffer), CLUSTER_OK);
    all = free_bytes(&a, &blocks);
    p = (uint8_t *)clu_alloc(&a, 100);
    q = (uint8_t *)a.resize(a.ctx, p, 100, 112); /* within the rounding */
    assert_ptr_equal(p, q);
    q = (uint8_t *)a.resize(a.ctx, p, 112, all); /* all that follows */
    assert_ptr_equal(p, q);
    assert_int_equal(free_bytes(&a, &blocks), 0);
    q = (uint8_t *)a.resize(a.ctx, p, all, 17); /* the tail goes back */
    assert_ptr_equal(p, q);
    assert_int_equal(free_bytes(&a, &blocks), all - 32);
    q = (uint8_t *)clu_alloc(&a, 64);
    assert_non_null(q);
    p[0] = 42;
    p[16] = 43;
    r = (uint8_t *)a.resize(a.ctx, p, 17, 200); /* q is in the way: it moves, with its bytes */
    assert_ptr_not_equal(r, p);
    assert_int_equal(r[0], 42);
    assert_int_equal(r[16], 43);
    clu_free(&a, r, 200);
    clu_free(&a, q, 64);
    assert_int_equal(free_bytes(&a, &blocks), all);
    assert_int_equal(blocks, 1);
}

/* All six orders of freeing three neighbours end in one block. */
static void joins_neighbours(void **state)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static uint8_t buffer[512];
    size_t i, j;
    (void)state;
    for (i = 0; i < 6; i++) {
        struct cluster_allocator a;
        void *p[3];
        size_t all, blocks;
        assert_int_equal(cluster_arena_init(&a, buffer, sizeof buffer), CLUSTER_OK);
        all = free_bytes(&a, &blocks);
        for (j = 0; j < 3; j++)
            p[j] = clu_alloc(&a, 32);
        for (j = 0; j < 3; j++)
            clu_free(&a, p[orders[i][j]], 32);
        assert_int_equal(free_bytes(&a, &blocks), all);
        assert_int_equal(blocks, 1);
    }
}

struct held {
    uint8_t *at;
    size_t size;
    uint8_t mark;
};

static void check_held(const struct held *h)
{
    size_t i;
    for (i = 0; i < h->size; i++)
        assert_int_equal(h->at[i], h->mark);
}

static void random_operations(void **state)
{
    static uint8_t buffer[8192];
    struct held held[64];
    unsigned round, step, failures = 0, grown = 0;
    (void)state;
    for (round = 0; round < 20; round++) {
        struct cluster_allocator a;
        size_t all, blocks, used, i;
        memset(held, 0, sizeof held);
        assert_int_equal(cluster_arena_init(&a, buffer + round % 16, sizeof buffer - 16 - round), CLUSTER_OK);
        all = free_bytes(&a, &blocks);
        for (step = 0; step < 2000; step++) {
            struct held *h = &held[random_below(64)];
            size_t wants = random_below(4) ? random_below(200) : random_below(1500), kept;
            uint8_t *p;
            check_held(h);
            p = (uint8_t *)a.resize(a.ctx, h->at, h->size, wants);
            if (wants && !p) {
                failures++;
                check_held(h);
            } else {
                kept = h->size < wants ? h->size : wants;
                grown += h->size && wants > h->size;
                for (i = 0; i < kept; i++)
                    assert_int_equal(p[i], h->mark);
                h->at = p;
                h->size = wants;
                h->mark = (uint8_t)(step * 31 + 1);
                if (wants)
                    memset(p, h->mark, wants);
            }
            for (used = 0, i = 0; i < 64; i++)
                used += (held[i].size + 15) / 16 * 16;
            assert_int_equal(free_bytes(&a, &blocks), all - used);
        }
        for (i = 0; i < 64; i++) {
            check_held(&held[i]);
            clu_free(&a, held[i].at, held[i].size);
        }
        assert_int_equal(free_bytes(&a, &blocks), all);
        assert_int_equal(blocks, 1);
    }
    assert_true(failures > 100 && grown > 100); /* the walk did meet exhaustion and growth */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_buffers), cmocka_unit_test(works_on_any_alignment), cmocka_unit_test(sizes_at_the_edge),
        cmocka_unit_test(resizes_in_place),    cmocka_unit_test(joins_neighbours),       cmocka_unit_test(random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
