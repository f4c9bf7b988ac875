/* Going away: the own node drains, and withdraws what it announced; and what others make of it. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"

#define SECOND FAKE_SECOND
#define OWN "me@10.0.0.99"

static struct fake f;
static struct cluster *c;
static struct cluster_source *s;
static struct mirror mirror;
static struct cluster_options options;
static uint64_t now_ns, request;

static void run_ms(uint64_t ms)
{
    f.wall += ms * CLU_MS;
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS);
    mirror_check(&mirror, c);
}

/* A node that says its own name, and hears itself. */
static void begin_as(const char *node, const char *url)
{
    options = fake_begin(&f);
    options.node = node;
    options.port = 9100;
    f.echo = true;
    memset(&mirror, 0, sizeof mirror);
    now_ns = 1000 * SECOND;
    s = NULL;
    assert_int_equal(cluster_create(&c, &options), 0);
    assert_int_equal(cluster_discover(c, url, &s), 0);
    run_ms(0);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

static struct fake_socket *the_socket(void)
{
    int fd;
    for (fd = FAKE_FIRST; fd < FAKE_FDS; fd++)
        if (f.s[fd].open)
            return &f.s[fd];
    fail_msg("there is no socket");
    return NULL;
}

/* The flags of the packet that was sent last. */
static uint32_t said_flags(void)
{
    struct fake_socket *socket = the_socket();
    uint8_t packet[sizeof socket->out];
    struct clu_gossip g;
    memcpy(packet, socket->out, socket->out_size);
    assert_int_equal(clu_gossip_decode(&g, NULL, packet, socket->out_size), CLU_COMPLETE);
    assert_string_equal(g.node.name, OWN);
    return g.node.flags;
}

static void leaves(int timeout_ms)
{
    request = 0;
    assert_int_equal(cluster_leave(c, timeout_ms, &request), 0);
    assert_true(request != 0);
}

static void left(int error)
{
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 1);
    assert_true(mirror.reply == request);
    assert_int_equal(mirror.reply_error, error);
}

/* ---- draining --------------------------------------------------------- */

static void drains(void **state)
{
    unsigned long sends;
    (void)state;
    begin_as(OWN, "gossip:");
    assert_int_equal(said_flags(), 0);
    sends = the_socket()->sends;
    assert_int_equal(cluster_drain(c, 1), 0);
    run_ms(0);
    assert_true(the_socket()->sends == sends + 1);
    assert_int_equal(said_flags(), CLUSTER_NODE_DRAINING);
    assert_int_equal(mirror.changed, CLUSTER_CHANGED_DRAINING);
    assert_int_equal(cluster_member_find(c, OWN)->flags, CLUSTER_MEMBER_SELF | CLUSTER_MEMBER_DRAINING);
    assert_int_equal(cluster_drain(c, 1), 0);
    run_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_CHANGE], 1);
    run_ms(6000);
    assert_int_equal(said_flags(), CLUSTER_NODE_DRAINING);
    assert_int_equal(cluster_drain(c, 0), 0);
    run_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_CHANGE], 2);
    assert_int_equal(said_flags(), 0);
    assert_int_equal(cluster_member_find(c, OWN)->flags, CLUSTER_MEMBER_SELF);
    end();
}

/* Who drains before the own address is known joins as one who drains. */
static void drains_early(void **state)
{
    (void)state;
    options = fake_begin(&f);
    options.node = "me@auto";
    f.interfaces[0] = fake_address(10, 0, 0, 99, 24);
    f.interfaces[1] = fake_address(172, 16, 0, 1, 24);
    f.interface_count = 2;
    memset(&mirror, 0, sizeof mirror);
    now_ns = 1000 * SECOND;
    assert_int_equal(cluster_create(&c, &options), 0);
    assert_int_equal(cluster_drain(c, 1), 0);
    assert_int_equal(cluster_member_count(c), 0);
    assert_int_equal(cluster_discover(c, "static:a@10.0.0.7", &s), 0);
    run_ms(0);
    assert_int_equal(cluster_member_find(c, OWN)->flags, CLUSTER_MEMBER_SELF | CLUSTER_MEMBER_DRAINING);
    end();
}

