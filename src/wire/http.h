/*
 * HTTP/1.1 as a client reads it: lines, and bytes that these announce. The lines of a head and those that frame a body are found
 * and checked in one place; pieces of the body stand where they came. Whatever two readers could understand differently is
 * malformed: both lengths, two that differ, folded lines, codings that nobody asked for. It holds no bytes and never allocates.
 *
 *   STATUS -> FIELDS --+--> COUNTED, or TO_END
 *     ^         |1xx   +--> SIZE -> CHUNK -> CHUNK_END -> SIZE
 *     +---------+             +-> TRAILERS
 */
#ifndef CLU_WIRE_HTTP_H
#define CLU_WIRE_HTTP_H

#include "../base/bytes.h"
#include "hosts.h"

/* Bytes of a head, with those of the interim responses before it; of the line of a chunk; of all trailers. */
#define CLU_HTTP_LINES 16384
#define CLU_HTTP_INTERIM 8 /* responses 1xx before the one that counts */

/* Bytes of the body: so many, up to the connection's end, so many of a chunk. The others are lines: an empty one after a chunk, the
 * one before it with its size, fields after the last. */
enum {
    CLU_HTTP_STATUS,
    CLU_HTTP_FIELDS,
    CLU_HTTP_COUNTED,
    CLU_HTTP_TO_END,
    CLU_HTTP_CHUNK,
    CLU_HTTP_CHUNK_END,
    CLU_HTTP_SIZE,
    CLU_HTTP_TRAILERS
};

struct clu_http {
    size_t at;            /* what comes next is there, in the text that the caller has */
    uint64_t left;        /* of the body or the chunk */
    uint32_t begin, head; /* the head that counts; its end, or as long as that is not there, `at` */
    uint32_t lines;       /* bytes of lines since the last byte of a body */
    uint16_t status;
    uint8_t state, interim;
    bool empty;   /* to be set at the beginning: no body comes, whatever the head says of one, as it asks for HEAD */
    uint8_t body; /* the state after the head, as far as that says it */
    bool modern;
    bool keep;  /* the connection may be used again */
    bool whole; /* the body has ended */
};

/* One visible byte of ASCII or more, without these. */
CLU_FN bool clu_http_plain(struct clu_slice s, const char *without)
{
    size_t i;
    for (i = 0; i < s.length; i++)
        if ((unsigned char)(s.at[i] - 0x21) > 0x7e - 0x21 || strchr(without, s.at[i]))
            return false;
    return i > 0;
}

/* A method, or the name of a field. */
CLU_FN bool clu_http_token(struct clu_slice s)
{
    return clu_http_plain(s, "\"(),/:;<=>?@[\\]{}");
}

/* Case does not count. */
CLU_FN bool clu_http_is(struct clu_slice s, const char *word)
{
    return clu_host_same(s, clu_slice_str(word));
}

/* Without the blanks around it. */
CLU_FN struct clu_slice clu_http_trim(struct clu_slice s)
{
    while (s.length && clu_is_blank(s.at[0]))
        s = clu_slice_from(s, 1);
    while (s.length && clu_is_blank(s.at[s.length - 1]))
        s.length--;
    return s;
}

/* No control byte but the tab. */
CLU_FN bool clu_http_clean(struct clu_slice s)
{
    size_t i;
    for (i = 0; i < s.length; i++)
        if (((unsigned char)s.at[i] < 0x20 && s.at[i] != '\t') || s.at[i] == 0x7f)
            return false;
    return true;
}

/* A field out of its line; false: it is none. */
CLU_FN bool clu_http_field(struct clu_slice line, struct clu_slice *name, struct clu_slice *value)
{
    *name = clu_cut(&line, ':');
    *value = clu_http_trim(line);
    return line.at && clu_http_token(*name) && clu_http_clean(line);
}

/* The value of the first field of this name in a head that is whole; its `at` is NULL where there is none. */
CLU_FN struct clu_slice clu_http_find(struct clu_slice head, const char *wanted)
{
    while (head.length) {
        struct clu_slice line = clu_line(&head), name = clu_cut(&line, ':');
        if (clu_http_is(name, wanted))
            return clu_http_trim(line);
    }
    return clu_slice_of(NULL, 0);
}

/* HTTP/1.1 200 OK, of which the OK may be missing. */
CLU_FN bool clu_http_status(struct clu_http *h, struct clu_slice line)
{
    static const char form[] = "HTTP/1.# ###"; /* # is a digit */
    unsigned i, digit, number = 0;
    if (line.length < 12 || (line.length > 12 && line.at[12] != ' '))
        return false;
    for (i = 0; i < 12; i++) {
        digit = (unsigned char)line.at[i] - (unsigned)'0';
        if (form[i] == '#' ? digit > 9 : line.at[i] != form[i])
            return false;
        number = form[i] == '#' ? number * 10 + digit : 0;
    }
    h->status = (uint16_t)number;
    h->modern = h->keep = line.at[7] != '0';
    h->state = CLU_HTTP_FIELDS;
    h->body = CLU_HTTP_TO_END;
    h->left = UINT64_MAX;
    return number >= 100;
}

