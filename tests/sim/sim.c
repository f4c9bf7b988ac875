/*
 * Many handles in one process on the virtual network of net.h, driven as different hosts drive theirs, while the network, the
 * clocks, the memory and the programs misbehave as a seed says. Named laws are judged at every step:
 *
 *   replay                all events, replayed over an empty set, give exactly the members; nothing is lost in silence
 *   no_leave_on_failure   nobody leaves because a source failed, only because enough complete answers lacked him
 *   converge              when the faults stop, every handle comes to see exactly who is there, and stays with it
 *   same_fingerprint      handles with the same members have the same map
 *   fds                   no descriptor is leaked, closed twice, closed while the host's loop lists it, or used when it is gone
 *   deadline              a step at the deadline gets on; rounds are never late; nothing spins
 *   memory                all is freed at the end; the sizes told to the allocator are right; a failed call changes nothing
 *   quiet                 hooks are called from create, step and destroy alone; a step with nothing to do does nothing
 *   revision              one more with every change, never less
 *   links                 the events give who is up; no more dials are under way than may be; who drains is not asked for
 *
 *   sim [--seeds N] [--seed S] [--steps N] [--mutate LAW] [--verbose]
 *
 * A failure names its law, its seed and the command that repeats it. --mutate breaks a law on purpose, in what the harness sees
 * or does, and succeeds if that is found.
 */
#define CLUSTER_IMPLEMENTATION
#include "members.h"

#define NODES 8
#define SERVERS 2
#define ZONES 2
#define ADDRESSES 4 /* that each of them may have */
#define NAMES 64
#define WATCHES 64
#define DIALS 3                      /* that a node may have under way */
#define CALM_BOUND (90 * NET_SECOND) /* for all to converge once the faults are over */
#define CALM_STAY (15 * NET_SECOND)  /* and for nothing to happen after that */
#define CALM_HEARD (7 * NET_SECOND)  /* by then everybody has announced itself: whom others still know from before may leave */

static const char *const laws[] = {
    "replay", "no_leave_on_failure", "converge", "same_fingerprint", "fds", "deadline", "memory", "quiet", "revision", "links"};
#define LAWS (sizeof laws / sizeof laws[0])

/* ---- what a run is made of -------------------------------------------- */

enum feed_kind { GOSSIP, STATIC, PUSH, FILES, EPMD, DNS, FEEDS };

/* What one source of one handle was told of one name. */
struct evidence {
    bool listed;
    bool named; /* in the list of the round under way, which counts if the round ends well */
    int absent; /* lists without it since a round that ended well with it */
    uint64_t heard;
};

struct feed {
    bool wanted, paused;
    struct cluster_source *source;
    char url[192];
    uint64_t interval; /* 0: no rounds to count on */
    uint64_t timeout;
    int state; /* by the SOURCE events */
    uint64_t rounds, rounds_at;
    struct evidence seen[NAMES];
    bool once; /* has ended a round well */
};

enum drive { POLL_ALL, ONE_BY_ONE, EDGES, DRIVES };

struct node {
    struct run *run;
    struct net_host *host;
    int index;
    bool up; /* has a handle */
    struct cluster *c;
    char name[NAME_SIZE], zone[24], role[24];
    int group; /* of gossip */
    bool announces, has_map;
    uint32_t port, weight;
    struct feed feeds[FEEDS];
    bool pushed[NAMES];
    uint32_t pushed_weight[NAMES];
    /* the host program */
    enum drive drive;
    bool exact, lazy; /* steps at the very deadline; leaves its events lying */
    uint32_t limit_events, limit_budget, limit_watches;
    struct pollfd registered[WATCHES];
    int registered_count;
    uint64_t generation;
    uint64_t busy_until, sleep_until;
    int lost; /* a descriptor to be told of as POLLNVAL; -1: none */
    struct cluster_map *held;
    const char *connect;
    bool told_up[NAMES];
    /* what it was told, and what is */
    struct replay replay;
    int told_status;
    uint64_t told_map;
    /* gossip heard in this step counts when the step had the memory to take it in and refused none */
    uint64_t heard_now[NAMES];
    int spins;
    uint64_t spun;
    uint64_t second, second_steps;
    uint64_t steps;
};

struct fingerprint {
    uint64_t members, map;
};

struct run {
    struct net net;
    struct net_chance chance;
    uint64_t seed;
    const char *mutate;
    int mutated;
    struct node nodes[NODES];
    int node_count;
    struct net_host *servers[SERVERS], *resolvers[SERVERS];
    char names[NAMES][NAME_SIZE];
    int name_count;
    int gossip_names[NODES], push_names[6], file_names[6], epmd_names[SERVERS][4], static_name;
    int dns_names[ZONES][ADDRESSES], forged_name;
    int groups;
    struct fingerprint *fingerprints;
    size_t fingerprint_count, fingerprint_capacity;
    uint64_t steps, step_limit, next_action;
    bool calm, alloc_faults, hook_faults;
    uint64_t starts, resyncs, failures;
};

static bool broken(const struct run *r)
{
    return r->net.verdict.law != NULL;
}

/* Is this the moment to break this law? */
static bool mutate(struct run *r, const char *law)
{
    return r->mutate && strcmp(r->mutate, law) == 0;
}

static uint64_t chance(struct run *r, uint64_t count)
{
    return net_below(&r->chance, count);
}

static bool often(struct run *r, unsigned percent)
{
    return chance(r, 100) < percent;
}

static int name_of(struct run *r, const char *name)
{
    int i;
    for (i = 0; i < r->name_count; i++)
        if (strcmp(r->names[i], name) == 0)
            return i;
    return -1;
}

static int name_add(struct run *r, const char *format, int a, int b)
{
    if (r->name_count == NAMES)
        abort();
    (void)snprintf(r->names[r->name_count], NAME_SIZE, format, a, b);
    return r->name_count++;
}

/* ---- who is there, in truth ------------------------------------------- */

/* Does b take what a announces? */
static bool hears(const struct node *a, const struct node *b)
{
    return a != b && a->up && a->announces && a->feeds[GOSSIP].source && b->feeds[GOSSIP].source && a->group == b->group;
}

static struct node *node_by_host(struct run *r, const struct net_host *h)
{
    return h->index < r->node_count ? &r->nodes[h->index] : NULL;
}

static bool in_text(const struct net_file *f, const char *name)
{
    const char *at = f->version ? strstr(f->text, name) : NULL;
    return at != NULL && (at[strlen(name)] == '\n' || at[strlen(name)] == ' ');
}

/* Does this source of n hold the name there, by all that it was told? */
static bool holds(struct node *n, int kind, int name)
{
    const struct feed *f = &n->feeds[kind];
    const struct evidence *e = &f->seen[name];
    uint64_t now = n->run->net.now;
    if (!f->source)
        return false;
    switch (kind) {
    case GOSSIP:
        return e->listed && now - e->heard < 14 * NET_SECOND;
    case STATIC:
        return e->listed && f->once;
    case PUSH:
        return n->pushed[name];
    case FILES:
        return e->listed;
    default:
        return e->listed && e->absent < 3;
    }
}

