/*
 * The next map from the one before: every place keeps its node unless it must not, and what is vacant then goes to the nodes
 * that lack most. What a node lacks is told by its share less what it holds, so weights count.
 *
 * It depends on the map before, so it is no function of the nodes: for a program in which one place decides.
 */
#ifndef CLU_PLACE_NEXT_H
#define CLU_PLACE_NEXT_H

#include "deal.h"

#define CLU_NEXT_GONE UINT32_MAX

/* Of the bins of a deal here: `rate` is what the node will hold once it gave what it has to, `moves` how much that is, `room`
 * what a new node gets before all others, `lack` how much it lacks of its share, in 1/4096, from a number up that no load
 * reaches; above that, of new nodes, how much they lack in proportion, so that all of them fill alike and zones do not run out
 * one by one. */
CLU_FN void clu_next_weigh(struct clu_bin *bin)
{
    if (bin->rate < bin->room)
        bin->lack = (UINT64_C(1) << 62) + ((uint64_t)(bin->room - bin->rate) << 30) / bin->room;
    else
        bin->lack = (UINT64_C(1) << 60) + bin->mean - ((uint64_t)bin->rate << 12);
}

/* Of those that lack alike, some order in which the nodes of a zone are not together. */
CLU_FN int clu_next_by_lack(const void *a, const void *b)
{
    const struct clu_bin *x = (const struct clu_bin *)a, *y = (const struct clu_bin *)b;
    if (x->lack != y->lack)
        return x->lack < y->lack ? -1 : 1;
    return clu_bin_by_stream(y, x);
}

CLU_FN int clu_next_by_load(const void *a, const void *b)
{
    return clu_next_by_lack(b, a);
}

CLU_FN void clu_next_heap(void **heap, uint32_t count, int (*compare)(const void *, const void *))
{
    uint32_t i;
    for (i = count / 2; i--;)
        clu_sift(heap, count, i, heap[i], compare);
}

/* Who lacks most of any of the nodes that are next to each other when sorted by zone: the bin of the i-th is entry `able` + i,
 * and what lies below 2 * i and 2 * i + 1 has its better one in entry i, so entry 1 has the best of all. */
struct clu_next {
    uint32_t *best;
    const uint32_t *place; /* of each node by index, in that order; NULL: bins are in it */
};

CLU_FN uint32_t clu_next_better(const struct clu_deal *d, uint32_t a, uint32_t b)
{
    return b != CLU_NEXT_GONE && clu_next_by_lack(&d->bins[a], &d->bins[b]) < 0 ? b : a;
}

CLU_FN uint32_t clu_next_place(const struct clu_deal *d, const struct clu_next *next, uint32_t bin)
{
    return d->able + (next->place ? next->place[d->bins[bin].index] : bin);
}

CLU_FN void clu_next_sort(const struct clu_deal *d, const struct clu_next *next)
{
    uint32_t i;
    for (i = 0; i < d->able; i++)
        next->best[clu_next_place(d, next, i)] = i;
    for (i = d->able - 1; i; i--)
        next->best[i] = clu_next_better(d, next->best[2 * i], next->best[2 * i + 1]);
}

/* The better one of this and of all in a range. */
CLU_CALLED uint32_t clu_next_range(const struct clu_deal *d, const struct clu_next *next, uint32_t first, uint32_t end,
                                   uint32_t bin)
{
    for (first += d->able, end += d->able; first < end; first >>= 1, end >>= 1) {
        if (first & 1)
            bin = clu_next_better(d, next->best[first++], bin);
        if (end & 1)
            bin = clu_next_better(d, next->best[--end], bin);
    }
    return bin;
}

/* May the node at this place, of all sorted by zone, not have a shard, since it shares a zone with another owner? *end: how far
 * that is so, or not so. */
CLU_FN bool clu_next_taken(const struct clu_deal *d, uint32_t shard, uint32_t replica, uint32_t from, uint32_t *end)
{
    uint32_t i;
    *end = d->able;
    for (i = 0; i < d->map->copies; i++) {
        const uint32_t other = clu_map_at(d->map, (size_t)shard * d->map->copies + i);
        const uint32_t level = d->level[i > replica ? i : replica];
        const struct clu_group *group;
        if (i == replica || other == clu_map_vacant(d->map))
            continue;
        group = &d->groups[level][d->group[level][other]];
        if (from - group->first < group->count) {
            *end = group->first + group->count;
            return true;
        }
        if (group->first > from && group->first < *end)
            *end = group->first;
    }
    return false;
}

