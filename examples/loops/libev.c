/* On libev: an ev_io for each descriptor, one timer.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/libev.c -lev && ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#define EV_COMPAT3 0
#include "set.h"
#include <ev.h>
#include <signal.h>

struct ev_watch {
    struct watch w;
    struct ev_loop *loop;
    ev_timer timer;
};

static void proceed(struct ev_watch *loop);

static void on_ready(struct ev_loop *l, ev_io *io, int events)
{
    struct ev_watch *loop = (struct ev_watch *)io->data;
    struct pollfd ready;
    (void)l;
    ready.fd = io->fd;
    ready.events = 0;
    ready.revents = (short)((events & EV_READ ? POLLIN : 0) | (events & EV_WRITE ? POLLOUT : 0));
    if (events & EV_ERROR) /* somebody else closed it */
        ready.revents = POLLNVAL;
    cluster_step(loop->w.cluster, cluster_now(), &ready, 1);
    proceed(loop); /* may free io */
}

static void on_timer(struct ev_loop *l, ev_timer *timer, int events)
{
    struct ev_watch *loop = (struct ev_watch *)timer->data;
    (void)l, (void)events;
    cluster_step(loop->w.cluster, cluster_now(), NULL, 0);
    proceed(loop);
}

static void on_signal(struct ev_loop *l, ev_signal *handle, int events)
{
    struct ev_watch *loop = (struct ev_watch *)handle->data;
    (void)events;
    loop->w.done = 1;
    ev_break(l, EVBREAK_ALL);
}

/* ev_io_stop also clears what is pending, so that the memory may go at once. */
static void change(struct watch *w, int fd, int was, int is)
{
    struct ev_watch *loop = (struct ev_watch *)w;
    void **slot = watch_slot(w, fd);
    ev_io *io;
    if (!slot)
        return;
    io = was ? (ev_io *)*slot : (ev_io *)calloc(1, sizeof *io);
    *slot = io;
    if (!io) {
        watch_fail(w, "no memory");
        return;
    }
    if (was)
        ev_io_stop(loop->loop, io);
    if (!is) {
        free(io);
        *slot = NULL;
        return;
    }
    ev_io_init(io, on_ready, fd, (is & POLLIN ? EV_READ : 0) | (is & POLLOUT ? EV_WRITE : 0));
    io->data = loop;
    ev_io_start(loop->loop, io);
}

/* After each step: print, bring the set up to date, and set the timer. */
static void proceed(struct ev_watch *loop)
{
    int ms;
    watch_print(&loop->w);
    watch_update(&loop->w, change);
    ms = cluster_timeout_ms(loop->w.cluster, cluster_now());
    ev_timer_stop(loop->loop, &loop->timer);
    if (ms >= 0) {
        ev_now_update(loop->loop);
        ev_timer_set(&loop->timer, ms / 1000.0, 0.0);
        ev_timer_start(loop->loop, &loop->timer);
    }
    if (loop->w.done)
        ev_break(loop->loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
    struct ev_watch loop;
    ev_signal interrupt, terminate;
    size_t i;
    int status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    loop.loop = ev_loop_new(EVFLAG_AUTO);
    if (!loop.loop)
        return watch_refuse(&loop.w, "libev cannot start: are there too many descriptors?");
    ev_timer_init(&loop.timer, on_timer, 0.0, 0.0);
    ev_signal_init(&interrupt, on_signal, SIGINT);
    ev_signal_init(&terminate, on_signal, SIGTERM);
    loop.timer.data = interrupt.data = terminate.data = &loop;
    ev_signal_start(loop.loop, &interrupt);
    ev_signal_start(loop.loop, &terminate);
    proceed(&loop);
    if (!loop.w.done)
        ev_run(loop.loop, 0);
    for (i = 0; i < loop.w.count; i++)
        change(&loop.w, loop.w.set[i].fd, loop.w.set[i].events, 0);
    ev_loop_destroy(loop.loop);
    return watch_close(&loop.w);
}
