/* Questions to DNS on a virtual machine: each path from a name to an answer or a sentence. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "dns_server.h"

static struct dns_world w;

/* The same tests with c-ares behind the resolver. It keeps the id and the socket where it asks once more by itself, waits on after
 * a foreign id on a stream, and reads a stream's length apart. */
#ifdef CLUSTER_USE_CARES
enum { CARES = 1 };
#else
enum { CARES = 0 };
#endif

/* ---- servers ---------------------------------------------------------- */

static void two_addresses(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    (void)d;
    if (q->type == CLUSTER_DNS_AAAA) {
        put_aaaa(m, 60, 7);
        return;
    }
    put_a(m, 30, 0x0a000101);
    put_a(m, 20, 0x0a000102);
}

/* A question to this world, and its answer. */
static struct dns_seen *resolve(const char *url, const char *name, uint32_t type, uint64_t ms)
{
    dns_want(&w, 0, name, type);
    dns_source(&w, url);
    dns_wait(&w, ms);
    assert_int_equal(w.ask[0].result, 0);
    return &w.seen[0];
}

static void begin_world(void (*serve)(struct dns_world *d, const struct dns_query *q, struct message *m))
{
    struct cluster_options o = dns_begin(&w);
    w.serve = serve;
    dns_start(&w, &o);
}

/* One answer after another: of each query its index says which it gets. */
static const struct reply {
    enum { SILENT, REAL, CODE, CUT, HEADER, NONE } what;
    unsigned code;
} * replies;

static void scripted(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    const struct reply *r = &replies[d->queries - 1];
    if (r->what == REAL)
        two_addresses(d, q, m);
    else if (r->what == SILENT)
        m->size = 0;
    else if (r->what == CODE || r->what == HEADER)
        at16(m, 2, 0x8180 | r->code);
    else if (r->what == CUT)
        at16(m, 2, 0x8380);
    if (r->what == CUT && q->kind == CLUSTER_UDP)
        put_a(m, 30, 0x0a0a0a0a);
    if (r->what == HEADER) {
        m->size = 12;
        at16(m, 4, 0);
    }
}

static void fails_with(const struct dns_seen *s, int error, unsigned rcode, const char *why)
{
    assert_int_equal(s->times, 1);
    assert_int_equal(s->answer.error, error);
    assert_int_equal(s->answer.rcode, rcode);
    assert_int_equal(s->answer.count, 0);
    assert_string_equal(s->records, "");
    assert_string_equal(s->why, why);
}

static void is_real(const struct dns_seen *s)
{
    assert_int_equal(s->times, 1);
    assert_string_equal(s->why, "");
    assert_int_equal(s->answer.error, 0);
    assert_int_equal(s->answer.count, 2);
    assert_non_null(strstr(s->records, " 10.0.1.1\n"));
}

#define THREE_SERVERS "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"

/* ---- answers ---------------------------------------------------------- */

static void an_answer(void **state)
{
    struct dns_seen *s;
    (void)state;
    begin_world(two_addresses);
    s = resolve("mine:", "Web.example", CLUSTER_DNS_A, 0);
    assert_int_equal(s->times, 1);
    assert_int_equal(s->answer.error, 0);
    assert_int_equal(s->answer.count, 2);
    assert_int_equal(s->answer.ttl, 20);
    assert_int_equal(s->answer.rcode, 0);
    assert_int_equal(s->answer.flags, 0);
    assert_string_equal(s->name, "Web.example");
    assert_string_equal(s->records, "Web.example 10.0.1.1\nWeb.example 10.0.1.2\n");
    assert_int_equal(w.queries, 1);
    assert_int_equal(w.q[0].kind, CLUSTER_UDP);
    assert_int_equal(w.q[0].edns, 1232);
    assert_int_equal(w.q[0].flags, 0x0100);
    assert_int_equal(w.q[0].server.port, 53);
    assert_int_equal(w.q[0].server.bytes[3], 1);
    dns_end(&w);
}

static void ask_again(struct dns_world *d, uint32_t slot)
{
    if (d->seen_count < 40)
        assert_int_equal(cluster_source_resolve(d->s, slot, "web.example", CLUSTER_DNS_A), 0);
}

/* Socket, connect, send, poll, recv, close: nothing is read when no more can come, and no step is asked for in vain. */
static void six_calls_and_no_memory(void **state)
{
    unsigned long calls = 0, polls = 0, allocations = 0;
    (void)state;
    begin_world(two_addresses);
    w.answered = ask_again;
    dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
    dns_source(&w, "mine:");
    while (w.seen_count < 40) {
        struct pollfd fds[4];
        size_t count = cluster_watches(w.c, fds, 4);
        if (w.seen_count == 10 && !calls) {
            calls = w.f.all;
            polls = 0;
            allocations = w.f.memory.allocations;
        }
        assert_true(count < 4);
        polls++;
        if (!fake_poll(&w.f, fds, count))
            assert_true(cluster_deadline(w.c) <= w.now);
        assert_int_equal(cluster_step(w.c, w.now, fds, count), 0);
    }
    assert_int_equal(w.queries, 40);
    assert_int_equal(polls, 30);
    assert_int_equal(w.f.all - calls, 30 * 5 - 3); /* the last one is followed by no other */
    assert_int_equal(w.f.memory.allocations, allocations);
    dns_end(&w);
}

static void ipv6_addresses(void **state)
{
    struct dns_seen *s;
    (void)state;
    begin_world(two_addresses);
    s = resolve("mine:", "web.example.", CLUSTER_DNS_AAAA, 0);
    assert_string_equal(s->records, "web.example fd00::7\n");
    assert_string_equal(s->name, "web.example");
    dns_end(&w);
}

static void services(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    (void)d;
    (void)q;
    put_srv(m, 30, 1, 2, 9100, "b.example");
    put_srv(m, 30, 3, 4, 9200, "a.example");
    put_name(m, "a.example");
    put_head(m, ADDITIONAL, 1, 30, 4);
    put32(m, 0x0a000005);
    put_opt(m, 0, 0);
}

