/* Links to Erlang nodes, against scripted ones: well behaved, hostile at every byte, silent, of another cookie, gone. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "atom.h"
#include "one_handle.h"
#include "faulty_speech.h"

#define SECOND FAKE_SECOND
#define OWN "c@10.0.0.9"

/* ---- the other nodes -------------------------------------------------- */

enum { STATUS, CHALLENGE, ACK, STAGES };

static struct node {
    const char *name, *cookie, *status;
    uint16_t port;
    uint64_t flags;
    bool refuses, unregistered, old, mute;
    int stage, way; /* what is said at this stage goes wrong so */
    size_t at;      /* from this byte on */
    bool held;      /* it has a link of this name already */
    int fd;         /* its newest stream */
    bool up;
    char said[16]; /* true or false, after alive */
    unsigned ticks, accepted, asked, proofs;
    uint32_t challenge;        /* that we gave it */
    const struct node *echoes; /* it gives us the challenge that we gave to that one */
    const char *gives;         /* the name that it gives, and its creation */
    uint32_t creation;
    uint64_t asks_flags; /* what was said to it first */
    char asks_name[64];
} nodes[40];

static int node_count;
static bool no_epmd;
static const char *own; /* the own name; NULL: others give it one */

/* TLS of the host, which passes bytes on as they are. A session is a place of this table, by its descriptor. */
static struct {
    bool used; /* links are encrypted */
    int starts, closes, start_error, step_error, waits;
    int shaken[64]; /* steps of the handshake so far */
    char server[64], ca[64];
} tls;

static struct node *node_at(const struct cluster_address *to)
{
    int i;
    for (i = 0; i < node_count; i++)
        if (nodes[i].port == to->port)
            return &nodes[i];
    return NULL;
}

static int connected(struct fake *machine, int fd, const struct cluster_address *to)
{
    struct node *n = node_at(to);
    if (machine->s[fd].kind == CLUSTER_UDP)
        return CLUSTER_E_REFUSED; /* no DNS server runs here */
    if (to->port == 4369)
        return no_epmd ? CLUSTER_E_REFUSED : 0;
    assert_non_null(n);
    n->fd = fd;
    n->up = false;
    n->accepted++;
    if (n->refuses)
        machine->s[fd].send_error = CLUSTER_E_REFUSED;
    if (n->mute)
        machine->s[fd].send_error = CLUSTER_E_AGAIN;
    return 0;
}

/* Something is said at a stage, with its length, and goes wrong if it is to. */
static void speak(struct node *n, int stage, const uint8_t *body, size_t size)
{
    struct speech s;
    s.fd = n->fd;
    s.stage = n->stage;
    s.way = n->way;
    s.at = n->at;
    speech_say(&f, s, stage, body, size, tls.used ? 4 : 2);
}

static void say_status(struct node *n, const char *status)
{
    uint8_t body[32] = "s";
    memcpy(body + 1, status, strlen(status));
    speak(n, STATUS, body, 1 + strlen(status));
}

/* named: a name, and its creation */
static void say_name(struct node *n)
{
    uint8_t body[300];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    clu_write(&w, "snamed:", 7);
    clu_write_be(&w, strlen(n->gives), 2);
    clu_write(&w, n->gives, strlen(n->gives));
    clu_write_be(&w, n->creation, 4);
    speak(n, STATUS, body, clu_written(&w));
}

static void say_challenge(struct node *n)
{
    uint8_t body[300];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    struct clu_hello h;
    h.flags = n->flags;
    h.challenge = n->echoes ? n->echoes->challenge : 0x01020304;
    h.creation = 5;
    h.name = clu_slice_str(n->name);
    clu_hello_write(&w, &h, true);
    if (n->old)
        body[0] = 'n';
    speak(n, CHALLENGE, body, clu_written(&w));
}

/* One packet of the handshake came. */
static void shake(struct node *n, const uint8_t *data, size_t size)
{
    uint8_t digest[16], body[32];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    const uint8_t *theirs;
    struct clu_hello h;
    uint32_t challenge;
    if (*data == 'N') {
        assert_true(clu_hello_read(data, size, false, &h));
        n->asks_flags = h.flags;
        assert_true(h.name.length < sizeof n->asks_name);
        memcpy(n->asks_name, h.name.at, h.name.length);
        n->asks_name[h.name.length] = '\0';
        assert_true(!own || (clu_slice_is(h.name, own) && h.flags == CLU_FLAGS_OWN));
        if (!n->status && h.flags & CLU_FLAGS_NAME_ME) {
            say_name(n);
            say_challenge(n);
            return;
        }
        say_status(n, n->status ? n->status : "ok");
        if (!n->status || !strcmp(n->status, "ok_simultaneous"))
            say_challenge(n);
    } else if (*data == 's') {
        memcpy(n->said, data + 1, size - 1);
        if (size == 5)
            say_challenge(n);
        else
            f.s[n->fd].ended = true;
    } else {
        theirs = clu_proof_read(data, size, 'r', &challenge);
        assert_non_null(theirs);
        n->proofs++;
        n->challenge = challenge;
        clu_cookie_digest(clu_slice_str(n->cookie), 0x01020304, digest);
        if (memcmp(theirs, digest, 16) != 0) {
            f.s[n->fd].ended = true; /* as nodes do */
            return;
        }
        clu_cookie_digest(clu_slice_str(n->cookie), challenge, digest);
        clu_proof_write(&w, 'a', 0, digest);
        n->up = true;
        speak(n, ACK, body, clu_written(&w));
    }
}

/* A packet with the length of a link that is up. */
static void push_packet(struct node *n, const void *data, size_t size)
{
    uint8_t head[4];
    clu_put_be(head, size, 4);
    fake_push(&f, n->fd, head, 4, NULL);
    if (size)
        fake_push(&f, n->fd, data, size, NULL);
}

/* {'$gen_call', {Pid, Ref}, {is_auth, Node}}: yes */
static void answer(struct node *n, const struct clu_control *asked)
{
    uint8_t body[300];
    struct clu_reader r = asked->message;
    struct clu_writer w = clu_writer_on(body, sizeof body);
    struct clu_slice from[2];
    assert_true(clu_form_read(&r, "{3 $gen_call {2 * * {2 is_auth", from));
    assert_true(clu_atom_read(&r, clu_slice_str(own ? own : cluster_own_name(c))));
    n->asked++;
    clu_control_write(&w, CLU_OP_SEND, 3);
    clu_atom_write(&w, "");
    clu_spans_write(&w, from, 1);
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 2);
    clu_spans_write(&w, from + 1, 1);
    clu_atom_write(&w, "yes");
    push_packet(n, body, clu_written(&w));
}

static struct clu_control heard; /* the last that a node was told, but for questions */
static uint8_t heard_bytes[600];

static void talk(struct node *n, const uint8_t *data, size_t size)
{
    struct clu_control said;
    if (!size) {
        n->ticks++;
        return;
    }
    assert_true(size <= sizeof heard_bytes);
    memcpy(heard_bytes, data, size);
    assert_true(clu_control_read(heard_bytes, size, &said));
    if (said.op == CLU_OP_REG_SEND && atom_is(said.arguments[2], "net_kernel"))
        answer(n, &said);
    else
        heard = said;
}

static void epmd(int fd, const uint8_t *data, size_t size)
{
    uint8_t reply[64] = "w\1";
    size_t length = 2;
    int i;
    assert_true(size > 3 && data[2] == 'z');
    for (i = 0; i < node_count; i++) {
        size_t name = strcspn(nodes[i].name, "@");
        if (nodes[i].unregistered || name != size - 3 || memcmp(nodes[i].name, data + 3, name) != 0)
            continue;
        memcpy(reply, "w\0__M\0\0\6\0\5\0_", 13);
        clu_put_be(reply + 2, nodes[i].port, 2);
        reply[11] = (uint8_t)name;
        memcpy(reply + 12, nodes[i].name, name);
        length = 14 + name;
    }
    fake_push(&f, fd, reply, length, NULL);
    f.s[fd].ended = true;
}

static void sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    struct fake_socket *s = &machine->s[fd];
    struct node *n = node_at(&s->peer);
    if (s->peer.port == 4369) {
        epmd(fd, data, size);
        return;
    }
    assert_true(!tls.used || !size || tls.shaken[fd] == tls.waits + 1); /* not a byte before TLS */
    for (;;) {
        size_t width = n->up || tls.used ? 4 : 2, length;
        struct clu_reader r = clu_reader_of(s->out, s->out_size);
        length = (size_t)clu_read_be(&r, width);
        if (r.bad || clu_left(&r) < length)
            return;
        if (n->up)
            talk(n, r.at, length);
        else
            shake(n, r.at, length);
        s->out_size -= width + length;
        memmove(s->out, s->out + width + length, s->out_size);
    }
}

static struct node *node(const char *name, uint16_t port)
{
    struct node *n = &nodes[node_count++];
    memset(n, 0, sizeof *n);
    n->name = name;
    n->cookie = "secret";
    n->port = port;
    n->flags = UINT64_C(0xd07df7fbd);
    n->fd = -1;
    return n;
}