/* Keep what may stay, each row closed up so that the second owner follows the first. Returns how many places are vacant. */
CLU_FN uint64_t clu_next_keep(struct clu_deal *d, const struct cluster_map *from, const uint32_t *bins)
{
    struct cluster_map *map = d->map;
    uint64_t vacant = 0;
    uint32_t shard, i;
    for (shard = 0; shard < map->shards; shard++) {
        const size_t row = (size_t)shard * map->copies, old_row = (size_t)shard * from->copies;
        uint32_t kept = 0;
        for (i = 0; i < from->copies; i++) {
            const uint32_t old = clu_map_at(from, old_row + i), bin = bins[old];
            if (bin == CLU_NEXT_GONE || kept == map->copies || !clu_deal_fits(d, shard, kept, d->bins[bin].index)) {
                map->sum -= clu_map_term(from, shard, i, old);
                if (bin != CLU_NEXT_GONE)
                    map->loads[d->bins[bin].index]--;
                continue;
            }
            if (kept != i)
                map->sum += clu_map_term(from, shard, kept, old) - clu_map_term(from, shard, i, old);
            clu_map_set(map, row + kept++, d->bins[bin].index);
        }
        vacant += map->copies - kept;
    }
    return vacant;
}

/* Who gives how much: all that is over a cap, and what new nodes get beyond what is vacant, from those that lack least. */
CLU_FN void clu_next_gives(struct clu_deal *d, void **heap, uint64_t vacant)
{
    uint64_t wanted = 0;
    uint32_t i;
    for (i = 0; i < d->able; i++) {
        struct clu_bin *bin = &d->bins[i];
        const uint32_t load = d->map->loads[bin->index];
        bin->moves = load > bin->room ? load - bin->room : 0;
        bin->rate = load - bin->moves;
        bin->room = load ? 0 : (uint32_t)(bin->mean >> 12);
        vacant += bin->moves;
        wanted += bin->room;
        clu_next_weigh(bin);
        heap[i] = bin;
    }
    clu_next_heap(heap, d->able, clu_next_by_load);
    for (; vacant < wanted && ((struct clu_bin *)heap[0])->rate; vacant++) {
        struct clu_bin *bin = (struct clu_bin *)heap[0];
        bin->moves++;
        bin->rate--;
        clu_next_weigh(bin);
        clu_sift(heap, d->able, 0, bin, clu_next_by_load);
    }
}

/* The node that lacks most of those that may have a place: of all that do not share a zone with the shard's other owners. It
 * will hold one more. */
CLU_FN uint32_t clu_next_best(struct clu_deal *d, const struct clu_next *next, uint32_t shard, uint32_t replica)
{
    uint32_t bin = next->best[1], from, end, at;
    if (!clu_deal_fits(d, shard, replica, d->bins[bin].index))
        for (from = 0, bin = CLU_NEXT_GONE; from < d->able; from = end)
            if (!clu_next_taken(d, shard, replica, from, &end))
                bin = clu_next_range(d, next, from, end, bin);
    d->bins[bin].rate++;
    clu_next_weigh(&d->bins[bin]);
    for (at = clu_next_place(d, next, bin) >> 1; at; at >>= 1)
        next->best[at] = clu_next_better(d, next->best[2 * at], next->best[2 * at + 1]);
    return d->bins[bin].index;
}

CLU_FN void clu_next_fill(struct clu_deal *d, const struct clu_next *next, const uint32_t *bin_of)
{
    struct cluster_map *map = d->map;
    const uint32_t vacant = clu_map_vacant(map);
    uint32_t shard, i;
    for (shard = 0; shard < map->shards; shard++)
        for (i = 0; i < map->copies; i++) {
            const size_t place = (size_t)shard * map->copies + i;
            uint32_t index = clu_map_at(map, place);
            if (index != vacant && !d->bins[bin_of[index]].moves)
                continue;
            if (index != vacant) {
                d->bins[bin_of[index]].moves--;
                map->loads[index]--;
                map->sum -= clu_map_term(map, shard, i, index);
                clu_map_set(map, place, vacant);
            }
            clu_map_put(map, shard, i, clu_next_best(d, next, shard, i));
        }
}

/* From a shard on, copy the owners that stay, by their new indices. Returns the first shard whose owner may change. */
CLU_FN uint32_t clu_next_copy(const struct cluster_map *map, const struct cluster_map *from, uint32_t shard,
                              const uint32_t *quick)
{
    const uint32_t shards = map->shards;
    const bool was = from->wide, is = map->wide;
    const void *old = from->owners;
    void *out = map->owners;
    for (; shard < shards; shard++) {
        const uint32_t index = quick[was ? clu_map_wide_at((const uint8_t *)old, shard) : ((const uint16_t *)old)[shard]];
        if (CLU_UNLIKELY(index == CLU_NEXT_GONE))
            break;
        if (is)
            clu_map_wide_set((uint8_t *)out, shard, index);
        else
            ((uint16_t *)out)[shard] = (uint16_t)index;
    }
    return shard;
}

