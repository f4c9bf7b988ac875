/* The packets of nodefinder and peerage: those that nodefinder made, each damage to one, and gossip: sources that speak them. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "web_server.h"

#define NOW UINT64_C(1700000000)

static void key_of(const char *cookie, uint8_t key[CLU_SHA256_SIZE])
{
    clu_sha256_of(cookie, strlen(cookie), key);
}

/* ---- packets ---------------------------------------------------------- */

static void packets_that_nodefinder_made(void **state)
{
    char line[4096], wire[16], cookie[64], connect[16], node[300], hex[3000];
    unsigned long long seconds;
    unsigned count = 0, written = 0;
    FILE *file = fopen("tests/vectors/nodefinder.txt", "r");
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        uint8_t packet[1500], key[CLU_SHA256_SIZE], own[CLU_NODEFINDER_MAX];
        char name[CLU_NAME_MAX + 1];
        uint64_t time = 0;
        size_t size, i;
        if (sscanf(line, "%15s %63s %llu %15s %299s %2999s", wire, cookie, &seconds, connect, node, hex) != 6 ||
            strncmp(wire, "NF", 2) != 0)
            continue;
        size = strlen(hex) / 2;
        for (i = 0; i < size; i++)
            packet[i] = (uint8_t)(clu_hex_digit(hex[2 * i]) << 4 | clu_hex_digit(hex[2 * i + 1]));
        key_of(cookie, key);
        assert_true(clu_nodefinder_decode(key, packet, size, &time, name));
        assert_true(time == seconds);
        assert_string_equal(name, node);
        key_of("another", key);
        assert_false(clu_nodefinder_decode(key, packet, size, &time, name));
        key_of(cookie, key);
        if (strcmp(wire, "NF5") == 0 && strcmp(connect, "2") == 0) { /* what is written here, byte for byte */
            assert_int_equal(clu_nodefinder_encode(key, seconds, node, own, sizeof own), size);
            assert_memory_equal(own, packet, size);
            written++;
        }
        for (i = 0; i < size; i++) { /* cut, and one bit of each byte but those of the way to connect */
            assert_false(clu_nodefinder_decode(key, packet, i, &time, name));
            packet[i] ^= 1;
            if (clu_nodefinder_decode(key, packet, size, &time, name))
                assert_true(i == 18 || (strcmp(wire, "NF5") == 0 && i == 62));
            packet[i] ^= 1;
        }
        count++;
    }
    fclose(file);
    assert_true(count >= 10 && written >= 2);
}

static void packets_of_peerage(void **state)
{
    char name[CLU_NAME_MAX + 1];
    uint8_t packet[300];
    static const char *const bad[] = {"",        "Peer",       "Peer:",      "Peer:a",   "Peer:@h",
                                      "Peer:a@", "Peer:a@b@c", "Peer:a@b c", "peer:a@h", "Peer:a@h\n"};
    size_t i;
    (void)state;
    assert_int_equal(clu_peerage_encode("a@h", packet, sizeof packet), 8);
    assert_memory_equal(packet, "Peer:a@h", 8);
    assert_true(clu_peerage_decode(packet, 8, name));
    assert_string_equal(name, "a@h");
    assert_int_equal(clu_peerage_encode("a@h", packet, 7), 0);
    for (i = 0; i < CLU_COUNT(bad); i++)
        assert_false(clu_peerage_decode((const uint8_t *)bad[i], strlen(bad[i]), name));
}

/* ---- sources ---------------------------------------------------------- */

static void begin_wire(const char *url, const char *node)
{
    struct cluster_options o = web_begin(NULL);
    f.sent = NULL;
    f.echo = true;
    f.wall = NOW * FAKE_SECOND;
    o.node = node;
    web_start(&o, url);
    web_run(10);
}

static void hear(const char *name, const char *cookie, uint64_t seconds)
{
    uint8_t packet[CLU_NODEFINDER_MAX], key[CLU_SHA256_SIZE];
    struct cluster_address from = fake_address(10, 0, 0, 1, 0);
    size_t size;
    if (cookie) {
        key_of(cookie, key);
        size = clu_nodefinder_encode(key, seconds, name, packet, sizeof packet);
    } else {
        size = clu_peerage_encode(name, packet, sizeof packet);
    }
    fake_push(&f, FAKE_FIRST, packet, size, &from);
    web_run(10);
}

static void nodefinder_is_heard(void **state)
{
    (void)state;
    begin_wire("gossip:?wire=nodefinder&secret=ck", NULL);
    assert_int_equal(f.s[FAKE_FIRST].bound.port, 4475);
    assert_int_equal(f.s[FAKE_FIRST].group.bytes[0], 224);
    hear("a@10.0.0.1", "ck", NOW);
    web_members("a@10.0.0.1");
    assert_string_equal(cluster_member_at(c, 0)->address, "10.0.0.1");
    hear("b@10.0.0.1", "other", NOW);
    hear("c@10.0.0.1", "ck", NOW - 301);
    hear("d@10.0.0.1", "ck", NOW + 301);
    hear("e@10.0.0.1", "ck", UINT64_MAX);
    hear("f@10.0.0.1", NULL, 0);
    web_members("a@10.0.0.1");
    hear("g@10.0.0.1", "ck", NOW - 299);
    web_members("a@10.0.0.1 g@10.0.0.1");
    web_run(20000);
    web_members("");
    end();
}

static void the_own_node_is_announced(void **state)
{
    uint64_t request;
    uint8_t key[CLU_SHA256_SIZE], expected[CLU_NODEFINDER_MAX];
    size_t size;
    (void)state;
    begin_wire("gossip:?wire=nodefinder&secret=ck&announce=on", "me@10.0.0.9");
    key_of("ck", key);
    size = clu_nodefinder_encode(key, NOW, "me@10.0.0.9", expected, sizeof expected);
    assert_int_equal(f.s[FAKE_FIRST].out_size, size);
    assert_memory_equal(f.s[FAKE_FIRST].out, expected, size);
    web_run(30000); /* its own packets come back: all is well */
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    assert_int_equal(cluster_leave(c, 1000, &request), 0);
    web_run(100);
    assert_int_equal(mirror.seen[CLUSTER_LEFT], 1);
    size = f.calls[FAKE_SEND];
    web_run(20000); /* in which it joins the group anew, hearing nobody, and says nothing */
    assert_int_equal(f.calls[FAKE_SEND], size);
    end();
}

static void peerage_is_spoken(void **state)
{
    (void)state;
    begin_wire("gossip:?wire=peerage&announce=on", "me@10.0.0.9");
    assert_int_equal(f.s[FAKE_FIRST].bound.port, 45900);
    assert_memory_equal(f.s[FAKE_FIRST].out, "Peer:me@10.0.0.9", 16);
    hear("a@10.0.0.1", NULL, 0);
    hear("no name", NULL, 0);
    web_members("a@10.0.0.1 me@10.0.0.9");
    end();
}

static void what_does_not_go_together(void **state)
{
    struct cluster_options o = web_begin(NULL);
    (void)state;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "gossip:?wire=nodefinder", NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "cookie"));
    assert_int_equal(cluster_discover(c, "gossip:?wire=peerage&secret=x", NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "has no secret"));
    assert_int_equal(cluster_discover(c, "gossip:?wire=other", NULL), CLUSTER_E_INVALID);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_that_nodefinder_made),
        cmocka_unit_test(packets_of_peerage),
        cmocka_unit_test(nodefinder_is_heard),
        cmocka_unit_test(the_own_node_is_announced),
        cmocka_unit_test(peerage_is_spoken),
        cmocka_unit_test(what_does_not_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
