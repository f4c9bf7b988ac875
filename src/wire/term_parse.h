/*
 * Erlang's term syntax read into the external format: what erl_parse:parse_term reads, and pids, ports, references and funs in
 * the form that term_print.h gives them. One pass without recursion, with a bounded stack of the containers that are open.
 * Never allocates; what does not fit is counted.
 */
#ifndef CLU_WIRE_TERM_PARSE_H
#define CLU_WIRE_TERM_PARSE_H

#include "../base/decimal.h"
#include "term_text.h"

/* A container that is open. A list stays a string of bytes, as nodes write it, until something else comes. */
enum { CLU_LIST_ITEMS, CLU_LIST_TAIL, CLU_LIST_DONE }; /* after `|` comes the tail, after it the end */
struct clu_term_level {
    uint32_t start;   /* where its bytes begin */
    uint32_t count;   /* terms in it so far */
    uint32_t closers; /* lists that were a tail and are part of it: [a|[b]] is [a,b] */
    uint8_t tag;
    uint8_t state; /* of a list */
    bool plain;    /* of a list: a string so far */
    bool improper; /* its tail is written */
};

struct clu_term_parser {
    struct clu_sink w;
    const uint8_t *at, *end;
    const char *why; /* what is wrong at `at`; NULL: nothing */
    int error;
    unsigned depth;
    size_t length; /* of the atom below */
    char atom[CLU_ATOM_MAX];
    struct clu_term_level levels[CLUSTER_TERM_DEPTH];
};

CLU_CALLED bool clu_parse_refuse(struct clu_term_parser *p, const char *why)
{
    if (!p->why) {
        p->why = why;
        p->error = CLUSTER_E_INVALID;
    }
    return false;
}

CLU_CALLED bool clu_parse_exceeds(struct clu_term_parser *p, const char *why)
{
    (void)clu_parse_refuse(p, why);
    p->error = CLUSTER_E_LIMIT;
    return false;
}

/* The byte after blanks and comments; 0: the end. */
CLU_CALLED uint8_t clu_parse_white(struct clu_term_parser *p)
{
    for (; *p->at && (*p->at <= ' ' || *p->at == '%'); p->at++)
        if (*p->at == '%')
            while (p->at[1] && p->at[1] != '\n')
                p->at++;
    return *p->at;
}

/* Take this text, or leave all as it is. */
CLU_CALLED bool clu_parse_match(struct clu_term_parser *p, const char *text)
{
    size_t length = strlen(text);
    if (strncmp((const char *)p->at, text, length) != 0)
        return false;
    p->at += length;
    return true;
}

CLU_CALLED bool clu_parse_expect(struct clu_term_parser *p, const char *text, const char *why)
{
    (void)clu_parse_white(p);
    return clu_parse_match(p, text) || clu_parse_refuse(p, why);
}

/* ---- what is made ---- */

/* Over bytes that are there already, as far as they fitted. */
CLU_CALLED void clu_parse_patch(struct clu_term_parser *p, size_t at, uint64_t value, size_t width)
{
    if (at + width <= p->w.capacity)
        clu_put_be(p->w.data + at, value, width);
}

/* Room for `more` bytes between others. */
CLU_CALLED void clu_parse_insert(struct clu_term_parser *p, size_t at, size_t more)
{
    if (p->w.size + more <= p->w.capacity)
        memmove(p->w.data + at + more, p->w.data + at, p->w.size - at);
    p->w.size += more;
}

/* The list that a term which comes now is in, or NULL. */
CLU_FN struct clu_term_level *clu_parse_list(struct clu_term_parser *p)
{
    return p->depth && p->levels[p->depth - 1].tag == CLU_TERM_LIST ? &p->levels[p->depth - 1] : NULL;
}

