/* The reference of URLs: all rows of the parser's tables, schemes first, with what a source does where nothing is said. */
#ifndef CLUSTER_IMPLEMENTATION
#include "../../src/discover/reference.h"
#endif

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* Does a scheme of this build have it? */
static bool applies(const char *schemes)
{
    struct clu_scheme_help scheme;
    size_t i;
    for (i = 0; clu_url_scheme_help(i, &scheme); i++)
        if (clu_word_find(schemes, clu_slice_str(scheme.scheme)) >= 0)
            return true;
    return !*schemes;
}

/* Every scheme and option is there once; what it says fits what the parser has. */
static void lists_every_row(void **state)
{
    struct cluster_url_entry e;
    struct clu_scheme_help scheme;
    struct clu_option_help option;
    size_t i = 0, at;
    (void)state;
    e.size = (uint32_t)sizeof e;
    for (at = 0; clu_url_scheme_help(at, &scheme); at++, i++) {
        assert_int_equal(cluster_url_reference(i, &e), 1);
        assert_string_equal(e.scheme, scheme.scheme);
        assert_string_equal(e.takes, scheme.target);
        assert_string_equal(e.help, scheme.help);
        assert_string_equal(e.key, "");
        assert_true(e.least <= e.most);
    }
    for (at = 0; clu_url_help(at, &option); at++) {
        if (!applies(option.scheme))
            continue;
        assert_int_equal(cluster_url_reference(i++, &e), 1);
        assert_string_equal(e.key, option.key);
        assert_string_equal(e.scheme, option.scheme);
        assert_string_equal(e.fallback, option.fallback);
        assert_string_equal(e.choices, option.info->choices);
        assert_int_equal(*e.takes == '\0', option.info->type == CLU_OPTION_CHOICE);
    }
    assert_int_equal(cluster_url_reference(i, &e), 0);
#ifndef CLUSTER_NO_DNS
    assert_true(applies("dns"));
#else
    assert_false(applies("dns"));
#endif
    assert_int_equal(cluster_url_reference(SIZE_MAX, &e), 0);
}

static void has_the_defaults(void **state)
{
    static const struct {
        const char *scheme;
        uint64_t interval_ns, timeout_ns, max_age_ns;
        uint32_t misses;
    } cases[] = {
        {"epmd", CLU_INTERVAL, CLU_TIMEOUT, 0, 3},
        {"static", CLUSTER_NEVER, CLU_TIMEOUT, 0, 1},
        {"push", CLUSTER_NEVER, 0, 0, 1},
        {"file", CLU_SECOND, CLU_TIMEOUT, 0, 1},
#ifndef CLUSTER_NO_GOSSIP
        {"gossip", CLU_INTERVAL, 0, 15 * CLU_SECOND, 0},
#endif
    };
    struct cluster_url_entry e;
    size_t i, at;
    (void)state;
    e.size = (uint32_t)sizeof e;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        for (at = 0; cluster_url_reference(at, &e) && strcmp(e.scheme, cases[i].scheme) != 0;)
            at++;
        assert_string_equal(e.scheme, cases[i].scheme);
        assert_true(e.interval_ns == cases[i].interval_ns);
        assert_true(e.timeout_ns == cases[i].timeout_ns);
        assert_true(e.max_age_ns == cases[i].max_age_ns);
        assert_int_equal(e.misses, cases[i].misses);
    }
}

/* A caller of an older or a newer version, and none. */
static void writes_what_the_caller_knows(void **state)
{
    struct {
        struct cluster_url_entry e;
        uint64_t beyond;
    } large;
    struct cluster_url_entry e;
    (void)state;
    assert_int_equal(cluster_url_reference(0, NULL), 0);
    e.size = 0;
    assert_int_equal(cluster_url_reference(0, &e), 0);
    memset(&e, 0, sizeof e);
    e.size = (uint32_t)offsetof(struct cluster_url_entry, key);
    assert_int_equal(cluster_url_reference(0, &e), 1);
    assert_string_equal(e.scheme, "static");
    assert_null(e.key);
    large.e.size = (uint32_t)sizeof large;
    large.beyond = 7;
    assert_int_equal(cluster_url_reference(0, &large.e), 1);
    assert_true(large.beyond == 7);
    assert_int_equal(large.e.size, sizeof large);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_every_row),
        cmocka_unit_test(has_the_defaults),
        cmocka_unit_test(writes_what_the_caller_knows),
    };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
