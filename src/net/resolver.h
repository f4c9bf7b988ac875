/*
 * The resolver: what becomes of one question to DNS on the network, from its name to its answer. A question owns its socket,
 * its timer and the message that answered it; all questions of a handle share what /etc/resolv.conf and /etc/hosts said last.
 * It caches no answer, uses no part of one that is cut, and takes nothing that does not fit the question: such datagrams are
 * dropped, and the question goes on waiting.
 *
 *          a name of the search list             TC
 *   ask ---------------------------> UDP -----------------> TCP ----> REST, with an answer or a failure
 *             ^         ^           |   ^                  |   |
 *             |         +- FORMERR -+   +-- next server ---+   | there is no such name
 *             +------------------------------------------------+
 */
#ifndef CLU_NET_RESOLVER_H
#define CLU_NET_RESOLVER_H

#include "cares.h"
#include "exchange.h"

/* ---- the life of a question ------------------------------------------- */

/* From now on it rests: no timer, no place among those that talk, and no socket unless that is kept. */
CLU_CALLED void clu_question_rest(struct clu_question *q, bool keep)
{
    struct clu_loop *l = q->resolver->loop;
    if (q->state == CLU_DNS_TALKS)
        q->resolver->flight--;
    q->state = CLU_DNS_REST;
    clu_timer_set(&l->timers, &q->timer, CLUSTER_NEVER);
    if (!keep)
        clu_exchange_end(q);
}

/* As it is before the first server is asked. */
CLU_FN void clu_question_reset(struct clu_question *q, uint32_t type, uint64_t span)
{
    q->either = type == CLU_DNS_EITHER;
    q->type = q->either ? (uint16_t)CLUSTER_DNS_A : (uint16_t)type;
    q->tries = q->attempt = q->candidate = q->flags = 0;
    q->plain = q->stream = false;
    memset(&q->result, 0, sizeof q->result);
    q->error = 0;
    q->name[q->base] = '\0';
    q->deadline = span;
}

/* The end: at once, or in the next step when clu_question_ask has not returned yet. */
CLU_CALLED void clu_question_end(struct clu_question *q, int error)
{
    struct clu_loop *l = q->resolver->loop;
    clu_question_rest(q, !error && q->whole && q->tcp == CLU_DNS_TCP_KEEP);
    if (q->either && !error && !q->result.count) {
        clu_question_reset(q, CLUSTER_DNS_AAAA, q->deadline > l->now ? q->deadline - l->now : 0);
        q->state = CLU_DNS_STARTS;
        clu_timer_set(&l->timers, &q->timer, l->now);
        return;
    }
    q->error = error;
    if (!q->asking) {
        q->answered(q);
        return;
    }
    q->state = CLU_DNS_ENDS;
    clu_timer_set(&l->timers, &q->timer, l->now);
}

/* Begin a try on the connection that was kept, or on a new socket. A result of CLUSTER_E_AGAIN or CLUSTER_E_LIMIT says that no
 * socket is to be had now. */
CLU_FN int clu_question_open(struct clu_question *q)
{
    struct clu_resolver *r = q->resolver;
    struct cluster_address before = q->server;
    int result = clu_question_server(q);
    q->stream = q->stream || q->tcp || r->conf.options[CLU_RESOLV_USE_VC];
    q->reused = q->fd >= 0 && q->stream && clu_address_compare(&before, &q->server) == 0;
    if (!q->reused)
        clu_question_rest(q, false);
    if (!result && r->flight >= CLU_DNS_FLIGHT)
        result = CLUSTER_E_LIMIT;
    if (!result)
        result = clu_random(r->loop, &q->id, sizeof q->id);
    q->have = q->dropped = 0;
    q->whole = false;
    if (!result)
        result = clu_exchange_begin(q);
    if (result)
        return result;
    q->state = CLU_DNS_TALKS;
    r->flight++;
    return 0;
}

