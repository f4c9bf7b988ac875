/*
 * Saved maps. What loads is whole: every owner is a node, and saving it gives the same bytes. The checksum is mended first, so
 * that what is behind it is reached too.
 */
#include "../../src/place/save.h"

#include "target.h"

static void look(const uint8_t *data, size_t size)
{
    struct cluster_map *map = NULL;
    uint32_t shard, i, owners[CLU_MAP_REPLICAS];
    uint64_t held = 0, loads = 0;
    uint8_t *again;
    int result = cluster_map_load(&map, data, size);
    CHECK((result == 0) == (map != NULL));
    if (!map) {
        CHECK(result == CLUSTER_E_PROTOCOL || result == CLUSTER_E_MEMORY);
        return;
    }
    CHECK(cluster_map_save(map, NULL, 0) == size);
    again = (uint8_t *)malloc(size);
    CHECK(again && cluster_map_save(map, again, size) == size && memcmp(data, again, size) == 0);
    free(again);
    for (shard = 0; shard < cluster_map_shards(map); shard++) {
        const size_t count = cluster_map_shard_owners(map, shard, owners, CLU_MAP_REPLICAS);
        held += count;
        for (i = 0; i < count; i++)
            CHECK(cluster_map_node(map, owners[i]) && (!i || owners[i] != owners[i - 1]));
    }
    for (i = 0; i < cluster_map_nodes(map); i++) {
        CHECK(cluster_map_find(map, cluster_map_node(map, i)) == i);
        loads += cluster_map_node_load(map, i);
    }
    CHECK(held == loads);
    i = cluster_map_owner(map, "key", 3);
    CHECK(i == CLUSTER_NOBODY ? !held : cluster_map_owns(map, i, "key", 3) == 1);
    cluster_map_free(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(data, size);
    if (size >= CLU_SAVE_HEAD + 8) {
        struct clu_reader seed = clu_reader_of(data + 24, 16);
        uint8_t *mended = (uint8_t *)malloc(size);
        uint64_t key[2];
        CHECK(mended);
        memcpy(mended, data, size);
        key[0] = clu_read_be(&seed, 8);
        key[1] = clu_read_be(&seed, 8);
        clu_put_be(mended + size - 8, cluster_siphash(data, size - 8, key[0], key[1]), 8);
        look(mended, size);
        free(mended);
    }
    return 0;
}
