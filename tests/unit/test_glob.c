/* Patterns on names, checked against a plain recursive definition on every short pattern and text. */
#include "../../src/wire/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static bool matches(const char *pattern, const char *text)
{
    return clu_glob(clu_slice_str(pattern), clu_slice_str(text));
}

static void matches_names(void **state)
{
    (void)state;
    assert_true(matches("*", ""));
    assert_true(matches("*", "web@h"));
    assert_true(matches("web*@*.eu", "web-1@h1.eu"));
    assert_true(matches("web?@h", "web1@h"));
    assert_true(matches("*@10.0.?.*", "a@10.0.3.44"));
    assert_true(matches("a*b*c", "a-b-b-c-c"));
    assert_true(matches("**a**", "xax"));
    assert_false(matches("", "a"));
    assert_true(matches("", ""));
    assert_false(matches("web", "web1"));
    assert_false(matches("web1", "web"));
    assert_false(matches("?", ""));
    assert_false(matches("Web", "web"));
    assert_false(matches("a*b", "abc"));
    assert_false(matches("[a]", "a"));
    assert_false(clu_glob(clu_slice_of("ab", 1), clu_slice_str("ab")));
}

static void matches_lists(void **state)
{
    struct clu_slice list = clu_slice_str("web*,db@h,,x?");
    (void)state;
    assert_true(clu_glob_list(list, clu_slice_str("web@1")));
    assert_true(clu_glob_list(list, clu_slice_str("db@h")));
    assert_true(clu_glob_list(list, clu_slice_str("xy")));
    assert_true(clu_glob_list(list, clu_slice_str("")));
    assert_false(clu_glob_list(list, clu_slice_str("db@h2")));
}

static bool plainly(const char *p, const char *t)
{
    if (!*p)
        return !*t;
    if (*p == '*')
        return plainly(p + 1, t) || (*t && plainly(p, t + 1));
    return *t && (*p == '?' || *p == *t) && plainly(p + 1, t + 1);
}

static void write_word(char *out, unsigned number, const char *letters, unsigned base)
{
    while (number) {
        *out++ = letters[number % base];
        number /= base;
    }
    *out = '\0';
}

static void agrees_with_its_definition(void **state)
{
    char pattern[16], text[16];
    unsigned p, t, compared = 0;
    (void)state;
    for (p = 0; p < 1024; p++) {
        write_word(pattern, p, "ab*?", 4);
        for (t = 0; t < 243; t++) {
            write_word(text, t, "abc", 3);
            if (matches(pattern, text) != plainly(pattern, text))
                fail_msg("pattern '%s', text '%s'", pattern, text);
            compared++;
        }
    }
    assert_int_equal(compared, 1024 * 243);
}

static void takes_time_within_bounds(void **state)
{
    /* exponential for a matcher that goes back to every star */
    char text[256], pattern[128];
    size_t i;
    (void)state;
    memset(text, 'a', sizeof text);
    text[255] = '\0';
    for (i = 0; i + 2 < sizeof pattern; i += 2) {
        pattern[i] = 'a';
        pattern[i + 1] = '*';
    }
    pattern[i] = 'b';
    pattern[i + 1] = '\0';
    assert_false(matches(pattern, text));
    text[254] = 'b';
    assert_true(matches(pattern, text));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_names),
        cmocka_unit_test(matches_lists),
        cmocka_unit_test(agrees_with_its_definition),
        cmocka_unit_test(takes_time_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
