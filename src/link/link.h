/*
 * One link's life: from the question where a node listens to the end, with the reason. It owns its channel and one timer. Whom
 * to link to, and what packets mean, others say, through the functions in struct clu_links.
 *
 *   ours:    ASK (its epmd for the port) -> STATUS -> CHALLENGE -> ACK --+
 *                                                                        +--> UP -> gone
 *   theirs:  NAME -> (ALIVE) -> PROOF -----------------------------------+
 *
 * The whole way to UP has one deadline. A link that ends says so once, by `ended`, from wherever it is. Of a link that another
 * node makes to us nothing but its own state changes before it has proved that it knows the cookie.
 */
#ifndef CLU_LINK_LINK_H
#define CLU_LINK_LINK_H

#include "../net/lookup.h"
#include "../wire/control.h"
#include "../wire/epmd.h"
#include "../wire/handshake.h"
#include "channel.h"

#define CLU_LINK_DEADLINE (7 * CLU_SECOND) /* as nodes have it for a handshake */
#define CLU_LINK_AGAIN (20 * CLU_MS)       /* after something was lacking: memory, a descriptor, room for events */
#define CLU_EPMD_REPLY_MAX 3060
#define CLU_CONTROL_SMALL 4096 /* bytes of an answer to a control message */

/* ---- why a link ended ------------------------------------------------- */

/* clang-format off */
#define CLU_WHY_LIST(X)                                                                                                      \
    X(SYSTEM, IO, "")                                                                                                        \
    X(HOST, NOT_FOUND, "the address of its host is not known: give the node an address, or put the host into /etc/hosts")    \
    X(NO_EPMD, REFUSED, "no epmd runs on its host: is the node there? Without epmd its port is said by port=")               \
    X(EPMD, PROTOCOL, "what answers in place of its host's epmd is none")                                                    \
    X(UNKNOWN, NOT_FOUND, "the epmd of its host does not know it: it does not run, or has another name")                     \
    X(REFUSED, REFUSED, "nothing listens on its port: it has ended, or is starting")                                         \
    X(NO_WAY, UNREACHABLE, "there is no way to its host")                                                                    \
    X(NO_ANSWER, UNREACHABLE, "its host does not answer: it is down, or a firewall is between")                              \
    X(SILENT, TIMEOUT, "it takes the connection and says nothing: it hangs, or is no Erlang node")                           \
    X(HUNG_UP, CLOSED, "it hung up in the handshake")                                                                        \
    X(COOKIE, PERMISSION, "its cookie is another one")                                                                       \
    X(TAKEN, EXISTS, "a node of the own name is linked to it already: choose another name")                                  \
    X(REFUSES, REFUSED, "it does not allow this node")                                                                       \
    X(OLD, UNSUPPORTED, "it speaks the distribution of before OTP 23 only")                                                  \
    X(OTHER, NOT_FOUND, "a node of another name answers on its port")                                                        \
    X(CALLS, AGAIN, "it is about to link to us itself")                                                                      \
    X(CROWDED, LIMIT, "no descriptor was free for it: options.limit_watches allows more")                                    \
    X(GARBAGE, PROTOCOL, "it sent malformed bytes")                                                                          \
    X(PACKET, LIMIT, "it sent a packet over options.limit_packet")                                                           \
    X(CLOSED, CLOSED, "it closed the link")                                                                                  \
    X(ANEW, CLOSED, "it made a new link in place of this one")                                                                                  \
    X(QUIET, TIMEOUT, "nothing came from it for the time of options.tick")                                                   \
    X(LEFT, CLOSED, "it left discovery, and options.on_leave says to disconnect")                                            \
    X(MEMBERS, LIMIT, "options.limit_members leaves no room for it")                                                         \
    X(NO_TIME, TIMEOUT, "no answer in time")                                                                                 \
    X(MAY_HAVE_RUN, CLOSED, "the link ended before the answer: it may have run")
/* clang-format on */

#define CLU_WHY_ID(id, error, text) CLU_WHY_##id,
enum clu_why { CLU_WHY_LIST(CLU_WHY_ID) CLU_WHY_COUNT };
#undef CLU_WHY_ID

CLU_FN int clu_why_error(enum clu_why why)
{
#define CLU_WHY_ERROR(id, error, text) CLUSTER_E_##error,
    static const int8_t errors[] = {CLU_WHY_LIST(CLU_WHY_ERROR)};
#undef CLU_WHY_ERROR
    return errors[why];
}

