/*
 * The way to a node: its host's address, by DNS where that takes it; its port, by the epmd there where it is not known; a stream to
 * that port. It ends there, says so, and goes no further. What is said on the stream of a link that stays, and whom to link to, others
 * say, through the functions in struct clu_link_kind. A link owns its channel, its question and one timer.
 *
 *   ours:    LOOK -> ASK -> STREAM, or STATUS -> CHALLENGE -> ACK --+
 *                                                                   +--> UP -> gone
 *   theirs:  NAME -> (ALIVE) -> PROOF ------------------------------+
 *
 * A link that ends says so once, by `ended`, from wherever it is.
 */
#ifndef CLU_LINK_REACH_H
#define CLU_LINK_REACH_H

#include "../net/lookup.h"
#include "../wire/epmd.h"
#include "channel.h"
#include "why.h"

#define CLU_LINK_AGAIN (20 * CLU_MS) /* after something was lacking: memory, a descriptor, room for events */
#define CLU_EPMD_REPLY_MAX 3060

enum {
    CLU_LINK_LOOK,
    CLU_LINK_ASK,
    CLU_LINK_STREAM,
    CLU_LINK_STATUS,
    CLU_LINK_CHALLENGE,
    CLU_LINK_ACK,
    CLU_LINK_NAME,
    CLU_LINK_ALIVE,
    CLU_LINK_PROOF,
    CLU_LINK_UP
};

struct clu_link;
struct clu_links;
struct clu_control;

/* What becomes of a link: a question whether a member is there, or a link that stays. */
struct clu_link_kind {
    void (*ended)(struct clu_link *link, enum clu_why why,
                  int error); /* frees it; THERE: it was a question, and the member is there */
    /* of links that stay; NULL */
    int (*connected)(struct clu_link *link); /* the stream is under way */
    int (*takes)(struct clu_link *link, const uint8_t *data, size_t size);
    int (*watches)(struct clu_link *link, uint64_t now); /* its timer, while it is up */
    int (*greeted)(struct clu_link *link);               /* a name was said to us: CLU_SAY_... */
    int (*up)(struct clu_link *link);
    void (*writable)(struct clu_link *link);                      /* it was choked */
    int (*control)(struct clu_link *link, struct clu_control *c); /* which is used up */
    size_t (*inspect)(struct clu_links *home, const char *function,
                      struct clu_writer *w); /* of module cluster; 0: there is none */
};

/* What all links of a handle share. */
struct clu_links {
    struct clu_loop *loop;
    const struct clu_link_kind *kind;
    const char *name; /* of the own node, which is `host` while it waits to be given one; NULL: it is not known yet */
    const char *host; /* of an own node that others give its name; NULL: it has one by itself */
    uint32_t creation;
    uint32_t limit_packet, limit_output;
    uint32_t halves;
    uint16_t port; /* where we listen; 0: nowhere yet */
    bool asks;     /* of epmd alone whether a member is there */
    bool secure, verifies;
    uint64_t tick_ns;
    uint64_t *requests;     /* the last number of one */
    struct clu_link *first; /* all of them, but for those below */
    struct clu_link *half;  /* those that others make to us and that are not up, the newest first */
    struct clu_slice cookie;
    const char *ca; /* of TLS; NULL: the system's authorities */
    /* Ask DNS for the address of a host: clu_link_found or clu_link_end says how it went. And ask no more. NULL: there is no DNS */
    int (*look_up)(struct clu_link *link, struct clu_slice host);
    void (*look_up_end)(struct clu_link *link);
};

struct clu_link {
    struct clu_links *home;
    struct clu_link *next, **at;   /* what points to it in its list */
    struct clu_question *question; /* to DNS; NULL: none yet */
    void *peer;                    /* the owner's; NULL while it is not known who it is */
    const char *name;              /* of the other node */
    char *said;                    /* the same, as it was said and not proved yet; or the own name that came by this link */
    uint32_t said_size, creation;  /* of it; and of the own name, which came with it */
    uint8_t state, why;
    bool replaces; /* a link of ours that it still holds may go */
    bool choked;   /* the host waits for its output to go out, and a place for that event is kept */
    uint16_t port;
    uint32_t challenge;
    uint32_t turn;      /* of a host with several addresses: which one */
    uint64_t ticked_ns; /* its last tick */
    struct clu_timer timer;
    struct clu_channel channel;
    struct cluster_address address;
};

