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
    result = c->own_auto ? clu_own_resolve(c, url) : 0;
    if (!result)
        result = clu_source_create(&c->discovery, url, NULL, &s);
    if (result)
        return result;
    clu_source_append(&c->discovery, s);
    c->loop.kick = true;
#ifndef CLUSTER_NO_ERLANG
    clu_links_warn(c, s);
#endif
    if (out)
        *out = s;
    return 0;
}

CLUSTER_DEF void cluster_source_remove(struct cluster_source *s)
{
    if (!s)
        return;
    if (s->loop->stepping || s->ended || !s->opened) { /* by its own strategy */
        s->ended = s->home->ends = true;
        return;
    }
    s->loop->kick = true;
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
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789+-";
    struct cluster_strategy known;
    struct clu_scheme *own;
    void *other;
    char *text;
    size_t length = scheme ? strspn(scheme, letters) : 0, options, size;
    if (!c)
        return CLUSTER_E_INVALID;
    if (!length || length > 32 || scheme[length] || *scheme < 'a')
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the scheme's name takes a-z first, then a-z, 0-9, + and -, at most 32");
    if (!strategy || !clu_read_struct(&known, sizeof known, strategy, strategy->size) || !known.open || !known.ready ||
        !known.close)
        return clu_fail(&c->loop, CLUSTER_E_INVALID,
                        "the strategy needs its size, open, ready and close, and no unknown field");
    if (clu_strategy_find(&c->discovery, clu_slice_of(scheme, length), &other))
        return clu_fail(&c->loop, CLUSTER_E_EXISTS, "a scheme of this name exists: choose another name");
    if (!known.options)
        known.options = "";
    options = strlen(known.options) + 1;
    size = sizeof *own + ++length + options;
    own = (struct clu_scheme *)clu_alloc_zero(&c->loop.memory, size);
    if (!own)
        return clu_fail(&c->loop, CLUSTER_E_MEMORY, "no memory for another scheme");
    text = (char *)(own + 1);
    own->size = size;
    own->ctx = ctx;
    own->strategy = known;
    own->name = (const char *)memcpy(text, scheme, length);
    own->strategy.options = (const char *)memcpy(text + length, known.options, options);
    own->next = c->discovery.schemes;
    c->discovery.schemes = own;
    return 0;
}

/* ---- going away ------------------------------------------------------- */

CLUSTER_DEF int cluster_drain(struct cluster *c, int on)
{
    struct cluster_node *own;
    int result;
    if (!c)
        return CLUSTER_E_INVALID;
    own = &c->discovery.own;
    if (!*c->own_name)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "there is no own node that could go: set options.node (--node)");
#ifndef CLUSTER_NO_ERLANG
    if (c->own_given)
        return clu_fail(
            &c->loop, CLUSTER_E_INVALID,
            "a node that others give its name is no member, which could drain: set options.node (--node) to NAME@HOST");
#endif
    result = own->name ? clu_table_drain_self(&c->table, own->name, on != 0) : 0;
    if (result)
        return clu_fail(&c->loop, result, cluster_strerror(result));
    own->flags = on ? own->flags | CLUSTER_NODE_DRAINING : own->flags & ~CLUSTER_NODE_DRAINING;
    clu_announce(c, false);
    return 0;
}

CLUSTER_DEF int cluster_leave(struct cluster *c, int timeout_ms, uint64_t *request)
{
    if (!c)
        return CLUSTER_E_INVALID;
    if (c->leaving || !clu_queue_expect(&c->loop.memory, &c->loop.events))
        return clu_fail(&c->loop, CLUSTER_E_AGAIN,
                        "it is leaving already, or too many events wait: read the events, then ask again");
    c->leaving = true;
    c->leave_request = ++c->next_request;
    c->leave_span_ns = timeout_ms < 0 ? CLUSTER_NEVER : (uint64_t)timeout_ms * CLU_MS;
    c->leave_end_ns = 0;
    c->discovery.own.flags |= CLUSTER_NODE_LEAVING;
    clu_announce(c, true);
#ifndef CLUSTER_NO_ERLANG
    clu_lease_end(&c->linked.lease);
#endif
    if (request)
        *request = c->leave_request;
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
    if (!c)
        return CLUSTER_E_INVALID;
    now = c->loop.counts;
    now.members = (uint32_t)c->table.count;
    now.sources = (uint32_t)c->discovery.count;
    now.watches = (uint32_t)(c->loop.watch_count + c->loop.retired_count);
    now.resyncs = c->loop.events.resyncs;
    return clu_write_struct(out, &now, sizeof now);
}

CLUSTER_DEF const char *cluster_last_error(const struct cluster *c)
{
    return c ? c->loop.error : "";
}

/* ---- queries ---------------------------------------------------------- */

