/*
 * What a client says to epmd and hears from it: NAMES, PORT_PLEASE2 and ALIVE2; and what an epmd hears of clients. Pure; all
 * integers are big-endian. A reply that ends with the stream is judged by the caller: what still needs more then is malformed.
 * epmd's NAMES text can be forged by any program of its host, so a name found there is to be confirmed with PORT_PLEASE2.
 */
#ifndef CLU_WIRE_EPMD_H
#define CLU_WIRE_EPMD_H

#include "../base/bytes.h"
#include "name.h"
#include "number.h"

/* The request for the port of a name, which is what stands before '@', or with an empty one for all names. */
CLU_CALLED void clu_epmd_request_write(struct clu_writer *w, struct clu_slice name)
{
    clu_write_be(w, (name.length + 1) << 8 | (name.length ? 'z' : 'n'), 3);
    clu_write(w, name.at, name.length);
}

struct clu_epmd_port {
    bool found;
    uint16_t port;
    struct clu_slice name; /* in the reply, and nothing that could be trusted: it is to be compared with what was asked for */
};

/* The reply to PORT_PLEASE2. Complete without `found`: epmd knows no such name. Bytes beyond the reply are not looked at. */
CLU_FN enum clu_parse clu_epmd_port_reply(const void *data, size_t size, struct clu_epmd_port *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    unsigned tag = clu_read_u8(&r), result = clu_read_u8(&r);
    out->found = false;
    out->port = 0;
    if (size && tag != 'w')
        return CLU_MALFORMED;
    if (result)
        return CLU_COMPLETE;
    out->port = clu_read_u16(&r);
    (void)clu_take(&r, 6); /* type, protocol, the distribution's highest and lowest version */
    out->name.length = clu_read_u16(&r);
    out->name.at = (const char *)clu_take(&r, out->name.length);
    (void)clu_take(&r, clu_read_u16(&r));
    if (r.bad || !out->name.at)
        return CLU_NEED_MORE;
    out->found = out->port != 0;
    return out->found ? CLU_COMPLETE : CLU_MALFORMED;
}

/* ALIVE2, without its length: the request to register a hidden node, which speaks the distribution of versions 5 and 6. */
CLU_FN void clu_epmd_alive_write(struct clu_writer *w, struct clu_slice name, uint16_t port)
{
    clu_write_be(w, 13 + name.length, 2);
    clu_write_be(w, (uint64_t)'x' << 32 | (uint64_t)port << 16 | 'H' << 8, 5);
    clu_write_be(w, UINT64_C(6) << 32 | 5 << 16 | name.length, 6);
    clu_write(w, name.at, name.length);
    clu_write_be(w, 0, 2);
}

/* Its reply, which nothing follows. It is refused when the name is taken; epmd leaves the stream open then as well. The
 * creation that it gives is of use to none: a node makes its own. Before OTP 23 it had 16 bits. */
CLU_FN enum clu_parse clu_epmd_alive_reply(const void *data, size_t size, bool *refused)
{
    struct clu_reader r = clu_reader_of(data, size);
    uint8_t tag = clu_read_u8(&r);
    *refused = clu_read_u8(&r) != 0;
    if (size && tag != 'v' && tag != 'y')
        return CLU_MALFORMED;
    (void)clu_take(&r, tag == 'v' ? 4 : 2);
    return r.bad ? CLU_NEED_MORE : clu_left(&r) ? CLU_MALFORMED : CLU_COMPLETE;
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

/* ---- what an epmd is asked -------------------------------------------- */

#define CLU_EPMD_REQUEST_MAX 1024 /* bytes with the length before them; OTP's takes 3057 */

struct clu_epmd_asked_for {
    uint8_t opcode;
    uint16_t port, highest; /* of ALIVE2 */
    struct clu_slice name;  /* of ALIVE2 and PORT_PLEASE2 */
    struct clu_slice about; /* of ALIVE2 all behind the opcode, which is what PORT_PLEASE2 answers */
};

/* One request on a stream of its own: bytes behind it are malformed. */
CLU_FN enum clu_parse clu_epmd_request_read(const void *data, size_t size, struct clu_epmd_asked_for *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    size_t length = clu_read_u16(&r);
    memset(out, 0, sizeof *out);
    if (r.bad)
        return CLU_NEED_MORE;
    if (!length || length > CLU_EPMD_REQUEST_MAX - 2 || length < clu_left(&r))
        return CLU_MALFORMED;
    if (length > clu_left(&r))
        return CLU_NEED_MORE;
    out->opcode = clu_read_u8(&r);
    out->about = out->name = clu_slice_of((const char *)r.at, clu_left(&r));
    switch (out->opcode) {
    case 'd': /* DUMP */
    case 'k': /* KILL */
    case 'n': /* NAMES */
        return length == 1 ? CLU_COMPLETE : CLU_MALFORMED;
    case 'z': /* PORT_PLEASE2; some clients end the name with a NUL */
        if (out->name.length && !out->name.at[out->name.length - 1])
            out->name.length--;
        return out->name.length ? CLU_COMPLETE : CLU_MALFORMED;
    case 'x': /* ALIVE2 */
        out->port = clu_read_u16(&r);
        (void)clu_read_u16(&r); /* type, protocol */
        out->highest = clu_read_u16(&r);
        (void)clu_read_u16(&r);
        out->name.length = clu_read_u16(&r);
        out->name.at = (const char *)clu_take(&r, out->name.length);
        (void)clu_take(&r, clu_read_u16(&r));
        return r.bad || clu_left(&r) || !out->name.length ? CLU_MALFORMED : CLU_COMPLETE;
    default: /* STOP, which takes names from others, among them */
        return CLU_MALFORMED;
    }
}

#endif
