/*
 * One web page with the live picture of servers, shards and moves. The page is kv.html, which the assembler puts into the program; the
 * picture is JSON in server-sent events, sent when it has changed, and never faster than the browser takes it. Whoever can reach the
 * port can look, and do nothing else.
 */
#ifndef KV_WEB_H
#define KV_WEB_H

#include "commands.h"

#define REQUEST_MAX 8192
#define PICTURE_EVERY (SECOND / 10)

__asm__(".section .rodata\n"
        "kv_page: .incbin \"examples/kv/kv.html\"\n"
        "kv_page_end: .byte 0\n"
        ".previous\n");
extern const char kv_page[], kv_page_end[];

/* Text between quotes. */
static void put_json(struct buffer *b, const char *text)
{
    put(b, "\"");
    for (; *text; text++)
        put(b, (unsigned char)*text < 0x20 || *text == '"' || *text == '\\' ? "\\u%04x" : "%c", (unsigned)(unsigned char)*text);
    put(b, "\"");
}

/* The number of each shard's server, two hex digits a shard; -- for nobody. */
static void put_shards(struct buffer *b, const char *name, int want)
{
    int i;
    put(b, ",\"%s\":\"", name);
    for (i = 0; i < SHARDS; i++) {
        int who = want ? kv.shards[i].want : kv.shards[i].holder;
        put(b, who == NOBODY ? "--" : "%02x", (unsigned)who);
    }
    put(b, "\"");
}

static void put_picture(struct buffer *b)
{
    int i;
    unsigned line;
    put(b, "data: {\"plan\":%zu,\"moving\":%d,\"to\":%d,\"servers\":[", kv.move_count, kv.give.shard, kv.give.to);
    for (i = 0; i < PEERS; i++) {
        const struct peer *p = &kv.peers[i];
        put(b, "%s{\"name\":", i ? "," : "");
        put_json(b, p->name);
        put(b, ",\"state\":\"%s\",\"shards\":%d,\"keys\":%llu}",
            i && !p->up        ? "down"
            : p->draining == 1 ? "draining"
            : p->draining == 2 ? "leaving"
            : p->weight        ? "up"
                               : "router",
            held(i), (unsigned long long)(i ? p->keys : keys_here()));
        if (i + 1 < PEERS && !kv.peers[i + 1].name[0])
            break;
    }
    put(b, "]");
    put_shards(b, "holds", 0);
    put_shards(b, "wants", 1);
    put(b, ",\"log\":[");
    for (line = kv.logged > 12 ? kv.logged - 12 : 0; line < kv.logged; line++) {
        put_json(b, kv.log[line % 12]);
        put(b, line + 1 < kv.logged ? "," : "");
    }
    put(b, "]}\n\n");
}

/* Send the picture to those who do not have it and took the one before. */
static void show_picture(void)
{
    static struct buffer picture, next;
    static int version;
    int i, streams = 0;
    for (i = 0; i < FDS; i++)
        streams += kv.by_fd[i] && kv.by_fd[i]->stream;
    if (!streams)
        return;
    next.begin = next.end = 0;
    put_picture(&next);
    if (next.end != picture.end || memcmp(next.data, picture.data, next.end) != 0) {
        struct buffer old = picture;
        picture = next;
        next = old;
        version++;
    }
    for (i = 0; i < FDS; i++) {
        struct conn *c = kv.by_fd[i];
        if (c && c->stream && c->stream != version && !buffer_size(&c->out)) {
            buffer_put(&c->out, picture.data, picture.end);
            c->stream = version;
            touch(c);
        }
    }
}

/* A request of a browser. */
static void web_serve(struct conn *c)
{
    static const char page[] = "GET / ", events[] = "GET /events ";
    const char *in = c->in.data + c->in.begin;
    size_t size = buffer_size(&c->in);
    if (c->stream) {
        c->in.begin = c->in.end;
        return;
    }
    if (size < REQUEST_MAX && (size < 4 || !memmem(in, size, "\r\n\r\n", 4)))
        return;
    c->closing = 1;
    if (size > sizeof events && !memcmp(in, events, sizeof events - 1)) {
        put(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n");
        c->closing = 0;
        c->stream = -1;
        kv.picture_at = 0;
    } else if (size > sizeof page && !memcmp(in, page, sizeof page - 1)) {
        put(&c->out,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n"
            "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "connect-src 'self'\r\n\r\n",
            (size_t)(kv_page_end - kv_page));
        buffer_put(&c->out, kv_page, (size_t)(kv_page_end - kv_page));
    } else {
        put(&c->out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    c->in.begin = c->in.end;
}

#endif
