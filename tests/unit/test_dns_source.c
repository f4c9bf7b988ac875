/* dns: sources and cluster_resolve, against a scripted DNS server: every code, partial, shuffled, silent, truncated answers. */
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

static struct cluster_source *s;

/* ---- the other side --------------------------------------------------- */

enum { GOOD, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5, SILENT = 100, TRUNCATED };

/* What the zone says of one name and type. */
struct rrset {
    const char *name;
    unsigned type;
    int mode;
    unsigned count, first; /* of numbered records from `first` on */
    uint32_t ttl;
    const char *targets[4]; /* of SRV, CNAME */
    unsigned port, weight;
    uint32_t additional; /* SRV: the A of the first target, or 0 */
    bool all_additional; /* of every numbered target */
    bool one_target;     /* in place of numbered ones */
};

static struct rrset zone[8];
static unsigned asked, shuffle, in_flight_most, silent_id;
static int silent_fd; /* of the last query that was not answered */
static char last_name[256];
static struct message m;

static void records(const struct rrset *r)
{
    unsigned i, at;
    for (i = 0; i < r->count; i++) {
        at = r->first + (i + shuffle) % r->count;
        if (r->type == CLUSTER_DNS_A) {
            put_a(&m, r->ttl, 0x0a000000 | at);
        } else if (r->type == CLUSTER_DNS_AAAA) {
            put_aaaa(&m, r->ttl, at);
        } else {
            char target[32];
            sprintf(target, "T%u.web", r->one_target ? 0 : at);
            put_srv(&m, r->ttl, 1, r->weight, r->port, target);
        }
    }
    for (i = 0; i < 4 && r->targets[i]; i++)
        put_srv(&m, r->ttl, i, r->weight, r->port + i, r->targets[i]);
    if (r->additional) {
        put_name(&m, r->targets[0]);
        put_head(&m, ADDITIONAL, 1, r->ttl, 4);
        put32(&m, r->additional);
    }
    for (i = 0; r->all_additional && i < r->count; i++) {
        char target[32];
        sprintf(target, "t%u.WEB", r->first + (i * 7 + shuffle) % r->count);
        put_name(&m, target);
        put_head(&m, ADDITIONAL, 1, r->ttl, 4);
        put32(&m, 0x0a000000 | (r->first + (i * 7 + shuffle) % r->count));
    }
}

static void sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    struct fake_socket *socket = &machine->s[fd];
    size_t i;
    unsigned id, type, mode = GOOD, open = (unsigned)fake_count_open(machine) - (unsigned)c->loop.retired_count;
    uint8_t length[2];
    bool tcp = socket->kind == CLUSTER_TCP;
    const struct rrset *r = NULL;
    (void)size;
    if (tcp) {
        data = socket->out + 2;
        socket->out_size = 0;
    }
    in_flight_most = open > in_flight_most ? open : in_flight_most;
    id = (unsigned)data[0] << 8 | data[1];
    type = asked_for(data, last_name);
    asked++;
    for (i = 0; i < 8 && !r; i++)
        if (zone[i].name && zone[i].type == type && strcmp(zone[i].name, last_name) == 0)
            r = &zone[i];
    mode = r ? (unsigned)r->mode : NXDOMAIN;
    silent_fd = mode == SILENT ? fd : silent_fd;
    silent_id = mode == SILENT ? id : silent_id;
    if (mode == SILENT)
        return;
    begin(&m, id, 0x8180 | (mode < 16 ? mode : 0) | (mode == TRUNCATED && !tcp ? 0x200 : 0), last_name, type);
    if (r && (mode == GOOD || mode == TRUNCATED))
        records(r);
    else
        put_soa(&m, 60, 60);
    if (!tcp && m.size > 1232)
        m.data[2] |= 2, m.size = 12 + strlen(last_name) + 2 + 4, memset(m.data + 6, 0, 6);
    if (tcp) {
        length[0] = (uint8_t)(m.size >> 8);
        length[1] = (uint8_t)m.size;
        fake_push(machine, fd, length, 2, NULL);
    }
    fake_push(machine, fd, m.data, m.size, &socket->peer);
}

static int machine(void **state)
{
    (void)state;
    memset(zone, 0, sizeof zone);
    memset(&mirror, 0, sizeof mirror);
    asked = shuffle = in_flight_most = 0;
    now_ns = 100 * SECOND;
    return 0;
}

