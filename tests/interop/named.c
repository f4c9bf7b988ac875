/* A node that is given its name: says to `box` of each node that it is linked to who it is, and prints all that it hears. */
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_term(const char *what, const struct cluster_event *e)
{
    char text[512];
    cluster_term_print(e->term, (size_t)e->term_size, text, sizeof text);
    printf("%s %s %s\n", what, e->member ? e->member->name : "", text);
}

/* {Pid, hello} */
static void greet(struct cluster *c, const char *node)
{
    unsigned char term[300] = {131, 104, 2}, pid[272];
    size_t size;
    if (cluster_self(c, "drill", pid, sizeof pid, &size) < 0)
        abort();
    memcpy(term + 3, pid + 1, size - 1);
    memcpy(term + 2 + size, "w\5hello", 7);
    if (cluster_send(c, node, "box", term, 9 + size) < 0 || cluster_monitor(c, node, "box", NULL) < 0)
        abort();
}

/* argv: own name, cookie, URL */
int main(int argc, char **argv)
{
    struct cluster_options options;
    const struct cluster_event *e;
    struct cluster *c;
    char error[256] = "";
    cluster_options_init(&options);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 4)
        return 2;
    options.node = argv[1];
    options.cookie = argv[2];
    options.connect = "erlang";
    options.backoff = "100ms..400ms";
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&c, &options) < 0 || cluster_register(c, "drill") < 0 || cluster_discover(c, argv[3], NULL) < 0) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    while (cluster_poll(c, -1) == 0)
        while ((e = cluster_next_event(c)) != NULL) {
            if (e->type == CLUSTER_UP) {
                printf("up %s as %s\n", e->member->name, cluster_own_name(c));
                greet(c, e->member->name);
            } else if (e->type == CLUSTER_DOWN) {
                printf("down %s %s\n", e->member->name, e->text);
            } else if (e->type == CLUSTER_MESSAGE) {
                print_term("message", e);
            } else if (e->type == CLUSTER_CALL) {
                print_term("call", e);
                if (cluster_answer(c, e->request, e->term, (size_t)e->term_size) < 0)
                    abort();
            } else if (e->type == CLUSTER_REPLY) {
                if (e->error)
                    printf("reply %s\n", e->text);
                else
                    print_term("reply", e);
            }
        }
    return 4;
}
