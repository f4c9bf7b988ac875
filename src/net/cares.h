/*
 * One try of a question through c-ares, in place of exchange.h where CLUSTER_USE_CARES is defined: the query, its way to one
 * server over UDP or TCP and the match of what comes back are c-ares' work, on sockets that are opened, watched and closed here
 * like any other. Which server is asked, for how long and what is asked next is the resolver's: a channel has one server, one
 * try, and a time that the question's timer ends before. Whatever comes is judged once more, as every message is.
 */
#ifndef CLU_NET_CARES_H
#define CLU_NET_CARES_H

#include "question.h"

#ifdef CLUSTER_USE_CARES

/* ---- what c-ares calls ------------------------------------------------ */

/* A hook's result as c-ares takes it; the first error that is more than `not now` is what the try ends with. */
CLU_FN int clu_cares_result(struct clu_question *q, int64_t result)
{
    if (result >= 0)
        return (int)result;
    errno = result == CLUSTER_E_AGAIN ? EAGAIN : ECONNREFUSED;
    q->failed = q->failed ? q->failed : (int)result;
    return -1;
}

CLU_FN ares_socket_t clu_cares_open(int family, int type, int protocol, void *user)
{
    struct clu_question *q = (struct clu_question *)user;
    int kind = type == SOCK_STREAM ? CLUSTER_TCP : CLUSTER_UDP;
    (void)family;
    (void)protocol;
    q->stream = q->stream || kind == CLUSTER_TCP;
    q->fd = clu_open(q->resolver->loop, &q->watcher, kind, q->server.family);
    return clu_cares_result(q, q->fd);
}

CLU_FN int clu_cares_close(ares_socket_t fd, void *user)
{
    struct clu_question *q = (struct clu_question *)user;
    (void)clu_close(q->resolver->loop, &q->watcher, fd);
    return 0;
}

CLU_FN int clu_cares_connect(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t size, void *user)
{
    struct clu_question *q = (struct clu_question *)user;
    struct clu_loop *l = q->resolver->loop;
    memcpy(&q->peer, to, (size_t)size); /* the address alone; q->server has the zone too */
    return clu_cares_result(q, l->io.connect(l->io.ctx, fd, &q->server));
}

/* The end of the query. Nothing is decided here, inside c-ares: who called it looks at q->came. */
CLU_FN void clu_cares_came(void *user, int status, int timeouts, unsigned char *bytes, int size)
{
    struct clu_question *q = (struct clu_question *)user;
    (void)timeouts;
    q->came = true;
    q->status = status;
    if (status != ARES_SUCCESS || !bytes || size < 12)
        return;
    if (!clu_reserve(&q->resolver->loop->memory, &q->buffer, &q->capacity, (size_t)size + 2, 1)) {
        q->status = ARES_ENOMEM;
        return;
    }
    memcpy(q->buffer + 2, bytes, (size_t)size);
    q->have = (size_t)size + 2;
}

/* Of datagrams c-ares sees those alone that answer the question. */
CLU_FN ares_ssize_t clu_cares_recv(ares_socket_t fd, void *data, size_t size, int flags, struct sockaddr *from,
                                   ares_socklen_t *from_size, void *user)
{
    struct clu_question *q = (struct clu_question *)user;
    struct clu_loop *l = q->resolver->loop;
    struct cluster_address sender;
    int64_t got;
    (void)flags;
    for (;;) {
        got = q->dropped < CLU_DNS_FLOOD ? clu_recv(l, fd, data, size, &sender) : (int64_t)CLUSTER_E_CLOSED;
        if (!from && got == 0)
            got = CLUSTER_E_CLOSED;
        if (!from || got < 0)
            break;
        sender.scope = q->server.scope;
        if ((uint64_t)got <= size && clu_address_compare(&sender, &q->server) == 0 &&
            clu_question_judge(q, (const uint8_t *)data, (size_t)got) > CLU_DNS_BAD) {
            memcpy(from, &q->peer, (size_t)*from_size);
            if (got > 12)
                break;
            clu_cares_came(q, ARES_SUCCESS, 0, (unsigned char *)data, (int)got);
            got = CLUSTER_E_CLOSED; /* FORMERR without a question, in which c-ares would not see an answer */
            break;
        }
        l->counts.dropped++;
        q->dropped += 1 + q->result.work / CLU_DNS_HARD;
    }
    return clu_cares_result(q, got);
}

/* What is sent has the id that its answer must have. c-ares waits for room on a stream alone: a datagram that has none is
 * lost. */
CLU_FN ares_ssize_t clu_cares_send(ares_socket_t fd, const struct iovec *parts, int count, void *user)
{
    struct clu_question *q = (struct clu_question *)user;
    int64_t sent, total = 0;
    int i;
    for (i = 0; i < count; i++) {
        const uint8_t *bytes = (const uint8_t *)parts[i].iov_base;
        if (!q->stream && parts[i].iov_len > 2)
            q->id = clu_dns_u16(bytes);
        sent = clu_send(q->resolver->loop, fd, bytes, parts[i].iov_len, NULL);
        if (!q->stream && sent == CLUSTER_E_AGAIN)
            sent = (int64_t)parts[i].iov_len;
        if (sent < 0 && !total)
            return clu_cares_result(q, sent);
        total += sent < 0 ? 0 : sent;
        if (sent != (int64_t)parts[i].iov_len)
            break;
    }
    return (ares_ssize_t)total;
}

