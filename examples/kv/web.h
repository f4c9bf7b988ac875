/* One web page with the live picture of servers, shards and moves, at the same port. The page is kv.html, which the assembler puts
 * into the program; the picture is lines of words in server-sent events, never sent faster than the browser takes it. */
__asm__(".section .rodata\n"
        "kv_page: .incbin \"examples/kv/kv.html\"\n"
        "kv_page_end: .byte 0\n"
        ".previous\n");
extern const char kv_page[], kv_page_end[];

/* The members; then of each shard its server, and the one that should be; - is nobody. */
static void put_picture(struct bytes *b)
{
    static const char *const states[STATES] = {"down", "up", "draining", "leaving", "router"};
    const struct cluster_member *m;
    for (size_t i = 0; (m = cluster_member_at(kv.cluster, i)) != NULL; i++) {
        const struct peer *p = peer_of(m->name);
        put(b, "data: server %s %s %zu\n", p->name, states[p->state], p->keys);
    }
    put(b, "data: shards");
    for (const struct shard *s = kv.shards; s < kv.shards + SHARDS; s++)
        put(b, " %s/%s", s->holder ? s->holder->name : "-", s->want ? s->want->name : "-");
    put(b, "\n\n");
}

/* A request of a browser: for the pictures, else for the page. */
static void web_serve(struct client *c)
{
    if (c->in.size < 8192 && !memmem(c->in.data, c->in.size, "\r\n\r\n", 4))
        return;
    c->stream = !strncmp(c->in.data, "GET /events ", 12);
    c->closing = !c->stream;
    put(&c->out, "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: text/%s\r\n\r\n",
        c->stream ? "event-stream" : "html");
    if (c->stream)
        put_picture(&c->out);
    else
        put_bytes(&c->out, kv_page, (size_t)(kv_page_end - kv_page));
    cut(&c->in, c->in.size);
}
