/*
 * rancher: the containers of the own service, as the metadata service of Rancher 1 names them.
 */
#ifndef CLU_DISCOVER_RANCHER_H
#define CLU_DISCOVER_RANCHER_H

#include "web.h"

CLU_FN int clu_rancher_item(struct clu_web *w)
{
    return clu_web_add(w, w->item.name);
}

CLU_FN void clu_rancher_ask(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    const char *service = cluster_source_item(w->source, NULL);
    (void)r;
    clu_compose(url, service ? "/latest/self/stack/services/$q" : "/latest/self/service", service);
}

CLU_FN int clu_rancher_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    enum { IPS = CLU_WEB_MORE };
    static const struct clu_json_path paths[] = {
        CLU_PLACE(0, CLU_WEB_LIST, "containers"),
        CLU_OBJECT(CLU_WEB_LIST, CLU_WEB_ITEM, NULL, struct clu_web, item),
        CLU_PLACE(CLU_WEB_ITEM, IPS, "ips"),
        CLU_FIELD(IPS, NULL, struct clu_web, item.name), /* the first counts */
        CLU_PLACE(0, 0, NULL),
    };
    static const struct clu_web_kind kind = {sizeof(struct clu_web),
                                             paths,
                                             NULL,
                                             CLU_WEB_LIST,
                                             ']',
                                             NULL,
                                             clu_rancher_item,
                                             NULL,
                                             NULL,
                                             NULL,
                                             clu_rancher_ask,
                                             "http://$s",
                                             "rancher-metadata",
                                             "token",
                                             "token-file",
                                             "",
                                             NULL,
                                             NULL,
                                             NULL,
                                             NULL};
    (void)ctx;
    (void)target;
    return clu_web_open(s, &kind, state);
}

#endif