/* A term comes that is no byte of a string. */
CLU_CALLED void clu_parse_enter(struct clu_term_parser *p)
{
    struct clu_term_level *list = clu_parse_list(p);
    if (list && list->plain) {
        size_t n = list->count, start = list->start, size = start + 5 + 2 * n;
        list->plain = false;
        p->w.size = size;
        while (size <= p->w.capacity && n--) {
            p->w.data[start + 6 + 2 * n] = p->w.data[start + 3 + n];
            p->w.data[start + 5 + 2 * n] = CLU_TERM_SMALL_INTEGER;
        }
    }
    if (list && list->state == CLU_LIST_TAIL) {
        list->state = CLU_LIST_DONE;
        list->improper = true;
    } else if (p->depth) {
        p->levels[p->depth - 1].count++;
    }
}

CLU_CALLED void clu_parse_integer(struct clu_term_parser *p, uint64_t magnitude, bool negative)
{
    struct clu_term_level *list = clu_parse_list(p);
    uint8_t bytes[11];
    struct clu_writer w = clu_writer_on(bytes, sizeof bytes);
    if (list && list->plain && list->state == CLU_LIST_ITEMS && magnitude < 256 && !negative && list->count < 65535) {
        clu_sink_be(&p->w, (uint64_t)CLU_TERM_STRING << 24 | magnitude, list->count++ ? 1 : 4);
        return;
    }
    clu_parse_enter(p);
    clu_term_write_integer(&w, magnitude, negative);
    clu_sink_put(&p->w, bytes, clu_written(&w));
}

CLU_CALLED void clu_parse_put_atom(struct clu_term_parser *p)
{
    unsigned wide = p->length > 255;
    clu_sink_be(&p->w, wide ? CLU_TERM_ATOM_UTF8 : CLU_TERM_SMALL_ATOM_UTF8, 1);
    clu_sink_be(&p->w, p->length, 1 + wide);
    clu_sink_put(&p->w, p->atom, p->length);
}

CLU_CALLED bool clu_parse_open(struct clu_term_parser *p, uint8_t tag)
{
    static const struct clu_term_level none = {0, 0, 0, 0, 0, false, false};
    struct clu_term_level *level = &p->levels[p->depth];
    clu_parse_enter(p);
    if (p->depth == CLUSTER_TERM_DEPTH)
        return clu_parse_exceeds(p, "the term is nested deeper than 128 containers");
    p->depth++;
    *level = none;
    level->tag = tag;
    level->plain = tag == CLU_TERM_LIST;
    level->start = (uint32_t)p->w.size;
    if (tag == CLU_TERM_SMALL_TUPLE)
        clu_sink_be(&p->w, (uint64_t)tag << 8, 2);
    else if (tag == CLU_TERM_MAP)
        clu_sink_be(&p->w, (uint64_t)tag << 32, 5);
    return true;
}

CLU_CALLED void clu_parse_close(struct clu_term_parser *p)
{
    const struct clu_term_level *level = &p->levels[--p->depth];
    size_t start = level->start;
    uint64_t head = level->tag;
    if (level->tag == CLU_TERM_SMALL_TUPLE) {
        if (level->count < 256) {
            clu_parse_patch(p, start + 1, level->count, 1);
            return;
        }
        clu_parse_insert(p, start + 2, 3);
        head = CLU_TERM_LARGE_TUPLE;
    } else if (level->tag == CLU_TERM_LIST) {
        if (level->plain && level->count) {
            clu_parse_patch(p, start + 1, level->count, 2);
            return;
        }
        if (!level->improper)
            clu_sink_be(&p->w, CLU_TERM_NIL, 1);
        if (level->plain)
            return;
    } else if (level->tag == CLU_TERM_NEW_FUN) {
        clu_parse_patch(p, start + 5 + CLU_FUN_BYTES, level->count - CLU_FUN_TERMS, 4);
        clu_parse_patch(p, start + 1, p->w.size - start - 1, 4);
        return;
    }
    clu_parse_patch(p, start, head << 32 | (level->tag == CLU_TERM_MAP ? level->count / 2 : level->count), 5);
}

/* ---- characters and atoms ---- */

