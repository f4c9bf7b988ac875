/*
 * A source: one URL, one strategy at work, one set of claims on the table. It keeps the strategy's clock (rounds, jitter,
 * timeouts, ageing), turns what it names into members, and holds to the three-valued result: an answer, an empty answer, or a
 * failure that changes nothing. Every cluster_source_... function is here; strategies have no other door.
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
#include "../member/table.h"
#include "../net/http.h"
#include "../net/resolver.h"
#include "../wire/glob.h"
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

/* ---- from what a strategy says to what the table takes ---------------- */

/* What newcomers lose their day to, said once. */
CLU_FN void clu_source_check_kind(struct clu_discovery *home, const char *name)
{
    bool own_long, is_long;
    if (home->warned || !home->own.name)
        return;
    own_long = clu_name_host_is_long(clu_name_host(home->own.name));
    is_long = clu_name_host_is_long(clu_name_host(name));
    if (own_long == is_long)
        return;
    home->warned = true;
    clu_log(home->loop, own_long ? CLU_MESSAGE_OWN_LONG : CLU_MESSAGE_OWN_SHORT, name);
}

/* only=, except=, allow=. */
CLU_FN bool clu_source_wants(const struct cluster_source *s, const struct clu_says *says)
{
    const struct clu_common *o = &s->common;
    struct clu_slice name = clu_slice_of(says->name, says->length);
    if (o->only && !clu_glob_list(clu_slice_str(o->only), name))
        return false;
    if (o->except && clu_glob_list(clu_slice_str(o->except), name))
        return false;
    if (o->allow) {
        struct cluster_address address;
        const char *text = *says->address ? says->address : clu_name_host(says->name);
        if (!clu_address_parse(clu_slice_str(text), &address) || !clu_address_in_ranges(&address, clu_slice_str(o->allow)))
            return false;
    }
    return true;
}

/* The full name of a node: a host alone gets the base name of node=, else the own one. NULL: there is none, or it is bad. */
CLU_FN const char *clu_source_name(const struct cluster_source *s, const char *name, struct clu_text *t)
{
    const char *own = s->home->own.name;
    if (!strchr(name, '@')) {
        if (s->common.node)
            clu_text_add(t, s->common.node);
        else if (own)
            clu_text_bytes(t, own, (size_t)(strchr(own, '@') - own));
        clu_text_add(t, "@");
    }
    clu_text_add(t, name);
    return !t->cut && clu_name_valid(t->data, t->length) ? t->data : NULL;
}

/* One node in the table's terms; `name` is room for its full name. 0, or CLUSTER_E_INVALID with the sentence in `why`. */
CLU_FN int clu_source_says(const struct cluster_source *s, const struct cluster_node *node, struct clu_says *says,
                           char name[CLU_NAME_MAX + 1], struct clu_text *why)
{
    struct clu_text full = clu_text_on(name, CLU_NAME_MAX + 1);
    const char *given = node->name ? node->name : "";
    says->name = clu_source_name(s, given, &full);
    if (!says->name || node->port > 65535) {
        clu_text_add(why, "'");
        clu_text_escaped(why, given, strlen(given) < 64 ? strlen(given) : 64);
        if (says->name)
            clu_text_add(why, "' has a port above 65535");
        else if (*given && !strchr(given, '@') && !s->common.node && !s->home->own.name)
            clu_text_add(why, "' is a host, not a node: say which node with node=NAME");
        else
            clu_text_add(why, "' is no node name: it takes NAME@HOST, at most 255 bytes, without spaces");
        return CLUSTER_E_INVALID;
    }
    says->length = full.length;
    says->address = node->address ? node->address : "";
    says->zone = node->zone ? node->zone : s->common.zone ? s->common.zone : "";
    says->role = node->role ? node->role : s->common.role ? s->common.role : "";
    says->port = node->port ? node->port : s->common.port;
    says->weight = node->weight ? node->weight : s->common.weight;
    says->draining = (node->flags & CLUSTER_NODE_DRAINING) != 0;
    says->accepted = false;
    return 0;
}

