/* epmd: sources and the one-off queries, against scripted epmds: well behaved, slow, forging, dying, silent. */
#ifndef CLUSTER_IMPLEMENTATION /* else it is here, without DNS */
#include "../../src/core/sources.h"
#endif

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "dns_message.h"
#include "one_handle.h"

#define SECOND FAKE_SECOND

static struct cluster_source *s;

/* ---- DNS -------------------------------------------------------------- */

enum { DNS_NOTHING = 3, DNS_SILENT = 100 };

static const struct zone {
    const char *name;
    unsigned code; /* of the answer, or DNS_SILENT */
    uint32_t a[3], aaaa;
} zone[] = {
    {"db1", 0, {0x0a000063, 0x0a000001, 0x0a000077}, 0}, /* the lowest is an epmd's */
    {"db2.example", 0, {0x0a000002}, 0},
    {"six.example", 0, {0}, 1},
    {"none.example", 0, {0}, 0},
    {"broken.example", 2, {0}, 0},
    {"refused.example", 5, {0}, 0},
    {"silent.example", DNS_SILENT, {0}, 0},
};

static unsigned looked_up;

static void dns_asked(struct fake *machine, int fd, const uint8_t *data)
{
    static struct message m;
    char name[256];
    const struct zone *z = NULL;
    unsigned type = asked_for(data, name);
    size_t i;
    looked_up++;
    for (i = 0; i < CLU_COUNT(zone); i++)
        z = clu_host_same(clu_slice_str(zone[i].name), clu_slice_str(name)) ? &zone[i] : z;
    if (z && z->code == DNS_SILENT)
        return;
    begin(&m, (unsigned)data[0] << 8 | data[1], 0x8180 | (z ? z->code : DNS_NOTHING), name, type);
    for (i = 0; z && type == 1 && i < 3 && z->a[i]; i++)
        put_a(&m, 30, z->a[i]);
    if (z && type == 28 && z->aaaa)
        put_aaaa(&m, 30, z->aaaa);
    fake_push(machine, fd, m.data, m.size, &machine->s[fd].peer);
}

/* ---- the other side --------------------------------------------------- */

enum { WELL, DRIBBLES, REFUSES, REFUSES_LATER, RESETS, CLOSES, GARBAGE, CUT_LINE, SHORT, SILENT, ENDLESS, OTHER_NAME };

struct name {
    const char *name;
    unsigned port; /* 0: it is gone by the time it is asked for */
};

static struct epmd {
    struct cluster_address address;
    int names_mode, port_mode;
    const char *extra; /* lines that some program of that host made up */
    struct name names[8];
    unsigned asked;
} epmds[3];

static struct epmd *at(const struct cluster_address *to)
{
    size_t i;
    for (i = 0; i < 3; i++)
        if (epmds[i].address.port == to->port && memcmp(epmds[i].address.bytes, to->bytes, 16) == 0)
            return &epmds[i];
    fail_msg("nobody is at %u.%u.%u.%u:%u", to->bytes[0], to->bytes[1], to->bytes[2], to->bytes[3], to->port);
    return NULL;
}

static int connected(struct fake *machine, int fd, const struct cluster_address *to)
{
    const struct epmd *e;
    if (to->port == 53)
        return 0;
    e = at(to);
    assert_int_equal(machine->s[fd].kind, CLUSTER_TCP);
    assert_int_equal(machine->s[fd].family, to->family);
    if (e->names_mode == REFUSES_LATER)
        machine->s[fd].send_error = CLUSTER_E_REFUSED;
    return e->names_mode == REFUSES ? CLUSTER_E_REFUSED : 0;
}

