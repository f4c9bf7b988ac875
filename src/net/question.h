/*
 * What a question to DNS is while it is asked, and what all questions of a handle share: what /etc/resolv.conf and /etc/hosts
 * said last, and which server's turn it is. It sends nothing.
 */
#ifndef CLU_NET_QUESTION_H
#define CLU_NET_QUESTION_H

#include "../loop/loop.h"
#include "../wire/dns.h"
#include "../wire/resolv.h"
#include "lookup.h"

#ifdef CLUSTER_USE_CARES
#include <ares.h>
#include <sys/socket.h>
#include <sys/uio.h>
#endif

#define CLU_RESOLV_PATH "/etc/resolv.conf"
#define CLU_DNS_LOOK (5 * CLU_SECOND) /* how often those files are looked at */
#define CLU_DNS_FLIGHT 64             /* questions of a handle that have a socket; more of them wait */
#define CLU_DNS_WAIT (10 * CLU_MS)    /* until they look for a place again */
#define CLU_DNS_FLOOD 1000            /* datagrams dropped on one socket, then another one is taken */
#define CLU_DNS_HARD 1024             /* units of work for which one counts once more */

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
    char *text; /* of the TXT record that was read last */
    size_t text_capacity;
    char why[192];
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
    int state, error;
    uint32_t flags; /* CLUSTER_ANSWER_... */
    bool either;    /* without addresses of one family, those of the other are asked for */
    bool asking;    /* inside clu_question_ask: its end is said in the next step */
    bool plain;     /* the servers know no EDNS */
    bool stream;    /* the try goes over TCP */
    bool reused;    /* by a connection that was kept, on which nothing came yet */
    bool whole;     /* a message came over TCP, and nothing after it */
    uint16_t type, id;
    uint32_t first, attempt, tries, dropped, candidate;
    uint64_t deadline;
    struct cluster_address server;
    struct clu_dns_result result;
    struct clu_dns_known known;
    struct clu_dns_walk walk;
    uint8_t *buffer;             /* the length that TCP puts before a message, and the message */
    size_t capacity, have, base; /* base: of the name as it was given; 0: nothing was asked */
    int fd;                      /* of the exchange with the server, as is what follows; -1: none */
#ifdef CLUSTER_USE_CARES
    struct ares_channeldata *channel; /* NULL: none yet */
    int channel_flags, status, failed;
    bool came;
    struct cluster_address channel_server;
    struct sockaddr_storage peer;
#else
    size_t sent;
    bool written; /* the query is */
#endif
    char name[CLU_DNS_TEXT_MAX];
};

/* ---- what is known of this host --------------------------------------- */

/* 1: the file is another one than before, 0: it is not, or it is not time to look; a negative CLUSTER_E...: it has no text. */
CLU_FN int clu_known_look(struct clu_loop *l, struct clu_known_file *f, const char *path)
{
    int64_t size;
    if (l->now < f->next)
        return 0;
    size = clu_read_file(&l->io, &l->memory, path, &f->text, &f->capacity, 1, &f->stamp);
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
    size_t end = clu_slice_find(text, ']'), at;
    *zone = clu_slice_of(text.at, end);
    at = clu_cut(zone, '%').length;
    clu_text_bytes(&t, text.at, at);
    clu_text_bytes(&t, text.at + end, text.length - end);
    return !t.cut && clu_address_port_parse(clu_slice_of(buffer, t.length), CLU_DNS_PORT, out) &&
           (!zone->at || (zone->length && out->family == 6));
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
    uint64_t number;
    int count, i;
    if (clu_number(zone, UINT32_MAX, &number)) {
        *out = (uint32_t)number;
        return 0;
    }
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

/* The address of the server whose turn it is. 0.0.0.0 and :: are this host, which answers from its loopback. */
CLU_FN int clu_question_server(struct clu_question *q)
{
    static const uint8_t any[16] = {0};
    uint32_t index = (q->first + q->attempt) % clu_question_servers(q);
    struct clu_slice list = clu_slice_str(q->servers ? q->servers : ""), text, zone;
    text = q->resolver->conf.servers[q->servers ? 0 : index];
    while (q->servers && index-- + 1)
        text = clu_cut(&list, ',');
    if (!clu_server_parse(text, &q->server, &zone))
        return CLUSTER_E_INVALID;
    if (memcmp(q->server.bytes, any, sizeof any) == 0)
        clu_put_be(q->server.bytes + (q->server.family == 6 ? 12 : 0), q->server.family == 6 ? 1 : 0x7f000001, 4);
    return zone.at ? clu_zone_find(&q->resolver->loop->io, zone, &q->server.scope) : 0;
}

/* The query as it goes to the server; `out` has room for CLU_DNS_QUERY_MAX bytes. */
CLU_FN size_t clu_question_query(const struct clu_question *q, uint8_t *out)
{
    unsigned flags = (q->plain ? 0 : CLU_DNS_EDNS) | (q->resolver->conf.options[CLU_RESOLV_TRUST_AD] ? CLU_DNS_AD : 0);
    return clu_dns_query(out, CLU_DNS_QUERY_MAX, q->id, q->name, q->type, flags);
}

CLU_FN enum clu_dns_verdict clu_question_judge(struct clu_question *q, const uint8_t *message, size_t size)
{
    return clu_dns_check(message, size, q->id, q->name, q->type, &q->result, &q->known);
}

CLU_FN enum clu_dns_verdict clu_question_check(struct clu_question *q)
{
    return clu_question_judge(q, q->buffer + 2, q->have - 2);
}

#endif
