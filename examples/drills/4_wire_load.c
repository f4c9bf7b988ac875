/* Teaches: what is on the wire. It counts the messages and bytes of each topic, which is the first element of a message, second
 * by second; then it prints averages and the 95th percentile, and draws a chart. A few large bursts hide well behind an
 * average.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 4_wire_load examples/drills/4_wire_load.c
 *     COOKIE=secret ./4_wire_load m@127.0.0.1 epmd:127.0.0.1 20 load.svg
 *
 * Load comes from Erlang nodes, drill:load('m@127.0.0.1', 30), and from C: ./4_wire_load send c@127.0.0.1 m@127.0.0.1
 */
#include "drill.h"

#define TOPICS 6 /* the last one is what there is no room for */
#define OTHERS "others"
#define SECONDS 600
#define SECOND_NS (1000 * DRILL_MS)

enum { MESSAGES, BYTES };

struct topic {
    char name[24]; /* a longer one counts by its beginning */
    unsigned long of[2][SECONDS];
};

struct load {
    struct topic topics[TOPICS];
    int topic_count, seconds;
    uint64_t start_ns; /* of the first message; 0: none came */
};

/* ---- to send: 50 orders a second --------------------------------------- */

static int run_sender(const char *name, const char *target)
{
    struct cluster_options options;
    struct cluster *c;
    const struct cluster_event *e;
    const struct cluster_member *m;
    char listen[64], url[300], payload[200];
    uint64_t next = cluster_now();
    unsigned long number = 0;
    snprintf(url, sizeof url, "static:%s", target);
    memset(payload, 'o', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    drill_options(&options, name, listen);
    options.listen = NULL;
    if ((c = drill_begin(&options, url)) == NULL)
        return 2;
    while (!drill_over) {
        while ((e = drill_event(c, next)) != NULL)
            drill_say(e);
        if ((m = cluster_member_find(c, target)) != NULL && m->state == CLUSTER_MEMBER_UP)
            (void)term_send(c, target, "load", "{orders, %lu, <<\"%s\">>}", number++, payload);
        next += 20 * DRILL_MS;
    }
    cluster_destroy(c);
    return 0;
}

/* ---- to measure -------------------------------------------------------- */

static struct topic *topic_of(struct load *l, const char *name)
{
    size_t length = strlen(name);
    int i;
    while (length >= sizeof l->topics[0].name || ((unsigned char)name[length] & 0xc0) == 0x80)
        length--; /* in whole characters, of UTF-8 */
    for (i = 0; i < l->topic_count; i++)
        if (strncmp(l->topics[i].name, name, length) == 0 && !l->topics[i].name[length])
            return &l->topics[i];
    if (i == TOPICS)
        return &l->topics[TOPICS - 1];
    l->topic_count++;
    snprintf(l->topics[i].name, sizeof l->topics[i].name, "%.*s", i < TOPICS - 1 ? (int)length : (int)sizeof OTHERS,
             i < TOPICS - 1 ? name : OTHERS);
    return &l->topics[i];
}

static void on_message(struct load *l, const struct cluster_event *e)
{
    char *text = term_text(e->term, e->term_size), *name = term_element(text, 0);
    uint64_t second;
    struct topic *t;
    if (!l->start_ns)
        l->start_ns = e->time;
    second = (e->time - l->start_ns) / SECOND_NS;
    if (second < (uint64_t)l->seconds) {
        t = topic_of(l, name ? name : text);
        t->of[MESSAGES][second]++;
        t->of[BYTES][second] += (unsigned long)e->term_size;
    }
    free(text);
    free(name);
}

static int by_size(const void *a, const void *b)
{
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;
    return x < y ? -1 : x > y;
}

/* The value that 95 of 100 seconds do not exceed. */
static unsigned long percentile(const unsigned long *values, int count)
{
    unsigned long sorted[SECONDS];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return sorted[(count * 95 + 99) / 100 - 1];
}

static double average(const unsigned long *values, int count)
{
    double sum = 0;
    int i;
    for (i = 0; i < count; i++)
        sum += (double)values[i];
    return sum / count;
}

static void print(const struct load *l)
{
    int i;
    printf("%-12s %10s %10s %10s %10s\n", "a second", "messages", "95 %", "bytes", "95 %");
    for (i = 0; i < l->topic_count; i++) {
        const struct topic *t = &l->topics[i];
        printf("%-12s %10.1f %10lu %10.1f %10lu\n", t->name, average(t->of[MESSAGES], l->seconds),
               percentile(t->of[MESSAGES], l->seconds), average(t->of[BYTES], l->seconds),
               percentile(t->of[BYTES], l->seconds));
    }
}

/* ---- to draw ----------------------------------------------------------- */

static const char *const colours[TOPICS] = {"#1b6ca8", "#d1495b", "#3b8b5a", "#a05a9c", "#b8860b", "#555555"};

/* One panel, 200 high from `top` on: a line a topic, its 95th percentile dashed. */
static void draw_panel(FILE *out, const struct load *l, int what, const char *title, int top)
{
    unsigned long most = 1;
    int i, s;
    for (i = 0; i < l->topic_count; i++)
        for (s = 0; s < l->seconds; s++)
            if (l->topics[i].of[what][s] > most)
                most = l->topics[i].of[what][s];
    fprintf(out, "<text x=\"60\" y=\"%d\">%s, at most %lu</text>\n", top - 8, title, most);
    fprintf(out, "<path d=\"M60 %dv200h560\" fill=\"none\" stroke=\"#999\"/>\n", top);
    for (i = 0; i < l->topic_count; i++) {
        const unsigned long *values = l->topics[i].of[what];
        double high = 200.0 * (double)percentile(values, l->seconds) / (double)most;
        fprintf(out, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colours[i]);
        for (s = 0; s < l->seconds; s++)
            fprintf(out, "%.1f,%.1f ", 60 + 560.0 * s / (l->seconds > 1 ? l->seconds - 1 : 1),
                    top + 200 - 200.0 * (double)values[s] / (double)most);
        fprintf(out, "\"/>\n<path d=\"M60 %.1fh560\" stroke=\"%s\" stroke-dasharray=\"2 6\"/>\n", top + 200 - high, colours[i]);
    }
}

static int draw(const struct load *l, const char *path)
{
    FILE *out = fopen(path, "w");
    int i, bad;
    if (!out)
        return -1;
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"560\" font-family=\"sans-serif\" "
                 "font-size=\"13\">\n<rect width=\"640\" height=\"560\" fill=\"#fff\"/>\n");
    draw_panel(out, l, MESSAGES, "messages a second", 30);
    draw_panel(out, l, BYTES, "bytes a second", 280);
    fprintf(out,
            "<text x=\"60\" y=\"500\">0 s</text><text x=\"340\" y=\"500\" text-anchor=\"middle\">dotted: the 95th percentile"
            "</text><text x=\"620\" y=\"500\" text-anchor=\"end\">%d s</text>\n",
            l->seconds);
    for (i = 0; i < l->topic_count; i++) { /* a topic's name is a term, in which anything may stand */
        const char *at;
        fprintf(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\">", 60 + i % 3 * 190, 525 + i / 3 * 20, colours[i]);
        for (at = l->topics[i].name; *at; at++)
            fprintf(out, strchr("<>&", *at) ? "&#%d;" : "%c", *at);
        fprintf(out, "</text>\n");
    }
    fprintf(out, "</svg>\n");
    bad = ferror(out);
    return fclose(out) || bad ? -1 : 0;
}

