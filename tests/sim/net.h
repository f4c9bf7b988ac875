/*
 * A network that is not there: hosts with addresses, descriptors, files, variables, wall clocks and memory of their own, on
 * one virtual clock, behind struct cluster_io and struct cluster_allocator. UDP (unicast, multicast, broadcast), TCP, epmd and
 * DNS servers; loss, duplication, reordering, delay, partitions, failing calls and failing allocations. All chance comes from one
 * seed, so a run is repeated by its seed. It also judges: what a handle does to its hooks that a kernel would punish or a host
 * would not survive is a violation of a named law.
 *
 * It knows nothing of the library's inside. Shared by the simulator and the fault scenarios.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "../../cluster.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NET_MS UINT64_C(1000000)
#define NET_SECOND UINT64_C(1000000000)
#define NET_HOSTS 24
#define NET_FDS 256
#define NET_FILES 4
#define NET_NAMES 8 /* registered at one epmd */
#define NET_GROUPS 4
#define NET_ZONES 4     /* names that the DNS servers know */
#define NET_ADDRESSES 8 /* of one of them */
#define NET_DNS_PORT 53
#define NET_STREAM 65536 /* bytes on their way in one direction */

#if defined(__GNUC__) || defined(__clang__)
#define NET_PRINTF(at) __attribute__((format(printf, at, at + 1)))
#define NET_FN static __attribute__((unused))
#else
#define NET_PRINTF(at)
#define NET_FN static
#endif

/* ---- chance ----------------------------------------------------------- */

struct net_chance {
    uint64_t state;
};

NET_FN uint64_t net_random(struct net_chance *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 .. count-1 */
NET_FN uint64_t net_below(struct net_chance *r, uint64_t count)
{
    return count ? net_random(r) % count : 0;
}

NET_FN uint64_t net_between(struct net_chance *r, uint64_t low, uint64_t high)
{
    return low + net_below(r, high - low + 1);
}

NET_FN bool net_permille(struct net_chance *r, unsigned permille)
{
    return permille && net_below(r, 1000) < permille;
}

/* ---- what is broken --------------------------------------------------- */

struct net_verdict {
    const char *law; /* the first that was broken; NULL: none */
    char text[512];
};

NET_FN void net_break(struct net_verdict *v, const char *law, const char *format, ...) NET_PRINTF(3);
NET_FN void net_break(struct net_verdict *v, const char *law, const char *format, ...)
{
    va_list arguments;
    if (v->law)
        return;
    v->law = law;
    va_start(arguments, format);
    (void)vsnprintf(v->text, sizeof v->text, format, arguments);
    va_end(arguments);
}

/* ---- memory ----------------------------------------------------------- */

/* One process's memory. Every resize moves, so that a stale pointer is caught; `old` sizes are checked. */
struct net_block {
    struct net_block *previous, *next;
    size_t size;
    uint64_t mark;
};

#define NET_MARK UINT64_C(0xb10cb10cb10cb10c)

struct net_memory {
    struct net_verdict *verdict;
    struct net_chance chance;
    struct net_block *blocks;
    size_t live, bytes, peak;
    uint64_t requests;      /* that could fail: allocations and growths */
    uint64_t fail_at;       /* this one fails, counted from 1; 0: none */
    bool fail_onward;       /* and all after it */
    unsigned fail_permille; /* and these, by chance */
    uint64_t failed;
};

NET_FN void net_block_check(struct net_memory *m, struct net_block *b, size_t old_size)
{
    if (b->mark != NET_MARK)
        net_break(m->verdict, "memory", "resize of a block that the allocator did not give");
    else if (b->size != old_size)
        net_break(m->verdict, "memory", "resize says that the block has %lu bytes, it has %lu", (unsigned long)old_size,
                  (unsigned long)b->size);
}

NET_FN void net_block_unlink(struct net_memory *m, struct net_block *b)
{
    if (b->previous)
        b->previous->next = b->next;
    else
        m->blocks = b->next;
    if (b->next)
        b->next->previous = b->previous;
    m->live--;
    m->bytes -= b->size;
    b->mark = 0;
    free(b);
}

NET_FN bool net_memory_fails(struct net_memory *m)
{
    m->requests++;
    if ((m->fail_at && (m->requests == m->fail_at || (m->fail_onward && m->requests > m->fail_at))) ||
        net_permille(&m->chance, m->fail_permille)) {
        m->failed++;
        return true;
    }
    return false;
}

NET_FN void *net_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct net_memory *m = (struct net_memory *)ctx;
    struct net_block *old = ptr ? (struct net_block *)ptr - 1 : NULL, *b;
    if (old)
        net_block_check(m, old, old_size);
    else if (old_size)
        net_break(m->verdict, "memory", "resize of NULL with an old size of %lu", (unsigned long)old_size);
    if (!new_size) {
        if (old)
            net_block_unlink(m, old);
        return NULL;
    }
    if ((!old || new_size > old->size) && net_memory_fails(m))
        return NULL;
    b = (struct net_block *)malloc(sizeof *b + new_size);
    if (!b)
        abort();
    memset(b + 1, 0xa5, new_size); /* nobody may count on zeros */
    if (old) {
        memcpy(b + 1, old + 1, old->size < new_size ? old->size : new_size);
        net_block_unlink(m, old);
    }
    b->mark = NET_MARK;
    b->size = new_size;
    b->previous = NULL;
    b->next = m->blocks;
    if (b->next)
        b->next->previous = b;
    m->blocks = b;
    m->live++;
    m->bytes += new_size;
    if (m->bytes > m->peak)
        m->peak = m->bytes;
    return b + 1;
}

/* The end of a process: what it did not free goes with it. */
NET_FN void net_memory_drop(struct net_memory *m)
{
    while (m->blocks)
        net_block_unlink(m, m->blocks);
}

/* ---- the parts -------------------------------------------------------- */

enum net_hook {
    NET_OPEN,
    NET_BIND,
    NET_CONNECT,
    NET_LISTEN,
    NET_ACCEPT,
    NET_JOIN,
    NET_SEND,
    NET_RECV,
    NET_CLOSE,
    NET_INTERFACES,
    NET_READ_FILE,
    NET_ENVIRONMENT,
    NET_RANDOM,
    NET_WALL_TIME,
    NET_HOOKS
};

static const char *const net_hook_names[NET_HOOKS] = {"open",      "bind",        "connect", "listen",   "accept",
                                                      "join",      "send",        "recv",    "close",    "interfaces",
                                                      "read_file", "environment", "random",  "wall_time"};

/* How a call may fail; 0 ends the row. close and wall_time cannot. */
static const int net_hook_errors[NET_HOOKS][8] = {
    {CLUSTER_E_LIMIT, CLUSTER_E_MEMORY, CLUSTER_E_UNSUPPORTED, CLUSTER_E_PERMISSION, 0},
    {CLUSTER_E_ADDRESS, CLUSTER_E_PERMISSION, CLUSTER_E_MEMORY, 0},
    {CLUSTER_E_UNREACHABLE, CLUSTER_E_REFUSED, CLUSTER_E_ADDRESS, CLUSTER_E_PERMISSION, 0},
    {CLUSTER_E_ADDRESS, CLUSTER_E_IO, 0},
    {CLUSTER_E_AGAIN, CLUSTER_E_LIMIT, CLUSTER_E_MEMORY, 0},
    {CLUSTER_E_NOT_FOUND, CLUSTER_E_UNSUPPORTED, CLUSTER_E_MEMORY, CLUSTER_E_ADDRESS, CLUSTER_E_IO, 0},
    {CLUSTER_E_AGAIN, CLUSTER_E_CLOSED, CLUSTER_E_UNREACHABLE, CLUSTER_E_PERMISSION, CLUSTER_E_REFUSED, CLUSTER_E_MEMORY,
     CLUSTER_E_IO, 0},
    {CLUSTER_E_AGAIN, CLUSTER_E_CLOSED, CLUSTER_E_REFUSED, CLUSTER_E_TIMEOUT, CLUSTER_E_UNREACHABLE, CLUSTER_E_MEMORY,
     CLUSTER_E_IO, 0},
    {0},
    {CLUSTER_E_MEMORY, CLUSTER_E_IO, 0},
    {CLUSTER_E_NOT_FOUND, CLUSTER_E_PERMISSION, CLUSTER_E_LIMIT, CLUSTER_E_IO, 0},
    {CLUSTER_E_NOT_FOUND, CLUSTER_E_LIMIT, 0},
    {CLUSTER_E_IO, CLUSTER_E_LIMIT, 0},
    {0}};

