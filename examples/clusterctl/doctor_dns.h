/*
 * What doctor asks DNS: the questions of each dns: URL once more, by a strategy of its own, since that is told the code, the number
 * and the way of each answer; and each server alone.
 */
#ifndef CLUSTERCTL_DOCTOR_DNS_H
#define CLUSTERCTL_DOCTOR_DNS_H

#include "doctor_state.h"
#include "resolve.h"

#define DOCTOR_DNS "doctor-dns" /* the scheme */

/* Questions of one URL: so many from the first on. */
struct look {
    struct doctor *d;
    struct cluster_source *source;
    size_t first, count, left;
};

static const char *dns_type_name(uint32_t type)
{
    return type == CLUSTER_DNS_SRV ? "SRV" : type == CLUSTER_DNS_AAAA ? "AAAA" : "A";
}

static void look_add(struct look *l, const char *name, uint32_t type, size_t url, const char *server)
{
    struct doctor *d = l->d;
    struct question *q;
    d->questions = (struct question *)grow(d->questions, (d->question_count + 1) * sizeof *d->questions);
    q = &d->questions[d->question_count++];
    memset(q, 0, sizeof *q);
    q->name = copy_of(name);
    q->type = type;
    q->url = url;
    q->server = server ? copy_of(server) : NULL;
    l->count++;
}

/* The types that a dns: source would ask for. */
static size_t look_types(const struct doctor *d, const struct cluster_source *s, uint32_t out[2])
{
    const char *type = cluster_source_option(s, "type"), *own = strchr(d->name, '@');
    union address address;
    out[0] = CLUSTER_DNS_A;
    out[1] = CLUSTER_DNS_AAAA;
    if (type && !strcmp(type, "srv"))
        out[0] = CLUSTER_DNS_SRV;
    else if (type && !strcmp(type, "aaaa"))
        out[0] = CLUSTER_DNS_AAAA;
    else if (!type && own && address_parse(own + 1, &address))
        out[0] = address.any.sa_family == AF_INET6 ? CLUSTER_DNS_AAAA : CLUSTER_DNS_A;
    else if (!type || strcmp(type, "a") != 0)
        return 2;
    return 1;
}

static int look_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct look *l = (struct look *)grow(NULL, sizeof *l);
    const char *url = cluster_source_option(s, "operand"), *item = NULL, *server = cluster_source_option(s, "probe");
    uint32_t types[2];
    size_t i, count = look_types((const struct doctor *)ctx, s, types);
    (void)target;
    memset(l, 0, sizeof *l);
    l->d = (struct doctor *)ctx;
    l->source = s;
    l->first = l->d->question_count;
    *state = l;
    while ((item = cluster_source_item(s, item)) != NULL) {
        const char *at = strchr(item, '@');
        for (i = 0; i < (server ? 1 : count); i++)
            look_add(l, at ? at + 1 : item, types[i], url ? strtoul(url, NULL, 10) : 0, server);
        if (server)
            break;
    }
    return 0;
}

/* All is asked at once. A second round has nothing to ask. */
static int look_round(void *state, uint64_t now)
{
    struct look *l = (struct look *)state;
    size_t i;
    (void)now;
    l->left = 0;
    for (i = 0; i < l->count; i++) {
        struct question *q = &l->d->questions[l->first + i];
        int result = q->done ? 1 : cluster_source_resolve(l->source, (uint32_t)i, q->name, q->type);
        if (result < 0) {
            q->done = true;
            q->error = result;
            q->why = copy_of(cluster_strerror(result));
        }
        l->left += result == 0;
    }
    return l->left ? 0 : cluster_source_publish(l->source, NULL, 0);
}

