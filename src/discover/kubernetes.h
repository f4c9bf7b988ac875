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

struct clu_kube {
    struct clu_web
        web; /* its item is a pod, or what has addresses; the owner's bytes of the nodes found are the hash of its name */
    uint8_t mode, lookup;
    bool all;          /* also those that are not ready */
    bool follows;      /* the watch has begun: what comes is a change */
    bool dirty;        /* the list is another one than was published */
    bool fresh;        /* the round has ended with a list, the watch is its sequel */
    bool said;         /* that there is no watch */
    bool unready_list; /* the addresses at hand are not ready */
    bool new_ca;       /* the authority is not the one of the request before */
    uint64_t ca_stamp;
    size_t item_at; /* where the nodes of the item at hand begin */
    struct clu_web_item address;
    struct {
        char type[16], status[8];
    } condition;
    char event[16], changed[64], version[64],
        newer[64]; /* versions: of the item at hand, of the list, of the list that comes */
    char namespace_[64], domain[128], server[512], token[512], ca[512];
};

/* ---- nodes ------------------------------------------------------------ */

/* A node more, of the item at hand. */
CLU_FN int clu_kube_add(struct clu_kube *k, const struct clu_web_item *f)
{
    struct clu_web *w = &k->web;
    bool ending = f->ending == '"' || f->ending == 't'; /* a time, or a truth */
    bool over = strcmp(f->state, "Succeeded") == 0 || strcmp(f->state, "Failed") == 0;
    bool named = k->mode == CLU_KUBE_MODE_HOSTNAME;
    const char *namespace_ = *f->namespace_ ? f->namespace_ : *w->item.namespace_ ? w->item.namespace_ : k->namespace_;
    struct cluster_address address;
    char name[2 * (CLU_NAME_MAX + 1)], *at;
    struct clu_text t = clu_text_on(name, sizeof name);
    if (((f->ready == 'f' && !ending) || k->unready_list) && !k->all)
        return 0;
    if (over || !clu_address_parse(clu_slice_str(f->address), &address) || (named && !*f->name)) {
        if (!over && *f->address)
            cluster_source_drop(w->source);
        return 0;
    }
    clu_text_add(&t, named ? f->name : f->address);
    if (named)
        clu_compose(&t, ".$s.$s.svc.$s", clu_web_get(w, "service"), namespace_, k->domain);
    if (k->mode == CLU_KUBE_MODE_DNS) {
        while ((at = strpbrk(name, ".:")) != NULL)
            *at = '-';
        clu_compose(&t, ".$s.pod.$s", namespace_, k->domain);
    }
    return clu_found_add(&w->found, name, f->address, f->zone, ending);
}

/* The item at hand has ended: its nodes get its name, and in a watch those that it had before go. */
CLU_FN void clu_kube_settle(struct clu_kube *k)
{
    struct clu_found *l = &k->web.found;
    const char *name = k->web.item.key;
    uint64_t object = clu_hash64(name, strlen(name), 0);
    size_t at, next, kept = k->follows ? 0 : k->item_at;
    for (at = kept; at < l->size; at = next) {
        next = clu_found_next(l, at);
        if (at >= k->item_at)
            memcpy(l->bytes + at, &object, 8);
        else if (memcmp(l->bytes + at, &object, 8) == 0)
            continue;
        memmove(l->bytes + kept, l->bytes + at, next - at);
        kept += next - at;
    }
    k->item_at = l->size = kept;
}

CLU_FN int clu_kube_item(struct clu_web *w)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    int result = k->lookup == CLU_KUBE_PODS ? clu_kube_add(k, &w->item) : 0;
    if (!k->follows)
        clu_kube_settle(k);
    return result;
}

/* An event has ended; of one that says an error the version is too old. */
CLU_FN int clu_kube_event(struct clu_kube *k)
{
    if (strcmp(k->event, "ERROR") == 0)
        return CLUSTER_E_PROTOCOL;
    if (!*k->web.item.key || strcmp(k->event, "DELETED") == 0)
        k->web.found.size = k->item_at;
    if (*k->web.item.key) {
        clu_kube_settle(k);
        k->dirty = true;
    }
    if (*k->changed)
        memcpy(k->version, k->changed, sizeof k->version);
    return 0;
}

