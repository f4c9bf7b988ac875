/*
 * Rings and routers, bit for bit those of other systems, and rendezvous with what is known of the nodes beforehand. Immutable
 * once built, in one block of memory.
 *
 * In a ring each node has points on a circle of hashes, and a key belongs to the node of the first point at or after its hash.
 * A lookup takes the cell of a table from the top bits of the hash, of which there are at least as many as points, and looks
 * only at the points in it: mostly none, one or two. A point is kept as what its cell does not say of its hash, with its node
 * below: there are no more nodes than cells, so both fit into 64 bits, whatever the hash.
 *
 *     cell    0      1             2      3             the first point of each cell, and one past the last
 *     points  | p0   | p1   p2     |      | p3   p4 |   sorted; then p0 again, for hashes past the last
 */
#ifndef CLU_PLACE_RING_H
#define CLU_PLACE_RING_H

#include "../base/memory.h"
#include "../base/sort.h"
#include "jump.h"
#include "logarithm.h"
#include "points.h"
#include "rendezvous.h"

#define CLU_RING_NODES 65534u
#define CLU_RING_OVERRIDES (1u << 20)
#define CLU_RING_SHORT                                                                                                         \
    8192u /* points that OTP's ets:insert takes in one go: of equal ones the last stays; of more, the first */

struct clu_ring_override {
    const void *key;
    size_t size;
    const uint32_t *nodes;
    uint32_t count;
};

struct cluster_ring {
    uint64_t *points; /* of a ring; rendezvous: the hash of each name */
    uint32_t *cells;  /* of a ring; rendezvous: weights, or NULL if all are equal */
    uint32_t *slots;  /* routers: which nodes there are, in the order that counts */
    uint32_t count;   /* points, or slots */
    uint32_t nodes;
    uint32_t able; /* of them, those that own something by themselves */
    uint32_t flags;
    uint32_t override_count;
    enum clu_ring_kind kind;
    unsigned bits; /* a cell is that many bits of a hash */
    uint64_t seed;
    uint64_t *logs;
    struct clu_ring_override *overrides; /* by key */
    const char **names;
    const char *bucket;
    size_t size;
    struct cluster_allocator memory;
};

struct clu_ring_point {
    uint64_t hash;
    uint32_t node;
};

/* A ring that is being built. */
struct clu_ring_plan {
    struct cluster_ring_options o;
    enum clu_ring_kind kind;
    const struct clu_ring_rule *rule;
    const struct cluster_node *nodes;
    size_t count;
    uint32_t able;   /* nodes that may own something */
    bool even;       /* their weights are all the same */
    uint64_t weight; /* of all of them */
    uint64_t points; /* that they will have */
    size_t longest;  /* name */
    size_t bytes;    /* for texts and overrides */
    void **items;    /* the nodes by name, then the overrides by key */
    struct clu_ring_point *made;
};

CLU_FN const struct cluster_node *clu_ring_node_at(const struct clu_ring_plan *plan, size_t index)
{
    return (const struct cluster_node *)(const void *)((const char *)plan->nodes + index * plan->nodes->size);
}

CLU_FN const struct cluster_ring_override *clu_ring_override_at(const struct cluster_ring_options *o, size_t index)
{
    return (const struct cluster_ring_override *)(const void *)((const char *)o->overrides + index * o->overrides->size);
}

CLU_FN bool clu_ring_able(const struct cluster_node *node)
{
    return !(node->flags & (CLUSTER_NODE_EXCLUDED | CLUSTER_NODE_DRAINING));
}

/* ---- what is asked for ------------------------------------------------ */

/* Count bytes that someone else chose; half of the address space is enough for them. */
CLU_FN bool clu_ring_add(size_t *bytes, uint64_t more)
{
    if (more > SIZE_MAX / 2 - *bytes)
        return false;
    *bytes += (size_t)more;
    return true;
}

CLU_FN bool clu_ring_is_atom(const char *name)
{
    size_t length = strlen(name);
    return length <= CLU_ATOM_MAX && clu_utf8_count((const uint8_t *)name, length) <= CLU_ATOM_CHARACTERS;
}

