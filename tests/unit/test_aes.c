/* AES-256 against FIPS 197's example and SP 800-38A's CBC example; the way back, in place, for every length. */
#include "../../src/base/aes.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static struct clu_aes256 keyed(const char *key)
{
    struct clu_aes256 aes;
    uint8_t bytes[32];
    assert_int_equal(unhex(key, bytes, sizeof bytes), 32);
    clu_aes256_init(&aes, bytes);
    return aes;
}

static void fips197(void **state)
{
    struct clu_aes256 aes = keyed("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    uint8_t block[16];
    (void)state;
    assert_hex(aes.round_key[14], 16, "24fc79ccbf0979e9371ac23c6d68de36");
    assert_hex(aes.box, 16, "637c777bf26b6fc53001672bfed7ab76");
    unhex("00112233445566778899aabbccddeeff", block, sizeof block);
    clu_aes256_encrypt(&aes, block);
    assert_hex(block, 16, "8ea2b7ca516745bfeafc49904b496089");
    clu_aes256_decrypt(&aes, block);
    assert_hex(block, 16, "00112233445566778899aabbccddeeff");
}

static void boxes_are_inverse(void **state)
{
    struct clu_aes256 aes = keyed("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    int i;
    (void)state;
    for (i = 0; i < 256; i++) {
        assert_int_equal(aes.inverse[aes.box[i]], i);
        assert_int_not_equal(aes.box[i], i);
    }
}

static const char sp800_plain[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                                  "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
static const char sp800_cbc[] = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
                                "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b";

static void sp800_38a(void **state)
{
    struct clu_aes256 aes = keyed("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    uint8_t iv[16], data[64];
    (void)state;
    unhex("000102030405060708090a0b0c0d0e0f", iv, sizeof iv);
    unhex(sp800_plain, data, sizeof data);
    clu_aes256_cbc_encrypt(&aes, iv, data, sizeof data);
    assert_hex(data, sizeof data, sp800_cbc);
    clu_aes256_cbc_decrypt(&aes, iv, data, sizeof data);
    assert_hex(data, sizeof data, sp800_plain);
}

/* A partial block at the end is left alone both ways. */
static void there_and_back(void **state)
{
    struct clu_aes256 aes = keyed("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    uint8_t iv[16], plain[100], data[100];
    size_t size, i;
    (void)state;
    for (i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 11 + 3);
    memset(iv, 0xa5, sizeof iv);
    for (size = 0; size <= sizeof plain; size++) {
        memcpy(data, plain, sizeof data);
        clu_aes256_cbc_encrypt(&aes, iv, data, size);
        for (i = 0; i < size / 16; i++)
            assert_memory_not_equal(data + 16 * i, plain + 16 * i, 16);
        assert_memory_equal(data + size / 16 * 16, plain + size / 16 * 16, sizeof data - size / 16 * 16);
        clu_aes256_cbc_decrypt(&aes, iv, data, size);
        assert_memory_equal(data, plain, sizeof data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fips197),
        cmocka_unit_test(boxes_are_inverse),
        cmocka_unit_test(sp800_38a),
        cmocka_unit_test(there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