/* Nodes into the batch, or with `add` among the parts. On an error nothing of the list remains, and the round has failed. */
CLU_FN int clu_source_take(struct cluster_source *s, const struct cluster_node *nodes, size_t count, bool add)
{
    struct clu_table *table = s->home->table;
    char name[CLU_NAME_MAX + 1], buffer[sizeof s->why];
    struct clu_text why = clu_text_on(buffer, sizeof buffer);
    size_t i, stride = count ? nodes->size : 0, first = s->part_count, parts = add ? 0 : first;
    const struct cluster_allocator *memory = &s->loop->memory;
    int result = 0;
    if (count && stride < sizeof *nodes)
        result = CLUSTER_E_INVALID, clu_text_add(&why, "cluster_node.size is not set in the first node");
    if (!result && add && /* the other half is to sort with */
        !(clu_reserve(memory, &s->parts, &s->part_capacity, first + 2 * count + 1, sizeof *s->parts) &&
          clu_index_grow(table, first + count)))
        result = CLUSTER_E_MEMORY;
    for (i = 0; !result && i < parts; i++) {
        struct clu_says says = clu_record_says(s->parts[i]);
        result = clu_batch_put(table, &s->claims, &says, s->parts[i]);
    }
    for (i = 0; !result && i < count; i++) {
        const struct cluster_node *node = (const struct cluster_node *)(const void *)((const char *)nodes + i * stride);
        struct clu_says says;
        struct clu_record *record;
        result = clu_source_says(s, node, &says, name, &why);
        if (!result && !clu_tail_is_zero(node, stride, sizeof *node))
            result = CLUSTER_E_INVALID, clu_text_add(&why, "cluster_node has fields that this version does not know");
        if (result)
            break;
        if (!clu_source_wants(s, &says)) {
            s->loop->counts.dropped++;
            continue;
        }
        clu_source_check_kind(s->home, says.name);
        if (!add) {
            result = clu_batch_add(table, &s->claims, &says);
            continue;
        }
        record = clu_record_new(memory, &says, clu_table_hash(table, says.name, says.length));
        result = record ? 0 : CLUSTER_E_MEMORY;
        if (record)
            s->parts[s->part_count++] = record;
    }
    s->added += count;
    if (!result && add)
        clu_sort_merging((void **)(void *)(s->parts + first), (void **)(void *)(s->parts + s->part_count),
                         s->part_count - first, clu_record_compare);
    if (!result)
        return 0;
    if (result == CLUSTER_E_LIMIT)
        clu_text_add(&why, "more nodes than limit= of the source or limit_members of the handle allows");
    if (!add)
        clu_batch_abort(table, &s->claims);
    clu_source_finish(s, CLUSTER_SOURCE_FAILED, result, *buffer ? buffer : cluster_strerror(result));
    return clu_fail(s->loop, result, s->why);
}

CLU_FN int clu_source_publish_members(struct cluster_source *s, const struct cluster_node *nodes, size_t count)
{
    int result;
    clu_batch_begin(&s->claims, 0);
    result = clu_source_take(s, nodes, count, false);
    if (result)
        return result;
    s->heard_late = clu_source_is_late(s);
    clu_batch_commit(s->home->table, &s->claims, s->loop->now);
    s->listed = s->added != 0;
    clu_source_finish(s, s->listed ? CLUSTER_SOURCE_ANSWER : CLUSTER_SOURCE_EMPTY, 0, "");
    return 0;
}

/* The end of a query: its reply takes the place that was kept for it. */
CLU_FN void clu_source_reply(struct cluster_source *s, const struct cluster_node *nodes, size_t count, int error,
                             const char *why)
{
    struct clu_loop *l = s->loop;
    struct clu_shared *reply = error ? clu_reply_text(&l->memory, why) : s->answer(s, nodes, count, &error);
    struct clu_event *e = clu_queue_reply(&l->events);
    e->error = error;
    e->time = l->now;
    e->request = s->request;
    e->changed = s->reply_count;
    e->object = reply;
    s->ended = s->home->ends = l->kick = true;
}

/* ---- the doors of strategies ------------------------------------------ */

CLUSTER_DEF int cluster_source_publish(struct cluster_source *s, const struct cluster_node *nodes, size_t count)
{
    if (!s || (count && !nodes))
        return CLUSTER_E_INVALID;
    if (s->ended)
        return 0;
    if (!s->answer)
        return clu_source_publish_members(s, nodes, count);
    clu_source_reply(s, nodes, count, 0, "");
    return 0;
}

