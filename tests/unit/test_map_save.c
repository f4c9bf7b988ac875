/* A map saved and loaded: the same again; every byte that was altered and every cut is found; one form on every machine. */
#include "../../src/place/deal.h"
#include "../../src/place/save.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"
#include "place.h"

static struct set set;
static uint8_t saved[1 << 16], again[1 << 16];

static size_t save(const struct cluster_map *map)
{
    const size_t size = cluster_map_save(map, saved, sizeof saved);
    assert_true(size <= sizeof saved);
    return size;
}

/* What the checksum of altered bytes must be. */
static void mend(uint8_t *bytes, size_t size)
{
    struct clu_reader seed = clu_reader_of(bytes + 24, 16);
    const uint64_t first = clu_read_be(&seed, 8);
    clu_put_be(bytes + size - 8, cluster_siphash(bytes, size - 8, first, clu_read_be(&seed, 8)), 8);
}

static int loads(const void *data, size_t size)
{
    struct cluster_map *map = (struct cluster_map *)(void *)&set;
    int result = cluster_map_load(&map, data, size);
    assert_int_equal(map != NULL, result == 0);
    cluster_map_free(map);
    return result;
}

static void the_same_again(void **state)
{
    int turn;
    (void)state;
    for (turn = 0; turn < 200; turn++) {
        struct cluster_map_options o = options_of(1u << random_below(10), 0);
        struct cluster_map *map, *back;
        uint32_t owners[2][16], shard, i;
        size_t size;
        random_set(&set, random_below(20));
        o.replicas = 1 + random_below(4);
        o.seed[0] = turn % 2 ? UINT64_C(0x0123456789abcdef) : 0;
        o.seed[1] = turn % 4 > 1 ? 7 : 0;
        if (set.count)
            set.nodes[0].flags = turn % 3 ? 0 : CLUSTER_NODE_EXCLUDED;
        assert_int_equal(cluster_map_build(&map, set.nodes, set.count, &o), 0);
        size = save(map);
        memset(again, 0x5a, sizeof again);
        assert_int_equal(cluster_map_save(map, again, size - 1), size);
        assert_int_equal(again[0], 0x5a);
        assert_int_equal(cluster_map_save(map, NULL, 0), size);
        assert_int_equal(cluster_map_load(&back, saved, size), 0);
        assert_int_equal(cluster_map_save(back, again, size), size);
        assert_memory_equal(saved, again, size);
        assert_true(cluster_map_fingerprint(map) == cluster_map_fingerprint(back));
        assert_int_equal(cluster_map_shards(back), o.shards);
        assert_int_equal(cluster_map_replicas(back), cluster_map_replicas(map));
        assert_int_equal(cluster_map_nodes(back), set.count);
        for (i = 0; i < set.count; i++) {
            assert_string_equal(cluster_map_node(back, i), cluster_map_node(map, i));
            assert_int_equal(cluster_map_node_load(back, i), cluster_map_node_load(map, i));
        }
        for (shard = 0; shard < o.shards; shard++) {
            const size_t count = cluster_map_shard_owners(map, shard, owners[0], 16);
            assert_int_equal(cluster_map_shard_owners(back, shard, owners[1], 16), count);
            assert_memory_equal(owners[0], owners[1], count * sizeof owners[0][0]);
        }
        assert_int_equal(cluster_map_owner(back, &turn, sizeof turn), cluster_map_owner(map, &turn, sizeof turn));
        cluster_map_free(map);
        cluster_map_free(back);
    }
}

/* Two nodes, two shards, two owners each: written out by hand. */
static void the_bytes(void **state)
{
    static const char expected[] = "636c757374657201"
                                   "00000002"
                                   "00000002"
                                   "00000002"
                                   "00000002"
                                   "0000000000000000"
                                   "0000000000000000"
                                   "00000008"
                                   "61403100"
                                   "62403200";
    static const char *const names[] = {"b@2", "a@1"};
    struct cluster_map_options o = options_of(2, 0);
    struct cluster_node nodes[2];
    struct cluster_map *map;
    uint8_t bytes[64];
    uint32_t shard;
    size_t i;
    (void)state;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < 2; i++) {
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
    }
    o.replicas = 2;
    assert_int_equal(cluster_map_build(&map, nodes, 2, &o), 0);
    assert_int_equal(save(map), 68);
    assert_int_equal(unhex(expected, bytes, sizeof bytes), 52);
    assert_memory_equal(saved, bytes, 52);
    for (shard = 0; shard < 2; shard++) {
        assert_int_equal(saved[52 + 4 * shard] | saved[54 + 4 * shard], 0);
        assert_int_equal(saved[53 + 4 * shard], cluster_map_shard_owner(map, shard));
        assert_int_equal(saved[55 + 4 * shard], 1 - cluster_map_shard_owner(map, shard));
    }
    cluster_map_free(map);
}

static void more_than_fit_two_bytes(void **state)
{
    const uint32_t count = 65536;
    struct cluster_node *nodes = (struct cluster_node *)calloc(count, sizeof *nodes);
    char(*names)[8] = (char(*)[8])calloc(count, sizeof *names);
    struct cluster_map_options o = options_of(1u << 17, 0);
    struct cluster_map *map, *back;
    uint8_t *bytes;
    size_t size, i;
    (void)state;
    assert_true(nodes && names);
    for (i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
    }
    assert_int_equal(cluster_map_build(&map, nodes, count, &o), 0);
    size = cluster_map_save(map, NULL, 0);
    bytes = (uint8_t *)malloc(size);
    assert_non_null(bytes);
    assert_int_equal(cluster_map_save(map, bytes, size), size);
    assert_int_equal(cluster_map_load(&back, bytes, size), 0);
    assert_true(cluster_map_fingerprint(map) == cluster_map_fingerprint(back));
    assert_int_equal(cluster_map_shard_owner(map, 99999), cluster_map_shard_owner(back, 99999));
    cluster_map_free(map);
    cluster_map_free(back);
    free(bytes);
    free(nodes);
    free(names);
}

