/*
 * The POSIX defaults of struct cluster_io, and cluster_now. Each function makes the system call, and turns errno into
 * a CLUSTER_E... by one table; what a signal can interrupt, which is files alone, it retries. Owns nothing: descriptors belong
 * to the caller. Never blocks, raises no SIGPIPE, and leaves no descriptor open across exec.
 */
#ifndef CLU_LOOP_POSIX_H
#define CLU_LOOP_POSIX_H

#include "../base/hash.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__) && !defined(__ANDROID__) &&                                                                             \
    (!defined(__GLIBC__) || __GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 25))
#include <sys/random.h>
#define CLU_GETRANDOM 1
#endif

#ifdef EHOSTDOWN
#define CLU_EHOSTDOWN EHOSTDOWN
#else
#define CLU_EHOSTDOWN EHOSTUNREACH
#endif

union clu_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A result for an errno; what is not listed is CLUSTER_E_IO. ENOTCONN is what BSD says of a stream whose connect is still
 * under way. The list is read by its signs: a result, then the numbers that mean it. */
CLU_FN int clu_posix_error(int number)
{
    static const int list[] = {
        CLUSTER_E_AGAIN,
        EAGAIN,
        EWOULDBLOCK,
        EINTR,
        EINPROGRESS,
        EALREADY,
        ENOTCONN,
        CLUSTER_E_MEMORY,
        ENOMEM,
        ENOBUFS,
        CLUSTER_E_LIMIT,
        EMFILE,
        ENFILE,
        EMSGSIZE,
        CLUSTER_E_EXISTS,
        EISCONN,
        CLUSTER_E_NOT_FOUND,
        ENOENT,
        ENOTDIR,
        ENODEV,
        ENXIO,
        CLUSTER_E_TIMEOUT,
        ETIMEDOUT,
        CLUSTER_E_REFUSED,
        ECONNREFUSED,
        CLUSTER_E_UNREACHABLE,
        ENETUNREACH,
        EHOSTUNREACH,
        ENETDOWN,
        CLU_EHOSTDOWN,
        CLUSTER_E_CLOSED,
        EPIPE,
        ECONNRESET,
        ECONNABORTED,
        ENETRESET,
        CLUSTER_E_PROTOCOL,
        EPROTO,
        CLUSTER_E_PERMISSION,
        EACCES,
        EPERM,
        CLUSTER_E_ADDRESS,
        EADDRINUSE,
        EADDRNOTAVAIL,
        CLUSTER_E_UNSUPPORTED,
        EAFNOSUPPORT,
        EPROTONOSUPPORT,
        EPROTOTYPE,
        EOPNOTSUPP,
        ENOPROTOOPT,
        ENOSYS,
        CLUSTER_E_INVALID,
        EINVAL,
        EISDIR,
        ENAMETOOLONG,
        ELOOP,
        EDESTADDRREQ,
    };
    int result = CLUSTER_E_IO;
    size_t i;
    for (i = 0; i < CLU_COUNT(list); i++) {
        if (list[i] < 0)
            result = list[i];
        else if (list[i] == number)
            return result;
    }
    return CLUSTER_E_IO;
}

/* A system call's result, or its error. */
CLU_FN int clu_posix_result(int result)
{
    return result < 0 ? clu_posix_error(errno) : result;
}

/* The length of the socket address, 0 when the family is neither 4 nor 6. */
CLU_FN socklen_t clu_sockaddr_of(union clu_sockaddr *out, const struct cluster_address *address)
{
    memset(out, 0, sizeof *out);
    if (address->family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(address->port);
        memcpy(&out->v4.sin_addr, address->bytes, 4);
        return (socklen_t)sizeof out->v4;
    }
    if (address->family == 6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(address->port);
        out->v6.sin6_scope_id = address->scope;
        memcpy(&out->v6.sin6_addr, address->bytes, 16);
        return (socklen_t)sizeof out->v6;
    }
    return 0;
}

