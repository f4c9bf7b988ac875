/*
 * Every public declaration, in the order a reader meets them, with the manual.
 *
 * A handle has sources, each of them a URL that says where nodes are found. The
 * nodes that they list are its members, and what changes comes as events. If
 * options.connect says so, members are linked to; if options.map does, keys are
 * placed on them. All of it is done in cluster_step, in the program's own loop.
 *
 * The loop in four calls
 * ----------------------
 *   cluster_next_event   pull what happened, until NULL
 *   cluster_watches      which file descriptors to wait for
 *   cluster_timeout_ms   and for how long (or cluster_deadline: absolute ns)
 *   cluster_step         hand in what became ready, and the time
 *
 *     for (;;) {
 *         while ((e = cluster_next_event(c))) handle(e);
 *         n = cluster_watches(c, fds, capacity);
 *         if (n > capacity) { grow(&fds, &capacity, n); continue; }
 *         poll(fds, n, cluster_timeout_ms(c, cluster_now()));
 *         cluster_step(c, cluster_now(), fds, n);
 *     }
 *
 * Rules that hold everywhere
 * --------------------------
 *   Results    0, or a negative CLUSTER_E...; cluster_strerror names it and
 *              cluster_last_error says in one sentence what to change.
 *   Time       uint64_t nanoseconds of any monotonic clock of the caller's.
 *   Text       UTF-8, NUL-terminated. What is given back belongs to the handle,
 *              source or map it came from, and lives as long where nothing
 *              else is said.
 *   Arguments  are read during the call, and copied where they are needed
 *              later: text, structs, arrays and terms may be freed after it.
 *              Kept are the ctx of hooks and strategies, and an arena's buffer.
 *   Durations  as text: "500ms", "2s", "1m", "2h".
 *   Pointers   handles, sources and maps are not NULL, but where it says that
 *              NULL is fine. A pointer that is written to *out is NULL after
 *              a failure.
 *   Structs    that the caller fills begin with `size`: zero the struct, set
 *              size = sizeof; 0 and NULL always mean the default. An array's
 *              stride is the `size` of its first element.
 *   Threads    one handle, one thread at a time. Maps are immutable: any
 *              thread may read one.
 *   Hooks      allocator, I/O and log hooks call nothing of the library;
 *              strategies call cluster_source_... of their own source, and
 *              nothing else of the handle. All other calls may be made at
 *              any time between two steps, also while an event is looked at.
 *   I/O        only cluster_step (and cluster_poll, cluster_wait) does any.
 *              After a call that is not const, read watches and deadline again.
 *   Nothing    blocks, starts a thread, installs a signal handler, keeps global
 *              state or ends the process.
 *   Fork       only one of the two processes goes on with the handle. The other
 *              may call cluster_destroy, which closes its own copies of the
 *              descriptors and says nothing on the network.
 *
 * Discovery is not consensus: it says which nodes a source names now. Two nodes
 * may see different lists for a while, and no call here says otherwise.
 */
#ifndef CLU_API_H
#define CLU_API_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#ifdef CLUSTER_STATIC
#define CLUSTER_API static
#elif !defined(CLUSTER_API)
#define CLUSTER_API extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What stands on HTTP goes with it. */
#ifdef CLUSTER_NO_HTTP
#ifndef CLUSTER_NO_CONSUL
#define CLUSTER_NO_CONSUL
#endif
#ifndef CLUSTER_NO_EC2
#define CLUSTER_NO_EC2
#endif
#ifndef CLUSTER_NO_ETCD
#define CLUSTER_NO_ETCD
#endif
#ifndef CLUSTER_NO_KUBERNETES
#define CLUSTER_NO_KUBERNETES
#endif
#ifndef CLUSTER_NO_RANCHER
#define CLUSTER_NO_RANCHER
#endif
#endif
#if defined(CLUSTER_NO_CONNECT) && !defined(CLUSTER_NO_ERLANG)
#define CLUSTER_NO_ERLANG
#endif

/* ---- version ---------------------------------------------------------- */

/* major << 16 | minor << 8 | patch. Before 1.0 a new minor may change the API;
 * a new patch does not. A program compiled against one patch level works with
 * the object of any other of the same minor. */
#define CLUSTER_VERSION 0x000100
#define CLUSTER_VERSION_STRING "0.1.0"

CLUSTER_API uint32_t cluster_version(void);           /* CLUSTER_VERSION of the object, to compare with the header's */
CLUSTER_API const char *cluster_version_string(void); /* static storage */

/* ---- results ---------------------------------------------------------- */

enum {
    CLUSTER_OK = 0,
    CLUSTER_E_INVALID = -1,      /* an argument, option or URL is wrong: cluster_last_error says which and how to mend it */
    CLUSTER_E_MEMORY = -2,       /* the allocator gave none; the old state is in place */
    CLUSTER_E_AGAIN = -3,        /* not now: would block, or a bounded queue is full */
    CLUSTER_E_LIMIT = -4,        /* a documented limit; the sentence names its setting */
    CLUSTER_E_EXISTS = -5,       /* there is one already */
    CLUSTER_E_NOT_FOUND = -6,    /* no such member, file, name, variable */
    CLUSTER_E_TIMEOUT = -7,      /* no answer in time */
    CLUSTER_E_REFUSED = -8,      /* the peer refused the connection */
    CLUSTER_E_UNREACHABLE = -9,  /* no route, host or network down */
    CLUSTER_E_CLOSED = -10,      /* the peer closed or reset the connection */
    CLUSTER_E_PROTOCOL = -11,    /* the peer sent malformed bytes */
    CLUSTER_E_PERMISSION = -12,  /* the system forbids it */
    CLUSTER_E_ADDRESS = -13,     /* the address is taken, or is not one of this host */
    CLUSTER_E_UNSUPPORTED = -14, /* not in this build, or not on this platform */
    CLUSTER_E_IO = -15,          /* any other failure of the system */
    CLUSTER_E_BUSY = -16         /* called from inside one of its own hooks */
};

/* The name of a result, e.g. "timeout"; "unknown error" for other numbers. Static storage. */
CLUSTER_API const char *cluster_strerror(int error);

#define CLUSTER_NEVER UINT64_MAX  /* a deadline: none */
#define CLUSTER_NOBODY UINT32_MAX /* an owner: the map has no node */

struct cluster;        /* one handle: one own node, its sources, its members */
struct cluster_source; /* one discovery source of a handle */
struct cluster_map;    /* an immutable placement of shards on nodes */
struct cluster_ring;   /* an immutable ring or router of another system */

/* ---- hooks: memory, I/O, log ------------------------------------------ */

/* resize(ctx, NULL, 0, n) allocates n bytes, resize(ctx, p, old, n) grows or shrinks, resize(ctx, p, old, 0) frees and
 * returns NULL. Memory is aligned for any object. On failure NULL, and p stays valid. `old` is the size last asked for. */
struct cluster_allocator {
    uint32_t size; /* sizeof(struct cluster_allocator) */
    uint32_t reserved;
    void *ctx;
    void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t new_size);
};

/* An allocator on a caller's buffer: a first-fit heap that joins neighbours, without headers. It never grows; what does
 * not fit is CLUSTER_E_MEMORY. The buffer must outlive every handle and map made with it, and needs at least 64 bytes:
 * 0, or CLUSTER_E_INVALID. One thread at a time. */
CLUSTER_API int cluster_arena_init(struct cluster_allocator *allocator, void *buffer, size_t size);

/* An IP address with port. family is 4, 6, or 0 for "none"; bytes are in network order, 4 or 16 of them. */
struct cluster_address {
    uint8_t bytes[16];
    uint32_t scope; /* IPv6 zone: the interface's index, or 0 */
    uint16_t port;  /* host byte order */
    uint8_t family;
    uint8_t prefix; /* length of the network prefix where one is meant (interfaces), else 0 */
};

/* Types of DNS records. */
enum {
    CLUSTER_DNS_A = 1,
    CLUSTER_DNS_CNAME = 5,
    CLUSTER_DNS_PTR = 12,
    CLUSTER_DNS_TXT = 16,
    CLUSTER_DNS_AAAA = 28,
    CLUSTER_DNS_SRV = 33
};

#define CLUSTER_TCP 1
#define CLUSTER_UDP 2
#define CLUSTER_IO_REUSE 1u     /* bind: several sockets of this host may share the port (multicast) */
#define CLUSTER_IO_BROADCAST 2u /* bind: the socket may send to broadcast addresses */
#define CLUSTER_IO_RESTART 4u   /* bind: the port may have been a socket's that was closed just now */

/* All I/O, randomness and wall-clock reading of a handle. NULL members get the POSIX default. Every function returns a
 * negative CLUSTER_E... on failure, never errno; none may block or call back into the library. Descriptors are poll(2)'s
 * and >= 0, unless the host replaces every function that touches them. */
