/*
 * The own node on the network: whom it is linked to by name, and what follows when a link comes up or ends. Who is linked is a
 * member, also where no source lists it, for as long as the link is there.
 */
#ifndef CLU_LINK_NODE_H
#define CLU_LINK_NODE_H

#include "dial.h"

/* The peer of this name, which is a new one if need be; NULL: no memory. */
CLU_FN struct clu_peer *clu_node_peer(struct clu_node *n, const char *name)
{
    struct clu_peer *p = clu_peer_find(n, name);
    struct clu_member *m;
    if (p)
        return p;
    p = clu_peer_new(n, name);
    if (!p)
        return NULL;
    m = clu_table_find(n->table, name, strlen(name));
    p->member = m;
    if (m)
        m->peer = p;
    else
        *clu_stray_place(n, name) = p;
    return p;
}

CLU_FN void clu_node_end_dial(struct clu_peer *p)
{
    clu_link_free(p->dial);
    p->dial = NULL;
    p->node->dials--;
}

CLU_FN void clu_node_ended(struct clu_link *link, enum clu_why why, int error)
{
    struct clu_node *n = CLU_CONTAINER(link->home, struct clu_node, links);
    struct clu_peer *p = (struct clu_peer *)link->peer;
    bool was_up = p && p->link == link;
    if (!p) {
        if (why == CLU_WHY_COOKIE)
            clu_log(n->links.loop, CLU_MESSAGE_OTHER_COOKIE, link->name);
        n->links.halves--;
        clu_link_free(link);
        return;
    }
    if (!was_up) {
        clu_node_end_dial(p);
    } else {
        n->links.loop->events.replies -= link->choked;
        clu_link_free(link);
        p->link = NULL;
        p->replaces = why != CLU_WHY_CLOSED;
        clu_peer_state(p, CLUSTER_MEMBER_DOWN);
        clu_peer_say(p, CLUSTER_DOWN, why, error);
        p->kept++;
        clu_claims_gone(n->table, &n->claims, clu_peer_name(p));
        p->kept--;
    }
    clu_peer_failed(p, why, error);
}

/* A node says its name. Where two dial each other the attempt of the higher name goes on. */
CLU_FN enum clu_status_word clu_node_greeted(struct clu_link *link)
{
    struct clu_node *n = CLU_CONTAINER(link->home, struct clu_node, links);
    const struct clu_peer *p = clu_peer_find(n, link->name);
    if (p && p->link)
        return CLU_SAY_ALIVE;
    if (!p || !p->dial)
        return CLU_SAY_OK;
    return strcmp(n->links.own->name, link->name) > 0 ? CLU_SAY_NOK : CLU_SAY_SIMULTANEOUS;
}

/* The handshake is done: whatever else there was to this node ends. It fails when there is no room for one more member. */
CLU_FN int clu_node_up(struct clu_link *link)
{
    struct clu_node *n = CLU_CONTAINER(link->home, struct clu_node, links);
    struct clu_peer *p = clu_node_peer(n, link->name);
    bool accepted = !link->peer;
    struct clu_says says;
    int result;
    if (!p)
        return CLUSTER_E_MEMORY;
    p->kept++;
    if (p->link)
        n->links.ended(p->link, CLU_WHY_ANEW, CLUSTER_E_CLOSED);
    memset(&says, 0, sizeof says);
    says.name = clu_peer_name(p);
    says.length = strlen(says.name);
    says.address = says.zone = says.role = "";
    says.accepted = true;
    result = clu_claims_heard(n->table, &n->claims, &says, n->links.loop->now);
    p->kept--;
    if (result) {
        clu_peer_drop(p);
        return result == CLUSTER_E_LIMIT ? clu_link_fail(link, CLU_WHY_MEMBERS) : result;
    }
    if (p->dial == link) {
        p->dial = NULL;
        n->dials--;
    } else if (p->dial) {
        clu_node_end_dial(p);
    }
    if (accepted) {
        n->links.halves--;
        clu_link_delist(link);
        clu_link_enlist(link, &n->links.first);
        link->peer = p;
        link->name = clu_peer_name(p);
        clu_link_free_said(link);
    }
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
        if (!wanted && p->dial && !p->asks)
            clu_node_end_dial(p);
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

/* Listen; and once there is a port, register it. */
CLU_FN void clu_node_listen(struct clu_timer *timer, uint64_t now)
{
    struct clu_node *n = CLU_CONTAINER(timer, struct clu_node, listener.timer);
    clu_listen_fire(timer, now);
    if (n->links.port && n->links.port != n->lease.port)
        clu_lease_begin(&n->lease, n->links.own->name, n->links.port);
}

/* Others may link to this node from the next step on. The address is parsed. */
CLU_FN int clu_node_open(struct clu_node *n)
{
    struct clu_loop *l = n->links.loop;
    int result = clu_listen_init(&n->listener, &n->links);
    n->listener.timer.fire = clu_node_listen;
    return result ? result : clu_lease_init(&n->lease, l);
}

/* Before the table has members. Into zeroed memory; the settings are the caller's. */
CLU_FN int clu_node_init(struct clu_node *n, struct clu_table *table, const struct cluster_node *own)
{
    struct clu_loop *l = table->loop;
    n->table = table;
    n->links.loop = l;
    n->links.own = own;
    n->links.greeted = clu_node_greeted;
    n->claims.rank = UINT64_MAX;
    n->claims.limit = SIZE_MAX;
    n->line_end = &n->line;
    n->served_end = &n->served;
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
    clu_lease_end(&n->lease);
    while ((link = n->links.half) != NULL)
        clu_link_free(link);
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
    const struct cluster_allocator *memory;
    if (!n->table)
        return;
    memory = &n->table->loop->memory;
    while (n->strays) {
        struct clu_peer *p = n->strays;
        while (p->asks)
            clu_ask_free(p->asks);
        clu_peer_drop(p);
    }
    while (n->served)
        clu_served_free(n, &n->served);
    while (n->processes) {
        struct clu_process *process = n->processes;
        n->processes = process->next;
        clu_free(memory, process, process->size);
    }
    clu_free(memory, n->slots, n->slots_capacity * sizeof *n->slots);
}

#endif
