/*
 * How the claims of a source come and go, and members with them. Changes come in batches that happen whole or not at all:
 * clu_batch_begin, _add for each node, then _commit or _abort. What can fail for want of memory fails while the batch is
 * gathered; committing cannot. Beside lists there are nodes that are heard of one at a time, and leave when that is long ago.
 */
#ifndef CLU_MEMBER_CLAIMS_H
#define CLU_MEMBER_CLAIMS_H

#include "table.h"

CLU_FN void clu_claims_unlink(struct clu_claims *list, struct clu_claim *c)
{
    *(c->older ? &c->older->newer : &list->oldest) = c->newer;
    *(c->newer ? &c->newer->older : &list->newest) = c->older;
    c->newer = c->older = NULL;
}

CLU_FN void clu_claims_append(struct clu_claims *list, struct clu_claim *c)
{
    c->older = list->newest;
    c->newer = NULL;
    *(list->newest ? &list->newest->newer : &list->oldest) = c;
    list->newest = c;
}

CLU_FN void clu_claim_free(struct clu_table *t, struct clu_claim *c)
{
    clu_unshare(&t->loop->memory, c->record);
    clu_unshare(&t->loop->memory, c->staged);
    clu_free(&t->loop->memory, c, sizeof *c);
}

/* A claim ends; its member leaves with the last one. clu_table_settle must follow. */
CLU_FN void clu_claim_end(struct clu_table *t, struct clu_claims *list, struct clu_claim *c)
{
    struct clu_member *m = c->member;
    struct clu_claim **link = &m->claims;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    clu_claims_unlink(list, c);
    list->count--;
    if (m->claims) {
        clu_member_update(t, m, list);
    } else {
        m->record->view.sources = 0;
        m->gone = true;
        t->gone++;
        t->count--;
        t->loop->counts.leaves++;
        clu_index_remove(t, m);
        clu_table_event(t, CLUSTER_LEAVE, m, 0, list);
    }
    clu_claim_free(t, c);
}

CLU_FN struct clu_claim *clu_claim_of(const struct clu_member *m, const struct clu_claims *list)
{
    struct clu_claim *c = m->claims;
    while (c && c->list != list)
        c = c->next;
    return c;
}

CLU_FN struct clu_claim *clu_claim_find(const struct clu_table *t, const struct clu_claims *list, const char *name,
                                        size_t length)
{
    const struct clu_member *m = clu_table_find(t, name, length);
    return m ? clu_claim_of(m, list) : NULL;
}

/* ---- batches ---------------------------------------------------------- */

/* `named`: how many nodes count against the limit already. */
CLU_CALLED void clu_batch_begin(struct clu_claims *list, size_t named)
{
    list->named = named;
    list->batch++;
    list->staged = list->staged_last = NULL;
    list->staged_new = list->staged_members = 0;
    list->expected = list->oldest;
}

CLU_FN void clu_batch_stage(struct clu_claims *list, struct clu_claim *c)
{
    c->next_staged = NULL;
    *(list->staged_last ? &list->staged_last->next_staged : &list->staged) = c;
    list->staged_last = c;
}

/* A record of a member: the one that was made for it before, where there is one, whose id was its hash. */
CLU_FN struct clu_record *clu_batch_record(struct clu_table *t, const struct clu_says *says, struct clu_record *made,
                                           uint64_t id)
{
    if (!made)
        return clu_record_new(&t->loop->memory, says, id);
    made->view.id = id;
    return (struct clu_record *)clu_share(made);
}

