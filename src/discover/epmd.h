/*
 * epmd: every node that is registered at some epmds, each name confirmed. NAMES is text that a registered name can forge, so
 * it only says what to ask for: a node is published with the port that PORT_PLEASE2 gave. A round is a list of questions, one
 * after another, each on a connection of its own, which epmd closes after its answer; if one cannot be answered the round has
 * failed.
 *
 *   round -> NAMES of each host, which puts PORT_PLEASE2 of each name on the list -> publish
 *
 * A host that is no address, and is not in /etc/hosts, is looked up in DNS before it is asked, anew in each round.
 */
#ifndef CLU_DISCOVER_EPMD_H
#define CLU_DISCOVER_EPMD_H

#include "../net/lookup.h"
#include "../wire/epmd.h"
#include "list.h"

#define CLU_EPMD_NAMES_MAX ((size_t)256 * 1024) /* bytes of an answer */

struct clu_epmd_host {
    const char *written; /* the item; NULL: the local one */
    struct cluster_address address;
    char text[CLU_ADDRESS_TEXT]; /* the address */
    struct clu_slice part;       /* what its nodes' names have after their '@' */
};

/* One question, and then its answer. */
struct clu_epmd_question {
    struct clu_epmd_question *next;
    struct clu_epmd_host *host;
    char *name;  /* name@host, after this object; NULL: ask for all names */
    size_t size; /* of both */
    uint16_t port;
    bool found;
};

struct clu_epmd {
    struct cluster_source *source;
    struct clu_epmd_question *first, **end; /* end: where the next one is put */
    struct clu_epmd_question *asked;        /* it is under way while fd >= 0 */
    int fd;
    bool waits;  /* for an answer: the question is out */
    bool looks;  /* for an address in DNS */
    size_t sent; /* bytes of it */
    uint8_t *reply;
    size_t reply_size, reply_capacity;
    struct clu_epmd_host *hosts;
    size_t count, capacity; /* of hosts; capacity 0: they are after this object */
    char *text;             /* of the file that names them */
    size_t text_capacity;
    bool cuts; /* nodes with short names have the hosts up to their first dot */
    char own_host[CLU_NAME_MAX + 1];
};

CLU_FN void clu_epmd_hang_up(struct clu_epmd *e)
{
    if (e->fd >= 0)
        (void)cluster_source_close(e->source, e->fd);
    e->fd = -1;
    e->waits = false;
    e->looks = false;
    e->sent = e->reply_size = 0;
}

/* End the round with a sentence about the host that was asked; returns the error. */
CLU_FN int clu_epmd_fail(struct clu_epmd *e, const struct clu_epmd_host *host, int error, const char *what)
{
    clu_epmd_hang_up(e);
    return clu_round_fail(e->source, error,
                          error == CLUSTER_E_REFUSED && !what
                              ? "epmd at #: $: none runs there (a node starts it; ERL_EPMD_PORT names another port)"
                              : "epmd at #: $",
                          clu_slice_str(host->written ? host->written : "the local host"),
                          what ? what : cluster_strerror(error));
}

CLU_FN void clu_epmd_forget_questions(struct clu_epmd *e)
{
    while (e->first) {
        struct clu_epmd_question *q = e->first;
        e->first = q->next;
        clu_free(cluster_source_allocator(e->source), q, q->size);
    }
    e->end = &e->first;
}

CLU_FN void clu_epmd_close(void *state)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    clu_epmd_forget_questions(e);
    clu_free(memory, e->reply, e->reply_capacity);
    clu_free(memory, e->text, e->text_capacity);
    if (e->cuts)
        clu_free(memory, e->hosts, e->capacity * sizeof *e->hosts);
    clu_free(memory, e, sizeof *e + (e->cuts ? 0 : e->count * sizeof *e->hosts));
}

CLU_FN int clu_epmd_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const char *item = NULL;
    struct clu_epmd *e;
    size_t count = 0;
    (void)ctx;
    (void)target;
    while ((item = cluster_source_item(s, item)) != NULL)
        count++;
    count += !count;
    if (clu_state_new(s, sizeof *e + count * sizeof(struct clu_epmd_host), state))
        return CLUSTER_E_MEMORY;
    e = (struct clu_epmd *)*state;
    e->fd = -1;
    e->hosts = (struct clu_epmd_host *)(e + 1);
    while (e->count < count)
        e->hosts[e->count++].written = item = cluster_source_item(s, item);
    return 0;
}

/* ---- questions -------------------------------------------------------- */

/* Where the epmd of a host listens, and what its nodes are called: as written without port; of the local one, by the own host
 * or the short host name. */
