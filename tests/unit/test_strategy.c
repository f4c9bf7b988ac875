/* Strategies of a program's own, through the public calls alone: registering, their life, their doors, and hearing. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"

#define SECOND FAKE_SECOND

static struct fake f;
static struct cluster *c;
static struct mirror mirror;
static uint64_t now_ns;

/* What the strategy did, a letter a call, and what it is told to do. */
static struct diary {
    struct cluster_source *s;
    char calls[64];
    char target[64];
    int open_result, fd, state; /* state: what is passed around as such */
    bool removes;               /* it removes its source when that ends */
    const char *open_why;
    int (*on_open)(struct diary *d);
    int (*on_round)(struct diary *d);
    int (*on_ready)(struct diary *d, int fd, int revents);
    uint64_t now;
} diary;

static void write_down(char what)
{
    size_t length = strlen(diary.calls);
    if (length + 1 < sizeof diary.calls)
        diary.calls[length] = what;
}

static int my_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct diary *d = (struct diary *)ctx;
    write_down('o');
    d->s = s;
    strncpy(d->target, target, sizeof d->target - 1);
    if (d->open_why)
        (void)cluster_source_fail(s, d->open_result, d->open_why);
    *state = &d->state;
    return d->on_open ? d->on_open(d) : d->open_result;
}

static int my_round(void *state, uint64_t now)
{
    assert_ptr_equal(state, &diary.state);
    write_down('r');
    diary.now = now;
    return diary.on_round ? diary.on_round(&diary) : 0;
}

static int my_ready(void *state, int fd, int revents, uint64_t now)
{
    assert_ptr_equal(state, &diary.state);
    write_down(fd < 0 ? 't' : 'f');
    diary.now = now;
    return diary.on_ready ? diary.on_ready(&diary, fd, revents) : 0;
}

static void my_close(void *state)
{
    assert_ptr_equal(state, &diary.state);
    write_down('c');
    if (diary.removes)
        cluster_source_remove(diary.s);
}

static struct cluster_strategy strategy(void)
{
    struct cluster_strategy v;
    memset(&v, 0, sizeof v);
    v.size = (uint32_t)sizeof v;
    v.open = my_open;
    v.round = my_round;
    v.ready = my_ready;
    v.close = my_close;
    return v;
}

static void begin(void)
{
    struct cluster_options o = fake_begin(&f);
    memset(&diary, 0, sizeof diary);
    memset(&mirror, 0, sizeof mirror);
    now_ns = 1000 * SECOND;
    o.node = "me@10.0.0.99";
    o.port = 9100;
    o.role = "db";
    assert_int_equal(cluster_create(&c, &o), 0);
    fake_run(&f, c, &now_ns, now_ns);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

static void wait_ms(uint64_t ms)
{
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS);
    mirror_check(&mirror, c);
}

static struct cluster_source *make(const struct cluster_strategy *v, const char *url)
{
    struct cluster_source *s;
    assert_int_equal(cluster_strategy_register(c, "mine", v, &diary), 0);
    if (cluster_discover(c, url, &s) != 0)
        fail_msg("%s", cluster_last_error(c));
    assert_ptr_equal(s, diary.s);
    return s;
}

static bool here(const char *name)
{
    return cluster_member_find(c, name) != NULL;
}

static struct cluster_node node(const char *name)
{
    struct cluster_node n;
    memset(&n, 0, sizeof n);
    n.size = (uint32_t)sizeof n;
    n.name = name;
    return n;
}

/* ---- registering ------------------------------------------------------ */

