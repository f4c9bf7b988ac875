/* A node that others link to: scripted ones connect, prove themselves or do not, send, call and are called. And its lease. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "atom.h"
#include "fake_loop.h"
#include "faulty_speech.h"
#include "hex.h"

#define SECOND FAKE_SECOND
#define OWN "m@10.0.0.9"

static struct fake f;
static struct cluster *c;
static struct mirror mirror;
static uint64_t now_ns;

/* ---- another node, which connects ------------------------------------- */

enum { SAY_NAME, SAY_PROOF };

static struct client {
    const char *name, *cookie, *alive;
    uint64_t flags;
    int fd, stage, way; /* what is said at this stage goes wrong so */
    size_t at;
    bool up, dials;
    char status[64];
    unsigned ticks, heard_count;
    uint8_t heard[2048]; /* the last control message */
    size_t heard_size;
} clients[80];

static int client_count;
static int answers; /* of epmd: 0 registers, 1 refuses, 2 keeps still, 3 speaks nonsense, 4 hangs up, 5 is not there */
static int epmd_fd;
static unsigned registrations;

static void speak(struct client *n, int stage, const uint8_t *body, size_t size)
{
    struct speech s;
    s.fd = n->fd;
    s.stage = n->stage;
    s.way = n->way;
    s.at = n->at;
    speech_say(&f, s, stage, body, size, 2);
}

static void say_name(struct client *n)
{
    uint8_t body[600];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    struct clu_hello h;
    h.flags = n->flags;
    h.creation = 7;
    h.challenge = 0;
    h.name = clu_slice_str(n->name);
    clu_hello_write(&w, &h, false);
    speak(n, SAY_NAME, body, clu_written(&w));
}

static void shake(struct client *n, const uint8_t *data, size_t size)
{
    uint8_t body[64], digest[16];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    const uint8_t *theirs;
    struct clu_hello h;
    uint32_t none;
    if (*data == 's') {
        assert_true(size < sizeof n->status);
        memcpy(n->status, data + 1, size - 1);
        n->status[size - 1] = '\0';
        if (!strcmp(n->status, "alive")) {
            fake_push(&f, n->fd, n->alive[0] == 't' ? "\0\5strue" : "\0\6sfalse", 2 + 1 + strlen(n->alive), NULL);
        }
    } else if (*data == 'N') {
        assert_true(clu_hello_read(data, size, true, &h) && clu_slice_is(h.name, OWN));
        assert_true(h.flags == (CLU_FLAGS_OWN | (n->flags & CLU_FLAGS_NAME_ME))); /* else nothing comes of the new name */
        clu_cookie_digest(clu_slice_str(n->cookie), h.challenge, digest);
        clu_proof_write(&w, 'r', 0x0a0b0c0d, digest);
        speak(n, SAY_PROOF, body, clu_written(&w));
    } else {
        theirs = clu_proof_read(data, size, 'a', &none);
        assert_non_null(theirs);
        clu_cookie_digest(clu_slice_str("secret"), 0x0a0b0c0d, digest);
        if (n->way != FLIPPED) /* a challenge with another bit is another challenge */
            assert_memory_equal(theirs, digest, 16);
        n->up = true;
    }
}

static void sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    struct fake_socket *s = &machine->s[fd];
    struct client *n = NULL;
    int i;
    if (s->peer.port == 4369) {
        static const char *const replies[] = {"v\0\0\0\0\7", "v\1\0\0\0\143", "v", "nonsense", "", ""};
        static const size_t sizes[] = {6, 6, 1, 8, 0, 0};
        assert_true(size == 16 && !memcmp(data + 2, "x", 1) && !memcmp(data + 13, "m\0\0", 3) && data[5] == 'H');
        registrations++;
        epmd_fd = fd;
        if (sizes[answers])
            fake_push(machine, fd, replies[answers], sizes[answers], NULL);
        f.s[fd].ended = answers == 4;
        return;
    }
    for (i = 0; i < client_count; i++)
        if (clients[i].fd == fd)
            n = &clients[i];
    if (!n)
        return; /* one that we dial */
    for (;;) {
        size_t width = n->up ? 4 : 2, length;
        struct clu_reader r = clu_reader_of(s->out, s->out_size);
        length = (size_t)clu_read_be(&r, width);
        if (r.bad || clu_left(&r) < length)
            return;
        if (!n->up) {
            shake(n, r.at, length);
        } else if (!length) {
            n->ticks++;
        } else {
            assert_true(length <= sizeof n->heard);
            memcpy(n->heard, r.at, length);
            n->heard_size = length;
            n->heard_count++;
        }
        s->out_size -= width + length;
        memmove(s->out, s->out + width + length, s->out_size);
    }
}

static int connected(struct fake *machine, int fd, const struct cluster_address *to)
{
    (void)machine;
    (void)fd;
    if (to->port == 4369)
        return answers == 5 ? CLUSTER_E_REFUSED : 0;
    f.s[fd].send_error = CLUSTER_E_AGAIN; /* whom we dial does not answer */
    return 0;
}

static struct client *client(const char *name)
{
    struct client *n = &clients[client_count++];
    memset(n, 0, sizeof *n);
    n->name = name;
    n->cookie = "secret";
    n->alive = "true";
    n->flags = UINT64_C(0xd07df7fbd);
    n->fd = -1;
    return n;
}

static void dial(struct client *n)
{
    n->fd = fake_dial(&f);
    n->up = false;
    say_name(n);
}

static void push_packet(struct client *n, const void *data, size_t size)
{
    uint8_t head[4];
    clu_put_be(head, size, 4);
    fake_push(&f, n->fd, head, 4, NULL);
    if (size)
        fake_push(&f, n->fd, data, size, NULL);
}

static struct clu_control heard(struct client *n)
{
    struct clu_control said;
    assert_true(n->heard_size > 0);
    assert_true(clu_control_read(n->heard, n->heard_size, &said));
    return said;
}

/* ---- the host --------------------------------------------------------- */

static int machine(void **state)
{
    (void)state;
    memset(&mirror, 0, sizeof mirror);
    memset(clients, 0, sizeof clients);
    client_count = answers = 0;
    registrations = 0;
    now_ns = 100 * SECOND;
    return 0;
}

static struct cluster_options options(void)
{
    struct cluster_options o = fake_begin(&f);
    f.connected = connected;
    f.sent = sent;
    o.node = OWN;
    o.cookie = "secret";
    o.listen = "10.0.0.9:9100-9102";
    return o;
}

static void wait_ms(uint64_t ms)
{
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS + 1000);
}

static void checked_ms(uint64_t ms)
{
    wait_ms(ms);
    mirror_check(&mirror, c);
}

static void begin(void)
{
    struct cluster_options o = options();
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    assert_int_equal(cluster_member_find(c, OWN)->port, 9100);
}

