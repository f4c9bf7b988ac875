/* The XML reader: what it takes and refuses, each text whole and cut at every byte; paths; limits. */
#include "../../src/wire/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static const struct clu_json_path paths[] = {CLU_PLACE(0, 1, "a"), CLU_PLACE(1, 2, "b"), CLU_PLACE(1, 3, "item"),
                                             CLU_PLACE(3, 2, "b"), CLU_PLACE(0, 0, NULL)};

static bool read_all(const char *bytes, size_t size, size_t chunk, size_t room, char *out, size_t out_size)
{
    char text[512];
    struct clu_xml x;
    struct clu_json j;
    size_t at = 0, length = 0;
    int token;
    out[0] = '\0';
    clu_json_begin(&j, paths, text, room);
    clu_xml_begin(&x, &j);
    for (at = 0; at < size; at += chunk) {
        size_t count = size - at < chunk ? size - at : chunk;
        char *exact = (char *)malloc(count);
        assert_non_null(exact);
        memcpy(exact, bytes + at, count);
        clu_json_feed(&j, exact, count);
        while ((token = clu_xml_next(&x, &j)) > 0) {
            length += (size_t)snprintf(out + length, out_size - length, "%d%c%s%s ", j.id, token, token == '"' ? text : "",
                                       token == '"' && j.cut ? "..." : "");
            assert_true(length < out_size);
            assert_true(strlen(text) < room);
        }
        free(exact);
        if (token < 0)
            return false;
    }
    return clu_xml_whole(&x, &j);
}

static bool judge(const char *text, char *out, size_t out_size)
{
    char again[512];
    size_t size = strlen(text), chunk;
    bool first = read_all(text, size, size + 1, 512, out, out_size);
    for (chunk = 1; chunk <= size && chunk < 20; chunk++) {
        assert_int_equal(read_all(text, size, chunk, 512, again, sizeof again), first);
        if (first)
            assert_string_equal(again, out);
    }
    return first;
}

static void gives(const char *text, const char *tokens)
{
    char out[512];
    if (!judge(text, out, sizeof out))
        fail_msg("refused: %s", text);
    assert_string_equal(out, tokens);
}

static void elements_and_their_texts(void **state)
{
    (void)state;
    gives("<r/>", "0{ 0\" ");
    gives("<r></r>", "0{ 0\" ");
    gives("<r>text</r>", "0{ 0\"text ");
    gives("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r xmlns=\"http://x/\"><a><b>1</b><c>2</c></a></r>\n",
          "0{ 1{ 2{ 2\"1 1} 0} ");
    gives("<r><a><item><b>x</b></item><item/><item ><b a='>' c = \"'/\" >y</b ></item></a></r>",
          "0{ 1{ 3{ 2{ 2\"x 3} 3{ 3\" 3{ 2{ 2\"y 3} 1} 0} ");
    gives("<r><b>no</b><x><a><b>no</b></a></x><a> \n<b> t </b>\n</a></r>", "0{ 1{ 2{ 2\" t  1} 0} ");
    gives("<r><a><ba>no</ba><B>no</B></a></r>", "0{ 1{ 1} 0} ");
    gives("<a:r><a>1</a></a:r>", "0{ 1{ 1\"1 0} ");
}

static void characters(void **state)
{
    (void)state;
    gives("<r>&lt;&gt;&amp;&quot;&apos;</r>", "0{ 0\"<>&\"' ");
    gives("<r>&#65;&#x42;&#xe9;&#x20AC;&#x1F600;</r>", "0{ 0\"AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 ");
    gives("<r>a<!-- - <b> &x; -->b</r>", "0{ 0\"ab ");
    gives("<r>a<![CDATA[<b>&x;]] ]>]]]>b</r>", "0{ 0\"a<b>&x;]] ]>]b ");
    gives("<r><![CDATA[]]><![CDATA[]]]]><![CDATA[>]]></r>", "0{ 0\"]]> ");
    gives("<r>a<?b ?? c?"
          "?>d</r><!-- x --> <?y?>",
          "0{ 0\"ad ");
    gives("<!-- first --><?and?><r>\xc3\xa9\t\r\n</r>", "0{ 0\"\xc3\xa9\t\r\n ");
}

