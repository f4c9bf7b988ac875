/*
 * What a host program that pulls its events comes to believe of the membership, beside what the handle says: the law is that
 * both are the same. Shared by the simulator and the fault scenarios.
 */
#ifndef TESTS_SIM_MEMBERS_H
#define TESTS_SIM_MEMBERS_H

#include "net.h"

#define NAME_SIZE 48
#define MEMBERS 64

struct copy {
    char name[NAME_SIZE], address[NAME_SIZE], zone[24], role[24];
    uint32_t port, weight, flags;
    uint64_t id;
};

struct set {
    struct copy at[MEMBERS];
    int count;
};

struct replay {
    struct net_verdict *verdict;
    int who;
    struct set told, is;
    uint64_t told_revision, is_revision, last_id;
    bool resynced; /* since all events were pulled */
};

NET_FN void copy_member(struct copy *out, const struct cluster_member *m)
{
    memset(out, 0, sizeof *out);
    (void)snprintf(out->name, sizeof out->name, "%s", m->name);
    (void)snprintf(out->address, sizeof out->address, "%s", m->address);
    (void)snprintf(out->zone, sizeof out->zone, "%s", m->zone);
    (void)snprintf(out->role, sizeof out->role, "%s", m->role);
    out->port = m->port;
    out->weight = m->weight;
    out->flags = m->flags;
    out->id = m->id;
}

NET_FN struct copy *set_find(struct set *s, const char *name)
{
    int i;
    for (i = 0; i < s->count; i++)
        if (strcmp(s->at[i].name, name) == 0)
            return &s->at[i];
    return NULL;
}

NET_FN void set_put(struct set *s, const struct copy *m)
{
    struct copy *old = set_find(s, m->name);
    if (!old && s->count == MEMBERS)
        abort();
    if (!old)
        old = &s->at[s->count++];
    *old = *m;
}

NET_FN uint32_t differences(const struct copy *a, const struct copy *b)
{
    return (strcmp(a->address, b->address) ? CLUSTER_CHANGED_ADDRESS : 0) | (a->port != b->port ? CLUSTER_CHANGED_PORT : 0) |
           (a->weight != b->weight ? CLUSTER_CHANGED_WEIGHT : 0) | (strcmp(a->zone, b->zone) ? CLUSTER_CHANGED_ZONE : 0) |
           (strcmp(a->role, b->role) ? CLUSTER_CHANGED_ROLE : 0) |
           ((a->flags ^ b->flags) & CLUSTER_MEMBER_DRAINING ? CLUSTER_CHANGED_DRAINING : 0) |
           ((a->flags ^ b->flags) & CLUSTER_MEMBER_ACCEPTED ? CLUSTER_CHANGED_ACCEPTED : 0);
}

NET_FN bool same(const struct copy *a, const struct copy *b)
{
    return !differences(a, b) && a->id == b->id && a->flags == b->flags;
}

NET_FN void replay_start(struct replay *r, struct net_verdict *verdict, int who)
{
    memset(r, 0, sizeof *r);
    r->verdict = verdict;
    r->who = who;
}

NET_FN void read_members(struct replay *r, struct cluster *c, struct set *out)
{
    size_t i, count = cluster_member_count(c);
    out->count = 0;
    if (count > MEMBERS) {
        net_break(r->verdict, "replay", "node %d: %lu members, more than there are names", r->who, (unsigned long)count);
        return;
    }
    for (i = 0; i < count; i++) {
        const struct cluster_member *m = cluster_member_at(c, i);
        if (!m) {
            net_break(r->verdict, "replay", "node %d: of %lu members number %lu is not there", r->who, (unsigned long)count,
                      (unsigned long)i);
            return;
        }
        copy_member(&out->at[out->count++], m);
        if (i && strcmp(out->at[i - 1].name, out->at[i].name) >= 0)
            net_break(r->verdict, "replay", "node %d: members are not sorted by name", r->who);
        if (cluster_member_find(c, m->name) != m)
            net_break(r->verdict, "replay", "node %d: %s is listed but not found", r->who, m->name);
    }
    if (cluster_member_at(c, count) || cluster_member_find(c, "nobody@nowhere"))
        net_break(r->verdict, "replay", "node %d: a member past the end", r->who);
}

