/* Sources: the three ways in which a round ends, its clock, ageing, pauses, removal, and what the common options do to nodes. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "one_handle.h"

#define SECOND FAKE_SECOND

/* A strategy that polls: each round ends as the script says. */
enum { SILENT, ANSWER, FAIL, FAIL_AND_RETURN, RETURN, BAD, REMOVE, PAUSE };

static struct poll_script {
    struct cluster_source *s;
    int mode;
    const char *list; /* names, after spaces; NULL: the empty answer */
    int error;
    const char *why;
    uint64_t times[64];
    size_t rounds;
    unsigned closed;
} poll_script;

static int publish(struct cluster_source *s, const char *list)
{
    char copy[512], *name;
    struct cluster_node nodes[32];
    size_t count = 0;
    memset(nodes, 0, sizeof nodes);
    strcpy(copy, list ? list : "");
    for (name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
        nodes[count].size = (uint32_t)sizeof nodes[0];
        nodes[count++].name = name;
    }
    return cluster_source_publish(s, nodes, count);
}

static int poll_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct poll_script *p = (struct poll_script *)ctx;
    (void)target;
    p->s = s;
    *state = p;
    return 0;
}

static int poll_round(void *state, uint64_t now)
{
    struct poll_script *p = (struct poll_script *)state;
    if (p->rounds < 64)
        p->times[p->rounds] = now;
    p->rounds++;
    switch (p->mode) {
    case ANSWER:
        return publish(p->s, p->list);
    case FAIL:
        return cluster_source_fail(p->s, p->error, p->why);
    case FAIL_AND_RETURN:
        (void)cluster_source_fail(p->s, p->error, p->why);
        return CLUSTER_E_IO;
    case RETURN:
        return p->error;
    case BAD:
        return publish(p->s, "new@h not-a-name");
    case REMOVE:
        cluster_source_remove(p->s);
        return publish(p->s, "ghost@h");
    case PAUSE:
        assert_int_equal(cluster_source_pause(p->s, 1), 0);
        return publish(p->s, p->list);
    default:
        return 0;
    }
}

static int poll_ready(void *state, int fd, int revents, uint64_t now)
{
    (void)state;
    (void)fd;
    (void)revents;
    (void)now;
    return 0;
}

static void poll_close(void *state)
{
    ((struct poll_script *)state)->closed++;
}

static void begin(const char *node)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_strategy strategy;
    memset(&poll_script, 0, sizeof poll_script);
    memset(&mirror, 0, sizeof mirror);
    memset(&strategy, 0, sizeof strategy);
    strategy.size = (uint32_t)sizeof strategy;
    strategy.open = poll_open;
    strategy.round = poll_round;
    strategy.ready = poll_ready;
    strategy.close = poll_close;
    o.node = node;
    now_ns = 1000 * SECOND;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_strategy_register(c, "poll", &strategy, &poll_script), 0);
}

static struct cluster_source *discover(const char *url)
{
    struct cluster_source *s;
    if (cluster_discover(c, url, &s) != 0)
        fail_msg("%s: %s", url, cluster_last_error(c));
    return s;
}

static void run_to(uint64_t then)
{
    fake_run(&f, c, &now_ns, then);
    mirror_check(&mirror, c);
}

static void round_now(struct cluster_source *s)
{
    assert_int_equal(cluster_source_refresh(s), 0);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    mirror_check(&mirror, c);
}

static bool here(const char *name)
{
    return cluster_member_find(c, name) != NULL;
}

static struct cluster_counts stats(void)
{
    struct cluster_counts counts;
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    return counts;
}

/* ---- the three-valued result ------------------------------------------ */

