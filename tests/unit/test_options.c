/* Making a handle: every option that is wrong, with its sentence; older and newer structs; no memory; calls without a handle. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_loop.h"

static struct fake f;
static char sentence[256];

static struct cluster_options begin(void)
{
    struct cluster_options o = fake_begin(&f);
    memset(sentence, '?', sizeof sentence);
    o.error = sentence;
    o.error_size = sizeof sentence;
    return o;
}

static void refused(const struct cluster_options *o, int error, const char *words)
{
    struct cluster *c = (struct cluster *)(void *)&f;
    assert_int_equal(cluster_create(&c, o), error);
    assert_null(c);
    if (!strstr(sentence, words))
        fail_msg("'%s' lacks '%s'", sentence, words);
    assert_true(strlen(sentence) < sizeof sentence);
    fake_end(&f);
    memset(sentence, '?', sizeof sentence);
}

static void accepted(const struct cluster_options *o)
{
    struct cluster *c = NULL;
    assert_int_equal(cluster_create(&c, o), 0);
    assert_non_null(c);
    cluster_destroy(c);
    fake_end(&f);
}

static void wrong_options(void **state)
{
    static char long_name[300], attribute[65];
    static const char *const names[] = {"", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "\x7f@h"};
    static const char *const durations[] = {"", "5", "5x", "-1s", " 5s", "5 s", "1.5s", "99999999999999h"};
    struct cluster_options o = begin();
    struct cluster_map_options map;
    struct cluster_allocator allocator = f.memory.hook;
    struct cluster_io io;
    size_t i;
    (void)state;
    accepted(&o);
    for (i = 0; i < CLU_COUNT(names); i++) {
        o = begin();
        o.node = names[i];
        refused(&o, CLUSTER_E_INVALID, "options.node '");
    }
    o = begin();
    memset(long_name, 'n', 254);
    strcpy(long_name + 254, "@h");
    o.node = long_name;
    refused(&o, CLUSTER_E_INVALID, "NAME@auto");
    o.node = long_name + 1;
    accepted(&o);
    for (i = 0; i < CLU_COUNT(durations); i++) {
        o = begin();
        o.settle = durations[i];
        refused(&o, CLUSTER_E_INVALID, "options.settle is no duration");
    }
    o.settle = "0";
    accepted(&o);
    o = begin();
    o.quorum_of = "most";
    refused(&o, CLUSTER_E_INVALID, "options.quorum_of takes \"count\", \"majority\" or \"horde\"");
    o.quorum_of = "majority";
    refused(&o, CLUSTER_E_INVALID, "needs options.expected");
    o.expected = 3;
    accepted(&o);
    o.quorum = 2;
    refused(&o, CLUSTER_E_INVALID, "with majority and horde leave it 0");
    o = begin();
    o.quorum_of = "horde";
    refused(&o, CLUSTER_E_INVALID, "needs options.node");
    o.node = "a@h";
    accepted(&o);
    o = begin();
    o.port = 65536;
    refused(&o, CLUSTER_E_INVALID, "options.port");
    o.port = 65535;
    accepted(&o);
    o = begin();
    o.limit_events = 1;
    refused(&o, CLUSTER_E_INVALID, "limit_events is at least 2");
    o.limit_events = 2;
    accepted(&o);
    memset(attribute, 'z', 64);
    o = begin();
    o.zone = attribute;
    refused(&o, CLUSTER_E_INVALID, "options.zone");
    o.zone = NULL;
    o.role = attribute;
    refused(&o, CLUSTER_E_INVALID, "options.role");
    o.role = attribute + 1;
    o.node = "a@b";
    accepted(&o);
    memset(&map, 0, sizeof map);
    o = begin();
    o.map = &map;
    refused(&o, CLUSTER_E_INVALID, "options.map");
    map.size = (uint32_t)sizeof map;
    map.shards = 100;
    refused(&o, CLUSTER_E_INVALID, "power of two");
    map.shards = 1u << 25;
    refused(&o, CLUSTER_E_INVALID, "2^24");
    map.shards = 64;
    map.replicas = 17;
    refused(&o, CLUSTER_E_INVALID, "replicas");
    map.replicas = 16;
    accepted(&o);
    o = begin();
    io = f.io;
    io.size = 0;
    o.io = &io;
    refused(&o, CLUSTER_E_INVALID, "options.io.size");
    o = begin();
    allocator.size = 0;
    o.allocator = &allocator;
    refused(&o, CLUSTER_E_INVALID, "options.allocator");
    allocator = f.memory.hook;
    allocator.resize = NULL;
    refused(&o, CLUSTER_E_INVALID, "resize");
    o = begin();
    o.seed = 0;
    f.errors[FAKE_RANDOM] = CLUSTER_E_IO;
    refused(&o, CLUSTER_E_IO, "random hook");
}

/* An older, shorter struct is one; a newer, longer one too as long as it says nothing that this version does not know. */
static void sizes(void **state)
{
    struct {
        struct cluster_options o;
        uint64_t tail[2];
    } longer;
    struct cluster_options o = begin();
    uint32_t size;
    (void)state;
    /* Without a size nobody knows where the buffer is. */
    sentence[sizeof sentence - 1] = '\0';
    o.size = 0;
    refused(&o, CLUSTER_E_INVALID, "???");
    sentence[sizeof sentence - 1] = '\0';
    o.size = 7;
    refused(&o, CLUSTER_E_INVALID, "???");
    for (size = 8; size < sizeof o; size += 4) {
        struct cluster *c = NULL;
        o = begin();
        o.size = size;
        o.quorum = 3;
        o.limit_events = size > offsetof(struct cluster_options, limit_events) ? 2 : 1;
        if (size > offsetof(struct cluster_options, allocator) && size < offsetof(struct cluster_options, log))
            continue; /* half a pointer */
        if (size < offsetof(struct cluster_options, allocator) && size % 8)
            continue;
        assert_int_equal(cluster_create(&c, &o), 0);
        assert_int_equal(cluster_status(c), CLUSTER_FORMING);
        cluster_destroy(c);
        fake_end(&f);
    }
    memset(&longer, 0, sizeof longer);
    longer.o = begin();
    longer.o.size = (uint32_t)sizeof longer;
    accepted(&longer.o);
    longer.tail[1] = UINT64_C(1) << 63;
    refused(&longer.o, CLUSTER_E_INVALID, "does not know");
}

