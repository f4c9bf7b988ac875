/* kv: a sharded cache that speaks the protocol of Redis, with cluster.h in its own epoll loop. It finds the other servers by any
 * URL, places 1024 shards on all of them, hands shards over when a server comes or goes in order, and sends clients to the owner of
 * a key, or asks the owner itself. It is a cache: the keys of a server that is killed are gone, and its shards begin anew, empty.
 *
 *     make kv      three of them on this machine; docs/kv.md says how it is made
 *     cc -std=c99 -O2 -I. -DCLUSTER_IMPLEMENTATION examples/kv.c -o kv
 *     COOKIE=secret PORT=7001 ./kv kv1@127.0.0.1 gossip:
 *
 * This file is the part that has to do with cluster.h. The others stand each on those before it. */
#define _GNU_SOURCE /* accept4, memmem, getentropy */
#include "../cluster.h"
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kv/resp.h"
#include "kv/store.h"
#include "kv/server.h"
#include "kv/shards.h"
#include "kv/commands.h"
#include "kv/web.h"
#include "kv/clients.h"

#define TICK 250                /* ms */
#define WATCHES 1024            /* sockets of the library */
#define DRAIN_MAX (60 * SECOND) /* to hand everything over */

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
    terminated = number;
    signal(number, SIG_DFL); /* asked twice: at once */
}

/* Another server calls a function. */
static void called(const struct cluster_event *e)
{
    static struct client server;
    put(&server.out, "");
    if (!strcmp(e->text, "kv:run/1"))
        execute(&server, read_term(e));
    else if (!strcmp(e->text, "kv:give/1"))
        take(read_term(e));
    else if (!strcmp(e->text, "kv:state/1"))
        hear(peer_of(e->member->name), read_term(e));
    struct bytes term = term_of(server.out);
    cluster_answer(kv.cluster, e->request, term.data, term.size);
    cut(&server.out, server.out.size);
}

/* What was asked is answered, or with an error cannot be any more. */
static void answered(const struct cluster_event *e)
{
    struct bytes answer = read_term(e); /* nothing: it did not run, and is to be asked again */
    int done = e->error || (answer.size && strncmp(answer.data, "-MOVED", 6) != 0);
    kv.waits--;
    for (struct client *c = kv.clients; c < kv.clients + FDS; c++) {
        if (c->request == e->request && done) {
            cut(&c->in, c->asked);
            c->waits_since = 0;
            put_bytes(&c->out, answer.data, answer.size);
            put(&c->out, e->error ? "-ERR the link to the owner broke: the command may have run\r\n" : "");
        }
        c->request = c->request == e->request ? 0 : c->request;
    }
    if (e->request != kv.give)
        return;
    kv.give = 0;
    if (!e->error)
        kv.given = NULL; /* if it was taken, the taker has told */
    else if (kv.given)
        kv.given->holder = NULL; /* whether it was, is not known until it tells */
}

/* The plan says what is to change from the map before to this one; each server follows it for the shards that it has. */
static void place(void)
{
    static struct cluster_move moves[SHARDS];
    struct cluster_map *map = cluster_current_map(kv.cluster);
    size_t count = cluster_map_plan(kv.map, map, moves, SHARDS);
    for (size_t i = 0; i < count; i++)
        kv.shards[moves[i].shard].want = moves[i].to == CLUSTER_NOBODY ? NULL : peer_of(cluster_map_node(map, moves[i].to));
    say("a map of %u servers, a plan of %zu moves", (unsigned)cluster_map_nodes(map), count);
    cluster_map_free(kv.map);
    kv.map = map;
}

static void handle_events(void)
{
    const struct cluster_event *e;
    const struct cluster_member *m;
    while ((e = cluster_next_event(kv.cluster)) != NULL) {
        if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN)
            say("%s %s%s%s", cluster_event_name(e->type), e->member->name, *e->text ? ": " : "", e->text);
        if (e->type == CLUSTER_UP)
            tell();
        else if (e->type == CLUSTER_CALL)
            called(e);
        else if (e->type == CLUSTER_REPLY)
            answered(e);
        else if (e->type == CLUSTER_MAP)
            place();
        else if (e->type == CLUSTER_SOURCE && e->error)
            say("%s: %s", cluster_source_url(e->source), e->text);
        else if (e->type == CLUSTER_LEFT)
            kv.waits--;
    }
    for (struct peer *p = kv.self->next; p; p = p->next) { /* looked up, so that no event can be missed */
        m = cluster_member_find(kv.cluster, p->name);
        if (p->state && (!m || m->state != CLUSTER_MEMBER_UP))
            hear(p, nothing);
    }
}

/* Shards that nobody has had for GRACE begin anew at the server that should have them, empty. */
static void adopt(void)
{
    int begun = 0, lost = 0;
    for (struct shard *s = kv.shards; s < kv.shards + SHARDS; s++) {
        if (s->holder || !s->seen) {
            s->seen = kv.now;
        } else if (s->want == kv.self && kv.now - s->seen >= GRACE && cluster_status(kv.cluster) == CLUSTER_READY) {
            lost += s->epoch != 0;
            begun++;
            learn(kv.self, s, kv.epoch + 1);
        }
    }
    if (begun)
        say("%d shards begin here, empty%s", begun, lost ? ": their server is gone, with its keys" : "");
}

/* Register what the library waits for beside what this server does, when that has changed. */
static void watch_cluster(void)
{
    static struct pollfd set[WATCHES];
    static size_t count;
    static uint64_t generation;
    if (count && generation == cluster_watch_generation(kv.cluster))
        return;
    for (size_t i = 0; i < count; i++)
        watch(set[i].fd, 0);
    count = cluster_watches(kv.cluster, set, WATCHES);
    generation = cluster_watch_generation(kv.cluster);
    for (size_t i = 0; i < count; i++)
        watch(set[i].fd, (set[i].events & POLLIN ? EPOLLIN : 0u) | (set[i].events & POLLOUT ? EPOLLOUT : 0u));
}

