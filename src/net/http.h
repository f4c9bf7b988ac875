/*
 * One request by HTTP/1.1: from its URL to the last byte of its response. A request owns its socket, its TLS session, its timer and
 * its buffer; its owner reads the body from that in bounded steps. It follows no redirect, and a response that is not 2xx is a
 * failure here, with what the server says of it: no owner can take the body of an error for an answer.
 *
 *   ask -> (a kept connection) ---------------+
 *    |                                        v
 *    +--> LOOKS -> SECURES <-> next address, SENDS -> HEAD -> BODY  -> REST
 *         hosts, DNS  TLS                                 +-> ERROR -> REST, failed
 */
#ifndef CLU_NET_HTTP_H
#define CLU_NET_HTTP_H

#include "../loop/loop.h"
#include "../wire/compose.h"
#include "../wire/http.h"
#include "lookup.h"

#define CLU_HTTP_BUFFER ((size_t)32768)     /* the head, and at least half of it for the body */
#define CLU_HTTP_STEP 65536                 /* bytes of a body in one step */
#define CLU_HTTP_CONNECT (5 * CLU_SECOND)   /* for one address, TLS included */
#define CLU_HTTP_ANSWER (UINT64_C(1) << 30) /* bytes of a body, unless the request says otherwise */
#define CLU_HTTP_RETRY (10 * CLU_MS)        /* until a socket is to be had */
#define CLU_HTTP_ADDRESSES 8
#define CLU_FETCH_TLS 0x80 /* beside the flags of a request */

enum {
    CLU_FETCH_REST,
    CLU_FETCH_STARTS,
    CLU_FETCH_LOOKS,
    CLU_FETCH_OPENS, /* as soon as there is a socket to be had */
    CLU_FETCH_SECURES,
    CLU_FETCH_SENDS,
    CLU_FETCH_HEAD,
    CLU_FETCH_BODY,
    CLU_FETCH_ERROR /* the body of a response that is none */
};

struct clu_fetch;

/* Whom a request is for. */
struct clu_fetch_owner {
    void (*progress)(struct clu_fetch *f); /* it may ask again */
    /* DNS, or NULL where there is none: ask for f->host, whose answer ends in clu_fetch_connect or clu_fetch_fail; ask no more */
    int (*look_up)(struct clu_fetch *f);
    void (*look_up_end)(struct clu_fetch *f);
};

/* What is used most comes first. */
struct clu_fetch {
    struct clu_watcher watcher;
    struct clu_timer timer;
    struct clu_loop *loop;
    int fd;
    uint8_t state;
    uint8_t address_count, address_next;
    bool asked; /* there is a request */
    struct clu_http http;
    char *buffer; /* CLU_HTTP_BUFFER bytes: the head of the response, and what came after it; NULL: none came yet */
    size_t have;
    uint8_t how; /* CLU_FETCH_TLS, CLUSTER_REQUEST_INSECURE */
    bool secret; /* there is one in it */
    bool reused; /* a kept connection on which nothing came yet */
    bool reads;  /* the owner does, and sees the end by that */
    uint16_t port;
    char *text; /* the host as written with its port, the host alone, the CA file, each with its NUL; the request */
    uint64_t deadline;
    void *tls;
    const char *host, *ca; /* there; ca: "": none */
    char *request;         /* there: head and body */
    size_t capacity, request_size, sent;
    uint64_t body_left, step;
    int error; /* as in struct cluster_response */
    uint32_t quota;
    const struct clu_fetch_owner *owner;
    void *source;                  /* the owner's */
    uint32_t slot;                 /* the owner's */
    struct clu_question *question; /* the owner's; NULL: none yet */
    struct cluster_address addresses[CLU_HTTP_ADDRESSES];
    char why[192]; /* CLU_SAY_MOST bytes of a server's words, and ours */
};

/* ---- the end ---------------------------------------------------------- */

CLU_FN void clu_fetch_drop(struct clu_fetch *f)
{
    clu_disconnect(f->loop, &f->watcher, &f->fd, &f->tls);
}

/* It rests from now on, on a connection that the next request may use if this one came to its end. */
CLU_CALLED void clu_fetch_rest(struct clu_fetch *f, bool keep)
{
    if (f->state == CLU_FETCH_LOOKS)
        f->owner->look_up_end(f);
    f->state = CLU_FETCH_REST;
    clu_timer_set(&f->loop->timers, &f->timer, CLUSTER_NEVER);
    if (!keep || !f->http.whole || !f->http.keep || f->http.at != f->have)
        clu_fetch_drop(f);
}

