/*
 * IP addresses: text to bytes and back (RFC 4291 in, RFC 5952 out), HOST:PORT, ranges like 10.0.0.0/8, order and kind. An
 * IPv4-mapped IPv6 address counts as its IPv4 wherever addresses are compared. Never resolves a name.
 */
#ifndef CLU_WIRE_ADDRESS_H
#define CLU_WIRE_ADDRESS_H

#include "name.h"
#include "number.h"

/* The longest text: [ffff:....:ffff]:65535 with a scope of ten digits, and NUL. */
#define CLU_ADDRESS_TEXT 64

/* Four decimals without leading zeros: some readers take those for octal. */
CLU_FN bool clu_ipv4_parse(struct clu_slice s, uint8_t *out)
{
    int i;
    for (i = 0; i < 4; i++) {
        struct clu_slice part = clu_cut(&s, '.');
        uint64_t value;
        if ((part.length > 1 && part.at[0] == '0') || !clu_number(part, 255, &value) || (s.at == NULL) != (i == 3))
            return false;
        out[i] = (uint8_t)value;
    }
    return true;
}

/* A hexadecimal digit's value, or 16. */
CLU_FN unsigned clu_hex_digit(char c)
{
    unsigned value = (unsigned)(unsigned char)c - '0';
    if (value < 10)
        return value;
    value = ((unsigned)(unsigned char)c | 0x20) - 'a';
    return value < 6 ? value + 10 : 16;
}

CLU_FN bool clu_ipv6_parse(struct clu_slice s, uint8_t *out)
{
    size_t filled = 0, gap = 17, i; /* gap: where "::" stands, in bytes */
    if (clu_slice_starts(s, "::")) {
        gap = 0;
        s = clu_slice_from(s, 2);
    }
    while (s.length) {
        size_t length = clu_slice_find(s, ':');
        if (length == s.length && clu_slice_find(s, '.') < length) {
            if (filled > 12 || !clu_ipv4_parse(s, out + filled))
                return false;
            filled += 4;
        } else {
            unsigned group = 0;
            if (!length || length > 4 || filled > 14)
                return false;
            for (i = 0; i < length; i++) {
                unsigned digit = clu_hex_digit(s.at[i]);
                if (digit > 15)
                    return false;
                group = group << 4 | digit;
            }
            out[filled++] = (uint8_t)(group >> 8);
            out[filled++] = (uint8_t)group;
        }
        s = clu_slice_from(s, length);
        if (!s.length)
            break;
        s = clu_slice_from(s, 1);
        if (!s.length)
            return false;
        if (s.at[0] == ':') {
            if (gap <= 16)
                return false;
            gap = filled;
            s = clu_slice_from(s, 1);
        }
    }
    if (gap > 16)
        return filled == 16;
    if (filled > 14)
        return false;
    memmove(out + 16 - (filled - gap), out + gap, filled - gap);
    memset(out + gap, 0, 16 - filled);
    return true;
}

/* An address without port. A numeric zone (%3) becomes the scope; the name of an interface (%eth0) is left in *zone for the
 * caller to look up, and is an error where zone is NULL. */
CLU_FN bool clu_address_parse(struct clu_slice s, struct cluster_address *out, struct clu_slice *zone)
{
    struct cluster_address a;
    struct clu_slice rest = s, given = clu_slice_of("", 0);
    memset(&a, 0, sizeof a);
    if (!s.length)
        return false;
    if (clu_ipv4_parse(s, a.bytes)) {
        a.family = 4;
    } else {
        uint64_t scope;
        memset(a.bytes, 0, sizeof a.bytes);
        if (!clu_ipv6_parse(clu_cut(&rest, '%'), a.bytes))
            return false;
        a.family = 6;
        if (rest.at && clu_number(rest, UINT32_MAX, &scope)) {
            a.scope = (uint32_t)scope;
        } else if (rest.at) {
            if (!zone || !rest.length || !clu_name_clean(rest.at, rest.length) || clu_slice_find(rest, '%') < rest.length)
                return false;
            given = rest;
        }
    }
    *out = a;
    if (zone)
        *zone = given;
    return true;
}

CLU_FN bool clu_address_is_mapped(const struct cluster_address *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return a->family == 6 && memcmp(a->bytes, mapped, sizeof mapped) == 0;
}

/* The IPv4 address inside an IPv4-mapped one; any other as it is. */
CLU_FN struct cluster_address clu_address_unmap(const struct cluster_address *a)
{
    struct cluster_address plain = *a;
    if (clu_address_is_mapped(a)) {
        memset(plain.bytes, 0, sizeof plain.bytes);
        memcpy(plain.bytes, a->bytes + 12, 4);
        plain.family = 4;
        plain.scope = 0;
    }
    return plain;
}