struct net_packet {
    struct net_packet *next;
    struct cluster_address from;
    size_t size;
    uint64_t at; /* streams: not before */
    int tag;     /* streams: what it is */
    uint8_t data[1];
};

enum { NET_BYTES, NET_FIN, NET_RST };

enum { NET_NOTHING, NET_NAMES_LIST, NET_NAME_MISSING, NET_DNS_ANSWER };

struct net_queue {
    struct net_packet *first, *last;
    size_t count, bytes;
};

struct net_host;
struct net;

enum net_socket_state { NET_IDLE, NET_CONNECTING, NET_CONNECTED, NET_LISTENING };

struct net_socket {
    int id; /* index in net->sockets, never given twice */
    struct net_host *host;
    int fd; /* -1: the process closed it */
    int kind, family;
    enum net_socket_state state;
    bool bound, reuse, broadcast, eof, service, shut;
    struct cluster_address local, peer_address;
    struct cluster_address groups[NET_GROUPS];
    int group_count, ttl;
    int error; /* pending, said once; a broken stream's stays */
    int peer;  /* streams: the other end's id, -1: none */
    int tries; /* of a connect */
    struct net_queue in, out;
    size_t offset; /* into the first packet of a stream */
    int *waiting;  /* a listener's queue of ids */
    int waiting_count, waiting_capacity, backlog;
    uint8_t request[300]; /* what an epmd server has of one */
    size_t request_size;
    int answered; /* client of a server: what was answered in full, and how much of it is not read yet */
    int answer_left;
    struct net_name *answer; /* the names in it, or the one that was not found */
    int answer_count;
    uint8_t *message; /* of DNS */
    size_t message_size;
    short edges; /* what became ready since an edge-triggered host was told */
};

struct net_file {
    char path[64];
    char text[2048];
    size_t size;
    uint64_t version; /* 0: there is no such file */
    int error;        /* reading it fails so */
};

struct net_name {
    char name[32];
    uint16_t port;
};

/* How an epmd server behaves. */
enum net_epmd {
    NET_EPMD_NONE,
    NET_EPMD_ANSWERS,
    NET_EPMD_SILENT,
    NET_EPMD_CUTS,
    NET_EPMD_CLOSES,
    NET_EPMD_LIES,
    NET_EPMD_KINDS
};

/* How a DNS server behaves. */
enum net_dns {
    NET_DNS_NONE, /* its port is closed */
    NET_DNS_ANSWERS,
    NET_DNS_SILENT,
    NET_DNS_SERVFAIL,
    NET_DNS_REFUSES,
    NET_DNS_TRUNCATES, /* over UDP, with a record that is wrong */
    NET_DNS_CUTS,      /* messages anywhere */
    NET_DNS_FORGED,    /* somebody sends wrong answers before its own */
    NET_DNS_KINDS
};

/* A name, and its addresses of now. */
struct net_zone {
    char name[32];
    uint8_t ip[NET_ADDRESSES][4];
    int count;
    bool gone; /* there is no such name */
};

static const uint8_t net_forged_ip[4] = {6, 6, 6, 6};

struct net_host {
    struct net *net;
    int index;
    uint8_t ip[4];
    bool up;         /* a host that is down neither sends nor receives */
    unsigned island; /* hosts of different islands do not reach each other */
    int64_t wall;    /* added to the clock */
    struct net_chance chance;
    struct net_memory memory;
    struct cluster_allocator allocator;
    struct cluster_io io;
    struct net_socket *fds[NET_FDS];
    int fd_limit;
    uint8_t listed[NET_FDS]; /* in the host program's loop now */
    uint8_t lost[NET_FDS];   /* not open any more, which the handle learns in this step: may fail, may not be closed */
    bool inside;             /* in a call that may do I/O */
    bool ending;             /* in cluster_destroy */
    uint64_t calls;          /* of hooks */
    uint64_t closes;         /* of these, close */
    uint64_t moved;          /* sends and receptions that moved bytes */
    uint64_t fail_at;        /* this call fails, counted from 1; 0: none */
    bool fail_onward;        /* and all after it that can */
    int fail_error;          /* index into the hook's row, modulo its length */
    unsigned fail_permille;  /* and these, by chance */
    uint64_t failed;
    enum net_hook failed_hook; /* the first that did */
    unsigned shorts;           /* permille of stream calls that move only a part */
    struct net_file files[NET_FILES];
    char hostname[32];
    enum net_epmd epmd;
    uint16_t epmd_port;
    struct net_name names[NET_NAMES];
    int name_count;
    enum net_dns dns;
    /* told to whoever watches: a datagram was read, an epmd's list was read to its end, a server's answer was, a file was */
    void *watcher;
    void (*heard)(void *watcher, struct net_host *from, const uint8_t *data, size_t size);
    void (*names_read)(void *watcher, struct net_host *server, const struct net_name *names, int count);
    void (*name_missing)(void *watcher, struct net_host *server, const char *name);
    void (*dns_read)(void *watcher, struct net_host *server, const uint8_t *message, size_t size);
    void (*file_read)(void *watcher, struct net_file *file);
};

struct net_event {
    uint64_t at, order;
    int kind, socket;
    struct net_packet *packet;
};

enum { NET_EV_DATAGRAM, NET_EV_PUMP, NET_EV_SYN, NET_EV_CONNECTED, NET_EV_REFUSED, NET_EV_TIMEOUT, NET_EV_EDGE };

struct net {
    struct net_verdict verdict;
    struct net_chance chance;
    uint64_t now, wall_base, order, trace;
    struct net_host hosts[NET_HOSTS];
    int host_count;
    struct net_socket **sockets;
    int socket_count, socket_capacity;
    struct net_event *events; /* a heap by (at, order) */
    size_t event_count, event_capacity;
    unsigned loss, duplicate, reorder; /* permille */
    uint64_t delay;                    /* of a packet, at most, ns */
    struct net_zone zones[NET_ZONES];
    int zone_count;
    uint64_t delivered, dropped;
    FILE *verbose;
};

NET_FN void *net_need(void *p)
{
    if (!p)
        abort();
    return p;
}

NET_FN void net_trace(struct net *n, uint64_t what)
{
    n->trace = (n->trace ^ what ^ n->now) * UINT64_C(0x100000001b3);
    n->trace ^= n->trace >> 29;
}

NET_FN void net_say(struct net *n, const char *format, ...) NET_PRINTF(2);
NET_FN void net_say(struct net *n, const char *format, ...)
{
    va_list arguments;
    if (!n->verbose)
        return;
    (void)fprintf(n->verbose, "%10.6f ", (double)n->now / 1e9);
    va_start(arguments, format);
    (void)vfprintf(n->verbose, format, arguments);
    va_end(arguments);
    (void)fputc('\n', n->verbose);
}

/* ---- queues and events ------------------------------------------------ */

NET_FN struct net_packet *net_packet_of(const void *data, size_t size)
{
    struct net_packet *p = (struct net_packet *)net_need(calloc(1, sizeof *p + size));
    p->size = size;
    if (size)
        memcpy(p->data, data, size);
    return p;
}

