/*
 * What the drills share: how each begins, waits and ends. A drill is a node of the cluster: it finds the others by a source, links to
 * them, and lets them link to it. It runs until it is interrupted.
 */
#ifndef DRILL_H
#define DRILL_H

#include "../../cluster.h"
#include "../terms.h"
#include <signal.h>

#define DRILL_MS UINT64_C(1000000)

static volatile sig_atomic_t drill_over;

static inline void drill_stop(int signal_number)
{
    (void)signal_number;
    drill_over = 1;
}

/* Options for the node `name`, as a hidden node whose cookie is in the environment; other nodes can link to it at the address behind
 * its '@', which is written to `listen`. */
static inline void drill_options(struct cluster_options *options, const char *name, char listen[64])
{
    const char *host = strchr(name, '@');
    cluster_options_init(options);
    options->node = name;
    options->cookie = getenv("COOKIE");
    options->connect = "erlang";
    options->backoff = "100ms..1s";
    snprintf(listen, 64, "%s:0", host ? host + 1 : "");
    options->listen = listen;
}

/* The handle, with its source; or NULL, and a sentence on what is wrong. */
static inline struct cluster *drill_begin(struct cluster_options *options, const char *source)
{
    struct cluster *c;
    char error[256] = "";
    signal(SIGINT, drill_stop);
    signal(SIGTERM, drill_stop);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!options->cookie) {
        fprintf(stderr, "say the cluster's cookie, as in COOKIE=secret\n");
        return NULL;
    }
    options->error = error;
    options->error_size = sizeof error;
    if (cluster_create(&c, options) < 0) {
        if (strncmp(error, "options.listen", strlen("options.listen")) == 0)
            fprintf(stderr, "'%s' is no name for a drill: behind its '@' stands an address of this host, as in a@127.0.0.1\n",
                    options->node);
        else
            fprintf(stderr, "%s\n", error);
        return NULL;
    }
    if (cluster_discover(c, source, NULL) == 0)
        return c;
    fprintf(stderr, "%s\n", cluster_last_error(c));
    cluster_destroy(c);
    return NULL;
}

/* The next event, waited for until that time; NULL: none came, or the drill is over. */
static inline const struct cluster_event *drill_event(struct cluster *c, uint64_t until_ns)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(c)) == NULL) {
        uint64_t now = cluster_now(), left = now < until_ns ? (until_ns - now) / DRILL_MS + 1 : 0;
        if (drill_over || !left || cluster_poll(c, left < 500 ? (int)left : 500) < 0)
            return NULL;
    }
    return e;
}

/* What all drills say in the same words. */
static inline void drill_say(const struct cluster_event *e)
{
    if (e->type == CLUSTER_UP)
        printf("up %s\n", e->member->name);
    else if (e->type == CLUSTER_DOWN)
        printf("down %s\n", e->member->name);
    else if (e->type == CLUSTER_SOURCE && e->error)
        fprintf(stderr, "%s\n", e->text);
}

/* erlang:phash2 of a term that is text. */
static inline uint32_t drill_hash(const char *text)
{
    uint32_t hash = 0;
    size_t size;
    unsigned char *term = term_of(&size, "%s", text);
    if (term)
        (void)cluster_phash2(term, size, 0, &hash);
    free(term);
    return hash;
}

static inline int drill_usage(const char *usage)
{
    fprintf(stderr, "COOKIE=secret %s\n", usage);
    return 2;
}

#endif
