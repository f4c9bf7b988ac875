/*
 * The inside of one step: which descriptors are watched and for whom, which wait to be closed, which timers run, what random
 * bytes are left and how much of the step's budget. It owns every descriptor that it opened. It never waits.
 *
 * A descriptor's life:
 *
 *   clu_open -> watched <-> not watched -> clu_close -> retired -> acknowledged -> closed
 *                                                        |            (a complete cluster_watches  (the next step)
 *                                                        |             without it, or the host never saw it)
 *                                                        +- POLLNVAL: forgotten
 */
#ifndef CLU_LOOP_LOOP_H
#define CLU_LOOP_LOOP_H

#include "../base/messages.h"
#include "../base/text.h"
#include "queue.h"
#include "timer.h"

#define CLU_TIMER_BUDGET 64           /* I/O calls that the timers of a step have in any case */
#define CLU_RETIRED_MAX 64            /* descriptors that wait for their close before new ones are refused */
#define CLU_CLOSE_SLACK (10 * CLU_MS) /* how long one may wait when no step comes for another reason */

/* Who is told that a descriptor is ready. Embedded by the owner. */
struct clu_watcher {
    void (*ready)(struct clu_watcher *watcher, int fd, int revents);
};

struct clu_descriptor {
    struct clu_watcher *owner;
    int fd;
    short events;  /* what the host is asked for; 0: nothing */
    short revents; /* what has fired and was not handled yet */
    bool opened;   /* by us, so closed by us */
    bool seen;     /* the host was told of it */
    bool queued;   /* in the queue of those that fired */
    int next;      /* there: the fd after it, or -1 */
};

struct clu_retired {
    int fd;
    bool acknowledged;
};

/* What is used most comes first, the large buffers last: near fields make small code. */
struct clu_loop {
    struct cluster_allocator memory;
    uint64_t now;
    struct clu_descriptor *watches; /* by fd */
    size_t watch_count;
    struct clu_retired *retired;
    size_t retired_count;
    struct clu_timers timers;
    bool stepping, logging; /* inside a step, inside the log hook */
    bool level;             /* the host looks for what is ready anew before each step, so that a read may leave some */
    bool kick;              /* something waits for the next step, whenever it comes */
    uint32_t budget, budget_left;
    int pending_first, pending_last; /* descriptors with revents, in the order they fired; -1: none */
    size_t pending_count;
    size_t watch_capacity, watch_limit, retired_capacity;
    uint64_t generation;
    struct clu_queue events;
    uint64_t jitter; /* state of the reproducible generator */
    void (*log)(void *ctx, int level, const char *message, const char *setting);
    void *log_ctx;
    int log_level;
    struct cluster_counts counts;
    struct cluster_io io;
    size_t random_left;
    char error[256];
    uint8_t random[256];
};

/* ---- words ------------------------------------------------------------ */

CLU_CALLED void clu_log_say(struct clu_loop *l, int level, const char *message, const char *setting)
{
    if (!l->log || level > l->log_level)
        return;
    l->logging = true;
    l->log(l->log_ctx, level, message, setting);
    l->logging = false;
}

/* One of the messages, with what it says in addition. */
CLU_FN void clu_log(struct clu_loop *l, enum clu_message_id id, const char *more)
{
    const struct clu_message_info *info = clu_message(id);
    char buffer[512];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    clu_text_add(&t, info->text);
    clu_text_add(&t, more);
    clu_log_say(l, info->level, buffer, info->setting);
}

/* Remember a sentence for cluster_last_error; returns the error. */
CLU_FN int clu_fail(struct clu_loop *l, int error, const char *sentence)
{
    struct clu_text t = clu_text_on(l->error, sizeof l->error);
    clu_text_add(&t, sentence);
    return error;
}

/* ---- chance ----------------------------------------------------------- */

