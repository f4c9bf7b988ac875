/*
 * Lists of nodes: the array that a round gathers its answer in, and static: and push:, the sources without I/O. A static list
 * is its own answer, once; what a push: source lists comes from the host by cluster_source_publish.
 */
#ifndef CLU_DISCOVER_LIST_H
#define CLU_DISCOVER_LIST_H

#include "../base/memory.h"
#include "../base/text.h"
#include "../wire/name.h"
#include "../wire/number.h"

struct clu_nodes {
    struct cluster_source *source;
    struct cluster_node *nodes;
    size_t count, capacity;
};

/* One more, whose texts are not copied. */
CLU_FN int clu_nodes_add(struct clu_nodes *list, const struct cluster_node *node)
{
    if (!clu_reserve(cluster_source_allocator(list->source), &list->nodes, &list->capacity, list->count + 1, sizeof *node))
        return CLUSTER_E_MEMORY;
    list->nodes[list->count] = *node;
    list->nodes[list->count++].size = (uint32_t)sizeof *node;
    return 0;
}

/* The end of the list: published, unless something went wrong, and freed. */
CLU_FN int clu_nodes_publish(struct clu_nodes *list, int result)
{
    if (!result)
        result = cluster_source_publish(list->source, list->nodes, list->count);
    if (list->capacity)
        clu_free(cluster_source_allocator(list->source), list->nodes, list->capacity * sizeof *list->nodes);
    return result;
}

/* The end of a round with an error, which is returned, and a sentence in the terms of clu_say. */
CLU_FN int clu_round_fail(struct cluster_source *s, int error, const char *sentence, struct clu_slice theirs, const char *ours)
{
    char buffer[192];
    struct clu_text why = clu_text_on(buffer, sizeof buffer);
    (void)clu_say(&why, sentence, theirs, ours);
    (void)cluster_source_fail(s, error, buffer);
    return error;
}

/* A strategy's state, zeroed, which begins with its source. */
CLU_FN int clu_state_new(struct cluster_source *s, size_t size, void **state)
{
    *state = clu_alloc_zero(cluster_source_allocator(s), size);
    if (!*state)
        return CLUSTER_E_MEMORY;
    *(struct cluster_source **)*state = s;
    return 0;
}

/* The place of an option's value among its words, or what holds where it is not given. */
CLU_FN int clu_choice(const struct cluster_source *s, const char *key, const char *words, int otherwise)
{
    return clu_word_or(words, cluster_source_option(s, key), otherwise);
}

CLU_FN int clu_static_round(void *state, uint64_t now)
{
    struct clu_nodes list = {(struct cluster_source *)state, NULL, 0, 0};
    struct cluster_node node;
    int result = 0;
    (void)now;
    memset(&node, 0, sizeof node);
    while (!result && (node.name = cluster_source_item(list.source, node.name)) != NULL)
        result = clu_nodes_add(&list, &node);
    return clu_nodes_publish(&list, result);
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
        size_t length = strlen(item);
        if (!(clu_name_valid(item, length) || (based && clu_name_half_valid(item, length))))
            return clu_round_fail(
                s, CLUSTER_E_INVALID,
                "'#' is no node: write NAME@HOST, or a host with node=NAME, without spaces, at most 255 bytes",
                clu_slice_of(item, length), "");
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
