/*
 * epmd: every node that is registered at some epmds, each name confirmed. NAMES is text that a registered name can forge, so
 * it only says what to ask for: a node is published with the port that PORT_PLEASE2 gave. A round is a list of questions, one
 * after another, each on a connection of its own as epmd wants it; if one cannot be answered the round has failed.
 *
 *   round -> NAMES of each host, which puts PORT_PLEASE2 of each name on the list -> publish
 */
#ifndef CLU_DISCOVER_EPMD_H
#define CLU_DISCOVER_EPMD_H

#include "../net/lookup.h"
#include "../wire/epmd.h"
#include "list.h"

#define CLU_EPMD_PORT 4369
#define CLU_EPMD_NAMES_MAX ((size_t)256 * 1024) /* bytes of a NAMES reply */
#define CLU_EPMD_PORT_MAX ((size_t)3060)        /* of a PORT_PLEASE2 reply */

/* One question, and then its answer. */
struct clu_epmd_question {
    size_t host;
    size_t name; /* offset in `names`, name@host; SIZE_MAX: ask for all names */
    uint16_t port;
    bool found;
};

struct clu_epmd_host {
    const char *written; /* the item; NULL: the local one */
    struct cluster_address address;
    char text[CLU_ADDRESS_TEXT]; /* the address */
};

struct clu_epmd {
    struct cluster_source *source;
    struct clu_epmd_question *questions;
    size_t count, capacity, asked; /* questions[asked] is under way while fd >= 0 */
    int fd;
    bool waits;  /* for an answer: the question is out */
    size_t sent; /* bytes of it */
    uint8_t *reply;
    size_t reply_size, reply_capacity;
    char *names;
    size_t names_size, names_capacity;
    struct clu_epmd_host *hosts;
    size_t host_count;
};

CLU_FN void clu_epmd_hang_up(struct clu_epmd *e)
{
    if (e->fd >= 0)
        (void)cluster_source_close(e->source, e->fd);
    e->fd = -1;
    e->waits = false;
    e->sent = 0;
    e->reply_size = 0;
}

/* End the round with a sentence about the host that was asked; returns the error. */
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
    clu_epmd_hang_up(e);
    (void)cluster_source_fail(e->source, error, sentence);
    return error;
}

CLU_FN void clu_epmd_close(void *state)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    clu_free(memory, e->reply, e->reply_capacity);
    clu_free(memory, e->names, e->names_capacity);
    clu_free(memory, e->questions, e->capacity * sizeof *e->questions);
    clu_free(memory, e->hosts, e->host_count * sizeof *e->hosts);
    clu_free(memory, e, sizeof *e);
}

CLU_FN int clu_epmd_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const struct cluster_allocator *memory = cluster_source_allocator(s);
    struct clu_epmd *e = (struct clu_epmd *)clu_alloc_zero(memory, sizeof *e);
    const char *item = NULL;
    size_t count = 0;
    (void)ctx;
    (void)target;
    if (!e)
        return CLUSTER_E_MEMORY;
    e->source = s;
    e->fd = -1;
    while ((item = cluster_source_item(s, item)) != NULL)
        count++;
    count += !count;
    e->hosts = (struct clu_epmd_host *)clu_alloc_zero(memory, count * sizeof *e->hosts);
    if (!e->hosts) {
        clu_epmd_close(e);
        return CLUSTER_E_MEMORY;
    }
    while (e->host_count < count)
        e->hosts[e->host_count++].written = item = cluster_source_item(s, item);
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
    int length;
    if (e->hosts[host].written) {
        (void)clu_host_port(clu_slice_str(e->hosts[host].written), &part, &port);
        return part;
    }
    if (own)
        return clu_slice_str(clu_name_host(own));
    length = io->environment(io->ctx, "HOSTNAME", room, size);
    if (length <= 0 || (size_t)length >= size)
        return clu_slice_str("localhost");
    part = clu_slice_str(room);
    part.length = clu_slice_find(part, '.');
    return part;
}

