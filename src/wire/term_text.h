/*
 * What reading and printing Erlang's term syntax share: which atoms stand without quotes, the escapes, how deep terms go, and
 * where what they make is put.
 */
#ifndef CLU_WIRE_TERM_TEXT_H
#define CLU_WIRE_TERM_TEXT_H

#include "number.h"
#include "term.h"

#define CLU_TERM_TEXT_MAX ((size_t)1 << 30) /* bytes: what is made of it has 32 bits for every size */

/* The letters that stand for a character after a backslash, and these. */
#define CLU_TERM_ESCAPES "bdefnrstv"
#define CLU_TERM_ESCAPED "\b\177\033\f\n\r \t\v"

/* What has no form in Erlang's own syntax: #Pid<NODE.ID.SERIAL.CREATION>, #Port<NODE.ID.CREATION> and
 * #Ref<NODE.CREATION.WORD...>, the numbers in the order of the external format, and #Fun<HEX,MODULE,INDEX,UNIQ,PID,FREE...>
 * with arity, uniq and index in hexadecimal digits and then its terms. */
enum { CLU_OPAQUE_PID, CLU_OPAQUE_PORT, CLU_OPAQUE_REFERENCE, CLU_OPAQUE_FUN, CLU_OPAQUE_KINDS };
CLU_FN const char *clu_term_opaque(unsigned kind)
{
    static const char names[CLU_OPAQUE_KINDS][7] = {"#Pid<", "#Port<", "#Ref<", "#Fun<"};
    return names[kind];
}

#define CLU_FUN_BYTES 21 /* arity, uniq and index */
#define CLU_FUN_TERMS 4  /* module, old index, old uniq and pid come before the free variables */

/* What is made: bytes, of which those that do not fit are counted alone. */
struct clu_sink {
    uint8_t *data;
    size_t capacity;
    size_t size; /* also of what did not fit */
};

CLU_CALLED void clu_sink_put(struct clu_sink *s, const void *data, size_t size)
{
    if (size && s->size < s->capacity) {
        size_t room = s->capacity - s->size;
        memcpy(s->data + s->size, data, size < room ? size : room);
    }
    s->size += size;
}

CLU_CALLED void clu_sink_be(struct clu_sink *s, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    clu_put_be(bytes, value, width);
    clu_sink_put(s, bytes, width);
}

/* A character in UTF-8. Returns how many bytes it takes. */
CLU_CALLED size_t clu_utf8_write(uint8_t out[4], uint32_t c)
{
    size_t more = (size_t)(c > 0x7f) + (c > 0x7ff) + (c > 0xffff), i;
    for (i = more; i; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(more ? (0xff00u >> (more + 1)) | c : c);
    return more + 1;
}

CLU_FN bool clu_term_lower(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7);
}

CLU_FN bool clu_term_name_character(uint32_t c)
{
    return clu_term_lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@' ||
           (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

/* Where a word of the language stands among them, -1: it is none. It is an atom in quotes alone, but those from
 * CLU_TERM_NEWER_WORDS on, which are words since OTP 25 to 27, are read without. */
#define CLU_TERM_NEWER_WORDS 27
CLU_FN int clu_term_reserved(const void *text, size_t length)
{
    return clu_word_find(
        "after and andalso band begin bnot bor bsl bsr bxor case catch cond div end fun if let not of or orelse "
        "receive rem try when xor else maybe",
        clu_slice_of((const char *)text, length));
}

#endif
