/* Addresses: text in both directions (also against the system's own inet_pton and inet_ntop), HOST:PORT, ranges, order. */
#include "../../src/wire/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint32_t random_state = 7;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % bound;
}

static struct cluster_address address(const char *text)
{
    struct cluster_address a;
    memset(&a, 0xEE, sizeof a);
    if (!clu_address_parse(clu_slice_str(text), &a))
        fail_msg("'%s' was not taken for an address", text);
    return a;
}

static void prints_what_it_read(void **state)
{
    /* RFC 4291 2.2, RFC 5952 4 and 5 */
    static const char *const table[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"10.1.2.3", "10.1.2.3"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"2001:DB8::ABCD", "2001:db8::abcd"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"0:0:1::", "0:0:1::"},
        {"1:0:0:2:3:0:0:0", "1:0:0:2:3::"},
        {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"fe80::1%3", "fe80::1%3"},
        {"fe80::1%0", "fe80::1"},
        {"::ffff:10.0.0.1", "10.0.0.1"},
        {"::FFFF:0a00:0001", "10.0.0.1"},
        {"::ffff:10.0.0.1%9", "10.0.0.1"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"ff02::fb", "ff02::fb"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct cluster_address a = address(table[i][0]);
        char text[CLU_ADDRESS_TEXT];
        struct clu_text t = clu_text_on(text, sizeof text);
        clu_address_text(&t, &a);
        assert_string_equal(text, table[i][1]);
        assert_int_equal(a.port, 0);
        assert_int_equal(a.prefix, 0);
    }
}

static void refuses_what_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "256.1.1.1",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.00",
        "1.2.3.4 ",
        " 1.2.3.4",
        "0x1.2.3.4",
        "1.2.3.-4",
        "1.2.3.4/8",
        "1.2.3.4%1",
        "1.2.3.4:5",
        ":",
        ":::",
        "::1::",
        "1::2::3",
        ":1",
        "1:",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "12345::",
        "g::",
        "::1%",
        "::1%%1",
        "::1%4294967296",
        "fe80::1%eth0",
        "%1",
        "::ffff:1.2.3",
        "::ffff:1.2.3.4.5",
        "::ffff:01.2.3.4",
        "1.2.3.4::",
        "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "[::1]",
        "::1/64",
        "host",
        "1:2:3:4:5:6:7:",
        "::0x1",
        "::-1",
        "::1 ",
        "\xB2::",
        "1.2.3.4\n",
        "4294967295",
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(bad); i++) {
        struct cluster_address a;
        if (clu_address_parse(clu_slice_str(bad[i]), &a))
            fail_msg("'%s' was taken for an address", bad[i]);
    }
}

static void reads_zones(void **state)
{
    struct cluster_address a = address("fe80::1%12");
    (void)state;
    assert_int_equal(a.scope, 12);
    a = address("10.0.0.1");
    assert_int_equal(a.scope, 0);
    assert_false(clu_address_parse(clu_slice_str("fe80::1%eth0"), &a));
    assert_false(clu_address_parse(clu_slice_str("10.0.0.1%eth0"), &a));
}

