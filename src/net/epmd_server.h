/*
 * An epmd: it tells the ports of this host's nodes to whoever asks, and lets programs of this host register theirs, each for as
 * long as its stream stays open. It serves as soon as its port is free, so of many programs of a host one serves, and another
 * one goes on when that one ends. Names that could forge a line of its list are refused. It kills nobody and stops for nobody.
 * It owns its descriptors, one timer, and what is registered.
 *
 *   READS (a request) --+--> SAYS (a reply, then the end)
 *                       +--> HELD (ALIVE2: until anything comes, and be it the end)
 */
#ifndef CLU_NET_EPMD_SERVER_H
#define CLU_NET_EPMD_SERVER_H

#include "../loop/loop.h"
#include "../wire/address.h"
#include "../wire/epmd.h"

#define CLU_EPMD_STREAMS 64                 /* without a name, at a time: the one that waits longest gives way */
#define CLU_EPMD_NAMES 512                  /* registered */
#define CLU_EPMD_PATIENCE (10 * CLU_SECOND) /* for a request, and for its reply to be taken */
#define CLU_EPMD_AGAIN CLU_SECOND           /* after its port was taken */
#define CLU_EPMD_SOCKETS 3

enum clu_epmd_state { CLU_EPMD_READS, CLU_EPMD_SAYS, CLU_EPMD_HELD };

struct clu_epmd_stream {
    struct clu_watcher watcher;
    struct clu_epmd_server *server;
    struct clu_epmd_stream *next;
    uint64_t deadline_ns;
    int fd;
    uint8_t state;
    bool local;                   /* from this host */
    struct clu_slice name, about; /* in data: what is registered, and what is told about it */
    char *reply;
    size_t reply_size, reply_capacity, sent;
    size_t size;
    uint8_t data[CLU_EPMD_REQUEST_MAX + 1]; /* one byte more than any request has */
};

/* Zeroed before clu_epmd_server_begin. */
struct clu_epmd_server {
    struct clu_loop *loop;
    struct clu_watcher watcher; /* of the sockets that listen */
    struct clu_timer timer;
    struct cluster_address at[CLU_EPMD_SOCKETS];
    int fds[CLU_EPMD_SOCKETS];     /* -1: it does not listen there; the first: it does not serve */
    struct clu_epmd_stream *first; /* the newest */
    uint32_t names, streams;       /* registered, and others */
    uint32_t creation;
    bool said; /* that it does not serve */
};

/* ---- streams ---------------------------------------------------------- */

CLU_FN void clu_epmd_server_drop(struct clu_epmd_stream *s)
{
    struct clu_epmd_server *e = s->server;
    struct clu_epmd_stream **at = &e->first;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    *(s->name.length ? &e->names : &e->streams) -= 1;
    clu_close_all(e->loop, &s->watcher);
    clu_free(&e->loop->memory, s->reply, s->reply_capacity);
    clu_free(&e->loop->memory, s, sizeof *s);
}

CLU_FN int clu_epmd_server_say(struct clu_epmd_stream *s, const void *data, size_t size)
{
    if (!clu_reserve(&s->server->loop->memory, &s->reply, &s->reply_capacity, s->reply_size + size, 1))
        return CLUSTER_E_MEMORY;
    memcpy(s->reply + s->reply_size, data, size);
    s->reply_size += size;
    return 0;
}

CLU_FN struct clu_epmd_stream *clu_epmd_server_registered(const struct clu_epmd_server *e, struct clu_slice name)
{
    struct clu_epmd_stream *s = e->first;
    while (s && (!s->name.length || !clu_slice_same(s->name, name)))
        s = s->next;
    return s;
}

/* All names: NAMES, or in the form of DUMP. */
CLU_FN int clu_epmd_server_say_names(struct clu_epmd_stream *to, bool dump)
{
    const struct clu_epmd_stream *s;
    char line[64 + CLU_NAME_MAX];
    uint8_t port[4];
    int result;
    clu_put_be(port, to->server->at[0].port, 4);
    result = clu_epmd_server_say(to, port, 4);
    for (s = to->server->first; s && !result; s = s->next) {
        struct clu_text t = clu_text_on(line, sizeof line);
        if (!s->name.length)
            continue;
        clu_text_add(&t, dump ? "active name     <" : "name ");
        clu_text_bytes(&t, s->name.at, s->name.length);
        clu_text_add(&t, dump ? "> at port " : " at port ");
        clu_text_u64(&t, (uint64_t)(uint8_t)s->about.at[0] << 8 | (uint8_t)s->about.at[1]);
        if (dump) {
            clu_text_add(&t, ", fd = ");
            clu_text_u64(&t, (uint64_t)s->fd);
        }
        clu_text_add(&t, "\n");
        result = clu_epmd_server_say(to, line, t.length + dump); /* DUMP's lines end in a NUL */
    }
    return result;
}

