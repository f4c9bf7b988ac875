/* Teaches: your own loop. Four calls: events, watches, timeout, step. This loop also waits for its standard input, and sleeps
 * whenever neither has anything to do.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 05_loop examples/05_loop.c && echo quit | ./05_loop static:a@h1
 */
#define _DEFAULT_SOURCE
#include "../cluster.h"
#include <stdio.h>
#include <unistd.h>

#define ROOM 64 /* descriptors; more than limit_watches can never be asked for */

static void show(struct cluster *c)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(c)) != NULL)
        if (e->type == CLUSTER_JOIN || e->type == CLUSTER_LEAVE)
            printf("%s %s\n", cluster_event_name(e->type), e->member->name);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster *c;
    int ended = 0;
    struct pollfd fds[1 + ROOM];
    char line[256];
    cluster_options_init(&options);
    options.limit_watches = ROOM;
    if (cluster_create(&c, &options) < 0)
        return 3;
    if (cluster_discover(c, argc > 1 ? argv[1] : "", NULL) < 0) {
        fprintf(stderr, "05_loop: %s\n", cluster_last_error(c));
        cluster_destroy(c);
        return 2;
    }
    while (!ended) {
        size_t n;
        show(c);                               /* 1. what happened */
        n = cluster_watches(c, fds + 1, ROOM); /* 2. what to wait for; the first entry is ours */
        fds[0].fd = STDIN_FILENO;
        fds[0].events = POLLIN;
        fds[0].revents = 0;
        poll(fds, (nfds_t)(1 + n), cluster_timeout_ms(c, cluster_now())); /* 3. and for how long */
        cluster_step(c, cluster_now(), fds + 1, n);                       /* 4. go on */
        ended = fds[0].revents && read(STDIN_FILENO, line, sizeof line) <= 0;
    }
    show(c);
    printf("end of input\n");
    cluster_destroy(c);
    return 0;
}

/* Exercise: print a line each time that poll returns. How often does it with `static:a@h1`, and how often with a file? Then read
 * examples/loops/ for the loop that your program has. */
