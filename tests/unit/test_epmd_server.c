/* An epmd of our own on a virtual machine: each request, who may ask what, what is refused, caps, times, ports that are taken. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_loop.h"
#include "hex.h"

static struct world {
    struct fake f;
    struct cluster *c;
    uint64_t now;
    int listeners[3];
} w;

static struct cluster_address here, elsewhere;

static int create(const char *epmd)
{
    struct cluster_options o;
    memset(&w, 0, sizeof w);
    o = fake_begin(&w.f);
    o.epmd = epmd;
    o.log_level = CLUSTER_LOG_DEBUG;
    here = fake_address(127, 0, 0, 1, 0);
    elsewhere = fake_address(10, 0, 0, 7, 0);
    w.now = FAKE_SECOND;
    return cluster_create(&w.c, &o);
}

static void run_for(uint64_t ns)
{
    fake_run(&w.f, w.c, &w.now, w.now + ns);
}

static void find_listeners(void)
{
    int fd, count = 0;
    memset(w.listeners, 0, sizeof w.listeners);
    for (fd = FAKE_FIRST; fd < FAKE_FDS; fd++)
        if (w.f.s[fd].open && w.f.s[fd].listens) {
            assert_true(count < 3);
            w.listeners[count++] = fd;
        }
}

static void begin(void)
{
    assert_int_equal(create("embedded"), 0);
    run_for(0);
    find_listeners();
}

static void end(void)
{
    cluster_destroy(w.c);
    fake_end(&w.f);
}

/* A new stream. */
static int dial(const struct cluster_address *from)
{
    fake_call(&w.f, w.listeners[0], from);
    run_for(0);
    return w.f.accepted;
}

static bool is_open(int fd)
{
    run_for(FAKE_SECOND / 20); /* a descriptor waits a moment for its close */
    return w.f.s[fd].open;
}

static void say(int fd, const void *data, size_t size)
{
    fake_push(&w.f, fd, data, size, NULL);
    run_for(0);
}

/* Asks on a stream of its own, which ends with the answer. Returns the answer's size; out has a NUL behind it. */
static size_t ask(const struct cluster_address *from, const char *hex, uint8_t *out, size_t room)
{
    uint8_t request[2048];
    size_t size = unhex(hex, request, sizeof request);
    int fd = dial(from);
    say(fd, request, size);
    assert_false(is_open(fd));
    assert_true(w.f.s[fd].out_size < room);
    memcpy(out, w.f.s[fd].out, w.f.s[fd].out_size);
    out[w.f.s[fd].out_size] = 0;
    return w.f.s[fd].out_size;
}

static void assert_answer(const struct cluster_address *from, const char *request, const char *reply)
{
    uint8_t out[5000];
    size_t size = ask(from, request, out, sizeof out);
    assert_hex(out, size, reply);
}

/* Registers; the reply is checked, and the creation returned. */
static int alive(const struct cluster_address *from, const char *name, uint16_t port, bool refused, uint32_t *creation)
{
    uint8_t request[600];
    struct clu_writer made = clu_writer_on(request, sizeof request);
    int fd = dial(from);
    bool no;
    clu_epmd_alive_write(&made, clu_slice_str(name), port);
    say(fd, request, clu_written(&made));
    assert_int_equal(w.f.s[fd].out_size, 6);
    assert_int_equal(clu_epmd_alive_reply(w.f.s[fd].out, 6, &no), CLU_COMPLETE);
    assert_int_equal(no, refused);
    if (refused)
        assert_hex(w.f.s[fd].out, 6, "76 01 00000063");
    if (creation)
        *creation = (uint32_t)w.f.s[fd].out[2] << 24 | (uint32_t)w.f.s[fd].out[3] << 16 | (uint32_t)w.f.s[fd].out[4] << 8 |
                    w.f.s[fd].out[5];
    return fd;
}

#define NAMES "0001 6e"

static void assert_names(const char *expected)
{
    uint8_t out[5000];
    size_t size = ask(&elsewhere, NAMES, out, sizeof out);
    assert_true(size >= 4);
    assert_memory_equal(out, "\0\0\x11\x11", 4);
    assert_string_equal((char *)out + 4, expected);
}

