/*
 * Every scenario with its n-th allocation failing, for each n until it passes, and with all from the n-th on; then the same
 * with its n-th call of a hook, in each way in which that hook can fail. After each: nothing crashed or leaked; a call that
 * failed said so and changed nothing; while it fails nobody is lost who was there before and should be there after; and when
 * it no longer fails the handle comes to what it should be.
 *
 *   faults [--scenario NAME [--plan KIND,N,ERROR]] [--verbose]
 */
#define CLUSTER_IMPLEMENTATION
#include "../sim/members.h"

#define WATCHES 64
#define FAULTY (6 * NET_SECOND)    /* how long everything keeps failing */
#define PATIENCE (60 * NET_SECOND) /* and how long recovery may take */

enum plan_kind { CLEAN, MEMORY_ONE, MEMORY_ON, HOOK_ONE, HOOK_ON };

struct plan {
    enum plan_kind kind;
    uint64_t n;
    int error;
};

struct party {
    struct net_host *host;
    struct cluster *c;
    struct replay replay;
    struct pollfd watches[WATCHES];
    int watch_count;
    uint64_t steps_at, steps;
    uint64_t reply;
    int reply_error;
    char reply_text[256];
};

struct world {
    struct net net;
    struct plan plan;
    struct party own, other; /* only the own one's calls fail */
    struct net_host *server;
    bool armed;
    struct set before;
    bool guarded; /* members of before and of `wanted` may not be lost */
    const char *wanted;
};

static bool bad(const struct world *w)
{
    return w->net.verdict.law != NULL;
}

/* ---- failing ---------------------------------------------------------- */

static void arm(struct world *w)
{
    struct net_host *h = w->own.host;
    h->memory.requests = h->calls = 0;
    h->fail_at = h->memory.fail_at = 0;
    if (w->plan.kind == MEMORY_ONE || w->plan.kind == MEMORY_ON)
        h->memory.fail_at = w->plan.n;
    if (w->plan.kind == HOOK_ONE || w->plan.kind == HOOK_ON)
        h->fail_at = w->plan.n;
    h->memory.fail_onward = w->plan.kind == MEMORY_ON;
    h->fail_onward = w->plan.kind == HOOK_ON;
    h->fail_error = w->plan.error;
    w->armed = true;
}

static void disarm(struct world *w)
{
    w->own.host->memory.fail_at = w->own.host->fail_at = 0;
    w->armed = false;
}

static bool failed(const struct world *w)
{
    return w->own.host->failed + w->own.host->memory.failed > 0;
}

/* A call of the API ended so. True: it did what it should. False: it could not, for the fault alone, and may be tried again. */
static bool well(struct world *w, int result, const char *what, uint64_t revision)
{
    struct cluster *c = w->own.c;
    if (result >= 0)
        return true;
    if (!failed(w) || !w->armed)
        net_break(&w->net.verdict, "recover", "%s fails without a fault: %s: %s", what, cluster_strerror(result),
                  c ? cluster_last_error(c) : "");
    if (c && !*cluster_last_error(c))
        net_break(&w->net.verdict, "words", "%s fails without a word", what);
    if (c && cluster_revision(c) != revision)
        net_break(&w->net.verdict, "old_state", "%s fails and changes the members", what);
    disarm(w);
    return bad(w);
}

/* ---- the loop --------------------------------------------------------- */

static bool wants(const char *list, const char *name)
{
    size_t length = strlen(name);
    const char *at = list;
    while ((at = strstr(at, name)) != NULL) {
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
        at += length;
    }
    return false;
}

static void look(struct world *w, struct party *p)
{
    int i;
    (void)replay_look(&p->replay, p->c, false);
    if (p != &w->own || !w->guarded)
        return;
    for (i = 0; i < w->before.count; i++)
        if (wants(w->wanted, w->before.at[i].name) && !set_find(&p->replay.is, w->before.at[i].name))
            net_break(&w->net.verdict, "old_state", "%s is lost", w->before.at[i].name);
    for (i = 0; i < p->replay.is.count; i++)
        if (!wants(w->wanted, p->replay.is.at[i].name) && !set_find(&w->before, p->replay.is.at[i].name))
            net_break(&w->net.verdict, "old_state", "%s comes from nowhere", p->replay.is.at[i].name);
}

static void drain(struct world *w, struct party *p)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(p->c)) != NULL) {
        replay_event(&p->replay, p->c, e);
        if (e->type == CLUSTER_CONNECT || e->type == CLUSTER_DISCONNECT) { /* what could not be reported is asked for again */
            (void)cluster_report(p->c, e->member->name, e->type == CLUSTER_CONNECT ? CLUSTER_REPORT_UP : CLUSTER_REPORT_DOWN,
                                 0);
            look(w, p);
        }
        if (e->type == CLUSTER_REPLY) {
            p->reply = e->request;
            p->reply_error = e->error;
            (void)snprintf(p->reply_text, sizeof p->reply_text, "%s", e->text);
        }
    }
    replay_drained(&p->replay);
}