/* Refused are names that are taken, or none, or that would be another line of the list; and who could not be linked to. */
CLU_FN int clu_epmd_server_register(struct clu_epmd_stream *s, const struct clu_epmd_asked_for *a)
{
    struct clu_epmd_server *e = s->server;
    bool old = a->highest < 6, refused = !a->port || e->names == CLU_EPMD_NAMES || clu_epmd_server_registered(e, a->name) ||
                                         !clu_name_half_valid(a->name.at, a->name.length);
    uint8_t reply[6];
    uint32_t creation = 99;
    s->state = CLU_EPMD_HELD;
    if (!refused) {
        creation = e->creation += e->creation == UINT32_MAX ? 2u : 1u;
        creation = old ? creation % 3 + 1 : creation;
        e->streams--;
        e->names++;
        s->name = a->name;
        s->about = a->about;
        s->deadline_ns = CLUSTER_NEVER;
    }
    clu_put_be(reply, (old ? 'y' : 'v') * 256u + refused, 2);
    clu_put_be(reply + 2, creation, old ? 2 : 4);
    return clu_epmd_server_say(s, reply, old ? 4 : 6);
}

/* What is for programs of this host alone is not for others: they hear nothing, as from any epmd. */
CLU_FN int clu_epmd_server_answer(struct clu_epmd_stream *s, const struct clu_epmd_asked_for *a)
{
    const struct clu_epmd_stream *found;
    int result;
    s->state = CLU_EPMD_SAYS;
    if (a->opcode == 'n')
        return clu_epmd_server_say_names(s, false);
    if (a->opcode == 'z') {
        found = clu_epmd_server_registered(s->server, a->name);
        result = clu_epmd_server_say(s, found ? "w" : "w\1", 2);
        return found && !result ? clu_epmd_server_say(s, found->about.at, found->about.length) : result;
    }
    if (!s->local)
        return CLUSTER_E_PERMISSION;
    if (a->opcode == 'x')
        return clu_epmd_server_register(s, a);
    return a->opcode == 'd' ? clu_epmd_server_say_names(s, true) : clu_epmd_server_say(s, "NO", 2);
}

/* Read until a request is whole and answered; of those that are held, until they end. */
CLU_FN int clu_epmd_server_hear(struct clu_epmd_stream *s)
{
    struct clu_epmd_asked_for asked;
    while (s->state != CLU_EPMD_SAYS) {
        int64_t got = clu_recv(s->server->loop, s->fd, s->data + s->size, sizeof s->data - s->size, NULL);
        enum clu_parse parsed;
        int result = 0;
        if (got <= 0)
            return got ? (int)got : CLUSTER_E_CLOSED;
        s->size += (size_t)got;
        parsed = s->state == CLU_EPMD_READS ? clu_epmd_request_read(s->data, s->size, &asked) : CLU_MALFORMED;
        if (parsed == CLU_MALFORMED)
            result = CLUSTER_E_PROTOCOL;
        else if (parsed == CLU_COMPLETE)
            result = clu_epmd_server_answer(s, &asked);
        if (result)
            return result;
    }
    return CLUSTER_E_AGAIN;
}

CLU_FN int clu_epmd_server_flush(struct clu_epmd_stream *s)
{
    struct clu_loop *l = s->server->loop;
    bool held = s->state != CLU_EPMD_SAYS;
    while (s->sent < s->reply_size) {
        int64_t sent = clu_send(l, s->fd, s->reply + s->sent, s->reply_size - s->sent, NULL);
        if (sent < 0)
            return sent == CLUSTER_E_AGAIN ? clu_watch(l, &s->watcher, s->fd, held ? POLLIN | POLLOUT : POLLOUT) : (int)sent;
        s->sent += (size_t)sent;
    }
    return held ? clu_watch(l, &s->watcher, s->fd, POLLIN) : CLUSTER_E_CLOSED;
}

CLU_FN void clu_epmd_server_stream_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_epmd_stream *s = CLU_CONTAINER(watcher, struct clu_epmd_stream, watcher);
    int result = revents & POLLNVAL ? CLUSTER_E_CLOSED : clu_epmd_server_hear(s);
    (void)fd;
    if (result == CLUSTER_E_AGAIN)
        result = clu_epmd_server_flush(s);
    if (result)
        clu_epmd_server_drop(s);
}

/* ---- the sockets that listen ------------------------------------------ */

