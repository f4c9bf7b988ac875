/*
 * A node among hostile ones: the input says who connects and to whom we connect, what each says in the handshake and after it,
 * well formed or not, and which of it is proved; what the host does, which hooks and allocations fail, and how the clock moves.
 * With a first byte of 255 the node has no name of its own: it is given one, or what is none.
 * Nobody is up whose proof was not right; descriptors and memory are given back.
 */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"
#include "host.h"

#define FDS 48
#define OWN "m@10.0.0.9"
#define COOKIE "secret"
#define ROOM 4096

enum { CLOSED, LISTENS, WAITS, OPEN }; /* waits: to be accepted */

static const char *const names[] = {"a@10.0.0.1", "b@10.0.0.1", "n@10.0.0.1", "z@10.0.0.1", OWN, "10.0.0.1", "", "x@y@z"};

struct side {
    uint8_t is;
    bool accepted, ended, choked, up, proved;
    uint32_t asked;   /* the challenge that it was given */
    const char *name; /* that we dial */
    uint8_t in[ROOM], out[ROOM];
    size_t in_size, out_size;
};

static struct {
    const uint8_t *at, *end;
    struct side s[FDS];
    bool failing; /* hooks do, now and then */
} world;

static struct counted memory;

static uint8_t next_byte(void)
{
    return world.at < world.end ? *world.at++ : 0;
}

/* ---- hooks ------------------------------------------------------------ */

static int fate(void)
{
    uint8_t b = world.failing ? next_byte() : 0;
    return b < 240 ? 0 : -(int)(b - 239);
}

static struct side *side_of(int fd)
{
    CHECK(fd >= 3 && fd < FDS && world.s[fd].is != CLOSED);
    return &world.s[fd];
}

static int new_fd(uint8_t is)
{
    int fd = 3;
    while (fd < FDS && world.s[fd].is != CLOSED)
        fd++;
    if (fd == FDS)
        return CLUSTER_E_LIMIT;
    memset(&world.s[fd], 0, sizeof world.s[fd]);
    world.s[fd].is = is;
    return fd;
}

static int hook_open(void *ctx, int kind, int family)
{
    int result = fate();
    (void)ctx;
    (void)kind;
    (void)family;
    return result ? result : new_fd(OPEN);
}

static int hook_bind(void *ctx, int fd, const struct cluster_address *address, uint32_t flags)
{
    (void)ctx;
    (void)address;
    (void)flags;
    (void)side_of(fd);
    return fate();
}

static int hook_connect(void *ctx, int fd, const struct cluster_address *to)
{
    (void)ctx;
    side_of(fd)->name = to->port >= 9001 && to->port <= 9004 ? names[to->port - 9001] : NULL;
    return fate();
}

static int hook_listen(void *ctx, int fd, int backlog)
{
    (void)ctx;
    (void)backlog;
    side_of(fd)->is = LISTENS;
    return fate();
}

static int hook_accept(void *ctx, int fd, struct cluster_address *peer)
{
    int result = fate();
    (void)ctx;
    (void)peer;
    CHECK(side_of(fd)->is == LISTENS);
    for (fd = 3; !result && fd < FDS; fd++)
        if (world.s[fd].is == WAITS) {
            world.s[fd].is = OPEN;
            return fd;
        }
    return result ? result : CLUSTER_E_AGAIN;
}

static int64_t hook_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    struct side *s = side_of(fd);
    int result = fate();
    (void)ctx;
    (void)from;
    CHECK(size > 0);
    if (result)
        return result;
    if (!s->in_size)
        return s->ended ? 0 : CLUSTER_E_AGAIN;
    size = size < s->in_size ? size : s->in_size;
    memcpy(data, s->in, size);
    s->in_size -= size;
    memmove(s->in, s->in + size, s->in_size);
    return (int64_t)size;
}

/* What is sent is kept to be answered; of a link that is up it is dropped. */
static int64_t hook_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    struct side *s = side_of(fd);
    int result = fate();
    (void)ctx;
    (void)to;
    CHECK(size > 0);
    if (result || s->choked)
        return result ? result : CLUSTER_E_AGAIN;
    if (!s->up && size <= ROOM - s->out_size) {
        memcpy(s->out + s->out_size, data, size);
        s->out_size += size;
    }
    return (int64_t)size;
}

static void hook_close(void *ctx, int fd)
{
    (void)ctx;
    side_of(fd)->is = CLOSED;
}

static int hook_join(void *ctx, int fd, const struct cluster_address *group, const struct cluster_address *via, int ttl)
{
    (void)ctx;
    (void)fd;
    (void)group;
    (void)via;
    (void)ttl;
    return CLUSTER_E_UNSUPPORTED;
}

static int hook_interfaces(void *ctx, const char *name, struct cluster_address *out, size_t capacity)
{
    (void)ctx;
    (void)name;
    (void)out;
    (void)capacity;
    return 0;
}

static int hook_random(void *ctx, void *data, size_t size)
{
    static uint8_t count;
    uint8_t *out = (uint8_t *)data;
    (void)ctx;
    while (size--)
        *out++ = count++;
    return fate();
}

