/* Teaches: a dispatcher. Which node is responsible for a key? Every node that sees the same members says the same, without asking
 * anyone. A key belongs to one of a fixed number of shards, and a shard to a node.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 07_placement examples/07_placement.c && ./07_placement user:1 user:2 user:3
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

/* The map of a handle that learns the members in the order of this URL. */
static struct cluster_map *map_of(const char *url)
{
    struct cluster_options options;
    struct cluster_map_options placement;
    struct cluster_map *map;
    struct cluster *c;
    cluster_options_init(&options);
    memset(&placement, 0, sizeof placement);
    placement.size = sizeof placement;
    placement.shards = 1024;
    options.map = &placement;
    if (cluster_create(&c, &options) < 0)
        return NULL;
    if (cluster_discover(c, url, NULL) < 0)
        fprintf(stderr, "07_placement: %s\n", cluster_last_error(c));
    cluster_step(c, cluster_now(), NULL, 0);
    map = cluster_current_map(c); /* a reference of our own: it outlives the handle */
    cluster_destroy(c);
    return map;
}

int main(int argc, char **argv)
{
    struct cluster_map *here = map_of("static:a@h1,b@h2,c@h3");
    struct cluster_map *there = map_of("static:c@h3,a@h1,b@h2");
    int i;
    if (!here || !there || !cluster_map_nodes(here) || !cluster_map_nodes(there))
        return 3;
    for (i = 1; i < argc; i++)
        printf("%s: shard %u, %s here and %s there\n", argv[i], (unsigned)cluster_map_shard(here, argv[i], strlen(argv[i])),
               cluster_map_node(here, cluster_map_owner(here, argv[i], strlen(argv[i]))),
               cluster_map_node(there, cluster_map_owner(there, argv[i], strlen(argv[i]))));
    printf("they place alike: %s\n", cluster_map_fingerprint(here) == cluster_map_fingerprint(there) ? "yes" : "no");
    cluster_map_free(here);
    cluster_map_free(there);
    return 0;
}

/* Exercise: let `there` miss a node. Which keys go elsewhere? Two nodes that do not see the same members dispatch differently: how
 * would you notice (the last line), and what would a request that came to the wrong node do? */
