/* Rings and routers: the answers of the other systems, a model that looks at every point, and what is refused. */
#include "../../src/place/ring.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_memory.h"
#include "hex.h"

#define MOST 3000

struct nodes {
    struct cluster_node at[MOST];
    char names[MOST][40];
    size_t count;
};

static struct nodes nodes;
static struct cluster_ring_options options;

static void begin(void)
{
    memset(&nodes, 0, sizeof nodes);
    memset(&options, 0, sizeof options);
    options.size = (uint32_t)sizeof options;
}

static void add(const char *name, uint32_t weight)
{
    struct cluster_node *node = &nodes.at[nodes.count];
    assert_true(nodes.count < MOST && strlen(name) < sizeof nodes.names[0]);
    strcpy(nodes.names[nodes.count], name);
    node->size = (uint32_t)sizeof *node;
    node->name = nodes.names[nodes.count++];
    node->weight = weight;
}

/* A,B:WEIGHT,... */
static void add_list(char *list)
{
    for (list = strtok(list, ","); list; list = strtok(NULL, ",")) {
        char *colon = strrchr(list, ':');
        uint32_t weight = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
        if (colon)
            *colon = '\0';
        add(list, weight);
    }
}

static struct cluster_ring *built(const char *kind)
{
    struct cluster_ring *ring = NULL;
    assert_int_equal(cluster_ring_build(&ring, kind, nodes.at, nodes.count, &options), 0);
    assert_non_null(ring);
    assert_int_equal(cluster_ring_nodes(ring), nodes.count);
    return ring;
}

static const char *owner_of(const struct cluster_ring *ring, const void *key, size_t size)
{
    uint32_t owner = cluster_ring_owner(ring, key, size);
    return owner == CLUSTER_NOBODY ? "" : cluster_ring_node(ring, owner);
}

/* The names of so many owners, with commas. */
static const char *owners_of(const struct cluster_ring *ring, const void *key, size_t size, size_t wanted)
{
    static char text[256];
    uint32_t out[16];
    size_t i, count = cluster_ring_owners(ring, key, size, out, wanted);
    text[0] = '\0';
    for (i = 0; i < count; i++) {
        strcat(text, i ? "," : "");
        strcat(text, cluster_ring_node(ring, out[i]));
    }
    return text;
}

static FILE *vectors(const char *name)
{
    char path[80];
    FILE *f;
    snprintf(path, sizeof path, "tests/vectors/%s.txt", name);
    f = fopen(path, "r");
    assert_non_null(f);
    return f;
}

/* ---- the answers of the other systems --------------------------------- */

/* key_to_nodes stops at the end of the ring, and then turns what it found around. */
static bool libring_lists(const char *theirs, const char *ours)
{
    return strncmp(ours, theirs, strlen(theirs)) == 0;
}

static void libring(void **state)
{
    static char line[8192];
    FILE *f = vectors("libring");
    struct cluster_ring *ring = NULL, *terms = NULL;
    char id[32] = "", list[4096], key[4096], owner[80], theirs[256];
    size_t seen = 0, lists = 0;
    bool horde = false;
    (void)state;
    while (fgets(line, sizeof line, f)) {
        static uint8_t bytes[2048];
        if (sscanf(line, "RING %31s %4095[^\n]", id, list) == 2) {
            cluster_ring_free(ring);
            cluster_ring_free(terms);
            begin();
            horde = strcmp(id, "horde3") == 0;
            if (horde) {
                strcpy(list, "app@10.0.0.1:128,app@10.0.0.2:128,app@10.0.0.3:128");
                options.name = "Elixir.MyApp.DistSup";
            }
            add_list(list);
            options.flags = strncmp(id, "atoms", 5) && !horde ? CLUSTER_RING_BINARY_NODES : 0;
            ring = built("libring");
            options.flags |= CLUSTER_RING_TERM_KEYS;
            terms = built("libring");
        } else if (sscanf(line, "K %*s %4095s %*[^|]| %255[^\n]", key, theirs) == 2 && !horde) {
            sscanf(line, "K %*s %*s %79s", owner);
            assert_string_equal(owner_of(ring, key, strlen(key)), owner);
            lists += libring_lists(theirs, owners_of(ring, key, strlen(key), 3));
            seen++;
        } else if (sscanf(line, "EK %*s %4095s %79s", key, owner) == 2 && !horde) {
            size_t size = unhex(key, bytes, sizeof bytes);
            assert_string_equal(owner_of(terms, bytes, size), owner);
            seen++;
        } else if (sscanf(line, "%*1[E]K %*s %4095s {MyApp.DistSup, :\"%79[^\"]", key, owner) == 2 && horde) {
            size_t size = unhex(key, bytes, sizeof bytes);
            assert_string_equal(owner_of(terms, bytes, size), owner);
            seen++;
        } else if (sscanf(line, "K %*s %4095s {MyApp.DistSup, :\"%79[^\"]", key, owner) == 2 && horde) {
            assert_string_equal(owner_of(ring, key, strlen(key)), owner);
            seen++;
        }
    }
    fclose(f);
    cluster_ring_free(ring);
    cluster_ring_free(terms);
    assert_int_equal(seen, 8 * 134 + 8 * 6);
    assert_true(lists > 7 * 134 - 20);
}