static void registering(void **state)
{
    static const char *const bad[] = {"",          "Mine", "1mine",     "+mine", "my_scheme",
                                      "my.scheme", "my:",  "m\xc3\xaf", " mine", "a23456789012345678901234567890123"};
    static const char *const good[] = {"a", "my-scheme+2", "a2345678901234567890123456789012"};
    struct {
        struct cluster_strategy v;
        uint64_t tail;
    } longer;
    struct cluster_strategy v = strategy();
    size_t i;
    (void)state;
    begin();
    for (i = 0; i < CLU_COUNT(bad); i++) {
        assert_int_equal(cluster_strategy_register(c, bad[i], &v, NULL), CLUSTER_E_INVALID);
        assert_non_null(strstr(cluster_last_error(c), "the scheme's name takes"));
    }
    assert_int_equal(cluster_strategy_register(c, NULL, &v, NULL), CLUSTER_E_INVALID);
    for (i = 0; i < CLU_COUNT(good); i++)
        assert_int_equal(cluster_strategy_register(c, good[i], &v, NULL), 0);
    assert_int_equal(cluster_strategy_register(c, "a", &v, NULL), CLUSTER_E_EXISTS);
    assert_int_equal(cluster_strategy_register(c, "epmd", &v, NULL), CLUSTER_E_EXISTS);
    assert_int_equal(cluster_strategy_register(c, "static", &v, NULL), CLUSTER_E_EXISTS);
    assert_int_equal(cluster_strategy_register(c, "b", NULL, NULL), CLUSTER_E_INVALID);
    v.size = 0;
    assert_int_equal(cluster_strategy_register(c, "b", &v, NULL), CLUSTER_E_INVALID);
    v = strategy();
    v.open = NULL;
    assert_int_equal(cluster_strategy_register(c, "b", &v, NULL), CLUSTER_E_INVALID);
    v = strategy();
    v.ready = NULL;
    assert_int_equal(cluster_strategy_register(c, "b", &v, NULL), CLUSTER_E_INVALID);
    v = strategy();
    v.close = NULL;
    assert_int_equal(cluster_strategy_register(c, "b", &v, NULL), CLUSTER_E_INVALID);
    memset(&longer, 0, sizeof longer);
    longer.v = strategy();
    longer.v.size = (uint32_t)sizeof longer;
    assert_int_equal(cluster_strategy_register(c, "b", &longer.v, NULL), 0);
    longer.tail = 7;
    assert_int_equal(cluster_strategy_register(c, "d", &longer.v, NULL), CLUSTER_E_INVALID);
    /* An older program's struct ends before the options. */
    v = strategy();
    v.size = (uint32_t)offsetof(struct cluster_strategy, options);
    v.options = (const char *)(uintptr_t)1;
    assert_int_equal(cluster_strategy_register(c, "old", &v, &diary), 0);
    assert_int_equal(cluster_discover(c, "old:x", NULL), 0);
    wait_ms(0);
    end();
    for (i = 1; i < 3; i++) {
        int result;
        begin();
        v = strategy();
        fake_memory_fail(&f.memory, i, true);
        result = cluster_strategy_register(c, "mine", &v, &diary);
        fake_memory_fail(&f.memory, 0, false);
        assert_int_equal(result, i == 1 ? CLUSTER_E_MEMORY : 0);
        assert_int_equal(cluster_discover(c, "mine:", NULL), result ? CLUSTER_E_INVALID : 0);
        end();
    }
}