/* The sentence of a reason, of SYSTEM the error's name. */
CLU_FN const char *clu_why_text(enum clu_why why, int error)
{
#define CLU_WHY_TEXT(id, error, text) text,
    static const char *const texts[] = {CLU_WHY_LIST(CLU_WHY_TEXT)};
#undef CLU_WHY_TEXT
    return why == CLU_WHY_SYSTEM ? cluster_strerror(error) : texts[why];
}

/* ---- a link ----------------------------------------------------------- */

enum {
    CLU_LINK_ASK,
    CLU_LINK_STATUS,
    CLU_LINK_CHALLENGE,
    CLU_LINK_ACK,
    CLU_LINK_NAME,
    CLU_LINK_ALIVE,
    CLU_LINK_PROOF,
    CLU_LINK_UP
};

/* What is said to a name. */
#define CLU_LINK_WORDS "ok ok_simultaneous alive nok not_allowed"
enum clu_status_word { CLU_SAY_OK, CLU_SAY_SIMULTANEOUS, CLU_SAY_ALIVE, CLU_SAY_NOK, CLU_SAY_NOT_ALLOWED };

struct clu_link;

/* What all links of a handle share. */
struct clu_links {
    struct clu_loop *loop;
    const struct cluster_node *own;
    struct clu_slice cookie;
    uint32_t creation;
    uint64_t tick_ns;
    uint32_t limit_packet, limit_output;
    struct clu_link *first; /* all of them, but for those below */
    struct clu_link *half;  /* those that others make to us and that are not up, the newest first */
    uint32_t halves;
    uint16_t port;      /* where we listen; 0: nowhere yet */
    uint64_t *requests; /* the last number of one */
    size_t (*inspect)(struct clu_links *home, const char *function,
                      struct clu_writer *w);                /* of module cluster; 0: there is none */
    enum clu_status_word (*greeted)(struct clu_link *link); /* a name was said to us */
    int (*up)(struct clu_link *link);
    void (*writable)(struct clu_link *link); /* it was choked */
    int (*control)(struct clu_link *link, const struct clu_control *c);
    void (*ended)(struct clu_link *link, enum clu_why why, int error); /* frees it */
};

struct clu_link {
    struct clu_channel channel;
    struct clu_timer timer;
    struct clu_links *home;
    struct clu_link *next, **at; /* what points to it in its list */
    void *peer;                  /* the owner's; NULL while it is not known who it is */
    const char *name;            /* of the other node */
    char *said;                  /* the same, as it was said and not proved yet, and its size */
    size_t said_size;
    uint8_t state, why;
    bool replaces; /* a link of ours that it still holds may go */
    bool choked;   /* the host waits for its output to go out, and a place for that event is kept */
    uint16_t port;
    uint32_t challenge;
    uint64_t deadline_ns;
    uint64_t ticked_ns; /* its last tick */
    struct cluster_address address;
};

CLU_FN void clu_link_enlist(struct clu_link *link, struct clu_link **list)
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
    };
    size_t i;
    for (i = 0; i < CLU_COUNT(table); i++) {
        if (table[i].error != error)
            continue;
        if (link->state == CLU_LINK_UP)
            return (enum clu_why)table[i].up;
        if (link->state == CLU_LINK_ASK)
            return (enum clu_why)table[i].asks;
        if (link->channel.fd < 0 || clu_channel_waits(&link->channel))
            return (enum clu_why)table[i].early;
        return (enum clu_why)(link->state == CLU_LINK_ACK ? table[i].ack : table[i].shakes);
    }
    return CLU_WHY_SYSTEM;
}

