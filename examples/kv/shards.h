/*
 * Who has which shard, and how one goes from server to server.
 *
 * Each server dials every other. "KV STATE" says who one is and what one has, and is answered with the same of the other: each half
 * second, and to all whenever it changes. Whoever gets a shard has it under an epoch above all that it saw. So there is one server that
 * has a shard, it alone answers for its keys, and what the others believe is a hint on where to ask next.
 *
 *     giver                            taker                  others
 *       | KV BEGIN shard                 |                       |
 *       | KV PUT shard key value ...     |                       |      commands on this shard wait at the giver
 *       | KV TAKE shard epoch ---------->| it has the shard      |
 *       |<------------------------- epoch|-- KV STATE ---------->|
 *       | sends what waited to the taker |                       |
 *
 * Until TAKE is sent the giver has it, and if the link breaks it keeps it. If the link breaks before TAKE is answered, the shard rests
 * until the taker has said what it has.
 */
#ifndef KV_SHARDS_H
#define KV_SHARDS_H

#include "server.h"

#define GRACE (2 * (uint64_t)SECOND)    /* so long a server may be away before its shards begin anew, empty */
#define PATIENCE (9 * (uint64_t)SECOND) /* so long a command waits for a server that can answer it */

static int held(int who)
{
    int i, n = 0;
    for (i = 0; i < SHARDS; i++)
        n += kv.shards[i].holder == who;
    return n;
}

static size_t keys_here(void)
{
    size_t n = 0;
    int i;
    for (i = 0; i < SHARDS; i++)
        n += kv.shards[i].holder ? 0 : kv.shards[i].keys.count;
    return n;
}

/* ---- links ------------------------------------------------------------ */

/* Ask a server for something: a command, and what its reply will be about. */
static void ask(const struct peer *p, const struct slice *words, int count, struct question q)
{
    struct conn *c = p->link;
    int i;
    put(&c->out, "*%d\r\n", count);
    for (i = 0; i < count; i++)
        put_bulk(&c->out, words[i]);
    buffer_put(&c->asked, &q, sizeof q);
    touch(c);
}

static struct question about(enum what what, int fd)
{
    struct question q;
    memset(&q, 0, sizeof q);
    q.what = what;
    q.fd = fd;
    return q;
}

/* "KV verb shard", and for TAKE the epoch that is to be passed. */
static void ask_shard(const struct peer *p, const char *verb, int shard, enum what what)
{
    struct slice words[4];
    char number[16], epoch[24];
    snprintf(number, sizeof number, "%d", shard);
    snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)kv.epoch);
    words[0] = text_of("KV");
    words[1] = text_of(verb);
    words[2] = text_of(number);
    words[3] = text_of(epoch);
    ask(p, words, what == TAKE ? 4 : 3, about(what, shard));
}

/* Who this server is and what it has: "name birth shards weight draining keys shard:epoch,shard:epoch,... " */
static void put_state(struct buffer *b)
{
    const struct peer *self = &kv.peers[0];
    int i;
    put(b, "%s %llu %d %d %d %zu ", self->name, (unsigned long long)self->birth, SHARDS, self->weight, self->draining,
        keys_here());
    for (i = 0; i < SHARDS; i++)
        if (!kv.shards[i].holder)
            put(b, "%d:%llu,", i, (unsigned long long)kv.shards[i].epoch);
}

static void tell_state(struct peer *p)
{
    struct buffer text;
    struct slice words[3];
    memset(&text, 0, sizeof text);
    put_state(&text);
    words[0] = text_of("KV");
    words[1] = text_of("STATE");
    words[2] = buffer_slice(&text);
    ask(p, words, 3, about(STATE, 0));
    buffer_free(&text);
    p->told = kv.now;
}

/* To all, when it has changed. */
static void tell_news(void)
{
    int i;
    for (i = 1; kv.news && i < PEERS; i++)
        if (kv.peers[i].up)
            tell_state(&kv.peers[i]);
    kv.news = 0;
}

static void dial(struct peer *p)
{
    struct sockaddr_storage to;
    socklen_t size = address_of(&to, p->address, p->port);
    int fd = size ? socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    p->dial_at = kv.now + p->backoff;
    p->backoff = p->backoff < SECOND ? p->backoff * 2 : SECOND;
    if (fd >= 0 && (fd >= FDS || (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS))) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        return;
    p->link = conn_open(fd, LINK, EPOLLIN);
    p->link->peer = (int)(p - kv.peers);
    p->heard = kv.now;
    tell_state(p);
}

static struct peer *peer_find(struct slice name)
{
    int i;
    for (i = 0; i < PEERS; i++)
        if (kv.peers[i].name[0] && name.size == strlen(kv.peers[i].name) && !memcmp(name.data, kv.peers[i].name, name.size))
            return &kv.peers[i];
    return NULL;
}

