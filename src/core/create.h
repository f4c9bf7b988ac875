/*
 * From options to a handle, and its end.
 */
#ifndef CLU_CORE_CREATE_H
#define CLU_CORE_CREATE_H

#include "../loop/posix.h"
#include "../net/lookup.h"
#include "links.h"
#include "own.h"
#include "step.h"

CLUSTER_DEF void cluster_options_init(struct cluster_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = (uint32_t)sizeof *options;
}

/* What is wrong with the options before there is a handle to say it; NULL: nothing. */
CLU_FN const char *clu_options_read(struct cluster_options *out, const struct cluster_options *given)
{
    const struct cluster_allocator *a;
    if (!given) {
        cluster_options_init(out);
        return NULL;
    }
    if (!clu_read_struct(out, sizeof *out, given, given->size))
        return "cluster_options has a field set that this version does not know: update cluster.h, or leave it 0";
    if (given->size < 2 * sizeof(uint32_t))
        return "cluster_options.size is not set: call cluster_options_init first";
    a = out->allocator;
    if (a && (a->size < sizeof *a || !a->resize))
        return "options.allocator needs its size, sizeof(struct cluster_allocator), and resize";
    return NULL;
}

CLU_FN int clu_options_status(struct cluster *c, const struct cluster_options *o)
{
    int rule = clu_word_or("count majority horde", o->quorum_of, 0);
    const char *why = NULL;
    c->status.rule = rule;
    c->status.since_ns = CLUSTER_NEVER;
    c->status.quorum = rule == CLU_QUORUM_MAJORITY ? o->expected / 2 + 1 : o->quorum ? o->quorum : 1;
    if (o->settle && !clu_duration(clu_slice_str(o->settle), &c->status.settle_ns))
        why = "options.settle is no duration: write it as 500ms, 5s, 1m";
    else if (rule < 0)
        why = "options.quorum_of takes \"count\", \"majority\" or \"horde\"";
    else if (rule && o->quorum)
        why = "quorum is for quorum_of=count: with majority and horde leave it 0";
    else if (rule == CLU_QUORUM_MAJORITY && !o->expected)
        why = "quorum_of=majority needs options.expected, the full size of the cluster";
    else if (rule == CLU_QUORUM_HORDE && !o->node)
        why = "quorum_of=horde needs options.node (--node): Horde counts itself among its members";
    return why ? clu_fail(&c->loop, CLUSTER_E_INVALID, why) : 0;
}

CLU_FN int clu_options_map(struct cluster *c, const struct cluster_options *o)
{
#ifndef CLUSTER_NO_MAP
    const struct cluster_allocator memory = c->loop.memory;
    struct cluster_map_options *m = &c->map_options;
    struct cluster_map *map;
    const char *why = NULL;
    int of, result;
    if (!o->map)
        return 0;
    result = cluster_map_build_in(&map, NULL, 0, o->map, &memory);
    if (result == CLUSTER_E_MEMORY)
        return result;
    if (result)
        return clu_fail(&c->loop, result, "options.map: shards is a power of two up to 2^24, replicas at most 16, size set");
    cluster_map_free(map);
    (void)clu_read_struct(m, sizeof *m, o->map, o->map->size);
    m->size = (uint32_t)sizeof *m;
    of = clu_word_or("all up", m->members, 0);
    if (m->settle && !clu_duration(clu_slice_str(m->settle), &c->map_settle_ns))
        why = "options.map.settle is no duration: write it as 500ms, 5s, 1m";
    else if (m->role && strlen(m->role) > CLU_OWN_ATTRIBUTE)
        why = "options.map.role has at most 63 bytes";
    else if (of < 0)
        why = "options.map.members takes \"all\" or \"up\"";
    if (why)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, why);
    if (m->role)
        m->role = (const char *)memcpy(c->map_role, m->role, strlen(m->role) + 1);
    m->settle = m->members = NULL;
    c->map_up = of > 0;
    c->map_since_ns = CLUSTER_NEVER;
    c->has_map = true;
    return 0;
#else
    return o->map ? clu_fail(&c->loop, CLUSTER_E_UNSUPPORTED, "options.map: this build has no placement (CLUSTER_NO_MAP)") : 0;
#endif
}

/* embedded, embedded:ADDRESS, embedded:ADDRESS:PORT */
CLU_FN int clu_options_epmd(struct cluster *c, const struct cluster_options *o)
{
#ifndef CLUSTER_NO_EPMD_SERVER
    struct clu_loop *l = &c->loop;
    struct clu_slice where = clu_slice_str(o->epmd ? o->epmd : ""), kind = clu_cut(&where, ':'), text;
    struct cluster_address address;
    if (!o->epmd || !*o->epmd)
        return 0;
    text = where.at ? where : clu_slice_str("127.0.0.1");
    if (!clu_slice_is(kind, "embedded") || !clu_address_port_parse(text, clu_epmd_port_here(&l->io), &address) || !address.port)
        return clu_fail(l, CLUSTER_E_INVALID,
                        "options.epmd takes \"embedded\" or \"embedded:ADDRESS:PORT\"; IPv6 takes brackets");
#ifndef CLUSTER_NO_ERLANG
    if (!where.at && o->listen) {
        uint16_t port = address.port;
        address = c->linked.listener.address;
        address.port = port;
    }
#endif
    return clu_epmd_server_begin(&c->epmd_server, l, &address);
#else
    return o->epmd ? clu_fail(&c->loop, CLUSTER_E_UNSUPPORTED, "options.epmd: this build serves none (CLUSTER_NO_EPMD_SERVER)")
                   : 0;
#endif
}