static void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

/* A node that is linked. */
static struct client *linked(const char *name)
{
    struct client *n = client(name);
    dial(n);
    checked_ms(0);
    assert_true(n->up);
    return n;
}

static const struct cluster_event *next(uint32_t type)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(c)) != NULL)
        if (e->type == type)
            return e;
    fail_msg("no event %s", cluster_event_name(type));
    return NULL;
}

/* ---- links ------------------------------------------------------------ */

static void taken_and_gone(void **state)
{
    struct client *n;
    const struct cluster_member *m;
    (void)state;
    begin();
    assert_int_equal(mirror.changed, CLUSTER_CHANGED_PORT);
    n = linked("a@10.0.0.1");
    assert_string_equal(n->status, "ok");
    m = cluster_member_find(c, "a@10.0.0.1");
    assert_true(m && m->state == CLUSTER_MEMBER_UP && m->flags == CLUSTER_MEMBER_ACCEPTED && m->sources == 0);
    assert_int_equal(mirror.seen[CLUSTER_UP], 1);
    assert_int_equal(cluster_discover(c, "static:a@10.0.0.1?port=9001", NULL), 0); /* not dialled: it is linked */
    checked_ms(0);
    assert_int_equal(cluster_member_find(c, "a@10.0.0.1")->flags, 0);
    checked_ms(70000);
    assert_true(n->ticks > 2);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1); /* it said nothing */
    assert_int_equal(mirror.down_error, CLUSTER_E_TIMEOUT);
    n = linked("b@10.0.0.1");
    f.s[n->fd].ended = true;
    checked_ms(0);
    assert_null(cluster_member_find(c, "b@10.0.0.1"));
    assert_int_equal(mirror.down_error, CLUSTER_E_CLOSED);
    end();
}

/* What is said of a name. */
static void refused(void **state)
{
    struct client *n;
    int i;
    (void)state;
    begin();
    n = client("a@10.0.0.1");
    n->cookie = "guess";
    dial(n);
    checked_ms(0);
    assert_true(!n->up && strstr(f.log, "cookie is another one: a@10.0.0.1"));
    for (i = 0; i < 30; i++) { /* which nobody can fill the log with */
        n = client("a@10.0.0.1");
        n->cookie = "guess";
        dial(n);
        checked_ms(10);
    }
    assert_int_equal(f.logs, 1);
    checked_ms(1000);
    n = client("b@10.0.0.1");
    n->cookie = "guess";
    dial(n);
    checked_ms(0);
    assert_true(f.logs == 2 && strstr(f.log, "b@10.0.0.1"));
    n = client(OWN);
    dial(n);
    checked_ms(0);
    assert_true(!n->up && !strcmp(n->status, "not_allowed"));
    n = client("o@10.0.0.1");
    n->flags = 0x1070f90;
    dial(n);
    checked_ms(0);
    assert_true(!n->up && !strcmp(n->status, "not_allowed"));
    n = client("noname");
    dial(n);
    checked_ms(0);
    assert_true(!n->up && !*n->status);
    n = client("x@10.0.0.1"); /* the way before OTP 23 */
    n->fd = fake_dial(&f);
    fake_push(&f, n->fd, "\0\21n\0\5\0\0\0\0x@10.0.0.1", 19, NULL);
    checked_ms(0);
    assert_true(!*n->status);
    assert_int_equal(mirror.seen[CLUSTER_UP], 0);
    assert_int_equal(cluster_member_count(c), 1);
    assert_int_equal(fake_count_open(&f), 2); /* the port, and the lease */
    end();
}

/* Cut, silent or wrong at every byte of what it says; another one is linked all the same, and nothing is left in the end. */
static void hostile_at_every_byte(void **state)
{
    static const size_t sizes[] = {2 + 1 + 8 + 4 + 2 + 10, 2 + 1 + 4 + 16};
    unsigned up = 0, wrong = 0;
    int stage, way;
    size_t at;
    (void)state;
    for (stage = SAY_NAME; stage <= SAY_PROOF; stage++)
        for (way = CUT; way <= DRIBBLED; way++)
            for (at = 0; at < sizes[stage]; at++) {
                struct client *bad, *good;
                (void)machine(NULL);
                begin();
                bad = client("n@10.0.0.1");
                bad->stage = stage;
                bad->way = way;
                bad->at = at;
                dial(bad);
                good = linked("g@10.0.0.1");
                assert_int_equal(cluster_member_find(c, good->name)->state, CLUSTER_MEMBER_UP);
                checked_ms(7001);
                if (bad->up) {
                    up++;
                    /* flags beyond the needed, the creation and the own challenge are nobody's business here */
                    assert_true(way == DRIBBLED || way == FLIPPED);
                    assert_true(way == DRIBBLED || (stage == SAY_NAME ? at >= 3 : at >= 3 && at < 7));
                } else {
                    wrong++;
                    assert_int_equal(cluster_member_count(c), 2);
                    assert_int_equal(fake_count_open(&f), 3);
                }
                end();
            }
    assert_true(up >= 60 && wrong > 100);
}

/* A node without a name is given one, at its host, that nobody else has. */
static void nameless(void **state)
{
    struct client *n;
    char name[64], longest[300];
    int i;
    (void)state;
    begin();
    for (i = 0; i < 2; i++) {
        n = client("10.0.0.1");
        n->flags |= CLU_FLAGS_NAME_ME;
        dial(n);
        checked_ms(0);
        assert_true(n->up && !strncmp(n->status, "named:", 6) && !n->status[6]);
        memcpy(name, n->status + 8, (size_t)n->status[7]);
        name[(size_t)n->status[7]] = '\0';
        assert_string_equal(strchr(name, '@'), "@10.0.0.1");
        assert_int_equal(cluster_member_find(c, name)->state, CLUSTER_MEMBER_UP);
        assert_int_equal(cluster_member_count(c), 2 + i);
    }
    /* No host, and one so long that there is no room for a name. */
    memset(longest, 'h', sizeof longest);
    longest[253] = '\0';
    for (i = 0; i < 3; i++) {
        n = client(i == 0 ? "" : i == 1 ? "a@10.0.0.1" : longest);
        n->flags |= CLU_FLAGS_NAME_ME;
        dial(n);
        checked_ms(0);
        assert_true(!n->up && !*n->status);
    }
    n = client("10.0.0.1");
    n->flags = CLU_FLAGS_NAME_ME;
    dial(n);
    checked_ms(0);
    assert_true(!n->up && !strcmp(n->status, "not_allowed"));
    end();
}