/* The same, the giving and the filling, where every shard has one owner before and after: in one pass, since what is vacant is
 * known from the loads. quick: room for the index of each old node that stays, or CLU_NEXT_GONE where there is more to do. */
CLU_FN void clu_next_single(struct clu_deal *d, const struct clu_next *next, const struct cluster_map *from,
                            const uint32_t *bins, uint32_t *quick)
{
    struct cluster_map *map = d->map;
    uint32_t i;
    for (i = 0; i < from->nodes; i++)
        quick[i] = bins[i] == CLU_NEXT_GONE || d->bins[bins[i]].moves ? CLU_NEXT_GONE : d->bins[bins[i]].index;
    for (i = 0; (i = clu_next_copy(map, from, i, quick)) < map->shards; i++) {
        const uint32_t old = clu_map_at(from, i);
        struct clu_bin *bin;
        map->sum -= clu_map_term(from, i, 0, old);
        if (bins[old] != CLU_NEXT_GONE) {
            bin = &d->bins[bins[old]];
            map->loads[bin->index]--;
            if (!--bin->moves)
                quick[old] = bin->index;
        }
        clu_map_put(map, i, 0, clu_next_best(d, next, i, 0));
    }
}

/* Which bin each node of a map has, both by name. Returns how many places those have that have none. */
CLU_FN uint64_t clu_next_match(const struct clu_deal *d, const struct cluster_map *from, uint32_t *bins)
{
    uint64_t vacant = 0;
    uint32_t i, j = 0;
    for (i = 0; i < from->nodes; i++) {
        int order = 1;
        while (j < d->able && (order = strcmp(d->bins[j].node->name, from->names[i])) < 0)
            j++;
        bins[i] = j < d->able && order == 0 ? j : CLU_NEXT_GONE;
        if (bins[i] != CLU_NEXT_GONE)
            d->map->loads[d->bins[j].index] = from->loads[i];
        else
            vacant += from->loads[i];
    }
    return vacant;
}

/* What comes after clu_deal_begin. room: for three numbers per node now and two per node before. */
CLU_FN void clu_next_deal(struct clu_deal *d, const struct cluster_map *from, uint32_t *room)
{
    const struct clu_next next = {room, d->group[CLU_ZONE_LEVELS]};
    uint32_t *bin_of = room + 2 * (size_t)d->count, *bins = bin_of + d->count, i;
    uint64_t vacant = (uint64_t)d->map->shards * d->map->copies;
    void **heap = d->items + d->count;
    const bool single = from && from->copies == 1 && d->map->copies == 1;
    for (i = 0; i < d->able; i++)
        bin_of[d->bins[i].index] = i;
    clu_deal_shares(d, d->map->copies);
    if (!single)
        clu_map_clear(d->map);
    if (from && from->copies) {
        vacant = clu_next_match(d, from, bins);
        d->map->sum = from->sum;
        if (!single)
            vacant = clu_next_keep(d, from, bins);
    }
    clu_next_gives(d, heap, vacant);
    clu_next_sort(d, &next);
    if (single)
        clu_next_single(d, &next, from, bins, bins + from->nodes);
    else
        clu_next_fill(d, &next, bin_of);
}

CLUSTER_DEF int cluster_map_next(struct cluster_map **out, const struct cluster_map *from, const struct cluster_node *nodes,
                                 size_t count, const struct cluster_map_options *options)
{
    struct clu_deal d;
    const uint32_t before = from ? from->nodes : 0;
    int result;
    if (!out)
        return CLUSTER_E_INVALID;
    memset(&d, 0, sizeof d);
    d.memory = *(from ? &from->memory : clu_allocator_or_default(NULL));
    result = clu_map_options(&d.o, options);
    if (!result && from && !options) {
        d.o.shards = from->shards;
        d.o.replicas = from->replicas;
        memcpy(d.o.seed, from->seed, sizeof d.o.seed);
    }
    if ((count && !nodes) || (from && (from->shards != d.o.shards || memcmp(from->seed, d.o.seed, sizeof d.o.seed) != 0)))
        result = CLUSTER_E_INVALID;
    if (!result)
        result = clu_deal_begin(&d, nodes, count, (3 * count + 2 * (size_t)before) * sizeof(uint32_t));
    if (!result && !d.map->copies)
        clu_map_clear(d.map);
    else if (!result)
        clu_next_deal(&d, from, (uint32_t *)d.extra);
    return clu_deal_end(&d, result, out);
}

#endif
