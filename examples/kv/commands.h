/* The commands of clients, and what other servers call. Which server may answer is decided before a command runs. */
#define PATIENCE (9 * SECOND) /* so long a command waits for a server that can answer it */
#define KEY_MAX 4096          /* bytes */

/* The slot of a key as Redis has it: CRC-16/XMODEM of the key, or of what stands between its first { and the next }. */
static int slot_of(struct slice key)
{
    const char *open = memchr(key.data, '{', key.size);
    const char *close = open ? memchr(open, '}', key.size - (size_t)(open - key.data)) : NULL;
    uint32_t crc = 0;
    if (close && close > open + 1)
        key = (struct slice){open + 1, (size_t)(close - open) - 1};
    for (size_t i = 0; i < key.size; i++) {
        crc ^= (uint32_t)(unsigned char)key.data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021u : 0)) & 0xffff;
    }
    return (int)(crc % (SHARDS * WIDTH));
}

/* Where clients are sent: the address in the name. */
static const char *host_of(const struct peer *p)
{
    return strchr(p->name, '@') + 1;
}

/* As many digits as clients of Redis want, the same for a name at any time. */
static const char *id_of(const struct peer *p)
{
    static char id[41];
    snprintf(id, sizeof id, "%040llx", (unsigned long long)cluster_hash64(p->name, strlen(p->name), 0));
    return id;
}

static void put_slots(struct buffer *b)
{
    put(b, "*%d\r\n", SHARDS - held(NOBODY));
    for (int i = 0; i < SHARDS; i++) {
        const struct peer *p = kv.shards[i].holder == NOBODY ? NULL : &kv.peers[kv.shards[i].holder];
        if (p)
            put(b, "*3\r\n:%d\r\n:%d\r\n*3\r\n+%s\r\n:%d\r\n+%s\r\n", i * WIDTH, (i + 1) * WIDTH - 1, host_of(p), p->port,
                id_of(p));
    }
}

static void put_nodes(struct buffer *b)
{
    for (int i = 0; i < PEERS; i++) {
        const struct peer *p = &kv.peers[i];
        if (!p->up || !p->port)
            continue;
        put(b, "%s %s:%d@%d %s - 0 0 0 connected", id_of(p), host_of(p), p->port, p->port + BUS,
            i ? "master" : "myself,master");
        for (int k = 0; k < SHARDS; k++)
            if (kv.shards[k].holder == i)
                put(b, " %d-%d", k * WIDTH, (k + 1) * WIDTH - 1);
        put(b, "\n");
    }
}

static void put_info(struct buffer *b)
{
    int known = 0, left = 0, servers = 0;
    for (int i = 0; i < SHARDS; i++) {
        known += kv.shards[i].holder != NOBODY && kv.peers[kv.shards[i].holder].up;
        left += kv.shards[i].holder != kv.shards[i].want;
    }
    for (int i = 0; i < PEERS; i++)
        servers += kv.peers[i].up && kv.peers[i].port;
    put(b, "cluster_state:%s\r\ncluster_known_nodes:%d\r\nused_memory:%zu\r\nkv_shards:%d\r\nkv_shards_to_move:%d\r\n",
        known == SHARDS ? "ok" : "fail", servers, store_bytes, held(0), left);
}

static int is(const struct command *r, const char *name, int words)
{
    return r->count == words && slice_is(r->words[0], name);
}

/* Run a command; one on a key, on the store that it is in. */
static void run(const struct command *r, struct store *s, struct buffer *out)
{
    struct slice value = r->words[r->count - 1];
    const struct entry *e = s ? *store_find(s, r->words[1]) : NULL;
    int set = is(r, "set", 3), incr = is(r, "incr", 2), nodes = is(r, "cluster", 2) && slice_is(value, "nodes");
    static struct buffer text; /* that goes out as one word */
    char was[24], digits[24];
    long long n = e && e->value.size < 19 ? strtoll(e->value.data, NULL, 10) : 0;
    buffer_cut(&text, text.size);
    if (incr) {
        snprintf(was, sizeof was, "%lld", n);
        snprintf(digits, sizeof digits, ":%lld", n + 1);
        value = (struct slice){digits + 1, strlen(digits + 1)};
    }
    if (is(r, "get", 2) && !e)
        put(out, "$-1\r\n");
    else if (is(r, "get", 2) || is(r, "ping", 2))
        put_word(out, e ? e->value : value);
    else if (incr && e && !slice_is(e->value, was))
        put(out, "-ERR value is not an integer or out of range\r\n");
    else if ((set || incr) && (store_bytes + value.size > (size_t)settings[MEMORY].value << 20 || r->words[1].size > KEY_MAX))
        put(out, "-OOM the key, or all that is kept, would be over a limit: docs/kv.md\r\n");
    else if (set || incr)
        store_set(s, r->words[1], value), put(out, "%s\r\n", set ? "+OK" : digits);
    else if (is(r, "del", 2) || is(r, "exists", 2))
        put(out, ":%d\r\n", is(r, "del", 2) ? store_delete(s, value) : e != NULL);
    else if (is(r, "cluster", 3) && slice_is(r->words[1], "keyslot"))
        put(out, ":%d\r\n", slot_of(value));
    else if (is(r, "cluster", 2) && slice_is(value, "slots"))
        put_slots(out);
    else if (nodes || is(r, "cluster", 2) || is(r, "info", 1))
        (nodes ? put_nodes : put_info)(&text), put_word(out, (struct slice){text.data, text.size});
    else if (is(r, "config", 3)) /* GET: nothing is set */
        put(out, "*2\r\n"), put_word(out, value), put(out, "$0\r\n\r\n");
    else if (is(r, "ping", 1) || is(r, "quit", 1) || slice_is(r->words[0], "client"))
        put(out, is(r, "ping", 1) ? "+PONG\r\n" : "+OK\r\n");
    else if (slice_is(r->words[0], "command"))
        put(out, "*0\r\n");
    else
        put(out, "-ERR unknown command, or wrong number of arguments: docs/kv.md has those that there are\r\n");
}