struct cluster_io {
    uint32_t size; /* sizeof(struct cluster_io) */
    uint32_t reserved;
    void *ctx;
    int (*open)(void *ctx, int kind, int family); /* non-blocking, close-on-exec; a descriptor */
    int (*bind)(void *ctx, int fd, const struct cluster_address *address, uint32_t flags);
    int (*connect)(void *ctx, int fd, const struct cluster_address *address); /* 0 also when under way: send says how it went */
    int (*listen)(void *ctx, int fd, int backlog);
    int (*accept)(void *ctx, int fd, struct cluster_address *peer); /* a descriptor, or CLUSTER_E_AGAIN */
    /* join a multicast group (group->family 0: only choose the interface), send from the address `via`, with this TTL, own
     * packets looped back */
    int (*join)(void *ctx, int fd, const struct cluster_address *group, const struct cluster_address *via, int ttl);
    int64_t (*send)(void *ctx, int fd, const void *data, size_t size,
                    const struct cluster_address *to); /* to NULL: connected */
    /* the bytes read, 0 at the end of a stream; of a datagram that did not fit any number above `size` */
    int64_t (*recv)(void *ctx, int fd, void *data, size_t size, struct cluster_address *from);
    void (*close)(void *ctx, int fd);
    /* this host's addresses that are up, with prefix; fills at most `capacity`, returns how many there are. `name` given:
     * only those of this interface */
    int (*interfaces)(void *ctx, const char *name, struct cluster_address *out, size_t capacity);
    /* the file's size, at most `size` bytes of it in data (a larger return says it did not fit). *stamp differs whenever
     * the file changed; where it equals the stamp passed in, the file may go unread and CLUSTER_E_AGAIN is returned */
    int64_t (*read_file)(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp);
    /* the value's length, its text in out if it fits with its NUL; CLUSTER_E_NOT_FOUND. HOSTNAME is answered with the
     * host's name also where the variable is not set */
    int (*environment)(void *ctx, const char *name, char *out, size_t capacity);
    int (*random)(void *ctx, void *data, size_t size); /* unpredictable bytes */
    uint64_t (*wall_time)(void *ctx);                  /* ns since 1970-01-01 UTC */
    /* TLS, which is the host's: there is no default, and without all five https is refused (examples/tls_openssl.h has them).
     * start: make a client's session on a connected fd. `server`: the name or address that the certificate has to be for;
     * NULL: verify nothing. `ca`: a PEM file with the authorities to trust; NULL: the system's. The session goes to *tls,
     * nothing is said on the network yet. step: go on with the handshake; POLLIN or POLLOUT: wait for that, 0: done,
     * CLUSTER_E_PERMISSION: the certificate is not to be trusted. recv, send: as above, CLUSTER_E_AGAIN: wait; recv gives 0
     * only for an end that the peer said itself. close: end the session and free it; the fd stays open. In a process that was
     * forked off it says nothing. */
    int (*tls_start)(void *ctx, int fd, const char *server, const char *ca, void **tls);
    int (*tls_step)(void *ctx, void *tls);
    int64_t (*tls_recv)(void *ctx, void *tls, void *data, size_t size);
    int64_t (*tls_send)(void *ctx, void *tls, const void *data, size_t size);
    void (*tls_close)(void *ctx, void *tls);
};

enum { CLUSTER_LOG_ERROR = 1, CLUSTER_LOG_WARN = 2, CLUSTER_LOG_INFO = 3, CLUSTER_LOG_DEBUG = 4 };

/* ---- a handle --------------------------------------------------------- */

/* How shards are placed. Zero it, set size, change what you need. */
struct cluster_map_options {
    uint32_t size;
    uint32_t shards; /* a power of two, 1..2^24; 0: 4096, best to 32 nodes and good to 64. Never let it follow the node count */
    uint32_t replicas;   /* owners of a shard, at most 16; 0: 1 */
    uint32_t epsilon;    /* how far over its share a node may be loaded, in 1/1000; 0: 50 (5 %) */
    uint64_t seed[2];    /* 128 bits that make the placement unpredictable to outsiders; equal on every node; 0: public */
    const char *role;    /* only nodes of this role own anything; NULL: all */
    const char *settle;  /* of a handle's map, a duration: changes within it from the first on make one map; NULL: "0" */
    const char *members; /* of a handle's map: "all" (default) or "up", the own node and those that there is a link to */
};

struct cluster_options {
    uint32_t size; /* sizeof(struct cluster_options); cluster_options_init sets it */
    /* How many nodes, self included, make the cluster READY; 0: 1. With options.connect those count that are linked, else those
     * that a source lists */
    uint32_t quorum;
    /* Own name, name@host or name@auto (the own address); NULL: observe only. "undefined@host", "undefined@auto": a name that other
     * nodes give, with `cookie` and without `listen`: it comes with the first CLUSTER_UP and ends with the CLUSTER_DOWN of that node,
     * with all other links. Then the own node is no member. Not in a build with CLUSTER_NO_ERLANG, where it is a name like others */
    const char *node;
    /* "count" (default), "majority" (more than half of `expected`), or "horde" (as Horde counts: of those who do not drain, by
     * name, the first left out where they are even, more than half) */
    const char *quorum_of;
    const char *settle; /* a duration: how long the count must hold before READY or DEGRADED is said; NULL: "0" */
    const char *zone;   /* the own node's attributes, as announced to others; NULL: none */
    const char *role;
    uint32_t expected;                     /* for quorum_of majority: the full size of the cluster */
    uint32_t port;                         /* port where the own node answers; 0: it cannot be dialled */
    uint32_t weight;                       /* the own node's; 0: 1 */
    uint32_t limit_members;                /* 0: 131072 */
    uint32_t limit_events;                 /* queued events before CLUSTER_RESYNC; at least 2; 0: 4096 */
    uint32_t limit_watches;                /* sockets open at a time; 0: 1024 */
    uint32_t limit_budget;                 /* I/O calls in one step; 0: 1024 */
    uint32_t log_level;                    /* CLUSTER_LOG_...; 0: CLUSTER_LOG_WARN */
    uint64_t seed;                         /* of jitter and inner hash keys, for reproducible runs; 0: from the random hook */
    const struct cluster_map_options *map; /* keep a map of the members, say CLUSTER_MAP; NULL: no map */
    const struct cluster_allocator *allocator;                                   /* copied; NULL: malloc's family */
    const struct cluster_io *io;                                                 /* copied; NULL: POSIX */
    void (*log)(void *ctx, int level, const char *message, const char *setting); /* setting: what it is about, or "" */
    void *log_ctx;
    char *error;         /* where cluster_create writes its sentence when it fails; may be NULL */
    uint64_t error_size; /* bytes there */
    /* What being connected means, for every member that a source lists and that does not drain; see "connecting" below.
     * "none" (default); "host": the program connects, CLUSTER_CONNECT asks it to; "tcp": its port can be connected to;
     * "epmd": the epmd of its host knows it; "erlang": there is a link to it as to an Erlang node, docs/erlang.md. Not in a
     * build with CLUSTER_NO_CONNECT, and without "erlang" in one with CLUSTER_NO_ERLANG */
    const char *connect;
    const char *cookie;  /* of Erlang nodes: what all of the cluster know; needed for links to them, and there is no default */
    const char *backoff; /* between dials of one node: "200ms..30s" is the default; a random part of it is waited */
    const char *reconnect; /* "on" (default), or "off": each node is dialled once each time that it joins, and again never */
    const char *on_leave;  /* of a node that no source lists any more: "keep" (default) its link till it ends; "disconnect" */
    /* erlang: a node that says nothing for so long is down; "60s" is the default, as net_ticktime's. tcp, epmd: who is up is
     * asked again after an eighth to a quarter of it */
    const char *tick;
    uint32_t limit_dials;  /* dials under way at a time; 0: 256 */
    uint32_t limit_packet; /* bytes of a packet from another node; 0: 64 MiB and 64 KiB */
    uint32_t limit_output; /* bytes that wait for a node to take them before it is not read any more; 0: 1 MiB */
    uint32_t reserved_links;
    /* "embedded": serve epmd while no other program of this host does, on its loopback, where its programs alone may
     * register, and where `listen` says, where others look names up; "embedded:ADDRESS" or "embedded:ADDRESS:PORT": there in
     * its place. Port: ERL_EPMD_PORT of the environment, or 4369. NULL or "": serve none */
    const char *epmd;
    /* ADDRESS:PORT or ADDRESS:FIRST-LAST (port 0, or none: any that is free): take links from other nodes there, and register
     * with this host's epmd. NULL: others cannot link to this node */
    const char *listen;
    /* Encrypted distribution, as of nodes with -proto_dist inet_tls: "off" (default), "on", or "insecure", which verifies no
     * certificate. For links that this node makes, by the tls_ hooks of io; so not with `listen` */
    const char *tls;
    /* The PEM file with the authorities to trust; NULL: the system's. A certificate has to be for the host in the node's
     * name */
    const char *ca;
};

CLUSTER_API void cluster_options_init(struct cluster_options *options); /* zero, with size set */

/* Make a handle. options NULL: all defaults. On failure options->error has the sentence, where it is given; CLUSTER_E_INVALID,
 * CLUSTER_E_MEMORY, CLUSTER_E_UNSUPPORTED for what this build lacks, or what a hook returned. Does no network I/O; reads the
 * random hook, and the interfaces hook for name@auto. */
CLUSTER_API int cluster_create(struct cluster **out, const struct cluster_options *options);

/* Close every descriptor at once, free everything. NULL is fine; not from inside a hook or a strategy. Maps taken from the
 * handle stay valid. */
CLUSTER_API void cluster_destroy(struct cluster *c);

