/* How soon it is known that a node is there, and that it is gone: ten nodes on loopback, each with a link to each other,
 * found by gossip. From the start of the tenth to CLUSTER_UP on all nine others; and from kill -9 of a node to CLUSTER_DOWN
 * on one that is linked to it. The median and the worst of 20 runs each, in milliseconds; beside the first, gossip and the
 * handshake alone cost as much as a node's first packet and three round trips. With --check: once each, and no time is
 * judged. */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { NODES = 10, RUNS = 20, FDS = 512 };

static struct cluster *nodes[NODES];
static char url[96];
static unsigned up[NODES]; /* what each knows of the newest */
static char newest[64];

static struct cluster *node(const char *name)
{
    struct cluster_options o;
    struct cluster *c;
    char error[256];
    cluster_options_init(&o);
    o.node = name;
    o.cookie = "a cookie of this benchmark";
    o.connect = "erlang";
    o.listen = "127.0.0.1:0";
    o.error = error;
    o.error_size = sizeof error;
    if (cluster_create(&c, &o) < 0 || cluster_discover(c, url, NULL) < 0) {
        fprintf(stderr, "up: %s\n", error);
        exit(1);
    }
    return c;
}

/* One turn of all loops, which wait together. */
static void turn(void)
{
    static struct pollfd fds[FDS];
    size_t first[NODES + 1], i;
    int ms = 100;
    first[0] = 0;
    for (i = 0; i < NODES; i++) {
        int left = nodes[i] ? cluster_timeout_ms(nodes[i], cluster_now()) : -1;
        first[i + 1] = first[i] + (nodes[i] ? cluster_watches(nodes[i], fds + first[i], FDS - first[i]) : 0);
        if (first[i + 1] > FDS)
            exit(1);
        ms = left >= 0 && left < ms ? left : ms;
    }
    poll(fds, (nfds_t)first[NODES], ms);
    for (i = 0; i < NODES; i++) {
        const struct cluster_event *e;
        if (!nodes[i])
            continue;
        cluster_step(nodes[i], cluster_now(), fds + first[i], first[i + 1] - first[i]);
        while ((e = cluster_next_event(nodes[i])) != NULL)
            if ((e->type == CLUSTER_UP || e->type == CLUSTER_DOWN) && !strcmp(e->member->name, newest))
                up[i] = e->type == CLUSTER_UP;
    }
}

static unsigned all_up(void)
{
    unsigned count = 0, i;
    for (i = 0; i < NODES - 1; i++)
        count += up[i];
    return count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void show(const char *what, double *ms, size_t runs)
{
    qsort(ms, runs, sizeof *ms, compare);
    printf("%-58s median %8.2f ms, worst %8.2f ms\n", what, ms[runs / 2], ms[runs - 1]);
}

static void newcomers(size_t runs)
{
    double ms[RUNS];
    char names[NODES][64];
    size_t i, r;
    for (i = 0; i < NODES - 1; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%u@127.0.0.1", (unsigned)i);
        (void)snprintf(newest, sizeof newest, "%s", names[i]);
        memset(up, 0, sizeof up);
        nodes[i] = node(names[i]);
        while (all_up() < i)
            turn();
    }
    for (r = 0; r < runs; r++) {
        uint64_t began = cluster_now();
        (void)snprintf(newest, sizeof newest, "newcomer%u@127.0.0.1", (unsigned)r);
        memset(up, 0, sizeof up);
        nodes[NODES - 1] = node(newest);
        while (all_up() < NODES - 1)
            turn();
        ms[r] = (double)(cluster_now() - began) / 1e6;
        cluster_destroy(nodes[NODES - 1]);
        nodes[NODES - 1] = NULL;
        while (all_up())
            turn();
    }
    show("from a node's start to UP on the nine others", ms, runs);
    for (i = 0; i < NODES - 1; i++)
        cluster_destroy(nodes[i]);
    memset(nodes, 0, sizeof nodes);
}

static void deaths(size_t runs)
{
    double ms[RUNS];
    size_t r;
    nodes[0] = node("watcher@127.0.0.1");
    for (r = 0; r < runs; r++) {
        uint64_t killed;
        pid_t child;
        (void)snprintf(newest, sizeof newest, "mortal%u@127.0.0.1", (unsigned)r);
        up[0] = 0;
        child = fork();
        if (child == 0) {
            struct cluster *c = node(newest);
            for (;;) {
                (void)cluster_poll(c, 1000);
                while (cluster_next_event(c))
                    continue;
            }
        }
        while (!up[0])
            turn();
        killed = cluster_now();
        kill(child, SIGKILL);
        while (up[0])
            turn();
        ms[r] = (double)(cluster_now() - killed) / 1e6;
        (void)waitpid(child, NULL, 0);
    }
    show("from kill -9 to DOWN on a live link", ms, runs);
    cluster_destroy(nodes[0]);
}

int main(int argc, char **argv)
{
    size_t runs = argc > 1 && !strcmp(argv[1], "--check") ? 1 : RUNS;
    (void)snprintf(url, sizeof url, "gossip:239.76.67.3:%u?if=127.0.0.1&ttl=0", 20000 + (unsigned)getpid() % 40000);
    newcomers(runs);
    deaths(runs);
    return 0;
}
