/*
 * The commands of clients and of other servers: one table, and a function each. Which server may answer is decided before any of
 * them runs.
 */
#ifndef KV_COMMANDS_H
#define KV_COMMANDS_H

#include "shards.h"

/* The slot of a key as Redis has it: CRC-16/XMODEM of the key, or of what stands between its first { and the next }. */
static int slot_of(struct slice key)
{
    const char *open = (const char *)memchr(key.data, '{', key.size);
    const char *close = open ? (const char *)memchr(open, '}', key.size - (size_t)(open - key.data)) : NULL;
    uint32_t crc = 0;
    size_t i;
    int bit;
    if (close && close > open + 1) {
        key.data = open + 1;
        key.size = (size_t)(close - open) - 1;
    }
    for (i = 0; i < key.size; i++) {
        crc ^= (uint32_t)(unsigned char)key.data[i] << 8;
        for (bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021u : 0)) & 0xffff;
    }
    return (int)(crc % SLOTS);
}

static int shard_of(struct slice key)
{
    return slot_of(key) / (SLOTS / SHARDS);
}

static struct store *store_of(struct slice key)
{
    return &kv.shards[shard_of(key)].keys;
}

/* Where clients are sent: the host of the name, which is what people gave it. */
static const char *host_of(const struct peer *p)
{
    const char *at = strchr(p->name, '@');
    return at ? at + 1 : p->name;
}

/* 40 digits that stay the same for a name, as Redis' clients want them. */
static const char *id_of(const struct peer *p)
{
    static char id[48];
    size_t size = strlen(p->name);
    snprintf(id, sizeof id, "%016llx%016llx%08llx", (unsigned long long)cluster_hash64(p->name, size, 1),
             (unsigned long long)cluster_hash64(p->name, size, 2),
             (unsigned long long)cluster_hash64(p->name, size, 3) & 0xffffffff);
    return id;
}

/* ---- what clients ask ------------------------------------------------- */

static void do_ping(struct conn *c, const struct slice *w, int count)
{
    if (count > 1)
        put_bulk(&c->out, w[1]);
    else
        put(&c->out, "+PONG\r\n");
}

static void do_get(struct conn *c, const struct slice *w, int count)
{
    const struct entry *e = store_get(store_of(w[1]), w[1]);
    (void)count;
    if (e)
        put_bulk(&c->out, entry_value(e));
    else
        put(&c->out, "$-1\r\n");
}

static int keep(struct conn *c, struct slice key, struct slice value)
{
    if (store_memory + value.size > kv.memory_max) {
        put(&c->out, "-OOM command not allowed when used memory > 'maxmemory'\r\n");
        return -1;
    }
    if (key.size > KEY_MAX) {
        put(&c->out, "-ERR the key is longer than %zu bytes\r\n", KEY_MAX);
        return -1;
    }
    store_set(store_of(key), key, value);
    return 0;
}

static void do_set(struct conn *c, const struct slice *w, int count)
{
    (void)count;
    if (keep(c, w[1], w[2]) == 0)
        put(&c->out, "+OK\r\n");
}

static void do_incr(struct conn *c, const struct slice *w, int count)
{
    const struct entry *e = store_get(store_of(w[1]), w[1]);
    struct slice value = text_of("0");
    char text[24];
    int64_t number = 0;
    (void)count;
    if (e)
        value = entry_value(e);
    snprintf(text, sizeof text, "%.*s,", (int)(value.size < 21 ? value.size : 21), value.data);
    if (value.size > 19 || read_number(text_of(text), ',', &number) != (int)value.size + 1) {
        put(&c->out, "-ERR value is not an integer or out of range\r\n");
        return;
    }
    snprintf(text, sizeof text, "%lld", (long long)number + 1);
    if (keep(c, w[1], text_of(text)) == 0)
        put(&c->out, ":%s\r\n", text);
}

static void do_del(struct conn *c, const struct slice *w, int count)
{
    int i, n = 0;
    for (i = 1; i < count; i++)
        n += store_delete(store_of(w[i]), w[i]);
    put(&c->out, ":%d\r\n", n);
}