NET_FN void net_push(struct net_queue *q, struct net_packet *p)
{
    p->next = NULL;
    if (q->last)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
    q->count++;
    q->bytes += p->size;
}

NET_FN struct net_packet *net_pop(struct net_queue *q)
{
    struct net_packet *p = q->first;
    q->first = p->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    q->bytes -= p->size;
    return p;
}

NET_FN void net_queue_clear(struct net_queue *q)
{
    while (q->first)
        free(net_pop(q));
}

NET_FN bool net_before(const struct net_event *a, const struct net_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

NET_FN void net_event_add(struct net *n, uint64_t at, int kind, int socket, struct net_packet *packet)
{
    size_t i;
    struct net_event e;
    if (n->event_count == n->event_capacity) {
        n->event_capacity = n->event_capacity ? n->event_capacity * 2 : 64;
        n->events = (struct net_event *)net_need(realloc(n->events, n->event_capacity * sizeof *n->events));
    }
    e.at = at < n->now ? n->now : at;
    e.order = n->order++;
    e.kind = kind;
    e.socket = socket;
    e.packet = packet;
    for (i = n->event_count++; i && net_before(&e, &n->events[(i - 1) / 2]); i = (i - 1) / 2)
        n->events[i] = n->events[(i - 1) / 2];
    n->events[i] = e;
}

NET_FN struct net_event net_event_take(struct net *n)
{
    struct net_event first = n->events[0], last = n->events[--n->event_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < n->event_count) {
        if (child + 1 < n->event_count && net_before(&n->events[child + 1], &n->events[child]))
            child++;
        if (!net_before(&n->events[child], &last))
            break;
        n->events[i] = n->events[child];
        i = child;
    }
    n->events[i] = last;
    return first;
}

/* ---- sockets ---------------------------------------------------------- */

NET_FN struct net_socket *net_socket_new(struct net_host *h, int kind, int family)
{
    struct net *n = h->net;
    struct net_socket *s = (struct net_socket *)net_need(calloc(1, sizeof *s));
    if (n->socket_count == n->socket_capacity) {
        n->socket_capacity = n->socket_capacity ? n->socket_capacity * 2 : 64;
        n->sockets = (struct net_socket **)net_need(realloc(n->sockets, (size_t)n->socket_capacity * sizeof *n->sockets));
    }
    s->id = n->socket_count;
    n->sockets[n->socket_count++] = s;
    s->host = h;
    s->fd = -1;
    s->kind = kind;
    s->family = family;
    s->peer = -1;
    s->ttl = 1;
    return s;
}

/* The lowest free number, as kernels give it: a number that was freed comes again at once. */
NET_FN int net_fd_give(struct net_host *h, struct net_socket *s)
{
    int fd;
    for (fd = 3; fd < h->fd_limit && h->fds[fd]; fd++)
        continue;
    if (fd == h->fd_limit)
        return CLUSTER_E_LIMIT;
    h->fds[fd] = s;
    s->fd = fd;
    h->lost[fd] = 0;
    return fd;
}

NET_FN short net_readiness(const struct net_socket *s)
{
    short r = 0;
    if (s->kind == CLUSTER_UDP)
        return (short)(POLLOUT | (s->in.count || s->error ? POLLIN : 0) | (s->error ? POLLERR : 0));
    if (s->state == NET_LISTENING)
        return (short)(s->waiting_count ? POLLIN : 0);
    if (s->error)
        return POLLIN | POLLOUT | POLLERR | POLLHUP;
    if (s->state == NET_CONNECTED) {
        if (s->in.count || s->eof)
            r |= POLLIN;
        if (s->out.bytes < NET_STREAM / 2)
            r |= POLLOUT;
    } else if (s->state == NET_IDLE) {
        r = POLLOUT | POLLHUP;
    }
    return r;
}

/* Something happened at s: an edge-triggered host is told again of all that is ready. */
NET_FN void net_edge(struct net_socket *s, short events)
{
    s->edges = (short)(s->edges | (events & net_readiness(s)) | (net_readiness(s) & (POLLERR | POLLHUP)));
}

NET_FN void net_stream_break(struct net_socket *s, int error)
{
    if (s->error || s->state == NET_LISTENING)
        return;
    s->error = error;
    net_queue_clear(&s->in);
    s->offset = 0;
    net_edge(s, POLLIN | POLLOUT);
}

NET_FN bool net_reaches(const struct net_host *a, const struct net_host *b)
{
    return a == b || (a->up && b->up && a->island == b->island);
}

NET_FN uint64_t net_delay(struct net *n, const struct net_host *a, const struct net_host *b)
{
    return a == b ? 20000 : 50000 + net_below(&n->chance, n->delay + 1);
}

NET_FN struct net_host *net_host_by_ip(struct net_host *from, const uint8_t ip[4])
{
    int i;
    if (ip[0] == 127)
        return from;
    for (i = 0; i < from->net->host_count; i++)
        if (memcmp(from->net->hosts[i].ip, ip, 4) == 0)
            return &from->net->hosts[i];
    return NULL;
}

NET_FN bool net_is_any(const struct cluster_address *a)
{
    static const uint8_t zero[16];
    return memcmp(a->bytes, zero, 16) == 0;
}

NET_FN uint16_t net_free_port(struct net_host *h, int kind)
{
    for (;;) {
        uint16_t port = (uint16_t)net_between(&h->net->chance, 32768, 60999);
        int fd;
        for (fd = 0; fd < NET_FDS; fd++)
            if (h->fds[fd] && h->fds[fd]->kind == kind && h->fds[fd]->local.port == port)
                break;
        if (fd == NET_FDS)
            return port;
    }
}

NET_FN void net_autobind(struct net_socket *s)
{
    if (s->bound)
        return;
    s->bound = true;
    s->local.family = (uint8_t)s->family;
    s->local.port = net_free_port(s->host, s->kind);
}

/* ---- streams ---------------------------------------------------------- */

NET_FN void net_stream_put(struct net_socket *s, int tag, const void *data, size_t size)
{
    struct net *n = s->host->net;
    struct net_packet *p = net_packet_of(data, size);
    struct net_host *to = s->peer >= 0 ? n->sockets[s->peer]->host : s->host;
    p->tag = tag;
    p->at = n->now + net_delay(n, s->host, to);
    if (s->out.last && s->out.last->at > p->at)
        p->at = s->out.last->at;
    net_push(&s->out, p);
    net_event_add(n, p->at, NET_EV_PUMP, s->id, NULL);
}

/* The process or the server closes its end. */
NET_FN void net_stream_shut(struct net_socket *s, bool reset)
{
    int i;
    if (s->shut)
        return;
    s->shut = true;
    for (i = 0; i < s->waiting_count; i++)
        net_stream_shut(s->host->net->sockets[s->waiting[i]], true);
    s->waiting_count = 0;
    if (s->peer >= 0 && !s->error)
        net_stream_put(s, reset || s->in.count ? NET_RST : NET_FIN, NULL, 0);
    net_queue_clear(&s->in);
}

NET_FN void net_epmd_serve(struct net_socket *s, const uint8_t *data, size_t size);
NET_FN void net_dns_serve(struct net_socket *s, const uint8_t *data, size_t size);

NET_FN void net_stream_pump(struct net_socket *s)
{
    struct net *n = s->host->net;
    struct net_socket *to = s->peer >= 0 ? n->sockets[s->peer] : NULL;
    bool full = s->out.bytes >= NET_STREAM / 2;
    while (s->out.first && s->out.first->at <= n->now) {
        struct net_packet *p;
        if (!to) {
            net_queue_clear(&s->out);
            return;
        }
        if (!net_reaches(s->host, to->host)) {
            if (++s->tries > 30) {
                net_queue_clear(&s->out);
                net_stream_break(s, CLUSTER_E_TIMEOUT);
                return;
            }
            net_event_add(n, n->now + NET_SECOND / 2, NET_EV_PUMP, s->id, NULL);
            return;
        }
        s->tries = 0;
        p = net_pop(&s->out);
        if (p->tag == NET_RST) {
            net_stream_break(to, CLUSTER_E_CLOSED);
        } else if (to->shut) {
            net_stream_break(s, CLUSTER_E_CLOSED);
        } else if (p->tag == NET_FIN) {
            to->eof = true;
            net_edge(to, POLLIN);
            if (to->service)
                net_stream_shut(to, false);
        } else if (to->service) {
            (to->local.port == NET_DNS_PORT ? net_dns_serve : net_epmd_serve)(to, p->data, p->size);
        } else if (!to->error) {
            net_push(&to->in, p);
            net_edge(to, POLLIN);
            continue;
        }
        free(p);
    }
    if (full && s->out.bytes < NET_STREAM / 2)
        net_edge(s, POLLOUT);
}

NET_FN struct net_socket *net_listener(struct net_host *h, const struct cluster_address *to)
{
    int fd;
    for (fd = 0; fd < NET_FDS; fd++) {
        struct net_socket *s = h->fds[fd];
        if (s && s->state == NET_LISTENING && s->local.port == to->port &&
            (net_is_any(&s->local) || memcmp(s->local.bytes, to->bytes, 16) == 0))
            return s;
    }
    return NULL;
}

NET_FN void net_syn(struct net_socket *s)
{
    struct net *n = s->host->net;
    struct net_host *to = net_host_by_ip(s->host, s->peer_address.bytes);
    struct net_socket *listener, *other;
    uint64_t back;
    if (s->shut || s->state != NET_CONNECTING)
        return;
    if (!to || !net_reaches(s->host, to)) {
        if (++s->tries > 6)
            net_event_add(n, n->now, NET_EV_TIMEOUT, s->id, NULL);
        else
            net_event_add(n, n->now + (NET_SECOND << (s->tries - 1)), NET_EV_SYN, s->id, NULL);
        return;
    }
    s->tries = 0;
    back = n->now + net_delay(n, s->host, to);
    listener = net_listener(to, &s->peer_address);
    if (!listener && !(to->epmd != NET_EPMD_NONE && s->peer_address.port == to->epmd_port) &&
        !(to->dns != NET_DNS_NONE && s->peer_address.port == NET_DNS_PORT)) {
        net_event_add(n, back, NET_EV_REFUSED, s->id, NULL);
        return;
    }
    if (listener && listener->waiting_count > listener->backlog) {
        net_event_add(n, n->now + NET_SECOND, NET_EV_SYN, s->id, NULL);
        return;
    }
    other = net_socket_new(to, CLUSTER_TCP, s->family);
    other->state = NET_CONNECTED;
    other->peer = s->id;
    other->peer_address = s->local;
    other->bound = true;
    other->local = s->peer_address;
    s->peer = other->id;
    if (listener) {
        if (listener->waiting_count == listener->waiting_capacity) {
            listener->waiting_capacity = listener->waiting_capacity ? 2 * listener->waiting_capacity : 8;
            listener->waiting =
                (int *)net_need(realloc(listener->waiting, (size_t)listener->waiting_capacity * sizeof *listener->waiting));
        }
        listener->waiting[listener->waiting_count++] = other->id;
        net_edge(listener, POLLIN);
    } else {
        other->service = true;
    }
    net_event_add(n, back, NET_EV_CONNECTED, s->id, NULL);
}

/* ---- epmd ------------------------------------------------------------- */

NET_FN void net_epmd_answer(struct net_socket *s, const uint8_t *data, size_t size, int kind, const struct net_name *names,
                            int count)
{
    struct net_host *h = s->host;
    struct net_socket *client = h->net->sockets[s->peer];
    size_t cut = size, sent = 0;
    bool reset = net_permille(&h->net->chance, 500);
    if (h->epmd == NET_EPMD_CUTS) {
        cut = size ? (size_t)net_below(&h->net->chance, size) : 0;
        /* a list that ends after a line is whole to all appearances */
        reset = reset || cut == 4 || (cut && data[cut - 1] == '\n');
    }
    while (sent < cut) {
        size_t part = net_permille(&h->net->chance, h->shorts) ? 1 : cut - sent;
        net_stream_put(s, NET_BYTES, data + sent, part);
        sent += part;
    }
    if (kind != NET_NOTHING && cut == size) {
        client->answered = kind;
        client->answer_left = (int)size;
        client->answer_count = count;
        client->answer = (struct net_name *)net_need(calloc((size_t)count + 1, sizeof *names));
        memcpy(client->answer, names, (size_t)count * sizeof *names);
    }
    net_stream_shut(s, h->epmd == NET_EPMD_CUTS && reset);
}

/* The requests of an epmd client: two bytes of length, then NAMES_REQ (110) or PORT_PLEASE2_REQ (122) with a name. */
NET_FN void net_epmd_serve(struct net_socket *s, const uint8_t *data, size_t size)
{
    struct net_host *h = s->host;
    uint8_t answer[1024];
    struct net_name missing;
    size_t length, at = 0;
    int i;
    if (s->shut)
        return;
    if (size > sizeof s->request - s->request_size) {
        net_stream_shut(s, true);
        return;
    }
    memcpy(s->request + s->request_size, data, size);
    s->request_size += size;
    if (s->request_size < 3)
        return;
    length = (size_t)s->request[0] << 8 | s->request[1];
    if (s->request_size < length + 2)
        return;
    switch (h->epmd) {
    case NET_EPMD_SILENT:
    case NET_EPMD_NONE:
        return;
    case NET_EPMD_CLOSES:
        net_stream_shut(s, net_permille(&h->net->chance, 500));
        return;
    case NET_EPMD_LIES:
        for (at = 0; at < 64; at++)
            answer[at] = (uint8_t)(net_random(&h->net->chance) | 0x80);
        net_stream_put(s, NET_BYTES, answer, 5 + (size_t)net_below(&h->net->chance, 60));
        net_stream_shut(s, false);
        return;
    default:
        break;
    }
    if (s->request[2] == 110 && length == 1) {
        answer[0] = answer[1] = 0;
        answer[2] = (uint8_t)(h->epmd_port >> 8);
        answer[3] = (uint8_t)h->epmd_port;
        at = 4;
        for (i = 0; i < h->name_count; i++)
            at += (size_t)snprintf((char *)answer + at, sizeof answer - at, "name %s at port %u\n", h->names[i].name,
                                   (unsigned)h->names[i].port);
        net_epmd_answer(s, answer, at, NET_NAMES_LIST, h->names, h->name_count);
    } else if (s->request[2] == 122) {
        answer[0] = 119;
        answer[1] = 1;
        at = 2;
        for (i = 0; i < h->name_count; i++) {
            size_t name = strlen(h->names[i].name);
            if (length - 1 != name || memcmp(s->request + 3, h->names[i].name, name) != 0)
                continue;
            answer[1] = 0;
            answer[2] = (uint8_t)(h->names[i].port >> 8);
            answer[3] = (uint8_t)h->names[i].port;
            memcpy(answer + 4, "\x4d\0\0\6\0\5", 6); /* a normal node, TCP/IPv4, versions 6 to 5 */
            answer[10] = 0;
            answer[11] = (uint8_t)name;
            memcpy(answer + 12, h->names[i].name, name);
            answer[12 + name] = answer[13 + name] = 0;
            at = 14 + name;
        }
        memset(&missing, 0, sizeof missing);
        if (length - 1 < sizeof missing.name)
            memcpy(missing.name, s->request + 3, length - 1);
        net_epmd_answer(s, answer, at, answer[1] ? NET_NAME_MISSING : NET_NOTHING, &missing, 1);
    } else {
        net_stream_shut(s, true);
    }
}

/* ---- DNS -------------------------------------------------------------- */

/* What a server makes of a query; 0: it is none. The order of the addresses is another one each time. */
NET_FN size_t net_dns_reply(struct net_host *h, const uint8_t *query, size_t size, bool stream, uint8_t *out)
{
    struct net *n = h->net;
    const struct net_zone *zone = NULL;
    char name[64] = "";
    size_t at = 12, length = 0, type;
    unsigned code = h->dns == NET_DNS_SERVFAIL ? 2 : h->dns == NET_DNS_REFUSES ? 5 : 0;
    bool cut = h->dns == NET_DNS_TRUNCATES && !stream;
    int i, first;
    while (at < size && query[at] && length + query[at] + 2u < sizeof name) {
        memcpy(name + length, query + at + 1, query[at]);
        length += query[at];
        name[length++] = '.';
        at += query[at] + 1u;
    }
    if (at + 5 > size || query[at])
        return 0;
    name[length ? length - 1 : 0] = '\0';
    type = query[at + 2];
    for (i = 0; i < n->zone_count; i++)
        if (strcmp(n->zones[i].name, name) == 0 && !n->zones[i].gone)
            zone = &n->zones[i];
    memset(out, 0, 12);
    memcpy(out, query, 2);
    out[2] = (uint8_t)(0x81 | (cut ? 2 : 0));
    out[3] = (uint8_t)(0x80 | (code ? code : zone ? 0 : 3));
    out[5] = 1;
    memcpy(out + 12, query + 12, at + 5 - 12);
    at += 5;
    first = zone && zone->count ? (int)net_below(&n->chance, (uint64_t)zone->count) : 0;
    for (i = 0; zone && !code && type == 1 && i < zone->count && at + 16 <= 512; i++) {
        memcpy(out + at, "\xc0\x0c\0\1\0\1\0\0\0\2\0\4", 12);
        memcpy(out + at + 12, cut ? net_forged_ip : zone->ip[(first + i) % zone->count], 4);
        at += 16;
        out[7]++;
    }
    return at;
}

/* A datagram to s as if it came from there. */
NET_FN void net_dns_datagram(struct net_socket *s, struct net_host *h, const uint8_t *data, size_t size, bool forged)
{
    struct net *n = h->net;
    int copies = 1 + net_permille(&n->chance, n->duplicate);
    if (net_permille(&n->chance, n->loss)) {
        n->dropped++;
        return;
    }
    while (copies--) {
        struct net_packet *p = net_packet_of(data, size);
        uint64_t at = n->now + net_delay(n, s->host, h);
        if (!forged)
            at += net_delay(n, h, s->host) + 50000;
        if (net_permille(&n->chance, n->reorder))
            at += net_below(&n->chance, NET_SECOND / 2);
        p->from.family = 4;
        p->from.port = NET_DNS_PORT;
        memcpy(p->from.bytes, h->ip, 4);
        p->tag = h->index;
        p->at = forged;
        net_event_add(n, at, NET_EV_DATAGRAM, s->id, p);
    }
}

/* A query by UDP from s, which is answered as things are when it is sent. */
NET_FN void net_dns_asked(struct net_socket *s, struct net_host *h, const uint8_t *data, size_t size)
{
    struct net *n = h->net;
    uint8_t out[512], forged[512];
    size_t length;
    if (!net_reaches(s->host, h) || net_permille(&n->chance, n->loss)) {
        n->dropped++;
        return;
    }
    if (h->dns == NET_DNS_NONE) {
        net_event_add(n, n->now + 2 * net_delay(n, s->host, h), NET_EV_REFUSED, s->id, NULL);
        return;
    }
    length = net_dns_reply(h, data, size, false, out);
    if (h->dns == NET_DNS_SILENT || !length)
        return;
    if (h->dns == NET_DNS_FORGED) {
        size_t question = 12 + strlen((const char *)data + 12) + 5;
        memcpy(forged, out, question);
        forged[net_below(&n->chance, 2)] ^= (uint8_t)(1 + net_below(&n->chance, 255));
        forged[3] = 0x80;
        forged[7] = 1;
        memcpy(forged + question, "\xc0\x0c\0\1\0\1\0\0\0\2\0\4\6\6\6\6", 16);
        net_dns_datagram(s, h, forged, question + 16, true);
    }
    if (h->dns == NET_DNS_CUTS)
        length = (size_t)net_below(&n->chance, length);
    net_dns_datagram(s, h, out, length, h->dns == NET_DNS_CUTS);
}

/* Queries that come by TCP; the connection may serve several. */
NET_FN void net_dns_serve(struct net_socket *s, const uint8_t *data, size_t size)
{
    struct net_host *h = s->host;
    struct net_socket *client = h->net->sockets[s->peer];
    uint8_t out[2 + 512];
    size_t length, wanted;
    if (s->shut)
        return;
    if (size > sizeof s->request - s->request_size) {
        net_stream_shut(s, true);
        return;
    }
    memcpy(s->request + s->request_size, data, size);
    s->request_size += size;
    wanted = s->request_size < 2 ? 2 : 2 + ((size_t)s->request[0] << 8 | s->request[1]);
    if (s->request_size < wanted || wanted == 2)
        return;
    length = net_dns_reply(h, s->request + 2, wanted - 2, true, out + 2);
    memmove(s->request, s->request + wanted, s->request_size - wanted);
    s->request_size -= wanted;
    if (h->dns == NET_DNS_SILENT)
        return;
    if (!length || h->dns == NET_DNS_NONE) {
        net_stream_shut(s, true);
        return;
    }
    out[0] = (uint8_t)(length >> 8);
    out[1] = (uint8_t)length;
    length += 2;
    if (h->dns == NET_DNS_CUTS) {
        length = (size_t)net_below(&h->net->chance, length);
        if (length)
            net_stream_put(s, NET_BYTES, out, length);
        net_stream_shut(s, net_permille(&h->net->chance, 500));
        return;
    }
    for (wanted = 0; wanted < length;) {
        size_t part = net_permille(&h->net->chance, h->shorts) ? 1 : length - wanted;
        net_stream_put(s, NET_BYTES, out + wanted, part);
        wanted += part;
    }
    free(client->message);
    client->message = (uint8_t *)net_need(malloc(length));
    client->message_size = length - 2;
    memcpy(client->message, out + 2, length - 2);
    client->answered = NET_DNS_ANSWER;
    client->answer_left = (int)length;
    if (net_permille(&h->net->chance, 200)) /* it keeps no connection for long */
        net_stream_shut(s, false);
}

/* ---- datagrams -------------------------------------------------------- */

NET_FN bool net_hears(const struct net_socket *s, const struct net_socket *sender, const struct cluster_address *to)
{
    static const uint8_t everyone[4] = {255, 255, 255, 255};
    int i;
    if (s->kind != CLUSTER_UDP || !s->bound || s->local.port != to->port || s->family != to->family)
        return false;
    if (s->state == NET_CONNECTED && (s->peer_address.port != sender->local.port))
        return false;
    if (to->bytes[0] >= 224 && to->bytes[0] < 240) {
        if (!net_is_any(&s->local) && memcmp(s->local.bytes, to->bytes, 4) != 0)
            return false;
        if (s->host != sender->host && sender->ttl < 1)
            return false;
        for (i = 0; i < s->group_count; i++)
            if (memcmp(s->groups[i].bytes, to->bytes, 4) == 0)
                return true;
        return false;
    }
    if (memcmp(to->bytes, everyone, 4) == 0 || (to->bytes[0] == 10 && to->bytes[3] == 255))
        return net_is_any(&s->local);
    return net_is_any(&s->local) || memcmp(s->local.bytes, to->bytes, 4) == 0;
}

NET_FN void net_carry(struct net_socket *from, struct net_socket *to, const void *data, size_t size)
{
    struct net *n = from->host->net;
    bool near_by = from->host == to->host;
    int copies = 1 + (!near_by && net_permille(&n->chance, n->duplicate));
    if (!net_reaches(from->host, to->host) || (!near_by && net_permille(&n->chance, n->loss))) {
        n->dropped++;
        return;
    }
    while (copies--) {
        struct net_packet *p = net_packet_of(data, size);
        uint64_t at = n->now + net_delay(n, from->host, to->host);
        if (!near_by && net_permille(&n->chance, n->reorder))
            at += net_below(&n->chance, NET_SECOND / 2);
        p->from.family = 4;
        p->from.port = from->local.port;
        memcpy(p->from.bytes, from->host->ip, 4);
        p->tag = from->host->index;
        net_event_add(n, at, NET_EV_DATAGRAM, to->id, p);
    }
}

NET_FN void net_cast(struct net_socket *s, const struct cluster_address *to, const void *data, size_t size)
{
    struct net *n = s->host->net;
    bool everyone = (to->bytes[0] >= 224) || to->bytes[3] == 255;
    struct net_host *one = everyone ? NULL : net_host_by_ip(s->host, to->bytes);
    int i, fd;
    if (one && to->port == NET_DNS_PORT) {
        net_dns_asked(s, one, (const uint8_t *)data, size);
        return;
    }
    for (i = 0; i < n->host_count; i++) {
        struct net_host *h = &n->hosts[i];
        if (one && h != one)
            continue;
        for (fd = 0; fd < NET_FDS; fd++)
            if (h->fds[fd] && net_hears(h->fds[fd], s, to))
                net_carry(s, h->fds[fd], data, size);
    }
}

/* ---- the clock -------------------------------------------------------- */

NET_FN uint64_t net_next(const struct net *n)
{
    return n->event_count ? n->events[0].at : CLUSTER_NEVER;
}

/* Everything up to and at `until` happens. */
NET_FN void net_advance(struct net *n, uint64_t until)
{
    while (n->event_count && n->events[0].at <= until) {
        struct net_event e = net_event_take(n);
        struct net_socket *s = n->sockets[e.socket];
        if (e.at > n->now)
            n->now = e.at;
        switch (e.kind) {
        case NET_EV_DATAGRAM:
            if (s->fd < 0 || s->in.count >= 256) {
                free(e.packet);
                n->dropped++;
                break;
            }
            n->delivered++;
            net_push(&s->in, e.packet);
            net_edge(s, POLLIN);
            break;
        case NET_EV_PUMP:
            net_stream_pump(s);
            break;
        case NET_EV_SYN:
            net_syn(s);
            break;
        case NET_EV_CONNECTED:
            if (s->state == NET_CONNECTING && !s->error) {
                s->state = NET_CONNECTED;
                net_edge(s, POLLIN | POLLOUT);
            }
            break;
        case NET_EV_REFUSED:
            net_stream_break(s, CLUSTER_E_REFUSED);
            break;
        case NET_EV_TIMEOUT:
            net_stream_break(s, CLUSTER_E_TIMEOUT);
            break;
        default:
            net_edge(s, POLLIN | POLLOUT);
            break;
        }
    }
    if (until > n->now && until != CLUSTER_NEVER)
        n->now = until;
}

/* ---- hooks ------------------------------------------------------------ */

/* Every hook begins here: an error to return, or 0. */
NET_FN int net_enter(struct net_host *h, enum net_hook hook, int fd)
{
    struct net *n = h->net;
    const int *errors = net_hook_errors[hook];
    int count = 0, error = 0;
    h->calls++;
    if (!h->inside)
        net_break(&n->verdict, "quiet", "host %d: %s is called from outside create, step and destroy", h->index,
                  net_hook_names[hook]);
    while (errors[count])
        count++;
    if (count) {
        if (h->fail_at && (h->calls == h->fail_at || (h->fail_onward && h->calls > h->fail_at)))
            error = errors[h->fail_error % count];
        else if (net_permille(&h->chance, h->fail_permille))
            error = errors[net_below(&h->chance, (uint64_t)count)];
    }
    net_trace(n, (uint64_t)h->index << 32 | (uint64_t)hook << 24 | (uint64_t)(fd + 1) << 8 | (uint64_t)(-error));
    if (error) {
        if (!h->failed++)
            h->failed_hook = hook;
        net_say(n, "host %d: %s(%d) fails: %s", h->index, net_hook_names[hook], fd, cluster_strerror(error));
    }
    return error;
}

/* The socket behind a descriptor; using any other number is a violation. */
NET_FN struct net_socket *net_socket_of(struct net_host *h, int fd, enum net_hook hook)
{
    if (fd < 0 || fd >= NET_FDS || !h->fds[fd]) {
        net_break(&h->net->verdict, "fds", "host %d: %s on descriptor %d, which is not open", h->index, net_hook_names[hook],
                  fd);
        return NULL;
    }
    if (h->lost[fd]) {
        if (hook == NET_CLOSE)
            net_break(&h->net->verdict, "fds", "host %d: close of descriptor %d, which was said to be POLLNVAL", h->index, fd);
        return NULL;
    }
    return h->fds[fd];
}

NET_FN int net_open(void *ctx, int kind, int family)
{
    struct net_host *h = (struct net_host *)ctx;
    int error = net_enter(h, NET_OPEN, -1), fd;
    struct net_socket *s;
    if (error)
        return error;
    if (family != 4)
        return CLUSTER_E_UNSUPPORTED;
    s = net_socket_new(h, kind, family);
    fd = net_fd_give(h, s);
    net_say(h->net, "host %d: open %s = %d", h->index, kind == CLUSTER_TCP ? "tcp" : "udp", fd);
    if (fd >= 0)
        s->edges = net_readiness(s);
    return fd;
}

NET_FN int net_bind(void *ctx, int fd, const struct cluster_address *address, uint32_t flags)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_BIND);
    int error = net_enter(h, NET_BIND, fd), other;
    if (!s)
        return CLUSTER_E_IO;
    if (error)
        return error;
    if (s->bound || address->family != s->family)
        return CLUSTER_E_INVALID;
    if (!net_is_any(address) && memcmp(address->bytes, h->ip, 4) != 0 && address->bytes[0] != 127 &&
        !(address->bytes[0] >= 224 && address->bytes[0] < 240))
        return CLUSTER_E_ADDRESS;
    for (other = 0; address->port && other < NET_FDS; other++) {
        struct net_socket *o = h->fds[other];
        if (o && o->bound && o->kind == s->kind && o->local.port == address->port &&
            !(o->reuse && (flags & CLUSTER_IO_REUSE) && s->kind == CLUSTER_UDP))
            return CLUSTER_E_ADDRESS;
    }
    if (s->kind == CLUSTER_TCP && h->epmd != NET_EPMD_NONE && address->port == h->epmd_port)
        return CLUSTER_E_ADDRESS;
    s->local = *address;
    s->bound = true;
    s->reuse = (flags & CLUSTER_IO_REUSE) != 0;
    s->broadcast = (flags & CLUSTER_IO_BROADCAST) != 0;
    if (!s->local.port)
        s->local.port = net_free_port(h, s->kind);
    return 0;
}

