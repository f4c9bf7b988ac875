/*
 * What a strategy may do beside naming nodes: descriptors and one timer of its source, the options of its URL, the hooks of the
 * handle. Each call is for its own source, and knows no other.
 */
#ifndef CLU_DISCOVER_DOORS_H
#define CLU_DISCOVER_DOORS_H

#include "source.h"

CLUSTER_DEF int cluster_source_open(struct cluster_source *s, int kind, int family)
{
    return clu_open(s->loop, &s->watcher, kind, family);
}

CLUSTER_DEF int cluster_source_watch(struct cluster_source *s, int fd, int events)
{
    return clu_watch(s->loop, &s->watcher, fd, events);
}

CLUSTER_DEF int cluster_source_close(struct cluster_source *s, int fd)
{
    return clu_close(s->loop, &s->watcher, fd);
}

CLUSTER_DEF int64_t cluster_source_send(struct cluster_source *s, int fd, const void *data, size_t size,
                                        const struct cluster_address *to)
{
    return clu_send(s->loop, fd, data, size, to);
}

CLUSTER_DEF int64_t cluster_source_recv(struct cluster_source *s, int fd, void *data, size_t size, struct cluster_address *from)
{
    return clu_recv(s->loop, fd, data, size, from);
}

CLUSTER_DEF int cluster_source_timer(struct cluster_source *s, uint64_t at_ns)
{
    clu_timer_set(&s->loop->timers, &s->timers[CLU_TIMER_OWN], at_ns);
    return 0;
}

CLUSTER_DEF int cluster_source_streams(struct cluster_source *s)
{
    if (s->common.prune && !cluster_source_option(s, "misses"))
        s->claims.misses = 1;
    return 0;
}

CLUSTER_DEF const char *cluster_source_option(const struct cluster_source *s, const char *key)
{
    return clu_url_option(&s->url, key);
}

CLUSTER_DEF const char *cluster_source_item(const struct cluster_source *s, const char *previous)
{
    const char *next = previous ? clu_url_next(previous) : s->url.target;
    return s->url.items && *next ? next : NULL;
}

CLUSTER_DEF void cluster_source_drop(struct cluster_source *s)
{
    s->loop->counts.dropped++;
}

CLUSTER_DEF const struct cluster_node *cluster_source_own(const struct cluster_source *s)
{
    return &s->home->own;
}

CLUSTER_DEF void cluster_source_withdrawn(struct cluster_source *s)
{
    s->withdraws = false;
    s->loop->kick = true;
}

CLUSTER_DEF const struct cluster_io *cluster_source_io(const struct cluster_source *s)
{
    return &s->loop->io;
}

CLUSTER_DEF const struct cluster_allocator *cluster_source_allocator(const struct cluster_source *s)
{
    return &s->loop->memory;
}

CLUSTER_DEF int cluster_source_random(struct cluster_source *s, void *data, size_t size)
{
    return clu_random(s->loop, data, size);
}

CLUSTER_DEF uint64_t cluster_source_now(const struct cluster_source *s)
{
    return s->loop->now;
}

CLUSTER_DEF void cluster_source_log(struct cluster_source *s, int level, const char *message)
{
    clu_log_say(s->loop, level, message, s->shown);
}

#endif
