/*
 * What arrives on a link that is up, and what we ask and send over one. The own node has a process for each name that the host
 * registered, and two of its own: net_kernel answers whether we are there and hears the answers to what we ask, rex takes calls.
 */
#ifndef CLU_LINK_PROCESS_H
#define CLU_LINK_PROCESS_H

#include "node.h"

#define CLU_ASK_TIME (10 * CLU_SECOND)  /* for a link and the answer to a ping */
#define CLU_CALL_TIME (5 * CLU_SECOND)  /* a call, unless the caller says otherwise */
#define CLU_ASK_SLOTS ((size_t)1 << 17) /* of the first word of a reference old nodes take 18 bits */

enum { CLU_ID_KERNEL = 1, CLU_ID_REX = 2 };

/* ---- processes -------------------------------------------------------- */

CLU_FN const char *clu_process_name(const struct clu_process *process)
{
    return (const char *)(process + 1);
}

CLU_FN struct clu_process *clu_process_find(const struct clu_node *n, struct clu_slice name)
{
    struct clu_process *process = n->processes;
    while (process && !clu_slice_is(name, clu_process_name(process)))
        process = process->next;
    return process;
}

/* Its name is an atom, as yet unknown here. */
CLU_FN int clu_process_add(struct clu_node *n, const char *name)
{
    size_t length = strlen(name), size = sizeof(struct clu_process) + length + 1;
    struct clu_process *process = (struct clu_process *)clu_alloc_zero(&n->mesh->links.loop->memory, size);
    if (!process)
        return CLUSTER_E_MEMORY;
    memcpy(process + 1, name, length);
    process->size = size;
    process->id = n->processes ? n->processes->id + 1 : (uint32_t)CLU_ID_KERNEL;
    process->next = n->processes;
    n->processes = process;
    return 0;
}

/* Whom a pid or an atom means; NULL: nobody here. */
CLU_FN const struct clu_process *clu_process_of(const struct clu_node *n, struct clu_slice term)
{
    struct clu_reader r = clu_reader_of(term.at, term.length);
    const struct clu_process *process = n->processes;
    char atom[CLU_ATOM_MAX];
    size_t length;
    uint32_t id;
    if (clu_term_tag(&r) != CLU_TERM_NEW_PID) {
        length = clu_term_atom(&r, atom, sizeof atom);
        return r.bad ? NULL : clu_process_find(n, clu_slice_of(atom, length));
    }
    id = clu_pid_read(&r, n->mesh->links.name, n->mesh->links.creation);
    while (process && process->id != id)
        process = process->next;
    return process;
}

/* ---- answers to the other node ---------------------------------------- */

CLU_FN struct clu_writer clu_process_begin(struct clu_link *link)
{
    return clu_channel_begin(&link->channel, CLU_CONTROL_SMALL);
}

/* No process has a name so long that an answer would not fit. */
CLU_FN int clu_process_end(struct clu_link *link, struct clu_writer *w)
{
    return w->bad && w->begin ? CLUSTER_E_PROTOCOL : clu_channel_end(&link->channel, w);
}

CLU_FN void clu_spans_write(struct clu_writer *w, const struct clu_slice *spans, size_t count)
{
    for (; count; count--, spans++)
        clu_write(w, spans->at, spans->length);
}

/* {Op, arguments of these places, before what makes it so many terms. */
CLU_FN struct clu_writer clu_process_reply(struct clu_link *link, const struct clu_control *c, unsigned op, unsigned arity,
                                           const char *places)
{
    struct clu_writer w = clu_process_begin(link);
    clu_control_write(&w, op, arity);
    for (; *places; places++)
        clu_spans_write(&w, &c->arguments[*places - '0'], 1);
    return w;
}

/* The same whole, with an atom at the end if one is given. */
CLU_FN int clu_process_answer(struct clu_link *link, const struct clu_control *c, unsigned op, const char *places,
                              const char *atom)
{
    struct clu_writer w = clu_process_reply(link, c, op, (unsigned)strlen(places) + 1 + (*atom != '\0'), places);
    if (*atom)
        clu_atom_write(&w, atom);
    return clu_process_end(link, &w);
}

/* {2, '', before a pid */
#define CLU_SEND_BYTES "p\x83h\3a\2w\0"