NET_FN int net_connect(void *ctx, int fd, const struct cluster_address *address)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_CONNECT);
    int error = net_enter(h, NET_CONNECT, fd);
    if (!s)
        return CLUSTER_E_IO;
    if (error)
        return error;
    if (address->family != s->family || !address->port)
        return CLUSTER_E_INVALID;
    if (s->state != NET_IDLE && s->kind == CLUSTER_TCP)
        return CLUSTER_E_EXISTS;
    net_autobind(s);
    s->peer_address = *address;
    if (s->kind == CLUSTER_UDP) {
        s->state = NET_CONNECTED;
        return 0;
    }
    s->state = NET_CONNECTING;
    s->edges = 0;
    net_event_add(h->net, h->net->now + net_delay(h->net, h, address->bytes[0] == 127 ? h : NULL), NET_EV_SYN, s->id, NULL);
    return 0;
}

NET_FN int net_listen(void *ctx, int fd, int backlog)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_LISTEN);
    int error = net_enter(h, NET_LISTEN, fd);
    if (!s)
        return CLUSTER_E_IO;
    if (error)
        return error;
    if (s->kind != CLUSTER_TCP || s->state != NET_IDLE)
        return CLUSTER_E_INVALID;
    net_autobind(s);
    s->state = NET_LISTENING;
    s->backlog = backlog;
    return 0;
}