static int look_ready(void *state, int fd, int slot, uint64_t now)
{
    struct look *l = (struct look *)state;
    struct question *q = &l->d->questions[l->first + (size_t)slot];
    struct cluster_dns_answer answer;
    struct cluster_record record;
    (void)now;
    answer.size = (uint32_t)sizeof answer;
    record.size = (uint32_t)sizeof record;
    if (fd != CLUSTER_ANSWERED || q->done || cluster_source_answer(l->source, (uint32_t)slot, &answer) < 0)
        return 0;
    q->done = true;
    q->error = answer.error;
    q->rcode = answer.rcode;
    q->count = answer.count;
    q->ttl = answer.ttl;
    q->flags = answer.flags;
    q->why = copy_of(answer.why);
    if (cluster_source_record(l->source, (uint32_t)slot, &record) == 1 && record.address.family)
        inet_ntop(record.address.family == 6 ? AF_INET6 : AF_INET, record.address.bytes, q->first, sizeof q->first);
    return --l->left ? 0 : cluster_source_publish(l->source, NULL, 0);
}

static void look_close(void *state)
{
    free(state);
}

/* The servers of a URL, or of /etc/resolv.conf. */
static void dns_servers(const char *url, struct names *out)
{
    char value[1024], line[256], server[128];
    FILE *f;
    names_clear(out);
    if (url_option(url, "server", value, sizeof value)) {
        names_split(out, value, ',');
        return;
    }
    f = fopen("/etc/resolv.conf", "r");
    while (f && out->count < 3 && fgets(line, sizeof line, f))
        if (sscanf(line, " nameserver %127s", server) == 1)
            names_add(out, server, strlen(server));
    if (f)
        fclose(f);
    if (!out->count)
        names_add(out, "127.0.0.1", strlen("127.0.0.1"));
}

/* Questions go where the URL says; what is not theirs is left out. */
static void look_begin(struct doctor *d, size_t operand, const char *server)
{
    static const char *const kept[] = {"type", "server", "search", "hosts", "tcp"};
    const char *url = d->urls.at[operand];
    struct text t = {NULL, 0, 0};
    char value[1024];
    size_t i;
    text_add(&t, DOCTOR_DNS);
    text_bytes(&t, url + 3, strcspn(url + 3, "?"));
    text_format(&t, "?operand=%lu", (unsigned long)operand);
    for (i = 0; i < COUNT(kept); i++)
        if (!(server && !strcmp(kept[i], "server")) && url_option(url, kept[i], value, sizeof value)) {
            text_format(&t, "&%s=", kept[i]);
            url_add(&t, value);
        }
    if (server) {
        text_add(&t, "&server=");
        url_add(&t, server);
        text_add(&t, "&probe=");
        url_add(&t, server);
    }
    if (cluster_discover(d->loop.c, t.at, NULL) < 0)
        finding(&d->report, CHECK_DNS_QUERY, CHECK_FAIL, server, "%s", cluster_last_error(d->loop.c));
    text_free(&t);
}

static void begin_dns(struct doctor *d)
{
    struct cluster_strategy s;
    struct names servers = {NULL, 0};
    size_t i, j;
    memset(&s, 0, sizeof s);
    s.size = (uint32_t)sizeof s;
    s.open = look_open;
    s.round = look_round;
    s.ready = look_ready;
    s.close = look_close;
    s.options = "type server search hosts tcp operand probe";
    s.interval_ns = CLUSTER_NEVER;
    (void)cluster_strategy_register(d->loop.c, DOCTOR_DNS, &s, d);
    for (i = 0; i < d->urls.count; i++) {
        if (!url_is(d->urls.at[i], "dns"))
            continue;
        look_begin(d, i, NULL);
        dns_servers(d->urls.at[i], &servers);
        for (j = 0; j < servers.count; j++)
            look_begin(d, i, servers.at[j]);
    }
    names_clear(&servers);
}

/* ---- what came of it -------------------------------------------------- */

