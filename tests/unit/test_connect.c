/* options.connect: a host that connects by itself, probes of ports and of epmds, hosts that are names; who counts, what comes again. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "dns_message.h"
#include "one_handle.h"

#define SECOND FAKE_SECOND
#define MANY 1000

/* ---- the network ------------------------------------------------------- */

enum { ANSWERS, REFUSES, HANGS };

static struct place {
    uint32_t ip; /* its last four bytes */
    uint16_t port;
    int way;
    unsigned accepted;
} places[8];

static int place_count, epmd_way;
static const char *registered; /* a name that epmd has, on port 9100 */
static unsigned asked, looked_up, worst, announced;

static const struct zone {
    const char *name;
    uint32_t a[3], aaaa;
} zone[] = {
    {"db1", {0x0a000001}, 0},
    {"six.example", {0}, 6},
    {"many.example", {0x0a000011, 0x0a000012, 0x0a000013}, 0},
    {"none.example", {0}, 0},
};

static uint32_t tail(const struct cluster_address *a)
{
    const uint8_t *b = a->bytes + (a->family == 4 ? 0 : 12);
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static struct place *place_at(const struct cluster_address *to)
{
    int i;
    for (i = 0; i < place_count; i++)
        if (places[i].ip == tail(to) && places[i].port == to->port)
            return &places[i];
    return NULL;
}

static int connected(struct fake *machine, int fd, const struct cluster_address *to)
{
    struct place *p = place_at(to);
    unsigned open = (unsigned)fake_count_open(machine);
    int way = p ? p->way : to->port == 4369 || to->port == 53 ? epmd_way : REFUSES;
    worst = open > worst ? open : worst;
    if (p)
        p->accepted++;
    if (to->port == 53)
        return 0;
    asked += to->port == 4369;
    if (way == REFUSES)
        machine->s[fd].send_error = CLUSTER_E_REFUSED;
    if (way == HANGS)
        machine->s[fd].send_error = CLUSTER_E_AGAIN;
    return 0;
}

static void dns_asked(int fd, const uint8_t *data)
{
    static struct message m;
    char name[256];
    const struct zone *z = NULL;
    unsigned type = asked_for(data, name);
    size_t i;
    looked_up++;
    if (!strcmp(name, "silent.example"))
        return;
    for (i = 0; i < CLU_COUNT(zone); i++)
        z = !strcmp(zone[i].name, name) ? &zone[i] : z;
    begin(&m, (unsigned)data[0] << 8 | data[1], 0x8180 | (z ? 0 : 3), name, type);
    for (i = 0; z && type == 1 && i < 3 && z->a[i]; i++)
        put_a(&m, 30, z->a[i]);
    if (z && type == 28 && z->aaaa)
        put_aaaa(&m, 30, z->aaaa);
    fake_push(&f, fd, m.data, m.size, &f.s[fd].peer);
}

static void sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    uint8_t reply[64] = "w\1";
    size_t length = 2, name = registered ? strlen(registered) : 0;
    announced += machine->s[fd].peer.port == 45892;
    if (machine->s[fd].peer.port == 53)
        dns_asked(fd, data);
    if (machine->s[fd].peer.port != 4369 || size < 4)
        return;
    assert_int_equal(data[2], 'z');
    if (name && size == 3 + name && memcmp(data + 3, registered, name) == 0) {
        memcpy(reply, "w\0__M\0\0\6\0\5\0_", 13);
        clu_put_be(reply + 2, 9100, 2);
        reply[11] = (uint8_t)name;
        memcpy(reply + 12, registered, name);
        length = 14 + name;
    }
    fake_push(machine, fd, reply, length, NULL);
    machine->s[fd].ended = true;
}

static struct place *place(uint32_t ip, uint16_t port)
{
    struct place *p = &places[place_count++];
    memset(p, 0, sizeof *p);
    p->ip = ip;
    p->port = port;
    return p;
}

/* ---- the host ---------------------------------------------------------- */

static struct {
    unsigned connects, disconnects;
    char name[256];
} told;

static unsigned (*told_by_name)[2]; /* of node0@h ... */
static int does;                    /* what it reports at once; 0: nothing */

static void heard(const struct cluster_event *e)
{
    if (e->type != CLUSTER_CONNECT && e->type != CLUSTER_DISCONNECT)
        return;
    assert_non_null(e->member);
    assert_true(e->time == c->loop.now);
    assert_int_equal(e->member->state, e->type == CLUSTER_CONNECT ? CLUSTER_MEMBER_DIALLED : CLUSTER_MEMBER_UP);
    told.connects += e->type == CLUSTER_CONNECT;
    told.disconnects += e->type == CLUSTER_DISCONNECT;
    strcpy(told.name, e->member->name);
    if (told_by_name)
        told_by_name[atoi(e->member->name + 4)][e->type == CLUSTER_DISCONNECT]++;
    assert_true(c->mesh.dials.count <= c->mesh.dials.limit);
    if (does)
        assert_int_equal(cluster_report(c, e->member->name, does, 0), 0);
}

