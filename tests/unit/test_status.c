/* The status: a count against the quorum, the settle time, and how a handle says it. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"

#define SETTLE 50

/* ---- the fragment ----------------------------------------------------- */

/* Random counts over time: a change is said when, and only when, the count asked for it without a break for the settle time. */
static void random_counts(void **state)
{
    uint64_t seed = 5, now = 0, since = CLUSTER_NEVER, token = 0;
    struct clu_status s;
    int expected = CLUSTER_FORMING, step;
    unsigned changes = 0;
    (void)state;
    memset(&s, 0, sizeof s);
    s.quorum = 3;
    s.settle_ns = SETTLE;
    s.since_ns = CLUSTER_NEVER;
    for (step = 0; step < 20000; step++) {
        uint32_t count;
        bool asks, said;
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        now += (seed >> 33) % 30;
        count = (uint32_t)((seed >> 50) % 12 / 2);
        asks = expected == CLUSTER_FORMING ? count >= 3 : (count >= 3) != (expected == CLUSTER_READY);
        since = !asks ? CLUSTER_NEVER : since == CLUSTER_NEVER ? now : since;
        said = clu_status_look(&s, count, now);
        assert_int_equal(said, asks && now - since >= SETTLE);
        if (said) {
            expected = count >= 3 ? CLUSTER_READY : CLUSTER_DEGRADED;
            token += expected == CLUSTER_READY;
            since = CLUSTER_NEVER;
            changes++;
        }
        assert_int_equal(s.state, expected);
        assert_true(s.token == token && s.count == count);
        assert_true(clu_status_deadline(&s) == (since == CLUSTER_NEVER ? CLUSTER_NEVER : since + SETTLE));
    }
    assert_true(changes > 50);
}

/* ---- a handle --------------------------------------------------------- */

static struct fake f;
static struct cluster *c;
static struct cluster_source *s;
static struct mirror mirror;

static void begin(const char *node, uint32_t quorum, const char *settle, const char *quorum_of, uint32_t expected)
{
    struct cluster_options o = fake_begin(&f);
    memset(&mirror, 0, sizeof mirror);
    o.node = node;
    o.quorum = quorum;
    o.settle = settle;
    o.quorum_of = quorum_of;
    o.expected = expected;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "push:x", &s), 0);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

static void members(size_t count)
{
    static char text[16][8];
    struct cluster_node nodes[16];
    size_t i;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < count; i++) {
        sprintf(text[i], "n%u@h", (unsigned)i);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = text[i];
    }
    assert_int_equal(cluster_source_publish(s, nodes, count), 0);
}

static void at(uint64_t now, int status, uint64_t token, unsigned long events)
{
    assert_int_equal(cluster_step(c, now, NULL, 0), 0);
    mirror_read(&mirror, c);
    assert_int_equal(cluster_status(c), status);
    assert_true(cluster_token(c) == token);
    assert_int_equal(mirror.seen[CLUSTER_STATUS], events);
}

static void a_lone_node_is_ready_at_once(void **state)
{
    int named;
    (void)state;
    for (named = 0; named < 2; named++) {
        begin(named ? "n@h" : NULL, 0, NULL, NULL, 0);
        assert_int_equal(cluster_status(c), CLUSTER_READY);
        at(1, CLUSTER_READY, 1, 1);
        assert_int_equal(mirror.status_state, CLUSTER_READY);
        assert_int_equal(mirror.status_count, 1);
        assert_string_equal(mirror.status_text, "1 of the 1 nodes that are needed");
        at(2, CLUSTER_READY, 1, 1);
        end();
    }
}

/* An unnamed program counts itself, a named one is a member anyway. */
static void quorum(void **state)
{
    int named;
    (void)state;
    for (named = 0; named < 2; named++) {
        begin(named ? "me@h" : NULL, 3, NULL, "count", 0);
        at(1, CLUSTER_FORMING, 0, 0);
        members(1);
        at(2, CLUSTER_FORMING, 0, 0);
        members(2);
        assert_int_equal(cluster_status(c), CLUSTER_FORMING); /* a step says it */
        at(3, CLUSTER_READY, 1, 1);
        assert_int_equal(mirror.status_count, 3);
        members(5);
        at(4, CLUSTER_READY, 1, 1);
        members(1);
        at(5, CLUSTER_DEGRADED, 1, 2);
        assert_int_equal(mirror.status_count, 2);
        assert_string_equal(mirror.status_text, "2 of the 3 nodes that are needed");
        members(0);
        at(6, CLUSTER_DEGRADED, 1, 2);
        members(2);
        at(7, CLUSTER_READY, 2, 3);
        end();
    }
}

static void majority(void **state)
{
    static const uint32_t expected[][2] = {{1, 1}, {2, 2}, {3, 2}, {4, 3}, {5, 3}};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(expected); i++) {
        begin("me@h", 0, NULL, "majority", expected[i][0]);
        members(expected[i][1] - 1);
        at(2, CLUSTER_READY, 1, 1);
        members(0);
        at(3, expected[i][1] == 1 ? CLUSTER_READY : CLUSTER_DEGRADED, 1, expected[i][1] == 1 ? 1 : 2);
        end();
    }
}

