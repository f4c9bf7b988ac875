/*
 * Split brain, many times over: five nodes of which one may write, on the virtual network of net.h, which is cut into halves, while
 * nodes pause, crash and come back, and packets are lost or late. Three ways to say who writes:
 *
 *   count     whoever is the first by name of those it sees, once these are two (quorum_of=count); the store takes every write
 *   ballots   whoever a majority of the fixed list of members voted for; the number of the ballot is the token that the store checks
 *   lease     whoever holds the lease of a server such as etcd; its revision is the token that the store checks
 *
 * Named laws are judged at every step, of count only converge, since to see the others broken is what it is there for:
 *
 *   fence     no write is accepted under a lower token than one accepted before
 *   single    no two nodes ever have the same token
 *   stale     who is cut off from the majority soon marks what it serves as stale, and what is not marked is no older than that
 *   converge  when all is healed each operation is in the store, once, and each node has read it there
 *   order     the same operations in any other order, with repetitions, under rising tokens, give the same
 *
 *   split_brain [--seeds N] [--seed S] [--verbose]
 *
 * A failure names its law, its seed and the command that repeats it. Each law is broken on purpose as well, to see that this is found.
 */
#define CLUSTER_IMPLEMENTATION
#include "net.h"
#include "../../examples/drills/store.h"

#define NODES 5
#define SERVER NODES /* the host of the lease */
#define MAJORITY (NODES / 2 + 1)
#define WATCHES 16
#define MESSAGES 4096
#define OPS 512
#define TICK (100 * NET_MS)
#define LEASE (2 * NET_SECOND)
#define DETECT (4 * NET_SECOND) /* in which a node notices that it is cut off: max-age, and what is under way */
#define TROUBLE (60 * NET_SECOND)
#define CALM (30 * NET_SECOND)

enum policy { COUNT, BALLOTS, LEASES, POLICIES };
static const char *const policies[] = {"count", "ballots", "lease"};

/* ASK, GRANT, BEAT: ballots. KEEP, HELD: the lease. PASS: an operation to the writer. WRITE, REFUSED: the store, which all
 * can reach. */
enum kind { ASK, GRANT, BEAT, KEEP, HELD, PASS, WRITE, REFUSED };

struct message {
    uint64_t at, order, token;
    enum kind kind;
    int from, to, holder;
    struct store_op op;
};

struct node {
    struct net_host *host;
    struct cluster *c;
    int index;
    char name[32];
    uint64_t tick_at, paused_until, woken;
    /* on its disk: what it voted for, and the work that the store may lack */
    uint64_t promised;
    struct store_op buffer[OPS];
    int buffered;
    /* in its memory */
    bool writes; /* it believes so */
    uint64_t token, ballot, vote_at;
    unsigned grants; /* a bit a node */
    int writer;      /* who writes, as far as it knows; -1 */
    bool read;       /* the store, since it was READY last */
    size_t view;     /* how much of the store it has read */
    uint64_t view_at;
};

struct run {
    struct net net;
    struct net_chance chance;
    enum policy policy;
    struct node nodes[NODES];
    struct message messages[MESSAGES];
    int message_count;
    struct store store;
    uint64_t highest; /* token of an accepted write */
    int owner_count;
    uint64_t owners[MESSAGES]; /* of each token in turn: which node has it, beside the token */
    int owner_of[MESSAGES];
    /* the lease's server */
    uint64_t revision, expires;
    int holder;
    struct store_op ops[OPS]; /* all that clients asked for */
    int op_count;
    uint64_t reigns, cut_at, order;
    const char *mutate; /* the law that is to be broken */
    uint64_t doubles, refused, stale, fresh, cuts, changes;
};

static const char *const laws[] = {"fence", "single", "stale", "converge", "order"};
#define LAWS (sizeof laws / sizeof laws[0])

static bool mutate(const struct run *r, const char *law)
{
    return r->mutate && strcmp(r->mutate, law) == 0;
}

static uint64_t below(struct run *r, uint64_t count)
{
    return net_below(&r->chance, count);
}

static bool ready(const struct node *n)
{
    return n->c && cluster_status(n->c) == CLUSTER_READY;
}

