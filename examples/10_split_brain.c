/* Teaches: a network splits. Each half sees only itself, and each is right about that. With a quorum by count both go on; with a
 * majority of what is expected only one does. Discovery cannot do more: it is not consensus.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 10_split_brain examples/10_split_brain.c && ./10_split_brain
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"n0@h", "n1@h", "n2@h", "n3@h", "n4@h"};
static const char *const words[] = {"FORMING", "READY", "DEGRADED"};

/* Node `self` sees the nodes from `first` on, so many. */
static int see(struct cluster *c, struct cluster_source *s, int first, int count)
{
    struct cluster_node nodes[5];
    int i;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < count; i++) {
        nodes[i].size = sizeof nodes[i];
        nodes[i].name = names[first + i];
    }
    if (cluster_source_publish(s, nodes, (size_t)count) < 0 || cluster_step(c, cluster_now(), NULL, 0) < 0)
        return -1;
    while (cluster_next_event(c))
        ;
    return cluster_status(c);
}

static int story(const char *quorum_of)
{
    struct cluster_options options;
    struct cluster *c[2];
    struct cluster_source *s[2];
    static const int self[2] = {0, 4}; /* one node of each half: n0 n1 and n2 n3 n4 */
    int i, before[2], split[2], healed[2];
    char error[256] = "";
    for (i = 0; i < 2; i++) {
        cluster_options_init(&options);
        options.node = names[self[i]];
        options.quorum = strcmp(quorum_of, "count") == 0 ? 2 : 0;
        options.quorum_of = quorum_of;
        options.expected = 5;
        options.error = error;
        options.error_size = sizeof error;
        if (cluster_create(&c[i], &options) < 0 || cluster_discover(c[i], "push:network", &s[i]) < 0) {
            fprintf(stderr, "10_split_brain: %s\n", error);
            return 2;
        }
        before[i] = see(c[i], s[i], 0, 5);
        split[i] = i ? see(c[i], s[i], 2, 3) : see(c[i], s[i], 0, 2);
        healed[i] = see(c[i], s[i], 0, 5);
        printf("%-8s  %s: %s, split with %d of 5: %s, healed: %s, token %d\n", quorum_of, names[self[i]], words[before[i]],
               i ? 3 : 2, words[split[i]], words[healed[i]], (int)cluster_token(c[i]));
    }
    cluster_destroy(c[0]);
    cluster_destroy(c[1]);
    return 0;
}

int main(void)
{
    int result = story("count");
    return result ? result : story("majority");
}

/* Exercise: 5 nodes become 9, but `expected` is still 5 on some of them. Can two halves both be READY? What would have to agree on the
 * new number, before any node uses it? That is where consensus begins. */
