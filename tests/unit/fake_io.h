/*
 * For unit tests: a virtual machine for one handle, through its hooks. Sockets are queues of packets that the test fills and
 * buffers that it reads; files, variables and interfaces are small tables. It numbers descriptors as a kernel does, the
 * lowest free one first, and closing one that is not open fails the test. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_IO_H
#define TESTS_UNIT_FAKE_IO_H

#include "fake_memory.h"

#include <poll.h>

#ifndef FAKE_FDS
#define FAKE_FDS 400
#endif
#define FAKE_FIRST 3
#define FAKE_SECOND UINT64_C(1000000000)

enum {
    FAKE_OPEN,
    FAKE_BIND,
    FAKE_CONNECT,
    FAKE_LISTEN,
    FAKE_ACCEPT,
    FAKE_JOIN,
    FAKE_SEND,
    FAKE_RECV,
    FAKE_CLOSE,
    FAKE_INTERFACES,
    FAKE_READ_FILE,
    FAKE_ENVIRONMENT,
    FAKE_RANDOM,
    FAKE_WALL_TIME,
    FAKE_HOOKS
};

struct fake_packet {
    struct fake_packet *next;
    size_t size, at;
    struct cluster_address from;
    uint8_t data[1];
};

#define FAKE_CALLERS 100

struct fake_socket {
    bool open, ended, foreign; /* foreign: the test's own, which the library may not close */
    int kind, family, opens, closes, ttl;
    struct fake_packet *first, *last;
    int recv_error, send_error; /* recv_error: once nothing is queued any more */
    struct cluster_address bound, peer, group, via;
    uint32_t flags;
    uint8_t out[4096]; /* what was sent last, of streams all of it */
    size_t out_size, sends;
    bool listens;
    struct cluster_address callers[FAKE_CALLERS]; /* who connects and was not accepted yet, the next one last */
    size_t caller_count;
    int waiting[80], waiting_count; /* the same, with their streams made already */
};

struct fake_file {
    const char *path, *text;
    size_t size; /* of the text; 0: to its NUL */
    uint64_t stamp;
    int error;
};

struct fake {
    struct cluster_io io;
    struct fake_memory memory;
    struct fake_socket s[FAKE_FDS];
    unsigned long calls[FAKE_HOOKS], all; /* of hooks */
    int errors[FAKE_HOOKS];               /* what each hook fails with; 0: it works */
    struct cluster_address interfaces[40];
    int interface_count;
    struct fake_file files[4];
    const char *variables[4][2];
    uint64_t wall, random;
    int family; /* the only one that sockets have here; 0: both */
    bool echo;  /* datagrams sent come back, from `self` */
    struct cluster_address self;
    int (*connected)(struct fake *f, int fd, const struct cluster_address *to);
    void (*sent)(struct fake *f, int fd, const uint8_t *data, size_t size);
    void *script;
    int accepted;           /* the descriptor that came of accept last */
    struct cluster *inside; /* cluster_step is called on it from every hook */
    unsigned long inside_calls, inside_busy;
    unsigned long logs;
    char log[512], setting[64];
};

static inline void fake_inside(struct fake *f)
{
    if (!f->inside)
        return;
    f->inside_calls++;
    f->inside_busy += cluster_step(f->inside, 0, NULL, 0) == CLUSTER_E_BUSY;
}

static inline int fake_hook(void *ctx, int hook)
{
    struct fake *f = (struct fake *)ctx;
    f->calls[hook]++;
    f->all++;
    fake_inside(f);
    return f->errors[hook];
}

static inline struct fake_socket *fake_socket_of(void *ctx, int fd)
{
    struct fake *f = (struct fake *)ctx;
    assert_true(fd >= 0 && fd < FAKE_FDS);
    assert_true(f->s[fd].open);
    return &f->s[fd];
}

/* ---- sockets ---------------------------------------------------------- */

static inline int fake_open(void *ctx, int kind, int family)
{
    struct fake *f = (struct fake *)ctx;
    int fd = FAKE_FIRST, result = fake_hook(ctx, FAKE_OPEN), opens;
    if (result)
        return result;
    if (f->family && f->family != family)
        return CLUSTER_E_UNSUPPORTED;
    while (fd < FAKE_FDS && f->s[fd].open)
        fd++;
    assert_true(fd < FAKE_FDS);
    opens = f->s[fd].opens;
    result = f->s[fd].closes;
    memset(&f->s[fd], 0, sizeof f->s[fd]);
    f->s[fd].open = true;
    f->s[fd].opens = opens + 1;
    f->s[fd].closes = result;
    f->s[fd].kind = kind;
    f->s[fd].family = family;
    return fd;
}

