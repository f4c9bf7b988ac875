/* gossip: sources on virtual sockets: every captured packet, the own ones, forged, replayed and flooding ones, and a network
 * that fails. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"
#include "hex.h"

#define SECOND FAKE_SECOND
#define OWN "me@10.0.0.99"

static struct fake f;
static struct cluster *c;
static struct cluster_source *s;
static struct mirror mirror;
static struct cluster_options options;
static uint64_t now_ns;
static struct cluster_address peer;

static void begin_on(const char *url)
{
    memset(&mirror, 0, sizeof mirror);
    now_ns = 1000 * SECOND;
    peer = fake_address(10, 0, 0, 7, 0);
    peer.port = 45892;
    assert_int_equal(cluster_create(&c, &options), 0);
    s = NULL;
    if (cluster_discover(c, url, &s) != 0)
        fail_msg("%s: %s", url, cluster_last_error(c));
    fake_run(&f, c, &now_ns, now_ns);
}

static void begin(const char *url)
{
    options = fake_begin(&f);
    begin_on(url);
}

/* A node that says its own name, and hears itself. */
static void begin_as(const char *url, const char *node, uint32_t port)
{
    options = fake_begin(&f);
    options.node = node;
    options.port = port;
    f.echo = true;
    begin_on(url);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

static void wait_ms(uint64_t ms)
{
    f.wall += ms * CLU_MS;
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS);
    mirror_check(&mirror, c);
}

static int the_socket(void)
{
    int fd;
    for (fd = FAKE_FIRST; fd < FAKE_FDS; fd++)
        if (f.s[fd].open)
            return fd;
    fail_msg("there is no socket");
    return -1;
}

static void hear_bytes(const void *data, size_t size)
{
    fake_push(&f, the_socket(), data, size, &peer);
    wait_ms(0);
}

static uint64_t dropped(void)
{
    struct cluster_counts counts;
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    return counts.dropped;
}

/* A packet of another node; without an instance it is as libcluster sends it. */
struct other {
    const char *name, *secret;
    uint64_t instance, time;
};

static size_t packet_of(const struct other *o, uint8_t out[CLU_GOSSIP_MAX])
{
    struct clu_gossip g;
    struct clu_gossip_keys keys;
    uint8_t iv[16] = {9};
    size_t size;
    memset(&g, 0, sizeof g);
    g.node.name = o->name;
    g.numbers[CLU_GOSSIP_ID] = o->instance;
    g.numbers[CLU_GOSSIP_TIME] = o->time;
    if (o->secret)
        clu_gossip_keys_init(&keys, o->secret, strlen(o->secret));
    size = clu_gossip_encode(&g, o->secret ? &keys : NULL, iv, out, CLU_GOSSIP_MAX);
    assert_true(size > 0);
    return size;
}

static void hear(const char *name, const char *secret, uint64_t instance, uint64_t time)
{
    struct other o;
    uint8_t packet[CLU_GOSSIP_MAX];
    o.name = name;
    o.secret = secret;
    o.instance = instance;
    o.time = time;
    hear_bytes(packet, packet_of(&o, packet));
}

static void hear_plain(const char *name)
{
    hear(name, NULL, 0, 0);
}

static bool here(const char *name)
{
    return cluster_member_find(c, name) != NULL;
}

/* ---- what libcluster nodes say ---------------------------------------- */

static void begin_with(const uint8_t *secret, size_t size)
{
    options = fake_begin(&f);
    f.files[0].path = "/s";
    f.files[0].text = (const char *)secret;
    f.files[0].size = size;
    f.files[0].stamp = 1;
    begin_on(size ? "gossip:?secret-file=/s" : "gossip:");
}

static void captured_packets(void **state)
{
    static char line[8192];
    FILE *file = fopen("tests/vectors/libcluster_gossip.txt", "r");
    int joined = 0, refused = 0;
    char *field[4];
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        uint8_t name[1024], secret[256], packet[1024];
        size_t name_size, secret_size = 0, size;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 4), 4);
        name_size = unhex(field[1], name, sizeof name - 1);
        name[name_size] = '\0';
        if (strcmp(field[2], "-") != 0)
            secret_size = unhex(field[2], secret, sizeof secret);
        if (strcmp(field[2], "-") != 0 && !secret_size)
            continue; /* an empty secret is none */
        size = unhex(field[3], packet, sizeof packet);
        begin_with(secret, secret_size);
        hear_bytes(packet, size);
        if (name_size <= 255) {
            assert_int_equal(mirror.seen[CLUSTER_JOIN], 1);
            assert_non_null(cluster_member_find(c, (const char *)name));
            assert_string_equal(cluster_member_at(c, 0)->address, "10.0.0.7");
            assert_int_equal(cluster_member_at(c, 0)->port, 0);
            joined++;
        } else {
            assert_int_equal(cluster_member_count(c), 0);
            assert_true(dropped() == 1);
            refused++;
        }
        end();
        /* One who has no secret, or another one, takes nothing that was enciphered. */
        if (secret_size) {
            begin(refused & 1 ? "gossip:" : "gossip:?secret=another");
            hear_bytes(packet, size);
            assert_int_equal(cluster_member_count(c), 0);
            assert_true(dropped() == 1);
            end();
        }
    }
    fclose(file);
    assert_true(joined > 15 && refused > 0);
}

