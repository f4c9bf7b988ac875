/* A DNS server that sends an attack, and the real answer only 60 ms later: none is taken, the real one always is, and no step does
 * more than its share. On a virtual machine, where any source can be forged, and over real sockets. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <unistd.h>

#include "dns_message.h"
#include "fake_loop.h"

#define FORGED 0x06060606u
#define NAME "web.example"
#define LATER (60 * CLU_MS)
#define OK 0x8180

enum { HOME, OTHER_PORT, OTHER_HOST };

static struct message m, query;
static void (*emit)(const void *data, size_t size, int from);
static unsigned query_id, query_type;

/* ---- what it sends ---------------------------------------------------- */

static void header(unsigned flags)
{
    begin(&m, query_id, flags, NAME, query_type);
}

static void forged(void)
{
    if (query_type == CLUSTER_DNS_SRV)
        put_srv(&m, 30, 1, 1, 9999, "evil.example");
    else
        put_a(&m, 30, FORGED);
}

static void answer(unsigned flags)
{
    header(flags);
    forged();
}

/* An answer whose only record has this owner. */
static void owned(const char *owner, size_t size)
{
    header(OK);
    put(&m, owner, size);
    put_head(&m, ANSWER, 1, 30, 4);
    put32(&m, FORGED);
}

static void with_data(const void *data, size_t size)
{
    header(OK);
    put16(&m, 0xc00c);
    put_head(&m, ANSWER, query_type, 30, (unsigned)size);
    put(&m, data, size);
}

static void send_it(void)
{
    emit(m.data, m.size, HOME);
}

static void wrong_id(void)
{
    answer(OK);
    at16(&m, 0, query_id ^ 1);
    send_it();
}

static void flood_of_ids(void)
{
    unsigned i;
    for (i = 1; i < 900; i++) {
        answer(OK);
        at16(&m, 0, (query_id + i) & 0xffff);
        send_it();
    }
}

static void other_port(void)
{
    answer(OK);
    emit(m.data, m.size, OTHER_PORT);
}

static void other_host(void)
{
    answer(OK);
    emit(m.data, m.size, OTHER_HOST);
}

static void other_name(void)
{
    begin(&m, query_id, OK, "wab.example", query_type);
    forged();
    send_it();
}

static void longer_name(void)
{
    begin(&m, query_id, OK, NAME ".evil", query_type);
    forged();
    send_it();
}

static void other_type(void)
{
    begin(&m, query_id, OK, NAME, CLUSTER_DNS_TXT);
    forged();
    send_it();
}

static void other_class(void)
{
    header(OK);
    at16(&m, m.size - 2, 3);
    forged();
    send_it();
}

static void no_question(void)
{
    answer(OK);
    at16(&m, 4, 0);
    send_it();
}

static void two_questions(void)
{
    answer(OK);
    at16(&m, 4, 2);
    send_it();
}

static void a_query(void)
{
    answer(0x0180);
    send_it();
}

static void an_update(void)
{
    answer(OK | 5 << 11);
    send_it();
}

static void no_bytes(void)
{
    emit("", 0, HOME);
}

static void runt(void)
{
    answer(OK);
    m.size = 11;
    send_it();
}

static void header_alone(void)
{
    answer(OK);
    m.size = 12;
    send_it();
}

static void its_own_query(void)
{
    emit(query.data, query.size, HOME);
}

static void too_large(void)
{
    header(OK);
    while (m.size < 5000)
        forged();
    send_it();
}

static void pointer_to_itself(void)
{
    owned("\xc0\x1d", 2);
    send_it();
}

static void forward_pointer(void)
{
    owned("\xc0\x1f\0", 3);
    send_it();
}

static void header_pointer(void)
{
    owned("\xc0\x04", 2);
    send_it();
}

static void pointer_at_the_end(void)
{
    header(OK);
    put8(&m, 0xc0);
    at16(&m, ANSWER, 1);
    send_it();
}

static void pointer_chain(void)
{
    unsigned i, last = 12;
    size_t at;
    header(OK);
    put16(&m, 0xc00c);
    at = open_data(&m, ANSWER, 99, 5);
    for (i = 0; i < 400; i++) {
        put16(&m, 0xc000 | last);
        last = (unsigned)m.size - 2;
    }
    close_data(&m, at);
    put16(&m, 0xc000 | last);
    put_head(&m, ANSWER, 1, 5, 4);
    put32(&m, FORGED);
    send_it();
}

static void label_type_40(void)
{
    owned("\x41x\0", 3);
    send_it();
}

