/*
 * The host's calls on links to Erlang nodes, and the options that say which there are.
 */
#ifndef CLU_CORE_LINKS_H
#define CLU_CORE_LINKS_H

#include "handle.h"

#ifdef CLUSTER_NO_ERLANG

CLU_FN int clu_options_links(struct cluster *c, const struct cluster_options *o)
{
    if (!o->connect || strcmp(o->connect, "none") == 0)
        return 0;
    return clu_fail(&c->loop, CLUSTER_E_UNSUPPORTED, "options.connect: this build makes no links (CLUSTER_NO_ERLANG)");
}

#else

/* "200ms..30s" */
CLU_FN bool clu_backoff(const char *text, uint64_t *from, uint64_t *to)
{
    struct clu_slice rest = clu_slice_str(text), first = clu_cut(&rest, '.');
    return rest.at && clu_slice_starts(rest, ".") && clu_duration(first, from) && clu_duration(clu_slice_from(rest, 1), to) &&
           *from && *from <= *to;
}

CLU_FN int clu_options_links(struct cluster *c, const struct cluster_options *o)
{
    struct clu_node *n = &c->linked;
    int connect = clu_word_find("none erlang", clu_slice_str(o->connect ? o->connect : "none"));
    int once = clu_word_find("on off", clu_slice_str(o->reconnect ? o->reconnect : "on"));
    int leave = clu_word_find("keep disconnect", clu_slice_str(o->on_leave ? o->on_leave : "keep"));
    const char *why = NULL;
    struct clu_text cookie = clu_text_on(n->cookie, sizeof n->cookie);
    clu_text_add(&cookie, o->cookie ? o->cookie : "");
    n->links.cookie = clu_slice_of(n->cookie, cookie.length);
    if (connect < 0)
        why = "options.connect takes \"none\" or \"erlang\"";
    else if (once < 0)
        why = "options.reconnect takes \"on\" or \"off\"";
    else if (leave < 0)
        why = "options.on_leave takes \"keep\" or \"disconnect\"";
    else if (!clu_backoff(o->backoff ? o->backoff : "200ms..30s", &n->backoff_ns, &n->backoff_most_ns))
        why = "options.backoff takes the shortest and the longest time, as in 200ms..30s";
    else if (!clu_duration(clu_slice_str(o->tick ? o->tick : "60s"), &n->links.tick_ns) || n->links.tick_ns < CLU_SECOND)
        why = "options.tick takes a duration of 1s or more, as in 60s";
    else if (cookie.cut)
        why = "options.cookie is longer than 255 bytes";
    else if (connect && !o->node)
        why = "connect=erlang needs options.node (--node): an Erlang node links only to nodes that have a name";
    else if (connect && !cookie.length)
        why = "connect=erlang needs options.cookie (--cookie), the one of the cluster: there is no default";
    if (why)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, why);
    n->dials_all = connect != 0;
    n->once = once != 0;
    n->disconnects = leave != 0;
    n->limit_dials = o->limit_dials ? o->limit_dials : 256;
    n->links.limit_packet = o->limit_packet ? o->limit_packet : (64 << 20) + (64 << 10);
    n->links.limit_output = o->limit_output ? o->limit_output : 1 << 20;
    n->links.up = clu_process_up;
    n->links.control = clu_process_control;
    return cookie.length ? clu_node_init(n, &c->table, &c->discovery.own) : 0;
}

CLUSTER_DEF int cluster_ping(struct cluster *c, const char *node, uint64_t *request)
{
    struct clu_loop *l;
    int result;
    if (!c)
        return CLUSTER_E_INVALID;
    l = &c->loop;
    if (!c->discovery.own.name || !c->linked.table)
        return clu_fail(l, CLUSTER_E_INVALID, "a ping needs options.node (--node) and options.cookie (--cookie)");
    if (!node || !clu_name_valid(node, strlen(node)) || strcmp(node, c->discovery.own.name) == 0)
        return clu_fail(l, CLUSTER_E_INVALID, "the node is no NAME@HOST, or is this one");
    if (!clu_queue_expect(&l->memory, &l->events))
        return clu_fail(l, CLUSTER_E_AGAIN, "too many events and queries wait: read the events, then ask again");
    result = clu_process_ping(&c->linked, node, c->next_request + 1);
    if (result) {
        l->events.replies--;
        return clu_fail(l, result, "no memory for a ping");
    }
    l->kick = true;
    c->next_request++;
    if (request)
        *request = c->next_request;
    return 0;
}

#endif

#endif
