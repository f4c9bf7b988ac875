/* On io_uring with liburing: a poll request for each descriptor, which is used up when it fires and asked for again. A request
 * holds its socket open, so it is taken back before the next step may close that. What still comes of it is known by its number.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/io_uring.c $(pkg-config --cflags --libs liburing)
 */
#define _GNU_SOURCE
#include "set.h"
#include <errno.h>
#include <liburing.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FIRED 64
#define OF_SIGNALS 1 /* the request for the signalfd; those of others are above 2^32, those of no interest are 0 */

struct ring_watch {
    struct watch w;
    struct io_uring ring;
    uint32_t last; /* the number of the request made last */
};

static struct io_uring_sqe *request(struct ring_watch *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    if (!sqe) { /* the queue is full: hand it over */
        io_uring_submit(&loop->ring);
        sqe = io_uring_get_sqe(&loop->ring);
    }
    if (!sqe)
        watch_fail(&loop->w, "io_uring takes no more requests");
    return sqe;
}

/* Take the request back; rearm makes the new one. */
static void change(struct watch *w, int fd, int was, int is)
{
    void **slot = watch_slot(w, fd);
    struct io_uring_sqe *sqe;
    (void)was, (void)is;
    if (!slot || !*slot || !(sqe = request((struct ring_watch *)w)))
        return;
    io_uring_prep_poll_remove(sqe, (uint64_t)(uintptr_t)*slot << 32 | (uint32_t)fd);
    sqe->user_data = 0;
    *slot = NULL;
}

static void rearm(struct ring_watch *loop)
{
    size_t i;
    for (i = 0; i < loop->w.count; i++) {
        int fd = loop->w.set[i].fd;
        void **slot = watch_slot(&loop->w, fd);
        struct io_uring_sqe *sqe;
        if (!slot || *slot || !(sqe = request(loop)))
            continue;
        loop->last += loop->last == UINT32_MAX ? 2u : 1u; /* never 0 */
        io_uring_prep_poll_add(sqe, fd, (unsigned)loop->w.set[i].events);
        sqe->user_data = (uint64_t)loop->last << 32 | (uint32_t)fd;
        *slot = (void *)(uintptr_t)loop->last;
    }
}

/* The completion as poll(2) would say it; 0 when it is of a request that was taken back. */
static int fired(struct ring_watch *loop, const struct io_uring_cqe *cqe, struct pollfd *ready)
{
    uint64_t number = cqe->user_data >> 32;
    ready->fd = (int)(cqe->user_data & UINT32_MAX);
    ready->events = 0;
    ready->revents = (short)(cqe->res < 0 ? POLLIN | POLLOUT : cqe->res);
    loop->w.done |= cqe->user_data == OF_SIGNALS;
    if (!number || ready->fd < 0 || (size_t)ready->fd >= loop->w.slot_count || (uintptr_t)loop->w.slots[ready->fd] != number)
        return 0;
    loop->w.slots[ready->fd] = NULL;
    return 1;
}

int main(int argc, char **argv)
{
    struct ring_watch loop;
    struct io_uring_sqe *sqe;
    sigset_t set;
    int signals, status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    loop.last = 0;
    if (signals < 0 || io_uring_queue_init(256, &loop.ring, 0) < 0)
        return watch_refuse(&loop.w, "there is no io_uring: see kernel.io_uring_disabled, or take epoll.c");
    sqe = io_uring_get_sqe(&loop.ring);
    io_uring_prep_poll_add(sqe, signals, POLLIN);
    sqe->user_data = OF_SIGNALS;
    for (;;) {
        struct pollfd ready[FIRED];
        struct io_uring_cqe *cqe;
        struct __kernel_timespec timeout;
        int ms, n = 0;
        watch_print(&loop.w);
        watch_update(&loop.w, change);
        rearm(&loop);
        if (loop.w.done)
            break;
        ms = cluster_timeout_ms(loop.w.cluster, cluster_now());
        timeout.tv_sec = ms / 1000;
        timeout.tv_nsec = ms % 1000 * 1000000L;
        io_uring_submit_and_wait_timeout(&loop.ring, &cqe, 1, ms < 0 ? NULL : &timeout, NULL);
        while (n < FIRED && io_uring_peek_cqe(&loop.ring, &cqe) == 0) {
            n += fired(&loop, cqe, &ready[n]);
            io_uring_cqe_seen(&loop.ring, cqe);
        }
        cluster_step(loop.w.cluster, cluster_now(), ready, (size_t)n);
    }
    io_uring_queue_exit(&loop.ring);
    close(signals);
    return watch_close(&loop.w);
}
