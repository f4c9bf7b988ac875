/* The JSON reader: what the grammar takes and refuses, class by class, each text whole and cut at every byte; paths; limits. */
#include "../../src/wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static const struct clu_json_path nothing[] = {CLU_PLACE(0, 0, NULL)};

/* A line of what was read: tokens with their ids, and texts. False: refused, or not whole. */
static bool read_all(const struct clu_json_path *paths, const char *bytes, size_t size, size_t chunk, bool many, size_t room,
                     char *out, size_t out_size)
{
    char text[512];
    struct clu_json j;
    size_t at = 0, length = 0;
    int token;
    out[0] = '\0';
    clu_json_begin(&j, paths, text, room);
    j.many = many;
    for (at = 0; at < size; at += chunk) {
        size_t count = size - at < chunk ? size - at : chunk;
        char *exact = (char *)malloc(count);
        assert_non_null(exact);
        memcpy(exact, bytes + at, count);
        clu_json_feed(&j, exact, count);
        while ((token = clu_json_next(&j)) > 0) {
            bool has_text = token == '"' || token == '0';
            length += (size_t)snprintf(out + length, out_size - length, "%d%c%s%s ", j.id, token, has_text ? text : "",
                                       has_text && j.cut ? "..." : "");
            assert_true(length < out_size);
            assert_true(!has_text || strlen(text) <= j.length);
        }
        free(exact);
        if (token < 0)
            return false;
    }
    return clu_json_whole(&j);
}

static bool takes_bytes(const char *bytes, size_t size)
{
    char out[512], again[512];
    bool first = read_all(nothing, bytes, size, size + 1, false, 512, out, sizeof out);
    size_t chunk;
    for (chunk = 1; chunk < size && chunk < 20; chunk++) {
        assert_int_equal(read_all(nothing, bytes, size, chunk, false, 512, again, sizeof again), first);
        if (first)
            assert_string_equal(again, out);
    }
    return first;
}

static void takes(const char *text)
{
    if (!takes_bytes(text, strlen(text)))
        fail_msg("refused: %s", text);
}

static void refuses(const char *text)
{
    if (takes_bytes(text, strlen(text)))
        fail_msg("taken: %s", text);
}

#define EACH(check, ...)                                                                                                       \
    do {                                                                                                                       \
        static const char *const each_[] = {__VA_ARGS__};                                                                      \
        size_t i_;                                                                                                             \
        for (i_ = 0; i_ < sizeof each_ / sizeof *each_; i_++)                                                                  \
            check(each_[i_]);                                                                                                  \
    } while (0)

static void structure(void **state)
{
    (void)state;
    EACH(takes, "{}", "[]", " [ ] ", "\t{\r\n}\n", "[[]]", "{\"a\":{}}", "[1,2]", "{\"a\":1,\"b\":[]}", "{\"\":0}",
         "{\"a\":1,\"a\":2}", "[[],[[]],{}]", "[\"\",\"a\"]", "\"a\"", "null", "true", "false", "0", " 1 ",
         "[null,true,false,0]", "{\"a\\u0000b\":1}");
    EACH(refuses, "", " ", "[", "]", "{", "}", "[}", "{]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1}",
         "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{a:1}", "{'a':1}", "{1:1}", "{null:1}",
         "{\"a\"::1}", "{\"a\",1}", "{\"a\":1,,\"b\":2}", "[]]", "{}}", "[][]", "1 2", "[1],", "[1]x", "{}#", "[1]//", "/**/[]",
         "[/**/]", "{\"a\":[}", "[\"a\":1]", "[1:2]", ":", ",", "<null>", "[undefined]", "{\"a\":1}}", "[a", "*",
         "\xef\xbb\xbf{}", "[\f]", "[\v]", "[\xc2\xa0]", "[\xe2\x81\xa0]");
    assert_false(takes_bytes("[\0]", 3));
    assert_false(takes_bytes("\0", 1));
    assert_false(takes_bytes("[]\0", 3));
}

static void words(void **state)
{
    (void)state;
    EACH(takes, "[true]", "[false]", "[null]", "{\"a\":null}");
    EACH(refuses, "[tru]", "[True]", "[TRUE]", "[nul", "nul", "[nulll]", "[truefalse]", "[fals ]", "[t]", "[NaN]", "[nan]",
         "[Infinity]", "[-Infinity]", "[nULL]", "true1", "[tru\xc3\xa9]");
}