static uint64_t hook_wall_time(void *ctx)
{
    (void)ctx;
    return 1700000000 * CLU_SECOND;
}

/* ---- the other nodes -------------------------------------------------- */

static void push(struct side *s, const void *data, size_t size)
{
    if (s->is == CLOSED || size > ROOM - s->in_size || !size)
        return;
    memcpy(s->in + s->in_size, data, size);
    s->in_size += size;
}

/* With a length before it of two bytes in the handshake, of four later. */
static void push_packet(struct side *s, const uint8_t *data, size_t size)
{
    uint8_t packet[700];
    size_t width = s->up ? 4 : 2;
    CHECK(size <= 600);
    clu_put_be(packet, size, width);
    memcpy(packet + width, data, size);
    push(s, packet, width + size);
}

static void say_hello(struct side *s, const char *name, bool challenge)
{
    uint8_t body[600];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    struct clu_hello h;
    h.flags = CLU_FLAGS_DIGEST | (strchr(name, '@') ? 0 : CLU_FLAGS_NAME_ME);
    h.creation = 5;
    h.challenge = 0x01020304;
    h.name = clu_slice_str(name);
    clu_hello_write(&w, &h, challenge);
    push_packet(s, body, clu_written(&w));
}

static void say_proof(struct side *s, const char *cookie, uint32_t challenge)
{
    uint8_t body[64], digest[CLU_MD5_SIZE];
    struct clu_writer w = clu_writer_on(body, sizeof body);
    clu_cookie_digest(clu_slice_str(cookie), challenge, digest);
    clu_proof_write(&w, s->accepted ? 'r' : 'a', 0x0a0b0c0d, digest);
    push_packet(s, body, clu_written(&w));
    s->proved = s->proved || !strcmp(cookie, COOKIE);
    s->up = !s->accepted;
}

/* What comes next in the handshake, said as it should be, or with another cookie or name. */
static void go_on(struct side *s, uint8_t how)
{
    const char *cookie = how & 0x80 ? "guess" : COOKIE;
    struct clu_reader r = clu_reader_of(s->out, s->out_size);
    struct clu_slice packet;
    uint8_t said[ROOM];
    struct clu_hello h;
    uint32_t challenge;
    const uint8_t *status = (const uint8_t *)"\0\3sok";
    static const char *const given[] = {"\0\24snamed:\0\7X@1.2.3\0\0\0\7", "\0\25snamed:\0\10Y@10.0.9\0\0\0\7",
                                        "\0\24snamed:\0\7@1.2.3.\0\0\0\7", "\0\22snamed:\0\7Z@1.2.3\0\0"};
    if (s->up)
        return;
    packet.length = clu_read_u16(&r);
    packet.at = (const char *)clu_take(&r, packet.length);
    if (r.bad || !packet.length) {
        if (s->accepted && !s->out_size)
            say_hello(s, names[how & 7], false);
        return;
    }
    memcpy(said, packet.at, packet.length);
    packet.at = (const char *)said;
    s->out_size = clu_left(&r);
    memmove(s->out, r.at, s->out_size);
    if (*packet.at == 's') {
        if (packet.length == 6)
            push(s, how & 1 ? "\0\6sfalse" : "\0\5strue", how & 1 ? 8 : 7);
        if (packet.length == 3 || packet.at[6] == ':')
            go_on(s, how);
    } else if (*packet.at == 'N' && s->accepted) {
        CHECK(clu_hello_read(packet.at, packet.length, true, &h));
        say_proof(s, cookie, h.challenge);
    } else if (*packet.at == 'N') {
        CHECK(clu_hello_read(packet.at, packet.length, false, &h));
        if (h.flags & CLU_FLAGS_NAME_ME)
            push(s, given[how & 3], 2 + (size_t)given[how & 3][1]);
        else
            push(s, status, 5);
        say_hello(s, s->name ? s->name : "?", true);
    } else if (*packet.at == 'r' && clu_proof_read(packet.at, packet.length, 'r', &challenge)) {
        say_proof(s, cookie, challenge);
    } else if (*packet.at == 'a') {
        s->up = true;
    }
}

/* epmd's answers: to PORT_PLEASE2, and to ALIVE2. */
static void epmd(struct side *s)
{
    if (s->out_size > 2 && s->out[2] == 'x')
        push(s, "v\0\0\0\0\7", 6);
    else
        push(s, "w\0\43\51M\0\0\6\0\5\0\1a\0\0", 15);
}

/* ---- the host --------------------------------------------------------- */

static uint64_t last_call;

static void pull(struct cluster *c)
{
    const struct cluster_event *e;
    size_t i, up = 0;
    while ((e = cluster_next_event(c)) != NULL) {
        if (e->type == CLUSTER_CALL)
            last_call = e->request;
        CHECK(e->type != CLUSTER_MESSAGE || (e->term && e->term_size > 1 && e->member));
    }
    for (i = 0; i < cluster_member_count(c); i++)
        up += cluster_member_at(c, i)->state == CLUSTER_MEMBER_UP;
    for (i = 0; i < FDS; i++)
        up -= up && world.s[i].is == OPEN && world.s[i].proved;
    CHECK(!up);
}