static void registers_and_tells(void **state)
{
    uint32_t first, second;
    int fd, other;
    (void)state;
    begin();
    assert_names("");
    assert_answer(&here, "0002 7a 61", "77 01");
    fd = alive(&here, "a", 9100, false, &first);
    assert_int_equal(first, 1700000001);
    other = alive(&here, "j\xc3\xbcrgen", 65535, false, &second);
    assert_int_equal(second, first + 1);
    assert_names("name j\xc3\xbcrgen at port 65535\nname a at port 9100\n");
    assert_answer(&elsewhere, "0002 7a 61", "77 00 238c 48 00 0006 0005 0001 61 0000");
    assert_answer(&here, "0003 7a 61 00", "77 00 238c 48 00 0006 0005 0001 61 0000");
    assert_answer(&here, "0004 7a 614062", "77 01"); /* never the full name */
    /* It is held as long as the stream is open and silent. */
    run_for(3600 * FAKE_SECOND);
    assert_true(w.f.s[fd].open && w.f.s[other].open);
    w.f.s[fd].ended = true;
    run_for(0);
    assert_names("name j\xc3\xbcrgen at port 65535\n");
    assert_answer(&here, "0002 7a 61", "77 01");
    say(other, "x", 1); /* any byte ends it */
    assert_false(is_open(other));
    assert_names("");
    fd = alive(&here, "a", 9100, false, &second);
    assert_int_equal(second, first + 2);
    w.f.s[fd].recv_error = CLUSTER_E_CLOSED;
    run_for(0);
    assert_names("");
    end();
}

/* The body of a registration comes back as it was said, with what else is in it. */
static void keeps_what_was_said(void **state)
{
    uint8_t request[64];
    int fd;
    (void)state;
    begin();
    fd = dial(&here);
    say(fd, request, unhex("0011 78 238c 68 00 0007 0006 0001 63 0003 ff0001", request, sizeof request));
    assert_int_equal(w.f.s[fd].out_size, 6);
    assert_answer(&elsewhere, "0002 7a 63", "77 00 238c 68 00 0007 0006 0001 63 0003 ff0001");
    /* Of version 5 alone: the old reply. */
    fd = dial(&here);
    say(fd, request, unhex("000e 78 238d 4d 00 0005 0005 0001 64 0000", request, sizeof request));
    assert_int_equal(w.f.s[fd].out_size, 4);
    assert_memory_equal(w.f.s[fd].out, "y\0\0", 3);
    assert_true(w.f.s[fd].out[3] >= 1 && w.f.s[fd].out[3] <= 3);
    end();
}

static void refuses_names(void **state)
{
    static const char *const names[] = {"a b", "a\nb", "a at port 1\nname victim", "a@b", "a\x7f", "\x01", "a\tb"};
    char longest[260];
    uint32_t creation;
    size_t i;
    int fd;
    (void)state;
    begin();
    for (i = 0; i < CLU_COUNT(names); i++)
        (void)alive(&here, names[i], 9100, true, NULL);
    (void)alive(&here, "a", 0, true, NULL);
    memset(longest, 'n', sizeof longest);
    longest[254] = '\0';
    (void)alive(&here, longest, 9100, true, NULL);
    longest[253] = '\0';
    (void)alive(&here, longest, 9100, false, NULL);
    (void)alive(&here, "taken", 9100, false, &creation);
    fd = alive(&here, "taken", 9101, true, NULL);
    /* It does not close, as no epmd does; but not for ever. */
    assert_true(is_open(fd));
    run_for(11 * FAKE_SECOND);
    assert_false(w.f.s[fd].open);
    (void)alive(&here, "Taken", 9101, false, NULL);
    end();
}

