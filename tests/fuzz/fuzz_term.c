/*
 * External terms. What is stepped over is bad when cut by a byte, and stepped over again from a copy; integers and atoms that
 * are read are written and read again as the same.
 */
#include "../../src/wire/term.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[CLU_ATOM_MAX + 3];
    char text[CLU_ATOM_MAX], again[CLU_ATOM_MAX];
    struct clu_reader r;
    struct clu_writer w;
    uint64_t value;
    size_t length;
    if (!size)
        return 0;

    r = clu_reader_of(data, size);
    if (clu_term_skip(&r)) {
        size_t used = (size_t)(r.at - data);
        CHECK(used > 0 && used <= size);
        r = clu_reader_of(data, used - 1);
        CHECK(!clu_term_skip(&r));
    }

    r = clu_reader_of(data, size);
    value = clu_term_u64(&r);
    if (!r.bad) {
        w = clu_writer_on(out, sizeof out);
        clu_term_write_integer(&w, value, false);
        CHECK(!w.bad);
        r = clu_reader_of(out, clu_written(&w));
        CHECK(clu_term_u64(&r) == value && !r.bad && !clu_left(&r));
    }

    r = clu_reader_of(data, size);
    length = clu_term_atom(&r, text, sizeof text);
    CHECK(length <= CLU_ATOM_MAX);
    if (!r.bad) {
        CHECK(clu_utf8_count((const uint8_t *)text, length) <= CLU_ATOM_CHARACTERS);
        w = clu_writer_on(out, sizeof out);
        clu_term_write_atom(&w, text, length);
        CHECK(w.bad == (length > 255));
    }
    if (!r.bad && length <= 255) {
        r = clu_reader_of(out, clu_written(&w));
        CHECK(clu_term_atom(&r, again, sizeof again) == length && !r.bad && memcmp(text, again, length) == 0);
    }

    r = clu_reader_of(data, size);
    (void)clu_term_binary(&r, &length);
    CHECK(r.bad || length <= size);
    r = clu_reader_of(data, size);
    CHECK(clu_term_map(&r) <= size / 2);
    return 0;
}
