/*
 * Who the handle itself is: the own name, checked, and for name@auto found among the addresses of this host.
 */
#ifndef CLU_CORE_OWN_H
#define CLU_CORE_OWN_H

#include "handle.h"

#define CLU_OWN_ATTRIBUTE 63 /* bytes of zone and role */
#define CLU_OWN_ADDRESSES 32 /* of this host that are looked at */

/* The own node's strings, kept together with room for an address where the name ends in @auto. */
CLU_FN int clu_own_keep(struct cluster *c, const struct cluster_options *o)
{
    size_t name = strlen(o->node) + CLU_ADDRESS_TEXT, zone = o->zone ? strlen(o->zone) + 1 : 0;
    size_t role = o->role ? strlen(o->role) + 1 : 0;
    struct cluster_node *own = &c->discovery.own;
    c->own_size = name + zone + role;
    c->own = (char *)clu_alloc(&c->loop.memory, c->own_size);
    if (!c->own)
        return CLUSTER_E_MEMORY;
    memcpy(c->own, o->node, strlen(o->node) + 1);
    own->size = (uint32_t)sizeof *own;
    own->weight = o->weight;
    own->port = o->port;
    if (zone)
        own->zone = (const char *)memcpy(c->own + name, o->zone, zone);
    if (role)
        own->role = (const char *)memcpy(c->own + name + zone, o->role, role);
    return 0;
}

/* From now on the own node has its name and is a member. */
CLU_FN int clu_own_join(struct cluster *c)
{
    struct cluster_node *own = &c->discovery.own;
    struct clu_says says;
    int result;
    memset(&says, 0, sizeof says);
    says.name = c->own;
    says.length = strlen(c->own);
    says.address = "";
    says.zone = own->zone ? own->zone : "";
    says.role = own->role ? own->role : "";
    says.port = own->port;
    says.weight = own->weight;
    result = clu_table_add_self(&c->table, &says);
    if (result == 0)
        own->name = c->own;
    return result;
}

/* ---- name@auto -------------------------------------------------------- */

/* Keep of this host's addresses those that others can reach it by, of one family: IPv4 where there is any; loopback if there is
 * nothing else. Returns how many. */
CLU_FN size_t clu_own_reachable(struct cluster_address *all, size_t count)
{
    uint8_t family = 6;
    size_t kept = 0, i;
    for (i = 0; i < count; i++) {
        if (clu_address_is_loopback(&all[i]) || all[i].scope)
            continue;
        all[kept++] = all[i];
        family = all[i].family == 4 ? 4 : family;
    }
    count = kept;
    for (i = kept = 0; i < count; i++)
        if (all[i].family == family)
            all[kept++] = all[i];
    if (kept)
        return kept;
    (void)clu_address_parse(clu_slice_str("127.0.0.1"), &all[0], NULL);
    return 1;
}

CLU_FN int clu_own_take(struct cluster *c, const struct cluster_address *address, struct clu_text *error)
{
    struct clu_text t;
    int result;
    t = clu_text_on(strchr(c->own, '@') + 1, CLU_ADDRESS_TEXT);
    clu_address_text(&t, address);
    result = clu_name_valid(c->own, strlen(c->own)) ? clu_own_join(c) : CLUSTER_E_INVALID;
    if (result == 0)
        c->own_base = NULL;
    else
        clu_text_add(error, result == CLUSTER_E_INVALID ? "the own name with its address is longer than 255 bytes: shorten it"
                                                        : cluster_strerror(result));
    return result;
}

/* Is any address that the URL names in the network of this own one, or is it itself? */
CLU_FN bool clu_own_routes(const struct cluster_address *own, const char *url)
{
    struct cluster_address a;
    while (*url) {
        size_t length = strcspn(url, ",?&=@");
        if (clu_address_port_parse(clu_slice_of(url, length), 0, &a) && clu_address_in(&a, own))
            return true;
        url += length;
        url += *url != '\0';
    }
    return false;
}

/* With name@auto: the one own address, or before the first source the one that leads to it. */
CLU_FN int clu_own_resolve(struct cluster *c, const char *url, struct clu_text *error)
{
    struct cluster_address own[CLU_OWN_ADDRESSES];
    size_t count, i, found = 0, last = 0;
    int known = c->loop.io.interfaces(c->loop.io.ctx, NULL, own, CLU_OWN_ADDRESSES);
    if (known < 0) {
        clu_text_add(error, "name@auto: the addresses of this host cannot be read: write the own address after '@'");
        return known;
    }
    count = clu_own_reachable(own, known < CLU_OWN_ADDRESSES ? (size_t)known : CLU_OWN_ADDRESSES);
    for (i = 0; i < count; i++)
        if (count == 1 || (url && clu_own_routes(&own[i], strchr(url, ':') ? strchr(url, ':') + 1 : url))) {
            found++;
            last = i;
        }
    if (found == 1)
        return clu_own_take(c, &own[last], error);
    if (!url)
        return 0; /* a source may decide it */
    clu_text_add(error, "name@auto is ambiguous, this host has ");
    for (i = 0; i < count && i < 6; i++) {
        clu_text_add(error, i ? ", " : "");
        clu_address_text(error, &own[i]);
    }
    clu_text_add(error, ": write one of them after '@' in options.node (--node)");
    return CLUSTER_E_INVALID;
}

CLU_FN int clu_own_options(struct cluster *c, const struct cluster_options *o, struct clu_text *error)
{
    size_t length = o->node ? strlen(o->node) : 0;
    int result;
    if (o->port > 65535) {
        clu_text_add(error, "options.port is at most 65535");
        return CLUSTER_E_INVALID;
    }
    if ((o->zone && strlen(o->zone) > CLU_OWN_ATTRIBUTE) || (o->role && strlen(o->role) > CLU_OWN_ATTRIBUTE)) {
        clu_text_add(error, "options.zone and options.role take at most 63 bytes each");
        return CLUSTER_E_INVALID;
    }
    if (!o->node)
        return 0;
    if (!clu_name_valid(o->node, length)) {
        clu_text_add(error, "options.node '");
        clu_text_escaped(error, o->node, length < 64 ? length : 64);
        clu_text_add(error, "' is no node name: it takes NAME@HOST, or NAME@auto for the own address");
        return CLUSTER_E_INVALID;
    }
    result = clu_own_keep(c, o);
    if (result < 0)
        return result;
    if (strcmp(clu_name_host(o->node), "auto") != 0)
        return clu_own_join(c);
    c->own_base = c->own;
    return clu_own_resolve(c, NULL, error);
}

CLUSTER_DEF const char *cluster_own_name(const struct cluster *c)
{
    return c && c->discovery.own.name ? c->discovery.own.name : "";
}

#endif