static void three_values(void **state)
{
    struct cluster_source *s;
    (void)state;
    begin(NULL);
    poll_script.mode = ANSWER;
    poll_script.list = "a@h b@h";
    s = discover("poll:x?interval=1h");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_STARTING);
    assert_string_equal(cluster_source_why(s), "");
    round_now(s);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 1);
    assert_int_equal(mirror.source_state, CLUSTER_SOURCE_ANSWER);
    assert_int_equal(cluster_source_count(s), 2);
    round_now(s); /* the same once more is no news */
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 1);
    assert_true(cluster_source_rounds(s) == 2 && cluster_revision(c) == 2);
    /* A failure changes nothing and is said once; another error is another failure. */
    poll_script.mode = FAIL;
    poll_script.error = CLUSTER_E_REFUSED;
    poll_script.why = "nobody is there: start it";
    round_now(s);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_REFUSED);
    assert_string_equal(cluster_source_why(s), "nobody is there: start it");
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 2);
    assert_int_equal(mirror.source_error, CLUSTER_E_REFUSED);
    assert_string_equal(mirror.source_text, "nobody is there: start it");
    poll_script.why = "still nobody";
    round_now(s);
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 2);
    assert_string_equal(cluster_source_why(s), "still nobody");
    poll_script.mode = RETURN;
    poll_script.error = CLUSTER_E_PROTOCOL;
    round_now(s);
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 3);
    assert_string_equal(mirror.source_text, cluster_strerror(CLUSTER_E_PROTOCOL));
    poll_script.mode = BAD;
    round_now(s);
    assert_int_equal(mirror.source_error, CLUSTER_E_INVALID);
    assert_non_null(strstr(mirror.source_text, "'not-a-name'"));
    assert_true(cluster_source_rounds(s) == 6);
    /* A sentence is not lost by an error that is returned after it, and the round has ended once. */
    poll_script.mode = FAIL_AND_RETURN;
    poll_script.error = CLUSTER_E_CLOSED;
    poll_script.why = "cut";
    round_now(s);
    assert_int_equal(mirror.source_error, CLUSTER_E_CLOSED);
    assert_string_equal(mirror.source_text, "cut");
    assert_true(cluster_source_rounds(s) == 7 && cluster_revision(c) == 2);
    assert_true(stats().rounds == 7 && stats().failures == 5);
    /* An answer again; then none at all, three times. */
    poll_script.mode = ANSWER;
    round_now(s);
    assert_int_equal(mirror.source_state, CLUSTER_SOURCE_ANSWER);
    assert_int_equal(mirror.source_error, 0);
    assert_string_equal(cluster_source_why(s), "");
    poll_script.list = NULL;
    round_now(s);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    round_now(s);
    poll_script.mode = FAIL; /* it counts for nothing and resets nothing */
    round_now(s);
    round_now(s);
    assert_int_equal(cluster_member_count(c), 2);
    poll_script.mode = ANSWER;
    round_now(s);
    assert_int_equal(cluster_member_count(c), 0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

static void seen_again_in_time(void **state)
{
    struct cluster_source *s;
    int i;
    (void)state;
    begin(NULL);
    s = discover("poll:x?interval=1h");
    poll_script.mode = ANSWER;
    for (i = 0; i < 12; i++) {
        poll_script.list = i % 3 ? "b@h" : "a@h b@h"; /* never three times without a */
        round_now(s);
        assert_true(here("a@h"));
    }
    round_now(s);
    assert_false(here("a@h"));
    end();
}

static void timeouts(void **state)
{
    struct cluster_source *s, *t;
    uint64_t start = 1000 * SECOND;
    (void)state;
    begin(NULL);
    s = discover("poll:x");
    run_to(start + 5 * SECOND - 1);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_STARTING);
    run_to(start + 5 * SECOND);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_TIMEOUT);
    assert_non_null(strstr(cluster_source_why(s), "timeout="));
    cluster_source_remove(s);
    /* Rounds that are due more often than they end do not put the end off. */
    t = discover("poll:x?interval=1s&timeout=3500ms&jitter=0%");
    poll_script.rounds = 0;
    start = now_ns;
    run_to(start + 3 * SECOND);
    assert_int_equal(poll_script.rounds, 1);
    assert_int_equal(cluster_source_refresh(t), 0);
    run_to(start + 3500 * CLU_MS);
    assert_int_equal(cluster_source_state(t), CLUSTER_SOURCE_FAILED);
    assert_true(cluster_source_rounds(t) == 1);
    run_to(start + 20 * SECOND);
    assert_in_range(cluster_source_rounds(t), 4, 6);
    end();
}

/* ---- the clock -------------------------------------------------------- */