CLU_FN int clu_ring_options(struct clu_ring_plan *plan, const char *kind, const struct cluster_ring_options *given)
{
    struct cluster_ring_options *o = &plan->o;
    unsigned i = 0, takes;
    while (i < CLU_RING_KINDS && strcmp(clu_ring_rule_of((enum clu_ring_kind)i)->name, kind) != 0)
        i++;
    if (i == CLU_RING_KINDS)
        return CLUSTER_E_UNSUPPORTED;
    plan->kind = (enum clu_ring_kind)i;
    plan->rule = clu_ring_rule_of(plan->kind);
    takes = plan->rule->takes;
    if (given) {
        if (given->size < sizeof *o || !clu_tail_is_zero(given, given->size, sizeof *o))
            return CLUSTER_E_INVALID;
        *o = *given;
    }
    if ((o->flags & ~plan->rule->flags) || (o->points && !(takes & CLU_TAKES_POINTS)) ||
        (o->name && !(takes & CLU_TAKES_NAME)) || (o->bucket && !(takes & CLU_TAKES_BUCKET)) ||
        (o->override_count && !(takes & CLU_TAKES_OVERRIDES)) || (o->seed && !(takes & CLU_TAKES_SEED)) ||
        (o->override_count && !o->overrides) || (o->name ? !clu_ring_is_atom(o->name) : plan->kind == CLU_HORDE))
        return CLUSTER_E_INVALID;
    if (!o->points)
        o->points = plan->rule->points;
    if (!o->bucket)
        o->bucket = "";
    if (o->points > CLU_RING_POINTS || o->override_count > CLU_RING_OVERRIDES || strlen(o->bucket) > INT32_MAX)
        return CLUSTER_E_LIMIT;
    plan->bytes = strlen(o->bucket) + 1;
    return plan->kind == CLU_RIAK && (o->points & (o->points - 1)) ? CLUSTER_E_INVALID : 0;
}

CLU_FN int clu_ring_by_name(const void *a, const void *b)
{
    return strcmp(((const struct cluster_node *)a)->name, ((const struct cluster_node *)b)->name);
}

CLU_FN int clu_ring_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t shorter = a_size < b_size ? a_size : b_size;
    int order = shorter ? memcmp(a, b, shorter) : 0;
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

CLU_FN int clu_ring_by_key(const void *a, const void *b)
{
    const struct cluster_ring_override *x = (const struct cluster_ring_override *)a;
    const struct cluster_ring_override *y = (const struct cluster_ring_override *)b;
    return clu_ring_compare(x->key, (size_t)x->key_size, y->key, (size_t)y->key_size);
}

/* Two that compare equal? They are sorted first. */
CLU_FN bool clu_ring_twice(void **items, size_t count, int (*compare)(const void *, const void *))
{
    size_t i;
    clu_sort(items, count, compare);
    for (i = 1; i < count; i++)
        if (compare(items[i - 1], items[i]) == 0)
            return true;
    return false;
}

/* A stride that keeps fields aligned. */
CLU_FN bool clu_ring_stride(uint32_t stride, size_t known)
{
    return stride >= known && stride % sizeof(void *) == 0;
}

CLU_FN int clu_ring_nodes(struct clu_ring_plan *plan)
{
    const bool weighs = (plan->rule->takes & CLU_TAKES_WEIGHTS) != 0;
    uint32_t first = 0;
    size_t i;
    if (plan->count && !clu_ring_stride(plan->nodes->size, sizeof *plan->nodes))
        return CLUSTER_E_INVALID;
    for (i = 0; i < plan->count; i++) {
        const struct cluster_node *node = clu_ring_node_at(plan, i);
        const uint32_t weight = node->weight ? node->weight : 1;
        size_t length;
        if (!clu_tail_is_zero(node, plan->nodes->size, sizeof *node) || !node->name || !*node->name ||
            (weight > 1 && !weighs) ||
            (plan->kind <= CLU_HORDE && !(plan->o.flags & CLUSTER_RING_BINARY_NODES) && !clu_ring_is_atom(node->name)))
            return CLUSTER_E_INVALID;
        length = strlen(node->name) + 1;
        if (!clu_ring_add(&plan->bytes, length))
            return CLUSTER_E_MEMORY;
        if (length > plan->longest)
            plan->longest = length;
        memcpy(&plan->items[i], &node, sizeof node);
        if (!clu_ring_able(node))
            continue;
        if (!plan->able++)
            first = weight;
        plan->weight += weight;
        plan->even = plan->even && weight == first;
    }
    return clu_ring_twice(plan->items, plan->count, clu_ring_by_name) ? CLUSTER_E_INVALID : 0;
}

