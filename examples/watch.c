/* Print who joins and who leaves: cc -std=c99 -o watch examples/watch.c && ./watch epmd:localhost */
#define CLUSTER_IMPLEMENTATION
#include "../cluster.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct cluster *c;
    const struct cluster_event *e;
    if (cluster_create(&c, NULL) < 0)
        return 3;
    if (cluster_discover(c, argc > 1 ? argv[1] : "epmd:localhost", NULL) < 0)
        return fprintf(stderr, "%s\n", cluster_last_error(c)), 2;
    while (cluster_poll(c, -1) == 0) {
        while ((e = cluster_next_event(c)) != NULL)
            if (e->type == CLUSTER_JOIN || e->type == CLUSTER_LEAVE)
                printf("%c %s\n", e->type == CLUSTER_JOIN ? '+' : '-', e->member->name);
            else if (e->error)
                fprintf(stderr, "%s\n", e->text); /* the source failed: nobody leaves */
        if (fflush(stdout) != 0)
            return perror("watch"), 3;
    }
    cluster_destroy(c);
    return 3;
}
