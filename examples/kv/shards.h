/* Who has which shard, and how one goes from server to server. Servers tell each other what they are and have, whenever that
 * changed and each half second. Whoever gets a shard has it under an epoch above all that it saw. So there is one server that has a
 * shard, it alone answers for its keys, and what the others believe is a hint on where to ask next.
 *
 *     giver                            taker                  others
 *       | kv:give(shard epoch keys) ---->| it has the shard      |      commands on this shard wait at the giver
 *       |<-------------------- new epoch |-- state ------------->|
 *       | sends what waited to the taker |                       |
 *
 * If the link ends before the answer, the shard rests until the taker has said what it has. */
#define GRACE (2 * SECOND) /* so long a server may be away before its shards begin anew, empty */

static int held(int who)
{
    int n = 0;
    for (int i = 0; i < SHARDS; i++)
        n += kv.shards[i].holder == who;
    return n;
}

/* The number of a server, or NOBODY. */
static int peer_find(const char *name)
{
    int i = PEERS;
    while (i-- && strcmp(kv.peers[i].name, name) != 0)
        continue;
    return i;
}

/* A server takes part while it is linked, has said what it is, and does not go. */
static int takes_part(const struct peer *p)
{
    return p->up && p->port && !p->going;
}

/* All that servers say to each other is Erlang's [<<...>>]: this, 4 bytes of size, the bytes, and a 'j'. */
#define LIST "\203l\0\0\0\1m"

static struct slice term_of(struct slice s)
{
    static struct buffer b;
    char size[4] = {(char)(s.size >> 24), (char)(s.size >> 16), (char)(s.size >> 8), (char)s.size};
    buffer_cut(&b, b.size);
    put_bytes(&b, LIST, sizeof LIST - 1);
    put_bytes(&b, size, sizeof size);
    put_bytes(&b, s.data, s.size);
    put(&b, "j");
    return (struct slice){b.data, b.size};
}

/* The bytes; none of any other term. */
static struct slice read_term(const struct cluster_event *e)
{
    if (e->term_size < sizeof LIST + 4 || memcmp(e->term, LIST, sizeof LIST - 1) != 0)
        return (struct slice){"", 0};
    return (struct slice){(const char *)e->term + sizeof LIST + 3, e->term_size - sizeof LIST - 4};
}

/* Call kv:run(command) or kv:give(shard) of another server. The call's number; 0: not now. It is answered, or the link ends. */
static uint64_t ask(const struct peer *p, const char *function, struct slice what)
{
    struct slice term = term_of(what);
    uint64_t request = 0;
    cluster_call(kv.cluster, p->name, "kv", function, term.data, term.size, CLUSTER_NEVER, &request);
    return request;
}

/* Tell the others the port for clients, whether this server stays, how many keys it has, and of each shard its epoch, or 0 where
 * another one has it. Who cannot take it now hears the next. */
static void tell(void)
{
    uint64_t said[3 + SHARDS] = {htobe64((uint64_t)kv.peers[0].port), htobe64((uint64_t)kv.peers[0].going),
                                 htobe64(store_keys)};
    for (int i = 0; i < SHARDS; i++)
        said[3 + i] = kv.shards[i].holder ? 0 : htobe64(kv.shards[i].epoch);
    struct slice term = term_of((struct slice){(const char *)said, sizeof said});
    for (int i = 1; i < PEERS; i++)
        if (kv.peers[i].up)
            cluster_send(kv.cluster, kv.peers[i].name, "kv", term.data, term.size);
    kv.told_at = kv.now;
    kv.news = 0;
}

/* A server has a shard. If another one says that too, the higher epoch counts, of equal ones the higher name. */
static void learn(int who, int number, uint64_t epoch)
{
    struct shard *s = &kv.shards[number];
    kv.epoch = epoch > kv.epoch ? epoch : kv.epoch;
    if (s->holder != NOBODY && s->holder != who && kv.peers[s->holder].up &&
        (epoch < s->epoch || (epoch == s->epoch && strcmp(kv.peers[who].name, kv.peers[s->holder].name) < 0)))
        return;
    if (!s->holder && who) {
        int keys = store_clear(&s->keys);
        if (kv.given == number)
            kv.given = NOBODY;
        else if (keys)
            say("%s has shard %d too, and counts: %d keys are dropped here", kv.peers[who].name, number, keys);
    }
    kv.news |= !who;
    s->holder = who;
    s->epoch = epoch;
}

/* What another server says of itself. It is all that it has: what it had and does not name, it gave away, or lost. */
static void hear(struct peer *p, struct slice said)
{
    uint64_t n[3 + SHARDS];
    int who = (int)(p - kv.peers);
    if (said.size != sizeof n)
        return;
    memcpy(n, said.data, sizeof n);
    p->port = (int)be64toh(n[0]);
    p->going = (int)be64toh(n[1]) & ROUTES;
    p->keys = (long)be64toh(n[2]);
    for (int i = 0; i < SHARDS; i++) {
        if (n[3 + i])
            learn(who, i, be64toh(n[3 + i]));
        else if (kv.shards[i].holder == who)
            kv.shards[i].holder = NOBODY;
    }
    if (kv.given != NOBODY && !kv.give && kv.taker == who)
        kv.given = NOBODY; /* it did not get the shard */
}

/* Send the next shard that we have and another one should: "*2", its number and the epoch, then "*2", key and value of each. */
static void give(void)
{
    static struct buffer b;
    int i = 0;
    while (i < SHARDS && (kv.shards[i].holder || kv.shards[i].want <= 0 || !takes_part(&kv.peers[kv.shards[i].want])))
        i++;
    if (kv.given != NOBODY || kv.now < kv.give_at || i == SHARDS)
        return;
    put(&b, "*2\r\n$4\r\n%04d\r\n$20\r\n%020llu\r\n", i, (unsigned long long)kv.epoch);
    for (int k = 0; k < CHAINS; k++) {
        for (const struct entry *e = kv.shards[i].keys.chains[k]; e; e = e->next) {
            put(&b, "*2\r\n");
            put_word(&b, e->key);
            put_word(&b, e->value);
        }
    }
    kv.taker = kv.shards[i].want;
    kv.give = ask(&kv.peers[kv.taker], "give", (struct slice){b.data, b.size});
    kv.given = kv.give ? i : NOBODY;
    buffer_cut(&b, b.size);
}

/* A shard comes: the answer is the epoch under which it is here, or nothing: it is not taken. */
static void take(struct slice in, struct buffer *answer)
{
    struct command part;
    if (read_command(in, &part) <= 0 || part.count != 2 || !takes_part(&kv.peers[0]))
        return;
    int number = (int)(strtoul(part.words[0].data, NULL, 10) % SHARDS);
    uint64_t epoch = strtoull(part.words[1].data, NULL, 10);
    struct shard *s = &kv.shards[number];
    if (!s->holder)
        return;
    while (in = (struct slice){in.data + part.size, in.size - part.size}, read_command(in, &part) > 0 && part.count == 2)
        store_set(&s->keys, part.words[0], part.words[1]);
    learn(0, number, (epoch > kv.epoch ? epoch : kv.epoch) + 1);
    put(answer, ":%llu\r\n", (unsigned long long)s->epoch);
}

/* What came of it. */
static void given(int ended, struct slice answer)
{
    kv.give = 0;
    kv.give_at = kv.now + (ended ? GRACE : SECOND / 2);
    if (answer.size > 3) {
        kv.give_at = 0;
        learn(kv.taker, kv.given, strtoull(answer.data + 1, NULL, 10));
    } else if (!ended) {
        kv.given = NOBODY;
    }
}
