/*
 * JSON as it comes, in chunks cut anywhere: a pull reader that gives the tokens of the paths that its owner wants, and checks all
 * others without keeping them. Strict: RFC 8259 to the letter, UTF-8 that is valid, surrogates in pairs, at most 64 levels. It never
 * allocates; texts longer than the owner's room are cut, which is said.
 *
 *   VALUE ----> scalar ------------------------> AFTER , -> VALUE or KEY
 *     |  '{' -> KEY_FIRST -> KEY -> COLON -> VALUE       '}' or ']' -> AFTER, outermost: DONE
 *     +- '[' -> FIRST
 */
#ifndef CLU_WIRE_JSON_H
#define CLU_WIRE_JSON_H

#include "../base/bytes.h"
#include "../base/hash.h"
#include "number.h"

#define CLU_JSON_DEPTH 64

/* What clu_json_next gives beside the first byte of a token: { } [ ] " 0 t f n. */
enum { CLU_JSON_MORE = 0, CLU_JSON_BAD = -1 };

/* A place in documents: what has this key, or with NULL each element, in the place `within`, has the number `id`, from 1. Place 0 is
 * the document. One whose id is CLU_JSON_FIELD is for a field of the owner's record, `room` bytes at an offset; an object at another
 * one that has such bytes begins with these zeroed. Ends with a row whose id is 0. */
struct clu_json_path {
    uint8_t within, id;
    uint16_t at, room;
    const char *key;
};

#define CLU_PLACE(within, id, key)                                                                                             \
    {                                                                                                                          \
        within, id, 0, 0, key                                                                                                  \
    }
#define CLU_OBJECT(within, id, key, record, field)                                                                             \
    {                                                                                                                          \
        within, id, offsetof(record, field), sizeof(((record *)0)->field), key                                                 \
    }
#define CLU_FIELD(within, key, record, field) CLU_OBJECT(within, CLU_JSON_FIELD, key, record, field)

enum {
    CLU_JSON_DONE,
    CLU_JSON_VALUE,
    CLU_JSON_FIRST,
    CLU_JSON_KEY_FIRST,
    CLU_JSON_KEY,
    CLU_JSON_COLON,
    CLU_JSON_AFTER,
    CLU_JSON_WORD,
    CLU_JSON_STRING,
    CLU_JSON_ESCAPE,
    CLU_JSON_HEX,
    CLU_JSON_UTF8,
    /* of a number; those from CLU_JSON_ZERO on may be its end */
    CLU_JSON_MINUS,
    CLU_JSON_DOT,
    CLU_JSON_E,
    CLU_JSON_SIGN,
    CLU_JSON_ZERO,
    CLU_JSON_INTEGER,
    CLU_JSON_FRACTION,
    CLU_JSON_EXPONENT
};

#define CLU_JSON_FIELD 254   /* the place of what goes into a field */
#define CLU_JSON_NOWHERE 255 /* the place of what nobody wants */

struct clu_json {
    const uint8_t *at, *end;                  /* the chunk; the owner sets them when CLU_JSON_MORE came */
    const struct clu_json_path *paths, *path; /* path: of the last value that is wanted */
    char *text;                               /* of the token, ended by NUL: a string, decoded, or a number */
    size_t room, length;
    bool cut;   /* the text was longer, or has a NUL in it */
    bool many;  /* documents may follow each other */
    uint8_t id; /* the place of the token */
    uint8_t state, depth;
    bool is_key;    /* the string is one */
    uint8_t digits; /* of an escape, or bytes of UTF-8, that are to come; of a word: how many came */
    uint8_t low, high;
    uint32_t code, lead; /* lead: the first half of a pair, whose second has to come */
    const char *word;
    uint64_t arrays; /* a bit for each level, the last for the innermost */
    uint8_t places[CLU_JSON_DEPTH];
};

CLU_FN void clu_json_begin(struct clu_json *j, const struct clu_json_path *paths, char *text, size_t room)
{
    memset(j, 0, sizeof *j);
    j->paths = j->path = paths;
    j->text = text;
    j->room = room;
    j->state = CLU_JSON_VALUE;
}