/* May this server answer for a shard? 1: yes; 0: not yet, the command waits, or its owner is asked; -1: who does was said. */
static int routed(struct conn *c, struct slice command, int slot, struct buffer *out)
{
    int holder = kv.shards[slot / WIDTH].holder;
    const struct peer *owner = holder > 0 && kv.peers[holder].up ? &kv.peers[holder] : NULL;
    if (!holder && kv.given != slot / WIDTH)
        return 1;
    if (owner && (!c || !settings[ROUTER].value)) {
        put(out, "-MOVED %d %s:%d\r\n", slot, host_of(owner), owner->port);
    } else if (!c) { /* servers do not wait for each other: two could for ever */
        put(out, "-TRYAGAIN it is not here, or moves\r\n");
    } else if (c->waits_since && kv.now - c->waits_since > PATIENCE) {
        put(out, "-CLUSTERDOWN no server has this slot\r\n");
    } else {
        c->waits_since = c->waits_since ? c->waits_since : kv.now;
        c->request = owner ? ask(owner, "run", command) : 0;
        return 0;
    }
    return -1;
}

/* Run the next command of a client, or of another server (NULL), which never waits. How many bytes are done with; 0: none yet. */
static size_t execute(struct conn *c, struct slice in, struct buffer *out)
{
    struct command r;
    int read = read_command(in, &r), slot = -1, may = 1;
    if (read > 0 && (is(&r, "get", 2) || is(&r, "set", 3) || is(&r, "incr", 2) || is(&r, "del", 2) || is(&r, "exists", 2)))
        slot = slot_of(r.words[1]);
    if (read > 0 && slot >= 0)
        may = routed(c, (struct slice){in.data, r.size}, slot, out);
    if (read > 0 && may > 0)
        run(&r, slot >= 0 ? &kv.shards[slot / WIDTH].keys : NULL, out);
    if (read < 0)
        put(out, "-ERR Protocol error: expected a command as redis-cli sends it, within the limits in docs/kv.md\r\n");
    if (c) {
        c->closing = read < 0 || (read && is(&r, "quit", 1));
        c->asked = r.size;
        c->waits_since = read && may ? 0 : c->waits_since;
    }
    return read > 0 && may ? r.size : 0;
}

/* Run what has come in, one command after the other. */
static void client_serve(struct conn *c)
{
    size_t at = 0, size = 1;
    for (; size && at < c->in.size && !c->closing && !c->request && c->out.size < OUTPUT_HIGH; at += size)
        size = execute(c, (struct slice){c->in.data + at, c->in.size - at}, &c->out);
    buffer_cut(&c->in, at);
}

/* Another server calls a function. */
static void called(const struct cluster_event *e)
{
    static struct buffer reply;
    put(&reply, "");
    if (!strcmp(e->text, "kv:run/1"))
        execute(NULL, read_term(e), &reply);
    else if (!strcmp(e->text, "kv:give/1"))
        take(read_term(e), &reply);
    struct slice term = term_of((struct slice){reply.data, reply.size});
    cluster_answer(kv.cluster, e->request, term.data, term.size);
    buffer_cut(&reply, reply.size);
}

/* What was asked is answered, or with an error cannot be any more. */
static void answered(const struct cluster_event *e)
{
    struct slice answer = read_term(e); /* nothing of {badrpc, Reason}: it did not run */
    int again = !e->error && (!answer.size || !strncmp(answer.data, "-MOVED", 6) || !strncmp(answer.data, "-TRYAG", 6));
    if (e->request == kv.give)
        given(e->error, answer);
    for (int i = 1; i < PEERS; i++)
        kv.peers[i].request = kv.peers[i].request == e->request ? 0 : kv.peers[i].request;
    for (int i = 0; i < FDS; i++) {
        struct conn *c = kv.by_fd[i];
        if (!c || c->request != e->request)
            continue;
        c->request = 0;
        if (again)
            continue;
        buffer_cut(&c->in, c->asked);
        c->waits_since = 0;
        put_bytes(&c->out, answer.data, answer.size);
        put(&c->out, e->error ? "-ERR the link to the owner broke: the command may have run\r\n" : "");
    }
}
