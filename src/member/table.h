/*
 * The merged membership. Each source has a list of claims ("I list this node, saying that of it"); a member is there as long
 * as a claim on it is, and looks as its claims say, the source added first before the others. The own node needs no claim.
 *
 * How claims come and go is in claims.h. Every change is one revision and one event. It reads no clock and does no I/O.
 *
 *   index    name -> member, a hash table with linear probing; holds staged members too
 *   sorted   members by name; new ones are merged in, and gone ones taken out, once a batch (clu_table_settle)
 */
#ifndef CLU_MEMBER_TABLE_H
#define CLU_MEMBER_TABLE_H

#include "../base/hash.h"
#include "../base/sort.h"
#include "../loop/loop.h"
#include "../wire/address.h"
#include "record.h"

struct clu_member;

/* Who is told of members that come (CLUSTER_JOIN), change and leave. Embedded by the owner, which may change no member then. */
struct clu_watch_members {
    void (*changed)(struct clu_watch_members *watch, struct clu_member *m, uint32_t type);
};

struct clu_member {
    struct clu_record *record; /* NULL while it is only staged */
    struct clu_claim *claims;  /* by the rank of their lists */
    uint64_t hash, id;
    void *peer;       /* of those who link to it */
    uint32_t state;   /* CLUSTER_MEMBER_UNLINKED ... */
    uint64_t lost_ns; /* when its link ended last */
    bool self;
    bool gone;  /* left in this batch, still in `sorted` */
    bool stale; /* what its claims say could not be merged for want of memory */
};

struct clu_claim {
    struct clu_member *member;
    struct clu_claims *list;
    struct clu_claim *next;          /* of the member's claims */
    struct clu_claim *newer, *older; /* of the list's claims, by when it was last seen */
    struct clu_claim *next_staged;
    struct clu_record *record; /* NULL while staged */
    struct clu_record *staged; /* what it says once the batch is committed */
    uint64_t seen_ns, batch;
    uint32_t misses;
};

/* What one source lists. */
struct clu_claims {
    struct cluster_source *source;
    uint64_t rank; /* the order in which sources were added */
    struct clu_claim *oldest, *newest;
    struct clu_claim *expected; /* in a batch: lists mostly come in the same order, so this one is tried before the index */
    size_t count;
    uint64_t batch;     /* the newest; a claim that it touched bears its number */
    uint64_t committed; /* the newest complete answer */
    struct clu_claim *staged, *staged_last;
    size_t staged_new;     /* claims */
    size_t staged_members; /* that no other source lists */
    size_t named;          /* by this batch; by all that was heard */
    uint32_t misses, min;  /* settings; misses 0: absence removes nothing */
    size_t limit;
};

struct clu_table {
    struct clu_loop *loop;
    struct clu_member **index;
    size_t index_size, index_used;
    struct clu_member **sorted;
    size_t sorted_capacity;
    size_t settled; /* of `sorted`: in order */
    size_t fresh;   /* after them: new in this batch */
    size_t gone;    /* of the settled: left in this batch */
    size_t limit, count;
    uint64_t key[2]; /* of the index's hash: names come from the network */
    uint64_t next_id, revision;
    uint64_t touched; /* one more with everything that happened to a member or its link */
    struct clu_watch_members *watch;
    bool stale; /* a member is */
};

/* ---- the index -------------------------------------------------------- */

CLU_FN const char *clu_member_name(const struct clu_member *m)
{
    return m->record ? m->record->view.name : m->claims->staged->view.name;
}

/* Where the name is, or the free place where it would go. Needs a table that is not full. */
CLU_FN struct clu_member **clu_index_place(const struct clu_table *t, const char *name, uint64_t hash)
{
    size_t at = (size_t)hash & (t->index_size - 1);
    while (t->index[at] && (t->index[at]->hash != hash || strcmp(clu_member_name(t->index[at]), name) != 0))
        at = (at + 1) & (t->index_size - 1);
    return &t->index[at];
}

CLU_FN uint64_t clu_table_hash(const struct clu_table *t, const char *name, size_t length)
{
    return clu_siphash13(name, length, t->key[0], t->key[1]);
}