static void answer(int fd, int mode, const uint8_t *bytes, size_t size)
{
    size_t i;
    switch (mode) {
    case DRIBBLES:
        for (i = 0; i < size; i++)
            fake_push(&f, fd, bytes + i, 1, NULL);
        break;
    case RESETS:
        fake_push(&f, fd, bytes, size / 2, NULL);
        f.s[fd].recv_error = CLUSTER_E_CLOSED;
        return;
    case CLOSES:
        break;
    case SHORT:
        fake_push(&f, fd, bytes, size - 1, NULL);
        break;
    case GARBAGE:
        fake_push(&f, fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, NULL);
        break;
    case SILENT:
        return;
    default:
        if (size)
            fake_push(&f, fd, bytes, size, NULL);
    }
    f.s[fd].ended = true;
}

static void sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    static uint8_t reply[300000];
    struct fake_socket *socket = &machine->s[fd];
    struct epmd *e;
    size_t length = 4, i;
    (void)size;
    if (socket->peer.port == 53) {
        dns_asked(machine, fd, data);
        return;
    }
    e = at(&socket->peer);
    if (socket->out_size < 3 || socket->out_size < 2u + (size_t)(socket->out[0] << 8 | socket->out[1]))
        return;
    assert_int_equal(socket->out_size, 2 + (socket->out[0] << 8 | socket->out[1])); /* one question a connection */
    e->asked++;
    memset(reply, 0, 4);
    if (socket->out[2] == 'n') {
        assert_int_equal(socket->out_size, 3);
        for (i = 0; i < 8 && e->names[i].name; i++)
            length += (size_t)sprintf((char *)reply + length, "name %s at port %u\n", e->names[i].name,
                                      e->names[i].port ? e->names[i].port : 1);
        if (e->extra)
            length += (size_t)sprintf((char *)reply + length, "%s", e->extra);
        if (e->names_mode == CUT_LINE)
            length -= 3;
        if (e->names_mode == SHORT)
            length = 4; /* and one less */
        if (e->names_mode == ENDLESS) {
            memset(reply + 4, 'x', sizeof reply - 4);
            length = sizeof reply;
        }
        answer(fd, e->names_mode, reply, length);
        if (e->names_mode == ENDLESS)
            socket->ended = false;
        return;
    }
    assert_int_equal(socket->out[2], 'z');
    length = 2;
    memcpy(reply, "w\1", 2);
    for (i = 0; i < 8 && e->names[i].name; i++) {
        size_t name = strlen(e->names[i].name);
        if (!e->names[i].port || name != socket->out_size - 3 || memcmp(e->names[i].name, socket->out + 3, name) != 0)
            continue;
        memcpy(reply, "w\0__M\0\0\6\0\5\0_", 13);
        reply[2] = (uint8_t)(e->names[i].port >> 8);
        reply[3] = (uint8_t)e->names[i].port;
        reply[11] = (uint8_t)name;
        memcpy(reply + 12, e->names[i].name, name);
        if (e->port_mode == OTHER_NAME)
            reply[12] = '!';
        memset(reply + 12 + name, 0, 2);
        length = 14 + name;
    }
    answer(fd, e->port_mode, reply, length);
}

static void host(int index, struct cluster_address address, uint16_t port)
{
    epmds[index].address = address;
    epmds[index].address.port = port;
}

static int machine(void **state)
{
    (void)state;
    memset(epmds, 0, sizeof epmds);
    memset(&mirror, 0, sizeof mirror);
    looked_up = 0;
    host(0, fake_address(10, 0, 0, 1, 0), 4369);
    host(1, fake_address(10, 0, 0, 2, 0), 4370);
    host(2, fake_address(127, 0, 0, 1, 0), 4369);
    epmds[0].names[0].name = "one";
    epmds[0].names[0].port = 9101;
    epmds[0].names[1].name = "two";
    epmds[0].names[1].port = 9102;
    epmds[1].names[0].name = "three";
    epmds[1].names[0].port = 9103;
    now_ns = 100 * SECOND;
    return 0;
}

