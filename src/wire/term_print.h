/*
 * Terms of the external format as text in Erlang's syntax, in the form that io_lib's ~0tp gives them where Erlang has one.
 * Reads what term_parse.h reads: what it prints reads back as the same term. One pass without recursion, with a bounded stack
 * of the containers that are open. Never allocates; what does not fit is counted.
 */
#ifndef CLU_WIRE_TERM_PRINT_H
#define CLU_WIRE_TERM_PRINT_H

#include "term_parse.h"

struct clu_print_level {
    uint64_t left; /* terms still to come in it, but for a list's tail */
    bool begun;    /* a term is printed already */
    bool tail;     /* what is printed now is a list's tail */
    uint8_t tag;
};

struct clu_term_printer {
    struct clu_sink w;
    struct clu_reader r;
    unsigned depth;
    struct clu_print_level levels[CLUSTER_TERM_DEPTH];
};

CLU_CALLED void clu_print_text(struct clu_term_printer *p, const char *text)
{
    clu_sink_put(&p->w, text, strlen(text));
}

CLU_CALLED void clu_print_number(struct clu_term_printer *p, uint64_t value)
{
    char digits[24];
    struct clu_text t = clu_text_on(digits, sizeof digits);
    clu_text_u64(&t, value);
    clu_print_text(p, digits);
}

CLU_CALLED void clu_print_hex(struct clu_term_printer *p, uint8_t byte)
{
    char digits[3];
    struct clu_text t = clu_text_on(digits, sizeof digits);
    clu_text_hex(&t, byte);
    clu_print_text(p, digits);
}

/* ---- characters, atoms and strings ---- */

/* May it stand in a string? Else the list or the binary is printed as numbers. */
CLU_CALLED bool clu_print_readable(uint32_t c)
{
    return (c >= ' ' && c <= '~') || (c >= '\b' && c <= '\r') || c == 033 || (c >= 0xa0 && c < 0xd800) ||
           (c >= 0xe000 && c < 0xfffe) || (c > 0xffff && c < 0x110000);
}

CLU_CALLED void clu_print_character(struct clu_term_printer *p, uint32_t c, char quote)
{
    static const char letters[] = CLU_TERM_ESCAPES, stand_for[] = CLU_TERM_ESCAPED;
    const char *escape = c < 0x80 && c != ' ' ? (const char *)memchr(stand_for, (int)c, sizeof stand_for - 1) : NULL;
    uint8_t bytes[4];
    if (escape || c == (uint8_t)quote || c == '\\') {
        bytes[0] = '\\';
        bytes[1] = escape ? (uint8_t)letters[escape - stand_for] : (uint8_t)c;
        clu_sink_put(&p->w, bytes, 2);
    } else if (c < ' ' || (c >= 0x80 && c < 0xa0)) { /* in base 8 */
        bytes[0] = '\\';
        bytes[1] = (uint8_t)('0' + (c >> 6));
        bytes[2] = (uint8_t)('0' + (c >> 3 & 7));
        bytes[3] = (uint8_t)('0' + (c & 7));
        clu_sink_put(&p->w, bytes, 4);
    } else {
        clu_sink_put(&p->w, bytes, clu_utf8_write(bytes, c));
    }
}

CLU_CALLED void clu_print_atom(struct clu_term_printer *p)
{
    char text[CLU_ATOM_MAX];
    size_t length = clu_term_atom(&p->r, text, sizeof text);
    const uint8_t *at = (const uint8_t *)text, *end = at + length;
    bool plain = length && clu_term_reserved(text, length) < 0 && clu_term_lower(clu_utf8_next(&at, end));
    while (plain && at < end)
        plain = clu_term_name_character(clu_utf8_next(&at, end));
    clu_print_text(p, plain ? "" : "'");
    for (at = (const uint8_t *)text; at < end;)
        clu_print_character(p, clu_utf8_next(&at, end), '\'');
    clu_print_text(p, plain ? "" : "'");
}

/* The binary is a text; *utf8: not of ASCII alone. */
CLU_FN bool clu_print_is_text(const uint8_t *at, size_t size, bool *utf8)
{
    const uint8_t *end = at + size;
    *utf8 = false;
    while (at < end) {
        uint32_t c = clu_utf8_next(&at, end);
        if (!clu_print_readable(c))
            return false;
        *utf8 = *utf8 || c >= 0x80;
    }
    return true;
}