NET_FN int net_accept(void *ctx, int fd, struct cluster_address *peer)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_ACCEPT), *made;
    int error = net_enter(h, NET_ACCEPT, fd), given;
    if (!s)
        return CLUSTER_E_IO;
    if (error) {
        net_event_add(h->net, h->net->now + NET_MS, NET_EV_EDGE, s->id, NULL);
        return error;
    }
    if (s->state != NET_LISTENING)
        return CLUSTER_E_INVALID;
    if (!s->waiting_count)
        return CLUSTER_E_AGAIN;
    made = h->net->sockets[s->waiting[0]];
    given = net_fd_give(h, made);
    if (given < 0)
        return given;
    memmove(s->waiting, s->waiting + 1, (size_t)--s->waiting_count * sizeof *s->waiting);
    made->edges = net_readiness(made);
    if (peer)
        *peer = made->peer_address;
    return given;
}

NET_FN int net_join(void *ctx, int fd, const struct cluster_address *group, const struct cluster_address *via, int ttl)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_JOIN);
    int error = net_enter(h, NET_JOIN, fd);
    if (!s)
        return CLUSTER_E_IO;
    if (error)
        return error;
    if (s->kind != CLUSTER_UDP || ttl < 0 || ttl > 255)
        return CLUSTER_E_INVALID;
    if (via->family && !net_is_any(via) && memcmp(via->bytes, h->ip, 4) != 0 && via->bytes[0] != 127)
        return CLUSTER_E_NOT_FOUND;
    s->ttl = ttl;
    if (!group->family)
        return 0;
    if (group->family != 4 || group->bytes[0] < 224 || group->bytes[0] > 239 || s->group_count == NET_GROUPS)
        return CLUSTER_E_INVALID;
    s->groups[s->group_count++] = *group;
    return 0;
}

