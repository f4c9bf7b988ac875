/*
 * The plan: what moves between two maps. Reads both, owns nothing, never allocates.
 */
#ifndef CLU_PLACE_PLAN_H
#define CLU_PLACE_PLAN_H

#include "deal.h"

/* Who owns a shard, and the name. No node's is empty, so "" is nobody's. */
CLU_CALLED const char *clu_plan_owner(const struct cluster_map *map, uint32_t shard, uint32_t *owner)
{
    *owner = map ? cluster_map_shard_owner(map, shard) : CLUSTER_NOBODY;
    return *owner == CLUSTER_NOBODY ? "" : map->names[*owner];
}

CLUSTER_DEF size_t cluster_map_plan(const struct cluster_map *from, const struct cluster_map *to, struct cluster_move *out,
                                    size_t capacity)
{
    size_t count = 0;
    uint32_t shard;
    if (!to || (from && from->shards != to->shards))
        return 0;
    for (shard = 0; shard < to->shards; shard++) {
        uint32_t was, is;
        if (strcmp(clu_plan_owner(from, shard, &was), clu_plan_owner(to, shard, &is)) == 0)
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