static void numbers(void **state)
{
    (void)state;
    EACH(takes, "[0]", "[-0]", "[1]", "[-1]", "[123]", "[1.5]", "[-0.1]", "[1e1]", "[1E1]", "[1e+1]", "[1e-1]", "[0e1]",
         "[0e+1]", "[1.5e22]", "[123.456e78]", "[-123123e100000]",
         "[0.4e00669999999999999999999999999999999999999999999999969999999006]", "[1E-2]", "1.5", "-0", "[1,0,-1]",
         "[100000000000000000000000000000]", "10 ", "1e5");
    EACH(refuses, "[01]", "[-01]", "[00]", "[+1]", "[.5]", "[-.5]", "[1.]", "[-1.]", "[1.e1]", "[1e]", "[1e+]", "[1E-]",
         "[1ee1]", "[1e1.5]", "[1e+-1]", "[--1]", "[-]", "[- 1]", "[1 .5]", "[0x1]", "[0b1]", "[1_000]", "[1a]", "[-a]",
         "[1.5.5]", "[0.1.2]", "[1-2]", "[1+2]", "[1eE2]", "[0e]", "[2.e3]", "[-1x]", "-", "1e", "1.", "[\xef\xbc\x91]",
         "[1\xef\xbc\x91]", "[0.3e+]", "[9.e+]", "[1,-]", "[012]", "[-012]", "[.2e-3]", "[++1234]", "[1.0e]", "[0E+]");
}

static void strings(void **state)
{
    (void)state;
    EACH(takes, "\"\"", "\"abc\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0061\\u30AF\\u30ea\"", "\"\\ud834\\udd1e\"",
         "\"\\uDBFF\\uDFFF\"", "\"\\u0000\"", "\"\x7f\"", "\"\xc2\x80\"", "\"\xe2\x82\xac\"", "\"\xef\xbf\xbf\"",
         "\"\xf0\x9d\x84\x9e\"", "\"\xf4\x8f\xbf\xbf\"", "\"a/b\"", "\"\\\\u0000\"", "\"12345678\"", "\"1234567890123456\"",
         "\"1234567\\n89012345\"", "\"\\uFFFF\"", "\"\xe2\x80\xa8\"");
    EACH(refuses, "\"", "\"abc", "\"\\", "\"\\\"", "\"\n\"", "\"\t\"", "\"\x1f\"", "\"1234567\n9\"", "\"\\a\"", "\"\\x41\"",
         "\"\\'\"", "\"\\0\"", "\"\\U0041\"", "\"\\u\"", "\"\\u004\"", "\"\\u004g\"", "\"\\u00 1\"", "\"\\u-041\"", "'a'",
         "abc", "\"\\\xc3\xa9\"", "[\"a", "[\"a]", "\"a\"b\"", "\"\\ \"", "\"\\u12", "\"\\u1\xc3\xa9\"", "\"\\\n\"", "[\\n]",
         "\\u0041", "[\"\\u00A\"]");
    assert_false(takes_bytes("\"\0\"", 3));
    assert_false(takes_bytes("\"\\\0\"", 4));
    assert_false(takes_bytes("\"abcdefg\0abcdefg\"", 17));
}

static void surrogates_come_in_pairs(void **state)
{
    (void)state;
    EACH(refuses, "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800abcdefghi\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"",
         "\"\\ud800\\ud800\"", "\"\\udc00\"", "\"\\udd1e\\ud834\"", "\"\\udbff\\ue000\"", "\"\\ud800\\udbff\"",
         "\"\\ud800\xf0\x9d\x84\x9e\"", "\"\\uD834\\\"");
}

static void utf8_is_valid(void **state)
{
    (void)state;
    EACH(refuses, "\"\x80\"", "\"\xbf\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc2\"", "\"\xc2\x41\"", "\"\xe0\x80\x80\"",
         "\"\xe0\x9f\xbf\"", "\"\xe2\x82\"", "\"\xe2\x28\xa1\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xf0\x80\x80\x80\"",
         "\"\xf0\x8f\xbf\xbf\"", "\"\xf0\x9d\x84\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"",
         "\"\xff\"", "\"\xfe\"", "\"a\xff z\"", "\"\xe9\"", "{\"\xff\":1}", "\"abcdefgh\x80\"", "[\xff]", "\xff\xfe[\x01]\x01");
    takes("\"\xed\x9f\xbf\xee\x80\x80\"");
}

