/*
 * The resolver: what becomes of one question to DNS on the network, from its name to its answer. A question owns its socket, its
 * timer and the message that answered it; all questions of a handle share what /etc/resolv.conf and /etc/hosts said last. It
 * caches no answer, uses no part of one that is cut, and takes nothing that does not fit the question: such datagrams are
 * dropped, and the question goes on waiting.
 *
 *          a name of the search list             TC
 *   ask ---------------------------> UDP -----------------> TCP ----> REST, with an answer or a failure
 *             ^         ^           |   ^                  |   |
 *             |         +- FORMERR -+   +-- next server ---+   | there is no such name
 *             +------------------------------------------------+
 */
#ifndef CLU_NET_RESOLVER_H
#define CLU_NET_RESOLVER_H

#include "../loop/loop.h"
#include "../wire/dns.h"
#include "../wire/resolv.h"
#include "lookup.h"

#define CLU_RESOLV_PATH "/etc/resolv.conf"
#define CLU_DNS_LOOK (5 * CLU_SECOND) /* how often those files are looked at */
#define CLU_DNS_FLIGHT 64             /* questions of a handle that have a socket; more of them wait */
#define CLU_DNS_WAIT (10 * CLU_MS)    /* until they look for a place again */
#define CLU_DNS_FLOOD 1000            /* datagrams dropped on one socket, then another one is taken */

/* A file as it was read last. */
struct clu_known_file {
    char *text;
    size_t capacity, size;
    uint64_t stamp, next; /* next: when it is looked at again */
};

/* What the questions of a handle share. */
struct clu_resolver {
    struct clu_loop *loop;
    struct clu_resolv conf;
    struct clu_known_file conf_file, hosts_file;
    uint32_t turn, flight;
    struct clu_question *named; /* whose `name` is written */
    char *text;                 /* of the record that was read last */
    size_t text_capacity;
    char name[CLU_DNS_TEXT_MAX], why[192];
};

enum { CLU_DNS_REST, CLU_DNS_STARTS, CLU_DNS_WAITS, CLU_DNS_TALKS, CLU_DNS_ENDS };
enum { CLU_DNS_TCP_AUTO, CLU_DNS_TCP_ON, CLU_DNS_TCP_KEEP };

struct clu_question {
    struct clu_watcher watcher;
    struct clu_timer timer;
    struct clu_resolver *resolver;
    void (*answered)(struct clu_question *q); /* it may ask again */
    void *owner;
    uint32_t slot; /* the owner's */
    /* options, which the owner sets */
    int tcp;
    bool search, hosts;
    const char *servers; /* in place of those of resolv.conf, separated by commas; NULL: none */
    /* the state */
    int state, error, fd;
    uint32_t flags; /* CLUSTER_ANSWER_... */
    bool asking;    /* inside clu_question_ask: its end is said in the next step */
    bool plain;     /* the servers know no EDNS */
    bool stream;    /* the try goes over TCP */
    bool reused;    /* by a connection that was kept, on which nothing came yet */
    bool written;   /* the query is */
    bool whole;     /* a message came over TCP, and nothing after it */
    uint16_t type, id;
    uint32_t first, attempt, tries, dropped, candidate;
    uint64_t deadline;
    struct cluster_address server;
    struct clu_dns_result result;
    struct clu_dns_walk walk;
    uint8_t *buffer;                              /* the length that TCP puts before a message, and the message */
    size_t capacity, have, sent, base, name_size; /* base: of the name as it was given; 0: nothing was asked */
    uint8_t name[CLU_DNS_NAME_MAX];
};

/* ---- what is known of this host --------------------------------------- */

/* 1: the file is another one than before, 0: it is not, or it is not time to look; a negative CLUSTER_E...: it has no text. */
CLU_FN int clu_known_look(struct clu_loop *l, struct clu_known_file *f, const char *path)
{
    int64_t size;
    if (l->now < f->next)
        return 0;
    size = clu_read_file(&l->io, &l->memory, path, &f->text, &f->capacity, &f->stamp);
    f->next = clu_add_time(l->now, CLU_DNS_LOOK);
    if (size == CLUSTER_E_AGAIN)
        return 0;
    f->size = size > 0 ? (size_t)size : 0;
    if (size >= 0)
        return 1;
    f->stamp = 0;
    if (size == CLUSTER_E_NOT_FOUND)
        return 1;
    f->next = 0;
    return (int)size;
}

