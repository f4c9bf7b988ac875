/* Teaches: a node in a real cluster. It finds the Erlang nodes of a source, links to each as a hidden node, and pings one. The
 * cookie is what all of them know; it comes from the environment, since a command line is for everyone to read.
 *
 *     erl -name a@127.0.0.1 -setcookie secret          (in another terminal)
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 12_node examples/12_node.c && COOKIE=secret ./12_node epmd:127.0.0.1 a@127.0.0.1
 */
#include "../cluster.h"
#include <stdio.h>
#include <stdlib.h>

/* Say it, and be done with the handle where there is one. */
static int fail(struct cluster *c, const char *sentence, int status)
{
    fprintf(stderr, "12_node: %s\n", sentence);
    cluster_destroy(c);
    return status;
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster *c;
    const struct cluster_event *e;
    char error[256] = "";
    uint64_t request = 0;
    int asked = 0;
    if (argc != 3 || !getenv("COOKIE"))
        return fail(NULL, "it takes a source and a node, as in: COOKIE=secret ./12_node epmd:127.0.0.1 a@127.0.0.1", 2);
    cluster_options_init(&options);
    options.node = "twelve@127.0.0.1"; /* a host with a dot: nodes that were started with -name */
    options.cookie = getenv("COOKIE");
    options.connect = "erlang";
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&c, &options) < 0)
        return fail(NULL, error, 2);
    if (cluster_discover(c, argv[1], NULL) < 0)
        return fail(c, cluster_last_error(c), 2);
    while (cluster_poll(c, -1) == 0) {
        while ((e = cluster_next_event(c)) != NULL) {
            if (e->type == CLUSTER_UP)
                printf("up %s\n", e->member->name);
            else if (e->type == CLUSTER_DOWN)
                printf("down %s: %s\n", e->member->name, e->text);
            else if (e->type == CLUSTER_REPLY && e->request == request) {
                int result = e->error ? 1 : 0;
                printf("%s: %s\n", argv[2], e->text);
                cluster_destroy(c);
                return result;
            } else if (e->type == CLUSTER_SOURCE && e->error)
                fprintf(stderr, "12_node: %s\n", e->text); /* it goes on: the next round may succeed */
            if (e->type == CLUSTER_SOURCE && !asked) {
                asked = 1;
                if (cluster_ping(c, argv[2], &request) < 0)
                    return fail(c, cluster_last_error(c), 2);
            }
        }
    }
    return 3;
}

/* Exercise: start a second Erlang node with another cookie. What does its DOWN say? Then stop a node that is up, and start it again:
 * how long until UP comes again, and why not at once (options.backoff)? */