static void label_type_80(void)
{
    owned("\x80\x0c", 2);
    send_it();
}

static void name_over_255(void)
{
    char owner[513];
    unsigned i;
    for (i = 0; i < 512; i++)
        owner[i] = i % 2 ? 'a' : 1;
    owner[512] = 0;
    owned(owner, sizeof owner);
    send_it();
}

static void no_terminator(void)
{
    header(OK);
    put_labels(&m, NAME);
    at16(&m, ANSWER, 1);
    send_it();
}

static void too_many_records(void)
{
    answer(OK);
    at16(&m, ANSWER, 65535);
    send_it();
}

static void rdlength_past_the_end(void)
{
    header(OK);
    put16(&m, 0xc00c);
    put_head(&m, ANSWER, query_type, 30, 400);
    put32(&m, FORGED);
    send_it();
}

static void five_bytes(void)
{
    with_data("\6\6\6\6\6", 5);
    send_it();
}

static void rdlength_0(void)
{
    with_data("", 0);
    send_it();
}

static void alias_of_itself(void)
{
    header(OK);
    put_cname(&m, 30, NAME, NAME);
    forged();
    send_it();
}

static void alias_loop(void)
{
    header(OK);
    put_cname(&m, 30, NAME, "a");
    put_cname(&m, 30, "a", NAME);
    forged();
    send_it();
}

static void long_chain(void)
{
    char from[16] = NAME, to[16];
    unsigned i;
    header(OK);
    for (i = 0; i < 17; i++) {
        sprintf(to, "a%u", i);
        put_cname(&m, 30, from, to);
        strcpy(from, to);
    }
    put_name(&m, from);
    put_head(&m, ANSWER, 1, 30, 4);
    put32(&m, FORGED);
    send_it();
}

static void other_owner(void)
{
    owned("\4evil\0", 6);
    send_it();
}

static void in_authority(void)
{
    answer(OK);
    at16(&m, ANSWER, 0);
    at16(&m, AUTHORITY, 1);
    send_it();
}

static void in_additional(void)
{
    answer(OK);
    at16(&m, ANSWER, 0);
    at16(&m, ADDITIONAL, 1);
    send_it();
}

static void record_of_another_class(void)
{
    answer(OK);
    at16(&m, m.size - 12, 3);
    send_it();
}

static void another_type(void)
{
    header(OK);
    put_aaaa(&m, 30, 6);
    send_it();
}

static void two_opts(void)
{
    answer(OK);
    put_opt(&m, 0, 0);
    put_opt(&m, 0, 0);
    send_it();
}

static void broken_opt(void)
{
    answer(OK);
    put_opt(&m, 0, 5);
    put32(&m, 0x000a0008);
    put8(&m, 0);
    send_it();
}

static void nxdomain_with_records(void)
{
    answer(OK | 3);
    send_it();
}

static void servfail_with_records(void)
{
    answer(OK | 2);
    send_it();
}

static void refused_with_records(void)
{
    answer(OK | 5);
    send_it();
}

static void formerr_with_records(void)
{
    answer(OK | 1);
    send_it();
}

static void truncated_with_records(void)
{
    answer(OK | 0x0200);
    send_it();
}

static void srv_of_6_bytes(void)
{
    with_data("\0\1\0\1\0\x50", 6);
    send_it();
}

static void srv_with_newline(void)
{
    with_data("\0\1\0\1\0\x50\4evi\n\0", 12);
    send_it();
}

static void srv_with_nul(void)
{
    with_data("\0\1\0\1\0\x50\4e\0il\0", 12);
    send_it();
}

static void srv_with_at(void)
{
    with_data("\0\1\0\1\0\x50\4a@il\0", 12);
    send_it();
}

#define ATTACK(NAME)                                                                                                           \
    {                                                                                                                          \
#NAME, NAME, CLUSTER_DNS_A, 1                                                                                          \
    }
#define ON_SRV(NAME)                                                                                                           \
    {                                                                                                                          \
#NAME, NAME, CLUSTER_DNS_SRV, 1                                                                                        \
    }
#define ENDS_TRY(NAME)                                                                                                         \
    {                                                                                                                          \
#NAME, NAME, CLUSTER_DNS_A, 2                                                                                          \
    } /* the server says that it cannot, and is asked again */