/* Take resolv.conf as it is now; without one, what holds where there is none. */
CLU_FN int clu_resolver_look(struct clu_resolver *r)
{
    int result = clu_known_look(r->loop, &r->conf_file, CLU_RESOLV_PATH);
    if (result)
        clu_resolv_parse(&r->conf, clu_slice_of(r->conf_file.text, r->conf_file.size));
    return result < 0 ? result : 0;
}

CLU_FN void clu_resolver_free(struct clu_resolver *r)
{
    const struct cluster_allocator *memory = &r->loop->memory;
    clu_free(memory, r->conf_file.text, r->conf_file.capacity);
    clu_free(memory, r->hosts_file.text, r->hosts_file.capacity);
    clu_free(memory, r->text, r->text_capacity);
}

/* ---- servers ---------------------------------------------------------- */

/* ADDRESS, ADDRESS:PORT, [IPV6]:PORT, with a zone of IPv6 as a number or as the name of an interface, which goes to *zone. */
CLU_FN bool clu_server_parse(struct clu_slice text, struct cluster_address *out, struct clu_slice *zone)
{
    char buffer[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    size_t at = clu_slice_find(text, '%'), end = clu_slice_find(text, ']');
    *zone = clu_slice_of(NULL, 0);
    if (clu_address_port_parse(text, CLU_DNS_PORT, out))
        return true;
    if (at >= end)
        return false;
    *zone = clu_slice_of(text.at + at + 1, end - at - 1);
    clu_text_bytes(&t, text.at, at);
    clu_text_bytes(&t, text.at + end, text.length - end);
    return zone->length && clu_address_port_parse(clu_slice_of(buffer, t.cut ? 0 : t.length), CLU_DNS_PORT, out) &&
           out->family == 6;
}

/* Is this a list of servers, as server= takes it? */
CLU_FN bool clu_servers_valid(struct clu_slice list)
{
    struct cluster_address address;
    struct clu_slice zone;
    while (list.at)
        if (!clu_server_parse(clu_cut(&list, ','), &address, &zone))
            return false;
    return true;
}

/* The number of an interface, which its own addresses of the link have. */
CLU_FN int clu_zone_find(const struct cluster_io *io, struct clu_slice zone, uint32_t *out)
{
    struct cluster_address own[16];
    char name[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(name, sizeof name);
    int count, i;
    clu_text_bytes(&t, zone.at, zone.length);
    count = io->interfaces(io->ctx, name, own, CLU_COUNT(own));
    for (i = 0; i < count && i < (int)CLU_COUNT(own); i++)
        if (own[i].scope) {
            *out = own[i].scope;
            return 0;
        }
    return count < 0 ? count : CLUSTER_E_UNREACHABLE;
}

/* How many servers there are for the question. */
CLU_FN uint32_t clu_question_servers(const struct clu_question *q)
{
    struct clu_slice list = clu_slice_str(q->servers ? q->servers : "");
    uint32_t count = 0;
    if (!q->servers)
        return q->resolver->conf.server_count;
    for (; list.at; count++)
        (void)clu_cut(&list, ',');
    return count;
}

/* The address of the server whose turn it is. */
CLU_FN int clu_question_server(struct clu_question *q)
{
    uint32_t index = (q->first + q->attempt) % clu_question_servers(q);
    struct clu_slice list = clu_slice_str(q->servers ? q->servers : ""), text, zone;
    text = q->resolver->conf.servers[q->servers ? 0 : index];
    while (q->servers && index-- + 1)
        text = clu_cut(&list, ',');
    if (!clu_server_parse(text, &q->server, &zone))
        return CLUSTER_E_INVALID;
    return zone.length ? clu_zone_find(&q->resolver->loop->io, zone, &q->server.scope) : 0;
}

/* ---- the life of a question ------------------------------------------- */

/* From now on it rests: no timer, no place among those that talk, and no socket unless that is kept. */
CLU_CALLED void clu_question_rest(struct clu_question *q, bool keep)
{
    struct clu_loop *l = q->resolver->loop;
    if (q->state == CLU_DNS_TALKS)
        q->resolver->flight--;
    q->state = CLU_DNS_REST;
    clu_timer_set(&l->timers, &q->timer, CLUSTER_NEVER);
    if (q->fd >= 0 && !keep) {
        (void)clu_close(l, &q->watcher, q->fd);
        q->fd = -1;
    }
}

/* The end: at once, or in the next step when clu_question_ask has not returned yet. */
CLU_CALLED void clu_question_end(struct clu_question *q, int error)
{
    struct clu_loop *l = q->resolver->loop;
    clu_question_rest(q, !error && q->whole && q->tcp == CLU_DNS_TCP_KEEP);
    q->error = error;
    if (!q->asking) {
        q->answered(q);
        return;
    }
    q->state = CLU_DNS_ENDS;
    clu_timer_set(&l->timers, &q->timer, l->now);
}

/* Write what of the query is not written yet, as far as it can be now. */
CLU_FN int clu_question_send(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    unsigned flags = (q->plain ? 0 : CLU_DNS_EDNS) | (q->resolver->conf.trust_ad ? CLU_DNS_AD : 0);
    uint8_t query[2 + CLU_DNS_QUERY_MAX], *from = q->stream ? query : query + 2;
    size_t size = clu_dns_query(query + 2, sizeof query - 2, q->id, q->name, q->name_size, q->type, flags);
    int64_t sent = 0;
    clu_put_be(query, size, 2);
    size += q->stream ? 2 : 0;
    while (q->sent < size && (sent = clu_send(l, q->fd, from + q->sent, size - q->sent, NULL)) >= 0)
        q->sent += (size_t)sent;
    q->written = q->sent == size;
    if (sent < 0 && sent != CLUSTER_E_AGAIN)
        return (int)sent;
    return clu_watch(l, &q->watcher, q->fd, q->written ? POLLIN : POLLOUT);
}

/* Begin a try on the connection that was kept, or on a new socket. A result of CLUSTER_E_AGAIN or CLUSTER_E_LIMIT says that no
 * socket is to be had now. */
CLU_FN int clu_question_open(struct clu_question *q)
{
    struct clu_resolver *r = q->resolver;
    struct clu_loop *l = r->loop;
    struct cluster_address before = q->server;
    int result = clu_question_server(q);
    q->stream = q->stream || q->tcp || r->conf.use_vc;
    q->reused = q->fd >= 0 && q->stream && clu_address_compare(&before, &q->server) == 0;
    if (!q->reused)
        clu_question_rest(q, false);
    if (!result && r->flight >= CLU_DNS_FLIGHT)
        result = CLUSTER_E_LIMIT;
    if (!result)
        result = clu_random(l, &q->id, sizeof q->id);
    if (!result && !q->reused) {
        q->fd = result = clu_open(l, &q->watcher, q->stream ? CLUSTER_TCP : CLUSTER_UDP, q->server.family);
        if (result >= 0)
            result = l->io.connect(l->io.ctx, q->fd, &q->server);
    }
    if (result < 0)
        return result;
    q->state = CLU_DNS_TALKS;
    r->flight++;
    q->sent = q->have = q->dropped = 0;
    q->whole = false;
    return clu_question_send(q);
}

/* The next try that gets under way, or waits for a socket, or the end. */
CLU_CALLED void clu_question_go(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    while (q->attempt < q->tries && l->now < q->deadline) {
        uint64_t share = (q->deadline - l->now) / (q->tries - q->attempt);
        int result = clu_question_open(q);
        if (result == 0) {
            clu_timer_set(&l->timers, &q->timer, l->now + clu_min_u64(share, q->resolver->conf.timeout_ns));
            return;
        }
        if (q->fd < 0 && (result == CLUSTER_E_AGAIN || result == CLUSTER_E_LIMIT)) {
            q->state = CLU_DNS_WAITS;
            q->error = q->error ? q->error : CLUSTER_E_LIMIT;
            share = l->retired_count >= CLU_RETIRED_MAX ? 0 : clu_min_u64(share, CLU_DNS_WAIT);
            clu_timer_set(&l->timers, &q->timer, l->now + share);
            return;
        }
        clu_question_rest(q, false);
        if (q->reused)
            continue; /* it had been closed meanwhile */
        q->error = result;
        q->result.rcode = 0;
        q->stream = false;
        q->attempt++;
    }
    clu_question_end(q, q->error ? q->error : CLUSTER_E_TIMEOUT);
}

/* The try at hand has failed; with 0 in the words of the server. */
CLU_CALLED void clu_question_fail(struct clu_question *q, int error)
{
    uint32_t rcode = error ? 0 : q->result.rcode;
    clu_question_rest(q, false);
    if (!q->reused || error == CLUSTER_E_TIMEOUT) {
        q->error = error ? error : rcode == 5 ? CLUSTER_E_REFUSED : rcode ? CLUSTER_E_IO : CLUSTER_E_PROTOCOL;
        q->result.rcode = rcode;
        q->stream = false;
        q->attempt++;
    }
    clu_question_go(q);
}

/* The name as it was given, or with the next domain of the search list after it. False: all of them were tried. */
CLU_FN bool clu_question_next_name(struct clu_question *q)
{
    const struct clu_resolv *conf = &q->resolver->conf;
    uint32_t domains = q->search ? conf->search_count : 0, labels = 0;
    uint8_t domain[CLU_DNS_NAME_MAX];
    size_t at, size;
    for (at = 0; at < q->base; at += q->name[at] + (size_t)1)
        labels++;
    for (; q->candidate <= domains; q->candidate++) {
        bool early = labels > conf->ndots; /* one more than there are dots */
        domain[0] = 0;
        size = 1;
        if (q->candidate != (early ? 0 : domains))
            size = clu_dns_name(domain, conf->search[q->candidate - early]);
        if (!size || q->base + size > sizeof q->name)
            continue;
        memcpy(q->name + q->base, domain, size);
        q->name_size = q->base + size;
        q->candidate++;
        q->attempt = 0;
        q->stream = false;
        return true;
    }
    return false;
}

/* What a message that came, and was judged, leads to. */
CLU_CALLED void clu_question_take(struct clu_question *q, enum clu_dns_verdict verdict)
{
    bool formerr = verdict == CLU_DNS_FAILED && q->result.rcode == CLU_DNS_FORMERR && !q->plain;
    /* A name without records of the type is there: the next one of the search list would be that of something else. */
    bool absent = verdict == CLU_DNS_EMPTY && q->result.rcode;
    if (formerr || (verdict == CLU_DNS_TRUNCATED && !q->stream) || (absent && clu_question_next_name(q))) {
        clu_question_rest(q, verdict == CLU_DNS_EMPTY && q->whole);
        q->plain = q->plain || formerr;
        q->stream = q->stream || verdict == CLU_DNS_TRUNCATED;
        clu_question_go(q);
    } else if (verdict == CLU_DNS_ANSWER || verdict == CLU_DNS_EMPTY) {
        clu_question_end(q, 0);
    } else {
        clu_question_fail(q, verdict == CLU_DNS_FAILED ? 0 : CLUSTER_E_PROTOCOL);
    }
}

CLU_FN enum clu_dns_verdict clu_question_check(struct clu_question *q)
{
    return clu_dns_check(q->buffer + 2, q->have - 2, q->id, q->name, q->name_size, q->type, &q->result);
}

/* Read datagrams until one answers the question. */
CLU_FN int64_t clu_question_read_datagrams(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    while (q->dropped < CLU_DNS_FLOOD) {
        struct cluster_address from;
        enum clu_dns_verdict verdict = CLU_DNS_NOT_OURS;
        int64_t size = clu_recv(l, q->fd, q->buffer + 2, q->capacity - 2, &from);
        if (size < 0)
            return size;
        from.scope = q->server.scope;
        q->have = (size_t)size + 2;
        if (q->have <= q->capacity && clu_address_compare(&from, &q->server) == 0)
            verdict = clu_question_check(q);
        if (verdict > CLU_DNS_BAD) {
            clu_question_take(q, verdict);
            return 0;
        }
        l->counts.dropped++;
        q->dropped++;
    }
    clu_question_rest(q, false);
    clu_question_go(q);
    return 0;
}

/* Read the stream until the message is whole. */
CLU_FN int64_t clu_question_read_stream(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    for (;;) {
        size_t size = q->have < 2 ? 2 : clu_dns_u16(q->buffer) + (size_t)2;
        int64_t count;
        if (q->have >= size) {
            q->whole = q->have == size;
            q->have = size;
            q->flags |= CLUSTER_ANSWER_TCP;
            clu_question_take(q, clu_question_check(q));
            return 0;
        }
        if (!clu_reserve(&l->memory, &q->buffer, &q->capacity, size, 1))
            return CLUSTER_E_MEMORY;
        count = clu_recv(l, q->fd, q->buffer + q->have, q->capacity - q->have, NULL);
        if (count <= 0)
            return count ? count : (int64_t)CLUSTER_E_CLOSED;
        q->reused = false;
        q->have += (size_t)count;
    }
}

CLU_FN void clu_question_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_question *q = CLU_CONTAINER(watcher, struct clu_question, watcher);
    int64_t result = 0;
    (void)fd;
    if (revents & POLLNVAL) {
        q->fd = -1;
        result = CLUSTER_E_CLOSED;
    }
    if (q->state != CLU_DNS_TALKS) { /* whoever ends a connection that is kept, or says more than was asked */
        clu_question_rest(q, false);
        return;
    }
    if (!result && !q->written)
        result = clu_question_send(q);
    if (!result && q->written)
        result = q->stream ? clu_question_read_stream(q) : clu_question_read_datagrams(q);
    if (result < 0 && result != CLUSTER_E_AGAIN)
        clu_question_fail(q, (int)result);
}

/* ---- asking ----------------------------------------------------------- */

/* The answer of /etc/hosts, as a message of the kind that DNS sends. 1: it is there; 0: the name is not. */
CLU_FN int clu_question_hosts(struct clu_question *q)
{
    struct clu_resolver *r = q->resolver;
    struct clu_slice name, text;
    struct cluster_address address;
    size_t size = q->type == CLUSTER_DNS_A ? 4 : 16, count = 0;
    int result = clu_known_look(r->loop, &r->hosts_file, CLU_HOSTS_PATH);
    bool found = false;
    if (result < 0)
        return result;
    r->named = NULL;
    name = clu_slice_of(r->name, clu_dns_text(q->name, q->name_size, 0, r->name, sizeof r->name));
    text = clu_slice_of(r->hosts_file.text, r->hosts_file.size);
    q->have = 2 + clu_dns_query(q->buffer + 2, CLU_DNS_QUERY_MAX, q->id, q->name, q->name_size, q->type, 0);
    while (clu_hosts_find(&text, name, &address)) {
        struct clu_writer w;
        found = true;
        if (address.family != (size == 4 ? 4 : 6))
            continue;
        if (q->have + 28 > 65535)
            return CLUSTER_E_LIMIT;
        if (!clu_reserve(&r->loop->memory, &q->buffer, &q->capacity, q->have + 28, 1))
            return CLUSTER_E_MEMORY;
        w = clu_writer_on(q->buffer + q->have, 28);
        clu_write_be(&w, UINT64_C(0xc00c0000) << 16 | (uint32_t)q->type << 16 | 1, 6); /* the name of the question */
        clu_write_be(&w, size, 6);
        clu_write(&w, address.bytes, size);
        q->have += clu_written(&w);
        count++;
    }
    clu_put_be(q->buffer + 4, 0x8180, 2);
    clu_put_be(q->buffer + 8, count, 2);
    q->flags = found ? CLUSTER_ANSWER_HOSTS : 0;
    (void)clu_question_check(q);
    return found;
}

/* The first step of a question, with I/O. */
CLU_FN void clu_question_start(struct clu_question *q)
{
    struct clu_resolver *r = q->resolver;
    int result = clu_resolver_look(r), hosts = 0;
    q->state = CLU_DNS_REST;
    q->first = r->conf.rotate ? r->turn++ : 0;
    q->deadline = clu_add_time(r->loop->now, q->deadline);
    (void)clu_question_next_name(q);
    if (q->servers && !q->search)
        result = 0;
    if (q->hosts && (q->type == CLUSTER_DNS_A || q->type == CLUSTER_DNS_AAAA))
        hosts = clu_question_hosts(q);
    q->tries = hosts || result ? 0 : clu_question_servers(q) * r->conf.attempts;
    if (q->tries)
        clu_question_go(q);
    else
        clu_question_end(q, hosts > 0 ? 0 : hosts ? hosts : result);
}

CLU_FN void clu_question_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_question *q = CLU_CONTAINER(timer, struct clu_question, timer);
    (void)now;
    if (q->state == CLU_DNS_STARTS)
        clu_question_start(q);
    else if (q->state == CLU_DNS_WAITS)
        clu_question_go(q);
    else if (q->state == CLU_DNS_TALKS)
        clu_question_fail(q, CLUSTER_E_TIMEOUT);
    else
        clu_question_end(q, q->error);
}

