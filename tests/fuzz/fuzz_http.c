/*
 * Responses of HTTP servers. The input is what a connection brings. Whatever it is cut into, the head is judged alike and the same
 * body comes out of it; no piece lies outside of what came, and the framing between two pieces is bounded.
 */
#include "../../src/wire/http.h"

#include "target.h"

/* What became of it, and a sum over the body. */
static int judge(const uint8_t *data, size_t size, size_t chunk, uint64_t *sum, struct clu_http *h)
{
    size_t have = 0, framing = 0;
    int heads = 0;
    memset(h, 0, sizeof *h);
    h->empty = size && data[size - 1] == 'E';
    *sum = 0;
    for (;;) {
        struct clu_slice piece;
        size_t i, before = h->at;
        enum clu_parse parse = clu_http_next(h, clu_slice_of((const char *)data, have), &piece);
        CHECK(h->begin <= h->head && h->head <= h->at && h->at <= have && h->head <= CLU_HTTP_LINES);
        framing = piece.length || !heads ? 0 : framing + h->at - before;
        CHECK(framing <= 2 * CLU_HTTP_LINES);
        for (i = 0; i < piece.length; i++)
            *sum = *sum * 31 + (uint8_t)piece.at[i] + 1;
        if (parse == CLU_NEED_MORE && have < size)
            have = size - have < chunk ? size : have + chunk;
        else if (parse == CLU_COMPLETE && !heads)
            heads = 3;
        else if (parse != CLU_COMPLETE || !piece.length)
            return heads + (int)parse;
        CHECK(!heads || (h->status >= 200 && h->status <= 999));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t chunks[] = {1, 2, 7, 1000};
    struct clu_http whole, again;
    struct clu_slice head, line, name, value;
    uint64_t sum, other;
    size_t i, fields = 0;
    int verdict = judge(data, size, size + 1, &sum, &whole);
    for (i = 0; i < CLU_COUNT(chunks) && size < 20000; i++) {
        CHECK(judge(data, size, chunks[i], &other, &again) == verdict);
        CHECK(other == sum);
    }
    if (verdict < 3)
        return 0;
    head = clu_slice_of((const char *)data + whole.begin, whole.head - whole.begin);
    CHECK(!clu_http_find(head, "no such field:").at);
    for (line = clu_line(&head), line = clu_line(&head); line.length; line = clu_line(&head)) {
        CHECK(clu_http_field(line, &name, &value));
        CHECK(name.length && !memchr(name.at, ':', name.length));
        CHECK(++fields <= CLU_HTTP_LINES / 2);
    }
    CHECK(!head.length);
    return 0;
}
