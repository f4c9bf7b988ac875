/*
 * DNS messages (RFC 1035, 2181, 2308, 2782, 3596, 6891): a query is written, a response is judged in one bounded pass, its
 * records are read one after another. Pure. A response is used whole or not at all; every name in it is followed only
 * backwards, and the work on all of its names together is capped, so that no message costs more than a linear pass.
 */
#ifndef CLU_WIRE_DNS_H
#define CLU_WIRE_DNS_H

#include "../base/bytes.h"
#include "../base/hash.h"
#include "hosts.h"

#define CLU_DNS_PORT 53
#define CLU_DNS_NAME_MAX 255  /* bytes on the wire, with the final 0 */
#define CLU_DNS_TEXT_MAX 254  /* the longest name as text, with NUL */
#define CLU_DNS_UDP_MAX 1232  /* what we say to take: no fragment on any usual path */
#define CLU_DNS_QUERY_MAX 287 /* the longest query */
#define CLU_DNS_LINKS_MAX 16  /* of a CNAME chain */
#define CLU_DNS_FUEL(size)                                                                                                     \
    (65536 + 10 * (uint32_t)(size)) /* what all names of a message may cost: a unit a byte, 8 a pointer or end */
#define CLU_DNS_HOPS_MAX 127        /* pointers in a name: it has no more labels than these */

/* Types beside those of the public CLUSTER_DNS_... */
enum { CLU_DNS_NS = 2, CLU_DNS_SOA = 6, CLU_DNS_OPT = 41 };

enum { CLU_DNS_FORMERR = 1, CLU_DNS_NXDOMAIN = 3 };

/* May a label have this byte? It ends in names of hosts and nodes, so no dot, '@', space, control byte, nor what is no
 * ASCII. */
CLU_FN bool clu_dns_label_byte(uint8_t b)
{
    return b > 0x20 && b < 0x7f && b != '.' && b != '@';
}

/* The bytes of a word that no label may have have their highest bit set in this one. */
CLU_FN uint64_t clu_dns_odd_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7f * ones;
    uint64_t seven = word & low;
    return (~((seven + (0x7f - 0x20) * ones) & ~(seven + ones) & ((seven ^ '.' * ones) + low) & ((seven ^ '@' * ones) + low)) |
            word) &
           ~low;
}

/* Has a label a byte that it may not have? */
CLU_FN bool clu_dns_label_odd(const uint8_t *p, size_t size)
{
    uint64_t odd = 0, word = UINT64_C(0x6161616161616161);
    size_t at;
    if (size < sizeof word) {
        for (at = 0; at < size; at++)
            word = word << 8 | p[at];
        return clu_dns_odd_bytes(word) != 0;
    }
    for (at = 0; at + sizeof word < size; at += sizeof word)
        odd |= clu_dns_odd_bytes(clu_le64(p + at));
    return (odd | clu_dns_odd_bytes(clu_le64(p + size - sizeof word))) != 0;
}

/* A name as it goes over the wire, its case kept; 0: it is none. One final dot is allowed. */
CLU_FN size_t clu_dns_name(uint8_t out[CLU_DNS_NAME_MAX], struct clu_slice text)
{
    size_t label = 0, size = 1, i;
    if (text.length && text.at[text.length - 1] == '.')
        text.length--;
    if (text.length > CLU_DNS_NAME_MAX - 2)
        return 0;
    for (i = 0; i <= text.length; i++) {
        if (i < text.length && text.at[i] != '.') {
            out[size++] = (uint8_t)text.at[i];
            if (!clu_dns_label_byte(out[size - 1]))
                return 0;
            continue;
        }
        if (size - label < 2 || size - label > 64)
            return 0;
        out[label] = (uint8_t)(size - label - 1);
        label = size;
        out[size++] = 0;
    }
    return size;
}

enum { CLU_DNS_EDNS = 1, CLU_DNS_AD = 2 };

/* Ask for recursion. flags: CLU_DNS_EDNS says that we take CLU_DNS_UDP_MAX bytes, CLU_DNS_AD asks for the bit of that name. */
CLU_FN size_t clu_dns_query(uint8_t *out, size_t room, uint16_t id, const char *name, uint16_t type, unsigned flags)
{
    struct clu_writer w = clu_writer_on(out, room);
    uint8_t wire[CLU_DNS_NAME_MAX];
    clu_write_be(&w, (uint32_t)id << 16 | 0x0100 | (flags & CLU_DNS_AD ? 0x20 : 0), 4);
    clu_write_be(&w, UINT64_C(1) << 48 | (flags & CLU_DNS_EDNS), 8); /* one question, and the OPT in additional */
    clu_write(&w, wire, clu_dns_name(wire, clu_slice_str(name)));
    clu_write_be(&w, (uint32_t)type << 16 | 1, 4);
    if (flags & CLU_DNS_EDNS) {
        clu_write_be(&w, (uint64_t)CLU_DNS_OPT << 16 | CLU_DNS_UDP_MAX, 5); /* the root's name before it */
        clu_write_be(&w, 0, 6);
    }
    return clu_written(&w);
}