static void watch(struct world *w, struct party *p)
{
    size_t count = cluster_watches(p->c, p->watches, WATCHES), i;
    if (count > WATCHES)
        abort();
    memset(p->host->listed, 0, sizeof p->host->listed);
    for (i = 0; i < count; i++) {
        int fd = p->watches[i].fd;
        if (fd < 0 || fd >= NET_FDS || !p->host->fds[fd])
            net_break(&w->net.verdict, "fds", "descriptor %d is to be watched and is not open", fd);
        else
            p->host->listed[fd] = 1;
    }
    p->watch_count = (int)count;
}

/* One turn of p's loop if there is something to do; when the next one is due. */
static uint64_t turn(struct world *w, struct party *p)
{
    bool due = false;
    int i;
    if (!p->c || bad(w))
        return CLUSTER_NEVER;
    watch(w, p);
    due = cluster_deadline(p->c) <= w->net.now;
    for (i = 0; i < p->watch_count && !bad(w); i++) {
        short wanted = (short)(p->watches[i].events | POLLERR | POLLHUP);
        p->watches[i].revents = (short)(net_readiness(p->host->fds[p->watches[i].fd]) & wanted);
        due = due || p->watches[i].revents;
    }
    if (due && !bad(w)) {
        uint64_t faults = p->host->failed;
        int result;
        p->host->inside = true;
        result = cluster_step(p->c, w->net.now, p->watches, (size_t)p->watch_count);
        p->host->inside = false;
        if (result < 0)
            net_break(&w->net.verdict, "recover", "a step fails: %s", cluster_strerror(result));
        if (w->net.now != p->steps_at)
            p->steps = 0;
        p->steps_at = w->net.now;
        if (++p->steps > 1000)
            net_break(&w->net.verdict, "deadline", "a thousand steps in one moment");
        look(w, p);
        drain(w, p);
        watch(w, p);
        if (p->host->failed != faults) /* it takes time, else what is ready and cannot be read would be so for ever */
            net_advance(&w->net, w->net.now + 5 * NET_MS);
        return w->net.now;
    }
    return cluster_deadline(p->c);
}

static void run_until(struct world *w, uint64_t until)
{
    for (;;) {
        uint64_t a = turn(w, &w->own), b = turn(w, &w->other), next = net_next(&w->net);
        next = a < next ? a : next;
        next = b < next ? b : next;
        if (bad(w) || w->net.now > until || (w->net.now == until && next > until))
            return;
        net_advance(&w->net, next < until ? next : until);
    }
}

static bool all_there(struct party *p, const char *wanted)
{
    char name[NAME_SIZE];
    const char *at = wanted;
    int count = 0, i;
    while (*at) {
        size_t length = strcspn(at, " ");
        (void)snprintf(name, sizeof name, "%.*s", (int)length, at);
        count++;
        at += length + (at[length] == ' ');
        if (!set_find(&p->replay.is, name))
            return false;
    }
    for (i = 0; i < p->replay.is.count; i++)
        if (!wants(wanted, p->replay.is.at[i].name))
            return false;
    return count == p->replay.is.count;
}

/* The map is of the members, and what anybody else makes of them. */
static bool map_is_right(struct party *p)
{
    struct cluster_node nodes[MEMBERS];
    struct cluster_map_options options;
    struct cluster_map *is = cluster_current_map(p->c), *should = NULL;
    bool right;
    int i;
    if (!is)
        return true;
    memset(nodes, 0, sizeof nodes);
    memset(&options, 0, sizeof options);
    options.size = (uint32_t)sizeof options;
    options.shards = 64;
    for (i = 0; i < p->replay.is.count; i++) {
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = p->replay.is.at[i].name;
        nodes[i].weight = p->replay.is.at[i].weight;
        nodes[i].zone = p->replay.is.at[i].zone;
    }
    right = cluster_map_build(&should, nodes, (size_t)p->replay.is.count, &options) == 0 &&
            cluster_map_fingerprint(is) == cluster_map_fingerprint(should);
    cluster_map_free(is);
    cluster_map_free(should);
    return right;
}

