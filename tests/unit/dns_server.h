/*
 * For unit tests: a strategy that asks DNS what the test wants to know, and a DNS server on the virtual machine, whose answers
 * the test writes. Include after cmocka.h and core/sources.h.
 */
#ifndef TESTS_UNIT_DNS_SERVER_H
#define TESTS_UNIT_DNS_SERVER_H

#include "dns_message.h"
#include "fake_loop.h"

#define DNS_MS UINT64_C(1000000)

/* A query as the server saw it. */
struct dns_query {
    int fd, kind;
    struct cluster_address server;
    unsigned id, flags, type, edns; /* edns: the size that it says, or 0 */
    char name[256];
    uint64_t at;
    unsigned retired; /* descriptors that waited for their close then */
};

/* One answer as the strategy got it. */
struct dns_seen {
    unsigned times;
    struct cluster_dns_answer answer;
    char name[256], why[192], records[65536];
    uint64_t at;
};

struct dns_world {
    struct fake f;
    struct cluster *c;
    struct cluster_source *s;
    struct mirror mirror;
    uint64_t now;
    /* the strategy */
    struct {
        const char *name;
        uint32_t slot, type;
        int result;
    } ask[200];
    unsigned asks;
    bool in_open;                                         /* ask there */
    bool silent;                                          /* rounds end by their timeout alone */
    bool mute;                                            /* records are not read */
    void (*answered)(struct dns_world *w, uint32_t slot); /* in ready */
    struct dns_seen seen[200];
    unsigned seen_count;
    /* the server */
    struct dns_query q[400];
    unsigned queries;
    void (*serve)(struct dns_world *w, const struct dns_query *q, struct message *m);
    unsigned step;
};

static struct dns_world *dns_now; /* for the hooks of the machine */

/* ---- the strategy ----------------------------------------------------- */

static inline void dns_ask(struct dns_world *w)
{
    unsigned i;
    for (i = 0; i < w->asks; i++)
        w->ask[i].result = cluster_source_resolve(w->s, w->ask[i].slot, w->ask[i].name, w->ask[i].type);
}

static inline int dns_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct dns_world *w = (struct dns_world *)ctx;
    (void)target;
    w->s = s;
    *state = w;
    if (w->in_open)
        dns_ask(w);
    return 0;
}

static inline int dns_round(void *state, uint64_t now)
{
    struct dns_world *w = (struct dns_world *)state;
    assert_true(now == w->now);
    if (!w->in_open)
        dns_ask(w);
    return 0;
}

/* All records, a line each. */
static inline void dns_read(struct dns_world *w, uint32_t slot, struct dns_seen *seen)
{
    struct cluster_record r;
    struct clu_text t = clu_text_on(seen->records, sizeof seen->records);
    int result;
    for (;;) {
        memset(&r, 0, sizeof r);
        r.size = (uint32_t)sizeof r;
        result = cluster_source_record(w->s, slot, &r);
        if (result == 0)
            break;
        assert_int_equal(result, 1);
        assert_int_equal(r.size, sizeof r);
        clu_text_add(&t, r.additional ? "+" : "");
        clu_text_add(&t, r.name);
        clu_text_add(&t, " ");
        if (r.type == CLUSTER_DNS_SRV) {
            clu_text_u64(&t, r.priority);
            clu_text_add(&t, " ");
            clu_text_u64(&t, r.weight);
            clu_text_add(&t, " ");
            clu_text_u64(&t, r.port);
            clu_text_add(&t, " ");
        }
        if (r.address.family)
            clu_address_text(&t, &r.address);
        assert_int_equal(r.address.port, 0);
        clu_text_escaped(&t, r.text, r.text_size);
        assert_int_equal(r.text[r.text_size], 0);
        clu_text_add(&t, "\n");
    }
}

static inline int dns_ready(void *state, int fd, int revents, uint64_t now)
{
    struct dns_world *w = (struct dns_world *)state;
    uint32_t slot = (uint32_t)revents;
    struct dns_seen *seen = &w->seen[slot];
    assert_int_equal(fd, CLUSTER_ANSWERED);
    assert_true(now == w->now);
    assert_true(slot < 200);
    memset(&seen->answer, 0, sizeof seen->answer);
    seen->answer.size = (uint32_t)sizeof seen->answer;
    assert_int_equal(cluster_source_answer(w->s, slot, &seen->answer), 0);
    assert_int_equal(seen->answer.size, sizeof seen->answer);
    strcpy(seen->name, seen->answer.name);
    strcpy(seen->why, seen->answer.why);
    assert_int_equal(seen->answer.error != 0, *seen->why != '\0');
    seen->times++;
    seen->at = now;
    w->seen_count++;
    if (!w->mute)
        dns_read(w, slot, seen);
    if (w->answered)
        w->answered(w, slot);
    else if (!w->silent && w->seen_count % w->asks == 0)
        return cluster_source_publish(w->s, NULL, 0);
    return 0;
}

