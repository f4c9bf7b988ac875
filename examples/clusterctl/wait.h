/*
 * wait: a gate before a program.
 */
#ifndef CLUSTERCTL_WAIT_H
#define CLUSTERCTL_WAIT_H

#include "watch.h"

/* The last word before time was over: the count, and what each source says. */
static int wait_over(const struct loop *l, const struct arguments *a)
{
    size_t i;
    struct cluster_source *s;
    for (i = 0; (s = cluster_source_at(l->c, i)) != NULL; i++)
        if (cluster_source_state(s) == CLUSTER_SOURCE_FAILED)
            complain_of_source(s);
    if (signal_end)
        return fail(NEGATIVE, "interrupted before the cluster was ready; the command was not run");
    return fail(NEGATIVE, "%lu of %lu nodes are there after %s, this one counted: give it longer with --for, or ask for less",
                (unsigned long)(others(l->c) + 1), (unsigned long)number_of(a, OPT_QUORUM, 0), text_of(a, OPT_FOR, ""));
}

static int run_wait(const struct arguments *a)
{
    struct loop l;
    uint64_t end;
    int status;
    if (!given(a, OPT_QUORUM))
        return fail(USAGE, "`wait` needs --quorum N: how many nodes make the cluster ready, this one counted");
    if (number_of(a, OPT_QUORUM, 0) == 0)
        return fail(USAGE, "--quorum 0 waits for nothing: give 1 or more");
    if (!a->program || !a->program[0])
        return fail(USAGE, "`wait` needs the command to run at the end, after --: clusterctl wait URL --quorum N -- COMMAND");
    status = open_sources(&l, a);
    if (status)
        return status;
    end = end_of(a, CLUSTER_NEVER);
    while (cluster_status(l.c) != CLUSTER_READY) {
        if (signal_end || cluster_now() >= end) {
            status = wait_over(&l, a);
            loop_end(&l);
            return status;
        }
        loop_turn(&l, end);
        while (cluster_next_event(l.c))
            continue;
    }
    if (given(a, OPT_JSON)) {
        json_begin("ready");
        json_number("members", others(l.c));
        json_number("quorum", number_of(a, OPT_QUORUM, 0));
        json_end();
    }
    loop_end(&l);
    fflush(stdout);
    execvp(a->program[0], a->program);
    return fail(FAILED, "cannot run %s: %s", a->program[0], strerror(errno));
}

#endif
