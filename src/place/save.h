/*
 * A map as bytes, in one form on every machine: numbers most significant byte first.
 *
 *     8  "cluster\1"
 *     4  shards     4  nodes     4  replicas asked for     4  owners that each shard has
 *     16 the seed   4  bytes of the names
 *     .. the names by order, each with a NUL
 *     .. the owners, shard by shard: 2 bytes each, or 4 where there are more than 65535 nodes
 *     8  SipHash-2-4 of all before, with the seed for its key
 *
 * What is loaded was checked in every field, so that nothing that reads a map need ever doubt it.
 */
#ifndef CLU_PLACE_SAVE_H
#define CLU_PLACE_SAVE_H

#include "map.h"

#define CLU_SAVE_MAGIC "cluster\001"
#define CLU_SAVE_HEAD 44u

CLUSTER_DEF size_t cluster_map_save(const struct cluster_map *map, void *out, size_t capacity)
{
    const size_t places = (size_t)map->shards * map->copies, width = map->wide ? 4 : 2;
    struct clu_writer w;
    size_t text = 0, size, i;
    for (i = 0; i < map->nodes; i++)
        text += strlen(map->names[i]) + 1;
    size = CLU_SAVE_HEAD + text + places * width + 8;
    if (capacity < size)
        return size;
    w = clu_writer_on(out, size);
    clu_write(&w, CLU_SAVE_MAGIC, 8);
    clu_write_be(&w, map->shards, 4);
    clu_write_be(&w, map->nodes, 4);
    clu_write_be(&w, map->replicas, 4);
    clu_write_be(&w, map->copies, 4);
    clu_write_be(&w, map->seed[0], 8);
    clu_write_be(&w, map->seed[1], 8);
    clu_write_be(&w, text, 4);
    for (i = 0; i < map->nodes; i++)
        clu_write(&w, map->names[i], strlen(map->names[i]) + 1);
    for (i = 0; i < places; i++)
        clu_write_be(&w, clu_map_at(map, i), width);
    clu_write_be(&w, cluster_siphash(out, size - 8, map->seed[0], map->seed[1]), 8);
    return size;
}

/* The names: whole, in order, none twice. */
CLU_FN bool clu_load_names(struct clu_reader *r, struct cluster_map *map, size_t left, char *text)
{
    uint32_t i;
    for (i = 0; i < map->nodes; i++) {
        const char *name = (const char *)r->at;
        const void *end = memchr(name, 0, left);
        size_t length;
        if (!end || end == name)
            return false;
        length = (size_t)((const char *)end - name) + 1;
        if (i && strcmp(map->names[i - 1], name) >= 0)
            return false;
        clu_map_name(map, i, &text, (const char *)clu_take(r, length));
        left -= length;
    }
    return !left;
}

/* The owners: nodes that there are, none twice in a row. */
CLU_FN bool clu_load_owners(struct clu_reader *r, struct cluster_map *map)
{
    uint32_t shard, i;
    for (shard = 0; shard < map->shards; shard++)
        for (i = 0; i < map->copies; i++) {
            const uint32_t index = (uint32_t)clu_read_be(r, map->wide ? 4 : 2);
            if (index >= map->nodes || clu_map_holds(map, shard, index))
                return false;
            clu_map_put(map, shard, i, index);
        }
    return true;
}

CLUSTER_DEF int cluster_map_load_in(struct cluster_map **out, const void *data, size_t size,
                                    const struct cluster_allocator *allocator)
{
    struct clu_reader r = clu_reader_of(data, size), sum;
    struct clu_map_shape shape;
    struct cluster_map *map;
    uint64_t places;
    char *text;
    if (!out)
        return CLUSTER_E_INVALID;
    *out = NULL;
    if (!clu_read_match(&r, CLU_SAVE_MAGIC, 8))
        return CLUSTER_E_PROTOCOL;
    shape.shards = clu_read_u32(&r);
    shape.nodes = clu_read_u32(&r);
    shape.replicas = clu_read_u32(&r);
    shape.copies = clu_read_u32(&r);
    shape.seed[0] = clu_read_be(&r, 8);
    shape.seed[1] = clu_read_be(&r, 8);
    shape.text = clu_read_u32(&r);
    if (r.bad || !shape.shards || shape.shards > CLU_MAP_SHARDS || (shape.shards & (shape.shards - 1)) ||
        shape.nodes > CLU_MAP_NODES || !shape.replicas || shape.replicas > CLU_MAP_REPLICAS || shape.copies > shape.replicas ||
        shape.copies > shape.nodes || shape.nodes > shape.text / 2)
        return CLUSTER_E_PROTOCOL;
    places = (uint64_t)shape.shards * shape.copies * (shape.nodes > CLU_MAP_NARROW ? 4 : 2);
    if ((uint64_t)size != CLU_SAVE_HEAD + shape.text + places + 8)
        return CLUSTER_E_PROTOCOL;
    sum = clu_reader_of(r.end - 8, 8);
    if (cluster_siphash(data, size - 8, shape.seed[0], shape.seed[1]) != clu_read_be(&sum, 8))
        return CLUSTER_E_PROTOCOL;
    map = clu_map_new(clu_allocator_or_default(allocator), &shape, &text);
    if (!map)
        return CLUSTER_E_MEMORY;
    clu_map_clear(map);
    if (!clu_load_names(&r, map, shape.text, text) || !clu_load_owners(&r, map)) {
        cluster_map_free(map);
        return CLUSTER_E_PROTOCOL;
    }
    *out = map;
    return 0;
}

CLUSTER_DEF int cluster_map_load(struct cluster_map **out, const void *data, size_t size)
{
    return cluster_map_load_in(out, data, size, NULL);
}

#endif