static void begin_as(const char *url, const char *node)
{
    struct cluster_options o = fake_begin(&f);
    f.connected = connected;
    f.sent = sent;
    o.node = node;
    assert_int_equal(cluster_create(&c, &o), 0);
    s = NULL;
    if (url && cluster_discover(c, url, &s) != 0)
        fail_msg("%s", cluster_last_error(c));
}

static void begin_on(const char *url)
{
    begin_as(url, NULL);
}

static void round_now(void)
{
    assert_int_equal(cluster_source_refresh(s), 0);
    wait_ms(0);
}

/* ---- answers ---------------------------------------------------------- */

static void every_name_with_its_port(void **state)
{
    const struct cluster_member *m;
    unsigned long opened;
    (void)state;
    begin_on("epmd:10.0.0.1,10.0.0.2:4370");
    wait_ms(0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    expect("one@10.0.0.1 three@10.0.0.2 two@10.0.0.1");
    m = cluster_member_find(c, "three@10.0.0.2");
    assert_int_equal(m->port, 9103);
    assert_string_equal(m->address, "10.0.0.2");
    assert_int_equal(epmds[0].asked, 3);
    assert_int_equal(epmds[1].asked, 2);
    opened = f.calls[FAKE_OPEN];
    assert_int_equal(opened, 5);
    wait_ms(100);
    assert_int_equal(f.calls[FAKE_OPEN], opened);
    assert_int_equal(fake_count_open(&f), 0);
    epmds[0].names[0].port = 9999;
    round_now();
    assert_int_equal(mirror.changed, CLUSTER_CHANGED_PORT);
    assert_int_equal(cluster_member_find(c, "one@10.0.0.1")->port, 9999);
    /* Three rounds without it. */
    epmds[1].names[0].name = NULL;
    round_now();
    round_now();
    expect("one@10.0.0.1 three@10.0.0.2 two@10.0.0.1");
    round_now();
    expect("one@10.0.0.1 two@10.0.0.1");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    epmds[0].names[0].name = NULL;
    round_now();
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

static void dribbled(void **state)
{
    (void)state;
    epmds[0].names_mode = epmds[0].port_mode = DRIBBLES;
    begin_on("epmd:10.0.0.1");
    wait_ms(0);
    expect("one@10.0.0.1 two@10.0.0.1");
    end();
}

/* A question that goes out byte by byte, to a peer that takes its time. */
static int64_t slow_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    struct fake *on = (struct fake *)ctx;
    if (on->calls[FAKE_SEND] % 2)
        return on->calls[FAKE_SEND]++, CLUSTER_E_AGAIN;
    return fake_send(ctx, fd, data, size ? 1 : 0, to);
}

static void slow_to_take(void **state)
{
    struct cluster_options o = fake_begin(&f);
    (void)state;
    f.connected = connected;
    f.sent = sent;
    f.io.send = slow_send;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "epmd:10.0.0.1", &s), 0);
    wait_ms(0);
    expect("one@10.0.0.1 two@10.0.0.1");
    end();
}