/* Do what is due. `now` in ns, one clock for the life of the handle, and not CLUSTER_NEVER; a smaller one than before is taken
 * as the one before. After a leap forward what came in meanwhile counts before any time that is over.
 * `ready`: an array as poll(2) leaves it, or only the entries that fired, one or many; unknown descriptors are ignored;
 * NULL with 0 is a step for the timers. revents is a hint that I/O confirms. With POLLNVAL the descriptor is forgotten,
 * not closed. Each descriptor is drained within limit_budget; what is left is remembered, with the deadline at now.
 * Returns 0; CLUSTER_E_INVALID for a NULL array with a count; CLUSTER_E_BUSY from inside a hook. */
CLUSTER_API int cluster_step(struct cluster *c, uint64_t now, const struct pollfd *ready, size_t count);

/* What to wait for: up to `capacity` entries, revents 0. Returns how many there are; a return > capacity means that the answer
 * was cut (out NULL with 0: only ask). A complete answer acknowledges that descriptors no longer listed are out of the host's
 * loop: the next step closes them, so a number is never reused behind the host's back. */
CLUSTER_API size_t cluster_watches(struct cluster *c, struct pollfd *out, size_t capacity);

/* Changes whenever a descriptor or its events do. For hosts that keep the set registered (epoll, kqueue). */
CLUSTER_API uint64_t cluster_watch_generation(const struct cluster *c);

/* When to step next if nothing fires: absolute ns on the clock of `now`, at once if that is over (0: always); CLUSTER_NEVER: no
 * timer. */
CLUSTER_API uint64_t cluster_deadline(const struct cluster *c);

/* The same for poll(2): milliseconds from now, rounded up; -1: never. */
CLUSTER_API int cluster_timeout_ms(const struct cluster *c, uint64_t now);

/* ---- conveniences for programs without a loop (not in a build with CLUSTER_NO_POSIX) ---- */

#ifndef CLUSTER_NO_POSIX

CLUSTER_API uint64_t cluster_now(void); /* CLOCK_MONOTONIC in ns */

/* poll(2) on the watches for at most timeout_ms (-1: until something is due), then one step, by cluster_now. Returns at once
 * while events are queued, and after a signal. 0; CLUSTER_E_MEMORY; what cluster_step returns. */
CLUSTER_API int cluster_poll(struct cluster *c, int timeout_ms);

/* Poll and step until the status is READY, then 0: a start-up gate. Events stay queued for the loop that follows; what exceeds
 * the queue becomes CLUSTER_RESYNC. CLUSTER_E_TIMEOUT when timeout_ms (-1: none) is over first; else as cluster_poll. */
CLUSTER_API int cluster_wait(struct cluster *c, int timeout_ms);

#endif

/* ---- errors ----------------------------------------------------------- */

/* One sentence on the last call of this handle that failed, with what to change; "" when none did. Valid until the next
 * call that fails. A NULL where there has to be something, and an error that is no CLUSTER_E..., are CLUSTER_E_INVALID without a
 * sentence; CLUSTER_E_BUSY has none. */
CLUSTER_API const char *cluster_last_error(const struct cluster *c);

/* ---- members ---------------------------------------------------------- */

#define CLUSTER_MEMBER_SELF 1u     /* the own node: never leaves */
#define CLUSTER_MEMBER_DRAINING 2u /* said of itself that it is going away */
#define CLUSTER_MEMBER_ACCEPTED 4u /* linked to us, and no source lists it: not in map or quorum */

#define CLUSTER_CHANGED_ADDRESS 1u
#define CLUSTER_CHANGED_PORT 2u
#define CLUSTER_CHANGED_WEIGHT 4u
#define CLUSTER_CHANGED_ZONE 8u
#define CLUSTER_CHANGED_ROLE 16u
#define CLUSTER_CHANGED_DRAINING 32u
#define CLUSTER_CHANGED_ACCEPTED 64u

/* The link to a member, or what options.connect says in place of one. */
enum {
    CLUSTER_MEMBER_UNLINKED = 0, /* none, and none is wanted */
    CLUSTER_MEMBER_DIALLED = 1,  /* on its way */
    CLUSTER_MEMBER_UP = 2,
    CLUSTER_MEMBER_DOWN = 3 /* the last dial failed, or the link has ended; CLUSTER_DOWN said why */
};

/* A member as it was at one moment; only state and sources of one that an event shows may be newer. Strings are never NULL; ""
 * means unknown. */
struct cluster_member {
    uint32_t size;
    uint32_t flags;      /* CLUSTER_MEMBER_... */
    uint64_t id;         /* unique in this handle, never given twice, the same while the member stays */
    const char *name;    /* name@host */
    const char *host;    /* the part after '@' */
    const char *address; /* an IP address as text, where a source said one; else "" */
    const char *zone;
    const char *role;
    uint32_t port;    /* distribution port; 0: ask epmd */
    uint32_t weight;  /* 1 unless said otherwise */
    uint32_t state;   /* CLUSTER_MEMBER_UNLINKED ... */
    uint32_t sources; /* how many sources list it now; of the own node 0 */
};

/* How many members there are, the own node among them where it has a name. */
CLUSTER_API size_t cluster_member_count(const struct cluster *c);

/* The index-th member by name, byte order, or the one of this name; NULL: there is none. Valid until the next call that is not
 * const. */
CLUSTER_API const struct cluster_member *cluster_member_at(const struct cluster *c, size_t index);
CLUSTER_API const struct cluster_member *cluster_member_find(const struct cluster *c, const char *name);

/* One more with every change of the membership; starts at 0, or 1 with an own name. */
CLUSTER_API uint64_t cluster_revision(const struct cluster *c);

/* The own name, resolved; "" when there is none, or none yet. Of one that others give: valid until it ends. */
CLUSTER_API const char *cluster_own_name(const struct cluster *c);

/* Mark sorted or unsorted lists of names, duplicates allowed: left[i] = 1 where before[i] is not in after, joined[i] = 1 where
 * after[i] is not in before and is its first occurrence; all else 0. left has before_count bytes, joined after_count. No
 * handle, no allocation: the work is proportional to before_count * after_count / 512. 0, or CLUSTER_E_INVALID for a NULL array
 * or name. */
CLUSTER_API int cluster_diff(const char *const *before, size_t before_count, const char *const *after, size_t after_count,
                             unsigned char *left, unsigned char *joined);

struct cluster_counts {
    uint32_t size; /* set it: fields beyond are not written */
    uint32_t members;
    uint32_t sources;
    uint32_t watches; /* sockets open now, retired ones included */
    uint64_t steps;
    uint64_t rounds;   /* discovery rounds that ended */
    uint64_t failures; /* of these, failed */
    uint64_t joins, leaves, changes;
    uint64_t resyncs;        /* times the event queue overflowed */
    uint64_t sent, received; /* datagrams and stream reads or writes that moved bytes */
    uint64_t sent_bytes, received_bytes;
    uint64_t dropped; /* packets and names refused: malformed, filtered, forged, over a limit */
};

/* What the handle counted since it was made. 0, or CLUSTER_E_INVALID: out->size is not set. */
CLUSTER_API int cluster_stats(const struct cluster *c, struct cluster_counts *out);

/* ---- events ----------------------------------------------------------- */

enum {
    CLUSTER_JOIN = 1,       /* member */
    CLUSTER_LEAVE = 2,      /* member, as it was last */
    CLUSTER_CHANGE = 3,     /* member, as it is now; changed says what */
    CLUSTER_UP = 4,         /* member: there is a link to it now */
    CLUSTER_DOWN = 5,       /* member: its link has ended, or it cannot be linked to; error and text say why. Of dials that fail
                         * again and again each new reason is said once */
    CLUSTER_CONNECT = 6,    /* connect=host: connect to member, and cluster_report it */
    CLUSTER_DISCONNECT = 7, /* connect=host: end the link to member, which no source lists any more, and cluster_report it */
    CLUSTER_STATUS = 8,   /* status, count of quorum; text says why. Also when several linked members were lost within a second,
                            * or options.settle, while sources list them still: text says `split` and names them */
    CLUSTER_SOURCE = 9,   /* source, its new state; error and text when it failed */
    CLUSTER_MAP = 10,     /* the placement changed: count shards moved; fingerprint of the new map */
    CLUSTER_MESSAGE = 11, /* term came from member for the process named in text. While too many wait, its link is not read */
    CLUSTER_CALL = 12,    /* member calls the function in text, module:function/arity, with the list in term: cluster_answer it
                            * with request; request 0: nobody waits for an answer. Module cluster is answered already */
    CLUSTER_REPLY = 13,   /* to a request: request, error, text, term */
    CLUSTER_WRITABLE = 14, /* member: what waited for it went out, after a CLUSTER_E_AGAIN */
    CLUSTER_LEFT = 15,     /* of cluster_leave: request, error, text */
    CLUSTER_RESYNC = 16    /* membership events were lost: read the members at `revision`, then take later JOINs and
                             * CHANGEs as upserts and LEAVEs of absent names as nothing */
};

