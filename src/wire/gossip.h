/*
 * The packets of libcluster's gossip: `heartbeat::` and a term that is a map with the key `node`, enciphered when there is a
 * secret. What a libcluster node says is read, and what is written a libcluster node reads. Further keys, binaries which
 * libcluster ignores, say more of the node; with a secret the last of them authenticates the packet, which the cipher alone
 * does not. Pure: bytes in, values out; whether a packet is fresh is for the caller to judge.
 */
#ifndef CLU_WIRE_GOSSIP_H
#define CLU_WIRE_GOSSIP_H

#include "../base/aes.h"
#include "../base/sha256.h"
#include "../base/text.h"
#include "name.h"
#include "term.h"

#define CLU_GOSSIP_PREFIX "heartbeat::"
#define CLU_GOSSIP_PREFIX_SIZE 11
#define CLU_GOSSIP_MAX 640 /* no packet written is larger, with name and attributes as long as they may be */
#define CLU_GOSSIP_ATTRIBUTE 64

struct clu_gossip {
    char name[CLU_NAME_MAX + 1];
    char zone[CLU_GOSSIP_ATTRIBUTE]; /* "": not said */
    char role[CLU_GOSSIP_ATTRIBUTE];
    uint64_t time_ns;  /* the sender's wall clock; 0: not said */
    uint64_t instance; /* chosen anew by each start of the sender */
    uint32_t port;     /* 0: not said */
    uint32_t weight;   /* 0: not said */
    uint32_t flags;    /* CLUSTER_NODE_DRAINING */
    bool has_instance;
    bool authentic; /* decoded: made by one who knows the secret, whole and unchanged */
};

struct clu_gossip_keys {
    struct clu_aes256 cipher;
    uint8_t mac[CLU_SHA256_SIZE];
};

/* The cipher's key is libcluster's, SHA-256 of the secret; the other one is derived apart from it. */
CLU_FN void clu_gossip_keys_init(struct clu_gossip_keys *keys, const void *secret, size_t length)
{
    static const char label[] = "cluster.h gossip authentication";
    uint8_t key[CLU_SHA256_SIZE];
    clu_sha256_of(secret, length, key);
    clu_aes256_init(&keys->cipher, key);
    clu_wipe(key, sizeof key);
    clu_hmac_sha256(secret, length, label, sizeof label - 1, keys->mac);
}

/* Every key but `node` is a binary, so that no BEAM node makes atoms of it. Their order here is the order written. */
enum {
    CLU_GOSSIP_PORT,
    CLU_GOSSIP_WEIGHT,
    CLU_GOSSIP_FLAGS,
    CLU_GOSSIP_TIME,
    CLU_GOSSIP_ID,
    CLU_GOSSIP_ZONE,
    CLU_GOSSIP_ROLE,
    CLU_GOSSIP_HMAC,
    CLU_GOSSIP_KEYS,
    CLU_GOSSIP_NODE /* not in the list: the one atom */
};

CLU_FN const char *clu_gossip_key(unsigned index)
{
    static const char names[CLU_GOSSIP_KEYS][7] = {"port", "weight", "flags", "time", "id", "zone", "role", "hmac"};
    return names[index];
}

/* A zone or a role is text that may be shown, UTF-8 without control bytes, and short. */
CLU_FN bool clu_gossip_text_valid(const char *text, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return size < CLU_GOSSIP_ATTRIBUTE && clu_utf8_count((const uint8_t *)text, size) != SIZE_MAX;
}

/* A pair with a number, left out if 0 and not `always`. *pairs counts. */
CLU_FN void clu_gossip_say(struct clu_writer *w, uint8_t *pairs, unsigned key, uint64_t value, bool always)
{
    const char *name = clu_gossip_key(key);
    if (!value && !always)
        return;
    ++*pairs;
    clu_term_write_binary(w, name, strlen(name));
    clu_term_write_u64(w, value);
}

CLU_FN void clu_gossip_say_bytes(struct clu_writer *w, uint8_t *pairs, unsigned key, const void *bytes, size_t size)
{
    const char *name = clu_gossip_key(key);
    if (!size)
        return;
    ++*pairs;
    clu_term_write_binary(w, name, strlen(name));
    clu_term_write_binary(w, bytes, size);
}

/* The packet for this node in out, its size returned; 0: name, zone or role is none or no UTF-8, or there is no room. With
 * keys it is enciphered, with `iv`, 16 bytes that nobody can foretell. A packet that says the name alone is byte for byte
 * libcluster's own of OTP 26 and later; one that says more is authenticated, if there are keys. */