/* ---- the host --------------------------------------------------------- */

static int machine(void **state)
{
    (void)state;
    memset(&mirror, 0, sizeof mirror);
    node_count = 0;
    no_epmd = false;
    own = OWN;
    memset(&tls, 0, sizeof tls);
    now_ns = 100 * SECOND;
    return 0;
}

static struct cluster_options options(void)
{
    struct cluster_options o = fake_begin(&f);
    f.connected = connected;
    f.sent = sent;
    o.node = OWN;
    o.connect = "erlang";
    o.cookie = "secret";
    return o;
}

static void begin(const struct cluster_options *o, const char *url)
{
    assert_int_equal(cluster_create(&c, o), 0);
    if (cluster_discover(c, url, NULL) != 0)
        fail_msg("%s", cluster_last_error(c));
}

static void plain(const char *url)
{
    struct cluster_options o = options();
    begin(&o, url);
}

/* Each node is dialled once. */
static void once(const char *url)
{
    struct cluster_options o = options();
    o.reconnect = "off";
    begin(&o, url);
}

static uint32_t state_of(const char *name)
{
    const struct cluster_member *m = cluster_member_find(c, name);
    assert_non_null(m);
    return m->state;
}

/* It is not up, for this reason. */
static void expect_down(const char *name, int error, const char *why)
{
    assert_int_not_equal(state_of(name), CLUSTER_MEMBER_UP); /* it may be dialled again already */
    assert_int_equal(mirror.down_error, error);
    if (!strstr(mirror.down_text, why))
        fail_msg("'%s' is not about '%s'", mirror.down_text, why);
}

/* The node goes as a killed one does. */
static void kill_node(struct node *n)
{
    f.s[n->fd].ended = true;
}

/* ---- dialling --------------------------------------------------------- */

static void with_its_port_and_by_epmd(void **state)
{
    struct node *a = node("a@10.0.0.1", 9001), *b = node("b@10.0.0.1", 9002);
    (void)state;
    plain("static:a@10.0.0.1?port=9001");
    assert_int_equal(cluster_discover(c, "static:b@10.0.0.1", NULL), 0);
    wait_ms(0);
    assert_true(a->up && b->up);
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(state_of(OWN), CLUSTER_MEMBER_UNLINKED);
    assert_int_equal(cluster_member_find(c, "a@10.0.0.1")->sources, 1);
    assert_int_equal(cluster_member_find(c, "a@10.0.0.1")->flags, 0);
    assert_int_equal(fake_count_open(&f), 2);
    end();
}

/* Each way in which it can fail, with its own words. It is said once, and tried again and again. */
static void reasons(void **state)
{
    static const struct {
        struct node is;
        int error;
        const char *why;
    } cases[] = {
        {{.cookie = "other"}, CLUSTER_E_PERMISSION, "cookie"},
        {{.refuses = true}, CLUSTER_E_REFUSED, "nothing listens"},
        {{.unregistered = true}, CLUSTER_E_NOT_FOUND, "epmd of its host does not know"},
        {{.status = "not_allowed"}, CLUSTER_E_REFUSED, "allow"},
        {{.status = "alive"}, CLUSTER_E_EXISTS, "own name"},
        {{.status = "what"}, CLUSTER_E_PROTOCOL, "malformed"},
        {{.old = true}, CLUSTER_E_UNSUPPORTED, "OTP 23"},
        {{.flags = 0x1070f90}, CLUSTER_E_UNSUPPORTED, "OTP 23"},
        {{.mute = true}, CLUSTER_E_UNREACHABLE, "does not answer"},
        {{.stage = STATUS, .way = SILENT}, CLUSTER_E_TIMEOUT, "says nothing"},
        {{.stage = ACK, .way = CUT}, CLUSTER_E_PERMISSION, "cookie"},
        {{.stage = STATUS, .way = CUT}, CLUSTER_E_CLOSED, "hung up"},
        {{.name = "other@10.0.0.1"}, CLUSTER_E_NOT_FOUND, "another name"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        struct node *n, is = cases[i].is;
        bool ask = is.unregistered;
        (void)machine(NULL);
        n = node("n@10.0.0.1", 9001);
        is.name = is.name ? is.name : n->name;
        is.cookie = is.cookie ? is.cookie : n->cookie;
        is.flags = is.flags ? is.flags : n->flags;
        is.port = n->port;
        *n = is;
        plain(ask ? "static:n@10.0.0.1" : "static:n@10.0.0.1?port=9001");
        wait_ms(7001);
        expect_down("n@10.0.0.1", cases[i].error, cases[i].why);
        assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
        wait_ms(100000);
        assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
        assert_int_equal(mirror.seen[CLUSTER_UP], 0);
        assert_true(ask || n->accepted > 3);
        assert_true(n->accepted < 40); /* and not without end */
        assert_true(!is.status || strcmp(is.status, "alive") || !strcmp(n->said, "false"));
        /* It comes to its senses. */
        is = *n;
        *n = *node("n@10.0.0.1", 9001);
        n->fd = is.fd;
        wait_ms(45000);
        assert_int_equal(mirror.seen[CLUSTER_UP], 1);
        assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
        end();
    }
}

static void no_epmd_there(void **state)
{
    (void)state;
    (void)node("n@10.0.0.1", 9001);
    no_epmd = true;
    plain("static:n@10.0.0.1,m@nowhere");
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_DOWN);
    assert_int_equal(state_of("m@nowhere"), CLUSTER_MEMBER_DOWN);
    end();
}

/* Cut, silent or wrong at every byte of what a node says; another node is linked to at once whatever this one does. */
static void hostile_at_every_byte(void **state)
{
    static const size_t sizes[] = {5, 2 + 1 + 8 + 4 + 4 + 2 + 10, 19};
    unsigned up = 0, wrong = 0;
    int stage, way;
    size_t at;
    (void)state;
    for (stage = STATUS; stage < STAGES; stage++)
        for (way = CUT; way <= DRIBBLED; way++)
            for (at = 0; at < sizes[stage]; at++) {
                struct node *bad, *good;
                (void)machine(NULL);
                bad = node("n@10.0.0.1", 9001);
                good = node("g@10.0.0.1", 9002);
                bad->stage = stage;
                bad->way = way;
                bad->at = at;
                plain("static:n@10.0.0.1?port=9001");
                assert_int_equal(cluster_discover(c, "static:g@10.0.0.1?port=9002", NULL), 0);
                wait_ms(0);
                assert_true(good->up && state_of("g@10.0.0.1") == CLUSTER_MEMBER_UP);
                wait_ms(7001);
                if (state_of("n@10.0.0.1") == CLUSTER_MEMBER_UP) {
                    up++;
                    /* of flags, creation and the challenge's other bits nothing depends, of the name's nothing was wrong */
                    assert_true(way == DRIBBLED || (way == FLIPPED && stage == CHALLENGE && at >= 3 && at < 19));
                } else {
                    wrong++;
                    assert_true(way != DRIBBLED && mirror.down_error < 0 && *mirror.down_text);
                }
                assert_int_equal(state_of("g@10.0.0.1"), CLUSTER_MEMBER_UP);
                end();
            }
    assert_true(up >= 55 && wrong > 150);
}

/* A packet that says it is longer than any of a handshake. */
static void oversize(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    (void)state;
    n->stage = STATUS;
    n->way = FLIPPED;
    plain("static:n@10.0.0.1?port=9001");
    wait_ms(0);
    expect_down("n@10.0.0.1", CLUSTER_E_PROTOCOL, "malformed");
    end();
}

