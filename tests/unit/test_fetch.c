/* Requests by HTTP on the virtual machine: connections, TLS, deadlines, what servers do wrong, and the doors of strategies. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "dns_message.h"
#include "fake_loop.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define HELLO OK "Content-Length: 5\r\n\r\nhello"

static struct fake f;
static struct cluster *c;
static struct cluster_source *s;
static struct mirror mirror;
static uint64_t now_ns;

/* ---- the strategy ----------------------------------------------------- */

static struct cluster_request ask[2];
static unsigned asks, rounds, told;
static struct seen {
    unsigned ends;
    int error;
    uint32_t status, whole;
    size_t size;
    uint64_t at;
    char body[256], why[256], header[64];
} seen[2];

static int my_open(void *ctx, struct cluster_source *source, const char *target, void **state)
{
    (void)ctx;
    (void)target;
    *state = s = source;
    return 0;
}

static int my_round(void *state, uint64_t now)
{
    unsigned i;
    int result = 0;
    (void)state;
    (void)now;
    rounds++;
    memset(seen, 0, sizeof seen);
    for (i = 0; i < asks && !result; i++) {
        result = cluster_source_fetch(s, i, &ask[i]);
        seen[i].error = result;
    }
    return result;
}

static int my_ready(void *state, int fd, int revents, uint64_t now)
{
    struct seen *e = &seen[revents];
    struct cluster_response r;
    const void *data;
    int64_t got;
    (void)state;
    assert_true(now == now_ns);
    assert_int_equal(fd, CLUSTER_FETCHED);
    told++;
    memset(&r, 0, sizeof r);
    r.size = (uint32_t)sizeof r;
    assert_int_equal(cluster_source_fetched(s, (uint32_t)revents, &r), 0);
    assert_true(r.error != CLUSTER_E_AGAIN);
    while ((got = cluster_source_body(s, (uint32_t)revents, &data)) > 0) {
        size_t left = sizeof e->body - 1 - (e->size < sizeof e->body ? e->size : sizeof e->body - 1);
        memcpy(e->body + (e->size < sizeof e->body ? e->size : 0), data, (size_t)got < left ? (size_t)got : left);
        e->size += (size_t)got;
    }
    if (got == CLUSTER_E_AGAIN)
        return 0;
    assert_int_equal(cluster_source_fetched(s, (uint32_t)revents, &r), 0);
    assert_int_equal(r.error, got);
    assert_int_equal(got != 0, *r.why != '\0');
    assert_int_equal(cluster_source_body(s, (uint32_t)revents, &data), got);
    e->ends++;
    e->error = (int)got;
    e->status = r.status;
    e->whole = r.whole;
    e->at = now;
    strcpy(e->why, r.why);
    if (cluster_source_header(s, (uint32_t)revents, "X-Index", e->header, sizeof e->header) < 0)
        strcpy(e->header, "none");
    if (got)
        return cluster_source_fail(s, (int)got, r.why);
    return cluster_source_publish(s, NULL, 0);
}

static void my_close(void *state)
{
    (void)state;
}

/* ---- the server ------------------------------------------------------- */

static const char *script[8]; /* what each request is answered with; NULL: with the last of them */
static size_t chunk;          /* bytes at a time; 0: all */
static unsigned served;
static bool hangs_up;
static char request[4096]; /* the last one */
static int request_fd;

static void serve(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    struct fake_socket *socket = &machine->s[fd];
    const char *answer, *head;
    size_t length, at;
    (void)data;
    (void)size;
    if (socket->kind == CLUSTER_UDP) { /* DNS: `two` has two addresses, `six` one of IPv6 */
        static struct message m;
        unsigned type = socket->out[socket->out_size - 14];
        char name[16];
        snprintf(name, sizeof name, "%.*s", socket->out[12], (const char *)socket->out + 13);
        type = socket->out[12 + 1 + strlen(name) + 1 + 1];
        begin(&m, (unsigned)socket->out[0] << 8 | socket->out[1], 0x8180 | (strcmp(name, "fail") == 0 ? 2 : 0), name, type);
        if (type == CLUSTER_DNS_A && strcmp(name, "two") == 0) {
            put_a(&m, 60, 0x0a000001);
            put_a(&m, 60, 0x0a000002);
        }
        if (type == CLUSTER_DNS_AAAA && strcmp(name, "six") == 0)
            put_aaaa(&m, 60, 7);
        fake_push(machine, fd, m.data, m.size, &socket->peer);
        return;
    }
    socket->out[socket->out_size] = '\0';
    head = strstr((const char *)socket->out, "\r\n\r\n");
    if (!head)
        return;
    length = 4 + (size_t)(head - (const char *)socket->out);
    head = strstr((const char *)socket->out, "Content-Length: ");
    if (socket->out_size < length + (head ? (size_t)atoi(head + 16) : 0))
        return;
    strcpy(request, (const char *)socket->out);
    request_fd = fd;
    socket->out_size = 0;
    answer = script[served];
    if (script[served + 1])
        served++;
    length = answer ? strlen(answer) : 0;
    for (at = 0; at < length; at += chunk ? chunk : length)
        fake_push(machine, fd, answer + at, chunk && chunk < length - at ? chunk : length - at, NULL);
    socket->ended = hangs_up;
}

