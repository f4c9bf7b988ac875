/*
 * The map against its definition: known answers, a second way to find the stable matching, and laws over random sets of
 * nodes. Each law is tested over sets that a seed makes.
 */
#include "../../src/place/deal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"
#include "place.h"

static struct set set, other_set;

/* ---- known answers ---------------------------------------------------- */

static void known_answers(void **state)
{
    static const char *const keys[] = {"", "a", "user:1", "user:2", "a key of more than sixteen bytes"};
    static struct cluster_node nodes[1000];
    static char names[1000][32], zone[1000][32], line[4096];
    FILE *f = fopen("tests/vectors/map.txt", "r");
    char *field[14];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        struct cluster_map_options options;
        struct cluster_map *map;
        size_t count, i, j;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 14), 14);
        options = options_of((uint32_t)strtoul(field[0], NULL, 10), (uint32_t)strtoul(field[1], NULL, 10));
        options.seed[0] = strtoull(field[2], NULL, 16);
        options.seed[1] = strtoull(field[3], NULL, 16);
        options.replicas = (uint32_t)strtoul(field[6], NULL, 10);
        count = strtoul(field[4], NULL, 10);
        memset(nodes, 0, sizeof nodes);
        for (i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "n%u@10.0.0.%u", (unsigned)(i * 7919 % 1000), (unsigned)i);
            snprintf(zone[i], sizeof zone[i], "r%u/z%u/k%u", (unsigned)i % 2, (unsigned)i % 5, (unsigned)i % 11);
            nodes[i].size = (uint32_t)sizeof nodes[i];
            nodes[i].name = names[i];
            nodes[i].weight = strchr(field[7], 'w') ? (uint32_t)(1 + i * i % 10) : 0;
            nodes[i].zone = strchr(field[7], 'z') ? zone[i] : NULL;
        }
        if (field[5][0] != '-')
            nodes[strtoul(field[5], NULL, 10)].flags = CLUSTER_NODE_EXCLUDED;
        assert_int_equal(cluster_map_build(&map, nodes, count, &options), 0);
        assert_true(cluster_map_fingerprint(map) == strtoull(field[8], NULL, 16));
        for (i = 0; i < CLU_COUNT(keys); i++) {
            uint32_t owners[16];
            const size_t owned = cluster_map_owners(map, keys[i], strlen(keys[i]), owners, 16);
            char text[512];
            size_t length = (size_t)snprintf(text, sizeof text, "%s", owned ? "" : "-");
            for (j = 0; j < owned; j++)
                length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", j ? "," : "",
                                           cluster_map_node(map, owners[j]));
            assert_string_equal(text, field[9 + i]);
        }
        cluster_map_free(map);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 27);
}

/* ---- laws ------------------------------------------------------------- */

static void assert_same(const struct cluster_map *a, const struct cluster_map *b)
{
    uint32_t i;
    assert_true(cluster_map_fingerprint(a) == cluster_map_fingerprint(b));
    assert_int_equal(cluster_map_shards(a), cluster_map_shards(b));
    for (i = 0; i < cluster_map_shards(a); i++)
        assert_string_equal(owner_name(a, i), owner_name(b, i));
}

static void any_order(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 300; turn++) {
        const uint32_t shards = 1u << random_below(11);
        struct cluster_map *a, *b;
        random_set(&set, random_below(80));
        a = map_of(&set, shards, 0);
        shuffle(&set);
        b = map_of(&set, shards, 0);
        assert_same(a, b);
        cluster_map_free(a);
        cluster_map_free(b);
    }
}

static void no_node_is_over_its_cap(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 300; turn++) {
        const uint32_t shards = 1u << random_below(13), n = 1 + random_below(300);
        const uint32_t epsilon = random_below(4) ? 1 + random_below(300) : 0;
        uint32_t mean = (shards + n - 1) / n, cap = shards * (1000 + (epsilon ? epsilon : 50)) / (1000 * n), i, sum = 0;
        static uint32_t counted[SET_MAX];
        struct cluster_map *map;
        random_set(&set, n);
        map = map_of(&set, shards, epsilon);
        memset(counted, 0, sizeof counted);
        assert_int_equal(cluster_map_shards(map), shards);
        assert_int_equal(cluster_map_nodes(map), n);
        for (i = 0; i < shards; i++)
            counted[cluster_map_shard_owner(map, i)]++;
        for (i = 0; i < n; i++) {
            assert_int_equal(cluster_map_node_load(map, i), counted[i]);
            assert_true(counted[i] <= cap || counted[i] <= mean);
            assert_true(i == 0 || strcmp(cluster_map_node(map, i - 1), cluster_map_node(map, i)) < 0);
            sum += counted[i];
        }
        assert_int_equal(sum, shards);
        cluster_map_free(map);
    }
}