/* An atom as OTP 25 writes it, and as OTP 26 does: libring hashes it as the node there does. */
static void libring_atoms(void **state)
{
    char line[256], key[80], old[80], new[80];
    FILE *f = vectors("libring");
    struct cluster_ring *ring[2];
    int seen = 0, i;
    (void)state;
    begin();
    add("a", 0);
    add("b", 0);
    add("c", 0);
    options.flags = CLUSTER_RING_BINARY_NODES | CLUSTER_RING_TERM_KEYS;
    ring[1] = built("libring");
    options.flags |= CLUSTER_RING_OTP25;
    ring[0] = built("libring");
    while (fgets(line, sizeof line, f)) {
        uint8_t term[100];
        if (sscanf(line, "AK bins3 %79s %79s %79s", key, old, new) != 3)
            continue;
        for (i = 0; i < 2; i++) {
            size_t length = strlen(key);
            term[0] = 131;
            term[1] = i ? 119 : 100;
            term[2] = i ? (uint8_t)length : 0;
            term[3] = (uint8_t)length;
            memcpy(term + 4 - i, key, length);
            assert_string_equal(owner_of(ring[0], term, length + 4 - (size_t)i), old);
            assert_string_equal(owner_of(ring[1], term, length + 4 - (size_t)i), new);
        }
        seen++;
    }
    fclose(f);
    cluster_ring_free(ring[0]);
    cluster_ring_free(ring[1]);
    assert_int_equal(seen, 134);
}

static void horde(void **state)
{
    static char line[8192], hex[8192];
    static uint8_t spec[4096];
    FILE *f = vectors("horde_tracker");
    struct cluster_ring *ring;
    char owner[80];
    unsigned long number;
    int seen = 0;
    (void)state;
    begin();
    add("app@10.0.0.1", 0);
    add("app@10.0.0.2", 1);
    add("app@10.0.0.3", 0);
    options.name = "Elixir.MyApp.DistSup";
    options.flags = CLUSTER_RING_TERM_KEYS;
    ring = built("horde");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "HORDE %*s %lu %8191s %79s", &number, hex, owner) != 3)
            continue;
        assert_string_equal(owner_of(ring, spec, unhex(hex, spec, sizeof spec)), owner);
        seen++;
    }
    fclose(f);
    cluster_ring_free(ring);
    assert_int_equal(seen, 27);
}

static void ex_hash_ring(void **state)
{
    static char line[4096];
    FILE *f = vectors("ex_hash_ring");
    struct cluster_ring *ring = NULL;
    char list[2048], key[80], owner[80], theirs[256];
    unsigned long long hash;
    uint64_t ours;
    int seen = 0, hashes = 0;
    (void)state;
    while (fgets(line, sizeof line, f)) {
        unsigned replicas;
        if (sscanf(line, "RING %*s %u %2047[^\n]", &replicas, list) == 2) {
            cluster_ring_free(ring);
            begin();
            options.points = replicas;
            add_list(list);
            ring = built("ex_hash_ring");
        } else if (sscanf(line, "K %*s %79s %79s | %255s", key, owner, theirs) == 3) {
            assert_string_equal(owner_of(ring, key, strlen(key)), owner);
            assert_string_equal(owners_of(ring, key, strlen(key), 3), theirs);
            seen++;
        } else if (sscanf(line, "H \"%79[^\"]\" %llu", key, &hash) == 2) {
            begin();
            ring = ring ? ring : built("ex_hash_ring");
            assert_int_equal(cluster_ring_hash(ring, key, strlen(key), &ours), 0);
            assert_true(ours == hash);
            hashes++;
        }
    }
    fclose(f);
    assert_int_equal(cluster_ring_hash(ring, "", 0, &ours), 0);
    assert_true(ours == UINT64_C(9098107892288553193));
    cluster_ring_free(ring);
    assert_int_equal(seen, 4 * 134);
    assert_int_equal(hashes, 6);
}

/* "node1" with replica 10 and "node11" with 0 are one point. OTP 25 gave it to the later node up to 10 nodes, from 20 on to the
 * earlier one. */
static void ex_hash_ring_equal_points(void **state)
{
    static const unsigned counts[] = {2, 3, 8, 10, 15, 20, 30, 100};
    uint8_t digest[CLU_MD5_SIZE];
    size_t i, j;
    (void)state;
    clu_md5("node1115", 8, digest);
    for (i = 0; i < CLU_COUNT(counts); i++) {
        struct cluster_ring *ring;
        begin();
        for (j = 0; j < counts[i]; j++) {
            char name[40];
            snprintf(name, sizeof name, j == 0 ? "node1" : j == 1 ? "node11" : "node%ux", (unsigned)j);
            add(name, 0);
        }
        ring = built("ex_hash_ring");
        assert_int_equal(ring->count, counts[i] * 512 - 100);
        assert_int_equal(clu_ring_point_node(ring, clu_ring_find(ring, clu_le64(digest + 8))), counts[i] < 20);
        cluster_ring_free(ring);
    }
}

/* Replicas are the weight, too: 512 unless said. */
static void ex_hash_ring_defaults(void **state)
{
    struct cluster_ring *ring, *said;
    unsigned i;
    (void)state;
    begin();
    add("a", 0);
    add("b", 0);
    add("c", 7);
    ring = built("ex_hash_ring");
    nodes.at[0].weight = nodes.at[1].weight = 512;
    said = built("ex_hash_ring");
    assert_int_equal(ring->count, 512 + 512 + 7);
    for (i = 0; i < 1000; i++)
        assert_int_equal(cluster_ring_owner(ring, &i, sizeof i), cluster_ring_owner(said, &i, sizeof i));
    cluster_ring_free(ring);
    cluster_ring_free(said);
}