/* Whoever fills the places with silence hinders nobody for long. */
static void half_open(void **state)
{
    struct client *n;
    int i;
    (void)state;
    begin();
    for (i = 0; i < 70; i++) {
        n = client("s@10.0.0.1");
        n->fd = fake_dial(&f);
    }
    checked_ms(0);
    assert_int_equal(fake_count_open(&f), 2 + CLU_LISTEN_HALVES);
    (void)linked("g@10.0.0.1");
    assert_int_equal(fake_count_open(&f), 2 + CLU_LISTEN_HALVES);
    checked_ms(7001);
    assert_int_equal(fake_count_open(&f), 3);
    end();
}

/* Two of one name: the new one takes its place once it is proved, if it says that the old one is dead. */
static void alive(void **state)
{
    struct client *old, *fresh;
    (void)state;
    begin();
    old = linked("a@10.0.0.1");
    fresh = client("a@10.0.0.1");
    fresh->alive = "false";
    dial(fresh);
    checked_ms(0);
    assert_true(!fresh->up && !strcmp(fresh->status, "alive"));
    fresh = client("a@10.0.0.1");
    fresh->cookie = "guess";
    dial(fresh);
    checked_ms(0);
    assert_false(fresh->up);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    assert_true(f.s[old->fd].open);
    fresh = linked("a@10.0.0.1");
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(mirror.seen[CLUSTER_UP], 2);
    assert_int_equal(cluster_member_find(c, "a@10.0.0.1")->state, CLUSTER_MEMBER_UP);
    assert_int_equal(fake_count_open(&f), 3);
    end();
}

/* Both dial: of a higher name the attempt wins, of a lower one ours goes on. */
static void simultaneous(void **state)
{
    struct client *n;
    uint64_t request;
    (void)state;
    begin();
    assert_int_equal(cluster_discover(c, "static:a@10.0.0.1,z@10.0.0.1?port=9001", NULL), 0);
    checked_ms(0);
    assert_int_equal(cluster_ping(c, "z@10.0.0.1", &request), 0);
    assert_int_equal(cluster_ping(c, "a@10.0.0.1", &request), 0);
    wait_ms(0);
    n = client("z@10.0.0.1");
    dial(n);
    checked_ms(0);
    assert_true(n->up && !strcmp(n->status, "ok_simultaneous"));
    n = client("a@10.0.0.1");
    dial(n);
    checked_ms(0);
    assert_true(!n->up && !strcmp(n->status, "nok"));
    end();
}

/* Ports that are taken are passed over; without any it is said once, and tried again. */
static void ports(void **state)
{
    static const char *const wrong[] = {"",    "x",          "10.0.0.9:x", "10.0.0.9:9-8", "10.0.0.9:70000", "10.0.0.9:0-9",
                                        "h:1", "10.0.0.9:1-"};
    struct cluster_options o;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(wrong); i++) {
        char error[256];
        o = options();
        o.listen = wrong[i];
        o.error = error;
        o.error_size = sizeof error;
        assert_int_equal(cluster_create(&c, &o), CLUSTER_E_INVALID);
        assert_non_null(strstr(error, "options.listen"));
        fake_end(&f);
    }
    o = options();
    o.cookie = NULL;
    assert_int_equal(cluster_create(&c, &o), CLUSTER_E_INVALID);
    fake_end(&f);
    o = options();
    assert_int_equal(cluster_create(&c, &o), 0);
    f.errors[FAKE_LISTEN] = CLUSTER_E_ADDRESS;
    checked_ms(1500);
    assert_true(f.calls[FAKE_BIND] >= 6 && strstr(f.log, "no port of options.listen"));
    assert_int_equal(f.logs, 1);
    assert_int_equal(fake_count_open(&f), 0);
    assert_int_equal(cluster_member_find(c, OWN)->port, 0);
    f.errors[FAKE_LISTEN] = 0;
    checked_ms(1000);
    assert_true(cluster_member_find(c, OWN)->port >= 9100 && registrations == 1);
    end();
    o = options();
    o.listen = "[::1]:0";
    (void)machine(NULL);
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    assert_true(cluster_member_find(c, OWN)->port >= 49152);
    end();
}

/* ---- messages --------------------------------------------------------- */

/* {6, Pid, '', Name} or {2, '', Pid}, and {hello, N} */
static size_t message(uint8_t *out, const char *name, uint32_t id, uint8_t number)
{
    struct clu_writer w = clu_writer_on(out, 400);
    if (name) {
        clu_control_write(&w, CLU_OP_REG_SEND, 4);
        clu_pid_write(&w, "a@10.0.0.1", 7, 80, 0);
        clu_atom_write(&w, "");
        clu_atom_write(&w, name);
    } else {
        clu_control_write(&w, CLU_OP_SEND, 3);
        clu_atom_write(&w, "");
        clu_pid_write(&w, OWN, c->mesh.links.creation, id, 0);
    }
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 2);
    clu_atom_write(&w, "hello");
    clu_write_be(&w, CLU_TERM_SMALL_INTEGER << 8 | number, 2);
    return clu_written(&w);
}

static void messages(void **state)
{
    const struct cluster_event *e;
    uint8_t packet[400], pid[300];
    struct client *n;
    struct clu_control said;
    struct clu_reader r;
    size_t size;
    (void)state;
    begin();
    n = linked("a@10.0.0.1");
    assert_int_equal(cluster_register(c, "p"), 0);
    assert_int_equal(cluster_register(c, "p"), CLUSTER_E_EXISTS);
    assert_int_equal(cluster_register(c, "net_kernel"), CLUSTER_E_EXISTS);
    assert_int_equal(cluster_register(c, ""), CLUSTER_E_INVALID);
    assert_int_equal(cluster_register(c, "\xff"), CLUSTER_E_INVALID);
    assert_int_equal(cluster_self(c, "q", pid, sizeof pid, &size), CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_self(c, "p", pid, 5, &size), CLUSTER_E_LIMIT);
    assert_int_equal(cluster_self(c, "p", pid, sizeof pid, &size), 0);
    r = clu_reader_of(pid + 1, size - 1);
    assert_int_equal(clu_pid_read(&r, OWN, c->mesh.links.creation), 3);
    assert_true(!r.bad && !clu_left(&r));
    push_packet(n, packet, message(packet, "p", 0, 1));
    push_packet(n, packet, message(packet, "nobody", 0, 2));
    push_packet(n, packet, message(packet, NULL, 3, 3));
    push_packet(n, packet, message(packet, NULL, 99, 4));
    wait_ms(0);
    e = next(CLUSTER_MESSAGE);
    assert_string_equal(e->text, "p");
    assert_string_equal(e->member->name, "a@10.0.0.1");
    assert_true(e->term_size == 12 && !memcmp(e->term, "\x83h\2w\5helloa\1", 12));
    e = next(CLUSTER_MESSAGE);
    assert_true(e->term_size == 12 && !memcmp(e->term, "\x83h\2w\5helloa\3", 12));
    assert_null(cluster_next_event(c));
    /* And the other way. */
    n->heard_count = 0;
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", "\x83j", 2), 0);
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_REG_SEND && atom_is(said.arguments[2], "q") && clu_left(&said.message) == 1);
    memcpy(pid,
           "\x83X\x77\x0a"
           "a@10.0.0.1\0\0\0\5\0\0\0\0\0\0\0\7",
           26);
    assert_int_equal(cluster_send_pid(c, pid, 26, "\x83j", 2), 0);
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_SEND && said.arguments[1].length == 25 && !memcmp(said.arguments[1].at, pid + 1, 25));
    assert_int_equal(n->heard_count, 2);
    assert_int_equal(cluster_send(c, "b@10.0.0.1", "q", "\x83j", 2), CLUSTER_E_NOT_FOUND);
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", "j", 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", "\x83jj", 3), CLUSTER_E_INVALID);
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", NULL, 0), CLUSTER_E_INVALID);
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "\xff", "\x83j", 2), CLUSTER_E_INVALID);
    assert_int_equal(cluster_send_pid(c, "\x83j", 2, "\x83j", 2), CLUSTER_E_INVALID);
    /* What a message is made of must be a term. */
    size = message(packet, "p", 0, 1);
    packet[size - 2] = 1;
    push_packet(n, packet, size);
    checked_ms(0);
    assert_int_equal(mirror.down_error, CLUSTER_E_PROTOCOL);
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", "\x83j", 2), CLUSTER_E_NOT_FOUND);
    end();
}