/* ---- TLS -------------------------------------------------------------- */

static int tls_starts, tls_closes, shakes, tls_start_error, tls_step_error;
static char tls_server[64], tls_ca[64];
static int tls_fd;

static int my_tls_start(void *ctx, int fd, const char *server, const char *ca, void **tls)
{
    (void)ctx;
    tls_starts++;
    tls_fd = fd;
    shakes = 0;
    strcpy(tls_server, server ? server : "(none)");
    strcpy(tls_ca, ca ? ca : "(none)");
    if (tls_start_error)
        return tls_start_error;
    *tls = &tls_fd;
    return 0;
}

static int my_tls_step(void *ctx, void *tls)
{
    (void)ctx;
    assert_ptr_equal(tls, &tls_fd);
    if (tls_step_error)
        return tls_step_error;
    return ++shakes < 3 ? POLLOUT : 0;
}

static int64_t my_tls_recv(void *ctx, void *tls, void *data, size_t size)
{
    assert_ptr_equal(tls, &tls_fd);
    return fake_recv(ctx, tls_fd, data, size, NULL);
}

static int64_t my_tls_send(void *ctx, void *tls, const void *data, size_t size)
{
    assert_ptr_equal(tls, &tls_fd);
    return fake_send(ctx, tls_fd, data, size, NULL);
}

static void my_tls_close(void *ctx, void *tls)
{
    (void)ctx;
    assert_ptr_equal(tls, &tls_fd);
    tls_closes++;
}

/* ---- the world -------------------------------------------------------- */

static bool with_tls;

static struct cluster_options world(void)
{
    struct cluster_options o = fake_begin(&f);
    memset(&mirror, 0, sizeof mirror);
    memset(ask, 0, sizeof ask);
    memset(seen, 0, sizeof seen);
    memset(script, 0, sizeof script);
    chunk = 0;
    rounds = served = told = 0;
    hangs_up = with_tls = false;
    tls_starts = tls_closes = tls_start_error = tls_step_error = 0;
    now_ns = 100 * FAKE_SECOND;
    f.sent = serve;
    f.files[0].path = "/etc/resolv.conf";
    f.files[0].text = "nameserver 10.9.9.9\n";
    f.files[0].stamp = 1;
    f.files[1].path = "/etc/hosts";
    f.files[1].text = "10.0.0.7 known\n";
    f.files[1].stamp = 1;
    asks = 1;
    ask[0].size = ask[1].size = (uint32_t)sizeof ask[0];
    ask[0].url = "http://10.0.0.1:8080/path?x=1";
    script[0] = HELLO;
    return o;
}

static void with_hooks(void)
{
    with_tls = true;
    f.io.tls_start = my_tls_start;
    f.io.tls_step = my_tls_step;
    f.io.tls_recv = my_tls_recv;
    f.io.tls_send = my_tls_send;
    f.io.tls_close = my_tls_close;
}

static void start(const struct cluster_options *o)
{
    struct cluster_strategy v;
    memset(&v, 0, sizeof v);
    v.size = (uint32_t)sizeof v;
    v.open = my_open;
    v.round = my_round;
    v.ready = my_ready;
    v.close = my_close;
    assert_int_equal(cluster_create(&c, o), 0);
    assert_int_equal(cluster_strategy_register(c, "mine", &v, NULL), 0);
    assert_int_equal(cluster_discover(c, "mine:?interval=1m&jitter=0%", NULL), 0);
}

static void begin_world(void)
{
    struct cluster_options o = world();
    (void)o;
}

static void run_ms(uint64_t ms)
{
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS);
    mirror_check(&mirror, c);
}

static void go(uint64_t ms)
{
    struct cluster_options o;
    cluster_options_init(&o);
    o.io = &f.io;
    o.allocator = &f.memory.hook;
    o.seed = 1;
    start(&o);
    run_ms(ms);
}

static void again(uint64_t ms)
{
    assert_int_equal(cluster_source_refresh(s), 0);
    run_ms(ms);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    assert_int_equal(tls_start_error ? 0 : tls_starts, tls_closes);
    fake_end(&f);
}

