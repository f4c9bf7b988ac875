/*
 * The two hashes of our own tables and placement, and the cheap mixer of two words. cluster_hash64 is wyhash, final version
 * 4.3, with its default secret; cluster_siphash is SipHash-2-4. Every value is the same on every platform: bytes are read
 * little-endian, products are of 128 bits. Never reads past the key, owns nothing.
 */
#ifndef CLU_BASE_HASH_H
#define CLU_BASE_HASH_H

#include "platform.h"

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 clu_u128;
#endif

#define CLU_WY0 UINT64_C(0x2d358dccaa6c78a5)
#define CLU_WY1 UINT64_C(0x8bb84b93962eacc9)
#define CLU_WY2 UINT64_C(0x4b33a62ed433d4a3)
#define CLU_WY3 UINT64_C(0x4d5a2da51de1aa47)

CLU_FN uint64_t clu_le32(const uint8_t *p)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
#else
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
#endif
}

CLU_FN uint64_t clu_le64(const uint8_t *p)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
#else
    return clu_le32(p) | clu_le32(p + 4) << 32;
#endif
}

/* *a, *b become the low and the high half of their product. */
CLU_FN void clu_multiply(uint64_t *a, uint64_t *b)
{
#ifdef __SIZEOF_INT128__
    clu_u128 product = (clu_u128)*a * *b;
    *a = (uint64_t)product;
    *b = (uint64_t)(product >> 64);
#else
    uint64_t a0 = (uint32_t)*a, a1 = *a >> 32, b0 = (uint32_t)*b, b1 = *b >> 32;
    uint64_t low = a0 * b0, cross = a1 * b0 + (low >> 32), middle = a0 * b1 + (uint32_t)cross;
    *a = middle << 32 | (uint32_t)low;
    *b = a1 * b1 + (cross >> 32) + (middle >> 32);
#endif
}

CLU_FN uint64_t clu_fold(uint64_t a, uint64_t b)
{
    clu_multiply(&a, &b);
    return a ^ b;
}

CLU_FN uint64_t clu_hash64_end(uint64_t a, uint64_t b, size_t size, uint64_t seed)
{
    a ^= CLU_WY1;
    b ^= seed;
    clu_multiply(&a, &b);
    return clu_fold(a ^ CLU_WY0 ^ size, b ^ CLU_WY1);
}

/* Two words into one, each bit of it depending on every bit of both: wyhash's hash of a pair. Not symmetric. */
CLU_FN uint64_t clu_mix64(uint64_t a, uint64_t b)
{
    return clu_hash64_end(b, a, 0, CLU_WY0);
}

/* For keys over 16 bytes, apart so that the short ones may be inlined. The last 16 bytes are read whatever was read before. */
CLU_FN uint64_t clu_hash64_long(const uint8_t *p, size_t size, uint64_t seed)
{
    size_t left = size;
    if (left >= 48) {
        uint64_t second = seed, third = seed;
        for (; left >= 48; left -= 48, p += 48) {
            seed = clu_fold(clu_le64(p) ^ CLU_WY1, clu_le64(p + 8) ^ seed);
            second = clu_fold(clu_le64(p + 16) ^ CLU_WY2, clu_le64(p + 24) ^ second);
            third = clu_fold(clu_le64(p + 32) ^ CLU_WY3, clu_le64(p + 40) ^ third);
        }
        seed ^= second ^ third;
    }
    for (; left > 16; left -= 16, p += 16)
        seed = clu_fold(clu_le64(p) ^ CLU_WY1, clu_le64(p + 8) ^ seed);
    return clu_hash64_end(clu_le64(p + left - 16), clu_le64(p + left - 8), size, seed);
}

CLU_FN inline uint64_t clu_hash64(const void *data, size_t size, uint64_t seed)
{
    const uint8_t *p = (const uint8_t *)data;
    uint64_t a = 0, b = 0;
    seed ^= clu_fold(seed ^ CLU_WY0, CLU_WY1);
    if (CLU_UNLIKELY(size > 16))
        return clu_hash64_long(p, size, seed);
    if (CLU_LIKELY(size >= 4)) {
        size_t inner = size >> 3 << 2;
        a = clu_le32(p) << 32 | clu_le32(p + inner);
        b = clu_le32(p + size - 4) << 32 | clu_le32(p + size - 4 - inner);
    } else if (size) {
        a = (uint64_t)p[0] << 16 | (uint64_t)p[size >> 1] << 8 | p[size - 1];
    }
    return clu_hash64_end(a, b, size, seed);
}

CLUSTER_DEF uint64_t cluster_hash64(const void *data, size_t size, uint64_t seed)
{
    return clu_hash64(data, size, seed);
}

CLU_FN uint64_t clu_rotate64(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

/* SipHash-c-d: `each` rounds a word, `last` at the end. The last word is what is left, with the size above it. */
CLU_FN uint64_t clu_siphash(const void *data, size_t size, uint64_t key0, uint64_t key1, unsigned each, unsigned last)
{
    const uint8_t *p = (const uint8_t *)data, *end = p + size;
    uint64_t v0 = key0 ^ UINT64_C(0x736f6d6570736575), v1 = key1 ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = key0 ^ UINT64_C(0x6c7967656e657261), v3 = key1 ^ UINT64_C(0x7465646279746573);
    unsigned ends = 0, i;
    do {
        uint64_t word = 0;
        if (end - p >= 8) {
            word = clu_le64(p);
            p += 8;
        } else if (!ends++) {
            while (end > p)
                word = word << 8 | *--end;
            word |= (uint64_t)size << 56;
        } else {
            v2 ^= 0xff;
            each = last;
        }
        v3 ^= word;
        for (i = each; i; i--) {
            v0 += v1;
            v2 += v3;
            v1 = clu_rotate64(v1, 13) ^ v0;
            v3 = clu_rotate64(v3, 16) ^ v2;
            v0 = clu_rotate64(v0, 32);
            v2 += v1;
            v0 += v3;
            v1 = clu_rotate64(v1, 17) ^ v2;
            v3 = clu_rotate64(v3, 21) ^ v0;
            v2 = clu_rotate64(v2, 32);
        }
        v0 ^= word;
    } while (ends < 2);
    return v0 ^ v1 ^ v2 ^ v3;
}

/* For tables in memory whose keys come from outside: half the cost of 2-4. */
CLU_CALLED uint64_t clu_siphash13(const void *data, size_t size, uint64_t key0, uint64_t key1)
{
    return clu_siphash(data, size, key0, key1, 1, 3);
}

CLUSTER_DEF uint64_t cluster_siphash(const void *data, size_t size, uint64_t key0, uint64_t key1)
{
    return clu_siphash(data, size, key0, key1, 2, 4);
}

#endif
