/*
 * Erlang's external term format: reading and writing of the terms that are wanted, stepping over all others. A reader goes bad
 * on what is cut off, on what is no term, and on a compressed term, which a node would take; what is stepped over is checked
 * for its bounds and its atoms alone. Follows no nesting by recursion, never allocates, keeps no state.
 */
#ifndef CLU_WIRE_TERM_H
#define CLU_WIRE_TERM_H

#include "../base/bytes.h"

enum {
    CLU_TERM_VERSION = 131,
    CLU_TERM_NEW_FLOAT = 70,
    CLU_TERM_BIT_BINARY = 77,
    CLU_TERM_COMPRESSED = 80,
    CLU_TERM_NEW_PID = 88,
    CLU_TERM_NEW_PORT = 89,
    CLU_TERM_NEWER_REFERENCE = 90,
    CLU_TERM_SMALL_INTEGER = 97,
    CLU_TERM_INTEGER = 98,
    CLU_TERM_FLOAT = 99,
    CLU_TERM_ATOM = 100,
    CLU_TERM_REFERENCE = 101,
    CLU_TERM_PORT = 102,
    CLU_TERM_PID = 103,
    CLU_TERM_SMALL_TUPLE = 104,
    CLU_TERM_LARGE_TUPLE = 105,
    CLU_TERM_NIL = 106,
    CLU_TERM_STRING = 107,
    CLU_TERM_LIST = 108,
    CLU_TERM_BINARY = 109,
    CLU_TERM_SMALL_BIG = 110,
    CLU_TERM_LARGE_BIG = 111,
    CLU_TERM_NEW_FUN = 112,
    CLU_TERM_EXPORT = 113,
    CLU_TERM_NEW_REFERENCE = 114,
    CLU_TERM_SMALL_ATOM = 115,
    CLU_TERM_MAP = 116,
    CLU_TERM_ATOM_UTF8 = 118,
    CLU_TERM_SMALL_ATOM_UTF8 = 119,
    CLU_TERM_V4_PORT = 120
};

/* An atom holds 255 characters, each of at most 4 bytes in UTF-8. */
#define CLU_ATOM_CHARACTERS 255
#define CLU_ATOM_MAX 1020

/* The tag that comes next, which stays; 0 at the end. */
CLU_FN uint8_t clu_term_tag(const struct clu_reader *r)
{
    return clu_left(r) ? *r->at : 0;
}

/* The next character, past which *p is set; CLU_NO_CHARACTER where the bytes are no UTF-8 (RFC 3629: nothing overlong, no
 * surrogates). *p is before end. */
#define CLU_NO_CHARACTER UINT32_MAX
CLU_CALLED uint32_t clu_utf8_next(const uint8_t **p, const uint8_t *end)
{
    /* A sequence of so many bytes has more bits than these; a byte that continues one begins none. */
    static const uint8_t least[] = {0, 31, 7, 11, 16};
    uint32_t value = *(*p)++;
    unsigned ones = 0, more;
    while (value << ones & 0x80)
        ones++;
    if (!ones)
        return value;
    if (ones > 4)
        return CLU_NO_CHARACTER;
    value &= 0x7fu >> ones;
    for (more = ones; more > 1; more--) {
        if (*p == end || (**p & 0xc0) != 0x80)
            return CLU_NO_CHARACTER;
        value = value << 6 | (*(*p)++ & 0x3f);
    }
    if (!(value >> least[ones]) || value > 0x10ffff || value >> 11 == 0xd800 >> 11)
        return CLU_NO_CHARACTER;
    return value;
}

/* The number of characters, or SIZE_MAX where the bytes are not UTF-8. */
CLU_FN size_t clu_utf8_count(const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    size_t count;
    for (count = 0; p < end; count++)
        if (*p < 0x80) /* most are, and this is done for each atom that comes */
            p++;
        else if (clu_utf8_next(&p, end) == CLU_NO_CHARACTER)
            return SIZE_MAX;
    return count;
}

/* An atom of any of the four tags. Returns its length in UTF-8, at most CLU_ATOM_MAX; out has its bytes as far as there is
 * room, without a NUL. */