static bool should_be(struct node *n, int name)
{
    struct run *r = n->run;
    int i, k;
    if (strcmp(r->names[name], n->name) == 0)
        return true;
    for (i = 0; i < r->node_count; i++)
        if (r->gossip_names[i] == name && hears(&r->nodes[i], n))
            return true;
    if (n->feeds[STATIC].source && n->feeds[STATIC].seen[name].listed)
        return true;
    if (n->feeds[PUSH].source && n->pushed[name])
        return true;
    if (n->feeds[FILES].source && in_text(&n->host->files[0], r->names[name]))
        return true;
    for (i = 0; n->feeds[EPMD].source && i < SERVERS; i++)
        for (k = 0; k < r->servers[i]->name_count; k++) {
            char full[2 * NAME_SIZE];
            (void)snprintf(full, sizeof full, "%s@10.0.0.%d", r->servers[i]->names[k].name, r->servers[i]->ip[3]);
            if (strcmp(full, r->names[name]) == 0)
                return true;
        }
    for (i = 0; n->feeds[DNS].source && i < ZONES; i++)
        for (k = 0; k < r->net.zones[i].count && !r->net.zones[i].gone; k++)
            if (r->dns_names[i][r->net.zones[i].ip[k][3]] == name)
                return true;
    return false;
}

/* ---- evidence --------------------------------------------------------- */

static void on_heard(void *watcher, struct net_host *from, const uint8_t *data, size_t size)
{
    struct node *n = (struct node *)watcher, *sender = node_by_host(n->run, from);
    int name = sender ? n->run->gossip_names[sender->index] : -1;
    (void)data;
    (void)size;
    if (name >= 0 && sender != n && sender->group == n->group)
        n->heard_now[name] = n->run->net.now;
}

static int full_name(struct run *r, const struct net_host *server, const char *name)
{
    char full[2 * NAME_SIZE];
    (void)snprintf(full, sizeof full, "%s@10.0.0.%d", name, server->ip[3]);
    return name_of(r, full);
}

static void on_names(void *watcher, struct net_host *server, const struct net_name *names, int count)
{
    struct node *n = (struct node *)watcher;
    struct run *r = n->run;
    int s = 0, i, k;
    while (s < SERVERS && r->servers[s] != server)
        s++;
    for (i = 0; s < SERVERS && i < 4; i++) {
        struct evidence *e = &n->feeds[EPMD].seen[r->epmd_names[s][i]];
        bool listed = false;
        for (k = 0; k < count; k++)
            if (full_name(r, server, names[k].name) == r->epmd_names[s][i])
                listed = true;
        e->named = listed;
        e->listed = e->listed || listed;
        e->absent += !listed;
        net_say(&r->net, "node %d: epmd's list %s %s, %d times now", n->index, listed ? "has" : "lacks",
                r->names[r->epmd_names[s][i]], e->absent);
    }
}

/* The list had the name, the question for its port did not find it. */
static void on_missing(void *watcher, struct net_host *server, const char *name)
{
    struct node *n = (struct node *)watcher;
    int i = full_name(n->run, server, name);
    net_say(&n->run->net, "node %d: epmd does not know %s", n->index, name);
    if (i >= 0) {
        n->feeds[EPMD].seen[i].named = false;
        n->feeds[EPMD].seen[i].absent++;
    }
}

/* A whole answer of a server was read: a round may count it. */
static void on_dns(void *watcher, struct net_host *server, const uint8_t *message, size_t size)
{
    struct node *n = (struct node *)watcher;
    struct run *r = n->run;
    size_t at = 12 + strlen((const char *)message + 12) + 5, k;
    int zone = message[13] - 'a', i;
    (void)server;
    if (message[2] & 2 || ((message[3] & 15) != 0 && (message[3] & 15) != 3) || zone < 0 || zone >= ZONES)
        return;
    for (i = 0; i < ADDRESSES; i++) {
        struct evidence *e = &n->feeds[DNS].seen[r->dns_names[zone][i]];
        e->named = false;
        for (k = at; k + 16 <= size; k += 16)
            e->named = e->named || message[k + 15] == i;
        e->listed = e->listed || e->named;
        e->absent += !e->named;
        net_say(&r->net, "node %d: dns %s %s, %d times now", n->index, e->named ? "has" : "lacks",
                r->names[r->dns_names[zone][i]], e->absent);
    }
}

static void on_file(void *watcher, struct net_file *file)
{
    struct node *n = (struct node *)watcher;
    struct run *r = n->run;
    size_t i;
    if (strstr(file->text, "no node") != NULL || strcmp(file->path, "/nodes") != 0)
        return;
    for (i = 0; i < sizeof r->file_names / sizeof r->file_names[0]; i++)
        n->feeds[FILES].seen[r->file_names[i]].listed = in_text(file, r->names[r->file_names[i]]);
}

/* ---- judging ---------------------------------------------------------- */

static void judge_leave(struct node *n, const struct copy *m)
{
    int name = name_of(n->run, m->name), kind;
    static const char *const kinds[FEEDS] = {"gossip", "static", "push", "file", "epmd", "dns"};
    if (name < 0)
        return;
    if (m->flags & CLUSTER_MEMBER_SELF)
        net_break(&n->run->net.verdict, "no_leave_on_failure", "node %d: it left its own membership", n->index);
    for (kind = 0; kind < FEEDS; kind++)
        if (holds(n, kind, name))
            net_break(&n->run->net.verdict, "no_leave_on_failure", "node %d: %s left, though its %s source does not lack it",
                      n->index, m->name, kinds[kind]);
}

/* After any call that may change members: look who is there now, and who went. */
static void judge_members(struct node *n)
{
    struct set before = n->replay.is;
    int i;
    if (!replay_look(&n->replay, n->c, often(n->run, 2)))
        return;
    if (set_find(&n->replay.is, n->run->names[n->run->forged_name]))
        net_break(&n->run->net.verdict, "converge", "node %d: it believed a forged answer", n->index);
    for (i = 0; i < before.count; i++) { /* a member without a source has left them all, though its link is there */
        const struct copy *m = set_find(&n->replay.is, before.at[i].name);
        if (!(before.at[i].flags & CLUSTER_MEMBER_ACCEPTED) && (!m || m->flags & CLUSTER_MEMBER_ACCEPTED))
            judge_leave(n, &before.at[i]);
    }
}

static uint64_t hash_of(struct node *n)
{
    uint64_t h = 1;
    int i;
    for (i = 0; i < n->replay.is.count; i++) {
        h = cluster_hash64(n->replay.is.at[i].name, strlen(n->replay.is.at[i].name), h);
        h = cluster_hash64(&n->replay.is.at[i].weight, sizeof n->replay.is.at[i].weight, h);
        h = cluster_hash64(n->replay.is.at[i].zone, strlen(n->replay.is.at[i].zone), h);
        h += n->replay.is.at[i].flags & CLUSTER_MEMBER_DRAINING; /* who drains owns nothing */
    }
    return h;
}

/* The map of now: of these members, and the same as all others have of them. */
static void judge_map(struct node *n)
{
    struct run *r = n->run;
    struct cluster_map *map = cluster_current_map(n->c);
    uint64_t members = hash_of(n), print;
    bool old = false;
    size_t i;
    if (!map)
        return;
    if (cluster_map_nodes(map) != (uint32_t)n->replay.is.count)
        old = true;
    for (i = 0; !old && i < (size_t)n->replay.is.count; i++)
        old = strcmp(cluster_map_node(map, (uint32_t)i), n->replay.is.at[i].name) != 0;
    if (old && !r->alloc_faults)
        net_break(&r->net.verdict, "same_fingerprint", "node %d: the map is not of its members", n->index);
    print = cluster_map_fingerprint(map);
    if (mutate(r, "same_fingerprint") && n->index == 1)
        print++;
    cluster_map_free(map);
    if (old)
        return;
    for (i = 0; i < r->fingerprint_count; i++)
        if (r->fingerprints[i].members == members) {
            if (r->fingerprints[i].map != print && !r->alloc_faults)
                net_break(&r->net.verdict, "same_fingerprint", "node %d: a map of %d members differs from another one's",
                          n->index, n->replay.is.count);
            return;
        }
    if (r->alloc_faults)
        return;
    if (r->fingerprint_count == r->fingerprint_capacity) {
        r->fingerprint_capacity = r->fingerprint_capacity ? 2 * r->fingerprint_capacity : 64;
        r->fingerprints =
            (struct fingerprint *)net_need(realloc(r->fingerprints, r->fingerprint_capacity * sizeof *r->fingerprints));
    }
    r->fingerprints[r->fingerprint_count].members = members;
    r->fingerprints[r->fingerprint_count++].map = print;
}