/* What happened. It and all it points to live until the next cluster_next_event, cluster_step or cluster_destroy. */
struct cluster_event {
    uint32_t size;
    uint32_t type;    /* CLUSTER_JOIN ... */
    int32_t error;    /* 0 or CLUSTER_E... */
    uint32_t changed; /* CHANGE: CLUSTER_CHANGED_... */
    uint32_t state;   /* STATUS: CLUSTER_FORMING ...; SOURCE: CLUSTER_SOURCE_... */
    /* STATUS: nodes counted; MAP: places that moved, one a shard and replica; REPLY of cluster_resolve: good for so many
     * seconds */
    uint32_t count;
    uint32_t quorum; /* STATUS: how many are needed */
    uint32_t reserved;
    uint64_t time;                 /* the step's now */
    uint64_t revision;             /* membership events and RESYNC: the revision they led to */
    uint64_t request;              /* REPLY, CALL, LEFT: which */
    uint64_t fingerprint;          /* MAP: of the new map */
    struct cluster_source *source; /* SOURCE; of JOIN, LEAVE and CHANGE: what caused it, or NULL */
    const struct cluster_member
        *member;      /* membership events; UP, DOWN, CONNECT, DISCONNECT; MESSAGE, CALL, WRITABLE: the other node */
    const char *text; /* never NULL */
    const void *term; /* MESSAGE, CALL, REPLY: in the external format, 131 first; NULL: there is none */
    uint64_t term_size;
};

/* The oldest event not yet seen, or NULL. Membership events come first, in order, with UP, DOWN, messages and replies; then
 * CONNECT and DISCONNECT, which no full queue loses; then SOURCE, STATUS and MAP, of which only the newest is kept. Replaying
 * all events over an empty set gives exactly the member list. Read all of them before each
 * wait. */
CLUSTER_API const struct cluster_event *cluster_next_event(struct cluster *c);

/* "join", "leave" ...; "none" for other numbers. Static storage. */
CLUSTER_API const char *cluster_event_name(uint32_t type);

/* ---- going away ------------------------------------------------------- */

/* The own node is about to go (on: 1), or it stays (0). Its member has CLUSTER_MEMBER_DRAINING from now on, and so it is
 * announced at once where it is announced at all: no node dials it any more, and on a map it owns nothing. 0; CLUSTER_E_INVALID
 * without an own node, and for undefined@host, which is no member; CLUSTER_E_MEMORY, and then nothing has changed. */
CLUSTER_API int cluster_drain(struct cluster *c, int on);

/* Withdraw every announcement of the own node, for good: the others need not wait for it to age out. CLUSTER_LEFT, with the
 * number at *request (NULL is fine), says that it is done, or with CLUSTER_E_TIMEOUT that a source did not manage it within
 * timeout_ms (-1: as long as it takes; text says which). The handle goes on seeing the others until it is destroyed. 0;
 * CLUSTER_E_AGAIN: too many events are pending, or it is under way. */
CLUSTER_API int cluster_leave(struct cluster *c, int timeout_ms, uint64_t *request);

/* ---- status ----------------------------------------------------------- */

enum { CLUSTER_FORMING = 0, CLUSTER_READY = 1, CLUSTER_DEGRADED = 2 };

/* FORMING until the quorum is first reached, then READY, DEGRADED whenever it is lost. */
CLUSTER_API int cluster_status(const struct cluster *c);

/* Counts this handle's READY periods: 1 in the first, 0 before it. It orders them and no more: it is no fencing token. */
CLUSTER_API uint64_t cluster_token(const struct cluster *c);

/* ---- discovery -------------------------------------------------------- */

/* Add a source. `url` says it all (docs/urls.md); "" adds nothing, sets *out to NULL and succeeds. `out` may be NULL. The
 * source belongs to the handle, and is there until cluster_source_remove or cluster_destroy. CLUSTER_E_INVALID with a sentence
 * that names the offending part, and the right word for a near miss; CLUSTER_E_MEMORY; what a strategy's open returned. With
 * name@auto not decided yet: CLUSTER_E_INVALID where this source does not decide it either, CLUSTER_E_EXISTS where a member has
 * that name. The first round starts at the next step. */
CLUSTER_API int cluster_discover(struct cluster *c, const char *url, struct cluster_source **out);

enum {
    CLUSTER_SOURCE_STARTING = 0, /* no round has ended yet */
    CLUSTER_SOURCE_ANSWER = 1,   /* the last round gave nodes */
    CLUSTER_SOURCE_EMPTY = 2,    /* the last round gave a complete answer of nothing */
    CLUSTER_SOURCE_FAILED = 3    /* the last round failed: it changed no membership */
};

CLUSTER_API int cluster_source_state(const struct cluster_source *s);       /* CLUSTER_SOURCE_... */
CLUSTER_API int cluster_source_error(const struct cluster_source *s);       /* of the last round: 0 or CLUSTER_E... */
CLUSTER_API const char *cluster_source_why(const struct cluster_source *s); /* of a failure: one sentence; else "". Until the
                                                                             * next round ends */
CLUSTER_API const char *cluster_source_url(const struct cluster_source *s); /* as given, secrets shown as *** */
CLUSTER_API uint64_t cluster_source_rounds(const struct cluster_source *s); /* rounds that ended so far */
CLUSTER_API size_t cluster_source_count(const struct cluster_source *s);    /* members that it lists now */
CLUSTER_API struct cluster_source *cluster_source_at(const struct cluster *c,
                                                     size_t index); /* in the order added; NULL past the end */

/* A round at the next step; where one is under way its answer does, and a source that is paused has none. 0, or
 * CLUSTER_E_INVALID for NULL, as of pause. */
CLUSTER_API int cluster_source_refresh(struct cluster_source *s);

/* While on (1) no new rounds and no ageing; a round that is under way ends, and counts. Off (0): a round at the next step. */
CLUSTER_API int cluster_source_pause(struct cluster_source *s, int on);

/* The end of a source, and of the pointer to it: its members leave at once unless listed elsewhere, no event names it any more.
 * NULL is fine. */
CLUSTER_API void cluster_source_remove(struct cluster_source *s);

#ifndef CLUSTER_NO_REFERENCE
/* What a URL may be, from the table that reads it: a scheme, or an option of some. Texts are static. */
struct cluster_url_entry {
    uint32_t size;        /* set it: fields beyond are not written */
    uint32_t least, most; /* items of a scheme's target; a number; of a duration least is in ms, with most 0 */
    uint32_t misses;      /* of a scheme: the default of misses=; 0: it does not apply */
    uint64_t interval_ns, timeout_ns, max_age_ns; /* the same; interval CLUSTER_NEVER: one round; timeout, max-age 0: none */
    const char *scheme;                           /* its name; of an option the schemes that take it, with spaces; "": all do */
    const char *key;                              /* of an option; of a scheme "" */
    const char *takes;    /* how a target is written; what an option takes, or "" where it takes one of the choices */
    const char *choices;  /* words that an option takes, with spaces between them */
    const char *fallback; /* what holds where the option is not given */
    const char *help;
};

/* The index-th entry, schemes first: 1; 0 past the end, or without out->size. Schemes that a program registered are not among them. */
CLUSTER_API int cluster_url_reference(size_t index, struct cluster_url_entry *out);
#endif

/* A node as a source names it. name without '@' is a host: the source's node= is put before it. */
struct cluster_node {
    uint32_t size;   /* sizeof(struct cluster_node): the stride of an array is its first element's */
    uint32_t weight; /* 0: the source's weight=, else 1 */
    uint32_t port;   /* 0: the source's port=, else unknown; at most 65535 */
    uint32_t flags;  /* CLUSTER_NODE_... */
    const char *name;
    const char *address; /* IP address as text, or NULL */
    const char *zone;    /* NULL: the source's zone= */
    const char *role;    /* NULL: the source's role= */
};
#define CLUSTER_NODE_DRAINING 1u
#define CLUSTER_NODE_EXCLUDED 2u /* placement: a node of the list that owns nothing; so does a draining one */
#define CLUSTER_NODE_LEAVING 4u  /* heard: it is gone; of the own node: the source withdraws what it announced */

/* ---- for push: sources, and for strategies of your own ---------------- */

/* A round ends with one of these. publish: the complete list as of now (count 0: the empty answer), which is copied. On any
 * error nothing has changed and the round counts as failed: CLUSTER_E_INVALID, for names that are no node names, and addresses
 * that are no IP addresses, fail the whole list; CLUSTER_E_LIMIT, for limit= or options.limit_members; CLUSTER_E_MEMORY. fail:
 * `error` is a CLUSTER_E..., why a sentence of up to 191 bytes, or NULL for the error's name; from inside open it is what
 * cluster_last_error says. A push: source's are the host's to call, at any time; a strategy's its own, from open, round and
 * ready. */
CLUSTER_API int cluster_source_publish(struct cluster_source *s, const struct cluster_node *nodes, size_t count);
CLUSTER_API int cluster_source_fail(struct cluster_source *s, int error, const char *why);

#ifndef CLUSTER_NO_HTTP
/* A part of a list that is too long for one step: it changes nothing until publish ends the list with the rest (which may be
 * count 0). Returns how many nodes were added since the round began; an error, as of publish. When the round fails, or another
 * one begins, they are forgotten: so a list that goes on after steps asks with count 0 whether all of it is still there. */
CLUSTER_API int64_t cluster_source_add(struct cluster_source *s, const struct cluster_node *nodes, size_t count);
#endif

/* Or with this: the complete list is the one published last. CLUSTER_E_INVALID when the last publish failed, or there was
 * none. */
CLUSTER_API int cluster_source_same(struct cluster_source *s);

/* For strategies with CLUSTER_STRATEGY_HEARS, that hear of one node at a time (gossip): it is there now, and leaves after
 * max-age without another word; with CLUSTER_NODE_LEAVING it leaves now. From inside round and ready only. 0; else it is
 * dropped, and counted so: CLUSTER_E_LIMIT, for new names are taken at a bounded rate, up to limit=; CLUSTER_E_INVALID: it is
 * no node; CLUSTER_E_PERMISSION: only=, except= or allow= leave it out, or it says good-bye for another; CLUSTER_E_MEMORY. */