static inline void dns_close(void *state)
{
    (void)state;
}

/* ---- the server ------------------------------------------------------- */

/* Send a message back to whoever asked. */
static inline void dns_push(struct dns_world *w, const struct dns_query *q, const void *data, size_t size)
{
    static uint8_t stream[2 + 65536];
    stream[0] = (uint8_t)(size >> 8);
    stream[1] = (uint8_t)size;
    memcpy(stream + 2, data, size);
    if (q->kind == CLUSTER_TCP)
        fake_push(&w->f, q->fd, stream, size + 2, NULL);
    else
        fake_push(&w->f, q->fd, data, size, &q->server);
}

static inline void dns_sent(struct fake *f, int fd, const uint8_t *data, size_t size)
{
    static struct message m;
    struct dns_world *w = dns_now;
    struct dns_query *q = &w->q[w->queries % 400];
    struct fake_socket *s = &f->s[fd];
    struct clu_text t = clu_text_on(q->name, sizeof q->name);
    size_t at = 12;
    if (s->kind == CLUSTER_TCP) { /* a query may come in pieces */
        data = s->out;
        if (s->out_size < 2 || s->out_size < ((size_t)data[0] << 8 | data[1]) + 2)
            return;
        size = ((size_t)data[0] << 8 | data[1]);
        data += 2;
        s->out_size = 0;
    }
    assert_true(size >= 17);
    q->fd = fd;
    q->kind = s->kind;
    q->server = s->peer;
    q->id = (unsigned)data[0] << 8 | data[1];
    q->flags = (unsigned)data[2] << 8 | data[3];
    q->at = w->now;
    q->retired = (unsigned)w->c->loop.retired_count;
    assert_int_equal(data[5], 1);
    while (data[at]) {
        clu_text_bytes(&t, ".", at > 12);
        clu_text_bytes(&t, (const char *)data + at + 1, data[at]);
        at += data[at] + (size_t)1;
        assert_true(at < size);
    }
    q->type = data[at + 2];
    q->edns = size == at + 5 ? 0 : (unsigned)data[at + 8] << 8 | data[at + 9];
    assert_true(size == at + (q->edns ? 16 : 5) || (size == at + 28 && data[at + 15] == 12)); /* some ask for a cookie */
    w->queries++;
    begin(&m, q->id, 0x8180, q->name, q->type);
    if (w->serve)
        w->serve(w, q, &m);
    if (m.size)
        dns_push(w, q, m.data, m.size);
}

/* ---- the world -------------------------------------------------------- */

static inline void dns_file(struct dns_world *w, int index, const char *path, const char *text)
{
    w->f.files[index].path = path;
    w->f.files[index].text = text;
    w->f.files[index].stamp++;
}

static inline struct cluster_options dns_begin(struct dns_world *w)
{
    struct cluster_options o;
    memset(w, 0, sizeof *w);
    dns_now = w;
    o = fake_begin(&w->f);
    w->f.sent = dns_sent;
    w->now = 1000 * FAKE_SECOND;
    dns_file(w, 0, "/etc/resolv.conf", "nameserver 10.0.0.1\n");
    return o;
}

static inline void dns_start(struct dns_world *w, const struct cluster_options *o)
{
    struct cluster_strategy v;
    memset(&v, 0, sizeof v);
    v.size = (uint32_t)sizeof v;
    v.open = dns_open;
    v.round = dns_round;
    v.ready = dns_ready;
    v.close = dns_close;
    v.options = "server search hosts tcp";
    v.interval_ns = CLUSTER_NEVER;
    assert_int_equal(cluster_create(&w->c, o), 0);
    fake_run(&w->f, w->c, &w->now, w->now);
    assert_int_equal(cluster_strategy_register(w->c, "mine", &v, w), 0);
}

static inline void dns_end(struct dns_world *w)
{
    mirror_end(&w->mirror);
    cluster_destroy(w->c);
    fake_end(&w->f);
}

/* What is asked in each round from now on. */
static inline void dns_want(struct dns_world *w, uint32_t slot, const char *name, uint32_t type)
{
    w->ask[w->asks].slot = slot;
    w->ask[w->asks].name = name;
    w->ask[w->asks++].type = type;
}

static inline void dns_source(struct dns_world *w, const char *url)
{
    if (cluster_discover(w->c, url, NULL) != 0)
        fail_msg("%s", cluster_last_error(w->c));
}

static inline void dns_wait(struct dns_world *w, uint64_t ms)
{
    fake_run(&w->f, w->c, &w->now, w->now + ms * DNS_MS);
    mirror_check(&w->mirror, w->c);
}

#endif