static void depth_is_bounded(void **state)
{
    char text[400] = "";
    size_t i;
    (void)state;
    for (i = 0; i < CLU_JSON_DEPTH; i++) {
        text[i] = i % 2 ? '[' : '[';
        text[2 * CLU_JSON_DEPTH - 1 - i] = ']';
    }
    text[2 * CLU_JSON_DEPTH] = '\0';
    takes(text);
    memmove(text + 1, text, 2 * CLU_JSON_DEPTH + 1);
    text[0] = '[';
    strcat(text, "]");
    refuses(text);
    memset(text, '[', 399);
    refuses(text);
    for (i = 0; i < 100; i++)
        memcpy(text + 3 * i, "[{\"", 3); /* as deep as it gets before a key */
    refuses(text);
}

enum { ITEMS = 1, ITEM, NAME, IPS, IP, META, COUNT, FLAG };

static const struct clu_json_path paths[] = {
    CLU_PLACE(0, ITEMS, "items"),  CLU_PLACE(ITEMS, ITEM, NULL), CLU_PLACE(ITEM, NAME, "name"), CLU_PLACE(ITEM, IPS, "ips"),
    CLU_PLACE(IPS, IP, NULL),      CLU_PLACE(0, META, "meta"),   CLU_PLACE(META, NAME, "name"), CLU_PLACE(ITEM, COUNT, "n"),
    CLU_PLACE(ITEM, FLAG, "flag"), CLU_PLACE(0, 0, NULL),
};

static void expect(const char *text, size_t room, bool many, const char *expected)
{
    char out[2048];
    size_t size = strlen(text), chunk;
    for (chunk = 1; chunk <= size + 1; chunk++) {
        if (!read_all(paths, text, size, chunk, many, room, out, sizeof out))
            fail_msg("refused in chunks of %u: %s", (unsigned)chunk, text);
        assert_string_equal(out, expected);
    }
}

static void wanted_paths_alone_are_given(void **state)
{
    (void)state;
    expect("{\"items\":[{\"name\":\"a\",\"x\":[{\"name\":\"no\"}],\"ips\":[\"1\",\"2\"]}],\"name\":\"no\",\"meta\":{\"name\":"
           "\"b\"}}",
           64, false, "0{ 1[ 2{ 3\"a 4[ 5\"1 5\"2 4] 2} 1] 6{ 3\"b 6} 0} ");
    expect("{\"items\":[{\"n\":-1.5e3,\"flag\":true},{\"n\":7},{\"n\":null,\"flag\":false}]}", 64, false,
           "0{ 1[ 2{ 70-1.5e3 8t 2} 2{ 707 2} 2{ 7n 8f 2} 1] 0} ");
    expect("{\"items\":{\"name\":1},\"meta\":[1]}", 64, false, "0{ 1{ 1} 6[ 6] 0} ");
    expect("[1,{\"items\":[]}]", 64, false, "0[ 0] ");
    expect("\"t\"", 64, false, "0\"t ");
    expect("{\"item\":[1],\"itemss\":[1],\"it\\u0065ms\":[]}", 64, false, "0{ 1[ 1] 0} ");
    expect("{\"items\\u0000\":[1],\"\\u0000\":1}", 64, false, "0{ 0} ");
}

static void texts_are_decoded(void **state)
{
    (void)state;
    expect("{\"meta\":{\"name\":\"a\\\"\\\\\\/\\u0062\\u00e9\\u20ac\\ud834\\udd1e\xc3\xa9z\"}}", 64, false,
           "0{ 6{ 3\"a\"\\/b\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\xc3\xa9z 6} 0} ");
    expect("{\"meta\":{\"name\":\"a\\u0000b\"}}", 64, false, "0{ 6{ 3\"a... 6} 0} ");
}

static void long_texts_are_cut_and_long_keys_match_nothing(void **state)
{
    (void)state;
    expect("{\"meta\":{\"name\":\"1234567\"}}", 8, false, "0{ 6{ 3\"1234567 6} 0} ");
    expect("{\"meta\":{\"name\":\"12345678\"}}", 8, false, "0{ 6{ 3\"1234567... 6} 0} ");
    expect("{\"meta\":{\"namenamename\":\"1\",\"name\":\"2\"}}", 5, false, "0{ 6{ 3\"2 6} 0} ");
    expect("{\"items\":[{\"n\":1234567890}]}", 8, false, "0{ 1[ 2{ 701234567... 2} 1] 0} ");
}

static void documents_follow_each_other(void **state)
{
    char out[64];
    (void)state;
    expect("{\"meta\":{}}\n{\"meta\":{}} {}\n", 64, true, "0{ 6{ 6} 0} 0{ 6{ 6} 0} 0{ 0} ");
    expect("1 2\n", 64, true, "001 002 ");
    assert_false(read_all(paths, "{}\n{", 4, 9, true, 64, out, sizeof out));
    assert_false(read_all(paths, "{},{}", 5, 9, true, 64, out, sizeof out));
    assert_false(read_all(paths, "{}{}", 4, 9, false, 64, out, sizeof out));
}