static void service_records(void **state)
{
    struct dns_seen *s;
    (void)state;
    begin_world(services);
    s = resolve("mine:", "_d._tcp.example", CLUSTER_DNS_SRV, 0);
    assert_int_equal(s->answer.flags, CLUSTER_ANSWER_ADDITIONAL);
    assert_int_equal(s->answer.count, 2);
    assert_string_equal(s->records, "_d._tcp.example 1 2 9100 b.example\n_d._tcp.example 3 4 9200 a.example\n"
                                    "+a.example 10.0.0.5\n");
    dns_end(&w);
}

static void strings(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    size_t at;
    (void)d;
    if (q->type == CLUSTER_DNS_TXT) {
        put16(m, 0xc00c);
        at = open_data(m, ANSWER, 16, 1);
        put(m, "\3one\0\4t\0wo", 10);
        close_data(m, at);
    } else {
        put16(m, 0xc00c);
        at = open_data(m, ANSWER, q->type, 1);
        put_name(m, "host.example");
        close_data(m, at);
    }
}

static void texts_and_names(void **state)
{
    (void)state;
    begin_world(strings);
    dns_want(&w, 1, "t.example", CLUSTER_DNS_TXT);
    dns_want(&w, 7, "7.0.0.10.in-addr.arpa", CLUSTER_DNS_PTR);
    dns_want(&w, 2, "alias.example", CLUSTER_DNS_CNAME);
    dns_source(&w, "mine:");
    dns_wait(&w, 0);
    assert_string_equal(w.seen[1].records, "t.example onet\\x00wo\n");
    assert_string_equal(w.seen[7].records, "7.0.0.10.in-addr.arpa host.example\n");
    assert_string_equal(w.seen[2].records, "alias.example host.example\n");
    dns_end(&w);
}

static void aliased(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    size_t at;
    (void)d;
    (void)q;
    put_cname(m, 9, "web.example", "www.example");
    put_name(m, "www.example");
    at = open_data(m, ANSWER, 1, 30);
    put32(m, 0x0a000001);
    close_data(m, at);
}

/* The owner of a record is the end of the chain; the name is what was asked for. */
static void a_chain(void **state)
{
    struct dns_seen *s;
    (void)state;
    begin_world(aliased);
    s = resolve("mine:", "web.example", CLUSTER_DNS_A, 0);
    assert_int_equal(s->answer.ttl, 9);
    assert_string_equal(s->name, "web.example");
    assert_string_equal(s->records, "www.example 10.0.0.1\n");
    dns_end(&w);
}

static void nothing_there(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    (void)d;
    if (strcmp(q->name, "none.example") == 0)
        at16(m, 2, 0x8183);
    put_soa(m, 100, 40);
}

static void empty_answers(void **state)
{
    (void)state;
    begin_world(nothing_there);
    dns_want(&w, 0, "none.example", CLUSTER_DNS_A);
    dns_want(&w, 1, "nodata.example", CLUSTER_DNS_A);
    dns_source(&w, "mine:");
    dns_wait(&w, 0);
    assert_true(w.seen[0].answer.error == 0 && w.seen[0].answer.rcode == 3 && w.seen[0].answer.ttl == 40);
    assert_true(w.seen[1].answer.error == 0 && w.seen[1].answer.rcode == 0 && w.seen[1].answer.count == 0);
    assert_string_equal(w.seen[0].records, "");
    assert_int_equal(w.queries, 2);
    dns_end(&w);
}

/* Equal sets have equal digests, in whatever order and with whatever time to live. */
static void shuffled(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    (void)q;
    put_a(m, d->queries, d->queries % 2 ? 1 : 2);
    put_a(m, d->queries, d->queries % 2 ? 2 : 1);
    if (d->queries > 3)
        put_a(m, 1, 3);
}

static void digests(void **state)
{
    uint64_t digest[4];
    int i;
    (void)state;
    begin_world(shuffled);
    (void)resolve("mine:", "web.example", CLUSTER_DNS_A, 0);
    for (i = 0; i < 4; i++) {
        digest[i] = w.seen[0].answer.digest;
        assert_int_equal(w.seen[0].answer.ttl, i < 3 ? i + 1 : 1);
        (void)cluster_source_refresh(w.s);
        dns_wait(&w, 0);
    }
    assert_true(digest[0] == digest[1] && digest[1] == digest[2] && digest[2] != digest[3]);
    dns_end(&w);
}

/* Ids are not to be guessed, and a second question is another one: other id, other socket. */
static void bad_13_predictable_ids(void **state)
{
    unsigned same = 0, rising = 0, i;
    (void)state;
    begin_world(two_addresses);
    (void)resolve("mine:", "web.example", CLUSTER_DNS_A, 0);
    for (i = 0; i < 200; i++) {
        (void)cluster_source_refresh(w.s);
        dns_wait(&w, 0);
        same += w.q[i].id == w.q[i + 1].id;
        rising += w.q[i].id + 1 == w.q[i + 1].id;
    }
    assert_true(same < 3 && rising < 3);
    assert_true(w.f.calls[FAKE_RANDOM] < 4); /* buffered */
    dns_end(&w);
}

/* ---- forged datagrams -------------------------------------------------- */

/* Send the answer of two_addresses, changed, as if it came from there. */
static void forge(struct dns_world *d, const struct dns_query *q, unsigned id, const struct cluster_address *from)
{
    static struct message m;
    begin(&m, id, 0x8180, q->name, q->type);
    put_a(&m, 30, 0x06060606);
    put_a(&m, 30, 0x06060607);
    put_a(&m, 30, 0x06060608);
    fake_push(&d->f, q->fd, m.data, m.size, from);
}