NET_FN int64_t net_send_stream(struct net_socket *s, const void *data, size_t size)
{
    size_t room;
    if (s->error)
        return s->error;
    if (s->state == NET_CONNECTING)
        return CLUSTER_E_AGAIN;
    if (s->state != NET_CONNECTED)
        return CLUSTER_E_CLOSED;
    room = s->out.bytes < NET_STREAM ? NET_STREAM - s->out.bytes : 0;
    if (!room)
        return CLUSTER_E_AGAIN;
    if (size > room)
        size = room;
    if (size > 1 && s->out.bytes && net_permille(&s->host->chance, s->host->shorts)) /* an empty buffer takes what fits */
        size = 1 + (size_t)net_below(&s->host->chance, size);
    net_stream_put(s, NET_BYTES, data, size);
    return (int64_t)size;
}

NET_FN int64_t net_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_SEND);
    int error = net_enter(h, NET_SEND, fd);
    if (!s)
        return CLUSTER_E_IO;
    if (error) {
        if (s->kind == CLUSTER_TCP && error != CLUSTER_E_AGAIN)
            net_stream_break(s, error);
        else
            net_event_add(h->net, h->net->now + NET_MS, NET_EV_EDGE, s->id, NULL);
        return error;
    }
    if (s->kind == CLUSTER_TCP) {
        int64_t sent = net_send_stream(s, data, size);
        if (sent > 0)
            h->moved++;
        return sent;
    }
    if (s->error) {
        error = s->error;
        s->error = 0;
        return error;
    }
    if (!to) {
        if (s->state != NET_CONNECTED)
            return CLUSTER_E_INVALID;
        to = &s->peer_address;
    }
    if (to->family != s->family || !to->port)
        return CLUSTER_E_INVALID;
    if (size > 65507)
        return CLUSTER_E_LIMIT;
    if (to->bytes[0] < 224 || to->bytes[0] > 239)
        if (to->bytes[3] == 255 && !s->broadcast)
            return CLUSTER_E_PERMISSION;
    if (!h->up)
        return CLUSTER_E_UNREACHABLE;
    net_autobind(s);
    h->moved++;
    net_cast(s, to, data, size);
    return (int64_t)size;
}

