/*
 * What doctor finds out about each node that a source lists, many at a time: its host, its epmd, its name there, its port, a link
 * to it and an answer over that link. The first step that fails ends it.
 *
 *   WAITS -> HOST -> EPMD -> NAMES -> PORT -> READY -> LISTED -> LINK -> TICK -> DONE
 *              (the port is known: on to PORT)  (no cookie: DONE)
 */
#ifndef CLUSTERCTL_DOCTOR_NODES_H
#define CLUSTERCTL_DOCTOR_NODES_H

#include "doctor_dns.h"

#define NODES_AT_A_TIME 256u
#define TICK_TIME SECOND

static void node_add(struct doctor *d, const struct cluster_member *m)
{
    struct node *n;
    size_t i;
    d->nodes = (struct node *)grow(d->nodes, (d->count + 1) * sizeof *d->nodes);
    n = &d->nodes[d->count++];
    memset(n, 0, sizeof *n);
    n->probe.fd = -1;
    n->name = copy_of(m->name);
    n->port = m->port;
    n->known = m->port != 0;
    for (i = 0, n->registered = n->known; i < d->urls.count; i++)
        n->registered = n->registered && (url_is(d->urls.at[i], "epmd") || url_is(d->urls.at[i], "hosts"));
    n->addressed = address_parse(*m->address ? m->address : m->host, &n->address);
}

static void node_clear(struct node *n)
{
    if (n->probe.fd >= 0)
        close(n->probe.fd);
    free(n->name);
}

static void node_fail(struct doctor *d, struct node *n, enum doctor_check check, const char *format, ...) PRINTF_LIKE(4, 5);

