/*
 * XML as services write it, in chunks cut anywhere: a pull reader that gives the elements of the paths that its owner wants, on what
 * the reader of JSON has for its texts and places. Elements, attributes (which are skipped), character data, CDATA, the five entities
 * and references to characters; no DTD, so nothing that expands or is fetched. At most 64 levels; every element is closed by its
 * name. It never allocates.
 *
 *   START -> LT -> NAME -> TAG -> TEXT -> LT -> CLOSE -> TEXT, outermost: DONE
 *             |             +-> ATTRIBUTE -> EQUALS -> QUOTED -> TAG
 *             +-> '!' WORD -> COMMENT or CDATA, '?' INSTRUCTION
 */
#ifndef CLU_WIRE_XML_H
#define CLU_WIRE_XML_H

#include "json.h"
#include "number.h"

/* What clu_xml_next gives: '{' an element begins; '"' one ends that had no others in it, whose text it is; '}' another one ends;
 * CLU_JSON_MORE; CLU_JSON_BAD. */

enum {
    CLU_XML_DONE = CLU_JSON_DONE,
    CLU_XML_START,
    CLU_XML_TEXT,
    CLU_XML_LT,
    CLU_XML_NAME,
    CLU_XML_TAG,
    CLU_XML_EMPTY, /* after the '/' of one without contents */
    CLU_XML_ATTRIBUTE,
    CLU_XML_EQUALS,
    CLU_XML_QUOTED,
    CLU_XML_CLOSE,
    CLU_XML_CLOSED,
    CLU_XML_WORD,
    CLU_XML_COMMENT,
    CLU_XML_CDATA,
    CLU_XML_INSTRUCTION,
    CLU_XML_ENTITY
};

struct clu_xml {
    struct clu_json j; /* chunk, paths, text, id, state and depth are here */
    bool leaf;         /* no element ended or began since the last one began */
    bool rooted;       /* the outermost element is there */
    uint8_t quote;
    uint8_t run; /* bytes that may be the beginning of an end */
    uint8_t length;
    char entity[10];
    const char *word;
    uint32_t name; /* hashes: of the name at hand, and of those of the elements that are open */
    uint32_t names[CLU_JSON_DEPTH];
};

CLU_FN void clu_xml_begin(struct clu_xml *x, const struct clu_json_path *paths, char *text, size_t room)
{
    memset(x, 0, sizeof *x);
    clu_json_begin(&x->j, paths, text, room);
    x->j.state = CLU_XML_START;
}

/* After what stands between tags. */
CLU_FN int clu_xml_between(struct clu_xml *x)
{
    x->j.state = x->j.depth ? CLU_XML_TEXT : x->rooted ? CLU_XML_DONE : CLU_XML_START;
    return 0;
}

CLU_FN int clu_xml_open(struct clu_xml *x)
{
    struct clu_json *j = &x->j;
    if (j->depth == CLU_JSON_DEPTH)
        return CLU_JSON_BAD;
    x->names[j->depth] = x->name;
    j->places[j->depth++] = j->id;
    x->leaf = x->rooted = true;
    j->length = 0;
    j->cut = false;
    j->text[0] = '\0';
    j->state = CLU_XML_TEXT;
    return j->id == CLU_JSON_NOWHERE ? 0 : '{';
}

CLU_FN int clu_xml_close(struct clu_xml *x)
{
    int token = x->leaf ? '"' : '}';
    x->j.id = x->j.places[--x->j.depth];
    x->leaf = false;
    (void)clu_xml_between(x);
    return x->j.id == CLU_JSON_NOWHERE ? 0 : token;
}

CLU_FN int clu_xml_entity(struct clu_xml *x)
{
    static const char names[] = "amp lt gt quot apos", characters[] = "&<>\"'";
    struct clu_slice text = clu_slice_of(x->entity, x->length);
    int at = clu_word_find(names, text);
    uint64_t code = 0;
    x->j.state = CLU_XML_TEXT;
    if (at >= 0) {
        clu_json_put_byte(&x->j, (uint8_t)characters[at]);
        return 0;
    }
    if (clu_slice_starts(text, "#x")) {
        for (text = clu_slice_from(text, 2); text.length; text = clu_slice_from(text, 1)) {
            if (clu_hex_digit(*text.at) > 15)
                return CLU_JSON_BAD;
            code = code << 4 | clu_hex_digit(*text.at);
        }
    } else if (!clu_slice_starts(text, "#") || !clu_number(clu_slice_from(text, 1), 0x10ffff, &code)) {
        return CLU_JSON_BAD;
    }
    if (!code || code > 0x10ffff || code >> 11 == 0xd800 >> 11)
        return CLU_JSON_BAD;
    clu_json_put_code(&x->j, (uint32_t)code);
    return 0;
}

CLU_FN bool clu_xml_is_name(uint8_t c)
{
    return c > 0x20 && !strchr("\"'<>/=&!?", c);
}