/* The own handle comes to these members, names in any order with one blank between; at the latest when nothing fails. */
static void expect(struct world *w, const char *wanted)
{
    uint64_t begin = w->net.now, calm = w->armed ? begin + FAULTY : begin;
    if (bad(w))
        return;
    w->before = w->own.replay.is;
    w->wanted = wanted;
    w->guarded = true;
    look(w, &w->own);
    while (!bad(w) &&
           !(all_there(&w->own, wanted) && map_is_right(&w->own) && (!w->other.c || w->other.replay.is.count == 2))) {
        if (w->net.now >= calm && failed(w))
            disarm(w);
        if (w->net.now > calm + PATIENCE)
            net_break(&w->net.verdict, "recover", "%d members, not '%s'", w->own.replay.is.count, wanted);
        run_until(w, w->net.now + NET_SECOND / 10);
    }
    w->guarded = false;
}

/* So many members come to be up, at the latest when nothing fails; the members are those that were expected last. */
static void expect_up(struct world *w, size_t wanted)
{
    uint64_t begin = w->net.now, calm = w->armed ? begin + FAULTY : begin;
    size_t up = wanted + 1, i;
    while (!bad(w) && up != wanted) {
        if (w->net.now >= calm && failed(w))
            disarm(w);
        run_until(w, w->net.now + NET_SECOND / 10);
        for (up = i = 0; i < cluster_member_count(w->own.c); i++)
            up += cluster_member_at(w->own.c, i)->state == CLUSTER_MEMBER_UP;
        if (w->net.now > calm + PATIENCE && up != wanted)
            net_break(&w->net.verdict, "recover", "%lu members are up, not %lu", (unsigned long)up, (unsigned long)wanted);
    }
}

/* ---- what scenarios are made of --------------------------------------- */

struct wish {
    const char *node;
    bool map;
    uint32_t limit_events;
    const char *connect;
};

static void start(struct world *w, struct party *p, struct wish wish)
{
    struct cluster_options o;
    struct cluster_map_options map;
    char error[256];
    int result;
    cluster_options_init(&o);
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.shards = 64;
    o.node = wish.node;
    o.port = 9000;
    o.zone = "z1";
    o.role = "worker";
    o.limit_events = wish.limit_events;
    o.connect = wish.connect;
    o.on_leave = "disconnect";
    o.tick = "8s";
    o.backoff = "200ms..4s";
    o.log_level = CLUSTER_LOG_ERROR;
    o.map = wish.map ? &map : NULL;
    o.allocator = &p->host->allocator;
    o.io = &p->host->io;
    o.error = error;
    o.error_size = sizeof error;
    do {
        error[0] = '\0';
        p->host->inside = true;
        result = cluster_create(&p->c, &o);
        p->host->inside = false;
        if (result < 0 && (p->c || !*error))
            net_break(&w->net.verdict, "words", "create fails without a word");
        if (result < 0)
            net_check_gone(p->host);
    } while (!well(w, result, "create", 0));
    replay_start(&p->replay, &w->net.verdict, p->host->index);
    if (result == 0)
        look(w, p);
}

static struct cluster_source *discover(struct world *w, struct party *p, const char *url)
{
    struct cluster_source *s = NULL;
    int result;
    uint64_t revision;
    if (bad(w))
        return NULL;
    do {
        revision = cluster_revision(p->c);
        p->host->inside = true; /* name@auto asks for the interfaces */
        result = cluster_discover(p->c, url, &s);
        p->host->inside = false;
        if (result < 0 && s)
            net_break(&w->net.verdict, "old_state", "a failed discover gives a source");
    } while (!well(w, result, url, revision));
    look(w, p);
    return s;
}

static void publish(struct world *w, struct cluster_source *s, const char *const *names, size_t count)
{
    struct cluster_node nodes[32];
    uint64_t revision;
    size_t i;
    int result;
    if (bad(w))
        return;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < count; i++) {
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
        nodes[i].zone = "z2";
        nodes[i].role = "a role";
    }
    do {
        revision = cluster_revision(w->own.c);
        result = cluster_source_publish(s, nodes, count);
    } while (!well(w, result, "publish", revision));
    w->guarded = false;
    look(w, &w->own);
}

/* ---- scenarios -------------------------------------------------------- */

static const struct wish plain = {"a@10.0.0.1", false, 0, NULL}, mapped = {"a@10.0.0.1", true, 0, NULL},
                         observer = {NULL, true, 0, NULL};

static void create_all(struct world *w)
{
    start(w, &w->own, mapped);
    expect(w, "a@10.0.0.1");
}

static void name_auto(struct world *w)
{
    struct wish wish = {"a@auto", true, 0, NULL};
    start(w, &w->own, wish);
    (void)discover(w, &w->own, "static:b@10.0.0.7");
    expect(w, "a@10.0.0.1 b@10.0.0.7");
}

