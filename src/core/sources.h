/*
 * The host's calls on sources and members, and one-off queries, which are sources of one round whose answer becomes a reply.
 */
#ifndef CLU_CORE_SOURCES_H
#define CLU_CORE_SOURCES_H

#include "create.h"

/* ---- sources ---------------------------------------------------------- */

CLUSTER_DEF int cluster_discover(struct cluster *c, const char *url, struct cluster_source **out)
{
    struct cluster_source *s = NULL;
    int result;
    if (out)
        *out = NULL;
    if (!c)
        return CLUSTER_E_INVALID;
    if (!url)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the URL is NULL: \"\" adds no source");
    if (!*url)
        return 0;
    if (c->own_base) {
        struct clu_text error = clu_text_on(c->loop.error, sizeof c->loop.error);
        result = clu_own_resolve(c, url, &error);
        if (result < 0)
            return result;
    }
    result = clu_source_create(&c->discovery, url, &s);
    if (result < 0)
        return result;
    clu_source_append(&c->discovery, s);
    c->loop.kick = true;
    if (out)
        *out = s;
    return 0;
}

CLUSTER_DEF void cluster_source_remove(struct cluster_source *s)
{
    if (!s)
        return;
    if (s->home->loop->stepping) {
        s->ended = s->home->ends = true;
        return;
    }
    s->home->loop->kick = true;
    s->home->count -= 1;
    clu_source_unlink(s->home, s);
    clu_source_free(s);
}

CLUSTER_DEF struct cluster_source *cluster_source_at(const struct cluster *c, size_t index)
{
    struct cluster_source *s = c ? c->discovery.first : NULL;
    for (; s; s = s->next)
        if (!s->request && !index--)
            return s;
    return NULL;
}

CLUSTER_DEF int cluster_strategy_register(struct cluster *c, const char *scheme, const struct cluster_strategy *strategy,
                                          void *ctx)
{
    struct clu_scheme *own;
    size_t length = scheme ? strlen(scheme) : 0, options, i;
    if (!c)
        return CLUSTER_E_INVALID;
    for (i = 0; i < length && ((scheme[i] >= 'a' && scheme[i] <= 'z') ||
                               (i && ((scheme[i] >= '0' && scheme[i] <= '9') || scheme[i] == '+' || scheme[i] == '-')));)
        i++;
    if (!length || i < length || length > 32)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the scheme's name takes a-z first, then a-z, 0-9, + and -, at most 32");
    if (!strategy || strategy->size < offsetof(struct cluster_strategy, options) || !strategy->open || !strategy->ready ||
        !strategy->close || !clu_tail_is_zero(strategy, strategy->size, sizeof *strategy))
        return clu_fail(&c->loop, CLUSTER_E_INVALID,
                        "the strategy needs its size, open, ready and close, and no unknown field");
    if (clu_builtin_find(clu_slice_str(scheme)) || clu_scheme_registered(&c->discovery, clu_slice_str(scheme)))
        return clu_fail(&c->loop, CLUSTER_E_EXISTS, "a scheme of this name exists: choose another name");
    options = strategy->size >= sizeof *strategy && strategy->options ? strlen(strategy->options) : 0;
    own = (struct clu_scheme *)clu_alloc_zero(&c->loop.memory, sizeof *own + length + 1 + options + 1);
    if (!own)
        return clu_fail(&c->loop, CLUSTER_E_MEMORY, "no memory for another scheme");
    own->size = sizeof *own + length + 1 + options + 1;
    own->name = (const char *)memcpy(own + 1, scheme, length + 1);
    own->ctx = ctx;
    memcpy(&own->strategy, strategy, strategy->size < sizeof *strategy ? strategy->size : sizeof *strategy);
    if (options)
        memcpy((char *)(own + 1) + length + 1, strategy->options, options);
    own->strategy.options = own->name + length + 1;
    own->next = c->discovery.schemes;
    c->discovery.schemes = own;
    return 0;
}

/* ---- members ---------------------------------------------------------- */

CLUSTER_DEF size_t cluster_member_count(const struct cluster *c)
{
    return c ? c->table.count : 0;
}

CLUSTER_DEF const struct cluster_member *cluster_member_at(const struct cluster *c, size_t index)
{
    return c && index < c->table.settled ? &c->table.sorted[index]->record->view : NULL;
}

CLUSTER_DEF const struct cluster_member *cluster_member_find(const struct cluster *c, const char *name)
{
    const struct clu_member *m = c && name ? clu_table_find(&c->table, name, strlen(name)) : NULL;
    return m ? &m->record->view : NULL;
}

CLUSTER_DEF uint64_t cluster_revision(const struct cluster *c)
{
    return c ? c->table.revision : 0;
}

CLUSTER_DEF int cluster_stats(const struct cluster *c, struct cluster_counts *out)
{
    struct cluster_counts now;
    if (!c || !out || out->size < sizeof out->size)
        return CLUSTER_E_INVALID;
    now = c->loop.counts;
    now.size = out->size;
    now.members = (uint32_t)c->table.count;
    now.sources = (uint32_t)c->discovery.count;
    now.watches = (uint32_t)(c->loop.watch_count + c->loop.retired_count);
    now.resyncs = c->loop.events.resyncs;
    memcpy(out, &now, out->size < sizeof now ? out->size : sizeof now);
    return 0;
}

