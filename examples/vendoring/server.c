/* A small server with an epoll loop of its own, as it was before it knew of cluster.h: it answers `ping` with `pong`, a line at a time.
 * docs/vendoring.md shows the diff that lets it say who its peers are.
 *
 *     cc -std=c99 -D_GNU_SOURCE -o server examples/vendoring/server.c && ./server 7000
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int loop;

static void watch(int fd)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void say(int fd, const char *text)
{
    (void)!write(fd, text, strlen(text));
}

/* A line of a client; lines are short enough to come in one piece. */
static void serve(int fd)
{
    char line[256];
    ssize_t size = read(fd, line, sizeof line - 1);
    if (size <= 0) {
        close(fd); /* epoll forgets it */
        return;
    }
    line[size] = '\0';
    if (strncmp(line, "ping", 4) == 0)
        say(fd, "pong\n");
    else
        say(fd, "what?\n");
}

static int listen_on(int port)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7000);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || loop < 0) {
        fprintf(stderr, "server: %s\n", strerror(errno));
        return 3;
    }
    watch(listener);
    for (;;) {
        int i, count = epoll_wait(loop, events, 64, -1);
        for (i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                watch(accept(listener, NULL, NULL));
            else
                serve(fd);
        }
    }
}
