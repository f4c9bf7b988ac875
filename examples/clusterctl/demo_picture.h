/*
 * demo, the picture: drawn in place on a terminal.
 */
#ifndef CLUSTERCTL_DEMO_PICTURE_H
#define CLUSTERCTL_DEMO_PICTURE_H

#include "demo_state.h"

/* One line of the picture: what is beyond the width is cut. */
struct row {
    struct text *out;
    unsigned left; /* columns */
    bool colour;
};

static const char *const palette[] = {"\033[91m", "\033[92m", "\033[94m", "\033[93m", "\033[95m",
                                      "\033[96m", "\033[33m", "\033[35m", "\033[36m", "\033[37m"};

static void row_add(struct row *r, const char *colour, const char *text)
{
    if (!r->left)
        return;
    if (colour && r->colour)
        text_add(r->out, colour);
    while (*text && r->left) {
        size_t length = utf8_length(text);
        bool shown = length && (unsigned char)*text >= 0x20 && *text != 0x7f;
        text_bytes(r->out, shown ? text : "?", shown ? length : 1);
        text += length ? length : 1;
        r->left--;
    }
    if (colour && r->colour)
        text_add(r->out, "\033[0m");
}

static void row_format(struct row *r, const char *colour, const char *format, ...) PRINTF_LIKE(3, 4);

static void row_format(struct row *r, const char *colour, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    row_add(r, colour, text);
}

static const char *face_colour(const struct face *f)
{
    return palette[f->colour % COUNT(palette)];
}

/* What stands for a node where there is no colour: its first letter, or a digit for guests. */
static char face_letter(const struct face *f)
{
    return f->colour < OWN_NODES && strncmp(f->name, "guest-", 6) ? f->name[0] : (char)('0' + f->colour % 10);
}

/* Text in which the nodes' short names wear their colours. */
static void row_names(struct demo *d, struct row *r, const char *text)
{
    while (*text) {
        size_t i, length = strcspn(text, " :,;()");
        const char *colour = NULL;
        char word[128];
        if (!length)
            length = 1;
        length = smallest(length, sizeof word - 1);
        memcpy(word, text, length);
        word[length] = '\0';
        for (i = 0; i < d->face_count; i++)
            if (!strcmp(word, short_name(d->faces[i].name)))
                colour = face_colour(&d->faces[i]);
        row_add(r, colour, word);
        text += length;
    }
}

struct picture {
    struct demo *d;
    struct text out;
    struct row row;
    unsigned lines, most;
};

/* Begins a line; false when the terminal has no more. */
static bool picture_line(struct picture *p)
{
    if (p->lines >= p->most)
        return false;
    if (p->lines)
        text_add(&p->out, "\033[K\n");
    p->lines++;
    p->row.out = &p->out;
    p->row.left = p->d->columns - 1;
    p->row.colour = p->d->colour;
    return true;
}

static void picture_face(struct picture *p, const struct face *f)
{
    struct demo *d = p->d;
    struct own_node *own = demo_own(d, f->name), *reporter = demo_reporter(d);
    const struct own_node *view = own && own->alive ? own : reporter;
    unsigned load = view && f->here ? own_load(view, f->name) : 0, i, width;
    const char *colour = f->here ? face_colour(f) : "\033[2m";
    if (!picture_line(p))
        return;
    row_add(&p->row, colour, f->here ? (d->utf8 ? " \xe2\x97\x8f " : " * ") : (d->utf8 ? " \xe2\x97\x8b " : " x "));
    row_format(&p->row, colour, "%-13s", short_name(f->name));
    if (own && own->alive)
        row_format(&p->row, NULL, " pid %-7ld", (long)own->pid);
    else
        row_format(&p->row, NULL, " %-11s", own ? "killed" : f->here ? "from outside" : "gone");
    if (own && own->alive)
        row_format(&p->row, NULL, " sees %-2lu %-8s", (unsigned long)(own->members.count ? own->members.count - 1 : 0),
                   own->status);
    else
        row_format(&p->row, NULL, " %-16s", "");
    if (!f->here)
        return;
    row_format(&p->row, NULL, " %3u shards ", load);
    width = p->row.left > 48 ? 48 : p->row.left;
    for (i = 0; width && i < (load * width + DEMO_SHARDS - 1) / DEMO_SHARDS; i++)
        row_add(&p->row, colour, d->utf8 ? "\xe2\x96\xac" : "=");
}

/* Is its owner a node of ours that died, as the others have yet to see? */
static bool face_is_dead(struct demo *d, const struct face *f)
{
    const struct own_node *own = demo_own(d, f->name);
    return own && !own->alive;
}

static const char *picture_cell(struct demo *d, const struct face *f, bool fresh)
{
    if (!f)
        return "\xc2\xb7";
    if (face_is_dead(d, f))
        return "\xe2\x96\x91";
    return fresh ? "\xe2\x96\x92" : "\xe2\x96\x88";
}

