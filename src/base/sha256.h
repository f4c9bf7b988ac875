/*
 * SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104). State is the caller's; never allocates.
 */
#ifndef CLU_BASE_SHA256_H
#define CLU_BASE_SHA256_H

#include "digest.h"
#include "memory.h"

#define CLU_SHA256_SIZE 32

CLU_FN uint32_t clu_sha256_load(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

CLU_FN uint32_t clu_sha256_rotate(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

CLU_FN void clu_sha256_block(uint32_t *state, const uint8_t *block)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
        0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
        0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
        0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    uint32_t w[64], states[64 + 8], *s = states + 64;
    unsigned i;
    memcpy(s, state, 8 * sizeof *s);
    /* The eight words of state do not move on by one: what points to them moves back. */
    for (i = 0; i < 64; i++, s--) {
        uint32_t a = s[0], e = s[4], one;
        if (i < 16) {
            w[i] = clu_sha256_load(block + 4 * i);
        } else {
            uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (clu_sha256_rotate(x, 7) ^ clu_sha256_rotate(x, 18) ^ x >> 3) +
                   (clu_sha256_rotate(y, 17) ^ clu_sha256_rotate(y, 19) ^ y >> 10);
        }
        one = s[7] + (clu_sha256_rotate(e, 6) ^ clu_sha256_rotate(e, 11) ^ clu_sha256_rotate(e, 25)) +
              ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
        s[3] += one;
        s[-1] = one + (clu_sha256_rotate(a, 2) ^ clu_sha256_rotate(a, 13) ^ clu_sha256_rotate(a, 22)) +
                ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    }
    for (i = 0; i < 8; i++)
        state[i] += s[i];
}

CLU_CALLED void clu_sha256_begin(struct clu_digest *d)
{
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    clu_digest_begin(d, clu_sha256_block, start, CLU_COUNT(start));
}

/* The digest; the state is wiped. */
CLU_FN void clu_sha256_end(struct clu_digest *d, uint8_t out[CLU_SHA256_SIZE])
{
    unsigned i;
    clu_digest_end(d, false);
    for (i = 0; i < 8; i++)
        clu_put_be(out + 4 * i, d->state[i], 4);
    clu_wipe(d, sizeof *d);
}

CLU_FN void clu_sha256_of(const void *data, size_t size, uint8_t out[CLU_SHA256_SIZE])
{
    struct clu_digest d;
    clu_sha256_begin(&d);
    clu_digest_add(&d, data, size);
    clu_sha256_end(&d, out);
}

CLU_FN void clu_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size, uint8_t out[CLU_SHA256_SIZE])
{
    struct clu_digest d;
    uint8_t block[CLU_DIGEST_BLOCK];
    unsigned pass, i;
    memset(block, 0, sizeof block);
    if (key_size > sizeof block)
        clu_sha256_of(key, key_size, block);
    else if (key_size)
        memcpy(block, key, key_size);
    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < sizeof block; i++)
            block[i] ^= pass ? 0x36 ^ 0x5c : 0x36;
        clu_sha256_begin(&d);
        clu_digest_add(&d, block, sizeof block);
        clu_digest_add(&d, data, size);
        clu_sha256_end(&d, out);
        data = out;
        size = CLU_SHA256_SIZE;
    }
    clu_wipe(block, sizeof block);
}

#endif
