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
    clu_compose(url, "/v1/health/service/$q?passing=1", cluster_source_item(w->source, NULL));
    clu_web_option(w, url, "&tag=$q", "tag");
    clu_web_option(w, url, "&dc=$q", "dc");
    if (w->waits) {
        clu_compose(url, "&wait=$us&index=$s", CLU_WEB_WAIT, w->index);
        r->timeout_ns = (CLU_WEB_WAIT + CLU_WEB_WAIT / 8) * CLU_SECOND; /* the agent waits up to a sixteenth longer */
    }
}

/* The next request of announcing the own node: its instance has its name. */
CLU_FN void clu_consul_announce(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    const char *own = cluster_source_own(w->source)->name;
    struct clu_text t = clu_text_on(w->body, sizeof w->body);
    r->method = "PUT";
    r->body = w->body;
    if (w->own != CLU_WEB_GRANTS) {
        clu_compose(url, w->own == CLU_WEB_KEEPS ? "/v1/agent/check/pass/service%3A$q" : "/v1/agent/service/deregister/$q",
                    own);
        return;
    }
    clu_text_add(url, "/v1/agent/service/register");
    clu_compose(&t, "{\"ID\":\"$j\",\"Name\":\"$j\",\"Address\":\"$j\",\"Tags\":[", own, cluster_source_item(w->source, NULL),
                clu_name_host(own));
    clu_web_option(w, &t, "\"$j\"", "tag");
    clu_compose(&t, "],\"Check\":{\"TTL\":\"" CLU_WEB_LEASE
                    "s\",\"Status\":\"passing\",\"DeregisterCriticalServiceAfter\":\"1m\"}}");
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
