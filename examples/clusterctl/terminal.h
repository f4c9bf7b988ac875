/*
 * Words on the terminal: colour, and text from outside made safe.
 */
#ifndef CLUSTERCTL_TERMINAL_H
#define CLUSTERCTL_TERMINAL_H

#include "helpers.h"

static bool environment_is(const char *name, const char *value)
{
    const char *set = getenv(name);
    return set && !strcmp(set, value);
}

/* A terminal that can move its cursor. */
static bool is_terminal(int fd)
{
    return isatty(fd) && !environment_is("TERM", "dumb") && getenv("TERM");
}

static bool wants_colour(int fd)
{
    const char *no = getenv("NO_COLOR");
    return is_terminal(fd) && !(no && *no);
}

static bool speaks_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    size_t i;
    for (i = 0; i < COUNT(variables); i++) {
        const char *set = getenv(variables[i]);
        if (set && *set)
            return strstr(set, "UTF-8") || strstr(set, "utf8") || strstr(set, "utf-8");
    }
    return false;
}

/* The length of the well-formed UTF-8 character at `s`, 0 if there is none. */
static size_t utf8_length(const char *s)
{
    const unsigned char *b = (const unsigned char *)s;
    size_t i, length = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (length > 1) {
        unsigned low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
        unsigned high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
        if (b[1] < low || b[1] > high)
            return 0;
    }
    for (i = 2; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* What came from the network or a file may try to steer the terminal: controls become \xHH. */
static void print_safe(FILE *out, const char *s)
{
    while (*s) {
        size_t length = utf8_length(s);
        unsigned char byte = (unsigned char)*s;
        bool control = byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (unsigned char)s[1] < 0xa0);
        if (!length || control) {
            fprintf(out, "\\x%02x", byte);
            s++;
        } else {
            fwrite(s, 1, length, out);
            s += length;
        }
    }
}

#endif