/* The end of the way for a node. */
static void node_fail(struct doctor *d, struct node *n, enum doctor_check check, const char *format, ...)
{
    char cause[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(cause, sizeof cause, format, list);
    va_end(list);
    finding(&d->report, check, CHECK_FAIL, n->name, "%s", cause);
    n->step = NODE_DONE;
}

static void node_try_port(struct node *n)
{
    n->step = NODE_PORT;
    probe_begin(&n->probe, &n->address, n->port);
}

static void node_try_epmd(struct doctor *d, struct node *n)
{
    n->step = NODE_EPMD;
    probe_begin(&n->probe, &n->address, d->epmd_ports[n->epmd]);
}

static void node_begin(struct doctor *d, struct node *n)
{
    char question[300];
    n->began = cluster_now();
    if (n->addressed && n->known) {
        node_try_port(n);
    } else if (n->addressed) {
        node_try_epmd(d, n);
    } else {
        n->step = NODE_HOST;
        snprintf(question, sizeof question, "%.255s?hosts=on&search=on", strchr(n->name, '@') + 1);
        if (cluster_resolve(d->loop.c, question, NULL, &n->request) < 0)
            node_fail(d, n, CHECK_HOST, "%s", cluster_last_error(d->loop.c));
    }
}

/* The epmd at this port has no such node, or is none: is there one at another port? False: no port is left. */
static bool node_next_epmd(struct doctor *d, struct node *n)
{
    if (n->epmd + 1 >= d->epmd_port_count)
        return false;
    n->epmd++;
    node_try_epmd(d, n);
    return true;
}

/* What the first epmd said is what counts when no other one has it either. */
static void node_unknown(struct doctor *d, struct node *n, const char *seen)
{
    if (!n->epmd)
        snprintf(n->seen, sizeof n->seen, "%s", seen);
    if (node_next_epmd(d, n))
        return;
    if (*n->seen)
        node_fail(d, n, CHECK_REGISTERED, "%s", n->seen);
    else
        node_fail(d, n, CHECK_EPMD, "port %lu of its host refuses at once: no epmd runs there",
                  (unsigned long)d->epmd_ports[0]);
}

static void node_closed(struct doctor *d, struct node *n, enum probe_state state, uint32_t port)
{
    if (state == PROBE_SILENT)
        node_fail(d, n, CHECK_FIREWALL, "no answer from port %lu in %lu s, not even a refusal", (unsigned long)port,
                  (unsigned long)(n->probe.took / SECOND));
    else
        node_fail(d, n, CHECK_ROUTE, "port %lu: %s", (unsigned long)port, strerror(n->probe.error));
}

/* A probe has ended. */
static void node_probed(struct doctor *d, struct node *n)
{
    char host[64], at[80];
    uint32_t port = n->step == NODE_EPMD ? d->epmd_ports[n->epmd] : n->port;
    enum probe_state state = n->probe.state;
    n->probe.state = PROBE_NONE;
    if (n->step == NODE_EPMD && state == PROBE_OPEN) {
        address_text(&n->address, host);
        snprintf(at, sizeof at, strchr(host, ':') ? "[%s]:%lu" : "%s:%lu", host, (unsigned long)port);
        n->step = NODE_NAMES;
        if (cluster_epmd_names(d->loop.c, at, &n->request) < 0)
            node_fail(d, n, CHECK_EPMD, "%s", cluster_last_error(d->loop.c));
    } else if (n->step == NODE_EPMD && (state == PROBE_REFUSED || n->epmd)) {
        node_unknown(d, n, "");
    } else if (n->step == NODE_PORT && state == PROBE_OPEN) {
        finding(&d->report, CHECK_PORT, CHECK_OK, n->name, "port %lu is open (%lu ms)", (unsigned long)port,
                (unsigned long)(n->probe.took / MILLISECOND));
        n->step = d->links ? NODE_READY : NODE_DONE;
    } else if (n->step == NODE_PORT && state == PROBE_REFUSED) {
        node_fail(d, n, CHECK_PORT, "%s port %lu, and that refuses at once", n->known ? "a source says" : "epmd says",
                  (unsigned long)port);
    } else {
        node_closed(d, n, state, port);
    }
}

/* The port of a name in epmd's lines; 0: it is not there. *seen gets the names. */
static uint32_t names_port(const char *lines, const char *node, char *seen, size_t capacity)
{
    struct names list = {NULL, 0};
    size_t i, length = strcspn(node, "@"), used = 0;
    uint32_t port = 0;
    *seen = '\0';
    names_split(&list, lines, '\n');
    for (i = 0; i < list.count; i++) {
        const char *space = strrchr(list.at[i], ' ');
        size_t name = space ? (size_t)(space - list.at[i]) : 0;
        if (name == length && !strncmp(list.at[i], node, length))
            port = (uint32_t)strtoul(space + 1, NULL, 10);
        if (name && used < capacity)
            used += (size_t)snprintf(seen + used, capacity - used, "%s%.*s", used ? ", " : "", (int)name, list.at[i]);
    }
    names_clear(&list);
    return port;
}

static void node_named(struct doctor *d, struct node *n, const struct cluster_event *reply)
{
    unsigned long port = d->epmd_ports[n->epmd];
    char seen[120] = "", said[160];
    if (reply->error && !n->epmd) {
        node_fail(d, n, CHECK_EPMD, "port %lu is open, and no epmd: %s", port, reply->text);
        return;
    }
    if (!reply->error)
        n->port = names_port(reply->text, n->name, seen, sizeof seen);
    if (!n->epmd && !reply->error)
        finding(&d->report, CHECK_EPMD, CHECK_OK, n->name, "it answers on port %lu, and has %s", port,
                *seen ? seen : "no name");
    if (reply->error || !n->port) {
        snprintf(said, sizeof said, *seen ? "epmd has %s" : "epmd has no name at all", seen);
        node_unknown(d, n, reply->error ? "" : said);
        return;
    }
    if (n->epmd)
        finding(&d->report, CHECK_EPMD_PORT, CHECK_FAIL, n->name,
                "it is registered with an epmd on port %lu, and this host asks %lu", port, (unsigned long)d->epmd_ports[0]);
    finding(&d->report, CHECK_REGISTERED, CHECK_OK, n->name, "at port %lu", (unsigned long)n->port);
    n->registered = true;
    node_try_port(n);
}

static void node_resolved(struct doctor *d, struct node *n, const struct cluster_event *reply)
{
    struct names lines = {NULL, 0};
    size_t i;
    if (reply->error) {
        node_fail(d, n, CHECK_HOST, "%s", reply->text);
        return;
    }
    names_split(&lines, reply->text, '\n');
    for (i = 0; i < lines.count && !n->addressed; i++)
        n->addressed = address_parse(lines.at[i], &n->address);
    if (n->addressed) {
        finding(&d->report, CHECK_HOST, CHECK_OK, n->name, "%s", lines.at[i - 1]);
        node_begin(d, n);
    } else {
        node_fail(d, n, CHECK_HOST, "no address");
    }
    names_clear(&lines);
}

/* The link, or why there is none. What was wrong with host, epmd and port has been said before. */
static void node_linked(struct doctor *d, struct node *n, const struct cluster_event *reply)
{
    static const unsigned char no_arguments[] = {131, 106};
    static const struct {
        int error;
        enum doctor_check check;
    } causes[] = {
        {CLUSTER_E_PERMISSION, CHECK_COOKIE},    {CLUSTER_E_EXISTS, CHECK_NAME_TAKEN}, {CLUSTER_E_UNSUPPORTED, CHECK_FLAGS},
        {CLUSTER_E_NOT_FOUND, CHECK_NAME_OTHER}, {CLUSTER_E_TIMEOUT, CHECK_SILENT},
    };
    enum doctor_check check = CHECK_HANDSHAKE;
    const struct cluster_member *m;
    size_t i;
    if (reply->error) {
        for (i = 0; i < COUNT(causes); i++)
            check = causes[i].error == reply->error ? causes[i].check : check;
        if (strstr(reply->text, "certificate"))
            check = CHECK_CERTIFICATE;
        m = cluster_member_find(d->loop.c, n->name);
        if (check == CHECK_SILENT && m && m->state == CLUSTER_MEMBER_UP)
            check = CHECK_TICK;
        n->other = check == CHECK_NAME_OTHER;
        node_fail(d, n, check, "%s%s", reply->text,
                  check == CHECK_NAME_TAKEN ? d->dials
                  : n->other && n->registered
                      ? ": what stands before its '@' is right, the host is another; -sname, or other address"
                      : "");
        return;
    }
    n->up = true;
    finding(&d->report, CHECK_HANDSHAKE, CHECK_OK, n->name, "it takes a link of %s, and knows the cookie", d->dials);
    n->step = NODE_TICK;
    n->began = cluster_now();
    if (cluster_call(d->loop.c, n->name, "net_kernel", "get_net_ticktime", no_arguments, sizeof no_arguments, TICK_TIME,
                     &n->request) < 0)
        node_fail(d, n, CHECK_TICK, "%s", cluster_last_error(d->loop.c));
}

/* An answer to the second question, or none: who is no node of OTP has no tick time to tell. The first one was answered. */
static void node_ticked(struct doctor *d, struct node *n, const struct cluster_event *reply)
{
    char text[32] = "";
    if (reply->error && reply->error != CLUSTER_E_TIMEOUT) {
        node_fail(d, n, CHECK_TICK, "it took the link, and then: %s", reply->text);
        return;
    }
    n->step = NODE_DONE;
    if (!reply->error)
        (void)cluster_term_print(reply->term, (size_t)reply->term_size, text, sizeof text);
    if (text[0] < '0' || text[0] > '9') {
        finding(&d->report, CHECK_TICK, CHECK_OK, n->name, "it answers");
        return;
    }
    if (!*d->tick)
        snprintf(d->tick, sizeof d->tick, "%s", text);
    if (strcmp(d->tick, text) != 0)
        finding(&d->report, CHECK_TICK, CHECK_WARN, n->name, "its net_ticktime is %s s, that of others is %s s", text, d->tick);
    else
        finding(&d->report, CHECK_TICK, CHECK_OK, n->name, "it answers; its net_ticktime is %s s", text);
}

static void node_replied(struct doctor *d, const struct cluster_event *reply)
{
    size_t i;
    for (i = 0; i < d->count; i++) {
        struct node *n = &d->nodes[i];
        if (n->request != reply->request || n->step == NODE_DONE)
            continue;
        n->request = 0;
        if (n->step == NODE_HOST)
            node_resolved(d, n, reply);
        else if (n->step == NODE_NAMES)
            node_named(d, n, reply);
        else if (n->step == NODE_LINK)
            node_linked(d, n, reply);
        else if (n->step == NODE_TICK)
            node_ticked(d, n, reply);
        return;
    }
}

/* Tell the handle where the nodes are that wait for a link; in the step after that they are dialled. */
static void nodes_dial(struct doctor *d)
{
    struct cluster_node *list;
    char(*texts)[64];
    size_t i, count = 0;
    bool ready = false;
    for (i = 0; i < d->count; i++) {
        struct node *n = &d->nodes[i];
        ready = ready || n->step == NODE_READY;
        if (n->step != NODE_LISTED)
            continue;
        n->step = NODE_LINK;
        n->began = cluster_now();
        if (cluster_ping(d->loop.c, n->name, &n->request) < 0)
            node_fail(d, n, CHECK_HANDSHAKE, "%s", cluster_last_error(d->loop.c));
    }
    if (!ready)
        return;
    list = (struct cluster_node *)grow(NULL, d->count * sizeof *list);
    texts = (char(*)[64])grow(NULL, d->count * sizeof *texts);
    memset(list, 0, d->count * sizeof *list);
    for (i = 0; i < d->count; i++) {
        struct node *n = &d->nodes[i];
        if (n->step == NODE_READY)
            n->step = NODE_LISTED;
        if (n->step < NODE_LISTED || n->step == NODE_DONE)
            continue;
        list[count].size = (uint32_t)sizeof *list;
        list[count].name = n->name;
        list[count].address = address_text(&n->address, texts[count]);
        list[count].port = n->port;
        count++;
    }
    if (cluster_source_publish(d->push, list, count) < 0)
        for (i = 0; i < d->count; i++)
            if (d->nodes[i].step == NODE_LISTED)
                node_fail(d, &d->nodes[i], CHECK_HANDSHAKE, "%s", cluster_last_error(d->loop.c));
    free(list);
    free(texts);
}

/* What is left when time is over. */
static void nodes_over(struct doctor *d)
{
    size_t i, late = 0;
    for (i = 0; i < d->count; i++) {
        struct node *n = &d->nodes[i];
        uint64_t waited = cluster_now() - n->began;
        if (n->step == NODE_DONE)
            continue;
        if (n->step == NODE_WAITS || waited < PROBE_TIME) {
            late++;
            continue;
        }
        node_fail(d, n,
                  n->step == NODE_HOST                           ? CHECK_HOST
                  : n->step == NODE_NAMES                        ? CHECK_EPMD
                  : n->step == NODE_EPMD || n->step == NODE_PORT ? CHECK_FIREWALL
                  : n->step == NODE_TICK                         ? CHECK_TICK
                                                                 : CHECK_SILENT,
                  "no answer in %lu s", (unsigned long)(waited / SECOND));
    }
    if (late)
        finding(&d->report, CHECK_TIME, CHECK_WARN, NULL, "%lu of %lu nodes were not looked at, or not to the end",
                (unsigned long)late, (unsigned long)d->count);
}

/* As whom links are tried: the own name, unless that node runs here already. Without one, one of the nodes' own kind. */
static void nodes_name(struct doctor *d, const char *cookie)
{
    const char *host = d->formed ? strchr(d->name, '@') : d->count ? strchr(d->nodes[0].name, '@') : "@localhost";
    d->links = *cookie && d->count;
    if (d->formed && !d->nameless && !(d->registered && d->own_addressed))
        snprintf(d->dials, sizeof d->dials, "%s", d->name);
    else
        snprintf(d->dials, sizeof d->dials, "doctor-%ld%.255s", (long)getpid(), host);
}

/* As many as there are descriptors for, two a node. */
static size_t nodes_at_a_time(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= 32 + 2 * NODES_AT_A_TIME)
        return NODES_AT_A_TIME;
    return files.rlim_cur > 34 ? (size_t)(files.rlim_cur - 32) / 2 : 1;
}

