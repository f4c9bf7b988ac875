/*
 * kubernetes: the pods behind a selector, as the API server lists them: as Endpoints, as EndpointSlices, or as Pods. A list comes in
 * pages and is read as a stream, of which the nodes alone are kept. With watch=on the list is followed by a watch from its version on.
 *
 *           list, page by page                   changes
 *   round ------------------> publish -> WATCH ----------> publish
 *     ^                                   |  ends: again from the last version
 *     +-----------------------------------+  gone (410): a new list
 *
 * Token, namespace and authority are read again in each round, the token for each request, since they change under a running pod. It
 * never sends the token to a server that was not verified.
 */
#ifndef CLU_DISCOVER_KUBERNETES_H
#define CLU_DISCOVER_KUBERNETES_H

#include "web.h"

#define CLU_KUBE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define CLU_KUBE_WATCH 290u       /* seconds that a watch is asked for */
#define CLU_KUBE_PAUSE CLU_SECOND /* between two watches */

/* Places in the documents. Endpoints and EndpointSlices share those of their addresses. */
enum {
    CLU_KUBE_LIST_META = CLU_WEB_MORE,
    CLU_KUBE_META,
    CLU_KUBE_SUBSETS,
    CLU_KUBE_SUBSET,
    CLU_KUBE_ADDRESSES,
    CLU_KUBE_UNREADY,
    CLU_KUBE_ADDRESS,
    CLU_KUBE_IPS,
    CLU_KUBE_TARGET,
    CLU_KUBE_CONDITIONS,
    CLU_KUBE_SPEC,
    CLU_KUBE_STATUS,
    CLU_KUBE_POD_CONDITIONS,
    CLU_KUBE_POD_CONDITION
};

enum { CLU_KUBE_MODE_IP, CLU_KUBE_MODE_DNS, CLU_KUBE_MODE_HOSTNAME };
enum { CLU_KUBE_ENDPOINTS, CLU_KUBE_PODS, CLU_KUBE_SLICES };

/* Its small fields are in the struct clu_web. */
struct clu_kube {
    struct clu_web
        web; /* its item is a pod, or what has addresses; the owner's bytes of the nodes found are the hash of its name */
    uint64_t ca_stamp;
    struct clu_web_item address;
    struct {
        char type[16], status[8];
    } condition;
    char event[16], version[64], newer[64]; /* versions: of the list, of the list that comes */
    char texts[2048];                       /* namespace, domain, server, paths */
};

/* ---- nodes ------------------------------------------------------------ */

/* A node more, of the item at hand. */
CLU_FN int clu_kube_add(struct clu_web *w, const struct clu_web_item *f)
{
    static const char *const forms[] = {"", ".$s.pod.$s", ".$s.$s.svc.$s"}; /* of the modes, what comes after the label */
    bool ending = f->ending == '"' || f->ending == 't';                     /* a time, or a truth */
    bool named = w->mode == CLU_KUBE_MODE_HOSTNAME;
    const char *namespace_ = *f->namespace_ ? f->namespace_ : *w->item.namespace_ ? w->item.namespace_ : w->namespace_;
    struct cluster_address address;
    struct clu_text t;
    char name[2 * (CLU_NAME_MAX + 1)], *at;
    if (w->ready && (w->unready_list || (f->ready == 'f' && !ending)))
        return 0;
    if (clu_word_or("Succeeded Failed", f->state, 0) >= 0)
        return 0;
    if (!clu_address_parse(clu_slice_str(f->address), &address) || (named && !*f->name)) {
        if (*f->address)
            cluster_source_drop(w->source);
        return 0;
    }
    clu_text_add(clu_text_in(&t, name, sizeof name), named ? f->name : f->address);
    if (w->mode == CLU_KUBE_MODE_DNS)
        while ((at = strpbrk(name, ".:")) != NULL)
            *at = '-';
    clu_compose(&t, forms[w->mode], named ? clu_web_get(w, "service") : namespace_, named ? namespace_ : w->domain, w->domain);
    return clu_found_add(&w->found, name, f->address, f->zone, ending);
}

