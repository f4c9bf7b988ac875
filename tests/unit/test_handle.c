/* A whole handle: its events and their order, RESYNC, places for replies, the map, a fixed buffer for all memory, and the
 * conveniences for programs without a loop. */
#include "../../src/core/sources.h"
#include "../../src/base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"

static struct fake f;
static struct cluster *c;
static struct mirror mirror;

static void begin(struct cluster_options *o)
{
    memset(&mirror, 0, sizeof mirror);
    assert_int_equal(cluster_create(&c, o), 0);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

/* Nodes first..last-1 of a numbered crowd. */
static int publish(struct cluster_source *s, unsigned first, unsigned last)
{
    static char text[4096][12];
    static struct cluster_node nodes[4096];
    unsigned i;
    assert_true(last - first <= 4096);
    memset(nodes, 0, sizeof nodes);
    for (i = first; i < last; i++) {
        sprintf(text[i - first], "n%u@h", i);
        nodes[i - first].size = (uint32_t)sizeof nodes[0];
        nodes[i - first].name = text[i - first];
    }
    return cluster_source_publish(s, nodes, last - first);
}

static void the_order_of_events(void **state)
{
    static const uint32_t order[] = {CLUSTER_JOIN,   CLUSTER_JOIN,   CLUSTER_JOIN,   CLUSTER_LEAVE,
                                     CLUSTER_SOURCE, CLUSTER_SOURCE, CLUSTER_STATUS, CLUSTER_MAP};
    struct cluster_options o = fake_begin(&f);
    struct cluster_map_options map;
    const struct cluster_event *e;
    struct cluster_source *a, *b;
    size_t i;
    (void)state;
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.shards = 64;
    o.map = &map;
    o.node = "me@h";
    o.quorum = 2;
    begin(&o);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_int_equal(cluster_discover(c, "push:b", &b), 0);
    assert_int_equal(cluster_source_fail(b, CLUSTER_E_IO, "no"), 0);
    assert_int_equal(publish(a, 0, 2), 0);
    assert_int_equal(publish(a, 1, 2), 0);
    assert_int_equal(cluster_step(c, 77, NULL, 0), 0);
    for (i = 0; i < CLU_COUNT(order); i++) {
        e = cluster_next_event(c);
        assert_non_null(e);
        assert_int_equal(e->type, order[i]);
        assert_int_equal(e->size, sizeof *e);
        assert_non_null(e->text);
        if (e->type == CLUSTER_SOURCE)
            assert_ptr_equal(e->source, i == 4 ? a : b);
        if (e->type == CLUSTER_MAP) {
            assert_true(e->time == 77);
            assert_int_equal(e->count, 64);
            assert_true(e->fingerprint != 0);
        }
    }
    assert_null(cluster_next_event(c));
    assert_null(cluster_next_event(c));
    end();
}

/* A full queue: one RESYNC with the revision, then the law holds with upserts. */
static void resync(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_source *a, *b;
    struct cluster_counts counts;
    unsigned i, seed = 1;
    (void)state;
    o.limit_events = 10;
    o.node = "me@h";
    begin(&o);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_int_equal(cluster_discover(c, "push:b", &b), 0);
    assert_int_equal(publish(a, 0, 9), 0);
    mirror_check(&mirror, c);
    assert_int_equal(mirror.seen[CLUSTER_JOIN], 10);
    assert_int_equal(mirror.seen[CLUSTER_RESYNC], 0);
    assert_int_equal(publish(a, 0, 20), 0);
    mirror_check(&mirror, c);
    assert_int_equal(mirror.seen[CLUSTER_RESYNC], 1);
    assert_int_equal(mirror.seen[CLUSTER_JOIN], 10);
    for (i = 0; i < 300; i++) {
        seed = seed * 1103515245 + 12345;
        assert_int_equal(publish(seed >> 16 & 1 ? a : b, seed >> 20 & 15, 16 + (seed >> 24 & 15)), 0);
        if (seed >> 28 & 1)
            mirror_check(&mirror, c);
    }
    mirror_check(&mirror, c);
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    assert_true(counts.resyncs == mirror.seen[CLUSTER_RESYNC]);
    assert_true(counts.resyncs > 20);
    end();
}

/* A query has its place, or is refused at once: nothing that happens later can push its reply out. */
static void places_for_replies(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_source *a;
    uint64_t requests[8], now = 1;
    int i;
    (void)state;
    o.limit_events = 8;
    begin(&o);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    f.errors[FAKE_CONNECT] = CLUSTER_E_REFUSED;
    for (i = 0; i < 8; i++) {
        assert_int_equal(cluster_epmd_names(c, "10.0.0.1", &requests[i]), 0);
        assert_true(i == 0 || requests[i] > requests[i - 1]);
    }
    assert_int_equal(cluster_epmd_names(c, "10.0.0.1", NULL), CLUSTER_E_AGAIN);
    assert_non_null(strstr(cluster_last_error(c), "read the events"));
    assert_int_equal(publish(a, 0, 100), 0);
    fake_run(&f, c, &now, 2);
    assert_null(cluster_source_at(c, 1)); /* queries are no sources */
    mirror_read(&mirror, c);
    assert_int_equal(mirror.seen[CLUSTER_RESYNC], 1);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 8);
    assert_int_equal(mirror.reply_error, CLUSTER_E_REFUSED);
    assert_true(mirror.reply >= requests[0] && mirror.reply <= requests[7]);
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 1);
    /* Destroyed with queries under way and events unread. */
    f.errors[FAKE_CONNECT] = 0;
    for (i = 0; i < 4; i++)
        assert_int_equal(cluster_epmd_names(c, "10.0.0.1", NULL), 0);
    fake_run(&f, c, &now, 3);
    assert_int_equal(publish(a, 0, 3), 0);
    end();
}

