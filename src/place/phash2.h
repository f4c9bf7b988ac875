/*
 * phash2, the hash of Erlang terms that is the same on every node and in every version: of a term in the external format, and
 * of bytes as a binary. Jenkins' 96-bit mix over the parts of the term, each beginning with the hash of what came before.
 * Follows nesting with a bounded stack of its own. Never allocates, keeps no state.
 */
#ifndef CLU_PLACE_PHASH2_H
#define CLU_PLACE_PHASH2_H

#include "../base/hash.h"
#include "../wire/term.h"

#define CLU_PHASH_DEPTH 64 /* containers within each other; the last element of a tuple and a list's tail are no deeper */
#define CLU_GOLDEN UINT32_C(0x9e3779b9)

CLU_CALLED void clu_phash_mix(uint32_t *s)
{
    uint32_t a = s[0], b = s[1], c = s[2];
    a = (a - b - c) ^ c >> 13;
    b = (b - c - a) ^ a << 8;
    c = (c - a - b) ^ b >> 13;
    a = (a - b - c) ^ c >> 12;
    b = (b - c - a) ^ a << 16;
    c = (c - a - b) ^ b >> 5;
    a = (a - b - c) ^ c >> 3;
    b = (b - c - a) ^ a << 10;
    c = (c - a - b) ^ b >> 15;
    s[0] = a;
    s[1] = b;
    s[2] = c;
}

/* Two words onto the hash h, as a part of the kind `what`. */
CLU_CALLED uint32_t clu_phash_add(uint32_t h, uint32_t x, uint32_t y, uint32_t what)
{
    uint32_t s[3];
    s[0] = CLU_GOLDEN * what + x;
    s[1] = CLU_GOLDEN * what + y;
    s[2] = h;
    clu_phash_mix(s);
    return s[2];
}

/* Of the last byte only the upper `bits` count: 8, or fewer in a bit string. */
CLU_FN uint32_t clu_phash_bits(uint32_t h, const void *data, size_t size, unsigned bits)
{
    const uint8_t *p = (const uint8_t *)data;
    const size_t whole = size - (bits < 8);
    size_t left, i;
    uint32_t s[3];
    s[0] = s[1] = CLU_GOLDEN;
    s[2] = CLU_GOLDEN * 13 + h;
    if (!size)
        return s[2];
    for (left = whole; left >= 12; left -= 12, p += 12) {
        for (i = 0; i < 3; i++)
            s[i] += (uint32_t)clu_le32(p + 4 * i);
        clu_phash_mix(s);
    }
    s[2] += (uint32_t)whole;
    for (i = 0; i < left; i++) /* the third word's lowest byte is the size's */
        s[i / 4] += (uint32_t)p[i] << 8 * (i % 4 + i / 8);
    clu_phash_mix(s);
    return bits < 8 ? clu_phash_add(s[2], bits, (uint32_t)p[left] >> (8 - bits), 15) : s[2];
}

CLU_FN uint32_t clu_phash_bytes(uint32_t h, const void *data, size_t size)
{
    return clu_phash_bits(h, data, size, 8);
}

/* Each of an atom's characters that Latin-1 has is one; of the others each byte of their UTF-8. */
CLU_FN uint32_t clu_phash_atom(uint32_t h, const char *text, size_t length)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + length;
    uint32_t v = 0, top;
    while (p < end) {
        uint8_t c = *p++;
        if ((c & 0xfe) == 0xc2)
            c = (uint8_t)(c << 6 | (*p++ & 0x3f));
        v = (v << 4) + c;
        top = v & 0xf0000000;
        v ^= top >> 24 ^ top;
    }
    return h ? clu_phash_add(h, v, 0, 3) : v;
}

/* An integer's magnitude, its lowest byte first, without zeros at the end. */
struct clu_phash_integer {
    const uint8_t *digits;
    size_t size;
    bool negative;
    uint8_t few[4];
};