enum clu_dns_verdict {
    CLU_DNS_NOT_OURS,  /* no response to this question */
    CLU_DNS_BAD,       /* malformed, or it contradicts itself */
    CLU_DNS_TRUNCATED, /* ask again over TCP; nothing of it may be used */
    CLU_DNS_ANSWER,    /* whole, with records */
    CLU_DNS_EMPTY,     /* whole: NXDOMAIN, or no record of this type */
    CLU_DNS_FAILED     /* any other code, or a server that sends us on to others */
};

struct clu_dns_result {
    uint32_t rcode;      /* with its upper bits from OPT */
    uint32_t count;      /* records of the type at the end of the CNAME chain */
    uint32_t additional; /* addresses in the additional section of an answer to SRV */
    uint32_t ttl;        /* the least of the records and the chain, s; of an empty answer the SOA's, or 0 */
    uint32_t work;       /* units spent */
    uint16_t type;
    uint16_t owner_at; /* where the chain's last name is */
    uint64_t digest;   /* of the set of records: their order and TTLs do not count, the case of names does */
};

/* A message that was called an answer, and what it says. */
struct clu_dns_known {
    uint64_t hash;                /* of all of it but its id */
    struct clu_dns_result result; /* count is 0: there was none */
};

struct clu_dns_record {
    uint16_t type;
    bool additional;
    uint32_t ttl;
    const uint8_t *data;
    size_t size;
};

/* A walk over the records of a message. Of a name that was read, its first label stands in the message. What follows that, its
 * tail, is text; mostly it is the same from record to record, and then it is read once. */
struct clu_dns_walk {
    const uint8_t *message, *end, *records, *at; /* at: the next record */
    uint32_t left[4];                            /* records of the answer, authority, additional sections, and none */
    int32_t fuel;                                /* units of work that may still be done */
    unsigned section;
    uint64_t head; /* owner, type and class of the record before, if that owner is a pointer; what follows holds for all such */
    uint16_t type; /* 0 in other classes than IN */
    bool ours, wanted; /* of the name whose records are wanted; to be handed out */
    unsigned has;      /* CLU_DNS_SEEN and so on */
    struct clu_dns_result result;
    const uint8_t *label, *tail; /* of the name that was read last; where its tail was read */
    size_t label_size, tail_raw, tail_size;
    unsigned tail_hops;
    bool tail_odd; /* it has a byte that no host's name has */
    uint64_t tail_hash;
    uint32_t soa_ttl, chain_ttl;
    char owner[CLU_DNS_TEXT_MAX];     /* the name whose records are wanted */
    char text[64 + CLU_DNS_TEXT_MAX]; /* the tail from 64 on; the label is put before it */
};

/* What there is in a message: a record that was asked for; one of the answer that was not, or the other way round; NS and SOA
 * in the authority section; OPT. */
enum { CLU_DNS_SEEN = 1, CLU_DNS_STRAY = 2, CLU_DNS_REFERS = 4, CLU_DNS_SAYS_NO = 8, CLU_DNS_EXTENDS = 16 };

CLU_FN uint16_t clu_dns_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

CLU_FN uint32_t clu_dns_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Read the name at `at`, of bytes that end at `end`; where it ends, or NULL. Each part of it lies wholly before the part that
 * points to it (RFC 1035, 4.1.4: a *prior* occurrence), so it ends. */