static uint32_t moves(const struct cluster_map *a, const struct cluster_map *b)
{
    uint32_t i, count = 0;
    for (i = 0; i < cluster_map_shards(a); i++)
        count += strcmp(owner_name(a, i), owner_name(b, i)) != 0;
    return count;
}

/* Without a cap only the shards of the node that goes move, one by one. */
static void without_a_cap_moves_the_least(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 150; turn++) {
        const uint32_t shards = 1u << (4 + random_below(8));
        struct cluster_map *before, *after;
        const char *name;
        random_set(&set, 2 + random_below(60));
        before = map_of(&set, shards, UINT32_MAX);
        name = set.nodes[0].name;
        take_out(&set, 0);
        after = map_of(&set, shards, UINT32_MAX);
        assert_int_equal(moves(before, after), cluster_map_node_load(before, index_of(before, name)));
        cluster_map_free(before);
        cluster_map_free(after);
    }
}

/* One of n nodes leaves, or the other way round joins: moves over the least possible. With 128 shards a node or more never
 * over 1.4; with 64 or more 1.4 in the mean. */
static void movement_is_bounded(void **state)
{
    double sum = 0;
    int turn, count = 0;
    (void)state;
    for (turn = 0; turn < 200; turn++) {
        const uint32_t n = 2 + random_below(63), shards = random_below(2) ? 4096 : 8192;
        struct cluster_map *before, *after;
        const char *name;
        double ratio;
        random_set(&set, n);
        before = map_of(&set, shards, 0);
        name = set.nodes[0].name;
        take_out(&set, 0);
        after = map_of(&set, shards, 0);
        ratio = (double)moves(before, after) / cluster_map_node_load(before, index_of(before, name));
        assert_true(ratio >= 1);
        assert_true(ratio <= (shards / n >= 128 ? 1.4 : 1.8));
        sum += ratio;
        count++;
        cluster_map_free(before);
        cluster_map_free(after);
    }
    assert_true(sum / count <= 1.2);
}

static void a_seed_changes_all(void **state)
{
    struct cluster_map_options options = options_of(256, 0);
    struct cluster_map *open, *keyed, *again;
    uint32_t key, same_shard = 0, same_owner = 0;
    (void)state;
    random_set(&set, 20);
    open = map_of(&set, 256, 0);
    options.seed[1] = 1;
    assert_int_equal(cluster_map_build(&keyed, set.nodes, set.count, &options), 0);
    shuffle(&set);
    assert_int_equal(cluster_map_build(&again, set.nodes, set.count, &options), 0);
    assert_same(keyed, again);
    assert_true(cluster_map_fingerprint(open) != cluster_map_fingerprint(keyed));
    for (key = 0; key < 1000; key++) {
        assert_int_equal(cluster_map_shard(open, &key, sizeof key), cluster_hash64(&key, sizeof key, 0) >> 56);
        assert_int_equal(cluster_map_shard(keyed, &key, sizeof key), cluster_siphash(&key, sizeof key, 0, 1) >> 56);
        same_shard += cluster_map_shard(open, &key, sizeof key) == cluster_map_shard(keyed, &key, sizeof key);
        same_owner += cluster_map_owner(open, &key, sizeof key) == cluster_map_owner(keyed, &key, sizeof key);
    }
    assert_true(same_shard < 25);
    assert_true(same_owner < 120);
    cluster_map_free(open);
    cluster_map_free(keyed);
    cluster_map_free(again);
}

/* ---- weights, replicas, zones ----------------------------------------- */

static const char *const zones[] = {"eu/1/a",      "eu/1/b",        "eu/2", "us/1", "us/2/x",
                                    "us/2/y/deep", "us/2/y/deeper", "asia", "",     NULL};

static uint64_t weight_of(const struct cluster_node *node)
{
    if (node->flags & (CLUSTER_NODE_EXCLUDED | CLUSTER_NODE_DRAINING))
        return 0;
    return node->weight ? node->weight : 1;
}

static struct cluster_map *map_with(uint32_t shards, uint32_t epsilon, uint32_t replicas)
{
    struct cluster_map_options o = options_of(shards, epsilon);
    struct cluster_map *map;
    o.replicas = replicas;
    assert_int_equal(cluster_map_build(&map, set.nodes, set.count, &o), 0);
    return map;
}

/* Each node of a random set has some weight, zone, and sometimes a flag. */
static void dress(uint32_t heaviest, size_t kinds)
{
    size_t i;
    for (i = 0; i < set.count; i++) {
        set.nodes[i].weight = random_below(heaviest + 1);
        set.nodes[i].zone = zones[random_below((uint32_t)kinds) % CLU_COUNT(zones)];
        if (random_below(10) == 0)
            set.nodes[i].flags = 1 + random_below(3);
    }
}

