/* MD5: the vectors of RFC 1321, and every length around the ends of blocks against a digest of digests. */
#include "../../src/base/md5.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static void expect(const char *text, size_t size, const char *hex)
{
    uint8_t digest[CLU_MD5_SIZE], wanted[CLU_MD5_SIZE];
    clu_md5(text, size, digest);
    assert_int_equal(unhex(hex, wanted, sizeof wanted), sizeof wanted);
    assert_memory_equal(digest, wanted, sizeof wanted);
}

static void vectors(void **state)
{
    static const char digits[] = "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
    (void)state;
    expect("", 0, "d41d8cd98f00b204e9800998ecf8427e");
    expect(NULL, 0, "d41d8cd98f00b204e9800998ecf8427e");
    expect("a", 1, "0cc175b9c0f1b6a831c399e269772661");
    expect("abc", 3, "900150983cd24fb0d6963f7d28e17f72");
    expect("message digest", 14, "f96b697d7cb7938d525a2f31aaf161d0");
    expect("abcdefghijklmnopqrstuvwxyz", 26, "c3fcd3d76192e4007dfb496cca67e13b");
    expect("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 62, "d174ab98d277d9f5a5611c2c9f419d9f");
    expect(digits, 80, "57edf4a22be3c955ac49da2e2107b67a");
}

/* md5(md5("") ++ md5("x") ++ md5("xx") ++ ... of 0 to 200 bytes) */
static void lengths(void **state)
{
    static uint8_t digests[201 * CLU_MD5_SIZE];
    char text[200];
    size_t size;
    (void)state;
    memset(text, 'x', sizeof text);
    for (size = 0; size <= 200; size++)
        clu_md5(text, size, digests + size * CLU_MD5_SIZE);
    expect((const char *)digests, sizeof digests, "85a5e659ef84b20587f1e9a409ab70c7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors), cmocka_unit_test(lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
