/*
 * Terms of Erlang as text: made by a format, taken apart by element. For programs that send a few messages and match a few; one that
 * moves many reads their bytes. Memory is malloc's, and its end is the program's end.
 */
#ifndef EXAMPLES_TERMS_H
#define EXAMPLES_TERMS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *terms_memory(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(3);
    }
    return p;
}

/* The text of a term, to be freed; "?" of what is none. */
static inline char *term_text(const void *term, size_t size)
{
    size_t length = cluster_term_print(term, size, NULL, 0);
    char *text = (char *)terms_memory(length + 2);
    strcpy(text, "?");
    (void)cluster_term_print(term, size, text, length + 1);
    return text;
}

/* A term in the external format, to be freed, of a format and what printf takes for it; NULL: that is no term. */
static inline unsigned char *term_format(size_t *size, const char *format, va_list arguments)
{
    va_list again;
    unsigned char *term = NULL;
    char *text;
    int length;
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = (char *)terms_memory((size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    (void)cluster_term_parse(text, NULL, 0, size);
    if (*size) {
        term = (unsigned char *)terms_memory(*size);
        (void)cluster_term_parse(text, term, *size, size);
    }
    free(text);
    return term;
}

static inline unsigned char *term_of(size_t *size, const char *format, ...)
{
    va_list arguments;
    unsigned char *term;
    va_start(arguments, format);
    term = term_format(size, format, arguments);
    va_end(arguments);
    return term;
}

/* The same to a registered process of a node: what cluster_send says. */
static inline int term_send(struct cluster *c, const char *node, const char *process, const char *format, ...)
{
    va_list arguments;
    unsigned char *term;
    size_t size;
    int result;
    va_start(arguments, format);
    term = term_format(&size, format, arguments);
    va_end(arguments);
    result = term ? cluster_send(c, node, process, term, size) : CLUSTER_E_INVALID;
    free(term);
    return result;
}

/* Bytes as a binary, in the text that cluster_term_print gives them, to be freed. */
static inline char *term_binary(const char *bytes)
{
    size_t size = strlen(bytes);
    unsigned char *term = (unsigned char *)terms_memory(6 + size);
    char *text;
    term[0] = 131;
    term[1] = 109; /* BINARY_EXT, 4 bytes of length */
    term[2] = (unsigned char)(size >> 24);
    term[3] = (unsigned char)(size >> 16);
    term[4] = (unsigned char)(size >> 8);
    term[5] = (unsigned char)size;
    memcpy(term + 6, bytes, size);
    text = term_text(term, 6 + size);
    free(term);
    return text;
}

/* Behind the element of a tuple or list that begins at `at`: its comma, or the bracket that closes what it is in. */
static inline const char *term_skip(const char *at)
{
    int depth = 0;
    for (; *at; at++) {
        if (*at == '"' || *at == '\'') {
            char quote = *at;
            for (at++; *at && *at != quote; at++)
                at += *at == '\\' && at[1];
            if (!*at)
                break;
        } else if (*at == '=' && at[1] == '>') {
            at++; /* of a map */
        } else if (strchr("{[(<", *at)) {
            depth++;
        } else if (strchr("}])>", *at)) {
            if (!depth--)
                break;
        } else if (*at == ',' && !depth) {
            break;
        }
    }
    return at;
}

/* The text of the index-th element, from 0, of a tuple or list that is text as cluster_term_print writes it: to be freed; NULL when
 * there is none. A list of numbers that are all letters is a string, so have tuples where there are numbers. */
static inline char *term_element(const char *text, int index)
{
    const char *end;
    char *out;
    if ((*text != '{' && *text != '[') || strchr("}]", text[1]))
        return NULL;
    for (text++; *(end = term_skip(text)) == ',' && index; index--)
        text = end + 1;
    if (index)
        return NULL;
    out = (char *)terms_memory((size_t)(end - text) + 1);
    memcpy(out, text, (size_t)(end - text));
    out[end - text] = '\0';
    return out;
}

/* Is a term's text a tuple that begins with this atom? */
static inline int term_is(const char *text, const char *atom)
{
    size_t length = strlen(atom);
    return *text == '{' && strncmp(text + 1, atom, length) == 0 && (text[1 + length] == ',' || text[1 + length] == '}');
}

#endif
