/* Long lists: what they cost in allocations and calls, and that a handle at rest costs nothing. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"

#define MANY 100000

static struct fake f;
static struct cluster *c;
static struct cluster_node *nodes;
static char (*names)[32];

/* Names in no order. */
static int make_names(void **state)
{
    size_t i;
    (void)state;
    nodes = (struct cluster_node *)calloc(MANY, sizeof *nodes);
    names = (char(*)[32])calloc(MANY, sizeof *names);
    assert_true(nodes && names);
    for (i = 0; i < MANY; i++) {
        sprintf(names[i], "node%u@10.%u.%u.1", (unsigned)(i * 7919 % 1000), (unsigned)(i / 256 % 256), (unsigned)(i % 256));
        sprintf(names[i] + strlen(names[i]), "%u", (unsigned)(i / 65536));
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
    }
    return 0;
}

static int free_names(void **state)
{
    (void)state;
    free(nodes);
    free(names);
    return 0;
}

static struct cluster_source *begin(const char *url)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_source *s;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, url, &s), 0);
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
    return s;
}

static void end(void)
{
    cluster_destroy(c);
    fake_end(&f);
}

static void settle(void)
{
    while (cluster_next_event(c))
        continue;
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
    while (cluster_next_event(c))
        continue;
}

static bool is_sorted(void)
{
    size_t i;
    for (i = 1; i < cluster_member_count(c); i++)
        if (strcmp(cluster_member_at(c, i - 1)->name, cluster_member_at(c, i)->name) >= 0)
            return false;
    return true;
}

