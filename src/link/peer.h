/*
 * The members that are to be linked, whatever a link is: who is dialled, what the host hears of it, and what follows when a link
 * comes up or ends. A peer hangs on its member, or while there is none among the strays. Whoever is linked is a member, also where
 * no source lists it, for as long as the link is there.
 */
#ifndef CLU_LINK_PEER_H
#define CLU_LINK_PEER_H

#include "../member/claims.h"
#include "dial.h"
#include "reach.h"

#define CLU_STRAYS 64 /* lists of strays, by the hash of the name */

#define CLU_CONNECT_WORDS "none host tcp epmd erlang"
enum { CLU_CONNECT_NONE, CLU_CONNECT_HOST, CLU_CONNECT_TCP, CLU_CONNECT_EPMD, CLU_CONNECT_ERLANG };

struct clu_peer {
    struct clu_dial dial;
    struct clu_mesh *mesh;
    struct clu_member *member; /* NULL: a stray */
    struct clu_peer *next;     /* stray */
    uint64_t hash;
    struct clu_link *link; /* that is up */
    struct clu_link *way;  /* the dial under way */
    struct clu_ask *asks;  /* who waits for answers of the node */
    size_t unsent;         /* bytes of these that wait for a link */
    uint8_t said;          /* 1 and the reason that the host was told last; 0: none, or of the link */
    uint8_t kept;          /* so many are at work on it */
    bool replaces;         /* it may still hold a link of ours */
    bool listed;           /* by a source */
    size_t size;           /* of this object, its name after it */
};

struct clu_mesh {
    struct clu_table *table;
    void *node;                        /* of those who link to nodes */
    uint8_t connect;                   /* CLU_CONNECT_... */
    bool probes;                       /* up means that it was there when it was asked last */
    bool disconnects;                  /* on_leave=disconnect */
    bool warned;                       /* that anybody can have it dial */
    bool missed;                       /* some member has no peer for want of memory */
    void (*parts)(struct clu_peer *p); /* on_leave=disconnect: end its link, not from inside this call; NULL: there are none */
    void (*refuses)(struct clu_peer *p, enum clu_why why,
                    int error); /* the answers that are waited for do not come; NULL: none are */
    struct clu_dial_line tells; /* connect=host: what the host is to be asked for */
    struct clu_watch_members watch;
    struct clu_links links;
    struct clu_dials dials;
    struct clu_claims claims; /* those that are linked are members */
    struct clu_peer *strays[CLU_STRAYS];
};

CLU_FN const char *clu_peer_name(const struct clu_peer *p)
{
    return (const char *)(p + 1);
}

CLU_FN struct clu_peer *clu_peer_of(struct clu_dial *d)
{
    return CLU_CONTAINER(d, struct clu_peer, dial);
}

/* Its place among the strays, or where the next one goes. */
CLU_FN struct clu_peer **clu_stray_place(struct clu_mesh *mesh, const char *name, uint64_t hash)
{
    struct clu_peer **at = &mesh->strays[hash % CLU_STRAYS];
    while (*at && ((*at)->hash != hash || strcmp(clu_peer_name(*at), name) != 0))
        at = &(*at)->next;
    return at;
}

CLU_FN struct clu_peer *clu_peer_find(struct clu_mesh *mesh, const char *name)
{
    size_t length = strlen(name);
    const struct clu_member *m = clu_table_find(mesh->table, name, length);
    return m && m->peer ? (struct clu_peer *)m->peer : *clu_stray_place(mesh, name, clu_table_hash(mesh->table, name, length));
}

