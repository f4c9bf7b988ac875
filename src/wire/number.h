/*
 * What every text grammar here is made of: splitting at a byte, whole decimals, durations. A slice in, a bool and
 * a value out; on false nothing was written. Knows no sign, fraction, space or locale.
 */
#ifndef CLU_WIRE_NUMBER_H
#define CLU_WIRE_NUMBER_H

#include "../base/text.h"

/* Where `byte` is first in s, or s.length. */
CLU_FN size_t clu_slice_find(struct clu_slice s, char byte)
{
    const char *at = s.length ? (const char *)memchr(s.at, byte, s.length) : NULL;
    return at ? (size_t)(at - s.at) : s.length;
}

CLU_FN struct clu_slice clu_slice_from(struct clu_slice s, size_t offset)
{
    return clu_slice_of(s.at + offset, s.length - offset);
}

CLU_FN bool clu_slice_same(struct clu_slice a, struct clu_slice b)
{
    return a.length == b.length && (!a.length || memcmp(a.at, b.at, a.length) == 0);
}

CLU_FN bool clu_slice_starts(struct clu_slice s, const char *prefix)
{
    size_t length = strlen(prefix);
    return s.length >= length && memcmp(s.at, prefix, length) == 0;
}

/* ASCII only, whatever the locale. */
CLU_FN char clu_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The text before the first `separator`; *rest keeps what comes after it. Where there is none all of it is given and rest->at
 * becomes NULL, so that "a," has two parts: while (rest.at) part = clu_cut(&rest, ','). */
CLU_FN struct clu_slice clu_cut(struct clu_slice *rest, char separator)
{
    size_t at = clu_slice_find(*rest, separator);
    struct clu_slice part = clu_slice_of(rest->at, at);
    if (at < rest->length)
        *rest = clu_slice_from(*rest, at + 1);
    else
        *rest = clu_slice_of(NULL, 0);
    return part;
}

/* The place of a word in a list of words, each after one space; -1: it is none of them. */
CLU_FN int clu_word_find(const char *words, struct clu_slice word)
{
    struct clu_slice rest = clu_slice_str(words);
    int at;
    for (at = 0; rest.at; at++)
        if (clu_slice_same(clu_cut(&rest, ' '), word))
            return at;
    return -1;
}

/* The same of what somebody chose, or `otherwise` if that is NULL. */
CLU_CALLED int clu_word_or(const char *words, const char *chosen, int otherwise)
{
    return chosen ? clu_word_find(words, clu_slice_str(chosen)) : otherwise;
}

/* A hexadecimal digit's value, or 256. */
CLU_FN unsigned clu_hex_digit(char c)
{
    unsigned value = (unsigned)(unsigned char)c - '0';
    if (value < 10)
        return value;
    value = ((unsigned)(unsigned char)c | 0x20) - 'a';
    return value < 6 ? value + 10 : 256;
}

/* One or more decimal digits, 0..max. */
CLU_FN bool clu_number(struct clu_slice s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    size_t i;
    for (i = 0; i < s.length; i++) {
        unsigned digit = (unsigned)(unsigned char)s.at[i] - '0';
        if (digit > 9 || digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (!s.length)
        return false;
    *out = value;
    return true;
}

/* 500ms, 5s, 1m, 2h as nanoseconds; 0 needs no unit. CLUSTER_NEVER is no duration. */
CLU_FN bool clu_duration(struct clu_slice s, uint64_t *out_ns)
{
    static const uint16_t factors[] = {1, 1000, 60, 60}; /* each unit in the one before, the first of them 1 ms */
    size_t digits = 0;
    uint64_t value, scale = CLU_MS;
    int unit, i;
    while (digits < s.length && s.at[digits] >= '0' && s.at[digits] <= '9')
        digits++;
    if (!clu_number(clu_slice_of(s.at, digits), CLUSTER_NEVER - 1, &value))
        return false;
    s = clu_slice_from(s, digits);
    unit = clu_word_find("ms s m h", s);
    for (i = 0; i <= unit; i++)
        scale *= factors[i];
    if ((unit < 0 && (value || s.length)) || value > (CLUSTER_NEVER - 1) / scale)
        return false;
    *out_ns = value * scale;
    return true;
}

/* A port, 1..65535. */
CLU_FN bool clu_port(struct clu_slice s, uint16_t *out)
{
    uint64_t value;
    if (!clu_number(s, 65535, &value) || !value)
        return false;
    *out = (uint16_t)value;
    return true;
}

/* A range of ports, `9100-9200`, or one port, which is both ends. */
CLU_FN bool clu_port_range(struct clu_slice s, uint16_t *first, uint16_t *last)
{
    uint16_t from, to;
    struct clu_slice low = clu_cut(&s, '-');
    if (!clu_port(low, &from))
        return false;
    to = from;
    if (s.at && (!clu_port(s, &to) || to < from))
        return false;
    *first = from;
    *last = to;
    return true;
}

#endif
