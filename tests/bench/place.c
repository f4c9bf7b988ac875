/*
 * What placement costs, and how well it spreads, as ratios:
 *
 *     cc -std=c99 -O2 tests/bench/place.c -o build/bench-place && build/bench-place [--check]
 *
 *   floor    one call that hashes the 16-byte key with the same function and loads from a table as large as the map's
 *   owner    cluster_map_owner, the hash included
 *   build    cluster_map_build, the best of several
 *   max, min the fullest node's shards over the mean, and the emptiest's
 *   leave    shards that change owner when one node leaves, over the shards that it had: the mean of several nodes, and in
 *            parentheses the worst
 *   join     the same when one joins, over the shards that it gets
 *   run      the same over a run of leaves so long that the cap changes in its due proportion
 *
 * With --check the exit status is 1 if a ratio misses its goal. Times are printed and never judged.
 */
#include "../../src/place/deal.h"
#include "../../src/place/plan.h"

#include <stdio.h>
#include <time.h>

#define LOOKUPS 4000000u
#define ROUNDS 9

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- maps ------------------------------------------------------------- */

static char names[65536][24];
static struct cluster_node nodes[65536];

/* Of the first `count` nodes. */
static struct cluster_map *build(uint32_t count, uint32_t shards)
{
    struct cluster_map_options options;
    struct cluster_map *map;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = shards;
    if (cluster_map_build(&map, nodes, count, &options) != 0)
        exit(2);
    return map;
}

static void swap(uint32_t a, uint32_t b)
{
    const char *name = nodes[a].name;
    nodes[a].name = nodes[b].name;
    nodes[b].name = name;
}

/* Moves from the larger of two maps to the other, over the shards of the node that only the larger has. */
static double moved(const struct cluster_map *large, const struct cluster_map *small, const char *name)
{
    uint32_t i;
    for (i = 0; strcmp(cluster_map_node(large, i), name) != 0;)
        i++;
    return (double)cluster_map_plan(large, small, NULL, 0) / cluster_map_node_load(large, i);
}

struct spread {
    double sum, worst;
    uint32_t count;
};

static void add(struct spread *s, double value)
{
    s->sum += value;
    s->worst = value > s->worst ? value : s->worst;
    s->count++;
}

/* ---- lookups ---------------------------------------------------------- */

struct table {
    const uint16_t *cells;
    unsigned shift;
};

static uint32_t bare(const struct table *table, const void *key, size_t size)
{
    return table->cells[clu_hash64(key, size, 0) >> table->shift];
}

/* Called through pointers that the compiler cannot see through, as from a program of its own. */
static uint32_t (*volatile floor_call)(const struct table *, const void *, size_t) = bare;
static uint32_t (*volatile owner_call)(const struct cluster_map *, const void *, size_t) = cluster_map_owner;
static volatile uint32_t sink;

#define TIME(call, object, best)                                                                                               \
    do {                                                                                                                       \
        uint64_t key[2];                                                                                                       \
        double began;                                                                                                          \
        uint32_t at, sum = 0;                                                                                                  \
        key[1] = UINT64_C(0x6e6f69737365735f);                                                                                 \
        began = now();                                                                                                         \
        for (at = 0; at < LOOKUPS; at++) {                                                                                     \
            key[0] = at;                                                                                                       \
            sum += (call)((object), key, sizeof key);                                                                          \
        }                                                                                                                      \
        began = (now() - began) / LOOKUPS;                                                                                     \
        sink = sum;                                                                                                            \
        (best) = (best) == 0 || began < (best) ? began : (best);                                                               \
    } while (0)