CLU_FN struct clu_member *clu_table_find(const struct clu_table *t, const char *name, size_t length)
{
    return t->index_size ? *clu_index_place(t, name, clu_table_hash(t, name, length)) : NULL;
}

/* Room for more names; at most half of the places are taken. */
CLU_FN bool clu_index_grow(struct clu_table *t, size_t more)
{
    size_t size = t->index_size ? t->index_size : 16, i;
    struct clu_member **old = t->index, **grown;
    while (size < (t->index_used + more) * 2)
        size *= 2;
    if (size == t->index_size)
        return true;
    grown = (struct clu_member **)clu_alloc_zero(&t->loop->memory, size * sizeof *grown);
    if (!grown)
        return false;
    for (i = 0; i < t->index_size; i++) {
        size_t at;
        if (!old[i])
            continue;
        at = (size_t)old[i]->hash & (size - 1);
        while (grown[at])
            at = (at + 1) & (size - 1);
        grown[at] = old[i];
    }
    clu_free(&t->loop->memory, old, t->index_size * sizeof *old);
    t->index = grown;
    t->index_size = size;
    return true;
}

/* Take a member out; those that stand behind it only because of it move up. */
CLU_FN void clu_index_remove(struct clu_table *t, const struct clu_member *m)
{
    size_t mask = t->index_size - 1, hole = (size_t)m->hash & mask, at;
    while (t->index[hole] != m)
        hole = (hole + 1) & mask;
    for (at = (hole + 1) & mask; t->index[at]; at = (at + 1) & mask) {
        size_t home = (size_t)t->index[at]->hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        t->index[hole] = t->index[at];
        hole = at;
    }
    t->index[hole] = NULL;
    t->index_used--;
}

/* ---- events and order ------------------------------------------------- */

CLU_CALLED struct clu_event *clu_table_put(struct clu_table *t, uint32_t type, const struct clu_member *m, uint32_t changed)
{
    struct clu_loop *l = t->loop;
    struct clu_event *e = clu_queue_put(&l->memory, &l->events);
    l->kick = true;
    t->touched++;
    if (!e)
        return NULL;
    e->type = type;
    e->changed = changed;
    e->time = l->now;
    e->revision = t->revision;
    e->object = (struct clu_shared *)clu_share(m->record);
    return e;
}

CLU_FN void clu_table_event(struct clu_table *t, uint32_t type, struct clu_member *m, uint32_t changed, struct clu_claims *list)
{
    struct clu_event *e;
    t->revision++;
    e = clu_table_put(t, type, m, changed);
    if (e && list)
        e->source = list->source;
    if (t->watch)
        t->watch->changed(t->watch, m, type);
}

/* A link to a member came up or went down. That changes no membership. */
CLU_FN void clu_table_link_event(struct clu_table *t, uint32_t type, const struct clu_member *m, uint32_t why, int error)
{
    struct clu_event *e = clu_table_put(t, type, m, why);
    if (e)
        e->error = error;
}

CLU_FN int clu_record_compare(const void *a, const void *b)
{
    return strcmp(((const struct clu_record *)a)->view.name, ((const struct clu_record *)b)->view.name);
}

CLU_FN int clu_member_compare(const void *a, const void *b)
{
    return clu_record_compare(((const struct clu_member *)a)->record, ((const struct clu_member *)b)->record);
}

CLU_FN void clu_member_free(struct clu_table *t, struct clu_member *m)
{
    clu_unshare(&t->loop->memory, m->record);
    clu_free(&t->loop->memory, m, sizeof *m);
}