/* A character, or an escape that stands for one; CLU_NO_CHARACTER: neither, which has been said. */
CLU_CALLED uint32_t clu_parse_character(struct clu_term_parser *p)
{
    static const char letters[] = CLU_TERM_ESCAPES, stand_for[] = CLU_TERM_ESCAPED;
    const uint8_t *start = p->at;
    uint32_t c = *p->at ? clu_utf8_next(&p->at, p->end) : 0, value = 0;
    unsigned digits = 0;
    if (c == '\\' && (c = *p->at ? clu_utf8_next(&p->at, p->end) : 0) < 0x80) {
        const char *letter = (const char *)memchr(letters, (int)c, sizeof letters - 1);
        if (letter)
            return (uint8_t)stand_for[letter - letters];
        if (c >= '0' && c <= '7') {
            for (value = c - '0'; digits < 2 && *p->at >= '0' && *p->at <= '7'; digits++)
                value = value * 8 + *p->at++ - '0';
            return value;
        }
        if (c == '^') {
            c = *p->at >= '@' && *p->at < 0x7f ? *p->at++ : 0;
            if (c)
                return c & 0x1f;
        }
        if (c == 'x') {
            bool braces = clu_parse_match(p, "{");
            for (; (braces || digits < 2) && value < 0x110000 && clu_hex_digit((char)*p->at) < 16; digits++)
                value = value * 16 + clu_hex_digit((char)*p->at++);
            if ((braces ? clu_parse_match(p, "}") && digits : digits == 2) && value < 0x110000 && value >> 11 != 0xd800 >> 11)
                return value;
            c = 0;
        }
    }
    if (c)
        return c;
    p->at = start;
    (void)clu_parse_refuse(p, *start ? "no such character: `\\x` has two digits, or braces around up to 10FFFF"
                                     : "the text ends within quotes or after `$`");
    return CLU_NO_CHARACTER;
}

/* An atom, quoted or not. False: something else comes, and stays, or a fault has been said. */
CLU_CALLED bool clu_parse_atom(struct clu_term_parser *p)
{
    const uint8_t *start = p->at, *next = start;
    bool quoted = clu_parse_match(p, "'");
    size_t length = 0;
    unsigned count;
    if (!quoted && (!*start || !clu_term_lower(clu_utf8_next(&next, p->end))))
        return false;
    for (count = 0; quoted ? !clu_parse_match(p, "'") : *p->at != 0; count++) {
        uint32_t c;
        next = p->at;
        if (!quoted && !clu_term_name_character(clu_utf8_next(&next, p->end)))
            break;
        if (count == CLU_ATOM_CHARACTERS)
            return clu_parse_refuse(p, "an atom has at most 255 characters");
        c = clu_parse_character(p);
        if (c == CLU_NO_CHARACTER)
            return false;
        length += clu_utf8_write((uint8_t *)p->atom + length, c);
    }
    p->length = length;
    count = quoted ? CLU_TERM_NEWER_WORDS : (unsigned)clu_term_reserved(p->atom, p->length);
    if (count < CLU_TERM_NEWER_WORDS) {
        p->at = start;
        return clu_parse_refuse(p, "a word of the language: as an atom it stands in single quotes");
    }
    return true;
}

/* ---- numbers ---- */

/* The value of a digit in bases up to 36, or more. */
CLU_FN unsigned clu_parse_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - (unsigned)'0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - (unsigned)'a' + 10 : 256;
}

/* The next digit of a run with a _ between some; 256: the run is over. */
CLU_CALLED unsigned clu_parse_next_digit(struct clu_term_parser *p, unsigned base)
{
    const uint8_t *at = p->at;
    unsigned digit;
    if (*at == '_' && clu_parse_digit(at[-1]) < base)
        at++;
    digit = clu_parse_digit(*at);
    if (digit >= base)
        return 256;
    p->at = at + 1;
    return digit;
}