static void alive_of_a_link_that_was_lost(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    (void)state;
    o.tick = "8s";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    n->status = "alive"; /* our end of the link dies of silence, its end does not */
    wait_ms(9000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_string_equal(n->said, "true");
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    /* It closed the link itself: who holds one of the name now is another. */
    memset(n->said, 0, sizeof n->said);
    kill_node(n);
    wait_ms(1000);
    assert_string_equal(n->said, "false");
    expect_down("n@10.0.0.1", CLUSTER_E_EXISTS, "own name");
    end();
}

/* It is about to dial us: nothing to report. */
/* Whoever gives us our own challenge is after the proof that another link waits for. */
static void reflected(void **state)
{
    struct node *a = node("a@10.0.0.1", 9001), *b = node("b@10.0.0.1", 9002);
    (void)state;
    a->stage = ACK;
    a->way = SILENT;
    b->echoes = a;
    once("static:a@10.0.0.1?port=9001");
    wait_ms(0);
    assert_int_equal(a->proofs, 1);
    assert_int_equal(cluster_discover(c, "static:b@10.0.0.1?port=9002", NULL), 0);
    wait_ms(0);
    assert_int_equal(b->accepted, 1);
    assert_int_equal(b->proofs, 0);
    expect_down("b@10.0.0.1", CLUSTER_E_PROTOCOL, "malformed");
    end();
}

/* The time between dials doubles to the longest, also where twice that is more than fits. */
static void longest_backoff(void **state)
{
    struct cluster_options o = options();
    struct node *n = node("n@10.0.0.1", 9001);
    uint64_t request;
    int i;
    (void)state;
    n->refuses = true;
    o.backoff = "1ms..5000000h";
    begin(&o, "static:n@10.0.0.1?port=9001");
    for (i = 0; i < 70; i++) {
        assert_int_equal(cluster_ping(c, "n@10.0.0.1", &request), 0);
        wait_ms(0);
    }
    assert_true(n->accepted >= 70);
    end();
}

static void nok(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    (void)state;
    n->status = "nok";
    plain("static:n@10.0.0.1?port=9001");
    wait_ms(5000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_true(n->accepted > 1);
    n->status = "ok_simultaneous";
    wait_ms(60000);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();
}

static void reconnect_and_backoff(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    unsigned before;
    (void)state;
    o.backoff = "1s..4s";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    n->refuses = true;
    kill_node(n);
    wait_ms(0);
    expect_down("n@10.0.0.1", CLUSTER_E_CLOSED, "closed the link");
    wait_ms(100000);
    expect_down("n@10.0.0.1", CLUSTER_E_REFUSED, "nothing listens");
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    assert_true(n->accepted > 25 && n->accepted < 100); /* one in 2 s on average */
    n->refuses = false;
    wait_ms(4000);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();

    (void)machine(NULL);
    n = node("n@10.0.0.1", 9001);
    o = options();
    o.reconnect = "off";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    kill_node(n);
    before = n->accepted;
    wait_ms(100000);
    assert_int_equal(n->accepted, before);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_DOWN);
    end();
}

/* Not more at a time than may be; a silent one takes its place for its deadline and no longer. */
static void many_in_turns(void **state)
{
    static char names[30][16];
    struct cluster_options o = options();
    struct cluster_source *s;
    struct cluster_node list[30];
    int i, open;
    (void)state;
    memset(list, 0, sizeof list);
    for (i = 0; i < 30; i++) {
        sprintf(names[i], "n%d@10.0.0.1", i);
        list[i].size = (uint32_t)sizeof *list;
        list[i].name = names[i];
        node(names[i], (uint16_t)(9001 + i))->mute = i < 3;
    }
    o.limit_dials = 4;
    begin(&o, "push:x");
    s = cluster_source_at(c, 0);
    assert_int_equal(cluster_source_publish(s, list, 30), 0);
    for (i = 0; i < 200; i++) {
        (void)fake_step(&f, c, now_ns += CLU_MS);
        open = fake_count_open(&f);
        assert_true(open <= 31 + 4);
    }
    wait_ms(0);
    for (i = 3; i < 30; i++)
        assert_int_equal(state_of(names[i]), CLUSTER_MEMBER_UP);
    assert_int_equal(mirror.seen[CLUSTER_UP], 27);
    wait_ms(7000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 3);
    end();
}

/* Descriptors that are short are waited for. */
static void few_descriptors(void **state)
{
    struct cluster_options o = options();
    (void)state;
    (void)node("a@10.0.0.1", 9001);
    (void)node("b@10.0.0.1", 9002);
    o.limit_watches = 1;
    begin(&o, "static:a@10.0.0.1,b@10.0.0.1");
    wait_ms(3000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    wait_ms(8000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(mirror.down_error, CLUSTER_E_LIMIT);
    end();
}

/* ---- who counts ------------------------------------------------------- */

/* Only who is linked counts, and several that are lost at once are named. */
static void counted_and_split(void **state)
{
    struct cluster_options o = options();
    struct node *n[5];
    int i;
    (void)state;
    n[0] = node("a@10.0.0.1", 9001);
    n[1] = node("b@10.0.0.1", 9002);
    n[2] = node("d@10.0.0.1", 9003);
    n[3] = node("e@10.0.0.1", 9004);
    n[4] = node("x@10.0.0.1", 9009);
    n[4]->cookie = "another";
    o.quorum = 4;
    o.reconnect = "off";
    begin(&o, "static:a@10.0.0.1?port=9001");
    wait_ms(0);
    assert_int_equal(c->status.count, 2);
    assert_int_equal(cluster_discover(c, "static:b@10.0.0.1?port=9002", NULL), 0);
    assert_int_equal(cluster_discover(c, "static:d@10.0.0.1?port=9003", NULL), 0);
    assert_int_equal(cluster_discover(c, "static:x@10.0.0.1?port=9009", NULL), 0);
    wait_ms(0);
    assert_int_equal(cluster_member_count(c), 5);
    assert_int_equal(c->status.count, 4);
    assert_int_equal(cluster_status(c), CLUSTER_READY);
    assert_int_equal(cluster_discover(c, "static:e@10.0.0.1?port=9004", NULL), 0);
    wait_ms(0);
    /* One alone is no split, and neither are two with more than a second between them. */
    kill_node(n[0]);
    wait_ms(1500);
    kill_node(n[1]);
    wait_ms(10);
    assert_int_equal(mirror.seen[CLUSTER_STATUS], 2);
    assert_string_equal(mirror.status_text, "3 of the 4 nodes that are needed");
    for (i = 2; i < 4; i++)
        kill_node(n[i]);
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_STATUS], 3);
    assert_string_equal(mirror.status_text, "1 of the 4 nodes that are needed; split: lost at once, though listed still: "
                                            "b@10.0.0.1, d@10.0.0.1, e@10.0.0.1");
    wait_ms(60000);
    assert_int_equal(mirror.seen[CLUSTER_STATUS], 3);
    end();
}

/* More of them than a sentence holds. */
static void a_wide_split(void **state)
{
    static char names[40][24];
    struct cluster_options o = options();
    struct node *n[40];
    int i;
    (void)state;
    o.reconnect = "off";
    begin(&o, "");
    for (i = 0; i < 40; i++) {
        char url[64];
        sprintf(names[i], "node%02d@10.0.0.1", i);
        n[i] = node(names[i], (uint16_t)(9001 + i));
        sprintf(url, "static:%s?port=%d", names[i], 9001 + i);
        assert_int_equal(cluster_discover(c, url, NULL), 0);
    }
    wait_ms(0);
    assert_int_equal(c->status.count, 41);
    for (i = 0; i < 40; i++)
        kill_node(n[i]);
    wait_ms(0);
    assert_non_null(strstr(mirror.status_text, "listed still: node00@10.0.0.1, node01@10.0.0.1"));
    assert_non_null(strstr(mirror.status_text, " more"));
    assert_true(strlen(mirror.status_text) < 256);
    end();
}

/* ---- who comes and goes ----------------------------------------------- */

static void of_discovery(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_node one;
    struct cluster_source *s;
    const struct cluster_member *m;
    (void)state;
    memset(&one, 0, sizeof one);
    one.size = (uint32_t)sizeof one;
    one.name = "n@10.0.0.1";
    one.port = 9001;
    plain("push:x");
    s = cluster_source_at(c, 0);
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(0);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(mirror.status_count, 2);
    /* Out of discovery, the link stays, and so the member; it counts no more. */
    assert_int_equal(cluster_source_publish(s, &one, 0), 0);
    wait_ms(1000);
    m = cluster_member_find(c, "n@10.0.0.1");
    assert_non_null(m);
    assert_int_equal(m->flags, CLUSTER_MEMBER_ACCEPTED);
    assert_int_equal(m->sources, 0);
    assert_int_equal(m->state, CLUSTER_MEMBER_UP);
    assert_true(mirror.changed & CLUSTER_CHANGED_ACCEPTED);
    assert_int_equal(c->status.count, 1);
    /* And in again. */
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(0);
    assert_int_equal(cluster_member_find(c, "n@10.0.0.1")->flags, 0);
    assert_int_equal(n->accepted, 1);
    assert_int_equal(c->status.count, 2);
    /* Out, and then the link drops. */
    assert_int_equal(cluster_source_publish(s, &one, 0), 0);
    kill_node(n);
    wait_ms(100000);
    assert_null(cluster_member_find(c, "n@10.0.0.1"));
    assert_int_equal(n->accepted, 1);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(mirror.seen[CLUSTER_LEAVE], 1);
    /* Draining nodes are not dialled. */
    one.flags = CLUSTER_NODE_DRAINING;
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(1000);
    assert_int_equal(n->accepted, 1);
    one.flags = 0;
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(0);
    assert_int_equal(n->accepted, 2);
    end();
}

static void on_leave(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    struct cluster_node one;
    struct cluster_source *s;
    (void)state;
    memset(&one, 0, sizeof one);
    one.size = (uint32_t)sizeof one;
    one.name = "n@10.0.0.1";
    one.port = 9001;
    o.on_leave = "disconnect";
    begin(&o, "push:x");
    s = cluster_source_at(c, 0);
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(0);
    /* Out, and in again before the next step: its link stays, and is looked after. */
    assert_int_equal(cluster_source_publish(s, &one, 0), 0);
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(0);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_int_equal(n->accepted, 1);
    wait_ms(16000);
    assert_true(n->ticks > 0);
    assert_int_equal(cluster_source_publish(s, &one, 0), 0);
    wait_ms(0);
    assert_null(cluster_member_find(c, "n@10.0.0.1"));
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_non_null(strstr(mirror.down_text, "on_leave"));
    assert_int_equal(fake_count_open(&f), 0);
    /* A dial under way ends as well. */
    n->stage = STATUS;
    n->way = SILENT;
    assert_int_equal(cluster_source_publish(s, &one, 1), 0);
    wait_ms(100);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_DIALLED);
    assert_int_equal(cluster_source_publish(s, &one, 0), 0);
    wait_ms(0);
    assert_null(cluster_member_find(c, "n@10.0.0.1"));
    assert_int_equal(fake_count_open(&f), 0);
    end();
}

