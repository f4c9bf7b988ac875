/* The server's state: the servers that there are, the shards, the clients. */
#define SHARDS 1024 /* what is owned and moved: WIDTH of the 16384 slots of Redis in a row are one */
#define WIDTH (16384 / SHARDS)
#define BUS 10000                     /* from the port for clients to that for servers, as with Redis */
#define FDS 900                       /* sockets of clients, and whatever has a lower number */
#define SECOND ((uint64_t)1000000000) /* in ns */

/* There is no link, or it has said nothing yet; takes shards; gives them to the others; has given all, and leaves; never has any. */
enum { AWAY, STAYS, GIVES, LEAVES, ROUTES, STATES };

struct peer { /* a server that was heard of: for good, since shards point to it */
    struct peer *next;
    const char *host;       /* where clients are sent: the address in the name */
    char name[256], id[41]; /* id: as many digits as clients of Redis want, the same for a name at any time */
    int state, port;        /* as above; for clients */
    size_t keys;
};

struct shard {
    struct entry *keys[CHAINS];
    struct peer *holder, *want; /* who says that it has it, and is here; who should, by the plan; NULL: nobody */
    uint64_t epoch;             /* rises with each holder: of two claims the higher one counts */
    uint64_t seen;              /* when it last had a holder */
};

struct client {
    int fd, fired;        /* 0: this place is free; something came */
    int closing, stream;  /* once its output is written; it is a browser that gets the pictures */
    uint32_t events;      /* as epoll has them */
    uint64_t waits_since; /* its next command; 0: it does not wait */
    uint64_t request;     /* its next command, of `asked` bytes, is with the owner of its key; 0: it is not */
    size_t asked;
    struct bytes in, out;
};

static struct {
    struct cluster *cluster;
    struct cluster_map *map; /* where the shards should be */
    struct peer *self;       /* and behind it, in a list, the others */
    struct shard shards[SHARDS];
    struct client clients[FDS];       /* by their descriptors */
    struct shard *given;              /* it is on its way; NULL: none is */
    struct peer *taker;               /* to there */
    uint64_t give;                    /* by this call; 0: the link has ended, and whether it came there is not known */
    uint64_t epoch;                   /* the highest one seen */
    int epoll, listener, waits, open; /* answers that this server waits for; clients that there are */
    long router, memory, linger;
    uint64_t now, tick_at;
} kv;

/* A line for whoever looks on. */
#define say(...) (printf("%s: ", kv.self->name), printf(__VA_ARGS__), puts(""), fflush(stdout))

/* The server of this name, which is new when it is first heard of. */
static struct peer *peer_of(const char *name)
{
    struct peer **at = &kv.self, *p;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (*at)
        return *at;
    p = *at = grown(NULL, sizeof *p);
    *p = (struct peer){0};
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->id, sizeof p->id, "%040llx", (unsigned long long)cluster_hash64(name, strlen(name), 0));
    p->host = strchr(p->name, '@') + 1;
    return p;
}

/* How many shards a server has. */
static int held(const struct peer *p)
{
    int n = 0;
    for (int i = 0; i < SHARDS; i++)
        n += kv.shards[i].holder == p;
    return n;
}