/* Ask, and have the answer within `span` ns; what was asked before is given up. CLUSTER_E_INVALID: this is no DNS name, or a type
 * whose records nobody here can read; CLUSTER_E_MEMORY. */
CLU_FN int clu_question_ask(struct clu_question *q, struct clu_slice name, uint32_t type, uint64_t span)
{
    static const char types[] = {CLUSTER_DNS_A,   CLUSTER_DNS_CNAME, CLUSTER_DNS_PTR,
                                 CLUSTER_DNS_TXT, CLUSTER_DNS_AAAA,  CLUSTER_DNS_SRV};
    struct clu_loop *l = q->resolver->loop;
    clu_question_rest(q, q->state == CLU_DNS_REST);
    q->base = clu_dns_name(q->name, name);
    q->tries = q->attempt = q->candidate = q->flags = 0;
    q->plain = q->stream = false;
    memset(&q->result, 0, sizeof q->result);
    q->error = 0;
    if (type > 127 || !memchr(types, (int)type, sizeof types))
        q->base = 0;
    if (!q->base)
        return CLUSTER_E_INVALID;
    if (!clu_reserve(&l->memory, &q->buffer, &q->capacity, 2 + CLU_DNS_UDP_MAX, 1)) {
        q->base = 0;
        return CLUSTER_E_MEMORY;
    }
    q->base--; /* without the root */
    q->type = (uint16_t)type;
    q->search = q->search && name.at[name.length - 1] != '.';
    q->deadline = span;
    if (l->stepping) {
        q->asking = true;
        clu_question_start(q);
        q->asking = false;
    } else {
        q->state = CLU_DNS_STARTS;
        clu_timer_set(&l->timers, &q->timer, 0);
    }
    return 0;
}

