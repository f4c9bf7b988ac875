/*
 * A program with a transport of its own, here lines of text over TCP. The library finds the others, says whom to connect to, and says
 * it again when that failed (connect=host); the program makes the connections and reports what became of them.
 *
 *     cc -std=c99 -o own_transport examples/own_transport.c
 *     ./own_transport a@127.0.0.1 9101 'static:b@127.0.0.1?port=9102'
 *     ./own_transport b@127.0.0.1 9102 'static:a@127.0.0.1?port=9101'       (in another terminal)
 *
 * It prints `up NODE` and `down NODE why`; what is typed goes to all that are up. Of two nodes the one whose name comes first connects,
 * so that there is one connection and not two: the other one reports that it ignores the wish, and that it is up when it is called.
 */
#define CLUSTER_IMPLEMENTATION
#include "../cluster.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRES 64

struct wire {
    int fd; /* -1: this place is free */
    int ours, connecting, up;
    char name[256]; /* of the other node; of one that calls us not known yet */
    char line[512]; /* what came of the next line */
    size_t length;
};

static struct wire wires[WIRES];
static struct cluster *c;
static const char *own;

static int report(const char *name, int outcome, int error)
{
    int result = cluster_report(c, name, outcome, error);
    if (result < 0)
        fprintf(stderr, "own_transport: %s\n", cluster_last_error(c));
    return result;
}

static void hang_up(struct wire *w)
{
    close(w->fd);
    w->fd = -1;
}

/* It has ended: the library hears of it, unless nobody waits for it. */
static void ended(struct wire *w, int error)
{
    hang_up(w);
    if (w->up || w->ours)
        report(w->name, w->up ? CLUSTER_REPORT_DOWN : CLUSTER_REPORT_FAILED, error);
}

static struct wire *wire_to(const char *name)
{
    int i;
    for (i = 0; i < WIRES; i++)
        if (wires[i].fd >= 0 && !strcmp(wires[i].name, name))
            return &wires[i];
    return NULL;
}

static struct wire *wire_new(int fd)
{
    struct wire *w = wires;
    while (w < wires + WIRES && w->fd >= 0)
        w++;
    if (w == wires + WIRES || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return NULL;
    }
    memset(w, 0, sizeof *w);
    w->fd = fd;
    return w;
}

static void say(struct wire *w, const char *text)
{
    /* A line fits into an empty socket buffer; a program that says more has a queue, and waits for POLLOUT. */
    if (send(w->fd, text, strlen(text), MSG_NOSIGNAL) < 0 || send(w->fd, "\n", 1, MSG_NOSIGNAL) < 0)
        ended(w, CLUSTER_E_CLOSED);
}

/* The socket of an address, connected on its way or listening; the negative of an error. */
static int open_socket(const char *host, const char *port, int listens)
{
    struct addrinfo hints, *a;
    int fd, one = 1, result, error;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV; /* a name would take the program's own resolver */
    if (getaddrinfo(host, port, &hints, &a) != 0)
        return CLUSTER_E_NOT_FOUND;
    fd = socket(a->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        result = -1;
    else if (listens)
        result = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 || bind(fd, a->ai_addr, a->ai_addrlen) < 0
                     ? -1
                     : listen(fd, 16);
    else
        result = connect(fd, a->ai_addr, a->ai_addrlen);
    error = errno;
    freeaddrinfo(a);
    if (result == 0 || error == EINPROGRESS)
        return fd;
    result = error == ECONNREFUSED ? CLUSTER_E_REFUSED : CLUSTER_E_UNREACHABLE;
    if (fd >= 0)
        close(fd);
    return result;
}

static void dial(const struct cluster_member *m)
{
    struct wire *w = wire_to(m->name);
    char port[16];
    int fd;
    if (w) /* the time for an older try is over */
        hang_up(w);
    snprintf(port, sizeof port, "%u", (unsigned)m->port);
    fd = open_socket(*m->address ? m->address : m->host, port, 0);
    w = fd >= 0 ? wire_new(fd) : NULL;
    if (!w) {
        report(m->name, CLUSTER_REPORT_FAILED, fd < 0 ? fd : CLUSTER_E_LIMIT);
        return;
    }
    snprintf(w->name, sizeof w->name, "%s", m->name);
    w->ours = w->connecting = 1;
}

static void handle(const struct cluster_event *e)
{
    struct wire *w = e->member ? wire_to(e->member->name) : NULL;
    switch (e->type) {
    case CLUSTER_CONNECT:
        if (strcmp(own, e->member->name) < 0)
            dial(e->member);
        else
            report(e->member->name, CLUSTER_REPORT_IGNORED, 0);
        break;
    case CLUSTER_DISCONNECT:
        if (w)
            ended(w, CLUSTER_E_CLOSED);
        break;
    case CLUSTER_LEAVE: /* while it was dialled */
        if (w)
            hang_up(w);
        break;
    case CLUSTER_UP:
        printf("up %s\n", e->member->name);
        break;
    case CLUSTER_DOWN:
        printf("down %s %s\n", e->member->name, e->text);
        break;
    default:
        break;
    }
}

/* A line came: first the name of the other node, then what it says. */
static void heard(struct wire *w, const char *line)
{
    struct wire *old;
    if (w->up) {
        printf("%s: %s\n", w->name, line);
        return;
    }
    if (strlen(line) >= sizeof w->name || (w->ours && strcmp(w->name, line) != 0)) {
        ended(w, CLUSTER_E_PROTOCOL);
        return;
    }
    old = w->ours ? NULL : wire_to(line);
    if (old) /* it has started again before we noticed that it had ended */
        ended(old, CLUSTER_E_CLOSED);
    memcpy(w->name, line, strlen(line) + 1);
    if (!w->ours)
        say(w, own);
    if (w->fd < 0)
        return;
    if (report(w->name, CLUSTER_REPORT_UP, 0) < 0)
        hang_up(w); /* a name that is none, or nobody's that we know */
    else
        w->up = 1;
}

static void ready(struct wire *w)
{
    char *end;
    ssize_t got;
    int error = 0;
    socklen_t size = sizeof error;
    if (w->connecting) {
        if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
            ended(w, error == ECONNREFUSED ? CLUSTER_E_REFUSED : CLUSTER_E_UNREACHABLE);
            return;
        }
        w->connecting = 0;
        say(w, own);
        return;
    }
    got = recv(w->fd, w->line + w->length, sizeof w->line - 1 - w->length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        ended(w, CLUSTER_E_CLOSED);
        return;
    }
    w->length += (size_t)got;
    w->line[w->length] = '\0';
    while (w->fd >= 0 && (end = strchr(w->line, '\n')) != NULL) {
        *end = '\0';
        heard(w, w->line);
        w->length -= (size_t)(end + 1 - w->line);
        memmove(w->line, end + 1, w->length + 1);
    }
    if (w->fd >= 0 && w->length == sizeof w->line - 1)
        ended(w, CLUSTER_E_PROTOCOL);
}

