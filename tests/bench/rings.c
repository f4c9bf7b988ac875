/*
 * What lookups in rings cost, beside a plain binary search over the same points, and beside libmemcached where it is installed:
 *
 *     cc -std=c99 -O2 -I. tests/bench/rings.c -o build/bench-rings && build/bench-rings [--check]
 *
 *   search   from a hash to a node, without hashing: ours, and by a binary search over an array of hash and node, which is how
 *            libmemcached and nginx find a point
 *   lookup   the same from a key of 16 bytes
 *   build    cluster_ring_build
 *
 * and what rendezvous costs for each node, beside its floor: a draw for each node and nothing else. With --check the exit status
 * is 1 if a ratio misses its goal.
 */
#include "../../src/place/ring.h"

#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

#define LOOKUPS 1000000u
#define ROUNDS 5
#define MOST 10000

static char names[MOST][32];
static struct cluster_node nodes[MOST];
static volatile uint32_t sink;
static int missed;

/* The time of this program alone, whatever else the machine does. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void best_of(double *best, double began, double count)
{
    const double each = (now() - began) / count;
    *best = *best == 0 || each < *best ? each : *best;
}

/* A goal that a ratio must be at least, or at most if `goal` is negative. */
static char judge(double value, double goal)
{
    const bool bad = goal > 0 ? value < goal : value > -goal;
    missed += bad;
    return bad ? '!' : ' ';
}

struct plain {
    uint32_t hash, node;
};