/* ---- messages ---------------------------------------------------------- */

static void say(struct run *r, enum kind kind, int from, int to, uint64_t token, const struct store_op *op)
{
    struct message *m = &r->messages[r->message_count];
    bool disk = kind == WRITE || kind == REFUSED; /* another network, which loses nothing and is slow at times */
    if (r->message_count == MESSAGES)
        abort();
    if (!disk && net_permille(&r->chance, r->net.loss))
        return;
    memset(m, 0, sizeof *m);
    m->at = r->net.now + NET_MS + below(r, disk && below(r, 10) == 0 ? 3 * NET_SECOND : 20 * NET_MS);
    m->order = r->order++;
    m->kind = kind;
    m->from = from;
    m->to = to;
    m->token = token;
    m->holder = r->holder;
    if (op)
        m->op = *op;
    r->message_count++;
}

static void say_all(struct run *r, enum kind kind, int from, uint64_t token)
{
    int i;
    for (i = 0; i < NODES; i++)
        if (i != from)
            say(r, kind, from, i, token, NULL);
}

/* ---- who writes -------------------------------------------------------- */

static void own(struct run *r, struct node *n, uint64_t token)
{
    int i;
    n->writes = true;
    n->token = token;
    n->writer = n->index;
    r->changes++;
    for (i = 0; i < r->owner_count; i++)
        if (r->owners[i] == token && r->owner_of[i] != n->index)
            net_break(&r->net.verdict, "single", "nodes %d and %d have token %lu", r->owner_of[i], n->index,
                      (unsigned long)token);
    if (r->owner_count == MESSAGES)
        abort();
    r->owners[r->owner_count] = token;
    r->owner_of[r->owner_count++] = n->index;
    net_say(&r->net, "node %d writes under token %lu", n->index, (unsigned long)token);
}

/* The next number that is higher than all it has seen, and is no other node's. */
static uint64_t next_ballot(const struct node *n)
{
    return (n->promised / NODES + 1) * NODES + (uint64_t)n->index;
}

static void put_off(struct run *r, struct node *n)
{
    n->vote_at = r->net.now + NET_SECOND + below(r, 2 * NET_SECOND);
}

static void choose(struct run *r, struct node *n)
{
    if (r->policy == COUNT) {
        const struct cluster_member *first = cluster_member_at(n->c, 0);
        bool mine = ready(n) && strcmp(first->name, n->name) == 0;
        n->writer = first->name[1] - '0';
        if (mine && !n->writes)
            own(r, n, ++r->reigns);
        n->writes = mine;
    } else if (r->policy == LEASES) {
        if (ready(n))
            say(r, KEEP, n->index, SERVER, n->writes ? n->token : 0, NULL);
    } else if (n->writes) {
        say_all(r, BEAT, n->index, n->token);
    } else if (ready(n) && r->net.now >= n->vote_at) {
        n->ballot = n->promised = next_ballot(n);
        n->grants = 1u << n->index;
        put_off(r, n);
        say_all(r, ASK, n->index, n->ballot);
    }
}

static void on_ballot(struct run *r, struct node *n, const struct message *m)
{
    int i, votes = 0;
    if (m->kind == GRANT) {
        n->grants |= m->token == n->ballot ? 1u << m->from : 0;
        for (i = 0; i < NODES; i++)
            votes += (n->grants >> i & 1) != 0;
        if (votes >= MAJORITY && !n->writes && n->ballot == n->promised)
            own(r, n, n->ballot);
        return;
    }
    if (m->token < n->promised || (m->kind == ASK && m->token == n->promised))
        return; /* a ballot of the past */
    n->promised = m->token;
    n->writes = false;
    put_off(r, n);
    if (m->kind == ASK)
        say(r, GRANT, n->index, m->from, m->token, NULL);
    else
        n->writer = m->from;
}

static void on_keep(struct run *r, const struct message *m)
{
    bool held = r->holder >= 0 && r->net.now < r->expires;
    if (held && m->from == r->holder && m->token == r->revision) {
        r->expires = r->net.now + LEASE;
    } else if (!held) {
        r->holder = m->from;
        r->revision += !mutate(r, "single");
        r->expires = r->net.now + LEASE;
    }
    say(r, HELD, SERVER, m->from, r->revision, NULL);
}