/* Is the own node's name not known, or not given to it yet? */
CLU_FN bool clu_links_nameless(const struct clu_links *home)
{
    return home->name == home->host;
}

CLU_CALLED void clu_link_enlist(struct clu_link *link, struct clu_link **list)
{
    link->next = *list;
    link->at = list;
    if (link->next)
        link->next->at = &link->next;
    *list = link;
}

CLU_FN void clu_link_delist(struct clu_link *link)
{
    *link->at = link->next;
    if (link->next)
        link->next->at = link->at;
}

/* It is known by a name that others own. */
CLU_FN void clu_link_free_said(struct clu_link *link)
{
    clu_free(&link->home->loop->memory, link->said, link->said_size);
    link->said = NULL;
}

CLU_FN void clu_link_free(struct clu_link *link)
{
    struct clu_loop *l = link->home->loop;
    if (link->question)
        link->home->look_up_end(link);
    clu_channel_close(&link->channel);
    clu_timers_release(&l->timers, &link->timer);
    clu_link_delist(link);
    clu_link_free_said(link);
    clu_free(&l->memory, link, sizeof *link);
}

/* What an error of the stream means at this time. */
CLU_FN enum clu_why clu_link_why(const struct clu_link *link, int error)
{
    static const struct {
        int8_t error, asks, early, shakes, ack, up; /* early: the stream took nothing yet */
    } table[] = {
        {CLUSTER_E_REFUSED, CLU_WHY_NO_EPMD, CLU_WHY_REFUSED, CLU_WHY_HUNG_UP, CLU_WHY_HUNG_UP, CLU_WHY_CLOSED},
        {CLUSTER_E_UNREACHABLE, CLU_WHY_NO_WAY, CLU_WHY_NO_WAY, CLU_WHY_NO_WAY, CLU_WHY_NO_WAY, CLU_WHY_NO_WAY},
        {CLUSTER_E_TIMEOUT, CLU_WHY_NO_ANSWER, CLU_WHY_NO_ANSWER, CLU_WHY_SILENT, CLU_WHY_SILENT, CLU_WHY_QUIET},
        {CLUSTER_E_CLOSED, CLU_WHY_EPMD, CLU_WHY_HUNG_UP, CLU_WHY_HUNG_UP, CLU_WHY_COOKIE, CLU_WHY_CLOSED},
        {CLUSTER_E_PROTOCOL, CLU_WHY_EPMD, CLU_WHY_GARBAGE, CLU_WHY_GARBAGE, CLU_WHY_GARBAGE, CLU_WHY_GARBAGE},
        {CLUSTER_E_LIMIT, CLU_WHY_EPMD, CLU_WHY_GARBAGE, CLU_WHY_GARBAGE, CLU_WHY_GARBAGE, CLU_WHY_PACKET},
        {CLUSTER_E_PERMISSION, CLU_WHY_SYSTEM, CLU_WHY_CERTIFICATE, CLU_WHY_CERTIFICATE, CLU_WHY_SYSTEM, CLU_WHY_SYSTEM},
        {CLUSTER_E_NOT_FOUND, CLU_WHY_SYSTEM, CLU_WHY_AUTHORITIES, CLU_WHY_AUTHORITIES, CLU_WHY_SYSTEM, CLU_WHY_SYSTEM},
    };
    size_t i;
    if (link->state == CLU_LINK_LOOK)
        return error == CLUSTER_E_MEMORY ? CLU_WHY_SYSTEM : CLU_WHY_NO_NAME;
    for (i = 0; i < CLU_COUNT(table); i++) {
        if (table[i].error != error)
            continue;
        if (link->state == CLU_LINK_UP)
            return (enum clu_why)table[i].up;
        if (link->state == CLU_LINK_ASK)
            return (enum clu_why)table[i].asks;
        if (link->channel.fd < 0 || link->state == CLU_LINK_STREAM || (clu_channel_waits(&link->channel) && !link->channel.tls))
            return (enum clu_why)table[i].early;
        return (enum clu_why)(link->state == CLU_LINK_ACK ? table[i].ack : table[i].shakes);
    }
    return CLU_WHY_SYSTEM;
}