/* {Tag, before the answer to this pid, with the bytes of the tag as they came. */
CLU_FN void clu_gen_answer_write(struct clu_writer *w, const struct clu_slice from[2])
{
    CLU_BYTES_WRITE(w, CLU_SEND_BYTES);
    clu_spans_write(w, from, 1);
    CLU_BYTES_WRITE(w, "\x83h\2");
    clu_spans_write(w, from + 1, 1);
}

/* {'$gen_call', From, {is_auth, Node}}: yes */
CLU_FN int clu_process_is_auth(struct clu_link *link, struct clu_reader *r)
{
    struct clu_writer w;
    struct clu_slice from[3];
    memset(from, 0, sizeof from);
    if (!clu_form_read(r, "{3 $gen_call {2 * * {2 is_auth *", from) || clu_left(r))
        return 0;
    w = clu_process_begin(link);
    clu_gen_answer_write(&w, from);
    clu_atom_write(&w, "yes");
    return clu_process_end(link, &w);
}

/* ---- what we ask ------------------------------------------------------ */

/* Whose answer it is, by its reference. */
CLU_FN struct clu_ask *clu_ask_of(const struct clu_link *link, struct clu_slice reference)
{
    const struct clu_peer *p = (const struct clu_peer *)link->peer;
    const struct clu_node *n = clu_node_of(p);
    struct clu_reader r = clu_reader_of(reference.at, reference.length);
    uint32_t slot = 0;
    uint64_t request = clu_reference_read(&r, n->mesh->links.name, n->mesh->links.creation, &slot);
    struct clu_ask *ask = slot < n->slots_capacity ? n->slots[slot] : NULL;
    return ask && ask->request == request && ask->peer == p && ask->sent ? ask : NULL;
}

CLU_FN int clu_ask_show(struct clu_ask *ask, struct clu_slice answer)
{
    return clu_term_whole(answer) ? clu_ask_answer(ask, 0, "", answer.at, answer.length) : CLUSTER_E_PROTOCOL;
}

/* {Ref, Answer} */
CLU_FN int clu_process_answered(const struct clu_link *link, struct clu_reader *r)
{
    struct clu_slice reference = clu_slice_of(NULL, 0);
    struct clu_ask *ask = clu_form_read(r, "{2 *", &reference) ? clu_ask_of(link, reference) : NULL;
    if (!ask)
        return 0;
    if (ask->kind == CLU_ASK_CALL)
        return clu_ask_show(ask, clu_rest(r));
    return clu_form_read(r, "yes", &reference) ? clu_ask_answer(ask, 0, "pong", NULL, 0) : 0;
}

/* {21, Process, Pid, Ref, Reason}: what was watched has ended. */
CLU_FN int clu_process_watched(const struct clu_link *link, const struct clu_control *c)
{
    struct clu_ask *ask = clu_ask_of(link, c->arguments[2]);
    return ask && ask->kind == CLU_ASK_MONITOR ? clu_ask_show(ask, c->arguments[3]) : 0;
}

CLU_FN void clu_process_own_pid(const struct clu_links *home, struct clu_writer *w, uint32_t id)
{
    clu_pid_write(w, home->name, home->creation, id, 0);
}

/* To a registered process of theirs: {6, Pid, '', Name}. */
CLU_FN void clu_process_to_name(const struct clu_links *home, struct clu_writer *w, const char *name)
{
    clu_control_write(w, CLU_OP_REG_SEND, 4);
    clu_process_own_pid(home, w, CLU_ID_KERNEL);
    clu_atom_write(w, "");
    clu_atom_write(w, name);
}