/* A host that reads no events is not drowned: its peer waits, with ticks, and nothing is lost. */
static void full_queue(void **state)
{
    struct cluster_options o = options();
    uint8_t packet[400];
    struct client *n;
    const struct cluster_event *e;
    unsigned count = 0;
    int i;
    (void)state;
    o.limit_events = 16;
    o.tick = "4s";
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    assert_int_equal(cluster_register(c, "p"), 0);
    n = linked("a@10.0.0.1");
    for (i = 0; i < 40; i++)
        push_packet(n, packet, message(packet, "p", 0, (uint8_t)i));
    n->ticks = 0;
    wait_ms(20000);
    assert_int_equal(c->loop.events.count, 12);
    assert_true(n->ticks > 10);
    for (i = 0; i < 40 && count < 40; i++) {
        while ((e = cluster_next_event(c)) != NULL)
            if (e->type == CLUSTER_MESSAGE)
                assert_int_equal(((const uint8_t *)e->term)[11], count++);
            else
                fail_msg("%s", cluster_event_name(e->type));
        wait_ms(30);
    }
    assert_int_equal(count, 40);
    end();
}

/* A peer that takes nothing: so much waits, and no more; the host hears when it went out. */
static void choked(void **state)
{
    struct cluster_options o = options();
    uint8_t big[400] = "\x83m\0\0\1\x80";
    struct client *n;
    int result = 0, sends = 0;
    (void)state;
    o.limit_output = 2000;
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    n = linked("a@10.0.0.1");
    f.s[n->fd].send_error = CLUSTER_E_AGAIN;
    while (sends < 20 && !(result = cluster_send(c, "a@10.0.0.1", "q", big, 6 + 384)))
        sends++;
    assert_true(sends >= 4 && sends < 7);
    assert_int_equal(result, CLUSTER_E_AGAIN);
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", "\x83j", 2), CLUSTER_E_AGAIN);
    checked_ms(1000);
    assert_int_equal(mirror.seen[CLUSTER_WRITABLE], 0);
    f.s[n->fd].send_error = 0;
    checked_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_WRITABLE], 1);
    assert_int_equal(n->heard_count, sends);
    assert_int_equal(c->loop.events.replies, 0);
    /* It ends while it is choked. */
    f.s[n->fd].send_error = CLUSTER_E_AGAIN;
    while (!cluster_send(c, "a@10.0.0.1", "q", big, 6 + 384))
        continue;
    f.s[n->fd].ended = true;
    f.s[n->fd].send_error = CLUSTER_E_CLOSED;
    checked_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_WRITABLE], 1);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 1);
    assert_int_equal(c->loop.events.replies, 0);
    end();
}

/* Calls wait in the same room as messages, and there is no more of it; nor is there for a node that has no link yet. */
static void choked_by_calls(void **state)
{
    static uint8_t big[400] = "\x83l\0\0\0\1m\0\0\1\x80";
    static const char *const who[] = {"a@10.0.0.1", "b@10.0.0.2"};
    struct cluster_options o = options();
    struct client *n;
    int i;
    (void)state;
    big[11 + 384] = 'j';
    o.limit_output = 2000;
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    n = linked("a@10.0.0.1");
    f.s[n->fd].send_error = CLUSTER_E_AGAIN;
    for (i = 0; i < 2; i++) {
        int result = 0, calls = 0;
        while (calls < 20 && !(result = cluster_call(c, who[i], "m", "f", big, 12 + 384, CLUSTER_NEVER, NULL)))
            calls++;
        assert_true(calls >= 4 && calls < 7);
        assert_int_equal(result, CLUSTER_E_AGAIN);
        assert_non_null(strstr(cluster_last_error(c), "limit_output"));
        assert_int_equal(cluster_call(c, who[i], "m", "f", "\x83j", 2, 0, NULL), CLUSTER_E_AGAIN);
        assert_int_equal(cluster_ping(c, who[i], NULL), 0); /* which has no argument */
        f.s[n->fd].send_error = 0;
        if (!i)
            checked_ms(0);
        assert_int_equal(mirror.seen[CLUSTER_WRITABLE], 1);
    }
    end();
}

/* ---- calls ------------------------------------------------------------ */

/* {'$gen_call', {Pid, Ref}, {call, Module, Function, [7], user}} to rex */
static size_t rex_call(uint8_t *out, const char *module, const char *function)
{
    struct clu_writer w = clu_writer_on(out, 600);
    clu_control_write(&w, CLU_OP_REG_SEND, 4);
    clu_pid_write(&w, "a@10.0.0.1", 7, 80, 0);
    clu_atom_write(&w, "");
    clu_atom_write(&w, "rex");
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 3);
    clu_atom_write(&w, "$gen_call");
    clu_tuple_write(&w, 2);
    clu_pid_write(&w, "a@10.0.0.1", 7, 80, 0);
    clu_reference_write(&w, "a@10.0.0.1", 7, 1, 5);
    clu_tuple_write(&w, 5);
    clu_atom_write(&w, "call");
    clu_atom_write(&w, module);
    clu_atom_write(&w, function);
    if (strcmp(module, "cluster"))
        clu_write(&w, "k\0\1\7", 4);
    else
        clu_write(&w, "j", 1);
    clu_atom_write(&w, "user");
    return clu_written(&w);
}