/* It does not look at its own clock for how long the lease is good: one that was paused would believe that clock too. */
static void on_held(struct run *r, struct node *n, const struct message *m)
{
    if (m->token < n->token)
        return; /* an answer that is late */
    n->writer = m->holder;
    if (m->holder != n->index)
        n->writes = false;
    else if (!n->writes || m->token != n->token)
        own(r, n, m->token);
    n->token = m->token;
}

/* ---- work --------------------------------------------------------------- */

static void keep(struct node *n, const struct store_op *op)
{
    int i;
    for (i = 0; i < n->buffered; i++)
        if (n->buffer[i].id == op->id)
            return;
    if (n->buffered == OPS)
        abort();
    n->buffer[n->buffered++] = *op;
}

/* Read the source of truth, and forget the work that is in it. */
static void read_store(struct run *r, struct node *n)
{
    int i, left = 0;
    n->view = r->store.count;
    n->view_at = r->net.now;
    n->read = true;
    for (i = 0; i < n->buffered; i++)
        if (!store_has(&r->store, n->view, n->buffer[i].id))
            n->buffer[left++] = n->buffer[i];
    n->buffered = left;
}

/* The buffered work goes to the store, or to whoever writes; in no order, and again and again until the store is seen to have it. */
static void work(struct run *r, struct node *n)
{
    int i;
    if (!ready(n)) {
        n->read = false; /* the store may be another one when it is READY again */
        return;
    }
    if (!n->read || below(r, 5) == 0 || r->net.now > n->view_at + NET_SECOND)
        read_store(r, n);
    for (i = 0; i < 3 && n->buffered; i++) {
        const struct store_op *op = &n->buffer[below(r, (uint64_t)n->buffered)];
        if (n->writes)
            say(r, WRITE, n->index, SERVER, n->token, op);
        else if (n->writer >= 0 && n->writer != n->index)
            say(r, PASS, n->index, n->writer, 0, op);
    }
}

static void on_write(struct run *r, const struct message *m)
{
    struct store_op op = m->op;
    if (mutate(r, "converge"))
        op.id += m->order << 32; /* a store that does not know its operations */
    if (store_write(&r->store, m->token, op) == STORE_STALE) {
        r->refused++;
        say(r, REFUSED, SERVER, m->from, m->token, NULL);
        return;
    }
    if (m->token < r->highest) {
        r->doubles++;
        net_say(&r->net, "node %d wrote under token %lu after %lu", m->from, (unsigned long)m->token,
                (unsigned long)r->highest);
        if (r->policy != COUNT)
            net_break(&r->net.verdict, "fence", "node %d wrote under token %lu after %lu", m->from, (unsigned long)m->token,
                      (unsigned long)r->highest);
    }
    if (m->token > r->highest)
        r->highest = m->token;
}

/* A client reads. Fresh is what a READY node has read since it became so; all else is marked. */
static void serve(struct run *r, struct node *n)
{
    uint64_t since = n->woken > r->cut_at ? n->woken : r->cut_at;
    int i, reached = 0;
    if ((!ready(n) || !n->read) && !mutate(r, "stale")) {
        r->stale++;
        return;
    }
    r->fresh++;
    for (i = 0; i < NODES; i++)
        reached += r->nodes[i].host->island == n->host->island;
    if (r->policy == COUNT)
        return;
    if (reached < MAJORITY && r->net.now > since + DETECT)
        net_break(&r->net.verdict, "stale", "node %d reaches %d nodes and serves as if they were all", n->index, reached);
    if (r->net.now > n->view_at + DETECT && r->net.now > n->woken + DETECT)
        net_break(&r->net.verdict, "stale", "node %d serves what it read long ago", n->index);
}

