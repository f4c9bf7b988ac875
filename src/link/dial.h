/*
 * When somebody is dialled: at once when he comes, so many at a time, each with one deadline, and again after a time that
 * doubles with each failure, of which a random part is waited, so that nodes that lost the same peer do not all come back
 * together. It knows neither members nor how a dial is made: it says `begin`, and is told how that went.
 *
 *            due           turn           clu_dial_is_up
 *   WAITS ---------> LINE -------> BUSY ------------------> UP
 *     ^                ^             |                     |  |
 *     |                +-------------|----- again_ns ------+  |
 *     +------------------------------+------------------------+
 *                      clu_dial_failed
 *
 * Failures outlive a time in which nobody wants the dial, for as long as the longest time between two: who comes and goes is
 * not dialled more often than who stays.
 */
#ifndef CLU_LINK_DIAL_H
#define CLU_LINK_DIAL_H

#include "../loop/loop.h"

#define CLU_DIAL_DEADLINE (7 * CLU_SECOND) /* as Erlang nodes have it for a handshake */
#define CLU_DIAL_LATER CLU_SECOND          /* after there was no own name yet */
#define CLU_DIAL_STEP 64                   /* dials that begin in one step */

struct clu_dial;

struct clu_dial_line {
    struct clu_dial *first, **end;
};

struct clu_dial {
    struct clu_timer timer; /* to the next dial, or to the deadline of the one under way */
    struct clu_dials *home;
    struct clu_dial_line *line; /* where it stands; NULL: nowhere */
    struct clu_dial *later, **at;
    uint64_t due_ns;   /* with failures: no dial before */
    uint32_t failures; /* since the last that went well */
    bool wanted;       /* to be up */
    bool asked;        /* somebody waits for a dial, wanted or not */
    bool busy;         /* it is under way */
    bool up;
    bool outside; /* it failed while there was no step, so that the time is not known */
};

struct clu_dials {
    struct clu_loop *loop;
    struct clu_dial_line line;
    struct clu_timer pump;
    uint32_t count, limit; /* under way */
    uint32_t begun;        /* in this step */
    uint64_t step;
    bool once; /* who failed is not dialled again */
    uint64_t backoff_ns, backoff_most_ns;
    uint64_t again_ns; /* after one that went well; CLUSTER_NEVER */
    /* 0: it is under way, or has ended already; CLUSTER_E_AGAIN: it cannot begin yet. Whom nobody wants may be gone afterwards,
     * as after each of these. */
    int (*begin)(struct clu_dial *d);
    void (*expired)(struct clu_dial *d);   /* its deadline is over: end it */
    void (*forgotten)(struct clu_dial *d); /* nothing is known of it any more */
};

CLU_FN void clu_dial_line_put(struct clu_dial_line *line, struct clu_dial *d)
{
    d->line = line;
    d->later = NULL;
    d->at = line->end;
    *line->end = d;
    line->end = &d->later;
}

CLU_FN void clu_dial_line_leave(struct clu_dial *d)
{
    if (!d->line)
        return;
    *d->at = d->later;
    *(d->later ? &d->later->at : &d->line->end) = d->at;
    d->line = NULL;
}

CLU_FN void clu_dial_timer(struct clu_dial *d, uint64_t at)
{
    clu_timer_set(&d->home->loop->timers, &d->timer, at);
}

/* Is it to be dialled, now or later? */
CLU_FN bool clu_dial_wanted(const struct clu_dial *d)
{
    return d->asked || (d->wanted && !(d->failures && d->home->once));
}

/* When the next one is due, if there is to be one. */
CLU_FN void clu_dial_schedule(struct clu_dial *d)
{
    const struct clu_dials *home = d->home;
    uint64_t at = CLUSTER_NEVER;
    if (d->busy)
        return;
    if (!clu_dial_wanted(d))
        at = d->failures && !d->wanted ? clu_add_time(d->due_ns, home->backoff_most_ns) : CLUSTER_NEVER;
    else if (!d->up || d->asked)
        at = d->failures && !d->outside ? d->due_ns : 0;
    else if (home->again_ns != CLUSTER_NEVER)
        at = clu_add_time(home->loop->now, home->again_ns - clu_jitter(home->loop) % (home->again_ns / 2));
    clu_dial_timer(d, at);
}

/* A place is free. */
CLU_FN void clu_dials_go_on(struct clu_dials *home)
{
    if (home->line.first && home->count < home->limit)
        clu_timer_set(&home->loop->timers, &home->pump, 0);
}