/* The next try that gets under way, or waits for a socket, or the end. */
CLU_CALLED void clu_question_go(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    while (q->attempt < q->tries && l->now < q->deadline) {
        uint64_t share = (q->deadline - l->now) / (q->tries - q->attempt);
        int result = clu_question_open(q);
        if (result == 0) {
            clu_timer_set(&l->timers, &q->timer,
                          l->now + clu_min_u64(share, q->resolver->conf.options[CLU_RESOLV_TIMEOUT] * CLU_SECOND));
            return;
        }
        if (q->fd < 0 && (result == CLUSTER_E_AGAIN || result == CLUSTER_E_LIMIT)) {
            q->state = CLU_DNS_WAITS;
            if (!q->error && q->resolver->flight < CLU_DNS_FLIGHT)
                q->error = CLUSTER_E_LIMIT;
            share = l->retired_count >= CLU_RETIRED_MAX ? 0 : clu_min_u64(q->deadline - l->now, CLU_DNS_WAIT);
            clu_timer_set(&l->timers, &q->timer, l->now + share);
            return;
        }
        clu_question_rest(q, false);
        if (q->reused)
            continue; /* it had been closed meanwhile */
        q->error = result;
        q->result.rcode = 0;
        q->stream = false;
        q->attempt++;
    }
    clu_question_end(q, q->error ? q->error : CLUSTER_E_TIMEOUT);
}

/* The try at hand has failed; with 0 in the words of the server. */
CLU_CALLED void clu_question_fail(struct clu_question *q, int error)
{
    uint32_t rcode = error ? 0 : q->result.rcode;
    clu_question_rest(q, false);
    if (!q->reused || error == CLUSTER_E_TIMEOUT) {
        q->error = error ? error : rcode == 5 ? CLUSTER_E_REFUSED : rcode ? CLUSTER_E_IO : CLUSTER_E_PROTOCOL;
        q->result.rcode = rcode;
        q->stream = false;
        q->attempt++;
    }
    clu_question_go(q);
}

/* The name as it was given, or with the next domain of the search list after it. False: all of them were tried. */
CLU_FN bool clu_question_next_name(struct clu_question *q)
{
    const struct clu_resolv *conf = &q->resolver->conf;
    uint32_t domains = q->search ? conf->search_count : 0, dots = 0, place;
    uint8_t wire[CLU_DNS_NAME_MAX];
    size_t i;
    for (i = 0; i < q->base; i++)
        dots += q->name[i] == '.';
    while (q->candidate <= domains) {
        bool early = dots >= conf->options[CLU_RESOLV_NDOTS]; /* the name as it is comes first, else last */
        struct clu_text t = clu_text_on(q->name + q->base, sizeof q->name - q->base);
        place = q->candidate++;
        if (place != (early ? 0 : domains)) {
            struct clu_slice domain = conf->search[place - early];
            clu_text_add(&t, ".");
            clu_text_bytes(&t, domain.at, domain.length - (domain.length > 1 && domain.at[domain.length - 1] == '.'));
        }
        if (t.cut || !clu_dns_name(wire, clu_slice_of(q->name, q->base + t.length)))
            continue;
        q->attempt = 0;
        q->stream = false;
        return true;
    }
    return false;
}

/* What a message that came, and was judged, leads to. */
CLU_CALLED void clu_question_take(struct clu_question *q, enum clu_dns_verdict verdict)
{
    bool formerr = verdict == CLU_DNS_FAILED && q->result.rcode == CLU_DNS_FORMERR && !q->plain;
    /* A name without records of the type is there: the next one of the search list would be that of something else. */
    bool absent = verdict == CLU_DNS_EMPTY && q->result.rcode;
    if (formerr || (verdict == CLU_DNS_TRUNCATED && !q->stream) || (absent && clu_question_next_name(q))) {
        clu_question_rest(q, verdict == CLU_DNS_EMPTY && q->whole);
        q->plain = q->plain || formerr;
        q->stream = q->stream || verdict == CLU_DNS_TRUNCATED;
        clu_question_go(q);
    } else if (verdict == CLU_DNS_NOT_OURS && !q->stream) {
        clu_question_rest(q, false);
        clu_question_go(q);
    } else if (verdict == CLU_DNS_ANSWER || verdict == CLU_DNS_EMPTY) {
        clu_question_end(q, 0);
    } else {
        clu_question_fail(q, verdict == CLU_DNS_FAILED ? 0 : CLUSTER_E_PROTOCOL);
    }
}