/* What an event shows lives until the next look, whatever goes on. */
static void the_life_of_an_event(void **state)
{
    struct cluster_options o = fake_begin(&f);
    const struct cluster_event *e;
    struct cluster_source *a;
    (void)state;
    begin(&o);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_int_equal(publish(a, 0, 1), 0);
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_JOIN);
    assert_int_equal(publish(a, 5, 50), 0);
    cluster_source_remove(a);
    assert_string_equal(e->member->name, "n0@h");
    assert_string_equal(e->member->host, "h");
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0); /* it ends here */
    end();
}

static void the_map(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_map_options map;
    struct cluster_map *now, *before;
    struct cluster_source *a;
    const struct cluster_event *e;
    uint64_t fingerprint;
    (void)state;
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.shards = 256;
    o.map = &map;
    begin(&o);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_null(cluster_current_map(c)); /* a step makes it */
    assert_int_equal(publish(a, 0, 4), 0);
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
    before = cluster_current_map(c);
    assert_non_null(before);
    assert_int_equal(cluster_map_nodes(before), 4);
    fingerprint = cluster_map_fingerprint(before);
    mirror_check(&mirror, c);
    assert_int_equal(mirror.seen[CLUSTER_MAP], 1);
    /* Several changes before the host looks are one event, with all that moved. */
    assert_int_equal(publish(a, 0, 5), 0);
    assert_int_equal(cluster_step(c, 2, NULL, 0), 0);
    assert_int_equal(publish(a, 0, 6), 0);
    assert_int_equal(cluster_step(c, 3, NULL, 0), 0);
    while ((e = cluster_next_event(c)) != NULL && e->type != CLUSTER_MAP)
        continue;
    now = cluster_current_map(c);
    assert_true(e && e->fingerprint == cluster_map_fingerprint(now) && e->count >= 256 / 6);
    assert_int_equal(cluster_map_nodes(now), 6);
    assert_true(cluster_map_fingerprint(before) == fingerprint); /* as it was */
    cluster_map_free(now);
    /* No memory for a new one: the old one stays, and it is tried again. */
    fake_memory_fail(&f.memory, 6, true); /* two members with three allocations each */
    assert_int_equal(publish(a, 0, 7), 0);
    fake_memory_fail(&f.memory, 1, true);
    assert_int_equal(cluster_step(c, 4, NULL, 0), 0);
    now = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(now), 6);
    cluster_map_free(now);
    assert_true(cluster_deadline(c) > 4 && cluster_deadline(c) <= FAKE_SECOND);
    fake_memory_fail(&f.memory, 0, false);
    assert_int_equal(cluster_step(c, cluster_deadline(c), NULL, 0), 0);
    now = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(now), 7);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    mirror_end(&mirror);
    cluster_destroy(c);
    assert_int_equal(cluster_map_nodes(now), 7); /* it outlives the handle */
    cluster_map_free(now);
    cluster_map_free(before);
    fake_end(&f);
}

