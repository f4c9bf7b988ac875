/*
 * The difference of two lists of names, without a handle. Allocates nothing: the marks that are its answer serve as its notes
 * on the way, and one table of 512 names stands on the stack.
 *
 * Names are first parted by a hash into up to 254 classes, whose number is noted in the name's mark. Then class by class the names of
 * `after` fill the table, 512 at a time, and the names of `before` are looked up in it. A mark becomes 0 or 1 when it is
 * settled; the classes are numbered from 2 so that both can share a byte.
 */
#ifndef CLU_MEMBER_DIFF_H
#define CLU_MEMBER_DIFF_H

#include "../base/platform.h"

#define CLU_DIFF_NAMES 512
#define CLU_DIFF_SLOTS 1024 /* twice the names: probes stay short */
#define CLU_DIFF_CLASS 2    /* the first; the last is 255 */

struct clu_diff {
    const char *const *before, *const *after;
    size_t before_count, after_count;
    unsigned char *left, *joined;
    uint32_t classes, count;
    size_t index[CLU_DIFF_NAMES];   /* into `after` */
    uint16_t slots[CLU_DIFF_SLOTS]; /* 1 + position in index; 0: free */
};

/* FNV-1a. */
CLU_FN uint32_t clu_diff_hash(const char *name)
{
    uint32_t hash = UINT32_C(2166136261);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT32_C(16777619);
    return hash;
}

/* The slot of a name, or the free one where it would stand. Its class has used up the remainder of the hash, so the slot
 * takes the quotient. */
CLU_FN uint16_t *clu_diff_slot(struct clu_diff *d, const char *name)
{
    uint32_t at = clu_diff_hash(name) / d->classes % CLU_DIFF_SLOTS;
    while (d->slots[at] && strcmp(d->after[d->index[d->slots[at] - 1]], name) != 0)
        at = (at + 1) % CLU_DIFF_SLOTS;
    return &d->slots[at];
}

CLU_FN bool clu_diff_usable(const char *const *names, size_t count, const unsigned char *marks)
{
    size_t i;
    if (count && (!names || !marks))
        return false;
    for (i = 0; i < count; i++)
        if (!names[i])
            return false;
    return true;
}

/* The first index from `from` on that is of this class and not settled; count when there is none. */
CLU_FN size_t clu_diff_next(const unsigned char *marks, size_t from, size_t count, int kind)
{
    const void *at = from < count ? memchr(marks + from, kind, count - from) : NULL;
    return at ? (size_t)((const unsigned char *)at - marks) : count;
}

CLU_FN void clu_diff_class(struct clu_diff *d, int kind)
{
    size_t i, next = clu_diff_next(d->joined, 0, d->after_count, kind);
    while (next < d->after_count) {
        memset(d->slots, 0, sizeof d->slots);
        d->count = 0;
        for (i = next; i < d->after_count; i = clu_diff_next(d->joined, i + 1, d->after_count, kind)) {
            uint16_t *slot = clu_diff_slot(d, d->after[i]);
            if (*slot) {
                d->joined[i] = 0;
            } else if (d->count < CLU_DIFF_NAMES) {
                d->index[d->count] = i;
                *slot = (uint16_t)++d->count;
                next = i;
            }
        }
        next = clu_diff_next(d->joined, next + 1, d->after_count, kind);
        for (i = 0; (i = clu_diff_next(d->left, i, d->before_count, kind)) < d->before_count; i++) {
            uint16_t *slot = clu_diff_slot(d, d->before[i]);
            if (*slot) {
                d->left[i] = 0;
                d->joined[d->index[*slot - 1]] = 0;
            }
        }
        for (i = 0; i < d->count; i++)
            if (d->joined[d->index[i]])
                d->joined[d->index[i]] = 1;
    }
    for (i = 0; (i = clu_diff_next(d->left, i, d->before_count, kind)) < d->before_count; i++)
        d->left[i] = 1;
}

CLUSTER_DEF int cluster_diff(const char *const *before, size_t before_count, const char *const *after, size_t after_count,
                             unsigned char *left, unsigned char *joined)
{
    struct clu_diff d;
    size_t i;
    uint32_t kind;
    if (!clu_diff_usable(before, before_count, left) || !clu_diff_usable(after, after_count, joined))
        return CLUSTER_E_INVALID;
    d.before = before;
    d.before_count = before_count;
    d.after = after;
    d.after_count = after_count;
    d.left = left;
    d.joined = joined;
    d.classes = (uint32_t)clu_min_u64(1 + after_count / (CLU_DIFF_NAMES / 2), 256 - CLU_DIFF_CLASS);
    for (i = 0; i < before_count; i++)
        left[i] = (unsigned char)(CLU_DIFF_CLASS + clu_diff_hash(before[i]) % d.classes);
    for (i = 0; i < after_count; i++)
        joined[i] = (unsigned char)(CLU_DIFF_CLASS + clu_diff_hash(after[i]) % d.classes);
    for (kind = 0; kind < d.classes; kind++)
        clu_diff_class(&d, (int)(CLU_DIFF_CLASS + kind));
    return 0;
}

#endif
