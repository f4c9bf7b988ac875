/*
 * The map: a power of two of shards, dealt to nodes under a load cap, in one immutable block of memory. A key's hash picks
 * its shard with its top bits, so finding an owner is that hash and one load. A map is a function of the set of node names
 * and of the options, with integers only: the same on every platform, in whatever order the nodes came. It never changes
 * once built; only its references are counted, on one thread.
 *
 * How shards are dealt: every node draws shards without end, two a round, in a sequence that its name alone decides. A
 * round asks the nodes in the order of their names' hashes, every other round backwards. A shard goes to the first node that
 * draws it while below the cap:
 *
 *          round 0 -->   round 1 <--
 *     a       17  4         9 22        a: 17 4, then 9 22
 *     b        8 31        17  2        b: 8 31, then nothing: both are gone
 *     c        2  8         6  1        c: 2 (8 is gone), then 6 1, before b and a in this round
 *
 * This is the stable matching of shards and nodes in which both prefer the earlier draw. There is only one, so no order in
 * which nodes were learned can show in it. When a node goes, all other draws stay where they are: only its shards move, and
 * those that the cap then shifts. A draw costs one product and a look at one bit, and all shards are dealt after about
 * shards * ln(shards) draws, however many nodes there are.
 */
#ifndef CLU_PLACE_MAP_H
#define CLU_PLACE_MAP_H

#include "../base/bytes.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/shared.h"
#include "../base/sort.h"
#include "rendezvous.h"

#define CLU_MAP_NODES 65534u      /* indices of nodes are 16 bits wide, the highest means nobody */
#define CLU_MAP_SHARDS (1u << 24) /* a draw has 32 bits */

struct cluster_map {
    struct clu_shared shared;
    const uint16_t *owners; /* of each shard, an index into names */
    uint32_t nobody;        /* CLUSTER_NOBODY if no node may own anything, else 0: or-ed to each owner */
    uint32_t nodes;
    uint64_t seed[2];
    uint8_t shift; /* of half a hash, to the shard */
    bool keyed;
    uint32_t shards;
    const char **names; /* sorted */
    uint32_t *loads;    /* shards of each node */
    uint64_t fingerprint;
    struct cluster_allocator memory;
};