static void agrees_with_the_system(void **state)
{
    static const char letters[] = "0:1f.:2a:0.";
    unsigned taken = 0, i, k;
    (void)state;
    for (i = 0; i < 400000; i++) {
        char text[24];
        unsigned length = 1 + random_below(sizeof text - 2);
        struct cluster_address a;
        uint8_t expected[16];
        bool four, six, ours;
        for (k = 0; k < length; k++)
            text[k] = letters[random_below(sizeof letters - 1)];
        text[length] = '\0';
        if (i % 4 == 0)
            (void)memcpy(text, "::", length < 2 ? length : 2);
        four = inet_pton(AF_INET, text, expected) == 1;
        six = !four && inet_pton(AF_INET6, text, expected) == 1;
        ours = clu_address_parse(clu_slice_str(text), &a);
        if (ours != (four || six))
            fail_msg("'%s': system %d, here %d", text, four || six, ours);
        if (!ours)
            continue;
        taken++;
        if (six && memcmp(expected, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0) {
            four = true;
            memmove(expected, expected + 12, 4);
        }
        assert_int_equal(a.family, four ? 4 : 6);
        assert_memory_equal(a.bytes, expected, four ? 4 : 16);
    }
    assert_true(taken > 1000);
    for (i = 0; i < 50000; i++) {
        char system[INET6_ADDRSTRLEN], here[CLU_ADDRESS_TEXT];
        struct clu_text t = clu_text_on(here, sizeof here);
        struct cluster_address a;
        memset(&a, 0, sizeof a);
        a.family = random_below(4) ? 6 : 4;
        a.bytes[0] = (uint8_t)(1 + random_below(255)); /* ::1.2.3.4 is an old form that RFC 5952 does not ask for */
        for (k = 1; k < (a.family == 6 ? 16u : 4u); k++)
            a.bytes[k] = random_below(5) < 3 ? 0 : (uint8_t)random_below(256);
        assert_non_null(inet_ntop(a.family == 6 ? AF_INET6 : AF_INET, a.bytes, system, sizeof system));
        clu_address_text(&t, &a);
        assert_string_equal(here, system);
    }
}

static void reads_host_and_port(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"host", "host", 1},
        {"host:4369", "host", 4369},
        {"h.example.com:65535", "h.example.com", 65535},
        {"10.0.0.1", "10.0.0.1", 1},
        {"10.0.0.1:9100", "10.0.0.1", 9100},
        {"[::1]", "::1", 1},
        {"[::1]:4369", "::1", 4369},
        {"[fe80::1%3]", "fe80::1%3", 1},
        {"_epmd._tcp.x", "_epmd._tcp.x", 1},
        {"w\xC3\xA4lder.example", "w\xC3\xA4lder.example", 1},
    };
    static const char *const bad[] = {
        "",
        ":4369",
        "host:",
        "host:0",
        "host:65536",
        "host:abc",
        "host:43 69",
        "host:+1",
        "a:b:c",
        "a:1:2",
        "[::1]:",
        "[::1]:0",
        "[::1]4369",
        "[::1",
        "::1]",
        "[]",
        "[]:1",
        "[host]:1",
        "[::1]:1:2",
        "::1:4369",
        "fd00::1:2",
        "ho st",
        "host\n",
        "h@b:1",
        "a@b",
        "10.0.0.1:1:",
        "[[::1]]",
        "[::1]:65536",
        "[::1%]:80",
        "::1",
        "[fe80::1%eth0]:80",
    };
    size_t i;
    struct clu_slice host;
    uint16_t port;
    (void)state;
    for (i = 0; i < CLU_COUNT(good); i++) {
        port = 1;
        if (!clu_host_port(clu_slice_str(good[i].text), &host, &port))
            fail_msg("'%s' was refused", good[i].text);
        assert_true(clu_slice_is(host, good[i].host));
        assert_int_equal(port, good[i].port);
    }
    for (i = 0; i < CLU_COUNT(bad); i++) {
        port = 1;
        if (clu_host_port(clu_slice_str(bad[i]), &host, &port))
            fail_msg("'%s' was taken for a host", bad[i]);
        assert_int_equal(port, 1);
    }
}