CLU_FN size_t clu_term_atom(struct clu_reader *r, char *out, size_t room)
{
    static const uint8_t tags[] = {CLU_TERM_SMALL_ATOM_UTF8, CLU_TERM_ATOM_UTF8, CLU_TERM_SMALL_ATOM, CLU_TERM_ATOM};
    const uint8_t *tag = (const uint8_t *)memchr(tags, clu_read_u8(r), sizeof tags), *p = NULL;
    size_t size = 0, at = 0;
    bool latin1 = false;
    if (tag) {
        latin1 = tag >= tags + 2;
        size = (size_t)clu_read_be(r, 1 + (size_t)(tag - tags) % 2);
        p = clu_take(r, size);
    }
    if (!p || (latin1 ? size : clu_utf8_count(p, size)) > CLU_ATOM_CHARACTERS) {
        r->bad = true;
        return 0;
    }
    if (!latin1) {
        if (room)
            memcpy(out, p, size < room ? size : room);
        return size;
    }
    for (; size; size--) {
        uint8_t byte = *p++;
        if (byte >= 0x80) {
            if (at < room)
                out[at] = (char)(0xc0 | byte >> 6);
            at++;
            byte &= 0xbf;
        }
        if (at < room)
            out[at] = (char)byte;
        at++;
    }
    return at;
}

/* An integer of 0 to 2^64 - 1; others and other terms are bad. */
CLU_CALLED uint64_t clu_term_u64(struct clu_reader *r)
{
    uint8_t tag = clu_read_u8(r);
    uint64_t value = 0;
    bool negative = false;
    if (tag == CLU_TERM_SMALL_INTEGER) {
        value = clu_read_u8(r);
    } else if (tag == CLU_TERM_INTEGER) {
        value = clu_read_u32(r);
        negative = value >> 31 != 0;
    } else if (tag == CLU_TERM_SMALL_BIG || tag == CLU_TERM_LARGE_BIG) {
        size_t size = (size_t)clu_read_be(r, tag == CLU_TERM_SMALL_BIG ? 1 : 4);
        const uint8_t *p;
        negative = clu_read_u8(r) != 0;
        p = clu_take(r, size);
        while (p && size--) {
            if (value >> 56)
                r->bad = true;
            value = value << 8 | p[size];
        }
    } else {
        r->bad = true;
    }
    if (negative && value)
        r->bad = true;
    return r->bad ? 0 : value;
}

/* The bytes of a binary, in place; NULL if it is none. */
CLU_FN const uint8_t *clu_term_binary(struct clu_reader *r, size_t *size)
{
    const uint8_t *p;
    if (clu_read_u8(r) != CLU_TERM_BINARY)
        r->bad = true;
    *size = clu_read_u32(r);
    p = clu_take(r, *size);
    if (!p)
        *size = 0;
    return p;
}

/* How many pairs of a map follow. A map that could not be here whole, at one byte a term, is bad. */
CLU_FN uint32_t clu_term_map(struct clu_reader *r)
{
    uint32_t pairs;
    if (clu_read_u8(r) != CLU_TERM_MAP)
        r->bad = true;
    pairs = clu_read_u32(r);
    if (pairs > clu_left(r) / 2)
        r->bad = true;
    return r->bad ? 0 : pairs;
}

/* What follows a tag: `before` bytes, a count of `width` bytes, `atoms` atoms, `bytes` + count * `each` bytes, and `terms` +
 * count * `terms_each` terms. The commonest come first. Compressed terms are not here: they are refused. */
struct clu_term_shape {
    uint8_t tag, before, width, atoms, bytes, each, terms, terms_each;
};

CLU_CALLED const struct clu_term_shape *clu_term_shape_of(uint8_t tag)
{
    static const struct clu_term_shape shapes[] = {
        {CLU_TERM_SMALL_INTEGER, 0, 0, 0, 1, 0, 0, 0},
        {CLU_TERM_BINARY, 0, 4, 0, 0, 1, 0, 0},
        {CLU_TERM_SMALL_TUPLE, 0, 1, 0, 0, 0, 0, 1},
        {CLU_TERM_LIST, 0, 4, 0, 0, 0, 1, 1},
        {CLU_TERM_NIL, 0, 0, 0, 0, 0, 0, 0},
        {CLU_TERM_INTEGER, 0, 0, 0, 4, 0, 0, 0},
        {CLU_TERM_MAP, 0, 4, 0, 0, 0, 0, 2},
        {CLU_TERM_STRING, 0, 2, 0, 0, 1, 0, 0},
        {CLU_TERM_SMALL_BIG, 0, 1, 0, 1, 1, 0, 0},
        {CLU_TERM_LARGE_BIG, 0, 4, 0, 1, 1, 0, 0},
        {CLU_TERM_NEW_FLOAT, 0, 0, 0, 8, 0, 0, 0},
        {CLU_TERM_FLOAT, 0, 0, 0, 31, 0, 0, 0},
        {CLU_TERM_BIT_BINARY, 0, 4, 0, 1, 1, 0, 0},
        {CLU_TERM_LARGE_TUPLE, 0, 4, 0, 0, 0, 0, 1},
        {CLU_TERM_NEW_PID, 0, 0, 1, 12, 0, 0, 0},
        {CLU_TERM_PID, 0, 0, 1, 9, 0, 0, 0},
        {CLU_TERM_NEWER_REFERENCE, 0, 2, 1, 4, 4, 0, 0},
        {CLU_TERM_NEW_REFERENCE, 0, 2, 1, 1, 4, 0, 0},
        {CLU_TERM_REFERENCE, 0, 0, 1, 5, 0, 0, 0},
        {CLU_TERM_V4_PORT, 0, 0, 1, 12, 0, 0, 0},
        {CLU_TERM_NEW_PORT, 0, 0, 1, 8, 0, 0, 0},
        {CLU_TERM_PORT, 0, 0, 1, 5, 0, 0, 0},
        {CLU_TERM_EXPORT, 0, 0, 2, 0, 0, 1, 0},
        /* size:32 arity:8 uniq:128 index:32, count:32 of free variables, module, index, uniq, pid */
        {CLU_TERM_NEW_FUN, 25, 4, 1, 0, 0, 3, 1},
    };
    size_t i;
    for (i = 0; i < CLU_COUNT(shapes); i++)
        if (shapes[i].tag == tag)
            return &shapes[i];
    return NULL;
}

