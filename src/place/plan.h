/*
 * The plan: what moves between two maps. Reads both, owns nothing, never allocates.
 */
#ifndef CLU_PLACE_PLAN_H
#define CLU_PLACE_PLAN_H

#include "map.h"

/* No node's name is empty, so "" is nobody's. */
CLU_FN const char *clu_plan_name(const struct cluster_map *map, uint32_t owner)
{
    return owner == CLUSTER_NOBODY ? "" : map->names[owner];
}

CLUSTER_DEF size_t cluster_map_plan(const struct cluster_map *from, const struct cluster_map *to, struct cluster_move *out,
                                    size_t capacity)
{
    size_t count = 0;
    uint32_t shard;
    if (!to || (from && from->shards != to->shards))
        return 0;
    for (shard = 0; shard < to->shards; shard++) {
        uint32_t was = from ? cluster_map_shard_owner(from, shard) : CLUSTER_NOBODY, is = cluster_map_shard_owner(to, shard);
        if (strcmp(clu_plan_name(from, was), clu_plan_name(to, is)) == 0)
            continue;
        if (count < capacity) {
            out[count].shard = shard;
            out[count].replica = 0;
            out[count].from = was;
            out[count].to = is;
        }
        count++;
    }
    return count;
}

#endif
