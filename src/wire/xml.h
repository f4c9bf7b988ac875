/*
 * XML as services write it, in chunks cut anywhere: a pull reader that gives the elements of the paths that its owner wants, on what
 * the reader of JSON has for its texts and places. Elements, attributes (which are skipped), character data, CDATA, the five entities
 * and references to characters; no DTD, so nothing that expands or is fetched. At most 64 levels; every element is closed by its
 * name. It never allocates. What may come where is one table.
 *
 *   TEXT -> LT -> NAME -> TAG -> TEXT -> LT -> CLOSE -> CLOSED -> TEXT, where all begins
 *    |      |             +-> ATTRIBUTE -> EQUALS -> QUOTED or APOSTROPHED -> TAG
 *    |      +-> '?' INSTRUCTION -> TEXT
 *    |      +-> '!' WORD -> COMMENT or CDATA -> TEXT
 *    +-> '&' WORD -> TEXT
 */
#ifndef CLU_WIRE_XML_H
#define CLU_WIRE_XML_H

#include "json.h"
#include "number.h"

/* What clu_xml_next gives: '{' an element begins; '"' one ends that had no others in it, whose text it is; '}' another one ends;
 * CLU_JSON_MORE; CLU_JSON_BAD. */

enum {
    CLU_XML_TEXT = CLU_JSON_DONE,
    CLU_XML_LT,
    CLU_XML_NAME,
    CLU_XML_EMPTY, /* after the '/' of one without contents */
    CLU_XML_CLOSE,
    CLU_XML_WORD,  /* a reference from its '&' on, or what follows the '<' of "<!--" and "<![CDATA[" */
    CLU_XML_CDATA, /* ends with ]]> */
    CLU_XML_CDATA_1,
    CLU_XML_CDATA_2,
    CLU_XML_COMMENT_1,
    CLU_XML_COMMENT_2,
    CLU_XML_INSTRUCTION_1,
    CLU_XML_WRONG,
    CLU_XML_OUTSIDE, /* TEXT, before and after the outermost element; in this and those that follow blanks say nothing */
    CLU_XML_TAG,
    CLU_XML_CLOSED,
    CLU_XML_ATTRIBUTE,
    CLU_XML_EQUALS,
    CLU_XML_QUOTED, /* and in these nothing else does */
    CLU_XML_APOSTROPHED,
    CLU_XML_COMMENT,    /* ends with --> */
    CLU_XML_INSTRUCTION /* with ?> */
};

enum {
    CLU_XML_GO,
    CLU_XML_PUT,
    CLU_XML_PUT_BRACKET, /* which may have been an end, and the byte again */
    CLU_XML_KEEP,        /* of a word */
    CLU_XML_WITHIN,
    CLU_XML_BEGIN,
    CLU_XML_SPELL,
    CLU_XML_NAMED,
    CLU_XML_COMPARE,
    CLU_XML_DOWN,
    CLU_XML_UP
};

/* What JSON has no need of: the chunk, the paths, the text, its place, state and depth are there. */
struct clu_xml {
    uint8_t deep;   /* how deep the element was that began last; 0: there was none */
    uint8_t length; /* of the word */
    char word[12];
    uint32_t name; /* hashes: of the name at hand, and of those of the elements that are open */
    uint32_t names[CLU_JSON_DEPTH];
};

/* On what clu_json_begin has begun. */
CLU_FN void clu_xml_begin(struct clu_xml *x, struct clu_json *j)
{
    x->deep = 0;
    x->length = 0;
    j->state = CLU_XML_TEXT;
}

CLU_FN int clu_xml_down(struct clu_xml *x, struct clu_json *j)
{
    if (j->depth == CLU_JSON_DEPTH)
        return CLU_JSON_BAD;
    x->names[j->depth] = x->name;
    j->places[j->depth++] = j->id;
    x->deep = (uint8_t)j->depth;
    j->length = 0;
    j->cut = false;
    j->text[0] = '\0';
    return j->id == CLU_JSON_NOWHERE ? 0 : '{';
}

CLU_FN int clu_xml_up(struct clu_xml *x, struct clu_json *j)
{
    int token = j->depth == x->deep ? '"' : '}';
    j->id = j->places[--j->depth];
    return j->id == CLU_JSON_NOWHERE ? 0 : token;
}

