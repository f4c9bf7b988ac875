/*
 * Signals and the loop.
 */
#ifndef CLUSTERCTL_LOOP_H
#define CLUSTERCTL_LOOP_H

#include "terminal.h"

static volatile sig_atomic_t signal_end;     /* the signal that asks us to end */
static volatile sig_atomic_t signal_resized; /* the terminal has a new size */
static volatile sig_atomic_t signal_suspend; /* Ctrl-Z */
static int signal_pipe[2] = {-1, -1};        /* wakes poll(2), also when the signal came just before it */

static void on_signal(int number)
{
    int saved = errno;
    if (number == SIGWINCH)
        signal_resized = 1;
    else if (number == SIGTSTP)
        signal_suspend = 1;
    else
        signal_end = number;
    if (write(signal_pipe[1], "", 1) < 0)
        errno = 0; /* full: poll wakes anyway */
    errno = saved;
}

static void signal_catch(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = handler;
    sigaction(number, &action, NULL);
}

static bool pipe_make(int ends[2])
{
    if (pipe(ends) < 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return true;
}

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};

/* From here on these end the program in good order, unless we were started without them, as nohup does. What exec(2) starts in
 * our place finds them as we did: it takes a caught signal back to its default. */
static int signals_begin(void)
{
    size_t i;
    if (!pipe_make(signal_pipe))
        return fail(FAILED, "no pipe for signals (%s): raise the limit on open files (ulimit -n)", strerror(errno));
    fcntl(signal_pipe[0], F_SETFL, O_NONBLOCK);
    fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
    for (i = 0; i < COUNT(ending_signals); i++) {
        struct sigaction found;
        if (sigaction(ending_signals[i], NULL, &found) == 0 && found.sa_handler != SIG_IGN)
            signal_catch(ending_signals[i], on_signal);
    }
    return DONE;
}

/* Around fork(2): a signal to the child must not run a handler that it has from us. */
static void signals_hold(bool on)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(on ? SIG_BLOCK : SIG_UNBLOCK, &all, NULL);
}

static void signal_pipe_drain(void)
{
    char bytes[64];
    while (read(signal_pipe[0], bytes, sizeof bytes) > 0)
        continue;
}

/* A handle, its watches, and one descriptor of ours beside them. */
struct loop {
    struct cluster *c;
    int fd; /* ours: the signal pipe, or a demo node's commands */
    struct pollfd *fds;
    size_t capacity;
};

static void loop_begin(struct loop *l, struct cluster *c, int fd)
{
    l->c = c;
    l->fd = fd;
    l->capacity = 8;
    l->fds = (struct pollfd *)grow(NULL, (l->capacity + 1) * sizeof *l->fds);
}

static void loop_end(struct loop *l)
{
    cluster_destroy(l->c);
    free(l->fds);
    l->c = NULL;
    l->fds = NULL;
}

/* Sleep until something happens or `until` (absolute; CLUSTER_NEVER: no end), then one step. Says whether our own
 * descriptor is ready. */
static bool loop_turn(struct loop *l, uint64_t until)
{
    uint64_t now;
    size_t count;
    int timeout;
    while ((count = cluster_watches(l->c, l->fds + 1, l->capacity)) > l->capacity) {
        l->capacity = count + count / 2;
        l->fds = (struct pollfd *)grow(l->fds, (l->capacity + 1) * sizeof *l->fds);
    }
    l->fds[0].fd = l->fd;
    l->fds[0].events = POLLIN;
    l->fds[0].revents = 0;
    now = cluster_now();
    timeout = cluster_timeout_ms(l->c, now);
    if (until != CLUSTER_NEVER) {
        uint64_t left = until > now ? (until - now + MILLISECOND - 1) / MILLISECOND : 0;
        if (timeout < 0 || (uint64_t)timeout > left)
            timeout = left > 3600000 ? 3600000 : (int)left;
    }
    if (poll(l->fds, (nfds_t)(count + 1), timeout) < 0) {
        size_t i;
        for (i = 0; i <= count; i++) /* interrupted: nothing is known */
            l->fds[i].revents = 0;
    }
    cluster_step(l->c, cluster_now(), l->fds + 1, count);
    return l->fds[0].revents != 0;
}

#endif
