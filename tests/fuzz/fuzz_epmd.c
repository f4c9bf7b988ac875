/*
 * epmd's replies, and requests to one. The verdict on a reply does not change when more of it comes, and what is found in it is fit
 * for use; a reply to ALIVE2, and a request, with anything behind it is malformed.
 */
#include "../../src/wire/epmd.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_epmd_port whole, part;
    struct clu_reader r;
    struct clu_slice name;
    uint32_t epmd_port, dropped = 0;
    uint16_t port;
    size_t cut, lines = 0, ends = 0;
    enum clu_parse result, earlier;
    if (!size)
        return 0;

    result = clu_epmd_port_reply(data, size, &whole);
    if (result == CLU_COMPLETE && whole.found)
        CHECK(whole.port && whole.name.at >= (const char *)data && whole.name.length < size);
    for (cut = 1; cut < size; cut++) {
        earlier = clu_epmd_port_reply(data, cut, &part);
        CHECK(earlier == CLU_NEED_MORE || earlier == result);
        if (earlier == CLU_COMPLETE)
            CHECK(part.found == whole.found &&
                  (!part.found || (part.port == whole.port && clu_slice_same(part.name, whole.name))));
    }

    for (cut = 0; cut < size; cut++) {
        bool refused;
        struct clu_epmd_asked_for asked, more;
        if (clu_epmd_alive_reply(data, cut, &refused) != CLU_NEED_MORE)
            CHECK(clu_epmd_alive_reply(data, cut + 1, &refused) == CLU_MALFORMED);
        result = clu_epmd_request_read(data, cut, &asked);
        if (result != CLU_NEED_MORE)
            CHECK(clu_epmd_request_read(data, cut + 1, &more) == CLU_MALFORMED);
        if (result == CLU_COMPLETE)
            CHECK(asked.name.length <= cut && (size_t)(asked.about.at - (const char *)data) + asked.about.length == cut);
    }

    r = clu_reader_of(data, size);
    if (clu_epmd_names_begin(&r, &epmd_port)) {
        while (clu_epmd_names_next(&r, &name, &port, &dropped)) {
            CHECK(port && clu_name_half_valid(name.at, name.length));
            lines++;
        }
        CHECK(r.bad == (size > 4 && data[size - 1] != '\n'));
        for (cut = 4; cut < size; cut++)
            ends += data[cut] == '\n';
        CHECK(dropped + lines == ends); /* every line is either told or counted */
    }
    return 0;
}
