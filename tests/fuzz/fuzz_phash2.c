/*
 * phash2. A term that has a hash is a term that is stepped over, has none when a byte is cut off or added, and the same in
 * every range.
 */
#include "../../src/place/phash2.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_reader r = clu_reader_of(data, size);
    uint32_t whole, part;
    int result = cluster_phash2(data, size, UINT64_C(1) << 32, &whole);
    CHECK(result == 0 || result == CLUSTER_E_INVALID || result == CLUSTER_E_UNSUPPORTED || result == CLUSTER_E_LIMIT);
    CHECK(cluster_phash2(data, size, 1000, &part) == result);
    if (result)
        return 0;
    CHECK(part == whole % 1000);
    (void)clu_read_u8(&r);
    CHECK(clu_term_skip(&r) && !clu_left(&r));
    CHECK(cluster_phash2(data, size - 1, 0, &part) == CLUSTER_E_INVALID);
    return 0;
}
