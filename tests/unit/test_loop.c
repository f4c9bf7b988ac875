/* The loop contract on virtual descriptors: who is watched, when a descriptor is closed, budget, fairness, deadlines. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_loop.h"

static struct fake f;
static struct cluster *c;
static struct pollfd fds[FAKE_FDS];

/* A strategy that does in its round what the test says, and reads what comes. */
struct probe {
    struct cluster_source *source;
    void (*act)(struct probe *p);
    void (*ready)(struct probe *p, int fd, int revents);
    unsigned readies[FAKE_FDS];
    int revents[FAKE_FDS];
    size_t packets[FAKE_FDS];
    unsigned timers;
    uint64_t now;
    int fd, result, events;
    size_t count;
};

static struct probe one, two;

static int probe_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct probe *p = (struct probe *)ctx;
    (void)target;
    memset(p, 0, sizeof *p);
    p->source = s;
    *state = p;
    return 0;
}

static int probe_round(void *state, uint64_t now)
{
    struct probe *p = (struct probe *)state;
    p->now = now;
    if (p->act)
        p->act(p);
    p->act = NULL;
    return cluster_source_publish(p->source, NULL, 0);
}

static int probe_ready(void *state, int fd, int revents, uint64_t now)
{
    struct probe *p = (struct probe *)state;
    char data[16];
    assert_true(now == cluster_source_now(p->source));
    p->now = now;
    if (fd < 0) {
        p->timers++;
        return 0;
    }
    p->readies[fd]++;
    p->revents[fd] = revents;
    if (p->ready)
        p->ready(p, fd, revents);
    else if (!(revents & POLLNVAL))
        while (cluster_source_recv(p->source, fd, data, sizeof data, NULL) >= 0)
            p->packets[fd]++;
    return 0;
}

static void probe_close(void *state)
{
    ((struct probe *)state)->source = NULL;
}

static void begin(struct cluster_options *options)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_strategy strategy;
    memset(&strategy, 0, sizeof strategy);
    strategy.size = (uint32_t)sizeof strategy;
    strategy.open = probe_open;
    strategy.round = probe_round;
    strategy.ready = probe_ready;
    strategy.close = probe_close;
    strategy.interval_ns = CLUSTER_NEVER;
    if (options) {
        o.limit_budget = options->limit_budget;
        o.limit_watches = options->limit_watches;
    }
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_strategy_register(c, "one", &strategy, &one), 0);
    assert_int_equal(cluster_strategy_register(c, "two", &strategy, &two), 0);
    assert_int_equal(cluster_discover(c, "one:", NULL), 0);
    assert_int_equal(cluster_discover(c, "two:", NULL), 0);
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
}

static void end(void)
{
    cluster_destroy(c);
    fake_end(&f);
}

static void step(void)
{
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
}

/* Let the strategy do it, in a step of its own. */
static void inside(struct probe *p, void (*act)(struct probe *p))
{
    p->act = act;
    assert_int_equal(cluster_source_refresh(p->source), 0);
    step();
    assert_null(p->act);
}

static void do_open(struct probe *p)
{
    p->fd = p->result = cluster_source_open(p->source, CLUSTER_UDP, 4);
    if (p->fd >= 0)
        assert_int_equal(cluster_source_watch(p->source, p->fd, POLLIN), 0);
}

static void do_open_only(struct probe *p)
{
    p->fd = p->result = cluster_source_open(p->source, CLUSTER_UDP, 4);
}

static void do_close(struct probe *p)
{
    p->result = cluster_source_close(p->source, p->fd);
}

static void do_watch(struct probe *p)
{
    p->result = cluster_source_watch(p->source, p->fd, p->events);
}

static int open_one(struct probe *p)
{
    inside(p, do_open);
    assert_true(p->fd >= 0);
    return p->fd;
}

static void close_one(struct probe *p, int fd)
{
    p->fd = fd;
    inside(p, do_close);
    assert_int_equal(p->result, 0);
}

static int watch_one(struct probe *p, int fd, int events)
{
    p->fd = fd;
    p->events = events;
    inside(p, do_watch);
    return p->result;
}

static struct pollfd fired(int fd, int revents)
{
    struct pollfd out;
    out.fd = fd;
    out.events = POLLIN;
    out.revents = (short)revents;
    return out;
}