static void intervals(void **state)
{
    uint64_t start = 1000 * SECOND, shortest = CLUSTER_NEVER, longest = 0;
    struct cluster_source *s;
    size_t i;
    (void)state;
    begin(NULL);
    poll_script.mode = ANSWER;
    s = discover("poll:x?interval=10s");
    run_to(start + 500 * SECOND);
    assert_true(poll_script.rounds > 45 && poll_script.rounds < 56);
    assert_true(poll_script.times[0] == start);
    for (i = 1; i < poll_script.rounds; i++) {
        uint64_t apart = poll_script.times[i] - poll_script.times[i - 1];
        shortest = apart < shortest ? apart : shortest;
        longest = apart > longest ? apart : longest;
    }
    assert_true(shortest >= 9 * SECOND && longest <= 11 * SECOND);
    assert_true(longest - shortest > SECOND);
    cluster_source_remove(s);
    poll_script.rounds = 0;
    s = discover("poll:x?interval=10s&jitter=0%");
    start = now_ns;
    run_to(start + 95 * SECOND);
    assert_int_equal(poll_script.rounds, 10);
    for (i = 0; i < 10; i++)
        assert_true(poll_script.times[i] == start + i * 10 * SECOND);
    cluster_source_remove(s);
    end();
}

static void one_round_only(void **state)
{
    static const char *const urls[] = {"poll:x?interval=0", "poll:x?interval=0&jitter=100%", "static:a@h",
                                       "static:a@h?jitter=100%"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(urls); i++) {
        struct cluster_source *s;
        begin(NULL);
        poll_script.mode = ANSWER;
        s = discover(urls[i]);
        run_to(1000 * SECOND + 1);
        assert_true(cluster_deadline(c) == CLUSTER_NEVER);
        assert_int_equal(cluster_timeout_ms(c, now_ns), -1);
        run_to(9000 * SECOND);
        assert_true(cluster_source_rounds(s) == 1);
        round_now(s);
        assert_true(cluster_source_rounds(s) == 2);
        end();
    }
    /* Until it has succeeded it is tried again. */
    begin(NULL);
    poll_script.mode = FAIL;
    poll_script.error = CLUSTER_E_IO;
    poll_script.list = "a@h";
    (void)discover("poll:x?interval=0");
    run_to(1000 * SECOND + 60 * SECOND);
    assert_in_range(poll_script.rounds, 10, 14);
    poll_script.mode = ANSWER;
    run_to(1000 * SECOND + 66 * SECOND);
    assert_true(here("a@h"));
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    end();
    /* So is a static list that there was no memory for. */
    begin(NULL);
    (void)discover("static:a@h,b@h");
    fake_memory_fail(&f.memory, 1, true);
    run_to(1000 * SECOND + SECOND);
    assert_int_equal(cluster_member_count(c), 0);
    fake_memory_fail(&f.memory, 0, false);
    run_to(1000 * SECOND + 6 * SECOND);
    assert_int_equal(cluster_member_count(c), 2);
    end();
}

/* ---- pause, refresh, remove ------------------------------------------- */

static void pauses(void **state)
{
    struct cluster_source *s;
    uint64_t start = 1000 * SECOND;
    (void)state;
    begin(NULL);
    poll_script.mode = ANSWER;
    poll_script.list = "a@h";
    s = discover("poll:x?interval=1s&jitter=0%&max-age=10s");
    assert_int_equal(cluster_source_pause(s, 1), 0); /* before it ever ran */
    assert_int_equal(cluster_source_refresh(s), 0);
    run_to(start + 100 * SECOND);
    assert_int_equal(poll_script.rounds, 0);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    assert_int_equal(cluster_source_pause(s, 0), 0);
    assert_int_equal(cluster_source_pause(s, 0), 0);
    run_to(start + 102 * SECOND);
    assert_int_equal(poll_script.rounds, 3);
    assert_int_equal(cluster_source_pause(s, 1), 0);
    assert_int_equal(cluster_source_pause(s, 7), 0);
    run_to(start + 3600 * SECOND);
    assert_int_equal(poll_script.rounds, 3);
    assert_true(here("a@h")); /* nobody aged */
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    /* Going on brings a round; one without a runs its time from where it stood. */
    poll_script.list = NULL;
    poll_script.mode = SILENT;
    assert_int_equal(cluster_source_pause(s, 0), 0);
    run_to(start + 3601 * SECOND);
    assert_int_equal(poll_script.rounds, 4);
    assert_true(here("a@h"));
    end();
    /* Going on and pausing again before the next step is one long pause. */
    begin(NULL);
    s = discover("push:x?max-age=10s");
    run_to(start);
    assert_int_equal(publish(s, "a@h"), 0);
    run_to(start + 5 * SECOND);
    assert_int_equal(cluster_source_pause(s, 1), 0);
    run_to(start + 1000 * SECOND);
    assert_int_equal(cluster_source_pause(s, 0), 0);
    assert_int_equal(cluster_source_pause(s, 1), 0);
    run_to(start + 1001 * SECOND);
    assert_int_equal(cluster_source_pause(s, 0), 0);
    run_to(start + 1005 * SECOND);
    assert_true(here("a@h"));
    run_to(start + 1007 * SECOND);
    assert_false(here("a@h"));
    end();
    /* From inside its round, and with a round under way: its answer still counts. */
    begin(NULL);
    poll_script.mode = PAUSE;
    poll_script.list = "a@h";
    s = discover("poll:x?interval=1s");
    run_to(start + 50 * SECOND);
    assert_int_equal(poll_script.rounds, 1);
    assert_true(here("a@h"));
    poll_script.mode = SILENT;
    assert_int_equal(cluster_source_pause(s, 0), 0);
    run_to(start + 51 * SECOND);
    assert_int_equal(cluster_source_pause(s, 1), 0);
    assert_int_equal(publish(s, "b@h a@h"), 0);
    run_to(start + 99 * SECOND);
    assert_true(here("b@h"));
    assert_int_equal(poll_script.rounds, 2);
    end();
}