/* What is passed in is copied: the struct and its text may go. */
static void copies(void **state)
{
    struct cluster_strategy *v = (struct cluster_strategy *)malloc(sizeof *v);
    char *options = (char *)malloc(32), *scheme = (char *)malloc(8);
    struct cluster_source *s;
    (void)state;
    assert_true(v && options && scheme);
    begin();
    *v = strategy();
    strcpy(options, "colour mood");
    strcpy(scheme, "mine");
    v->options = options;
    assert_int_equal(cluster_strategy_register(c, scheme, v, &diary), 0);
    memset(options, 'x', 32);
    memset(scheme, 'x', 8);
    free(options);
    free(scheme);
    free(v);
    assert_int_equal(cluster_discover(c, "mine:a%20b,c?mood=%41%2c+b&colour=&interval=1h", &s), 0);
    assert_string_equal(diary.target, "a%20b,c");
    assert_string_equal(cluster_source_option(s, "mood"), "A,+b");
    assert_string_equal(cluster_source_option(s, "colour"), "");
    assert_null(cluster_source_option(s, "shape"));
    assert_string_equal(cluster_source_item(s, NULL), "a b");
    assert_string_equal(cluster_source_item(s, cluster_source_item(s, NULL)), "c");
    assert_null(cluster_source_item(s, cluster_source_item(s, cluster_source_item(s, NULL))));
    assert_int_equal(cluster_discover(c, "mine:?color=red", NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "'colour'"));
    assert_int_equal(cluster_discover(c, "mine:?secret=red", NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_discover(c, "mien:", NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "'mine'"));
    assert_int_equal(cluster_discover(c, "mine:", &s), 0);
    assert_null(cluster_source_item(s, NULL));
    assert_string_equal(diary.target, "");
    assert_int_equal(cluster_discover(c, "mine:?mood=a:b", &s), 0);
    assert_string_equal(diary.target, "");
    end();
}

/* ---- its life --------------------------------------------------------- */

static int read_one(struct diary *d, int fd, int revents)
{
    char text[64];
    struct cluster_node n;
    int64_t size;
    (void)revents;
    if (fd < 0)
        return 0;
    while ((size = cluster_source_recv(d->s, fd, text, sizeof text - 1, NULL)) >= 0) {
        text[size] = '\0';
        n = node(text);
        assert_int_equal(cluster_source_publish(d->s, &n, 1), 0);
    }
    return size == CLUSTER_E_AGAIN ? 0 : (int)size;
}

static int open_and_ask(struct diary *d)
{
    struct cluster_address to = fake_address(10, 0, 0, 1, 0);
    if (d->fd > 0)
        assert_int_equal(cluster_source_close(d->s, d->fd), 0);
    d->fd = cluster_source_open(d->s, CLUSTER_UDP, 4);
    if (d->fd < 0)
        return d->fd;
    assert_int_equal(cluster_source_watch(d->s, d->fd, POLLIN), 0);
    assert_true(cluster_source_send(d->s, d->fd, "who?", 4, &to) == 4);
    return 0;
}

static void its_life(void **state)
{
    struct cluster_strategy v = strategy();
    struct cluster_source *s;
    struct cluster_counts counts;
    (void)state;
    begin();
    diary.on_round = open_and_ask;
    diary.on_ready = read_one;
    s = make(&v, "mine:?interval=10s&jitter=0%");
    assert_string_equal(diary.calls, "o"); /* no I/O before the first step */
    assert_int_equal(f.all, 0);
    wait_ms(0);
    assert_string_equal(diary.calls, "or");
    assert_true(diary.now == now_ns);
    assert_memory_equal(f.s[diary.fd].out, "who?", 4);
    fake_push(&f, diary.fd, "a@h", 3, NULL);
    wait_ms(1000);
    assert_string_equal(diary.calls, "orf");
    assert_true(here("a@h"));
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    assert_true(counts.sent == 1 && counts.sent_bytes == 4 && counts.received == 1 && counts.received_bytes == 3);
    /* An error that ready returns fails the round that is under way, and none that has ended. */
    f.s[diary.fd].recv_error = CLUSTER_E_CLOSED;
    assert_int_equal(fake_step(&f, c, now_ns), 1);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    f.s[diary.fd].recv_error = 0;
    wait_ms(9000);
    f.s[diary.fd].recv_error = CLUSTER_E_CLOSED;
    assert_int_equal(fake_step(&f, c, now_ns), 1);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_CLOSED);
    f.s[diary.fd].recv_error = 0;
    cluster_source_remove(s);
    assert_int_equal(diary.calls[strlen(diary.calls) - 1], 'c');
    assert_false(here("a@h"));
    wait_ms(0);
    assert_int_equal(fake_count_open(&f), 0); /* it left its socket to us */
    diary.fd = 0;
    memset(diary.calls, 0, sizeof diary.calls);
    assert_int_equal(cluster_discover(c, "mine:", NULL), 0);
    wait_ms(0);
    end();
    assert_string_equal(diary.calls, "orc");
}

static int publish_at_once(struct diary *d)
{
    struct cluster_node n = node("early@h");
    return cluster_source_publish(d->s, &n, 1);
}

static int publish_and_fail(struct diary *d)
{
    assert_int_equal(publish_at_once(d), 0);
    return CLUSTER_E_IO;
}