CLU_CALLED void clu_fetch_end(struct clu_fetch *f, int error)
{
    clu_fetch_rest(f, true);
    f->error = error;
    if (!f->reads)
        f->owner->progress(f);
}

/* A failure, with a sentence in the terms of clu_say, or with the one that all such failures have. # is the server, or its host as
 * long as that is looked up; $ is `why`, or with NULL the error's. */
CLU_CALLED void clu_fetch_fail(struct clu_fetch *f, int error, const char *sentence, const char *why)
{
    static const struct {
        int error;
        const char *sentence;
    } table[] = {
        {CLUSTER_E_REFUSED, "nothing listens at #: does it run there, is the port right?"},
        {CLUSTER_E_TIMEOUT, "no answer of # in time: is it up, is there a firewall? timeout= allows more"},
        {CLUSTER_E_CLOSED, "# closed the connection before its answer was whole"},
        {CLUSTER_E_PROTOCOL, "what # answers is no proper HTTP/1.1: is the port right?"},
        {CLUSTER_E_LIMIT, "# answers with more bytes than are taken"},
        {CLUSTER_E_PERMISSION, "the certificate of # is not to be trusted: ca= names the file with its authority"},
    };
    struct clu_text t;
    size_t i;
    for (i = 0; i < CLU_COUNT(table) && !sentence; i++)
        if (table[i].error == error)
            sentence = table[i].sentence;
    f->http.whole = false;
    (void)clu_say(clu_text_in(&t, f->why, sizeof f->why), sentence ? sentence : "#: $",
                  clu_slice_str(f->state == CLU_FETCH_LOOKS ? f->host : f->text), why ? why : cluster_strerror(error));
    clu_fetch_end(f, error);
}

/* ---- the connection --------------------------------------------------- */

/* The request goes out on the connection, as soon as that takes it. */
CLU_FN void clu_fetch_send_begin(struct clu_fetch *f)
{
    f->state = f->how & CLU_FETCH_TLS && !f->tls ? CLU_FETCH_SECURES : CLU_FETCH_SENDS;
    f->sent = 0;
    (void)clu_watch(f->loop, &f->watcher, f->fd, POLLOUT); /* of what is ours already it cannot fail */
}

/* Connect to the next address, or fail with what became of the last. */
CLU_CALLED void clu_fetch_connect(struct clu_fetch *f, int error)
{
    struct clu_loop *l = f->loop;
    clu_fetch_drop(f);
    f->reused = false;
    while (f->address_next < f->address_count && l->now < f->deadline) {
        struct cluster_address *to = &f->addresses[f->address_next];
        unsigned tries = 1u + f->address_count - f->address_next;
        uint64_t span = clu_min_u64((f->deadline - l->now) / tries, CLU_HTTP_CONNECT);
        to->port = f->port;
        error = clu_connect(l, &f->watcher, CLUSTER_TCP, to);
        if (error == CLUSTER_E_AGAIN) {
            f->state = CLU_FETCH_OPENS;
            span = CLU_HTTP_RETRY;
        } else {
            f->address_next++;
            if (error < 0)
                continue;
            f->fd = error;
            clu_fetch_send_begin(f);
        }
        clu_timer_set(&l->timers, &f->timer, l->now + span);
        return;
    }
    clu_fetch_fail(f, error < 0 ? error : CLUSTER_E_TIMEOUT, NULL, NULL);
}

/* On the connection that was kept, or on a new one. */
CLU_FN void clu_fetch_begin(struct clu_fetch *f)
{
    struct clu_loop *l = f->loop;
    const char *sentence = NULL;
    int result;
    if (f->how & CLU_FETCH_TLS && !clu_tls_is_there(&l->io)) {
        result = CLUSTER_E_UNSUPPORTED;
        sentence =
            "https to # needs TLS, which is the program's: set the tls_ hooks of cluster_io, as examples/tls_openssl.h does";
    } else if (f->secret && !f->how) {
        result = CLUSTER_E_PERMISSION;
        sentence = "the token for # would go unencrypted to whoever answers: use https, or insecure=on";
    } else if (f->fd >= 0) {
        f->reused = true;
        clu_fetch_send_begin(f);
        return;
    } else {
        f->address_next = f->address_count = 0;
        result = clu_lookup(&l->io, &l->memory, clu_slice_str(f->host), &f->addresses[0]);
        if (!result) {
            f->address_count = 1;
            clu_fetch_connect(f, 0);
            return;
        }
        if (result == CLUSTER_E_NOT_FOUND && f->owner->look_up) {
            f->state = CLU_FETCH_LOOKS;
            result = f->owner->look_up(f);
        }
        if (!result)
            return;
        if (result == CLUSTER_E_NOT_FOUND || result == CLUSTER_E_INVALID)
            sentence = "host # is no name, or one that nobody here looks up: write its address";
    }
    clu_fetch_fail(f, result, sentence, NULL);
}