/* Where the epmd of a host listens. */
CLU_FN int clu_epmd_locate(struct clu_epmd *e, size_t host)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    struct clu_epmd_host *h = &e->hosts[host];
    struct clu_text t = clu_text_on(h->text, sizeof h->text);
    struct clu_slice name;
    uint16_t port = CLU_EPMD_PORT;
    char text[16];
    int length = io->environment(io->ctx, "ERL_EPMD_PORT", text, sizeof text), result;
    if (length > 0 && (size_t)length < sizeof text)
        (void)clu_port(clu_slice_of(text, (size_t)length), &port);
    if (!clu_host_port(clu_slice_str(h->written ? h->written : "127.0.0.1"), &name, &port))
        return clu_epmd_fail(e, host, CLUSTER_E_INVALID, "is no HOST[:PORT]; IPv6 takes brackets: [::1]:4369");
    h->address.port = port;
    result = clu_lookup(io, cluster_source_allocator(e->source), name, &h->address);
    if (result == CLUSTER_E_NOT_FOUND)
        return clu_epmd_fail(e, host, CLUSTER_E_UNSUPPORTED,
                             "this version looks up no names but those in /etc/hosts: write its address");
    if (result < 0)
        return clu_epmd_fail(e, host, result, NULL);
    clu_address_text(&t, &h->address);
    return 0;
}

/* ---- questions -------------------------------------------------------- */

/* A question to a host, for one name or, with an empty one, for all. */
CLU_FN int clu_epmd_add(struct clu_epmd *e, size_t host, struct clu_slice name)
{
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    struct clu_epmd_question *q;
    char room[256];
    if (!clu_reserve(memory, &e->questions, &e->capacity, e->count + 1, sizeof *e->questions))
        return CLUSTER_E_MEMORY;
    q = (struct clu_epmd_question *)memset(&e->questions[e->count], 0, sizeof *q);
    q->host = host;
    q->name = SIZE_MAX;
    if (name.length) {
        struct clu_slice part = clu_epmd_host_part(e, host, room, sizeof room);
        size_t size = name.length + 1 + part.length + 1;
        struct clu_writer w;
        if (!clu_reserve(memory, &e->names, &e->names_capacity, e->names_size + size, 1))
            return CLUSTER_E_MEMORY;
        q->name = e->names_size;
        w = clu_writer_on(e->names + e->names_size, size);
        clu_write(&w, name.at, name.length);
        clu_write(&w, "@", 1);
        clu_write(&w, part.at, part.length);
        clu_write(&w, "", 1);
        e->names_size += size;
    }
    e->count++;
    return 0;
}

CLU_FN int clu_epmd_publish(struct clu_epmd *e)
{
    struct clu_nodes list = {NULL, 0, 0};
    const struct clu_epmd_question *q = e->questions;
    int result = 0;
    for (; !result && q < e->questions + e->count; q++) {
        struct cluster_node *node;
        if (!q->found)
            continue;
        node = clu_nodes_add(&list, e->source, e->names + q->name);
        if (node) {
            node->port = q->port;
            node->address = e->hosts[q->host].text;
        } else {
            result = CLUSTER_E_MEMORY;
        }
    }
    return clu_nodes_publish(&list, e->source, result);
}

/* The next question, or the end of the round. */
CLU_FN int clu_epmd_next(struct clu_epmd *e)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    const struct cluster_address *to;
    int result;
    if (e->asked == e->count)
        return clu_epmd_publish(e);
    to = &e->hosts[e->questions[e->asked].host].address;
    e->fd = result = cluster_source_open(e->source, CLUSTER_TCP, to->family);
    if (result >= 0)
        result = io->connect(io->ctx, e->fd, to);
    if (result >= 0)
        result = cluster_source_watch(e->source, e->fd, POLLOUT);
    return result < 0 ? clu_epmd_fail(e, e->questions[e->asked].host, result, NULL) : 0;
}

CLU_FN int clu_epmd_round(void *state, uint64_t now)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    const char *name = cluster_source_option(e->source, "name");
    size_t i;
    int result = 0;
    (void)now;
    clu_epmd_hang_up(e);
    e->count = e->asked = e->names_size = 0;
    for (i = 0; !result && i < e->host_count; i++) {
        result = clu_epmd_locate(e, i);
        if (!result)
            result = clu_epmd_add(e, i, clu_slice_str(name ? name : ""));
    }
    return result ? result : clu_epmd_next(e);
}

/* ---- answers ---------------------------------------------------------- */

