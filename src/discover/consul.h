/*
 * consul: the instances of a service whose checks pass, by the health API of a Consul agent. With watch=on each answer is followed by a
 * question that waits for the next change (a blocking query). A node that announces itself is an instance of its own, with a check that
 * each round passes.
 */
#ifndef CLU_DISCOVER_CONSUL_H
#define CLU_DISCOVER_CONSUL_H

#include "web.h"

enum { CLU_CONSUL_NODE = CLU_WEB_MORE, CLU_CONSUL_SERVICE };

/* A service without an address is where its node is. */
CLU_FN int clu_consul_item(struct clu_web *w)
{
    const char *name = *w->item.name ? w->item.name : w->item.address;
    return *name ? clu_web_add(w, name) : CLUSTER_E_PROTOCOL;
}

/* The index to wait on, in a moment. One that goes back begins anew, as the API says. */
CLU_FN int clu_consul_published(struct clu_web *w)
{
    char text[24];
    uint64_t index = 0;
    text[0] = '\0';
    if (w->watch)
        (void)cluster_source_header(w->source, CLU_WEB_DOCUMENT, "X-Consul-Index", text, sizeof text);
    w->index = clu_number(clu_slice_str(text), UINT64_MAX, &index) && index >= w->index ? index : 0;
    if (w->index)
        (void)cluster_source_timer(w->source, cluster_source_now(w->source) + CLU_WEB_PAUSE);
    return 0;
}

/* The list, or the next request of announcing the own node: its instance has its name. */
CLU_FN void clu_consul_ask(struct clu_web *w, uint32_t slot, struct clu_text *url, struct cluster_request *r)
{
    const char *own = cluster_source_own(w->source)->name, *service = cluster_source_item(w->source, NULL);
    if (slot == CLU_WEB_DOCUMENT) {
        clu_compose(url, "/v1/health/service/$q?passing=1", service);
        clu_web_option(w, url, "&tag=$q", "tag");
        clu_web_option(w, url, "&dc=$q", "dc");
        if (w->waits) {
            clu_compose(url, "&wait=$us&index=", CLU_WEB_WAIT);
            clu_text_u64(url, w->index);
            r->timeout_ns = (CLU_WEB_WAIT + CLU_WEB_WAIT / 8) * CLU_SECOND; /* the agent waits up to a sixteenth longer */
        }
        return;
    }
    r->method = "PUT";
    if (w->own == CLU_WEB_GRANTS) {
        clu_compose(url, "$z{\"ID\":\"$j\",\"Name\":\"$j\",\"Address\":\"$j\",\"Tags\":[", "/v1/agent/service/register", own,
                    service, clu_name_host(own));
        clu_web_option(w, url, "\"$j\"", "tag");
        clu_text_add(url, "],\"Check\":{\"TTL\":\"" CLU_WEB_LEASE
                          "s\",\"Status\":\"passing\",\"DeregisterCriticalServiceAfter\":\"1m\"}}");
    } else {
        clu_compose(url, w->own == CLU_WEB_KEEPS ? "/v1/agent/check/pass/service%3A$q$z" : "/v1/agent/service/deregister/$q$z",
                    own, "");
    }
}

static const struct clu_json_path clu_consul_paths[] = {
    CLU_OBJECT(0, CLU_WEB_ITEM, NULL, struct clu_web, item),
    CLU_PLACE(CLU_WEB_ITEM, CLU_CONSUL_NODE, "Node"),
    CLU_FIELD(CLU_CONSUL_NODE, "Address", struct clu_web, item.address),
    CLU_PLACE(CLU_WEB_ITEM, CLU_CONSUL_SERVICE, "Service"),
    CLU_FIELD(CLU_CONSUL_SERVICE, "Address", struct clu_web, item.name),
    CLU_PLACE(0, 0, NULL),
};

static const struct clu_web_kind clu_consul_kind = {sizeof(struct clu_web),
                                                    NULL,
                                                    clu_consul_paths,
                                                    NULL,
                                                    0,
                                                    ']',
                                                    NULL,
                                                    clu_consul_item,
                                                    NULL,
                                                    clu_consul_published,
                                                    clu_consul_ask,
                                                    "http://$s",
                                                    "127.0.0.1:8500",
                                                    "token",
                                                    "token-file",
                                                    "X-Consul-Token: ",
                                                    clu_web_keep,
                                                    {NULL, NULL, clu_web_announced},
                                                    NULL};

#endif