CLUSTER_API int cluster_source_heard(struct cluster_source *s, const struct cluster_node *node);
CLUSTER_API int cluster_source_gone(struct cluster_source *s, const char *name); /* it said that it left; 0, listed or not */

/* How a kind of source works. open: parse target and options, do no I/O; its error sentence goes to cluster_source_fail, and
 * what did not open is not closed. target: what stands between scheme and options, as it is written; cluster_source_item gives
 * its items decoded. It lives as long as the source. round: start one (an older one still under way is void); NULL: there are
 * none, and the host publishes. ready: a watched fd fired (fd >= 0; POLLNVAL: the fd is lost, it is no longer watched and must
 * not be closed), or the timer did (fd -1), or a question to DNS has ended (CLUSTER_ANSWERED), or something came of a request
 * by HTTP (CLUSTER_FETCHED). It reads until CLUSTER_E_AGAIN. close: free state; what is still watched is retired. open, round
 * and ready: 0, or a negative CLUSTER_E..., which refuses the source, or fails the round. */
struct cluster_strategy {
    uint32_t size; /* sizeof(struct cluster_strategy) */
    int (*open)(void *ctx, struct cluster_source *s, const char *target, void **state);
    int (*round)(void *state, uint64_t now);
    int (*ready)(void *state, int fd, int revents, uint64_t now);
    void (*close)(void *state);
    const char *options;  /* keys of its own, separated by spaces: they alone are accepted beside the common ones */
    uint64_t interval_ns; /* default of interval=; 0: 5 s; CLUSTER_NEVER: rounds only on refresh */
    uint64_t max_age_ns;  /* default of max-age=; 0: none */
    uint32_t misses;      /* default of misses=; 0: 3 */
    uint32_t flags;       /* CLUSTER_STRATEGY_... */
};
#define CLUSTER_STRATEGY_HEARS 1u /* nodes are heard one at a time; a round is the time until the next one */
#define CLUSTER_STRATEGY_ANNOUNCES                                                                                             \
    2u /* a round says where the own node is, and that it drains or leaves: there is one at once */

/* Teach the handle a scheme. The struct is copied, ctx goes to open as it is. CLUSTER_E_INVALID: the name is no
 * [a-z][a-z0-9+-]* of up to 32 bytes, or the struct lacks its size, open, ready or close; CLUSTER_E_EXISTS: there is a scheme
 * of this name; CLUSTER_E_MEMORY. */
CLUSTER_API int cluster_strategy_register(struct cluster *c, const char *scheme, const struct cluster_strategy *strategy,
                                          void *ctx);

/* All of these may be called from inside a strategy, for its own source only. */
/* open: kind CLUSTER_TCP or CLUSTER_UDP, family 4 or 6; the open hook's descriptor, or what that returned; CLUSTER_E_LIMIT,
 * CLUSTER_E_AGAIN: too many are open, or wait for their close; CLUSTER_E_MEMORY. watch: POLLIN | POLLOUT, 0: no longer; any fd,
 * also one of your own; CLUSTER_E_EXISTS: it is another source's; CLUSTER_E_INVALID: it is none, or waits for its close;
 * CLUSTER_E_LIMIT and CLUSTER_E_MEMORY, of one that was not watched. close: hand a watched fd over, closed when that is safe;
 * CLUSTER_E_NOT_FOUND: it is not this source's. */
CLUSTER_API int cluster_source_open(struct cluster_source *s, int kind, int family);
CLUSTER_API int cluster_source_watch(struct cluster_source *s, int fd, int events);
CLUSTER_API int cluster_source_close(struct cluster_source *s, int fd);
/* The send and recv hooks, counted: bytes, or a negative CLUSTER_E... CLUSTER_E_AGAIN also when the step's budget is over:
 * ready is then called again in the next step, which is due at once. */
CLUSTER_API int64_t cluster_source_send(struct cluster_source *s, int fd, const void *data, size_t size,
                                        const struct cluster_address *to);
CLUSTER_API int64_t cluster_source_recv(struct cluster_source *s, int fd, void *data, size_t size,
                                        struct cluster_address *from);
/* The source's one timer: ready(state, -1, 0, now) once the step's clock is there. CLUSTER_NEVER: off. Returns 0. */
CLUSTER_API int cluster_source_timer(struct cluster_source *s, uint64_t at_ns);
/* From inside open: the source is told of changes rather than asking again and again, so that misses= is 1 where it is not
 * given. Returns 0. */
CLUSTER_API int cluster_source_streams(struct cluster_source *s);
/* The value of an option, decoded; NULL: not given. It lives as long as the source, as items do. */
CLUSTER_API const char *cluster_source_option(const struct cluster_source *s, const char *key);
/* The target's items, decoded, one by one: the one after `previous` (NULL: the first); NULL after the last. */
CLUSTER_API const char *cluster_source_item(const struct cluster_source *s, const char *previous);
CLUSTER_API void cluster_source_drop(struct cluster_source *s); /* count one refused packet or name */
/* The own node as it is now; its name is NULL when there is none. Valid until the call of the strategy returns. */
CLUSTER_API const struct cluster_node *cluster_source_own(const struct cluster_source *s);
/* For strategies with CLUSTER_STRATEGY_ANNOUNCES, once the own node has CLUSTER_NODE_LEAVING: nobody is told of it any more. */
CLUSTER_API void cluster_source_withdrawn(struct cluster_source *s);
/* The handle's hooks, with the defaults filled in. */
CLUSTER_API const struct cluster_io *cluster_source_io(const struct cluster_source *s);
CLUSTER_API const struct cluster_allocator *cluster_source_allocator(const struct cluster_source *s);
/* Unpredictable bytes: 0, or what the random hook returned. */
CLUSTER_API int cluster_source_random(struct cluster_source *s, void *data, size_t size);
CLUSTER_API uint64_t cluster_source_now(const struct cluster_source *s); /* the step's now */
/* To the log hook, with the URL as the setting. level: CLUSTER_LOG_... */
CLUSTER_API void cluster_source_log(struct cluster_source *s, int level, const char *message);

#ifndef CLUSTER_NO_DNS
/* ---- for strategies: questions to DNS --------------------------------- */

/* Questions to DNS are asked by a resolver of the library's own or, where the implementation is compiled with
 * CLUSTER_USE_CARES, by c-ares (link with -lcares): through the same hooks, watches and times, with the same answers. c-ares'
 * memory is not the allocator's: it comes from malloc, or from what ares_library_init_mem was given before the first handle. */
#define CLUSTER_ANSWERED (-2)  /* the fd that ready gets when a question has ended; revents is its slot */
#define CLUSTER_DNS_SLOTS 4096 /* slots of a source: 0..4095 */

#define CLUSTER_ANSWER_TCP 1u        /* it came over TCP */
#define CLUSTER_ANSWER_HOSTS 2u      /* it is from /etc/hosts */
#define CLUSTER_ANSWER_ADDITIONAL 4u /* it brings addresses of other names */

/* What came of a question. */
struct cluster_dns_answer {
    uint32_t size;    /* set it: fields beyond are not written */
    int32_t error;    /* 0: a complete answer, also of nothing; CLUSTER_E_...: none */
    uint32_t rcode;   /* as the server said, 3: there is no such name; 0 without an answer */
    uint32_t count;   /* records of the asked type at the end of the CNAME chain; 0: the empty answer */
    uint32_t ttl;     /* seconds: the least of these and of the chain; of an empty answer as the zone says */
    uint32_t flags;   /* CLUSTER_ANSWER_... */
    uint64_t digest;  /* equal for equal records, in whatever order; times to live do not count */
    const char *why;  /* of a failure: one sentence, which names the server; else "" */
    const char *name; /* the full name that was asked for last */
};

struct cluster_record {
    uint32_t size;                   /* set it: fields beyond are not written */
    uint32_t type;                   /* CLUSTER_DNS_... */
    uint32_t ttl;                    /* seconds */
    uint32_t priority, weight, port; /* of SRV */
    uint32_t additional;             /* 1: it is not of the answer: the address of another name */
    uint32_t text_size;
    const char *name;               /* whose it is */
    const char *text;               /* SRV, CNAME, PTR: the target; TXT: its bytes, strings joined, may hold NUL; else "" */
    struct cluster_address address; /* A, AAAA; port 0 */
};

/* Ask DNS for the records of a name. `slot` is a small number of the strategy's choosing, 0..4095; an older question there is
 * given up. type: CLUSTER_DNS_... 0: it is under way, and ready(state, CLUSTER_ANSWERED, slot, now) will say when it has ended,
 * never from inside this call. CLUSTER_E_INVALID: no DNS name, or no such slot; CLUSTER_E_MEMORY. It has until shortly before
 * the round's timeout, or else timeout=. The name is absolute. A strategy whose options have the key `search` gives its users
 * these: search=on, then the search list of /etc/resolv.conf counts; hosts=on, then /etc/hosts is read first;
 * server=ADDRESS:PORT,... in place of the servers of /etc/resolv.conf; tcp=on or tcp=keep, no UDP, and the connection kept.
 * Slots keep their memory: to ask again allocates nothing. */
CLUSTER_API int cluster_source_resolve(struct cluster_source *s, uint32_t slot, const char *name, uint32_t type);