CLU_FN void clu_print_binary(struct clu_term_printer *p, const uint8_t *at, size_t size, unsigned bits)
{
    const uint8_t *end = at + size;
    bool utf8;
    clu_print_text(p, "<<");
    if (size && bits == 8 && clu_print_is_text(at, size, &utf8)) {
        clu_print_text(p, "\"");
        while (at < end)
            clu_print_character(p, clu_utf8_next(&at, end), '"');
        clu_print_text(p, utf8 ? "\"/utf8" : "\"");
    } else {
        for (; at < end; at++) {
            bool last = at + 1 == end;
            clu_print_number(p, (uint64_t)*at >> (last ? 8 - bits : 0));
            clu_print_text(p, last ? "" : ",");
        }
        if (bits < 8) {
            clu_print_text(p, ":");
            clu_print_number(p, bits);
        }
    }
    clu_print_text(p, ">>");
}

/* ---- numbers ---- */

/* In base 10 as far as that can be read back, then in base 16. */
CLU_FN void clu_print_big(struct clu_term_printer *p, const uint8_t *bytes, size_t size, bool negative)
{
    char digits[CLU_BIG_WORDS * 10]; /* of 32 bits, less than 9.64 each */
    size_t at = sizeof digits, i;
    struct clu_big n;
    while (size && !bytes[size - 1])
        size--;
    clu_print_text(p, negative && size ? "-" : "");
    if (size > sizeof n.word) {
        clu_print_text(p, "16#");
        while (size--)
            clu_print_hex(p, bytes[size]);
        return;
    }
    memset(n.word, 0, sizeof n.word);
    for (i = 0; i < size; i++)
        n.word[i / 4] |= (uint32_t)bytes[i] << 8 * (i % 4);
    n.count = CLU_BIG_WORDS;
    clu_big_trim(&n);
    do {
        uint32_t nine = clu_big_divide(&n, 1000000000);
        for (i = 0; i < 9 && (n.count || nine || !i); i++, nine /= 10)
            digits[--at] = (char)('0' + nine % 10);
    } while (n.count);
    clu_sink_put(&p->w, digits + at, sizeof digits - at);
}

CLU_CALLED void clu_print_zeros(struct clu_term_printer *p, int count)
{
    while (count-- > 0)
        clu_print_text(p, "0");
}

/* The shortest digits that read back as it, without an exponent where that is as short and each digit counts. */
CLU_FN void clu_print_float(struct clu_term_printer *p, uint64_t bits)
{
    const uint64_t magnitude = bits & ~(UINT64_C(1) << 63);
    char digits[CLU_DOUBLE_DIGITS] = "0";
    int count = 1, place = 1, power, whole;
    unsigned cost;
    double value;
    if (magnitude >> 52 == 0x7ff) /* no number */
        p->r.bad = true;
    memcpy(&value, &magnitude, sizeof value);
    clu_print_text(p, bits >> 63 ? "-" : "");
    if (magnitude && !p->r.bad)
        count = (int)clu_double_digits(value, digits, &place);
    power = place - 1;
    cost = 3u + (count == 1) + (power < 0) + (power >= 10 || power <= -10) + (power >= 100 || power <= -100);
    /* With an exponent when that is shorter, and for integers from 2^53 on, which have gaps. */
    if ((place < 0 && (unsigned)(2 - place) > cost) ||
        (place >= count && ((unsigned)(place - count + 2) > cost || value >= 9007199254740992.0)))
        place = 1;
    else
        power = 0;
    clu_print_zeros(p, place <= 0);
    whole = place < 0 ? 0 : place < count ? place : count;
    clu_sink_put(&p->w, digits, (size_t)whole);
    clu_print_zeros(p, place - count);
    clu_print_text(p, ".");
    clu_print_zeros(p, -place);
    clu_sink_put(&p->w, digits + whole, (size_t)(count - whole));
    clu_print_zeros(p, whole == count);
    if (power) {
        clu_print_text(p, power < 0 ? "e-" : "e");
        clu_print_number(p, (uint64_t)(power < 0 ? -power : power));
    }
}

/* ---- what has no syntax ---- */

CLU_CALLED void clu_print_part(struct clu_term_printer *p, size_t width)
{
    clu_print_text(p, ".");
    clu_print_number(p, clu_read_be(&p->r, width));
}

/* Pids, ports and references of all versions: how wide their numbers are. Of all other tags none is left that is a term. */
CLU_FN void clu_print_opaque(struct clu_term_printer *p, uint8_t tag)
{
    static const struct {
        uint8_t tag, kind, widths[3];
    } forms[] = {
        {CLU_TERM_NEW_PID, CLU_OPAQUE_PID, {4, 4, 4}},
        {CLU_TERM_PID, CLU_OPAQUE_PID, {4, 4, 1}},
        {CLU_TERM_NEW_PORT, CLU_OPAQUE_PORT, {4, 4, 0}},
        {CLU_TERM_V4_PORT, CLU_OPAQUE_PORT, {8, 4, 0}},
        {CLU_TERM_PORT, CLU_OPAQUE_PORT, {4, 1, 0}},
        {CLU_TERM_NEWER_REFERENCE, CLU_OPAQUE_REFERENCE, {4, 0, 0}},
        {CLU_TERM_NEW_REFERENCE, CLU_OPAQUE_REFERENCE, {1, 0, 0}},
    };
    unsigned form, i, words = 0;
    for (form = 0; form < CLU_COUNT(forms); form++) {
        if (forms[form].tag != tag)
            continue;
        clu_print_text(p, clu_term_opaque(forms[form].kind));
        if (forms[form].kind == CLU_OPAQUE_REFERENCE) {
            words = clu_read_u16(&p->r);
            if (words < 1 || words > 5)
                break;
        }
        clu_print_atom(p);
        for (i = 0; i < 3 && forms[form].widths[i]; i++)
            clu_print_part(p, forms[form].widths[i]);
        while (words--)
            clu_print_part(p, 4);
        clu_print_text(p, ">");
        return;
    }
    p->r.bad = true;
}

