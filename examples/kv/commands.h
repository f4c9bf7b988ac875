/* The commands of clients, which other servers send on too. Which server may answer is decided before a command runs. */
#define PATIENCE (9 * SECOND) /* so long a command waits for a server that can answer it */

/* The slot of a key as Redis has it: CRC-16/XMODEM of the key, or of what stands between its first { and the next }. */
static int slot_of(struct bytes key)
{
    char *open = memchr(key.data, '{', key.size);
    char *close = open ? memchr(open, '}', key.size - (size_t)(open - key.data)) : NULL;
    uint32_t crc = 0;
    if (close && close > open + 1)
        key = (struct bytes){open + 1, (size_t)(close - open) - 1, 0};
    for (size_t i = 0; i < key.size; i++) {
        crc ^= (uint32_t)(unsigned char)key.data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021u : 0)) & 0xffff;
    }
    return (int)(crc % (SHARDS * WIDTH));
}

/* CLUSTER SLOTS: of each shard the first and the last slot, and its server. */
static void put_slots(struct bytes *b)
{
    put(b, "*%d\r\n", SHARDS - held(NULL));
    for (int i = 0; i < SHARDS; i++) {
        const struct peer *p = kv.shards[i].holder;
        if (p)
            put(b, "*3\r\n:%d\r\n:%d\r\n*3\r\n+%s\r\n:%d\r\n+%s\r\n", i * WIDTH, (i + 1) * WIDTH - 1, p->host, p->port, p->id);
    }
}

/* CLUSTER NODES: of each server what it is, and its slots. */
static void put_nodes(struct bytes *b)
{
    for (const struct peer *p = kv.self; p; p = p->next) {
        if (!p->state)
            continue;
        put(b, "%s %s:%d@%d %s - 0 0 0 connected", p->id, p->host, p->port, p->port + BUS,
            p == kv.self ? "myself,master" : "master");
        for (int i = 0; i < SHARDS; i++)
            if (kv.shards[i].holder == p)
                put(b, " %d-%d", i * WIDTH, (i + 1) * WIDTH - 1);
        put(b, "\n");
    }
}

static int is(const struct command *r, const char *name, int words)
{
    return r->count == words && same(r->words[0], name);
}

/* Run a command on a key, whose shard is here. */
static void run_on_key(const struct command *r, struct entry **keys, struct bytes *out)
{
    struct bytes value = r->words[r->count - 1];
    struct entry **at = store_find(keys, r->words[1]), *e = *at;
    char was[24], digits[24] = "";
    if (is(r, "incr", 2)) {
        long long n = e && e->value.size < 19 ? strtoll(e->value.data, NULL, 10) : 0;
        snprintf(was, sizeof was, "%lld", n);
        value = (struct bytes){digits, (size_t)snprintf(digits, sizeof digits, "%lld", n + 1), 0};
    }
    if (is(r, "get", 2) && e) {
        put_word(out, e->value);
    } else if (is(r, "get", 2)) {
        put(out, "$-1\r\n");
    } else if (is(r, "exists", 2)) {
        put(out, ":%d\r\n", e != NULL);
    } else if (is(r, "del", 2)) {
        put(out, ":%d\r\n", store_delete(at));
    } else if (*digits && e && !same(e->value, was)) {
        put(out, "-ERR value is not an integer or out of range\r\n");
    } else if (store_bytes + r->size > (size_t)kv.memory) {
        put(out, "-OOM the limit is reached that MEMORY set\r\n");
    } else {
        store_set(keys, r->words[1], value);
        put(out, *digits ? ":%s\r\n" : "+OK\r\n", digits);
    }
}

/* Run any other command: CLUSTER NODES, SLOTS and INFO by their second word. */
static void run(const struct command *r, struct bytes *out)
{
    static struct bytes text; /* that goes out as one word */
    struct bytes name = r->words[is(r, "cluster", 2)];
    cut(&text, text.size);
    if (same(name, "nodes"))
        put_nodes(&text);
    else if (same(name, "info"))
        put(&text, "cluster_enabled:1\r\ncluster_state:%s\r\nused_memory:%zu\r\nkv_shards:%d\r\n", held(NULL) ? "fail" : "ok",
            store_bytes, held(kv.self));
    if (text.size)
        put_word(out, text);
    else if (same(name, "slots"))
        put_slots(out);
    else if (same(name, "ping"))
        put(out, "+PONG\r\n");
    else if (same(name, "command"))
        put(out, "*0\r\n");
    else if (same(name, "config")) /* GET: nothing is set */
        put(out, "*2\r\n$0\r\n\r\n$0\r\n\r\n");
    else
        put(out, "-ERR unknown command, or wrong number of arguments: docs/kv.md has those that there are\r\n");
}

/* The next command of a client, or of another server (fd 0), which never waits. How many bytes are done with; 0: none yet. */
static size_t execute(struct client *c, struct bytes in)
{
    struct command r;
    int read = read_command(in, &r);
    if (read == BROKEN)
        put(&c->out, "-ERR Protocol error: expected a command as redis-cli sends it, within the limits in docs/kv.md\r\n");
    c->closing |= read == BROKEN;
    if (read < 0)
        return 0;
    int has_key = is(&r, "get", 2) || is(&r, "set", 3) || is(&r, "incr", 2) || is(&r, "del", 2) || is(&r, "exists", 2);
    int slot = has_key ? slot_of(r.words[1]) : 0;
    struct shard *s = &kv.shards[slot / WIDTH];
    const struct peer *owner = s == kv.given ? NULL : s->holder;
    if (!has_key) {
        run(&r, &c->out);
    } else if (owner == kv.self) {
        run_on_key(&r, s->keys, &c->out);
    } else if (owner && !(c->fd && kv.router)) {
        put(&c->out, "-MOVED %d %s:%d\r\n", slot, owner->host, owner->port);
    } else if (!c->fd) { /* servers do not wait for each other: two could for ever */
        return 0;
    } else if (c->waits_since && kv.now - c->waits_since > PATIENCE) {
        put(&c->out, "-CLUSTERDOWN no server has this slot\r\n");
    } else {
        c->waits_since = c->waits_since ? c->waits_since : kv.now;
        c->asked = r.size;
        c->request = owner ? ask(owner->name, "run", (struct bytes){in.data, r.size, 0}) : 0;
        return 0;
    }
    c->waits_since = 0;
    return r.size;
}
