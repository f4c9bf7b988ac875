/*
 * A store with one writer at a time: each write bears a token, and one whose token is lower than that of a write taken before
 * is refused, whoever sends it and whatever it believes itself to be. Each operation has an id, so that one that comes again
 * changes nothing. A store is its list of operations; the balance is their sum, in whatever order they came.
 */
#ifndef DRILL_STORE_H
#define DRILL_STORE_H

#include <stdint.h>
#include <stdlib.h>

struct store_op {
    uint64_t id;
    int64_t amount;
};

struct store {
    uint64_t token; /* of the last write taken */
    struct store_op *ops;
    size_t count, capacity;
    int unfenced; /* takes every write: to see what comes of that */
};

enum { STORE_DONE, STORE_KNOWN, STORE_STALE };

/* Is this operation among the first `count`? */
static inline int store_has(const struct store *s, size_t count, uint64_t id)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (s->ops[i].id == id)
            return 1;
    return 0;
}

static inline int store_write(struct store *s, uint64_t token, struct store_op op)
{
    if (token < s->token && !s->unfenced)
        return STORE_STALE;
    s->token = token;
    if (store_has(s, s->count, op.id))
        return STORE_KNOWN;
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->ops = (struct store_op *)realloc(s->ops, s->capacity * sizeof *s->ops);
        if (!s->ops)
            abort();
    }
    s->ops[s->count++] = op;
    return STORE_DONE;
}

static inline int64_t store_balance(const struct store *s, size_t count)
{
    int64_t sum = 0;
    size_t i;
    for (i = 0; i < count; i++)
        sum += s->ops[i].amount;
    return sum;
}

#endif
