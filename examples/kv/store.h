/* The keys of one shard: a hash table whose chains grow. Its hash has a secret key, so nobody can choose keys that all fall
 * into one chain. */
#define CHAINS 256 /* of a shard: fit for some millions of keys in all shards together */

struct entry { /* in one block with what the slices name, and a NUL behind it */
    struct entry *next;
    struct bytes key, value;
};

static uint64_t store_secret[2];
static size_t store_keys, store_bytes; /* in all shards */

/* Where the pointer to a key's entry is, or would be. */
static struct entry **store_find(struct entry **chains, struct bytes key)
{
    struct entry **at = &chains[cluster_siphash(key.data, key.size, store_secret[0], store_secret[1]) % CHAINS];
    while (*at && ((*at)->key.size != key.size || memcmp((*at)->key.data, key.data, key.size) != 0))
        at = &(*at)->next;
    return at;
}

static int store_delete(struct entry **at)
{
    struct entry *e = *at;
    if (!e)
        return 0;
    *at = e->next;
    store_keys--;
    store_bytes -= sizeof *e + e->key.size + e->value.size;
    free(e);
    return 1;
}

static void store_set(struct entry **chains, struct bytes key, struct bytes value)
{
    struct entry **at = store_find(chains, key), *e = grown(NULL, sizeof *e + key.size + value.size + 1);
    char *bytes = (char *)(e + 1);
    memcpy(bytes, key.data, key.size);
    memcpy(bytes + key.size, value.data, value.size);
    bytes[key.size + value.size] = '\0';
    store_delete(at);
    *e = (struct entry){*at, {bytes, key.size, 0}, {bytes + key.size, value.size, 0}};
    *at = e;
    store_keys++;
    store_bytes += sizeof *e + key.size + value.size;
}

/* How many keys that were. */
static int store_clear(struct entry **chains)
{
    int n = 0;
    for (int i = 0; i < CHAINS; i++)
        while (store_delete(&chains[i]))
            n++;
    return n;
}
