/*
 * The registration of the own node with the epmd of this host. It lasts as long as the stream to it, so the stream is kept, and
 * made anew when it breaks, as when epmd was started again. It owns that stream and one timer, and never sends a byte more than
 * the request, since epmd takes any as the end.
 */
#ifndef CLU_LINK_LEASE_H
#define CLU_LINK_LEASE_H

#include "../net/lookup.h"
#include "../wire/epmd.h"
#include "channel.h"

#define CLU_LEASE_DEADLINE (5 * CLU_SECOND) /* for epmd's answer */
#define CLU_LEASE_SOON (200 * CLU_MS)       /* until the next attempt, at first; it doubles */
#define CLU_LEASE_MOST (8 * CLU_SECOND)

struct clu_lease {
    struct clu_channel channel;
    struct clu_timer timer;
    const char *name; /* of the own node */
    uint16_t port;
    uint8_t failures; /* since it was held last */
    bool held;
    int said; /* the error that was told */
};

CLU_FN void clu_lease_timer(struct clu_lease *lease, uint64_t after)
{
    struct clu_loop *l = lease->channel.loop;
    clu_timer_set(&l->timers, &lease->timer, clu_add_time(l->now, after));
}

/* It is not registered: said once for each reason, and tried again. */
CLU_FN void clu_lease_ended(struct clu_channel *ch, int error)
{
    struct clu_lease *lease = CLU_CONTAINER(ch, struct clu_lease, channel);
    uint64_t most = clu_min_u64(CLU_LEASE_SOON << lease->failures, CLU_LEASE_MOST);
    clu_channel_close(ch);
    if (lease->failures < 6 && !lease->held)
        lease->failures++;
    if (!lease->held && lease->said != error)
        clu_log(ch->loop, error == CLUSTER_E_EXISTS ? CLU_MESSAGE_LEASE_TAKEN : CLU_MESSAGE_LEASE, cluster_strerror(error));
    lease->said = lease->held ? 0 : error;
    lease->held = false;
    clu_lease_timer(lease, most / 2 + clu_jitter(ch->loop) % most);
}

/* epmd answers once, and then it keeps still. */
CLU_FN int clu_lease_answered(struct clu_channel *ch, const uint8_t *data, size_t size)
{
    struct clu_lease *lease = CLU_CONTAINER(ch, struct clu_lease, channel);
    bool refused;
    enum clu_parse parsed = clu_epmd_alive_reply(data, size, &refused);
    if (parsed == CLU_NEED_MORE)
        return 0;
    if (parsed == CLU_MALFORMED || refused)
        return parsed == CLU_MALFORMED ? CLUSTER_E_PROTOCOL : CLUSTER_E_EXISTS;
    lease->held = true;
    lease->failures = 0;
    clu_timer_set(&ch->loop->timers, &lease->timer, CLUSTER_NEVER);
    return 0;
}

CLU_FN void clu_lease_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_lease *lease = CLU_CONTAINER(timer, struct clu_lease, timer);
    struct clu_channel *ch = &lease->channel;
    struct cluster_address epmd;
    struct clu_writer w;
    int result;
    (void)now;
    if (ch->fd >= 0) {
        clu_lease_ended(ch, CLUSTER_E_TIMEOUT);
        return;
    }
    memset(&epmd, 0, sizeof epmd);
    (void)clu_address_parse(clu_slice_str("127.0.0.1"), &epmd);
    epmd.port = clu_epmd_port_here(&ch->loop->io);
    result = clu_channel_open(ch, &epmd);
    if (result >= 0) {
        w = clu_channel_begin(ch, 16 + CLU_NAME_MAX);
        clu_epmd_alive_write(&w, clu_slice_of(lease->name, strcspn(lease->name, "@")), lease->port);
        result = clu_channel_end(ch, &w);
    }
    if (result < 0) {
        clu_lease_ended(ch, result);
        return;
    }
    clu_channel_watch(ch);
    clu_lease_timer(lease, CLU_LEASE_DEADLINE);
}

CLU_FN void clu_lease_sent(struct clu_channel *ch)
{
    (void)ch;
}

/* Into zeroed memory. CLUSTER_E_MEMORY. */
CLU_FN int clu_lease_init(struct clu_lease *lease, struct clu_loop *l)
{
    struct clu_channel *ch = &lease->channel;
    ch->loop = l;
    ch->watcher.ready = clu_channel_ready;
    ch->packet = clu_lease_answered;
    ch->ended = clu_lease_ended;
    ch->drained = clu_lease_sent;
    ch->fd = -1;
    ch->most = ch->full = CLU_CHANNEL_READ;
    lease->timer.fire = clu_lease_fire;
    return clu_timers_reserve(&l->memory, &l->timers, 1) ? 0 : CLUSTER_E_MEMORY;
}

/* Register a name with its port, from now on, at the epmd of this host. The name stays the caller's. */
CLU_FN void clu_lease_begin(struct clu_lease *lease, const char *name, uint16_t port)
{
    lease->name = name;
    lease->port = port;
    clu_lease_timer(lease, 0);
}

/* The name is free again; of a lease that never was, too. */
CLU_FN void clu_lease_end(struct clu_lease *lease)
{
    struct clu_channel *ch = &lease->channel;
    if (!ch->loop)
        return;
    clu_channel_close(ch);
    clu_timer_set(&ch->loop->timers, &lease->timer, CLUSTER_NEVER);
}

#endif