static void got(const char *body)
{
    if (seen[0].ends != 1 || seen[0].error)
        fail_msg("%u ends, error %d: %s", seen[0].ends, seen[0].error, seen[0].why);
    assert_string_equal(seen[0].body, body);
    assert_int_equal(seen[0].whole, 1);
}

static void failed(int error, const char *why)
{
    if (seen[0].ends != 1 || seen[0].error != error || !strstr(seen[0].why, why))
        fail_msg("%u ends, error %d: %s", seen[0].ends, seen[0].error, seen[0].why);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
}

/* ---- good answers ----------------------------------------------------- */

static void a_request_and_its_answer(void **state)
{
    (void)state;
    begin_world();
    script[0] = OK "x-index: 42\r\nContent-Length: 5\r\n\r\nhello";
    ask[0].headers = "Accept: application/json\nX-A: b\n";
    go(1);
    got("hello");
    assert_int_equal(seen[0].status, 200);
    assert_string_equal(seen[0].header, "42");
    assert_string_equal(request, "GET /path?x=1 HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nAccept: application/json\r\nX-A: b\r\n\r\n");
    assert_int_equal(f.s[request_fd].peer.port, 8080);
    end();
}

static void a_body_goes_with_its_length(void **state)
{
    (void)state;
    begin_world();
    ask[0].url = "http://10.0.0.1";
    ask[0].method = "POST";
    ask[0].body = "{}";
    ask[0].body_size = 2;
    go(1);
    got("hello");
    assert_string_equal(request, "POST / HTTP/1.1\r\nHost: 10.0.0.1\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(f.s[request_fd].peer.port, 80);
    end();
}

/* An answer without a body, though its length is said; the connection is fit for more. */
static void head_is_answered_by_a_head(void **state)
{
    (void)state;
    begin_world();
    script[0] = OK "X-Index: 1\r\nContent-Length: 5\r\n\r\n";
    script[1] = HELLO;
    ask[0].method = "HEAD";
    go(1);
    got("");
    assert_string_equal(seen[0].header, "1");
    ask[0].method = "HEADS"; /* another one */
    again(1);
    got("hello");
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    end();
}

static void answers_in_every_framing(void **state)
{
    static const char *const answers[] = {
        HELLO,
        OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        OK "\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" HELLO,
        "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello",
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(answers); i++)
        for (chunk = 1; chunk < 100; chunk += 7) {
            size_t each = chunk;
            begin_world();
            chunk = each;
            script[0] = answers[i];
            hangs_up = i == 2;
            go(10);
            got("hello");
            end();
        }
}

static void connections_are_kept_for_the_same_server(void **state)
{
    int first;
    (void)state;
    begin_world();
    go(1);
    first = request_fd;
    assert_int_equal(fake_count_open(&f), 1);
    again(1);
    got("hello");
    assert_int_equal(request_fd, first);
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    ask[0].url = "http://10.0.0.1:8081/";
    again(1);
    got("hello");
    assert_int_equal(f.calls[FAKE_OPEN], 2);
    ask[0].flags = CLUSTER_REQUEST_FRESH;
    again(1);
    got("hello");
    assert_int_equal(f.calls[FAKE_OPEN], 3);
    end();
}

static void a_kept_connection_that_ends_is_let_go(void **state)
{
    (void)state;
    begin_world();
    go(1);
    f.s[request_fd].ended = true;
    run_ms(100);
    run_ms(100);
    assert_int_equal(fake_count_open(&f), 0);
    again(1);
    got("hello");
    end();
}

static void a_kept_connection_that_was_closed_meanwhile_costs_nothing(void **state)
{
    (void)state;
    begin_world();
    go(1);
    f.s[request_fd].send_error = CLUSTER_E_CLOSED;
    again(1);
    got("hello");
    assert_int_equal(f.calls[FAKE_OPEN], 2);
    /* and one that ends instead of answering */
    script[0] = "";
    hangs_up = true;
    again(1);
    assert_int_equal(f.calls[FAKE_OPEN], 3);
    failed(CLUSTER_E_CLOSED, "10.0.0.1:8080 closed the connection");
    end();
}

/* The host slept: the kept connection has ended, and the time of the request is over. That is its end, not another try. */
static void a_kept_connection_that_ends_too_late(void **state)
{
    (void)state;
    begin_world();
    go(1);
    script[0] = "";
    ask[0].timeout_ns = 30 * FAKE_SECOND;
    again(1);
    assert_int_equal(seen[0].ends, 0);
    f.s[request_fd].ended = true;
    now_ns += 31 * FAKE_SECOND;
    run_ms(100);
    failed(CLUSTER_E_TIMEOUT, "10.0.0.1:8080");
    end();
}

/* Blocks that are given back, or that move, with the secret still in them. */
static unsigned told_secrets;

static void *spying_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    const char *bytes = (const char *)ptr;
    size_t i;
    for (i = 0; i + 6 <= old_size; i++)
        told_secrets += memcmp(bytes + i, "hidden", 6) == 0;
    return fake_resize(ctx, ptr, old_size, new_size);
}