static struct rrset *has(int at, const char *name, unsigned type, unsigned first, unsigned count)
{
    zone[at].name = name;
    zone[at].type = type;
    zone[at].first = first;
    zone[at].count = count;
    zone[at].ttl = 30;
    return &zone[at];
}

static void begin_as(const char *url, const char *node)
{
    struct cluster_options o = fake_begin(&f);
    f.sent = sent;
    f.files[0].path = "/etc/resolv.conf";
    f.files[0].text = "nameserver 10.9.9.9\nsearch test\noptions timeout:1\n";
    f.files[0].stamp = 1;
    o.node = node;
    assert_int_equal(cluster_create(&c, &o), 0);
    s = NULL;
    if (url && cluster_discover(c, url, &s) != 0)
        fail_msg("%s", cluster_last_error(c));
}

static void round_now(void)
{
    assert_int_equal(cluster_source_refresh(s), 0);
    wait_ms(10);
}

static void state_is(int state)
{
    if (cluster_source_state(s) != state)
        fail_msg("state %d: %s", cluster_source_state(s), cluster_source_why(s));
}

/* ---- addresses -------------------------------------------------------- */

static void addresses_become_nodes(void **state)
{
    (void)state;
    has(0, "tasks.web", CLUSTER_DNS_A, 1, 2);
    has(1, "tasks.web", CLUSTER_DNS_AAAA, 0xab, 1);
    begin_as("dns:tasks.web?node=web&port=9100", NULL);
    wait_ms(0);
    expect("web@10.0.0.1 web@10.0.0.2 web@fd00::ab");
    assert_string_equal(cluster_member_at(c, 0)->address, "10.0.0.1");
    assert_int_equal(cluster_member_at(c, 2)->port, 9100);
    state_is(CLUSTER_SOURCE_ANSWER);
    end();
}

/* As Erlang's inet:ntoa writes them. */
static void ipv6_as_the_beam_writes_it(void **state)
{
    static const struct {
        uint16_t group[8];
        const char *text;
    } table[] = {
        {{0xfd00, 0, 0, 1, 0, 0, 0, 2}, "fd00:0:0:1::2"},
        {{0xfd00, 0, 0, 1, 0, 0, 2, 3}, "fd00::1:0:0:2:3"},
        {{0xfdaa, 0, 0xab12, 0xa7b, 1, 0xdead, 0xbeef, 2}, "fdaa:0:ab12:a7b:1:dead:beef:2"},
        {{1, 2, 3, 4, 5, 6, 7, 0}, "1:2:3:4:5:6:7:0"},
        {{0, 0, 0, 0, 0, 0, 0, 1}, "::1"},
        {{1, 2, 3, 4, 5, 6, 0, 0}, "1:2:3:4:5:6::"},
    };
    size_t i, j;
    (void)state;
    for (i = 0; i < sizeof table / sizeof *table; i++) {
        struct cluster_address a;
        char text[64];
        struct clu_text t = clu_text_on(text, sizeof text);
        memset(&a, 0, sizeof a);
        a.family = 6;
        for (j = 0; j < 8; j++) {
            a.bytes[2 * j] = (uint8_t)(table[i].group[j] >> 8);
            a.bytes[2 * j + 1] = (uint8_t)table[i].group[j];
        }
        clu_address_text(&t, &a);
        assert_string_equal(text, table[i].text);
    }
}

static void the_own_host_decides_the_family(void **state)
{
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 2);
    has(1, "web", CLUSTER_DNS_AAAA, 1, 1);
    begin_as("dns:web", "app@10.0.0.1");
    wait_ms(0);
    expect("app@10.0.0.1 app@10.0.0.2");
    assert_int_equal(asked, 1);
    end();
    machine(state);
    has(0, "web", CLUSTER_DNS_A, 1, 2);
    has(1, "web", CLUSTER_DNS_AAAA, 1, 1);
    begin_as("dns:web?type=aaaa", "app@10.0.0.1");
    wait_ms(0);
    expect("app@10.0.0.1 app@fd00::1");
    end();
}