/* A claim that is not there yet, on a member that may not be either. */
CLU_FN int clu_batch_add_new(struct clu_table *t, struct clu_claims *list, const struct clu_says *says, uint64_t hash,
                             struct clu_member *m, struct clu_record *made)
{
    const struct cluster_allocator *memory = &t->loop->memory;
    struct clu_claim *c, **link;
    struct clu_member *added = NULL;
    if (list->named++ >= list->limit || (!m && t->count + list->staged_members >= t->limit))
        return CLUSTER_E_LIMIT;
    if (!clu_reserve(memory, &t->sorted, &t->sorted_capacity, t->settled + 2 * (list->staged_new + 1), sizeof *t->sorted))
        return CLUSTER_E_MEMORY;
    if (!m && clu_index_grow(t, 1))
        m = added = (struct clu_member *)clu_alloc_zero(memory, sizeof *m);
    c = m ? (struct clu_claim *)clu_alloc_zero(memory, sizeof *c) : NULL;
    if (added)
        added->id = ++t->next_id;
    if (c)
        c->staged = clu_batch_record(t, says, made, m->id);
    if (!c || !c->staged) {
        clu_free(memory, c, sizeof *c);
        clu_free(memory, added, sizeof *added);
        return CLUSTER_E_MEMORY;
    }
    c->member = m;
    c->list = list;
    c->batch = list->batch;
    for (link = &m->claims; *link && (*link)->list->rank < list->rank;)
        link = &(*link)->next;
    c->next = *link;
    *link = c;
    if (added) {
        m->hash = hash;
        *clu_index_place(t, says->name, hash) = m;
        t->index_used++;
        list->staged_members++;
    }
    list->staged_new++;
    clu_batch_stage(list, c);
    return 0;
}

/* The list names this node. The own node is passed over: it is a member anyway. Of a name that comes twice in a batch, the
 * current address stays, else the lowest is taken, and the rest is as it was said first. `made`: NULL, or a record of just
 * this, which nobody has yet, with the hash for its id. */
CLU_FN int clu_batch_put(struct clu_table *t, struct clu_claims *list, const struct clu_says *given, struct clu_record *made)
{
    struct clu_claim *c = list->expected;
    struct clu_says says = *given;
    const struct clu_record *now;
    struct clu_record *changed;
    if (!c || strcmp(c->record->view.name, given->name) != 0) {
        uint64_t hash = made ? made->view.id : clu_table_hash(t, given->name, given->length);
        struct clu_member *m = t->index_size ? *clu_index_place(t, given->name, hash) : NULL;
        if (m && m->self)
            return 0;
        c = m ? clu_claim_of(m, list) : NULL;
        if (!c)
            return clu_batch_add_new(t, list, given, hash, m, made);
    }
    list->expected = c->newer;
    if (c->batch != list->batch && list->named++ >= list->limit)
        return CLUSTER_E_LIMIT;
    now = c->staged ? c->staged : c->record;
    if (c->batch == list->batch) {
        const char *current = c->staged && !c->record ? "" : c->record->view.address;
        made = NULL; /* both are in it */
        says = clu_record_says(now);
        if (!*current || strcmp(now->view.address, current) != 0)
            says.address = *current && strcmp(given->address, current) == 0
                               ? given->address
                               : clu_lower_address(now->view.address, given->address);
    }
    if (!clu_record_is(now, &says)) {
        changed = clu_batch_record(t, &says, made, c->member->id);
        if (!changed)
            return CLUSTER_E_MEMORY;
        if (!c->staged)
            clu_batch_stage(list, c);
        clu_unshare(&t->loop->memory, c->staged);
        c->staged = changed;
    }
    c->batch = list->batch;
    return 0;
}

CLU_FN int clu_batch_add(struct clu_table *t, struct clu_claims *list, const struct clu_says *given)
{
    return clu_batch_put(t, list, given, NULL);
}

/* Nothing of the batch happened. */
CLU_FN void clu_batch_abort(struct clu_table *t, struct clu_claims *list)
{
    struct clu_claim *c = list->staged;
    while (c) {
        struct clu_claim *next = c->next_staged;
        struct clu_member *m = c->member;
        if (c->record) {
            clu_unshare(&t->loop->memory, c->staged);
            c->staged = NULL;
        } else {
            struct clu_claim **link = &m->claims;
            while (*link != c)
                link = &(*link)->next;
            *link = c->next;
            if (!m->record) {
                clu_index_remove(t, m);
                clu_free(&t->loop->memory, m, sizeof *m);
            }
            clu_claim_free(t, c);
        }
        c = next;
    }
    clu_batch_begin(list, 0);
}

/* What was staged becomes so. */
CLU_FN void clu_batch_apply(struct clu_table *t, struct clu_claims *list)
{
    struct clu_claim *c;
    for (c = list->staged; c; c = c->next_staged) {
        bool added = !c->record;
        clu_unshare(&t->loop->memory, c->record);
        c->record = c->staged;
        c->staged = NULL;
        if (added) {
            list->count++;
            clu_claims_append(list, c);
        }
        clu_member_update(t, c->member, list);
    }
    list->staged = list->staged_last = NULL;
    list->staged_new = 0;
}

