/*
 * The packets of the distribution's handshake. Whatever is taken for one is written again as it was, and no part of one is taken
 * for the whole.
 */
#include "../../src/wire/handshake.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[CLU_HANDSHAKE_MAX];
    struct clu_hello hello, part;
    struct clu_writer w;
    const uint8_t *digest;
    uint32_t challenge;
    size_t whole;
    int with, status;
    if (!size)
        return 0;
    for (with = 0; with < 2; with++) {
        w = clu_writer_on(again, sizeof again);
        if (clu_hello_read(data, size, with, &hello)) {
            bool host = !with && (hello.flags & CLU_FLAGS_NAME_ME); /* it asks for a name there */
            CHECK(hello.name.length <= CLU_NAME_MAX && !memchr(hello.name.at, '@', hello.name.length) == host);
            CHECK(!clu_hello_is_old(data, size));
            clu_hello_write(&w, &hello, with);
            whole = clu_written(&w);
            CHECK(whole && whole <= size && memcmp(again, data, whole) == 0);
            CHECK(!clu_hello_read(data, whole - 1, with, &part));
        }
        w = clu_writer_on(again, sizeof again);
        digest = clu_proof_read(data, size, "ra"[with], &challenge);
        if (digest) {
            clu_proof_write(&w, "ra"[with], challenge, digest);
            CHECK(clu_written(&w) == size && memcmp(again, data, size) == 0);
        }
    }
    status = clu_status_read(data, size, "ok ok_simultaneous alive nok not_allowed");
    CHECK(status < 5 && (status < 0 || *data == 's'));
    return 0;
}
