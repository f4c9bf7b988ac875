/* Teaches: testing what a network does to you, without a network. All I/O goes through hooks. Here the hook that reads files
 * fails for a while, and time is a number: a failure of a day is over in microseconds, and comes out the same every time.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 11_hooks examples/11_hooks.c && ./11_hooks
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

#define HOUR (UINT64_C(3600) * 1000000000)

struct disk {
    int hour;   /* the time, as the test says it */
    int failed; /* reads that failed */
};

/* struct cluster_io's read_file: gives the file's size, puts at most `size` bytes of it into data, and a stamp that differs whenever
 * the file does. */
static int64_t read_file(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    struct disk *d = (struct disk *)ctx;
    const char *text = d->hour < 10 ? "a@h1\nb@h2\n" : "b@h2\n";
    (void)path;
    if (d->hour >= 3 && d->hour < 27) {
        d->failed++;
        return CLUSTER_E_IO;
    }
    *stamp = d->hour < 10 ? 1 : 2;
    if (size >= strlen(text))
        memcpy(data, text, strlen(text));
    return (int64_t)strlen(text);
}

int main(void)
{
    struct cluster_options options;
    struct cluster_io io;
    struct disk disk = {0, 0};
    struct cluster *c;
    const struct cluster_event *e;
    cluster_options_init(&options);
    memset(&io, 0, sizeof io);
    io.size = sizeof io; /* hooks that are NULL stay those of the system */
    io.ctx = &disk;
    io.read_file = read_file;
    options.io = &io;
    options.seed = 1; /* jitter that can be repeated */
    if (cluster_create(&c, &options) < 0)
        return 3;
    if (cluster_discover(c, "file:/nodes?interval=1h&jitter=0%", NULL) < 0) {
        fprintf(stderr, "11_hooks: %s\n", cluster_last_error(c));
        cluster_destroy(c);
        return 2;
    }
    for (disk.hour = 0; disk.hour < 30; disk.hour++) {
        cluster_step(c, (uint64_t)(disk.hour + 1) * HOUR, NULL, 0);
        while ((e = cluster_next_event(c)) != NULL)
            if (e->type == CLUSTER_JOIN || e->type == CLUSTER_LEAVE)
                printf("hour %2d  %s %s\n", disk.hour, cluster_event_name(e->type), e->member->name);
            else if (e->type == CLUSTER_SOURCE)
                printf("hour %2d  the source %s\n", disk.hour, e->error ? "fails" : "answers");
    }
    printf("%d reads failed, %d members are left\n", disk.failed, (int)cluster_member_count(c));
    cluster_destroy(c);
    return 0;
}

/* Exercise: replace `random` as well, and put two handles on one fake network (open, bind, send, recv). What must recv
 * return when there is nothing to read? tests/sim/ does it with hundreds of handles. */
