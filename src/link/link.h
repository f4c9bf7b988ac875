/*
 * A link to an Erlang node: the handshake, both ways, and what goes on while it is up. Of a link that another node makes to us
 * nothing but its own state changes before it has proved that it knows the cookie.
 */
#ifndef CLU_LINK_LINK_H
#define CLU_LINK_LINK_H

#include "../wire/control.h"
#include "../wire/handshake.h"
#include "reach.h"

#define CLU_NUMBER_MAX 10      /* digits of 32 bits */
#define CLU_CONTROL_SMALL 4096 /* bytes of an answer to a control message */

/* What is said to a name. */
#define CLU_LINK_WORDS "ok ok_simultaneous alive nok not_allowed"
enum { CLU_SAY_OK, CLU_SAY_SIMULTANEOUS, CLU_SAY_ALIVE, CLU_SAY_NOK, CLU_SAY_NOT_ALLOWED };

/* ---- the handshake ---------------------------------------------------- */

CLU_FN int clu_link_say_hello(struct clu_link *link, bool challenge, uint64_t more)
{
    struct clu_links *home = link->home;
    struct clu_writer w = clu_channel_begin(&link->channel, CLU_HANDSHAKE_MAX);
    struct clu_hello own;
    own.flags = CLU_FLAGS_OWN | more;
    own.creation = home->creation;
    own.challenge = link->challenge;
    own.name = clu_slice_str(home->name);
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

/* With a name that the other is to have, its creation, which may be any number, follows. */
CLU_FN int clu_link_say_status(struct clu_link *link, const char *status, const char *name)
{
    struct clu_writer w = clu_channel_begin(&link->channel, CLU_HANDSHAKE_MAX);
    clu_write_be(&w, 's', 1);
    clu_write(&w, status, strlen(status));
    if (name) {
        clu_write_be(&w, strlen(name), 2);
        clu_write(&w, name, strlen(name));
        clu_write_be(&w, link->challenge, 4);
    }
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
    result = link->home->kind->up(link);
    if (result)
        return result;
    link->state = CLU_LINK_UP;
    clu_link_timer(link, clu_add_time(l->now, link->home->tick_ns / 4));
    return 0;
}

/* The stream is under way: the name goes first. */
CLU_FN int clu_link_hello(struct clu_link *link)
{
    struct clu_channel *ch = &link->channel;
    int result = clu_random(link->home->loop, &link->challenge, sizeof link->challenge);
    ch->width = ch->secure ? 4 : 2;
    ch->most = ch->full = CLU_HANDSHAKE_MAX;
    link->state = CLU_LINK_STATUS;
    if (!result)
        result = clu_link_say_hello(link, false, clu_links_nameless(link->home) ? CLU_FLAGS_NAME_ME : 0);
    if (!result)
        clu_channel_watch(ch);
    return result;
}

/* A name for the own node. It is ours once the node has proved that it knows the cookie. */
CLU_FN int clu_link_named(struct clu_link *link, const uint8_t *data, size_t size)
{
    struct clu_reader r = clu_reader_of(data, size);
    bool named = clu_read_be(&r, 7) == UINT64_C(0x736e616d65643a); /* snamed: */
    size_t length = clu_read_u16(&r);
    const char *name = (const char *)clu_take(&r, length);
    link->creation = clu_read_u32(&r);
    if (r.bad || !named || !clu_name_valid(name, length))
        return CLUSTER_E_PROTOCOL;
    link->said_size = (uint32_t)length + 1;
    link->said = (char *)clu_alloc_zero(&link->home->loop->memory, link->said_size);
    if (!link->said)
        return CLUSTER_E_MEMORY;
    memcpy(link->said, name, length);
    return 0;
}

/* What the node says to our name. */
CLU_FN int clu_link_status(struct clu_link *link, const uint8_t *data, size_t size)
{
    int status = clu_status_read(data, size, CLU_LINK_WORDS);
    link->state = CLU_LINK_CHALLENGE;
    if (clu_links_nameless(link->home) && status < CLU_SAY_NOK)
        return clu_link_named(link, data, size);
    switch (status) {
    case CLU_SAY_OK:
    case CLU_SAY_SIMULTANEOUS:
        return 0;
    case CLU_SAY_ALIVE: /* what it still holds is ours, or another program's */
        status = clu_link_say_status(link, link->replaces ? "true" : "false", NULL);
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

CLU_FN int clu_link_ask_proof(struct clu_link *link, uint64_t more)
{
    link->state = CLU_LINK_PROOF;
    return clu_link_say_hello(link, true, more);
}

CLU_FN int clu_link_greeted(struct clu_link *link, const uint8_t *data, size_t size)
{
    static const char *const words[] = {"ok", "ok_simultaneous", "alive", "nok", "not_allowed"};
    struct clu_links *home = link->home;
    struct clu_hello theirs;
    struct clu_text name;
    bool nameless;
    int word = CLU_SAY_NOT_ALLOWED, result;
    if (!clu_hello_read(data, size, false, &theirs))
        return clu_hello_is_old(data, size) ? clu_link_fail(link, CLU_WHY_OLD) : CLUSTER_E_PROTOCOL;
    nameless = (theirs.flags & CLU_FLAGS_NAME_ME) != 0;
    link->said_size = (uint32_t)theirs.name.length + CLU_NUMBER_MAX + 2;
    link->said = (char *)clu_alloc_zero(&home->loop->memory, link->said_size);
    if (!link->said)
        return CLUSTER_E_MEMORY;
    name = clu_text_on(link->said, link->said_size);
    if (nameless) { /* it is given a number that nobody else has, at its host */
        clu_text_u64(&name, link->challenge);
        clu_text_add(&name, "@");
    }
    clu_text_bytes(&name, theirs.name.at, theirs.name.length);
    if (name.length > CLU_NAME_MAX)
        return CLUSTER_E_PROTOCOL;
    link->name = link->said;
    if (clu_flags_suffice(theirs.flags) && strcmp(link->name, home->name) != 0)
        word = home->kind->greeted(link);
    nameless = nameless && word == CLU_SAY_OK;
    result = clu_link_say_status(link, nameless ? "named:" : words[word], nameless ? link->name : NULL);
    if (result)
        return result;
    if (word >= CLU_SAY_NOK) {
        (void)clu_channel_flush(&link->channel);
        return clu_link_fail(link, word == CLU_SAY_NOK ? CLU_WHY_CALLS : CLU_WHY_OLD);
    }
    link->state = CLU_LINK_ALIVE;
    return word == CLU_SAY_ALIVE ? 0 : clu_link_ask_proof(link, theirs.flags & CLU_FLAGS_NAME_ME);
}

/* It is told that we hold a link of its name; is that one dead? Then it goes once this one is proved. */
CLU_FN int clu_link_alive(struct clu_link *link, const uint8_t *data, size_t size)
{
    int answer = clu_status_read(data, size, "true false");
    if (answer)
        return answer < 0 ? CLUSTER_E_PROTOCOL : clu_link_fail(link, CLU_WHY_TAKEN);
    return clu_link_ask_proof(link, 0);
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
    return clu_control_read(data, size, &c) ? link->home->kind->control(link, &c) : CLUSTER_E_PROTOCOL;
}

/* Speak when a quarter of the time was silent; end when it was heard of no more. Of a link that is not read nothing is known. */
CLU_FN int clu_link_watch(struct clu_link *link, uint64_t now)
{
    struct clu_channel *ch = &link->channel;
    uint64_t tick = link->home->tick_ns, quarter = tick / 4, from;
    bool held = ch->held;
    int result = 0;
    if (!held && now - ch->heard_ns >= tick) {
        /* The host may have been away for longer than the peer was. What could not be read in this step is in the next. */
        result = clu_channel_read(ch);
        if (!result && ch->heard_ns != now && link->home->loop->budget_left)
            result = CLUSTER_E_TIMEOUT;
    }
    if (result)
        return result;
    from = ch->said_ns;
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
    return 0;
}

/* A packet of the handshake, or of a link that is up. */
CLU_FN int clu_link_takes(struct clu_link *link, const uint8_t *data, size_t size)
{
    static int (*const takes[])(struct clu_link *, const uint8_t *, size_t) = {
        clu_link_status, clu_link_challenge, clu_link_ack, clu_link_greeted, clu_link_alive, clu_link_proof, clu_link_control};
    return takes[link->state - CLU_LINK_STATUS](link, data, size);
}

#endif