/* As an OTP 27 node wrote it: erpc:call(c, m, f, [1, x]), erpc:cast(c, m, f, [1]), spawn(c, m, f, []). */
static const char spawned_call[] =
    "70836806611d5a0003770b62403132372e302e302e316b01be4b0000e00f4e980001f9b2811e58770b62403132372e302e302e3100000057000000006b"
    "01be"
    "4b58770b62403132372e302e302e3100000047000000006b01be4b6803770465727063770c657865637574655f63616c6c61046c0000000177076d6f6e"
    "6974"
    "6f726a836c000000045a0003770b62403132372e302e302e316b01be4b0000e00e4e980001f9b2811e77016d7701666c0000000261017701786a6a";
static const char spawned_cast[] = "70836806611d5a0003770b62403132372e302e302e316b01be4b0000e01e4e980001f9b2811e58770b624031323"
                                   "72e302e302e3100000057000000006b01be"
                                   "4b58770b62403132372e302e302e3100000047000000006b01be4b6803770465727063770c657865637574655f6"
                                   "361737461036a836c0000000377016d7701"
                                   "666b0001016a";
static const char spawned[] = "70836806611d5a0003770b62403132372e302e302e316b01be4b0000e0254e980001f9b2811e58770b62403132372e30"
                              "2e302e3100000057000000006b01be"
                              "4b58770b62403132372e302e302e3100000047000000006b01be4b680377016d77016661006a836a";

/* The first of them, of cluster:members() */
static size_t spawned_members(uint8_t *out, size_t room)
{
    static const char tail[] = "77016d7701666c0000000261017701786a6a";
    static const uint8_t members[] = "w\7clusterw\7membersjj";
    size_t size = unhex(spawned_call, out, room) - (sizeof tail - 1) / 2;
    memcpy(out + size, members, sizeof members - 1);
    return size + sizeof members - 1;
}

static void called(void **state)
{
    const struct cluster_event *e;
    uint8_t packet[600];
    struct client *n;
    struct clu_control said;
    uint64_t request;
    size_t size;
    int i;
    (void)state;
    begin();
    n = linked("b@127.0.0.1");
    /* As C programs and rpc:block_call do. */
    push_packet(n, packet, rex_call(packet, "m", "f"));
    wait_ms(0);
    e = next(CLUSTER_CALL);
    request = e->request;
    assert_string_equal(e->text, "m:f/1");
    assert_string_equal(e->member->name, "b@127.0.0.1");
    assert_true(e->term_size == 5 && !memcmp(e->term, "\x83k\0\1\7", 5));
    assert_int_equal(cluster_answer(c, request, "j", 1), CLUSTER_E_INVALID);
    assert_int_equal(cluster_answer(c, request,
                                    "\x83"
                                    "a\11",
                                    3),
                     0);
    assert_int_equal(cluster_answer(c, request,
                                    "\x83"
                                    "a\11",
                                    3),
                     CLUSTER_E_NOT_FOUND);
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_SEND && said.message.end[-2] == 'a' && said.message.end[-1] == 9);
    /* Undefined. */
    push_packet(n, packet, rex_call(packet, "m", "g"));
    wait_ms(0);
    assert_int_equal(cluster_answer(c, next(CLUSTER_CALL)->request, NULL, 0), 0);
    wait_ms(0);
    assert_true(n->heard_size > 100 && memcmp(n->heard + n->heard_size - 9, "w\1mw\1gjjj", 9) == 0);
    /* What is answered without the host. */
    push_packet(n, packet, rex_call(packet, "cluster", "status"));
    wait_ms(0);
    assert_memory_equal(n->heard + n->heard_size - 13, "h\3w\5readya\1a\1", 13);
    push_packet(n, packet, rex_call(packet, "cluster", "members"));
    wait_ms(0);
    assert_memory_equal(n->heard + n->heard_size - 19, "w\012m@10.0.0.9w\4selfj", 19);
    push_packet(n, packet, rex_call(packet, "cluster", "stats"));
    wait_ms(0);
    push_packet(n, packet, rex_call(packet, "cluster", "nothing"));
    wait_ms(0);
    assert_memory_equal(n->heard + n->heard_size - 11, "\7nothingjjj", 11);
    assert_null(cluster_next_event(c));
    /* erpc: the process is there, then it ends with the result. */
    size = unhex(spawned_call, packet, sizeof packet);
    n->heard_count = 0;
    push_packet(n, packet, size);
    wait_ms(0);
    said = heard(n);
    assert_true(n->heard_count == 1 && said.op == CLU_OP_SPAWN_REPLY && said.count == 4 && said.arguments[2].at[1] == 2);
    e = next(CLUSTER_CALL);
    assert_string_equal(e->text, "m:f/2");
    assert_int_equal(cluster_answer(c, e->request,
                                    "\x83"
                                    "a\11",
                                    3),
                     0);
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_MONITOR_EXIT && said.count == 4);
    assert_memory_equal(said.arguments[3].at + said.arguments[3].length - 10, "w\6returna\11", 10);
    /* What no C program can name, for want of a list, is undefined. */
    memcpy(packet + size - 12, "a\1j", 3);
    push_packet(n, packet, size - 9);
    wait_ms(0);
    assert_memory_equal(n->heard + n->heard_size - 9, "w\1mw\1fjjj", 9);
    assert_null(cluster_next_event(c));
    /* A cast, and what is none of erpc. */
    push_packet(n, packet, unhex(spawned_cast, packet, sizeof packet));
    wait_ms(0);
    e = next(CLUSTER_CALL);
    assert_true(e->request == 0 && !strcmp(e->text, "m:f/1"));
    push_packet(n, packet, unhex(spawned, packet, sizeof packet));
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_SPAWN_REPLY && atom_is(said.arguments[3], "notsup"));
    /* No more than so many wait, and with their link they go. */
    for (i = 0; i < CLU_SERVED_MAX + 1; i++) {
        push_packet(n, packet, rex_call(packet, "m", "f"));
        wait_ms(0);
        while ((e = cluster_next_event(c)) != NULL)
            request = e->request;
    }
    assert_true(c->linked.served_count == CLU_SERVED_MAX);
    assert_memory_equal(n->heard + n->heard_size - 9, "w\1mw\1fjjj", 9); /* system_limit */
    f.s[n->fd].ended = true;
    wait_ms(0);
    assert_int_equal(c->linked.served_count, 0);
    assert_int_equal(cluster_answer(c, request, NULL, 0), CLUSTER_E_NOT_FOUND);
    mirror_read(&mirror, c);
    end();
}

