/*
 * doctor: every step from a URL to links with the nodes that it finds, each with what came of it, and what to do where it failed.
 * First the sources and the names, with one handle; then the nodes, all at a time, with a second one, whose own node is the one
 * asked for, or a passing one where that runs here. It changes nothing in the cluster: what announces is turned off, and links are
 * hidden and end with it. After 14 seconds it says what it has.
 */
#ifndef CLUSTERCTL_DOCTOR_H
#define CLUSTERCTL_DOCTOR_H

#include "doctor_name.h"

#define DOCTOR_LISTEN (6 * SECOND) /* gossip: nodes speak every 5 s or more often */
#define DOCTOR_FIND (6 * SECOND)   /* for the sources and DNS */
#define DOCTOR_ALL (14 * SECOND)
#define MESH_LARGE 70 /* nodes */

/* ---- sources ---------------------------------------------------------- */

/* The URL without its announcing: whoever hears of a node may dial it. */
static char *url_quiet(const char *url)
{
    static const char on[] = "announce=on";
    const size_t size = sizeof on - 1;
    const char *at = strchr(url, '?');
    struct text quiet = {NULL, 0, 0};
    while (at && (strncmp(at + 1, on, size) != 0 || (at[1 + size] && at[1 + size] != '&')))
        at = strchr(at + 1, '&');
    text_bytes(&quiet, url, at ? (size_t)(at + 1 - url) : strlen(url));
    if (at)
        text_add(&quiet, "announce=off");
    text_add(&quiet, at ? at + 1 + size : "");
    return quiet.at;
}

static void on_doctor_log(void *ctx, int level, const char *message, const char *setting)
{
    struct doctor *d = (struct doctor *)ctx;
    (void)level;
    (void)setting;
    if (strstr(message, "announces the own name"))
        d->announced = true;
}

static struct cluster *doctor_handle(struct doctor *d, const char *node, const char *cookie, char *error, size_t size)
{
    struct cluster_options options;
    struct cluster *c;
    cluster_options_init(&options);
    options.node = node;
    options.cookie = cookie;
    options.limit_members = 1 << 20;
    options.on_leave = "disconnect"; /* of a node that has been looked at */
    if (cookie) {
        options.tls = text_of(d->a, OPT_TLS, NULL);
        options.ca = text_of(d->a, OPT_CA, NULL);
    }
    options.log = on_doctor_log;
    options.log_ctx = d;
    options.error = error;
    options.error_size = size;
#ifdef CLUSTERCTL_OPENSSL
    memset(&d->io, 0, sizeof d->io);
    d->io.size = sizeof d->io;
    tls_openssl(&d->io);
    options.io = &d->io;
#endif
    return cluster_create(&c, &options) < 0 ? NULL : c;
}

/* The options of links are right: said at once, not when it comes to links. */
static int doctor_options(struct doctor *d)
{
    char error[512] = "";
    struct cluster *c = doctor_handle(d, "doctor@localhost", "c", error, sizeof error);
    cluster_destroy(c);
    return c ? DONE : fail(USAGE, "%s", *error ? error : "no handle was to be had");
}

/* Which URLs are understood, by a handle of this own name that goes at once. */
static int doctor_read(struct doctor *d, const char *node)
{
    char error[512] = "";
    struct cluster *c = doctor_handle(d, node, NULL, error, sizeof error);
    size_t i;
    if (!c)
        return fail(FAILED, "%s", *error ? error : "no handle was to be had");
    for (i = 0; i < d->a->count; i++) {
        struct cluster_source *s = NULL;
        char *quiet = url_quiet(d->a->operands[i]);
        if (cluster_discover(c, quiet, &s) < 0) {
            finding(&d->report, CHECK_URL, CHECK_FAIL, NULL, "%s", cluster_last_error(c));
        } else if (s) {
            names_add(&d->shown, cluster_source_url(s), strlen(cluster_source_url(s)));
            names_add(&d->urls, quiet, strlen(quiet));
            finding(&d->report, CHECK_URL, CHECK_OK, NULL, "%s", cluster_source_url(s));
        } else {
            finding(&d->report, CHECK_URL, CHECK_FAIL, NULL, "it is empty, and adds no source: a variable that is not set?");
        }
        free(quiet);
    }
    cluster_destroy(c);
    return DONE;
}