static void cannot_drain(void **state)
{
    (void)state;
    assert_int_equal(cluster_drain(NULL, 1), CLUSTER_E_INVALID);
    begin_as(NULL, "gossip:");
    assert_int_equal(cluster_drain(c, 1), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "options.node"));
    end();
    begin_as(OWN, "gossip:");
    fake_memory_fail(&f.memory, 1, true);
    assert_int_equal(cluster_drain(c, 1), CLUSTER_E_MEMORY);
    fake_memory_fail(&f.memory, 0, false);
    run_ms(6000);
    assert_int_equal(said_flags(), 0);
    assert_int_equal(cluster_member_find(c, OWN)->flags, CLUSTER_MEMBER_SELF);
    end();
}

/* ---- leaving ---------------------------------------------------------- */

static void says_good_bye(void **state)
{
    static const char *const urls[] = {"gossip:", "gossip:?interval=0", "gossip:?broadcast=on"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(urls); i++) {
        unsigned long sends;
        begin_as(OWN, urls[i]);
        run_ms(100);
        sends = the_socket()->sends;
        leaves(1000);
        assert_int_equal(cluster_leave(c, 1000, NULL), CLUSTER_E_AGAIN);
        assert_int_equal(cluster_drain(c, 1), 0);
        run_ms(0);
        left(0);
        assert_true(the_socket()->sends == sends + 1);
        assert_int_equal(said_flags(), CLUSTER_NODE_LEAVING | CLUSTER_NODE_DRAINING);
        assert_string_equal(mirror.reply_text, cluster_strerror(0));
        run_ms(60000); /* and not a word more */
        assert_true(f.calls[FAKE_SEND] == sends + 1);
        assert_int_equal(mirror.seen[CLUSTER_LEFT], 1);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
        leaves(0); /* again: there is nothing left to withdraw */
        run_ms(0);
        assert_int_equal(mirror.seen[CLUSTER_LEFT], 2);
        assert_int_equal(cluster_discover(c, "gossip:239.9.9.9", NULL), 0);
        run_ms(20000);
        assert_true(f.calls[FAKE_SEND] == sends + 1);
        end();
    }
}

/* A good-bye that is lost is said again. */
static void a_lost_good_bye(void **state)
{
    (void)state;
    begin_as(OWN, "gossip:");
    run_ms(100);
    f.echo = false;
    leaves(5000);
    run_ms(900);
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 0);
    f.echo = true;
    run_ms(200);
    left(0);
    end();
}

static void nothing_was_announced(void **state)
{
    (void)state;
    begin_as(OWN, "gossip:?announce=off");
    leaves(-1);
    run_ms(0);
    left(0);
    assert_int_equal(f.calls[FAKE_SEND], 0);
    end();
    begin_as(NULL, "push:x");
    leaves(0);
    run_ms(0);
    left(0);
    end();
    begin_as(OWN, "gossip:?announce=off&if=eth0"); /* and there is no such interface */
    leaves(-1);
    run_ms(0);
    left(0);
    end();
}

static void no_way_to_say_it(void **state)
{
    (void)state;
    begin_as(OWN, "gossip:?secret=s3cret");
    run_ms(100);
    f.errors[FAKE_SEND] = CLUSTER_E_UNREACHABLE;
    leaves(2000);
    run_ms(1990);
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 0);
    assert_true(cluster_deadline(c) <= now_ns + 10 * CLU_MS);
    run_ms(10);
    left(CLUSTER_E_TIMEOUT);
    assert_string_equal(mirror.reply_text, "the others see this node until it has aged out, for one source did not take its "
                                           "good-bye in time: gossip:?secret=***");
    end();
    /* Its sentence is lost for want of memory: the error's name will do. */
    begin_as(OWN, "gossip:");
    f.errors[FAKE_SEND] = CLUSTER_E_UNREACHABLE;
    leaves(0);
    fake_memory_fail(&f.memory, 1, true);
    (void)fake_step(&f, c, now_ns);
    fake_memory_fail(&f.memory, 0, false);
    run_ms(0);
    left(CLUSTER_E_TIMEOUT);
    assert_string_equal(mirror.reply_text, cluster_strerror(CLUSTER_E_TIMEOUT));
    end();
}

/* A source that is paused says good-bye all the same; one that ends has nothing to say. */
static void paused_and_removed(void **state)
{
    (void)state;
    begin_as(OWN, "gossip:");
    run_ms(100);
    assert_int_equal(cluster_source_pause(s, 1), 0);
    leaves(1000);
    run_ms(0);
    left(0);
    assert_int_equal(said_flags(), CLUSTER_NODE_LEAVING);
    end();
    begin_as(OWN, "gossip:");
    f.errors[FAKE_SEND] = CLUSTER_E_UNREACHABLE;
    leaves(-1);
    run_ms(60000);
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 0);
    cluster_source_remove(s);
    run_ms(0);
    left(0);
    end();
}

