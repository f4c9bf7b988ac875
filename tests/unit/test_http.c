/* The HTTP codec: heads and bodies that are right, and each that has misled a client. Everything is read whole, and cut at
 * each byte. */
#include "../../src/wire/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

struct outcome {
    enum clu_parse head, body;
    struct clu_http h;
    char text[512];
    size_t used; /* bytes up to the body's end */
};

/* Read a response that comes in chunks of `chunk` bytes, to the end of the connection. What was read of the body is kept by nobody:
 * it is overwritten. */
static struct outcome read_it(const char *bytes, size_t size, size_t chunk, bool empty)
{
    struct outcome o;
    struct clu_text t = clu_text_on(o.text, sizeof o.text);
    size_t have = 0;
    enum clu_parse parse;
    memset(&o.h, 0, sizeof o.h);
    o.h.empty = empty;
    o.head = o.body = CLU_NEED_MORE;
    for (;;) {
        struct clu_slice piece;
        char *exact = (char *)malloc(have ? have : 1);
        assert_non_null(exact);
        memcpy(exact, bytes, have);
        if (o.head == CLU_COMPLETE && o.h.at > o.h.head)
            memset(exact + o.h.head, '\n', o.h.at - o.h.head);
        parse = clu_http_next(&o.h, clu_slice_of(exact, have), &piece);
        clu_text_bytes(&t, piece.at, piece.length);
        free(exact);
        assert_true(o.h.at <= have && o.h.begin <= o.h.head && o.h.head <= o.h.at);
        if (parse == CLU_NEED_MORE && have == size)
            break;
        if (parse == CLU_NEED_MORE)
            have = have + chunk < size ? have + chunk : size;
        else if (o.head == CLU_NEED_MORE)
            o.head = parse;
        else
            o.body = parse;
        if (parse == CLU_MALFORMED || (o.body == CLU_COMPLETE && !piece.length))
            break;
        o.body = CLU_NEED_MORE;
    }
    o.used = o.h.at;
    if (parse == CLU_NEED_MORE && o.h.state == CLU_HTTP_TO_END)
        o.body = CLU_COMPLETE;
    return o;
}

static struct outcome read_in_chunks(const char *bytes, size_t size, size_t chunk)
{
    return read_it(bytes, size, chunk, false);
}

static struct outcome response(const char *bytes)
{
    size_t size = strlen(bytes), chunk;
    struct outcome first = read_in_chunks(bytes, size, size);
    for (chunk = 1; chunk < size; chunk++) {
        struct outcome o = read_in_chunks(bytes, size, chunk);
        assert_int_equal(o.head, first.head);
        assert_int_equal(o.body, first.body);
        if (o.head == CLU_COMPLETE) {
            assert_string_equal(o.text, first.text);
            assert_int_equal(o.used, first.used);
            assert_int_equal(o.h.keep, first.h.keep);
        }
    }
    return first;
}

static void good(const char *bytes, const char *body, bool keep)
{
    struct outcome o = response(bytes);
    if (o.head != CLU_COMPLETE || o.body != CLU_COMPLETE)
        fail_msg("head %d, body %d: %s", o.head, o.body, bytes);
    assert_string_equal(o.text, body);
    assert_int_equal(o.h.keep, keep);
}

static void bad_head(const char *bytes)
{
    if (response(bytes).head != CLU_MALFORMED)
        fail_msg("taken: %s", bytes);
}

static void bad_body(const char *bytes)
{
    struct outcome o = response(bytes);
    if (o.head != CLU_COMPLETE || o.body != CLU_MALFORMED)
        fail_msg("head %d, body %d: %s", o.head, o.body, bytes);
}