/* A new one, whose name is that of no other; NULL: no memory. */
CLU_FN struct clu_peer *clu_peer_new(struct clu_mesh *mesh, const char *name, struct clu_member *m)
{
    struct clu_loop *l = mesh->links.loop;
    size_t length = strlen(name), size = sizeof(struct clu_peer) + length + 1;
    struct clu_peer *p = (struct clu_peer *)clu_alloc_zero(&l->memory, size), **stray;
    if (!p || !clu_timers_reserve(&l->memory, &l->timers, 1)) {
        clu_free(&l->memory, p, size);
        return NULL;
    }
    memcpy(p + 1, name, length);
    p->mesh = mesh;
    p->size = size;
    p->hash = clu_table_hash(mesh->table, name, length);
    clu_dial_init(&p->dial, &mesh->dials);
    p->member = m;
    if (m) {
        p->listed = !(m->record->view.flags & CLUSTER_MEMBER_ACCEPTED);
        m->peer = p;
        return p;
    }
    stray = clu_stray_place(mesh, name, p->hash);
    p->next = *stray;
    *stray = p;
    return p;
}

/* The peer of this name, which is a new one if need be; NULL: no memory. */
CLU_FN struct clu_peer *clu_mesh_peer(struct clu_mesh *mesh, const char *name)
{
    struct clu_peer *p = clu_peer_find(mesh, name);
    return p ? p : clu_peer_new(mesh, name, clu_table_find(mesh->table, name, strlen(name)));
}

/* Is it of no use any more? Then it goes, unless it is some member's. */
CLU_FN void clu_peer_drop(struct clu_peer *p)
{
    struct clu_loop *l = p->mesh->links.loop;
    struct clu_peer **at;
    if (p->member || p->dial.up || p->dial.busy || p->dial.failures || p->asks || p->kept)
        return;
    at = clu_stray_place(p->mesh, clu_peer_name(p), p->hash);
    if (*at == p)
        *at = p->next;
    clu_dial_free(&p->dial);
    clu_free(&l->memory, p, p->size);
}

CLU_FN void clu_peer_forgotten(struct clu_dial *d)
{
    clu_peer_drop(clu_peer_of(d));
}

/* ---- how it stands ---------------------------------------------------- */

CLU_FN void clu_peer_state(struct clu_peer *p, uint32_t state)
{
    struct clu_member *m = p->member;
    if (!m)
        return;
    if (m->state == CLUSTER_MEMBER_UP && state != CLUSTER_MEMBER_UP)
        m->lost_ns = p->mesh->links.loop->stepping ? p->mesh->links.loop->now : CLUSTER_NEVER; /* the next step says when */
    m->state = m->record->view.state = state;
}

CLU_FN uint8_t clu_peer_word(enum clu_why why, int error)
{
    return (uint8_t)(why ? 1u + (unsigned)why : 128u - (unsigned)error);
}

/* Say it: an event. */
CLU_FN void clu_peer_say(struct clu_peer *p, uint32_t type, enum clu_why why, int error)
{
    p->said = clu_peer_word(why, error);
    if (p->member)
        clu_table_link_event(p->mesh->table, type, p->member, why, error);
}

CLU_FN void clu_peer_end_way(struct clu_peer *p)
{
    if (p->way)
        clu_link_free(p->way);
    p->way = NULL;
}

/* The dial under way is over. */
CLU_FN void clu_peer_stop(struct clu_peer *p)
{
    clu_peer_end_way(p);
    clu_dial_stop(&p->dial);
}

/* A dial came to nothing, or a link ended. The host hears of it when it is news. The peer may be gone afterwards. */
CLU_FN void clu_peer_failed(struct clu_peer *p, enum clu_why why, int error)
{
    struct clu_dial *d = &p->dial;
    clu_peer_state(p, d->wanted ? CLUSTER_MEMBER_DOWN : CLUSTER_MEMBER_UNLINKED);
    if (d->wanted && why != CLU_WHY_CALLS && p->said != clu_peer_word(why, error))
        clu_peer_say(p, CLUSTER_DOWN, why, error);
    if (why != CLU_WHY_CALLS && p->mesh->refuses)
        p->mesh->refuses(p, why, error);
    clu_dial_failed(d);
    if (!d->wanted && !d->asked)
        d->failures = 0;
    clu_peer_drop(p);
}