NET_FN int64_t net_recv_stream(struct net_socket *s, uint8_t *data, size_t size)
{
    struct net_host *h = s->host;
    size_t have = 0;
    if (s->error)
        return s->error;
    if (s->state == NET_CONNECTING)
        return CLUSTER_E_AGAIN;
    if (s->state != NET_CONNECTED)
        return CLUSTER_E_CLOSED;
    if (size > 1 && net_permille(&h->chance, h->shorts))
        size = 1 + (size_t)net_below(&h->chance, size);
    while (have < size && s->in.first) {
        struct net_packet *p = s->in.first;
        size_t part = p->size - s->offset;
        if (part > size - have)
            part = size - have;
        memcpy(data + have, p->data + s->offset, part);
        have += part;
        s->offset += part;
        if (s->offset == p->size) {
            free(net_pop(&s->in));
            s->offset = 0;
        }
    }
    s->answer_left -= (int)have;
    /* a list ends with its stream; that a name is missing is said by the bytes alone */
    if (s->answered != NET_NOTHING && s->answer_left <= 0 && (s->answered != NET_NAMES_LIST || !have) && (have || s->eof)) {
        struct net_host *server = h->net->sockets[s->peer]->host;
        if (s->answered == NET_DNS_ANSWER && h->dns_read)
            h->dns_read(h->watcher, server, s->message, s->message_size);
        if (s->answered == NET_NAMES_LIST && h->names_read)
            h->names_read(h->watcher, server, s->answer, s->answer_count);
        if (s->answered == NET_NAME_MISSING && h->name_missing)
            h->name_missing(h->watcher, server, s->answer->name);
        s->answered = NET_NOTHING;
    }
    return have ? (int64_t)have : s->eof ? 0 : CLUSTER_E_AGAIN;
}

NET_FN int64_t net_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    struct net_host *h = (struct net_host *)ctx;
    struct net_socket *s = net_socket_of(h, fd, NET_RECV);
    int error = net_enter(h, NET_RECV, fd);
    struct net_packet *p;
    int64_t result;
    if (!s)
        return CLUSTER_E_IO;
    if (error) {
        if (s->kind == CLUSTER_TCP && error != CLUSTER_E_AGAIN)
            net_stream_break(s, error);
        else
            net_event_add(h->net, h->net->now + NET_MS, NET_EV_EDGE, s->id, NULL);
        return error;
    }
    if (s->kind == CLUSTER_TCP) {
        result = net_recv_stream(s, (uint8_t *)data, size);
        if (result > 0)
            h->moved++;
        return result;
    }
    if (s->error) {
        error = s->error;
        s->error = 0;
        return error;
    }
    if (!s->in.first)
        return CLUSTER_E_AGAIN;
    p = net_pop(&s->in);
    memcpy(data, p->data, p->size < size ? p->size : size);
    if (from)
        *from = p->from;
    if (p->from.port == NET_DNS_PORT) {
        if (h->dns_read && !p->at)
            h->dns_read(h->watcher, &h->net->hosts[p->tag], p->data, p->size);
    } else if (h->heard) {
        h->heard(h->watcher, &h->net->hosts[p->tag], p->data, p->size);
    }
    result = (int64_t)p->size;
    free(p);
    h->moved++;
    return result;
}

