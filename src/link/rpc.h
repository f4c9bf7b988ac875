/*
 * Calls of other nodes to functions of ours: a spawn request for erpc:execute_call, as rpc:call and erpc:call of OTP 23 and later
 * make it, and a request to rex, as C programs do. What module cluster has is answered here, the rest by the host. And the door
 * for whatever comes on a link that is up.
 */
#ifndef CLU_LINK_RPC_H
#define CLU_LINK_RPC_H

#include "process.h"

#define CLU_SERVED_MAX 1024 /* calls that wait for the host's answer; others are refused */
#define CLU_CALL_TEXT (2 * CLU_ATOM_MAX + 16)
#define CLU_SERVED_BYTES (CLU_CONTROL_SMALL - 512) /* of what is kept of a call, so that its answer has room */

/* Who asked, what the answer bears, and of a spawn request also its first argument; the function. */
enum { CLU_SERVED_PID, CLU_SERVED_TAG, CLU_SERVED_RESULT, CLU_SERVED_MODULE, CLU_SERVED_FUNCTION, CLU_SERVED_TERMS };

/* ---- answers ---------------------------------------------------------- */

CLU_FN void clu_span_write(struct clu_writer *w, struct clu_slice span)
{
    clu_write(w, span.at, span.length);
}

/* The process that a spawn request made: none but this one ever has its serial. */
CLU_FN void clu_spawned_write(struct clu_writer *w, const struct clu_links *home, uint64_t request)
{
    clu_pid_write(w, home->name, home->creation, (uint32_t)request, 1 + (uint32_t)(request >> 32));
}

/* Where there is no value: the function is undefined. {Tag, {badrpc, {'EXIT', {undef, Stack}}}}, {Result, error, undef, Stack} */
CLU_FN int clu_rpc_answer(const struct clu_served *s, const struct clu_slice *value, const char *error)
{
    const struct clu_links *home = s->link->home;
    struct clu_writer w = clu_channel_begin(&s->link->channel, CLU_CONTROL_SMALL + (value ? value->length : 0));
    if (s->spawned) {
        clu_control_write(&w, CLU_OP_MONITOR_EXIT, 5);
        clu_spawned_write(&w, home, s->request);
        clu_span_write(&w, s->terms[CLU_SERVED_PID]);
        clu_span_write(&w, s->terms[CLU_SERVED_TAG]);
        clu_tuple_write(&w, value ? 3 : 4);
        clu_span_write(&w, s->terms[CLU_SERVED_RESULT]);
        clu_atom_write(&w, value ? "return" : "error");
    } else {
        clu_gen_answer_write(&w, s->terms[CLU_SERVED_PID], s->terms[CLU_SERVED_TAG]);
    }
    if (value) {
        clu_span_write(&w, *value);
    } else {
        if (!s->spawned)
            CLU_BYTES_WRITE(&w, "h\2w\6badrpch\2w\4EXITh\2");
        clu_atom_write(&w, error);
        CLU_BYTES_WRITE(&w, "l\0\0\0\1h\4"); /* of one place: {Module, Function, [], []} */
        clu_span_write(&w, s->terms[CLU_SERVED_MODULE]);
        clu_span_write(&w, s->terms[CLU_SERVED_FUNCTION]);
        CLU_BYTES_WRITE(&w, "jjj");
    }
    return clu_process_end(s->link, &w);
}

/* {31, ReqId, To, Flags, Result} before the result. */
CLU_FN void clu_spawn_reply_write(struct clu_writer *w, const struct clu_control *c, bool monitored)
{
    clu_control_write(w, CLU_OP_SPAWN_REPLY, 5);
    clu_span_write(w, c->arguments[0]);
    clu_span_write(w, c->arguments[1]);
    clu_write_be(w, CLU_TERM_SMALL_INTEGER << 8 | (monitored ? 2 : 0), 2);
}

/* ---- calls ------------------------------------------------------------ */

/* How many arguments are in a list; SIZE_MAX: it is none. */
CLU_FN size_t clu_arity(struct clu_slice list)
{
    struct clu_reader r = clu_reader_of(list.at, list.length);
    uint8_t tag = clu_read_u8(&r);
    if (tag == CLU_TERM_NIL)
        return 0;
    if (tag == CLU_TERM_STRING)
        return clu_read_u16(&r);
    return tag == CLU_TERM_LIST && (uint8_t)list.at[list.length - 1] == CLU_TERM_NIL ? clu_read_u32(&r) : SIZE_MAX;
}

/* The text of an atom; false: it is none. */
CLU_FN bool clu_call_text(struct clu_text *t, struct clu_slice atom)
{
    struct clu_reader r = clu_reader_of(atom.at, atom.length);
    char name[CLU_ATOM_MAX];
    size_t length = clu_term_atom(&r, name, sizeof name);
    clu_text_bytes(t, name, length);
    return !r.bad;
}

