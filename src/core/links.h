/*
 * The host's calls on links, of its own and to Erlang nodes, and the options that say which there are.
 */
#ifndef CLU_CORE_LINKS_H
#define CLU_CORE_LINKS_H

#include "names.h"

#ifndef CLUSTER_NO_ERLANG

/* Who dials proves the cookie to whoever answers; and whom plain gossip names anybody on the network says. */
CLU_FN void clu_links_warn(struct cluster *c, const struct cluster_source *s)
{
    struct clu_mesh *mesh = &c->mesh;
    if (mesh->connect != CLU_CONNECT_ERLANG || mesh->warned || !(s->strategy.flags & CLUSTER_STRATEGY_HEARS) ||
        cluster_source_option(s, "secret") || cluster_source_option(s, "secret-file") || cluster_source_option(s, "allow"))
        return;
    mesh->warned = true;
    clu_log(&c->loop, CLU_MESSAGE_ANYBODY, s->shown);
}

/* ---- requests --------------------------------------------------------- */

#define CLU_LINKS_NEED "links to Erlang nodes need options.node (--node) and options.cookie (--cookie)"
#define CLU_LINKS_ATOMS "a process, module and function are atoms of 1 to 255 characters"

/* How it went, with a sentence if it did not go well: this one, unless the error is one that has its own. */
CLU_FN int clu_links_result(struct cluster *c, int result, const char *sentence)
{
    if (result == CLUSTER_E_AGAIN)
        sentence = "too much waits for the node: wait for CLUSTER_WRITABLE or CLUSTER_UP, or set limit_output higher";
    if (result == CLUSTER_E_MEMORY)
        sentence = cluster_strerror(result);
    return result ? clu_fail(&c->loop, result, sentence) : 0;
}

/* A term of the host's, without its version. */
CLU_FN int clu_links_term(struct cluster *c, const void *term, size_t size, struct clu_slice *out)
{
    struct clu_reader r = clu_reader_of(term, term ? size : 0), at;
    bool right = term && size < UINT32_MAX - 2 * CLU_CONTROL_SMALL && clu_read_u8(&r) == CLU_TERM_VERSION;
    at = r;
    *out = clu_slice_of((const char *)at.at, clu_left(&at));
    if (right && clu_term_skip(&r) && !clu_left(&r))
        return 0;
    return clu_fail(&c->loop, CLUSTER_E_INVALID, "it takes a whole term in the external format, its 131 first");
}

/* A request to a node; a place for its reply is kept. */
CLU_FN int clu_links_request(struct cluster *c, const char *node, const struct clu_request *what, uint64_t *request)
{
    struct clu_loop *l = &c->loop;
    int result;
    if (!*c->own_name || !c->linked.mesh)
        return clu_fail(l, CLUSTER_E_INVALID, CLU_LINKS_NEED);
    if (!node || !clu_name_valid(node, strlen(node)) || strcmp(node, c->own_name) == 0)
        return clu_fail(l, CLUSTER_E_INVALID, "the node is no NAME@HOST, or is this one");
    if (c->linked.asked >= CLU_ASK_SLOTS || !clu_queue_expect(&l->memory, &l->events))
        return clu_fail(l, CLUSTER_E_AGAIN, "too many events and queries wait: read the events, then ask again");
    result = clu_process_request(&c->linked, node, what, c->next_request + 1);
    if (result) {
        l->events.replies--;
        return clu_links_result(c, result, CLU_LINKS_ATOMS);
    }
    l->kick = true;
    c->next_request++;
    if (request)
        *request = c->next_request;
    return 0;
}

CLUSTER_DEF int cluster_ping(struct cluster *c, const char *node, uint64_t *request)
{
    struct clu_request what;
    memset(&what, 0, sizeof what);
    what.kind = CLU_ASK_PING;
    what.time_ns = CLU_ASK_TIME;
    return c ? clu_links_request(c, node, &what, request) : CLUSTER_E_INVALID;
}

