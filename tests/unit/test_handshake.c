/* The handshake's packets: as real nodes wrote them, every cut of them, names that are none, and the proof of the cookie. */
#include "../../src/wire/handshake.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static const char b_challenge[] = "4e0000000d07df7fbd467d2bd56b01a93c000b62403132372e302e302e31";
static const char c_name[] = "4e0000000407074fbc12345678000b63403132372e302e302e31";

static void as_real_nodes_wrote(void **state)
{
    uint8_t bytes[64], written[64];
    size_t size = unhex(b_challenge, bytes, sizeof bytes), cut;
    struct clu_hello h;
    struct clu_writer w;
    (void)state;
    assert_true(clu_hello_read(bytes, size, true, &h));
    assert_true(h.flags == UINT64_C(0xd07df7fbd) && h.challenge == 0x467d2bd5 && h.creation == 0x6b01a93c);
    assert_true(clu_slice_is(h.name, "b@127.0.0.1") && clu_flags_suffice(h.flags));
    w = clu_writer_on(written, sizeof written);
    clu_hello_write(&w, &h, true);
    assert_int_equal(clu_written(&w), size);
    assert_memory_equal(written, bytes, size);
    assert_true(clu_hello_read(bytes, size + 5, true, &h)); /* what follows the name is for later versions */
    for (cut = 0; cut < size; cut++)
        assert_false(clu_hello_read(bytes, cut, true, &h));
    size = unhex(c_name, bytes, sizeof bytes);
    assert_true(clu_hello_read(bytes, size, false, &h));
    assert_true(h.flags == UINT64_C(0x407074fbc) && h.creation == 0x12345678 && clu_slice_is(h.name, "c@127.0.0.1"));
    assert_false(clu_hello_read(bytes, size, true, &h));
    bytes[0] = 'n';
    assert_false(clu_hello_read(bytes, size, false, &h));
    assert_true(clu_hello_is_old(bytes, size));
    assert_false(clu_hello_is_old(bytes, 0));
}

static void names(void **state)
{
    static const char *const none[] = {"", "a", "a@", "@b", "a@b@c", "a b@c", "a@b\n"};
    uint8_t bytes[600];
    char name[300];
    struct clu_hello h;
    size_t i;
    (void)state;
    memset(&h, 0, sizeof h);
    memset(name, 'n', sizeof name);
    name[3] = '@';
    for (i = 0; i < CLU_COUNT(none) + 2; i++) {
        struct clu_writer w = clu_writer_on(bytes, sizeof bytes);
        h.name = i < CLU_COUNT(none) ? clu_slice_str(none[i]) : clu_slice_of(name, i == CLU_COUNT(none) ? 256 : 255);
        clu_hello_write(&w, &h, false);
        assert_int_equal(clu_hello_read(bytes, clu_written(&w), false, &h), i == CLU_COUNT(none) + 1);
    }
}

/* Each bit of what OTP 25 insists on, and the one that stands for all. */
static void flags(void **state)
{
    uint64_t bit;
    (void)state;
    for (bit = 1; bit; bit <<= 1)
        assert_int_equal(clu_flags_suffice(CLU_FLAGS_NEEDED & ~bit), !(CLU_FLAGS_NEEDED & bit));
    assert_true(clu_flags_suffice(0x4000000));
    assert_true(clu_flags_suffice(CLU_FLAGS_OWN));
    assert_false(clu_flags_suffice(0));
}

static void digests(void **state)
{
    static const struct {
        const char *cookie;
        uint32_t challenge;
        const char *hex;
    } vectors[] = {{"secretcookie", 4176234331u, "ade8dab89bd04882aaff83159297962c"},
                   {"secretcookie", 1875788552u, "c258269341edd3fe35333f92783667de"},
                   {"interop", 0x467d2bd5, "4c0f707d155c1ca112dcbee10070c9a1"},
                   {"interop", 0x01020304, "bb36cebb1046a7b64b56cf096282979f"}};
    uint8_t digest[CLU_MD5_SIZE], wanted[CLU_MD5_SIZE], packet[32];
    char longest[256];
    uint32_t challenge;
    size_t i, size, cut;
    (void)state;
    for (i = 0; i < CLU_COUNT(vectors); i++) {
        clu_cookie_digest(clu_slice_str(vectors[i].cookie), vectors[i].challenge, digest);
        (void)unhex(vectors[i].hex, wanted, sizeof wanted);
        assert_memory_equal(digest, wanted, sizeof wanted);
    }
    memset(longest, 'c', 255);
    longest[255] = '\0';
    clu_cookie_digest(clu_slice_str(longest), UINT32_MAX, digest);
    clu_md5("", 0, wanted);
    assert_memory_not_equal(digest, wanted, sizeof wanted);

    for (i = 0; i < 2; i++) {
        char tag = "ra"[i];
        struct clu_writer w = clu_writer_on(packet, sizeof packet);
        clu_proof_write(&w, tag, 0x01020304, digest);
        size = clu_written(&w);
        assert_int_equal(size, i ? 17 : 21);
        assert_memory_equal(clu_proof_read(packet, size, tag, &challenge), digest, sizeof digest);
        assert_int_equal(challenge, i ? 0 : 0x01020304);
        assert_null(clu_proof_read(packet, size, "ar"[i], &challenge));
        assert_null(clu_proof_read(packet, size + 1, tag, &challenge));
        for (cut = 0; cut < size; cut++)
            assert_null(clu_proof_read(packet, cut, tag, &challenge));
    }
}

static void statuses(void **state)
{
    (void)state;
    assert_int_equal(clu_status_read((const uint8_t *)"sok", 3, "ok nok"), 0);
    assert_int_equal(clu_status_read((const uint8_t *)"snok", 4, "ok nok"), 1);
    assert_int_equal(clu_status_read((const uint8_t *)"sok ", 4, "ok nok"), -1);
    assert_int_equal(clu_status_read((const uint8_t *)"ook", 3, "ok nok"), -1);
    assert_int_equal(clu_status_read((const uint8_t *)"s", 1, "ok nok"), -1);
    assert_int_equal(clu_status_read((const uint8_t *)"", 0, "ok nok"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_real_nodes_wrote), cmocka_unit_test(names), cmocka_unit_test(flags),
                                       cmocka_unit_test(digests), cmocka_unit_test(statuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
