/*
 * One stream on the network: what comes in is handed over by packets, whose length stands before them, and what goes out waits
 * in a bounded queue. It owns its descriptor and its two buffers, which are given back whenever they are empty. It knows nothing
 * of what packets say.
 */
#ifndef CLU_LINK_CHANNEL_H
#define CLU_LINK_CHANNEL_H

#include "../base/bytes.h"
#include "../loop/loop.h"

#define CLU_CHANNEL_READ 2048 /* room for one read, at least */

struct clu_channel {
    struct clu_watcher watcher;
    struct clu_loop *loop;
    uint8_t *in, *out;
    size_t in_size, in_capacity;
    size_t out_at, out_size, out_capacity;
    int fd;        /* -1: none */
    uint8_t width; /* of the length before a packet; 0: there is none, and all that came so far is given each time */
    bool held;     /* nothing is read */
    bool opens;    /* it waits to be there, no more */
    bool secure;   /* it speaks TLS */
    bool shaken;   /* whose handshake is done */
    void *tls;
    size_t owed;                /* of `out`: what answers packets that came; 0 again when all went out */
    uint64_t heard_ns, said_ns; /* the last bytes in and out */
    uint32_t most;              /* bytes of a packet */
    uint32_t full;              /* bytes that wait to go out, as answers, before nothing more is read */
    const char *server, *ca;    /* for whom the certificate is, NULL: whoever; and the file with the authorities */
    /* A packet came. 0; CLUSTER_E_AGAIN, CLUSTER_E_MEMORY: it is given again later; another error ends the channel. */
    int (*packet)(struct clu_channel *channel, const uint8_t *data, size_t size);
    void (*drained)(struct clu_channel *channel); /* all that waited went out */
    /* The channel ends with this error, or was told to wait. Called last: the channel may go. */
    void (*ended)(struct clu_channel *channel, int error);
};

CLU_FN size_t clu_channel_waits(const struct clu_channel *ch)
{
    return ch->out_size - ch->out_at;
}

/* Does reading rest? Answers that the other side does not take stop it. What we say of our own accord does not: two that
 * both had much to say would wait for each other for ever. */
CLU_CALLED bool clu_channel_stopped(const struct clu_channel *ch)
{
    return ch->held || (ch->owed > ch->full && clu_channel_waits(ch) > ch->full);
}

CLU_FN void clu_channel_watch(struct clu_channel *ch)
{
    int events = (clu_channel_stopped(ch) ? 0 : POLLIN) | (clu_channel_waits(ch) || ch->opens ? POLLOUT : 0);
    (void)clu_watch(ch->loop, &ch->watcher, ch->fd, events); /* of what is ours already it cannot fail */
}

CLU_FN void clu_channel_free_in(struct clu_channel *ch)
{
    clu_free(&ch->loop->memory, ch->in, ch->in_capacity);
    ch->in = NULL;
    ch->in_size = ch->in_capacity = 0;
}

CLU_FN void clu_channel_free_out(struct clu_channel *ch)
{
    clu_free(&ch->loop->memory, ch->out, ch->out_capacity);
    ch->out = NULL;
    ch->out_at = ch->out_size = ch->out_capacity = ch->owed = 0;
}

CLU_FN void clu_channel_close(struct clu_channel *ch)
{
    clu_disconnect(ch->loop, &ch->watcher, &ch->fd, &ch->tls);
    ch->held = ch->secure = ch->shaken = false;
    clu_channel_free_in(ch);
    clu_channel_free_out(ch);
}

/* Begin to connect. */
CLU_FN int clu_channel_open(struct clu_channel *ch, const struct cluster_address *to)
{
    int fd = clu_connect(ch->loop, &ch->watcher, CLUSTER_TCP, to);
    if (fd >= 0)
        ch->fd = fd;
    return fd < 0 ? fd : 0;
}

/* ---- out -------------------------------------------------------------- */

/* Room for a packet of at most `size` bytes, after its length. A writer that is bad: there is no memory. */
CLU_FN struct clu_writer clu_channel_begin(struct clu_channel *ch, size_t size)
{
    struct clu_writer w;
    if (ch->out_at && ch->out_at >= clu_channel_waits(ch)) {
        memcpy(ch->out, ch->out + ch->out_at, clu_channel_waits(ch));
        ch->out_size -= ch->out_at;
        ch->out_at = 0;
    }
    if (!clu_reserve(&ch->loop->memory, &ch->out, &ch->out_capacity, ch->out_size + ch->width + size, 1))
        return clu_writer_on(NULL, 0);
    w = clu_writer_on(ch->out + ch->out_size, ch->width + size);
    w.at += ch->width;
    return w;
}

