/*
 * demo, the script: each step waits for what the nodes report, never for a clock alone.
 */
#ifndef CLUSTERCTL_DEMO_H
#define CLUSTERCTL_DEMO_H

#include "demo_picture.h"

#define STEP_LIMIT (15 * SECOND)
#define EYE_PAUSE (2400 * MILLISECOND)
#define COMES_BACK (5 * SECOND)

static struct own_node *demo_victim(struct demo *d)
{
    return &d->own[OWN_NODES - 1];
}

static void demo_enter(struct demo *d, enum demo_step step)
{
    d->step = step;
    d->step_began = d->now;
    d->next_at = d->now + (d->live ? EYE_PAUSE : 0);
    d->unsettled = false;
}

/* A step is reached: the rows that show it, then on. */
static void demo_reached(struct demo *d, enum demo_step next, const char *name)
{
    demo_rows(d);
    if (d->json)
        demo_step_json(d, name);
    demo_enter(d, next);
}

static void demo_begin_moves(struct demo *d)
{
    tallies_clear(&d->moves);
}

static void demo_kill(struct demo *d)
{
    struct own_node *victim = demo_victim(d);
    pid_t pid = victim->pid;
    kill(pid, SIGKILL);
    own_reap(d, victim);
    demo_say(d, "killed %s (pid %ld, SIGKILL: it says no goodbye)", short_name(victim->name), (long)pid);
    if (d->json) {
        demo_event(d, "kill");
        json_text("node", victim->name);
        json_number("pid", (uint64_t)pid);
        json_end();
    }
    demo_begin_moves(d);
    demo_enter(d, STEP_LEAVE);
}

static void demo_revive(struct demo *d)
{
    struct own_node *victim = demo_victim(d);
    demo_begin_moves(d);
    if (own_spawn(d, victim)) {
        d->status = FAILED;
        return;
    }
    demo_say(d, "started %s again (pid %ld)", short_name(victim->name), (long)victim->pid);
    demo_enter(d, STEP_RETURN);
}

static void demo_stay(struct demo *d)
{
    size_t i;
    demo_enter(d, STEP_STAY);
    for (i = 0; i < d->count && !d->join; i++)
        demo_say(d, "%s is pid %ld: kill it and see", short_name(d->own[i].name), (long)d->own[i].pid);
    demo_say(d, "add a node from another terminal with `clusterctl demo --join`; Ctrl-C ends this one");
}

