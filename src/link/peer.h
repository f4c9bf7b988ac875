/*
 * The nodes that a handle may link to: whom a source lists, and whom the program asks for by name. A peer hangs on its member,
 * or while there is none in a list of strays. It knows which link is its own, which dial is under way, and who waits for it.
 */
#ifndef CLU_LINK_PEER_H
#define CLU_LINK_PEER_H

#include "../member/table.h"
#include "link.h"

/* A ping that waits for its answer. */
struct clu_ask {
    struct clu_ask *next;
    struct clu_timer timer;
    struct clu_peer *peer;
    uint64_t request;
    bool begun; /* its time runs */
    bool sent;
};

struct clu_peer {
    struct clu_node *node;
    struct clu_member *member; /* NULL: a stray */
    struct clu_peer *next;     /* stray */
    struct clu_peer *later;    /* in the line of those to be dialled */
    struct clu_link *link;     /* that is up */
    struct clu_link *dial;     /* on its way */
    struct clu_ask *asks;
    struct clu_timer timer; /* to the next dial */
    uint32_t failures;      /* of dials, since the last that went well */
    uint8_t said;           /* 1 and the reason that the host was told last; 0: none, or of the link */
    bool wanted;            /* a source lists it */
    bool lined;             /* it stands in the line */
    bool kept;              /* somebody is at work on it */
    bool replaces;          /* it may still hold a link of ours */
    size_t size;            /* of this object, its name after it */
};

struct clu_node {
    struct clu_links links;
    struct clu_table *table;
    struct clu_watch_members watch;
    struct clu_claims claims; /* those that are linked are members */
    struct clu_peer *strays, *line, **line_end;
    struct clu_timer pump;
    bool dials_all;   /* connect=erlang */
    bool once;        /* reconnect=off */
    bool disconnects; /* on_leave=disconnect */
    bool missed;      /* some member has no peer for want of memory */
    uint32_t dials, limit_dials;
    uint64_t backoff_ns, backoff_most_ns;
    char cookie[CLU_COOKIE_MAX + 1];
};

CLU_FN const char *clu_peer_name(const struct clu_peer *p)
{
    return (const char *)(p + 1);
}

/* Its place among the strays, or where the next one goes. */
CLU_FN struct clu_peer **clu_stray_place(struct clu_node *n, const char *name)
{
    struct clu_peer **at = &n->strays;
    while (*at && strcmp(clu_peer_name(*at), name) != 0)
        at = &(*at)->next;
    return at;
}

CLU_FN struct clu_peer *clu_peer_find(struct clu_node *n, const char *name)
{
    const struct clu_member *m = clu_table_find(n->table, name, strlen(name));
    return m && m->peer ? (struct clu_peer *)m->peer : *clu_stray_place(n, name);
}

/* Is it of no use any more? Then it goes, unless it is some member's. */
CLU_FN void clu_peer_drop(struct clu_peer *p)
{
    struct clu_node *n = p->node;
    struct clu_loop *l = n->links.loop;
    struct clu_peer **at;
    if (p->member || p->link || p->dial || p->asks || p->kept)
        return;
    at = clu_stray_place(n, clu_peer_name(p));
    if (*at == p)
        *at = p->next;
    for (at = &n->line; *at; at = &(*at)->later) {
        if (*at != p)
            continue;
        *at = p->later;
        if (!*at)
            n->line_end = at;
        break;
    }
    clu_timers_release(&l->timers, &p->timer);
    clu_free(&l->memory, p, p->size);
}

CLU_FN void clu_peer_state(struct clu_peer *p, uint32_t state)
{
    struct clu_member *m = p->member;
    if (!m)
        return;
    if (m->state == CLUSTER_MEMBER_UP && state != CLUSTER_MEMBER_UP)
        m->lost_ns = p->node->links.loop->now;
    m->state = m->record->view.state = state;
}

/* ---- those who wait --------------------------------------------------- */

CLU_FN void clu_ask_answer(struct clu_ask *ask, int error, const char *text)
{
    struct clu_peer *p = ask->peer;
    struct clu_loop *l = p->node->links.loop;
    struct clu_event *e = clu_queue_reply(&l->events);
    struct clu_ask **at = &p->asks;
    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
    e->error = error;
    e->time = l->now;
    e->request = ask->request;
    e->object = clu_reply_text(&l->memory, text);
    l->kick = true;
    clu_timers_release(&l->timers, &ask->timer);
    clu_free(&l->memory, ask, sizeof *ask);
}

CLU_FN void clu_peer_refuse_asks(struct clu_peer *p, enum clu_why why, int error)
{
    while (p->asks)
        clu_ask_answer(p->asks, error, clu_why_text(why, error));
}

#endif