static void crafted_packets(void **state)
{
    static char line[8192];
    FILE *file = fopen("tests/vectors/libcluster_gossip_crafted.txt", "r");
    char *field[5];
    int accepted = 0, ignored = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        uint8_t packet[1024];
        size_t size;
        bool accept;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 5), 5);
        size = unhex(field[2], packet, sizeof packet);
        accept = strcmp(field[3], "accept") == 0 && strcmp(field[1], "compressed") != 0 && strcmp(field[1], "noat") != 0 &&
                 strcmp(field[1], "emptyname") != 0;
        begin(strcmp(field[0], "plain") == 0 ? "gossip:" : "gossip:?secret=somepassword");
        hear_bytes(packet, size);
        if (here("ghost@127.0.0.1") != accept || cluster_member_count(c) != accept || dropped() != !accept)
            fail_msg("%s %s", field[0], field[1]);
        accepted += accept;
        ignored += !accept;
        end();
    }
    fclose(file);
    assert_true(accepted > 5 && ignored > 10);
}

static void attributes(void **state)
{
    const struct cluster_member *m;
    struct clu_gossip g;
    uint8_t packet[CLU_GOSSIP_MAX];
    (void)state;
    begin("gossip:?zone=nowhere&role=none&weight=9");
    memset(&g, 0, sizeof g);
    g.node.name = "a@h";
    g.node.zone = "east";
    g.node.role = "db";
    g.node.port = 9100;
    g.node.weight = 4;
    g.node.flags = CLUSTER_NODE_DRAINING;
    hear_bytes(packet, clu_gossip_encode(&g, NULL, NULL, packet, sizeof packet));
    m = cluster_member_find(c, "a@h");
    assert_non_null(m);
    assert_string_equal(m->zone, "east");
    assert_string_equal(m->role, "db");
    assert_string_equal(m->address, "10.0.0.7");
    assert_true(m->port == 9100 && m->weight == 4 && m->flags == CLUSTER_MEMBER_DRAINING);
    g.node.flags = 0;
    g.node.port = 9200;
    peer = fake_address(10, 0, 0, 8, 0);
    hear_bytes(packet, clu_gossip_encode(&g, NULL, NULL, packet, sizeof packet));
    assert_int_equal(mirror.changed, CLUSTER_CHANGED_ADDRESS | CLUSTER_CHANGED_PORT | CLUSTER_CHANGED_DRAINING);
    hear_plain("b@h");
    m = cluster_member_find(c, "b@h");
    assert_true(m->weight == 9);
    assert_string_equal(m->zone, "nowhere");
    end();
}

/* ---- the own packets -------------------------------------------------- */

static void who_announces(void **state)
{
    static const struct {
        const char *url, *node;
        uint32_t port;
        bool says;
    } table[] = {
        {"gossip:", OWN, 0, false},
        {"gossip:", OWN, 9100, true},
        {"gossip:?announce=auto", OWN, 9100, true},
        {"gossip:?announce=on", OWN, 0, true},
        {"gossip:?announce=off", OWN, 9100, false},
        {"gossip:", NULL, 0, false},
        {"gossip:", NULL, 9100, false},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        begin_as(table[i].url, table[i].node, table[i].port);
        wait_ms(30000);
        assert_int_equal(f.s[the_socket()].sends, f.calls[FAKE_SEND]);
        if (table[i].says)
            assert_in_range(f.calls[FAKE_SEND], 6, 8);
        else
            assert_int_equal(f.calls[FAKE_SEND], 0);
        assert_int_equal(cluster_member_count(c), table[i].node ? 1 : 0);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
        assert_true(dropped() == 0 && f.logs == 0);
        end();
    }
}

/* What is said is what others read, and no time is said twice, whatever the wall clock does. */
static void what_is_announced(void **state)
{
    struct clu_gossip_keys keys;
    struct clu_gossip g;
    uint64_t last = 0, instance = 0;
    int secret, i;
    (void)state;
    clu_gossip_keys_init(&keys, "s3cret", 6);
    for (secret = 0; secret < 2; secret++) {
        options = fake_begin(&f);
        options.node = OWN;
        options.zone = "east";
        options.role = "db";
        options.port = 9100;
        options.weight = 3;
        f.echo = true;
        begin_on(secret ? "gossip:?secret=s3cret" : "gossip:");
        last = 0;
        for (i = 0; i < 12; i++) {
            struct fake_socket *socket = &f.s[the_socket()];
            assert_int_equal(clu_gossip_decode(&g, secret ? &keys : NULL, socket->out, socket->out_size), CLU_COMPLETE);
            assert_string_equal(g.node.name, OWN);
            assert_string_equal(g.node.zone, "east");
            assert_string_equal(g.node.role, "db");
            assert_true(g.node.port == 9100 && g.node.weight == 3 && g.authentic == (secret != 0));
            assert_true(i == 0 || g.numbers[CLU_GOSSIP_ID] == instance);
            assert_true(g.numbers[CLU_GOSSIP_TIME] > last);
            last = g.numbers[CLU_GOSSIP_TIME];
            instance = g.numbers[CLU_GOSSIP_ID];
            assert_int_equal(socket->peer.port, 45892);
            assert_int_equal(socket->peer.bytes[0], 233);
            f.wall -= i % 2 ? 20 * SECOND : 5600 * CLU_MS; /* it stands still, or goes back a little */
            wait_ms(5600);
        }
        end();
    }
}

