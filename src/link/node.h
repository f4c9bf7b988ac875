/*
 * The own node among Erlang nodes: what is asked of others and of it, and what follows when a link comes up or ends.
 */
#ifndef CLU_LINK_NODE_H
#define CLU_LINK_NODE_H

#include "lease.h"
#include "link.h"
#include "listen.h"
#include "peer.h"

enum { CLU_ASK_PING, CLU_ASK_CALL, CLU_ASK_MONITOR };

/* What waits for an answer of a node. What it says goes out as soon as there is a link; who says it is written then, for the own
 * name may not be known before. */
struct clu_ask {
    struct clu_ask *next, **at; /* of its peer */
    struct clu_timer timer;
    struct clu_peer *peer;
    uint64_t request, time_ns; /* for how long; CLUSTER_NEVER */
    uint32_t slot;
    uint8_t kind;
    bool begun; /* its time runs */
    bool sent;
    uint8_t *says;
    size_t capacity, size;
};

/* A name that others can send to. */
struct clu_process {
    struct clu_process *next;
    uint32_t id;
    size_t size; /* of this object, its name after it */
};

/* Who asked, what the answer bears, and of a spawn request also its first argument; the function. What came behind is not kept. */
enum {
    CLU_SERVED_PID,
    CLU_SERVED_TAG,
    CLU_SERVED_RESULT,
    CLU_SERVED_MODULE,
    CLU_SERVED_FUNCTION,
    CLU_SERVED_TERMS,
    CLU_SERVED_ARGUMENTS = CLU_SERVED_TERMS,
    CLU_SERVED_LEADER,
    CLU_SERVED_CAME
};

/* A call of theirs that the host is to answer. */
struct clu_served {
    struct clu_served *next;
    struct clu_link *link;
    uint64_t request;
    bool spawned; /* it came as a spawn request, else to rex */
    size_t size;  /* of this object, the terms after it */
    struct clu_slice terms[CLU_SERVED_CAME];
};

struct clu_node {
    struct clu_mesh *mesh;
    struct clu_process *processes; /* the newest first, as what is served */
    struct clu_served *served;
    size_t served_count;
    struct clu_ask **slots; /* of what is asked, each in one */
    size_t slots_capacity, asked, slot_next;
    uint64_t next_word_ns; /* about a wrong cookie, at the earliest */
    struct clu_listener listener;
    struct clu_lease lease;
    char cookie[CLU_COOKIE_MAX + 1], ca[256];
};

CLU_FN struct clu_node *clu_node_at(struct clu_links *home)
{
    return (struct clu_node *)CLU_CONTAINER(home, struct clu_mesh, links)->node;
}

CLU_FN struct clu_node *clu_node_of(const struct clu_peer *p)
{
    return (struct clu_node *)p->mesh->node;
}

/* ---- those who wait --------------------------------------------------- */

CLU_FN void clu_served_free(struct clu_node *n, struct clu_served **at)
{
    struct clu_served *s = *at;
    *at = s->next;
    n->served_count--;
    clu_free(&n->mesh->links.loop->memory, s, s->size);
}

/* What it says is no longer kept. */
CLU_FN void clu_ask_forget(struct clu_ask *ask)
{
    if (ask->says)
        ask->peer->unsent -= ask->size;
    clu_free(&ask->peer->mesh->links.loop->memory, ask->says, ask->capacity);
    ask->says = NULL;
}

CLU_FN void clu_ask_free(struct clu_ask *ask)
{
    struct clu_node *n = clu_node_of(ask->peer);
    struct clu_loop *l = n->mesh->links.loop;
    *ask->at = ask->next;
    if (ask->next)
        ask->next->at = ask->at;
    ask->peer->dial.asked = ask->peer->asks != NULL;
    n->slots[ask->slot] = NULL;
    n->asked--;
    clu_timers_release(&l->timers, &ask->timer);
    clu_ask_forget(ask);
    clu_free(&l->memory, ask, sizeof *ask);
}