/* Someone connected. */
CLU_FN int clu_epmd_server_take(struct clu_watcher *watcher, int fd, const struct cluster_address *from)
{
    struct clu_epmd_server *e = CLU_CONTAINER(watcher, struct clu_epmd_server, watcher);
    struct clu_loop *l = e->loop;
    struct clu_epmd_stream *s = (struct clu_epmd_stream *)clu_alloc_zero(&l->memory, sizeof *s), *oldest = NULL;
    int result = s ? clu_watch_add(l, &s->watcher, fd, true) : CLUSTER_E_MEMORY;
    if (result) {
        l->io.close(l->io.ctx, fd);
        clu_free(&l->memory, s, sizeof *s);
        return result;
    }
    s->watcher.ready = clu_epmd_server_stream_ready;
    s->server = e;
    s->fd = fd;
    s->local = clu_address_is_loopback(from);
    s->deadline_ns = clu_add_time(l->now, CLU_EPMD_PATIENCE);
    if (e->streams++ == CLU_EPMD_STREAMS) {
        struct clu_epmd_stream *other;
        for (other = e->first; other; other = other->next)
            oldest = other->name.length ? oldest : other;
        clu_epmd_server_drop(oldest);
    }
    s->next = e->first;
    e->first = s;
    if (e->timer.at > s->deadline_ns || !e->timer.place)
        clu_timer_set(&l->timers, &e->timer, s->deadline_ns);
    return clu_watch(l, &s->watcher, fd, POLLIN);
}

CLU_FN void clu_epmd_server_listener_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_epmd_server *e = CLU_CONTAINER(watcher, struct clu_epmd_server, watcher);
    struct clu_loop *l = e->loop;
    if (revents & POLLNVAL) {
        clu_close_all(l, watcher);
        e->fds[0] = -1;
    } else if (!clu_accept(l, watcher, fd, clu_epmd_server_take)) {
        return;
    }
    clu_timer_set(&l->timers, &e->timer,
                  clu_min_u64(e->timer.place ? e->timer.at : CLUSTER_NEVER, clu_add_time(l->now, CLU_EPMD_AGAIN)));
}

/* All its sockets, or none; but a host without IPv6 has no ::1. */
CLU_FN int clu_epmd_server_serve(struct clu_epmd_server *e)
{
    struct clu_text t;
    char where[CLU_ADDRESS_TEXT + 8];
    size_t i;
    int result = 0;
    for (i = 0; i < CLU_EPMD_SOCKETS && result >= 0; i++) {
        e->fds[i] = e->at[i].family ? clu_listen(e->loop, &e->watcher, &e->at[i]) : -1;
        if (e->fds[i] < 0 && (!i || e->at[i].family == 4))
            result = e->fds[i];
    }
    t = clu_text_on(where, sizeof where);
    clu_address_port_text(&t, &e->at[0]);
    if (result < 0) {
        clu_close_all(e->loop, &e->watcher);
        e->fds[0] = -1;
        if (!e->said)
            clu_log(e->loop, CLU_MESSAGE_EPMD_TAKEN, cluster_strerror(result));
        e->said = true;
        return result;
    }
    e->said = false;
    clu_log(e->loop, CLU_MESSAGE_EPMD_SERVES, where);
    return 0;
}

CLU_FN void clu_epmd_server_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_epmd_server *e = CLU_CONTAINER(timer, struct clu_epmd_server, timer);
    struct clu_epmd_stream *s, *next;
    uint64_t at = CLUSTER_NEVER;
    size_t i;
    if (e->fds[0] < 0 && clu_epmd_server_serve(e) < 0)
        at = clu_add_time(now, CLU_EPMD_AGAIN);
    for (i = 0; i < CLU_EPMD_SOCKETS && e->fds[0] >= 0; i++)
        if (e->fds[i] >= 0)
            (void)clu_watch(e->loop, &e->watcher, e->fds[i], POLLIN);
    for (s = e->first; s; s = next) {
        next = s->next;
        if (s->deadline_ns <= now)
            clu_epmd_server_drop(s);
        else
            at = clu_min_u64(at, s->deadline_ns);
    }
    clu_timer_set(&e->loop->timers, timer, at);
}

/* Serve from the next step on, on this address and the loopback. */
CLU_FN int clu_epmd_server_begin(struct clu_epmd_server *e, struct clu_loop *l, const struct cluster_address *address)
{
    static const uint8_t loopback[2][16] = {{127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                                            {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    static const uint8_t any[16] = {0};
    size_t i;
    if (!clu_timers_reserve(&l->memory, &l->timers, 1))
        return CLUSTER_E_MEMORY;
    e->loop = l;
    e->watcher.ready = clu_epmd_server_listener_ready;
    e->timer.fire = clu_epmd_server_fire;
    e->creation = (uint32_t)(l->io.wall_time(l->io.ctx) / CLU_SECOND);
    e->at[0] = *address;
    e->fds[0] = -1;
    for (i = 0; i < 2; i++) {
        bool here =
            address->family == (i ? 6 : 4) && (clu_address_is_loopback(address) || memcmp(address->bytes, any, 16) == 0);
        memcpy(e->at[1 + i].bytes, loopback[i], 16);
        e->at[1 + i].port = address->port;
        e->at[1 + i].family = here ? 0 : i ? 6 : 4;
    }
    clu_timer_set(&l->timers, &e->timer, 0);
    return 0;
}

/* The end of the handle, which closes the descriptors. One that was not begun has nothing. */
CLU_FN void clu_epmd_server_free(struct clu_epmd_server *e)
{
    while (e->first)
        clu_epmd_server_drop(e->first);
}

#endif