static void several_names_with_base_names_of_their_own(void **state)
{
    (void)state;
    has(0, "tasks.web", CLUSTER_DNS_A, 1, 1);
    has(1, "tasks.api", CLUSTER_DNS_A, 2, 1);
    begin_as("dns:web@tasks.web,api@tasks.api,tasks.gone?type=a&node=x", NULL);
    wait_ms(0);
    expect("api@10.0.0.2 web@10.0.0.1");
    assert_string_equal(cluster_member_find(c, "api@10.0.0.2")->address, "10.0.0.2");
    end();
}

/* More names than may be asked for at a time. */
static void many_names(void **state)
{
    char url[2048] = "dns:";
    int i;
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 2);
    for (i = 0; i < 100; i++)
        sprintf(url + strlen(url), "b%d@web,", i);
    strcpy(url + strlen(url) - 1, "?type=a");
    begin_as(url, NULL);
    wait_ms(10);
    assert_int_equal(cluster_member_count(c), 200);
    assert_int_equal(asked, 100);
    assert_true(in_flight_most <= CLU_DNS_ASKED_MAX);
    end();
}

static void large_names_shuffled_each_round(void **state)
{
    unsigned long allocations, changes;
    unsigned i;
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 4000)->mode = GOOD;
    begin_as("dns:web?type=a&node=web&misses=1", NULL);
    wait_ms(0);
    assert_int_equal(cluster_member_count(c), 4000);
    shuffle = 5;
    round_now();
    allocations = f.memory.allocations;
    changes = (unsigned long)cluster_revision(c);
    for (i = 1; i < 20; i++) {
        shuffle = i * 37;
        round_now();
    }
    assert_int_equal(f.memory.allocations, allocations);
    assert_int_equal(cluster_revision(c), changes);
    assert_true(cluster_source_rounds(s) >= 20);
    zone[0].count = 3999;
    round_now();
    assert_int_equal(cluster_member_count(c), 3999);
    end();
}

/* ---- failures and empty answers --------------------------------------- */

static void a_failed_question_fails_the_round(void **state)
{
    static const int modes[] = {SERVFAIL, REFUSED, SILENT, 1, 4};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof modes / sizeof *modes; i++) {
        machine(state);
        has(0, "web", CLUSTER_DNS_A, 1, 2);
        has(1, "api", CLUSTER_DNS_A, 3, 1);
        begin_as("dns:web,api?type=a&node=n&misses=1", NULL);
        wait_ms(0);
        expect("n@10.0.0.1 n@10.0.0.2 n@10.0.0.3");
        zone[1].mode = modes[i];
        zone[0].count = 1; /* the other one's answer is no answer then */
        wait_ms(60000);
        state_is(CLUSTER_SOURCE_FAILED);
        assert_non_null(strstr(cluster_source_why(s), "api"));
        assert_non_null(strstr(cluster_source_why(s), "10.9.9.9"));
        expect("n@10.0.0.1 n@10.0.0.2 n@10.0.0.3");
        assert_int_equal(mirror.seen[CLUSTER_SOURCE], 2); /* said once */
        assert_int_equal(f.logs, 1);
        zone[1].mode = GOOD;
        wait_ms(30000);
        state_is(CLUSTER_SOURCE_ANSWER);
        assert_int_equal(mirror.seen[CLUSTER_SOURCE], 3);
        expect("n@10.0.0.1 n@10.0.0.3");
        end();
    }
}

static void empty_answers_are_confirmed(void **state)
{
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 2);
    begin_as("dns:web?type=a&node=n", NULL);
    wait_ms(0);
    zone[0].mode = NXDOMAIN;
    round_now();
    state_is(CLUSTER_SOURCE_EMPTY);
    expect("n@10.0.0.1 n@10.0.0.2");
    zone[0].mode = GOOD; /* and now no record of this type */
    zone[0].count = 0;
    round_now();
    state_is(CLUSTER_SOURCE_EMPTY);
    expect("n@10.0.0.1 n@10.0.0.2");
    round_now();
    expect("");
    end();
}

static void random_subsets_with_prune_off(void **state)
{
    unsigned i;
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 2);
    begin_as("dns:web?type=a&node=n&prune=off", NULL);
    for (i = 0; i < 6; i++) {
        zone[0].first = 1 + 2 * (i % 3);
        round_now();
    }
    assert_int_equal(cluster_member_count(c), 6);
    assert_int_equal(mirror.seen[CLUSTER_LEAVE], 0);
    end();
}

