/*
 * One step, and what a host reads between two. The path of a datagram: cluster_step -> clu_loop_fired -> clu_loop_dispatch ->
 * the source's ready -> its strategy -> cluster_source_heard -> the table -> the event queue -> cluster_next_event.
 */
#ifndef CLU_CORE_STEP_H
#define CLU_CORE_STEP_H

#include "placement.h"
#include "quorum.h"

/* The host no longer looks at the event. */
CLU_CALLED void clu_event_done(struct cluster *c)
{
    clu_unshare(&c->loop.memory, c->shown);
    clu_unshare(&c->loop.memory, c->shown_member);
    c->shown = c->shown_member = NULL;
}

/* Sources that ended inside a callback are freed when it is over. */
CLU_FN void clu_sweep(struct cluster *c)
{
    struct cluster_source *s = c->discovery.first, *next;
    for (; s; s = next) {
        next = s->next;
        if (!s->ended)
            continue;
        c->discovery.count -= !s->request;
        clu_source_unlink(&c->discovery, s);
        clu_source_free(s);
    }
    c->discovery.ends = false;
}

/* Has every source withdrawn what it announced, or is the time for it over? Then it is said. When to look again. */
CLU_FN uint64_t clu_look_at_leaving(struct cluster *c)
{
    struct clu_loop *l = &c->loop;
    struct cluster_source *s = c->discovery.first;
    struct clu_event *e;
    char said[512];
    struct clu_text t = clu_text_on(said, sizeof said);
    if (!c->leaving)
        return CLUSTER_NEVER;
    if (!c->leave_end_ns)
        c->leave_end_ns = clu_add_time(l->now, c->leave_span_ns);
    while (s && !s->withdraws)
        s = s->next;
    if (s && l->now < c->leave_end_ns)
        return c->leave_end_ns;
    c->leaving = false;
    e = clu_queue_reply(&l->events);
    e->type = CLUSTER_LEFT;
    e->error = s ? CLUSTER_E_TIMEOUT : 0;
    e->time = l->now;
    e->request = c->leave_request;
    if (s) {
        clu_text_add(&t, "the others see this node until it has aged out, for one source did not take its good-bye in time: ");
        clu_text_add(&t, s->shown);
        e->object = clu_reply_text(&l->memory, said);
    }
    return CLUSTER_NEVER;
}

/* What is announced of the own node is another thing now. */
CLU_FN void clu_announce(struct cluster *c, bool withdraws)
{
    struct cluster_source *s;
    for (s = c->discovery.first; s; s = s->next) {
        if (!(s->strategy.flags & CLUSTER_STRATEGY_ANNOUNCES) || !s->strategy.round)
            continue;
        s->withdraws = s->withdraws || withdraws;
        clu_timer_set(&c->loop.timers, &s->timers[CLU_TIMER_ROUND], withdraws || !s->paused ? 0 : CLUSTER_NEVER);
    }
    c->loop.kick = true;
}

#ifndef CLUSTER_NO_ERLANG
/* Once the own node listens its port is known, to be announced and shown. When to try again for want of memory. */
CLU_FN uint64_t clu_look_at_port(struct cluster *c)
{
    uint16_t port = c->mesh.links.port;
    if (!port || port == c->discovery.own.port)
        return CLUSTER_NEVER;
    if (clu_table_self_port(&c->table, c->own_name, port))
        return clu_add_time(c->loop.now, CLU_MAP_RETRY);
    c->discovery.own.port = port;
    clu_announce(c, false);
    return CLUSTER_NEVER;
}
#endif

/* After members or time changed: the table's loose ends, the status, the map. */
CLU_FN void clu_look(struct cluster *c)
{
    uint64_t at = CLUSTER_NEVER;
    if (c->discovery.ends)
        clu_sweep(c);
    if (c->table.stale)
        clu_table_retry(&c->table);
    if (c->table.stale)
        at = clu_add_time(c->loop.now, CLU_MAP_RETRY);
    at = clu_min_u64(at, clu_look_at_leaving(c));
    clu_look_at_status(c);
#ifndef CLUSTER_NO_MAP
    at = clu_min_u64(at, clu_look_at_map(c));
#endif
#ifndef CLUSTER_NO_CONNECT
    at = clu_min_u64(at, clu_mesh_retry(&c->mesh));
#endif
#ifndef CLUSTER_NO_ERLANG
    at = clu_min_u64(at, clu_look_at_port(c));
#endif
    clu_timer_set(&c->loop.timers, &c->wake, clu_min_u64(at, clu_status_deadline(&c->status)));
}