/* Digits, a point, digits, and perhaps an exponent. */
CLU_FN bool clu_parse_float(struct clu_term_parser *p, bool negative)
{
    struct clu_big n;
    int64_t exponent = 0, given = 0;
    const uint8_t *start = p->at;
    unsigned digit;
    bool fraction = false, down, rest = false;
    uint64_t bits;
    double value;
    n.count = 0;
    for (;; fraction = true, p->at++) {
        while ((digit = clu_parse_next_digit(p, 10)) < 10) {
            /* 768 digits decide how it is rounded; of those behind them only whether one is not 0. */
            bool kept = n.count < 81;
            if (kept)
                (void)clu_big_scale(&n, 10, digit);
            rest = rest || (!kept && digit);
            exponent += !kept - fraction;
        }
        if (fraction || *p->at != '.')
            break;
    }
    if (clu_parse_match(p, "e") || clu_parse_match(p, "E")) {
        down = clu_parse_match(p, "-");
        if (!down)
            (void)clu_parse_match(p, "+");
        if (clu_parse_digit(*p->at) > 9)
            return clu_parse_refuse(p, "an exponent has digits");
        while ((digit = clu_parse_next_digit(p, 10)) < 10)
            if (given < (INT64_C(1) << 40))
                given = given * 10 + digit;
        exponent += down ? -given : given;
    }
    if (rest) {
        (void)clu_big_scale(&n, 10, 1);
        exponent--;
    }
    if (!clu_double_of(&n, exponent, &value)) {
        p->at = start;
        return clu_parse_refuse(p, "a float is at most 1.7976931348623157e308");
    }
    memcpy(&bits, &value, sizeof bits);
    clu_parse_enter(p);
    clu_sink_be(&p->w, CLU_TERM_NEW_FLOAT, 1);
    clu_sink_be(&p->w, bits | (uint64_t)negative << 63, 8);
    return true;
}

/* The head of an integer of this many bytes. */
CLU_CALLED void clu_parse_big_head(struct clu_term_parser *p, size_t size, bool negative)
{
    bool large = size > 255;
    clu_parse_enter(p);
    clu_sink_be(&p->w, large ? CLU_TERM_LARGE_BIG : CLU_TERM_SMALL_BIG, 1);
    clu_sink_be(&p->w, size, large ? 4 : 1);
    clu_sink_be(&p->w, negative, 1);
}

/* The digits of base 16 before `at`, of which the first is not 0: an integer of any size. */
CLU_FN void clu_parse_hex(struct clu_term_parser *p, const uint8_t *first, bool negative)
{
    const uint8_t *at;
    size_t digits = 0;
    unsigned byte = 0, shift = 0;
    for (at = first; at < p->at; at++)
        digits += *at != '_';
    clu_parse_big_head(p, digits / 2 + digits % 2, negative);
    while (at-- > first) {
        if (*at == '_')
            continue;
        byte |= clu_parse_digit(*at) << shift;
        shift ^= 4;
        if (!shift || at == first) {
            clu_sink_be(&p->w, byte, 1);
            byte = 0;
        }
    }
}

/* An integer that fits into n, or one in base 16 that does not: false, and *first is its first digit that is not 0. */
CLU_CALLED bool clu_parse_natural(struct clu_term_parser *p, struct clu_big *n, const uint8_t **first)
{
    unsigned base = 10, digit;
    bool fits = true, based;
    clu_big_set(n, 0);
    *first = p->at;
    if (clu_parse_match(p, "$")) {
        uint32_t c = clu_parse_character(p);
        clu_big_set(n, c == CLU_NO_CHARACTER ? 0 : c);
        return true;
    }
    for (based = false;; based = true) {
        if (clu_parse_digit(*p->at) >= base)
            return clu_parse_refuse(p, "a digit is missing here");
        while ((digit = clu_parse_next_digit(p, base)) < base) {
            if (!n->count)
                *first = p->at - 1;
            fits = fits && clu_big_scale(n, base, digit);
        }
        if (based || *p->at != '#')
            break;
        if (n->count != 1 || n->word[0] < 2 || n->word[0] > 36)
            return clu_parse_refuse(p, "the base of an integer is 2 to 36");
        base = n->word[0];
        p->at++;
        clu_big_set(n, 0);
    }
    if (!fits && base != 16)
        return clu_parse_exceeds(p, "an integer of more than 4096 bits is written in base 16, as 16#...");
    return fits;
}