/* `family` apart: some systems leave it out of network masks. from NULL: none. */
CLU_FN void clu_sockaddr_read(struct cluster_address *out, int family, const void *from)
{
    memset(out, 0, sizeof *out);
    if (!from)
        return;
    if (family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
        out->family = 4;
        out->port = ntohs(v4->sin_port);
        memcpy(out->bytes, &v4->sin_addr, 4);
    } else if (family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
        out->family = 6;
        out->port = ntohs(v6->sin6_port);
        out->scope = v6->sin6_scope_id;
        memcpy(out->bytes, &v6->sin6_addr, 16);
    }
}

CLU_CALLED int clu_posix_set(int fd, int level, int option, const void *value, size_t size)
{
    return clu_posix_result(setsockopt(fd, level, option, value, (socklen_t)size));
}

CLU_FN int clu_posix_turn_on(int fd, int level, int option)
{
    int on = 1;
    return clu_posix_set(fd, level, option, &on, sizeof on);
}

/* What every socket needs that the call which made it could not set. Closes it on failure. */
CLU_FN int clu_posix_prepare(int fd, bool flags, bool stream)
{
    int old = 0;
    if (flags &&
        (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || (old = fcntl(fd, F_GETFL)) < 0 || fcntl(fd, F_SETFL, old | O_NONBLOCK) < 0)) {
        int error = clu_posix_result(-1);
        (void)close(fd);
        return error;
    }
#ifdef SO_NOSIGPIPE
    (void)clu_posix_turn_on(fd, SOL_SOCKET, SO_NOSIGPIPE);
#endif
    if (stream)
        (void)clu_posix_turn_on(fd, IPPROTO_TCP, TCP_NODELAY);
    return fd;
}

CLU_FN int clu_posix_open(void *ctx, int kind, int family)
{
    int domain = family == 6 ? AF_INET6 : AF_INET;
    int type = kind == CLUSTER_TCP ? SOCK_STREAM : SOCK_DGRAM;
    bool flags = true;
    int fd;
    (void)ctx;
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    type |= SOCK_CLOEXEC | SOCK_NONBLOCK;
    flags = false;
#endif
    fd = socket(domain, type, 0);
    if (fd < 0)
        return clu_posix_result(-1);
    fd = clu_posix_prepare(fd, flags, kind == CLUSTER_TCP);
    /* 4 and 6 are bound apart everywhere; systems differ in the default */
    if (fd >= 0 && family == 6)
        (void)clu_posix_turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    return fd;
}

CLU_FN int clu_posix_bind(void *ctx, int fd, const struct cluster_address *address, uint32_t flags)
{
    union clu_sockaddr to;
    socklen_t size = clu_sockaddr_of(&to, address);
    int error = 0;
    (void)ctx;
    if (!size)
        return CLUSTER_E_INVALID;
    if (flags & (CLUSTER_IO_REUSE | CLUSTER_IO_RESTART)) {
        error = clu_posix_turn_on(fd, SOL_SOCKET, SO_REUSEADDR);
        /* on Linux SO_REUSEPORT would shut out sockets that set SO_REUSEADDR alone; elsewhere it is the one that shares */
#if defined(SO_REUSEPORT) && !defined(__linux__)
        if (!error && (flags & CLUSTER_IO_REUSE))
            error = clu_posix_turn_on(fd, SOL_SOCKET, SO_REUSEPORT);
#endif
    }
    if (!error && (flags & CLUSTER_IO_BROADCAST))
        error = clu_posix_turn_on(fd, SOL_SOCKET, SO_BROADCAST);
    return error ? error : clu_posix_result(bind(fd, &to.any, size));
}

CLU_FN int clu_posix_connect(void *ctx, int fd, const struct cluster_address *address)
{
    union clu_sockaddr to;
    socklen_t size = clu_sockaddr_of(&to, address);
    int error;
    (void)ctx;
    if (!size)
        return CLUSTER_E_INVALID;
    /* an interrupted connect goes on by itself; a second call would only say so */
    error = clu_posix_result(connect(fd, &to.any, size));
    return error == CLUSTER_E_AGAIN ? 0 : error;
}

CLU_FN int clu_posix_listen(void *ctx, int fd, int backlog)
{
    (void)ctx;
    return clu_posix_result(listen(fd, backlog));
}