/* One more byte of a word. What is none ends where there is no more room. */
CLU_FN int clu_xml_keep(struct clu_xml *x, struct clu_json *j, uint8_t c)
{
    unsigned base, i;
    uint32_t code = 0;
    int at;
    if (x->length == sizeof x->word)
        return CLU_JSON_BAD;
    x->word[x->length++] = (char)c;
    at = clu_word_find("&amp; &lt; &gt; &quot; &apos; ![CDATA[ !--", clu_slice_of(x->word, x->length));
    if (at < 0 && !(c == ';' && x->word[0] == '&' && x->word[1] == '#'))
        return 0;
    if (at > 4) {
        j->state = at > 5 ? CLU_XML_COMMENT : CLU_XML_CDATA;
        x->length = 0;
        return at > 5 || j->depth ? 0 : CLU_JSON_BAD;
    }
    if (at >= 0) {
        code = (uint8_t) "&<>\"'"[at];
    } else {
        base = x->word[2] == 'x' ? 16 : 10;
        for (i = base == 16 ? 3 : 2; i + 1 < x->length; i++) {
            unsigned digit = clu_hex_digit(x->word[i]);
            if (digit >= base)
                return CLU_JSON_BAD;
            code = code * base + digit; /* it has too few digits to overflow */
        }
        if (!code || code > 0x10ffff || code >> 11 == 0xd800 >> 11)
            return CLU_JSON_BAD;
    }
    clu_json_put_code(j, code);
    j->state = CLU_XML_TEXT;
    x->length = 0;
    return 0;
}

CLU_FN int clu_xml_act(struct clu_xml *x, struct clu_json *j, unsigned action, uint8_t c)
{
    switch (action) {
    case CLU_XML_PUT_BRACKET:
        j->at--;
        c = ']'; /* fall through */
    case CLU_XML_PUT:
        clu_json_put_byte(j, c);
        break;
    case CLU_XML_KEEP:
        return clu_xml_keep(x, j, c);
    case CLU_XML_WITHIN:
        x->name = 0;
        return j->depth ? 0 : CLU_JSON_BAD;
    case CLU_XML_BEGIN:
        x->name = 0;
        j->length = 0;
        j->cut = false;
        j->at--;
        if (!j->depth)
            return x->deep ? CLU_JSON_BAD : 0;
        j->id = j->places[j->depth - 1]; /* a name is kept where one may be wanted */
        break;
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
        return clu_xml_down(x, j);
    case CLU_XML_UP:
        return clu_xml_up(x, j);
    default:
        break;
    }
    return 0;
}

