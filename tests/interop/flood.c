/* Sends to a node until no more is taken, and goes on once it is: each message arrives. */
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"

#include <stdio.h>

static struct cluster *c;

static const struct cluster_event *next(uint32_t type)
{
    const struct cluster_event *e;
    for (;;) {
        while ((e = cluster_next_event(c)) != NULL) {
            if (e->type == type)
                return e;
            if (e->type == CLUSTER_DOWN)
                printf("down %s\n", e->text);
        }
        if (cluster_poll(c, -1) < 0)
            return NULL;
    }
}

static bool pong(const char *node)
{
    const struct cluster_event *e;
    uint64_t request;
    return !cluster_ping(c, node, &request) && (e = next(CLUSTER_REPLY)) != NULL && !e->error;
}

/* argv: own name, cookie, node. A line on the standard input begins it. */
int main(int argc, char **argv)
{
    static unsigned char message[6 + 65536] = {131, 109, 0, 1, 0, 0};
    struct cluster_options options;
    unsigned count = 0;
    int result;
    cluster_options_init(&options);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 4)
        return 2;
    options.node = argv[1];
    options.cookie = argv[2];
    if (cluster_create(&c, &options) < 0 || !pong(argv[3]))
        return 3;
    puts("up");
    if (getchar() == EOF)
        return 4;
    while ((result = cluster_send(c, argv[3], "box", message, sizeof message)) == 0) {
        count++;
        if (cluster_poll(c, 0) < 0)
            return 5;
    }
    printf("%s after %u\n", cluster_strerror(result), count);
    if (!next(CLUSTER_WRITABLE))
        return 6;
    puts("writable");
    if (cluster_send(c, argv[3], "box", "\x83w\4done", 7) < 0 || !pong(argv[3]))
        return 7;
    cluster_destroy(c);
    return 0;
}