static void one_name_only(void **state)
{
    (void)state;
    begin_on("epmd:10.0.0.1,10.0.0.2:4370?name=two");
    wait_ms(0);
    expect("two@10.0.0.1");
    assert_int_equal(epmds[0].asked, 1); /* nobody needs the list */
    assert_int_equal(epmds[1].asked, 1);
    epmds[0].names[1].port = 0;
    round_now();
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

/* NAMES is what others wrote: a name is a node only if PORT_PLEASE2 knows it, with the port that is said there. */
static void forged_names(void **state)
{
    struct cluster_counts counts;
    (void)state;
    epmds[0].extra = "name ghost at port 6666\nname one at port 6666\nname  at port 1\nnonsense\nname x at port 0\n"
                     "name a@b at port 5\nname two at port 9102\n";
    begin_on("epmd:10.0.0.1");
    wait_ms(0);
    expect("one@10.0.0.1 two@10.0.0.1");
    assert_int_equal(cluster_member_find(c, "one@10.0.0.1")->port, 9101);
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    assert_true(counts.dropped == 4);
    end();
}

static void gone_between_the_questions(void **state)
{
    (void)state;
    epmds[0].names[1].port = 0;
    begin_on("epmd:10.0.0.1");
    wait_ms(0);
    expect("one@10.0.0.1");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    end();
    machine(state);
    epmds[0].port_mode = OTHER_NAME; /* an answer about somebody else is none about this one */
    begin_on("epmd:10.0.0.1");
    wait_ms(0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

/* ---- failures --------------------------------------------------------- */

/* Whatever one host does wrong: the round has failed, with a sentence that names the host, and nobody comes or goes. */
static void one_host_fails(void **state)
{
    static const struct {
        int names_mode, port_mode, error;
        const char *words;
    } table[] = {
        {REFUSES, WELL, CLUSTER_E_REFUSED, "none runs there"},
        {REFUSES_LATER, WELL, CLUSTER_E_REFUSED, "none runs there"},
        {RESETS, WELL, CLUSTER_E_CLOSED, "connection closed"},
        {WELL, RESETS, CLUSTER_E_CLOSED, "connection closed"},
        {CLOSES, WELL, CLUSTER_E_PROTOCOL, "is that port an epmd's?"},
        {SHORT, WELL, CLUSTER_E_PROTOCOL, "is that port an epmd's?"},
        {CUT_LINE, WELL, CLUSTER_E_PROTOCOL, "cut"},
        {WELL, CLOSES, CLUSTER_E_PROTOCOL, "malformed or cut"},
        {WELL, SHORT, CLUSTER_E_PROTOCOL, "malformed or cut"},
        {WELL, GARBAGE, CLUSTER_E_PROTOCOL, "malformed or cut"},
        {ENDLESS, WELL, CLUSTER_E_LIMIT, "256 KiB"},
        {SILENT, WELL, CLUSTER_E_TIMEOUT, "timeout="},
        {WELL, SILENT, CLUSTER_E_TIMEOUT, "timeout="},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        machine(state);
        begin_on("epmd:10.0.0.1,10.0.0.2:4370?interval=1h&timeout=3s");
        wait_ms(0);
        expect("one@10.0.0.1 three@10.0.0.2 two@10.0.0.1");
        epmds[0].names[1].name = "new";
        epmds[1].names_mode = table[i].names_mode;
        epmds[1].port_mode = table[i].port_mode;
        round_now();
        wait_ms(3000);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        assert_int_equal(cluster_source_error(s), table[i].error);
        if (!strstr(cluster_source_why(s), table[i].words))
            fail_msg("%s lacks %s", cluster_source_why(s), table[i].words);
        if (table[i].error != CLUSTER_E_TIMEOUT)
            assert_non_null(strstr(cluster_source_why(s), "10.0.0.2:4370"));
        expect("one@10.0.0.1 three@10.0.0.2 two@10.0.0.1");
        assert_true(cluster_revision(c) == 3);
        /* And back. */
        epmds[1].names_mode = epmds[1].port_mode = WELL;
        round_now();
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        assert_non_null(cluster_member_find(c, "new@10.0.0.1"));
        wait_ms(0);
        assert_int_equal(fake_count_open(&f), 0);
        end();
    }
}

/* What is no NAMES reply holds no names. */
static void garbage_for_names(void **state)
{
    (void)state;
    epmds[0].names_mode = GARBAGE;
    begin_on("epmd:10.0.0.1");
    wait_ms(0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_PROTOCOL);
    end();
}

/* The system says no. */
static void no_sockets(void **state)
{
    (void)state;
    begin_on("epmd:10.0.0.1");
    f.errors[FAKE_OPEN] = CLUSTER_E_LIMIT;
    wait_ms(0);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_LIMIT);
    f.errors[FAKE_OPEN] = 0;
    f.errors[FAKE_CONNECT] = CLUSTER_E_UNREACHABLE;
    round_now();
    assert_int_equal(cluster_source_error(s), CLUSTER_E_UNREACHABLE);
    assert_string_equal(cluster_source_why(s), "epmd at 10.0.0.1: unreachable");
    f.errors[FAKE_CONNECT] = 0;
    round_now();
    expect("one@10.0.0.1 two@10.0.0.1");
    end();
}

static void lost_descriptor(void **state)
{
    struct pollfd fds[2];
    (void)state;
    epmds[0].names_mode = SILENT;
    begin_on("epmd:10.0.0.1");
    wait_ms(0);
    assert_int_equal(cluster_watches(c, fds, 2), 1);
    f.s[fds[0].fd].open = false;
    f.s[fds[0].fd].closes++;
    fds[0].revents = POLLNVAL;
    assert_int_equal(cluster_step(c, now_ns, fds, 1), 0);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_CLOSED);
    assert_int_equal(f.calls[FAKE_CLOSE], 0);
    epmds[0].names_mode = WELL;
    round_now();
    expect("one@10.0.0.1 two@10.0.0.1");
    end();
}

/* Every allocation and every hook call of a round fails once, and everything from there on. */
#ifndef CLUSTER_NO_DNS
#define SECOND_HOST "db2.example"
#else
#define SECOND_HOST "10.0.0.2"
#endif

static void every_allocation_and_hook(void **state)
{
    unsigned long n;
    int all;
    (void)state;
    for (all = 0; all < 2; all++)
        for (n = 1;; n++) {
            bool done;
            machine(state);
            begin_on("epmd:10.0.0.1," SECOND_HOST ":4370?interval=1h");
            fake_memory_fail(&f.memory, n, all);
            wait_ms(0);
            done = !f.memory.failures;
            fake_memory_fail(&f.memory, 0, false);
            if (cluster_source_state(s) == CLUSTER_SOURCE_FAILED) {
                assert_int_equal(cluster_source_error(s), CLUSTER_E_MEMORY);
                assert_int_equal(cluster_member_count(c), 0);
            }
            wait_ms(0);
            round_now();
            expect("one@10.0.0.1 three@" SECOND_HOST " two@10.0.0.1");
            end();
            if (done) {
                assert_true(n > 10);
                break;
            }
        }
}

/* ---- hosts ------------------------------------------------------------ */

static void ports(void **state)
{
    (void)state;
    host(0, fake_address(10, 0, 0, 1, 0), 5555);
    begin_on("epmd:10.0.0.1,10.0.0.2:4370");
    f.variables[0][0] = "ERL_EPMD_PORT";
    f.variables[0][1] = "5555";
    wait_ms(0);
    expect("one@10.0.0.1 three@10.0.0.2 two@10.0.0.1");
    end();
}

static void ipv6(void **state)
{
    (void)state;
    memset(&epmds[0].address, 0, sizeof epmds[0].address);
    epmds[0].address.family = 6;
    epmds[0].address.bytes[15] = 1;
    epmds[0].address.port = 4369;
    begin_on("epmd:[::1]");
    wait_ms(0);
    expect("one@::1 two@::1");
    end();
}

static void names_of_hosts(void **state)
{
    (void)state;
    begin_on("epmd:db1,DB2.example:4370");
    f.files[0].path = "/etc/hosts";
    f.files[0].text = "127.0.0.1 localhost\n10.0.0.1 db1\n10.0.0.2\tdb2.example db2\n";
    f.files[0].stamp = 1;
    wait_ms(0);
    expect("one@db1 three@DB2.example two@db1");
    assert_string_equal(cluster_member_find(c, "one@db1")->address, "10.0.0.1");
    assert_int_equal(looked_up, 0);
    end();
    begin_on("epmd:10.0.0.1:x");
    wait_ms(0);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_source_why(s), "HOST[:PORT]"));
    end();
}