/* What the events say of links; and a host that connects by itself does so, or fails, or forgets to say it. */
static void judge_link(struct node *n, const struct cluster_event *e)
{
    struct run *r = n->run;
    int name = e->member ? name_of(r, e->member->name) : -1, i, outcome = 0;
    for (i = 0; e->type == CLUSTER_RESYNC && i < r->name_count; i++) {
        const struct cluster_member *m = cluster_member_find(n->c, r->names[i]);
        n->told_up[i] = m && m->state == CLUSTER_MEMBER_UP;
    }
    if (name < 0)
        return;
    if (e->type == CLUSTER_UP && n->told_up[name] && !n->replay.resynced)
        net_break(&r->net.verdict, "links", "node %d: %s is up twice", n->index, e->member->name);
    if (e->type == CLUSTER_UP && mutate(r, "links") && !r->mutated++)
        return;
    if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN || e->type == CLUSTER_LEAVE)
        n->told_up[name] = e->type == CLUSTER_UP;
    if (e->type == CLUSTER_CONNECT) {
        if (e->member->flags & (CLUSTER_MEMBER_DRAINING | CLUSTER_MEMBER_SELF) || strcmp(n->connect, "host") != 0)
            net_break(&r->net.verdict, "links", "node %d: it is asked to connect to %s", n->index, e->member->name);
        outcome = r->calm || often(r, 40) ? CLUSTER_REPORT_UP : (int)chance(r, 5);
    } else if (e->type == CLUSTER_DISCONNECT) {
        outcome = r->calm || often(r, 60) ? CLUSTER_REPORT_DOWN : 0;
    } else if (e->type == CLUSTER_UP && !strcmp(n->connect, "host") && !r->calm && often(r, 20)) {
        outcome = CLUSTER_REPORT_DOWN;
    }
    i = outcome ? cluster_report(n->c, r->names[name], outcome, 0) : 0;
    if (i < 0 && i != CLUSTER_E_NOT_FOUND && !r->alloc_faults)
        net_break(&r->net.verdict, "links", "node %d: a report fails: %s", n->index, cluster_last_error(n->c));
    if (outcome)
        judge_members(n);
}

static void judge_event(struct node *n, const struct cluster_event *given)
{
    struct cluster_event e = *given;
    int i;
    if (mutate(n->run, "revision") && e.revision == 5)
        e.revision++;
    if (mutate(n->run, "replay") && e.type == CLUSTER_JOIN && !(e.member->flags & CLUSTER_MEMBER_SELF) && !n->run->mutated++)
        return;
    if (e.member)
        net_say(&n->run->net, "node %d: %s %s revision %lu", n->index, cluster_event_name(e.type), e.member->name,
                (unsigned long)e.revision);
    judge_link(n, &e);
    switch (e.type) {
    case CLUSTER_SOURCE:
        for (i = 0; i < FEEDS; i++)
            if (e.source && n->feeds[i].source == e.source)
                n->feeds[i].state = (int)e.state;
        break;
    case CLUSTER_STATUS:
        n->told_status = (int)e.state;
        break;
    case CLUSTER_MAP:
        n->told_map = e.fingerprint;
        break;
    default:
        replay_event(&n->replay, n->c, &e);
        break;
    }
}

/* The host has pulled all: it knows what is. */
static void judge_drained(struct node *n)
{
    struct net_verdict *v = &n->run->net.verdict;
    struct cluster_map *map = cluster_current_map(n->c);
    int i;
    replay_drained(&n->replay);
    for (i = 0; i < n->run->name_count; i++) {
        const struct cluster_member *m = cluster_member_find(n->c, n->run->names[i]);
        if (n->told_up[i] != (m && m->state == CLUSTER_MEMBER_UP))
            net_break(v, "links", "node %d: %s was said to be %s, it is not", n->index, n->run->names[i],
                      n->told_up[i] ? "up" : "down");
    }
    if (map && n->told_map != cluster_map_fingerprint(map))
        net_break(v, "replay", "node %d: the map is another one than was said", n->index);
    cluster_map_free(map);
    for (i = 0; i < FEEDS; i++)
        if (n->feeds[i].source && n->feeds[i].state != cluster_source_state(n->feeds[i].source))
            net_break(v, "replay", "node %d: source %s was said to be in state %d, it is in %d", n->index, n->feeds[i].url,
                      n->feeds[i].state, cluster_source_state(n->feeds[i].source));
    if (n->told_status != cluster_status(n->c))
        net_break(v, "replay", "node %d: status was said to be %d, it is %d", n->index, n->told_status, cluster_status(n->c));
}

static void drain(struct node *n, bool all)
{
    uint64_t most = all ? CLUSTER_NEVER : chance(n->run, 4);
    const struct cluster_event *e;
    while (most-- && !broken(n->run)) {
        e = cluster_next_event(n->c);
        if (!e) {
            judge_drained(n);
            return;
        }
        judge_event(n, e);
    }
}

/* ---- a host program's loop -------------------------------------------- */

static void sync_sleep(struct node *n);

/* Read the watches, as this host does it, and bring its own list up to date. */
static void sync_watches(struct node *n)
{
    struct run *r = n->run;
    struct pollfd now[WATCHES];
    uint64_t generation = cluster_watch_generation(n->c);
    size_t count;
    int i, k;
    sync_sleep(n);
    if (n->drive == EDGES && generation == n->generation && !often(r, 5))
        return;
    count = cluster_watches(n->c, now, 0);
    if (count && often(r, 20))
        (void)cluster_watches(n->c, now, (size_t)chance(r, count)); /* cut: acknowledges nothing */
    count = cluster_watches(n->c, now, WATCHES);
    if (count > WATCHES)
        abort();
    if (generation == n->generation) {
        for (i = 0; i < (int)count; i++)
            if ((int)count != n->registered_count || now[i].fd != n->registered[i].fd ||
                now[i].events != n->registered[i].events)
                net_break(&r->net.verdict, "deadline", "node %d: the watches changed and their generation did not", n->index);
    }
    for (i = 0; i < (int)count; i++) {
        struct net_socket *s = now[i].fd >= 0 && now[i].fd < NET_FDS ? n->host->fds[now[i].fd] : NULL;
        bool known = false;
        if (!s || (n->host->lost[now[i].fd] && now[i].fd != n->lost) || now[i].revents || !now[i].events) {
            net_break(&r->net.verdict, "fds", "node %d: descriptor %d is to be watched and is not open", n->index, now[i].fd);
            continue;
        }
        for (k = 0; k < n->registered_count; k++)
            known = known || (n->registered[k].fd == now[i].fd && n->registered[k].events == now[i].events);
        if (!known)
            s->edges = net_readiness(s); /* as epoll does it when one is added or changed */
    }
    if (n->lost >= 0) { /* it is told of what it watches alone */
        for (i = 0; i < (int)count && now[i].fd != n->lost; i++)
            continue;
        if (i == (int)count) {
            n->host->lost[n->lost] = 0;
            n->lost = -1;
        }
    }
    memset(n->host->listed, 0, sizeof n->host->listed);
    for (i = 0; i < (int)count; i++)
        if (now[i].fd >= 0 && now[i].fd < NET_FDS)
            n->host->listed[now[i].fd] = 1;
    memcpy(n->registered, now, count * sizeof *now);
    n->registered_count = (int)count;
    n->generation = generation;
}

