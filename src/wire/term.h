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

/* The number of characters, or SIZE_MAX where the bytes are not UTF-8 (RFC 3629: nothing overlong, no surrogates). */
CLU_FN size_t clu_utf8_count(const uint8_t *p, size_t size)
{
    size_t count = 0, i = 0;
    while (i < size) {
        uint32_t value = p[i++], least = 0;
        unsigned more = 0;
        if (value >= 0xf0 && value < 0xf8) {
            more = 3;
            least = 0x10000;
        } else if (value >= 0xe0 && value < 0xf0) {
            more = 2;
            least = 0x800;
        } else if (value >= 0xc0 && value < 0xe0) {
            more = 1;
            least = 0x80;
        } else if (value >= 0x80) {
            return SIZE_MAX;
        }
        if (more > size - i)
            return SIZE_MAX;
        value &= 0xffu >> (more ? more + 2 : 0);
        for (; more; more--, i++) {
            if ((p[i] & 0xc0) != 0x80)
                return SIZE_MAX;
            value = value << 6 | (p[i] & 0x3f);
        }
        if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return SIZE_MAX;
        count++;
    }
    return count;
}

/* An atom of any of the four tags. Returns its length in UTF-8, at most CLU_ATOM_MAX; if there is room for it, out has its
 * bytes, without a NUL. */
CLU_FN size_t clu_term_atom(struct clu_reader *r, char *out, size_t room)
{
    uint8_t tag = clu_read_u8(r);
    bool latin1 = tag == CLU_TERM_ATOM || tag == CLU_TERM_SMALL_ATOM;
    size_t size = 0, length, i, at = 0;
    const uint8_t *p;
    if (tag == CLU_TERM_ATOM || tag == CLU_TERM_ATOM_UTF8)
        size = clu_read_u16(r);
    else if (tag == CLU_TERM_SMALL_ATOM || tag == CLU_TERM_SMALL_ATOM_UTF8)
        size = clu_read_u8(r);
    else
        r->bad = true;
    p = clu_take(r, size);
    if (!p)
        return 0;
    length = latin1 ? size : clu_utf8_count(p, size);
    if (length > CLU_ATOM_CHARACTERS) {
        r->bad = true;
        return 0;
    }
    length = size;
    for (i = 0; latin1 && i < size; i++)
        length += p[i] >> 7;
    if (length > room)
        return length;
    for (i = 0; i < size; i++) {
        if (latin1 && p[i] >= 0x80) {
            out[at++] = (char)(0xc0 | p[i] >> 6);
            out[at++] = (char)(0x80 | (p[i] & 0x3f));
        } else {
            out[at++] = (char)p[i];
        }
    }
    return length;
}

/* An integer whose magnitude fits in 64 bits; others and other terms are bad. */
CLU_FN uint64_t clu_term_integer(struct clu_reader *r, bool *negative)
{
    uint8_t tag = clu_read_u8(r);
    uint64_t value = 0;
    size_t size, i;
    const uint8_t *p;
    *negative = false;
    if (tag == CLU_TERM_SMALL_INTEGER)
        return clu_read_u8(r);
    if (tag == CLU_TERM_INTEGER) {
        value = clu_read_u32(r);
        *negative = value >> 31 != 0;
        return *negative ? (UINT64_C(1) << 32) - value : value;
    }
    if (tag != CLU_TERM_SMALL_BIG && tag != CLU_TERM_LARGE_BIG) {
        r->bad = true;
        return 0;
    }
    size = (size_t)clu_read_be(r, tag == CLU_TERM_SMALL_BIG ? 1 : 4);
    *negative = clu_read_u8(r) != 0;
    p = clu_take(r, size);
    for (i = 0; p && i < size; i++) {
        if (i < 8)
            value |= (uint64_t)p[i] << 8 * i;
        else if (p[i])
            r->bad = true;
    }
    if (!value)
        *negative = false;
    return r->bad ? 0 : value;
}