static void error_buffers(void **state)
{
    struct cluster_options o = begin();
    struct cluster *c;
    size_t room;
    (void)state;
    o.port = 70000;
    for (room = 0; room < 40; room++) {
        char *exact = (char *)malloc(room ? room : 1);
        assert_non_null(exact);
        o.error = exact;
        o.error_size = room;
        assert_int_equal(cluster_create(&c, &o), CLUSTER_E_INVALID);
        assert_null(c);
        if (room) {
            assert_true(strlen(exact) < room);
            assert_int_equal(strncmp(exact, "options.port is at most 65535", strlen(exact)), 0);
            assert_true(strlen(exact) == (room - 1 < 29 ? room - 1 : 29));
        }
        free(exact);
    }
    o.error = NULL;
    assert_int_equal(cluster_create(&c, &o), CLUSTER_E_INVALID);
    assert_int_equal(cluster_create(NULL, &o), CLUSTER_E_INVALID);
    /* Untouched when all goes well. */
    o = begin();
    accepted(&o);
    assert_int_equal(sentence[0], '?');
}

/* Every allocation of a create with all options set, one after another and from there on. */
static void no_memory(void **state)
{
    struct cluster_map_options map;
    unsigned long n;
    int all;
    (void)state;
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.shards = 16;
    for (all = 0; all < 2; all++)
        for (n = 1;; n++) {
            struct cluster_options o = begin();
            struct cluster *c = NULL;
            int result;
            o.node = "a@auto";
            o.zone = "east";
            o.role = "db";
            o.map = &map;
            f.interfaces[0] = fake_address(10, 0, 0, 1, 24);
            f.interface_count = 1;
            fake_memory_fail(&f.memory, n, all);
            result = cluster_create(&c, &o);
            if (!f.memory.failures) {
                assert_int_equal(result, 0);
                cluster_destroy(c);
                fake_end(&f);
                assert_true(n > 5);
                break;
            }
            if (result == 0) { /* only the queue of events: the own JOIN is a RESYNC then */
                struct mirror mirror;
                memset(&mirror, 0, sizeof mirror);
                fake_memory_fail(&f.memory, 0, false);
                mirror_check(&mirror, c);
                assert_int_equal(mirror.seen[CLUSTER_RESYNC], 1);
                assert_int_equal(mirror.count, 1);
                mirror_end(&mirror);
                cluster_destroy(c);
                fake_end(&f);
                continue;
            }
            assert_int_equal(result, CLUSTER_E_MEMORY);
            assert_null(c);
            assert_true(strstr(sentence, "out of memory") != NULL);
            fake_end(&f);
        }
}

/* Making a handle does no network I/O, and with a seed not even that reads chance. */
static void quiet(void **state)
{
    struct cluster_options o = begin();
    struct cluster *c;
    (void)state;
    o.node = "a@b";
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(f.all, 0);
    cluster_destroy(c);
    assert_int_equal(f.all, 0);
    o.seed = 0;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(f.all, 1);
    assert_int_equal(f.calls[FAKE_RANDOM], 1);
    cluster_destroy(c);
    assert_int_equal(f.all, 1);
    fake_end(&f);
}