/* The item at hand has ended: its nodes get its name, and in a watch those that it had before go. */
CLU_FN void clu_kube_settle(struct clu_web *w)
{
    struct clu_found *l = &w->found;
    uint64_t object = clu_hash64(w->item.key, strlen(w->item.key), 0), owner;
    size_t at, next, kept = w->follows ? 0 : w->item_at;
    for (at = kept; at < l->size; at = next) {
        next = clu_found_next(l, at);
        memcpy(&owner, l->bytes + at, 8);
        if (at >= w->item_at)
            memcpy(l->bytes + at, &object, 8);
        else if (owner == object)
            continue;
        memmove(l->bytes + kept, l->bytes + at, next - at);
        kept += next - at;
    }
    w->item_at = l->size = kept;
}

CLU_FN int clu_kube_item(struct clu_web *w)
{
    int result = clu_kube_add(w, &w->item);
    if (!w->follows)
        clu_kube_settle(w);
    return result;
}

/* An event has ended; of one that says an error the version is too old. */
CLU_FN int clu_kube_event(struct clu_kube *k)
{
    struct clu_web *w = &k->web;
    int type = clu_word_or("ERROR DELETED", k->event, 0);
    if (type == 0)
        return CLUSTER_E_PROTOCOL;
    if (!*w->item.key || type > 0)
        w->found.size = w->item_at;
    if (*w->item.key) {
        clu_kube_settle(w);
        w->dirty = true;
    }
    if (*w->item.version)
        memcpy(k->version, w->item.version, sizeof k->version);
    return 0;
}

CLU_FN int clu_kube_token(struct clu_web *w, int token)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    bool ends = token == '}';
    switch (w->json.id) {
    case 0:
        if (token == '{')
            k->event[0] = w->item.key[0] = w->item.version[0] = '\0';
        return ends && w->follows ? clu_kube_event(k) : 0;
    case CLU_KUBE_UNREADY:
        w->unready_list = token == '[';
        break;
    case CLU_KUBE_ADDRESS:
        return ends ? clu_kube_add(w, &k->address) : 0;
    case CLU_KUBE_POD_CONDITION:
        if (ends && strcmp(k->condition.type, "Ready") == 0 && strcmp(k->condition.status, "False") == 0)
            w->item.ready = 'f';
        break;
    default:
        break;
    }
    return 0;
}

/* ---- requests --------------------------------------------------------- */

/* A text that stays for the round. */
CLU_CALLED const char *clu_kube_put(struct clu_text *t, const char *form, const char *first, const char *second)
{
    const char *put = t->data + t->length;
    clu_compose(t, form, first, second);
    return put;
}

/* The server, as libcluster completes the name of a master. */
CLU_FN void clu_kube_server(struct clu_web *w, struct clu_text *t)
{
    const char *master = clu_web_get(w, "master"), *text = master;
    size_t length, domain = strlen(w->domain);
    struct cluster_address address;
    char host[128], port[16];
    bool plain;
    if (!master)
        text = clu_web_variable(w, "KUBERNETES_SERVICE_HOST", host, sizeof host) ? host : "kubernetes.default.svc";
    length = strlen(text);
    plain = clu_address_parse(clu_slice_str(text), &address);
    w->server = clu_kube_put(t, plain && address.family == 6 ? "[$s]" : "$s", text, NULL);
    if (text != host && !plain && !strchr(text, ':') && text[length - 1] != '.' &&
        !(length >= domain && strcmp(text + length - domain, w->domain) == 0))
        clu_compose(t, ".$s", w->domain);
    if (!master && clu_web_variable(w, "KUBERNETES_SERVICE_PORT", port, sizeof port))
        clu_compose(t, ":$s", port);
    clu_text_bytes(t, "", 1);
}

