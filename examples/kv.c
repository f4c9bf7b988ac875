/* kv: a sharded cache that speaks the protocol of Redis, with cluster.h in its own epoll loop. It finds the other servers by any
 * URL, places 1024 shards on all of them, hands shards over when a server comes or goes in order, and sends clients to the owner of
 * a key, or asks the owner itself. It is a cache: the keys of a server that is killed are gone, and its shards begin anew, empty.
 *
 *     make kv      three of them on this machine; docs/kv.md says how it is made
 *     cc -std=c99 -O2 -I. -DCLUSTER_IMPLEMENTATION examples/kv.c -o kv
 *     COOKIE=secret ./kv --node kv1@127.0.0.1 --port 7001 gossip:
 *
 * This file is the part that has to do with cluster.h. The others stand each on those before it. */
#define _GNU_SOURCE /* accept4, memmem, getentropy */
#include "../cluster.h"
#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kv/resp.h"
#include "kv/store.h"
#include "kv/server.h"
#include "kv/shards.h"
#include "kv/commands.h"
#include "kv/web.h"

#define TICK 50                 /* ms */
#define WATCHES 256             /* sockets of the library */
#define DRAIN_MAX (60 * SECOND) /* to hand everything over */

static volatile sig_atomic_t terminated;

static const char usage[] = "usage: COOKIE=SECRET kv --node NAME@ADDRESS --port PORT [OPTION N]... URL...\n"
                            "  COOKIE        what all servers know and nobody else; they talk to each other at PORT + 10000\n"
                            "  --web PORT    serve the page with the live picture there\n"
                            "  --router 1    have no shards, and ask their owners; else clients are sent there, with MOVED\n"
                            "  --quorum N    begin with empty shards only where so many servers are linked (default 1)\n"
                            "  --memory MIB  for keys and values (default 256)\n"
                            "  --linger S    after SIGTERM wait so many seconds for clients to go (default 5)";

/* Who is linked: all the list each time, so that no event can be missed. */
static void look_at_members(void)
{
    const struct cluster_member *m;
    for (int i = 1; i < PEERS; i++) {
        m = cluster_member_find(kv.cluster, kv.peers[i].name);
        kv.peers[i].up = m && m->state == CLUSTER_MEMBER_UP;
        if (!m && !held(i))
            kv.peers[i].name[0] = '\0';
    }
    for (size_t k = 0; (m = cluster_member_at(kv.cluster, k)) != NULL; k++) {
        struct peer *p = &kv.peers[peer_find("") > 0 ? peer_find("") : 0];
        if (m->state != CLUSTER_MEMBER_UP || peer_find(m->name) != NOBODY || p == kv.peers)
            continue;
        *p = (struct peer){.up = 1};
        snprintf(p->name, sizeof p->name, "%s", m->name);
    }
    kv.news = 1;
}

/* The plan says what is to change from the map before to this one; each server follows it for the shards that it has. */
static void place(void)
{
    static struct cluster_move moves[SHARDS];
    struct cluster_map *map = cluster_current_map(kv.cluster);
    size_t count = cluster_map_plan(kv.map, map, moves, SHARDS);
    for (size_t i = 0; i < count; i++)
        kv.shards[moves[i].shard].want = moves[i].to == CLUSTER_NOBODY ? NOBODY : peer_find(cluster_map_node(map, moves[i].to));
    say("a map of %u servers, a plan of %zu moves", (unsigned)cluster_map_nodes(map), count);
    cluster_map_free(kv.map);
    kv.map = map;
}

static void handle_events(void)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(kv.cluster)) != NULL) {
        if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN)
            say("%s %s%s%s", cluster_event_name(e->type), e->member->name, *e->text ? ": " : "", e->text);
        if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN || e->type == CLUSTER_RESYNC)
            look_at_members();
        else if (e->type == CLUSTER_MESSAGE && peer_find(e->member->name) > 0)
            hear(&kv.peers[peer_find(e->member->name)], read_term(e));
        else if (e->type == CLUSTER_CALL)
            called(e);
        else if (e->type == CLUSTER_REPLY)
            answered(e);
        else if (e->type == CLUSTER_MAP)
            place();
        else if (e->type == CLUSTER_SOURCE && e->error)
            say("%s: %s", cluster_source_url(e->source), e->text);
        else if (e->type == CLUSTER_LEFT)
            kv.left = 1;
    }
}