static void do_exists(struct conn *c, const struct slice *w, int count)
{
    int i, n = 0;
    for (i = 1; i < count; i++)
        n += store_get(store_of(w[i]), w[i]) != NULL;
    put(&c->out, ":%d\r\n", n);
}

static void do_dbsize(struct conn *c, const struct slice *w, int count)
{
    (void)w, (void)count;
    put(&c->out, ":%zu\r\n", keys_here());
}

static void put_text(struct conn *c, struct buffer *text)
{
    put_bulk(&c->out, buffer_slice(text));
    buffer_free(text);
}

static void do_info(struct conn *c, const struct slice *w, int count)
{
    struct buffer text;
    (void)w, (void)count;
    memset(&text, 0, sizeof text);
    put(&text, "# Server\r\nredis_mode:cluster\r\nkv_node:%s\r\ncluster_h:%s\r\n", kv.peers[0].name, cluster_version_string());
    put(&text, "# Clients\r\nconnected_clients:%d\r\n# Memory\r\nused_memory:%zu\r\nmaxmemory:%zu\r\n", kv.clients,
        store_memory, kv.memory_max);
    put(&text, "# Stats\r\ntotal_commands_processed:%llu\r\nkv_moved:%llu\r\nkv_forwarded:%llu\r\n",
        (unsigned long long)kv.commands, (unsigned long long)kv.moved, (unsigned long long)kv.forwarded);
    put(&text, "# Keyspace\r\ndb0:keys=%llu\r\nkv_shards:%d\r\n", (unsigned long long)keys_here(), held(0));
    put_text(c, &text);
}

static void do_command(struct conn *c, const struct slice *w, int count)
{
    (void)w, (void)count;
    put(&c->out, "*0\r\n");
}

static void do_ok(struct conn *c, const struct slice *w, int count)
{
    (void)w, (void)count;
    put(&c->out, "+OK\r\n");
}

static void do_quit(struct conn *c, const struct slice *w, int count)
{
    do_ok(c, w, count);
    c->closing = 1;
}

/* The last of the shards from here on that have the same holder. */
static int run_end(int first)
{
    int last = first;
    while (last + 1 < SHARDS && kv.shards[last + 1].holder == kv.shards[first].holder)
        last++;
    return last;
}

static void cluster_slots(struct conn *c)
{
    int first, runs = 0, width = SLOTS / SHARDS;
    for (first = 0; first < SHARDS; first = run_end(first) + 1)
        runs += kv.shards[first].holder != NOBODY;
    put(&c->out, "*%d\r\n", runs);
    for (first = 0; first < SHARDS; first = run_end(first) + 1) {
        const struct peer *p;
        if (kv.shards[first].holder == NOBODY)
            continue;
        p = &kv.peers[kv.shards[first].holder];
        put(&c->out, "*3\r\n:%d\r\n:%d\r\n*3\r\n", first * width, (run_end(first) + 1) * width - 1);
        put_bulk(&c->out, text_of(host_of(p)));
        put(&c->out, ":%d\r\n$40\r\n%s\r\n", p->port, id_of(p));
    }
}

static void cluster_nodes(struct conn *c)
{
    struct buffer text;
    int i, first, width = SLOTS / SHARDS;
    memset(&text, 0, sizeof text);
    for (i = 0; i < PEERS; i++) {
        const struct peer *p = &kv.peers[i];
        if (!p->name[0] || (i && !p->up))
            continue;
        put(&text, "%s %s:%u@%u %smaster - 0 0 %d connected", id_of(p), host_of(p), p->port, p->port, i ? "" : "myself,", i);
        for (first = 0; first < SHARDS; first = run_end(first) + 1)
            if (kv.shards[first].holder == i)
                put(&text, " %d-%d", first * width, (run_end(first) + 1) * width - 1);
        put(&text, "\n");
    }
    put_text(c, &text);
}