CLU_FN const uint8_t *clu_dns_read_name(struct clu_dns_walk *w, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *begin = at, *tail = NULL, *after = NULL, *tail_after = NULL;
    unsigned hops = 0;
    for (;;) {
        size_t length;
        if (at >= end)
            return NULL;
        length = *at++;
        w->fuel -= 8 + (int32_t)(length >> 2);
        if (length > 63) {
            if (length < 0xc0 || at == end || hops++ == CLU_DNS_HOPS_MAX)
                return NULL;
            after = after ? after : at + 1;
            tail_after = tail_after ? tail_after : at + 1;
            length = (length << 8 & 0x3f00) | *at;
            if (length < 12 || length >= (size_t)(begin - w->message))
                return NULL;
            end = begin;
            begin = at = w->message + length;
            continue;
        }
        if (length > (size_t)(end - at))
            return NULL;
        if (!tail) {
            w->label = at;
            w->label_size = length;
            at += length;
            if (!length)
                break;
            if (begin >= w->tail && (size_t)(end - at) >= w->tail_raw && memcmp(at, w->tail, w->tail_raw) == 0) {
                at += w->tail_raw;
                hops += w->tail_hops;
                break;
            }
            tail = at;
            tail_after = NULL;
            w->tail = w->end;
            w->tail_size = 0;
            w->tail_odd = false;
            w->tail_hops = hops;
        } else if (length) {
            if (w->tail_size + length > CLU_DNS_TEXT_MAX - 3)
                return NULL;
            if (w->tail_size)
                w->text[64 + w->tail_size++] = '.';
            memcpy(w->text + 64 + w->tail_size, at, length);
            w->tail_odd = w->tail_odd || clu_dns_label_odd(at, length);
            w->tail_size += length;
            at += length;
        } else {
            w->text[64 + w->tail_size] = '\0';
            w->tail = tail;
            w->tail_raw = (size_t)((tail_after ? tail_after : at) - tail);
            w->tail_hops = hops - w->tail_hops;
            w->tail_hash = cluster_hash64(w->text + 64, w->tail_size, 0);
            break;
        }
    }
    if (hops > CLU_DNS_HOPS_MAX || w->label_size + w->tail_size > CLU_DNS_TEXT_MAX - 2 || w->fuel < 0)
        return NULL;
    return after ? after : at;
}

/* Has the name that was read last a byte that no host's has? */
CLU_FN bool clu_dns_odd(const struct clu_dns_walk *w)
{
    return w->label_size && (w->tail_odd || clu_dns_label_odd(w->label, w->label_size));
}

/* The name that was read last as text, without the final dot. */
CLU_FN struct clu_slice clu_dns_text(struct clu_dns_walk *w)
{
    const size_t size = w->label_size, more = size ? w->tail_size : 0;
    char *out = w->text + 63 - size;
    memcpy(out, w->label, size);
    out[size] = more ? '.' : '\0';
    return clu_slice_of(out, size + more + (more > 0));
}

/* The records of the name that was read last are wanted. */
CLU_FN void clu_dns_want(struct clu_dns_walk *w)
{
    struct clu_slice name = clu_dns_text(w);
    memcpy(w->owner, name.at, name.length + 1);
}

/* Is that name this one? None that has odd bytes is. */
CLU_FN bool clu_dns_name_is(struct clu_dns_walk *w, const char *name)
{
    return !clu_dns_odd(w) && clu_host_same(clu_dns_text(w), clu_slice_str(name));
}

/* Begin a walk: read the question, the name of which is the one that was read last then. */
CLU_FN bool clu_dns_walk_on(struct clu_dns_walk *w, const uint8_t *message, size_t size, uint16_t type)
{
    memset(w, 0, offsetof(struct clu_dns_walk, owner));
    w->message = message;
    w->tail = w->end = message + size;
    w->fuel = (int32_t)CLU_DNS_FUEL(size);
    w->chain_ttl = INT32_MAX;
    w->result.type = type;
    w->result.owner_at = 12;
    w->at = clu_dns_read_name(w, message + 12, w->end);
    if (!w->at || w->end - w->at < 4)
        return false;
    w->records = w->at + 4;
    return clu_dns_u32(w->at) == ((uint32_t)type << 16 | 1);
}

/* Begin with the first record, as if none had been read. */
CLU_FN void clu_dns_rewind(struct clu_dns_walk *w)
{
    unsigned i;
    w->at = w->records;
    w->tail = w->end;
    w->head = UINT64_MAX;
    w->section = 0;
    w->fuel -= (int32_t)(w->end - w->message) / 2;
    w->has = 0;
    w->result.count = w->result.additional = 0;
    w->result.digest = 0;
    w->result.ttl = w->chain_ttl;
    for (i = 0; i < 3; i++)
        w->left[i] = clu_dns_u16(w->message + 6 + 2 * i);
}

/* Walk on over the records. 1: up to the next one that is to be handed out, if *rec is to be that; or over a link of the CNAME
 * chain, and all begins anew. 0: to the end; -1: the message is malformed. */
