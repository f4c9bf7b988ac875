/*
 * The one bounded reader and the one bounded writer of wire bytes. A read past the end or a write past the room sets `bad`,
 * reads 0 and writes nothing from then on, so a codec checks once at its end. Never allocates.
 */
#ifndef CLU_BASE_BYTES_H
#define CLU_BASE_BYTES_H

#include "platform.h"

/* What a codec made of the bytes it was given. */
enum clu_parse { CLU_COMPLETE, CLU_NEED_MORE, CLU_MALFORMED };

struct clu_reader {
    const uint8_t *at, *end;
    bool bad;
};

CLU_CALLED struct clu_reader clu_reader_of(const void *data, size_t size)
{
    struct clu_reader r;
    r.at = (const uint8_t *)(data ? data : ""); /* NULL has no end, not even of 0 bytes */
    r.end = r.at + size;
    r.bad = false;
    return r;
}

CLU_FN size_t clu_left(const struct clu_reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->at);
}

/* The next `size` bytes in place, or NULL. */
CLU_FN const uint8_t *clu_take(struct clu_reader *r, size_t size)
{
    const uint8_t *at = r->at;
    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return at;
}

/* An unsigned integer of 1 to 8 bytes, most significant first. */
CLU_FN uint64_t clu_read_be(struct clu_reader *r, size_t width)
{
    const uint8_t *p = clu_take(r, width);
    uint64_t value = 0;
    size_t i;
    if (!p)
        return 0;
    for (i = 0; i < width; i++)
        value = value << 8 | p[i];
    return value;
}

CLU_FN uint8_t clu_read_u8(struct clu_reader *r)
{
    return (uint8_t)clu_read_be(r, 1);
}

CLU_CALLED uint16_t clu_read_u16(struct clu_reader *r)
{
    return (uint16_t)clu_read_be(r, 2);
}

CLU_CALLED uint32_t clu_read_u32(struct clu_reader *r)
{
    return (uint32_t)clu_read_be(r, 4);
}

/* Do the next bytes equal these? They are taken only if so. */
CLU_FN bool clu_read_match(struct clu_reader *r, const void *expected, size_t size)
{
    if (r->bad || clu_left(r) < size || memcmp(r->at, expected, size) != 0)
        return false;
    r->at += size;
    return true;
}

struct clu_writer {
    uint8_t *begin, *at, *end;
    bool bad;
};

CLU_CALLED struct clu_writer clu_writer_on(void *data, size_t size)
{
    struct clu_writer w;
    w.begin = w.at = (uint8_t *)data;
    w.end = data ? w.at + size : NULL;
    w.bad = !data;
    return w;
}

CLU_CALLED size_t clu_written(const struct clu_writer *w)
{
    return w->bad ? 0 : (size_t)(w->at - w->begin);
}

/* Room for the next `size` bytes, or NULL. */
CLU_FN uint8_t *clu_room(struct clu_writer *w, size_t size)
{
    uint8_t *at = w->at;
    if (w->bad || (size_t)(w->end - w->at) < size) {
        w->bad = true;
        return NULL;
    }
    w->at += size;
    return at;
}

CLU_FN void clu_write(struct clu_writer *w, const void *data, size_t size)
{
    uint8_t *p = clu_room(w, size);
    if (p && size)
        memcpy(p, data, size);
}

/* The low `width` bytes of value, most significant first. */
CLU_FN void clu_put_be(uint8_t *p, uint64_t value, size_t width)
{
    while (width--) {
        p[width] = (uint8_t)value;
        value >>= 8;
    }
}

/* The same, 1 to 8 of them. */
CLU_FN void clu_write_be(struct clu_writer *w, uint64_t value, size_t width)
{
    uint8_t *p = clu_room(w, width);
    if (p)
        clu_put_be(p, value, width);
}

#endif
