/*
 * A map of a set of nodes: a function of their names, weights and zones and of the options, with integers only: the same on
 * every platform, in whatever order the nodes came.
 *
 * How shards are dealt: every node draws shards without end, two a turn, in a sequence that its name alone decides. A shard
 * goes to the first node that draws it while below its cap. A node's weight says how often it is its turn: turn 1, 2, 3 ...
 * belongs to the nodes whose weight has the bit that the turn's lowest bit points to, counted from the highest, so a weight of
 * 5 draws four times while a weight of 1 draws once:
 *
 *     turn        1   2   3   4   5   6   7   8
 *     bit 4       x       x       x       x        a: weight 4     one more weight never makes a draw come later, so a node
 *     bit 2           x               x            b: weight 2     whose weight rises loses nothing by it
 *     bit 1                   x                    c: weight 1
 *
 * The nodes of a turn are asked in the order of their names' hashes, every other time backwards. This is the stable matching of
 * shards and nodes in which both prefer the earlier draw. There is only one, so no order in which nodes were learned can show
 * in it. When a node goes, all other draws stay where they are: only its shards move, and those that the cap then shifts.
 *
 * When a twentieth of the shards is left, a light node far below its share draws twice as often (clu_deal_late). A shard that
 * those with room may not have, for the zones of its other owners, is fitted in at the end (clu_deal_rest). A draw costs one
 * product and a look at one bit, and there are about shards * ln(shards) of them, however many nodes there are.
 *
 * A further replica is dealt the same way, from each node's first draw on, to the first node that does not share the zone of an
 * owner that the shard has: its outermost part while there are enough of these, then more of its parts, at last the node
 * itself. So when the first owner goes the second one takes its place.
 */
#ifndef CLU_PLACE_DEAL_H
#define CLU_PLACE_DEAL_H

#include "../base/sort.h"
#include "map.h"
#include "rendezvous.h"

#define CLU_ZONE_LEVELS 3u /* parts of a zone that count, the last one with all that follows it; the node is one level more */
#define CLU_WEIGHT_MAX 65535u
#define CLU_EPSILON_MAX 1000000 /* in thousandths: beyond this nothing is ever capped */
#define CLU_LATE 20u            /* the last 1/20 of the shards */
#define CLU_EPSILON_LATE 1000u  /* from here on loads may be what they are */
#define CLU_DEAL_BLOCK 64u      /* nodes that draw before it is seen what they get: what they look at is on its way by then */
#define CLU_DEAL_GRAIN 4u       /* the logarithm of how many shards share a bit that says that all are taken, */
#define CLU_DEAL_FULL 32u       /* which is what draws look at first for the last 1/32 of the shards */
#define CLU_DEAL_WORDS(bits) ((size_t)((bits) + 63) / 64)

/* A node that may own shards, while they are dealt. */
struct clu_bin {
    uint64_t stream; /* the hash of its name: where its draws begin */
    uint64_t mean;   /* its share of the shards that will be dealt when this replica is, in 1/4096 */
    uint64_t lack;   /* of next.h */
    const struct cluster_node *node;
    uint32_t index, weight;
    uint32_t rate;  /* how often it draws */
    uint32_t room;  /* shards that it may still take */
    uint32_t moves; /* shards that it took of this replica; in next.h, that it has to give */
};

/* Nodes that share a zone, or the outer parts of it. */
struct clu_group {
    uint64_t weight;
    uint32_t parent;       /* the group of the level above */
    uint32_t first, count; /* of its nodes, all nodes being sorted by zone */
    uint64_t room;         /* for what nobody drew */
    bool one;              /* its share is one copy of every shard */
};