static void from_elsewhere(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    struct cluster_address from = q->server;
    from.bytes[3]++;
    forge(d, q, q->id, &from);
    from = q->server;
    from.family = 6;
    forge(d, q, q->id, &from);
    two_addresses(d, q, m);
}

static void bad_02_wrong_source_address(void **state)
{
    (void)state;
    begin_world(from_elsewhere);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 1);
    dns_end(&w);
}

static void from_another_port(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    struct cluster_address from = q->server;
    from.port = 5353;
    forge(d, q, q->id, &from);
    from.port = 0;
    forge(d, q, q->id, &from);
    two_addresses(d, q, m);
}

static void bad_03_wrong_source_port(void **state)
{
    (void)state;
    begin_world(from_another_port);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 1);
    dns_end(&w);
}

/* What of it fits would be a good answer. */
static void oversized(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    static uint8_t large[8 * CLU_DNS_UDP_MAX];
    unsigned over;
    two_addresses(d, q, m);
    put_a(m, 30, 0x06060606);
    memset(large, 0, sizeof large);
    memcpy(large, m->data, m->size);
    for (over = 0; over < 3; over++)
        fake_push(&d->f, q->fd, large, sizeof large, &q->server);
    begin(m, q->id, 0x8180, q->name, q->type);
    two_addresses(d, q, m);
}

static void bad_11_larger_than_the_buffer(void **state)
{
    (void)state;
    begin_world(oversized);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 1);
    dns_end(&w);
}

/* So many forgeries before each answer, in the first so many queries. */
static unsigned flood, flooded;

static void flooding(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    unsigned i;
    if (d->queries > flooded) {
        two_addresses(d, q, m);
        return;
    }
    for (i = 1; i <= flood; i++)
        forge(d, q, (q->id + i) & 0xffff, &q->server);
    two_addresses(d, q, m);
}

/* Up to the cap the query goes on waiting; then another socket and id take its place, for as long as there is time. */
static void bad_12_flood(void **state)
{
    struct cluster_counts counts;
    unsigned turn;
    (void)state;
    for (turn = 0; turn < 3; turn++) {
        flood = CLU_DNS_FLOOD - (turn == 0);
        flooded = turn == 2 ? 7 : 1;
        begin_world(flooding);
        is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
        assert_int_equal(w.queries, turn == 0 ? 1 : flooded + 1);
        if (turn)
            assert_true(w.q[0].id != w.q[1].id && w.q[0].fd != w.q[1].fd);
        memset(&counts, 0, sizeof counts);
        counts.size = (uint32_t)sizeof counts;
        cluster_stats(w.c, &counts);
        assert_int_equal(counts.dropped, turn == 0 ? flood : flood * flooded);
        dns_end(&w);
    }
}

/* Malformed, and as much work to read as a datagram can be: two long names in turn, and a record cut at the end. */
static void hard_to_read(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    static struct message hard;
    unsigned turn, i;
    size_t at[2], data;
    for (turn = 0; turn < 40 && d->queries <= flooded; turn++) {
        begin(&hard, q->id, 0x8180, q->name, q->type);
        for (i = 0; i < 2 * 126; i++) {
            if (i % 126 == 0) {
                put8(&hard, 0);
                put_head(&hard, ANSWER, 99, 5, 253);
                at[i / 126] = hard.size;
            }
            put16(&hard, 0x0161 + i / 126);
            if (i % 126 == 125)
                put8(&hard, 0);
        }
        for (i = 0; hard.size < 1232 - 20; i++) {
            put16(&hard, 0xc000 | (unsigned)at[i % 2]);
            data = open_data(&hard, ANSWER, 99, 5);
            close_data(&hard, data);
        }
        put8(&hard, 0xc0);
        at16(&hard, ANSWER, get16(&hard, ANSWER) + 1);
        fake_push(&d->f, q->fd, hard.data, hard.size, &q->server);
    }
    two_addresses(d, q, m);
}

/* Such datagrams count for more, so that a step stays short. */
static void flood_of_much_work(void **state)
{
    struct cluster_counts counts;
    (void)state;
    flooded = 3;
    begin_world(hard_to_read);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 4);
    memset(&counts, 0, sizeof counts);
    counts.size = (uint32_t)sizeof counts;
    cluster_stats(w.c, &counts);
    assert_in_range(counts.dropped, 3, 3 * 39);
    dns_end(&w);
}

/* The system chooses the port of every query anew: each has a socket of its own, bound to nothing. */
static void bad_14_fixed_source_port(void **state)
{
    unsigned i;
    (void)state;
    begin_world(two_addresses);
    (void)resolve("mine:", "web.example", CLUSTER_DNS_A, 0);
    for (i = 0; i < 20; i++) {
        (void)cluster_source_refresh(w.s);
        dns_wait(&w, 0);
    }
    assert_int_equal(w.queries, 21);
    assert_int_equal(w.f.calls[FAKE_OPEN], 21);
    assert_int_equal(w.f.calls[FAKE_CONNECT], 21);
    assert_int_equal(w.f.calls[FAKE_BIND], 0);
    dns_end(&w);
}

/* The second try's socket gets what the first one's was meant to get. */
static void late_for_the_first(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    if (d->queries == 1) {
        m->size = 0;
        return;
    }
    forge(d, q, d->q[0].id, &q->server);
    two_addresses(d, q, m);
}

static unsigned sockets_that_talk(void)
{
    return (unsigned)fake_count_open(&w.f) - (unsigned)w.c->loop.retired_count;
}

static void never_answers(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    (void)d;
    (void)q;
    m->size = 0;
}