CLU_FN void clu_question_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_question *q = CLU_CONTAINER(watcher, struct clu_question, watcher);
    int64_t result;
    if (q->state != CLU_DNS_TALKS) { /* whoever ends a connection that is kept, or says more than was asked */
        q->fd = revents & POLLNVAL ? -1 : q->fd;
        clu_question_rest(q, false);
        return;
    }
    result = clu_exchange_ready(q, fd, revents);
    if (result >= 0)
        clu_question_take(q, (enum clu_dns_verdict)result);
    else if (result != CLUSTER_E_AGAIN)
        clu_question_fail(q, (int)result);
}

/* ---- asking ----------------------------------------------------------- */

/* The answer of /etc/hosts, as a message of the kind that DNS sends. 1: it is there; 0: the name is not. */
CLU_FN int clu_question_hosts(struct clu_question *q)
{
    struct clu_resolver *r = q->resolver;
    struct clu_slice text;
    struct cluster_address address;
    size_t size = q->type == CLUSTER_DNS_A ? 4 : 16, count = 0;
    int result = clu_known_look(r->loop, &r->hosts_file, CLU_HOSTS_PATH);
    bool found = false;
    if (result < 0)
        return result;
    text = clu_slice_of(r->hosts_file.text, r->hosts_file.size);
    q->have = 2 + clu_dns_query(q->buffer + 2, CLU_DNS_QUERY_MAX, q->id, q->name, q->type, 0);
    while (clu_hosts_find(&text, clu_slice_str(q->name), &address)) {
        uint8_t *at;
        found = true;
        if (address.family != (size == 4 ? 4 : 6))
            continue;
        if (q->have + 28 > 65535)
            return CLUSTER_E_LIMIT;
        if (!clu_reserve(&r->loop->memory, &q->buffer, &q->capacity, q->have + 28, 1))
            return CLUSTER_E_MEMORY;
        at = q->buffer + q->have;
        clu_put_be(at, UINT64_C(0xc00c) << 48 | (uint64_t)q->type << 32 | 1 << 16,
                   8); /* of the name of the question, class IN */
        clu_put_be(at + 8, size, 4);
        memcpy(at + 12, address.bytes, size);
        q->have += 12 + size;
        count++;
    }
    clu_put_be(q->buffer + 4, 0x8180, 2);
    clu_put_be(q->buffer + 8, count, 2);
    q->flags = found ? CLUSTER_ANSWER_HOSTS : 0;
    (void)clu_question_check(q);
    return found;
}

/* The first step of a question, with I/O. */
CLU_FN void clu_question_start(struct clu_question *q)
{
    struct clu_resolver *r = q->resolver;
    int result = clu_resolver_look(r), hosts = 0;
    q->state = CLU_DNS_REST;
    q->first = r->conf.options[CLU_RESOLV_ROTATE] ? r->turn++ : 0;
    q->deadline = clu_add_time(r->loop->now, q->deadline);
    if (q->servers && !q->search)
        result = 0;
    if (q->hosts && (q->type == CLUSTER_DNS_A || q->type == CLUSTER_DNS_AAAA))
        hosts = clu_question_hosts(q); /* for the name as it was given */
    if (!hosts)
        (void)clu_question_next_name(q);
    q->tries = hosts || result ? 0 : clu_question_servers(q) * r->conf.options[CLU_RESOLV_ATTEMPTS];
    if (q->tries)
        clu_question_go(q);
    else
        clu_question_end(q, hosts > 0 ? 0 : hosts ? hosts : result);
}

