/*
 * The server's state, its sockets, and how bytes get in and out. Nothing here waits: sockets are in the epoll set, level-triggered, and
 * each is read only while what it asked for fits into bounded buffers.
 */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include "store.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS 16384 /* of Redis */
#define SHARDS 1024 /* of the map: what is owned and moved. SLOTS / SHARDS slots in a row are one */
#define PEERS 64    /* servers, this one first */
#define NOBODY (-1) /* in place of a server's number */
#define FDS 2048    /* sockets, all told */
#define WEIGHT_MAX 1000
#define OUTPUT_HIGH ((size_t)1 << 18) /* bytes that wait for a client before no more is done for it */
#define SECOND 1000000000u            /* in ns */

enum kind { LISTENER, CLIENT, LINK, WEB_LISTENER, WEB };

struct conn {
    int fd;
    enum kind kind;
    uint64_t serial; /* unlike the fd never given twice */
    uint32_t events; /* as epoll has them */
    int dirty;       /* it is looked after before the loop waits again */
    int closing;     /* it is closed once its output is written */
    int from_peer;   /* CLIENT: another server's link: its number; NOBODY: not known yet */
    int waiting;     /* CLIENT: its next command has to wait */
    int forwarded;   /* CLIENT: its next command is with the owner */
    int connected;   /* LINK: something came back */
    int peer;        /* LINK: to whom */
    int stream;      /* WEB: which picture it has; -1: none yet; 0: it gets none */
    uint64_t waits_since;
    struct buffer in, out;
    struct buffer asked; /* LINK: what replies will come, in order: struct question */
};

enum what { NOTE, STATE, TAKE, FORWARD };

struct question {
    enum what what;
    int fd;          /* FORWARD: whose command; TAKE: of which shard */
    uint64_t serial; /* FORWARD */
};

struct peer {
    char name[256];    /* "": this place is free */
    char address[64];  /* IP address */
    uint16_t port;     /* of clients and servers alike */
    int listed;        /* discovery says so */
    int up;            /* it answered on the link that there is now */
    int draining;      /* 1: it gives its shards away; 2: it has none any more, and goes */
    int weight;        /* 0: owns nothing, and only forwards */
    uint64_t birth;    /* differs after each start */
    struct conn *link; /* ours to it */
    uint64_t heard;    /* when it last answered */
    uint64_t lost;     /* when its link last ended */
    uint64_t told;     /* when we last told it our state */
    uint64_t dial_at, backoff;
    uint64_t keys;
};

struct shard {
    struct store keys;
    int holder;            /* who has it, as far as is known: peers[0] is this server */
    int want;              /* who should, by the plan */
    uint64_t epoch;        /* rises with each holder: of two claims the higher one counts */
    uint64_t orphan_since; /* when it was first seen without a live holder; 0: it has one */
    uint64_t import;       /* serial of the connection that is filling it */
};

static struct server {
    struct cluster *cluster;
    struct cluster_map *map; /* where the shards should be */
    uint64_t placed;         /* what the map was made of, as a hash */
    struct cluster_move moves[SHARDS];
    size_t move_count; /* of the newest plan */
    struct peer peers[PEERS];
    struct shard shards[SHARDS];
    uint64_t epoch; /* the highest one seen */
    struct {
        int shard, to,
            asked;    /* the shard that is on its way, or NOBODY; asked: 1: all of it was sent; 2: and the link is lost */
        size_t chain; /* the next one to send, and the entry before it */
        const struct entry *entry;
        uint64_t next; /* not before this time: the last one was refused */
    } give;
    int epoll, forward, quorum, retry, news, status;
    enum { RUNNING, DRAINING, LEAVING, LEFT } state;
    size_t memory_max;
    uint64_t linger;
    uint64_t now, state_since, tick_at, leave, serials, commands, moved, forwarded, picture_at;
    struct conn *by_fd[FDS];
    int dirty[2 * FDS], dirty_count, clients, clients_max;
    char log[12][160]; /* the newest lines of what happened, for the page */
    unsigned logged;
} kv;

static void client_serve(struct conn *c);
static void link_serve(struct conn *c);
static void link_lost(struct conn *c);
static void web_serve(struct conn *c);

/* A line for the terminal and for the page. */
static void say(const char *format, ...)
{
    char *line = kv.log[kv.logged++ % 12];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof kv.log[0], format, list);
    va_end(list);
    printf("%s: %s\n", kv.peers[0].name, line);
    fflush(stdout);
}

