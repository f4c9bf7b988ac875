/*
 * Who the handle itself is: the own name, checked, and for name@auto found among the addresses of this host.
 */
#ifndef CLU_CORE_OWN_H
#define CLU_CORE_OWN_H

#include "handle.h"

#define CLU_OWN_ADDRESSES 32 /* of this host that are looked at */

/* From now on the own node has its name and is a member. */
CLU_FN int clu_own_join(struct cluster *c)
{
    struct cluster_node *own = &c->discovery.own;
    struct clu_says says;
    int result;
    memset(&says, 0, sizeof says);
    says.name = c->own_name;
    says.length = strlen(c->own_name);
    says.address = "";
    says.zone = c->zone;
    says.role = c->role;
    says.port = own->port;
    says.weight = own->weight;
    result = clu_table_add_self(&c->table, &says);
    if (result)
        return clu_fail(&c->loop, result, cluster_strerror(result));
    own->name = c->own_name;
    c->own_auto = false;
    return 0;
}

/* ---- name@auto -------------------------------------------------------- */

/* Keep of this host's addresses those that others can reach it by, of one family: IPv4 where there is any; loopback if there is
 * nothing else. Returns how many. */
CLU_FN size_t clu_own_reachable(struct cluster_address *all, size_t count)
{
    uint8_t family = 6;
    size_t kept = 0, i;
    for (i = 0; i < count; i++) {
        if (clu_address_is_loopback(&all[i]) || all[i].scope || all[i].family > family)
            continue;
        if (all[i].family < family)
            kept = 0;
        family = all[i].family;
        all[kept++] = all[i];
    }
    if (kept)
        return kept;
    (void)clu_address_parse(clu_slice_str("127.0.0.1"), &all[0]);
    return 1;
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
CLU_FN int clu_own_resolve(struct cluster *c, const char *url)
{
    struct clu_loop *l = &c->loop;
    struct cluster_address own[CLU_OWN_ADDRESSES];
    const char *target = url ? strchr(url, ':') : NULL;
    char *host = strchr(c->own_name, '@') + 1;
    struct clu_text t;
    size_t count, i, found = 0, last = 0;
    int known = l->io.interfaces(l->io.ctx, NULL, own, CLU_OWN_ADDRESSES);
    if (known < 0)
        return clu_fail(l, known, "name@auto: the addresses of this host cannot be read: write the own address after '@'");
    count = clu_own_reachable(own, known < CLU_OWN_ADDRESSES ? (size_t)known : CLU_OWN_ADDRESSES);
    for (i = 0; i < count; i++)
        if (count == 1 || (target && clu_own_routes(&own[i], target + 1))) {
            found++;
            last = i;
        }
    if (found == 1) {
        t = clu_text_on(host, (size_t)(c->own_name + sizeof c->own_name - host));
        clu_address_text(&t, &own[last]);
        if (t.cut)
            return clu_fail(l, CLUSTER_E_INVALID, "the own name with its address is longer than 255 bytes: shorten it");
        return clu_own_join(c);
    }
    if (!target)
        return 0; /* a source may decide it */
    t = clu_text_on(l->error, sizeof l->error);
    clu_text_add(&t, "name@auto is ambiguous, this host has ");
    for (i = 0; i < count && i < 6; i++) {
        clu_text_add(&t, i ? ", " : "");
        clu_address_text(&t, &own[i]);
    }
    clu_text_add(&t, ": write one of them after '@' in options.node (--node)");
    return CLUSTER_E_INVALID;
}

CLU_FN int clu_own_options(struct cluster *c, const struct cluster_options *o)
{
    struct clu_text name = clu_text_on(c->own_name, sizeof c->own_name), zone = clu_text_on(c->zone, sizeof c->zone);
    struct clu_text role = clu_text_on(c->role, sizeof c->role), error = clu_text_on(c->loop.error, sizeof c->loop.error);
    struct cluster_node *own = &c->discovery.own;
    clu_text_add(&zone, o->zone ? o->zone : "");
    clu_text_add(&role, o->role ? o->role : "");
    own->size = (uint32_t)sizeof *own;
    own->weight = o->weight;
    own->port = o->port;
    own->zone = c->zone;
    own->role = c->role;
    if (o->port > 65535)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "options.port is at most 65535");
    if (zone.cut || role.cut)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "options.zone and options.role take at most 63 bytes each");
    if (!o->node)
        return 0;
    clu_text_add(&name, o->node);
    if (name.cut || !clu_name_valid(c->own_name, name.length))
        return clu_say(&error, "options.node '#' is no node name: it takes NAME@HOST, or NAME@auto for the own address",
                       clu_slice_str(o->node), "");
    if (strcmp(clu_name_host(c->own_name), "auto") != 0)
        return clu_own_join(c);
    c->own_auto = true;
    return clu_own_resolve(c, NULL);
}

CLUSTER_DEF const char *cluster_own_name(const struct cluster *c)
{
    return c && c->discovery.own.name ? c->discovery.own.name : "";
}

#endif
