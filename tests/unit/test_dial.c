/* The policy of dialling, with nothing behind it: caps, deadlines, backoff, what is remembered, and a storm. */
#include "../../src/link/dial.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_memory.h"

#define MANY 1000

enum way { GOES_WELL, FAILS, HANGS, FAILS_AT_ONCE, NOT_YET };

static struct fake_memory memory;
static struct clu_loop loop;
static struct clu_dials dials;
static struct clu_dial all[MANY];
static enum way way[MANY];
static unsigned begun[MANY], expired[MANY], forgotten[MANY], total, most_at_a_time;
static uint64_t begun_at[MANY];

static int begin(struct clu_dial *d)
{
    size_t i = (size_t)(d - all);
    total++;
    begun[i]++;
    begun_at[i] = loop.now;
    assert_true(d->busy && dials.count <= dials.limit);
    most_at_a_time = dials.count > most_at_a_time ? dials.count : most_at_a_time;
    if (way[i] == NOT_YET)
        return CLUSTER_E_AGAIN;
    if (way[i] == FAILS_AT_ONCE) {
        d->asked = false; /* who waited is told */
        clu_dial_failed(d);
    }
    return 0;
}

static void on_expired(struct clu_dial *d)
{
    expired[d - all]++;
    clu_dial_failed(d);
}

static void on_forgotten(struct clu_dial *d)
{
    forgotten[d - all]++;
}

static int setup(void **state)
{
    size_t i;
    (void)state;
    fake_memory_begin(&memory);
    memset(&loop, 0, sizeof loop);
    memset(&dials, 0, sizeof dials);
    memset(all, 0, sizeof all);
    memset(way, 0, sizeof way);
    memset(begun, 0, sizeof begun);
    memset(expired, 0, sizeof expired);
    memset(forgotten, 0, sizeof forgotten);
    total = most_at_a_time = 0;
    loop.memory = memory.hook;
    loop.now = 100 * CLU_SECOND;
    loop.jitter = 7;
    clu_dials_init(&dials, &loop);
    dials.begin = begin;
    dials.expired = on_expired;
    dials.forgotten = on_forgotten;
    dials.limit = 256;
    dials.backoff_ns = 200 * CLU_MS;
    dials.backoff_most_ns = 30 * CLU_SECOND;
    dials.again_ns = CLUSTER_NEVER;
    assert_true(clu_timers_reserve(&loop.memory, &loop.timers, MANY + 1));
    for (i = 0; i < MANY; i++)
        clu_dial_init(&all[i], &dials);
    return 0;
}

static int teardown(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < MANY; i++)
        clu_dial_free(&all[i]);
    assert_int_equal(dials.count, 0);
    assert_null(dials.line.first);
    assert_ptr_equal(dials.line.end, &dials.line.first);
    clu_free(&loop.memory, loop.timers.heap, loop.timers.capacity * sizeof *loop.timers.heap);
    fake_memory_end(&memory);
    return 0;
}

/* One step, in which those dials end that are under way and do not hang. */
static void step(void)
{
    size_t i;
    loop.stepping = true;
    loop.counts.steps++;
    for (i = 0; i < MANY; i++)
        if (all[i].busy && way[i] == GOES_WELL)
            clu_dial_is_up(&all[i]);
        else if (all[i].busy && way[i] == FAILS)
            clu_dial_failed(&all[i]);
    clu_timers_fire(&loop.timers, loop.now);
    loop.stepping = false;
}

/* Steps when they are due, and one at the end. Returns how many there were. */
static unsigned run(uint64_t span)
{
    uint64_t end = loop.now + span;
    unsigned steps = 0;
    for (;;) {
        uint64_t next;
        step();
        assert_true(++steps < 1000000);
        next = clu_timers_next(&loop.timers);
        if (dials.count && next > loop.now + CLU_MS)
            next = loop.now + CLU_MS; /* how long one takes */
        if (next >= end)
            break;
        loop.now = next > loop.now ? next : loop.now + 1;
    }
    loop.now = end;
    return steps;
}

static void at_once_and_no_more(void **state)
{
    (void)state;
    clu_dial_want(&all[0], true);
    assert_true(clu_timers_next(&loop.timers) == 0);
    step();
    assert_true(all[0].busy && begun[0] == 1);
    step();
    assert_true(all[0].up && !all[0].busy);
    (void)run(1000 * CLU_SECOND);
    assert_int_equal(begun[0], 1);
    clu_dial_failed(&all[0]); /* its link ended */
    (void)run(1 * CLU_SECOND);
    assert_int_equal(begun[0], 2);
    assert_true(all[0].up && all[0].failures == 0);
}

