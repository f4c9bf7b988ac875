/*
 * MD5 (RFC 1321), because protocols ask for it: no security rests on it that they do not have without it. State is the stack's;
 * never allocates.
 */
#ifndef CLU_BASE_MD5_H
#define CLU_BASE_MD5_H

#include "digest.h"
#include "hash.h"
#include "memory.h"

#define CLU_MD5_SIZE 16

CLU_FN void clu_md5_block(uint32_t *state, const uint8_t *block)
{
    static const uint32_t k[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af,
        0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
        0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
        0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97,
        0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
        0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
    };
    /* Of each round: how far its four kinds of steps rotate, and which word a step takes: its number times the first plus the
     * second. */
    static const uint8_t rotate[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    static const uint8_t word[4][2] = {{1, 0}, {5, 1}, {3, 5}, {7, 0}};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    unsigned i;
    for (i = 0; i < 64; i++) {
        unsigned round = i / 16, by = rotate[round][i % 4];
        uint32_t f, next;
        if (round == 0)
            f = (b & c) | (~b & d);
        else if (round == 1)
            f = (b & d) | (c & ~d);
        else if (round == 2)
            f = b ^ c ^ d;
        else
            f = c ^ (b | ~d);
        f += a + k[i] + (uint32_t)clu_le32(block + 4 * ((i * word[round][0] + word[round][1]) % 16));
        next = b + (f << by | f >> (32 - by));
        a = d;
        d = c;
        c = b;
        b = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

CLU_FN void clu_md5(const void *data, size_t size, uint8_t out[CLU_MD5_SIZE])
{
    static const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    struct clu_digest d;
    unsigned i;
    clu_digest_begin(&d, clu_md5_block, start, CLU_COUNT(start));
    clu_digest_add(&d, data, size);
    clu_digest_end(&d, true);
    for (i = 0; i < CLU_MD5_SIZE; i++)
        out[i] = (uint8_t)(d.state[i / 4] >> 8 * (i % 4));
    clu_wipe(&d, sizeof d); /* a cookie may have been in it */
}

#endif
