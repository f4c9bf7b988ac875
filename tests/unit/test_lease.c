/* The lease at epmd: made, kept, lost in each way, made again; what an epmd answers in pieces, wrong, or never. */
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
    struct clu_lease lease;
    const char *reply; /* in hex, to a request; NULL: none */
    bool close;        /* after it */
    int refuse;        /* what connecting fails with */
    int asked;
    uint64_t asked_at[1000];
} w;

static int connected(struct fake *f, int fd, const struct cluster_address *to)
{
    (void)f;
    (void)fd;
    assert_int_equal(to->port, 4369);
    assert_true(w.asked < 1000);
    w.asked_at[w.asked++] = w.now;
    return w.refuse;
}

static void answer(struct fake *f, int fd, const uint8_t *data, size_t size)
{
    uint8_t reply[16];
    (void)data;
    (void)size;
    if (w.reply && f->s[fd].out_size == 16)
        fake_push(f, fd, reply, unhex(w.reply, reply, sizeof reply), NULL);
    f->s[fd].ended = w.close;
}

static void begin(const char *reply)
{
    struct cluster_options o;
    memset(&w, 0, sizeof w);
    o = fake_begin(&w.f);
    w.f.connected = connected;
    w.f.sent = answer;
    w.reply = reply;
    w.now = FAKE_SECOND;
    assert_int_equal(cluster_create(&w.c, &o), 0);
    assert_int_equal(clu_lease_init(&w.lease, &w.c->loop), 0);
    clu_lease_begin(&w.lease, "c@127.0.0.1", 9100);
}

static void run_for(uint64_t ns)
{
    fake_run(&w.f, w.c, &w.now, w.now + ns);
}

static int lease_fd(void)
{
    return w.lease.channel.fd;
}

static void end(void)
{
    clu_channel_close(&w.lease.channel);
    clu_timers_release(&w.c->loop.timers, &w.lease.timer);
    cluster_destroy(w.c);
    fake_end(&w.f);
}

static void assert_said(unsigned long times, int error, const char *setting)
{
    size_t length = strlen(w.f.log), tail = strlen(cluster_strerror(error));
    assert_int_equal(w.f.logs, times);
    assert_true(length > tail);
    assert_string_equal(w.f.log + length - tail, cluster_strerror(error));
    assert_string_equal(w.f.setting, setting);
}

static void registers(void **state)
{
    int fd;
    (void)state;
    begin("76 00 5f5e1001");
    run_for(0);
    assert_true(w.lease.held);
    fd = lease_fd();
    assert_hex(w.f.s[fd].out, w.f.s[fd].out_size, "000e 78 238c 48 00 0006 0005 0001 63 0000");
    /* It costs nothing more: no timer, and not one byte, which would end it. */
    assert_true(cluster_deadline(w.c) == CLUSTER_NEVER);
    run_for(3600 * FAKE_SECOND);
    assert_true(w.lease.held);
    assert_int_equal(w.f.s[fd].sends, 1);
    assert_int_equal(w.f.logs, 0);
    end();
}

static void takes_the_reply_in_pieces(void **state)
{
    static const char whole[] = {0x76, 0, 0, 0, 0, 7};
    size_t i;
    (void)state;
    begin(NULL);
    run_for(0);
    for (i = 0; i < sizeof whole; i++) {
        assert_false(w.lease.held);
        fake_push(&w.f, lease_fd(), whole + i, 1, NULL);
        run_for(FAKE_SECOND / 10);
    }
    assert_true(w.lease.held);
    end();
    begin("79 00 0003"); /* of an epmd before OTP 23 */
    run_for(0);
    assert_true(w.lease.held);
    end();
}

/* Every way in which it can fail: said once, tried again, and had as soon as that is over. */
static void is_tried_again(void **state)
{
    static const struct {
        const char *reply;
        bool close;
        int refuse, error;
    } cases[] = {
        {NULL, false, CLUSTER_E_REFUSED, CLUSTER_E_REFUSED},
        {NULL, false, CLUSTER_E_UNREACHABLE, CLUSTER_E_UNREACHABLE},
        {"76 01 00000063", false, 0, CLUSTER_E_EXISTS}, /* epmd does not close */
        {"79 01 0063", false, 0, CLUSTER_E_EXISTS},
        {NULL, true, 0, CLUSTER_E_CLOSED}, /* what it calls malformed */
        {"76 00 0000", true, 0, CLUSTER_E_CLOSED},
        {"77 01", false, 0, CLUSTER_E_PROTOCOL},
        {"00", false, 0, CLUSTER_E_PROTOCOL},
        {"76 00 00000001 00", false, 0, CLUSTER_E_PROTOCOL},
        {"79 01 0001 00", false, 0, CLUSTER_E_PROTOCOL},
        {NULL, false, 0, CLUSTER_E_TIMEOUT},
        {"76 00 000000", false, 0, CLUSTER_E_TIMEOUT},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        begin(cases[i].reply);
        w.close = cases[i].close;
        w.refuse = cases[i].refuse;
        run_for(120 * FAKE_SECOND);
        assert_said(1, cases[i].error, cases[i].error == CLUSTER_E_EXISTS ? "node" : "listen");
        assert_false(w.lease.held);
        assert_true(w.asked >= 8 && w.asked < 80);
        assert_true(fake_count_open(&w.f) <= 2);
        w.reply = "76 00 00000009";
        w.close = false;
        w.refuse = 0;
        run_for(20 * FAKE_SECOND);
        assert_true(w.lease.held);
        assert_int_equal(w.f.logs, 1);
        end();
    }
}

