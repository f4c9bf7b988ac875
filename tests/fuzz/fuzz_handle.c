/* The whole handle, fed by a hostile network: the input says what each socket receives, how hooks fail and how the clock moves.
 * Beside crashes it looks for a broken law: events replay to the member list, deadlines are kept, nothing leaks. */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"
#include "host.h"

#define FDS 64
#define SECRET_URL "gossip:?secret=fuzz&announce=on&interval=1s"
#define DNS_URL "dns:web.test,api@api.test?node=n&interval=1s&timeout=2s&hosts=on&server=10.0.0.2"
#define SRV_URL "dns:_d._tcp.test?type=srv&node=s&interval=1s&timeout=2s&tcp=keep&server=10.0.0.3"

static struct {
    const uint8_t *at, *end;
    uint8_t open[FDS], tcp[FDS];
    struct cluster_address peer[FDS];
    uint8_t asked[FDS][600]; /* what was sent last */
    size_t asked_size[FDS];
    uint64_t wall;
} world;

static struct counted memory;

static uint8_t next_byte(void)
{
    return world.at < world.end ? *world.at++ : 0;
}

/* A hook's fate: mostly it works. */
static int fate(void)
{
    uint8_t b = next_byte();
    return b < 250 ? 0 : -(int)(b - 239);
}

static int hook_open(void *ctx, int kind, int family)
{
    int fd, result = fate();
    (void)ctx;
    (void)family;
    if (result)
        return result;
    for (fd = 3; fd < FDS; fd++)
        if (!world.open[fd]) {
            world.open[fd] = 1;
            world.tcp[fd] = kind == CLUSTER_TCP;
            world.asked_size[fd] = 0;
            memset(&world.peer[fd], 0, sizeof world.peer[fd]);
            return fd;
        }
    return CLUSTER_E_LIMIT;
}

static void must_be_open(int fd)
{
    if (fd < 0 || fd >= FDS || !world.open[fd])
        abort();
}

static int hook_bind(void *ctx, int fd, const struct cluster_address *address, uint32_t flags)
{
    (void)ctx;
    (void)address;
    (void)flags;
    must_be_open(fd);
    return fate();
}

static int hook_connect(void *ctx, int fd, const struct cluster_address *address)
{
    (void)ctx;
    must_be_open(fd);
    world.peer[fd] = *address;
    return fate();
}

static int hook_join(void *ctx, int fd, const struct cluster_address *group, const struct cluster_address *via, int ttl)
{
    (void)ctx;
    (void)group;
    (void)via;
    (void)ttl;
    must_be_open(fd);
    return fate();
}

static int64_t hook_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    int result = fate();
    (void)ctx;
    (void)to;
    must_be_open(fd);
    if (!result && size <= sizeof world.asked[fd]) {
        memcpy(world.asked[fd], data, size);
        world.asked_size[fd] = size;
    }
    return result ? result : (int64_t)size;
}

/* An answer to the question that was sent last: its header and question, and then good records of its type, or what the input
 * says. 0: there was no question. */
static size_t answer(int fd, uint8_t *out, size_t room)
{
    static const uint8_t head[] = {0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 0};
    size_t length = world.tcp[fd] ? 2 : 0, size = world.asked_size[fd], at = length + 12;
    uint8_t how = next_byte(), records = how & 7, type, i;
    if (size < at + 5)
        return 0;
    memcpy(out, world.asked[fd], size < room ? size : room);
    while (at < size && world.asked[fd][at])
        at += world.asked[fd][at] + 1u;
    at += 5; /* the question's end, and no OPT */
    if (at > size)
        return 0;
    type = out[at - 3];
    memset(out + length + 2, 0, 10);
    out[length + 2] = 0x81;
    out[length + 3] = 0x80;
    out[length + 5] = 1;
    out[length + 7] = records;
    for (i = 0; i < records && how & 0x80; i++) {
        uint8_t bytes = type == 28 ? 16 : type == 33 ? 11 : 4;
        memcpy(out + at, head, sizeof head);
        out[at + 3] = type;
        out[at + sizeof head] = bytes;
        at += sizeof head + 1;
        memset(out + at, 0, bytes);
        out[at + bytes - 1] = next_byte();
        if (type == 33) { /* a target of one label and the question's name */
            out[at + 5] = 80;
            out[at + 6] = 2;
            out[at + 7] = (uint8_t)('a' + (out[at + bytes - 1] & 7));
            out[at + 8] = 'x';
            out[at + 9] = 0xc0;
            out[at + 10] = 12;
        }
        at += bytes;
    }
    if (!(how & 0x80)) {
        size_t count = 2 * (size_t)next_byte();
        out[length + 2] |= next_byte() & 2; /* cut, now and then */
        out[length + 3] |= next_byte() & 3;
        out[length + 11] = next_byte() & 3;
        count = count < (size_t)(world.end - world.at) ? count : (size_t)(world.end - world.at);
        memcpy(out + at, world.at, count);
        world.at += count;
        at += count;
    }
    if (length) {
        out[0] = (uint8_t)((at - 2) >> 8);
        out[1] = (uint8_t)(at - 2);
    }
    return at;
}

