/*
 * file: a list of nodes in a file, one a line, read when its stamp changes. A file that cannot be read, or has a line that is
 * no node, is a failed round: an editor's half-written file removes nobody.
 */
#ifndef CLU_DISCOVER_FILE_H
#define CLU_DISCOVER_FILE_H

#include "../net/lookup.h"
#include "list.h"

struct clu_file {
    struct cluster_source *source;
    uint64_t stamp; /* of what was published last; 0: nothing */
    char *text;
    size_t capacity;
};

CLU_FN int clu_file_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    struct clu_file *f = (struct clu_file *)clu_alloc_zero(cluster_source_allocator(s), sizeof *f);
    (void)ctx;
    (void)target;
    if (!f)
        return CLUSTER_E_MEMORY;
    f->source = s;
    *state = f;
    return 0;
}

CLU_FN void clu_file_close(void *state)
{
    struct clu_file *f = (struct clu_file *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(f->source);
    clu_free(memory, f->text, f->capacity);
    clu_free(memory, f, sizeof *f);
}

/* A slice of the file's text as a string, in place: the byte after it is a blank, a line's end, or the spare one. */
CLU_FN const char *clu_file_string(struct clu_file *f, struct clu_slice s)
{
    if (!s.length)
        return NULL;
    f->text[(size_t)(s.at - f->text) + s.length] = '\0';
    return s.at;
}

CLU_FN int clu_file_publish(struct clu_file *f, size_t size)
{
    struct clu_list lines = clu_list_on(clu_slice_of(f->text, size));
    struct clu_list_node line;
    struct clu_nodes list = {NULL, 0, 0};
    char sentence[160];
    struct clu_text error = clu_text_on(sentence, sizeof sentence);
    int result;
    while ((result = clu_list_next(&lines, &line, &error)) > 0) {
        struct cluster_node *node = clu_nodes_add(&list, f->source, clu_file_string(f, line.name));
        if (!node) {
            result = CLUSTER_E_MEMORY;
            break;
        }
        node->address = clu_file_string(f, line.address);
        node->zone = clu_file_string(f, line.zone);
        node->role = clu_file_string(f, line.role);
        node->port = line.port;
        node->weight = line.weight;
    }
    if (result == CLUSTER_E_INVALID)
        (void)cluster_source_fail(f->source, result, sentence);
    return clu_nodes_publish(&list, f->source, result);
}

CLU_FN int clu_file_round(void *state, uint64_t now)
{
    struct clu_file *f = (struct clu_file *)state;
    const struct cluster_io *io = cluster_source_io(f->source);
    const struct cluster_allocator *memory = cluster_source_allocator(f->source);
    const char *path = cluster_source_item(f->source, NULL);
    uint64_t stamp = f->stamp;
    char sentence[160];
    struct clu_text why = clu_text_on(sentence, sizeof sentence);
    int64_t size = clu_read_file(io, memory, path, &f->text, &f->capacity, &stamp);
    int result;
    (void)now;
    if (size == CLUSTER_E_AGAIN && cluster_source_same(f->source) == 0)
        return 0;
    f->stamp = 0;
    if (size >= 0 && clu_reserve(memory, &f->text, &f->capacity, (size_t)size + 1, 1)) {
        result = clu_file_publish(f, (size_t)size);
        if (result == 0)
            f->stamp = stamp;
        return result;
    }
    result = size < 0 ? (int)size : CLUSTER_E_MEMORY;
    clu_text_add(&why, "cannot read '");
    clu_text_escaped(&why, path, strlen(path) < 80 ? strlen(path) : 80);
    clu_text_add(&why, "': ");
    clu_text_add(&why, cluster_strerror(result));
    (void)cluster_source_fail(f->source, result, sentence);
    return 0;
}

#endif