/* Without port, brackets or prefix; nothing for family 0. */
CLU_FN void clu_address_text(struct clu_text *t, const struct cluster_address *a)
{
    const uint8_t *bytes = a->bytes;
    bool mapped = clu_address_is_mapped(a);
    if (a->family == 6 && !mapped) {
        /* RFC 5952 4.2: the longest run of zero groups, the first of equals, never a single one */
        int run = 8, longest = 1, i, j;
        for (i = 0; i < 8; i = j + 1) {
            for (j = i; j < 8 && !(bytes[2 * j] | bytes[2 * j + 1]); j++)
                continue;
            if (j - i > longest) {
                longest = j - i;
                run = i;
            }
        }
        for (i = 0; i < 8; i++) {
            uint8_t nibbles[4];
            int k = 0;
            if (i == run) {
                clu_text_add(t, "::");
                i += longest - 1;
                continue;
            }
            if (i && i != run + longest)
                clu_text_add(t, ":");
            for (j = 0; j < 4; j++)
                nibbles[j] = (uint8_t)(bytes[2 * i + j / 2] >> (j & 1 ? 0 : 4) & 15);
            while (k < 3 && !nibbles[k])
                k++;
            for (; k < 4; k++)
                clu_text_bytes(t, &"0123456789abcdef"[nibbles[k]], 1);
        }
        if (a->scope) {
            clu_text_add(t, "%");
            clu_text_u64(t, a->scope);
        }
    } else if (a->family) {
        int i;
        if (mapped) {
            clu_text_add(t, "::ffff:");
            bytes += 12;
        }
        for (i = 0; i < 4; i++) {
            if (i)
                clu_text_add(t, ".");
            clu_text_u64(t, bytes[i]);
        }
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

/* Can this be the name of a host? Only what would be misread is refused: what names may hold is for DNS to say. */
CLU_FN bool clu_host_clean(struct clu_slice s)
{
    size_t i;
    for (i = 0; i < s.length; i++)
        if (strchr("[]/?#%:", s.at[i]))
            return false;
    return clu_name_half_valid(s.at, s.length);
}

/* host, host:4369, 10.0.0.1:4369, [::1], [::1]:4369, and ::1 where its end cannot be meant as a port. *host is without the
 * brackets; *port stays as it is when none is given. */
CLU_FN bool clu_host_port(struct clu_slice s, struct clu_slice *host, uint16_t *port)
{
    struct cluster_address a;
    struct clu_slice zone, head = s;
    uint16_t number = 0;
    size_t i = s.length;
    bool has_port;
    while (i && s.at[i - 1] != ':')
        i--;
    has_port = i && clu_port(clu_slice_from(s, i), &number);
    head.length = i ? i - 1 : 0;
    if (clu_address_parse(s, &a, &zone)) {
        if (has_port && clu_address_parse(head, &a, &zone))
            return false;
        has_port = false;
    } else {
        bool bracket = s.length && s.at[s.length - 1] == ']';
        if (i && !bracket) {
            if (!has_port)
                return false;
            s = head;
            bracket = s.length && s.at[s.length - 1] == ']';
        } else {
            has_port = false;
        }
        if (bracket && s.at[0] == '[') {
            s = clu_slice_of(s.at + 1, s.length - 2);
            if (!clu_address_parse(s, &a, &zone) || a.family != 6)
                return false;
        } else if (!clu_host_clean(s)) {
            return false;
        }
    }
    if (has_port)
        *port = number;
    *host = s;
    return true;
}

/* Both parts in one: an address where the host is one. False for names and for addresses with a named zone. */
CLU_FN bool clu_address_port_parse(struct clu_slice s, uint16_t default_port, struct cluster_address *out)
{
    struct clu_slice host;
    uint16_t port = default_port;
    if (!clu_host_port(s, &host, &port) || !clu_address_parse(host, out, NULL))
        return false;
    out->port = port;
    return true;
}

CLU_FN int clu_address_compare_host(const struct cluster_address *a, const struct cluster_address *b)
{
    struct cluster_address x = clu_address_unmap(a), y = clu_address_unmap(b);
    int order = x.family - y.family;
    if (!order && x.family)
        order = memcmp(x.bytes, y.bytes, x.family == 6 ? 16 : 4);
    return order ? order : (x.scope > y.scope) - (x.scope < y.scope);
}

/* A total order: family, address, scope, port. */
CLU_FN int clu_address_compare(const struct cluster_address *a, const struct cluster_address *b)
{
    int order = clu_address_compare_host(a, b);
    return order ? order : a->port - b->port;
}

/* 10.0.0.0/8, fd00::/8, or one address, which is a range of itself. In a range `prefix` always counts, 0 being everything. */
CLU_FN bool clu_range_parse(struct clu_slice s, struct cluster_address *out)
{
    struct cluster_address a;
    uint64_t prefix;
    struct clu_slice address = clu_cut(&s, '/');
    if (!clu_address_parse(address, &a, NULL) || a.scope)
        return false;
    prefix = a.family == 6 ? 128 : 32;
    if (s.at && !clu_number(s, prefix, &prefix))
        return false;
    if (prefix >= 96 && clu_address_is_mapped(&a)) {
        a = clu_address_unmap(&a);
        prefix -= 96;
    }
    a.prefix = (uint8_t)prefix;
    *out = a;
    return true;
}

CLU_FN bool clu_address_in(const struct cluster_address *address, const struct cluster_address *range)
{
    struct cluster_address a = clu_address_unmap(address);
    size_t whole = range->prefix / 8, bits = range->prefix % 8;
    if (!a.family || a.family != range->family || memcmp(a.bytes, range->bytes, whole) != 0)
        return false;
    return !bits || (a.bytes[whole] ^ range->bytes[whole]) >> (8 - bits) == 0;
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

CLU_FN bool clu_address_is_multicast(const struct cluster_address *address)
{
    struct cluster_address a = clu_address_unmap(address);
    return a.family == 6 ? a.bytes[0] == 0xff : a.family == 4 && a.bytes[0] >> 4 == 14;
}

CLU_FN bool clu_address_is_loopback(const struct cluster_address *address)
{
    static const uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    struct cluster_address a = clu_address_unmap(address);
    return a.family == 6 ? memcmp(a.bytes, one, 16) == 0 : a.family == 4 && a.bytes[0] == 127;
}

#endif