/* For jitter: reproducible with options.seed. (splitmix64) */
CLU_FN uint64_t clu_jitter(struct clu_loop *l)
{
    uint64_t z = l->jitter += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* For secrets and identities: from the random hook, a bufferful at a time. Bytes handed out are wiped from the buffer. */
CLU_FN int clu_random(struct clu_loop *l, void *data, size_t size)
{
    uint8_t *out = (uint8_t *)data;
    while (size) {
        size_t count = size < l->random_left ? size : l->random_left;
        if (!count) {
            int result = l->io.random(l->io.ctx, l->random, sizeof l->random);
            if (result < 0)
                return result;
            l->random_left = sizeof l->random;
            continue;
        }
        l->random_left -= count;
        memcpy(out, l->random + l->random_left, count);
        memset(l->random + l->random_left, 0, count);
        out += count;
        size -= count;
    }
    return 0;
}

/* ---- watches ---------------------------------------------------------- */

/* Where fd is in the sorted array, or would be. */
CLU_CALLED size_t clu_watch_place(const struct clu_loop *l, int fd)
{
    size_t low = 0, high = l->watch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->watches[middle].fd < fd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CLU_FN struct clu_descriptor *clu_watch_find(const struct clu_loop *l, int fd)
{
    size_t place = clu_watch_place(l, fd);
    return place < l->watch_count && l->watches[place].fd == fd ? &l->watches[place] : NULL;
}

CLU_FN struct clu_retired *clu_retired_find(const struct clu_loop *l, int fd)
{
    size_t i;
    for (i = 0; i < l->retired_count; i++)
        if (l->retired[i].fd == fd)
            return &l->retired[i];
    return NULL;
}

/* All that a later clu_close of one more descriptor needs is reserved here: closing never fails. */
CLU_FN int clu_watch_add(struct clu_loop *l, struct clu_watcher *owner, int fd, bool opened)
{
    size_t place = clu_watch_place(l, fd);
    struct clu_descriptor *w;
    if (l->watch_count >= l->watch_limit)
        return CLUSTER_E_LIMIT;
    if (!clu_reserve(&l->memory, &l->watches, &l->watch_capacity, l->watch_count + 1, sizeof *l->watches) ||
        !clu_reserve(&l->memory, &l->retired, &l->retired_capacity, l->retired_count + l->watch_count + 1, sizeof *l->retired))
        return CLUSTER_E_MEMORY;
    w = &l->watches[place];
    memmove(w + 1, w, (l->watch_count - place) * sizeof *w);
    memset(w, 0, sizeof *w);
    w->owner = owner;
    w->fd = fd;
    w->opened = opened;
    l->watch_count++;
    return 0;
}

/* Take fd out of the queue; `before` is the one in front of it, or NULL. */
CLU_FN void clu_pending_unlink(struct clu_loop *l, struct clu_descriptor *before, struct clu_descriptor *w)
{
    if (before)
        before->next = w->next;
    else
        l->pending_first = w->next;
    if (l->pending_last == w->fd)
        l->pending_last = before ? before->fd : -1;
    l->pending_count--;
    w->queued = false;
}

CLU_CALLED void clu_watch_fired(struct clu_loop *l, struct clu_descriptor *w, short revents)
{
    w->revents = (short)(w->revents | revents);
    if (w->queued)
        return;
    w->queued = true;
    w->next = -1;
    if (l->pending_count++)
        clu_watch_find(l, l->pending_last)->next = w->fd;
    else
        l->pending_first = w->fd;
    l->pending_last = w->fd;
}

CLU_FN void clu_watch_drop(struct clu_loop *l, struct clu_descriptor *w)
{
    size_t place = (size_t)(w - l->watches);
    if (w->queued) {
        struct clu_descriptor *before = NULL;
        int fd = l->pending_first;
        while (fd != w->fd) {
            before = clu_watch_find(l, fd);
            fd = before->next;
        }
        clu_pending_unlink(l, before, w);
    }
    if (w->events)
        l->generation++;
    l->watch_count--;
    memmove(w, w + 1, (l->watch_count - place) * sizeof *w);
}

/* An object, zeroed, and room for its timers; NULL: no memory. */
CLU_FN void *clu_timed_new(struct clu_loop *l, size_t size, size_t timers)
{
    void *object = clu_alloc_zero(&l->memory, size);
    if (object && clu_timers_reserve(&l->memory, &l->timers, timers))
        return object;
    clu_free(&l->memory, object, size);
    return NULL;
}

/* Ask for events on fd, for this owner. An fd that is not known yet is the owner's own. */
CLU_FN int clu_watch(struct clu_loop *l, struct clu_watcher *owner, int fd, int events)
{
    struct clu_descriptor *w;
    if (fd < 0 || (events & ~(POLLIN | POLLOUT)))
        return CLUSTER_E_INVALID;
    w = clu_watch_find(l, fd);
    if (!w) {
        int result;
        if (!events)
            return 0;
        if (clu_retired_find(l, fd))
            return CLUSTER_E_INVALID;
        result = clu_watch_add(l, owner, fd, false);
        if (result < 0)
            return result;
        w = clu_watch_find(l, fd);
    }
    if (w->owner != owner)
        return CLUSTER_E_EXISTS;
    if (w->events != (short)events) {
        w->events = (short)events;
        l->generation++;
    }
    if (!events && !w->opened)
        clu_watch_drop(l, w);
    return 0;
}

CLU_FN int clu_open(struct clu_loop *l, struct clu_watcher *owner, int kind, int family)
{
    int fd, result;
    if (l->retired_count >= CLU_RETIRED_MAX)
        return CLUSTER_E_AGAIN;
    if (l->watch_count >= l->watch_limit)
        return CLUSTER_E_LIMIT;
    fd = l->io.open(l->io.ctx, kind, family);
    if (fd < 0)
        return fd;
    result = clu_watch_add(l, owner, fd, true);
    if (result == 0)
        return fd;
    l->io.close(l->io.ctx, fd);
    return result;
}

/* Retire a descriptor: it is closed when the host no longer waits for it. */
CLU_FN int clu_close(struct clu_loop *l, struct clu_watcher *owner, int fd)
{
    struct clu_descriptor *w = clu_watch_find(l, fd);
    struct clu_retired *r;
    if (!w || w->owner != owner)
        return CLUSTER_E_NOT_FOUND;
    r = &l->retired[l->retired_count++];
    r->fd = fd;
    r->acknowledged = !w->seen;
    clu_watch_drop(l, w);
    return 0;
}

/* The end of an owner: retire what we opened for it, forget what it brought. */
CLU_FN void clu_close_all(struct clu_loop *l, struct clu_watcher *owner)
{
    size_t i = l->watch_count;
    while (i--) {
        struct clu_descriptor *w = &l->watches[i];
        if (w->owner != owner)
            continue;
        if (w->opened)
            (void)clu_close(l, owner, w->fd);
        else
            clu_watch_drop(l, w);
    }
}

/* ---- input and output ------------------------------------------------- */

/* One I/O call from the budget; when that is over, fd is remembered as not drained. */
CLU_FN bool clu_spend(struct clu_loop *l, int fd, short revents)
{
    struct clu_descriptor *w;
    if (l->budget_left) {
        l->budget_left--;
        return true;
    }
    w = clu_watch_find(l, fd);
    if (w)
        clu_watch_fired(l, w, revents);
    return false;
}

/* On a datagram socket to that address; on a stream to NULL, in the session `tls` of the host's hooks where there is one. */
CLU_CALLED int64_t clu_send_on(struct clu_loop *l, int fd, void *tls, const void *data, size_t size,
                               const struct cluster_address *to)
{
    int64_t sent;
    if (!clu_spend(l, fd, POLLOUT))
        return CLUSTER_E_AGAIN;
    sent = tls ? l->io.tls_send(l->io.ctx, tls, data, size) : l->io.send(l->io.ctx, fd, data, size, to);
    if (sent > 0) {
        l->counts.sent++;
        l->counts.sent_bytes += (uint64_t)sent;
    }
    return sent;
}

CLU_CALLED int64_t clu_recv_on(struct clu_loop *l, int fd, void *tls, void *data, size_t size, struct cluster_address *from)
{
    int64_t received;
    if (!clu_spend(l, fd, POLLIN))
        return CLUSTER_E_AGAIN;
    received = tls ? l->io.tls_recv(l->io.ctx, tls, data, size) : l->io.recv(l->io.ctx, fd, data, size, from);
    if (received > 0) {
        l->counts.received++;
        l->counts.received_bytes += (uint64_t)received;
    }
    return received;
}

CLU_FN int64_t clu_send(struct clu_loop *l, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    return clu_send_on(l, fd, NULL, data, size, to);
}

CLU_FN int64_t clu_recv(struct clu_loop *l, int fd, void *data, size_t size, struct cluster_address *from)
{
    return clu_recv_on(l, fd, NULL, data, size, from);
}

/* ---- connections ------------------------------------------------------ */

/* A socket that begins to connect: its descriptor, or an error, and then there is none. */
CLU_CALLED int clu_connect(struct clu_loop *l, struct clu_watcher *owner, int kind, const struct cluster_address *to)
{
    int fd = clu_open(l, owner, kind, to->family), result;
    if (fd < 0)
        return fd;
    result = l->io.connect(l->io.ctx, fd, to);
    if (result >= 0)
        return fd;
    (void)clu_close(l, owner, fd);
    return result;
}

#define CLU_BACKLOG 128

/* A socket that listens there; its descriptor. */
CLU_CALLED int clu_listen(struct clu_loop *l, struct clu_watcher *owner, const struct cluster_address *at)
{
    const struct cluster_io *io = &l->io;
    int fd = io->open(io->ctx, CLUSTER_TCP, at->family), result;
    if (fd < 0)
        return fd;
    result = io->bind(io->ctx, fd, at, CLUSTER_IO_RESTART);
    if (!result)
        result = io->listen(io->ctx, fd, CLU_BACKLOG);
    if (!result)
        result = clu_watch_add(l, owner, fd, true);
    if (!result)
        return fd;
    io->close(io->ctx, fd);
    return result;
}

/* Take those who connected, as long as there is somebody. What cannot be taken now, for want of descriptors or memory, waits
 * where it is, and is not asked for meanwhile: an error. */
CLU_FN int clu_accept(struct clu_loop *l, struct clu_watcher *owner, int fd,
                      int (*take)(struct clu_watcher *owner, int fd, const struct cluster_address *from))
{
    struct cluster_address from;
    int result = 0;
    while (result >= 0) {
        if (!clu_spend(l, fd, POLLIN))
            return 0;
        memset(&from, 0, sizeof from);
        result = l->retired_count < CLU_RETIRED_MAX ? l->io.accept(l->io.ctx, fd, &from) : CLUSTER_E_LIMIT;
        if (result == CLUSTER_E_AGAIN)
            return 0;
        if (result >= 0)
            result = take(owner, result, &from);
    }
    (void)clu_watch(l, owner, fd, 0);
    return result;
}

CLU_FN bool clu_tls_is_there(const struct cluster_io *io)
{
    return io->tls_start && io->tls_step && io->tls_recv && io->tls_send && io->tls_close;
}

/* TLS, once a stream is connected, up to the end of its handshake: for `server`, or NULL: whoever it is. 0: done;
 * CLUSTER_E_AGAIN: it waits, and that is watched. */
CLU_CALLED int clu_secure(struct clu_loop *l, struct clu_watcher *owner, int fd, void **tls, const char *server, const char *ca)
{
    int64_t result = 0;
    if (!*tls) {
        result = clu_send(l, fd, "", 0, NULL); /* says how connecting went */
        if (result >= 0)
            result = l->io.tls_start(l->io.ctx, fd, server, ca, tls);
    }
    if (!result)
        result = clu_spend(l, fd, POLLOUT) ? l->io.tls_step(l->io.ctx, *tls) : CLUSTER_E_AGAIN;
    if (result > 0) {
        (void)clu_watch(l, owner, fd, (int)result & (POLLIN | POLLOUT)); /* of what is ours already it cannot fail */
        result = CLUSTER_E_AGAIN;
    }
    return (int)result;
}

/* The end of a connection, if there is one. */
CLU_CALLED void clu_disconnect(struct clu_loop *l, struct clu_watcher *owner, int *fd, void **tls)
{
    if (*tls)
        l->io.tls_close(l->io.ctx, *tls);
    *tls = NULL;
    if (*fd >= 0)
        (void)clu_close(l, owner, *fd);
    *fd = -1;
}

/* ---- the step --------------------------------------------------------- */

CLU_FN void clu_loop_close_acknowledged(struct clu_loop *l)
{
    size_t i, kept = 0;
    for (i = 0; i < l->retired_count; i++) {
        if (l->retired[i].acknowledged)
            l->io.close(l->io.ctx, l->retired[i].fd);
        else
            l->retired[kept++] = l->retired[i];
    }
    l->retired_count = kept;
}

/* The host says that fd is no open descriptor: forget it, close nothing, tell its owner. */
CLU_FN void clu_loop_lost(struct clu_loop *l, int fd)
{
    struct clu_descriptor *w = clu_watch_find(l, fd);
    struct clu_retired *r = clu_retired_find(l, fd);
    if (w) {
        struct clu_watcher *owner = w->owner;
        clu_watch_drop(l, w);
        owner->ready(owner, fd, POLLNVAL);
    } else if (r) {
        *r = l->retired[--l->retired_count];
    }
}

CLU_FN void clu_loop_fired(struct clu_loop *l, const struct pollfd *ready, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        struct clu_descriptor *w;
        if (!ready[i].revents)
            continue;
        if (ready[i].revents & POLLNVAL) {
            clu_loop_lost(l, ready[i].fd);
            continue;
        }
        w = clu_watch_find(l, ready[i].fd);
        if (w)
            clu_watch_fired(l, w, ready[i].revents);
    }
}

/* Hand each fired descriptor to its owner, in order, while there is budget. What fires again meanwhile waits its turn. */
CLU_FN void clu_loop_dispatch(struct clu_loop *l)
{
    size_t rounds = l->pending_count;
    while (rounds-- && l->pending_count && l->budget_left) {
        struct clu_descriptor *w = clu_watch_find(l, l->pending_first);
        short revents = w->revents;
        clu_pending_unlink(l, NULL, w);
        w->revents = 0;
        w->owner->ready(w->owner, w->fd, revents);
    }
}

CLU_FN size_t clu_loop_watches(struct clu_loop *l, struct pollfd *out, size_t capacity)
{
    size_t i, total = 0;
    for (i = 0; i < l->watch_count; i++) {
        struct clu_descriptor *w = &l->watches[i];
        if (!w->events)
            continue;
        if (total < capacity) {
            out[total].fd = w->fd;
            out[total].events = w->events;
            out[total].revents = 0;
            w->seen = true;
        }
        total++;
    }
    for (i = 0; total <= capacity && i < l->retired_count; i++)
        l->retired[i].acknowledged = true;
    return total;
}

CLU_FN uint64_t clu_loop_deadline(const struct clu_loop *l)
{
    uint64_t next = l->kick ? 0 : l->pending_count ? l->now : clu_timers_next(&l->timers);
    size_t i;
    for (i = 0; i < l->retired_count; i++)
        if (l->retired[i].acknowledged)
            return clu_min_u64(next, clu_add_time(l->now, CLU_CLOSE_SLACK));
    return next;
}

CLU_FN void clu_loop_free(struct clu_loop *l)
{
    size_t i;
    for (i = 0; i < l->watch_count; i++)
        if (l->watches[i].opened)
            l->io.close(l->io.ctx, l->watches[i].fd);
    for (i = 0; i < l->retired_count; i++)
        l->io.close(l->io.ctx, l->retired[i].fd);
    clu_queue_free(&l->memory, &l->events);
    clu_free(&l->memory, l->watches, l->watch_capacity * sizeof *l->watches);
    clu_free(&l->memory, l->retired, l->retired_capacity * sizeof *l->retired);
    clu_free(&l->memory, l->timers.heap, l->timers.capacity * sizeof *l->timers.heap);
}

#endif