/* A reply for it; 0, or CLUSTER_E_MEMORY if there was a term to show. It is gone then. */
CLU_FN int clu_ask_answer(struct clu_ask *ask, int error, const char *text, const void *term, size_t size)
{
    struct clu_node *n = clu_node_of(ask->peer);
    struct clu_loop *l = n->mesh->links.loop;
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

/* ---- links ------------------------------------------------------------ */

/* The own name is another one: what a link said, or none but the host. What was begun under the one before begins anew, by its
 * timer; what is up ends. */
CLU_FN void clu_node_renamed(struct clu_links *home, const char *name)
{
    struct clu_link *link, *next;
    home->name = name;
    for (link = home->first; link; link = next) {
        next = link->next;
        if (link->said == name || link->state < CLU_LINK_STATUS)
            continue;
        if (link->state == CLU_LINK_UP) {
            home->kind->ended(link, CLU_WHY_NAMELESS, CLUSTER_E_CLOSED);
        } else {
            clu_channel_close(&link->channel);
            clu_link_free_said(link);
            clu_link_timer(link, 0);
        }
    }
}

CLU_FN void clu_node_ended(struct clu_link *link, enum clu_why why, int error)
{
    struct clu_links *home = link->home;
    struct clu_peer *p = (struct clu_peer *)link->peer;
    struct clu_node *n = clu_node_at(home);
    uint64_t now = home->loop->now;
    if (!p) {
        if (why == CLU_WHY_COOKIE && now >= n->next_word_ns) {
            clu_log(home->loop, CLU_MESSAGE_OTHER_COOKIE, link->name);
            n->next_word_ns = clu_add_time(now, CLU_SECOND); /* strangers do not fill a log */
        }
        home->halves--;
        clu_link_free(link);
    } else if (p->link != link) {
        clu_peer_stop(p);
        clu_peer_failed(p, why, error);
    } else {
        bool gave = link->said != NULL;
        home->loop->events.replies -= link->choked;
        clu_link_free(link);
        p->link = NULL;
        p->replaces = why != CLU_WHY_CLOSED;
        if (gave)
            clu_node_renamed(home, home->host);
        clu_peer_lost(p, why, error);
    }
}

/* A node says its name. Where two dial each other the attempt of the higher name goes on. */
CLU_FN int clu_node_greeted(struct clu_link *link)
{
    const struct clu_peer *p = clu_peer_find(clu_node_at(link->home)->mesh, link->name);
    if (p && p->link)
        return CLU_SAY_ALIVE;
    if (!p || !p->way)
        return CLU_SAY_OK;
    return strcmp(link->home->name, link->name) > 0 ? CLU_SAY_NOK : CLU_SAY_SIMULTANEOUS;
}

/* The handshake is done: whatever else there was to this node ends. It fails when there is no room for one more member. */
CLU_FN int clu_node_up(struct clu_link *link)
{
    struct clu_links *home = link->home;
    struct clu_peer *p = clu_mesh_peer(clu_node_at(home)->mesh, link->name);
    int result;
    if (!p)
        return CLUSTER_E_MEMORY;
    p->kept++;
    if (p->link)
        home->kind->ended(p->link, CLU_WHY_ANEW, CLUSTER_E_CLOSED);
    p->kept--;
    result = clu_peer_join(p);
    if (result)
        return result == CLUSTER_E_LIMIT ? clu_link_fail(link, CLU_WHY_MEMBERS) : result;
    if (p->way == link)
        p->way = NULL;
    clu_peer_end_way(p);
    if (!link->peer) {
        home->halves--;
        clu_link_delist(link);
        clu_link_enlist(link, &home->first);
        link->peer = p;
        link->name = clu_peer_name(p);
        clu_link_free_said(link);
    }
    p->link = link;
    p->replaces = false;
    p->dial.asked = false;
    clu_peer_rise(p);
    if (clu_links_nameless(home)) {
        home->creation = link->creation;
        clu_node_renamed(home, link->said);
    }
    return 0;
}

/* It is to end, by its timer. */
CLU_FN void clu_node_parts(struct clu_peer *p)
{
    (void)clu_link_fail(p->link, CLU_WHY_LEFT);
    clu_link_timer(p->link, 0);
}

/* Listen; and once there is a port, register it. */
CLU_FN void clu_node_listen(struct clu_timer *timer, uint64_t now)
{
    struct clu_node *n = CLU_CONTAINER(timer, struct clu_node, listener.timer);
    clu_listen_fire(timer, now);
    if (n->mesh->links.port && n->mesh->links.port != n->lease.port)
        clu_lease_begin(&n->lease, n->mesh->links.name, n->mesh->links.port);
}

/* Others may link to this node from the next step on. The address is parsed. */
CLU_FN int clu_node_open(struct clu_node *n)
{
    struct clu_loop *l = n->mesh->links.loop;
    int result = clu_listen_init(&n->listener, &n->mesh->links);
    n->listener.timer.fire = clu_node_listen;
    return result ? result : clu_lease_init(&n->lease, l);
}

/* Into zeroed memory, of a mesh that is ready; the settings are the caller's. */
CLU_FN int clu_node_init(struct clu_node *n, struct clu_mesh *mesh)
{
    struct clu_links *home = &mesh->links;
    n->mesh = mesh;
    mesh->node = n;
    mesh->parts = clu_node_parts;
    mesh->refuses = clu_peer_refuse_asks;
    return clu_random(home->loop, &home->creation, sizeof home->creation);
}

/* The end of the handle, with its mesh: who waits for answers, and what is served. */
CLU_FN void clu_node_free(struct clu_node *n)
{
    const struct cluster_allocator *memory;
    size_t i;
    clu_wipe(n->cookie, sizeof n->cookie);
    if (!n->mesh)
        return;
    memory = &n->mesh->links.loop->memory;
    for (i = 0; i < n->slots_capacity; i++)
        if (n->slots[i])
            clu_ask_free(n->slots[i]);
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
