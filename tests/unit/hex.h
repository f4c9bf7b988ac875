/*
 * For unit tests: bytes from hexadecimal text, and the comparison of bytes with it. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_HEX_H
#define TESTS_UNIT_HEX_H

#include <stdio.h>
#include <string.h>

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Spaces are skipped. Fails the test on anything else that is no hexadecimal digit. */
static inline size_t unhex(const char *text, uint8_t *out, size_t room)
{
    size_t size = 0;
    while (*text) {
        int high, low;
        if (*text == ' ') {
            text++;
            continue;
        }
        high = hex_digit(text[0]);
        low = hex_digit(text[1]);
        assert_true(high >= 0 && low >= 0);
        assert_true(size < room);
        out[size++] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return size;
}

static inline void assert_hex(const void *bytes, size_t size, const char *text)
{
    static uint8_t expected[65536];
    assert_int_equal(size, unhex(text, expected, sizeof expected));
    if (size)
        assert_memory_equal(bytes, expected, size);
}

/* Cut a line at its TABs, in place; its line end goes. Returns the number of fields. */
static inline size_t split_fields(char *line, char **fields, size_t room)
{
    size_t count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    while (count < room) {
        char *tab = strchr(line, '\t');
        fields[count++] = line;
        if (!tab)
            break;
        *tab = '\0';
        line = tab + 1;
    }
    return count;
}

#endif