static void secrets_are_wiped(void **state)
{
    struct cluster_options o;
    char url[2000] = "http://10.0.0.1:8080/";
    (void)state;
    begin_world();
    cluster_options_init(&o);
    o.io = &f.io;
    f.memory.hook.resize = spying_resize;
    o.allocator = &f.memory.hook;
    told_secrets = 0;
    ask[0].secret = "Authorization: Bearer hidden\n";
    ask[0].flags = CLUSTER_REQUEST_INSECURE;
    start(&o);
    run_ms(1);
    got("hello");
    assert_non_null(strstr(request, "hidden"));
    memset(url + strlen(url), 'x', sizeof url - strlen(url) - 1);
    ask[0].url = url; /* a longer request takes another block */
    again(1);
    got("hello");
    end();
    assert_int_equal(told_secrets, 0);
}

static void what_is_too_much_ends_a_kept_connection(void **state)
{
    (void)state;
    begin_world();
    script[0] = HELLO "x";
    go(1);
    got("hello");
    run_ms(100);
    assert_int_equal(fake_count_open(&f), 0);
    end();
}

static void connection_close_is_respected(void **state)
{
    (void)state;
    begin_world();
    script[0] = OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello";
    go(1);
    got("hello");
    again(100);
    got("hello");
    assert_int_equal(f.calls[FAKE_OPEN], 2);
    end();
}

static void two_slots_at_once(void **state)
{
    (void)state;
    begin_world();
    asks = 2;
    ask[1].url = "http://10.0.0.2/";
    go(1);
    assert_int_equal(seen[0].ends, 1);
    assert_int_equal(seen[1].ends, 1);
    assert_string_equal(seen[1].body, "hello");
    end();
}

/* ---- hosts ------------------------------------------------------------ */

static void hosts_are_found_by_every_way(void **state)
{
    (void)state;
    begin_world();
    ask[0].url = "http://known/";
    go(1);
    got("hello");
    assert_int_equal(f.s[request_fd].peer.bytes[3], 7);
    ask[0].url = "http://[fd00::1]:81/";
    again(1);
    got("hello");
    assert_int_equal(f.s[request_fd].peer.family, 6);
    assert_int_equal(f.s[request_fd].peer.port, 81);
    assert_non_null(strstr(request, "Host: [fd00::1]:81\r\n"));
    ask[0].url = "http://two/";
    again(1);
    got("hello");
    assert_int_equal(f.s[request_fd].peer.bytes[3], 1);
    ask[0].url = "http://six/";
    again(1);
    got("hello");
    assert_int_equal(f.s[request_fd].peer.family, 6);
    ask[0].url = "http://localhost/";
    again(1);
    got("hello");
    end();
}

static void hosts_that_are_not_found(void **state)
{
    (void)state;
    begin_world();
    ask[0].url = "http://nobody/";
    go(1);
    failed(CLUSTER_E_NOT_FOUND, "there is no host nobody");
    ask[0].url = "http://fail/";
    again(10000);
    failed(CLUSTER_E_IO, "SERVFAIL");
    ask[0].url = "http://bad..name/";
    again(1);
    failed(CLUSTER_E_INVALID, "bad..name");
    end();
}

static int connect_first_only(struct fake *machine, int fd, const struct cluster_address *to)
{
    (void)machine;
    (void)fd;
    return to->bytes[3] == 1 ? CLUSTER_E_REFUSED : 0;
}

static int mute_first(struct fake *machine, int fd, const struct cluster_address *to)
{
    if (to->bytes[3] == 1)
        machine->s[fd].send_error = CLUSTER_E_AGAIN;
    return 0;
}

static int late_refusal(struct fake *machine, int fd, const struct cluster_address *to)
{
    if (to->bytes[3] == 1)
        machine->s[fd].send_error = CLUSTER_E_REFUSED;
    return 0;
}

static void the_next_address_is_tried(void **state)
{
    int (*const ways[])(struct fake *, int, const struct cluster_address *) = {connect_first_only, mute_first, late_refusal};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        begin_world();
        ask[0].url = "http://two/";
        f.connected = ways[i];
        go(4000);
        got("hello");
        assert_int_equal(f.s[request_fd].peer.bytes[3], 2);
        end();
    }
}