/* One question has one query on its way at any time, with one id and one port: a forger has one to guess, not many. */
static void bad_15_duplicates_in_flight(void **state)
{
    unsigned i;
    (void)state;
    begin_world(late_for_the_first);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 3000));
    assert_int_equal(w.queries, 2);
    assert_true(w.q[1].fd != w.q[0].fd && w.q[1].id != w.q[0].id);
    dns_end(&w);

    /* asked again and again before there is an answer */
    begin_world(never_answers);
    dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
    dns_source(&w, "mine:");
    for (i = 0; i < 5; i++) {
        dns_wait(&w, 100);
        assert_int_equal(sockets_that_talk(), 1);
        assert_int_equal(cluster_source_refresh(w.s), 0);
    }
    dns_end(&w);
}

/* The program ends after any number of turns of its loop, with questions that start, talk by UDP and TCP, and rest. */
static void both_ways(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    if (q->kind == CLUSTER_UDP && q->type == CLUSTER_DNS_A)
        at16(m, 2, 0x8380);
    else if (q->type == CLUSTER_DNS_SRV && d->queries % 2)
        m->size = 0;
    else
        two_addresses(d, q, m);
}

static void bad_43_destroyed_at_any_point(void **state)
{
    unsigned turns, i, late = 0;
    (void)state;
    for (turns = 0; turns < 60 && late < 5; turns++) {
        begin_world(both_ways);
        dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
        dns_want(&w, 1, "web.example", CLUSTER_DNS_AAAA);
        dns_want(&w, 9, "web.example", CLUSTER_DNS_SRV);
        dns_source(&w, turns % 2 ? "mine:?tcp=keep" : "mine:");
        for (i = 0; i < turns / 2; i++) {
            (void)fake_step(&w.f, w.c, w.now);
            w.now += i > 6 ? FAKE_SECOND : 0;
        }
        late += w.seen_count == 3;
        if (turns % 4 == 3)
            cluster_source_remove(w.s);
        dns_end(&w); /* everything was given back, each socket closed once */
    }
    assert_true(late == 5);
}

/* ---- servers that do not answer --------------------------------------- */

static void silence(void **state)
{
    static const struct reply script[] = {{SILENT, 0}, {SILENT, 0}};
    struct dns_seen *s;
    (void)state;
    replies = script;
    begin_world(scripted);
    s = resolve("mine:", "web.example", CLUSTER_DNS_A, 6000);
    fails_with(s, CLUSTER_E_TIMEOUT, 0,
               "no DNS server at 10.0.0.1:53 answers: is the address right, is port 53 open? server= takes another");
    assert_int_equal(w.queries, 2);
    assert_true(w.q[0].id != w.q[1].id);
    assert_true(s->at - w.q[0].at < 5 * FAKE_SECOND); /* before the round's own timeout */
    assert_true(w.q[1].at - w.q[0].at > 2 * FAKE_SECOND);
    assert_int_equal(w.f.s[w.q[0].fd].opens, w.f.s[w.q[0].fd].closes);
    dns_end(&w);
}

/* More questions than may be asked at a time, and a server that is away: those who waited for their turn blame no socket. */
static void silence_for_many(void **state)
{
    uint32_t slot;
    (void)state;
    begin_world(never_answers);
    for (slot = 0; slot < CLU_DNS_FLIGHT + 6; slot++)
        dns_want(&w, slot, "web.example", CLUSTER_DNS_A);
    dns_source(&w, "mine:");
    dns_wait(&w, 6000);
    assert_int_equal(w.queries, 2 * CLU_DNS_FLIGHT);
    for (slot = 0; slot < CLU_DNS_FLIGHT + 6; slot++)
        fails_with(&w.seen[slot], CLUSTER_E_TIMEOUT, 0, w.seen[0].why);
    dns_end(&w);
}

/* This host, as some write it: its answers come from the loopback. */
static void any_address_is_this_host(void **state)
{
    (void)state;
    begin_world(two_addresses);
    dns_file(&w, 0, "/etc/resolv.conf", "nameserver 0.0.0.0\n");
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 6000));
    assert_memory_equal(w.q[0].server.bytes, "\x7f\0\0\1", 4);
    assert_int_equal(w.q[0].server.port, 53);
    dns_file(&w, 0, "/etc/resolv.conf", "nameserver ::\n");
    w.seen[0].times = 0;
    assert_int_equal(cluster_source_refresh(w.s), 0);
    dns_wait(&w, 0);
    dns_wait(&w, 6000);
    assert_true(w.q[w.queries - 1].server.family == 6 && w.q[w.queries - 1].server.bytes[15] == 1);
    dns_end(&w);
}

/* It answers, and nothing of that is an answer: it is not said to be away. */
static void answers_something_else(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    (void)d;
    (void)q;
    put_aaaa(m, 60, 7);
}

static void improper_answers(void **state)
{
    (void)state;
    begin_world(answers_something_else);
    fails_with(resolve("mine:", "web.example", CLUSTER_DNS_A, 6000), CLUSTER_E_PROTOCOL, 0,
               "DNS server 10.0.0.1:53 gives no proper answer: does it look names up for others? server= takes another");
    assert_int_equal(w.queries, 2);
    dns_end(&w);
}

/* Servers in turn, each try with its share of the time; the last of them answers. */
static void servers_in_turn(void **state)
{
    static const struct reply script[] = {{SILENT, 0}, {CODE, 2}, {SILENT, 0}, {SILENT, 0}, {CODE, 5}, {REAL, 0}};
    static const unsigned char order[] = {1, 2, 3, 1, 2, 3};
    unsigned i;
    (void)state;
    replies = script;
    begin_world(scripted);
    dns_file(&w, 0, "/etc/resolv.conf", THREE_SERVERS);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 6000));
    assert_int_equal(w.queries, 6);
    for (i = 0; i < 6; i++)
        assert_int_equal(w.q[i].server.bytes[3], order[i]);
    assert_true(w.q[1].at - w.q[0].at < FAKE_SECOND);
    assert_true(w.q[2].at == w.q[1].at); /* SERVFAIL: the next one at once */
    dns_end(&w);
}