CLU_FN int clu_posix_accept(void *ctx, int fd, struct cluster_address *peer)
{
    int tries;
    (void)ctx;
    /* A connection that died in the queue is no reason to stop before the queue is empty; Linux hands on what it met on its
     * way, accept(2). */
    for (tries = 0; tries < 64; tries++) {
        union clu_sockaddr from;
        socklen_t size = (socklen_t)sizeof from;
        bool flags = true;
        int result;
        from.any.sa_family = AF_UNSPEC;
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK) &&                                                                         \
    (defined(_GNU_SOURCE) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__))
        result = clu_posix_result(accept4(fd, &from.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
        flags = false;
#else
        result = clu_posix_result(accept(fd, &from.any, &size));
#endif
        if (result >= 0) {
            if (peer)
                clu_sockaddr_read(peer, from.any.sa_family, &from);
            return clu_posix_prepare(result, flags, true);
        }
        if (result != CLUSTER_E_UNREACHABLE && result != CLUSTER_E_CLOSED && result != CLUSTER_E_PROTOCOL)
            return result;
    }
    return CLUSTER_E_AGAIN;
}

/* What the options of multicast are set to. BSD wants bytes for IPv4, where Linux takes either, and integers for IPv6. */
struct clu_multicast {
    struct ip_mreq four;
    struct ipv6_mreq six;
    int off, hops, on;
    unsigned char byte_hops, byte_on;
};

struct clu_multicast_option {
    int option; /* 0: the system has none */
    uint8_t offset, size;
};

#define CLU_MULTICAST(option, value)                                                                                           \
    {                                                                                                                          \
        option, offsetof(struct clu_multicast, value), sizeof(((struct clu_multicast *)0)->value)                              \
    }
#ifdef IP_MULTICAST_ALL
#define CLU_IP_MULTICAST_ALL IP_MULTICAST_ALL
#else
#define CLU_IP_MULTICAST_ALL 0
#endif
#ifdef IPV6_MULTICAST_ALL
#define CLU_IPV6_MULTICAST_ALL IPV6_MULTICAST_ALL
#else
#define CLU_IPV6_MULTICAST_ALL 0
#endif

CLU_FN int clu_posix_join(void *ctx, int fd, const struct cluster_address *group, const struct cluster_address *via, int ttl)
{
    /* The first two are of a member alone. ALL off: else the groups that other programs of this host joined arrive as well. */
    static const struct clu_multicast_option options[2][5] = {
        {CLU_MULTICAST(CLU_IP_MULTICAST_ALL, off), CLU_MULTICAST(IP_ADD_MEMBERSHIP, four),
         CLU_MULTICAST(IP_MULTICAST_IF, four.imr_interface), CLU_MULTICAST(IP_MULTICAST_TTL, byte_hops),
         CLU_MULTICAST(IP_MULTICAST_LOOP, byte_on)},
        {CLU_MULTICAST(CLU_IPV6_MULTICAST_ALL, off), CLU_MULTICAST(IPV6_JOIN_GROUP, six),
         CLU_MULTICAST(IPV6_MULTICAST_IF, six.ipv6mr_interface), CLU_MULTICAST(IPV6_MULTICAST_HOPS, hops),
         CLU_MULTICAST(IPV6_MULTICAST_LOOP, on)}};
    struct clu_multicast values;
    int family = group->family ? group->family : via->family, error = 0, i;
    (void)ctx;
    if (ttl < 0 || ttl > 255 || (family != 4 && family != 6) || (via->family && via->family != family))
        return CLUSTER_E_INVALID;
    memcpy(&values.four.imr_multiaddr, group->bytes, 4);
    memcpy(&values.four.imr_interface, via->bytes, 4);
    memcpy(&values.six.ipv6mr_multiaddr, group->bytes, 16);
    values.six.ipv6mr_interface = via->scope ? via->scope : group->scope;
    values.off = 0;
    values.on = values.byte_on = 1;
    values.hops = ttl;
    values.byte_hops = (unsigned char)ttl;
    for (i = group->family ? 0 : 2; i < 5 && !error; i++) {
        const struct clu_multicast_option *o = &options[family == 6][i];
        if (o->option)
            error =
                clu_posix_set(fd, family == 6 ? IPPROTO_IPV6 : IPPROTO_IP, o->option, (uint8_t *)&values + o->offset, o->size);
        if (i == 0)
            error = 0; /* a kernel that is older than its headers does without */
    }
    return error;
}

