/* DNS: queries byte by byte, and what is made of responses. */
#include "../../src/wire/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "dns_message.h"
#include "hex.h"

#define OK 0x8180 /* a response with recursion */

static struct message m;
static struct clu_dns_result result;
static struct clu_dns_known known;

/* In a block of exactly its size. */
static enum clu_dns_verdict check_as(const char *name, uint16_t type)
{
    uint8_t *exact = (uint8_t *)malloc(m.size ? m.size : 1);
    enum clu_dns_verdict verdict;
    memset(&known, 0, sizeof known);
    assert_non_null(exact);
    memcpy(exact, m.data, m.size);
    verdict = clu_dns_check(exact, m.size, 7, name, type, &result, &known);
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
    uint8_t out[CLU_DNS_QUERY_MAX];
    (void)state;
    assert_int_equal(clu_dns_query(out, sizeof out, 0x1234, "a.bc", 1, CLU_DNS_EDNS), sizeof expected);
    assert_memory_equal(out, expected, sizeof expected);
    assert_int_equal(clu_dns_query(out, sizeof out, 0x1234, "a.bc", 33, CLU_DNS_AD), sizeof expected - 11);
    assert_int_equal(out[3], 0x20);
    assert_int_equal(out[11], 0);
    assert_int_equal(out[sizeof expected - 14], 33);
    assert_int_equal(clu_dns_query(out, sizeof expected - 1, 0x1234, "a.bc", 1, CLU_DNS_EDNS), 0);
}

static void answers(void **state)
{
    struct clu_dns_walk w;
    struct clu_dns_record rec;
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
    assert_int_equal(clu_dns_text(&w).length, 3);
    assert_string_equal(clu_dns_text(&w).at, "a.b");
    assert_true(clu_dns_next(&w, &rec));
    assert_true(clu_dns_next(&w, &rec));
    assert_true(rec.additional && rec.type == 1 && rec.size == 4 && rec.data[3] == 1);
    assert_string_equal(clu_dns_text(&w).at, "a.b");
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

/* ---- the bad input that each has broken a resolver -------------------- */

/* A good answer with one record, to be spoilt. */
static void good(void)
{
    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 5, 1);
}

/* What stands in the header, or the question, makes it no response of ours. */
static void not_ours(size_t at, unsigned value)
{
    good();
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    at16(&m, at, value);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
}

static void bad_01_wrong_id(void **state)
{
    (void)state;
    not_ours(0, 8);
    not_ours(0, 7 << 8);
}

static void bad_04_other_name(void **state)
{
    (void)state;
    begin(&m, 7, OK, "wec.example", 1);
    put_a(&m, 5, 1);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    begin(&m, 7, OK, "web.example.com", 1);
    put_a(&m, 5, 1);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    begin(&m, 7, OK, "web", 1);
    put_a(&m, 5, 1);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    begin(&m, 7, OK, "WEB.eXample", 1); /* case does not count */
    put_a(&m, 5, 1);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
}

static void bad_05_other_type_or_class(void **state)
{
    (void)state;
    not_ours(25, 28);
    not_ours(27, 3);
}

static void bad_06_qdcount(void **state)
{
    (void)state;
    not_ours(4, 0);
    not_ours(4, 2);
    not_ours(4, 65535);
}

static void bad_07_a_query(void **state)
{
    (void)state;
    not_ours(2, 0x0100);
    not_ours(2, 0x0180);
}

static void bad_08_opcode(void **state)
{
    unsigned opcode;
    (void)state;
    for (opcode = 1; opcode < 16; opcode++)
        not_ours(2, OK | opcode << 11);
}

static void bad_09_no_bytes(void **state)
{
    (void)state;
    m.size = 0;
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
}

static void bad_10_runt(void **state)
{
    (void)state;
    for (m.size = 1; m.size < 29; m.size++) {
        size_t size = m.size;
        good();
        m.size = size;
        assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    }
    /* and cut anywhere behind the question it is malformed */
    for (good(); m.size > 29;) {
        m.size--;
        assert_int_equal(check(1), CLU_DNS_BAD);
    }
}

/* A record of the answer whose owner begins with these bytes. */
static enum clu_dns_verdict with_owner(const void *owner, size_t size)
{
    begin(&m, 7, OK, "web.example", 1);
    put(&m, owner, size);
    put_head(&m, ANSWER, 1, 5, 4);
    put32(&m, 1);
    return check(1);
}

static void bad_16_pointer_to_itself(void **state)
{
    (void)state;
    assert_int_equal(with_owner("\xc0\x1d", 2), CLU_DNS_BAD); /* it stands at 29 */
    assert_int_equal(with_owner("\1a\xc0\x1d", 4), CLU_DNS_BAD);
    assert_int_equal(with_owner("\1a\xc0\x1f", 4), CLU_DNS_BAD);
}

static void bad_17_forward_pointer(void **state)
{
    (void)state;
    assert_int_equal(with_owner("\xc0\x1e", 2), CLU_DNS_BAD);
    assert_int_equal(with_owner("\xc0\x20", 2), CLU_DNS_BAD);
    assert_int_equal(with_owner("\xff\xff", 2), CLU_DNS_BAD);
    assert_int_equal(with_owner("\xc0\x1f\0", 3), CLU_DNS_BAD);
}

