/*
 * Lists of nodes: the array that a round gathers its answer in, and static: and push:, the sources without I/O. A static list
 * is its own answer, once; what a push: source lists comes from the host by cluster_source_publish.
 */
#ifndef CLU_DISCOVER_LIST_H
#define CLU_DISCOVER_LIST_H

#include "../base/memory.h"
#include "../base/text.h"
#include "../wire/name.h"

struct clu_nodes {
    struct cluster_node *nodes;
    size_t count, capacity;
};

/* One more, with nothing said but its name, which is not copied. NULL: no memory. */
CLU_FN struct cluster_node *clu_nodes_add(struct clu_nodes *list, const struct cluster_source *s, const char *name)
{
    struct cluster_node *node;
    if (!clu_reserve(cluster_source_allocator(s), &list->nodes, &list->capacity, list->count + 1, sizeof *list->nodes))
        return NULL;
    node = (struct cluster_node *)memset(&list->nodes[list->count++], 0, sizeof *node);
    node->size = (uint32_t)sizeof *node;
    node->name = name;
    return node;
}

/* The end of the list: published, unless something went wrong, and freed. */
CLU_FN int clu_nodes_publish(struct clu_nodes *list, struct cluster_source *s, int result)
{
    if (!result)
        result = cluster_source_publish(s, list->nodes, list->count);
    clu_free(cluster_source_allocator(s), list->nodes, list->capacity * sizeof *list->nodes);
    return result;
}

CLU_FN int clu_static_round(void *state, uint64_t now)
{
    struct cluster_source *s = (struct cluster_source *)state;
    struct clu_nodes list = {NULL, 0, 0};
    const char *item = NULL;
    int result = 0;
    (void)now;
    while (!result && (item = cluster_source_item(s, item)) != NULL)
        if (!clu_nodes_add(&list, s, item))
            result = CLUSTER_E_MEMORY;
    return clu_nodes_publish(&list, s, result);
}

CLU_FN int clu_list_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    (void)ctx;
    (void)target;
    *state = s;
    return 0;
}

/* What is written out can be refused at once. */
CLU_FN int clu_static_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    bool based = cluster_source_option(s, "node") || cluster_source_own(s)->name;
    const char *item = NULL;
    while ((item = cluster_source_item(s, item)) != NULL) {
        char sentence[192];
        struct clu_text why;
        if (strchr(item, '@') ? clu_name_valid(item, strlen(item)) : based && clu_name_half_valid(item, strlen(item)))
            continue;
        why = clu_text_on(sentence, sizeof sentence);
        clu_text_add(&why, "'");
        clu_text_escaped(&why, item, strlen(item) < 64 ? strlen(item) : 64);
        clu_text_add(&why, "' is no node: write NAME@HOST, or a host with node=NAME, without spaces, at most 255 bytes");
        (void)cluster_source_fail(s, CLUSTER_E_INVALID, sentence);
        return CLUSTER_E_INVALID;
    }
    return clu_list_open(ctx, s, target, state);
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
