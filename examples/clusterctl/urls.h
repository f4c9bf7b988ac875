/*
 * urls: every scheme and option of a URL, as the parser has them.
 */
#ifndef CLUSTERCTL_URLS_H
#define CLUSTERCTL_URLS_H

#include "json.h"
#include "options.h"

/* What an option takes, in words. */
static void url_takes(const struct cluster_url_entry *e, struct text *out)
{
    const char *at;
    text_clear(out);
    if (e->most && !strcmp(e->takes, "a number")) {
        text_format(out, "%lu to %lu", (unsigned long)e->least, (unsigned long)e->most);
        return;
    }
    text_add(out, e->takes);
    if (*e->takes && !e->most && e->least > 1)
        text_format(out, ", at least %lums", (unsigned long)e->least);
    for (at = *e->takes ? "" : e->choices; *at; at++)
        text_bytes(out, *at == ' ' ? " or " : at, *at == ' ' ? 4 : 1);
}

/* The words of a text with spaces between them, as a list. */
static void url_words(const char *key, const char *text)
{
    struct names list = {NULL, 0};
    names_split(&list, text, ' ');
    json_names(key, &list);
    names_clear(&list);
}

static void url_json_time(const char *key, uint64_t ns)
{
    if (ns == CLUSTER_NEVER || !ns)
        json_text(key, NULL);
    else
        json_seconds(key, ns);
}

static void url_json(const struct cluster_url_entry *e, struct text *takes)
{
    if (!*e->key) {
        json_begin("scheme");
        json_text("scheme", e->scheme);
        json_text("target", e->takes);
        json_number("least", e->least);
        json_number("most", e->most);
        url_json_time("interval", e->interval_ns);
        url_json_time("timeout", e->timeout_ns);
        url_json_time("max_age", e->max_age_ns);
        json_number("misses", e->misses);
    } else {
        url_takes(e, takes);
        json_begin("option");
        json_text("option", e->key);
        url_words("schemes", e->scheme);
        json_text("takes", takes->at);
        url_words("choices", e->choices);
        json_text("default", e->fallback);
    }
    json_text("help", e->help);
    json_end();
}

/* Is a word among those of a text? */
static bool url_has(const char *text, const char *word)
{
    struct names list = {NULL, 0};
    bool found;
    names_split(&list, text, ' ');
    found = names_has(&list, word);
    names_clear(&list);
    return found;
}

/* The options of one scheme, or with "" those that all have. */
static void urls_options(const char *scheme, struct text *takes)
{
    struct cluster_url_entry e;
    size_t i;
    e.size = (uint32_t)sizeof e;
    for (i = 0; cluster_url_reference(i, &e); i++) {
        if (!*e.key || (*scheme ? !url_has(e.scheme, scheme) : *e.scheme != '\0'))
            continue;
        url_takes(&e, takes);
        printf("  %-12s %s\n  %-12s %s; default: %s\n", e.key, e.help, "", takes->at, e.fallback);
    }
}

static int run_urls(const struct arguments *a)
{
    struct text takes = {NULL, 0, 0};
    struct cluster_url_entry e;
    const char *only = a->count ? a->operands[0] : NULL;
    bool json = given(a, OPT_JSON), found = false;
    struct nearest near = {only, NULL, 0};
    size_t i;
    e.size = (uint32_t)sizeof e;
    for (i = 0; cluster_url_reference(i, &e); i++) {
        if (only && !*e.key)
            nearest_try(&near, e.scheme);
        if (only && !url_has(e.scheme, only) && (*e.scheme || !json))
            continue;
        found = found || !*e.key;
        if (only && !found)
            continue;
        if (json) {
            url_json(&e, &takes);
        } else if (!*e.key) {
            printf("%s:%s\n  %s\n", e.scheme, e.takes, e.help);
            urls_options(e.scheme, &takes);
            putchar('\n');
        }
    }
    if (only && !found)
        return near.best ? fail(USAGE, "there is no scheme %s: did you mean %s?", only, near.best)
                         : fail(USAGE, "there is no scheme %s: `clusterctl urls` prints those there are", only);
    if (!json) {
        puts("options of every scheme");
        urls_options("", &takes);
    }
    text_free(&takes);
    return DONE;
}

#endif