CLU_FN int64_t clu_posix_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    union clu_sockaddr target;
    socklen_t length = 0;
    int flags = 0;
    ssize_t sent;
    (void)ctx;
#ifdef MSG_NOSIGNAL
    flags = MSG_NOSIGNAL;
#endif
    if (to && !(length = clu_sockaddr_of(&target, to)))
        return CLUSTER_E_INVALID;
    sent = sendto(fd, data, size, flags, to ? &target.any : NULL, length);
    if (sent < 0)
        return errno == ENOBUFS ? CLUSTER_E_AGAIN : clu_posix_result(-1); /* ENOBUFS: the interface's queue is full */
    return sent;
}

CLU_FN int64_t clu_posix_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    union clu_sockaddr peer;
    struct msghdr message;
    struct iovec part;
    ssize_t got;
    (void)ctx;
    peer.any.sa_family = AF_UNSPEC;
    memset(&message, 0, sizeof message);
    part.iov_base = data;
    part.iov_len = size;
    message.msg_name = &peer;
    message.msg_namelen = (socklen_t)sizeof peer;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    got = recvmsg(fd, &message, 0);
    if (got < 0)
        return clu_posix_result(-1);
    if (from)
        clu_sockaddr_read(from, peer.any.sa_family, &peer);
    return message.msg_flags & MSG_TRUNC ? got + 1 : got;
}

CLU_FN void clu_posix_close(void *ctx, int fd)
{
    (void)ctx;
    (void)close(fd); /* EINTR: whether it is still open differs, and a second close could hit another thread's descriptor */
}

CLU_FN int clu_posix_interfaces(void *ctx, const char *name, struct cluster_address *out, size_t capacity)
{
    struct ifaddrs *list = NULL, *at;
    int count = 0;
    (void)ctx;
    if (getifaddrs(&list) < 0)
        return clu_posix_result(-1);
    for (at = list; at; at = at->ifa_next) {
        struct cluster_address address, mask;
        int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
        clu_sockaddr_read(&address, family, at->ifa_addr);
        if (!(at->ifa_flags & IFF_UP) || !address.family || (name && strcmp(name, at->ifa_name) != 0))
            continue;
        clu_sockaddr_read(&mask, family, at->ifa_netmask);
        while (address.prefix < 128 && (mask.bytes[address.prefix / 8] & 128 >> address.prefix % 8))
            address.prefix++;
        if ((size_t)count < capacity)
            out[count] = address;
        count++;
    }
    freeifaddrs(list);
    return count;
}

CLU_FN uint64_t clu_posix_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * CLU_SECOND + (uint64_t)t.tv_nsec;
}

CLU_FN uint64_t clu_posix_wall_time(void *ctx)
{
    (void)ctx;
    return clu_posix_clock(CLOCK_REALTIME);
}

/* What differs when the file did. A file system's clock may be as coarse as 2 s, so a second change within that time need
 * not show: the stamp of a file just written is never given twice. */
CLU_FN uint64_t clu_posix_stamp(const struct stat *info)
{
    uint64_t now = clu_posix_clock(CLOCK_REALTIME), parts[6];
#ifdef __APPLE__
    uint64_t ns = (uint64_t)info->st_mtimespec.tv_nsec;
#else
    uint64_t ns = (uint64_t)info->st_mtim.tv_nsec;
#endif
    parts[0] = (uint64_t)info->st_mtime * CLU_SECOND + ns;
    parts[1] = (uint64_t)info->st_ctime;
    parts[2] = (uint64_t)info->st_size;
    parts[3] = (uint64_t)info->st_ino;
    parts[4] = (uint64_t)info->st_dev;
    parts[5] = parts[0] + 3 * CLU_SECOND < now && (parts[1] + 3) * CLU_SECOND < now ? 0 : now;
    return cluster_hash64(parts, sizeof parts, 0) | 1; /* 0 is no stamp */
}

/* Read until `size` bytes are there or the end is. */
CLU_FN int64_t clu_posix_read(int fd, void *data, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, (uint8_t *)data + have, size - have);
        if (got < 0 && errno != EINTR)
            return clu_posix_result(-1);
        if (got == 0)
            break;
        if (got > 0)
            have += (size_t)got;
    }
    return (int64_t)have;
}