static inline void fake_close(void *ctx, int fd)
{
    struct fake_socket *s = fake_socket_of(ctx, fd);
    while (s->waiting_count)
        fake_close(ctx, s->waiting[--s->waiting_count]);
    (void)fake_hook(ctx, FAKE_CLOSE);
    assert_false(s->foreign);
    while (s->first) {
        struct fake_packet *next = s->first->next;
        free(s->first);
        s->first = next;
    }
    s->open = false;
    s->closes++;
}

static inline int fake_bind(void *ctx, int fd, const struct cluster_address *address, uint32_t flags)
{
    struct fake_socket *s = fake_socket_of(ctx, fd);
    s->bound = *address;
    s->flags = flags;
    return fake_hook(ctx, FAKE_BIND);
}

static inline int fake_connect(void *ctx, int fd, const struct cluster_address *address)
{
    struct fake *f = (struct fake *)ctx;
    int result = fake_hook(ctx, FAKE_CONNECT);
    fake_socket_of(ctx, fd)->peer = *address;
    return result || !f->connected ? result : f->connected(f, fd, address);
}

static inline int fake_listen(void *ctx, int fd, int backlog)
{
    int result = fake_hook(ctx, FAKE_LISTEN);
    assert_true(backlog > 0);
    fake_socket_of(ctx, fd)->listens = result == 0;
    return result;
}

/* Somebody connects to a socket that listens. */
static inline void fake_call(struct fake *f, int fd, const struct cluster_address *from)
{
    struct fake_socket *s = fake_socket_of(f, fd);
    assert_true(s->listens && s->caller_count < FAKE_CALLERS);
    memmove(s->callers + 1, s->callers, s->caller_count++ * sizeof s->callers[0]);
    s->callers[0] = *from;
}

static inline int fake_accept(void *ctx, int fd, struct cluster_address *peer)
{
    struct fake *f = (struct fake *)ctx;
    struct fake_socket *s = fake_socket_of(ctx, fd);
    struct cluster_address from;
    int result = fake_hook(ctx, FAKE_ACCEPT);
    assert_true(s->listens);
    if (!result && s->waiting_count) {
        result = s->waiting[0];
        memmove(s->waiting, s->waiting + 1, (size_t)--s->waiting_count * sizeof *s->waiting);
        return result;
    }
    if (!s->caller_count && !result)
        return CLUSTER_E_AGAIN;
    if (result)
        return result;
    from = s->callers[--s->caller_count];
    result = fake_open(ctx, CLUSTER_TCP, from.family);
    if (result < 0)
        return result;
    f->s[result].peer = from;
    f->accepted = result;
    if (peer)
        *peer = from;
    return result;
}

static inline int fake_join(void *ctx, int fd, const struct cluster_address *group, const struct cluster_address *via, int ttl)
{
    struct fake_socket *s = fake_socket_of(ctx, fd);
    s->group = *group;
    s->via = *via;
    s->ttl = ttl;
    return fake_hook(ctx, FAKE_JOIN);
}

/* Something comes in on fd. */
static inline void fake_push(struct fake *f, int fd, const void *data, size_t size, const struct cluster_address *from)
{
    struct fake_socket *s = fake_socket_of(f, fd);
    struct fake_packet *p = (struct fake_packet *)calloc(1, sizeof *p + size);
    assert_non_null(p);
    if (size)
        memcpy(p->data, data, size);
    p->size = size;
    if (from)
        p->from = *from;
    *(s->last && s->first ? &s->last->next : &s->first) = p;
    s->last = p;
}

static inline int64_t fake_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    struct fake *f = (struct fake *)ctx;
    struct fake_socket *s = fake_socket_of(ctx, fd);
    int result = fake_hook(ctx, FAKE_SEND);
    if (result || s->send_error)
        return result ? result : s->send_error;
    if (to)
        s->peer = *to;
    if (s->kind == CLUSTER_UDP)
        s->out_size = 0;
    assert_true(s->out_size + size <= sizeof s->out);
    memcpy(s->out + s->out_size, data, size);
    s->out_size += size;
    s->sends++;
    if (f->echo && s->kind == CLUSTER_UDP)
        fake_push(f, fd, data, size, &f->self);
    if (f->sent)
        f->sent(f, fd, (const uint8_t *)data, size);
    return (int64_t)size;
}

