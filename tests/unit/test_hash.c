/* The hashes against published vectors, their reading bounds, and the spread of the pair mixer. */
#include "../../src/base/hash.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static uint8_t counting[1024];

static void wyhash_vectors(void **state)
{
    FILE *f = fopen("tests/vectors/wyhash.txt", "r");
    char line[512], *field[3];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        uint64_t seed, expected;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 3), 3);
        seed = strtoull(field[0], NULL, 16);
        expected = strtoull(field[2], NULL, 16);
        if (strncmp(field[1], "text:", 5) == 0)
            assert_true(cluster_hash64(field[1] + 5, strlen(field[1] + 5), seed) == expected);
        else
            assert_true(cluster_hash64(counting, (size_t)atoi(field[1] + 6), seed) == expected);
        seen++;
    }
    fclose(f);
    assert_true(seen > 60);
}

static void siphash_vectors(void **state)
{
    FILE *f = fopen("tests/vectors/siphash.txt", "r");
    char line[512], *field[4];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        uint64_t key0 = UINT64_C(0x0706050403020100), key1 = UINT64_C(0x0f0e0d0c0b0a0908), got;
        uint8_t bytes[8];
        size_t size, i;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 4), 4);
        size = (size_t)atoi(field[2]);
        got = field[0][0] == '2' ? cluster_siphash(counting, size, key0, key1) : clu_siphash13(counting, size, key0, key1);
        for (i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(got >> 8 * i);
        assert_hex(bytes, 8, field[3]);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 128);
}

/* On blocks of exactly the size, so that the address sanitizer sees any byte read beside them; and not aligned. */
static void reads_only_the_key(void **state)
{
    size_t size;
    (void)state;
    for (size = 0; size <= 200; size++) {
        uint8_t *exact = (uint8_t *)malloc(size ? size : 1), *shifted = (uint8_t *)malloc(size + 1);
        assert_non_null(exact);
        assert_non_null(shifted);
        memcpy(exact, counting, size);
        memcpy(shifted + 1, counting, size);
        assert_true(cluster_hash64(exact, size, 1) == cluster_hash64(shifted + 1, size, 1));
        assert_true(cluster_siphash(exact, size, 1, 2) == cluster_siphash(shifted + 1, size, 1, 2));
        free(exact);
        free(shifted);
    }
    assert_true(cluster_hash64(NULL, 0, 0) == cluster_hash64("", 0, 0));
    assert_true(cluster_siphash(NULL, 0, 0, 0) == cluster_siphash("", 0, 0, 0));
}

static void multiplies_in_full(void **state)
{
    uint64_t a = UINT64_MAX, b = UINT64_MAX;
    (void)state;
    clu_multiply(&a, &b);
    assert_true(a == 1 && b == UINT64_MAX - 1);
    a = UINT64_C(0x123456789abcdef0);
    b = UINT64_C(0xfedcba9876543210);
    clu_multiply(&a, &b);
    assert_true(a == UINT64_C(0x236d88fe5618cf00) && b == UINT64_C(0x121fa00ad77d7422));
    assert_true(clu_fold(0, UINT64_MAX) == 0);
}

/* One bit changed in either word changes about half of the result: 32 +- 4 on average over many pairs. */
static void mixes_every_bit(void **state)
{
    unsigned bit;
    (void)state;
    for (bit = 0; bit < 128; bit++) {
        unsigned flips = 0, i;
        for (i = 0; i < 256; i++) {
            uint64_t a = i, b = (uint64_t)i * i;
            uint64_t changed = clu_mix64(bit < 64 ? a ^ UINT64_C(1) << bit : a, bit < 64 ? b : b ^ UINT64_C(1) << (bit - 64));
            uint64_t difference = clu_mix64(a, b) ^ changed;
            for (; difference; difference &= difference - 1)
                flips++;
        }
        assert_in_range(flips, 256 * 28, 256 * 36);
    }
}

/* Consecutive keys over 64 buckets by the top and by the low bits: chi-squared with 63 degrees of freedom stays under 120. */
static void spreads_consecutive_keys(void **state)
{
    unsigned count[2][64], i, side;
    (void)state;
    memset(count, 0, sizeof count);
    for (i = 0; i < 64 * 256; i++) {
        char key[16];
        uint64_t h;
        int length = snprintf(key, sizeof key, "user:%u", i);
        h = cluster_hash64(key, (size_t)length, 0);
        count[0][h >> 58]++;
        count[1][h & 63]++;
    }
    for (side = 0; side < 2; side++) {
        double chi = 0;
        for (i = 0; i < 64; i++)
            chi += ((double)count[side][i] - 256) * ((double)count[side][i] - 256) / 256;
        assert_true(chi < 120);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wyhash_vectors),     cmocka_unit_test(siphash_vectors), cmocka_unit_test(reads_only_the_key),
        cmocka_unit_test(multiplies_in_full), cmocka_unit_test(mixes_every_bit), cmocka_unit_test(spreads_consecutive_keys),
    };
    size_t i;
    for (i = 0; i < sizeof counting; i++)
        counting[i] = (uint8_t)i;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