/* The packet is written: it goes out in this step, or in the next. */
CLU_FN int clu_channel_end(struct clu_channel *ch, struct clu_writer *w)
{
    size_t size = clu_written(w);
    struct clu_descriptor *watch = clu_watch_find(ch->loop, ch->fd);
    if (!size)
        return CLUSTER_E_MEMORY;
    clu_put_be(w->begin, size - ch->width, ch->width);
    ch->out_size += size;
    if (watch)
        clu_watch_fired(ch->loop, watch, POLLOUT);
    return 0;
}

/* Send what waits, as far as the stream takes it. */
CLU_FN int clu_channel_flush(struct clu_channel *ch)
{
    while (ch->out_at < ch->out_size && ch->secure == ch->shaken) {
        int64_t sent = clu_send_on(ch->loop, ch->fd, ch->tls, ch->out + ch->out_at, ch->out_size - ch->out_at, NULL);
        if (sent < 0)
            return sent == CLUSTER_E_AGAIN ? 0 : (int)sent;
        ch->out_at += (size_t)sent;
        ch->said_ns = ch->loop->now;
    }
    if (ch->out && ch->out_at == ch->out_size) {
        clu_channel_free_out(ch);
        ch->drained(ch);
    }
    return 0;
}

/* ---- in --------------------------------------------------------------- */

/* Hand over the packets that are whole. */
CLU_FN int clu_channel_deliver(struct clu_channel *ch)
{
    size_t at = 0;
    int result = 0, fd = ch->fd;
    if (!ch->width)
        return ch->in_size > ch->most ? CLUSTER_E_LIMIT : ch->in_size ? ch->packet(ch, ch->in, ch->in_size) : 0;
    while (!result && !clu_channel_stopped(ch) && ch->in_size - at >= ch->width) {
        struct clu_reader r = clu_reader_of(ch->in + at, ch->in_size - at);
        uint8_t width = ch->width;
        size_t waited = clu_channel_waits(ch);
        uint64_t size = clu_read_be(&r, width);
        if (size > ch->most)
            return CLUSTER_E_LIMIT;
        if (size > clu_left(&r))
            break;
        result = ch->packet(ch, r.at, (size_t)size);
        if (ch->fd != fd)
            return result;
        if (!result) {
            at += width + (size_t)size;
            ch->owed += clu_channel_waits(ch) - waited;
        } else if (clu_channel_waits(ch) > waited) {
            ch->out_size = ch->out_at + waited; /* whoever is given it again answers again */
        }
    }
    if (at)
        memmove(ch->in, ch->in + at, ch->in_size - at);
    ch->in_size -= at;
    return result;
}

/* Read and hand over until there is no more; that a read did not fill its room says so too, unless the end came with it. */
CLU_FN int clu_channel_read(struct clu_channel *ch)
{
    int fd = ch->fd;
    bool emptied = false;
    for (;;) {
        size_t room;
        int64_t got;
        int result = clu_channel_deliver(ch);
        if (result < 0 || ch->fd != fd || clu_channel_stopped(ch))
            return result;
        if (!clu_reserve(&ch->loop->memory, &ch->in, &ch->in_capacity, ch->in_size + CLU_CHANNEL_READ, 1))
            return CLUSTER_E_MEMORY;
        room = ch->in_capacity - ch->in_size;
        got = CLUSTER_E_AGAIN;
        if (!emptied)
            got = clu_recv_on(ch->loop, fd, ch->tls, ch->in + ch->in_size, room, NULL);
        if (got == CLUSTER_E_AGAIN && !ch->in_size)
            clu_channel_free_in(ch);
        if (got <= 0)
            return got == CLUSTER_E_AGAIN ? 0 : got ? (int)got : CLUSTER_E_CLOSED;
        ch->in_size += (size_t)got;
        ch->heard_ns = ch->loop->now;
        emptied = ch->loop->level && !ch->tls && (size_t)got < room;
    }
}

/* All that can be done now. The channel may be gone afterwards. */
CLU_FN void clu_channel_work(struct clu_channel *ch, bool readable)
{
    int result = 0;
    if (ch->secure && !ch->shaken) /* TLS comes before all else */
        result = clu_secure(ch->loop, &ch->watcher, ch->fd, &ch->tls, ch->server, ch->ca);
    if (result == CLUSTER_E_AGAIN)
        return;
    ch->shaken = ch->secure && !result;
    if (!result)
        result = clu_channel_flush(ch);
    if (!result && (readable || ch->in_size || ch->tls)) /* TLS may hold what came */
        result = clu_channel_read(ch);
    if (!result && ch->fd >= 0)
        result = clu_channel_flush(ch);
    if (result)
        ch->ended(ch, result);
    else if (ch->fd >= 0)
        clu_channel_watch(ch);
}

CLU_FN void clu_channel_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_channel *ch = CLU_CONTAINER(watcher, struct clu_channel, watcher);
    if (fd != ch->fd)
        return;
    if (revents & POLLNVAL) {
        ch->fd = -1;
        ch->ended(ch, CLUSTER_E_CLOSED);
    } else {
        clu_channel_work(ch, revents & ~POLLOUT);
    }
}

#endif