/* Each wait is a part of a time that doubles; a success begins anew. */
static void backoff(void **state)
{
    uint64_t most = 200 * CLU_MS, before, sum = 0;
    unsigned i;
    (void)state;
    way[0] = FAILS_AT_ONCE;
    clu_dial_want(&all[0], true);
    step();
    for (i = 1; i < 60; i++) {
        assert_int_equal(all[0].failures, i);
        before = begun_at[0];
        assert_true(all[0].timer.at > before && all[0].timer.at - before <= most + 1);
        sum += all[0].timer.at - before;
        (void)run(all[0].timer.at - loop.now + 1);
        assert_int_equal(begun[0], i + 1);
        most = 2 * most < 30 * CLU_SECOND ? 2 * most : 30 * CLU_SECOND;
    }
    assert_true(sum > 300 * CLU_SECOND && sum < 1300 * CLU_SECOND); /* half of it, on average */
    way[0] = GOES_WELL;
    (void)run(40 * CLU_SECOND);
    assert_true(all[0].up);
    way[0] = FAILS_AT_ONCE;
    clu_dial_failed(&all[0]);
    step();
    assert_true(all[0].timer.at <= loop.now + 200 * CLU_MS + 1);
}

static void deadline(void **state)
{
    (void)state;
    way[0] = HANGS;
    clu_dial_want(&all[0], true);
    (void)run(CLU_DIAL_DEADLINE - 1);
    assert_int_equal(expired[0], 0);
    (void)run(2);
    assert_int_equal(expired[0], 1);
    assert_false(all[0].busy);
    (void)run(1 * CLU_SECOND);
    assert_int_equal(begun[0], 2);
}

/* So many at a time; no place is lost by those who give up, before their turn or in it. */
static void a_line(void **state)
{
    size_t i, out = 0;
    (void)state;
    dials.limit = 3;
    for (i = 0; i < 10; i++) {
        way[i] = HANGS;
        clu_dial_want(&all[i], true);
    }
    step();
    assert_int_equal(dials.count, 3);
    assert_int_equal(total, 3);
    for (i = 0; i < 10 && out < 3; i++) {
        if (!all[i].line)
            continue;
        clu_dial_want(&all[i], false); /* it is passed over when it is its turn */
        if (out++)
            clu_dial_stop(&all[i]); /* or leaves the line */
        forgotten[i] = 1;
    }
    for (i = 0; i < 10; i++)
        if (all[i].busy)
            break;
    clu_dial_want(&all[i], false);
    assert_false(all[i].busy);
    (void)run(CLU_MS);
    assert_int_equal(total, 4);
    assert_int_equal(dials.count, 3);
    (void)run(4 * CLU_DIAL_DEADLINE);
    for (i = 0; i < 10; i++)
        assert_int_equal(begun[i] > 0, !forgotten[i]);
    assert_int_equal(most_at_a_time, 3);
}

/* Of a thousand that come at once no more begin in one step than are good for it. */
static void a_bounded_step(void **state)
{
    size_t i;
    unsigned before;
    (void)state;
    for (i = 0; i < MANY; i++) {
        way[i] = FAILS_AT_ONCE;
        clu_dial_want(&all[i], true);
    }
    dials.once = true;
    for (i = 0; i < MANY / CLU_DIAL_STEP + 1; i++) {
        before = total;
        step();
        loop.now++;
        assert_true(total - before <= CLU_DIAL_STEP);
    }
    assert_int_equal(total, MANY);
    assert_true(clu_timers_next(&loop.timers) == CLUSTER_NEVER);
}

