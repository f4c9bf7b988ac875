/* The own name: kept, announced, a member; and name@auto among scripted interfaces. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_loop.h"

static struct fake f;
static struct cluster *c;
static char sentence[256];

static struct cluster_options begin(const char *node)
{
    struct cluster_options o = fake_begin(&f);
    o.node = node;
    o.error = sentence;
    o.error_size = sizeof sentence;
    return o;
}

static void end(void)
{
    cluster_destroy(c);
    fake_end(&f);
}

static void interface(struct cluster_address address)
{
    f.interfaces[f.interface_count++] = address;
}

static struct cluster_address ipv6(uint8_t first, uint8_t last, uint32_t scope)
{
    struct cluster_address a;
    memset(&a, 0, sizeof a);
    a.family = 6;
    a.prefix = 64;
    a.bytes[0] = first;
    a.bytes[15] = last;
    a.scope = scope;
    return a;
}

static void expect_name(const struct cluster_options *o, const char *name)
{
    assert_int_equal(cluster_create(&c, o), 0);
    assert_string_equal(cluster_own_name(c), name);
    assert_int_equal(cluster_member_count(c), *name ? 1 : 0);
    if (*name)
        assert_int_equal(cluster_member_find(c, name)->flags, CLUSTER_MEMBER_SELF);
    end();
}

static void a_written_name(void **state)
{
    struct cluster_options o = begin("n@h");
    const struct cluster_member *m;
    char node[8] = "n@h", zone[8] = "east", role[8] = "db";
    const struct cluster_event *e;
    (void)state;
    o.node = node;
    o.zone = zone;
    o.role = role;
    o.port = 9100;
    o.weight = 3;
    assert_int_equal(cluster_create(&c, &o), 0);
    node[0] = zone[0] = role[0] = '!'; /* it was copied */
    assert_int_equal(f.calls[FAKE_INTERFACES], 0);
    assert_true(cluster_revision(c) == 1);
    e = cluster_next_event(c);
    assert_true(e && e->type == CLUSTER_JOIN && e->revision == 1 && !e->source);
    m = cluster_member_at(c, 0);
    assert_string_equal(m->name, "n@h");
    assert_string_equal(m->host, "h");
    assert_string_equal(m->zone, "east");
    assert_string_equal(m->role, "db");
    assert_int_equal(m->port, 9100);
    assert_int_equal(m->weight, 3);
    assert_int_equal(m->sources, 0);
    assert_int_equal(m->flags, CLUSTER_MEMBER_SELF);
    end();
    o = begin(NULL);
    expect_name(&o, "");
}

/* The own node never leaves, whoever lists it or no longer does. */
static void listed_by_others(void **state)
{
    struct cluster_options o = begin("n@h");
    struct cluster_source *s;
    struct cluster_node nodes[2];
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "push:x", &s), 0);
    memset(nodes, 0, sizeof nodes);
    nodes[0].size = (uint32_t)sizeof nodes[0];
    nodes[0].name = "n@h";
    nodes[0].port = 77;
    nodes[1].name = "o@h";
    assert_int_equal(cluster_source_publish(s, nodes, 2), 0);
    assert_int_equal(cluster_member_count(c), 2);
    assert_int_equal(cluster_source_count(s), 1);
    assert_int_equal(cluster_member_find(c, "n@h")->port, 0);
    assert_int_equal(cluster_source_publish(s, NULL, 0), 0);
    assert_int_equal(cluster_source_gone(s, "n@h"), 0);
    assert_int_equal(cluster_member_count(c), 1);
    cluster_source_remove(s);
    assert_int_equal(cluster_member_count(c), 1);
    assert_true(cluster_revision(c) == 3);
    end();
}

