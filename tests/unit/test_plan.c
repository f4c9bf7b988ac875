/* The plan: followed in its order it turns the old map into the new one, safely at every step; in batches too. */
#include "../../src/place/deal.h"
#include "../../src/place/plan.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "place.h"

#define SHARDS 1024u

static struct set set;
static struct cluster_move moves[SHARDS * 4 + 1];

static const char *table[SHARDS][16];

static const char *name_at(const struct cluster_map *map, uint32_t shard, uint32_t place)
{
    uint32_t owners[16];
    if (!map || place >= cluster_map_shard_owners(map, shard, owners, 16))
        return "";
    return cluster_map_node(map, owners[place]);
}

static bool has(const struct cluster_map *map, uint32_t shard, const char *name)
{
    uint32_t i;
    for (i = 0; i < 16; i++)
        if (*name && strcmp(name_at(map, shard, i), name) == 0)
            return true;
    return false;
}

/* Follow one move. A shard that had an owner has one after it, if the new map has any; and while the two maps share an owner of
 * the shard, or it has the data already, somebody in the row has it. */
static void follow(const struct cluster_map *from, const struct cluster_map *to, const struct cluster_move *m)
{
    const char *was = m->from == CLUSTER_NOBODY ? "" : cluster_map_node(from, m->from);
    const char *is = m->to == CLUSTER_NOBODY ? "" : cluster_map_node(to, m->to);
    bool before = false, after = false;
    uint32_t i;
    assert_string_equal(table[m->shard][m->replica], was);
    assert_string_equal(name_at(from, m->shard, m->replica), was);
    assert_string_equal(name_at(to, m->shard, m->replica), is);
    assert_string_not_equal(was, is);
    for (i = 0; i < 16; i++)
        before = before || *table[m->shard][i];
    table[m->shard][m->replica] = is;
    for (i = 0; i < 16; i++)
        after = after || *table[m->shard][i];
    assert_true(after || !before || !to->copies);
}

static void begin(const struct cluster_map *from, uint32_t shards)
{
    uint32_t shard, i;
    for (shard = 0; shard < shards; shard++)
        for (i = 0; i < 16; i++)
            table[shard][i] = name_at(from, shard, i);
}

static void assert_done(const struct cluster_map *to)
{
    uint32_t shard, i;
    for (shard = 0; shard < cluster_map_shards(to); shard++)
        for (i = 0; i < 16; i++)
            assert_string_equal(table[shard][i], name_at(to, shard, i));
}

static void assert_law(const struct cluster_map *from, const struct cluster_map *to)
{
    static uint32_t give[SET_MAX], take[SET_MAX], gives[SET_MAX], takes[SET_MAX];
    const uint32_t shards = cluster_map_shards(to), each = 1 + random_below(4);
    const size_t count = cluster_map_plan(from, to, moves, CLU_COUNT(moves));
    uint32_t batches, batch;
    size_t i, done = 0;
    assert_true(count <= CLU_COUNT(moves));
    begin(from, shards);
    for (i = 0; i < count; i++) {
        assert_true(i == 0 || moves[i - 1].shard <= moves[i].shard);
        assert_int_equal(moves[i].batch, 0);
        follow(from, to, &moves[i]);
    }
    assert_done(to);
    if (from)
        assert_int_equal(count == 0, cluster_map_fingerprint(from) == cluster_map_fingerprint(to));
    /* the same in batches */
    memset(give, 0, sizeof give);
    memset(take, 0, sizeof take);
    batches = cluster_map_batches(moves, count, each, give, take);
    assert_int_equal(batches != 0, count != 0);
    begin(from, shards);
    for (batch = 0; batch < batches; batch++) {
        const size_t so_far = done;
        memset(gives, 0, sizeof gives);
        memset(takes, 0, sizeof takes);
        for (i = 0; i < count; i++) {
            if (moves[i].batch != batch)
                continue;
            follow(from, to, &moves[i]);
            done++;
            if (moves[i].from != CLUSTER_NOBODY)
                assert_true(++gives[moves[i].from] <= each);
            if (moves[i].to != CLUSTER_NOBODY)
                assert_true(++takes[moves[i].to] <= each);
        }
        assert_true(done > so_far);
    }
    assert_int_equal(done, count);
    assert_done(to);
}

/* While the old and the new owners of a shard have one in common, at every step one of the old ones is in the row. */
static void data_is_kept(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 300; turn++) {
        struct cluster_map_options o = options_of(64, 0);
        struct cluster_map *from, *to;
        size_t i, count;
        o.replicas = 2 + random_below(3);
        random_set(&set, 5 + random_below(10));
        assert_int_equal(cluster_map_build(&from, set.nodes, set.count, &o), 0);
        for (i = random_below(3); i; i--)
            take_out(&set, random_below((uint32_t)set.count));
        o.epsilon = 1 + random_below(100);
        assert_int_equal(cluster_map_build(&to, set.nodes, set.count, &o), 0);
        count = cluster_map_plan(from, to, moves, CLU_COUNT(moves));
        begin(from, 64);
        for (i = 0; i < count; i++) {
            uint32_t place;
            bool common = false, kept = false;
            table[moves[i].shard][moves[i].replica] = name_at(to, moves[i].shard, moves[i].replica);
            for (place = 0; place < 16; place++) {
                common = common || has(from, moves[i].shard, name_at(to, moves[i].shard, place));
                kept = kept || has(from, moves[i].shard, table[moves[i].shard][place]);
            }
            assert_true(kept || !common);
        }
        cluster_map_free(from);
        cluster_map_free(to);
    }
}

static void gives_the_new_map(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 300; turn++) {
        const uint32_t shards = 1u << random_below(9);
        struct cluster_map *from, *to;
        size_t i;
        struct cluster_map_options o = options_of(shards, 0);
        random_set(&set, random_below(40));
        o.replicas = turn % 2 ? 1 : 1 + random_below(4);
        assert_int_equal(cluster_map_build(&from, set.nodes, set.count, &o), 0);
        assert_law(from, from);
        assert_law(NULL, from);
        for (i = random_below(8); i && set.count; i--)
            take_out(&set, random_below((uint32_t)set.count));
        if (set.count && turn % 3 == 0)
            set.nodes[0].flags = CLUSTER_NODE_DRAINING;
        o.replicas = turn % 4 ? o.replicas : 1 + random_below(4);
        assert_int_equal(cluster_map_build(&to, set.nodes, set.count, &o), 0);
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
        cmocka_unit_test(data_is_kept),
        cmocka_unit_test(gives_the_new_map),
        cmocka_unit_test(strangers),
        cmocka_unit_test(nobody),
        cmocka_unit_test(what_cannot_be_planned),
        cmocka_unit_test(fills_what_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