static bool lists(size_t count, int fd)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (fds[i].fd == fd)
            return true;
    return false;
}

/* ---- deferred close --------------------------------------------------- */

static void closed_after_a_complete_answer(void **state)
{
    int a, b, d;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    b = open_one(&one);
    d = open_one(&two);
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 3);
    assert_true(lists(3, a) && lists(3, b) && lists(3, d));
    assert_true(fds[0].events == POLLIN && fds[0].revents == 0);
    close_one(&one, a);
    step();
    step();
    assert_int_equal(f.calls[FAKE_CLOSE], 0);
    /* Cut answers say nothing of what they left out. */
    assert_int_equal(cluster_watches(c, NULL, 0), 2);
    assert_int_equal(cluster_watches(c, fds, 1), 2);
    step();
    assert_int_equal(f.calls[FAKE_CLOSE], 0);
    assert_true(f.s[a].open);
    /* A new socket has another number while the host may still wait for the old one. */
    assert_int_not_equal(open_one(&one), a);
    assert_int_equal(cluster_watches(c, fds, 3), 3);
    assert_false(lists(3, a));
    assert_true(f.s[a].open);
    assert_true(cluster_deadline(c) == c->loop.now + CLU_CLOSE_SLACK);
    step();
    assert_false(f.s[a].open);
    assert_int_equal(f.calls[FAKE_CLOSE], 1);
    assert_int_equal(open_one(&two), a);
    end();
}

/* An answer that was complete before the close says nothing either. */
static void closed_after_not_before(void **state)
{
    int a;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    (void)cluster_watches(c, fds, FAKE_FDS);
    close_one(&one, a);
    assert_true(cluster_deadline(c) != 0);
    step();
    assert_true(f.s[a].open);
    /* With nothing else to wait for, an empty answer is complete. */
    assert_int_equal(cluster_watches(c, NULL, 0), 0);
    step();
    assert_false(f.s[a].open);
    end();
}

static void never_seen_is_closed_at_once(void **state)
{
    int a, b;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    close_one(&one, a);
    assert_true(cluster_deadline(c) == c->loop.now + CLU_CLOSE_SLACK);
    step();
    assert_false(f.s[a].open);
    /* One that a cut answer did not reach was not seen either. */
    a = open_one(&one);
    b = open_one(&one);
    assert_true(a < b);
    assert_int_equal(cluster_watches(c, fds, 1), 2);
    assert_int_equal(fds[0].fd, a);
    close_one(&one, b);
    step();
    assert_false(f.s[b].open);
    close_one(&one, a);
    step();
    assert_true(f.s[a].open);
    /* Nor one that was opened and never watched. */
    inside(&one, do_open_only);
    b = one.fd;
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 0);
    close_one(&one, b);
    step();
    assert_false(f.s[b].open);
    assert_false(f.s[a].open);
    end();
}

static void do_open_64(struct probe *p)
{
    for (p->count = 0; p->count < 64; p->count++)
        do_open(p);
}

static void do_close_all(struct probe *p)
{
    int fd;
    for (fd = FAKE_FIRST; fd < FAKE_FIRST + 64; fd++)
        assert_int_equal(cluster_source_close(p->source, fd), 0);
}

static void the_retired_are_bounded(void **state)
{
    (void)state;
    begin(NULL);
    inside(&one, do_open_64);
    assert_int_equal(fake_count_open(&f), 64);
    (void)cluster_watches(c, fds, FAKE_FDS);
    inside(&one, do_close_all);
    inside(&two, do_open);
    assert_int_equal(two.result, CLUSTER_E_AGAIN);
    assert_int_equal(f.calls[FAKE_OPEN], 64);
    (void)cluster_watches(c, fds, FAKE_FDS);
    inside(&two, do_open);
    assert_int_equal(two.result, FAKE_FIRST);
    assert_int_equal(fake_count_open(&f), 1);
    end();
}

static void sockets_are_bounded(void **state)
{
    struct cluster_options o;
    (void)state;
    cluster_options_init(&o);
    o.limit_watches = 3;
    begin(&o);
    (void)open_one(&one);
    (void)open_one(&one);
    (void)open_one(&two);
    inside(&two, do_open);
    assert_int_equal(two.result, CLUSTER_E_LIMIT);
    assert_int_equal(f.calls[FAKE_OPEN], 3);
    end();
}