/* What a field says of the connection and the body. */
CLU_FN bool clu_http_note(struct clu_http *h, struct clu_slice name, struct clu_slice value)
{
    uint64_t length;
    if (clu_http_is(name, "content-length")) {
        if (!clu_number(value, UINT64_MAX, &length) || h->body == CLU_HTTP_SIZE ||
            (h->body == CLU_HTTP_COUNTED && length != h->left))
            return false;
        h->body = CLU_HTTP_COUNTED;
        h->left = length;
    } else if (clu_http_is(name, "transfer-encoding")) {
        if (h->body != CLU_HTTP_TO_END || !h->modern || !clu_http_is(value, "chunked"))
            return false;
        h->body = CLU_HTTP_SIZE;
        h->left = 0;
    } else if (clu_http_is(name, "connection")) {
        while (value.at)
            if (clu_http_is(clu_http_trim(clu_cut(&value, ',')), "close"))
                h->keep = false;
    }
    return true;
}

/* The empty line after the fields. */
CLU_FN bool clu_http_fields_end(struct clu_http *h)
{
    if (h->status < 200) { /* an interim response; 101 would be another protocol */
        h->state = CLU_HTTP_STATUS;
        h->begin = (uint32_t)h->at;
        return h->status != 101 && h->interim++ < CLU_HTTP_INTERIM;
    }
    if (h->empty || h->status == 204 || h->status == 304) {
        h->body = CLU_HTTP_COUNTED;
        h->left = 0;
    }
    if (h->body == CLU_HTTP_TO_END)
        h->keep = false;
    if (h->body == CLU_HTTP_COUNTED && !h->left)
        h->whole = true;
    h->state = h->body;
    h->lines = 0;
    return true;
}

/* The line before a chunk: its size, and what nobody needs after that. */
CLU_FN bool clu_http_size(struct clu_http *h, struct clu_slice line)
{
    size_t i;
    unsigned digit;
    for (i = 0; i < line.length && (digit = clu_hex_digit(line.at[i])) < 16; i++) {
        if (h->left >> 60)
            return false;
        h->left = h->left << 4 | digit;
    }
    h->state = h->left ? CLU_HTTP_CHUNK : CLU_HTTP_TRAILERS;
    return i && (i == line.length || line.at[i] == ';' || clu_is_blank(line.at[i]));
}

/* A line without its end, and without control bytes but tabs. */
CLU_FN bool clu_http_line(struct clu_http *h, struct clu_slice line)
{
    struct clu_slice name, value;
    switch (h->state) {
    case CLU_HTTP_STATUS:
        return clu_http_status(h, line);
    case CLU_HTTP_SIZE:
        return clu_http_size(h, line);
    case CLU_HTTP_CHUNK_END:
        h->state = CLU_HTTP_SIZE;
        return !line.length;
    default:
        if (line.length)
            return clu_http_field(line, &name, &value) && (h->state == CLU_HTTP_TRAILERS || clu_http_note(h, name, value));
        if (h->state == CLU_HTTP_FIELDS)
            return clu_http_fields_end(h);
        h->whole = true;
        return true;
    }
}

/* Go on in what came so far; h is zeroed before. What stands before h->head is needed again, what is between that and h->at is not.
 * COMPLETE: the head is whole; or a piece of the body is in *piece, which is empty at the body's end. All bytes of a body without a
 * length are its pieces until the caller sees the connection's end. */
CLU_FN enum clu_parse clu_http_next(struct clu_http *h, struct clu_slice text, struct clu_slice *piece)
{
    *piece = clu_slice_of(NULL, 0);
    while (!h->whole) {
        struct clu_slice rest = clu_slice_from(text, h->at);
        bool head = h->state <= CLU_HTTP_FIELDS, whole;
        size_t length;
        if (!head && h->state <= CLU_HTTP_CHUNK) {
            if (!rest.length)
                return CLU_NEED_MORE;
            if (rest.length > h->left)
                rest.length = (size_t)h->left;
            *piece = rest;
            h->at += rest.length;
            h->left -= rest.length;
            h->lines = 0;
            h->whole = !h->left && h->state == CLU_HTTP_COUNTED;
            if (!h->left)
                h->state = CLU_HTTP_CHUNK_END;
            return CLU_COMPLETE;
        }
        length = clu_slice_find(rest, '\n') + 1;
        if (h->lines + length > CLU_HTTP_LINES)
            return CLU_MALFORMED;
        whole = length <= rest.length;
        rest.length = length - 1;
        rest.length -= rest.length && rest.at[rest.length - 1] == '\r';
        if (!clu_http_clean(rest))
            return CLU_MALFORMED;
        if (!whole) /* it is looked at again when more of it came */
            return CLU_NEED_MORE;
        h->lines += (uint32_t)length;
        h->at += length;
        if (head)
            h->head = (uint32_t)h->at;
        if (!clu_http_line(h, rest))
            return CLU_MALFORMED;
        if (head && h->state > CLU_HTTP_FIELDS)
            return CLU_COMPLETE;
    }
    return CLU_COMPLETE;
}

#endif
