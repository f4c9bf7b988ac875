/* The next map from the one before: what must move and nothing else, as even as can be, apart as a built one is. */
#include "../../src/place/next.h"
#include "../../src/place/plan.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "place.h"

static struct set set;

static struct cluster_map *next_of(const struct cluster_map *from, uint32_t shards, uint32_t epsilon, uint32_t replicas)
{
    struct cluster_map_options o = options_of(shards, epsilon);
    struct cluster_map *map;
    o.replicas = replicas;
    assert_int_equal(cluster_map_next(&map, from, set.nodes, set.count, &o), 0);
    return map;
}

static void dress(void)
{
    static const char *const zones[] = {"a/1", "a/2", "b", "c/1", "c/2", NULL};
    size_t i;
    for (i = 0; i < set.count; i++) {
        set.nodes[i].zone = zones[random_below(CLU_COUNT(zones))];
        set.nodes[i].weight = random_below(4);
        set.nodes[i].flags = random_below(12) ? 0 : 1 + random_below(3);
    }
}

/* What is kept in step must be what is there. */
static void assert_sound(const struct cluster_map *map)
{
    static uint32_t held[SET_MAX];
    uint32_t shard, i, j, owners[16];
    uint64_t sum = 0;
    memset(held, 0, sizeof held);
    for (shard = 0; shard < map->shards; shard++) {
        assert_int_equal(cluster_map_shard_owners(map, shard, owners, 16), map->copies);
        for (i = 0; i < map->copies; i++) {
            assert_true(owners[i] < map->nodes);
            for (j = 0; j < i; j++)
                assert_true(owners[i] != owners[j]);
            held[owners[i]]++;
            sum += clu_map_term(map, shard, i, owners[i]);
        }
    }
    for (i = 0; i < map->nodes; i++)
        assert_int_equal(cluster_map_node_load(map, i), held[i]);
    assert_true(sum == map->sum);
}

/* The fullest and the emptiest differ by one at most. */
static void assert_level(const struct cluster_map *map)
{
    uint32_t i, most = 0, least = UINT32_MAX;
    for (i = 0; i < map->nodes; i++) {
        most = map->loads[i] > most ? map->loads[i] : most;
        least = map->loads[i] < least ? map->loads[i] : least;
    }
    assert_true(most - least <= 1);
}

/* From nothing on, one node comes or goes at a time: exactly its shards move, and loads stay level. */
static void least_movement(void **state)
{
    struct cluster_map *map, *next;
    int turn;
    (void)state;
    random_set(&set, 200);
    set.count = 30;
    map = next_of(NULL, 4096, 0, 1);
    assert_sound(map);
    assert_level(map);
    for (turn = 0; turn < 300; turn++) {
        size_t moved;
        if (set.count < 2 || (set.count < 100 && random_below(2))) {
            const char *name = set.nodes[set.count++].name;
            next = next_of(map, 4096, 0, 1);
            moved = cluster_map_node_load(next, cluster_map_find(next, name));
            assert_int_equal(moved, 4096 / set.count);
        } else {
            const struct cluster_node gone = set.nodes[random_below((uint32_t)set.count)];
            size_t i;
            for (i = 0; set.nodes[i].name != gone.name;)
                i++;
            set.nodes[i] = set.nodes[--set.count];
            set.nodes[set.count] = gone;
            next = next_of(map, 4096, 0, 1);
            moved = cluster_map_node_load(map, cluster_map_find(map, gone.name));
        }
        assert_int_equal(cluster_map_plan(map, next, NULL, 0), moved);
        assert_sound(next);
        assert_level(next);
        cluster_map_free(map);
        map = next;
    }
    cluster_map_free(map);
}

static void from_a_built_one(void **state)
{
    struct cluster_map *map, *next, *built;
    const char *name;
    (void)state;
    random_set(&set, 100);
    set.count = 99;
    map = map_of(&set, 16384, 0);
    name = set.nodes[set.count++].name;
    next = next_of(map, 16384, 0, 1);
    built = map_of(&set, 16384, 0);
    assert_int_equal(cluster_map_node_load(next, cluster_map_find(next, name)), 163);
    assert_int_equal(cluster_map_plan(map, next, NULL, 0), 163);
    assert_true(cluster_map_fingerprint(next) != cluster_map_fingerprint(built));
    assert_true(cluster_map_fingerprint(next) != cluster_map_fingerprint(map));
    cluster_map_free(built);
    /* nothing new: the same map */
    cluster_map_free(map);
    map = next;
    assert_int_equal(cluster_map_next(&next, map, set.nodes, set.count, NULL), 0);
    assert_true(cluster_map_fingerprint(next) == cluster_map_fingerprint(map));
    cluster_map_free(map);
    cluster_map_free(next);
}

