/*
 * hosts: every node at the epmds of the hosts that a .hosts.erlang names, as net_adm:world finds them. The file is read in each
 * round; what comes then is the work of epmd:.
 */
#ifndef CLU_DISCOVER_HOSTS_H
#define CLU_DISCOVER_HOSTS_H

#include "epmd.h"

#define CLU_HOSTS_ERLANG ".hosts.erlang"

CLU_FN void clu_hosts_blanks(struct clu_slice *text)
{
    while (text->length && (clu_is_blank(*text->at) || *text->at == '\n' || *text->at == '\r' || *text->at == '%')) {
        if (*text->at == '%') /* a comment, to the end of its line */
            *text = clu_slice_from(*text, clu_slice_find(*text, '\n'));
        else
            *text = clu_slice_from(*text, 1);
    }
}

/* The next host, an atom and a dot: 1, or 0 at the end of the text, or CLUSTER_E_INVALID. */
CLU_FN int clu_hosts_next(struct clu_slice *text, struct clu_slice *host)
{
    size_t length = 0;
    clu_hosts_blanks(text);
    *host = *text;
    if (!text->length)
        return 0;
    if (*text->at == '\'') {
        *host = clu_slice_from(*text, 1);
        length = clu_slice_find(*host, '\'');
        if (length == host->length)
            return CLUSTER_E_INVALID;
        *text = clu_slice_from(*host, length + 1);
    } else {
        char first = *text->at;
        while (length < text->length && (clu_hex_digit(text->at[length]) < 256 || strchr("_@", text->at[length]) ||
                                         (clu_lower(text->at[length]) >= 'a' && clu_lower(text->at[length]) <= 'z')))
            length++;
        if (first < 'a' || first > 'z')
            return CLUSTER_E_INVALID;
        *text = clu_slice_from(*text, length);
    }
    host->length = length;
    clu_hosts_blanks(text);
    if (!clu_slice_starts(*text, ".") || !clu_name_half_valid(host->at, length))
        return CLUSTER_E_INVALID;
    *text = clu_slice_from(*text, 1);
    length = text->length;
    clu_hosts_blanks(text);
    return text->length && text->length == length ? CLUSTER_E_INVALID : 1; /* the dot ends a term before a blank alone */
}

/* The file of the target, else the one here, else the one of $HOME. */
CLU_FN int64_t clu_hosts_read(struct clu_epmd *e)
{
    const struct cluster_io *io = cluster_source_io(e->source);
    const struct cluster_allocator *memory = cluster_source_allocator(e->source);
    const char *path = cluster_source_item(e->source, NULL);
    char home[512];
    struct clu_text t = clu_text_on(home, sizeof home);
    uint64_t stamp = 0;
    int64_t size = clu_read_file(io, memory, path ? path : CLU_HOSTS_ERLANG, &e->text, &e->text_capacity, 1, &stamp);
    if (size == CLUSTER_E_NOT_FOUND && !path) {
        int length = io->environment(io->ctx, "HOME", home, sizeof home - sizeof CLU_HOSTS_ERLANG - 1);
        t.length = length > 0 ? strlen(home) : 0;
        clu_text_add(&t, "/" CLU_HOSTS_ERLANG);
        size = clu_read_file(io, memory, home, &e->text, &e->text_capacity, 1, &stamp);
        if (size == CLUSTER_E_NOT_FOUND)
            return clu_round_fail(e->source, (int)size, "there is no .hosts.erlang here or in $HOME: hosts:PATH names one",
                                  clu_slice_of(NULL, 0), "");
        path = home;
    }
    if (size < 0)
        return clu_round_fail(e->source, (int)size, "cannot read '#': $", clu_slice_str(path ? path : CLU_HOSTS_ERLANG),
                              cluster_strerror((int)size));
    return size;
}

CLU_FN int clu_hosts_round(void *state, uint64_t now)
{
    struct clu_epmd *e = (struct clu_epmd *)state;
    int64_t size;
    struct clu_slice text, host;
    int result;
    clu_epmd_hang_up(e);
    clu_epmd_forget_questions(e); /* they point to the hosts */
    e->count = 0;
    size = clu_hosts_read(e);
    if (size < 0)
        return (int)size;
    text = clu_slice_of(e->text, (size_t)size);
    while ((result = clu_hosts_next(&text, &host)) > 0) {
        if (!clu_reserve(cluster_source_allocator(e->source), &e->hosts, &e->capacity, e->count + 1, sizeof *e->hosts))
            return CLUSTER_E_MEMORY;
        memset(&e->hosts[e->count], 0, sizeof *e->hosts);
        e->hosts[e->count++].written = host.at;
        ((char *)e->text)[(size_t)(host.at - e->text) + host.length] = '\0'; /* over its quote or dot, which were read */
    }
    if (result)
        return clu_round_fail(e->source, result, "'#' is no host and dot: write 'host.example'. or host. in each line",
                              clu_slice_of(host.at, host.length < 40 ? host.length : 40), "");
    return clu_epmd_round(e, now);
}

CLU_FN int clu_hosts_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct clu_epmd *e;
    (void)ctx;
    (void)target;
    if (clu_state_new(s, sizeof *e, state))
        return CLUSTER_E_MEMORY;
    e = (struct clu_epmd *)*state;
    e->fd = -1;
    e->cuts = true;
    return 0;
}

#endif
