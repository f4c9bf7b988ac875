/* Links to many nodes at a time, scripted ones whose answers take time: what a link costs, how long many dials take, that ticks are
 * in time, and that a step looks at nothing but what is ready or due. */
#define FAKE_FDS 1100
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_loop.h"

#define SECOND FAKE_SECOND
#define OWN "c@10.0.0.9"
#define PORT 10000
#define MANY 1000
#define LATENCY (10 * CLU_MS)
#define TICK (20 * SECOND)

static struct fake f;
static struct cluster *c;
static uint64_t now_ns;
static unsigned downs;

static struct peer {
    char name[40];
    int fd;
    bool up, silent;
    uint64_t heard_ns, gap_ns; /* of us: the last bytes, the longest time between them */
} peers[MANY];

/* What is on its way to us. */
static struct letter {
    uint64_t due_ns;
    int fd;
    size_t size;
    uint8_t bytes[64];
} letters[4096];

static size_t letter_first, letter_count;

static void post(int fd, const void *data, size_t size)
{
    struct letter *letter = &letters[(letter_first + letter_count++) % CLU_COUNT(letters)];
    assert_true(letter_count <= CLU_COUNT(letters) && size <= sizeof letter->bytes);
    letter->due_ns = now_ns + LATENCY;
    letter->fd = fd;
    letter->size = size;
    memcpy(letter->bytes, data, size);
}

static bool letters_arrive(void)
{
    size_t before = letter_count;
    while (letter_count && letters[letter_first].due_ns <= now_ns) {
        const struct letter *letter = &letters[letter_first];
        if (f.s[letter->fd].open)
            fake_push(&f, letter->fd, letter->bytes, letter->size, NULL);
        letter_first = (letter_first + 1) % CLU_COUNT(letters);
        letter_count--;
    }
    return letter_count != before;
}

/* ---- the other nodes -------------------------------------------------- */

static void heard(struct peer *p)
{
    if (now_ns - p->heard_ns > p->gap_ns)
        p->gap_ns = now_ns - p->heard_ns;
    p->heard_ns = now_ns;
}

static void shake(struct peer *p, const uint8_t *data)
{
    uint8_t packet[64], digest[CLU_MD5_SIZE];
    struct clu_writer w = clu_writer_on(packet, sizeof packet);
    struct clu_hello h;
    uint32_t challenge;
    if (*data == 'N') {
        h.flags = UINT64_C(0xd07df7fbd);
        h.challenge = 0x01020304;
        h.creation = 5;
        h.name = clu_slice_str(p->name);
        clu_write(&w, "\0\3sok", 5);
        clu_write_be(&w, 1 + 8 + 4 + 4 + 2 + h.name.length, 2);
        clu_hello_write(&w, &h, true);
    } else {
        assert_non_null(clu_proof_read(data, 1 + 4 + CLU_MD5_SIZE, 'r', &challenge));
        clu_cookie_digest(clu_slice_str("secret"), challenge, digest);
        clu_write_be(&w, 1 + CLU_MD5_SIZE, 2);
        clu_proof_write(&w, 'a', 0, digest);
        p->up = true;
        p->heard_ns = now_ns;
        p->gap_ns = 0;
    }
    post(p->fd, packet, clu_written(&w));
}

static void sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    struct peer *p = &peers[machine->s[fd].peer.port - PORT];
    machine->s[fd].out_size = 0;
    p->fd = fd;
    if (p->up)
        heard(p);
    else if (!p->silent)
        shake(p, data + 2);
    assert_true(size > 2);
}

/* ---- the host --------------------------------------------------------- */

static void pull(void)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(c)) != NULL)
        downs += e->type == CLUSTER_DOWN;
}

static void run_to(uint64_t until)
{
    do {
        uint64_t next = letter_count ? letters[letter_first].due_ns : until;
        fake_run(&f, c, &now_ns, next < until ? next : until);
        pull();
    } while (letters_arrive() || now_ns < until);
}

static size_t count_up(void)
{
    size_t i, up = 0;
    for (i = 0; i < cluster_member_count(c); i++)
        up += cluster_member_at(c, i)->state == CLUSTER_MEMBER_UP;
    return up;
}

/* A handle that knows so many nodes, and links to them if it is to. */
static void begin(unsigned count, const char *connect)
{
    static struct cluster_node nodes[MANY];
    struct cluster_options o = fake_begin(&f);
    struct cluster_source *source;
    unsigned i;
    f.sent = sent;
    o.node = OWN;
    o.cookie = "secret";
    o.connect = connect;
    o.reconnect = "off";
    o.tick = "20s";
    o.limit_watches = 1050;
    now_ns = 100 * SECOND;
    letter_first = letter_count = 0;
    downs = 0;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < count; i++) {
        bool silent = peers[i].silent;
        memset(&peers[i], 0, sizeof peers[i]);
        peers[i].silent = silent;
        (void)snprintf(peers[i].name, sizeof peers[i].name, "n%u@10.0.%u.%u", i, i >> 8, i & 255);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = peers[i].name;
        nodes[i].port = PORT + i;
    }
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "push:many", &source), 0);
    assert_int_equal(cluster_source_publish(source, nodes, count), 0);
    run_to(now_ns);
}

static void end(void)
{
    unsigned i;
    for (i = 0; i < MANY; i++)
        peers[i].silent = false;
    cluster_destroy(c);
    fake_end(&f);
}