static int run_meter(const char *name, const char *source, int seconds, const char *path)
{
    struct cluster_options options;
    struct cluster *c;
    const struct cluster_event *e;
    static struct load l;
    struct cluster_counts counts;
    uint64_t before = 0, end = CLUSTER_NEVER, took;
    char listen[64];
    drill_options(&options, name, listen);
    l.seconds = seconds;
    if ((c = drill_begin(&options, source)) == NULL)
        return 2;
    cluster_register(c, "load");
    memset(&counts, 0, sizeof counts);
    counts.size = sizeof counts;
    do {
        while ((e = drill_event(c, end)) != NULL) {
            drill_say(e);
            if (e->type != CLUSTER_MESSAGE)
                continue;
            if (!l.start_ns) {
                cluster_stats(c, &counts);
                before = counts.received_bytes;
                end = e->time + (uint64_t)seconds * SECOND_NS;
            }
            on_message(&l, e);
        }
    } while (!drill_over && cluster_now() < end);
    took = (cluster_now() - l.start_ns) / SECOND_NS; /* where it was interrupted: the seconds that are over */
    if (took < (uint64_t)seconds)
        l.seconds = took ? (int)took : 1;
    cluster_stats(c, &counts);
    cluster_destroy(c);
    if (!l.topic_count) {
        fprintf(stderr, "no message came\n");
        return 1;
    }
    print(&l);
    printf("in all %.1f bytes a second were read, with what the links add\n",
           (double)(counts.received_bytes - before) / l.seconds);
    if (draw(&l, path) < 0) {
        fprintf(stderr, "%s cannot be written\n", path);
        return 3;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int seconds = argc == 5 ? atoi(argv[3]) : 0;
    if (argc == 4 && strcmp(argv[1], "send") == 0)
        return run_sender(argv[2], argv[3]);
    if (seconds < 1 || seconds > SECONDS)
        return drill_usage(
            "./4_wire_load m@127.0.0.1 epmd:127.0.0.1 SECONDS CHART.svg, or ./4_wire_load send c@127.0.0.1 m@127.0.0.1");
    return run_meter(argv[1], argv[2], seconds, argv[4]);
}

/* Exercise: the presence of 1000 users, 5 KB a user, goes to all nodes once a second. What does the chart say, and what
 * becomes of it when only changes are sent? */
