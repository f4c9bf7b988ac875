/* On epoll(7), edge-triggered: the set stays registered, and only what changed is told to the kernel. An edge that is not used up
 * within the step's budget is remembered by the library, whose deadline then is now. Signals come through a signalfd.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/epoll.c && ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#include "set.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FIRED 64

struct epoll_watch {
    struct watch w;
    int epoll;
};

static void change(struct watch *w, int fd, int was, int is)
{
    struct epoll_watch *loop = (struct epoll_watch *)w;
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = EPOLLET | (is & POLLIN ? EPOLLIN : 0u) | (is & POLLOUT ? EPOLLOUT : 0u);
    event.data.fd = fd;
    if (epoll_ctl(loop->epoll, !was ? EPOLL_CTL_ADD : is ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, &event) < 0)
        watch_fail(w, "epoll_ctl failed: is fs.epoll.max_user_watches reached?");
}

/* A descriptor that says when one of the two signals came, registered; -1 with errno. */
static int open_signals(int epoll)
{
    struct epoll_event event;
    sigset_t set;
    int fd;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = fd;
    return fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
    struct epoll_event fired[FIRED];
    struct pollfd ready[FIRED];
    struct epoll_watch loop;
    int signals, status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    signals = open_signals(loop.epoll);
    if (signals < 0)
        watch_fail(&loop.w, "no epoll or signalfd can be opened: are there too many descriptors?");
    for (;;) {
        int count, i, n = 0;
        watch_print(&loop.w);
        if (!loop.w.done)
            watch_update(&loop.w, change);
        if (loop.w.done)
            break;
        count = epoll_wait(loop.epoll, fired, FIRED, cluster_timeout_ms(loop.w.cluster, cluster_now()));
        if (count < 0 && errno != EINTR)
            watch_fail(&loop.w, "epoll_wait failed");
        for (i = 0; i < count; i++) {
            if (fired[i].data.fd == signals) {
                loop.w.done = 1;
                continue;
            }
            ready[n].fd = fired[i].data.fd;
            ready[n].events = 0;
            ready[n].revents = (short)((fired[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? POLLIN : 0) |
                                       (fired[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? POLLOUT : 0));
            n++;
        }
        cluster_step(loop.w.cluster, cluster_now(), ready, (size_t)n);
    }
    close(signals);
    close(loop.epoll);
    return watch_close(&loop.w);
}
