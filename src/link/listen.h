/*
 * Where others connect to: the first port of a range that is free. What they make are links that are not up yet, of which there
 * are only so many: the one that waits longest gives way to a new one, so that nobody can fill the places and stay silent. It owns
 * its descriptor and one timer.
 */
#ifndef CLU_LINK_LISTEN_H
#define CLU_LINK_LISTEN_H

#include "dial.h"
#include "link.h"

#define CLU_LISTEN_BACKLOG 128
#define CLU_LISTEN_HALVES 64        /* links that others make, at a time */
#define CLU_LISTEN_TRIES 64         /* ports in one step */
#define CLU_LISTEN_AGAIN CLU_SECOND /* after no port was free */
#define CLU_LISTEN_DYNAMIC 49152    /* from here on ports are for whoever wants one (RFC 6335) */

struct clu_listener {
    struct clu_watcher watcher;
    struct clu_timer timer;
    struct clu_links *home;
    struct cluster_address address; /* its port is tried next */
    uint16_t first, last;           /* 0: it does not listen */
    int fd;                         /* -1: none yet */
    bool said;                      /* that it fails */
};

/* ADDRESS:PORT, ADDRESS:FIRST-LAST; port 0 is any that is free. */
CLU_FN bool clu_listen_parse(struct clu_slice text, struct clu_listener *out)
{
    struct clu_slice start = text, rest;
    size_t i = text.length;
    while (i && text.at[i - 1] != '-' && text.at[i - 1] != ':' && text.at[i - 1] != ']')
        i--;
    rest = clu_slice_of(NULL, 0);
    if (i && text.at[i - 1] == '-') {
        start.length = i - 1;
        rest = clu_slice_from(text, i);
    }
    if (!rest.at && i && i + 1 == text.length && text.at[i] == '0')
        start.length = i - 1;
    if (!clu_address_port_parse(start, 0, &out->address) || (rest.at && !out->address.port))
        return false;
    out->first = out->last = out->address.port;
    if (!out->first) {
        out->first = CLU_LISTEN_DYNAMIC;
        out->last = UINT16_MAX;
    }
    return !rest.at || (clu_port(rest, &out->last) && out->last >= out->first);
}

CLU_FN void clu_listen_at(struct clu_listener *s, uint64_t at)
{
    clu_timer_set(&s->home->loop->timers, &s->timer, at);
}

/* Another node connected. */
CLU_FN int clu_listen_take(struct clu_listener *s, int fd)
{
    struct clu_links *home = s->home;
    struct clu_loop *l = home->loop;
    struct clu_link *link = clu_link_new(home, &home->half), *oldest;
    int result = link ? clu_watch_add(l, &link->channel.watcher, fd, true) : CLUSTER_E_MEMORY;
    if (result) {
        l->io.close(l->io.ctx, fd);
    } else {
        link->channel.fd = fd;
        link->channel.width = 2;
        link->channel.most = link->channel.full = CLU_HANDSHAKE_MAX;
        link->state = CLU_LINK_NAME;
        result = clu_random(l, &link->challenge, sizeof link->challenge);
    }
    if (result) {
        if (link)
            clu_link_free(link);
        return result;
    }
    clu_link_timer(link, clu_add_time(l->now, CLU_DIAL_DEADLINE));
    clu_channel_watch(&link->channel);
    if (home->halves++ < CLU_LISTEN_HALVES)
        return 0;
    for (oldest = home->half; oldest->next;)
        oldest = oldest->next;
    home->ended(oldest, CLU_WHY_CROWDED, CLUSTER_E_LIMIT);
    return 0;
}

/* What cannot be taken now, for want of descriptors or memory, waits where it is, and is not asked for meanwhile. */
CLU_FN void clu_listen_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_listener *s = CLU_CONTAINER(watcher, struct clu_listener, watcher);
    struct clu_loop *l = s->home->loop;
    int result = 0;
    if (revents & POLLNVAL) {
        s->fd = -1;
        clu_listen_at(s, 0);
        return;
    }
    while (result >= 0) {
        if (!clu_spend(l, fd, POLLIN))
            return;
        result = l->retired_count < CLU_RETIRED_MAX ? l->io.accept(l->io.ctx, fd, NULL) : CLUSTER_E_LIMIT;
        if (result == CLUSTER_E_AGAIN)
            return;
        if (result >= 0)
            result = clu_listen_take(s, result);
    }
    (void)clu_watch(l, watcher, fd, 0);
    clu_listen_at(s, clu_add_time(l->now, CLU_LINK_AGAIN));
}

/* A socket on the next port; its descriptor. */
CLU_FN int clu_listen_open(struct clu_listener *s)
{
    struct clu_loop *l = s->home->loop;
    const struct cluster_io *io = &l->io;
    int fd = io->open(io->ctx, CLUSTER_TCP, s->address.family), result;
    if (fd < 0)
        return fd;
    result = io->bind(io->ctx, fd, &s->address, CLUSTER_IO_RESTART);
    if (!result)
        result = io->listen(io->ctx, fd, CLU_LISTEN_BACKLOG);
    if (!result)
        result = clu_watch_add(l, &s->watcher, fd, true);
    if (!result)
        return fd;
    io->close(io->ctx, fd);
    return result;
}

CLU_FN void clu_listen_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_listener *s = CLU_CONTAINER(timer, struct clu_listener, timer);
    struct clu_loop *l = s->home->loop;
    unsigned tries = CLU_LISTEN_TRIES, count = s->last - s->first + 1u;
    if (!s->home->name) { /* name@auto is not known yet */
        clu_listen_at(s, clu_add_time(now, CLU_SECOND));
        return;
    }
    if (s->fd < 0 && !s->address.port)
        s->address.port = (uint16_t)(s->first + clu_jitter(l) % count);
    while (s->fd < 0 && tries--) {
        s->fd = clu_listen_open(s);
        if (s->fd >= 0)
            break;
        if (s->fd != CLUSTER_E_ADDRESS)
            tries = 0;
        else
            s->address.port = (uint16_t)(s->address.port < s->last ? s->address.port + 1 : s->first);
    }
    if (s->fd >= 0) {
        (void)clu_watch(l, &s->watcher, s->fd, POLLIN);
        s->home->port = s->address.port;
        return;
    }
    if (!s->said)
        clu_log(l, CLU_MESSAGE_LISTEN, cluster_strerror(s->fd));
    s->said = true;
    clu_listen_at(s, clu_add_time(now, CLU_LISTEN_AGAIN));
}

/* Begin, with the next step. The address is parsed. */
CLU_FN int clu_listen_init(struct clu_listener *s, struct clu_links *home)
{
    struct clu_loop *l = home->loop;
    s->home = home;
    s->fd = -1;
    s->watcher.ready = clu_listen_ready;
    if (!clu_timers_reserve(&l->memory, &l->timers, 1))
        return CLUSTER_E_MEMORY;
    clu_listen_at(s, 0);
    return 0;
}

#endif