static void deliver(struct run *r, struct message m)
{
    struct node *n = m.to < NODES ? &r->nodes[m.to] : NULL;
    bool disk = m.kind == WRITE || m.kind == REFUSED;
    if (!disk && !net_reaches(&r->net.hosts[m.from], &r->net.hosts[m.to]))
        return;
    if (m.kind == WRITE)
        on_write(r, &m);
    else if (m.kind == KEEP)
        on_keep(r, &m);
    else if (!n->c)
        return;
    else if (m.kind == HELD)
        on_held(r, n, &m);
    else if (m.kind == PASS)
        keep(n, &m.op);
    else if (m.kind == REFUSED)
        n->writes = n->writes && n->token != m.token; /* so another one writes by now */
    else
        on_ballot(r, n, &m);
}

/* ---- nodes --------------------------------------------------------------- */

static void start(struct run *r, struct node *n)
{
    struct cluster_options o;
    char url[96];
    cluster_options_init(&o);
    o.node = n->name;
    o.port = 9100;
    o.quorum = r->policy == COUNT ? 2 : 0;
    o.quorum_of = r->policy == COUNT ? "count" : "majority";
    o.expected = NODES;
    o.seed = net_random(&r->chance) | 1;
    o.allocator = &n->host->allocator;
    o.io = &n->host->io;
    (void)snprintf(url, sizeof url, "gossip:?interval=300ms&max-age=2s&announce=on");
    n->host->inside = true;
    if (cluster_create(&n->c, &o) < 0 || cluster_discover(n->c, url, NULL) < 0)
        net_break(&r->net.verdict, "converge", "no handle: %s", n->c ? cluster_last_error(n->c) : "");
    n->host->inside = false;
    n->writes = n->read = false;
    n->token = n->ballot = 0;
    n->grants = 0;
    n->writer = -1;
    n->tick_at = n->woken = r->net.now;
    put_off(r, n);
}

static void stop(struct node *n)
{
    n->host->inside = n->host->ending = true;
    cluster_destroy(n->c);
    n->host->inside = n->host->ending = false;
    n->c = NULL;
    memset(n->host->listed, 0, sizeof n->host->listed);
    net_check_gone(n->host);
}

/* One turn of its loop, if there is something to do; when the next is due. */
static uint64_t turn(struct run *r, struct node *n)
{
    struct pollfd watches[WATCHES];
    uint64_t deadline;
    size_t count, i;
    bool due;
    if (!n->c || r->net.now < n->paused_until)
        return n->c ? n->paused_until : CLUSTER_NEVER;
    if (n->paused_until) {
        n->paused_until = 0;
        n->woken = r->net.now;
    }
    deadline = cluster_deadline(n->c);
    count = cluster_watches(n->c, watches, WATCHES);
    if (count > WATCHES)
        abort();
    memset(n->host->listed, 0, sizeof n->host->listed);
    due = deadline <= r->net.now;
    for (i = 0; i < count; i++) {
        n->host->listed[watches[i].fd] = 1;
        watches[i].revents = (short)(net_readiness(n->host->fds[watches[i].fd]) & (watches[i].events | POLLERR | POLLHUP));
        due = due || watches[i].revents;
    }
    if (due) {
        n->host->inside = true;
        (void)cluster_step(n->c, r->net.now, watches, count);
        n->host->inside = false;
        while (cluster_next_event(n->c))
            continue;
        return r->net.now;
    }
    if (r->net.now >= n->tick_at) {
        choose(r, n);
        work(r, n);
        n->tick_at = r->net.now + TICK;
    }
    return deadline < n->tick_at ? deadline : n->tick_at;
}

/* ---- trouble ------------------------------------------------------------- */

static void cut(struct run *r)
{
    int i;
    for (i = 0; i <= NODES; i++)
        r->net.hosts[i].island = (unsigned)below(r, 2);
    r->cut_at = r->net.now;
    r->cuts++;
    net_say(&r->net, "cut: %u %u %u %u %u, the server %u", r->net.hosts[0].island, r->net.hosts[1].island,
            r->net.hosts[2].island, r->net.hosts[3].island, r->net.hosts[4].island, r->net.hosts[5].island);
}

static void heal(struct run *r)
{
    int i;
    for (i = 0; i <= NODES; i++)
        r->net.hosts[i].island = 0;
    r->cut_at = r->net.now;
}