static const struct attack {
    const char *name;
    void (*send)(void);
    unsigned type, queries;
} attacks[] = {
    ATTACK(wrong_id),
    ATTACK(flood_of_ids),
    ATTACK(other_port),
    ATTACK(other_host),
    ATTACK(other_name),
    ATTACK(longer_name),
    ATTACK(other_type),
    ATTACK(other_class),
    ATTACK(no_question),
    ATTACK(two_questions),
    ATTACK(a_query),
    ATTACK(an_update),
    ATTACK(no_bytes),
    ATTACK(runt),
    ATTACK(header_alone),
    ATTACK(its_own_query),
    ATTACK(too_large),
    ATTACK(pointer_to_itself),
    ATTACK(forward_pointer),
    ATTACK(header_pointer),
    ATTACK(pointer_at_the_end),
    ATTACK(pointer_chain),
    ATTACK(label_type_40),
    ATTACK(label_type_80),
    ATTACK(name_over_255),
    ATTACK(no_terminator),
    ATTACK(too_many_records),
    ATTACK(rdlength_past_the_end),
    ATTACK(five_bytes),
    ATTACK(rdlength_0),
    ATTACK(alias_of_itself),
    ATTACK(alias_loop),
    ATTACK(long_chain),
    ATTACK(other_owner),
    ATTACK(in_authority),
    ATTACK(in_additional),
    ATTACK(record_of_another_class),
    ATTACK(another_type),
    ATTACK(two_opts),
    ATTACK(broken_opt),
    ATTACK(nxdomain_with_records),
    ENDS_TRY(servfail_with_records),
    ENDS_TRY(refused_with_records),
    ENDS_TRY(formerr_with_records),
    ENDS_TRY(truncated_with_records),
    ON_SRV(srv_of_6_bytes),
    ON_SRV(srv_with_newline),
    ON_SRV(srv_with_nul),
    ON_SRV(srv_with_at),
};

static void real_answer(void)
{
    header(OK);
    if (query_type == CLUSTER_DNS_SRV) {
        put_srv(&m, 30, 1, 1, 9100, "a.example");
        put_srv(&m, 30, 1, 1, 9100, "b.example");
    } else {
        put_a(&m, 30, 0x0a000101);
        put_a(&m, 30, 0x0a000102);
    }
}

/* ---- the two machines ------------------------------------------------- */

static struct fake f;
static struct cluster *c;
static struct cluster_source *s;
static uint64_t now_ns;
static unsigned queries;
static int asked_on;
static bool stream; /* the last query came over TCP */

static void took_query(const uint8_t *data, size_t size)
{
    query.size = 0;
    put(&query, data, size);
    query_id = get16(&query, 0);
    queries++;
}

/* The virtual one. */

static void fake_emit(const void *data, size_t size, int from)
{
    struct cluster_address a = f.s[asked_on].peer;
    if (stream) {
        uint8_t length[2];
        length[0] = (uint8_t)(size >> 8);
        length[1] = (uint8_t)size;
        fake_push(&f, asked_on, length, 2, NULL);
    }
    a.port = (uint16_t)(a.port + (from == OTHER_PORT));
    a.bytes[3] = (uint8_t)(a.bytes[3] + (from == OTHER_HOST));
    fake_push(&f, asked_on, data, size, &a);
}

static void fake_asked(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    asked_on = fd;
    stream = machine->s[fd].kind == CLUSTER_TCP;
    if (stream) {
        took_query(machine->s[fd].out + 2, machine->s[fd].out_size - 2);
        machine->s[fd].out_size = 0;
    } else {
        took_query(data, size);
    }
}

static void fake_turn(void)
{
    unsigned long before;
    struct pollfd fds[8];
    do {
        before = f.all;
        (void)fake_step(&f, c, now_ns);
        assert_true(f.all - before <= 1024 + 64);
    } while (fake_poll(&f, fds, cluster_watches(c, fds, 8)) || cluster_deadline(c) <= now_ns);
}

static void fake_machine(struct cluster_options *o, char *server)
{
    *o = fake_begin(&f);
    f.sent = fake_asked;
    emit = fake_emit;
    strcpy(server, "10.9.9.9:5353");
}

/* The real one: a server in this process, without a thread. TCP is not answered here. */

static int sockets[3]; /* of the server, of another port, of another address */
static struct sockaddr_in client;
static unsigned ports[64], port_count;

static void real_emit(const void *data, size_t size, int from)
{
    assert_int_equal(sendto(sockets[from], data, size, 0, (const struct sockaddr *)&client, sizeof client), (int)size);
}

