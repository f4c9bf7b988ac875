/* cluster.h for Node.js, on its own libuv loop: what cluster.js needs in C, and no more. A handle keeps a uv_poll_t for each descriptor
 * and one timer; events are handed to one function. It is N-API, so it need not be built again for another Node.js.
 *
 *     make lib && cc -std=c99 -shared -fPIC -I. -I/usr/include/node -o build/cluster.node examples/bindings/node/addon.c build/libcluster.a
 */
#define _DEFAULT_SOURCE
#define NAPI_VERSION 6
#include "cluster.h"
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define TEXT 1024 /* bytes of a string that scripts pass in */

struct watch { /* of one descriptor */
    uv_poll_t poll;
    struct node *node;
    int fd, events;
    struct watch *next;
};

struct node {
    struct cluster *c;
    napi_env env;
    napi_ref on_event;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct watch *watches;
    uint64_t generation;
    int open_handles; /* the timer, while it is not closed */
    int busy, closing, collected;
};

static void proceed(struct node *n, const struct pollfd *ready);

/* ---- values ----------------------------------------------------------- */

static napi_value fail(napi_env env, const char *sentence)
{
    napi_throw_error(env, "CLUSTER", sentence);
    return NULL;
}

static napi_value text(napi_env env, const char *s)
{
    napi_value v = NULL;
    napi_create_string_utf8(env, s, NAPI_AUTO_LENGTH, &v);
    return v;
}

static napi_value number(napi_env env, double d)
{
    napi_value v = NULL;
    napi_create_double(env, d, &v);
    return v;
}

static void set(napi_env env, napi_value object, const char *key, napi_value value)
{
    napi_set_named_property(env, object, key, value);
}

/* The arguments, NULL where fewer were given. */
static void arguments(napi_env env, napi_callback_info info, napi_value *out, size_t count)
{
    napi_get_cb_info(env, info, &count, out, NULL, NULL);
}

static int string_of(napi_env env, napi_value v, char *out)
{
    size_t length = 0;
    return napi_get_value_string_utf8(env, v, out, TEXT, &length) == napi_ok && length < TEXT - 1;
}

static uint32_t number_of(napi_env env, napi_value v)
{
    uint32_t n = 0;
    napi_get_value_uint32(env, v, &n);
    return n;
}

static void *pointer_of(napi_env env, napi_value v)
{
    void *p = NULL;
    return napi_get_value_external(env, v, &p) == napi_ok ? p : NULL;
}

/* An array of names as nodes; NULL when it is none, or without memory. One block: nodes, then their names. */
static struct cluster_node *nodes_of(napi_env env, napi_value list, uint32_t *count)
{
    struct cluster_node *nodes;
    char *names;
    uint32_t i;
    if (napi_get_array_length(env, list, count) != napi_ok)
        return NULL;
    nodes = (struct cluster_node *)calloc(*count + 1u, sizeof *nodes + TEXT);
    names = (char *)(nodes + *count + 1);
    for (i = 0; nodes && i < *count; i++, names += TEXT) {
        napi_value name;
        nodes[i].size = sizeof *nodes;
        nodes[i].name = names;
        if (napi_get_element(env, list, i, &name) != napi_ok || !string_of(env, name, names)) {
            free(nodes);
            return NULL;
        }
    }
    return nodes;
}

/* ---- the loop --------------------------------------------------------- */

static void let_go(struct node *n)
{
    if (n->collected && !n->open_handles)
        free(n);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct node *n = (struct node *)handle->data;
    n->open_handles = 0;
    let_go(n);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = (struct watch *)poll;
    struct pollfd ready;
    ready.fd = w->fd;
    ready.events = 0;
    ready.revents = (short)((events & UV_READABLE ? POLLIN : 0) | (events & UV_WRITABLE ? POLLOUT : 0));
    if (status < 0) { /* libuv has stopped the handle; whether the socket is lost the library knows */
        ready.revents = POLLIN | POLLOUT;
        uv_poll_start(poll, w->events, on_ready);
    }
    proceed(w->node, &ready);
}