#ifndef CLUSTER_NO_DNS

/* What is in no file is asked for, in each round, and the lowest of its addresses is taken. */
static void names_in_dns(void **state)
{
    (void)state;
    begin_on("epmd:db1,DB2.example:4370");
    wait_ms(0);
    expect("one@db1 three@DB2.example two@db1");
    assert_string_equal(cluster_member_find(c, "one@db1")->address, "10.0.0.1");
    assert_string_equal(cluster_member_find(c, "three@DB2.example")->address, "10.0.0.2");
    assert_int_equal(looked_up, 2);
    round_now();
    assert_int_equal(looked_up, 4);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    wait_ms(20);
    assert_int_equal(fake_count_open(&f), 0);
    end();
    /* with IPv6 alone */
    machine(state);
    memset(&epmds[0].address, 0, sizeof epmds[0].address);
    epmds[0].address.family = 6;
    epmds[0].address.bytes[0] = 0xfd;
    epmds[0].address.bytes[15] = 1;
    epmds[0].address.port = 4369;
    begin_on("epmd:six.example");
    wait_ms(0);
    expect("one@six.example two@six.example");
    assert_string_equal(cluster_member_at(c, 0)->address, "fd00::1");
    assert_int_equal(looked_up, 2);
    end();
}

/* The round fails, in the words of the resolver, and nobody leaves. */
static void names_that_dns_does_not_give(void **state)
{
    static const struct {
        const char *host, *why;
        int error;
    } table[] = {
        {"gone.example", "epmd at gone.example: neither DNS nor /etc/hosts has an address of it", CLUSTER_E_NOT_FOUND},
        {"none.example", "epmd at none.example: neither DNS nor /etc/hosts has an address of it", CLUSTER_E_NOT_FOUND},
        {"broken.example", "epmd at broken.example: DNS server 10.9.9.9:53 says SERVFAIL", CLUSTER_E_IO},
        {"refused.example", "epmd at refused.example: DNS server 10.9.9.9:53 refuses to answer", CLUSTER_E_REFUSED},
        {"silent.example", "epmd at silent.example: no DNS server at 10.9.9.9:53 answers", CLUSTER_E_TIMEOUT},
        {"a..b", "epmd at a..b: that is no name of a host", CLUSTER_E_INVALID},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        char url[64] = "epmd:10.0.0.1,";
        machine(state);
        begin_on("epmd:10.0.0.1");
        f.files[0].path = "/etc/resolv.conf";
        f.files[0].text = "nameserver 10.9.9.9\n";
        f.files[0].stamp = 1;
        wait_ms(0);
        strcat(url, table[i].host);
        assert_int_equal(cluster_discover(c, url, &s), 0);
        wait_ms(5000);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        if (strncmp(cluster_source_why(s), table[i].why, strlen(table[i].why)) != 0)
            fail_msg("%s", cluster_source_why(s));
        assert_null(strstr(cluster_source_why(s), "a node starts it"));
        assert_int_equal(cluster_source_error(s), table[i].error);
        expect("one@10.0.0.1 two@10.0.0.1");
        end();
    }
}