static void timeouts_and_attempts(void **state)
{
    static const struct reply script[9] = {{SILENT, 0}};
    (void)state;
    replies = script;
    begin_world(scripted);
    dns_file(&w, 0, "/etc/resolv.conf", "nameserver 10.0.0.1\noptions timeout:1 attempts:3\n");
    (void)resolve("mine:?timeout=60s", "web.example", CLUSTER_DNS_A, 70000);
    assert_int_equal(w.queries, 3);
    assert_true(w.q[1].at - w.q[0].at == FAKE_SECOND && w.q[2].at - w.q[1].at == FAKE_SECOND);
    assert_true(w.seen[0].at - w.q[2].at == FAKE_SECOND);
    dns_end(&w);
}

static void rotation(void **state)
{
    unsigned i;
    (void)state;
    begin_world(two_addresses);
    dns_file(&w, 0, "/etc/resolv.conf", THREE_SERVERS "options rotate\n");
    (void)resolve("mine:", "web.example", CLUSTER_DNS_A, 0);
    for (i = 0; i < 5; i++) {
        (void)cluster_source_refresh(w.s);
        dns_wait(&w, 0);
    }
    for (i = 0; i < 6; i++)
        assert_int_equal(w.q[i].server.bytes[3], 1 + i % 3);
    dns_end(&w);
}

/* What all servers say is what the question ends with, with the sentence of the last one. */
static void codes(void **state)
{
    static const struct {
        unsigned code;
        int error;
        const char *why;
    } cases[] = {
        {2, CLUSTER_E_IO, "DNS server 10.0.0.1:53 says SERVFAIL, it cannot find out: its own log says why"},
        {5, CLUSTER_E_REFUSED,
         "DNS server 10.0.0.1:53 refuses to answer: does it serve this host, and this name? server= takes another"},
        {4, CLUSTER_E_IO, "DNS server 10.0.0.1:53 answers with code 4"},
        {9, CLUSTER_E_IO, "DNS server 10.0.0.1:53 answers with code 9"},
    };
    struct reply script[2];
    size_t i;
    (void)state;
    replies = script;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        script[0].what = script[1].what = CODE;
        script[0].code = script[1].code = cases[i].code;
        begin_world(scripted);
        fails_with(resolve("mine:", "web.example", CLUSTER_DNS_A, 0), cases[i].error, cases[i].code, cases[i].why);
        assert_int_equal(w.queries, 2);
        dns_end(&w);
    }
}

/* FORMERR: once more without EDNS, to the same server, from a new socket. Also of a server that gives the header alone. */
static void no_edns(void **state)
{
    static const struct reply formerr[] = {{CODE, 1}, {REAL, 0}}, header[] = {{HEADER, 1}, {REAL, 0}},
                              twice[] = {{CODE, 1}, {CODE, 1}, {REAL, 0}}, never[] = {{CODE, 1}, {CODE, 1}, {CODE, 1}};
    static const struct reply *const all[] = {formerr, header, twice};
    unsigned i;
    (void)state;
    for (i = 0; i < 3; i++) {
        replies = all[i];
        begin_world(scripted);
        is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
        assert_int_equal(w.queries, i < 2 ? 2 : 3);
        assert_int_equal(w.q[0].edns, 1232);
        assert_int_equal(w.q[1].edns, 0);
        assert_true(CARES || (w.q[0].id != w.q[1].id && w.q[0].fd != w.q[1].fd));
        dns_end(&w);
    }
    replies = never;
    begin_world(scripted);
    fails_with(resolve("mine:", "web.example", CLUSTER_DNS_A, 0), CLUSTER_E_IO, 1,
               "DNS server 10.0.0.1:53 answers with code 1");
    dns_end(&w);
}

/* ---- search lists ----------------------------------------------------- */

static void names_of(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    if (strncmp(q->name, "here", 4) == 0 && (strstr(q->name, ".two") || strcmp(q->name, "here.a.b") == 0))
        two_addresses(d, q, m);
    else if (strncmp(q->name, "nodata", 6) != 0)
        at16(m, 2, strncmp(q->name, "broken", 6) == 0 ? 0x8182 : 0x8183);
}

/* Which names are asked for, in which order, and with what end. */
static void search_lists(void **state)
{
    static const struct {
        const char *name, *url, *asked, *answered;
        int error;
        unsigned rcode, count;
    } table[] = {
        {"here", "mine:?search=on", "here.one here.two", "here.two", 0, 0, 2},
        {"here.a", "mine:?search=on", "here.a.one here.a.two", "here.a.two", 0, 0, 2},
        {"here.a.b", "mine:?search=on", "here.a.b", "here.a.b", 0, 0, 2},
        {"gone.a.b", "mine:?search=on", "gone.a.b gone.a.b.one gone.a.b.two gone.a.b.three.test", "gone.a.b.three.test", 0, 3,
         0},
        {"gone", "mine:?search=on", "gone.one gone.two gone.three.test gone", "gone", 0, 3, 0},
        {"gone.", "mine:?search=on", "gone", "gone", 0, 3, 0},
        {"here", "mine:", "here", "here", 0, 3, 0},
        {"here", "mine:?search=off", "here", "here", 0, 3, 0},
        {"nodata", "mine:?search=on", "nodata.one", "nodata.one", 0, 0, 0}, /* the name is there */
        {"broken", "mine:?search=on", "broken.one broken.one", "broken.one", CLUSTER_E_IO, 2, 0},
    };
    size_t i;
    unsigned j;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        char asked[512];
        struct clu_text t = clu_text_on(asked, sizeof asked);
        struct dns_seen *s;
        begin_world(names_of);
        dns_file(&w, 0, "/etc/resolv.conf", "nameserver 10.0.0.1\nsearch one two three.test\noptions ndots:2\n");
        s = resolve(table[i].url, table[i].name, CLUSTER_DNS_A, 0);
        for (j = 0; j < w.queries; j++) {
            clu_text_add(&t, j ? " " : "");
            clu_text_add(&t, w.q[j].name);
        }
        assert_string_equal(asked, table[i].asked);
        assert_string_equal(s->name, table[i].answered);
        assert_int_equal(s->answer.error, table[i].error);
        assert_int_equal(s->answer.rcode, table[i].rcode);
        assert_int_equal(s->answer.count, table[i].count);
        dns_end(&w);
    }
}