/* The next chunk. */
CLU_FN void clu_json_feed(struct clu_json *j, const void *data, size_t size)
{
    j->at = (const uint8_t *)data;
    j->end = j->at + size;
}

/* Was all that came one document, or with `many` any number of them? */
CLU_FN bool clu_json_whole(const struct clu_json *j)
{
    return !j->depth && (j->state == CLU_JSON_DONE || j->state >= CLU_JSON_ZERO);
}

CLU_FN void clu_json_put(struct clu_json *j, const void *bytes, size_t size)
{
    size_t left = j->room - 1 - j->length;
    if (j->id == CLU_JSON_NOWHERE)
        return;
    if (size > left) {
        size = left;
        j->cut = true;
    }
    memcpy(j->text + j->length, bytes, size);
    j->length += size;
    j->text[j->length] = '\0';
}

CLU_FN void clu_json_put_byte(struct clu_json *j, unsigned byte)
{
    uint8_t b = (uint8_t)byte;
    clu_json_put(j, &b, 1);
}

/* A character of an escape, as UTF-8. No text goes on after a NUL. */
CLU_FN void clu_json_put_code(struct clu_json *j, uint32_t code)
{
    unsigned shift = code < 0x80 ? 0 : code < 0x800 ? 6 : code < 0x10000 ? 12 : 18;
    j->cut = j->cut || !code;
    clu_json_put_byte(j, (shift ? 0x3f80u >> shift / 6 : 0) | code >> shift);
    while (shift) {
        shift -= 6;
        clu_json_put_byte(j, 0x80 | (code >> shift & 63));
    }
}

/* The place of a key, or with NULL of an element, in the container at hand. */
CLU_FN uint8_t clu_json_place(struct clu_json *j, const char *key)
{
    const struct clu_json_path *p = j->paths;
    uint8_t within = j->places[j->depth - 1];
    if (within != CLU_JSON_NOWHERE && !(key && j->cut))
        for (; p->id; p++)
            if (p->within == within && (key && p->key ? *p->key == *key && strcmp(p->key, key) == 0 : key == p->key)) {
                j->path = p;
                return p->id;
            }
    return CLU_JSON_NOWHERE;
}

/* Is the token for a field? It is taken there, if nothing is there yet: a text that is whole and fits, or into a single byte the
 * first one of any value that is no container. And where an object begins its fields are empty. */
CLU_FN bool clu_json_taken(const struct clu_json *j, int token, void *record)
{
    char *field = (char *)record + j->path->at;
    if (j->id != CLU_JSON_FIELD) {
        if (token == '{' && j->id == j->path->id)
            memset(field, 0, j->path->room);
        return false;
    }
    if (strchr("{}[]", token))
        return true;
    if (j->path->room == 1 && !*field)
        *field = (char)token;
    else if (token == '"' && !j->cut && j->length < j->path->room && !*field)
        memcpy(field, j->text, j->length + 1);
    return true;
}

/* A value has ended. The token of it, or of nothing that is wanted. */
CLU_FN int clu_json_ended(struct clu_json *j, int token)
{
    j->state = j->depth ? CLU_JSON_AFTER : CLU_JSON_DONE;
    return j->id == CLU_JSON_NOWHERE ? 0 : token;
}

CLU_FN int clu_json_open(struct clu_json *j, uint8_t c)
{
    if (j->depth == CLU_JSON_DEPTH)
        return CLU_JSON_BAD;
    j->arrays = j->arrays << 1 | (c == '[');
    j->places[j->depth++] = j->id;
    j->state = c == '[' ? CLU_JSON_FIRST : CLU_JSON_KEY_FIRST;
    return j->id == CLU_JSON_NOWHERE ? 0 : c;
}

CLU_FN int clu_json_close(struct clu_json *j, uint8_t c)
{
    if ((j->arrays & 1) != (c == ']'))
        return CLU_JSON_BAD;
    j->arrays >>= 1;
    j->id = j->places[--j->depth];
    return clu_json_ended(j, c);
}

CLU_FN void clu_json_string(struct clu_json *j, bool is_key)
{
    j->is_key = is_key;
    j->state = CLU_JSON_STRING;
    j->length = 0;
    j->cut = false;
    j->text[0] = '\0';
}