static int remove_at_once(struct diary *d)
{
    cluster_source_remove(d->s);
    return d->open_result;
}

static void opening(void **state)
{
    struct cluster_strategy v = strategy();
    struct cluster_source *s = NULL;
    (void)state;
    begin();
    assert_int_equal(cluster_strategy_register(c, "mine", &v, &diary), 0);
    diary.open_result = CLUSTER_E_PERMISSION;
    diary.open_why = "not today: come tomorrow";
    assert_int_equal(cluster_discover(c, "mine:", &s), CLUSTER_E_PERMISSION);
    assert_string_equal(cluster_last_error(c), "not today: come tomorrow");
    assert_null(s);
    diary.open_why = NULL;
    diary.open_result = CLUSTER_E_UNSUPPORTED;
    assert_int_equal(cluster_discover(c, "mine:", &s), CLUSTER_E_UNSUPPORTED);
    assert_string_equal(cluster_last_error(c), "not supported");
    assert_string_equal(diary.calls, "oo"); /* what did not open is not closed */
    diary.on_open = publish_and_fail;       /* what it listed is gone with it */
    assert_int_equal(cluster_discover(c, "mine:", &s), CLUSTER_E_IO);
    assert_false(here("early@h"));
    diary.on_open = remove_at_once;
    assert_int_equal(cluster_discover(c, "mine:", &s), CLUSTER_E_UNSUPPORTED);
    diary.open_result = 0;
    diary.removes = true;
    assert_int_equal(cluster_discover(c, "mine:", NULL), 0);
    wait_ms(0);
    assert_null(cluster_source_at(c, 0));
    diary.removes = false;
    diary.on_open = publish_at_once;
    assert_int_equal(cluster_discover(c, "mine:", &s), 0);
    assert_true(here("early@h"));
    wait_ms(0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    end();
}

static int many_doors(struct diary *d)
{
    const struct cluster_node *own = cluster_source_own(d->s);
    const struct cluster_allocator *memory = cluster_source_allocator(d->s);
    uint8_t bytes[40];
    void *block;
    assert_string_equal(own->name, "me@10.0.0.99");
    assert_string_equal(own->role, "db");
    assert_true(!own->zone || !*own->zone);
    assert_int_equal(own->port, 9100);
    assert_ptr_equal(cluster_source_io(d->s)->ctx, &f);
    block = memory->resize(memory->ctx, NULL, 0, 100);
    assert_non_null(block);
    assert_null(memory->resize(memory->ctx, block, 100, 0));
    assert_true(cluster_source_now(d->s) == now_ns);
    assert_int_equal(cluster_source_random(d->s, bytes, sizeof bytes), 0);
    cluster_source_drop(d->s);
    cluster_source_log(d->s, CLUSTER_LOG_DEBUG, "too fine");
    cluster_source_log(d->s, CLUSTER_LOG_ERROR, "to be seen");
    return cluster_source_publish(d->s, NULL, 0);
}

static void doors(void **state)
{
    struct cluster_strategy v = strategy();
    struct cluster_counts counts;
    struct cluster_source *s;
    int i;
    (void)state;
    begin();
    diary.on_round = many_doors;
    v.options = "secret";
    s = make(&v, "mine:?secret=hush");
    wait_ms(0);
    assert_int_equal(f.logs, 1);
    assert_string_equal(f.log, "to be seen");
    assert_string_equal(f.setting, "mine:?secret=***");
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    assert_true(counts.dropped == 1);
    for (i = 0; i < 12; i++) { /* 13 times 40 bytes in buffers of 256 */
        assert_int_equal(cluster_source_refresh(s), 0);
        wait_ms(0);
    }
    assert_int_equal(f.calls[FAKE_RANDOM], 3);
    end();
}

static void random_bytes(void **state)
{
    struct cluster_strategy v = strategy();
    uint8_t one[64], two[64], large[1000];
    struct cluster_source *s;
    (void)state;
    begin();
    s = make(&v, "mine:");
    assert_int_equal(cluster_source_random(s, one, sizeof one), 0);
    assert_int_equal(cluster_source_random(s, two, sizeof two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    assert_int_equal(cluster_source_random(s, large, sizeof large), 0);
    assert_int_equal(cluster_source_random(s, large, 0), 0);
    f.errors[FAKE_RANDOM] = CLUSTER_E_IO;
    assert_int_equal(cluster_source_random(s, large, sizeof large), CLUSTER_E_IO);
    end();
}

static int timer_again(struct diary *d, int fd, int revents)
{
    (void)revents;
    assert_int_equal(fd, -1);
    return strlen(d->calls) < 20 ? cluster_source_timer(d->s, d->now + SECOND) : CLUSTER_E_IO;
}

static int start_timer(struct diary *d)
{
    return cluster_source_timer(d->s, d->now + SECOND);
}

static void timers(void **state)
{
    struct cluster_strategy v = strategy();
    struct cluster_source *s;
    (void)state;
    begin();
    diary.on_round = start_timer;
    diary.on_ready = timer_again;
    s = make(&v, "mine:?interval=0&timeout=1h");
    wait_ms(5500);
    assert_string_equal(diary.calls, "orttttt");
    assert_int_equal(cluster_source_pause(s, 1), 0); /* a pause is about rounds */
    wait_ms(2000);
    assert_string_equal(diary.calls, "orttttttt");
    assert_int_equal(cluster_source_timer(s, CLUSTER_NEVER), 0);
    wait_ms(60000);
    assert_string_equal(diary.calls, "orttttttt");
    assert_int_equal(cluster_source_timer(s, now_ns), 0);
    wait_ms(60000); /* until it returns an error, with the round still under way */
    assert_int_equal(cluster_source_error(s), CLUSTER_E_IO);
    end();
}

/* ---- hearing ---------------------------------------------------------- */

static struct cluster_strategy hearing(uint64_t max_age)
{
    struct cluster_strategy v = strategy();
    v.flags = CLUSTER_STRATEGY_HEARS;
    v.max_age_ns = max_age;
    return v;
}

static const char *heard_name;
static int heard_result;

static int hear_it(struct diary *d, int fd, int revents)
{
    struct cluster_node n = node(heard_name);
    (void)fd;
    (void)revents;
    heard_result = cluster_source_heard(d->s, &n);
    return 0;
}

/* In a step, as a strategy hears. */
static int hear(const char *name)
{
    heard_name = name;
    diary.on_ready = hear_it;
    assert_int_equal(cluster_source_timer(diary.s, 0), 0);
    wait_ms(0);
    return heard_result;
}

static void heard_and_gone(void **state)
{
    struct cluster_strategy v = hearing(10 * SECOND);
    struct cluster_source *s;
    (void)state;
    begin();
    s = make(&v, "mine:?except=bad*&interval=5s&jitter=0%");
    assert_int_equal(hear("a@h"), 0);
    assert_int_equal(hear("b@h"), 0);
    assert_true(here("a@h") && here("b@h"));
    assert_int_equal(hear("bad@h"), CLUSTER_E_PERMISSION);
    assert_int_equal(hear("no-name@"), CLUSTER_E_INVALID);
    assert_int_equal(hear("me@10.0.0.99"), 0); /* oneself: a member anyway */
    assert_int_equal(cluster_source_count(s), 2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_STARTING);
    wait_ms(5000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    assert_int_equal(cluster_source_gone(s, "a@h"), 0);
    assert_int_equal(cluster_source_gone(s, "a@h"), 0);
    assert_int_equal(cluster_source_gone(s, "nobody@h"), 0);
    assert_int_equal(cluster_source_gone(s, "me@10.0.0.99"), 0);
    assert_true(!here("a@h") && here("b@h") && here("me@10.0.0.99"));
    assert_int_equal(hear("b@h"), 0);
    wait_ms(9999);
    assert_true(here("b@h"));
    wait_ms(1);
    assert_false(here("b@h"));
    wait_ms(6000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    /* Rounds of one that hears have no timeout. */
    wait_ms(600000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    assert_true(cluster_source_rounds(s) > 100);
    end();
}

/* Random hearing beside a model: who was heard within max-age, or in a time that stood still. */
static void random_hearing(void **state)
{
    static const char *const names[] = {"a@h", "b@h", "c@h", "d@h", "e@h", "f@h"};
    const uint64_t max_age = 20;
    uint64_t seen[6], seed = 9, frozen_at = 0, now = 1000;
    bool there[6] = {false}, frozen = false;
    struct cluster_strategy v = hearing(max_age * CLU_MS);
    struct cluster_source *s;
    unsigned step;
    size_t i;
    (void)state;
    begin();
    s = make(&v, "mine:?interval=1h");
    now_ns = now_ns / CLU_MS * CLU_MS;
    wait_ms(0);
    now = now_ns / CLU_MS;
    for (step = 0; step < 3000; step++) {
        size_t which;
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        which = (size_t)(seed >> 33) % 6;
        switch ((seed >> 40) % 16) {
        case 0:
            assert_int_equal(cluster_source_pause(s, !frozen), 0);
            assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
            if (frozen)
                for (i = 0; i < 6; i++)
                    seen[i] = seen[i] + (now - frozen_at) < now ? seen[i] + (now - frozen_at) : now;
            frozen_at = now;
            frozen = !frozen;
            break;
        case 1:
            assert_int_equal(cluster_source_gone(s, names[which]), 0);
            there[which] = false;
            break;
        case 2:
        case 3:
        case 4:
        case 5:
            wait_ms((seed >> 50) % 9);
            now = now_ns / CLU_MS;
            for (i = 0; i < 6 && !frozen; i++)
                there[i] = there[i] && seen[i] + max_age > now;
            break;
        default:
            assert_int_equal(hear(names[which]), 0);
            there[which] = true;
            seen[which] = now;
        }
        mirror_check(&mirror, c);
        for (i = 0; i < 6; i++)
            assert_int_equal(here(names[i]), there[i]);
    }
    assert_true(cluster_revision(c) > 300);
    end();
}

/* New names at a bounded rate, and never more than the limit. */
static void bounded_hearing(void **state)
{
    struct cluster_strategy v = hearing(0);
    char name[32];
    unsigned i, taken = 0;
    (void)state;
    begin();
    (void)make(&v, "mine:?limit=300");
    for (i = 0; i < 400; i++) {
        int result;
        sprintf(name, "n%u@h", i);
        result = hear(name);
        assert_true(result == 0 || result == CLUSTER_E_LIMIT);
        taken += result == 0;
    }
    assert_int_equal(taken, 256);
    wait_ms(10000);
    for (i = 400; i < 800; i++) {
        sprintf(name, "n%u@h", i);
        taken += hear(name) == 0;
    }
    assert_int_equal(taken, 300);
    assert_int_equal(hear("n0@h"), 0);
    assert_int_equal(cluster_member_count(c), 301);
    end();
}

/* A strategy that publishes lists and also hears: both are its word. */
static void lists_and_hearing(void **state)
{
    struct cluster_strategy v = strategy();
    struct cluster_source *s;
    struct cluster_node n = node("a@h");
    (void)state;
    begin();
    s = make(&v, "mine:?interval=1h&misses=2");
    wait_ms(0);
    assert_int_equal(cluster_source_publish(s, &n, 1), 0);
    assert_int_equal(hear("b@h"), 0);
    assert_int_equal(cluster_source_same(s), CLUSTER_E_INVALID); /* what was heard since is no list */
    assert_int_equal(cluster_source_publish(s, &n, 1), 0);
    assert_true(here("b@h"));
    assert_int_equal(cluster_source_publish(s, &n, 1), 0);
    assert_false(here("b@h"));
    mirror_check(&mirror, c);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registering),
        cmocka_unit_test(copies),
        cmocka_unit_test(its_life),
        cmocka_unit_test(opening),
        cmocka_unit_test(doors),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(timers),
        cmocka_unit_test(heard_and_gone),
        cmocka_unit_test(random_hearing),
        cmocka_unit_test(bounded_hearing),
        cmocka_unit_test(lists_and_hearing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