/* ---- the response ----------------------------------------------------- */

/* A field of the response; its `at` is NULL where there is none. */
CLU_FN struct clu_slice clu_fetch_header(const struct clu_fetch *f, const char *name)
{
    return clu_http_find(clu_slice_of(f->buffer + f->http.begin, f->http.head - f->http.begin), name);
}

/* What comes after a mark in a text, up to a byte; its `at` is NULL where there is none. */
CLU_FN struct clu_slice clu_fetch_between(struct clu_slice text, const char *mark, char end)
{
    for (; text.length; text = clu_slice_from(text, 1))
        if (clu_slice_starts(text, mark)) {
            text = clu_slice_from(text, strlen(mark));
            return clu_slice_of(text.at, clu_slice_find(text, end));
        }
    return clu_slice_of(NULL, 0);
}

/* More of the response: how many bytes of its body; 0: its head is whole, or its body; or an error. */
CLU_FN int64_t clu_fetch_read(struct clu_fetch *f, const void **data)
{
    struct clu_loop *l = f->loop;
    if (f->step != l->counts.steps)
        f->quota = CLU_HTTP_STEP;
    f->step = l->counts.steps;
    for (;;) {
        struct clu_slice piece;
        enum clu_parse parse = clu_http_next(&f->http, clu_slice_of(f->buffer, f->have), &piece);
        size_t room;
        int64_t got;
        if (parse == CLU_MALFORMED)
            return CLUSTER_E_PROTOCOL;
        if (piece.length > f->body_left)
            return CLUSTER_E_LIMIT;
        f->body_left -= piece.length;
        if (parse == CLU_COMPLETE) {
            *data = piece.at;
            return (int64_t)piece.length;
        }
        if (!f->quota) {
            (void)clu_watch_fired(l, clu_watch_find(l, f->fd), POLLIN);
            return CLUSTER_E_AGAIN;
        }
        f->have -= f->http.at - f->http.head;
        memmove(f->buffer + f->http.head, f->buffer + f->http.at, f->have - f->http.head); /* part of a line */
        f->http.at = f->http.head;
        room = CLU_HTTP_BUFFER - f->have;
        got = clu_recv_on(l, f->fd, f->tls, f->buffer + f->have, room < f->quota ? room : f->quota, NULL);
        if (!got && f->http.state == CLU_HTTP_TO_END)
            f->http.whole = true;
        else if (!got)
            got = CLUSTER_E_CLOSED;
        if (got <= 0)
            return got;
        f->reused = false;
        f->have += (size_t)got;
        f->quota -= (uint32_t)got;
    }
}

/* The owner reads; see cluster_source_body. */
CLU_FN int64_t clu_fetch_body(struct clu_fetch *f, const void **data)
{
    int64_t got;
    if (f->state != CLU_FETCH_BODY)
        return f->error < 0 ? f->error : 0;
    got = clu_fetch_read(f, data);
    f->reads = true;
    if (got == 0)
        clu_fetch_end(f, 0);
    else if (got < 0 && got != CLUSTER_E_AGAIN)
        clu_fetch_fail(f, (int)got, NULL, NULL);
    f->reads = false;
    return got;
}

/* A response that is none: what is there of its body says why, as "message", or in an element Message, or as it begins. If that is
 * all, the connection is fit for another request. */
CLU_CALLED void clu_fetch_refused(struct clu_fetch *f)
{
    struct clu_text why;
    struct clu_slice body, said;
    uint16_t status = f->http.status;
    bool moved = status < 400;
    const void *data = NULL;
    int64_t got = clu_fetch_read(f, &data);
    if (got == CLUSTER_E_AGAIN)
        return;
    body = clu_slice_of((const char *)data, got > 0 ? (size_t)got : 0);
    said = moved ? clu_fetch_header(f, "location") : clu_fetch_between(body, "<Message>", '<');
    if (!moved && !said.at)
        said = clu_fetch_between(clu_fetch_between(body, "\"message\":", '}'), "\"", '"');
    if (!moved && !said.at)
        said = body;
    clu_compose(clu_text_in(&why, f->why, sizeof f->why), "HTTP $u from $s", status, f->text);
    (void)clu_say(&why, moved ? ", which is not followed: #" : said.length ? ": #" : "", said, "");
    while (got > 0)
        got = clu_fetch_read(f, &data);
    clu_fetch_end(f, status == 401 || status == 403   ? CLUSTER_E_PERMISSION
                     : status == 404 || status == 410 ? CLUSTER_E_NOT_FOUND
                     : moved                          ? CLUSTER_E_UNSUPPORTED
                                                      : CLUSTER_E_IO);
}

