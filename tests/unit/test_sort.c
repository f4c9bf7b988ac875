/* Sorting against counting, in all small sizes, with equal keys. */
#include "../../src/base/sort.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void sorts(void **state)
{
    static int values[300];
    static void *items[301];
    uint32_t random = 1;
    size_t count, i;
    int turn;
    (void)state;
    for (count = 0; count <= CLU_COUNT(values); count++) {
        for (turn = 0; turn < 4; turn++) {
            int seen[300] = {0};
            for (i = 0; i < count; i++) {
                random = random * 1664525 + 1013904223;
                /* few different values, ascending, descending, many different ones */
                values[i] = turn == 0   ? (int)(random >> 30)
                            : turn == 1 ? (int)i
                            : turn == 2 ? (int)(count - i)
                                        : (int)(random >> 8);
                items[i] = &values[i];
            }
            items[count] = &random;
            clu_sort(items, count, by_value);
            for (i = 0; i < count; i++) {
                size_t at = (size_t)((int *)items[i] - values);
                assert_true(at < count && seen[at] == 0);
                seen[at] = 1;
                assert_true(i == 0 || by_value(items[i - 1], items[i]) <= 0);
            }
            assert_ptr_equal(items[count], &random);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