/* The end, by an error of the stream or by the reason that was noted. */
CLU_FN void clu_link_end(struct clu_link *link, int error)
{
    enum clu_why why = link->why ? (enum clu_why)link->why : clu_link_why(link, error);
    link->home->kind->ended(link, why, why == CLU_WHY_SYSTEM ? error : clu_why_error(why));
}

/* Note the reason; the error ends the channel. */
CLU_FN int clu_link_fail(struct clu_link *link, enum clu_why why)
{
    link->why = (uint8_t)why;
    return CLUSTER_E_CLOSED;
}

CLU_FN void clu_link_timer(struct clu_link *link, uint64_t at)
{
    clu_timer_set(&link->home->loop->timers, &link->timer, at);
}

/* ---- where the node is ------------------------------------------------ */

/* Connect to it, or to its host's epmd while the port is not known. When there is no descriptor to be had it is tried again. */
CLU_FN int clu_link_open(struct clu_link *link)
{
    struct clu_links *home = link->home;
    struct clu_channel *ch = &link->channel;
    struct clu_loop *l = home->loop;
    bool asks = !link->port || home->asks;
    struct clu_writer w;
    int result;
    link->state = asks ? CLU_LINK_ASK : CLU_LINK_STREAM;
    link->address.port = asks ? clu_epmd_port_here(&l->io) : link->port;
    result = clu_channel_open(ch, &link->address);
    if (result == CLUSTER_E_AGAIN || result == CLUSTER_E_LIMIT) {
        clu_link_timer(link, clu_add_time(l->now, CLU_LINK_AGAIN));
        return 0;
    }
    if (result < 0)
        return result;
    ch->width = 0;
    ch->most = ch->full = CLU_EPMD_REPLY_MAX;
    ch->opens = !asks && !home->kind->connected;
    ch->secure = !asks && home->secure;
    ch->server = home->verifies ? strchr(link->name, '@') + 1 : NULL;
    ch->ca = home->ca;
    if (!asks && home->kind->connected)
        return home->kind->connected(link);
    if (ch->opens) {
        clu_channel_watch(ch);
        return 0;
    }
    w = clu_channel_begin(ch, 3 + CLU_NAME_MAX);
    clu_epmd_request_write(&w, clu_slice_of(link->name, strcspn(link->name, "@")));
    result = clu_channel_end(ch, &w);
    if (!result)
        clu_channel_watch(ch);
    return result;
}

/* epmd answered. */
CLU_FN int clu_link_asked(struct clu_link *link, const uint8_t *data, size_t size)
{
    struct clu_epmd_port reply;
    enum clu_parse result = clu_epmd_port_reply(data, size, &reply);
    struct clu_slice name = clu_slice_of(link->name, strcspn(link->name, "@"));
    if (result != CLU_COMPLETE)
        return result == CLU_NEED_MORE ? 0 : CLUSTER_E_PROTOCOL;
    if (!reply.found || !clu_slice_same(reply.name, name))
        return clu_link_fail(link, CLU_WHY_UNKNOWN);
    if (link->home->asks)
        return clu_link_fail(link, CLU_WHY_THERE);
    clu_channel_close(&link->channel);
    link->port = reply.port;
    return clu_link_open(link);
}