CLU_FN int clu_kube_token(struct clu_web *w, int token)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    bool begins = token == '{', ends = token == '}';
    switch (w->json.id) {
    case 0:
        if (begins) {
            memset(&w->item, 0, sizeof w->item);
            k->event[0] = k->changed[0] = '\0';
        }
        return ends && k->follows ? clu_kube_event(k) : 0;
    case CLU_KUBE_UNREADY:
        k->unready_list = token == '[';
        break;
    case CLU_KUBE_ADDRESS:
        if (begins)
            memset(&k->address, 0, sizeof k->address);
        return ends && k->lookup != CLU_KUBE_PODS ? clu_kube_add(k, &k->address) : 0;
    case CLU_KUBE_POD_CONDITION:
        if (begins)
            memset(&k->condition, 0, sizeof k->condition);
        else if (strcmp(k->condition.type, "Ready") == 0 && strcmp(k->condition.status, "False") == 0)
            w->item.ready = 'f';
        break;
    default:
        break;
    }
    return 0;
}

/* ---- requests --------------------------------------------------------- */

/* The server, as in a URL without its path. */
CLU_FN void clu_kube_server(struct clu_kube *k)
{
    const char *master = clu_web_get(&k->web, "master"), *text = master;
    struct clu_text t = clu_text_on(k->server, sizeof k->server);
    size_t length, domain = strlen(k->domain);
    struct cluster_address address;
    char host[128], port[16];
    bool known, parsed;
    known = !master && clu_web_variable(&k->web, "KUBERNETES_SERVICE_HOST", host, sizeof host);
    if (!master)
        text = known ? host : "kubernetes.default.svc";
    length = strlen(text);
    parsed = clu_address_parse(clu_slice_str(text), &address);
    clu_compose(&t, strstr(text, "://") ? "$s" : parsed && address.family == 6 ? "https://[$s]" : "https://$s", text);
    /* as libcluster completes the name of a master */
    if (!known && !parsed && !strchr(text, ':') && text[length - 1] != '.' &&
        !(length >= domain && strcmp(text + length - domain, k->domain) == 0))
        clu_compose(&t, ".$s", k->domain);
    if (!master && clu_web_variable(&k->web, "KUBERNETES_SERVICE_PORT", port, sizeof port))
        clu_compose(&t, ":$s", port);
    k->web.server = k->server;
}

/* What stands around the request: namespace, domain, server, token, authority. */
CLU_FN int clu_kube_prepare(struct clu_kube *k)
{
    struct clu_web *w = &k->web;
    struct cluster_source *s = w->source;
    const struct cluster_io *io = cluster_source_io(s);
    const char *namespace_ = cluster_source_option(s, "namespace"), *cluster = cluster_source_option(s, "cluster"),
               *account = cluster_source_option(s, "account"), *ca = cluster_source_option(s, "ca");
    struct clu_text t;
    uint64_t stamp = k->ca_stamp;
    int64_t size;
    account = account ? account : CLU_KUBE_ACCOUNT;
    if (!namespace_) {
        clu_compose(clu_text_in(&t, k->token, sizeof k->token), "$s/namespace", account);
        size = clu_web_file(w, k->token, 0, true);
        if (size < 0)
            return (int)size;
        namespace_ = w->file;
    }
    clu_text_add(clu_text_in(&t, k->namespace_, sizeof k->namespace_), namespace_);
    if (!t.length || t.cut || strpbrk(namespace_, "/?&# %"))
        return clu_round_fail(s, CLUSTER_E_INVALID, "no namespace: outside of a pod namespace= says it", clu_slice_of(NULL, 0),
                              "");
    clu_compose(clu_text_in(&t, k->token, sizeof k->token), "$s/token", account);
    w->token_path = k->token;
    if (!clu_web_variable(w, "CLUSTER_DOMAIN", k->domain, sizeof k->domain)) {
        clu_compose(clu_text_in(&t, k->domain, sizeof k->domain), "$s.local", cluster ? cluster : "cluster");
    } else if (k->domain[strlen(k->domain) - 1] == '.') {
        k->domain[strlen(k->domain) - 1] = '\0';
    }
    clu_kube_server(k);
    clu_compose(clu_text_in(&t, k->ca, sizeof k->ca), ca ? "" : "$s/ca.crt", account);
    size = io->read_file(io->ctx, ca ? ca : k->ca, NULL, 0, &stamp);
    if (size < 0 && size != CLUSTER_E_AGAIN)
        k->ca[0] = '\0';
    k->new_ca = stamp != k->ca_stamp;
    k->ca_stamp = stamp;
    return 0;
}