/* One question at a time, which ends with the handle. */
static void a_refresh_while_dns_is_asked(void **state)
{
    (void)state;
    begin_on("epmd:10.0.0.1,silent.example?timeout=60s");
    wait_ms(100);
    assert_int_equal(cluster_source_refresh(s), 0);
    wait_ms(100);
    assert_int_equal(looked_up, 1);
    assert_int_equal(fake_count_open(&f) - (int)c->loop.retired_count, 1);
    end();
}

#else

static void names_in_no_file(void **state)
{
    (void)state;
    begin_on("epmd:db1");
    wait_ms(0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_string_equal(cluster_source_why(s),
                        "epmd at db1: this version looks up no names but those in /etc/hosts: write its address");
    assert_int_equal(looked_up, 0);
    end();
}

#endif

/* The local one: its nodes bear the own host, else the short host name. */
static void the_local_host(void **state)
{
    static char long_host[400];
    (void)state;
    epmds[2].names[0].name = "app";
    epmds[2].names[0].port = 7;
    begin_on("epmd:");
    f.variables[0][0] = "HOSTNAME";
    f.variables[0][1] = "box.example.org";
    wait_ms(0);
    expect("app@box");
    end();
    begin_as("epmd:", "me@10.9.9.9");
    wait_ms(0);
    expect("app@10.9.9.9 me@10.9.9.9");
    end();
    begin_on("epmd:");
    wait_ms(0);
    expect("app@localhost");
    memset(long_host, 'h', sizeof long_host - 1);
    f.variables[0][0] = "HOSTNAME";
    f.variables[0][1] = long_host;
    round_now();
    expect("app@localhost");
    end();
    begin_on("epmd:localhost");
    wait_ms(0);
    expect("app@localhost");
    end();
}

/* ---- queries ---------------------------------------------------------- */

static const char *ask(int result, uint64_t request)
{
    unsigned long replies = mirror.seen[CLUSTER_REPLY];
    assert_int_equal(result, 0);
    assert_true(request > 0);
    assert_true(cluster_deadline(c) == 0);
    wait_ms(0);
    wait_ms(5000);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], replies + 1);
    assert_true(mirror.reply == request);
    wait_ms(0);
    assert_int_equal(fake_count_open(&f), 0);
    assert_true(cluster_deadline(c) == CLUSTER_NEVER);
    return mirror.reply_text;
}

