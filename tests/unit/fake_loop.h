/*
 * For unit tests: the host's side of a handle on a virtual machine. Its loop, and a copy of the member list that it keeps by
 * replaying events alone, as every host may. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_LOOP_H
#define TESTS_UNIT_FAKE_LOOP_H

#include "fake_io.h"

static inline void fake_log(void *ctx, int level, const char *message, const char *setting)
{
    struct fake *f = (struct fake *)ctx;
    assert_true(level >= CLUSTER_LOG_ERROR && level <= CLUSTER_LOG_DEBUG);
    f->logs++;
    strncpy(f->log, message, sizeof f->log - 1);
    strncpy(f->setting, setting, sizeof f->setting - 1);
    fake_inside(f);
}

static inline struct cluster_io fake_hooks(struct fake *f)
{
    struct cluster_io io;
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    io.ctx = f;
    io.open = fake_open;
    io.bind = fake_bind;
    io.connect = fake_connect;
    io.listen = fake_listen;
    io.accept = fake_accept;
    io.join = fake_join;
    io.send = fake_send;
    io.recv = fake_recv;
    io.close = fake_close;
    io.interfaces = fake_interfaces;
    io.read_file = fake_read_file;
    io.environment = fake_environment;
    io.random = fake_random;
    io.wall_time = fake_wall_time;
    return io;
}

static inline struct cluster_address fake_address(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint8_t prefix)
{
    struct cluster_address out;
    memset(&out, 0, sizeof out);
    out.family = 4;
    out.bytes[0] = a;
    out.bytes[1] = b;
    out.bytes[2] = c;
    out.bytes[3] = d;
    out.prefix = prefix;
    return out;
}

/* A new machine, and the options for a handle on it. */
static inline struct cluster_options fake_begin(struct fake *f)
{
    struct cluster_options o;
    memset(f, 0, sizeof *f);
    f->io = fake_hooks(f);
    fake_memory_begin(&f->memory);
    f->self = fake_address(10, 0, 0, 99, 24);
    f->wall = UINT64_C(1700000000) * FAKE_SECOND;
    cluster_options_init(&o);
    o.io = &f->io;
    o.allocator = &f->memory.hook;
    o.log = fake_log;
    o.log_ctx = f;
    o.seed = 1;
    return o;
}

/* All was given back: every socket is closed, once for each time it was opened. */
static inline void fake_end(struct fake *f)
{
    int fd;
    for (fd = 0; fd < FAKE_FDS; fd++)
        if (!f->s[fd].foreign) {
            assert_false(f->s[fd].open);
            assert_int_equal(f->s[fd].opens, f->s[fd].closes);
        }
    fake_memory_end(&f->memory);
}

/* The open descriptors. */
static inline int fake_count_open(const struct fake *f)
{
    int fd, count = 0;
    for (fd = 0; fd < FAKE_FDS; fd++)
        count += f->s[fd].open && !f->s[fd].foreign;
    return count;
}

/* What poll(2) would say. Returns how many fired. */
static inline int fake_poll(struct fake *f, struct pollfd *fds, size_t count)
{
    int fired = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        const struct fake_socket *s = fake_socket_of(f, fds[i].fd);
        fds[i].revents = (short)(fds[i].events &
                                 (s->first || s->ended || s->recv_error || s->caller_count || s->waiting_count ? POLLIN : 0));
        if (s->send_error != CLUSTER_E_AGAIN)
            fds[i].revents = (short)(fds[i].revents | (fds[i].events & POLLOUT));
        fired += fds[i].revents != 0;
    }
    return fired;
}

/* One turn of a host's loop. Returns how many descriptors fired. */
static inline int fake_step(struct fake *f, struct cluster *c, uint64_t now)
{
    struct pollfd fds[FAKE_FDS];
    size_t count = cluster_watches(c, fds, FAKE_FDS);
    int fired;
    assert_true(count <= FAKE_FDS);
    fired = fake_poll(f, fds, count);
    assert_int_equal(cluster_step(c, now, fds, count), 0);
    return fired;
}