/* A request: what is asked for, which page, from which version on. */
CLU_FN void clu_kube_ask(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    static const char *const lookups[] = {"/api/v1/namespaces/$s/endpoints", "/api/v1/namespaces/$s/pods",
                                          "/apis/discovery.k8s.io/v1/namespaces/$s/endpointslices"};
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    const char *item = NULL, *service = clu_web_get(w, "service"), *page = clu_web_get(w, "page");
    const char *labels = "?labelSelector=$q", *fields = "&fieldSelector=$q";
    clu_compose(url, lookups[k->lookup], k->namespace_);
    while ((item = cluster_source_item(w->source, item)) != NULL) {
        clu_compose(url, labels, item);
        labels = "%2C$q";
    }
    if (!cluster_source_item(w->source, NULL)) { /* by service alone */
        bool slices = k->lookup == CLU_KUBE_SLICES;
        clu_compose(url, slices ? "?labelSelector=kubernetes.io%2Fservice-name%3D$q" : "?fieldSelector=metadata.name%3D$q",
                    service);
        fields = slices ? fields : "%2C$q";
    }
    clu_web_option(w, url, fields, "field");
    if (w->watches) {
        clu_compose(url, "&watch=1&allowWatchBookmarks=true&timeoutSeconds=$u&resourceVersion=$q", CLU_KUBE_WATCH, k->version);
        r->timeout_ns = (CLU_KUBE_WATCH + 10) * CLU_SECOND;
        r->answer_size = UINT64_MAX;
    } else {
        clu_compose(url, "&limit=$s", page ? page : "500");
        if (*w->page)
            clu_compose(url, "&continue=$q", w->page);
        else if (clu_web_on(w, "cached"))
            clu_text_add(url, "&resourceVersion=0");
    }
    if (*k->ca)
        r->ca = k->ca;
    /* a proxy before the API server, which is what speaks http, has a token of its own */
    if (!r->flags && strncmp(w->url, "https:", 6) != 0)
        r->secret = NULL;
    r->flags |= k->new_ca ? CLUSTER_REQUEST_FRESH : 0;
}

/* ---- the watch -------------------------------------------------------- */

/* Ask what has changed since the version. */
CLU_FN int clu_kube_watch(struct clu_kube *k)
{
    int result;
    k->web.watches = true;
    k->follows = k->dirty = false;
    k->item_at = k->web.found.size;
    result = clu_web_go(&k->web);
    k->web.json.many = true;
    k->web.busy = false;
    k->web.watches = result == 0;
    return result;
}

/* What a round begins with: a watch that goes on, or one that was interrupted, or a list. */
CLU_FN int clu_kube_before(struct clu_web *w)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    int result;
    if (w->watches && k->follows && cluster_source_same(w->source) == 0)
        return 1;
    k->fresh = k->follows = w->watches = false;
    k->item_at = 0;
    k->newer[0] = '\0';
    result = clu_kube_prepare(k);
    if (result || !w->watch || !*k->version)
        return result;
    result = clu_kube_watch(k);
    return result ? result : 1;
}

CLU_FN int clu_kube_published(struct clu_web *w)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    memcpy(k->version, k->newer, sizeof k->version);
    k->fresh = true;
    return w->watch && *k->version ? clu_kube_watch(k) : 0;
}

/* The watch is over: in a moment it goes on where it was, or with a new list. */
CLU_FN int clu_kube_watch_ended(struct clu_kube *k, bool gone)
{
    if (gone)
        k->version[0] = '\0';
    k->web.watches = k->follows = false;
    (void)cluster_source_fetch(k->web.source, CLU_WEB_DOCUMENT, NULL);
    (void)cluster_source_timer(k->web.source, cluster_source_now(k->web.source) + CLU_KUBE_PAUSE);
    return 0;
}

/* There is no watch. Without one there are lists, round by round. */
CLU_FN int clu_kube_failed(struct clu_kube *k, const struct cluster_response *r)
{
    k->web.watches = false;
    if (r->status || k->fresh)
        k->version[0] = '\0';
    if (k->fresh) {
        if (!k->said)
            cluster_source_log(k->web.source, CLUSTER_LOG_WARN, r->why);
        k->said = true;
        return 0;
    }
    if (r->status == 410)
        return clu_web_ask(&k->web);
    return clu_round_fail(k->web.source, r->error, "$", clu_slice_of(NULL, 0), r->why);
}