/* Is it there, or was it a moment ago? */
static int alive(const struct peer *p)
{
    return p == kv.peers || p->up || (p->birth && p->draining < 2 && kv.now - p->lost < GRACE);
}

/* ---- claims ----------------------------------------------------------- */

/* The commands that wait are tried again before the loop waits: something is known that was not. */
static void give_ends(void)
{
    kv.give.shard = NOBODY;
    kv.give.asked = 0;
    kv.retry = 1;
}

/* A server has a shard. If we have it too, the higher epoch counts, of equal ones the higher name. */
static void learn(struct peer *p, int number, uint64_t epoch)
{
    struct shard *s = &kv.shards[number];
    int who = (int)(p - kv.peers);
    int known = s->holder != NOBODY && s->holder != who && (!s->holder || kv.peers[s->holder].up);
    kv.epoch = epoch > kv.epoch ? epoch : kv.epoch;
    if (known && (epoch < s->epoch || (epoch == s->epoch && strcmp(p->name, kv.peers[s->holder].name) < 0)))
        return;
    if (!s->holder && who) {
        if (kv.give.shard == number)
            give_ends(); /* as it should, or as it did not want to: the other one has it */
        else if (s->keys.count)
            say("%s has shard %d too, and counts: %zu keys are dropped here", p->name, number, s->keys.count);
        store_clear(&s->keys);
    }
    kv.retry |= s->holder != who;
    s->holder = who;
    s->epoch = epoch;
}

static void claim(int number, uint64_t epoch)
{
    learn(&kv.peers[0], number, epoch > kv.epoch ? epoch : kv.epoch + 1);
    kv.shards[number].import = 0;
    kv.news = 1;
}

/* What another server says of itself. The peer; NULL: it is malformed, or nobody that discovery knows. */
static struct peer *hear_state(struct slice text)
{
    static const char end[] = "     :,";
    const char *space = (const char *)memchr(text.data, ' ', text.size);
    struct slice name = text;
    struct peer *p;
    int64_t n[7];
    int i, k;
    name.size = space ? (size_t)(space - text.data) : 0;
    p = peer_find(name);
    if (!p || p == kv.peers)
        return NULL;
    text.data += name.size + 1;
    text.size -= name.size + 1;
    for (i = 0; i < 5 || text.size; i = i < 6 ? i + 1 : 5) { /* the last two again and again */
        int size = read_number(text, end[i], &n[i]);
        if (size <= 0 || n[i] < 0 || (i == 1 && n[1] != SHARDS) || (i == 2 && n[2] > WEIGHT_MAX) || (i == 3 && n[3] > 2) ||
            (i == 5 && n[5] >= SHARDS))
            return NULL;
        text.data += size;
        text.size -= (size_t)size;
        if (i == 4) {
            for (k = 0; p->birth != (uint64_t)n[0] && k < SHARDS; k++) /* it was started again: what it had is void */
                if (kv.shards[k].holder == (int)(p - kv.peers))
                    kv.shards[k].holder = NOBODY;
            if (p->draining != (int)n[3] && n[3])
                say("%s %s", p->name, n[3] == 1 ? "drains: it gives its shards away" : "leaves");
            p->birth = (uint64_t)n[0];
            p->weight = (int)n[2];
            p->draining = (int)n[3];
            p->keys = (uint64_t)n[4];
        } else if (i == 6) {
            learn(p, (int)n[5], (uint64_t)n[6]);
        }
    }
    if (p->link)
        touch(p->link);
    else if (p->draining < 2)
        p->dial_at = kv.now; /* it is there */
    return p;
}

/* The answer to ours. -1: this is not the server that we look for. */
static int hear_answer(struct peer *p, struct slice s)
{
    int64_t number;
    int size = read_header(s, '$', &number);
    if (size <= 0 || number < 0)
        return -1;
    s.data += size;
    s.size = (size_t)number;
    if (hear_state(s) != p)
        return -1;
    if (!p->up && p->draining < 2)
        say("linked to %s", p->name);
    if (!p->up)
        p->up = kv.retry = 1;
    if (kv.give.asked == 2 && kv.give.to == (int)(p - kv.peers))
        give_ends(); /* it did not take the shard */
    p->backoff = SECOND / 10;
    return 0;
}

/* ---- replies ---------------------------------------------------------- */

/* The owner's reply to a command that was passed on goes to the client. If it does not have the shard any more, ask again. */
static void hear_forward(struct question q, struct slice reply)
{
    struct conn *client = kv.by_fd[q.fd];
    struct slice words[WORDS_MAX], in;
    const char *why;
    int count;
    if (!client || client->serial != q.serial)
        return;
    client->forwarded = 0;
    touch(client);
    if (reply.size > 6 && (!memcmp(reply.data, "-MOVED", 6) || !memcmp(reply.data, "-TRYAG", 6))) {
        client->waiting = 1;
        return;
    }
    in.data = client->in.data + client->in.begin;
    in.size = buffer_size(&client->in);
    client->in.begin += (size_t)read_command(in, words, &count, &why);
    client->waits_since = 0;
    buffer_put(&client->out, reply.data, reply.size);
}