#ifndef CLUSTER_NO_HTTP
CLUSTER_DEF int64_t cluster_source_add(struct cluster_source *s, const struct cluster_node *nodes, size_t count)
{
    int result;
    if (!s || s->answer || (count && !nodes))
        return CLUSTER_E_INVALID;
    result = s->ended ? 0 : clu_source_take(s, nodes, count, true);
    return result ? result : (int64_t)s->added;
}
#endif

CLUSTER_DEF int cluster_source_same(struct cluster_source *s)
{
    if (!s || s->answer || !s->claims.committed || s->claims.committed != s->claims.batch)
        return CLUSTER_E_INVALID;
    s->heard_late = clu_source_is_late(s);
    clu_batch_commit(s->home->table, &s->claims, s->loop->now);
    clu_source_finish(s, s->listed ? CLUSTER_SOURCE_ANSWER : CLUSTER_SOURCE_EMPTY, 0, "");
    return 0;
}

CLUSTER_DEF int cluster_source_fail(struct cluster_source *s, int error, const char *why)
{
    struct clu_text t;
    char buffer[sizeof s->why];
    if (!s || error >= 0)
        return CLUSTER_E_INVALID;
    t = clu_text_on(buffer, sizeof buffer);
    clu_text_add(&t, why && *why ? why : cluster_strerror(error));
    if (!s->opened) {
        (void)clu_fail(s->loop, error, buffer);
    } else if (s->ended) {
        return 0;
    } else if (s->answer) {
        clu_source_reply(s, NULL, 0, error, buffer);
    } else {
        clu_source_finish(s, CLUSTER_SOURCE_FAILED, error, buffer);
    }
    return 0;
}

/* A place among the new names of this second. */
CLU_FN bool clu_source_admit(struct cluster_source *s)
{
    uint64_t now = s->loop->now, passed = (now - s->bucket_ns) / (CLU_SECOND / CLU_HEARD_BURST);
    if (passed) {
        s->bucket = (uint32_t)clu_min_u64(CLU_HEARD_BURST, s->bucket + clu_min_u64(passed, CLU_HEARD_BURST));
        s->bucket_ns = now;
    }
    if (!s->bucket)
        return false;
    s->bucket--;
    return true;
}

/* Somebody says that a node is gone: with an address, that must be the one where it was heard. */
CLU_FN int clu_source_bye(struct cluster_source *s, const struct clu_says *says)
{
    const struct clu_member *m = clu_table_find(s->home->table, says->name, says->length);
    const struct clu_claim *claim = m ? clu_claim_of(m, &s->claims) : NULL;
    if (!claim)
        return 0;
    if (*says->address && strcmp(claim->record->view.address, says->address) != 0)
        return CLUSTER_E_PERMISSION;
    return cluster_source_gone(s, says->name);
}

CLUSTER_DEF int cluster_source_heard(struct cluster_source *s, const struct cluster_node *node)
{
    char name[CLU_NAME_MAX + 1], buffer[sizeof s->why];
    struct clu_text why = clu_text_on(buffer, sizeof buffer);
    struct clu_says says;
    const struct clu_member *m;
    int result;
    if (!s || !node)
        return CLUSTER_E_INVALID;
    result = clu_source_says(s, node, &says, name, &why);
    if (!result && !clu_source_wants(s, &says))
        result = CLUSTER_E_PERMISSION;
    if (!result && node->flags & CLUSTER_NODE_LEAVING) {
        result = clu_source_bye(s, &says);
        if (!result)
            return 0;
    }
    if (!result) {
        m = clu_table_find(s->home->table, says.name, says.length);
        if (!(m && (m->self || clu_claim_of(m, &s->claims))) && !clu_source_admit(s))
            result = CLUSTER_E_LIMIT;
    }
    if (!result) {
        clu_source_check_kind(s->home, says.name);
        s->heard_late = clu_source_is_late(s);
        result = clu_claims_heard(s->home->table, &s->claims, &says, s->loop->now);
    }
    if (result) {
        s->loop->counts.dropped++;
        if (result == CLUSTER_E_LIMIT && !s->over_limit)
            clu_log(s->loop, CLU_MESSAGE_HEARD_LIMIT, s->shown);
        s->over_limit = s->over_limit || result == CLUSTER_E_LIMIT;
        return result;
    }
    clu_source_age(s);
    return 0;
}