static void removals(void **state)
{
    struct cluster_source *s, *t, *u;
    (void)state;
    begin(NULL);
    s = discover("push:s");
    poll_script.mode = REMOVE;
    t = discover("poll:x");
    u = discover("push:u");
    assert_ptr_equal(cluster_source_at(c, 0), s);
    assert_ptr_equal(cluster_source_at(c, 1), t);
    assert_ptr_equal(cluster_source_at(c, 2), u);
    assert_int_equal(stats().sources, 3);
    assert_int_equal(publish(s, "a@h b@h"), 0);
    assert_int_equal(publish(u, "b@h c@h"), 0);
    run_to(1001 * SECOND); /* t removes itself in its round, and what it still says is nothing */
    assert_int_equal(poll_script.closed, 1);
    assert_false(here("ghost@h"));
    assert_ptr_equal(cluster_source_at(c, 1), u);
    assert_null(cluster_source_at(c, 2));
    assert_int_equal(stats().sources, 2);
    cluster_source_remove(s);
    assert_false(here("a@h")); /* at once, but for what another lists */
    assert_true(here("b@h"));
    mirror_check(&mirror, c);
    assert_int_equal(cluster_member_find(c, "b@h")->sources, 1);
    cluster_source_remove(u);
    assert_int_equal(cluster_member_count(c), 0);
    assert_null(cluster_source_at(c, 0));
    run_to(1002 * SECOND);
    /* With news that nobody read yet, and a round under way. */
    poll_script.mode = SILENT;
    t = discover("poll:x");
    run_to(1003 * SECOND);
    s = discover("push:s");
    assert_int_equal(publish(s, "a@h"), 0);
    cluster_source_remove(t);
    cluster_source_remove(s);
    run_to(1100 * SECOND);
    assert_int_equal(poll_script.closed, 2);
    end();
}

/* ---- ageing ----------------------------------------------------------- */

/* A host that did not step for an hour and then pushes: what it pushed is new, not an hour old. */
static void the_clock_of_a_host_that_slept(void **state)
{
    struct cluster_source *s;
    uint64_t start = 1000 * SECOND;
    (void)state;
    begin(NULL);
    s = discover("push:x?max-age=15s");
    run_to(start);
    assert_int_equal(publish(s, "a@h b@h"), 0);
    run_to(start + 10 * SECOND);
    now_ns += 3600 * SECOND; /* no step */
    assert_int_equal(publish(s, "a@h b@h c@h"), 0);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    assert_int_equal(cluster_member_count(c), 3);
    start = now_ns;
    run_to(start + 15 * SECOND - 1);
    assert_int_equal(cluster_member_count(c), 3);
    assert_true(cluster_deadline(c) == start + 15 * SECOND);
    run_to(start + 15 * SECOND);
    assert_int_equal(cluster_member_count(c), 0);
    /* Saying the same is hearing it. */
    assert_int_equal(publish(s, "a@h"), 0);
    run_to(start + 20 * SECOND);
    now_ns += 3600 * SECOND;
    assert_int_equal(cluster_source_same(s), 0);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    assert_true(here("a@h"));
    /* One who slept and says nothing has heard nobody for an hour. */
    now_ns += 3600 * SECOND;
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    assert_false(here("a@h"));
    mirror_check(&mirror, c);
    end();
}