CLU_FN int clu_dns_pass(struct clu_dns_walk *w, struct clu_dns_record *rec)
{
    for (;;) {
        const uint8_t *at = w->at, *data, *name, *from; /* from: what the digest is made of, `length` bytes */
        size_t size, length;
        uint32_t ttl;
        uint64_t head = 0, seed = 0;
        unsigned section = w->section;
        for (; !w->left[section]; w->section = ++section) {
            if (section == 3)
                return -(w->fuel < 0);
            w->head = UINT64_MAX;
        }
        w->left[section]--;
        if (w->end - at >= 12)
            head = clu_le64(at) << 16;
        if (CLU_LIKELY(head == w->head)) {
            at += 12;
        } else {
            at = clu_dns_read_name(w, at, w->end);
            if (!at || w->end - at < 10)
                return -1;
            w->head = at == w->at + 2 && section < 2 ? head : UINT64_MAX;
            w->type = clu_dns_u16(at);
            w->ours = clu_dns_name_is(w, w->owner);
            if (clu_dns_u16(at + 2) != 1 && w->type != CLU_DNS_OPT)
                w->type = 0;
            w->wanted = w->ours && w->type == w->result.type;
            if (w->wanted == !section)
                w->has |= section ? 0 : CLU_DNS_SEEN;
            else if (w->type != CLU_DNS_OPT)
                w->has |= CLU_DNS_STRAY;
            if (section)
                w->wanted = section == 2 && w->result.type == CLUSTER_DNS_SRV &&
                            (w->type == CLUSTER_DNS_A || w->type == CLUSTER_DNS_AAAA) && !clu_dns_odd(w);
            at += 10;
        }
        ttl = clu_dns_u32(at - 6);
        length = size = clu_dns_u16(at - 2);
        from = data = at;
        if ((size_t)(w->end - at) < size)
            return -1;
        w->at = at += size;
        if (ttl >> 31 && w->type != CLU_DNS_OPT) /* RFC 2181, 8 */
            ttl = 0;
        switch (w->type) {
        case CLUSTER_DNS_A:
        case CLUSTER_DNS_AAAA:
            if (size != (w->type == CLUSTER_DNS_A ? 4 : 16))
                return -1;
            if (section && w->wanted)
                seed = cluster_hash64(w->label, w->label_size, w->tail_hash);
            break;
        case CLUSTER_DNS_SRV:
            if (size < 7)
                return -1;
            seed = clu_le32(data) << 16 | clu_dns_u16(data + 4); /* port, weight and priority */
            from += 6;
            /* fall through */
        case CLUSTER_DNS_CNAME:
        case CLUSTER_DNS_PTR:
            name = from;
            if (clu_dns_read_name(w, name, at) != at)
                return -1;
            if (w->type == CLUSTER_DNS_CNAME && w->ours && !section && !w->wanted) {
                w->result.owner_at = (uint16_t)(name - w->message);
                w->chain_ttl = ttl < w->chain_ttl ? ttl : w->chain_ttl;
                clu_dns_want(w);
                return clu_dns_odd(w) ? -1 : 1;
            }
            if (!w->wanted || (!w->label_size && w->type == CLUSTER_DNS_SRV))
                continue; /* RFC 2782: a target of "." says that the service is not there */
            if (!w->label_size || clu_dns_odd(w))
                return -1;
            seed += w->tail_hash;
            from = w->label;
            length = w->label_size;
            break;
        case CLUSTER_DNS_TXT:
            if (!size)
                return -1;
            for (; from < at; from += *from + 1)
                if (at - from <= *from)
                    return -1;
            from = data;
            break;
        case CLU_DNS_NS:
            w->has |= section == 1 ? CLU_DNS_REFERS : 0;
            break;
        case CLU_DNS_SOA:
            if (size < 22)
                return -1;
            if (section == 1) {
                w->has |= CLU_DNS_SAYS_NO;
                w->soa_ttl = clu_dns_u32(at - 4);
                w->soa_ttl = ttl < w->soa_ttl ? ttl : w->soa_ttl; /* RFC 2308, 5 */
            }
            break;
        case CLU_DNS_OPT:
            if (section != 2 || (w->has & CLU_DNS_EXTENDS) || w->label_size)
                return -1;
            w->has |= CLU_DNS_EXTENDS;
            w->result.rcode = (w->result.rcode & 15) | ttl >> 24 << 4;
            for (; from < at; from += 4 + clu_dns_u16(from + 2))
                if (at - from < 4 || at - from < 4 + clu_dns_u16(from + 2))
                    return -1;
            break;
        }
        if (!w->wanted)
            continue;
        if (section) {
            w->result.additional++;
        } else {
            w->result.count++;
            if (ttl < w->result.ttl)
                w->result.ttl = ttl;
        }
        w->result.digest += clu_hash64(from, length, seed);
        if (rec) {
            rec->type = w->type;
            rec->additional = section != 0;
            rec->ttl = ttl;
            rec->data = data;
            rec->size = size;
            return 1;
        }
    }
}