CLUSTER_DEF int cluster_source_gone(struct cluster_source *s, const char *name)
{
    if (!s || !name)
        return CLUSTER_E_INVALID;
    clu_claims_gone(s->home->table, &s->claims, name);
    clu_source_age(s);
    return 0;
}

CLUSTER_DEF int cluster_source_open(struct cluster_source *s, int kind, int family)
{
    return clu_open(s->loop, &s->watcher, kind, family);
}

CLUSTER_DEF int cluster_source_watch(struct cluster_source *s, int fd, int events)
{
    return clu_watch(s->loop, &s->watcher, fd, events);
}

CLUSTER_DEF int cluster_source_close(struct cluster_source *s, int fd)
{
    return clu_close(s->loop, &s->watcher, fd);
}

CLUSTER_DEF int64_t cluster_source_send(struct cluster_source *s, int fd, const void *data, size_t size,
                                        const struct cluster_address *to)
{
    return clu_send(s->loop, fd, data, size, to);
}

CLUSTER_DEF int64_t cluster_source_recv(struct cluster_source *s, int fd, void *data, size_t size, struct cluster_address *from)
{
    return clu_recv(s->loop, fd, data, size, from);
}

CLUSTER_DEF int cluster_source_timer(struct cluster_source *s, uint64_t at_ns)
{
    clu_timer_set(&s->loop->timers, &s->timers[CLU_TIMER_OWN], at_ns);
    return 0;
}

CLUSTER_DEF int cluster_source_streams(struct cluster_source *s)
{
    if (s->common.prune && !cluster_source_option(s, "misses"))
        s->claims.misses = 1;
    return 0;
}

CLUSTER_DEF const char *cluster_source_option(const struct cluster_source *s, const char *key)
{
    return clu_url_option(&s->url, key);
}

CLUSTER_DEF const char *cluster_source_item(const struct cluster_source *s, const char *previous)
{
    const char *next = previous ? clu_url_next(previous) : s->url.target;
    return s->url.items && *next ? next : NULL;
}

CLUSTER_DEF void cluster_source_drop(struct cluster_source *s)
{
    s->loop->counts.dropped++;
}

CLUSTER_DEF const struct cluster_node *cluster_source_own(const struct cluster_source *s)
{
    return &s->home->own;
}

CLUSTER_DEF void cluster_source_withdrawn(struct cluster_source *s)
{
    s->withdraws = false;
    s->loop->kick = true;
}

CLUSTER_DEF const struct cluster_io *cluster_source_io(const struct cluster_source *s)
{
    return &s->loop->io;
}

CLUSTER_DEF const struct cluster_allocator *cluster_source_allocator(const struct cluster_source *s)
{
    return &s->loop->memory;
}

CLUSTER_DEF int cluster_source_random(struct cluster_source *s, void *data, size_t size)
{
    return clu_random(s->loop, data, size);
}

CLUSTER_DEF uint64_t cluster_source_now(const struct cluster_source *s)
{
    return s->loop->now;
}

CLUSTER_DEF void cluster_source_log(struct cluster_source *s, int level, const char *message)
{
    clu_log_say(s->loop, level, message, s->shown);
}

/* A bit less than the round has, so that its end is said in the words of what it waits for. */
CLU_FN uint64_t clu_source_span(const struct cluster_source *s)
{
    const struct clu_timer *end = &s->timers[CLU_TIMER_TIMEOUT];
    uint64_t span = !end->place ? s->common.timeout_ns : end->at > s->loop->now ? end->at - s->loop->now : 0;
    return span - span / 16;
}

/* ---- questions to DNS ------------------------------------------------- */

#ifndef CLUSTER_NO_DNS

CLU_FN void clu_source_answered(struct clu_question *q)
{
    clu_source_tell((struct cluster_source *)q->owner, CLUSTER_ANSWERED, (int)q->slot);
}