/* The dial under way is over, without a word on how it went. */
CLU_FN void clu_dial_stop(struct clu_dial *d)
{
    clu_dial_line_leave(d);
    if (!d->busy)
        return;
    d->busy = false;
    d->home->count--;
    clu_dials_go_on(d->home);
}

CLU_FN void clu_dial_back_off(struct clu_dial *d)
{
    struct clu_dials *home = d->home;
    uint64_t most = home->backoff_ns;
    uint32_t i;
    for (i = 1; i < d->failures && most < home->backoff_most_ns; i++)
        most = clu_add_time(most, most);
    most = clu_min_u64(most, home->backoff_most_ns);
    d->due_ns = clu_add_time(home->loop->now, 1 + clu_jitter(home->loop) % most);
}

/* It came to nothing, and is to be tried again. */
CLU_FN void clu_dial_again(struct clu_dial *d)
{
    clu_dial_stop(d);
    d->failures += d->failures < UINT32_MAX;
    d->outside = !d->home->loop->stepping;
    clu_dial_back_off(d);
    clu_dial_schedule(d);
}

/* The same, or what was up has ended. */
CLU_FN void clu_dial_failed(struct clu_dial *d)
{
    d->up = false;
    clu_dial_again(d);
}

CLU_FN void clu_dial_is_up(struct clu_dial *d)
{
    clu_dial_stop(d);
    d->up = true;
    d->outside = false;
    d->failures = 0;
    clu_dial_schedule(d);
}

/* It is wanted from now on, or it is not: then a dial under way is over, and counts as one that failed. */
CLU_FN void clu_dial_want(struct clu_dial *d, bool wanted)
{
    if (d->wanted == wanted)
        return;
    d->wanted = wanted;
    if (!wanted && d->busy && !d->asked)
        clu_dial_again(d);
    if (d->home->once)
        d->failures = 0;
    clu_dial_schedule(d);
}

/* Somebody waits for it: at once, whatever failed before. */
CLU_FN void clu_dial_ask(struct clu_dial *d)
{
    d->asked = true;
    d->outside = false;
    if (!d->busy)
        clu_dial_timer(d, 0);
}

/* Begin those who stand in the line, while there is room. */
CLU_FN void clu_dials_pump(struct clu_dials *home)
{
    struct clu_loop *l = home->loop;
    if (home->step != l->counts.steps)
        home->begun = 0;
    home->step = l->counts.steps;
    while (home->line.first && home->count < home->limit && home->begun < CLU_DIAL_STEP) {
        struct clu_dial *d = home->line.first;
        clu_dial_line_leave(d);
        if (!clu_dial_wanted(d))
            continue;
        home->begun++;
        home->count++;
        d->busy = true;
        clu_dial_timer(d, clu_add_time(l->now, CLU_DIAL_DEADLINE));
        if (home->begin(d) != CLUSTER_E_AGAIN)
            continue;
        clu_dial_stop(d);
        clu_dial_timer(d, clu_add_time(l->now, CLU_DIAL_LATER));
    }
    clu_timer_set(&l->timers, &home->pump, home->line.first && home->count < home->limit ? 0 : CLUSTER_NEVER);
}

CLU_FN void clu_dials_fire(struct clu_timer *timer, uint64_t now)
{
    (void)now;
    clu_dials_pump(CLU_CONTAINER(timer, struct clu_dials, pump));
}

CLU_FN void clu_dial_fire(struct clu_timer *timer, uint64_t now)
{
    struct clu_dial *d = CLU_CONTAINER(timer, struct clu_dial, timer);
    struct clu_dials *home = d->home;
    bool outside = d->outside;
    (void)now;
    d->outside = false;
    if (d->busy) {
        home->expired(d);
    } else if (outside) {
        clu_dial_back_off(d);
        clu_dial_schedule(d);
    } else if (!clu_dial_wanted(d)) {
        d->failures = 0;
        home->forgotten(d);
    } else {
        if (!d->line)
            clu_dial_line_put(&home->line, d);
        clu_dials_pump(home);
    }
}

/* Into zeroed memory; a timer is reserved for it. */
CLU_FN void clu_dial_init(struct clu_dial *d, struct clu_dials *home)
{
    d->home = home;
    d->timer.fire = clu_dial_fire;
}

CLU_FN void clu_dial_free(struct clu_dial *d)
{
    clu_dial_stop(d);
    clu_timers_release(&d->home->loop->timers, &d->timer);
}

/* Into zeroed memory, the settings are the caller's; a timer is reserved for it. */
CLU_FN void clu_dials_init(struct clu_dials *home, struct clu_loop *l)
{
    home->loop = l;
    home->line.end = &home->line.first;
    home->pump.fire = clu_dials_fire;
}

#endif