CLU_FN size_t clu_gossip_encode(const struct clu_gossip *g, const struct clu_gossip_keys *keys, const uint8_t *iv, uint8_t *out,
                                size_t room)
{
    static const char head[] = CLU_GOSSIP_PREFIX "\203t\0\0\0\1w\4node";
    uint8_t plain[CLU_GOSSIP_MAX], mac[CLU_SHA256_SIZE], *pairs = plain + CLU_GOSSIP_PREFIX_SIZE + 5;
    struct clu_writer w = clu_writer_on(plain, sizeof plain);
    size_t size, pad, start, length = strlen(g->name), zone = strlen(g->zone), role = strlen(g->role);
    if (!clu_name_valid(g->name, length) || !clu_gossip_text_valid(g->zone, zone) || !clu_gossip_text_valid(g->role, role))
        return 0;
    clu_write(&w, head, sizeof head - 1);
    clu_term_write_atom(&w, g->name, length);
    clu_gossip_say(&w, pairs, CLU_GOSSIP_PORT, g->port, false);
    clu_gossip_say(&w, pairs, CLU_GOSSIP_WEIGHT, g->weight, false);
    clu_gossip_say(&w, pairs, CLU_GOSSIP_FLAGS, g->flags & CLUSTER_NODE_DRAINING, false);
    clu_gossip_say(&w, pairs, CLU_GOSSIP_TIME, g->time_ns, false);
    clu_gossip_say(&w, pairs, CLU_GOSSIP_ID, g->has_instance ? g->instance : 0, g->has_instance);
    clu_gossip_say_bytes(&w, pairs, CLU_GOSSIP_ZONE, g->zone, zone);
    clu_gossip_say_bytes(&w, pairs, CLU_GOSSIP_ROLE, g->role, role);
    if (w.bad)
        return 0;
    if (keys && *pairs > 1) {
        memset(mac, 0, sizeof mac);
        clu_gossip_say_bytes(&w, pairs, CLU_GOSSIP_HMAC, mac, sizeof mac);
        clu_hmac_sha256(keys->mac, sizeof keys->mac, plain, clu_written(&w) - sizeof mac, w.at - sizeof mac);
    }
    size = clu_written(&w);
    pad = keys ? CLU_AES_BLOCK - size % CLU_AES_BLOCK : 0;
    start = keys ? CLU_AES_BLOCK : 0;
    if (room < start + size + pad)
        return 0;
    memcpy(out + start, plain, size);
    if (keys) {
        memset(out + start + size, (int)pad, pad);
        memcpy(out, iv, CLU_AES_BLOCK);
        clu_aes256_cbc_encrypt(&keys->cipher, iv, out + start, size + pad);
    }
    return start + size + pad;
}

/* Decipher in place. libcluster's own rules: a partial block at the end is dropped; a last byte of 0 pads nothing. The first
 * block is tried alone, so that packets under another secret cost no more than that. */
CLU_FN bool clu_gossip_decipher(const struct clu_gossip_keys *keys, uint8_t *data, size_t *size)
{
    uint8_t first[CLU_AES_BLOCK];
    size_t whole, pad, i;
    if (*size < 2 * CLU_AES_BLOCK)
        return false;
    memcpy(first, data + CLU_AES_BLOCK, sizeof first);
    clu_aes256_cbc_decrypt(&keys->cipher, data, first, sizeof first);
    if (memcmp(first, CLU_GOSSIP_PREFIX, CLU_GOSSIP_PREFIX_SIZE) != 0)
        return false;
    whole = *size / CLU_AES_BLOCK * CLU_AES_BLOCK - CLU_AES_BLOCK;
    clu_aes256_cbc_decrypt(&keys->cipher, data, data + CLU_AES_BLOCK, whole);
    pad = data[CLU_AES_BLOCK + whole - 1];
    if (pad > CLU_AES_BLOCK)
        return false;
    for (i = 0; i < pad; i++)
        if (data[CLU_AES_BLOCK + whole - 1 - i] != pad)
            return false;
    *size = whole - pad;
    return true;
}

CLU_FN void clu_gossip_text(struct clu_reader *r, char out[CLU_GOSSIP_ATTRIBUTE])
{
    size_t size;
    const uint8_t *p = clu_term_binary(r, &size);
    if (p && clu_gossip_text_valid((const char *)p, size))
        memcpy(out, p, size);
    else
        r->bad = true;
}

CLU_FN uint64_t clu_gossip_number(struct clu_reader *r, uint64_t least, uint64_t most)
{
    uint64_t value = clu_term_u64(r);
    if (value < least || value > most)
        r->bad = true;
    return r->bad ? 0 : value;
}

