/*
 * IP addresses: text to bytes and back, by the system's own two functions, HOST:PORT, ranges like 10.0.0.0/8, order and kind.
 * An IPv4-mapped IPv6 address is read as its IPv4. Never resolves a name.
 */
#ifndef CLU_WIRE_ADDRESS_H
#define CLU_WIRE_ADDRESS_H

#include "name.h"
#include "number.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* The longest text: [ffff:....:ffff]:65535 with a scope of ten digits, and NUL. */
#define CLU_ADDRESS_TEXT 64

/* An address without port. A numeric zone (%3) becomes the scope; the name of an interface is none. */
CLU_FN bool clu_address_parse(struct clu_slice s, struct cluster_address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct clu_slice plain = clu_cut(&s, '%');
    char text[INET6_ADDRSTRLEN];
    struct clu_text t = clu_text_on(text, sizeof text);
    uint64_t scope = 0;
    clu_text_bytes(&t, plain.at, plain.length);
    memset(out, 0, sizeof *out);
    out->family = 4;
    if (strlen(text) != plain.length)
        return false;
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        return !s.at;
    if (inet_pton(AF_INET6, text, out->bytes) != 1 || (s.at && !clu_number(s, UINT32_MAX, &scope)))
        return false;
    if (memcmp(out->bytes, mapped, sizeof mapped) == 0) {
        memcpy(out->bytes, out->bytes + sizeof mapped, 4);
        memset(out->bytes + 4, 0, sizeof mapped);
        return true;
    }
    out->family = 6;
    out->scope = (uint32_t)scope;
    return true;
}

/* Without port, brackets or prefix; nothing for family 0. */
CLU_FN void clu_address_text(struct clu_text *t, const struct cluster_address *a)
{
    char text[INET6_ADDRSTRLEN];
    if (a->family && inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof text))
        clu_text_add(t, text);
    if (a->scope) {
        clu_text_add(t, "%");
        clu_text_u64(t, a->scope);
    }
}

/* With port: 10.0.0.1:4369, [::1]:4369. */
CLU_FN void clu_address_port_text(struct clu_text *t, const struct cluster_address *a)
{
    if (a->family == 6)
        clu_text_add(t, "[");
    clu_address_text(t, a);
    clu_text_add(t, a->family == 6 ? "]:" : ":");
    clu_text_u64(t, a->port);
}

/* host, host:4369, 10.0.0.1:4369, [::1], [::1]:4369. *host is without the brackets; *port stays as it is when none is given.
 * What names may hold beside that is for DNS to say. */
CLU_FN bool clu_host_port(struct clu_slice s, struct clu_slice *host, uint16_t *port)
{
    struct cluster_address address;
    if (clu_slice_starts(s, "[")) {
        s = clu_slice_from(s, 1);
        *host = clu_cut(&s, ']');
        if (!s.at || !clu_address_parse(*host, &address) || (s.length && *s.at != ':'))
            return false;
        return !s.length || clu_port(clu_slice_from(s, 1), port);
    }
    *host = clu_cut(&s, ':');
    return clu_name_half_valid(host->at, host->length) && (!s.at || clu_port(s, port));
}

/* Both parts in one, with an address as host, which needs no brackets where there is no port. */
CLU_FN bool clu_address_port_parse(struct clu_slice s, uint16_t default_port, struct cluster_address *out)
{
    struct clu_slice host = s;
    uint16_t port = default_port;
    if (!clu_address_parse(s, out) && (!clu_host_port(s, &host, &port) || !clu_address_parse(host, out)))
        return false;
    out->port = port;
    return true;
}

/* A total order: family, address, scope, port. */
CLU_FN int clu_address_compare(const struct cluster_address *a, const struct cluster_address *b)
{
    int order = a->family - b->family;
    if (!order)
        order = memcmp(a->bytes, b->bytes, sizeof a->bytes);
    if (!order)
        order = (a->scope > b->scope) - (a->scope < b->scope);
    return order ? order : a->port - b->port;
}

/* 10.0.0.0/8, fd00::/8, or one address, which is a range of itself. In a range `prefix` always counts, 0 being everything. */
CLU_FN bool clu_range_parse(struct clu_slice s, struct cluster_address *out)
{
    uint64_t prefix;
    if (!clu_address_parse(clu_cut(&s, '/'), out) || out->scope)
        return false;
    prefix = out->family == 6 ? 128 : 32;
    if (s.at && !clu_number(s, prefix, &prefix))
        return false;
    out->prefix = (uint8_t)prefix;
    return true;
}

CLU_FN bool clu_address_in(const struct cluster_address *a, const struct cluster_address *range)
{
    size_t whole = range->prefix / 8, bits = range->prefix % 8;
    if (a->family != range->family || memcmp(a->bytes, range->bytes, whole) != 0)
        return false;
    return !bits || (a->bytes[whole] ^ range->bytes[whole]) >> (8 - bits) == 0;
}

/* Is it in any range of a list that clu_ranges_valid has passed? */
CLU_FN bool clu_address_in_ranges(const struct cluster_address *address, struct clu_slice list)
{
    struct cluster_address range;
    while (list.at)
        if (clu_range_parse(clu_cut(&list, ','), &range) && clu_address_in(address, &range))
            return true;
    return false;
}

CLU_FN bool clu_ranges_valid(struct clu_slice list)
{
    struct cluster_address range;
    while (list.at)
        if (!clu_range_parse(clu_cut(&list, ','), &range))
            return false;
    return true;
}

CLU_FN bool clu_address_is_multicast(const struct cluster_address *a)
{
    return a->family == 6 ? a->bytes[0] == 0xff : a->family == 4 && a->bytes[0] >> 4 == 14;
}

CLU_FN bool clu_address_is_loopback(const struct cluster_address *a)
{
    static const uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return a->family == 6 ? memcmp(a->bytes, one, 16) == 0 : a->family == 4 && a->bytes[0] == 127;
}

#endif