CLUSTER_DEF int cluster_step(struct cluster *c, uint64_t now, const struct pollfd *ready, size_t count)
{
    struct clu_loop *l;
    struct cluster_source *s;
    if (!c || (count && !ready))
        return CLUSTER_E_INVALID;
    l = &c->loop;
    if (l->stepping || l->logging)
        return CLUSTER_E_BUSY;
    clu_event_done(c);
    l->stepping = true;
    l->counts.steps++;
    l->now = now > l->now ? now : l->now;
    l->budget_left = l->budget;
    clu_loop_close_acknowledged(l);
    if (c->discovery.late) {
        c->discovery.late = false;
        for (s = c->discovery.first; s; s = s->next)
            clu_source_catch_up(s);
    }
    clu_loop_fired(l, ready, count);
    clu_loop_dispatch(l);
    /* What came in before a timer was due counts first; then the timers' own calls have room, however much came in. */
    l->budget_left = l->budget_left > CLU_TIMER_BUDGET ? l->budget_left : CLU_TIMER_BUDGET;
    clu_timers_fire(&l->timers, l->now);
    clu_look(c);
    l->kick = false;
    l->stepping = false;
    return 0;
}

CLUSTER_DEF size_t cluster_watches(struct cluster *c, struct pollfd *out, size_t capacity)
{
    return c && (out || !capacity) ? clu_loop_watches(&c->loop, out, capacity) : 0;
}

CLUSTER_DEF uint64_t cluster_watch_generation(const struct cluster *c)
{
    return c ? c->loop.generation : 0;
}

CLUSTER_DEF uint64_t cluster_deadline(const struct cluster *c)
{
    return c ? clu_loop_deadline(&c->loop) : CLUSTER_NEVER;
}

