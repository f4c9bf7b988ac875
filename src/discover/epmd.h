/*
 * epmd: every node that is registered at some epmds, each name confirmed. NAMES is text that a registered name can forge, so
 * it only says what to ask for: a node is published with the port that PORT_PLEASE2 gave. A round is a list of questions, each
 * on a connection of its own, a few at a time; if one cannot be answered the round has failed.
 *
 *   round -> [NAMES of each host] -> [PORT_PLEASE2 of each name] -> publish
 */
#ifndef CLU_DISCOVER_EPMD_H
#define CLU_DISCOVER_EPMD_H

#include "../net/lookup.h"
#include "../wire/epmd.h"

#define CLU_EPMD_PORT 4369
#define CLU_EPMD_LINES 8                        /* connections at a time */
#define CLU_EPMD_NAMES_MAX ((size_t)256 * 1024) /* bytes of a NAMES reply */
#define CLU_EPMD_PORT_MAX ((size_t)3060)        /* of a PORT_PLEASE2 reply */

/* One question, and then its answer. */
struct clu_epmd_ask {
    uint32_t host;
    size_t name; /* offset in `names`, name@host; SIZE_MAX: ask for all names */
    uint16_t port;
    bool found;
};

/* A connection with a question under way. */
struct clu_epmd_line {
    int fd; /* -1: free */
    size_t ask;
    bool sent;
    uint8_t *reply;
    size_t size, capacity;
};

struct clu_epmd_host {
    const char *written; /* the item; NULL: the local one */
    struct cluster_address address;
};

struct clu_epmd {
    struct cluster_source *source;
    struct clu_epmd_host *hosts;
    size_t host_count;
    struct clu_epmd_ask *asks;
    size_t ask_count, ask_capacity, asked, answered;
    char *names;
    size_t names_size, names_capacity;
    struct clu_epmd_line lines[CLU_EPMD_LINES];
};

CLU_FN void clu_epmd_hang_up(struct clu_epmd *e, struct clu_epmd_line *line)
{
    if (line->fd >= 0)
        (void)cluster_source_close(e->source, line->fd);
    line->fd = -1;
}

/* The round is void: nothing is asked any more. */
CLU_FN void clu_epmd_reset(struct clu_epmd *e)
{
    size_t i;
    for (i = 0; i < CLU_EPMD_LINES; i++)
        clu_epmd_hang_up(e, &e->lines[i]);
    e->ask_count = e->asked = e->answered = e->names_size = 0;
}

/* End the round with a sentence about this host; returns the error. */
CLU_FN int clu_epmd_fail(struct clu_epmd *e, size_t host, int error, const char *what)
{
    char sentence[190];
    struct clu_text why = clu_text_on(sentence, sizeof sentence);
    const char *written = e->hosts[host].written ? e->hosts[host].written : "the local host";
    clu_text_add(&why, "epmd at ");
    clu_text_escaped(&why, written, strlen(written) < 64 ? strlen(written) : 64);
    clu_text_add(&why, ": ");
    clu_text_add(&why, what ? what : cluster_strerror(error));
    if (error == CLUSTER_E_REFUSED)
        clu_text_add(&why, ": none runs there (a node starts it; ERL_EPMD_PORT names another port)");
    else if (e->host_count > 1)
        clu_text_add(&why, " (a host that may be down wants a source of its own)");
    clu_epmd_reset(e);
    (void)cluster_source_fail(e->source, error, sentence);
    return error;
}

CLU_FN void clu_epmd_close(void *state)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    size_t i;
    for (i = 0; i < CLU_EPMD_LINES; i++)
        clu_free(memory, e->lines[i].reply, e->lines[i].capacity);
    clu_free(memory, e->names, e->names_capacity);
    clu_free(memory, e->asks, e->ask_capacity * sizeof *e->asks);
    clu_free(memory, e->hosts, e->host_count * sizeof *e->hosts);
    clu_free(memory, e, sizeof *e);
}

