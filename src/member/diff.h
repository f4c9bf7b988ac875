/*
 * The difference of two lists of names, without a handle. Allocates nothing: the marks that are its answer serve as its notes
 * on the way, and one table of 512 names stands on the stack.
 *
 * Names are first parted by a hash into up to 255 classes, whose number is noted in the name's mark. Then class by class the
 * names of `after` fill the table, 512 at a time, and the names of `before` are looked up in it. The mark of a name that is
 * found there, or that `after` has already, becomes 0; all that keep a class in the end are what left and what joined.
 */
#ifndef CLU_MEMBER_DIFF_H
#define CLU_MEMBER_DIFF_H

#include "../base/platform.h"

#define CLU_DIFF_NAMES 512
#define CLU_DIFF_SLOTS 1024 /* twice the names: probes stay short */
#define CLU_DIFF_CLASS 1    /* the first; the last is 255 */

/* One of the two lists. */
struct clu_diff_list {
    const char *const *names;
    size_t count;
    unsigned char *marks;
};

struct clu_diff {
    struct clu_diff_list before, after;
    uint32_t classes;
    size_t slots[CLU_DIFF_SLOTS]; /* 1 + index into `after`; 0: free */
};

/* FNV-1a. */
CLU_CALLED uint32_t clu_diff_hash(const char *name)
{
    uint32_t hash = UINT32_C(2166136261);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT32_C(16777619);
    return hash;
}

/* The slot of a name, or the free one where it would stand. Its class has used up the remainder of the hash, so the slot
 * takes the quotient. */
CLU_FN size_t *clu_diff_slot(struct clu_diff *d, const char *name)
{
    uint32_t at = clu_diff_hash(name) / d->classes % CLU_DIFF_SLOTS;
    while (d->slots[at] && strcmp(d->after.names[d->slots[at] - 1], name) != 0)
        at = (at + 1) % CLU_DIFF_SLOTS;
    return &d->slots[at];
}

CLU_FN bool clu_diff_usable(const struct clu_diff_list *list)
{
    size_t i;
    if (list->count && (!list->names || !list->marks))
        return false;
    for (i = 0; i < list->count; i++)
        if (!list->names[i])
            return false;
    return true;
}

/* The first index from `from` on that is of this class and not settled; count when there is none. */
CLU_FN size_t clu_diff_next(const struct clu_diff_list *list, size_t from, int kind)
{
    const void *at = from < list->count ? memchr(list->marks + from, kind, list->count - from) : NULL;
    return at ? (size_t)((const unsigned char *)at - list->marks) : list->count;
}

/* Note the classes; with none, say what is left of them. */
CLU_FN void clu_diff_mark(const struct clu_diff_list *list, uint32_t classes)
{
    size_t i;
    for (i = 0; i < list->count; i++) {
        uint32_t mark = list->marks[i] != 0;
        if (classes)
            mark = CLU_DIFF_CLASS + clu_diff_hash(list->names[i]) % classes;
        list->marks[i] = (unsigned char)mark;
    }
}

CLU_CALLED void clu_diff_class(struct clu_diff *d, int kind)
{
    size_t i, next = 0, *slot;
    while ((next = clu_diff_next(&d->after, next, kind)) < d->after.count) {
        unsigned room = CLU_DIFF_NAMES;
        memset(d->slots, 0, sizeof d->slots);
        for (i = next; i < d->after.count; i = clu_diff_next(&d->after, i + 1, kind)) {
            slot = clu_diff_slot(d, d->after.names[i]);
            if (*slot) {
                d->after.marks[i] = 0;
            } else if (room) {
                room--;
                *slot = next = i + 1;
            }
        }
        for (i = 0; (i = clu_diff_next(&d->before, i, kind)) < d->before.count; i++) {
            slot = clu_diff_slot(d, d->before.names[i]);
            if (*slot)
                d->before.marks[i] = d->after.marks[*slot - 1] = 0;
        }
    }
}

CLUSTER_DEF int cluster_diff(const char *const *before, size_t before_count, const char *const *after, size_t after_count,
                             unsigned char *left, unsigned char *joined)
{
    struct clu_diff d;
    uint32_t kind;
    d.before.names = before;
    d.before.count = before_count;
    d.before.marks = left;
    d.after.names = after;
    d.after.count = after_count;
    d.after.marks = joined;
    if (!clu_diff_usable(&d.before) || !clu_diff_usable(&d.after))
        return CLUSTER_E_INVALID;
    d.classes = (uint32_t)clu_min_u64(1 + after_count / (CLU_DIFF_NAMES / 2), 256 - CLU_DIFF_CLASS);
    clu_diff_mark(&d.before, d.classes);
    clu_diff_mark(&d.after, d.classes);
    for (kind = 0; kind < d.classes; kind++)
        clu_diff_class(&d, (int)(CLU_DIFF_CLASS + kind));
    clu_diff_mark(&d.before, 0);
    clu_diff_mark(&d.after, 0);
    return 0;
}

#endif