static void truncated_goes_over_tcp(void **state)
{
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 2)->mode = TRUNCATED;
    begin_as("dns:web?type=a&node=n", NULL);
    wait_ms(0);
    expect("n@10.0.0.1 n@10.0.0.2");
    assert_int_equal(asked, 2);
    end();
}

static void a_kept_connection(void **state)
{
    unsigned long opened;
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 2);
    begin_as("dns:web?type=a&node=n&tcp=keep", NULL);
    wait_ms(0);
    opened = f.calls[FAKE_OPEN];
    round_now();
    round_now();
    expect("n@10.0.0.1 n@10.0.0.2");
    assert_int_equal(f.calls[FAKE_OPEN], opened);
    end();
}

static void search_hosts_and_server(void **state)
{
    (void)state;
    has(0, "web.test", CLUSTER_DNS_A, 1, 1);
    begin_as("dns:web?type=a&node=n&search=on&server=10.1.1.1:5353", NULL);
    f.files[1].path = "/etc/hosts";
    f.files[1].text = "10.0.0.77 db\n";
    f.files[1].stamp = 1;
    wait_ms(0);
    expect("n@10.0.0.1");
    assert_int_equal(cluster_discover(c, "dns:db?type=a&node=n&hosts=on", &s), 0);
    wait_ms(10);
    state_is(CLUSTER_SOURCE_ANSWER);
    expect("n@10.0.0.1 n@10.0.0.77");
    cluster_source_remove(s); /* the file has the name as it is given, whatever the search list would make of it */
    assert_int_equal(cluster_discover(c, "dns:db?type=a&node=n&hosts=on&search=on", &s), 0);
    wait_ms(10);
    state_is(CLUSTER_SOURCE_ANSWER);
    expect("n@10.0.0.1 n@10.0.0.77");
    end();
}

/* ---- SRV -------------------------------------------------------------- */

static void srv_by_name(void **state)
{
    struct rrset *r = has(0, "_p._tcp.web", CLUSTER_DNS_SRV, 1, 0);
    (void)state;
    r->targets[0] = "a.web";
    r->targets[1] = "b.web";
    r->port = 9100;
    r->weight = 7;
    begin_as("dns:_p._tcp.web?type=srv&host=name&node=n", NULL);
    wait_ms(0);
    expect("n@a.web n@b.web");
    assert_int_equal(cluster_member_at(c, 1)->port, 9101);
    assert_int_equal(cluster_member_at(c, 1)->weight, 7);
    assert_int_equal(asked, 1);
    r->weight = 0;
    round_now();
    assert_int_equal(cluster_member_at(c, 1)->weight, 1);
    end();
}

/* A service whose SRV records name a port that is not the nodes' own: epmd is asked for that, or port= says it. */
static void srv_without_ports(void **state)
{
    struct rrset *r = has(0, "web", CLUSTER_DNS_SRV, 1, 0);
    (void)state;
    r->targets[0] = "a.web";
    r->port = 4000;
    begin_as("dns:web?type=srv&host=name&ports=off&node=n", NULL);
    wait_ms(0);
    expect("n@a.web");
    assert_int_equal(cluster_member_at(c, 0)->port, 0);
    assert_int_equal(cluster_discover(c, "dns:web?type=srv&host=name&ports=off&port=9100&node=m", &s), 0);
    wait_ms(10);
    assert_int_equal(cluster_member_find(c, "m@a.web")->port, 9100);
    assert_int_equal(cluster_discover(c, "dns:web?type=srv&host=name&ports=on&port=9100&node=o", &s), 0);
    wait_ms(10);
    assert_int_equal(cluster_member_find(c, "o@a.web")->port, 4000);
    end();
}

