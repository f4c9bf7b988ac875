/*
 * gossip: libcluster's multicast, and with wire= that of nodefinder and of peerage. Says the own name every interval, where it
 * may, and hears those of others, who leave when they were silent for max-age. It answers no packet and dials nobody. Packets
 * are judged one by one: what is malformed, forged or old is counted and dropped. If the own packets do not come back the
 * source fails, and its members keep their time.
 *
 * A packet of one who knows the secret bears the sender's wall clock. Of an instance that was heard before it must be later
 * than the last one, whatever the clocks say; of a new instance it must be near our own time. So a replay is refused, and a
 * clock that jumps cuts nobody off: ours does not matter for known instances, and one who jumps back speaks as two. (The table
 * of instances has a fixed size: of names that share a place the one heard last is known.)
 *
 * Of the others, nodefinder's packets are proven by the cookie and their time, within 5 minutes of ours; peerage's are proven
 * by nothing.
 *
 * libcluster has no packet that says good-bye. Ours is one more announcement, with a flag; whoever does not know it waits for
 * max-age as ever.
 */
#ifndef CLU_DISCOVER_GOSSIP_H
#define CLU_DISCOVER_GOSSIP_H

#include "../base/hash.h"
#include "../net/lookup.h"
#include "../wire/gossip.h"
#include "../wire/nodefinder.h"
#include "list.h"

#define CLU_GOSSIP_PEERS 1024               /* instances whose last packet is remembered */
#define CLU_GOSSIP_SKEW (300 * CLU_SECOND)  /* how far the clock of a new instance may be off */
#define CLU_GOSSIP_DATAGRAM 2048            /* larger ones are dropped */
#define CLU_GOSSIP_UNHEARD 3                /* own packets that may be missing before the source fails */
#define CLU_GOSSIP_SILENCE (9 * CLU_SECOND) /* then one who says nothing itself joins anew; before anybody ages */

enum { CLU_WIRE_LIBCLUSTER, CLU_WIRE_NODEFINDER, CLU_WIRE_PEERAGE };

struct clu_gossip_peer {
    uint64_t name, instance, time_ns;
};

/* With a secret: the keys, and the memory of instances. */
struct clu_gossip_proof {
    struct clu_gossip_keys keys;
    struct clu_gossip_peer peers[CLU_GOSSIP_PEERS];
};

struct clu_gossip_self {
    uint64_t instance, time_ns; /* of its last packet */
};

struct clu_gossip_source {
    struct cluster_source *source;
    struct clu_gossip_proof *proof; /* NULL: no secret */
    int fd, ttl, wire;
    bool broadcast, required, conflict;
    bool deaf;                        /* the own packets do not come back */
    bool left;                        /* the own good-bye did */
    uint32_t unheard;                 /* own packets since one came back */
    uint64_t heard_ns;                /* the last packet of anybody, or when the group was joined */
    struct clu_gossip_self selves[2]; /* as whom it speaks; instance 0: not */
    struct cluster_address to, via;
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
    if (g->proof)
        clu_wipe(&g->proof->keys, sizeof g->proof->keys);
    clu_free(memory, g->proof, sizeof *g->proof);
    clu_free(memory, g, sizeof *g);
}

CLU_FN int clu_gossip_use_secret(struct clu_gossip_source *g, const char *secret, size_t length)
{
    g->proof = (struct clu_gossip_proof *)clu_alloc_zero(cluster_source_allocator(g->source), sizeof *g->proof);
    if (!g->proof)
        return CLUSTER_E_MEMORY;
    if (g->wire) /* nodefinder's own key, where libcluster has its second one */
        clu_sha256_of(secret, length, g->proof->keys.mac);
    else
        clu_gossip_keys_init(&g->proof->keys, secret, length);
    return 0;
}

