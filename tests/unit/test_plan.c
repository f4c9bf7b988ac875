/* The plan: applied to the old map it gives the new one, and it lists nothing else. */
#include "../../src/place/plan.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "place.h"

#define SHARDS 1024u

static struct set set;
static struct cluster_move moves[SHARDS + 1];

/* Apply it, and count how many shards it leaves out. */
static void assert_law(const struct cluster_map *from, const struct cluster_map *to)
{
    static const char *owners[SHARDS];
    const uint32_t shards = cluster_map_shards(to);
    size_t count = cluster_map_plan(from, to, moves, SHARDS), i;
    uint32_t shard;
    assert_true(count <= shards);
    for (shard = 0; shard < shards; shard++)
        owners[shard] = from ? owner_name(from, shard) : "";
    for (i = 0; i < count; i++) {
        const struct cluster_move *m = &moves[i];
        assert_true(i == 0 || moves[i - 1].shard < m->shard);
        assert_int_equal(m->replica, 0);
        assert_string_equal(m->from == CLUSTER_NOBODY ? "" : cluster_map_node(from, m->from), owners[m->shard]);
        assert_string_not_equal(owner_name(to, m->shard), owners[m->shard]);
        owners[m->shard] = m->to == CLUSTER_NOBODY ? "" : cluster_map_node(to, m->to);
    }
    for (shard = 0; shard < shards; shard++)
        assert_string_equal(owners[shard], owner_name(to, shard));
    if (from)
        assert_int_equal(count == 0, cluster_map_fingerprint(from) == cluster_map_fingerprint(to));
}

static void gives_the_new_map(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 300; turn++) {
        const uint32_t shards = 1u << random_below(11);
        struct cluster_map *from, *to;
        size_t i;
        random_set(&set, random_below(40));
        from = map_of(&set, shards, 0);
        assert_law(from, from);
        assert_law(NULL, from);
        for (i = random_below(8); i && set.count; i--)
            take_out(&set, random_below((uint32_t)set.count));
        if (set.count && turn % 3 == 0)
            set.nodes[0].flags = CLUSTER_NODE_DRAINING;
        to = map_of(&set, shards, 0);
        assert_law(from, to);
        assert_law(to, from);
        cluster_map_free(from);
        cluster_map_free(to);
    }
}

/* Two maps with no node in common: nothing stays. */
static void strangers(void **state)
{
    struct cluster_map *from, *to;
    (void)state;
    random_set(&set, 10);
    from = map_of(&set, SHARDS, 0);
    random_set(&set, 10);
    to = map_of(&set, SHARDS, 0);
    assert_int_equal(cluster_map_plan(from, to, NULL, 0), SHARDS);
    assert_law(from, to);
    cluster_map_free(from);
    cluster_map_free(to);
}

static void nobody(void **state)
{
    struct cluster_map *none, *some;
    (void)state;
    random_set(&set, 3);
    some = map_of(&set, 64, 0);
    set.count = 0;
    none = map_of(&set, 64, 0);
    assert_int_equal(cluster_map_plan(none, some, moves, SHARDS), 64);
    assert_int_equal(moves[63].from, CLUSTER_NOBODY);
    assert_int_equal(moves[63].to, cluster_map_shard_owner(some, 63));
    assert_int_equal(cluster_map_plan(some, none, moves, SHARDS), 64);
    assert_int_equal(moves[63].to, CLUSTER_NOBODY);
    assert_int_equal(cluster_map_plan(NULL, some, moves, SHARDS), 64);
    assert_int_equal(moves[0].from, CLUSTER_NOBODY);
    assert_int_equal(cluster_map_plan(NULL, none, moves, SHARDS), 0);
    assert_int_equal(cluster_map_plan(none, none, moves, SHARDS), 0);
    assert_law(none, some);
    assert_law(some, none);
    cluster_map_free(none);
    cluster_map_free(some);
}

static void what_cannot_be_planned(void **state)
{
    struct cluster_map *small, *large;
    (void)state;
    random_set(&set, 3);
    small = map_of(&set, 64, 0);
    large = map_of(&set, 128, 0);
    assert_int_equal(cluster_map_plan(small, large, moves, SHARDS), 0);
    assert_int_equal(cluster_map_plan(large, small, moves, SHARDS), 0);
    assert_int_equal(cluster_map_plan(small, NULL, moves, SHARDS), 0);
    assert_int_equal(cluster_map_plan(NULL, NULL, moves, SHARDS), 0);
    cluster_map_free(small);
    cluster_map_free(large);
}

static void fills_what_there_is_room_for(void **state)
{
    struct cluster_map *map;
    size_t capacity;
    (void)state;
    random_set(&set, 3);
    map = map_of(&set, 64, 0);
    for (capacity = 0; capacity < 64; capacity += 21) {
        memset(moves, 0xaa, sizeof moves);
        assert_int_equal(cluster_map_plan(NULL, map, moves, capacity), 64);
        assert_true(capacity == 0 || moves[capacity - 1].shard == capacity - 1);
        assert_int_equal(moves[capacity].shard, 0xaaaaaaaau);
    }
    cluster_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_new_map),
        cmocka_unit_test(strangers),
        cmocka_unit_test(nobody),
        cmocka_unit_test(what_cannot_be_planned),
        cmocka_unit_test(fills_what_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