/* What c-ares waits for on a socket. */
CLU_FN void clu_cares_state(void *user, ares_socket_t fd, int readable, int writable)
{
    struct clu_question *q = (struct clu_question *)user;
    (void)clu_watch(q->resolver->loop, &q->watcher, fd, (readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
}

/* ---- what the resolver calls ------------------------------------------ */

CLU_FN void clu_exchange_free(struct clu_question *q)
{
    if (q->channel)
        ares_destroy(q->channel);
    q->channel = NULL;
    q->fd = -1;
}

/* The end of it, and of a connection that was kept. */
CLU_FN void clu_exchange_end(struct clu_question *q)
{
    if (q->channel && !(q->channel_flags & ARES_FLAG_STAYOPEN))
        ares_cancel(q->channel);
    else
        clu_exchange_free(q);
    q->fd = -1;
}

/* A channel that takes nothing from its surroundings: no file, no variable, no server but ours. */
CLU_FN int clu_cares_channel(struct clu_question *q, int flags)
{
    static const struct ares_socket_functions hooks = {
        clu_cares_open, clu_cares_close, clu_cares_connect, clu_cares_recv, clu_cares_send,
    };
    static char lookups[] = "b";
    struct ares_options o;
    struct ares_addr_port_node node;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_SORTLIST | ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE;
    bool same = clu_address_compare(&q->channel_server, &q->server) == 0;
    if (q->channel && q->channel_flags != flags)
        clu_exchange_free(q);
    if (!q->channel) {
        memset(&o, 0, sizeof o);
        o.flags = flags;
        o.timeout = 60000;
        o.tries = 1;
        o.lookups = lookups;
        o.sock_state_cb = clu_cares_state;
        o.sock_state_cb_data = q;
        o.ednspsz = CLU_DNS_UDP_MAX;
#ifdef ARES_OPT_QUERY_CACHE
        mask |= ARES_OPT_QUERY_CACHE;
#endif
        if (ares_init_options(&q->channel, &o, mask) != ARES_SUCCESS) {
            q->channel = NULL;
            return CLUSTER_E_MEMORY;
        }
        ares_set_socket_functions(q->channel, &hooks, q);
        q->channel_flags = flags;
        same = false;
    }
    if (same)
        return 0;
    memset(&node, 0, sizeof node);
    node.family = q->server.family == 4 ? AF_INET : AF_INET6;
    memcpy(&node.addr, q->server.bytes, q->server.family == 4 ? 4 : 16);
    node.udp_port = node.tcp_port = (int)q->server.port;
    q->channel_server = q->server;
    if (ares_set_servers_ports(q->channel, &node) == ARES_SUCCESS)
        return 0;
    clu_exchange_free(q);
    return CLUSTER_E_MEMORY;
}

/* What a query came to that has ended without a message. */
CLU_FN int clu_cares_error(const struct clu_question *q)
{
    return q->failed                        ? q->failed
           : q->status == ARES_ENOMEM       ? CLUSTER_E_MEMORY
           : q->status == ARES_ETIMEOUT     ? CLUSTER_E_TIMEOUT
           : q->status == ARES_ECONNREFUSED ? CLUSTER_E_REFUSED
                                            : CLUSTER_E_PROTOCOL;
}

/* Ask the server, on the connection that was kept if q->reused says so. 0, or an error; with q->fd still -1 if no socket is to
 * be had. */
CLU_FN int clu_exchange_begin(struct clu_question *q)
{
    uint8_t query[CLU_DNS_QUERY_MAX];
    int flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | (q->plain ? 0 : ARES_FLAG_EDNS) |
                (q->stream ? ARES_FLAG_USEVC : 0) | (q->stream && q->tcp == CLU_DNS_TCP_KEEP ? ARES_FLAG_STAYOPEN : 0);
    int result = clu_cares_channel(q, flags);
    if (result)
        return result;
    q->came = false;
    q->failed = 0;
    ares_send(q->channel, query, (int)clu_question_query(q, query), clu_cares_came, q);
    return q->came ? clu_cares_error(q) : 0;
}

/* The verdict on the message that came: CLU_DNS_NOT_OURS over UDP after too many that were dropped. CLUSTER_E_AGAIN: none yet;
 * another CLUSTER_E...: none will come. */
CLU_FN int64_t clu_exchange_ready(struct clu_question *q, int fd, int revents)
{
    enum clu_dns_verdict verdict;
    if (revents & POLLNVAL) {
        clu_exchange_free(q);
        return CLUSTER_E_CLOSED;
    }
    q->failed = 0;
    ares_process_fd(q->channel, revents & ~POLLOUT ? fd : ARES_SOCKET_BAD, revents & POLLOUT ? fd : ARES_SOCKET_BAD);
    if (!q->came)
        return CLUSTER_E_AGAIN;
    if (!q->have)
        return q->dropped >= CLU_DNS_FLOOD ? (int)CLU_DNS_NOT_OURS : clu_cares_error(q);
    q->id = clu_dns_u16(q->buffer + 2);
    q->whole = q->stream;
    q->flags |= q->stream ? CLUSTER_ANSWER_TCP : 0;
    verdict = clu_question_check(q);
    /* by then c-ares has asked without EDNS too, but where it saw no question */
    q->plain = q->plain || (verdict == CLU_DNS_FAILED && q->result.rcode == CLU_DNS_FORMERR && q->have > 2 + 12);
    return verdict;
}

#endif
#endif
