/* Teaches: losing a node in the middle of work. Jobs are called on the worker that owns them, many at a time. When a worker is
 * killed, what was under way there is called again on the new owners, since nobody knows whether it ran: so jobs have to bear
 * being done twice. When the worker is back it owns what it owned before.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 3_node_loss examples/drills/3_node_loss.c
 *     COOKIE=secret ./3_node_loss dispatcher@127.0.0.1 'epmd:127.0.0.1?role=worker' 3     with three workers:
 *     COOKIE=secret ./3_node_loss worker c@127.0.0.1
 *
 * A worker is also every Erlang node with the module of drill.erl.
 */
#include "drill.h"

#define JOBS 32 /* at a time */
#define WORK (20 * DRILL_MS)

/* ---- the worker: drill:work(Job) is phash2(Job), and takes a while ------ */

struct work {
    uint64_t request, due_ns;
    uint32_t result;
};

/* Take a call in, to be answered when its time is over; 0: it is none for us. */
static int accept_call(const struct cluster_event *e, struct work *w)
{
    char *arguments = term_text(e->term, e->term_size), *job = term_element(arguments, 0);
    int ours = job && strcmp(e->text, "drill:work/1") == 0;
    if (ours) {
        w->request = e->request;
        w->due_ns = cluster_now() + WORK;
        w->result = drill_hash(job);
    }
    free(job);
    free(arguments);
    return ours;
}

static int run_worker(const char *name)
{
    struct cluster_options options;
    struct cluster *c;
    struct work work[4 * JOBS]; /* a ring: what came first is done first */
    size_t first = 0, count = 0;
    char listen[64];
    drill_options(&options, name, listen);
    if ((c = drill_begin(&options, "")) == NULL)
        return 2;
    while (!drill_over) {
        const struct cluster_event *e = drill_event(c, count ? work[first].due_ns : CLUSTER_NEVER);
        if (e && e->type == CLUSTER_CALL) {
            if (count < 4 * JOBS && accept_call(e, &work[(first + count) % (4 * JOBS)]))
                count++;
            else
                cluster_answer(c, e->request, NULL, 0);
        }
        for (; count && work[first].due_ns <= cluster_now(); count--, first = (first + 1) % (4 * JOBS)) {
            size_t size;
            unsigned char *term = term_of(&size, "%lu", (unsigned long)work[first].result);
            cluster_answer(c, work[first].request, term, size); /* whoever asked may be gone: that is its affair */
            free(term);
        }
    }
    cluster_destroy(c);
    return 0;
}

/* ---- the dispatcher --------------------------------------------------- */

struct job {
    unsigned long number; /* 0: none */
    uint64_t request;     /* 0: it is to be called */
    char node[256];       /* where it was called last */
    int orphan;           /* that node was lost meanwhile */
};

struct dispatcher {
    struct cluster *c;
    struct cluster_map *map; /* NULL: it has not begun */
    unsigned long workers, next, done, repeated, wrong;
    struct job jobs[JOBS];
    int under_way, orphans;
};

/* Who owns how much. The same members give the same map: its fingerprint tells. */
static void on_map(struct dispatcher *d)
{
    struct cluster_map *map = cluster_current_map(d->c);
    uint32_t i, workers = 0;
    for (i = 0; i < cluster_map_nodes(map); i++)
        workers += cluster_map_node_load(map, i) > 0;
    if (!d->map && workers < d->workers) {
        cluster_map_free(map);
        return;
    }
    printf("map %016llx:", (unsigned long long)cluster_map_fingerprint(map));
    for (i = 0; i < cluster_map_nodes(map); i++)
        if (cluster_map_node_load(map, i))
            printf(" %s %u", cluster_map_node(map, i), (unsigned)cluster_map_node_load(map, i));
    printf("\n");
    cluster_map_free(d->map);
    d->map = map;
}

static void on_down(struct dispatcher *d, const char *node)
{
    int i, lost = 0;
    for (i = 0; i < JOBS; i++)
        if (d->jobs[i].number && !d->jobs[i].orphan && strcmp(d->jobs[i].node, node) == 0) {
            d->jobs[i].orphan = 1;
            lost++;
        }
    if (lost)
        printf("%d jobs were under way on %s\n", lost, node);
    d->orphans += lost;
}

