/*
 * The nodes that a document names, in the making: one block of bytes that grows, and is published when it holds another list
 * than the one before.
 */
#ifndef CLU_DISCOVER_FOUND_H
#define CLU_DISCOVER_FOUND_H

#include "../base/hash.h"
#include "../wire/compose.h"
#include "../wire/url.h"
#include "list.h"

#define CLU_FOUND_HEAD 9
#define CLU_FOUND_MOST (CLU_FOUND_HEAD + 3 * (CLU_NAME_MAX + 1) + 1) /* bytes of a record at most */
#define CLU_FOUND_STEP 512                                           /* nodes that are made members in one step */

/* Records one after another: 8 bytes of their owner's, one of flags, and three texts: name or host, address, zone. */
struct clu_found {
    struct cluster_source *source;
    char *bytes;
    size_t size, capacity;
    size_t at, done; /* how far publishing a long list is: bytes, and nodes */
    uint64_t digest;
    bool known; /* digest is that of what was published last */
};

/* A record more, its owner's bytes 0. The address and the zone are from fields. */
CLU_FN int clu_found_add(struct clu_found *l, const char *name, const char *address, const char *zone, bool draining)
{
    struct clu_text t;
    char *record;
    if (strlen(name) > CLU_NAME_MAX)
        return CLUSTER_E_LIMIT;
    if (!clu_reserve(cluster_source_allocator(l->source), &l->bytes, &l->capacity, l->size + CLU_FOUND_MOST, 1))
        return CLUSTER_E_MEMORY;
    record = l->bytes + l->size;
    memset(record, 0, CLU_FOUND_HEAD);
    record[CLU_FOUND_HEAD - 1] = (char)draining;
    clu_compose(clu_text_in(&t, record + CLU_FOUND_HEAD, CLU_FOUND_MOST - CLU_FOUND_HEAD), "$z$z$z", name, address, zone);
    l->size += CLU_FOUND_HEAD + t.length;
    return 0;
}

/* The record after the one at an offset. */
CLU_FN size_t clu_found_next(const struct clu_found *l, size_t at)
{
    return (size_t)(clu_url_next(clu_url_next(clu_url_next(l->bytes + at + CLU_FOUND_HEAD))) - l->bytes);
}

/* Publish the list from where that is, at most so many nodes of it now. CLUSTER_E_AGAIN: the rest in the next step, when the
 * source's timer fires. */
CLU_FN int clu_found_go(struct clu_found *l, size_t most)
{
    struct clu_nodes list = {l->source, NULL, 0, 0};
    int result = 0;
    if (l->done && cluster_source_add(l->source, NULL, 0) != (int64_t)l->done)
        return CLUSTER_E_TIMEOUT; /* the round is over, and what was added is forgotten */
    while (l->at < l->size && !result && list.count < most) {
        const char *record = l->bytes + l->at;
        struct cluster_node node;
        memset(&node, 0, sizeof node);
        node.flags = record[CLU_FOUND_HEAD - 1] ? CLUSTER_NODE_DRAINING : 0;
        node.name = record + CLU_FOUND_HEAD;
        node.address = clu_url_next(node.name);
        node.zone = clu_url_next(node.address);
        l->at = (size_t)(clu_url_next(node.zone) - l->bytes);
        if (!*node.zone)
            node.zone = NULL;
        result = clu_nodes_add(&list, &node);
    }
    if (!result && (l->at < l->size || (l->done && list.count))) {
        int64_t added = cluster_source_add(l->source, list.nodes, list.count);
        l->done += list.count;
        (void)cluster_source_timer(l->source, cluster_source_now(l->source) + 1);
        result = added < 0 ? (int)added : CLUSTER_E_AGAIN;
    }
    result = clu_nodes_publish(&list, result);
    l->known = result == 0;
    return result;
}

/* The list is complete. */
CLU_FN int clu_found_publish(struct clu_found *l, size_t most)
{
    uint64_t digest = clu_hash64(l->bytes, l->size, l->size);
    if (l->known && l->digest == digest && cluster_source_same(l->source) == 0)
        return 0;
    l->known = false;
    l->digest = digest;
    l->at = l->done = 0;
    return clu_found_go(l, most);
}

CLU_FN void clu_found_free(struct clu_found *l)
{
    clu_free(cluster_source_allocator(l->source), l->bytes, l->capacity);
}

#endif