/* Points of one node. */
CLU_FN uint64_t clu_ring_share(const struct clu_ring_plan *plan, const struct cluster_node *node)
{
    const uint32_t weight = node->weight ? node->weight : 1;
    switch (plan->kind) {
    case CLU_LIBRING:
    case CLU_EX_HASH_RING:
        return node->weight ? node->weight : plan->o.points;
    case CLU_HORDE:
        return plan->o.points;
    case CLU_NGINX:
        return (uint64_t)weight * 160;
    default:
        return 4 * clu_ring_digests(weight, plan->weight, plan->able, plan->kind == CLU_LIBMEMCACHED);
    }
}

CLU_FN int clu_ring_count(struct clu_ring_plan *plan)
{
    size_t i;
    if (plan->kind == CLU_RIAK) {
        plan->points = plan->able ? plan->o.points : 0;
    } else if (plan->kind < CLU_RIAK) {
        for (i = 0; i < plan->count; i++)
            if (clu_ring_able(clu_ring_node_at(plan, i)))
                plan->points += clu_ring_share(plan, clu_ring_node_at(plan, i));
    }
    return plan->points > CLU_RING_POINTS ? CLUSTER_E_LIMIT : 0;
}

/* Sorted by key in the end. */
CLU_FN int clu_ring_overrides(struct clu_ring_plan *plan)
{
    const struct cluster_ring_options *o = &plan->o;
    size_t i;
    uint32_t j;
    if (o->override_count && !clu_ring_stride(o->overrides->size, sizeof *o->overrides))
        return CLUSTER_E_INVALID;
    for (i = 0; i < o->override_count; i++) {
        const struct cluster_ring_override *given = clu_ring_override_at(o, i);
        if (!clu_tail_is_zero(given, o->overrides->size, sizeof *given) || (given->key_size && !given->key) ||
            (given->count && !given->nodes))
            return CLUSTER_E_INVALID;
        for (j = 0; j < given->count; j++)
            if (given->nodes[j] >= plan->count)
                return CLUSTER_E_INVALID;
        if (!clu_ring_add(&plan->bytes, given->key_size) ||
            !clu_ring_add(&plan->bytes, sizeof *given->nodes * (uint64_t)given->count))
            return CLUSTER_E_MEMORY;
        memcpy(&plan->items[i], &given, sizeof given);
    }
    return clu_ring_twice(plan->items, o->override_count, clu_ring_by_key) ? CLUSTER_E_INVALID : 0;
}

/* ---- points ----------------------------------------------------------- */

/* All points of a node. `name` is room for its name and a number. */
CLU_FN struct clu_ring_point *clu_ring_make(const struct clu_ring_plan *plan, uint32_t index, char *name,
                                            struct clu_ring_point *out)
{
    const struct cluster_node *node = clu_ring_node_at(plan, index);
    const enum clu_ring_kind kind = plan->kind;
    const uint32_t each = kind >= CLU_KETAMA && kind <= CLU_LIBMEMCACHED ? 4 : 1;
    const uint32_t count = (uint32_t)clu_ring_share(plan, node) / each;
    size_t length = strlen(node->name);
    uint32_t node_hash = 0, hash = 0, i, j;
    uint64_t hashes[4];
    memcpy(name, node->name, length + 1);
    if (kind == CLU_LIBMEMCACHED && length > 6 && strcmp(name + length - 6, ":11211") == 0)
        length -= 6; /* memcached's own port is left out */
    if (kind <= CLU_HORDE)
        node_hash = clu_ring_phash_node(plan->o.name, name, (plan->o.flags & CLUSTER_RING_BINARY_NODES) != 0);
    else if (kind == CLU_NGINX)
        node_hash = clu_ring_nginx_node(name);
    for (i = 0; i < count; i++) {
        if (kind <= CLU_HORDE) {
            hashes[0] = clu_ring_phash_number(node_hash, i + 1) % UINT32_MAX;
        } else if (kind == CLU_NGINX) {
            hashes[0] = hash = clu_ring_nginx_point(node_hash, hash);
        } else {
            clu_ring_md5_points(name, length, kind != CLU_EX_HASH_RING, i, hashes);
            if (kind == CLU_EX_HASH_RING)
                hashes[0] = hashes[2] | hashes[3] << 32;
        }
        for (j = 0; j < each; j++, out++) {
            out->hash = kind == CLU_EX_HASH_RING ? hashes[0] : hashes[j] << 32;
            out->node = index;
        }
    }
    return out;
}