static void nodes_check(struct doctor *d, uint64_t end)
{
    const struct cluster_event *e;
    size_t next = 0, i, active, done, most = nodes_at_a_time();
    if (cluster_discover(d->loop.c, "push:doctor", &d->push) < 0)
        return;
    for (;;) {
        uint64_t now = cluster_now();
        for (i = active = done = 0; i < d->count; i++) {
            active += d->nodes[i].step != NODE_WAITS && d->nodes[i].step != NODE_DONE;
            done += d->nodes[i].step == NODE_DONE;
        }
        if (done == d->count || signal_end || now >= end)
            break;
        for (; next < d->count && active < most; next++, active++)
            node_begin(d, &d->nodes[next]);
        nodes_dial(d);
        doctor_progress(&d->report, "asking the nodes", done, d->count, d->began);
        doctor_turn(d, now + 200 * MILLISECOND < end ? now + 200 * MILLISECOND : end);
        while ((e = cluster_next_event(d->loop.c)) != NULL)
            if (e->type == CLUSTER_REPLY)
                node_replied(d, e);
        for (i = 0; i < d->count; i++)
            if ((d->nodes[i].step == NODE_EPMD || d->nodes[i].step == NODE_PORT) && d->nodes[i].probe.state > PROBE_RUNS)
                node_probed(d, &d->nodes[i]);
    }
    nodes_over(d);
}

#endif