/* Every message of others, with each byte in turn another one, or cut there: nothing breaks. */
static void hostile_messages(void **state)
{
    uint8_t packet[600], bad[600];
    size_t size, at;
    int kind, way;
    (void)state;
    for (kind = 0; kind < 4; kind++)
        for (at = 0, size = 1; at < size; at++)
            for (way = 0; way < 3; way++) {
                struct client *n;
                (void)machine(NULL);
                begin();
                assert_int_equal(cluster_register(c, "p"), 0);
                n = linked("b@127.0.0.1");
                size = kind == 0   ? rex_call(packet, "m", "f")
                       : kind == 1 ? unhex(spawned_call, packet, sizeof packet)
                       : kind == 2 ? message(packet, "p", 0, 1)
                                   : rex_call(packet, "cluster", "members");
                memcpy(bad, packet, size);
                bad[at] = (uint8_t)(way == 1 ? bad[at] + 1 : bad[at] ^ 0xff);
                push_packet(n, bad, way ? size : at);
                checked_ms(0);
                end();
            }
}

/* A call is one send and one recv, for a host that looks for what is ready before each step; cluster_poll does by one poll. */
static void what_a_call_takes(void **state)
{
    uint8_t packet[600];
    struct client *n;
    int i;
    (void)state;
    begin();
    n = linked("a@10.0.0.1");
    c->loop.level = true;
    for (i = 0; i < 3; i++) {
        unsigned long all = f.all, sends = f.calls[FAKE_SEND];
        struct clu_slice from[2];
        struct clu_control said;
        struct clu_writer w;
        uint64_t request;
        assert_int_equal(cluster_call(c, "a@10.0.0.1", "m", "f", "\x83j", 2, 0, &request), 0);
        wait_ms(0);
        assert_true(f.all == all + 1 && f.calls[FAKE_SEND] == sends + 1);
        said = heard(n);
        assert_true(clu_form_read(&said.message, "{3 $gen_call {2 * *", from));
        w = clu_writer_on(packet, sizeof packet);
        clu_write_be(&w, 0, 4);
        clu_gen_answer_write(&w, from);
        clu_atom_write(&w, "result");
        clu_put_be(packet, clu_written(&w) - 4, 4);
        fake_push(&f, n->fd, packet, clu_written(&w), NULL);
        wait_ms(0);
        assert_int_equal(f.all, all + 2);
        assert_true(next(CLUSTER_REPLY)->request == request);
    }
    mirror_read(&mirror, c);
    end();
}

static void calling(void **state)
{
    const struct cluster_event *e;
    uint64_t request;
    struct client *n;
    struct clu_control said;
    uint8_t packet[600];
    struct clu_writer w;
    struct clu_slice terms[3];
    (void)state;
    begin();
    n = linked("a@10.0.0.1");
    assert_int_equal(cluster_call(c, "a@10.0.0.1", "m", "f",
                                  "\x83"
                                  "a\1",
                                  3, 0, &request),
                     CLUSTER_E_INVALID);
    assert_int_equal(cluster_call(c, "a@10.0.0.1", NULL, "f", "\x83j", 2, 0, &request), CLUSTER_E_INVALID);
    assert_int_equal(cluster_call(c, "a@10.0.0.1", "\xff", "f", "\x83j", 2, 0, &request), CLUSTER_E_INVALID);
    assert_int_equal(cluster_call(c, "nobody", "m", "f", "\x83j", 2, 0, &request), CLUSTER_E_INVALID);
    assert_int_equal(c->loop.events.replies, 0);
    assert_int_equal(cluster_call(c, "a@10.0.0.1", "m", "f", "\x83j", 2, 0, &request), 0);
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_REG_SEND && atom_is(said.arguments[2], "rex"));
    assert_true(clu_form_read(&said.message, "{3 $gen_call {2 * * {5 call m f * user", terms) && !clu_left(&said.message));
    w = clu_writer_on(packet, sizeof packet);
    clu_gen_answer_write(&w, terms);
    clu_atom_write(&w, "result");
    push_packet(n, packet, clu_written(&w));
    push_packet(n, packet, clu_written(&w)); /* a second answer is nothing */
    wait_ms(0);
    e = next(CLUSTER_REPLY);
    assert_true(e->request == request && !e->error && e->term_size == 9 && !memcmp(e->term, "\x83w\6result", 9));
    assert_null(cluster_next_event(c));
    /* No answer in time; and the link ends before it. */
    assert_int_equal(cluster_call(c, "a@10.0.0.1", "m", "f", "\x83j", 2, SECOND, &request), 0);
    wait_ms(1001);
    e = next(CLUSTER_REPLY);
    assert_true(e->request == request && e->error == CLUSTER_E_TIMEOUT && !e->term);
    assert_int_equal(cluster_call(c, "a@10.0.0.1", "m", "f", "\x83j", 2, CLUSTER_NEVER, &request), 0);
    assert_int_equal(cluster_monitor(c, "a@10.0.0.1", "q", &request), 0);
    wait_ms(0);
    said = heard(n);
    assert_true(said.op == CLU_OP_MONITOR && atom_is(said.arguments[1], "q"));
    w = clu_writer_on(packet, sizeof packet);
    clu_control_write(&w, CLU_OP_MONITOR_EXIT, 5);
    clu_atom_write(&w, "q");
    clu_write(&w, said.arguments[0].at, said.arguments[0].length);
    clu_write(&w, said.arguments[2].at, said.arguments[2].length);
    clu_atom_write(&w, "noproc");
    push_packet(n, packet, clu_written(&w));
    wait_ms(0);
    e = next(CLUSTER_REPLY);
    assert_true(e->request == request && e->term_size == 9 && !memcmp(e->term, "\x83w\6noproc", 9));
    assert_int_equal(cluster_monitor(c, "a@10.0.0.1", "q", &request), 0);
    wait_ms(0);
    f.s[n->fd].ended = true;
    checked_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_REPLY], 2);
    assert_int_equal(mirror.reply_error, CLUSTER_E_CLOSED);
    assert_non_null(strstr(mirror.reply_text, "may have run"));
    assert_int_equal(c->linked.asked, 0);
    end();
}

/* ---- what a peer could make us do --------------------------------------- */

/* The link of a call that waits is replaced: the call goes with it. */
static void replaced_under_a_call(void **state)
{
    uint8_t packet[600];
    struct client *n;
    uint64_t request;
    (void)state;
    begin();
    n = linked("a@10.0.0.1");
    push_packet(n, packet, rex_call(packet, "m", "f"));
    wait_ms(0);
    request = next(CLUSTER_CALL)->request;
    n = linked("a@10.0.0.1");
    assert_int_equal(c->linked.served_count, 0);
    assert_int_equal(cluster_answer(c, request, "\x83j", 2), CLUSTER_E_NOT_FOUND);
    end();
}