/* name@auto becomes the name that it stands for, or a finding. A name that others give is not known until they do. */
static void doctor_auto(struct doctor *d)
{
    char error[512] = "";
    struct cluster *c = doctor_handle(d, d->nameless ? "doctor@auto" : d->name, NULL, error, sizeof error);
    size_t i;
    int result = c ? 0 : CLUSTER_E_INVALID;
    for (i = 0; i < d->urls.count && !result; i++) {
        result = cluster_discover(c, d->urls.at[i], NULL);
        if (result)
            snprintf(error, sizeof error, "%s", cluster_last_error(c));
    }
    if (result)
        finding(&d->report, CHECK_NAME_CHOICE, CHECK_FAIL, d->name, "%s", error);
    d->formed = !result;
    snprintf(d->name, sizeof d->name, d->nameless && !result ? "undefined%s" : "%s",
             result ? "" : cluster_own_name(c) + (d->nameless ? strlen("doctor") : 0));
    cluster_destroy(c);
}

/* The URL for a handle without a name, which shows whether the own node is listed too: with what the own name would decide. */
static void url_unnamed(const struct doctor *d, const char *url, struct text *out)
{
    char value[16];
    const char *host = d->nameless ? NULL : strchr(d->name, '@');
    union address address;
    text_clear(out);
    text_add(out, url);
    if (host && !url_option(url, "node", value, sizeof value)) {
        char *base = copy_of(d->name);
        base[host - d->name] = '\0';
        text_add(out, strchr(out->at, '?') ? "&node=" : "?node=");
        url_add(out, base);
        free(base);
    }
    if (host && url_is(url, "dns") && !url_option(url, "type", value, sizeof value) && address_parse(host + 1, &address))
        text_format(out, "%ctype=%s", strchr(out->at, '?') ? '&' : '?', address.any.sa_family == AF_INET6 ? "aaaa" : "a");
}

/* The handle that finds the nodes. */
static int doctor_sources(struct doctor *d)
{
    static const char *const listing[] = {"static", "file", "dns", "kubernetes", "consul", "etcd", "rancher", "ec2"};
    char error[512] = "";
    struct text url = {NULL, 0, 0};
    size_t i, j, lists = 0;
    int status = DONE;
    for (i = 0; i < d->urls.count; i++)
        for (j = 0; j < COUNT(listing); j++)
            lists += url_is(d->urls.at[i], listing[j]);
    d->lists = lists == d->urls.count;
    d->loop.c = doctor_handle(d, d->lists || !*d->name ? NULL : d->name, NULL, error, sizeof error);
    if (!d->loop.c)
        return fail(FAILED, "%s", *error ? error : "no handle was to be had");
    for (i = 0; i < d->urls.count && !status; i++) {
        text_clear(&url);
        text_add(&url, d->urls.at[i]);
        if (d->lists)
            url_unnamed(d, d->urls.at[i], &url);
        if (cluster_discover(d->loop.c, url.at, NULL) < 0)
            status = fail(FAILED, "%s", cluster_last_error(d->loop.c));
    }
    text_free(&url);
    return status;
}

static void check_sources(struct doctor *d)
{
    struct cluster_source *s;
    struct cluster_counts counts;
    size_t i;
    memset(&counts, 0, sizeof counts);
    counts.size = (uint32_t)sizeof counts;
    (void)cluster_stats(d->loop.c, &counts);
    for (i = 0; i < d->shown.count && (s = cluster_source_at(d->loop.c, i)) != NULL; i++) {
        const char *url = d->shown.at[i];
        int state = cluster_source_state(s);
        bool gossip = url_is(url, "gossip");
        size_t count = cluster_source_count(s);
        if (url_is(url, "dns") && (doctor_failed(&d->report, CHECK_DNS_QUERY) || doctor_failed(&d->report, CHECK_DNS_NAME) ||
                                   doctor_failed(&d->report, CHECK_DNS_RECORDS)))
            continue; /* it was said better */
        if (state == CLUSTER_SOURCE_FAILED) {
            finding(&d->report, CHECK_SOURCE, CHECK_FAIL, url, "%s",
                    *cluster_source_why(s) ? cluster_source_why(s) : cluster_strerror(cluster_source_error(s)));
            continue;
        }
        if (gossip && counts.dropped)
            finding(&d->report, CHECK_GOSSIP_SECRET, count ? CHECK_WARN : CHECK_FAIL, url,
                    "%lu packets came that cannot be read: a secret on one side only, another secret, or another wire",
                    (unsigned long)counts.dropped);
        if (gossip && !count) {
            finding(&d->report, CHECK_GOSSIP_HEARD, counts.dropped ? CHECK_WARN : CHECK_FAIL, url,
                    "no node was heard in %lu ms", (unsigned long)((cluster_now() - d->began) / MILLISECOND));
        } else if (gossip) {
            finding(&d->report, CHECK_GOSSIP_HEARD, CHECK_OK, url, "nodes heard: %lu", (unsigned long)count);
        } else if (state == CLUSTER_SOURCE_STARTING) {
            finding(&d->report, CHECK_SOURCE, CHECK_FAIL, url, "no answer in %lu s", (unsigned long)(DOCTOR_FIND / SECOND));
        } else {
            finding(&d->report, CHECK_SOURCE, CHECK_OK, url, "it answers");
            if (count)
                finding(&d->report, CHECK_ANSWER, CHECK_OK, url, "nodes: %lu", (unsigned long)count);
            else
                finding(&d->report, CHECK_ANSWER, CHECK_FAIL, url, "the answer is complete, and names no node");
        }
    }
}