/* Up to 64 bits of it. */
CLU_FN uint64_t clu_big_low(const struct clu_big *n)
{
    return (n->count ? n->word[0] : 0) | (uint64_t)(n->count > 1 ? n->word[1] : 0) << 32;
}

/* An integer of at most this many bits, as a part of something else. */
CLU_CALLED uint64_t clu_parse_part(struct clu_term_parser *p, int bits)
{
    const uint8_t *first, *start;
    struct clu_big n;
    (void)clu_parse_white(p);
    start = p->at;
    if (!clu_parse_natural(p, &n, &first) || clu_big_bits(&n) > bits) {
        if (!p->why)
            p->at = start;
        (void)clu_parse_refuse(p, "an integer that is too large for its place");
        return 0;
    }
    return clu_big_low(&n);
}

CLU_FN bool clu_parse_number(struct clu_term_parser *p)
{
    bool negative = *p->at == '-', fits;
    const uint8_t *ahead, *first;
    struct clu_big n;
    size_t size, i;
    if (negative || *p->at == '+') {
        p->at++;
        (void)clu_parse_white(p);
    }
    for (ahead = p->at; clu_parse_digit(*ahead) < 10 || *ahead == '_';)
        ahead++;
    if (*ahead == '.' && ahead > p->at && clu_parse_digit(ahead[1]) < 10)
        return clu_parse_float(p, negative);
    fits = clu_parse_natural(p, &n, &first);
    if (p->why)
        return false;
    if (!fits) {
        clu_parse_hex(p, first, negative);
    } else if (n.count < 3) {
        clu_parse_integer(p, clu_big_low(&n), negative && n.count);
    } else {
        size = (size_t)(clu_big_bits(&n) + 7) / 8;
        clu_parse_big_head(p, size, negative);
        for (i = 0; i < size; i++)
            clu_sink_be(&p->w, n.word[i / 4] >> 8 * (i % 4), 1);
    }
    return true;
}

/* ---- strings and binaries ---- */

/* Is there another character before the closing quote? Strings with blanks alone between them are one. */
CLU_CALLED bool clu_parse_in_string(struct clu_term_parser *p, uint32_t *c)
{
    while (clu_parse_match(p, "\"")) {
        const uint8_t *after = p->at;
        (void)clu_parse_white(p);
        if (!clu_parse_match(p, "\"")) {
            p->at = after;
            return false;
        }
    }
    *c = clu_parse_character(p);
    return *c != CLU_NO_CHARACTER;
}

/* A string is the list of its characters. As a tail it is part of the list before it. */
CLU_FN bool clu_parse_string(struct clu_term_parser *p)
{
    struct clu_term_level *list = clu_parse_list(p);
    bool tail = list && list->state == CLU_LIST_TAIL;
    uint32_t c;
    if (tail)
        list->state = CLU_LIST_ITEMS;
    else if (!clu_parse_open(p, CLU_TERM_LIST))
        return false;
    p->at++;
    while (clu_parse_in_string(p, &c))
        clu_parse_integer(p, c, false);
    if (tail)
        list->state = CLU_LIST_DONE;
    else
        clu_parse_close(p);
    return !p->why;
}

struct clu_term_bits {
    uint8_t byte; /* the highest bits of it */
    uint8_t count;
};

CLU_CALLED void clu_parse_bits(struct clu_term_parser *p, struct clu_term_bits *b, uint64_t value, unsigned count)
{
    while (count--) {
        b->byte = (uint8_t)(b->byte | (value >> count & 1) << (7 - b->count));
        if (++b->count == 8) {
            clu_sink_put(&p->w, &b->byte, 1);
            b->byte = b->count = 0;
        }
    }
}

