/*
 * From options to a handle, and its end.
 */
#ifndef CLU_CORE_CREATE_H
#define CLU_CORE_CREATE_H

#include "../loop/posix.h"
#include "own.h"
#include "step.h"

CLUSTER_DEF void cluster_options_init(struct cluster_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = (uint32_t)sizeof *options;
}

/* Options of an older, shorter struct too; of a newer one only if what we do not know is zero. */
CLU_FN int clu_options_read(struct cluster_options *out, const struct cluster_options *given, struct clu_text *error)
{
    cluster_options_init(out);
    if (!given)
        return 0;
    if (given->size < 2 * sizeof(uint32_t)) {
        clu_text_add(error, "cluster_options.size is not set: call cluster_options_init first");
        return CLUSTER_E_INVALID;
    }
    if (!clu_tail_is_zero(given, given->size, sizeof *out)) {
        clu_text_add(error, "cluster_options has a field set that this version does not know: update cluster.h, or leave it 0");
        return CLUSTER_E_INVALID;
    }
    memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    return 0;
}

CLU_FN int clu_options_status(struct cluster *c, const struct cluster_options *o, struct clu_text *error)
{
    bool majority = o->quorum_of && strcmp(o->quorum_of, "majority") == 0;
    c->status.since_ns = CLUSTER_NEVER;
    c->status.quorum = o->quorum ? o->quorum : 1;
    if (o->settle && !clu_duration(clu_slice_str(o->settle), &c->status.settle_ns)) {
        clu_text_add(error, "options.settle is no duration: write it as 500ms, 5s, 1m");
        return CLUSTER_E_INVALID;
    }
    if (o->quorum_of && !majority && strcmp(o->quorum_of, "count") != 0) {
        clu_text_add(error, "options.quorum_of takes \"count\" or \"majority\"");
        return CLUSTER_E_INVALID;
    }
    if (!majority)
        return 0;
    if (!o->expected || o->quorum) {
        clu_text_add(error, o->quorum ? "quorum and quorum_of=majority exclude each other: leave quorum 0"
                                      : "quorum_of=majority needs options.expected, the full size of the cluster");
        return CLUSTER_E_INVALID;
    }
    c->status.quorum = o->expected / 2 + 1;
    return 0;
}

CLU_FN int clu_options_map(struct cluster *c, const struct cluster_options *o, struct clu_text *error)
{
#ifndef CLUSTER_NO_MAP
    struct cluster_map *map;
    int result;
    if (!o->map)
        return 0;
    result = cluster_map_build_in(&map, NULL, 0, o->map, &c->loop.memory);
    if (result < 0) {
        clu_text_add(error, "options.map: shards is a power of two up to 2^24, replicas at most 1, size set: ");
        clu_text_add(error, cluster_strerror(result));
        return result;
    }
    cluster_map_free(map);
    memcpy(&c->map_options, o->map, o->map->size < sizeof c->map_options ? o->map->size : sizeof c->map_options);
    c->map_options.size = (uint32_t)sizeof c->map_options;
    c->has_map = true;
    return 0;
#else
    (void)c;
    if (!o->map)
        return 0;
    clu_text_add(error, "options.map: this build has no placement (CLUSTER_NO_MAP)");
    return CLUSTER_E_UNSUPPORTED;
#endif
}

CLU_FN void clu_wake(struct clu_timer *timer, uint64_t now)
{
    (void)timer;
    (void)now;
}