static void ex_hash_ring_overrides(void **state)
{
    static const uint32_t c[] = {2}, c_a[] = {2, 0}, x_y[] = {3, 4}, none[] = {1, 1, 0};
    static struct cluster_ring_override overrides[5];
    static const char *const keys[] = {"user:1", "user:2", "user:3", "user:5", "user:9"};
    FILE *f = vectors("ex_hash_ring");
    struct cluster_ring *ring;
    char line[512], key[80], theirs[80];
    unsigned wanted;
    int seen = 0;
    size_t i;
    (void)state;
    begin();
    add("a", 0);
    add("b", 0);
    add("c", 0);
    add("x", 0);
    add("y", 0);
    nodes.at[3].flags = nodes.at[4].flags = CLUSTER_NODE_EXCLUDED;
    for (i = 0; i < 5; i++) {
        overrides[i].size = (uint32_t)sizeof overrides[i];
        overrides[i].key = keys[i];
        overrides[i].key_size = strlen(keys[i]);
        overrides[i].nodes = i == 1 ? x_y : i == 2 ? c_a : i == 4 ? none : c;
        overrides[i].count = i == 1 || i == 2 ? 2 : i == 3 ? 0 : i == 4 ? 3 : 1;
    }
    options.overrides = overrides;
    options.override_count = 5;
    ring = built("ex_hash_ring");
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "OVR %79s %u %79s", key, &wanted, theirs) != 3)
            continue;
        assert_string_equal(owners_of(ring, key, strlen(key), wanted), theirs);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 8);
    assert_string_equal(owners_of(ring, "user:5", 6, 3), "c,b,a"); /* an override by nobody is none */
    assert_string_equal(owners_of(ring, "user:9", 6, 3), "b,a,c"); /* a node twice counts once */
    assert_string_equal(owners_of(ring, "user:2", 6, 16), "x,y,a,b,c");
    cluster_ring_free(ring);
}

static void riak(void **state)
{
    char line[256], bucket[40], key[40], name[16];
    FILE *f = vectors("riak");
    struct cluster_ring *ring;
    unsigned next[3], i, seen = 0;
    (void)state;
    begin();
    for (i = 0; i < 64; i++) {
        snprintf(name, sizeof name, "p%u", i);
        add(name, 0);
    }
    options.bucket = "bucket";
    ring = built("riak");
    while (fgets(line, sizeof line, f)) {
        uint32_t owners[3];
        unsigned sha;
        uint64_t hash;
        if (sscanf(line, "RK <<\"%39[^\"]\">> <<\"%39[^\"]\">> %8x%*x %*u %*u [%u,%u,%u]", bucket, key, &sha, &next[0],
                   &next[1], &next[2]) != 6)
            continue;
        assert_string_equal(bucket, options.bucket);
        assert_int_equal(cluster_ring_hash(ring, key, strlen(key), &hash), 0);
        assert_int_equal(hash >> 32, sha);
        assert_int_equal(cluster_ring_owners(ring, key, strlen(key), owners, 3), 3);
        for (i = 0; i < 3; i++)
            assert_int_equal(owners[i], next[i]);
        seen++;
    }
    fclose(f);
    cluster_ring_free(ring);
    assert_int_equal(seen, 34);
    options.bucket = NULL;
    ring = built("riak");
    assert_string_equal(owner_of(ring, "", 0), "p63");
    cluster_ring_free(ring);
    options.points = 1;
    ring = built("riak");
    assert_string_equal(owner_of(ring, "", 0), "p0");
    cluster_ring_free(ring);
    /* partitions go around the nodes that are left */
    nodes.count = 3;
    nodes.at[1].flags = CLUSTER_NODE_DRAINING;
    options.points = 0;
    ring = built("riak");
    assert_int_equal(ring->count, 64);
    for (i = 0; i < 64; i++)
        assert_int_equal(clu_ring_point_node(ring, i), i % 2 * 2);
    cluster_ring_free(ring);
}

static void routers(void **state)
{
    char line[256], key[80];
    FILE *f = vectors("jump_cachex_nebulex");
    unsigned count, slot[3], i, seen = 0;
    struct cluster_ring *mod, *jump, *nebulex, *tracker, *modulo;
    (void)state;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "CACHEX %79s %u %u %u %u", key, &count, &slot[0], &slot[1], &slot[2]) != 5)
            continue;
        begin();
        for (i = count; i--;) { /* given in the wrong order: index 0 is the last */
            char name[16];
            snprintf(name, sizeof name, "n%u", i);
            add(name, 0);
        }
        mod = built("cachex");
        jump = built("cachex-jump");
        nebulex = built("nebulex");
        modulo = built("modulo");
        tracker = built("phoenix-tracker");
        assert_int_equal(cluster_ring_owner(mod, key, strlen(key)), count - 1 - slot[0]);
        assert_int_equal(cluster_ring_owner(jump, key, strlen(key)), count - 1 - slot[1]);
        assert_int_equal(cluster_ring_owner(nebulex, key, strlen(key)), count - 1 - slot[2]);
        assert_int_equal(cluster_ring_owner(modulo, key, strlen(key)), count - 1 - slot[2]);
        assert_int_equal(cluster_ring_owner(tracker, key, strlen(key)), slot[2]);
        assert_int_equal(strtoul(owners_of(mod, key, strlen(key), 2) + 1, NULL, 10), slot[0]);
        cluster_ring_free(mod);
        cluster_ring_free(jump);
        cluster_ring_free(nebulex);
        cluster_ring_free(modulo);
        cluster_ring_free(tracker);
        seen++;
    }
    fclose(f);
    assert_true(seen > 20);
}

static void phoenix_tracker(void **state)
{
    char line[256], topic[80], shard[80];
    FILE *f = vectors("horde_tracker");
    unsigned count, i, seen = 0;
    (void)state;
    while (fgets(line, sizeof line, f)) {
        struct cluster_ring *ring;
        topic[0] = '\0';
        if (sscanf(line, "TRACKER \"%79[^\"]\" %u %79s", topic, &count, shard) != 3 &&
            sscanf(line, "TRACKER \"\" %u %79s", &count, shard) != 2)
            continue;
        begin();
        for (i = 0; i < count; i++) {
            char name[40];
            snprintf(name, sizeof name, "Elixir.MyApp.Presence_shard%u", i);
            add(name, 0);
        }
        ring = built("phoenix-tracker");
        assert_string_equal(owner_of(ring, topic, strlen(topic)), shard);
        cluster_ring_free(ring);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 17);
}