static void check_question(struct doctor *d, const struct question *q)
{
    if (q->server) {
        bool spoke = q->done && (!q->error || q->rcode);
        finding(&d->report, CHECK_DNS_SERVER, spoke ? CHECK_OK : CHECK_FAIL, q->server, "%s",
                spoke               ? "it answers"
                : q->why && *q->why ? q->why
                                    : "no answer in time");
    } else if (!q->done || q->error) {
        finding(&d->report, CHECK_DNS_QUERY, CHECK_FAIL, q->name, "%s: %s", dns_type_name(q->type),
                q->why && *q->why ? q->why : "no answer in time");
    } else {
        bool asked_by_tcp = url_option_is(d->urls.at[q->url], "tcp", "on") || url_option_is(d->urls.at[q->url], "tcp", "keep");
        finding(&d->report, CHECK_DNS_QUERY, CHECK_OK, q->name, "%s: %s, %lu records, good for %lu s, %s",
                dns_type_name(q->type), q->rcode == 3 ? "NXDOMAIN" : "NOERROR", (unsigned long)q->count, (unsigned long)q->ttl,
                q->flags & CLUSTER_ANSWER_HOSTS    ? "from /etc/hosts"
                : !(q->flags & CLUSTER_ANSWER_TCP) ? "over UDP"
                : asked_by_tcp                     ? "over TCP"
                                                   : "truncated, so over TCP");
    }
}

/* The questions on one name, one after another: all of them together. */
static size_t check_name(struct doctor *d, size_t at)
{
    const struct question *first = &d->questions[at];
    size_t end = at, records = 0;
    bool failed = false, exists = false;
    for (; end < d->question_count && d->questions[end].url == first->url && !d->questions[end].server &&
           !strcmp(d->questions[end].name, first->name);
         end++) {
        const struct question *q = &d->questions[end];
        records += q->count;
        failed = failed || !q->done || q->error;
        exists = exists || q->rcode != 3;
    }
    if (failed)
        return end;
    if (!exists) {
        finding(&d->report, CHECK_DNS_NAME, CHECK_FAIL, first->name, "there is no such name (NXDOMAIN)");
        return end;
    }
    finding(&d->report, CHECK_DNS_NAME, CHECK_OK, first->name, "it is there");
    if (records)
        finding(&d->report, CHECK_DNS_RECORDS, CHECK_OK, first->name, "%lu", (unsigned long)records);
    else
        finding(&d->report, CHECK_DNS_RECORDS, CHECK_FAIL, first->name, "the name is there, and has no %s%s record",
                dns_type_name(first->type), end - at > 1 ? " and no AAAA" : "");
    return end;
}

static void check_dns(struct doctor *d)
{
    size_t i;
    for (i = 0; i < d->question_count; i++)
        check_question(d, &d->questions[i]);
    for (i = 0; i < d->question_count;)
        i = d->questions[i].server ? i + 1 : check_name(d, i);
}

/* A name with one address, which is not that of a node: that of a service. */
static void check_headless(struct doctor *d)
{
    size_t i, j;
    for (i = 0; i < d->question_count; i++) {
        const struct question *q = &d->questions[i];
        const struct node *found = NULL;
        bool pods = strstr(q->name, ".svc") != NULL, alone = true;
        for (j = 0; j < d->question_count; j++)
            alone = alone &&
                    (j == i || d->questions[j].server || !d->questions[j].count || strcmp(d->questions[j].name, q->name) != 0);
        if (q->server || q->count != 1 || !alone || q->type == CLUSTER_DNS_SRV)
            continue;
        for (j = 0; j < d->count; j++) {
            const char *host = strchr(d->nodes[j].name, '@') + 1;
            found = strcmp(host, q->first) == 0 ? &d->nodes[j] : found;
        }
        if (!found)
            continue;
        if (found->other)
            finding(&d->report, CHECK_HEADLESS, CHECK_FAIL, q->name,
                    "its one address, %s, leads to a node of another name: it stands for several", q->first);
        else if (!found->up && pods)
            finding(&d->report, CHECK_HEADLESS, CHECK_WARN, q->name,
                    "one address, %s, with no node of this name there: the virtual one of a Service?", q->first);
        else
            finding(&d->report, CHECK_HEADLESS, CHECK_OK, q->name, "one address, %s", q->first);
    }
}

#endif