/* Which key comes next; any that is none of ours is stepped over: CLU_GOSSIP_KEYS. */
CLU_FN unsigned clu_gossip_read_key(struct clu_reader *r)
{
    unsigned i;
    if (clu_term_tag(r) == CLU_TERM_BINARY) {
        size_t size;
        const uint8_t *p = clu_term_binary(r, &size);
        for (i = 0; p && i < CLU_GOSSIP_KEYS; i++)
            if (clu_slice_is(clu_slice_of((const char *)p, size), clu_gossip_key(i)))
                return i;
    } else {
        struct clu_reader start = *r;
        char text[4];
        if (clu_term_atom(&start, text, sizeof text) == 4 && !start.bad && memcmp(text, "node", 4) == 0) {
            *r = start;
            return CLU_GOSSIP_NODE;
        }
        (void)clu_term_skip(r);
    }
    return CLU_GOSSIP_KEYS;
}

/* A packet, which is deciphered where it stands. Never CLU_NEED_MORE: a packet is whole or malformed. Taken is what a
 * libcluster node takes, with keys and values beside `node` of any kind and bytes after the term; malformed is what it
 * ignores, what would crash it, a compressed term, a name that is no node name, a key of ours that comes twice or has a
 * value of the wrong kind, and an authentication that is not right or not at the very end. */
CLU_FN enum clu_parse clu_gossip_decode(struct clu_gossip *out, const struct clu_gossip_keys *keys, uint8_t *data, size_t size)
{
    const uint8_t *begin = data, *value;
    bool whole = true;
    struct clu_reader r;
    uint32_t pairs, said = 0;
    size_t length;
    memset(out, 0, sizeof *out);
    if (keys) {
        whole = size % CLU_AES_BLOCK == 0;
        if (!clu_gossip_decipher(keys, data, &size))
            return CLU_MALFORMED;
        begin += CLU_AES_BLOCK;
    }
    r = clu_reader_of(begin, size);
    if (!clu_read_match(&r, CLU_GOSSIP_PREFIX, CLU_GOSSIP_PREFIX_SIZE) || clu_read_u8(&r) != CLU_TERM_VERSION)
        return CLU_MALFORMED;
    for (pairs = clu_term_map(&r); pairs && !r.bad; pairs--) {
        unsigned key = clu_gossip_read_key(&r);
        if (key != CLU_GOSSIP_KEYS && (said >> key & 1))
            return CLU_MALFORMED;
        said |= 1u << key;
        switch (key) {
        case CLU_GOSSIP_NODE:
            length = clu_term_atom(&r, out->name, CLU_NAME_MAX);
            if (r.bad || length > CLU_NAME_MAX || !clu_name_valid(out->name, length))
                return CLU_MALFORMED;
            break;
        case CLU_GOSSIP_PORT:
            out->port = (uint32_t)clu_gossip_number(&r, 1, 65535);
            break;
        case CLU_GOSSIP_WEIGHT:
            out->weight = (uint32_t)clu_gossip_number(&r, 1, UINT32_MAX);
            break;
        case CLU_GOSSIP_FLAGS:
            out->flags = (uint32_t)clu_gossip_number(&r, 0, UINT32_MAX) & CLUSTER_NODE_DRAINING;
            break;
        case CLU_GOSSIP_TIME:
            out->time_ns = clu_gossip_number(&r, 1, UINT64_MAX);
            break;
        case CLU_GOSSIP_ID:
            out->instance = clu_term_u64(&r);
            out->has_instance = true;
            break;
        case CLU_GOSSIP_ZONE:
            clu_gossip_text(&r, out->zone);
            break;
        case CLU_GOSSIP_ROLE:
            clu_gossip_text(&r, out->role);
            break;
        case CLU_GOSSIP_HMAC:
            value = clu_term_binary(&r, &length);
            if (!value || !keys)
                break;
            if (length == CLU_SHA256_SIZE && pairs == 1 && whole && !clu_left(&r)) {
                uint8_t mac[CLU_SHA256_SIZE];
                clu_hmac_sha256(keys->mac, sizeof keys->mac, begin, (size_t)(value - begin), mac);
                out->authentic = clu_equal_ct(mac, value, sizeof mac);
            }
            if (!out->authentic)
                return CLU_MALFORMED;
            break;
        default:
            (void)clu_term_skip(&r);
        }
    }
    return r.bad || !(said >> CLU_GOSSIP_NODE & 1) ? CLU_MALFORMED : CLU_COMPLETE;
}

#endif