static int machine(void **state)
{
    (void)state;
    memset(&mirror, 0, sizeof mirror);
    memset(&told, 0, sizeof told);
    mirror.heard = heard;
    told_by_name = NULL;
    does = place_count = epmd_way = 0;
    asked = looked_up = worst = announced = 0;
    registered = NULL;
    now_ns = 100 * SECOND;
    return 0;
}

static struct cluster_options options(const char *connect)
{
    struct cluster_options o = fake_begin(&f);
    f.connected = connected;
    f.sent = sent;
    f.files[0].path = "/etc/resolv.conf";
    f.files[0].text = "nameserver 10.0.0.53\n";
    f.files[0].stamp = f.files[1].stamp = 1;
    o.connect = connect;
    return o;
}

static void start(const struct cluster_options *o, const char *url)
{
    assert_int_equal(cluster_create(&c, o), 0);
    if (cluster_discover(c, url, NULL) != 0)
        fail_msg("%s", cluster_last_error(c));
}

static void plain(const char *connect, const char *url)
{
    struct cluster_options o = options(connect);
    start(&o, url);
}

/* As wait_ms, with a host that reads its events as they come. */
static void live(uint64_t ms)
{
    uint64_t until = now_ns + ms * CLU_MS;
    while (now_ns < until)
        wait_ms(20);
}

static uint32_t state_of(const char *name)
{
    const struct cluster_member *m = cluster_member_find(c, name);
    assert_non_null(m);
    return m->state;
}

static void report(const char *name, int outcome, int error)
{
    if (cluster_report(c, name, outcome, error) != 0)
        fail_msg("%s", cluster_last_error(c));
    mirror_check(&mirror, c);
}

static void publish(const char *name, uint32_t port, uint32_t flags)
{
    struct cluster_node one;
    memset(&one, 0, sizeof one);
    one.size = (uint32_t)sizeof one;
    one.name = name;
    one.port = port;
    one.flags = flags;
    assert_int_equal(cluster_source_publish(cluster_source_at(c, 0), &one, name != NULL), 0);
    mirror_check(&mirror, c);
}

/* ---- a host that connects by itself ------------------------------------ */

static void asked_and_reported(void **state)
{
    struct cluster_options o = options("host");
    (void)state;
    o.quorum = 2;
    start(&o, "static:a@h");
    wait_ms(0);
    assert_int_equal(told.connects, 1);
    assert_string_equal(told.name, "a@h");
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_DIALLED);
    assert_int_equal(mirror.seen[CLUSTER_UP], 0);
    assert_int_equal(cluster_status(c), CLUSTER_FORMING);
    assert_int_equal(f.calls[FAKE_OPEN] + f.calls[FAKE_READ_FILE], 0); /* nothing is looked up or opened */
    report("a@h", CLUSTER_REPORT_UP, 0);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    report("a@h", CLUSTER_REPORT_UP, 0); /* once more is nothing new */
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    wait_ms(0);
    assert_int_equal(cluster_status(c), CLUSTER_READY);
    wait_ms(100000);
    assert_int_equal(told.connects, 1);
    report("a@h", CLUSTER_REPORT_DOWN, CLUSTER_E_TIMEOUT);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_DOWN);
    assert_int_equal(mirror.down_error, CLUSTER_E_TIMEOUT);
    assert_string_equal(mirror.down_text, "timeout");
    assert_int_equal(told.connects, 1);
    wait_ms(0);
    assert_int_equal(cluster_status(c), CLUSTER_DEGRADED);
    wait_ms(201);
    assert_int_equal(told.connects, 2);
    report("a@h", CLUSTER_REPORT_UP, 0);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    assert_int_equal(c->mesh.dials.count, 0);
    end();
}

