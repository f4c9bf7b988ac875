/*
 * watch: an event a line.
 */
#ifndef CLUSTERCTL_WATCH_H
#define CLUSTERCTL_WATCH_H

#include "sources.h"

/* What was last printed of a member: it tells what a change was from, and what a resync left out. */
struct seen {
    char *name, *address, *zone, *role;
    uint32_t port, weight, flags;
};

struct roster {
    struct seen **at; /* by name */
    size_t count, capacity;
};

struct watch {
    struct loop loop;
    struct roster roster;
    bool json, colour;
};

static size_t roster_place(const struct roster *r, const char *name, bool *found)
{
    size_t low = 0, high = r->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(r->at[middle]->name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void seen_take(struct seen *s, const struct cluster_member *m)
{
    s->address = copy_of(m->address);
    s->zone = copy_of(m->zone);
    s->role = copy_of(m->role);
    s->port = m->port;
    s->weight = m->weight;
    s->flags = m->flags;
}

static void seen_drop(struct seen *s)
{
    free(s->address);
    free(s->zone);
    free(s->role);
}

static void roster_insert(struct roster *r, size_t place, const struct cluster_member *m)
{
    struct seen *s = (struct seen *)grow(NULL, sizeof *s);
    if (r->count == r->capacity) {
        r->capacity = r->capacity * 2 + 16;
        r->at = (struct seen **)grow(r->at, r->capacity * sizeof *r->at);
    }
    memmove(r->at + place + 1, r->at + place, (r->count - place) * sizeof *r->at);
    s->name = copy_of(m->name);
    seen_take(s, m);
    r->at[place] = s;
    r->count++;
}

static void roster_remove(struct roster *r, size_t place)
{
    seen_drop(r->at[place]);
    free(r->at[place]->name);
    free(r->at[place]);
    r->count--;
    memmove(r->at + place, r->at + place + 1, (r->count - place) * sizeof *r->at);
}

static void watch_line(const struct watch *w, const char *colour, char sign, const char *name)
{
    if (w->colour)
        fputs(colour, stdout);
    printf("%c ", sign);
    print_safe(stdout, name);
    if (w->colour)
        fputs("\033[0m", stdout);
}

static void watch_join(struct watch *w, size_t place, const struct cluster_member *m, uint64_t revision)
{
    roster_insert(&w->roster, place, m);
    if (w->json) {
        json_begin("join");
        json_member(m);
        json_number("revision", revision);
        json_end();
        return;
    }
    watch_line(w, "\033[32m", '+', m->name);
    putchar('\n');
}

static void watch_leave(struct watch *w, size_t place, uint64_t revision)
{
    const char *name = w->roster.at[place]->name;
    if (w->json) {
        json_begin("leave");
        json_text("node", name);
        json_number("revision", revision);
        json_end();
    } else {
        watch_line(w, "\033[31m", '-', name);
        putchar('\n');
    }
    roster_remove(&w->roster, place);
}

/* " port 0 -> 9100", then ", " before the next */
static void print_change(const char **separator, const char *what, const char *from, const char *to)
{
    if (!strcmp(from, to))
        return;
    printf("%s%s ", *separator, what);
    print_safe(stdout, *from ? from : "-");
    fputs(" -> ", stdout);
    print_safe(stdout, *to ? to : "-");
    *separator = ", ";
}

static void print_number_change(const char **separator, const char *what, uint32_t from, uint32_t to)
{
    char old_text[16], new_text[16];
    snprintf(old_text, sizeof old_text, "%lu", (unsigned long)from);
    snprintf(new_text, sizeof new_text, "%lu", (unsigned long)to);
    print_change(separator, what, old_text, new_text);
}

static void watch_change(struct watch *w, size_t place, const struct cluster_member *m, uint64_t revision)
{
    struct seen *s = w->roster.at[place];
    const char *separator = " ";
    if (w->json) {
        json_begin("change");
        json_member(m);
        json_number("revision", revision);
        json_end();
    } else {
        watch_line(w, "\033[33m", '~', m->name);
        print_change(&separator, "address", s->address, m->address);
        print_number_change(&separator, "port", s->port, m->port);
        print_number_change(&separator, "weight", s->weight, m->weight);
        print_change(&separator, "zone", s->zone, m->zone);
        print_change(&separator, "role", s->role, m->role);
        print_change(&separator, "draining", s->flags & CLUSTER_MEMBER_DRAINING ? "yes" : "no",
                     m->flags & CLUSTER_MEMBER_DRAINING ? "yes" : "no");
        putchar('\n');
    }
    seen_drop(s);
    seen_take(s, m);
}

static bool seen_differs(const struct seen *s, const struct cluster_member *m)
{
    return strcmp(s->address, m->address) || strcmp(s->zone, m->zone) || strcmp(s->role, m->role) || s->port != m->port ||
           s->weight != m->weight || ((s->flags ^ m->flags) & CLUSTER_MEMBER_DRAINING);
}

static void watch_upsert(struct watch *w, const struct cluster_member *m, uint64_t revision)
{
    bool found;
    size_t place = roster_place(&w->roster, m->name, &found);
    if (m->flags & CLUSTER_MEMBER_SELF)
        return;
    if (!found)
        watch_join(w, place, m, revision);
    else if (seen_differs(w->roster.at[place], m))
        watch_change(w, place, m, revision);
}

/* Events were lost: what is printed is then the difference to the members as they are. */
static void watch_resync(struct watch *w, uint64_t revision)
{
    size_t i;
    const struct cluster_member *m;
    for (i = w->roster.count; i-- > 0;)
        if (!cluster_member_find(w->loop.c, w->roster.at[i]->name))
            watch_leave(w, i, revision);
    for (i = 0; (m = cluster_member_at(w->loop.c, i)) != NULL; i++)
        watch_upsert(w, m, revision);
}

static void watch_status(const struct watch *w, const struct cluster_event *e)
{
    if (w->json) {
        json_begin("status");
        json_text("state", status_name((int)e->state));
        json_number("count", e->count);
        json_number("quorum", e->quorum);
        json_text("why", e->text);
        json_end();
        return;
    }
    printf("status %s %lu/%lu\n", status_name((int)e->state), (unsigned long)e->count, (unsigned long)e->quorum);
}

/* Says itself how it stands: `up NAME`, `down NAME reason`. */
static void watch_link(const struct watch *w, const struct cluster_event *e)
{
    bool up = e->type == CLUSTER_UP;
    if (w->json) {
        json_begin(cluster_event_name(e->type));
        json_text("node", e->member->name);
        json_text("error", e->error ? cluster_strerror(e->error) : NULL);
        json_text("why", up ? NULL : e->text);
        json_end();
        return;
    }
    printf("%s%s ", w->colour ? (up ? "\033[32m" : "\033[31m") : "", cluster_event_name(e->type));
    print_safe(stdout, e->member->name);
    fputs(w->colour ? "\033[0m" : "", stdout);
    printf(up ? "\n" : " %s\n", e->text);
}

/* Members that are linked. */
static size_t linked(const struct cluster *c)
{
    size_t count = 0, i;
    for (i = 0; i < cluster_member_count(c); i++)
        count += cluster_member_at(c, i)->state == CLUSTER_MEMBER_UP;
    return count;
}

static void watch_source(const struct watch *w, const struct cluster_event *e)
{
    if (w->json) {
        json_begin("source");
        json_text("url", cluster_source_url(e->source));
        json_text("state", source_state_name((int)e->state));
        json_text("error", e->error ? cluster_strerror(e->error) : NULL);
        json_text("why", e->text);
        json_end();
        return;
    }
    fputs("source ", stdout);
    print_safe(stdout, cluster_source_url(e->source));
    printf(" %s", source_state_name((int)e->state));
    if (*e->text)
        putchar(' ');
    print_safe(stdout, e->text);
    putchar('\n');
}

static void watch_event(struct watch *w, const struct cluster_event *e)
{
    bool found;
    size_t place;
    switch (e->type) {
    case CLUSTER_JOIN:
    case CLUSTER_CHANGE:
        watch_upsert(w, e->member, e->revision);
        break;
    case CLUSTER_LEAVE:
        place = roster_place(&w->roster, e->member->name, &found);
        if (found)
            watch_leave(w, place, e->revision);
        break;
    case CLUSTER_UP:
    case CLUSTER_DOWN:
        watch_link(w, e);
        break;
    case CLUSTER_RESYNC:
        watch_resync(w, e->revision);
        break;
    case CLUSTER_STATUS:
        watch_status(w, e);
        break;
    case CLUSTER_SOURCE:
        watch_source(w, e);
        break;
    default:
        break;
    }
}

/* What is announced of the own node is withdrawn, if that can be done soon. */
static void watch_withdraw(struct watch *w)
{
    const struct cluster_event *e;
    bool left = cluster_leave(w->loop.c, 500, NULL) < 0;
    w->loop.fd = -1; /* the signal has been seen */
    while (!left) {
        loop_turn(&w->loop, CLUSTER_NEVER);
        while ((e = cluster_next_event(w->loop.c)) != NULL)
            left = left || e->type == CLUSTER_LEFT;
    }
}

static int run_watch(const struct arguments *a)
{
    struct watch w;
    const struct cluster_event *e;
    uint64_t end;
    bool until = given(a, OPT_UNTIL), links = strcmp(text_of(a, OPT_CONNECT, "none"), "none") != 0;
    int status;
    memset(&w, 0, sizeof w);
    w.json = given(a, OPT_JSON);
    w.colour = wants_colour(STDOUT_FILENO);
    status = open_sources(&w.loop, a);
    if (status)
        return status;
    setvbuf(stdout, NULL, _IOLBF, 0);
    end = end_of(a, CLUSTER_NEVER);
    for (;;) {
        while ((e = cluster_next_event(w.loop.c)) != NULL)
            watch_event(&w, e);
        if (until && (links ? linked(w.loop.c) : others(w.loop.c)) >= number_of(a, OPT_UNTIL, 0)) {
            status = DONE;
            break;
        }
        if (signal_end || ferror(stdout) || cluster_now() >= end) {
            status = until ? NEGATIVE : DONE;
            break;
        }
        loop_turn(&w.loop, end);
    }
    watch_withdraw(&w);
    while (w.roster.count)
        roster_remove(&w.roster, w.roster.count - 1);
    free(w.roster.at);
    record_sources(w.loop.c, true);
    loop_end(&w.loop);
    record_end();
    return status;
}

#endif
