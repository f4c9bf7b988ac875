/*
 * demo, the parent: what it knows of its nodes, and the stories it tells.
 */
#ifndef CLUSTERCTL_DEMO_STATE_H
#define CLUSTERCTL_DEMO_STATE_H

#include "demo_node.h"

/* Shards that went from one node to another. */
struct tally {
    char *from, *to;
    unsigned count;
};

struct tallies {
    struct tally *at;
    size_t count;
};

static void tallies_add(struct tallies *t, const char *from, const char *to, unsigned count)
{
    size_t i;
    for (i = 0; i < t->count; i++) {
        if (!strcmp(t->at[i].from, from) && !strcmp(t->at[i].to, to)) {
            t->at[i].count += count;
            return;
        }
    }
    t->at = (struct tally *)grow(t->at, (t->count + 1) * sizeof *t->at);
    t->at[t->count].from = copy_of(from);
    t->at[t->count].to = copy_of(to);
    t->at[t->count].count = count;
    t->count++;
}

static void tallies_clear(struct tallies *t)
{
    while (t->count) {
        t->count--;
        free(t->at[t->count].from);
        free(t->at[t->count].to);
    }
    free(t->at);
    t->at = NULL;
}

#define OWN_NODES 3

/* A node of ours: its process, and how it sees the cluster. */
struct own_node {
    char name[64];
    pid_t pid;
    bool alive;
    int reports, commands; /* our ends of the pipes, -1 when closed */
    struct text input;     /* a report that has not come whole */
    struct names members;
    struct names owners; /* a map's nodes, by index */
    unsigned char shards[DEMO_SHARDS];
    bool placed; /* it has reported a map */
    uint64_t fingerprint;
    char status[16];
    unsigned counted;
    char why[256];      /* why its source does not work */
    struct text cause;  /* of the placement that comes next: "blue left" */
    struct tallies now; /* moves of the placement that comes next */
    uint64_t died;      /* when */
};

/* Every node that was ever seen, for its colour. */
struct face {
    char *name;
    bool here;       /* in the reporter's list, or ours and alive */
    uint64_t last;   /* when it was last here */
    unsigned colour; /* index of palette */
};

enum demo_step { STEP_FORM, STEP_FORMED, STEP_LEAVE, STEP_LEFT, STEP_RETURN, STEP_RETURNED, STEP_STAY };

#define STORY 64

struct demo {
    bool json, live, stay, join;
    const char *address; /* the group */
    char address_text[16];
    unsigned port;
    enum demo_way way;
    struct own_node own[OWN_NODES];
    size_t count;
    struct face *faces;
    size_t face_count;
    char *story[STORY]; /* the last lines said, a ring */
    size_t told;
    uint64_t began, now;
    enum demo_step step;
    uint64_t step_began, next_at; /* next_at: when a pause ends */
    struct tallies moves;         /* the reporter's, since the step began */
    uint64_t moved_at[DEMO_SHARDS];
    bool unsettled; /* placement changed, and not all agree yet */
    bool met;       /* a node has seen another */
    bool dirty;     /* the picture is old */
    int lock;
    int status;        /* not -1: the demo is over */
    char verdict[512]; /* why it failed */
    uint64_t drawn_at;
    /* the picture */
    bool colour, utf8;
    unsigned rows, columns, drawn;
};

static const char *const demo_names[OWN_NODES] = {"red@127.0.0.1", "green@127.0.0.1", "blue@127.0.0.1"};

/* The part before '@'. Four buffers, so that one sentence can hold as many names. */
static const char *short_name(const char *name)
{
    static char buffers[4][40];
    static unsigned turn;
    char *out = buffers[turn++ % 4];
    const char *at = strchr(name, '@');
    size_t i, length = smallest(at ? (size_t)(at - name) : strlen(name), sizeof buffers[0] - 1);
    for (i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        out[i] = (char)(byte > 0x20 && byte < 0x7f ? byte : '?');
    }
    out[length] = '\0';
    return out;
}