static void reads_address_and_port(void **state)
{
    struct cluster_address a;
    char text[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(text, sizeof text);
    (void)state;
    assert_true(clu_address_port_parse(clu_slice_str("[FE80::1%7]:4369"), 1, &a));
    clu_address_port_text(&t, &a);
    assert_string_equal(text, "[fe80::1%7]:4369");
    assert_true(clu_address_port_parse(clu_slice_str("233.252.1.32"), 45892, &a));
    t = clu_text_on(text, sizeof text);
    clu_address_port_text(&t, &a);
    assert_string_equal(text, "233.252.1.32:45892");
    assert_true(clu_address_port_parse(clu_slice_str("ff02::fb"), 5, &a)); /* without port, without brackets */
    assert_int_equal(a.family, 6);
    assert_int_equal(a.port, 5);
    assert_false(clu_address_port_parse(clu_slice_str("host:1"), 1, &a));
    assert_false(clu_address_port_parse(clu_slice_str("[fe80::1%eth0]:1"), 1, &a));
    memset(&a, 0xff, sizeof a);
    a.family = 6;
    a.scope = UINT32_MAX;
    t = clu_text_on(text, sizeof text);
    clu_address_port_text(&t, &a);
    assert_false(t.cut);
    assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
    memset(&a, 0, sizeof a);
    t = clu_text_on(text, sizeof text);
    clu_address_text(&t, &a);
    assert_string_equal(text, "");
}

static void matches_ranges(void **state)
{
    static const struct {
        const char *range, *address;
        bool in;
    } table[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.9.9.9/8", "10.0.0.1", true},
        {"0.0.0.0/0", "1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "1.2.3.4", false},
        {"::/0", "fd00::1", true},
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.2", false},
        {"10.0.0.1/32", "10.0.0.1", true},
        {"10.0.0.0/31", "10.0.0.1", true},
        {"10.0.0.0/31", "10.0.0.2", false},
        {"192.168.128.0/17", "192.168.129.1", true},
        {"192.168.128.0/17", "192.168.127.1", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fc00::1", false},
        {"fd00::/7", "fc00::1", true},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::1/128", "::1", true},
        {"::1", "::2", false},
        {"fd00::/64", "fd00::1:0:0:1", true},
        {"fd00::/64", "fd00:0:0:1::", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::ffff:10.1.2.3", "10.1.2.3", true},
        {"fe80::/10", "fe80::1%3", true},
    };
    static const char *const bad[] = {"",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "::/129",
                                      "10.0.0.0/8/8",
                                      "10.0.0/8",
                                      "host",
                                      "10.0.0.0/-1",
                                      "10.0.0.0-10.0.0.9",
                                      "fe80::1%3",
                                      "fe80::1%eth0/64",
                                      "10.0.0.0/8 ",
                                      "[::1]/128",
                                      "::ffff:10.0.0.0/104"};
    struct cluster_address range, a;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        a = address(table[i].address);
        assert_true(clu_range_parse(clu_slice_str(table[i].range), &range));
        if (clu_address_in(&a, &range) != table[i].in)
            fail_msg("%s in %s", table[i].address, table[i].range);
    }
    for (i = 0; i < CLU_COUNT(bad); i++)
        if (clu_range_parse(clu_slice_str(bad[i]), &range))
            fail_msg("'%s' was taken for a range", bad[i]);
    memset(&a, 0, sizeof a);
    assert_true(clu_range_parse(clu_slice_str("0.0.0.0/0"), &range));
    assert_false(clu_address_in(&a, &range));
}

static void matches_lists_of_ranges(void **state)
{
    struct clu_slice list = clu_slice_str("10.0.0.0/8,fd00::/8,192.0.2.1");
    struct cluster_address a = address("fd12::1");
    (void)state;
    assert_true(clu_ranges_valid(list));
    assert_true(clu_address_in_ranges(&a, list));
    a = address("192.0.2.1");
    assert_true(clu_address_in_ranges(&a, list));
    a = address("192.0.2.2");
    assert_false(clu_address_in_ranges(&a, list));
    assert_false(clu_ranges_valid(clu_slice_str("10.0.0.0/8,")));
    assert_false(clu_ranges_valid(clu_slice_str("")));
    assert_false(clu_ranges_valid(clu_slice_str("10.0.0.0/8, fd00::/8")));
}

static void orders_and_compares(void **state)
{
    static const char *const sorted[] = {
        "0.0.0.0", "10.0.0.1", "10.0.0.2", "200.1.1.1", "::", "::1", "fe80::1", "fe80::1%2", "fe80::1%3"};
    struct cluster_address a, b;
    size_t i, j;
    (void)state;
    for (i = 0; i < CLU_COUNT(sorted); i++)
        for (j = 0; j < CLU_COUNT(sorted); j++) {
            int order;
            a = address(sorted[i]);
            b = address(sorted[j]);
            order = clu_address_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    a = address("::ffff:10.0.0.1");
    b = address("10.0.0.1");
    assert_int_equal(clu_address_compare(&a, &b), 0);
    b.port = 9;
    assert_true(clu_address_compare(&a, &b) < 0);
    memset(&a, 0, sizeof a);
    assert_true(clu_address_compare(&a, &b) < 0);
    assert_int_equal(clu_address_compare(&a, &a), 0);
}

static void knows_kinds(void **state)
{
    static const struct {
        const char *text;
        bool multicast, loopback;
    } table[] = {
        {"233.252.1.32", true, false},
        {"224.0.0.0", true, false},
        {"239.255.255.255", true, false},
        {"240.0.0.0", false, false},
        {"223.255.255.255", false, false},
        {"ff02::1", true, false},
        {"fe80::1", false, false},
        {"127.0.0.1", false, true},
        {"127.9.9.9", false, true},
        {"128.0.0.1", false, false},
        {"::1", false, true},
        {"::", false, false},
        {"::2", false, false},
        {"::ffff:127.0.0.1", false, true},
        {"::ffff:224.0.0.1", true, false},
        {"e000::1", false, false},
    };
    size_t i;
    struct cluster_address none;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct cluster_address a = address(table[i].text);
        assert_int_equal(clu_address_is_multicast(&a), table[i].multicast);
        assert_int_equal(clu_address_is_loopback(&a), table[i].loopback);
    }
    memset(&none, 0xff, sizeof none);
    none.family = 0;
    assert_false(clu_address_is_multicast(&none));
    assert_false(clu_address_is_loopback(&none));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_it_read), cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(reads_zones),         cmocka_unit_test(agrees_with_the_system),
        cmocka_unit_test(reads_host_and_port), cmocka_unit_test(reads_address_and_port),
        cmocka_unit_test(matches_ranges),      cmocka_unit_test(matches_lists_of_ranges),
        cmocka_unit_test(orders_and_compares), cmocka_unit_test(knows_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
