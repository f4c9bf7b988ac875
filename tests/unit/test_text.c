/* Text in a fixed buffer: always ended, never past it, and honest about what was cut. */
#include "../../src/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void appends(void **state)
{
    char buffer[64];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    (void)state;
    assert_string_equal(buffer, "");
    clu_text_add(&t, "a");
    clu_text_bytes(&t, "bcd", 2);
    clu_text_bytes(&t, NULL, 0);
    clu_text_u64(&t, 0);
    clu_text_add(&t, " ");
    clu_text_u64(&t, UINT64_MAX);
    clu_text_hex(&t, 0x00);
    clu_text_hex(&t, 0x7f);
    clu_text_hex(&t, 0xfa);
    assert_string_equal(buffer, "abc0 18446744073709551615007ffa");
    assert_int_equal(t.length, strlen(buffer));
    assert_false(t.cut);
}

static void cuts_at_the_end(void **state)
{
    char buffer[8];
    struct clu_text t;
    size_t size;
    (void)state;
    for (size = 1; size <= sizeof buffer; size++) {
        memset(buffer, '#', sizeof buffer);
        t = clu_text_on(buffer, size);
        clu_text_add(&t, "123");
        assert_int_equal(t.cut, size < 4);
        clu_text_add(&t, "4567890");
        assert_true(t.cut);
        assert_int_equal(t.length, size - 1);
        assert_memory_equal(buffer, "1234567", size - 1);
        assert_int_equal(buffer[size - 1], '\0');
        if (size < sizeof buffer)
            assert_int_equal(buffer[size], '#');
    }
    t = clu_text_on(buffer, 4);
    clu_text_add(&t, "123");
    assert_false(t.cut); /* exactly full is not cut */
    clu_text_add(&t, "");
    assert_false(t.cut);
}

static void works_without_room(void **state)
{
    char buffer[1];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    (void)state;
    clu_text_add(&t, "");
    assert_false(t.cut);
    clu_text_u64(&t, 5);
    clu_text_escaped(&t, "\n", 1);
    assert_true(t.cut);
    assert_int_equal(t.length, 0);
}

static void escapes(void **state)
{
    char buffer[64];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    (void)state;
    clu_text_escaped(&t, "a\n\x1b\"\\\x7f\xc3~ \0", 10);
    assert_string_equal(buffer, "a\\x0a\\x1b\\x22\\x5c\\x7f\\xc3~ \\x00");
}

static void compares_slices(void **state)
{
    struct clu_slice s = clu_slice_of("abcd", 2);
    (void)state;
    assert_true(clu_slice_is(s, "ab"));
    assert_false(clu_slice_is(s, "a"));
    assert_false(clu_slice_is(s, "abc"));
    assert_false(clu_slice_is(s, "ac"));
    assert_true(clu_slice_is(clu_slice_of("x", 0), ""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends), cmocka_unit_test(cuts_at_the_end), cmocka_unit_test(works_without_room),
        cmocka_unit_test(escapes), cmocka_unit_test(compares_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