/* The first target brings its address, the others are asked for; one has none. */
static void srv_targets_are_resolved(void **state)
{
    struct rrset *r = has(0, "srv", CLUSTER_DNS_SRV, 1, 0);
    unsigned long revision;
    (void)state;
    r->targets[0] = "a.web";
    r->targets[1] = "b.web";
    r->targets[2] = "gone.web";
    r->port = 9100;
    r->additional = 0x0a000001;
    has(1, "b.web", CLUSTER_DNS_A, 2, 2);
    has(2, "a.web", CLUSTER_DNS_A, 99, 1); /* nobody asks for it */
    begin_as("dns:srv?type=srv&node=n", NULL);
    wait_ms(10);
    expect("n@10.0.0.1 n@10.0.0.2 n@10.0.0.3");
    assert_int_equal(cluster_member_at(c, 0)->port, 9100);
    assert_int_equal(cluster_member_at(c, 1)->port, 9101);
    assert_string_equal(cluster_member_at(c, 2)->address, "10.0.0.3");
    assert_int_equal(asked, 5);
    round_now();
    revision = (unsigned long)cluster_revision(c);
    round_now();
    assert_int_equal(cluster_revision(c), revision);
    has(3, "gone.web", CLUSTER_DNS_A, 50, 1); /* only the address of a target changes */
    round_now();
    expect("n@10.0.0.1 n@10.0.0.2 n@10.0.0.3 n@10.0.0.50");
    zone[3].mode = SERVFAIL;
    r->additional = 0x0a000009;
    round_now();
    state_is(CLUSTER_SOURCE_FAILED);
    expect("n@10.0.0.1 n@10.0.0.2 n@10.0.0.3 n@10.0.0.50");
    end();
}

static void no_target_has_an_address_yet(void **state)
{
    struct rrset *r = has(0, "srv", CLUSTER_DNS_SRV, 1, 0);
    (void)state;
    r->targets[0] = "late.web";
    begin_as("dns:srv?type=srv&node=n", NULL);
    wait_ms(10);
    state_is(CLUSTER_SOURCE_EMPTY);
    round_now();
    has(1, "late.web", CLUSTER_DNS_A, 4, 1);
    round_now();
    expect("n@10.0.0.4");
    end();
}

static void large_srv_with_and_without_additional(void **state)
{
    struct rrset *r = has(0, "srv", CLUSTER_DNS_SRV, 1, 500);
    unsigned long allocations;
    (void)state;
    r->port = 9100;
    r->all_additional = true;
    begin_as("dns:srv?type=srv", "n@10.9.9.1");
    wait_ms(10);
    assert_int_equal(cluster_member_count(c), 501);
    assert_int_equal(asked, 2); /* TC, then TCP */
    shuffle = 3;
    round_now();
    allocations = f.memory.allocations;
    shuffle = 77;
    round_now();
    assert_int_equal(f.memory.allocations, allocations);
    r->all_additional = false;
    asked = 0;
    round_now();
    wait_ms(100);
    assert_true(asked >= 502);
    assert_true(in_flight_most <= CLU_DNS_ASKED_MAX);
    state_is(CLUSTER_SOURCE_EMPTY); /* the zone has no such hosts */
    assert_int_equal(cluster_member_count(c), 501);
    end();
}

/* A question of a round that has failed is answered in the next one, to which it says nothing. */
static void an_answer_that_comes_a_round_late(void **state)
{
    struct rrset *r = has(0, "srv", CLUSTER_DNS_SRV, 1, 0);
    (void)state;
    r->targets[0] = "bad.web";
    r->targets[1] = "slow.web";
    has(1, "bad.web", CLUSTER_DNS_A, 1, 1)->mode = SERVFAIL;
    has(2, "slow.web", CLUSTER_DNS_A, 2, 1)->mode = SILENT;
    begin_as("dns:srv?type=srv&interval=500ms&jitter=0%", "n@10.9.9.1");
    wait_ms(10);
    state_is(CLUSTER_SOURCE_FAILED);
    assert_int_equal(cluster_source_rounds(s), 1);
    assert_string_equal(last_name, "bad.web");
    begin(&m, silent_id, 0x8180, "slow.web", CLUSTER_DNS_A);
    put_a(&m, 30, 0x0a000002);
    zone[1].mode = GOOD;
    r->mode = SILENT;
    {
        int fd = silent_fd;
        wait_ms(500);
        assert_string_equal(last_name, "srv");
        fake_push(&f, fd, m.data, m.size, &f.s[fd].peer);
    }
    wait_ms(10);
    assert_int_equal(cluster_source_rounds(s), 1);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_IO);
    r->mode = zone[2].mode = GOOD;
    wait_ms(1000);
    assert_int_equal(cluster_source_rounds(s), 2);
    state_is(CLUSTER_SOURCE_ANSWER);
    expect("n@10.0.0.1 n@10.0.0.2 n@10.9.9.1");
    end();
}

