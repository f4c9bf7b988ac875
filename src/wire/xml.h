/*
 * XML as services write it, in chunks cut anywhere: a pull reader that gives the elements of the paths that its owner wants, on what
 * the reader of JSON has for its texts and places. Elements, attributes (which are skipped), character data, CDATA, the five entities
 * and references to characters; no DTD, so nothing that expands or is fetched. At most 64 levels; every element is closed by its
 * name. It never allocates. What may come where is one table.
 *
 *   TEXT -> LT -> NAME -> TAG -> TEXT -> LT -> CLOSE -> CLOSED -> TEXT, outermost: DONE, where all begins
 *           |             +-> ATTRIBUTE -> EQUALS -> QUOTED or APOSTROPHED -> TAG
 *           +-> '!' BANG -> COMMENT or CDATA, '?' INSTRUCTION
 */
#ifndef CLU_WIRE_XML_H
#define CLU_WIRE_XML_H

#include "json.h"
#include "number.h"

/* What clu_xml_next gives: '{' an element begins; '"' one ends that had no others in it, whose text it is; '}' another one ends;
 * CLU_JSON_MORE; CLU_JSON_BAD. */

enum {
    CLU_XML_DONE = CLU_JSON_DONE, /* before and after the outermost element */
    CLU_XML_TEXT,
    CLU_XML_NAME,
    CLU_XML_CLOSE,
    CLU_XML_LT,
    CLU_XML_TAG,
    CLU_XML_EMPTY, /* after the '/' of one without contents */
    CLU_XML_CLOSED,
    CLU_XML_ATTRIBUTE,
    CLU_XML_EQUALS,
    CLU_XML_QUOTED,
    CLU_XML_APOSTROPHED,
    CLU_XML_ENTITY,
    CLU_XML_BANG,
    CLU_XML_DASH,
    CLU_XML_COMMENT, /* these end with --> */
    CLU_XML_COMMENT_1,
    CLU_XML_COMMENT_2,
    CLU_XML_INSTRUCTION, /* with ?> */
    CLU_XML_INSTRUCTION_1,
    CLU_XML_CDATA, /* with ]]> */
    CLU_XML_CDATA_1,
    CLU_XML_CDATA_2,
    CLU_XML_WORD /* and those that follow: how much of CDATA[ was there */
};

enum {
    CLU_XML_GO,
    CLU_XML_FAIL,
    CLU_XML_AGAIN, /* the byte belongs to the next state */
    CLU_XML_PUT,
    CLU_XML_PUT_BRACKET, /* which may have been an end, and the byte again */
    CLU_XML_PUT_ENTITY,
    CLU_XML_KEEP, /* of the name of an entity */
    CLU_XML_WITHIN,
    CLU_XML_BEGIN,
    CLU_XML_SPELL,
    CLU_XML_NAMED,
    CLU_XML_COMPARE,
    CLU_XML_DOWN,
    CLU_XML_UP
};

struct clu_xml {
    struct clu_json *j; /* chunk, paths, text, id, state and depth are there */
    bool leaf;          /* no element ended or began since the last one began */
    bool rooted;        /* the outermost element is there */
    uint8_t length;
    char entity[10];
    uint32_t name; /* hashes: of the name at hand, and of those of the elements that are open */
    uint32_t names[CLU_JSON_DEPTH];
};

/* On what clu_json_begin has begun. */
CLU_FN void clu_xml_begin(struct clu_xml *x, struct clu_json *j)
{
    memset(x, 0, sizeof *x);
    x->j = j;
    j->state = CLU_XML_DONE;
}

CLU_FN int clu_xml_down(struct clu_xml *x)
{
    struct clu_json *j = x->j;
    if (j->depth == CLU_JSON_DEPTH)
        return CLU_JSON_BAD;
    x->names[j->depth] = x->name;
    j->places[j->depth++] = j->id;
    x->leaf = x->rooted = true;
    j->length = 0;
    j->cut = false;
    j->text[0] = '\0';
    return j->id == CLU_JSON_NOWHERE ? 0 : '{';
}

CLU_FN int clu_xml_up(struct clu_xml *x)
{
    struct clu_json *j = x->j;
    int token = x->leaf ? '"' : '}';
    j->id = j->places[--j->depth];
    x->leaf = false;
    return j->id == CLU_JSON_NOWHERE ? 0 : token;
}

/* The character that a reference stands for. */
CLU_FN int clu_xml_entity(struct clu_xml *x)
{
    int at = clu_word_find("amp lt gt quot apos", clu_slice_of(x->entity, x->length));
    unsigned base = x->entity[1] == 'x' ? 16 : 10, i = base == 16 ? 2 : 1;
    uint32_t code = 0;
    if (at >= 0)
        code = (uint8_t) "&<>\"'"[at];
    else if (x->entity[0] != '#')
        return CLU_JSON_BAD;
    for (; at < 0 && i < x->length; i++) {
        unsigned digit = clu_hex_digit(x->entity[i]);
        if (digit >= base)
            return CLU_JSON_BAD;
        code = code * base + digit; /* it has too few digits to overflow */
    }
    if (!code || code > 0x10ffff || code >> 11 == 0xd800 >> 11)
        return CLU_JSON_BAD;
    clu_json_put_code(x->j, code);
    x->length = 0;
    return 0;
}

