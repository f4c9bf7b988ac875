/*
 * resolve: one question to DNS.
 */
#ifndef CLUSTERCTL_RESOLVE_H
#define CLUSTERCTL_RESOLVE_H

#include "queries.h"

/* Text in a URL: what has a meaning there is escaped. */
static void url_add(struct text *url, const char *text)
{
    for (; *text; text++) {
        if (strchr("%?,&=", *text))
            text_format(url, "%%%02x", (unsigned)(unsigned char)*text);
        else
            text_bytes(url, text, 1);
    }
}

/* The text of a TXT record as bytes, in place; its length. */
static size_t txt_bytes(char *quoted)
{
    char *out = quoted, *in = quoted + 1;
    while (*in && *in != '"') {
        unsigned byte = 0;
        if (*in == '\\' && sscanf(in, "\\x%2x", &byte) == 1) {
            *out++ = (char)byte;
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    return (size_t)(out - quoted);
}

static void record_json(const char *name, const char *type, uint32_t ttl, char *line)
{
    bool address = !strcmp(type, "a+aaaa") || !strcmp(type, "a") || !strcmp(type, "aaaa");
    unsigned priority, weight, port;
    int at = 0;
    json_begin(!address ? type : strchr(line, ':') ? "aaaa" : "a");
    json_text("name", name);
    json_number("ttl", ttl);
    if (address) {
        json_text("address", line);
    } else if (!strcmp(type, "srv") && sscanf(line, "%u %u %u %n", &priority, &weight, &port, &at) == 3) {
        json_number("priority", priority);
        json_number("weight", weight);
        json_number("port", port);
        json_text("target", line + at);
    } else if (!strcmp(type, "txt")) {
        size_t size = txt_bytes(line);
        json_key("text");
        json_string(line, size);
    } else {
        json_text("target", line);
    }
    json_end();
}

static void records_print(const struct arguments *a, const struct cluster_event *reply)
{
    struct names list = {NULL, 0};
    size_t i;
    names_split(&list, reply->text, '\n');
    for (i = 0; i < list.count; i++) {
        if (!*list.at[i])
            continue;
        if (given(a, OPT_JSON)) {
            record_json(a->operands[0], text_of(a, OPT_TYPE, "a+aaaa"), reply->count, list.at[i]);
        } else {
            print_safe(stdout, list.at[i]);
            putchar('\n');
        }
    }
    names_clear(&list);
}

static int run_resolve(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    const char *name = a->operands[0];
    struct text url = {NULL, 0, 0};
    uint64_t request;
    int status = open_queries(&l);
    if (status)
        return status;
    url_add(&url, name);
    text_add(&url, given(a, OPT_SEARCH) ? "?search=on" : "?search=off");
    if (given(a, OPT_SERVER)) {
        text_add(&url, "&server=");
        url_add(&url, text_of(a, OPT_SERVER, ""));
    }
    reply = query_reply(&l, cluster_resolve(l.c, url.at, text_of(a, OPT_TYPE, NULL), &request), &request, &status);
    text_free(&url);
    if (reply && reply->error)
        status = fail(reply->error == CLUSTER_E_NOT_FOUND ? NEGATIVE : FAILED, "no answer for %s: %s", name, reply->text);
    else if (reply)
        records_print(a, reply);
    loop_end(&l);
    return status;
}

#endif
