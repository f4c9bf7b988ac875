/*
 * Who owns what, and what moves when a node comes:
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -I. -o place examples/place.c && ./place
 */
#include "cluster.h"
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3", "app@10.0.0.4"};
static const char *const zones[] = {"eu/a", "eu/b", "eu/a", "eu/b"};

int main(void)
{
    struct cluster_map_options options;
    struct cluster_node nodes[4];
    struct cluster_map *before, *after;
    struct cluster_move moves[512];
    uint32_t owners[2], give[4] = {0}, take[4] = {0}, batches, i;
    size_t count;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = 256;
    options.replicas = 2; /* in two zones */
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < 4; i++) {
        nodes[i].size = sizeof nodes[i];
        nodes[i].name = names[i];
        nodes[i].zone = zones[i];
        nodes[i].weight = i == 3 ? 2 : 1;
    }
    if (cluster_map_build(&before, nodes, 3, &options) != 0 || cluster_map_build(&after, nodes, 4, &options) != 0)
        return 1;
    for (i = 0; i < cluster_map_nodes(after); i++)
        printf("%s holds %u, then %u\n", cluster_map_node(after, i), (unsigned)cluster_map_node_load(before, i),
               (unsigned)cluster_map_node_load(after, i));
    cluster_map_owners(after, "user:42", 7, owners, 2);
    printf("user:42 is on %s, and on %s\n", cluster_map_node(after, owners[0]), cluster_map_node(after, owners[1]));
    count = cluster_map_plan(before, after, moves, 512);
    batches = cluster_map_batches(moves, count, 32, give, take);
    printf("%u places move, in %u batches; first shard %u from %s to %s\n", (unsigned)count, (unsigned)batches,
           (unsigned)moves[0].shard, cluster_map_node(before, moves[0].from), cluster_map_node(after, moves[0].to));
    cluster_map_free(before);
    cluster_map_free(after);
    return 0;
}
