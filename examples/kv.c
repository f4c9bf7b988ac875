/*
 * kv: a sharded cache that speaks the protocol of Redis, with cluster.h in its own epoll loop. It finds the other servers by any URL,
 * places 1024 shards on all of them, hands shards over when a server comes or goes in order, and sends clients to the owner of a key,
 * or asks the owner itself. It is a cache: the keys of a server that is killed are gone, and its shards begin anew, empty.
 *
 *     make kv      three of them on this machine; docs/kv.md says how it is made
 *     cc -std=c99 -O2 -I. -DCLUSTER_IMPLEMENTATION examples/kv.c -o kv && ./kv --node kv1@127.0.0.1 --port 7001 gossip:
 *
 * This file is the part that has to do with cluster.h. Below it, each on those before it: kv/resp.h the protocol, kv/store.h the keys,
 * kv/server.h state and sockets, kv/shards.h who has which shard, kv/commands.h what clients and servers ask, kv/web.h the page.
 */
#define _GNU_SOURCE /* accept4, memmem */
#include "kv/web.h"
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#define TICK (SECOND / 20)
#define WATCHES 256 /* sockets of the library */
#define STATE_EVERY (SECOND / 2)
#define SILENT (5 * (uint64_t)SECOND)     /* a link that says nothing for so long has ended */
#define DRAIN_MAX (60 * (uint64_t)SECOND) /* to hand everything over */

static const char usage[] =
    "usage: kv --node NAME@ADDRESS --port PORT [OPTION]... URL...\n"
    "  --web PORT       serve the page with the live picture there\n"
    "  --route HOW      redirect (default): send clients to the owner with MOVED; forward: ask the owner for them\n"
    "  --weight N       so many shares of the shards, 1 to 1000 (default 1); 0: none, only route\n"
    "  --quorum N       begin with empty shards only where so many servers are linked (default 1)\n"
    "  --memory MIB     for keys and values (default 256)\n"
    "  --linger SECONDS after SIGTERM wait so long for clients to go (default 5)\n";

/* ---- members ---------------------------------------------------------- */

/* The list of the library, in ours: whoever is new is dialled. All of it each time, so that no event can be missed. */
static void members_changed(void)
{
    const struct cluster_member *m;
    size_t i;
    int k;
    for (k = 1; k < PEERS; k++)
        kv.peers[k].listed = 0;
    for (i = 0; (m = cluster_member_at(kv.cluster, i)) != NULL; i++) {
        struct peer *p = peer_find(text_of(m->name));
        for (k = 1; !p && k < PEERS; k++)
            p = kv.peers[k].name[0] ? NULL : &kv.peers[k];
        if (m->flags & (CLUSTER_MEMBER_SELF | CLUSTER_MEMBER_ACCEPTED) || !p || strlen(m->name) >= sizeof p->name)
            continue;
        if (!p->name[0]) {
            memset(p, 0, sizeof *p);
            memcpy(p->name, m->name, strlen(m->name) + 1);
            p->dial_at = kv.now;
            p->backoff = SECOND / 10;
        }
        p->listed = 1;
        p->port = (uint16_t)(m->port ? m->port : kv.peers[0].port);
        if (m->flags & CLUSTER_MEMBER_DRAINING && !p->draining)
            p->draining = 1;
        snprintf(p->address, sizeof p->address, "%s", *m->address ? m->address : m->host);
    }
}

static void handle_events(void)
{
    const struct cluster_event *e;
    int changed = 0;
    while ((e = cluster_next_event(kv.cluster)) != NULL) {
        switch (e->type) {
        case CLUSTER_JOIN:
        case CLUSTER_LEAVE:
            if (!(e->member->flags & CLUSTER_MEMBER_SELF))
                say("%s %s", e->member->name, e->type == CLUSTER_JOIN ? "is there" : "is not listed any more");
            changed = 1;
            break;
        case CLUSTER_CHANGE:
        case CLUSTER_RESYNC:
            changed = 1;
            break;
        case CLUSTER_SOURCE:
            if (e->error)
                say("%s: %s", cluster_source_url(e->source), e->text);
            break;
        case CLUSTER_LEFT:
            kv.state = LEFT;
            break;
        default:
            break;
        }
    }
    if (changed)
        members_changed();
}

/* ---- the map and its plan --------------------------------------------- */

/* A server takes part while it is listed, linked, and does not go. */
static int takes_part(const struct peer *p)
{
    return p->name[0] && p->weight && !p->draining && alive(p) && (p == kv.peers || p->listed);
}

/* Where shards should be is a function of the servers that take part, so all who see the same ones agree. What is to change is the plan
 * from the map before to this one; each server follows it for the shards that it has. */