static void demo_finish(struct demo *d)
{
    uint64_t tenths = demo_time(d) / (100 * MILLISECOND);
    if (d->stay) {
        demo_stay(d);
        return;
    }
    demo_say(d, "done in %lu.%lu s", (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
    d->status = DONE;
}

static void demo_stayed(struct demo *d)
{
    size_t i;
    for (i = 0; i < d->count; i++) {
        struct own_node *n = &d->own[i];
        if (!n->alive && d->now >= n->died + COMES_BACK && own_spawn(d, n))
            d->status = FAILED;
    }
    if (d->unsettled && demo_converged(d)) {
        demo_rows(d);
        if (d->json)
            demo_step_json(d, "settled");
        demo_begin_moves(d);
        d->unsettled = false;
    }
}

/* What was waited for, in words, when it does not come. */
static void demo_too_late(struct demo *d)
{
    static const char *const awaited[] = {
        "the nodes did not find each other",      "", "the others did not see the killed node leave", "",
        "the restarted node was not found again", ""};
    const char *why = "";
    size_t i;
    for (i = 0; i < d->count; i++)
        if (*d->own[i].why)
            why = d->own[i].why;
    demo_fail(d, "%s within %lu s%s%s: check that the firewall lets UDP port %u pass on loopback, or try --group",
              awaited[d->step], (unsigned long)(STEP_LIMIT / SECOND), *why ? ": " : "", why, d->port);
}

static void demo_advance(struct demo *d)
{
    bool waits = d->step == STEP_FORM || d->step == STEP_LEAVE || d->step == STEP_RETURN;
    if (d->step == STEP_STAY) {
        demo_stayed(d);
        return;
    }
    if (waits && !demo_converged(d)) {
        if (d->now >= d->step_began + STEP_LIMIT)
            demo_too_late(d);
        return;
    }
    if (!waits && d->now < d->next_at)
        return;
    switch (d->step) {
    case STEP_FORM:
        demo_say(d, "all see each other and place the %d shards alike (fingerprint %016llx)", DEMO_SHARDS,
                 (unsigned long long)demo_reporter(d)->fingerprint);
        demo_begin_moves(d);
        demo_reached(d, STEP_FORMED, "formed");
        break;
    case STEP_FORMED:
        demo_kill(d);
        break;
    case STEP_LEAVE:
        demo_reached(d, STEP_LEFT, "left");
        break;
    case STEP_LEFT:
        demo_revive(d);
        break;
    case STEP_RETURN:
        demo_reached(d, STEP_RETURNED, "returned");
        break;
    default:
        demo_finish(d);
        break;
    }
}

/* ---- beginning and end ---- */

static int parse_group(struct demo *d, const char *text)
{
    const char *colon = strrchr(text, ':'), *rest;
    struct in_addr address;
    uint64_t port;
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length >= sizeof d->address_text || !parse_number(colon + 1, 65534, &port, &rest) || *rest || !port)
        return fail(USAGE, "--group takes ADDRESS:PORT, a multicast address and a port below 65535, not \"%s\"", text);
    memcpy(d->address_text, text, length);
    d->address_text[length] = '\0';
    if (inet_pton(AF_INET, d->address_text, &address) != 1 || ntohl(address.s_addr) >> 28 != 14)
        return fail(USAGE, "--group %s is no IPv4 multicast address: take one of 239.0.0.0 to 239.255.255.255",
                    d->address_text);
    d->address = d->address_text;
    d->port = (unsigned)port;
    return DONE;
}

static void demo_say_loopback(struct demo *d)
{
    demo_say(d, "the loopback interface was down: brought it up, as `ip link set lo up` does");
    if (d->json) {
        demo_event(d, "loopback");
        json_text("why", "the loopback interface was down: brought it up");
        json_end();
    }
}

/* A fresh network namespace has its loopback interface down. */
static int demo_loopback_up(struct demo *d)
{
#ifdef __linux__
    struct ifreq request;
    int result = DONE, fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo", 3);
    if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
            result = fail(FAILED, "the loopback interface is down and may not be changed (%s): run `ip link set lo up` as root",
                          strerror(errno));
        else
            demo_say_loopback(d);
    }
    if (fd >= 0)
        close(fd);
    return result;
#else
    (void)d;
    return DONE;
#endif
}

/* One demo on a host, group and port: two would share their names. The port after the group's is the mark. */
static int demo_alone(struct demo *d)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)(d->port + 1));
    d->lock = socket(AF_INET, SOCK_DGRAM, 0);
    if (d->lock < 0)
        return fail(FAILED, "no UDP socket: %s", strerror(errno));
    if (bind(d->lock, (struct sockaddr *)&address, sizeof address) < 0 && errno == EADDRINUSE)
        return fail(FAILED,
                    "a demo runs here already (UDP port %u is taken): add a node to it with `clusterctl demo --join`, or give "
                    "this one its own --group",
                    d->port + 1);
    return DONE;
}

/* A picture needs a terminal with some room. */
static void demo_terminal(struct demo *d)
{
    if (!d->live)
        return;
    picture_measure(d);
    d->live = d->columns >= 50 && d->rows >= 14;
    d->colour = wants_colour(STDOUT_FILENO);
    d->utf8 = speaks_utf8();
    if (d->live) {
        signal_catch(SIGWINCH, on_signal);
        signal_catch(SIGTSTP, on_signal);
    }
}

static int demo_begin(struct demo *d)
{
    size_t i;
    int status = signals_begin();
    if (status)
        return status;
    signal_catch(SIGPIPE, SIG_IGN);
    signal_catch(SIGCHLD, SIG_DFL); /* else waitpid(2) would have nothing to tell */
    demo_terminal(d);
    status = demo_loopback_up(d);
    if (!status && !d->join)
        status = demo_alone(d);
    if (status)
        return status;
    d->count = d->join ? 1 : OWN_NODES;
    for (i = 0; i < d->count; i++) {
        d->own[i].reports = d->own[i].commands = -1;
        if (!d->join)
            snprintf(d->own[i].name, sizeof d->own[i].name, "%s", demo_names[i]);
    }
    for (i = 0; !status && i < d->count; i++) {
        status = own_spawn(d, &d->own[i]);
        if (!status)
            demo_say(d, "started %s (pid %ld)", d->own[i].name, (long)d->own[i].pid);
    }
    d->step_began = d->now;
    if (d->join)
        demo_stay(d);
    return status;
}