/* The answer, which stays until the slot is asked again; its records begin anew. CLUSTER_E_AGAIN: it is under way;
 * CLUSTER_E_NOT_FOUND: it was never asked. Texts are valid until the next call of these three. */
CLUSTER_API int cluster_source_answer(struct cluster_source *s, uint32_t slot, struct cluster_dns_answer *out);

/* 1: the next record, first those of the answer, then the addresses of other names; 0: no more. Errors as of the answer, and
 * CLUSTER_E_MEMORY for a text that has no room. */
CLUSTER_API int cluster_source_record(struct cluster_source *s, uint32_t slot, struct cluster_record *out);

#endif

#ifndef CLUSTER_NO_TERM
/* ---- terms of Erlang -------------------------------------------------- */

#define CLUSTER_TERM_DEPTH 128 /* containers within each other, in text */

/* A term in Erlang's syntax, e.g. "{ok, [1, 2.5], <<\"bytes\">>}", into the external term format, which is a byte 131 and the
 * term. *size is what it needs, also when that is more than `capacity`: CLUSTER_E_LIMIT (out NULL with 0: only ask). What is
 * nested deeper than CLUSTER_TERM_DEPTH, a text of more than 1 GiB and an integer of more than 4096 bits that is not in base 16
 * are CLUSTER_E_LIMIT too, with *size 0; wrong syntax is CLUSTER_E_INVALID. After an error out holds nothing of use. */
CLUSTER_API int cluster_term_parse(const char *text, void *out, size_t capacity, size_t *size);

/* Why cluster_term_parse refuses a text: one sentence, static storage, and at which byte of it (`at` may be NULL). "": nothing
 * is wrong with it. */
CLUSTER_API const char *cluster_term_why(const char *text, size_t *at);

/* A term of the external format, its 131 first, in Erlang's syntax, which cluster_term_parse reads back as the same term: pids,
 * ports, references and funs too. Printable lists are strings, printable binaries <<"...">> or <<"..."/utf8>>, integers of more
 * than 4096 bits in base 16. Returns the length of the text without its NUL, also when there is no room for all of it: then out
 * has its beginning (NULL with 0: only ask). 0: it is no term, something follows it, it is compressed, or is nested deeper than
 * CLUSTER_TERM_DEPTH. That no map has a key twice is not checked. */
CLUSTER_API size_t cluster_term_print(const void *term, size_t size, char *out, size_t capacity);

#endif

#ifndef CLUSTER_NO_HTTP
/* ---- for strategies: requests by HTTP --------------------------------- */

#define CLUSTER_FETCHED (-3)  /* the fd that ready gets when something came of a request; revents is its slot */
#define CLUSTER_FETCH_SLOTS 8 /* slots of a source: 0..7 */

#define CLUSTER_REQUEST_INSECURE 1u /* verify no certificate, and send the secret over anything */
#define CLUSTER_REQUEST_FRESH 2u    /* not on the connection that was kept: the ca file is another one now */

struct cluster_request {
    uint32_t size;
    uint32_t flags;       /* CLUSTER_REQUEST_... */
    const char *method;   /* NULL: GET */
    const char *url;      /* http://HOST:PORT/PATH?QUERY or https://..., escaped where it has to be; no user, no fragment */
    const char *headers;  /* lines `name: value`, each ended by \n; NULL: none. Host, Connection and lengths are not for here */
    const char *secret;   /* the same, for what authorizes: it is sent over verified TLS only */
    const char *ca;       /* PEM file with the authorities to trust; NULL: the TLS hooks' own */
    const void *body;     /* copied */
    uint64_t body_size;   /* bytes there */
    uint64_t answer_size; /* bytes that the body of the response may have; 0: 2^30 */
    uint64_t timeout_ns;  /* from now to its end; 0: until shortly before the round's timeout, or else timeout= */
};

/* What came of a request. */
struct cluster_response {
    uint32_t size; /* set it: fields beyond are not written */
    /* 0: the status is 2xx and the body is coming or whole; CLUSTER_E_AGAIN: no response yet; others: none, why says it */
    int32_t error;
    uint32_t status; /* as the server said; 0: it said none */
    uint32_t whole;  /* 1: the body was read to its end */
    const char *why; /* of a failure: one sentence, with what the server said of it; else "" */
};

/* Send a request. `slot` is a small number of the strategy's choosing, 0..7; an older request there is given up, and with
 * `request` NULL that is all. 0: it is under way, and ready(state, CLUSTER_FETCHED, slot, now) is called when a response with
 * status 2xx has begun, whenever more of its body came, and when it failed; never from inside this call. Any other status is a
 * failure: redirects are not followed. CLUSTER_E_INVALID: no such slot, or a malformed request; CLUSTER_E_MEMORY. The host is
 * an address or a name of /etc/hosts or DNS (with the search list). Connections are kept for the next request of the slot to
 * the same server. */
CLUSTER_API int cluster_source_fetch(struct cluster_source *s, uint32_t slot, const struct cluster_request *request);

/* What came of it so far: 0; CLUSTER_E_NOT_FOUND: the slot has no request; CLUSTER_E_INVALID: out->size is not set. */
CLUSTER_API int cluster_source_fetched(const struct cluster_source *s, uint32_t slot, struct cluster_response *out);

/* A field of the response, as the environment hook gives variables: its length, its text in out if it fits with its NUL, or
 * CLUSTER_E_NOT_FOUND. It is there until the slot's next request. */
CLUSTER_API int cluster_source_header(const struct cluster_source *s, uint32_t slot, const char *name, char *out,
                                      size_t capacity);

/* The next bytes of the body, at *data until the next call: how many; 0: that was all of it; CLUSTER_E_AGAIN: not yet, or
 * enough for this step: ready will be called again; any other error: it failed. */
CLUSTER_API int64_t cluster_source_body(struct cluster_source *s, uint32_t slot, const void **data);

#endif

/* ---- one-off queries -------------------------------------------------- */

/* Requests have numbers, from 1 on, none given twice. The number goes to *request (NULL is fine), and comes back in the
 * CLUSTER_REPLY, of which there is exactly one for each request that returned 0, with a place kept for it. */

#ifndef CLUSTER_NO_DNS
/* Look a name up in DNS. name: NAME or NAME?server=10.0.0.53&search=on, with the options of a dns: URL. type: "a" "aaaa"
 * "a+aaaa" "srv" "cname" "ptr" "txt"; NULL: a+aaaa. CLUSTER_REPLY: text has a line for each record, sorted as text: the
 * address, or `PRIORITY WEIGHT PORT TARGET`, the target, the text in quotes with \xHH in it; count is for how many seconds they
 * are good. CLUSTER_E_NOT_FOUND: there is no such name, or no such record. Returns 0; CLUSTER_E_INVALID, CLUSTER_E_MEMORY;
 * CLUSTER_E_AGAIN: too many queries and events are pending. */
CLUSTER_API int cluster_resolve(struct cluster *c, const char *name, const char *type, uint64_t *request);

#endif

#ifndef CLUSTER_NO_EPMD
/* Ask epmd at HOST[:PORT] (NULL: this host) for its names. CLUSTER_REPLY: text has a line `NAME PORT` for each. The query
 * has a deadline of 5 s. Returns 0; CLUSTER_E_INVALID, CLUSTER_E_MEMORY; CLUSTER_E_AGAIN: too many queries and events are
 * pending. */
CLUSTER_API int cluster_epmd_names(struct cluster *c, const char *host, uint64_t *request);

/* The same of one node: the epmd of its host is asked for its distribution port. CLUSTER_REPLY: text is the port, or error is
 * CLUSTER_E_NOT_FOUND. */
CLUSTER_API int cluster_epmd_port(struct cluster *c, const char *node, uint64_t *request);

#endif

#ifndef CLUSTER_NO_CONNECT
/* ---- connecting ------------------------------------------------------- */

/* In every mode of options.connect a member is dialled as soon as a source lists it: options.limit_dials at a time, each for 7
 * s at most. A dial that fails is tried again, after a random part of a time that doubles with each failure in a row, within
 * options.backoff; one that goes well begins anew. Failures are remembered while a member is away, for as long as the longest
 * time of options.backoff: who comes and goes is not dialled more often. Members that drain are not dialled. CLUSTER_UP and
 * CLUSTER_DOWN tell; who is UP and listed counts for the quorum, and nobody else but the own node.
 *
 *   tcp    the port of the member, or without one that which the epmd of its host says, takes a connection; it is closed at
 *          once, and made again as options.tick says. The member may be any program that listens.
 *   epmd   the epmd of its host knows the name; asked again as options.tick says
 *   host   the program does it, and calls cluster_report
 *
 * A member that leaves while it is UP is gone with CLUSTER_LEAVE in these two first modes. In host and erlang it stays a
 * member, with CLUSTER_MEMBER_ACCEPTED, until its link ends: by itself, or with options.on_leave "disconnect" at once. A node
 * to which there is a link is such a member too where no source ever listed it. Hosts that are names are looked up in
 * /etc/hosts, then in DNS (with the search list), for each dial anew. */

enum {
    CLUSTER_REPORT_UP = 1,     /* there is a connection now, whoever made it */
    CLUSTER_REPORT_DOWN = 2,   /* it has ended */
    CLUSTER_REPORT_FAILED = 3, /* none could be made */
    CLUSTER_REPORT_IGNORED = 4 /* none will be made: do not ask again until the member changes, or leaves and comes back */
};