/* A link that was made for a question goes with the member too. */
static void on_leave_of_who_was_asked(void **state)
{
    struct cluster_options o = options();
    struct cluster_node one;
    (void)state;
    node("n@10.0.0.1", 9001);
    memset(&one, 0, sizeof one);
    one.size = (uint32_t)sizeof one;
    one.name = "n@10.0.0.1";
    one.port = 9001;
    o.connect = NULL;
    o.on_leave = "disconnect";
    begin(&o, "push:x");
    assert_int_equal(cluster_source_publish(cluster_source_at(c, 0), &one, 1), 0);
    wait_ms(0);
    assert_int_equal(cluster_ping(c, one.name, NULL), 0);
    wait_ms(0);
    assert_int_equal(state_of(one.name), CLUSTER_MEMBER_UP);
    assert_int_equal(cluster_source_publish(cluster_source_at(c, 0), &one, 0), 0);
    wait_ms(0);
    assert_null(cluster_member_find(c, one.name));
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(fake_count_open(&f), 0);
    end();
}

/* ---- a link that is up ------------------------------------------------ */

static void ticks(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    unsigned i;
    (void)state;
    o.tick = "60s";
    o.reconnect = "off";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    for (i = 0; i < 10; i++) {
        wait_ms(10000);
        push_packet(n, "", 0);
        wait_ms(0);
    }
    /* each of its ticks is answered, since nothing else went out, and our own are not needed beside */
    assert_true(n->ticks >= 10 && n->ticks <= 16);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    wait_ms(59999);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    wait_ms(2);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    expect_down("n@10.0.0.1", CLUSTER_E_TIMEOUT, "options.tick");
    end();
}

/* Alone, we speak every quarter; what it says in between is not answered by what would be answered again. */
static void quarters(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    unsigned i, before;
    (void)state;
    o.tick = "8s";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    for (i = 0; i < 20; i++) {
        wait_ms(2000);
        push_packet(n, "\x70\x83h\1a\xff", 6); /* something, but no tick */
        wait_ms(0);
    }
    assert_true(n->ticks >= 19 && n->ticks <= 21);
    before = n->ticks;
    for (i = 0; i < 20; i++)
        push_packet(n, "", 0);
    wait_ms(0);
    assert_true(n->ticks <= before + 2);
    end();
}

/* The host did not come to it for a while: what waits in the socket counts before the time that passed. */
static void host_was_away(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    (void)state;
    o.tick = "8s";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    push_packet(n, "", 0);
    now_ns += 20 * SECOND;
    assert_int_equal(cluster_step(c, now_ns, NULL, 0), 0);
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();
}

static size_t gen_call(uint8_t *out, size_t room, const char *to, const char *what)
{
    struct clu_writer w = clu_writer_on(out, room);
    clu_control_write(&w, CLU_OP_REG_SEND, 4);
    clu_pid_write(&w, "n@10.0.0.1", 3, 9, 0);
    clu_atom_write(&w, "");
    clu_atom_write(&w, to);
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 3);
    clu_atom_write(&w, "$gen_call");
    clu_tuple_write(&w, 2);
    clu_pid_write(&w, "n@10.0.0.1", 3, 9, 0);
    clu_write(&w, "l\0\0\0\1w\5alias", 12);
    clu_reference_write(&w, "n@10.0.0.1", 3, 1, 77); /* [alias | Ref] */
    clu_tuple_write(&w, 2);
    clu_atom_write(&w, what);
    clu_atom_write(&w, "n@10.0.0.1");
    return clu_written(&w);
}

static void asked_whether_we_are_there(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    uint8_t call[300];
    uint32_t slot;
    size_t size;
    (void)state;
    plain("static:n@10.0.0.1?port=9001");
    wait_ms(0);
    memset(&heard, 0, sizeof heard);
    size = gen_call(call, sizeof call, "net_kernel", "is_auth");
    push_packet(n, call, size);
    wait_ms(0);
    assert_int_equal(heard.op, CLU_OP_SEND);
    assert_true(clu_form_read(&heard.message, "{2", NULL));
    assert_true(clu_read_match(&heard.message, "l\0\0\0\1w\5alias", 12)); /* as it came */
    assert_true(clu_reference_read(&heard.message, "n@10.0.0.1", 3, &slot) == 77);
    assert_true(clu_form_read(&heard.message, "yes", NULL) && !clu_left(&heard.message));
    /* What is none, or is for another, is passed over. */
    memset(&heard, 0, sizeof heard);
    size = gen_call(call, sizeof call, "net_kernel", "is_what");
    push_packet(n, call, size);
    size = gen_call(call, sizeof call, "rex", "is_auth");
    push_packet(n, call, size);
    wait_ms(0);
    assert_int_equal(heard.op, 0);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();
}

/* Whoever watches or links to a process is told that there is none; an unlink is confirmed. */
static void no_processes(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    uint8_t body[300];
    struct clu_writer w;
    (void)state;
    plain("static:n@10.0.0.1?port=9001");
    wait_ms(0);
    w = clu_writer_on(body, sizeof body);
    clu_control_write(&w, CLU_OP_MONITOR, 4);
    clu_pid_write(&w, "n@10.0.0.1", 3, 9, 0);
    clu_atom_write(&w, "nobody");
    clu_reference_write(&w, "n@10.0.0.1", 3, 1, 78);
    push_packet(n, body, clu_written(&w));
    wait_ms(0);
    assert_int_equal(heard.op, CLU_OP_MONITOR_EXIT);
    assert_true(atom_is(heard.arguments[0], "nobody") && atom_is(heard.arguments[3], "noproc"));
    w = clu_writer_on(body, sizeof body);
    clu_control_write(&w, CLU_OP_LINK, 3);
    clu_pid_write(&w, "n@10.0.0.1", 3, 9, 0);
    clu_pid_write(&w, OWN, 4, 1, 0);
    push_packet(n, body, clu_written(&w));
    wait_ms(0);
    assert_int_equal(heard.op, CLU_OP_EXIT);
    assert_true(atom_is(heard.arguments[2], "noproc"));
    w = clu_writer_on(body, sizeof body);
    clu_control_write(&w, CLU_OP_UNLINK_ID, 4);
    clu_term_write_integer(&w, 99, false);
    clu_pid_write(&w, "n@10.0.0.1", 3, 9, 0);
    clu_pid_write(&w, OWN, 4, 1, 0);
    push_packet(n, body, clu_written(&w));
    wait_ms(0);
    assert_int_equal(heard.op, CLU_OP_UNLINK_ID_ACK);
    assert_int_equal(heard.count, 3);
    assert_memory_equal(heard.arguments[0].at, "a\x63", 2);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();
}

/* Every message, cut short at every byte: the link ends or nothing happens, and nothing is read beyond. */
static void hostile_messages(void **state)
{
    uint8_t call[300];
    size_t size = gen_call(call, sizeof call, "net_kernel", "is_auth"), cut;
    (void)state;
    for (cut = 1; cut < size; cut++) {
        struct node *n;
        (void)machine(NULL);
        n = node("n@10.0.0.1", 9001);
        once("static:n@10.0.0.1?port=9001");
        wait_ms(0);
        memset(&heard, 0, sizeof heard);
        push_packet(n, call, cut);
        wait_ms(0);
        assert_int_equal(heard.op, 0);
        if (mirror.seen[CLUSTER_DOWN])
            assert_int_equal(mirror.down_error, CLUSTER_E_PROTOCOL);
        end();
    }
}

static void packet_cap(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    uint8_t head[4], part[1000];
    size_t before;
    (void)state;
    o.limit_packet = 5000;
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    memset(part, 0, sizeof part);
    n->refuses = true;
    before = f.memory.bytes;
    clu_put_be(head, 5000, 4);
    fake_push(&f, n->fd, head, 4, NULL);
    fake_push(&f, n->fd, part, sizeof part, NULL);
    wait_ms(0);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_true(f.memory.bytes > before && f.memory.bytes - before < 5000); /* what came, not what was announced */
    kill_node(n);
    wait_ms(0);
    end();

    (void)machine(NULL);
    n = node("n@10.0.0.1", 9001);
    o = options();
    o.limit_packet = 5000;
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    n->refuses = true;
    clu_put_be(head, 5001, 4);
    fake_push(&f, n->fd, head, 4, NULL);
    wait_ms(0);
    expect_down("n@10.0.0.1", CLUSTER_E_LIMIT, "limit_packet");
    end();
}

