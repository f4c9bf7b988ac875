/*
 * For unit tests: an allocator that counts, that can be made to run out, and that fails the test when a block is given back
 * with another size than it has. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_MEMORY_H
#define TESTS_UNIT_FAKE_MEMORY_H

#include <stdlib.h>
#include <string.h>

struct fake_memory {
    struct cluster_allocator hook;
    unsigned long allocations; /* calls that ask for memory */
    unsigned long blocks;      /* not given back */
    size_t bytes;
    unsigned long fail_at;  /* the allocation that fails, counted from 1; 0: none */
    bool fail_all;          /* and all after it */
    unsigned long failures; /* that were made */
};

/* Every block moves when it grows, and knows the size that it must be given back with. */
static inline void *fake_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct fake_memory *m = (struct fake_memory *)ctx;
    size_t *head = ptr ? (size_t *)ptr - 2 : NULL, *fresh = NULL;
    assert_true(head ? head[0] == old_size : old_size == 0);
    if (new_size) {
        m->allocations++;
        if (m->fail_at && (m->allocations == m->fail_at || (m->fail_all && m->allocations > m->fail_at))) {
            m->failures++;
            return NULL;
        }
        fresh = (size_t *)malloc(new_size + 2 * sizeof *fresh);
        assert_non_null(fresh);
        memset(fresh + 2, 0xa5, new_size);
        fresh[0] = new_size;
        if (head)
            memcpy(fresh + 2, ptr, old_size < new_size ? old_size : new_size);
        m->blocks++;
        m->bytes += new_size;
    }
    if (head) {
        m->blocks--;
        m->bytes -= old_size;
        free(head);
    }
    return fresh ? fresh + 2 : NULL;
}

static inline void fake_memory_begin(struct fake_memory *m)
{
    memset(m, 0, sizeof *m);
    m->hook.size = (uint32_t)sizeof m->hook;
    m->hook.ctx = m;
    m->hook.resize = fake_resize;
}

static inline void fake_memory_end(const struct fake_memory *m)
{
    assert_int_equal(m->blocks, 0);
    assert_int_equal(m->bytes, 0);
}

/* The n-th allocation from now fails, and all after it if so wished; 0: none. */
static inline void fake_memory_fail(struct fake_memory *m, unsigned long n, bool all)
{
    m->fail_at = n ? m->allocations + n : 0;
    m->fail_all = all;
    m->failures = 0;
}

#endif
