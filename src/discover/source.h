/*
 * A source: one URL, one strategy at work, one set of claims on the table. Here is its clock (rounds, jitter, timeouts, ageing,
 * pauses), which holds to the three-valued result of a round: an answer, an empty answer, or a failure that changes nothing.
 * How a round ends is in publish.h; what else a strategy may do in doors.h, ask.h and fetch.h: it has no other door.
 *
 *              round()                publish, or the next round
 *   waiting ------------> under way ------------------------------> ANSWER, EMPTY
 *      ^                      |       fail, timeout                      |
 *      |                      +--------------------------> FAILED       |
 *      +---------------- interval, with jitter <------------+-----------+
 */
#ifndef CLU_DISCOVER_SOURCE_H
#define CLU_DISCOVER_SOURCE_H

#include "../base/errors.h"
#include "../member/claims.h"
#include "../net/http.h"
#include "../net/resolver.h"
#include "../wire/url.h"

#define CLU_INTERVAL (5 * CLU_SECOND) /* of rounds, and after a failure where rounds are not repeated */
#define CLU_TIMEOUT (5 * CLU_SECOND)
#define CLU_MISSES 3
#define CLU_HEARD_LIMIT 4096 /* members of a source that hears, unless limit= says otherwise */
#define CLU_HEARD_BURST 256  /* new names at once, and each second */

/* A kind of source that the host taught us. */
struct clu_scheme {
    struct clu_scheme *next;
    struct cluster_strategy strategy;
    void *ctx;
    size_t size; /* of this object, its name after it */
    const char *name;
};

/* All sources of a handle, and what they share. */
struct clu_discovery {
    struct clu_loop *loop;
    struct clu_table *table;
    struct cluster_source *first;
    size_t count;
    uint64_t next_rank;
    struct cluster_node own;
    struct clu_scheme *schemes;
#ifndef CLUSTER_NO_DNS
    struct clu_resolver resolver;
#endif
    bool news;   /* some source's state may have changed since the host was told */
    bool warned; /* of long names among short ones, or the reverse */
    bool ends;   /* some source has ended and is to be freed */
    bool late;   /* something was heard or thawed outside a step, when there was no clock */
};

/* A source's timers: to the next round, to the end of one, to the next that ages, and the strategy's own. */
enum { CLU_TIMER_ROUND, CLU_TIMER_TIMEOUT, CLU_TIMER_AGE, CLU_TIMER_OWN, CLU_TIMER_COUNT };

struct cluster_source {
    struct clu_watcher watcher;
    struct clu_discovery *home;
    struct clu_loop *loop; /* the home's */
    struct cluster_source *next;
    void *state_of_strategy;
    int state, error;
    bool opened, under_way, paused, news, ended;
    bool listed; /* the last answer was not empty */
    bool frozen; /* nobody ages: it fails or is paused */
    bool heard_late, thaw_late;
    bool over_limit; /* it was said */
    bool withdraws;  /* the own node leaves, and is still announced */
    uint32_t reply_count;
    uint32_t bucket;
    uint64_t bucket_ns, frozen_ns, rounds, request;
    struct clu_url url;
    char *text, *shown, *target; /* the parsed and the redacted URL, and its target as written; one allocation */
    size_t text_size;
    /* A one-off query: makes the reply's text of the nodes it found. NULL for a source of members. */
    struct clu_shared *(*answer)(struct cluster_source *s, const struct cluster_node *nodes, size_t count, int *error);
#ifndef CLUSTER_NO_DNS
    struct clu_question **questions; /* by slot; NULL: it was never asked */
    size_t question_count;
#endif
#ifndef CLUSTER_NO_HTTP
    struct clu_fetch *fetches[CLUSTER_FETCH_SLOTS]; /* NULL: it never fetched */
#endif
    struct clu_record **parts; /* added, and not published yet; each add in order, which is most of the work of ordering all */
    size_t part_count, part_capacity;
    size_t added; /* nodes, also those that are not wanted */
    struct clu_claims claims;
    struct clu_common common;
    struct clu_timer timers[CLU_TIMER_COUNT];
    struct cluster_strategy strategy;
    char why[192];
};

/* ---- rounds ----------------------------------------------------------- */

CLU_FN void clu_source_schedule(struct cluster_source *s, uint64_t from, uint64_t interval)
{
    uint64_t spread = interval == CLUSTER_NEVER ? 0 : interval / 100 * s->common.jitter_percent;
    uint64_t at = clu_add_time(from, interval - spread);
    if (spread)
        at = clu_add_time(at, clu_jitter(s->loop) % (2 * spread));
    clu_timer_set(&s->loop->timers, &s->timers[CLU_TIMER_ROUND], s->paused ? CLUSTER_NEVER : at);
}

