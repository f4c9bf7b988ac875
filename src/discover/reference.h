/*
 * The reference of URLs for programs that print it: the parser's rows, with the defaults of the strategies. It owns nothing,
 * and a program that does not call it does not carry its texts where the linker drops what is not used.
 */
#ifndef CLU_DISCOVER_REFERENCE_H
#define CLU_DISCOVER_REFERENCE_H

#include "../wire/url.h"
#include "open.h"
#include "schemes.h"

/* What the source of a scheme does where its URL does not say otherwise. */
CLU_FN void clu_reference_defaults(struct cluster_url_entry *e)
{
    const struct cluster_strategy *strategy = clu_builtin_find(clu_slice_str(e->scheme), NULL);
    bool hears = (strategy->flags & CLUSTER_STRATEGY_HEARS) != 0;
    e->interval_ns = strategy->interval_ns ? strategy->interval_ns : CLU_INTERVAL;
    e->max_age_ns = strategy->max_age_ns;
    e->misses = hears ? 0 : strategy->misses ? strategy->misses : CLU_MISSES;
    e->timeout_ns = hears || !strategy->round ? 0 : CLU_TIMEOUT;
}

/* Does any scheme of this build take the option? */
CLU_FN bool clu_reference_applies(const char *schemes)
{
    struct clu_slice rest = clu_slice_str(schemes);
    while (rest.length)
        if (clu_word_find(CLU_URL_SCHEMES, clu_cut(&rest, ' ')) >= 0)
            return true;
    return !*schemes;
}

/* The index-th option that applies; false past the end. */
CLU_FN bool clu_reference_option(size_t index, struct clu_option_help *out)
{
    size_t at;
    for (at = 0; clu_url_help(at, out); at++)
        if (clu_reference_applies(out->scheme) && !index--)
            return true;
    return false;
}

CLUSTER_DEF int cluster_url_reference(size_t index, struct cluster_url_entry *out)
{
    static const char *const takes[] = {"text",
                                        "text, not empty",
                                        "a base name, without '@'",
                                        "patterns, ',' between them",
                                        "address ranges, ',' between them",
                                        "0 or a duration",
                                        "a duration",
                                        "a number",
                                        "0% to 100%",
                                        ""};
    struct cluster_url_entry e;
    struct clu_scheme_help scheme;
    struct clu_option_help option;
    size_t schemes = 0;
    memset(&e, 0, sizeof e);
    e.key = e.choices = e.fallback = "";
    if (clu_url_scheme_help(index, &scheme)) {
        const struct clu_scheme_info *info = clu_scheme_info_at((int)index);
        e.scheme = scheme.scheme;
        e.takes = scheme.target;
        e.help = scheme.help;
        e.least = info->min;
        e.most = info->max;
        clu_reference_defaults(&e);
    } else {
        while (clu_url_scheme_help(schemes, &scheme))
            schemes++;
        if (!clu_reference_option(index - schemes, &option))
            return 0;
        e.scheme = option.scheme;
        e.key = option.key;
        e.takes = takes[option.info->type];
        e.choices = option.info->choices;
        e.fallback = option.fallback;
        e.help = option.help;
        e.least = option.info->min;
        e.most = option.info->max;
    }
    return clu_write_struct(out, &e, sizeof e) == 0;
}

#endif