CLU_FN uint64_t clu_term_u64(struct clu_reader *r)
{
    bool negative;
    uint64_t value = clu_term_integer(r, &negative);
    if (negative)
        r->bad = true;
    return r->bad ? 0 : value;
}

CLU_FN int64_t clu_term_i64(struct clu_reader *r)
{
    bool negative;
    uint64_t value = clu_term_integer(r, &negative);
    if (value > (uint64_t)INT64_MAX + negative)
        r->bad = true;
    if (r->bad || !value)
        return 0;
    return negative ? -(int64_t)(value - 1) - 1 : (int64_t)value;
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

CLU_FN const struct clu_term_shape *clu_term_shape_of(uint8_t tag)
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
        uint64_t count, bytes;
        unsigned atoms;
        pending--;
        if (!shape) {
            (void)clu_term_atom(r, NULL, 0);
            continue;
        }
        (void)clu_take(r, 1u + shape->before);
        count = clu_read_be(r, shape->width);
        for (atoms = shape->atoms; atoms; atoms--)
            (void)clu_term_atom(r, NULL, 0);
        bytes = shape->bytes + count * shape->each;
        pending += shape->terms + count * shape->terms_each;
        if (bytes > clu_left(r)) {
            r->bad = true;
            break;
        }
        /* A bit string says how many bits of its last byte count, 0 only if it is empty. */
        if (shape->tag == CLU_TERM_BIT_BINARY && (*r->at > 8 || (*r->at == 0) != (count == 0)))
            r->bad = true;
        (void)clu_take(r, (size_t)bytes);
        if (pending > clu_left(r))
            r->bad = true;
    }
    return !r->bad;
}

/* An atom from UTF-8, in the form that OTP 26 and later write and every node since OTP 20 reads. */
CLU_FN void clu_term_write_atom(struct clu_writer *w, const char *text, size_t length)
{
    size_t count = clu_utf8_count((const uint8_t *)text, length);
    if (count > CLU_ATOM_CHARACTERS) {
        w->bad = true;
        return;
    }
    clu_write_be(w, length < 256 ? CLU_TERM_SMALL_ATOM_UTF8 : CLU_TERM_ATOM_UTF8, 1);
    clu_write_be(w, length, length < 256 ? 1 : 2);
    clu_write(w, text, length);
}

CLU_FN void clu_term_write_binary(struct clu_writer *w, const void *data, size_t size)
{
    if (size >> 16 >> 16) {
        w->bad = true;
        return;
    }
    clu_write_be(w, CLU_TERM_BINARY, 1);
    clu_write_be(w, size, 4);
    clu_write(w, data, size);
}

CLU_FN void clu_term_write_map(struct clu_writer *w, uint32_t pairs)
{
    clu_write_be(w, CLU_TERM_MAP, 1);
    clu_write_be(w, pairs, 4);
}

/* In the one form that nodes write: the shortest. */
CLU_FN void clu_term_write_integer(struct clu_writer *w, uint64_t magnitude, bool negative)
{
    if (magnitude < 256 && (!negative || !magnitude)) {
        clu_write_be(w, CLU_TERM_SMALL_INTEGER, 1);
        clu_write_be(w, magnitude, 1);
    } else if (magnitude <= (uint64_t)INT32_MAX + negative) {
        clu_write_be(w, CLU_TERM_INTEGER, 1);
        clu_write_be(w, negative ? 0 - magnitude : magnitude, 4);
    } else {
        uint64_t rest;
        unsigned digits = 0;
        for (rest = magnitude; rest; rest >>= 8)
            digits++;
        clu_write_be(w, CLU_TERM_SMALL_BIG, 1);
        clu_write_be(w, digits, 1);
        clu_write_be(w, negative, 1);
        for (rest = magnitude; rest; rest >>= 8)
            clu_write_be(w, rest, 1);
    }
}

CLU_FN void clu_term_write_u64(struct clu_writer *w, uint64_t value)
{
    clu_term_write_integer(w, value, false);
}

CLU_FN void clu_term_write_i64(struct clu_writer *w, int64_t value)
{
    clu_term_write_integer(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

#endif