/* A node that asks and does not read: what waits for it is bounded, and it is read again when it takes it. */
static void output_bound(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct cluster_options o = options();
    uint8_t call[300];
    size_t size = gen_call(call, sizeof call, "net_kernel", "is_auth"), before;
    int i, fd;
    (void)state;
    o.limit_output = 2000;
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    fd = n->fd;
    before = f.memory.bytes;
    f.s[fd].send_error = CLUSTER_E_AGAIN;
    for (i = 0; i < 1000; i++)
        push_packet(n, call, size);
    for (i = 0; i < 100; i++)
        (void)fake_step(&f, c, now_ns += CLU_MS);
    assert_true(f.memory.bytes - before < 40000);
    assert_non_null(f.s[fd].first); /* the rest is not read */
    f.s[fd].send_error = 0;
    f.s[fd].out_size = 0;
    wait_ms(100);
    assert_null(f.s[fd].first);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    assert_true(f.memory.bytes <= before);
    end();
}

/* An idle link keeps no buffers. */
static void memory_of_a_link(void **state)
{
    static char names[30][16];
    struct cluster_node list[30];
    size_t one = 0;
    int i, step;
    (void)state;
    memset(list, 0, sizeof list);
    for (i = 0; i < 30; i++) {
        sprintf(names[i], "n%d@10.0.0.1", i);
        (void)node(names[i], (uint16_t)(9001 + i));
        list[i].size = (uint32_t)sizeof *list;
        list[i].name = names[i];
    }
    plain("push:x");
    for (step = 0; step < 2; step++) {
        assert_int_equal(cluster_source_publish(cluster_source_at(c, 0), list, step ? 30 : 14), 0);
        wait_ms(1000);
        if (!step)
            one = f.memory.bytes;
    }
    assert_int_equal(mirror.seen[CLUSTER_UP], 30);
    /* with its member, its claims, and its share of tables that grow */
    printf("%lu bytes a link\n", (unsigned long)((f.memory.bytes - one) / 16));
    assert_true((f.memory.bytes - one) / 16 < 1500);
    assert_true(sizeof(struct clu_link) + sizeof(struct clu_peer) < 1024);
    end();
}

/* ---- ping ------------------------------------------------------------- */

static void pong_and_pang(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001), *m = node("m@10.0.0.2", 9002);
    struct cluster_options o = options();
    uint64_t request = 0;
    (void)state;
    o.connect = NULL;
    begin(&o, "static:m@10.0.0.2?port=9002");
    wait_ms(1000);
    assert_int_equal(m->accepted, 0); /* nobody asked for links */
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", &request), 0);
    wait_ms(0);
    assert_true(mirror.reply == request && request);
    assert_int_equal(mirror.reply_error, 0);
    assert_string_equal(mirror.reply_text, "pong");
    assert_int_equal(n->asked, 1);
    /* The link stays, and the node is a member for as long. */
    assert_int_equal(cluster_member_find(c, "n@10.0.0.1")->flags, CLUSTER_MEMBER_ACCEPTED);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    wait_ms(0);
    assert_int_equal(n->asked, 3);
    assert_int_equal(n->accepted, 1);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 3);
    kill_node(n);
    wait_ms(100000);
    assert_null(cluster_member_find(c, "n@10.0.0.1"));
    assert_int_equal(n->accepted, 1);
    /* A member that is not dialled otherwise. */
    assert_int_equal(cluster_ping(c, "m@10.0.0.2", NULL), 0);
    wait_ms(0);
    assert_string_equal(mirror.reply_text, "pong");
    assert_int_equal(state_of("m@10.0.0.2"), CLUSTER_MEMBER_UP);
    assert_int_equal(cluster_member_find(c, "m@10.0.0.2")->flags, 0);
    /* And who is not there. */
    n->cookie = "other";
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 6);
    assert_int_equal(mirror.reply_error, CLUSTER_E_PERMISSION);
    assert_non_null(strstr(mirror.reply_text, "cookie"));
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    wait_ms(100000);
    assert_int_equal(n->accepted, 2);
    end();
}

/* A node that links and does not answer. */
static void no_answer(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    (void)state;
    plain("static:n@10.0.0.1?port=9001");
    wait_ms(0);
    f.s[n->fd].send_error = CLUSTER_E_AGAIN;
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    wait_ms(9999);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 0);
    wait_ms(2);
    assert_int_equal(mirror.reply_error, CLUSTER_E_TIMEOUT);
    /* And one that dies over it. */
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    wait_ms(0);
    n->refuses = true;
    f.s[n->fd].send_error = 0;
    f.s[n->fd].ended = true;
    f.sent = NULL;
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 2);
    assert_int_equal(mirror.reply_error, CLUSTER_E_CLOSED);
    end();
}

