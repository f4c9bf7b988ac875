/*
 * The nodes that a handle may link to: whom a source lists, and whom the program asks for by name. A peer hangs on its member,
 * or while there is none in a list of strays. It knows which link is its own, which dial is under way, and who waits for it.
 */
#ifndef CLU_LINK_PEER_H
#define CLU_LINK_PEER_H

#include "../member/table.h"
#include "lease.h"
#include "listen.h"

enum { CLU_ASK_PING, CLU_ASK_CALL, CLU_ASK_MONITOR };

/* What waits for an answer of a node. The packet that asks is made with it, and goes out as soon as there is a link. */
struct clu_ask {
    struct clu_ask *next, **at; /* of its peer */
    struct clu_timer timer;
    struct clu_peer *peer;
    uint64_t request, time_ns; /* for how long; CLUSTER_NEVER */
    uint32_t slot;
    uint8_t kind;
    bool begun; /* its time runs */
    bool sent;
    uint8_t *packet;
    size_t capacity, size;
};

/* A name that others can send to. */
struct clu_process {
    struct clu_process *next;
    uint32_t id;
    size_t size; /* of this object, its name after it */
};

/* A call of theirs that the host is to answer. */
struct clu_served {
    struct clu_served *next;
    struct clu_link *link;
    uint64_t request;
    bool spawned; /* it came as a spawn request, else to rex */
    size_t size;  /* of this object, the terms after it */
    struct clu_slice terms[5];
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
    uint8_t kept;           /* so many are at work on it */
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
    struct clu_listener listener;
    struct clu_lease lease;
    struct clu_process *processes;           /* the newest first */
    struct clu_served *served, **served_end; /* the oldest first */
    size_t served_count;
    struct clu_ask **slots; /* of what is asked, each in one */
    size_t slots_capacity, asked, slot_next;
    bool dials_all;   /* connect=erlang */
    bool once;        /* reconnect=off */
    bool disconnects; /* on_leave=disconnect */
    bool warned;      /* that anybody can have it dial */
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

CLU_FN void clu_served_free(struct clu_node *n, struct clu_served **at)
{
    struct clu_served *s = *at;
    *at = s->next;
    if (!s->next)
        n->served_end = at;
    n->served_count--;
    clu_free(&n->links.loop->memory, s, s->size);
}

CLU_FN void clu_ask_free(struct clu_ask *ask)
{
    struct clu_node *n = ask->peer->node;
    struct clu_loop *l = n->links.loop;
    *ask->at = ask->next;
    if (ask->next)
        ask->next->at = ask->at;
    n->slots[ask->slot] = NULL;
    n->asked--;
    clu_timers_release(&l->timers, &ask->timer);
    clu_free(&l->memory, ask->packet, ask->capacity);
    clu_free(&l->memory, ask, sizeof *ask);
}

/* A reply for it; 0, or CLUSTER_E_MEMORY if there was a term to show. It is gone then. */
CLU_FN int clu_ask_answer(struct clu_ask *ask, int error, const char *text, const void *term, size_t size)
{
    struct clu_node *n = ask->peer->node;
    struct clu_loop *l = n->links.loop;
    struct clu_shared *object = clu_text_object(&l->memory, text, term, size);
    struct clu_event *e;
    if (!object && size)
        return CLUSTER_E_MEMORY;
    e = clu_queue_reply(&l->events);
    e->error = error;
    e->time = l->now;
    e->request = ask->request;
    e->object = object;
    e->term_size = size ? size + 1 : 0;
    l->kick = true;
    clu_ask_free(ask);
    return 0;
}

CLU_FN void clu_peer_refuse_asks(struct clu_peer *p, enum clu_why why, int error)
{
    while (p->asks) {
        bool ran = p->asks->kind == CLU_ASK_CALL && p->asks->sent;
        (void)clu_ask_answer(p->asks, error, clu_why_text(ran ? CLU_WHY_MAY_HAVE_RUN : why, error), NULL, 0);
    }
}

#endif
