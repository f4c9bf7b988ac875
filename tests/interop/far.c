/* Keeps a link to the nodes of a URL, with a tick time of 2 s, and says when one is up or down. */
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"

#include <stdio.h>

/* argv: own name, cookie, URL */
int main(int argc, char **argv)
{
    struct cluster_options options;
    const struct cluster_event *e;
    struct cluster *c;
    cluster_options_init(&options);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 4)
        return 2;
    options.node = argv[1];
    options.cookie = argv[2];
    options.connect = "erlang";
    options.tick = "2s";
    options.backoff = "100ms..400ms";
    if (cluster_create(&c, &options) < 0 || cluster_discover(c, argv[3], NULL) < 0)
        return 3;
    while (cluster_poll(c, -1) == 0)
        while ((e = cluster_next_event(c)) != NULL)
            if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN)
                printf("%s %s %s\n", e->type == CLUSTER_UP ? "up" : "down", e->member->name, e->text);
    return 4;
}
