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

/* ---- answers ---------------------------------------------------------- */

/* The process that a spawn request made: none but this one ever has its serial. */
CLU_FN void clu_spawned_write(struct clu_writer *w, const struct clu_served *s)
{
    const struct clu_links *home = s->link->home;
    clu_pid_write(w, home->name, home->creation, (uint32_t)s->request, 1 + (uint32_t)(s->request >> 32));
}

/* Before the value, or what went wrong: {Tag, or as the end of the process {Result, return, and {Result, error, */
CLU_FN struct clu_writer clu_rpc_begin(const struct clu_served *s, bool good, size_t room)
{
    const struct clu_slice *terms = s->terms;
    struct clu_writer w = clu_channel_begin(&s->link->channel, CLU_CONTROL_SMALL + room);
    if (!s->spawned) {
        clu_gen_answer_write(&w, terms);
        return w;
    }
    clu_control_write(&w, CLU_OP_MONITOR_EXIT, 5);
    clu_spawned_write(&w, s);
    clu_spans_write(&w, terms, 2);
    clu_tuple_write(&w, good ? 3 : 4);
    clu_spans_write(&w, &terms[CLU_SERVED_RESULT], 1);
    clu_atom_write(&w, good ? "return" : "error");
    return w;
}

/* {Tag, {badrpc, {'EXIT', {Error, Stack}}}}, {Result, error, Error, Stack} */
CLU_FN int clu_rpc_refuse(const struct clu_served *s, const char *error)
{
    struct clu_writer w = clu_rpc_begin(s, false, 0);
    if (!s->spawned)
        CLU_BYTES_WRITE(&w, "h\2w\6badrpch\2w\4EXITh\2");
    clu_atom_write(&w, error);
    CLU_BYTES_WRITE(&w, "l\0\0\0\1h\4"); /* of one place: {Module, Function, [], []} */
    clu_spans_write(&w, &s->terms[CLU_SERVED_MODULE], 2);
    CLU_BYTES_WRITE(&w, "jjj");
    return clu_process_end(s->link, &w);
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
    return tag == CLU_TERM_LIST && list.length && (uint8_t)list.at[list.length - 1] == CLU_TERM_NIL ? clu_read_u32(&r)
                                                                                                    : SIZE_MAX;
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

/* A call came: its event, or its answer. With `cast` nobody waits for an answer. */
CLU_FN int clu_rpc_came(struct clu_served *from, bool cast)
{
    struct clu_link *link = from->link;
    struct clu_node *n = clu_node_of((const struct clu_peer *)link->peer);
    struct clu_links *home = &n->mesh->links;
    const struct clu_slice *terms = from->terms;
    size_t arity = clu_arity(terms[CLU_SERVED_ARGUMENTS]), i, size = sizeof *from;
    char name[CLU_CALL_TEXT];
    struct clu_text t = clu_text_on(name, sizeof name);
    struct clu_writer w = clu_writer_on(NULL, 0);
    struct clu_served *s = NULL;
    struct clu_event *e;
    bool named = clu_call_text(&t, terms[CLU_SERVED_MODULE]) && arity != SIZE_MAX;
    uint8_t *at;
    int result;
    clu_text_add(&t, ":");
    named = clu_call_text(&t, terms[CLU_SERVED_FUNCTION]) && named;
    clu_text_add(&t, "/");
    clu_text_u64(&t, arity);
    named = named && strlen(name) == t.length; /* else there is no list, no atoms, or such as no C program can name */
    for (i = 0; i < CLU_SERVED_TERMS; i++)
        size += terms[i].length;
    if (size > CLU_SERVED_BYTES)
        return CLUSTER_E_PROTOCOL;
    if (!named || n->served_count >= CLU_SERVED_MAX)
        return cast ? 0 : clu_rpc_refuse(from, named ? "system_limit" : "undef");
    if (!cast && strncmp(name, "cluster:", 8) == 0) {
        size = home->kind->inspect(home, name + 8, &w);
        if (!size)
            return clu_rpc_refuse(from, "undef");
        w = clu_rpc_begin(from, true, size);
        (void)home->kind->inspect(home, name + 8, &w);
        return clu_process_end(link, &w);
    }
    if (!cast && !(s = (struct clu_served *)clu_alloc(&home->loop->memory, size)))
        return CLUSTER_E_MEMORY;
    result = clu_process_tell(link, name, terms[CLU_SERVED_ARGUMENTS], &e);
    if (result) {
        clu_free(&home->loop->memory, s, size);
        return result;
    }
    e->type = CLUSTER_CALL;
    if (!s)
        return 0;
    *s = *from;
    s->size = size;
    at = (uint8_t *)(s + 1);
    for (i = 0; i < CLU_SERVED_TERMS; i++) {
        memcpy(at, terms[i].at, terms[i].length);
        s->terms[i].at = (const char *)at;
        at += terms[i].length;
    }
    e->request = s->request = ++*home->requests;
    s->next = n->served;
    n->served = s;
    n->served_count++;
    return 0;
}

/* {'$gen_call', {Pid, Tag}, {call, Module, Function, Arguments, GroupLeader}}, or as programs on OTP's ei write it {Pid, {call, ...}},
 * which is answered with {rex, Result}. It may be block_call, which is the same here. */
CLU_FN int clu_rpc_rex(struct clu_link *link, struct clu_reader *r)
{
    struct clu_served from;
    memset(&from, 0, sizeof from);
    from.link = link;
    if (clu_left(r) > 1 && r->at[1] == 2) {
        from.terms[CLU_SERVED_TAG] = clu_slice_str("w\3rex");
        (void)clu_form_read(r, "{2 *", from.terms);
    } else {
        (void)clu_form_read(r, "{3 $gen_call {2 * *", from.terms);
    }
    if (!clu_form_read(r, "{5 * * * * *", &from.terms[CLU_SERVED_RESULT]) || clu_left(r))
        return 0;
    return clu_rpc_came(&from, false);
}

/* {29, ReqId, From, GroupLeader, {Module, Function, Arity}, Options} [Result, M, F, A]: of erpc alone. A cast has no result. It is
 * answered {31, ReqId, From, Flags, Pid}, which is taken back if the call cannot be taken now. */
CLU_FN int clu_rpc_spawn(struct clu_link *link, const struct clu_control *c)
{
    struct clu_reader call = clu_reader_of(c->arguments[3].at, c->arguments[3].length), cast = call, r = c->message;
    struct clu_slice arity, options = c->arguments[4];
    bool calls = clu_form_read(&call, "{3 erpc execute_call *", &arity), right;
    struct clu_writer w = clu_process_reply(link, c, CLU_OP_SPAWN_REPLY, 5, "01");
    struct clu_served from;
    int result;
    memset(&from, 0, sizeof from);
    from.link = link;
    from.spawned = true;
    from.request = *link->home->requests + 1;
    from.terms[CLU_SERVED_PID] = c->arguments[1];
    from.terms[CLU_SERVED_TAG] = c->arguments[0];
    right = (calls || clu_form_read(&cast, "{3 erpc execute_cast *", &arity)) &&
            clu_read_be(&r, 5) == ((uint64_t)CLU_TERM_LIST << 32 | (calls ? 4 : 3));
    if (calls)
        from.terms[CLU_SERVED_RESULT] = clu_term_span(&r);
    right = clu_form_read(&r, "* * *", &from.terms[CLU_SERVED_MODULE]) && right;
    clu_write_be(&w, CLU_TERM_SMALL_INTEGER << 8 | (calls && options.length && *options.at != CLU_TERM_NIL ? 2 : 0), 2);
    if (right)
        clu_spawned_write(&w, &from);
    else
        clu_atom_write(&w, "notsup"); /* there is no process to spawn but that of a call */
    result = clu_process_end(link, &w);
    return result || !right ? result : clu_rpc_came(&from, !calls);
}

/* The host's answer; CLUSTER_E_NOT_FOUND: nobody waits for it. */
CLU_FN int clu_rpc_answered(struct clu_node *n, uint64_t request, const struct clu_slice *value)
{
    struct clu_served **at = &n->served;
    struct clu_writer w;
    int result;
    while (*at && (*at)->request != request)
        at = &(*at)->next;
    if (!*at)
        return CLUSTER_E_NOT_FOUND;
    if (!clu_process_may_send((*at)->link))
        return CLUSTER_E_AGAIN;
    if (value) {
        w = clu_rpc_begin(*at, true, value->length);
        clu_spans_write(&w, value, 1);
        result = clu_process_end((*at)->link, &w);
    } else {
        result = clu_rpc_refuse(*at, "undef");
    }
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
    const struct clu_node *n = clu_node_of((const struct clu_peer *)link->peer);
    bool here = clu_process_of(n, c->arguments[1]) != NULL;
    switch (c->op) {
    case CLU_OP_SEND:
        return clu_process_heard(link, c->arguments[1], &c->message);
    case CLU_OP_REG_SEND:
        return clu_process_heard(link, c->arguments[2], &c->message);
    case CLU_OP_MONITOR:
        return here ? 0 : clu_process_answer(link, c, CLU_OP_MONITOR_EXIT, "102", "noproc");
    case CLU_OP_LINK:
        return here ? 0 : clu_process_answer(link, c, CLU_OP_EXIT, "10", "noproc");
    case CLU_OP_MONITOR_EXIT:
        return clu_process_watched(link, c);
    case CLU_OP_SPAWN:
        return clu_rpc_spawn(link, c);
    case CLU_OP_UNLINK_ID:
        return clu_process_answer(link, c, CLU_OP_UNLINK_ID_ACK, "021", "");
    default:
        return 0;
    }
}

#endif
