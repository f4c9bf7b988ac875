/*
 * JSON: one object a line.
 */
#ifndef CLUSTERCTL_JSON_H
#define CLUSTERCTL_JSON_H

#include "helpers.h"

static bool json_comma; /* the next item needs one before it */

static void json_string(const char *s, size_t size)
{
    size_t i = 0;
    putchar('"');
    while (i < size) {
        unsigned char byte = (unsigned char)s[i];
        size_t length = size - i >= 4 || memchr(s + i, 0, size - i) ? 4 : size - i;
        char window[5];
        memset(window, 0, sizeof window);
        memcpy(window, s + i, smallest(length, size - i));
        length = utf8_length(window);
        if (byte == '"' || byte == '\\') {
            printf("\\%c", byte);
        } else if (byte == '\n') {
            fputs("\\n", stdout);
        } else if (byte < 0x20 || byte == 0x7f) {
            printf("\\u%04x", byte);
        } else if (!length) {
            fputs("\\ufffd", stdout);
        } else {
            fwrite(s + i, 1, length, stdout);
            i += length;
            continue;
        }
        i++;
    }
    putchar('"');
}

static void json_key(const char *key)
{
    if (json_comma)
        putchar(',');
    if (key) {
        json_string(key, strlen(key));
        putchar(':');
    }
    json_comma = true;
}

/* key NULL: an item of a list */
static void json_text(const char *key, const char *value)
{
    json_key(key);
    if (value)
        json_string(value, strlen(value));
    else
        fputs("null", stdout);
}

static void json_number(const char *key, uint64_t value)
{
    json_key(key);
    printf("%llu", (unsigned long long)value);
}

/* 64 bits do not survive a JSON number: hexadecimal text */
static void json_hex(const char *key, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    json_text(key, text);
}

static void json_seconds(const char *key, uint64_t ns)
{
    json_key(key);
    printf("%llu.%03llu", (unsigned long long)(ns / SECOND), (unsigned long long)(ns / MILLISECOND % 1000));
}

static void json_open(const char *key, char bracket)
{
    json_key(key);
    putchar(bracket);
    json_comma = false;
}

static void json_close(char bracket)
{
    putchar(bracket);
    json_comma = true;
}

static void json_begin(const char *type)
{
    json_comma = false;
    json_open(NULL, '{');
    json_text("type", type);
}

static void json_end(void)
{
    fputs("}\n", stdout);
}

static void json_names(const char *key, const struct names *list)
{
    size_t i;
    json_open(key, '[');
    for (i = 0; i < list->count; i++)
        json_text(NULL, list->at[i]);
    json_close(']');
}

#endif