static void bad_18_pointer_into_the_header(void **state)
{
    unsigned at;
    (void)state;
    for (at = 0; at < 12; at++) {
        uint8_t owner[2] = {0xc0, 0};
        owner[1] = (uint8_t)at;
        assert_int_equal(with_owner(owner, 2), CLU_DNS_BAD);
    }
}

static void bad_19_pointer_at_the_last_byte(void **state)
{
    (void)state;
    good();
    put8(&m, 0xc0);
    at16(&m, ANSWER, 2);
    assert_int_equal(check(1), CLU_DNS_BAD);
    begin(&m, 7, OK, "web.example", 1);
    put8(&m, 0xc0);
    at16(&m, ANSWER, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
}

/* A record nobody asked for, whose data are pointers, each to the one before it. The last one is at the return. */
static size_t pointer_chain(unsigned count)
{
    size_t at, last = 12;
    put16(&m, 0xc00c);
    at = open_data(&m, ANSWER, 99, 5);
    while (count--) {
        put16(&m, 0xc000 | (unsigned)last);
        last = m.size - 2;
    }
    close_data(&m, at);
    return last;
}

static void bad_20_chain_of_4000_pointers(void **state)
{
    size_t first, last;
    unsigned records, i;
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    last = pointer_chain(4000);
    put16(&m, 0xc000 | (unsigned)last);
    put_head(&m, ANSWER, 1, 5, 4);
    put32(&m, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
    assert_true(result.work <= CLU_DNS_FUEL(m.size));

    /* as long as they may be, each owner another */
    begin(&m, 7, OK, "web.example", 1);
    last = pointer_chain(4000);
    first = last - 2 * 3999;
    for (records = 0; m.size < 65535 - 16; records++) {
        put16(&m, 0xc000 | (unsigned)(first + 2 * (records % 2 + 120)));
        put_head(&m, ANSWER, 1, 5, 4);
        put32(&m, 1);
    }
    assert_int_equal(check(1), CLU_DNS_BAD);
    assert_true(records > 3000 && result.work <= CLU_DNS_FUEL(m.size));

    /* of the longest names, with as many labels as there can be */
    begin(&m, 7, OK, "web.example", 33);
    last = m.size;
    put_head(&m, ANSWER, 99, 5, 0);
    m.size = last;
    put8(&m, 0);
    put_head(&m, ANSWER, 99, 5, 253);
    at16(&m, ANSWER, 1);
    last = m.size;
    for (i = 0; i < 126; i++)
        put16(&m, 0x0161);
    put8(&m, 0);
    while (m.size < 65535 - 24) {
        put16(&m, 0xc00c);
        put_head(&m, ANSWER, 33, 5, 8);
        put32(&m, 1);
        put16(&m, 80);
        put16(&m, 0xc000 | (unsigned)last);
    }
    assert_int_equal(check(33), CLU_DNS_BAD);
    assert_true(result.work <= CLU_DNS_FUEL(m.size));
}

/* A name of 253 bytes and 126 labels in the data of a record that nobody asked for; where it is. */
static size_t longest_name(unsigned label)
{
    size_t at, data;
    unsigned i;
    put8(&m, 0);
    data = open_data(&m, ANSWER, 99, 5);
    at = m.size;
    for (i = 0; i < 126; i++)
        put16(&m, label);
    put8(&m, 0);
    close_data(&m, data);
    return at;
}

/* Messages of 64 KiB, each with as much of one kind of work in it as there can be. The units that they cost are bounded, and so
 * few that the bound is a linear pass. */
static void the_worst_messages(void **state)
{
    size_t at, other, data;
    unsigned kind, i;
    (void)state;
    assert_true(CLU_DNS_FUEL(65535) < 1000000);
    for (kind = 0; kind < 7; kind++) {
        begin(&m, 7, OK, "web.example", 33);
        at = longest_name(0x0161);
        other = longest_name(0x0162);                          /* so that no name is that before it */
        for (i = 0; kind == 4 && i < CLU_DNS_LINKS_MAX; i++) { /* links that each must be compared with, and none leads on */
            put16(&m, 0xc000 | (unsigned)at);
            data = open_data(&m, ANSWER, 5, 5);
            put16(&m, 0xc000 | (unsigned)at);
            close_data(&m, data);
        }
        while (m.size < 65535 - 24) {
            unsigned pointer = 0xc000 | (unsigned)(i++ % 2 ? other : at);
            put16(&m, kind == 3 || kind == 6 ? 0xc00c : pointer);
            if (kind == 0 || kind == 4) { /* owners */
                put_head(&m, ANSWER, 99, 5, 0);
            } else if (kind == 1) { /* owners and targets */
                put_head(&m, ANSWER, 33, 5, 8);
                put32(&m, 1);
                put16(&m, 80);
                put16(&m, pointer);
            } else if (kind == 2) { /* whose addresses they are */
                put_head(&m, ADDITIONAL, 1, 5, 4);
                put32(&m, 1);
            } else if (kind == 3) { /* many of the smallest */
                put_head(&m, ANSWER, 99, 5, 0);
            } else if (kind == 5) { /* aliases: too many of them */
                put_head(&m, ANSWER, 5, 5, 2);
                put16(&m, pointer);
            } else { /* strings and options of no byte */
                put_head(&m, ANSWER, 16, 5, 65535 - 24 - (unsigned)m.size - 10);
                memset(m.data + m.size, 0, 65535 - 24 - m.size);
                m.size = 65535 - 24;
            }
        }
        (void)check(33);
        assert_true(result.work <= CLU_DNS_FUEL(m.size));
        assert_true(kind > 2 || result.work > CLU_DNS_FUEL(m.size) / 2);
    }
}

/* However much of its work a message has used up before its chain is followed: that is no reason to find nothing. */
static void no_work_left_is_no_empty_answer(void **state)
{
    unsigned n, i, seen[8] = {0};
    (void)state;
    for (n = 0; n < 60 * 32; n++) {
        unsigned fillers = n < 32 ? 20 : 40 + n / 32, more = n % 32; /* each byte more allows 10 units more */
        size_t at, other, data;
        begin(&m, 7, OK, "web.example", 1);
        put_cname(&m, 5, "web.example", "b.example");
        put_cname(&m, 5, "b.example", "c.example");
        put_name(&m, "c.example");
        put_head(&m, ANSWER, 1, 5, 4);
        put32(&m, 1);
        at = longest_name(0x0161);
        other = longest_name(0x0162);
        put16(&m, 0xc00c);
        data = open_data(&m, ANSWER, 99, 5);
        put(&m, m.data, more);
        close_data(&m, data);
        for (i = 0; i < fillers; i++) {
            put16(&m, 0xc000 | (unsigned)(i % 2 ? other : at));
            put_head(&m, ANSWER, 99, 5, 0);
        }
        seen[check(1)]++;
    }
    assert_true(seen[CLU_DNS_ANSWER] && seen[CLU_DNS_BAD]);
    assert_int_equal(seen[CLU_DNS_EMPTY] + seen[CLU_DNS_FAILED], 0);
}

static void bad_21_label_types(void **state)
{
    (void)state;
    assert_int_equal(with_owner("\x40", 1), CLU_DNS_BAD);
    assert_int_equal(with_owner("\x41"
                                "a\0",
                                3),
                     CLU_DNS_BAD);
    assert_int_equal(with_owner("\x80\x0c", 2), CLU_DNS_BAD);
    assert_int_equal(with_owner("\xbf\x0c", 2), CLU_DNS_BAD);
}

/* A name of one-byte labels whose wire form has `size` bytes, an odd number. */
static enum clu_dns_verdict long_owner(size_t size)
{
    begin(&m, 7, OK, "web.example", 1);
    while (size > 1) {
        put16(&m, 0x0161);
        size -= 2;
    }
    put8(&m, 0);
    put_head(&m, ANSWER, 1, 5, 4);
    put32(&m, 1);
    put_a(&m, 5, 2);
    return check(1);
}

static void bad_22_name_over_255(void **state)
{
    (void)state;
    assert_int_equal(long_owner(255), CLU_DNS_ANSWER);
    assert_int_equal(long_owner(257), CLU_DNS_BAD);
    assert_int_equal(long_owner(4097), CLU_DNS_BAD);
}

static void bad_23_no_terminator(void **state)
{
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    put_labels(&m, "web.example");
    at16(&m, ANSWER, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
    put8(&m, 63);
    assert_int_equal(check(1), CLU_DNS_BAD);
    /* of the question */
    begin(&m, 7, OK, "web.example", 1);
    m.size -= 5;
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
}

static void bad_24_more_records_said_than_there_are(void **state)
{
    unsigned section;
    (void)state;
    for (section = ANSWER; section <= ADDITIONAL; section += 2) {
        good();
        at16(&m, section, 65535);
        assert_int_equal(check(1), CLU_DNS_BAD);
    }
}

static void bad_25_rdlength_past_the_end(void **state)
{
    (void)state;
    good();
    at16(&m, m.size - 6, 5);
    assert_int_equal(check(1), CLU_DNS_BAD);
    at16(&m, m.size - 6, 65535);
    assert_int_equal(check(1), CLU_DNS_BAD);
}

/* A record of the type that was asked for, with these bytes as its data. */
static enum clu_dns_verdict with_data(unsigned type, const void *data, size_t size)
{
    begin(&m, 7, OK, "web.example", type);
    put16(&m, 0xc00c);
    put_head(&m, ANSWER, type, 5, (unsigned)size);
    put(&m, data, size);
    return check((uint16_t)type);
}

static void bad_26_sizes_of_addresses(void **state)
{
    static const uint8_t bytes[32] = {10};
    size_t size;
    (void)state;
    for (size = 0; size < sizeof bytes; size++) {
        assert_int_equal(with_data(1, bytes, size), size == 4 ? CLU_DNS_ANSWER : CLU_DNS_BAD);
        assert_int_equal(with_data(28, bytes, size), size == 16 ? CLU_DNS_ANSWER : CLU_DNS_BAD);
    }
}

static void bad_27_rdlength_0(void **state)
{
    static const uint16_t types[] = {1, 5, 12, 16, 28, 33};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(types); i++)
        assert_int_equal(with_data(types[i], "", 0), CLU_DNS_BAD);
    /* strings that do not fill their record */
    assert_int_equal(with_data(16, "\2a", 2), CLU_DNS_BAD);
    assert_int_equal(with_data(16, "\1a\1", 3), CLU_DNS_BAD);
    assert_int_equal(with_data(16, "\1a\0", 3), CLU_DNS_ANSWER);
}

static void bad_28_srv_under_7_bytes(void **state)
{
    size_t size;
    (void)state;
    for (size = 0; size < 7; size++)
        assert_int_equal(with_data(33, "\0\1\0\1\0\x50", size), CLU_DNS_BAD);
    assert_int_equal(with_data(33, "\0\1\0\1\0\x50\1a\0\0", 10), CLU_DNS_BAD); /* a byte after the name */
    assert_int_equal(with_data(33, "\0\1\0\1\0\x50\1a\0", 9), CLU_DNS_ANSWER);
}

static void bad_29_srv_targets(void **state)
{
    struct clu_dns_walk w;
    struct clu_dns_record rec;
    (void)state;
    /* compressed, against RFC 2782 */
    assert_int_equal(with_data(33, "\0\1\0\2\0\x50\1a\xc0\x0c", 10), CLU_DNS_ANSWER);
    clu_dns_begin(&w, m.data, m.size, &result);
    assert_true(clu_dns_next(&w, &rec));
    assert_string_equal(clu_dns_text(&w).at, "a.web.example");
    /* ".": the service is not there */
    assert_int_equal(with_data(33, "\0\1\0\2\0\x50\0", 7), CLU_DNS_EMPTY);
    put_srv(&m, 5, 1, 1, 80, "a");
    assert_int_equal(check(33), CLU_DNS_ANSWER);
    assert_int_equal(result.count, 1);
    clu_dns_begin(&w, m.data, m.size, &result);
    assert_true(clu_dns_next(&w, &rec));
    assert_false(clu_dns_next(&w, &rec));
    /* port 0: a node whose port is not known this way */
    assert_int_equal(with_data(33, "\0\1\0\2\0\0\1a\0", 9), CLU_DNS_ANSWER);
}

static void bad_30_bytes_in_targets(void **state)
{
    static const uint16_t types[] = {5, 12, 33};
    unsigned byte, i;
    (void)state;
    for (byte = 0; byte < 256; byte++) {
        uint8_t data[] = {0, 1, 0, 1, 0, 80, 3, 'a', 0, 'b', 0};
        bool fine = byte > 0x20 && byte < 0x7f && byte != '.' && byte != '@';
        data[8] = (uint8_t)byte;
        for (i = 0; i < CLU_COUNT(types); i++) {
            size_t ahead = types[i] == 33 ? 0 : 6;
            assert_int_equal(with_data(types[i], data + ahead, sizeof data - ahead), fine ? CLU_DNS_ANSWER : CLU_DNS_BAD);
        }
    }
}

/* A chain of links a0 -> a1 -> ..., in order or from its end, with an address at its end. */
static enum clu_dns_verdict chain(int links, bool reversed)
{
    int i;
    begin(&m, 7, OK, "a0", 1);
    for (i = 0; i < links; i++) {
        char from[16], to[16];
        int link = reversed ? links - 1 - i : i;
        sprintf(from, "a%d", link);
        sprintf(to, "a%d", link + 1);
        put_cname(&m, 100 - (uint32_t)link, from, to);
        if (link == links - 1) {
            put_name(&m, to);
            put_head(&m, ANSWER, 1, 200, 4);
            put32(&m, 1);
        }
    }
    return check_as("a0", 1);
}

static void bad_31_cname_loops(void **state)
{
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    put_cname(&m, 5, "web.example", "web.example");
    assert_int_equal(check(1), CLU_DNS_BAD);
    begin(&m, 7, OK, "web.example", 1);
    put_cname(&m, 5, "web.example", "a");
    put_cname(&m, 5, "a", "b");
    put_cname(&m, 5, "b", "a");
    assert_int_equal(check(1), CLU_DNS_BAD);
    assert_int_equal(chain(16, false), CLU_DNS_ANSWER);
    assert_true(result.count == 1 && result.ttl == 85);
    assert_int_equal(chain(16, true), CLU_DNS_ANSWER);
    assert_true(result.count == 1 && result.ttl == 85);
    assert_int_equal(chain(17, false), CLU_DNS_BAD);
    assert_int_equal(chain(17, true), CLU_DNS_BAD);
    /* asked for a CNAME it is the answer, and not followed */
    begin(&m, 7, OK, "web.example", 5);
    put_cname(&m, 5, "web.example", "a");
    assert_int_equal(check(5), CLU_DNS_ANSWER);
}

static void bad_32_owner_outside_the_chain(void **state)
{
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    put_cname(&m, 5, "other.example", "b");
    put_name(&m, "b");
    put_head(&m, ANSWER, 1, 5, 4);
    put32(&m, 1);
    put_name(&m, "example");
    put_head(&m, ANSWER, 1, 5, 4);
    put32(&m, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
    put_a(&m, 9, 1);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_true(result.count == 1 && result.ttl == 9);
}

static void bad_33_not_in_the_answer_section(void **state)
{
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 5, 1);
    at16(&m, ANSWER, 0);
    at16(&m, AUTHORITY, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
    at16(&m, AUTHORITY, 0);
    at16(&m, ADDITIONAL, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
    assert_int_equal(result.additional, 0);
}

static void bad_34_wrong_class_or_type(void **state)
{
    (void)state;
    good();
    at16(&m, m.size - 12, 3);
    assert_int_equal(check(1), CLU_DNS_BAD);
    begin(&m, 7, OK, "web.example", 1);
    put_aaaa(&m, 5, 1);
    assert_int_equal(check(1), CLU_DNS_BAD);
    begin(&m, 7, OK, "web.example", 28);
    put_a(&m, 5, 1);
    assert_int_equal(check(28), CLU_DNS_BAD);
}

static void bad_35_opt(void **state)
{
    (void)state;
    good();
    put_opt(&m, 0, 0);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    put_opt(&m, 0, 0);
    assert_int_equal(check(1), CLU_DNS_BAD);
    good();
    put_opt(&m, 0, 5); /* an option of 2 bytes with 1 */
    put32(&m, 0x000a0002);
    put8(&m, 0);
    assert_int_equal(check(1), CLU_DNS_BAD);
    good();
    put_opt(&m, 0, 6);
    put32(&m, 0x000a0002);
    put16(&m, 0);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    good();
    put16(&m, 0xc00c); /* not of the root */
    put_head(&m, ADDITIONAL, 41, 0, 0);
    assert_int_equal(check(1), CLU_DNS_BAD);
    good();
    put8(&m, 0);
    put_head(&m, AUTHORITY, 41, 0, 0);
    assert_int_equal(check(1), CLU_DNS_BAD);
    /* BADVERS: its lower four bits say that all is well */
    begin(&m, 7, OK, "web.example", 1);
    put_opt(&m, 0x01000000, 0);
    assert_int_equal(check(1), CLU_DNS_FAILED);
    assert_int_equal(result.rcode, 16);
}

static void bad_36_truncated(void **state)
{
    (void)state;
    good();
    at16(&m, 2, OK | 0x0200);
    assert_int_equal(check(1), CLU_DNS_TRUNCATED);
    assert_int_equal(result.count, 0);
    m.size -= 9;
    assert_int_equal(check(1), CLU_DNS_TRUNCATED);
}

static void bad_39_large_ttl(void **state)
{
    struct clu_dns_walk w;
    struct clu_dns_record rec;
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 0x7fffffff, 1);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_int_equal(result.ttl, 0x7fffffff);
    put_a(&m, 0x80000000, 2);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_int_equal(result.ttl, 0);
    clu_dns_begin(&w, m.data, m.size, &result);
    assert_true(clu_dns_next(&w, &rec) && clu_dns_next(&w, &rec));
    assert_int_equal(rec.ttl, 0);
}

static void bad_40_failures(void **state)
{
    unsigned rcode;
    (void)state;
    for (rcode = 1; rcode < 16; rcode++) {
        begin(&m, 7, OK | rcode, "web.example", 1);
        assert_int_equal(check(1), rcode == 3 ? CLU_DNS_EMPTY : CLU_DNS_FAILED);
        assert_int_equal(result.rcode, rcode);
    }
    /* FORMERR of a server that knows no EDNS, without question; of no other shape */
    begin(&m, 7, OK | 1, "web.example", 1);
    at16(&m, 4, 0);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    m.size = 12;
    assert_int_equal(check(1), CLU_DNS_FAILED);
    at16(&m, 2, OK);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    at16(&m, 2, OK | 3);
    assert_int_equal(check(1), CLU_DNS_NOT_OURS);
    /* no such name, and yet a record of it */
    good();
    at16(&m, 2, OK | 3);
    assert_int_equal(check(1), CLU_DNS_BAD);
    /* a server that sends us on to another, and one that does not follow the chain */
    begin(&m, 7, OK, "web.example", 1);
    put_name(&m, "example");
    put_head(&m, AUTHORITY, 2, 5, 4);
    put(&m, "\2ns", 4);
    assert_int_equal(check(1), CLU_DNS_FAILED);
    put_soa(&m, 5, 5);
    assert_int_equal(check(1), CLU_DNS_EMPTY);
    begin(&m, 7, 0x8400, "web.example", 1);
    put_cname(&m, 5, "web.example", "elsewhere");
    assert_int_equal(check(1), CLU_DNS_FAILED);
    at16(&m, 2, OK);
    assert_int_equal(check(1), CLU_DNS_EMPTY);
}

static void bad_41_duplicates_and_orders(void **state)
{
    uint64_t digest, other;
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 5, 1);
    put_a(&m, 5, 2);
    put_a(&m, 5, 3);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    digest = result.digest;
    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 9, 3);
    put_a(&m, 8, 1);
    put_a(&m, 7, 2);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_true(result.digest == digest);
    put_a(&m, 7, 2);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_int_equal(result.count, 4);
    other = result.digest;
    begin(&m, 7, OK, "web.example", 1);
    put_a(&m, 7, 2);
    put_a(&m, 5, 2);
    put_a(&m, 5, 1);
    put_a(&m, 5, 3);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_true(result.digest == other && other != digest);
}

static void bad_42_message_of_65535_bytes(void **state)
{
    size_t at;
    (void)state;
    begin(&m, 7, OK, "web.example", 1);
    while (m.size + 16 + 12 <= 65535)
        put_a(&m, 5, (uint32_t)m.size);
    put16(&m, 0xc00c);
    at = open_data(&m, ANSWER, 99, 5);
    while (m.size < 65535)
        put8(&m, 0);
    close_data(&m, at);
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    assert_int_equal(result.count, 4093);
    assert_true(result.work < m.size);
}

static void bad_44_empty_names(void **state)
{
    static const char *const bad[] = {"", ".", "..", ".a", "a..b", "a..", "a b", "a\n", "a@b", "\x80"};
    uint8_t out[CLU_DNS_NAME_MAX];
    char text[300];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(bad); i++)
        assert_int_equal(clu_dns_name(out, clu_slice_str(bad[i])), 0);
    assert_int_equal(clu_dns_name(out, clu_slice_of("a\0b", 3)), 0);
    memset(text, 'a', sizeof text);
    assert_int_equal(clu_dns_name(out, clu_slice_of(text, 63)), 65);
    assert_int_equal(clu_dns_name(out, clu_slice_of(text, 64)), 0);
    for (i = 1; i < sizeof text; i += 2)
        text[i] = '.';
    assert_int_equal(clu_dns_name(out, clu_slice_of(text, 253)), 255);
    assert_int_equal(clu_dns_name(out, clu_slice_of(text, 254)), 255);
    assert_int_equal(clu_dns_name(out, clu_slice_of(text, 255)), 0);
    assert_int_equal(clu_dns_name(out, clu_slice_str("a.b.")), 5);
    assert_memory_equal(out, "\1a\1b\0", 5);
}

