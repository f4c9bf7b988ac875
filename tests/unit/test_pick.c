/* Picking by live load: the key's owners first, nobody over the bound, shares as in the map. */
#include "../../src/place/deal.h"
#include "../../src/place/pick.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "place.h"

static struct set set;
static uint64_t bears[SET_MAX];
static size_t asked;

static uint64_t load_of(void *ctx, uint32_t index)
{
    assert_ptr_equal(ctx, &set);
    asked++;
    return bears[index];
}

/* One hot key: its requests spread over so many nodes that none has more than its share and epsilon. */
static void a_hot_key(void **state)
{
    static const uint32_t epsilons[] = {0, 50, 250, 1000};
    int turn;
    (void)state;
    for (turn = 0; turn < 100; turn++) {
        const uint32_t epsilon = epsilons[turn % 4], allowed = epsilon ? epsilon : 250;
        struct cluster_map *map;
        uint64_t total, sum;
        uint32_t i;
        random_set(&set, 1 + random_below(20));
        for (i = 0; i < set.count; i++)
            set.nodes[i].weight = turn % 2 ? 1 + random_below(9) : 1;
        map = map_of(&set, 1024, 0);
        memset(bears, 0, sizeof bears);
        for (total = 0; total < 2000; total++) {
            const uint32_t node = cluster_map_pick(map, "hot", 3, epsilon, total, load_of, &set);
            assert_true(node < set.count);
            if (!total)
                assert_int_equal(node, cluster_map_owner(map, "hot", 3));
            bears[node]++;
            assert_true((bears[node] - 1) * 1024 * 1000 < (total + 1) * map->loads[node] * (1000 + allowed));
        }
        for (sum = i = 0; i < set.count; i++)
            sum += bears[i];
        assert_int_equal(sum, total);
        cluster_map_free(map);
    }
}

/* Where nobody is loaded the owner is picked, with one question. */
static void idle(void **state)
{
    struct cluster_map *map;
    uint32_t key;
    (void)state;
    random_set(&set, 9);
    map = map_of(&set, 256, 0);
    memset(bears, 0, sizeof bears);
    for (key = 0; key < 200; key++) {
        asked = 0;
        assert_int_equal(cluster_map_pick(map, &key, sizeof key, 0, 0, load_of, &set),
                         cluster_map_owner(map, &key, sizeof key));
        assert_int_equal(asked, 1);
    }
    cluster_map_free(map);
}

static void replicas_come_first(void **state)
{
    struct cluster_map_options o = options_of(256, 0);
    struct cluster_map *map;
    uint32_t key, owners[3], i;
    (void)state;
    random_set(&set, 9);
    o.replicas = 3;
    assert_int_equal(cluster_map_build(&map, set.nodes, set.count, &o), 0);
    for (key = 0; key < 50; key++) {
        assert_int_equal(cluster_map_owners(map, &key, sizeof key, owners, 3), 3);
        memset(bears, 0, sizeof bears);
        for (i = 0; i < 3; i++) {
            assert_int_equal(cluster_map_pick(map, &key, sizeof key, 0, 200, load_of, &set), owners[i]);
            bears[owners[i]] = 100;
        }
    }
    cluster_map_free(map);
}

static void extremes(void **state)
{
    struct cluster_map *map;
    uint32_t i;
    (void)state;
    random_set(&set, 5);
    map = map_of(&set, 64, 0);
    /* a total that is not true: still an owner */
    for (i = 0; i < 5; i++)
        bears[i] = UINT64_MAX;
    assert_int_equal(cluster_map_pick(map, "k", 1, 0, 0, load_of, &set), cluster_map_owner(map, "k", 1));
    assert_int_equal(cluster_map_pick(map, "k", 1, UINT32_MAX, UINT64_MAX, load_of, &set), cluster_map_owner(map, "k", 1));
    for (i = 0; i < 5; i++)
        bears[i] = UINT64_MAX / 5;
    assert_int_equal(cluster_map_pick(map, "k", 1, 900, UINT64_MAX, load_of, &set), cluster_map_owner(map, "k", 1));
    cluster_map_free(map);
    set.count = 0;
    map = map_of(&set, 64, 0);
    assert_int_equal(cluster_map_pick(map, "k", 1, 0, 0, load_of, &set), CLUSTER_NOBODY);
    cluster_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hot_key),
        cmocka_unit_test(idle),
        cmocka_unit_test(replicas_come_first),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