CLU_FN int clu_epmd_locate(struct clu_epmd *e, struct clu_epmd_host *host)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    const char *own = cluster_source_own(e->source)->name;
    struct clu_text text = clu_text_on(host->text, sizeof host->text);
    int result;
    host->address.port = clu_epmd_port_here(io);
    e->own_host[0] = '\0';
    if (!clu_host_port(clu_slice_str(host->written ? host->written : "127.0.0.1"), &host->part, &host->address.port))
        return clu_epmd_fail(e, host, CLUSTER_E_INVALID, "is no HOST[:PORT]; IPv6 takes brackets: [::1]:4369");
    result = clu_lookup(io, cluster_source_allocator(e->source), host->part, &host->address);
#ifndef CLUSTER_NO_DNS
    if (result == CLUSTER_E_NOT_FOUND) {
        host->address.family = 0;
        return 0;
    }
#endif
    if (result)
        return clu_epmd_fail(
            e, host, result,
            result == CLUSTER_E_NOT_FOUND ? "this version looks up no names but those in /etc/hosts: write its address" : NULL);
    clu_address_text(&text, &host->address);
    if (host->written)
        return 0;
    if (!own)
        (void)io->environment(io->ctx, "HOSTNAME", e->own_host, sizeof e->own_host);
    host->part = clu_slice_str(own ? clu_name_host(own) : *e->own_host ? e->own_host : "localhost");
    if (!own)
        host->part.length = clu_slice_find(host->part, '.');
    return 0;
}

/* A question to a host, for one name or, with an empty one, for all. */
CLU_FN int clu_epmd_add(struct clu_epmd *e, struct clu_epmd_host *host, struct clu_slice name)
{
    struct clu_slice part = host->part;
    size_t size = sizeof(struct clu_epmd_question) + name.length + 1 + part.length + 1;
    struct clu_epmd_question *q = (struct clu_epmd_question *)clu_alloc_zero(cluster_source_allocator(e->source), size);
    if (!q)
        return CLUSTER_E_MEMORY;
    q->host = host;
    q->size = size;
    if (name.length) {
        q->name = (char *)(q + 1);
        memcpy(q->name, name.at, name.length);
        q->name[name.length] = '@';
        memcpy(q->name + name.length + 1, part.at, part.length);
    }
    *e->end = q;
    e->end = &q->next;
    return 0;
}

CLU_FN int clu_epmd_publish(struct clu_epmd *e)
{
    struct clu_nodes list = {e->source, NULL, 0, 0};
    const struct clu_epmd_question *q;
    int result = 0;
    for (q = e->first; q && !result; q = q->next) {
        struct cluster_node node;
        if (!q->found)
            continue;
        memset(&node, 0, sizeof node);
        node.name = q->name;
        node.port = q->port;
        node.address = q->host->text;
        result = clu_nodes_add(&list, &node);
    }
    return clu_nodes_publish(&list, result);
}

#ifndef CLUSTER_NO_DNS

/* Ask DNS for the host's addresses. */
CLU_FN int clu_epmd_look(struct clu_epmd *e, const struct clu_epmd_host *host)
{
    char name[CLU_NAME_MAX + 1]; /* longer ones are no names of DNS */
    struct clu_text t = clu_text_on(name, sizeof name);
    int result = CLUSTER_E_INVALID;
    if (e->cuts)
        clu_text_add(&t, host->written);
    else
        clu_text_bytes(&t, host->part.at, host->part.length);
    e->looks = true;
    if (!t.cut)
        result = cluster_source_resolve(e->source, 0, name, CLU_DNS_EITHER);
    return result ? clu_epmd_fail(e, host, result, result == CLUSTER_E_INVALID ? "that is no name of a host" : NULL) : 0;
}

#endif

/* The question at hand, or the end of the round. */
CLU_FN int clu_epmd_ask(struct clu_epmd *e)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    const struct clu_epmd_host *host;
    int result;
    if (!e->asked)
        return clu_epmd_publish(e);
    host = e->asked->host;
#ifndef CLUSTER_NO_DNS
    if (!host->address.family)
        return clu_epmd_look(e, host);
#endif
    e->fd = result = cluster_source_open(e->source, CLUSTER_TCP, host->address.family);
    if (result >= 0)
        result = io->connect(io->ctx, e->fd, &host->address);
    if (result >= 0)
        result = cluster_source_watch(e->source, e->fd, POLLOUT);
    return result < 0 ? clu_epmd_fail(e, host, result, NULL) : 0;
}

CLU_FN int clu_epmd_round(void *state, uint64_t now)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    struct clu_epmd_host *host = e->hosts, *end = host + e->count;
    const char *name = cluster_source_option(e->source, "name"), *own = cluster_source_own(e->source)->name;
    struct cluster_address address;
    int result = 0;
    (void)now;
    clu_epmd_hang_up(e);
    clu_epmd_forget_questions(e);
    for (; host < end && !result; host++) {
        result = clu_epmd_locate(e, host);
        if (e->cuts && own && !clu_name_host_is_long(clu_name_host(own)) && !clu_address_parse(host->part, &address))
            host->part.length = clu_slice_find(host->part, '.');
        if (!result)
            result = clu_epmd_add(e, host, clu_slice_str(name ? name : ""));
    }
    e->asked = e->first;
    return result ? result : clu_epmd_ask(e);
}