/* Nobody ages while the source fails, and nobody gains by it: neither who was seen by the answer that ended it nor who was
 * not. Once as polls see it, inside of steps, and once with pushes. */
static void ageing_stands_still(void **state)
{
    uint64_t start = 1000 * SECOND;
    int pushed;
    (void)state;
    for (pushed = 0; pushed < 2; pushed++) {
        struct cluster_source *s;
        begin(NULL);
        poll_script.mode = SILENT;
        s = discover(pushed ? "push:x?max-age=15s&misses=1000" : "poll:x?max-age=15s&misses=1000&interval=0&timeout=10h");
        run_to(start);
#define SAY(names)                                                                                                             \
    do {                                                                                                                       \
        poll_script.mode = ANSWER;                                                                                             \
        poll_script.list = names;                                                                                              \
        if (pushed)                                                                                                            \
            assert_int_equal(publish(s, names), 0);                                                                            \
        else                                                                                                                   \
            assert_int_equal(cluster_source_refresh(s), 0);                                                                    \
        assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);                                                                 \
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);                                                      \
    } while (0)
        if (!pushed)
            assert_int_equal(cluster_source_fail(s, CLUSTER_E_IO, "not yet"), 0);
        SAY("a@h b@h");
        run_to(start + 5 * SECOND);
        if (pushed) {
            assert_int_equal(cluster_source_fail(s, CLUSTER_E_IO, "gone"), 0);
        } else {
            poll_script.mode = FAIL;
            poll_script.error = CLUSTER_E_IO;
            round_now(s);
            poll_script.mode = SILENT;
        }
        assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
        now_ns = start + 3600 * SECOND; /* the retries of a poll are not what this is about */
        assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
        assert_int_equal(cluster_member_count(c), 2);
        if (!pushed)
            assert_int_equal(cluster_source_fail(s, CLUSTER_E_IO, "still"), 0);
        SAY("a@h");
        assert_true(here("b@h"));
        /* b had lived 5 seconds of its 15; a begins anew. */
        run_to(start + 3610 * SECOND - 1);
        assert_true(here("b@h"));
        run_to(start + 3610 * SECOND);
        assert_false(here("b@h"));
        assert_true(here("a@h"));
        run_to(start + 3615 * SECOND - 1);
        assert_true(here("a@h"));
        run_to(start + 3615 * SECOND);
        assert_false(here("a@h"));
        end();
    }
}

static void never_below_min(void **state)
{
    struct cluster_source *s;
    uint64_t start = 1000 * SECOND;
    (void)state;
    begin("self@h");
    s = discover("push:x?max-age=10s&min=2&misses=1000");
    run_to(start);
    assert_int_equal(publish(s, "a@h b@h c@h d@h"), 0);
    run_to(start + 4 * SECOND);
    assert_int_equal(publish(s, "a@h"), 0);
    run_to(start + 60 * SECOND);
    assert_int_equal(cluster_source_count(s), 2); /* the own node is not counted */
    assert_true(here("a@h") && here("d@h"));
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    /* A new one comes, and of the two that are too old the longest unseen goes. */
    assert_int_equal(publish(s, "e@h"), 0);
    run_to(start + 61 * SECOND);
    assert_true(here("a@h") && here("e@h") && !here("d@h"));
    end();
    begin(NULL);
    s = discover("push:x?max-age=10s&prune=off");
    assert_int_equal(publish(s, "a@h"), 0);
    run_to(start + 60 * SECOND);
    assert_int_equal(publish(s, NULL), 0);
    assert_true(here("a@h"));
    assert_true(cluster_deadline(c) == 0);
    run_to(start + 61 * SECOND);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    end();
}

/* ---- from names to members -------------------------------------------- */

static struct cluster_node node(const char *name)
{
    struct cluster_node n;
    memset(&n, 0, sizeof n);
    n.size = (uint32_t)sizeof n;
    n.name = name;
    return n;
}