/* Who goes and comes back is not dialled before his time, and his failures count on; after a while they are forgotten. */
static void failures_outlive_a_leave(void **state)
{
    uint64_t due;
    unsigned i;
    (void)state;
    way[0] = FAILS_AT_ONCE;
    clu_dial_want(&all[0], true);
    (void)run(60 * CLU_SECOND);
    i = all[0].failures;
    assert_true(i > 5);
    due = all[0].timer.at;
    clu_dial_want(&all[0], false);
    assert_true(due > loop.now + 4);
    (void)run(2);
    assert_int_equal(begun[0], i);
    clu_dial_want(&all[0], true);
    (void)run(due - loop.now - 1);
    assert_int_equal(begun[0], i);
    (void)run(2);
    assert_int_equal(begun[0], i + 1);
    assert_int_equal(all[0].failures, i + 1);
    clu_dial_want(&all[0], false);
    (void)run(29 * CLU_SECOND);
    assert_int_equal(forgotten[0], 0);
    (void)run(31 * CLU_SECOND);
    assert_int_equal(forgotten[0], 1);
    assert_int_equal(all[0].failures, 0);
    assert_int_equal(begun[0], i + 1);
    clu_dial_want(&all[0], true);
    step();
    assert_int_equal(begun[0], i + 2);
}

static void once(void **state)
{
    (void)state;
    dials.once = true;
    way[0] = FAILS_AT_ONCE;
    way[1] = GOES_WELL;
    clu_dial_want(&all[0], true);
    clu_dial_want(&all[1], true);
    (void)run(100 * CLU_SECOND);
    assert_int_equal(begun[0], 1);
    clu_dial_failed(&all[1]);
    (void)run(100 * CLU_SECOND);
    assert_int_equal(begun[1], 1);
    clu_dial_ask(&all[0]); /* who is asked for is dialled all the same */
    (void)run(CLU_SECOND);
    assert_int_equal(begun[0], 2);
    clu_dial_want(&all[0], false);
    clu_dial_want(&all[0], true); /* it left, and came again */
    (void)run(100 * CLU_SECOND);
    assert_int_equal(begun[0], 3);
}

static void again_and_again(void **state)
{
    unsigned count;
    (void)state;
    dials.again_ns = 15 * CLU_SECOND;
    clu_dial_want(&all[0], true);
    (void)run(3600 * CLU_SECOND);
    assert_true(begun[0] >= 240 && begun[0] <= 482);
    assert_true(all[0].up);
    clu_dial_want(&all[0], false);
    count = begun[0];
    (void)run(3600 * CLU_SECOND);
    assert_int_equal(begun[0], count);
}

static void not_yet(void **state)
{
    (void)state;
    way[0] = NOT_YET;
    clu_dial_want(&all[0], true);
    (void)run(5 * CLU_SECOND + 10);
    assert_int_equal(begun[0], 6);
    assert_int_equal(dials.count, 0);
    assert_int_equal(all[0].failures, 0);
    way[0] = GOES_WELL;
    (void)run(2 * CLU_SECOND);
    assert_true(all[0].up);
}

/* A failure that was told while the time was not known counts from the next step on. */
static void told_between_steps(void **state)
{
    (void)state;
    clu_dial_want(&all[0], true);
    (void)run(CLU_SECOND);
    assert_true(all[0].up);
    way[0] = HANGS;
    clu_dial_failed(&all[0]);
    assert_true(clu_timers_next(&loop.timers) == 0);
    loop.now += 1000 * CLU_SECOND;
    step();
    assert_int_equal(begun[0], 1);
    assert_true(all[0].timer.at > loop.now && all[0].timer.at <= loop.now + 200 * CLU_MS + 1);
}

/* A thousand of whom each fails, leaves and comes back again and again: never more under way than are allowed, and no more work
 * than had they stayed. */
static void storm(void **state)
{
    unsigned steps = 0, stayed, flap;
    size_t i;
    (void)state;
    dials.limit = 50;
    for (i = 0; i < MANY; i++) {
        way[i] = i % 3 ? FAILS_AT_ONCE : HANGS;
        clu_dial_want(&all[i], true);
    }
    steps = run(600 * CLU_SECOND);
    stayed = total;
    assert_true(stayed > MANY && stayed < 60 * MANY);
    assert_true(steps < 1000000);
    for (flap = 0; flap < 1200; flap++) {
        for (i = 0; i < MANY; i++) {
            bool here = ((i + flap) & 1) != 0;
            clu_dial_want(&all[i], here);
        }
        (void)run(CLU_SECOND / 2);
    }
    assert_true(total - stayed < 60 * MANY);
    assert_true(most_at_a_time <= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(at_once_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(backoff, setup, teardown),
        cmocka_unit_test_setup_teardown(deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bounded_step, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_outlive_a_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(once, setup, teardown),
        cmocka_unit_test_setup_teardown(again_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(not_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(told_between_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(storm, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
