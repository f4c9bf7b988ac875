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
    CLU_OP_SPAWN = 29,
    CLU_OP_SPAWN_REPLY = 31,
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

/* What is left to read. */
CLU_FN struct clu_slice clu_rest(const struct clu_reader *r)
{
    return clu_slice_of((const char *)r->at, clu_left(r));
}

/* Is this one term, and no more? */
CLU_CALLED bool clu_term_whole(struct clu_slice term)
{
    struct clu_reader r = clu_reader_of(term.at, term.length);
    return clu_term_skip(&r) && !clu_left(&r);
}

/* False: it is no such packet. */
CLU_FN bool clu_control_read(const void *data, size_t size, struct clu_control *out)
{
    struct clu_reader r = clu_reader_of(data, size);
    unsigned i;
    memset(out, 0, sizeof *out);
    if (clu_read_be(&r, 3) != (CLU_PASS_THROUGH << 16 | CLU_TERM_VERSION << 8 | CLU_TERM_SMALL_TUPLE))
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

/* Terms of which every byte is known, as they are written. */
#define CLU_BYTES_WRITE(w, text) clu_write(w, text, sizeof(text) - 1)

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

/* Is this atom next? The other node may have written it in another form. */
CLU_FN bool clu_atom_read(struct clu_reader *r, struct clu_slice wanted)
{
    char atom[CLU_NAME_MAX];
    size_t length = clu_term_atom(r, atom, sizeof atom);
    return length <= sizeof atom && clu_slice_same(clu_slice_of(atom, length), wanted);
}

/* Is what comes next of this form? Between blanks stand {3 for a tuple of so many terms, * for any term, whose bytes go to the next
 * place of `out`, and a word for that atom. If it is not the reader is bad. */
CLU_FN bool clu_form_read(struct clu_reader *r, const char *form, struct clu_slice *out)
{
    while (*form) {
        size_t length = strcspn(form, " ");
        bool right = true;
        if (*form == '*')
            *out++ = clu_term_span(r);
        else if (*form == '{')
            right = clu_read_u16(r) == (CLU_TERM_SMALL_TUPLE << 8 | (form[1] - '0'));
        else
            right = clu_atom_read(r, clu_slice_of(form, length));
        r->bad = r->bad || !right;
        form += length + (form[length] == ' ');
    }
    return !r->bad;
}

CLU_FN void clu_atom_write(struct clu_writer *w, const char *atom)
{
    clu_term_write_atom(w, atom, strlen(atom));
}

/* A process of a node. */
CLU_FN void clu_pid_write(struct clu_writer *w, const char *node, uint32_t creation, uint32_t id, uint32_t serial)
{
    clu_write_be(w, CLU_TERM_NEW_PID, 1);
    clu_atom_write(w, node);
    clu_write_be(w, (uint64_t)id << 32 | serial, 8);
    clu_write_be(w, creation, 4);
}

/* The process of this node that a pid means; 0: it is another one. */
CLU_FN uint32_t clu_pid_read(struct clu_reader *r, const char *node, uint32_t creation)
{
    bool ours = clu_read_u8(r) == CLU_TERM_NEW_PID;
    uint32_t id, serial;
    ours = clu_atom_read(r, clu_slice_str(node)) && ours;
    id = clu_read_u32(r);
    serial = clu_read_u32(r);
    return clu_read_u32(r) == creation && ours && !serial ? id : 0;
}

/* A reference that stands for a request, which is looked for in a slot. */
CLU_FN void clu_reference_write(struct clu_writer *w, const char *node, uint32_t creation, uint32_t slot, uint64_t request)
{
    clu_write_be(w, CLU_TERM_NEWER_REFERENCE << 16 | 3, 3);
    clu_atom_write(w, node);
    clu_write_be(w, (uint64_t)creation << 32 | slot, 8);
    clu_write_be(w, request, 8);
}

/* The request that such a reference of ours stands for; 0: it is another one. */
CLU_FN uint64_t clu_reference_read(struct clu_reader *r, const char *node, uint32_t creation, uint32_t *slot)
{
    bool ours = clu_read_be(r, 3) == (CLU_TERM_NEWER_REFERENCE << 16 | 3);
    ours = clu_atom_read(r, clu_slice_str(node)) && ours;
    ours = ours && clu_read_u32(r) == creation;
    *slot = clu_read_u32(r);
    return ours ? clu_read_be(r, 8) : 0;
}

#endif
