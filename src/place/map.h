/*
 * The map: a power of two of shards, each with a row of owners, in one immutable block of memory. A key's hash picks its shard
 * with its top bits, so finding an owner is that hash and one load. Here is the block, and all that only reads it: deal.h fills
 * it from a set of nodes, next.h from another map, save.h from bytes. It never changes once made; only its references are
 * counted, on one thread.
 */
#ifndef CLU_PLACE_MAP_H
#define CLU_PLACE_MAP_H

#include "../base/bytes.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/shared.h"

#define CLU_MAP_NODES (1u << 20)
#define CLU_MAP_NARROW 65535u     /* up to so many nodes an owner takes 2 bytes, else 3 */
#define CLU_MAP_SHARDS (1u << 24) /* a draw has 32 bits */
#define CLU_MAP_REPLICAS 16u

struct cluster_map {
    struct clu_shared shared;
    void *owners;    /* rows of `copies`, each an index into names; of one vacant place if nobody may own anything */
    uint32_t nobody; /* CLUSTER_NOBODY if nobody may own anything, else 0: or-ed to each owner */
    uint32_t copies; /* owners that each shard has */
    uint64_t seed[2];
    uint8_t shift; /* of half a hash, to the shard */
    bool keyed, wide;
    uint32_t shards, nodes, replicas;
    const char **names; /* sorted */
    uint64_t *streams;  /* the hash of each name */
    uint32_t *loads;    /* shards that each node holds */
    uint64_t sum;       /* over all owners: the heart of the fingerprint */
    struct cluster_allocator memory;
};

CLU_FN struct cluster_map *clu_map_ref(struct cluster_map *map)
{
    return (struct cluster_map *)clu_share(map);
}

/* The one hash of a map, for names and for keys. */
CLU_FN inline uint64_t clu_map_hash(const struct cluster_map *map, const void *data, size_t size)
{
    return map->keyed ? cluster_siphash(data, size, map->seed[0], map->seed[1]) : clu_hash64(data, size, 0);
}

/* ---- the block -------------------------------------------------------- */

