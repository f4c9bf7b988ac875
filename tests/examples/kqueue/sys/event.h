/* kqueue(2) as far as examples/loops/kqueue.c uses it, on epoll and signalfd: so that the example is compiled and run on Linux too.
 * Like the real one it is edge-triggered, has a filter for each direction, and refuses to end what was not begun. */
#ifndef TESTS_KQUEUE_EVENT_H
#define TESTS_KQUEUE_EVENT_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_SIGNAL (-6)
#define EV_ADD 0x1
#define EV_DELETE 0x2
#define EV_CLEAR 0x20

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    intptr_t data;
    void *udata;
};

#define EV_SET(e, i, f, fl, ff, d, u)                                                                                          \
    ((e)->ident = (i), (e)->filter = (f), (e)->flags = (fl), (e)->fflags = (ff), (e)->data = (d), (e)->udata = (u))

static uint32_t kqueue_registered[1024]; /* by descriptor: EPOLLIN, EPOLLOUT */
static int kqueue_signals[64];           /* the signalfd of a signal, 0: none */

static inline int kqueue(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

static inline int kqueue_change(int kq, const struct kevent *change)
{
    struct epoll_event event;
    int fd = (int)change->ident;
    uint32_t bit = change->filter == EVFILT_WRITE ? EPOLLOUT : EPOLLIN, was;
    memset(&event, 0, sizeof event);
    if (change->filter == EVFILT_SIGNAL) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, fd);
        sigprocmask(SIG_BLOCK, &set, NULL);
        event.data.u64 = (uint64_t)1 << 32 | (uint32_t)fd;
        fd = kqueue_signals[fd] = signalfd(-1, &set, SFD_CLOEXEC);
    } else {
        event.data.u64 = (uint32_t)fd;
    }
    was = kqueue_registered[fd];
    if (change->flags & EV_DELETE && !(was & bit)) {
        errno = ENOENT;
        return -1;
    }
    kqueue_registered[fd] = change->flags & EV_DELETE ? was & ~bit : was | bit;
    event.events = EPOLLET | kqueue_registered[fd];
    return epoll_ctl(kq, !was ? EPOLL_CTL_ADD : kqueue_registered[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, &event);
}

static inline int kevent(int kq, const struct kevent *changes, int change_count, struct kevent *out, int capacity,
                         const struct timespec *timeout)
{
    struct epoll_event fired[32];
    int i, n = 0, count;
    for (i = 0; i < change_count; i++)
        if (kqueue_change(kq, &changes[i]) < 0)
            return -1;
    if (!capacity)
        return 0;
    count = epoll_wait(kq, fired, capacity / 2 < 32 ? capacity / 2 : 32,
                       timeout ? (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000) : -1);
    if (count < 0)
        return -1;
    for (i = 0; i < count; i++) {
        uintptr_t ident = (uintptr_t)(fired[i].data.u64 & UINT32_MAX);
        uint32_t on = fired[i].events, has;
        if (fired[i].data.u64 >> 32) {
            EV_SET(&out[n], ident, EVFILT_SIGNAL, 0, 0, 1, NULL);
            n++;
            continue;
        }
        has = kqueue_registered[ident];
        if (has & EPOLLIN && on & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            EV_SET(&out[n], ident, EVFILT_READ, 0, 0, 0, NULL);
            n++;
        }
        if (has & EPOLLOUT && on & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
            EV_SET(&out[n], ident, EVFILT_WRITE, 0, 0, 0, NULL);
            n++;
        }
    }
    return n;
}

#endif