CLU_FN void clu_question_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_question *q = CLU_CONTAINER(timer, struct clu_question, timer);
    (void)now;
    if (q->state == CLU_DNS_STARTS)
        clu_question_start(q);
    else if (q->state == CLU_DNS_WAITS)
        clu_question_go(q);
    else if (q->state == CLU_DNS_TALKS)
        clu_question_fail(q, q->dropped ? CLUSTER_E_PROTOCOL : CLUSTER_E_TIMEOUT);
    else
        clu_question_end(q, q->error);
}

/* Ask, and have the answer within `span` ns; what was asked before is given up. The type CLU_DNS_EITHER asks for A, and for
 * AAAA if there is none. CLUSTER_E_INVALID: this is no DNS name, or a type whose records nobody here can read;
 * CLUSTER_E_MEMORY. */
CLU_FN int clu_question_ask(struct clu_question *q, struct clu_slice name, uint32_t type, uint64_t span)
{
    static const char types[] = {CLUSTER_DNS_A,   CLUSTER_DNS_CNAME, CLUSTER_DNS_PTR,
                                 CLUSTER_DNS_TXT, CLUSTER_DNS_AAAA,  CLUSTER_DNS_SRV};
    struct clu_loop *l = q->resolver->loop;
    uint8_t wire[CLU_DNS_NAME_MAX];
    bool final = name.length && name.at[name.length - 1] == '.';
    clu_question_rest(q, q->state == CLU_DNS_REST);
    q->base = clu_dns_name(wire, name) ? name.length - final : 0;
    if (type != CLU_DNS_EITHER && (type > 127 || !memchr(types, (int)type, sizeof types)))
        q->base = 0;
    if (!q->base)
        return CLUSTER_E_INVALID;
    if (!clu_reserve(&l->memory, &q->buffer, &q->capacity, 2 + CLU_DNS_UDP_MAX, 1)) {
        q->base = 0;
        return CLUSTER_E_MEMORY;
    }
    memmove(q->name, name.at, q->base); /* it may be what is there */
    q->search = q->search && !final;
    clu_question_reset(q, type, span);
    if (l->stepping) {
        q->asking = true;
        clu_question_start(q);
        q->asking = false;
    } else {
        q->state = CLU_DNS_STARTS;
        clu_timer_set(&l->timers, &q->timer, 0);
    }
    return 0;
}

CLU_FN struct clu_question *clu_question_new(struct clu_resolver *r)
{
    struct clu_question *q = (struct clu_question *)clu_timed_new(r->loop, sizeof *q, 1);
    if (!q)
        return NULL;
    q->resolver = r;
    q->watcher.ready = clu_question_ready;
    q->timer.fire = clu_question_fire;
    q->fd = -1;
    return q;
}

CLU_FN void clu_question_free(struct clu_question *q)
{
    struct clu_loop *l = q->resolver->loop;
    clu_question_rest(q, false);
    clu_exchange_free(q);
    clu_timers_release(&l->timers, &q->timer);
    clu_free(&l->memory, q->buffer, q->capacity);
    clu_free(&l->memory, q, sizeof *q);
}

/* ---- the answer ------------------------------------------------------- */