CLU_FN int clu_epmd_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const struct cluster_allocator *memory = cluster_source_allocator(s);
    struct clu_epmd *e = (struct clu_epmd *)clu_alloc_zero(memory, sizeof *e);
    const char *item = NULL;
    size_t i;
    (void)ctx;
    (void)target;
    if (!e)
        return CLUSTER_E_MEMORY;
    e->source = s;
    for (i = 0; i < CLU_EPMD_LINES; i++)
        e->lines[i].fd = -1;
    while ((item = cluster_source_item(s, item)) != NULL)
        e->host_count++;
    e->host_count += !e->host_count;
    e->hosts = (struct clu_epmd_host *)clu_alloc_zero(memory, e->host_count * sizeof *e->hosts);
    if (!e->hosts) {
        e->host_count = 0;
        clu_epmd_close(e);
        return CLUSTER_E_MEMORY;
    }
    for (i = 0; i < e->host_count; i++)
        e->hosts[i].written = item = cluster_source_item(s, item);
    *state = e;
    return 0;
}

/* What a name at this host has after its '@': the host as written without port; of the local one, what its nodes use. */
CLU_FN struct clu_slice clu_epmd_host_part(const struct clu_epmd *e, size_t host, char *room, size_t size)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    const char *own = cluster_source_own(e->source)->name;
    struct clu_slice part;
    uint16_t port;
    if (e->hosts[host].written) {
        (void)clu_host_port(clu_slice_str(e->hosts[host].written), &part, &port);
        return part;
    }
    if (own)
        return clu_slice_str(clu_name_host(own));
    if (io->environment(io->ctx, "HOSTNAME", room, size) < 0)
        return clu_slice_str("localhost");
    part = clu_slice_str(room);
    part.length = clu_slice_find(part, '.');
    return part;
}

/* Where the epmd of a host listens. */
CLU_FN int clu_epmd_locate(struct clu_epmd *e, size_t host)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    struct clu_slice written = clu_slice_str(e->hosts[host].written ? e->hosts[host].written : "127.0.0.1");
    struct clu_slice name;
    uint16_t port = CLU_EPMD_PORT;
    char text[16];
    int length = io->environment(io->ctx, "ERL_EPMD_PORT", text, sizeof text), result;
    if (length > 0 && (size_t)length < sizeof text)
        (void)clu_port(clu_slice_of(text, (size_t)length), &port);
    if (!clu_host_port(written, &name, &port))
        return clu_epmd_fail(e, host, CLUSTER_E_INVALID, "is no HOST[:PORT]; IPv6 takes brackets: [::1]:4369");
    e->hosts[host].address.port = port;
    result = clu_lookup(io, cluster_source_allocator(e->source), name, &e->hosts[host].address);
    if (result == CLUSTER_E_NOT_FOUND)
        return clu_epmd_fail(e, host, result, "this version looks up no names but those in /etc/hosts: write its address");
    return result < 0 ? clu_epmd_fail(e, host, result, NULL) : 0;
}

/* ---- questions -------------------------------------------------------- */

/* A question to a host; with a name, which is kept with its host part, for that one. */
CLU_FN int clu_epmd_add(struct clu_epmd *e, size_t host, struct clu_slice name)
{
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    struct clu_epmd_ask *ask;
    if (!clu_reserve(memory, &e->asks, &e->ask_capacity, e->ask_count + 1, sizeof *e->asks))
        return CLUSTER_E_MEMORY;
    ask = (struct clu_epmd_ask *)memset(&e->asks[e->ask_count], 0, sizeof *ask);
    ask->host = (uint32_t)host;
    ask->name = SIZE_MAX;
    if (name.length) {
        char room[256];
        struct clu_slice part = clu_epmd_host_part(e, host, room, sizeof room);
        size_t size = name.length + 1 + part.length + 1;
        struct clu_text t;
        if (!clu_reserve(memory, &e->names, &e->names_capacity, e->names_size + size, 1))
            return CLUSTER_E_MEMORY;
        ask->name = e->names_size;
        t = clu_text_on(e->names + e->names_size, size);
        clu_text_bytes(&t, name.at, name.length);
        clu_text_add(&t, "@");
        clu_text_bytes(&t, part.at, part.length);
        e->names_size += size;
    }
    e->ask_count++;
    return 0;
}