CLU_FN int clu_gossip_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    static const char *const groups[] = {"233.252.1.32", "224.0.0.1", "230.1.1.1"};
    static const uint16_t ports[] = {45892, 4475, 45900};
    struct clu_gossip_source *g =
        (struct clu_gossip_source *)clu_alloc_zero(cluster_source_allocator(s), sizeof(struct clu_gossip_source));
    const char *item = cluster_source_item(s, NULL), *ttl = cluster_source_option(s, "ttl"), *why = NULL;
    const char *secret = cluster_source_option(s, "secret"), *file = cluster_source_option(s, "secret-file");
    const struct cluster_node *own = cluster_source_own(s);
    bool always = clu_gossip_is(s, "announce", "on");
    uint64_t number = 1;
    int result = 0;
    (void)ctx;
    (void)target;
    if (!g)
        return CLUSTER_E_MEMORY;
    *state = g;
    g->source = s;
    g->fd = -1;
    g->wire = clu_choice(s, "wire", "libcluster nodefinder peerage", CLU_WIRE_LIBCLUSTER);
    g->broadcast = clu_gossip_is(s, "broadcast", "on");
    g->required = clu_gossip_is(s, "auth", "required");
    g->left = (own->flags & CLUSTER_NODE_LEAVING) != 0;
    if (ttl)
        (void)clu_number(clu_slice_str(ttl), 255, &number);
    g->ttl = (int)number;
    if (!item)
        item = g->broadcast ? "255.255.255.255" : groups[g->wire];
    if (!clu_address_port_parse(clu_slice_str(item), ports[g->wire], &g->to) ||
        clu_address_is_multicast(&g->to) == g->broadcast || (g->broadcast && g->to.family != 4))
        why = g->broadcast ? "broadcast=on takes an IPv4 broadcast address, as 255.255.255.255:45892"
                           : "gossip: takes a multicast group, as 233.252.1.32:45892; for a broadcast address add broadcast=on";
    else if (always && !own->name)
        why = "announce=on needs an own name: set options.node (--node)";
    else if (secret && file)
        why = "secret= and secret-file= are given both: keep one";
    else if (g->required && !secret && !file)
        why = "auth=required proves a secret: give secret-file= or secret=";
    else if (g->wire == CLU_WIRE_NODEFINDER && !secret && !file)
        why = "wire=nodefinder proves the cookie: give it as secret-file= or secret=";
    else if (g->wire == CLU_WIRE_PEERAGE && (secret || file))
        why = "wire=peerage has no secret: whoever is on the network can speak there";
    else if (secret)
        result = clu_gossip_use_secret(g, secret, strlen(secret));
    if (why) {
        (void)cluster_source_fail(s, CLUSTER_E_INVALID, why);
        result = CLUSTER_E_INVALID;
    }
    if (result)
        clu_gossip_close(g);
    return result;
}

/* ---- the socket ------------------------------------------------------- */

CLU_FN void clu_gossip_hang_up(struct clu_gossip_source *g)
{
    if (g->fd >= 0)
        (void)cluster_source_close(g->source, g->fd);
    g->fd = -1;
}

/* The round has failed, in these words, with the error's name and what may mend it. */
CLU_CALLED int clu_gossip_say(struct clu_gossip_source *g, int error, const char *what)
{
    char sentence[190];
    struct clu_text why = clu_text_on(sentence, sizeof sentence);
    clu_text_add(&why, what);
    clu_text_add(&why, cluster_strerror(error));
    if (error == CLUSTER_E_ADDRESS)
        clu_text_add(&why, ": another program holds it without sharing");
    else if (error == CLUSTER_E_UNREACHABLE || (error == CLUSTER_E_NOT_FOUND && g->selves[0].instance)) /* else the secret */
        clu_text_add(&why, g->broadcast ? ": is it the broadcast address of a network here?"
                                        : ": name an interface that is up with if=, or try broadcast=on");
    (void)cluster_source_fail(g->source, error, sentence);
    return error;
}

CLU_FN int clu_gossip_fail(struct clu_gossip_source *g, int error, const char *what)
{
    clu_gossip_hang_up(g);
    return clu_gossip_say(g, error, what);
}