static void on_timer(uv_timer_t *timer)
{
    proceed((struct node *)timer->data, NULL);
}

/* The watch of a descriptor is begun, altered, or with events 0 ended. */
static void change(struct node *n, int fd, int events)
{
    struct watch **at = &n->watches, *w;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    w = *at;
    if (!events) {
        *at = w->next;
        uv_close((uv_handle_t *)&w->poll, on_watch_closed); /* takes the descriptor out at once */
        return;
    }
    if (!w) {
        w = (struct watch *)calloc(1, sizeof *w);
        if (!w || uv_poll_init(n->loop, &w->poll, fd) < 0) {
            free(w);
            return;
        }
        w->node = n;
        w->fd = fd;
        w->next = n->watches;
        n->watches = w;
    }
    w->events = (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0);
    uv_poll_start(&w->poll, w->events, on_ready);
}

static void follow(struct node *n)
{
    struct pollfd fds[64]; /* limit_watches */
    struct watch *w, *next;
    size_t i, count;
    if (n->generation == cluster_watch_generation(n->c))
        return;
    n->generation = cluster_watch_generation(n->c);
    count = cluster_watches(n->c, fds, 64);
    for (w = n->watches; w; w = next) {
        next = w->next;
        for (i = 0; i < count && fds[i].fd != w->fd; i++)
            ;
        if (i == count)
            change(n, w->fd, 0);
    }
    for (i = 0; i < count; i++)
        change(n, fds[i].fd, fds[i].events);
}

/* A term of an event in Erlang's syntax, undefined without memory. */
static napi_value term_text(napi_env env, const void *term, size_t size)
{
    size_t length = cluster_term_print(term, size, NULL, 0);
    char *out = (char *)calloc(length + 1, 1);
    napi_value v = NULL;
    if (out) {
        cluster_term_print(term, size, out, length + 1);
        v = text(env, out);
    }
    free(out);
    return v;
}

/* Hand one event to the script. What it throws is uncaught, as of any other callback. */
static void hand_over(struct node *n, const struct cluster_event *e)
{
    napi_handle_scope scope;
    napi_value object, function, global, error;
    napi_open_handle_scope(n->env, &scope);
    napi_create_object(n->env, &object);
    set(n->env, object, "type", number(n->env, e->type));
    set(n->env, object, "name", text(n->env, cluster_event_name(e->type)));
    set(n->env, object, "error", number(n->env, e->error));
    set(n->env, object, "state", number(n->env, e->state));
    set(n->env, object, "count", number(n->env, e->count));
    set(n->env, object, "text", text(n->env, e->text));
    if (e->member) {
        set(n->env, object, "member", text(n->env, e->member->name));
        set(n->env, object, "address", text(n->env, e->member->address));
        set(n->env, object, "port", number(n->env, e->member->port));
    }
    if (e->request)
        set(n->env, object, "request", number(n->env, (double)e->request));
    if (e->term)
        set(n->env, object, "term", term_text(n->env, e->term, (size_t)e->term_size));
    if (e->source)
        set(n->env, object, "url", text(n->env, cluster_source_url(e->source)));
    napi_get_global(n->env, &global);
    napi_get_reference_value(n->env, n->on_event, &function);
    if (napi_make_callback(n->env, NULL, global, function, 1, &object, NULL) == napi_pending_exception &&
        napi_get_and_clear_last_exception(n->env, &error) == napi_ok)
        napi_fatal_exception(n->env, error);
    napi_close_handle_scope(n->env, scope);
}

static void end(struct node *n)
{
    cluster_destroy(n->c); /* after no descriptor is watched any more */
    n->c = NULL;
    napi_delete_reference(n->env, n->on_event);
}