static void static_list(struct world *w)
{
    struct cluster_source *s;
    start(w, &w->own, mapped);
    s = discover(w, &w->own, "static:b@h1,c@h2,d@h3?zone=z7&role=r%20x&weight=3&port=99&only=*@h1,*@h2");
    expect(w, "a@10.0.0.1 b@h1 c@h2");
    (void)discover(w, &w->own, "static:c@h2,e@h5?weight=2");
    expect(w, "a@10.0.0.1 b@h1 c@h2 e@h5");
    if (s && !bad(w))
        cluster_source_remove(s);
    if (!bad(w))
        look(w, &w->own);
    expect(w, "a@10.0.0.1 c@h2 e@h5");
}

static void pushed(struct world *w)
{
    static const char *const first[] = {"b@h1", "c@h2", "d@h3"}, *const second[] = {"c@h2", "e@h4"};
    struct cluster_source *s;
    start(w, &w->own, mapped);
    s = discover(w, &w->own, "push:mine");
    publish(w, s, first, 3);
    expect(w, "a@10.0.0.1 b@h1 c@h2 d@h3");
    publish(w, s, second, 2);
    expect(w, "a@10.0.0.1 c@h2 e@h4");
    if (!bad(w))
        (void)cluster_source_fail(s, CLUSTER_E_IO, "no list");
    expect(w, "a@10.0.0.1 c@h2 e@h4");
    publish(w, s, second, 0);
    expect(w, "a@10.0.0.1");
}

static void overflow(struct world *w)
{
    static const char *const many[] = {"b@h1", "c@h1", "d@h1", "e@h1", "f@h1", "g@h1", "h@h1", "i@h1", "j@h1", "k@h1"};
    struct wish wish = {"a@h0", true, 2, NULL};
    struct cluster_source *s;
    start(w, &w->own, wish);
    s = discover(w, &w->own, "push:mine");
    publish(w, s, many, 10);
    expect(w, "a@h0 b@h1 c@h1 d@h1 e@h1 f@h1 g@h1 h@h1 i@h1 j@h1 k@h1");
    publish(w, s, many + 5, 5);
    publish(w, s, many + 4, 5);
    expect(w, "a@h0 f@h1 g@h1 h@h1 i@h1 j@h1");
}

static void file_list(struct world *w)
{
    start(w, &w->own, mapped);
    net_file_put(w->own.host, "/nodes", "b@h1\nc@h2\n");
    (void)discover(w, &w->own, "file:/nodes?interval=1s");
    expect(w, "a@10.0.0.1 b@h1 c@h2");
    net_file_put(w->own.host, "/nodes", "b@h1\nno node\n");
    run_until(w, w->net.now + 3 * NET_SECOND);
    expect(w, "a@10.0.0.1 b@h1 c@h2");
    net_file_put(w->own.host, "/nodes", "# comment\nd@h3\nb@h1\n");
    expect(w, "a@10.0.0.1 b@h1 d@h3");
}

static void set_names(struct world *w, const char *const *names, int count)
{
    int i;
    w->server->epmd = NET_EPMD_ANSWERS;
    w->server->name_count = count;
    for (i = 0; i < count; i++) {
        (void)snprintf(w->server->names[i].name, sizeof w->server->names[i].name, "%s", names[i]);
        w->server->names[i].port = (uint16_t)(7000 + i);
    }
}

static void epmd(struct world *w)
{
    static const char *const first[] = {"b", "c", "d"}, *const second[] = {"c", "e"};
    set_names(w, first, 3);
    start(w, &w->own, mapped);
    (void)discover(w, &w->own, "epmd:10.0.0.3?interval=1s&timeout=1s&misses=2");
    expect(w, "a@10.0.0.1 b@10.0.0.3 c@10.0.0.3 d@10.0.0.3");
    set_names(w, second, 2);
    expect(w, "a@10.0.0.1 c@10.0.0.3 e@10.0.0.3");
}

static void epmd_by_name(struct world *w)
{
    static const char *const first[] = {"b", "c"};
    set_names(w, first, 2);
    start(w, &w->own, plain);
    net_file_put(w->own.host, "/etc/hosts", "127.0.0.1 localhost\n10.0.0.3 server\n");
    (void)discover(w, &w->own, "epmd:server?interval=1s&timeout=1s&name=c");
    expect(w, "a@10.0.0.1 c@server");
}

/* A host that connects by itself, and disconnects from who leaves. */
static void connect_host(struct world *w)
{
    static const char *const first[] = {"b@h1", "c@h2"}, *const second[] = {"c@h2", "d@h3"};
    struct wish wish = {"a@10.0.0.1", false, 0, "host"};
    struct cluster_source *s;
    start(w, &w->own, wish);
    s = discover(w, &w->own, "push:mine");
    publish(w, s, first, 2);
    expect(w, "a@10.0.0.1 b@h1 c@h2");
    expect_up(w, 2);
    publish(w, s, second, 2);
    expect(w, "a@10.0.0.1 c@h2 d@h3");
    expect_up(w, 2);
}