static void what_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "<",
        "<r",
        "<r>",
        "<r><",
        "<r></",
        "<r></r",
        "x",
        "<r/>x",
        "<r/><r/>",
        "</r>",
        "<r></s>",
        "<r></r2>",
        "<r><a><b></a></b></r>",
        "<r><a></b><b></a></r>",
        "< r/>",
        "<r / >",
        "<r></ r>",
        "<r></r/>",
        "<r a></r>",
        "<r a=1/>",
        "<r a='<'/>",
        "<r a=\"'/>",
        "<r =''/>",
        "<r>&</r>",
        "<r>&;</r>",
        "<r>&x;</r>",
        "<r>&AMP;</r>",
        "<r>&#;</r>",
        "<r>&#0;</r>",
        "<r>&#x0;</r>",
        "<r>&#xd800;</r>",
        "<r>&#xDFFF;</r>",
        "<r>&#x110000;</r>",
        "<r>&#1114112;</r>",
        "<r>&#xg;</r>",
        "<r>&#x;</r>",
        "<r>&#-1;</r>",
        "<r>&amp</r>",
        "<r>&aaaaaaaaaaaaaaaaaaaaaa;</r>",
        "<r>\x01</r>",
        "<r\x01/>",
        "<!DOCTYPE r><r/>",
        "<!DOCTYPE r [<!ENTITY a \"aaa\">]><r>&a;</r>",
        "<r><!ELEMENT r></r>",
        "<r><!- x --></r>",
        "<r><!-- -- --></r>",
        "<r><!-- --- --></r>",
        "<r><!-- --->",
        "<![CDATA[x]]><r/>",
        "<r/><![CDATA[x]]>",
        "<r><![CDATA x]]></r>",
        "<r><![cdata[x]]></r>",
        "<r><![CDATA[x]]",
        "<r><??",
        "<r/><",
        "<r/><!",
        "<r/><!--",
        "<r/><!-- -",
        "<r/><!-- --",
        "<r/><?",
        "<r/><? ?",
        "<r/><r",
        "<!-- x -->",
        "<r/>&amp;",
        "<!#65;><r/>",
        "<r>&!--</r>",
        "<r><!amp;</r>",
        "<r>&amp&amp;</r>",
        "<r>&#6x41;</r>",
        "<r>&#00000000065;</r>",
        "{\"a\":1}",
        "<html><p>text<br></html>",
    };
    char out[512];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(texts); i++)
        if (judge(texts[i], out, sizeof out))
            fail_msg("taken: %s", texts[i]);
    assert_false(read_all("<r>\0</r>", 8, 9, 512, out, sizeof out));
}

static void depth_is_bounded(void **state)
{
    char text[1024], out[512];
    int depth;
    (void)state;
    for (depth = CLU_JSON_DEPTH - 1; depth <= CLU_JSON_DEPTH + 1; depth++) {
        int i;
        text[0] = '\0';
        for (i = 0; i < depth; i++)
            strcat(text, "<x>");
        for (i = 0; i < depth; i++)
            strcat(text, "</x>");
        assert_int_equal(read_all(text, strlen(text), 2000, 512, out, sizeof out), depth <= CLU_JSON_DEPTH);
    }
}

static void texts_stay_within_their_room(void **state)
{
    static const char text[] = "<r><a>0123456789</a><averylongname>x</averylongname></r>";
    char out[512];
    (void)state;
    assert_true(read_all(text, strlen(text), 3, 8, out, sizeof out));
    assert_string_equal(out, "0{ 1{ 1\"0123456... 0} ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_and_their_texts),
        cmocka_unit_test(characters),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(texts_stay_within_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