/* Shards whose server has been away for GRACE begin anew at the one that should have them, empty. */
static void adopt(void)
{
    int claimed = 0, before = 0;
    uint64_t epoch = kv.epoch + 1;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &kv.shards[i];
        if (s->holder != NOBODY && kv.peers[s->holder].up) {
            s->orphan_since = 0;
        } else if (!s->orphan_since) {
            s->orphan_since = kv.now;
        } else if (!s->want && kv.now - s->orphan_since >= GRACE && cluster_status(kv.cluster) == CLUSTER_READY) {
            before += s->holder != NOBODY;
            claimed++;
            learn(0, i, epoch);
        }
    }
    if (claimed)
        say("%d shards begin here, empty%s", claimed, before ? ": their server is gone, with its keys" : "");
}

/* Drained, then withdrawn from discovery, then without clients: 1 when it can end. Clients are sent elsewhere until they have gone,
 * since to hang up on one that is about to ask would be a failed request; and so are servers, until they answer that they know. */
static int leave(void)
{
    struct peer *self = &kv.peers[0];
    uint64_t since = kv.now - kv.going_since;
    int waits = 0, left = held(0);
    if (terminated && (self->going == STAYS || self->going == ROUTES)) {
        say("drains: %d shards are to go", left);
        cluster_drain(kv.cluster, 1);
        self->going = GIVES;
        kv.news = 1;
        kv.going_since = kv.now;
    } else if (self->going == GIVES && (!left || kv.shards[0].want == NOBODY || since > DRAIN_MAX)) {
        if (left)
            say("%d shards with %zu keys end here", left, store_keys);
        kv.left = cluster_leave(kv.cluster, 2000, NULL) < 0;
        self->going = LEAVES;
        kv.going_since = kv.now;
        tell();
        for (struct peer *p = self + 1; p < self + PEERS; p++)
            p->request = p->up && p->port ? ask(p, "run", (struct slice){"*1\r\n$4\r\nPING\r\n", 14}) : 0;
    }
    for (int i = 0; i < FDS; i++)
        waits += (kv.by_fd[i] && kv.by_fd[i]->serve == client_serve) || (i < PEERS && kv.peers[i].request);
    return kv.left && (!waits || since > (uint64_t)settings[LINGER].value * SECOND);
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

static void loop(void)
{
    struct epoll_event fired[64];
    struct pollfd ready[64];
    while (!leave()) {
        watch_cluster();
        int n = 0, due = cluster_timeout_ms(kv.cluster, kv.now);
        int count = epoll_wait(kv.epoll, fired, 64, due < 0 || due > TICK ? TICK : due);
        kv.now = cluster_now();
        for (int i = 0; i < count; i++) {
            int fd = fired[i].data.fd;
            if (fd >= FDS || !kv.by_fd[fd]) /* the library's, which tries what it hears may be possible */
                ready[n++] = (struct pollfd){.fd = fd, .revents = POLLIN | POLLOUT};
            else if (fired[i].events & ~(unsigned)EPOLLOUT)
                conn_ready(kv.by_fd[fd]);
        }
        cluster_step(kv.cluster, kv.now, ready, (size_t)n);
        handle_events();
        if (kv.now >= kv.tick_at) {
            kv.tick_at = kv.now + SECOND / 1000 * TICK;
            kv.news |= kv.now - kv.told_at > SECOND / 2;
            adopt();
            show_picture();
        }
        give();
        for (int i = 0; i < FDS; i++)
            if (kv.by_fd[i] && (kv.by_fd[i]->in.size || kv.by_fd[i]->out.size))
                conn_settle(kv.by_fd[i]);
        if (kv.news)
            tell();
    }
}

static void on_signal(int number)
{
    terminated = number;
    signal(number, SIG_DFL); /* asked twice: at once */
}

/* But not that no epmd runs here: servers know each other's ports. */
static void on_log(void *ctx, int level, const char *message, const char *setting)
{
    (void)ctx;
    if (level == CLUSTER_LOG_ERROR || strcmp(setting, "listen") != 0)
        fprintf(stderr, "kv: %s: %s\n", message, setting);
}

/* The handle and its sources. */
static void join(char **urls)
{
    const struct peer *self = &kv.peers[0];
    char error[512] = "", listen[128];
    struct cluster_map_options map = {.size = sizeof map, .shards = SHARDS, .members = "up"};
    /* what waits for a server has a bound, since each client has one question under way; and a shard is one packet */
    struct cluster_options options = {.size = sizeof options,
                                      .node = self->name,
                                      .cookie = getenv("COOKIE"),
                                      .connect = "erlang",
                                      .listen = listen,
                                      .epmd = "embedded",
                                      .backoff = "100ms..2s",
                                      .tick = "5s",
                                      .map = &map,
                                      .quorum = (uint32_t)settings[QUORUM].value,
                                      .limit_output = INT32_MAX,
                                      .limit_packet = UINT32_MAX,
                                      .limit_watches = WATCHES,
                                      .log = on_log,
                                      .error = error,
                                      .error_size = sizeof error};
    snprintf(listen, sizeof listen, strchr(host_of(self), ':') ? "[%s]:%d" : "%s:%d", host_of(self), self->port + BUS);
    if (cluster_create(&kv.cluster, &options) < 0)
        fail(2, error, "");
    for (; *urls; urls++)
        if (cluster_discover(kv.cluster, *urls, NULL) < 0)
            fail(2, cluster_last_error(kv.cluster), "");
    if (cluster_register(kv.cluster, "kv") < 0 || (settings[ROUTER].value && cluster_drain(kv.cluster, 1) < 0))
        fail(3, cluster_last_error(kv.cluster), "");
}

int main(int argc, char **argv)
{
    const struct rlimit files = {FDS + WATCHES, FDS + WATCHES}; /* accept4 takes the lowest ones */
    struct peer *self = &kv.peers[0];
    int i, k;
    for (i = 1; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        char *value = argv[i + 1], *end = value;
        for (k = 0; k < SETTINGS && strcmp(argv[i], settings[k].option) != 0; k++)
            continue;
        if (k < SETTINGS)
            settings[k].value = strtol(value, &end, 10);
        else if (!strcmp(argv[i], "--node") && strlen(value) < sizeof self->name && strchr(value, '@'))
            end += snprintf(self->name, sizeof self->name, "%s", value);
        if (end == value || *end ||
            (k < SETTINGS && (settings[k].value < settings[k].from || settings[k].value > settings[k].to)))
            fail(2, "wrong option or value: ", argv[i]);
    }
    if (!self->name[0] || !settings[PORT].value || i == argc)
        fail(2, usage, "");
    for (k = 0; k < SHARDS; k++)
        kv.shards[k].holder = kv.shards[k].want = NOBODY;
    self->up = 1;
    self->port = (int)settings[PORT].value;
    self->going = settings[ROUTER].value ? ROUTES : STAYS;
    kv.now = cluster_now();
    kv.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (kv.epoll < 0 || getentropy(store_secret, sizeof store_secret) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
        fail(3, "the system has no epoll, no random bytes, or too few descriptors: try ulimit -n 4096", "");
    signal(SIGTERM, on_signal);
    setvbuf(stdout, NULL, _IOLBF, 0);
    join(argv + i);
    listen_on(host_of(self), self->port, client_serve);
    if (settings[WEB].value)
        listen_on(host_of(self), settings[WEB].value, web_serve);
    say("answers at %s port %d%s", host_of(self), self->port,
        settings[ROUTER].value ? ", and asks the owners for its clients" : "");
    loop();
    say("has left");
    cluster_map_free(kv.map);
    cluster_destroy(kv.cluster);
    return held(0) && kv.shards[0].want != NOBODY; /* nobody took them in time */
}