/* A step, its events, and what to wait for next. The script may close the handle from inside an event. */
static void proceed(struct node *n, const struct pollfd *ready)
{
    const struct cluster_event *e;
    int ms;
    n->busy = 1;
    if (!n->closing)
        cluster_step(n->c, cluster_now(), ready, ready != NULL);
    while (!n->closing && (e = cluster_next_event(n->c)) != NULL)
        hand_over(n, e);
    n->busy = 0;
    if (n->closing) {
        end(n);
        return;
    }
    follow(n);
    ms = cluster_timeout_ms(n->c, cluster_now());
    uv_update_time(n->loop);
    uv_timer_stop(&n->timer);
    if (ms >= 0)
        uv_timer_start(&n->timer, on_timer, ms > 0 ? (uint64_t)ms : 1, 0);
}

/* ---- what scripts call ------------------------------------------------ */

static void close_node(struct node *n)
{
    if (n->closing)
        return;
    n->closing = 1;
    while (n->watches)
        change(n, n->watches->fd, 0);
    uv_close((uv_handle_t *)&n->timer, on_timer_closed);
    if (!n->busy)
        end(n);
}

static void on_collected(napi_env env, void *data, void *hint)
{
    struct node *n = (struct node *)data;
    (void)env, (void)hint;
    close_node(n);
    n->collected = 1;
    let_go(n);
}

/* create(name or "", cookie or "", quorum, onEvent) */
static napi_value create(napi_env env, napi_callback_info info)
{
    struct cluster_options options;
    struct node *n = (struct node *)calloc(1, sizeof *n);
    napi_value argv[4], out = NULL;
    char name[TEXT] = "", cookie[TEXT] = "", error[256] = "";
    arguments(env, info, argv, 4);
    cluster_options_init(&options);
    if (!n || !string_of(env, argv[0], name) || !string_of(env, argv[1], cookie)) {
        free(n);
        return fail(env, "name and cookie are strings");
    }
    options.node = *name ? name : NULL;
    options.cookie = *cookie ? cookie : NULL;
    options.quorum = number_of(env, argv[2]);
    options.limit_watches = 64;
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&n->c, &options) < 0) {
        free(n);
        return fail(env, error);
    }
    n->env = env;
    napi_create_reference(env, argv[3], 1, &n->on_event);
    napi_get_uv_event_loop(env, &n->loop);
    uv_timer_init(n->loop, &n->timer);
    n->timer.data = n;
    n->open_handles = 1;
    uv_timer_start(&n->timer, on_timer, 0, 0);
    napi_create_external(env, n, on_collected, NULL, &out);
    return out;
}

/* The handle of a call, or NULL with an exception. */
static struct node *node_of(napi_env env, napi_value v)
{
    struct node *n = (struct node *)pointer_of(env, v);
    if (n && !n->closing)
        return n;
    fail(env, "the handle is closed");
    return NULL;
}

static napi_value discover(napi_env env, napi_callback_info info)
{
    napi_value argv[2], out = NULL;
    struct cluster_source *source = NULL;
    struct node *n;
    char url[TEXT];
    arguments(env, info, argv, 2);
    n = node_of(env, argv[0]);
    if (!n)
        return NULL;
    if (!string_of(env, argv[1], url))
        return fail(env, "the URL is no string, or too long");
    if (cluster_discover(n->c, url, &source) < 0)
        return fail(env, cluster_last_error(n->c));
    uv_timer_start(&n->timer, on_timer, 0, 0);
    if (source)
        napi_create_external(env, source, NULL, NULL, &out);
    return out;
}