/* What real servers answered, and each of it cut short anywhere. */
static void captured_answers(void **state)
{
    static const char *const words[] = {"-", "bad", "truncated", "answer", "empty", "failed"};
    static char line[65536];
    FILE *f = fopen("tests/vectors/dns.txt", "r");
    char *field[8];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        enum clu_dns_verdict verdict;
        struct clu_dns_walk w;
        struct clu_dns_record rec;
        uint32_t count = 0, additional = 0;
        size_t size, question;
        uint16_t type;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 8), 8);
        m.size = unhex(field[7], m.data, sizeof m.data);
        type = (uint16_t)atoi(field[3]);
        verdict = check_as(field[2], type);
        assert_string_equal(words[verdict], field[4]);
        assert_int_equal(result.count, atoi(field[5]));
        assert_int_equal(result.additional, atoi(field[6]));
        if (verdict == CLU_DNS_ANSWER) {
            clu_dns_begin(&w, m.data, m.size, &result);
            while (clu_dns_next(&w, &rec)) {
                count += !rec.additional;
                additional += rec.additional;
            }
            assert_true(count == result.count && additional == result.additional);
        }
        size = m.size;
        question = 12 + strlen(field[2]) + 2 + 4;
        if (size > 600 || verdict == CLU_DNS_TRUNCATED || verdict == CLU_DNS_FAILED)
            size = 0;
        while (size > 0) {
            m.size = --size;
            assert_int_equal(check_as(field[2], type), size < question ? CLU_DNS_NOT_OURS : CLU_DNS_BAD);
        }
        seen++;
    }
    fclose(f);
    assert_true(seen > 30);
}