/* ---- tests ------------------------------------------------------------ */

/* How long until all are up that are to be. */
static uint64_t dial_time(unsigned count, size_t up)
{
    uint64_t began;
    begin(count, "erlang");
    began = now_ns;
    while (count_up() < up) {
        assert_true(now_ns - began < 7 * SECOND);
        run_to(now_ns + CLU_MS);
    }
    return now_ns - began;
}

static void dialled_together(void **state)
{
    uint64_t one = dial_time(1, 1);
    unsigned i;
    (void)state;
    end();
    assert_true(one >= 2 * LATENCY && dial_time(100, 100) <= 2 * one);
    end();
    for (i = 0; i < 100; i += 2)
        peers[i].silent = true;
    assert_true(dial_time(100, 50) <= 2 * one);
    end();
}

static void memory(void **state)
{
    size_t known;
    (void)state;
    begin(MANY, "none");
    known = f.memory.bytes;
    end();
    (void)dial_time(MANY, MANY);
    print_message("%zu bytes a link\n", (f.memory.bytes - known) / MANY);
    assert_true((f.memory.bytes - known) / MANY < 1024);
    end();
}

static unsigned visits;

static void visited(struct clu_timer *timer, uint64_t now)
{
    visits++;
    clu_link_fire(timer, now);
}

static void ready(struct clu_watcher *watcher, int fd, int revents)
{
    visits++;
    clu_channel_ready(watcher, fd, revents);
}

/* A step looks at the links that are ready and at those whose timer is due, at no others. */
static void visits_of_a_step(void **state)
{
    struct clu_link *link;
    unsigned long calls;
    int i;
    (void)state;
    (void)dial_time(MANY, MANY);
    for (link = c->mesh.links.first; link; link = link->next) {
        link->timer.fire = visited;
        link->channel.watcher.ready = ready;
    }
    calls = f.all;
    run_to(now_ns + SECOND); /* nothing is due */
    assert_int_equal(visits, 0);
    assert_true(f.all == calls);
    for (i = 0; i < 3; i++)
        fake_push(&f, peers[100 * i].fd, "\0\0\0", 4, NULL);
    run_to(now_ns);
    assert_true(visits >= 3 && visits <= 6); /* a tick that came is answered, in the next step */
    assert_true(f.all - calls <= 12);
    visits = 0;
    run_to(now_ns + TICK / 4);
    assert_true(visits >= MANY && visits <= 3 * MANY);
    end();
}

/* Each node hears of us every quarter of the time, those too of which much or nothing is heard. */
static void ticks(void **state)
{
    unsigned round, i;
    (void)state;
    (void)dial_time(MANY, MANY);
    for (round = 0; round < 40; round++) { /* a tenth of them says something, then the next */
        for (i = round % 10; i < MANY; i += 10)
            fake_push(&f, peers[i].fd, "\0\0\0", 4, NULL);
        run_to(now_ns + SECOND);
    }
    assert_int_equal(downs, 0);
    for (i = 0; i < MANY; i++) {
        heard(&peers[i]);
        assert_true(peers[i].gap_ns <= TICK / 4 + 2 * LATENCY);
    }
    run_to(now_ns + TICK + CLU_MS); /* and who says nothing any more is down in time */
    assert_int_equal(downs, MANY);
    end();
}

/* 64 MiB from one of them, in pieces that come for minutes: ticks go on both ways. */
static void trickle(void **state)
{
    enum { PEERS = 20, PIECES = 1024 };
    static uint8_t piece[65536];
    const struct cluster_event *e;
    uint8_t head[400];
    struct clu_writer w = clu_writer_on(head, sizeof head);
    unsigned at, i, came = 0;
    (void)state;
    (void)dial_time(PEERS, PEERS);
    assert_int_equal(cluster_register(c, "p"), 0);
    (void)clu_room(&w, 4);
    clu_control_write(&w, CLU_OP_REG_SEND, 4);
    clu_pid_write(&w, peers[0].name, 5, 80, 0);
    clu_atom_write(&w, "");
    clu_atom_write(&w, "p");
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_term_write_binary_size(&w, sizeof piece * PIECES);
    clu_put_be(head, clu_written(&w) - 4 + sizeof piece * PIECES, 4);
    fake_push(&f, peers[0].fd, head, clu_written(&w), NULL);
    for (at = 0; at < PIECES; at++) {
        for (i = 1; i < PEERS && at % 20 == 0; i++)
            fake_push(&f, peers[i].fd, "\0\0\0", 4, NULL);
        fake_push(&f, peers[0].fd, piece, sizeof piece, NULL);
        fake_run(&f, c, &now_ns, now_ns + SECOND / 4);
        while ((e = cluster_next_event(c)) != NULL) {
            assert_int_equal(e->type, CLUSTER_MESSAGE);
            assert_int_equal(e->term_size, 6 + sizeof piece * PIECES);
            assert_int_equal(at, PIECES - 1);
            came++;
        }
    }
    assert_int_equal(came, 1);
    for (i = 0; i < PEERS; i++) {
        heard(&peers[i]);
        assert_true(peers[i].gap_ns <= TICK / 4 + 2 * LATENCY);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialled_together), cmocka_unit_test(memory),
        cmocka_unit_test(visits_of_a_step), cmocka_unit_test(ticks),
        cmocka_unit_test(trickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
