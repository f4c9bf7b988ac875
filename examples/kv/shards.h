/* Who has which shard, and how one goes from server to server. Servers tell each other what they are and have, whenever that
 * changes and four times a second. Whoever gets a shard has it under an epoch above all that it saw. So there is one server that has
 * a shard, it alone answers for its keys, and what the others believe is a hint on where to ask next. If the link ends while a shard
 * is on its way, it rests until the taker has said what it has. The picture is in docs/kv.md, "A shard moves". */
#define GRACE (2 * SECOND) /* so long a server may be away before its shards begin anew, empty */

/* All that servers say to each other is Erlang's [<<...>>]: this, 4 bytes of size, the bytes, and a 'j'. */
#define LIST "\203l\0\0\0\1m"

static const struct bytes nothing = {"", 0, 0};

static struct bytes term_of(struct bytes s)
{
    static struct bytes b;
    uint32_t size = htonl((uint32_t)s.size);
    cut(&b, b.size);
    put_bytes(&b, LIST, sizeof LIST - 1);
    put_bytes(&b, &size, sizeof size);
    put_bytes(&b, s.data, s.size);
    put(&b, "j");
    return b;
}

/* The bytes; none of any other term. */
static struct bytes read_term(const struct cluster_event *e)
{
    if (e->term_size < sizeof LIST + 4 || memcmp(e->term, LIST, sizeof LIST - 1) != 0)
        return nothing;
    return (struct bytes){(char *)e->term + sizeof LIST + 3, e->term_size - sizeof LIST - 4, 0};
}

/* Call kv:run, kv:give or kv:state of another server. The call's number: it is answered, or its link ends; 0: not now. */
static uint64_t ask(const char *name, const char *function, struct bytes what)
{
    struct bytes term = term_of(what);
    uint64_t request = 0;
    cluster_call(kv.cluster, name, "kv", function, term.data, term.size, CLUSTER_NEVER, &request);
    kv.waits += request != 0;
    return request;
}

/* Tell the others whether this server stays, its port for clients, how many keys it has, and of each shard its epoch, or 0 where
 * another one has it. Who cannot take it now hears the next. */
static void tell(void)
{
    static struct bytes b;
    const struct cluster_member *m;
    kv.self->keys = store_keys;
    put(&b, "%d %d %zu", kv.self->state, kv.self->port, kv.self->keys);
    for (const struct shard *s = kv.shards; s < kv.shards + SHARDS; s++)
        put(&b, " %llu", s->holder == kv.self ? (unsigned long long)s->epoch : 0);
    for (size_t i = 0; (m = cluster_member_at(kv.cluster, i)) != NULL; i++)
        if (m->state == CLUSTER_MEMBER_UP)
            ask(m->name, "state", b);
    cut(&b, b.size);
}

/* A server has a shard. If another one says that too, the higher epoch counts, of equal ones the higher name. */
static void learn(struct peer *p, struct shard *s, uint64_t epoch)
{
    kv.epoch = epoch > kv.epoch ? epoch : kv.epoch;
    if (s->holder && s->holder != p && (epoch < s->epoch || (epoch == s->epoch && strcmp(p->name, s->holder->name) < 0)))
        return;
    int dropped = p != kv.self && (s->holder == kv.self || s == kv.given) ? store_clear(s->keys) : 0;
    if (s == kv.given)
        kv.given = NULL;
    else if (dropped)
        say("%s has shard %d too, and counts: %d keys are dropped here", p->name, (int)(s - kv.shards), dropped);
    s->holder = p;
    s->epoch = epoch;
}

/* What another server says of itself. It is all that it has: what it had and does not name, it gave away, or lost. */
static void hear(struct peer *p, struct bytes said)
{
    char *at = said.data; /* behind it is no digit */
    p->state = (int)strtoul(at, &at, 10) % STATES;
    p->port = (int)strtoul(at, &at, 10);
    p->keys = strtoul(at, &at, 10);
    for (struct shard *s = kv.shards; s < kv.shards + SHARDS; s++) {
        uint64_t epoch = strtoull(at, &at, 10);
        if (epoch)
            learn(p, s, epoch);
        else if (s->holder == p)
            s->holder = NULL;
    }
    if (p->state && p == kv.taker && kv.given && !kv.give) {
        kv.given->holder = kv.self; /* it did not get the shard */
        kv.given = NULL;
    }
}

/* Send a shard to the one that should have it: "*2", its number and the epoch, then "*2", key and value of each. */
static void give(struct shard *s)
{
    static struct bytes b;
    put(&b, "*2\r\n$4\r\n%04d\r\n$20\r\n%020llu\r\n", (int)(s - kv.shards), (unsigned long long)kv.epoch);
    for (int i = 0; i < CHAINS; i++) {
        for (const struct entry *e = s->keys[i]; e; e = e->next) {
            put(&b, "*2\r\n");
            put_word(&b, e->key);
            put_word(&b, e->value);
        }
    }
    kv.taker = s->want;
    kv.give = ask(kv.taker->name, "give", b);
    kv.given = kv.give ? s : NULL;
    cut(&b, b.size);
}

/* A shard comes. Who has it now, all hear before the giver is answered. */
static void take(struct bytes in)
{
    struct command part;
    if (read_command(in, &part) != 2 || kv.self->state != STAYS)
        return;
    struct shard *s = &kv.shards[strtoul(part.words[0].data, NULL, 10) % SHARDS];
    uint64_t epoch = strtoull(part.words[1].data, NULL, 10);
    if (s->holder == kv.self)
        return;
    store_clear(s->keys); /* of a time before, if a link ended */
    for (size_t at = part.size; read_command((struct bytes){in.data + at, in.size - at, 0}, &part) == 2; at += part.size)
        store_set(s->keys, part.words[0], part.words[1]);
    learn(kv.self, s, (epoch > kv.epoch ? epoch : kv.epoch) + 1);
    tell();
}