/* Parse it again slowly: every name in full, text by text, without any of the short cuts. */
static int slow_name(const struct message *msg, size_t *at, char *out)
{
    size_t here = *at, length = 0, hops = 0, limit = msg->size, start = *at;
    *out = '\0';
    for (;;) {
        unsigned byte, i;
        if (here >= limit)
            return 0;
        byte = msg->data[here];
        if (byte >= 0xc0) {
            size_t to;
            if (here + 1 >= limit || hops++ == 127)
                return 0;
            to = get16(msg, here) & 0x3fff;
            if (hops == 1)
                *at = here + 2;
            if (to < 12 || to >= start)
                return 0;
            limit = start;
            start = here = to;
            continue;
        }
        if (byte > 63 || here + 1 + byte > limit)
            return 0;
        if (!byte) {
            if (!hops)
                *at = here + 1;
            out[length] = '\0';
            return length <= 254;
        }
        if (length + byte + 1 > 254)
            return 0;
        for (i = 1; i <= byte; i++) {
            char c = clu_lower((char)msg->data[here + i]);
            out[length++] = c == '.' ? '\1' : c ? c : '\2'; /* so that it is one label and one text */
        }
        out[length++] = '.';
        here += byte + 1;
    }
}

/* The addresses at the end of the chain of a message of A and CNAME records alone; -1: malformed. */
static int slow_count(const struct message *msg, const char *asked)
{
    static char owners[64][256], targets[64][256];
    static unsigned types[64];
    char current[256];
    size_t at = 12;
    unsigned n = get16(msg, ANSWER), i, links, cnames = 0;
    int count = 0;
    if (!slow_name(msg, &at, current))
        return -1;
    at += 4;
    for (i = 0; i < n; i++) {
        size_t size;
        if (!slow_name(msg, &at, owners[i]) || at + 10 > msg->size)
            return -1;
        types[i] = get16(msg, at + 2) == 1 ? get16(msg, at) : 0; /* of the class IN */
        size = get16(msg, at + 8);
        at += 10;
        if (at + size > msg->size)
            return -1;
        if (types[i] == 1 && size != 4)
            return -1;
        if (types[i] == 5) {
            struct message part = *msg;
            size_t begin_at = at;
            part.size = at + size;
            if (!slow_name(&part, &begin_at, targets[i]) || begin_at != at + size)
                return -1;
            cnames++;
        }
        at += size;
    }
    if (cnames > 16)
        return -1;
    strcpy(current, asked);
    for (links = 0; links <= 16; links++) {
        for (i = 0; i < n && !(types[i] == 5 && strcmp(owners[i], current) == 0); i++)
            ;
        if (i == n)
            break;
        strcpy(current, targets[i]);
    }
    if (links > 16)
        return -1;
    for (i = 0; i < n; i++)
        count += types[i] == 1 && strcmp(owners[i], current) == 0;
    return count;
}

