/*
 * Helpers: errors, memory, growing text, lists of names, near misses.
 */
#ifndef CLUSTERCTL_HELPERS_H
#define CLUSTERCTL_HELPERS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

enum { DONE = 0, NEGATIVE = 1, USAGE = 2, FAILED = 3 };

/* One sentence to stderr; returns the exit status, so that a command ends with `return fail(USAGE, ...)`. */
static int fail(int status, const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(int status, const char *format, ...)
{
    char sentence[4096]; /* written at once, for others may write to the same terminal */
    va_list list;
    fflush(stdout);
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    fprintf(stderr, "clusterctl: %s\n", sentence);
    return status;
}

static void *grow(void *old, size_t size)
{
    void *grown = realloc(old, size ? size : 1);
    if (!grown)
        exit(fail(FAILED, "out of memory: %lu bytes were not to be had", (unsigned long)size));
    return grown;
}

static char *copy_of(const char *string)
{
    size_t size = strlen(string) + 1;
    return (char *)memcpy(grow(NULL, size), string, size);
}

/* Text that grows; always NUL-terminated once something was added. */
struct text {
    char *at;
    size_t length, capacity;
};

static void text_bytes(struct text *t, const char *bytes, size_t count)
{
    if (t->length + count + 1 > t->capacity) {
        t->capacity = (t->length + count + 1) * 2;
        t->at = (char *)grow(t->at, t->capacity);
    }
    memcpy(t->at + t->length, bytes, count);
    t->length += count;
    t->at[t->length] = '\0';
}

static void text_add(struct text *t, const char *string)
{
    text_bytes(t, string, strlen(string));
}

static void text_format(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);

static void text_format(struct text *t, const char *format, ...)
{
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    text_add(t, line);
}

static void text_clear(struct text *t)
{
    text_bytes(t, "", 0);
    t->length = 0;
    t->at[0] = '\0';
}

static void text_free(struct text *t)
{
    free(t->at);
    memset(t, 0, sizeof *t);
}

/* A list of strings of our own. */
struct names {
    char **at;
    size_t count;
};

static void names_add(struct names *n, const char *name, size_t length)
{
    char *copy = (char *)grow(NULL, length + 1);
    memcpy(copy, name, length);
    copy[length] = '\0';
    n->at = (char **)grow(n->at, (n->count + 1) * sizeof *n->at);
    n->at[n->count++] = copy;
}

static void names_clear(struct names *n)
{
    while (n->count)
        free(n->at[--n->count]);
    free(n->at);
    n->at = NULL;
}

/* The parts of `text` between separators; empty text has none. */
static void names_split(struct names *n, const char *text, char separator)
{
    names_clear(n);
    while (*text) {
        const char *end = strchr(text, separator);
        size_t length = end ? (size_t)(end - text) : strlen(text);
        names_add(n, text, length);
        text += length;
        if (*text == separator && *++text == '\0')
            names_add(n, "", 0);
    }
}

static bool names_has(const struct names *n, const char *name)
{
    size_t i;
    for (i = 0; i < n->count; i++)
        if (!strcmp(n->at[i], name))
            return true;
    return false;
}

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to insert, drop, change or swap to get from one word to the other. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][32];
    size_t i, j, la = strlen(a), lb = strlen(b);
    if (la >= 32 || lb >= 32)
        return 32;
    for (j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (j = 1; j <= lb; j++) {
            row[j] = smallest(smallest(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smallest(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

/* Keeps in *best the word nearest to what was typed, if it is near at all. */
struct nearest {
    const char *typed;
    const char *best;
    size_t distance;
};

static void nearest_try(struct nearest *n, const char *word)
{
    size_t d = distance(n->typed, word);
    size_t length = strlen(n->typed);
    if (length >= 2 && !strncmp(n->typed, word, length))
        d = 1;
    if (d <= (strlen(word) < 5 ? 1u : 2u) && (!n->best || d < n->distance)) {
        n->best = word;
        n->distance = d;
    }
}

#endif