CLU_FN struct clu_slice clu_epmd_base(const struct clu_epmd *e, const struct clu_epmd_ask *ask)
{
    const char *name = e->names + ask->name;
    return clu_slice_of(name, (size_t)(strchr(name, '@') - name));
}

CLU_FN int clu_epmd_publish(struct clu_epmd *e)
{
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    char(*texts)[CLU_ADDRESS_TEXT] = NULL;
    struct cluster_node *nodes = NULL;
    size_t count = 0, i, bytes = e->ask_count * sizeof *nodes, text_bytes = e->host_count * sizeof *texts;
    int result = CLUSTER_E_MEMORY;
    nodes = (struct cluster_node *)clu_alloc_zero(memory, bytes);
    texts = (char(*)[CLU_ADDRESS_TEXT])clu_alloc_zero(memory, text_bytes);
    if (nodes && texts) {
        for (i = 0; i < e->host_count; i++) {
            struct clu_text t = clu_text_on(texts[i], sizeof texts[i]);
            clu_address_text(&t, &e->hosts[i].address);
        }
        for (i = 0; i < e->ask_count; i++) {
            if (!e->asks[i].found)
                continue;
            nodes[count].size = (uint32_t)sizeof *nodes;
            nodes[count].name = e->names + e->asks[i].name;
            nodes[count].port = e->asks[i].port;
            nodes[count++].address = texts[e->asks[i].host];
        }
        result = cluster_source_publish(e->source, nodes, count);
    }
    clu_free(memory, nodes, bytes);
    clu_free(memory, texts, text_bytes);
    return result;
}

/* Start what can be started; publish when all is answered. */
CLU_FN int clu_epmd_pump(struct clu_epmd *e)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    size_t i;
    int result = 0;
    for (i = 0; !result && i < CLU_EPMD_LINES && e->asked < e->ask_count; i++) {
        struct clu_epmd_line *line = &e->lines[i];
        const struct cluster_address *to = &e->hosts[e->asks[e->asked].host].address;
        if (line->fd >= 0)
            continue;
        line->fd = result = cluster_source_open(e->source, CLUSTER_TCP, to->family);
        if (result == CLUSTER_E_AGAIN && e->asked > e->answered)
            return 0; /* too many wait for their close: the next answer comes by here */
        if (result >= 0)
            result = io->connect(io->ctx, line->fd, to);
        if (result >= 0)
            result = cluster_source_watch(e->source, line->fd, POLLOUT);
        if (result < 0)
            return clu_epmd_fail(e, e->asks[e->asked].host, result, NULL);
        line->ask = e->asked++;
        line->sent = false;
        line->size = 0;
    }
    return e->answered == e->ask_count ? clu_epmd_publish(e) : 0;
}

CLU_FN int clu_epmd_round(void *state, uint64_t now)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    const char *name = cluster_source_option(e->source, "name");
    size_t i;
    int result = 0;
    (void)now;
    clu_epmd_reset(e);
    for (i = 0; !result && i < e->host_count; i++) {
        result = clu_epmd_locate(e, i);
        if (!result)
            result = clu_epmd_add(e, i, clu_slice_str(name ? name : ""));
    }
    return result ? result : clu_epmd_pump(e);
}

/* ---- answers ---------------------------------------------------------- */

/* Every name of a NAMES reply becomes a question of its own. */
CLU_FN int clu_epmd_names_came(struct clu_epmd *e, const struct clu_epmd_line *line)
{
    struct clu_reader r = clu_reader_of(line->reply, line->size);
    uint32_t host = e->asks[line->ask].host, epmd_port, bad = 0;
    struct clu_slice name;
    uint16_t port;
    int result = 0;
    if (!clu_epmd_names_begin(&r, &epmd_port))
        return clu_epmd_fail(e, host, CLUSTER_E_PROTOCOL, "its answer is no list of names: is that port an epmd's?");
    while (!result && clu_epmd_names_next(&r, &name, &port, &bad))
        result = clu_epmd_add(e, host, name);
    while (bad--)
        cluster_source_drop(e->source);
    return result;
}