/* A source that ends with its first round, whose answer becomes the reply. */
CLU_FN int clu_query(struct cluster *c, const struct clu_text *url, const struct cluster_strategy *strategy,
                     struct clu_shared *(*answer)(struct cluster_source *, const struct cluster_node *, size_t, int *),
                     uint64_t *request)
{
    struct cluster_source *s = NULL;
    int result;
    if (url->cut)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "what is asked for is too long");
    if (!clu_queue_expect(&c->loop.memory, &c->loop.events))
        return clu_fail(&c->loop, CLUSTER_E_AGAIN, "too many events and queries wait: read the events, then ask again");
    result = clu_source_create(&c->discovery, url->data, strategy, &s);
    if (!s) {
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

#ifndef CLUSTER_NO_DNS

CLU_FN int clu_node_compare(const void *a, const void *b)
{
    return strcmp(((const struct cluster_node *)a)->name, ((const struct cluster_node *)b)->name);
}

/* The lines of all records, sorted, and how long they are good for. */
CLU_FN struct clu_shared *clu_answer_records(struct cluster_source *s, const struct cluster_node *nodes, size_t count,
                                             int *error)
{
    const struct cluster_allocator *memory = &s->loop->memory;
    void **order = (void **)clu_alloc(memory, count * sizeof *order);
    struct clu_shared *reply = NULL;
    struct clu_text t;
    size_t size = 1, i;
    s->reply_count = UINT32_MAX;
    for (i = 0; order && i < count; i++) {
        memcpy(&order[i], &nodes, sizeof nodes);
        size += strlen(nodes->name) + 1;
        s->reply_count = nodes->weight < s->reply_count ? nodes->weight : s->reply_count;
        nodes++;
    }
    if (order)
        reply = (struct clu_shared *)clu_share_new(memory, sizeof *reply + size);
    if (!reply) {
        s->reply_count = 0;
        *error = CLUSTER_E_MEMORY;
    } else {
        clu_sort(order, count, clu_node_compare);
        t = clu_text_on((char *)(reply + 1), size);
        for (i = 0; i < count; i++) {
            clu_text_add(&t, ((const struct cluster_node *)order[i])->name);
            clu_text_add(&t, "\n");
        }
    }
    clu_free(memory, order, count * sizeof *order);
    return reply;
}

CLUSTER_DEF int cluster_resolve(struct cluster *c, const char *name, const char *type, uint64_t *request)
{
    char buffer[1024];
    struct clu_text url = clu_text_on(buffer, sizeof buffer), error;
    if (!c)
        return CLUSTER_E_INVALID;
    type = type ? type : "a+aaaa";
    error = clu_text_on(c->loop.error, sizeof c->loop.error);
    if (clu_word_find(CLU_DNS_TYPES, clu_slice_str(type)) < 0)
        return clu_say(&error, "there is no type '#': it is one of $", clu_slice_str(type), CLU_DNS_TYPES);
    if (!name)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the name is NULL");
    clu_text_add(&url, "dns:");
    clu_text_add(&url, name);
    clu_text_add(&url, strchr(name, '?') ? "&question=" : "?question=");
    clu_text_add(&url, type);
    return clu_query(c, &url, clu_builtin_find(clu_slice_str("?dns"), NULL), clu_answer_records, request);
}

#endif

#ifndef CLUSTER_NO_EPMD

/* The port of the node that was asked for, or all names, with their ports, a line each. */
CLU_FN struct clu_shared *clu_answer(struct cluster_source *s, const struct cluster_node *nodes, size_t count, int *error)
{
    bool one = cluster_source_option(s, "name") != NULL;
    size_t size = 1, i;
    struct clu_shared *reply;
    struct clu_text t;
    if (one && !count) {
        *error = CLUSTER_E_NOT_FOUND;
        return clu_reply_text(&s->loop->memory, "epmd there knows no node of this name");
    }
    for (i = 0; i < count; i++)
        size += strlen(nodes[i].name) + 8;
    reply = (struct clu_shared *)clu_share_new(&s->loop->memory, sizeof *reply + size);
    if (!reply) {
        *error = CLUSTER_E_MEMORY;
        return NULL;
    }
    t = clu_text_on((char *)(reply + 1), size);
    for (i = 0; i < count; i++) {
        if (!one) {
            clu_text_bytes(&t, nodes[i].name, strcspn(nodes[i].name, "@"));
            clu_text_add(&t, " ");
        }
        clu_text_u64(&t, nodes[i].port);
        clu_text_add(&t, one ? "" : "\n");
    }
    return reply;
}

/* A text with every byte that a URL gives a meaning to escaped. */
CLU_FN void clu_query_text(struct clu_text *url, const char *text, size_t length)
{
    for (; length--; text++) {
        if (strchr("%?,&=", *text)) {
            clu_text_add(url, "%");
            clu_text_hex(url, (uint8_t)*text);
        } else {
            clu_text_bytes(url, text, 1);
        }
    }
}

/* Ask the epmd of a host for all names, or for one. */
CLU_FN int clu_query_epmd(struct cluster *c, const char *host, const char *name, size_t length, uint64_t *request)
{
    char buffer[1024];
    struct clu_text url = clu_text_on(buffer, sizeof buffer);
    struct cluster_address address;
    bool bare = clu_address_parse(clu_slice_str(host), &address) && address.family == 6;
    clu_text_add(&url, bare ? "epmd:[" : "epmd:");
    clu_query_text(&url, host, strlen(host));
    clu_text_add(&url, bare ? "]" : "");
    clu_text_add(&url, length ? "?name=" : "");
    clu_query_text(&url, name, length);
    return clu_query(c, &url, NULL, clu_answer, request);
}

CLUSTER_DEF int cluster_epmd_names(struct cluster *c, const char *host, uint64_t *request)
{
    return c ? clu_query_epmd(c, host ? host : "", "", 0, request) : CLUSTER_E_INVALID;
}

CLUSTER_DEF int cluster_epmd_port(struct cluster *c, const char *node, uint64_t *request)
{
    if (!c)
        return CLUSTER_E_INVALID;
    if (!node || !clu_name_valid(node, strlen(node)))
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the node is no NAME@HOST");
    return clu_query_epmd(c, clu_name_host(node), node, strcspn(node, "@"), request);
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