/* The first byte of a value. */
CLU_FN int clu_json_value(struct clu_json *j, uint8_t c)
{
    if (!j->depth)
        j->id = 0;
    else if (j->arrays & 1)
        j->id = clu_json_place(j, NULL);
    if (c == '{' || c == '[')
        return clu_json_open(j, c);
    clu_json_string(j, false);
    if (c == '"')
        return CLU_JSON_MORE;
    j->word = c == 't' ? "true" : c == 'f' ? "false" : c == 'n' ? "null" : NULL;
    j->digits = 1;
    if (j->word) {
        j->state = CLU_JSON_WORD;
        return CLU_JSON_MORE;
    }
    j->state = c == '-' ? CLU_JSON_MINUS : c == '0' ? CLU_JSON_ZERO : CLU_JSON_INTEGER;
    clu_json_put(j, &c, 1);
    return c == '-' || (c >= '0' && c <= '9') ? CLU_JSON_MORE : CLU_JSON_BAD;
}

/* One more byte of a number; false: it is none of it. */
CLU_FN bool clu_json_number(struct clu_json *j, uint8_t c)
{
    uint8_t s = j->state;
    if (c >= '0' && c <= '9') {
        if (s == CLU_JSON_ZERO)
            return false;
        if (s == CLU_JSON_MINUS)
            j->state = c == '0' ? CLU_JSON_ZERO : CLU_JSON_INTEGER;
        else if (s == CLU_JSON_DOT)
            j->state = CLU_JSON_FRACTION;
        else if (s < CLU_JSON_ZERO)
            j->state = CLU_JSON_EXPONENT;
    } else if (c == '.' && (s == CLU_JSON_ZERO || s == CLU_JSON_INTEGER)) {
        j->state = CLU_JSON_DOT;
    } else if ((c | 0x20) == 'e' && s >= CLU_JSON_ZERO && s != CLU_JSON_EXPONENT) {
        j->state = CLU_JSON_E;
    } else if ((c == '+' || c == '-') && s == CLU_JSON_E) {
        j->state = CLU_JSON_SIGN;
    } else {
        return false;
    }
    clu_json_put(j, &c, 1);
    return true;
}

/* A byte of a string that is no plain ASCII. */
CLU_FN int clu_json_special(struct clu_json *j, uint8_t c)
{
    if (c == '\\') {
        j->state = CLU_JSON_ESCAPE;
        return CLU_JSON_MORE;
    }
    if (c < 0x20 || j->lead)
        return CLU_JSON_BAD;
    if (c == '"') {
        if (!j->is_key)
            return clu_json_ended(j, '"');
        if (j->id != CLU_JSON_NOWHERE)
            j->id = clu_json_place(j, j->text);
        j->state = CLU_JSON_COLON;
        return CLU_JSON_MORE;
    }
    /* how many bytes follow, and what the first of these may be (Unicode, table 3-7) */
    if (c < 0xc2 || c > 0xf4)
        return CLU_JSON_BAD;
    j->digits = (uint8_t)(1 + (c >= 0xe0) + (c >= 0xf0));
    j->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    j->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    j->state = CLU_JSON_UTF8;
    clu_json_put(j, &c, 1);
    return CLU_JSON_MORE;
}

CLU_FN int clu_json_escape(struct clu_json *j, uint8_t c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;
    if (c == 'u') {
        j->state = CLU_JSON_HEX;
        j->digits = 4;
        j->code = 0;
        return CLU_JSON_MORE;
    }
    if (!at || j->lead)
        return CLU_JSON_BAD;
    clu_json_put(j, to + (at - from), 1);
    j->state = CLU_JSON_STRING;
    return CLU_JSON_MORE;
}

CLU_FN int clu_json_hex(struct clu_json *j, uint8_t c)
{
    unsigned digit = clu_hex_digit((char)c);
    bool second;
    if (digit > 15)
        return CLU_JSON_BAD;
    j->code = j->code << 4 | digit;
    if (--j->digits)
        return CLU_JSON_MORE;
    j->state = CLU_JSON_STRING;
    second = j->code >> 10 == 0xdc00 >> 10;
    if (second != (j->lead != 0))
        return CLU_JSON_BAD;
    if (j->code >> 10 == 0xd800 >> 10) {
        j->lead = j->code;
        return CLU_JSON_MORE;
    }
    if (second)
        j->code = 0x10000 + ((j->lead & 0x3ff) << 10 | (j->code & 0x3ff));
    j->lead = 0;
    clu_json_put_code(j, j->code);
    return CLU_JSON_MORE;
}