static void refused_and_mute_servers(void **state)
{
    (void)state;
    begin_world();
    f.connected = late_refusal;
    go(1);
    failed(CLUSTER_E_REFUSED, "nothing listens at 10.0.0.1:8080");
    f.connected = mute_first;
    again(4000);
    failed(CLUSTER_E_TIMEOUT, "no answer of 10.0.0.1:8080 in time");
    end();
}

/* ---- deadlines -------------------------------------------------------- */

static void silence_ends_with_the_deadline(void **state)
{
    (void)state;
    begin_world();
    script[0] = "";
    go(30000);
    failed(CLUSTER_E_TIMEOUT, "no answer");
    assert_true(seen[0].at - 100 * FAKE_SECOND < 5 * FAKE_SECOND);
    end();
}

static void a_dribble_ends_with_the_deadline_too(void **state)
{
    uint64_t began;
    (void)state;
    begin_world();
    script[0] = OK "Content-Length: 1000000\r\n\r\n";
    go(1);
    began = now_ns;
    while (!seen[0].ends && now_ns < began + 20 * FAKE_SECOND) {
        if (fake_count_open(&f) && f.s[request_fd].open)
            fake_push(&f, request_fd, "x", 1, NULL);
        run_ms(100);
    }
    failed(CLUSTER_E_TIMEOUT, "no answer");
    assert_true(seen[0].size > 10 && now_ns - began < 6 * FAKE_SECOND);
    end();
}

static void a_request_may_have_its_own_deadline(void **state)
{
    (void)state;
    begin_world();
    script[0] = OK "Content-Length: 10\r\n\r\nhello";
    ask[0].timeout_ns = 30 * FAKE_SECOND;
    go(20000);
    assert_int_equal(seen[0].ends, 0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED); /* the round is over all the same */
    fake_push(&f, request_fd, "world", 5, NULL);
    run_ms(1);
    got("helloworld");
    end();
}

/* ---- what servers do wrong -------------------------------------------- */

static void bad_answers_fail_with_a_sentence(void **state)
{
    static const struct {
        const char *answer;
        int error;
        const char *why;
        bool ends;
    } table[] = {
        {"SSH-2.0-OpenSSH\r\n\r\n", CLUSTER_E_PROTOCOL, "no proper HTTP/1.1", false},
        {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", CLUSTER_E_PROTOCOL, "no proper HTTP/1.1", false},
        {OK "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", CLUSTER_E_PROTOCOL, "no proper HTTP/1.1", false},
        {OK "Transfer-Encoding: chunked\r\n\r\n1\r\na", CLUSTER_E_CLOSED, "before its answer was whole", true},
        {OK "Content-Length: 10\r\n\r\nhello", CLUSTER_E_CLOSED, "before its answer was whole", true},
        {OK "Content-Le", CLUSTER_E_CLOSED, "before its answer was whole", true},
        {"", CLUSTER_E_CLOSED, "before its answer was whole", true},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", CLUSTER_E_PROTOCOL, "no proper HTTP/1.1", false},
        {"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_UNSUPPORTED,
         "HTTP 302 from 10.0.0.1:8080, which is not followed: http://evil/", false},
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n", CLUSTER_E_PERMISSION,
         "HTTP 401 from 10.0.0.1:8080: no\\x0a", false},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 54\r\n\r\n{\"kind\":\"Status\",\"message\": \"pods is "
         "forbidden\",\"a\":1}\n",
         CLUSTER_E_PERMISSION, "HTTP 403 from 10.0.0.1:8080: pods is forbidden", false},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", CLUSTER_E_NOT_FOUND, "HTTP 404 from 10.0.0.1:8080", false},
        {"HTTP/1.1 500 Oops\r\n\r\n", CLUSTER_E_IO, "HTTP 500 from 10.0.0.1:8080", true},
        {"HTTP/1.1 503 Oops\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", CLUSTER_E_IO,
         "HTTP 503 from 10.0.0.1:8080: ab", false},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\n", CLUSTER_E_IO, "HTTP 500 from 10.0.0.1:8080", true},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        begin_world();
        script[0] = table[i].answer;
        hangs_up = table[i].ends;
        go(1);
        if (!seen[0].ends)
            fail_msg("%u did not end", (unsigned)i);
        failed(table[i].error, table[i].why);
        end();
    }
}

static void an_error_leaves_the_connection_fit(void **state)
{
    (void)state;
    begin_world();
    script[0] = "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno";
    script[1] = HELLO;
    go(1);
    assert_int_equal(seen[0].status, 500);
    again(1);
    got("hello");
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    end();
}