static void cluster_info(struct conn *c)
{
    struct buffer text;
    int i, known = 0, left = 0, servers = 0;
    for (i = 0; i < SHARDS; i++) {
        known += kv.shards[i].holder != NOBODY && alive(&kv.peers[kv.shards[i].holder]);
        left += kv.shards[i].holder != kv.shards[i].want;
    }
    for (i = 0; i < PEERS; i++)
        servers += kv.peers[i].name[0] && alive(&kv.peers[i]);
    memset(&text, 0, sizeof text);
    put(&text, "cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_known_nodes:%d\r\n",
        known == SHARDS ? "ok" : "fail", known * (SLOTS / SHARDS), known * (SLOTS / SHARDS), servers);
    put(&text, "kv_shards_to_move:%d\r\nkv_plan:%zu\r\n", left, kv.move_count);
    put_text(c, &text);
}

static void do_cluster(struct conn *c, const struct slice *w, int count)
{
    if (slice_is(w[1], "slots"))
        cluster_slots(c);
    else if (slice_is(w[1], "nodes"))
        cluster_nodes(c);
    else if (slice_is(w[1], "info"))
        cluster_info(c);
    else if (slice_is(w[1], "myid"))
        put(&c->out, "$40\r\n%s\r\n", id_of(&kv.peers[0]));
    else if (slice_is(w[1], "keyslot") && count == 3)
        put(&c->out, ":%d\r\n", slot_of(w[2]));
    else
        put(&c->out, "-ERR this server knows CLUSTER SLOTS, NODES, INFO, MYID and KEYSLOT key\r\n");
}

/* ---- what other servers ask ------------------------------------------- */

static void do_kv(struct conn *c, const struct slice *w, int count)
{
    int64_t number = -1, epoch = -1;
    struct shard *s;
    struct buffer text;
    char digits[24];
    int i;
    memset(&text, 0, sizeof text);
    if (slice_is(w[1], "state") && count == 3) {
        const struct peer *p = hear_state(w[2]);
        for (i = 0; p && !c->from_peer && i < FDS; i++) { /* what its link before this one still says is void */
            if (kv.by_fd[i] && kv.by_fd[i] != c && kv.by_fd[i]->from_peer == (int)(p - kv.peers))
                conn_close(kv.by_fd[i]);
        }
        for (i = 0; !p && cluster_source_at(kv.cluster, (size_t)i); i++)
            cluster_source_refresh(cluster_source_at(kv.cluster, (size_t)i)); /* it is new: look again */
        c->from_peer = p ? (int)(p - kv.peers) : NOBODY;
        put_state(&text);
        put_text(c, &text);
        return;
    }
    for (i = 2; i < 4 && i < count; i++) {
        snprintf(digits, sizeof digits, "%.*s,", (int)(w[i].size < 20 ? w[i].size : 20), w[i].data);
        read_number(text_of(digits), ',', i == 2 ? &number : &epoch);
    }
    s = number >= 0 && number < SHARDS ? &kv.shards[number] : NULL;
    if (!s || !s->holder || kv.peers[0].draining || !kv.peers[0].weight ||
        (!slice_is(w[1], "begin") && s->import != c->serial)) {
        put(&c->out, "-ERR this server does not take that\r\n");
    } else if (slice_is(w[1], "begin")) {
        store_clear(&s->keys);
        s->import = c->serial;
        put(&c->out, "+OK\r\n");
    } else if (slice_is(w[1], "put")) {
        for (i = 3; i + 1 < count; i += 2)
            store_set(&s->keys, w[i], w[i + 1]);
        put(&c->out, "+OK\r\n");
    } else if (slice_is(w[1], "take") && epoch >= 0) {
        s->import = 0;
        claim((int)number, (uint64_t)epoch + 1);
        put(&c->out, ":%llu\r\n", (unsigned long long)s->epoch);
    } else {
        put(&c->out, "-ERR this server does not know that\r\n");
    }
}

/* ---- the table -------------------------------------------------------- */

