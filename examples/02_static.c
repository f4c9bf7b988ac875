/* Teaches: a handle, a source, and events. A source names nodes; the handle keeps the members, and says what changed.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 02_static examples/02_static.c && ./02_static static:a@h1,b@h2
 */
#include "../cluster.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct cluster *c;
    const struct cluster_event *e;
    size_t i;
    if (cluster_create(&c, NULL) < 0)
        return 3;
    for (i = 1; i < (size_t)argc; i++) {
        if (cluster_discover(c, argv[i], NULL) < 0) { /* a wrong URL: the sentence says what to change */
            fprintf(stderr, "02_static: %s\n", cluster_last_error(c));
            cluster_destroy(c);
            return 2;
        }
    }
    cluster_step(c, cluster_now(), NULL, 0); /* nothing happens outside of a step */
    while ((e = cluster_next_event(c)) != NULL) {
        if (e->type == CLUSTER_JOIN)
            printf("join %s\n", e->member->name);
        else if (e->type == CLUSTER_SOURCE) /* its state changed: the first round is over */
            printf("%s ended a round, members: %d\n", cluster_source_url(e->source), (int)cluster_source_count(e->source));
    }
    for (i = 0; i < cluster_member_count(c); i++)
        printf("member %s\n", cluster_member_at(c, i)->name);
    cluster_destroy(c);
    return 0;
}

/* Exercise: give it two sources that both name a@h1. How many JOINs are there? Then give it static:a and read the sentence; and
 * 'static:a?node=app', in quotes since a shell may take the ? for itself. */
