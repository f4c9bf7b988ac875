/*
 * The own node on the network: whom it is linked to by name, and what follows when a link comes up or ends. Who is linked is a
 * member, also where no source lists it, for as long as the link is there.
 */
#ifndef CLU_LINK_NODE_H
#define CLU_LINK_NODE_H

#include "dial.h"

/* The handshake is done. It fails when there is no room for one more member. */
CLU_FN int clu_node_up(struct clu_link *link)
{
    struct clu_peer *p = (struct clu_peer *)link->peer;
    struct clu_node *n = p->node;
    struct clu_says says;
    int result;
    memset(&says, 0, sizeof says);
    says.name = link->name;
    says.length = strlen(link->name);
    says.address = says.zone = says.role = "";
    says.accepted = true;
    result = clu_claims_heard(n->table, &n->claims, &says, n->links.loop->now);
    if (result)
        return result == CLUSTER_E_LIMIT ? clu_link_fail(link, CLU_WHY_MEMBERS) : result;
    n->dials--;
    p->dial = NULL;
    p->link = link;
    p->failures = 0;
    p->replaces = false;
    clu_timer_set(&n->links.loop->timers, &p->timer, CLUSTER_NEVER);
    if (n->line)
        clu_timer_set(&n->links.loop->timers, &n->pump, 0);
    clu_peer_state(p, CLUSTER_MEMBER_UP);
    clu_peer_say(p, CLUSTER_UP, CLU_WHY_SYSTEM, 0);
    p->said = 0;
    return 0;
}

CLU_FN void clu_node_ended(struct clu_link *link, enum clu_why why, int error)
{
    struct clu_peer *p = (struct clu_peer *)link->peer;
    struct clu_node *n = p->node;
    bool was_up = p->link == link;
    clu_link_free(link);
    if (was_up) {
        p->link = NULL;
        p->replaces = why != CLU_WHY_CLOSED;
        clu_peer_state(p, CLUSTER_MEMBER_DOWN);
        clu_peer_say(p, CLUSTER_DOWN, why, error);
        p->kept = true;
        clu_claims_gone(n->table, &n->claims, clu_peer_name(p));
        p->kept = false;
    } else {
        n->dials--;
        p->dial = NULL;
    }
    clu_peer_failed(p, why, error);
}

/* A member came, changed or leaves. A link that must end does so by its timer, since no member may change meanwhile. */
CLU_FN void clu_node_look_at(struct clu_watch_members *watch, struct clu_member *m, uint32_t type)
{
    struct clu_node *n = CLU_CONTAINER(watch, struct clu_node, watch);
    uint32_t not_dialled = CLUSTER_MEMBER_SELF | CLUSTER_MEMBER_ACCEPTED | CLUSTER_MEMBER_DRAINING, flags;
    const char *name = m->record->view.name;
    struct clu_peer *p = (struct clu_peer *)m->peer, **stray = clu_stray_place(n, name);
    bool wanted;
    flags = m->record->view.flags;
    wanted = n->dials_all && type != CLUSTER_LEAVE && !(flags & not_dialled);
    if (!p && *stray) {
        p = *stray;
        *stray = p->next;
        p->member = m;
        m->peer = p;
    } else if (!p && wanted) {
        p = clu_peer_new(n, name);
        if (!p) {
            n->missed = true;
            return;
        }
        p->member = m;
        m->peer = p;
    }
    if (!p)
        return;
    if (type == CLUSTER_LEAVE) {
        m->peer = NULL;
        p->member = NULL;
        p->next = *stray;
        *stray = p;
    }
    if (n->disconnects && p->link && p->wanted && !wanted) {
        (void)clu_link_fail(p->link, CLU_WHY_LEFT);
        clu_link_timer(p->link, 0);
    }
    if (p->wanted != wanted) {
        p->wanted = wanted;
        p->failures = 0;
        if (!wanted && p->dial && !p->asks) {
            clu_link_free(p->dial);
            p->dial = NULL;
            n->dials--;
        }
        clu_peer_schedule(p);
    }
    clu_peer_drop(p);
}

/* What could not be done for want of memory. When to try again. */
CLU_FN uint64_t clu_node_retry(struct clu_node *n)
{
    size_t i;
    if (!n->missed)
        return CLUSTER_NEVER;
    n->missed = false;
    for (i = 0; i < n->table->settled && !n->missed; i++)
        clu_node_look_at(&n->watch, n->table->sorted[i], CLUSTER_CHANGE);
    return n->missed ? clu_add_time(n->links.loop->now, CLU_LINK_AGAIN) : CLUSTER_NEVER;
}

/* Before the table has members. Into zeroed memory; the settings are the caller's. */
CLU_FN int clu_node_init(struct clu_node *n, struct clu_table *table, const struct cluster_node *own)
{
    struct clu_loop *l = table->loop;
    n->table = table;
    n->links.loop = l;
    n->links.own = own;
    n->links.ended = clu_node_ended;
    n->claims.rank = UINT64_MAX;
    n->claims.limit = SIZE_MAX;
    n->line_end = &n->line;
    n->pump.fire = clu_dial_fire_pump;
    n->watch.changed = clu_node_look_at;
    if (!clu_timers_reserve(&l->memory, &l->timers, 1))
        return CLUSTER_E_MEMORY;
    table->watch = &n->watch;
    return clu_random(l, &n->links.creation, sizeof n->links.creation);
}

/* The end of the handle: nobody is told. The sources follow, and with their members all peers but those below. */
CLU_FN void clu_node_free(struct clu_node *n)
{
    struct clu_link *link;
    while ((link = n->links.first) != NULL) {
        struct clu_peer *p = (struct clu_peer *)link->peer;
        p->link = p->dial = NULL;
        clu_link_free(link);
    }
    clu_wipe(n->cookie, sizeof n->cookie);
    if (n->table)
        clu_claims_clear(n->table, &n->claims);
}

/* After the sources have ended: who waits only for an answer. */
CLU_FN void clu_node_free_strays(struct clu_node *n)
{
    while (n->strays) {
        struct clu_peer *p = n->strays;
        while (p->asks) {
            struct clu_ask *ask = p->asks;
            p->asks = ask->next;
            clu_timers_release(&n->links.loop->timers, &ask->timer);
            clu_free(&n->links.loop->memory, ask, sizeof *ask);
        }
        clu_peer_drop(p);
    }
}

#endif