static uint32_t seed = 1;

static unsigned roll(unsigned below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % below;
}

/* An owner or target: in full, a pointer to any place, or a label before one. */
static void put_any(struct message *msg)
{
    static const char *const names[] = {"a", "b.a", "A", "web.example", "c.web.example", "d"};
    static const size_t places[] = {12, 12, 12, 16, 29};
    unsigned how = roll(8);
    if (how < 4) {
        put_name(msg, names[roll(6)]);
        return;
    }
    if (how == 4)
        put_labels(msg, "c");
    put16(msg, 0xc000 | (how < 7 ? (unsigned)places[roll(5)] : roll((unsigned)msg->size + 2)));
}

static void agrees_with_a_slow_parser(void **state)
{
    unsigned round, answered = 0, malformed = 0;
    (void)state;
    for (round = 0; round < 20000; round++) {
        unsigned records = roll(6), i;
        int expected;
        enum clu_dns_verdict verdict;
        begin(&m, 7, OK, "web.example", 1);
        for (i = 0; i < records; i++) {
            size_t at;
            bool alias = roll(3) == 0;
            put_any(&m);
            at = open_data(&m, ANSWER, alias ? 5 : 1, roll(100));
            if (alias)
                put_any(&m);
            else
                put32(&m, roll(5));
            close_data(&m, at);
        }
        if (roll(16) == 0 && m.size > 40)
            m.data[29 + roll((unsigned)m.size - 29)] = (uint8_t)roll(256);
        /* a byte that was changed may make another type of it, which the slow parser passes over */
        expected = slow_count(&m, "web.example.");
        verdict = check(1);
        if (expected < 0) {
            assert_int_equal(verdict, CLU_DNS_BAD);
            malformed++;
        } else if (verdict != CLU_DNS_BAD) {
            assert_int_equal(result.count, expected);
            assert_int_equal(verdict, expected ? CLU_DNS_ANSWER : CLU_DNS_EMPTY);
            answered += expected > 0;
        }
    }
    assert_true(answered > 2000 && malformed > 2000);
}

