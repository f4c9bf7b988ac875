/*
 * The messages of a distribution link that is up: 'p', a control tuple, and where there is one a message. Pure. What a tuple is
 * made of is kept as the bytes of its terms, for most of them is only ever sent back.
 */
#ifndef CLU_WIRE_CONTROL_H
#define CLU_WIRE_CONTROL_H

#include "name.h"
#include "number.h"
#include "term.h"

#define CLU_PASS_THROUGH 112

enum {
    CLU_OP_LINK = 1,
    CLU_OP_SEND = 2,
    CLU_OP_EXIT = 3,
    CLU_OP_REG_SEND = 6,
    CLU_OP_MONITOR = 19,
    CLU_OP_MONITOR_EXIT = 21,
    CLU_OP_UNLINK_ID = 35,
    CLU_OP_UNLINK_ID_ACK = 36
};

#define CLU_CONTROL_ARGUMENTS 6

struct clu_control {
    unsigned op, count;                                /* of arguments */
    struct clu_slice arguments[CLU_CONTROL_ARGUMENTS]; /* the terms of a shorter tuple are empty */
    struct clu_reader message;                         /* of those operations that carry one */
};

/* The bytes of the next term. */
CLU_FN struct clu_slice clu_term_span(struct clu_reader *r)
{
    const char *begin = (const char *)r->at;
    return clu_slice_of(begin, clu_term_skip(r) ? (size_t)((const char *)r->at - begin) : 0);
}

/* False: it is no such packet. */
CLU_FN bool clu_control_read(const void *data, size_t size, struct clu_control *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    unsigned i;
    memset(out, 0, sizeof *out);
    if (clu_read_u8(&r) != CLU_PASS_THROUGH || clu_read_u8(&r) != CLU_TERM_VERSION || clu_read_u8(&r) != CLU_TERM_SMALL_TUPLE)
        return false;
    out->count = clu_read_u8(&r);
    if (!out->count || out->count-- > CLU_CONTROL_ARGUMENTS + 1)
        return false;
    out->op = (unsigned)clu_term_u64(&r);
    for (i = 0; i < out->count; i++)
        out->arguments[i] = clu_term_span(&r);
    if (clu_left(&r) && clu_read_u8(&r) != CLU_TERM_VERSION)
        r.bad = true;
    out->message = r;
    return !r.bad;
}

/* A tuple of so many terms, the operation among them. */
CLU_FN void clu_control_write(struct clu_writer *w, unsigned op, unsigned arity)
{
    clu_write_be(w, CLU_PASS_THROUGH << 16 | CLU_TERM_VERSION << 8 | CLU_TERM_SMALL_TUPLE, 3);
    clu_write_be(w, arity << 16 | CLU_TERM_SMALL_INTEGER << 8 | op, 3);
}

CLU_FN void clu_tuple_write(struct clu_writer *w, unsigned arity)
{
    clu_write_be(w, CLU_TERM_SMALL_TUPLE << 8 | arity, 2);
}

/* Is this tuple next? It is taken, or the reader is bad. */
CLU_FN void clu_tuple_read(struct clu_reader *r, unsigned arity)
{
    if (clu_read_u16(r) != (CLU_TERM_SMALL_TUPLE << 8 | arity))
        r->bad = true;
}

/* The same for an atom, which is ASCII here. */
CLU_FN void clu_atom_read(struct clu_reader *r, const char *wanted)
{
    char atom[32];
    size_t length = clu_term_atom(r, atom, sizeof atom);
    if (length > sizeof atom || !clu_slice_is(clu_slice_of(atom, length), wanted))
        r->bad = true;
}

CLU_FN bool clu_argument_is(const struct clu_control *c, unsigned index, const char *atom)
{
    struct clu_reader r = clu_reader_of(c->arguments[index].at, c->arguments[index].length);
    clu_atom_read(&r, atom);
    return !r.bad && !clu_left(&r);
}

CLU_FN void clu_atom_write(struct clu_writer *w, const char *atom)
{
    clu_term_write_atom(w, atom, strlen(atom));
}

/* A process of a node: the only one that ours has. */
CLU_FN void clu_pid_write(struct clu_writer *w, const char *node, uint32_t creation)
{
    clu_write_be(w, CLU_TERM_NEW_PID, 1);
    clu_atom_write(w, node);
    clu_write_be(w, 1, 4);
    clu_write_be(w, creation, 8); /* before it the serial, 0 */
}

/* A reference that stands for a request. */
CLU_FN void clu_reference_write(struct clu_writer *w, const char *node, uint32_t creation, uint64_t request)
{
    clu_write_be(w, CLU_TERM_NEWER_REFERENCE << 16 | 3, 3);
    clu_atom_write(w, node);
    clu_write_be(w, creation, 4);
    clu_write_be(w, 1, 4); /* of the first word old nodes take 18 bits */
    clu_write_be(w, request, 8);
}

/* The request that such a reference of ours stands for; 0: it is another one. The other node may have written its atom anew. */
CLU_FN uint64_t clu_reference_read(struct clu_reader *r, const char *node, uint32_t creation)
{
    char atom[CLU_NAME_MAX];
    size_t length;
    bool ours = clu_read_be(r, 3) == (CLU_TERM_NEWER_REFERENCE << 16 | 3);
    length = clu_term_atom(r, atom, sizeof atom);
    ours = ours && length <= sizeof atom && clu_slice_is(clu_slice_of(atom, length), node);
    ours = ours && clu_read_u32(r) == creation && clu_read_u32(r) == 1;
    return ours ? clu_read_be(r, 8) : 0;
}

#endif
