/*
 * Who counts for the quorum, and whether several were lost at once. Where the handle makes links a member counts while it is
 * linked; where it does not, while some source lists it. The members are looked through only after something happened to one.
 */
#ifndef CLU_CORE_QUORUM_H
#define CLU_CORE_QUORUM_H

#include "handle.h"

#define CLU_SPLIT_WINDOW (1 * CLU_SECOND) /* losses this near to each other are one, unless options.settle is longer */

CLU_FN bool clu_counts_links(const struct cluster *c)
{
#ifndef CLUSTER_NO_CONNECT
    return c->mesh.connect != CLU_CONNECT_NONE;
#else
    (void)c;
    return false;
#endif
}

/* Horde's rule: of those who are not shutting down, by name, and without the first where their number is even, more than half
 * are alive. */
CLU_FN void clu_count_members(struct cluster *c)
{
    struct clu_status *s = &c->status;
    bool links = clu_counts_links(c), horde = s->rule == CLU_QUORUM_HORDE, first = false;
    uint32_t all = 0;
    size_t i;
    s->count = !horde && !c->discovery.own.name; /* a program without a name counts, though it is no member */
    for (i = 0; i < c->table.settled; i++) {
        const struct clu_member *m = c->table.sorted[i];
        uint32_t flags = m->record->view.flags;
        bool alive = m->self || !links || m->state == CLUSTER_MEMBER_UP;
        if (flags & CLUSTER_MEMBER_ACCEPTED || (horde && flags & CLUSTER_MEMBER_DRAINING))
            continue;
        if (!all++)
            first = alive;
        s->count += alive;
    }
    if (!horde)
        return;
    if (all && all % 2 == 0)
        s->count -= first;
    s->quorum = (all ? all - 1 : 0) / 2 + 1;
}

/* A member that was linked, is not now, and is listed still. */
CLU_FN bool clu_was_lost(const struct clu_member *m, uint64_t since)
{
    return m->lost_ns && m->lost_ns >= since && m->state != CLUSTER_MEMBER_UP && m->record->view.sources;
}

/* Were several lost within a short time? Each time is said once. */
CLU_FN bool clu_look_for_split(struct cluster *c)
{
    uint64_t now = c->loop.now, window = c->status.settle_ns ? c->status.settle_ns : CLU_SPLIT_WINDOW, newest = 0;
    size_t i, lost = 0;
    for (i = 0; i < c->table.settled; i++) {
        struct clu_member *m = c->table.sorted[i];
        if (m->lost_ns == CLUSTER_NEVER) /* it was reported between two steps */
            m->lost_ns = now;
        if (!clu_was_lost(m, now > window ? now - window : 0))
            continue;
        newest = m->lost_ns > newest ? m->lost_ns : newest;
        lost++;
    }
    if (lost < 2 || newest <= c->split_ns)
        return false;
    c->split_ns = newest;
    c->split_since_ns = newest > window ? newest - window : 0;
    return true;
}

/* Look at the count, which is counted anew only after something happened to a member. */
CLU_FN void clu_look_at_status(struct cluster *c)
{
    if (c->status_seen != c->table.touched + 1) {
        c->status_seen = c->table.touched + 1;
        clu_count_members(c);
        if (clu_counts_links(c) && clu_look_for_split(c))
            c->status_news = true;
    }
    if (clu_status_look(&c->status, c->status.count, c->loop.now))
        c->status_news = true;
}

/* The sentence of a STATUS event. */
CLU_FN void clu_say_status(const struct cluster *c, struct clu_text *text)
{
    size_t i, more = 0;
    const char *between = "; split: lost at once, though listed still: ";
    clu_text_u64(text, c->status.count);
    clu_text_add(text, " of the ");
    clu_text_u64(text, c->status.quorum);
    clu_text_add(text, " nodes that are needed");
    for (i = 0; c->split_ns && i < c->table.settled; i++) {
        const struct clu_member *m = c->table.sorted[i];
        const char *name = m->record->view.name;
        if (!clu_was_lost(m, c->split_since_ns))
            continue;
        if (text->length + strlen(name) + 64 > sizeof c->text) {
            more++;
            continue;
        }
        clu_text_add(text, between);
        clu_text_add(text, name);
        between = ", ";
    }
    if (more) {
        clu_text_add(text, ", and ");
        clu_text_u64(text, more);
        clu_text_add(text, " more");
    }
}

#endif