/* Ports of one host, which has many addresses, make a node each of every address: there is an end to that. */
static void more_than_anybody_has(void **state)
{
    struct rrset *r = has(0, "srv", CLUSTER_DNS_SRV, 1, 300);
    unsigned i;
    (void)state;
    r->one_target = true;
    r->port = 1;
    has(1, "T0.web", CLUSTER_DNS_A, 1, 2);
    begin_as("dns:srv?type=srv&node=n&timeout=60s&interval=1h", NULL);
    wait_ms(5000);
    expect("n@10.0.0.1 n@10.0.0.2");
    for (i = 0; i < 2; i++) {
        zone[1].count = i ? 700 : 300; /* too many of both, and of nodes alone */
        round_now();
        wait_ms(5000);
        state_is(CLUSTER_SOURCE_FAILED);
        assert_non_null(strstr(cluster_source_why(s), "65536"));
        expect("n@10.0.0.1 n@10.0.0.2");
    }
    end();
}

/* ---- time ------------------------------------------------------------- */

static void polled_by_ttl(void **state)
{
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 1, 1)->ttl = 30;
    begin_as("dns:web?type=a&node=n&interval=ttl", NULL);
    wait_ms(29000);
    assert_int_equal(asked, 1);
    wait_ms(2000);
    assert_int_equal(asked, 2);
    zone[0].ttl = 0; /* the floor */
    wait_ms(30000);
    asked = 0;
    wait_ms(10000);
    assert_in_range(asked, 9, 11);
    zone[0].ttl = 86400; /* and the ceiling */
    wait_ms(2000);
    asked = 0;
    wait_ms(299000);
    assert_in_range(asked, 0, 1);
    wait_ms(3000);
    assert_int_equal(asked, 1);
    zone[0].mode = SERVFAIL;
    wait_ms(301000);
    state_is(CLUSTER_SOURCE_FAILED);
    zone[0].mode = GOOD;
    wait_ms(6000);
    state_is(CLUSTER_SOURCE_ANSWER);
    end();
}

/* ---- what is refused at once ------------------------------------------ */

static void bad_urls_name_the_mend(void **state)
{
    static const char *const table[][2] = {
        {"dns:", "needs a name"},
        {"dns://web", "no '//'"},
        {"dns:web:53?node=n", "server="},
        {"dns:10.0.0.1?node=n", "static:"},
        {"dns:a..b?node=n", "labels"},
        {"dns:web", "dns:app@NAME"},
        {"dns:@web", "base name"},
        {"dns:web?node=n&host=name", "type=srv"},
        {"dns:web?node=n&ports=off", "type=srv"},
        {"dns:web?node=n&type=mx", "a+aaaa a aaaa srv"},
        {"dns:web?node=n&server=nowhere", "ADDRESS:PORT"},
        {"dns:web?node=n&tcp=yes", "keep"},
        {"dns:web?node=n&interval=tll", "also ttl"},
        {"dns:web?node=n&question=txt", "unknown option"},
        {"epmd:?interval=ttl", "duration"},
        {"epmd:?search=on", "for 'dns'"},
    };
    size_t i;
    (void)state;
    begin_as(NULL, NULL);
    for (i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(cluster_discover(c, table[i][0], NULL), CLUSTER_E_INVALID);
        if (!strstr(cluster_last_error(c), table[i][1]))
            fail_msg("%s: %s", table[i][0], cluster_last_error(c));
    }
    end();
}

/* ---- one-off queries -------------------------------------------------- */

static int look_up(const char *name, const char *type)
{
    uint64_t request = 0;
    int result = cluster_resolve(c, name, type, &request);
    if (result)
        return result;
    mirror.reply = 0;
    wait_ms(20000);
    assert_true(mirror.reply == request && request);
    return mirror.reply_error;
}