/* Once round the loop: wait until something is to be done, and do it. */
static void turn(void)
{
    struct epoll_event fired[64];
    struct pollfd ready[64];
    int due = cluster_timeout_ms(kv.cluster, kv.now);
    watch_cluster();
    int count = epoll_wait(kv.epoll, fired, 64, due < 0 || due > TICK ? TICK : due);
    kv.now = cluster_now();
    int tick = kv.now >= kv.tick_at;
    if (tick) {
        kv.tick_at = kv.now + TICK * SECOND / 1000;
        adopt();
        tell();
    }
    for (int i = 0; i < count; i++) {
        int fd = fired[i].data.fd;
        ready[i] = (struct pollfd){.fd = fd, .revents = POLLIN | POLLOUT}; /* the library knows its own, and tries */
        if (fd == kv.listener)
            client_accept();
        else if (fd < FDS && kv.clients[fd].fd)
            kv.clients[fd].fired = fired[i].events != EPOLLOUT;
    }
    cluster_step(kv.cluster, kv.now, ready, count > 0 ? (size_t)count : 0);
    handle_events();
    for (struct shard *s = kv.shards; s < kv.shards + SHARDS && !kv.given; s++)
        if (s->holder == kv.self && s->want && s->want != kv.self && s->want->state == STAYS)
            give(s);
    kv.open = 0;
    for (struct client *c = kv.clients; c < kv.clients + FDS; c++) {
        if (c->stream && tick && !c->out.size)
            put_picture(&c->out);
        kv.open += c->fd && !c->stream;
        if (c->fired || c->in.size || c->out.size)
            client_serve(c);
    }
}

/* Drained, then withdrawn from discovery, then without clients: these are sent elsewhere until they have gone, since to hang up on
 * one that is about to ask would be a failed request; and so are servers, until they answer that they know. */
static void leave(void)
{
    uint64_t end = kv.now + DRAIN_MAX;
    say("drains: %d shards are to go", held(kv.self));
    cluster_drain(kv.cluster, 1);
    kv.self->state = GIVES;
    tell();
    do
        turn();
    while ((held(kv.self) || kv.given) && kv.shards[0].want && kv.now < end);
    if (held(kv.self))
        say("%d shards with %zu keys end here", held(kv.self), store_keys);
    kv.self->state = LEAVES;
    tell();
    kv.waits += cluster_leave(kv.cluster, 2000, NULL) == 0;
    end = kv.now + (uint64_t)kv.linger * SECOND;
    while ((kv.open || kv.waits) && kv.now < end)
        turn();
    turn(); /* what was said last goes out */
}

/* The handle and its sources. */
static void join(char **urls, long quorum)
{
    char error[512] = "", listen[128];
    struct cluster_map_options map = {.size = sizeof map, .shards = SHARDS, .members = "up"};
    /* what waits for a server has a bound, since each client has one question under way; and a shard is one packet */
    struct cluster_options options = {.size = sizeof options,
                                      .node = kv.self->name,
                                      .cookie = getenv("COOKIE"),
                                      .connect = "erlang",
                                      .listen = listen,
                                      .epmd = "embedded",
                                      .backoff = "100ms..2s",
                                      .tick = "5s",
                                      .map = &map,
                                      .quorum = (uint32_t)quorum,
                                      .limit_output = INT32_MAX,
                                      .limit_packet = UINT32_MAX,
                                      .error = error,
                                      .error_size = sizeof error};
    snprintf(listen, sizeof listen, strchr(kv.self->host, ':') ? "[%s]:%d" : "%s:%d", kv.self->host, kv.self->port + BUS);
    if (cluster_create(&kv.cluster, &options) < 0)
        errx(2, "%s", error);
    for (; *urls; urls++)
        if (cluster_discover(kv.cluster, *urls, NULL) < 0)
            errx(2, "%s", cluster_last_error(kv.cluster));
    if (kv.router && cluster_drain(kv.cluster, 1) < 0)
        errx(3, "%s", cluster_last_error(kv.cluster));
}

/* A number of the environment. */
static long option(const char *name, const char *otherwise, long least, long most)
{
    const char *text = getenv(name) ? getenv(name) : otherwise;
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < least || value > most)
        errx(2, "wrong value of %s", name);
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 3 || !strchr(argv[1], '@'))
        errx(2, "usage: COOKIE=SECRET PORT=N [ROUTER=1] [QUORUM=N] [MEMORY=MIB] [LINGER=SECONDS] kv NAME@ADDRESS URL...");
    kv.now = cluster_now();
    kv.self = peer_of(argv[1]);
    kv.self->port = (int)option("PORT", "", 1, 55535);
    kv.router = option("ROUTER", "0", 0, 1);
    kv.memory = option("MEMORY", "256", 1, 4000) << 20;
    kv.linger = option("LINGER", "5", 2, 3600);
    kv.self->state = kv.router ? ROUTES : STAYS;
    kv.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (kv.epoll < 0 || getentropy(store_secret, sizeof store_secret) < 0)
        err(3, "no epoll, or no random bytes");
    signal(SIGTERM, on_signal);
    join(argv + 2, option("QUORUM", "1", 1, 64));
    listen_for_clients(getenv("PORT"));
    say("answers at %s port %d%s", kv.self->host, kv.self->port, kv.router ? ", and asks the owners for its clients" : "");
    while (!terminated)
        turn();
    leave();
    say("has left");
    cluster_destroy(kv.cluster);
    return held(kv.self) && kv.shards[0].want; /* nobody took them in time */
}
