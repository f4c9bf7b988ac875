/*
 * What arrives on a link that is up, and what we ask over one. This node has one process; whoever links to or watches another
 * is told that there is none.
 */
#ifndef CLU_LINK_PROCESS_H
#define CLU_LINK_PROCESS_H

#include "node.h"

#define CLU_ASK_TIME (10 * CLU_SECOND) /* for a link and an answer */

/* ---- answers to the other node ---------------------------------------- */

/* {Op, arguments[a], arguments[b], and with more than two arguments[2]}, and at the end an atom if one is given. */
CLU_FN int clu_process_answer(struct clu_link *link, const struct clu_control *c, unsigned op, const uint8_t *order,
                              unsigned count, const char *atom)
{
    struct clu_channel *ch = &link->channel;
    struct clu_writer w = clu_channel_begin(ch, CLU_CONTROL_SMALL);
    unsigned i;
    clu_control_write(&w, op, 1 + count + (*atom != '\0'));
    for (i = 0; i < count; i++)
        clu_write(&w, c->arguments[order[i]].at, c->arguments[order[i]].length);
    if (*atom)
        clu_atom_write(&w, atom);
    if (w.bad && w.begin)
        return CLUSTER_E_PROTOCOL; /* no process has so long a name */
    return clu_channel_end(ch, &w);
}

/* {'$gen_call', {Pid, Tag}, {is_auth, Node}} to net_kernel: {Tag, yes}, with the bytes of the tag as they came. */
CLU_FN int clu_process_is_auth(struct clu_link *link, struct clu_reader r)
{
    struct clu_channel *ch = &link->channel;
    struct clu_writer w;
    struct clu_slice pid, tag;
    clu_tuple_read(&r, 3);
    clu_atom_read(&r, "$gen_call");
    clu_tuple_read(&r, 2);
    pid = clu_term_span(&r);
    tag = clu_term_span(&r);
    clu_tuple_read(&r, 2);
    clu_atom_read(&r, "is_auth");
    if (!clu_term_skip(&r) || clu_left(&r))
        return 0;
    w = clu_channel_begin(ch, CLU_CONTROL_SMALL);
    clu_control_write(&w, CLU_OP_SEND, 3);
    clu_atom_write(&w, "");
    clu_write(&w, pid.at, pid.length);
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 2);
    clu_write(&w, tag.at, tag.length);
    clu_atom_write(&w, "yes");
    if (w.bad && w.begin)
        return CLUSTER_E_PROTOCOL;
    return clu_channel_end(ch, &w);
}

/* ---- what we ask ------------------------------------------------------ */

/* {Ref, yes} */
CLU_FN void clu_process_answered(struct clu_link *link, struct clu_reader r)
{
    const struct clu_links *home = link->home;
    struct clu_ask *ask = ((struct clu_peer *)link->peer)->asks;
    uint64_t request;
    clu_tuple_read(&r, 2);
    request = clu_reference_read(&r, home->own->name, home->creation);
    clu_atom_read(&r, "yes");
    while (ask && ask->request != request)
        ask = ask->next;
    if (!r.bad && ask && ask->sent)
        clu_ask_answer(ask, 0, "pong");
}

CLU_FN void clu_process_ask(struct clu_link *link, struct clu_ask *ask)
{
    const struct clu_links *home = link->home;
    const char *own = home->own->name;
    struct clu_channel *ch = &link->channel;
    struct clu_writer w = clu_channel_begin(ch, CLU_CONTROL_SMALL);
    clu_control_write(&w, CLU_OP_REG_SEND, 4);
    clu_pid_write(&w, own, home->creation);
    clu_atom_write(&w, "");
    clu_atom_write(&w, "net_kernel");
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 3);
    clu_atom_write(&w, "$gen_call");
    clu_tuple_write(&w, 2);
    clu_pid_write(&w, own, home->creation);
    clu_reference_write(&w, own, home->creation, ask->request);
    clu_tuple_write(&w, 2);
    clu_atom_write(&w, "is_auth");
    clu_atom_write(&w, own);
    ask->sent = !clu_channel_end(ch, &w);
    if (!ask->sent)
        clu_ask_answer(ask, CLUSTER_E_MEMORY, cluster_strerror(CLUSTER_E_MEMORY));
}

