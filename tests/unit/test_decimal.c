/* Decimals and doubles, both ways: each limit of the format, half ways by a digit far behind, and what the C library says. */
#include "../../src/base/decimal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/* DIGITS * 10^exponent as a double's bits; UINT64_MAX: too large. */
static uint64_t bits_of(const char *digits, int64_t exponent)
{
    struct clu_big n;
    uint64_t bits;
    double value;
    for (clu_big_set(&n, 0); *digits; digits++)
        assert_true(clu_big_scale(&n, 10, (uint32_t)(*digits - '0')));
    if (!clu_double_of(&n, exponent, &value))
        return UINT64_MAX;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void reads_what_is_nearest(void **state)
{
    static const struct {
        const char *digits;
        int64_t exponent;
        uint64_t bits;
    } cases[] = {
        {"0", 0, 0},
        {"0", INT64_MAX / 2, 0},
        {"0", INT64_MIN / 2, 0},
        {"1", 0, UINT64_C(0x3ff0000000000000)},
        {"1", -1, UINT64_C(0x3fb999999999999a)},
        {"3", -1, UINT64_C(0x3fd3333333333333)},
        {"1", 22, UINT64_C(0x4480f0cf064dd592)},
        {"1", 23, UINT64_C(0x44b52d02c7e14af6)},
        {"9007199254740992", 0, UINT64_C(0x4340000000000000)},
        {"9007199254740993", 0, UINT64_C(0x4340000000000000)}, /* half way: the even one */
        {"9007199254740993000000000000000000000000000000000000000000000000000000000001", -60, UINT64_C(0x4340000000000001)},
        {"9007199254740995", 0, UINT64_C(0x4340000000000002)},
        {"9007199254740994999999999999999999999999999999999999999999999999999999999999", -60, UINT64_C(0x4340000000000001)},
        {"17976931348623157", 292, UINT64_C(0x7fefffffffffffff)},
        {"179769313486231580793", 288, UINT64_C(0x7fefffffffffffff)},
        {"179769313486231580794", 288, UINT64_MAX}, /* half way to what would come next */
        {"1", 309, UINT64_MAX},
        {"1", INT64_MAX / 2, UINT64_MAX},
        {"22250738585072014", -324, UINT64_C(0x0010000000000000)},
        {"22250738585072011", -324, UINT64_C(0x000fffffffffffff)}, /* rounds up across the smallest normal one */
        {"22250738585072012", -324, UINT64_C(0x0010000000000000)},
        {"49406564584124654", -340, 1},
        {"24703282292062327", -340, 0},
        {"24703282292062328", -340, 1},
        {"1", -324, 0},
        {"9", -1110, 0},
        {"1", INT64_MIN / 2, 0},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        if (bits_of(cases[i].digits, cases[i].exponent) != cases[i].bits)
            fail_msg("%se%ld: %lx", cases[i].digits, (long)cases[i].exponent,
                     (long)bits_of(cases[i].digits, cases[i].exponent));
}

static uint64_t random_bits(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * UINT64_C(2685821657736338717);
}

/* All powers of two, the smallest ones, and any. */
static void writes_what_reads_back(void **state)
{
    uint64_t seed = 88172645463325252, bits, i;
    (void)state;
    for (i = 0; i < 6000; i++) {
        char digits[CLU_DOUBLE_DIGITS + 1] = "", text[64];
        double value, shorter;
        unsigned count;
        int place;
        bits = i < 2046 ? (i + 1) << 52 : i < 2200 ? i - 2045 : random_bits(&seed) >> 1;
        memcpy(&value, &bits, sizeof value);
        if (bits >> 52 >= 0x7ff)
            continue;
        count = clu_double_digits(value, digits, &place);
        assert_in_range(count, 1, CLU_DOUBLE_DIGITS);
        assert_true(digits[0] > '0' && digits[count - 1] > '0');
        assert_true(bits_of(digits, place - (int)count) == bits);
        snprintf(text, sizeof text, "0.%se%d", digits, place);
        assert_true(strtod(text, NULL) == value);
        /* What the C library rounds to a digit less is another number. */
        snprintf(text, sizeof text, "%.*e", (int)count - 2 < 0 ? 0 : (int)count - 2, value);
        shorter = strtod(text, NULL);
        assert_true(count == 1 || shorter != value);
    }
}

static void writes_the_nearest_of_the_shortest(void **state)
{
    static const struct {
        double value;
        const char *digits;
        int place;
    } cases[] = {
        {1.0, "1", 1},
        {0.1, "1", 0},
        {123.456, "123456", 3},
        {5e-324, "5", -323},
        {1.7976931348623157e308, "17976931348623157", 309},
        {2.2250738585072014e-308, "22250738585072014", -307},
        {9007199254740991.0, "9007199254740991", 16},
        {9007199254740992.0, "9007199254740992", 16},
        {1e23, "1", 24},
        {9.5367431640625e-7, "95367431640625", -6},
        {4.35, "435", 1},
        {2e-44, "2", -43},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        char digits[CLU_DOUBLE_DIGITS + 1] = "";
        int place;
        assert_int_equal(clu_double_digits(cases[i].value, digits, &place), strlen(cases[i].digits));
        assert_string_equal(digits, cases[i].digits);
        assert_int_equal(place, cases[i].place);
    }
}

static void counts_in_any_base(void **state)
{
    struct clu_big n, m;
    uint32_t i;
    (void)state;
    clu_big_set(&n, 0);
    assert_int_equal(clu_big_bits(&n), 0);
    for (i = 0; i < 4096; i++) {
        assert_true(clu_big_scale(&n, 2, 1));
        assert_int_equal(clu_big_bits(&n), i + 1);
    }
    assert_false(clu_big_scale(&n, 2, 0));
    clu_big_set(&n, 1);
    assert_true(clu_big_power(&n, 10, 1233));
    m = n;
    for (i = 0; i < 1233; i++)
        assert_int_equal(clu_big_divide(&n, 10), 0);
    assert_int_equal(n.count, 1);
    assert_int_equal(n.word[0], 1);
    assert_int_equal(clu_big_divide(&n, 10), 1);
    assert_int_equal(n.count, 0);
    n = m;
    assert_false(clu_big_power(&m, 10, 1));
    clu_big_set(&m, 1);
    clu_big_subtract(&n, &m); /* borrows from the first word to the last */
    assert_int_equal(clu_big_divide(&n, 1000000000), 999999999);
    assert_int_equal(clu_big_compare_sum(&m, &m, &n), -1);
    clu_big_set(&n, 2);
    assert_int_equal(clu_big_compare_sum(&m, &m, &n), 0);
    clu_big_set(&n, 1);
    assert_int_equal(clu_big_compare_sum(&m, &m, &n), 1);
    clu_big_set(&n, 0);
    assert_int_equal(clu_big_compare_sum(&m, &n, &n), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_nearest),
        cmocka_unit_test(writes_what_reads_back),
        cmocka_unit_test(writes_the_nearest_of_the_shortest),
        cmocka_unit_test(counts_in_any_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
