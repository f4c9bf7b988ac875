/* phash2 against what OTP answered, against the ways in which one term may be written, and on what is no term. */
#include "../../src/place/phash2.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

#define UNTOUCHED 0xa5a5a5a5u

/* Of a block of exactly its size; on failure nothing is written. */
static int hash(const uint8_t *bytes, size_t size, uint64_t range, uint32_t *out)
{
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    int result;
    assert_non_null(exact);
    if (size)
        memcpy(exact, bytes, size);
    *out = UNTOUCHED;
    result = cluster_phash2(exact, size, range, out);
    free(exact);
    if (result)
        assert_int_equal(*out, UNTOUCHED);
    return result;
}

static int hash_of(const char *hex, uint32_t *out)
{
    static uint8_t bytes[8192];
    return hash(bytes, unhex(hex, bytes, sizeof bytes), UINT64_C(1) << 32, out);
}

/* Every cut of every term is refused as well. */
static void agrees_with_otp(void **state)
{
    static const uint64_t ranges[] = {0, UINT64_C(1) << 32, UINT32_MAX, 16};
    static char line[32768];
    static uint8_t bytes[16384];
    FILE *f = fopen("tests/vectors/phash2.txt", "r");
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *rest = strchr(line, ' ');
        size_t size, i;
        uint32_t value;
        if (line[0] == '#')
            continue;
        assert_non_null(rest);
        *rest++ = '\0';
        size = unhex(line, bytes, sizeof bytes);
        for (i = 0; i < CLU_COUNT(ranges); i++) {
            assert_int_equal(hash(bytes, size, ranges[i], &value), 0);
            if (value != strtoul(rest, &rest, 10))
                fail_msg("%s in range %llu: %u", line, (unsigned long long)ranges[i], (unsigned)value);
        }
        for (i = 0; i < size; i++)
            if (hash(bytes, i, 0, &value) != CLUSTER_E_INVALID)
                fail_msg("%s cut after %u", line, (unsigned)i);
        seen++;
    }
    fclose(f);
    assert_true(seen > 700);
}

