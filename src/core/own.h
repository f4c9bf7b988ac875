/*
 * Who the handle itself is: the own name, checked, and for name@auto found among the addresses of this host.
 */
#ifndef CLU_CORE_OWN_H
#define CLU_CORE_OWN_H

#include "handle.h"

#define CLU_OWN_ADDRESSES 32 /* of this host that are looked at */

/* From now on the own node has its name and is a member; or it is one that is given a name by links, at its host, and no member. */
CLU_FN int clu_own_join(struct cluster *c)
{
    struct cluster_node *own = &c->discovery.own;
    struct clu_says says;
    int result;
#ifndef CLUSTER_NO_ERLANG
    if (c->own_given) {
        c->mesh.links.name = c->mesh.links.host = clu_name_host(c->own_name);
        c->own_auto = false;
        return 0;
    }
#endif
    memset(&says, 0, sizeof says);
    says.name = c->own_name;
    says.length = strlen(c->own_name);
    says.address = "";
    says.zone = c->zone;
    says.role = c->role;
    says.port = own->port;
    says.weight = own->weight;
    says.draining = (own->flags & CLUSTER_NODE_DRAINING) != 0;
    result = clu_table_add_self(&c->table, &says);
    if (result)
        return clu_fail(&c->loop, result,
                        result == CLUSTER_E_EXISTS
                            ? "a member has the own name already: choose another in options.node (--node)"
                            : cluster_strerror(result));
    own->name = c->own_name;
#ifndef CLUSTER_NO_ERLANG
    c->mesh.links.name = c->own_name;
#endif
    c->own_auto = false;
    return 0;
}

/* ---- name@auto -------------------------------------------------------- */

/* Keep of this host's addresses those that others can reach it by, of one family: IPv4 where there is any; loopback if there is
 * nothing else. Returns how many. */
CLU_FN size_t clu_own_reachable(struct cluster_address *all, size_t count)
{
    size_t kept = 0, i;
    int family;
    for (family = 4; family <= 6 && !kept; family += 2)
        for (i = 0; i < count; i++)
            if (all[i].family == family && !all[i].scope && !clu_address_is_loopback(&all[i]))
                all[kept++] = all[i];
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
    const struct cluster_address *a, *end, *way = NULL;
    unsigned found = 0;
    int result, known = l->io.interfaces(l->io.ctx, NULL, own, CLU_OWN_ADDRESSES);
    if (known < 0)
        return clu_fail(l, known, "name@auto: the addresses of this host cannot be read: write the own address after '@'");
    end = own + clu_own_reachable(own, known < CLU_OWN_ADDRESSES ? (size_t)known : CLU_OWN_ADDRESSES);
    for (a = own; a < end; a++)
        if (end == own + 1 || (target && clu_own_routes(a, target + 1))) {
            found++;
            way = a;
        }
    if (found == 1) {
        t = clu_text_on(host, (size_t)(c->own_name + sizeof c->own_name - host));
        clu_address_text(&t, way);
        result = t.cut ? clu_fail(l, CLUSTER_E_INVALID, "the own name with its address is longer than 255 bytes: shorten it")
                       : clu_own_join(c);
        if (result)
            memcpy(host, "auto", 5);
        return result;
    }
    if (!target)
        return 0; /* a source may decide it */
    t = clu_text_on(l->error, sizeof l->error);
    clu_text_add(&t, "name@auto is ambiguous, this host has ");
    for (a = own; a < end && a < own + 6; a++) {
        clu_text_add(&t, a > own ? ", " : "");
        clu_address_text(&t, a);
    }
    clu_text_add(&t, ": write one of them after '@' in options.node (--node)");
    return CLUSTER_E_INVALID;
}

/* A copy of a text that may be NULL; false: it does not fit. */
CLU_FN bool clu_own_text(char *out, size_t size, const char *text)
{
    struct clu_text t = clu_text_on(out, size);
    clu_text_add(&t, text ? text : "");
    return !t.cut;
}

CLU_FN int clu_own_options(struct cluster *c, const struct cluster_options *o)
{
    struct cluster_node *own = &c->discovery.own;
    struct clu_text error;
    own->size = (uint32_t)sizeof *own;
    own->weight = o->weight;
    own->port = o->port;
    own->zone = c->zone;
    own->role = c->role;
    if (o->port > 65535)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "options.port is at most 65535");
    if (!clu_own_text(c->zone, sizeof c->zone, o->zone) || !clu_own_text(c->role, sizeof c->role, o->role))
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "options.zone and options.role take at most 63 bytes each");
    if (!o->node)
        return 0;
    if (!clu_own_text(c->own_name, sizeof c->own_name, o->node) || !clu_name_valid(c->own_name, strlen(c->own_name))) {
        error = clu_text_on(c->loop.error, sizeof c->loop.error);
        return clu_say(&error, "options.node '#' is no node name: it takes NAME@HOST, or NAME@auto for the own address",
                       clu_slice_str(o->node), "");
    }
    c->own_auto = strcmp(clu_name_host(c->own_name), "auto") == 0;
    return c->own_auto ? clu_own_resolve(c, NULL) : clu_own_join(c);
}

CLUSTER_DEF const char *cluster_own_name(const struct cluster *c)
{
#ifndef CLUSTER_NO_ERLANG
    return c && !clu_links_nameless(&c->mesh.links) ? c->mesh.links.name : "";
#else
    return c && c->discovery.own.name ? c->discovery.own.name : "";
#endif
}

#endif