static void one_address(void **state)
{
    struct cluster_options o = begin("n@auto");
    (void)state;
    interface(fake_address(127, 0, 0, 1, 8));
    interface(ipv6(0, 1, 0)); /* ::1 */
    interface(fake_address(10, 1, 2, 3, 24));
    interface(ipv6(0xfd, 7, 0));
    interface(ipv6(0xfe, 7, 2)); /* needs a scope */
    expect_name(&o, "n@10.1.2.3");
    o = begin("n@auto");
    interface(fake_address(127, 0, 0, 1, 8));
    interface(ipv6(0xfe, 7, 2));
    interface(ipv6(0xfd, 7, 0));
    expect_name(&o, "n@fd00::7");
    /* Nothing else: a laptop without a network. */
    o = begin("n@auto");
    interface(fake_address(127, 0, 0, 1, 8));
    expect_name(&o, "n@127.0.0.1");
    o = begin("n@auto");
    expect_name(&o, "n@127.0.0.1");
    /* Only `auto` is it. */
    o = begin("auto@h");
    expect_name(&o, "auto@h");
    o = begin("n@auto.example");
    expect_name(&o, "n@auto.example");
    o = begin("n@auto");
    f.errors[FAKE_INTERFACES] = CLUSTER_E_PERMISSION;
    assert_int_equal(cluster_create(&c, &o), CLUSTER_E_PERMISSION);
    assert_non_null(strstr(sentence, "write the own address after '@'"));
    fake_end(&f);
}

static void two_addresses_of(const char *connect)
{
    struct cluster_options o = begin("n@auto");
    o.connect = connect;
    interface(fake_address(10, 1, 0, 5, 16));
    interface(fake_address(192, 168, 7, 5, 24));
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_string_equal(cluster_own_name(c), "");
    assert_int_equal(cluster_member_count(c), 0);
    assert_int_equal(cluster_status(c), CLUSTER_READY);
}

static void two_addresses(void)
{
    two_addresses_of(NULL);
}

/* Of several addresses the one in whose network a source's address is. */
static void a_url_decides(void **state)
{
    static const struct {
        const char *url, *name;
    } table[] = {
        {"static:a@10.1.200.1,b@h", "n@10.1.0.5"},
        {"static:a@192.168.7.1", "n@192.168.7.5"},
        {"epmd:192.168.7.9:4370", "n@192.168.7.5"},
        {"epmd:10.1.9.9,10.1.9.8", "n@10.1.0.5"},
        {"gossip:?if=192.168.7.5", "n@192.168.7.5"},
        {"push:x?allow=10.1.0.0/16", NULL},
        {"static:a@10.1.200.1,b@192.168.7.1", NULL},
        {"static:a@172.16.0.1", NULL},
        {"static:", NULL},
        {"gossip:", NULL},
        {"push:x", NULL},
        {"push:x?weight=10", NULL},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        int result;
        struct cluster_source *s;
        two_addresses();
        result = cluster_discover(c, table[i].url, &s);
        if (table[i].name) {
            if (result || strcmp(cluster_own_name(c), table[i].name) != 0)
                fail_msg("%s: %d, %s", table[i].url, result, cluster_own_name(c));
            assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
            assert_non_null(cluster_member_find(c, table[i].name));
            assert_int_equal(cluster_discover(c, "push:y", NULL), 0); /* it is settled */
        } else {
            if (result != CLUSTER_E_INVALID)
                fail_msg("%s: %d, %s", table[i].url, result, cluster_own_name(c));
            assert_null(s);
            assert_non_null(strstr(cluster_last_error(c), "ambiguous, this host has 10.1.0.5, 192.168.7.5: write one"));
            assert_string_equal(cluster_own_name(c), "");
            /* Another one may still decide it. */
            assert_int_equal(cluster_discover(c, "static:a@10.1.7.7", NULL), 0);
            assert_string_equal(cluster_own_name(c), "n@10.1.0.5");
        }
        end();
    }
}

static void many_addresses(void **state)
{
    struct cluster_options o = begin("n@auto");
    uint8_t i;
    (void)state;
    for (i = 0; i < 40; i++)
        interface(fake_address(10, i, 0, 1, 24));
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "push:x", NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "10.0.0.1, 10.1.0.1, 10.2.0.1, 10.3.0.1, 10.4.0.1, 10.5.0.1"));
    assert_non_null(strstr(cluster_last_error(c), ": write one of them"));
    f.interface_count = 1; /* they may change until it is decided */
    assert_int_equal(cluster_discover(c, "push:x", NULL), 0);
    assert_string_equal(cluster_own_name(c), "n@10.0.0.1");
    end();
}