CLUSTER_DEF int cluster_call(struct cluster *c, const char *node, const char *module, const char *function,
                             const void *arguments, size_t size, uint64_t timeout_ns, uint64_t *request)
{
    struct clu_request what;
    int result = c ? clu_links_term(c, arguments, size, &what.arguments) : CLUSTER_E_INVALID;
    if (result)
        return result;
    if (!module || !function || clu_arity(what.arguments) == SIZE_MAX)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "a call takes a module, a function and a list of arguments");
    what.kind = CLU_ASK_CALL;
    what.name = module;
    what.function = function;
    what.time_ns = timeout_ns ? timeout_ns : CLU_CALL_TIME;
    return clu_links_request(c, node, &what, request);
}

CLUSTER_DEF int cluster_monitor(struct cluster *c, const char *node, const char *process, uint64_t *request)
{
    struct clu_request what;
    memset(&what, 0, sizeof what);
    what.kind = CLU_ASK_MONITOR;
    what.name = process;
    what.time_ns = CLUSTER_NEVER;
    return c && process ? clu_links_request(c, node, &what, request) : CLUSTER_E_INVALID;
}

/* ---- messages --------------------------------------------------------- */

CLU_FN int clu_links_send(struct cluster *c, const char *node, const char *name, struct clu_slice pid, const void *term,
                          size_t size)
{
    const struct clu_member *m = clu_table_find(&c->table, node, strlen(node));
    const struct clu_peer *p = m ? (const struct clu_peer *)m->peer : NULL;
    struct clu_slice message;
    int result = clu_links_term(c, term, size, &message);
    if (result)
        return result;
    if (!p || !p->link)
        return clu_fail(&c->loop, CLUSTER_E_NOT_FOUND,
                        "there is no link to the node: have a source list it, or cluster_ping it");
    return clu_links_result(c, clu_process_send(p->link, name, pid, message), CLU_LINKS_ATOMS);
}

CLUSTER_DEF int cluster_send(struct cluster *c, const char *node, const char *process, const void *term, size_t size)
{
    if (!c || !node || !process)
        return CLUSTER_E_INVALID;
    return clu_links_send(c, node, process, clu_slice_of(NULL, 0), term, size);
}

CLUSTER_DEF int cluster_send_pid(struct cluster *c, const void *pid, size_t pid_size, const void *term, size_t size)
{
    char node[CLU_NAME_MAX + 1];
    struct clu_reader r;
    struct clu_slice bytes;
    size_t length;
    int result = c ? clu_links_term(c, pid, pid_size, &bytes) : CLUSTER_E_INVALID;
    if (result)
        return result;
    r = clu_reader_of(bytes.at, bytes.length);
    if (clu_term_shape_of(clu_read_u8(&r)) != clu_term_shape_of(CLU_TERM_NEW_PID))
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "it takes a pid as it came in a message, 131 before it");
    length = clu_term_atom(&r, node, CLU_NAME_MAX);
    node[length <= CLU_NAME_MAX ? length : 0] = '\0';
    return clu_links_send(c, node, NULL, bytes, term, size);
}

CLUSTER_DEF int cluster_register(struct cluster *c, const char *process)
{
    uint8_t atom[CLU_ATOM_MAX + 2];
    struct clu_writer w = clu_writer_on(atom, sizeof atom);
    if (!c || !process)
        return CLUSTER_E_INVALID;
    if (!c->linked.mesh)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, CLU_LINKS_NEED);
    clu_atom_write(&w, process);
    if (w.bad || !*process)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, CLU_LINKS_ATOMS);
    if (clu_process_find(&c->linked, clu_slice_str(process)))
        return clu_fail(&c->loop, CLUSTER_E_EXISTS, "there is a process of this name already");
    return clu_links_result(c, clu_process_add(&c->linked, process), "");
}

