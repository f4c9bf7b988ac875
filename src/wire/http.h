/*
 * HTTP/1.1 as a client reads it: the head of a response once it is whole, a field of it, and the body taken out of its framing
 * piece by piece, in place. Whatever two readers could understand differently is malformed: both lengths, two that differ, folded
 * lines, codings that nobody asked for. It holds no bytes and never allocates.
 */
#ifndef CLU_WIRE_HTTP_H
#define CLU_WIRE_HTTP_H

#include "../base/bytes.h"
#include "hosts.h"

#define CLU_HTTP_HEAD_MAX 16384 /* bytes of a head */
#define CLU_HTTP_FRAMING 4096   /* bytes of the line of a chunk, or of all trailers */

/* Where in the body: in bytes that are counted, in those up to the connection's end, in the line before a chunk (its number, what
 * comes after that), after a chunk, in the trailers. */
enum {
    CLU_HTTP_COUNTED,
    CLU_HTTP_TO_END,
    CLU_HTTP_SIZE,
    CLU_HTTP_EXTENSION,
    CLU_HTTP_CHUNK,
    CLU_HTTP_CHUNK_END,
    CLU_HTTP_TRAILER
};

struct clu_http {
    size_t head;    /* bytes of the head; until it is whole: those that were looked at */
    size_t line;    /* where the line begins that is looked at */
    uint64_t left;  /* of the body or the chunk */
    uint32_t count; /* bytes of framing since the last chunk */
    uint16_t status;
    uint8_t state;
    bool keep;              /* the connection may be used again */
    bool whole;             /* the body has ended */
    bool digit, cr, filled; /* of a line: a digit was there, a CR was the last byte, it is not empty */
};