/* The byte after '<'. */
CLU_FN int clu_xml_lt(struct clu_xml *x, uint8_t c)
{
    struct clu_json *j = &x->j;
    x->name = 0;
    x->run = 0;
    j->state = c == '/' ? CLU_XML_CLOSE : c == '!' ? CLU_XML_WORD : c == '?' ? CLU_XML_INSTRUCTION : CLU_XML_NAME;
    x->word = NULL;
    if (c == '/')
        return j->depth ? 0 : CLU_JSON_BAD;
    if (j->state != CLU_XML_NAME)
        return 0;
    j->id = j->depth ? j->places[j->depth - 1] : CLU_JSON_NOWHERE; /* a name is kept where one may be wanted */
    j->length = 0;
    j->cut = false;
    j->at--;
    return clu_xml_is_name(c) && (j->depth || !x->rooted) ? 0 : CLU_JSON_BAD;
}

/* A byte of what ends with two marks and '>': "--", "]]"; an instruction with one. */
CLU_FN int clu_xml_until(struct clu_xml *x, uint8_t c, uint8_t mark, uint8_t marks)
{
    bool text = x->j.state == CLU_XML_CDATA;
    if (c == '>' && x->run == marks)
        return clu_xml_between(x);
    if (c == mark && x->run < marks) {
        x->run++;
        return 0;
    }
    if (mark == '-' && x->run == marks)
        return CLU_JSON_BAD;
    if (c == mark) { /* one of them is text, the others may still be the end */
        if (text)
            clu_json_put_byte(&x->j, c);
        return 0;
    }
    for (; x->run; x->run--)
        if (text)
            clu_json_put_byte(&x->j, mark);
    if (text)
        clu_json_put_byte(&x->j, c);
    return 0;
}

CLU_FN int clu_xml_byte(struct clu_xml *x, uint8_t c)
{
    struct clu_json *j = &x->j;
    bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (c < 0x20 && !blank)
        return CLU_JSON_BAD;
    switch (j->state) {
    case CLU_XML_TEXT:
        if (c == '<') {
            j->state = CLU_XML_LT;
        } else if (c == '&') {
            j->state = CLU_XML_ENTITY;
            x->length = 0;
        } else if (x->leaf) {
            clu_json_put_byte(j, c);
        }
        return 0;
    case CLU_XML_LT:
        return clu_xml_lt(x, c);
    case CLU_XML_NAME:
    case CLU_XML_CLOSE:
        if (clu_xml_is_name(c)) {
            x->name = (x->name ^ c) * 16777619u + 1;
            if (j->state == CLU_XML_NAME)
                clu_json_put_byte(j, c);
            return 0;
        }
        j->at--;
        if (j->state == CLU_XML_CLOSE) {
            j->state = CLU_XML_CLOSED;
            return x->name == x->names[j->depth - 1] ? 0 : CLU_JSON_BAD;
        }
        j->state = CLU_XML_TAG;
        j->id = j->depth ? clu_json_place(j, j->text) : 0;
        return 0;
    case CLU_XML_TAG:
        if (c == '>')
            return clu_xml_open(x);
        if (c == '/') {
            int token = clu_xml_open(x);
            j->state = CLU_XML_EMPTY;
            return token;
        }
        if (blank)
            return 0;
        j->state = CLU_XML_ATTRIBUTE;
        return clu_xml_is_name(c) ? 0 : CLU_JSON_BAD;
    case CLU_XML_ATTRIBUTE:
        if (c == '=')
            j->state = CLU_XML_EQUALS;
        return c == '=' || blank || clu_xml_is_name(c) ? 0 : CLU_JSON_BAD;
    case CLU_XML_EQUALS:
        if (blank)
            return 0;
        x->quote = c;
        j->state = CLU_XML_QUOTED;
        return c == '"' || c == '\'' ? 0 : CLU_JSON_BAD;
    case CLU_XML_QUOTED:
        if (c == x->quote)
            j->state = CLU_XML_TAG;
        return c == '<' ? CLU_JSON_BAD : 0;
    case CLU_XML_EMPTY:
    case CLU_XML_CLOSED:
        if (blank && j->state == CLU_XML_CLOSED)
            return 0;
        return c == '>' ? clu_xml_close(x) : CLU_JSON_BAD;
    case CLU_XML_WORD:
        if (!x->word)
            x->word = c == '-' ? "--" : j->depth ? "[CDATA[" : "";
        if (c != (uint8_t)*x->word)
            return CLU_JSON_BAD;
        if (!*++x->word)
            j->state = c == '-' ? CLU_XML_COMMENT : CLU_XML_CDATA;
        return 0;
    case CLU_XML_COMMENT:
        return clu_xml_until(x, c, '-', 2);
    case CLU_XML_CDATA:
        return clu_xml_until(x, c, ']', 2);
    case CLU_XML_INSTRUCTION:
        return clu_xml_until(x, c, '?', 1);
    case CLU_XML_ENTITY:
        if (c == ';')
            return clu_xml_entity(x);
        x->entity[x->length++] = (char)c;
        return x->length == sizeof x->entity ? CLU_JSON_BAD : 0;
    default: /* before and after all */
        if (c == '<')
            j->state = CLU_XML_LT;
        return c == '<' || blank ? 0 : CLU_JSON_BAD;
    }
}

/* The next token of a wanted place, as clu_json_next gives them; clu_json_whole says whether all that came was one document. */
CLU_FN int clu_xml_next(struct clu_xml *x)
{
    int token = 0;
    while (!token && x->j.at < x->j.end)
        token = clu_xml_byte(x, *x->j.at++);
    return token;
}

#endif
