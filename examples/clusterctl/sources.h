/*
 * What the commands with sources share.
 */
#ifndef CLUSTERCTL_SOURCES_H
#define CLUSTERCTL_SOURCES_H

#include "json.h"
#include "options.h"
#include "record.h"

/* Warnings that no event tells. A failing source and a full queue are events as well, and the commands tell of those. */
static void on_log(void *ctx, int level, const char *message, const char *setting)
{
    (void)ctx;
    if (!strcmp(setting, "url") || !strcmp(setting, "limit_events"))
        return;
    fflush(stdout);
    fprintf(stderr, "clusterctl: %s: ", level <= CLUSTER_LOG_ERROR ? "error" : "warning");
    print_safe(stderr, message);
    if (*setting)
        fprintf(stderr, " [%s]", setting);
    fputc('\n', stderr);
}

#define COOKIE_SIZE 300 /* longer than any cookie */

/* The first line of a file. */
static int cookie_of_file(const char *path, bool must_be_private, char *out)
{
    struct stat info;
    FILE *f = fopen(path, "r");
    size_t length;
    if (!f)
        return fail(FAILED, "no cookie: %s: %s: say it with --cookie or --cookie-file", path, strerror(errno));
    if (must_be_private && (fstat(fileno(f), &info) < 0 || (info.st_mode & 077))) {
        fclose(f);
        return fail(FAILED, "%s can be read by others: chmod 600 it, or name the file with --cookie-file", path);
    }
    length = fread(out, 1, COOKIE_SIZE - 1, f);
    fclose(f);
    out[length] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return *out ? DONE : fail(FAILED, "%s has no cookie in its first line", path);
}

/* The cookie that the command line names, or the user's own. */
static int find_cookie(const struct arguments *a, char *out)
{
    const char *cookie = text_of(a, OPT_COOKIE, NULL), *file = text_of(a, OPT_COOKIE_FILE, NULL), *home = getenv("HOME");
    char path[1024];
    if (cookie && file)
        return fail(USAGE, "--cookie and --cookie-file are both given: keep one");
    if (cookie && (!*cookie || strlen(cookie) >= COOKIE_SIZE))
        return fail(USAGE, "--cookie takes a cookie of 1 to 255 bytes");
    if (cookie) {
        strcpy(out, cookie);
        return DONE;
    }
    snprintf(path, sizeof path, "%s/.erlang.cookie", home ? home : "");
    return cookie_of_file(file ? file : path, !file, out);
}

/* TLS where it is built in. */
static void io_begin(struct cluster_io *io)
{
    memset(io, 0, sizeof *io);
    io->size = sizeof *io;
#ifdef CLUSTERCTL_OPENSSL
    tls_openssl(io);
#endif
}

/* A handle with the options of the command line and every operand as a source. */
static int open_sources(struct loop *l, const struct arguments *a)
{
    char error[512] = "", cookie[COOKIE_SIZE] = "";
    struct cluster_options options;
    struct cluster_io io;
    struct cluster *c;
    size_t i;
    int result, status = signals_begin();
    if (status)
        return status;
    cluster_options_init(&options);
    options.node = text_of(a, OPT_NODE, NULL);
    options.quorum = (uint32_t)number_of(a, OPT_QUORUM, 0);
    options.connect = text_of(a, OPT_CONNECT, NULL);
    options.reconnect = text_of(a, OPT_RECONNECT, NULL);
    options.on_leave = text_of(a, OPT_ON_LEAVE, NULL);
    options.backoff = text_of(a, OPT_BACKOFF, NULL);
    options.listen = text_of(a, OPT_LISTEN, NULL);
    options.tls = text_of(a, OPT_TLS, NULL);
    options.ca = text_of(a, OPT_CA, NULL);
    if (!strcmp(text_of(a, OPT_CONNECT, ""), "host"))
        return fail(USAGE, "--connect host is for programs that connect by themselves: here take tcp, epmd or erlang");
    if (options.node && (options.listen || given(a, OPT_COOKIE) || given(a, OPT_COOKIE_FILE) ||
                         !strcmp(text_of(a, OPT_CONNECT, ""), "erlang"))) {
        status = find_cookie(a, cookie);
        if (status)
            return status;
        options.cookie = cookie;
    }
    options.log = on_log;
    options.error = error;
    options.error_size = sizeof error;
    io_begin(&io);
    if (given(a, OPT_RECORD)) {
        if (options.connect || options.listen)
            return fail(USAGE, "--record is for what sources answer: leave out --connect and --listen");
        status = record_begin(&io, text_of(a, OPT_RECORD, ""));
        if (status)
            return status;
    }
    options.io = &io;
    result = cluster_create(&c, &options);
    if (result < 0)
        return fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", *error ? error : cluster_strerror(result));
    for (i = 0; i < a->count; i++) {
        result = cluster_discover(c, a->operands[i], NULL);
        if (result < 0) {
            status = fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(c));
            cluster_destroy(c);
            return status;
        }
    }
    record_sources(c, false);
    loop_begin(l, c, signal_pipe[0]);
    return DONE;
}

static uint64_t end_of(const struct arguments *a, uint64_t otherwise)
{
    uint64_t span = number_of(a, OPT_FOR, otherwise);
    return span == CLUSTER_NEVER ? span : cluster_now() + span;
}

/* Members other than the own node. */
static size_t others(const struct cluster *c)
{
    return cluster_member_count(c) - (cluster_member_find(c, cluster_own_name(c)) ? 1 : 0);
}

static const char *source_state_name(int state)
{
    static const char *const names[] = {"starting", "answer", "empty", "failed"};
    return (size_t)state < COUNT(names) ? names[state] : "unknown";
}

static const char *status_name(int status)
{
    static const char *const names[] = {"forming", "ready", "degraded"};
    return (size_t)status < COUNT(names) ? names[status] : "unknown";
}

static void complain_of_source(const struct cluster_source *s)
{
    fflush(stdout);
    fputs("clusterctl: ", stderr);
    print_safe(stderr, cluster_source_url(s));
    fputs(" failed: ", stderr);
    print_safe(stderr, *cluster_source_why(s) ? cluster_source_why(s) : cluster_strerror(cluster_source_error(s)));
    fputc('\n', stderr);
}

static void json_member(const struct cluster_member *m)
{
    json_text("node", m->name);
    json_text("host", m->host);
    json_text("address", *m->address ? m->address : NULL);
    json_number("port", m->port);
    json_number("weight", m->weight);
    json_text("zone", *m->zone ? m->zone : NULL);
    json_text("role", *m->role ? m->role : NULL);
    json_key("draining");
    fputs(m->flags & CLUSTER_MEMBER_DRAINING ? "true" : "false", stdout);
}

#endif