/* Every name of a NAMES reply becomes a question of its own. */
CLU_FN int clu_epmd_names_came(struct clu_epmd *e, size_t host)
{
    struct clu_reader r = clu_reader_of(e->reply, e->reply_size);
    uint32_t epmd_port, bad = 0;
    struct clu_slice name;
    uint16_t port;
    int result = 0;
    if (!clu_epmd_names_begin(&r, &epmd_port) || epmd_port > 65535) /* any text begins with more */
        return clu_epmd_fail(e, host, CLUSTER_E_PROTOCOL, "its answer is no list of names: is that port an epmd's?");
    while (!result && clu_epmd_names_next(&r, &name, &port, &bad))
        result = clu_epmd_add(e, host, name);
    while (bad--)
        cluster_source_drop(e->source);
    if (!result && r.bad)
        return clu_epmd_fail(e, host, CLUSTER_E_PROTOCOL, "its list of names is cut");
    return result;
}

/* Look at what has come so far. 1: the answer is whole. */
CLU_FN int clu_epmd_reply_came(struct clu_epmd *e, bool ended)
{
    struct clu_epmd_question *q = &e->questions[e->asked];
    struct clu_epmd_port port;
    int result;
    if (q->name == SIZE_MAX && !ended && e->reply_size < CLU_EPMD_NAMES_MAX)
        return 0;
    if (q->name == SIZE_MAX) {
        if (!ended)
            return clu_epmd_fail(e, q->host, CLUSTER_E_LIMIT, "more than 256 KiB of names");
        result = clu_epmd_names_came(e, q->host);
        return result ? result : 1;
    }
    switch (clu_epmd_port_reply(e->reply, e->reply_size, &port)) {
    case CLU_COMPLETE:
        q->found = port.found && clu_slice_starts(clu_slice_str(e->names + q->name), port.name) &&
                   e->names[q->name + strlen(port.name)] == '@';
        q->port = port.port;
        return 1;
    case CLU_NEED_MORE:
        if (!ended && e->reply_size < CLU_EPMD_PORT_MAX)
            return 0;
        break;
    default:
        break;
    }
    return clu_epmd_fail(e, q->host, CLUSTER_E_PROTOCOL, "its answer about a port is malformed or cut");
}

/* Send what is left of the question; 0 once it is out. */
CLU_FN int64_t clu_epmd_send(struct clu_epmd *e)
{
    const struct clu_epmd_question *q = &e->questions[e->asked];
    const char *name = q->name == SIZE_MAX ? NULL : e->names + q->name;
    uint8_t request[4 + CLU_NAME_MAX];
    size_t size = name ? clu_epmd_port_request(request, sizeof request, name, strlen(name))
                       : clu_epmd_names_request(request, sizeof request);
    while (e->sent < size) {
        int64_t sent = cluster_source_send(e->source, e->fd, request + e->sent, size - e->sent, NULL);
        if (sent < 0)
            return sent;
        e->sent += (size_t)sent;
    }
    e->waits = true;
    return cluster_source_watch(e->source, e->fd, POLLIN);
}

CLU_FN int clu_epmd_ready(void *state, int fd, int revents, uint64_t now)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    size_t host;
    int64_t count;
    int result;
    (void)now;
    if (fd < 0 || fd != e->fd)
        return 0;
    host = e->questions[e->asked].host;
    if (revents & POLLNVAL) {
        e->fd = -1;
        return clu_epmd_fail(e, host, CLUSTER_E_CLOSED, "the program closed its connection");
    }
    count = e->waits ? 0 : clu_epmd_send(e);
    while (count >= 0) {
        if (!clu_reserve(cluster_source_allocator(e->source), &e->reply, &e->reply_capacity, e->reply_size + 512, 1))
            return clu_epmd_fail(e, host, CLUSTER_E_MEMORY, NULL);
        count = cluster_source_recv(e->source, fd, e->reply + e->reply_size, e->reply_capacity - e->reply_size, NULL);
        if (count < 0)
            break;
        e->reply_size += (size_t)count;
        result = clu_epmd_reply_came(e, count == 0);
        if (result < 0) {
            clu_epmd_hang_up(e);
            return result;
        }
        if (result) {
            clu_epmd_hang_up(e);
            e->asked++;
            return clu_epmd_next(e);
        }
    }
    return count == CLUSTER_E_AGAIN ? 0 : clu_epmd_fail(e, host, (int)count, NULL);
}

#endif