static const struct cluster_node *node_named(const char *name)
{
    size_t i;
    for (i = 0; strcmp(set.nodes[i].name, name) != 0;)
        i++;
    return &set.nodes[i];
}

static void loads_follow_weights(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 600; turn++) {
        const uint32_t shards = 1u << random_below(14), epsilon = random_below(3) ? 50 : 1 + random_below(400);
        uint64_t total = 0, sum = 0;
        struct cluster_map *map, *again;
        uint32_t i;
        random_set(&set, 1 + random_below(60));
        dress(turn % 3 ? 10 : turn % 5 ? 100 : 65535, CLU_COUNT(zones));
        set.nodes[0].flags = 0;
        for (i = 0; i < set.count; i++)
            total += weight_of(&set.nodes[i]);
        map = map_with(shards, epsilon, 1);
        for (i = 0; i < set.count; i++) {
            const uint64_t share = shards * weight_of(node_named(cluster_map_node(map, i)));
            const uint64_t least = (share + total - 1) / total, most = share * (1000 + epsilon) / (1000 * total);
            assert_true(cluster_map_node_load(map, i) <= (least > most ? least : most));
            sum += cluster_map_node_load(map, i);
        }
        assert_int_equal(sum, shards);
        shuffle(&set);
        again = map_with(shards, epsilon, 1);
        assert_same(map, again);
        cluster_map_free(map);
        cluster_map_free(again);
    }
}

/* Many more shards than weights: each still draws as often as its weight says, and none is filled up to its cap. */
static void few_weights_and_many_shards(void **state)
{
    const uint32_t shards = 1u << 22;
    struct cluster_map *map;
    uint32_t light;
    (void)state;
    random_set(&set, 2);
    set.nodes[1].weight = 3;
    map = map_of(&set, shards, 0);
    light = cluster_map_node_load(map, index_of(map, set.nodes[0].name));
    assert_in_range(light, shards / 400 * 99, shards / 400 * 101);
    cluster_map_free(map);
}

/* Without a cap a node whose weight rises only takes, and nothing else moves. */
static void more_weight_only_takes(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 150; turn++) {
        const uint32_t shards = 1u << (4 + random_below(8));
        struct cluster_map *before, *after;
        uint32_t i;
        random_set(&set, 2 + random_below(40));
        dress(20, 1);
        set.nodes[0].flags = 0;
        before = map_with(shards, UINT32_MAX, 1);
        set.nodes[0].weight = (uint32_t)weight_of(&set.nodes[0]) + 1 + random_below(20);
        after = map_with(shards, UINT32_MAX, 1);
        for (i = 0; i < shards; i++)
            assert_true(strcmp(owner_name(after, i), owner_name(before, i)) == 0 ||
                        strcmp(owner_name(after, i), set.nodes[0].name) == 0);
        cluster_map_free(before);
        cluster_map_free(after);
    }
}

/* The first parts of a zone, from CLU_ZONE_LEVELS on all of it; above that with the node's name. */
static void zone_part(const char *name, uint32_t parts, char *out, size_t room)
{
    const char *zone = node_named(name)->zone;
    size_t length = 0;
    uint32_t left = parts;
    if (!zone)
        zone = "";
    while (zone[length] && (parts >= CLU_ZONE_LEVELS || zone[length] != '/' || --left))
        length++;
    snprintf(out, room, "%.*s@%s", (int)length, zone, parts > CLU_ZONE_LEVELS ? name : "");
}

/* How many of these differ in the outer parts of their zones. */
static uint32_t distinct(char (*parts)[96], size_t count)
{
    uint32_t found = 0;
    size_t i, j;
    for (i = 0; i < count; i++) {
        for (j = 0; j < i && strcmp(parts[i], parts[j]) != 0;)
            j++;
        found += j == i;
    }
    return found;
}

