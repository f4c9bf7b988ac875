/*
 * names, port: one question to an epmd.
 */
#ifndef CLUSTERCTL_EPMD_CLIENT_H
#define CLUSTERCTL_EPMD_CLIENT_H

#include "list.h"

/* Runs the loop until the request is answered. Returns the reply, which lives until the next turn, or NULL when a signal
 * came first. */
static const struct cluster_event *await_reply(struct loop *l, uint64_t request)
{
    const struct cluster_event *e;
    while (!signal_end) {
        while ((e = cluster_next_event(l->c)) != NULL)
            if (e->type == CLUSTER_REPLY && e->request == request)
                return e;
        loop_turn(l, CLUSTER_NEVER);
    }
    return NULL;
}

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

static int query_refused(struct loop *l, int result)
{
    int status = fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(l->c));
    loop_end(l);
    return status;
}

static void names_print(const char *lines, bool json)
{
    struct names list = {NULL, 0};
    size_t i;
    names_split(&list, lines, '\n');
    for (i = 0; i < list.count; i++) {
        char *space = strrchr(list.at[i], ' ');
        if (!space)
            continue;
        if (json) {
            *space = '\0';
            json_begin("name");
            json_text("name", list.at[i]);
            json_number("port", strtoul(space + 1, NULL, 10));
            json_end();
        } else {
            print_safe(stdout, list.at[i]);
            putchar('\n');
        }
    }
    names_clear(&list);
}

static int run_names(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    const char *host = a->count ? a->operands[0] : NULL;
    uint64_t request;
    int result, status = open_queries(&l);
    if (status)
        return status;
    result = cluster_epmd_names(l.c, host, &request);
    if (result < 0)
        return query_refused(&l, result);
    reply = await_reply(&l, request);
    if (!reply)
        status = FAILED;
    else if (reply->error)
        status = fail(reply->error == CLUSTER_E_INVALID ? USAGE : FAILED, "no names: %s",
                      *reply->text ? reply->text : cluster_strerror(reply->error));
    else
        names_print(reply->text, given(a, OPT_JSON));
    loop_end(&l);
    return status;
}

static int run_port(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    const char *node = a->operands[0];
    uint64_t request;
    int result, status = open_queries(&l);
    if (status)
        return status;
    result = cluster_epmd_port(l.c, node, &request);
    if (result < 0)
        return query_refused(&l, result);
    reply = await_reply(&l, request);
    if (!reply) {
        status = FAILED;
    } else if (reply->error == CLUSTER_E_NOT_FOUND) {
        status = fail(NEGATIVE, "no port of %s: %s; `clusterctl names HOST` prints those it has", node, reply->text);
    } else if (reply->error) {
        status = fail(reply->error == CLUSTER_E_INVALID ? USAGE : FAILED, "no port of %s: %s", node,
                      *reply->text ? reply->text : cluster_strerror(reply->error));
    } else if (given(a, OPT_JSON)) {
        json_begin("port");
        json_text("node", node);
        json_number("port", strtoul(reply->text, NULL, 10));
        json_end();
    } else {
        puts(reply->text);
    }
    loop_end(&l);
    return status;
}

#endif