/* Past one term, whatever it is. Terms still to come are only counted, so depth costs nothing; since each takes a byte at
 * least, no more of them can be announced than bytes are left. */
CLU_FN bool clu_term_skip(struct clu_reader *r)
{
    uint64_t pending = 1;
    while (pending && !r->bad) {
        const struct clu_term_shape *shape = clu_term_shape_of(clu_term_tag(r));
        const uint8_t *p;
        uint64_t count;
        unsigned atoms;
        pending--;
        if (!shape) {
            (void)clu_term_atom(r, NULL, 0);
            continue;
        }
        if (!clu_take(r, 1u + shape->before))
            break;
        count = clu_read_be(r, shape->width);
        for (atoms = shape->atoms; atoms; atoms--)
            (void)clu_term_atom(r, NULL, 0);
        p = clu_take(r, (size_t)clu_min_u64(shape->bytes + count * shape->each, SIZE_MAX));
        if (!p)
            break;
        /* A bit string says how many bits of its last byte count, 0 only if it is empty. */
        if (shape->tag == CLU_TERM_BIT_BINARY && (*p > 8 || (*p == 0) != (count == 0)))
            r->bad = true;
        pending += shape->terms + count * shape->terms_each;
        if (pending > clu_left(r))
            r->bad = true;
    }
    return !r->bad;
}

/* An atom of at most 255 bytes of UTF-8, in the form that OTP 26 and later write and every node since OTP 20 reads. */
CLU_FN void clu_term_write_atom(struct clu_writer *w, const char *text, size_t length)
{
    if (length > CLU_ATOM_CHARACTERS || clu_utf8_count((const uint8_t *)text, length) == SIZE_MAX)
        w->bad = true;
    clu_write_be(w, CLU_TERM_SMALL_ATOM_UTF8 << 8 | length, 2);
    clu_write(w, text, length);
}

/* Before the bytes of a binary. */
CLU_FN void clu_term_write_binary_size(struct clu_writer *w, uint32_t size)
{
    clu_write_be(w, (uint64_t)CLU_TERM_BINARY << 32 | size, 5);
}

CLU_FN void clu_term_write_binary(struct clu_writer *w, const void *data, uint32_t size)
{
    clu_term_write_binary_size(w, size);
    clu_write(w, data, size);
}

/* In the one form that nodes write: the shortest. */
CLU_FN void clu_term_write_integer(struct clu_writer *w, uint64_t magnitude, bool negative)
{
    if (magnitude < 256 && !negative) {
        clu_write_be(w, CLU_TERM_SMALL_INTEGER << 8 | magnitude, 2);
    } else if (magnitude <= (uint64_t)INT32_MAX + negative) {
        clu_write_be(w, (uint64_t)CLU_TERM_INTEGER << 32 | (uint32_t)(negative ? 0 - magnitude : magnitude), 5);
    } else {
        unsigned digits = magnitude >> 32 ? 5 : 4;
        while (digits < 8 && magnitude >> 8 * digits)
            digits++;
        clu_write_be(w, CLU_TERM_SMALL_BIG << 16 | digits << 8 | negative, 3);
        for (; digits; digits--, magnitude >>= 8)
            clu_write_be(w, magnitude, 1);
    }
}

#endif