/* Whom the host is connected to may be members before there is a name; one of them may even have it. */
static void members_before_the_name(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < 20; i++) {
        size_t k;
        two_addresses_of("host");
        for (k = 0; k < i; k++) {
            char name[] = "z@a";
            name[2] = (char)('a' + k);
            assert_int_equal(cluster_report(c, name, CLUSTER_REPORT_UP, 0), 0);
        }
        assert_int_equal(cluster_discover(c, "static:a@10.1.200.1", NULL), 0);
        assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
        assert_int_equal(cluster_member_count(c), i + 2);
        assert_string_equal(cluster_member_at(c, 1)->name, "n@10.1.0.5");
        end();
    }
    two_addresses_of("host");
    assert_int_equal(cluster_report(c, "n@10.1.0.5", CLUSTER_REPORT_UP, 0), 0);
    assert_int_equal(cluster_discover(c, "static:a@10.1.200.1", NULL), CLUSTER_E_EXISTS);
    assert_non_null(strstr(cluster_last_error(c), "choose another"));
    assert_string_equal(cluster_own_name(c), "");
    assert_int_equal(cluster_report(c, "n@10.1.0.5", CLUSTER_REPORT_DOWN, 0), 0);
    assert_int_equal(cluster_discover(c, "static:a@10.1.200.1", NULL), 0);
    assert_string_equal(cluster_own_name(c), "n@10.1.0.5");
    end();
}

/* Without memory at any point the name is found at the next try. */
static void no_memory(void **state)
{
    unsigned long n;
    (void)state;
    for (n = 1; n < 30; n++) {
        int result;
        two_addresses();
        fake_memory_fail(&f.memory, n, true);
        result = cluster_discover(c, "static:a@10.1.7.7", NULL);
        if (f.memory.failures && result) {
            assert_int_equal(result, CLUSTER_E_MEMORY);
            assert_true(*cluster_last_error(c) != '\0');
        }
        fake_memory_fail(&f.memory, 0, false);
        if (result)
            assert_int_equal(cluster_discover(c, "static:a@10.1.7.7", NULL), 0);
        assert_string_equal(cluster_own_name(c), "n@10.1.0.5");
        assert_int_equal(cluster_step(c, 1, NULL, 0), 0);
        assert_int_equal(cluster_member_count(c), 2);
        end();
    }
}

/* With its address the name is as long as names may be, and no longer. */
static void long_names(void **state)
{
    static char name[300];
    size_t length;
    (void)state;
    for (length = 240; length <= 250; length++) {
        struct cluster_options o;
        int result;
        memset(name, 'n', length);
        strcpy(name + length, "@auto");
        o = begin(name);
        interface(fake_address(10, 0, 0, 10, 24));
        result = cluster_create(&c, &o);
        assert_int_equal(result, length + 10 <= 255 ? 0 : CLUSTER_E_INVALID);
        if (result)
            assert_non_null(strstr(sentence, "255 bytes"));
        else
            assert_int_equal(strlen(cluster_own_name(c)), length + 10);
        cluster_destroy(c);
        fake_end(&f);
    }
}

/* ---- long and short names --------------------------------------------- */

static void publish_one(const char *name)
{
    struct cluster_source *s = cluster_source_at(c, 0);
    struct cluster_node node;
    memset(&node, 0, sizeof node);
    node.size = (uint32_t)sizeof node;
    node.name = name;
    assert_int_equal(cluster_source_publish(s, &node, 1), 0);
}

static void the_two_kinds_of_names(void **state)
{
    static const struct {
        const char *own, *other, *words;
    } table[] = {
        {"n@short", "a@10.0.0.1", "name@auto finds it"},
        {"n@short", "a@host.example", "-sname"},
        {"n@short", "a@fd00::1", "name@auto"},
        {"n@10.0.0.1", "a@short", "NAME@SHORTHOST"},
        {"n@10.0.0.1", "a@10.0.0.2", NULL},
        {"n@short", "a@other", NULL},
        {NULL, "a@10.0.0.1", NULL},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct cluster_options o = begin(table[i].own);
        assert_int_equal(cluster_create(&c, &o), 0);
        assert_int_equal(cluster_discover(c, "push:x", NULL), 0);
        publish_one(table[i].other);
        assert_int_equal(f.logs, table[i].words ? 1 : 0);
        if (table[i].words) {
            assert_non_null(strstr(f.log, table[i].words));
            assert_string_equal(f.setting, "node");
        }
        publish_one("b@10.0.0.1");
        publish_one("b@other");
        assert_true(f.logs <= 1); /* once */
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_name),          cmocka_unit_test(listed_by_others), cmocka_unit_test(one_address),
        cmocka_unit_test(a_url_decides),           cmocka_unit_test(many_addresses),   cmocka_unit_test(no_memory),
        cmocka_unit_test(members_before_the_name), cmocka_unit_test(long_names),       cmocka_unit_test(the_two_kinds_of_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
