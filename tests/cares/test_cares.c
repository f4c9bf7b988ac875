/* c-ares behind the resolver: its memory, the sockets that the host takes away, floods, and names of any server. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "../unit/dns_server.h"

static struct dns_world w;

/* ---- the memory of c-ares --------------------------------------------- */

static unsigned long made, fail_at;
static long blocks;

static void *take(size_t size)
{
    if (++made == fail_at)
        return NULL;
    blocks++;
    return malloc(size ? size : 1);
}

static void give(void *ptr)
{
    blocks -= ptr != NULL;
    free(ptr);
}

static void *retake(void *ptr, size_t size)
{
    if (++made == fail_at)
        return NULL;
    blocks += ptr == NULL;
    return realloc(ptr, size);
}

static int start_memory(void **state)
{
    (void)state;
    return ares_library_init_mem(ARES_LIB_INIT_ALL, take, give, retake);
}

static int end_memory(void **state)
{
    (void)state;
    ares_library_cleanup();
    return blocks != 0;
}

/* ---- the world -------------------------------------------------------- */

static unsigned cut, forged;

static void serve(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    unsigned i;
    if (cut && q->kind == CLUSTER_UDP) {
        at16(m, 2, 0x8380);
        return;
    }
    put_a(m, 30, 0x0a000101);
    for (i = 0; i < forged && d->queries < 3; i++) {
        m->data[0] ^= 1;
        dns_push(d, q, m->data, m->size);
        m->data[0] ^= 1;
    }
}

static void begin_world(void)
{
    struct cluster_options o = dns_begin(&w);
    w.serve = serve;
    cut = forged = 0;
    fail_at = 0;
    dns_start(&w, &o);
}

static struct dns_seen *resolve(const char *url, uint64_t ms)
{
    dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
    dns_source(&w, url);
    dns_wait(&w, ms);
    return &w.seen[0];
}

static void again(uint64_t ms)
{
    (void)cluster_source_refresh(w.s);
    dns_wait(&w, ms);
}

static void is_real(void)
{
    assert_string_equal(w.seen[0].why, "");
    assert_string_equal(w.seen[0].records, "web.example 10.0.1.1\n");
}

/* Each allocation of a query fails once, over UDP and over TCP: an answer, or a failure, and nothing is lost. */
static void no_memory_in_cares(void **state)
{
    unsigned long failed = 0, n, before;
    int version;
    (void)state;
    (void)ares_version(&version);
    if (version >= 0x011300) /* later ones lose memory of their own when they have too little: seen in 1.34.6 */
        skip();
    for (cut = 0; cut < 2; cut++) {
        bool more = true;
        for (n = 1; more; n++) {
            unsigned want = cut;
            begin_world();
            cut = want;
            before = made;
            fail_at = made + n;
            (void)resolve("mine:", 20000);
            more = made >= fail_at;
            assert_true(made > before);
            assert_int_equal(w.seen[0].times, 1);
            if (w.seen[0].answer.error)
                failed++;
            else
                is_real();
            fail_at = 0;
            again(0);
            is_real();
            dns_end(&w);
        }
        assert_int_equal(blocks, 0);
    }
    assert_true(failed > 0 || n > 2); /* the second try may make good what the first one lost */
}

static void forgeries_before_the_answer(void **state)
{
    (void)state;
    begin_world();
    forged = 500;
    (void)resolve("mine:", 0);
    is_real();
    assert_int_equal(w.queries, 1);
    dns_end(&w);
}

static void a_flood(void **state)
{
    (void)state;
    begin_world();
    forged = CLU_DNS_FLOOD;
    (void)resolve("mine:", 0);
    is_real();
    assert_int_equal(w.queries, 3);
    assert_true(w.q[0].fd != w.q[1].fd && w.q[0].id != w.q[1].id);
    dns_end(&w);
}

/* The host says that it has closed the socket: nothing of ours may be done with that number any more. */
static void a_socket_that_is_gone(void **state)
{
    struct pollfd gone;
    (void)state;
    begin_world();
    w.serve = NULL;
    w.f.s[FAKE_FIRST].send_error = 0;
    dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
    dns_source(&w, "mine:?tcp=keep");
    (void)fake_step(&w.f, w.c, w.now);
    assert_int_equal(cluster_watches(w.c, &gone, 1), 1);
    fake_close(&w.f, gone.fd);
    gone.revents = POLLNVAL;
    w.serve = serve;
    assert_int_equal(cluster_step(w.c, w.now, &gone, 1), 0);
    dns_wait(&w, 0);
    is_real();
    dns_end(&w);
}

/* The channel is another server's each time, of another family too; it takes neither files nor the environment. */
static void other_servers(void **state)
{
    (void)state;
    begin_world();
    (void)resolve("mine:", 0);
    is_real();
    assert_int_equal(w.q[0].server.bytes[3], 1);
    dns_file(&w, 0, "/etc/resolv.conf", "nameserver fd00::7\noptions use-vc\n");
    dns_wait(&w, 6000);
    again(0);
    is_real();
    assert_int_equal(w.q[1].server.family, 6);
    assert_int_equal(w.q[1].kind, CLUSTER_TCP);
    dns_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_in_cares),
        cmocka_unit_test(forgeries_before_the_answer),
        cmocka_unit_test(a_flood),
        cmocka_unit_test(a_socket_that_is_gone),
        cmocka_unit_test(other_servers),
    };
    return cmocka_run_group_tests(tests, start_memory, end_memory);
}