/* connect=host: how connecting to a node went, or what became of a connection; at any time, asked for or not. `error`: why, a
 * CLUSTER_E..., which CLUSTER_DOWN shows; 0: CLUSTER_E_CLOSED. A CLUSTER_CONNECT that is not answered within 7 s of being read
 * has failed; it comes again, as after FAILED and DOWN. One that waits to be read is taken back when the member leaves; when it
 * leaves after that, its CLUSTER_LEAVE says to give up. CLUSTER_DISCONNECT is answered with DOWN, and comes again until it
 * is. Returns 0; CLUSTER_E_INVALID: options.connect is another one, or an argument is wrong. CLUSTER_E_NOT_FOUND: there is no
 * such member. CLUSTER_E_LIMIT: options.limit_members leaves no room for a node that no source lists. CLUSTER_E_MEMORY. */
CLUSTER_API int cluster_report(struct cluster *c, const char *node, int outcome, int error);

#endif

#ifndef CLUSTER_NO_ERLANG
/* ---- links to Erlang nodes -------------------------------------------- */

/* All of these need options.node and options.cookie. node: NAME@HOST of another node. Processes, modules and functions are
 * named in plain text without quotes, by 1 to 255 characters: "server", "Elixir.MyApp.Cache". Terms go in and come out in
 * Erlang's external format, whole, the 131 first (cluster_term_parse makes one of text). They return 0; CLUSTER_E_INVALID: what
 * was said here does not hold; CLUSTER_E_MEMORY; those with a request CLUSTER_E_AGAIN: too many queries and events are pending;
 * and what stands at each. */

/* Is the node there, and does it know the cookie? CLUSTER_REPLY: text is "pong", or error and text say why not. There need be
 * no source that lists it: a link to it is made, and kept. The answer takes 10 s at most. */
CLUSTER_API int cluster_ping(struct cluster *c, const char *node, uint64_t *request);

/* Send a message to a registered process of a node that is linked. Messages to one node arrive in the order sent, once each, or
 * not at all when the link ends: no call says which. CLUSTER_E_NOT_FOUND: there is no link. CLUSTER_E_AGAIN: limit_output bytes
 * wait for the node already; a CLUSTER_WRITABLE says when they went out. */
CLUSTER_API int cluster_send(struct cluster *c, const char *node, const char *process, const void *term, size_t size);

/* The same to a process that is known by its pid, as it came in a term: 131 and the pid. */
CLUSTER_API int cluster_send_pid(struct cluster *c, const void *pid, size_t pid_size, const void *term, size_t size);

/* Have a process of this name: what others send to {Name, Node} or to its pid comes as CLUSTER_MESSAGE. It lives as long as the
 * handle; who links to it or monitors it hears of its end when the link ends. CLUSTER_E_EXISTS: there is one, or the handle
 * itself has it (net_kernel, rex). */
CLUSTER_API int cluster_register(struct cluster *c, const char *process);

/* The pid of such a process, 131 first, to be sent to others; *size is how long it is, 272 bytes at most. CLUSTER_E_NOT_FOUND:
 * there is no such process, or the own name is not known yet; CLUSTER_E_LIMIT: it takes more than `capacity`. */
CLUSTER_API int cluster_self(struct cluster *c, const char *process, void *out, size_t capacity, size_t *size);

/* Call a function of a node, as rpc:call does; arguments: a list. CLUSTER_REPLY: term is the result, of a call that failed
 * there {badrpc, Reason}; or error and text say why there is none. timeout_ns 0: 5 s; CLUSTER_NEVER: none. Without a link to
 * the node one is made. When the link ends before the answer, or the time is over, the function may have run: nothing is ever
 * called twice. What it prints appears on the node called. CLUSTER_E_AGAIN also: limit_output bytes wait for the node, and
 * CLUSTER_WRITABLE says when they went out, or for a link to it. */
CLUSTER_API int cluster_call(struct cluster *c, const char *node, const char *module, const char *function,
                             const void *arguments, size_t size, uint64_t timeout_ns, uint64_t *request);

/* Answer a CLUSTER_CALL, once, now or later; term NULL: the function is undefined. CLUSTER_E_NOT_FOUND: it was answered
 * already, or the link has ended. CLUSTER_E_AGAIN: too much waits for the node; try again at CLUSTER_WRITABLE. */
CLUSTER_API int cluster_answer(struct cluster *c, uint64_t request, const void *term, size_t size);

/* Watch a registered process of a node. One CLUSTER_REPLY says when it has ended: term is the reason, noproc when there is none
 * of this name; or error and text, when the link ended, or none could be made. */
CLUSTER_API int cluster_monitor(struct cluster *c, const char *node, const char *process, uint64_t *request);

#endif

/* ---- placement -------------------------------------------------------- */

/* A 64-bit hash, the same on every platform and version: fit for placement and tables of trusted keys. */
CLUSTER_API uint64_t cluster_hash64(const void *data, size_t size, uint64_t seed);

/* SipHash-2-4 with a 128-bit key, key0 its first eight bytes, the lowest first: for keys that an attacker may choose. */
CLUSTER_API uint64_t cluster_siphash(const void *data, size_t size, uint64_t key0, uint64_t key1);

#ifndef CLUSTER_NO_RING

/* Erlang's phash2(Term, Range) of a term in the external format, its 131 first. range: 1 to 2^32; 0: 2^27, which is
 * phash2(Term). CLUSTER_E_UNSUPPORTED for pids, ports, references, funs and compressed terms, whose hash is no use to others;
 * CLUSTER_E_LIMIT for more than 64 containers within each other; CLUSTER_E_INVALID for what is no term, for bytes after it and
 * for ranges over 2^32; *out is then as it was. (That no map has a key twice is not checked: such a term does not exist.) */
CLUSTER_API int cluster_phash2(const void *term, size_t size, uint64_t range, uint32_t *out);

/* Jump consistent hash: the bucket, 0 to buckets - 1, of a key that is a hash already. A new bucket at the end takes its share
 * of keys from all others, and nothing else moves. CLUSTER_NOBODY if there is no bucket. */
CLUSTER_API uint32_t cluster_jump(uint64_t key, uint32_t buckets);

/* Rings and routers: the owners that another system gives to the same keys and nodes, bit for bit.
 *
 *   kind             of                             weight of a node (0: the default)
 *   libring          libring 1.7, Cloister          its points (128, or options.points)
 *   horde            Horde's UniformDistribution    -
 *   ex_hash_ring     ex_hash_ring 7                 its replicas (512, or options.points)
 *   ketama           RJ/ketama                      its memory (1), relative to all
 *   libmemcached     KETAMA_WEIGHTED with MD5       its weight (1), relative to all
 *   nginx            hash ... consistent            its weight (1), 160 points each
 *   riak             riak_core's chash              -
 *   modulo           Enum.at(Enum.sort(nodes), :erlang.phash2(key, n))
 *   nebulex          Nebulex's default keyslot: the same
 *   cachex           Cachex.Router.Mod: rem(phash2(key), n) of the sorted nodes
 *   cachex-jump      Cachex.Router.Jump: jump(phash2(key), n) of the sorted nodes
 *   phoenix-tracker  the shards of a Phoenix.Tracker: phash2(topic, n) of the nodes in their order
 *   jump             cluster_jump of cluster_hash64 of the key, of the nodes in their order
 *   rendezvous       cluster_rendezvous, prepared   its weight (1), relative to all
 *
 * Keys are bytes; to Erlang's kinds an Elixir binary, or with CLUSTER_RING_TERM_KEYS a term in the external format, its 131
 * first. A node's name is what that system calls it: an atom to libring and horde, host:port to ketama, libmemcached and nginx.
 * Where points of two nodes are equal, one owns them: the node given first (ex_hash_ring of up to 8192 points: last). So give
 * nodes in the order in which the other system got them, or, where that is not known, in one order everywhere. */
#define CLUSTER_RING_TERM_KEYS 1u    /* libring, horde, modulo, nebulex, cachex, cachex-jump, phoenix-tracker */
#define CLUSTER_RING_BINARY_NODES 2u /* libring: nodes are binaries, not atoms */
#define CLUSTER_RING_OTP25 4u        /* libring: the other side runs OTP 25 or older, which matters for keys that are atoms */

/* ex_hash_ring's overrides: who owns a key, whatever the ring says; then come those of the ring. */
struct cluster_ring_override {
    uint32_t size;
    uint32_t count; /* of nodes */
    const void *key;
    uint64_t key_size;
    const uint32_t *nodes; /* indices; of one that is not in the ring: of an excluded node */
};

struct cluster_ring_options {
    uint32_t size;
    uint32_t flags;                                /* CLUSTER_RING_... */
    uint32_t points;                               /* of a node of weight 0; riak: partitions, a power of two (0: 64) */
    uint32_t override_count;                       /* at most 2^20 */
    const struct cluster_ring_override *overrides; /* ex_hash_ring */
    const char
        *name; /* horde: the supervisor's or registry's name, as "Elixir.MyApp.DistSup"; libring: nodes are {Name, node} */
    const char *bucket;                        /* riak: the keys' bucket; NULL: "" */
    uint64_t seed;                             /* rendezvous, jump */
    const struct cluster_allocator *allocator; /* copied; NULL: malloc's family */
};

