/*
 * gossip: libcluster's multicast. Says the own name every interval, where it may, and hears those of others, who leave when
 * they were silent for max-age. It answers no packet and dials nobody. Packets are judged one by one: what is malformed, forged
 * or old is counted and dropped. If the own packets do not come back the source fails, and its members keep their time.
 *
 * A packet of one who knows the secret bears the sender's wall clock. Of an instance that was heard before it must be later than
 * the last one, whatever the clocks say; of a new instance it must be near our own time. So a replay is refused, and a clock that
 * jumps cuts nobody off: ours does not matter for known instances, and one who jumps back speaks as two. (The table of instances has a fixed size: of names that share a place the one
 * heard last is known.)
 */
#ifndef CLU_DISCOVER_GOSSIP_H
#define CLU_DISCOVER_GOSSIP_H

#include "../base/hash.h"
#include "../net/lookup.h"
#include "../wire/gossip.h"

#define CLU_GOSSIP_GROUP "233.252.1.32"
#define CLU_GOSSIP_PORT_DEFAULT 45892
#define CLU_GOSSIP_PEERS 1024              /* instances whose last packet is remembered */
#define CLU_GOSSIP_SKEW (300 * CLU_SECOND) /* how far the clock of a new instance may be off */
#define CLU_GOSSIP_DATAGRAM 2048           /* larger ones are dropped */
#define CLU_GOSSIP_UNHEARD 3               /* own packets that may be missing before the source fails */

struct clu_gossip_peer {
    uint64_t name, instance, time_ns;
};

struct clu_gossip_self {
    uint64_t instance, time_ns; /* of its last packet */
};

struct clu_gossip_source {
    struct cluster_source *source;
    struct clu_gossip_keys *keys; /* NULL: no secret */
    struct clu_gossip_peer *peers;
    struct cluster_address to, via;
    int fd, ttl;
    bool broadcast, required, announce, conflict;
    bool deaf;                        /* the own packets do not come back */
    uint32_t unheard;                 /* own packets since one came back */
    struct clu_gossip_self selves[2]; /* as whom it speaks; instance 0: not */
    uint8_t packet[CLU_GOSSIP_DATAGRAM];
};

CLU_FN bool clu_gossip_is(const struct cluster_source *s, const char *key, const char *value)
{
    const char *given = cluster_source_option(s, key);
    return given && strcmp(given, value) == 0;
}

CLU_FN void clu_gossip_close(void *state)
{
    struct clu_gossip_source *g = (struct clu_gossip_source *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(g->source);
    if (g->keys)
        clu_wipe(g->keys, sizeof *g->keys);
    clu_free(memory, g->keys, sizeof *g->keys);
    clu_free(memory, g->peers, CLU_GOSSIP_PEERS * sizeof *g->peers);
    clu_free(memory, g, sizeof *g);
}

/* With the secret the keys and the memory of instances. */
CLU_FN int clu_gossip_use_secret(struct clu_gossip_source *g, const char *secret, size_t length)
{
    const struct cluster_allocator *memory = cluster_source_allocator(g->source);
    if (!g->peers)
        g->peers = (struct clu_gossip_peer *)clu_alloc_zero(memory, CLU_GOSSIP_PEERS * sizeof *g->peers);
    if (!g->keys)
        g->keys = (struct clu_gossip_keys *)clu_alloc_zero(memory, sizeof *g->keys);
    if (!g->peers || !g->keys) {
        clu_free(memory, g->keys, sizeof *g->keys);
        g->keys = NULL; /* they would be all zero */
        return CLUSTER_E_MEMORY;
    }
    clu_gossip_keys_init(g->keys, secret, length);
    return 0;
}

CLU_FN int clu_gossip_refuse(struct clu_gossip_source *g, const char *sentence)
{
    (void)cluster_source_fail(g->source, CLUSTER_E_INVALID, sentence);
    clu_gossip_close(g);
    return CLUSTER_E_INVALID;
}

CLU_FN int clu_gossip_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct clu_gossip_source *g =
        (struct clu_gossip_source *)clu_alloc_zero(cluster_source_allocator(s), sizeof(struct clu_gossip_source));
    const char *item = cluster_source_item(s, NULL), *secret = cluster_source_option(s, "secret");
    const char *ttl = cluster_source_option(s, "ttl");
    const struct cluster_node *own = cluster_source_own(s);
    uint64_t number = 1;
    (void)ctx;
    (void)target;
    if (!g)
        return CLUSTER_E_MEMORY;
    g->source = s;
    g->fd = -1;
    g->broadcast = clu_gossip_is(s, "broadcast", "on");
    g->required = clu_gossip_is(s, "auth", "required");
    g->announce = own->name && !clu_gossip_is(s, "announce", "off") && (own->port || clu_gossip_is(s, "announce", "on"));
    if (!clu_address_port_parse(clu_slice_str(item           ? item
                                              : g->broadcast ? "255.255.255.255"
                                                             : CLU_GOSSIP_GROUP),
                                CLU_GOSSIP_PORT_DEFAULT, &g->to))
        return clu_gossip_refuse(g, "gossip: takes ADDRESS:PORT, a multicast address as 233.252.1.32:45892");
    if (!g->broadcast && !clu_address_is_multicast(&g->to))
        return clu_gossip_refuse(g, "this address is no multicast group (224.0.0.0 to 239.255.255.255): write one, or "
                                    "broadcast=on for a broadcast address");
    if (g->broadcast && (g->to.family != 4 || clu_address_is_multicast(&g->to)))
        return clu_gossip_refuse(g, "broadcast=on takes an IPv4 broadcast address, as 255.255.255.255:45892");
    if (clu_gossip_is(s, "announce", "on") && !own->name)
        return clu_gossip_refuse(g, "announce=on needs an own name: set options.node (--node), or take announce=on out");
    if (secret && cluster_source_option(s, "secret-file"))
        return clu_gossip_refuse(g, "secret= and secret-file= are given both: keep one of them");
    if (g->required && !secret && !cluster_source_option(s, "secret-file"))
        return clu_gossip_refuse(g, "auth=required proves a secret: give secret-file= or secret=");
    if (ttl)
        (void)clu_number(clu_slice_str(ttl), 255, &number);
    g->ttl = (int)number;
    if (secret && clu_gossip_use_secret(g, secret, strlen(secret)) < 0) {
        clu_gossip_close(g);
        return CLUSTER_E_MEMORY;
    }
    *state = g;
    return 0;
}

