/*
 * What doctor finds out with sockets of its own: whose address it is, whether a port is open, refused or silent, and where multicast
 * gets to. Nothing here blocks, but for the second that an own packet is waited for.
 */
#ifndef CLUSTERCTL_DOCTOR_NET_H
#define CLUSTERCTL_DOCTOR_NET_H

#include <dirent.h>
#include <ifaddrs.h>

#include "doctor_checks.h"
#include "loop.h"

#define PROBE_TIME (3 * SECOND) /* a port that has not answered by then is silent */

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static socklen_t address_size(const union address *a)
{
    return a->any.sa_family == AF_INET6 ? (socklen_t)sizeof a->six : (socklen_t)sizeof a->four;
}

static void address_set_port(union address *a, uint32_t port)
{
    if (a->any.sa_family == AF_INET6)
        a->six.sin6_port = htons((uint16_t)port);
    else
        a->four.sin_port = htons((uint16_t)port);
}

/* An address as text, without a port; false: it is none. */
static bool address_parse(const char *text, union address *out)
{
    char copy[64];
    char *zone;
    snprintf(copy, sizeof copy, "%s", text);
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, copy, &out->four.sin_addr) == 1) {
        out->any.sa_family = AF_INET;
        return true;
    }
    zone = strchr(copy, '%');
    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, copy, &out->six.sin6_addr) != 1)
        return false;
    out->any.sa_family = AF_INET6;
    out->six.sin6_scope_id = zone ? if_nametoindex(zone) : 0;
    return true;
}

static const char *address_text(const union address *a, char out[64])
{
    const void *bytes = a->any.sa_family == AF_INET6 ? (const void *)&a->six.sin6_addr : (const void *)&a->four.sin_addr;
    return inet_ntop(a->any.sa_family, bytes, out, 64) ? out : "?";
}

static bool address_is_loopback(const union address *a)
{
    static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    return a->any.sa_family == AF_INET6 ? !memcmp(&a->six.sin6_addr, &loopback, sizeof loopback)
                                        : ntohl(a->four.sin_addr.s_addr) >> 24 == 127;
}

static bool address_same(const union address *a, const union address *b)
{
    char one[64], other[64];
    return a->any.sa_family == b->any.sa_family && !strcmp(address_text(a, one), address_text(b, other));
}

/* Is it an address of this host? What can be bound is. */
static bool address_is_here(const union address *a)
{
    union address any = *a;
    int fd = socket(a->any.sa_family, SOCK_DGRAM, 0);
    bool here;
    address_set_port(&any, 0);
    here = fd >= 0 && bind(fd, &any.any, address_size(&any)) == 0;
    if (fd >= 0)
        close(fd);
    return here;
}

/* From which address this host sends to that one; false: there is no way. Nothing is sent. */
static bool address_towards(const union address *to, union address *from)
{
    union address there = *to;
    socklen_t size = (socklen_t)sizeof *from;
    int fd = socket(to->any.sa_family, SOCK_DGRAM, 0), on = 1;
    bool way;
    address_set_port(&there, 9);
    way = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0 &&
          connect(fd, &there.any, address_size(&there)) == 0 && getsockname(fd, &from->any, &size) == 0;
    if (fd >= 0)
        close(fd);
    return way;
}

/* Are two addresses in one network, by the mask of the interface that has the first? */
static bool address_neighbours(const union address *own, const union address *other)
{
    struct ifaddrs *list = NULL, *at;
    bool found = false;
    if (own->any.sa_family != AF_INET || other->any.sa_family != AF_INET)
        return own->any.sa_family == other->any.sa_family && !memcmp(&own->six.sin6_addr, &other->six.sin6_addr, 8);
    if (getifaddrs(&list) < 0)
        return true;
    for (at = list; at; at = at->ifa_next) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)at->ifa_addr;
        const struct sockaddr_in *mask = (const struct sockaddr_in *)(const void *)at->ifa_netmask;
        if (address && mask && address->sin_family == AF_INET && address->sin_addr.s_addr == own->four.sin_addr.s_addr)
            found = found || !((address->sin_addr.s_addr ^ other->four.sin_addr.s_addr) & mask->sin_addr.s_addr);
    }
    freeifaddrs(list);
    return found;
}

/* ---- is a port open? -------------------------------------------------- */

enum probe_state { PROBE_NONE, PROBE_RUNS, PROBE_OPEN, PROBE_REFUSED, PROBE_SILENT, PROBE_NO_WAY, PROBE_ERROR };

struct probe {
    enum probe_state state;
    int fd, error;
    uint64_t began, took;
};