/* A string in a binary: each character is a byte, or with /utf8 its UTF-8. */
CLU_FN bool clu_parse_text_segment(struct clu_term_parser *p, struct clu_term_bits *b)
{
    const struct clu_term_bits before = *b;
    const size_t size = p->w.size;
    const uint8_t *start = p->at;
    bool utf8 = false, wide = false;
    for (;;) {
        uint32_t c;
        for (p->at = start + 1; clu_parse_in_string(p, &c);) {
            uint8_t bytes[4] = {(uint8_t)c, 0, 0, 0};
            size_t count = utf8 ? clu_utf8_write(bytes, c) : 1, i;
            wide = wide || c > 255;
            for (i = 0; i < count; i++)
                clu_parse_bits(p, b, bytes[i], 8);
        }
        (void)clu_parse_white(p);
        if (p->why || !clu_parse_match(p, "/") || !clu_parse_expect(p, "utf8", "the one type of a segment is utf8") || utf8)
            break;
        /* Once more, now that it is known what the characters are. */
        utf8 = true;
        *b = before;
        p->w.size = size;
    }
    if (wide && !utf8 && !p->why) {
        p->at = start;
        return clu_parse_refuse(p, "characters above 255 in a binary: write \"...\"/utf8");
    }
    return !p->why;
}

/* An integer of 8 bits, or of :SIZE. */
CLU_FN bool clu_parse_integer_segment(struct clu_term_parser *p, struct clu_term_bits *b)
{
    const uint8_t *start = p->at;
    uint64_t value = clu_parse_part(p, 64), size = 8;
    (void)clu_parse_white(p);
    if (clu_parse_match(p, ":"))
        size = clu_parse_part(p, 7);
    if (!p->why && (size > 64 || (size < 64 && value >> size))) {
        p->at = start;
        return clu_parse_refuse(p, "an integer in a binary fits into 8 bits, or into its :SIZE of at most 64");
    }
    clu_parse_bits(p, b, value, (unsigned)size);
    return !p->why;
}

/* <<SEGMENT,...>> */
CLU_FN bool clu_parse_binary(struct clu_term_parser *p)
{
    struct clu_term_bits b = {0, 0};
    size_t start, size;
    clu_parse_enter(p);
    start = p->w.size;
    clu_sink_be(&p->w, (uint64_t)CLU_TERM_BINARY << 32, 5);
    if (clu_parse_white(p) == '>' && clu_parse_match(p, ">>"))
        return true;
    do {
        uint8_t first = clu_parse_white(p);
        if (first == '"' ? !clu_parse_text_segment(p, &b) : !clu_parse_integer_segment(p, &b))
            return false;
    } while (clu_parse_white(p) == ',' && p->at++);
    if (!clu_parse_expect(p, ">>", "`,` or `>>` is missing here"))
        return false;
    size = p->w.size - start - 5;
    clu_parse_patch(p, start + 1, size + (b.count != 0), 4);
    if (b.count) {
        clu_sink_put(&p->w, &b.byte, 1);
        clu_parse_insert(p, start + 5, 1);
        clu_parse_patch(p, start, CLU_TERM_BIT_BINARY, 1);
        clu_parse_patch(p, start + 5, b.count, 1);
    }
    return true;
}

/* ---- the rest ---- */

/* fun MODULE:FUNCTION/ARITY, after `fun`. */
CLU_FN bool clu_parse_fun(struct clu_term_parser *p)
{
    static const char form[] = "a function is written fun m:f/1, or #Fun<HEX...>";
    unsigned i;
    clu_parse_enter(p);
    clu_sink_be(&p->w, CLU_TERM_EXPORT, 1);
    for (i = 0; i < 2; i++) {
        (void)clu_parse_white(p);
        if (!clu_parse_atom(p) || !clu_parse_expect(p, i ? "/" : ":", form))
            return clu_parse_refuse(p, form);
        clu_parse_put_atom(p);
    }
    clu_sink_be(&p->w, (uint64_t)CLU_TERM_SMALL_INTEGER << 8 | clu_parse_part(p, 8), 2);
    return !p->why;
}