/* ---- the socket ------------------------------------------------------- */

CLU_FN int clu_gossip_fail(struct clu_gossip_source *g, int error, const char *what)
{
    char sentence[190];
    struct clu_text why = clu_text_on(sentence, sizeof sentence);
    clu_text_add(&why, what);
    clu_text_add(&why, cluster_strerror(error));
    if (error == CLUSTER_E_ADDRESS)
        clu_text_add(&why, ": another program holds it without sharing");
    else if (error == CLUSTER_E_UNREACHABLE || error == CLUSTER_E_NOT_FOUND)
        clu_text_add(&why, ": name an interface that is up with if=, or try broadcast=on");
    if (g->fd >= 0)
        (void)cluster_source_close(g->source, g->fd);
    g->fd = -1;
    (void)cluster_source_fail(g->source, error, sentence);
    return error;
}

/* The secret of secret-file=, without the end of its line. */
CLU_FN int clu_gossip_read_secret(struct clu_gossip_source *g)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    const struct cluster_allocator *memory = cluster_source_allocator(g->source);
    char *text = NULL;
    size_t capacity = 0;
    uint64_t stamp = 0;
    int64_t size = clu_read_file(io, memory, cluster_source_option(g->source, "secret-file"), &text, &capacity, &stamp);
    int result = size < 0 ? (int)size : 0;
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (size > 0)
        result = clu_gossip_use_secret(g, text, (size_t)size);
    if (text)
        clu_wipe(text, capacity);
    clu_free(memory, text, capacity);
    if (size == 0)
        result = CLUSTER_E_INVALID;
    return result < 0 ? clu_gossip_fail(g, result, size == 0 ? "secret-file= is empty: " : "cannot read secret-file=: ") : 0;
}

/* The address that if= means: one that is written, or the first one of the interface of this name. */
CLU_FN int clu_gossip_choose_interface(struct clu_gossip_source *g)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    const char *name = cluster_source_option(g->source, "if");
    struct cluster_address found[16];
    int count, i;
    memset(&g->via, 0, sizeof g->via);
    g->via.family = g->to.family;
    if (!name || clu_address_parse(clu_slice_str(name), &g->via, NULL))
        return 0;
    count = io->interfaces(io->ctx, name, found, CLU_COUNT(found));
    for (i = 0; i < count && i < (int)CLU_COUNT(found); i++)
        if (found[i].family == g->to.family) {
            g->via = found[i];
            return 0;
        }
    return clu_gossip_fail(g, count < 0 ? count : CLUSTER_E_NOT_FOUND, "if= names no interface that is up: ");
}