CLUSTER_DEF int cluster_self(struct cluster *c, const char *process, void *out, size_t capacity, size_t *size)
{
    struct clu_writer w = clu_writer_on(out, capacity);
    const struct clu_process *found;
    if (!c || !process || !size)
        return CLUSTER_E_INVALID;
    found = clu_process_find(&c->linked, clu_slice_str(process));
    if (!found || clu_links_nameless(&c->mesh.links))
        return clu_fail(&c->loop, CLUSTER_E_NOT_FOUND,
                        "no process of this name is registered, or the own name is not known yet");
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_process_own_pid(&c->mesh.links, &w, found->id);
    *size = clu_written(&w);
    return *size ? 0 : clu_fail(&c->loop, CLUSTER_E_LIMIT, "a pid takes up to 272 bytes");
}

CLUSTER_DEF int cluster_answer(struct cluster *c, uint64_t request, const void *term, size_t size)
{
    struct clu_slice value;
    int result = c ? 0 : CLUSTER_E_INVALID;
    if (!result && term)
        result = clu_links_term(c, term, size, &value);
    if (result)
        return result;
    return clu_links_result(c, clu_rpc_answered(&c->linked, request, term ? &value : NULL),
                            "nobody waits for this answer, or the link has ended");
}

/* ---- what other nodes may ask the handle itself ----------------------- */

/* cluster:members() -> [{Name, State}], stats() -> [{Name, Count}], status() -> {State, Count, Quorum} */
CLU_FN size_t clu_inspect(struct clu_links *home, const char *function, struct clu_writer *w)
{
    static const char *const states[] = {"unlinked", "dialled", "up", "down"}, *const status[] = {"forming", "ready",
                                                                                                  "degraded"};
    struct cluster *c = CLU_CONTAINER(home, struct cluster, mesh.links);
    const struct cluster_counts *n = &c->loop.counts;
    const struct clu_table *t = &c->table;
    const uint64_t counts[] = {t->count, n->rounds, n->failures, n->joins, n->leaves, n->sent_bytes, n->received_bytes};
    struct clu_slice names = clu_slice_str("members rounds failures joins leaves sent_bytes received_bytes"), name;
    int which = clu_word_find("members/0 stats/0 status/0", clu_slice_str(function));
    size_t i, pairs = which ? CLU_COUNT(counts) : t->settled;
    if (which < 0)
        return 0;
    if (which == 2) {
        clu_tuple_write(w, 3);
        clu_atom_write(w, status[c->status.state]);
        clu_term_write_integer(w, c->status.count, false);
        clu_term_write_integer(w, c->status.quorum, false);
        return CLU_CONTROL_SMALL;
    }
    clu_write_be(w, (uint64_t)CLU_TERM_LIST << 32 | pairs, 5);
    for (i = 0; i < pairs; i++) {
        clu_tuple_write(w, 2);
        if (which) {
            name = clu_cut(&names, ' ');
            clu_term_write_atom(w, name.at, name.length);
            clu_term_write_integer(w, counts[i], false);
        } else {
            const struct cluster_member *m = &t->sorted[i]->record->view;
            clu_atom_write(w, m->name);
            clu_atom_write(w, m->flags & CLUSTER_MEMBER_SELF ? "self" : states[m->state]);
        }
    }
    clu_write_be(w, CLU_TERM_NIL, 1);
    return 6 + pairs * (CLU_NAME_MAX + 14);
}

#endif

/* ---- a host's own links ----------------------------------------------- */

#ifdef CLUSTER_NO_CONNECT

CLU_FN int clu_options_links(struct cluster *c, const struct cluster_options *o)
{
    if (!o->connect || strcmp(o->connect, "none") == 0)
        return 0;
    return clu_fail(&c->loop, CLUSTER_E_UNSUPPORTED, "options.connect: this build connects to nobody (CLUSTER_NO_CONNECT)");
}

#else