static void cut_or_altered(void **state)
{
    struct cluster_map_options o = options_of(8, 0);
    struct cluster_map *map;
    size_t size, i;
    int bit;
    (void)state;
    random_set(&set, 4);
    o.replicas = 2;
    o.seed[0] = 99;
    assert_int_equal(cluster_map_build(&map, set.nodes, set.count, &o), 0);
    size = save(map);
    cluster_map_free(map);
    assert_int_equal(loads(saved, size), 0);
    assert_int_equal(cluster_map_load(NULL, saved, size), CLUSTER_E_INVALID);
    assert_int_equal(loads(NULL, 0), CLUSTER_E_PROTOCOL);
    assert_int_equal(loads(saved, size + 1), CLUSTER_E_PROTOCOL);
    for (i = 0; i < size; i++) {
        uint8_t *exact = (uint8_t *)malloc(i ? i : 1);
        assert_non_null(exact);
        memcpy(exact, saved, i);
        assert_int_equal(loads(exact, i), CLUSTER_E_PROTOCOL);
        free(exact);
        for (bit = 0; bit < 8; bit++) {
            saved[i] = (uint8_t)(saved[i] ^ 1 << bit);
            assert_int_equal(loads(saved, size), CLUSTER_E_PROTOCOL);
            saved[i] = (uint8_t)(saved[i] ^ 1 << bit);
        }
    }
}

/* Bytes with a true checksum that are no map. */
static void hostile(void **state)
{
    static const struct {
        size_t at;
        const char *bytes; /* in hex */
        int result;
    } row[] = {
        {8, "00000002", 0}, /* the map as it is */
        {0, "436c7573746572", CLUSTER_E_PROTOCOL},
        {7, "02", CLUSTER_E_PROTOCOL},
        {8, "00000000", CLUSTER_E_PROTOCOL}, /* no shard */
        {8, "00000001", CLUSTER_E_PROTOCOL}, /* fewer than there are rows */
        {8, "00000003", CLUSTER_E_PROTOCOL}, /* no power of two */
        {8, "02000000", CLUSTER_E_PROTOCOL}, /* 2^25 shards */
        {8, "80000000", CLUSTER_E_PROTOCOL},
        {12, "00000000", CLUSTER_E_PROTOCOL}, /* no node, but owners */
        {12, "00000001", CLUSTER_E_PROTOCOL},
        {12, "00000003", CLUSTER_E_PROTOCOL},
        {12, "00010000", CLUSTER_E_PROTOCOL},
        {12, "ffffffff", CLUSTER_E_PROTOCOL},
        {16, "00000000", CLUSTER_E_PROTOCOL}, /* no replica asked for */
        {16, "00000001", CLUSTER_E_PROTOCOL}, /* fewer than there are */
        {16, "00000010", 0},
        {16, "00000011", CLUSTER_E_PROTOCOL}, /* 17 of them */
        {20, "00000000", CLUSTER_E_PROTOCOL},
        {20, "00000003", CLUSTER_E_PROTOCOL},
        {40, "00000007", CLUSTER_E_PROTOCOL}, /* other lengths of the names */
        {40, "00000009", CLUSTER_E_PROTOCOL},
        {40, "ffffffff", CLUSTER_E_PROTOCOL},
        {44, "00", CLUSTER_E_PROTOCOL},       /* an empty name */
        {44, "62403200", CLUSTER_E_PROTOCOL}, /* twice the same */
        {44, "63", CLUSTER_E_PROTOCOL},       /* not in order */
        {46, "00", CLUSTER_E_PROTOCOL},
        {51, "33", CLUSTER_E_PROTOCOL}, /* a name without end */
        {52,
         "00000001"
         "00010000",
         0},
        {52, "00000000", CLUSTER_E_PROTOCOL}, /* an owner twice in a row */
        {52, "0002", CLUSTER_E_PROTOCOL},     /* no such node */
        {56, "ffff", CLUSTER_E_PROTOCOL},
    };
    static const char map[] = "636c757374657201"
                              "00000002"
                              "00000002"
                              "00000002"
                              "00000002"
                              "0000000000000000"
                              "0000000000000000"
                              "00000008"
                              "61403100"
                              "62403200"
                              "00000001"
                              "00010000"
                              "0000000000000000";
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(row); i++) {
        uint8_t bytes[128];
        const size_t size = unhex(map, bytes, sizeof bytes);
        assert_int_equal(size, 68);
        (void)unhex(row[i].bytes, bytes + row[i].at, sizeof bytes - row[i].at);
        mend(bytes, size);
        if (loads(bytes, size) != row[i].result)
            fail_msg("row %u", (unsigned)i);
    }
}

static void *no_memory(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)ptr;
    (void)old_size;
    (void)new_size;
    return NULL;
}

static void memory_runs_out(void **state)
{
    struct cluster_allocator none;
    struct cluster_map *map;
    size_t size;
    (void)state;
    memset(&none, 0, sizeof none);
    none.size = (uint32_t)sizeof none;
    none.resize = no_memory;
    random_set(&set, 5);
    map = map_of(&set, 64, 0);
    size = save(map);
    cluster_map_free(map);
    assert_int_equal(cluster_map_load_in(&map, saved, size, &none), CLUSTER_E_MEMORY);
    assert_null(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_again), cmocka_unit_test(the_bytes), cmocka_unit_test(more_than_fit_two_bytes),
        cmocka_unit_test(cut_or_altered), cmocka_unit_test(hostile),   cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