/* Fields of a record: the first whole text that fits, the kind of any value in a single byte, of containers nothing. */
static void texts_go_into_fields(void **state)
{
    struct record {
        char before, name[8], first[4], kind, after;
    } r;
    enum { LIST = 1, OBJECT };
    static const struct clu_json_path fields[] = {CLU_FIELD(0, "name", struct record, name),
                                                  CLU_PLACE(0, LIST, "list"),
                                                  CLU_FIELD(LIST, NULL, struct record, first),
                                                  CLU_FIELD(OBJECT, "kind", struct record, kind),
                                                  CLU_PLACE(0, OBJECT, "object"),
                                                  CLU_PLACE(0, 0, NULL)};
    static const struct {
        const char *text, *name, *first;
        char kind;
    } table[] = {
        {"{\"name\":\"1234567\",\"list\":[\"abc\",\"d\"],\"object\":{\"kind\":true}}", "1234567", "abc", 't'},
        {"{\"name\":\"12345678\",\"list\":[\"abcd\",\"d\"],\"object\":{\"kind\":false,\"kind\":true}}", "", "d", 'f'},
        {"{\"name\":7,\"list\":[null,[\"no\"],{\"name\":\"no\"},\"yes\"],\"object\":{\"kind\":\"text\"}}", "", "yes", '"'},
        {"{\"name\":{\"name\":\"no\"},\"list\":\"no\",\"object\":{\"kind\":[true]},\"kind\":1}", "", "", '\0'},
        {"{\"name\":\"a\\u0000b\",\"name\":\"b\",\"object\":{\"kind\":-1}}", "b", "", '0'},
        {"[\"name\",\"no\"]", "", "", '\0'},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct clu_json j;
        char text[32];
        int token;
        memset(&r, 0, sizeof r);
        clu_json_begin(&j, fields, text, sizeof text);
        clu_json_feed(&j, table[i].text, strlen(table[i].text));
        while ((token = clu_json_next(&j)) > 0)
            assert_int_equal(clu_json_taken(&j, token, &r), j.id == CLU_JSON_FIELD);
        assert_true(clu_json_whole(&j));
        assert_string_equal(r.name, table[i].name);
        assert_string_equal(r.first, table[i].first);
        assert_int_equal(r.kind, table[i].kind);
        assert_int_equal(r.before + r.after, 0);
    }
}

/* Where an object begins that has fields of its own, these are empty again, and no others. */
static void objects_begin_with_empty_fields(void **state)
{
    struct record {
        char before, name[4], kind, after[4];
    } r = {'b', "old", 'k', "old"};
    static const struct clu_json_path fields[] = {CLU_FIELD(0, "last", struct record, after), CLU_PLACE(0, ITEMS, "items"),
                                                  CLU_OBJECT(ITEMS, ITEM, NULL, struct record, name),
                                                  CLU_FIELD(ITEM, "name", struct record, name), CLU_PLACE(0, 0, NULL)};
    static const char text[] = "{\"items\":[{},{\"name\":\"a\"},{\"name\":\"b\"},{\"no\":{}}],\"last\":\"z\"}";
    struct clu_json j;
    char room[8], names[32], *out = names;
    int token;
    (void)state;
    clu_json_begin(&j, fields, room, sizeof room);
    clu_json_feed(&j, text, strlen(text));
    while ((token = clu_json_next(&j)) > 0) {
        (void)clu_json_taken(&j, token, &r);
        if (j.id == ITEM)
            *out++ = *r.name ? *r.name : '-';
    }
    *out = '\0';
    assert_true(clu_json_whole(&j));
    assert_string_equal(names, "---a-b--");
    assert_string_equal(r.after, "old"); /* it had one */
    assert_int_equal(r.before, 'b');
    assert_int_equal(r.kind, 'k');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_begin_with_empty_fields),
        cmocka_unit_test(texts_go_into_fields),
        cmocka_unit_test(structure),
        cmocka_unit_test(words),
        cmocka_unit_test(numbers),
        cmocka_unit_test(strings),
        cmocka_unit_test(surrogates_come_in_pairs),
        cmocka_unit_test(utf8_is_valid),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(wanted_paths_alone_are_given),
        cmocka_unit_test(texts_are_decoded),
        cmocka_unit_test(long_texts_are_cut_and_long_keys_match_nothing),
        cmocka_unit_test(documents_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
