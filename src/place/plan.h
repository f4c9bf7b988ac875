/*
 * The plan: what moves between two maps, place by place, in an order that is safe to follow. Reads both, never allocates.
 *
 * A place is one of the owners of a shard, and a move gives it another node. Shards come by number. Among the places of one the
 * next to change is one whose node the shard can spare: it owns nothing of it in the new map, or it has a second place of it
 * already. So some node that has the shard's data keeps it until another one has it too.
 */
#ifndef CLU_PLACE_PLAN_H
#define CLU_PLACE_PLAN_H

#include "map.h"

/* A shard on its way from one map to the other. "" is nobody: no node has that name. */
struct clu_plan {
    const struct cluster_map *from, *to;
    struct cluster_move *out;
    size_t capacity, count;
    uint32_t places;
    const char *now[CLU_MAP_REPLICAS], *then[CLU_MAP_REPLICAS];
};

CLU_FN const char *clu_plan_name(const struct cluster_map *map, uint32_t shard, uint32_t place)
{
    return map && place < map->copies ? map->names[clu_map_at(map, (size_t)shard * map->copies + place)] : "";
}

/* How many of these places a node has. */
CLU_FN uint32_t clu_plan_has(const struct clu_plan *p, const char *const *names, const char *name)
{
    uint32_t i, found = 0;
    for (i = 0; i < p->places; i++)
        found += strcmp(names[i], name) == 0;
    return found;
}

CLU_FN bool clu_plan_differs(const struct clu_plan *p, uint32_t place)
{
    return strcmp(p->now[place], p->then[place]) != 0;
}

/* Which place changes next: one that can be spared if there is any; `places` when all is done. */
CLU_FN uint32_t clu_plan_place(const struct clu_plan *p)
{
    uint32_t i, any = p->places;
    for (i = 0; i < p->places; i++) {
        if (!clu_plan_differs(p, i))
            continue;
        if (!clu_plan_has(p, p->then, p->now[i]) || clu_plan_has(p, p->now, p->now[i]) > 1)
            return i;
        any = any < p->places ? any : i;
    }
    return any;
}

CLU_FN void clu_plan_shard(struct clu_plan *p, uint32_t shard)
{
    uint32_t place;
    for (place = 0; place < p->places; place++) {
        p->now[place] = clu_plan_name(p->from, shard, place);
        p->then[place] = clu_plan_name(p->to, shard, place);
    }
    while ((place = clu_plan_place(p)) < p->places) {
        if (p->count < p->capacity) {
            struct cluster_move *move = &p->out[p->count];
            move->shard = shard;
            move->replica = place;
            move->from =
                p->from && *p->now[place] ? clu_map_at(p->from, (size_t)shard * p->from->copies + place) : CLUSTER_NOBODY;
            move->to = *p->then[place] ? clu_map_at(p->to, (size_t)shard * p->to->copies + place) : CLUSTER_NOBODY;
            move->batch = 0;
        }
        p->count++;
        p->now[place] = p->then[place];
    }
}

CLUSTER_DEF size_t cluster_map_plan(const struct cluster_map *from, const struct cluster_map *to, struct cluster_move *out,
                                    size_t capacity)
{
    struct clu_plan p;
    uint32_t shard;
    if (!to || (from && from->shards != to->shards))
        return 0;
    p.from = from;
    p.to = to;
    p.out = out;
    p.capacity = capacity;
    p.count = 0;
    p.places = from && from->copies > to->copies ? from->copies : to->copies;
    for (shard = 0; shard < to->shards; shard++)
        clu_plan_shard(&p, shard);
    return p.count;
}

/* What a node had to do so far; of nobody's a place that is never full. */
CLU_FN uint32_t clu_batch_of(const uint32_t *busy, uint32_t index, uint32_t least)
{
    return index != CLUSTER_NOBODY && busy[index] > least ? busy[index] : least;
}

/* Each move goes behind all that its two nodes have to do, and behind those of its shard that come before it. */
CLUSTER_DEF uint32_t cluster_map_batches(struct cluster_move *moves, size_t count, uint32_t each, uint32_t *give,
                                         uint32_t *take)
{
    uint32_t most = 0, last = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        struct cluster_move *m = &moves[i];
        const uint32_t after = i && moves[i - 1].shard == m->shard ? last : 0;
        const uint32_t at = clu_batch_of(take, m->to, clu_batch_of(give, m->from, after));
        if (m->from != CLUSTER_NOBODY)
            give[m->from] = at + 1;
        if (m->to != CLUSTER_NOBODY)
            take[m->to] = at + 1;
        last = at + 1;
        m->batch = at / (each ? each : 1);
        most = m->batch + 1 > most ? m->batch + 1 : most;
    }
    return most;
}

#endif