/* A source that goes takes its sockets with it, in the same way; destroying waits for nothing. */
static void removed_sources(void **state)
{
    int a, b;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    b = open_one(&two);
    (void)cluster_watches(c, fds, FAKE_FDS);
    cluster_source_remove(one.source);
    assert_null(one.source);
    step();
    assert_true(f.s[a].open);
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 1);
    assert_int_equal(fds[0].fd, b);
    step();
    assert_false(f.s[a].open);
    cluster_source_remove(two.source);
    step();
    assert_true(f.s[b].open);
    end();
}

/* ---- lost descriptors ------------------------------------------------- */

/* The host closed it: the number may be another's by now. */
static void host_closes(int fd)
{
    f.s[fd].open = false;
    f.s[fd].closes++;
}

static void forgotten_not_closed(void **state)
{
    struct pollfd lost[2];
    uint64_t generation;
    int a, b;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    b = open_one(&two);
    (void)cluster_watches(c, fds, FAKE_FDS);
    host_closes(a);
    lost[0] = fired(a, POLLNVAL);
    lost[1] = fired(a, POLLIN); /* a number that is not watched any more */
    generation = cluster_watch_generation(c);
    assert_int_equal(cluster_step(c, 1, lost, 2), 0);
    assert_int_equal(one.readies[a], 1);
    assert_int_equal(one.revents[a], POLLNVAL);
    assert_true(cluster_watch_generation(c) != generation);
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 1);
    one.fd = a;
    inside(&one, do_close);
    assert_int_equal(one.result, CLUSTER_E_NOT_FOUND);
    /* Also one that is retired. */
    close_one(&two, b);
    host_closes(b);
    lost[0] = fired(b, POLLNVAL);
    assert_int_equal(cluster_step(c, 1, lost, 1), 0);
    assert_int_equal(two.readies[b], 0);
    (void)cluster_watches(c, fds, FAKE_FDS);
    step();
    assert_int_equal(f.calls[FAKE_CLOSE], 0);
    end();
}

static void strangers_are_ignored(void **state)
{
    struct pollfd ready[5];
    int a;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    ready[0] = fired(-1, POLLIN);
    ready[1] = fired(77, POLLIN | POLLERR);
    ready[2] = fired(78, POLLNVAL);
    ready[3] = fired(INT_MAX, POLLIN);
    ready[4] = fired(a, 0);
    assert_int_equal(cluster_step(c, 1, ready, 5), 0);
    assert_int_equal(one.readies[a], 0);
    assert_int_equal(f.calls[FAKE_RECV], 0);
    ready[4] = fired(a, POLLERR);
    assert_int_equal(cluster_step(c, 1, ready + 4, 1), 0);
    assert_int_equal(one.revents[a], POLLERR);
    assert_int_equal(cluster_step(c, 1, NULL, 1), CLUSTER_E_INVALID);
    end();
}

/* Descriptors of the strategy's own: watched, never closed, unless they are handed over. */
static void foreign_descriptors(void **state)
{
    struct pollfd ready;
    (void)state;
    begin(NULL);
    f.s[300].open = f.s[300].foreign = f.s[301].open = true;
    f.s[301].opens = 1;
    assert_int_equal(watch_one(&one, 300, 0), 0);
    assert_int_equal(watch_one(&one, 300, POLLIN | POLLOUT), 0);
    assert_int_equal(watch_one(&one, 301, POLLIN), 0);
    assert_int_equal(watch_one(&two, 300, POLLIN), CLUSTER_E_EXISTS);
    assert_int_equal(watch_one(&one, -1, POLLIN), CLUSTER_E_INVALID);
    assert_int_equal(watch_one(&one, 301, POLLERR), CLUSTER_E_INVALID);
    two.fd = 300;
    inside(&two, do_close);
    assert_int_equal(two.result, CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 2);
    assert_int_equal(fds[0].events, POLLIN | POLLOUT);
    ready = fired(300, POLLOUT);
    assert_int_equal(cluster_step(c, 1, &ready, 1), 0);
    assert_int_equal(one.revents[300], POLLOUT);
    close_one(&one, 301);
    step();
    assert_true(f.s[301].open);
    assert_int_equal(watch_one(&one, 301, POLLIN), CLUSTER_E_INVALID); /* it waits for its close */
    (void)cluster_watches(c, fds, FAKE_FDS);
    step();
    assert_false(f.s[301].open);
    assert_int_equal(watch_one(&one, 300, 0), 0);
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 0);
    assert_int_equal(watch_one(&two, 300, POLLIN), 0);
    cluster_source_remove(two.source);
    assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 0);
    step();
    end();
}

