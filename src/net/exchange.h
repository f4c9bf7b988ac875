/*
 * One try of a question: a query to one server, and the message that answers it. Over UDP on a fresh connected socket, where
 * all that does not fit the question is dropped; over TCP on a connection that may be kept. It decides nothing about further
 * tries.
 */
#ifndef CLU_NET_EXCHANGE_H
#define CLU_NET_EXCHANGE_H

#include "question.h"

#ifndef CLUSTER_USE_CARES

/* The end of it, and of a connection that was kept. */
CLU_FN void clu_exchange_end(struct clu_question *q)
{
    if (q->fd >= 0)
        (void)clu_close(q->resolver->loop, &q->watcher, q->fd);
    q->fd = -1;
}

CLU_FN void clu_exchange_free(struct clu_question *q)
{
    clu_exchange_end(q);
}

/* Write what of the query is not written yet, as far as it can be now. */
CLU_FN int clu_exchange_send(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    uint8_t query[2 + CLU_DNS_QUERY_MAX], *from = q->stream ? query : query + 2;
    size_t size = clu_question_query(q, query + 2);
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

/* Ask the server, on the connection that was kept if q->reused says so. 0, or an error; with q->fd negative if no socket is to
 * be had. */
CLU_FN int clu_exchange_begin(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    int result = 0;
    if (!q->reused)
        q->fd = result = clu_connect(l, &q->watcher, q->stream ? CLUSTER_TCP : CLUSTER_UDP, &q->server);
    q->sent = 0;
    return result < 0 ? result : clu_exchange_send(q);
}

/* Read datagrams until one answers the question. */
CLU_FN int64_t clu_exchange_read_datagrams(struct clu_question *q)
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
        if (verdict > CLU_DNS_BAD)
            return verdict;
        l->counts.dropped++;
        q->dropped += 1 + q->result.work / CLU_DNS_HARD;
    }
    return CLU_DNS_NOT_OURS;
}

/* Read the stream until the message is whole. */
CLU_FN int64_t clu_exchange_read_stream(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    for (;;) {
        size_t size = q->have < 2 ? 2 : clu_dns_u16(q->buffer) + (size_t)2;
        int64_t count;
        if (q->have >= size) {
            q->whole = q->have == size;
            q->have = size;
            q->flags |= CLUSTER_ANSWER_TCP;
            return clu_question_check(q);
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

/* The verdict on the message that came: CLU_DNS_NOT_OURS over UDP after too many that were dropped. CLUSTER_E_AGAIN: none yet;
 * another CLUSTER_E...: none will come. */
CLU_FN int64_t clu_exchange_ready(struct clu_question *q, int fd, int revents)
{
    int result = 0;
    (void)fd;
    if (revents & POLLNVAL) {
        q->fd = -1;
        return CLUSTER_E_CLOSED;
    }
    if (!q->written)
        result = clu_exchange_send(q);
    if (result || !q->written)
        return result ? result : (int)CLUSTER_E_AGAIN;
    return q->stream ? clu_exchange_read_stream(q) : clu_exchange_read_datagrams(q);
}

#endif
#endif