static void another_error_is_said(void **state)
{
    (void)state;
    begin("76 01 00000063");
    w.refuse = CLUSTER_E_REFUSED;
    run_for(10 * FAKE_SECOND);
    assert_said(1, CLUSTER_E_REFUSED, "listen");
    w.refuse = 0;
    run_for(20 * FAKE_SECOND);
    assert_said(2, CLUSTER_E_EXISTS, "node");
    end();
}

/* epmd restarts, is killed, says something, or the host closes the descriptor behind our back: within 2 s it is held again. */
static void is_made_again(void **state)
{
    int way;
    (void)state;
    for (way = 0; way < 5; way++) {
        struct fake_socket *s;
        struct pollfd gone;
        begin("76 00 00000001");
        run_for(0);
        assert_true(w.lease.held);
        s = &w.f.s[lease_fd()];
        if (way == 0) {
            s->ended = true;
        } else if (way == 1) {
            s->recv_error = CLUSTER_E_CLOSED;
        } else if (way == 2) {
            fake_push(&w.f, lease_fd(), "x", 1, NULL);
        } else if (way == 3) {
            fake_push(&w.f, lease_fd(), "\0\0", 2, NULL);
            s->ended = true;
        } else {
            gone.fd = lease_fd();
            gone.events = POLLIN;
            gone.revents = POLLNVAL;
            s->foreign = true;
            assert_int_equal(cluster_step(w.c, w.now, &gone, 1), 0);
        }
        run_for(0);
        assert_false(w.lease.held);
        run_for(2 * FAKE_SECOND);
        assert_true(w.lease.held);
        assert_int_equal(w.asked, 2);
        assert_int_equal(w.f.logs, 0); /* so short a time is not worth a word */
        if (way == 4) {
            s->foreign = false;
            s->open = false;
            s->closes++;
        }
        end();
    }
}

/* The time between tries doubles up to its most, and a random part of it is waited. */
static void backs_off(void **state)
{
    uint64_t longest = 0, gap;
    int i, short_ones = 0;
    (void)state;
    begin(NULL);
    w.refuse = CLUSTER_E_REFUSED;
    run_for(1000 * FAKE_SECOND);
    assert_true(w.asked > 80 && w.asked < 250);
    for (i = 1; i < w.asked; i++) {
        gap = w.asked_at[i] - w.asked_at[i - 1];
        assert_true(gap > 0 && gap <= CLU_LEASE_MOST * 3 / 2);
        if (i < 6)
            assert_true(gap <= (CLU_LEASE_SOON << (i - 1)) * 3 / 2);
        longest = gap > longest ? gap : longest;
        short_ones += gap < CLU_LEASE_MOST;
    }
    assert_true(longest > CLU_LEASE_MOST);
    assert_true(short_ones > w.asked / 4);
    end();
}

/* Each hook fails for a while: it is registered nevertheless. */
static void hooks_fail(void **state)
{
    static const int hooks[] = {FAKE_OPEN, FAKE_CONNECT, FAKE_SEND, FAKE_RECV};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(hooks); i++) {
        begin("76 00 00000001");
        w.f.errors[hooks[i]] = CLUSTER_E_IO;
        run_for(0);
        assert_said(1, CLUSTER_E_IO, "listen");
        w.f.errors[hooks[i]] = 0;
        run_for(FAKE_SECOND);
        assert_true(w.lease.held);
        end();
    }
    begin("76 00 00000001"); /* no room to send in at first */
    w.f.errors[FAKE_SEND] = CLUSTER_E_AGAIN;
    (void)fake_step(&w.f, w.c, w.now);
    (void)fake_step(&w.f, w.c, w.now);
    assert_false(w.lease.held);
    w.f.errors[FAKE_SEND] = 0;
    run_for(0);
    assert_true(w.lease.held);
    assert_int_equal(w.asked, 1);
    end();
}

static void memory_fails(void **state)
{
    unsigned long at;
    (void)state;
    for (at = 1; at < 30; at++) {
        begin("76 00 00000001");
        w.f.memory.fail_at = w.f.memory.allocations + at;
        run_for(2 * FAKE_SECOND);
        assert_true(w.lease.held);
        at = w.f.memory.failures ? at : 30;
        end();
    }
    assert_int_equal(at, 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),      cmocka_unit_test(takes_the_reply_in_pieces),
        cmocka_unit_test(is_tried_again), cmocka_unit_test(another_error_is_said),
        cmocka_unit_test(is_made_again),  cmocka_unit_test(backs_off),
        cmocka_unit_test(hooks_fail),     cmocka_unit_test(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