CLU_FN int clu_xml_act(struct clu_xml *x, unsigned action, uint8_t c)
{
    struct clu_json *j = x->j;
    switch (action) {
    case CLU_XML_FAIL:
        return CLU_JSON_BAD;
    case CLU_XML_AGAIN:
        j->at--;
        break;
    case CLU_XML_PUT_BRACKET:
        j->at--;
        c = ']'; /* fall through */
    case CLU_XML_PUT:
        clu_json_put_byte(j, c);
        break;
    case CLU_XML_KEEP:
        if (x->length == sizeof x->entity)
            return CLU_JSON_BAD;
        x->entity[x->length++] = (char)c;
        break;
    case CLU_XML_PUT_ENTITY:
        return clu_xml_entity(x);
    case CLU_XML_WITHIN:
        x->name = 0;
        return j->depth ? 0 : CLU_JSON_BAD;
    case CLU_XML_BEGIN:
        x->name = 0;
        j->id = j->depth ? j->places[j->depth - 1] : CLU_JSON_NOWHERE; /* a name is kept where one may be wanted */
        j->length = 0;
        j->cut = false;
        j->at--;
        return j->depth || !x->rooted ? 0 : CLU_JSON_BAD;
    case CLU_XML_SPELL:
        x->name = (x->name ^ c) * 16777619u + 1;
        if (j->state == CLU_XML_NAME)
            clu_json_put_byte(j, c);
        break;
    case CLU_XML_NAMED:
        j->at--;
        j->id = j->depth ? clu_json_place(j, j->text) : 0;
        break;
    case CLU_XML_COMPARE:
        j->at--;
        return x->name == x->names[j->depth - 1] ? 0 : CLU_JSON_BAD;
    case CLU_XML_DOWN:
        return clu_xml_down(x);
    case CLU_XML_UP:
        return clu_xml_up(x);
    default:
        break;
    }
    return 0;
}