/* Of the claims that missed so many rounds and were last seen by then, all end, but for the least number: the longest unseen
 * go first, then by name. They stand together at the list's old end. */
CLU_FN void clu_claims_remove(struct clu_table *t, struct clu_claims *list, uint32_t misses, uint64_t limit_ns)
{
    struct clu_claim *c = list->oldest;
    size_t excess = 0, i;
    for (; c && c->misses >= misses && c->seen_ns <= limit_ns; c = c->newer)
        excess++;
    if (list->count - excess < list->min)
        excess = list->count > list->min ? list->count - list->min : 0;
    while (excess) {
        uint64_t seen = list->oldest->seen_ns;
        size_t same = 0;
        for (c = list->oldest; c && c->seen_ns == seen && c->misses >= misses; c = c->newer)
            same++;
        for (; same && same <= excess; same--, excess--)
            clu_claim_end(t, list, list->oldest);
        for (i = 0; same && excess && i < t->settled; i++) {
            c = t->sorted[i]->gone || t->sorted[i]->self ? NULL : clu_claim_of(t->sorted[i], list);
            if (c && c->seen_ns == seen && c->misses >= misses) {
                clu_claim_end(t, list, c);
                excess--;
            }
        }
    }
    clu_table_settle(t);
}

/* The batch was a complete answer: whoever it lacks has missed a round, and leaves when that is one too many. */
CLU_FN void clu_batch_commit(struct clu_table *t, struct clu_claims *list, uint64_t now)
{
    struct clu_claim *c, *newer, *first = NULL, *last = NULL;
    clu_batch_apply(t, list);
    for (c = list->oldest; c; c = newer) {
        newer = c->newer;
        if (c->batch != list->batch) {
            c->misses += c->misses < UINT32_MAX;
            continue;
        }
        c->misses = 0;
        c->seen_ns = now;
        clu_claims_unlink(list, c);
        c->older = last;
        *(last ? &last->newer : &first) = c;
        last = c;
    }
    if (first) {
        first->older = list->newest;
        *(list->newest ? &list->newest->newer : &list->oldest) = first;
        list->newest = last;
    }
    clu_claims_remove(t, list, list->misses ? list->misses : UINT32_MAX, CLUSTER_NEVER);
    list->committed = list->batch;
}

/* One node was heard of, and nothing is said of the others. */
CLU_CALLED int clu_claims_heard(struct clu_table *t, struct clu_claims *list, const struct clu_says *says, uint64_t now)
{
    struct clu_claim *c = clu_claim_find(t, list, says->name, says->length);
    int result;
    clu_batch_begin(list, list->count - (c != NULL));
    result = clu_batch_add(t, list, says);
    if (result < 0)
        return result;
    clu_batch_apply(t, list);
    clu_table_settle(t);
    c = clu_claim_find(t, list, says->name, says->length);
    if (c) {
        c->seen_ns = now;
        clu_claims_unlink(list, c);
        clu_claims_append(list, c);
    }
    return 0;
}

/* The members that were last seen at or before `limit_ns` leave. */
CLU_FN void clu_claims_expire(struct clu_table *t, struct clu_claims *list, uint64_t limit_ns)
{
    clu_claims_remove(t, list, 0, limit_ns);
}

/* Nobody aged for this long. */
CLU_CALLED void clu_claims_thaw(struct clu_claims *list, uint64_t frozen_ns, uint64_t now)
{
    struct clu_claim *c;
    for (c = list->oldest; c; c = c->newer)
        c->seen_ns = clu_min_u64(now, clu_add_time(c->seen_ns, frozen_ns));
}

CLU_FN void clu_claims_gone(struct clu_table *t, struct clu_claims *list, const char *name)
{
    struct clu_claim *c = clu_claim_find(t, list, name, strlen(name));
    if (!c)
        return;
    clu_claim_end(t, list, c);
    clu_table_settle(t);
}

/* The source ends. */
CLU_FN void clu_claims_clear(struct clu_table *t, struct clu_claims *list)
{
    while (list->oldest)
        clu_claim_end(t, list, list->oldest);
    clu_table_settle(t);
}

#endif
