/*
 * What a client says to epmd and hears from it: NAMES and PORT_PLEASE2. Pure; all integers are big-endian. A reply
 * that ends with the stream is judged by the caller: what still needs more then is malformed. epmd's NAMES text can be forged
 * by any program of its host, so a name found there is to be confirmed with PORT_PLEASE2.
 */
#ifndef CLU_WIRE_EPMD_H
#define CLU_WIRE_EPMD_H

#include "../base/bytes.h"
#include "name.h"
#include "number.h"

#define CLU_EPMD_PORT 4369
#define CLU_EPMD_NAME_MAX 254   /* epmd registers 255 characters, but finds no more than 254 */
#define CLU_EPMD_REPLY_MAX 3060 /* of PORT_PLEASE2 */

CLU_FN size_t clu_epmd_names_request(uint8_t *out, size_t room)
{
    struct clu_writer w = clu_writer_on(out, room);
    clu_write(&w, "\0\1n", 3);
    return clu_written(&w);
}

/* name: what stands before '@', or a whole node name, of which the part from '@' on is not sent. */
CLU_FN size_t clu_epmd_port_request(uint8_t *out, size_t room, const char *name, size_t length)
{
    struct clu_writer w = clu_writer_on(out, room);
    const char *at = (const char *)memchr(name, '@', length);
    if (at)
        length = (size_t)(at - name);
    if (!length || length > CLU_EPMD_NAME_MAX)
        return 0;
    clu_write_be(&w, (length + 1) << 8 | 'z', 3);
    clu_write(&w, name, length);
    return clu_written(&w);
}

struct clu_epmd_port {
    bool found;
    uint16_t port;
    char name[CLU_NAME_MAX + 1];
};

/* The reply to PORT_PLEASE2. Complete without `found`: epmd knows no such name. Bytes beyond the reply are not looked at. */
CLU_FN enum clu_parse clu_epmd_port_reply(const void *data, size_t size, struct clu_epmd_port *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    const uint8_t *name;
    size_t length;
    memset(out, 0, sizeof *out);
    if (clu_read_u8(&r) != 'w' && !r.bad)
        return CLU_MALFORMED;
    if (clu_read_u8(&r) != 0)
        return CLU_COMPLETE;
    out->port = clu_read_u16(&r);
    if (!out->port && !r.bad)
        return CLU_MALFORMED;
    (void)clu_take(&r, 6); /* type, protocol, the distribution's highest and lowest version */
    length = clu_read_u16(&r);
    if (length > CLU_EPMD_NAME_MAX)
        return CLU_MALFORMED;
    name = clu_take(&r, length);
    if (name) {
        if (!clu_name_half_valid((const char *)name, length))
            return CLU_MALFORMED;
        memcpy(out->name, name, length);
    }
    length = clu_read_u16(&r);
    if (length > CLU_EPMD_REPLY_MAX)
        return CLU_MALFORMED;
    (void)clu_take(&r, length);
    out->found = !r.bad;
    return r.bad ? CLU_NEED_MORE : CLU_COMPLETE;
}

/* The reply to NAMES, which is whole only at the end of the stream: first this, then clu_epmd_names_next. */
CLU_FN bool clu_epmd_names_begin(struct clu_reader *r, uint32_t *epmd_port)
{
    *epmd_port = clu_read_u32(r);
    return !r->bad;
}

/* The next `name N at port P` that is well formed; lines that are not are counted in *dropped. False at the end, with r->bad
 * if the last line was cut off. */
CLU_FN bool clu_epmd_names_next(struct clu_reader *r, struct clu_slice *name, uint16_t *port, uint32_t *dropped)
{
    while (clu_left(r)) {
        struct clu_slice rest = clu_slice_of((const char *)r->at, clu_left(r)), line = clu_cut(&rest, '\n');
        if (!rest.at) {
            r->bad = true;
            break;
        }
        r->at = (const uint8_t *)rest.at;
        if (clu_slice_starts(line, "name ")) {
            line = clu_slice_from(line, 5);
            *name = clu_cut(&line, ' ');
            if (clu_name_half_valid(name->at, name->length) && clu_slice_starts(line, "at port ")) {
                line = clu_slice_from(line, 8);
                if (clu_port(line, port) && line.at[0] != '0')
                    return true;
            }
        }
        ++*dropped;
    }
    return false;
}

#endif