/* The integer that comes next, however it is written. False: something else comes, and stays. */
CLU_FN bool clu_phash_read_integer(struct clu_reader *r, struct clu_phash_integer *n)
{
    const uint8_t tag = clu_term_tag(r);
    if (tag == CLU_TERM_SMALL_BIG || tag == CLU_TERM_LARGE_BIG) {
        (void)clu_take(r, 1);
        n->size = (size_t)clu_read_be(r, tag == CLU_TERM_SMALL_BIG ? 1 : 4);
        n->negative = clu_read_u8(r) != 0;
        n->digits = clu_take(r, n->size);
    } else if (tag == CLU_TERM_SMALL_INTEGER || tag == CLU_TERM_INTEGER) {
        uint32_t value;
        (void)clu_take(r, 1);
        value = (uint32_t)clu_read_be(r, tag == CLU_TERM_INTEGER ? 4 : 1);
        n->negative = value >> 31 != 0;
        value = n->negative ? 0 - value : value;
        for (n->size = 0; n->size < 4; value >>= 8)
            n->few[n->size++] = (uint8_t)value;
        n->digits = n->few;
    } else {
        return false;
    }
    if (r->bad)
        n->size = 0;
    while (n->size && !n->digits[n->size - 1])
        n->size--;
    n->negative = n->negative && n->size;
    return true;
}

CLU_FN uint32_t clu_phash_digits(const struct clu_phash_integer *n, size_t from)
{
    uint32_t value = 0;
    size_t i;
    for (i = 0; i < 4 && from + i < n->size; i++)
        value |= (uint32_t)n->digits[from + i] << 8 * i;
    return value;
}

/* Small is what takes at most 28 bits, whatever the node's words are. */
CLU_FN uint32_t clu_phash_integer_of(uint32_t h, const struct clu_phash_integer *n)
{
    const uint32_t low = clu_phash_digits(n, 0);
    size_t at;
    if (n->size <= 4 && low <= 0x7ffffffu + n->negative) {
        if (n->negative)
            h = clu_phash_add(h, low, 0, 1);
        return clu_phash_add(h, n->negative ? 0 - low : low, 0, 1);
    }
    for (at = 0; at < n->size; at += 8)
        h = clu_phash_add(h, clu_phash_digits(n, at), clu_phash_digits(n, at + 4), n->negative ? 10 : 11);
    return h;
}

CLU_FN uint32_t clu_phash_nil(uint32_t h)
{
    return h ? clu_phash_add(h, 2, 0, 2) : UINT32_C(3468870702);
}

/* A term without terms in it. */
CLU_FN int clu_phash_leaf(struct clu_reader *r, uint32_t *h)
{
    const uint8_t tag = clu_term_tag(r);
    struct clu_phash_integer n;
    char text[CLU_ATOM_MAX];
    const uint8_t *p;
    size_t size;
    if (clu_phash_read_integer(r, &n)) {
        *h = clu_phash_integer_of(*h, &n);
    } else if (tag == CLU_TERM_NIL) {
        (void)clu_take(r, 1);
        *h = clu_phash_nil(*h);
    } else if (tag == CLU_TERM_BINARY || tag == CLU_TERM_BIT_BINARY) {
        uint8_t bits;
        (void)clu_take(r, 1);
        size = clu_read_u32(r);
        bits = tag == CLU_TERM_BIT_BINARY ? clu_read_u8(r) : size ? 8 : 0;
        p = clu_take(r, size);
        if (!p || bits > 8 || (bits == 0) != (size == 0))
            return CLUSTER_E_INVALID;
        *h = clu_phash_bits(*h, p, size, bits);
    } else if (tag == CLU_TERM_NEW_FLOAT) {
        uint64_t value;
        (void)clu_take(r, 1);
        value = clu_read_be(r, 8);
        if ((value >> 52 & 0x7ff) == 0x7ff) /* Erlang has neither infinities nor NaN */
            return CLUSTER_E_INVALID;
        value = value << 1 ? value : 0; /* nor, for its hash, -0.0 */
        *h = clu_phash_add(*h, (uint32_t)(value >> 32), (uint32_t)value, 12);
    } else if (tag == CLU_TERM_COMPRESSED || clu_term_shape_of(tag)) {
        return CLUSTER_E_UNSUPPORTED;
    } else {
        size = clu_term_atom(r, text, sizeof text);
        *h = clu_phash_atom(*h, text, size);
    }
    return r->bad ? CLUSTER_E_INVALID : 0;
}

/* A container that has been begun, while a term in it is hashed onto what came before. */
struct clu_phash_level {
    uint64_t left;       /* terms still to come; of a list without its tail */
    uint32_t tag;        /* SMALL_TUPLE, MAP or LIST */
    uint32_t whole, sum; /* a map: the hash before its pairs, and theirs, each from 0, in any order */
};

/* The bytes that a list of *left more elements goes on with, in words, through its tails too: a list may be written in pieces.
 * Any term is the tail of a list of none. True: the list ended. */