/* Only programs of this host register and dump; nobody kills or stops. */
static void serves_others_less(void **state)
{
    static const char *const local[] = {"000e 78 238c 4d 00 0006 0005 0001 78 0000", "0001 64", "0001 6b"};
    struct cluster_address six = elsewhere, one;
    uint8_t out[5000];
    size_t i, size;
    int fd;
    (void)state;
    begin();
    fd = alive(&here, "a", 9100, false, NULL);
    for (i = 0; i < CLU_COUNT(local); i++) {
        assert_answer(&elsewhere, local[i], "");
        six.family = 6;
        assert_answer(&six, local[i], "");
    }
    assert_names("name a at port 9100\n");
    assert_answer(&here, "0001 6b", "4e4f"); /* NO */
    assert_answer(&here, "0002 73 61", "");
    assert_names("name a at port 9100\n");
    memset(&one, 0, sizeof one);
    one.family = 6;
    one.bytes[15] = 1;
    size = ask(&one, "0001 64", out, sizeof out);
    assert_true(size > 4);
    snprintf((char *)out + 2000, 100, "active name     <a> at port 9100, fd = %d\n", fd);
    assert_string_equal((char *)out + 4, (char *)out + 2000);
    assert_int_equal(size, 4 + strlen((char *)out + 4) + 1);
    (void)alive(&one, "six", 9101, false, NULL);
    end();
}

static void closes_on_what_is_none(void **state)
{
    static const char *const cases[] = {
        "0000", "0001 00", "0001 7a", "ffff", "0001 6e 0001 6e", "0002 6e 00", "000e 78 238c 4d 00 0006 0005 0002 78 0000"};
    size_t i;
    (void)state;
    begin();
    for (i = 0; i < CLU_COUNT(cases); i++)
        assert_answer(&here, cases[i], "");
    assert_names("");
    end();
}

static void takes_a_request_in_pieces(void **state)
{
    uint8_t request[64];
    size_t size = unhex("000e 78 238c 4d 00 0006 0005 0001 78 0000", request, sizeof request), i;
    int fd;
    (void)state;
    begin();
    fd = dial(&here);
    for (i = 0; i < size; i++) {
        assert_int_equal(w.f.s[fd].out_size, 0);
        say(fd, request + i, 1);
    }
    assert_int_equal(w.f.s[fd].out_size, 6);
    assert_names("name x at port 9100\n");
    end();
}

/* A reply waits for who does not take it, and no longer than for a request. */
static void waits_for_slow_readers(void **state)
{
    int fd;
    (void)state;
    begin();
    fd = dial(&here);
    w.f.s[fd].send_error = CLUSTER_E_AGAIN;
    say(fd, "\0\1n", 3);
    run_for(5 * FAKE_SECOND);
    assert_true(w.f.s[fd].open);
    w.f.s[fd].send_error = 0;
    run_for(FAKE_SECOND);
    assert_int_equal(w.f.s[fd].out_size, 4);
    assert_false(w.f.s[fd].open);
    fd = dial(&here);
    w.f.s[fd].send_error = CLUSTER_E_AGAIN;
    say(fd, "\0\1n", 3);
    run_for(11 * FAKE_SECOND);
    assert_false(w.f.s[fd].open);
    fd = dial(&here); /* silent */
    run_for(9 * FAKE_SECOND);
    assert_true(w.f.s[fd].open);
    run_for(2 * FAKE_SECOND);
    assert_false(w.f.s[fd].open);
    fd = dial(&here);
    w.f.s[fd].send_error = CLUSTER_E_CLOSED;
    say(fd, "\0\1n", 3);
    assert_false(is_open(fd));
    run_for(11 * FAKE_SECOND);
    assert_true(cluster_deadline(w.c) == CLUSTER_NEVER);
    end();
}

static void silent_ones_give_way(void **state)
{
    int fds[CLU_EPMD_STREAMS + 2], i, named;
    (void)state;
    begin();
    named = alive(&here, "a", 9100, false, NULL);
    for (i = 0; i < CLU_EPMD_STREAMS + 2; i++)
        fds[i] = dial(&here);
    assert_false(is_open(fds[0]) && is_open(fds[1]));
    assert_int_equal(fake_count_open(&w.f), 2 + 1 + CLU_EPMD_STREAMS);
    assert_true(w.f.s[named].open);
    say(fds[CLU_EPMD_STREAMS + 1], "\0\1n", 3);
    assert_int_equal(w.f.s[fds[CLU_EPMD_STREAMS + 1]].out_size, 4 + 20);
    end();
}

