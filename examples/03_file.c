/* Teaches: time. A source has rounds; a file is looked at every interval, and a node that is missing from a complete answer leaves.
 * The program writes the file itself. Its clock is a number: the library reads none, so an hour takes no time here.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 03_file examples/03_file.c && ./03_file
 */
#include "../cluster.h"
#include <stdio.h>

#define SECOND UINT64_C(1000000000)
#define NAME "03_file.txt"

/* Write a new file and rename it over the old one, so that nobody ever reads half of it. */
static int put(const char *text)
{
    FILE *f = fopen(NAME ".new", "w");
    int written = f && fputs(text, f) >= 0;
    if (f && fclose(f) != 0)
        written = 0;
    return written && rename(NAME ".new", NAME) == 0;
}

static void step(struct cluster *c, uint64_t now)
{
    const struct cluster_event *e;
    cluster_step(c, now, NULL, 0);
    while ((e = cluster_next_event(c)) != NULL)
        if (e->type == CLUSTER_JOIN || e->type == CLUSTER_LEAVE)
            printf("%4d s  %s %s\n", (int)(e->time / SECOND), cluster_event_name(e->type), e->member->name);
        else if (e->type == CLUSTER_SOURCE)
            printf("%4d s  %s\n", (int)(e->time / SECOND), e->error ? "a failed round: nobody leaves" : "an answer");
}

int main(void)
{
    static const char *const texts[] = {"a@h1\nb@h2\n", "b@h2\nc@h3\n", "no node\n", "b@h2\n"};
    struct cluster *c;
    uint64_t now = 0;
    int i, result = 0;
    if (cluster_create(&c, NULL) < 0)
        return 3;
    if (cluster_discover(c, "file:" NAME "?interval=1h&jitter=0%", NULL) < 0) {
        fprintf(stderr, "03_file: %s\n", cluster_last_error(c));
        result = 2;
    }
    for (i = 0; i < 4 && result == 0; i++) {
        if (put(texts[i])) {
            step(c, now);
            now = cluster_deadline(c); /* when the next round is due */
        } else {
            fprintf(stderr, "03_file: %s cannot be written here: may you, and is there room?\n", NAME);
            result = 3;
        }
    }
    cluster_destroy(c);
    remove(NAME);
    return result;
}

/* Exercise: add `&misses=2` to the URL. When does a@h1 leave now? Why would a source that is asked over a network want that? */
