/*
 * From what a strategy or the host says to what the table takes: nodes are checked, named in full and filtered, then a list
 * becomes a batch, whole or not at all, and a node that was heard a claim of its own. What a one-off query finds becomes its
 * reply.
 */
#ifndef CLU_DISCOVER_PUBLISH_H
#define CLU_DISCOVER_PUBLISH_H

#include "../wire/glob.h"
#include "source.h"

/* What newcomers lose their day to, said once. */
CLU_FN void clu_source_check_kind(struct clu_discovery *home, const char *name)
{
    bool own_long, is_long;
    if (home->warned || !home->own.name)
        return;
    own_long = clu_name_host_is_long(clu_name_host(home->own.name));
    is_long = clu_name_host_is_long(clu_name_host(name));
    if (own_long == is_long)
        return;
    home->warned = true;
    clu_log(home->loop, own_long ? CLU_MESSAGE_OWN_LONG : CLU_MESSAGE_OWN_SHORT, name);
}

/* only=, except=, allow=. */
CLU_FN bool clu_source_wants(const struct cluster_source *s, const struct clu_says *says)
{
    const struct clu_common *o = &s->common;
    struct clu_slice name = clu_slice_of(says->name, says->length);
    if (o->only && !clu_glob_list(clu_slice_str(o->only), name))
        return false;
    if (o->except && clu_glob_list(clu_slice_str(o->except), name))
        return false;
    if (o->allow) {
        struct cluster_address address;
        const char *text = *says->address ? says->address : clu_name_host(says->name);
        if (!clu_address_parse(clu_slice_str(text), &address) || !clu_address_in_ranges(&address, clu_slice_str(o->allow)))
            return false;
    }
    return true;
}

/* The full name of a node: a host alone gets the base name of node=, else the own one. NULL: there is none, or it is bad. */
CLU_FN const char *clu_source_name(const struct cluster_source *s, const char *name, struct clu_text *t)
{
    const char *own = s->home->own.name;
    if (!strchr(name, '@')) {
        if (s->common.node)
            clu_text_add(t, s->common.node);
        else if (own)
            clu_text_bytes(t, own, (size_t)(strchr(own, '@') - own));
        clu_text_add(t, "@");
    }
    clu_text_add(t, name);
    return !t->cut && clu_name_valid(t->data, t->length) ? t->data : NULL;
}

/* One node in the table's terms; `name` is room for its full name. 0, or CLUSTER_E_INVALID with the sentence in `why`. */
CLU_FN int clu_source_says(const struct cluster_source *s, const struct cluster_node *node, struct clu_says *says,
                           char name[CLU_NAME_MAX + 1], struct clu_text *why)
{
    struct clu_text full = clu_text_on(name, CLU_NAME_MAX + 1);
    const char *given = node->name ? node->name : "";
    struct cluster_address address;
    says->name = clu_source_name(s, given, &full);
    says->address = node->address ? node->address : "";
    if (!says->name || node->port > 65535 || (*says->address && !clu_address_parse(clu_slice_str(says->address), &address))) {
        clu_text_add(why, "'");
        clu_text_escaped(why, given, strlen(given) < 64 ? strlen(given) : 64);
        if (says->name)
            clu_text_add(why, node->port > 65535 ? "' has a port above 65535" : "' has an address that is no IP address");
        else if (*given && !strchr(given, '@') && !s->common.node && !s->home->own.name)
            clu_text_add(why, "' is a host, not a node: say which node with node=NAME");
        else
            clu_text_add(why, "' is no node name: it takes NAME@HOST, at most 255 bytes, without spaces");
        return CLUSTER_E_INVALID;
    }
    says->length = full.length;
    says->zone = node->zone ? node->zone : s->common.zone ? s->common.zone : "";
    says->role = node->role ? node->role : s->common.role ? s->common.role : "";
    says->port = node->port ? node->port : s->common.port;
    says->weight = node->weight ? node->weight : s->common.weight;
    says->draining = (node->flags & CLUSTER_NODE_DRAINING) != 0;
    says->accepted = false;
    return 0;
}

