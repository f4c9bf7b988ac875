/*
 * Hosts files and lists of nodes. Every node read is fit for use, lines are counted as they stand, and reading ends.
 */
#include "../../src/wire/hosts.h"

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x))                                                                                                              \
            abort();                                                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines_before(const uint8_t *data, const char *at)
{
    size_t lines = 1;
    for (; (const char *)data < at; data++)
        lines += *data == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_slice text = clu_slice_of((const char *)data, size), line, word;
    struct clu_list list = clu_list_on(text);
    struct clu_list_node node;
    struct cluster_address found[4], a;
    char sentence[512];
    struct clu_text error = clu_text_on(sentence, sizeof sentence);
    size_t nodes = 0, count, i;
    int result;
    while ((result = clu_list_next(&list, &node, &error)) == 1) {
        CHECK(++nodes <= size);
        CHECK(clu_name_valid(node.name.at, node.name.length) || clu_name_half_valid(node.name.at, node.name.length));
        CHECK(node.port <= 65535 && node.weight <= 65535);
        CHECK(!node.zone.length || clu_name_clean(node.zone.at, node.zone.length));
        CHECK(!node.role.length || clu_name_clean(node.role.at, node.role.length));
        CHECK(!node.address.length || clu_address_parse(node.address, &a, NULL));
        CHECK(list.line == lines_before(data, node.name.at));
    }
    CHECK(result == 0 ? !error.length : result == CLUSTER_E_INVALID && error.length && !error.cut);
    CHECK(clu_list_next(&list, &node, &error) == 0);

    /* each name of a hosts file is found, with the address of its line among the answers */
    for (nodes = 0; text.at && nodes < 50; nodes++) {
        line = clu_line(&text);
        line.length = clu_slice_find(line, '#');
        if (!clu_address_parse(clu_word(&line), &a, &word))
            continue;
        word = clu_word(&line);
        if (!word.length)
            continue;
        count = clu_hosts_find(clu_slice_of((const char *)data, size), word, a.family, found, CLU_COUNT(found));
        for (i = 0; i < count && clu_address_compare(&found[i], &a) != 0; i++)
            CHECK(found[i].family == a.family);
        CHECK(i < count || count == CLU_COUNT(found));
    }
    return 0;
}