/* The end, by an error of the stream or by the reason that was noted. */
CLU_FN void clu_link_end(struct clu_link *link, int error)
{
    enum clu_why why = link->why ? (enum clu_why)link->why : clu_link_why(link, error);
    link->home->ended(link, why, why == CLU_WHY_SYSTEM ? error : clu_why_error(why));
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

/* ---- the handshake ---------------------------------------------------- */

CLU_FN int clu_link_say_hello(struct clu_link *link, bool challenge)
{
    struct clu_links *home = link->home;
    struct clu_writer w = clu_channel_begin(&link->channel, CLU_HANDSHAKE_MAX);
    struct clu_hello own;
    own.flags = CLU_FLAGS_OWN;
    own.creation = home->creation;
    own.challenge = link->challenge;
    own.name = clu_slice_str(home->own->name);
    clu_hello_write(&w, &own, challenge);
    return clu_channel_end(&link->channel, &w);
}

/* The proof that we know the cookie, and for 'r' the challenge that asks for theirs. */
CLU_FN int clu_link_prove(struct clu_link *link, char tag, uint32_t theirs)
{
    struct clu_writer w = clu_channel_begin(&link->channel, CLU_HANDSHAKE_MAX);
    uint8_t digest[CLU_MD5_SIZE];
    clu_cookie_digest(link->home->cookie, theirs, digest);
    clu_proof_write(&w, tag, link->challenge, digest);
    return clu_channel_end(&link->channel, &w);
}

CLU_FN bool clu_link_proved(const struct clu_link *link, const uint8_t *digest)
{
    uint8_t right[CLU_MD5_SIZE];
    clu_cookie_digest(link->home->cookie, link->challenge, right);
    return clu_equal_ct(digest, right, sizeof right);
}

CLU_FN int clu_link_say_status(struct clu_link *link, const char *status)
{
    struct clu_writer w = clu_channel_begin(&link->channel, CLU_HANDSHAKE_MAX);
    clu_write_be(&w, 's', 1);
    clu_write(&w, status, strlen(status));
    return clu_channel_end(&link->channel, &w);
}

/* From now on lengths have four bytes. */
CLU_FN int clu_link_is_up(struct clu_link *link)
{
    struct clu_channel *ch = &link->channel;
    struct clu_loop *l = link->home->loop;
    int result;
    ch->width = 4;
    ch->most = link->home->limit_packet;
    ch->full = link->home->limit_output;
    link->ticked_ns = ch->heard_ns = ch->said_ns = l->now;
    result = link->home->up(link);
    if (result)
        return result;
    link->state = CLU_LINK_UP;
    clu_link_timer(link, clu_add_time(l->now, link->home->tick_ns / 4));
    return 0;
}

/* What the node says to our name. */
CLU_FN int clu_link_status(struct clu_link *link, const uint8_t *data, size_t size)
{
    int status = clu_status_read(data, size, CLU_LINK_WORDS);
    link->state = CLU_LINK_CHALLENGE;
    switch (status) {
    case CLU_SAY_OK:
    case CLU_SAY_SIMULTANEOUS:
        return 0;
    case CLU_SAY_ALIVE: /* what it still holds is ours, or another program's */
        status = clu_link_say_status(link, link->replaces ? "true" : "false");
        if (!link->replaces)
            (void)clu_channel_flush(&link->channel);
        return link->replaces ? status : clu_link_fail(link, CLU_WHY_TAKEN);
    case CLU_SAY_NOK:
        return clu_link_fail(link, CLU_WHY_CALLS);
    case CLU_SAY_NOT_ALLOWED:
        return clu_link_fail(link, CLU_WHY_REFUSES);
    default:
        return CLUSTER_E_PROTOCOL;
    }
}

/* Does one of our own links wait for the answer to it? Then whoever says it is after the proof that it could not give itself. */
CLU_FN bool clu_link_asks(const struct clu_link *link, uint32_t challenge)
{
    while (link && (link->state == CLU_LINK_UP || link->challenge != challenge))
        link = link->next;
    return link != NULL;
}

CLU_FN int clu_link_challenge(struct clu_link *link, const uint8_t *data, size_t size)
{
    const struct clu_links *home = link->home;
    struct clu_hello theirs;
    if (!clu_hello_read(data, size, true, &theirs))
        return clu_hello_is_old(data, size) ? clu_link_fail(link, CLU_WHY_OLD) : CLUSTER_E_PROTOCOL;
    if (!clu_slice_is(theirs.name, link->name))
        return clu_link_fail(link, CLU_WHY_OTHER);
    if (!clu_flags_suffice(theirs.flags))
        return clu_link_fail(link, CLU_WHY_OLD);
    if (clu_link_asks(home->first, theirs.challenge) || clu_link_asks(home->half, theirs.challenge))
        return CLUSTER_E_PROTOCOL;
    link->state = CLU_LINK_ACK;
    return clu_link_prove(link, 'r', theirs.challenge);
}

CLU_FN int clu_link_ack(struct clu_link *link, const uint8_t *data, size_t size)
{
    uint32_t none;
    const uint8_t *digest = clu_proof_read(data, size, 'a', &none);
    if (!digest)
        return CLUSTER_E_PROTOCOL;
    return clu_link_proved(link, digest) ? clu_link_is_up(link) : clu_link_fail(link, CLU_WHY_COOKIE);
}

/* ---- the handshake, of a link that is made to us ----------------------- */

CLU_FN int clu_link_ask_proof(struct clu_link *link)
{
    link->state = CLU_LINK_PROOF;
    return clu_link_say_hello(link, true);
}

CLU_FN int clu_link_greeted(struct clu_link *link, const uint8_t *data, size_t size)
{
    static const char *const words[] = {"ok", "ok_simultaneous", "alive", "nok", "not_allowed"};
    struct clu_links *home = link->home;
    struct clu_hello theirs;
    enum clu_status_word word = CLU_SAY_NOT_ALLOWED;
    int result;
    if (!clu_hello_read(data, size, false, &theirs))
        return clu_hello_is_old(data, size) ? clu_link_fail(link, CLU_WHY_OLD) : CLUSTER_E_PROTOCOL;
    link->said_size = theirs.name.length + 1;
    link->said = (char *)clu_alloc_zero(&home->loop->memory, link->said_size);
    if (!link->said)
        return CLUSTER_E_MEMORY;
    memcpy(link->said, theirs.name.at, theirs.name.length);
    link->name = link->said;
    if (clu_flags_suffice(theirs.flags) && !clu_slice_is(theirs.name, home->own->name))
        word = home->greeted(link);
    result = clu_link_say_status(link, words[word]);
    if (result)
        return result;
    if (word >= CLU_SAY_NOK) {
        (void)clu_channel_flush(&link->channel);
        return clu_link_fail(link, word == CLU_SAY_NOK ? CLU_WHY_CALLS : CLU_WHY_OLD);
    }
    link->state = CLU_LINK_ALIVE;
    return word == CLU_SAY_ALIVE ? 0 : clu_link_ask_proof(link);
}

/* It is told that we hold a link of its name; is that one dead? Then it goes once this one is proved. */
CLU_FN int clu_link_alive(struct clu_link *link, const uint8_t *data, size_t size)
{
    int answer = clu_status_read(data, size, "true false");
    if (answer)
        return answer < 0 ? CLUSTER_E_PROTOCOL : clu_link_fail(link, CLU_WHY_TAKEN);
    return clu_link_ask_proof(link);
}

CLU_FN int clu_link_proof(struct clu_link *link, const uint8_t *data, size_t size)
{
    uint32_t theirs;
    const uint8_t *digest = clu_proof_read(data, size, 'r', &theirs);
    int result;
    if (!digest)
        return CLUSTER_E_PROTOCOL;
    if (!clu_link_proved(link, digest))
        return clu_link_fail(link, CLU_WHY_COOKIE);
    result = clu_link_prove(link, 'a', theirs);
    return result ? result : clu_link_is_up(link);
}

/* ---- where the node listens ------------------------------------------- */

/* Connect to it, or to its host's epmd while the port is not known. When there is no descriptor to be had it is tried again. */
CLU_FN int clu_link_open(struct clu_link *link)
{
    struct clu_channel *ch = &link->channel;
    struct clu_loop *l = link->home->loop;
    int result;
    link->state = link->port ? CLU_LINK_STATUS : CLU_LINK_ASK;
    link->address.port = link->port ? link->port : clu_epmd_port_here(&l->io);
    result = clu_channel_open(ch, &link->address);
    if (result == CLUSTER_E_AGAIN || result == CLUSTER_E_LIMIT) {
        clu_link_timer(link, clu_min_u64(link->deadline_ns, clu_add_time(l->now, CLU_LINK_AGAIN)));
        return 0;
    }
    if (result < 0)
        return result;
    clu_link_timer(link, link->deadline_ns);
    ch->width = link->port ? 2 : 0;
    ch->most = link->port ? CLU_HANDSHAKE_MAX : CLU_EPMD_REPLY_MAX;
    if (link->port) {
        result = clu_link_say_hello(link, false);
    } else {
        struct clu_writer w = clu_channel_begin(ch, 3 + CLU_NAME_MAX);
        clu_epmd_request_write(&w, clu_slice_of(link->name, strcspn(link->name, "@")));
        result = clu_channel_end(ch, &w);
    }
    if (result)
        return result;
    clu_channel_watch(ch);
    return 0;
}

CLU_FN int clu_link_asked(struct clu_link *link, const uint8_t *data, size_t size)
{
    struct clu_epmd_port reply;
    enum clu_parse result = clu_epmd_port_reply(data, size, &reply);
    struct clu_slice name = clu_slice_of(link->name, strcspn(link->name, "@"));
    if (result != CLU_COMPLETE)
        return result == CLU_NEED_MORE ? 0 : CLUSTER_E_PROTOCOL;
    if (!reply.found || !clu_slice_same(reply.name, name))
        return clu_link_fail(link, CLU_WHY_UNKNOWN);
    clu_channel_close(&link->channel);
    link->port = reply.port;
    return clu_link_open(link);
}

/* ---- a link that is up ------------------------------------------------ */

/* An empty packet. */
CLU_FN int clu_link_say_tick(struct clu_link *link)
{
    struct clu_writer w = clu_channel_begin(&link->channel, 0);
    return clu_channel_end(&link->channel, &w);
}

/* Its ticks may come more often than ours, so that it expects more of them. One is answered when nothing went out since the one
 * before: then two that do so both do not answer each other for ever. */
CLU_FN int clu_link_tick_came(struct clu_link *link)
{
    uint64_t before = link->ticked_ns;
    if (link->channel.said_ns <= before && !clu_channel_waits(&link->channel) && clu_link_say_tick(link))
        return CLUSTER_E_MEMORY;
    link->ticked_ns = link->home->loop->now;
    return 0;
}

CLU_FN int clu_link_control(struct clu_link *link, const uint8_t *data, size_t size)
{
    struct clu_control c;
    if (!size)
        return clu_link_tick_came(link);
    return clu_control_read(data, size, &c) ? link->home->control(link, &c) : CLUSTER_E_PROTOCOL;
}

/* Speak when a quarter of the time was silent; end when it was heard of no more. Of a link that is not read nothing is known. */
CLU_FN void clu_link_watch(struct clu_link *link, uint64_t now)
{
    struct clu_channel *ch = &link->channel;
    uint64_t tick = link->home->tick_ns, quarter = tick / 4, from = ch->said_ns;
    bool held = ch->held;
    if (held)
        ch->heard_ns = now;
    if (now - from >= quarter && !clu_channel_waits(ch) && clu_link_say_tick(link))
        quarter = CLU_LINK_AGAIN;
    if (clu_channel_waits(ch) || now - from >= quarter)
        from = now;
    clu_link_timer(link, clu_min_u64(clu_add_time(from, quarter), clu_add_time(ch->heard_ns, tick)));
    ch->held = false;
    if (held)
        clu_channel_work(ch, true);
}

CLU_FN int clu_link_packet(struct clu_channel *channel, const uint8_t *data, size_t size)
{
    static int (*const takes[])(struct clu_link *, const uint8_t *,
                                size_t) = {clu_link_asked,   clu_link_status, clu_link_challenge, clu_link_ack,
                                           clu_link_greeted, clu_link_alive,  clu_link_proof,     clu_link_control};
    struct clu_link *link = CLU_CONTAINER(channel, struct clu_link, channel);
    return takes[link->state](link, data, size);
}

CLU_FN void clu_link_drained(struct clu_channel *channel)
{
    struct clu_link *link = CLU_CONTAINER(channel, struct clu_link, channel);
    if (link->choked)
        link->home->writable(link);
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
    struct clu_channel *ch = &link->channel;
    int result = 0;
    if (link->why)
        result = CLUSTER_E_CLOSED;
    else if (link->state < CLU_LINK_NAME && now < link->deadline_ns)
        result = clu_link_open(link);
    else if (link->state != CLU_LINK_UP)
        result = ch->fd < 0 ? clu_link_fail(link, CLU_WHY_CROWDED) : CLUSTER_E_TIMEOUT;
    else if (!ch->held && now - ch->heard_ns >= link->home->tick_ns) {
        /* The host may have been away for longer than the peer was. What could not be read in this step is in the next. */
        result = clu_channel_read(ch);
        if (!result && ch->heard_ns != now && link->home->loop->budget_left)
            result = CLUSTER_E_TIMEOUT;
    }
    if (result)
        clu_link_ended(ch, result);
    else if (link->state == CLU_LINK_UP)
        clu_link_watch(link, now);
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
    link->channel.watcher.ready = clu_channel_ready;
    link->channel.loop = l;
    link->channel.packet = clu_link_packet;
    link->channel.drained = clu_link_drained;
    link->channel.ended = clu_link_ended;
    link->channel.fd = -1;
    link->channel.full = CLU_HANDSHAKE_MAX;
    link->deadline_ns = clu_add_time(l->now, CLU_LINK_DEADLINE);
    clu_link_enlist(link, list);
    return link;
}

#endif
