/*
 * What other systems make of a key and of a node's name: hashes, and points on a circle of hashes. All of it pure, in integers,
 * the same on every platform. Owns nothing, never allocates, never looks anything up.
 */
#ifndef CLU_PLACE_POINTS_H
#define CLU_PLACE_POINTS_H

#include "../base/crc32.h"
#include "../base/md5.h"
#include "../base/sha1.h"
#include "../base/text.h"
#include "phash2.h"

#define CLU_RING_POINTS (1u << 26) /* of all nodes together */
#define CLU_RING_NUMBER 24         /* room for what is put after a name */

/* Rings first. */
enum clu_ring_kind {
    CLU_LIBRING,
    CLU_HORDE,
    CLU_EX_HASH_RING,
    CLU_KETAMA,
    CLU_LIBMEMCACHED,
    CLU_NGINX,
    CLU_RIAK,
    CLU_MODULO,
    CLU_NEBULEX,
    CLU_CACHEX,
    CLU_CACHEX_JUMP,
    CLU_PHOENIX_TRACKER,
    CLU_JUMP,
    CLU_RENDEZVOUS,
    CLU_RING_KINDS
};

/* Options that a kind takes, beside its flags. */
enum {
    CLU_TAKES_WEIGHTS = 1,
    CLU_TAKES_POINTS = 2,
    CLU_TAKES_NAME = 4,
    CLU_TAKES_BUCKET = 8,
    CLU_TAKES_OVERRIDES = 16,
    CLU_TAKES_SEED = 32,
    CLU_WIDE = 64,   /* hashes have 64 bits, not 32 */
    CLU_AFTER = 128, /* a point at a key's hash does not own it: the first after it does */
    CLU_SORTED = 256 /* nodes are numbered in the order of their names, not as they are given */
};

struct clu_ring_rule {
    const char *name;
    uint16_t points; /* of a node of weight 0, or of the ring */
    uint16_t takes;
    uint32_t flags; /* CLUSTER_RING_... that it takes */
};

CLU_FN const struct clu_ring_rule *clu_ring_rule_of(enum clu_ring_kind kind)
{
    static const struct clu_ring_rule rules[CLU_RING_KINDS] = {
        {"libring", 128, CLU_TAKES_WEIGHTS | CLU_TAKES_POINTS | CLU_TAKES_NAME,
         CLUSTER_RING_TERM_KEYS | CLUSTER_RING_BINARY_NODES | CLUSTER_RING_OTP25},
        {"horde", 128, CLU_TAKES_NAME, CLUSTER_RING_TERM_KEYS},
        {"ex_hash_ring", 512, CLU_TAKES_WEIGHTS | CLU_TAKES_POINTS | CLU_TAKES_OVERRIDES | CLU_WIDE | CLU_AFTER, 0},
        {"ketama", 0, CLU_TAKES_WEIGHTS, 0},
        {"libmemcached", 0, CLU_TAKES_WEIGHTS, 0},
        {"nginx", 0, CLU_TAKES_WEIGHTS, 0},
        {"riak", 64, CLU_TAKES_POINTS | CLU_TAKES_BUCKET | CLU_WIDE | CLU_AFTER, 0},
        {"modulo", 0, CLU_SORTED, CLUSTER_RING_TERM_KEYS},
        {"nebulex", 0, CLU_SORTED, CLUSTER_RING_TERM_KEYS},
        {"cachex", 0, CLU_SORTED, CLUSTER_RING_TERM_KEYS},
        {"cachex-jump", 0, CLU_SORTED, CLUSTER_RING_TERM_KEYS},
        {"phoenix-tracker", 0, 0, CLUSTER_RING_TERM_KEYS},
        {"jump", 0, CLU_TAKES_SEED | CLU_WIDE, 0},
        {"rendezvous", 0, CLU_TAKES_WEIGHTS | CLU_TAKES_SEED | CLU_WIDE | CLU_SORTED, 0},
    };
    return &rules[kind];
}