CLU_FN struct clu_question *clu_question_new(struct clu_resolver *r)
{
    const struct cluster_allocator *memory = &r->loop->memory;
    struct clu_question *q = (struct clu_question *)clu_alloc_zero(memory, sizeof *q);
    if (!q || !clu_timers_reserve(memory, &r->loop->timers, 1)) {
        clu_free(memory, q, sizeof *q);
        return NULL;
    }
    q->resolver = r;
    q->watcher.ready = clu_question_ready;
    q->timer.fire = clu_question_fire;
    q->fd = -1;
    return q;
}

CLU_FN void clu_question_free(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    clu_question_rest(q, false);
    clu_timers_release(&l->timers, &q->timer);
    clu_free(&l->memory, q->buffer, q->capacity);
    clu_free(&l->memory, q, sizeof *q);
}

/* ---- the answer ------------------------------------------------------- */

/* A name of the message, or of the question. */
CLU_FN char *clu_question_text(const uint8_t *message, size_t size, size_t at, char *out)
{
    if (!clu_dns_text(message, size, at, out, CLU_DNS_TEXT_MAX))
        *out = '\0';
    return out;
}

/* The sentence on a failure. */
CLU_FN const char *clu_question_why(const struct clu_question *q)
{
    static const struct {
        int what; /* an error, or the code of an answer */
        const char *sentence;
    } table[] = {
        {2, "DNS server $ says SERVFAIL, it cannot find out: its own log says why"},
        {5, "DNS server $ refuses to answer: does it serve this host, and this name? server= takes another"},
        {CLUSTER_E_TIMEOUT, "no DNS server at $ answers: is the address right, is port 53 open? server= takes another"},
        {CLUSTER_E_REFUSED, "no DNS server runs at $: start it, or name another in /etc/resolv.conf or with server="},
        {CLUSTER_E_UNREACHABLE, "DNS server $ cannot be reached: is the network up? server= takes another"},
        {CLUSTER_E_PROTOCOL, "DNS server $ gives no proper answer: does it look names up for others? server= takes another"},
        {CLUSTER_E_CLOSED, "DNS server $ closed the connection before it had answered"},
        {CLUSTER_E_LIMIT, "DNS server $ cannot be asked, too many sockets are open: raise limit_watches"},
    };
    struct clu_resolver *r = q->resolver;
    uint32_t rcode = q->result.rcode;
    const char *sentence = !q->tries ? "/etc/resolv.conf or /etc/hosts cannot be read: #"
                           : rcode   ? "DNS server $ answers with code #"
                                     : "DNS server $: #";
    char server[CLU_ADDRESS_TEXT], number[24];
    struct clu_text t = clu_text_on(r->why, sizeof r->why), shown = clu_text_on(server, sizeof server),
                    code = clu_text_on(number, sizeof number);
    size_t i;
    for (i = 0; i < CLU_COUNT(table) && q->tries; i++)
        if (table[i].what == (rcode ? (int)rcode : q->error))
            sentence = table[i].sentence;
    clu_address_port_text(&shown, &q->server);
    clu_text_u64(&code, rcode);
    (void)clu_say(&t, sentence, clu_slice_str(rcode ? number : cluster_strerror(q->error)), server);
    return r->why;
}