static void own_name_of_another(void **state)
{
    (void)state;
    begin_as("gossip:", OWN, 9100);
    hear_plain(OWN); /* an Erlang node that asks for nothing more; or our own, from libcluster's side */
    wait_ms(10000);
    assert_int_equal(f.logs, 0);
    hear(OWN, NULL, 12345, f.wall);
    assert_int_equal(f.logs, 1);
    assert_non_null(strstr(f.log, "own name"));
    assert_non_null(strstr(f.log, "options.node"));
    hear(OWN, NULL, 12345, f.wall);
    hear(OWN, NULL, 54321, f.wall);
    assert_int_equal(f.logs, 1);
    assert_int_equal(cluster_member_count(c), 1);
    assert_int_equal(cluster_source_count(s), 0);
    end();
}

/* Without a secret anybody can say good-bye in our name, with the number of our instance. We are here, and go on saying so. */
static void good_bye_in_our_name(void **state)
{
    struct clu_gossip g;
    uint8_t packet[CLU_GOSSIP_MAX];
    size_t sends;
    (void)state;
    begin_as("gossip:", OWN, 9100);
    assert_int_equal(clu_gossip_decode(&g, NULL, f.s[the_socket()].out, f.s[the_socket()].out_size), CLU_COMPLETE);
    g.node.flags = CLUSTER_NODE_LEAVING;
    hear_bytes(packet, clu_gossip_encode(&g, NULL, NULL, packet, sizeof packet));
    sends = f.s[the_socket()].sends;
    wait_ms(30000);
    assert_in_range(f.s[the_socket()].sends - sends, 4, 8);
    end();
}

/* Packets that do not come back: the source says so before anyone could age out, and nobody is lost to it, not even one who
 * was last heard just one interval before. */
static void unheard(void **state)
{
    uint64_t seed;
    (void)state;
    for (seed = 1; seed < 40; seed++) {
        unsigned long opened;
        unsigned i;
        options = fake_begin(&f);
        options.node = OWN;
        options.port = 9100;
        options.seed = seed;
        f.echo = true;
        begin_on("gossip:");
        for (i = 0; i < 6; i++) {
            hear_plain("a@h");
            wait_ms(5450);
        }
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        f.echo = false; /* the network is gone, for hours */
        wait_ms(9500);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        assert_int_equal(cluster_source_error(s), CLUSTER_E_UNREACHABLE);
        assert_non_null(strstr(cluster_source_why(s), "the own packets do not come back"));
        assert_non_null(strstr(cluster_source_why(s), "broadcast=on"));
        assert_true(here("a@h"));
        opened = f.calls[FAKE_OPEN];
        wait_ms(600000);
        assert_true(here("a@h"));
        assert_true(f.calls[FAKE_OPEN] > opened + 10); /* it joins again and again */
        assert_int_equal(fake_count_open(&f), 1);
        assert_int_equal(mirror.seen[CLUSTER_SOURCE], 2);
        /* It is back, a is not. */
        f.echo = true;
        wait_ms(17000);
        assert_int_not_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        wait_ms(17000);
        assert_false(here("a@h"));
        end();
    }
}

/* Who broadcasts already is not told to. */
static void unheard_broadcasts(void **state)
{
    (void)state;
    begin_as("gossip:?broadcast=on", OWN, 9100);
    f.echo = false;
    wait_ms(20000);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_UNREACHABLE);
    assert_non_null(strstr(cluster_source_why(s), "broadcast address"));
    f.errors[FAKE_SEND] = CLUSTER_E_UNREACHABLE;
    wait_ms(6000);
    assert_non_null(strstr(cluster_source_why(s), "cannot send to the group: unreachable: is it the broadcast address"));
    end();
}

