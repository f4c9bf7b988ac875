/*
 * The keys of one shard: a hash table whose chains grow. Its hash has a secret key, so nobody can choose keys that all fall
 * into one chain.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "../../cluster.h"
#include "resp.h"

struct entry { /* the key's bytes follow it, then the value's */
    struct entry *next;
    size_t key_size, value_size;
};

#define CHAINS 256 /* of a shard, a power of two: fit for some millions of keys in all shards together */

struct store {
    struct entry *chains[CHAINS];
    size_t count; /* of keys */
};

static size_t store_memory; /* bytes of all entries */
static uint64_t store_secret[2];

static struct slice entry_key(const struct entry *e)
{
    struct slice s;
    s.data = (const char *)(e + 1);
    s.size = e->key_size;
    return s;
}

static struct slice entry_value(const struct entry *e)
{
    struct slice s;
    s.data = (const char *)(e + 1) + e->key_size;
    s.size = e->value_size;
    return s;
}

/* Where the pointer to a key's entry is, or would be. */
static struct entry **store_place(struct store *s, struct slice key)
{
    uint64_t hash = cluster_siphash(key.data, key.size, store_secret[0], store_secret[1]);
    struct entry **at = &s->chains[hash % CHAINS];
    while (*at && ((*at)->key_size != key.size || memcmp(*at + 1, key.data, key.size) != 0))
        at = &(*at)->next;
    return at;
}

static const struct entry *store_get(struct store *s, struct slice key)
{
    return *store_place(s, key);
}

static int store_delete(struct store *s, struct slice key)
{
    struct entry **at = store_place(s, key), *e = *at;
    if (!e)
        return 0;
    *at = e->next;
    s->count--;
    store_memory -= sizeof *e + e->key_size + e->value_size;
    free(e);
    return 1;
}

static void store_set(struct store *s, struct slice key, struct slice value)
{
    struct entry *e = (struct entry *)grown(NULL, sizeof *e + key.size + value.size), **at;
    e->key_size = key.size;
    e->value_size = value.size;
    memcpy(e + 1, key.data, key.size);
    memcpy((char *)(e + 1) + key.size, value.data, value.size);
    store_delete(s, key);
    at = store_place(s, key);
    e->next = NULL;
    *at = e;
    s->count++;
    store_memory += sizeof *e + key.size + value.size;
}

static void store_clear(struct store *s)
{
    size_t i;
    for (i = 0; s->count && i < CHAINS; i++)
        while (s->chains[i])
            store_delete(s, entry_key(s->chains[i]));
}

#endif
