/*
 * The whole handle, fed by a hostile network: the input says what each socket receives, how hooks and allocations fail, how the clock
 * moves, what the host does between two steps, and with its last byte how it connects. Beside crashes it looks for a broken law:
 * events replay to the member list and to who is up, whoever is to be connected to is a member on its way, no more dials are under
 * way than may be, a handle that hears nothing comes to rest, nothing leaks.
 */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"
#include "host.h"

#define FDS 64
#define LIMIT_DIALS 3
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

/* Whom the host knows; the last two are no member's of any source, or its own. */
static const char *const names[] = {"a@10.0.0.2", "b@10.0.0.3", "c@web.test", "n@10.0.0.1", "x@10.0.0.5", "me@10.0.0.1"};
static bool up[CLU_COUNT(names)]; /* as the events say */

static uint8_t next_byte(void)
{
    return world.at < world.end ? *world.at++ : 0;
}

/* A hook's fate: mostly it works. */
static int fate(void)
{
    static const int8_t errors[] = {CLUSTER_E_AGAIN,       CLUSTER_E_LIMIT,  CLUSTER_E_REFUSED,
                                    CLUSTER_E_UNREACHABLE, CLUSTER_E_CLOSED, CLUSTER_E_IO};
    uint8_t b = next_byte();
    return b < 250 ? 0 : errors[b - 250];
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
    if (size > 3 && size < 200 && world.asked[fd][2] == 'z') { /* epmd is asked for a port */
        memcpy(out, "w\0\43\217M\0\0\6\0\5\0_", 12);
        out[11] = (uint8_t)(size - 3);
        memcpy(out + 12, world.asked[fd] + 3, size - 3);
        memset(out + 9 + size, 0, 2);
        return size + 11;
    }
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

static bool is_up(const struct cluster *c, size_t i)
{
    const struct cluster_member *m = cluster_member_find(c, names[i]);
    return m && m->state == CLUSTER_MEMBER_UP;
}

/* How many members a host counts that only pulls events; and who of those that it knows is up. */
static size_t pull(struct cluster *c, size_t members)
{
    const struct cluster_event *e;
    size_t i;
    while ((e = cluster_next_event(c)) != NULL) {
        bool down = e->type == CLUSTER_DOWN || e->type == CLUSTER_LEAVE;
        for (i = 0; i < CLU_COUNT(names); i++)
            if (e->type == CLUSTER_RESYNC)
                up[i] = is_up(c, i);
            else if (e->member && !strcmp(e->member->name, names[i]) && (down || e->type == CLUSTER_UP))
                up[i] = !down;
        if (e->type == CLUSTER_JOIN)
            members++;
        else if (e->type == CLUSTER_LEAVE)
            members--;
        else if (e->type == CLUSTER_RESYNC)
            members = cluster_member_count(c);
        else if (e->type == CLUSTER_CONNECT)
            CHECK(e->member->state == CLUSTER_MEMBER_DIALLED && !e->member->flags);
        else if (e->type == CLUSTER_DISCONNECT)
            CHECK(e->member->state == CLUSTER_MEMBER_UP && e->member->flags & CLUSTER_MEMBER_ACCEPTED);
    }
    for (i = 0; i < CLU_COUNT(names); i++)
        CHECK(up[i] == is_up(c, i));
    CHECK(c->mesh.dials.count <= LIMIT_DIALS);
    return members;
}

/* A list of the push source: who of the first three is in it, and whether the first drains. */
static void publish(struct cluster *c, unsigned who)
{
    struct cluster_node nodes[3];
    size_t count = 0, i;
    memset(nodes, 0, sizeof nodes);
    nodes[0].size = (uint32_t)sizeof nodes[0];
    for (i = 0; i < 3; i++)
        if (who & 1u << i) {
            nodes[count].port = i ? 0 : 9100; /* else it is epmd's to say */
            nodes[count++].name = names[i];
        }
    nodes[0].flags = who & 8 ? CLUSTER_NODE_DRAINING : 0;
    (void)cluster_source_publish(cluster_source_at(c, 0), nodes, count);
}

/* What the host does between two steps. */
static void host(struct cluster *c, uint8_t b)
{
    const char *name = names[next_byte() % CLU_COUNT(names)];
    struct cluster_source *s = cluster_source_at(c, 1 + (b & 7));
    uint64_t request;
    switch (b >> 4) {
    case 4:
    case 5:
        (void)cluster_report(c, name, b & 7, -(b >> 3 & 3));
        break;
    case 6:
    case 7:
        publish(c, b & 15);
        break;
    case 8:
        memory.fail_in = b & 15;
        break;
    case 9:
        (void)cluster_drain(c, b & 1);
        break;
    case 10:
        (void)cluster_leave(c, (b & 15) * 100 - 100, &request);
        break;
    case 11:
        (void)cluster_source_pause(s, b & 8);
        break;
    case 12:
        if (b & 8)
            cluster_source_remove(s);
        else if (cluster_source_at(c, 9) == NULL)
            (void)cluster_discover(c, "static:a@10.0.0.2,me@10.0.0.1,c@web.test?misses=1", NULL);
        break;
    case 13:
        (void)(b & 1 ? cluster_epmd_port(c, name, &request) : cluster_resolve(c, "web.test", NULL, &request));
        break;
    case 14:
        (void)(b & 1 ? cluster_ping(c, name, &request) : cluster_call(c, name, "m", "f", "\x83j", 2, 0, &request));
        break;
    default:
        break;
    }
}

static void run(struct cluster *c)
{
    uint64_t now = 1, until;
    size_t members = 0, rounds = 0;
    while (world.at < world.end && rounds++ < 2000) {
        struct pollfd fds[FDS];
        size_t count = cluster_watches(c, fds, FDS), i;
        uint64_t deadline = cluster_deadline(c);
        uint8_t b;
        CHECK(count <= FDS);
        for (i = 0; i < count; i++) {
            b = next_byte();
            fds[i].revents = (short)(b & 1 ? fds[i].events : b == 254 ? POLLHUP : 0);
        }
        now = deadline > now && deadline != CLUSTER_NEVER && (next_byte() & 1) ? deadline : now + next_byte() * CLU_MS;
        b = next_byte();
        world.wall += b == 255 ? 3600 * CLU_SECOND : CLU_MS;
        if (b == 254)
            now += UINT64_C(1) << next_byte() % 64;
        host(c, b);
        CHECK(!cluster_step(c, b == 253 ? now / 2 : now, fds, count));
        members = pull(c, members);
        CHECK(members == cluster_member_count(c));
    }
    memory.fail_in = 0;
    until = clu_add_time(now, 2 * CLU_SECOND);
    for (rounds = 0; now < until; now = clu_min_u64(until, cluster_deadline(c) > now ? cluster_deadline(c) : now)) {
        struct pollfd fds[FDS];
        CHECK(rounds++ < 8000);
        (void)cluster_watches(c, fds, FDS);
        CHECK(!cluster_step(c, now, NULL, 0));
        members = pull(c, members);
    }
    CHECK(members == cluster_member_count(c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const modes[] = {"none", "host", "tcp", "epmd", "erlang"};
    struct cluster_options options;
    struct cluster_map_options map;
    struct cluster_io io;
    struct cluster *c;
    size_t i;
    uint8_t how = size ? data[--size] : 0;
    memset(&world, 0, sizeof world);
    memset(up, 0, sizeof up);
    world.at = world.end = data + size; /* nothing fails before there is a handle */
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
    options.limit_dials = LIMIT_DIALS;
    options.connect = modes[how % 5];
    options.cookie = how % 5 == 4 ? "secret" : NULL;
    options.reconnect = how & 0x20 ? "off" : "on";
    options.on_leave = how & 0x40 ? "disconnect" : "keep";
    options.limit_members = how & 0x80 ? 4 : 0;
    map.members = how & 0x20 ? "up" : "all";
    options.map = &map;
    options.allocator = &memory.hook;
    options.io = &io;
    CHECK(!cluster_create(&c, &options));
    world.at = data;
    if (cluster_discover(c, "push:list", NULL) || cluster_discover(c, "gossip:?announce=on&interval=1s&max-age=3s", NULL) ||
        cluster_discover(c, SECRET_URL, NULL) || cluster_discover(c, "epmd:10.0.0.2,10.0.0.3?interval=1s&timeout=2s", NULL) ||
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