/* The clock may be old outside a step: what happens there counts from the next one. */
CLU_FN bool clu_source_is_late(struct cluster_source *s)
{
    if (s->loop->stepping)
        return false;
    s->home->late = s->loop->kick = true;
    return true;
}

/* When does the next one leave for not being heard? Nobody's time runs while the source fails or is paused. */
CLU_FN void clu_source_age(struct cluster_source *s)
{
    struct clu_loop *l = s->loop;
    bool frozen = s->paused || s->state == CLUSTER_SOURCE_FAILED;
    uint64_t at = CLUSTER_NEVER;
    if (frozen && !s->frozen) {
        s->frozen_ns = s->thaw_late ? s->frozen_ns : l->now; /* it was thawed since the last step: that was none */
        s->thaw_late = false;
    }
    if (!frozen && s->frozen) {
        if (clu_source_is_late(s))
            s->thaw_late = true;
        else
            clu_claims_thaw(&s->claims, l->now - s->frozen_ns, l->now);
    }
    s->frozen = frozen;
    if (!frozen && s->common.max_age_ns && s->common.prune && s->claims.count > s->claims.min)
        at = clu_add_time(s->claims.oldest->seen_ns, s->common.max_age_ns);
    clu_timer_set(&l->timers, &s->timers[CLU_TIMER_AGE], at);
}

/* The first step after something came outside one. */
CLU_FN void clu_source_catch_up(struct cluster_source *s)
{
    struct clu_loop *l = s->loop;
    struct clu_claim *c;
    if (s->thaw_late)
        clu_claims_thaw(&s->claims, l->now - s->frozen_ns, l->now);
    for (c = s->claims.newest; s->heard_late && c && c->batch == s->claims.batch; c = c->older)
        c->seen_ns = l->now;
    s->thaw_late = s->heard_late = false;
    clu_source_age(s);
}

/* The state is another one: an event, and a line of the log when it fails and when it no longer does. */
CLU_CALLED void clu_source_say(struct cluster_source *s, bool fails)
{
    struct clu_loop *l = s->loop;
    char buffer[256];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    s->news = s->home->news = l->kick = true;
    clu_text_add(&t, s->shown);
    clu_text_add(&t, fails ? ": " : "");
    clu_text_add(&t, s->why);
    if (fails || s->state == CLUSTER_SOURCE_FAILED)
        clu_log(l, fails ? CLU_MESSAGE_SOURCE_FAILED : CLU_MESSAGE_SOURCE_BACK, buffer);
}

/* What was added is forgotten. */
CLU_FN void clu_source_forget_parts(struct cluster_source *s)
{
    while (s->part_count)
        clu_unshare(&s->loop->memory, s->parts[--s->part_count]);
    s->added = 0;
}

/* A round has ended. Nobody ages while the source fails: their time stands still. */
CLU_FN void clu_source_finish(struct cluster_source *s, int state, int error, const char *why)
{
    struct clu_loop *l = s->loop;
    bool failed = state == CLUSTER_SOURCE_FAILED;
    struct clu_text t = clu_text_on(s->why, sizeof s->why);
    clu_text_add(&t, why);
    clu_source_forget_parts(s);
    s->under_way = false;
    s->rounds++;
    l->counts.rounds++;
    l->counts.failures += failed;
    clu_timer_set(&l->timers, &s->timers[CLU_TIMER_TIMEOUT], CLUSTER_NEVER);
    if (s->state != state || s->error != error)
        clu_source_say(s, failed);
    s->state = state;
    s->error = error;
    clu_source_age(s);
    if (failed && s->common.interval_ns == CLUSTER_NEVER && s->strategy.round)
        clu_source_schedule(s, l->now, CLU_INTERVAL);
}

CLU_FN void clu_source_fire_round(struct clu_timer *timer, uint64_t now)
{
    struct cluster_source *s = CLU_CONTAINER(timer, struct cluster_source, timers[CLU_TIMER_ROUND]);
    bool hears = (s->strategy.flags & CLUSTER_STRATEGY_HEARS) != 0;
    int result;
    if (s->ended || !s->strategy.round)
        return;
    if (!hears && s->under_way) {
        clu_source_schedule(s, now, s->common.interval_ns); /* it ends by itself, by its timeout at the latest */
        return;
    }
    if (s->under_way) {
        clu_source_finish(s, s->claims.count ? CLUSTER_SOURCE_ANSWER : CLUSTER_SOURCE_EMPTY, 0, "");
        if (s->common.interval_ns == CLUSTER_NEVER && !s->withdraws)
            return;
    }
    s->under_way = true;
    clu_source_forget_parts(s);
    clu_source_schedule(s, now, hears && s->common.interval_ns == CLUSTER_NEVER ? CLU_INTERVAL : s->common.interval_ns);
    if (!hears)
        clu_timer_set(&s->loop->timers, &s->timers[CLU_TIMER_TIMEOUT], clu_add_time(now, s->common.timeout_ns));
    result = s->strategy.round(s->state_of_strategy, now);
    if (result < 0 && s->under_way)
        (void)cluster_source_fail(s, result, "");
}