static void common_options(void **state)
{
    struct cluster_source *s;
    const struct cluster_member *m;
    struct cluster_node n;
    (void)state;
    begin("own@10.0.0.1");
    s = discover("push:x?node=app&port=9100&weight=5&zone=east%201&role=db");
    assert_int_equal(publish(s, "10.0.0.2 other@10.0.0.3"), 0);
    m = cluster_member_find(c, "app@10.0.0.2");
    assert_true(m && m->port == 9100 && m->weight == 5);
    assert_string_equal(m->zone, "east 1");
    assert_string_equal(m->role, "db");
    n = node("10.0.0.2");
    n.port = 1;
    n.weight = 2;
    n.zone = "";
    n.role = "web";
    n.flags = CLUSTER_NODE_DRAINING;
    assert_int_equal(cluster_source_publish(s, &n, 1), 0);
    m = cluster_member_find(c, "app@10.0.0.2");
    assert_true(m && m->port == 1 && m->weight == 2 && m->flags == CLUSTER_MEMBER_DRAINING);
    assert_string_equal(m->zone, "");
    assert_string_equal(m->role, "web");
    cluster_source_remove(s);
    /* Without node= the own base name is put before a host; with neither there is no name. */
    s = discover("push:x");
    assert_int_equal(publish(s, "10.0.0.2"), 0);
    assert_true(here("own@10.0.0.2"));
    mirror_check(&mirror, c);
    end();
    begin(NULL);
    s = discover("push:x");
    assert_int_equal(publish(s, "10.0.0.2"), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_source_why(s), "say which node with node=NAME"));
    end();
}

static void filters(void **state)
{
    static const struct {
        const char *url, *members;
    } table[] = {
        {"push:x", "a@10.0.0.1 a@fd00::1 app1@10.0.1.1 app2@10.0.1.2 b@h"},
        {"push:x?only=app*", "app1@10.0.1.1 app2@10.0.1.2"},
        {"push:x?only=app%3F@*,b@*", "app1@10.0.1.1 app2@10.0.1.2 b@h"},
        {"push:x?except=a*", "b@h"},
        {"push:x?only=app*&except=*2", "app1@10.0.1.1"},
        {"push:x?allow=10.0.1.0/24", "app1@10.0.1.1 app2@10.0.1.2 b@h"}, /* b has an address there */
        {"push:x?allow=fd00::/8", "a@fd00::1"},
        {"push:x?allow=10.0.0.1,fd00::/8", "a@10.0.0.1 a@fd00::1"},
    };
    size_t i, k;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        static const char *const names[] = {"a@10.0.0.1", "app1@10.0.1.1", "app2@10.0.1.2", "a@fd00::1", "b@h"};
        struct cluster_node nodes[5];
        char text[256] = "";
        struct cluster_source *s;
        begin(NULL);
        s = discover(table[i].url);
        for (k = 0; k < 5; k++)
            nodes[k] = node(names[k]);
        nodes[4].address = "10.0.1.77";
        assert_int_equal(cluster_source_publish(s, nodes, 5), 0);
        for (k = 0; k < cluster_member_count(c); k++) {
            strcat(text, k ? " " : "");
            strcat(text, cluster_member_at(c, k)->name);
        }
        assert_string_equal(text, table[i].members);
        assert_true(stats().dropped == 5 - cluster_member_count(c));
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        end();
    }
}

/* An array of another version's structs. */
static void strides(void **state)
{
    struct {
        struct cluster_node n;
        uint64_t tail;
    } longer[2];
    struct cluster_source *s;
    struct cluster_node n;
    (void)state;
    begin(NULL);
    s = discover("push:x");
    memset(longer, 0, sizeof longer);
    longer[0].n = node("a@h");
    longer[1].n = node("b@h");
    longer[0].n.size = longer[1].n.size = (uint32_t)sizeof longer[0];
    assert_int_equal(cluster_source_publish(s, &longer[0].n, 2), 0);
    assert_true(here("a@h") && here("b@h"));
    longer[1].tail = 1;
    assert_int_equal(cluster_source_publish(s, &longer[0].n, 2), CLUSTER_E_INVALID);
    n = node("a@h");
    n.size = 0;
    assert_int_equal(cluster_source_publish(s, &n, 1), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "cluster_node.size"));
    n = node(NULL);
    assert_int_equal(cluster_source_publish(s, &n, 1), CLUSTER_E_INVALID);
    n = node("a@h");
    n.port = 65536;
    assert_int_equal(cluster_source_publish(s, &n, 1), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "port above 65535"));
    n.port = 0;
    n.address = "somewhere.example";
    assert_int_equal(cluster_source_publish(s, &n, 1), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "'a@h' has an address that is no IP address"));
    assert_int_equal(cluster_source_publish(s, NULL, 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_fail(s, 0, "no error"), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_fail(s, 5, "no error"), CLUSTER_E_INVALID);
    assert_int_equal(cluster_member_count(c), 2);
    end();
}

