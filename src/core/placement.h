/*
 * The handle's map: built anew after the members changed, or their links where only those up count, at most once a step and,
 * with a settle time, once in that time. When there is no memory for it the old one stays and it is tried again.
 */
#ifndef CLU_CORE_PLACEMENT_H
#define CLU_CORE_PLACEMENT_H

#include "../place/deal.h"
#include "../place/plan.h"
#include "handle.h"

/* May this member own anything? */
CLU_FN bool clu_map_counts(const struct cluster *c, const struct cluster_member *m)
{
    return !(m->flags & CLUSTER_MEMBER_ACCEPTED) &&
           (!c->map_up || (m->flags & CLUSTER_MEMBER_SELF) || m->state == CLUSTER_MEMBER_UP);
}

/* What the map is made of, as a number: the members, and who of them is up. */
CLU_FN uint64_t clu_map_state(const struct cluster *c)
{
    uint64_t state = c->table.revision;
    size_t i;
    for (i = 0; c->map_up && i < c->table.settled; i++)
        if (clu_map_counts(c, &c->table.sorted[i]->record->view))
            state += clu_mix64(c->table.sorted[i]->record->view.id, 0);
    return state;
}

CLU_FN int clu_map_of_members(struct cluster *c, struct cluster_map **out)
{
    const struct cluster_allocator *memory = &c->loop.memory;
    size_t bytes = c->table.settled * sizeof(struct cluster_node), count = 0, i;
    struct cluster_node *nodes = (struct cluster_node *)clu_alloc_zero(memory, bytes + 1);
    int result;
    if (!nodes)
        return CLUSTER_E_MEMORY;
    for (i = 0; i < c->table.settled; i++) {
        const struct cluster_member *m = &c->table.sorted[i]->record->view;
        if (!clu_map_counts(c, m))
            continue;
        nodes[count].size = (uint32_t)sizeof *nodes;
        nodes[count].weight = m->weight < CLU_WEIGHT_MAX ? m->weight : CLU_WEIGHT_MAX;
        nodes[count].zone = m->zone;
        nodes[count].role = m->role;
        nodes[count].flags = m->flags & CLUSTER_MEMBER_DRAINING ? CLUSTER_NODE_DRAINING : 0;
        nodes[count++].name = m->name;
    }
    result = cluster_map_build_in(out, nodes, count, &c->map_options, memory);
    clu_free(memory, nodes, bytes + 1);
    return result;
}

/* CLUSTER_NEVER, or when to look again. */
CLU_FN uint64_t clu_look_at_map(struct cluster *c)
{
    struct cluster_map *map = NULL;
    uint64_t state;
    if (!c->has_map || (c->map && c->map_since_ns == CLUSTER_NEVER && c->map_seen == c->table.touched))
        return CLUSTER_NEVER;
    c->map_seen = c->table.touched;
    state = clu_map_state(c);
    if (c->map && c->map_state == state) {
        c->map_since_ns = CLUSTER_NEVER;
        return CLUSTER_NEVER;
    }
    if (c->map_since_ns == CLUSTER_NEVER)
        c->map_since_ns = c->loop.now;
    if (c->map && c->loop.now - c->map_since_ns < c->map_settle_ns)
        return clu_add_time(c->map_since_ns, c->map_settle_ns);
    if (clu_map_of_members(c, &map) < 0)
        return clu_add_time(c->loop.now, CLU_MAP_RETRY);
    c->map_since_ns = CLUSTER_NEVER;
    c->map_state = state;
    if (!c->map || cluster_map_fingerprint(c->map) != cluster_map_fingerprint(map)) {
        c->map_moves += (uint32_t)cluster_map_plan(c->map, map, NULL, 0);
        c->map_news = true;
    }
    cluster_map_free(c->map);
    c->map = map;
    return CLUSTER_NEVER;
}

CLUSTER_DEF struct cluster_map *cluster_current_map(struct cluster *c)
{
    return c && c->map ? clu_map_ref(c->map) : NULL;
}

#endif