/* A cell a shard, in its owner's colour; shaded for a moment when it moved, faint while its owner is dead. */
static void picture_shards(struct picture *p)
{
    struct demo *d = p->d;
    struct own_node *reporter = demo_reporter(d);
    unsigned i, across = d->columns > 130 ? 128 : d->columns > 66 ? 64 : 32;
    for (i = 0; i < DEMO_SHARDS; i++) {
        const struct face *f = NULL;
        bool fresh = d->moved_at[i] && d->now - d->moved_at[i] < SECOND;
        char letter[2] = {0, 0};
        const char *cell = letter;
        if (i % across == 0) {
            if (!picture_line(p))
                return;
            row_add(&p->row, NULL, " ");
        }
        if (reporter && reporter->shards[i] < reporter->owners.count)
            f = demo_face(d, reporter->owners.at[reporter->shards[i]]);
        letter[0] = !f ? '.' : face_is_dead(d, f) ? 'x' : face_letter(f);
        if (d->colour && d->utf8)
            cell = picture_cell(d, f, fresh);
        else if (fresh && letter[0] >= 'a' && letter[0] <= 'z')
            letter[0] = (char)(letter[0] - 'a' + 'A');
        row_add(&p->row, f ? face_colour(f) : NULL, cell);
    }
}

static void picture_agreement(struct picture *p)
{
    struct demo *d = p->d;
    const struct own_node *reporter = demo_reporter(d);
    if (!picture_line(p))
        return;
    row_format(&p->row, "\033[1m", " %d shards", DEMO_SHARDS);
    row_add(&p->row, NULL, d->colour ? ", each in its owner's colour" : ", each with its owner's letter");
    if (reporter && demo_converged(d))
        row_format(&p->row, NULL, "%s fingerprint %04llx", d->count > 1 ? "; all nodes agree," : ";",
                   (unsigned long long)(reporter->fingerprint >> 48));
}

static void picture_story(struct picture *p, unsigned room)
{
    struct demo *d = p->d;
    size_t i, count = smallest(smallest(d->told, STORY), room);
    for (i = d->told - count; i < d->told; i++) {
        if (!picture_line(p))
            return;
        row_add(&p->row, NULL, " ");
        row_names(d, &p->row, d->story[i % STORY]);
    }
}

static void picture_measure(struct demo *d)
{
    struct winsize size;
    memset(&size, 0, sizeof size);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    d->columns = size.ws_col;
    d->rows = size.ws_row;
}

static void terminal_write(const struct text *t)
{
    size_t sent = 0;
    while (sent < t->length) {
        ssize_t n = write(STDOUT_FILENO, t->at + sent, t->length - sent);
        if (n <= 0 && errno != EINTR)
            return;
        if (n > 0)
            sent += (size_t)n;
    }
}

/* Who is in the picture: nodes of ours, and those that the reporter lists or that left a moment ago. */
static void demo_refresh_faces(struct demo *d)
{
    const struct own_node *reporter = demo_reporter(d);
    size_t i;
    for (i = 0; i < d->face_count; i++) {
        struct face *f = &d->faces[i];
        const struct own_node *own = demo_own(d, f->name);
        f->here = own ? own->alive : reporter && names_has(&reporter->members, f->name);
        if (f->here || own)
            f->last = d->now;
    }
}

static void demo_draw(struct demo *d)
{
    struct picture p;
    unsigned room;
    size_t i;
    memset(&p, 0, sizeof p);
    if (signal_resized) {
        signal_resized = 0;
        picture_measure(d);
        text_add(&p.out, "\033[H\033[2J");
        d->drawn = 0;
    }
    p.d = d;
    p.most = d->rows - 1;
    text_add(&p.out, "\033[?25l");
    if (d->drawn > 1)
        text_format(&p.out, "\033[%uF", d->drawn - 1);
    else if (d->drawn)
        text_add(&p.out, "\r");
    demo_refresh_faces(d);
    picture_line(&p);
    row_add(&p.row, "\033[1m", " clusterctl demo");
    row_add(&p.row, NULL, d->join ? "  one more node, which finds the others" : "  three processes find each other");
    row_add(&p.row, NULL, d->way == BY_MULTICAST ? " by multicast on loopback" : " by broadcast on loopback");
    picture_line(&p);
    for (i = 0; i < d->face_count; i++) {
        if (d->now - d->faces[i].last > 3 * SECOND)
            continue;
        picture_face(&p, &d->faces[i]);
    }
    picture_line(&p);
    picture_agreement(&p);
    picture_shards(&p);
    picture_line(&p);
    room = p.most > p.lines ? p.most - p.lines : 0;
    picture_story(&p, room > 12 ? 12 : room);
    text_add(&p.out, "\033[K\n\033[J");
    d->drawn = p.lines + 1;
    d->drawn_at = d->now;
    d->dirty = false;
    terminal_write(&p.out);
    text_free(&p.out);
}

/* The cursor comes back, below the picture. */
static void terminal_leave(const struct demo *d)
{
    static const char show[] = "\033[?25h\033[0m";
    if (d->live && write(STDOUT_FILENO, show, sizeof show - 1) < 0)
        return;
}

/* Ctrl-Z: the shell gets its cursor back; with `fg` the picture begins anew. */
static void demo_suspend(struct demo *d)
{
    signal_suspend = 0;
    terminal_leave(d);
    kill(getpid(), SIGSTOP);
    signal_resized = 1;
    d->dirty = true;
}

#endif