/* The question of a slot, made where there is none yet; NULL: no memory. */
CLU_FN struct clu_question *clu_source_question(struct cluster_source *s, uint32_t slot)
{
    size_t count = s->question_count;
    struct clu_question *q;
    if (!clu_reserve(&s->loop->memory, &s->questions, &s->question_count, slot + (size_t)1, sizeof q))
        return NULL;
    while (count < s->question_count)
        s->questions[count++] = NULL;
    q = s->questions[slot] ? s->questions[slot] : clu_question_new(&s->home->resolver);
    if (!q)
        return NULL;
    q->answered = clu_source_answered;
    q->owner = s;
    q->slot = slot;
    return s->questions[slot] = q;
}

CLU_FN void clu_source_forget_questions(struct cluster_source *s)
{
    size_t i;
    for (i = 0; i < s->question_count; i++)
        if (s->questions[i])
            clu_question_free(s->questions[i]);
    clu_free(&s->loop->memory, s->questions, s->question_count * sizeof *s->questions);
}

/* The place of an option's value among its words; 0 also where it is not given. */
CLU_FN int clu_source_choice(const struct cluster_source *s, const char *key, const char *words)
{
    int place = clu_word_or(words, cluster_source_option(s, key), 0);
    return place > 0 ? place : 0;
}

CLUSTER_DEF int cluster_source_resolve(struct cluster_source *s, uint32_t slot, const char *name, uint32_t type)
{
    struct clu_question *q;
    if (!s || !name || slot >= CLUSTER_DNS_SLOTS)
        return CLUSTER_E_INVALID;
    q = clu_source_question(s, slot);
    if (!q)
        return CLUSTER_E_MEMORY;
    if (s->strategy.options && clu_word_find(s->strategy.options, clu_slice_str("search")) >= 0) {
        q->servers = cluster_source_option(s, "server");
        q->search = clu_source_choice(s, "search", "off on") != 0;
        q->hosts = clu_source_choice(s, "hosts", "off on") != 0;
        q->tcp = clu_source_choice(s, "tcp", "off on keep");
    }
    return clu_question_ask(q, clu_slice_str(name), type, clu_source_span(s));
}

/* The question of a slot that has ended. */
CLU_FN int clu_source_asked(const struct cluster_source *s, uint32_t slot, struct clu_question **out)
{
    *out = s && slot < s->question_count ? s->questions[slot] : NULL;
    return !*out || !(*out)->base ? CLUSTER_E_NOT_FOUND : (*out)->state != CLU_DNS_REST ? CLUSTER_E_AGAIN : 0;
}

CLUSTER_DEF int cluster_source_answer(struct cluster_source *s, uint32_t slot, struct cluster_dns_answer *out)
{
    struct clu_question *q;
    struct cluster_dns_answer answer;
    int result = clu_source_asked(s, slot, &q);
    if (result)
        return result;
    clu_question_answer(q, &answer);
    return clu_write_struct(out, &answer, sizeof answer);
}

CLUSTER_DEF int cluster_source_record(struct cluster_source *s, uint32_t slot, struct cluster_record *out)
{
    struct clu_question *q;
    struct cluster_record older;
    int result = clu_source_asked(s, slot, &q);
    bool whole = out && out->size >= sizeof older;
    if (!result)
        result = clu_question_record(q, whole ? out : &older);
    return result > 0 && !whole && clu_write_struct(out, &older, sizeof older) ? CLUSTER_E_INVALID : result;
}

#endif

/* ---- requests by HTTP ------------------------------------------------- */

#ifndef CLUSTER_NO_HTTP

#ifndef CLUSTER_NO_DNS

CLU_FN void clu_source_looked_up(struct clu_question *q)
{
    struct clu_fetch *f = (struct clu_fetch *)q->owner;
    struct cluster_dns_answer answer;
    struct cluster_record record;
    clu_question_answer(q, &answer);
    while (f->address_count < CLU_HTTP_ADDRESSES && clu_question_record(q, &record) > 0)
        f->addresses[f->address_count++] = record.address;
    if (f->address_count)
        clu_fetch_connect(f, 0);
    else if (answer.error)
        clu_fetch_end(f, answer.error, "cannot find host #: $", clu_slice_str(f->host), answer.why);
    else
        clu_fetch_end(f, CLUSTER_E_NOT_FOUND, "there is no host #: is the name right?", clu_slice_str(f->host), "");
}