/* The secret of secret-file=, without the end of its line. */
CLU_FN int clu_gossip_read_secret(struct clu_gossip_source *g, const char *path)
{
    const struct cluster_allocator *memory = cluster_source_allocator(g->source);
    char *text = NULL;
    size_t capacity = 0;
    uint64_t stamp = 0;
    int64_t size = clu_read_file(cluster_source_io(g->source), memory, path, &text, &capacity, 1, &stamp);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (size > 0)
        size = clu_gossip_use_secret(g, text, (size_t)size);
    else if (!size)
        size = CLUSTER_E_INVALID;
    if (text)
        clu_wipe(text, capacity);
    clu_free(memory, text, capacity);
    return (int)size;
}

/* The address that if= means: one that is written, or the first one of the interface of this name. Of IPv6 it is the scope that
 * chooses the interface. */
CLU_FN int clu_gossip_choose_interface(struct clu_gossip_source *g)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    const char *name = cluster_source_option(g->source, "if");
    struct cluster_address found[16];
    int count = 1, i;
    memset(&g->via, 0, sizeof g->via);
    g->via.family = g->to.family;
    if (!name)
        return 0;
    if (!clu_address_parse(clu_slice_str(name), &found[0]))
        count = io->interfaces(io->ctx, name, found, CLU_COUNT(found));
    for (i = 0; i < count && i < (int)CLU_COUNT(found); i++)
        if (found[i].family == g->to.family && (found[i].family == 4 || found[i].scope)) {
            g->via = found[i];
            return 0;
        }
    return count < 0 ? count : CLUSTER_E_NOT_FOUND;
}

/* Step by step, each with what is said when it fails. */
CLU_FN int clu_gossip_start(struct clu_gossip_source *g)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    const char *file = cluster_source_option(g->source, "secret-file"), *what = "cannot read secret-file=, or it is empty: ";
    struct cluster_address any;
    int result = file && !g->proof ? clu_gossip_read_secret(g, file) : 0;
    if (result >= 0 && !g->selves[0].instance) {
        what = "no random bytes: ";
        result = cluster_source_random(g->source, &g->selves[0].instance, sizeof g->selves[0].instance);
    }
    if (result >= 0) {
        what = "if= names no interface that is up (in IPv6 also as fe80::1%2): ";
        result = clu_gossip_choose_interface(g);
    }
    if (result >= 0) {
        what = "cannot open a socket: ";
        g->fd = result = cluster_source_open(g->source, CLUSTER_UDP, g->to.family);
    }
    if (result >= 0) {
        what = "cannot listen on the port: ";
        memset(&any, 0, sizeof any);
        any.family = g->to.family;
        any.port = g->to.port;
        result = io->bind(io->ctx, g->fd, &any, CLUSTER_IO_REUSE | (g->broadcast ? CLUSTER_IO_BROADCAST : 0));
    }
    if (result >= 0 && !g->broadcast) {
        what = "cannot join the multicast group: ";
        result = io->join(io->ctx, g->fd, &g->to, &g->via, g->ttl);
    }
    if (result < 0)
        return clu_gossip_fail(g, result, what);
    g->unheard = 0;
    g->heard_ns = cluster_source_now(g->source);
    return cluster_source_watch(g->source, g->fd, POLLIN);
}

/* ---- saying ----------------------------------------------------------- */

/* Is a clock further ahead of another one than is tolerated? */
CLU_CALLED bool clu_gossip_ahead(uint64_t one, uint64_t other)
{
    return one > other && one - other > CLU_GOSSIP_SKEW;
}

/* When the own clock has jumped back nobody here knows which time is right: a second instance begins with the new one, for
 * those whose clocks agree with it, and the first goes on where it was, for those who know it. */
CLU_FN int clu_gossip_split(struct clu_gossip_source *g, uint64_t wall)
{
    struct clu_gossip_self *second = &g->selves[1];
    if (!clu_gossip_ahead(g->selves[0].time_ns, wall)) {
        second->instance = 0;
    } else if (!second->instance || clu_gossip_ahead(second->time_ns, wall)) {
        second->time_ns = 0;
        return cluster_source_random(g->source, &second->instance, sizeof second->instance);
    }
    return 0;
}

