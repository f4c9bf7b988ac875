/*
 * Where others connect to: the first port of a range that is free. What they make are links that are not up yet, of which there
 * are only so many: the one that waits longest gives way to a new one, so that nobody can fill the places and stay silent. It
 * owns its descriptor and one timer.
 */
#ifndef CLU_LINK_LISTEN_H
#define CLU_LINK_LISTEN_H

#include "dial.h"
#include "link.h"

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
    struct clu_slice last = text, first = clu_cut(&last, '-');
    if (!last.at && first.length > 2 && memcmp(first.at + first.length - 2, ":0", 2) == 0)
        first.length -= 2;
    if (!clu_address_port_parse(first, 0, &out->address))
        return false;
    out->first = out->last = out->address.port;
    if (out->first)
        return !last.at || (clu_port(last, &out->last) && out->last >= out->first);
    out->first = CLU_LISTEN_DYNAMIC;
    out->last = UINT16_MAX;
    return !last.at;
}

CLU_FN void clu_listen_at(struct clu_listener *s, uint64_t at)
{
    clu_timer_set(&s->home->loop->timers, &s->timer, at);
}

/* Another node connected. */
CLU_FN int clu_listen_take(struct clu_watcher *watcher, int fd, const struct cluster_address *from)
{
    struct clu_links *home = CLU_CONTAINER(watcher, struct clu_listener, watcher)->home;
    struct clu_loop *l = home->loop;
    struct clu_link *link = clu_link_new(home, &home->half), *oldest;
    int result = link ? clu_random(l, &link->challenge, sizeof link->challenge) : CLUSTER_E_MEMORY;
    (void)from;
    if (!result)
        result = clu_watch_add(l, &link->channel.watcher, fd, true);
    if (result) {
        l->io.close(l->io.ctx, fd);
        if (link)
            clu_link_free(link);
        return result;
    }
    link->channel.fd = fd;
    link->channel.width = 2;
    link->channel.most = link->channel.full = CLU_HANDSHAKE_MAX;
    link->state = CLU_LINK_NAME;
    clu_link_timer(link, clu_add_time(l->now, CLU_DIAL_DEADLINE));
    clu_channel_watch(&link->channel);
    if (home->halves++ < CLU_LISTEN_HALVES)
        return 0;
    for (oldest = home->half; oldest->next;)
        oldest = oldest->next;
    home->kind->ended(oldest, CLU_WHY_CROWDED, CLUSTER_E_LIMIT);
    return 0;
}

CLU_FN void clu_listen_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_listener *s = CLU_CONTAINER(watcher, struct clu_listener, watcher);
    struct clu_loop *l = s->home->loop;
    if (revents & POLLNVAL)
        s->fd = -1;
    else if (!clu_accept(l, watcher, fd, clu_listen_take))
        return;
    clu_listen_at(s, clu_add_time(l->now, CLU_LINK_AGAIN));
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
        s->fd = clu_listen(l, &s->watcher, &s->address);
        if (s->fd != CLUSTER_E_ADDRESS)
            break;
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