/* Plain bytes of a string, as many as there are. */
CLU_FN void clu_json_plain(struct clu_json *j)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint8_t *at = j->at, *end = j->end;
    if (j->lead)
        return;
    for (; end - at >= 8; at += 8) {
        uint64_t w = clu_le64(at), quote = w ^ ones * '"', slash = w ^ ones * '\\';
        /* the top bit of each byte that has it, is under 0x20, a quote, a backslash; a borrow reaches only bytes after such a one */
        uint64_t found = (w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & ones << 7;
        if (!found)
            continue;
#if defined(__GNUC__) || defined(__clang__)
        at += __builtin_ctzll(found) >> 3;
#endif
        break;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    if (at > j->at)
        clu_json_put(j, j->at, (size_t)(at - j->at));
    j->at = at;
}

/* One byte that belongs to no string. */
CLU_FN int clu_json_structure(struct clu_json *j, uint8_t c)
{
    uint8_t s = j->state;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        return CLU_JSON_MORE;
    if (s == CLU_JSON_AFTER && c == ',') {
        j->state = j->arrays & 1 ? CLU_JSON_VALUE : CLU_JSON_KEY;
        return CLU_JSON_MORE;
    }
    if ((c == '}' && (s == CLU_JSON_AFTER || s == CLU_JSON_KEY_FIRST)) ||
        (c == ']' && (s == CLU_JSON_AFTER || s == CLU_JSON_FIRST)))
        return clu_json_close(j, c);
    if (c == '"' && (s == CLU_JSON_KEY || s == CLU_JSON_KEY_FIRST)) {
        j->id = j->places[j->depth - 1]; /* its text is kept if the object is wanted */
        clu_json_string(j, true);
        return CLU_JSON_MORE;
    }
    if (c == ':' && s == CLU_JSON_COLON) {
        j->state = CLU_JSON_VALUE;
        return CLU_JSON_MORE;
    }
    if (s == CLU_JSON_VALUE || s == CLU_JSON_FIRST || (s == CLU_JSON_DONE && j->many))
        return clu_json_value(j, c);
    return CLU_JSON_BAD;
}

/* The next token of a wanted place, whose number is `id` then; CLU_JSON_MORE: the chunk is used up; CLU_JSON_BAD: this is no JSON,
 * and nothing may be read after it. */
CLU_FN int clu_json_next(struct clu_json *j)
{
    for (;;) {
        int token = CLU_JSON_MORE;
        uint8_t c;
        if (j->state == CLU_JSON_STRING)
            clu_json_plain(j);
        if (j->at == j->end)
            return CLU_JSON_MORE;
        c = *j->at++;
        if (j->state <= CLU_JSON_AFTER) {
            token = clu_json_structure(j, c);
        } else if (j->state == CLU_JSON_STRING) {
            token = clu_json_special(j, c);
        } else if (j->state == CLU_JSON_ESCAPE) {
            token = clu_json_escape(j, c);
        } else if (j->state == CLU_JSON_HEX) {
            token = clu_json_hex(j, c);
        } else if (j->state == CLU_JSON_WORD) {
            if (c != (uint8_t)j->word[j->digits++])
                return CLU_JSON_BAD;
            if (!j->word[j->digits])
                token = clu_json_ended(j, *j->word);
        } else if (j->state == CLU_JSON_UTF8) {
            if (c < j->low || c > j->high)
                return CLU_JSON_BAD;
            clu_json_put(j, &c, 1);
            j->low = 0x80;
            j->high = 0xbf;
            j->state = --j->digits ? CLU_JSON_UTF8 : CLU_JSON_STRING;
        } else if (!clu_json_number(j, c)) {
            if (j->state < CLU_JSON_ZERO)
                return CLU_JSON_BAD;
            j->at--; /* what ends a number is not of it */
            token = clu_json_ended(j, '0');
        }
        if (token)
            return token;
    }
}

#endif