CLU_FN int clu_posix_open_file(const char *path)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY, fd;
#ifdef O_CLOEXEC
    flags |= O_CLOEXEC;
#endif
    do
        fd = open(path, flags);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return clu_posix_result(-1);
#ifndef O_CLOEXEC
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    return fd;
}

CLU_FN int64_t clu_posix_read_file(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    struct stat info;
    uint64_t now = 0;
    int64_t result;
    int fd = clu_posix_open_file(path);
    (void)ctx;
    if (fd < 0)
        return fd;
    if (fstat(fd, &info) < 0) {
        result = clu_posix_result(-1);
    } else if (!S_ISREG(info.st_mode)) {
        result = CLUSTER_E_INVALID; /* a directory; or a pipe or terminal, which could not be read again */
    } else if (stamp && (now = clu_posix_stamp(&info)) == *stamp) {
        result = CLUSTER_E_AGAIN;
    } else {
        result = clu_posix_read(fd, data, size);
        if (result == (int64_t)size) {
            char more;
            if (clu_posix_read(fd, &more, 1) > 0)
                result = (int64_t)info.st_size > result ? (int64_t)info.st_size : result + 1;
        }
        if (stamp && result >= 0)
            *stamp = now;
    }
    (void)close(fd);
    return result;
}

CLU_FN int clu_posix_environment(void *ctx, const char *name, char *out, size_t capacity)
{
    char host[256];
    const char *value = getenv(name);
    size_t length;
    (void)ctx;
    if (strcmp(name, "HOSTNAME") == 0 && !(value && *value) && gethostname(host, sizeof host) == 0) {
        host[sizeof host - 1] = '\0'; /* a name that was cut need not be ended */
        value = host;
    }
    if (!value)
        return CLUSTER_E_NOT_FOUND;
    length = strlen(value);
    if (length > INT_MAX)
        return CLUSTER_E_LIMIT;
    if (length < capacity)
        memcpy(out, value, length + 1);
    return (int)length;
}

CLU_FN int clu_posix_random(void *ctx, void *data, size_t size)
{
    int64_t got;
    int fd;
    (void)ctx;
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__)
    arc4random_buf(data, size);
    (void)got;
    (void)fd;
    return 0;
#else
#ifdef CLU_GETRANDOM
    /* Up to 256 bytes come whole. GRND_NONBLOCK: early in the boot the device serves, with what there is, rather than that we
     * wait. */
    if (size <= 256 && getrandom(data, size, GRND_NONBLOCK) == (ssize_t)size)
        return 0;
#endif
    fd = clu_posix_open_file("/dev/urandom");
    if (fd < 0)
        return fd;
    got = clu_posix_read(fd, data, size);
    (void)close(fd);
    return got < 0 ? (int)got : got == (int64_t)size ? 0 : CLUSTER_E_IO;
#endif
}

/* Give every member that the host left out its default. */
CLU_FN void clu_posix_io(struct cluster_io *io)
{
    static const struct cluster_io defaults = {sizeof(struct cluster_io),
                                               0,
                                               NULL,
                                               clu_posix_open,
                                               clu_posix_bind,
                                               clu_posix_connect,
                                               clu_posix_listen,
                                               clu_posix_accept,
                                               clu_posix_join,
                                               clu_posix_send,
                                               clu_posix_recv,
                                               clu_posix_close,
                                               clu_posix_interfaces,
                                               clu_posix_read_file,
                                               clu_posix_environment,
                                               clu_posix_random,
                                               clu_posix_wall_time,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL};
    void (*none)(void) = NULL;
    size_t at;
    for (at = offsetof(struct cluster_io, open); at < sizeof *io; at += sizeof none)
        if (memcmp((uint8_t *)io + at, &none, sizeof none) == 0)
            memcpy((uint8_t *)io + at, (const uint8_t *)&defaults + at, sizeof none);
}

CLUSTER_DEF uint64_t cluster_now(void)
{
    return clu_posix_clock(CLOCK_MONOTONIC);
}

#endif