static void endless_interim_responses(void **state)
{
    static char many[4096];
    unsigned i;
    (void)state;
    for (i = 0, many[0] = '\0'; i < 20; i++)
        strcat(many, "HTTP/1.1 100 Continue\r\n\r\n");
    begin_world();
    script[0] = many;
    go(1);
    failed(CLUSTER_E_PROTOCOL, "no proper HTTP/1.1");
    end();
}

static void endless_headers(void **state)
{
    static char many[40000];
    size_t at = strlen(strcpy(many, OK));
    (void)state;
    for (; at < sizeof many - 10; at += 6)
        memcpy(many + at, "X: y\r\n", 6);
    many[at] = '\0';
    begin_world();
    script[0] = many;
    chunk = 999;
    go(1);
    failed(CLUSTER_E_PROTOCOL, "no proper HTTP/1.1");
    end();
}

static void bodies_have_a_limit(void **state)
{
    (void)state;
    begin_world();
    ask[0].answer_size = 4;
    go(1);
    failed(CLUSTER_E_LIMIT, "more bytes than are taken");
    ask[0].answer_size = 5;
    again(1);
    got("hello");
    end();
}

static void a_lost_descriptor_fails_the_request(void **state)
{
    struct pollfd lost;
    (void)state;
    begin_world();
    script[0] = "";
    go(1);
    lost.fd = request_fd;
    lost.events = POLLIN;
    lost.revents = POLLNVAL;
    f.s[request_fd].open = false; /* the program closed it */
    f.s[request_fd].closes++;
    assert_int_equal(cluster_step(c, now_ns, &lost, 1), 0);
    failed(CLUSTER_E_CLOSED, "closed");
    end();
}

/* ---- fairness --------------------------------------------------------- */

static void a_large_body_takes_many_steps(void **state)
{
    static char large[300000];
    struct cluster_options o;
    size_t steps, before, most = 0, alone = 0;
    int length = snprintf(large, 100, OK "Content-Length: 250000\r\n\r\n");
    (void)state;
    memset(large + length, 'x', 250000);
    large[length + 250000] = '\0';
    o = world();
    script[0] = large;
    start(&o);
    for (steps = 0; !seen[0].ends && steps < 100; steps++) {
        before = seen[0].size;
        if (seen[0].size) { /* no descriptor is said to be ready: what is left is remembered */
            assert_true(cluster_deadline(c) <= now_ns);
            assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
            alone++;
        } else {
            (void)fake_step(&f, c, ++now_ns);
        }
        most = seen[0].size - before > most ? seen[0].size - before : most;
    }
    assert_int_equal(seen[0].size, 250000);
    assert_true(most <= CLU_HTTP_STEP + CLU_HTTP_BUFFER && alone >= 3);
    mirror_check(&mirror, c);
    end();
}

/* ---- TLS and secrets -------------------------------------------------- */

static void https_without_hooks_is_refused(void **state)
{
    (void)state;
    begin_world();
    ask[0].url = "https://10.0.0.1/";
    go(1);
    failed(CLUSTER_E_UNSUPPORTED, "examples/tls_openssl.h");
    assert_int_equal(f.calls[FAKE_OPEN], 0);
    end();
}

static void https_with_hooks(void **state)
{
    (void)state;
    begin_world();
    with_hooks();
    ask[0].url = "https://known:6443/";
    ask[0].secret = "Authorization: Bearer t\n";
    ask[0].ca = "/ca.crt";
    go(1);
    got("hello");
    assert_string_equal(tls_server, "known");
    assert_string_equal(tls_ca, "/ca.crt");
    assert_non_null(strstr(request, "Authorization: Bearer t\r\n"));
    again(1);
    got("hello");
    assert_int_equal(tls_starts, 1);
    ask[0].ca = "/other.crt";
    again(1);
    got("hello");
    assert_int_equal(tls_starts, 2);
    assert_string_equal(tls_ca, "/other.crt");
    ask[0].flags = CLUSTER_REQUEST_INSECURE;
    ask[0].ca = NULL;
    again(1);
    got("hello");
    assert_string_equal(tls_server, "(none)");
    assert_string_equal(tls_ca, "(none)");
    ask[0].flags = 0;
    ask[0].url = "https://[fd00::1]/";
    again(1);
    got("hello");
    assert_string_equal(tls_server, "fd00::1");
    assert_int_equal(f.s[request_fd].peer.port, 443);
    end();
}

