/* SHA-1: the examples of the standard and of RFC 3174, in pieces of every size. */
#include "../../src/base/sha1.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static void digest_is(const void *data, size_t size, size_t piece, const char *expected)
{
    struct clu_digest sha;
    uint8_t digest[20];
    size_t at, part, i;
    clu_sha1_begin(&sha);
    for (at = 0; at < size; at += part) {
        part = size - at < piece ? size - at : piece;
        clu_digest_add(&sha, (const uint8_t *)data + at, part);
    }
    clu_digest_end(&sha, false);
    for (i = 0; i < 5; i++)
        clu_put_be(digest + 4 * i, sha.state[i], 4);
    assert_hex(digest, sizeof digest, expected);
}

static void examples(void **state)
{
    static const char *const cases[][2] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "a49b2446a02c645bf419f995b67091253a04a259"},
    };
    size_t i, piece;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        for (piece = 1; piece < 130; piece++)
            digest_is(cases[i][0], strlen(cases[i][0]), piece, cases[i][1]);
}

static void a_million(void **state)
{
    static char text[1000000];
    (void)state;
    memset(text, 'a', sizeof text);
    digest_is(text, sizeof text, 997, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

/* The digest of the digests of all lengths around a block's end. */
static void every_length(void **state)
{
    struct clu_digest all, one;
    uint8_t text[200], digest[20];
    size_t size, i;
    (void)state;
    memset(text, 'x', sizeof text);
    clu_sha1_begin(&all);
    for (size = 0; size < sizeof text; size++) {
        clu_sha1_begin(&one);
        clu_digest_add(&one, text, size);
        clu_digest_end(&one, false);
        for (i = 0; i < 5; i++)
            clu_put_be(digest + 4 * i, one.state[i], 4);
        clu_digest_add(&all, digest, sizeof digest);
    }
    clu_digest_end(&all, false);
    for (i = 0; i < 5; i++)
        clu_put_be(digest + 4 * i, all.state[i], 4);
    assert_hex(digest, sizeof digest, "bbd580c3a0c872a603baa084a09981df9eb680e5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(a_million),
        cmocka_unit_test(every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
