/*
 * For unit tests: a web server on the virtual machine, whose answers the test writes, and a handle with one source that asks it.
 * Include after cmocka.h and core/sources.h.
 */
#ifndef TESTS_UNIT_WEB_SERVER_H
#define TESTS_UNIT_WEB_SERVER_H

#include "one_handle.h"

#include <stdio.h>

static struct cluster_source *s;

static struct {
    const char *(*answer)(const char *request); /* a whole response; NULL: nothing is said, or not yet */
    unsigned requests;
    size_t chunk; /* bytes at a time; 0: all */
    bool ends;    /* the connection does, after each response */
    int fd;       /* of the last request */
    char last[4096];
} web;

static inline void web_push(const char *text)
{
    size_t length = strlen(text), at, each = web.chunk ? web.chunk : length;
    for (at = 0; at < length; at += each)
        fake_push(&f, web.fd, text + at, each < length - at ? each : length - at, NULL);
}

static inline void web_sent(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    struct fake_socket *socket = &machine->s[fd];
    const char *text = (const char *)socket->out, *answer, *length;
    size_t whole;
    (void)data;
    (void)size;
    if (socket->kind != CLUSTER_TCP || !size)
        return;
    socket->out[socket->out_size] = '\0';
    if (!strstr(text, "\r\n\r\n"))
        return;
    whole = 4 + (size_t)(strstr(text, "\r\n\r\n") - text);
    length = strstr(text, "Content-Length: ");
    if (socket->out_size < whole + (length ? (size_t)atoi(length + 16) : 0))
        return;
    strcpy(web.last, text);
    socket->out_size = 0;
    web.fd = fd;
    web.requests++;
    answer = web.answer ? web.answer(web.last) : NULL;
    if (answer)
        web_push(answer);
    socket->ended = web.ends;
}

/* A response with this body, in one of some buffers. */
static inline const char *web_reply(int status, const char *fields, const char *body)
{
    static char buffers[4][65536];
    static unsigned turn;
    char *out = buffers[turn++ % 4];
    int length = snprintf(out, sizeof buffers[0], "HTTP/1.1 %d X\r\n%sContent-Length: %u\r\n\r\n%s", status, fields,
                          (unsigned)strlen(body), body);
    assert_true(length > 0 && (size_t)length < sizeof buffers[0]);
    return out;
}

static inline const char *web_ok(const char *body)
{
    return web_reply(200, "", body);
}

/* A new machine, for which the caller may write files and variables before web_start. */
static inline struct cluster_options web_begin(const char *(*answer)(const char *request))
{
    struct cluster_options o = fake_begin(&f);
    memset(&mirror, 0, sizeof mirror);
    memset(&web, 0, sizeof web);
    web.answer = answer;
    f.sent = web_sent;
    now_ns = 100 * FAKE_SECOND;
    return o;
}

static inline void web_start(const struct cluster_options *o, const char *url)
{
    s = NULL;
    assert_int_equal(cluster_create(&c, o), 0);
    if (cluster_discover(c, url, &s) != 0)
        fail_msg("%s", cluster_last_error(c));
}

static inline void web_run(uint64_t ms)
{
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS);
    mirror_check(&mirror, c);
}

/* A round, now. */
static inline void web_round(void)
{
    assert_int_equal(cluster_source_refresh(s), 0);
    web_run(20);
}

/* The members, with a `-` after those that drain. */
static inline void web_members(const char *names)
{
    static char text[65536];
    size_t i;
    text[0] = '\0';
    for (i = 0; i < cluster_member_count(c); i++) {
        const struct cluster_member *m = cluster_member_at(c, i);
        strcat(text, i ? " " : "");
        strcat(text, m->name);
        strcat(text, m->flags & CLUSTER_MEMBER_DRAINING ? "-" : "");
    }
    if (strcmp(text, names) != 0)
        fail_msg("members: %s\nwanted:  %s\nstate %d: %s", text, names, cluster_source_state(s), cluster_source_why(s));
}

static inline void web_failed(int error, const char *why)
{
    if (cluster_source_state(s) != CLUSTER_SOURCE_FAILED || cluster_source_error(s) != error ||
        !strstr(cluster_source_why(s), why))
        fail_msg("state %d, error %d: %s", cluster_source_state(s), cluster_source_error(s), cluster_source_why(s));
}

#endif
