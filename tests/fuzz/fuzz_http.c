/*
 * Responses of HTTP servers. The input is what a connection brings. Whatever it is cut into, the head is judged alike and the same
 * body comes out of it; no piece lies outside of what came, and the framing between two pieces is bounded.
 */
#include "../../src/wire/http.h"

#include "target.h"

/* What became of it, and a sum over the body. */
static int judge(const uint8_t *data, size_t size, size_t chunk, uint64_t *sum, struct clu_http *h)
{
    size_t have = 0, at, framing = 0;
    enum clu_parse parse = CLU_NEED_MORE;
    memset(h, 0, sizeof *h);
    *sum = 0;
    while (parse == CLU_NEED_MORE && have < size) {
        have = size - have < chunk ? size : have + chunk;
        parse = clu_http_head(h, clu_slice_of((const char *)data, have));
    }
    if (parse != CLU_COMPLETE)
        return (int)parse;
    CHECK(h->head <= CLU_HTTP_HEAD_MAX && h->head <= have && h->status >= 100 && h->status <= 999);
    for (at = h->head;;) {
        struct clu_reader r = clu_reader_of(data + at, have - at);
        struct clu_slice piece;
        size_t i, used;
        parse = clu_http_body(h, &r, &piece);
        used = have - clu_left(&r) - at;
        at += used;
        framing = piece.length ? 0 : framing + used;
        CHECK(framing <= 2 * CLU_HTTP_FRAMING + 16);
        for (i = 0; i < piece.length; i++)
            *sum = *sum * 31 + (uint8_t)piece.at[i] + 1;
        if (parse == CLU_NEED_MORE && have < size)
            have = size - have < chunk ? size : have + chunk;
        else if (parse != CLU_COMPLETE || !piece.length)
            return 3 + (int)parse;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t chunks[] = {1, 2, 7, 1000};
    struct clu_http whole, again;
    struct clu_slice head, name, value;
    uint64_t sum, other;
    size_t i, fields = 0;
    bool bad = false;
    int verdict = judge(data, size, size + 1, &sum, &whole);
    for (i = 0; i < CLU_COUNT(chunks) && size < 20000; i++) {
        CHECK(judge(data, size, chunks[i], &other, &again) == verdict);
        CHECK(other == sum);
    }
    if (verdict < 3)
        return 0;
    head = clu_slice_of((const char *)data, whole.head);
    (void)clu_line(&head);
    while (clu_http_field(&head, &name, &value, &bad)) {
        CHECK(name.length && !memchr(name.at, ':', name.length));
        fields++;
    }
    CHECK(!bad && fields <= CLU_HTTP_HEAD_MAX / 2);
    CHECK(!clu_http_find(clu_slice_of((const char *)data, whole.head), "no such field:").at);
    return 0;
}