/* Its time begins with the step after the call, and then it goes out as soon as there is a link; at the end there was none. */
CLU_FN void clu_process_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_ask *ask = CLU_CONTAINER(timer, struct clu_ask, timer);
    struct clu_peer *p = ask->peer;
    if (ask->begun) {
        clu_ask_answer(ask, CLUSTER_E_TIMEOUT, clu_why_text(CLU_WHY_NO_TIME, 0));
        clu_peer_drop(p);
        return;
    }
    ask->begun = true;
    clu_timer_set(&p->node->links.loop->timers, timer, clu_add_time(now, CLU_ASK_TIME));
    if (p->link)
        clu_process_ask(p->link, ask);
    else
        clu_peer_schedule(p);
}

/* Ask whether a node is there. `ask` has its request, and a place in the queue for its reply. */
CLU_FN int clu_process_ping(struct clu_node *n, const char *name, uint64_t request)
{
    struct clu_loop *l = n->links.loop;
    struct clu_ask *ask = (struct clu_ask *)clu_alloc_zero(&l->memory, sizeof *ask);
    struct clu_peer *p = ask ? clu_peer_find(n, name) : NULL;
    struct clu_member *m;
    if (!ask || !clu_timers_reserve(&l->memory, &l->timers, 1)) {
        clu_free(&l->memory, ask, sizeof *ask);
        return CLUSTER_E_MEMORY;
    }
    if (!p && (p = clu_peer_new(n, name)) != NULL) {
        m = clu_table_find(n->table, name, strlen(name));
        p->member = m;
        if (m)
            m->peer = p;
        else
            *clu_stray_place(n, name) = p;
    }
    ask->timer.fire = clu_process_fire;
    if (!p) {
        clu_timers_release(&l->timers, &ask->timer);
        clu_free(&l->memory, ask, sizeof *ask);
        return CLUSTER_E_MEMORY;
    }
    ask->peer = p;
    ask->request = request;
    ask->next = p->asks;
    p->asks = ask;
    clu_timer_set(&l->timers, &ask->timer, 0);
    return 0;
}

/* The link is up: those who waited for it. */
CLU_FN int clu_process_up(struct clu_link *link)
{
    int result = clu_node_up(link);
    struct clu_ask *ask = ((struct clu_peer *)link->peer)->asks, *next;
    for (; ask && !result; ask = next) {
        next = ask->next;
        clu_process_ask(link, ask);
    }
    return result;
}

/* ---- the door --------------------------------------------------------- */

CLU_FN int clu_process_control(struct clu_link *link, const struct clu_control *c)
{
    static const uint8_t swapped[] = {1, 0}, monitor[] = {1, 0, 2}, unlinked[] = {0, 2, 1};
    switch (c->op) {
    case CLU_OP_SEND:
        clu_process_answered(link, c->message);
        return 0;
    case CLU_OP_REG_SEND:
        return clu_argument_is(c, 2, "net_kernel") ? clu_process_is_auth(link, c->message) : 0;
    case CLU_OP_MONITOR:
        if (clu_argument_is(c, 1, "net_kernel"))
            return 0;
        return clu_process_answer(link, c, CLU_OP_MONITOR_EXIT, monitor, 3, "noproc");
    case CLU_OP_LINK:
        return clu_process_answer(link, c, CLU_OP_EXIT, swapped, 2, "noproc");
    case CLU_OP_UNLINK_ID:
        return clu_process_answer(link, c, CLU_OP_UNLINK_ID_ACK, unlinked, 3, "");
    default:
        return 0;
    }
}

#endif