/* Module cluster: answered at once. CLUSTER_E_NOT_FOUND: it has no such function. */
CLU_FN int clu_rpc_inspect(const struct clu_served *s, const char *function)
{
    struct clu_links *home = s->link->home;
    const struct cluster_allocator *memory = &home->loop->memory;
    struct clu_writer w = clu_writer_on(NULL, 0);
    size_t size = home->inspect(home, function, &w);
    uint8_t *value = size ? (uint8_t *)clu_alloc(memory, size) : NULL;
    struct clu_slice written;
    int result;
    if (!value)
        return size ? CLUSTER_E_MEMORY : CLUSTER_E_NOT_FOUND;
    w = clu_writer_on(value, size);
    (void)home->inspect(home, function, &w);
    written = clu_slice_of((const char *)value, clu_written(&w));
    result = clu_rpc_answer(s, &written, "");
    clu_free(memory, value, size);
    return result;
}

/* A call came: its event, or its answer. `w` is what is said at once, if it is begun. With `cast` nobody waits for an answer. */
CLU_FN int clu_rpc_came(struct clu_link *link, struct clu_served *from, struct clu_slice arguments, struct clu_writer *w,
                        bool cast)
{
    struct clu_node *n = clu_node_of((const struct clu_peer *)link->peer);
    struct clu_loop *l = n->mesh->links.loop;
    size_t arity = clu_arity(arguments), i, size = sizeof *from;
    char name[CLU_CALL_TEXT];
    struct clu_text t = clu_text_on(name, sizeof name);
    struct clu_served *s;
    struct clu_event *e;
    bool named = clu_call_text(&t, from->terms[CLU_SERVED_MODULE]);
    uint8_t *at;
    int result;
    clu_text_add(&t, ":");
    named = clu_call_text(&t, from->terms[CLU_SERVED_FUNCTION]) && named;
    clu_text_add(&t, "/");
    clu_text_u64(&t, arity);
    if (!named || arity == SIZE_MAX || strlen(name) != t.length)
        return 0; /* no list, no atoms, or such as no C program can name */
    for (i = 0; i < CLU_SERVED_TERMS; i++)
        size += from->terms[i].length;
    if (size > CLU_SERVED_BYTES)
        return CLUSTER_E_PROTOCOL;
    from->link = link;
    from->request = *n->mesh->links.requests + 1;
    result = cast || strncmp(name, "cluster:", 8) != 0 ? CLUSTER_E_NOT_FOUND : 1;
    if (result > 0 || n->served_count >= CLU_SERVED_MAX) {
        /* The process is there before its end is. */
        if (w->begin && (result = clu_process_end(link, w)) != 0)
            return result;
        if (cast)
            return 0;
        if (n->served_count >= CLU_SERVED_MAX)
            return clu_rpc_answer(from, NULL, "system_limit");
        result = clu_rpc_inspect(from, name + 8);
        return result == CLUSTER_E_NOT_FOUND ? clu_rpc_answer(from, NULL, "undef") : result;
    }
    s = (struct clu_served *)clu_alloc_zero(&l->memory, size);
    if (!s || (w->begin && w->bad))
        result = CLUSTER_E_MEMORY;
    else
        result = clu_process_tell(link, name, arguments, &e);
    if (result) {
        clu_free(&l->memory, s, size);
        return result;
    }
    e->type = CLUSTER_CALL;
    if (w->begin)
        (void)clu_process_end(link, w);
    if (cast) {
        clu_free(&l->memory, s, size);
        return 0;
    }
    *s = *from;
    s->size = size;
    at = (uint8_t *)(s + 1);
    for (i = 0; i < CLU_SERVED_TERMS; i++) {
        memcpy(at, from->terms[i].at, from->terms[i].length);
        s->terms[i].at = (const char *)at;
        at += from->terms[i].length;
    }
    e->request = s->request = ++*n->mesh->links.requests;
    *n->served_end = s;
    n->served_end = &s->next;
    n->served_count++;
    return 0;
}

/* {'$gen_call', {Pid, Tag}, {call, Module, Function, Arguments, GroupLeader}}, or as programs on OTP's ei write it {Pid, {call, ...}},
 * which is answered with {rex, Result}. */
CLU_FN int clu_rpc_rex(struct clu_link *link, struct clu_reader *r)
{
    struct clu_served from;
    struct clu_slice arguments;
    struct clu_writer nothing = clu_writer_on(NULL, 0);
    memset(&from, 0, sizeof from);
    if (clu_left(r) > 1 && r->at[1] == 2) {
        clu_tuple_read(r, 2);
        from.terms[CLU_SERVED_PID] = clu_term_span(r);
        from.terms[CLU_SERVED_TAG] = clu_slice_str("w\3rex");
    } else {
        clu_gen_call_read(r, &from.terms[CLU_SERVED_PID], &from.terms[CLU_SERVED_TAG]);
    }
    clu_tuple_read(r, 5);
    from.terms[CLU_SERVED_RESULT] = clu_term_span(r); /* call or block_call, which are the same here */
    from.terms[CLU_SERVED_MODULE] = clu_term_span(r);
    from.terms[CLU_SERVED_FUNCTION] = clu_term_span(r);
    arguments = clu_term_span(r);
    if (!clu_term_skip(r) || clu_left(r))
        return 0;
    return clu_rpc_came(link, &from, arguments, &nothing, false);
}

