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
#define CLU_GOSSIP_FLAGS_KNOWN (CLUSTER_NODE_DRAINING | CLUSTER_NODE_LEAVING)

/* What a packet says beside the name, in the order written. Every key but `node` is a binary, so that no BEAM node makes
 * atoms of it. */
enum {
    CLU_GOSSIP_PORT,
    CLU_GOSSIP_WEIGHT,
    CLU_GOSSIP_FLAGS, /* CLUSTER_NODE_DRAINING, CLUSTER_NODE_LEAVING */
    CLU_GOSSIP_TIME,  /* the sender's wall clock in ns */
    CLU_GOSSIP_ID,    /* the instance, chosen anew by each start of the sender */
    CLU_GOSSIP_NUMBERS,
    CLU_GOSSIP_ZONE = CLU_GOSSIP_NUMBERS,
    CLU_GOSSIP_ROLE,
    CLU_GOSSIP_HMAC,
    CLU_GOSSIP_KEYS,
    CLU_GOSSIP_NODE /* not in the list: the one atom */
};

struct clu_gossip {
    struct cluster_node node;             /* decoded: it points to what stands below */
    uint64_t numbers[CLU_GOSSIP_NUMBERS]; /* 0: not said; those of the node are taken from there */
    bool authentic;                       /* decoded: made by one who knows the secret, whole and unchanged */
    char name[CLU_NAME_MAX + 1];
    char texts[CLU_GOSSIP_HMAC - CLU_GOSSIP_ZONE][CLU_GOSSIP_ATTRIBUTE]; /* zone and role */
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

CLU_FN const char *clu_gossip_key(unsigned key)
{
    static const char names[CLU_GOSSIP_KEYS][7] = {"port", "weight", "flags", "time", "id", "zone", "role", "hmac"};
    return names[key];
}

/* A zone or a role is text that may be shown, UTF-8 without control bytes, and short. */
CLU_FN bool clu_gossip_text_valid(const void *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t i;
    for (i = 0; i < size; i++)
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
    return size < CLU_GOSSIP_ATTRIBUTE && clu_utf8_count(p, size) != SIZE_MAX;
}

CLU_FN void clu_gossip_write_key(struct clu_writer *w, unsigned key)
{
    const char *name = clu_gossip_key(key);
    clu_term_write_binary(w, name, (uint32_t)strlen(name));
}

/* The packet for this node in out, its size returned; 0: name, zone or role is none or no UTF-8, or there is no room. With
 * keys it is enciphered, with `iv`, 16 bytes that nobody can foretell. A packet that says the name alone is byte for byte
 * libcluster's own of OTP 26 and later; one that says more is authenticated, if there are keys. */
CLU_CALLED size_t clu_gossip_encode(struct clu_gossip *g, const struct clu_gossip_keys *keys, const uint8_t *iv, uint8_t *out,
                                    size_t room)
{
    static const char head[] = CLU_GOSSIP_PREFIX "\203t\0\0\0\1w\4node";
    struct clu_writer w = clu_writer_on(out, room);
    size_t length = strlen(g->node.name), start = keys ? CLU_AES_BLOCK : 0;
    uint8_t *mac = NULL, *pad, pairs = 1;
    unsigned key;
    g->numbers[CLU_GOSSIP_PORT] = g->node.port;
    g->numbers[CLU_GOSSIP_WEIGHT] = g->node.weight;
    g->numbers[CLU_GOSSIP_FLAGS] = g->node.flags & CLU_GOSSIP_FLAGS_KNOWN;
    w.bad = !clu_name_valid(g->node.name, length);
    clu_write(&w, iv, start);
    clu_write(&w, head, sizeof head - 1);
    clu_term_write_atom(&w, g->node.name, length);
    for (key = 0; key < CLU_GOSSIP_HMAC; key++) {
        const char *text = key == CLU_GOSSIP_ZONE ? g->node.zone : g->node.role;
        if (key < CLU_GOSSIP_NUMBERS ? !g->numbers[key] : !text || !*text)
            continue;
        pairs++;
        clu_gossip_write_key(&w, key);
        if (key < CLU_GOSSIP_NUMBERS) {
            clu_term_write_integer(&w, g->numbers[key], false);
        } else {
            length = strlen(text);
            if (!clu_gossip_text_valid(text, length))
                w.bad = true;
            clu_term_write_binary(&w, text, (uint32_t)length);
        }
    }
    if (keys) {
        if (pairs > 1) {
            pairs++;
            clu_gossip_write_key(&w, CLU_GOSSIP_HMAC);
            clu_term_write_binary_size(&w, CLU_SHA256_SIZE);
            mac = clu_room(&w, CLU_SHA256_SIZE);
        }
        length = CLU_AES_BLOCK - (size_t)(w.at - out) % CLU_AES_BLOCK;
        pad = clu_room(&w, length);
        if (pad)
            memset(pad, (int)length, length);
    }
    if (w.bad)
        return 0;
    out[start + CLU_GOSSIP_PREFIX_SIZE + 5] = pairs;
    length = clu_written(&w);
    if (mac)
        clu_hmac_sha256(keys->mac, sizeof keys->mac, out + start, (size_t)(mac - out) - start, mac);
    if (keys)
        clu_aes256_cbc_encrypt(&keys->cipher, iv, out + start, length - start);
    return length;
}

/* Decipher in place: the size of the plain text, which stands behind the first block, or 0. libcluster's own rules: a partial
 * block at the end is dropped; a last byte of 0 pads nothing. The first block is tried alone, so that packets under another
 * secret cost no more than that. */
CLU_FN size_t clu_gossip_decipher(const struct clu_gossip_keys *keys, uint8_t *data, size_t size)
{
    uint8_t first[CLU_AES_BLOCK], *text = data + CLU_AES_BLOCK;
    size_t pad, i;
    if (size < 2 * CLU_AES_BLOCK)
        return 0;
    memcpy(first, text, sizeof first);
    clu_aes256_cbc_decrypt(&keys->cipher, data, first, sizeof first);
    if (memcmp(first, CLU_GOSSIP_PREFIX, CLU_GOSSIP_PREFIX_SIZE) != 0)
        return 0;
    size = size / CLU_AES_BLOCK * CLU_AES_BLOCK - CLU_AES_BLOCK;
    clu_aes256_cbc_decrypt(&keys->cipher, data, text, size);
    pad = text[size - 1];
    for (i = pad; i; i--)
        if (pad > CLU_AES_BLOCK || text[--size] != pad)
            return 0;
    return size;
}

/* Which key comes next; any that is none of ours is stepped over: CLU_GOSSIP_KEYS. */
CLU_FN unsigned clu_gossip_read_key(struct clu_reader *r)
{
    struct clu_reader start = *r;
    char text[4];
    if (clu_term_tag(r) == CLU_TERM_BINARY) {
        struct clu_slice name;
        unsigned key = 0;
        name.at = (const char *)clu_term_binary(r, &name.length);
        while (key < CLU_GOSSIP_KEYS && !clu_slice_is(name, clu_gossip_key(key)))
            key++;
        return key;
    }
    if (clu_term_atom(&start, text, sizeof text) == sizeof text && memcmp(text, "node", sizeof text) == 0) {
        *r = start;
        return CLU_GOSSIP_NODE;
    }
    (void)clu_term_skip(r);
    return CLU_GOSSIP_KEYS;
}

/* A packet, which is deciphered where it stands. Never CLU_NEED_MORE: a packet is whole or malformed. Taken is what a
 * libcluster node takes, with keys and values beside `node` of any kind and bytes after the term; malformed is what it
 * ignores, what would crash it, a compressed term, a name that is no node name, a key of ours that comes twice or has a
 * value of the wrong kind, and an authentication that is not right or not at the very end. */
CLU_CALLED enum clu_parse clu_gossip_decode(struct clu_gossip *out, const struct clu_gossip_keys *keys, uint8_t *data,
                                            size_t size)
{
    static const uint8_t bits[CLU_GOSSIP_NUMBERS] = {16, 32, 32, 64, 64};
    bool whole = size % CLU_AES_BLOCK == 0;
    struct clu_reader r;
    uint32_t pairs, said = 0;
    memset(out, 0, sizeof *out);
    if (keys) {
        size = clu_gossip_decipher(keys, data, size);
        data += CLU_AES_BLOCK;
    }
    r = clu_reader_of(data, size);
    r.bad = !clu_read_match(&r, CLU_GOSSIP_PREFIX "\203", CLU_GOSSIP_PREFIX_SIZE + 1);
    for (pairs = clu_term_map(&r); pairs && !r.bad; pairs--) {
        unsigned key = clu_gossip_read_key(&r);
        const uint8_t *bytes;
        size_t length;
        if (key == CLU_GOSSIP_KEYS) {
            (void)clu_term_skip(&r);
            continue;
        }
        if (said >> key & 1)
            r.bad = true;
        said |= 1u << key;
        if (key < CLU_GOSSIP_NUMBERS) {
            uint64_t value = clu_term_u64(&r);
            if (value >> (bits[key] - 1) >> 1 || (!value && key != CLU_GOSSIP_FLAGS))
                r.bad = true;
            out->numbers[key] = value;
            continue;
        }
        if (key == CLU_GOSSIP_NODE) {
            length = clu_term_atom(&r, out->name, CLU_NAME_MAX);
            if (!clu_name_valid(out->name, length))
                r.bad = true;
            continue;
        }
        bytes = clu_term_binary(&r, &length);
        if (!bytes)
            break;
        if (key < CLU_GOSSIP_HMAC) {
            if (!clu_gossip_text_valid(bytes, length))
                return CLU_MALFORMED;
            if (length)
                *(key == CLU_GOSSIP_ZONE ? &out->node.zone : &out->node.role) =
                    (const char *)memcpy(out->texts[key - CLU_GOSSIP_ZONE], bytes, length);
        } else if (keys) {
            uint8_t mac[CLU_SHA256_SIZE];
            clu_hmac_sha256(keys->mac, sizeof keys->mac, data, (size_t)(bytes - data), mac);
            out->authentic =
                length == sizeof mac && pairs == 1 && whole && !clu_left(&r) && clu_equal_ct(mac, bytes, sizeof mac);
            if (!out->authentic)
                r.bad = true;
        }
    }
    out->node.size = (uint32_t)sizeof out->node;
    out->node.name = out->name;
    out->node.port = (uint32_t)out->numbers[CLU_GOSSIP_PORT];
    out->node.weight = (uint32_t)out->numbers[CLU_GOSSIP_WEIGHT];
    out->node.flags = (uint32_t)out->numbers[CLU_GOSSIP_FLAGS] & CLU_GOSSIP_FLAGS_KNOWN;
    return r.bad || !(said >> CLU_GOSSIP_NODE & 1) ? CLU_MALFORMED : CLU_COMPLETE;
}

#endif
