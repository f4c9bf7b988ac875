/*
 * consul: the instances of a service whose checks pass, by the health API of a Consul agent. With watch=on each answer is followed by a
 * question that waits for the next change (a blocking query). A node that announces itself is an instance of its own, with a check that
 * each round passes.
 */
#ifndef CLU_DISCOVER_CONSUL_H
#define CLU_DISCOVER_CONSUL_H

#include "web.h"

enum { CLU_CONSUL_ENTRY = 1, CLU_CONSUL_NODE, CLU_CONSUL_NODE_ADDRESS, CLU_CONSUL_SERVICE, CLU_CONSUL_SERVICE_ADDRESS };

CLU_FN int clu_consul_token(struct clu_web *w, int token)
{
    int result = 0;
    if (w->json.id == CLU_CONSUL_SERVICE_ADDRESS)
        clu_web_take(&w->json, token, w->host, sizeof w->host);
    if (w->json.id == CLU_CONSUL_NODE_ADDRESS)
        clu_web_take(&w->json, token, w->other, sizeof w->other);
    if (w->json.id == CLU_CONSUL_ENTRY && token != '{') {
        if (token != '}' || !(*w->host || *w->other))
            return clu_web_bad(w);
        result = clu_web_add(w, *w->host ? w->host : w->other); /* a service without an address is where its node is */
        w->host[0] = w->other[0] = '\0';
    }
    if (w->json.id == 0 && token == ']') {
        uint64_t before = 0, index = 0;
        w->listed = true;
        (void)clu_number(clu_slice_str(w->index), UINT64_MAX, &before);
        w->index[0] = '\0';
        if (clu_choice(w->source, "watch", "off on", 0) > 0 &&
            cluster_source_header(w->source, CLU_WEB_DOCUMENT, "X-Consul-Index", w->index, sizeof w->index) >= 0 &&
            (!clu_number(clu_slice_str(w->index), UINT64_MAX, &index) || index < before || !index))
            w->index[0] = '\0'; /* one that goes back begins anew, as the API says */
    }
    return result;
}

CLU_FN void clu_consul_ask(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    const char *tag = cluster_source_option(w->source, "tag"), *dc = cluster_source_option(w->source, "dc");
    clu_text_add(url, "/v1/health/service/");
    clu_text_quoted(url, cluster_source_item(w->source, NULL));
    clu_text_add(url, "?passing=1");
    clu_text_add(url, tag ? "&tag=" : "");
    clu_text_quoted(url, tag ? tag : "");
    clu_text_add(url, dc ? "&dc=" : "");
    clu_text_quoted(url, dc ? dc : "");
    if (w->waits) {
        clu_text_add(url, "&wait=");
        clu_text_u64(url, CLU_WEB_WAIT);
        clu_text_add(url, "s&index=");
        clu_text_add(url, w->index);
        r->timeout_ns = (CLU_WEB_WAIT + CLU_WEB_WAIT / 8) * CLU_SECOND; /* the agent waits up to a sixteenth longer */
    }
}

/* Text between the quotes of JSON. */
CLU_FN void clu_text_json(struct clu_text *t, const char *text)
{
    for (; *text; text++) {
        clu_text_add(t, *text == '"' || *text == '\\' ? "\\" : "");
        clu_text_bytes(t, text, 1);
    }
}

/* The next request of announcing the own node: its instance has its name. */
CLU_FN void clu_consul_announce(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    const struct cluster_node *own = cluster_source_own(w->source);
    const char *tag = cluster_source_option(w->source, "tag");
    struct clu_text t = clu_text_on(w->body, sizeof w->body);
    r->method = "PUT";
    r->body = w->body;
    if (w->own != CLU_WEB_GRANTS) {
        clu_text_add(url, w->own == CLU_WEB_KEEPS ? "/v1/agent/check/pass/service%3A" : "/v1/agent/service/deregister/");
        clu_text_quoted(url, own->name);
        return;
    }
    clu_text_add(url, "/v1/agent/service/register");
    clu_text_add(&t, "{\"ID\":\"");
    clu_text_json(&t, own->name);
    clu_text_add(&t, "\",\"Name\":\"");
    clu_text_json(&t, cluster_source_item(w->source, NULL));
    clu_text_add(&t, "\",\"Address\":\"");
    clu_text_json(&t, clu_name_host(own->name));
    clu_text_add(&t, "\",\"Tags\":[");
    if (tag) {
        clu_text_add(&t, "\"");
        clu_text_json(&t, tag);
        clu_text_add(&t, "\"");
    }
    clu_text_add(&t, "],\"Check\":{\"TTL\":\"");
    clu_text_u64(&t, CLU_WEB_LEASE);
    clu_text_add(&t, "s\",\"Status\":\"passing\",\"DeregisterCriticalServiceAfter\":\"1m\"}}");
    url->cut = url->cut || t.cut;
}

CLU_FN int clu_consul_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    static const struct clu_json_path paths[] = {
        {0, CLU_CONSUL_ENTRY, NULL},
        {CLU_CONSUL_ENTRY, CLU_CONSUL_NODE, "Node"},
        {CLU_CONSUL_NODE, CLU_CONSUL_NODE_ADDRESS, "Address"},
        {CLU_CONSUL_ENTRY, CLU_CONSUL_SERVICE, "Service"},
        {CLU_CONSUL_SERVICE, CLU_CONSUL_SERVICE_ADDRESS, "Address"},
        {0, 0, NULL},
    };
    static const struct clu_web_kind kind = {paths,
                                             clu_consul_token,
                                             clu_consul_ask,
                                             "127.0.0.1:8500",
                                             "X-Consul-Token: ",
                                             clu_web_keep,
                                             clu_web_announced,
                                             NULL,
                                             0,
                                             clu_consul_announce,
                                             NULL};
    (void)ctx;
    (void)target;
    return clu_web_open(s, &kind, state);
}

#endif