CLUSTER_DEF int cluster_report(struct cluster *c, const char *node, int outcome, int error)
{
    struct clu_peer *p;
    int result;
    if (!c)
        return CLUSTER_E_INVALID;
    if (c->mesh.connect != CLU_CONNECT_HOST)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "cluster_report is for options.connect \"host\"");
    if (!node || !clu_name_valid(node, strlen(node)) || strcmp(node, c->own_name) == 0)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the node is no NAME@HOST, or is this one");
    if (outcome < CLUSTER_REPORT_UP || outcome > CLUSTER_REPORT_IGNORED || error > 0 || error < -64)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, "the outcome is a CLUSTER_REPORT_..., the error 0 or a CLUSTER_E_...");
    p = outcome == CLUSTER_REPORT_UP ? clu_mesh_peer(&c->mesh, node) : clu_peer_find(&c->mesh, node);
    if (!p && outcome != CLUSTER_REPORT_UP)
        return clu_fail(&c->loop, CLUSTER_E_NOT_FOUND, "there is no such member, nor was there a link to it");
    c->loop.kick = true;
    result = p ? clu_host_report(p, outcome, error ? error : CLUSTER_E_CLOSED) : CLUSTER_E_MEMORY;
    return result
               ? clu_fail(&c->loop, result,
                          result == CLUSTER_E_LIMIT ? "options.limit_members leaves no room for it" : cluster_strerror(result))
               : 0;
}

/* ---- options ---------------------------------------------------------- */

/* "200ms..30s" */
CLU_FN bool clu_backoff(const char *text, uint64_t *from, uint64_t *to)
{
    struct clu_slice rest = clu_slice_str(text), first = clu_cut(&rest, '.');
    return rest.at && clu_slice_starts(rest, ".") && clu_duration(first, from) && clu_duration(clu_slice_from(rest, 1), to) &&
           *from && *from <= *to;
}

