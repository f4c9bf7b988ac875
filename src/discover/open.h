/*
 * The beginning and the end of a source: from a URL to a strategy at work, and back to nothing.
 */
#ifndef CLU_DISCOVER_OPEN_H
#define CLU_DISCOVER_OPEN_H

#include "schemes.h"
#include "source.h"

CLU_FN struct clu_scheme *clu_scheme_registered(const struct clu_discovery *home, struct clu_slice scheme)
{
    struct clu_scheme *own = home->schemes;
    while (own && !clu_slice_is(scheme, own->name))
        own = own->next;
    return own;
}

/* Give back all that a source holds; it is no longer in the list. */
CLU_FN void clu_source_free(struct cluster_source *s)
{
    struct clu_loop *l = s->home->loop;
    if (s->opened) {
        s->ended = true;
        clu_claims_clear(s->home->table, &s->claims);
        s->strategy.close(s->state_of_strategy);
    }
    clu_close_all(l, &s->watcher);
    clu_timers_release(&l->timers, &s->round_timer);
    clu_timers_release(&l->timers, &s->timeout_timer);
    clu_timers_release(&l->timers, &s->age_timer);
    clu_timers_release(&l->timers, &s->own_timer);
    clu_queue_forget_source(&l->events, s);
    if (s->news)
        s->home->news--;
    if (s->text)
        clu_wipe(s->text, s->text_size);
    clu_free(&l->memory, s->text, s->text_size);
    clu_free(&l->memory, s, sizeof *s);
}

CLU_FN void clu_source_settings(struct cluster_source *s)
{
    struct clu_common *o = &s->common;
    bool hears = (s->strategy.flags & CLUSTER_STRATEGY_HEARS) != 0;
    o->interval_ns = s->strategy.interval_ns ? s->strategy.interval_ns : CLU_INTERVAL;
    o->timeout_ns = CLU_TIMEOUT;
    o->max_age_ns = s->strategy.max_age_ns;
    o->jitter_percent = 10;
    o->misses = s->strategy.misses ? s->strategy.misses : CLU_MISSES;
    o->limit = hears ? CLU_HEARD_LIMIT : 0;
    o->prune = true;
    clu_url_common(&s->url, o);
    if (!o->interval_ns)
        o->interval_ns = CLUSTER_NEVER;
    s->claims.misses = o->prune ? o->misses : 0;
    s->claims.min = o->min;
    s->claims.limit = o->limit ? o->limit : SIZE_MAX;
    s->bucket = CLU_HEARD_BURST;
}

/* The URL into the source. */
CLU_FN int clu_source_parse(struct cluster_source *s, const char *url, struct clu_text *error)
{
    size_t length = strlen(url);
    struct clu_text shown;
    int result;
    s->text_size = (length + 2) * 3;
    s->text = (char *)clu_alloc(&s->home->loop->memory, s->text_size);
    if (!s->text)
        return CLUSTER_E_MEMORY;
    result = clu_url_parse(&s->url, url, s->strategy.options ? s->strategy.options : "", s->text, length + 2, error);
    if (result)
        return result;
    s->shown = s->text + length + 2;
    shown = clu_text_on(s->shown, s->text_size - (length + 2));
    clu_url_redact(url, &shown);
    clu_source_settings(s);
    return 0;
}

/* A new source, not yet in the list; the sentence of a failure is in the loop's error. */
CLU_FN int clu_source_create(struct clu_discovery *home, const char *url, struct cluster_source **out)
{
    struct clu_loop *l = home->loop;
    struct clu_text error = clu_text_on(l->error, sizeof l->error);
    const struct cluster_strategy *strategy;
    struct cluster_source *s;
    struct clu_scheme *own;
    struct clu_slice scheme;
    int result = clu_url_scheme(url, &scheme, &error);
    if (result)
        return result;
    own = clu_scheme_registered(home, scheme);
    strategy = own ? &own->strategy : clu_builtin_find(scheme);
    if (!strategy) {
        char names[128];
        struct clu_text t = clu_text_on(names, sizeof names);
        for (own = home->schemes; own; own = own->next) {
            clu_text_add(&t, t.length ? " " : "");
            clu_text_add(&t, own->name);
        }
        return clu_url_unknown_scheme(scheme, names, &error);
    }
    if (!clu_timers_reserve(&l->memory, &l->timers, 4))
        return clu_fail(l, CLUSTER_E_MEMORY, "no memory for another source");
    s = (struct cluster_source *)clu_alloc_zero(&l->memory, sizeof *s);
    if (!s) {
        l->timers.reserved -= 4;
        return clu_fail(l, CLUSTER_E_MEMORY, "no memory for another source");
    }
    s->home = home;
    s->watcher.ready = clu_source_ready;
    s->round_timer.fire = clu_source_fire_round;
    s->timeout_timer.fire = clu_source_fire_timeout;
    s->age_timer.fire = clu_source_fire_age;
    s->own_timer.fire = clu_source_fire_own;
    s->claims.source = s;
    s->claims.rank = home->next_rank++;
    s->strategy = *strategy;
    result = clu_source_parse(s, url, &error);
    if (!result) {
        l->error[0] = '\0';
        result = s->strategy.open(own ? own->ctx : NULL, s, strchr(url, ':') + 1, &s->state_of_strategy);
        if (result && !l->error[0])
            (void)clu_fail(l, result, cluster_strerror(result));
    } else if (!error.length) {
        (void)clu_fail(l, result, "no memory for another source");
    }
    s->opened = result == 0;
    if (result) {
        clu_source_free(s);
        return result;
    }
    if (s->strategy.round)
        clu_timer_set(&l->timers, &s->round_timer, 0);
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
