/*
 * The map against its definition: known answers, a second way to find the stable matching, and laws over random sets of
 * nodes. Each law is tested over sets that a seed makes.
 */
#include "../../src/place/map.h"

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
    static char names[1000][32];
    FILE *f = fopen("tests/vectors/map.txt", "r");
    char line[1024], *field[12];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        struct cluster_map_options options;
        struct cluster_map *map;
        size_t count, i;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 12), 12);
        options = options_of((uint32_t)strtoul(field[0], NULL, 10), (uint32_t)strtoul(field[1], NULL, 10));
        options.seed[0] = strtoull(field[2], NULL, 16);
        options.seed[1] = strtoull(field[3], NULL, 16);
        count = strtoul(field[4], NULL, 10);
        memset(nodes, 0, sizeof nodes);
        for (i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "n%u@10.0.0.%u", (unsigned)(i * 7919 % 1000), (unsigned)i);
            nodes[i].size = (uint32_t)sizeof nodes[i];
            nodes[i].name = names[i];
        }
        if (field[5][0] != '-')
            nodes[strtoul(field[5], NULL, 10)].flags = CLUSTER_NODE_EXCLUDED;
        assert_int_equal(cluster_map_build(&map, nodes, count, &options), 0);
        assert_true(cluster_map_fingerprint(map) == strtoull(field[6], NULL, 16));
        for (i = 0; i < CLU_COUNT(keys); i++) {
            uint32_t owner = cluster_map_owner(map, keys[i], strlen(keys[i]));
            assert_string_equal(owner == CLUSTER_NOBODY ? "-" : cluster_map_node(map, owner), field[7 + i]);
        }
        cluster_map_free(map);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 17);
}

/* ---- the stable matching, by deferred acceptance ---------------------- */

#define SMALL_NODES 12
#define SMALL_SHARDS 64

static void is_the_stable_matching(void **state)
{
    static uint64_t when[SMALL_NODES][SMALL_SHARDS]; /* a pair's first draw; the earlier, the better for both */
    int turn;
    (void)state;
    for (turn = 0; turn < 200; turn++) {
        const uint32_t shards = 1u << random_below(7), n = 1 + random_below(SMALL_NODES), epsilon = 1 + random_below(400);
        uint32_t mean = (shards + n - 1) / n, cap = shards * (1000 + epsilon) / (1000 * n), i, s, waiting[SMALL_SHARDS], left;
        uint32_t holds[SMALL_SHARDS], load[SMALL_NODES] = {0};
        struct cluster_map *map;
        cap = cap < mean ? mean : cap;
        random_set(&set, n);
        map = map_of(&set, shards, epsilon);
        for (i = 0; i < n; i++) {
            uint64_t stream = cluster_hash64(cluster_map_node(map, i), strlen(cluster_map_node(map, i)), 0), round;
            uint32_t left_over = shards, place = 0, j;
            for (j = 0; j < n; j++)
                place += cluster_hash64(cluster_map_node(map, j), strlen(cluster_map_node(map, j)), 0) < stream;
            memset(when[i], 0xff, sizeof when[i]);
            for (round = 0; left_over; round++) {
                uint64_t draw = clu_draw(stream + round * CLU_WY0);
                uint64_t at = (round * n + (round % 2 ? n - 1 - place : place)) * 2;
                uint32_t pick[2];
                pick[0] = (uint32_t)((draw & UINT32_MAX) * shards >> 32);
                pick[1] = (uint32_t)((draw >> 32) * shards >> 32);
                for (j = 0; j < 2; j++) {
                    if (when[i][pick[j]] == UINT64_MAX) {
                        when[i][pick[j]] = at + j;
                        left_over--;
                    }
                }
            }
        }
        for (s = 0; s < shards; s++) {
            waiting[s] = s;
            holds[s] = CLUSTER_NOBODY;
        }
        for (left = shards; left;) {
            /* any shard proposes to the best node that did not refuse it yet; a refusal is marked by UINT64_MAX */
            uint32_t pick = random_below(left), shard = waiting[pick], best = 0;
            for (i = 1; i < n; i++)
                if (when[i][shard] < when[best][shard])
                    best = i;
            assert_true(when[best][shard] != UINT64_MAX);
            waiting[pick] = waiting[--left];
            holds[shard] = best;
            if (++load[best] > cap) {
                uint32_t worst = shard;
                for (s = 0; s < shards; s++)
                    if (holds[s] == best && when[best][s] > when[best][worst])
                        worst = s;
                when[best][worst] = UINT64_MAX;
                holds[worst] = CLUSTER_NOBODY;
                load[best]--;
                waiting[left++] = worst;
            }
        }
        for (s = 0; s < shards; s++)
            assert_int_equal(cluster_map_shard_owner(map, s), holds[s]);
        cluster_map_free(map);
    }
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
            assert_int_equal(cluster_map_load(map, i), counted[i]);
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
        assert_int_equal(moves(before, after), cluster_map_load(before, index_of(before, name)));
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
        ratio = (double)moves(before, after) / cluster_map_load(before, index_of(before, name));
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
        assert_int_equal(cluster_map_load(map, (uint32_t)set.count), 0);
        assert_int_equal(cluster_map_load(map, CLUSTER_NOBODY), 0);
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
    assert_int_equal(cluster_map_load(map, 0), 1024);
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
        assert_int_equal(cluster_map_load(listed, index_of(listed, name)), 0);
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
        set.nodes[i].weight = (uint32_t)i;
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
    o.replicas = 2;
    assert_int_equal(built(3, &o), CLUSTER_E_UNSUPPORTED);
    o = options_of(0, 0);
    o.size = 0;
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
    o.size = (uint32_t)sizeof o - 1;
    assert_int_equal(built(3, &o), CLUSTER_E_INVALID);
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
    struct cluster_node *nodes = (struct cluster_node *)calloc(65535, sizeof *nodes);
    char(*names)[8] = (char(*)[8])calloc(65535, sizeof *names);
    struct cluster_map_options options = options_of(1u << 17, 0);
    struct cluster_map *map;
    uint32_t i, most = 0;
    (void)state;
    assert_true(nodes && names);
    for (i = 0; i < 65535; i++) {
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
    }
    assert_int_equal(cluster_map_build(&map, nodes, 65535, &options), CLUSTER_E_LIMIT);
    assert_int_equal(cluster_map_build(&map, nodes, 65534, &options), 0);
    assert_int_equal(cluster_map_nodes(map), 65534);
    for (i = 0; i < 65534; i++)
        most = cluster_map_load(map, i) > most ? cluster_map_load(map, i) : most;
    assert_int_equal(most, 3);
    assert_true(cluster_map_load(map, 65533) > 0);
    cluster_map_free(map);
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
    struct clu_dealt a = {5, 1, 3}, b = {5, 1, 4}, c = {6, 1, 0};
    (void)state;
    assert_true(clu_map_by_stream(&a, &b) < 0);
    assert_true(clu_map_by_stream(&b, &a) > 0);
    assert_true(clu_map_by_stream(&b, &c) < 0);
    assert_true(clu_map_by_stream(&c, &a) > 0);
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
        cmocka_unit_test(is_the_stable_matching),
        cmocka_unit_test(any_order),
        cmocka_unit_test(no_node_is_over_its_cap),
        cmocka_unit_test(without_a_cap_moves_the_least),
        cmocka_unit_test(movement_is_bounded),
        cmocka_unit_test(a_seed_changes_all),
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