/* What was up is not any more. The peer may be gone afterwards. */
CLU_FN void clu_peer_lost(struct clu_peer *p, enum clu_why why, int error)
{
    p->dial.up = false;
    clu_peer_state(p, CLUSTER_MEMBER_DOWN);
    clu_peer_say(p, CLUSTER_DOWN, why, error);
    p->kept++;
    clu_claims_gone(p->mesh->table, &p->mesh->claims, clu_peer_name(p));
    p->kept--;
    clu_peer_failed(p, why, error);
}

/* There is a link to it: a member, until that ends. CLUSTER_E_MEMORY, CLUSTER_E_LIMIT: there is no room for one more. */
CLU_FN int clu_peer_join(struct clu_peer *p)
{
    struct clu_says says;
    int result;
    memset(&says, 0, sizeof says);
    says.name = clu_peer_name(p);
    says.length = strlen(says.name);
    says.address = says.zone = says.role = "";
    says.accepted = true;
    p->kept++;
    result = clu_claims_heard(p->mesh->table, &p->mesh->claims, &says, p->mesh->links.loop->now);
    p->kept--;
    if (result)
        clu_peer_drop(p);
    return result;
}

/* It is up. */
CLU_FN void clu_peer_rise(struct clu_peer *p)
{
    bool was = p->dial.up;
    clu_dial_is_up(&p->dial);
    if (was)
        return;
    clu_peer_state(p, CLUSTER_MEMBER_UP);
    clu_peer_say(p, CLUSTER_UP, CLU_WHY_SYSTEM, 0);
    p->said = 0;
}

/* Begin to connect to it. */
CLU_FN int clu_peer_dial(struct clu_dial *d)
{
    struct clu_peer *p = clu_peer_of(d);
    struct clu_mesh *mesh = p->mesh;
    const char *address = p->member ? p->member->record->view.address : "";
    struct clu_link *link;
    if (mesh->links.kind->connected && !mesh->links.name)
        return CLUSTER_E_AGAIN; /* name@auto is not known yet */
    link = clu_link_new(&mesh->links, &mesh->links.first);
    if (!link)
        return CLUSTER_E_AGAIN;
    p->way = link;
    link->peer = p;
    link->name = clu_peer_name(p);
    link->replaces = p->replaces;
    link->port = p->member ? (uint16_t)p->member->record->view.port : 0;
    link->turn = d->failures;
    if (!d->up)
        clu_peer_state(p, CLUSTER_MEMBER_DIALLED);
    clu_link_start(link, clu_slice_str(*address ? address : clu_name_host(link->name)));
    return 0;
}

/* Its deadline is over. */
CLU_FN void clu_peer_expired(struct clu_dial *d)
{
    clu_link_late(clu_peer_of(d)->way);
}

/* ---- who is a member -------------------------------------------------- */

