/* For loops that keep their set registered: what changed since the last time, in terms of add, alter, and end. Whatever the loop
 * has to remember for a descriptor stands in a slot beside it. */
#ifndef EXAMPLES_LOOPS_SET_H
#define EXAMPLES_LOOPS_SET_H

#include "watch.h"

/* Make the loop's set equal to what the library wants. change(w, fd, was, is) begins (was 0), alters, or ends (is 0) the waiting
 * for a descriptor; it must have ended when it returns, since the next step may close the descriptor. */
static inline void watch_update(struct watch *w, void (*change)(struct watch *w, int fd, int was, int is))
{
    struct pollfd *want = NULL;
    size_t count, capacity = 0, i = 0, j = 0;
    if (w->set && w->generation == cluster_watch_generation(w->cluster))
        return;
    while (!want || (count = cluster_watches(w->cluster, want, capacity)) > capacity) {
        capacity = want ? count : w->count + 8;
        free(want);
        want = (struct pollfd *)malloc(capacity * sizeof *want);
        if (!want) {
            watch_fail(w, "no memory");
            return;
        }
    }
    while (i < w->count || j < count) {
        if (j == count || (i < w->count && w->set[i].fd < want[j].fd)) {
            change(w, w->set[i].fd, w->set[i].events, 0);
            i++;
        } else if (i == w->count || want[j].fd < w->set[i].fd) {
            change(w, want[j].fd, 0, want[j].events);
            j++;
        } else {
            if (w->set[i].events != want[j].events)
                change(w, want[j].fd, w->set[i].events, want[j].events);
            i++;
            j++;
        }
    }
    free(w->set);
    w->set = want;
    w->count = count;
    w->generation = cluster_watch_generation(w->cluster);
}

/* The loop's own pointer for a descriptor, NULL at first. */
static inline void **watch_slot(struct watch *w, int fd)
{
    size_t count = w->slot_count;
    void **slots;
    if ((size_t)fd >= count) {
        slots = (void **)realloc((void *)w->slots, ((size_t)fd + 16) * sizeof *slots);
        if (!slots) {
            watch_fail(w, "no memory");
            return NULL;
        }
        for (w->slots = slots, w->slot_count = (size_t)fd + 16; count < w->slot_count; count++)
            slots[count] = NULL;
    }
    return &w->slots[fd];
}

#endif
