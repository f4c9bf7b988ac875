/*
 * The control messages of a link that is up. The terms of one are within it, whole, and in order.
 */
#include "../../src/wire/control.h"

#include "../unit/atom.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_control c;
    struct clu_reader r;
    const char *at = (const char *)data;
    unsigned i;
    uint32_t slot;
    struct clu_slice spans[2];
    if (!size || !clu_control_read(data, size, &c))
        return 0;
    CHECK(c.count <= CLU_CONTROL_ARGUMENTS);
    for (i = 0; i < c.count; i++) {
        CHECK(c.arguments[i].length && c.arguments[i].at > at);
        at = c.arguments[i].at + c.arguments[i].length - 1;
        CHECK(at < (const char *)data + size);
        r = clu_reader_of(c.arguments[i].at, c.arguments[i].length);
        CHECK(clu_term_skip(&r) && !clu_left(&r));
        (void)atom_is(c.arguments[i], "net_kernel");
        r = clu_reader_of(c.arguments[i].at, c.arguments[i].length);
        (void)clu_reference_read(&r, "c@h", 1, &slot);
        r = clu_reader_of(c.arguments[i].at, c.arguments[i].length);
        (void)clu_pid_read(&r, "c@h", 1);
    }
    for (; i < CLU_CONTROL_ARGUMENTS; i++)
        CHECK(!c.arguments[i].length && !atom_is(c.arguments[i], ""));
    CHECK(c.message.at <= data + size);
    if (clu_form_read(&c.message, "{3 $gen_call {2 * * {2 is_auth", spans)) {
        CHECK(spans[0].length && spans[1].length && spans[0].at + spans[0].length == spans[1].at);
        CHECK(spans[1].at + spans[1].length < (const char *)data + size);
    }
    return 0;
}