/* Owners are as many as asked for where there are nodes; of them as many are in distinct zones, at each level, as can be. */
static void replicas_are_apart(void **state)
{
    static char parts[SET_MAX][96];
    int turn;
    (void)state;
    for (turn = 0; turn < 1200; turn++) {
        const uint32_t shards = 1u << random_below(9), replicas = 1 + random_below(5);
        uint32_t able = 0, level, i, shard, owners[16], there[CLU_ZONE_LEVELS + 2];
        struct cluster_map *map, *again;
        random_set(&set, 1 + random_below(24));
        dress(turn % 2 ? 0 : 9, 1 + random_below(10));
        for (level = 1; level <= CLU_ZONE_LEVELS + 1; level++) {
            for (able = i = 0; i < set.count; i++)
                if (weight_of(&set.nodes[i]))
                    zone_part(set.nodes[i].name, level, parts[able++], sizeof parts[0]);
            there[level] = distinct(parts, able);
        }
        map = map_with(shards, 0, replicas);
        assert_int_equal(cluster_map_replicas(map), replicas < able ? replicas : able);
        for (shard = 0; shard < shards; shard++) {
            const uint32_t count = (uint32_t)cluster_map_shard_owners(map, shard, owners, 16);
            assert_int_equal(count, replicas < able ? replicas : able);
            for (i = 0; i < count; i++)
                assert_true(weight_of(node_named(cluster_map_node(map, owners[i]))) != 0);
            for (level = 1; level <= CLU_ZONE_LEVELS + 1; level++) {
                uint32_t front;
                for (i = 0; i < count; i++)
                    zone_part(cluster_map_node(map, owners[i]), level, parts[i], sizeof parts[0]);
                for (front = 1; front <= count; front++)
                    if (front <= there[level])
                        assert_int_equal(distinct(parts, front), front);
            }
        }
        shuffle(&set);
        again = map_with(shards, 0, replicas);
        assert_same(map, again);
        cluster_map_free(map);
        cluster_map_free(again);
    }
}

/* With replicas the cap is on all the places of a node. */
static void replicas_are_even(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 200; turn++) {
        const uint32_t shards = 1u << (8 + random_below(5)), replicas = 2 + random_below(3);
        const uint32_t n = replicas + random_below(40), kinds = random_below(4) ? 1 : n;
        const uint32_t mean = (shards * replicas + n - 1) / n, cap = shards * replicas * 1050 / (1000 * n);
        struct cluster_map *map;
        uint32_t i, sum = 0;
        char own[SET_MAX][16];
        random_set(&set, n);
        for (i = 0; i < n && kinds > 1; i++) {
            snprintf(own[i], sizeof own[i], "z%u", (unsigned)i);
            set.nodes[i].zone = own[i];
        }
        map = map_with(shards, 0, replicas);
        for (i = 0; i < n; i++) {
            const uint32_t load = cluster_map_node_load(map, i);
            assert_true(load <= (mean > cap ? mean : cap));
            sum += load;
        }
        assert_int_equal(sum, shards * replicas);
        cluster_map_free(map);
    }
}

/* When the first owner goes the second one mostly takes its place. */
static void the_second_takes_over(void **state)
{
    uint32_t owners[3], shard, same = 0, of = 0;
    int turn;
    (void)state;
    for (turn = 0; turn < 20; turn++) {
        struct cluster_map *before, *after;
        const char *gone;
        random_set(&set, 5 + random_below(20));
        before = map_with(2048, 0, 3);
        gone = set.nodes[0].name;
        take_out(&set, 0);
        after = map_with(2048, 0, 3);
        for (shard = 0; shard < 2048; shard++) {
            assert_int_equal(cluster_map_shard_owners(before, shard, owners, 3), 3);
            if (strcmp(cluster_map_node(before, owners[0]), gone) != 0)
                continue;
            of++;
            same += strcmp(cluster_map_node(before, owners[1]), owner_name(after, shard)) == 0;
        }
        cluster_map_free(before);
        cluster_map_free(after);
    }
    assert_true(same * 10 > of * 7);
}

static void only_of_a_role(void **state)
{
    struct cluster_map_options o = options_of(256, 0);
    struct cluster_map *map, *same;
    uint32_t i;
    (void)state;
    random_set(&set, 12);
    for (i = 0; i < set.count; i++)
        set.nodes[i].role = i % 3 == 0 ? "db" : i % 3 == 1 ? "web" : NULL;
    o.role = "db";
    assert_int_equal(cluster_map_build(&map, set.nodes, set.count, &o), 0);
    for (i = 0; i < set.count; i++) {
        const struct cluster_node *node = node_named(cluster_map_node(map, i));
        assert_int_equal(cluster_map_node_load(map, i) != 0, node->role && strcmp(node->role, "db") == 0);
    }
    for (i = 0; i < set.count; i++)
        if (!set.nodes[i].role || strcmp(set.nodes[i].role, "db") != 0)
            set.nodes[i].flags = CLUSTER_NODE_EXCLUDED;
    same = map_of(&set, 256, 0);
    assert_same(map, same);
    cluster_map_free(map);
    cluster_map_free(same);
}