CLU_FN void clu_ring_make_all(struct clu_ring_plan *plan, char *name)
{
    struct clu_ring_point *out = plan->made;
    uint32_t i, next = 0;
    for (i = 0; plan->kind < CLU_RIAK && i < plan->count; i++)
        if (clu_ring_able(clu_ring_node_at(plan, i)))
            out = clu_ring_make(plan, i, name, out);
    /* riak: partition after partition to node after node. */
    for (i = 0; plan->kind == CLU_RIAK && i < plan->points; i++, out++) {
        while (!clu_ring_able(clu_ring_node_at(plan, next)))
            next = (next + 1) % (uint32_t)plan->count;
        out->hash = UINT64_MAX / plan->points * i + i; /* i / points of the circle, which a power of two divides */
        out->node = next;
        next = (next + 1) % (uint32_t)plan->count;
    }
}

/* The few points of one cell. */
CLU_FN void clu_ring_sort(uint64_t *points, size_t count)
{
    size_t gap, i, at;
    for (gap = 1; gap < count / 3; gap = 3 * gap + 1)
        continue;
    for (; gap; gap /= 3) {
        for (i = gap; i < count; i++) {
            const uint64_t point = points[i];
            for (at = i; at >= gap && points[at - gap] > point; at -= gap)
                points[at] = points[at - gap];
            points[at] = point;
        }
    }
}

/* Put all points into their cells, sort each, and keep one of those that are equal. */
CLU_FN void clu_ring_fill(struct cluster_ring *ring, const struct clu_ring_plan *plan)
{
    const unsigned bits = ring->bits;
    const size_t cells = (size_t)1 << bits;
    const uint64_t nodes = cells - 1;
    uint32_t *cell = ring->cells, at = 0, begin = 0;
    uint64_t *points = ring->points;
    size_t i;
    for (i = 0; i < plan->points; i++)
        cell[(size_t)(plan->made[i].hash >> (64 - bits)) + 1]++;
    for (i = 0; i < cells; i++)
        cell[i + 1] += cell[i];
    for (i = (size_t)plan->points; i--;) { /* each cell from its end; cell[c + 1] becomes its begin */
        const struct clu_ring_point *made = &plan->made[i];
        points[--cell[(size_t)(made->hash >> (64 - bits)) + 1]] = made->hash << bits | made->node;
    }
    for (i = 0; i < cells; i++) {
        const uint32_t end = i + 1 < cells ? cell[i + 2] : (uint32_t)plan->points;
        const uint32_t first = at;
        clu_ring_sort(points + begin, end - begin);
        for (; begin < end; begin++) {
            if (at > first && (points[at - 1] & ~nodes) == (points[begin] & ~nodes)) {
                if (plan->kind == CLU_EX_HASH_RING && plan->points <= CLU_RING_SHORT)
                    points[at - 1] = points[begin];
                continue;
            }
            points[at++] = points[begin];
        }
        cell[i] = first;
    }
    cell[cells] = ring->count = at;
    points[at] = at ? points[0] : 0;
}

/* ---- building --------------------------------------------------------- */

CLU_FN void *clu_ring_carve(char **at, size_t size)
{
    void *part = *at;
    *at += size;
    return part;
}

CLU_FN void clu_ring_slots(struct cluster_ring *ring, const struct clu_ring_plan *plan)
{
    const bool sorted = (plan->rule->takes & CLU_SORTED) != 0;
    size_t i;
    for (i = 0; i < plan->count; i++) {
        const struct cluster_node *node = clu_ring_node_at(plan, i);
        size_t index = i;
        if (sorted) {
            node = (const struct cluster_node *)plan->items[i];
            index = (size_t)((const char *)node - (const char *)plan->nodes) / plan->nodes->size;
        }
        if (!clu_ring_able(node))
            continue;
        if (plan->kind == CLU_RENDEZVOUS)
            ring->points[ring->count] = cluster_hash64(node->name, strlen(node->name), plan->o.seed);
        if (ring->cells)
            ring->cells[ring->count] = node->weight ? node->weight : 1;
        ring->slots[ring->count++] = (uint32_t)index;
    }
}