/* ---- budget ----------------------------------------------------------- */

static void flood(int fd, size_t count)
{
    while (count--)
        fake_push(&f, fd, "x", 1, NULL);
}

/* An edge-triggered host says once what fired; all is read, so many calls a step, and nobody waits for the flood. */
static void undrained_is_remembered(void **state)
{
    struct cluster_options o;
    struct pollfd ready[2];
    unsigned long before;
    unsigned steps = 0;
    int a, b;
    (void)state;
    cluster_options_init(&o);
    o.limit_budget = 4;
    begin(&o);
    a = open_one(&one);
    b = open_one(&two);
    flood(a, 18);
    flood(b, 1);
    ready[0] = fired(a, POLLIN);
    ready[1] = fired(b, POLLIN);
    assert_int_equal(cluster_step(c, 500, ready, 2), 0);
    assert_int_equal(one.packets[a], 4);
    assert_int_equal(two.packets[b], 0);
    assert_true(cluster_deadline(c) == 500);
    assert_int_equal(cluster_timeout_ms(c, 600), 0);
    before = f.calls[FAKE_RECV];
    assert_int_equal(cluster_step(c, 600, NULL, 0), 0);
    assert_int_equal(two.packets[b], 1);
    assert_true(f.calls[FAKE_RECV] - before <= 4);
    while (cluster_deadline(c) != CLUSTER_NEVER && steps++ < 20) {
        assert_true(cluster_deadline(c) <= 600);
        before = f.calls[FAKE_RECV];
        assert_int_equal(cluster_step(c, 600, NULL, 0), 0);
        assert_true(f.calls[FAKE_RECV] - before <= 4);
    }
    assert_int_equal(one.packets[a], 18);
    assert_null(f.s[a].first);
    assert_true(steps <= 6);
    end();
}

/* One that never stops being ready takes no turn from the others, in whatever order the host names them. */
static void a_flood_starves_nobody(void **state)
{
    struct cluster_options o;
    struct pollfd ready[3];
    unsigned round;
    int a, b, d;
    (void)state;
    cluster_options_init(&o);
    o.limit_budget = 8;
    begin(&o);
    a = open_one(&one);
    b = open_one(&two);
    d = open_one(&one);
    for (round = 0; round < 50; round++) {
        flood(a, 20);
        flood(b, 1);
        flood(d, 1);
        ready[0] = fired(a, POLLIN);
        ready[1] = fired(b, POLLIN);
        ready[2] = fired(d, POLLIN);
        assert_int_equal(cluster_step(c, 2 + round, ready, 3), 0);
        assert_true(two.packets[b] + 1 >= round && one.packets[d] + 1 >= round);
    }
    assert_true(one.packets[a] >= 50 * 4);
    end();
}

/* A host that steps once for each descriptor, with an array that grows old on the way. */
static void close_the_next(struct probe *p, int fd, int revents)
{
    (void)revents;
    (void)fd;
    assert_int_equal(cluster_source_close(p->source, p->fd), 0);
    do_open(p);
    p->ready = NULL;
}

static void one_step_for_each(void **state)
{
    struct pollfd ready[3];
    int a, b, d, i;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    b = open_one(&one);
    d = open_one(&two);
    flood(a, 1);
    flood(b, 1);
    flood(d, 2);
    (void)cluster_watches(c, fds, FAKE_FDS);
    one.fd = b;
    one.ready = close_the_next;
    ready[0] = fired(a, POLLIN);
    ready[1] = fired(b, POLLIN);
    ready[2] = fired(d, POLLIN);
    for (i = 0; i < 3; i++)
        assert_int_equal(cluster_step(c, 1, &ready[i], 1), 0);
    assert_int_equal(one.readies[a], 1);
    assert_int_equal(one.readies[b], 0); /* retired by then, and its number is nobody else's */
    assert_int_not_equal(one.fd, b);
    assert_int_equal(one.readies[one.fd], 0);
    assert_int_equal(two.packets[d], 2);
    end();
}