/* A container begins. */
CLU_CALLED void clu_print_open(struct clu_term_printer *p, uint8_t tag, const char *text, uint64_t left)
{
    struct clu_print_level *level = &p->levels[p->depth];
    if (p->depth == CLUSTER_TERM_DEPTH) {
        p->r.bad = true;
        return;
    }
    p->depth++;
    level->left = left;
    level->begun = tag == CLU_TERM_NEW_FUN; /* with its module */
    level->tail = false;
    level->tag = tag;
    clu_print_text(p, text);
}

/* A function of a module, or the head of a closure, whose other terms follow as those of a tuple. */
CLU_FN void clu_print_fun(struct clu_term_printer *p, bool closure)
{
    unsigned i;
    uint64_t count;
    if (!closure) {
        for (i = 0; i < 2; i++) {
            clu_print_text(p, i ? ":" : "fun ");
            clu_print_atom(p);
        }
        clu_print_text(p, "/");
        if (clu_read_u8(&p->r) != CLU_TERM_SMALL_INTEGER)
            p->r.bad = true;
        clu_print_number(p, clu_read_u8(&p->r));
        return;
    }
    (void)clu_read_u32(&p->r); /* its size, which its parts have as well */
    clu_print_text(p, clu_term_opaque(CLU_OPAQUE_FUN));
    for (i = 0; i < CLU_FUN_BYTES; i++)
        clu_print_hex(p, clu_read_u8(&p->r));
    count = clu_read_u32(&p->r) + UINT64_C(3);
    clu_print_text(p, ",");
    clu_print_atom(p);
    clu_print_open(p, CLU_TERM_NEW_FUN, "", count);
}

/* ---- the rest ---- */

/* The characters that follow, which are bytes or the terms of a list, as a string. False: they are none, and nothing was
 * printed or read. */
CLU_FN bool clu_print_string(struct clu_term_printer *p, uint32_t count, bool bytes)
{
    struct clu_reader r;
    bool sure = false;
    uint32_t i;
    if (p->depth == CLUSTER_TERM_DEPTH) { /* a string is a list, and reads as one */
        p->r.bad = true;
        return true;
    }
    for (;; sure = true) {
        r = p->r;
        for (i = 0; i < count; i++) {
            uint64_t c = bytes ? clu_read_u8(&r) : clu_term_u64(&r);
            if (r.bad || c > 0x10ffff || !clu_print_readable((uint32_t)c))
                return false;
            if (sure)
                clu_print_character(p, (uint32_t)c, '"');
        }
        if (!bytes && clu_read_u8(&r) != CLU_TERM_NIL)
            return false;
        clu_print_text(p, "\"");
        if (sure)
            break;
    }
    p->r = r;
    return true;
}

