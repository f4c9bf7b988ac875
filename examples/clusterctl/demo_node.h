/*
 * demo, one node: a process with a handle of its own, which reports in lines and obeys its parent
 *
 *   reports   join NAME | leave NAME | members NAME... | source WAY STATE WHY | status STATE COUNT QUORUM |
 *             move FROM TO COUNT | owners SHARDS NAME... | map FINGERPRINT MOVED | failed WHY    (fields end in a tab)
 *   commands  "b": meet by broadcast; end of file: end
 */
#ifndef CLUSTERCTL_DEMO_NODE_H
#define CLUSTERCTL_DEMO_NODE_H

#include "sources.h"

#define DEMO_SHARDS 256
#define DEMO_GROUP "239.76.67.1"
#define DEMO_PORT 45893
#define DEMO_QUORUM 2

enum demo_way { BY_MULTICAST, BY_BROADCAST };

/* One line to the parent: the fields of `format`, which end in tabs. */
struct reporter {
    int fd;
    struct text line;
};

static void report_send(struct reporter *r)
{
    size_t sent = 0;
    text_add(&r->line, "\n");
    while (sent < r->line.length) {
        ssize_t n = write(r->fd, r->line.at + sent, r->line.length - sent);
        if (n < 0 && errno != EINTR)
            _exit(FAILED); /* the parent is gone */
        if (n > 0)
            sent += (size_t)n;
    }
    text_clear(&r->line);
}

/* Fields until NULL. */
static void report(struct reporter *r, const char *const *fields)
{
    for (; *fields; fields++) {
        text_add(&r->line, *fields);
        text_add(&r->line, "\t");
    }
    report_send(r);
}

static void report_2(struct reporter *r, const char *what, const char *field)
{
    const char *fields[3];
    fields[0] = what;
    fields[1] = field;
    fields[2] = NULL;
    report(r, fields);
}

static void demo_url(char *out, size_t size, enum demo_way way, const char *address, unsigned port)
{
    static const char common[] = "if=127.0.0.1&interval=300ms&max-age=1500ms&announce=on";
    if (way == BY_MULTICAST)
        snprintf(out, size, "gossip:%s:%u?ttl=0&%s", address, port, common);
    else
        snprintf(out, size, "gossip:127.255.255.255:%u?broadcast=on&%s", port, common);
}

/* A demo node's own state. */
struct member_process {
    struct loop loop;
    struct reporter out;
    struct cluster_map *map; /* as last reported */
    enum demo_way way;
    const char *address; /* the group's */
    unsigned port;
};

static void member_report_members(struct member_process *p)
{
    const struct cluster_member *m;
    size_t i;
    text_add(&p->out.line, "members\t");
    for (i = 0; (m = cluster_member_at(p->loop.c, i)) != NULL; i++) {
        text_add(&p->out.line, m->name);
        text_add(&p->out.line, "\t");
    }
    report_send(&p->out);
}

static void member_report_owners(struct member_process *p, const struct cluster_map *map)
{
    uint32_t i;
    text_add(&p->out.line, "owners\t");
    for (i = 0; i < DEMO_SHARDS; i++)
        text_format(&p->out.line, "%02x", (unsigned)(cluster_map_shard_owner(map, i) & 0xff));
    text_add(&p->out.line, "\t");
    for (i = 0; i < cluster_map_nodes(map); i++) {
        text_add(&p->out.line, cluster_map_node(map, i));
        text_add(&p->out.line, "\t");
    }
    report_send(&p->out);
}

/* Who gave how many shards to whom between two maps. */
static void member_report_moves(struct member_process *p, const struct cluster_map *from, const struct cluster_map *to)
{
    struct cluster_move moves[DEMO_SHARDS];
    size_t i, j, count = smallest(cluster_map_plan(from, to, moves, DEMO_SHARDS), DEMO_SHARDS);
    for (i = 0; i < count; i++) {
        uint32_t same = 0;
        const char *giver = moves[i].from == CLUSTER_NOBODY ? "-" : cluster_map_node(from, moves[i].from);
        const char *taker = moves[i].to == CLUSTER_NOBODY ? "-" : cluster_map_node(to, moves[i].to);
        if (moves[i].shard == CLUSTER_NOBODY)
            continue; /* counted with an earlier one */
        for (j = i; j < count; j++) {
            if (moves[j].shard != CLUSTER_NOBODY && moves[j].from == moves[i].from && moves[j].to == moves[i].to) {
                moves[j].shard = CLUSTER_NOBODY;
                same++;
            }
        }
        text_format(&p->out.line, "move\t%s\t%s\t%lu\t", giver, taker, (unsigned long)same);
        report_send(&p->out);
    }
}