/* The sentence on a failure. */
CLU_FN const char *clu_question_why(const struct clu_question *q)
{
    static const struct {
        int what; /* an error, or the code of an answer */
        const char *sentence;
    } table[] = {
        {2, "DNS server $ says SERVFAIL, it cannot find out: its own log says why"},
        {5, "DNS server $ refuses to answer: does it serve this host, and this name? server= takes another"},
        {CLUSTER_E_TIMEOUT, "no DNS server at $ answers: is the address right, is port 53 open? server= takes another"},
        {CLUSTER_E_REFUSED, "no DNS server runs at $: start it, or name another in /etc/resolv.conf or with server="},
        {CLUSTER_E_UNREACHABLE, "DNS server $ cannot be reached: is the network up? server= takes another"},
        {CLUSTER_E_PROTOCOL, "DNS server $ gives no proper answer: does it look names up for others? server= takes another"},
        {CLUSTER_E_CLOSED, "DNS server $ closed the connection before it had answered"},
        {CLUSTER_E_LIMIT, "DNS server $ cannot be asked, too many sockets are open: raise limit_watches"},
    };
    struct clu_resolver *r = q->resolver;
    uint32_t rcode = q->result.rcode;
    const char *sentence = !q->tries ? "/etc/resolv.conf or /etc/hosts cannot be read: #"
                           : rcode   ? "DNS server $ answers with code #"
                                     : "DNS server $: #";
    char server[CLU_ADDRESS_TEXT], number[24];
    struct clu_text t = clu_text_on(r->why, sizeof r->why), shown = clu_text_on(server, sizeof server),
                    code = clu_text_on(number, sizeof number);
    size_t i;
    for (i = 0; i < CLU_COUNT(table) && q->tries; i++)
        if (table[i].what == (rcode ? (int)rcode : q->error))
            sentence = table[i].sentence;
    clu_address_port_text(&shown, &q->server);
    clu_text_u64(&code, rcode);
    (void)clu_say(&t, sentence, clu_slice_str(rcode ? number : cluster_strerror(q->error)), server);
    return r->why;
}

/* What came of the question; reading its records begins anew. */
CLU_FN void clu_question_answer(struct clu_question *q, struct cluster_dns_answer *out)
{
    memset(out, 0, sizeof *out);
    out->error = q->error;
    out->rcode = q->result.rcode;
    out->why = q->error ? clu_question_why(q) : "";
    out->name = q->name;
    if (q->error)
        return;
    out->count = q->result.count;
    out->ttl = q->result.ttl;
    out->digest = q->result.digest;
    out->flags = q->flags | (q->result.additional ? CLUSTER_ANSWER_ADDITIONAL : 0);
    if (out->count)
        clu_dns_begin(&q->walk, q->buffer + 2, q->have - 2, &q->result);
}

/* 1: the next record; 0: that was all; CLUSTER_E_MEMORY. */
CLU_FN int clu_question_record(struct clu_question *q, struct cluster_record *out)
{
    struct clu_resolver *r = q->resolver;
    struct clu_dns_record rec;
    struct clu_slice name;
    bool srv;
    if (q->error || !q->result.count || !clu_dns_next(&q->walk, &rec))
        return 0;
    name = clu_dns_text(&q->walk); /* of the additional record, or in the data */
    srv = rec.type == CLUSTER_DNS_SRV;
    out->type = rec.type;
    out->ttl = rec.ttl;
    out->priority = srv ? clu_dns_u16(rec.data) : 0;
    out->weight = srv ? clu_dns_u16(rec.data + 2) : 0;
    out->port = srv ? clu_dns_u16(rec.data + 4) : 0;
    out->additional = rec.additional;
    out->name = rec.additional ? name.at : q->walk.owner;
    out->text = "";
    out->text_size = 0;
    memset(&out->address, 0, sizeof out->address);
    if (rec.type == CLUSTER_DNS_A || rec.type == CLUSTER_DNS_AAAA) {
        out->address.family = rec.type == CLUSTER_DNS_A ? 4 : 6;
        memcpy(out->address.bytes, rec.data, rec.size);
    } else if (rec.type == CLUSTER_DNS_TXT) {
        if (!clu_reserve(&r->loop->memory, &r->text, &r->text_capacity, rec.size, 1))
            return CLUSTER_E_MEMORY;
        out->text_size = (uint32_t)clu_dns_strings(&rec, (uint8_t *)r->text, rec.size);
        r->text[out->text_size] = '\0'; /* there is room: each string loses its length */
        out->text = r->text;
    } else {
        out->text_size = (uint32_t)name.length;
        out->text = name.at;
    }
    return 1;
}

#endif