/* What came of the question; reading its records begins anew. */
CLU_FN void clu_question_answer(struct clu_question *q, struct cluster_answer *out)
{
    struct clu_resolver *r = q->resolver;
    memset(out, 0, sizeof *out);
    out->error = q->error;
    out->rcode = q->result.rcode;
    out->why = q->error ? clu_question_why(q) : "";
    out->name = clu_question_text(q->name, q->name_size, 0, r->name);
    r->named = NULL;
    if (q->error)
        return;
    out->count = q->result.count;
    out->ttl = q->result.ttl;
    out->digest = q->result.digest;
    out->flags = q->flags | (q->result.additional ? CLUSTER_ANSWER_ADDITIONAL : 0);
    if (out->count)
        clu_dns_begin(&q->walk, q->buffer + 2, q->have - 2, &q->result);
}

/* 1: the next record; 0: that was all; CLUSTER_E_MEMORY. */
CLU_FN int clu_question_record(struct clu_question *q, struct cluster_record *out)
{
    struct clu_resolver *r = q->resolver;
    const uint8_t *message = q->buffer + 2;
    size_t size = q->have - 2;
    struct clu_dns_record rec;
    memset(out, 0, sizeof *out);
    if (q->error || !q->result.count || !clu_dns_next(&q->walk, &rec))
        return 0;
    if (!clu_reserve(&r->loop->memory, &r->text, &r->text_capacity, rec.size + CLU_DNS_TEXT_MAX, 1))
        return CLUSTER_E_MEMORY;
    if (rec.additional || r->named != q) /* the others are all of one name */
        (void)clu_question_text(message, size, rec.owner_at, r->name);
    r->named = rec.additional ? NULL : q;
    out->type = rec.type;
    out->ttl = rec.ttl;
    out->additional = rec.additional;
    out->name = r->name;
    out->text = r->text;
    *r->text = '\0';
    if (rec.text_at) {
        (void)clu_question_text(message, size, rec.text_at, r->text);
        out->text_size = (uint32_t)strlen(r->text);
    } else if (rec.type == CLUSTER_DNS_TXT) {
        out->text_size = (uint32_t)clu_dns_strings(&rec, (uint8_t *)r->text, rec.size);
        r->text[out->text_size] = '\0';
    } else {
        out->address.family = rec.type == CLUSTER_DNS_A ? 4 : 6;
        memcpy(out->address.bytes, rec.data, rec.size);
    }
    if (rec.type == CLUSTER_DNS_SRV) {
        out->priority = clu_dns_u16(rec.data);
        out->weight = clu_dns_u16(rec.data + 2);
        out->port = clu_dns_u16(rec.data + 4);
    }
    return 1;
}

#endif