/* What was typed goes to all. 0: that was the end. */
static int typed(void)
{
    char line[400];
    int i;
    if (!fgets(line, sizeof line, stdin))
        return 0;
    line[strcspn(line, "\n")] = '\0';
    for (i = 0; i < WIRES; i++)
        if (wires[i].fd >= 0 && wires[i].up)
            say(&wires[i], line);
    return 1;
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct pollfd *fds = NULL;
    size_t capacity = 0, n = 0;
    const struct cluster_event *e;
    char error[256] = "";
    int i, listener;
    if (argc < 4 || !strchr(argv[1], '@')) {
        fprintf(stderr, "usage: own_transport NAME@ADDRESS PORT URL...\n");
        return 2;
    }
    own = argv[1];
    for (i = 0; i < WIRES; i++)
        wires[i].fd = -1;
    cluster_options_init(&options);
    options.node = own;
    options.port = (uint32_t)strtoul(argv[2], NULL, 10);
    options.connect = "host";
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&c, &options) < 0) {
        fprintf(stderr, "own_transport: %s\n", error);
        return 2;
    }
    for (i = 3; i < argc; i++)
        if (cluster_discover(c, argv[i], NULL) < 0) {
            fprintf(stderr, "own_transport: %s\n", cluster_last_error(c));
            return 2;
        }
    listener = open_socket(strchr(own, '@') + 1, argv[2], 1);
    if (listener < 0) {
        fprintf(stderr, "own_transport: cannot listen at %s, port %s: %s\n", strchr(own, '@') + 1, argv[2],
                cluster_strerror(listener));
        return 3;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    for (;;) {
        while ((e = cluster_next_event(c)) != NULL)
            handle(e);
        /* ours come first, those of the library after them */
        while (!fds || (n = cluster_watches(c, fds + 2 + WIRES, capacity)) > capacity) {
            capacity = fds ? n : 4;
            fds = (struct pollfd *)realloc(fds, (2 + WIRES + capacity) * sizeof *fds);
            if (!fds)
                return 3;
        }
        memset(fds, 0, (2 + WIRES) * sizeof *fds);
        fds[0].fd = STDIN_FILENO;
        fds[1].fd = listener;
        fds[0].events = fds[1].events = POLLIN;
        for (i = 0; i < WIRES; i++) {
            fds[2 + i].fd = wires[i].fd;
            fds[2 + i].events = wires[i].fd >= 0 && wires[i].connecting ? POLLOUT : POLLIN;
        }
        poll(fds, (nfds_t)(2 + WIRES + n), cluster_timeout_ms(c, cluster_now()));
        if (fds[0].revents && !typed())
            break;
        for (i = 0; i < WIRES; i++)
            if (fds[2 + i].revents && wires[i].fd == fds[2 + i].fd)
                ready(&wires[i]);
        if (fds[1].revents)
            while ((i = accept(listener, NULL, NULL)) >= 0)
                (void)wire_new(i);
        cluster_step(c, cluster_now(), fds + 2 + WIRES, n);
    }
    cluster_destroy(c);
    free(fds);
    return 0;
}