/* In turns, so that both see the same machine. */
static void lookups(const struct cluster_map *map, double *floor_ns, double *owner_ns)
{
    uint32_t (*floor_of)(const struct table *, const void *, size_t) = floor_call;
    uint32_t (*owner_of)(const struct cluster_map *, const void *, size_t) = owner_call;
    uint32_t shards = cluster_map_shards(map), i;
    uint16_t *cells = (uint16_t *)malloc(shards * sizeof *cells);
    struct table table;
    int round;
    table.cells = cells;
    for (table.shift = 64; shards >> (64 - table.shift) > 1;)
        table.shift--;
    for (i = 0; i < shards; i++)
        cells[i] = (uint16_t)cluster_map_shard_owner(map, i);
    *floor_ns = *owner_ns = 0;
    for (round = 0; round < ROUNDS; round++) {
        TIME(floor_of, &table, *floor_ns);
        TIME(owner_of, map, *owner_ns);
    }
    free(cells);
}

/* ---- the table -------------------------------------------------------- */

static int missed;

static char judge(bool judged, double value, double goal)
{
    missed += judged && value > goal;
    return judged && value > goal ? '!' : ' ';
}

static void row(uint32_t count, uint32_t shards, bool judged)
{
    double floor_ns, owner_ns, build_ns = 0, mean = (double)shards / count, most = 0, least = 1e9;
    struct spread leave = {0, 0, 0}, join = {0, 0, 0}, run = {0, 0, 0};
    struct cluster_map *map = NULL, *other;
    const uint32_t tries = count > 1000 ? 5 : count < 20 ? count : 20;
    const uint32_t length = count > 1000 ? 0 : (uint32_t)(2 * count / mean) + 8;
    uint32_t i;
    for (i = 0; i < 5; i++) {
        double began = now();
        cluster_map_free(map);
        map = build(count, shards);
        began = now() - began;
        build_ns = i == 0 || began < build_ns ? began : build_ns;
    }
    lookups(map, &floor_ns, &owner_ns);
    for (i = 0; i < count; i++) {
        double load = cluster_map_node_load(map, i) / mean;
        most = load > most ? load : most;
        least = load < least ? load : least;
    }
    for (i = 0; i < tries; i++) {
        uint32_t which = (uint32_t)((uint64_t)i * count / tries);
        swap(which, count - 1);
        other = build(count - 1, shards);
        add(&leave, moved(map, other, nodes[count - 1].name));
        cluster_map_free(other);
        swap(which, count - 1);
        swap(count, count + 1 + i);
        other = build(count + 1, shards);
        add(&join, moved(other, map, nodes[count].name));
        cluster_map_free(other);
        swap(count, count + 1 + i);
    }
    for (i = 0; i < length && count - i > 2; i++) {
        other = build(count - i - 1, shards);
        add(&run, moved(map, other, nodes[count - i - 1].name));
        cluster_map_free(map);
        map = other;
    }
    cluster_map_free(map);
    printf("%6u %8u %6.1f %6.2f %6.2f %6.2f%c %8.2f %6.3f%c %5.3f  %5.3f (%5.3f)%c %5.3f (%5.3f)%c", count, shards, mean,
           floor_ns, owner_ns, owner_ns / floor_ns, judge(judged, owner_ns / floor_ns, 1.5), build_ns / 1e6, most,
           judge(judged, most, 1.06), least, leave.sum / leave.count, leave.worst, judge(judged, leave.sum / leave.count, 1.4),
           join.sum / join.count, join.worst, judge(judged, join.sum / join.count, 1.4));
    if (run.count)
        printf(" %5.3f (%5.3f)", run.sum / run.count, run.worst);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    uint32_t i;
    for (i = 0; i < CLU_COUNT(nodes); i++) {
        snprintf(names[i], sizeof names[i], "app@10.%u.%u.%u", i >> 14, i >> 7 & 127, i & 127);
        nodes[i].size = sizeof nodes[i];
        nodes[i].name = names[i];
    }
    printf(" nodes   shards   mean  floor  owner  ratio    build    max    min    leave           join            run\n");
    printf("                           ns     ns              ms\n");
    row(10, 2048, true);
    row(100, 16384, true);
    row(1000, 131072, true);
    row(10000, 1048576, true);
    row(10000, 2097152, true);
    row(60000, 8388608, false);
    printf("fewer shards a node, not judged:\n");
    row(64, 4096, false);
    row(500, 32768, false);
    row(1000, 65536, false);
    return check && missed ? 1 : 0;
}
