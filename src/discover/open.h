/*
 * The beginning and the end of a source: from a URL to a strategy at work, and back to nothing.
 */
#ifndef CLU_DISCOVER_OPEN_H
#define CLU_DISCOVER_OPEN_H

#include "ask.h"
#include "doors.h"
#include "fetch.h"
#include "publish.h"
#include "schemes.h"

/* The strategy that serves a scheme, and its context; NULL: nobody does. */
CLU_FN const struct cluster_strategy *clu_strategy_find(const struct clu_discovery *home, struct clu_slice scheme, void **ctx)
{
    struct clu_scheme *own = home->schemes;
    while (own && !clu_slice_is(scheme, own->name))
        own = own->next;
    if (own) {
        *ctx = own->ctx;
        return &own->strategy;
    }
    return clu_builtin_find(scheme, ctx);
}

/* Give back all that a source holds; it is no longer in the list. */
CLU_FN void clu_source_free(struct cluster_source *s)
{
    struct clu_loop *l = s->loop;
    int i;
    s->ended = true;
    clu_claims_clear(s->home->table, &s->claims);
    if (s->opened)
        s->strategy.close(s->state_of_strategy);
#ifndef CLUSTER_NO_DNS
    clu_source_forget_questions(s);
#endif
#ifndef CLUSTER_NO_HTTP
    clu_source_forget_fetches(s);
#endif
    clu_source_forget_parts(s);
    clu_free(&l->memory, s->parts, s->part_capacity * sizeof *s->parts);
    clu_close_all(l, &s->watcher);
    for (i = 0; i < CLU_TIMER_COUNT; i++)
        clu_timers_release(&l->timers, &s->timers[i]);
    clu_queue_forget_source(&l->events, s);
    if (s->text)
        clu_wipe(s->text, s->text_size);
    clu_free(&l->memory, s->text, s->text_size);
    clu_free(&l->memory, s, sizeof *s);
}

/* The URL into the source. Its options go over the defaults of its strategy. */
CLU_FN int clu_source_parse(struct cluster_source *s, struct clu_url_parser *p, const char *url)
{
    struct clu_common *o = &s->common;
    const struct cluster_strategy *strategy = &s->strategy;
    size_t room = strlen(url) + 1;
    char keys[256];
    struct clu_text shown, target, own = clu_text_on(keys, sizeof keys);
    int result;
    s->text_size = room * 4;
    s->text = (char *)clu_alloc(&s->loop->memory, s->text_size);
    if (!s->text)
        return CLUSTER_E_MEMORY;
    o->interval_ns = strategy->interval_ns ? strategy->interval_ns : CLU_INTERVAL;
    o->timeout_ns = CLU_TIMEOUT;
    o->max_age_ns = strategy->max_age_ns;
    o->jitter_percent = 10;
    o->misses = strategy->misses ? strategy->misses : CLU_MISSES;
    o->limit = strategy->flags & CLUSTER_STRATEGY_HEARS ? CLU_HEARD_LIMIT : UINT32_MAX;
    o->prune = true;
    p->out = &s->url;
    p->common = o;
    p->at = s->text;
    p->own_keys = strategy->options;
    if (!p->own_keys) { /* those of a program have some */
        clu_option_keys(p->scheme, &own);
        p->own_keys = keys;
    }
    result = clu_url_parse(p);
    if (result)
        return result;
    if (!o->interval_ns)
        o->interval_ns = CLUSTER_NEVER;
    s->claims.misses = o->prune ? o->misses : 0;
    s->claims.min = o->min;
    s->claims.limit = o->limit;
    s->bucket = CLU_HEARD_BURST;
    s->shown = s->text + room;
    shown = clu_text_on(s->shown, 2 * room);
    clu_url_redact(url, &shown);
    s->target = s->text + 3 * room;
    target = clu_text_on(s->target, room);
    clu_text_bytes(&target, url + p->scheme.length + 1, strcspn(url + p->scheme.length + 1, "?"));
    return 0;
}

/* The sentence for a scheme that nobody serves. */
CLU_FN int clu_source_unknown(struct clu_discovery *home, struct clu_url_parser *p)
{
    char buffer[128];
    struct clu_text names = clu_text_on(buffer, sizeof buffer);
    struct clu_scheme *own;
    for (own = home->schemes; own; own = own->next) {
        clu_text_add(&names, names.length ? " " : "");
        clu_text_add(&names, own->name);
    }
    return clu_url_unknown(p->error, "scheme", p->scheme, CLU_URL_SCHEMES, buffer);
}

/* A new source, not yet in the list, by the strategy of its scheme unless another one is given; the sentence of a failure is
 * in the loop's error. */
CLU_FN int clu_source_create(struct clu_discovery *home, const char *url, const struct cluster_strategy *strategy,
                             struct cluster_source **out)
{
    struct clu_loop *l = home->loop;
    struct clu_text error = clu_text_on(l->error, sizeof l->error);
    struct clu_url_parser p;
    struct cluster_source *s;
    void *ctx = NULL;
    int result, i;
    memset(&p, 0, sizeof p);
    p.error = &error;
    result = clu_url_scheme(&p, url);
    if (result)
        return result;
    if (!strategy)
        strategy = clu_strategy_find(home, p.scheme, &ctx);
    if (!strategy)
        return clu_source_unknown(home, &p);
    s = (struct cluster_source *)clu_timed_new(l, sizeof *s, CLU_TIMER_COUNT);
    if (!s)
        return clu_fail(l, CLUSTER_E_MEMORY, "no memory for another source");
    s->home = home;
    s->loop = l;
    s->watcher.ready = clu_source_ready;
    for (i = 0; i < CLU_TIMER_COUNT; i++)
        s->timers[i].fire = clu_source_fires[i];
    s->claims.source = s;
    s->claims.rank = home->next_rank++;
    s->strategy = *strategy;
    result = clu_source_parse(s, &p, url);
    if (!result)
        result = s->strategy.open(ctx, s, s->target, &s->state_of_strategy);
    result = result > 0 ? CLUSTER_E_INVALID : result; /* a strategy that says what is no result */
    s->opened = result == 0;
    if (result) {
        if (!l->error[0])
            (void)clu_fail(l, result, cluster_strerror(result));
        clu_source_free(s);
        return result;
    }
    if (s->strategy.round)
        clu_timer_set(&l->timers, &s->timers[CLU_TIMER_ROUND], 0);
    *out = s;
    return 0;
}

CLU_FN void clu_source_append(struct clu_discovery *home, struct cluster_source *s)
{
    struct cluster_source **link = &home->first;
    while (*link)
        link = &(*link)->next;
    *link = s;
    home->count += !s->answer;
}

CLU_FN void clu_source_unlink(struct clu_discovery *home, struct cluster_source *s)
{
    struct cluster_source **link = &home->first;
    while (*link && *link != s)
        link = &(*link)->next;
    if (*link)
        *link = s->next;
}

#endif
