/*
 * What two nodes say to each other before a distribution link is up, without the length before it: names, challenges and
 * digests, as OTP 23 and later do. Pure; all integers are big-endian. What comes after a name is left unread, for versions to
 * come.
 *
 *   initiator   'N' flags:64 creation:32 name            acceptor
 *               's' text                          <--
 *               'N' flags:64 challenge:32 creation:32 name <--
 *               'r' challenge:32 digest           -->
 *               'a' digest                        <--
 */
#ifndef CLU_WIRE_HANDSHAKE_H
#define CLU_WIRE_HANDSHAKE_H

#include "../base/bytes.h"
#include "../base/md5.h"
#include "../base/memory.h"
#include "name.h"
#include "number.h"

#define CLU_COOKIE_MAX 255
#define CLU_HANDSHAKE_MAX 1024 /* bytes of a packet */

/* What a node must offer: what OTP 25 itself insists on, or the bit that stands for all of it. */
#define CLU_FLAGS_NEEDED UINT64_C(0x1070f94)
#define CLU_FLAGS_DIGEST UINT64_C(0x4000000)
/* It has no name and asks for one: what it says in its place is its host. */
#define CLU_FLAGS_NAME_ME UINT64_C(0x200000000)
/* What we offer: a hidden node that takes spawn requests, no atom cache, no fragments and no aliases. */
#define CLU_FLAGS_OWN UINT64_C(0x507074fbc)

/* Who somebody is. */
struct clu_hello {
    uint64_t flags;
    uint32_t creation, challenge;
    struct clu_slice name;
};

CLU_FN void clu_hello_write(struct clu_writer *w, const struct clu_hello *h, bool challenge)
{
    clu_write_be(w, 'N', 1);
    clu_write_be(w, h->flags, 8);
    if (challenge)
        clu_write_be(w, h->challenge, 4);
    clu_write_be(w, h->creation, 4);
    clu_write_be(w, h->name.length, 2);
    clu_write(w, h->name.at, h->name.length);
}

/* False: it is none, or its name is no node's, or no host's where a name is asked for. */
CLU_FN bool clu_hello_read(const void *data, size_t size, bool challenge, struct clu_hello *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    if (clu_read_u8(&r) != 'N')
        return false;
    out->flags = clu_read_be(&r, 8);
    out->challenge = challenge ? clu_read_u32(&r) : 0;
    out->creation = clu_read_u32(&r);
    out->name.length = clu_read_u16(&r);
    out->name.at = (const char *)clu_take(&r, out->name.length);
    if (!challenge && (out->flags & CLU_FLAGS_NAME_ME))
        return !r.bad && clu_name_half_valid(out->name.at, out->name.length);
    return !r.bad && clu_name_valid(out->name.at, out->name.length);
}

/* Is it a name or a challenge in the form before OTP 23? */
CLU_FN bool clu_hello_is_old(const uint8_t *data, size_t size)
{
    return size && *data == 'n';
}

CLU_FN bool clu_flags_suffice(uint64_t flags)
{
    return (flags & CLU_FLAGS_DIGEST) || (flags & CLU_FLAGS_NEEDED) == CLU_FLAGS_NEEDED;
}

/* What proves the cookie to whoever gave the challenge. */
CLU_FN void clu_cookie_digest(struct clu_slice cookie, uint32_t challenge, uint8_t out[CLU_MD5_SIZE])
{
    char buffer[CLU_COOKIE_MAX + 11];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    clu_text_bytes(&t, cookie.at, cookie.length);
    clu_text_u64(&t, challenge);
    clu_md5(buffer, t.length, out);
    clu_wipe(buffer, sizeof buffer);
}

/* 'r', with a challenge of one's own, or 'a', without. */
CLU_FN void clu_proof_write(struct clu_writer *w, char tag, uint32_t challenge, const uint8_t digest[CLU_MD5_SIZE])
{
    clu_write_be(w, (uint8_t)tag, 1);
    if (tag == 'r')
        clu_write_be(w, challenge, 4);
    clu_write(w, digest, CLU_MD5_SIZE);
}

/* The digest; NULL: it is no such packet. */
CLU_FN const uint8_t *clu_proof_read(const void *data, size_t size, char tag, uint32_t *challenge)
{
    struct clu_reader r = clu_reader_of(data, size);
    const uint8_t *digest;
    if (clu_read_u8(&r) != (uint8_t)tag)
        return NULL;
    *challenge = tag == 'r' ? clu_read_u32(&r) : 0;
    digest = clu_take(&r, CLU_MD5_SIZE);
    return clu_left(&r) ? NULL : digest;
}

/* What follows 's', as a place in a list of words; -1: it is none of them. */
CLU_FN int clu_status_read(const uint8_t *data, size_t size, const char *words)
{
    return size && *data == 's' ? clu_word_find(words, clu_slice_of((const char *)data + 1, size - 1)) : -1;
}

#endif