static void probe_end(struct probe *p, int error)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->error = error;
    p->took = cluster_now() - p->began;
    p->state = !error                                                                                ? PROBE_OPEN
               : error == ECONNREFUSED                                                               ? PROBE_REFUSED
               : error == ETIMEDOUT                                                                  ? PROBE_SILENT
               : error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES || error == EINVAL ? PROBE_NO_WAY
                                                                                                     : PROBE_ERROR;
}

static void probe_begin(struct probe *p, const union address *to, uint32_t port)
{
    union address there = *to;
    address_set_port(&there, port);
    p->state = PROBE_RUNS;
    p->began = cluster_now();
    p->fd = socket(there.any.sa_family, SOCK_STREAM, 0);
    if (p->fd < 0) {
        probe_end(p, errno);
        return;
    }
    fcntl(p->fd, F_SETFD, FD_CLOEXEC);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    if (connect(p->fd, &there.any, address_size(&there)) == 0)
        probe_end(p, 0);
    else if (errno != EINPROGRESS && errno != EINTR)
        probe_end(p, errno);
}

/* The descriptor is ready, or time has passed. */
static void probe_look(struct probe *p, bool ready, uint64_t now)
{
    int error = 0;
    socklen_t size = (socklen_t)sizeof error;
    if (p->state != PROBE_RUNS)
        return;
    if (ready && getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0)
        probe_end(p, error);
    else if (now - p->began >= PROBE_TIME)
        probe_end(p, ETIMEDOUT);
}

/* ---- URLs ------------------------------------------------------------- */

static bool url_is(const char *url, const char *scheme)
{
    size_t length = strlen(scheme);
    return !strncmp(url, scheme, length) && url[length] == ':';
}

/* Bytes of a URL, decoded. */
static void url_decode(const char *at, size_t length, char *out, size_t capacity)
{
    size_t i, used = 0;
    for (i = 0; i < length && used + 1 < capacity; i++) {
        unsigned byte = 0;
        char hex[3];
        snprintf(hex, sizeof hex, "%.2s", length - i > 2 ? at + i + 1 : "");
        if (at[i] == '%' && sscanf(hex, "%2x", &byte) == 1) {
            out[used++] = (char)byte;
            i += 2;
        } else {
            out[used++] = at[i];
        }
    }
    out[used] = '\0';
}

/* The value of an option, decoded; false: it is not given. The URL has been accepted before. */
static bool url_option(const char *url, const char *key, char *out, size_t capacity)
{
    const char *at = strchr(url, '?');
    size_t length = strlen(key);
    *out = '\0';
    while (at) {
        at++;
        if (!strncmp(at, key, length) && at[length] == '=') {
            at += length + 1;
            url_decode(at, strcspn(at, "&"), out, capacity);
            return true;
        }
        at = strchr(at, '&');
    }
    return false;
}

static bool url_option_is(const char *url, const char *key, const char *value)
{
    char found[256];
    return url_option(url, key, found, sizeof found) && !strcmp(found, value);
}

/* The items of the target. */
static void url_items(const char *url, struct names *out)
{
    const char *at = strchr(url, ':') + 1;
    size_t whole = strcspn(at, "?");
    names_clear(out);
    while (whole) {
        size_t length = strcspn(at, ",?");
        char item[512];
        url_decode(at, length, item, sizeof item);
        names_add(out, item, strlen(item));
        at += length;
        whole -= length;
        if (whole) {
            at++;
            whole--;
        }
    }
}

/* HOST or HOST:PORT, IPv6 in brackets when there is a port. */
static void host_port(const char *text, char *host, size_t capacity, uint32_t *port)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL, *colon = end ? strchr(end, ':') : strchr(text, ':');
    if (!end && colon && strchr(colon + 1, ':'))
        colon = NULL;
    if (end)
        snprintf(host, capacity, "%.*s", (int)(end - text - 1), text + 1);
    else
        snprintf(host, capacity, "%.*s", (int)(colon ? (size_t)(colon - text) : strlen(text)), text);
    if (colon)
        *port = (uint32_t)strtoul(colon + 1, NULL, 10);
}

/* ---- multicast -------------------------------------------------------- */

struct group {
    const char *url;
    union address to, via; /* via: the interface's address */
    char interface[64];    /* its name, or what if= says */
    uint32_t port;
    int ttl;
    bool broadcast, chosen; /* chosen: by if= */
};

#ifdef __linux__

