/* DNS: queries byte by byte, and what is made of responses. */
#include "../../src/wire/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dns_message.h"

#define OK 0x8180 /* a response with recursion */

static struct message m;
static struct clu_dns_result result;

/* In a block of exactly its size. */
static enum clu_dns_verdict check_as(const char *name, uint16_t type)
{
    uint8_t wire[CLU_DNS_NAME_MAX], *exact = (uint8_t *)malloc(m.size ? m.size : 1);
    size_t size = clu_dns_name(wire, clu_slice_str(name));
    enum clu_dns_verdict verdict;
    assert_non_null(exact);
    assert_true(size > 0);
    memcpy(exact, m.data, m.size);
    verdict = clu_dns_check(exact, m.size, 7, wire, size, type, &result);
    free(exact);
    return verdict;
}

static enum clu_dns_verdict check(uint16_t type)
{
    return check_as("web.example", type);
}

static void queries(void **state)
{
    static const uint8_t expected[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0,  0, 0,    0, 1, 1, 'a', 2, 'b', 'c',
                                       0,    0,    1, 0, 1, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0,   0, 0};
    uint8_t name[CLU_DNS_NAME_MAX], out[CLU_DNS_QUERY_MAX];
    size_t size = clu_dns_name(name, clu_slice_str("a.bc."));
    (void)state;
    assert_int_equal(clu_dns_query(out, sizeof out, 0x1234, name, size, 1, CLU_DNS_EDNS), sizeof expected);
    assert_memory_equal(out, expected, sizeof expected);
    assert_int_equal(clu_dns_query(out, sizeof out, 0x1234, name, size, 33, CLU_DNS_AD), sizeof expected - 11);
    assert_int_equal(out[3], 0x20);
    assert_int_equal(out[11], 0);
    assert_int_equal(out[sizeof expected - 14], 33);
    assert_int_equal(clu_dns_query(out, sizeof expected - 1, 0x1234, name, size, 1, CLU_DNS_EDNS), 0);
}

static void answers(void **state)
{
    struct clu_dns_walk w;
    struct clu_dns_record rec;
    char text[CLU_DNS_TEXT_MAX];
    (void)state;
    begin(&m, 7, OK, "Web.Example", 33);
    put_srv(&m, 30, 1, 2, 80, "a.b");
    put_srv(&m, 20, 1, 2, 81, "c.b");
    put_name(&m, "a.b");
    put_head(&m, ADDITIONAL, 1, 10, 4);
    put32(&m, 0x0a000001);
    put_opt(&m, 0, 0);
    assert_int_equal(check(33), CLU_DNS_ANSWER);
    assert_true(result.count == 2 && result.additional == 1 && result.ttl == 20);
    clu_dns_begin(&w, m.data, m.size, &result);
    assert_true(clu_dns_next(&w, &rec));
    assert_true(!rec.additional && rec.type == 33 && rec.ttl == 30);
    assert_int_equal(clu_dns_text(m.data, m.size, rec.text_at, text, sizeof text), 3);
    assert_string_equal(text, "a.b");
    assert_true(clu_dns_next(&w, &rec));
    assert_true(clu_dns_next(&w, &rec));
    assert_true(rec.additional && rec.type == 1 && rec.size == 4 && rec.data[3] == 1);
    assert_int_equal(clu_dns_text(m.data, m.size, rec.owner_at, text, 4), 3);
    assert_int_equal(clu_dns_text(m.data, m.size, rec.owner_at, text, 3), 0);
    assert_false(clu_dns_next(&w, &rec));

    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 5, 1);
    put_cname(&m, 3, "WEB.example", "b.example");
    put_cname(&m, 4, "b.example", "c.example");
    put_name(&m, "c.example");
    put_head(&m, ANSWER, 1, 6, 4);
    put32(&m, 9);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_true(result.count == 1 && result.ttl == 3);
    clu_dns_begin(&w, m.data, m.size, &result);
    assert_true(clu_dns_next(&w, &rec));
    assert_int_equal(rec.data[3], 9);
    assert_false(clu_dns_next(&w, &rec));
}

static void empty_answers(void **state)
{
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    assert_int_equal(check(1), CLU_DNS_EMPTY);
    begin(&m, 7, OK | 3, "web.example", 1);
    put_soa(&m, 300, 60);
    assert_int_equal(check(1), CLU_DNS_EMPTY);
    assert_true(result.rcode == 3 && result.ttl == 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries),
        cmocka_unit_test(answers),
        cmocka_unit_test(empty_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