static void jump(void **state)
{
    struct cluster_ring *ring;
    uint64_t key;
    (void)state;
    begin();
    add("b", 0);
    add("a", 0);
    add("c", 0);
    options.seed = 5;
    ring = built("jump");
    for (key = 0; key < 100; key++)
        assert_int_equal(cluster_ring_owner(ring, &key, sizeof key), cluster_jump(cluster_hash64(&key, sizeof key, 5), 3));
    cluster_ring_free(ring);
}

/* ---- ketama ----------------------------------------------------------- */

/* The hash of a point that was found for this place. */
static uint64_t hash_of(const struct cluster_ring *ring, size_t point)
{
    size_t low = 0, high = (size_t)1 << ring->bits;
    point %= ring->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (ring->cells[middle] <= point)
            low = middle;
        else
            high = middle;
    }
    return (uint64_t)low << (64 - ring->bits) | ring->points[point] >> ring->bits;
}

/* What ketama_test prints for its sample of servers has this MD5, as its test.sh says. */
static void ketama(void **state)
{
    static const char *const servers[] = {"10.0.1.1:11211", "10.0.1.2:11211", "10.0.1.3:11211", "10.0.1.4:11211",
                                          "10.0.1.5:11211", "10.0.1.6:11211", "10.0.1.7:11211", "10.0.1.8:11211"};
    static const uint32_t memory[] = {600, 300, 200, 350, 1000, 800, 950, 100};
    const size_t room = 48 * 1000 * 1000;
    char *text = (char *)malloc(room);
    struct cluster_ring *ring;
    size_t length = 1;
    uint8_t digest[CLU_MD5_SIZE];
    unsigned i;
    (void)state;
    assert_non_null(text);
    begin();
    for (i = 0; i < CLU_COUNT(servers); i++)
        add(servers[i], memory[i]);
    ring = built("ketama");
    text[0] = '\n';
    for (i = 0; i < 1000000; i++) {
        char key[10];
        size_t size = (size_t)snprintf(key, sizeof key, "%u", i), point;
        uint64_t hash;
        assert_int_equal(cluster_ring_hash(ring, key, size, &hash), 0);
        point = clu_ring_find(ring, hash << 32);
        length += (size_t)snprintf(text + length, room - length, "%u %u %s\n", (unsigned)hash,
                                   (unsigned)(hash_of(ring, point) >> 32), servers[clu_ring_point_node(ring, point)]);
    }
    cluster_ring_free(ring);
    clu_md5(text, length, digest);
    free(text);
    assert_hex(digest, sizeof digest, "5672b131391f5aa2b280936aec1eea74");
}

/* As floats do it: at equal weights one digest less than 40 first at 25 nodes, and at 103 of the first 1000 numbers of nodes. */
static void libmemcached_floats(void **state)
{
    static const struct {
        uint32_t weight;
        uint64_t total;
        uint32_t nodes;
        uint32_t twice, once; /* rounded in between as libmemcached does, and not */
    } known[] = {
        {1, 1, 1, 40, 40},
        {1, 24, 24, 40, 40},
        {1, 25, 25, 39, 40},
        {1, 3, 2, 26, 26},
        {16777217, 33554435, 2, 39, 39},
        {4294967295u, 8589934590u, 2, 40, 40},
        {1, 4294967296u, 2, 0, 0},
        {1, UINT64_C(18446744073709551615), 65534, 0, 0},
        {4294967295u, 4294967295u, 65534, 2621360, 2621360},
        {4294967294u, 4294967295u, 1000, 40000, 40000},
        {7, 10, 10, 280, 280},
        {333, 1000, 3, 39, 39},
    };
    uint32_t n, less = 0, first = 0;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(known); i++) {
        assert_int_equal(clu_ring_digests(known[i].weight, known[i].total, known[i].nodes, true), known[i].twice);
        assert_int_equal(clu_ring_digests(known[i].weight, known[i].total, known[i].nodes, false), known[i].once);
    }
    for (n = 1; n <= 1000; n++) {
        uint64_t digests = clu_ring_digests(1, n, n, true);
        assert_true(digests == 40 || digests == 39);
        less += digests == 39;
        first = first || digests == 40 ? first : n;
    }
    assert_int_equal(less, 103);
    assert_int_equal(first, 25);
}

/* ---- a model ---------------------------------------------------------- */

static uint64_t random_state = 7;

static uint32_t below(uint32_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % bound);
}

struct point {
    uint64_t hash;
    uint32_t node;
};

static struct point points[400000];
static size_t point_count;

static void add_point(uint64_t hash, uint32_t node)
{
    assert_true(point_count < CLU_COUNT(points));
    points[point_count].hash = hash;
    points[point_count++].node = node;
}

/* {node, i} as a term, of less than 65536 points. */
static size_t point_term(uint8_t *term, const char *node, bool binary, uint32_t i)
{
    struct clu_writer w = clu_writer_on(term, 100);
    clu_write_be(&w, 131 << 16 | 104 << 8 | 2, 3);
    if (binary)
        clu_term_write_binary(&w, node, (uint32_t)strlen(node));
    else
        clu_term_write_atom(&w, node, strlen(node));
    clu_write_be(&w, (uint64_t)98 << 32 | i, 5);
    return clu_written(&w);
}

