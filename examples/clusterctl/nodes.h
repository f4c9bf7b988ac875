/*
 * ping, send, call, node: talking to Erlang nodes.
 */
#ifndef CLUSTERCTL_NODES_H
#define CLUSTERCTL_NODES_H

#include "queries.h"
#include "watch.h"

/* Be a node, under this name, which takes links from others if `listen` says where. */
static int open_node(struct loop *l, const struct arguments *a, const char *name, const char *listen)
{
    struct cluster_options options;
    struct cluster_io io;
    struct cluster *c;
    char error[512] = "", cookie[COOKIE_SIZE];
    int result, status = find_cookie(a, cookie);
    if (!status)
        status = signals_begin();
    if (status)
        return status;
    cluster_options_init(&options);
    options.node = name;
    options.cookie = cookie;
    options.listen = listen;
    options.tls = text_of(a, OPT_TLS, NULL);
    options.ca = text_of(a, OPT_CA, NULL);
    io_begin(&io);
    options.io = &io;
    options.log = on_log;
    options.error = error;
    options.error_size = sizeof error;
    result = cluster_create(&c, &options);
    if (result < 0)
        return fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", *error ? error : cluster_strerror(result));
    loop_begin(l, c, signal_pipe[0]);
    return DONE;
}

/* The same to talk to one other node. Nodes link to nodes of their own kind, of long or of short names. */
static int open_node_for(struct loop *l, const struct arguments *a)
{
    const char *host = strchr(a->operands[0], '@');
    char own[300];
    snprintf(own, sizeof own, "clusterctl-%ld@%s", (long)getpid(), host ? host + 1 : "localhost");
    return open_node(l, a, text_of(a, OPT_NODE, own), NULL);
}

/* Erlang's syntax in the external format, from malloc; NULL: it is wrong, and that was said. */
static unsigned char *term_of(const char *text, size_t *size)
{
    unsigned char *term;
    size_t at;
    int result = cluster_term_parse(text, NULL, 0, size);
    if (!*size) {
        const char *why = cluster_term_why(text, &at);
        fail(USAGE, "no term: %s (byte %lu of \"%s\")", *why ? why : cluster_strerror(result), (unsigned long)at, text);
        return NULL;
    }
    term = (unsigned char *)grow(NULL, *size);
    (void)cluster_term_parse(text, term, *size, size);
    return term;
}

/* The text of a term, from malloc. */
static char *text_of_term(const void *term, size_t size)
{
    size_t length = cluster_term_print(term, size, NULL, 0);
    char *text = (char *)grow(NULL, length + 1);
    text[0] = '\0';
    (void)cluster_term_print(term, size, text, length + 1);
    return length ? text : (free(text), copy_of("?"));
}

/* Is the node there? Its link is kept. The reply's text says why not. */
static int ping(struct loop *l, const char *node, const struct cluster_event **reply)
{
    uint64_t request;
    int status;
    *reply = query_reply(l, cluster_ping(l->c, node, &request), &request, &status);
    return status;
}

static int run_ping(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply = NULL;
    const char *node = a->operands[0];
    int status = open_node_for(&l, a);
    if (status)
        return status;
    status = ping(&l, node, &reply);
    if (reply && reply->error)
        status = NEGATIVE;
    if (reply && given(a, OPT_JSON)) {
        json_begin("ping");
        json_text("node", node);
        json_text("answer", reply->error ? "pang" : "pong");
        json_text("error", reply->error ? cluster_strerror(reply->error) : NULL);
        json_text("why", reply->error ? reply->text : NULL);
        json_end();
    } else if (reply && reply->error) {
        printf("pang: %s\n", reply->text);
    } else if (reply) {
        puts("pong");
    }
    loop_end(&l);
    return status;
}

/* The message is behind the first ping and before the second, so that it has arrived when the second is answered. */
static int run_send(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply = NULL;
    const char *node = a->operands[0];
    size_t size;
    unsigned char *term = term_of(a->operands[2], &size);
    int status = term ? open_node_for(&l, a) : USAGE, result = 0, round;
    if (status) {
        free(term);
        return status;
    }
    for (round = 0; !status && round < 2; round++) {
        status = ping(&l, node, &reply);
        if (!status && reply->error)
            status = fail(NEGATIVE, "%s: %s", node, reply->text);
        if (!status && !round)
            result = cluster_send(l.c, node, a->operands[1], term, size);
        if (!status && result)
            status = query_refused(&l, result);
    }
    loop_end(&l);
    free(term);
    return status;
}

static int run_call(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    uint64_t request;
    size_t size;
    char *text;
    unsigned char *term = term_of(a->count > 3 ? a->operands[3] : "[]", &size);
    int result, status = term ? open_node_for(&l, a) : USAGE;
    if (status) {
        free(term);
        return status;
    }
    result = cluster_call(l.c, a->operands[0], a->operands[1], a->operands[2], term, size, number_of(a, OPT_FOR, 0), &request);
    free(term);
    reply = query_reply(&l, result, &request, &status);
    if (reply && reply->error) {
        status = fail(NEGATIVE, "%s: %s", a->operands[0], reply->text);
    } else if (reply) {
        text = text_of_term(reply->term, (size_t)reply->term_size);
        status = strncmp(text, "{badrpc,", 8) ? DONE : NEGATIVE;
        if (given(a, OPT_JSON)) {
            json_begin("call");
            json_text("node", a->operands[0]);
            json_text("result", text);
            json_end();
        } else {
            puts(text);
        }
        free(text);
    }
    loop_end(&l);
    return status;
}

