/*
 * Two kinds of text that hold a host a line: /etc/hosts, searched for a name, and the node lists of file: sources, read one
 * node at a time. Both work in the caller's text and own nothing; neither opens a file.
 */
#ifndef CLU_WIRE_HOSTS_H
#define CLU_WIRE_HOSTS_H

#include "address.h"

CLU_FN bool clu_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of a line; empty at its end and at a word that begins with '#', where a comment starts. */
CLU_FN struct clu_slice clu_word(struct clu_slice *line)
{
    struct clu_slice word = *line;
    size_t length = 0;
    while (word.length && clu_is_blank(word.at[0]))
        word = clu_slice_from(word, 1);
    if (clu_slice_starts(word, "#"))
        word.length = 0;
    while (length < word.length && !clu_is_blank(word.at[length]))
        length++;
    *line = clu_slice_from(word, length);
    word.length = length;
    return word;
}

/* The next line without its end, LF or CR LF. */
CLU_FN struct clu_slice clu_line(struct clu_slice *text)
{
    struct clu_slice line = clu_cut(text, '\n');
    if (line.length && line.at[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* Equal as DNS names are: ASCII case and one dot at the end do not count. */
CLU_FN bool clu_host_same(struct clu_slice a, struct clu_slice b)
{
    size_t i;
    if (a.length && a.at[a.length - 1] == '.')
        a.length--;
    if (b.length && b.at[b.length - 1] == '.')
        b.length--;
    if (a.length != b.length)
        return false;
    for (i = 0; i < a.length; i++)
        if (clu_lower(a.at[i]) != clu_lower(b.at[i]))
            return false;
    return true;
}

/* The addresses that a hosts(5) text has for a name, in its order: family 4, 6, or 0 for both. Fills at most `capacity` and
 * returns how many it filled. Lines that begin with no address are passed over, as every resolver does. */
CLU_FN size_t clu_hosts_find(struct clu_slice text, struct clu_slice name, int family, struct cluster_address *out,
                             size_t capacity)
{
    size_t count = 0;
    while (text.at && count < capacity) {
        struct clu_slice line = clu_line(&text), word, zone;
        line.length = clu_slice_find(line, '#');
        word = clu_word(&line);
        if (!clu_address_parse(word, &out[count], &zone) || (family && family != out[count].family))
            continue;
        while (word.length && !clu_host_same(word, name))
            word = clu_word(&line);
        count += word.length > 0;
    }
    return count;
}

/* One node of a list. name may be a host alone, without '@'. What a line does not say is empty or 0. */
struct clu_list_node {
    struct clu_slice name, address, zone, role;
    uint32_t port, weight;
};

struct clu_list {
    struct clu_slice rest;
    uint32_t line; /* of the node or the error that was read last; counts from 1 */
};

CLU_FN struct clu_list clu_list_on(struct clu_slice text)
{
    struct clu_list list;
    if (clu_slice_starts(text, "\xEF\xBB\xBF")) /* some editors begin UTF-8 files with a mark */
        text = clu_slice_from(text, 3);
    list.rest = text;
    list.line = 0;
    return list;
}

/* One key=value after the name. */
CLU_FN bool clu_list_attribute(struct clu_slice word, struct clu_list_node *node)
{
    static const uint8_t fields[] = {
        offsetof(struct clu_list_node, port), offsetof(struct clu_list_node, weight),  offsetof(struct clu_list_node, zone),
        offsetof(struct clu_list_node, role), offsetof(struct clu_list_node, address),
    };
    struct clu_slice value = word, key = clu_cut(&value, '=');
    struct cluster_address a;
    uint16_t number;
    int which = clu_word_find("port weight zone role address", key);
    char *field = (char *)node + fields[which < 0 ? 0 : which];
    if (which < 0)
        return false;
    if (which < 2) {
        uint32_t *count = (uint32_t *)(void *)field;
        if (*count || !clu_port(value, &number))
            return false;
        *count = number;
    } else {
        struct clu_slice *text = (struct clu_slice *)(void *)field;
        if (text->length || !value.length || !clu_name_clean(value.at, value.length) ||
            (which == 4 && !clu_address_parse(value, &a, NULL)))
            return false;
        *text = value;
    }
    return true;
}

/* 1: a node; 0: the end; CLUSTER_E_INVALID: a malformed line, with a sentence. Slices point into the text. */
CLU_FN int clu_list_next(struct clu_list *list, struct clu_list_node *node, struct clu_text *error)
{
    while (list->rest.at) {
        struct clu_slice line = clu_line(&list->rest), word = clu_word(&line);
        bool good = clu_name_valid(word.at, word.length) || clu_name_half_valid(word.at, word.length);
        list->line++;
        if (!word.length)
            continue;
        memset(node, 0, sizeof *node);
        node->name = word;
        while (good) {
            word = clu_word(&line);
            if (!word.length)
                return 1;
            good = clu_list_attribute(word, node);
        }
        clu_text_add(error, "line ");
        clu_text_u64(error, list->line);
        clu_text_add(error, ": '");
        clu_text_escaped(error, word.at, word.length > 80 ? 80 : word.length);
        clu_text_add(error, "' is not right: write name@host or host, then any of port=9100 weight=2 zone=eu role=db "
                            "address=10.0.0.1, each once");
        list->rest = clu_slice_of(NULL, 0);
        return CLUSTER_E_INVALID;
    }
    return 0;
}

#endif