/* Something came of the watch. */
CLU_FN int clu_kube_other(struct clu_web *w, uint32_t slot)
{
    struct clu_kube *k = (struct clu_kube *)(void *)w;
    struct cluster_response r;
    const void *data;
    int64_t got;
    memset(&r, 0, sizeof r);
    r.size = (uint32_t)sizeof r;
    if (cluster_source_fetched(w->source, slot, &r) < 0)
        return 0;
    if (!k->follows && r.error)
        return r.error == CLUSTER_E_AGAIN ? 0 : clu_kube_failed(k, &r);
    if (!k->follows && cluster_source_same(w->source) != 0)
        return clu_kube_watch_ended(k, true);
    k->follows = true;
    while ((got = cluster_source_body(w->source, slot, &data)) > 0)
        if (clu_web_feed(w, data, (size_t)got))
            return clu_kube_watch_ended(k, true);
    if (k->dirty && clu_found_publish(&w->found, SIZE_MAX))
        return clu_kube_watch_ended(k, true);
    k->dirty = false;
    return got == CLUSTER_E_AGAIN ? 0 : clu_kube_watch_ended(k, false);
}

CLU_FN int clu_kube_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    static const struct clu_json_path paths[] = {
        CLU_PLACE(0, CLU_WEB_LIST, "items"),
        CLU_PLACE(CLU_WEB_LIST, CLU_WEB_ITEM, NULL),
        CLU_PLACE(0, CLU_KUBE_LIST_META, "metadata"),
        CLU_FIELD(CLU_KUBE_LIST_META, "resourceVersion", struct clu_kube, newer),
        CLU_PLACE(CLU_KUBE_LIST_META, CLU_WEB_PAGE, "continue"),
        /* of a watch */
        CLU_FIELD(0, "type", struct clu_kube, event),
        CLU_PLACE(0, CLU_WEB_ITEM, "object"),
        CLU_FIELD(CLU_KUBE_META, "resourceVersion", struct clu_kube, changed),
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
        CLU_PLACE(CLU_KUBE_ADDRESSES, CLU_KUBE_ADDRESS, NULL),
        CLU_PLACE(CLU_KUBE_UNREADY, CLU_KUBE_ADDRESS, NULL),
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
        CLU_PLACE(CLU_KUBE_POD_CONDITIONS, CLU_KUBE_POD_CONDITION, NULL),
        CLU_FIELD(CLU_KUBE_POD_CONDITION, "type", struct clu_kube, condition.type),
        CLU_FIELD(CLU_KUBE_POD_CONDITION, "status", struct clu_kube, condition.status),
        CLU_PLACE(0, 0, NULL),
    };
    static const struct clu_web_kind kind = {sizeof(struct clu_kube),
                                             paths,
                                             CLU_WEB_LIST,
                                             ']',
                                             NULL,
                                             clu_kube_item,
                                             clu_kube_token,
                                             NULL,
                                             clu_kube_published,
                                             clu_kube_ask,
                                             "",
                                             "Authorization: Bearer ",
                                             clu_kube_before,
                                             clu_kube_other,
                                             NULL,
                                             NULL};
    const char *why = NULL;
    struct clu_kube *k;
    uint8_t mode = (uint8_t)clu_choice(s, "mode", "ip dns hostname", 0);
    bool service = cluster_source_option(s, "service") != NULL;
    int result;
    (void)ctx;
    (void)target;
    if (mode == CLU_KUBE_MODE_HOSTNAME && !service)
        why = "mode=hostname needs service=, the headless service by which the pods have names";
    else if (!cluster_source_item(s, NULL) && !service)
        why = "kubernetes: needs a selector after its ':', as in kubernetes:app=web, or service=";
    if (why)
        return clu_round_fail(s, CLUSTER_E_INVALID, why, clu_slice_of(NULL, 0), "");
    result = clu_web_open(s, &kind, state);
    if (result)
        return result;
    k = (struct clu_kube *)*state;
    k->mode = mode;
    k->lookup = (uint8_t)clu_choice(s, "lookup", "endpoints pods endpointslices", 0);
    k->all = clu_choice(s, "ready", "off on", 1) == 0;
    return 0;
}

#endif