static void act(struct run *r)
{
    struct node *n = &r->nodes[below(r, NODES)];
    uint64_t what = below(r, 100);
    if (what < 55) { /* a client has work for it, or reads */
        struct store_op op;
        if (!n->c || r->op_count == OPS)
            return;
        op.id = (uint64_t)r->op_count + 1;
        op.amount = (int64_t)below(r, 2000) - 1000;
        r->ops[r->op_count++] = op;
        keep(n, &op);
    } else if (what < 85) {
        if (n->c && r->net.now >= n->paused_until && !n->paused_until)
            serve(r, n);
    } else if (what < 89) {
        cut(r);
    } else if (what < 91) {
        heal(r);
    } else if (what < 96) {
        n->paused_until = r->net.now + below(r, 8 * NET_SECOND);
    } else if (n->c) {
        n->paused_until = 0;
        stop(n);
    } else {
        start(r, n);
    }
}

static void pass_time(struct run *r, uint64_t until)
{
    while (r->net.now < until && !r->net.verdict.law) {
        uint64_t next = until;
        int i, first = -1;
        for (i = 0; i < NODES; i++) {
            uint64_t at = turn(r, &r->nodes[i]);
            next = at < next ? at : next;
        }
        for (i = 0; i < r->message_count; i++) {
            const struct message *m = &r->messages[i];
            if (m->at <= next && (first < 0 || m->at < r->messages[first].at ||
                                  (m->at == r->messages[first].at && m->order < r->messages[first].order))) {
                struct node *to = m->to < NODES ? &r->nodes[m->to] : NULL;
                if (to && to->c && r->net.now < to->paused_until) {
                    r->messages[i].at = to->paused_until; /* it lies in its socket */
                    continue;
                }
                first = i;
            }
        }
        if (first >= 0 && r->messages[first].at <= r->net.now) {
            struct message m = r->messages[first];
            r->messages[first] = r->messages[--r->message_count];
            deliver(r, m);
            continue;
        }
        if (first >= 0 && r->messages[first].at < next)
            next = r->messages[first].at;
        net_advance(&r->net, net_next(&r->net) < next ? net_next(&r->net) : next);
    }
}

/* ---- the end -------------------------------------------------------------- */

static void judge_end(struct run *r)
{
    int64_t sum = 0;
    struct store other;
    int i, at;
    for (i = 0; i < r->op_count; i++)
        sum += r->ops[i].amount;
    if (r->store.count != (size_t)r->op_count || store_balance(&r->store, r->store.count) != sum)
        net_break(&r->net.verdict, "converge", "%d operations were asked for, %lu are in the store", r->op_count,
                  (unsigned long)r->store.count);
    for (i = 0; i < NODES; i++)
        if (r->nodes[i].buffered || r->nodes[i].view != r->store.count || !ready(&r->nodes[i]))
            net_break(&r->net.verdict, "converge", "node %d has %d operations left, and read %lu of %lu", i,
                      r->nodes[i].buffered, (unsigned long)r->nodes[i].view, (unsigned long)r->store.count);
    memset(&other, 0, sizeof other);
    for (i = 0; i < r->op_count; i++) /* by a stride that meets all, and with some again */
        for (at = 0; at < 1 + i % 3; at++)
            (void)store_write(&other, (uint64_t)i, r->ops[(i * 7919 + at * 31) % r->op_count]);
    for (i = r->op_count; i-- > 0;) {
        struct store_op op = r->ops[i];
        op.id += mutate(r, "order") ? OPS : 0;
        (void)store_write(&other, (uint64_t)r->op_count, op);
    }
    if (store_balance(&other, other.count) != store_balance(&r->store, r->store.count))
        net_break(&r->net.verdict, "order", "another order gives another balance");
    free(other.ops);
}

