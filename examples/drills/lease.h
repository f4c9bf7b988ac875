/*
 * A lease in etcd, as a strategy of its own: `lease:HOST:PORT` tries each round to become the one whose name stands under the
 * key, or keeps what it has alive. The source lists the one who has it. The revision at which the key was made is the fencing
 * token: it is higher for each holder than for all before.
 *
 *     no lease -> grant -> txn: put the key if there is none -> it was put: held -> keepalive -> held
 *                           its failure says who has it: next round again         -> it has run out: no lease
 *
 * It does not look at a clock for how long the lease is good: a process that was paused finds its clock as credible as before. That the
 * store checks the token is what counts.
 */
#ifndef DRILL_LEASE_H
#define DRILL_LEASE_H

#include "../../cluster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_KEY "/drill/writer"
#define LEASE_SECONDS 4

enum { LEASE_GRANT, LEASE_TXN, LEASE_KEEP };

struct lease {
    struct cluster_source *source;
    char server[128], own[256];
    int asked;
    char id[24];      /* etcd's; "": there is none */
    uint64_t token;   /* 0: the key is not ours, as far as is known */
    char holder[256]; /* whose it is; "": not known */
    char answer[4096];
    size_t size;
};

static inline void lease_base64(const char *text, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at, i, size = strlen(text);
    for (at = 0; at < size; at += 3) {
        uint32_t group = 0;
        for (i = 0; i < 3; i++)
            group = group << 8 | (at + i < size ? (unsigned char)text[at + i] : 0u);
        for (i = 0; i < 4; i++)
            *out++ = at + i > size ? '=' : letters[group >> (18 - 6 * i) & 63];
    }
    *out = '\0';
}

static inline void lease_unbase64(const char *text, char *out, size_t capacity)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = 0;
    size_t at, length = 0;
    for (at = 0; text[at] && strchr(letters, text[at]); at++) {
        group = group << 6 | (uint32_t)(strchr(letters, text[at]) - letters);
        if (at % 4 && length + 1 < capacity)
            out[length++] = (char)(group >> (6 - 2 * (at % 4)));
    }
    out[length] = '\0';
}

/* The text that stands behind `"key":"` in the answer; 0: there is none. */
static inline int lease_field(const struct lease *l, const char *key, char *out, size_t capacity)
{
    char wanted[32];
    const char *from, *end;
    snprintf(wanted, sizeof wanted, "\"%s\":\"", key);
    from = strstr(l->answer, wanted);
    end = from ? strchr(from + strlen(wanted), '"') : NULL;
    if (!end)
        return 0;
    from += strlen(wanted);
    snprintf(out, capacity, "%.*s", (int)(end - from), from);
    return 1;
}

static inline int lease_ask(struct lease *l, int what)
{
    static const char *const paths[] = {"lease/grant", "kv/txn", "lease/keepalive"};
    struct cluster_request request;
    char url[192], body[1024], key[32], name[400];
    lease_base64(LEASE_KEY, key);
    lease_base64(l->own, name);
    if (what == LEASE_GRANT)
        snprintf(body, sizeof body, "{\"TTL\":%d}", LEASE_SECONDS);
    else if (what == LEASE_KEEP)
        snprintf(body, sizeof body, "{\"ID\":%s}", l->id);
    else
        snprintf(body, sizeof body,
                 "{\"compare\":[{\"key\":\"%s\",\"target\":\"CREATE\",\"createRevision\":0}],"
                 "\"success\":[{\"requestPut\":{\"key\":\"%s\",\"value\":\"%s\",\"lease\":%s}}],"
                 "\"failure\":[{\"requestRange\":{\"key\":\"%s\"}}]}",
                 key, key, name, l->id, key);
    snprintf(url, sizeof url, "http://%s/v3/%s", l->server, paths[what]);
    memset(&request, 0, sizeof request);
    request.size = sizeof request;
    request.method = "POST";
    request.url = url;
    request.headers = "Content-Type: application/json\n";
    request.body = body;
    request.body_size = strlen(body);
    l->asked = what;
    l->size = 0;
    return cluster_source_fetch(l->source, 0, &request);
}

