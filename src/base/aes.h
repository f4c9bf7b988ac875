/*
 * AES-256 (FIPS 197) in CBC mode (SP 800-38A), for small packets: compact rather than fast. The substitution boxes are made
 * with the key schedule, in the caller's struct. Table look-ups make it leak by timing to one who shares the processor's
 * cache: it protects what travels on a network, no more. Never allocates, never pads.
 */
#ifndef CLU_BASE_AES_H
#define CLU_BASE_AES_H

#include "platform.h"

#define CLU_AES_BLOCK 16
#define CLU_AES_ROUNDS 14

struct clu_aes256 {
    uint8_t round_key[CLU_AES_ROUNDS + 1][CLU_AES_BLOCK];
    uint8_t box[256], inverse[256];
};

/* The product with x in GF(2^8). */
CLU_FN uint8_t clu_aes_double(uint8_t a)
{
    return (uint8_t)(a << 1 ^ (a >> 7) * 0x1b);
}

/* FIPS 197, 5.1.1: p runs over all nonzero bytes as the powers of 3, q over their inverses as the powers of 1/3 = 0xf6. */
CLU_FN void clu_aes_boxes(struct clu_aes256 *aes)
{
    uint8_t p = 1, q = 1;
    do {
        unsigned wide, value;
        p = (uint8_t)(p ^ clu_aes_double(p));
        q = (uint8_t)(q ^ q << 1);
        q = (uint8_t)(q ^ q << 2);
        q = (uint8_t)(q ^ q << 4);
        q = (uint8_t)(q ^ (q >> 7) * 0x09);
        wide = (unsigned)q << 8 | q;
        value = (wide ^ wide >> 4 ^ wide >> 5 ^ wide >> 6 ^ wide >> 7 ^ 0x63) & 0xff;
        aes->box[p] = (uint8_t)value;
        aes->inverse[value] = p;
    } while (p != 1);
    aes->box[0] = 0x63;
    aes->inverse[0x63] = 0;
}

CLU_FN void clu_aes256_init(struct clu_aes256 *aes, const uint8_t key[32])
{
    uint8_t *w = aes->round_key[0], constant = 1;
    size_t i;
    clu_aes_boxes(aes);
    memcpy(w, key, 32);
    for (i = 32; i < sizeof aes->round_key; i++) {
        /* of every eighth word the four bytes turn by one */
        size_t at = i % 32;
        uint8_t b = w[i - (at < 3 ? 3 : at == 3 ? 7 : 4)];
        if (at % 16 < 4)
            b = aes->box[b];
        if (!at) {
            b ^= constant;
            constant = clu_aes_double(constant);
        }
        w[i] = w[i - 32] ^ b;
    }
}

CLU_FN void clu_aes_xor(uint8_t *block, const uint8_t *with)
{
    unsigned i;
    for (i = 0; i < CLU_AES_BLOCK; i++)
        block[i] ^= with[i];
}

/* SubBytes with ShiftRows: row r moves by r columns, to the left for `step` 5, back for `step` 13. */
CLU_FN void clu_aes_substitute(uint8_t *block, const uint8_t *box, unsigned step)
{
    uint8_t old[CLU_AES_BLOCK];
    unsigned i;
    memcpy(old, block, sizeof old);
    for (i = 0; i < CLU_AES_BLOCK; i++)
        block[i] = box[old[(i * step) % CLU_AES_BLOCK]];
}

/* MixColumns. Four times change nothing, so three times undo one. */
CLU_FN void clu_aes_columns(uint8_t *block)
{
    uint8_t old[CLU_AES_BLOCK];
    unsigned i;
    memcpy(old, block, sizeof old);
    for (i = 0; i < CLU_AES_BLOCK; i++) {
        const uint8_t *column = old + (i & ~3u);
        uint8_t next = column[(i + 1) % 4];
        block[i] = (uint8_t)(clu_aes_double(old[i] ^ next) ^ next ^ column[(i + 2) % 4] ^ column[(i + 3) % 4]);
    }
}

CLU_FN void clu_aes256_encrypt(const struct clu_aes256 *aes, uint8_t block[CLU_AES_BLOCK])
{
    unsigned round;
    clu_aes_xor(block, aes->round_key[0]);
    for (round = 1; round <= CLU_AES_ROUNDS; round++) {
        clu_aes_substitute(block, aes->box, 5);
        if (round < CLU_AES_ROUNDS)
            clu_aes_columns(block);
        clu_aes_xor(block, aes->round_key[round]);
    }
}

CLU_FN void clu_aes256_decrypt(const struct clu_aes256 *aes, uint8_t block[CLU_AES_BLOCK])
{
    unsigned round = CLU_AES_ROUNDS, times = 0;
    for (;; times = 3) {
        clu_aes_xor(block, aes->round_key[round]);
        if (!round--)
            return;
        for (; times; times--)
            clu_aes_columns(block);
        clu_aes_substitute(block, aes->inverse, 13);
    }
}

/* In place, whole blocks: what is left of `size` beyond them stays as it is. */
CLU_FN void clu_aes256_cbc_encrypt(const struct clu_aes256 *aes, const uint8_t iv[CLU_AES_BLOCK], uint8_t *data, size_t size)
{
    for (; size >= CLU_AES_BLOCK; size -= CLU_AES_BLOCK, data += CLU_AES_BLOCK) {
        clu_aes_xor(data, iv);
        clu_aes256_encrypt(aes, data);
        iv = data;
    }
}

/* The same back; from the last block on, so that each still finds the one before it enciphered. */
CLU_FN void clu_aes256_cbc_decrypt(const struct clu_aes256 *aes, const uint8_t iv[CLU_AES_BLOCK], uint8_t *data, size_t size)
{
    uint8_t *at = data + size / CLU_AES_BLOCK * CLU_AES_BLOCK;
    while (at > data) {
        at -= CLU_AES_BLOCK;
        clu_aes256_decrypt(aes, at);
        clu_aes_xor(at, at > data ? at - CLU_AES_BLOCK : iv);
    }
}

#endif