static void has_so_many_names(void **state)
{
    struct cluster_options o;
    char name[16];
    int i, fd = 0;
    (void)state;
    memset(&w, 0, sizeof w);
    o = fake_begin(&w.f);
    o.epmd = "embedded";
    o.limit_watches = 100;
    here = fake_address(127, 0, 0, 1, 0);
    elsewhere = fake_address(10, 0, 0, 7, 0);
    assert_int_equal(cluster_create(&w.c, &o), 0);
    run_for(0);
    find_listeners();
    /* Descriptors are the handle's limit first: whom there is no room for waits until there is. */
    for (i = 0; i < 98; i++) {
        snprintf(name, sizeof name, "n%d", i);
        fd = alive(&here, name, 9100, false, NULL);
    }
    fake_call(&w.f, w.listeners[0], &here);
    fake_call(&w.f, w.listeners[0], &here);
    run_for(0);
    assert_int_equal(w.f.s[w.listeners[0]].caller_count, 1); /* one was taken, and closed for want of a place */
    w.f.s[fd].ended = true;
    run_for(2 * FAKE_SECOND);
    assert_int_equal(w.f.s[w.listeners[0]].caller_count, 0);
    say(w.f.accepted, "\0\1n", 3);
    assert_true(w.f.s[w.f.accepted].out_size > 1000);
    end();
    /* The server's own limit. */
    begin();
    w.c->epmd_server.names = CLU_EPMD_NAMES - 1;
    (void)alive(&here, "last", 9100, false, NULL);
    (void)alive(&here, "more", 9100, true, NULL);
    end();
}

/* While another epmd runs, none is served; when it ends, one is. */
static void waits_for_its_port(void **state)
{
    (void)state;
    assert_int_equal(create("embedded"), 0);
    w.f.errors[FAKE_BIND] = CLUSTER_E_ADDRESS;
    run_for(10 * FAKE_SECOND);
    assert_int_equal(w.f.logs, 1);
    assert_string_equal(w.f.setting, "epmd");
    assert_non_null(strstr(w.f.log, "is not to be had"));
    assert_int_equal(w.f.calls[FAKE_BIND], 11);
    w.f.errors[FAKE_BIND] = 0;
    run_for(2 * FAKE_SECOND);
    assert_string_equal(w.f.log, "epmd is served at 127.0.0.1:4369");
    find_listeners();
    (void)alive(&here, "a", 9100, false, NULL);
    end();
}

static void listens_where_it_is_told(void **state)
{
    static const struct {
        const char *epmd, *first;
        int sockets;
    } cases[] = {
        {"embedded", "127.0.0.1:4369", 2},
        {"embedded:127.0.0.1", "127.0.0.1:4369", 2},
        {"embedded:10.0.0.1:5000", "10.0.0.1:5000", 3},
        {"embedded:0.0.0.0", "0.0.0.0:4369", 2},
        {"embedded:[::]:77", "[::]:77", 2},
        {"embedded:::1", "[::1]:4369", 2},
        {"embedded:[fd00::1]:77", "[fd00::1]:77", 3},
    };
    static const char *const wrong[] = {"on", "embedded:", "embedded:here", "embedded:10.0.0.1:0", "embedded:10.0.0.1:70000"};
    char text[80];
    struct clu_text t;
    size_t i;
    int k, loopback;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        assert_int_equal(create(cases[i].epmd), 0);
        run_for(0);
        find_listeners();
        assert_int_equal(fake_count_open(&w.f), cases[i].sockets);
        t = clu_text_on(text, sizeof text);
        clu_address_port_text(&t, &w.f.s[w.listeners[0]].bound);
        assert_string_equal(text, cases[i].first);
        for (k = loopback = 0; k < cases[i].sockets; k++) {
            const struct fake_socket *s = &w.f.s[w.listeners[k]];
            assert_int_equal(s->bound.port, w.f.s[w.listeners[0]].bound.port);
            assert_int_equal(s->flags, CLUSTER_IO_RESTART);
            loopback += clu_address_is_loopback(&s->bound);
        }
        assert_int_equal(loopback, i == 3 || i == 4 ? 1 : 2);
        end();
    }
    for (i = 0; i < CLU_COUNT(wrong); i++) {
        if (create(wrong[i]) != CLUSTER_E_INVALID)
            fail_msg("%s", wrong[i]);
        fake_end(&w.f);
    }
    assert_int_equal(create(""), 0);
    run_for(0);
    assert_int_equal(fake_count_open(&w.f), 0);
    end();
    /* A host without IPv6. */
    assert_int_equal(create("embedded"), 0);
    w.f.family = 4;
    run_for(0);
    assert_int_equal(fake_count_open(&w.f), 1);
    assert_string_equal(w.f.log, "epmd is served at 127.0.0.1:4369");
    end();
}