/* Changes within the settle time are one map; then there is nothing to wait for. */
static void the_map_settles(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_map_options map;
    struct cluster_source *a;
    struct cluster_map *first, *now;
    (void)state;
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.settle = "2s";
    map.role = "db";
    o.node = "me@h";
    o.role = "db";
    o.map = &map;
    begin(&o);
    map.settle = map.role = "gone"; /* they were copied */
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_int_equal(cluster_step(c, FAKE_SECOND, NULL, 0), 0);
    first = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(first), 1); /* the first one is made at once */
    assert_int_equal(cluster_map_node_load(first, 0), 4096);
    assert_int_equal(publish(a, 0, 2), 0);
    assert_int_equal(cluster_step(c, 2 * FAKE_SECOND, NULL, 0), 0);
    assert_int_equal(cluster_deadline(c), 4 * FAKE_SECOND);
    assert_int_equal(publish(a, 0, 3), 0);
    assert_int_equal(cluster_step(c, 3 * FAKE_SECOND, NULL, 0), 0);
    assert_int_equal(cluster_deadline(c), 4 * FAKE_SECOND);
    now = cluster_current_map(c);
    assert_ptr_equal(now, first);
    cluster_map_free(now);
    assert_int_equal(cluster_step(c, 4 * FAKE_SECOND, NULL, 0), 0);
    now = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(now), 4);
    assert_int_equal(cluster_map_node_load(now, cluster_map_find(now, "me@h")), 4096); /* the others have no role */
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    cluster_map_free(now);
    cluster_map_free(first);
    end();
}

/* Only the own node and those that there is a link to. */
static void the_map_of_those_up(void **state)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_map_options map;
    struct cluster_source *a;
    struct cluster_map *now;
    size_t i;
    (void)state;
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.members = "up";
    o.node = "me@h";
    o.map = &map;
    begin(&o);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_int_equal(publish(a, 0, 3), 0);
    assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
    now = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(now), 1);
    cluster_map_free(now);
    for (i = 0; i < c->table.settled; i++)
        if (strcmp(c->table.sorted[i]->record->view.name, "n1@h") == 0)
            c->table.sorted[i]->record->view.state = CLUSTER_MEMBER_UP;
    c->table.touched++; /* as a link does that comes up or ends */
    assert_int_equal(cluster_step(c, 2, NULL, 0), 0);
    now = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(now), 2);
    assert_int_equal(cluster_map_find(now, "n1@h"), 1);
    cluster_map_free(now);
    for (i = 0; i < c->table.settled; i++)
        c->table.sorted[i]->record->view.state = 0;
    c->table.touched++;
    assert_int_equal(cluster_step(c, 3, NULL, 0), 0);
    now = cluster_current_map(c);
    assert_int_equal(cluster_map_nodes(now), 1);
    cluster_map_free(now);
    end();
}

/* ---- no heap ---------------------------------------------------------- */