/* The first point at or after the hash, else the first of all. */
static uint32_t plain_search(const struct plain *points, size_t count, uint32_t hash)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (points[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return points[low == count ? 0 : low].node;
}

/* All points of a ring of 32 bits, in order. */
static struct plain *plain_of(const struct cluster_ring *ring)
{
    struct plain *out = (struct plain *)malloc((ring->count + 1) * sizeof *out);
    size_t cell, i;
    for (cell = 0; cell < (size_t)1 << ring->bits; cell++) {
        for (i = ring->cells[cell]; i < ring->cells[cell + 1]; i++) {
            out[i].hash = (uint32_t)((uint64_t)cell << (32 - ring->bits) | ring->points[i] >> ring->bits >> 32);
            out[i].node = clu_ring_point_node(ring, i);
        }
    }
    return out;
}

/* ---- libmemcached, if it is there ------------------------------------- */

#if defined(__has_include)
#if __has_include(<libmemcached/memcached.h>)
#include <libmemcached/memcached.h>
#define HAS_LIBMEMCACHED 1
#endif
#endif

#ifdef HAS_LIBMEMCACHED
static double libmemcached_ns(uint32_t count)
{
    void *library = count <= 100 ? dlopen("libmemcached.so.11", RTLD_NOW) : NULL; /* Debian's ends beyond 100 servers */
    memcached_st *(*create)(memcached_st *);
    memcached_return_t (*behave)(memcached_st *, const memcached_behavior_t, uint64_t);
    memcached_return_t (*add)(memcached_st *, const char *, in_port_t, uint32_t);
    uint32_t (*hash)(const memcached_st *, const char *, size_t);
    memcached_st *m;
    double best = 0;
    uint32_t i, sum = 0;
    int round;
    if (!library)
        return 0;
    *(void **)&create = dlsym(library, "memcached_create");
    *(void **)&behave = dlsym(library, "memcached_behavior_set");
    *(void **)&add = dlsym(library, "memcached_server_add_with_weight");
    *(void **)&hash = dlsym(library, "memcached_generate_hash");
    m = create(NULL);
    behave(m, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    for (i = 0; i < count; i++) {
        char host[32];
        strcpy(host, names[i]);
        *strchr(host, ':') = '\0';
        add(m, host, 11211, 1);
    }
    for (round = 0; round < ROUNDS; round++) {
        char key[17] = "0123456789abcdef";
        double began = now();
        for (i = 0; i < LOOKUPS / 10; i++) {
            memcpy(key, &i, sizeof i);
            sum += hash(m, key, 16);
        }
        best_of(&best, began, LOOKUPS / 10);
    }
    sink = sum;
    return best;
}
#else
static double libmemcached_ns(uint32_t count)
{
    (void)count;
    return 0;
}
#endif

/* ---- rows ------------------------------------------------------------- */

static void ring_row(const char *kind, uint32_t count, double goal)
{
    struct cluster_ring *ring = NULL;
    struct plain *points;
    double ours = 0, plain = 0, lookup = 0, build = 0, theirs = 0;
    uint32_t i, sum = 0;
    int round;
    for (round = 0; round < 3; round++) {
        double began = now();
        cluster_ring_free(ring);
        if (cluster_ring_build(&ring, kind, nodes, count, NULL) != 0)
            exit(2);
        best_of(&build, began, 1);
    }
    points = plain_of(ring);
    for (round = 0; round < ROUNDS; round++) {
        double began = now();
        for (i = 0; i < LOOKUPS; i++)
            sum += clu_ring_point_node(ring, clu_ring_find(ring, clu_draw(i) & UINT64_C(0xffffffff00000000)));
        best_of(&ours, began, LOOKUPS);
        began = now();
        for (i = 0; i < LOOKUPS; i++)
            sum -= plain_search(points, ring->count, (uint32_t)(clu_draw(i) >> 32));
        best_of(&plain, began, LOOKUPS);
        began = now();
        for (i = 0; i < LOOKUPS / 10; i++) {
            char key[16] = "0123456789abcde";
            memcpy(key, &i, sizeof i);
            sum += cluster_ring_owner(ring, key, sizeof key);
        }
        best_of(&lookup, began, LOOKUPS / 10);
    }
    sink = sum;
    theirs = strcmp(kind, "libmemcached") == 0 ? libmemcached_ns(count) : 0;
    printf("%-13s %6u %8u %8.1f %8.1f %6.1f%c %8.1f ", kind, count, (unsigned)ring->count, ours, plain, plain / ours,
           goal != 0 ? judge(plain / ours, goal) : ' ', lookup);
    if (theirs > 0)
        printf("%8.1f ", theirs);
    else
        printf("%8s ", "-");
    printf("%8.2f %8.1f\n", build / 1e6, (double)ring->size / count);
    fflush(stdout);
    free(points);
    cluster_ring_free(ring);
}

static void rendezvous_row(uint32_t count, bool weighted)
{
    const uint32_t lookups = 2000000 / count; /* short, and often: what else the machine does falls on few of them */
    struct cluster_ring *ring;
    double best = 0, floor = 0;
    uint64_t drawn = 0;
    uint32_t i, sum = 0;
    int round;
    for (i = 0; i < count; i++)
        nodes[i].weight = weighted ? 1 + i % 10 : 0;
    if (cluster_ring_build(&ring, "rendezvous", nodes, count, NULL) != 0)
        exit(2);
    for (round = 0; round < 10 * ROUNDS; round++) {
        double began = now();
        for (i = 0; i < lookups; i++) {
            char key[16] = "0123456789abcde";
            memcpy(key, &i, sizeof i);
            sum += cluster_ring_owner(ring, key, sizeof key);
        }
        best_of(&best, began, lookups);
        began = now();
        for (i = 0; i < lookups; i++) {
            uint32_t j;
            for (j = 0; j < count; j++)
                drawn ^= clu_draw(ring->points[j] + i);
        }
        best_of(&floor, began, lookups);
    }
    sink = sum ^ (uint32_t)drawn;
    printf("%-13s %6u %8s %8.1f %8.3f %8.3f %6.2f%c\n", weighted ? "weighted" : "rendezvous", count, "", best, best / count,
           floor / count, best / floor, !weighted && count >= 1000 ? judge(best / floor, -1.5) : ' ');
    cluster_ring_free(ring);
    for (i = 0; i < count; i++)
        nodes[i].weight = 0;
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {"libring", "libmemcached", "nginx"};
    static const uint32_t counts[] = {10, 100, 1000, 10000};
    size_t i, j;
    for (i = 0; i < MOST; i++) {
        snprintf(names[i], sizeof names[i], "10.%u.%u.%u:11211", (unsigned)(i >> 16), (unsigned)(i >> 8 & 255),
                 (unsigned)(i & 255));
        nodes[i].size = sizeof nodes[i];
        nodes[i].name = names[i];
    }
    printf("kind           nodes   points   search   binary  ratio    lookup libmemc.    build   memory\n");
    printf("                                    ns       ns               ns       ns       ms   B/node\n");
    for (i = 0; i < 3; i++)
        for (j = 0; j < 4; j++)
            ring_row(kinds[i], counts[j], counts[j] == 1000 ? 5 : 0);
    printf("\n                                lookup   a node    floor  ratio\n");
    for (j = 0; j < 4; j++)
        rendezvous_row(counts[j], false);
    for (j = 0; j < 3; j++)
        rendezvous_row(counts[j], true);
    return argc > 1 && strcmp(argv[1], "--check") == 0 && missed ? 1 : 0;
}