/* Copy what lookups need; each part has room. The nodes' names, sorted, are in items, if they matter. */
CLU_FN struct cluster_ring *clu_ring_lay_out(const struct clu_ring_plan *plan, const struct cluster_allocator *memory)
{
    const bool router = plan->kind > CLU_RIAK, rendezvous = plan->kind == CLU_RENDEZVOUS, weighted = rendezvous && !plan->even;
    const uint64_t most = plan->points > plan->count ? plan->points : plan->count;
    size_t size, points, cells, i;
    unsigned bits = 1;
    struct cluster_ring *ring;
    char *at;
    while (most >> bits)
        bits++;
    points = rendezvous ? plan->able : router ? 0 : (size_t)plan->points + 1;
    cells = weighted ? plan->able : router ? 0 : ((size_t)1 << bits) + 1;
    size = sizeof *ring + points * sizeof *ring->points + (weighted ? CLU_LOG_SIZE * sizeof *ring->logs : 0) +
           plan->o.override_count * sizeof *ring->overrides + plan->count * sizeof *ring->names + cells * sizeof *ring->cells +
           (router ? plan->able * sizeof *ring->slots : 0) + plan->bytes;
    ring = (struct cluster_ring *)clu_alloc_zero(memory, size);
    if (!ring)
        return NULL;
    at = (char *)(ring + 1);
    ring->points = (uint64_t *)clu_ring_carve(&at, points * sizeof *ring->points);
    ring->logs = (uint64_t *)clu_ring_carve(&at, weighted ? CLU_LOG_SIZE * sizeof *ring->logs : 0);
    ring->overrides = (struct clu_ring_override *)clu_ring_carve(&at, plan->o.override_count * sizeof *ring->overrides);
    ring->names = (const char **)clu_ring_carve(&at, plan->count * sizeof *ring->names);
    ring->cells = (uint32_t *)clu_ring_carve(&at, cells * sizeof *ring->cells);
    ring->slots = (uint32_t *)clu_ring_carve(&at, router ? plan->able * sizeof *ring->slots : 0);
    ring->memory = *memory;
    ring->size = size;
    ring->kind = plan->kind;
    ring->flags = plan->o.flags;
    ring->seed = plan->o.seed;
    ring->bits = bits;
    ring->nodes = (uint32_t)plan->count;
    ring->able = plan->able;
    if (!weighted && router)
        ring->cells = NULL;
    if (weighted)
        clu_log_table(ring->logs);
    if (router)
        clu_ring_slots(ring, plan);
    else
        clu_ring_fill(ring, plan);
    ring->override_count = plan->o.override_count; /* their nodes first: they are aligned */
    for (i = 0; i < plan->o.override_count; i++) {
        const struct cluster_ring_override *given = (const struct cluster_ring_override *)plan->items[i];
        uint32_t *nodes = (uint32_t *)clu_ring_carve(&at, given->count * sizeof *nodes);
        if (given->count)
            memcpy(nodes, given->nodes, given->count * sizeof *nodes);
        ring->overrides[i].nodes = nodes;
        ring->overrides[i].count = given->count;
    }
    for (i = 0; i < plan->o.override_count; i++) {
        const struct cluster_ring_override *given = (const struct cluster_ring_override *)plan->items[i];
        ring->overrides[i].size = (size_t)given->key_size;
        ring->overrides[i].key = clu_ring_carve(&at, ring->overrides[i].size);
        if (given->key_size)
            memcpy(at - given->key_size, given->key, (size_t)given->key_size);
    }
    for (i = 0; i < plan->count; i++) {
        const char *name = clu_ring_node_at(plan, i)->name;
        const size_t length = strlen(name) + 1;
        ring->names[i] = (const char *)memcpy(clu_ring_carve(&at, length), name, length);
    }
    ring->bucket = (const char *)memcpy(at, plan->o.bucket, strlen(plan->o.bucket) + 1);
    return ring;
}

