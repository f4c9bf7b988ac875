/* One web page with the live picture of servers, shards and moves. The page is kv.html, which the assembler puts into the program;
 * the picture is lines of words in server-sent events, never sent faster than the browser takes it. Whoever can reach the port can
 * look, and do nothing else. */
__asm__(".section .rodata\n"
        "kv_page: .incbin \"examples/kv/kv.html\"\n"
        "kv_page_end: .byte 0\n"
        ".previous\n");
extern const char kv_page[], kv_page_end[];

/* The members; then the number of each shard's server, and of the one that should be, two hex digits each; ff is nobody. */
static void put_picture(struct buffer *b)
{
    const struct cluster_member *m;
    put(b, "data: moving %d", kv.given);
    for (size_t i = 0; (m = cluster_member_at(kv.cluster, i)) != NULL; i++) {
        int who = peer_find(m->name);
        const struct peer *p = &kv.peers[who > 0 ? who : 0];
        const char *state = (const char *[]){"up", "draining", "leaving", "router"}[p->going];
        put(b, "\ndata: server %d %s %d %ld %s", who, who != NOBODY && p->up && p->port ? state : "down", held(who),
            who ? p->keys : (long)store_keys, m->name);
    }
    for (int want = 0; want < 2; want++) {
        put(b, want ? "\ndata: wants " : "\ndata: holds ");
        for (int i = 0; i < SHARDS; i++)
            put(b, "%02x", 0xff & (unsigned)(want ? kv.shards[i].want : kv.shards[i].holder));
    }
    put(b, "\n\n");
}

/* Send the picture to those who took the one before. */
static void show_picture(void)
{
    for (int i = 0; i < FDS; i++)
        if (kv.by_fd[i] && kv.by_fd[i]->stream && !kv.by_fd[i]->out.size)
            put_picture(&kv.by_fd[i]->out);
}

/* A request of a browser. */
static void web_serve(struct conn *c)
{
    if (!c->stream && c->in.size < 8192 && !(c->in.size && memmem(c->in.data, c->in.size, "\r\n\r\n", 4)))
        return;
    if (c->in.size > 12 && !memcmp(c->in.data, "GET /events ", 12)) {
        put(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n");
        c->stream = 1;
    } else if (c->in.size > 6 && !memcmp(c->in.data, "GET / ", 6)) {
        put(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n");
        put_bytes(&c->out, kv_page, (size_t)(kv_page_end - kv_page));
    } else if (!c->stream) {
        put(&c->out, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    }
    c->closing = !c->stream;
    buffer_cut(&c->in, c->in.size);
}