/* How long this host will wait: to the deadline, or as poll(2) counts, in milliseconds. */
static void sync_sleep(struct node *n)
{
    struct run *r = n->run;
    n->sleep_until = mutate(r, "deadline") ? 0 : cluster_deadline(n->c);
    if (!n->exact && n->sleep_until != CLUSTER_NEVER) {
        int ms = cluster_timeout_ms(n->c, r->net.now);
        uint64_t until = ms < 0 ? CLUSTER_NEVER : r->net.now + (uint64_t)ms * NET_MS;
        if (until < n->sleep_until || (n->sleep_until > r->net.now && until - n->sleep_until >= NET_MS))
            net_break(&r->net.verdict, "deadline", "node %d: the timeout is %d ms, the deadline %lu ns away", n->index, ms,
                      (unsigned long)(n->sleep_until - r->net.now));
        n->sleep_until = until;
    }
}

static short fired(struct node *n, int i, bool take)
{
    struct net_socket *s = n->host->fds[n->registered[i].fd];
    short wanted = (short)(n->registered[i].events | POLLERR | POLLHUP), found;
    if (!s)
        return 0;
    found = (short)(net_readiness(s) & wanted);
    if (n->drive == EDGES) {
        found = (short)(found & s->edges);
        if (take)
            s->edges = (short)(s->edges & ~wanted);
    }
    return found;
}

static uint64_t wake_time(struct node *n)
{
    uint64_t at = n->sleep_until, now = n->run->net.now;
    int i;
    if (n->lost >= 0)
        at = now;
    for (i = 0; at > now && i < n->registered_count; i++)
        if (fired(n, i, false))
            at = now;
    if (at < now)
        at = now;
    return at < n->busy_until ? n->busy_until : at;
}

static uint64_t feed_rounds(struct node *n)
{
    uint64_t sum = 0;
    int i;
    for (i = 0; i < FEEDS; i++)
        if (n->feeds[i].source)
            sum += cluster_source_rounds(n->feeds[i].source) + (uint64_t)cluster_source_state(n->feeds[i].source);
    return sum;
}

static void judge_rounds(struct node *n)
{
    uint64_t now = n->run->net.now;
    int i;
    for (i = 0; i < FEEDS; i++) {
        struct feed *f = &n->feeds[i];
        uint64_t rounds;
        if (!f->source)
            continue;
        if (cluster_source_state(f->source) == CLUSTER_SOURCE_ANSWER)
            f->once = true;
        rounds = cluster_source_rounds(f->source);
        if ((i == EPMD || i == DNS) && rounds != f->rounds) {
            int k;
            for (k = 0; k < NAMES; k++) {
                if (f->seen[k].named && cluster_source_state(f->source) != CLUSTER_SOURCE_FAILED)
                    f->seen[k].absent = 0;
                f->seen[k].named = false;
            }
        }
        if (rounds != f->rounds || f->paused || !f->interval) {
            f->rounds = rounds;
            f->rounds_at = now;
        } else if (now - f->rounds_at > 2 * f->interval + f->timeout + 7 * NET_SECOND) {
            net_break(&n->run->net.verdict, "deadline", "node %d: source %s has had no round for %lu ms", n->index, f->url,
                      (unsigned long)((now - f->rounds_at) / NET_MS));
        }
    }
}

static struct cluster_counts counts_of(struct node *n)
{
    struct cluster_counts counts;
    memset(&counts, 0, sizeof counts);
    counts.size = (uint32_t)sizeof counts;
    (void)cluster_stats(n->c, &counts);
    return counts;
}

static void step(struct node *n, const struct pollfd *ready, size_t count)
{
    struct run *r = n->run;
    struct net_host *h = n->host;
    uint64_t calls = h->calls, closes = h->closes, failed = h->memory.failed, revision = cluster_revision(n->c),
             now = r->net.now;
    uint64_t rounds = feed_rounds(n), told = now, generation = cluster_watch_generation(n->c);
    uint64_t dropped = counts_of(n).dropped;
    int i, result;
    if (often(r, 2))
        told = now > 2 * NET_MS ? now - chance(r, 2 * NET_MS) : 0; /* a clock that goes back is taken as standing */
    memset(n->heard_now, 0, sizeof n->heard_now);
    h->inside = true;
    result = cluster_step(n->c, told, ready, count);
    h->inside = false;
    n->steps++;
    r->steps++;
    if (result < 0)
        net_break(&r->net.verdict, "deadline", "node %d: a step failed: %s", n->index, cluster_strerror(result));
    for (i = 0; i < NAMES && failed == h->memory.failed && dropped == counts_of(n).dropped; i++)
        if (n->heard_now[i]) {
            n->feeds[GOSSIP].seen[i].listed = true;
            n->feeds[GOSSIP].seen[i].heard = n->heard_now[i];
        }
    if (mutate(r, "no_leave_on_failure") && n->replay.is.count > 1 && n->feeds[GOSSIP].source)
        for (i = 0; i < NAMES; i++)
            n->feeds[GOSSIP].seen[i].heard = now;
    judge_members(n);
    judge_rounds(n);
    if (n->c->mesh.dials.count > DIALS)
        net_break(&r->net.verdict, "links", "node %d: %u dials are under way", n->index, (unsigned)n->c->mesh.dials.count);
    if (n->has_map && n->replay.is_revision != revision)
        judge_map(n);
    /* nothing was done, and nothing is put off: the host would spin */
    if (now / NET_SECOND != n->second) {
        n->second = now / NET_SECOND;
        n->second_steps = 0;
    }
    if (h->calls != calls || count) {
        n->spins = 0;
        if (h->calls - calls > (h->closes - closes) && ++n->second_steps > 20000)
            net_break(&r->net.verdict, "deadline", "node %d: 20000 steps in one second", n->index);
    } else if ((cluster_deadline(n->c) <= now || mutate(r, "deadline")) && revision == n->replay.is_revision &&
               rounds == feed_rounds(n) && generation == cluster_watch_generation(n->c) && failed == h->memory.failed) {
        n->spins = now == n->spun ? n->spins + 1 : 1; /* what looks again after a while, in vain, does not spin */
        n->spun = now;
        if (n->spins > 4)
            net_break(&r->net.verdict, "deadline", "node %d: steps at the deadline do nothing and it stays", n->index);
    }
    if (!ready && ++n->second_steps > 2000)
        net_break(&r->net.verdict, "deadline", "node %d: 2000 steps for timers alone in one second", n->index);
}

/* A step with nothing to do does nothing; only what the host let go is closed. */
static void idle_step(struct node *n)
{
    struct net_host *h = n->host;
    uint64_t calls = h->calls - h->closes, requests = h->memory.requests, revision = cluster_revision(n->c);
    if (cluster_deadline(n->c) <= n->run->net.now)
        return;
    h->inside = true;
    if (cluster_step(n->c, n->run->net.now, NULL, 0) < 0)
        net_break(&n->run->net.verdict, "quiet", "node %d: a step with nothing to do failed", n->index);
    h->inside = false;
    if (mutate(n->run, "quiet"))
        (void)h->io.wall_time(h->io.ctx);
    if (h->memory.failed)
        requests = h->memory.requests; /* what there was no memory for is tried again in any step */
    if (h->calls - h->closes != calls || h->memory.requests != requests || cluster_revision(n->c) != revision)
        net_break(&n->run->net.verdict, "quiet", "node %d: a step with nothing to do made %lu calls and %lu allocations",
                  n->index, (unsigned long)(h->calls - h->closes - calls), (unsigned long)(h->memory.requests - requests));
}

