/* On kqueue(2), edge-triggered (EV_CLEAR), for the BSDs and macOS: a filter for each direction of a descriptor, and one for each
 * signal. What changed goes to the kernel at once, so that it has gone before the next step closes anything.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/kqueue.c && ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#include "set.h"
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#if !defined(__linux__) || defined(KQUEUE_HERE)
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

#define FIRED 64

struct kqueue_watch {
    struct watch w;
    int kqueue;
};

static void filter(struct watch *w, int ident, short which, int on)
{
    struct kqueue_watch *loop = (struct kqueue_watch *)w;
    struct kevent event;
    EV_SET(&event, (uintptr_t)ident, which, on ? EV_ADD | EV_CLEAR : EV_DELETE, 0, 0, NULL);
    if (kevent(loop->kqueue, &event, 1, NULL, 0, NULL) < 0)
        watch_fail(w, "kevent failed");
}

static void change(struct watch *w, int fd, int was, int is)
{
    if ((was ^ is) & POLLIN)
        filter(w, fd, EVFILT_READ, is & POLLIN);
    if ((was ^ is) & POLLOUT)
        filter(w, fd, EVFILT_WRITE, is & POLLOUT);
}

int main(int argc, char **argv)
{
    struct kevent fired[FIRED];
    struct pollfd ready[FIRED];
    struct kqueue_watch loop;
    int status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    loop.kqueue = kqueue();
    if (loop.kqueue < 0)
        return watch_refuse(&loop.w, "no kqueue can be opened: are there too many descriptors?");
    signal(SIGINT, SIG_IGN); /* the filters see them all the same */
    signal(SIGTERM, SIG_IGN);
    filter(&loop.w, SIGINT, EVFILT_SIGNAL, 1);
    filter(&loop.w, SIGTERM, EVFILT_SIGNAL, 1);
    for (;;) {
        struct timespec timeout;
        int count, ms, i, n = 0;
        watch_print(&loop.w);
        if (!loop.w.done)
            watch_update(&loop.w, change);
        if (loop.w.done)
            break;
        ms = cluster_timeout_ms(loop.w.cluster, cluster_now());
        timeout.tv_sec = ms / 1000;
        timeout.tv_nsec = ms % 1000 * 1000000L;
        count = kevent(loop.kqueue, NULL, 0, fired, FIRED, ms < 0 ? NULL : &timeout);
        if (count < 0 && errno != EINTR)
            watch_fail(&loop.w, "kevent failed");
        for (i = 0; i < count; i++) {
            if (fired[i].filter == EVFILT_SIGNAL) {
                loop.w.done = 1;
                continue;
            }
            ready[n].fd = (int)fired[i].ident;
            ready[n].events = 0;
            ready[n].revents = fired[i].filter == EVFILT_READ ? POLLIN : POLLOUT;
            n++;
        }
        cluster_step(loop.w.cluster, cluster_now(), ready, (size_t)n);
    }
    close(loop.kqueue);
    return watch_close(&loop.w);
}

#else

int main(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "%s: this system has no kqueue: take epoll.c\n", argv[0]);
    return 3;
}

#endif