/* The points of this kind, each made on its own. */
static void model(enum clu_ring_kind kind)
{
    uint32_t i, j, k;
    point_count = 0;
    for (i = 0; i < nodes.count; i++) {
        const char *name = nodes.at[i].name;
        uint32_t weight = nodes.at[i].weight;
        if (nodes.at[i].flags)
            continue;
        for (j = 0; kind == CLU_LIBRING && j < (weight ? weight : 128); j++) {
            uint8_t term[100];
            uint32_t hash;
            size_t size = point_term(term, name, (options.flags & CLUSTER_RING_BINARY_NODES) != 0, j + 1);
            assert_int_equal(cluster_phash2(term, size, UINT32_MAX, &hash), 0);
            add_point(hash, i);
        }
        for (j = 0; kind == CLU_KETAMA && j < 40; j++) {
            char text[80];
            uint8_t digest[16];
            clu_md5(text, (size_t)snprintf(text, sizeof text, "%s-%u", name, j), digest);
            for (k = 0; k < 4; k++)
                add_point((uint32_t)clu_le32(digest + 4 * k), i);
        }
        for (j = 0; kind == CLU_NGINX && j < 160 * (weight ? weight : 1); j++) {
            char text[80];
            size_t length = (size_t)snprintf(text, sizeof text, "%s", name);
            uint64_t before = j ? points[point_count - 1].hash : 0;
            *strrchr(text, ':') = '\0';
            for (k = 0; k < 4; k++)
                text[length + k] = (char)(before >> 8 * k);
            add_point(clu_crc32(0, text, length + 4), i);
        }
    }
}

static uint32_t model_owner(uint64_t hash)
{
    const struct point *best = NULL, *least = NULL;
    size_t i;
    for (i = 0; i < point_count; i++) {
        const struct point *p = &points[i];
        if (p->hash >= hash && (!best || p->hash < best->hash))
            best = p;
        if (!least || p->hash < least->hash)
            least = p;
    }
    return best ? best->node : least ? least->node : CLUSTER_NOBODY;
}

static void looks_at_every_point(void **state)
{
    static const enum clu_ring_kind kinds[] = {CLU_LIBRING, CLU_KETAMA, CLU_NGINX};
    size_t round, i;
    (void)state;
    for (round = 0; round < 60; round++) {
        const enum clu_ring_kind kind = kinds[round % 3];
        const size_t count = round < 6 ? round / 3 : 1 + below(40);
        struct cluster_ring *ring;
        begin();
        for (i = 0; i < count; i++) {
            char name[40];
            snprintf(name, sizeof name, "host%u:%u", (unsigned)below(1000000), (unsigned)i);
            add(name, kind == CLU_KETAMA ? 3 : below(4) ? 0 : 1 + below(300 / (kind == CLU_NGINX ? 100 : 1)));
            nodes.at[i].flags = below(8) ? 0 : 1 + below(2);
        }
        options.flags = kind == CLU_LIBRING && below(2) ? CLUSTER_RING_BINARY_NODES : 0;
        ring = built(clu_ring_rule_of(kind)->name);
        model(kind);
        for (i = 0; i < 300; i++) {
            uint64_t hash = (uint64_t)below(UINT32_MAX) << 1 | below(2);
            if (point_count && i < 200)
                hash = points[below((uint32_t)point_count)].hash + i % 3 - 1;
            else if (i < 202)
                hash = i == 200 ? 0 : UINT32_MAX;
            hash &= UINT32_MAX;
            if (!point_count)
                assert_int_equal(cluster_ring_owner(ring, &hash, sizeof hash), CLUSTER_NOBODY);
            else
                assert_int_equal(clu_ring_point_node(ring, clu_ring_find(ring, hash << 32)), model_owner(hash));
        }
        cluster_ring_free(ring);
    }
}

/* 384000 points of 32 bits: some are equal, and belong to the node that came first. A key that is a point's term is found at it. */
static void equal_points(void **state)
{
    struct cluster_ring *ring, *turned;
    uint32_t i, j, k, twice = 0, differ = 0;
    (void)state;
    begin();
    for (i = 0; i < MOST; i++) {
        char name[40];
        snprintf(name, sizeof name, "n%u", (unsigned)i);
        add(name, 0);
    }
    options.flags = CLUSTER_RING_TERM_KEYS | CLUSTER_RING_BINARY_NODES;
    ring = built("libring");
    for (i = 0; i < MOST / 2; i++) {
        struct cluster_node node = nodes.at[i];
        nodes.at[i] = nodes.at[MOST - 1 - i];
        nodes.at[MOST - 1 - i] = node;
    }
    turned = built("libring");
    assert_int_equal(ring->count, turned->count);
    for (i = 0; i < MOST; i++) {
        char name[40];
        snprintf(name, sizeof name, "n%u", (unsigned)i);
        for (j = 1; j <= 128; j++) {
            uint8_t term[100];
            size_t size = point_term(term, name, true, j);
            k = cluster_ring_owner(ring, term, size);
            assert_true(k <= i);
            assert_true(MOST - 1 - cluster_ring_owner(turned, term, size) >= i);
            twice += k < i;
            differ += k != MOST - 1 - cluster_ring_owner(turned, term, size);
        }
    }
    assert_int_equal(ring->count, MOST * 128 - twice);
    assert_int_equal(differ, 2 * twice);
    assert_int_equal(twice, 16);
    cluster_ring_free(ring);
    cluster_ring_free(turned);
}

/* Each node once, in the order of their next points. */
static void owners(void **state)
{
    struct cluster_ring *ring;
    unsigned key;
    size_t i, j;
    (void)state;
    begin();
    for (i = 0; i < 12; i++) {
        char name[40];
        snprintf(name, sizeof name, "10.0.0.%u:11211", (unsigned)i);
        add(name, 1 + (uint32_t)i % 3);
    }
    nodes.at[3].flags = CLUSTER_NODE_EXCLUDED;
    ring = built("libmemcached");
    for (key = 0; key < 500; key++) {
        uint32_t out[20], fewer[20];
        assert_int_equal(cluster_ring_owners(ring, &key, sizeof key, out, 20), 11);
        assert_int_equal(out[0], cluster_ring_owner(ring, &key, sizeof key));
        for (i = 0; i < 11; i++) {
            assert_true(out[i] < 12 && out[i] != 3);
            for (j = 0; j < i; j++)
                assert_int_not_equal(out[i], out[j]);
            assert_int_equal(cluster_ring_owners(ring, &key, sizeof key, fewer, i), i);
            assert_memory_equal(out, fewer, i * sizeof *out);
        }
    }
    cluster_ring_free(ring);
}