static inline void lease_lost(struct lease *l)
{
    l->token = 0;
    l->id[0] = l->holder[0] = '\0';
}

static inline int lease_answered(struct lease *l)
{
    struct cluster_node node;
    char text[400], id[24];
    if (l->asked == LEASE_GRANT) {
        if (!lease_field(l, "ID", l->id, sizeof l->id))
            return CLUSTER_E_PROTOCOL;
        return lease_ask(l, LEASE_TXN); /* of the same round */
    }
    if (l->asked == LEASE_KEEP && !lease_field(l, "TTL", text, sizeof text)) {
        lease_lost(l);
        return lease_ask(l, LEASE_GRANT);
    }
    if (l->asked == LEASE_TXN && strstr(l->answer, "\"succeeded\":true")) {
        if (!lease_field(l, "revision", text, sizeof text))
            return CLUSTER_E_PROTOCOL;
        l->token = strtoull(text, NULL, 10);
        snprintf(l->holder, sizeof l->holder, "%s", l->own);
    } else if (l->asked == LEASE_TXN && lease_field(l, "value", text, sizeof text)) {
        lease_unbase64(text, l->holder, sizeof l->holder);
        if (strcmp(l->holder, l->own) == 0 && lease_field(l, "lease", id, sizeof id) && strcmp(id, l->id) == 0 &&
            lease_field(l, "create_revision", text, sizeof text))
            l->token = strtoull(text, NULL, 10); /* it was put, and the answer to that was lost */
        if (!l->token)
            l->id[0] = '\0'; /* nobody keeps it alive: another one for the next try */
    }
    memset(&node, 0, sizeof node);
    node.size = sizeof node;
    node.name = l->holder;
    return cluster_source_publish(l->source, &node, *l->holder != '\0');
}

static inline int lease_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct lease *l = (struct lease *)ctx;
    (void)target;
    l->source = s;
    snprintf(l->server, sizeof l->server, "%s", cluster_source_item(s, NULL));
    snprintf(l->own, sizeof l->own, "%s", cluster_source_own(s)->name);
    *state = l;
    return CLUSTER_OK;
}

static inline int lease_round(void *state, uint64_t now)
{
    struct lease *l = (struct lease *)state;
    (void)now;
    return lease_ask(l, l->token ? LEASE_KEEP : *l->id ? LEASE_TXN : LEASE_GRANT);
}

static inline int lease_ready(void *state, int fd, int revents, uint64_t now)
{
    struct lease *l = (struct lease *)state;
    struct cluster_response response;
    const void *data;
    int64_t got;
    (void)revents;
    (void)now;
    if (fd != CLUSTER_FETCHED)
        return CLUSTER_OK;
    memset(&response, 0, sizeof response);
    response.size = sizeof response;
    if (cluster_source_fetched(l->source, 0, &response) < 0)
        return CLUSTER_OK;
    if (response.error && response.error != CLUSTER_E_AGAIN) {
        if (response.status) /* etcd has an opinion of this lease, and not the one that it is good */
            lease_lost(l);
        return cluster_source_fail(l->source, response.error, response.why);
    }
    while ((got = cluster_source_body(l->source, 0, &data)) > 0) {
        if ((size_t)got >= sizeof l->answer - l->size)
            return CLUSTER_E_LIMIT;
        memcpy(l->answer + l->size, data, (size_t)got);
        l->size += (size_t)got;
    }
    l->answer[l->size] = '\0';
    return got == 0 ? lease_answered(l) : got == CLUSTER_E_AGAIN ? CLUSTER_OK : (int)got;
}

static inline void lease_close(void *state)
{
    (void)state; /* it is the program's */
}

/* Teach the handle the scheme; l is the program's to look at. */
static inline int lease_register(struct cluster *c, struct lease *l)
{
    struct cluster_strategy strategy;
    memset(&strategy, 0, sizeof strategy);
    strategy.size = sizeof strategy;
    strategy.open = lease_open;
    strategy.round = lease_round;
    strategy.ready = lease_ready;
    strategy.close = lease_close;
    strategy.interval_ns = UINT64_C(500000000);
    strategy.misses = 1;
    return cluster_strategy_register(c, "lease", &strategy, l);
}

#endif