static void run_seed(struct run *r, enum policy policy, uint64_t seed, const char *law, bool verbose)
{
    uint64_t end;
    int i;
    memset(r, 0, sizeof *r);
    net_init(&r->net, seed);
    r->chance.state = seed * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)policy;
    r->net.verbose = verbose ? stdout : NULL;
    r->net.loss = 30;
    r->net.reorder = 20;
    r->policy = policy;
    r->holder = -1;
    r->mutate = law;
    r->store.unfenced = policy == COUNT || mutate(r, "fence");
    for (i = 0; i <= NODES; i++)
        (void)net_host_add(&r->net);
    for (i = 0; i < NODES; i++) {
        struct node *n = &r->nodes[i];
        n->host = &r->net.hosts[i];
        n->index = i;
        (void)snprintf(n->name, sizeof n->name, "n%d@10.0.0.%d", i, i + 1);
        start(r, n);
    }
    pass_time(r, r->net.now + 5 * NET_SECOND);
    for (end = r->net.now + TROUBLE; r->net.now < end && !r->net.verdict.law;) {
        act(r);
        pass_time(r, r->net.now + below(r, 300 * NET_MS));
    }
    heal(r);
    r->net.loss = r->net.reorder = 0;
    for (i = 0; i < NODES && !r->net.verdict.law; i++) {
        r->nodes[i].paused_until = 0;
        if (!r->nodes[i].c)
            start(r, &r->nodes[i]);
    }
    pass_time(r, r->net.now + CALM);
    if (!r->net.verdict.law)
        judge_end(r);
    for (i = 0; i < NODES; i++)
        if (r->nodes[i].c)
            stop(&r->nodes[i]);
    free(r->store.ops);
    net_free(&r->net);
}

int main(int argc, char **argv)
{
    uint64_t seeds = 200, first = 1, seed, doubles, refused, stale, reads, cuts, changes, broken;
    bool verbose = false;
    size_t k;
    int i, policy, passed = 0, failed = 0;
    struct run *r = (struct run *)net_need(malloc(sizeof *r));
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (i + 1 < argc && (strcmp(argv[i], "--seeds") == 0 || strcmp(argv[i], "--seed") == 0)) {
            bool one = argv[i][6] == '\0';
            uint64_t number = strtoull(argv[++i], NULL, 10);
            seeds = one ? 1 : number;
            first = one ? number : first;
        } else {
            (void)fprintf(stderr, "usage: split_brain [--seeds N] [--seed S] [--verbose]\n");
            free(r);
            return 2;
        }
    }
    for (policy = 0; policy < POLICIES; policy++) {
        doubles = refused = stale = reads = cuts = changes = broken = 0;
        for (seed = first; seed < first + seeds; seed++) {
            run_seed(r, (enum policy)policy, seed, NULL, verbose);
            broken += r->doubles > 0;
            doubles += r->doubles;
            refused += r->refused;
            stale += r->stale;
            reads += r->stale + r->fresh;
            cuts += r->cuts;
            changes += r->changes;
            passed += !r->net.verdict.law;
            failed += r->net.verdict.law != NULL;
            if (r->net.verdict.law)
                (void)printf("FAIL law=%s %s seed=%lu: %s\n     repeat with: %s --seed %lu --verbose\n", r->net.verdict.law,
                             policies[policy], (unsigned long)seed, r->net.verdict.text, argv[0], (unsigned long)seed);
        }
        (void)printf(
            "%-8s %lu seeds, %lu cuts, %lu writers: double writes in %lu seeds, %lu in all; %lu writes refused; %lu of %lu "
            "reads stale\n",
            policies[policy], (unsigned long)seeds, (unsigned long)cuts, (unsigned long)changes, (unsigned long)broken,
            (unsigned long)doubles, (unsigned long)refused, (unsigned long)stale, (unsigned long)reads);
        (void)fflush(stdout);
        if (policy == COUNT && seeds > 9)
            *(broken ? &passed : &failed) += 1; /* what it is there to show */
    }
    for (k = 0; k < LAWS && seeds > 9; k++) { /* each law can be broken, and is then seen to be */
        for (seed = first; seed < first + 40; seed++) {
            run_seed(r, LEASES, seed, laws[k], false);
            if (r->net.verdict.law && strcmp(r->net.verdict.law, laws[k]) == 0)
                break;
        }
        *(seed < first + 40 ? &passed : &failed) += 1;
        if (seed == first + 40)
            (void)printf("FAIL law=%s: its violation is not seen\n", laws[k]);
    }
    (void)printf("%d passed, %d failed\n", passed, failed);
    free(r);
    return failed != 0;
}