/* What stands around the request: namespace, domain, server, token, authority. */
CLU_FN int clu_kube_prepare(struct clu_kube *k)
{
    struct clu_web *w = &k->web;
    const char *namespace_ = clu_web_get(w, "namespace"), *cluster = clu_web_get(w, "cluster"),
               *account = clu_web_get(w, "account"), *ca = clu_web_get(w, "ca"), *authority;
    struct clu_text t = clu_text_on(k->texts, sizeof k->texts);
    char domain[128];
    account = account ? account : CLU_KUBE_ACCOUNT;
    if (!namespace_)
        namespace_ = clu_web_file(w, clu_kube_put(&t, "$s/$z", account, "namespace"), true);
    if (!namespace_)
        return CLUSTER_E_INVALID;
    if (!*namespace_ || strpbrk(namespace_, "/?&# %")) {
        (void)cluster_source_fail(w->source, CLUSTER_E_INVALID, "no namespace: outside of a pod namespace= says it");
        return CLUSTER_E_INVALID;
    }
    w->namespace_ = clu_kube_put(&t, "$z", namespace_, NULL);
    w->token_file = clu_kube_put(&t, "$s/$z", account, "token");
    if (clu_web_variable(w, "CLUSTER_DOMAIN", domain, sizeof domain)) {
        char *last = domain + strlen(domain) - 1;
        if (*last == '.')
            *last = '\0';
        w->domain = clu_kube_put(&t, "$z", domain, NULL);
    } else {
        w->domain = clu_kube_put(&t, "$s.$z", cluster ? cluster : "cluster", "local");
    }
    clu_kube_server(w, &t);
    w->ca = ca ? ca : clu_kube_put(&t, "$s/$z", account, "ca.crt");
    authority = clu_web_file(w, w->ca, !ca);
    if (!authority)
        return CLUSTER_E_INVALID;
    w->new_ca = w->file_stamp != k->ca_stamp;
    k->ca_stamp = w->file_stamp;
    if (authority != w->file)
        w->ca = NULL; /* there is none */
    return t.cut ? CLUSTER_E_LIMIT : 0;
}

/* A request: what is asked for, which page, from which version on. */
CLU_FN void clu_kube_ask(struct clu_web *w, uint32_t slot, struct clu_text *url, struct cluster_request *r)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    static const char *const lookups[] = {"endpoints", "pods", "endpointslices"};
    const char *item = NULL, *limit = clu_web_get(w, "page");
    const char *labels = "?labelSelector=$q", *fields = "&fieldSelector=$q";
    bool slices = w->lookup == CLU_KUBE_SLICES;
    (void)slot;
    clu_compose(url, "$s/namespaces/$s/$s", slices ? "/apis/discovery.k8s.io/v1" : "/api/v1", w->namespace_,
                lookups[w->lookup]);
    while ((item = cluster_source_item(w->source, item)) != NULL) {
        clu_compose(url, labels, item);
        labels = "%2C$q";
    }
    if (*labels == '?') { /* by service alone */
        clu_compose(url, slices ? "?labelSelector=kubernetes.io%2Fservice-name%3D$q" : "?fieldSelector=metadata.name%3D$q",
                    clu_web_get(w, "service"));
        fields = slices ? fields : "%2C$q";
    }
    clu_web_option(w, url, fields, "field");
    if (w->watches) {
        clu_compose(url, "&watch=1&allowWatchBookmarks=true&timeoutSeconds=$u&resourceVersion=$q", CLU_KUBE_WATCH, k->version);
        r->timeout_ns = (CLU_KUBE_WATCH + 10) * CLU_SECOND;
        r->answer_size = UINT64_MAX;
    } else {
        clu_compose(url, "&limit=$s$s$q", limit ? limit : "500",
                    *w->page    ? "&continue="
                    : w->cached ? "&resourceVersion=0"
                                : "",
                    w->page);
    }
    /* a proxy before the API server, which is what speaks http, has a token of its own */
    if (!r->flags && strncmp(r->url, "https:", 6) != 0)
        r->secret = NULL;
    r->flags |= w->new_ca ? CLUSTER_REQUEST_FRESH : 0;
}

/* ---- the watch -------------------------------------------------------- */

/* Ask what has changed since the version, where that is wanted and known: 1, or 0 where it is not. */
CLU_CALLED int clu_kube_watch(struct clu_web *w)
{
    const struct clu_kube *k = (const struct clu_kube *)(const void *)w;
    int result;
    if (!w->watch || !*k->version)
        return 0;
    w->watches = true;
    w->follows = w->dirty = false;
    w->item_at = w->found.size;
    result = clu_web_go(w);
    w->json.many = true;
    w->busy = false;
    w->watches = result == 0;
    return result ? result : 1;
}