/* The head of a fun up to its module; its other terms follow as those of a tuple. */
CLU_FN bool clu_parse_closure(struct clu_term_parser *p, const char *form)
{
    unsigned i, digit;
    if (!clu_parse_open(p, CLU_TERM_NEW_FUN))
        return false;
    clu_sink_be(&p->w, (uint64_t)CLU_TERM_NEW_FUN << 32, 5);
    for (i = 0; i < CLU_FUN_BYTES; i++, p->at += 2) {
        digit = clu_hex_digit((char)p->at[0]);
        if (digit > 15 || clu_hex_digit((char)p->at[1]) > 15)
            return clu_parse_refuse(p, form);
        clu_sink_be(&p->w, digit << 4 | clu_hex_digit((char)p->at[1]), 1);
    }
    clu_sink_be(&p->w, 0, 4);
    if (!clu_parse_expect(p, ",", form) || !clu_parse_white(p) || !clu_parse_atom(p))
        return clu_parse_refuse(p, form);
    clu_parse_put_atom(p);
    p->levels[p->depth - 1].count = 1;
    return true;
}

CLU_FN bool clu_parse_opaque(struct clu_term_parser *p)
{
    static const char form[] = "no map, #Pid<NODE.1.2.3>, #Port<NODE.1.2>, #Ref<NODE.1.2...> or #Fun<HEX,MODULE,1,2,PID...>";
    static const uint8_t least[] = {3, 2, 2}, most[] = {3, 2, 6};
    static const uint8_t tags[] = {CLU_TERM_NEW_PID, CLU_TERM_NEW_PORT, CLU_TERM_NEWER_REFERENCE};
    uint64_t number[6];
    unsigned kind, count = 0, wide, i;
    for (kind = 0; !clu_parse_match(p, clu_term_opaque(kind)); kind++)
        if (kind == CLU_OPAQUE_FUN)
            return clu_parse_refuse(p, form);
    if (kind == CLU_OPAQUE_FUN)
        return clu_parse_closure(p, form);
    clu_parse_enter(p);
    if (!clu_parse_atom(p))
        return clu_parse_refuse(p, form);
    for (; count < most[kind] && clu_parse_match(p, "."); count++)
        number[count] = clu_parse_part(p, kind == CLU_OPAQUE_PORT && !count ? 64 : 32);
    if (count < least[kind] || !clu_parse_match(p, ">"))
        return clu_parse_refuse(p, form);
    wide = kind == CLU_OPAQUE_PORT && number[0] >> 28;
    clu_sink_be(&p->w, wide ? (uint8_t)CLU_TERM_V4_PORT : tags[kind], 1);
    if (kind == CLU_OPAQUE_REFERENCE)
        clu_sink_be(&p->w, count - 1, 2);
    clu_parse_put_atom(p);
    for (i = 0; i < count; i++)
        clu_sink_be(&p->w, number[i], wide && !i ? 8 : 4);
    return !p->why;
}

/* The beginning of a term; false: a fault. What is no container, and a container of nothing, is whole then: *whole. */
CLU_FN bool clu_parse_term(struct clu_term_parser *p, bool *whole)
{
    uint8_t c = clu_parse_white(p), closer = '}';
    *whole = true;
    if (c == '[') {
        struct clu_term_level *list = clu_parse_list(p);
        closer = ']';
        if (list && list->state == CLU_LIST_TAIL) {
            list->closers++;
            list->state = CLU_LIST_ITEMS;
        } else if (!clu_parse_open(p, CLU_TERM_LIST)) {
            return false;
        }
        p->at++;
    } else if (c == '{' || (c == '#' && p->at[1] == '{')) {
        if (!clu_parse_open(p, c == '{' ? CLU_TERM_SMALL_TUPLE : CLU_TERM_MAP))
            return false;
        p->at += 1 + (c == '#');
    } else if (c == '"') {
        return clu_parse_string(p);
    } else if (c == '<' && clu_parse_match(p, "<<")) {
        return clu_parse_binary(p);
    } else if (c == '#') {
        return clu_parse_opaque(p);
    } else if (c == '+' || c == '-' || c == '$' || clu_parse_digit(c) < 10) {
        return clu_parse_number(p);
    } else if (strncmp((const char *)p->at, "fun", 3) == 0 && !clu_term_name_character(p->at[3]) && p->at[3] < 0x80) {
        p->at += 3;
        return clu_parse_fun(p);
    } else {
        if (!clu_parse_atom(p))
            return clu_parse_refuse(p, (c >= 'A' && c <= 'Z') || c == '_' ? "a variable: as an atom it stands in single quotes"
                                                                          : "a term is missing here");
        clu_parse_enter(p);
        clu_parse_put_atom(p);
        return true;
    }
    *whole = clu_parse_white(p) == closer;
    return true;
}