/* A node that may own shards, while they are dealt. */
struct clu_dealt {
    uint64_t stream; /* the hash of its name: where its draws begin */
    uint32_t room;   /* shards that it may still take */
    uint32_t index;
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

/* ---- building --------------------------------------------------------- */

CLU_FN int clu_map_options(struct cluster_map_options *o, const struct cluster_map_options *given)
{
    static const struct cluster_map_options none = {sizeof none, 0, 0, 0, {0, 0}};
    if (!given)
        given = &none;
    if (given->size < sizeof *o || !clu_tail_is_zero(given, given->size, sizeof *o))
        return CLUSTER_E_INVALID;
    *o = *given;
    if (!o->shards)
        o->shards = 4096;
    if (!o->epsilon)
        o->epsilon = 50;
    if (o->shards > CLU_MAP_SHARDS || (o->shards & (o->shards - 1)))
        return CLUSTER_E_INVALID;
    return o->replicas > 1 ? CLUSTER_E_UNSUPPORTED : 0;
}

CLU_FN int clu_map_by_name(const void *a, const void *b)
{
    return strcmp(((const struct cluster_node *)a)->name, ((const struct cluster_node *)b)->name);
}

/* Two streams are equal once in 2^64: then their names, that is their indices, decide. */
CLU_FN int clu_map_by_stream(const void *a, const void *b)
{
    const struct clu_dealt *x = (const struct clu_dealt *)a, *y = (const struct clu_dealt *)b;
    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Point to the nodes by name, and add up what their names need. */
CLU_FN int clu_map_sort(void **items, const struct cluster_node *nodes, size_t count, size_t *bytes)
{
    const size_t stride = count ? nodes->size : 0;
    size_t i;
    if (stride % sizeof(void *))
        return CLUSTER_E_INVALID;
    for (i = 0; i < count; i++) {
        const char *at = (const char *)nodes + i * stride;
        const struct cluster_node *node = (const struct cluster_node *)(const void *)at;
        size_t length;
        if (stride < sizeof *node || !clu_tail_is_zero(node, stride, sizeof *node) || !node->name || !*node->name)
            return CLUSTER_E_INVALID;
        length = strlen(node->name) + 1;
        if (length > SIZE_MAX / 2 - *bytes)
            return CLUSTER_E_MEMORY;
        *bytes += length;
        memcpy(&items[i], &node, sizeof node);
    }
    clu_sort(items, count, clu_map_by_name);
    for (i = 1; i < count; i++)
        if (clu_map_by_name(items[i - 1], items[i]) == 0)
            return CLUSTER_E_INVALID;
    return 0;
}

/* The most that a node may own: the mean and epsilon, but never so little that a shard finds no place. */
CLU_FN uint32_t clu_map_cap(const struct cluster_map_options *o, uint64_t nodes)
{
    uint64_t least = (o->shards + nodes - 1) / nodes;
    uint64_t cap = (uint64_t)o->shards * (UINT64_C(1000) + o->epsilon) / (1000 * nodes);
    return (uint32_t)clu_min_u64(cap < least ? least : cap, o->shards);
}

/* Deal every shard; there is room for all. taken: a zeroed bit for each. Returns the sum that makes the fingerprint. */
CLU_FN uint64_t clu_map_deal(struct cluster_map *map, uint16_t *owners, struct clu_dealt *nodes, size_t count, uint64_t *taken)
{
    const unsigned shift = map->shift - 31u;
    uint64_t round, sum = 0;
    uint32_t left = map->shards;
    for (round = 0; left; round++) {
        bool full = false;
        size_t i, kept;
        for (i = 0; i < count; i++) {
            struct clu_dealt *node = &nodes[round & 1 ? count - 1 - i : i];
            uint64_t draw = clu_draw(node->stream + round * CLU_WY0);
            unsigned half;
            for (half = 0; half < 2; half++, draw >>= 32) {
                const uint32_t shard = (uint32_t)((draw & UINT32_MAX) >> shift);
                const uint64_t bit = UINT64_C(1) << (shard & 63);
                if ((taken[shard >> 6] & bit) || !node->room)
                    continue;
                taken[shard >> 6] |= bit;
                owners[shard] = (uint16_t)node->index;
                map->loads[node->index]++;
                sum += clu_mix64(node->stream, shard);
                left--;
                if (!--node->room)
                    full = true;
            }
        }
        if (!full)
            continue;
        for (i = kept = 0; i < count; i++)
            if (nodes[i].room)
                nodes[kept++] = nodes[i];
        count = kept;
    }
    return sum;
}

/* Lay a zeroed block out, and deal. dealt has room for twice the nodes. */
CLU_CALLED void clu_map_fill(struct cluster_map *map, const struct cluster_map_options *o, void **items, size_t count,
                             struct clu_dealt *dealt, uint64_t *taken)
{
    uint16_t *owners;
    uint64_t sum = 0;
    uint8_t told[12];
    size_t i, able = 0;
    char *text;
    map->names = (const char **)(void *)(map + 1);
    map->loads = (uint32_t *)(void *)(map->names + count);
    owners = (uint16_t *)(void *)(map->loads + count);
    text = (char *)(void *)(owners + o->shards);
    map->owners = owners;
    map->nodes = (uint32_t)count;
    map->shards = o->shards;
    map->seed[0] = o->seed[0];
    map->seed[1] = o->seed[1];
    map->keyed = o->seed[0] || o->seed[1];
    for (map->shift = 63; o->shards >> (63 - map->shift) > 1; map->shift--)
        continue;
    for (i = 0; i < count; i++) {
        const struct cluster_node *node = (const struct cluster_node *)items[i];
        size_t length = strlen(node->name);
        memcpy(text, node->name, length + 1);
        map->names[i] = text;
        text += length + 1;
        if (node->flags & (CLUSTER_NODE_EXCLUDED | CLUSTER_NODE_DRAINING))
            continue;
        dealt[able].stream = clu_map_hash(map, node->name, length);
        dealt[able].index = (uint32_t)i;
        items[able] = &dealt[able];
        able++;
    }
    clu_sort(items, able, clu_map_by_stream);
    for (i = 0; i < able; i++) {
        dealt[count + i] = *(const struct clu_dealt *)items[i];
        dealt[count + i].room = clu_map_cap(o, able);
    }
    if (able)
        sum = clu_map_deal(map, owners, dealt + count, able, taken);
    else
        map->nobody = CLUSTER_NOBODY;
    clu_put_be(told, sum, 8);
    clu_put_be(told + 8, o->shards, 4);
    map->fingerprint = cluster_siphash(told, sizeof told, o->seed[0], o->seed[1]);
}

CLUSTER_DEF int cluster_map_build_in(struct cluster_map **out, const struct cluster_node *nodes, size_t count,
                                     const struct cluster_map_options *options, const struct cluster_allocator *allocator)
{
    struct cluster_allocator memory = *clu_allocator_or_default(allocator);
    struct cluster_map_options o;
    struct cluster_map *map = NULL;
    struct clu_dealt *dealt;
    uint64_t *taken;
    void **items;
    size_t words, work_size, bytes;
    int result;
    if (!out)
        return CLUSTER_E_INVALID;
    *out = NULL;
    result = clu_map_options(&o, options);
    if (result || (count && !nodes))
        return result ? result : CLUSTER_E_INVALID;
    if (count > CLU_MAP_NODES)
        return CLUSTER_E_LIMIT;
    words = (o.shards + 63) / 64;
    work_size = count * (2 * sizeof *dealt + sizeof *items) + words * sizeof *taken;
    dealt = (struct clu_dealt *)clu_alloc_zero(&memory, work_size);
    if (!dealt)
        return CLUSTER_E_MEMORY;
    taken = (uint64_t *)(void *)(dealt + 2 * count);
    items = (void **)(void *)(taken + words);
    bytes = sizeof *map + count * (sizeof *map->names + sizeof *map->loads) + o.shards * sizeof *map->owners;
    result = clu_map_sort(items, nodes, count, &bytes);
    if (!result) {
        map = (struct cluster_map *)clu_share_new(&memory, bytes);
        result = map ? 0 : CLUSTER_E_MEMORY;
    }
    if (map) {
        map->memory = memory;
        clu_map_fill(map, &o, items, count, dealt, taken);
    }
    clu_free(&memory, dealt, work_size);
    *out = map;
    return result;
}

CLUSTER_DEF int cluster_map_build(struct cluster_map **out, const struct cluster_node *nodes, size_t count,
                                  const struct cluster_map_options *options)
{
    return cluster_map_build_in(out, nodes, count, options, NULL);
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

CLUSTER_DEF const char *cluster_map_node(const struct cluster_map *map, uint32_t index)
{
    return index < map->nodes ? map->names[index] : NULL;
}

CLUSTER_DEF uint32_t cluster_map_load(const struct cluster_map *map, uint32_t index)
{
    return index < map->nodes ? map->loads[index] : 0;
}

CLUSTER_DEF uint64_t cluster_map_fingerprint(const struct cluster_map *map)
{
    return map->fingerprint;
}

CLUSTER_DEF uint32_t cluster_map_shard_owner(const struct cluster_map *map, uint32_t shard)
{
    return shard < map->shards ? map->owners[shard] | map->nobody : CLUSTER_NOBODY;
}

CLUSTER_DEF uint32_t cluster_map_shard(const struct cluster_map *map, const void *key, size_t size)
{
    return (uint32_t)(clu_map_hash(map, key, size) >> 1 >> map->shift);
}

CLUSTER_DEF uint32_t cluster_map_owner(const struct cluster_map *map, const void *key, size_t size)
{
    return map->owners[clu_map_hash(map, key, size) >> 1 >> map->shift] | map->nobody;
}

CLUSTER_DEF size_t cluster_map_owners(const struct cluster_map *map, const void *key, size_t size, uint32_t *out,
                                      size_t capacity)
{
    uint32_t owner = cluster_map_owner(map, key, size);
    if (owner == CLUSTER_NOBODY)
        return 0;
    if (capacity)
        out[0] = owner;
    return 1;
}

#endif