CLUSTER_DEF const char *cluster_last_error(const struct cluster *c)
{
    return c ? c->loop.error : "";
}

/* ---- queries ---------------------------------------------------------- */

#ifndef CLUSTER_NO_EPMD

CLU_FN struct clu_shared *clu_answer_names(struct cluster_source *s, const struct cluster_node *nodes, size_t count, int *error)
{
    size_t size = 1, i;
    struct clu_shared *reply;
    struct clu_text t;
    for (i = 0; i < count; i++)
        size += strlen(nodes[i].name) + 8;
    reply = (struct clu_shared *)clu_share_new(&s->home->loop->memory, sizeof *reply + size);
    if (!reply) {
        *error = CLUSTER_E_MEMORY;
        return NULL;
    }
    t = clu_text_on((char *)(reply + 1), size);
    for (i = 0; i < count; i++) {
        clu_text_bytes(&t, nodes[i].name, clu_slice_find(clu_slice_str(nodes[i].name), '@'));
        clu_text_add(&t, " ");
        clu_text_u64(&t, nodes[i].port);
        clu_text_add(&t, "\n");
    }
    return reply;
}

CLU_FN struct clu_shared *clu_answer_port(struct cluster_source *s, const struct cluster_node *nodes, size_t count, int *error)
{
    char port[8];
    struct clu_text t = clu_text_on(port, sizeof port);
    struct clu_shared *reply;
    if (!count) {
        *error = CLUSTER_E_NOT_FOUND;
        return clu_source_reply_text(s, "epmd there knows no node of this name");
    }
    clu_text_u64(&t, nodes[0].port);
    reply = clu_source_reply_text(s, port);
    *error = reply ? 0 : CLUSTER_E_MEMORY;
    return reply;
}

CLU_FN int clu_query(struct cluster *c, const char *url,
                     struct clu_shared *(*answer)(struct cluster_source *, const struct cluster_node *, size_t, int *),
                     uint64_t *request)
{
    struct cluster_source *s = NULL;
    int result;
    if (!clu_queue_expect(&c->loop.memory, &c->loop.events))
        return clu_fail(&c->loop, CLUSTER_E_AGAIN, "too many events and queries wait: read the events, then ask again");
    result = clu_source_create(&c->discovery, url, &s);
    if (result < 0) {
        c->loop.events.replies--;
        return result;
    }
    s->answer = answer;
    s->request = ++c->next_request;
    clu_source_append(&c->discovery, s);
    c->loop.kick = true;
    if (request)
        *request = s->request;
    return 0;
}

/* `scheme` and a text with every byte that a URL gives a meaning to escaped. */
CLU_FN void clu_query_text(struct clu_text *url, struct clu_slice text)
{
    size_t i;
    for (i = 0; i < text.length; i++) {
        uint8_t byte = (uint8_t)text.at[i];
        if (strchr("%?,&=", text.at[i]) || byte < 0x20 || byte == 0x7f) {
            clu_text_add(url, "%");
            clu_text_hex(url, &byte, 1);
        } else {
            clu_text_bytes(url, text.at + i, 1);
        }
    }
}

CLUSTER_DEF int cluster_epmd_names(struct cluster *c, const char *host, uint64_t *request)
{
    char buffer[1024];
    struct clu_text url = clu_text_on(buffer, sizeof buffer);
    if (!c)
        return CLUSTER_E_INVALID;
    clu_text_add(&url, "epmd:");
    clu_query_text(&url, clu_slice_str(host ? host : ""));
    if (url.cut)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the host is too long");
    return clu_query(c, buffer, clu_answer_names, request);
}

CLUSTER_DEF int cluster_epmd_port(struct cluster *c, const char *node, uint64_t *request)
{
    char buffer[1024];
    struct clu_text url = clu_text_on(buffer, sizeof buffer);
    const char *host;
    bool bare;
    if (!c)
        return CLUSTER_E_INVALID;
    if (!node || !clu_name_valid(node, strlen(node)))
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the node is no NAME@HOST");
    host = clu_name_host(node);
    bare = strchr(host, ':') != NULL && host[0] != '[';
    clu_text_add(&url, bare ? "epmd:[" : "epmd:");
    clu_query_text(&url, clu_slice_str(host));
    clu_text_add(&url, bare ? "]?name=" : "?name=");
    clu_query_text(&url, clu_slice_of(node, (size_t)(host - 1 - node)));
    return clu_query(c, buffer, clu_answer_port, request);
}

#endif

/* ---- words ------------------------------------------------------------ */

CLUSTER_DEF uint32_t cluster_version(void)
{
    return CLUSTER_VERSION;
}

CLUSTER_DEF const char *cluster_version_string(void)
{
    return CLUSTER_VERSION_STRING;
}

#endif
