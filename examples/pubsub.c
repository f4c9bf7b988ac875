/* Publish to a topic of Phoenix.PubSub and subscribe to it, as a hidden node of its cluster. Each line of the input is a term that goes
 * to the topic's subscribers on all nodes; each message that others broadcast there is printed. Nodes may come, go and start anew. It
 * ends with its input, once all nodes have what was published.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o pubsub examples/pubsub.c
 *     COOKIE=secret ./pubsub c@10.0.0.9 epmd:10.0.0.1,10.0.0.2 MyApp.PubSub room:1
 *
 * What PubSub does: on each node the workers of its adapter, one for each of its pool, are members of groups of the `pg` scope
 * 'Elixir.Phoenix.PubSub'. Who broadcasts sends to all members of one of these groups, and they tell the subscribers on their node. So
 * to subscribe is to be a member of all groups, and to publish is to send to one worker of each node. Messages are lost when a
 * link is, as PubSub's own are.
 */
#include "../cluster.h"
#include "terms.h"
#include <signal.h>
#include <unistd.h>

#define SCOPE "Elixir.Phoenix.PubSub"
#define AGAIN UINT64_C(2000000000) /* how often nodes are asked what groups there are */
#define NODES 64
#define POOL 64
#define LINE 65536

struct peer {
    char *name, *scope; /* the pid of its scope, as text */
    uint64_t joined;    /* a bit a group */
};

struct pubsub {
    struct cluster *c;
    char adapter[256];
    char *topic, *self; /* as the text of terms */
    struct peer peers[NODES];
    int peer_count;
    char line[LINE];
    size_t length;
    int awaited; /* answers to pings, at the end */
};

static volatile sig_atomic_t over;

static void stop(int signal_number)
{
    (void)signal_number;
    over = 1;
}

static struct peer *peer_of(struct pubsub *p, const char *name)
{
    int i;
    for (i = 0; i < p->peer_count; i++)
        if (strcmp(p->peers[i].name, name) == 0)
            return &p->peers[i];
    if (i == NODES)
        return NULL;
    p->peer_count++;
    p->peers[i].name = (char *)terms_memory(strlen(name) + 1);
    strcpy(p->peers[i].name, name);
    return &p->peers[i];
}

/* Its link is down: with that we are a member of its groups no more, and it may never come back. */
static void forget(struct pubsub *p, const char *name)
{
    int i;
    for (i = 0; i < p->peer_count && strcmp(p->peers[i].name, name) != 0; i++)
        continue;
    if (i == p->peer_count)
        return;
    free(p->peers[i].name);
    free(p->peers[i].scope);
    p->peers[i] = p->peers[--p->peer_count];
    memset(&p->peers[p->peer_count], 0, sizeof *p->peers);
}

/* Be a member of this group, unless it is another PubSub's, or we are one already: who is twice a member hears all twice. */
static void join(struct pubsub *p, struct peer *peer, const char *group)
{
    size_t length = strlen(p->adapter);
    unsigned long number = 1; /* the first group is named as the adapter, the n-th ..._n */
    if (*group != '\'' || strncmp(group + 1, p->adapter, length) != 0)
        return;
    if (group[1 + length] == '_')
        number = strtoul(group + 2 + length, NULL, 10);
    else if (strcmp(group + 1 + length, "'") != 0)
        return;
    if (number < 1 || number > POOL || peer->joined >> (number - 1) & 1)
        return;
    if (term_send(p->c, peer->name, SCOPE, "{join, %s, %s, %s}", p->self, group, p->self) == 0)
        peer->joined |= UINT64_C(1) << (number - 1);
}

/* A scope says what groups its node is in: {sync, Pid, [{Group, Members}]}. One that was started anew does not know us any more. */
static void synchronize(struct pubsub *p, struct peer *peer, const char *sync)
{
    char *pid = term_element(sync, 1), *groups = term_element(sync, 2), *pair;
    int i;
    if (pid && groups) {
        if (!peer->scope || strcmp(peer->scope, pid) != 0)
            peer->joined = 0;
        free(peer->scope);
        peer->scope = pid;
        pid = NULL;
        for (i = 0; (pair = term_element(groups, i)) != NULL; i++) {
            char *group = term_element(pair, 0);
            if (group)
                join(p, peer, group);
            free(group);
            free(pair);
        }
    }
    free(pid);
    free(groups);
}

static void on_message(struct pubsub *p, const struct cluster_event *e)
{
    struct peer *peer = peer_of(p, e->member->name);
    char *text = term_text(e->term, e->term_size), *first = term_element(text, 1), *second = term_element(text, 2);
    if (!peer)
        fprintf(stderr, "pubsub: more than %d nodes\n", NODES);
    else if (term_is(text, "forward_to_local") && first && second && strcmp(first, p->topic) == 0)
        printf("%s: %s\n", e->member->name, second);
    else if (term_is(text, "'$gen_cast'") && first && term_is(first, "sync"))
        synchronize(p, peer, first);
    else if (term_is(text, "join") && second) /* a group that is new there */
        join(p, peer, second);
    free(text);
    free(first);
    free(second);
}

static void on_event(struct pubsub *p, const struct cluster_event *e)
{
    if (e->type == CLUSTER_UP) {
        fprintf(stderr, "up %s\n", e->member->name);
    } else if (e->type == CLUSTER_DOWN) {
        fprintf(stderr, "down %s: %s\n", e->member->name, e->text);
        forget(p, e->member->name);
    } else if (e->type == CLUSTER_SOURCE && e->error) {
        fprintf(stderr, "pubsub: %s\n", e->text);
    } else if (e->type == CLUSTER_MESSAGE) {
        on_message(p, e);
    } else if (e->type == CLUSTER_REPLY) {
        p->awaited--;
    }
}

