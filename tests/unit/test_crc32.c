/* CRC-32: the check value of its definition, zlib's answers, and any cut. */
#include "../../src/base/crc32.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void known(void **state)
{
    static const size_t sizes[] = {1, 2, 16, 255, 256};
    static const uint32_t answers[] = {0xd202ef8d, 0x36de2269, 0xcecee288, 0xd32f9ba0, 0x29058c73};
    uint8_t bytes[256];
    size_t i, cut;
    (void)state;
    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(clu_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(clu_crc32(0, NULL, 0), 0);
    for (i = 0; i < CLU_COUNT(sizes); i++)
        for (cut = 0; cut <= sizes[i]; cut++)
            assert_int_equal(clu_crc32(clu_crc32(0, bytes, cut), bytes + cut, sizes[i] - cut), answers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