CLU_FN int clu_fetch_send(struct clu_fetch *f)
{
    struct clu_loop *l = f->loop;
    while (f->sent < f->request_size) {
        int64_t sent = clu_send_on(l, f->fd, f->tls, f->request + f->sent, f->request_size - f->sent, NULL);
        if (sent < 0) {
            (void)clu_watch(l, &f->watcher, f->fd, POLLOUT);
            return (int)sent;
        }
        f->sent += (size_t)sent;
    }
    f->state = CLU_FETCH_HEAD;
    clu_timer_set(&l->timers, &f->timer, f->deadline);
    (void)clu_watch(l, &f->watcher, f->fd, POLLIN);
    if (!f->buffer)
        f->buffer = (char *)clu_alloc(&l->memory, CLU_HTTP_BUFFER);
    return f->buffer ? 0 : CLUSTER_E_MEMORY;
}

/* Go on as far as it goes now, up to the body. */
CLU_CALLED int clu_fetch_go(struct clu_fetch *f)
{
    const void *data;
    int result = 0;
    if (f->state == CLU_FETCH_SECURES) { /* the host as written, without brackets and port */
        result = clu_secure(f->loop, &f->watcher, f->fd, &f->tls, f->how & CLUSTER_REQUEST_INSECURE ? NULL : f->host,
                            *f->ca ? f->ca : NULL);
        if (!result)
            f->state = CLU_FETCH_SENDS;
    }
    if (!result && f->state == CLU_FETCH_SENDS)
        result = clu_fetch_send(f);
    if (!result && f->state == CLU_FETCH_HEAD) {
        result = (int)clu_fetch_read(f, &data);
        if (!result && f->http.status < 300) {
            f->state = CLU_FETCH_BODY;
            f->error = 0;
        } else if (!result) {
            f->state = CLU_FETCH_ERROR;
            f->body_left = CLU_HTTP_STEP;
        }
    }
    return result;
}

CLU_FN void clu_fetch_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_fetch *f = CLU_CONTAINER(watcher, struct clu_fetch, watcher);
    int result = CLUSTER_E_CLOSED;
    (void)fd;
    if (revents & POLLNVAL) /* the program closed it */
        f->fd = -1;
    if (f->fd < 0 || f->state < CLU_FETCH_SECURES)
        clu_fetch_drop(f); /* or it was kept, and the server says more than was asked, or closes it */
    if (f->state < CLU_FETCH_SECURES)
        return;
    if (f->fd >= 0)
        result = clu_fetch_go(f);
    if (result == CLUSTER_E_AGAIN)
        return;
    if (!result && f->state == CLU_FETCH_BODY) {
        f->owner->progress(f);
    } else if (!result) {
        clu_fetch_refused(f);
    } else if (f->reused && result != CLUSTER_E_MEMORY) { /* the server had closed it */
        clu_fetch_drop(f);
        clu_fetch_begin(f);
    } else if (!f->sent) {
        clu_fetch_connect(f, result);
    } else {
        clu_fetch_fail(f, result, NULL, NULL);
    }
}

CLU_FN void clu_fetch_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_fetch *f = CLU_CONTAINER(timer, struct clu_fetch, timer);
    if (f->state == CLU_FETCH_STARTS) {
        f->deadline = clu_add_time(now, f->deadline);
        clu_timer_set(&f->loop->timers, &f->timer, f->deadline);
        clu_fetch_begin(f);
    } else if (now < f->deadline && f->state <= CLU_FETCH_SENDS) {
        clu_fetch_connect(f, CLUSTER_E_TIMEOUT);
    } else {
        clu_fetch_fail(f, CLUSTER_E_TIMEOUT, NULL, NULL);
    }
}

/* ---- asking ----------------------------------------------------------- */

/* Lines of a request's head, LF to CR LF; false: what is there would end it, or begin another. */
CLU_FN bool clu_fetch_lines(struct clu_text *t, const char *lines)
{
    struct clu_slice line, name, value;
    while (lines && *lines) {
        const char *end = strchr(lines, '\n');
        if (!end)
            return false;
        line = clu_slice_of(lines, (size_t)(end - lines));
        if (!clu_http_field(line, &name, &value))
            return false;
        clu_text_bytes(t, line.at, line.length);
        clu_text_add(t, "\r\n");
        lines = end + 1;
    }
    return true;
}