/* What follows a whole term, until another one must come; false: a fault, or the outermost term is whole. */
CLU_FN bool clu_parse_after(struct clu_term_parser *p)
{
    while (p->depth) {
        struct clu_term_level *level = &p->levels[p->depth - 1];
        uint8_t c = clu_parse_white(p);
        bool list = level->tag == CLU_TERM_LIST, fun = level->tag == CLU_TERM_NEW_FUN;
        if (level->tag == CLU_TERM_MAP && level->count % 2)
            return clu_parse_match(p, "=>") || clu_parse_refuse(p, "`=>` is missing here");
        if (c == (list ? ']' : fun ? '>' : '}') && (!fun || level->count >= CLU_FUN_TERMS)) {
            p->at++;
            if (level->closers) {
                level->closers--;
                level->state = CLU_LIST_DONE;
            } else {
                clu_parse_close(p);
            }
        } else if (level->state == CLU_LIST_ITEMS && (c == ',' || (c == '|' && list))) {
            p->at++;
            level->state = c == '|' ? CLU_LIST_TAIL : CLU_LIST_ITEMS;
            return true;
        } else {
            return clu_parse_refuse(p, "`,` or the closing bracket is missing here");
        }
    }
    return false;
}

CLU_CALLED void clu_term_parse(struct clu_term_parser *p, const char *text, void *out, size_t capacity)
{
    const size_t length = strlen(text);
    bool whole;
    memset(p, 0, offsetof(struct clu_term_parser, levels));
    p->w.data = (uint8_t *)out;
    p->w.capacity = out ? capacity : 0;
    p->at = (const uint8_t *)text;
    p->end = p->at + length;
    if (length > CLU_TERM_TEXT_MAX)
        (void)clu_parse_exceeds(p, "the text is longer than 1 GiB");
    while (!p->why && p->at < p->end)
        if (clu_utf8_next(&p->at, p->end) == CLU_NO_CHARACTER)
            (void)clu_parse_refuse(p, "no UTF-8 here");
    if (p->why)
        return;
    p->at = (const uint8_t *)text;
    clu_sink_be(&p->w, CLU_TERM_VERSION, 1);
    do {
        if (!clu_parse_term(p, &whole))
            return;
    } while (!whole || clu_parse_after(p));
    if (p->why)
        return;
    (void)clu_parse_white(p);
    (void)clu_parse_match(p, ".");
    if (clu_parse_white(p))
        (void)clu_parse_refuse(p, "something follows the term");
}

CLUSTER_DEF int cluster_term_parse(const char *text, void *out, size_t capacity, size_t *size)
{
    struct clu_term_parser p;
    if (!text || !size)
        return CLUSTER_E_INVALID;
    clu_term_parse(&p, text, out, capacity);
    *size = p.why ? 0 : p.w.size;
    if (!p.why && p.w.size > p.w.capacity)
        return CLUSTER_E_LIMIT;
    return p.error;
}

CLUSTER_DEF const char *cluster_term_why(const char *text, size_t *at)
{
    struct clu_term_parser p;
    clu_term_parse(&p, text ? text : "", NULL, 0);
    if (at)
        *at = p.why ? (size_t)(p.at - (const uint8_t *)text) : 0;
    return p.why ? p.why : "";
}

#endif