static void names_query(void **state)
{
    uint64_t r = 0;
    int result;
    (void)state;
    begin_on(NULL);
    wait_ms(0);
    result = cluster_epmd_names(c, "10.0.0.1", &r);
    assert_string_equal(ask(result, r), "one 9101\ntwo 9102\n");
    assert_int_equal(mirror.reply_error, 0);
    result = cluster_epmd_names(c, "10.0.0.2:4370", &r);
    assert_string_equal(ask(result, r), "three 9103\n");
    result = cluster_epmd_names(c, NULL, &r);
    assert_string_equal(ask(result, r), "");
    assert_int_equal(mirror.reply_error, 0);
    epmds[0].names_mode = REFUSES;
    result = cluster_epmd_names(c, "10.0.0.1", &r);
    assert_non_null(strstr(ask(result, r), "epmd at 10.0.0.1: connection refused: none runs there"));
    assert_int_equal(mirror.reply_error, CLUSTER_E_REFUSED);
    epmds[0].names_mode = GARBAGE;
    result = cluster_epmd_names(c, "10.0.0.1", &r);
    (void)ask(result, r);
    assert_int_equal(mirror.reply_error, CLUSTER_E_PROTOCOL);
    result = cluster_epmd_names(c, "no such,host?", &r);
    assert_non_null(strstr(ask(result, r), "no such,host?"));
    assert_true(mirror.reply_error < 0);
    result = cluster_epmd_names(c, "10.0.0.1", NULL); /* whoever does not ask which */
    assert_int_equal(result, 0);
    wait_ms(6000);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 7);
    assert_int_equal(mirror.seen[CLUSTER_SOURCE] + mirror.seen[CLUSTER_JOIN], 0);
    end();
}

