/* Teaches: finding a process by name in the whole cluster. {svc, Key} is registered with `global`, which only Erlang's visible nodes
 * have: so one of them is asked where it is, and then it is sent to directly. When it stops answering, it is looked up again: another
 * node's process has taken the name, and the messages reach that.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 6_global examples/drills/6_global.c
 *     COOKIE=secret ./6_global c@127.0.0.1 epmd:127.0.0.1 7     with Erlang nodes that ran drill:svc(7)
 */
#include "drill.h"

#define ROUND (200 * DRILL_MS)
#define PATIENCE 3 /* messages without an answer */

struct service {
    struct cluster *c;
    const char *key;
    unsigned char *pid; /* NULL: it is not known where it is */
    size_t pid_size;
    char *self; /* our own pid, as text, for it to answer to */
    char where[300];
    uint64_t request; /* of the look-up; 0: none is under way */
    size_t asked;     /* which member was asked last */
    unsigned long sent, answered;
};

/* Ask the next linked node. Where that is one in C, there is no global, and the one after it is asked. */
static void look_up(struct service *s)
{
    size_t i, count = cluster_member_count(s->c), size;
    for (i = 0; i < count && !s->request; i++) {
        const struct cluster_member *m = cluster_member_at(s->c, ++s->asked % count);
        unsigned char *arguments;
        if (m->state != CLUSTER_MEMBER_UP)
            continue;
        arguments = term_of(&size, "[{svc, %s}]", s->key);
        if (arguments && cluster_call(s->c, m->name, "global", "whereis_name", arguments, size, 0, &s->request) < 0)
            s->request = 0;
        free(arguments);
    }
}

static void found(struct service *s, const struct cluster_event *e)
{
    char *text = e->error ? NULL : term_text(e->term, e->term_size);
    s->request = 0;
    if (text && strncmp(text, "#Pid", 4) == 0) { /* else it is undefined, or there is nobody to say */
        s->pid = (unsigned char *)terms_memory(e->term_size);
        s->pid_size = e->term_size;
        memcpy(s->pid, e->term, e->term_size);
        s->answered = s->sent;
    }
    free(text);
}

static void forget(struct service *s)
{
    free(s->pid);
    s->pid = NULL;
    s->where[0] = '\0';
}

/* {hello_from, Node, Number} */
static void on_answer(struct service *s, const struct cluster_event *e)
{
    char *text = term_text(e->term, e->term_size), *node = term_element(text, 1), *number = term_element(text, 2);
    if (term_is(text, "hello_from") && node && number) {
        unsigned long answered = strtoul(number, NULL, 10);
        if (answered > s->answered) /* else it is a late one, of the process before */
            s->answered = answered;
        if (strcmp(s->where, node) != 0)
            printf("{svc,%s} answers from %s\n", s->key, node);
        snprintf(s->where, sizeof s->where, "%s", node);
    }
    free(text);
    free(node);
    free(number);
}

static void say_hello(struct service *s)
{
    size_t size;
    unsigned char *term = term_of(&size, "{%s, {hello, %lu}}", s->self, ++s->sent);
    if (cluster_send_pid(s->c, s->pid, s->pid_size, term, size) == CLUSTER_E_NOT_FOUND || s->sent - s->answered > PATIENCE) {
        printf("{svc,%s} does not answer\n", s->key);
        forget(s);
    }
    free(term);
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct service s;
    const struct cluster_event *e;
    unsigned char self[272];
    size_t size;
    char listen[64];
    uint64_t next = 0;
    memset(&s, 0, sizeof s);
    if (argc != 4)
        return drill_usage("./6_global c@127.0.0.1 epmd:127.0.0.1 7");
    s.key = argv[3];
    if (*cluster_term_why(s.key, NULL)) {
        fprintf(stderr, "the key is no term: %s\n", cluster_term_why(s.key, NULL));
        return 2;
    }
    drill_options(&options, argv[1], listen);
    if ((s.c = drill_begin(&options, argv[2])) == NULL)
        return 2;
    if (cluster_register(s.c, "drill") < 0 || cluster_self(s.c, "drill", self, sizeof self, &size) < 0) {
        fprintf(stderr, "%s\n", cluster_last_error(s.c));
        return 3;
    }
    s.self = term_text(self, size);
    while (!drill_over) {
        while ((e = drill_event(s.c, next)) != NULL) {
            drill_say(e);
            if (e->type == CLUSTER_REPLY && e->request == s.request)
                found(&s, e);
            else if (e->type == CLUSTER_MESSAGE)
                on_answer(&s, e);
        }
        if (s.pid)
            say_hello(&s);
        else if (!s.request)
            look_up(&s);
        next = cluster_now() + ROUND;
    }
    forget(&s);
    free(s.self);
    cluster_destroy(s.c);
    return 0;
}

/* Exercise: between the death of the one process and the birth of the next some messages are lost. Keep those that were not
 * answered, and send them again: what must the service be able to bear? */