/* ---- keys ------------------------------------------------------------- */

/* libring hashes an atom as the bytes of term_to_binary, which differ between OTP 25 and 26. */
CLU_FN uint32_t clu_ring_atom_key(const char *text, size_t length, bool otp25)
{
    uint8_t bytes[4 + CLU_ATOM_MAX];
    struct clu_writer w = clu_writer_on(bytes, sizeof bytes);
    const uint8_t *p = (const uint8_t *)text, *end = p + length;
    size_t narrow;
    for (narrow = 0; p < end && (*p < 0x80 || (*p & 0xfe) == 0xc2); narrow++)
        p += *p < 0x80 ? 1 : 2;
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    if (otp25 && p == end) {
        clu_write_be(&w, (uint64_t)CLU_TERM_ATOM << 16 | narrow, 3);
        for (p = (const uint8_t *)text; p < end; p++) {
            uint8_t c = *p;
            if (c >= 0x80)
                c = (uint8_t)(c << 6 | (*++p & 0x3f));
            clu_write_be(&w, c, 1);
        }
    } else {
        if (length > 255)
            clu_write_be(&w, (uint64_t)CLU_TERM_ATOM_UTF8 << 16 | length, 3);
        else
            clu_write_be(&w, (uint64_t)CLU_TERM_SMALL_ATOM_UTF8 << 8 | length, 2);
        clu_write(&w, text, length);
    }
    return clu_phash_bytes(0, bytes, clu_written(&w));
}

/* All 32 bits of phash2. */
CLU_FN int clu_ring_phash_key(enum clu_ring_kind kind, uint32_t flags, const void *key, size_t size, uint32_t *h)
{
    if (!(flags & CLUSTER_RING_TERM_KEYS)) {
        *h = clu_phash_bytes(0, key, size);
        return 0;
    }
    if (kind == CLU_LIBRING && size) {
        char text[CLU_ATOM_MAX];
        struct clu_reader r = clu_reader_of((const uint8_t *)key + 1, size - 1);
        size_t length = clu_term_atom(&r, text, sizeof text);
        if (*(const uint8_t *)key == CLU_TERM_VERSION && !r.bad && !clu_left(&r)) {
            *h = clu_ring_atom_key(text, length, (flags & CLUSTER_RING_OTP25) != 0);
            return 0;
        }
    }
    return cluster_phash2(key, size, UINT64_C(1) << 32, h);
}

/* An integer below 2^28. */
CLU_FN uint32_t clu_ring_phash_number(uint32_t h, uint32_t number)
{
    return clu_phash_add(h, number, 0, 1);
}

/* The upper 64 bits of the SHA-1 of {Bucket, Key}, two binaries, in the external term format. */
CLU_FN uint64_t clu_ring_riak_key(const char *bucket, const void *key, uint32_t size)
{
    const uint32_t bucket_size = (uint32_t)strlen(bucket);
    struct clu_digest sha;
    uint8_t head[8];
    clu_sha1_begin(&sha);
    clu_put_be(head,
               (uint64_t)CLU_TERM_VERSION << 56 | (uint64_t)CLU_TERM_SMALL_TUPLE << 48 | UINT64_C(2) << 40 |
                   (uint64_t)CLU_TERM_BINARY << 32 | bucket_size,
               8);
    clu_digest_add(&sha, head, 8);
    clu_digest_add(&sha, bucket, bucket_size);
    clu_put_be(head, (uint64_t)CLU_TERM_BINARY << 32 | size, 5);
    clu_digest_add(&sha, head, 5);
    clu_digest_add(&sha, key, size);
    clu_digest_end(&sha, false);
    return (uint64_t)sha.state[0] << 32 | sha.state[1];
}

/* ---- points ----------------------------------------------------------- */