static uint64_t demo_time(const struct demo *d)
{
    return d->now - d->began;
}

/* A line of the story: printed when piped, kept for the picture when live, left out with --json. */
static void demo_say(struct demo *d, const char *format, ...) PRINTF_LIKE(2, 3);

static void demo_say(struct demo *d, const char *format, ...)
{
    char line[1024];
    va_list list;
    uint64_t tenths = demo_time(d) / (100 * MILLISECOND);
    int length = snprintf(line, sizeof line, "%3lu.%lu s  ", (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
    va_start(list, format);
    vsnprintf(line + length, sizeof line - (size_t)length, format, list);
    va_end(list);
    if (d->live) {
        char **place = &d->story[d->told++ % STORY];
        free(*place);
        *place = copy_of(line);
        d->dirty = true;
    } else if (!d->json) {
        puts(line);
    }
}

/* The demo is over; the sentence comes when the terminal is ours no more. */
static void demo_fail(struct demo *d, const char *format, ...) PRINTF_LIKE(2, 3);

static void demo_fail(struct demo *d, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(d->verdict, sizeof d->verdict, format, list);
    va_end(list);
    d->status = FAILED;
}

static void demo_event(const struct demo *d, const char *type)
{
    json_begin(type);
    json_seconds("time", demo_time(d));
}

static struct face *demo_face(struct demo *d, const char *name)
{
    size_t i;
    struct face *f;
    for (i = 0; i < d->face_count; i++)
        if (!strcmp(d->faces[i].name, name))
            return &d->faces[i];
    d->faces = (struct face *)grow(d->faces, (d->face_count + 1) * sizeof *d->faces);
    f = &d->faces[d->face_count];
    f->name = copy_of(name);
    f->here = false;
    f->last = d->now;
    f->colour = (unsigned)d->face_count++;
    return f;
}

/* The node of ours whose view the picture shows: the first that is alive and has reported. */
static struct own_node *demo_reporter(struct demo *d)
{
    size_t i;
    for (i = 0; i < d->count; i++)
        if (d->own[i].alive && d->own[i].placed)
            return &d->own[i];
    return NULL;
}

static struct own_node *demo_own(struct demo *d, const char *name)
{
    size_t i;
    for (i = 0; i < d->count; i++)
        if (!strcmp(d->own[i].name, name))
            return &d->own[i];
    return NULL;
}

static unsigned own_load(const struct own_node *n, const char *name)
{
    unsigned load = 0;
    size_t i;
    for (i = 0; n->placed && i < DEMO_SHARDS; i++)
        if (n->shards[i] < n->owners.count && !strcmp(n->owners.at[n->shards[i]], name))
            load++;
    return load;
}

/* Everyone of ours sees everyone of ours that lives and nobody that died, and all place alike. */
static bool demo_converged(const struct demo *d)
{
    const struct own_node *first = NULL;
    size_t i, j;
    for (i = 0; i < d->count; i++) {
        const struct own_node *n = &d->own[i];
        if (!n->alive)
            continue;
        if (!n->placed || (first && n->fingerprint != first->fingerprint))
            return false;
        first = n;
        for (j = 0; j < d->count; j++) {
            const struct own_node *other = &d->own[j];
            if (names_has(&n->members, other->name) != other->alive || (own_load(n, other->name) > 0) != other->alive)
                return false;
        }
    }
    return first != NULL;
}

/* "43 to red, 42 to green" of those that one node gave or took. */
static void moves_sentence(struct text *out, const struct tallies *moves, const char *from, const char *to)
{
    const char *separator = "";
    size_t i;
    for (i = 0; i < moves->count; i++) {
        const struct tally *t = &moves->at[i];
        if ((from && strcmp(t->from, from)) || (to && strcmp(t->to, to)))
            continue;
        text_format(out, "%s%u ", separator, t->count);
        if (from)
            text_format(out, "to %s", short_name(t->to));
        else if (to)
            text_format(out, "from %s", short_name(t->from));
        else
            text_format(out, "from %s to %s", short_name(t->from), short_name(t->to));
        separator = ", ";
    }
}

static bool moves_share(const struct tallies *moves, bool giver)
{
    size_t i;
    for (i = 1; i < moves->count; i++)
        if (strcmp(giver ? moves->at[i].from : moves->at[i].to, giver ? moves->at[0].from : moves->at[0].to))
            return false;
    return moves->count > 0;
}

/* "blue left: 85 shards moved, 43 to red, 42 to green" */
static void demo_tell_moves(struct demo *d, const struct own_node *n)
{
    struct text sentence = {NULL, 0, 0};
    const struct tallies *moves = &n->now;
    unsigned total = 0;
    size_t i;
    for (i = 0; i < moves->count; i++)
        total += moves->at[i].count;
    text_add(&sentence, "");
    if (moves->count && !strcmp(moves->at[0].from, "-")) {
        demo_say(d, "%s has all %u shards: nobody else is there yet", short_name(n->name), total);
        text_free(&sentence);
        return;
    }
    if (moves_share(moves, true))
        moves_sentence(&sentence, moves, moves->at[0].from, NULL);
    else
        moves_sentence(&sentence, moves, NULL, moves_share(moves, false) ? moves->at[0].to : NULL);
    if (total)
        demo_say(d, "%s: %u of %u shards moved, %s", n->cause.length ? n->cause.at : "placed anew", total, DEMO_SHARDS,
                 sentence.at);
    else if (n->cause.length)
        demo_say(d, "%s: no shard moved", n->cause.at);
    text_free(&sentence);
}

/* A line a node: members, shards owned, and who took over. */
static void demo_rows(struct demo *d)
{
    struct own_node *reporter = demo_reporter(d);
    size_t i, j;
    if (d->live || d->json || !reporter)
        return;
    for (i = 0; i < d->count; i++) {
        const struct own_node *n = &d->own[i];
        struct text line = {NULL, 0, 0}, took = {NULL, 0, 0}, gave = {NULL, 0, 0};
        if (!n->alive)
            continue;
        text_format(&line, "         %-16s %3u shards, %lu members:", n->name, own_load(n, n->name),
                    (unsigned long)n->members.count);
        for (j = 0; j < n->members.count; j++)
            text_format(&line, " %s", short_name(n->members.at[j]));
        moves_sentence(&took, &d->moves, NULL, n->name);
        moves_sentence(&gave, &d->moves, n->name, NULL);
        if (took.length)
            text_format(&line, "; took over %s", took.at);
        if (gave.length)
            text_format(&line, "; gave %s", gave.at);
        puts(line.at);
        text_free(&line);
        text_free(&took);
        text_free(&gave);
    }
}

static void demo_step_json(const struct demo *d, const char *name)
{
    size_t i, j;
    demo_event(d, "step");
    json_text("step", name);
    json_seconds("took", d->now - d->step_began);
    json_open("nodes", '[');
    for (i = 0; i < d->count; i++) {
        const struct own_node *n = &d->own[i];
        if (!n->alive)
            continue;
        json_open(NULL, '{');
        json_text("node", n->name);
        json_names("members", &n->members);
        json_number("shards", own_load(n, n->name));
        json_open("took", '[');
        for (j = 0; j < d->moves.count; j++) {
            if (strcmp(d->moves.at[j].to, n->name))
                continue;
            json_open(NULL, '{');
            json_text("from", d->moves.at[j].from);
            json_number("shards", d->moves.at[j].count);
            json_close('}');
        }
        json_close(']');
        json_close('}');
    }
    json_close(']');
    json_end();
}

/* ---- processes ---- */

/* A node of ours dies with us, also when we are killed. */
static void die_with_parent(pid_t parent)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent)
        _exit(FAILED);
}