/* The index-th member's name if it is linked, "" if it is not; NULL: there are no more. */
static const char *linked(const struct pubsub *p, size_t index)
{
    const struct cluster_member *m = cluster_member_at(p->c, index);
    return !m ? NULL : m->state == CLUSTER_MEMBER_UP ? m->name : "";
}

/* Scopes answer with a sync each time, so that nobody need know when one has come to life. */
static void discover(struct pubsub *p)
{
    const char *name;
    size_t i;
    for (i = 0; (name = linked(p, i)) != NULL; i++)
        if (*name)
            term_send(p->c, name, SCOPE, "{discover, %s}", p->self);
}

static void publish(struct pubsub *p, const char *line)
{
    const char *name, *why = cluster_term_why(line, NULL);
    size_t i;
    if (*why) { /* also where it is two, which an adapter would not bear */
        fprintf(stderr, "pubsub: no term: %s\n", why);
        return;
    }
    for (i = 0; (name = linked(p, i)) != NULL; i++) {
        if (*name && term_send(p->c, name, p->adapter, "{forward_to_local, %s, %s, '" SCOPE "'}", p->topic, line) < 0)
            fprintf(stderr, "pubsub: %s does not get it: %s\n", name, cluster_last_error(p->c));
    }
}

/* Take in what there is of the input. At its end each node is asked for a sign of life: when that comes, it has what was
 * sent before. */
static int on_input(struct pubsub *p)
{
    ssize_t got = read(STDIN_FILENO, p->line + p->length, LINE - 1 - p->length);
    char *from = p->line, *end;
    const char *name;
    size_t i;
    if (got > 0) {
        p->length += (size_t)got;
        p->line[p->length] = '\0';
        for (; (end = strchr(from, '\n')) != NULL; from = end + 1) {
            *end = '\0';
            publish(p, from);
        }
        p->length -= (size_t)(from - p->line);
        memmove(p->line, from, p->length);
        if (p->length < LINE - 1)
            return 1;
        fprintf(stderr, "pubsub: a line of the input is too long\n");
    }
    for (i = 0; (name = linked(p, i)) != NULL; i++) {
        uint64_t request;
        p->awaited += *name && cluster_ping(p->c, name, &request) == 0;
    }
    return 0;
}

static int run(struct pubsub *p)
{
    const struct cluster_event *e;
    struct pollfd *fds = NULL;
    size_t capacity = 0, n;
    uint64_t again = 0;
    int input = 1;
    while (!over && (input || p->awaited > 0)) {
        int timeout;
        if (cluster_now() >= again) {
            discover(p);
            again = cluster_now() + AGAIN;
        }
        while ((n = cluster_watches(p->c, fds ? fds + 1 : NULL, capacity)) > capacity) {
            free(fds);
            fds = (struct pollfd *)terms_memory((n + 1) * sizeof *fds);
            capacity = n;
        }
        if (!fds)
            fds = (struct pollfd *)terms_memory(sizeof *fds);
        fds[0].fd = input && cluster_status(p->c) == CLUSTER_READY ? STDIN_FILENO : -1; /* somebody is there to hear it */
        fds[0].events = POLLIN;
        fds[0].revents = 0;
        timeout = cluster_timeout_ms(p->c, cluster_now());
        if (timeout < 0 || timeout > (int)(AGAIN / 1000000))
            timeout = (int)(AGAIN / 1000000);
        if (poll(fds, (nfds_t)n + 1, timeout) < 0)
            n = 0;
        else if (fds[0].revents)
            input = on_input(p);
        if (cluster_step(p->c, cluster_now(), n ? fds + 1 : NULL, n) < 0)
            break;
        while ((e = cluster_next_event(p->c)) != NULL) {
            if (e->type == CLUSTER_UP)
                again = 0;
            on_event(p, e);
        }
        fflush(stdout);
    }
    free(fds);
    return ferror(stdout) ? 3 : 0;
}

int main(int argc, char **argv)
{
    static struct pubsub p;
    struct cluster_options options;
    unsigned char self[272];
    size_t size;
    char error[256] = "";
    int result = 2;
    if (argc != 5 || !getenv("COOKIE") || strlen(argv[3]) > 200) {
        fprintf(stderr, "pubsub: it takes a name, a source, a PubSub and a topic, as in:\n"
                        "COOKIE=secret ./pubsub c@10.0.0.9 epmd:10.0.0.1 MyApp.PubSub room:1\n");
        return 2;
    }
    cluster_options_init(&options);
    options.node = argv[1];
    options.cookie = getenv("COOKIE");
    options.connect = "erlang";
    options.quorum = 2; /* READY: one other node is linked */
    options.error = error;
    options.error_size = sizeof error;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    snprintf(p.adapter, sizeof p.adapter, "Elixir.%s.Adapter", argv[3]);
    if (cluster_create(&p.c, &options) < 0)
        fprintf(stderr, "pubsub: %s\n", error);
    else if (cluster_discover(p.c, argv[2], NULL) < 0 || cluster_register(p.c, SCOPE) < 0 ||
             cluster_register(p.c, p.adapter) < 0 || cluster_self(p.c, SCOPE, self, sizeof self, &size) < 0)
        fprintf(stderr, "pubsub: %s\n", cluster_last_error(p.c));
    else {
        p.self = term_text(self, size);
        p.topic = term_binary(argv[4]);
        result = run(&p);
    }
    cluster_destroy(p.c);
    while (p.peer_count--) {
        free(p.peers[p.peer_count].name);
        free(p.peers[p.peer_count].scope);
    }
    free(p.self);
    free(p.topic);
    return result;
}
