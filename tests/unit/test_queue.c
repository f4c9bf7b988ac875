/* The event queue: its ring grows wherever it wraps, RESYNC stands for what was lost, replies keep their places. */
#include "../../src/loop/queue.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_memory.h"

static struct fake_memory memory;
static struct clu_queue q;

static int begin(void **state)
{
    (void)state;
    fake_memory_begin(&memory);
    memset(&q, 0, sizeof q);
    q.limit = 1024;
    return 0;
}

static int end(void **state)
{
    (void)state;
    clu_queue_free(&memory.hook, &q);
    fake_memory_end(&memory);
    return 0;
}

/* With an object of its own, of which the queue takes a reference and the test keeps none. */
static struct cluster_source *source;

static void push(uint32_t type, uint64_t revision)
{
    struct clu_event *e = clu_queue_put(&memory.hook, &q);
    if (!e)
        return;
    e->type = type;
    e->revision = revision;
    e->source = source;
    e->object = (struct clu_shared *)clu_share_new(&memory.hook, sizeof *e->object);
    assert_non_null(e->object);
}

static void reply(uint64_t request)
{
    struct clu_event *e = clu_queue_reply(&q);
    assert_int_equal(e->type, CLUSTER_REPLY);
    e->request = request;
    e->object = (struct clu_shared *)clu_share_new(&memory.hook, sizeof *e->object);
    assert_non_null(e->object);
}

static bool pop(struct clu_event *out)
{
    const struct clu_event *e = clu_queue_pop(&q);
    if (e)
        *out = *e;
    return e != NULL;
}

static void expect(uint32_t type, uint64_t number)
{
    struct clu_event e;
    assert_true(pop(&e));
    assert_int_equal(e.type, type);
    assert_true((type == CLUSTER_REPLY ? e.request : e.revision) == number);
    clu_unshare(&memory.hook, e.object);
}

static void empty(void)
{
    struct clu_event e;
    assert_false(pop(&e));
    assert_int_equal(q.count, 0);
    assert_int_equal(memory.blocks, q.capacity ? 1 : 0);
}

/* Growth from every possible place of the ring's first event. */
static void grows_where_it_wraps(void **state)
{
    uint64_t first, i;
    for (first = 0; first < 8; first++) {
        begin(state);
        for (i = 0; i < first; i++) {
            push(CLUSTER_JOIN, i);
            expect(CLUSTER_JOIN, i);
        }
        for (i = 0; i < 40; i++)
            push(CLUSTER_JOIN, 100 + i);
        assert_int_equal(q.capacity, 64);
        for (i = 0; i < 40; i++)
            expect(CLUSTER_JOIN, 100 + i);
        empty();
        end(state);
    }
    begin(state);
}

static void random_against_a_model(void **state)
{
    uint64_t model[64], seed = 3, next = 0;
    size_t count = 0, step;
    (void)state;
    q.limit = 64;
    for (step = 0; step < 20000; step++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        if (seed >> 62 && count < 64) {
            push(CLUSTER_CHANGE, ++next);
            model[count++] = next;
        } else if (count) {
            size_t taken = (size_t)(seed >> 40) % count + 1, i;
            for (i = 0; i < taken; i++)
                expect(CLUSTER_CHANGE, model[i]);
            memmove(model, model + taken, (count -= taken) * sizeof *model);
        }
        assert_int_equal(q.count, count);
    }
    assert_int_equal(q.resyncs, 0);
}

/* One too many: all membership events go, the replies among them stay in order, and nothing comes until RESYNC was read. */
static void overflow(void **state)
{
    uint64_t i;
    (void)state;
    q.limit = 8;
    for (i = 0; i < 3; i++)
        assert_true(clu_queue_expect(&memory.hook, &q));
    push(CLUSTER_JOIN, 1);
    reply(70);
    push(CLUSTER_JOIN, 2);
    push(CLUSTER_LEAVE, 3);
    reply(71);
    push(CLUSTER_JOIN, 4);
    push(CLUSTER_JOIN, 5);
    assert_int_equal(q.count + q.replies, 8);
    assert_false(q.resync);
    push(CLUSTER_JOIN, 6);
    assert_true(q.resync);
    assert_int_equal(q.resyncs, 1);
    assert_int_equal(q.count, 2);
    for (i = 7; i < 30; i++)
        push(CLUSTER_JOIN, i);
    assert_int_equal(q.count, 2);
    assert_int_equal(q.resyncs, 1);
    reply(72); /* its place was kept */
    q.resync = false;
    push(CLUSTER_JOIN, 30);
    expect(CLUSTER_REPLY, 70);
    expect(CLUSTER_REPLY, 71);
    expect(CLUSTER_REPLY, 72);
    expect(CLUSTER_JOIN, 30);
    empty();
}