static void place(void)
{
    struct cluster_node nodes[PEERS];
    struct cluster_map_options options;
    struct cluster_map *map;
    uint64_t placed = 0;
    size_t count = 0, i;
    int k;
    memset(nodes, 0, sizeof nodes);
    for (k = 0; k < PEERS; k++) {
        const struct peer *p = &kv.peers[k];
        if (!takes_part(p))
            continue;
        nodes[count].size = sizeof *nodes;
        nodes[count].name = p->name;
        nodes[count++].weight = (uint32_t)p->weight;
        placed = cluster_hash64(p->name, strlen(p->name), placed + (uint64_t)p->weight);
    }
    if (kv.map && placed == kv.placed)
        return;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = SHARDS;
    if (cluster_map_build(&map, nodes, count, &options) < 0)
        die("no map can be made: no memory");
    kv.move_count = cluster_map_plan(kv.map, map, kv.moves, SHARDS);
    for (i = 0; i < kv.move_count; i++) {
        const char *name = kv.moves[i].to == CLUSTER_NOBODY ? NULL : cluster_map_node(map, kv.moves[i].to);
        kv.shards[kv.moves[i].shard].want = name ? (int)(peer_find(text_of(name)) - kv.peers) : NOBODY;
    }
    cluster_map_free(kv.map);
    kv.map = map;
    kv.placed = placed;
    say("a map of %zu server%s, a plan of %zu moves", count, count == 1 ? "" : "s", kv.move_count);
}

/* Shards whose server has been away for GRACE begin anew at the one that should have them, empty. */
static void adopt(void)
{
    int i, taking = 0, claimed = 0, before = 0;
    uint64_t epoch = kv.epoch + 1;
    for (i = 0; i < PEERS; i++)
        taking += takes_part(&kv.peers[i]);
    for (i = 0; i < SHARDS; i++) {
        struct shard *s = &kv.shards[i];
        if (s->holder != NOBODY && (s->holder == 0 || kv.peers[s->holder].up)) {
            s->orphan_since = 0;
        } else if (!s->orphan_since) {
            s->orphan_since = kv.now;
        } else if (s->want == 0 && !s->import && taking >= kv.quorum && kv.now - s->orphan_since >= GRACE) {
            before += s->holder != NOBODY;
            claimed++;
            claim(i, epoch);
        }
    }
    if (claimed)
        say("%d shards begin here, empty%s", claimed, before ? ": their server is gone, with its keys" : "");
}

/* ---- leaving ---------------------------------------------------------- */

static void begin_drain(void)
{
    if (kv.state != RUNNING) {
        kv.state = LEFT; /* asked twice: at once */
        kv.state_since = 0;
        return;
    }
    say("drains: %d shards are to go", held(0));
    kv.state = DRAINING;
    kv.state_since = kv.now;
    kv.peers[0].draining = 1;
    cluster_drain(kv.cluster, 1);
    kv.news = 1;
}

/* Drained, then withdrawn from discovery, then without clients: 1 when it can end. Clients are sent elsewhere until they
 * have gone, since to hang up on one that is about to ask would be a failed request. */
static int leave(void)
{
    int i, left = kv.state == DRAINING ? held(0) : 0, clients = 0;
    if (kv.state == DRAINING && (!left || !cluster_map_nodes(kv.map) || kv.now - kv.state_since > DRAIN_MAX)) {
        if (left)
            say("%d shards with %zu keys end here: %s", left, keys_here(),
                cluster_map_nodes(kv.map) ? "nobody took them in time" : "there is no other server");
        kv.status = left && cluster_map_nodes(kv.map);
        kv.state = cluster_leave(kv.cluster, 2000, &kv.leave) < 0 ? LEFT : LEAVING;
        kv.state_since = kv.now;
        kv.peers[0].draining = 2;
        kv.news = 1;
    }
    if (kv.state < LEAVING)
        return 0;
    for (i = 0; i < FDS; i++)
        clients += kv.by_fd[i] && kv.by_fd[i]->kind == CLIENT;
    return kv.state == LEFT && (!clients || kv.now - kv.state_since > kv.linger);
}

/* ---- the loop --------------------------------------------------------- */

/* What is due by time. */
static void tick(void)
{
    int i;
    for (i = 1; i < PEERS; i++) {
        struct peer *p = &kv.peers[i];
        if (!p->name[0])
            continue;
        if (p->link && kv.now - p->heard > SILENT) {
            p->link->closing = 1;
            p->link->out.begin = p->link->out.end;
            touch(p->link);
        } else if (p->up && p->draining < 2 && kv.now - p->told > STATE_EVERY) {
            tell_state(p);
        } else if (!p->link && p->listed && kv.now >= p->dial_at) {
            dial(p);
        } else if (!p->link && !p->listed && !alive(p)) {
            int k;
            for (k = 0; k < SHARDS; k++)
                kv.shards[k].holder = kv.shards[k].holder == i ? NOBODY : kv.shards[k].holder;
            p->name[0] = 0;
        }
    }
    if (kv.give.asked == 2 && !alive(&kv.peers[kv.give.to]))
        give_ends();
    place();
    adopt();
    kv.retry = 1;
    kv.tick_at = kv.now + TICK;
}

