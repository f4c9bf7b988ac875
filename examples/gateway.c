/*
 * A gateway: a node in each of two clusters of Erlang nodes, which pass calls on to each other. The clusters have cookies of
 * their own, and do not get to know each other's nodes. What a node of the one calls here, rpc:call('gate@10.0.0.1', Module,
 * Function, Arguments), runs on a node of the other, on each in turn, and the result goes back. Two handles, one loop.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o gateway examples/gateway.c
 *     COOKIES=one,two ./gateway gate1@10.0.0.1 epmd:10.0.0.2 gate2@10.0.0.1 epmd:10.0.0.3
 */
#include "../cluster.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PENDING 256 /* calls under way in each direction */
#define TIMEOUT ((uint64_t)60 * 1000000000)

struct side {
    struct cluster *cluster;
    struct {
        uint64_t asked;  /* request of the call that we make here; 0: this place is free */
        uint64_t answer; /* request of the call on the other side that it is for; 0: nobody waits */
    } pending[PENDING];
    size_t turn; /* the member that was asked last */
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static int fail(const char *sentence, int status)
{
    return fprintf(stderr, "gateway: %s\n", sentence), status;
}

static int open_side(struct side *s, const char *name, const char *url, const char *cookie)
{
    struct cluster_options options;
    char error[256] = "", listen[300];
    const char *host = strchr(name, '@');
    snprintf(listen, sizeof listen, "%s:0", host ? host + 1 : "127.0.0.1");
    cluster_options_init(&options);
    options.node = name;
    options.cookie = cookie;
    options.connect = "erlang";
    options.listen = listen; /* the address of the name, any port; epmd tells it */
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&s->cluster, &options) < 0)
        return fail(error, 2);
    if (cluster_discover(s->cluster, url, NULL) < 0)
        return fail(cluster_last_error(s->cluster), 2);
    return 0;
}

/* Answer a call with {badrpc, {gateway, Why}}, as rpc:call says what went wrong on its way. */
static void refuse(struct side *from, uint64_t request, const char *why)
{
    char text[128];
    unsigned char term[256];
    size_t size;
    snprintf(text, sizeof text, "{badrpc,{gateway,'%s'}}", why);
    if (request && cluster_term_parse(text, term, sizeof term, &size) == 0)
        cluster_answer(from->cluster, request, term, size);
}

/* The next member that there is a link to; NULL: none. */
static const char *next_node(struct side *to)
{
    size_t count = cluster_member_count(to->cluster), i;
    for (i = 0; i < count; i++) {
        const struct cluster_member *m = cluster_member_at(to->cluster, ++to->turn % count);
        if (m->state == CLUSTER_MEMBER_UP && !(m->flags & CLUSTER_MEMBER_DRAINING))
            return m->name;
    }
    return NULL;
}

/* A call came in on one side: make it on the other. Its text is module:function/arity. */
static void pass_on(struct side *from, struct side *to, const struct cluster_event *e)
{
    char module[1024], name[256], *function;
    const char *node = next_node(to), *slash = strrchr(e->text, '/');
    size_t size = slash ? (size_t)(slash - e->text) : sizeof module, i;
    for (i = 0; i < PENDING && to->pending[i].asked; i++)
        continue;
    if (size >= sizeof module)
        size = 0;
    memcpy(module, e->text, size);
    module[size] = 0;
    function = strchr(module, ':');
    if (!node || !function || i == PENDING) {
        refuse(from, e->request, !node ? "no node is linked" : function ? "too many calls are under way" : "no such function");
        return;
    }
    *function++ = 0;
    snprintf(name, sizeof name, "%s", node);
    if (cluster_call(to->cluster, name, module, function, e->term, (size_t)e->term_size, TIMEOUT, &to->pending[i].asked) < 0) {
        to->pending[i].asked = 0;
        refuse(from, e->request, "the call cannot be made");
        return;
    }
    to->pending[i].answer = e->request;
    printf("%s calls %s on %s\n", e->member->name, e->text, name);
}

/* A reply came on one side: it answers a call of the other. A call whose link broke may have run; it is not made again. */
static void answer(struct side *from, struct side *to, const struct cluster_event *e)
{
    size_t i;
    for (i = 0; i < PENDING; i++) {
        if (!to->pending[i].asked || to->pending[i].asked != e->request)
            continue;
        if (e->error)
            refuse(from, to->pending[i].answer, cluster_strerror(e->error));
        else if (to->pending[i].answer)
            cluster_answer(from->cluster, to->pending[i].answer, e->term, (size_t)e->term_size);
        to->pending[i].asked = 0;
    }
}

static void handle(struct side *here, struct side *there)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(here->cluster)) != NULL) {
        if (e->type == CLUSTER_CALL)
            pass_on(here, there, e);
        else if (e->type == CLUSTER_REPLY)
            answer(there, here, e);
        else if (e->type == CLUSTER_UP)
            printf("%s is linked to %s\n", cluster_own_name(here->cluster), e->member->name);
        else if (e->type == CLUSTER_DOWN)
            printf("%s is not linked to %s: %s\n", cluster_own_name(here->cluster), e->member->name, e->text);
        else if (e->type == CLUSTER_SOURCE && e->error)
            fprintf(stderr, "gateway: %s\n", e->text);
    }
    fflush(stdout);
}

/* The watches of both handles in one array: each is given its own part. */
static int turn(struct side *sides, struct pollfd **fds, size_t *capacity)
{
    size_t first, all;
    int i, timeout[2];
    for (;;) {
        first = cluster_watches(sides[0].cluster, *fds, *capacity);
        all = first + cluster_watches(sides[1].cluster, first < *capacity ? *fds + first : NULL,
                                      first < *capacity ? *capacity - first : 0);
        if (all <= *capacity)
            break;
        free(*fds);
        *capacity = all * 2;
        *fds = (struct pollfd *)malloc(*capacity * sizeof **fds);
        if (!*fds)
            return fail("no memory", 3);
    }
    for (i = 0; i < 2; i++)
        timeout[i] = cluster_timeout_ms(sides[i].cluster, cluster_now());
    if (poll(*fds, (nfds_t)all, timeout[0] < 0 || (timeout[1] >= 0 && timeout[1] < timeout[0]) ? timeout[1] : timeout[0]) < 0)
        all = first = 0; /* a signal: nothing is ready */
    cluster_step(sides[0].cluster, cluster_now(), *fds, first);
    cluster_step(sides[1].cluster, cluster_now(), *fds + first, all - first);
    return 0;
}

int main(int argc, char **argv)
{
    static struct side sides[2];
    struct pollfd *fds = NULL;
    size_t capacity = 0;
    char cookies[512];
    const char *both = getenv("COOKIES");
    char *second;
    int status;
    if (argc != 5 || !both || !strchr(both, ',') || strlen(both) >= sizeof cookies)
        return fail("it takes a name and a source for each cluster, and the cookies from the environment, as in: "
                    "COOKIES=one,two ./gateway gate1@10.0.0.1 epmd:10.0.0.2 gate2@10.0.0.1 epmd:10.0.0.3",
                    2);
    strcpy(cookies, both);
    second = strchr(cookies, ',');
    *second++ = 0;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    status = open_side(&sides[0], argv[1], argv[2], cookies);
    if (status == 0)
        status = open_side(&sides[1], argv[3], argv[4], second);
    while (status == 0 && !ended) {
        handle(&sides[0], &sides[1]);
        handle(&sides[1], &sides[0]);
        status = turn(sides, &fds, &capacity);
    }
    cluster_destroy(sides[0].cluster);
    cluster_destroy(sides[1].cluster);
    free(fds);
    return status;
}
