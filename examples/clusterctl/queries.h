/*
 * One question and its reply, as a command that ends with that.
 */
#ifndef CLUSTERCTL_QUERIES_H
#define CLUSTERCTL_QUERIES_H

#include "sources.h"

/* A handle with nothing but its defaults. */
static int open_queries(struct loop *l)
{
    struct cluster *c;
    int result, status = signals_begin();
    if (status)
        return status;
    result = cluster_create(&c, NULL);
    if (result < 0)
        return fail(FAILED, "%s", cluster_strerror(result));
    loop_begin(l, c, signal_pipe[0]);
    return DONE;
}

/* A call of the library was refused: its sentence, and the status that says so. */
static int query_refused(const struct loop *l, int result)
{
    return fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(l->c));
}

/* Runs the loop until the reply to what was asked with this result. It lives until the next turn. NULL: it was refused, or a signal
 * came first, and *status is how the command ends. */
static const struct cluster_event *query_reply(struct loop *l, int result, const uint64_t *request, int *status)
{
    const struct cluster_event *e;
    *status = result < 0 ? query_refused(l, result) : DONE;
    while (!*status && !signal_end) {
        while ((e = cluster_next_event(l->c)) != NULL)
            if (e->type == CLUSTER_REPLY && e->request == *request)
                return e;
        loop_turn(l, CLUSTER_NEVER);
    }
    *status = *status ? *status : FAILED;
    return NULL;
}

#endif
