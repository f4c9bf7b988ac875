/*
 * list: the members after each source's first round.
 */
#ifndef CLUSTERCTL_LIST_H
#define CLUSTERCTL_LIST_H

#include "watch.h"

static bool every_source_spoke(const struct cluster *c)
{
    size_t i;
    struct cluster_source *s;
    for (i = 0; (s = cluster_source_at(c, i)) != NULL; i++)
        if (cluster_source_state(s) == CLUSTER_SOURCE_STARTING)
            return false;
    return true;
}

static void list_members(const struct cluster *c, bool json)
{
    size_t i;
    const struct cluster_member *m;
    for (i = 0; (m = cluster_member_at(c, i)) != NULL; i++) {
        if (m->flags & CLUSTER_MEMBER_SELF)
            continue;
        if (json) {
            json_begin("member");
            json_member(m);
            json_end();
        } else {
            print_safe(stdout, m->name);
            putchar('\n');
        }
    }
}

/* Names the sources that did not answer; returns how many did. */
static size_t list_complain(const struct cluster *c)
{
    size_t i, answered = 0;
    struct cluster_source *s;
    for (i = 0; (s = cluster_source_at(c, i)) != NULL; i++) {
        int state = cluster_source_state(s);
        if (state == CLUSTER_SOURCE_FAILED)
            complain_of_source(s);
        else if (state == CLUSTER_SOURCE_STARTING)
            fail(FAILED, "%s gave no answer in time: give it longer with --for", cluster_source_url(s));
        else
            answered++;
    }
    return answered;
}

/* Until every source had its first round, or time is over. */
static int open_first_rounds(struct loop *l, const struct arguments *a)
{
    uint64_t end;
    int status = open_sources(l, a);
    if (status)
        return status;
    end = end_of(a, 10 * SECOND);
    while (!every_source_spoke(l->c) && !signal_end && cluster_now() < end) {
        loop_turn(l, end);
        while (cluster_next_event(l->c))
            continue;
    }
    return DONE;
}

/* How a command on the first rounds ends. */
static int end_first_rounds(struct loop *l)
{
    size_t answered = list_complain(l->c);
    int status = DONE;
    if (!others(l->c) && !cluster_source_at(l->c, 0))
        status = fail(NEGATIVE, "no member: an empty URL is no source");
    else if (!others(l->c))
        status = !answered
                     ? FAILED
                     : fail(NEGATIVE, "no member: the answer names no node but this one, or only=, except= and allow= leave "
                                      "all out; `clusterctl doctor URL` says more");
    loop_end(l);
    return status;
}

static int run_list(const struct arguments *a)
{
    struct loop l;
    int status = open_first_rounds(&l, a);
    if (status)
        return status;
    list_members(l.c, given(a, OPT_JSON));
    return end_first_rounds(&l);
}

#endif