CLU_FN int64_t clu_gossip_send(struct clu_gossip_source *g, struct clu_gossip_self *self, uint64_t wall)
{
    const struct clu_gossip_keys *keys = g->proof ? &g->proof->keys : NULL;
    uint8_t iv[CLU_AES_BLOCK] = {0};
    struct clu_gossip p;
    size_t size;
    int result = keys ? cluster_source_random(g->source, iv, sizeof iv) : 0;
    if (result)
        return clu_gossip_fail(g, result, "no random bytes: ");
    memset(&p, 0, sizeof p);
    if (g->wire) {
        const char *name = cluster_source_own(g->source)->name;
        size = g->wire == CLU_WIRE_PEERAGE
                   ? clu_peerage_encode(name, g->packet, sizeof g->packet)
                   : clu_nodefinder_encode(keys->mac, wall / CLU_SECOND, name, g->packet, sizeof g->packet);
        return cluster_source_send(g->source, g->fd, g->packet, size, &g->to);
    }
    self->time_ns = wall > self->time_ns ? wall : self->time_ns + 1; /* never the same twice */
    p.node = *cluster_source_own(g->source);
    p.numbers[CLU_GOSSIP_TIME] = self->time_ns;
    p.numbers[CLU_GOSSIP_ID] = self->instance;
    size = clu_gossip_encode(&p, keys, iv, g->packet, sizeof g->packet);
    if (!size)
        return clu_gossip_fail(g, CLUSTER_E_INVALID, "the own name, zone or role is no clean UTF-8: ");
    return cluster_source_send(g->source, g->fd, g->packet, size, &g->to);
}

CLU_FN int clu_gossip_announce(struct clu_gossip_source *g, uint64_t now)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    uint64_t wall = io->wall_time(io->ctx);
    int64_t sent = clu_gossip_split(g, wall);
    size_t i;
    for (i = 0; sent >= 0 && i < (g->wire ? 1 : CLU_COUNT(g->selves)) && g->selves[i].instance; i++)
        sent = clu_gossip_send(g, &g->selves[i], wall);
    if (sent == CLUSTER_E_AGAIN)
        return 0;
    if (sent < 0)
        return g->fd < 0 ? (int)sent : clu_gossip_fail(g, (int)sent, "cannot send to the group: ");
    if (!g->unheard++)
        (void)cluster_source_timer(g->source, clu_add_time(now, CLU_SECOND));
    return 0;
}

/* Where the own node listens, and so whether it can be dialled, may be known later than the source. */
CLU_FN bool clu_gossip_announces(const struct clu_gossip_source *g)
{
    const struct cluster_node *own = cluster_source_own(g->source);
    return own->name && !g->left &&
           (clu_gossip_is(g->source, "announce", "on") || (own->port && !clu_gossip_is(g->source, "announce", "off")));
}

CLU_FN int clu_gossip_round(void *state, uint64_t now)
{
    struct clu_gossip_source *g = (struct clu_gossip_source *)state;
    bool announces;
    int result;
    if (g->wire && cluster_source_own(g->source)->flags & CLUSTER_NODE_LEAVING)
        g->left = true; /* they have no word for it */
    announces = clu_gossip_announces(g);
    if (!announces) {
        cluster_source_withdrawn(g->source);
        if (now - g->heard_ns >= CLU_GOSSIP_SILENCE)
            clu_gossip_hang_up(g);
    }
    result = g->fd < 0 ? clu_gossip_start(g) : 0;
    if (result == 0 && announces)
        result = clu_gossip_announce(g, now);
    if (result == 0 && g->deaf)
        (void)clu_gossip_say(g, CLUSTER_E_UNREACHABLE, "the own packets do not come back: ");
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
    clu_gossip_hang_up(g);
    return clu_gossip_round(g, now);
}