static void turn(struct node *n)
{
    struct run *r = n->run;
    struct pollfd ready[WATCHES + 1];
    int count = 0, i;
    if (n->lost >= 0) {
        ready[count].fd = n->lost;
        ready[count].events = POLLIN;
        ready[count++].revents = POLLNVAL;
    }
    for (i = 0; i < n->registered_count; i++) {
        short revents = n->registered[i].fd == n->lost ? 0 : fired(n, i, true);
        if (!revents && n->drive != POLL_ALL)
            continue;
        ready[count] = n->registered[i];
        ready[count++].revents = revents;
    }
    if (often(r, 5))
        idle_step(n);
    if (n->drive == ONE_BY_ONE && count) {
        for (i = 0; i < count && !broken(r); i++)
            step(n, &ready[i], 1);
    } else {
        step(n, count ? ready : NULL, (size_t)count);
    }
    if (n->lost >= 0) { /* told: the number may be given again */
        net_fd_drop(n->host, n->lost, true);
        n->host->listed[n->lost] = 0;
        for (i = 0; i < n->registered_count; i++)
            if (n->registered[i].fd == n->lost)
                n->registered[i] = n->registered[--n->registered_count];
        n->generation = 0;
        n->lost = -1;
    }
    if (mutate(r, "fds") && net_fd_count(n->host) && !r->mutated++) {
        for (i = 3; !n->host->fds[i]; i++)
            continue;
        n->host->inside = true;
        n->host->listed[i] = 0;
        n->host->io.close(n->host->io.ctx, i);
        n->host->io.close(n->host->io.ctx, i);
        n->host->inside = false;
    }
    if (!broken(r))
        drain(n, !n->lazy || often(r, 10));
    if (!broken(r))
        sync_watches(n);
    n->busy_until = r->net.now;
    if (!n->exact && often(r, 10))
        n->busy_until += chance(r, 50 * NET_MS);
}

/* ---- a handle's life -------------------------------------------------- */

static void feed_start(struct node *n, int kind)
{
    struct feed *f = &n->feeds[kind];
    if (f->source || !f->wanted)
        return;
    if (cluster_discover(n->c, f->url, &f->source) < 0) {
        if (!*cluster_last_error(n->c) || f->source || !n->run->alloc_faults)
            net_break(&n->run->net.verdict, "memory", "node %d: %s: %s", n->index, f->url, cluster_last_error(n->c));
        return;
    }
    memset(f->seen, 0, sizeof f->seen);
    f->once = f->paused = false;
    f->state = CLUSTER_SOURCE_STARTING;
    f->rounds = 0;
    f->rounds_at = n->run->net.now;
    if (kind == STATIC) {
        f->seen[n->run->static_name].listed = true;
        f->seen[n->run->push_names[0]].listed = true;
    }
    if (kind == PUSH)
        memset(n->pushed, 0, sizeof n->pushed);
}

static void node_start(struct node *n)
{
    struct run *r = n->run;
    struct cluster_options o;
    struct cluster_map_options map;
    char error[256] = "";
    int result, i;
    cluster_options_init(&o);
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.shards = 256;
    o.node = *n->name ? n->name : NULL;
    o.zone = *n->zone ? n->zone : NULL;
    o.role = *n->role ? n->role : NULL;
    o.port = n->port;
    o.weight = n->weight;
    o.quorum = 2;
    o.settle = n->index % 2 ? "0" : "2s";
    o.limit_events = n->limit_events;
    o.limit_budget = n->limit_budget;
    o.limit_watches = n->limit_watches;
    o.log_level = CLUSTER_LOG_ERROR;
    o.seed = net_random(&r->chance) | 1;
    o.map = n->has_map ? &map : NULL;
    o.connect = n->connect;
    o.limit_dials = DIALS;
    o.on_leave = "disconnect";
    o.tick = "8s";
    o.allocator = &n->host->allocator;
    o.io = &n->host->io;
    o.error = error;
    o.error_size = sizeof error;
    n->host->inside = true;
    result = cluster_create(&n->c, &o);
    n->host->inside = false;
    if (result < 0) {
        if (n->c || (!r->alloc_faults && !r->hook_faults) || !*error)
            net_break(&r->net.verdict, "memory", "node %d: create failed: %s: %s", n->index, cluster_strerror(result), error);
        if (n->host->memory.live || net_fd_count(n->host))
            net_break(&r->net.verdict, "memory", "node %d: a failed create left something", n->index);
        return;
    }
    net_say(&r->net, "node %d: starts", n->index);
    n->up = true;
    r->starts++;
    n->host->watcher = n;
    n->host->heard = on_heard;
    n->host->names_read = on_names;
    n->host->name_missing = on_missing;
    n->host->dns_read = on_dns;
    n->host->file_read = on_file;
    replay_start(&n->replay, &r->net.verdict, n->index);
    n->told_status = CLUSTER_FORMING;
    n->told_map = 0;
    memset(n->told_up, 0, sizeof n->told_up);
    n->generation = CLUSTER_NEVER;
    n->registered_count = 0;
    n->lost = -1;
    n->spins = 0;
    for (i = 0; i < FEEDS; i++) {
        n->feeds[i].source = NULL;
        feed_start(n, i);
    }
    judge_members(n);
    n->sleep_until = n->busy_until = r->net.now;
}

/* By destroy, or as a process ends that is killed. */
static void node_stop(struct node *n, bool crash)
{
    int i;
    n->run->resyncs += counts_of(n).resyncs;
    net_say(&n->run->net, "node %d: %s", n->index, crash ? "crashes" : "stops");
    if (n->lost >= 0)
        n->host->lost[n->lost] = 0;
    n->lost = -1;
    cluster_map_free(n->held);
    n->held = NULL;
    if (mutate(n->run, "memory") && !crash)
        (void)n->host->allocator.resize(n->host->allocator.ctx, NULL, 0, 10);
    if (!crash) {
        uint64_t moved = n->host->moved;
        n->host->inside = n->host->ending = true;
        cluster_destroy(n->c);
        n->host->inside = n->host->ending = false;
        if (n->host->moved != moved)
            net_break(&n->run->net.verdict, "quiet", "node %d: destroy spoke on the network", n->index);
        net_check_gone(n->host);
    }
    net_host_exit(n->host, crash);
    n->c = NULL;
    n->up = false;
    for (i = 0; i < FEEDS; i++)
        n->feeds[i].source = NULL;
}

/* ---- what happens to them --------------------------------------------- */

static void write_file(struct node *n, bool valid)
{
    struct run *r = n->run;
    char text[1024] = "";
    size_t i, at = 0;
    for (i = 0; i < sizeof r->file_names / sizeof r->file_names[0]; i++)
        if (often(r, 60))
            at += (size_t)snprintf(text + at, sizeof text - at, "%s\n", r->names[r->file_names[i]]);
    if (!valid)
        (void)snprintf(text + at, sizeof text - at, "no node @@\n");
    net_file_put(n->host, "/nodes", text);
    n->host->files[0].error = 0;
}

static void change_epmd(struct run *r, struct net_host *server)
{
    int s = server == r->servers[0] ? 0 : 1, i;
    server->name_count = 0;
    for (i = 0; i < 4; i++) {
        struct net_name *name = &server->names[server->name_count];
        if (!often(r, 60))
            continue;
        (void)snprintf(name->name, sizeof name->name, "%.*s", (int)strcspn(r->names[r->epmd_names[s][i]], "@"),
                       r->names[r->epmd_names[s][i]]);
        name->port = (uint16_t)(9000 + i);
        server->name_count++;
    }
}