/* What options.connect and those that go with it say; NULL: nothing is wrong. */
CLU_FN const char *clu_options_mesh(struct cluster *c, const struct cluster_options *o, bool cookie)
{
    static const struct clu_link_kind probe = {clu_probe_ended, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    struct clu_mesh *mesh = &c->mesh;
    struct clu_dials *dials = &mesh->dials;
    int connect = clu_word_or(CLU_CONNECT_WORDS, o->connect, CLU_CONNECT_NONE);
    int once = clu_word_or("on off", o->reconnect, 0);
    int leave = clu_word_or("keep disconnect", o->on_leave, 0);
    uint64_t *tick = &mesh->links.tick_ns;
    if (connect < 0)
        return "options.connect takes \"none\", \"host\", \"tcp\", \"epmd\" or \"erlang\"";
    if (once < 0)
        return "options.reconnect takes \"on\" or \"off\"";
    if (leave < 0)
        return "options.on_leave takes \"keep\" or \"disconnect\"";
    if (!clu_backoff(o->backoff ? o->backoff : "200ms..30s", &dials->backoff_ns, &dials->backoff_most_ns))
        return "options.backoff takes the shortest and the longest time, as in 200ms..30s";
    if (!clu_duration(clu_slice_str(o->tick ? o->tick : "60s"), tick) || *tick < CLU_SECOND)
        return "options.tick takes a duration of 1s or more, as in 60s";
    if (cookie && connect != CLU_CONNECT_NONE && connect != CLU_CONNECT_ERLANG)
        return "options.cookie (--cookie) is for links to Erlang nodes: options.connect is \"erlang\" then, or \"none\"";
    mesh->connect = (uint8_t)connect;
    mesh->disconnects = leave != 0;
    mesh->probes = connect == CLU_CONNECT_TCP || connect == CLU_CONNECT_EPMD;
    mesh->links.asks = connect == CLU_CONNECT_EPMD;
    mesh->links.kind = &probe;
#ifndef CLUSTER_NO_DNS
    mesh->links.look_up = clu_name_look_up;
    mesh->links.look_up_end = clu_name_end;
#endif
    dials->once = once != 0;
    dials->limit = o->limit_dials ? o->limit_dials : 256;
    dials->again_ns = mesh->probes ? *tick / 4 : CLUSTER_NEVER;
    return NULL;
}

#ifndef CLUSTER_NO_ERLANG

/* A copy of an option; false: it is too long. */
CLU_FN bool clu_option_kept(char kept[256], const char *text)
{
    struct clu_text t = clu_text_on(kept, 256);
    clu_text_add(&t, text ? text : "");
    return !t.cut;
}

CLU_FN const char *clu_options_node(struct cluster *c, const struct cluster_options *o)
{
    static const struct clu_link_kind kind = {clu_rpc_ended,        clu_link_hello,      clu_link_takes,
                                              clu_link_watch,       clu_node_greeted,    clu_process_up,
                                              clu_process_writable, clu_process_control, clu_inspect};
    struct clu_node *n = &c->linked;
    struct clu_links *home = &c->mesh.links;
    bool erlang = c->mesh.connect == CLU_CONNECT_ERLANG;
    int tls = clu_word_or("off on insecure", o->tls, 0);
    if (!clu_option_kept(n->cookie, o->cookie) || !clu_option_kept(n->ca, o->ca))
        return "options.cookie and options.ca take up to 255 bytes";
    if (o->listen && !clu_listen_parse(clu_slice_str(o->listen), &n->listener))
        return "options.listen takes ADDRESS:PORT or ADDRESS:FIRST-LAST, with port 0 for any that is free";
    if ((erlang || o->listen) && (!o->node || !*n->cookie))
        return CLU_LINKS_NEED;
    c->own_given = o->node && strncmp(o->node, "undefined@", 10) == 0; /* as with erl -sname undefined */
    if (c->own_given && o->listen)
        return "options.listen (--listen) needs NAME@HOST, not undefined@HOST";
    if (tls < 0)
        return "options.tls takes \"off\", \"on\" or \"insecure\"";
    if (tls && !clu_tls_is_there(&c->loop.io))
        return "options.tls needs the tls_ hooks of options.io: examples/tls_openssl.h has them for OpenSSL";
    if (tls && o->listen)
        return "options.tls does not encrypt the links that others make: leave options.listen out";
    if (*n->cookie)
        home->kind = &kind;
    home->cookie = clu_slice_str(n->cookie);
    home->secure = tls > 0;
    home->verifies = tls == 1;
    home->ca = *n->ca ? n->ca : NULL;
    home->limit_packet = o->limit_packet ? o->limit_packet : (64 << 20) + (64 << 10);
    home->limit_output = o->limit_output ? o->limit_output : 1 << 20;
    home->requests = &c->next_request;
    return NULL;
}

#endif

CLU_FN int clu_options_links(struct cluster *c, const struct cluster_options *o)
{
    bool cookie = o->cookie && *o->cookie;
    const char *why = clu_options_mesh(c, o, cookie);
    int result;
#ifndef CLUSTER_NO_ERLANG
    if (!why)
        why = clu_options_node(c, o);
#else
    if (c->mesh.connect == CLU_CONNECT_ERLANG || cookie || o->listen)
        return clu_fail(&c->loop, CLUSTER_E_UNSUPPORTED, "this build makes no links to Erlang nodes (CLUSTER_NO_ERLANG)");
#endif
    if (why)
        return clu_fail(&c->loop, CLUSTER_E_INVALID, why);
    if (!c->mesh.connect && !cookie)
        return 0;
    result = clu_mesh_init(&c->mesh, &c->table);
    if (c->mesh.connect == CLU_CONNECT_HOST) {
        c->mesh.dials.begin = clu_host_begin;
        c->mesh.dials.expired = clu_host_expired;
        c->mesh.parts = clu_host_parts;
    }
#ifndef CLUSTER_NO_ERLANG
    if (!result && cookie) {
        result = clu_node_init(&c->linked, &c->mesh);
        if (!result)
            result = clu_process_add(&c->linked, "net_kernel");
        if (!result)
            result = clu_process_add(&c->linked, "rex");
        if (!result && o->listen)
            result = clu_node_open(&c->linked);
    }
#endif
    return result;
}

#endif

#endif