/* Two-phase: what was not said, or failed, is asked for again; each new reason is told once. */
static void unreported_and_failed(void **state)
{
    (void)state;
    plain("host", "static:a@h");
    live(6900);
    assert_int_equal(told.connects, 1);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    live(400);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(mirror.down_error, CLUSTER_E_TIMEOUT);
    assert_non_null(strstr(mirror.down_text, "cluster_report"));
    live(100000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_true(told.connects > 4 && told.connects < 14);
    does = CLUSTER_REPORT_FAILED;
    told.connects = 0;
    live(600000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    assert_int_equal(mirror.down_error, CLUSTER_E_CLOSED);
    assert_true(told.connects > 20 && told.connects < 80); /* one in 15 s, on average */
    does = CLUSTER_REPORT_UP;
    live(31000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    end();
}

/* A report that comes late counts all the same; and whoever connects to us does. */
static void late_and_unasked(void **state)
{
    (void)state;
    plain("host", "static:a@h");
    live(8000);
    assert_int_equal(state_of("a@h") == CLUSTER_MEMBER_UP, false);
    report("a@h", CLUSTER_REPORT_UP, 0);
    live(60000);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    told.connects = 0;
    /* One that no source lists is a member for as long. */
    report("x@h", CLUSTER_REPORT_UP, 0);
    assert_int_equal(cluster_member_find(c, "x@h")->flags, CLUSTER_MEMBER_ACCEPTED);
    assert_int_equal(state_of("x@h"), CLUSTER_MEMBER_UP);
    wait_ms(0);
    assert_int_equal(c->status.count, 2);
    report("x@h", CLUSTER_REPORT_DOWN, 0);
    assert_null(cluster_member_find(c, "x@h"));
    live(60000);
    assert_int_equal(told.connects, 0);
    assert_int_equal(cluster_report(c, "x@h", CLUSTER_REPORT_DOWN, 0), CLUSTER_E_NOT_FOUND);
    end();
}

/* The time of a host that does not read its events does not run. */
static void unread(void **state)
{
    (void)state;
    plain("host", "static:a@h,b@h");
    fake_run(&f, c, &now_ns, now_ns + 104 * SECOND);
    mirror_check(&mirror, c);
    assert_int_equal(told.connects, 2);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    /* It begins when that is read. */
    live(6900);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    live(200);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    end();
}

static void ignored(void **state)
{
    (void)state;
    plain("host", "push:x");
    publish("a@h", 1, 0);
    does = CLUSTER_REPORT_IGNORED;
    live(100000);
    assert_int_equal(told.connects, 1);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UNLINKED);
    publish("a@h", 1, 0);
    live(100000);
    assert_int_equal(told.connects, 1);
    publish("a@h", 2, 0); /* it changed */
    live(100000);
    assert_int_equal(told.connects, 2);
    publish(NULL, 0, 0);
    live(1000);
    publish("a@h", 2, 0); /* it came back */
    live(100000);
    assert_int_equal(told.connects, 3);
    does = 0;
    publish("a@h", 3, 0);
    live(100);
    report("a@h", CLUSTER_REPORT_UP, 0);
    report("a@h", CLUSTER_REPORT_IGNORED, 0); /* that ends it, too */
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UNLINKED);
    live(100000);
    assert_int_equal(told.connects, 4);
    report("a@h", CLUSTER_REPORT_UP, 0); /* it changed its mind */
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    end();
}

static void keep(void **state)
{
    (void)state;
    plain("host", "push:x");
    publish("a@h", 0, 0);
    wait_ms(0);
    report("a@h", CLUSTER_REPORT_UP, 0);
    publish(NULL, 0, 0);
    wait_ms(100000);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    assert_int_equal(cluster_member_find(c, "a@h")->flags, CLUSTER_MEMBER_ACCEPTED);
    assert_int_equal(c->status.count, 1);
    report("a@h", CLUSTER_REPORT_DOWN, 0);
    assert_null(cluster_member_find(c, "a@h"));
    wait_ms(100000);
    assert_int_equal(told.connects, 1);
    assert_int_equal(told.disconnects, 0);
    end();
}

static void disconnect(void **state)
{
    struct cluster_options o = options("host");
    (void)state;
    o.on_leave = "disconnect";
    start(&o, "push:x");
    publish("a@h", 0, 0);
    wait_ms(0);
    report("a@h", CLUSTER_REPORT_UP, 0);
    publish(NULL, 0, 0);
    assert_int_equal(told.disconnects, 0);
    wait_ms(0);
    assert_int_equal(told.disconnects, 1);
    assert_string_equal(told.name, "a@h");
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    live(60000);
    assert_true(told.disconnects > 3 && told.disconnects < 12); /* until it is done */
    does = CLUSTER_REPORT_UP;                                   /* who says that it is not is asked no faster */
    told.disconnects = 0;
    live(60000);
    assert_true(told.disconnects > 0 && told.disconnects < 20);
    does = 0;
    report("a@h", CLUSTER_REPORT_DOWN, 0);
    assert_null(cluster_member_find(c, "a@h"));
    told.disconnects = 0;
    live(60000);
    assert_int_equal(told.disconnects, 0);
    assert_int_equal(told.connects, 1);
    /* It comes back before the host has read that it is to disconnect: it never is. */
    publish("a@h", 0, 0);
    live(31000);
    report("a@h", CLUSTER_REPORT_UP, 0);
    publish(NULL, 0, 0);
    (void)fake_step(&f, c, ++now_ns);
    (void)fake_step(&f, c, ++now_ns);
    publish("a@h", 0, 0);
    live(60000);
    assert_int_equal(told.disconnects, 0);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UP);
    /* A member that drains is no member that left; then it leaves. */
    publish("a@h", 0, CLUSTER_NODE_DRAINING);
    live(60000);
    assert_int_equal(told.disconnects, 0);
    publish(NULL, 0, 0);
    live(1000);
    assert_int_equal(told.disconnects, 1);
    report("a@h", CLUSTER_REPORT_DOWN, 0);
    assert_null(cluster_member_find(c, "a@h"));
    /* Who came by himself was never listed, and stays. */
    report("x@h", CLUSTER_REPORT_UP, 0);
    live(60000);
    assert_int_equal(told.disconnects, 1);
    end();
}