/* Something came in, or is to go out: the loop looks after it. */
static void touch(struct conn *c)
{
    if (!c->dirty)
        kv.dirty[kv.dirty_count++] = c->fd;
    c->dirty = 1;
}

static void watch(struct conn *c, uint32_t events)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.fd = c->fd;
    if (events != c->events && epoll_ctl(kv.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
        die("epoll_ctl failed: is fs.epoll.max_user_watches reached?");
    c->events = events;
}

static struct conn *conn_open(int fd, enum kind kind, uint32_t events)
{
    struct conn *c = (struct conn *)grown(NULL, sizeof *c);
    struct epoll_event event;
    int one = 1;
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->kind = kind;
    c->serial = ++kv.serials;
    c->events = event.events = events;
    event.data.u64 = 0;
    event.data.fd = fd;
    if (epoll_ctl(kv.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl failed: is fs.epoll.max_user_watches reached?");
    kv.clients += kind == CLIENT || kind == WEB;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return kv.by_fd[fd] = c;
}

static void conn_close(struct conn *c)
{
    int i;
    if (c->kind == LINK)
        link_lost(c);
    for (i = 0; c->from_peer && i < SHARDS; i++) { /* what it began to hand over stays where it was */
        if (kv.shards[i].import == c->serial) {
            kv.shards[i].import = 0;
            store_clear(&kv.shards[i].keys);
        }
    }
    kv.clients -= c->kind == CLIENT || c->kind == WEB;
    kv.by_fd[c->fd] = NULL;
    close(c->fd);
    buffer_free(&c->in);
    buffer_free(&c->out);
    buffer_free(&c->asked);
    free(c);
}

/* Read once, at most 64 KiB. 0: the other end is gone. */
static int conn_read(struct conn *c)
{
    ssize_t n = recv(c->fd, buffer_room(&c->in, 1 << 16), 1 << 16, 0);
    if (n > 0) {
        c->in.end += (size_t)n;
        touch(c);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Do what can be done, write what can be written, and wait for the rest. */
static void conn_settle(struct conn *c)
{
    static void (*const serve[])(struct conn *) = {NULL, client_serve, link_serve, NULL, web_serve};
    size_t before;
    do {
        ssize_t n;
        before = buffer_size(&c->in);
        if (!c->closing)
            serve[c->kind](c);
        n = buffer_size(&c->out) ? send(c->fd, c->out.data + c->out.begin, buffer_size(&c->out), MSG_NOSIGNAL) : 0;
        if (n > 0)
            c->out.begin += (size_t)n;
        if ((n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN) || (c->closing && !buffer_size(&c->out))) {
            conn_close(c);
            return;
        }
    } while (!buffer_size(&c->out) && before != buffer_size(&c->in));
    if (!buffer_size(&c->in) && c->in.capacity > 1 << 18)
        buffer_free(&c->in);
    if (!buffer_size(&c->out) && c->out.capacity > 1 << 18)
        buffer_free(&c->out);
    watch(c, (buffer_size(&c->out) ? EPOLLOUT : 0u) |
                 ((c->waiting || c->forwarded || c->closing) && buffer_size(&c->in) > OUTPUT_HIGH ? 0u
                  : buffer_size(&c->out) > OUTPUT_HIGH && c->kind != LINK                         ? 0u
                                                                                                  : EPOLLIN));
}

/* An address as the system wants it; its size, or 0. */
static socklen_t address_of(struct sockaddr_storage *out, const char *address, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
        return 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof *v6;
}

static int listen_on(const char *address, uint16_t port, enum kind kind)
{
    struct sockaddr_storage to;
    socklen_t size = address_of(&to, address, port);
    int one = 1, fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&to, size) < 0 || listen(fd, 512) < 0) {
        fprintf(stderr, "kv: cannot listen on %s port %u: %s\n", address, port,
                errno == EADDRINUSE ? "another program does; choose another port" : strerror(errno));
        return -1;
    }
    conn_open(fd, kind, EPOLLIN);
    return fd;
}

static void conn_accept(const struct conn *listener)
{
    static const char full[] = "-ERR max number of clients reached\r\n";
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd < FDS && kv.clients < kv.clients_max) {
            conn_open(fd, listener->kind == LISTENER ? CLIENT : WEB, EPOLLIN);
        } else {
            (void)!send(fd, full, sizeof full - 1, MSG_NOSIGNAL);
            close(fd);
        }
    }
}

#endif