/* The count must hold; the handle asks for the step that looks again. The time counts from the first step, whatever its clock
 * shows. */
static void settle(void **state)
{
    const uint64_t t = 1000 * FAKE_SECOND;
    (void)state;
    begin(NULL, 1, "5s", NULL, 0);
    assert_int_equal(cluster_status(c), CLUSTER_FORMING);
    at(t, CLUSTER_FORMING, 0, 0);
    assert_true(cluster_deadline(c) == t + 5 * FAKE_SECOND);
    at(t + 5 * FAKE_SECOND - 1, CLUSTER_FORMING, 0, 0);
    at(t + 5 * FAKE_SECOND, CLUSTER_READY, 1, 1);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    end();
    begin(NULL, 2, "5s", NULL, 0);
    at(t, CLUSTER_FORMING, 0, 0);
    members(1);
    at(t + 1, CLUSTER_FORMING, 0, 0);
    members(0); /* a break: it starts anew */
    at(t + 4 * FAKE_SECOND, CLUSTER_FORMING, 0, 0);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    members(1);
    at(t + 6 * FAKE_SECOND, CLUSTER_FORMING, 0, 0);
    at(t + 11 * FAKE_SECOND, CLUSTER_READY, 1, 1);
    members(0);
    at(t + 12 * FAKE_SECOND, CLUSTER_READY, 1, 1);
    members(1);
    at(t + 16 * FAKE_SECOND, CLUSTER_READY, 1, 1);
    members(0);
    at(t + 20 * FAKE_SECOND, CLUSTER_READY, 1, 1);
    at(t + 25 * FAKE_SECOND, CLUSTER_DEGRADED, 1, 2);
    end();
}

/* Of several changes that the host did not look at, it is told the last. */
static void coalesces(void **state)
{
    uint64_t now;
    (void)state;
    begin(NULL, 2, NULL, NULL, 0);
    for (now = 1; now < 8; now++) {
        members(now & 1);
        assert_int_equal(cluster_step(c, now, NULL, 0), 0);
    }
    at(8, CLUSTER_READY, 4, 1);
    assert_int_equal(mirror.status_state, CLUSTER_READY);
    end();
}

/* Horde's own answers, for every state that its members may have. */
static void horde(void **state)
{
    static char line[512];
    FILE *file = fopen("tests/vectors/horde_tracker.txt", "r");
    unsigned rows = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char text[8][8], statuses[400], answer[16], *word;
        struct cluster_node nodes[8];
        uint32_t states[8];
        unsigned count, i = 0;
        if (sscanf(line, "QUORUM %u %399s %15s", &count, statuses, answer) != 3)
            continue;
        begin(NULL, 0, NULL, NULL, 0);
        memset(nodes, 0, sizeof nodes);
        for (word = strtok(statuses, ","); word; word = strtok(NULL, ","), i++) {
            sprintf(text[i], "n%u@h", i);
            nodes[i].size = (uint32_t)sizeof nodes[i];
            nodes[i].name = text[i];
            nodes[i].flags = strcmp(word, "shutting_down") == 0 ? CLUSTER_NODE_DRAINING : 0;
            states[i] = strcmp(word, "dead") == 0            ? CLUSTER_MEMBER_DOWN
                        : strcmp(word, "uninitialized") == 0 ? CLUSTER_MEMBER_DIALLED
                                                             : CLUSTER_MEMBER_UP;
        }
        assert_int_equal(i, count);
        assert_int_equal(cluster_source_publish(s, nodes, count), 0);
        for (i = 0; i < count; i++)
            c->table.sorted[i]->state = states[i];
        c->mesh.connect = CLU_CONNECT_TCP;
        c->status.rule = CLU_QUORUM_HORDE;
        clu_count_members(c);
        if ((c->status.count >= c->status.quorum) != (strcmp(answer, "true") == 0))
            fail_msg("%s", line);
        c->mesh.connect = CLU_CONNECT_NONE;
        rows++;
        end();
    }
    fclose(file);
    assert_true(rows > 100);
}

static void horde_without_links(void **state)
{
    (void)state;
    begin("me@h", 0, NULL, "horde", 0);
    at(1, CLUSTER_READY, 1, 1);
    members(2);
    at(2, CLUSTER_READY, 1, 1);
    assert_int_equal(cluster_drain(c, 1), 0);
    at(3, CLUSTER_READY, 1, 1); /* one of two, of whom the first is left out */
    members(0);
    at(4, CLUSTER_DEGRADED, 1, 2);
    assert_string_equal(mirror.status_text, "0 of the 1 nodes that are needed");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_counts), cmocka_unit_test(a_lone_node_is_ready_at_once),
        cmocka_unit_test(quorum),        cmocka_unit_test(majority),
        cmocka_unit_test(settle),        cmocka_unit_test(coalesces),
        cmocka_unit_test(horde),         cmocka_unit_test(horde_without_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