static void questions(void **state)
{
    (void)state;
    has(0, "web", CLUSTER_DNS_A, 9, 2);
    has(1, "web", CLUSTER_DNS_AAAA, 1, 1);
    has(2, "srv", CLUSTER_DNS_SRV, 1, 0)->targets[0] = "a.web";
    zone[2].port = 9100;
    begin_as(NULL, NULL);
    assert_int_equal(look_up("web?server=10.1.1.1", NULL), 0);
    assert_string_equal(mirror.reply_text, "10.0.0.10\n10.0.0.9\nfd00::1\n");
    assert_int_equal(look_up("web", "aaaa"), 0);
    assert_string_equal(mirror.reply_text, "fd00::1\n");
    assert_int_equal(look_up("srv", "srv"), 0);
    assert_string_equal(mirror.reply_text, "0 0 9100 a.web\n");
    assert_int_equal(look_up("nobody", "txt"), CLUSTER_E_NOT_FOUND);
    assert_non_null(strstr(mirror.reply_text, "NXDOMAIN"));
    zone[0].count = 0;
    assert_int_equal(look_up("web", "a"), CLUSTER_E_NOT_FOUND);
    assert_non_null(strstr(mirror.reply_text, "no record"));
    zone[0].mode = SERVFAIL;
    assert_int_equal(look_up("web", "a"), CLUSTER_E_IO);
    assert_non_null(strstr(mirror.reply_text, "SERVFAIL"));
    assert_int_equal(look_up("web", "mx"), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "cname"));
    assert_int_equal(look_up("a,b", NULL), CLUSTER_E_INVALID);
    assert_int_equal(look_up("a..b", NULL), CLUSTER_E_INVALID);
    assert_int_equal(look_up(NULL, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_resolve(NULL, "web", NULL, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_member_count(c), 0);
    end();
}

/* ---- memory ----------------------------------------------------------- */

static void every_allocation_fails_once(void **state)
{
    unsigned long i, failures = 1;
    for (i = 1; failures; i++) {
        struct rrset *r;
        machine(state);
        r = has(0, "srv", CLUSTER_DNS_SRV, 1, 0);
        r->targets[0] = "a.web";
        r->targets[1] = "b.web";
        r->additional = 0x0a000001;
        has(1, "b.web", CLUSTER_DNS_A, 2, 2);
        begin_as(NULL, NULL);
        fake_memory_fail(&f.memory, i, false);
        if (cluster_discover(c, "dns:srv?type=srv&node=n&interval=50ms", &s) == 0) {
            (void)cluster_resolve(c, "b.web", "a", NULL);
            wait_ms(200);
        } else {
            fake_memory_fail(&f.memory, 0, false);
            assert_int_equal(cluster_discover(c, "dns:srv?type=srv&node=n&interval=50ms", &s), 0);
            f.memory.failures = 1;
        }
        failures = f.memory.failures;
        fake_memory_fail(&f.memory, 0, false);
        wait_ms(12000);
        expect("n@10.0.0.1 n@10.0.0.2 n@10.0.0.3");
        end();
    }
    assert_true(i > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(addresses_become_nodes, machine),
        cmocka_unit_test_setup(ipv6_as_the_beam_writes_it, machine),
        cmocka_unit_test_setup(the_own_host_decides_the_family, machine),
        cmocka_unit_test_setup(several_names_with_base_names_of_their_own, machine),
        cmocka_unit_test_setup(many_names, machine),
        cmocka_unit_test_setup(large_names_shuffled_each_round, machine),
        cmocka_unit_test_setup(a_failed_question_fails_the_round, machine),
        cmocka_unit_test_setup(empty_answers_are_confirmed, machine),
        cmocka_unit_test_setup(random_subsets_with_prune_off, machine),
        cmocka_unit_test_setup(truncated_goes_over_tcp, machine),
        cmocka_unit_test_setup(a_kept_connection, machine),
        cmocka_unit_test_setup(search_hosts_and_server, machine),
        cmocka_unit_test_setup(srv_by_name, machine),
        cmocka_unit_test_setup(srv_without_ports, machine),
        cmocka_unit_test_setup(srv_targets_are_resolved, machine),
        cmocka_unit_test_setup(no_target_has_an_address_yet, machine),
        cmocka_unit_test_setup(large_srv_with_and_without_additional, machine),
        cmocka_unit_test_setup(an_answer_that_comes_a_round_late, machine),
        cmocka_unit_test_setup(more_than_anybody_has, machine),
        cmocka_unit_test_setup(polled_by_ttl, machine),
        cmocka_unit_test_setup(bad_urls_name_the_mend, machine),
        cmocka_unit_test_setup(questions, machine),
        cmocka_unit_test_setup(every_allocation_fails_once, machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
