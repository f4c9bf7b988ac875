/* What is read in the text of /etc/resolv.conf, and what is passed over. */
#include "../../src/wire/resolv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct clu_resolv parsed(const char *text)
{
    struct clu_resolv r;
    clu_resolv_parse(&r, clu_slice_str(text));
    return r;
}

static void assert_slice(struct clu_slice s, const char *expected)
{
    assert_int_equal(s.length, strlen(expected));
    assert_memory_equal(s.at, expected, s.length);
}

static void defaults(void **state)
{
    static const char *const nothing[] = {"",
                                          "\n",
                                          "# nameserver 10.0.0.1\n; nameserver 10.0.0.2\n",
                                          "nameserver\n",
                                          "nameserver ns.example\nnameserver 10.0.0.256\nnameserver 10.0.0.1%eth0\n",
                                          "nameserver fe80::1%\n",
                                          "nameservers 10.0.0.1\n"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(nothing); i++) {
        struct clu_resolv r = parsed(nothing[i]);
        assert_int_equal(r.server_count, 1);
        assert_slice(r.servers[0], "127.0.0.1");
        assert_true(r.search_count == 0 && r.options[CLU_RESOLV_ATTEMPTS] == 2 && r.options[CLU_RESOLV_NDOTS] == 1 &&
                    r.options[CLU_RESOLV_TIMEOUT] == 5);
        assert_false(r.options[CLU_RESOLV_ROTATE] || r.options[CLU_RESOLV_USE_VC] || r.options[CLU_RESOLV_TRUST_AD]);
    }
}

static void servers(void **state)
{
    struct clu_resolv r = parsed("nameserver 10.0.0.1 # first\r\n"
                                 "nameserver bad\n"
                                 "\tnameserver\tfe80::1%eth0\n"
                                 "nameserver fe80::2%3\n"
                                 "nameserver 10.0.0.4");
    (void)state;
    assert_int_equal(r.server_count, 3);
    assert_slice(r.servers[0], "10.0.0.1");
    assert_slice(r.servers[1], "fe80::1%eth0");
    assert_slice(r.servers[2], "fe80::2%3");
}

static void search_lists(void **state)
{
    struct clu_resolv r = parsed("domain a.example b.example\n");
    (void)state;
    assert_int_equal(r.search_count, 1);
    assert_slice(r.search[0], "a.example");
    r = parsed("domain a.example\nsearch ns.svc.cluster.local svc.cluster.local cluster.local\nsearch\n");
    assert_int_equal(r.search_count, 3);
    assert_slice(r.search[0], "ns.svc.cluster.local");
    assert_slice(r.search[2], "cluster.local");
    r = parsed("search a b c d e f g\n");
    assert_int_equal(r.search_count, 6);
    assert_slice(r.search[5], "f");
    r = parsed("search a b\ndomain c\n");
    assert_int_equal(r.search_count, 1);
    assert_slice(r.search[0], "c");
}

static void options(void **state)
{
    struct clu_resolv r = parsed("options ndots:5 timeout:3 attempts:4 rotate\noptions use-vc edns0 trust-ad single-request\n");
    (void)state;
    assert_true(r.options[CLU_RESOLV_NDOTS] == 5 && r.options[CLU_RESOLV_TIMEOUT] == 3 && r.options[CLU_RESOLV_ATTEMPTS] == 4);
    assert_true(r.options[CLU_RESOLV_ROTATE] && r.options[CLU_RESOLV_USE_VC] && r.options[CLU_RESOLV_TRUST_AD]);
    r = parsed("options ndots:16 timeout:31 attempts:6\n");
    assert_true(r.options[CLU_RESOLV_NDOTS] == 15 && r.options[CLU_RESOLV_TIMEOUT] == 30 &&
                r.options[CLU_RESOLV_ATTEMPTS] == 5);
    r = parsed("options ndots:4294967295 timeout:4000000000 attempts:99\n");
    assert_true(r.options[CLU_RESOLV_NDOTS] == 15 && r.options[CLU_RESOLV_TIMEOUT] == 30 &&
                r.options[CLU_RESOLV_ATTEMPTS] == 5);
    r = parsed("options ndots:0 timeout:0 attempts:0\n");
    assert_true(r.options[CLU_RESOLV_NDOTS] == 0 && r.options[CLU_RESOLV_TIMEOUT] == 1 && r.options[CLU_RESOLV_ATTEMPTS] == 1);
    r = parsed("options ndots timeout: attempts:x ndots:-1 timeout:1s attempts:99999999999999999999 debug inet6 rotate1\n");
    assert_true(r.options[CLU_RESOLV_NDOTS] == 1 && r.options[CLU_RESOLV_TIMEOUT] == 5 && r.options[CLU_RESOLV_ATTEMPTS] == 2 &&
                !r.options[CLU_RESOLV_ROTATE]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(servers),
        cmocka_unit_test(search_lists),
        cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