/* Build one; an index is a node's place in `nodes`. Nodes that are flagged excluded or draining own nothing. Riak's partitions
 * go to the nodes in turn. options NULL: defaults. CLUSTER_E_UNSUPPORTED: no such kind. CLUSTER_E_LIMIT: more than 65534 nodes,
 * or 2^26 points. CLUSTER_E_INVALID: a name that is empty, there twice or no atom where it has to be one, a weight over 1 where
 * there are none, an option that the kind does not take, a horde without a name. */
CLUSTER_API int cluster_ring_build(struct cluster_ring **out, const char *kind, const struct cluster_node *nodes, size_t count,
                                   const struct cluster_ring_options *options);
CLUSTER_API void cluster_ring_free(struct cluster_ring *ring);                              /* NULL is fine */
CLUSTER_API uint32_t cluster_ring_nodes(const struct cluster_ring *ring);                   /* how many nodes */
CLUSTER_API const char *cluster_ring_node(const struct cluster_ring *ring, uint32_t index); /* NULL past the end */

/* The index of a key's owner; CLUSTER_NOBODY if there is none, or the key is no term where it has to be one. */
CLUSTER_API uint32_t cluster_ring_owner(const struct cluster_ring *ring, const void *key, size_t size);

/* The first `capacity` distinct owners, the first one first, as ex_hash_ring's find_nodes gives them; returns how many those
 * are. Routers have one. (libring's key_to_nodes does not go on at the ring's begin, so it may give fewer.) */
CLUSTER_API size_t cluster_ring_owners(const struct cluster_ring *ring, const void *key, size_t size, uint32_t *out,
                                       size_t capacity);

/* What that system hashes a key to: 32 bits, 64 of ex_hash_ring, riak (the upper ones of its 160), jump and rendezvous, 27 of
 * cachex. 0, or what cluster_phash2 says of a key that is no term. */
CLUSTER_API int cluster_ring_hash(const struct cluster_ring *ring, const void *key, size_t size, uint64_t *out);

#endif

#if !defined(CLUSTER_NO_MAP) || !defined(CLUSTER_NO_RING)

/* The index of the node with the highest score for the key, O(count); CLUSTER_NOBODY for none. names: in any order. */
CLUSTER_API uint32_t cluster_rendezvous(const void *key, size_t size, const char *const *names, size_t count, uint64_t seed);

#endif

#ifndef CLUSTER_NO_MAP

/* Build a map: a function of the set of nodes (names, weights, zones, flags, roles) and the options alone, in any order. At
 * most 2^20 nodes, names unique, weights to 65535 (0: 1). zone: parts with '/' between them, the outermost first, as
 * region/zone; replicas are in distinct ones while there are enough, and always on distinct nodes. No node at all is a map too:
 * every owner is CLUSTER_NOBODY. options NULL: defaults; allocator NULL: malloc's family. CLUSTER_E_INVALID for duplicates and
 * empty names, too large weights, more than 2^24 shards or 16 replicas, and shards that are no power of two. */
CLUSTER_API int cluster_map_build(struct cluster_map **out, const struct cluster_node *nodes, size_t count,
                                  const struct cluster_map_options *options);
CLUSTER_API int cluster_map_build_in(struct cluster_map **out, const struct cluster_node *nodes, size_t count,
                                     const struct cluster_map_options *options, const struct cluster_allocator *allocator);
CLUSTER_API void cluster_map_free(struct cluster_map *map); /* drops one reference; NULL is fine */

CLUSTER_API uint32_t cluster_map_shards(const struct cluster_map *map);
CLUSTER_API uint32_t cluster_map_nodes(const struct cluster_map *map);    /* it was built of, also those that own nothing */
CLUSTER_API uint32_t cluster_map_replicas(const struct cluster_map *map); /* owners that each shard has */
CLUSTER_API const char *cluster_map_node(const struct cluster_map *map, uint32_t index); /* by name order; NULL past the end */
CLUSTER_API uint32_t cluster_map_find(const struct cluster_map *map, const char *name);  /* the index; CLUSTER_NOBODY */
CLUSTER_API uint32_t cluster_map_node_load(const struct cluster_map *map, uint32_t index); /* shards that this node holds */

/* The index of the node that owns a key, or a shard: CLUSTER_NOBODY when no node may own anything. */
CLUSTER_API uint32_t cluster_map_owner(const struct cluster_map *map, const void *key, size_t size);
CLUSTER_API uint32_t cluster_map_shard(const struct cluster_map *map, const void *key, size_t size);
CLUSTER_API uint32_t cluster_map_shard_owner(const struct cluster_map *map, uint32_t shard);

/* All its owners, the first one first; returns how many there are, fills at most capacity. When the first owner goes, the
 * second one mostly takes its place. */
CLUSTER_API size_t cluster_map_owners(const struct cluster_map *map, const void *key, size_t size, uint32_t *out,
                                      size_t capacity);
CLUSTER_API size_t cluster_map_shard_owners(const struct cluster_map *map, uint32_t shard, uint32_t *out, size_t capacity);

/* Is this node among the owners of a key? 0, or its place among them: 1 is the first owner. */
CLUSTER_API int cluster_map_owns(const struct cluster_map *map, uint32_t index, const void *key, size_t size);

/* The first shard from `from` on that this node holds; CLUSTER_NOBODY: none.
 *     for (s = cluster_map_node_shard(m, i, 0); s != CLUSTER_NOBODY; s = cluster_map_node_shard(m, i, s + 1)) */
CLUSTER_API uint32_t cluster_map_node_shard(const struct cluster_map *map, uint32_t index, uint32_t from);

/* Equal on two nodes if and only if they place alike (up to 2^-64): the way to notice that they do not. */
CLUSTER_API uint64_t cluster_map_fingerprint(const struct cluster_map *map);

/* Make the next map from the one before with the least movement, for programs in which one coordinator places and hands the map
 * to the others (cluster_map_save). Only what must move does: what gone nodes had, what is over a node's cap, what a new
 * node gets, and what is not apart. Loads are as even as they can be by that; from NULL they are as even as can be at all. The
 * map depends on all maps before it, so two programs that make it by themselves agree only if their histories do, and its
 * fingerprint is not that of cluster_map_build. shards and seed must be those of `from`; options NULL: its options, 5 %.
 * Memory comes from the allocator of `from`. CLUSTER_E_INVALID as for cluster_map_build. */
CLUSTER_API int cluster_map_next(struct cluster_map **out, const struct cluster_map *from, const struct cluster_node *nodes,
                                 size_t count, const struct cluster_map_options *options);

struct cluster_move {
    uint32_t shard;
    uint32_t replica; /* which of its owners */
    uint32_t from;    /* index in the old map; CLUSTER_NOBODY: it had none */
    uint32_t to;      /* index in the new map; CLUSTER_NOBODY: it has none */
    uint32_t batch;   /* 0; cluster_map_batches sets it */
};

/* What moves between two maps of the same shard count, by shard; returns the total, fills at most capacity. Followed in this
 * order, no shard that had an owner is ever without one: of its owners the first to go is one that can be spared. All done,
 * the old table is the new one; what is left after a part of it is the rest of the list, the same at each call. Nodes are
 * matched by name. from NULL: everything is new. Different shard counts: 0. It says what moves between maps of one seed. */
CLUSTER_API size_t cluster_map_plan(const struct cluster_map *from, const struct cluster_map *to, struct cluster_move *out,
                                    size_t capacity);

/* Spread a plan over batches, in each of which no node gives or takes more than `each` places (0: 1): sets `batch` of the
 * moves, returns how many batches there are. Batch by batch, and in each in the order of the list, is as safe as the list. give
 * and take are zeroed room for a number per node of the old and of the new map. */
CLUSTER_API uint32_t cluster_map_batches(struct cluster_move *moves, size_t count, uint32_t each, uint32_t *give,
                                         uint32_t *take);

/* A node for a key by live load, so that no hot key drowns one: the first of the key's owners that bears less than its share of
 * total + 1 and epsilon (in 1/1000; 0: 250), else of the owners of the shards behind. load says what a node bears now, in any
 * unit, total what all do; as long as that is true, one is found; with a total that is too small it may take looking at all
 * places to find none, and then it is the first owner. Shares follow the map, so weights count. CLUSTER_NOBODY
 * when no node may own anything. */
CLUSTER_API uint32_t cluster_map_pick(const struct cluster_map *map, const void *key, size_t size, uint32_t epsilon,
                                      uint64_t total, uint64_t (*load)(void *ctx, uint32_t index), void *ctx);

/* A map as bytes, the same on every machine, for a file or for other nodes. Returns how many there are; written only where
 * they fit, so (map, NULL, 0) asks for the size. They hold the names and the seed: where that is secret, so are they. */
CLUSTER_API size_t cluster_map_save(const struct cluster_map *map, void *out, size_t capacity);

/* The map back: the same nodes in the same order, the same owners and fingerprint. Every byte is checked, whoever they come
 * from: CLUSTER_E_PROTOCOL for what was cut, altered or is no map. */
CLUSTER_API int cluster_map_load(struct cluster_map **out, const void *data, size_t size);
CLUSTER_API int cluster_map_load_in(struct cluster_map **out, const void *data, size_t size,
                                    const struct cluster_allocator *allocator);

/* The handle's map as of now, with a reference that cluster_map_free drops; NULL when options.map was not set. Call it, and
 * drop it, on the handle's thread. */
CLUSTER_API struct cluster_map *cluster_current_map(struct cluster *c);

#endif

#ifdef __cplusplus
}
#endif

#endif
