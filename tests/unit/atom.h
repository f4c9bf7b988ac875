/*
 * For tests of links: is a term this atom, and nothing else? Include after wire/control.h.
 */
#ifndef TESTS_UNIT_ATOM_H
#define TESTS_UNIT_ATOM_H

static inline bool atom_is(struct clu_slice term, const char *atom)
{
    struct clu_reader r = clu_reader_of(term.at, term.length);
    return clu_atom_read(&r, clu_slice_str(atom)) && !r.bad && !clu_left(&r);
}

#endif
