/* Node names: what is one, what is none, and the halves. */
#include "../../src/wire/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool valid(const char *name)
{
    return clu_name_valid(name, strlen(name));
}

static void takes_names(void **state)
{
    (void)state;
    assert_true(valid("a@b"));
    assert_true(valid("web-1@host.example.com"));
    assert_true(valid("web@10.0.0.1"));
    assert_true(valid("web@fe80::1%eth0"));
    assert_true(valid("w\xC3\xA4"
                      "b@h")); /* names are UTF-8 */
    assert_true(valid("'a'@h"));
}

static void refuses_what_is_none(void **state)
{
    static const char *const bad[] = {"",      "@",     "a",     "a@",    "@b",      "ab",     "a@b@c", "a@@b", "a@b@", "@a@b",
                                      "a b@c", "a@b c", "a\t@b", "a@b\n", "a@b\x7f", "\x01@b", "a@b\r", " a@b", "a@b ", "@@@"};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(bad); i++)
        if (valid(bad[i]))
            fail_msg("'%s' was taken for a name", bad[i]);
    assert_false(clu_name_valid("a\0@b", 4));
    assert_false(clu_name_valid("a@b\0", 4));
    assert_false(clu_name_valid("a@b", 2)); /* the length counts, not the NUL */
}

static void keeps_the_limit(void **state)
{
    char name[CLU_NAME_MAX + 2];
    (void)state;
    memset(name, 'x', sizeof name);
    name[1] = '@';
    assert_true(clu_name_valid(name, CLU_NAME_MAX));
    assert_false(clu_name_valid(name, CLU_NAME_MAX + 1));
    name[1] = 'x';
    name[CLU_NAME_MAX - 1] = '@';
    assert_false(clu_name_valid(name, CLU_NAME_MAX));
    name[CLU_NAME_MAX - 2] = '@';
    name[CLU_NAME_MAX - 1] = 'x';
    assert_true(clu_name_valid(name, CLU_NAME_MAX));
    assert_true(clu_name_half_valid(name, CLU_NAME_MAX - 2));
    name[CLU_NAME_MAX - 2] = 'x';
    assert_false(clu_name_half_valid(name, CLU_NAME_MAX - 1));
}

static void knows_the_halves(void **state)
{
    (void)state;
    assert_string_equal(clu_name_host("a@b.c"), "b.c");
    assert_string_equal(clu_name_host("plain"), "");
    assert_true(clu_name_half_valid("web", 3));
    assert_false(clu_name_half_valid("", 0));
    assert_false(clu_name_half_valid("a@b", 3));
    assert_false(clu_name_half_valid("a b", 3));
    assert_true(clu_name_host_is_long("h.example"));
    assert_true(clu_name_host_is_long("::1"));
    assert_false(clu_name_host_is_long("host"));
    assert_false(clu_name_host_is_long(""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_names),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(keeps_the_limit),
        cmocka_unit_test(knows_the_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