static void refused_pings(void **state)
{
    struct cluster_options o = options();
    (void)state;
    assert_int_equal(cluster_ping(NULL, "a@b", NULL), CLUSTER_E_INVALID);
    o.limit_events = 2;
    begin(&o, "");
    assert_int_equal(cluster_ping(c, NULL, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ping(c, "a", NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ping(c, OWN, NULL), CLUSTER_E_INVALID);
    assert_int_equal(cluster_ping(c, "a@10.0.0.1", NULL), 0);
    assert_int_equal(cluster_ping(c, "a@10.0.0.1", NULL), CLUSTER_E_AGAIN);
    cluster_destroy(c); /* while one waits */
    fake_end(&f);
    o = options();
    o.connect = o.cookie = NULL;
    begin(&o, "");
    assert_int_equal(cluster_ping(c, "a@10.0.0.1", NULL), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "cookie"));
    end();
}

/* ---- options ---------------------------------------------------------- */

static void refuses(const struct cluster_options *given, const char *why)
{
    struct cluster_options o = *given;
    char error[256] = "";
    o.error = error;
    o.error_size = sizeof error;
    assert_int_equal(cluster_create(&c, &o), CLUSTER_E_INVALID);
    assert_null(c);
    if (!strstr(error, why))
        fail_msg("'%s' is not about '%s'", error, why);
    fake_end(&f);
}

static void options_that_are_none(void **state)
{
    char longest[257];
    struct cluster_options o = options();
    (void)state;
    o.node = NULL;
    refuses(&o, "need options.node");
    o = options();
    o.cookie = NULL;
    refuses(&o, "and options.cookie");
    o.cookie = "";
    refuses(&o, "and options.cookie");
    memset(longest, 'c', 256);
    longest[256] = '\0';
    o.cookie = longest;
    refuses(&o, "255 bytes");
    o = options();
    o.connect = "elixir";
    refuses(&o, "options.connect");
    o = options();
    o.reconnect = "maybe";
    refuses(&o, "options.reconnect");
    o = options();
    o.on_leave = "weep";
    refuses(&o, "options.on_leave");
    o = options();
    o.tick = "999ms";
    refuses(&o, "options.tick");
    o = options();
    o.backoff = "1s";
    refuses(&o, "options.backoff");
    o.backoff = "2s..1s";
    refuses(&o, "options.backoff");
    o.backoff = "0..1s";
    refuses(&o, "options.backoff");
    o.backoff = "1s.2s";
    refuses(&o, "options.backoff");
    o.backoff = "1s..";
    refuses(&o, "options.backoff");
}

/* The cookie is nowhere in memory once the handle is gone, and no challenge is made without the random hook. */
static void random_fails(void **state)
{
    struct cluster_options o = options();
    (void)state;
    (void)node("n@10.0.0.1", 9001);
    f.errors[FAKE_RANDOM] = CLUSTER_E_IO;
    assert_int_equal(cluster_create(&c, &o), CLUSTER_E_IO);
    fake_end(&f);
    o = options();
    begin(&o, "static:n@10.0.0.1?port=9001");
    f.errors[FAKE_RANDOM] = CLUSTER_E_IO;
    c->loop.random_left = 0;
    wait_ms(0);
    expect_down("n@10.0.0.1", CLUSTER_E_IO, "input/output");
    f.errors[FAKE_RANDOM] = 0;
    wait_ms(1000);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();
}

/* ---- encrypted -------------------------------------------------------- */

static int tls_start(void *ctx, int fd, const char *server, const char *ca, void **session)
{
    (void)ctx;
    assert_true(fd > 0 && fd < 64);
    tls.starts++;
    tls.shaken[fd] = 0;
    snprintf(tls.server, sizeof tls.server, "%s", server ? server : "anybody");
    snprintf(tls.ca, sizeof tls.ca, "%s", ca ? ca : "the system's");
    if (!tls.start_error)
        *session = &tls.shaken[fd];
    return tls.start_error;
}

static int tls_step(void *ctx, void *session)
{
    (void)ctx;
    if (tls.step_error)
        return tls.step_error;
    return ++*(int *)session > tls.waits ? 0 : POLLOUT;
}

static int64_t tls_recv(void *ctx, void *session, void *data, size_t size)
{
    return fake_recv(ctx, (int)((int *)session - tls.shaken), data, size, NULL);
}

static int64_t tls_send(void *ctx, void *session, const void *data, size_t size)
{
    return fake_send(ctx, (int)((int *)session - tls.shaken), data, size < 7 ? size : 7, NULL);
}

static void tls_close(void *ctx, void *session)
{
    (void)ctx;
    assert_non_null(session);
    tls.closes++;
}

static struct cluster_options encrypted(const char *how)
{
    struct cluster_options o = options();
    f.io.tls_start = tls_start;
    f.io.tls_step = tls_step;
    f.io.tls_recv = tls_recv;
    f.io.tls_send = tls_send;
    f.io.tls_close = tls_close;
    tls.used = true;
    tls.waits = 2;
    o.tls = how;
    o.ca = "/etc/nodes.pem";
    return o;
}

/* epmd is asked in the clear; on the link TLS comes first, and lengths in the handshake have four bytes. */
static void a_link_on_tls(void **state)
{
    static const char *const ways[] = {"on", "insecure"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(ways); i++) {
        struct cluster_options o = (machine(NULL), encrypted(ways[i]));
        struct node *n = node("n@10.0.0.1", 9001);
        uint64_t request;
        begin(&o, "static:n@10.0.0.1");
        wait_ms(0);
        assert_true(n->up);
        assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
        assert_int_equal(tls.starts, 1);
        assert_string_equal(tls.server, i ? "anybody" : "10.0.0.1");
        assert_string_equal(tls.ca, "/etc/nodes.pem");
        assert_int_equal(cluster_ping(c, "n@10.0.0.1", &request), 0);
        wait_ms(20000);
        assert_string_equal(mirror.reply_text, "pong");
        assert_true(n->ticks > 0);
        assert_int_equal(tls.closes, 0);
        kill_node(n);
        wait_ms(10000);
        assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
        assert_true(tls.starts > 1 && tls.closes == tls.starts - 1);
        end();
        assert_int_equal(tls.closes, tls.starts);
    }
}

static void tls_that_fails(void **state)
{
    static const struct {
        int start, step, waits, error;
        const char *why;
    } cases[] = {
        {CLUSTER_E_NOT_FOUND, 0, 0, CLUSTER_E_NOT_FOUND, "options.ca has no certificates"},
        {CLUSTER_E_MEMORY, 0, 0, CLUSTER_E_MEMORY, "memory"},
        {0, CLUSTER_E_PERMISSION, 0, CLUSTER_E_PERMISSION, "certificate is not to be trusted"},
        {0, CLUSTER_E_PROTOCOL, 0, CLUSTER_E_PROTOCOL, "malformed"},
        {0, CLUSTER_E_CLOSED, 0, CLUSTER_E_CLOSED, "hung up"},
        {0, POLLIN, 0, CLUSTER_E_TIMEOUT, "says nothing"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        struct cluster_options o = (machine(NULL), encrypted("on"));
        (void)node("n@10.0.0.1", 9001);
        tls.start_error = cases[i].start;
        tls.step_error = cases[i].step;
        begin(&o, "static:n@10.0.0.1?port=9001");
        wait_ms(7001);
        expect_down("n@10.0.0.1", cases[i].error, cases[i].why);
        tls.start_error = tls.step_error = 0;
        wait_ms(45000);
        assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
        end();
        assert_true(tls.closes > 0 && tls.closes <= tls.starts);
    }
}

static void tls_that_is_none(void **state)
{
    char longest[257];
    struct cluster_options o = encrypted("perhaps");
    (void)state;
    refuses(&o, "options.tls takes");
    o = options();
    o.tls = "on";
    refuses(&o, "tls_ hooks");
    o = encrypted("on");
    o.listen = "10.0.0.9:0";
    refuses(&o, "options.listen");
    memset(longest, 'c', 256);
    longest[256] = '\0';
    o = encrypted("on");
    o.ca = longest;
    refuses(&o, "options.ca take");
}

/* ---- a name that others give ------------------------------------------ */

#define GIVEN "256YHK9L1LSLJ@10.0.0.9"

static struct node *namer(const char *name, uint16_t port, const char *gives)
{
    struct node *n = node(name, port);
    n->gives = gives;
    n->creation = 0xee89a44f;
    return n;
}

static struct cluster_options nameless(void)
{
    struct cluster_options o = options();
    own = NULL;
    o.node = "undefined@10.0.0.9";
    return o;
}

/* Who sends {6, Pid, '', Name}: the name that is given, its creation. */
static void expect_sender(const char *name, uint32_t creation)
{
    struct clu_reader r = clu_reader_of(heard.arguments[0].at, heard.arguments[0].length);
    assert_int_equal(clu_pid_read(&r, name, creation), 1);
}

/* The bytes are those of a node of OTP 25. Who waits for an answer does from before there was a name on. */
static void a_name_is_given(void **state)
{
    static const uint8_t hello[] = {0, 23, 'N', 0, 0, 0, 7, 7, 7, 0x4f, 0xbc};
    static const uint8_t named[] = "\0\43snamed:\0\026256YHK9L1LSLJ@10.0.0.9\xee\x89\xa4\x4f";
    struct node *n = namer("n@10.0.0.1", 9001, GIVEN);
    struct cluster_options o = nameless();
    uint8_t pid[300];
    size_t size;
    uint64_t request;
    (void)state;
    f.sent = NULL; /* this node is said byte by byte */
    begin(&o, "static:n@10.0.0.1?port=9001");
    assert_string_equal(cluster_own_name(c), "");
    assert_int_equal(cluster_register(c, "drill"), 0);
    assert_int_equal(cluster_self(c, "drill", pid, sizeof pid, &size), CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_drain(c, 1), CLUSTER_E_INVALID);
    assert_non_null(strstr(cluster_last_error(c), "no member"));
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", &request), 0);
    wait_ms(0);
    assert_int_equal(f.s[n->fd].out_size, 25);
    assert_memory_equal(f.s[n->fd].out, hello, sizeof hello);
    assert_memory_equal(f.s[n->fd].out + 15, "\0\01010.0.0.9", 10);
    f.s[n->fd].out_size = 0;
    fake_push(&f, n->fd, named, sizeof named - 1, NULL);
    wait_ms(0);
    assert_string_equal(cluster_own_name(c), ""); /* it is not proved */
    f.sent = sent;
    say_challenge(n);
    wait_ms(0);
    assert_string_equal(cluster_own_name(c), GIVEN);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    assert_string_equal(mirror.reply_text, "pong");
    assert_int_equal(mirror.seen[CLUSTER_JOIN], 1); /* the own node is no member */
    assert_null(cluster_member_find(c, GIVEN));
    assert_int_equal(cluster_self(c, "drill", pid, sizeof pid, &size), 0);
    assert_memory_equal(pid, "\x83Xw\026" GIVEN "\0\0\0\3\0\0\0\0\xee\x89\xa4\x4f", 4 + 22 + 12);
    assert_int_equal(cluster_send(c, "n@10.0.0.1", "q", "\x83j", 2), 0);
    wait_ms(0);
    expect_sender(GIVEN, 0xee89a44f);
    assert_int_equal(cluster_monitor(c, "n@10.0.0.1", "q", &request), 0);
    wait_ms(0);
    assert_int_equal(heard.op, CLU_OP_MONITOR);
    expect_sender(GIVEN, 0xee89a44f);
    assert_int_equal(cluster_drain(c, 1), CLUSTER_E_INVALID);
    end();
}

/* All are dialled at once. The first to come up names us, the others are told that name, in the same dial: there is but one. */
static void the_first_one_names_it(void **state)
{
    struct cluster_options o = nameless();
    struct node *n[3];
    uint64_t request;
    int i;
    (void)state;
    n[0] = namer("a@10.0.0.1", 9001, "A@10.0.0.9");
    n[1] = namer("b@10.0.0.1", 9002, "B@10.0.0.9");
    n[2] = namer("m@10.0.0.1", 9003, "M@10.0.0.9");
    n[2]->mute = true;
    n[0]->stage = CHALLENGE; /* it is slow, and has given a name already */
    n[0]->way = SILENT;
    n[1]->way = WELL;
    o.reconnect = "off";
    begin(&o, "static:m@10.0.0.1?port=9003");
    assert_int_equal(cluster_discover(c, "static:a@10.0.0.1?port=9001", NULL), 0);
    assert_int_equal(cluster_monitor(c, "a@10.0.0.1", "q", &request), 0);
    wait_ms(0);
    assert_string_equal(n[0]->asks_name, "10.0.0.9");
    assert_string_equal(cluster_own_name(c), "");
    assert_int_equal(cluster_discover(c, "static:b@10.0.0.1?port=9002", NULL), 0);
    n[0]->way = WELL;
    wait_ms(10);
    assert_string_equal(cluster_own_name(c), "B@10.0.0.9");
    assert_string_equal(n[1]->asks_name, "10.0.0.9");
    assert_string_equal(n[0]->asks_name, "B@10.0.0.9");
    assert_true(n[1]->asks_flags == (CLU_FLAGS_OWN | CLU_FLAGS_NAME_ME) && n[0]->asks_flags == CLU_FLAGS_OWN);
    assert_int_equal(n[0]->accepted, 2);
    assert_int_equal(n[1]->accepted, 1);
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_int_equal(heard.op, CLU_OP_MONITOR);
    expect_sender("B@10.0.0.9", 0xee89a44f);
    wait_ms(7000);
    expect_down("m@10.0.0.1", CLUSTER_E_UNREACHABLE, "does not answer");
    for (i = 0; i < 2; i++)
        assert_true(n[i]->up);
    end();
}

/* A dial that begins anew begins with TLS. */
static void named_on_tls(void **state)
{
    struct cluster_options o = encrypted("on");
    struct node *slow = namer("a@10.0.0.1", 9001, "A@10.0.0.9"), *quick = namer("b@10.0.0.1", 9002, "B@10.0.0.9");
    (void)state;
    own = NULL;
    o.node = "undefined@10.0.0.9";
    slow->stage = CHALLENGE;
    slow->way = SILENT;
    begin(&o, "static:a@10.0.0.1?port=9001");
    wait_ms(0);
    assert_string_equal(slow->asks_name, "10.0.0.9");
    slow->way = WELL;
    assert_int_equal(cluster_discover(c, "static:b@10.0.0.1?port=9002", NULL), 0);
    wait_ms(10);
    assert_true(slow->up && quick->up);
    assert_string_equal(slow->asks_name, "B@10.0.0.9");
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    assert_int_equal(tls.starts, 3);
    assert_int_equal(tls.closes, 1);
    end();
    assert_int_equal(tls.closes, 3);
}

/* With the link to the node that gave the name it goes, and with it all links; dials under way begin anew. */
static void the_name_goes(void **state)
{
    struct node *a = namer("a@10.0.0.1", 9001, GIVEN), *b = namer("b@10.0.0.1", 9002, "B@10.0.0.9"),
                *w = namer("w@10.0.0.1", 9003, "W@10.0.0.9");
    struct cluster_options o = nameless();
    uint64_t watching, asked;
    (void)state;
    o.backoff = "1s..1s";
    begin(&o, "static:a@10.0.0.1?port=9001");
    wait_ms(0);
    assert_int_equal(cluster_discover(c, "static:b@10.0.0.1?port=9002", NULL), 0);
    wait_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    w->stage = CHALLENGE;
    w->way = SILENT;
    assert_int_equal(cluster_discover(c, "static:w@10.0.0.1?port=9003", NULL), 0);
    assert_int_equal(cluster_monitor(c, "b@10.0.0.1", "q", &watching), 0);
    assert_int_equal(cluster_ping(c, "w@10.0.0.1", &asked), 0);
    wait_ms(0);
    assert_string_equal(w->asks_name, GIVEN);
    /* Another link that ends changes nothing. */
    kill_node(b);
    wait_ms(0);
    assert_int_equal(mirror.reply, watching);
    assert_string_equal(cluster_own_name(c), GIVEN);
    wait_ms(2000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 3);
    assert_string_equal(b->asks_name, GIVEN);
    assert_int_equal(cluster_monitor(c, "b@10.0.0.1", "q", &watching), 0);
    wait_ms(0);
    w->way = WELL;
    kill_node(a);
    mirror.seen[CLUSTER_DOWN] = mirror.seen[CLUSTER_UP] = 0;
    fake_step(&f, c, now_ns += CLU_MS);
    fake_step(&f, c, now_ns += CLU_MS);
    mirror_check(&mirror, c);
    expect_down("a@10.0.0.1", CLUSTER_E_CLOSED, "it closed the link");
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 2);
    assert_int_equal(mirror.reply, watching);
    assert_int_equal(mirror.reply_error, CLUSTER_E_CLOSED);
    assert_string_equal(mirror.reply_text, "the own name ended with the link that gave it");
    /* Who was being dialled gives the next one, and answers. */
    wait_ms(0);
    assert_string_equal(w->asks_name, "10.0.0.9");
    assert_string_equal(cluster_own_name(c), "W@10.0.0.9");
    assert_int_equal(mirror.reply, asked);
    assert_string_equal(mirror.reply_text, "pong");
    wait_ms(2000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 3);
    assert_string_equal(a->asks_name, "W@10.0.0.9");
    assert_string_equal(b->asks_name, "W@10.0.0.9");
    assert_true(a->asks_flags == CLU_FLAGS_OWN && b->asks_flags == CLU_FLAGS_OWN);
    /* It is silent: the same. */
    f.s[w->fd].ended = true;
    wait_ms(3000);
    assert_string_not_equal(cluster_own_name(c), "W@10.0.0.9");
    assert_string_not_equal(cluster_own_name(c), "");
    assert_int_equal(mirror.seen[CLUSTER_UP], 6);
    end();
}

/* What is no name, said where one is asked for; and a name said to who has one. */
static void names_that_are_none(void **state)
{
    static const struct {
        const char *status; /* NULL: `gives` */
        const char *gives;
        size_t cut;
        int error;
        const char *why;
    } cases[] = {
        {"ok", NULL, 0, CLUSTER_E_PROTOCOL, "malformed"},     {"ok_simultaneous", NULL, 0, CLUSTER_E_PROTOCOL, "malformed"},
        {"alive", NULL, 0, CLUSTER_E_PROTOCOL, "malformed"},  {"named:", NULL, 0, CLUSTER_E_PROTOCOL, "malformed"},
        {"names:", NULL, 0, CLUSTER_E_PROTOCOL, "malformed"}, {"not_allowed", NULL, 0, CLUSTER_E_REFUSED, "allow"},
        {NULL, "", 0, CLUSTER_E_PROTOCOL, "malformed"},       {NULL, "10.0.0.9", 0, CLUSTER_E_PROTOCOL, "malformed"},
        {NULL, "a@b@c", 0, CLUSTER_E_PROTOCOL, "malformed"},  {NULL, "a b@c", 0, CLUSTER_E_PROTOCOL, "malformed"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        struct node *n;
        struct cluster_options o;
        (void)machine(NULL);
        n = namer("n@10.0.0.1", 9001, cases[i].gives);
        n->status = cases[i].status;
        o = nameless();
        begin(&o, "static:n@10.0.0.1?port=9001");
        wait_ms(0);
        expect_down("n@10.0.0.1", cases[i].error, cases[i].why);
        assert_int_equal(n->proofs, 0);
        wait_ms(20000);
        assert_string_equal(cluster_own_name(c), "");
        n->status = NULL;
        n->gives = GIVEN;
        wait_ms(30000);
        assert_string_equal(cluster_own_name(c), GIVEN);
        end();
    }
}

static void hostile_at_every_byte_of_a_name(void **state)
{
    static const size_t size = 2 + 7 + 2 + 22 + 4;
    unsigned named = 0;
    int way;
    size_t at;
    (void)state;
    for (way = CUT; way <= DRIBBLED; way++)
        for (at = 0; at < size; at++) {
            struct node *bad, *good;
            struct cluster_options o;
            (void)machine(NULL);
            bad = namer("n@10.0.0.1", 9001, GIVEN);
            good = namer("g@10.0.0.1", 9002, "G@10.0.0.9");
            bad->stage = STATUS;
            bad->way = way;
            bad->at = at;
            o = nameless();
            begin(&o, "static:n@10.0.0.1?port=9001");
            wait_ms(0);
            if (*cluster_own_name(c)) {
                named++; /* its letters and its creation may be any */
                assert_true(way == DRIBBLED || (way == FLIPPED && at >= 11));
            }
            assert_int_equal(cluster_discover(c, "static:g@10.0.0.1?port=9002", NULL), 0);
            wait_ms(0);
            assert_true(good->up && state_of("g@10.0.0.1") == CLUSTER_MEMBER_UP);
            assert_string_equal(good->asks_name[0] == '1' ? "G@10.0.0.9" : good->asks_name, cluster_own_name(c));
            end();
        }
    assert_true(named >= 37 + 20);
}

/* Who does not know the cookie names nobody. */
static void named_by_a_stranger(void **state)
{
    struct node *n = namer("n@10.0.0.1", 9001, GIVEN);
    struct cluster_options o = nameless();
    (void)state;
    n->cookie = "other";
    begin(&o, "static:n@10.0.0.1?port=9001");
    wait_ms(0);
    expect_down("n@10.0.0.1", CLUSTER_E_PERMISSION, "cookie");
    assert_string_equal(cluster_own_name(c), "");
    assert_int_equal(cluster_send(c, "n@10.0.0.1", "q", "\x83j", 2), CLUSTER_E_NOT_FOUND);
    end();
}

static void nameless_options(void **state)
{
    struct cluster_options o = nameless();
    (void)state;
    o.listen = "10.0.0.9:0";
    refuses(&o, "undefined@HOST");
    o = nameless();
    o.cookie = NULL;
    refuses(&o, "options.cookie");
    o = nameless();
    o.node = "undefined";
    refuses(&o, "NAME@HOST");
    /* The own address, once it is known. */
    own = NULL;
    o = nameless();
    o.node = "undefined@auto";
    (void)namer("n@10.0.0.1", 9001, GIVEN);
    assert_true(clu_address_parse(clu_slice_str("10.0.0.9"), &f.interfaces[f.interface_count]));
    f.interfaces[f.interface_count++].prefix = 24;
    assert_true(clu_address_parse(clu_slice_str("10.1.0.9"), &f.interfaces[f.interface_count]));
    f.interfaces[f.interface_count++].prefix = 24;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
    wait_ms(100);
    assert_int_equal(nodes[0].accepted, 0);
    assert_int_equal(cluster_discover(c, "static:n@10.0.0.1?port=9001", NULL), 0);
    wait_ms(1100);
    assert_string_equal(nodes[0].asks_name, "10.0.0.9");
    assert_string_equal(cluster_own_name(c), GIVEN);
    assert_string_equal(mirror.reply_text, "pong");
    end();
}

/* Each allocation fails once, while there are two to be named by. */
static void every_allocation_before_a_name(void **state)
{
    unsigned long n;
    bool failed = true;
    (void)state;
    for (n = 1; failed; n++) {
        struct cluster_options o;
        struct node *a, *b;
        (void)machine(NULL);
        a = namer("a@10.0.0.1", 9001, GIVEN);
        b = namer("b@10.0.0.1", 9002, "B@10.0.0.9");
        o = nameless();
        begin(&o, "static:a@10.0.0.1,b@10.0.0.1");
        fake_memory_fail(&f.memory, n, false);
        wait_ms(15000);
        kill_node(a);
        wait_ms(15000);
        failed = f.memory.failures != 0;
        fake_memory_fail(&f.memory, 0, false);
        wait_ms(1000);
        assert_true(a->up && b->up);
        assert_int_equal(state_of("a@10.0.0.1"), CLUSTER_MEMBER_UP);
        assert_int_equal(state_of("b@10.0.0.1"), CLUSTER_MEMBER_UP);
        assert_true(a->asks_flags & b->asks_flags & CLU_FLAGS_NAME_ME ? false : *cluster_own_name(c) != '\0');
        end();
    }
    assert_true(n > 15);
}

/* ---- failing ---------------------------------------------------------- */

/* Each allocation fails once, from the first dial on: in the end the link is there, and pings are answered. */
static void every_allocation(void **state)
{
    unsigned long n;
    bool failed = true;
    (void)state;
    for (n = 1; failed; n++) {
        struct node *a;
        int result;
        uint64_t request = 0;
        (void)machine(NULL);
        a = node("n@10.0.0.1", 9001);
        plain("static:n@10.0.0.1");
        fake_memory_fail(&f.memory, n, false);
        wait_ms(0);
        result = cluster_ping(c, "n@10.0.0.1", &request);
        assert_true(result == 0 || result == CLUSTER_E_MEMORY || result == CLUSTER_E_AGAIN);
        wait_ms(15000);
        failed = f.memory.failures != 0;
        fake_memory_fail(&f.memory, 0, false);
        assert_true(a->up);
        assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
        assert_int_equal(mirror.seen[CLUSTER_REPLY], result == 0);
        assert_int_equal(cluster_ping(c, "n@10.0.0.1", &request), 0);
        wait_ms(0);
        assert_int_equal(mirror.reply_error, 0);
        end();
    }
    assert_true(n > 15);
}

/* Each call of a hook fails once, in each way. */
static void every_hook(void **state)
{
    static const int hooks[] = {FAKE_OPEN, FAKE_CONNECT, FAKE_SEND, FAKE_RECV},
                     errors[] = {CLUSTER_E_IO, CLUSTER_E_LIMIT, CLUSTER_E_CLOSED};
    size_t h, e;
    (void)state;
    for (h = 0; h < CLU_COUNT(hooks); h++)
        for (e = 0; e < CLU_COUNT(errors); e++) {
            (void)machine(NULL);
            (void)node("n@10.0.0.1", 9001);
            plain("static:n@10.0.0.1");
            f.errors[hooks[h]] = errors[e];
            (void)fake_step(&f, c, now_ns);
            (void)fake_step(&f, c, now_ns += CLU_MS);
            (void)fake_step(&f, c, now_ns += CLU_MS);
            f.errors[hooks[h]] = 0;
            wait_ms(5000);
            assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
            f.errors[hooks[h]] = errors[e];
            assert_int_equal(cluster_ping(c, "n@10.0.0.1", NULL), 0);
            (void)fake_step(&f, c, now_ns += CLU_MS);
            (void)fake_step(&f, c, now_ns += CLU_MS);
            f.errors[hooks[h]] = 0;
            wait_ms(30000);
            assert_int_equal(mirror.seen[CLUSTER_REPLY], 1);
            assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
            end();
        }
}

/* The program closed the descriptor. */
static void lost_descriptor(void **state)
{
    struct node *n = node("n@10.0.0.1", 9001);
    struct pollfd fd;
    (void)state;
    plain("static:n@10.0.0.1?port=9001");
    wait_ms(0);
    fd.fd = n->fd;
    fd.events = POLLIN;
    fd.revents = POLLNVAL;
    f.s[fd.fd].foreign = true;
    assert_int_equal(cluster_step(c, now_ns, &fd, 1), 0);
    mirror_check(&mirror, c);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    wait_ms(1000);
    assert_int_equal(state_of("n@10.0.0.1"), CLUSTER_MEMBER_UP);
    end();
}

/* A budget of one call a step: slowly, but it comes to a link, and ticks hold. */
static void small_budget(void **state)
{
    struct cluster_options o = options();
    int i;
    (void)state;
    for (i = 0; i < 5; i++) {
        static char names[5][16];
        sprintf(names[i], "n%d@10.0.0.1", i);
        (void)node(names[i], (uint16_t)(9001 + i));
    }
    o.limit_budget = 1;
    begin(&o, "static:n0@10.0.0.1,n1@10.0.0.1,n2@10.0.0.1,n3@10.0.0.1,n4@10.0.0.1");
    wait_ms(1000);
    assert_int_equal(mirror.seen[CLUSTER_UP], 5);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(with_its_port_and_by_epmd, machine),
        cmocka_unit_test_setup(reasons, machine),
        cmocka_unit_test_setup(no_epmd_there, machine),
        cmocka_unit_test_setup(hostile_at_every_byte, machine),
        cmocka_unit_test_setup(oversize, machine),
        cmocka_unit_test_setup(alive_of_a_link_that_was_lost, machine),
        cmocka_unit_test_setup(reflected, machine),
        cmocka_unit_test_setup(longest_backoff, machine),
        cmocka_unit_test_setup(nok, machine),
        cmocka_unit_test_setup(reconnect_and_backoff, machine),
        cmocka_unit_test_setup(many_in_turns, machine),
        cmocka_unit_test_setup(few_descriptors, machine),
        cmocka_unit_test_setup(counted_and_split, machine),
        cmocka_unit_test_setup(a_wide_split, machine),
        cmocka_unit_test_setup(of_discovery, machine),
        cmocka_unit_test_setup(on_leave, machine),
        cmocka_unit_test_setup(on_leave_of_who_was_asked, machine),
        cmocka_unit_test_setup(ticks, machine),
        cmocka_unit_test_setup(quarters, machine),
        cmocka_unit_test_setup(host_was_away, machine),
        cmocka_unit_test_setup(asked_whether_we_are_there, machine),
        cmocka_unit_test_setup(no_processes, machine),
        cmocka_unit_test_setup(hostile_messages, machine),
        cmocka_unit_test_setup(packet_cap, machine),
        cmocka_unit_test_setup(output_bound, machine),
        cmocka_unit_test_setup(memory_of_a_link, machine),
        cmocka_unit_test_setup(pong_and_pang, machine),
        cmocka_unit_test_setup(no_answer, machine),
        cmocka_unit_test_setup(refused_pings, machine),
        cmocka_unit_test_setup(options_that_are_none, machine),
        cmocka_unit_test_setup(random_fails, machine),
        cmocka_unit_test_setup(a_link_on_tls, machine),
        cmocka_unit_test_setup(tls_that_fails, machine),
        cmocka_unit_test_setup(tls_that_is_none, machine),
        cmocka_unit_test_setup(a_name_is_given, machine),
        cmocka_unit_test_setup(the_first_one_names_it, machine),
        cmocka_unit_test_setup(named_on_tls, machine),
        cmocka_unit_test_setup(the_name_goes, machine),
        cmocka_unit_test_setup(names_that_are_none, machine),
        cmocka_unit_test_setup(hostile_at_every_byte_of_a_name, machine),
        cmocka_unit_test_setup(named_by_a_stranger, machine),
        cmocka_unit_test_setup(nameless_options, machine),
        cmocka_unit_test_setup(every_allocation_before_a_name, machine),
        cmocka_unit_test_setup(every_allocation, machine),
        cmocka_unit_test_setup(every_hook, machine),
        cmocka_unit_test_setup(lost_descriptor, machine),
        cmocka_unit_test_setup(small_budget, machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