/* ---- making one ------------------------------------------------------- */

static void wrong_urls(void **state)
{
    static const char *const table[][2] = {
        {"pol:x", "did you mean 'poll'"},
        {"statc:", "did you mean 'static'"},
        {"static:a,,b", "empty item"},
        {"push:x?mises=2", "'misses'"},
        {"push:x?secret=y", "gossip"},
        {"static", ":"},
        {"file:", "target"},
        {"push:x?interval=5", "interval"},
        {"gossip:10.0.0.1", "multicast"},
        {"gossip:?auth=required", "secret"},
        {"gossip:?announce=on", "own name"},
        {"gossip:?secret=a&secret-file=/b", "both"},
        {"gossip:239.0.0.1?broadcast=on", ""},
        {"static:%zz", "escape"},
    };
    struct cluster_source *s;
    size_t i;
    (void)state;
    begin(NULL);
    for (i = 0; i < CLU_COUNT(table); i++) {
        s = (struct cluster_source *)(void *)&f;
        if (cluster_discover(c, table[i][0], &s) != CLUSTER_E_INVALID || s)
            fail_msg("%s", table[i][0]);
        if (!strstr(cluster_last_error(c), table[i][1]))
            fail_msg("%s: %s", table[i][0], cluster_last_error(c));
    }
    assert_null(cluster_source_at(c, 0));
    assert_int_equal(stats().sources, 0);
    s = (struct cluster_source *)(void *)&f;
    assert_int_equal(cluster_discover(c, "", &s), 0);
    assert_null(s);
    s = discover("gossip:?secret=hunter2");
    assert_null(strstr(cluster_source_url(s), "hunter2"));
    assert_string_equal(cluster_source_url(s), "gossip:?secret=***");
    end();
}

static void no_memory_for_a_source(void **state)
{
    static const char *const urls[] = {"push:x", "static:a@h,b@h", "file:/f", "epmd:10.0.0.1,10.0.0.2", "gossip:?secret=s"};
    unsigned long n;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(urls); i++)
        for (n = 1;; n++) {
            struct cluster_source *s = (struct cluster_source *)(void *)&f;
            unsigned long blocks;
            int result;
            begin(NULL);
            run_to(1000 * SECOND);
            blocks = f.memory.blocks;
            fake_memory_fail(&f.memory, n, true);
            result = cluster_discover(c, urls[i], &s);
            if (!f.memory.failures) {
                assert_int_equal(result, 0);
                fake_memory_fail(&f.memory, 0, false);
                end();
                assert_true(n > 2);
                break;
            }
            assert_int_equal(result, CLUSTER_E_MEMORY);
            assert_null(s);
            assert_true(strstr(cluster_last_error(c), "memory") != NULL);
            assert_true(f.memory.blocks <= blocks + 1); /* but for room for timers */
            assert_null(cluster_source_at(c, 0));
            fake_memory_fail(&f.memory, 0, false);
            (void)discover(urls[i]);
            end();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_values),
        cmocka_unit_test(seen_again_in_time),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(intervals),
        cmocka_unit_test(one_round_only),
        cmocka_unit_test(pauses),
        cmocka_unit_test(removals),
        cmocka_unit_test(the_clock_of_a_host_that_slept),
        cmocka_unit_test(ageing_stands_still),
        cmocka_unit_test(never_below_min),
        cmocka_unit_test(common_options),
        cmocka_unit_test(filters),
        cmocka_unit_test(strides),
        cmocka_unit_test(wrong_urls),
        cmocka_unit_test(no_memory_for_a_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
