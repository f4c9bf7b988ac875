/*
 * Erlang's term syntax. A text is read, or refused at a place in it with a sentence; what it reads as needs its size and no
 * less, is a term that is stepped over, and is printed as a text that reads as the same.
 */
#include "../../src/wire/term_print.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = (char *)malloc(size + 1), *printed;
    uint8_t *term, *again;
    size_t need, count, at, length;
    struct clu_reader r;
    const char *why;
    int result;
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    result = cluster_term_parse(text, NULL, 0, &need);
    why = cluster_term_why(text, &at);
    CHECK(result == CLUSTER_E_LIMIT || result == CLUSTER_E_INVALID);
    CHECK((*why != 0) == (need == 0) && at <= strlen(text) && (result == CLUSTER_E_LIMIT || *why));
    if (!need) {
        free(text);
        return 0;
    }
    term = (uint8_t *)malloc(need);
    CHECK(term && cluster_term_parse(text, term, need - 1, &count) == CLUSTER_E_LIMIT && count == need);
    CHECK(cluster_term_parse(text, term, need, &count) == 0 && count == need);
    free(text);
    r = clu_reader_of(term, need);
    CHECK(clu_read_u8(&r) == CLU_TERM_VERSION && clu_term_skip(&r) && !clu_left(&r));

    length = cluster_term_print(term, need, NULL, 0);
    printed = (char *)malloc(length + 1);
    again = (uint8_t *)malloc(need);
    CHECK(length && printed && again && cluster_term_print(term, need, printed, length + 1) == length);
    CHECK(cluster_term_parse(printed, again, need, &count) == 0 && count == need && memcmp(term, again, need) == 0);
    free(printed);
    free(again);
    free(term);
    return 0;
}
