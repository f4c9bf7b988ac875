/*
 * Patterns on names: '*' is any run of bytes, '?' any one byte, all else is itself. Nothing is compiled or kept, and there is
 * no escape: a byte that would need one is matched with '?'.
 */
#ifndef CLU_WIRE_GLOB_H
#define CLU_WIRE_GLOB_H

#include "number.h"

/* Only the newest '*' is ever widened, which is enough: an earlier one has found its shortest match, and a longer one leaves
 * less for the rest. So the work is at most the product of both lengths. */
CLU_FN bool clu_glob(struct clu_slice pattern, struct clu_slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;
    while (t < text.length) {
        if (p < pattern.length && pattern.at[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.length && (pattern.at[p] == '?' || pattern.at[p] == text.at[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.at[p] == '*')
        p++;
    return p == pattern.length;
}

/* Does any of the patterns of a list, separated by ',', match? */
CLU_FN bool clu_glob_list(struct clu_slice list, struct clu_slice text)
{
    while (list.at)
        if (clu_glob(clu_cut(&list, ','), text))
            return true;
    return false;
}

#endif