/* The host's loop until nothing is left to do at `until`; *now moves there. */
static inline void fake_run(struct fake *f, struct cluster *c, uint64_t *now, uint64_t until)
{
    struct pollfd fds[FAKE_FDS];
    unsigned turns = 0;
    for (;;) {
        uint64_t deadline;
        (void)fake_step(f, c, *now);
        assert_true(++turns < 100000);
        if (fake_poll(f, fds, cluster_watches(c, fds, FAKE_FDS)))
            continue;
        deadline = cluster_deadline(c);
        if (deadline <= *now)
            continue;
        if (*now >= until)
            return;
        *now = deadline < until ? deadline : until;
    }
}

/* ---- a copy of the members -------------------------------------------- */

struct mirror_member {
    uint64_t id;
    uint32_t port, weight, flags;
    char name[256], address[48], zone[64], role[64];
};

struct mirror {
    struct mirror_member **m; /* by name */
    size_t count, capacity;
    uint64_t revision;
    bool lost; /* after a RESYNC: JOIN and CHANGE are upserts, LEAVE of an absent name is nothing */
    unsigned long seen[17];
    uint32_t source_state, status_state, status_count, changed;
    int source_error, reply_error, down_error;
    uint64_t reply;
    char source_text[256], status_text[256], reply_text[4096], down_text[256];
    void (*heard)(const struct cluster_event *e); /* the test looks too */
};

/* Where the name is, or would be. */
static inline size_t mirror_place(const struct mirror *r, const char *name, bool *found)
{
    size_t low = 0, high = r->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(r->m[middle]->name, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        if (order == 0)
            *found = true;
    }
    return high;
}

static inline void mirror_show(struct mirror_member *to, const struct cluster_member *from)
{
    memset(to, 0, sizeof *to);
    to->id = from->id;
    to->port = from->port;
    to->weight = from->weight;
    to->flags = from->flags;
    strncpy(to->name, from->name, sizeof to->name - 1);
    strncpy(to->address, from->address, sizeof to->address - 1);
    strncpy(to->zone, from->zone, sizeof to->zone - 1);
    strncpy(to->role, from->role, sizeof to->role - 1);
}

static inline uint32_t mirror_differs(const struct mirror_member *a, const struct mirror_member *b)
{
    return (strcmp(a->address, b->address) != 0 ? CLUSTER_CHANGED_ADDRESS : 0) |
           (a->port != b->port ? CLUSTER_CHANGED_PORT : 0) | (a->weight != b->weight ? CLUSTER_CHANGED_WEIGHT : 0) |
           (strcmp(a->zone, b->zone) != 0 ? CLUSTER_CHANGED_ZONE : 0) |
           (strcmp(a->role, b->role) != 0 ? CLUSTER_CHANGED_ROLE : 0) |
           ((a->flags ^ b->flags) & CLUSTER_MEMBER_DRAINING ? CLUSTER_CHANGED_DRAINING : 0) |
           ((a->flags ^ b->flags) & CLUSTER_MEMBER_ACCEPTED ? CLUSTER_CHANGED_ACCEPTED : 0);
}

static inline void mirror_put(struct mirror *r, const struct cluster_member *member)
{
    bool found;
    size_t at = mirror_place(r, member->name, &found);
    if (!found) {
        if (r->count == r->capacity) {
            r->capacity = r->capacity * 2 + 16;
            r->m = (struct mirror_member **)realloc(r->m, r->capacity * sizeof *r->m);
            assert_non_null(r->m);
        }
        memmove(r->m + at + 1, r->m + at, (r->count++ - at) * sizeof *r->m);
        r->m[at] = (struct mirror_member *)malloc(sizeof **r->m);
        assert_non_null(r->m[at]);
    }
    mirror_show(r->m[at], member);
}

static inline void mirror_drop(struct mirror *r, size_t at)
{
    free(r->m[at]);
    memmove(r->m + at, r->m + at + 1, (--r->count - at) * sizeof *r->m);
}