/* Calls that came together are all answered, though the first answers fill the output. */
static void answered_to_the_last(void **state)
{
    struct cluster_options o = options();
    uint8_t packets[12 * 300];
    struct client *n;
    size_t size = 0;
    int i;
    (void)state;
    o.limit_output = 200;
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    n = linked("a@10.0.0.1");
    for (i = 0; i < 12; i++) {
        size_t one = rex_call(packets + size + 4, "cluster", "status");
        clu_put_be(packets + size, one, 4);
        size += 4 + one;
    }
    assert_true(size <= sizeof packets);
    fake_push(&f, n->fd, packets, size, NULL);
    checked_ms(0);
    assert_int_equal(n->heard_count, 12);
    end();
}

/* Two that send each other more than fits go on reading: else both would wait for ever. */
static void both_full(void **state)
{
    struct cluster_options o = options();
    uint8_t big[400] = "\x83m\0\0\1\x80", packet[400];
    struct client *n;
    int i;
    (void)state;
    o.limit_output = 1000;
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    assert_int_equal(cluster_register(c, "p"), 0);
    n = linked("a@10.0.0.1");
    f.s[n->fd].send_error = CLUSTER_E_AGAIN;
    while (!cluster_send(c, "a@10.0.0.1", "q", big, 6 + 384))
        continue;
    checked_ms(0);
    push_packet(n, packet, message(packet, "p", 0, 1));
    wait_ms(0);
    assert_string_equal(next(CLUSTER_MESSAGE)->text, "p");
    /* But what it has us answer is bounded all the same. */
    for (i = 0; i < 200; i++)
        push_packet(n, packet, rex_call(packet, "cluster", "status"));
    wait_ms(0);
    assert_true(c->mesh.links.first->channel.out_size < 3500);
    f.s[n->fd].send_error = 0;
    wait_ms(0);
    assert_true(n->heard_count > 200);
    end();
}

/* The host was away for longer than a peer may be silent, and comes back to more of them than it may read in one step. */
static void away_from_many(void **state)
{
    struct cluster_options o = options();
    char names[75][16];
    int i;
    (void)state;
    o.limit_budget = 4;
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    for (i = 0; i < 75; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d@10.0.0.1", i);
        (void)linked(names[i]);
    }
    for (i = 0; i < 75; i++)
        push_packet(&clients[i], NULL, 0);
    now_ns += 70 * SECOND;
    checked_ms(0);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    checked_ms(59000);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 0);
    checked_ms(1100);
    assert_int_equal(mirror.seen[CLUSTER_DOWN], 75);
    end();
}

/* A call whose answer would not fit is none, and nothing of it is kept. */
static void call_with_a_large_tag(void **state)
{
    static uint8_t packet[8000];
    struct clu_writer w = clu_writer_on(packet, sizeof packet);
    struct client *n;
    (void)state;
    begin();
    n = linked("a@10.0.0.1");
    clu_control_write(&w, CLU_OP_REG_SEND, 4);
    clu_pid_write(&w, "a@10.0.0.1", 7, 80, 0);
    clu_atom_write(&w, "");
    clu_atom_write(&w, "rex");
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 3);
    clu_atom_write(&w, "$gen_call");
    clu_tuple_write(&w, 2);
    clu_pid_write(&w, "a@10.0.0.1", 7, 80, 0);
    clu_term_write_binary_size(&w, 4000);
    (void)clu_room(&w, 4000);
    clu_tuple_write(&w, 5);
    clu_atom_write(&w, "call");
    clu_atom_write(&w, "m");
    clu_atom_write(&w, "f");
    clu_write(&w, "j", 1);
    clu_atom_write(&w, "user");
    push_packet(n, packet, clu_written(&w));
    checked_ms(0);
    assert_int_equal(c->linked.served_count, 0);
    assert_int_equal(mirror.seen[CLUSTER_CALL], 0);
    assert_int_equal(mirror.down_error, CLUSTER_E_PROTOCOL);
    end();
}

/* While there is no room for a message it is not looked at over and over. */
static void not_read_while_full(void **state)
{
    struct cluster_options o = options();
    uint8_t packet[400];
    struct client *n;
    size_t size;
    int i;
    (void)state;
    o.limit_events = 16;
    assert_int_equal(cluster_create(&c, &o), 0);
    checked_ms(0);
    assert_int_equal(cluster_register(c, "p"), 0);
    n = linked("a@10.0.0.1");
    for (i = 0; i < 12; i++)
        push_packet(n, packet, message(packet, "p", 0, 1));
    size = message(packet, "p", 0, 1);
    packet[size - 2] = 1; /* no term */
    push_packet(n, packet, size);
    wait_ms(1000);
    assert_int_equal(cluster_member_find(c, "a@10.0.0.1")->state, CLUSTER_MEMBER_UP);
    checked_ms(0);
    checked_ms(100);
    assert_int_equal(mirror.seen[CLUSTER_MESSAGE], 12);
    assert_int_equal(mirror.down_error, CLUSTER_E_PROTOCOL);
    end();
}

/* Without memory there are no ticks; and no turning in circles, which fake_run would notice. */
static void no_memory_for_ticks(void **state)
{
    struct client *n;
    (void)state;
    begin();
    n = linked("a@10.0.0.1");
    n->ticks = 0;
    fake_memory_fail(&f.memory, 1, true);
    wait_ms(20000);
    assert_int_equal(n->ticks, 0);
    fake_memory_fail(&f.memory, 0, false);
    checked_ms(100);
    assert_int_equal(n->ticks, 1);
    /* A term that no packet could hold is not even looked at. */
#if SIZE_MAX > UINT32_MAX
    assert_int_equal(cluster_send(c, "a@10.0.0.1", "q", "\x83j", (size_t)UINT32_MAX), CLUSTER_E_INVALID);
#endif
    end();
}

/* ---- the lease -------------------------------------------------------- */

static void lease(void **state)
{
    int way;
    (void)state;
    begin();
    assert_int_equal(registrations, 1);
    checked_ms(60000);
    assert_int_equal(registrations, 1);
    for (way = 1; way <= 5; way++) {
        unsigned before, logs = (unsigned)f.logs;
        answers = way;
        f.s[epmd_fd].ended = true; /* epmd is started anew */
        checked_ms(30000);
        before = registrations;
        assert_true(f.logs == logs + 1 && strstr(f.log, way == 1 ? "own name" : "not registered"));
        checked_ms(60000);
        assert_true(way == 5 || (registrations > before && registrations < before + 40));
        assert_int_equal(f.logs, logs + 1);
        answers = 0;
        checked_ms(15000);
        before = registrations;
        checked_ms(60000);
        assert_int_equal(registrations, before);
    }
    end();
}