CLUSTER_DEF int cluster_ring_build(struct cluster_ring **out, const char *kind, const struct cluster_node *nodes, size_t count,
                                   const struct cluster_ring_options *options)
{
    struct cluster_allocator memory;
    struct clu_ring_plan plan;
    size_t items, size;
    int result;
    if (out)
        *out = NULL;
    if (!out || !kind || (count && !nodes))
        return CLUSTER_E_INVALID;
    memset(&plan, 0, sizeof plan);
    plan.nodes = nodes;
    plan.count = count;
    plan.even = true;
    result = clu_ring_options(&plan, kind, options);
    if (result || count > CLU_RING_NODES)
        return result ? result : CLUSTER_E_LIMIT;
    memory = *clu_allocator_or_default(plan.o.allocator);
    items = (count > plan.o.override_count ? count : plan.o.override_count) * sizeof *plan.items;
    plan.items = (void **)clu_alloc(&memory, items ? items : 1);
    if (!plan.items)
        return CLUSTER_E_MEMORY;
    result = clu_ring_nodes(&plan);
    if (!result)
        result = clu_ring_count(&plan);
    if (!result)
        result = plan.o.override_count ? clu_ring_overrides(&plan) : 0;
    if (!result) {
        size = (size_t)plan.points * sizeof *plan.made + plan.longest + CLU_RING_NUMBER;
        plan.made = (struct clu_ring_point *)clu_alloc(&memory, size);
        if (plan.made) {
            clu_ring_make_all(&plan, (char *)(plan.made + plan.points));
            *out = clu_ring_lay_out(&plan, &memory);
        }
        result = *out ? 0 : CLUSTER_E_MEMORY;
        clu_free(&memory, plan.made, size);
    }
    clu_free(&memory, plan.items, items ? items : 1);
    return result;
}

CLUSTER_DEF void cluster_ring_free(struct cluster_ring *ring)
{
    if (ring) {
        struct cluster_allocator memory = ring->memory;
        clu_free(&memory, ring, ring->size);
    }
}

/* ---- lookups ---------------------------------------------------------- */

