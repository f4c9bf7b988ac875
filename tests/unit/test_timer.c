/* Timers: random arming, moving, disarming and releasing beside a plain array of times; what fires, in which order, how often. */
#include "../../src/loop/timer.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_memory.h"

#define COUNT 64

struct probe {
    struct clu_timer timer;
    unsigned fired;
    uint64_t at, again; /* the model's time; when it is armed anew as it fires */
    bool exists;
};

static struct clu_timers timers;
static struct probe probes[COUNT];
static uint64_t fired_at, clock_ns;

static void fire(struct clu_timer *timer, uint64_t now)
{
    struct probe *p = CLU_CONTAINER(timer, struct probe, timer);
    assert_int_equal(timer->place, 0);
    assert_true(now == clock_ns);
    assert_true(p->at <= now);
    assert_true(p->at >= fired_at);
    fired_at = p->at;
    p->fired++;
    p->at = p->again <= now ? now + 1 : p->again;
    if (p->again != CLUSTER_NEVER)
        clu_timer_set(&timers, timer, p->again);
}

static uint64_t chance(uint64_t below)
{
    static uint64_t state = 7;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (state >> 33) % below;
}

static void begin(void)
{
    memset(&timers, 0, sizeof timers);
    memset(probes, 0, sizeof probes);
}

static void make(const struct cluster_allocator *a, struct probe *p)
{
    assert_true(clu_timers_reserve(a, &timers, 1));
    memset(p, 0, sizeof *p);
    p->timer.fire = fire;
    p->at = p->again = CLUSTER_NEVER;
    p->exists = true;
}

/* The heap is one, every armed timer knows its place, and the earliest is where it says. */
static void check(void)
{
    uint64_t next = CLUSTER_NEVER;
    size_t i, armed = 0;
    for (i = 0; i < COUNT; i++) {
        const struct probe *p = &probes[i];
        if (!p->exists)
            continue;
        assert_int_equal(p->timer.place != 0, p->at != CLUSTER_NEVER);
        if (!p->timer.place)
            continue;
        armed++;
        assert_true(p->timer.place <= timers.count);
        assert_ptr_equal(timers.heap[p->timer.place - 1], &p->timer);
        assert_true(p->timer.at == p->at);
        assert_true(p->timer.place == 1 || timers.heap[p->timer.place / 2 - 1]->at <= p->at);
        next = p->at < next ? p->at : next;
    }
    assert_int_equal(armed, timers.count);
    assert_true(timers.count <= timers.reserved && timers.reserved <= timers.capacity);
    assert_true(clu_timers_next(&timers) == next);
}

static void random_operations(void **state)
{
    struct fake_memory memory;
    unsigned step;
    size_t i;
    (void)state;
    fake_memory_begin(&memory);
    begin();
    clock_ns = 0;
    for (step = 0; step < 20000; step++) {
        struct probe *p = &probes[chance(COUNT)];
        unsigned due[COUNT];
        switch (chance(8)) {
        case 0:
            if (p->exists) {
                clu_timers_release(&timers, &p->timer);
                p->exists = false;
            }
            break;
        case 1:
        case 2:
            clock_ns += chance(40);
            fired_at = 0;
            for (i = 0; i < COUNT; i++) {
                probes[i].fired = 0;
                due[i] = probes[i].exists && probes[i].at <= clock_ns;
                probes[i].again = chance(3) ? CLUSTER_NEVER : clock_ns + 1 + chance(20);
            }
            clu_timers_fire(&timers, clock_ns);
            for (i = 0; i < COUNT; i++)
                assert_int_equal(probes[i].fired, due[i]);
            assert_true(clu_timers_next(&timers) > clock_ns);
            break;
        default:
            if (!p->exists)
                make(&memory.hook, p);
            p->at = chance(4) ? clock_ns + chance(100) : chance(2) ? CLUSTER_NEVER : CLUSTER_NEVER - 1;
            clu_timer_set(&timers, &p->timer, p->at);
        }
        check();
    }
    clu_free(&memory.hook, timers.heap, timers.capacity * sizeof *timers.heap);
    fake_memory_end(&memory);
}

/* A timer that arms itself for a time that is over is due a nanosecond later: it fires once a call and starves none. */
static void once_a_call(void **state)
{
    struct fake_memory memory;
    size_t i;
    (void)state;
    fake_memory_begin(&memory);
    begin();
    for (i = 0; i < 8; i++) {
        make(&memory.hook, &probes[i]);
        probes[i].at = i < 4 ? 10 : 1000;
        probes[i].again = i == 0 ? 0 : CLUSTER_NEVER;
        clu_timer_set(&timers, &probes[i].timer, probes[i].at);
    }
    clock_ns = 10;
    fired_at = 0;
    clu_timers_fire(&timers, clock_ns);
    for (i = 0; i < 8; i++)
        assert_int_equal(probes[i].fired, i < 4);
    assert_true(clu_timers_next(&timers) == clock_ns + 1);
    probes[0].again = CLUSTER_NEVER;
    fired_at = 0;
    clu_timers_fire(&timers, ++clock_ns);
    assert_int_equal(probes[0].fired, 2);
    assert_true(clu_timers_next(&timers) == 1000);
    clu_free(&memory.hook, timers.heap, timers.capacity * sizeof *timers.heap);
}

static struct probe *victim;

static void fire_and_disarm(struct clu_timer *timer, uint64_t now)
{
    (void)timer;
    (void)now;
    clu_timer_set(&timers, &victim->timer, CLUSTER_NEVER);
}

/* One that is disarmed by an earlier one does not fire. */
static void disarmed_meanwhile(void **state)
{
    struct fake_memory memory;
    size_t i;
    (void)state;
    fake_memory_begin(&memory);
    begin();
    for (i = 0; i < 3; i++) {
        make(&memory.hook, &probes[i]);
        probes[i].at = i;
        clu_timer_set(&timers, &probes[i].timer, i);
    }
    probes[0].timer.fire = fire_and_disarm;
    victim = &probes[1];
    clock_ns = 5;
    fired_at = 0;
    clu_timers_fire(&timers, 5);
    assert_int_equal(probes[1].fired, 0);
    assert_int_equal(probes[2].fired, 1);
    clu_free(&memory.hook, timers.heap, timers.capacity * sizeof *timers.heap);
}

/* Making a timer may fail, and nothing has changed; arming it afterwards cannot. */
static void no_memory(void **state)
{
    struct fake_memory memory;
    unsigned long before;
    size_t i;
    (void)state;
    fake_memory_begin(&memory);
    begin();
    fake_memory_fail(&memory, 1, true);
    assert_false(clu_timers_reserve(&memory.hook, &timers, 4));
    assert_int_equal(timers.reserved, 0);
    fake_memory_fail(&memory, 0, false);
    for (i = 0; i < 40; i++)
        make(&memory.hook, &probes[i]);
    before = memory.allocations;
    for (i = 0; i < 40; i++) {
        probes[i].at = 1000 - i;
        clu_timer_set(&timers, &probes[i].timer, 1000 - i);
        check();
    }
    assert_int_equal(memory.allocations, before);
    clu_free(&memory.hook, timers.heap, timers.capacity * sizeof *timers.heap);
    fake_memory_end(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(once_a_call),
        cmocka_unit_test(disarmed_meanwhile),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