static void change_zone(struct run *r, int z)
{
    struct net_zone *zone = &r->net.zones[z];
    int i;
    zone->count = 0;
    zone->gone = often(r, 10);
    for (i = 0; i < ADDRESSES; i++)
        if (often(r, 60)) {
            zone->ip[zone->count][0] = 10;
            zone->ip[zone->count][1] = 5;
            zone->ip[zone->count][2] = (uint8_t)z;
            zone->ip[zone->count++][3] = (uint8_t)i;
        }
}

static void push(struct node *n)
{
    struct run *r = n->run;
    struct cluster_node list[8];
    bool wanted[NAMES];
    uint32_t weights[NAMES];
    size_t count = 0, i;
    int result;
    bool bad = often(r, 20);
    memset(list, 0, sizeof list);
    memset(wanted, 0, sizeof wanted);
    memset(weights, 0, sizeof weights);
    for (i = 0; i < sizeof r->push_names / sizeof r->push_names[0]; i++) {
        if (often(r, 50))
            continue;
        wanted[r->push_names[i]] = true;
        weights[r->push_names[i]] = 1 + (uint32_t)chance(r, 3);
        list[count].size = (uint32_t)sizeof list[count];
        list[count].weight = weights[r->push_names[i]];
        list[count].flags = often(r, 10) ? CLUSTER_NODE_DRAINING : 0;
        list[count].zone = often(r, 50) ? "z1" : NULL;
        list[count].address = often(r, 50) ? "10.9.9.9" : NULL;
        list[count++].name = r->names[r->push_names[i]];
    }
    if (bad) {
        list[count].size = (uint32_t)sizeof list[count];
        list[count++].name = "no node";
    }
    if (count && often(r, 30))
        list[count] = list[0], count++; /* a node named twice */
    result = often(r, 15) ? cluster_source_fail(n->feeds[PUSH].source, CLUSTER_E_IO, "the host's list failed")
                          : (int)(intptr_t)(bad ? 1 : 2);
    if (result <= 0)
        return;
    result = cluster_source_publish(n->feeds[PUSH].source, list, count);
    if (result == 0 && bad)
        net_break(&r->net.verdict, "no_leave_on_failure", "node %d: a list with a bad name was taken", n->index);
    if (result < 0 && !bad && !r->alloc_faults)
        net_break(&r->net.verdict, "converge", "node %d: publish fails: %s", n->index, cluster_last_error(n->c));
    if (result == 0) {
        memcpy(n->pushed, wanted, sizeof wanted);
        memcpy(n->pushed_weight, weights, sizeof weights);
    }
}

/* One thing goes otherwise than before. */
static void act(struct run *r)
{
    struct node *n = &r->nodes[chance(r, (uint64_t)r->node_count)];
    struct net_host *server = r->servers[chance(r, SERVERS)];
    int kind = (int)chance(r, FEEDS), i;
    struct feed *f = &n->feeds[kind];
    uint64_t what = chance(r, 20);
    net_say(&r->net, "node %d: act %d on feed %d", n->index, (int)what, kind);
    switch (what) {
    case 0:
        (chance(r, 3) ? n->host : server)->island = (unsigned)chance(r, 2);
        break;
    case 1:
        r->net.loss = (unsigned)chance(r, 600);
        r->net.duplicate = (unsigned)chance(r, 200);
        r->net.reorder = (unsigned)chance(r, 300);
        r->net.delay = chance(r, 100 * NET_MS);
        break;
    case 2: /* the wall clock is set */
        n->host->wall += (int64_t)chance(r, 600 * NET_SECOND) - (int64_t)(300 * NET_SECOND);
        break;
    case 3:
        if (n->up && often(r, 40))
            node_stop(n, often(r, 50));
        break;
    case 4:
        if (r->hook_faults)
            n->host->fail_permille = often(r, 50) ? 0 : (unsigned)chance(r, 300);
        n->host->fd_limit = often(r, 20) ? 3 + (int)chance(r, 3) : NET_FDS;
        break;
    case 5:
        if (r->alloc_faults)
            n->host->memory.fail_permille = often(r, 50) ? 0 : (unsigned)chance(r, 500);
        break;
    case 6:
        write_file(n, !often(r, 20));
        n->host->files[0].error = often(r, 20) ? CLUSTER_E_PERMISSION : 0;
        if (often(r, 10))
            net_file_put(n->host, "/nodes", NULL);
        break;
    case 7:
        change_epmd(r, server);
        break;
    case 8:
        server->epmd = (enum net_epmd)chance(r, NET_EPMD_KINDS);
        break;
    case 9:
        for (i = 0; i < 3; i++)
            if (n->up && n->feeds[PUSH].source)
                push(n);
        break;
    case 10:
        if (n->up && f->source) {
            f->paused = !f->paused;
            f->rounds_at = r->net.now;
            (void)cluster_source_pause(f->source, f->paused);
        }
        break;
    case 11:
        if (n->up && f->source)
            (void)cluster_source_refresh(f->source);
        break;
    case 12:
        if (n->up && f->source && often(r, 50)) {
            struct cluster_source *gone = f->source;
            f->source = NULL;
            cluster_source_remove(gone);
        } else if (n->up) {
            feed_start(n, kind);
        }
        break;
    case 13:
        if (n->up && n->lost < 0 && n->registered_count) {
            n->lost = n->registered[chance(r, (uint64_t)n->registered_count)].fd;
            n->host->lost[n->lost] = 1;
        }
        break;
    case 14:
        n->host->up = often(r, 60);
        break;
    case 15:
        if (n->up) {
            cluster_map_free(n->held);
            n->held = cluster_current_map(n->c);
        }
        break;
    case 16:
        if (n->busy_until <= r->net.now)
            n->busy_until = r->net.now + chance(r, 3 * NET_SECOND);
        break;
    case 17:
        change_zone(r, (int)chance(r, ZONES));
        break;
    case 18:
        r->resolvers[chance(r, SERVERS)]->dns = (enum net_dns)chance(r, NET_DNS_KINDS);
        break;
    default:
        n->host->shorts = (unsigned)chance(r, 800);
        break;
    }
    if (n->up) {
        judge_members(n);
        if (!broken(r))
            sync_watches(n);
    }
}

static void tend(struct run *r)
{
    int i, k;
    for (i = 0; i < r->node_count; i++) {
        struct node *n = &r->nodes[i];
        if (!n->up && !r->calm && often(r, 30))
            node_start(n);
        for (k = 0; n->up && k < FEEDS; k++)
            if (n->feeds[k].wanted && !n->feeds[k].source && (r->calm || often(r, 20))) {
                feed_start(n, k);
                sync_watches(n);
            }
    }
}

static void become_calm(struct run *r)
{
    int i, k;
    r->calm = true;
    r->net.loss = r->net.duplicate = r->net.reorder = 0;
    r->net.delay = NET_MS;
    for (i = 0; i < r->net.host_count; i++) {
        struct net_host *h = &r->net.hosts[i];
        h->up = true;
        h->wall = 0;
        h->island = mutate(r, "converge") && i == 0 ? 7 : 0;
        h->fail_permille = 0;
        h->memory.fail_permille = 0;
        h->fd_limit = NET_FDS;
    }
    for (i = 0; i < SERVERS; i++) {
        r->servers[i]->epmd = NET_EPMD_ANSWERS;
        r->resolvers[i]->dns = NET_DNS_ANSWERS;
    }
    r->alloc_faults = r->hook_faults = false;
    for (i = 0; i < r->node_count; i++) {
        struct node *n = &r->nodes[i];
        if (!n->host->files[0].version || n->host->files[0].error || strstr(n->host->files[0].text, "no node"))
            write_file(n, true);
        if (!n->up && (i < 2 || often(r, 50)))
            node_start(n);
        for (k = 0; n->up && k < FEEDS; k++)
            if (n->feeds[k].source && n->feeds[k].paused) {
                n->feeds[k].paused = false;
                n->feeds[k].rounds_at = r->net.now;
                (void)cluster_source_pause(n->feeds[k].source, 0);
            }
        if (n->up) {
            judge_members(n);
            sync_watches(n);
        }
    }
    tend(r);
}