static const struct command {
    const char *name;
    int min, max; /* words, its own included; max 0: any number */
    int keys;     /* 1: the second word is a key; 2: so are all that follow */
    void (*run)(struct conn *c, const struct slice *words, int count);
} commands[] = {{"ping", 1, 2, 0, do_ping},       {"echo", 2, 2, 0, do_ping},
                {"get", 2, 2, 1, do_get},         {"set", 3, 3, 1, do_set},
                {"del", 2, 0, 2, do_del},         {"exists", 2, 0, 2, do_exists},
                {"incr", 2, 2, 1, do_incr},       {"dbsize", 1, 1, 0, do_dbsize},
                {"info", 1, 0, 0, do_info},       {"cluster", 2, 3, 0, do_cluster},
                {"command", 1, 0, 0, do_command}, {"config", 3, 3, 0, do_command},
                {"client", 2, 0, 0, do_ok},       {"select", 2, 2, 0, do_ok},
                {"quit", 1, 1, 0, do_quit},       {"kv", 2, 0, 0, do_kv}};

/* May this server answer for the shard of a key? 1: yes; 0: that was said to the client; -1: not now, the command waits. */
static int routed(struct conn *c, const struct slice *w, int count, struct slice key)
{
    int number = shard_of(key);
    const struct shard *s = &kv.shards[number];
    struct peer *p = s->holder > 0 ? &kv.peers[s->holder] : NULL;
    if (!s->holder && kv.give.shard != number)
        return 1;
    if (c->from_peer) { /* a link between servers never waits, or two could wait for each other */
        put(&c->out, "-TRYAGAIN it is not here, or moves\r\n");
        return 0;
    }
    if (p && p->up && !kv.forward) {
        put(&c->out, "-MOVED %d %s:%d\r\n", slot_of(key), host_of(p), p->port);
        kv.moved++;
        return 0;
    }
    if (p && p->up && buffer_size(&p->link->out) < OUTPUT_HIGH) {
        struct question q = about(FORWARD, c->fd);
        q.serial = c->serial;
        ask(p, w, count, q);
        c->forwarded = 1;
        kv.forwarded++;
        return -1;
    }
    if (c->waits_since && kv.now - c->waits_since > PATIENCE) {
        put(&c->out, "-CLUSTERDOWN no server has this slot\r\n");
        return 0;
    }
    c->waits_since = c->waits_since ? c->waits_since : kv.now;
    c->waiting = 1;
    return -1;
}

/* Run a command. 1: done; 0: it waits. */
static int execute(struct conn *c, struct slice *w, int count)
{
    size_t i;
    int k, may;
    for (i = 0; i < sizeof commands / sizeof *commands && !slice_is(w[0], commands[i].name); i++)
        continue;
    if (i == sizeof commands / sizeof *commands) {
        put(&c->out, "-ERR unknown command: docs/kv.md has those that there are\r\n");
        return 1;
    }
    if (count < commands[i].min || (commands[i].max && count > commands[i].max)) {
        put(&c->out, "-ERR wrong number of arguments for '%s', or options that this server does not know\r\n",
            commands[i].name);
        return 1;
    }
    if (commands[i].keys) {
        for (k = 2; commands[i].keys == 2 && k < count; k++) {
            if (slot_of(w[k]) != slot_of(w[1])) {
                put(&c->out, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
                return 1;
            }
        }
        may = routed(c, w, count, w[1]);
        if (may <= 0)
            return may == 0;
    }
    commands[i].run(c, w, count);
    return 1;
}

/* Run what has come in, one command after the other. */
static void client_serve(struct conn *c)
{
    struct slice words[WORDS_MAX], in;
    const char *why;
    int count = 0, size;
    c->waiting = 0;
    while (!c->closing && !c->forwarded && buffer_size(&c->out) < OUTPUT_HIGH) {
        in.data = c->in.data + c->in.begin;
        in.size = buffer_size(&c->in);
        size = in.size ? read_command(in, words, &count, &why) : 0;
        if (size < 0) {
            put(&c->out, "-ERR %s\r\n", why);
            c->closing = 1;
        }
        if (size <= 0 || !execute(c, words, count))
            return;
        c->in.begin += (size_t)size;
        c->waits_since = 0;
        kv.commands++;
    }
}

#endif