/* ---- rendezvous ------------------------------------------------------- */

static void rendezvous(void **state)
{
    struct cluster_ring *ring, *weighted;
    const char *names[100];
    unsigned key;
    size_t i, round;
    (void)state;
    for (round = 0; round < 20; round++) {
        begin();
        options.seed = round % 3;
        for (i = 0; i < 1 + round * 5; i++) {
            char name[40];
            snprintf(name, sizeof name, "n%u@%u", (unsigned)below(1000), (unsigned)i);
            add(name, 0);
            names[i] = nodes.at[i].name;
        }
        ring = built("rendezvous");
        for (i = 0; i < nodes.count; i++)
            nodes.at[i].weight = 2;
        weighted = built("rendezvous"); /* equal ones are no weights */
        for (key = 0; key < 300; key++) {
            uint32_t out[100], owner = cluster_rendezvous(&key, sizeof key, names, nodes.count, options.seed);
            assert_int_equal(cluster_ring_owner(ring, &key, sizeof key), owner);
            assert_int_equal(cluster_ring_owner(weighted, &key, sizeof key), owner);
            assert_int_equal(cluster_ring_owners(ring, &key, sizeof key, out, 100), nodes.count);
            /* without the first, the second is it */
            for (i = 0; i + 1 < nodes.count; i++) {
                assert_int_equal(out[i], cluster_rendezvous(&key, sizeof key, names, nodes.count, options.seed));
                names[out[i]] = names[out[nodes.count - 1]];
                if (i == 3)
                    break;
            }
            for (i = 0; i < nodes.count; i++)
                names[i] = nodes.at[i].name;
        }
        cluster_ring_free(ring);
        cluster_ring_free(weighted);
    }
}

/* Keys follow the weights, and a weight that grows only takes. */
static void rendezvous_weights(void **state)
{
    struct cluster_ring *ring, *grown;
    uint32_t loads[100], key, moved = 0;
    const uint32_t keys = 200000;
    uint64_t total = 0;
    size_t i;
    (void)state;
    begin();
    memset(loads, 0, sizeof loads);
    for (i = 0; i < 100; i++) {
        char name[40];
        snprintf(name, sizeof name, "n%u", (unsigned)i);
        add(name, 1 + (uint32_t)i % 10);
        total += nodes.at[i].weight;
    }
    ring = built("rendezvous");
    nodes.at[42].weight *= 2;
    grown = built("rendezvous");
    for (key = 0; key < keys; key++) {
        uint32_t out[3], owner = cluster_ring_owner(ring, &key, sizeof key), after;
        loads[owner]++;
        assert_int_equal(cluster_ring_owners(ring, &key, sizeof key, out, 3), 3);
        assert_int_equal(out[0], owner);
        assert_true(out[1] != owner && out[2] != owner && out[1] != out[2]);
        after = cluster_ring_owner(grown, &key, sizeof key);
        assert_true(after == owner || after == 42);
        moved += after != owner;
    }
    for (i = 0; i < 100; i++) {
        double expected = (double)keys * (1 + (double)(i % 10)) / (double)total, off = loads[i] - expected;
        assert_true(off * off < 25 * expected); /* five standard deviations */
    }
    assert_in_range(moved, loads[42] * 9 / 10, loads[42] * 11 / 10);
    cluster_ring_free(ring);
    cluster_ring_free(grown);
}

/* The same on every platform, for ever. */
static void rendezvous_known_answers(void **state)
{
    static const char *const known[] = {"253104", "532041", "235410", "235410", "325140", "352140",
                                        "253140", "235410", "235140", "235104", "253140", "235014"};
    struct cluster_ring *ring;
    uint32_t key, i;
    (void)state;
    begin();
    add("a@h1", 1);
    add("b@h2", 10);
    add("c@h3", 4294967295u);
    add("d@h4", 4000000000u);
    add("e@h5", 3);
    add("f@h6", 2147483648u);
    options.seed = 99;
    ring = built("rendezvous");
    for (key = 0; key < CLU_COUNT(known); key++) {
        uint8_t bytes[2];
        uint32_t out[6];
        bytes[0] = (uint8_t)key;
        bytes[1] = 'k';
        assert_int_equal(cluster_ring_owners(ring, bytes, 2, out, 6), 6);
        for (i = 0; i < 6; i++)
            assert_int_equal(out[i], known[key][i] - '0');
    }
    cluster_ring_free(ring);
}

static void logarithms(void **state)
{
    static uint64_t table[CLU_LOG_SIZE];
    uint64_t x, last;
    unsigned i;
    (void)state;
    clu_log_table(table);
    assert_true(table[0] == 0 && table[1024] == CLU_LOG_ONE);
    /* log2(1.5) and log2(1.25) in 2^-56 */
    assert_in_range(UINT64_C(42150990404376199) - table[512], 0, 64);
    assert_in_range(UINT64_C(23197363970797099) - table[256], 0, 64);
    for (i = 0; i < 1024; i++)
        assert_true(table[i] < table[i + 1]);
    assert_true(clu_log_of(table, 1) == 64 * CLU_LOG_ONE);
    assert_true(clu_log_of(table, UINT64_C(1) << 63) == CLU_LOG_ONE);
    assert_in_range(clu_log_of(table, UINT64_MAX), 1, 1000);
    for (last = UINT64_MAX, x = 1; x < UINT64_MAX / 3; x = 2 * x + 1 + x / 5) {
        assert_true(clu_log_of(table, x | 1) < last);
        last = clu_log_of(table, x | 1);
    }
}

/* ---- what is refused -------------------------------------------------- */