CLU_FN int clu_xml_byte(struct clu_xml *x, uint8_t c)
{
    /* In a state, on a byte (' ' any blank, 'n' one of a name, '*' any), the first that fits. TEXT is DONE outside of all elements. */
    static const uint8_t rules[][4] = {
        {CLU_XML_TEXT, '<', CLU_XML_LT, CLU_XML_GO},
        {CLU_XML_TEXT, '&', CLU_XML_ENTITY, CLU_XML_GO},
        {CLU_XML_TEXT, '*', CLU_XML_TEXT, CLU_XML_PUT},
        {CLU_XML_NAME, 'n', CLU_XML_NAME, CLU_XML_SPELL},
        {CLU_XML_NAME, '*', CLU_XML_TAG, CLU_XML_NAMED},
        {CLU_XML_CLOSE, 'n', CLU_XML_CLOSE, CLU_XML_SPELL},
        {CLU_XML_CLOSE, '*', CLU_XML_CLOSED, CLU_XML_COMPARE},
        {CLU_XML_LT, '/', CLU_XML_CLOSE, CLU_XML_WITHIN},
        {CLU_XML_LT, '!', CLU_XML_BANG, CLU_XML_GO},
        {CLU_XML_LT, '?', CLU_XML_INSTRUCTION, CLU_XML_GO},
        {CLU_XML_LT, 'n', CLU_XML_NAME, CLU_XML_BEGIN},
        {CLU_XML_TAG, '>', CLU_XML_TEXT, CLU_XML_DOWN},
        {CLU_XML_TAG, '/', CLU_XML_EMPTY, CLU_XML_DOWN},
        {CLU_XML_TAG, ' ', CLU_XML_TAG, CLU_XML_GO},
        {CLU_XML_TAG, 'n', CLU_XML_ATTRIBUTE, CLU_XML_GO},
        {CLU_XML_EMPTY, '>', CLU_XML_TEXT, CLU_XML_UP},
        {CLU_XML_CLOSED, '>', CLU_XML_TEXT, CLU_XML_UP},
        {CLU_XML_CLOSED, ' ', CLU_XML_CLOSED, CLU_XML_GO},
        {CLU_XML_ATTRIBUTE, '=', CLU_XML_EQUALS, CLU_XML_GO},
        {CLU_XML_ATTRIBUTE, ' ', CLU_XML_ATTRIBUTE, CLU_XML_GO},
        {CLU_XML_ATTRIBUTE, 'n', CLU_XML_ATTRIBUTE, CLU_XML_GO},
        {CLU_XML_EQUALS, ' ', CLU_XML_EQUALS, CLU_XML_GO},
        {CLU_XML_EQUALS, '"', CLU_XML_QUOTED, CLU_XML_GO},
        {CLU_XML_EQUALS, '\'', CLU_XML_APOSTROPHED, CLU_XML_GO},
        {CLU_XML_QUOTED, '"', CLU_XML_TAG, CLU_XML_GO},
        {CLU_XML_QUOTED, '<', CLU_XML_QUOTED, CLU_XML_FAIL},
        {CLU_XML_QUOTED, '*', CLU_XML_QUOTED, CLU_XML_GO},
        {CLU_XML_APOSTROPHED, '\'', CLU_XML_TAG, CLU_XML_GO},
        {CLU_XML_APOSTROPHED, '<', CLU_XML_APOSTROPHED, CLU_XML_FAIL},
        {CLU_XML_APOSTROPHED, '*', CLU_XML_APOSTROPHED, CLU_XML_GO},
        {CLU_XML_ENTITY, ';', CLU_XML_TEXT, CLU_XML_PUT_ENTITY},
        {CLU_XML_ENTITY, '*', CLU_XML_ENTITY, CLU_XML_KEEP},
        {CLU_XML_DONE, '<', CLU_XML_LT, CLU_XML_GO},
        {CLU_XML_DONE, ' ', CLU_XML_DONE, CLU_XML_GO},
        {CLU_XML_BANG, '-', CLU_XML_DASH, CLU_XML_GO},
        {CLU_XML_BANG, '[', CLU_XML_WORD, CLU_XML_WITHIN},
        {CLU_XML_DASH, '-', CLU_XML_COMMENT, CLU_XML_GO},
        {CLU_XML_COMMENT, '-', CLU_XML_COMMENT_1, CLU_XML_GO},
        {CLU_XML_COMMENT, '*', CLU_XML_COMMENT, CLU_XML_GO},
        {CLU_XML_COMMENT_1, '-', CLU_XML_COMMENT_2, CLU_XML_GO},
        {CLU_XML_COMMENT_1, '*', CLU_XML_COMMENT, CLU_XML_GO},
        {CLU_XML_COMMENT_2, '>', CLU_XML_TEXT, CLU_XML_GO},
        {CLU_XML_INSTRUCTION, '?', CLU_XML_INSTRUCTION_1, CLU_XML_GO},
        {CLU_XML_INSTRUCTION, '*', CLU_XML_INSTRUCTION, CLU_XML_GO},
        {CLU_XML_INSTRUCTION_1, '>', CLU_XML_TEXT, CLU_XML_GO},
        {CLU_XML_INSTRUCTION_1, '*', CLU_XML_INSTRUCTION, CLU_XML_AGAIN},
        {CLU_XML_CDATA, ']', CLU_XML_CDATA_1, CLU_XML_GO},
        {CLU_XML_CDATA, '*', CLU_XML_CDATA, CLU_XML_PUT},
        {CLU_XML_CDATA_1, ']', CLU_XML_CDATA_2, CLU_XML_GO},
        {CLU_XML_CDATA_1, '*', CLU_XML_CDATA, CLU_XML_PUT_BRACKET},
        {CLU_XML_CDATA_2, '>', CLU_XML_TEXT, CLU_XML_GO},
        {CLU_XML_CDATA_2, ']', CLU_XML_CDATA_2, CLU_XML_PUT},
        {CLU_XML_CDATA_2, '*', CLU_XML_CDATA_1, CLU_XML_PUT_BRACKET},
    };
    static const char word[] = "CDATA[";
    uint8_t *state = &x->j->state;
    bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    bool name = c > 0x20 && !strchr("\"'<>/=&!?", c);
    size_t i;
    if (c < 0x20 && !blank)
        return CLU_JSON_BAD;
    if (*state >= CLU_XML_WORD) {
        if (c != (uint8_t)word[*state - CLU_XML_WORD])
            return CLU_JSON_BAD;
        *state = c == '[' ? CLU_XML_CDATA : *state + 1;
        return 0;
    }
    for (i = 0; i < CLU_COUNT(rules); i++) {
        const uint8_t *r = rules[i];
        int token;
        if (r[0] != *state || !(r[1] == c || r[1] == '*' || (r[1] == ' ' && blank) || (r[1] == 'n' && name)))
            continue;
        token = clu_xml_act(x, r[3], c);
        *state = r[2] == CLU_XML_TEXT && !x->j->depth ? (uint8_t)CLU_XML_DONE : r[2];
        return token;
    }
    return CLU_JSON_BAD;
}

/* The next token of a wanted place, as clu_json_next gives them. */
CLU_FN int clu_xml_next(struct clu_xml *x)
{
    struct clu_json *j = x->j;
    int token = 0;
    while (!token && j->at < j->end)
        token = clu_xml_byte(x, *j->at++);
    return token;
}

/* Was all that came one document? */
CLU_FN bool clu_xml_whole(const struct clu_xml *x)
{
    return x->rooted && x->j->state == CLU_XML_DONE;
}

#endif
