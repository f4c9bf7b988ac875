/* Teaches: what moves when a node goes. Of 10000 keys on 10 nodes a tenth has to move, since its owner is gone. How many do move with
 * hash modulo n, with rendezvous hashing, with jump hashing, and with the map?
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 08_node_loss examples/08_node_loss.c && ./08_node_loss
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

#define NODES 10
#define KEYS 10000

static const char *const names[NODES] = {"n0@h", "n1@h", "n2@h", "n3@h", "n4@h", "n5@h", "n6@h", "n7@h", "n8@h", "n9@h"};

static uint32_t modulo(uint64_t hash, uint32_t n)
{
    return (uint32_t)(hash % n);
}

int main(void)
{
    struct cluster_node nodes[NODES];
    struct cluster_map *all, *fewer;
    int i, moved[4] = {0, 0, 0, 0}, lost = 0;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < NODES; i++) {
        nodes[i].size = sizeof nodes[i];
        nodes[i].name = names[i];
    }
    if (cluster_map_build(&all, nodes, NODES, NULL) < 0 || cluster_map_build(&fewer, nodes, NODES - 1, NULL) < 0)
        return 3;
    for (i = 0; i < KEYS; i++) { /* the last node goes */
        char key[16];
        size_t size = (size_t)sprintf(key, "key-%d", i);
        uint64_t hash = cluster_hash64(key, size, 0);
        uint32_t owner = cluster_map_owner(all, key, size);
        lost += owner == NODES - 1;
        moved[0] += modulo(hash, NODES) != modulo(hash, NODES - 1);
        moved[1] += cluster_rendezvous(key, size, names, NODES, 0) != cluster_rendezvous(key, size, names, NODES - 1, 0);
        moved[2] += cluster_jump(hash, NODES) != cluster_jump(hash, NODES - 1);
        moved[3] += owner != cluster_map_owner(fewer, key, size);
    }
    printf("modulo      %5d of %d keys move\n", moved[0], KEYS);
    printf("rendezvous  %5d\n", moved[1]);
    printf("jump        %5d\n", moved[2]);
    printf("map         %5d, of which %d were on the lost node\n", moved[3], lost);
    cluster_map_free(all);
    cluster_map_free(fewer);
    return 0;
}

/* Exercise: let n3@h go in place of the last one; compare names then, since an index means another node in a shorter list. Why can
 * jump not say that a node in the middle went? And how even are they? Print the map's fullest and emptiest node
 * (cluster_map_node_load), and count the keys of each node with rendezvous. */