static void refuses(void **state)
{
    static const uint32_t far[] = {3};
    static char long_name[1100];
    static struct cluster_ring_override overrides[2];
    static const struct {
        const char *what, *kind;
        int error;
    } cases[] = {
        {"none", "libring", 0},
        {"kind", "lib", CLUSTER_E_UNSUPPORTED},
        {"kind", "", CLUSTER_E_UNSUPPORTED},
        {"twice", "libring", CLUSTER_E_INVALID},
        {"twice", "rendezvous", CLUSTER_E_INVALID},
        {"twice", "riak", CLUSTER_E_INVALID},
        {"empty", "ketama", CLUSTER_E_INVALID},
        {"null", "ketama", CLUSTER_E_INVALID},
        {"utf8", "libring", CLUSTER_E_INVALID},
        {"utf8", "ketama", 0},
        {"utf8", "modulo", 0},
        {"long", "libring", CLUSTER_E_INVALID},
        {"long", "nginx", 0},
        {"long", "libmemcached", 0},
        {"weight", "libring", 0},
        {"weight", "riak", CLUSTER_E_INVALID},
        {"weight", "modulo", CLUSTER_E_INVALID},
        {"weight", "horde", CLUSTER_E_INVALID},
        {"weight", "jump", CLUSTER_E_INVALID},
        {"huge", "libring", CLUSTER_E_LIMIT},
        {"huge", "ex_hash_ring", CLUSTER_E_LIMIT},
        {"huge", "nginx", CLUSTER_E_LIMIT},
        {"huge", "ketama", 0},
        {"huge", "libmemcached", 0},
        {"huge", "rendezvous", 0},
        {"stride", "nginx", CLUSTER_E_INVALID},
        {"tail", "nginx", CLUSTER_E_INVALID},
        {"size", "libring", CLUSTER_E_INVALID},
        {"flags", "libring", CLUSTER_E_INVALID},
        {"terms", "libring", 0},
        {"terms", "modulo", 0},
        {"terms", "ketama", CLUSTER_E_INVALID},
        {"otp25", "horde", CLUSTER_E_INVALID},
        {"points", "libring", 0},
        {"points", "ex_hash_ring", 0},
        {"points", "horde", CLUSTER_E_INVALID},
        {"points", "nginx", CLUSTER_E_INVALID},
        {"points", "riak", CLUSTER_E_INVALID},
        {"many", "ex_hash_ring", CLUSTER_E_LIMIT},
        {"name", "horde", 0},
        {"name", "libring", 0},
        {"name", "riak", CLUSTER_E_INVALID},
        {"name utf8", "horde", CLUSTER_E_INVALID},
        {"none", "horde", CLUSTER_E_INVALID},
        {"bucket", "riak", 0},
        {"bucket", "libring", CLUSTER_E_INVALID},
        {"seed", "rendezvous", 0},
        {"seed", "jump", 0},
        {"seed", "nginx", CLUSTER_E_INVALID},
        {"override", "ex_hash_ring", 0},
        {"override", "libring", CLUSTER_E_INVALID},
        {"override null", "ex_hash_ring", CLUSTER_E_INVALID},
        {"override twice", "ex_hash_ring", CLUSTER_E_INVALID},
        {"override far", "ex_hash_ring", CLUSTER_E_INVALID},
        {"override no nodes", "ex_hash_ring", CLUSTER_E_INVALID},
        {"override no key", "ex_hash_ring", CLUSTER_E_INVALID},
        {"override size", "ex_hash_ring", CLUSTER_E_INVALID},
        {"override many", "ex_hash_ring", CLUSTER_E_LIMIT},
    };
    struct cluster_ring *ring;
    size_t i;
    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    for (i = 0; i < CLU_COUNT(cases); i++) {
        const char *what = cases[i].what;
        int result;
        begin();
        add("a", 0);
        add("b", 0);
        add("c", 0);
        memset(overrides, 0, sizeof overrides);
        overrides[0].size = overrides[1].size = (uint32_t)sizeof overrides[0];
        overrides[0].key = "k";
        overrides[0].key_size = 1;
        if (!strcmp(what, "twice"))
            nodes.at[2].name = "a";
        else if (!strcmp(what, "empty"))
            nodes.at[1].name = "";
        else if (!strcmp(what, "null"))
            nodes.at[1].name = NULL;
        else if (!strcmp(what, "utf8"))
            nodes.at[1].name = "\xff";
        else if (!strcmp(what, "long"))
            nodes.at[1].name = long_name;
        else if (!strcmp(what, "weight"))
            nodes.at[1].weight = 2;
        else if (!strcmp(what, "huge"))
            nodes.at[1].weight = UINT32_MAX;
        else if (!strcmp(what, "stride"))
            nodes.at[0].size--;
        else if (!strcmp(what, "tail"))
            nodes.at[0].size += 8;
        else if (!strcmp(what, "size"))
            options.size--;
        else if (!strcmp(what, "flags"))
            options.flags = 8;
        else if (!strcmp(what, "terms"))
            options.flags = CLUSTER_RING_TERM_KEYS;
        else if (!strcmp(what, "otp25"))
            options.flags = CLUSTER_RING_OTP25;
        else if (!strcmp(what, "points"))
            options.points = 12;
        else if (!strcmp(what, "many"))
            options.points = CLU_RING_POINTS + 1;
        else if (!strcmp(what, "name"))
            options.name = "Elixir.A";
        else if (!strcmp(what, "name utf8"))
            options.name = "\xc3";
        else if (!strcmp(what, "bucket"))
            options.bucket = "b";
        else if (!strcmp(what, "seed"))
            options.seed = 1;
        else if (!strncmp(what, "override", 8)) {
            options.override_count = 1;
            options.overrides = overrides;
            overrides[0].count = 1;
            overrides[0].nodes = far;
            overrides[0].nodes = strcmp(what, "override far") ? (const uint32_t *)&overrides[1].count : far;
            if (!strcmp(what, "override null"))
                options.overrides = NULL;
            else if (!strcmp(what, "override twice")) {
                overrides[1].key = "k";
                overrides[1].key_size = 1;
                options.override_count = 2;
            } else if (!strcmp(what, "override no nodes"))
                overrides[0].nodes = NULL;
            else if (!strcmp(what, "override no key"))
                overrides[0].key = NULL;
            else if (!strcmp(what, "override size"))
                overrides[0].size -= 4;
            else if (!strcmp(what, "override many"))
                options.override_count = CLU_RING_OVERRIDES + 1;
        }
        ring = (struct cluster_ring *)(void *)&nodes;
        result = cluster_ring_build(&ring, cases[i].kind, nodes.at, nodes.count, &options);
        if (result != cases[i].error)
            fail_msg("%s, %s: %d", cases[i].kind, what, result);
        assert_true((ring != NULL) == (result == 0));
        cluster_ring_free(ring);
    }
    begin();
    add("a", 0);
    assert_int_equal(cluster_ring_build(NULL, "nginx", nodes.at, 1, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ring_build(&ring, NULL, nodes.at, 1, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ring_build(&ring, "nginx", NULL, 1, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ring_build(&ring, "nginx", nodes.at, CLU_RING_NODES + 1, NULL), CLUSTER_E_LIMIT);
    assert_int_equal(cluster_ring_build(&ring, "nginx", nodes.at, 1, NULL), 0);
    assert_string_equal(cluster_ring_node(ring, 0), "a");
    assert_null(cluster_ring_node(ring, 1));
    cluster_ring_free(ring);
    cluster_ring_free(NULL);
}

/* No node at all is a ring too, of every kind; and a key that is no term has no owner. */
static void nobody(void **state)
{
    struct cluster_ring *ring;
    uint64_t hash;
    uint32_t out;
    int kind, round;
    (void)state;
    for (kind = 0; kind < CLU_RING_KINDS; kind++) {
        for (round = 0; round < 2; round++) {
            begin();
            options.name = kind == CLU_HORDE ? "n" : NULL;
            if (round) {
                add("a:1", 0);
                nodes.at[0].flags = CLUSTER_NODE_EXCLUDED;
            }
            ring = built(clu_ring_rule_of((enum clu_ring_kind)kind)->name);
            assert_int_equal(cluster_ring_owner(ring, "key", 3), CLUSTER_NOBODY);
            assert_int_equal(cluster_ring_owners(ring, "key", 3, &out, 1), 0);
            assert_int_equal(cluster_ring_hash(ring, "key", 3, &hash), 0);
            cluster_ring_free(ring);
        }
    }
    begin();
    add("a", 0);
    options.flags = CLUSTER_RING_TERM_KEYS;
    ring = built("libring");
    assert_int_equal(cluster_ring_owner(ring, "key", 3), CLUSTER_NOBODY);
    assert_int_equal(cluster_ring_owner(ring, NULL, 0), CLUSTER_NOBODY);
    assert_int_equal(cluster_ring_hash(ring, "\x83", 1, &hash), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ring_hash(ring, "\x83\x77\x01", 3, &hash), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ring_hash(ring, "\x83X", 2, &hash), CLUSTER_E_UNSUPPORTED);
    assert_int_equal(cluster_ring_owner(ring, "\x83\x6a", 2), 0);
    assert_int_equal(cluster_ring_owners(ring, "\x83\x6a", 2, &out, 0), 0);
    cluster_ring_free(ring);
}

static void no_memory(void **state)
{
    static const uint32_t one[] = {1};
    struct cluster_ring_override override;
    struct fake_memory memory;
    struct cluster_ring *ring;
    unsigned long n;
    int kind;
    (void)state;
    memset(&override, 0, sizeof override);
    override.size = (uint32_t)sizeof override;
    override.key = "key";
    override.key_size = 3;
    override.nodes = one;
    override.count = 1;
    for (kind = 0; kind < CLU_RING_KINDS; kind++) {
        fake_memory_begin(&memory);
        begin();
        add("a:1", 0);
        add("b:1", kind == CLU_RENDEZVOUS ? 5 : 0);
        options.name = kind == CLU_HORDE ? "n" : NULL;
        options.allocator = &memory.hook;
        if (kind == CLU_EX_HASH_RING) {
            options.overrides = &override;
            options.override_count = 1;
        }
        for (n = 1;; n++) {
            fake_memory_fail(&memory, n, false);
            if (cluster_ring_build(&ring, clu_ring_rule_of((enum clu_ring_kind)kind)->name, nodes.at, 2, &options) == 0)
                break;
            assert_int_equal(memory.failures, 1);
            assert_null(ring);
            assert_int_equal(memory.blocks, 0);
        }
        assert_int_equal(n, 4);
        assert_int_equal(memory.blocks, 1);
        assert_true(cluster_ring_owner(ring, "key", 3) < 2);
        cluster_ring_free(ring);
        fake_memory_end(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libring),
        cmocka_unit_test(libring_atoms),
        cmocka_unit_test(horde),
        cmocka_unit_test(ex_hash_ring),
        cmocka_unit_test(ex_hash_ring_equal_points),
        cmocka_unit_test(ex_hash_ring_defaults),
        cmocka_unit_test(ex_hash_ring_overrides),
        cmocka_unit_test(riak),
        cmocka_unit_test(routers),
        cmocka_unit_test(phoenix_tracker),
        cmocka_unit_test(jump),
        cmocka_unit_test(ketama),
        cmocka_unit_test(libmemcached_floats),
        cmocka_unit_test(looks_at_every_point),
        cmocka_unit_test(equal_points),
        cmocka_unit_test(owners),
        cmocka_unit_test(rendezvous),
        cmocka_unit_test(rendezvous_weights),
        cmocka_unit_test(rendezvous_known_answers),
        cmocka_unit_test(logarithms),
        cmocka_unit_test(refuses),
        cmocka_unit_test(nobody),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