/* {29, ReqId, From, GroupLeader, {Module, Function, Arity}, Options} [Result, M, F, A]: of erpc alone. A cast has no result. */
CLU_FN int clu_rpc_spawn(struct clu_link *link, const struct clu_control *c)
{
    struct clu_links *home = link->home;
    struct clu_reader mfa = clu_reader_of(c->arguments[3].at, c->arguments[3].length), r = c->message;
    struct clu_slice options = c->arguments[4], arguments, function;
    struct clu_served from;
    struct clu_writer w = clu_process_begin(link);
    bool cast;
    if (!w.begin)
        return CLUSTER_E_MEMORY;
    memset(&from, 0, sizeof from);
    from.spawned = true;
    from.terms[CLU_SERVED_PID] = c->arguments[1];
    from.terms[CLU_SERVED_TAG] = c->arguments[0];
    clu_tuple_read(&mfa, 3);
    clu_atom_read(&mfa, "erpc");
    function = clu_term_span(&mfa);
    cast = clu_atom_is(function, "execute_cast");
    if (!cast && !clu_atom_is(function, "execute_call"))
        mfa.bad = true;
    if (clu_read_u8(&r) != CLU_TERM_LIST || clu_read_u32(&r) != (cast ? 3u : 4u))
        mfa.bad = true;
    if (!cast)
        from.terms[CLU_SERVED_RESULT] = clu_term_span(&r);
    from.terms[CLU_SERVED_MODULE] = clu_term_span(&r);
    from.terms[CLU_SERVED_FUNCTION] = clu_term_span(&r);
    arguments = clu_term_span(&r);
    if (mfa.bad || r.bad) {
        clu_spawn_reply_write(&w, c, false);
        clu_atom_write(&w, "notsup"); /* there is no process to spawn but that of a call */
        return clu_process_end(link, &w);
    }
    clu_spawn_reply_write(&w, c, !cast && options.length && *options.at != CLU_TERM_NIL);
    clu_spawned_write(&w, home, *home->requests + 1);
    return clu_rpc_came(link, &from, arguments, &w, cast);
}

/* The host's answer; CLUSTER_E_NOT_FOUND: nobody waits for it. */
CLU_FN int clu_rpc_answered(struct clu_node *n, uint64_t request, const struct clu_slice *value)
{
    struct clu_served **at = &n->served;
    int result;
    while (*at && (*at)->request != request)
        at = &(*at)->next;
    if (!*at)
        return CLUSTER_E_NOT_FOUND;
    if (!clu_process_may_send((*at)->link))
        return CLUSTER_E_AGAIN;
    result = clu_rpc_answer(*at, value, "undef");
    if (!result)
        clu_served_free(n, at);
    return result;
}

CLU_FN void clu_rpc_ended(struct clu_link *link, enum clu_why why, int error)
{
    struct clu_node *n = clu_node_at(link->home);
    struct clu_served **at = &n->served;
    while (*at)
        if ((*at)->link == link)
            clu_served_free(n, at);
        else
            at = &(*at)->next;
    clu_node_ended(link, why, error);
}

/* ---- the door --------------------------------------------------------- */

/* To one of our processes. */
CLU_FN int clu_process_heard(struct clu_link *link, struct clu_slice to, struct clu_reader *r)
{
    const struct clu_process *process = clu_process_of(clu_node_of((const struct clu_peer *)link->peer), to);
    struct clu_event *e;
    if (!process)
        return 0;
    if (process->id == CLU_ID_REX)
        return clu_rpc_rex(link, r);
    if (process->id == CLU_ID_KERNEL)
        return clu_left(r) > 1 && r->at[1] == 2 ? clu_process_answered(link, r) : clu_process_is_auth(link, r);
    return clu_process_tell(link, clu_process_name(process), clu_rest(r), &e);
}

CLU_FN int clu_process_control(struct clu_link *link, struct clu_control *c)
{
    static const uint8_t swapped[] = {1, 0}, monitor[] = {1, 0, 2}, unlinked[] = {0, 2, 1};
    const struct clu_node *n = clu_node_of((const struct clu_peer *)link->peer);
    bool here = clu_process_of(n, c->arguments[1]) != NULL;
    switch (c->op) {
    case CLU_OP_SEND:
        return clu_process_heard(link, c->arguments[1], &c->message);
    case CLU_OP_REG_SEND:
        return clu_process_heard(link, c->arguments[2], &c->message);
    case CLU_OP_MONITOR:
        return here ? 0 : clu_process_answer(link, c, CLU_OP_MONITOR_EXIT, monitor, 3, "noproc");
    case CLU_OP_LINK:
        return here ? 0 : clu_process_answer(link, c, CLU_OP_EXIT, swapped, 2, "noproc");
    case CLU_OP_MONITOR_EXIT:
        return clu_process_watched(link, c);
    case CLU_OP_SPAWN:
        return clu_rpc_spawn(link, c);
    case CLU_OP_UNLINK_ID:
        return clu_process_answer(link, c, CLU_OP_UNLINK_ID_ACK, unlinked, 3, "");
    default:
        return 0;
    }
}

#endif