static void shards_of_a_node(void **state)
{
    struct cluster_map *map;
    uint32_t index, shard, key;
    (void)state;
    random_set(&set, 9);
    map = map_with(512, 0, 3);
    for (index = 0; index < 9; index++) {
        uint32_t count = 0, last = 0;
        for (shard = cluster_map_node_shard(map, index, 0); shard != CLUSTER_NOBODY;
             shard = cluster_map_node_shard(map, index, shard + 1)) {
            assert_true(!count || shard > last);
            last = shard;
            count++;
        }
        assert_int_equal(count, cluster_map_node_load(map, index));
        for (key = 0; key < 300; key++) {
            uint32_t owners[3], i;
            int place = 0;
            assert_int_equal(cluster_map_owners(map, &key, sizeof key, owners, 3), 3);
            for (i = 0; i < 3; i++)
                place = owners[i] == index ? (int)i + 1 : place;
            assert_int_equal(cluster_map_owns(map, index, &key, sizeof key), place);
        }
        assert_int_equal(cluster_map_find(map, cluster_map_node(map, index)), index);
    }
    assert_int_equal(cluster_map_node_shard(map, 9, 0), CLUSTER_NOBODY);
    assert_int_equal(cluster_map_node_shard(map, 0, 512), CLUSTER_NOBODY);
    assert_int_equal(cluster_map_owns(map, CLUSTER_NOBODY, "k", 1), 0);
    assert_int_equal(cluster_map_find(map, "nobody"), CLUSTER_NOBODY);
    assert_int_equal(cluster_map_find(map, ""), CLUSTER_NOBODY);
    assert_int_equal(cluster_map_find(map, "~"), CLUSTER_NOBODY);
    cluster_map_free(map);
}

/* ---- lookups ---------------------------------------------------------- */

static void lookups_agree(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 60; turn++) {
        const uint32_t shards = 1u << random_below(15);
        struct cluster_map *map;
        uint32_t key, out[2];
        random_set(&set, 1 + random_below(40));
        map = map_of(&set, shards, 0);
        for (key = 0; key < 200; key++) {
            const uint32_t shard = cluster_map_shard(map, &key, 1 + key % 4), owner = cluster_map_owner(map, &key, 1 + key % 4);
            assert_true(shard < shards);
            assert_true(owner < set.count);
            assert_int_equal(cluster_map_shard_owner(map, shard), owner);
            out[0] = out[1] = 77;
            assert_int_equal(cluster_map_owners(map, &key, 1 + key % 4, out, 0), 1);
            assert_int_equal(out[0], 77);
            assert_int_equal(cluster_map_owners(map, &key, 1 + key % 4, out, 2), 1);
            assert_int_equal(out[0], owner);
            assert_int_equal(out[1], 77);
        }
        assert_int_equal(cluster_map_shard_owner(map, shards), CLUSTER_NOBODY);
        assert_int_equal(cluster_map_shard_owner(map, UINT32_MAX), CLUSTER_NOBODY);
        assert_null(cluster_map_node(map, (uint32_t)set.count));
        assert_null(cluster_map_node(map, CLUSTER_NOBODY));
        assert_int_equal(cluster_map_node_load(map, (uint32_t)set.count), 0);
        assert_int_equal(cluster_map_node_load(map, CLUSTER_NOBODY), 0);
        cluster_map_free(map);
    }
}

static void no_node(void **state)
{
    struct cluster_map *map = NULL, *none;
    uint32_t out = 77, i;
    (void)state;
    assert_int_equal(cluster_map_build(&map, NULL, 0, NULL), 0);
    assert_int_equal(cluster_map_shards(map), 4096);
    assert_int_equal(cluster_map_nodes(map), 0);
    assert_null(cluster_map_node(map, 0));
    assert_int_equal(cluster_map_owner(map, "key", 3), CLUSTER_NOBODY);
    assert_int_equal(cluster_map_owners(map, "key", 3, &out, 1), 0);
    assert_int_equal(out, 77);
    for (i = 0; i < 4096; i++)
        assert_int_equal(cluster_map_shard_owner(map, i), CLUSTER_NOBODY);
    /* nodes that may own nothing are no better */
    random_set(&set, 3);
    set.nodes[0].flags = CLUSTER_NODE_EXCLUDED;
    set.nodes[1].flags = CLUSTER_NODE_DRAINING;
    set.nodes[2].flags = CLUSTER_NODE_EXCLUDED | CLUSTER_NODE_DRAINING;
    none = map_of(&set, 4096, 0);
    assert_int_equal(cluster_map_nodes(none), 3);
    assert_int_equal(cluster_map_owner(none, "key", 3), CLUSTER_NOBODY);
    assert_same(map, none);
    cluster_map_free(map);
    cluster_map_free(none);
}

