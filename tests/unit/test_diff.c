/* The difference of two lists against a plain quadratic one: any order, duplicates, sizes around every table limit. */
#include "../../src/member/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % bound;
}

static bool contains(const char *const *names, size_t count, const char *name)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void check(const char *const *before, size_t before_count, const char *const *after, size_t after_count)
{
    /* one byte more than needed, which must stay as it is */
    unsigned char *left = (unsigned char *)malloc(before_count + 1), *joined = (unsigned char *)malloc(after_count + 1);
    size_t i;
    assert_non_null(left);
    assert_non_null(joined);
    memset(left, 0xA5, before_count + 1);
    memset(joined, 0xA5, after_count + 1);
    assert_int_equal(cluster_diff(before, before_count, after, after_count, left, joined), 0);
    for (i = 0; i < before_count; i++)
        assert_int_equal(left[i], !contains(after, after_count, before[i]));
    for (i = 0; i < after_count; i++)
        assert_int_equal(joined[i], !contains(before, before_count, after[i]) && !contains(after, i, after[i]));
    assert_int_equal(left[before_count], 0xA5);
    assert_int_equal(joined[after_count], 0xA5);
    free(left);
    free(joined);
}

static void marks_small_lists(void **state)
{
    static const char *const before[] = {"b@h", "a@h", "b@h", "c@h"};
    static const char *const after[] = {"d@h", "c@h", "d@h", "a@h", "e@h", "c@h"};
    unsigned char left[4], joined[6];
    static const unsigned char expected_left[4] = {1, 0, 1, 0}, expected_joined[6] = {1, 0, 0, 0, 1, 0};
    (void)state;
    assert_int_equal(cluster_diff(before, 4, after, 6, left, joined), 0);
    assert_memory_equal(left, expected_left, 4);
    assert_memory_equal(joined, expected_joined, 6);
    assert_int_equal(cluster_diff(before, 4, NULL, 0, left, NULL), 0);
    assert_int_equal(left[0] + left[1] + left[2] + left[3], 4);
    assert_int_equal(cluster_diff(NULL, 0, after, 6, NULL, joined), 0);
    assert_int_equal(joined[0] + joined[1] + joined[2] + joined[3] + joined[4] + joined[5], 4);
    assert_int_equal(cluster_diff(NULL, 0, NULL, 0, NULL, NULL), 0);
}

static void refuses_null(void **state)
{
    static const char *const names[] = {"a@h", NULL};
    unsigned char left[2] = {9, 9}, joined[2] = {9, 9};
    (void)state;
    assert_int_equal(cluster_diff(NULL, 1, names, 1, left, joined), CLUSTER_E_INVALID);
    assert_int_equal(cluster_diff(names, 1, NULL, 1, left, joined), CLUSTER_E_INVALID);
    assert_int_equal(cluster_diff(names, 1, names, 1, NULL, joined), CLUSTER_E_INVALID);
    assert_int_equal(cluster_diff(names, 1, names, 1, left, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_diff(names, 2, names, 1, left, joined), CLUSTER_E_INVALID);
    assert_int_equal(cluster_diff(names, 1, names, 2, left, joined), CLUSTER_E_INVALID);
    assert_int_equal(left[0], 9);
    assert_int_equal(joined[0], 9);
}

#define POOL 3000

static char pool[POOL][16];

static void agrees_with_its_definition(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 7, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1400};
    const char *before[1400], *after[1400];
    size_t b, a, i;
    (void)state;
    random_state = 1;
    for (i = 0; i < POOL; i++)
        (void)snprintf(pool[i], sizeof pool[i], "n%u@h%u", (unsigned)i, (unsigned)(i % 7));
    for (b = 0; b < CLU_COUNT(sizes); b++)
        for (a = 0; a < CLU_COUNT(sizes); a++) {
            uint32_t spread = b + a < 4 ? 4 : 1 + random_below(POOL);
            for (i = 0; i < sizes[b]; i++)
                before[i] = pool[random_below(spread)];
            for (i = 0; i < sizes[a]; i++)
                after[i] = pool[random_below(spread)];
            check(before, sizes[b], after, sizes[a]);
        }
}

/* More names than one table of one class holds: the work goes on table by table. */
static void goes_on_block_by_block(void **state)
{
    static const char *before[1800], *after[1800];
    static char names[1800][16];
    struct clu_diff d;
    unsigned char left[1800], joined[1800];
    size_t i, next = 0;
    uint32_t classes = 1 + 1800 / (CLU_DIFF_NAMES / 2);
    (void)state;
    memset(&d, 0, sizeof d);
    for (i = 0; next < 1800; i++) {
        (void)snprintf(names[next], sizeof names[next], "x%u@h", (unsigned)i);
        if (clu_diff_hash(names[next]) % classes == 3)
            next++;
    }
    for (i = 0; i < 1800; i++) {
        after[i] = names[i % 1500];
        before[i] = names[1799 - i];
    }
    assert_int_equal(cluster_diff(before, 1800, after, 1800, left, joined), 0);
    for (i = 0; i < 1800; i++) {
        assert_int_equal(left[i], i < 300);
        assert_int_equal(joined[i], 0);
    }
    check(before + 600, 1200, after, 1800);
    check(before, 200, after, 1800);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_small_lists),
        cmocka_unit_test(refuses_null),
        cmocka_unit_test(agrees_with_its_definition),
        cmocka_unit_test(goes_on_block_by_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