/* Begin, with the address of a host, or what stands for one. The link may be gone afterwards. */
CLU_FN void clu_link_start(struct clu_link *link, struct clu_slice host)
{
    struct clu_links *home = link->home;
    int result = clu_lookup(&home->loop->io, &home->loop->memory, host, &link->address);
    if (result == CLUSTER_E_NOT_FOUND)
        result = home->look_up ? home->look_up(link, host) : clu_link_fail(link, CLU_WHY_HOST);
    else if (!result)
        result = clu_link_open(link);
    if (result)
        clu_link_end(link, result);
}

/* DNS said where its host is. */
CLU_FN void clu_link_found(struct clu_link *link, const struct cluster_address *address)
{
    int result;
    link->address = *address;
    result = clu_link_open(link);
    if (result)
        clu_link_end(link, result);
}

/* The time for it is over. */
CLU_FN void clu_link_late(struct clu_link *link)
{
    if (link->channel.fd < 0 && link->state != CLU_LINK_LOOK)
        (void)clu_link_fail(link, CLU_WHY_CROWDED);
    clu_link_end(link, CLUSTER_E_TIMEOUT);
}

/* ---- what comes of its stream ------------------------------------------ */

CLU_FN int clu_link_packet(struct clu_channel *channel, const uint8_t *data, size_t size)
{
    struct clu_link *link = CLU_CONTAINER(channel, struct clu_link, channel);
    return link->state == CLU_LINK_ASK ? clu_link_asked(link, data, size) : link->home->kind->takes(link, data, size);
}

CLU_FN void clu_link_ready(struct clu_watcher *watcher, int fd, int revents)
{
    struct clu_link *link = CLU_CONTAINER(watcher, struct clu_link, channel.watcher);
    int64_t result;
    if (link->state != CLU_LINK_STREAM || fd != link->channel.fd || revents & POLLNVAL) {
        clu_channel_ready(watcher, fd, revents);
        return;
    }
    result = clu_send(link->home->loop, fd, "", 0, NULL); /* says how connecting went */
    if (result != CLUSTER_E_AGAIN)
        clu_link_end(link, result < 0 ? (int)result : clu_link_fail(link, CLU_WHY_THERE));
}

CLU_FN void clu_link_drained(struct clu_channel *channel)
{
    struct clu_link *link = CLU_CONTAINER(channel, struct clu_link, channel);
    if (link->choked)
        link->home->kind->writable(link);
}

CLU_FN void clu_link_ended(struct clu_channel *channel, int error)
{
    struct clu_link *link = CLU_CONTAINER(channel, struct clu_link, channel);
    if (link->state != CLU_LINK_UP || (error != CLUSTER_E_AGAIN && error != CLUSTER_E_MEMORY)) {
        clu_link_end(link, error);
        return;
    }
    channel->held = true;
    clu_channel_watch(channel);
    clu_link_timer(link, clu_add_time(link->home->loop->now, CLU_LINK_AGAIN));
}

CLU_FN void clu_link_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_link *link = CLU_CONTAINER(timer, struct clu_link, timer);
    int result = CLUSTER_E_CLOSED;
    if (!link->why && link->state < CLU_LINK_NAME)
        result = clu_link_open(link);
    else if (!link->why)
        result = link->state < CLU_LINK_UP ? CLUSTER_E_TIMEOUT : link->home->kind->watches(link, now);
    if (result)
        clu_link_ended(&link->channel, result);
}

/* A link on its way; NULL: no memory. */
CLU_FN struct clu_link *clu_link_new(struct clu_links *home, struct clu_link **list)
{
    struct clu_loop *l = home->loop;
    struct clu_link *link = (struct clu_link *)clu_alloc_zero(&l->memory, sizeof *link);
    if (!link || !clu_timers_reserve(&l->memory, &l->timers, 1)) {
        clu_free(&l->memory, link, sizeof *link);
        return NULL;
    }
    link->home = home;
    link->timer.fire = clu_link_fire;
    link->channel.watcher.ready = clu_link_ready;
    link->channel.loop = l;
    link->channel.packet = clu_link_packet;
    link->channel.drained = clu_link_drained;
    link->channel.ended = clu_link_ended;
    link->channel.fd = -1;
    clu_link_enlist(link, list);
    return link;
}

#endif