/* The first point at or after this place, `count` meaning the first of all. */
CLU_FN inline size_t clu_ring_find(const struct cluster_ring *ring, uint64_t place)
{
    const uint32_t *cell = ring->cells + (place >> (64 - ring->bits));
    const uint64_t rest = place << ring->bits;
    size_t low = cell[0], high = cell[1];
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (ring->points[middle] < rest)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CLU_FN uint32_t clu_ring_point_node(const struct cluster_ring *ring, size_t point)
{
    return (uint32_t)ring->points[point] & ((1u << ring->bits) - 1);
}

CLUSTER_DEF int cluster_ring_hash(const struct cluster_ring *ring, const void *key, size_t size, uint64_t *out)
{
    uint8_t digest[CLU_MD5_SIZE];
    uint32_t h = 0;
    int result = 0;
    switch (ring->kind) {
    case CLU_EX_HASH_RING:
    case CLU_KETAMA:
    case CLU_LIBMEMCACHED:
        clu_md5(key, size, digest);
        *out = ring->kind == CLU_EX_HASH_RING ? clu_le64(digest + 8) : clu_le32(digest);
        break;
    case CLU_NGINX:
        *out = clu_crc32(0, key, size);
        break;
    case CLU_RIAK:
        if (size > UINT32_MAX)
            return CLUSTER_E_LIMIT;
        *out = clu_ring_riak_key(ring->bucket, key, (uint32_t)size);
        break;
    case CLU_JUMP:
    case CLU_RENDEZVOUS:
        *out = cluster_hash64(key, size, ring->seed);
        break;
    default:
        result = clu_ring_phash_key(ring->kind, ring->flags, key, size, &h);
        if (result)
            break;
        if (ring->kind == CLU_HORDE)
            h = clu_ring_phash_number(0, h & 0x7ffffff);
        if (ring->kind <= CLU_HORDE)
            h %= UINT32_MAX;
        else if (ring->kind == CLU_CACHEX || ring->kind == CLU_CACHEX_JUMP)
            h &= 0x7ffffff;
        *out = h;
        break;
    }
    return result;
}

/* A slot's score for a hash, the lowest of which wins: what its draw lacks, or, with weights, its logarithm over the weight. */
CLU_FN uint64_t clu_ring_score(const struct cluster_ring *ring, uint64_t hash, uint32_t slot)
{
    const uint64_t draw = clu_draw(hash + ring->points[slot]);
    return ring->cells ? clu_log_of(ring->logs, draw | 1) : ~draw;
}

CLU_FN bool clu_ring_better(const struct cluster_ring *ring, uint64_t score, uint32_t slot, uint64_t best, uint32_t best_slot)
{
    uint64_t ours, theirs;
    if (!ring->cells)
        return score < best;
    ours = ring->cells[best_slot];
    theirs = ring->cells[slot];
    clu_multiply(&score, &ours);
    clu_multiply(&best, &theirs);
    return ours != theirs ? ours < theirs : score < best;
}

/* The `wanted` best slots for a hash, the best first. Equal ones are in the order of the names. */
CLU_FN size_t clu_ring_rendezvous(const struct cluster_ring *ring, uint64_t hash, uint32_t *out, size_t wanted)
{
    uint64_t last = 0; /* the score of the last one */
    size_t found = 0, at;
    uint32_t slot;
    for (slot = 0; slot < ring->count; slot++) {
        const uint64_t score = clu_ring_score(ring, hash, slot);
        if (found == wanted && CLU_LIKELY(!clu_ring_better(ring, score, slot, last, out[found - 1])))
            continue;
        found += found < wanted;
        for (at = found - 1; at; at--) {
            if (!clu_ring_better(ring, score, slot, clu_ring_score(ring, hash, out[at - 1]), out[at - 1]))
                break;
            out[at] = out[at - 1];
        }
        out[at] = slot;
        last = clu_ring_score(ring, hash, out[found - 1]);
    }
    return found;
}

/* The one slot, without weights: the loop whose speed matters. */
CLU_FN uint32_t clu_ring_highest(const struct cluster_ring *ring, uint64_t hash)
{
    uint64_t most = 0;
    uint32_t best = 0, slot;
    for (slot = 0; slot < ring->count; slot++) {
        const uint64_t draw = clu_draw(hash + ring->points[slot]);
        if (CLU_UNLIKELY(draw > most)) {
            most = draw;
            best = slot;
        }
    }
    return best;
}

CLU_FN const struct clu_ring_override *clu_ring_overridden(const struct cluster_ring *ring, const void *key, size_t size)
{
    size_t low = 0, high = ring->override_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const struct clu_ring_override *o = &ring->overrides[middle];
        const int order = clu_ring_compare(o->key, o->size, key, size);
        if (order == 0)
            return o;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Append what is not there yet. */
CLU_FN size_t clu_ring_append(uint32_t *out, size_t found, uint32_t node)
{
    size_t i;
    for (i = 0; i < found; i++)
        if (out[i] == node)
            return found;
    out[found] = node;
    return found + 1;
}

CLUSTER_DEF size_t cluster_ring_owners(const struct cluster_ring *ring, const void *key, size_t size, uint32_t *out,
                                       size_t capacity)
{
    const unsigned takes = clu_ring_rule_of(ring->kind)->takes;
    const struct clu_ring_override *o;
    size_t found = 0, able = ring->able, i, point;
    uint64_t hash;
    if (!ring->count || !capacity || cluster_ring_hash(ring, key, size, &hash) != 0)
        return 0;
    if (ring->kind == CLU_RENDEZVOUS) {
        found = 1;
        if (capacity == 1 && !ring->cells)
            out[0] = clu_ring_highest(ring, hash);
        else
            found = clu_ring_rendezvous(ring, hash, out, capacity);
        for (i = 0; i < found; i++)
            out[i] = ring->slots[out[i]];
        return found;
    }
    if (ring->kind > CLU_RIAK) {
        if (ring->kind == CLU_JUMP || ring->kind == CLU_CACHEX_JUMP)
            out[0] = ring->slots[cluster_jump(hash, ring->count)];
        else
            out[0] = ring->slots[hash % ring->count];
        return 1;
    }
    o = clu_ring_overridden(ring, key, size);
    for (i = 0; o && i < o->count && found < capacity; i++)
        found = clu_ring_append(out, found, o->nodes[i]);
    if (o)
        able = ring->nodes; /* what it names may own nothing else */
    point = clu_ring_find(ring, (takes & CLU_WIDE ? hash : hash << 32) + (takes & CLU_AFTER ? 1 : 0));
    for (i = 0; i < ring->count && found < capacity && found < able; i++) {
        found = clu_ring_append(out, found, clu_ring_point_node(ring, point));
        point = point + 1 >= ring->count ? point + 1 - ring->count : point + 1;
    }
    return found;
}

CLUSTER_DEF uint32_t cluster_ring_owner(const struct cluster_ring *ring, const void *key, size_t size)
{
    uint32_t owner = CLUSTER_NOBODY;
    return cluster_ring_owners(ring, key, size, &owner, 1) ? owner : CLUSTER_NOBODY;
}

CLUSTER_DEF uint32_t cluster_ring_nodes(const struct cluster_ring *ring)
{
    return ring->nodes;
}

CLUSTER_DEF const char *cluster_ring_node(const struct cluster_ring *ring, uint32_t index)
{
    return index < ring->nodes ? ring->names[index] : NULL;
}

#endif