static napi_value publish(napi_env env, napi_callback_info info)
{
    napi_value argv[3];
    struct cluster_node *nodes;
    struct cluster_source *source;
    struct node *n;
    uint32_t count;
    int result;
    arguments(env, info, argv, 3);
    n = node_of(env, argv[0]);
    source = n ? (struct cluster_source *)pointer_of(env, argv[1]) : NULL;
    nodes = source ? nodes_of(env, argv[2], &count) : NULL;
    if (!nodes)
        return n ? fail(env, "publish takes a source and an array of names") : NULL;
    result = cluster_source_publish(source, nodes, count);
    free(nodes);
    if (result < 0)
        return fail(env, cluster_last_error(n->c));
    uv_timer_start(&n->timer, on_timer, 0, 0);
    return NULL;
}

/* ---- Erlang nodes ----------------------------------------------------- */

/* A term in Erlang's syntax as bytes, from malloc; NULL with an exception. */
static void *term_of(napi_env env, napi_value v, size_t *size)
{
    size_t length = 0;
    char *source = NULL;
    void *out = NULL;
    if (napi_get_value_string_utf8(env, v, NULL, 0, &length) == napi_ok)
        source = (char *)malloc(length + 1);
    if (!source) {
        fail(env, "a term is a string in Erlang's syntax");
        return NULL;
    }
    napi_get_value_string_utf8(env, v, source, length + 1, &length);
    cluster_term_parse(source, NULL, 0, size);
    out = malloc(*size + 1);
    if (!out || cluster_term_parse(source, out, *size, size) < 0) {
        fail(env, out ? cluster_term_why(source, NULL) : "no memory");
        free(out);
        out = NULL;
    }
    free(source);
    return out;
}

/* What a call of the library came to: its request, if it has one, or an exception. The next step is due at once. */
static napi_value outcome(napi_env env, struct node *n, int result, uint64_t request)
{
    if (result < 0)
        return fail(env, cluster_last_error(n->c));
    if (!n->busy)
        uv_timer_start(&n->timer, on_timer, 0, 0);
    return request ? number(env, (double)request) : NULL;
}

/* ask(handle, what, strings...): the last of call and send is a term. Returns the request, if there is one. */
static napi_value ask(napi_env env, napi_callback_info info)
{
    napi_value argv[6];
    struct node *n;
    char what[TEXT], s[3][TEXT];
    size_t size = 0, i, strings, terms;
    uint64_t request = 0;
    void *term = NULL;
    int result = CLUSTER_E_INVALID;
    arguments(env, info, argv, 6);
    n = node_of(env, argv[0]);
    if (!n || !string_of(env, argv[1], what))
        return NULL;
    terms = !strcmp(what, "call") || !strcmp(what, "send");
    strings = !strcmp(what, "call") ? 3 : !strcmp(what, "ping") || !strcmp(what, "register") ? 1 : 2;
    for (i = 0; i < strings; i++)
        if (!string_of(env, argv[2 + i], s[i]))
            return fail(env, "names are strings, and not too long");
    if (terms && (term = term_of(env, argv[2 + strings], &size)) == NULL)
        return NULL;
    if (!strcmp(what, "ping"))
        result = cluster_ping(n->c, s[0], &request);
    else if (!strcmp(what, "call"))
        result = cluster_call(n->c, s[0], s[1], s[2], term, size, 0, &request);
    else if (!strcmp(what, "send"))
        result = cluster_send(n->c, s[0], s[1], term, size);
    else if (!strcmp(what, "monitor"))
        result = cluster_monitor(n->c, s[0], s[1], &request);
    else if (!strcmp(what, "register"))
        result = cluster_register(n->c, s[0]);
    free(term);
    return outcome(env, n, result, request);
}

/* answer(handle, request, term) */
static napi_value answer(napi_env env, napi_callback_info info)
{
    napi_value argv[3];
    struct node *n;
    double request = 0;
    size_t size = 0;
    void *term;
    int result;
    arguments(env, info, argv, 3);
    n = node_of(env, argv[0]);
    term = n ? term_of(env, argv[2], &size) : NULL;
    if (!term)
        return NULL;
    napi_get_value_double(env, argv[1], &request);
    result = cluster_answer(n->c, (uint64_t)request, term, size);
    free(term);
    return outcome(env, n, result, 0);
}

