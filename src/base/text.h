/*
 * Text built in a caller's fixed buffer, always NUL-terminated, cut where it does not fit. For sentences, lines and keys:
 * what a machine must not see cut is checked with `cut`. Never allocates.
 */
#ifndef CLU_BASE_TEXT_H
#define CLU_BASE_TEXT_H

#include "platform.h"

struct clu_text {
    char *data;
    size_t room; /* without the NUL */
    size_t length;
    bool cut;
};

/* `size`: of the buffer, at least 1. */
CLU_CALLED struct clu_text clu_text_on(char *buffer, size_t size)
{
    struct clu_text t;
    t.data = buffer;
    t.room = size - 1;
    t.length = 0;
    t.cut = false;
    buffer[0] = '\0';
    return t;
}

CLU_FN void clu_text_bytes(struct clu_text *t, const char *bytes, size_t count)
{
    size_t left = t->room - t->length;
    if (count > left) {
        count = left;
        t->cut = true;
    }
    if (count)
        memcpy(t->data + t->length, bytes, count);
    t->length += count;
    t->data[t->length] = '\0';
}

CLU_FN void clu_text_add(struct clu_text *t, const char *string)
{
    clu_text_bytes(t, string, strlen(string));
}

CLU_FN void clu_text_u64(struct clu_text *t, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    clu_text_bytes(t, digits + at, sizeof digits - at);
}

/* Two digits. */
CLU_FN void clu_text_hex(struct clu_text *t, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    clu_text_bytes(t, &hex[byte >> 4], 1);
    clu_text_bytes(t, &hex[byte & 15], 1);
}

/* Bytes from outside, safe to print: controls, quotes, backslashes and what is no ASCII as \xHH. */
CLU_FN void clu_text_escaped(struct clu_text *t, const char *bytes, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        uint8_t b = (uint8_t)bytes[i];
        if (b >= 0x20 && b < 0x7f && b != '\\' && b != '"') {
            clu_text_bytes(t, bytes + i, 1);
        } else {
            clu_text_add(t, "\\x");
            clu_text_hex(t, b);
        }
    }
}

/* A byte range of a longer string. */
struct clu_slice {
    const char *at;
    size_t length;
};

CLU_FN struct clu_slice clu_slice_of(const char *at, size_t length)
{
    struct clu_slice s;
    s.at = at;
    s.length = length;
    return s;
}

CLU_FN struct clu_slice clu_slice_str(const char *string)
{
    return clu_slice_of(string, strlen(string));
}

CLU_FN bool clu_slice_is(struct clu_slice s, const char *string)
{
    return strlen(string) == s.length && (!s.length || memcmp(s.at, string, s.length) == 0);
}

#define CLU_SAY_MOST 80 /* bytes that a sentence quotes */

/* A sentence, in which # stands for a text from outside, which is escaped and shortened, and $ for one of our own. It returns
 * CLUSTER_E_INVALID, for those who refuse something with it. */
CLU_FN int clu_say(struct clu_text *t, const char *sentence, struct clu_slice theirs, const char *ours)
{
    for (; *sentence; sentence++) {
        if (*sentence == '#') {
            clu_text_escaped(t, theirs.at, theirs.length < CLU_SAY_MOST ? theirs.length : CLU_SAY_MOST);
            clu_text_add(t, theirs.length > CLU_SAY_MOST ? "..." : "");
        } else if (*sentence == '$') {
            clu_text_add(t, ours);
        } else {
            clu_text_bytes(t, sentence, 1);
        }
    }
    return CLUSTER_E_INVALID;
}

#endif