static void bodies_with_a_length(void **state)
{
    (void)state;
    good(OK "Content-Length: 5\r\n\r\nhello", "hello", true);
    good(OK "content-length:5\r\n\r\nhello", "hello", true);
    good(OK "Content-Length: \t 5 \t\r\n\r\nhello", "hello", true);
    good(OK "Content-Length: 0\r\n\r\n", "", true);
    good(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello", true);
    good(OK "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", true);
    good(OK "Connection: foo, CLOSE\r\nContent-Length: 2\r\n\r\nok", "ok", false);
    good("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false);
    good("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", "ok", true);
    good("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", true);
    good("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok", true);
    assert_int_equal(response(OK "Content-Length: 2\r\n\r\nokHTTP").used, 17 + 19 + 2 + 2);
    assert_int_equal(response(OK "Content-Length: 9\r\n\r\nshort").body, CLU_NEED_MORE);
    assert_int_equal(response(OK "Content-Length: 18446744073709551615\r\n\r\nshort").body, CLU_NEED_MORE);
}

static void bodies_to_the_end_of_the_connection(void **state)
{
    (void)state;
    good(OK "\r\nhello", "hello", false);
    good(OK "\r\n", "", false);
    good("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", "hello", false);
}

static void bodies_that_are_none(void **state)
{
    (void)state;
    good("HTTP/1.1 204 No Content\r\n\r\n", "", true);
    good("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "", true);
    good("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", "", true);
    good("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "", true);
}

/* The answer to HEAD has the fields of one to GET, whose body does not come. */
static void bodies_that_nobody_asked_for(void **state)
{
    static const char *const heads[] = {OK "Content-Length: 100\r\n\r\n", OK "Transfer-Encoding: chunked\r\n\r\n", OK "\r\n",
                                        "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(heads); i++) {
        struct outcome o = read_it(heads[i], strlen(heads[i]), 5, true);
        assert_int_equal(o.head, CLU_COMPLETE);
        assert_int_equal(o.body, CLU_COMPLETE);
        assert_true(o.h.whole && o.h.keep);
    }
    assert_int_equal(read_it(OK "Content-Length: x\r\n\r\n", 38, 38, true).head, CLU_MALFORMED);
}

static void interim_responses(void **state)
{
    struct outcome o;
    (void)state;
    good("HTTP/1.1 100 Continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", "ok",
         true);
    good("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\nTransfer-Encoding: chunked\r\n\r\n" OK "\r\nok", "ok",
         false);
    o = response("HTTP/1.1 100 Continue\r\nA: 1\r\n\r\n" OK "A: 2\r\n\r\n");
    assert_int_equal(o.h.begin, 31);
    assert_int_equal(o.h.head, 31 + 17 + 6 + 2);
    assert_int_equal(response("HTTP/1.1 100 Continue\r\n\r\n").head, CLU_NEED_MORE);
    bad_head("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    bad_head("HTTP/1.1 100 Continue\r\nA 1\r\n\r\n" OK "\r\n");
}

static void chunks(void **state)
{
    (void)state;
    good(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", true);
    good(OK "transfer-encoding: CHUNKED\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", true);
    good(OK "Transfer-Encoding: chunked\r\n\r\nA;x=\"y\"\r\n0123456789\r\n000 ;z\r\n\r\n", "0123456789", true);
    good(OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: 1\r\nContent-Length: 7\r\n\r\n", "a", true);
    good(OK "Transfer-Encoding: chunked\n\n1\na\n0\n\n", "a", true);
    good(OK "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "a", false);
    assert_int_equal(response(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel").body, CLU_NEED_MORE);
    assert_int_equal(response(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").body, CLU_NEED_MORE);
    assert_int_equal(response(OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n").body, CLU_NEED_MORE);
    assert_int_equal(response(OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx").body, CLU_NEED_MORE);
}

static void malformed_status_lines(void **state)
{
    (void)state;
    bad_head("\r\n\r\n");
    bad_head("\r\n" OK "\r\n");
    bad_head("HTTP/2 200 OK\r\n\r\n");
    bad_head("HTTP/2.0 200 OK\r\n\r\n");
    bad_head("HTTP/1. 200 OK\r\n\r\n");
    bad_head("HTTP/1.1  200 OK\r\n\r\n");
    bad_head("HTTP/1.1 20 OK\r\n\r\n");
    bad_head("HTTP/1.1 2000 OK\r\n\r\n");
    bad_head("HTTP/1.1 099 OK\r\n\r\n");
    bad_head("HTTP/1.1 -20 OK\r\n\r\n");
    bad_head("HTTP/1.1 200OK\r\n\r\n");
    bad_head("http/1.1 200 OK\r\n\r\n");
    bad_head("HTTP/1.1 200 O\rK\r\n\r\n");
    bad_head("ICY 200 OK\r\n\r\n");
    bad_head("SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static void malformed_fields(void **state)
{
    (void)state;
    bad_head(OK "no colon\r\n\r\n");
    bad_head(OK ": empty\r\n\r\n");
    bad_head(OK "Content-Length : 5\r\n\r\nhello");
    bad_head(OK "Content Length: 5\r\n\r\nhello");
    bad_head(OK " Folded: 1\r\n\r\n");
    bad_head(OK "X: 1\r\n folded\r\n\r\n");
    bad_head(OK "X: 1\r\n\tfolded\r\n\r\n");
    bad_head(OK "X: a\rb\r\n\r\n");
    bad_head(OK "X: \x01\r\n\r\n");
    bad_head(OK "X: \x7f\r\n\r\n");
    bad_head(OK "X\x80: 1\r\n\r\n");
    {
        static const char with_nul[] = OK "X: a\0b\r\n\r\n";
        assert_int_equal(read_in_chunks(with_nul, sizeof with_nul - 1, 999).head, CLU_MALFORMED);
    }
}

static void malformed_lengths(void **state)
{
    (void)state;
    bad_head(OK "Content-Length: \r\n\r\n");
    bad_head(OK "Content-Length: -5\r\n\r\nhello");
    bad_head(OK "Content-Length: +5\r\n\r\nhello");
    bad_head(OK "Content-Length: 0x5\r\n\r\nhello");
    bad_head(OK "Content-Length: 5 5\r\n\r\nhello");
    bad_head(OK "Content-Length: 5, 5\r\n\r\nhello");
    bad_head(OK "Content-Length: 18446744073709551616\r\n\r\nhello");
    bad_head(OK "Content-Length: 99999999999999999999999999\r\n\r\nhello");
}

static void conflicting_lengths(void **state)
{
    (void)state;
    bad_head(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!");
    bad_head(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    bad_head(OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    bad_head(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void codings_that_nobody_asked_for(void **state)
{
    (void)state;
    bad_head(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    bad_head(OK "Transfer-Encoding: identity\r\n\r\nhello");
    bad_head(OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    bad_head(OK "Transfer-Encoding:\r\n\r\n");
    bad_head("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void malformed_chunks(void **state)
{
    (void)state;
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
    bad_body(CHUNKED "\r\n");
    bad_body(CHUNKED "\n");
    bad_body(CHUNKED ";x\r\n");
    bad_body(CHUNKED "g\r\n");
    bad_body(CHUNKED "-1\r\n");
    bad_body(CHUNKED "+1\r\na\r\n");
    bad_body(CHUNKED " 1\r\na\r\n");
    bad_body(CHUNKED "0x1\r\na\r\n");
    bad_body(CHUNKED "1\rX"); /* at once, not when the line ends */
    bad_body(CHUNKED "1\rX\n");
    bad_body(CHUNKED "1;\x01\r\na\r\n");
    bad_body(CHUNKED "1\r\nabc\r\n");
    bad_body(CHUNKED "1\r\na0\r\n\r\n");
    bad_body(CHUNKED "1\r\na\rX");
    bad_body(CHUNKED "1\r\na\rX\n");
    bad_body(CHUNKED "1\r\na\r\r\n");
    bad_body(CHUNKED "1\r\r\na\r\n");
    bad_body(CHUNKED "0\r\nX: 1\rY\r\n\r\n");
    bad_body(CHUNKED "0\r\nno field\r\n\r\n");
    bad_body(CHUNKED "0\r\n folded: 1\r\n\r\n");
}

static void a_chunk_size_that_overflows(void **state)
{
    (void)state;
    bad_body(CHUNKED "10000000000000000\r\na\r\n");
    bad_body(CHUNKED "fffffffffffffffff\r\na\r\n");
    bad_body(CHUNKED "ffffffffffffffffffffffffffffffff\r\na\r\n");
    bad_body(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n");
}

/* What comes again and again, until `size` bytes are there. */
static struct outcome endless(const char *begin, const char *more, size_t size, size_t chunk)
{
    char *bytes = (char *)malloc(size);
    size_t at = strlen(begin), length = strlen(more);
    struct outcome o;
    assert_non_null(bytes);
    memcpy(bytes, begin, at);
    for (; at < size; at++)
        bytes[at] = more[(at - strlen(begin)) % length];
    o = read_in_chunks(bytes, size, chunk);
    free(bytes);
    return o;
}

static void endless_heads(void **state)
{
    (void)state;
    assert_int_equal(endless(OK, "X: y\r\n", 20000, 20000).head, CLU_MALFORMED);
    assert_int_equal(endless(OK, "X: y\r\n", 20000, 100).head, CLU_MALFORMED);
    assert_int_equal(endless(OK "X: ", "y", 20000, 1000).head, CLU_MALFORMED);
    assert_int_equal(endless("", "y", 20000, 1000).head, CLU_MALFORMED);
    assert_int_equal(endless(OK "X: ", "y", CLU_HTTP_LINES - 1, 1000).head, CLU_NEED_MORE);
}

static void endless_framing(void **state)
{
    (void)state;
    assert_int_equal(endless(CHUNKED "1;", "y", 20000, 100).body, CLU_MALFORMED);
    assert_int_equal(endless(CHUNKED, "0", 20000, 100).body, CLU_MALFORMED);
    assert_int_equal(endless(CHUNKED "0\r\n", "y: 1\r\n", 20000, 100).body, CLU_MALFORMED);
}

static void fields_are_found(void **state)
{
    struct clu_slice head = clu_slice_str(OK "A: 1\r\nx-consul-INDEX:  42 \r\nX-Consul-Index: 43\r\nEmpty:\r\n\r\n");
    struct clu_slice value = clu_http_find(head, "X-Consul-Index");
    (void)state;
    assert_true(clu_slice_is(value, "42"));
    value = clu_http_find(head, "Empty");
    assert_true(value.at && value.length == 0);
    assert_null(clu_http_find(head, "B").at);
    assert_null(clu_http_find(head, "HTTP/1.1 200 OK").at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_with_a_length),
        cmocka_unit_test(bodies_to_the_end_of_the_connection),
        cmocka_unit_test(bodies_that_are_none),
        cmocka_unit_test(bodies_that_nobody_asked_for),
        cmocka_unit_test(interim_responses),
        cmocka_unit_test(chunks),
        cmocka_unit_test(malformed_status_lines),
        cmocka_unit_test(malformed_fields),
        cmocka_unit_test(malformed_lengths),
        cmocka_unit_test(conflicting_lengths),
        cmocka_unit_test(codings_that_nobody_asked_for),
        cmocka_unit_test(malformed_chunks),
        cmocka_unit_test(a_chunk_size_that_overflows),
        cmocka_unit_test(endless_heads),
        cmocka_unit_test(endless_framing),
        cmocka_unit_test(fields_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