static void ranges(void **state)
{
    static const uint8_t bytes[] = {131, 97, 7};
    uint32_t whole, value;
    (void)state;
    assert_int_equal(hash(bytes, sizeof bytes, UINT64_C(1) << 32, &whole), 0);
    assert_int_equal(hash(bytes, sizeof bytes, 1, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(hash(bytes, sizeof bytes, 1 << 27, &value), 0);
    assert_int_equal(value, whole & 0x7ffffff);
    assert_int_equal(hash(bytes, sizeof bytes, (UINT64_C(1) << 32) + 1, &value), CLUSTER_E_INVALID);
    assert_int_equal(hash(bytes, sizeof bytes, UINT64_MAX, &value), CLUSTER_E_INVALID);
}

/* What is the same term in Erlang has the same hash. */
static void one_term_in_several_ways(void **state)
{
    static const char *const same[][4] = {
        {"83 61 07", "83 62 00000007", "83 6e 01 00 07", "83 6f 00000003 00 070000"},
        {"83 61 00", "83 62 00000000", "83 6e 00 00", "83 6e 02 01 0000"},
        {"83 62 ffffffff", "83 6e 01 01 01", "83 6e 04 01 01000000", "83 6f 00000001 07 01"},
        {"83 62 07ffffff", "83 6e 04 00 ffffff07", "83 6f 00000004 00 ffffff07", "83 6e 05 00 ffffff0700"},
        {"83 62 f8000000", "83 6e 04 01 00000008", "83 6f 00000004 01 00000008", "83 6e 05 01 0000000800"},
        {"83 62 08000000", "83 6e 04 00 00000008", "83 6f 00000004 00 00000008", "83 6e 09 00 000000080000000000"},
        {"83 64 0001 61", "83 73 01 61", "83 76 0001 61", "83 77 01 61"},
        {"83 64 0001 e9", "83 73 01 e9", "83 76 0002 c3a9", "83 77 02 c3a9"},
        {"83 68 01 6a", "83 69 00000001 6a", "83 68 01 6b 0000", "83 68 01 6c 00000000 6a"},
        /* [1,2,3,4,5] */
        {"83 6b 0005 0102030405", "83 6c 00000005 6101 6102 6103 6104 6105 6a", "83 6c 00000002 6101 6102 6b 0003 030405",
         "83 6c 00000003 6200000001 6102 6e010003 6c 00000000 6c 00000002 6104 6105 6b 0000"},
        /* [1,300,2], [[1],[2]] and [1|2] */
        {"83 6c 00000003 6101 620000012c 6102 6a", "83 6c 00000001 6101 6c 00000002 620000012c 6102 6a",
         "83 6c 00000002 6101 620000012c 6b 0001 02", "83 6c 00000002 6101 620000012c 6c 00000001 6102 6a"},
        {"83 6c 00000002 6b 0001 01 6b 0001 02 6a", "83 6c 00000002 6c 00000001 6101 6a 6b 0001 02 6a",
         "83 6c 00000001 6b 0001 01 6c 00000001 6b 0001 02 6a", "83 6c 00000002 6b 0001 01 6c 00000001 6102 6b 0000 6a"},
        {"83 6c 00000001 6101 6102", "83 6c 00000001 6101 6200000002", "83 6c 00000001 6101 6c 00000000 6102",
         "83 6c 00000001 6101 6e 01 00 02"},
        /* #{a => 1, b => 2, [] => 0.0} */
        {"83 74 00000003 770161 6101 770162 6102 6a 46 0000000000000000",
         "83 74 00000003 770162 6102 770161 6101 6a 46 0000000000000000",
         "83 74 00000003 6a 46 0000000000000000 770162 6102 770161 6101",
         "83 74 00000003 6a 46 8000000000000000 770161 6101 640001 62 6102"},
        {"83 6d 00000001 ff", "83 4d 00000001 08 ff", "83 4d 00000001 08 ff", "83 4d 00000001 08 ff"},
        {"83 4d 00000001 03 a0", "83 4d 00000001 03 bf", "83 4d 00000001 03 a1", "83 4d 00000001 03 b8"},
    };
    size_t i, j;
    uint32_t first, other, last = 0;
    (void)state;
    for (i = 0; i < CLU_COUNT(same); i++) {
        assert_int_equal(hash_of(same[i][0], &first), 0);
        assert_int_not_equal(first, last);
        for (j = 1; j < CLU_COUNT(same[i]); j++) {
            if (hash_of(same[i][j], &other) != 0 || other != first)
                fail_msg("%s differs from %s", same[i][j], same[i][0]);
        }
        last = first;
    }
}

static void refuses(void **state)
{
    static const struct {
        int error;
        const char *hex;
    } cases[] = {
        {CLUSTER_E_INVALID, ""},
        {CLUSTER_E_INVALID, "83"},
        {CLUSTER_E_INVALID, "82 61 07"},
        {CLUSTER_E_INVALID, "61 07"},
        {CLUSTER_E_INVALID, "83 61 07 00"},
        {CLUSTER_E_INVALID, "83 6a 6a"},
        {CLUSTER_E_INVALID, "83 01"},
        {CLUSTER_E_INVALID, "83 ff 00"},
        {CLUSTER_E_INVALID, "83 46 7ff0000000000000"},
        {CLUSTER_E_INVALID, "83 46 fff8000000000001"},
        {CLUSTER_E_INVALID, "83 4d 00000001 09 ff"},
        {CLUSTER_E_INVALID, "83 4d 00000001 00 ff"},
        {CLUSTER_E_INVALID, "83 4d 00000000 01"},
        {CLUSTER_E_INVALID, "83 77 01 e9"},
        {CLUSTER_E_INVALID, "83 69 ffffffff 6a"},
        {CLUSTER_E_INVALID, "83 74 ffffffff 6a 6a"},
        {CLUSTER_E_INVALID, "83 6c ffffffff 6a 6a"},
        {CLUSTER_E_INVALID, "83 6f ffffffff 00 01"},
        {CLUSTER_E_UNSUPPORTED, "83 67 770161 00000001 00000000 00"},
        {CLUSTER_E_UNSUPPORTED, "83 58 770161 00000001 00000000 00000001"},
        {CLUSTER_E_UNSUPPORTED, "83 66 770161 00000001 00"},
        {CLUSTER_E_UNSUPPORTED, "83 59 770161 00000001 00000001"},
        {CLUSTER_E_UNSUPPORTED, "83 78 770161 0000000000000001 00000001"},
        {CLUSTER_E_UNSUPPORTED, "83 65 770161 00000001 00"},
        {CLUSTER_E_UNSUPPORTED, "83 72 0001 770161 00 00000001"},
        {CLUSTER_E_UNSUPPORTED, "83 5a 0001 770161 00000001 00000001"},
        {CLUSTER_E_UNSUPPORTED, "83 71 770161 770162 6101"},
        {CLUSTER_E_UNSUPPORTED, "83 70 00000000"},
        {CLUSTER_E_UNSUPPORTED, "83 50 00000001 789c"},
        {CLUSTER_E_UNSUPPORTED, "83 68 02 6101 67 770161 00000001 00000000 00"},
        {CLUSTER_E_UNSUPPORTED, "83 74 00000001 66 770161 00000001 00 6a"},
        {CLUSTER_E_UNSUPPORTED, "83 6c 00000001 71 770161 770162 6101 6a"},
    };
    uint32_t value;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        if (hash_of(cases[i].hex, &value) != cases[i].error)
            fail_msg("%s", cases[i].hex);
    assert_int_equal(cluster_phash2(NULL, 0, 0, &value), CLUSTER_E_INVALID);
}

/* `depth` times `open`, then nil, then as often `close`. */
static int nested(const char *open, const char *close, size_t depth)
{
    static uint8_t bytes[300000];
    uint32_t value;
    size_t i, size = 1;
    bytes[0] = CLU_TERM_VERSION;
    for (i = 0; i < depth; i++)
        size += unhex(open, bytes + size, sizeof bytes - size);
    bytes[size++] = CLU_TERM_NIL;
    for (i = 0; i < depth; i++)
        size += unhex(close, bytes + size, sizeof bytes - size);
    return hash(bytes, size, 0, &value);
}

static void depth_is_bounded(void **state)
{
    static const char *const containers[][2] = {
        {"68 02", "6a"}, {"6c 00000001", "6a"}, {"74 00000001", "6a"}, {"74 00000001 6a", ""}};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(containers); i++) {
        assert_int_equal(nested(containers[i][0], containers[i][1], CLU_PHASH_DEPTH), 0);
        assert_int_equal(nested(containers[i][0], containers[i][1], CLU_PHASH_DEPTH + 1), CLUSTER_E_LIMIT);
        assert_int_equal(nested(containers[i][0], containers[i][1], 5000), CLUSTER_E_LIMIT);
    }
    /* What comes last is no deeper than what it is in: the last of a tuple, the tail of a list. */
    assert_int_equal(nested("68 02 6101", "", 50000), 0);
    assert_int_equal(nested("68 01", "", 50000), 0);
    assert_int_equal(nested("6c 00000001 6102", "", 40000), 0);
    assert_int_equal(nested("6c 00000001 6a", "", 40000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_otp), cmocka_unit_test(ranges),           cmocka_unit_test(one_term_in_several_ways),
        cmocka_unit_test(refuses),         cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
