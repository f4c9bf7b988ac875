/*
 * Terms as text. What is printed reads back, and as what it reads back it is printed and read back the same; it is a term that
 * is stepped over, and it fits into its length and no less.
 */
#include "../../src/wire/term_print.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = cluster_term_print(data, size, NULL, 0), once, twice;
    struct clu_reader r = clu_reader_of(data, size);
    uint8_t *term, *again;
    char *text;
    if (!length)
        return 0;
    (void)clu_read_u8(&r);
    CHECK(clu_term_skip(&r) && !clu_left(&r));
    text = (char *)malloc(length + 1);
    CHECK(text && cluster_term_print(data, size, text, length + 1) == length && strlen(text) == length);
    CHECK(cluster_term_parse(text, NULL, 0, &once) == CLUSTER_E_LIMIT && once);
    term = (uint8_t *)malloc(once);
    CHECK(term && cluster_term_parse(text, term, once, &twice) == 0 && twice == once);
    free(text);

    length = cluster_term_print(term, once, NULL, 0);
    text = (char *)malloc(length + 1);
    CHECK(length && text && cluster_term_print(term, once, text, length + 1) == length);
    again = (uint8_t *)malloc(once);
    CHECK(again && cluster_term_parse(text, again, once, &twice) == 0 && twice == once && memcmp(term, again, once) == 0);
    free(text);
    free(term);
    free(again);
    return 0;
}
