/*
 * Hosts files and lists of nodes. Every node read is fit for use, lines are counted as they stand, and reading ends.
 */
#include "../../src/wire/hosts.h"

#include "target.h"

static size_t lines_before(const uint8_t *data, size_t size)
{
    size_t lines = 1;
    while (size--)
        lines += *data++ == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_slice text = clu_slice_of((const char *)data, size), line, word;
    struct clu_list list;
    struct cluster_node node;
    struct cluster_address found, a;
    char sentence[512], *copy = (char *)malloc(size + 1);
    struct clu_text error = clu_text_on(sentence, sizeof sentence);
    size_t nodes = 0;
    int result;
    CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    list = clu_list_on(copy, size);
    while ((result = clu_list_next(&list, &node, &error)) == 1) {
        CHECK(++nodes <= size);
        CHECK(clu_name_valid(node.name, strlen(node.name)) || clu_name_half_valid(node.name, strlen(node.name)));
        CHECK(node.port <= 65535 && node.weight <= 65535);
        CHECK(!node.zone || (*node.zone && clu_name_clean(node.zone, strlen(node.zone))));
        CHECK(!node.role || (*node.role && clu_name_clean(node.role, strlen(node.role))));
        CHECK(!node.address || clu_address_parse(clu_slice_str(node.address), &a));
        CHECK(list.line == lines_before(data, (size_t)(node.name - copy)));
    }
    CHECK(result == 0 ? !error.length : result == CLUSTER_E_INVALID && error.length && !error.cut);
    CHECK(clu_list_next(&list, &node, &error) == 0);
    free(copy);

    /* each name of a hosts file is found, with the first address that some line has for it */
    for (nodes = 0; text.at && nodes < 50; nodes++) {
        line = clu_line(&text);
        line.length = clu_slice_find(line, '#');
        if (!clu_address_parse(clu_word(&line), &a))
            continue;
        word = clu_word(&line);
        if (!word.length || word.at[word.length - 1] == '\r') /* cut after it, the text would end in CR LF's CR */
            continue;
        line = clu_slice_of((const char *)data, size);
        CHECK(clu_hosts_find(&line, word, &found));
        line = clu_slice_of((const char *)data, (size_t)(word.at - (const char *)data) + word.length);
        CHECK(clu_hosts_find(&line, word, &a));
        CHECK(clu_address_compare(&found, &a) == 0);
    }
    return 0;
}