/* It survives the loss of events, as replies do, and a full queue refuses it. */
static void full_queues(void **state)
{
    char text[32][8];
    struct cluster_node nodes[32];
    struct cluster_source *push;
    size_t i;
    (void)state;
    options = fake_begin(&f);
    options.limit_events = 8;
    memset(&mirror, 0, sizeof mirror);
    memset(nodes, 0, sizeof nodes);
    now_ns = SECOND;
    assert_int_equal(cluster_create(&c, &options), 0);
    assert_int_equal(cluster_discover(c, "push:x", &push), 0);
    leaves(0);
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    for (i = 0; i < 32; i++) {
        sprintf(text[i], "n%u@h", (unsigned)i);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = text[i];
    }
    assert_int_equal(cluster_source_publish(push, nodes, 7), 0);
    assert_int_equal(cluster_leave(c, 0, NULL), CLUSTER_E_AGAIN);
    assert_int_equal(cluster_source_publish(push, nodes, 32), 0);
    run_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_RESYNC], 1);
    left(0);
    assert_int_equal(cluster_leave(NULL, 0, NULL), CLUSTER_E_INVALID);
    end();
}

/* ---- others ----------------------------------------------------------- */

static void hear(const char *name, const char *secret, uint32_t flags, uint8_t host)
{
    struct cluster_address from = fake_address(10, 0, 0, host, 0);
    struct clu_gossip g;
    struct clu_gossip_keys keys;
    uint8_t iv[16] = {9}, packet[CLU_GOSSIP_MAX];
    size_t size;
    int fd = (int)(the_socket() - f.s);
    from.port = 45892;
    memset(&g, 0, sizeof g);
    g.node.name = name;
    g.node.flags = flags;
    g.numbers[CLU_GOSSIP_ID] = 77;
    g.numbers[CLU_GOSSIP_TIME] = f.wall;
    if (secret)
        clu_gossip_keys_init(&keys, secret, strlen(secret));
    size = clu_gossip_encode(&g, secret ? &keys : NULL, iv, packet, sizeof packet);
    assert_true(size > 0);
    fake_push(&f, fd, packet, size, &from);
    run_ms(1);
}

static bool here(const char *name)
{
    return cluster_member_find(c, name) != NULL;
}

/* Without a secret only from where the node was heard. */
static void others_leave(void **state)
{
    struct cluster_counts counts;
    (void)state;
    begin_as(NULL, "gossip:?min=1");
    hear("a@h", NULL, 0, 7);
    hear("b@h", NULL, 0, 8);
    hear("a@h", NULL, CLUSTER_NODE_LEAVING, 8);
    assert_true(here("a@h"));
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    assert_true(counts.dropped == 1);
    hear("a@h", NULL, CLUSTER_NODE_LEAVING | CLUSTER_NODE_DRAINING, 7);
    assert_true(!here("a@h") && here("b@h"));
    assert_int_equal(mirror.seen[CLUSTER_CHANGE], 0);
    hear("a@h", NULL, CLUSTER_NODE_LEAVING, 7);
    hear("nobody@h", NULL, CLUSTER_NODE_LEAVING, 7);
    assert_int_equal(cluster_member_count(c), 1);
    hear("a@h", NULL, 0, 7);
    assert_true(here("a@h"));
    end();
    begin_as(NULL, "gossip:?secret=s");
    hear("a@h", "s", 0, 7);
    hear("a@h", "other", CLUSTER_NODE_LEAVING, 7);
    hear("a@h", NULL, CLUSTER_NODE_LEAVING, 7);
    assert_true(here("a@h"));
    hear("a@h", "s", CLUSTER_NODE_LEAVING, 8);
    assert_false(here("a@h"));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drains),           cmocka_unit_test(drains_early),       cmocka_unit_test(cannot_drain),
        cmocka_unit_test(says_good_bye),    cmocka_unit_test(a_lost_good_bye),    cmocka_unit_test(nothing_was_announced),
        cmocka_unit_test(no_way_to_say_it), cmocka_unit_test(paused_and_removed), cmocka_unit_test(full_queues),
        cmocka_unit_test(others_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