static void one_node(void **state)
{
    struct cluster_map *map;
    uint32_t i;
    (void)state;
    random_set(&set, 1);
    map = map_of(&set, 1024, 0);
    for (i = 0; i < 1024; i++)
        assert_int_equal(cluster_map_shard_owner(map, i), 0);
    assert_int_equal(cluster_map_node_load(map, 0), 1024);
    cluster_map_free(map);
}

/* A node that may own nothing is listed, and places as if it were not. */
static void excluded_and_draining(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 100; turn++) {
        const uint32_t shards = 1u << random_below(12);
        struct cluster_map *all, *without, *listed;
        const char *name;
        random_set(&set, 2 + random_below(30));
        all = map_of(&set, shards, 0);
        name = set.nodes[0].name;
        set.nodes[0].flags = turn % 2 ? CLUSTER_NODE_EXCLUDED : CLUSTER_NODE_DRAINING;
        listed = map_of(&set, shards, 0);
        assert_int_equal(cluster_map_nodes(listed), cluster_map_nodes(all));
        assert_int_equal(cluster_map_node_load(listed, index_of(listed, name)), 0);
        take_out(&set, 0);
        without = map_of(&set, shards, 0);
        assert_same(listed, without);
        assert_int_equal(cluster_map_fingerprint(all) == cluster_map_fingerprint(listed), moves(all, listed) == 0);
        cluster_map_free(all);
        cluster_map_free(without);
        cluster_map_free(listed);
    }
}

static void what_is_ignored(void **state)
{
    struct cluster_map *plain, *dressed;
    size_t i;
    (void)state;
    random_set(&set, 30);
    plain = map_of(&set, 512, 0);
    for (i = 0; i < set.count; i++) {
        set.nodes[i].weight = 1;
        set.nodes[i].port = 9100;
        set.nodes[i].address = "10.0.0.1";
        set.nodes[i].zone = i % 2 ? "a" : "b";
        set.nodes[i].role = "web";
    }
    dressed = map_of(&set, 512, 0);
    assert_same(plain, dressed);
    cluster_map_free(plain);
    cluster_map_free(dressed);
}

/* ---- arguments -------------------------------------------------------- */

struct wide {
    struct cluster_node node;
    void *later;
};

struct wide_options {
    struct cluster_map_options options;
    uint64_t later;
};

static void newer_structs(void **state)
{
    static struct wide wide[5];
    struct wide_options options;
    struct cluster_map *narrow, *map;
    size_t i;
    (void)state;
    random_set(&set, 5);
    narrow = map_of(&set, 64, 0);
    memset(wide, 0, sizeof wide);
    for (i = 0; i < 5; i++) {
        wide[i].node.name = set.nodes[i].name;
        wide[i].node.size = i ? 0 : (uint32_t)sizeof wide[0]; /* only the first one's counts */
    }
    memset(&options, 0, sizeof options);
    options.options = options_of(64, 0);
    options.options.size = (uint32_t)sizeof options;
    assert_int_equal(cluster_map_build(&map, &wide[0].node, 5, &options.options), 0);
    assert_same(narrow, map);
    cluster_map_free(map);
    wide[3].later = &set;
    assert_int_equal(cluster_map_build(&map, &wide[0].node, 5, &options.options), CLUSTER_E_INVALID);
    assert_null(map);
    wide[3].later = NULL;
    options.later = 1;
    assert_int_equal(cluster_map_build(&map, &wide[0].node, 5, &options.options), CLUSTER_E_INVALID);
    cluster_map_free(narrow);
}

static int built(size_t count, const struct cluster_map_options *options)
{
    struct cluster_map *map = (struct cluster_map *)(void *)&set;
    int result = cluster_map_build(&map, count ? set.nodes : NULL, count, options);
    assert_int_equal(map != NULL, result == 0);
    cluster_map_free(map);
    return result;
}

static void bad_options(void **state)
{
    struct cluster_map_options o;
    (void)state;
    random_set(&set, 3);
    assert_int_equal(cluster_map_build(NULL, set.nodes, 3, NULL), CLUSTER_E_INVALID);
    assert_int_equal(built(3, NULL), 0);
    o = options_of(0, 0);
    assert_int_equal(built(3, &o), 0);
    o.replicas = 1;
    assert_int_equal(built(3, &o), 0);
    o.replicas = 16;
    assert_int_equal(built(3, &o), 0);
    o.replicas = 17;
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o = options_of(0, 0);
    o.size = 0;
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o.size = (uint32_t)offsetof(struct cluster_map_options, role) - 1;
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o.size = (uint32_t)offsetof(struct cluster_map_options, role); /* as a program of an earlier version has it */
    o.role = "nobody's";
    assert_int_equal(built(3, &o), 0);
    o = options_of(3, 0);
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o = options_of(4095, 0);
    assert_int_equal(built(0, &o), CLUSTER_E_INVALID);
    o = options_of(1u << 25, 0);
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o = options_of(1u << 31, 0);
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o = options_of(UINT32_MAX, UINT32_MAX);
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o = options_of(1u << 24, UINT32_MAX);
    assert_int_equal(built(0, &o), 0);
}