/* The process that has the socket of this inode; false: it cannot be seen. */
static bool port_process(unsigned long inode, char *out, size_t capacity)
{
    char wanted[64], path[300], seen[64];
    DIR *processes = opendir("/proc"), *fds;
    struct dirent *process, *fd;
    bool found = false;
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    while (processes && !found && (process = readdir(processes)) != NULL) {
        if (process->d_name[0] < '0' || process->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/fd", process->d_name);
        fds = opendir(path);
        while (fds && !found && (fd = readdir(fds)) != NULL) {
            ssize_t length;
            snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", process->d_name, fd->d_name);
            length = readlink(path, seen, sizeof seen - 1);
            seen[length > 0 ? length : 0] = '\0';
            found = !strcmp(seen, wanted);
        }
        if (fds)
            closedir(fds);
        if (found) {
            FILE *comm;
            char name[32] = "?";
            snprintf(path, sizeof path, "/proc/%.20s/comm", process->d_name);
            comm = fopen(path, "r");
            if (comm && fgets(name, sizeof name, comm))
                name[strcspn(name, "\n")] = '\0';
            if (comm)
                fclose(comm);
            snprintf(out, capacity, "%s (process %.20s)", name, process->d_name);
        }
    }
    if (processes)
        closedir(processes);
    return found;
}

/* Who has a UDP port of this host? */
static const char *port_holder(uint32_t port, char *out, size_t capacity)
{
    static const char *const files[] = {"/proc/net/udp", "/proc/net/udp6"};
    size_t i;
    for (i = 0; i < COUNT(files); i++) {
        FILE *f = fopen(files[i], "r");
        char line[512];
        while (f && fgets(line, sizeof line, f)) {
            unsigned found;
            unsigned long uid, inode;
            if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %lu %*s %lu", &found, &uid, &inode) != 3 ||
                found != port)
                continue;
            fclose(f);
            if (!port_process(inode, out, capacity))
                snprintf(out, capacity, "a program of the user %lu", uid);
            return out;
        }
        if (f)
            fclose(f);
    }
    return "another program";
}

#else

static const char *port_holder(uint32_t port, char *out, size_t capacity)
{
    (void)port;
    (void)out;
    (void)capacity;
    return "another program";
}

#endif

/* The interface that if= names, by name or address; else that of the route, or where there is none the first that is up, is not
 * loopback and does multicast. */
static bool group_interface(struct group *g)
{
    struct ifaddrs *list = NULL, *at;
    union address wanted;
    bool found = false, by_address = g->chosen ? address_parse(g->interface, &wanted) : address_towards(&g->to, &wanted);
    if (getifaddrs(&list) < 0)
        return false;
    for (at = list; at && !found; at = at->ifa_next) {
        const union address *a = (const union address *)(const void *)at->ifa_addr;
        if (!a || a->any.sa_family != g->to.any.sa_family || !(at->ifa_flags & IFF_UP))
            continue;
        found = by_address ? address_same(a, &wanted)
                : g->chosen
                    ? !strcmp(at->ifa_name, g->interface)
                    : (at->ifa_flags & (g->broadcast ? IFF_BROADCAST : IFF_MULTICAST)) && !(at->ifa_flags & IFF_LOOPBACK);
        if (found) {
            memcpy(&g->via, a, address_size(a));
            snprintf(g->interface, sizeof g->interface, "%s", at->ifa_name);
        }
    }
    freeifaddrs(list);
    return found;
}

/* What the URL says of the group. */
static void group_read(struct group *g, const char *url)
{
    static const char *const wires[] = {"libcluster", "nodefinder", "peerage"};
    static const char *const groups[] = {"233.252.1.32", "224.0.0.1", "230.1.1.1"};
    static const uint32_t ports[] = {45892, 4475, 45900};
    struct names items = {NULL, 0};
    char value[256], host[256];
    size_t wire = 0, i;
    memset(g, 0, sizeof *g);
    g->url = url;
    for (i = 0; i < COUNT(wires); i++)
        wire = url_option_is(url, "wire", wires[i]) ? i : wire;
    g->broadcast = url_option_is(url, "broadcast", "on");
    g->port = ports[wire];
    snprintf(host, sizeof host, "%s", g->broadcast ? "255.255.255.255" : groups[wire]);
    url_items(url, &items);
    if (items.count)
        host_port(items.at[0], host, sizeof host, &g->port);
    names_clear(&items);
    (void)address_parse(host, &g->to);
    address_set_port(&g->to, g->port);
    g->ttl = url_option(url, "ttl", value, sizeof value) ? (int)strtol(value, NULL, 10) : 1;
    g->chosen = url_option(url, "if", value, sizeof value);
    snprintf(g->interface, sizeof g->interface, "%.63s", value);
}