/* Who leaves before the host has read that it is to connect is not asked for at all. */
static void gone_again(void **state)
{
    (void)state;
    plain("host", "push:x");
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    publish("a@h", 0, 0);
    (void)fake_step(&f, c, ++now_ns);
    (void)fake_step(&f, c, ++now_ns);
    publish(NULL, 0, 0);
    wait_ms(100);
    assert_int_equal(told.connects, 0);
    assert_int_equal(c->mesh.dials.count, 0);
    /* After it was read, too, the place is free again. */
    publish("b@h", 0, 0);
    live(100);
    assert_int_equal(told.connects, 1);
    publish(NULL, 0, 0);
    assert_int_equal(c->mesh.dials.count, 0);
    live(100000);
    assert_int_equal(told.connects, 1);
    end();
}

static void draining(void **state)
{
    (void)state;
    plain("host", "push:x");
    publish("a@h", 0, CLUSTER_NODE_DRAINING);
    live(10000);
    assert_int_equal(told.connects, 0);
    publish("a@h", 0, 0);
    live(100);
    assert_int_equal(told.connects, 1);
    publish("a@h", 0, CLUSTER_NODE_DRAINING);
    live(60000);
    assert_int_equal(told.connects, 1);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_UNLINKED);
    end();
}

static void once(void **state)
{
    struct cluster_options o = options("host");
    (void)state;
    o.reconnect = "off";
    does = CLUSTER_REPORT_FAILED;
    start(&o, "push:x");
    publish("a@h", 0, 0);
    live(100000);
    assert_int_equal(told.connects, 1);
    assert_int_equal(state_of("a@h"), CLUSTER_MEMBER_DOWN);
    publish(NULL, 0, 0);
    publish("a@h", 0, 0);
    live(100000);
    assert_int_equal(told.connects, 2);
    end();
}

/* A full queue loses membership events, and says so; what the host is to do it loses not. */
static void full_queue(void **state)
{
    struct cluster_options o = options("host");
    (void)state;
    o.limit_events = 2;
    start(&o, "static:a@h,b@h,c@h,d@h,e@h,f@h");
    wait_ms(0);
    assert_true(mirror.seen[CLUSTER_RESYNC] >= 1);
    assert_int_equal(told.connects, 6);
    does = CLUSTER_REPORT_UP;
    live(10000);
    assert_int_equal(told.connects, 12);
    assert_int_equal(c->status.count, 7);
    end();
}

/* Losses that are told between two steps are of one time, however long the host slept before. */
static void split_between_steps(void **state)
{
    (void)state;
    does = CLUSTER_REPORT_UP;
    plain("host", "static:a@h,b@h,c@h");
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_UP], 3);
    does = 0;
    now_ns += 1000 * SECOND;
    report("a@h", CLUSTER_REPORT_DOWN, 0);
    report("c@h", CLUSTER_REPORT_DOWN, 0);
    wait_ms(0);
    assert_non_null(strstr(mirror.status_text, "split: lost at once, though listed still: a@h, c@h"));
    end();
}