static void on_reply(struct dispatcher *d, const struct cluster_event *e)
{
    char *text = e->error ? NULL : term_text(e->term, e->term_size);
    struct job *j = d->jobs;
    while (j < d->jobs + JOBS && (!j->number || j->request != e->request))
        j++;
    if (j == d->jobs + JOBS) {
        free(text);
        return;
    }
    j->request = 0;
    if (!text) {
        d->repeated++; /* it may have run; it will be called again, where its owner is by then */
    } else {
        char job[32];
        snprintf(job, sizeof job, "{job, %lu}", j->number);
        d->wrong += strtoul(text, NULL, 10) != drill_hash(job); /* {badrpc, ...} too: no worker there */
        d->done++;
        d->under_way--;
        j->number = 0;
        if (j->orphan && --d->orphans == 0)
            printf("they are done elsewhere\n");
    }
    free(text);
}

/* Take what comes for some milliseconds. */
static void take(struct dispatcher *d, int timeout_ms)
{
    const struct cluster_event *e;
    (void)cluster_poll(d->c, timeout_ms);
    while ((e = cluster_next_event(d->c)) != NULL) {
        drill_say(e);
        if (e->type == CLUSTER_DOWN)
            on_down(d, e->member->name);
        else if (e->type == CLUSTER_REPLY)
            on_reply(d, e);
        else if (e->type == CLUSTER_MAP)
            on_map(d);
    }
}

/* Call what is to be called: jobs that came back, and new ones. */
static void call(struct dispatcher *d, int more)
{
    struct job *j;
    for (j = d->jobs; d->map && j < d->jobs + JOBS; j++) {
        char key[32];
        const char *owner;
        unsigned char *arguments;
        size_t size;
        if (!j->number && more) {
            memset(j, 0, sizeof *j);
            j->number = ++d->next;
            d->under_way++;
        }
        snprintf(key, sizeof key, "job-%lu", j->number);
        owner = cluster_map_node(d->map, cluster_map_owner(d->map, key, strlen(key)));
        if (!j->number || j->request || !owner)
            continue;
        snprintf(j->node, sizeof j->node, "%s", owner);
        arguments = term_of(&size, "[{job, %lu}]", j->number);
        if (cluster_call(d->c, owner, "drill", "work", arguments, size, 0, &j->request) < 0)
            j->request = 0; /* not now */
        free(arguments);
    }
}

static int run_dispatcher(const char *name, const char *source, unsigned long workers)
{
    struct cluster_options options;
    struct cluster_map_options placement;
    static struct dispatcher d;
    char listen[64];
    uint64_t end;
    drill_options(&options, name, listen);
    memset(&placement, 0, sizeof placement);
    placement.size = sizeof placement;
    placement.role = "worker";
    placement.members = "up"; /* a worker that is not linked owns nothing */
    options.map = &placement;
    options.listen = NULL;
    d.workers = workers;
    if ((d.c = drill_begin(&options, source)) == NULL)
        return 2;
    while (!drill_over) {
        take(&d, 10);
        call(&d, 1);
    }
    for (end = cluster_now() + 10000 * DRILL_MS; d.under_way && cluster_now() < end; call(&d, 0))
        take(&d, 10);
    printf("%lu jobs, %lu done, %lu with a wrong result; %lu calls were repeated\n", d.next, d.done, d.wrong, d.repeated);
    cluster_map_free(d.map);
    cluster_destroy(d.c);
    return d.under_way || d.wrong;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return run_worker(argv[2]);
    if (argc != 4 || !strtoul(argv[3], NULL, 10))
        return drill_usage(
            "./3_node_loss dispatcher@127.0.0.1 'epmd:127.0.0.1?role=worker' WORKERS, or ./3_node_loss worker c@127.0.0.1");
    return run_dispatcher(argv[1], argv[2], strtoul(argv[3], NULL, 10));
}

/* Exercise: let a job transfer money. Which of the calls that were repeated did it twice, and how would the worker know that it had
 * done it before? Drill 5 has the answer. */
