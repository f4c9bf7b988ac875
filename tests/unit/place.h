/*
 * For the unit tests of placement: seeded random sets of nodes, and maps of them. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_PLACE_H
#define TESTS_UNIT_PLACE_H

#include <stdio.h>
#include <string.h>

#define SET_MAX 400

struct set {
    struct cluster_node nodes[SET_MAX];
    char names[SET_MAX][32];
    size_t count;
};

static uint64_t random_state = 1;

static inline uint32_t random_below(uint32_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

static inline void shuffle(struct set *set)
{
    size_t i;
    for (i = set->count; i > 1; i--) {
        size_t other = random_below((uint32_t)i);
        struct cluster_node node = set->nodes[other];
        set->nodes[other] = set->nodes[i - 1];
        set->nodes[i - 1] = node;
    }
}

/* Names that no other set has, of several lengths, in no order. */
static inline void random_set(struct set *set, size_t count)
{
    static const char *const form[] = {"n%u@h%u", "worker-%u@10.1.2.%u", "a-longer-name.%u@host%u"};
    size_t i;
    memset(set, 0, sizeof *set);
    set->count = count;
    for (i = 0; i < count; i++) {
        snprintf(set->names[i], sizeof set->names[i], form[random_below(3)], random_below(100000), (unsigned)i);
        set->nodes[i].size = (uint32_t)sizeof set->nodes[i];
        set->nodes[i].name = set->names[i];
    }
    shuffle(set);
}

static inline void take_out(struct set *set, size_t at)
{
    memmove(&set->nodes[at], &set->nodes[at + 1], (--set->count - at) * sizeof set->nodes[0]);
}

static inline struct cluster_map_options options_of(uint32_t shards, uint32_t epsilon)
{
    struct cluster_map_options options;
    memset(&options, 0, sizeof options);
    options.size = (uint32_t)sizeof options;
    options.shards = shards;
    options.epsilon = epsilon;
    return options;
}

static inline struct cluster_map *map_of(const struct set *set, uint32_t shards, uint32_t epsilon)
{
    struct cluster_map_options options = options_of(shards, epsilon);
    struct cluster_map *map = NULL;
    assert_int_equal(cluster_map_build(&map, set->nodes, set->count, &options), 0);
    assert_non_null(map);
    return map;
}

static inline uint32_t index_of(const struct cluster_map *map, const char *name)
{
    uint32_t i;
    for (i = 0; i < cluster_map_nodes(map); i++)
        if (strcmp(cluster_map_node(map, i), name) == 0)
            return i;
    return CLUSTER_NOBODY;
}

/* "" for nobody */
static inline const char *owner_name(const struct cluster_map *map, uint32_t shard)
{
    uint32_t owner = cluster_map_shard_owner(map, shard);
    return owner == CLUSTER_NOBODY ? "" : cluster_map_node(map, owner);
}

#endif