/* The server answers for web.test with these hosts of 10.5.0.0, and is the only one of resolv.conf. */
static void set_zone(struct world *w, enum net_dns how, const char *hosts)
{
    struct net_zone *zone = &w->net.zones[0];
    char conf[64];
    w->server->dns = how;
    w->net.zone_count = 1;
    (void)snprintf(zone->name, sizeof zone->name, "web.test");
    for (zone->count = 0; hosts[zone->count]; zone->count++) {
        memcpy(zone->ip[zone->count], "\x0a\5\0", 3);
        zone->ip[zone->count][3] = (uint8_t)(hosts[zone->count] - '0');
    }
    (void)snprintf(conf, sizeof conf, "nameserver 10.0.0.%d\noptions timeout:1\n", w->server->ip[3]);
    net_file_put(w->own.host, "/etc/resolv.conf", conf);
}

static void with_dns(struct world *w, enum net_dns how, const char *url)
{
    set_zone(w, how, "123");
    start(w, &w->own, mapped);
    (void)discover(w, &w->own, url);
    expect(w, "a@10.0.0.1 n@10.5.0.1 n@10.5.0.2 n@10.5.0.3");
    set_zone(w, how, "25");
    expect(w, "a@10.0.0.1 n@10.5.0.2 n@10.5.0.5");
    set_zone(w, NET_DNS_SERVFAIL, "");
    run_until(w, w->net.now + 4 * NET_SECOND);
    expect(w, "a@10.0.0.1 n@10.5.0.2 n@10.5.0.5");
    set_zone(w, how, "");
    expect(w, "a@10.0.0.1");
}

static void dns_udp(struct world *w)
{
    with_dns(w, NET_DNS_FORGED, "dns:web.test?type=a&node=n&interval=1s&timeout=2s&misses=2");
}

static void dns_truncated(struct world *w)
{
    with_dns(w, NET_DNS_TRUNCATES, "dns:web.test?type=a&node=n&interval=1s&timeout=2s&misses=2");
}

static void dns_tcp(struct world *w)
{
    with_dns(w, NET_DNS_ANSWERS, "dns:web.test?type=a&node=n&interval=1s&timeout=2s&misses=2&tcp=keep");
}

static void dns_hosts(struct world *w)
{
    set_zone(w, NET_DNS_ANSWERS, "12");
    start(w, &w->own, plain);
    net_file_put(w->own.host, "/etc/hosts", "127.0.0.1 localhost\n10.6.0.1 db\n10.6.0.2 db\n");
    (void)discover(w, &w->own, "dns:db,web@web.test?type=a&node=n&interval=1s&timeout=2s&hosts=on");
    expect(w, "a@10.0.0.1 n@10.6.0.1 n@10.6.0.2 web@10.5.0.1 web@10.5.0.2");
}

static void epmd_in_dns(struct world *w)
{
    static const char *const first[] = {"b", "c"};
    set_names(w, first, 2);
    set_zone(w, NET_DNS_ANSWERS, "9");
    memcpy(w->net.zones[0].ip[0], w->server->ip, 4);
    start(w, &w->own, plain);
    (void)discover(w, &w->own, "epmd:web.test?interval=1s&timeout=2s");
    expect(w, "a@10.0.0.1 b@web.test c@web.test");
}

/* The epmd of a host that is a name of DNS is asked again and again. */
static void connect_epmd(struct world *w)
{
    static const char *const first[] = {"b", "c"};
    struct wish wish = {"a@10.0.0.1", false, 0, "epmd"};
    set_names(w, first, 2);
    set_zone(w, NET_DNS_ANSWERS, "9");
    memcpy(w->net.zones[0].ip[0], w->server->ip, 4);
    start(w, &w->own, wish);
    (void)discover(w, &w->own, "static:b@web.test,c@web.test,d@10.0.0.3");
    expect(w, "a@10.0.0.1 b@web.test c@web.test d@10.0.0.3");
    expect_up(w, 2);
    set_names(w, first, 1);
    expect_up(w, 1);
}

static void with_gossip(struct world *w, const char *url)
{
    struct wish wish = {"b@10.0.0.2", false, 0, NULL};
    net_file_put(w->own.host, "/secret", "hush\n");
    net_file_put(w->other.host, "/secret", "hush\n");
    start(w, &w->own, mapped);
    start(w, &w->other, wish);
    (void)discover(w, &w->other, url);
    (void)discover(w, &w->own, url);
    expect(w, "a@10.0.0.1 b@10.0.0.2");
    run_until(w, w->net.now + 2 * NET_SECOND);
    if (w->armed)
        run_until(w, w->net.now + FAULTY);
    expect(w, "a@10.0.0.1 b@10.0.0.2");
}

