/* Rendezvous hashing: order, minimal movement, evenness, and values that must never change. */
#include "../../src/place/rendezvous.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static const char *const six[] = {"a@h1", "b@h2", "c@h3", "d@h4", "e@h5", "f@h6"};

static void nobody(void **state)
{
    (void)state;
    assert_int_equal(cluster_rendezvous("key", 3, NULL, 0, 0), CLUSTER_NOBODY);
    assert_int_equal(cluster_rendezvous("", 0, six, 1, 0), 0);
    assert_int_equal(cluster_rendezvous(NULL, 0, six, 1, 7), 0);
}

static void any_order(void **state)
{
    uint32_t key;
    (void)state;
    for (key = 0; key < 500; key++) {
        const char *turned[6], *owner = six[cluster_rendezvous(&key, sizeof key, six, 6, 0)];
        size_t by, i;
        for (by = 1; by < 6; by++) {
            for (i = 0; i < 6; i++)
                turned[i] = six[(i * 5 + by) % 6];
            assert_string_equal(turned[cluster_rendezvous(&key, sizeof key, turned, 6, 0)], owner);
        }
    }
}

static void the_same_name_twice(void **state)
{
    static const char *const twice[] = {"a@h1", "a@h1", "a@h1"};
    (void)state;
    assert_int_equal(cluster_rendezvous("key", 3, twice, 3, 0), 0);
}

/* A key whose owner stays must stay with it. */
static void moves_the_least(void **state)
{
    uint32_t key, moved = 0;
    (void)state;
    for (key = 0; key < 3000; key++) {
        uint32_t before = cluster_rendezvous(&key, sizeof key, six, 6, 1),
                 after = cluster_rendezvous(&key, sizeof key, six, 5, 1);
        assert_true(before == after || before == 5);
        moved += before != after;
    }
    assert_in_range(moved, 400, 600);
}

static void spreads(void **state)
{
    char names[100][16];
    const char *list[100];
    uint32_t seen[100], key;
    size_t count, i;
    uint64_t seed;
    (void)state;
    for (i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "node%u@host", (unsigned)i);
        list[i] = names[i];
    }
    for (seed = 0; seed < 2; seed++) {
        for (count = 2; count <= 100; count = count * 3 + 1) {
            double mean = 400, chi = 0;
            memset(seen, 0, sizeof seen);
            for (key = 0; key < 400 * count; key++)
                seen[cluster_rendezvous(&key, sizeof key, list, count, seed)]++;
            for (i = 0; i < count; i++)
                chi += (seen[i] - mean) * (seen[i] - mean) / mean;
            /* mean count - 1, standard deviation sqrt(2 * count) */
            assert_true((chi - (double)count) * (chi - (double)count) < 32.0 * (double)count);
        }
    }
}

static void known_answers(void **state)
{
    static const struct {
        const char *key;
        uint64_t seed;
        uint32_t owner;
    } known[] = {
        {"", 0, 2},        {"a", 0, 3},       {"user:1", 0, 2},
        {"user:2", 0, 1},  {"user:3", 0, 2},  {"a key of more than sixteen bytes", 0, 1},
        {"", 42, 5},       {"a", 42, 4},      {"user:1", 42, 0},
        {"user:2", 42, 3}, {"user:3", 42, 0}, {"user:4", UINT64_MAX, 0},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(known); i++)
        assert_int_equal(cluster_rendezvous(known[i].key, strlen(known[i].key), six, 6, known[i].seed), known[i].owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody),    cmocka_unit_test(the_same_name_twice),
        cmocka_unit_test(any_order), cmocka_unit_test(moves_the_least),
        cmocka_unit_test(spreads),   cmocka_unit_test(known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