static void handshakes_that_fail(void **state)
{
    (void)state;
    begin_world();
    with_hooks();
    ask[0].url = "https://10.0.0.1/";
    tls_step_error = CLUSTER_E_PERMISSION;
    go(1);
    failed(CLUSTER_E_PERMISSION, "the certificate of 10.0.0.1 is not to be trusted");
    tls_step_error = POLLIN;
    again(30000);
    failed(CLUSTER_E_TIMEOUT, "no answer");
    tls_step_error = 0;
    tls_start_error = CLUSTER_E_MEMORY;
    again(1);
    failed(CLUSTER_E_MEMORY, "out of memory");
    tls_starts = 0;
    tls_start_error = 0;
    tls_closes = 0;
    end();
}

static void secrets_go_over_verified_tls_only(void **state)
{
    (void)state;
    begin_world();
    ask[0].secret = "Authorization: Bearer t\n";
    go(1);
    failed(CLUSTER_E_PERMISSION, "insecure=on");
    assert_int_equal(f.calls[FAKE_OPEN], 0);
    ask[0].flags = CLUSTER_REQUEST_INSECURE;
    again(1);
    got("hello");
    assert_non_null(strstr(request, "Authorization: Bearer t\r\n"));
    end();
}

/* ---- the doors -------------------------------------------------------- */

static void requests_that_are_refused(void **state)
{
    static const char *const urls[] = {
        "",           "10.0.0.1",     "ftp://10.0.0.1/", "http://",          "http:///x",     "http://a:0/",
        "http://a:x", "http://a@b/",  "http://a b/",     "http://a/\x01",    "http://a/b#c",  "http://a/\xc3\xa9",
        "HTTP://a/",  "http://[::1/", "http://[a]/",     "http://a:65536/x", "https://a\r\nb"};
    static const char *const lines[] = {"X",         "X: 1", "X : 1\n",  ": 1\n",    "X: 1\r\n",
                                        "X: \x01\n", "\n",   "X: 1\n\n", "X: 1\nY\n"};
    struct cluster_response r;
    char out[4];
    const void *data;
    size_t i;
    (void)state;
    begin_world();
    asks = 0;
    go(1);
    memset(&r, 0, sizeof r);
    r.size = (uint32_t)sizeof r;
    for (i = 0; i < CLU_COUNT(urls); i++) {
        ask[0].url = urls[i];
        if (cluster_source_fetch(s, 0, &ask[0]) != CLUSTER_E_INVALID)
            fail_msg("taken: %s", urls[i]);
    }
    ask[0].url = NULL;
    assert_int_equal(cluster_source_fetch(s, 0, &ask[0]), CLUSTER_E_INVALID);
    ask[0].url = "http://a/";
    for (i = 0; i < CLU_COUNT(lines); i++) {
        ask[0].headers = lines[i];
        ask[0].secret = NULL;
        if (cluster_source_fetch(s, 0, &ask[0]) != CLUSTER_E_INVALID)
            fail_msg("taken: %s", lines[i]);
        ask[0].secret = lines[i];
        ask[0].headers = NULL;
        assert_int_equal(cluster_source_fetch(s, 0, &ask[0]), CLUSTER_E_INVALID);
    }
    ask[0].secret = NULL;
    ask[0].method = "GET /\r\n";
    assert_int_equal(cluster_source_fetch(s, 0, &ask[0]), CLUSTER_E_INVALID);
    ask[0].method = NULL;
    assert_int_equal(cluster_source_fetched(s, 0, &r), CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_source_body(s, 0, &data), CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_source_fetch(s, 8, &ask[0]), CLUSTER_E_INVALID);
    ask[0].size = 4;
    assert_int_equal(cluster_source_fetch(s, 0, &ask[0]), CLUSTER_E_INVALID);
    assert_int_equal(cluster_source_fetch(s, 3, NULL), 0);
    assert_int_equal(cluster_source_header(s, 0, "X", out, sizeof out), CLUSTER_E_NOT_FOUND);
    end();
}

static void a_request_outside_a_step_starts_with_the_next(void **state)
{
    struct cluster_response r;
    const void *data;
    (void)state;
    begin_world();
    asks = 0;
    go(1);
    assert_int_equal(cluster_source_fetch(s, 1, &ask[0]), 0);
    assert_int_equal(f.calls[FAKE_OPEN], 0);
    assert_true(cluster_deadline(c) == 0);
    memset(&r, 0, sizeof r);
    r.size = (uint32_t)sizeof r;
    assert_int_equal(cluster_source_fetched(s, 1, &r), 0);
    assert_int_equal(r.error, CLUSTER_E_AGAIN);
    assert_int_equal(cluster_source_body(s, 1, &data), CLUSTER_E_AGAIN);
    run_ms(1);
    assert_int_equal(seen[1].ends, 1);
    assert_string_equal(seen[1].body, "hello");
    end();
}