/* After any call that may change members: look who is there now. False: nothing changed; `closely`: is it true? */
NET_FN bool replay_look(struct replay *r, struct cluster *c, bool closely)
{
    struct set now;
    uint64_t revision = cluster_revision(c);
    int i, changes = 0;
    if (revision == r->is_revision && !closely)
        return false;
    read_members(r, c, &now);
    for (i = 0; i < r->is.count; i++) {
        struct copy *m = set_find(&now, r->is.at[i].name);
        changes += !m || differences(m, &r->is.at[i]);
    }
    for (i = 0; i < now.count; i++)
        changes += !set_find(&r->is, now.at[i].name);
    if (revision < r->is_revision || (uint64_t)changes > revision - r->is_revision)
        net_break(r->verdict, "revision", "node %d: revision %lu after %lu, with %d changes", r->who, (unsigned long)revision,
                  (unsigned long)r->is_revision, changes);
    r->is = now;
    if (revision == r->is_revision)
        return false;
    r->is_revision = revision;
    return true;
}

/* One event as the manual says to take it. */
NET_FN void replay_event(struct replay *r, struct cluster *c, const struct cluster_event *e)
{
    struct net_verdict *v = r->verdict;
    const char *name = cluster_event_name(e->type);
    struct cluster_source *s = NULL;
    struct copy m, *old;
    size_t i = 0;
    if (!e->text)
        net_break(v, "replay", "node %d: the text of %s is NULL", r->who, name);
    while (e->source && (s = cluster_source_at(c, i++)) != NULL && s != e->source)
        continue;
    if (e->source && !s)
        net_break(v, "replay", "node %d: %s points to a source that is not there", r->who, name);
    if (e->type == CLUSTER_RESYNC) {
        r->resynced = true;
        r->told_revision = e->revision;
        read_members(r, c, &r->told);
        return;
    }
    if (e->type != CLUSTER_JOIN && e->type != CLUSTER_LEAVE && e->type != CLUSTER_CHANGE)
        return;
    if (r->resynced ? e->revision <= r->told_revision : e->revision != r->told_revision + 1)
        net_break(v, "revision", "node %d: an event of revision %lu comes after %lu", r->who, (unsigned long)e->revision,
                  (unsigned long)r->told_revision);
    r->told_revision = e->revision;
    if (!e->member) {
        net_break(v, "replay", "node %d: %s without a member", r->who, name);
        return;
    }
    copy_member(&m, e->member);
    old = set_find(&r->told, m.name);
    if (!r->resynced && (old != NULL) != (e->type != CLUSTER_JOIN))
        net_break(v, "replay", "node %d: %s of %s, which is %s", r->who, name, m.name, old ? "there" : "not there");
    if (!r->resynced && e->type == CLUSTER_JOIN && m.id <= r->last_id)
        net_break(v, "replay", "node %d: %s joins with an id that was given before", r->who, m.name);
    if (!r->resynced && e->type == CLUSTER_CHANGE && old && (e->changed != differences(old, &m) || !e->changed))
        net_break(v, "replay", "node %d: change of %s says %x, it is %x", r->who, m.name, (unsigned)e->changed,
                  (unsigned)differences(old, &m));
    if (!r->resynced && e->type != CLUSTER_JOIN && old && old->id != m.id)
        net_break(v, "replay", "node %d: %s has another id than it joined with", r->who, m.name);
    if (!r->resynced && e->type == CLUSTER_LEAVE && old && !same(old, &m))
        net_break(v, "replay", "node %d: %s leaves otherwise than it was", r->who, m.name);
    if (e->type == CLUSTER_JOIN && m.id > r->last_id)
        r->last_id = m.id;
    if (e->type != CLUSTER_LEAVE)
        set_put(&r->told, &m);
    else if (old)
        *old = r->told.at[--r->told.count];
}

/* All events were pulled: what they told is what is. */
NET_FN void replay_drained(struct replay *r)
{
    int i;
    if (r->told.count != r->is.count)
        net_break(r->verdict, "replay", "node %d: the events give %d members, there are %d", r->who, r->told.count,
                  r->is.count);
    for (i = 0; i < r->is.count; i++) {
        struct copy *m = set_find(&r->told, r->is.at[i].name);
        if (!m || !same(m, &r->is.at[i]))
            net_break(r->verdict, "replay", "node %d: by the events %s is %s", r->who, r->is.at[i].name,
                      m ? "otherwise than it is" : "not there");
    }
    if (r->resynced ? r->told_revision > r->is_revision : r->told_revision != r->is_revision)
        net_break(r->verdict, "revision", "node %d: the last event's revision is %lu, the handle's %lu", r->who,
                  (unsigned long)r->told_revision, (unsigned long)r->is_revision);
    r->told_revision = r->is_revision;
    r->resynced = false;
}

#endif
