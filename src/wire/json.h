/*
 * JSON as it comes, in chunks cut anywhere: a pull reader that gives the tokens of the paths that its owner wants, and checks all
 * others without keeping them. Strict: RFC 8259 to the letter, UTF-8 that is valid, surrogates in pairs, at most 64 levels. It never
 * allocates; texts longer than the owner's room are cut, which is said.
 *
 *   STRUCTURE --+--> STRING <-> ESCAPE, HEX, UTF8 --+--> STRUCTURE, outermost: DONE
 *               +--> WORD, NUMBER ------------------+
 *
 * What may come next in the structure, and in a number, is a set of bits.
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
    CLU_JSON_STRUCTURE,
    CLU_JSON_STRING,
    CLU_JSON_ESCAPE,
    CLU_JSON_HEX,
    CLU_JSON_UTF8,
    CLU_JSON_WORD,
    CLU_JSON_NUMBER
};

/* What may come next in the structure. */
enum { CLU_JSON_VALUE = 1, CLU_JSON_KEY = 2, CLU_JSON_COLON = 4, CLU_JSON_COMMA = 8, CLU_JSON_CLOSE = 16 };

/* What may come next in a number. */
enum {
    CLU_JSON_DIGIT = 1,
    CLU_JSON_POINT = 2,
    CLU_JSON_EXPONENT = 4,
    CLU_JSON_SIGN = 8,
    CLU_JSON_END = 16,
    CLU_JSON_FIRST = 32 /* the digit is the first, and if it is 0 the only one */
};

#define CLU_JSON_FIELD 254   /* the place of what goes into a field */
#define CLU_JSON_NOWHERE 255 /* the place of what nobody wants */

struct clu_json {
    const uint8_t *at, *end;                  /* the chunk; the owner sets them when CLU_JSON_MORE came */
    const struct clu_json_path *paths, *path; /* path: of the last value that is wanted */
    char *text;                               /* of the token, ended by NUL: a string, decoded, or a number */
    size_t room, length;                      /* room: without the NUL */
    size_t depth;
    bool cut;   /* the text was longer, or has a NUL in it */
    bool many;  /* documents may follow each other */
    uint8_t id; /* the place of the token */
    uint8_t state;
    uint8_t may, later; /* what may come; what may after a digit */
    uint8_t closes;     /* the byte that ends the container at hand */
    bool is_key;        /* the string is one */
    uint8_t digits;     /* of an escape, or bytes of UTF-8, that are to come */
    uint32_t code;      /* of the character so far */
    uint32_t least;     /* what so many bytes of UTF-8 are for */
    uint32_t lead;      /* the first half of a pair, whose second has to come */
    const char *word;   /* what is left of it, whose first byte is `code` */
    uint8_t places[CLU_JSON_DEPTH];
    uint8_t closers[CLU_JSON_DEPTH]; /* `closes` of what is around each container */
};

CLU_CALLED void clu_json_begin(struct clu_json *j, const struct clu_json_path *paths, char *text, size_t room)
{
    memset(j, 0, sizeof *j);
    j->paths = j->path = paths;
    j->text = text;
    j->room = room - 1;
    j->state = CLU_JSON_STRUCTURE;
    j->may = CLU_JSON_VALUE;
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
    return !j->depth && (j->state == CLU_JSON_DONE || (j->state == CLU_JSON_NUMBER && j->may & CLU_JSON_END));
}