/* What a round begins with: a watch that goes on, or one that was interrupted, or a list. */
CLU_FN int clu_kube_before(struct clu_web *w)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    int result;
    if (w->watches && w->follows && cluster_source_same(w->source) == 0)
        return 1;
    w->fresh = w->follows = w->watches = false;
    w->item_at = 0;
    k->newer[0] = '\0';
    result = clu_kube_prepare(k);
    return result ? result : clu_kube_watch(w);
}

CLU_FN int clu_kube_published(struct clu_web *w)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    memcpy(k->version, k->newer, sizeof k->version);
    w->fresh = true;
    return clu_kube_watch(w);
}

/* The watch is over: in a moment it goes on where it was, or with a new list. */
CLU_FN int clu_kube_watch_ended(struct clu_kube *k, bool gone)
{
    struct clu_web *w = &k->web;
    if (gone)
        k->version[0] = '\0';
    w->watches = w->follows = false;
    (void)cluster_source_fetch(w->source, CLU_WEB_DOCUMENT, NULL);
    (void)cluster_source_timer(w->source, cluster_source_now(w->source) + CLU_KUBE_PAUSE);
    return 0;
}

/* There is no watch. Without one there are lists, round by round. */
CLU_FN int clu_kube_failed(struct clu_kube *k, const struct cluster_response *r)
{
    struct clu_web *w = &k->web;
    w->watches = false;
    if (r->status || w->fresh)
        k->version[0] = '\0';
    if (w->fresh) {
        if (!w->said)
            cluster_source_log(w->source, CLUSTER_LOG_WARN, r->why);
        w->said = true;
        return 0;
    }
    if (r->status == 410)
        return clu_web_ask(w);
    (void)cluster_source_fail(w->source, r->error, r->why);
    return r->error;
}

/* Something came of the watch. */
CLU_FN int clu_kube_came(struct clu_web *w)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    struct cluster_response r;
    int64_t got;
    int result;
    clu_web_response(w, CLU_WEB_DOCUMENT, &r);
    if (!w->follows && r.error)
        return r.error == CLUSTER_E_AGAIN ? 0 : clu_kube_failed(k, &r);
    if (!w->follows && cluster_source_same(w->source) != 0)
        return clu_kube_watch_ended(k, true);
    w->follows = true;
    got = clu_web_take(w, &result);
    if (!result && w->dirty)
        result = clu_found_publish(&w->found, SIZE_MAX);
    w->dirty = false;
    return !result && got == CLUSTER_E_AGAIN ? 0 : clu_kube_watch_ended(k, result != 0);
}

CLU_FN const char *clu_kube_refuses(const struct clu_web *w)
{
    if (clu_web_get(w, "service") || (w->mode != CLU_KUBE_MODE_HOSTNAME && cluster_source_item(w->source, NULL)))
        return NULL;
    return "kubernetes: needs a selector after its ':', as in kubernetes:app=web, or service=; mode=hostname needs service=";
}