/* Ask, from the next step on, and have it all within `span` ns: on the connection that was kept if it is to the same server. What was
 * asked before is given up. CLUSTER_E_INVALID, CLUSTER_E_MEMORY: nothing is under way. */
CLU_FN int clu_fetch_ask(struct clu_fetch *f, const struct cluster_request *r, uint64_t span)
{
    const char *method = r->method ? r->method : "GET", *ca = r->ca ? r->ca : "", *target;
    struct clu_slice url = clu_slice_str(r->url ? r->url : ""), host;
    bool secure = clu_slice_starts(url, "https://");
    uint8_t how = (uint8_t)((r->flags & CLUSTER_REQUEST_INSECURE) | (secure ? CLU_FETCH_TLS : 0));
    size_t size = 512;
    struct clu_text t;
    clu_fetch_rest(f, true);
    f->asked = false;
    f->why[0] = '\0';
    if (!clu_slice_starts(url, secure ? "https://" : "http://") || !clu_http_plain(url, "#"))
        return CLUSTER_E_INVALID;
    url.at = strchr(url.at, '/') + 2;
    url.length = strcspn(url.at, "/?");
    target = url.at + url.length;
    f->port = secure ? 443 : 80;
    if (!clu_host_port(url, &host, &f->port) || !clu_http_token(clu_slice_str(method)))
        return CLUSTER_E_INVALID;
    if (f->fd >= 0 &&
        (f->how != how || (r->flags & CLUSTER_REQUEST_FRESH) || !clu_slice_is(url, f->text) || strcmp(f->ca, ca) != 0))
        clu_fetch_drop(f);
    f->how = how;
    do {
        size *= 2;
        clu_wipe(f->text, f->capacity);
        if (!clu_reserve(&f->loop->memory, &f->text, &f->capacity, size, 1))
            return CLUSTER_E_MEMORY;
        clu_text_bytes(clu_text_in(&t, f->text, f->capacity), url.at, url.length);
        clu_text_bytes(&t, "", 1);
        f->host = t.data + t.length;
        clu_text_bytes(&t, host.at, host.length);
        clu_text_bytes(&t, "", 1);
        f->ca = t.data + t.length;
        clu_compose(&t, "$z", ca);
        f->request = t.data + t.length;
        clu_compose(&t, "$s $s$s HTTP/1.1\r\nHost: $s\r\n", method, *target == '/' ? "" : "/", target, f->text);
        if (!clu_fetch_lines(&t, r->headers) || !clu_fetch_lines(&t, r->secret))
            return CLUSTER_E_INVALID;
        if (r->body)
            clu_compose(&t, "Content-Length: $u\r\n", (unsigned)r->body_size);
        clu_text_add(&t, "\r\n");
        clu_text_bytes(&t, (const char *)r->body, r->body ? (size_t)r->body_size : 0);
    } while (t.cut);
    f->request_size = (size_t)(t.data + t.length - f->request);
    memset(&f->http, 0, sizeof f->http);
    f->http.empty = strcmp(method, "HEAD") == 0;
    f->have = 0;
    f->secret = false;
    if (r->secret && *r->secret)
        f->secret = true;
    f->body_left = r->answer_size ? r->answer_size : CLU_HTTP_ANSWER;
    f->deadline = span;
    f->asked = true;
    f->error = CLUSTER_E_AGAIN;
    f->state = CLU_FETCH_STARTS;
    clu_timer_set(&f->loop->timers, &f->timer, 0);
    return 0;
}

/* One that rests; NULL: no memory. */
CLU_FN struct clu_fetch *clu_fetch_new(struct clu_loop *l, const struct clu_fetch_owner *owner)
{
    struct clu_fetch *f = (struct clu_fetch *)clu_timed_new(l, sizeof *f, 1);
    if (!f)
        return NULL;
    f->loop = l;
    f->owner = owner;
    f->watcher.ready = clu_fetch_ready;
    f->timer.fire = clu_fetch_fire;
    f->fd = -1;
    return f;
}

/* Its secrets are wiped. */
CLU_FN void clu_fetch_free(struct clu_fetch *f)
{
    struct clu_loop *l = f->loop;
    clu_fetch_rest(f, false);
    clu_timers_release(&l->timers, &f->timer);
    clu_wipe(f->text, f->capacity);
    clu_free(&l->memory, f->text, f->capacity);
    clu_free(&l->memory, f->buffer, CLU_HTTP_BUFFER);
    clu_free(&l->memory, f, sizeof *f);
}

/* Give up what is under way. */
CLU_FN void clu_fetch_stop(struct clu_fetch *f)
{
    clu_fetch_rest(f, false);
    f->asked = false;
}

#endif