static napi_value drain(napi_env env, napi_callback_info info)
{
    napi_value argv[2];
    struct node *n;
    arguments(env, info, argv, 2);
    n = node_of(env, argv[0]);
    return n ? outcome(env, n, cluster_drain(n->c, (int)number_of(env, argv[1])), 0) : NULL;
}

static napi_value leave(napi_env env, napi_callback_info info)
{
    napi_value argv[2];
    struct node *n;
    uint64_t request = 0;
    int result;
    arguments(env, info, argv, 2);
    n = node_of(env, argv[0]);
    if (!n)
        return NULL;
    result = cluster_leave(n->c, (int)number_of(env, argv[1]), &request);
    return outcome(env, n, result, request);
}

static napi_value members(napi_env env, napi_callback_info info)
{
    napi_value argv[1], list = NULL;
    struct node *n;
    size_t i;
    arguments(env, info, argv, 1);
    n = node_of(env, argv[0]);
    if (n)
        napi_create_array(env, &list);
    for (i = 0; n && i < cluster_member_count(n->c); i++)
        napi_set_element(env, list, (uint32_t)i, text(env, cluster_member_at(n->c, i)->name));
    return list;
}

static napi_value close_handle(napi_env env, napi_callback_info info)
{
    napi_value argv[1];
    struct node *n;
    arguments(env, info, argv, 1);
    n = (struct node *)pointer_of(env, argv[0]);
    if (n)
        close_node(n);
    return NULL;
}

/* ---- placement -------------------------------------------------------- */

static void on_map_collected(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    cluster_map_free((struct cluster_map *)data);
}

static napi_value map_build(napi_env env, napi_callback_info info)
{
    struct cluster_map_options options;
    struct cluster_map *map = NULL;
    struct cluster_node *nodes;
    napi_value argv[2], out = NULL;
    uint32_t count;
    int result;
    arguments(env, info, argv, 2);
    nodes = nodes_of(env, argv[0], &count);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = number_of(env, argv[1]);
    result = nodes ? cluster_map_build(&map, nodes, count, &options) : CLUSTER_E_INVALID;
    free(nodes);
    if (result < 0)
        return fail(env, "these nodes make no map: names must be unique, shards a power of two");
    napi_create_external(env, map, on_map_collected, NULL, &out);
    return out;
}

static napi_value map_nodes(napi_env env, napi_callback_info info)
{
    napi_value argv[1], list = NULL;
    const struct cluster_map *map;
    uint32_t i;
    arguments(env, info, argv, 1);
    map = (const struct cluster_map *)pointer_of(env, argv[0]);
    napi_create_array(env, &list);
    for (i = 0; map && i < cluster_map_nodes(map); i++) {
        napi_value row;
        napi_create_object(env, &row);
        set(env, row, "name", text(env, cluster_map_node(map, i)));
        set(env, row, "shards", number(env, cluster_map_node_load(map, i)));
        napi_set_element(env, list, i, row);
    }
    return list;
}

/* {shard, owner}: the owner's index, or null */
static napi_value map_place(napi_env env, napi_callback_info info)
{
    napi_value argv[2], out = NULL, nobody = NULL;
    const struct cluster_map *map;
    char key[TEXT];
    uint32_t owner;
    arguments(env, info, argv, 2);
    map = (const struct cluster_map *)pointer_of(env, argv[0]);
    if (!map || !string_of(env, argv[1], key))
        return fail(env, "the key is no string, or too long");
    owner = cluster_map_owner(map, key, strlen(key));
    napi_create_object(env, &out);
    napi_get_null(env, &nobody);
    set(env, out, "shard", number(env, cluster_map_shard(map, key, strlen(key))));
    set(env, out, "owner", owner == CLUSTER_NOBODY ? nobody : text(env, cluster_map_node(map, owner)));
    return out;
}