/* Replies on one of our links, each to the oldest question. */
static void link_serve(struct conn *c)
{
    struct peer *p = &kv.peers[c->peer];
    struct question q;
    struct slice in;
    int64_t size;
    for (;;) {
        in.data = c->in.data + c->in.begin;
        in.size = buffer_size(&c->in);
        size = in.size ? reply_size(in) : 0;
        if (!size)
            break;
        if (size < 0 || !buffer_size(&c->asked)) {
            c->closing = 1;
            break;
        }
        memcpy(&q, c->asked.data + c->asked.begin, sizeof q);
        c->asked.begin += sizeof q;
        in.size = (size_t)size;
        p->heard = kv.now;
        if (q.what == FORWARD) {
            hear_forward(q, in);
        } else if (q.what == STATE && hear_answer(p, in) < 0) {
            say("the server at %s port %u is not %s with %d shards; it is left alone", p->address, p->port, p->name, SHARDS);
            c->closing = 1;
        } else if (q.what == TAKE && kv.give.shard == q.fd && kv.give.asked) {
            int64_t epoch;
            if (read_header(in, ':', &epoch) > 0) {
                learn(p, q.fd, (uint64_t)epoch);
            } else {
                give_ends();
                kv.give.next = kv.now + SECOND / 2;
            }
        }
        c->in.begin += (size_t)size;
    }
    if (p->draining == 2 && !buffer_size(&c->asked))
        c->closing = 1; /* it waits for that */
}

static void link_lost(struct conn *c)
{
    static const char lost[] = "-ERR the link to the owner broke: the command may have run\r\n";
    struct peer *p = &kv.peers[c->peer];
    struct slice reply = text_of(lost);
    for (; buffer_size(&c->asked); c->asked.begin += sizeof(struct question)) {
        struct question q;
        memcpy(&q, c->asked.data + c->asked.begin, sizeof q);
        if (q.what == FORWARD)
            hear_forward(q, reply);
    }
    if (kv.give.shard != NOBODY && kv.give.to == c->peer && kv.give.asked)
        kv.give.asked = 2;
    else if (kv.give.shard != NOBODY && kv.give.to == c->peer)
        give_ends();
    if (p->up && p->draining < 2)
        say("the link to %s has ended", p->name);
    p->lost = p->up ? kv.now : p->lost;
    p->dial_at = kv.now + (p->draining == 2 ? SECOND : p->backoff);
    p->up = 0;
    p->link = NULL;
}

/* ---- handing over ----------------------------------------------------- */

/* Choose the next shard that we have and another one should. */
static int give_begins(void)
{
    int i;
    for (i = 0; i < SHARDS; i++) {
        const struct shard *s = &kv.shards[i];
        if (!s->holder && s->want > 0 && kv.peers[s->want].up && !kv.peers[s->want].draining) {
            kv.give.shard = i;
            kv.give.to = s->want;
            kv.give.chain = 0;
            kv.give.entry = NULL;
            ask_shard(&kv.peers[s->want], "BEGIN", i, NOTE);
            return 1;
        }
    }
    return 0;
}

/* Send as much of it as the link takes, and the next one when one is done. */
static void give(void)
{
    struct slice words[WORDS_MAX];
    char number[16];
    while (kv.now >= kv.give.next && (kv.give.shard != NOBODY || give_begins()) && !kv.give.asked &&
           buffer_size(&kv.peers[kv.give.to].link->out) < OUTPUT_HIGH) {
        const struct store *s = &kv.shards[kv.give.shard].keys;
        struct peer *p = &kv.peers[kv.give.to];
        const struct entry *e = kv.give.entry;
        size_t bytes = 0;
        int count = 3;
        snprintf(number, sizeof number, "%d", kv.give.shard);
        words[0] = text_of("KV");
        words[1] = text_of("PUT");
        words[2] = text_of(number);
        while (count + 2 <= WORDS_MAX && bytes < OUTPUT_HIGH / 4) {
            while (!e && kv.give.chain < CHAINS)
                e = s->chains[kv.give.chain++];
            if (!e || (bytes && e->value_size > OUTPUT_HIGH / 4))
                break;
            words[count++] = entry_key(e);
            words[count++] = entry_value(e);
            bytes += e->key_size + e->value_size + 1;
            e = e->next;
        }
        kv.give.entry = e;
        if (count > 3) {
            ask(p, words, count, about(NOTE, 0));
        } else {
            ask_shard(p, "TAKE", kv.give.shard, TAKE);
            kv.give.asked = 1;
        }
    }
}

#endif
