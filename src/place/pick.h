/*
 * A node for a key by what the nodes bear at this moment: consistent hashing with bounded loads. Reads a map, asks the caller
 * for loads, owns nothing.
 */
#ifndef CLU_PLACE_PICK_H
#define CLU_PLACE_PICK_H

#include "map.h"

#define CLU_PICK_EPSILON 250u

/* Is it below its share of one more than there is, and epsilon? In whole numbers of 128 bits. */
CLU_FN bool clu_pick_below(const struct cluster_map *map, uint32_t index, uint64_t load, uint64_t total, uint32_t epsilon)
{
    uint64_t has = (uint64_t)map->shards * map->copies * 1000, may = (uint64_t)map->loads[index] * (UINT64_C(1000) + epsilon);
    clu_multiply(&load, &has);
    total += total != UINT64_MAX;
    clu_multiply(&total, &may);
    return has != may ? has < may : load < total;
}

/* The owners of the key's shard, then those of the shards behind it. */
CLUSTER_DEF uint32_t cluster_map_pick(const struct cluster_map *map, const void *key, size_t size, uint32_t epsilon,
                                      uint64_t total, uint64_t (*load)(void *ctx, uint32_t index), void *ctx)
{
    const uint32_t shard = cluster_map_shard(map, key, size);
    const size_t places = (size_t)map->shards * map->copies;
    size_t place = (size_t)shard * map->copies, i;
    uint32_t owner, last = CLUSTER_NOBODY;
    for (i = 0; i < places; i++, place = place + 1 < places ? place + 1 : 0) {
        owner = clu_map_at(map, place);
        if (owner != last && clu_pick_below(map, owner, load(ctx, owner), total, epsilon ? epsilon : CLU_PICK_EPSILON))
            return owner;
        last = owner;
    }
    return cluster_map_shard_owner(map, shard);
}

#endif