static const struct clu_json_path clu_kube_paths[] = {
    CLU_PLACE(0, CLU_WEB_LIST, "items"),
    CLU_OBJECT(CLU_WEB_LIST, CLU_WEB_ITEM, NULL, struct clu_web, item),
    CLU_PLACE(0, CLU_KUBE_LIST_META, "metadata"),
    CLU_FIELD(CLU_KUBE_LIST_META, "resourceVersion", struct clu_kube, newer),
    CLU_PLACE(CLU_KUBE_LIST_META, CLU_WEB_PAGE, "continue"),
    /* of a watch */
    CLU_FIELD(0, "type", struct clu_kube, event),
    CLU_OBJECT(0, CLU_WEB_ITEM, "object", struct clu_web, item),
    CLU_FIELD(CLU_KUBE_META, "resourceVersion", struct clu_web, item.version),
    /* of every item */
    CLU_PLACE(CLU_WEB_ITEM, CLU_KUBE_META, "metadata"),
    CLU_FIELD(CLU_KUBE_META, "name", struct clu_web, item.key),
    CLU_FIELD(CLU_KUBE_META, "namespace", struct clu_web, item.namespace_),
    CLU_FIELD(CLU_KUBE_META, "deletionTimestamp", struct clu_web, item.ending),
    /* Endpoints */
    CLU_PLACE(CLU_WEB_ITEM, CLU_KUBE_SUBSETS, "subsets"),
    CLU_PLACE(CLU_KUBE_SUBSETS, CLU_KUBE_SUBSET, NULL),
    CLU_PLACE(CLU_KUBE_SUBSET, CLU_KUBE_ADDRESSES, "addresses"),
    CLU_PLACE(CLU_KUBE_SUBSET, CLU_KUBE_UNREADY, "notReadyAddresses"),
    CLU_OBJECT(CLU_KUBE_ADDRESSES, CLU_KUBE_ADDRESS, NULL, struct clu_kube, address),
    CLU_OBJECT(CLU_KUBE_UNREADY, CLU_KUBE_ADDRESS, NULL, struct clu_kube, address),
    CLU_FIELD(CLU_KUBE_ADDRESS, "ip", struct clu_kube, address.address),
    CLU_FIELD(CLU_KUBE_ADDRESS, "hostname", struct clu_kube, address.name),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_TARGET, "targetRef"),
    CLU_FIELD(CLU_KUBE_TARGET, "namespace", struct clu_kube, address.namespace_),
    /* EndpointSlices */
    CLU_PLACE(CLU_WEB_ITEM, CLU_KUBE_ADDRESSES, "endpoints"),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_IPS, "addresses"),
    CLU_FIELD(CLU_KUBE_IPS, NULL, struct clu_kube, address.address), /* of several the first */
    CLU_FIELD(CLU_KUBE_ADDRESS, "zone", struct clu_kube, address.zone),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_CONDITIONS, "conditions"),
    CLU_FIELD(CLU_KUBE_CONDITIONS, "ready", struct clu_kube, address.ready),
    CLU_FIELD(CLU_KUBE_CONDITIONS, "terminating", struct clu_kube, address.ending),
    /* Pods */
    CLU_PLACE(CLU_WEB_ITEM, CLU_KUBE_SPEC, "spec"),
    CLU_FIELD(CLU_KUBE_SPEC, "hostname", struct clu_web, item.name),
    CLU_PLACE(CLU_WEB_ITEM, CLU_KUBE_STATUS, "status"),
    CLU_FIELD(CLU_KUBE_STATUS, "podIP", struct clu_web, item.address),
    CLU_FIELD(CLU_KUBE_STATUS, "phase", struct clu_web, item.state),
    CLU_PLACE(CLU_KUBE_STATUS, CLU_KUBE_POD_CONDITIONS, "conditions"),
    CLU_OBJECT(CLU_KUBE_POD_CONDITIONS, CLU_KUBE_POD_CONDITION, NULL, struct clu_kube, condition),
    CLU_FIELD(CLU_KUBE_POD_CONDITION, "type", struct clu_kube, condition.type),
    CLU_FIELD(CLU_KUBE_POD_CONDITION, "status", struct clu_kube, condition.status),
    CLU_PLACE(0, 0, NULL),
};

static const struct clu_web_choice clu_kube_choices[] = {
    {"mode", "ip dns hostname", offsetof(struct clu_web, mode), 0},
    {"lookup", "endpoints pods endpointslices", offsetof(struct clu_web, lookup), 0},
    {"ready", "off on", offsetof(struct clu_web, ready), 1},
    {"cached", "off on", offsetof(struct clu_web, cached), 0},
    {NULL, NULL, 0, 0},
};

static const struct clu_web_kind clu_kube_kind = {sizeof(struct clu_kube),
                                                  clu_kube_refuses,
                                                  clu_kube_paths,
                                                  clu_kube_choices,
                                                  CLU_WEB_LIST,
                                                  ']',
                                                  NULL,
                                                  clu_kube_item,
                                                  clu_kube_token,
                                                  clu_kube_published,
                                                  clu_kube_ask,
                                                  "https://$s",
                                                  "",
                                                  "token",
                                                  "token-file",
                                                  "Authorization: Bearer ",
                                                  clu_kube_before,
                                                  {clu_kube_came, NULL, NULL},
                                                  NULL};

#endif
