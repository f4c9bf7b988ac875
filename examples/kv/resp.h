/*
 * RESP2, the protocol of Redis: bytes in, words out, and back. A command is an array of words, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n". Lines
 * without that frame ("inline commands") are refused, so that a browser that was lured here cannot say anything.
 *
 * Every length from outside is compared with a limit before it is believed, and a buffer only grows for bytes that are there.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 1024                       /* words of a command */
#define KEY_MAX ((size_t)4096)               /* bytes */
#define VALUE_MAX ((size_t)1 << 20)          /* bytes */
#define COMMAND_MAX (VALUE_MAX + (1u << 18)) /* bytes of a whole command */

struct slice { /* bytes of somebody else's */
    const char *data;
    size_t size;
};

struct buffer { /* bytes begin..end of a block from malloc */
    char *data;
    size_t begin, end, capacity;
};

static void die(const char *why)
{
    fprintf(stderr, "kv: %s\n", why);
    exit(3);
}

static void *grown(void *old, size_t size)
{
    void *block = realloc(old, size);
    if (!block)
        die("no memory: give it more, or less to keep with --memory");
    return block;
}

static size_t buffer_size(const struct buffer *b)
{
    return b->end - b->begin;
}

/* Room for so many bytes at the end; how many were put there is added to `end` by the caller. */
static char *buffer_room(struct buffer *b, size_t more)
{
    if (b->begin == b->end)
        b->begin = b->end = 0;
    if (b->begin && b->capacity - b->end < more) {
        memmove(b->data, b->data + b->begin, buffer_size(b));
        b->end -= b->begin;
        b->begin = 0;
    }
    if (b->capacity - b->end < more) {
        b->capacity = (b->end + more) * 2;
        b->data = (char *)grown(b->data, b->capacity);
    }
    return b->data + b->end;
}

static void buffer_put(struct buffer *b, const void *data, size_t size)
{
    memcpy(buffer_room(b, size), data, size);
    b->end += size;
}

static void buffer_free(struct buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* At most 1023 bytes of text. */
static void put(struct buffer *b, const char *format, ...)
{
    char text[1024];
    va_list list;
    int size;
    va_start(list, format);
    size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    buffer_put(b, text, size < (int)sizeof text ? (size_t)size : sizeof text - 1);
}

static void put_bulk(struct buffer *b, struct slice s)
{
    put(b, "$%zu\r\n", s.size);
    buffer_put(b, s.data, s.size);
    buffer_put(b, "\r\n", 2);
}

static struct slice buffer_slice(const struct buffer *b)
{
    struct slice s;
    s.data = b->data + b->begin;
    s.size = buffer_size(b);
    return s;
}

static struct slice text_of(const char *text)
{
    struct slice s;
    s.data = text;
    s.size = strlen(text);
    return s;
}

static int slice_is(struct slice s, const char *text) /* case does not count */
{
    return s.size == strlen(text) && !strncasecmp(s.data, text, s.size);
}

/* A number of at most 18 digits that ends with `end`. How many bytes that was; 0: there are not enough yet; -1: it is none. */
static int read_number(struct slice s, char end, int64_t *out)
{
    size_t i = s.size && s.data[0] == '-', first = i;
    for (*out = 0; i < s.size && s.data[i] >= '0' && s.data[i] <= '9'; i++) {
        if (i - first >= 18)
            return -1;
        *out = *out * 10 + (s.data[i] - '0');
    }
    if (i == s.size)
        return 0;
    if (i == first || s.data[i] != end)
        return -1;
    *out = first ? -*out : *out;
    return (int)i + 1;
}

/* The header of an array or of bytes: a mark, a number, \r\n. As above. */
static int read_header(struct slice s, char mark, int64_t *out)
{
    int size;
    if (!s.size)
        return 0;
    if (s.data[0] != mark)
        return -1;
    s.data++;
    s.size--;
    size = read_number(s, '\r', out);
    if (size <= 0)
        return size;
    return (size_t)size == s.size ? 0 : s.data[size] == '\n' ? size + 2 : -1;
}

/* The words of a command. How many bytes it has; 0: it is not all there; -1: it is none, and why. */
static int read_command(struct slice s, struct slice *words, int *count, const char **why)
{
    const char *begin = s.data;
    int64_t number;
    int i, size = read_header(s, '*', &number);
    *why = "Protocol error: expected an array of bulk strings, as redis-cli sends it";
    if (size <= 0)
        return size;
    *why = "Protocol error: invalid multibulk length";
    if (number < 1 || number > WORDS_MAX)
        return -1;
    *count = (int)number;
    for (i = 0; i < *count; i++) {
        s.data += size;
        s.size -= (size_t)size;
        size = read_header(s, '$', &number);
        *why = "Protocol error: invalid bulk length";
        if (size < 0 || (size && (number < 0 || number > (int64_t)VALUE_MAX)))
            return -1;
        *why = "Protocol error: the command is too long";
        if (size && (size_t)(s.data - begin) + (size_t)number > COMMAND_MAX)
            return -1;
        if (!size || s.size < (size_t)size + (size_t)number + 2)
            return 0;
        words[i].data = s.data + size;
        words[i].size = (size_t)number;
        size += (int)number + 2;
        *why = "Protocol error: a bulk string that does not end with \\r\\n";
        if (memcmp(s.data + size - 2, "\r\n", 2) != 0)
            return -1;
    }
    return (int)(s.data - begin) + size;
}

/* How many bytes a reply has; 0: it is not all there; -1: it is none. */
static int64_t reply_size(struct slice s)
{
    size_t at = 0;
    int64_t left = 1, number;
    for (; left; left--) {
        struct slice rest;
        const char *end;
        rest.data = s.data + at;
        rest.size = s.size - at;
        end = rest.size ? (const char *)memchr(rest.data, '\n', rest.size) : NULL;
        if (!end)
            return rest.size > COMMAND_MAX ? -1 : 0;
        at += (size_t)(end - rest.data) + 1;
        if (rest.data[0] == '$' || rest.data[0] == '*') {
            if (read_header(rest, rest.data[0], &number) <= 0 || number > (int64_t)VALUE_MAX * 8)
                return -1;
            if (rest.data[0] == '*' && number > 0)
                left += number;
            else if (rest.data[0] == '$' && number >= 0)
                at += (size_t)number + 2;
            if (at > s.size)
                return 0;
        } else if (!strchr("+-:", rest.data[0])) {
            return -1;
        }
    }
    return (int64_t)at;
}

#endif
