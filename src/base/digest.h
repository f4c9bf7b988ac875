/*
 * What MD5, SHA-1 and SHA-256 have in common: bytes are gathered to blocks of 64, and the last one says how many there were.
 * State is the caller's; never allocates.
 */
#ifndef CLU_BASE_DIGEST_H
#define CLU_BASE_DIGEST_H

#include "bytes.h"

#define CLU_DIGEST_BLOCK 64

struct clu_digest {
    uint32_t state[8]; /* the digest, once it is ended */
    uint64_t length;   /* bytes so far */
    uint8_t block[CLU_DIGEST_BLOCK];
    void (*mix)(uint32_t *state, const uint8_t *block);
};

CLU_CALLED void clu_digest_begin(struct clu_digest *d, void (*mix)(uint32_t *state, const uint8_t *block),
                                 const uint32_t *start, size_t words)
{
    memcpy(d->state, start, words * sizeof *start);
    d->length = 0;
    d->mix = mix;
}

CLU_CALLED void clu_digest_add(struct clu_digest *d, const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    while (size) {
        size_t used = (size_t)(d->length % CLU_DIGEST_BLOCK), part = CLU_DIGEST_BLOCK - used;
        if (part > size)
            part = size;
        memcpy(d->block + used, p, part);
        d->length += part;
        p += part;
        size -= part;
        if (used + part == CLU_DIGEST_BLOCK)
            d->mix(d->state, d->block);
    }
}

/* The last block, with the length in bits at its end. */
CLU_CALLED void clu_digest_end(struct clu_digest *d, bool little_endian)
{
    static const uint8_t pad[CLU_DIGEST_BLOCK] = {0x80};
    uint64_t bits = d->length * 8;
    uint8_t length[8];
    unsigned i;
    for (i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (little_endian ? 8 * i : 56 - 8 * i));
    clu_digest_add(d, pad, 1 + (size_t)(119 - d->length % 64) % 64);
    clu_digest_add(d, length, sizeof length);
}

#endif