static void gossip(struct world *w)
{
    with_gossip(w, "gossip:?interval=1s&if=eth0");
}

static void gossip_secret(struct world *w)
{
    with_gossip(w, "gossip:?interval=1s&secret-file=%2Fsecret&auth=required");
}

static void gossip_broadcast(struct world *w)
{
    with_gossip(w, "gossip:10.0.0.255:4000?interval=1s&broadcast=on&secret=hush");
}

static void mixed(struct world *w)
{
    static const char *const first[] = {"b"};
    struct cluster_source *s;
    set_names(w, first, 1);
    start(w, &w->own, observer);
    net_file_put(w->own.host, "/nodes", "c@h2\n");
    s = discover(w, &w->own, "file:/nodes?interval=1s");
    (void)discover(w, &w->own, "epmd:10.0.0.3?interval=2s");
    (void)discover(w, &w->own, "static:d@h4");
    expect(w, "b@10.0.0.3 c@h2 d@h4");
    if (!bad(w)) {
        (void)cluster_source_pause(s, 1);
        net_file_put(w->own.host, "/nodes", "e@h2\n");
        run_until(w, w->net.now + 3 * NET_SECOND);
    }
    expect(w, "b@10.0.0.3 c@h2 d@h4");
    if (!bad(w)) {
        (void)cluster_source_pause(s, 0);
        (void)cluster_source_refresh(s);
    }
    expect(w, "b@10.0.0.3 d@h4 e@h2");
}

/* A reply comes to every request that was taken; without a fault it is the right one. */
static void ask(struct world *w, int (*call)(struct cluster *, const char *, uint64_t *), const char *what, int error,
                const char *answer)
{
    uint64_t request = 0, begin;
    for (;;) {
        if (bad(w))
            return;
        while (!well(w, call(w->own.c, what, &request), what, cluster_revision(w->own.c)))
            continue;
        if (bad(w))
            return;
        begin = w->net.now;
        while (!bad(w) && w->own.reply != request && w->net.now < begin + 20 * NET_SECOND)
            run_until(w, w->net.now + NET_SECOND / 10);
        if (w->own.reply != request)
            net_break(&w->net.verdict, "recover", "no reply about %s", what);
        if (w->own.reply_error == error && (error || strcmp(w->own.reply_text, answer) == 0))
            return;
        if (!w->armed || !failed(w) || !w->own.reply_error) {
            net_break(&w->net.verdict, "recover", "about %s the reply is %s: '%s'", what, cluster_strerror(w->own.reply_error),
                      w->own.reply_text);
            return;
        }
        disarm(w);
        run_until(w, w->net.now + 6 * NET_SECOND); /* what was read while it failed is looked at again by then */
    }
}

static int resolve(struct cluster *c, const char *what, uint64_t *request)
{
    return cluster_resolve(c, what, "a", request);
}

static void dns_queries(struct world *w)
{
    set_zone(w, NET_DNS_ANSWERS, "12");
    start(w, &w->own, plain);
    ask(w, resolve, "web.test", 0, "10.5.0.1\n10.5.0.2\n");
    ask(w, resolve, "gone.test", CLUSTER_E_NOT_FOUND, "");
    ask(w, resolve, "web.test?tcp=on", 0, "10.5.0.1\n10.5.0.2\n");
    expect(w, "a@10.0.0.1");
}

static void queries(struct world *w)
{
    static const char *const names[] = {"b", "c"};
    set_names(w, names, 2);
    start(w, &w->own, plain);
    ask(w, cluster_epmd_names, "10.0.0.3", 0, "b 7000\nc 7001\n");
    ask(w, cluster_epmd_port, "c@10.0.0.3", 0, "7001");
    ask(w, cluster_epmd_port, "x@10.0.0.3", CLUSTER_E_NOT_FOUND, "");
    expect(w, "a@10.0.0.1");
}

/* A strategy of the host's own, through every door that there is: it asks itself over UDP for its list. */
struct mine {
    struct cluster_source *s;
    int fd;
    struct cluster_address to;
};

static int mine_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const struct cluster_allocator *a = cluster_source_allocator(s);
    struct mine *m = (struct mine *)a->resize(a->ctx, NULL, 0, sizeof *m);
    (void)ctx;
    (void)target;
    if (!m)
        return CLUSTER_E_MEMORY;
    memset(m, 0, sizeof *m);
    m->s = s;
    m->fd = -1;
    *state = m;
    return 0;
}

static void mine_close(void *state)
{
    struct mine *m = (struct mine *)state;
    const struct cluster_allocator *a = cluster_source_allocator(m->s);
    (void)a->resize(a->ctx, m, sizeof *m, 0);
}

static int mine_give_up(struct mine *m, int error)
{
    if (m->fd >= 0)
        (void)cluster_source_close(m->s, m->fd);
    m->fd = -1;
    return error;
}

