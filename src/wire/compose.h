/*
 * Texts of requests, from templates: what a URL, a form or a document of JSON says is written out once, with marks where texts go in,
 * each escaped for where it stands. Pure; never allocates.
 */
#ifndef CLU_WIRE_COMPOSE_H
#define CLU_WIRE_COMPOSE_H

#include "number.h"

#include <stdarg.h>

/* A part of a URL: all but letters, digits and -._~ as %XX (RFC 3986). */
CLU_FN void clu_text_quoted(struct clu_text *t, struct clu_slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; text.length; text = clu_slice_from(text, 1)) {
        uint8_t byte = (uint8_t)*text.at, letter = (uint8_t)((byte | 0x20) - 'a');
        char quoted[3];
        quoted[0] = '%';
        quoted[1] = hex[byte >> 4];
        quoted[2] = hex[byte & 15];
        if (letter < 26 || (uint8_t)(byte - '0') < 10 || (byte && strchr("-._~", byte)))
            clu_text_bytes(t, text.at, 1);
        else
            clu_text_bytes(t, quoted, sizeof quoted);
    }
}

/* A text that begins in a buffer. */
CLU_CALLED struct clu_text *clu_text_in(struct clu_text *t, char *buffer, size_t size)
{
    *t = clu_text_on(buffer, size);
    return t;
}

/* What stands between the quotes of JSON. */
CLU_FN void clu_text_json(struct clu_text *t, const char *text)
{
    for (; *text; text++) {
        clu_text_add(t, *text == '"' || *text == '\\' ? "\\" : "");
        clu_text_bytes(t, text, 1);
    }
}

#define CLU_BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* Base64, as RFC 4648 has it. */
CLU_FN void clu_text_base64(struct clu_text *t, const char *bytes, size_t size)
{
    size_t at, i;
    for (at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t group = 0;
        for (i = 0; i < 3; i++)
            group = group << 8 | (i < left ? (uint8_t)bytes[at + i] : 0u);
        for (i = 0; i < 4; i++)
            clu_text_bytes(t, i > left ? "=" : &CLU_BASE64[group >> (18 - 6 * i) & 63], 1);
    }
}

/* The template, in which each of these stands for the next argument: $s a text as it is, $z one with the NUL that ends it, $q one as a part
 * of a URL, $j one between the quotes of JSON, $b one in Base64; $u an unsigned number. */
CLU_FN void clu_compose(struct clu_text *t, const char *form, ...)
{
    va_list arguments;
    va_start(arguments, form);
    for (; *form; form++) {
        const char *text;
        if (*form != '$') {
            clu_text_bytes(t, form, 1);
            continue;
        }
        if (*++form == 'u') {
            clu_text_u64(t, va_arg(arguments, unsigned));
            continue;
        }
        text = va_arg(arguments, const char *);
        if (*form == 'q')
            clu_text_quoted(t, clu_slice_str(text));
        else if (*form == 'j')
            clu_text_json(t, text);
        else if (*form == 'b')
            clu_text_base64(t, text, strlen(text));
        else
            clu_text_bytes(t, text, strlen(text) + (*form == 'z'));
    }
    va_end(arguments);
}

#endif
