/*
 * Texts of requests, from templates: what a URL, a form or a document of JSON says is written out once, with marks where texts go in,
 * each escaped for where it stands. Pure; never allocates.
 */
#ifndef CLU_WIRE_COMPOSE_H
#define CLU_WIRE_COMPOSE_H

#include "number.h"

#include <stdarg.h>

/* A text for where it goes, by the letter of its mark: q a part of a URL, of which all but letters, digits and -._~ is %XX (RFC 3986);
 * j what stands between the quotes of JSON; others as it is. */
CLU_FN void clu_text_fit(struct clu_text *t, char mark, struct clu_slice text)
{
    static const char hex[] = "0123456789ABCDEF", unreserved[] = "-._~";
    for (; text.length; text = clu_slice_from(text, 1)) {
        uint8_t byte = (uint8_t)*text.at, letter = (uint8_t)((byte | 0x20) - 'a');
        const char *escape = "";
        bool plain = true;
        if (mark == 'q' && letter >= 26 && (uint8_t)(byte - '0') >= 10 && !memchr(unreserved, byte, sizeof unreserved - 1)) {
            escape = "%";
            plain = false;
        } else if (mark == 'j' && byte < 0x20) {
            escape = "\\u00";
            plain = false;
        } else if (mark == 'j' && (byte == '"' || byte == '\\')) {
            escape = "\\";
        }
        clu_text_add(t, escape);
        if (!plain)
            clu_text_bytes(t, &hex[byte >> 4], 1);
        clu_text_bytes(t, plain ? text.at : &hex[byte & 15], 1);
    }
}

/* All but what a URL takes as it is. */
CLU_FN void clu_text_quoted(struct clu_text *t, struct clu_slice text)
{
    clu_text_fit(t, 'q', text);
}

/* A text that begins in a buffer. */
CLU_CALLED struct clu_text *clu_text_in(struct clu_text *t, char *buffer, size_t size)
{
    *t = clu_text_on(buffer, size);
    return t;
}

#define CLU_BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* Base64, as RFC 4648 has it: a digit is of two bytes, of which the second may be the NUL. */
CLU_FN void clu_text_base64(struct clu_text *t, const char *text)
{
    size_t i, at, size = strlen(text);
    for (i = 0; (at = i * 3 / 4) < size || i % 4; i++) {
        unsigned two = at < size ? (unsigned)(uint8_t)text[at] << 8 | (uint8_t)text[at + 1] : 0;
        clu_text_bytes(t, at < size ? &CLU_BASE64[two >> (10 - i * 6 % 8) & 63] : "=", 1);
    }
}

/* The template, in which each of these stands for the next argument: $s a text as it is, $z one with the NUL that ends it, $q one as a part
 * of a URL, $j one between the quotes of JSON, $b one in Base64, $x 32 bytes in hexadecimal digits; $u an unsigned number. */
CLU_FN void clu_compose(struct clu_text *t, const char *form, ...)
{
    va_list arguments;
    va_start(arguments, form);
    for (; *form; form++) {
        const char *text, *end;
        if (*form != '$') {
            clu_text_bytes(t, form, 1);
            continue;
        }
        if (*++form == 'u') {
            clu_text_u64(t, va_arg(arguments, unsigned));
            continue;
        }
        text = va_arg(arguments, const char *);
        if (*form == 'b')
            clu_text_base64(t, text);
        else if (*form == 'x')
            for (end = text + 32; text < end; text++)
                clu_text_hex(t, (uint8_t)*text);
        else
            clu_text_fit(t, *form, clu_slice_of(text, strlen(text) + (*form == 'z')));
    }
    va_end(arguments);
}

#endif