static int64_t hook_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    size_t count = next_byte();
    (void)ctx;
    must_be_open(fd);
    if (count == 255)
        return CLUSTER_E_AGAIN;
    if (count >= 250)
        return fate();
    if (count >= 240) {
        uint8_t whole[2048];
        count = answer(fd, whole, sizeof whole);
        if (from)
            *from = world.peer[fd];
        memcpy(data, whole, count < size ? count : size);
        count = world.tcp[fd] && count > size ? size : count;
        return count ? (int64_t)count : (int64_t)CLUSTER_E_AGAIN;
    }
    count = count * 2 < (size_t)(world.end - world.at) ? count * 2 : (size_t)(world.end - world.at);
    count = count < size ? count : size;
    if (!count)
        return world.at < world.end ? 0 : CLUSTER_E_AGAIN;
    memcpy(data, world.at, count);
    world.at += count;
    if (from) {
        memset(from, 0, sizeof *from);
        from->family = 4;
        from->bytes[0] = 10;
        from->bytes[3] = next_byte();
    }
    return (int64_t)count;
}

static void hook_close(void *ctx, int fd)
{
    (void)ctx;
    must_be_open(fd);
    world.open[fd] = 0;
}

static int hook_interfaces(void *ctx, const char *name, struct cluster_address *out, size_t capacity)
{
    (void)ctx;
    (void)name;
    memset(out, 0, capacity * sizeof *out);
    return fate();
}

static int64_t hook_read_file(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    size_t count = next_byte();
    (void)ctx;
    (void)path;
    count = count < (size_t)(world.end - world.at) ? count : (size_t)(world.end - world.at);
    if (count <= size && count)
        memcpy(data, world.at, count);
    if (count <= size)
        world.at += count;
    else
        world.at--; /* the same length when it is asked again */
    *stamp = next_byte();
    return (int64_t)count;
}

static int hook_random(void *ctx, void *data, size_t size)
{
    (void)ctx;
    memset(data, next_byte(), size);
    return fate();
}

static uint64_t hook_wall_time(void *ctx)
{
    (void)ctx;
    return world.wall;
}

/* How many members a host counts that only pulls events. */
static size_t pull(struct cluster *c, size_t members)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(c)) != NULL) {
        if (e->type == CLUSTER_JOIN)
            members++;
        else if (e->type == CLUSTER_LEAVE)
            members--;
        else if (e->type == CLUSTER_RESYNC)
            members = cluster_member_count(c);
    }
    return members;
}

static void run(struct cluster *c)
{
    uint64_t now = 1;
    size_t members = 0, rounds = 0;
    while (world.at < world.end && rounds++ < 2000) {
        struct pollfd fds[FDS];
        size_t count = cluster_watches(c, fds, FDS), i;
        uint64_t deadline = cluster_deadline(c);
        if (count > FDS)
            abort();
        for (i = 0; i < count; i++) {
            uint8_t b = next_byte();
            fds[i].revents = (short)(b & 1 ? fds[i].events : b == 254 ? POLLHUP : 0);
        }
        now = deadline > now && deadline != CLUSTER_NEVER && (next_byte() & 1) ? deadline : now + next_byte() * CLU_MS;
        world.wall += next_byte() == 255 ? 3600 * CLU_SECOND : CLU_MS;
        if (cluster_step(c, now, fds, count))
            abort();
        members = pull(c, members);
        if (members != cluster_member_count(c))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cluster_options options;
    struct cluster_map_options map;
    struct cluster_io io;
    struct cluster *c;
    size_t i;
    memset(&world, 0, sizeof world);
    world.at = data;
    world.end = data + size;
    world.wall = 1700000000 * CLU_SECOND;
    counted_begin(&memory);
    memset(&map, 0, sizeof map);
    map.size = (uint32_t)sizeof map;
    map.shards = 64;
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    io.open = hook_open;
    io.bind = hook_bind;
    io.connect = hook_connect;
    io.join = hook_join;
    io.send = hook_send;
    io.recv = hook_recv;
    io.close = hook_close;
    io.interfaces = hook_interfaces;
    io.read_file = hook_read_file;
    io.environment = no_environment;
    io.random = hook_random;
    io.wall_time = hook_wall_time;
    cluster_options_init(&options);
    options.node = "me@10.0.0.1";
    options.seed = 1;
    options.limit_events = 16;
    options.limit_budget = 16;
    options.map = &map;
    options.allocator = &memory.hook;
    options.io = &io;
    if (cluster_create(&c, &options))
        abort();
    if (cluster_discover(c, "gossip:?announce=on&interval=1s&max-age=3s", NULL) || cluster_discover(c, SECRET_URL, NULL) ||
        cluster_discover(c, "epmd:10.0.0.2,10.0.0.3?interval=1s&timeout=2s", NULL) ||
        cluster_discover(c, "epmd:host.test?interval=1s&timeout=2s", NULL) || cluster_discover(c, "file:/nodes", NULL) ||
        cluster_discover(c, DNS_URL, NULL) || cluster_discover(c, SRV_URL, NULL))
        abort();
    run(c);
    cluster_destroy(c);
    for (i = 0; i < FDS; i++)
        if (world.open[i])
            abort();
    if (memory.live)
        abort();
    return 0;
}