/* Nodes into the batch, or with `add` among the parts. On an error nothing of the list remains, and the round has failed. */
CLU_FN int clu_source_take(struct cluster_source *s, const struct cluster_node *nodes, size_t count, bool add)
{
    struct clu_table *table = s->home->table;
    char name[CLU_NAME_MAX + 1], buffer[sizeof s->why];
    struct clu_text why = clu_text_on(buffer, sizeof buffer);
    size_t i, stride = count ? nodes->size : 0, first = s->part_count, parts = add ? 0 : first;
    const struct cluster_allocator *memory = &s->loop->memory;
    int result = 0;
    if (count && stride < sizeof *nodes)
        result = CLUSTER_E_INVALID, clu_text_add(&why, "cluster_node.size is not set in the first node");
    if (!result && add && /* the other half is to sort with */
        !(clu_reserve(memory, &s->parts, &s->part_capacity, first + 2 * count + 1, sizeof *s->parts) &&
          clu_index_grow(table, first + count)))
        result = CLUSTER_E_MEMORY;
    for (i = 0; !result && i < parts; i++) {
        struct clu_says says = clu_record_says(s->parts[i]);
        result = clu_batch_put(table, &s->claims, &says, s->parts[i]);
    }
    for (i = 0; !result && i < count; i++) {
        const struct cluster_node *node = (const struct cluster_node *)(const void *)((const char *)nodes + i * stride);
        struct clu_says says;
        struct clu_record *record;
        result = clu_source_says(s, node, &says, name, &why);
        if (!result && !clu_tail_is_zero(node, stride, sizeof *node))
            result = CLUSTER_E_INVALID, clu_text_add(&why, "cluster_node has fields that this version does not know");
        if (result)
            break;
        if (!clu_source_wants(s, &says)) {
            s->loop->counts.dropped++;
            continue;
        }
        clu_source_check_kind(s->home, says.name);
        if (!add) {
            result = clu_batch_add(table, &s->claims, &says);
            continue;
        }
        record = clu_record_new(memory, &says, clu_table_hash(table, says.name, says.length));
        result = record ? 0 : CLUSTER_E_MEMORY;
        if (record)
            s->parts[s->part_count++] = record;
    }
    s->added += count;
    if (!result && add)
        clu_sort_merging((void **)(void *)(s->parts + first), (void **)(void *)(s->parts + s->part_count),
                         s->part_count - first, clu_record_compare);
    if (!result)
        return 0;
    if (result == CLUSTER_E_LIMIT)
        clu_text_add(&why, "more nodes than limit= of the source or limit_members of the handle allows");
    if (!add)
        clu_batch_abort(table, &s->claims);
    clu_source_finish(s, CLUSTER_SOURCE_FAILED, result, *buffer ? buffer : cluster_strerror(result));
    return clu_fail(s->loop, result, s->why);
}

CLU_FN int clu_source_publish_members(struct cluster_source *s, const struct cluster_node *nodes, size_t count)
{
    int result;
    clu_batch_begin(&s->claims, 0);
    result = clu_source_take(s, nodes, count, false);
    if (result)
        return result;
    s->heard_late = clu_source_is_late(s);
    clu_batch_commit(s->home->table, &s->claims, s->loop->now);
    s->listed = s->added != 0;
    clu_source_finish(s, s->listed ? CLUSTER_SOURCE_ANSWER : CLUSTER_SOURCE_EMPTY, 0, "");
    return 0;
}

/* The end of a query: its reply takes the place that was kept for it. */
CLU_FN void clu_source_reply(struct cluster_source *s, const struct cluster_node *nodes, size_t count, int error,
                             const char *why)
{
    struct clu_loop *l = s->loop;
    struct clu_shared *reply = error ? clu_reply_text(&l->memory, why) : s->answer(s, nodes, count, &error);
    struct clu_event *e = clu_queue_reply(&l->events);
    e->error = error;
    e->time = l->now;
    e->request = s->request;
    e->changed = s->reply_count;
    e->object = reply;
    s->ended = s->home->ends = l->kick = true;
}

/* ---- how a round ends, and what is heard meanwhile -------------------- */

CLUSTER_DEF int cluster_source_publish(struct cluster_source *s, const struct cluster_node *nodes, size_t count)
{
    if (!s || (count && !nodes))
        return CLUSTER_E_INVALID;
    if (s->ended)
        return 0;
    if (!s->answer)
        return clu_source_publish_members(s, nodes, count);
    clu_source_reply(s, nodes, count, 0, "");
    return 0;
}

#ifndef CLUSTER_NO_HTTP
CLUSTER_DEF int64_t cluster_source_add(struct cluster_source *s, const struct cluster_node *nodes, size_t count)
{
    int result;
    if (!s || s->answer || (count && !nodes))
        return CLUSTER_E_INVALID;
    result = s->ended ? 0 : clu_source_take(s, nodes, count, true);
    return result ? result : (int64_t)s->added;
}
#endif