CLU_FN void clu_wake(struct clu_timer *timer, uint64_t now)
{
    (void)timer;
    (void)now;
}

CLU_FN int clu_options_loop(struct cluster *c, const struct cluster_options *o)
{
    struct clu_loop *l = &c->loop;
    uint64_t seed[3] = {o->seed, o->seed, 0};
    l->pending_first = l->pending_last = -1;
    l->watch_limit = o->limit_watches ? o->limit_watches : 1024;
    l->budget = o->limit_budget ? o->limit_budget : 1024;
    l->events.limit = o->limit_events ? o->limit_events : 4096;
    l->log = o->log;
    l->log_ctx = o->log_ctx;
    l->log_level = o->log_level ? (int)o->log_level : CLUSTER_LOG_WARN;
    c->table.limit = o->limit_members ? o->limit_members : 131072;
    if (l->events.limit < 2)
        return clu_fail(l, CLUSTER_E_INVALID, "options.limit_events is at least 2");
    if (o->io && (!clu_read_struct(&l->io, sizeof l->io, o->io, o->io->size) || o->io->size < sizeof l->io))
        return clu_fail(l, CLUSTER_E_INVALID, "options.io.size is not sizeof(struct cluster_io)");
    l->io.size = (uint32_t)sizeof l->io;
#ifndef CLUSTER_NO_POSIX
    clu_posix_io(&l->io);
#else
    if (!o->io)
        return clu_fail(l, CLUSTER_E_INVALID, "options.io is needed: this build has no POSIX defaults (CLUSTER_NO_POSIX)");
#endif
    if (!o->seed) {
        int result = clu_random(l, seed, sizeof seed);
        if (result)
            return clu_fail(l, result, "the random hook failed");
    }
    l->jitter = seed[0];
    c->table.key[0] = seed[1];
    c->table.key[1] = seed[2];
    return 0;
}

CLUSTER_DEF void cluster_destroy(struct cluster *c)
{
    struct cluster_allocator memory;
    if (!c)
        return;
    memory = c->loop.memory;
    clu_event_done(c);
#ifndef CLUSTER_NO_ERLANG
    clu_lease_end(&c->linked.lease);
#endif
#ifndef CLUSTER_NO_CONNECT
    clu_mesh_free(&c->mesh);
#endif
    while (c->discovery.first) {
        struct cluster_source *s = c->discovery.first;
        clu_source_unlink(&c->discovery, s);
        clu_source_free(s);
    }
    while (c->discovery.schemes) {
        struct clu_scheme *scheme = c->discovery.schemes;
        c->discovery.schemes = scheme->next;
        clu_free(&memory, scheme, scheme->size);
    }
#ifndef CLUSTER_NO_DNS
    clu_resolver_free(&c->discovery.resolver);
#endif
#ifndef CLUSTER_NO_ERLANG
    clu_node_free(&c->linked);
#endif
#ifndef CLUSTER_NO_CONNECT
    clu_mesh_free_strays(&c->mesh);
#endif
#ifndef CLUSTER_NO_EPMD_SERVER
    clu_epmd_server_free(&c->epmd_server);
#endif
#ifndef CLUSTER_NO_MAP
    cluster_map_free(c->map);
#endif
    clu_table_free(&c->table);
    clu_loop_free(&c->loop);
    clu_free(&memory, c->polled, c->polled_capacity * sizeof *c->polled);
    clu_free(&memory, c, sizeof *c);
}

/* What the options say, into a zeroed handle. */
CLU_CALLED int clu_create(struct cluster *c, const struct cluster_allocator *memory, const struct cluster_options *o)
{
    int result;
    c->loop.memory = *memory;
    c->table.loop = c->discovery.loop = &c->loop;
    c->discovery.table = &c->table;
#ifndef CLUSTER_NO_DNS
    c->discovery.resolver.loop = &c->loop;
#endif
    c->wake.fire = clu_wake;
    c->loop.kick = true;
    result = clu_options_loop(c, o);
    if (!result)
        result = clu_options_status(c, o);
    if (!result)
        result = clu_options_map(c, o);
    if (!result && !clu_timers_reserve(&c->loop.memory, &c->loop.timers, 1))
        result = CLUSTER_E_MEMORY;
    if (!result)
        result = clu_options_links(c, o);
    if (!result)
        result = clu_own_options(c, o);
    if (!result)
        result = clu_options_epmd(c, o);
    if (!result && !c->status.settle_ns)
        clu_look_at_status(c);
    return result;
}

CLUSTER_DEF int cluster_create(struct cluster **out, const struct cluster_options *options)
{
    struct cluster_options o;
    const struct cluster_allocator *memory;
    struct cluster *c = NULL;
    struct clu_text shown;
    const char *why;
    int result = CLUSTER_E_INVALID;
    if (!out)
        return result;
    *out = NULL;
    why = clu_options_read(&o, options);
    if (!why) {
        memory = clu_allocator_or_default(o.allocator);
        c = (struct cluster *)clu_alloc_zero(memory, sizeof *c);
        result = c ? clu_create(c, memory, &o) : CLUSTER_E_MEMORY;
    }
    if (!result) {
        *out = c;
        return 0;
    }
    if (o.error && o.error_size) {
        if (!why)
            why = c && *c->loop.error ? c->loop.error : cluster_strerror(result);
        shown = clu_text_on(o.error, (size_t)o.error_size);
        clu_text_add(&shown, why);
    }
    cluster_destroy(c);
    return result;
}

#endif
