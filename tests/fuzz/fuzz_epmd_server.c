/*
 * An epmd under attack: the input says who connects, from where, what each says, which hooks fail and how the clock moves. No
 * list of names that it gives has a line that was not registered as one name; descriptors and memory are given back; nobody stays
 * who has not registered.
 */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"
#include "host.h"

#define FDS 200

static struct {
    const uint8_t *at, *end;
    uint8_t open[FDS];
} world;

static struct counted memory;

static uint8_t next_byte(void)
{
    return world.at < world.end ? *world.at++ : 0;
}

static int new_fd(void)
{
    int fd = 3;
    while (fd < FDS && world.open[fd])
        fd++;
    if (fd == FDS)
        return CLUSTER_E_LIMIT;
    world.open[fd] = 1;
    return fd;
}

static void must_be_open(int fd)
{
    CHECK(fd >= 3 && fd < FDS && world.open[fd]);
}

static int hook_open(void *ctx, int kind, int family)
{
    (void)ctx;
    (void)kind;
    (void)family;
    return new_fd();
}

static int hook_bind(void *ctx, int fd, const struct cluster_address *address, uint32_t flags)
{
    (void)ctx;
    (void)address;
    (void)flags;
    must_be_open(fd);
    return next_byte() == 255 ? CLUSTER_E_ADDRESS : 0;
}

static int hook_listen(void *ctx, int fd, int backlog)
{
    (void)ctx;
    (void)backlog;
    must_be_open(fd);
    world.open[fd] = 2;
    return 0;
}

/* 1 to 3: from this host; 4: from another; 5: it fails. */
static int hook_accept(void *ctx, int fd, struct cluster_address *peer)
{
    uint8_t b = next_byte() % 8;
    (void)ctx;
    must_be_open(fd);
    CHECK(world.open[fd] == 2);
    if (!b || b > 5)
        return CLUSTER_E_AGAIN;
    if (b == 5)
        return CLUSTER_E_LIMIT;
    memset(peer, 0, sizeof *peer);
    peer->family = b == 3 ? 6 : 4;
    peer->bytes[0] = b == 4 ? 10 : b == 3 ? 0 : 127;
    peer->bytes[15] = 1;
    return new_fd();
}

static int64_t hook_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    size_t count = next_byte();
    (void)ctx;
    (void)from;
    must_be_open(fd);
    CHECK(size > 0);
    if (count >= 254)
        return count == 254 ? 0 : CLUSTER_E_CLOSED;
    count = count < (size_t)(world.end - world.at) ? count : (size_t)(world.end - world.at);
    count = count < size ? count : size;
    if (!count)
        return CLUSTER_E_AGAIN;
    memcpy(data, world.at, count);
    world.at += count;
    return (int64_t)count;
}

/* Of a list each line is one name, and its port. */
static int64_t hook_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    struct clu_reader r = clu_reader_of(data, size);
    struct clu_slice name;
    uint32_t port, bad = 0;
    uint16_t node;
    (void)ctx;
    (void)to;
    must_be_open(fd);
    if (clu_epmd_names_begin(&r, &port) && port == 4369 && (!clu_left(&r) || *r.at == 'n')) {
        while (clu_epmd_names_next(&r, &name, &node, &bad))
            continue;
        CHECK(!bad && !r.bad);
    }
    return next_byte() == 255 ? CLUSTER_E_CLOSED : (int64_t)size;
}

static void hook_close(void *ctx, int fd)
{
    (void)ctx;
    must_be_open(fd);
    world.open[fd] = 0;
}

static int hook_random(void *ctx, void *data, size_t size)
{
    (void)ctx;
    memset(data, 1, size);
    return 0;
}

static uint64_t hook_wall_time(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000000000);
}

static size_t count_open(void)
{
    size_t fd, count = 0;
    for (fd = 0; fd < FDS; fd++)
        count += world.open[fd] != 0;
    return count;
}

static void run(struct cluster *c)
{
    uint64_t now = 1;
    size_t rounds = 0, count, i;
    struct pollfd fds[FDS];
    while (world.at < world.end && rounds++ < 1000) {
        uint8_t what = next_byte();
        count = cluster_watches(c, fds, FDS);
        CHECK(count <= FDS);
        for (i = 0; i < count; i++)
            fds[i].revents = what % 4 == 0 || i == what % count ? fds[i].events : 0;
        now += what >= 240 ? UINT64_C(3000000000) : 1000000;
        CHECK(cluster_step(c, now, fds, count) == 0);
        CHECK(cluster_deadline(c) > 0);
    }
    /* All is quiet: who has not registered goes. */
    for (i = 0; i < 3; i++) {
        now += UINT64_C(11000000000);
        (void)cluster_watches(c, fds, FDS);
        CHECK(cluster_step(c, now, NULL, 0) == 0);
    }
    CHECK(c->epmd_server.streams == 0);
    CHECK(count_open() == c->loop.watch_count + c->loop.retired_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cluster_options o;
    struct cluster_io io;
    struct cluster *c;
    memset(&world, 0, sizeof world);
    world.at = data;
    world.end = data + size;
    counted_begin(&memory);
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    io.open = hook_open;
    io.bind = hook_bind;
    io.listen = hook_listen;
    io.accept = hook_accept;
    io.send = hook_send;
    io.recv = hook_recv;
    io.close = hook_close;
    io.environment = no_environment;
    io.random = hook_random;
    io.wall_time = hook_wall_time;
    cluster_options_init(&o);
    o.allocator = &memory.hook;
    o.io = &io;
    o.epmd = "embedded";
    CHECK(cluster_create(&c, &o) == 0);
    run(c);
    cluster_destroy(c);
    CHECK(memory.live == 0 && count_open() == 0);
    return 0;
}