CLUSTER_DEF int cluster_source_same(struct cluster_source *s)
{
    if (!s || s->answer || !s->claims.committed || s->claims.committed != s->claims.batch)
        return CLUSTER_E_INVALID;
    s->heard_late = clu_source_is_late(s);
    clu_batch_commit(s->home->table, &s->claims, s->loop->now);
    clu_source_finish(s, s->listed ? CLUSTER_SOURCE_ANSWER : CLUSTER_SOURCE_EMPTY, 0, "");
    return 0;
}

CLUSTER_DEF int cluster_source_fail(struct cluster_source *s, int error, const char *why)
{
    struct clu_text t;
    char buffer[sizeof s->why];
    if (!s || error >= 0)
        return CLUSTER_E_INVALID;
    t = clu_text_on(buffer, sizeof buffer);
    clu_text_add(&t, why && *why ? why : cluster_strerror(error));
    if (!s->opened) {
        (void)clu_fail(s->loop, error, buffer);
    } else if (s->ended) {
        return 0;
    } else if (s->answer) {
        clu_source_reply(s, NULL, 0, error, buffer);
    } else {
        clu_source_finish(s, CLUSTER_SOURCE_FAILED, error, buffer);
    }
    return 0;
}

/* A place among the new names of this second. */
CLU_FN bool clu_source_admit(struct cluster_source *s)
{
    uint64_t now = s->loop->now, passed = (now - s->bucket_ns) / (CLU_SECOND / CLU_HEARD_BURST);
    if (passed) {
        s->bucket = (uint32_t)clu_min_u64(CLU_HEARD_BURST, s->bucket + clu_min_u64(passed, CLU_HEARD_BURST));
        s->bucket_ns = now;
    }
    if (!s->bucket)
        return false;
    s->bucket--;
    return true;
}

/* Somebody says that a node is gone: with an address, that must be the one where it was heard. */
CLU_FN int clu_source_bye(struct cluster_source *s, const struct clu_says *says)
{
    const struct clu_member *m = clu_table_find(s->home->table, says->name, says->length);
    const struct clu_claim *claim = m ? clu_claim_of(m, &s->claims) : NULL;
    if (!claim)
        return 0;
    if (*says->address && strcmp(claim->record->view.address, says->address) != 0)
        return CLUSTER_E_PERMISSION;
    return cluster_source_gone(s, says->name);
}

CLUSTER_DEF int cluster_source_heard(struct cluster_source *s, const struct cluster_node *node)
{
    char name[CLU_NAME_MAX + 1], buffer[sizeof s->why];
    struct clu_text why = clu_text_on(buffer, sizeof buffer);
    struct clu_says says;
    const struct clu_member *m;
    int result;
    if (!s || !node)
        return CLUSTER_E_INVALID;
    result = clu_source_says(s, node, &says, name, &why);
    if (!result && !clu_source_wants(s, &says))
        result = CLUSTER_E_PERMISSION;
    if (!result && node->flags & CLUSTER_NODE_LEAVING) {
        result = clu_source_bye(s, &says);
        if (!result)
            return 0;
    }
    if (!result) {
        m = clu_table_find(s->home->table, says.name, says.length);
        if (!(m && (m->self || clu_claim_of(m, &s->claims))) && !clu_source_admit(s))
            result = CLUSTER_E_LIMIT;
    }
    if (!result) {
        clu_source_check_kind(s->home, says.name);
        s->heard_late = clu_source_is_late(s);
        result = clu_claims_heard(s->home->table, &s->claims, &says, s->loop->now);
    }
    if (result) {
        s->loop->counts.dropped++;
        if (result == CLUSTER_E_LIMIT && !s->over_limit)
            clu_log(s->loop, CLU_MESSAGE_HEARD_LIMIT, s->shown);
        s->over_limit = s->over_limit || result == CLUSTER_E_LIMIT;
        return result;
    }
    clu_source_age(s);
    return 0;
}

CLUSTER_DEF int cluster_source_gone(struct cluster_source *s, const char *name)
{
    if (!s || !name)
        return CLUSTER_E_INVALID;
    clu_claims_gone(s->home->table, &s->claims, name);
    clu_source_age(s);
    return 0;
}

#endif
