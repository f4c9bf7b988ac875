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

/* The addresses that a hosts(5) text has for a name, in its order, each once: family 4, 6, or 0 for both. Fills at most
 * `capacity` and returns how many it filled. Lines that begin with no address are passed over, as every resolver does. */
CLU_FN size_t clu_hosts_find(struct clu_slice text, struct clu_slice name, int family, struct cluster_address *out,
                             size_t capacity)
{
    size_t count = 0, i;
    while (text.at && count < capacity) {
        struct clu_slice line = clu_line(&text), word, zone;
        struct cluster_address *a = &out[count];
        size_t comment = clu_slice_find(line, '#');
        line.length = comment;
        if (!clu_address_parse(clu_word(&line), a, &zone) || (family && family != a->family))
            continue;
        for (i = 0; i < count && clu_address_compare(&out[i], a) != 0; i++)
            continue;
        for (word = clu_word(&line); i == count && word.length; word = clu_word(&line))
            if (clu_host_same(word, name)) {
                count++;
                break;
            }
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

/* One key=value after the name. NULL, or what is accepted. */
CLU_FN const char *clu_list_attribute(struct clu_slice word, struct clu_list_node *node)
{
    struct clu_slice value = word, key = clu_cut(&value, '=');
    struct cluster_address a;
    uint64_t number;
    uint32_t *count = NULL;
    struct clu_slice *text = NULL;
    if (clu_slice_is(key, "port"))
        count = &node->port;
    else if (clu_slice_is(key, "weight"))
        count = &node->weight;
    else if (clu_slice_is(key, "zone"))
        text = &node->zone;
    else if (clu_slice_is(key, "role"))
        text = &node->role;
    else if (clu_slice_is(key, "address"))
        text = &node->address;
    else
        return "write port=, weight=, zone=, role= or address=";
    if (count ? *count : text->length)
        return "it stands there twice";
    if (count) {
        if (!clu_number(value, 65535, &number) || !number)
            return "write a number from 1 to 65535";
        *count = (uint32_t)number;
        return NULL;
    }
    if (!value.length || !clu_name_clean(value.at, value.length))
        return "write a word without control bytes";
    if (text == &node->address && !clu_address_parse(value, &a, NULL))
        return "write an IP address like 10.0.0.1 or fd00::1";
    *text = value;
    return NULL;
}

/* 1: a node; 0: the end; CLUSTER_E_INVALID: a malformed line, with a sentence. Slices point into the text. */
CLU_FN int clu_list_next(struct clu_list *list, struct clu_list_node *node, struct clu_text *error)
{
    while (list->rest.at) {
        struct clu_slice line = clu_line(&list->rest), word = clu_word(&line);
        const char *mend = NULL;
        list->line++;
        if (!word.length)
            continue;
        memset(node, 0, sizeof *node);
        node->name = word;
        if (!clu_name_valid(word.at, word.length) && !clu_name_half_valid(word.at, word.length))
            mend = "write name@host or host, then port=, weight=, zone=, role=, address=";
        while (!mend) {
            word = clu_word(&line);
            if (!word.length)
                return 1;
            mend = clu_list_attribute(word, node);
        }
        clu_text_add(error, "line ");
        clu_text_u64(error, list->line);
        clu_text_add(error, ": '");
        clu_text_escaped(error, word.at, word.length > 80 ? 80 : word.length);
        clu_text_add(error, "' is not right: ");
        clu_text_add(error, mend);
        list->rest = clu_slice_of(NULL, 0);
        return CLUSTER_E_INVALID;
    }
    return 0;
}

#endif