/* Time for the eye, not for the nodes. */
static bool demo_pauses(const struct demo *d)
{
    return d->step == STEP_FORMED || d->step == STEP_LEFT || d->step == STEP_RETURNED;
}

/* When to look again if no node reports. */
static int demo_timeout(const struct demo *d)
{
    uint64_t wait = d->live ? 200 * MILLISECOND : 500 * MILLISECOND;
    if (demo_pauses(d)) {
        uint64_t left = d->next_at > d->now ? d->next_at - d->now : 0;
        wait = left < wait ? left : wait;
    }
    return (int)((wait + MILLISECOND - 1) / MILLISECOND);
}

static void demo_turn(struct demo *d)
{
    struct pollfd fds[OWN_NODES + 1];
    size_t i;
    fds[0].fd = signal_pipe[0];
    fds[0].events = POLLIN;
    fds[0].revents = 0;
    for (i = 0; i < d->count; i++) {
        fds[i + 1].fd = d->own[i].reports; /* -1 is skipped */
        fds[i + 1].events = POLLIN;
        fds[i + 1].revents = 0;
    }
    if (poll(fds, (nfds_t)(d->count + 1), demo_timeout(d)) < 0)
        return;
    d->now = cluster_now();
    if (fds[0].revents)
        signal_pipe_drain();
    for (i = 0; i < d->count; i++)
        if (fds[i + 1].revents)
            demo_read(d, &d->own[i]);
}

static void demo_free(struct demo *d)
{
    size_t i;
    tallies_clear(&d->moves);
    for (i = 0; i < d->face_count; i++)
        free(d->faces[i].name);
    free(d->faces);
    for (i = 0; i < STORY; i++)
        free(d->story[i]);
    if (d->lock >= 0)
        close(d->lock);
}

/* The sentence on stderr for an end that was not the script's. */
static int demo_verdict(const struct demo *d)
{
    if (*d->verdict)
        return fail(FAILED, "%s", d->verdict);
    if (d->status != -1)
        return d->status;
    if (ferror(stdout))
        return FAILED;
    return d->stay || d->join ? DONE : fail(FAILED, "interrupted before the demo was over");
}

static int run_demo(const struct arguments *a)
{
    struct demo d;
    int status;
    memset(&d, 0, sizeof d);
    d.json = given(a, OPT_JSON);
    d.stay = given(a, OPT_STAY);
    d.join = given(a, OPT_JOIN);
    d.live = !d.json && is_terminal(STDOUT_FILENO);
    d.lock = d.status = -1;
    d.address = DEMO_GROUP;
    d.port = DEMO_PORT;
    d.began = d.now = cluster_now();
    if (d.join && d.stay)
        return fail(USAGE, "--join goes on until interrupted by itself: leave out --stay");
    if (given(a, OPT_GROUP) && parse_group(&d, text_of(a, OPT_GROUP, "")))
        return USAGE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    status = demo_begin(&d);
    if (status)
        d.status = status;
    while (d.status == -1 && !signal_end && !ferror(stdout)) {
        if (signal_suspend)
            demo_suspend(&d);
        if (d.live && (d.dirty || signal_resized || d.now - d.drawn_at >= 200 * MILLISECOND))
            demo_draw(&d);
        demo_turn(&d);
        demo_advance(&d);
    }
    if (d.live && d.drawn)
        demo_draw(&d);
    terminal_leave(&d);
    demo_end_nodes(&d);
    status = status ? status : demo_verdict(&d);
    if (d.json && !ferror(stdout)) {
        demo_event(&d, "end");
        json_number("status", (uint64_t)status);
        json_end();
    }
    demo_free(&d);
    return status;
}

#endif
