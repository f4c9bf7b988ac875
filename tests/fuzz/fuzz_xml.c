/*
 * XML. Whatever it is cut into, the same tokens of the same places come out of a text, and it is taken or refused alike; elements
 * nest, and texts stay within their room.
 */
#include "../../src/wire/xml.h"

#include "target.h"

static bool judge(const uint8_t *data, size_t size, size_t chunk, uint64_t *sum)
{
    static const struct clu_json_path paths[] = {CLU_PLACE(0, 1, "a"), CLU_PLACE(1, 2, "item"), CLU_PLACE(2, 1, "a"),
                                                 CLU_PLACE(2, 3, "b"), CLU_PLACE(0, 0, NULL)};
    struct clu_xml x;
    struct clu_json j;
    char text[16];
    size_t at;
    unsigned level = 0;
    *sum = 0;
    clu_json_begin(&j, paths, text, sizeof text);
    clu_xml_begin(&x, &j);
    for (at = 0; at < size; at += chunk) {
        int token;
        clu_json_feed(&j, data + at, size - at < chunk ? size - at : chunk);
        while ((token = clu_xml_next(&x, &j)) > 0) {
            size_t i;
            level += (unsigned)(token == '{');
            CHECK(level > 0 && (token == '{' || token == '}' || token == '"'));
            level -= (unsigned)(token != '{');
            CHECK(level <= j.depth && j.depth <= CLU_JSON_DEPTH && j.id <= 3);
            *sum = *sum * 31 + (uint64_t)token * 8 + j.id;
            if (token != '"')
                continue;
            CHECK(j.length < sizeof text && text[j.length] == '\0');
            for (i = 0; i < j.length; i++)
                *sum = *sum * 31 + (uint8_t)text[i];
            *sum += j.cut;
        }
        if (token < 0)
            return false;
        CHECK(j.at == j.end);
    }
    CHECK(!clu_xml_whole(&x, &j) || level == 0);
    return clu_xml_whole(&x, &j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t chunks[] = {1, 3, 8, 1000};
    uint64_t sum, other;
    bool whole = judge(data, size, size + 1, &sum);
    size_t i;
    for (i = 0; i < CLU_COUNT(chunks); i++) {
        bool again = judge(data, size, chunks[i], &other);
        CHECK(again == whole && (!whole || other == sum));
    }
    return 0;
}