/* Join, and choose interface and TTL; false: errno says why not. */
static bool group_join(const struct group *g, int fd)
{
    int on = 1;
    if (g->broadcast)
        return setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0;
    if (g->to.any.sa_family == AF_INET) {
        struct ip_mreq member;
        memset(&member, 0, sizeof member);
        member.imr_multiaddr = g->to.four.sin_addr;
        if (g->chosen)
            member.imr_interface = g->via.four.sin_addr;
        return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) == 0 &&
               setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &member.imr_interface, sizeof member.imr_interface) == 0 &&
               setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &g->ttl, sizeof g->ttl) == 0 &&
               setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on) == 0;
    } else {
        struct ipv6_mreq member;
        memset(&member, 0, sizeof member);
        member.ipv6mr_multiaddr = g->to.six.sin6_addr;
        member.ipv6mr_interface = g->chosen ? if_nametoindex(g->interface) : g->to.six.sin6_scope_id;
        return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &member, sizeof member) == 0 &&
               setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &member.ipv6mr_interface, sizeof member.ipv6mr_interface) == 0 &&
               setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &g->ttl, sizeof g->ttl) == 0 &&
               setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &on, sizeof on) == 0;
    }
}

/* Say something that no node takes for its own, and wait a second for it. */
static bool group_echo(const struct group *g, int fd, bool *sent)
{
    char token[64], heard[2048];
    uint64_t end = cluster_now() + SECOND;
    int length = snprintf(token, sizeof token, "clusterctl doctor %ld", (long)getpid());
    *sent = sendto(fd, token, (size_t)length, 0, &g->to.any, address_size(&g->to)) == length;
    while (*sent && !signal_end && cluster_now() < end) {
        struct pollfd wait;
        ssize_t got;
        wait.fd = fd;
        wait.events = POLLIN;
        wait.revents = 0;
        if (poll(&wait, 1, 50) <= 0)
            continue;
        got = recv(fd, heard, sizeof heard, 0);
        if (got == length && !memcmp(heard, token, (size_t)length))
            return true;
    }
    return false;
}

/* Interface, route, port, TTL, and an own packet there and back. */
static void check_group(struct doctor_report *r, const char *url)
{
    struct group g;
    union address any, from;
    char text[64], holder[128];
    int fd, on = 1;
    bool sent, loopback;
    group_read(&g, url);
    if (!group_interface(&g)) {
        finding(r, CHECK_GOSSIP_INTERFACE, CHECK_FAIL, NULL,
                g.chosen ? "if=%s names no interface that is up" : "no interface but loopback is up that can do it%.0s",
                g.interface);
        if (g.chosen)
            return;
    } else {
        finding(r, CHECK_GOSSIP_INTERFACE, CHECK_OK, NULL, "%s, %s", g.interface, address_text(&g.via, text));
    }
    loopback = g.chosen && address_is_loopback(&g.via);
    if (g.chosen)
        finding(r, CHECK_GOSSIP_ROUTE, CHECK_OK, NULL, "not asked for: if= chooses the interface");
    else if (address_towards(&g.to, &from))
        finding(r, CHECK_GOSSIP_ROUTE, CHECK_OK, NULL, "to %s", address_text(&g.to, text));
    else
        finding(r, CHECK_GOSSIP_ROUTE, CHECK_FAIL, NULL, "to %s: %s", address_text(&g.to, text), strerror(errno));
    if (!g.broadcast)
        finding(r, CHECK_GOSSIP_TTL, g.ttl || loopback ? CHECK_OK : CHECK_FAIL, NULL,
                g.ttl      ? "ttl=%d"
                : loopback ? "ttl=%d, on loopback: this host alone is meant"
                           : "ttl=%d: no packet leaves this host",
                g.ttl);
    fd = socket(g.to.any.sa_family, SOCK_DGRAM, 0);
    if (fd < 0)
        return;
    memset(&any, 0, sizeof any);
    any.any.sa_family = g.to.any.sa_family;
    address_set_port(&any, g.port);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &any.any, address_size(&any)) < 0) {
        finding(r, CHECK_GOSSIP_PORT, CHECK_FAIL, NULL, "port %lu: %s: %s has it", (unsigned long)g.port, strerror(errno),
                port_holder(g.port, holder, sizeof holder));
        close(fd);
        return;
    }
    finding(r, CHECK_GOSSIP_PORT, CHECK_OK, NULL, "port %lu", (unsigned long)g.port);
    if (!group_join(&g, fd))
        finding(r, CHECK_GOSSIP_ECHO, CHECK_FAIL, NULL, "cannot join %s: %s", address_text(&g.to, text), strerror(errno));
    else if (group_echo(&g, fd, &sent))
        finding(r, CHECK_GOSSIP_ECHO, CHECK_OK, NULL, "an own packet came back");
    else if (sent)
        finding(r, CHECK_GOSSIP_ECHO, CHECK_FAIL, NULL, "an own packet did not come back within a second");
    else
        finding(r, CHECK_GOSSIP_ECHO, CHECK_FAIL, NULL, "cannot send to %s: %s", address_text(&g.to, text), strerror(errno));
    close(fd);
}

#endif