/* NULL: all see who is there; else who is seen wrong, and by whom. */
static const char *unlike(struct run *r, struct node **by)
{
    int i, k;
    for (i = 0; i < r->node_count; i++) {
        struct node *n = &r->nodes[i];
        *by = n;
        for (k = 0; n->up && k < r->name_count; k++)
            if (should_be(n, k) != (set_find(&n->replay.is, r->names[k]) != NULL))
                return r->names[k];
        for (k = 0; n->up && k < r->node_count; k++) {
            struct node *o = &r->nodes[k];
            struct copy *m = *o->name ? set_find(&n->replay.is, o->name) : NULL;
            if (m && hears(o, n) && (m->port != o->port || m->weight != o->weight || strcmp(m->zone, o->zone) != 0))
                return o->name;
        }
        for (k = 0; n->up && n->feeds[PUSH].source && k < NAMES; k++) {
            struct copy *m = n->pushed[k] ? set_find(&n->replay.is, r->names[k]) : NULL;
            if (m && k != r->push_names[0] && m->weight != n->pushed_weight[k])
                return r->names[k];
        }
    }
    return NULL;
}

/* ---- a run ------------------------------------------------------------ */

static void make_nodes(struct run *r)
{
    static const char *const groups[] = {
        "gossip:?interval=2s", "gossip:?secret=one&interval=1s", "gossip:233.252.1.40:4000?secret=two&auth=required",
        "gossip:10.0.0.255:4100?broadcast=on&interval=3s", "gossip:?secret=one&interval=1s&if=eth0"};
    static const uint64_t intervals[] = {2, 1, 5, 3, 1};
    static const char *const ways[] = {"off", "off", "on", "keep"};
    char conf[128];
    int first = (int)chance(r, 4), second = (int)chance(r, 4), i, k;
    bool gossip_only = often(r, 30); /* so that many come to the same members */
    r->node_count = 2 + (int)chance(r, NODES - 1);
    for (i = 0; i < r->node_count; i++)
        (void)net_host_add(&r->net);
    for (i = 0; i < SERVERS; i++) {
        r->servers[i] = net_host_add(&r->net);
        r->servers[i]->epmd = NET_EPMD_ANSWERS;
        for (k = 0; k < 4; k++)
            r->epmd_names[i][k] = name_add(r, "e%d@10.0.0.%d", k, r->servers[i]->ip[3]);
        r->resolvers[i] = net_host_add(&r->net);
        r->resolvers[i]->dns = NET_DNS_ANSWERS;
    }
    for (i = 0; i < ZONES; i++) {
        (void)snprintf(r->net.zones[r->net.zone_count++].name, sizeof r->net.zones[i].name, "%c.test", 'a' + i);
        for (k = 0; k < ADDRESSES; k++)
            r->dns_names[i][k] = name_add(r, "d@10.5.%d.%d", i, k);
    }
    r->forged_name = name_add(r, "d@6.6.%d.%d", 6, 6);
    for (i = 0; i < 6; i++)
        r->push_names[i] = name_add(r, "p%d@10.1.0.%d", i, i);
    for (i = 0; i < 6; i++)
        r->file_names[i] = name_add(r, "f%d@10.2.0.%d", i, i);
    r->static_name = name_add(r, "s%d@10.3.0.%d", 1, 1);
    for (i = 0; i < r->node_count; i++) {
        struct node *n = &r->nodes[i];
        struct feed *f = n->feeds;
        int group = often(r, 70) ? first : second;
        n->run = r;
        n->index = i;
        n->host = &r->net.hosts[i];
        n->group = group;
        n->lost = -1;
        r->gossip_names[i] = -1;
        if (often(r, 90)) {
            r->gossip_names[i] = name_add(r, "n%d@10.0.0.%d", i, i + 1);
            memcpy(n->name, r->names[r->gossip_names[i]], sizeof n->name);
            n->port = often(r, 80) ? 9000 + (uint32_t)i : 0;
            n->announces = n->port != 0;
        }
        n->weight = 1 + (uint32_t)chance(r, 3);
        if (often(r, 50))
            (void)snprintf(n->zone, sizeof n->zone, "z%d", (int)chance(r, 3));
        n->has_map = often(r, 70);
        n->drive = (enum drive)chance(r, DRIVES);
        n->exact = often(r, 50);
        n->lazy = often(r, 30);
        n->limit_events = often(r, 40) ? 2 + (uint32_t)chance(r, 6) : 0;
        n->limit_budget = often(r, 40) ? 1 + (uint32_t)chance(r, 5) : 0;
        n->limit_watches = often(r, 20) ? 2 + (uint32_t)chance(r, 2) : 0; /* gossip and epmd: want one each */
        /* Who lists few descriptors has them for his sources; a member that is linked alone is in no map. */
        n->connect = often(r, 40)                          ? "none"
                     : !n->has_map                         ? "host"
                     : n->limit_watches || n->limit_budget ? "none"
                     : often(r, 50)                        ? "tcp"
                                                           : "epmd";
        f[GOSSIP].wanted = often(r, 90);
        (void)snprintf(f[GOSSIP].url, sizeof f->url, "%s", groups[group == 1 && often(r, 50) ? 4 : group]);
        f[GOSSIP].interval = intervals[group] * NET_SECOND;
        f[STATIC].wanted = !gossip_only && often(r, 40);
        (void)snprintf(f[STATIC].url, sizeof f->url, "static:%s,%s", r->names[r->static_name], r->names[r->push_names[0]]);
        f[PUSH].wanted = !gossip_only && often(r, 50);
        (void)snprintf(f[PUSH].url, sizeof f->url, "push:mine");
        f[FILES].wanted = !gossip_only && often(r, 50);
        (void)snprintf(f[FILES].url, sizeof f->url, "file:/nodes?interval=1s");
        f[FILES].interval = NET_SECOND;
        f[EPMD].wanted = !gossip_only && often(r, 40);
        (void)snprintf(f[EPMD].url, sizeof f->url, "epmd:10.0.0.%d,10.0.0.%d?interval=2s&timeout=1s&misses=3",
                       r->servers[0]->ip[3], r->servers[1]->ip[3]);
        f[EPMD].interval = 2 * NET_SECOND;
        f[EPMD].timeout = NET_SECOND;
        f[DNS].wanted = !gossip_only && often(r, 50);
        (void)snprintf(f[DNS].url, sizeof f->url, "dns:a.test,b.test?type=a&node=d&interval=2s&timeout=1s&misses=3&tcp=%s",
                       ways[chance(r, 4)]);
        f[DNS].interval = 2 * NET_SECOND;
        f[DNS].timeout = NET_SECOND;
        if (n->limit_watches && f[DNS].wanted)
            n->limit_watches += 1;
        write_file(n, true);
        (void)snprintf(conf, sizeof conf, "nameserver 10.0.0.%d\nnameserver 10.0.0.%d\n%s", r->resolvers[0]->ip[3],
                       r->resolvers[1]->ip[3], often(r, 50) ? "options rotate\n" : "");
        net_file_put(n->host, "/etc/resolv.conf", conf);
    }
    for (i = 0; i < SERVERS; i++)
        change_epmd(r, r->servers[i]);
    for (i = 0; i < ZONES; i++)
        change_zone(r, i);
}