/* To a server {'$gen_call', {Pid, Ref}, What}, the question whether we are there with our name; else {19, Pid, Name, Ref}. */
CLU_FN void clu_process_ask(struct clu_link *link, struct clu_ask *ask)
{
    const struct clu_links *home = link->home;
    struct clu_writer w = clu_channel_begin(&link->channel, CLU_CONTROL_SMALL + ask->size);
    bool watches = ask->kind == CLU_ASK_MONITOR;
    if (watches) {
        clu_control_write(&w, CLU_OP_MONITOR, 4);
    } else {
        clu_process_to_name(home, &w, ask->kind == CLU_ASK_CALL ? "rex" : "net_kernel");
        CLU_BYTES_WRITE(&w, "\x83h\3w\11$gen_callh\2");
    }
    clu_process_own_pid(home, &w, CLU_ID_KERNEL);
    if (watches)
        clu_write(&w, ask->says, ask->size);
    clu_reference_write(&w, home->name, home->creation, ask->slot, ask->request);
    if (!watches)
        clu_write(&w, ask->says, ask->size);
    if (ask->kind == CLU_ASK_PING)
        clu_atom_write(&w, home->name);
    if (clu_channel_end(&link->channel, &w)) {
        (void)clu_ask_answer(ask, CLUSTER_E_MEMORY, cluster_strerror(CLUSTER_E_MEMORY), NULL, 0);
        return;
    }
    ask->sent = true;
    clu_ask_forget(ask);
}

/* Its time begins with the step after the call; at its end there was no answer, or no link. */
CLU_FN void clu_process_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_ask *ask = CLU_CONTAINER(timer, struct clu_ask, timer);
    struct clu_peer *p = ask->peer;
    struct clu_timers *timers = &p->mesh->links.loop->timers;
    if (ask->begun) {
        (void)clu_ask_answer(ask, CLUSTER_E_TIMEOUT, clu_why_text(CLU_WHY_NO_TIME, 0), NULL, 0);
        clu_peer_drop(p);
        return;
    }
    ask->begun = true;
    clu_timer_set(timers, timer, clu_add_time(now, ask->time_ns));
    if (!p->link)
        clu_dial_ask(&p->dial);
}

/* What is asked of a node. */
struct clu_request {
    uint8_t kind;
    const char *name, *function; /* of a process; of a module and a function */
    struct clu_slice arguments;
    uint64_t time_ns;
};

/* {is_auth, before our name; {call, Module, Function, Arguments, user}: what the function prints goes to the other node's own output;
 * the name of a process. */
CLU_FN void clu_request_write(struct clu_writer *w, const struct clu_request *what)
{
    if (what->kind == CLU_ASK_PING) {
        CLU_BYTES_WRITE(w, "h\2w\7is_auth");
        return;
    }
    if (what->kind == CLU_ASK_CALL)
        CLU_BYTES_WRITE(w, "h\5w\4call");
    clu_atom_write(w, what->name);
    if (what->kind == CLU_ASK_CALL) {
        clu_atom_write(w, what->function);
        clu_spans_write(w, &what->arguments, 1);
        CLU_BYTES_WRITE(w, "w\4user");
    }
}

/* Find a free slot, the next one. */
CLU_FN bool clu_ask_slot(struct clu_node *n)
{
    size_t old = n->slots_capacity;
    if (!clu_reserve(&n->mesh->links.loop->memory, &n->slots, &n->slots_capacity, 2 * n->asked + 1, sizeof *n->slots))
        return false;
    while (old < n->slots_capacity)
        n->slots[old++] = NULL;
    while (n->slots[n->slot_next])
        n->slot_next = (n->slot_next + 1) % n->slots_capacity;
    return true;
}

/* Is there room? If not, the host is told when there is. */
CLU_FN bool clu_process_may_send(struct clu_link *link)
{
    struct clu_loop *l = link->home->loop;
    if (clu_channel_waits(&link->channel) < link->home->limit_output)
        return true;
    link->choked = link->choked || clu_queue_expect(&l->memory, &l->events);
    return false;
}

/* The same for a call, which may have to wait for a link first. */
CLU_FN bool clu_process_may_call(struct clu_peer *p)
{
    return p->link ? clu_process_may_send(p->link) : p->unsent < p->mesh->links.limit_output;
}