static void host(struct cluster *c)
{
    static const uint8_t term[] = "\x83m\0\0\2\0";
    uint8_t b = next_byte(), big[6 + 512];
    const char *name = names[b & 3];
    uint64_t request;
    memset(big, 0, sizeof big);
    memcpy(big, term, 6);
    switch (b >> 4) {
    case 0:
        (void)cluster_ping(c, name, &request);
        break;
    case 1:
        (void)cluster_call(c, name, "m", "f", "\x83j", 2, (uint64_t)(b & 8) * CLU_MS, &request);
        break;
    case 2:
        (void)cluster_monitor(c, name, "p", &request);
        break;
    case 3:
        (void)cluster_send(c, name, "q", big, sizeof big);
        break;
    case 4:
        (void)cluster_answer(c, last_call, b & 8 ? NULL : "\x83j", 2);
        break;
    case 5:
        (void)cluster_drain(c, b & 1);
        break;
    default:
        world.failing = b & 1;
        memory.fail_in = b & 15;
    }
}

static void run(struct cluster *c)
{
    uint64_t now = CLU_SECOND, deadline;
    unsigned rounds = 0;
    while (world.at < world.end && rounds++ < 2000) {
        struct pollfd fds[FDS];
        size_t count, i;
        uint8_t op = next_byte(), how;
        int fd = 3 + next_byte() % (FDS - 3);
        struct side *s = &world.s[fd];
        deadline = cluster_deadline(c);
        switch (op % 12) {
        case 0:
            now += (uint64_t)next_byte() * 100 * CLU_MS;
            break;
        case 1:
            now = deadline > now && deadline != CLUSTER_NEVER ? deadline : now;
            break;
        case 2:
            fd = new_fd(WAITS);
            if (fd > 0)
                world.s[fd].accepted = true;
            break;
        case 3:
        case 4:
            how = next_byte();
            if (s->name || s->accepted)
                go_on(s, how);
            else
                epmd(s);
            break;
        case 5:
        case 6:
        case 7: {
            size_t size = next_byte() * (op & 1 ? 1u : 2u);
            size = size < (size_t)(world.end - world.at) ? size : (size_t)(world.end - world.at);
            if (op % 12 == 5)
                push(s, world.at, size);
            else
                push_packet(s, world.at, size);
            world.at += size;
            break;
        }
        case 8:
            s->ended = true;
            break;
        case 9:
            s->choked = op & 16;
            break;
        default:
            host(c);
        }
        count = cluster_watches(c, fds, FDS);
        CHECK(count <= FDS);
        for (i = 0; i < count; i++) {
            int waiting, revents;
            s = side_of(fds[i].fd);
            for (waiting = 3; s->is == LISTENS && waiting < FDS && world.s[waiting].is != WAITS;)
                waiting++;
            revents = (s->is == LISTENS ? waiting < FDS : s->in_size || s->ended) ? POLLIN : 0;
            revents |= s->choked || s->is == LISTENS ? 0 : POLLOUT;
            fds[i].revents = (short)(fds[i].events & revents);
        }
        CHECK(!cluster_step(c, now, fds, count));
        if (op & 0x80 || rounds % 16 == 0)
            pull(c);
    }
    pull(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cluster_options options;
    struct cluster_io io;
    struct cluster *c;
    size_t i;
    bool nameless = size && *data == 255;
    memset(&world, 0, sizeof world);
    last_call = 0;
    world.at = data + nameless;
    world.end = data + size;
    counted_begin(&memory);
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    io.open = hook_open;
    io.bind = hook_bind;
    io.connect = hook_connect;
    io.listen = hook_listen;
    io.accept = hook_accept;
    io.join = hook_join;
    io.send = hook_send;
    io.recv = hook_recv;
    io.close = hook_close;
    io.interfaces = hook_interfaces;
    io.read_file = no_file;
    io.environment = no_environment;
    io.random = hook_random;
    io.wall_time = hook_wall_time;
    cluster_options_init(&options);
    options.node = nameless ? "undefined@10.0.0.9" : OWN;
    options.cookie = COOKIE;
    options.connect = "erlang";
    options.listen = nameless ? NULL : "10.0.0.9:9100";
    options.tick = "8s";
    options.on_leave = "disconnect";
    options.seed = 1;
    options.limit_events = 32;
    options.limit_budget = 32;
    options.limit_output = 1000;
    options.limit_packet = 2000;
    options.limit_members = 4;
    options.allocator = &memory.hook;
    options.io = &io;
    CHECK(!cluster_create(&c, &options));
    CHECK(!cluster_register(c, "p"));
    CHECK(!cluster_discover(c, "static:a@10.0.0.1?port=9001", NULL) &&
          !cluster_discover(c, nameless ? "static:n@10.0.0.1?port=9003" : "static:z@10.0.0.1", NULL));
    run(c);
    cluster_destroy(c);
    for (i = 0; i < FDS; i++)
        CHECK(world.s[i].is == CLOSED || world.s[i].is == WAITS);
    CHECK(!memory.live);
    return 0;
}