/* An entry of three bytes, the lowest first. */
CLU_FN inline uint32_t clu_map_wide_at(const uint8_t *owners, size_t place)
{
    const uint8_t *p = owners + 3 * place;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

CLU_FN inline void clu_map_wide_set(uint8_t *owners, size_t place, uint32_t index)
{
    uint8_t *p = owners + 3 * place;
    p[0] = (uint8_t)index;
    p[1] = (uint8_t)(index >> 8);
    p[2] = (uint8_t)(index >> 16);
}

CLU_FN inline uint32_t clu_map_at(const struct cluster_map *map, size_t place)
{
    return map->wide ? clu_map_wide_at((const uint8_t *)map->owners, place) : ((const uint16_t *)map->owners)[place];
}

CLU_FN uint32_t clu_map_vacant(const struct cluster_map *map)
{
    return map->wide ? 0xffffff : UINT16_MAX;
}

CLU_FN inline void clu_map_set(struct cluster_map *map, size_t place, uint32_t index)
{
    if (map->wide)
        clu_map_wide_set((uint8_t *)map->owners, place, index);
    else
        ((uint16_t *)map->owners)[place] = (uint16_t)index;
}

/* What a place adds to the sum, by the hash of its owner's name. */
CLU_FN inline uint64_t clu_map_term_of(uint64_t stream, uint32_t shard, uint32_t replica)
{
    return clu_mix64(stream, shard | (uint64_t)replica << 32);
}

CLU_FN inline uint64_t clu_map_term(const struct cluster_map *map, uint32_t shard, uint32_t replica, uint32_t index)
{
    return clu_map_term_of(map->streams[index], shard, replica);
}

/* A vacant place gets its owner. */
CLU_FN inline void clu_map_put(struct cluster_map *map, uint32_t shard, uint32_t replica, uint32_t index)
{
    clu_map_set(map, (size_t)shard * map->copies + replica, index);
    map->loads[index]++;
    map->sum += clu_map_term(map, shard, replica, index);
}

/* What a map is: the fields of the block that its size depends on. */
struct clu_map_shape {
    uint64_t seed[2];
    uint32_t shards, nodes, replicas, copies;
    size_t text; /* bytes of all names, with their NULs */
};

/* A block with no owner and no name yet, its text behind the owners. NULL: no memory. */
CLU_FN struct cluster_map *clu_map_new(const struct cluster_allocator *memory, const struct clu_map_shape *shape, char **text)
{
    const bool wide = shape->nodes > CLU_MAP_NARROW;
    const size_t places = shape->copies ? (size_t)shape->shards * shape->copies : 1, table = places * (wide ? 3 : 2);
    const size_t each = sizeof(uint64_t) + sizeof(char *) + sizeof(uint32_t);
    struct cluster_map *map;
    size_t head;
    if (shape->text > SIZE_MAX / 4)
        return NULL;
    head = sizeof *map + shape->nodes * each;
    map = (struct cluster_map *)clu_share_begin(memory, head + table + shape->text, head);
    if (!map)
        return NULL;
    map->memory = *memory;
    map->seed[0] = shape->seed[0];
    map->seed[1] = shape->seed[1];
    map->keyed = shape->seed[0] || shape->seed[1];
    map->wide = wide;
    map->shards = shape->shards;
    map->nodes = shape->nodes;
    map->replicas = shape->replicas;
    map->copies = shape->copies;
    map->nobody = shape->copies ? 0 : CLUSTER_NOBODY;
    for (map->shift = 63; shape->shards >> (63 - map->shift) > 1; map->shift--)
        continue;
    map->streams = (uint64_t *)(void *)(map + 1);
    map->names = (const char **)(void *)(map->streams + shape->nodes);
    map->loads = (uint32_t *)(void *)(map->names + shape->nodes);
    map->owners = map->loads + shape->nodes;
    *text = (char *)map->owners + table;
    return map;
}

/* Every place is vacant. */
CLU_FN void clu_map_clear(struct cluster_map *map)
{
    const size_t places = map->copies ? (size_t)map->shards * map->copies : 1;
    memset(map->owners, 0xff, places * (map->wide ? 3 : 2));
}

/* The next node by name. */
CLU_FN void clu_map_name(struct cluster_map *map, uint32_t index, char **text, const char *name)
{
    size_t length = strlen(name);
    map->names[index] = (const char *)memcpy(*text, name, length + 1);
    map->streams[index] = clu_map_hash(map, name, length);
    *text += length + 1;
}

CLUSTER_DEF void cluster_map_free(struct cluster_map *map)
{
    if (map)
        clu_unshare(&map->memory, map);
}

/* ---- reading ---------------------------------------------------------- */

CLUSTER_DEF uint32_t cluster_map_shards(const struct cluster_map *map)
{
    return map->shards;
}

CLUSTER_DEF uint32_t cluster_map_nodes(const struct cluster_map *map)
{
    return map->nodes;
}

CLUSTER_DEF uint32_t cluster_map_replicas(const struct cluster_map *map)
{
    return map->copies;
}

CLUSTER_DEF const char *cluster_map_node(const struct cluster_map *map, uint32_t index)
{
    return index < map->nodes ? map->names[index] : NULL;
}

CLUSTER_DEF uint32_t cluster_map_find(const struct cluster_map *map, const char *name)
{
    uint32_t low = 0, high = map->nodes;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(map->names[middle], name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return CLUSTER_NOBODY;
}

CLUSTER_DEF uint32_t cluster_map_node_load(const struct cluster_map *map, uint32_t index)
{
    return index < map->nodes ? map->loads[index] : 0;
}

CLUSTER_DEF uint64_t cluster_map_fingerprint(const struct cluster_map *map)
{
    uint8_t told[12];
    clu_put_be(told, map->sum, 8);
    clu_put_be(told + 8, map->shards, 4);
    return cluster_siphash(told, sizeof told, map->seed[0], map->seed[1]);
}

CLUSTER_DEF size_t cluster_map_shard_owners(const struct cluster_map *map, uint32_t shard, uint32_t *out, size_t capacity)
{
    size_t i;
    if (shard >= map->shards)
        return 0;
    for (i = 0; i < map->copies && i < capacity; i++)
        out[i] = clu_map_at(map, (size_t)shard * map->copies + i);
    return map->copies;
}

CLUSTER_DEF uint32_t cluster_map_shard_owner(const struct cluster_map *map, uint32_t shard)
{
    return shard < map->shards ? clu_map_at(map, (size_t)shard * map->copies) | map->nobody : CLUSTER_NOBODY;
}

CLUSTER_DEF uint32_t cluster_map_shard(const struct cluster_map *map, const void *key, size_t size)
{
    return (uint32_t)(clu_map_hash(map, key, size) >> 1 >> map->shift);
}

CLUSTER_DEF uint32_t cluster_map_owner(const struct cluster_map *map, const void *key, size_t size)
{
    return clu_map_at(map, (size_t)(clu_map_hash(map, key, size) >> 1 >> map->shift) * map->copies) | map->nobody;
}

CLUSTER_DEF size_t cluster_map_owners(const struct cluster_map *map, const void *key, size_t size, uint32_t *out,
                                      size_t capacity)
{
    return cluster_map_shard_owners(map, cluster_map_shard(map, key, size), out, capacity);
}

/* 0, or the place of a node among the owners of a shard, from 1 on. */
CLU_CALLED int clu_map_holds(const struct cluster_map *map, uint32_t shard, uint32_t index)
{
    uint32_t i;
    for (i = 0; index < map->nodes && i < map->copies; i++)
        if (clu_map_at(map, (size_t)shard * map->copies + i) == index)
            return (int)i + 1;
    return 0;
}

CLUSTER_DEF int cluster_map_owns(const struct cluster_map *map, uint32_t index, const void *key, size_t size)
{
    return clu_map_holds(map, cluster_map_shard(map, key, size), index);
}

CLUSTER_DEF uint32_t cluster_map_node_shard(const struct cluster_map *map, uint32_t index, uint32_t from)
{
    if (cluster_map_node_load(map, index))
        for (; from < map->shards; from++)
            if (clu_map_holds(map, from, index))
                return from;
    return CLUSTER_NOBODY;
}

#endif