/* ---- sockets that fail ------------------------------------------------ */

/* Each of these ways to fail, with one server and with two: the second is asked. */
static int way;

static int broken_connect(struct fake *f, int fd, const struct cluster_address *to)
{
    (void)f;
    (void)fd;
    return to->bytes[3] == 1 ? way : 0;
}

static void connects_that_fail(void **state)
{
    static const int ways[] = {CLUSTER_E_UNREACHABLE, CLUSTER_E_REFUSED, CLUSTER_E_PERMISSION, CLUSTER_E_ADDRESS, CLUSTER_E_IO};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(ways); i++) {
        way = ways[i];
        begin_world(two_addresses);
        w.f.connected = broken_connect;
        (void)resolve("mine:", "web.example", CLUSTER_DNS_A, 1);
        assert_int_equal(w.seen[0].answer.error, ways[i]);
        assert_non_null(strstr(w.seen[0].why, "10.0.0.1:53"));
        assert_int_equal(w.queries, 0);
        dns_file(&w, 0, "/etc/resolv.conf", THREE_SERVERS);
        dns_wait(&w, 6000);
        (void)cluster_source_refresh(w.s);
        dns_wait(&w, 1);
        assert_int_equal(w.seen[0].answer.error, 0);
        assert_int_equal(w.q[0].server.bytes[3], 2);
        dns_end(&w);
    }
}

/* ICMP says that nobody listens: seen at recv, or already at send. */
static void refused_at_recv(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    if (q->server.bytes[3] == 1) {
        d->f.s[q->fd].recv_error = CLUSTER_E_REFUSED;
        m->size = 0;
    } else {
        two_addresses(d, q, m);
    }
}

static void bad_40_icmp_refused(void **state)
{
    (void)state;
    begin_world(refused_at_recv);
    fails_with(resolve("mine:", "web.example", CLUSTER_DNS_A, 0), CLUSTER_E_REFUSED, 0,
               "no DNS server runs at 10.0.0.1:53: start it, or name another in /etc/resolv.conf or with server=");
    assert_int_equal(w.queries, 2);
    dns_file(&w, 0, "/etc/resolv.conf", THREE_SERVERS);
    dns_wait(&w, 6000);
    (void)cluster_source_refresh(w.s);
    dns_wait(&w, 0);
    assert_int_equal(w.seen[0].answer.error, 0);
    assert_int_equal(w.q[2].server.bytes[3], 1);
    assert_int_equal(w.q[3].server.bytes[3], 2);
    dns_end(&w);
}

static int send_fails(struct fake *f, int fd, const struct cluster_address *to)
{
    if (to->bytes[3] == 1)
        f->s[fd].send_error = way;
    return 0;
}

static void sends_that_fail(void **state)
{
    static const int ways[] = {CLUSTER_E_REFUSED, CLUSTER_E_UNREACHABLE, CLUSTER_E_PERMISSION, CLUSTER_E_LIMIT};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(ways); i++) {
        way = ways[i];
        begin_world(two_addresses);
        w.f.connected = send_fails;
        dns_file(&w, 0, "/etc/resolv.conf", THREE_SERVERS);
        is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
        assert_int_equal(w.q[0].server.bytes[3], 2);
        dns_end(&w);
    }
}

/* The interface's queue is full: the query goes out when there is room. c-ares takes it for lost. */
CLU_FN void a_send_that_waits(void **state)
{
    (void)state;
    way = CLUSTER_E_AGAIN;
    begin_world(two_addresses);
    w.f.connected = send_fails;
    dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
    dns_source(&w, "mine:");
    dns_wait(&w, 100);
    assert_int_equal(w.queries, 0);
    w.f.s[FAKE_FIRST].send_error = 0;
    dns_wait(&w, 0);
    is_real(&w.seen[0]);
    dns_end(&w);
}

/* A host that has no IPv6: opening such a socket fails, or there is no route. */
static void no_ipv6_here(void **state)
{
    (void)state;
    begin_world(two_addresses);
    dns_file(&w, 0, "/etc/resolv.conf", "nameserver fd00::1\nnameserver 10.0.0.1\n");
    w.f.family = 4;
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 1);
    dns_end(&w);
}

/* ---- over TCP --------------------------------------------------------- */

static void bad_36_truncated_with_partial_data(void **state)
{
    static const struct reply script[] = {{CUT, 0}, {REAL, 0}};
    (void)state;
    replies = script;
    begin_world(scripted);
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.seen[0].answer.flags, CLUSTER_ANSWER_TCP);
    assert_int_equal(w.queries, 2);
    assert_int_equal(w.q[1].kind, CLUSTER_TCP);
    assert_int_equal(w.q[1].server.bytes[3], 1);
    assert_true(CARES || w.q[0].id != w.q[1].id);
    dns_wait(&w, 20);
    assert_int_equal(fake_count_open(&w.f), 0);
    dns_end(&w);
}

/* TC over TCP too: the try has failed, nothing of it is used. */
static void truncated_over_tcp(void **state)
{
    static const struct reply script[] = {{CUT, 0}, {CUT, 0}, {CUT, 0}, {CUT, 0}};
    (void)state;
    replies = script;
    begin_world(scripted);
    fails_with(resolve("mine:", "web.example", CLUSTER_DNS_A, 0), CLUSTER_E_PROTOCOL, 0,
               "DNS server 10.0.0.1:53 gives no proper answer: does it look names up for others? server= takes another");
    assert_int_equal(w.queries, 4);
    dns_end(&w);
}

