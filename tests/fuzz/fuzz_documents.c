/*
 * The documents of sources by HTTP: the first byte of the input says which strategy reads, the rest is the body of its second answer,
 * after a first one that names two nodes. What is no whole list of its kind loses nobody; names that come out are names; and it
 * is all the same whatever the body is cut into.
 */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"

#include "host.h"

#include <stdio.h>

#define FDS 16
#define KUBE "namespace=x&node=n&interval=1s&jitter=0%&misses=1&master=http://10.0.0.1&lookup="
#define COMMON "node=n&interval=1s&jitter=0%&misses=1&insecure=on&server=http://10.0.0.1"
#define ENDPOINTS                                                                                                              \
    "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0." \
    "0.2\"}]}]}]}"
#define PODS                                                                                                                   \
    "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"metadata\":{\"name\":\"a\"},\"status\":{\"podIP\":\"10.0.0.1\"}}" \
    ","                                                                                                                        \
    "{\"metadata\":{\"name\":\"b\"},\"status\":{\"podIP\":\"10.0.0.2\"}}]}"
#define SLICES                                                                                                                 \
    "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]},{\"addresses\":["     \
    "\"10.0.0.2\"]}]}]}"
#define INSTANCE(ip)                                                                                                           \
    "<item><instancesSet><item><instanceState><name>running</name></instanceState><privateIpAddress>" ip                       \
    "</privateIpAddress><privateDnsName>h" ip                                                                                  \
    "</privateDnsName><tagSet><item><key>a</key><value>b</value></item></tagSet></item></instancesSet></item>"
#define INSTANCES "<r><reservationSet>" INSTANCE("10.0.0.1") INSTANCE("10.0.0.2") "</reservationSet></r>"

static const struct {
    const char *url, *first;
    bool watches;
} kinds[] = {
    {"kubernetes:a=b?" KUBE "endpoints", ENDPOINTS, false},
    {"kubernetes:a=b?" KUBE "pods&mode=hostname&service=s&ready=off", PODS, false},
    {"kubernetes:a=b?" KUBE "pods", PODS, false},
    {"kubernetes:a=b?" KUBE "endpointslices&mode=dns", SLICES, false},
    {"kubernetes:a=b?" KUBE "pods&watch=on", PODS, true},
    {"kubernetes:a=b?" KUBE "endpointslices&watch=on", SLICES, true},
    {"consul:web?" COMMON, "[{\"Service\":{\"Address\":\"10.0.0.1\"}},{\"Service\":{\"Address\":\"10.0.0.2\"}}]", false},
    {"etcd:/n/?misses=1&node=n&interval=1s&jitter=0%&server=http://10.0.0.1",
     "{\"header\":{},\"kvs\":[{\"key\":\"L24vYUAxMC4wLjAuMQ==\"},{\"key\":\"L24vYUAxMC4wLjAuMg==\"}]}", false},
    {"rancher:?node=n&interval=1s&jitter=0%&misses=1&server=http://10.0.0.1",
     "{\"containers\":[{\"ips\":[\"10.0.0.1\"]},{\"ips\":[\"10.0.0.2\"]}]}", false},
    {"ec2:a=b?key=K&secret=S&region=r&" COMMON, INSTANCES, false},
    {"ec2:a=b,c=*d?match=any&host=name&group=g&key=K&secret=S&region=r&" COMMON, INSTANCES, false},
};

/* The server: one connection after the other. */
static struct {
    bool open[FDS], watches;
    char head[128];
    size_t head_size, at, size, chunk;
    const uint8_t *body, *input;
    const char *first;
    size_t input_size;
    unsigned answers;
} world;

static int hook_open(void *ctx, int kind, int family)
{
    int fd = 3;
    (void)ctx;
    (void)kind;
    (void)family;
    while (fd < FDS && world.open[fd])
        fd++;
    if (fd == FDS)
        return CLUSTER_E_LIMIT;
    world.open[fd] = true;
    world.head_size = world.size = world.at = 0;
    return fd;
}

static int hook_connect(void *ctx, int fd, const struct cluster_address *address)
{
    (void)ctx;
    (void)fd;
    (void)address;
    return 0;
}

/* Every request comes in one piece. The first is answered with the list that is good, in a watch every list is. */
static int64_t hook_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    bool watch = false, first;
    size_t i;
    (void)ctx;
    (void)fd;
    (void)to;
    if (!size)
        return 0;
    for (i = 0; i + 7 <= size && !watch; i++)
        watch = memcmp((const char *)data + i, "watch=1", 7) == 0;
    first = world.watches ? !watch : world.answers == 0;
    world.answers++;
    world.body = first ? (const uint8_t *)world.first : world.input;
    world.size = first ? strlen(world.first) : world.input_size;
    world.head_size =
        (size_t)snprintf(world.head, sizeof world.head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", world.size);
    world.at = 0;
    return (int64_t)size;
}

