/* The sockets of clients. Nothing here waits: sockets are in the epoll set, level-triggered, and each is read only while what it asked
 * for fits into bounded buffers. */
#define OUTPUT_HIGH (1u << 18) /* bytes that wait for a client before no more is done for it */

/* What epoll waits for on a descriptor; 0: it is forgotten. */
static void watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (!events)
        epoll_ctl(kv.epoll, EPOLL_CTL_DEL, fd, &event);
    else if (epoll_ctl(kv.epoll, EPOLL_CTL_MOD, fd, &event) < 0 && epoll_ctl(kv.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        err(3, "epoll_ctl");
}

static void client_accept(void)
{
    int fd = accept4(kv.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= FDS)
        close(fd);
    else if (fd >= 0)
        kv.clients[fd] = (struct client){.fd = fd, .fired = 1};
}

/* Read what came, do what can be done, write what can be written, and wait for the rest. */
static void client_serve(struct client *c)
{
    size_t at = 0, size = 1;
    ssize_t n = c->fired ? recv(c->fd, room(&c->in, 1 << 16), 1 << 16, 0) : 0;
    if (n > 0)
        c->in.size += (size_t)n;
    else if (c->fired && (!n || errno != EAGAIN))
        c->closing = 1;
    if (c->in.size && (c->stream || c->in.data[0] == 'G'))
        web_serve(c);
    else
        for (; size && at < c->in.size && !c->closing && !c->request && c->out.size < OUTPUT_HIGH; at += size)
            size = execute(c, (struct bytes){c->in.data + at, c->in.size - at, 0});
    cut(&c->in, at);
    int stopped = c->out.size >= OUTPUT_HIGH;
    n = c->out.size ? send(c->fd, c->out.data, c->out.size, MSG_NOSIGNAL) : 0;
    if (n > 0)
        cut(&c->out, (size_t)n);
    if ((n < 0 && errno != EAGAIN) || (c->closing && !c->out.size)) {
        close(c->fd);
        free(c->in.data);
        free(c->out.data);
        *c = (struct client){0};
        return;
    }
    int full = c->closing || c->out.size + c->in.size > COMMAND_MAX + OUTPUT_HIGH;
    uint32_t events = (c->out.size || stopped ? EPOLLOUT : 0u) | (full ? 0u : EPOLLIN);
    if (events != c->events)
        watch(c->fd, c->events = events);
    c->fired = 0;
}

/* Listen where the own name says. */
static void listen_for_clients(const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *to = NULL;
    int one = 1;
    if (getaddrinfo(kv.self->host, port, &hints, &to) == 0)
        kv.listener = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!to || setsockopt(kv.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        setsockopt(kv.listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 || /* what is accepted inherits it */
        bind(kv.listener, to->ai_addr, to->ai_addrlen) < 0 || listen(kv.listener, 512) < 0)
        err(3, "cannot listen at %s, which has to be an IP address of this host, port %s", kv.self->host, port);
    freeaddrinfo(to);
    watch(kv.listener, EPOLLIN);
}