/* The beginning of a term: all of it, if it is no container. */
CLU_FN void clu_print_term(struct clu_term_printer *p)
{
    struct clu_reader *r = &p->r, one;
    char text[32];
    uint8_t bytes[10] = {0}, tag;
    const uint8_t *at;
    uint32_t count;
    unsigned bits;
    size_t size;
    while ((tag = clu_term_tag(r)) == CLU_TERM_LIST) {
        (void)clu_read_u8(r);
        count = clu_read_u32(r);
        if (count && !clu_print_string(p, count, false))
            clu_print_open(p, tag, "[", count);
        if (count)
            return;
        /* A list of nothing is its tail. */
    }
    if (tag == CLU_TERM_ATOM || tag == CLU_TERM_SMALL_ATOM || tag == CLU_TERM_ATOM_UTF8 || tag == CLU_TERM_SMALL_ATOM_UTF8) {
        clu_print_atom(p);
        return;
    }
    (void)clu_read_u8(r);
    switch (tag) {
    case CLU_TERM_SMALL_INTEGER:
        clu_print_number(p, clu_read_u8(r));
        break;
    case CLU_TERM_INTEGER:
        count = clu_read_u32(r);
        clu_print_text(p, count >> 31 ? "-" : "");
        clu_print_number(p, count >> 31 ? 0 - count : count);
        break;
    case CLU_TERM_SMALL_BIG:
    case CLU_TERM_LARGE_BIG:
        size = (size_t)clu_read_be(r, tag == CLU_TERM_SMALL_BIG ? 1 : 4);
        bits = clu_read_u8(r);
        at = clu_take(r, size);
        if (at)
            clu_print_big(p, at, size, bits != 0);
        break;
    case CLU_TERM_NEW_FLOAT:
        clu_print_float(p, clu_read_be(r, 8));
        break;
    case CLU_TERM_FLOAT: /* a text, of more digits than need be */
        at = clu_take(r, sizeof text - 1);
        if (!at)
            break;
        memcpy(text, at, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        if (cluster_term_parse(text, bytes, sizeof bytes, &size) < 0 || bytes[1] != CLU_TERM_NEW_FLOAT) {
            r->bad = true;
            break;
        }
        one = clu_reader_of(bytes + 2, 8);
        clu_print_float(p, clu_read_be(&one, 8));
        break;
    case CLU_TERM_BINARY:
    case CLU_TERM_BIT_BINARY:
        size = clu_read_u32(r);
        bits = tag == CLU_TERM_BINARY ? 8 : clu_read_u8(r);
        at = clu_take(r, size);
        if (bits > 8 || (tag == CLU_TERM_BIT_BINARY && (bits == 0) != (size == 0)))
            r->bad = true;
        else if (at)
            clu_print_binary(p, at, size, size ? bits : 8);
        break;
    case CLU_TERM_STRING:
        count = clu_read_u16(r);
        if (clu_print_string(p, count, true))
            break;
        clu_print_text(p, "[");
        for (bits = 0; bits < count; bits++) {
            clu_print_text(p, bits ? "," : "");
            clu_print_number(p, clu_read_u8(r));
        }
        clu_print_text(p, "]");
        break;
    case CLU_TERM_NIL:
        clu_print_open(p, tag, "[", 0);
        break;
    case CLU_TERM_SMALL_TUPLE:
    case CLU_TERM_LARGE_TUPLE:
        clu_print_open(p, tag, "{", clu_read_be(r, tag == CLU_TERM_SMALL_TUPLE ? 1 : 4));
        break;
    case CLU_TERM_MAP:
        clu_print_open(p, tag, "#{", clu_read_u32(r) * UINT64_C(2));
        break;
    case CLU_TERM_EXPORT:
    case CLU_TERM_NEW_FUN:
        clu_print_fun(p, tag == CLU_TERM_NEW_FUN);
        break;
    default:
        clu_print_opaque(p, tag);
        break;
    }
}

/* What comes after a term: true where that is another one. */
CLU_FN bool clu_print_after(struct clu_term_printer *p)
{
    while (p->depth && !p->r.bad) {
        struct clu_print_level *level = &p->levels[p->depth - 1];
        if (!level->left && level->tag == CLU_TERM_LIST && !level->tail) {
            uint8_t next = clu_term_tag(&p->r);
            if (next == CLU_TERM_LIST) { /* more of it */
                (void)clu_read_u8(&p->r);
                level->left = clu_read_u32(&p->r);
                continue;
            }
            level->tail = true;
            if (next != CLU_TERM_NIL) {
                clu_print_text(p, "|");
                return true;
            }
            (void)clu_read_u8(&p->r);
        }
        if (level->left) {
            if (level->begun)
                clu_print_text(p, level->tag == CLU_TERM_MAP && level->left % 2 ? " => " : ",");
            level->begun = true;
            level->left--;
            return true;
        }
        clu_print_text(p, level->tag == CLU_TERM_LIST || level->tag == CLU_TERM_NIL ? "]"
                          : level->tag == CLU_TERM_NEW_FUN                          ? ">"
                                                                                    : "}");
        p->depth--;
    }
    return false;
}

CLUSTER_DEF size_t cluster_term_print(const void *term, size_t size, char *out, size_t capacity)
{
    struct clu_term_printer p;
    memset(&p, 0, offsetof(struct clu_term_printer, levels));
    p.r = clu_reader_of(term, size);
    p.w.data = (uint8_t *)out;
    p.w.capacity = out && capacity ? capacity - 1 : 0;
    if (clu_read_u8(&p.r) != CLU_TERM_VERSION)
        p.r.bad = true;
    while (!p.r.bad) {
        clu_print_term(&p);
        if (!clu_print_after(&p))
            break;
    }
    if (p.r.bad || clu_left(&p.r))
        p.w.size = 0;
    if (out && capacity)
        out[p.w.size < capacity ? p.w.size : capacity - 1] = '\0';
    return p.w.size;
}

#endif