/* A descriptor that waits for its turn and is retired meanwhile has none. */
static void retired_while_pending(void **state)
{
    struct cluster_options o;
    struct pollfd ready[3];
    int a, b, d;
    (void)state;
    cluster_options_init(&o);
    o.limit_budget = 1;
    begin(&o);
    a = open_one(&two);
    b = open_one(&one);
    d = open_one(&two);
    flood(a, 3);
    flood(b, 3);
    flood(d, 1);
    ready[0] = fired(a, POLLIN);
    ready[1] = fired(b, POLLIN);
    ready[2] = fired(d, POLLIN);
    assert_int_equal(cluster_step(c, 1, ready, 3), 0);
    one.fd = b;
    one.act = do_close;
    cluster_source_refresh(one.source);
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0); /* b's turn comes first, then the round closes it */
    assert_int_equal(one.result, 0);
    assert_int_equal(one.readies[b], 1);
    while (cluster_deadline(c) <= 1)
        step();
    assert_int_equal(one.readies[b], 1);
    assert_int_equal(two.packets[a], 3);
    assert_int_equal(two.packets[d], 1);
    end();
}

static void remove_oneself(struct probe *p, int fd, int revents)
{
    (void)fd;
    (void)revents;
    cluster_source_remove(p->source);
    p->ready = NULL;
}

static void removed_by_itself(void **state)
{
    struct pollfd ready[2];
    int a, b;
    (void)state;
    begin(NULL);
    a = open_one(&one);
    b = open_one(&one);
    flood(a, 1);
    flood(b, 1);
    one.ready = remove_oneself;
    ready[0] = fired(a, POLLIN);
    ready[1] = fired(b, POLLIN);
    assert_int_equal(cluster_step(c, 1, ready, 2), 0);
    assert_null(one.source);
    assert_int_equal(one.readies[a] + one.readies[b], 1);
    assert_ptr_equal(cluster_source_at(c, 0), two.source);
    assert_null(cluster_source_at(c, 1));
    end();
}

/* ---- generation ------------------------------------------------------- */

static void generation(void **state)
{
    struct pollfd before[FAKE_FDS];
    size_t count = 0;
    uint64_t was;
    unsigned i;
    (void)state;
    begin(NULL);
    was = cluster_watch_generation(c);
    for (i = 0; i < 300; i++) {
        unsigned choice = (i * 2654435761u >> 7) % 5;
        size_t now_count;
        bool same;
        struct probe *p = i % 3 ? &one : &two;
        if (choice == 0 || p->fd <= 0 || !f.s[p->fd].open)
            inside(p, do_open);
        else if (choice == 1)
            inside(p, do_close);
        else if (choice == 4)
            inside(p, do_open_only);
        else
            (void)watch_one(p, p->fd, choice == 2 ? POLLIN : (i & 1 ? POLLOUT : 0));
        now_count = cluster_watches(c, fds, FAKE_FDS);
        same = now_count == count && memcmp(fds, before, count * sizeof *fds) == 0;
        assert_int_equal(cluster_watch_generation(c) == was, same);
        was = cluster_watch_generation(c);
        memcpy(before, fds, sizeof before);
        count = now_count;
        step();
        assert_true(cluster_watch_generation(c) == was);
    }
    assert_true(count > 5);
    end();
}

/* ---- time ------------------------------------------------------------- */

static uint64_t timer_at;

static void do_timer(struct probe *p)
{
    assert_int_equal(cluster_source_timer(p->source, timer_at), 0);
}

