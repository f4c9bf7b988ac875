/*
 * rancher: the containers of the own service, as the metadata service of Rancher 1 names them.
 */
#ifndef CLU_DISCOVER_RANCHER_H
#define CLU_DISCOVER_RANCHER_H

#include "web.h"

enum { CLU_RANCHER_CONTAINERS = 1, CLU_RANCHER_CONTAINER, CLU_RANCHER_IPS, CLU_RANCHER_IP };

CLU_FN int clu_rancher_token(struct clu_web *w, int token)
{
    int result = 0;
    if (w->json.id == CLU_RANCHER_IP)
        clu_web_take(&w->json, token, w->host, sizeof w->host); /* the first counts */
    if (w->json.id == CLU_RANCHER_CONTAINER && token != '{') {
        if (token != '}')
            return clu_web_bad(w);
        result = clu_web_add(w, w->host);
        w->host[0] = '\0';
    }
    w->listed = w->listed || (w->json.id == CLU_RANCHER_CONTAINERS && token == ']');
    return result;
}

CLU_FN void clu_rancher_ask(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    const char *service = cluster_source_item(w->source, NULL);
    (void)r;
    clu_compose(url, service ? "/latest/self/stack/services/$q" : "/latest/self/service", service);
}

CLU_FN int clu_rancher_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    static const struct clu_json_path paths[] = {
        {0, CLU_RANCHER_CONTAINERS, "containers"},
        {CLU_RANCHER_CONTAINERS, CLU_RANCHER_CONTAINER, NULL},
        {CLU_RANCHER_CONTAINER, CLU_RANCHER_IPS, "ips"},
        {CLU_RANCHER_IPS, CLU_RANCHER_IP, NULL},
        {0, 0, NULL},
    };
    static const struct clu_web_kind kind = {
        paths, clu_rancher_token, clu_rancher_ask, "rancher-metadata", "", NULL, NULL, NULL, 0, NULL, NULL};
    (void)ctx;
    (void)target;
    return clu_web_open(s, &kind, state);
}

#endif