static void without_a_handle(void **state)
{
    struct cluster_source *s = (struct cluster_source *)(void *)&f;
    struct cluster_counts counts;
    struct pollfd fd;
    uint64_t request;
    (void)state;
    cluster_destroy(NULL);
    assert_int_equal(cluster_step(NULL, 0, NULL, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_watches(NULL, &fd, 1), 0);
    assert_true(cluster_watch_generation(NULL) == 0);
    assert_true(cluster_deadline(NULL) == CLUSTER_NEVER);
    assert_int_equal(cluster_timeout_ms(NULL, 0), -1);
    assert_null(cluster_next_event(NULL));
    assert_int_equal(cluster_poll(NULL, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_wait(NULL, 0), CLUSTER_E_INVALID);
    assert_string_equal(cluster_last_error(NULL), "");
    assert_int_equal(cluster_member_count(NULL), 0);
    assert_null(cluster_member_at(NULL, 0));
    assert_null(cluster_member_find(NULL, "a@b"));
    assert_true(cluster_revision(NULL) == 0);
    assert_string_equal(cluster_own_name(NULL), "");
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(NULL, &counts), CLUSTER_E_INVALID);
    assert_int_equal(cluster_status(NULL), CLUSTER_FORMING);
    assert_true(cluster_token(NULL) == 0);
    assert_int_equal(cluster_discover(NULL, "push:x", &s), CLUSTER_E_INVALID);
    assert_null(s);
    assert_null(cluster_source_at(NULL, 0));
    assert_int_equal(cluster_strategy_register(NULL, "x", NULL, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_epmd_names(NULL, NULL, &request), CLUSTER_E_INVALID);
    assert_int_equal(cluster_epmd_port(NULL, "a@b", &request), CLUSTER_E_INVALID);
    assert_null(cluster_current_map(NULL));
    /* Nor without a source: cluster_discover gives none for "". */
    assert_int_equal(cluster_source_state(NULL), CLUSTER_SOURCE_STARTING);
    assert_int_equal(cluster_source_error(NULL), 0);
    assert_string_equal(cluster_source_why(NULL), "");
    assert_string_equal(cluster_source_url(NULL), "");
    assert_true(cluster_source_rounds(NULL) == 0);
    assert_int_equal(cluster_source_count(NULL), 0);
    assert_int_equal(cluster_source_refresh(NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_pause(NULL, 1), CLUSTER_E_INVALID);
    cluster_source_remove(NULL);
    assert_int_equal(cluster_source_publish(NULL, NULL, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_fail(NULL, CLUSTER_E_IO, "no"), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_same(NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_heard(NULL, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_gone(NULL, "a@b"), CLUSTER_E_INVALID);
}

static void small_arguments(void **state)
{
    struct cluster_options o = begin();
    struct cluster_counts counts;
    struct cluster *c;
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_watches(c, NULL, 5), 0);
    assert_null(cluster_member_find(c, NULL));
    assert_null(cluster_member_find(c, ""));
    memset(&counts, 0xff, sizeof counts);
    counts.size = 2;
    assert_int_equal(cluster_stats(c, &counts), CLUSTER_E_INVALID);
    counts.size = (uint32_t)offsetof(struct cluster_counts, watches);
    assert_int_equal(cluster_stats(c, &counts), 0);
    assert_int_equal(counts.size, offsetof(struct cluster_counts, watches));
    assert_int_equal(counts.sources, 0);
    assert_int_equal(counts.watches, 0xffffffff);
    assert_int_equal(cluster_stats(c, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_discover(c, NULL, NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "NULL"));
    assert_null(cluster_current_map(c));
    cluster_destroy(c);
    fake_end(&f);
    assert_true(cluster_version() == CLUSTER_VERSION);
    assert_string_equal(cluster_version_string(), CLUSTER_VERSION_STRING);
    assert_string_equal(cluster_event_name(CLUSTER_JOIN), "join");
    assert_string_equal(cluster_event_name(CLUSTER_RESYNC), "resync");
    assert_string_equal(cluster_event_name(17), "none");
    assert_string_equal(cluster_event_name(UINT32_MAX), "none");
    assert_string_equal(cluster_strerror(0), "success");
    assert_string_equal(cluster_strerror(CLUSTER_E_BUSY), "called from inside a hook");
    assert_string_equal(cluster_strerror(CLUSTER_E_BUSY - 1), "unknown error");
    assert_string_equal(cluster_strerror(1), "unknown error");
    assert_string_equal(cluster_strerror(INT_MIN), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options),   cmocka_unit_test(sizes), cmocka_unit_test(error_buffers),
        cmocka_unit_test(no_memory),       cmocka_unit_test(quiet), cmocka_unit_test(without_a_handle),
        cmocka_unit_test(small_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