static void deadlines_and_timeouts(void **state)
{
    static const struct {
        uint64_t ahead;
        int ms;
    } table[] = {{0, 0},       {1, 1},       {999999, 1},          {1000000, 1},
                 {1000001, 2}, {2000000, 2}, {86400000001, 86401}, {CLUSTER_NEVER / 2, INT_MAX}};
    uint64_t now = 1000 * FAKE_SECOND;
    size_t i;
    (void)state;
    begin(NULL);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    assert_int_equal(cluster_timeout_ms(c, now), -1);
    assert_int_equal(cluster_step(c, now, NULL, 0), 0);
    for (i = 0; i < CLU_COUNT(table); i++) {
        timer_at = now + table[i].ahead;
        one.timers = 0;
        inside(&one, do_timer);
        if (table[i].ahead == 0) { /* over already: due a nanosecond later */
            assert_true(cluster_deadline(c) == now + 1);
            now++;
            assert_int_equal(cluster_step(c, now, NULL, 0), 0);
            assert_int_equal(one.timers, 1);
            continue;
        }
        assert_true(cluster_deadline(c) == timer_at);
        assert_int_equal(cluster_timeout_ms(c, now), table[i].ms);
        assert_int_equal(cluster_timeout_ms(c, timer_at), 0);
        assert_int_equal(cluster_timeout_ms(c, timer_at + 5), 0);
        assert_int_equal(cluster_timeout_ms(c, timer_at - 1), 1);
    }
    timer_at = CLUSTER_NEVER;
    inside(&one, do_timer);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    end();
}

static void time_never_goes_back(void **state)
{
    (void)state;
    begin(NULL);
    assert_int_equal(cluster_step(c, 5000, NULL, 0), 0);
    timer_at = 5001;
    inside(&one, do_timer); /* steps with 1 */
    assert_true(one.now == 5000);
    assert_true(cluster_source_now(one.source) == 5000);
    assert_int_equal(one.timers, 0);
    assert_int_equal(cluster_step(c, 5001, NULL, 0), 0);
    assert_int_equal(one.timers, 1);
    assert_int_equal(cluster_step(c, 0, NULL, 0), 0);
    assert_true(cluster_source_now(one.source) == 5001);
    end();
}

static void rearm(struct probe *p)
{
    assert_int_equal(cluster_source_refresh(p->source), 0);
    p->count++;
}

/* A strategy that wants another round in each round gets one a step, and the others get theirs. */
static void refreshed_in_its_own_round(void **state)
{
    (void)state;
    begin(NULL);
    one.act = rearm;
    cluster_source_refresh(one.source);
    timer_at = 1;
    two.act = do_timer;
    cluster_source_refresh(two.source);
    step();
    assert_int_equal(one.count, 1);
    assert_true(cluster_source_rounds(two.source) == 2);
    one.act = rearm;
    assert_true(cluster_deadline(c) == 2);
    assert_int_equal(cluster_step(c, 2, NULL, 0), 0);
    assert_int_equal(one.count, 2);
    assert_int_equal(two.timers, 1);
    end();
}

/* ---- hooks ------------------------------------------------------------ */

static void busy_from_every_hook(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_source *push;
    struct cluster_node node;
    uint64_t now = 1;
    (void)state;
    o.node = "n@short";
    o.port = 1;
    f.files[0].path = "/f";
    f.files[0].text = "x@10.0.0.1\n";
    f.files[0].stamp = 1;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "file:/f", NULL), 0);
    assert_int_equal(cluster_discover(c, "epmd:10.0.0.2", NULL), 0);
    assert_int_equal(cluster_discover(c, "gossip:?if=eth0&secret=s", NULL), 0);
    f.interfaces[0] = fake_address(10, 0, 0, 1, 24);
    f.interface_count = 1;
    f.inside = c;
    fake_run(&f, c, &now, 20 * FAKE_SECOND);
    assert_true(f.calls[FAKE_OPEN] && f.calls[FAKE_BIND] && f.calls[FAKE_CONNECT] && f.calls[FAKE_JOIN] && f.calls[FAKE_SEND] &&
                f.calls[FAKE_RECV] && f.calls[FAKE_CLOSE] && f.calls[FAKE_READ_FILE] && f.calls[FAKE_ENVIRONMENT] &&
                f.calls[FAKE_RANDOM] && f.calls[FAKE_WALL_TIME] && f.calls[FAKE_INTERFACES] && f.logs);
    assert_int_equal(f.inside_calls, f.inside_busy);
    f.inside = NULL;
    cluster_destroy(c);
    fake_end(&f);
    /* The log hook is one of them, and it is also called by the host's own calls. */
    o = fake_begin(&f);
    o.node = "n@short";
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "push:x", &push), 0);
    memset(&node, 0, sizeof node);
    node.size = (uint32_t)sizeof node;
    node.name = "x@10.0.0.1";
    f.inside = c;
    assert_int_equal(cluster_source_publish(push, &node, 1), 0);
    assert_int_equal(f.inside_calls, 1);
    assert_int_equal(f.inside_busy, 1);
    f.inside = NULL;
    cluster_destroy(c);
    fake_end(&f);
}