/* The largest block that can be had. */
static size_t largest(const struct cluster_allocator *allocator)
{
    size_t low = 0, high = SIZE_MAX / 2;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        void *block = allocator->resize(allocator->ctx, NULL, 0, middle);
        if (block) {
            (void)allocator->resize(allocator->ctx, block, middle, 0);
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* A run of a handle on a buffer of this size. Returns how often it was out of memory; all comes back in one piece. */
static unsigned long arena_run(size_t size)
{
    struct cluster_options o = fake_begin(&f);
    struct cluster_allocator allocator;
    struct cluster_source *a = NULL, *b = NULL;
    void *buffer = malloc(size);
    unsigned long refused = 0;
    size_t whole, i;
    uint64_t now = 1;
    assert_non_null(buffer);
    assert_int_equal(cluster_arena_init(&allocator, buffer, size), 0);
    whole = largest(&allocator);
    o.allocator = &allocator;
    o.node = "me@h";
    o.port = 5;
    f.files[0].path = "/f";
    f.files[0].text = "a@h\nb@h zone=east\n";
    f.files[0].stamp = 1;
    f.echo = true;
    memset(&mirror, 0, sizeof mirror);
    if (cluster_create(&c, &o) == 0) {
        refused += cluster_discover(c, "push:a", &a) != 0;
        refused += cluster_discover(c, "push:b", &b) != 0;
        refused += cluster_discover(c, "file:/f", NULL) != 0;
        refused += cluster_discover(c, "gossip:?secret=s", NULL) != 0;
        refused += cluster_epmd_names(c, "10.0.0.1", NULL) != 0;
        for (i = 0; i < 40; i++) {
            if (a)
                refused += publish(a, (unsigned)(i * 3), (unsigned)(i * 3 + 30)) != 0;
            if (b)
                refused += publish(b, (unsigned)(i * 5 % 70), (unsigned)(i * 5 % 70 + 20)) != 0;
            fake_run(&f, c, &now, now + FAKE_SECOND / 4);
            mirror_check(&mirror, c);
        }
        mirror_end(&mirror);
        cluster_destroy(c);
    } else {
        refused = 1000;
    }
    assert_true(whole > size / 2);
    assert_int_equal(largest(&allocator), whole);
    free(buffer);
    fake_end(&f);
    return refused;
}

static void on_a_fixed_buffer(void **state)
{
    size_t size;
    (void)state;
    assert_int_equal(arena_run(256 * 1024), 0);
    assert_true(arena_run(1024) == 1000);
    for (size = 2048; size < 90 * 1024; size += size / 3)
        (void)arena_run(size);
    assert_true(arena_run(12 * 1024) > 0);
}

/* ---- without a loop --------------------------------------------------- */

static void poll_and_wait(void **state)
{
    struct cluster_options o = fake_begin(&f);
    const struct cluster_event *e;
    struct cluster_source *a;
    (void)state;
    o.quorum = 3;
    begin(&o);
    assert_int_equal(cluster_poll(c, 0), 0);
    assert_int_equal(cluster_wait(c, 0), CLUSTER_E_TIMEOUT);
    assert_non_null(strstr(cluster_last_error(c), "quorum"));
    assert_int_equal(cluster_wait(c, 1), CLUSTER_E_TIMEOUT);
    assert_int_equal(cluster_discover(c, "push:a", &a), 0);
    assert_int_equal(cluster_poll(c, -1), 0); /* a step is due: it does not wait */
    assert_int_equal(publish(a, 0, 2), 0);
    assert_int_equal(cluster_status(c), CLUSTER_FORMING);
    assert_int_equal(cluster_poll(c, -1), 0); /* events are queued: at once, and without a step */
    assert_int_equal(cluster_status(c), CLUSTER_FORMING);
    assert_int_equal(cluster_wait(c, -1), 0);
    assert_int_equal(cluster_status(c), CLUSTER_READY);
    assert_int_equal(cluster_wait(c, 0), 0);
    e = cluster_next_event(c); /* all are still there */
    assert_true(e && e->type == CLUSTER_JOIN);
    cluster_source_remove(a);
    mirror.revision = 1; /* the first was read above */
    end();
    /* A static list and a gate that does not wait: what can be known at once is known. */
    o = fake_begin(&f);
    o.quorum = 3;
    begin(&o);
    assert_int_equal(cluster_discover(c, "static:a@h,b@h", NULL), 0);
    assert_int_equal(cluster_wait(c, 1000), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_events),
        cmocka_unit_test(resync),
        cmocka_unit_test(places_for_replies),
        cmocka_unit_test(the_life_of_an_event),
        cmocka_unit_test(the_map),
        cmocka_unit_test(the_map_settles),
        cmocka_unit_test(the_map_of_those_up),
        cmocka_unit_test(on_a_fixed_buffer),
        cmocka_unit_test(poll_and_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
