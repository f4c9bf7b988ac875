/*
 * SHA-1 (FIPS 180-4), because other systems place keys with it: no security rests on it. State is the caller's; never
 * allocates.
 */
#ifndef CLU_BASE_SHA1_H
#define CLU_BASE_SHA1_H

#include "digest.h"

CLU_FN uint32_t clu_sha1_rotate(uint32_t value, unsigned by)
{
    return value << by | value >> (32 - by);
}

CLU_FN void clu_sha1_block(uint32_t *state, const uint8_t *block)
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    unsigned i;
    for (i = 0; i < 80; i++) {
        uint32_t next;
        if (i < 16)
            w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
                   block[4 * i + 3];
        else
            w[i] = clu_sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        next = clu_sha1_rotate(a, 5) + e + w[i];
        if (i < 20)
            next += (d ^ (b & (c ^ d))) + 0x5a827999;
        else if (i < 40)
            next += (b ^ c ^ d) + 0x6ed9eba1;
        else if (i < 60)
            next += ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
        else
            next += (b ^ c ^ d) + 0xca62c1d6;
        e = d;
        d = c;
        c = clu_sha1_rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

CLU_FN void clu_sha1_begin(struct clu_digest *d)
{
    static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    clu_digest_begin(d, clu_sha1_block, start, CLU_COUNT(start));
}

#endif