/* No memory for one more watch: the socket is closed there and then, nothing else has changed. */
static void no_memory_for_a_socket(void **state)
{
    unsigned long n;
    int i;
    (void)state;
    begin(NULL);
    for (i = 0; i < 8; i++)
        (void)open_one(&one);
    for (n = 1; n <= 2; n++) {
        fake_memory_fail(&f.memory, n, true);
        inside(&one, do_open);
        assert_int_equal(one.result, CLUSTER_E_MEMORY);
        assert_int_equal(fake_count_open(&f), 8);
        assert_int_equal(cluster_watches(c, fds, FAKE_FDS), 8);
        fake_memory_fail(&f.memory, 0, false);
    }
    (void)open_one(&one);
    fake_memory_fail(&f.memory, 1, true);
    assert_int_equal(watch_one(&two, 333, POLLIN), 0); /* there is room for it */
    fake_memory_fail(&f.memory, 0, false);
    f.errors[FAKE_OPEN] = CLUSTER_E_PERMISSION;
    inside(&two, do_open);
    assert_int_equal(two.result, CLUSTER_E_PERMISSION);
    end();
}

/* ---- what needs a step ------------------------------------------------ */

static void a_step_is_due_after(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_source *push, *poll, *file;
    struct cluster_node node;
    (void)state;
    memset(&node, 0, sizeof node);
    node.size = (uint32_t)sizeof node;
    node.name = "x@y";
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_true(cluster_deadline(c) == 0);
#define SETTLED()                                                                                                              \
    do {                                                                                                                       \
        step();                                                                                                                \
        while (cluster_next_event(c))                                                                                          \
            continue;                                                                                                          \
        assert_true(cluster_deadline(c) > 0);                                                                                  \
    } while (0)
    SETTLED();
    assert_int_equal(cluster_discover(c, "", NULL), 0);
    assert_true(cluster_deadline(c) > 0);
    assert_int_equal(cluster_discover(c, "push:x", &push), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_discover(c, "static:a@b", &poll), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_source_refresh(poll), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_source_publish(push, &node, 1), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_source_fail(push, CLUSTER_E_IO, "no"), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_source_pause(poll, 1), 0);
    SETTLED();
    assert_int_equal(cluster_source_pause(poll, 0), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_epmd_names(c, "127.0.0.1", NULL), 0);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    assert_int_equal(cluster_discover(c, "file:/nowhere", &file), 0);
    SETTLED();
    cluster_source_remove(file);
    assert_true(cluster_deadline(c) == 0);
    SETTLED();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_after_a_complete_answer),
        cmocka_unit_test(closed_after_not_before),
        cmocka_unit_test(never_seen_is_closed_at_once),
        cmocka_unit_test(the_retired_are_bounded),
        cmocka_unit_test(sockets_are_bounded),
        cmocka_unit_test(removed_sources),
        cmocka_unit_test(forgotten_not_closed),
        cmocka_unit_test(strangers_are_ignored),
        cmocka_unit_test(foreign_descriptors),
        cmocka_unit_test(undrained_is_remembered),
        cmocka_unit_test(a_flood_starves_nobody),
        cmocka_unit_test(one_step_for_each),
        cmocka_unit_test(retired_while_pending),
        cmocka_unit_test(removed_by_itself),
        cmocka_unit_test(generation),
        cmocka_unit_test(deadlines_and_timeouts),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(refreshed_in_its_own_round),
        cmocka_unit_test(busy_from_every_hook),
        cmocka_unit_test(no_memory_for_a_socket),
        cmocka_unit_test(a_step_is_due_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