/* Bring `sorted` up to date: free who is gone, merge who is new, from the back, with room kept by clu_table_stage. */
CLU_FN void clu_table_settle(struct clu_table *t)
{
    struct clu_member **fresh;
    size_t kept = 0, i, out;
    if (!t->gone && !t->fresh)
        return;
    fresh = t->sorted + t->settled;
    if (t->gone) {
        for (i = 0; i < t->settled + t->fresh; i++) {
            if (!t->sorted[i]->gone) {
                t->sorted[kept++] = t->sorted[i];
                continue;
            }
            if (i < t->settled)
                fresh--;
            else
                t->fresh--;
            clu_member_free(t, t->sorted[i]);
        }
        t->settled = (size_t)(fresh - t->sorted);
        t->gone = 0;
    }
    if (!t->fresh)
        return;
    clu_sort_merging((void **)(void *)fresh, (void **)(void *)(fresh + t->fresh), t->fresh, clu_member_compare);
    if (t->settled && clu_member_compare(t->sorted[t->settled - 1], fresh[0]) > 0) {
        memcpy(fresh + t->fresh, fresh, t->fresh * sizeof *fresh);
        for (i = t->fresh, out = t->settled + t->fresh, kept = t->settled, fresh += t->fresh; i && kept; out--) {
            if (clu_member_compare(t->sorted[kept - 1], fresh[i - 1]) > 0)
                t->sorted[out - 1] = t->sorted[--kept];
            else
                t->sorted[out - 1] = fresh[--i];
        }
        if (i)
            memcpy(t->sorted, fresh, i * sizeof *fresh);
    }
    t->settled += t->fresh;
    t->fresh = 0;
}

/* ---- merging what the claims say -------------------------------------- */

/* Of several addresses the current one stays while it is still said, else the lowest is taken. */
CLU_FN const char *clu_lower_address(const char *a, const char *b)
{
    struct cluster_address x, y;
    if (!*a || !*b)
        return *a ? a : b;
    if (!clu_address_parse(clu_slice_of(a, strlen(a)), &x) || !clu_address_parse(clu_slice_of(b, strlen(b)), &y))
        return strcmp(a, b) <= 0 ? a : b;
    return clu_address_compare(&x, &y) <= 0 ? a : b;
}

CLU_FN struct clu_says clu_member_says(const struct clu_member *m)
{
    struct clu_says says = clu_record_says(m->claims->record);
    const char *current = m->record ? m->record->view.address : "";
    bool kept = *current && strcmp(says.address, current) == 0;
    const struct clu_claim *c;
    for (c = m->claims->next; c; c = c->next) {
        const struct cluster_member *v = &c->record->view;
        if (!says.port)
            says.port = v->port;
        if (!says.weight && c->record->weighs)
            says.weight = v->weight;
        if (!*says.zone)
            says.zone = v->zone;
        if (!*says.role)
            says.role = v->role;
        if (v->flags & CLUSTER_MEMBER_DRAINING)
            says.draining = true;
        if (!kept && *current && strcmp(v->address, current) == 0) {
            says.address = v->address;
            kept = true;
        } else if (!kept) {
            says.address = clu_lower_address(says.address, v->address);
        }
    }
    return says;
}

/* The record that shows what the claims say: one of theirs where it says all, else a new one. A reference; NULL: no memory. */
CLU_CALLED struct clu_record *clu_member_merge(struct clu_table *t, struct clu_member *m)
{
    struct clu_says says;
    struct clu_claim *c;
    if (!m->claims->next)
        return (struct clu_record *)clu_share(m->claims->record);
    says = clu_member_says(m);
    if (m->record && clu_record_is(m->record, &says))
        return (struct clu_record *)clu_share(m->record);
    for (c = m->claims; c; c = c->next)
        if (clu_record_is(c->record, &says))
            return (struct clu_record *)clu_share(c->record);
    return clu_record_new(&t->loop->memory, &says, m->id);
}

/* After a claim of m came, went or changed: look again, and say what is new. */
CLU_FN void clu_member_update(struct clu_table *t, struct clu_member *m, struct clu_claims *list)
{
    struct clu_record *merged = clu_member_merge(t, m), *before = m->record;
    uint32_t sources = 0;
    const struct clu_claim *c;
    m->stale = !merged;
    t->stale = t->stale || m->stale;
    if (!merged)
        merged = (struct clu_record *)clu_share(before ? before : m->claims->record);
    for (c = m->claims; c; c = c->next)
        sources += c->list->source != NULL;
    m->record = merged;
    merged->view.sources = sources;
    merged->view.state = m->state;
    if (!before) {
        t->sorted[t->settled + t->fresh++] = m;
        t->count++;
        t->loop->counts.joins++;
        clu_table_event(t, CLUSTER_JOIN, m, 0, list);
        return;
    }
    if (merged != before) {
        uint32_t changed = clu_view_changes(&before->view, &merged->view);
        if (changed) {
            t->loop->counts.changes++;
            clu_table_event(t, CLUSTER_CHANGE, m, changed, list);
        }
    }
    clu_unshare(&t->loop->memory, before);
}