static void port_query(void **state)
{
    uint64_t r = 0;
    int result;
    (void)state;
    begin_on(NULL);
    wait_ms(0);
    result = cluster_epmd_port(c, "two@10.0.0.1", &r);
    assert_string_equal(ask(result, r), "9102");
    assert_int_equal(epmds[0].asked, 1);
    result = cluster_epmd_port(c, "nobody@10.0.0.1", &r);
    assert_non_null(strstr(ask(result, r), "no node of this name"));
    assert_int_equal(mirror.reply_error, CLUSTER_E_NOT_FOUND);
    result = cluster_epmd_port(c, "%,?&=@10.0.0.1", &r);
    (void)ask(result, r);
    assert_int_equal(mirror.reply_error, CLUSTER_E_NOT_FOUND);
    epmds[0].names[2].name = "%,?&=";
    epmds[0].names[2].port = 12;
    result = cluster_epmd_port(c, "%,?&=@10.0.0.1", &r);
    assert_string_equal(ask(result, r), "12");
    memset(&epmds[1].address, 0, sizeof epmds[1].address);
    epmds[1].address.family = 6;
    epmds[1].address.bytes[15] = 1;
    epmds[1].address.port = 4369;
    result = cluster_epmd_port(c, "three@::1", &r);
    assert_string_equal(ask(result, r), "9103");
    assert_int_equal(cluster_epmd_port(c, "nohost", &r), CLUSTER_E_INVALID);
    assert_int_equal(cluster_epmd_port(c, NULL, &r), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "NAME@HOST"));
    end();
}

/* Five seconds, whatever the jitter. */
static void a_query_ends_in_time(void **state)
{
    uint64_t seed;
    (void)state;
    epmds[0].names_mode = SILENT;
    for (seed = 1; seed < 30; seed++) {
        struct cluster_options o = fake_begin(&f);
        uint64_t request;
        f.connected = connected;
        f.sent = sent;
        o.seed = seed;
        memset(&mirror, 0, sizeof mirror);
        now_ns = 100 * SECOND;
        assert_int_equal(cluster_create(&c, &o), 0);
        wait_ms(0);
        assert_int_equal(cluster_epmd_names(c, "10.0.0.1", &request), 0);
        wait_ms(4999);
        assert_int_equal(mirror.seen[CLUSTER_REPLY], 0);
        wait_ms(1);
        assert_int_equal(mirror.seen[CLUSTER_REPLY], 1);
        assert_int_equal(mirror.reply_error, CLUSTER_E_TIMEOUT);
        end();
    }
}

static void no_memory_for_queries(void **state)
{
    unsigned long n;
    int all, which;
    (void)state;
    for (which = 0; which < 2; which++)
        for (all = 0; all < 2; all++)
            for (n = 1;; n++) {
                uint64_t request = 0;
                bool done;
                int result;
                machine(state);
                begin_on(NULL);
                wait_ms(0);
                fake_memory_fail(&f.memory, n, all);
                result = which ? cluster_epmd_port(c, "two@10.0.0.1", &request) : cluster_epmd_names(c, "10.0.0.1", &request);
                assert_true(result == 0 || result == CLUSTER_E_MEMORY || result == CLUSTER_E_AGAIN);
                wait_ms(0);
                done = !f.memory.failures;
                fake_memory_fail(&f.memory, 0, false);
                wait_ms(5000);
                assert_int_equal(mirror.seen[CLUSTER_REPLY], result == 0 ? 1 : 0);
                if (result == 0)
                    assert_true(mirror.reply == request &&
                                (mirror.reply_error == CLUSTER_E_MEMORY ||
                                 strcmp(mirror.reply_text, which ? "9102" : "one 9101\ntwo 9102\n") == 0));
                end();
                if (done)
                    break;
            }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, machine)
    const struct CMUnitTest tests[] = {
        TEST(every_name_with_its_port),
        TEST(dribbled),
        TEST(slow_to_take),
        TEST(one_name_only),
        TEST(forged_names),
        TEST(gone_between_the_questions),
        TEST(one_host_fails),
        TEST(garbage_for_names),
        TEST(no_sockets),
        TEST(lost_descriptor),
        TEST(every_allocation_and_hook),
        TEST(ports),
        TEST(ipv6),
        TEST(names_of_hosts),
#ifndef CLUSTER_NO_DNS
        TEST(names_in_dns),
        TEST(names_that_dns_does_not_give),
        TEST(a_refresh_while_dns_is_asked),
#else
        TEST(names_in_no_file),
#endif
        TEST(the_local_host),
        TEST(names_query),
        TEST(port_query),
        TEST(a_query_ends_in_time),
        TEST(no_memory_for_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