static void thousand(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    unsigned i;
    (void)d;
    if (q->kind == CLUSTER_UDP)
        at16(m, 2, 0x8380);
    for (i = 0; i < 1000 && q->kind == CLUSTER_TCP; i++)
        if (q->type == CLUSTER_DNS_A)
            put_a(m, 30, i);
        else
            put_aaaa(m, 30, i);
}

static void bad_38_more_than_a_datagram(void **state)
{
    unsigned long allocations;
    (void)state;
    begin_world(thousand);
    dns_want(&w, 0, "web.example", CLUSTER_DNS_A);
    dns_want(&w, 1, "web.example", CLUSTER_DNS_AAAA);
    dns_source(&w, "mine:");
    dns_wait(&w, 0);
    assert_int_equal(w.seen[0].answer.count, 1000);
    assert_int_equal(w.seen[1].answer.count, 1000);
    assert_int_equal(w.queries, 4);
    allocations = w.f.memory.allocations;
    (void)cluster_source_refresh(w.s);
    dns_wait(&w, 0);
    assert_int_equal(w.seen[0].times, 2);
    assert_int_equal(w.f.memory.allocations, allocations);
    dns_end(&w);
}

static void largest(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    if (q->kind == CLUSTER_UDP)
        at16(m, 2, 0x8380);
    else
        while (m->size + 16 <= 65535)
            put_a(m, 30, (uint32_t)m->size);
    d->step = get16(m, 6);
}

static void bad_42_the_largest_message(void **state)
{
    (void)state;
    begin_world(largest);
    w.mute = true;
    (void)resolve("mine:", "web.example", CLUSTER_DNS_A, 0);
    assert_int_equal(w.seen[0].answer.error, 0);
    assert_int_equal(w.seen[0].answer.count, w.step);
    assert_true(w.step > 4000);
    dns_end(&w);
}

/* What comes over a connection in place of an answer; the second try gets a real one. */
static int tcp_case;

static void tcp_trouble(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    struct fake_socket *s = &d->f.s[q->fd];
    uint8_t length[2];
    size_t i;
    two_addresses(d, q, m);
    if (d->queries > 1)
        return;
    length[0] = (uint8_t)(m->size >> 8);
    length[1] = (uint8_t)m->size;
    switch (tcp_case) {
    case 0: /* a length of 0 */
        fake_push(&d->f, q->fd, "\0\0", 2, NULL);
        break;
    case 1: /* less than a header */
        fake_push(&d->f, q->fd, "\0\4abcd", 6, NULL);
        break;
    case 2: /* closed after nothing, after a length, after half of it */
        s->ended = true;
        break;
    case 3:
        fake_push(&d->f, q->fd, length, 2, NULL);
        s->ended = true;
        break;
    case 4:
        fake_push(&d->f, q->fd, length, 2, NULL);
        fake_push(&d->f, q->fd, m->data, m->size / 2, NULL);
        s->ended = true;
        break;
    case 5: /* another id */
        m->data[0] ^= 1;
        return;
    case 6: /* reset */
        s->recv_error = CLUSTER_E_CLOSED;
        break;
    case 7: /* cut inside */
        m->size -= 3;
        return;
    case 8: /* a byte at a time: this is no failure */
        fake_push(&d->f, q->fd, length, 1, NULL);
        fake_push(&d->f, q->fd, length + 1, 1, NULL);
        for (i = 0; i < m->size; i++)
            fake_push(&d->f, q->fd, m->data + i, 1, NULL);
        break;
    case 9: /* half of it, and then silence */
        fake_push(&d->f, q->fd, length, 2, NULL);
        fake_push(&d->f, q->fd, m->data, 5, NULL);
        break;
    case 10: /* more than the message: it counts, what follows does not */
        dns_push(d, q, m->data, m->size);
        fake_push(&d->f, q->fd, "junk", 4, NULL);
        break;
    }
    m->size = 0;
}

static void bad_37_tcp(void **state)
{
    (void)state;
    for (tcp_case = 0; tcp_case < 11; tcp_case++) {
        begin_world(tcp_trouble);
        is_real(resolve("mine:?tcp=keep", "web.example", CLUSTER_DNS_A, tcp_case == 9 || CARES ? 3000 : 0));
        assert_int_equal(w.queries, tcp_case == 8 || tcp_case == 10 ? 1 : 2);
        dns_wait(&w, 20);
        assert_int_equal(fake_count_open(&w.f), tcp_case != 10);
        dns_end(&w);
    }
}

/* A query is written in as many pieces as the stream takes. */
static int64_t slow_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    static unsigned calls;
    return ++calls % 2 ? fake_send(ctx, fd, data, size < 5 ? size : 5, to) : CLUSTER_E_AGAIN;
}