/* The registered name that a question is about; empty: all. */
CLU_FN struct clu_slice clu_epmd_asked(const struct clu_epmd_question *q)
{
    return clu_slice_of(q->name, q->name ? strcspn(q->name, "@") : 0);
}

/* ---- answers ---------------------------------------------------------- */

/* Every name of a NAMES reply becomes a question of its own. */
CLU_FN int clu_epmd_names_came(struct clu_epmd *e, struct clu_epmd_host *host)
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

/* The connection has ended, so the answer is whole. */
CLU_FN int clu_epmd_answered(struct clu_epmd *e)
{
    struct clu_epmd_question *q = e->asked;
    struct clu_epmd_port port;
    int result = 0;
    if (!q->name) {
        result = clu_epmd_names_came(e, q->host);
    } else if (clu_epmd_port_reply(e->reply, e->reply_size, &port) != CLU_COMPLETE) {
        result = clu_epmd_fail(e, q->host, CLUSTER_E_PROTOCOL, "its answer about a port is malformed or cut");
    } else {
        q->found = port.found && clu_slice_same(port.name, clu_epmd_asked(q));
        q->port = port.port;
    }
    clu_epmd_hang_up(e);
    if (result)
        return result;
    e->asked = q->next;
    return clu_epmd_ask(e);
}

#ifndef CLUSTER_NO_DNS

/* DNS has answered: of several addresses the lowest is taken, so that it is the same in every round. */
CLU_FN int clu_epmd_looked(struct clu_epmd *e)
{
    struct clu_epmd_host *host = e->asked->host;
    struct clu_text text = clu_text_on(host->text, sizeof host->text);
    struct cluster_address lowest;
    struct cluster_dns_answer a;
    struct cluster_record r;
    int result;
    e->looks = false;
    a.size = (uint32_t)sizeof a;
    r.size = (uint32_t)sizeof r;
    lowest.family = 0;
    result = cluster_source_answer(e->source, 0, &a);
    if (result || a.error)
        return clu_epmd_fail(e, host, result ? result : a.error, result ? NULL : a.why);
    if (!a.count)
        return clu_epmd_fail(e, host, CLUSTER_E_NOT_FOUND,
                             "neither DNS nor /etc/hosts has an address of it: write the name in full, or the address");
    while ((result = cluster_source_record(e->source, 0, &r)) > 0)
        if (!lowest.family || clu_address_compare(&r.address, &lowest) < 0)
            lowest = r.address;
    if (result)
        return clu_epmd_fail(e, host, result, NULL);
    lowest.port = host->address.port;
    host->address = lowest;
    clu_address_text(&text, &host->address);
    return clu_epmd_ask(e);
}

#endif

CLU_FN int64_t clu_epmd_send(struct clu_epmd *e)
{
    uint8_t request[3 + CLU_NAME_MAX];
    struct clu_writer w = clu_writer_on(request, sizeof request);
    size_t size;
    clu_epmd_request_write(&w, clu_epmd_asked(e->asked));
    size = clu_written(&w);
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
    int64_t count;
    (void)now;
#ifndef CLUSTER_NO_DNS
    if (fd == CLUSTER_ANSWERED && e->looks)
        return clu_epmd_looked(e);
#endif
    if (fd < 0 || fd != e->fd)
        return 0;
    if (revents & POLLNVAL) {
        e->fd = -1;
        return clu_epmd_fail(e, e->asked->host, CLUSTER_E_CLOSED, "the program closed its connection");
    }
    count = e->waits ? 0 : clu_epmd_send(e);
    while (count >= 0) {
        if (e->reply_size > CLU_EPMD_NAMES_MAX)
            return clu_epmd_fail(e, e->asked->host, CLUSTER_E_LIMIT, "more than 256 KiB of names");
        if (!clu_reserve(cluster_source_allocator(e->source), &e->reply, &e->reply_capacity, e->reply_size + 512, 1))
            count = CLUSTER_E_MEMORY;
        else
            count = cluster_source_recv(e->source, fd, e->reply + e->reply_size, e->reply_capacity - e->reply_size, NULL);
        if (!count)
            return clu_epmd_answered(e);
        e->reply_size += count > 0 ? (size_t)count : 0;
    }
    return count == CLUSTER_E_AGAIN ? 0 : clu_epmd_fail(e, e->asked->host, (int)count, NULL);
}

#endif