static inline void mirror_clear(struct mirror *r)
{
    while (r->count)
        free(r->m[--r->count]);
}

static inline void mirror_member_event(struct mirror *r, const struct cluster_event *e)
{
    struct mirror_member now;
    bool found;
    size_t at = mirror_place(r, e->member->name, &found);
    assert_true(e->revision == r->revision + 1);
    r->revision = e->revision;
    assert_true(r->lost || found == (e->type != CLUSTER_JOIN));
    mirror_show(&now, e->member);
    if (e->type == CLUSTER_CHANGE) {
        assert_true(e->changed != 0);
        assert_true(!found || r->lost || (r->m[at]->id == now.id && mirror_differs(r->m[at], &now) == e->changed));
        r->changed = e->changed;
    } else {
        assert_int_equal(e->changed, 0);
    }
    if (e->type != CLUSTER_LEAVE) {
        mirror_put(r, e->member);
    } else if (found) {
        assert_true(r->lost || (r->m[at]->id == now.id && mirror_differs(r->m[at], &now) == 0));
        mirror_drop(r, at);
    }
}

/* Read all events that wait. */
static inline void mirror_read(struct mirror *r, struct cluster *c)
{
    const struct cluster_event *e;
    size_t i;
    while ((e = cluster_next_event(c)) != NULL) {
        assert_true(e->type > 0 && e->type < 17 && e->size == sizeof *e);
        assert_non_null(e->text);
        r->seen[e->type]++;
        if (r->heard)
            r->heard(e);
        if (e->type == CLUSTER_RESYNC) {
            mirror_clear(r);
            for (i = 0; i < cluster_member_count(c); i++)
                mirror_put(r, cluster_member_at(c, i));
            assert_true(e->revision == cluster_revision(c));
            r->revision = e->revision;
            r->lost = true;
        } else if (e->type <= CLUSTER_CHANGE) {
            mirror_member_event(r, e);
        } else if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN) {
            assert_non_null(e->member);
            assert_true((e->type == CLUSTER_DOWN) == (e->error < 0) && e->changed == 0);
            if (e->type == CLUSTER_DOWN) {
                r->down_error = e->error;
                strncpy(r->down_text, e->text, sizeof r->down_text - 1);
                r->down_text[strlen(e->text)] = '\0';
            }
        } else if (e->type == CLUSTER_SOURCE) {
            r->source_state = e->state;
            r->source_error = e->error;
            strncpy(r->source_text, e->text, sizeof r->source_text - 1);
            r->source_text[strlen(e->text)] = '\0';
        } else if (e->type == CLUSTER_STATUS) {
            r->status_state = e->state;
            r->status_count = e->count;
            strncpy(r->status_text, e->text, sizeof r->status_text - 1);
        } else if (e->type == CLUSTER_REPLY || e->type == CLUSTER_LEFT) {
            r->reply = e->request;
            r->reply_error = e->error;
            strncpy(r->reply_text, e->text, sizeof r->reply_text - 1);
            r->reply_text[strlen(e->text)] = '\0';
        }
    }
}

/* The law: events alone give the member list, with its attributes, in order. */
static inline void mirror_check(struct mirror *r, struct cluster *c)
{
    size_t i;
    mirror_read(r, c);
    assert_int_equal(cluster_member_count(c), r->count);
    assert_null(cluster_member_at(c, r->count));
    assert_true(cluster_revision(c) == r->revision);
    for (i = 0; i < r->count; i++) {
        const struct cluster_member *member = cluster_member_at(c, i);
        struct mirror_member now;
        mirror_show(&now, member);
        assert_string_equal(r->m[i]->name, now.name);
        assert_true(r->m[i]->id == now.id && mirror_differs(r->m[i], &now) == 0);
        assert_string_equal(member->host, strchr(member->name, '@') + 1);
        assert_ptr_equal(cluster_member_find(c, member->name), member);
    }
}

static inline void mirror_end(struct mirror *r)
{
    mirror_clear(r);
    free(r->m);
    memset(r, 0, sizeof *r);
}

#endif
