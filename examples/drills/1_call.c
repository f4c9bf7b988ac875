/* Teaches: two nodes connect and exchange a call. Each finds the other at epmd, links to it, and has it compute erlang:phash2
 * of a term. Every Erlang node has that function, and this program serves it too: so it does not matter which of them is in C.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 1_call examples/drills/1_call.c
 *     COOKIE=secret ./1_call a@127.0.0.1 epmd:127.0.0.1     and in another terminal the same with b@127.0.0.1
 */
#include "drill.h"

static void ask(struct cluster *c, const char *node)
{
    uint64_t request;
    size_t size;
    unsigned char *arguments = term_of(&size, "[{hello, '%s'}]", cluster_own_name(c));
    if (cluster_call(c, node, "erlang", "phash2", arguments, size, 0, &request) < 0)
        fprintf(stderr, "%s\n", cluster_last_error(c));
    free(arguments);
}

static void answer(struct cluster *c, const struct cluster_event *e)
{
    char *arguments = term_text(e->term, e->term_size), *first = term_element(arguments, 0);
    unsigned char *result = NULL;
    size_t size = 0;
    printf("%s calls %s with %s\n", e->member->name, e->text, arguments);
    if (first && strcmp(e->text, "erlang:phash2/1") == 0)
        result = term_of(&size, "%lu", (unsigned long)drill_hash(first));
    if (e->request) /* else nobody waits */
        cluster_answer(c, e->request, result, size);
    free(arguments);
    free(first);
    free(result);
}

static void answered(struct cluster *c, const struct cluster_event *e)
{
    char *result, own[300], expected[16];
    if (e->error) {
        printf("no answer: %s\n", e->text);
        return;
    }
    snprintf(own, sizeof own, "{hello, '%s'}", cluster_own_name(c));
    snprintf(expected, sizeof expected, "%lu", (unsigned long)drill_hash(own));
    result = term_text(e->term, e->term_size);
    printf("the answer is %s, %s\n", result, strcmp(result, expected) ? "which is wrong" : "as it is here");
    free(result);
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster *c;
    const struct cluster_event *e;
    char listen[64];
    if (argc != 3)
        return drill_usage("./1_call a@127.0.0.1 epmd:127.0.0.1");
    drill_options(&options, argv[1], listen);
    if ((c = drill_begin(&options, argv[2])) == NULL)
        return 2;
    while ((e = drill_event(c, CLUSTER_NEVER)) != NULL) {
        drill_say(e);
        if (e->type == CLUSTER_UP)
            ask(c, e->member->name);
        else if (e->type == CLUSTER_CALL)
            answer(c, e);
        else if (e->type == CLUSTER_REPLY)
            answered(c, e);
    }
    cluster_destroy(c);
    return 0;
}

/* Exercise: have it call a function that takes a minute (`timer:sleep`), and kill the other node meanwhile. What does the
 * reply say, and may the call be repeated? */