/* Each hook fails: it is served as soon as that is over, and nothing is left behind. */
static void hooks_fail(void **state)
{
    static const int hooks[] = {FAKE_OPEN, FAKE_BIND, FAKE_LISTEN};
    size_t i;
    int fd;
    (void)state;
    for (i = 0; i < CLU_COUNT(hooks); i++) {
        assert_int_equal(create("embedded"), 0);
        w.f.errors[hooks[i]] = CLUSTER_E_IO;
        run_for(2 * FAKE_SECOND + FAKE_SECOND / 2);
        assert_int_equal(fake_count_open(&w.f), 0);
        w.f.errors[hooks[i]] = 0;
        run_for(FAKE_SECOND);
        find_listeners();
        (void)alive(&here, "a", 9100, false, NULL);
        end();
    }
    begin();
    w.f.errors[FAKE_ACCEPT] = CLUSTER_E_LIMIT; /* no descriptors: not asked again and again */
    fake_call(&w.f, w.listeners[0], &here);
    run_for(FAKE_SECOND / 2);
    assert_true(w.f.calls[FAKE_ACCEPT] <= 2);
    w.f.errors[FAKE_ACCEPT] = 0;
    run_for(FAKE_SECOND);
    fd = w.f.accepted;
    w.f.errors[FAKE_RECV] = CLUSTER_E_IO;
    say(fd, "\0\1n", 3);
    assert_false(is_open(fd));
    end();
}

static void memory_fails(void **state)
{
    unsigned long at;
    uint8_t request[64];
    size_t size = unhex("000e 78 238c 4d 00 0006 0005 0001 61 0000", request, sizeof request);
    (void)state;
    for (at = 1; at < 40; at++) {
        int fd;
        begin();
        w.f.memory.fail_at = w.f.memory.allocations + at;
        fake_call(&w.f, w.listeners[0], &here);
        run_for(2 * FAKE_SECOND);
        fd = w.f.accepted;
        if (w.f.s[fd].open) {
            say(fd, request, size);
            assert_true(w.f.s[fd].out_size == 6 || !is_open(fd));
        }
        w.f.memory.fail_at = 0;
        run_for(2 * FAKE_SECOND);
        fd = alive(&here, "b", 9100, false, NULL);
        assert_true(w.f.s[fd].open);
        at = w.f.memory.failures ? at : 40;
        end();
    }
    assert_int_equal(at, 41);
}

/* The host closes a descriptor behind our back. */
static void descriptors_go(void **state)
{
    struct pollfd gone;
    int fd, i;
    (void)state;
    for (i = 0; i < 2; i++) {
        begin();
        fd = alive(&here, "a", 9100, false, NULL);
        gone.fd = i ? fd : w.listeners[0];
        gone.events = POLLIN;
        gone.revents = POLLNVAL;
        w.f.s[gone.fd].foreign = true;
        assert_int_equal(cluster_step(w.c, w.now, &gone, 1), 0);
        w.f.s[gone.fd].foreign = false;
        w.f.s[gone.fd].open = false;
        w.f.s[gone.fd].closes++;
        run_for(2 * FAKE_SECOND);
        find_listeners();
        assert_names(i ? "" : "name a at port 9100\n");
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_and_tells),
        cmocka_unit_test(keeps_what_was_said),
        cmocka_unit_test(refuses_names),
        cmocka_unit_test(serves_others_less),
        cmocka_unit_test(closes_on_what_is_none),
        cmocka_unit_test(takes_a_request_in_pieces),
        cmocka_unit_test(waits_for_slow_readers),
        cmocka_unit_test(silent_ones_give_way),
        cmocka_unit_test(has_so_many_names),
        cmocka_unit_test(waits_for_its_port),
        cmocka_unit_test(listens_where_it_is_told),
        cmocka_unit_test(hooks_fail),
        cmocka_unit_test(memory_fails),
        cmocka_unit_test(descriptors_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
