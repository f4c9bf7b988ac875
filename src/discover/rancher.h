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

CLU_FN void clu_rancher_ask(struct clu_web *w, uint32_t slot, struct clu_text *url, struct cluster_request *r)
{
    const char *service = cluster_source_item(w->source, NULL);
    (void)slot;
    (void)r;
    clu_compose(url, service ? "/latest/self/stack/services/$q" : "/latest/self/service", service);
}

enum { CLU_RANCHER_IPS = CLU_WEB_MORE };

static const struct clu_json_path clu_rancher_paths[] = {
    CLU_PLACE(0, CLU_WEB_LIST, "containers"),
    CLU_OBJECT(CLU_WEB_LIST, CLU_WEB_ITEM, NULL, struct clu_web, item),
    CLU_PLACE(CLU_WEB_ITEM, CLU_RANCHER_IPS, "ips"),
    CLU_FIELD(CLU_RANCHER_IPS, NULL, struct clu_web, item.name), /* the first counts */
    CLU_PLACE(0, 0, NULL),
};

static const struct clu_web_kind clu_rancher_kind = {
    sizeof(struct clu_web), NULL,        clu_rancher_paths,  NULL,    CLU_WEB_LIST, ']', NULL, clu_rancher_item,   NULL, NULL,
    clu_rancher_ask,        "http://$s", "rancher-metadata", "token", "token-file", "",  NULL, {NULL, NULL, NULL}, NULL};

#endif
