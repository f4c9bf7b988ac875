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

/* May a label have this byte? It ends in names of hosts and nodes, so no dot, '@', space, control byte, nor what is no ASCII. */
CLU_FN bool clu_dns_label_byte(uint8_t b)
{
    return b > 0x20 && b < 0x7f && b != '.' && b != '@';
}

/* How many of these bytes may a label not have? Eight at a time: each of them leaves a bit in its own byte of `sum`. */
CLU_FN size_t clu_dns_odd_bytes(const uint8_t *p, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7f * ones;
    uint64_t sum = 0, word, seven, good;
    bool more = true;
    while (more) {
        more = size >= sizeof word;
        if (more) {
            memcpy(&word, p, sizeof word);
            p += sizeof word;
            size -= sizeof word;
        } else {
            for (word = 'a' * ones; size; size--)
                word = word << 8 | *p++;
        }
        seven = word & low;
        good = (seven + (0x7f - 0x20) * ones) & ~(seven + ones) & ((seven ^ '.' * ones) + low) & ((seven ^ '@' * ones) + low);
        sum += (~good | word) >> 7 & ones;
    }
    return (size_t)(sum * ones >> 56);
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
CLU_FN size_t clu_dns_query(uint8_t *out, size_t room, uint16_t id, const uint8_t *name, size_t name_size, uint16_t type,
                            unsigned flags)
{
    struct clu_writer w = clu_writer_on(out, room);
    clu_write_be(&w, (uint32_t)id << 16 | 0x0100 | (flags & CLU_DNS_AD ? 0x20 : 0), 4);
    clu_write_be(&w, UINT64_C(1) << 48 | (flags & CLU_DNS_EDNS), 8); /* one question, and the OPT in additional */
    clu_write(&w, name, name_size);
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
    uint32_t work;       /* units spent on names */
    uint16_t type;
    uint16_t owner_at; /* where the chain's last name is */
    uint64_t digest;   /* of the set of records: their order and TTLs do not count, the case of names does */
};

struct clu_dns_record {
    uint16_t type, owner_at, text_at; /* text_at: where the name in the data is, or 0 */
    bool additional;
    uint32_t ttl;
    const uint8_t *data;
    size_t size;
    /* private */
    uint16_t rclass;
    uint8_t section;
    bool ours;
};

/* A walk over the records of a message. */
struct clu_dns_walk {
    struct clu_reader r;
    const uint8_t *message;
    uint32_t left[3]; /* records of the answer, authority, additional sections */
    uint32_t fuel;    /* units of work that names may still cost */
    uint16_t type;    /* that was asked for */
    uint16_t same;    /* a pointer that is known to lead to `owner` */
    size_t owner_size;
    const uint8_t *name;        /* the name that was read last, uncompressed: in the message or in `joined` */
    size_t name_size, name_odd; /* name_odd: how many of its lengths, with the final 0, are bytes that no label has */
    size_t labels;
    uint8_t owner[CLU_DNS_NAME_MAX];             /* the name whose records are wanted */
    uint8_t joined[CLU_DNS_NAME_MAX], dots[128]; /* dots: where each label begins */
};

CLU_FN uint16_t clu_dns_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Read a name, uncompressed. Each part of it lies wholly before the part that points to it (RFC 1035, 4.1.4: a *prior*
 * occurrence), so it ends. */
CLU_FN bool clu_dns_read_name(struct clu_dns_walk *w, struct clu_reader *r)
{
    const uint8_t *m = w->message;
    size_t begin = (size_t)(r->at - m), end = (size_t)(r->end - m), at = begin, size = 0, piece, wide = 0, labels = 0;
    unsigned hops = 0, length = 0;
    while (!r->bad) {
        while (at < end && (length = m[at]) - 1 < 63) {
            if (CLU_UNLIKELY(length > ' '))
                wide += length != '.';
            w->dots[labels++ & 127] = (uint8_t)(size + at - begin);
            at += length + 1;
        }
        piece = at - begin + !length;
        if (at + (length != 0) >= end || (length && length < 0xc0) || size + piece + (length != 0) > CLU_DNS_NAME_MAX ||
            w->fuel < piece + 8)
            break;
        w->fuel -= (uint32_t)piece + 8;
        if (!hops) {
            r->at = m + at + 1 + (length != 0);
            w->name = length ? w->joined : m + begin;
        }
        if (hops || length)
            memcpy(w->joined + size, m + begin, piece);
        size += piece;
        if (!length) {
            w->name_size = size;
            w->name_odd = labels + 1 - wide;
            w->labels = labels;
            return true;
        }
        end = begin;
        begin = at = (size_t)(length << 8 & 0x3f00) + m[at + 1];
        if (begin < 12 || begin >= end || hops++ == CLU_DNS_HOPS_MAX)
            break;
    }
    r->bad = true;
    return false;
}

/* Has the name that was read last nothing in its labels but what a host's may have? */
CLU_FN bool clu_dns_name_clean(const struct clu_dns_walk *w)
{
    return clu_dns_odd_bytes(w->name, w->name_size) == w->name_odd;
}

/* The name that was read last as text, without the final dot; its length, or 0 if it is the root's or does not fit with its NUL. */
CLU_FN size_t clu_dns_name_text(const struct clu_dns_walk *w, char *out, size_t room)
{
    size_t i, size = w->name_size - 1;
    if (!size || size > room)
        return 0;
    memcpy(out, w->name + 1, size);
    for (i = 1; i < w->labels; i++)
        out[w->dots[i] - 1] = '.';
    out[--size] = '\0';
    return size;
}

/* Read the name at an offset of the message. */
CLU_FN bool clu_dns_name_at(struct clu_dns_walk *w, size_t at)
{
    struct clu_reader r = clu_reader_of(w->message, (size_t)(w->r.end - w->message));
    return clu_take(&r, at) && clu_dns_read_name(w, &r);
}

CLU_FN bool clu_dns_name_is(const struct clu_dns_walk *w, const uint8_t *name, size_t size)
{
    return clu_host_same(clu_slice_of((const char *)w->name, w->name_size), clu_slice_of((const char *)name, size));
}

/* The next record of any section. False at the end, with r.bad if the message is malformed there. */
CLU_FN bool clu_dns_step(struct clu_dns_walk *w, struct clu_dns_record *out)
{
    const uint8_t *head = w->r.at;
    uint8_t section = 0;
    while (section < 3 && !w->left[section])
        section++;
    if (section == 3)
        return false;
    w->left[section]--;
    out->section = section;
    out->owner_at = (uint16_t)(head - w->message);
    if (CLU_LIKELY(clu_left(&w->r) >= 2 && clu_dns_u16(head) == w->same)) {
        w->r.at += 2;
        w->name = w->owner;
        w->name_size = w->owner_size;
        out->ours = true;
    } else {
        out->ours = clu_dns_read_name(w, &w->r) && clu_dns_name_is(w, w->owner, w->owner_size);
        if (out->ours && head[0] >= 0xc0)
            w->same = clu_dns_u16(head);
    }
    head = clu_take(&w->r, 10);
    if (!head)
        return false;
    out->type = clu_dns_u16(head);
    out->rclass = clu_dns_u16(head + 2);
    out->ttl = (uint32_t)clu_dns_u16(head + 4) << 16 | clu_dns_u16(head + 6);
    out->size = clu_dns_u16(head + 8);
    out->data = clu_take(&w->r, out->size);
    return out->data != NULL;
}

/* Is this record one to be handed out? Its data are not looked at. */
CLU_FN bool clu_dns_wanted(const struct clu_dns_walk *w, struct clu_dns_record *rec)
{
    rec->additional = rec->section == 2;
    if (rec->rclass != 1)
        return false;
    if (rec->additional)
        return w->type == CLUSTER_DNS_SRV && (rec->type == CLUSTER_DNS_A || rec->type == CLUSTER_DNS_AAAA);
    return rec->section == 0 && rec->ours && rec->type == w->type;
}

/* Read the name in the data of a record whose type has one. */
CLU_FN bool clu_dns_read_data(struct clu_dns_walk *w, struct clu_dns_record *rec)
{
    struct clu_reader data = clu_reader_of(rec->data, rec->size);
    (void)clu_take(&data, rec->type == CLUSTER_DNS_SRV ? 6 : 0);
    rec->text_at = (uint16_t)(data.at - w->message);
    return clu_dns_read_name(w, &data) && !clu_left(&data);
}

CLU_FN bool clu_dns_has_name(unsigned type)
{
    return type == CLUSTER_DNS_SRV || type == CLUSTER_DNS_CNAME || type == CLUSTER_DNS_PTR;
}

/* May this record be handed out? 1: yes, with *hash; 0: it is none that was asked for; -1: malformed. */
CLU_FN int clu_dns_use(struct clu_dns_walk *w, struct clu_dns_record *rec, uint64_t *hash)
{
    bool wanted = clu_dns_wanted(w, rec);
    rec->text_at = 0;
    if (rec->rclass != 1)
        return 0;
    if (rec->type == CLUSTER_DNS_A || rec->type == CLUSTER_DNS_AAAA) {
        if (rec->size != (rec->type == CLUSTER_DNS_A ? 4 : 16))
            return -1;
    } else if (rec->type == CLUSTER_DNS_TXT) {
        struct clu_reader data = clu_reader_of(rec->data, rec->size);
        do
            (void)clu_take(&data, clu_read_u8(&data));
        while (clu_left(&data));
        if (data.bad)
            return -1;
    } else if (clu_dns_has_name(rec->type)) {
        if (!clu_dns_read_data(w, rec) || (wanted && !clu_dns_name_clean(w)))
            return -1;
        if (w->name_size == 1 && wanted) /* RFC 2782: a target of "." says that the service is not there */
            return rec->type == CLUSTER_DNS_SRV ? 0 : -1;
        if (wanted) /* port, weight and priority go in as the seed */
            *hash = clu_hash64(w->name, w->name_size,
                               rec->type == CLUSTER_DNS_SRV ? clu_le32(rec->data) << 16 | clu_dns_u16(rec->data + 4) : 0);
        return wanted;
    }
    if (!wanted)
        return 0;
    *hash = clu_hash64(rec->data, rec->size, rec->additional ? clu_hash64(w->name, w->name_size, 0) : 0);
    return 1;
}

/* A walk over the records of a message, which begin at `at`. */
CLU_FN void clu_dns_walk_on(struct clu_dns_walk *w, const uint8_t *message, size_t size, size_t at, uint16_t type)
{
    w->message = message;
    w->r = clu_reader_of(message, size);
    (void)clu_take(&w->r, at);
    w->left[0] = clu_dns_u16(message + 6);
    w->left[1] = clu_dns_u16(message + 8);
    w->left[2] = clu_dns_u16(message + 10);
    w->type = type;
}

/* What the records say, beside those that were asked for. */
struct clu_dns_links {
    uint32_t count, soa_ttl;
    bool seen, soa, ns, opt;
    bool stray; /* an answer to something else, or one that stands in another section */
    uint16_t owner[CLU_DNS_LINKS_MAX], target[CLU_DNS_LINKS_MAX];
    uint32_t ttl[CLU_DNS_LINKS_MAX];
};

/* One pass over all records. False: malformed. */
CLU_FN bool clu_dns_pass(struct clu_dns_walk *w, struct clu_dns_result *out, struct clu_dns_links *links)
{
    struct clu_dns_record rec;
    memset(links, 0, sizeof *links);
    out->count = out->additional = 0;
    out->digest = 0;
    while (clu_dns_step(w, &rec)) {
        uint64_t hash = 0;
        int use;
        if (rec.type == CLU_DNS_OPT) {
            struct clu_reader options = clu_reader_of(rec.data, rec.size);
            while (clu_left(&options)) {
                (void)clu_read_u16(&options);
                (void)clu_take(&options, clu_read_u16(&options));
            }
            if (rec.section != 2 || links->opt || options.bad || w->message[rec.owner_at])
                return false;
            links->opt = true;
            out->rcode = (out->rcode & 15) | rec.ttl >> 24 << 4;
            continue;
        }
        if (rec.ttl >> 31) /* RFC 2181, 8 */
            rec.ttl = 0;
        use = clu_dns_use(w, &rec, &hash);
        if (use < 0)
            return false;
        if (use > 0) {
            out->digest += hash;
            if (rec.additional) {
                out->additional++;
            } else {
                out->count++;
                out->ttl = rec.ttl < out->ttl ? rec.ttl : out->ttl;
            }
        }
        links->stray = links->stray || (rec.section == 0) != (rec.ours && rec.type == w->type && rec.rclass == 1);
        if (rec.rclass != 1)
            continue;
        if (rec.section == 0) {
            links->seen = links->seen || (rec.ours && rec.type == w->type);
            if (rec.type == CLUSTER_DNS_CNAME && w->type != CLUSTER_DNS_CNAME) {
                if (links->count == CLU_DNS_LINKS_MAX)
                    return false;
                links->owner[links->count] = rec.owner_at;
                links->target[links->count] = rec.text_at;
                links->ttl[links->count++] = rec.ttl;
            }
        } else if (rec.section == 1) {
            links->ns = links->ns || rec.type == CLU_DNS_NS;
            if (rec.type == CLU_DNS_SOA) {
                struct clu_reader last = clu_reader_of(rec.data, rec.size);
                if (!clu_take(&last, rec.size < 22 ? rec.size + 1 : rec.size - 4))
                    return false;
                links->soa = true;
                links->soa_ttl = (uint32_t)clu_min_u64(rec.ttl, clu_read_u32(&last)); /* RFC 2308, 5 */
            }
        }
    }
    return !w->r.bad;
}

/* Judge a response to our question. */
CLU_FN enum clu_dns_verdict clu_dns_check(const uint8_t *message, size_t size, uint16_t id, const uint8_t *name,
                                          size_t name_size, uint16_t type, struct clu_dns_result *out)
{
    struct clu_dns_walk w;
    struct clu_dns_links links;
    const uint8_t *question;
    size_t at = 12 + name_size + 4;
    unsigned flags, i, followed;
    bool good;
    memset(out, 0, sizeof *out);
    out->type = type;
    out->owner_at = 12;
    out->ttl = INT32_MAX;
    if (size < 12 || clu_dns_u16(message) != id)
        return CLU_DNS_NOT_OURS;
    flags = clu_dns_u16(message + 2);
    out->rcode = flags & 15;
    if ((flags & 0xf800) != 0x8000) /* a response, to a standard query */
        return CLU_DNS_NOT_OURS;
    /* a server that knows no EDNS may give back nothing but the header */
    if (size == 12 && out->rcode == CLU_DNS_FORMERR && clu_dns_u16(message + 4) == 0)
        return CLU_DNS_FAILED;
    question = message + 12;
    if (size < at || clu_dns_u16(message + 4) != 1 ||
        !clu_host_same(clu_slice_of((const char *)question, name_size), clu_slice_of((const char *)name, name_size)) ||
        clu_dns_u16(question + name_size) != type || clu_dns_u16(question + name_size + 2) != 1)
        return CLU_DNS_NOT_OURS;
    if (flags & 0x0200)
        return CLU_DNS_TRUNCATED;
    if (out->rcode && out->rcode != CLU_DNS_NXDOMAIN)
        return CLU_DNS_FAILED;

    w.fuel = CLU_DNS_FUEL(size);
    memcpy(w.owner, name, name_size);
    w.owner_size = name_size;
    w.same = 0xc000 | 12;
    clu_dns_walk_on(&w, message, size, at, type);
    good = clu_dns_pass(&w, out, &links);
    for (followed = 0; good; followed++) {
        for (i = 0; i < links.count; i++) {
            good = clu_dns_name_at(&w, links.owner[i]);
            if (!good || clu_dns_name_is(&w, w.owner, w.owner_size))
                break;
        }
        if (!good || i == links.count)
            break;
        good = followed < CLU_DNS_LINKS_MAX && clu_dns_name_at(&w, links.target[i]);
        out->owner_at = links.target[i];
        out->ttl = followed && out->ttl < links.ttl[i] ? out->ttl : links.ttl[i];
        memcpy(w.owner, w.name, w.owner_size = w.name_size);
    }
    if (good && followed) {
        w.same = (uint16_t)(out->owner_at < 0x4000 ? 0xc000 | out->owner_at : 0);
        clu_dns_walk_on(&w, message, size, at, type);
        good = clu_dns_pass(&w, out, &links);
    }
    out->work = CLU_DNS_FUEL(size) - w.fuel;
    if (!good || (out->rcode == CLU_DNS_NXDOMAIN && out->count))
        return CLU_DNS_BAD;
    if (out->rcode && out->rcode != CLU_DNS_NXDOMAIN)
        return CLU_DNS_FAILED;
    if (out->count)
        return CLU_DNS_ANSWER;
    out->ttl = links.soa_ttl;
    /* RFC 2308, 2.2: NS without SOA sends us on to other servers; and who does no recursion leaves a chain unfinished. */
    if (!out->rcode && !links.seen && !links.soa && (links.ns || (followed && !(flags & 0x0080))))
        return CLU_DNS_FAILED;
    return links.stray && !followed ? CLU_DNS_BAD : CLU_DNS_EMPTY;
}

/* Begin to read the records of a response that clu_dns_check has called an answer. */
CLU_FN void clu_dns_begin(struct clu_dns_walk *w, const uint8_t *message, size_t size, const struct clu_dns_result *result)
{
    w->fuel = CLU_DNS_FUEL(size);
    clu_dns_walk_on(w, message, size, 12, result->type);
    (void)clu_dns_read_name(w, &w->r);
    (void)clu_take(&w->r, 4);
    (void)clu_dns_name_at(w, result->owner_at);
    memcpy(w->owner, w->name, w->owner_size = w->name_size);
    w->same = (uint16_t)(result->owner_at < 0x4000 ? 0xc000 | result->owner_at : 0);
}

/* The next of those that were asked for, then the additional addresses; the name in its data, if there is one, is the one that
 * was read last. False: that was all. */
CLU_FN bool clu_dns_next(struct clu_dns_walk *w, struct clu_dns_record *out)
{
    while (clu_dns_step(w, out)) {
        if (out->ttl >> 31)
            out->ttl = 0;
        out->text_at = 0;
        if (clu_dns_wanted(w, out) && (!clu_dns_has_name(out->type) || (clu_dns_read_data(w, out) && w->name_size > 1)))
            return true;
    }
    return false;
}

/* The name at an offset as text, without the final dot; its length, or 0 if it is the root's, has bytes that no name of a host
 * may have, or does not fit with its NUL. */
CLU_FN size_t clu_dns_text(const uint8_t *message, size_t size, size_t at, char *out, size_t room)
{
    struct clu_dns_walk w;
    w.message = message;
    w.r = clu_reader_of(message, size);
    w.fuel = 65536;
    return clu_dns_name_at(&w, at) && clu_dns_name_clean(&w) ? clu_dns_name_text(&w, out, room) : 0;
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
