/*
 * What is said of one member at one moment: an immutable, shared object with its strings inside, so that an event can show a
 * member as it was while the table goes on. Only `sources` and `state` follow the table.
 */
#ifndef CLU_MEMBER_RECORD_H
#define CLU_MEMBER_RECORD_H

#include "../base/shared.h"
#include "../wire/name.h"

/* A node as a source says it is: strings never NULL, "" and 0 where it does not say. */
struct clu_says {
    const char *name;
    size_t length; /* of the name */
    const char *address, *zone, *role;
    uint32_t port, weight;
    bool draining;
    bool accepted; /* no source says it: there is a link */
};

struct clu_record {
    struct clu_shared shared;
    struct cluster_member view;
    bool weighs; /* the weight was said */
};

CLU_FN struct clu_says clu_record_says(const struct clu_record *r)
{
    struct clu_says says;
    says.name = r->view.name;
    says.length = strlen(r->view.name);
    says.address = r->view.address;
    says.zone = r->view.zone;
    says.role = r->view.role;
    says.port = r->view.port;
    says.weight = r->weighs ? r->view.weight : 0;
    says.draining = (r->view.flags & CLUSTER_MEMBER_DRAINING) != 0;
    says.accepted = (r->view.flags & CLUSTER_MEMBER_ACCEPTED) != 0;
    return says;
}

CLU_FN const char *clu_record_string(char **at, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = (char *)memcpy(*at, string, size);
    *at += size;
    return copy;
}

CLU_FN uint32_t clu_says_flags(const struct clu_says *says)
{
    return (says->draining ? CLUSTER_MEMBER_DRAINING : 0) | (says->accepted ? CLUSTER_MEMBER_ACCEPTED : 0);
}

/* NULL: no memory. */
CLU_FN struct clu_record *clu_record_new(const struct cluster_allocator *a, const struct clu_says *says, uint64_t id)
{
    size_t strings = says->length + strlen(says->address) + strlen(says->zone) + strlen(says->role) + 4;
    struct clu_record *r = (struct clu_record *)clu_share_new(a, sizeof *r + strings);
    char *at;
    if (!r)
        return NULL;
    at = (char *)(r + 1);
    r->view.size = (uint32_t)sizeof r->view;
    r->view.id = id;
    r->view.name = clu_record_string(&at, says->name);
    r->view.address = clu_record_string(&at, says->address);
    r->view.zone = clu_record_string(&at, says->zone);
    r->view.role = clu_record_string(&at, says->role);
    r->view.host = clu_name_host(r->view.name);
    r->view.port = says->port;
    r->view.weight = says->weight ? says->weight : 1;
    r->weighs = says->weight != 0;
    r->view.flags = clu_says_flags(says);
    return r;
}

/* CLUSTER_CHANGED_... between two views of one member. */
CLU_FN uint32_t clu_view_changes(const struct cluster_member *a, const struct cluster_member *b)
{
    uint32_t changed = 0;
    if (strcmp(a->address, b->address) != 0)
        changed |= CLUSTER_CHANGED_ADDRESS;
    if (a->port != b->port)
        changed |= CLUSTER_CHANGED_PORT;
    if (a->weight != b->weight)
        changed |= CLUSTER_CHANGED_WEIGHT;
    if (strcmp(a->zone, b->zone) != 0)
        changed |= CLUSTER_CHANGED_ZONE;
    if (strcmp(a->role, b->role) != 0)
        changed |= CLUSTER_CHANGED_ROLE;
    if ((a->flags ^ b->flags) & CLUSTER_MEMBER_DRAINING)
        changed |= CLUSTER_CHANGED_DRAINING;
    if ((a->flags ^ b->flags) & CLUSTER_MEMBER_ACCEPTED)
        changed |= CLUSTER_CHANGED_ACCEPTED;
    return changed;
}

/* Does a record say just this? */
CLU_FN bool clu_record_is(const struct clu_record *r, const struct clu_says *says)
{
    return r->view.port == says->port && (r->weighs ? r->view.weight : 0) == says->weight &&
           r->view.flags == clu_says_flags(says) && strcmp(r->view.address, says->address) == 0 &&
           strcmp(r->view.zone, says->zone) == 0 && strcmp(r->view.role, says->role) == 0;
}

#endif