static int64_t hook_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    size_t whole = world.head_size + world.size, count = 0;
    uint8_t *out = (uint8_t *)data;
    (void)ctx;
    (void)fd;
    (void)from;
    if (world.at == whole)
        return CLUSTER_E_AGAIN;
    for (; count < size && count < world.chunk && world.at < whole; world.at++)
        out[count++] = world.at < world.head_size ? (uint8_t)world.head[world.at] : world.body[world.at - world.head_size];
    return (int64_t)count;
}

static void hook_close(void *ctx, int fd)
{
    (void)ctx;
    CHECK(fd >= 3 && fd < FDS && world.open[fd]);
    world.open[fd] = false;
}

static int hook_random(void *ctx, void *data, size_t size)
{
    (void)ctx;
    memset(data, 7, size);
    return 0;
}

static uint64_t hook_wall_time(void *ctx)
{
    (void)ctx;
    return UINT64_C(1440938160000000000);
}

/* Steps until nothing is to be done for a while. */
static void run(struct cluster *c, uint64_t *now, uint64_t until)
{
    struct pollfd fds[FDS];
    unsigned steps, answers = world.answers;
    for (steps = 0; *now <= until && steps < 20000; steps++) {
        size_t count = cluster_watches(c, fds, FDS), i;
        uint64_t next, generation = cluster_watch_generation(c);
        CHECK(count <= FDS);
        for (i = 0; i < count; i++)
            fds[i].revents = (short)(fds[i].events & (world.at < world.head_size + world.size ? POLLIN | POLLOUT : POLLOUT));
        CHECK(cluster_step(c, *now, fds, count) == 0);
        while (cluster_next_event(c))
            continue;
        next = cluster_deadline(c);
        for (i = 0; i < count; i++)
            if (fds[i].revents)
                next = *now;
        if (cluster_watch_generation(c) != generation)
            next = *now;
        *now = next > *now ? next : *now;
        *now += (world.answers - answers) * UINT64_C(50000000); /* an answer takes its time: one of endless pages ends */
        answers = world.answers;
    }
}

/* The members, as one number. */
static uint64_t members(const struct cluster *c)
{
    uint64_t sum = 17;
    size_t i;
    for (i = 0; i < cluster_member_count(c); i++) {
        const struct cluster_member *m = cluster_member_at(c, i);
        CHECK(clu_name_valid(m->name, strlen(m->name)));
        sum = clu_hash64(m->name, strlen(m->name), sum);
        sum = clu_hash64(m->address, strlen(m->address), sum);
        sum = clu_hash64(m->zone, strlen(m->zone), sum + (m->flags & CLUSTER_MEMBER_DRAINING));
    }
    return sum;
}

static uint64_t judge(size_t kind, size_t chunk)
{
    struct cluster_options o;
    struct cluster_io io;
    struct cluster *c;
    struct cluster_source *s;
    uint64_t now = UINT64_C(1000000000), before, after;
    int state;
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    io.open = hook_open;
    io.connect = hook_connect;
    io.send = hook_send;
    io.recv = hook_recv;
    io.close = hook_close;
    io.read_file = no_file;
    io.environment = no_environment;
    io.random = hook_random;
    io.wall_time = hook_wall_time;
    world.first = kinds[kind].first;
    world.watches = kinds[kind].watches;
    world.answers = 0;
    world.chunk = 100000;
    world.head_size = world.size = world.at = 0;
    cluster_options_init(&o);
    o.io = &io;
    CHECK(cluster_create(&c, &o) == 0);
    CHECK(cluster_discover(c, kinds[kind].url, &s) == 0);
    if (world.watches) {
        world.chunk = chunk;
        run(c, &now, now + UINT64_C(3000000000));
        after = members(c);
    } else {
        run(c, &now, now + UINT64_C(500000000));
        CHECK(cluster_source_state(s) == CLUSTER_SOURCE_ANSWER || kind == 1); /* there without hostnames nobody is taken */
        before = members(c);
        world.chunk = chunk;
        run(c, &now, now + UINT64_C(1000000000));
        CHECK(cluster_source_rounds(s) >= 2 || cluster_source_state(s) == CLUSTER_SOURCE_ANSWER || kind == 1);
        state = cluster_source_state(s);
        after = members(c) * 4 + (uint64_t)state;
        CHECK(state != CLUSTER_SOURCE_FAILED || members(c) == before);
    }
    cluster_destroy(c);
    for (state = 0; state < FDS; state++)
        CHECK(!world.open[state]);
    return after;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t kind;
    uint64_t whole;
    if (!size || size > 20000)
        return 0;
    kind = data[0] % CLU_COUNT(kinds);
    world.input = data + 1;
    world.input_size = size - 1;
    whole = judge(kind, 100000);
    CHECK(judge(kind, 7) == whole || kinds[kind].watches);
    return 0;
}