CLU_FN int clu_gossip_start(struct clu_gossip_source *g)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    struct cluster_address any;
    int result = g->keys || !cluster_source_option(g->source, "secret-file") ? 0 : clu_gossip_read_secret(g);
    if (!result && !g->selves[0].instance) {
        result = cluster_source_random(g->source, &g->selves[0].instance, sizeof g->selves[0].instance);
        if (result)
            return clu_gossip_fail(g, result, "no random bytes: ");
    }
    if (!result)
        result = clu_gossip_choose_interface(g);
    if (result)
        return result;
    memset(&any, 0, sizeof any);
    any.family = g->to.family;
    any.port = g->to.port;
    g->fd = result = cluster_source_open(g->source, CLUSTER_UDP, g->to.family);
    if (result < 0)
        return clu_gossip_fail(g, result, "cannot open a socket: ");
    result = io->bind(io->ctx, g->fd, &any, CLUSTER_IO_REUSE | (g->broadcast ? CLUSTER_IO_BROADCAST : 0));
    if (result < 0)
        return clu_gossip_fail(g, result, "cannot listen on the port: ");
    if (!g->broadcast)
        result = io->join(io->ctx, g->fd, &g->to, &g->via, g->ttl);
    if (result < 0)
        return clu_gossip_fail(g, result, "cannot join the multicast group: ");
    g->unheard = 0;
    return cluster_source_watch(g->source, g->fd, POLLIN);
}

/* ---- saying ----------------------------------------------------------- */

/* When the own clock has jumped back nobody here knows which time is right: a second instance begins with the new one, for
 * those whose clocks agree with it, and the first goes on where it was, for those who know it. */
CLU_FN int clu_gossip_split(struct clu_gossip_source *g, uint64_t wall)
{
    struct clu_gossip_self *first = &g->selves[0], *second = &g->selves[1];
    if (first->time_ns <= clu_add_time(wall, CLU_GOSSIP_SKEW)) {
        second->instance = 0;
        return 0;
    }
    if (second->instance && second->time_ns <= clu_add_time(wall, CLU_GOSSIP_SKEW))
        return 0;
    second->time_ns = 0;
    return cluster_source_random(g->source, &second->instance, sizeof second->instance);
}

CLU_FN int64_t clu_gossip_send(struct clu_gossip_source *g, struct clu_gossip_self *self, uint64_t wall)
{
    const struct cluster_node *own = cluster_source_own(g->source);
    uint8_t iv[CLU_AES_BLOCK] = {0};
    struct clu_gossip p;
    struct clu_text name = clu_text_on(p.name, sizeof p.name), zone = clu_text_on(p.zone, sizeof p.zone);
    struct clu_text role = clu_text_on(p.role, sizeof p.role);
    size_t size;
    int result = g->keys ? cluster_source_random(g->source, iv, sizeof iv) : 0;
    if (result)
        return clu_gossip_fail(g, result, "no random bytes: ");
    self->time_ns = wall > self->time_ns ? wall : self->time_ns + 1; /* never the same twice */
    clu_text_add(&name, own->name);
    clu_text_add(&zone, own->zone ? own->zone : "");
    clu_text_add(&role, own->role ? own->role : "");
    p.time_ns = self->time_ns;
    p.instance = self->instance;
    p.has_instance = true;
    p.port = own->port;
    p.weight = own->weight;
    p.flags = own->flags;
    size = clu_gossip_encode(&p, g->keys, iv, g->packet, sizeof g->packet);
    if (!size)
        return clu_gossip_fail(g, CLUSTER_E_INVALID, "the own name is no UTF-8, or zone or role is longer than 63 bytes: ");
    return cluster_source_send(g->source, g->fd, g->packet, size, &g->to);
}

CLU_FN int clu_gossip_announce(struct clu_gossip_source *g, uint64_t now)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    uint64_t wall = io->wall_time(io->ctx);
    int64_t sent = clu_gossip_split(g, wall);
    size_t i;
    for (i = 0; sent >= 0 && i < CLU_COUNT(g->selves) && g->selves[i].instance; i++)
        sent = clu_gossip_send(g, &g->selves[i], wall);
    if (sent == CLUSTER_E_AGAIN)
        return 0;
    if (sent < 0)
        return g->fd < 0 ? (int)sent : clu_gossip_fail(g, (int)sent, "cannot send to the group: ");
    if (!g->unheard++)
        (void)cluster_source_timer(g->source, clu_add_time(now, CLU_SECOND));
    return 0;
}