/* ---- hearing ---------------------------------------------------------- */

/* Is a proven packet newer than all that was heard from its sender? */
CLU_FN bool clu_gossip_is_fresh(struct clu_gossip_source *g, const struct clu_gossip *p)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    struct clu_gossip_peer said, *peer;
    uint64_t wall = io->wall_time(io->ctx);
    said.name = cluster_hash64(p->name, strlen(p->name), g->selves[0].instance);
    said.instance = p->numbers[CLU_GOSSIP_ID];
    said.time_ns = p->numbers[CLU_GOSSIP_TIME];
    peer = &g->proof->peers[said.name % CLU_GOSSIP_PEERS];
    if (peer->name == said.name && peer->instance == said.instance
            ? said.time_ns <= peer->time_ns
            : clu_gossip_ahead(said.time_ns, wall) || clu_gossip_ahead(wall, said.time_ns))
        return false;
    *peer = said;
    return true;
}

CLU_FN void clu_gossip_hear(struct clu_gossip_source *g, size_t size, const struct cluster_address *from)
{
    const char *own = cluster_source_own(g->source)->name;
    char address[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(address, sizeof address);
    struct clu_gossip p;
    if (size > sizeof g->packet || clu_gossip_decode(&p, g->proof ? &g->proof->keys : NULL, g->packet, size) != CLU_COMPLETE ||
        (g->required && !p.authentic) || (p.authentic && !clu_gossip_is_fresh(g, &p))) {
        cluster_source_drop(g->source);
        return;
    }
    if (own && strcmp(own, p.name) == 0) {
        uint64_t instance = p.numbers[CLU_GOSSIP_ID];
        if (!instance)
            return;
        if (instance == g->selves[0].instance || instance == g->selves[1].instance) {
            g->unheard = 0;
            g->deaf = false;
            /* Without a secret it may be another one who says it. */
            if (p.node.flags & cluster_source_own(g->source)->flags & CLUSTER_NODE_LEAVING) {
                g->left = true;
                cluster_source_withdrawn(g->source);
            }
        } else if (!g->conflict) {
            g->conflict = true;
            cluster_source_log(g->source, CLUSTER_LOG_WARN,
                               "another node announces the own name: give each node its own name (options.node)");
        }
        return;
    }
    clu_address_text(&t, from);
    p.node.address = p.authentic && p.node.flags & CLUSTER_NODE_LEAVING ? NULL : address; /* it need not say so from there */
    (void)cluster_source_heard(g->source, &p.node);
}

/* A packet of another wire. */
CLU_FN void clu_gossip_hear_other(struct clu_gossip_source *g, size_t size, const struct cluster_address *from)
{
    const struct cluster_io *io = cluster_source_io(g->source);
    const char *own = cluster_source_own(g->source)->name;
    char name[CLU_NAME_MAX + 1], address[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(address, sizeof address);
    uint64_t wall = io->wall_time(io->ctx), seconds = wall / CLU_SECOND;
    struct cluster_node node;
    bool good = size <= sizeof g->packet &&
                (g->wire == CLU_WIRE_PEERAGE ? clu_peerage_decode(g->packet, size, name)
                                             : clu_nodefinder_decode(g->proof->keys.mac, g->packet, size, &seconds, name));
    if (!good || seconds > CLUSTER_NEVER / CLU_SECOND || clu_gossip_ahead(seconds * CLU_SECOND, wall) ||
        clu_gossip_ahead(wall, seconds * CLU_SECOND)) {
        cluster_source_drop(g->source);
        return;
    }
    if (own && strcmp(own, name) == 0) {
        g->unheard = 0;
        g->deaf = false;
        return;
    }
    memset(&node, 0, sizeof node);
    node.size = (uint32_t)sizeof node;
    node.name = name;
    clu_address_text(&t, from);
    node.address = address;
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
        g->heard_ns = now;
        (g->wire ? clu_gossip_hear_other : clu_gossip_hear)(g, (size_t)size, &from);
    }
}

#endif