/* epmd: sources with another port than the nodes of this host use. */
static void check_epmd_ports(struct doctor *d)
{
    struct names items = {NULL, 0};
    char host[256];
    size_t i, j;
    for (i = 0; i < d->urls.count; i++) {
        if (!url_is(d->urls.at[i], "epmd"))
            continue;
        url_items(d->urls.at[i], &items);
        for (j = 0; j < items.count; j++) {
            uint32_t port = d->epmd_ports[0];
            host_port(items.at[j], host, sizeof host, &port);
            doctor_epmd_port(d, port);
            if (port != d->epmd_ports[0])
                finding(&d->report, CHECK_EPMD_PORT, CHECK_FAIL, items.at[j],
                        "its epmd is asked on port %lu, and the nodes of this host use %lu", (unsigned long)port,
                        (unsigned long)d->epmd_ports[0]);
        }
    }
    names_clear(&items);
}

/* ---- finding nodes ---------------------------------------------------- */

/* Gossip is listened to for as long as nodes may be silent; all else ends when it has answered. */
static bool sources_are_done(const struct doctor *d)
{
    struct cluster_source *s;
    size_t i;
    bool gossip = false;
    for (i = 0; (s = cluster_source_at(d->loop.c, i)) != NULL; i++) {
        if (url_is(cluster_source_url(s), "gossip"))
            gossip = gossip || cluster_source_state(s) != CLUSTER_SOURCE_FAILED;
        else if (cluster_source_state(s) == CLUSTER_SOURCE_STARTING)
            return false;
    }
    return !d->own_request && !d->registry_request && (!gossip || cluster_now() - d->began >= d->listen);
}

static void doctor_find(struct doctor *d)
{
    const struct cluster_event *e;
    const struct cluster_member *m;
    uint64_t end = d->began + DOCTOR_FIND;
    size_t i;
    while (!sources_are_done(d) && !signal_end && cluster_now() < end) {
        doctor_progress(&d->report, "asking the sources", 0, 0, d->began);
        doctor_turn(d, cluster_now() + 200 * MILLISECOND < end ? cluster_now() + 200 * MILLISECOND : end);
        while ((e = cluster_next_event(d->loop.c)) != NULL)
            if (e->type == CLUSTER_REPLY && e->request == d->own_request)
                own_host_resolved(d, e);
            else if (e->type == CLUSTER_REPLY && e->request == d->registry_request)
                own_registry(d, e);
    }
    if (d->own_request)
        finding(&d->report, CHECK_NAME_RESOLVES, CHECK_FAIL, strchr(d->name, '@') + 1, "no answer in time");
    check_dns(d);
    check_sources(d);
    check_epmd_ports(d);
    for (i = 0; (m = cluster_member_at(d->loop.c, i)) != NULL; i++)
        if (strcmp(m->name, d->name) != 0)
            node_add(d, m);
    check_kinds(d);
    if (d->own_addressed)
        check_choice(d);
}

/* Name and URLs, and the handle for them. */
static int doctor_begin(struct doctor *d)
{
    char stand_in[300];
    const char *host = strchr(d->name, '@');
    bool finds = host && !strcmp(host, "@auto");
    int status;
    snprintf(stand_in, sizeof stand_in, "%.*s@localhost", (int)(host ? host - d->name : 0), d->name);
    status = doctor_read(d, !host ? NULL : finds ? stand_in : d->name);
    if (!status && finds && d->urls.count)
        doctor_auto(d);
    if (!*d->name && finds)
        snprintf(d->name, sizeof d->name, "%s", stand_in);
    return !status && d->urls.count ? doctor_sources(d) : status;
}

/* ---- the whole -------------------------------------------------------- */

