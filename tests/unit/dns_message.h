/* A writer of DNS messages for tests, of any shape: it knows nothing of what is allowed. */
#ifndef TEST_DNS_MESSAGE_H
#define TEST_DNS_MESSAGE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct message {
    uint8_t data[65536];
    size_t size;
};

static inline void put(struct message *m, const void *bytes, size_t size)
{
    if (size > sizeof m->data - m->size)
        abort();
    memcpy(m->data + m->size, bytes, size);
    m->size += size;
}

static inline void put8(struct message *m, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(m, &byte, 1);
}

static inline void put16(struct message *m, unsigned value)
{
    put8(m, value >> 8);
    put8(m, value);
}

static inline void put32(struct message *m, uint32_t value)
{
    put16(m, value >> 16);
    put16(m, value & 0xffff);
}

/* Change what is there. */
static inline void at16(struct message *m, size_t at, unsigned value)
{
    m->data[at] = (uint8_t)(value >> 8);
    m->data[at + 1] = (uint8_t)value;
}

static inline unsigned get16(const struct message *m, size_t at)
{
    return (unsigned)m->data[at] << 8 | m->data[at + 1];
}

/* Labels parted by dots, without the end. */
static inline void put_labels(struct message *m, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, ".");
        put8(m, (unsigned)length);
        put(m, text, length);
        text += length + (text[length] == '.');
    }
}

static inline void put_name(struct message *m, const char *text)
{
    put_labels(m, text);
    put8(m, 0);
}

/* A response's header and question, without records. */
static inline void begin(struct message *m, unsigned id, unsigned flags, const char *name, unsigned type)
{
    m->size = 0;
    put16(m, id);
    put16(m, flags);
    put32(m, 0x00010000);
    put32(m, 0);
    put_name(m, name);
    put16(m, type);
    put16(m, 1);
}

enum { ANSWER = 6, AUTHORITY = 8, ADDITIONAL = 10 };

/* What stands between a record's owner and its data. The record is counted in the section, which is one of the above. */
static inline void put_head(struct message *m, unsigned section, unsigned type, uint32_t ttl, unsigned size)
{
    at16(m, section, get16(m, section) + 1);
    put16(m, type);
    put16(m, 1);
    put32(m, ttl);
    put16(m, size);
}

/* Begin a record's data, and end it. */
static inline size_t open_data(struct message *m, unsigned section, unsigned type, uint32_t ttl)
{
    put_head(m, section, type, ttl, 0);
    return m->size;
}

static inline void close_data(struct message *m, size_t at)
{
    at16(m, at - 2, (unsigned)(m->size - at));
}

/* The owner is the name asked for: a pointer to the question. */
static inline void put_a(struct message *m, uint32_t ttl, uint32_t address)
{
    put16(m, 0xc00c);
    put_head(m, ANSWER, 1, ttl, 4);
    put32(m, address);
}

static inline void put_aaaa(struct message *m, uint32_t ttl, uint32_t last)
{
    put16(m, 0xc00c);
    put_head(m, ANSWER, 28, ttl, 16);
    put32(m, 0xfd000000);
    put32(m, 0);
    put32(m, 0);
    put32(m, last);
}

static inline void put_srv(struct message *m, uint32_t ttl, unsigned priority, unsigned weight, unsigned port,
                           const char *target)
{
    size_t at;
    put16(m, 0xc00c);
    at = open_data(m, ANSWER, 33, ttl);
    put16(m, priority);
    put16(m, weight);
    put16(m, port);
    put_name(m, target);
    close_data(m, at);
}

static inline void put_cname(struct message *m, uint32_t ttl, const char *owner, const char *target)
{
    size_t at;
    put_name(m, owner);
    at = open_data(m, ANSWER, 5, ttl);
    put_name(m, target);
    close_data(m, at);
}

static inline void put_soa(struct message *m, uint32_t ttl, uint32_t minimum)
{
    size_t at;
    put16(m, 0xc00c);
    at = open_data(m, AUTHORITY, 6, ttl);
    put_name(m, "ns.example");
    put_name(m, "root.example");
    put32(m, 1);
    put32(m, 2);
    put32(m, 3);
    put32(m, 4);
    put32(m, minimum);
    close_data(m, at);
}

static inline void put_opt(struct message *m, uint32_t ttl, unsigned size)
{
    put8(m, 0);
    put_head(m, ADDITIONAL, 41, ttl, size);
    at16(m, m->size - 8, 1232);
}

/* The name that a query asks for, as text with dots; its type. */
static inline unsigned asked_for(const uint8_t *query, char name[256])
{
    size_t at = 12, used = 0;
    for (; query[at] && used + query[at] < 255; at += query[at] + (size_t)1) {
        if (used)
            name[used++] = '.';
        memcpy(name + used, query + at + 1, query[at]);
        used += query[at];
    }
    name[used] = '\0';
    return (unsigned)query[at + 1] << 8 | query[at + 2];
}

#endif