/* Judge a response to our question. One that is what is `known` already is not read again. */
CLU_FN enum clu_dns_verdict clu_dns_check(const uint8_t *message, size_t size, uint16_t id, const char *name, uint16_t type,
                                          struct clu_dns_result *out, struct clu_dns_known *known)
{
    struct clu_dns_walk w;
    unsigned flags, followed = 0;
    uint64_t hash;
    int pass;
    memset(out, 0, sizeof *out);
    if (size < 12 || clu_dns_u16(message) != id)
        return CLU_DNS_NOT_OURS;
    flags = clu_dns_u16(message + 2);
    out->rcode = flags & 15;
    if ((flags & 0xf800) != 0x8000) /* a response, to a standard query */
        return CLU_DNS_NOT_OURS;
    /* a server that knows no EDNS may give back nothing but the header */
    if (size == 12 && out->rcode == CLU_DNS_FORMERR && clu_dns_u16(message + 4) == 0)
        return CLU_DNS_FAILED;
    if (clu_dns_u16(message + 4) != 1 || !clu_dns_walk_on(&w, message, size, type) || !clu_dns_name_is(&w, name))
        return CLU_DNS_NOT_OURS;
    if (flags & 0x0200)
        return CLU_DNS_TRUNCATED;
    if (out->rcode && out->rcode != CLU_DNS_NXDOMAIN)
        return CLU_DNS_FAILED;
    hash = cluster_hash64(message + 2, size - 2, 0);
    if (known->result.count && known->hash == hash) {
        *out = known->result;
        return CLU_DNS_ANSWER;
    }
    w.result.rcode = out->rcode;
    clu_dns_want(&w);
    do {
        clu_dns_rewind(&w);
        pass = clu_dns_pass(&w, NULL);
    } while (pass > 0 && followed++ < CLU_DNS_LINKS_MAX);
    w.result.work = CLU_DNS_FUEL(size) - (w.fuel > 0 ? (uint32_t)w.fuel : 0);
    *out = w.result;
    if (pass || (out->rcode == CLU_DNS_NXDOMAIN && out->count))
        return CLU_DNS_BAD;
    if (out->rcode && out->rcode != CLU_DNS_NXDOMAIN)
        return CLU_DNS_FAILED;
    if (out->count) {
        known->hash = hash;
        known->result = *out;
        return CLU_DNS_ANSWER;
    }
    out->ttl = w.soa_ttl;
    /* RFC 2308, 2.2: NS without SOA sends us on to other servers; and who does no recursion leaves a chain unfinished. */
    if (!out->rcode && !(w.has & (CLU_DNS_SEEN | CLU_DNS_SAYS_NO)) &&
        ((w.has & CLU_DNS_REFERS) || (followed && !(flags & 0x0080))))
        return CLU_DNS_FAILED;
    return (w.has & CLU_DNS_STRAY) && !followed ? CLU_DNS_BAD : CLU_DNS_EMPTY;
}

/* Begin to read the records of a response that clu_dns_check has called an answer. */
CLU_FN void clu_dns_begin(struct clu_dns_walk *w, const uint8_t *message, size_t size, const struct clu_dns_result *result)
{
    (void)clu_dns_walk_on(w, message, size, result->type);
    (void)clu_dns_read_name(w, message + result->owner_at, message + size);
    clu_dns_want(w);
    clu_dns_rewind(w);
}

/* The next of those that were asked for, then the additional addresses, whose name is the one that was read last. False: that
 * was all. */
CLU_FN bool clu_dns_next(struct clu_dns_walk *w, struct clu_dns_record *out)
{
    return clu_dns_pass(w, out) > 0;
}

/* The strings of a TXT record as one; its length, cut to `room`. */
CLU_FN size_t clu_dns_strings(const struct clu_dns_record *rec, uint8_t *out, size_t room)
{
    struct clu_reader data = clu_reader_of(rec->data, rec->size);
    struct clu_writer w = clu_writer_on(out, room);
    while (clu_left(&data)) {
        size_t length = clu_read_u8(&data);
        clu_write(&w, clu_take(&data, length), length);
    }
    return clu_written(&w);
}

#endif