/* Register what the library waits for beside what this server does. Called when that has changed. */
static void watch_cluster(void)
{
    static struct pollfd set[WATCHES], before[WATCHES];
    static size_t count;
    static uint64_t generation;
    static int begun;
    size_t i, k, n;
    if (begun && generation == cluster_watch_generation(kv.cluster))
        return;
    n = cluster_watches(kv.cluster, set, WATCHES);
    for (i = 0; i < count; i++) { /* what is not waited for any more: before the next step, which may close it */
        for (k = 0; k < n && set[k].fd != before[i].fd; k++)
            continue;
        if (k == n)
            epoll_ctl(kv.epoll, EPOLL_CTL_DEL, before[i].fd, NULL);
    }
    for (k = 0; k < n; k++) {
        struct epoll_event event;
        memset(&event, 0, sizeof event);
        event.events = (set[k].events & POLLIN ? EPOLLIN : 0u) | (set[k].events & POLLOUT ? EPOLLOUT : 0u);
        event.data.fd = set[k].fd;
        if (epoll_ctl(kv.epoll, EPOLL_CTL_ADD, set[k].fd, &event) < 0 &&
            epoll_ctl(kv.epoll, EPOLL_CTL_MOD, set[k].fd, &event) < 0)
            die("epoll_ctl failed: is fs.epoll.max_user_watches reached?");
    }
    memcpy(before, set, n * sizeof *set);
    count = n;
    generation = cluster_watch_generation(kv.cluster);
    begun = 1;
}

/* All that came of what just happened, until there is no more. */
static void settle(void)
{
    int i;
    do {
        for (i = 0; kv.retry && i < FDS; i++)
            if (kv.by_fd[i] && kv.by_fd[i]->waiting)
                touch(kv.by_fd[i]);
        kv.retry = 0;
        while (kv.dirty_count) {
            struct conn *c = kv.by_fd[kv.dirty[--kv.dirty_count]];
            if (c && c->dirty) {
                c->dirty = 0;
                conn_settle(c);
            }
        }
        give();
        tell_news();
    } while (kv.dirty_count || kv.retry);
}

static void run(int signals)
{
    struct epoll_event fired[64];
    struct pollfd ready[64];
    while (!leave()) {
        int count, i, n = 0, timeout;
        handle_events();
        settle();
        if (kv.now - kv.picture_at > PICTURE_EVERY) {
            kv.picture_at = kv.now;
            show_picture();
            settle();
        }
        watch_cluster();
        timeout = cluster_timeout_ms(kv.cluster, kv.now);
        i = kv.tick_at > kv.now ? (int)((kv.tick_at - kv.now) / 1000000) + 1 : 0;
        count = epoll_wait(kv.epoll, fired, 64, timeout < 0 || timeout > i ? i : timeout);
        kv.now = cluster_now();
        for (i = 0; i < count; i++) {
            struct conn *c = fired[i].data.fd < FDS ? kv.by_fd[fired[i].data.fd] : NULL;
            uint32_t events = fired[i].events;
            struct signalfd_siginfo signal;
            if (fired[i].data.fd == signals) {
                if (read(signals, &signal, sizeof signal) == sizeof signal && signal.ssi_signo == SIGTERM)
                    begin_drain();
                else
                    return;
            } else if (!c) { /* the library's */
                ready[n].fd = fired[i].data.fd;
                ready[n].events = 0;
                ready[n++].revents = (short)((events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? POLLIN : 0) |
                                             (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? POLLOUT : 0));
            } else if (c->kind == LISTENER || c->kind == WEB_LISTENER) {
                conn_accept(c);
            } else if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !conn_read(c)) {
                conn_close(c);
            } else {
                touch(c);
            }
        }
        cluster_step(kv.cluster, kv.now, ready, (size_t)n);
        if (kv.now >= kv.tick_at)
            tick();
    }
}

/* ---- the command line ------------------------------------------------- */

static int wrong(const char *what, const char *why)
{
    fprintf(stderr, "kv: %s%s\n", what, why);
    return 2;
}

/* A number from..to, or -1. */
static long number_of(const char *text, long from, long to)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text && !*end && number >= from && number <= to ? number : -1;
}

static void on_log(void *ctx, int level, const char *message, const char *setting)
{
    (void)ctx, (void)level;
    fprintf(stderr, "kv: %s%s%s\n", message, *setting ? ": " : "", setting);
}

