/* The text of resolv.conf: whatever it is, there is a server, all is within its caps, and every slice lies in the text. */
#include "../../src/wire/resolv.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct clu_resolv r;
    uint32_t i;
    clu_resolv_parse(&r, clu_slice_of(text, size));
    CHECK(r.server_count >= 1 && r.server_count <= CLU_RESOLV_SERVERS && r.search_count <= CLU_RESOLV_SEARCH);
    CHECK(r.options[CLU_RESOLV_TIMEOUT] >= 1 && r.options[CLU_RESOLV_TIMEOUT] <= 30);
    CHECK(r.options[CLU_RESOLV_ATTEMPTS] >= 1 && r.options[CLU_RESOLV_ATTEMPTS] <= 5);
    CHECK(r.options[CLU_RESOLV_NDOTS] <= 15);
    for (i = CLU_RESOLV_ROTATE; i <= CLU_RESOLV_TRUST_AD; i++)
        CHECK(r.options[i] <= 1);
    for (i = 0; i < r.server_count; i++) {
        struct cluster_address address;
        struct clu_slice zone = r.servers[i];
        CHECK(clu_address_parse(clu_cut(&zone, '%'), &address));
        CHECK(clu_slice_is(r.servers[i], "127.0.0.1") || (r.servers[i].at >= text && r.servers[i].at < text + size));
    }
    for (i = 0; i < r.search_count; i++)
        CHECK(r.search[i].length && r.search[i].at >= text && r.search[i].length <= size);
    return 0;
}