static void a_query_in_pieces(void **state)
{
    struct cluster_options o = dns_begin(&w);
    (void)state;
    w.serve = two_addresses;
    w.f.io.send = slow_send;
    dns_start(&w, &o);
    is_real(resolve("mine:?tcp=on", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 1);
    dns_wait(&w, 20);
    assert_int_equal(fake_count_open(&w.f), 0);
    dns_end(&w);
}

static void use_vc(void **state)
{
    (void)state;
    begin_world(two_addresses);
    dns_file(&w, 0, "/etc/resolv.conf", "nameserver 10.0.0.1\noptions use-vc trust-ad\n");
    is_real(resolve("mine:", "web.example", CLUSTER_DNS_A, 0));
    assert_int_equal(w.queries, 1);
    assert_int_equal(w.q[0].kind, CLUSTER_TCP);
    assert_int_equal(w.q[0].flags, 0x0120);
    dns_end(&w);
}

/* ---- a connection that is kept ---------------------------------------- */

static void again(uint64_t ms)
{
    unsigned times = w.seen[0].times;
    (void)cluster_source_refresh(w.s);
    dns_wait(&w, ms);
    assert_int_equal(w.seen[0].times, times + 1);
}

static void kept(void **state)
{
    unsigned long calls, i;
    (void)state;
    begin_world(two_addresses);
    is_real(resolve("mine:?tcp=keep", "web.example", CLUSTER_DNS_A, 0));
    for (i = 0; i < 10; i++) {
        calls = w.f.all - w.f.calls[FAKE_READ_FILE];
        again(0);
        calls = w.f.all - w.f.calls[FAKE_READ_FILE] - calls;
        assert_true(calls >= 2 && calls <= 2 + CARES); /* send, recv */
        assert_int_equal(w.seen[0].answer.count, 2);
    }
    assert_int_equal(w.f.calls[FAKE_OPEN], 1);
    assert_int_equal(fake_count_open(&w.f), 1);
    dns_end(&w);
}

/* The server ends it while nobody asks: it is closed, and the next question makes another one. */
static void kept_then_closed(void **state)
{
    (void)state;
    begin_world(two_addresses);
    is_real(resolve("mine:?tcp=keep", "web.example", CLUSTER_DNS_A, 0));
    w.f.s[w.q[0].fd].ended = true;
    dns_wait(&w, 100);
    assert_int_equal(fake_count_open(&w.f), 0);
    again(0);
    assert_int_equal(w.seen[0].answer.error, 0);
    assert_int_equal(w.f.calls[FAKE_OPEN], 2);
    dns_end(&w);
}

/* It says something that nobody asked for. */
static void kept_then_talks(void **state)
{
    (void)state;
    begin_world(two_addresses);
    is_real(resolve("mine:?tcp=keep", "web.example", CLUSTER_DNS_A, 0));
    fake_push(&w.f, w.q[0].fd, "\0\1x", 3, NULL);
    dns_wait(&w, 100);
    assert_int_equal(fake_count_open(&w.f), 0);
    dns_end(&w);
}

/* It is found closed when the question is sent, or instead of its answer: that is no failed try. */
static void ended_by_the_query(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    two_addresses(d, q, m);
    if (d->queries == 2) {
        d->f.s[q->fd].ended = true;
        m->size = 0;
    }
}

static void kept_then_found_closed(void **state)
{
    unsigned turn;
    (void)state;
    for (turn = 0; turn < 2; turn++) {
        begin_world(turn ? ended_by_the_query : two_addresses);
        dns_file(&w, 0, "/etc/resolv.conf", "nameserver 10.0.0.1\noptions attempts:1\n");
        is_real(resolve("mine:?tcp=keep", "web.example", CLUSTER_DNS_A, 0));
        if (!turn)
            w.f.s[w.q[0].fd].send_error = CLUSTER_E_CLOSED;
        again(0);
        assert_int_equal(w.seen[0].answer.error, 0);
        assert_int_equal(w.f.calls[FAKE_OPEN], 2);
        dns_wait(&w, 20);
        assert_int_equal(fake_count_open(&w.f), 1);
        dns_end(&w);
    }
}

/* Half-dead: no answer comes, and no end. That try has failed; the next one takes a new connection. */
static void silent_second(struct dns_world *d, const struct dns_query *q, struct message *m)
{
    two_addresses(d, q, m);
    if (d->queries == 2)
        m->size = 0;
}

static void kept_then_silent(void **state)
{
    (void)state;
    begin_world(silent_second);
    is_real(resolve("mine:?tcp=keep", "web.example", CLUSTER_DNS_A, 0));
    again(3000);
    assert_int_equal(w.seen[0].answer.error, 0);
    assert_int_equal(w.queries, 3);
    assert_true(w.q[1].fd == w.q[0].fd && w.q[2].fd != w.q[0].fd);
    dns_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer),
        cmocka_unit_test(six_calls_and_no_memory),
        cmocka_unit_test(ipv6_addresses),
        cmocka_unit_test(service_records),
        cmocka_unit_test(texts_and_names),
        cmocka_unit_test(a_chain),
        cmocka_unit_test(empty_answers),
        cmocka_unit_test(digests),
        cmocka_unit_test(bad_13_predictable_ids),
        cmocka_unit_test(bad_02_wrong_source_address),
        cmocka_unit_test(bad_03_wrong_source_port),
        cmocka_unit_test(bad_11_larger_than_the_buffer),
        cmocka_unit_test(bad_12_flood),
        cmocka_unit_test(flood_of_much_work),
        cmocka_unit_test(bad_14_fixed_source_port),
        cmocka_unit_test(bad_15_duplicates_in_flight),
        cmocka_unit_test(bad_43_destroyed_at_any_point),
        cmocka_unit_test(silence),
        cmocka_unit_test(silence_for_many),
        cmocka_unit_test(any_address_is_this_host),
        cmocka_unit_test(improper_answers),
        cmocka_unit_test(servers_in_turn),
        cmocka_unit_test(timeouts_and_attempts),
        cmocka_unit_test(rotation),
        cmocka_unit_test(codes),
        cmocka_unit_test(no_edns),
        cmocka_unit_test(search_lists),
        cmocka_unit_test(connects_that_fail),
        cmocka_unit_test(bad_40_icmp_refused),
        cmocka_unit_test(sends_that_fail),
#ifndef CLUSTER_USE_CARES
        cmocka_unit_test(a_send_that_waits),
#endif
        cmocka_unit_test(no_ipv6_here),
        cmocka_unit_test(bad_36_truncated_with_partial_data),
        cmocka_unit_test(truncated_over_tcp),
        cmocka_unit_test(bad_38_more_than_a_datagram),
        cmocka_unit_test(bad_42_the_largest_message),
        cmocka_unit_test(bad_37_tcp),
        cmocka_unit_test(a_query_in_pieces),
        cmocka_unit_test(use_vc),
        cmocka_unit_test(kept),
        cmocka_unit_test(kept_then_closed),
        cmocka_unit_test(kept_then_talks),
        cmocka_unit_test(kept_then_found_closed),
        cmocka_unit_test(kept_then_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
