/* The server's state, its sockets, and how bytes get in and out. Nothing here waits: sockets are in the epoll set, level-triggered,
 * and each is read only while what it asked for fits into bounded buffers. */
#define SHARDS 1024 /* what is owned and moved: WIDTH of the 16384 slots of Redis in a row are one */
#define WIDTH (16384 / SHARDS)
#define PEERS 64                      /* servers, this one first */
#define NOBODY (-1)                   /* in place of a server's number */
#define BUS 10000                     /* from the port for clients to that for servers, as with Redis */
#define FDS 2048                      /* sockets of clients, and whatever has a lower number */
#define OUTPUT_HIGH (1u << 18)        /* bytes that wait for a client before no more is done for it */
#define SECOND ((uint64_t)1000000000) /* in ns */

struct conn {
    int fd, closing, stream;         /* closing: once its output is written; stream: it gets the pictures */
    uint32_t events;                 /* as epoll has them */
    void (*serve)(struct conn *c);   /* look at what came in */
    void (*accepts)(struct conn *c); /* `serve` of those who connect here; NULL: nobody does */
    uint64_t waits_since;            /* its next command; 0: it does not wait */
    uint64_t request;                /* its next command, of so many bytes, is with its owner; 0: it is not */
    size_t asked;
    struct buffer in, out;
};

enum { STAYS, GIVES, LEAVES, ROUTES }; /* gives its shards to the others; has none any more, and leaves; never has any */
struct peer {
    char name[256];      /* "": this place is free */
    int up, port, going; /* there is a link to it; for clients, 0: it has not said what it is; as above */
    long keys;
    uint64_t request; /* asked when this server leaves: is all done that this one wanted of it? */
};

struct shard {
    struct store keys;
    int holder, want;      /* who has it, as far as is known, peers[0] being this server; and who should, by the plan */
    uint64_t epoch;        /* rises with each holder: of two claims the higher one counts */
    uint64_t orphan_since; /* when it was first seen without a holder that is linked; 0: it has one */
};

static struct {
    struct cluster *cluster;
    struct cluster_map *map; /* where the shards should be */
    struct peer peers[PEERS];
    struct shard shards[SHARDS];
    struct conn *by_fd[FDS];
    uint64_t epoch;         /* the highest one seen */
    int given, taker;       /* the shard that is on its way, or NOBODY; to whom */
    uint64_t give, give_at; /* the call that does it, 0: its link ended; and when that was, or the next one may be tried */
    int epoll, left, news;  /* withdrawn from discovery; the others are to be told what this server has */
    uint64_t now, going_since, tick_at, told_at;
} kv = {.given = NOBODY};

enum { PORT, WEB, ROUTER, QUORUM, MEMORY, LINGER, SETTINGS };
static struct {
    const char *option;
    long from, to, value;
} settings[SETTINGS] = {{"--port", 1, 55535, 0},   {"--web", 1, 65535, 0},     {"--router", 0, 1, 0},
                        {"--quorum", 1, PEERS, 1}, {"--memory", 1, 4000, 256}, {"--linger", 0, 3600, 5}};

/* A line for whoever looks on. */
#define say(...) (printf("%s: ", kv.peers[0].name), printf(__VA_ARGS__), puts(""))

/* What epoll waits for on a descriptor; 0: it is forgotten. */
static void watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (!events)
        epoll_ctl(kv.epoll, EPOLL_CTL_DEL, fd, &event);
    else if (epoll_ctl(kv.epoll, EPOLL_CTL_MOD, fd, &event) < 0 && epoll_ctl(kv.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail(3, "epoll_ctl failed: is fs.epoll.max_user_watches reached?", "");
}

static void conn_open(int fd, void (*serve)(struct conn *c), void (*accepts)(struct conn *c))
{
    struct conn *c = kv.by_fd[fd] = grown(NULL, sizeof *c);
    *c = (struct conn){.fd = fd, .events = EPOLLIN, .serve = serve, .accepts = accepts};
    watch(fd, EPOLLIN);
}

static void conn_close(struct conn *c)
{
    kv.by_fd[c->fd] = NULL;
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

/* Something came: take all who wait to connect, or read once, at most 64 KiB. */
static void conn_ready(struct conn *c)
{
    for (int fd; c->accepts && (fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd < FDS)
            conn_open(fd, c->accepts, NULL);
        else
            close(fd);
    }
    ssize_t n = c->accepts ? 0 : recv(c->fd, buffer_room(&c->in, 1 << 16), 1 << 16, 0);
    if (n > 0)
        c->in.size += (size_t)n;
    else if (!c->accepts && (!n || errno != EAGAIN))
        conn_close(c);
}

/* Do what can be done, write what can be written, and wait for the rest. */
static void conn_settle(struct conn *c)
{
    size_t before;
    do {
        before = c->in.size;
        if (!c->closing)
            c->serve(c);
        ssize_t n = c->out.size ? send(c->fd, c->out.data, c->out.size, MSG_NOSIGNAL) : 0;
        if (n > 0)
            buffer_cut(&c->out, (size_t)n);
        if ((n < 0 && errno != EAGAIN) || (c->closing && !c->out.size)) {
            conn_close(c);
            return;
        }
    } while (!c->out.size && before != c->in.size);
    uint32_t events = (c->out.size ? EPOLLOUT : 0u) | (c->out.size + c->in.size > COMMAND_MAX + OUTPUT_HIGH ? 0u : EPOLLIN);
    if (events != c->events)
        watch(c->fd, c->events = events);
}

static void listen_on(const char *address, long port, void (*accepts)(struct conn *c))
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *to = NULL;
    char digits[24];
    int one = 1, fd = -1;
    snprintf(digits, sizeof digits, "%ld", port);
    if (getaddrinfo(address, digits, &hints, &to) == 0)
        fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 || /* what is accepted inherits the next */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 || bind(fd, to->ai_addr, to->ai_addrlen) < 0 ||
        listen(fd, 512) < 0)
        fail(3, "what stands after '@' has to be an IP address of this host, and no other program may listen there on port ",
             digits);
    freeaddrinfo(to);
    conn_open(fd, NULL, accepts);
}