/* Weights, zones, flags and replicas change at will. */
static void any_change(void **state)
{
    int turn, step;
    (void)state;
    for (turn = 0; turn < 300; turn++) {
        const uint32_t shards = 1u << random_below(11), epsilon = random_below(2) ? 0 : 1 + random_below(300);
        struct cluster_map *map = NULL;
        random_set(&set, SET_MAX / 10);
        set.count = random_below(30);
        for (step = 0; step < 6; step++) {
            struct cluster_map *next, *again;
            uint32_t i, replicas = 1 + random_below(4), owners[16], shard, zones;
            dress();
            next = next_of(map, shards, epsilon, replicas);
            assert_sound(next);
            again = next_of(NULL, shards, epsilon, replicas);
            cluster_map_free(again);
            again = map_of(&set, shards, 0);
            for (i = 0; i < set.count; i++) /* who may own nothing does not */
                assert_true(cluster_map_node_load(again, i) || !cluster_map_node_load(next, i) || shards < 256);
            cluster_map_free(again);
            shuffle(&set);
            again = next_of(map, shards, epsilon, replicas);
            assert_true(cluster_map_fingerprint(again) == cluster_map_fingerprint(next));
            cluster_map_free(again);
            if (next->copies > 1) {
                /* as many zones as can be */
                uint8_t seen[6] = {0};
                for (i = zones = 0; i < set.count; i++)
                    if (!set.nodes[i].flags)
                        seen[set.nodes[i].zone ? set.nodes[i].zone[0] - 'a' + 1 : 0] = 1;
                for (i = 0; i < 6; i++)
                    zones += seen[i];
                for (shard = 0; shard < shards; shard++) {
                    uint32_t found = 0, j;
                    memset(seen, 0, sizeof seen);
                    cluster_map_shard_owners(next, shard, owners, 16);
                    for (i = 0; i < next->copies; i++) {
                        for (j = 0; strcmp(set.nodes[j].name, cluster_map_node(next, owners[i])) != 0;)
                            j++;
                        seen[set.nodes[j].zone ? set.nodes[j].zone[0] - 'a' + 1 : 0] = 1;
                    }
                    for (i = 0; i < 6; i++)
                        found += seen[i];
                    assert_int_equal(found, zones < next->copies ? zones : next->copies);
                }
            }
            cluster_map_free(map);
            map = next;
            if (random_below(3) == 0 && set.count)
                take_out(&set, random_below((uint32_t)set.count));
        }
        cluster_map_free(map);
    }
}

/* One of three owners goes: the others of the row stay, and the second becomes the first. */
static void the_rest_of_a_row_stays(void **state)
{
    struct cluster_map *map, *next;
    uint32_t shard, a[3], b[3], i, j;
    const char *gone;
    (void)state;
    random_set(&set, 20);
    map = next_of(NULL, 1024, 0, 3);
    gone = set.nodes[0].name;
    take_out(&set, 0);
    next = next_of(map, 1024, 0, 3);
    for (shard = 0; shard < 1024; shard++) {
        cluster_map_shard_owners(map, shard, a, 3);
        cluster_map_shard_owners(next, shard, b, 3);
        for (i = j = 0; i < 3; i++)
            if (strcmp(cluster_map_node(map, a[i]), gone) != 0)
                assert_string_equal(cluster_map_node(map, a[i]), cluster_map_node(next, b[j++]));
        assert_true(j >= 2);
    }
    cluster_map_free(map);
    cluster_map_free(next);
}

/* Zones of unlike sizes, each with an owner of every shard: their nodes fill alike, the last place of a shard too. */
static void zones_fill_alike(void **state)
{
    static const char *const zones[] = {"a", "b", "c"};
    static const uint32_t sizes[] = {3, 20, 40};
    struct cluster_map *map;
    uint32_t zone, i, at = 0;
    (void)state;
    random_set(&set, 63);
    for (zone = 0; zone < 3; zone++)
        for (i = 0; i < sizes[zone]; i++)
            set.nodes[at++].zone = zones[zone];
    map = next_of(NULL, 4096, 0, 3);
    assert_sound(map);
    for (zone = at = 0; zone < 3; zone++)
        for (i = 0; i < sizes[zone]; i++) {
            const uint32_t load = cluster_map_node_load(map, cluster_map_find(map, set.nodes[at++].name));
            assert_true(load == 4096 / sizes[zone] || load == 4096 / sizes[zone] + 1);
        }
    cluster_map_free(map);
}