/* Targets in full, as a label before a pointer, or as a pointer alone: each is read as what it is, and the set is the same. */
static void compressed_targets(void **state)
{
    static const char *const tails[] = {"web.example", "svc.local", "svc.locale", "b", "WEB.example"};
    unsigned round, i, j;
    (void)state;
    for (round = 0; round < 4000; round++) {
        struct clu_dns_walk w;
        struct clu_dns_record rec;
        char targets[8][64];
        size_t places[8], ends[8];
        unsigned count = 1 + roll(8);
        uint64_t digest = 0;
        bool plain;
        for (i = 0; i < count; i++)
            sprintf(targets[i], "%.*s%s%s", (int)roll(5), "n123", roll(2) ? "x." : "y.", tails[roll(5)]);
        for (plain = true;; plain = false) {
            begin(&m, 7, OK, "web.example", 33);
            for (i = 0; i < count; i++) {
                size_t label = strcspn(targets[i], "."), at;
                unsigned from = i ? roll(i) : 0;
                put16(&m, 0xc00c);
                at = open_data(&m, ANSWER, 33, 5);
                put32(&m, 1);
                put16(&m, 80);
                places[i] = m.size;
                ends[i] = m.size + label + 1;
                for (j = 0; j < i && !plain && strcmp(targets[i], targets[from]) != 0; j++)
                    from = (from + 1) % i;
                if (i && !plain && strcmp(targets[i], targets[from]) == 0 && roll(2)) {
                    put16(&m, 0xc000 | (unsigned)places[from]);
                } else {
                    for (j = 0; j < i && strcmp(strchr(targets[i], '.'), strchr(targets[j], '.')) != 0; j++)
                        continue;
                    put8(&m, (unsigned)label);
                    put(&m, targets[i], label);
                    if (j < i && !plain && roll(4)) /* it is the first with this tail, so it has that in full */
                        put16(&m, 0xc000 | (unsigned)ends[j]);
                    else
                        put_name(&m, targets[i] + label + 1);
                }
                close_data(&m, at);
            }
            assert_int_equal(check(33), CLU_DNS_ANSWER);
            assert_int_equal(result.count, count);
            assert_true(plain || result.digest == digest);
            digest = result.digest;
            clu_dns_begin(&w, m.data, m.size, &result);
            for (i = 0; i < count; i++) {
                assert_true(clu_dns_next(&w, &rec));
                assert_string_equal(clu_dns_text(&w).at, targets[i]);
                assert_int_equal(clu_dns_text(&w).length, strlen(targets[i]));
            }
            assert_false(clu_dns_next(&w, &rec));
            assert_false(clu_dns_next(&w, &rec));
            if (!plain)
                break;
        }
    }
}