struct clu_deal {
    struct cluster_map *map;
    struct cluster_map_options o;
    void **items;         /* the nodes by name, `count` of them */
    struct clu_bin *bins; /* the `able` ones among them */
    uint32_t count, able;
    uint64_t weight;                               /* of all bins */
    struct clu_group *groups[CLU_ZONE_LEVELS + 1]; /* by level; none with one replica */
    uint32_t *group[CLU_ZONE_LEVELS + 1];          /* of each node, by index */
    uint32_t in_level[CLU_ZONE_LEVELS + 1];        /* how many groups */
    uint8_t level[CLU_MAP_REPLICAS];               /* at which an owner differs from all before it */
    uint32_t *lists;                               /* the bins of each bit of their rates, `bits` in all */
    size_t bits;
    bool draws; /* nodes draw: all that follows is there */
    struct clu_bin *by_stream;
    uint64_t *states; /* of the draws of each bin */
    uint64_t *taken;  /* a bit a shard */
    uint64_t *full;   /* a bit for each 2^CLU_DEAL_GRAIN bits of it: are all of them set? */
    uint32_t left;    /* shards not taken */
    uint64_t room;    /* for what nobody drew, in all */
    uint32_t roomy;   /* how many bins have any */
    void *work, *extra;
    size_t work_size;
    struct cluster_allocator memory;
};

/* ---- arguments -------------------------------------------------------- */

