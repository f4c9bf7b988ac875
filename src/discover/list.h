/*
 * static: and push:, the sources without I/O. A static list is its own answer, once; what a push: source lists comes from the
 * host by cluster_source_publish.
 */
#ifndef CLU_DISCOVER_LIST_H
#define CLU_DISCOVER_LIST_H

#include "../base/memory.h"

/* The items are nodes already; they only need an array around them. */
CLU_FN int clu_static_round(void *state, uint64_t now)
{
    struct cluster_source *s = (struct cluster_source *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(s);
    struct cluster_node *nodes = NULL;
    size_t count = 0, capacity = 0;
    const char *item = NULL;
    int result;
    (void)now;
    while ((item = cluster_source_item(s, item)) != NULL) {
        if (!clu_reserve(memory, &nodes, &capacity, count + 1, sizeof *nodes)) {
            clu_free(memory, nodes, capacity * sizeof *nodes);
            return CLUSTER_E_MEMORY;
        }
        memset(&nodes[count], 0, sizeof *nodes);
        nodes[count].size = (uint32_t)sizeof *nodes;
        nodes[count++].name = item;
    }
    result = cluster_source_publish(s, nodes, count);
    clu_free(memory, nodes, capacity * sizeof *nodes);
    return result;
}

CLU_FN int clu_list_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    (void)ctx;
    (void)target;
    *state = s;
    return 0;
}

/* Nothing is waited for. */
CLU_FN int clu_list_ready(void *state, int fd, int revents, uint64_t now)
{
    (void)state;
    (void)fd;
    (void)revents;
    (void)now;
    return 0;
}

CLU_FN void clu_list_close(void *state)
{
    (void)state;
}

#endif