/* {Node, i}, where a node that belongs to a name is {Name, Node} itself. Each is a hash of what comes before i. */
CLU_FN uint32_t clu_ring_phash_node(const char *name, const char *node, bool binary)
{
    uint32_t h = clu_phash_add(0, 2, 0, 9);
    if (name) {
        h = clu_phash_add(h, 2, 0, 9);
        h = clu_phash_atom(h, name, strlen(name));
    }
    return binary ? clu_phash_bytes(h, node, strlen(node)) : clu_phash_atom(h, node, strlen(node));
}

/* To 24 bits, to nearest, ties to even: what a float keeps. *exponent grows by the bits that go. */
CLU_FN uint64_t clu_ring_float(uint64_t value, int *exponent)
{
    unsigned drop = 0;
    uint64_t rest;
    while (value >> drop >> 24)
        drop++;
    if (drop) {
        rest = value << (64 - drop);
        value >>= drop;
        value += rest > UINT64_C(1) << 63 || (rest == UINT64_C(1) << 63 && (value & 1));
    }
    *exponent += (int)drop;
    return value;
}

/* How many digests a node of the two ketamas has: the whole part of (float)weight / (float)total * 40 * nodes, in floats, where
 * libmemcached rounds once more. In integers, since not every machine and not every compiler flag keeps to those floats. Weight
 * and total are not 0, and there are less than 2^16 nodes. */
CLU_FN uint64_t clu_ring_digests(uint32_t weight, uint64_t total, uint32_t nodes, bool rounds)
{
    int exponent = 0, below = 0;
    uint64_t value = clu_ring_float(weight, &exponent), whole = clu_ring_float(total, &below);
    for (; !(value >> 23); value <<= 1)
        exponent--;
    value <<= 39;
    value = value / whole | (value % whole != 0);
    exponent -= below + 39;
    value = clu_ring_float(value, &exponent) * 40;
    if (rounds)
        value = clu_ring_float(value, &exponent);
    value = clu_ring_float(value * nodes, &exponent);
    return exponent >= 0 ? value << exponent : exponent > -64 ? value >> -exponent : 0;
}

/* Four hashes of a name, a dash and a number, or the one of ex_hash_ring, which has no dash. The name has CLU_RING_NUMBER bytes
 * of room after it. */
CLU_FN void clu_ring_md5_points(char *name, size_t length, bool dash, uint32_t number, uint64_t hashes[4])
{
    struct clu_text t = clu_text_on(name + length, CLU_RING_NUMBER);
    uint8_t digest[CLU_MD5_SIZE];
    unsigned i;
    clu_text_add(&t, dash ? "-" : "");
    clu_text_u64(&t, number);
    clu_md5(name, length + t.length, digest);
    for (i = 0; i < 4; i++)
        hashes[i] = clu_le32(digest + 4 * i);
}

/* crc32(HOST 0 PORT PREVIOUS): that of the part before PREVIOUS. The port is the digits after the last colon. */
CLU_FN uint32_t clu_ring_nginx_node(const char *name)
{
    static const char scheme[] = "unix:";
    const char *colon = strrchr(name, ':');
    uint32_t crc;
    size_t i;
    for (i = 0; scheme[i] && (name[i] | (name[i] >= 'A' && name[i] <= 'Z' ? 32 : 0)) == scheme[i]; i++)
        continue;
    if (!scheme[i]) {
        name += i;
        colon = NULL;
    } else if (colon && colon[1 + strspn(colon + 1, "0123456789")]) {
        colon = NULL;
    }
    crc = clu_crc32(0, name, colon ? (size_t)(colon - name) : strlen(name));
    crc = clu_crc32(crc, "", 1);
    return colon ? clu_crc32(crc, colon + 1, strlen(colon + 1)) : crc;
}

CLU_FN uint32_t clu_ring_nginx_point(uint32_t node, uint32_t previous)
{
    uint8_t bytes[4];
    unsigned i;
    for (i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(previous >> 8 * i);
    return clu_crc32(node, bytes, 4);
}

#endif
