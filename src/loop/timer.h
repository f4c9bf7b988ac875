/*
 * Timers: a binary heap of pointers to timers that their owners embed. Room is reserved when a timer is made, so arming one
 * never allocates. It reads no clock.
 */
#ifndef CLU_LOOP_TIMER_H
#define CLU_LOOP_TIMER_H

#include "../base/memory.h"

struct clu_timer {
    uint64_t at;
    size_t place; /* in the heap, from 1; 0: not armed */
    void (*fire)(struct clu_timer *timer, uint64_t now);
};

struct clu_timers {
    struct clu_timer **heap; /* heap[0] is the earliest */
    size_t count, capacity;
    size_t reserved; /* timers that exist, armed or not */
    uint64_t floor;  /* while they fire: none can be armed for earlier */
};

/* Room for `more` timers; each is given back with clu_timers_release. */
CLU_FN bool clu_timers_reserve(const struct cluster_allocator *a, struct clu_timers *t, size_t more)
{
    if (!clu_reserve(a, &t->heap, &t->capacity, t->reserved + more, sizeof *t->heap))
        return false;
    t->reserved += more;
    return true;
}

CLU_FN void clu_timers_put(struct clu_timers *t, size_t place, struct clu_timer *timer)
{
    t->heap[place - 1] = timer;
    timer->place = place;
}

CLU_FN void clu_timers_sift(struct clu_timers *t, size_t place)
{
    struct clu_timer *timer = t->heap[place - 1];
    while (place > 1 && t->heap[place / 2 - 1]->at > timer->at) {
        clu_timers_put(t, place, t->heap[place / 2 - 1]);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child > t->count)
            break;
        if (child < t->count && t->heap[child]->at < t->heap[child - 1]->at)
            child++;
        if (t->heap[child - 1]->at >= timer->at)
            break;
        clu_timers_put(t, place, t->heap[child - 1]);
        place = child;
    }
    clu_timers_put(t, place, timer);
}

/* Arm, move, or with CLUSTER_NEVER disarm. */
CLU_FN void clu_timer_set(struct clu_timers *t, struct clu_timer *timer, uint64_t at)
{
    size_t place = timer->place;
    timer->at = at = at > t->floor ? at : t->floor;
    if (at == CLUSTER_NEVER) {
        if (!place)
            return;
        timer->place = 0;
        if (place == t->count--)
            return;
        clu_timers_put(t, place, t->heap[t->count]);
    } else if (!place) {
        place = ++t->count;
        clu_timers_put(t, place, timer);
    }
    clu_timers_sift(t, place);
}

CLU_FN void clu_timers_release(struct clu_timers *t, struct clu_timer *timer)
{
    clu_timer_set(t, timer, CLUSTER_NEVER);
    t->reserved--;
}

CLU_FN uint64_t clu_timers_next(const struct clu_timers *t)
{
    return t->count ? t->heap[0]->at : CLUSTER_NEVER;
}

/* Fire what is due, each timer at most once: one that is armed again, and is due at once, waits for the next call. */
CLU_FN void clu_timers_fire(struct clu_timers *t, uint64_t now)
{
    t->floor = clu_add_time(now, 1);
    while (t->count && t->heap[0]->at <= now) {
        struct clu_timer *timer = t->heap[0];
        clu_timer_set(t, timer, CLUSTER_NEVER);
        timer->fire(timer, now);
    }
    t->floor = 0;
}

#endif