static void own_close(struct own_node *n)
{
    if (n->reports >= 0)
        close(n->reports);
    if (n->commands >= 0)
        close(n->commands);
    n->reports = n->commands = -1;
}

static void own_forget(struct own_node *n)
{
    names_clear(&n->members);
    names_clear(&n->owners);
    tallies_clear(&n->now);
    text_free(&n->input);
    text_free(&n->cause);
    n->placed = false;
    n->status[0] = n->why[0] = '\0';
    n->counted = 0;
}

/* Only what a node of the demo needs stays open in it. */
static void own_become(struct demo *d, struct own_node *n, pid_t parent, int commands, int reports)
{
    size_t i;
    int status;
    die_with_parent(parent);
    signal_catch(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which then closes the pipe */
    signal_catch(SIGHUP, SIG_IGN);
    signal_catch(SIGTERM, SIG_DFL);
    signal_catch(SIGTSTP, SIG_DFL);
    signal_catch(SIGWINCH, SIG_DFL);
    signals_hold(false);
    for (i = 0; i < d->count; i++)
        own_close(&d->own[i]);
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    if (d->lock >= 0)
        close(d->lock);
    if (d->join)
        snprintf(n->name, sizeof n->name, "guest-%ld@127.0.0.1", (long)getpid());
    status = member_run(n->name, d->way, d->address, d->port, commands, reports);
    _exit(status);
}

static int own_spawn(struct demo *d, struct own_node *n)
{
    int down[2] = {-1, -1}, up[2] = {-1, -1};
    pid_t parent = getpid();
    own_forget(n);
    fflush(stdout);
    signals_hold(true);
    if (!pipe_make(down) || !pipe_make(up) || (n->pid = fork()) < 0) {
        int error = errno;
        signals_hold(false);
        close(down[0]);
        close(down[1]);
        close(up[0]);
        close(up[1]);
        return fail(FAILED, "cannot start a process (%s): raise its limits (ulimit -u, ulimit -n)", strerror(error));
    }
    if (n->pid == 0) {
        close(down[1]);
        close(up[0]);
        own_become(d, n, parent, down[0], up[1]);
    }
    signals_hold(false);
    close(down[0]);
    close(up[1]);
    n->commands = down[1];
    n->reports = up[0];
    n->alive = true;
    fcntl(n->reports, F_SETFL, O_NONBLOCK);
    if (d->join)
        snprintf(n->name, sizeof n->name, "guest-%ld@127.0.0.1", (long)n->pid);
    demo_face(d, n->name)->here = true;
    if (d->json) {
        demo_event(d, "start");
        json_text("node", n->name);
        json_number("pid", (uint64_t)n->pid);
        json_end();
    }
    return DONE;
}

/* The process is gone or is to go; the status of waitpid. */
static int own_reap(struct demo *d, struct own_node *n)
{
    int status = 0;
    own_close(n);
    while (waitpid(n->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    n->alive = false;
    n->died = d->now;
    own_forget(n);
    d->dirty = true;
    return status;
}

/* End every node of ours: first by closing its pipe, then by force. */
static void demo_end_nodes(struct demo *d)
{
    struct timespec nap = {0, 10000000};
    size_t i;
    int patience = 50;
    for (i = 0; i < d->count; i++) {
        if (d->own[i].alive) {
            close(d->own[i].commands);
            d->own[i].commands = -1;
            kill(d->own[i].pid, SIGCONT);
        }
    }
    for (i = 0; i < d->count; i++) {
        struct own_node *n = &d->own[i];
        while (n->alive) {
            if (waitpid(n->pid, NULL, WNOHANG) != 0) {
                n->alive = false;
            } else if (patience-- > 0) {
                nanosleep(&nap, NULL);
            } else {
                kill(n->pid, SIGKILL);
                own_reap(d, n);
            }
        }
        own_close(n);
        own_forget(n);
    }
}

/* ---- reports ---- */

/* Nodes meet by multicast. Where a node's own packet does not come back, all of ours go over to broadcast. */
static void demo_source_failed(struct demo *d, struct own_node *n, enum demo_way way)
{
    size_t i;
    if (way != d->way || d->way != BY_MULTICAST || d->met)
        return;
    d->way = BY_BROADCAST;
    demo_say(d, "no multicast on loopback here (%s): meeting by broadcast to 127.255.255.255 instead", n->why);
    if (d->json) {
        demo_event(d, "fallback");
        json_text("to", "broadcast");
        json_text("why", n->why);
        json_end();
    }
    for (i = 0; i < d->count; i++)
        if (d->own[i].alive && write(d->own[i].commands, "b", 1) < 0)
            d->own[i].why[0] = '\0'; /* it just died: its pipe tells */
}

static void demo_report_source(struct demo *d, struct own_node *n, const struct names *f)
{
    if (f->count < 4)
        return;
    if (d->json) {
        demo_event(d, "source");
        json_text("at", n->name);
        json_text("state", f->at[2]);
        json_text("why", f->at[3]);
        json_end();
    }
    snprintf(n->why, sizeof n->why, "%s", f->at[3]);
    if (!strcmp(f->at[2], "failed"))
        demo_source_failed(d, n, *f->at[1] == '0' ? BY_MULTICAST : BY_BROADCAST);
}

static void demo_report_member(struct demo *d, struct own_node *n, const struct names *f)
{
    bool joined = !strcmp(f->at[0], "join");
    if (f->count < 2)
        return;
    if (d->json) {
        demo_event(d, f->at[0]);
        json_text("at", n->name);
        json_text("node", f->at[1]);
        json_end();
    }
    if (joined)
        d->met = true;
    text_format(&n->cause, "%s%s %s", n->cause.length ? ", " : "", short_name(f->at[1]), joined ? "joined" : "left");
}

static void demo_report_members(struct demo *d, struct own_node *n, const struct names *f)
{
    size_t i;
    names_clear(&n->members);
    for (i = 1; i < f->count; i++) {
        if (!*f->at[i])
            continue;
        names_add(&n->members, f->at[i], strlen(f->at[i]));
        demo_face(d, f->at[i]);
    }
}

static void demo_report_owners(struct demo *d, struct own_node *n, const struct names *f)
{
    struct own_node *reporter = demo_reporter(d);
    struct names old = n->owners;
    bool shown = (!reporter || reporter == n);
    size_t i;
    if (f->count < 2 || strlen(f->at[1]) != (size_t)2 * DEMO_SHARDS)
        return;
    memset(&n->owners, 0, sizeof n->owners);
    for (i = 2; i < f->count; i++)
        if (*f->at[i])
            names_add(&n->owners, f->at[i], strlen(f->at[i]));
    for (i = 0; i < DEMO_SHARDS; i++) {
        char digits[3];
        unsigned char index;
        memcpy(digits, f->at[1] + 2 * i, 2);
        digits[2] = '\0';
        index = (unsigned char)strtoul(digits, NULL, 16);
        if (shown && n->placed && n->shards[i] < old.count && index < n->owners.count &&
            strcmp(old.at[n->shards[i]], n->owners.at[index]))
            d->moved_at[i] = d->now;
        n->shards[i] = index;
    }
    n->placed = true;
    names_clear(&old);
}

static void demo_map_json(const struct demo *d, const struct own_node *n, const char *moved)
{
    size_t i;
    demo_event(d, "map");
    json_text("at", n->name);
    json_hex("fingerprint", n->fingerprint);
    json_number("moved", strtoul(moved, NULL, 10));
    json_open("moves", '[');
    for (i = 0; i < n->now.count; i++) {
        json_open(NULL, '{');
        json_text("from", strcmp(n->now.at[i].from, "-") ? n->now.at[i].from : NULL);
        json_text("to", n->now.at[i].to);
        json_number("shards", n->now.at[i].count);
        json_close('}');
    }
    json_close(']');
    json_end();
}

static void demo_report_map(struct demo *d, struct own_node *n, const struct names *f)
{
    size_t i;
    if (f->count < 3)
        return;
    n->fingerprint = strtoull(f->at[1], NULL, 16);
    if (d->json)
        demo_map_json(d, n, f->at[2]);
    if (n == demo_reporter(d)) {
        if (d->step != STEP_FORM)
            demo_tell_moves(d, n);
        for (i = 0; i < n->now.count; i++)
            tallies_add(&d->moves, n->now.at[i].from, n->now.at[i].to, n->now.at[i].count);
        d->unsettled = true;
    }
    tallies_clear(&n->now);
    text_clear(&n->cause);
}

static void demo_report_status(struct demo *d, struct own_node *n, const struct names *f)
{
    if (f->count < 4)
        return;
    snprintf(n->status, sizeof n->status, "%s", f->at[1]);
    n->counted = (unsigned)strtoul(f->at[2], NULL, 10);
    if (d->json) {
        demo_event(d, "status");
        json_text("at", n->name);
        json_text("state", n->status);
        json_number("count", n->counted);
        json_number("quorum", strtoul(f->at[3], NULL, 10));
        json_end();
    }
}

static void demo_report_line(struct demo *d, struct own_node *n, const char *line)
{
    struct names f = {NULL, 0};
    names_split(&f, line, '\t');
    if (!f.count)
        return;
    if (!strcmp(f.at[0], "join") || !strcmp(f.at[0], "leave"))
        demo_report_member(d, n, &f);
    else if (!strcmp(f.at[0], "members"))
        demo_report_members(d, n, &f);
    else if (!strcmp(f.at[0], "source"))
        demo_report_source(d, n, &f);
    else if (!strcmp(f.at[0], "status"))
        demo_report_status(d, n, &f);
    else if (!strcmp(f.at[0], "move") && f.count >= 4)
        tallies_add(&n->now, f.at[1], f.at[2], (unsigned)strtoul(f.at[3], NULL, 10));
    else if (!strcmp(f.at[0], "owners"))
        demo_report_owners(d, n, &f);
    else if (!strcmp(f.at[0], "map"))
        demo_report_map(d, n, &f);
    else if (!strcmp(f.at[0], "failed") && f.count >= 2)
        snprintf(n->why, sizeof n->why, "%s", f.at[1]);
    names_clear(&f);
    d->dirty = true;
}

/* A node of ours ended and we did not end it. */
static void demo_lost(struct demo *d, struct own_node *n)
{
    char why[sizeof n->why];
    int status;
    snprintf(why, sizeof why, "%s", n->why);
    status = own_reap(d, n);
    if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "signal %d", WTERMSIG(status));
    if (d->json) {
        demo_event(d, "lost");
        json_text("node", n->name);
        json_text("why", why);
        json_end();
    }
    if (d->join && WIFSIGNALED(status)) {
        demo_say(d, "%s was killed (%s): the others see it leave in 1.5 s", short_name(n->name), why);
        d->status = DONE;
    } else if (d->stay && d->step >= STEP_RETURNED && WIFSIGNALED(status)) {
        demo_say(d, "%s was killed (%s): it comes back in 5 s", short_name(n->name), why);
        d->unsettled = true;
    } else {
        demo_fail(d, "%s ended before its time: %s", n->name, *why ? why : "without a word");
    }
}

static void demo_read(struct demo *d, struct own_node *n)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(n->reports, bytes, sizeof bytes)) > 0) {
        char *start, *end;
        text_bytes(&n->input, bytes, (size_t)got);
        start = n->input.at;
        while ((end = strchr(start, '\n')) != NULL) {
            *end = '\0';
            demo_report_line(d, n, start);
            start = end + 1;
        }
        n->input.length = strlen(start);
        memmove(n->input.at, start, n->input.length + 1);
    }
    if (got == 0)
        demo_lost(d, n);
}

#endif