/* Look at what has come so far. 1: the answer is whole. */
CLU_FN int clu_epmd_reply_came(struct clu_epmd *e, struct clu_epmd_line *line, bool ended)
{
    struct clu_epmd_ask *ask = &e->asks[line->ask];
    struct clu_epmd_port port;
    int result;
    if (ask->name == SIZE_MAX) {
        if (!ended)
            return line->size < CLU_EPMD_NAMES_MAX ? 0
                                                   : clu_epmd_fail(e, ask->host, CLUSTER_E_LIMIT, "more than 256 KiB of names");
        result = clu_epmd_names_came(e, line);
        return result ? result : 1;
    }
    switch (clu_epmd_port_reply(line->reply, line->size, &port)) {
    case CLU_COMPLETE:
        ask->found = port.found && clu_slice_is(clu_epmd_base(e, ask), port.name);
        ask->port = port.port;
        return 1;
    case CLU_NEED_MORE:
        if (!ended && line->size < CLU_EPMD_PORT_MAX)
            return 0;
        break;
    default:
        break;
    }
    return clu_epmd_fail(e, ask->host, CLUSTER_E_PROTOCOL, "its answer about a port is malformed or cut");
}

CLU_FN int clu_epmd_send(struct clu_epmd *e, struct clu_epmd_line *line)
{
    const struct clu_epmd_ask *ask = &e->asks[line->ask];
    uint8_t request[3 + CLU_NAME_MAX];
    struct clu_slice name;
    size_t size;
    int64_t sent;
    if (ask->name == SIZE_MAX) {
        size = clu_epmd_names_request(request, sizeof request);
    } else {
        name = clu_epmd_base(e, ask);
        size = clu_epmd_port_request(request, sizeof request, name.at, name.length);
    }
    sent = cluster_source_send(e->source, line->fd, request, size, NULL);
    if (sent < 0)
        return sent == CLUSTER_E_AGAIN ? CLUSTER_E_AGAIN : clu_epmd_fail(e, ask->host, (int)sent, NULL);
    line->sent = true; /* a fresh connection takes so few bytes whole, or it is broken and the answer will not come */
    return cluster_source_watch(e->source, line->fd, POLLIN);
}

CLU_FN int clu_epmd_recv(struct clu_epmd *e, struct clu_epmd_line *line)
{
    for (;;) {
        size_t room = line->size < 512 ? 512 : line->size;
        int64_t count;
        int result;
        if (!clu_reserve(cluster_source_allocator(e->source), &line->reply, &line->capacity, line->size + room, 1))
            return CLUSTER_E_MEMORY;
        count = cluster_source_recv(e->source, line->fd, line->reply + line->size, line->capacity - line->size, NULL);
        if (count < 0)
            return count == CLUSTER_E_AGAIN ? CLUSTER_E_AGAIN : clu_epmd_fail(e, e->asks[line->ask].host, (int)count, NULL);
        line->size += (size_t)count;
        result = clu_epmd_reply_came(e, line, count == 0);
        if (result)
            return result;
    }
}

CLU_FN int clu_epmd_ready(void *state, int fd, int revents, uint64_t now)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    struct clu_epmd_line *line = NULL;
    size_t i;
    int result;
    (void)now;
    for (i = 0; i < CLU_EPMD_LINES; i++)
        if (e->lines[i].fd == fd && fd >= 0)
            line = &e->lines[i];
    if (!line)
        return 0;
    if (revents & POLLNVAL) {
        line->fd = -1;
        return clu_epmd_fail(e, e->asks[line->ask].host, CLUSTER_E_CLOSED, "the program closed its connection");
    }
    result = line->sent ? 0 : clu_epmd_send(e, line);
    if (result == 0)
        result = clu_epmd_recv(e, line);
    if (result < 0)
        return result == CLUSTER_E_AGAIN ? 0 : result;
    clu_epmd_hang_up(e, line);
    e->answered++;
    return clu_epmd_pump(e);
}

#endif
