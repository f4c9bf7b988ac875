/* Texts of requests from templates: each mark, each escape, what is cut. */
#include "../../src/wire/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void marks(void **state)
{
    char out[128];
    struct clu_text t = clu_text_on(out, sizeof out);
    (void)state;
    clu_compose(&t, "/v1/$q?n=$u&x=$s", "a b", 4294967295u, "%20");
    assert_string_equal(out, "/v1/a%20b?n=4294967295&x=%20");
    clu_compose(&t, "");
    clu_compose(&t, "{\"key\":\"$b\",\"name\":\"$j\"}", "foo", "a\"b\\c");
    assert_string_equal(out, "/v1/a%20b?n=4294967295&x=%20{\"key\":\"Zm9v\",\"name\":\"a\\\"b\\\\c\"}");
    t = clu_text_on(out, sizeof out);
    clu_compose(&t, "$s$s$q$j$b$u$s", "", "$s", "", "", "", 0u, "end"); /* what goes in is no template */
    assert_string_equal(out, "$s0end");
    assert_false(t.cut);
    t = clu_text_on(out, sizeof out);
    clu_compose(&t, "$z$z/$z", "one", "", "b");
    assert_int_equal(t.length, sizeof "one\0\0/b");
    assert_memory_equal(out, "one\0\0/b", sizeof "one\0\0/b");
    t = clu_text_on(out, sizeof out);
    clu_compose(&t, "$x.", "\x00\xff\x1aZ0123456789abcdefghijklmnopqr");
    assert_string_equal(out, "00ff1a5a303132333435363738396162636465666768696a6b6c6d6e6f707172.");
}

static void parts_of_urls(void **state)
{
    char out[1024], wanted[1024], all[256];
    struct clu_text t = clu_text_on(out, sizeof out), w = clu_text_on(wanted, sizeof wanted);
    unsigned i;
    (void)state;
    for (i = 1; i < 256; i++) {
        char c = (char)i;
        all[i - 1] = c;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
            c == '~') {
            clu_text_bytes(&w, &c, 1);
        } else {
            clu_text_add(&w, "%");
            clu_text_bytes(&w, &"0123456789ABCDEF"[i >> 4], 1);
            clu_text_bytes(&w, &"0123456789ABCDEF"[i & 15], 1);
        }
    }
    all[255] = '\0';
    clu_compose(&t, "$q", all);
    assert_string_equal(out, wanted);
    t = clu_text_on(out, sizeof out);
    clu_text_quoted(&t, clu_slice_of("a\0b", 3));
    assert_string_equal(out, "a%00b");
}

/* Between the quotes of JSON no byte under 0x20 may stand as it is (RFC 8259, 7). */
static void parts_of_json(void **state)
{
    char out[1024], wanted[1024], all[256];
    struct clu_text t = clu_text_on(out, sizeof out), w = clu_text_on(wanted, sizeof wanted);
    unsigned i;
    (void)state;
    for (i = 1; i < 256; i++) {
        char c = (char)i;
        all[i - 1] = c;
        if (i < 0x20) {
            clu_text_add(&w, "\\u00");
            clu_text_bytes(&w, &"0123456789ABCDEF"[i >> 4], 1);
            clu_text_bytes(&w, &"0123456789ABCDEF"[i & 15], 1);
        } else {
            clu_text_add(&w, c == '"' || c == '\\' ? "\\" : "");
            clu_text_bytes(&w, &c, 1);
        }
    }
    all[255] = '\0';
    clu_compose(&t, "$j", all);
    assert_string_equal(out, wanted);
    t = clu_text_on(out, sizeof out);
    clu_compose(&t, "{\"ID\":\"$j\"}", "a\nb\x01\"");
    assert_string_equal(out, "{\"ID\":\"a\\u000Ab\\u0001\\\"\"}");
}

static void base64(void **state)
{
    static const char *const table[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff\xbf", "+/+/"}};
    char out[32];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        struct clu_text t = clu_text_on(out, sizeof out);
        clu_compose(&t, "$b", table[i][0]);
        assert_string_equal(out, table[i][1]);
    }
}

static void what_does_not_fit_is_cut(void **state)
{
    static const char whole[] = "a=%20&b=\\\"&c=Zg==&d=12";
    char out[sizeof whole];
    size_t room;
    (void)state;
    for (room = 1; room <= sizeof whole; room++) {
        struct clu_text t = clu_text_on(out, room);
        clu_compose(&t, "a=$q&b=$j&c=$b&d=$u", " ", "\"", "f", 12u);
        assert_int_equal(t.cut, room < sizeof whole);
        assert_int_equal(strlen(out), t.length);
        assert_true(t.cut || strcmp(out, whole) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks),
        cmocka_unit_test(parts_of_urls),
        cmocka_unit_test(parts_of_json),
        cmocka_unit_test(base64),
        cmocka_unit_test(what_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
