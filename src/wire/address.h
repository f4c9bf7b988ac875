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

/* A hexadecimal digit's value, or 256. */
CLU_FN unsigned clu_hex_digit(char c)
{
    unsigned value = (unsigned)(unsigned char)c - '0';
    if (value < 10)
        return value;
    value = ((unsigned)(unsigned char)c | 0x20) - 'a';
    return value < 6 ? value + 10 : 256;
}

CLU_FN bool clu_ipv6_parse(struct clu_slice s, uint8_t *out)
{
    size_t filled = 0, gap = 17, i; /* gap: where "::" stands, in bytes */
    if (clu_slice_starts(s, "::"))
        s = clu_slice_from(s, 1);
    else if (clu_slice_starts(s, ":"))
        return false;
    while (s.at) {
        struct clu_slice part = clu_cut(&s, ':');
        unsigned group = 0;
        if (!part.length) { /* the middle of "::", or the end after it */
            if (s.at ? gap <= 16 : gap != filled)
                return false;
            gap = filled;
        } else if (!s.at && filled <= 12 && clu_ipv4_parse(part, out + filled)) {
            filled += 4;
        } else {
            if (part.length > 4 || filled > 14)
                return false;
            for (i = 0; i < part.length; i++) {
                unsigned digit = clu_hex_digit(part.at[i]);
                if (digit > 15)
                    return false;
                group = group << 4 | digit;
            }
            out[filled++] = (uint8_t)(group >> 8);
            out[filled++] = (uint8_t)group;
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
    uint64_t scope = 0;
    bool named = false;
    memset(out, 0, sizeof *out);
    if (clu_ipv4_parse(s, out->bytes)) {
        out->family = 4;
    } else {
        if (!s.at || !clu_ipv6_parse(clu_cut(&s, '%'), out->bytes))
            return false;
        out->family = 6;
        named = s.at && !clu_number(s, UINT32_MAX, &scope);
        out->scope = (uint32_t)scope;
        if (named && (!zone || !clu_name_half_valid(s.at, s.length) || clu_slice_find(s, '%') < s.length))
            return false;
    }
    if (zone)
        *zone = named ? s : clu_slice_of("", 0);
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
    int run = 8, longest = 1, i, j;
    if (mapped) {
        clu_text_add(t, "::ffff:");
        bytes += 12;
    }
    /* RFC 5952 4.2: the longest run of zero groups, the first of equals, never a single one */
    for (i = 0; i < 8; i = j + 1) {
        for (j = i; j < 8 && !(a->bytes[2 * j] | a->bytes[2 * j + 1]); j++)
            continue;
        if (j - i > longest) {
            longest = j - i;
            run = i;
        }
    }
    for (i = 0; i < 4 && (mapped || a->family == 4); i++) {
        clu_text_add(t, i ? "." : "");
        clu_text_u64(t, bytes[i]);
    }
    for (i = 0; i < 8 && a->family == 6 && !mapped; i++) {
        unsigned group = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
        if (i == run) {
            clu_text_add(t, "::");
            i += longest - 1;
            continue;
        }
        if (i && i != run + longest)
            clu_text_add(t, ":");
        for (j = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0; j >= 0; j -= 4)
            clu_text_bytes(t, &"0123456789abcdef"[group >> j & 15], 1);
    }
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

/* 4, 6, or 0: it is no address. */
CLU_FN int clu_address_family(struct clu_slice s)
{
    struct cluster_address a;
    struct clu_slice zone;
    return clu_address_parse(s, &a, &zone) ? a.family : 0;
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
    uint16_t number = 0;
    size_t mark = s.length;
    int family = clu_address_family(s);
    while (mark && s.at[mark - 1] != ':')
        mark--;
    if (mark && s.at[s.length - 1] != ']') {
        bool good = clu_port(clu_slice_from(s, mark), &number);
        struct clu_slice head = clu_slice_of(s.at, mark - 1);
        if (family ? good && clu_address_family(head) : !good)
            return false;
        if (family)
            number = 0;
        else
            s = head;
    }
    if (!family && clu_slice_starts(s, "[")) {
        mark = clu_slice_find(s, ']');
        if (mark + 1 != s.length)
            return false;
        s = clu_slice_of(s.at + 1, mark - 1);
        if (clu_address_family(s) != 6)
            return false;
    } else if (!family && !clu_host_clean(s)) {
        return false;
    }
    if (number)
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

/* 10.0.0.0/8, fd00::/8, or one address, which is a range of itself. In a range `prefix` always counts, 0 being everything.
 * IPv4 is written as such here, not mapped into IPv6. */
CLU_FN bool clu_range_parse(struct clu_slice s, struct cluster_address *out)
{
    struct clu_slice address = clu_cut(&s, '/');
    uint64_t prefix;
    if (!clu_address_parse(address, out, NULL) || out->scope || clu_address_is_mapped(out))
        return false;
    prefix = out->family == 6 ? 128 : 32;
    if (s.at && !clu_number(s, prefix, &prefix))
        return false;
    out->prefix = (uint8_t)prefix;
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