/* Rounded up; -1: never. */
CLU_CALLED int clu_ms_until(uint64_t deadline, uint64_t now)
{
    uint64_t ms = deadline > now ? (deadline - now - 1) / CLU_MS + 1 : 0;
    if (deadline == CLUSTER_NEVER)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

CLUSTER_DEF int cluster_timeout_ms(const struct cluster *c, uint64_t now)
{
    return clu_ms_until(cluster_deadline(c), now);
}

/* ---- events ----------------------------------------------------------- */

/* Each of these makes an event of what is new, and says whether there was any. */
CLU_FN bool clu_event_of_queue(struct cluster *c, struct cluster_event *e)
{
    const struct clu_event *queued = clu_queue_pop(&c->loop.events);
    if (!queued)
        return false;
    e->type = queued->type;
    e->error = queued->error;
    e->changed = queued->changed;
    e->time = queued->time;
    e->revision = queued->revision;
    e->request = queued->request;
    e->source = queued->source;
    c->shown = queued->object;
    c->shown_member = queued->member;
    if (e->type < CLUSTER_MESSAGE || e->type == CLUSTER_WRITABLE) {
        e->member = &((struct clu_record *)(void *)c->shown)->view;
    } else {
        e->text = c->shown ? (const char *)(c->shown + 1) : cluster_strerror(e->error);
        e->count = e->changed;
        e->changed = 0;
        e->term_size = queued->term_size;
        if (c->shown && e->term_size)
            e->term = (const char *)c->shown + c->shown->size - e->term_size;
        if (c->shown_member)
            e->member = &((struct clu_record *)(void *)c->shown_member)->view;
    }
#ifndef CLUSTER_NO_CONNECT
    if (e->type == CLUSTER_DOWN) {
        e->text = clu_why_text((enum clu_why)e->changed, e->error);
        e->changed = 0;
    }
#endif
    return true;
}

#ifndef CLUSTER_NO_CONNECT
/* What a host that connects by itself is asked for. */
CLU_FN bool clu_event_of_mesh(struct cluster *c, struct cluster_event *e)
{
    struct clu_dial *d = c->mesh.tells.first;
    struct clu_record *r;
    if (!d)
        return false;
    clu_dial_line_leave(d);
    clu_dial_timer(d, clu_add_time(c->loop.now, CLU_DIAL_DEADLINE));
    r = clu_peer_of(d)->member->record;
    c->shown_member = (struct clu_shared *)clu_share(r);
    e->type = d->up ? CLUSTER_DISCONNECT : CLUSTER_CONNECT;
    e->member = &r->view;
    return true;
}
#endif

CLU_FN bool clu_event_of_sources(struct cluster *c, struct cluster_event *e, struct clu_text *text)
{
    struct cluster_source *s = c->discovery.first;
    while (s && !s->news)
        s = s->next;
    c->discovery.news = s != NULL;
    if (!s)
        return false;
    s->news = false;
    e->type = CLUSTER_SOURCE;
    e->source = s;
    e->state = (uint32_t)s->state;
    e->error = s->error;
    clu_text_add(text, s->why);
    return true;
}

CLU_FN bool clu_event_of_status(struct cluster *c, struct cluster_event *e, struct clu_text *text)
{
    if (!c->status_news)
        return false;
    c->status_news = false;
    e->type = CLUSTER_STATUS;
    e->state = (uint32_t)c->status.state;
    e->count = c->status.count;
    e->quorum = c->status.quorum;
    clu_say_status(c, text);
    return true;
}

#ifndef CLUSTER_NO_MAP
CLU_FN bool clu_event_of_map(struct cluster *c, struct cluster_event *e)
{
    if (!c->map_news)
        return false;
    c->map_news = false;
    e->type = CLUSTER_MAP;
    e->count = c->map_moves;
    e->fingerprint = cluster_map_fingerprint(c->map);
    c->map_moves = 0;
    return true;
}
#endif

CLUSTER_DEF const struct cluster_event *cluster_next_event(struct cluster *c)
{
    struct cluster_event e;
    struct clu_text text;
    bool any = true;
    if (!c || c->loop.stepping)
        return NULL;
    clu_event_done(c);
    memset(&e, 0, sizeof e);
    e.size = (uint32_t)sizeof e;
    e.time = c->loop.now;
    e.text = c->text;
    text = clu_text_on(c->text, sizeof c->text);
    if (c->loop.events.resync) {
        c->loop.events.resync = false;
        clu_log(&c->loop, CLU_MESSAGE_EVENTS_LOST, "");
        e.type = CLUSTER_RESYNC;
        e.revision = c->table.revision;
    } else {
        any = clu_event_of_queue(c, &e);
#ifndef CLUSTER_NO_CONNECT
        any = any || clu_event_of_mesh(c, &e);
#endif
        any = any || clu_event_of_sources(c, &e, &text) || clu_event_of_status(c, &e, &text);
#ifndef CLUSTER_NO_MAP
        any = any || clu_event_of_map(c, &e);
#endif
    }
    if (!any)
        return NULL;
    c->event = e;
    return &c->event;
}

CLU_FN bool clu_has_events(const struct cluster *c)
{
    bool news = c->loop.events.resync || c->loop.events.count || c->discovery.news || c->status_news;
#ifndef CLUSTER_NO_MAP
    news = news || c->map_news;
#endif
#ifndef CLUSTER_NO_CONNECT
    news = news || c->mesh.tells.first;
#endif
    return news;
}

CLUSTER_DEF const char *cluster_event_name(uint32_t type)
{
    static const char *const names[] = {"none",    "join",       "leave",    "change", "up",    "down",
                                        "connect", "disconnect", "status",   "source", "map",   "message",
                                        "call",    "reply",      "writable", "left",   "resync"};
    return type < CLU_COUNT(names) ? names[type] : names[0];
}

/* ---- for programs without a loop -------------------------------------- */

#ifndef CLUSTER_NO_POSIX

CLU_FN int clu_poll(struct cluster *c, int timeout_ms)
{
    size_t total;
    int until, fired, result;
    while ((total = cluster_watches(c, c->polled, c->polled_capacity)) > c->polled_capacity)
        if (!clu_reserve(&c->loop.memory, &c->polled, &c->polled_capacity, total, sizeof *c->polled))
            return clu_fail(&c->loop, CLUSTER_E_MEMORY, "no memory for the descriptors to poll");
    until = cluster_timeout_ms(c, cluster_now());
    /* What is to be done at once is done before the system is asked, but not twice in a row. */
    c->polled_not = !until && timeout_ms && !c->polled_not;
    if (timeout_ms < 0 || (until >= 0 && until < timeout_ms))
        timeout_ms = until;
    fired = c->polled_not ? 0 : poll(c->polled, (nfds_t)total, timeout_ms);
    c->loop.level = true;
    result = cluster_step(c, cluster_now(), c->polled, fired > 0 ? total : 0);
    c->loop.level = false;
    return result;
}

CLUSTER_DEF int cluster_poll(struct cluster *c, int timeout_ms)
{
    if (!c)
        return CLUSTER_E_INVALID;
    return clu_has_events(c) ? 0 : clu_poll(c, timeout_ms);
}

CLUSTER_DEF int cluster_wait(struct cluster *c, int timeout_ms)
{
    uint64_t end = timeout_ms < 0 ? CLUSTER_NEVER : clu_add_time(cluster_now(), (uint64_t)timeout_ms * CLU_MS);
    int left, result = 0;
    if (!c)
        return CLUSTER_E_INVALID;
    while (c->status.state != CLUSTER_READY && !result) {
        left = clu_ms_until(end, cluster_now());
        if (!left)
            return clu_fail(&c->loop, CLUSTER_E_TIMEOUT,
                            "the quorum was not reached in time: are the sources right, and quorum?");
        result = clu_poll(c, left);
    }
    return result;
}

#endif

/* ---- status ----------------------------------------------------------- */

CLUSTER_DEF int cluster_status(const struct cluster *c)
{
    return c ? c->status.state : CLUSTER_FORMING;
}

CLUSTER_DEF uint64_t cluster_token(const struct cluster *c)
{
    return c ? c->status.token : 0;
}

#endif