CLU_FN int clu_options_loop(struct cluster *c, const struct cluster_options *o, struct clu_text *error)
{
    struct clu_loop *l = &c->loop;
    int result = 0;
    l->pending_first = l->pending_last = -1;
    l->watch_limit = o->limit_watches ? o->limit_watches : 1024;
    l->budget = o->limit_budget ? o->limit_budget : 1024;
    l->events.limit = o->limit_events ? o->limit_events : 4096;
    l->log = o->log;
    l->log_ctx = o->log_ctx;
    l->log_level = o->log_level ? (int)o->log_level : CLUSTER_LOG_WARN;
    c->table.limit = o->limit_members ? o->limit_members : 131072;
    if (l->events.limit < 2) {
        clu_text_add(error, "options.limit_events is at least 2");
        return CLUSTER_E_INVALID;
    }
    if (o->io && (o->io->size < sizeof l->io || !clu_tail_is_zero(o->io, o->io->size, sizeof l->io))) {
        clu_text_add(error, "options.io.size is not sizeof(struct cluster_io)");
        return CLUSTER_E_INVALID;
    }
    if (o->io)
        memcpy(&l->io, o->io, sizeof l->io);
    l->io.size = (uint32_t)sizeof l->io;
#ifndef CLUSTER_NO_POSIX
    clu_posix_io(&l->io);
#else
    if (!o->io) {
        clu_text_add(error, "options.io is needed: this build has no POSIX defaults (CLUSTER_NO_POSIX)");
        return CLUSTER_E_INVALID;
    }
#endif
    l->jitter = o->seed;
    c->table.key[0] = o->seed;
    if (!o->seed)
        result = clu_random(l, &l->jitter, sizeof l->jitter);
    if (!result && !o->seed)
        result = clu_random(l, c->table.key, sizeof c->table.key);
    if (result < 0)
        clu_text_add(error, "the random hook failed");
    return result;
}

CLU_FN void clu_destroy(struct cluster *c)
{
    struct cluster_allocator memory = c->loop.memory;
    clu_event_done(c);
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
#ifndef CLUSTER_NO_MAP
    cluster_map_free(c->map);
#endif
    clu_table_free(&c->table);
    clu_loop_free(&c->loop);
    clu_free(&memory, c->polled, c->polled_capacity * sizeof *c->polled);
    clu_free(&memory, c->own, c->own_size);
    clu_free(&memory, c, sizeof *c);
}

CLU_FN int clu_create(struct cluster **out, const struct cluster_options *given, struct clu_text *error)
{
    struct cluster_options o;
    struct cluster_allocator memory;
    struct cluster *c;
    int result = clu_options_read(&o, given, error);
    if (result)
        return result;
    if (o.allocator && (o.allocator->size < sizeof memory || !o.allocator->resize)) {
        clu_text_add(error, "options.allocator needs its size, sizeof(struct cluster_allocator), and resize");
        return CLUSTER_E_INVALID;
    }
    memory = clu_allocator_or_default(o.allocator);
    c = (struct cluster *)clu_alloc_zero(&memory, sizeof *c);
    if (!c)
        return CLUSTER_E_MEMORY;
    c->loop.memory = memory;
    c->table.loop = c->discovery.loop = &c->loop;
    c->discovery.table = &c->table;
    c->wake.fire = clu_wake;
    c->loop.kick = true;
    result = clu_options_loop(c, &o, error);
    if (!result)
        result = clu_options_status(c, &o, error);
    if (!result)
        result = clu_options_map(c, &o, error);
    if (!result && !clu_timers_reserve(&c->loop.memory, &c->loop.timers, 1))
        result = CLUSTER_E_MEMORY;
    if (!result)
        result = clu_own_options(c, &o, error);
    if (result) {
        clu_destroy(c);
        return result;
    }
    if (!c->status.settle_ns)
        clu_look_at_status(c);
    *out = c;
    return 0;
}

CLUSTER_DEF int cluster_create(struct cluster **out, const struct cluster_options *options)
{
    char sentence[256];
    struct clu_text error = clu_text_on(sentence, sizeof sentence), shown;
    int result;
    if (!out)
        return CLUSTER_E_INVALID;
    *out = NULL;
    result = clu_create(out, options, &error);
    if (result && options && options->size >= sizeof *options && options->error) {
        shown = clu_text_on(options->error, (size_t)options->error_size);
        clu_text_add(&shown, error.length ? sentence : cluster_strerror(result));
    }
    return result;
}

CLUSTER_DEF void cluster_destroy(struct cluster *c)
{
    if (c)
        clu_destroy(c);
}

#endif