CLU_FN void clu_source_fire_timeout(struct clu_timer *timer, uint64_t now)
{
    struct cluster_source *s = CLU_CONTAINER(timer, struct cluster_source, timers[CLU_TIMER_TIMEOUT]);
    (void)now;
    (void)cluster_source_fail(s, CLUSTER_E_TIMEOUT, "no answer in time: is it running there? timeout= allows more");
}

CLU_FN void clu_source_fire_age(struct clu_timer *timer, uint64_t now)
{
    struct cluster_source *s = CLU_CONTAINER(timer, struct cluster_source, timers[CLU_TIMER_AGE]);
    clu_claims_expire(s->home->table, &s->claims, now - s->common.max_age_ns);
    clu_source_age(s);
}

/* A bit less than the round has, so that its end is said in the words of what it waits for. */
CLU_FN uint64_t clu_source_span(const struct cluster_source *s)
{
    const struct clu_timer *end = &s->timers[CLU_TIMER_TIMEOUT];
    uint64_t span = !end->place ? s->common.timeout_ns : end->at > s->loop->now ? end->at - s->loop->now : 0;
    return span - span / 16;
}

/* Something happened that the strategy waits for. */
CLU_CALLED void clu_source_tell(struct cluster_source *s, int fd, int revents)
{
    int result = s->ended ? 0 : s->strategy.ready(s->state_of_strategy, fd, revents, s->loop->now);
    if (result < 0 && s->under_way)
        (void)cluster_source_fail(s, result, "");
}

CLU_FN void clu_source_fire_own(struct clu_timer *timer, uint64_t now)
{
    (void)now;
    clu_source_tell(CLU_CONTAINER(timer, struct cluster_source, timers[CLU_TIMER_OWN]), -1, 0);
}

CLU_FN void clu_source_ready(struct clu_watcher *watcher, int fd, int revents)
{
    clu_source_tell(CLU_CONTAINER(watcher, struct cluster_source, watcher), fd, revents);
}

static void (*const clu_source_fires[CLU_TIMER_COUNT])(struct clu_timer *timer, uint64_t now) = {
    clu_source_fire_round,
    clu_source_fire_timeout,
    clu_source_fire_age,
    clu_source_fire_own,
};

/* ---- what the host sees of a source ----------------------------------- */

CLUSTER_DEF int cluster_source_state(const struct cluster_source *s)
{
    return s ? s->state : CLUSTER_SOURCE_STARTING;
}

CLUSTER_DEF int cluster_source_error(const struct cluster_source *s)
{
    return s ? s->error : 0;
}

CLUSTER_DEF const char *cluster_source_why(const struct cluster_source *s)
{
    return s ? s->why : "";
}

CLUSTER_DEF const char *cluster_source_url(const struct cluster_source *s)
{
    return s ? s->shown : "";
}

CLUSTER_DEF uint64_t cluster_source_rounds(const struct cluster_source *s)
{
    return s ? s->rounds : 0;
}

CLUSTER_DEF size_t cluster_source_count(const struct cluster_source *s)
{
    return s ? s->claims.count : 0;
}

CLUSTER_DEF int cluster_source_refresh(struct cluster_source *s)
{
    if (!s)
        return CLUSTER_E_INVALID;
    if (s->strategy.round && !s->paused)
        clu_timer_set(&s->loop->timers, &s->timers[CLU_TIMER_ROUND], 0);
    return 0;
}

CLUSTER_DEF int cluster_source_pause(struct cluster_source *s, int on)
{
    struct clu_loop *l;
    if (!s)
        return CLUSTER_E_INVALID;
    l = s->loop;
    if (s->paused == (on != 0))
        return 0;
    s->paused = on != 0;
    if (s->paused)
        clu_timer_set(&l->timers, &s->timers[CLU_TIMER_ROUND], CLUSTER_NEVER);
    else
        (void)cluster_source_refresh(s);
    clu_source_age(s);
    return 0;
}

#endif