/* The handle and its sources. */
static int join(int argc, char **argv, int first)
{
    struct cluster_options options;
    char error[512] = "";
    cluster_options_init(&options);
    options.node = kv.peers[0].name;
    options.port = kv.peers[0].port;
    options.log = on_log;
    options.limit_watches = WATCHES;
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&kv.cluster, &options) < 0)
        return wrong(error, "");
    for (; first < argc; first++)
        if (cluster_discover(kv.cluster, argv[first], NULL) < 0)
            return wrong(cluster_last_error(kv.cluster), "");
    return 0;
}

/* Block the signals that end it: a descriptor says when one came. */
static int open_signals(void)
{
    sigset_t set;
    struct epoll_event event;
    int fd;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (fd < 0 || epoll_ctl(kv.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("no signalfd can be opened: are there too many descriptors?");
    return fd;
}

/* Give everything back. */
static void give_back(void)
{
    int i;
    cluster_map_free(kv.map);
    cluster_destroy(kv.cluster);
    for (i = 0; i < PEERS; i++)
        kv.peers[i].up = 0;
    for (i = 0; i < FDS; i++)
        if (kv.by_fd[i])
            conn_close(kv.by_fd[i]);
    for (i = 0; i < SHARDS; i++)
        store_clear(&kv.shards[i].keys);
    close(kv.epoll);
}

int main(int argc, char **argv)
{
    struct peer *self = &kv.peers[0];
    struct rlimit files;
    long port = 0, web = 0, memory = 256, weight = 1, quorum = 1, linger = 5;
    struct sockaddr_storage address;
    int i, k, signals, status;
    for (i = 1; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--node") && strlen(value) < sizeof self->name)
            snprintf(self->name, sizeof self->name, "%s", value);
        else if (!strcmp(argv[i], "--port"))
            port = number_of(value, 1, 65535);
        else if (!strcmp(argv[i], "--web"))
            web = number_of(value, 1, 65535);
        else if (!strcmp(argv[i], "--weight"))
            weight = number_of(value, 0, WEIGHT_MAX);
        else if (!strcmp(argv[i], "--quorum"))
            quorum = number_of(value, 1, PEERS);
        else if (!strcmp(argv[i], "--memory"))
            memory = number_of(value, 1, 1 << 20);
        else if (!strcmp(argv[i], "--linger"))
            linger = number_of(value, 0, 3600);
        else if (!strcmp(argv[i], "--route") && (!strcmp(value, "forward") || !strcmp(value, "redirect")))
            kv.forward = *value == 'f';
        else
            return wrong("wrong option or value: ", argv[i]);
        if (port < 0 || web < 0 || weight < 0 || quorum < 0 || memory < 0 || linger < 0)
            return wrong("this is no such number: ", value);
    }
    if (!self->name[0] || !port || i == argc)
        return fputs(usage, stderr), 2;
    for (k = 0; k < SHARDS; k++)
        kv.shards[k].holder = kv.shards[k].want = NOBODY;
    kv.give.shard = NOBODY;
    self->port = (uint16_t)port;
    self->weight = (int)weight;
    kv.quorum = (int)quorum;
    kv.linger = (uint64_t)linger * SECOND;
    kv.memory_max = (size_t)memory << 20;
    kv.now = cluster_now();
    if (getrandom(store_secret, sizeof store_secret, 0) < 0 || getrandom(&self->birth, sizeof self->birth, 0) < 0)
        die("the system has no random bytes");
    self->birth >>= 8; /* it is written in 18 digits */
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        die("the limit of descriptors is not known");
    files.rlim_cur = files.rlim_max < 2 * FDS ? files.rlim_max : 2 * FDS;
    setrlimit(RLIMIT_NOFILE, &files);
    kv.clients_max = (int)(files.rlim_cur < FDS ? files.rlim_cur : FDS) - 3 * PEERS;
    if (kv.clients_max < 16)
        die("too few descriptors are allowed: try ulimit -n 4096");
    kv.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (kv.epoll < 0)
        die("no epoll can be opened: are there too many descriptors?");
    status = join(argc, argv, i);
    if (status == 0 && !address_of(&address, host_of(self), 1))
        status = wrong("what stands after '@' has to be the IP address where others reach this server: ", self->name);
    if (status == 0 && (listen_on(host_of(self), self->port, LISTENER) < 0 ||
                        (web && listen_on(host_of(self), (uint16_t)web, WEB_LISTENER) < 0)))
        status = 3;
    if (status == 0) {
        signals = open_signals();
        say("answers at %s port %ld%s", host_of(self), port, kv.forward ? ", and asks the owners for its clients" : "");
        if (web)
            say("look at http://%s:%ld/", host_of(self), web);
        run(signals);
        say("has left");
        close(signals);
        status = kv.status;
    }
    give_back();
    return status;
}
