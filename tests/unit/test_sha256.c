/* SHA-256 and HMAC-SHA256 against FIPS 180-4's examples and RFC 4231, in pieces of every size. */
#include "../../src/base/sha256.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static void digests(void **state)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    uint8_t out[32];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        clu_sha256_of(cases[i].text, strlen(cases[i].text), out);
        assert_hex(out, 32, cases[i].digest);
    }
}

static void a_million(void **state)
{
    struct clu_digest h;
    uint8_t piece[1000], out[32];
    int i;
    (void)state;
    memset(piece, 'a', sizeof piece);
    clu_sha256_begin(&h);
    for (i = 0; i < 1000; i++)
        clu_digest_add(&h, piece, sizeof piece);
    clu_sha256_end(&h, out);
    assert_hex(out, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* However a message is cut, the digest is the same; lengths around the block's edges included. */
static void any_pieces(void **state)
{
    uint8_t message[200], whole[32], pieces[32];
    size_t size, step, at;
    (void)state;
    for (at = 0; at < sizeof message; at++)
        message[at] = (uint8_t)(at * 7);
    for (size = 0; size <= sizeof message; size++) {
        clu_sha256_of(message, size, whole);
        for (step = 1; step < 70; step += 9) {
            struct clu_digest h;
            clu_sha256_begin(&h);
            for (at = 0; at < size; at += step)
                clu_digest_add(&h, message + at, size - at < step ? size - at : step);
            clu_sha256_end(&h, pieces);
            assert_memory_equal(whole, pieces, 32);
        }
    }
}

static void rfc4231(void **state)
{
    static const struct {
        const char *key, *data, *mac;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"0102030405060708090a0b0c0d0e0f10111213141516171819",
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    };
    uint8_t key[131], data[200], mac[32];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        size_t key_size = unhex(cases[i].key, key, sizeof key), size = unhex(cases[i].data, data, sizeof data);
        clu_hmac_sha256(key, key_size, data, size, mac);
        assert_hex(mac, 32, cases[i].mac);
    }
    memset(key, 0xaa, sizeof key);
    clu_hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
    assert_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    clu_hmac_sha256(key, sizeof key,
                    "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
                    "hashed before being used by the HMAC algorithm.",
                    152, mac);
    assert_hex(mac, 32, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    /* Empty key and message. */
    clu_hmac_sha256(NULL, 0, NULL, 0, mac);
    assert_hex(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void compares_and_wipes(void **state)
{
    uint8_t a[32], b[32];
    struct clu_digest h;
    size_t i;
    (void)state;
    memset(a, 7, sizeof a);
    memset(b, 7, sizeof b);
    assert_true(clu_equal_ct(a, b, sizeof a));
    assert_true(clu_equal_ct(a, b, 0));
    for (i = 0; i < sizeof a; i++) {
        b[i] ^= 0x80;
        assert_false(clu_equal_ct(a, b, sizeof a));
        b[i] ^= 0x80;
    }
    b[31] = 0;
    assert_true(clu_equal_ct(a, b, 31));
    clu_sha256_begin(&h);
    clu_digest_add(&h, a, sizeof a);
    clu_sha256_end(&h, b);
    for (i = 0; i < sizeof h; i++)
        assert_int_equal(((const uint8_t *)&h)[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests), cmocka_unit_test(a_million),          cmocka_unit_test(any_pieces),
        cmocka_unit_test(rfc4231), cmocka_unit_test(compares_and_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