/* A version, and the bytes of a term, from malloc. */
static unsigned char *term_from(const unsigned char *bytes, size_t size)
{
    unsigned char *term = (unsigned char *)grow(NULL, 1 + size);
    term[0] = 131;
    memcpy(term + 1, bytes, size);
    return term;
}

/* How many bytes the pid has in {Pid, Term}; 0: it is no such tuple. */
static size_t echo_pid(const unsigned char *term, size_t size)
{
    size_t length;
    if (size < 8 || term[1] != 104 || term[2] != 2 || term[3] != 88)
        return 0;
    length = term[4] == 119 || term[4] == 115 ? 2 + (size_t)term[5] : 3 + ((size_t)term[5] << 8 | term[6]);
    return 3 + 1 + length + 12 < size ? 1 + length + 12 : 0;
}

/* {From, X}: X to From. While too much waits for the other node nothing else is done. */
static void node_echo(struct loop *l, const struct cluster_event *e)
{
    const unsigned char *term = (const unsigned char *)e->term;
    size_t size = (size_t)e->term_size, pid = echo_pid(term, size), rest = size - 3 - pid;
    unsigned char *to, *answer;
    int result;
    if (!pid)
        return;
    to = term_from(term + 3, pid);
    answer = term_from(term + 3 + pid, rest);
    while ((result = cluster_send_pid(l->c, to, 1 + pid, answer, 1 + rest)) == CLUSTER_E_AGAIN && !signal_end)
        loop_turn(l, CLUSTER_NEVER);
    if (result)
        fail(DONE, "no echo: %s", cluster_last_error(l->c));
    free(to);
    free(answer);
}

static void node_event(const struct watch *w, const struct cluster_event *e)
{
    const struct cluster_member *m = e->member;
    bool message = e->type == CLUSTER_MESSAGE;
    char *text;
    if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN) {
        watch_link(w, e);
    } else if (e->type == CLUSTER_CHANGE && (m->flags & CLUSTER_MEMBER_SELF)) {
        if (w->json) {
            json_begin("listen");
            json_number("port", m->port);
            json_end();
        } else {
            printf("listen %lu\n", (unsigned long)m->port);
        }
    } else if (message || e->type == CLUSTER_CALL) {
        text = text_of_term(e->term, (size_t)e->term_size);
        if (w->json) {
            json_begin(cluster_event_name(e->type));
            json_text("node", m->name);
            json_text(message ? "process" : "function", e->text);
            json_text(message ? "term" : "arguments", text);
            json_end();
        } else {
            printf("%s ", cluster_event_name(e->type));
            print_safe(stdout, m->name);
            putchar(' ');
            print_safe(stdout, e->text);
            printf(" %s\n", text);
        }
        free(text);
    }
}

static int run_node(const struct arguments *a)
{
    struct watch w;
    const struct cluster_event *e;
    const char *name = text_of(a, OPT_NODE, NULL), *host = name ? strchr(name, '@') : NULL;
    char listen[300], process[256];
    struct in6_addr address;
    uint64_t end;
    int status, result;
    if (!host)
        return fail(USAGE, "a node needs --node NAME@HOST");
    snprintf(process, sizeof process, "%.*s", (int)(host - name < 255 ? host - name : 255), name);
    snprintf(listen, sizeof listen,
             inet_pton(AF_INET6, host + 1, &address) == 1  ? "[%s]:0"
             : inet_pton(AF_INET, host + 1, &address) == 1 ? "%s:0"
                                                           : "0.0.0.0:0",
             host + 1);
    memset(&w, 0, sizeof w);
    w.json = given(a, OPT_JSON);
    w.colour = wants_colour(STDOUT_FILENO);
    status = open_node(&w.loop, a, name, text_of(a, OPT_LISTEN, listen));
    if (status)
        return status;
    result = cluster_register(w.loop.c, text_of(a, OPT_REGISTER, process));
    if (result < 0) {
        status = query_refused(&w.loop, result);
        loop_end(&w.loop);
        return status;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    end = end_of(a, CLUSTER_NEVER);
    while (!signal_end && !ferror(stdout) && cluster_now() < end) {
        while ((e = cluster_next_event(w.loop.c)) != NULL) {
            node_event(&w, e);
            if (e->type == CLUSTER_CALL)
                (void)cluster_answer(w.loop.c, e->request, NULL, 0);
            else if (e->type == CLUSTER_MESSAGE && given(a, OPT_ECHO))
                node_echo(&w.loop, e);
        }
        loop_turn(&w.loop, end);
    }
    loop_end(&w.loop);
    return DONE;
}

#endif