static void bad_nodes(void **state)
{
    struct cluster_map *map;
    (void)state;
    assert_int_equal(cluster_map_build(&map, NULL, 1, NULL), CLUSTER_E_INVALID);
    random_set(&set, 5);
    set.nodes[4].name = NULL;
    assert_int_equal(built(4, NULL), 0);
    assert_int_equal(built(5, NULL), CLUSTER_E_INVALID);
    set.nodes[4].name = "";
    assert_int_equal(built(5, NULL), CLUSTER_E_INVALID);
    set.nodes[4].name = set.nodes[1].name;
    assert_int_equal(built(5, NULL), CLUSTER_E_INVALID);
    random_set(&set, 5);
    set.nodes[0].size = 0;
    assert_int_equal(built(5, NULL), CLUSTER_E_INVALID);
    set.nodes[0].size = 8;
    assert_int_equal(built(5, NULL), CLUSTER_E_INVALID);
    memset(&set.nodes[1], 0, sizeof set.nodes[1]);
    set.nodes[0].size = (uint32_t)(sizeof set.nodes[0] + sizeof(void *));
    assert_int_equal(built(1, NULL), 0);
    set.nodes[0].size -= 1; /* no struct has such a size: its neighbour would not be aligned */
    assert_int_equal(built(1, NULL), CLUSTER_E_INVALID);
}

static void how_many_nodes(void **state)
{
    const uint32_t most = 1u << 20;
    struct cluster_node *nodes = (struct cluster_node *)calloc(most + 1, sizeof *nodes);
    char(*names)[9] = (char(*)[9])calloc(most + 1, sizeof *names);
    const uint32_t counts[] = {65534, 65535, 65536, most};
    struct cluster_map *map;
    uint32_t i, j;
    (void)state;
    assert_true(nodes && names);
    for (i = 0; i <= most; i++) {
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
    }
    assert_int_equal(cluster_map_build(&map, nodes, most + 1, NULL), CLUSTER_E_LIMIT);
    assert_null(map);
    for (j = 0; j < CLU_COUNT(counts); j++) {
        const uint32_t shards = counts[j] > 65536 ? 1u << 21 : 1u << 17;
        struct cluster_map_options options = options_of(shards, 0);
        uint32_t fullest = 0, sum = 0;
        assert_int_equal(cluster_map_build(&map, nodes, counts[j], &options), 0);
        assert_int_equal(cluster_map_nodes(map), counts[j]);
        assert_int_equal(map->wide, counts[j] > 65535);
        for (i = 0; i < counts[j]; i++) {
            fullest = cluster_map_node_load(map, i) > fullest ? cluster_map_node_load(map, i) : fullest;
            sum += cluster_map_node_load(map, i);
        }
        assert_int_equal(fullest, shards / counts[j] + (shards % counts[j] != 0));
        assert_int_equal(sum, shards);
        assert_true(cluster_map_shard_owner(map, shards - 1) < counts[j]);
        cluster_map_free(map);
    }
    free(nodes);
    free(names);
}

/* ---- memory ----------------------------------------------------------- */

struct counting {
    size_t calls, fail_at, blocks, bytes, peak;
};

static void *counting_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct counting *c = (struct counting *)ctx;
    size_t *block = ptr ? (size_t *)ptr - 2 : NULL;
    assert_int_equal(block ? block[0] : 0, old_size);
    if (!new_size) {
        c->bytes -= old_size;
        c->blocks--;
        free(block);
        return NULL;
    }
    assert_null(ptr);
    if (++c->calls == c->fail_at)
        return NULL;
    block = (size_t *)malloc(2 * sizeof *block + new_size);
    assert_non_null(block);
    memset(block, 0xa5, 2 * sizeof *block + new_size);
    block[0] = new_size;
    c->blocks++;
    c->bytes += new_size;
    c->peak = c->bytes > c->peak ? c->bytes : c->peak;
    return block + 2;
}

