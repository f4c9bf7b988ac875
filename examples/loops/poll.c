/* On poll(2): the set is passed with every call, so there is nothing to keep. A signal writes to a pipe that is in the set.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/poll.c && ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#include "watch.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int wake[2];

static void on_signal(int number)
{
    int saved = errno;
    (void)number;
    (void)!write(wake[1], "", 1);
    errno = saved;
}

/* The pipe never blocks and is no child's. */
static int open_pipe(void)
{
    struct sigaction action;
    int i;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    if (pipe(wake) < 0)
        return -1;
    for (i = 0; i < 2; i++)
        if (fcntl(wake[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(wake[i], F_SETFD, FD_CLOEXEC) < 0)
            return -1;
    return sigaction(SIGINT, &action, NULL) < 0 ? -1 : sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    struct watch w;
    struct pollfd *fds = NULL;
    size_t capacity = 0, n = 0;
    int status = watch_open(&w, argc, argv);
    if (status)
        return status;
    if (open_pipe() < 0)
        watch_fail(&w, "no pipe can be opened: are there too many descriptors?");
    for (;;) {
        watch_print(&w);
        if (w.done)
            break;
        /* ours is the first entry, those of the library come after it */
        while (!fds || (n = cluster_watches(w.cluster, fds + 1, capacity)) > capacity) {
            capacity = fds ? n : 4;
            free(fds);
            fds = (struct pollfd *)malloc((1 + capacity) * sizeof *fds);
            if (!fds) {
                watch_fail(&w, "no memory");
                return watch_close(&w);
            }
        }
        fds[0].fd = wake[0];
        fds[0].events = POLLIN;
        fds[0].revents = 0;
        if (poll(fds, (nfds_t)(1 + n), cluster_timeout_ms(w.cluster, cluster_now())) < 0 && errno != EINTR)
            watch_fail(&w, "poll failed: are there more descriptors than RLIMIT_NOFILE?");
        if (fds[0].revents)
            w.done = 1;
        cluster_step(w.cluster, cluster_now(), fds + 1, n);
    }
    free(fds);
    close(wake[0]);
    close(wake[1]);
    return watch_close(&w);
}