static void refused_reports(void **state)
{
    struct cluster_options o = options("host");
    (void)state;
    assert_int_equal(cluster_report(NULL, "a@h", CLUSTER_REPORT_UP, 0), CLUSTER_E_INVALID);
    o.node = "me@h";
    o.limit_members = 2;
    start(&o, "static:a@h");
    wait_ms(0);
    assert_int_equal(cluster_report(c, NULL, CLUSTER_REPORT_UP, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_report(c, "nobody", CLUSTER_REPORT_UP, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_report(c, "me@h", CLUSTER_REPORT_UP, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_report(c, "a@h", 0, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_report(c, "a@h", 5, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_report(c, "a@h", CLUSTER_REPORT_DOWN, 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_report(c, "b@h", CLUSTER_REPORT_FAILED, 0), CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_report(c, "b@h", CLUSTER_REPORT_UP, 0), CLUSTER_E_LIMIT);
    assert_non_null(strstr(cluster_last_error(c), "limit_members"));
    assert_null(cluster_member_find(c, "b@h"));
    end();
    plain("tcp", "static:a@h");
    assert_int_equal(cluster_report(c, "a@h", CLUSTER_REPORT_UP, 0), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "host"));
    end();
}

/* ---- probes ------------------------------------------------------------ */

static void tcp(void **state)
{
    struct place *p = place(0x0a000001, 9000);
    struct cluster_options o = options("tcp");
    (void)state;
    o.quorum = 2;
    start(&o, "static:a@10.0.0.1?port=9000");
    wait_ms(0);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(cluster_status(c), CLUSTER_READY);
    assert_int_equal(p->accepted, 1);
    assert_int_equal(f.calls[FAKE_RECV], 0);
    wait_ms(1);
    assert_int_equal(fake_count_open(&f), 0); /* nothing is held */
    wait_ms(60000);
    assert_true(p->accepted >= 5 && p->accepted <= 9);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    p->way = REFUSES;
    wait_ms(15000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(mirror.down_error, CLUSTER_E_REFUSED);
    assert_non_null(strstr(mirror.down_text, "nothing listens"));
    assert_int_equal(cluster_status(c), CLUSTER_DEGRADED);
    p->way = HANGS;
    wait_ms(60000);
    assert_int_equal(mirror.down_error, CLUSTER_E_UNREACHABLE);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    p->way = ANSWERS;
    wait_ms(40000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    end();
}

/* Without a port its host's epmd is asked; a member that hangs is down after one deadline. */
static void tcp_by_epmd(void **state)
{
    struct place *p = place(0x0a000001, 9100);
    (void)state;
    registered = "a";
    plain("tcp", "static:a@10.0.0.1,b@10.0.0.1");
    wait_ms(0);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(state_of("b@10.0.0.1"), CLUSTER_MEMBER_DOWN);
    assert_non_null(strstr(mirror.down_text, "epmd of its host does not know it"));
    assert_int_equal(p->accepted, 1);
    p->way = HANGS;
    wait_ms(22100);
    assert_int_equal(state_of("a@10.0.0.1") == CLUSTER_MEMBER_UP, false);
    end();
}

static void epmd(void **state)
{
    (void)state;
    registered = "a";
    plain("epmd", "static:a@10.0.0.1?port=9000"); /* its port does not matter */
    wait_ms(0);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(place_count, 0);
    assert_int_equal(asked, 1);
    wait_ms(1);
    assert_int_equal(fake_count_open(&f), 0);
    wait_ms(60000);
    assert_true(asked >= 5 && asked <= 9);
    registered = NULL;
    wait_ms(15000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(mirror.down_error, CLUSTER_E_NOT_FOUND);
    epmd_way = REFUSES;
    wait_ms(60000);
    assert_int_equal(mirror.down_error, CLUSTER_E_REFUSED);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    epmd_way = ANSWERS;
    registered = "a";
    wait_ms(31000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    end();
}

/* A member that leaves is gone; one that drains is asked on while it is there, and then no more. */
static void probes_of_those_who_go(void **state)
{
    struct place *p = place(0x0a000001, 9000);
    struct cluster_options o = options("tcp");
    unsigned accepted;
    (void)state;
    o.on_leave = "disconnect"; /* of which there is nothing to do */
    start(&o, "push:x");
    publish("a@10.0.0.1", 9000, CLUSTER_NODE_DRAINING);
    wait_ms(60000);
    assert_int_equal(p->accepted, 0);
    publish("a@10.0.0.1", 9000, 0);
    wait_ms(0);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    publish("a@10.0.0.1", 9000, CLUSTER_NODE_DRAINING);
    wait_ms(60000);
    assert_true(p->accepted > 4);
    p->way = REFUSES;
    wait_ms(15000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    accepted = p->accepted;
    wait_ms(60000);
    assert_int_equal(p->accepted, accepted);
    p->way = ANSWERS;
    publish("a@10.0.0.1", 9000, 0);
    wait_ms(60000);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    publish(NULL, 0, 0);
    assert_null(cluster_member_find(c, "a@10.0.0.1"));
    accepted = p->accepted;
    wait_ms(60000);
    assert_int_equal(p->accepted, accepted);
    /* In the middle of one. */
    p->way = HANGS;
    publish("a@10.0.0.1", 9000, 0);
    wait_ms(1000);
    assert_int_equal(fake_count_open(&f), 1);
    publish(NULL, 0, 0);
    wait_ms(1);
    assert_int_equal(fake_count_open(&f), 0);
    assert_int_equal(c->mesh.dials.count, 0);
    end();
}

/* What is missing here says nothing of a member that was up. */
static void out_of_descriptors(void **state)
{
    (void)place(0x0a000001, 9000);
    (void)state;
    plain("tcp", "static:a@10.0.0.1?port=9000");
    wait_ms(0);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    f.errors[FAKE_OPEN] = CLUSTER_E_LIMIT;
    wait_ms(60000);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    f.errors[FAKE_OPEN] = 0;
    places[0].way = REFUSES;
    wait_ms(30000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    end();
}

/* ---- hosts that are names ---------------------------------------------- */

static void names(void **state)
{
    struct place *a = place(0x0a000001, 9000), *six = place(6, 9000), *hosts = place(0x0a000009, 9000);
    (void)state;
    plain("tcp", "static:a@db1,b@six.example,c@inhosts?port=9000");
    f.files[1].path = "/etc/hosts";
    f.files[1].text = "10.0.0.9 inhosts\n";
    wait_ms(0);
    assert_int_equal(state_of("a@db1"), CLUSTER_MEMBER_UP);
    assert_int_equal(state_of("b@six.example"), CLUSTER_MEMBER_UP);
    assert_int_equal(state_of("c@inhosts"), CLUSTER_MEMBER_UP);
    assert_true(a->accepted == 1 && six->accepted == 1 && hosts->accepted == 1);
    assert_int_equal(looked_up, 3); /* A of two, AAAA of one */
    wait_ms(14990);
    assert_true(a->accepted >= 2);
    assert_true(looked_up >= 6); /* anew for each dial */
    end();
}

static void names_that_are_not_there(void **state)
{
    (void)state;
    plain("tcp", "static:a@none.example?port=9000");
    wait_ms(0);
    assert_int_equal(mirror.down_error, CLUSTER_E_NOT_FOUND);
    assert_non_null(strstr(mirror.down_text, "put the host into DNS"));
    end();
    (void)machine(NULL);
    plain("tcp", "static:a@unknown.example?port=9000");
    wait_ms(0);
    assert_int_equal(mirror.down_error, CLUSTER_E_NOT_FOUND);
    end();
    (void)machine(NULL);
    plain("tcp", "static:a@..?port=9000");
    wait_ms(0);
    assert_int_equal(mirror.down_error, CLUSTER_E_NOT_FOUND);
    end();
    (void)machine(NULL);
    plain("tcp", "static:a@silent.example,b@10.0.0.1?port=9000");
    (void)place(0x0a000001, 9000);
    wait_ms(0);
    assert_int_equal(state_of("b@10.0.0.1"), CLUSTER_MEMBER_UP); /* the other one does not wait for it */
    wait_ms(7000);                                               /* within the time of the dial */
    assert_int_equal(mirror.down_error, CLUSTER_E_TIMEOUT);
    assert_non_null(strstr(mirror.down_text, "DNS"));
    end();
}

/* Of several addresses each dial that fails tries the next. */
static void several_addresses(void **state)
{
    struct place *third = place(0x0a000013, 9000);
    (void)state;
    plain("tcp", "static:a@many.example?port=9000");
    wait_ms(5000);
    assert_int_equal(state_of("a@many.example"), CLUSTER_MEMBER_UP);
    assert_int_equal(third->accepted, 1);
    assert_int_equal(looked_up, 3);
    end();
}

/* An Erlang node's host, too: its epmd is asked at the address that DNS says. */
static void names_of_nodes(void **state)
{
    struct place *p = place(0x0a000001, 9100);
    struct cluster_options o = options("erlang");
    (void)state;
    p->way = HANGS;
    registered = "a";
    o.node = "me@10.0.0.9";
    o.cookie = "secret";
    start(&o, "static:a@db1");
    wait_ms(0);
    assert_int_equal(looked_up, 1);
    assert_int_equal(asked, 1);
    assert_int_equal(p->accepted, 1);
    assert_int_equal(state_of("a@db1"), CLUSTER_MEMBER_DIALLED);
    end();
}

/* Where the own node listens is known after its source: then it can be dialled, and is announced at once. */
static void announced_once_it_listens(void **state)
{
    struct cluster_options o = options(NULL);
    (void)state;
    f.echo = true;
    epmd_way = REFUSES;
    o.node = "me@10.0.0.9";
    o.cookie = "secret";
    o.listen = "10.0.0.9:0";
    start(&o, "gossip:");
    wait_ms(0);
    assert_true(cluster_member_find(c, "me@10.0.0.9")->port);
    assert_int_equal(announced, 1);
    end();
    (void)machine(NULL);
    o = options(NULL);
    f.echo = true;
    o.node = "me@10.0.0.9";
    start(&o, "gossip:");
    wait_ms(20000);
    assert_int_equal(announced, 0);
    end();
}

/* ---- all of them ------------------------------------------------------- */

static const char *const modes[] = {"none", "host", "tcp", "epmd"};

/* A lone program without a name is ready at once: on a laptop, with a source that has nothing, or none at all. */
static void on_a_laptop(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(modes); i++) {
        (void)machine(NULL);
        plain(modes[i], "");
        assert_int_equal(cluster_status(c), CLUSTER_READY);
        assert_int_equal(cluster_discover(c, "static:", NULL), 0);
        wait_ms(1000);
        assert_int_equal(cluster_status(c), CLUSTER_READY);
        assert_int_equal(cluster_token(c), 1);
        assert_int_equal(mirror.status_count, 1);
        end();
    }
}

/* The same rules in each mode: who is up counts, several lost at once are a split. */
static void counted_and_split(void **state)
{
    size_t i;
    int k;
    (void)state;
    for (i = 1; i < CLU_COUNT(modes); i++) {
        struct cluster_options o;
        (void)machine(NULL);
        o = options(modes[i]);
        o.quorum_of = "majority";
        o.expected = 5;
        o.backoff = "1m..1m";
        does = CLUSTER_REPORT_UP;
        registered = "a";
        for (k = 1; k < 5; k++)
            (void)place(0x0a000000 + (uint32_t)k, 9000);
        start(&o, "static:a@10.0.0.1,a@10.0.0.2,a@10.0.0.3,a@10.0.0.4?port=9000");
        wait_ms(1);
        wait_ms(1);
        assert_int_equal(cluster_status(c), CLUSTER_READY);
        assert_int_equal(c->status.count, 5);
        does = CLUSTER_REPORT_FAILED;
        if (i == 1) {
            for (k = 1; k < 4; k++) {
                char name[32];
                sprintf(name, "a@10.0.0.%d", k);
                report(name, CLUSTER_REPORT_DOWN, 0);
            }
        } else { /* they are asked at different times: a split is what is noticed within one second */
            c->status.settle_ns = 10 * SECOND;
            epmd_way = REFUSES;
            for (k = 0; k < 3; k++)
                places[k].way = REFUSES;
        }
        wait_ms(26000);
        assert_int_equal(cluster_status(c), CLUSTER_DEGRADED);
        assert_non_null(strstr(mirror.status_text, "split: lost at once"));
        end();
    }
}

static void options_that_are_none(void **state)
{
    static const struct {
        const char *connect, *cookie, *on_leave, *reconnect, *backoff, *tick, *why;
    } cases[] = {
        {"hosts", NULL, NULL, NULL, NULL, NULL, "options.connect"},
        {"tcp", "secret", NULL, NULL, NULL, NULL, "options.cookie"},
        {"host", NULL, "stay", NULL, NULL, NULL, "options.on_leave"},
        {"host", NULL, NULL, "maybe", NULL, NULL, "options.reconnect"},
        {"epmd", NULL, NULL, NULL, "30s..1s", NULL, "options.backoff"},
        {"epmd", NULL, NULL, NULL, NULL, "1ms", "options.tick"},
    };
    char error[200];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        struct cluster_options o = options(cases[i].connect);
        o.cookie = cases[i].cookie;
        o.on_leave = cases[i].on_leave;
        o.reconnect = cases[i].reconnect;
        o.backoff = cases[i].backoff;
        o.tick = cases[i].tick;
        o.error = error;
        o.error_size = sizeof error;
        assert_int_equal(cluster_create(&c, &o), CLUSTER_E_INVALID);
        if (!strstr(error, cases[i].why))
            fail_msg("'%s' is not about '%s'", error, cases[i].why);
        fake_end(&f);
    }
}

/* A thousand that flap, in each mode: no more under way than are allowed, and bounded work in all. */
static void storm(void **state)
{
    static struct cluster_node nodes[MANY];
    static char all[MANY][32];
    static unsigned counts[MANY][2];
    size_t i, k, most = 0;
    unsigned flap, connects;
    unsigned long hooks;
    (void)state;
    for (i = 1; i < CLU_COUNT(modes); i++) {
        struct cluster_options o;
        struct cluster_source *s;
        (void)machine(NULL);
        o = options(modes[i]);
        o.limit_dials = 20;
        o.limit_events = 100000;
        start(&o, "push:x");
        s = cluster_source_at(c, 0);
        memset(counts, 0, sizeof counts);
        told_by_name = counts;
        does = CLUSTER_REPORT_FAILED;
        epmd_way = REFUSES;
        for (k = 0; k < MANY; k++) {
            sprintf(all[k], "node%d@10.1.%d.1", (int)k, (int)(k % 200));
            nodes[k].size = (uint32_t)sizeof *nodes;
            nodes[k].name = all[k];
            nodes[k].port = 9000;
        }
        for (flap = 0; flap < 60; flap++) { /* each second half of them is another half */
            uint64_t until = now_ns + SECOND;
            assert_int_equal(cluster_source_publish(s, nodes + (flap % 2) * MANY / 2, MANY / 2), 0);
            while (now_ns < until)
                fake_run(&f, c, &now_ns, now_ns + SECOND / 10);
            mirror_check(&mirror, c);
        }
        connects = mirror.seen[CLUSTER_CONNECT] ? (unsigned)mirror.seen[CLUSTER_CONNECT] : (unsigned)f.calls[FAKE_CONNECT];
        hooks = f.all;
        assert_true(connects >= MANY); /* each was tried */
        assert_true(connects < 12 * MANY);
        assert_true(hooks < 100ul * MANY);
        assert_true(worst <= 20 + CLU_RETIRED_MAX);
        assert_true(c->loop.counts.steps < 60000);
        for (k = 0; k < MANY; k++)
            most = counts[k][0] > most ? counts[k][0] : most;
        assert_true(most < 30);
        /* It is over: all there are up, once each. */
        does = CLUSTER_REPORT_UP;
        assert_int_equal(cluster_source_publish(s, nodes, i == 1 ? MANY : 0), 0);
        live(70000);
        assert_int_equal(c->mesh.dials.count, 0);
        assert_int_equal(c->status.count, i == 1 ? MANY + 1 : 1);
        for (k = 0; k < CLU_STRAYS; k++) /* and nobody is remembered */
            assert_null(c->mesh.strays[k]);
        end();
    }
}

/* Each allocation fails once; then all goes well. */
static void every_allocation(void **state)
{
    static const char *const urls[] = {"", "static:a@10.0.0.1?port=9000", "static:a@db1?port=9000", "static:a@db1"};
    unsigned long n;
    size_t i;
    (void)state;
    for (i = 1; i < CLU_COUNT(modes); i++) {
        bool failed = true;
        for (n = 1; failed; n++) {
            (void)machine(NULL);
            (void)place(0x0a000001, 9000);
            registered = "a";
            does = i == 1 ? 0 : CLUSTER_REPORT_UP;
            plain(modes[i], urls[i]);
            fake_memory_fail(&f.memory, n, false);
            live(20000);
            if (i == 1)
                (void)cluster_report(c, "a@10.0.0.1", CLUSTER_REPORT_UP, 0);
            live(40000);
            failed = f.memory.failures != 0;
            fake_memory_fail(&f.memory, 0, false);
            if (i == 1)
                report("a@10.0.0.1", CLUSTER_REPORT_UP, 0);
            assert_int_equal(cluster_member_at(c, 0)->state, CLUSTER_MEMBER_UP);
            end();
        }
        assert_true(n > 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(asked_and_reported, machine),
        cmocka_unit_test_setup(unreported_and_failed, machine),
        cmocka_unit_test_setup(late_and_unasked, machine),
        cmocka_unit_test_setup(unread, machine),
        cmocka_unit_test_setup(ignored, machine),
        cmocka_unit_test_setup(keep, machine),
        cmocka_unit_test_setup(disconnect, machine),
        cmocka_unit_test_setup(gone_again, machine),
        cmocka_unit_test_setup(draining, machine),
        cmocka_unit_test_setup(once, machine),
        cmocka_unit_test_setup(full_queue, machine),
        cmocka_unit_test_setup(split_between_steps, machine),
        cmocka_unit_test_setup(refused_reports, machine),
        cmocka_unit_test_setup(tcp, machine),
        cmocka_unit_test_setup(tcp_by_epmd, machine),
        cmocka_unit_test_setup(epmd, machine),
        cmocka_unit_test_setup(probes_of_those_who_go, machine),
        cmocka_unit_test_setup(out_of_descriptors, machine),
        cmocka_unit_test_setup(names, machine),
        cmocka_unit_test_setup(names_that_are_not_there, machine),
        cmocka_unit_test_setup(several_addresses, machine),
        cmocka_unit_test_setup(names_of_nodes, machine),
        cmocka_unit_test_setup(announced_once_it_listens, machine),
        cmocka_unit_test_setup(on_a_laptop, machine),
        cmocka_unit_test_setup(counted_and_split, machine),
        cmocka_unit_test_setup(options_that_are_none, machine),
        cmocka_unit_test_setup(storm, machine),
        cmocka_unit_test_setup(every_allocation, machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