/* The same bytes are not read again, but for the id; one other byte, and they are. */
static void known_answers(void **state)
{
    struct clu_dns_known before;
    size_t at;
    (void)state;
    good();
    assert_int_equal(check(1), CLU_DNS_ANSWER);
    before = known;
    assert_true(before.result.count == 1 && before.result.digest == result.digest);
    known.result.digest++; /* to tell who speaks */
    m.data[1] = 8;
    assert_int_equal(clu_dns_check(m.data, m.size, 8, "web.example", 1, &result, &known), CLU_DNS_ANSWER);
    assert_true(result.digest == before.result.digest + 1 && result.count == 1);
    assert_int_equal(clu_dns_check(m.data, m.size, 8, "web.examplf", 1, &result, &known), CLU_DNS_NOT_OURS);
    assert_int_equal(clu_dns_check(m.data, m.size, 8, "web.example", 28, &result, &known), CLU_DNS_NOT_OURS);
    for (at = 29; at < m.size; at++) {
        known = before;
        known.result.digest++;
        m.data[at] ^= 1;
        (void)clu_dns_check(m.data, m.size, 8, "web.example", 1, &result, &known);
        assert_true(result.digest != before.result.digest + 1);
        m.data[at] ^= 1;
    }
    /* nothing is known before the first answer, whatever the hash of a message is */
    memset(&known, 0, sizeof known);
    begin(&m, 7, OK, "web.example", 1);
    known.hash = cluster_hash64(m.data + 2, m.size - 2, 0);
    assert_int_equal(clu_dns_check(m.data, m.size, 7, "web.example", 1, &result, &known), CLU_DNS_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries),
        cmocka_unit_test(answers),
        cmocka_unit_test(empty_answers),
        cmocka_unit_test(captured_answers),
        cmocka_unit_test(agrees_with_a_slow_parser),
        cmocka_unit_test(compressed_targets),
        cmocka_unit_test(known_answers),
        cmocka_unit_test(bad_01_wrong_id),
        cmocka_unit_test(bad_04_other_name),
        cmocka_unit_test(bad_05_other_type_or_class),
        cmocka_unit_test(bad_06_qdcount),
        cmocka_unit_test(bad_07_a_query),
        cmocka_unit_test(bad_08_opcode),
        cmocka_unit_test(bad_09_no_bytes),
        cmocka_unit_test(bad_10_runt),
        cmocka_unit_test(bad_16_pointer_to_itself),
        cmocka_unit_test(bad_17_forward_pointer),
        cmocka_unit_test(bad_18_pointer_into_the_header),
        cmocka_unit_test(bad_19_pointer_at_the_last_byte),
        cmocka_unit_test(bad_20_chain_of_4000_pointers),
        cmocka_unit_test(the_worst_messages),
        cmocka_unit_test(no_work_left_is_no_empty_answer),
        cmocka_unit_test(bad_21_label_types),
        cmocka_unit_test(bad_22_name_over_255),
        cmocka_unit_test(bad_23_no_terminator),
        cmocka_unit_test(bad_24_more_records_said_than_there_are),
        cmocka_unit_test(bad_25_rdlength_past_the_end),
        cmocka_unit_test(bad_26_sizes_of_addresses),
        cmocka_unit_test(bad_27_rdlength_0),
        cmocka_unit_test(bad_28_srv_under_7_bytes),
        cmocka_unit_test(bad_29_srv_targets),
        cmocka_unit_test(bad_30_bytes_in_targets),
        cmocka_unit_test(bad_31_cname_loops),
        cmocka_unit_test(bad_32_owner_outside_the_chain),
        cmocka_unit_test(bad_33_not_in_the_answer_section),
        cmocka_unit_test(bad_34_wrong_class_or_type),
        cmocka_unit_test(bad_35_opt),
        cmocka_unit_test(bad_36_truncated),
        cmocka_unit_test(bad_39_large_ttl),
        cmocka_unit_test(bad_40_failures),
        cmocka_unit_test(bad_41_duplicates_and_orders),
        cmocka_unit_test(bad_42_message_of_65535_bytes),
        cmocka_unit_test(bad_44_empty_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