static void memory_runs_out(void **state)
{
    struct counting counting;
    struct cluster_allocator allocator;
    struct cluster_map *map;
    size_t fail_at;
    int result;
    (void)state;
    memset(&counting, 0, sizeof counting);
    memset(&allocator, 0, sizeof allocator);
    allocator.size = (uint32_t)sizeof allocator;
    allocator.ctx = &counting;
    allocator.resize = counting_resize;
    random_set(&set, 50);
    for (fail_at = 1;; fail_at++) {
        counting.calls = 0;
        counting.fail_at = fail_at;
        result = cluster_map_build_in(&map, set.nodes, set.count, NULL, &allocator);
        if (!result)
            break;
        assert_int_equal(result, CLUSTER_E_MEMORY);
        assert_null(map);
        assert_int_equal(counting.blocks, 0);
    }
    assert_int_equal(fail_at, 3);
    assert_int_equal(counting.blocks, 1);
    allocator.resize = NULL; /* the map has its own copy */
    cluster_map_free(map);
    assert_int_equal(counting.blocks, 0);
    assert_int_equal(counting.bytes, 0);
    /* refused arguments take none */
    allocator.resize = counting_resize;
    counting.fail_at = 0;
    set.nodes[7].name = set.nodes[8].name;
    assert_int_equal(cluster_map_build_in(&map, set.nodes, set.count, NULL, &allocator), CLUSTER_E_INVALID);
    assert_int_equal(counting.blocks, 0);
}

/* At 128 shards a node: at most 320 bytes a node beside its name. */
static void memory_used(void **state)
{
    struct counting counting;
    struct cluster_allocator allocator;
    struct cluster_map_options options = options_of(32768, 0);
    struct cluster_map *map;
    size_t i, names = 0;
    (void)state;
    memset(&counting, 0, sizeof counting);
    memset(&allocator, 0, sizeof allocator);
    allocator.size = (uint32_t)sizeof allocator;
    allocator.ctx = &counting;
    allocator.resize = counting_resize;
    random_set(&set, 256);
    for (i = 0; i < set.count; i++)
        names += strlen(set.nodes[i].name) + 1;
    assert_int_equal(cluster_map_build_in(&map, set.nodes, set.count, &options, &allocator), 0);
    assert_true(counting.bytes - names <= 320 * set.count);
    cluster_map_free(map);
}

static void references(void **state)
{
    struct cluster_map *map, *second;
    (void)state;
    random_set(&set, 4);
    map = map_of(&set, 64, 0);
    second = clu_map_ref(map);
    assert_ptr_equal(second, map);
    cluster_map_free(map);
    assert_int_equal(cluster_map_nodes(second), 4);
    cluster_map_free(second);
    cluster_map_free(NULL);
}

/* Names whose hashes are equal are too rare to find: the order itself. */
static void equal_streams(void **state)
{
    struct clu_bin a, b, c;
    (void)state;
    memset(&a, 0, sizeof a);
    a.stream = 5;
    a.index = 3;
    b = c = a;
    b.index = 4;
    c.stream = 6;
    c.index = 0;
    assert_true(clu_bin_by_stream(&a, &b) < 0);
    assert_true(clu_bin_by_stream(&b, &a) > 0);
    assert_true(clu_bin_by_stream(&b, &c) < 0);
    assert_true(clu_bin_by_stream(&c, &a) > 0);
}

static void names_are_copied(void **state)
{
    struct cluster_map *map, *again;
    (void)state;
    random_set(&set, 10);
    other_set = set;
    map = map_of(&set, 64, 0);
    again = map_of(&set, 64, 0);
    memset(set.names, 'x', sizeof set.names);
    memset(set.nodes, 0, sizeof set.nodes);
    assert_same(map, again);
    assert_int_equal(index_of(map, other_set.names[3]) < 10, 1);
    cluster_map_free(map);
    cluster_map_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(any_order),
        cmocka_unit_test(no_node_is_over_its_cap),
        cmocka_unit_test(without_a_cap_moves_the_least),
        cmocka_unit_test(movement_is_bounded),
        cmocka_unit_test(a_seed_changes_all),
        cmocka_unit_test(loads_follow_weights),
        cmocka_unit_test(few_weights_and_many_shards),
        cmocka_unit_test(more_weight_only_takes),
        cmocka_unit_test(replicas_are_apart),
        cmocka_unit_test(replicas_are_even),
        cmocka_unit_test(the_second_takes_over),
        cmocka_unit_test(only_of_a_role),
        cmocka_unit_test(shards_of_a_node),
        cmocka_unit_test(lookups_agree),
        cmocka_unit_test(no_node),
        cmocka_unit_test(one_node),
        cmocka_unit_test(excluded_and_draining),
        cmocka_unit_test(what_is_ignored),
        cmocka_unit_test(newer_structs),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(bad_nodes),
        cmocka_unit_test(how_many_nodes),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(memory_used),
        cmocka_unit_test(references),
        cmocka_unit_test(equal_streams),
        cmocka_unit_test(names_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