static void pass_time(struct run *r, uint64_t until)
{
    uint64_t next = net_next(&r->net);
    int i, first = (int)chance(r, (uint64_t)r->node_count);
    for (i = 0; i < r->node_count; i++)
        if (r->nodes[i].up && wake_time(&r->nodes[i]) < next)
            next = wake_time(&r->nodes[i]);
    if (next > until)
        next = until;
    net_advance(&r->net, next);
    for (i = 0; i < r->node_count && !broken(r); i++) {
        struct node *n = &r->nodes[(first + i) % r->node_count];
        if (n->up && wake_time(n) <= r->net.now)
            turn(n);
    }
}

/* What a node has come to, for whoever looks into a failure. */
static void show(struct node *n)
{
    int i;
    net_say(&n->run->net, "node %d %s: %s, %d members, drive %d, %s%s", n->index, n->name, n->up ? "up" : "down",
            n->replay.is.count, (int)n->drive, n->exact ? "exact " : "", n->lazy ? "lazy" : "");
    for (i = 0; n->up && i < n->replay.is.count; i++)
        net_say(&n->run->net, "    %s %s port %u weight %u zone %s role %s", n->replay.is.at[i].name,
                n->replay.is.at[i].address, (unsigned)n->replay.is.at[i].port, (unsigned)n->replay.is.at[i].weight,
                n->replay.is.at[i].zone, n->replay.is.at[i].role);
    for (i = 0; n->up && i < FEEDS; i++)
        if (n->feeds[i].source)
            net_say(&n->run->net, "    %s state %d rounds %lu lists %lu %s", n->feeds[i].url,
                    cluster_source_state(n->feeds[i].source), (unsigned long)cluster_source_rounds(n->feeds[i].source),
                    (unsigned long)cluster_source_count(n->feeds[i].source), cluster_source_why(n->feeds[i].source));
}

static void run_calm(struct run *r)
{
    uint64_t begin = r->net.now, liked = CLUSTER_NEVER;
    struct node *by = NULL;
    const char *who = NULL;
    become_calm(r);
    while (!broken(r)) {
        uint64_t check = r->net.now + NET_SECOND;
        while (r->net.now < check && !broken(r))
            pass_time(r, check);
        tend(r);
        if (broken(r))
            return;
        who = unlike(r, &by);
        if (!who && liked == CLUSTER_NEVER && r->net.now - begin > CALM_HEARD)
            liked = r->net.now;
        if (who && liked != CLUSTER_NEVER && r->net.now - liked > NET_SECOND)
            net_break(&r->net.verdict, "converge", "node %d: %s changes long after all was as it should be", by->index, who);
        if (who)
            liked = CLUSTER_NEVER;
        if (liked != CLUSTER_NEVER && r->net.now - liked >= CALM_STAY)
            return;
        if (liked == CLUSTER_NEVER && r->net.now - begin > CALM_BOUND)
            net_break(&r->net.verdict, "converge", "node %d sees %s %s", by->index, who,
                      should_be(by, name_of(r, who)) ? "not, or not as it is" : "though it is not there");
    }
}

static void run_seed(struct run *r, uint64_t seed, uint64_t steps, const char *mutated, bool verbose)
{
    uint64_t end;
    int i;
    memset(r, 0, sizeof *r);
    net_init(&r->net, seed * UINT64_C(0x9e3779b97f4a7c15) + 1);
    r->net.verbose = verbose ? stdout : NULL;
    r->chance.state = ~seed;
    r->seed = seed;
    r->mutate = mutated;
    r->step_limit = steps;
    r->alloc_faults = often(r, 30);
    r->hook_faults = often(r, 50);
    make_nodes(r);
    end = r->net.now + (10 + chance(r, 110)) * NET_SECOND;
    for (i = 0; i < r->node_count; i++)
        if (often(r, 80))
            node_start(&r->nodes[i]);
    r->next_action = r->net.now;
    while (!broken(r) && r->net.now < end && r->steps < r->step_limit) {
        pass_time(r, r->next_action < end ? r->next_action : end);
        if (r->net.now >= r->next_action && !broken(r)) {
            tend(r);
            act(r);
            r->next_action = r->net.now + chance(r, 300 * NET_MS);
        }
    }
    if (!broken(r))
        run_calm(r);
    for (i = 0; verbose && broken(r) && i < r->node_count; i++)
        show(&r->nodes[i]);
    for (i = 0; i < r->node_count; i++)
        if (r->nodes[i].up)
            node_stop(&r->nodes[i], broken(r) && !mutated);
    for (i = 0; i < r->node_count; i++)
        r->failures += r->nodes[i].host->failed + r->nodes[i].host->memory.failed;
    net_free(&r->net);
    free(r->fingerprints);
}

/* ---- the program ------------------------------------------------------ */

static int usage(void)
{
    (void)fprintf(stderr, "usage: sim [--seeds N] [--seed S] [--steps N] [--mutate LAW] [--verbose]\n");
    return 2;
}

/* Every law can be broken, and is then seen to be. */
static bool check_law(struct run *r, const char *law, uint64_t steps)
{
    uint64_t seed;
    for (seed = 1; seed <= 40; seed++) {
        run_seed(r, seed, steps, law, false);
        if (r->net.verdict.law && strcmp(r->net.verdict.law, law) == 0)
            return true;
    }
    (void)printf("FAIL law=%s: its violation is not seen\n", law);
    return false;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 200, first = 1, steps = 20000, seed, total = 0, starts = 0, resyncs = 0, failures = 0;
    const char *mutated = NULL;
    bool verbose = false, one = false;
    unsigned passed = 0, failed = 0;
    struct run *r = (struct run *)net_need(calloc(1, sizeof *r));
    size_t k;
    int i;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            seeds = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[++i], NULL, 10);
            one = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--steps") == 0) {
            steps = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--mutate") == 0) {
            mutated = argv[++i];
        } else {
            free(r);
            return usage();
        }
    }
    for (k = 0; mutated && k < LAWS && strcmp(mutated, laws[k]) != 0; k++)
        continue;
    if (mutated && k == LAWS) {
        free(r);
        return usage();
    }
    if (one)
        seeds = 1;
    if (mutated || !one) {
        for (k = 0; k < LAWS; k++)
            if (!mutated || strcmp(mutated, laws[k]) == 0) {
                if (check_law(r, laws[k], steps))
                    passed++;
                else
                    failed++;
            }
        (void)printf("%u laws can be seen broken\n", passed);
    }
    if (!mutated) {
        for (seed = first; seed < first + seeds; seed++) {
            run_seed(r, seed, steps, NULL, verbose);
            total += r->steps;
            starts += r->starts;
            resyncs += r->resyncs;
            failures += r->failures;
            if (r->net.verdict.law) {
                failed++;
                (void)printf("FAIL law=%s seed=%lu: %s\n     repeat with: %s --seed %lu --steps %lu --verbose\n",
                             r->net.verdict.law, (unsigned long)seed, r->net.verdict.text, argv[0], (unsigned long)seed,
                             (unsigned long)steps);
            } else {
                passed++;
            }
            if (!one && (seed - first + 1) % 50 == 0)
                (void)printf("%lu seeds: %lu steps, %lu handles, %lu failed calls, %lu resyncs\n",
                             (unsigned long)(seed - first + 1), (unsigned long)total, (unsigned long)starts,
                             (unsigned long)failures, (unsigned long)resyncs);
            (void)fflush(stdout);
        }
        if (!one) { /* a seed says everything */
            uint64_t trace;
            run_seed(r, first, steps, NULL, false);
            trace = r->net.trace;
            run_seed(r, first, steps, NULL, false);
            if (trace == r->net.trace)
                passed++;
            else
                failed++, (void)printf("FAIL seed=%lu does not repeat itself\n", (unsigned long)first);
        }
    }
    (void)printf("%u passed, %u failed\n", passed, failed);
    free(r);
    return failed != 0;
}