static void weights(void **state)
{
    struct cluster_map *map, *next;
    uint32_t i;
    (void)state;
    random_set(&set, 10);
    for (i = 0; i < 10; i++)
        set.nodes[i].weight = i + 1;
    map = next_of(NULL, 1u << 14, 0, 1);
    for (i = 0; i < 10; i++) {
        const uint32_t load = cluster_map_node_load(map, cluster_map_find(map, set.nodes[i].name));
        const uint32_t share = (1u << 14) * (i + 1) / 55;
        assert_true(load == share || load == share + 1);
    }
    /* one is worth half of what it was: it gives what is over its cap */
    set.nodes[9].weight = 5;
    next = next_of(map, 1u << 14, 0, 1);
    i = cluster_map_node_load(next, cluster_map_find(next, set.nodes[9].name));
    assert_int_equal(i, (1u << 14) * 5 * 1050 / (50 * 1000));
    cluster_map_free(map);
    cluster_map_free(next);
}

static void nobody(void **state)
{
    struct cluster_map *none, *map, *again;
    (void)state;
    random_set(&set, 0);
    none = next_of(NULL, 64, 0, 2);
    assert_int_equal(cluster_map_owner(none, "k", 1), CLUSTER_NOBODY);
    random_set(&set, 3);
    map = next_of(none, 64, 0, 2);
    assert_sound(map);
    assert_int_equal(cluster_map_replicas(map), 2);
    set.count = 0;
    again = next_of(map, 64, 0, 2);
    assert_true(cluster_map_fingerprint(again) == cluster_map_fingerprint(none));
    cluster_map_free(none);
    cluster_map_free(map);
    cluster_map_free(again);
}

static void bad_arguments(void **state)
{
    struct cluster_map_options o;
    struct cluster_map *map, *next;
    (void)state;
    random_set(&set, 3);
    map = map_of(&set, 64, 0);
    assert_int_equal(cluster_map_next(NULL, map, set.nodes, 3, NULL), CLUSTER_E_INVALID);
    next = map;
    assert_int_equal(cluster_map_next(&next, map, NULL, 3, NULL), CLUSTER_E_INVALID);
    assert_null(next);
    o = options_of(128, 0);
    assert_int_equal(cluster_map_next(&next, map, set.nodes, 3, &o), CLUSTER_E_INVALID);
    o = options_of(64, 0);
    o.seed[1] = 1;
    assert_int_equal(cluster_map_next(&next, map, set.nodes, 3, &o), CLUSTER_E_INVALID);
    o = options_of(63, 0);
    assert_int_equal(cluster_map_next(&next, NULL, set.nodes, 3, &o), CLUSTER_E_INVALID);
    set.nodes[1].name = set.nodes[2].name;
    assert_int_equal(cluster_map_next(&next, map, set.nodes, 3, NULL), CLUSTER_E_INVALID);
    assert_null(next);
    cluster_map_free(map);
}

static size_t calls, fail_at, blocks;

static void *failing_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (!new_size) {
        blocks--;
        free(ptr);
        return NULL;
    }
    if (++calls == fail_at)
        return NULL;
    blocks++;
    return malloc(new_size);
}

static void memory_runs_out(void **state)
{
    struct cluster_allocator allocator;
    struct cluster_map *map, *next;
    int result;
    (void)state;
    memset(&allocator, 0, sizeof allocator);
    allocator.size = (uint32_t)sizeof allocator;
    allocator.resize = failing_resize;
    random_set(&set, 20);
    fail_at = 0;
    assert_int_equal(cluster_map_build_in(&map, set.nodes, 19, NULL, &allocator), 0);
    for (fail_at = 1;; fail_at++) {
        calls = 0;
        result = cluster_map_next(&next, map, set.nodes, 20, NULL);
        if (!result)
            break;
        assert_int_equal(result, CLUSTER_E_MEMORY);
        assert_null(next);
        assert_int_equal(blocks, 1);
    }
    assert_int_equal(fail_at, 3);
    cluster_map_free(map);
    assert_sound(next);
    cluster_map_free(next);
    assert_int_equal(blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_movement),   cmocka_unit_test(from_a_built_one),        cmocka_unit_test(any_change),
        cmocka_unit_test(zones_fill_alike), cmocka_unit_test(the_rest_of_a_row_stays), cmocka_unit_test(weights),
        cmocka_unit_test(nobody),           cmocka_unit_test(bad_arguments),           cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