/* One own packet that is lost is said again, and nothing has failed. */
static void one_lost_packet(void **state)
{
    size_t sends;
    (void)state;
    begin_as("gossip:", OWN, 9100);
    wait_ms(20000);
    sends = f.s[the_socket()].sends;
    f.echo = false;
    while (f.s[the_socket()].sends == sends)
        wait_ms(100);
    f.echo = true;
    wait_ms(1000);
    assert_int_equal(f.s[the_socket()].sends, sends + 2);
    wait_ms(3000);
    assert_int_equal(f.s[the_socket()].sends, sends + 2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    assert_in_range(cluster_source_rounds(s), 4, 6); /* saying it again is no round */
    end();
}

/* Others are heard while the own packets are not: nobody among them ages, and nobody lives longer for it. */
static void heard_while_it_fails(void **state)
{
    (void)state;
    begin_as("gossip:", OWN, 9100);
    f.echo = false;
    wait_ms(40000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    hear_plain("a@h");
    wait_ms(3600000);
    hear_plain("b@h");
    assert_true(here("a@h") && here("b@h"));
    f.echo = true;
    wait_ms(17000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    wait_ms(17000);
    assert_false(here("a@h") || here("b@h"));
    end();
}

/* ---- time ------------------------------------------------------------- */

static void ageing(void **state)
{
    int i;
    (void)state;
    begin("gossip:");
    hear_plain("a@h");
    hear_plain("b@h");
    for (i = 0; i < 10; i++) {
        wait_ms(5000);
        hear_plain("a@h");
    }
    assert_true(here("a@h") && !here("b@h"));
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    wait_ms(14999);
    assert_true(here("a@h"));
    wait_ms(1);
    assert_false(here("a@h"));
    wait_ms(6000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
    begin("gossip:?max-age=1m&min=1");
    hear_plain("a@h");
    hear_plain("b@h");
    wait_ms(59999);
    assert_int_equal(cluster_member_count(c), 2);
    wait_ms(100000);
    assert_int_equal(cluster_member_count(c), 1);
    assert_true(here("b@h")); /* of two that were heard at the same time the first by name goes */
    end();
    begin("gossip:?max-age=0");
    hear_plain("a@h");
    wait_ms(3600000);
    assert_true(here("a@h"));
    end();
}

static void frozen_while_the_socket_fails(void **state)
{
    int fd;
    (void)state;
    begin("gossip:");
    hear_plain("a@h");
    wait_ms(7000);
    fd = the_socket();
    f.s[fd].recv_error = CLUSTER_E_IO;
    f.errors[FAKE_BIND] = CLUSTER_E_ADDRESS;
    wait_ms(0);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_string_equal(cluster_source_why(s), "cannot receive: input/output error");
    wait_ms(3600000);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_ADDRESS);
    assert_non_null(strstr(cluster_source_why(s), "cannot listen on the port"));
    assert_non_null(strstr(cluster_source_why(s), "another program holds it"));
    assert_true(here("a@h"));
    f.errors[FAKE_BIND] = 0;
    wait_ms(12000); /* open again, and one interval without a failure */
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    assert_true(here("a@h"));
    wait_ms(8001);
    assert_false(here("a@h"));
    assert_int_equal(fake_count_open(&f), 1);
    end();
}

static void failures_of_the_socket(void **state)
{
    static const struct {
        int hook, error;
        const char *words;
    } table[] = {
        {FAKE_OPEN, CLUSTER_E_LIMIT, "cannot open a socket: limit reached"},
        {FAKE_BIND, CLUSTER_E_PERMISSION, "cannot listen on the port: permission denied"},
        {FAKE_JOIN, CLUSTER_E_UNREACHABLE, "cannot join the multicast group: unreachable: name an interface"},
        {FAKE_SEND, CLUSTER_E_UNREACHABLE, "cannot send to the group: unreachable: name an interface"},
        {FAKE_RANDOM, CLUSTER_E_IO, "no random bytes"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        options = fake_begin(&f);
        options.node = OWN;
        options.port = 9100;
        f.echo = true;
        f.errors[table[i].hook] = table[i].error;
        begin_on("gossip:?secret=s");
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        assert_int_equal(cluster_source_error(s), table[i].error);
        if (!strstr(cluster_source_why(s), table[i].words))
            fail_msg("%s", cluster_source_why(s));
        wait_ms(100000);
        assert_int_equal(mirror.seen[CLUSTER_SOURCE], 1);
        assert_int_equal(fake_count_open(&f), 0);
        f.errors[table[i].hook] = 0;
        wait_ms(12000);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
        end();
    }
    /* An ICMP answer to what was sent says nothing of the socket. */
    begin_as("gossip:", OWN, 9100);
    f.errors[FAKE_RECV] = CLUSTER_E_REFUSED;
    fake_push(&f, the_socket(), "x", 1, &peer);
    assert_int_equal(fake_step(&f, c, now_ns), 1);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_STARTING);
    f.errors[FAKE_RECV] = 0;
    wait_ms(6000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    end();
}

/* Who says nothing cannot hear itself: when nothing is heard it joins the group anew, for the interface may have gone, and be back
 * as another one. While there is none nobody ages. */
static void a_listener_joins_anew(void **state)
{
    int i;
    (void)state;
    begin("gossip:?if=eth0");
    assert_int_equal(cluster_source_error(s), CLUSTER_E_NOT_FOUND);
    f.interfaces[0] = fake_address(10, 3, 3, 3, 24);
    f.interface_count = 1;
    wait_ms(6000);
    for (i = 0; i < 10; i++) {
        hear_plain("a@h");
        wait_ms(8000);
    }
    assert_int_equal(f.calls[FAKE_JOIN], 1);
    f.interface_count = 0;
    wait_ms(6900);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_NOT_FOUND);
    wait_ms(3600000);
    assert_true(here("a@h"));
    f.interfaces[0] = fake_address(10, 4, 4, 4, 24);
    f.interface_count = 1;
    wait_ms(6000);
    assert_memory_equal(f.s[the_socket()].via.bytes, "\x0a\x04\x04\x04", 4);
    hear_plain("b@h");
    wait_ms(6000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    assert_int_equal(f.calls[FAKE_JOIN], 2);
    assert_int_equal(fake_count_open(&f), 1);
    end();
}

static void lost_descriptor(void **state)
{
    struct pollfd fd;
    (void)state;
    begin("gossip:");
    hear_plain("a@h");
    assert_int_equal(cluster_watches(c, &fd, 1), 1);
    f.s[fd.fd].open = false;
    f.s[fd.fd].closes++;
    fd.revents = POLLNVAL;
    assert_int_equal(cluster_step(c, now_ns, &fd, 1), 0);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_CLOSED);
    wait_ms(12000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    assert_int_equal(f.calls[FAKE_CLOSE], 0);
    end();
}

/* ---- settings --------------------------------------------------------- */

static void sockets(void **state)
{
    const struct fake_socket *socket;
    (void)state;
    begin("gossip:");
    socket = &f.s[the_socket()];
    assert_true(socket->kind == CLUSTER_UDP && socket->family == 4);
    assert_int_equal(socket->flags, CLUSTER_IO_REUSE);
    assert_int_equal(socket->bound.port, 45892);
    assert_int_equal(socket->bound.bytes[0], 0);
    assert_memory_equal(socket->group.bytes, "\xe9\xfc\x01\x20", 4);
    assert_int_equal(socket->ttl, 1);
    assert_int_equal(socket->via.bytes[0], 0);
    end();
    begin("gossip:239.1.2.3:5000?ttl=7&if=10.0.0.99");
    socket = &f.s[the_socket()];
    assert_int_equal(socket->bound.port, 5000);
    assert_memory_equal(socket->group.bytes, "\xef\x01\x02\x03", 4);
    assert_int_equal(socket->ttl, 7);
    assert_memory_equal(socket->via.bytes, "\x0a\x00\x00\x63", 4);
    end();
    options = fake_begin(&f);
    f.interfaces[0] = fake_address(10, 3, 3, 3, 24);
    f.interface_count = 1;
    begin_on("gossip:?if=eth0");
    assert_memory_equal(f.s[the_socket()].via.bytes, "\x0a\x03\x03\x03", 4);
    end();
    begin("gossip:?if=eth0");
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_non_null(strstr(cluster_source_why(s), "if= names no interface that is up"));
    end();
    options = fake_begin(&f); /* of IPv6 it is the scope that says which interface it is, and few addresses have one */
    assert_true(clu_address_parse(clu_slice_str("10.3.3.3"), &f.interfaces[0]));
    assert_true(clu_address_parse(clu_slice_str("2001:db8::3"), &f.interfaces[1]));
    assert_true(clu_address_parse(clu_slice_str("fe80::3%7"), &f.interfaces[2]));
    f.interface_count = 3;
    begin_on("gossip:[ff02::1234]:45892?if=eth0");
    assert_true(f.s[the_socket()].via.scope == 7 && f.s[the_socket()].via.family == 6);
    end();
    options = fake_begin(&f);
    assert_true(clu_address_parse(clu_slice_str("2001:db8::3"), &f.interfaces[0]));
    f.interface_count = 1;
    begin_on("gossip:[ff02::1234]:45892?if=eth0");
    assert_int_equal(cluster_source_error(s), CLUSTER_E_NOT_FOUND);
    end();
    begin_as("gossip:?broadcast=on", OWN, 9100);
    socket = &f.s[the_socket()];
    assert_int_equal(socket->flags, CLUSTER_IO_REUSE | CLUSTER_IO_BROADCAST);
    assert_int_equal(f.calls[FAKE_JOIN], 0);
    assert_memory_equal(socket->peer.bytes, "\xff\xff\xff\xff", 4);
    end();
}

static void secret_files(void **state)
{
    (void)state;
    begin("gossip:?secret-file=/run/secret");
    assert_int_equal(cluster_source_error(s), CLUSTER_E_NOT_FOUND);
    assert_non_null(strstr(cluster_source_why(s), "cannot read secret-file="));
    assert_null(strstr(cluster_source_why(s), "if="));
    f.files[0].path = "/run/secret";
    f.files[0].text = "\r\n";
    f.files[0].stamp = 1;
    wait_ms(6000);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_source_why(s), "or it is empty"));
    assert_int_equal(fake_count_open(&f), 0);
    f.files[0].text = " a secret \r\n\n";
    wait_ms(6000);
    hear("a@h", " a secret ", 0, 0);
    hear("b@h", "a secret", 0, 0);
    assert_true(here("a@h") && !here("b@h"));
    end();
}

/* ---- who may be believed ---------------------------------------------- */

static void authentication(void **state)
{
    static const char *const urls[] = {"gossip:", "gossip:?secret=s", "gossip:?secret=s&auth=required"};
    static const bool takes[3][4] = {/* plain, enciphered, authenticated, with another secret */
                                     {true, false, false, false},
                                     {false, true, true, false},
                                     {false, false, true, false}};
    int i;
    (void)state;
    for (i = 0; i < 3; i++) {
        begin(urls[i]);
        hear("plain@h", NULL, 0, 0);
        hear("enciphered@h", "s", 0, 0);
        hear("authentic@h", "s", 77, f.wall);
        hear("other@h", "t", 77, f.wall);
        assert_int_equal(here("plain@h"), takes[i][0]);
        assert_int_equal(here("enciphered@h"), takes[i][1]);
        assert_int_equal(here("authentic@h"), takes[i][2]);
        assert_int_equal(here("other@h"), takes[i][3]);
        assert_true(dropped() == 4 - cluster_member_count(c));
        end();
    }
}

/* Is this one taken? */
static bool taken(uint64_t instance, uint64_t time)
{
    uint64_t before = dropped();
    hear("a@h", "s", instance, time);
    return dropped() == before;
}

static void replays(void **state)
{
    const uint64_t minute = 60 * SECOND;
    uint64_t start;
    (void)state;
    begin("gossip:?secret=s&auth=required");
    start = f.wall;
    assert_true(taken(1, start));
    assert_false(taken(1, start)); /* the same once more */
    assert_false(taken(1, start - 1));
    assert_false(taken(1, 0)); /* no time at all */
    assert_true(taken(1, start + 1));
    assert_false(taken(1, start));
    /* Of a new start only what is near our own time. */
    assert_false(taken(2, start - 6 * minute));
    assert_false(taken(2, start + 6 * minute));
    assert_true(taken(2, start - 4 * minute));
    assert_true(taken(2, start - 4 * minute + 1));
    assert_false(taken(2, start - 4 * minute + 1));
    /* What was recorded long ago, of whatever start. */
    wait_ms(20 * 60 * 1000);
    assert_false(taken(1, start + 2));
    assert_false(here("a@h"));
    assert_true(taken(3, f.wall));
    assert_true(here("a@h"));
    /* A packet without an instance that is enciphered proves nothing, and is refused by whoever wants proof. */
    assert_false(taken(0, 0));
    end();
}

/* Clocks that jump cut off nobody who is known. */
static void clock_jumps(void **state)
{
    const uint64_t hour = 3600 * SECOND;
    uint64_t theirs;
    (void)state;
    begin("gossip:?secret=s&auth=required&max-age=0");
    theirs = f.wall;
    assert_true(taken(1, theirs));
    f.wall += hour; /* ours forward */
    assert_true(taken(1, theirs += SECOND));
    f.wall -= 3 * hour; /* and back */
    assert_true(taken(1, theirs += SECOND));
    f.wall += 2 * hour;
    assert_true(taken(1, theirs += 5 * hour)); /* theirs forward */
    assert_true(taken(1, theirs += SECOND));
    /* Theirs is put right: they begin anew. */
    theirs -= 5 * hour;
    assert_false(taken(1, theirs));
    assert_true(taken(2, theirs));
    assert_true(taken(2, theirs + 1));
    end();
}

/* Our own clock, seen by a peer that does not share its jumps. */
static void our_clock_jumps(void **state)
{
    static const int64_t jumps[] = {0, 100, -100, 7200, 0, 0, -250, 0};
    struct clu_gossip_keys keys;
    struct clu_gossip g;
    uint64_t last = 0, instance = 0;
    size_t i;
    (void)state;
    clu_gossip_keys_init(&keys, "s", 1);
    begin_as("gossip:?secret=s", OWN, 9100);
    for (i = 0; i < CLU_COUNT(jumps); i++) {
        struct fake_socket *socket = &f.s[the_socket()];
        size_t sends = socket->sends;
        f.wall += (uint64_t)(jumps[i] * (int64_t)SECOND);
        while (socket->sends == sends)
            wait_ms(500);
        assert_int_equal(clu_gossip_decode(&g, &keys, socket->out, socket->out_size), CLU_COMPLETE);
        assert_true(i == 0 || g.numbers[CLU_GOSSIP_ID] == instance);
        assert_true(g.numbers[CLU_GOSSIP_TIME] > last);
        instance = g.numbers[CLU_GOSSIP_ID];
        last = g.numbers[CLU_GOSSIP_TIME];
    }
    end();
}

static struct {
    uint8_t bytes[2][CLU_GOSSIP_MAX];
    size_t size[2], count;
} spoken;

static void remember(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    (void)machine;
    (void)fd;
    if (spoken.count < 2)
        memcpy(spoken.bytes[spoken.count], data, spoken.size[spoken.count] = size);
    spoken.count++;
}

/* Our clock jumps back by hours. Whose clock is right nobody knows: one who knows us hears the one who goes on, whatever its
 * clock; one who is new and agrees with the new time hears the other one. */
static void our_clock_jumps_back(void **state)
{
    static uint8_t before[CLU_GOSSIP_MAX];
    struct clu_gossip_keys keys;
    struct clu_gossip was, now[2];
    uint64_t wall;
    size_t size, i;
    int who;
    (void)state;
    clu_gossip_keys_init(&keys, "s", 1);
    begin_as("gossip:?secret=s", OWN, 9100);
    size = f.s[the_socket()].out_size;
    memcpy(before, f.s[the_socket()].out, size);
    f.wall -= 7200 * SECOND;
    memset(&spoken, 0, sizeof spoken);
    f.sent = remember;
    while (!spoken.count)
        wait_ms(500);
    assert_int_equal(spoken.count, 2);
    wall = f.wall;
    f.sent = NULL;
    wait_ms(60000);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY); /* one still knows oneself */
    assert_int_equal(f.logs, 0);
    /* The clock is put right again: one is one again. */
    f.wall += 7200 * SECOND;
    wait_ms(6000);
    f.sent = remember;
    spoken.count = 9;
    wait_ms(20000);
    assert_in_range(spoken.count, 9 + 3, 9 + 5);
    end();
    for (who = 0; who < 4; who++) {
        bool knows_us = who < 2, agrees = who % 2;
        begin("gossip:?secret=s&auth=required&max-age=0");
        f.wall = wall + 7200 * SECOND;
        if (knows_us)
            hear_bytes(before, size);
        assert_int_equal(here(OWN), knows_us);
        if (agrees)
            f.wall = wall;
        if (knows_us)
            assert_int_equal(cluster_source_gone(s, OWN), 0);
        hear_bytes(spoken.bytes[0], spoken.size[0]);
        hear_bytes(spoken.bytes[1], spoken.size[1]);
        assert_true(here(OWN));
        end();
    }
    assert_int_equal(clu_gossip_decode(&was, &keys, before, size), CLU_COMPLETE);
    for (i = 0; i < 2; i++)
        assert_int_equal(clu_gossip_decode(&now[i], &keys, spoken.bytes[i], spoken.size[i]), CLU_COMPLETE);
    assert_true(now[0].numbers[CLU_GOSSIP_ID] == was.numbers[CLU_GOSSIP_ID] &&
                now[0].numbers[CLU_GOSSIP_TIME] > was.numbers[CLU_GOSSIP_TIME]);
    assert_true(now[1].numbers[CLU_GOSSIP_ID] != was.numbers[CLU_GOSSIP_ID] &&
                now[1].numbers[CLU_GOSSIP_TIME] < was.numbers[CLU_GOSSIP_TIME]);
}

/* More names than the memory of instances has places: whoever is heard last is known. */
static void many_instances(void **state)
{
    char name[32];
    unsigned i;
    uint64_t start, before;
    (void)state;
    begin("gossip:?secret=s&auth=required&max-age=0");
    start = f.wall;
    for (i = 0; i < 1500; i++) {
        sprintf(name, "n%u@h", i);
        hear(name, "s", 5, start + i);
        wait_ms(4);
        start = f.wall - i;
    }
    assert_int_equal(cluster_member_count(c), 1500);
    before = dropped();
    hear(name, "s", 5, f.wall - SECOND);
    assert_true(dropped() == before + 1);
    end();
}

/* ---- floods ----------------------------------------------------------- */

static void flood(unsigned first, unsigned count)
{
    uint8_t packet[CLU_GOSSIP_MAX];
    char name[32];
    struct other o;
    memset(&o, 0, sizeof o);
    o.name = name;
    while (count--) {
        sprintf(name, "f%u@h", first++);
        fake_push(&f, the_socket(), packet, packet_of(&o, packet), &peer);
    }
}

static void new_names_come_at_a_bounded_rate(void **state)
{
    unsigned second;
    (void)state;
    begin("gossip:?max-age=0");
    hear_plain("old@h");
    flood(0, 3000);
    wait_ms(0);
    assert_in_range(cluster_member_count(c), 250, 256);
    assert_int_equal(f.logs, 1); /* said once */
    assert_non_null(strstr(f.log, "limit="));
    for (second = 1; second <= 10; second++) {
        flood(second * 3000, 3000);
        wait_ms(1000);
        hear_plain("old@h");
        assert_true(cluster_member_count(c) <= 256 * (second + 1));
    }
    assert_true(cluster_member_count(c) >= 256 * 10);
    wait_ms(60000);
    flood(40000, 4000);
    wait_ms(0);
    assert_true(cluster_member_count(c) <= 256 * 12); /* a rest saves up no more than one second's */
    wait_ms(60000);
    for (second = 0; second < 20; second++) {
        flood(50000 + second * 400, 400);
        wait_ms(1000);
    }
    assert_int_equal(cluster_member_count(c), 4096); /* in the end the limit holds */
    assert_int_equal(f.logs, 1);
    hear_plain("old@h");
    assert_true(here("old@h"));
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    end();
}

/* Those who were there keep their places, and their time. */
static void a_limit(void **state)
{
    unsigned i;
    (void)state;
    begin("gossip:?limit=50");
    flood(0, 50);
    wait_ms(0);
    for (i = 0; i < 60; i++) {
        flood(1000 + i * 300, 300);
        flood(0, 50);
        wait_ms(1000);
    }
    assert_int_equal(cluster_member_count(c), 50);
    assert_true(here("f0@h") && here("f49@h"));
    assert_true(cluster_revision(c) == 50);
    wait_ms(16000);
    assert_int_equal(cluster_member_count(c), 0);
    hear_plain("new@h");
    assert_true(here("new@h"));
    end();
}

static void filtered(void **state)
{
    (void)state;
    begin("gossip:?allow=10.0.0.0/24&except=bad*");
    hear_plain("a@h");
    hear_plain("bad@h");
    peer = fake_address(10, 0, 1, 7, 0);
    hear_plain("b@h");
    assert_int_equal(cluster_member_count(c), 1);
    assert_true(here("a@h"));
    assert_true(dropped() == 2);
    end();
}

static void large_datagrams(void **state)
{
    static uint8_t datagram[65507];
    struct other o;
    size_t size;
    (void)state;
    begin("gossip:");
    memset(&o, 0, sizeof o);
    o.name = "big@h";
    size = packet_of(&o, datagram);
    hear_bytes(datagram, sizeof datagram); /* cut, it would be a good one */
    assert_int_equal(cluster_member_count(c), 0);
    assert_true(dropped() == 1);
    hear_bytes(datagram, 2049);
    assert_int_equal(cluster_member_count(c), 0);
    hear_bytes("", 0);
    assert_true(dropped() == 3);
    hear_bytes(datagram, 2048);
    assert_true(here("big@h"));
    hear_bytes(datagram, size);
    assert_true(dropped() == 3);
    assert_int_equal(f.calls[FAKE_OPEN], 1);
    end();
}

/* A flood takes no more calls a step than the budget allows, and the announcements go out meanwhile. */
static void a_flood_and_the_budget(void **state)
{
    unsigned long before;
    int i;
    (void)state;
    options = fake_begin(&f);
    options.node = OWN;
    options.port = 9100;
    options.limit_budget = 10;
    f.echo = true;
    begin_on("gossip:?interval=100ms&jitter=0%");
    for (i = 0; i < 100; i++) {
        flood((unsigned)i * 100, 100);
        before = f.calls[FAKE_RECV];
        now_ns += 100 * CLU_MS;
        (void)fake_step(&f, c, now_ns);
        assert_true(f.calls[FAKE_RECV] - before <= 10);
        assert_true(cluster_deadline(c) <= now_ns);
    }
    assert_true(f.calls[FAKE_SEND] > 80);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    end();
}

static void no_memory(void **state)
{
    unsigned long n;
    int all;
    (void)state;
    for (all = 0; all < 2; all++)
        for (n = 1; n < 40; n++) {
            options = fake_begin(&f);
            options.node = OWN;
            options.port = 9100;
            f.echo = true;
            f.files[0].path = "/s";
            f.files[0].text = "s";
            f.files[0].stamp = 1;
            memset(&mirror, 0, sizeof mirror);
            now_ns = 1000 * SECOND;
            peer = fake_address(10, 0, 0, 7, 0);
            assert_int_equal(cluster_create(&c, &options), 0);
            assert_int_equal(cluster_discover(c, "gossip:?secret-file=/s", &s), 0);
            fake_memory_fail(&f.memory, n, all);
            wait_ms(0);
            if (fake_count_open(&f)) {
                hear("a@h", "s", 1, f.wall);
                hear("b@h", "s", 2, f.wall);
            }
            fake_memory_fail(&f.memory, 0, false);
            wait_ms(6000);
            hear("a@h", "s", 1, f.wall);
            hear("b@h", "s", 2, f.wall);
            assert_true(here("a@h") && here("b@h"));
            end();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_packets),
        cmocka_unit_test(crafted_packets),
        cmocka_unit_test(attributes),
        cmocka_unit_test(who_announces),
        cmocka_unit_test(what_is_announced),
        cmocka_unit_test(own_name_of_another),
        cmocka_unit_test(good_bye_in_our_name),
        cmocka_unit_test(unheard),
        cmocka_unit_test(unheard_broadcasts),
        cmocka_unit_test(one_lost_packet),
        cmocka_unit_test(heard_while_it_fails),
        cmocka_unit_test(ageing),
        cmocka_unit_test(frozen_while_the_socket_fails),
        cmocka_unit_test(failures_of_the_socket),
        cmocka_unit_test(a_listener_joins_anew),
        cmocka_unit_test(lost_descriptor),
        cmocka_unit_test(sockets),
        cmocka_unit_test(secret_files),
        cmocka_unit_test(authentication),
        cmocka_unit_test(replays),
        cmocka_unit_test(clock_jumps),
        cmocka_unit_test(our_clock_jumps),
        cmocka_unit_test(our_clock_jumps_back),
        cmocka_unit_test(many_instances),
        cmocka_unit_test(new_names_come_at_a_bounded_rate),
        cmocka_unit_test(a_limit),
        cmocka_unit_test(filtered),
        cmocka_unit_test(large_datagrams),
        cmocka_unit_test(a_flood_and_the_budget),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