/* A full queue takes no request, and what was refused takes no place. */
static void places_for_replies(void **state)
{
    uint64_t i;
    (void)state;
    q.limit = 6;
    push(CLUSTER_JOIN, 1);
    for (i = 0; i < 5; i++)
        assert_true(clu_queue_expect(&memory.hook, &q));
    assert_false(clu_queue_expect(&memory.hook, &q));
    assert_int_equal(q.replies, 5);
    push(CLUSTER_JOIN, 2);
    assert_true(q.resync);
    assert_true(clu_queue_expect(&memory.hook, &q));
    assert_false(clu_queue_expect(&memory.hook, &q));
    for (i = 0; i < 6; i++)
        reply(i);
    assert_false(clu_queue_expect(&memory.hook, &q));
    for (i = 0; i < 6; i++)
        expect(CLUSTER_REPLY, i);
    empty();
    assert_true(clu_queue_expect(&memory.hook, &q));
    reply(9);
    expect(CLUSTER_REPLY, 9);
}

/* No memory for a longer ring is an overflow like any other; the room of those that are there stays. */
static void no_memory(void **state)
{
    uint64_t i;
    (void)state;
    assert_true(clu_queue_expect(&memory.hook, &q));
    for (i = 0; i < 7; i++)
        push(CLUSTER_JOIN, i);
    fake_memory_fail(&memory, 1, true);
    push(CLUSTER_JOIN, 8);
    assert_true(q.resync);
    assert_int_equal(q.count, 0);
    assert_int_equal(q.capacity, 8);
    fake_memory_fail(&memory, 0, false);
    q.resync = false;
    reply(1);
    push(CLUSTER_JOIN, 9);
    expect(CLUSTER_REPLY, 1);
    expect(CLUSTER_JOIN, 9);
    for (i = 0; i < 8; i++)
        push(CLUSTER_JOIN, i);
    fake_memory_fail(&memory, 1, true);
    assert_false(clu_queue_expect(&memory.hook, &q));
    assert_int_equal(q.replies, 0);
    assert_false(q.resync);
    assert_int_equal(q.count, 8);
    fake_memory_fail(&memory, 0, false);
}

static void no_memory_for_the_first(void **state)
{
    (void)state;
    fake_memory_fail(&memory, 1, true);
    push(CLUSTER_JOIN, 1);
    assert_true(q.resync);
    empty();
}

static void forgets_a_source(void **state)
{
    struct cluster_source *one = (struct cluster_source *)(void *)&memory, *two = (struct cluster_source *)(void *)&q;
    struct clu_event e;
    uint64_t i;
    (void)state;
    for (i = 0; i < 12; i++) {
        source = i % 2 ? one : two;
        push(CLUSTER_JOIN, i);
        if (i < 6)
            expect(CLUSTER_JOIN, i);
    }
    source = NULL;
    clu_queue_forget_source(&q, one);
    for (i = 6; i < 12; i++) {
        assert_true(pop(&e));
        assert_ptr_equal(e.source, i % 2 ? NULL : two);
        clu_unshare(&memory.hook, e.object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(grows_where_it_wraps, begin, end),
        cmocka_unit_test_setup_teardown(random_against_a_model, begin, end),
        cmocka_unit_test_setup_teardown(overflow, begin, end),
        cmocka_unit_test_setup_teardown(places_for_replies, begin, end),
        cmocka_unit_test_setup_teardown(no_memory, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_for_the_first, begin, end),
        cmocka_unit_test_setup_teardown(forgets_a_source, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