CLU_FN int clu_map_options(struct cluster_map_options *o, const struct cluster_map_options *given)
{
    memset(o, 0, sizeof *o);
    if (given) {
        if (given->size < offsetof(struct cluster_map_options, role) || !clu_tail_is_zero(given, given->size, sizeof *o))
            return CLUSTER_E_INVALID;
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    if (!o->shards)
        o->shards = 4096;
    if (!o->epsilon)
        o->epsilon = 50;
    if (!o->replicas)
        o->replicas = 1;
    if (o->epsilon > CLU_EPSILON_MAX)
        o->epsilon = CLU_EPSILON_MAX;
    return o->shards > CLU_MAP_SHARDS || (o->shards & (o->shards - 1)) || o->replicas > CLU_MAP_REPLICAS ? CLUSTER_E_INVALID
                                                                                                         : 0;
}

CLU_FN int clu_map_by_name(const void *a, const void *b)
{
    return strcmp(((const struct cluster_node *)a)->name, ((const struct cluster_node *)b)->name);
}

/* How much a node may own, by its weight: 0, nothing. */
CLU_FN uint32_t clu_deal_weight(const struct cluster_map_options *o, const struct cluster_node *node)
{
    if ((node->flags & (CLUSTER_NODE_EXCLUDED | CLUSTER_NODE_DRAINING)) ||
        (o->role && (!node->role || strcmp(o->role, node->role) != 0)))
        return 0;
    return node->weight ? node->weight : 1;
}

/* Two streams are equal once in 2^64: then their names, that is their indices, decide. */
CLU_FN int clu_bin_by_stream(const void *a, const void *b)
{
    const struct clu_bin *x = (const struct clu_bin *)a, *y = (const struct clu_bin *)b;
    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* ---- zones ------------------------------------------------------------ */

/* How many outer parts two zones share. *order: which comes first, a part before its longer versions. */
CLU_FN uint32_t clu_zone_shared(const char *a, const char *b, int *order)
{
    uint32_t parts = 0;
    for (; *a && *a == *b; a++, b++)
        parts += *a == '/' && parts + 1 < CLU_ZONE_LEVELS;
    *order = (*a == '/' ? 1 : *a ? (unsigned char)*a + 1 : 0) - (*b == '/' ? 1 : *b ? (unsigned char)*b + 1 : 0);
    if (*order == 0)
        return CLU_ZONE_LEVELS;
    return parts + (parts + 1 < CLU_ZONE_LEVELS && (!*a || *a == '/') && (!*b || *b == '/'));
}

CLU_FN const char *clu_bin_zone(const struct clu_bin *bin)
{
    return bin->node->zone ? bin->node->zone : "";
}

CLU_FN int clu_bin_by_zone(const void *a, const void *b)
{
    const struct clu_bin *x = (const struct clu_bin *)a, *y = (const struct clu_bin *)b;
    int order;
    (void)clu_zone_shared(clu_bin_zone(x), clu_bin_zone(y), &order);
    return order ? order : x->index < y->index ? -1 : 1;
}

/* Number the groups of each level. sorted: room for a pointer to each bin. */
CLU_FN void clu_deal_groups(struct clu_deal *d, void **sorted)
{
    uint32_t i, level;
    for (i = 0; i < d->able; i++)
        sorted[i] = &d->bins[i];
    clu_sort(sorted, d->able, clu_bin_by_zone);
    for (i = 0; i < d->able; i++) {
        const struct clu_bin *bin = (const struct clu_bin *)sorted[i];
        int order;
        uint32_t shared = 0;
        if (i)
            shared = clu_zone_shared(clu_bin_zone((const struct clu_bin *)sorted[i - 1]), clu_bin_zone(bin), &order);
        for (level = 0; level <= CLU_ZONE_LEVELS; level++) {
            struct clu_group *group;
            if (!i || shared <= level)
                d->groups[level][d->in_level[level]++].first = i;
            d->group[level][bin->index] = d->in_level[level] - 1;
            group = &d->groups[level][d->in_level[level] - 1];
            group->weight += bin->weight;
            group->count++;
            if (level)
                group->parent = d->in_level[level - 1] - 1;
        }
    }
    for (i = level = 0; i < d->map->copies; i++) {
        while (d->in_level[level] <= i)
            level++;
        d->level[i] = (uint8_t)level;
    }
}

/* May a node have this place of a shard, for all that its other owners are? */
CLU_FN bool clu_deal_fits(const struct clu_deal *d, uint32_t shard, uint32_t replica, uint32_t index)
{
    const struct cluster_map *map = d->map;
    uint32_t i;
    for (i = 0; map->copies > 1 && i < map->copies; i++) {
        const uint32_t other = clu_map_at(map, (size_t)shard * map->copies + i);
        const uint32_t *group = d->group[d->level[i > replica ? i : replica]];
        if (i != replica && other != clu_map_vacant(map) && group[other] == group[index])
            return false;
    }
    return true;
}

/* ---- shares ----------------------------------------------------------- */

/* The most that a node may own: its share and epsilon, but never so little that a shard finds no place. */
CLU_FN uint32_t clu_deal_cap(uint64_t share, uint64_t of, const struct cluster_map_options *o)
{
    const uint64_t most = UINT64_C(1000) + o->epsilon, whole = share / of, part = share % of;
    const uint64_t least = whole + (part != 0);
    uint64_t cap = whole * most / 1000 + (whole * most % 1000 * of + part * most) / (1000 * of);
    return (uint32_t)clu_min_u64(cap < least ? least : cap, o->shards);
}

/* A group takes its one copy of every shard out of what the others share by weight. */
CLU_FN bool clu_group_one(struct clu_group *group, bool one, uint64_t *copies, uint64_t *weight)
{
    if (one) {
        group->one = true;
        *weight -= group->weight;
        --*copies;
    }
    return one;
}

/*
 * What the nodes' shares are of so many copies of every shard: by weight; but a group that must not have two of a shard has one
 * of each at most, and where there are more copies than groups of the level above, each of those has one at least. The others
 * share what is left.
 */
CLU_FN void clu_deal_shares(struct clu_deal *d, uint32_t copies)
{
    const uint64_t all = d->weight ? d->weight : 1; /* of nobody nothing is shared */
    const uint64_t base = ((uint64_t)d->map->shards << 12) / all;
    const uint32_t level = d->level[copies - 1];
    const uint32_t count = d->groups[0] ? d->in_level[level] : 0, above = count && level ? d->in_level[level - 1] : 0;
    struct clu_group *groups = d->groups[level], *parents = above ? d->groups[level - 1] : NULL, *group;
    uint64_t rest = copies, weight = all;
    uint32_t i;
    bool again = above != 0;
    for (i = 0; i < count; i++)
        groups[i].one = false;
    for (i = 0; i < above; i++)
        parents[i].one = false;
    while (again)
        for (i = 0, again = false; i < above; i++)
            if (!parents[i].one && clu_group_one(&parents[i], parents[i].weight * rest < weight, &rest, &weight))
                again = true;
    for (again = count != 0; again;)
        for (i = 0, again = false; i < count; i++)
            if (!groups[i].one && !(above && parents[groups[i].parent].one) &&
                clu_group_one(&groups[i], groups[i].weight * rest > weight, &rest, &weight))
                again = true;
    for (i = 0; i < d->able; i++) {
        struct clu_bin *bin = &d->bins[i];
        uint64_t share = (uint64_t)d->map->shards * bin->weight, of = weight, was = bin->mean;
        uint32_t cap;
        group = count ? &groups[d->group[level][bin->index]] : NULL;
        if (above && parents[group->parent].one)
            group = &parents[group->parent];
        if (group && group->one)
            of = group->weight;
        else
            share *= rest;
        cap = clu_deal_cap(share, of, &d->o);
        bin->room = cap > d->map->loads[bin->index] ? cap - d->map->loads[bin->index] : 0;
        bin->mean = (share << 12) / of;
        if (d->draws)
            d->states[i] = bin->stream;
        bin->moves = 0;
        bin->rate = bin->weight;
        for (was = bin->mean > was ? (bin->mean - was) / bin->weight / 2 : 0; was > base && bin->rate < UINT32_C(1) << 31;
             was /= 2)
            bin->rate *= 2;
    }
}

/* ---- dealing ---------------------------------------------------------- */

CLU_FN void clu_deal_mark(struct clu_deal *d, uint32_t shard)
{
    const uint32_t grain = shard >> CLU_DEAL_GRAIN, all = (1u << (1u << CLU_DEAL_GRAIN)) - 1;
    uint64_t *word = &d->taken[shard >> 6];
    *word |= UINT64_C(1) << (shard & 63);
    if ((*word >> ((shard & 63) >> CLU_DEAL_GRAIN << CLU_DEAL_GRAIN) & all) == all)
        d->full[grain >> 6] |= UINT64_C(1) << (grain & 63);
    d->left--;
}

CLU_FN bool clu_deal_bit(const uint64_t *bits, uint64_t at)
{
    return bits[at >> 6] >> (at & 63) & 1;
}

/* One turn of the nodes on a list, a block of them at a time: first what they draw that may be free, then who gets it. Returns
 * how many nodes have no more room. */
CLU_FN uint32_t clu_deal_turn(struct clu_deal *d, uint32_t replica, const uint32_t *list, size_t count, bool backwards)
{
    const unsigned shift = d->map->shift - 31u;
    const bool late = d->left <= d->map->shards / CLU_DEAL_FULL;
    const unsigned coarse = shift + (late ? CLU_DEAL_GRAIN : 0);
    const uint64_t *bits = late ? d->full : d->taken;
    uint32_t draws[2 * CLU_DEAL_BLOCK], drawers[2 * CLU_DEAL_BLOCK], filled = 0;
    uint64_t sum = 0;
    size_t i = 0;
    while (i < count) {
        const size_t end = count - i < CLU_DEAL_BLOCK ? count : i + CLU_DEAL_BLOCK;
        uint32_t drawn = 0, at;
        for (; i < end; i++) {
            const uint32_t drawer = list[backwards ? count - 1 - i : i];
            uint64_t draw = clu_draw(d->states[drawer]);
            unsigned half;
            d->states[drawer] += CLU_WY0;
            for (half = 0; half < 2; half++, draw >>= 32) {
                draws[drawn] = (uint32_t)draw;
                drawers[drawn] = drawer;
                drawn += !clu_deal_bit(bits, (draw & UINT32_MAX) >> coarse);
            }
        }
        for (at = 0; at < drawn; at++) {
            struct clu_bin *bin = &d->bins[drawers[at]];
            const uint32_t shard = (uint32_t)((uint64_t)draws[at] >> shift);
            if (clu_deal_bit(d->taken, shard) || !bin->room || (replica && !clu_deal_fits(d, shard, replica, bin->index)))
                continue;
            clu_deal_mark(d, shard);
            clu_map_set(d->map, (size_t)shard * d->map->copies + replica, bin->index);
            sum += clu_map_term_of(bin->stream, shard, replica);
            bin->moves++;
            filled += !--bin->room;
        }
    }
    d->map->sum += sum;
    return filled;
}

/* With few shards left, a light node under four fifths of its share draws twice as often, if the heaviest leave turns for
 * that. */
CLU_FN void clu_deal_late(struct clu_deal *d, int top)
{
    uint32_t i;
    for (i = 0; i < d->able; i++) {
        struct clu_bin *bin = &d->bins[i];
        const uint64_t has = (uint64_t)d->map->loads[bin->index] + bin->moves;
        if (!(bin->rate >> top) && has < (bin->mean >> 12) * 4 / 5)
            bin->rate *= 2;
    }
}

/* ---- the rest --------------------------------------------------------- */

/* What there is room for, of all and of each group that must not have two owners of a shard, and who has it: d->lists, by the
 * hashes of their names. */
CLU_FN void clu_deal_roomy(struct clu_deal *d, uint32_t replica)
{
    const uint32_t level = d->level[replica];
    uint32_t i;
    for (i = 0; d->groups[level] && i < d->in_level[level]; i++)
        d->groups[level][i].room = 0;
    d->room = 0;
    d->roomy = 0;
    for (i = 0; i < d->able; i++)
        if (d->bins[i].room) {
            if (d->groups[level])
                d->groups[level][d->group[level][d->bins[i].index]].room += d->bins[i].room;
            d->room += d->bins[i].room;
            d->lists[d->roomy++] = i;
        }
}

/* Of the nodes with room that may have a shard, the first one behind it on a circle of hashes; NULL: there is none. It has one
 * less from now on. */
CLU_FN struct clu_bin *clu_deal_behind(struct clu_deal *d, uint32_t shard, uint32_t replica)
{
    const uint32_t level = d->level[replica];
    const uint64_t hash = clu_mix64(replica, shard);
    uint64_t room = d->room;
    uint32_t low = 0, high = d->roomy, i;
    for (i = 0; i < replica; i++)
        room -= d->groups[level][d->group[level][clu_map_at(d->map, (size_t)shard * d->map->copies + i)]].room;
    if (!room)
        return NULL;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (d->bins[d->lists[middle]].stream < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (;; low++) {
        struct clu_bin *bin = &d->bins[d->lists[low < d->roomy ? low : (low -= d->roomy)]];
        if (!bin->room || !clu_deal_fits(d, shard, replica, bin->index))
            continue;
        bin->room--;
        d->room--;
        if (d->groups[level])
            d->groups[level][d->group[level][bin->index]].room--;
        return bin;
    }
}

/* The node that a shard takes least far over its share. */
CLU_FN uint32_t clu_deal_over(const struct clu_deal *d, uint32_t shard, uint32_t replica)
{
    uint64_t most = 0;
    uint32_t best = CLUSTER_NOBODY, i;
    for (i = 0; i < d->able; i++) {
        const struct clu_bin *bin = &d->bins[i];
        const uint64_t score = (bin->mean << 24) / (d->map->loads[bin->index] + 1);
        if ((best == CLUSTER_NOBODY || score > most) && clu_deal_fits(d, shard, replica, bin->index)) {
            most = score;
            best = bin->index;
        }
    }
    return best;
}

/* A shard that only nodes without room may have: let another one of those go to somebody who has room. Returns whose place it
 * took, or the vacant index. */
CLU_FN uint32_t clu_deal_swap(struct clu_deal *d, uint32_t shard, uint32_t replica, uint32_t *tries)
{
    struct cluster_map *map = d->map;
    uint32_t other = shard;
    for (; *tries < map->shards; ++*tries) {
        const size_t place = (size_t)(other = (other + 1) & (map->shards - 1)) * map->copies + replica;
        const uint32_t owner = clu_map_at(map, place);
        const struct clu_bin *bin;
        if (owner == clu_map_vacant(map) || !clu_deal_fits(d, shard, replica, owner))
            continue;
        bin = clu_deal_behind(d, other, replica);
        if (!bin)
            continue;
        map->loads[owner]--;
        map->sum -= clu_map_term(map, other, replica, owner);
        clu_map_put(map, other, replica, bin->index);
        return owner;
    }
    return clu_map_vacant(map);
}

/* The shards that nobody drew, one by one. */
CLU_FN void clu_deal_rest(struct clu_deal *d, uint32_t replica)
{
    uint32_t shard, tries = 0;
    clu_deal_roomy(d, replica);
    for (shard = 0; d->left && shard < d->map->shards; shard++) {
        const struct clu_bin *bin;
        uint32_t index;
        if (clu_deal_bit(d->taken, shard))
            continue;
        bin = clu_deal_behind(d, shard, replica);
        index = bin ? bin->index : clu_deal_swap(d, shard, replica, &tries);
        if (index == clu_map_vacant(d->map))
            index = clu_deal_over(d, shard, replica);
        clu_deal_mark(d, shard);
        clu_map_put(d->map, shard, replica, index);
    }
}

/* ---- turns ------------------------------------------------------------ */

/* The bins of each bit of their rates that have room. Returns the highest bit that has any, or -1. */
CLU_FN int clu_deal_list(struct clu_deal *d, uint32_t **list, size_t *count)
{
    uint32_t *at = d->lists, i, rates = 0;
    int highest = -1, bit;
    for (i = 0; i < d->able; i++)
        if (d->bins[i].room)
            rates |= d->bins[i].rate;
    for (bit = 0; bit < 32; bit++) {
        list[bit] = at;
        for (i = 0; (rates >> bit & 1) && i < d->able; i++)
            if (d->bins[i].room && (d->bins[i].rate >> bit & 1))
                *at++ = i;
        count[bit] = (size_t)(at - list[bit]);
        if (count[bit])
            highest = bit;
    }
    return highest;
}

/* One owner for every shard: the one at this place of its row. */
CLU_FN void clu_deal_replica(struct clu_deal *d, uint32_t replica)
{
    const uint32_t shards = d->map->shards;
    uint32_t *list[32], i, idle = 0, filled = 0, left;
    size_t count[32];
    int bit, top, highest, zeros;
    uint64_t turn;
    bool late = d->o.epsilon >= CLU_EPSILON_LATE;
    clu_deal_shares(d, replica + 1);
    memset(d->taken, 0, CLU_DEAL_WORDS(shards) * sizeof *d->taken);
    memset(d->full, 0, CLU_DEAL_WORDS(shards >> CLU_DEAL_GRAIN) * sizeof *d->full);
    d->left = shards;
    top = highest = clu_deal_list(d, list, count);
    for (turn = 0; d->left && highest >= 0 && (!replica || idle <= shards * (replica + 1));) {
        turn = (turn | ((UINT64_C(1) << (top - highest)) - 1)) + 1; /* the next of those that have any nodes */
        for (zeros = 0; !(turn >> zeros & 1); zeros++)
            continue;
        if (zeros > top)
            continue;
        bit = top - zeros;
        left = d->left;
        filled += clu_deal_turn(d, replica, list[bit], count[bit], turn >> zeros >> 1 & 1);
        idle = left == d->left ? idle + 2 * (uint32_t)count[bit] : 0;
        if (!late && d->left <= shards / CLU_LATE) {
            late = true;
            clu_deal_late(d, top);
            filled = UINT32_MAX; /* the lists change */
        }
        if (filled > count[bit] / 16) {
            highest = clu_deal_list(d, list, count);
            filled = 0;
        }
    }
    for (i = 0; i < d->able; i++)
        d->map->loads[d->bins[i].index] += d->bins[i].moves;
    clu_deal_rest(d, replica);
}

/* ---- a map of nodes --------------------------------------------------- */

/* The nodes by name, which no two may share. Most callers have them so already. */
CLU_FN bool clu_deal_sort(void **items, size_t count)
{
    size_t i, sorted = 1;
    while (sorted < count && clu_map_by_name(items[sorted - 1], items[sorted]) < 0)
        sorted++;
    if (sorted >= count)
        return true;
    clu_sort(items, count, clu_map_by_name);
    for (i = 1; i < count; i++)
        if (clu_map_by_name(items[i - 1], items[i]) == 0)
            return false;
    return true;
}

/* The next `size` bytes of the work space; without one only count them. */
CLU_FN void *clu_deal_carve(struct clu_deal *d, size_t *used, size_t size)
{
    void *at = d->work ? (char *)d->work + *used : NULL;
    *used += (size + 7) / 8 * 8;
    return at;
}

CLU_FN size_t clu_deal_lay_out(struct clu_deal *d, size_t extra)
{
    const bool zones = d->o.replicas > 1;
    size_t used = 0;
    uint32_t level;
    d->bins = (struct clu_bin *)clu_deal_carve(d, &used, d->able * sizeof *d->bins);
    for (level = 0; zones && level <= CLU_ZONE_LEVELS; level++) {
        d->groups[level] = (struct clu_group *)clu_deal_carve(d, &used, d->able * sizeof **d->groups);
        d->group[level] = (uint32_t *)clu_deal_carve(d, &used, d->count * sizeof **d->group);
    }
    d->items = (void **)clu_deal_carve(d, &used, (d->count + d->able) * sizeof *d->items);
    if (d->draws) {
        d->by_stream = (struct clu_bin *)clu_deal_carve(d, &used, d->able * sizeof *d->bins);
        d->states = (uint64_t *)clu_deal_carve(d, &used, d->able * sizeof *d->states);
        d->taken = (uint64_t *)clu_deal_carve(d, &used, CLU_DEAL_WORDS(d->o.shards) * sizeof *d->taken);
        d->full = (uint64_t *)clu_deal_carve(d, &used, CLU_DEAL_WORDS(d->o.shards >> CLU_DEAL_GRAIN) * sizeof *d->full);
        d->lists = (uint32_t *)clu_deal_carve(d, &used, d->bits * sizeof *d->lists);
    }
    d->extra = clu_deal_carve(d, &used, extra);
    return used ? used : 1; /* without nodes */
}

/* Look at the nodes, sort them, make the block of the map with their names, and the bins of those that may own shards. extra:
 * bytes of work space for the caller. clu_deal_end gives the work space back, also after an error. */
CLU_FN int clu_deal_begin(struct clu_deal *d, const struct cluster_node *nodes, size_t count, size_t extra)
{
    const size_t stride = count ? nodes->size : 0;
    struct clu_map_shape shape;
    char *text;
    size_t i;
    if (count > CLU_MAP_NODES)
        return CLUSTER_E_LIMIT;
    if (stride % sizeof(void *))
        return CLUSTER_E_INVALID;
    memset(&shape, 0, sizeof shape);
    for (i = 0; i < count; i++) {
        const struct cluster_node *node = (const struct cluster_node *)(const void *)((const char *)nodes + i * stride);
        uint32_t weight;
        size_t length;
        if (stride < sizeof *node || !clu_tail_is_zero(node, stride, sizeof *node) || !node->name || !*node->name ||
            node->weight > CLU_WEIGHT_MAX)
            return CLUSTER_E_INVALID;
        length = strlen(node->name) + 1;
        if (length > UINT32_MAX / 4 - shape.text)
            return CLUSTER_E_LIMIT;
        shape.text += length;
        weight = clu_deal_weight(&d->o, node);
        d->able += weight != 0;
        d->weight += weight;
        for (; weight; weight &= weight - 1)
            d->bits++;
    }
    d->count = (uint32_t)count;
    d->work_size = clu_deal_lay_out(d, extra);
    d->work = clu_alloc_zero(&d->memory, d->work_size);
    if (!d->work)
        return CLUSTER_E_MEMORY;
    (void)clu_deal_lay_out(d, extra);
    for (i = 0; i < count; i++) {
        const char *node = (const char *)nodes + i * stride;
        memcpy(&d->items[i], &node, sizeof node);
    }
    if (!clu_deal_sort(d->items, count))
        return CLUSTER_E_INVALID;
    memcpy(shape.seed, d->o.seed, sizeof shape.seed);
    shape.nodes = (uint32_t)count;
    shape.shards = d->o.shards;
    shape.replicas = d->o.replicas;
    shape.copies = shape.replicas < d->able ? shape.replicas : d->able;
    d->map = clu_map_new(&d->memory, &shape, &text);
    if (!d->map)
        return CLUSTER_E_MEMORY;
    d->able = 0;
    for (i = 0; i < count; i++) {
        const struct cluster_node *node = (const struct cluster_node *)d->items[i];
        struct clu_bin *bin = &d->bins[d->able];
        const uint32_t weight = clu_deal_weight(&d->o, node);
        clu_map_name(d->map, (uint32_t)i, &text, node->name);
        if (!weight)
            continue;
        bin->stream = d->map->streams[i];
        bin->node = node;
        bin->index = (uint32_t)i;
        bin->weight = weight;
        d->able++;
    }
    if (d->groups[0])
        clu_deal_groups(d, d->items + count);
    return 0;
}

/* The map, or NULL after an error. */
CLU_FN int clu_deal_end(struct clu_deal *d, int result, struct cluster_map **out)
{
    clu_free(&d->memory, d->work, d->work_size);
    if (result)
        cluster_map_free(d->map);
    *out = result ? NULL : d->map;
    return result;
}

CLUSTER_DEF int cluster_map_build_in(struct cluster_map **out, const struct cluster_node *nodes, size_t count,
                                     const struct cluster_map_options *options, const struct cluster_allocator *allocator)
{
    struct clu_deal d;
    uint32_t i;
    int result;
    if (!out)
        return CLUSTER_E_INVALID;
    memset(&d, 0, sizeof d);
    d.memory = *clu_allocator_or_default(allocator);
    d.draws = true;
    result = clu_map_options(&d.o, options);
    if (!result)
        result = count && !nodes ? CLUSTER_E_INVALID : clu_deal_begin(&d, nodes, count, 0);
    if (!result) {
        void **sorted = d.items + count;
        for (i = 0; i < d.able; i++)
            sorted[i] = &d.bins[i];
        clu_map_clear(d.map);
        clu_sort(sorted, d.able, clu_bin_by_stream);
        for (i = 0; i < d.able; i++)
            d.by_stream[i] = *(const struct clu_bin *)sorted[i];
        d.bins = d.by_stream;
        for (i = 0; i < d.map->copies; i++)
            clu_deal_replica(&d, i);
    }
    return clu_deal_end(&d, result, out);
}

CLUSTER_DEF int cluster_map_build(struct cluster_map **out, const struct cluster_node *nodes, size_t count,
                                  const struct cluster_map_options *options)
{
    return cluster_map_build_in(out, nodes, count, options, NULL);
}

#endif
