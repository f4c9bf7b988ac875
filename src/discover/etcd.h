/*
 * etcd: the nodes whose names are keys under a prefix, by the JSON gateway of etcd 3. With watch=on a watch of the prefix says
 * when to ask again. A node that announces itself puts its key under a lease, which each round keeps alive and leaving revokes.
 */
#ifndef CLU_DISCOVER_ETCD_H
#define CLU_DISCOVER_ETCD_H

#include "web.h"

#define CLU_ETCD_PREFIX 255 /* bytes */

/* Bytes from Base64, in place and ended by NUL; false: it is none. */
CLU_FN bool clu_base64_decode(char *text, size_t *size)
{
    static const char letters[] = CLU_BASE64;
    static const char ends[][3] = {"", "?", "==", "="}; /* of so many letters beyond four; no text ends after one */
    uint32_t group = 0;
    size_t at;
    bool whole;
    *size = 0;
    for (at = 0; text[at] && text[at] != '='; at++) {
        const char *letter = strchr(letters, text[at]);
        if (!letter)
            return false;
        group = group << 6 | (uint32_t)(letter - letters);
        if (at & 3)
            text[(*size)++] = (char)(group >> (6 - 2 * (at & 3)));
    }
    whole = strcmp(text + at, ends[at & 3]) == 0;
    text[*size] = '\0';
    return whole;
}

/* A key, whose name comes after the prefix. */
CLU_FN int clu_etcd_item(struct clu_web *w)
{
    const char *prefix = cluster_source_item(w->source, NULL);
    char *key = w->item.key;
    size_t size, length = strlen(prefix);
    if (!clu_base64_decode(key, &size) || strncmp(key, prefix, length) != 0)
        return CLUSTER_E_PROTOCOL;
    key += length;
    if (size == length || strcspn(key, "/") != size - length) {
        cluster_source_drop(w->source); /* another one's key, further down */
        return 0;
    }
    return clu_web_add(w, key);
}

/* A request, by POST: of all keys with the prefix, from it up to what comes after the last of them, or of the lease and the own key. */
CLU_FN void clu_etcd_ask(struct clu_web *w, uint32_t slot, struct clu_text *url, struct cluster_request *r)
{
    static const char *const requests[][2] = {
        {"/v3/kv/range", "$z{\"key\":\"$b\",\"range_end\":\"$b\",\"keys_only\":true}"},
        {"/v3/watch", "$z{\"create_request\":{\"key\":\"$b\",\"range_end\":\"$b\"}}"},
        /* of the slot OWN, by its steps from CLU_WEB_GRANTS on */
        {"/v3/lease/grant", "$z{\"TTL\":" CLU_WEB_LEASE "}"},
        {"/v3/kv/put", "$z{\"lease\":$s,\"key\":\"$b\"}"},
        {"", ""}, /* CLU_WEB_HELD */
        {"/v3/lease/keepalive", "$z{\"ID\":$s}"},
        {"/v3/lease/revoke", "$z{\"ID\":$s}"},
    };
    const char *prefix = cluster_source_item(w->source, NULL), *const *request = requests[slot];
    char key[CLU_ETCD_PREFIX + CLU_NAME_MAX + 1];
    struct clu_text t;
    bool own = slot == CLU_WEB_OWN;
    clu_compose(clu_text_in(&t, key, sizeof key), "$s$s", prefix, own ? cluster_source_own(w->source)->name : "");
    if (own)
        request = requests[CLU_WEB_OWN + w->own - CLU_WEB_GRANTS];
    else
        key[t.length - 1]++; /* a prefix ends in no 0xff */
    clu_compose(url, request[1], request[0], own ? w->lease : prefix, key);
    r->method = "POST";
    r->headers = "Content-Type: application/json\n";
    if (slot == CLU_WEB_CHANGES) {
        r->answer_size = UINT64_MAX;
        r->timeout_ns = 3600 * CLU_SECOND;
    }
}

/* What comes after a step of announcing: a lease has an identity, and one that has run out no time left. */
CLU_FN uint8_t clu_etcd_announced(struct clu_web *w, uint8_t own)
{
    enum { RESULT = CLU_WEB_MORE };
    static const struct clu_json_path paths[] = {
        CLU_FIELD(0, "ID", struct clu_web, lease),
        CLU_PLACE(0, RESULT, "result"),
        CLU_FIELD(RESULT, "TTL", struct clu_web, left),
        CLU_PLACE(0, 0, NULL),
    };
    char text[32];
    if (own == CLU_WEB_GRANTS)
        w->lease[0] = '\0';
    w->left[0] = '\0';
    (void)clu_web_fields(w, paths, text, sizeof text);
    if (own == CLU_WEB_GRANTS)
        return *w->lease ? CLU_WEB_PUTS : CLU_WEB_NONE;
    return own == CLU_WEB_KEEPS && *w->left <= '0' ? CLU_WEB_GRANTS : CLU_WEB_HELD; /* none, 0, or less */
}

/* What each round begins with: the watch, and the lease. */
CLU_FN int clu_etcd_before(struct clu_web *w)
{
    int result = 0;
    if (!w->changes && w->watch) {
        result = clu_web_send(w, CLU_WEB_CHANGES);
        w->changes = result == 0;
    }
    return result ? result : clu_web_keep(w);
}

/* What a watch says is not read: that it says something is enough. */
CLU_FN int clu_etcd_changed(struct clu_web *w)
{
    const void *data;
    int64_t got;
    bool some = false;
    while ((got = cluster_source_body(w->source, CLU_WEB_CHANGES, &data)) > 0)
        some = true;
    w->changes = got == CLUSTER_E_AGAIN;
    w->again = some && (w->busy || w->publishes);
    return some ? cluster_source_refresh(w->source) : 0;
}

CLU_FN const char *clu_etcd_refuses(const struct clu_web *w)
{
    return strlen(cluster_source_item(w->source, NULL)) > CLU_ETCD_PREFIX ? "a prefix has at most 255 bytes" : NULL;
}

enum { CLU_ETCD_KVS = CLU_WEB_MORE };

static const struct clu_json_path clu_etcd_paths[] = {
    CLU_PLACE(0, CLU_WEB_LIST, "header"), /* without keys there is nothing else */
    CLU_PLACE(0, CLU_ETCD_KVS, "kvs"),
    CLU_OBJECT(CLU_ETCD_KVS, CLU_WEB_ITEM, NULL, struct clu_web, item),
    CLU_FIELD(CLU_WEB_ITEM, "key", struct clu_web, item.key),
    CLU_PLACE(0, CLU_WEB_PAGE, "more"),
    CLU_PLACE(0, 0, NULL),
};

static const struct clu_web_kind clu_etcd_kind = {sizeof(struct clu_web),
                                                  clu_etcd_refuses,
                                                  clu_etcd_paths,
                                                  NULL,
                                                  CLU_WEB_LIST,
                                                  '}',
                                                  NULL,
                                                  clu_etcd_item,
                                                  NULL,
                                                  NULL,
                                                  clu_etcd_ask,
                                                  "http://$s",
                                                  "127.0.0.1:2379",
                                                  "token",
                                                  "token-file",
                                                  "Authorization: ",
                                                  clu_etcd_before,
                                                  {NULL, clu_etcd_changed, clu_web_announced},
                                                  clu_etcd_announced};

#endif
