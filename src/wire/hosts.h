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

/* The next word of a line; empty at its end and at a word that begins with '#', where a comment starts. The byte after the word
 * is passed over. */
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
    *line = clu_slice_from(word, length + (length < word.length));
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

/* Equal as DNS names are: ASCII case does not count. */
CLU_FN bool clu_host_same(struct clu_slice a, struct clu_slice b)
{
    size_t i;
    if (a.length != b.length)
        return false;
    for (i = 0; i < a.length; i++)
        if (clu_lower(a.at[i]) != clu_lower(b.at[i]))
            return false;
    return true;
}

/* The next address that a hosts(5) text has for a name; *text keeps what comes after it. Lines that begin with no address are
 * passed over, as every resolver does. */
CLU_FN bool clu_hosts_find(struct clu_slice *text, struct clu_slice name, struct cluster_address *out)
{
    while (text->at) {
        struct clu_slice line = clu_line(text), word;
        line.length = clu_slice_find(line, '#');
        word = clu_word(&line);
        if (!clu_address_parse(word, out))
            continue;
        while (word.length && !clu_host_same(word, name))
            word = clu_word(&line);
        if (word.length)
            return true;
    }
    return false;
}

/* A list of nodes, of which clu_list_next gives one after another; their strings stand in the text, which is written to. */
struct clu_list {
    char *text;
    struct clu_slice rest;
    uint32_t line; /* of the node or the error that was read last; counts from 1 */
};

/* `text` has one more byte than `size`. */
CLU_FN struct clu_list clu_list_on(char *text, size_t size)
{
    struct clu_list list;
    list.text = text;
    list.rest = clu_slice_of(text, size);
    list.line = 0;
    if (clu_slice_starts(list.rest, "\xEF\xBB\xBF")) /* some editors begin UTF-8 files with a mark */
        list.rest = clu_slice_from(list.rest, 3);
    return list;
}

/* One key=value after the name. */
CLU_CALLED bool clu_list_attribute(struct clu_slice word, struct cluster_node *node)
{
    static const uint8_t fields[] = {
        offsetof(struct cluster_node, port), offsetof(struct cluster_node, weight),  offsetof(struct cluster_node, zone),
        offsetof(struct cluster_node, role), offsetof(struct cluster_node, address),
    };
    struct clu_slice value = word, key = clu_cut(&value, '=');
    int which = clu_word_find("port weight zone role address", key);
    void *field = (char *)node + fields[which < 0 ? 0 : which];
    const char **text = (const char **)field;
    uint32_t *count = (uint32_t *)field;
    struct cluster_address address;
    uint16_t number;
    if (which < 2) {
        if (which < 0 || *count || !clu_port(value, &number))
            return false;
        *count = number;
        return true;
    }
    if (*text || !value.length || !clu_name_clean(value.at, value.length) ||
        (which == 4 && !clu_address_parse(value, &address)))
        return false;
    *text = value.at;
    return true;
}

/* 1: a node, whose name may be a host alone; what its line does not say is NULL or 0. 0: the end. CLUSTER_E_INVALID: a
 * malformed line, with a sentence. */
CLU_FN int clu_list_next(struct clu_list *list, struct cluster_node *node, struct clu_text *error)
{
    while (list->rest.at) {
        struct clu_slice line = clu_line(&list->rest), word = clu_word(&line);
        bool good = clu_name_valid(word.at, word.length) || clu_name_half_valid(word.at, word.length);
        list->line++;
        if (!word.length)
            continue;
        memset(node, 0, sizeof *node);
        node->name = word.at;
        while (good) {
            /* what is here is a blank, the end of a line, or the spare byte */
            list->text[(size_t)(word.at - list->text) + word.length] = '\0';
            word = clu_word(&line);
            if (!word.length)
                return 1;
            good = clu_list_attribute(word, node);
        }
        list->rest = clu_slice_of(NULL, 0);
        clu_text_add(error, "line ");
        clu_text_u64(error, list->line);
        return clu_say(error,
                       ": '#' is not right: write name@host or host, then any of port=9100 weight=2 zone=eu role=db "
                       "address=10.0.0.1, each once",
                       word, "");
    }
    return 0;
}

#endif