static napi_value map_plan(napi_env env, napi_callback_info info)
{
    napi_value argv[2], list = NULL;
    const struct cluster_map *from, *to;
    struct cluster_move *moves;
    size_t i, count;
    arguments(env, info, argv, 2);
    from = (const struct cluster_map *)pointer_of(env, argv[0]);
    to = (const struct cluster_map *)pointer_of(env, argv[1]);
    count = from && to ? cluster_map_plan(from, to, NULL, 0) : 0;
    moves = (struct cluster_move *)calloc(count + 1, sizeof *moves);
    if (!moves)
        return fail(env, "no memory");
    count = count ? cluster_map_plan(from, to, moves, count) : 0;
    napi_create_array(env, &list);
    for (i = 0; i < count; i++) {
        const char *a = cluster_map_node(from, moves[i].from), *b = cluster_map_node(to, moves[i].to);
        napi_value row;
        napi_create_object(env, &row);
        set(env, row, "shard", number(env, moves[i].shard));
        if (a)
            set(env, row, "from", text(env, a));
        if (b)
            set(env, row, "to", text(env, b));
        napi_set_element(env, list, (uint32_t)i, row);
    }
    free(moves);
    return list;
}

static void on_ring_collected(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    cluster_ring_free((struct cluster_ring *)data);
}

/* ringBuild(kind, names) */
static napi_value ring_build(napi_env env, napi_callback_info info)
{
    struct cluster_ring *ring = NULL;
    struct cluster_node *nodes;
    napi_value argv[2], out = NULL;
    char kind[TEXT] = "";
    uint32_t count;
    int result;
    arguments(env, info, argv, 2);
    nodes = string_of(env, argv[0], kind) ? nodes_of(env, argv[1], &count) : NULL;
    result = nodes ? cluster_ring_build(&ring, kind, nodes, count, NULL) : CLUSTER_E_INVALID;
    free(nodes);
    if (result < 0)
        return fail(env, result == CLUSTER_E_UNSUPPORTED ? "there is no such kind of ring" : "these nodes make no such ring");
    napi_create_external(env, ring, on_ring_collected, NULL, &out);
    return out;
}

/* ringOwners(ring, key, count): names */
static napi_value ring_owners(napi_env env, napi_callback_info info)
{
    napi_value argv[3], list = NULL;
    const struct cluster_ring *ring;
    char key[TEXT];
    uint32_t *found, count;
    size_t i, size;
    arguments(env, info, argv, 3);
    ring = (const struct cluster_ring *)pointer_of(env, argv[0]);
    count = number_of(env, argv[2]);
    if (!ring || !string_of(env, argv[1], key))
        return fail(env, "the key is no string, or too long");
    if (count > cluster_ring_nodes(ring))
        count = cluster_ring_nodes(ring);
    found = (uint32_t *)calloc((size_t)count + 1, sizeof *found);
    if (!found)
        return fail(env, "no memory");
    size = cluster_ring_owners(ring, key, strlen(key), found, count);
    napi_create_array(env, &list);
    for (i = 0; i < size; i++)
        napi_set_element(env, list, (uint32_t)i, text(env, cluster_ring_node(ring, found[i])));
    free(found);
    return list;
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback call;
    } calls[] = {{"create", create},      {"discover", discover},    {"publish", publish},
                 {"members", members},    {"close", close_handle},   {"ask", ask},
                 {"answer", answer},      {"drain", drain},          {"leave", leave},
                 {"mapBuild", map_build}, {"mapNodes", map_nodes},   {"mapPlace", map_place},
                 {"mapPlan", map_plan},   {"ringBuild", ring_build}, {"ringOwners", ring_owners}};
    size_t i;
    for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        napi_value function;
        napi_create_function(env, calls[i].name, NAPI_AUTO_LENGTH, calls[i].call, NULL, &function);
        set(env, exports, calls[i].name, function);
    }
    return exports;
}
