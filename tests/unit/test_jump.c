/* Jump: the answers of another implementation, and of the paper's doubles where rounding decides. */
#include "../../src/place/jump.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void vectors(void **state)
{
    FILE *f = fopen("tests/vectors/jump_cachex_nebulex.txt", "r");
    char line[256];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long long key;
        unsigned buckets, slot;
        if (sscanf(line, "JUMP %llu %u %u", &key, &buckets, &slot) != 3)
            continue;
        assert_int_equal(cluster_jump(key, buckets), slot);
        seen++;
    }
    fclose(f);
    assert_true(seen > 50);
}

/* What doubles gave on x86-64: exact, one below the exact quotient, one above it. */
static void rounds_as_doubles(void **state)
{
    static const uint64_t cases[][3] = {
        {1, 1, 2147483648},
        {1, 2147483648, 1},
        {1000, 3, 715827882666},
        {103, 13184, 16777215},
        {103, 1728053248, 127},
        {3270, 214302720, 32767},
        {115648, 1894776832, 131071},
        {128861933, 2061790928, 134217727},
        {464124515, 1856498060, 536870911},
        {1073741730, 2147483462, 1073741823},
        {1288490149, 1288490152, 2147483643},
        {2147483523, 2147483525, 2147483646},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        assert_int_equal(clu_jump_product(cases[i][0], cases[i][1]), cases[i][2]);
}

static void edges(void **state)
{
    uint64_t key;
    (void)state;
    assert_int_equal(cluster_jump(7, 0), CLUSTER_NOBODY);
    for (key = 0; key < 1000; key++) {
        uint32_t few = cluster_jump(key * CLU_WY0, 10), more = cluster_jump(key * CLU_WY0, 11);
        assert_int_equal(cluster_jump(key * CLU_WY0, 1), 0);
        assert_true(few < 10 && (more == few || more == 10));
        assert_true(cluster_jump(key * CLU_WY0, UINT32_MAX) < UINT32_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(rounds_as_doubles),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
