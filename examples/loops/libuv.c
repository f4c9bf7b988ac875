/* On libuv: a uv_poll_t for each descriptor, one timer. uv_close takes the descriptor out at once; the memory goes later.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/libuv.c $(pkg-config --cflags --libs libuv)
 */
#define _DEFAULT_SOURCE
#include "set.h"
#include <uv.h>

struct uv_watch {
    struct watch w;
    uv_timer_t timer;
    uv_signal_t signals[2];
};

struct poll_of_one {
    uv_poll_t poll; /* comes first */
    int fd, events;
};

static void step(struct uv_watch *loop, const struct pollfd *ready);

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct poll_of_one *p = (struct poll_of_one *)poll;
    struct pollfd ready;
    ready.fd = p->fd;
    ready.events = 0;
    ready.revents = (short)((events & UV_READABLE ? POLLIN : 0) | (events & UV_WRITABLE ? POLLOUT : 0));
    if (status < 0) { /* an error of the socket: libuv has stopped the handle, but whether it is lost the library knows */
        ready.revents = POLLIN | POLLOUT;
        uv_poll_start(poll, p->events, on_ready);
    }
    step((struct uv_watch *)poll->data, &ready); /* may close the handle */
}

static void on_timer(uv_timer_t *timer)
{
    step((struct uv_watch *)timer->data, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    ((struct uv_watch *)handle->data)->w.done = number;
    step((struct uv_watch *)handle->data, NULL);
}

static void change(struct watch *w, int fd, int was, int is)
{
    void **slot = watch_slot(w, fd);
    struct poll_of_one *p = slot ? (struct poll_of_one *)*slot : NULL;
    if (slot && !is) {
        uv_close((uv_handle_t *)&p->poll, on_closed);
        *slot = NULL;
    }
    if (!slot || !is)
        return;
    if (!was) {
        p = (struct poll_of_one *)malloc(sizeof *p);
        if (!p || uv_poll_init(uv_default_loop(), &p->poll, fd) < 0) {
            watch_fail(w, "a descriptor cannot be watched");
            free(p);
            return;
        }
        p->poll.data = w;
        p->fd = fd;
        *slot = p;
    }
    p->events = (is & POLLIN ? UV_READABLE : 0) | (is & POLLOUT ? UV_WRITABLE : 0);
    uv_poll_start(&p->poll, p->events, on_ready);
}

/* Step, print, bring the set up to date, and set the timer. */
static void step(struct uv_watch *loop, const struct pollfd *ready)
{
    int ms;
    cluster_step(loop->w.cluster, cluster_now(), ready, ready != NULL);
    watch_print(&loop->w);
    watch_update(&loop->w, change);
    ms = cluster_timeout_ms(loop->w.cluster, cluster_now());
    uv_update_time(uv_default_loop());
    uv_timer_stop(&loop->timer);
    if (ms >= 0) /* with 0 a timer that starts itself again would leave libuv no time to look at descriptors */
        uv_timer_start(&loop->timer, on_timer, ms > 0 ? (uint64_t)ms : 1, 0);
    if (loop->w.done)
        uv_stop(uv_default_loop());
}

static void close_each(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, handle->type == UV_POLL ? on_closed : NULL);
}

int main(int argc, char **argv)
{
    struct uv_watch loop;
    int i, status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    if (!uv_default_loop())
        return watch_refuse(&loop.w, "libuv cannot start: are there too many descriptors?");
    uv_timer_init(uv_default_loop(), &loop.timer);
    for (i = 0; i < 2; i++) {
        uv_signal_init(uv_default_loop(), &loop.signals[i]);
        loop.signals[i].data = loop.timer.data = &loop;
        uv_signal_start(&loop.signals[i], on_signal, i ? SIGTERM : SIGINT);
    }
    step(&loop, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_walk(uv_default_loop(), close_each, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    return watch_close(&loop.w);
}