CLU_FN bool clu_phash_run(struct clu_reader *r, uint32_t *h, uint32_t *left)
{
    const uint8_t *text = NULL, *end = NULL;
    uint32_t word = 0, bytes = 0;
    for (;;) {
        const uint8_t tag = clu_term_tag(r);
        uint8_t byte;
        if (text != end) {
            byte = *text++;
        } else if (!text && *left) {
            struct clu_reader before = *r;
            struct clu_phash_integer n;
            if (!clu_phash_read_integer(r, &n) || n.size > 1 || n.negative) {
                *r = before;
                break;
            }
            byte = (uint8_t)clu_phash_digits(&n, 0);
            --*left;
        } else if (!text && tag == CLU_TERM_LIST) {
            (void)clu_take(r, 1);
            *left = clu_read_u32(r);
            continue;
        } else if (!text && tag == CLU_TERM_STRING) {
            size_t size;
            (void)clu_take(r, 1);
            size = clu_read_u16(r);
            text = clu_take(r, size);
            if (!text)
                break;
            end = text + size;
            continue;
        } else {
            break;
        }
        word = word << 8 | byte;
        if (++bytes % 4 == 0) {
            *h = clu_phash_add(*h, word, 0, 4);
            word = 0;
        }
    }
    if (bytes % 4)
        *h = clu_phash_add(*h, word, 0, 4);
    if (text)
        *h = clu_phash_nil(*h);
    return text != NULL;
}

/* Begin the next term, if it has others in it or is the rest of a list: 1. What has none is done with: 0. Else an error. */
CLU_FN int clu_phash_open(struct clu_reader *r, uint32_t *h, uint32_t left, struct clu_phash_level *level)
{
    const uint8_t tag = left ? (uint8_t)CLU_TERM_LIST : clu_term_tag(r);
    level->tag = tag;
    if (tag == CLU_TERM_LIST) {
        level->left = left - 1;
        return 1;
    }
    if (tag == CLU_TERM_MAP) {
        level->left = clu_term_map(r);
        level->whole = *h = clu_phash_add(*h, (uint32_t)level->left, 0, 16);
        level->sum = *h; /* which the first key takes out again */
        level->left *= 2;
    } else if (tag == CLU_TERM_SMALL_TUPLE || tag == CLU_TERM_LARGE_TUPLE) {
        (void)clu_take(r, 1);
        level->tag = CLU_TERM_SMALL_TUPLE;
        level->left = clu_read_be(r, tag == CLU_TERM_SMALL_TUPLE ? 1 : 4);
        *h = clu_phash_add(*h, (uint32_t)level->left, 0, 9);
    } else {
        return clu_phash_leaf(r, h);
    }
    return level->left != 0;
}

/* The next term, onto *h. */
CLU_FN int clu_phash_term(struct clu_reader *r, uint32_t *h)
{
    struct clu_phash_level levels[CLU_PHASH_DEPTH + 1], *top = levels;
    uint32_t left = 0; /* elements of the list that is read */
    for (;;) {
        const int state = clu_phash_run(r, h, &left) ? 0 : clu_phash_open(r, h, left, top);
        left = 0;
        if (state < 0 || r->bad)
            return state < 0 ? state : CLUSTER_E_INVALID;
        top += state;
        if (top > levels + CLU_PHASH_DEPTH)
            return CLUSTER_E_LIMIT;
        if (state && top[-1].tag == CLU_TERM_LIST)
            continue;
        /* Before the next term of the innermost container, end those that have none. */
        for (;; top--) {
            struct clu_phash_level *level = top - 1;
            if (top == levels)
                return 0;
            if (level->tag == CLU_TERM_LIST) {
                left = (uint32_t)level->left;
                top--;
                break;
            }
            if (level->tag == CLU_TERM_MAP && level->left % 2 == 0) {
                level->sum ^= *h;
                *h = 0;
            }
            if (level->left) {
                if (--level->left == 0 && level->tag != CLU_TERM_MAP)
                    top--;
                break;
            }
            *h = clu_phash_add(level->whole, level->sum, 0, 19);
        }
    }
}

CLUSTER_DEF int cluster_phash2(const void *term, size_t size, uint64_t range, uint32_t *out)
{
    struct clu_reader r = clu_reader_of(term, size);
    uint32_t h = 0;
    int result = CLUSTER_E_INVALID;
    if (range <= UINT64_C(1) << 32 && clu_read_u8(&r) == CLU_TERM_VERSION)
        result = clu_phash_term(&r, &h);
    if (!result && clu_left(&r))
        result = CLUSTER_E_INVALID;
    if (!result)
        *out = (uint32_t)(h % (range ? range : UINT64_C(1) << 27));
    return result;
}

#endif
