/*
 * names, port: one question to an epmd.
 */
#ifndef CLUSTERCTL_EPMD_CLIENT_H
#define CLUSTERCTL_EPMD_CLIENT_H

#include "queries.h"

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
    int status = open_queries(&l);
    if (status)
        return status;
    reply = query_reply(&l, cluster_epmd_names(l.c, host, &request), &request, &status);
    if (reply && reply->error)
        status = fail(reply->error == CLUSTER_E_INVALID ? USAGE : FAILED, "no names: %s",
                      *reply->text ? reply->text : cluster_strerror(reply->error));
    else if (reply)
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
    int status = open_queries(&l);
    if (status)
        return status;
    reply = query_reply(&l, cluster_epmd_port(l.c, node, &request), &request, &status);
    if (reply && reply->error == CLUSTER_E_NOT_FOUND) {
        status = fail(NEGATIVE, "no port of %s: %s; `clusterctl names HOST` prints those it has", node, reply->text);
    } else if (reply && reply->error) {
        status = fail(reply->error == CLUSTER_E_INVALID ? USAGE : FAILED, "no port of %s: %s", node,
                      *reply->text ? reply->text : cluster_strerror(reply->error));
    } else if (reply && given(a, OPT_JSON)) {
        json_begin("port");
        json_text("node", node);
        json_number("port", strtoul(reply->text, NULL, 10));
        json_end();
    } else if (reply) {
        puts(reply->text);
    }
    loop_end(&l);
    return status;
}

#endif