/* Who leaves is not registered any more, and stays so. */
static void left(void **state)
{
    (void)state;
    begin();
    (void)linked("a@10.0.0.1");
    assert_int_equal(fake_count_open(&f), 3);
    assert_int_equal(cluster_leave(c, 1000, NULL), 0);
    checked_ms(60000);
    assert_int_equal(registrations, 1);
    assert_false(f.s[epmd_fd].open);
    end();
}

/* That plain gossip and links do not go well together is said, once. */
static void anybody(void **state)
{
    static const char *const fine[] = {"gossip:?secret=s", "gossip:?allow=10.0.0.0/8", "static:a@h"};
    struct cluster_options o = options();
    size_t i;
    (void)state;
    o.connect = "erlang";
    o.listen = NULL;
    assert_int_equal(cluster_create(&c, &o), 0);
    for (i = 0; i < CLU_COUNT(fine); i++)
        assert_int_equal(cluster_discover(c, fine[i], NULL), 0);
    assert_int_equal(f.logs, 0);
    assert_int_equal(cluster_discover(c, "gossip:", NULL), 0);
    assert_true(f.logs == 1 && strstr(f.log, "impostor") && strstr(f.log, "gossip:"));
    assert_int_equal(cluster_discover(c, "gossip:233.252.1.33", NULL), 0);
    assert_int_equal(f.logs, 1);
    cluster_destroy(c);
    fake_end(&f);
}

/* ---- failing ---------------------------------------------------------- */

/* Each allocation fails once: in the end the link is there, the message and the call have come. */
static void every_allocation(void **state)
{
    unsigned long count;
    bool failed = true;
    (void)state;
    for (count = 1; failed; count++) {
        struct cluster_options o;
        uint8_t packet[600];
        struct client *n;
        unsigned tries;
        (void)machine(NULL);
        o = options();
        assert_int_equal(cluster_create(&c, &o), 0);
        assert_int_equal(cluster_register(c, "p"), 0);
        fake_memory_fail(&f.memory, count, false);
        checked_ms(2000);
        n = client("a@10.0.0.1");
        for (tries = 0; tries < 3 && !n->up; tries++) {
            dial(n);
            checked_ms(1000);
        }
        assert_true(n->up && registrations >= 1);
        push_packet(n, packet, message(packet, "p", 0, 1));
        push_packet(n, packet, rex_call(packet, "m", "f"));
        push_packet(n, packet, spawned_members(packet, sizeof packet));
        push_packet(n, packet, unhex(spawned_call, packet, sizeof packet));
        checked_ms(1000);
        while (cluster_send(c, "a@10.0.0.1", "q", "\x83j", 2) == CLUSTER_E_MEMORY)
            continue;
        checked_ms(1000);
        failed = f.memory.failures != 0;
        fake_memory_fail(&f.memory, 0, false);
        assert_int_equal(mirror.seen[CLUSTER_MESSAGE], 1);
        assert_int_equal(mirror.seen[CLUSTER_CALL], 2);
        assert_int_equal(cluster_member_find(c, OWN)->port, 9100);
        assert_int_equal(n->heard_count, 4); /* the process is there, it has ended; the other is there; and the message */
        end();
    }
    assert_true(count > 20);
}

/* Each hook fails for a while, in each way; then all is as it was. */
static void every_hook(void **state)
{
    static const int hooks[] = {FAKE_OPEN, FAKE_BIND, FAKE_LISTEN,  FAKE_ACCEPT,
                                FAKE_SEND, FAKE_RECV, FAKE_CONNECT, FAKE_RANDOM},
                     errors[] = {CLUSTER_E_IO, CLUSTER_E_LIMIT, CLUSTER_E_CLOSED, CLUSTER_E_ADDRESS};
    size_t h, e;
    (void)state;
    for (h = 0; h < CLU_COUNT(hooks); h++)
        for (e = 0; e < CLU_COUNT(errors); e++) {
            struct cluster_options o;
            struct client *n;
            (void)machine(NULL);
            o = options();
            assert_int_equal(cluster_create(&c, &o), 0);
            f.errors[hooks[h]] = errors[e];
            c->loop.random_left = 0;
            checked_ms(1100);
            f.errors[hooks[h]] = 0;
            checked_ms(2000);
            f.errors[hooks[h]] = errors[e];
            c->loop.random_left = 0;
            n = client("a@10.0.0.1");
            dial(n);
            checked_ms(100);
            f.errors[hooks[h]] = 0;
            checked_ms(100);
            if (!n->up)
                n = linked("b@10.0.0.1");
            assert_true(n->up);
            end();
        }
}

/* The program closed the descriptor that listens: another one does. */
static void lost_descriptor(void **state)
{
    struct pollfd fd;
    (void)state;
    begin();
    fd.fd = c->linked.listener.fd;
    fd.events = POLLIN;
    fd.revents = POLLNVAL;
    f.s[fd.fd].foreign = true;
    f.s[fd.fd].listens = false;
    assert_int_equal(cluster_step(c, now_ns, &fd, 1), 0);
    checked_ms(1000);
    (void)linked("a@10.0.0.1");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(taken_and_gone, machine),
        cmocka_unit_test_setup(refused, machine),
        cmocka_unit_test_setup(hostile_at_every_byte, machine),
        cmocka_unit_test_setup(nameless, machine),
        cmocka_unit_test_setup(half_open, machine),
        cmocka_unit_test_setup(alive, machine),
        cmocka_unit_test_setup(simultaneous, machine),
        cmocka_unit_test_setup(ports, machine),
        cmocka_unit_test_setup(messages, machine),
        cmocka_unit_test_setup(full_queue, machine),
        cmocka_unit_test_setup(choked, machine),
        cmocka_unit_test_setup(choked_by_calls, machine),
        cmocka_unit_test_setup(called, machine),
        cmocka_unit_test_setup(hostile_messages, machine),
        cmocka_unit_test_setup(what_a_call_takes, machine),
        cmocka_unit_test_setup(calling, machine),
        cmocka_unit_test_setup(replaced_under_a_call, machine),
        cmocka_unit_test_setup(answered_to_the_last, machine),
        cmocka_unit_test_setup(both_full, machine),
        cmocka_unit_test_setup(away_from_many, machine),
        cmocka_unit_test_setup(call_with_a_large_tag, machine),
        cmocka_unit_test_setup(not_read_while_full, machine),
        cmocka_unit_test_setup(no_memory_for_ticks, machine),
        cmocka_unit_test_setup(lease, machine),
        cmocka_unit_test_setup(left, machine),
        cmocka_unit_test_setup(anybody, machine),
        cmocka_unit_test_setup(every_allocation, machine),
        cmocka_unit_test_setup(every_hook, machine),
        cmocka_unit_test_setup(lost_descriptor, machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