CLU_FN int clu_gossip_round(void *state, uint64_t now)
{
    struct clu_gossip_source *g = (struct clu_gossip_source *)state;
    int result = g->fd < 0 ? clu_gossip_start(g) : 0;
    if (result == 0 && g->announce)
        result = clu_gossip_announce(g, now);
    if (result == 0 && g->deaf)
        (void)cluster_source_fail(
            g->source, CLUSTER_E_UNREACHABLE,
            "the own packets do not come back, so multicast does not work on this interface: name another "
            "one with if=, or try broadcast=on");
    return result;
}

/* A second after a packet that did not come back: say it again, and after some times give the socket up. The next round joins
 * the group anew, but the source fails until it hears itself. */
CLU_FN int clu_gossip_listen(struct clu_gossip_source *g, uint64_t now)
{
    if (!g->unheard || g->fd < 0)
        return 0;
    if (g->unheard < CLU_GOSSIP_UNHEARD) {
        (void)cluster_source_timer(g->source, clu_add_time(now, CLU_SECOND));
        return clu_gossip_announce(g, now);
    }
    g->deaf = true;
    (void)cluster_source_close(g->source, g->fd);
    g->fd = -1;
    return clu_gossip_round(g, now);
}

/* ---- hearing ---------------------------------------------------------- */

/* Is a proven packet newer than all that was heard from its sender? */
CLU_FN bool clu_gossip_is_fresh(struct clu_gossip_source *g, const struct clu_gossip *p)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    uint64_t name = cluster_hash64(p->name, strlen(p->name), g->selves[0].instance);
    struct clu_gossip_peer *peer = &g->peers[name % CLU_GOSSIP_PEERS];
    uint64_t wall = io->wall_time(io->ctx);
    if (peer->name == name && peer->instance == p->instance) {
        if (p->time_ns <= peer->time_ns)
            return false;
    } else if ((p->time_ns > wall ? p->time_ns - wall : wall - p->time_ns) > CLU_GOSSIP_SKEW) {
        return false;
    }
    peer->name = name;
    peer->instance = p->instance;
    peer->time_ns = p->time_ns;
    return true;
}

CLU_FN void clu_gossip_hear(struct clu_gossip_source *g, size_t size, const struct cluster_address *from)
{
    const char *own = cluster_source_own(g->source)->name;
    char address[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(address, sizeof address);
    struct clu_gossip p;
    struct cluster_node node;
    if (size > sizeof g->packet || clu_gossip_decode(&p, g->keys, g->packet, size) != CLU_COMPLETE ||
        (g->required && !p.authentic) || (p.authentic && !clu_gossip_is_fresh(g, &p))) {
        cluster_source_drop(g->source);
        return;
    }
    if (own && strcmp(own, p.name) == 0) {
        if (p.has_instance && (p.instance == g->selves[0].instance || p.instance == g->selves[1].instance)) {
            g->unheard = 0;
            g->deaf = false;
        } else if (p.has_instance && !g->conflict) {
            g->conflict = true;
            cluster_source_log(g->source, CLUSTER_LOG_WARN,
                               "another node announces the own name: give each node its own name (options.node)");
        }
        return;
    }
    clu_address_text(&t, from);
    memset(&node, 0, sizeof node);
    node.size = (uint32_t)sizeof node;
    node.name = p.name;
    node.address = address;
    node.zone = p.zone[0] ? p.zone : NULL;
    node.role = p.role[0] ? p.role : NULL;
    node.port = p.port;
    node.weight = p.weight;
    node.flags = p.flags & CLUSTER_NODE_DRAINING;
    (void)cluster_source_heard(g->source, &node);
}

CLU_FN int clu_gossip_ready(void *state, int fd, int revents, uint64_t now)
{
    struct clu_gossip_source *g = (struct clu_gossip_source *)state;
    struct cluster_address from;
    if (fd < 0)
        return clu_gossip_listen(g, now);
    if (fd != g->fd)
        return 0;
    if (revents & POLLNVAL) {
        g->fd = -1;
        return clu_gossip_fail(g, CLUSTER_E_CLOSED, "the program closed its socket: ");
    }
    for (;;) {
        int64_t size = cluster_source_recv(g->source, fd, g->packet, sizeof g->packet, &from);
        if (size == CLUSTER_E_AGAIN)
            return 0;
        /* An ICMP error of a packet sent earlier says nothing of the socket. */
        if (size == CLUSTER_E_REFUSED || size == CLUSTER_E_UNREACHABLE)
            continue;
        if (size < 0)
            return clu_gossip_fail(g, (int)size, "cannot receive: ");
        clu_gossip_hear(g, (size_t)size, &from);
    }
}

#endif