static int real_socket(const char *address, unsigned port)
{
    struct sockaddr_in a;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), large = 1 << 20;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void real_turn(void)
{
    struct pollfd fds[8];
    uint8_t data[512];
    do {
        size_t count = cluster_watches(c, fds, 8);
        socklen_t length = sizeof client;
        struct sockaddr_in from;
        ssize_t size;
        memset(&from, 0, sizeof from);
        (void)poll(fds, count, 0);
        assert_int_equal(cluster_step(c, now_ns, fds, count), 0);
        size = recvfrom(sockets[HOME], data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
        if (size > 0) {
            client = from;
            if (port_count < CLU_COUNT(ports))
                ports[port_count++] = ntohs(client.sin_port);
            took_query(data, (size_t)size);
        }
    } while (poll(fds, cluster_watches(c, fds, 8), 0) > 0 || cluster_deadline(c) <= now_ns);
}

static void real_machine(struct cluster_options *o, char *server)
{
    struct sockaddr_in a;
    socklen_t length = sizeof a;
    sockets[HOME] = real_socket("127.0.0.1", 0);
    assert_int_equal(getsockname(sockets[HOME], (struct sockaddr *)&a, &length), 0);
    sockets[OTHER_PORT] = real_socket("127.0.0.1", 0);
    sockets[OTHER_HOST] = real_socket("127.0.0.2", ntohs(a.sin_port));
    cluster_options_init(o);
    emit = real_emit;
    sprintf(server, "127.0.0.1:%u", ntohs(a.sin_port));
}

/* ---- the tests -------------------------------------------------------- */

static const char *current;

#define EXPECT(TRUTH)                                                                                                          \
    do {                                                                                                                       \
        if (!(TRUTH))                                                                                                          \
            fail_msg("%s: %s; state %d, %s", current, #TRUTH, cluster_source_state(s), cluster_source_why(s));                 \
    } while (0)

/* Queries come, the attack is sent; nothing has come of it; later the real answer is sent, which counts. */
static void attacked(const struct attack *a, void (*machine)(struct cluster_options *o, char *server), void (*turn)(void))
{
    struct cluster_options o;
    char server[32], url[128];
    unsigned members;
    current = a->name;
    queries = 0;
    stream = false;
    query_type = a->type;
    now_ns = 1000 * CLU_SECOND;
    machine(&o, server);
    assert_int_equal(cluster_create(&c, &o), 0);
    sprintf(url, "dns:" NAME "?type=%s&node=n&server=%s&hosts=off", a->type == CLUSTER_DNS_A ? "a" : "srv&host=name", server);
    assert_int_equal(cluster_discover(c, url, &s), 0);
    turn();
    EXPECT(queries == 1);
    a->send();
    turn();
    now_ns += LATER / 2;
    turn();
    EXPECT(cluster_member_count(c) == 0);
    EXPECT(cluster_source_state(s) == CLUSTER_SOURCE_STARTING);
    EXPECT(queries == a->queries);
    now_ns += LATER / 2;
    real_answer();
    send_it();
    turn();
    EXPECT(queries == a->queries);
    EXPECT(cluster_source_state(s) == CLUSTER_SOURCE_ANSWER);
    members = (unsigned)cluster_member_count(c);
    EXPECT(members == 2);
    EXPECT(strcmp(cluster_member_at(c, 0)->name, a->type == CLUSTER_DNS_A ? "n@10.0.1.1" : "n@a.example") == 0);
    cluster_destroy(c);
}

static void on_a_virtual_machine(void **state)
{
    size_t i;
    (void)state;
    assert_true(CLU_COUNT(attacks) >= 30);
    for (i = 0; i < CLU_COUNT(attacks); i++) {
        attacked(&attacks[i], fake_machine, fake_turn);
        fake_end(&f);
    }
}

static void over_real_sockets(void **state)
{
    unsigned i, j;
    (void)state;
    port_count = 0;
    for (i = 0; i < CLU_COUNT(attacks); i++) {
        if (attacks[i].send == truncated_with_records)
            continue;
        attacked(&attacks[i], real_machine, real_turn);
        for (j = 0; j < 3; j++)
            (void)close(sockets[j]);
    }
}

/* The source port of the next query is not to be guessed from those before. */
static void ports_change(void **state)
{
    unsigned same = 0, next = 0, i;
    (void)state;
    assert_true(port_count > 40);
    for (i = 1; i < port_count; i++) {
        same += ports[i] == ports[i - 1];
        next += ports[i] == ports[i - 1] + 1;
    }
    assert_true(same < 10 && next < 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_virtual_machine),
        cmocka_unit_test(over_real_sockets),
        cmocka_unit_test(ports_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