/* ~/.erlang.cookie is there and private, or one was named. */
static int doctor_cookie(struct doctor *d, char *cookie)
{
    const char *home = getenv("HOME");
    char path[1024];
    struct stat info;
    snprintf(path, sizeof path, "%s/.erlang.cookie", home ? home : "");
    if (!given(d->a, OPT_COOKIE) && !given(d->a, OPT_COOKIE_FILE) && (stat(path, &info) < 0 || (info.st_mode & 077))) {
        finding(&d->report, CHECK_COOKIE_HERE, CHECK_WARN, NULL, "%s is not there, or others can read it", path);
        return DONE;
    }
    if (!given(d->a, OPT_COOKIE) && !given(d->a, OPT_COOKIE_FILE))
        finding(&d->report, CHECK_COOKIE_HERE, CHECK_OK, NULL, "that of %s", path);
    return find_cookie(d->a, cookie);
}

static void check_after(struct doctor *d)
{
    size_t i, up = 0, quorum = (size_t)number_of(d->a, OPT_QUORUM, 0), there;
    for (i = 0; i < d->count; i++)
        up += d->nodes[i].up;
    check_headless(d);
    if (d->announced)
        finding(&d->report, CHECK_NAME_TAKEN, CHECK_FAIL, d->name, "another node announces this name by gossip");
    if (up > MESH_LARGE)
        finding(&d->report, CHECK_MESH, CHECK_WARN, NULL, "%lu nodes are linked: each to each that is %lu links",
                (unsigned long)up + 1, (unsigned long)((up + 1) * up / 2));
    there = (d->links ? up : d->count) + 1;
    if (quorum)
        finding(&d->report, CHECK_QUORUM, there >= quorum ? CHECK_OK : CHECK_FAIL, NULL,
                "%lu of %lu nodes are %s, this one counted", (unsigned long)there, (unsigned long)quorum,
                d->links ? "linked" : "listed");
}

static int doctor_end(struct doctor *d, int status)
{
    size_t i;
    if (d->loop.c)
        loop_end(&d->loop);
    for (i = 0; i < d->count; i++)
        node_clear(&d->nodes[i]);
    for (i = 0; i < d->question_count; i++) {
        free(d->questions[i].name);
        free(d->questions[i].server);
        free(d->questions[i].why);
    }
    free(d->nodes);
    free(d->questions);
    free(d->watched);
    names_clear(&d->urls);
    names_clear(&d->shown);
    if (status)
        return status;
    doctor_sum(&d->report);
    return signal_end ? FAILED : doctor_count(&d->report, CHECK_FAIL) ? NEGATIVE : DONE;
}

static int run_doctor(const struct arguments *a)
{
    struct doctor d;
    struct cluster *c;
    char cookie[COOKIE_SIZE] = "", error[512] = "";
    size_t i;
    int status;
    if (given(a, OPT_CHECKS))
        return doctor_table(given(a, OPT_JSON));
    if (!a->count)
        return fail(USAGE, "`doctor` needs more: clusterctl doctor %s", a->command->synopsis);
    memset(&d, 0, sizeof d);
    d.a = a;
    d.own = text_of(a, OPT_NODE, NULL);
    d.report.json = given(a, OPT_JSON);
    d.report.colour = wants_colour(STDOUT_FILENO);
    d.report.progress = is_terminal(STDERR_FILENO);
    d.began = cluster_now();
    d.listen = number_of(a, OPT_FOR, DOCTOR_LISTEN);
    doctor_epmd_port(&d, environment_port());
    doctor_epmd_port(&d, 4369);
    status = signals_begin();
    if (!status)
        status = doctor_cookie(&d, cookie);
    if (!status)
        status = doctor_options(&d);
    if (status)
        return doctor_end(&d, status);
    check_form(&d);
    status = doctor_begin(&d);
    if (!status && d.loop.c) {
        c = d.loop.c;
        loop_begin(&d.loop, c, signal_pipe[0]);
        for (i = 0; i < d.urls.count; i++)
            if (url_is(d.urls.at[i], "gossip") && cluster_now() < d.began + DOCTOR_FIND / 2) /* each may take a second */
                check_group(&d.report, d.urls.at[i]);
        begin_own_host(&d);
        begin_dns(&d);
        doctor_find(&d);
        loop_end(&d.loop);
        nodes_name(&d, cookie);
        d.loop.c = doctor_handle(&d, d.links ? d.dials : NULL, d.links ? cookie : NULL, error, sizeof error);
        if (!d.loop.c)
            return doctor_end(&d, fail(FAILED, "%s", error));
        loop_begin(&d.loop, d.loop.c, signal_pipe[0]);
        nodes_check(&d, d.began + DOCTOR_ALL);
        check_after(&d);
    }
    return doctor_end(&d, status);
}

#endif
