/* On pselect(2): for hosts that have nothing else. It knows descriptors below FD_SETSIZE only, and to set a bit beyond that
 * writes outside the set: so each is looked at first. Signals are let through during the call alone.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/select.c && ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#include "watch.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

int main(int argc, char **argv)
{
    struct pollfd fds[FD_SETSIZE];
    struct sigaction action;
    struct watch w;
    sigset_t blocked, open;
    int status = watch_open(&w, argc, argv);
    if (status)
        return status;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (;;) {
        struct timespec timeout;
        fd_set in, out;
        size_t n, i;
        int ms, top = -1;
        watch_print(&w);
        if (w.done || ended)
            break;
        n = cluster_watches(w.cluster, fds, FD_SETSIZE);
        FD_ZERO(&in);
        FD_ZERO(&out);
        for (i = 0; i < n && i < FD_SETSIZE && fds[i].fd < FD_SETSIZE; i++) {
            if (fds[i].events & POLLIN)
                FD_SET(fds[i].fd, &in);
            if (fds[i].events & POLLOUT)
                FD_SET(fds[i].fd, &out);
            top = fds[i].fd > top ? fds[i].fd : top;
        }
        if (i < n) {
            watch_fail(&w, "a descriptor is beyond FD_SETSIZE: use poll, or set options.limit_watches");
            break;
        }
        ms = cluster_timeout_ms(w.cluster, cluster_now());
        timeout.tv_sec = ms / 1000;
        timeout.tv_nsec = ms % 1000 * 1000000L;
        if (pselect(top + 1, &in, &out, NULL, ms < 0 ? NULL : &timeout, &open) < 0) {
            if (errno != EINTR) {
                watch_fail(&w, "select failed");
                break;
            }
            FD_ZERO(&in); /* after an error the sets say nothing */
            FD_ZERO(&out);
        }
        for (i = 0; i < n; i++)
            fds[i].revents = (short)((FD_ISSET(fds[i].fd, &in) ? POLLIN : 0) | (FD_ISSET(fds[i].fd, &out) ? POLLOUT : 0));
        cluster_step(w.cluster, cluster_now(), fds, n);
    }
    return watch_close(&w);
}