static int mine_round(void *state, uint64_t now)
{
    struct mine *m = (struct mine *)state;
    const struct cluster_io *io = cluster_source_io(m->s);
    uint8_t noise[300];
    int result;
    (void)mine_give_up(m, 0);
    result = cluster_source_random(m->s, noise, sizeof noise);
    if (result < 0)
        return result;
    m->fd = cluster_source_open(m->s, CLUSTER_UDP, 4);
    if (m->fd < 0)
        return m->fd;
    m->to.family = 4;
    m->to.port = 5000;
    result = io->bind(io->ctx, m->fd, &m->to, CLUSTER_IO_REUSE);
    if (result == 0)
        result = cluster_source_watch(m->s, m->fd, POLLIN);
    if (result == 0)
        result = cluster_source_timer(m->s, now + 10 * NET_MS);
    return result < 0 ? mine_give_up(m, result) : 0;
}

static int mine_ready(void *state, int fd, int revents, uint64_t now)
{
    struct mine *m = (struct mine *)state;
    struct cluster_node node;
    char buffer[64];
    int64_t size;
    (void)revents;
    (void)now;
    if (m->fd < 0)
        return 0;
    if (fd < 0) {
        struct cluster_address to = m->to;
        memcpy(to.bytes, "\x7f\0\0\1", 4);
        size = cluster_source_send(m->s, m->fd, "x@h1", 4, &to);
        return size < 0 && size != CLUSTER_E_AGAIN ? mine_give_up(m, (int)size) : 0;
    }
    for (;;) {
        size = cluster_source_recv(m->s, fd, buffer, sizeof buffer - 1, NULL);
        if (size == CLUSTER_E_AGAIN)
            return 0;
        if (size < 0)
            return mine_give_up(m, (int)size);
        buffer[size] = '\0';
        memset(&node, 0, sizeof node);
        node.size = (uint32_t)sizeof node;
        node.name = buffer;
        size = cluster_source_publish(m->s, &node, 1);
        (void)mine_give_up(m, 0);
        return (int)size;
    }
}

static void own_strategy(struct world *w)
{
    struct cluster_strategy strategy;
    uint64_t revision;
    memset(&strategy, 0, sizeof strategy);
    strategy.size = (uint32_t)sizeof strategy;
    strategy.open = mine_open;
    strategy.round = mine_round;
    strategy.ready = mine_ready;
    strategy.close = mine_close;
    strategy.options = "color";
    start(w, &w->own, mapped);
    do
        revision = cluster_revision(w->own.c);
    while (!well(w, cluster_strategy_register(w->own.c, "mine", &strategy, w), "register", revision));
    (void)discover(w, &w->own, "mine:here?interval=1s&timeout=1s&color=red");
    expect(w, "a@10.0.0.1 x@h1");
}

static void maps(struct world *w)
{
    static const char *const names[] = {"a@h1", "b@h2", "c@h3", "d@h4", "e@h5"};
    struct cluster_node nodes[5];
    struct cluster_map_options options;
    struct cluster_map *first = NULL, *second = NULL;
    struct cluster_move moves[64];
    size_t i;
    int result;
    memset(nodes, 0, sizeof nodes);
    memset(&options, 0, sizeof options);
    options.size = (uint32_t)sizeof options;
    options.shards = 64;
    for (i = 0; i < 5; i++) {
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
        nodes[i].weight = (uint32_t)i;
    }
    do {
        result = cluster_map_build_in(&first, nodes, 5, &options, &w->own.host->allocator);
        if (result < 0 && first)
            net_break(&w->net.verdict, "old_state", "a failed build gives a map");
    } while (!well(w, result, "build", 0));
    do
        result = cluster_map_build_in(&second, nodes, 4, &options, &w->own.host->allocator);
    while (!well(w, result, "build", 0));
    if (!bad(w) && cluster_map_plan(first, second, moves, 64) == 0)
        net_break(&w->net.verdict, "recover", "nothing moves when a node goes");
    cluster_map_free(first);
    cluster_map_free(second);
}

static const struct scenario {
    const char *name;
    void (*run)(struct world *);
} scenarios[] = {{"create", create_all},
                 {"name_auto", name_auto},
                 {"static", static_list},
                 {"push", pushed},
                 {"overflow", overflow},
                 {"file", file_list},
                 {"connect_host", connect_host},
                 {"connect_epmd", connect_epmd},
                 {"epmd", epmd},
                 {"epmd_by_name", epmd_by_name},
                 {"epmd_in_dns", epmd_in_dns},
                 {"dns_udp", dns_udp},
                 {"dns_truncated", dns_truncated},
                 {"dns_tcp", dns_tcp},
                 {"dns_hosts", dns_hosts},
                 {"dns_queries", dns_queries},
                 {"gossip", gossip},
                 {"gossip_secret", gossip_secret},
                 {"gossip_broadcast", gossip_broadcast},
                 {"mixed", mixed},
                 {"queries", queries},
                 {"own_strategy", own_strategy},
                 {"maps", maps}};