CLU_FN void clu_json_put(struct clu_json *j, const void *bytes, size_t size)
{
    size_t left = j->room - j->length;
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

/* A character, as UTF-8. No text goes on after a NUL. */
CLU_FN void clu_json_put_code(struct clu_json *j, uint32_t code)
{
    uint8_t bytes[4], *at = bytes + sizeof bytes;
    uint32_t most = 0x3f; /* what the first byte has room for */
    if (!code)
        j->cut = true;
    if (code >= 0x80) {
        do {
            *--at = (uint8_t)(0x80 | (code & 0x3f));
            code >>= 6;
            most >>= 1;
        } while (code > most);
        code |= ~most << 1;
    }
    *--at = (uint8_t)code;
    clu_json_put(j, at, (size_t)(bytes + sizeof bytes - at));
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

CLU_FN int clu_json_open(struct clu_json *j, uint8_t c)
{
    if (j->depth == CLU_JSON_DEPTH)
        return CLU_JSON_BAD;
    j->closers[j->depth] = j->closes;
    j->places[j->depth++] = j->id;
    j->closes = (uint8_t)(c + 2); /* in ASCII both are */
    return c;
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
    if (j->closes == ']')
        j->id = clu_json_place(j, NULL);
    if (c == '{' || c == '[')
        return clu_json_open(j, c);
    clu_json_string(j, false);
    if (c == '"')
        return CLU_JSON_MORE;
    j->word = c == 't' ? "true" : c == 'f' ? "false" : "null";
    j->code = c;
    j->state = CLU_JSON_WORD;
    if ((char)c == *j->word)
        return CLU_JSON_MORE;
    j->state = CLU_JSON_NUMBER;
    j->may = CLU_JSON_DIGIT | CLU_JSON_FIRST;
    j->later = CLU_JSON_DIGIT | CLU_JSON_POINT | CLU_JSON_EXPONENT | CLU_JSON_END;
    if (c == '-')
        clu_json_put_byte(j, c);
    else
        j->at--;
    return CLU_JSON_MORE;
}

/* One more byte of a number, or the one after it. */
CLU_FN int clu_json_number(struct clu_json *j, uint8_t c)
{
    uint8_t may = j->may;
    if (c >= '0' && c <= '9' && may & CLU_JSON_DIGIT) {
        j->may = j->later;
        if (c == '0' && may & CLU_JSON_FIRST)
            j->may ^= CLU_JSON_DIGIT;
    } else if (c == '.' && may & CLU_JSON_POINT) {
        j->may = CLU_JSON_DIGIT;
        j->later = CLU_JSON_DIGIT | CLU_JSON_EXPONENT | CLU_JSON_END;
    } else if ((c | 0x20) == 'e' && may & CLU_JSON_EXPONENT) {
        j->may = CLU_JSON_DIGIT | CLU_JSON_SIGN;
        j->later = CLU_JSON_DIGIT | CLU_JSON_END;
    } else if ((c == '+' || c == '-') && may & CLU_JSON_SIGN) {
        j->may = CLU_JSON_DIGIT;
    } else {
        j->at--;
        return may & CLU_JSON_END ? (int)'0' : CLU_JSON_BAD;
    }
    clu_json_put_byte(j, c);
    return CLU_JSON_MORE;
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
            return '"';
        if (j->id != CLU_JSON_NOWHERE)
            j->id = clu_json_place(j, j->text);
        j->state = CLU_JSON_STRUCTURE;
        j->may = CLU_JSON_COLON;
        return CLU_JSON_MORE;
    }
    if (c < 0xc2 || c > 0xf4)
        return CLU_JSON_BAD;
    j->digits = (uint8_t)(1 + (c >= 0xe0) + (c >= 0xf0));
    j->code = c & 0x3fu >> j->digits;
    j->least = 2u << 5 * j->digits; /* shorter ones take it with fewer bytes; of two bytes that is seen from the first */
    j->state = CLU_JSON_UTF8;
    return CLU_JSON_MORE;
}

CLU_FN int clu_json_escape(struct clu_json *j, uint8_t c)
{
    static const char table[] = "\"\\/bfnrt"
                                "\"\\/\b\f\n\r\t"; /* what stands for eight bytes, and these */
    const char *at = (const char *)memchr(table, c, 8);
    if (c == 'u') {
        j->state = CLU_JSON_HEX;
        j->digits = 4;
        j->code = j->least = 0;
        return CLU_JSON_MORE;
    }
    if (!at || j->lead)
        return CLU_JSON_BAD;
    clu_json_put(j, at + 8, 1);
    j->state = CLU_JSON_STRING;
    return CLU_JSON_MORE;
}

/* A byte of a character that is more than one. */
CLU_FN int clu_json_code(struct clu_json *j, uint8_t c)
{
    bool hex = j->state == CLU_JSON_HEX;
    unsigned bits = hex ? 4 : 6, digit = hex ? clu_hex_digit((char)c) : c ^ 0x80u;
    uint32_t code = j->code << bits | digit;
    if (digit >> bits)
        return CLU_JSON_BAD;
    j->code = code;
    if (--j->digits)
        return CLU_JSON_MORE;
    j->state = CLU_JSON_STRING;
    if (code < j->least || code > 0x10ffff)
        return CLU_JSON_BAD;
    if (j->lead) {
        if (code >> 10 != 0xdc00 >> 10)
            return CLU_JSON_BAD;
        code += (j->lead << 10) - (0xd800 << 10) - 0xdc00 + 0x10000;
    } else if (code >> 11 == 0xd800 >> 11) {
        j->lead = code;
        return code >> 10 == 0xd800 >> 10 && !j->least ? CLU_JSON_MORE : CLU_JSON_BAD;
    }
    j->lead = 0;
    clu_json_put_code(j, code);
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
    uint8_t may = j->may;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        return CLU_JSON_MORE;
    if (c == ',' || c == ':') {
        j->may = c == ',' && j->closes == '}' ? CLU_JSON_KEY : CLU_JSON_VALUE;
        return may & (c == ',' ? CLU_JSON_COMMA : CLU_JSON_COLON) ? CLU_JSON_MORE : CLU_JSON_BAD;
    }
    if (c == j->closes && may & CLU_JSON_CLOSE) {
        j->id = j->places[--j->depth];
        j->closes = j->closers[j->depth];
        return c;
    }
    if (c == '"' && may & CLU_JSON_KEY) {
        j->id = j->places[j->depth - 1]; /* its text is kept if the object is wanted */
        clu_json_string(j, true);
        return CLU_JSON_MORE;
    }
    return may & CLU_JSON_VALUE ? clu_json_value(j, c) : CLU_JSON_BAD;
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
        if (j->state <= CLU_JSON_STRUCTURE) {
            token = clu_json_structure(j, c);
        } else if (j->state == CLU_JSON_STRING) {
            token = clu_json_special(j, c);
        } else if (j->state == CLU_JSON_NUMBER) {
            token = clu_json_number(j, c);
        } else if (j->state == CLU_JSON_ESCAPE) {
            token = clu_json_escape(j, c);
        } else if (j->state == CLU_JSON_WORD) {
            if ((char)c != *++j->word)
                return CLU_JSON_BAD;
            if (!j->word[1])
                token = (int)j->code;
        } else {
            token = clu_json_code(j, c);
        }
        if (token < 0)
            return token;
        if (!token)
            continue;
        j->state = j->depth ? CLU_JSON_STRUCTURE : CLU_JSON_DONE;
        j->may = token == '{'   ? CLU_JSON_CLOSE | CLU_JSON_KEY
                 : token == '[' ? CLU_JSON_CLOSE | CLU_JSON_VALUE
                 : j->depth     ? CLU_JSON_CLOSE | CLU_JSON_COMMA
                 : j->many      ? CLU_JSON_VALUE
                                : 0;
        if (j->id != CLU_JSON_NOWHERE)
            return token;
    }
}

#endif