/* Ask DNS for the addresses of the host. */
CLU_FN int clu_source_look_up(struct clu_fetch *f)
{
    if (!f->question)
        f->question = clu_question_new(&((struct cluster_source *)f->owner)->home->resolver);
    if (!f->question)
        return CLUSTER_E_MEMORY;
    f->question->answered = clu_source_looked_up;
    f->question->owner = f;
    f->question->search = true;
    return clu_question_ask(f->question, clu_slice_str(f->host), CLU_DNS_EITHER, f->deadline - f->loop->now);
}

CLU_FN void clu_source_look_up_end(struct clu_fetch *f)
{
    if (f->question)
        clu_question_rest(f->question, false);
}

#endif

CLU_FN void clu_source_fetched(struct clu_fetch *f)
{
    clu_source_tell((struct cluster_source *)f->owner, CLUSTER_FETCHED, (int)f->slot);
}

CLU_FN void clu_source_forget_fetches(struct cluster_source *s)
{
    struct clu_fetch **f;
    for (f = s->fetches; f < s->fetches + CLUSTER_FETCH_SLOTS; f++)
        if (*f) {
#ifndef CLUSTER_NO_DNS
            if ((*f)->question)
                clu_question_free((*f)->question);
#endif
            clu_fetch_free(*f);
        }
}

/* The request of a slot; NULL: there is none. */
CLU_FN struct clu_fetch *clu_source_slot(const struct cluster_source *s, uint32_t slot)
{
    struct clu_fetch *f = slot < CLUSTER_FETCH_SLOTS ? s->fetches[slot] : NULL;
    return f && f->asked ? f : NULL;
}

CLUSTER_DEF int cluster_source_fetch(struct cluster_source *s, uint32_t slot, const struct cluster_request *request)
{
    struct clu_fetch *f;
    if (slot >= CLUSTER_FETCH_SLOTS || (request && request->size < sizeof *request))
        return CLUSTER_E_INVALID;
    if (!request) {
        if (s->fetches[slot])
            clu_fetch_stop(s->fetches[slot]);
        return 0;
    }
    if (!s->fetches[slot])
        s->fetches[slot] = clu_fetch_new(s->loop);
    f = s->fetches[slot];
    if (!f)
        return CLUSTER_E_MEMORY;
#ifndef CLUSTER_NO_DNS
    f->look_up = clu_source_look_up;
    f->look_up_end = clu_source_look_up_end;
#endif
    f->progress = clu_source_fetched;
    f->owner = s;
    f->slot = slot;
    return clu_fetch_ask(f, request, request->timeout_ns ? request->timeout_ns : clu_source_span(s));
}

CLUSTER_DEF int cluster_source_fetched(const struct cluster_source *s, uint32_t slot, struct cluster_response *out)
{
    const struct clu_fetch *f = clu_source_slot(s, slot);
    struct cluster_response response;
    if (!f)
        return CLUSTER_E_NOT_FOUND;
    memset(&response, 0, sizeof response);
    response.error = f->state == CLU_FETCH_BODY ? 0 : f->state == CLU_FETCH_REST ? f->error : CLUSTER_E_AGAIN;
    response.status = f->http.status;
    response.whole = f->http.whole && !response.error;
    response.why = response.error ? f->why : "";
    return clu_write_struct(out, &response, sizeof response);
}

CLUSTER_DEF int cluster_source_header(const struct cluster_source *s, uint32_t slot, const char *name, char *out,
                                      size_t capacity)
{
    const struct clu_fetch *f = clu_source_slot(s, slot);
    struct clu_slice value = clu_slice_of(NULL, 0);
    if (f && name && f->http.status)
        value = clu_http_find(clu_slice_of(f->buffer + f->http.begin, f->http.head - f->http.begin), name);
    if (!value.at)
        return CLUSTER_E_NOT_FOUND;
    if (value.length < capacity) {
        struct clu_text t = clu_text_on(out, capacity);
        clu_text_bytes(&t, value.at, value.length);
    }
    return (int)value.length;
}

CLUSTER_DEF int64_t cluster_source_body(struct cluster_source *s, uint32_t slot, const void **data)
{
    struct clu_fetch *f = clu_source_slot(s, slot);
    return f && data ? clu_fetch_body(f, data) : (int64_t)CLUSTER_E_NOT_FOUND;
}

#endif

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
