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
    (void)ctx;
    (void)target;
    return clu_state_new(s, sizeof(struct clu_file), state);
}

CLU_FN void clu_file_close(void *state)
{
    struct clu_file *f = (struct clu_file *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(f->source);
    clu_free(memory, f->text, f->capacity);
    clu_free(memory, f, sizeof *f);
}

CLU_FN int clu_file_round(void *state, uint64_t now)
{
    struct clu_file *f = (struct clu_file *)state;
    struct clu_nodes list = {f->source, NULL, 0, 0};
    const char *path = cluster_source_item(f->source, NULL);
    uint64_t stamp = f->stamp;
    char sentence[192];
    struct clu_text error = clu_text_on(sentence, sizeof sentence);
    struct clu_list lines;
    struct cluster_node node;
    int64_t size = clu_read_file(cluster_source_io(f->source), cluster_source_allocator(f->source), path, &f->text,
                                 &f->capacity, 1, &stamp);
    int result;
    (void)now;
    if (size == CLUSTER_E_AGAIN && cluster_source_same(f->source) == 0)
        return 0;
    f->stamp = 0;
    if (size < 0)
        return clu_round_fail(f->source, (int)size, "cannot read '#': $", clu_slice_str(path), cluster_strerror((int)size));
    lines = clu_list_on(f->text, (size_t)size);
    while ((result = clu_list_next(&lines, &node, &error)) > 0) {
        result = clu_nodes_add(&list, &node);
        if (result)
            break;
    }
    if (error.length)
        (void)cluster_source_fail(f->source, result, sentence);
    result = clu_nodes_publish(&list, result);
    if (!result)
        f->stamp = stamp;
    return result;
}

#endif
