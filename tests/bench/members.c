/* What a change of the membership costs: one handle with 10,000 and 100,000 members, fed by push:. Prints milliseconds and
 * allocations a push, and beside them a bare loop that hashes each name once, as the floor of any such work. */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"

#include <stdio.h>

static size_t allocations;

static void *counting(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (!new_size) {
        free(ptr);
        return NULL;
    }
    allocations++;
    return realloc(ptr, new_size);
}

static struct cluster_node *make_nodes(size_t count)
{
    struct cluster_node *nodes = (struct cluster_node *)calloc(count, sizeof *nodes);
    size_t i;
    for (i = 0; nodes && i < count; i++) {
        char *name = (char *)malloc(32);
        (void)snprintf(name, 32, "app@10.%zu.%zu.%zu", i >> 16 & 255, i >> 8 & 255, i & 255);
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = name;
    }
    return nodes;
}

static void drain(struct cluster *c)
{
    while (cluster_next_event(c))
        continue;
    (void)cluster_step(c, cluster_now(), NULL, 0);
    while (cluster_next_event(c))
        continue;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median of what `runs` pushes take, each with the same list but for one more node at a random place. */
static void measure(size_t count)
{
    enum { RUNS = 21 };
    struct cluster_allocator memory = {sizeof memory, 0, NULL, counting};
    struct cluster_options options;
    struct cluster *c;
    struct cluster_source *s;
    struct cluster_node *nodes = make_nodes(count + RUNS), *list;
    double took[RUNS], floor_took[RUNS], first;
    size_t worst = 0, i;
    uint64_t start, sum = 0;
    cluster_options_init(&options);
    options.allocator = &memory;
    if (!nodes || cluster_create(&c, &options) || cluster_discover(c, "push:bench", &s))
        exit(3);
    list = (struct cluster_node *)calloc(count + RUNS, sizeof *list);
    memcpy(list, nodes, count * sizeof *list);
    start = cluster_now();
    if (cluster_source_publish(s, list, count))
        exit(3);
    first = (double)(cluster_now() - start) / 1e6;
    drain(c);
    for (i = 0; i < RUNS; i++) {
        size_t place = (i * 7919) % count, j, before = allocations;
        list[count + i] = list[place];
        list[place] = nodes[count + i];
        start = cluster_now();
        if (cluster_source_publish(s, list, count + i + 1))
            exit(3);
        took[i] = (double)(cluster_now() - start) / 1e6;
        if (allocations - before > worst)
            worst = allocations - before;
        drain(c);
        start = cluster_now();
        for (j = 0; j < count; j++)
            sum += cluster_hash64(list[j].name, strlen(list[j].name), 0);
        floor_took[i] = (double)(cluster_now() - start) / 1e6;
    }
    qsort(took, RUNS, sizeof *took, compare);
    qsort(floor_took, RUNS, sizeof *floor_took, compare);
    printf("%7zu members: first push %8.3f ms; one new among them %7.3f ms, %zu allocations; hashing alone %6.3f ms%s\n", count,
           first, took[RUNS / 2], worst, floor_took[RUNS / 2], sum ? "" : ".");
    cluster_destroy(c);
    for (i = 0; i < count + RUNS; i++)
        free((void *)(uintptr_t)nodes[i].name);
    free(nodes);
    free(list);
}

int main(void)
{
    measure(1000);
    measure(10000);
    measure(100000);
    return 0;
}
