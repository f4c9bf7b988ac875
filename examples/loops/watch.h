/* The program that every loop of this folder runs: it watches sources, prints what happens, and ends cleanly on a signal. Here is
 * all of it that has nothing to do with a loop. */
#ifndef EXAMPLES_LOOPS_WATCH_H
#define EXAMPLES_LOOPS_WATCH_H

#include "../../cluster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    struct cluster *cluster;
    uint64_t generation; /* of the set below */
    struct pollfd *set;  /* what the loop waits for, sorted by descriptor */
    size_t count;
    void **slots; /* by descriptor: what the loop keeps for it */
    size_t slot_count;
    int done; /* a signal came, or it cannot go on */
    int status;
};

/* End with exit status 3: what could not be done, and what to look at. */
static inline void watch_fail(struct watch *w, const char *what)
{
    fprintf(stderr, "watch: %s\n", what);
    w->done = 1;
    w->status = 3;
}

/* Add every URL of the command line. 0, or the exit status after a sentence. */
static inline int watch_open(struct watch *w, int argc, char **argv)
{
    int i;
    memset(w, 0, sizeof *w);
    if (argc < 2) {
        fprintf(stderr, "watch: name a source, as in: %s epmd:localhost\n", argv[0]);
        return 2;
    }
    if (cluster_create(&w->cluster, NULL) < 0) {
        fprintf(stderr, "watch: no memory\n");
        return 3;
    }
    for (i = 1; i < argc; i++) {
        if (cluster_discover(w->cluster, argv[i], NULL) < 0) {
            fprintf(stderr, "watch: %s\n", cluster_last_error(w->cluster));
            cluster_destroy(w->cluster);
            return 2;
        }
    }
    return 0;
}

/* Print what happened since the last time. */
static inline void watch_print(struct watch *w)
{
    const struct cluster_event *e;
    size_t i;
    while ((e = cluster_next_event(w->cluster)) != NULL) {
        switch (e->type) {
        case CLUSTER_JOIN:
        case CLUSTER_LEAVE:
        case CLUSTER_CHANGE:
            printf("%c %s\n", e->type == CLUSTER_JOIN ? '+' : e->type == CLUSTER_LEAVE ? '-' : '~', e->member->name);
            break;
        case CLUSTER_RESYNC: /* events were lost: this is the list now */
            for (i = 0; i < cluster_member_count(w->cluster); i++)
                printf("= %s\n", cluster_member_at(w->cluster, i)->name);
            break;
        case CLUSTER_SOURCE:
            printf("source %s %s\n", cluster_source_url(e->source), e->error ? e->text : "answers");
            break;
        default:
            printf("%s %s\n", cluster_event_name(e->type), e->text);
        }
    }
    if (fflush(stdout) != 0)
        watch_fail(w, "the output cannot be written: is the disk full?");
}

/* The exit status of the program. */
static inline int watch_close(struct watch *w)
{
    cluster_destroy(w->cluster);
    free(w->set);
    free((void *)w->slots);
    return w->status;
}

/* The same for a loop that does not even start. */
static inline int watch_refuse(struct watch *w, const char *what)
{
    watch_fail(w, what);
    return watch_close(w);
}

#endif