/* A member came, changed or leaves: none may change meanwhile. */
CLU_FN void clu_mesh_look_at(struct clu_watch_members *watch, struct clu_member *m, uint32_t type)
{
    struct clu_mesh *mesh = CLU_CONTAINER(watch, struct clu_mesh, watch);
    uint32_t flags = m->record->view.flags,
             not_dialled = CLUSTER_MEMBER_SELF | CLUSTER_MEMBER_ACCEPTED | CLUSTER_MEMBER_DRAINING;
    struct clu_peer *p = (struct clu_peer *)m->peer, **stray = clu_stray_place(mesh, m->record->view.name, m->hash);
    bool wanted = mesh->connect && type != CLUSTER_LEAVE && !(flags & not_dialled), listed;
    if (!p && *stray) {
        p = *stray;
        *stray = p->next;
        p->member = m;
        m->peer = p;
    } else if (!p && wanted) {
        p = clu_peer_new(mesh, m->record->view.name, m);
        mesh->missed = mesh->missed || !p;
    }
    if (!p)
        return;
    if (mesh->probes && p->dial.up && type != CLUSTER_LEAVE)
        wanted = true;
    listed = type != CLUSTER_LEAVE && !(flags & CLUSTER_MEMBER_ACCEPTED);
    if (p->listed && flags & CLUSTER_MEMBER_ACCEPTED && p->dial.up && mesh->disconnects)
        mesh->parts(p);
    if (listed && !p->asks && p->dial.asked) { /* it is to part no more */
        p->dial.asked = false;
        clu_peer_stop(p);
    }
    if (listed && p->link && p->link->why == CLU_WHY_LEFT)
        p->link->why = CLU_WHY_SYSTEM; /* nor is its link to end: its timer finds that it is up */
    p->listed = listed;
    if (type == CLUSTER_LEAVE) {
        p->dial.up = false;
        m->peer = NULL;
        p->member = NULL;
        p->next = *stray;
        *stray = p;
    }
    if (!wanted && p->dial.wanted && !p->dial.asked) {
        clu_peer_end_way(p);
        if (!p->dial.up)
            clu_peer_state(p, CLUSTER_MEMBER_UNLINKED);
    }
    clu_dial_want(&p->dial, wanted);
    clu_peer_drop(p);
}

/* What could not be done for want of memory. When to try again. */
CLU_FN uint64_t clu_mesh_retry(struct clu_mesh *mesh)
{
    size_t i;
    if (!mesh->missed)
        return CLUSTER_NEVER;
    mesh->missed = false;
    for (i = 0; i < mesh->table->settled && !mesh->missed; i++)
        if (!mesh->table->sorted[i]->peer)
            clu_mesh_look_at(&mesh->watch, mesh->table->sorted[i], CLUSTER_CHANGE);
    return mesh->missed ? clu_add_time(mesh->links.loop->now, CLU_LINK_AGAIN) : CLUSTER_NEVER;
}

/* Before the table has members. Into zeroed memory; the settings are the caller's. */
CLU_FN int clu_mesh_init(struct clu_mesh *mesh, struct clu_table *table)
{
    struct clu_loop *l = table->loop;
    mesh->table = table;
    mesh->links.loop = l;
    mesh->claims.rank = UINT64_MAX;
    mesh->claims.limit = SIZE_MAX;
    mesh->watch.changed = clu_mesh_look_at;
    mesh->tells.end = &mesh->tells.first;
    mesh->dials.begin = clu_peer_dial;
    mesh->dials.expired = clu_peer_expired;
    mesh->dials.forgotten = clu_peer_forgotten;
    clu_dials_init(&mesh->dials, l);
    if (!clu_timers_reserve(&l->memory, &l->timers, 1))
        return CLUSTER_E_MEMORY;
    table->watch = &mesh->watch;
    return 0;
}

/* The end of the handle: nobody is told. The sources follow, and with their members all peers but the strays. */
CLU_FN void clu_mesh_free(struct clu_mesh *mesh)
{
    struct clu_link *link;
    if (!mesh->table)
        return;
    while ((link = mesh->links.half) != NULL)
        clu_link_free(link);
    while ((link = mesh->links.first) != NULL) {
        struct clu_peer *p = (struct clu_peer *)link->peer;
        p->link = p->way = NULL;
        clu_link_free(link);
    }
    clu_claims_clear(mesh->table, &mesh->claims);
}

/* After the sources have ended, and who waits for answers. */
CLU_FN void clu_mesh_free_strays(struct clu_mesh *mesh)
{
    size_t i;
    for (i = 0; mesh->table && i < CLU_STRAYS; i++)
        while (mesh->strays[i]) {
            struct clu_peer *p = mesh->strays[i];
            clu_dial_stop(&p->dial);
            p->dial.up = false;
            p->dial.failures = 0;
            clu_peer_drop(p);
        }
}

#endif