/* A list in parts is that list, and nothing before it is whole. */
static void a_list_may_come_in_parts(void **state)
{
    struct cluster_source *s = begin("push:x?except=node7*");
    struct cluster_node bad = nodes[0];
    size_t i, wanted;
    (void)state;
    assert_int_equal(cluster_source_publish(s, nodes, 3), 0);
    wanted = cluster_member_count(c);
    for (i = 0; i < 1000; i += 100) {
        assert_int_equal(cluster_source_add(s, nodes + i, 100), i + 100);
        assert_int_equal(cluster_source_add(s, NULL, 0), i + 100);
        assert_int_equal(cluster_member_count(c), wanted);
        assert_null(cluster_member_find(c, names[10]));
        settle();
    }
    assert_int_equal(cluster_source_publish(s, nodes + 1000, 50), 0);
    assert_int_equal(cluster_source_add(s, NULL, 0), 0);
    for (i = 0, wanted = 0; i < 1050; i++) {
        bool is = strncmp(names[i], "node7", 5) != 0;
        assert_int_equal(cluster_member_find(c, names[i]) != NULL, is);
        wanted += is;
    }
    assert_int_equal(cluster_member_count(c), wanted);
    assert_true(is_sorted());
    /* the same again in one, and in other parts: nobody comes or goes */
    assert_int_equal(cluster_source_add(s, nodes + 500, 550), 550);
    assert_int_equal(cluster_source_add(s, nodes, 600), 1150); /* some twice */
    assert_int_equal(cluster_source_publish(s, NULL, 0), 0);
    assert_int_equal(cluster_source_publish(s, nodes, 1050), 0);
    assert_int_equal(cluster_revision(c), wanted);
    /* what a failure forgets */
    assert_int_equal(cluster_source_add(s, nodes, 20), 20);
    assert_int_equal(cluster_source_fail(s, CLUSTER_E_IO, "gone"), 0);
    assert_int_equal(cluster_source_add(s, NULL, 0), 0);
    /* a bad one fails it all, now or with the rest */
    bad.name = "no node@h";
    assert_int_equal(cluster_source_add(s, nodes, 20), 20);
    assert_int_equal(cluster_source_add(s, &bad, 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_non_null(strstr(cluster_source_why(s), "'no node@h' is no node name"));
    assert_int_equal(cluster_source_add(s, nodes, 20), 20);
    assert_int_equal(cluster_source_publish(s, &bad, 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_add(s, NULL, 0), 0);
    assert_int_equal(cluster_source_add(NULL, nodes, 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_add(s, NULL, 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_member_count(c), wanted);
    assert_int_equal(cluster_source_add(s, nodes, 20), 20); /* to be freed with the source */
    end();
}

static void without_memory_no_part_remains(void **state)
{
    unsigned long n;
    (void)state;
    for (n = 1; n < 70; n++) {
        struct cluster_source *s = begin("push:x");
        bool whole;
        assert_int_equal(cluster_source_publish(s, nodes, 3), 0);
        f.memory.fail_at = f.memory.allocations + n;
        whole = cluster_source_add(s, nodes + 3, 10) > 0 && cluster_source_add(s, nodes + 13, 10) > 0;
        whole = whole && cluster_source_publish(s, NULL, 0) == 0;
        f.memory.fail_at = 0;
        if (!whole) {
            assert_int_equal(cluster_member_count(c), 3);
            assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
            assert_int_equal(cluster_source_add(s, nodes + 3, 20), 20);
            assert_int_equal(cluster_source_publish(s, NULL, 0), 0);
        }
        assert_int_equal(cluster_member_count(c), 20);
        assert_true(is_sorted());
        end();
    }
}

/* One new name among ten thousand costs what that one needs: member, claim and record. No new one costs nothing. */
static void one_new_among_many(void **state)
{
    struct cluster_source *s = begin("push:x");
    const struct cluster_event *e;
    unsigned long before;
    struct cluster_node first;
    (void)state;
    assert_int_equal(cluster_source_publish(s, nodes, 10000), 0);
    settle();
    before = f.memory.allocations;
    assert_int_equal(cluster_source_publish(s, nodes, 10000), 0);
    assert_int_equal(cluster_source_same(s), 0);
    settle();
    assert_int_equal(f.memory.allocations, before);
    assert_true(cluster_revision(c) == 10000);
    assert_int_equal(cluster_source_publish(s, nodes, 10001), 0);
    assert_true(f.memory.allocations - before <= 3);
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_JOIN && e->revision == 10001);
    assert_string_equal(e->member->name, names[10000]);
    e = cluster_next_event(c);
    assert_true(!e || e->type == CLUSTER_SOURCE);
    settle();
    /* In another order too; and one that goes costs nothing. */
    before = f.memory.allocations;
    first = nodes[0];
    nodes[0] = nodes[10000];
    nodes[10000] = first;
    assert_int_equal(cluster_source_publish(s, nodes, 10001), 0);
    assert_int_equal(cluster_source_publish(s, nodes, 10000), 0);
    nodes[10000] = nodes[0];
    nodes[0] = first;
    assert_int_equal(f.memory.allocations, before);
    assert_true(cluster_revision(c) == 10002);
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_LEAVE);
    assert_string_equal(e->member->name, names[0]);
    assert_true(is_sorted());
    end();
}

static void a_hundred_thousand(void **state)
{
    struct cluster_source *s = begin("push:x");
    const struct cluster_event *e;
    size_t i;
    (void)state;
    assert_int_equal(cluster_source_publish(s, nodes, MANY), 0);
    assert_int_equal(cluster_member_count(c), MANY);
    assert_true(cluster_revision(c) == MANY);
    assert_true(is_sorted());
    for (i = 0; i < MANY; i += 997)
        assert_non_null(cluster_member_find(c, names[i]));
    e = cluster_next_event(c); /* more than the queue holds */
    assert_true(e && e->type == CLUSTER_RESYNC && e->revision == MANY);
    settle();
    assert_int_equal(cluster_source_publish(s, nodes + MANY / 2, MANY / 2), 0);
    assert_int_equal(cluster_member_count(c), MANY / 2);
    assert_true(is_sorted());
    assert_int_equal(cluster_source_publish(s, nodes, MANY), 0);
    assert_int_equal(cluster_source_publish(s, NULL, 0), 0);
    assert_int_equal(cluster_member_count(c), 0);
    assert_true(cluster_revision(c) == MANY * 3);
    end();
}

/* With the least number kept, whole lists still go in one pass. */
static void many_go_but_for_some(void **state)
{
    struct cluster_source *s = begin("push:x?min=10");
    (void)state;
    assert_int_equal(cluster_source_publish(s, nodes, 20000), 0);
    assert_int_equal(cluster_source_publish(s, NULL, 0), 0);
    assert_int_equal(cluster_member_count(c), 10);
    assert_int_equal(cluster_source_publish(s, nodes + 20000, 5), 0);
    assert_int_equal(cluster_member_count(c), 10);
    assert_true(is_sorted());
    end();
}

/* Between deadlines steps call no hook and no allocator; so do the calls that only look. */
static void at_rest(void **state)
{
    struct cluster_source *s = begin("push:x");
    struct pollfd fds[4];
    unsigned long hooks, allocations;
    uint64_t now = 10 * FAKE_SECOND, generation;
    int i;
    (void)state;
    f.files[0].path = "/f";
    f.files[0].text = "a@h\nb@h\n";
    f.files[0].stamp = 1;
    f.interfaces[0] = fake_address(10, 0, 0, 1, 24);
    f.interface_count = 1;
    assert_int_equal(cluster_discover(c, "static:x@h,y@h", NULL), 0);
    assert_int_equal(cluster_discover(c, "file:/f?interval=1h", NULL), 0);
    assert_int_equal(cluster_discover(c, "gossip:?interval=1h", NULL), 0);
    assert_int_equal(cluster_source_publish(s, nodes, 100), 0);
    fake_run(&f, c, &now, now);
    settle();
    fake_run(&f, c, &now, now + FAKE_SECOND);
    hooks = f.all;
    allocations = f.memory.allocations;
    generation = cluster_watch_generation(c);
    for (i = 0; i < 1000; i++) {
        now += FAKE_SECOND;
        assert_true(cluster_deadline(c) > now);
        assert_int_equal(cluster_watches(c, fds, 4), 1);
        assert_int_equal(cluster_step(c, now, fds, 1), 0);
        assert_null(cluster_next_event(c));
        assert_true(cluster_timeout_ms(c, now) > 0);
        assert_non_null(cluster_member_find(c, "a@h"));
    }
    assert_int_equal(f.all, hooks);
    assert_int_equal(f.memory.allocations, allocations);
    assert_true(cluster_watch_generation(c) == generation);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_may_come_in_parts), cmocka_unit_test(without_memory_no_part_remains),
        cmocka_unit_test(one_new_among_many),       cmocka_unit_test(a_hundred_thousand),
        cmocka_unit_test(many_go_but_for_some),     cmocka_unit_test(at_rest),
    };
    return cmocka_run_group_tests(tests, make_names, free_names);
}