CLU_FN int clu_xml_byte(struct clu_xml *x, struct clu_json *j, uint8_t c)
{
    /* In a state, on a byte (' ' any blank, 'n' one of a name, '*' any), the first that fits. */
    static const uint8_t rules[][4] = {
        {CLU_XML_TEXT, '<', CLU_XML_LT, CLU_XML_GO},
        {CLU_XML_TEXT, '&', CLU_XML_WORD, CLU_XML_KEEP},
        {CLU_XML_TEXT, '*', CLU_XML_TEXT, CLU_XML_PUT},
        {CLU_XML_OUTSIDE, '<', CLU_XML_LT, CLU_XML_GO},
        {CLU_XML_NAME, 'n', CLU_XML_NAME, CLU_XML_SPELL},
        {CLU_XML_NAME, '*', CLU_XML_TAG, CLU_XML_NAMED},
        {CLU_XML_CLOSE, 'n', CLU_XML_CLOSE, CLU_XML_SPELL},
        {CLU_XML_CLOSE, '*', CLU_XML_CLOSED, CLU_XML_COMPARE},
        {CLU_XML_LT, '/', CLU_XML_CLOSE, CLU_XML_WITHIN},
        {CLU_XML_LT, '!', CLU_XML_WORD, CLU_XML_KEEP},
        {CLU_XML_LT, '?', CLU_XML_INSTRUCTION, CLU_XML_GO},
        {CLU_XML_LT, 'n', CLU_XML_NAME, CLU_XML_BEGIN},
        {CLU_XML_TAG, '>', CLU_XML_TEXT, CLU_XML_DOWN},
        {CLU_XML_TAG, '/', CLU_XML_EMPTY, CLU_XML_DOWN},
        {CLU_XML_TAG, 'n', CLU_XML_ATTRIBUTE, CLU_XML_GO},
        {CLU_XML_EMPTY, '>', CLU_XML_TEXT, CLU_XML_UP},
        {CLU_XML_CLOSED, '>', CLU_XML_TEXT, CLU_XML_UP},
        {CLU_XML_ATTRIBUTE, '=', CLU_XML_EQUALS, CLU_XML_GO},
        {CLU_XML_ATTRIBUTE, 'n', CLU_XML_ATTRIBUTE, CLU_XML_GO},
        {CLU_XML_EQUALS, '"', CLU_XML_QUOTED, CLU_XML_GO},
        {CLU_XML_EQUALS, '\'', CLU_XML_APOSTROPHED, CLU_XML_GO},
        {CLU_XML_QUOTED, '"', CLU_XML_TAG, CLU_XML_GO},
        {CLU_XML_QUOTED, '<', CLU_XML_WRONG, CLU_XML_GO},
        {CLU_XML_APOSTROPHED, '\'', CLU_XML_TAG, CLU_XML_GO},
        {CLU_XML_APOSTROPHED, '<', CLU_XML_WRONG, CLU_XML_GO},
        {CLU_XML_WORD, '*', CLU_XML_WORD, CLU_XML_KEEP},
        {CLU_XML_COMMENT, '-', CLU_XML_COMMENT_1, CLU_XML_GO},
        {CLU_XML_COMMENT_1, '-', CLU_XML_COMMENT_2, CLU_XML_GO},
        {CLU_XML_COMMENT_1, '*', CLU_XML_COMMENT, CLU_XML_GO},
        {CLU_XML_COMMENT_2, '>', CLU_XML_TEXT, CLU_XML_GO},
        {CLU_XML_INSTRUCTION, '?', CLU_XML_INSTRUCTION_1, CLU_XML_GO},
        {CLU_XML_INSTRUCTION_1, '>', CLU_XML_TEXT, CLU_XML_GO},
        {CLU_XML_INSTRUCTION_1, '?', CLU_XML_INSTRUCTION_1, CLU_XML_GO},
        {CLU_XML_INSTRUCTION_1, '*', CLU_XML_INSTRUCTION, CLU_XML_GO},
        {CLU_XML_CDATA, ']', CLU_XML_CDATA_1, CLU_XML_GO},
        {CLU_XML_CDATA, '*', CLU_XML_CDATA, CLU_XML_PUT},
        {CLU_XML_CDATA_1, ']', CLU_XML_CDATA_2, CLU_XML_GO},
        {CLU_XML_CDATA_1, '*', CLU_XML_CDATA, CLU_XML_PUT_BRACKET},
        {CLU_XML_CDATA_2, '>', CLU_XML_TEXT, CLU_XML_GO},
        {CLU_XML_CDATA_2, ']', CLU_XML_CDATA_2, CLU_XML_PUT},
        {CLU_XML_CDATA_2, '*', CLU_XML_CDATA_1, CLU_XML_PUT_BRACKET},
    };
    static const char marks[] = "\t\n\r \"'<>/=&!?";
    uint8_t state = j->state;
    bool mark = memchr(marks, c, sizeof marks - 1) != NULL;
    uint8_t kind = !mark ? (uint8_t)'n' : c <= ' ' ? (uint8_t)' ' : c;
    size_t i;
    if (c < 0x20 && !mark)
        return CLU_JSON_BAD;
    if (state == CLU_XML_TEXT && !j->depth)
        state = CLU_XML_OUTSIDE;
    for (i = 0; i < CLU_COUNT(rules); i++) {
        const uint8_t *r = rules[i];
        if (r[0] == state && (r[1] == '*' || r[1] == kind || r[1] == c)) {
            j->state = r[2];
            return clu_xml_act(x, j, r[3], c);
        }
    }
    if (state < CLU_XML_OUTSIDE || (state < CLU_XML_QUOTED && kind != ' '))
        return CLU_JSON_BAD;
    return 0;
}

/* The next token of a wanted place, as clu_json_next gives them. */
CLU_CALLED int clu_xml_next(struct clu_xml *x, struct clu_json *j)
{
    int token = 0;
    while (!token && j->at < j->end)
        token = clu_xml_byte(x, j, *j->at++);
    return token;
}

/* Was all that came one document? */
CLU_FN bool clu_xml_whole(const struct clu_xml *x, const struct clu_json *j)
{
    return x->deep && clu_json_whole(j);
}

#endif