/* ---- the program ------------------------------------------------------ */

static void finish(struct world *w, struct party *p)
{
    if (!p->c)
        return;
    p->host->inside = p->host->ending = true;
    cluster_destroy(p->c);
    p->host->inside = p->host->ending = false;
    p->c = NULL;
    if (!bad(w))
        net_check_gone(p->host);
}

struct outcome {
    bool good, reached; /* reached: the fault was met */
    enum net_hook hook;
};

static struct outcome run(const struct scenario *s, struct plan plan, bool verbose)
{
    static const char *const kinds[] = {"no fault", "allocation", "allocations on from", "hook call", "hook calls on from"};
    struct world *w = (struct world *)net_need(calloc(1, sizeof *w));
    struct outcome out;
    net_init(&w->net, 1);
    w->net.verbose = verbose ? stdout : NULL;
    w->plan = plan;
    w->own.host = net_host_add(&w->net);
    w->other.host = net_host_add(&w->net);
    w->server = net_host_add(&w->net);
    arm(w);
    s->run(w);
    finish(w, &w->other);
    finish(w, &w->own);
    if (!bad(w))
        net_check_gone(w->own.host);
    out.good = !bad(w);
    out.reached = failed(w);
    out.hook = w->own.host->failed_hook;
    if (bad(w))
        (void)printf("FAIL scenario=%s: %s: %s\n     with %s %lu%s%s\n     repeat with: faults --scenario %s --plan %d,%lu,%d "
                     "--verbose\n",
                     s->name, w->net.verdict.law, w->net.verdict.text, kinds[plan.kind], (unsigned long)plan.n,
                     out.reached && plan.kind >= HOOK_ONE ? ", " : "",
                     out.reached && plan.kind >= HOOK_ONE ? net_hook_names[out.hook] : "", s->name, (int)plan.kind,
                     (unsigned long)plan.n, plan.error);
    net_free(&w->net);
    free(w);
    return out;
}

static int errors_of(enum net_hook hook)
{
    int count = 0;
    while (net_hook_errors[hook][count])
        count++;
    return count;
}

/* All runs of one kind of fault: how many passed and failed. */
static void sweep(const struct scenario *s, enum plan_kind kind, bool verbose, unsigned *passed, unsigned *failures)
{
    struct plan plan;
    bool more = true;
    plan.kind = kind;
    for (plan.n = 1; more && plan.n < 5000; plan.n++) {
        int errors = 1;
        for (plan.error = 0; plan.error < errors; plan.error++) {
            struct outcome o = run(s, plan, verbose);
            ++*(o.good ? passed : failures);
            if (plan.error == 0)
                more = o.reached || (kind >= HOOK_ONE && plan.n < 400 && !o.good);
            if (o.reached && kind == HOOK_ONE)
                errors = errors_of(o.hook);
            if (o.reached && kind == HOOK_ON)
                errors = 7;
        }
    }
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    bool verbose = false, one = false;
    unsigned passed = 0, failures = 0;
    struct plan plan = {CLEAN, 0, 0};
    size_t i;
    int k;
    for (k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--verbose") == 0) {
            verbose = true;
        } else if (k + 1 < argc && strcmp(argv[k], "--scenario") == 0) {
            only = argv[++k];
        } else if (k + 1 < argc && strcmp(argv[k], "--plan") == 0) {
            char *at = argv[++k];
            plan.kind = (enum plan_kind)strtoul(at, &at, 10);
            plan.n = strtoul(at + (*at == ','), &at, 10);
            plan.error = (int)strtoul(at + (*at == ','), &at, 10);
            one = true;
        } else {
            (void)fprintf(stderr, "usage: faults [--scenario NAME [--plan KIND,N,ERROR]] [--verbose]\n");
            return 2;
        }
    }
    for (i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        unsigned before = passed;
        if (only && strcmp(only, scenarios[i].name) != 0)
            continue;
        if (!run(&scenarios[i], plan, verbose).good) {
            failures++;
            continue;
        }
        passed++;
        for (k = one ? HOOK_ON + 1 : MEMORY_ONE; k <= HOOK_ON; k++)
            sweep(&scenarios[i], (enum plan_kind)k, verbose, &passed, &failures);
        (void)printf("%-16s %u runs passed\n", scenarios[i].name, passed - before);
        (void)fflush(stdout);
    }
    (void)printf("%u passed, %u failed\n", passed, failures);
    return failures != 0;
}
