/* Teaches: three answers. A round of a source ends as a list, as the complete answer "nobody", or as a failure. The first two change
 * the members, a failure never does: a registry that is down must not take the cluster with it.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 04_push examples/04_push.c && ./04_push
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

static void show(struct cluster *c, const char *what)
{
    size_t i;
    cluster_step(c, cluster_now(), NULL, 0);
    while (cluster_next_event(c))
        ;
    printf("%-22s:", what);
    for (i = 0; i < cluster_member_count(c); i++)
        printf(" %s", cluster_member_at(c, i)->name);
    printf("\n");
}

int main(void)
{
    struct cluster_node nodes[2];
    struct cluster_source *registry;
    struct cluster *c;
    if (cluster_create(&c, NULL) < 0)
        return 3;
    if (cluster_discover(c, "push:registry", &registry) < 0) {
        fprintf(stderr, "04_push: %s\n", cluster_last_error(c));
        cluster_destroy(c);
        return 2;
    }
    memset(nodes, 0, sizeof nodes);
    nodes[0].size = nodes[1].size = sizeof nodes[0]; /* whoever fills a struct says how large it knows it to be */
    nodes[0].name = "a@h1";
    nodes[1].name = "b@h2";
    cluster_source_publish(registry, nodes, 2);
    show(c, "a list of two");
    cluster_source_fail(registry, CLUSTER_E_IO, "the registry is down");
    show(c, "a failure");
    nodes[1].name = "not a name";
    if (cluster_source_publish(registry, nodes, 2) < 0)
        printf("refused: %s\n", cluster_last_error(c));
    show(c, "a list that is wrong");
    cluster_source_publish(registry, nodes, 1);
    show(c, "a list of one");
    cluster_source_publish(registry, NULL, 0);
    show(c, "an empty list");
    cluster_destroy(c);
    return 0;
}

/* Exercise: add `?min=1` to the URL. What does the empty list do then? And what would you rather have when a deployment is taken
 * down on purpose? */
