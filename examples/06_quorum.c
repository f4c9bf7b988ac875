/* Teaches: when is a cluster usable? A quorum says how many nodes that takes. FORMING until it is first there, READY, DEGRADED when
 * it is lost; a settle time keeps the status from flapping.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 06_quorum examples/06_quorum.c && ./06_quorum
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static const char *const words[] = {"FORMING", "READY", "DEGRADED"};

/* At this second the registry lists that many nodes. */
static void at(struct cluster *c, struct cluster_source *s, int second, size_t count)
{
    static const char *const names[] = {"b@h2", "c@h3"};
    struct cluster_node nodes[2];
    const struct cluster_event *e;
    size_t i;
    memset(nodes, 0, sizeof nodes);
    for (i = 0; i < count; i++) {
        nodes[i].size = sizeof nodes[i];
        nodes[i].name = names[i];
    }
    cluster_source_publish(s, nodes, count);
    cluster_step(c, (uint64_t)second * SECOND, NULL, 0);
    printf("%2d s  %d others: %s\n", second, (int)count, words[cluster_status(c)]);
    while ((e = cluster_next_event(c)) != NULL)
        if (e->type == CLUSTER_STATUS)
            printf("      it is %s now: %s; token %d\n", words[e->state], e->text, (int)cluster_token(c));
}

int main(void)
{
    struct cluster_options options;
    struct cluster_source *s;
    struct cluster *c;
    char error[256] = "";
    cluster_options_init(&options);
    options.node = "a@h1"; /* the own node counts */
    options.quorum = 3;
    options.settle = "2s";
    options.error = error; /* the sentence of a create that failed: there is no handle to ask then */
    options.error_size = sizeof error;
    if (cluster_create(&c, &options) < 0) {
        fprintf(stderr, "06_quorum: %s\n", error);
        return 2;
    }
    if (cluster_discover(c, "push:registry", &s) < 0)
        return 3;
    at(c, s, 0, 0);
    at(c, s, 1, 2);
    at(c, s, 2, 1); /* one went again, before it had settled */
    at(c, s, 3, 2);
    at(c, s, 5, 2);
    at(c, s, 6, 1);
    at(c, s, 8, 1);
    at(c, s, 9, 2);
    at(c, s, 11, 2);
    cluster_destroy(c);
    return 0;
}

/* Exercise: in place of options.quorum set options.quorum_of = "majority" and options.expected = 3. Which steps change, and why none
 * with 5? Why may two halves of a network never both be READY then, as long as `expected` is right? */
