/*
 * Which peers are dialled, and when: at once when they come, so many at a time, and again after a time that doubles with each
 * failure, of which a random part is waited, so that nodes that lost the same peer do not all come back together.
 */
#ifndef CLU_LINK_DIAL_H
#define CLU_LINK_DIAL_H

#include "peer.h"

/* Say how it stands with a member: an event. */
CLU_FN void clu_peer_say(struct clu_peer *p, uint32_t type, enum clu_why why, int error)
{
    p->said = (uint8_t)(why + 1);
    if (p->member)
        clu_table_link_event(p->node->table, type, p->member, why, error);
}

/* When the next dial is due, if there is to be one. */
CLU_FN void clu_peer_schedule(struct clu_peer *p)
{
    struct clu_node *n = p->node;
    struct clu_loop *l = n->links.loop;
    uint64_t most = n->backoff_ns, at = CLUSTER_NEVER;
    uint32_t i;
    for (i = 1; i < p->failures && most < n->backoff_most_ns; i++)
        most = clu_add_time(most, most);
    most = clu_min_u64(most, n->backoff_most_ns);
    if (!p->failures && (p->asks || p->wanted))
        at = 0;
    else if (p->asks || (p->wanted && !n->once))
        at = clu_add_time(l->now, 1 + clu_jitter(l) % most);
    clu_timer_set(&l->timers, &p->timer, p->link || p->dial ? CLUSTER_NEVER : at);
}

/* A dial came to nothing, or a link ended. The host hears of it when it is news. The peer may be gone afterwards. */
CLU_FN void clu_peer_failed(struct clu_peer *p, enum clu_why why, int error)
{
    p->failures += p->failures < UINT32_MAX;
    clu_peer_state(p, p->wanted ? CLUSTER_MEMBER_DOWN : CLUSTER_MEMBER_UNLINKED);
    if (p->wanted && why != CLU_WHY_CALLS && p->said != why + 1)
        clu_peer_say(p, CLUSTER_DOWN, why, error);
    if (why != CLU_WHY_CALLS)
        clu_peer_refuse_asks(p, why, error);
    clu_peer_schedule(p);
    if (p->node->line)
        clu_timer_set(&p->node->links.loop->timers, &p->node->pump, 0);
    clu_peer_drop(p);
}

/* Where it is: its own address, or its host's. */
CLU_FN int clu_peer_locate(const struct clu_peer *p, struct clu_link *link)
{
    const struct cluster_member *m = p->member ? &p->member->record->view : NULL;
    const char *host = m && *m->address ? m->address : clu_name_host(clu_peer_name(p));
    struct clu_loop *l = p->node->links.loop;
    link->port = m ? (uint16_t)m->port : 0;
    return clu_lookup(&l->io, &l->memory, clu_slice_str(host), &link->address);
}

CLU_FN void clu_peer_dial(struct clu_peer *p)
{
    struct clu_node *n = p->node;
    struct clu_link *link = clu_link_new(&n->links, &n->links.first);
    int result;
    if (!link) {
        clu_peer_failed(p, CLU_WHY_SYSTEM, CLUSTER_E_MEMORY);
        return;
    }
    n->dials++;
    p->dial = link;
    link->peer = p;
    link->name = clu_peer_name(p);
    link->replaces = p->replaces;
    clu_peer_state(p, CLUSTER_MEMBER_DIALLED);
    result = clu_peer_locate(p, link);
    if (result == CLUSTER_E_NOT_FOUND)
        (void)clu_link_fail(link, CLU_WHY_HOST);
    if (!result)
        result = clu_random(n->links.loop, &link->challenge, sizeof link->challenge);
    if (!result)
        result = clu_link_open(link);
    if (result)
        clu_link_end(link, result);
}

/* Dial those who stand in the line, while there is room. */
CLU_FN void clu_dial_pump(struct clu_node *n)
{
    while (n->line && n->dials < n->limit_dials) {
        struct clu_peer *p = n->line;
        n->line = p->later;
        if (!n->line)
            n->line_end = &n->line;
        p->lined = false;
        if (!p->link && !p->dial && (p->wanted || p->asks))
            clu_peer_dial(p);
        else
            clu_peer_drop(p);
    }
}

CLU_FN void clu_dial_fire_pump(struct clu_timer *timer, uint64_t now)
{
    (void)now;
    clu_dial_pump(CLU_CONTAINER(timer, struct clu_node, pump));
}

CLU_FN void clu_dial_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_peer *p = CLU_CONTAINER(timer, struct clu_peer, timer);
    struct clu_node *n = p->node;
    if (!n->links.own->name) { /* name@auto is not known yet */
        clu_timer_set(&n->links.loop->timers, timer, clu_add_time(now, CLU_SECOND));
        return;
    }
    if (!p->lined) {
        p->lined = true;
        p->later = NULL;
        *n->line_end = p;
        n->line_end = &p->later;
    }
    clu_dial_pump(n);
}

CLU_FN struct clu_peer *clu_peer_new(struct clu_node *n, const char *name)
{
    struct clu_loop *l = n->links.loop;
    size_t length = strlen(name) + 1, size = sizeof(struct clu_peer) + length;
    struct clu_peer *p = (struct clu_peer *)clu_alloc_zero(&l->memory, size);
    if (!p || !clu_timers_reserve(&l->memory, &l->timers, 1)) {
        clu_free(&l->memory, p, size);
        return NULL;
    }
    memcpy(p + 1, name, length);
    p->node = n;
    p->size = size;
    p->timer.fire = clu_dial_fire;
    return p;
}

#endif
