/*
 * Node names, `name@host`: whether a text is one, and its two halves. Owns nothing; every name from outside passes here before
 * it is used.
 */
#ifndef CLU_WIRE_NAME_H
#define CLU_WIRE_NAME_H

#include "../base/platform.h"

/* An Erlang atom's limit, in bytes. */
#define CLU_NAME_MAX 255

/* No control byte and no space: what may stand in either half of a name. Bytes above ASCII are left alone. */
CLU_FN bool clu_name_clean(const char *bytes, size_t length)
{
    size_t i;
    for (i = 0; i < length; i++)
        if ((unsigned char)bytes[i] <= 0x20 || bytes[i] == 0x7f)
            return false;
    return true;
}

/* One half of a name alone: a base name (before '@') or a host (after it). */
CLU_FN bool clu_name_half_valid(const char *half, size_t length)
{
    return length && length <= CLU_NAME_MAX - 2 && clu_name_clean(half, length) && !memchr(half, '@', length);
}

/* Exactly one '@' with something on both sides, at most 255 bytes. */
CLU_FN bool clu_name_valid(const char *name, size_t length)
{
    const char *at = length && length <= CLU_NAME_MAX ? (const char *)memchr(name, '@', length) : NULL;
    return at && clu_name_half_valid(name, (size_t)(at - name)) &&
           clu_name_half_valid(at + 1, (size_t)(name + length - at - 1));
}

/* The part after '@'; "" when there is none. */
CLU_FN const char *clu_name_host(const char *name)
{
    const char *at = strchr(name, '@');
    return at ? at + 1 : name + strlen(name);
}

/* Long, as the BEAM counts it: a full name or an address. */
CLU_FN bool clu_name_host_is_long(const char *host)
{
    return strpbrk(host, ".:") != NULL;
}

#endif
