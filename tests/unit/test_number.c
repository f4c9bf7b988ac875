/* Splitting, decimals, durations and ports: exact values, and every way to be malformed. */
#include "../../src/wire/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void splits_at_a_byte(void **state)
{
    struct clu_slice rest = clu_slice_str("a,,b,"), part;
    (void)state;
    part = clu_cut(&rest, ',');
    assert_true(clu_slice_is(part, "a"));
    part = clu_cut(&rest, ',');
    assert_int_equal(part.length, 0);
    assert_non_null(rest.at);
    part = clu_cut(&rest, ',');
    assert_true(clu_slice_is(part, "b"));
    assert_non_null(rest.at);
    part = clu_cut(&rest, ',');
    assert_int_equal(part.length, 0);
    assert_null(rest.at);
    rest = clu_slice_str("");
    part = clu_cut(&rest, ',');
    assert_int_equal(part.length, 0);
    assert_null(rest.at);
}

static void compares_slices(void **state)
{
    (void)state;
    assert_int_equal(clu_slice_find(clu_slice_str("abc"), 'c'), 2);
    assert_int_equal(clu_slice_find(clu_slice_str("abc"), 'x'), 3);
    assert_int_equal(clu_slice_find(clu_slice_of("abc", 2), 'c'), 2);
    assert_true(clu_slice_same(clu_slice_str("ab"), clu_slice_of("abc", 2)));
    assert_false(clu_slice_same(clu_slice_str("ab"), clu_slice_str("abc")));
    assert_false(clu_slice_same(clu_slice_str("ab"), clu_slice_str("aB")));
    assert_true(clu_slice_starts(clu_slice_str("abc"), "ab"));
    assert_false(clu_slice_starts(clu_slice_of("abc", 1), "ab"));
    assert_true(clu_slice_is(clu_slice_from(clu_slice_str("abc"), 1), "bc"));
    assert_int_equal(clu_lower('Z'), 'z');
    assert_int_equal(clu_lower('['), '[');
}

static void reads_decimals(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
    } good[] = {
        {"0", 0, 0},
        {"7", 7, 7},
        {"00042", 100, 42},
        {"65535", 65535, 65535},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX},
        {"18446744073709551614", UINT64_MAX, UINT64_MAX - 1},
    };
    static const struct {
        const char *text;
        uint64_t max;
    } bad[] = {
        {"", 9},    {"1", 0},   {"8", 7},    {"65536", 65535}, {"18446744073709551616", UINT64_MAX},
        {"-1", 99}, {"+1", 99}, {" 1", 99},  {"1 ", 99},       {"99999999999999999999", UINT64_MAX},
        {"1.0", 9}, {"1e1", 9}, {"0x1", 99}, {"\xB2", 99},     {"1,0", 99},
    };
    size_t i;
    uint64_t value;
    (void)state;
    for (i = 0; i < CLU_COUNT(good); i++) {
        value = 12345;
        assert_true(clu_number(clu_slice_str(good[i].text), good[i].max, &value));
        assert_int_equal(value, good[i].value);
    }
    for (i = 0; i < CLU_COUNT(bad); i++) {
        value = 12345;
        if (clu_number(clu_slice_str(bad[i].text), bad[i].max, &value))
            fail_msg("'%s' was taken for a number", bad[i].text);
        assert_int_equal(value, 12345);
    }
    assert_true(clu_number(clu_slice_of("12x", 2), 99, &value));
    assert_int_equal(value, 12);
}

static void reads_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"500ms", UINT64_C(500000000)},
        {"5s", UINT64_C(5000000000)},
        {"1m", UINT64_C(60000000000)},
        {"2h", UINT64_C(7200000000000)},
        {"18446744073709ms", UINT64_C(18446744073709000000)},
        {"5124095h", UINT64_C(5124095) * 3600 * CLU_SECOND},
    };
    static const char *const bad[] = {"",
                                      "s",
                                      "ms",
                                      "5",
                                      "1.5s",
                                      "-5s",
                                      "+5s",
                                      " 5s",
                                      "5s ",
                                      "5 s",
                                      "5S",
                                      "5us",
                                      "1d",
                                      "1h30m",
                                      "5ss",
                                      "5sec",
                                      "0x5s",
                                      "18446744073710ms",
                                      "1e3s",
                                      "5m s",
                                      "5124096h",
                                      "99999999999999999999999s",
                                      "18446744073709551615ms"};
    size_t i;
    uint64_t ns;
    (void)state;
    for (i = 0; i < CLU_COUNT(good); i++) {
        ns = 1;
        assert_true(clu_duration(clu_slice_str(good[i].text), &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (i = 0; i < CLU_COUNT(bad); i++) {
        ns = 77;
        if (clu_duration(clu_slice_str(bad[i]), &ns))
            fail_msg("'%s' was taken for a duration", bad[i]);
        assert_int_equal(ns, 77);
    }
}

static void reads_ports(void **state)
{
    static const char *const bad[] = {"", "0", "65536", "0-9", "9-0", "9200-9100", "1-", "-1", "1-2-3", "1-65536", "a-b"};
    size_t i;
    uint16_t port = 0, first = 0, last = 0;
    (void)state;
    assert_true(clu_port(clu_slice_str("65535"), &port));
    assert_int_equal(port, 65535);
    assert_true(clu_port_range(clu_slice_str("9100-9200"), &first, &last));
    assert_int_equal(first, 9100);
    assert_int_equal(last, 9200);
    assert_true(clu_port_range(clu_slice_str("4369"), &first, &last));
    assert_int_equal(first, 4369);
    assert_int_equal(last, 4369);
    for (i = 0; i < CLU_COUNT(bad); i++) {
        if (clu_port_range(clu_slice_str(bad[i]), &first, &last))
            fail_msg("'%s' was taken for ports", bad[i]);
        assert_false(clu_port(clu_slice_str(bad[i]), &port));
    }
    assert_int_equal(port, 65535);
    assert_int_equal(first, 4369);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_at_a_byte), cmocka_unit_test(compares_slices), cmocka_unit_test(reads_decimals),
        cmocka_unit_test(reads_durations),  cmocka_unit_test(reads_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
