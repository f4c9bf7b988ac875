/*
 * A heap of pointers, and sorting with it in place: it never allocates, never takes more than n log n, and gives the
 * same order on every platform as long as no two elements compare equal. Owns nothing.
 */
#ifndef CLU_BASE_SORT_H
#define CLU_BASE_SORT_H

#include "platform.h"

/* Put an element in the heap of `count`, at the hole and below: the largest one is first. */
CLU_FN void clu_sift(void **items, size_t count, size_t hole, void *sifted, int (*compare)(const void *, const void *))
{
    size_t child;
    for (; (child = 2 * hole + 1) < count; hole = child) {
        if (child + 1 < count && compare(items[child], items[child + 1]) < 0)
            child++;
        if (compare(sifted, items[child]) >= 0)
            break;
        items[hole] = items[child];
    }
    items[hole] = sifted;
}

/* Ascending by `compare`, which is given two elements. */
CLU_FN void clu_sort(void **items, size_t count, int (*compare)(const void *, const void *))
{
    size_t next = count / 2;
    while (count > 1) {
        void *sifted;
        if (next) {
            sifted = items[--next];
        } else {
            sifted = items[--count];
            items[count] = items[0];
        }
        clu_sift(items, count, next, sifted, compare);
    }
}

/* The same where there is room for as many pointers again: half the comparisons, and one for each where all are in order. */
CLU_FN void clu_sort_merging(void **items, void **room, size_t count, int (*compare)(const void *, const void *))
{
    size_t width, at, i, j, out, end;
    for (width = 1; width < count; width *= 2) {
        for (at = 0; count - at > width; at = end) {
            end = count - at > 2 * width ? at + 2 * width : count;
            if (compare(items[at + width - 1], items[at + width]) <= 0)
                continue;
            memcpy(room, items + at, width * sizeof *items);
            for (i = 0, j = at + width, out = at; i < width; out++)
                items[out] = j < end && compare(room[i], items[j]) > 0 ? items[j++] : room[i++];
        }
    }
}

#endif