/* A method, or the name of a field. */
CLU_FN bool clu_http_token(struct clu_slice s)
{
    size_t i;
    for (i = 0; i < s.length; i++) {
        char c = clu_lower(s.at[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return s.length != 0;
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

/* The next field of a head; false: there is none, or it is malformed, which *bad says. */
CLU_FN bool clu_http_field(struct clu_slice *head, struct clu_slice *name, struct clu_slice *value, bool *bad)
{
    struct clu_slice line;
    if (!head->at)
        return false;
    line = clu_line(head);
    if (!line.length)
        return false;
    *name = clu_cut(&line, ':');
    *value = clu_http_trim(line);
    *bad = !line.at || !clu_http_token(*name) || !clu_http_clean(*value);
    return !*bad;
}

/* What the fields say of the connection and the body. */
CLU_FN bool clu_http_fields(struct clu_http *h, struct clu_slice head)
{
    struct clu_slice name, value;
    bool bad = false, counted = false, chunked = false;
    uint64_t length;
    while (clu_http_field(&head, &name, &value, &bad)) {
        if (clu_host_same(name, clu_slice_str("content-length"))) {
            if (!clu_number(value, UINT64_MAX, &length) || (counted && length != h->left))
                return false;
            h->left = length;
            counted = true;
        } else if (clu_host_same(name, clu_slice_str("transfer-encoding"))) {
            if (chunked || !h->keep || !clu_host_same(value, clu_slice_str("chunked")))
                return false;
            chunked = true;
        } else if (clu_host_same(name, clu_slice_str("connection"))) {
            while (value.at)
                if (clu_host_same(clu_http_trim(clu_cut(&value, ',')), clu_slice_str("close")))
                    h->filled = true;
        }
    }
    if (bad || (counted && chunked))
        return false;
    if (h->status < 200 || h->status == 204 || h->status == 304) {
        chunked = false;
        counted = true;
        h->left = 0;
    }
    h->state = chunked ? CLU_HTTP_SIZE : counted ? CLU_HTTP_COUNTED : CLU_HTTP_TO_END;
    h->whole = counted && !h->left;
    h->keep = h->keep && !h->filled && (counted || chunked);
    return true;
}

/* The head at the beginning of these bytes, which begin as they did the last time; h is zeroed before the first time. */
CLU_FN enum clu_parse clu_http_head(struct clu_http *h, struct clu_slice text)
{
    struct clu_slice line;
    uint64_t status;
    for (;;) {
        size_t end = h->head + clu_slice_find(clu_slice_from(text, h->head), '\n');
        if (end >= CLU_HTTP_HEAD_MAX)
            return CLU_MALFORMED;
        h->head = end;
        if (end == text.length)
            return CLU_NEED_MORE;
        h->head++;
        if (end == h->line || (end == h->line + 1 && text.at[h->line] == '\r'))
            break;
        h->line = h->head;
    }
    text.length = h->head;
    line = clu_line(&text);
    if (line.length < 12 || !clu_slice_starts(line, "HTTP/1.") || line.at[8] != ' ' ||
        !clu_number(clu_slice_of(line.at + 7, 1), 9, &status))
        return CLU_MALFORMED;
    h->keep = status != 0;
    if (!clu_number(clu_slice_of(line.at + 9, 3), 999, &status) || status < 100 || (line.length > 12 && line.at[12] != ' ') ||
        !clu_http_clean(line))
        return CLU_MALFORMED;
    h->status = (uint16_t)status;
    return clu_http_fields(h, text) ? CLU_COMPLETE : CLU_MALFORMED;
}

/* The first field of this name in a head that is whole; its `at` is NULL where there is none. */
CLU_FN struct clu_slice clu_http_find(struct clu_slice head, const char *wanted)
{
    struct clu_slice name, value;
    bool bad;
    (void)clu_line(&head);
    while (clu_http_field(&head, &name, &value, &bad))
        if (clu_host_same(name, clu_slice_str(wanted)))
            return value;
    return clu_slice_of(NULL, 0);
}

/* A byte of framing. */
CLU_FN bool clu_http_framing(struct clu_http *h, uint8_t c)
{
    unsigned digit = clu_hex_digit((char)c);
    bool ends = c == '\n';
    if (++h->count > CLU_HTTP_FRAMING || (h->cr && !ends))
        return false;
    h->cr = c == '\r';
    if (h->cr)
        return h->state != CLU_HTTP_SIZE || h->digit;
    if (h->state == CLU_HTTP_SIZE && digit < 16) {
        if (h->left >> 60)
            return false;
        h->left = h->left << 4 | digit;
        h->digit = true;
    } else if (h->state == CLU_HTTP_CHUNK_END) {
        h->state = CLU_HTTP_SIZE;
        h->count = 0;
        h->digit = false;
        return ends;
    } else if (h->state == CLU_HTTP_TRAILER) {
        h->whole = ends && !h->filled;
        h->filled = !ends;
    } else if (ends) {
        h->state = h->left ? CLU_HTTP_CHUNK : CLU_HTTP_TRAILER;
        h->filled = false;
        return h->digit;
    } else {
        bool begins = h->state == CLU_HTTP_SIZE;
        h->state = CLU_HTTP_EXTENSION;
        return h->digit && (!begins || c == ';' || clu_is_blank((char)c)) && (c >= 0x20 || c == '\t') && c != 0x7f;
    }
    return true;
}

/* The next piece of the body in the bytes that came. COMPLETE: it is in *piece, or the body has ended and *piece is empty; all bytes
 * of a body without a length are its pieces until the caller sees the connection's end. */
CLU_FN enum clu_parse clu_http_body(struct clu_http *h, struct clu_reader *r, struct clu_slice *piece)
{
    *piece = clu_slice_of(NULL, 0);
    while (!h->whole) {
        size_t size = clu_left(r);
        bool counted = h->state == CLU_HTTP_COUNTED || h->state == CLU_HTTP_CHUNK;
        if (!size)
            return CLU_NEED_MORE;
        if (counted || h->state == CLU_HTTP_TO_END) {
            if (counted && size > h->left)
                size = (size_t)h->left;
            *piece = clu_slice_of((const char *)clu_take(r, size), size);
            h->left -= counted ? size : 0;
            if (counted && !h->left) {
                h->whole = h->state == CLU_HTTP_COUNTED;
                if (!h->whole)
                    h->state = CLU_HTTP_CHUNK_END;
                h->count = 0;
            }
            return CLU_COMPLETE;
        }
        if (!clu_http_framing(h, clu_read_u8(r)))
            return CLU_MALFORMED;
    }
    return CLU_COMPLETE;
}

#endif