static void a_request_is_given_up(void **state)
{
    (void)state;
    begin_world();
    script[0] = "";
    go(1);
    assert_int_equal(cluster_source_fetch(s, 0, NULL), 0);
    run_ms(60);
    assert_int_equal(fake_count_open(&f), 0);
    assert_int_equal(seen[0].ends, 0);
    ask[0].url = "http://mute/"; /* while DNS is asked */
    f.sent = NULL;
    again(1);
    assert_int_equal(cluster_source_fetch(s, 0, NULL), 0);
    run_ms(60);
    assert_int_equal(fake_count_open(&f), 0);
    ask[0].url = "http://mute/"; /* and when the source ends meanwhile */
    again(1);
    cluster_source_remove(s);
    run_ms(60);
    assert_int_equal(fake_count_open(&f), 0);
    end();
}

static void no_socket_now_is_tried_again(void **state)
{
    (void)state;
    begin_world();
    f.errors[FAKE_OPEN] = CLUSTER_E_AGAIN;
    go(100);
    assert_int_equal(seen[0].ends, 0);
    f.errors[FAKE_OPEN] = 0;
    run_ms(100);
    got("hello");
    end();
}

/* ---- failing everything ----------------------------------------------- */

static void every_hook_and_allocation_may_fail(void **state)
{
    static const int hooks[] = {FAKE_OPEN, FAKE_CONNECT, FAKE_SEND, FAKE_RECV, FAKE_READ_FILE};
    size_t i;
    unsigned long n;
    (void)state;
    for (i = 0; i < CLU_COUNT(hooks); i++) {
        begin_world();
        ask[0].url = "http://two/";
        f.errors[hooks[i]] = CLUSTER_E_IO;
        go(10000);
        assert_int_equal(seen[0].ends, 1);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        f.errors[hooks[i]] = 0;
        again(10000);
        got("hello");
        end();
    }
    for (n = 1; n < 40; n++) {
        begin_world();
        ask[0].url = "http://two/";
        asks = 0;
        go(0);
        asks = 1;
        f.memory.fail_at = f.memory.allocations + n;
        assert_int_equal(cluster_source_refresh(s), 0);
        run_ms(10000);
        assert_true(cluster_source_state(s) == CLUSTER_SOURCE_FAILED || cluster_source_state(s) == CLUSTER_SOURCE_EMPTY);
        f.memory.fail_at = 0;
        again(10000);
        got("hello");
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_answer),
        cmocka_unit_test(a_body_goes_with_its_length),
        cmocka_unit_test(head_is_answered_by_a_head),
        cmocka_unit_test(answers_in_every_framing),
        cmocka_unit_test(connections_are_kept_for_the_same_server),
        cmocka_unit_test(a_kept_connection_that_ends_is_let_go),
        cmocka_unit_test(a_kept_connection_that_was_closed_meanwhile_costs_nothing),
        cmocka_unit_test(a_kept_connection_that_ends_too_late),
        cmocka_unit_test(secrets_are_wiped),
        cmocka_unit_test(what_is_too_much_ends_a_kept_connection),
        cmocka_unit_test(connection_close_is_respected),
        cmocka_unit_test(two_slots_at_once),
        cmocka_unit_test(hosts_are_found_by_every_way),
        cmocka_unit_test(hosts_that_are_not_found),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(refused_and_mute_servers),
        cmocka_unit_test(silence_ends_with_the_deadline),
        cmocka_unit_test(a_dribble_ends_with_the_deadline_too),
        cmocka_unit_test(a_request_may_have_its_own_deadline),
        cmocka_unit_test(bad_answers_fail_with_a_sentence),
        cmocka_unit_test(an_error_leaves_the_connection_fit),
        cmocka_unit_test(endless_interim_responses),
        cmocka_unit_test(endless_headers),
        cmocka_unit_test(bodies_have_a_limit),
        cmocka_unit_test(a_lost_descriptor_fails_the_request),
        cmocka_unit_test(a_large_body_takes_many_steps),
        cmocka_unit_test(https_without_hooks_is_refused),
        cmocka_unit_test(https_with_hooks),
        cmocka_unit_test(handshakes_that_fail),
        cmocka_unit_test(secrets_go_over_verified_tls_only),
        cmocka_unit_test(requests_that_are_refused),
        cmocka_unit_test(a_request_outside_a_step_starts_with_the_next),
        cmocka_unit_test(a_request_is_given_up),
        cmocka_unit_test(no_socket_now_is_tried_again),
        cmocka_unit_test(every_hook_and_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
