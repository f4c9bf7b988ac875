/* On libevent: a persistent event for each descriptor, one timer.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/libevent.c $(pkg-config --cflags --libs libevent_core)
 *     ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#include "set.h"
#include <event2/event.h>
#include <signal.h>

struct event_watch {
    struct watch w;
    struct event_base *base;
    struct event *timer;
};

static void proceed(struct event_watch *loop);

/* A descriptor is ready, or with fd -1 the time is over. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct event_watch *loop = (struct event_watch *)arg;
    struct pollfd ready;
    ready.fd = fd;
    ready.events = 0;
    ready.revents = (short)((what & EV_READ ? POLLIN : 0) | (what & EV_WRITE ? POLLOUT : 0));
    cluster_step(loop->w.cluster, cluster_now(), &ready, fd >= 0);
    proceed(loop);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct event_watch *loop = (struct event_watch *)arg;
    (void)number, (void)what;
    loop->w.done = 1;
    event_base_loopbreak(loop->base);
}

/* libevent has no way to alter an event that is pending: a new one takes its place. */
static void change(struct watch *w, int fd, int was, int is)
{
    struct event_watch *loop = (struct event_watch *)w;
    void **slot = watch_slot(w, fd);
    (void)was;
    if (!slot)
        return;
    if (*slot)
        event_free((struct event *)*slot); /* takes it out first, also of the list of those that fired */
    *slot = NULL;
    if (is) {
        short what = (short)(EV_PERSIST | (is & POLLIN ? EV_READ : 0) | (is & POLLOUT ? EV_WRITE : 0));
        *slot = event_new(loop->base, fd, what, on_ready, loop);
        if (!*slot || event_add((struct event *)*slot, NULL) < 0)
            watch_fail(w, "a descriptor cannot be watched");
    }
}

/* After each step: print, bring the set up to date, and set the timer. */
static void proceed(struct event_watch *loop)
{
    struct timeval timeout;
    int ms;
    watch_print(&loop->w);
    watch_update(&loop->w, change);
    ms = cluster_timeout_ms(loop->w.cluster, cluster_now());
    timeout.tv_sec = ms / 1000;
    timeout.tv_usec = ms % 1000 * 1000;
    if (ms < 0)
        event_del(loop->timer);
    else
        event_add(loop->timer, &timeout);
    if (loop->w.done)
        event_base_loopbreak(loop->base);
}

int main(int argc, char **argv)
{
    struct event_watch loop;
    struct event *interrupt, *terminate;
    size_t i;
    int status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    loop.base = event_base_new();
    if (!loop.base)
        return watch_refuse(&loop.w, "libevent cannot start: are there too many descriptors?");
    loop.timer = event_new(loop.base, -1, 0, on_ready, &loop);
    interrupt = evsignal_new(loop.base, SIGINT, on_signal, &loop);
    terminate = evsignal_new(loop.base, SIGTERM, on_signal, &loop);
    if (!loop.timer || !interrupt || !terminate || event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0)
        watch_fail(&loop.w, "no memory");
    else
        proceed(&loop);
    if (!loop.w.done)
        event_base_dispatch(loop.base);
    for (i = 0; i < loop.w.count; i++)
        change(&loop.w, loop.w.set[i].fd, loop.w.set[i].events, 0);
    if (loop.timer)
        event_free(loop.timer);
    if (interrupt)
        event_free(interrupt);
    if (terminate)
        event_free(terminate);
    event_base_free(loop.base);
    return watch_close(&loop.w);
}
