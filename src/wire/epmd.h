/*
 * What a client says to epmd and hears from it: NAMES, PORT_PLEASE2 and ALIVE2. Pure; all integers are big-endian. A reply
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

enum {
    CLU_EPMD_VISIBLE = 77, /* 'M' */
    CLU_EPMD_HIDDEN = 72   /* 'H'; erl_interface registers 104, 'h' */
};

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
    const char *at = length ? (const char *)memchr(name, '@', length) : NULL;
    if (at)
        length = (size_t)(at - name);
    if (!length || length > CLU_EPMD_NAME_MAX)
        return 0;
    clu_write_be(&w, length + 1, 2);
    clu_write_be(&w, 'z', 1);
    clu_write(&w, name, length);
    return clu_written(&w);
}

/* A node as epmd knows it. */
struct clu_epmd_port {
    bool found;
    uint8_t type;     /* CLU_EPMD_VISIBLE ..., as it came */
    uint8_t protocol; /* 0: TCP */
    uint16_t port;
    uint16_t highest, lowest; /* distribution versions */
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
    out->type = clu_read_u8(&r);
    out->protocol = clu_read_u8(&r);
    out->highest = clu_read_u16(&r);
    out->lowest = clu_read_u16(&r);
    length = clu_read_u16(&r);
    if (length > CLU_EPMD_NAME_MAX)
        return CLU_MALFORMED;
    name = clu_take(&r, length);
    if (name && !clu_name_half_valid((const char *)name, length))
        return CLU_MALFORMED;
    if (name)
        memcpy(out->name, name, length);
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
        struct clu_slice line = clu_slice_of((const char *)r->at, clu_left(r)), word;
        word = clu_cut(&line, '\n');
        if (!line.at) {
            r->bad = true;
            return false;
        }
        r->at += word.length + 1;
        line = word;
        word = clu_cut(&line, ' ');
        if (clu_slice_is(word, "name") && line.at) {
            *name = clu_cut(&line, ' ');
            if (clu_name_half_valid(name->at, name->length) && line.at && clu_slice_starts(line, "at port ")) {
                line = clu_slice_from(line, 8);
                if (line.length && line.at[0] != '0' && clu_port(line, port))
                    return true;
            }
        }
        ++*dropped;
    }
    return false;
}

/* Registers a node: TCP, distribution versions 6 to 5. The registration lasts as long as the connection, on which nothing
 * else may be sent. */
CLU_FN size_t clu_epmd_alive_request(uint8_t *out, size_t room, uint16_t port, uint8_t type, const char *name, size_t length)
{
    struct clu_writer w = clu_writer_on(out, room);
    if (!clu_name_half_valid(name, length))
        return 0;
    clu_write_be(&w, length + 13, 2);
    clu_write_be(&w, 'x', 1);
    clu_write_be(&w, port, 2);
    clu_write_be(&w, type, 1);
    clu_write(&w, "\0\0\6\0\5", 5);
    clu_write_be(&w, length, 2);
    clu_write(&w, name, length);
    clu_write_be(&w, 0, 2);
    return clu_written(&w);
}

struct clu_epmd_alive {
    uint8_t result; /* 0: registered; else the name is taken or not allowed */
    uint32_t creation;
};

CLU_FN enum clu_parse clu_epmd_alive_reply(const void *data, size_t size, struct clu_epmd_alive *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    uint8_t tag = clu_read_u8(&r);
    memset(out, 0, sizeof *out);
    if (!r.bad && tag != 'v' && tag != 'y')
        return CLU_MALFORMED;
    out->result = clu_read_u8(&r);
    out->creation = (uint32_t)clu_read_be(&r, tag == 'v' ? 4 : 2);
    return r.bad ? CLU_NEED_MORE : CLU_COMPLETE;
}

#endif