/* Ask it, as soon as there is a link. CLUSTER_E_INVALID: a name is no atom; CLUSTER_E_AGAIN: too much waits; CLUSTER_E_MEMORY. */
CLU_FN int clu_process_request(struct clu_node *n, const char *node, const struct clu_request *what, uint64_t request)
{
    struct clu_loop *l = n->mesh->links.loop;
    size_t room = CLU_CONTROL_SMALL + what->arguments.length;
    struct clu_peer *p = clu_mesh_peer(n->mesh, node);
    struct clu_ask *ask = p ? (struct clu_ask *)clu_alloc_zero(&l->memory, sizeof *ask) : NULL;
    uint8_t *says = ask ? (uint8_t *)clu_alloc(&l->memory, room) : NULL;
    struct clu_writer w = clu_writer_on(says, room);
    int result = p && what->kind == CLU_ASK_CALL && !clu_process_may_call(p) ? CLUSTER_E_AGAIN : CLUSTER_E_MEMORY;
    if (result == CLUSTER_E_MEMORY && says && clu_ask_slot(n) && clu_timers_reserve(&l->memory, &l->timers, 1)) {
        ask->peer = p;
        ask->slot = (uint32_t)n->slot_next;
        ask->kind = what->kind;
        ask->request = request;
        ask->time_ns = what->time_ns;
        ask->says = says;
        ask->capacity = room;
        ask->timer.fire = clu_process_fire;
        ask->next = p->asks;
        ask->at = &p->asks;
        if (ask->next)
            ask->next->at = &ask->next;
        p->asks = ask;
        n->slots[ask->slot] = ask;
        n->asked++;
        clu_request_write(&w, what);
        ask->size = clu_written(&w);
        p->unsent += ask->size;
        clu_timer_set(&l->timers, &ask->timer, 0);
        if (ask->size) {
            if (p->link)
                clu_process_ask(p->link, ask);
            return 0;
        }
        clu_ask_free(ask);
        result = CLUSTER_E_INVALID;
    } else {
        clu_free(&l->memory, says, room);
        clu_free(&l->memory, ask, sizeof *ask);
    }
    if (p)
        clu_peer_drop(p);
    return result;
}

/* The link is up: those who waited for it. */
CLU_FN int clu_process_up(struct clu_link *link)
{
    int result = clu_node_up(link);
    struct clu_ask *ask, *next;
    for (ask = result ? NULL : ((struct clu_peer *)link->peer)->asks; ask; ask = next) {
        next = ask->next;
        clu_process_ask(link, ask);
    }
    return result;
}

/* ---- messages --------------------------------------------------------- */

/* A message, to a name or to a pid of theirs (in the external format, without its version). CLUSTER_E_AGAIN: too much waits
 * already; the host is told when there is room. */
CLU_FN int clu_process_send(struct clu_link *link, const char *name, struct clu_slice pid, struct clu_slice term)
{
    struct clu_writer w;
    if (!clu_process_may_send(link))
        return CLUSTER_E_AGAIN;
    w = clu_channel_begin(&link->channel, CLU_CONTROL_SMALL + term.length);
    if (name) {
        clu_process_to_name(link->home, &w, name);
    } else {
        CLU_BYTES_WRITE(&w, CLU_SEND_BYTES);
        clu_write(&w, pid.at, pid.length);
    }
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_write(&w, term.at, term.length);
    return w.bad && w.begin ? CLUSTER_E_INVALID : clu_channel_end(&link->channel, &w);
}

/* All that waited went out. */
CLU_FN void clu_process_writable(struct clu_link *link)
{
    const struct clu_peer *p = (const struct clu_peer *)link->peer;
    struct clu_loop *l = link->home->loop;
    struct clu_event *e;
    link->choked = false;
    e = clu_queue_reply(&l->events);
    e->type = CLUSTER_WRITABLE;
    e->time = l->now;
    e->object = (struct clu_shared *)clu_share(p->member->record);
    l->kick = true;
}

/* An event for the host, with a term, which must be whole. */
CLU_FN int clu_process_tell(struct clu_link *link, const char *text, struct clu_slice term, struct clu_event **out)
{
    const struct clu_links *home = link->home;
    struct clu_loop *l = home->loop;
    const struct clu_peer *p = (const struct clu_peer *)link->peer;
    int result;
    if (!clu_queue_has_room(&l->events, home->limit_packet, term.length))
        return CLUSTER_E_AGAIN; /* before all of it is looked at, which is done once that way */
    if (!clu_term_whole(term))
        return CLUSTER_E_PROTOCOL;
    result = clu_queue_message(&l->memory, &l->events, home->limit_packet, &p->member->record->shared, text, term.at,
                               term.length, out);
    if (result)
        return result;
    (*out)->time = l->now;
    l->kick = true;
    return 0;
}

#endif