static void member_report_map(struct member_process *p, const struct cluster_event *e)
{
    struct cluster_map *map = cluster_current_map(p->loop.c);
    if (!map)
        return;
    member_report_moves(p, p->map, map);
    member_report_owners(p, map);
    text_format(&p->out.line, "map\t%llx\t%lu\t", (unsigned long long)e->fingerprint, (unsigned long)e->count);
    report_send(&p->out);
    cluster_map_free(p->map);
    p->map = map;
}

static void member_report_source(struct member_process *p, const struct cluster_event *e)
{
    text_format(&p->out.line, "source\t%d\t%s\t", (int)p->way, source_state_name((int)e->state));
    text_add(&p->out.line, e->text);
    text_add(&p->out.line, "\t");
    report_send(&p->out);
}

static void member_events(struct member_process *p)
{
    const struct cluster_event *e;
    bool members = false;
    while ((e = cluster_next_event(p->loop.c)) != NULL) {
        if (members && e->type != CLUSTER_JOIN && e->type != CLUSTER_LEAVE) {
            member_report_members(p);
            members = false;
        }
        switch (e->type) {
        case CLUSTER_JOIN:
        case CLUSTER_LEAVE:
            members = true;
            if (!(e->member->flags & CLUSTER_MEMBER_SELF))
                report_2(&p->out, cluster_event_name(e->type), e->member->name);
            break;
        case CLUSTER_RESYNC:
            members = true;
            break;
        case CLUSTER_STATUS:
            text_format(&p->out.line, "status\t%s\t%lu\t%lu\t", status_name((int)e->state), (unsigned long)e->count,
                        (unsigned long)e->quorum);
            report_send(&p->out);
            break;
        case CLUSTER_SOURCE:
            member_report_source(p, e);
            break;
        case CLUSTER_MAP:
            member_report_map(p, e);
            break;
        default:
            break;
        }
    }
    if (members)
        member_report_members(p);
}

static int member_meet(struct member_process *p, enum demo_way way)
{
    char url[256];
    struct cluster_source *old = cluster_source_at(p->loop.c, 0);
    if (old)
        cluster_source_remove(old);
    p->way = way;
    demo_url(url, sizeof url, way, p->address, p->port);
    if (cluster_discover(p->loop.c, url, NULL) < 0) {
        report_2(&p->out, "failed", cluster_last_error(p->loop.c));
        return FAILED;
    }
    return DONE;
}

/* Says whether to go on. */
static bool member_obey(struct member_process *p, int commands)
{
    char command;
    ssize_t n = read(commands, &command, 1);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    return command != 'b' || member_meet(p, BY_BROADCAST) == DONE;
}

/* The life of a demo node. Ends when its parent closes the command pipe or dies. */
static int member_run(const char *name, enum demo_way way, const char *address, unsigned port, int commands, int reports)
{
    struct member_process p;
    struct cluster_options options;
    struct cluster_map_options map;
    struct cluster *c;
    char error[256] = "";
    int status;
    memset(&p, 0, sizeof p);
    memset(&map, 0, sizeof map);
    p.out.fd = reports;
    p.address = address;
    p.port = port;
    map.size = sizeof map;
    map.shards = DEMO_SHARDS;
    cluster_options_init(&options);
    options.node = name;
    options.quorum = DEMO_QUORUM;
    options.map = &map;
    options.log_level = CLUSTER_LOG_ERROR;
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&c, &options) < 0) {
        report_2(&p.out, "failed", error);
        return FAILED;
    }
    loop_begin(&p.loop, c, commands);
    status = member_meet(&p, way);
    while (!status) {
        member_events(&p);
        if (loop_turn(&p.loop, CLUSTER_NEVER) && !member_obey(&p, commands))
            break;
    }
    cluster_map_free(p.map);
    loop_end(&p.loop);
    text_free(&p.out.line);
    return status;
}

#endif
