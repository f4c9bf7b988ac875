/*
 * XML. Whatever it is cut into, the same tokens of the same places come out of a text, and it is taken or refused alike; elements
 * nest, and texts stay within their room.
 */
#include "../../src/wire/xml.h"

#include "target.h"

static bool judge(const uint8_t *data, size_t size, size_t chunk, uint64_t *sum)
{
    static const struct clu_json_path paths[] = {{0, 1, "a"}, {1, 2, "item"}, {2, 1, "a"}, {2, 3, "b"}, {0, 0, NULL}};
    struct clu_xml x;
    char text[16];
    size_t at;
    unsigned level = 0;
    *sum = 0;
    clu_xml_begin(&x, paths, text, sizeof text);
    for (at = 0; at < size; at += chunk) {
        int token;
        clu_json_feed(&x.j, data + at, size - at < chunk ? size - at : chunk);
        while ((token = clu_xml_next(&x)) > 0) {
            size_t i;
            level += (unsigned)(token == '{');
            CHECK(level > 0 && (token == '{' || token == '}' || token == '"'));
            level -= (unsigned)(token != '{');
            CHECK(level <= x.j.depth && x.j.depth <= CLU_JSON_DEPTH && x.j.id <= 3);
            *sum = *sum * 31 + (uint64_t)token * 8 + x.j.id;
            if (token != '"')
                continue;
            CHECK(x.j.length < sizeof text && text[x.j.length] == '\0');
            for (i = 0; i < x.j.length; i++)
                *sum = *sum * 31 + (uint8_t)text[i];
            *sum += x.j.cut;
        }
        if (token < 0)
            return false;
        CHECK(x.j.at == x.j.end);
    }
    CHECK(!clu_xml_whole(&x) || level == 0);
    return clu_xml_whole(&x);
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