static inline int64_t fake_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    struct fake_socket *s = fake_socket_of(ctx, fd);
    struct fake_packet *p = s->first;
    int result = fake_hook(ctx, FAKE_RECV);
    size_t left;
    if (result)
        return result;
    if (!p)
        return s->recv_error ? s->recv_error : s->ended ? 0 : CLUSTER_E_AGAIN;
    left = p->size - p->at;
    if (from)
        *from = p->from;
    memcpy(data, p->data + p->at, left < size ? left : size);
    p->at += left < size ? left : size;
    if (s->kind == CLUSTER_UDP || p->at == p->size) {
        s->first = p->next;
        free(p);
    }
    return (int64_t)(s->kind == CLUSTER_UDP || left < size ? left : size);
}

/* Somebody connects to whoever listens on the machine; the library's end of the stream. */
static inline int fake_dial(struct fake *f)
{
    int server = FAKE_FIRST, fd = FAKE_FIRST, opens, closes;
    while (!f->s[server].open || !f->s[server].listens)
        assert_true(++server < FAKE_FDS);
    while (f->s[fd].open)
        assert_true(++fd < FAKE_FDS);
    opens = f->s[fd].opens;
    closes = f->s[fd].closes;
    memset(&f->s[fd], 0, sizeof f->s[fd]);
    f->s[fd].open = true;
    f->s[fd].opens = opens + 1;
    f->s[fd].closes = closes;
    f->s[fd].kind = CLUSTER_TCP;
    f->s[server].waiting[f->s[server].waiting_count++] = fd;
    return fd;
}

/* ---- the rest of the machine ------------------------------------------ */

static inline int fake_interfaces(void *ctx, const char *name, struct cluster_address *out, size_t capacity)
{
    struct fake *f = (struct fake *)ctx;
    int result = fake_hook(ctx, FAKE_INTERFACES), i;
    if (result || (name && strcmp(name, "eth0") != 0))
        return result;
    for (i = 0; i < f->interface_count && (size_t)i < capacity; i++)
        out[i] = f->interfaces[i];
    return f->interface_count;
}

static inline int64_t fake_read_file(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    struct fake *f = (struct fake *)ctx;
    int result = fake_hook(ctx, FAKE_READ_FILE);
    size_t i, length;
    if (result)
        return result;
    for (i = 0; i < sizeof f->files / sizeof f->files[0]; i++) {
        struct fake_file *file = &f->files[i];
        if (!file->path || strcmp(file->path, path) != 0)
            continue;
        if (file->error)
            return file->error;
        if (*stamp == file->stamp)
            return CLUSTER_E_AGAIN;
        *stamp = file->stamp;
        length = file->size ? file->size : strlen(file->text);
        if (size)
            memcpy(data, file->text, length < size ? length : size);
        return (int64_t)length;
    }
    return CLUSTER_E_NOT_FOUND;
}

static inline int fake_environment(void *ctx, const char *name, char *out, size_t capacity)
{
    struct fake *f = (struct fake *)ctx;
    int result = fake_hook(ctx, FAKE_ENVIRONMENT);
    size_t i;
    for (i = 0; !result && i < 4; i++)
        if (f->variables[i][0] && strcmp(f->variables[i][0], name) == 0) {
            size_t length = strlen(f->variables[i][1]);
            if (length < capacity)
                memcpy(out, f->variables[i][1], length + 1);
            return (int)length;
        }
    return result ? result : CLUSTER_E_NOT_FOUND;
}

static inline int fake_random(void *ctx, void *data, size_t size)
{
    struct fake *f = (struct fake *)ctx;
    uint8_t *out = (uint8_t *)data;
    int result = fake_hook(ctx, FAKE_RANDOM);
    while (!result && size--) {
        f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407;
        *out++ = (uint8_t)(f->random >> 33);
    }
    return result;
}

static inline uint64_t fake_wall_time(void *ctx)
{
    (void)fake_hook(ctx, FAKE_WALL_TIME);
    return ((struct fake *)ctx)->wall;
}

#endif