/* The kernel's side of a close. */
NET_FN void net_fd_drop(struct net_host *h, int fd, bool reset)
{
    struct net_socket *s = h->fds[fd];
    h->fds[fd] = NULL;
    h->lost[fd] = 0;
    s->fd = -1;
    if (s->kind == CLUSTER_TCP)
        net_stream_shut(s, reset);
    else
        net_queue_clear(&s->in);
}

NET_FN void net_close(void *ctx, int fd)
{
    struct net_host *h = (struct net_host *)ctx;
    (void)net_enter(h, NET_CLOSE, fd);
    h->closes++;
    if (!net_socket_of(h, fd, NET_CLOSE))
        return;
    if (h->listed[fd] && !h->ending)
        net_break(&h->net->verdict, "fds", "host %d: descriptor %d is closed while the host's loop still lists it", h->index,
                  fd);
    net_say(h->net, "host %d: close %d", h->index, fd);
    net_fd_drop(h, fd, false);
}

NET_FN int net_interfaces(void *ctx, const char *name, struct cluster_address *out, size_t capacity)
{
    struct net_host *h = (struct net_host *)ctx;
    int error = net_enter(h, NET_INTERFACES, -1), count = 0, i;
    if (error)
        return error;
    for (i = 0; i < 2; i++) {
        if (name && strcmp(name, i ? "eth0" : "lo") != 0)
            continue;
        if ((size_t)count < capacity) {
            memset(&out[count], 0, sizeof *out);
            out[count].family = 4;
            out[count].prefix = i ? 24 : 8;
            memcpy(out[count].bytes, i ? h->ip : (const uint8_t *)"\x7f\0\0\1", 4);
        }
        count++;
    }
    return count;
}

NET_FN struct net_file *net_file_of(struct net_host *h, const char *path)
{
    int i;
    for (i = 0; i < NET_FILES; i++)
        if (strcmp(h->files[i].path, path) == 0)
            return &h->files[i];
    return NULL;
}

NET_FN int64_t net_read_file(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    struct net_host *h = (struct net_host *)ctx;
    int error = net_enter(h, NET_READ_FILE, -1);
    struct net_file *f = net_file_of(h, path);
    if (error)
        return error;
    if (!f || !f->version)
        return CLUSTER_E_NOT_FOUND;
    if (f->error)
        return f->error;
    if (h->file_read)
        h->file_read(h->watcher, f);
    if (stamp && *stamp == f->version)
        return CLUSTER_E_AGAIN;
    if (size && f->size)
        memcpy(data, f->text, f->size < size ? f->size : size);
    if (stamp)
        *stamp = f->version;
    return (int64_t)f->size;
}

NET_FN int net_environment(void *ctx, const char *name, char *out, size_t capacity)
{
    struct net_host *h = (struct net_host *)ctx;
    int error = net_enter(h, NET_ENVIRONMENT, -1);
    const char *value = strcmp(name, "HOSTNAME") == 0 ? h->hostname : strcmp(name, "HOME") == 0 ? "/home" : NULL;
    if (error)
        return error;
    if (!value)
        return CLUSTER_E_NOT_FOUND;
    if (strlen(value) < capacity)
        memcpy(out, value, strlen(value) + 1);
    return (int)strlen(value);
}

NET_FN int net_random_bytes(void *ctx, void *data, size_t size)
{
    struct net_host *h = (struct net_host *)ctx;
    int error = net_enter(h, NET_RANDOM, -1);
    size_t i;
    if (error)
        return error;
    for (i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)net_random(&h->chance);
    return 0;
}

NET_FN uint64_t net_wall_time(void *ctx)
{
    struct net_host *h = (struct net_host *)ctx;
    (void)net_enter(h, NET_WALL_TIME, -1);
    return h->net->wall_base + h->net->now + (uint64_t)h->wall;
}

/* ---- hosts and the whole ---------------------------------------------- */

NET_FN void net_init(struct net *n, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    n->chance.state = seed;
    n->trace = seed;
    n->now = NET_SECOND;
    n->wall_base = UINT64_C(1700000000) * NET_SECOND;
    n->delay = NET_MS;
}

NET_FN struct net_host *net_host_add(struct net *n)
{
    struct net_host *h = &n->hosts[n->host_count];
    if (n->host_count == NET_HOSTS)
        abort();
    memset(h, 0, sizeof *h);
    h->net = n;
    h->index = n->host_count++;
    h->ip[0] = 10;
    h->ip[3] = (uint8_t)(h->index + 1);
    h->up = true;
    h->fd_limit = NET_FDS;
    h->epmd_port = 4369;
    h->chance.state = net_random(&n->chance);
    h->memory.verdict = &n->verdict;
    h->memory.chance.state = net_random(&n->chance);
    (void)snprintf(h->hostname, sizeof h->hostname, "host%d", h->index);
    h->allocator.size = (uint32_t)sizeof h->allocator;
    h->allocator.ctx = &h->memory;
    h->allocator.resize = net_resize;
    h->io.size = (uint32_t)sizeof h->io;
    h->io.ctx = h;
    h->io.open = net_open;
    h->io.bind = net_bind;
    h->io.connect = net_connect;
    h->io.listen = net_listen;
    h->io.accept = net_accept;
    h->io.join = net_join;
    h->io.send = net_send;
    h->io.recv = net_recv;
    h->io.close = net_close;
    h->io.interfaces = net_interfaces;
    h->io.read_file = net_read_file;
    h->io.environment = net_environment;
    h->io.random = net_random_bytes;
    h->io.wall_time = net_wall_time;
    return h;
}

/* Write a file; text NULL removes it. */
NET_FN void net_file_put(struct net_host *h, const char *path, const char *text)
{
    struct net_file *f = net_file_of(h, path);
    if (!f)
        f = net_file_of(h, "");
    if (!f)
        abort();
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    if (!text) {
        f->version = 0;
        return;
    }
    (void)snprintf(f->text, sizeof f->text, "%s", text);
    f->size = strlen(f->text);
    f->version = 1 + h->net->order++;
}

NET_FN int net_fd_count(const struct net_host *h)
{
    int fd, count = 0;
    for (fd = 0; fd < NET_FDS; fd++)
        count += h->fds[fd] != NULL;
    return count;
}

/* The process is over: the kernel closes what it left. */
NET_FN void net_host_exit(struct net_host *h, bool reset)
{
    int fd;
    for (fd = 0; fd < NET_FDS; fd++)
        if (h->fds[fd])
            net_fd_drop(h, fd, reset);
    memset(h->listed, 0, sizeof h->listed);
    memset(h->lost, 0, sizeof h->lost);
    net_memory_drop(&h->memory);
}

/* The process has destroyed its handle: nothing of it may be left. */
NET_FN void net_check_gone(struct net_host *h)
{
    int fd;
    for (fd = 0; fd < NET_FDS; fd++)
        if (h->fds[fd] && !h->lost[fd])
            net_break(&h->net->verdict, "fds", "host %d: descriptor %d is left open by cluster_destroy", h->index, fd);
    if (h->memory.live)
        net_break(&h->net->verdict, "memory", "host %d: %lu blocks, %lu bytes are not freed by cluster_destroy", h->index,
                  (unsigned long)h->memory.live, (unsigned long)h->memory.bytes);
}

NET_FN void net_free(struct net *n)
{
    int i;
    while (n->event_count)
        free(net_event_take(n).packet);
    free(n->events);
    for (i = 0; i < n->host_count; i++)
        net_host_exit(&n->hosts[i], true);
    while (n->event_count)
        free(net_event_take(n).packet);
    for (i = 0; i < n->socket_count; i++) {
        net_queue_clear(&n->sockets[i]->in);
        net_queue_clear(&n->sockets[i]->out);
        free(n->sockets[i]->waiting);
        free(n->sockets[i]->answer);
        free(n->sockets[i]->message);
        free(n->sockets[i]);
    }
    free(n->sockets);
}

#endif