/* Try again what could not be merged for want of memory. */
CLU_FN void clu_table_retry(struct clu_table *t)
{
    size_t i;
    t->stale = false;
    for (i = 0; i < t->settled; i++)
        if (t->sorted[i]->stale)
            clu_member_update(t, t->sorted[i], NULL);
}

/* ---- the own node ----------------------------------------------------- */

/* The own node, a member from now on. CLUSTER_E_EXISTS: another one has its name. */
CLU_CALLED int clu_table_add_self(struct clu_table *t, const struct clu_says *says)
{
    const struct cluster_allocator *memory = &t->loop->memory;
    struct clu_member *m;
    if (clu_table_find(t, says->name, says->length))
        return CLUSTER_E_EXISTS;
    if (!clu_index_grow(t, 1) || !clu_reserve(memory, &t->sorted, &t->sorted_capacity, t->settled + 2, sizeof *t->sorted))
        return CLUSTER_E_MEMORY;
    m = (struct clu_member *)clu_alloc_zero(memory, sizeof *m);
    if (!m)
        return CLUSTER_E_MEMORY;
    m->self = true;
    m->id = ++t->next_id;
    m->hash = clu_table_hash(t, says->name, says->length);
    m->record = clu_record_new(memory, says, m->id);
    if (!m->record) {
        clu_free(memory, m, sizeof *m);
        return CLUSTER_E_MEMORY;
    }
    m->record->view.flags |= CLUSTER_MEMBER_SELF;
    *clu_index_place(t, says->name, m->hash) = m;
    t->index_used++;
    t->sorted[t->settled + t->fresh++] = m;
    t->count++;
    clu_table_event(t, CLUSTER_JOIN, m, 0, NULL);
    clu_table_settle(t);
    return 0;
}

/* What is said of the own node from now on, which is another thing in this respect. */
CLU_FN int clu_table_renew_self(struct clu_table *t, struct clu_member *m, const struct clu_says *says, uint32_t changed)
{
    struct clu_record *r = clu_record_new(&t->loop->memory, says, m->id);
    if (!r)
        return CLUSTER_E_MEMORY;
    r->view.flags |= CLUSTER_MEMBER_SELF;
    clu_unshare(&t->loop->memory, m->record);
    m->record = r;
    t->loop->counts.changes++;
    clu_table_event(t, CLUSTER_CHANGE, m, changed, NULL);
    return 0;
}

/* Where the own node is reached is known. */
CLU_FN int clu_table_self_port(struct clu_table *t, const char *name, uint32_t port)
{
    struct clu_member *m = clu_table_find(t, name, strlen(name));
    struct clu_says says = clu_record_says(m->record);
    says.port = port;
    return clu_table_renew_self(t, m, &says, CLUSTER_CHANGED_PORT);
}

/* The own node says that it is about to go, or that it stays. */
CLU_FN int clu_table_drain_self(struct clu_table *t, const char *name, bool draining)
{
    struct clu_member *m = clu_table_find(t, name, strlen(name));
    struct clu_says says = clu_record_says(m->record);
    if (says.draining == draining)
        return 0;
    says.draining = draining;
    return clu_table_renew_self(t, m, &says, CLUSTER_CHANGED_DRAINING);
}

/* After every list was cleared. */
CLU_FN void clu_table_free(struct clu_table *t)
{
    size_t i;
    for (i = 0; i < t->settled; i++)
        clu_member_free(t, t->sorted[i]);
    clu_free(&t->loop->memory, t->index, t->index_size * sizeof *t->index);
    clu_free(&t->loop->memory, t->sorted, t->sorted_capacity * sizeof *t->sorted);
}

#endif
