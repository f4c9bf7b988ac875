/*
 * kubernetes: the pods behind a selector, as the API server lists them: as Endpoints, as EndpointSlices, or as Pods. A list comes in
 * pages and is read as a stream, of which the nodes alone are kept. With watch=on the list is followed by a watch from its version on.
 *
 *           list, page by page                   changes
 *   round ------------------> publish -> WATCH ----------> publish
 *     ^                                   |  ends: again from the last version
 *     +-----------------------------------+  gone (410): a new list
 *
 * Token, namespace and authority are read for each request, since they change under a running pod. It never sends the token to a
 * server that was not verified.
 */
#ifndef CLU_DISCOVER_KUBERNETES_H
#define CLU_DISCOVER_KUBERNETES_H

#include "../net/lookup.h"
#include "../wire/compose.h"
#include "../wire/json.h"
#include "found.h"

#define CLU_KUBE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define CLU_KUBE_WATCH 290u       /* seconds that a watch is asked for */
#define CLU_KUBE_PAUSE CLU_SECOND /* between two watches */
#define CLU_KUBE_TEXT 1024        /* bytes of a text that is kept: the token of the next page is the longest */

/* Places in the documents. Endpoints and EndpointSlices share those of their addresses. */
enum {
    CLU_KUBE_META = 1,
    CLU_KUBE_VERSION,
    CLU_KUBE_CONTINUE,
    CLU_KUBE_ITEMS,
    CLU_KUBE_ITEM,
    CLU_KUBE_TYPE,
    CLU_KUBE_CODE,
    CLU_KUBE_ITEM_META,
    CLU_KUBE_NAME,
    CLU_KUBE_NAMESPACE,
    CLU_KUBE_ENDING,
    CLU_KUBE_SUBSETS,
    CLU_KUBE_SUBSET,
    CLU_KUBE_ADDRESSES,
    CLU_KUBE_UNREADY,
    CLU_KUBE_ADDRESS,
    CLU_KUBE_IPS,
    CLU_KUBE_IP,
    CLU_KUBE_HOSTNAME,
    CLU_KUBE_ZONE,
    CLU_KUBE_TARGET,
    CLU_KUBE_CONDITIONS,
    CLU_KUBE_READY,
    CLU_KUBE_SPEC,
    CLU_KUBE_STATUS,
    CLU_KUBE_PHASE,
    CLU_KUBE_POD_CONDITIONS,
    CLU_KUBE_POD_CONDITION,
    CLU_KUBE_CONDITION,
    CLU_KUBE_IS
};

enum { CLU_KUBE_MODE_IP, CLU_KUBE_MODE_DNS, CLU_KUBE_MODE_HOSTNAME };
enum { CLU_KUBE_ENDPOINTS, CLU_KUBE_PODS, CLU_KUBE_SLICES };
enum { CLU_KUBE_RESTS, CLU_KUBE_LISTS, CLU_KUBE_PUBLISHES, CLU_KUBE_ASKS, CLU_KUBE_WATCHES };

/* What is known of an address, or of a pod, so far. */
struct clu_kube_address {
    bool unready, ending, over;
    char ip[CLU_ADDRESS_TEXT], hostname[64], namespace_[64], zone[64];
};

struct clu_kube {
    struct cluster_source *source;
    uint8_t mode, lookup, phase;
    bool watch, all; /* all: also those that are not ready */
    bool listed;     /* the document has items */
    bool gone;       /* the version is too old */
    bool deleted;    /* the object of the event was */
    bool dirty;      /* the list is another one than was published */
    bool fresh;      /* the round has ended with a list, the watch is its sequel */
    bool said;       /* that there is no watch */
    bool unready_list, is_ready, is_false;
    uint64_t ca_stamp, object; /* object: the hash of the name of the item at hand */
    struct clu_found found;    /* its owner's bytes are the hash of the object */
    size_t item_at;            /* where those of the item at hand begin */
    char *url;
    size_t url_capacity;
    char *file, *token;
    size_t file_capacity, token_capacity;
    struct clu_kube_address item, address;
    struct clu_json json;
    char version[64], newer[64], namespace_[64], domain[128], page[CLU_KUBE_TEXT], text[CLU_KUBE_TEXT];
};

CLU_FN void clu_kube_close(void *state)
{
    struct clu_kube *k = (struct clu_kube *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(k->source);
    clu_wipe(k->token, k->token_capacity);
    clu_wipe(k->file, k->file_capacity);
    clu_found_free(&k->found);
    clu_free(memory, k->url, k->url_capacity);
    clu_free(memory, k->file, k->file_capacity);
    clu_free(memory, k->token, k->token_capacity);
    clu_free(memory, k, sizeof *k);
}

CLU_FN int clu_kube_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const char *why = NULL;
    struct clu_kube *k;
    uint8_t mode = (uint8_t)clu_choice(s, "mode", "ip dns hostname", 0);
    bool service = cluster_source_option(s, "service") != NULL;
    (void)ctx;
    (void)target;
    if (mode == CLU_KUBE_MODE_HOSTNAME && !service)
        why = "mode=hostname needs service=, the headless service by which the pods have names";
    else if (!cluster_source_item(s, NULL) && !service)
        why = "kubernetes: needs a selector after its ':', as in kubernetes:app=web, or service=";
    if (why)
        return clu_round_fail(s, CLUSTER_E_INVALID, why, clu_slice_of(NULL, 0), "");
    if (clu_state_new(s, sizeof *k, state))
        return CLUSTER_E_MEMORY;
    k = (struct clu_kube *)*state;
    k->found.source = s;
    k->mode = mode;
    k->lookup = (uint8_t)clu_choice(s, "lookup", "endpoints pods endpointslices", 0);
    k->watch = clu_choice(s, "watch", "off on", 0) != 0;
    k->all = clu_choice(s, "ready", "off on", 1) == 0;
    if (k->watch)
        (void)cluster_source_streams(s);
    return 0;
}

/* ---- nodes ------------------------------------------------------------ */

/* A node more, of the item at hand. */
CLU_FN int clu_kube_add(struct clu_kube *k, const struct clu_kube_address *f)
{
    struct cluster_address address;
    struct clu_text t;
    size_t i;
    const char *namespace_ = *f->namespace_ ? f->namespace_ : k->namespace_;
    if (((f->unready && !f->ending) || k->unready_list) && !k->all)
        return 0;
    if (f->over || !clu_address_parse(clu_slice_str(f->ip), &address) || (k->mode == CLU_KUBE_MODE_HOSTNAME && !*f->hostname)) {
        if (!f->over && *f->ip)
            cluster_source_drop(k->source);
        return 0;
    }
    if (!clu_found_begin(&k->found, &t, f->ending))
        return CLUSTER_E_MEMORY;
    clu_text_add(&t, k->mode == CLU_KUBE_MODE_HOSTNAME ? f->hostname : f->ip);
    for (i = 0; k->mode == CLU_KUBE_MODE_DNS && i < t.length; i++)
        if (t.data[i] == '.' || t.data[i] == ':')
            t.data[i] = '-';
    if (k->mode == CLU_KUBE_MODE_HOSTNAME)
        clu_compose(&t, ".$s.$s.svc.$s", cluster_source_option(k->source, "service"), namespace_, k->domain);
    if (k->mode == CLU_KUBE_MODE_DNS)
        clu_compose(&t, ".$s.pod.$s", namespace_, k->domain);
    return clu_found_end(&k->found, &t, f->ip, f->zone);
}

/* The item at hand has ended: its nodes get its name, and in a watch those that it had before go. */
CLU_FN void clu_kube_settle(struct clu_kube *k)
{
    size_t at, next, kept = 0;
    if (k->phase == CLU_KUBE_WATCHES && k->deleted)
        k->found.size = k->item_at;
    for (at = k->item_at; at < k->found.size; at = clu_found_next(&k->found, at))
        memcpy(k->found.bytes + at, &k->object, 8);
    if (k->phase != CLU_KUBE_WATCHES)
        return;
    for (at = 0; at < k->found.size; at = next) {
        next = clu_found_next(&k->found, at);
        if (at < k->item_at && memcmp(k->found.bytes + at, &k->object, 8) == 0)
            continue;
        memmove(k->found.bytes + kept, k->found.bytes + at, next - at);
        kept += next - at;
    }
    k->found.size = kept;
    k->dirty = true;
}

/* ---- documents -------------------------------------------------------- */

static const struct clu_json_path clu_kube_paths[] = {
    CLU_PLACE(0, CLU_KUBE_ITEMS, "items"),
    CLU_PLACE(CLU_KUBE_ITEMS, CLU_KUBE_ITEM, NULL),
    CLU_PLACE(0, CLU_KUBE_META, "metadata"),
    CLU_PLACE(CLU_KUBE_META, CLU_KUBE_VERSION, "resourceVersion"),
    CLU_PLACE(CLU_KUBE_META, CLU_KUBE_CONTINUE, "continue"),
    /* of a watch */
    CLU_PLACE(0, CLU_KUBE_TYPE, "type"),
    CLU_PLACE(0, CLU_KUBE_ITEM, "object"),
    CLU_PLACE(CLU_KUBE_ITEM, CLU_KUBE_CODE, "code"),
    CLU_PLACE(CLU_KUBE_ITEM_META, CLU_KUBE_VERSION, "resourceVersion"),
    /* of every item */
    CLU_PLACE(CLU_KUBE_ITEM, CLU_KUBE_ITEM_META, "metadata"),
    CLU_PLACE(CLU_KUBE_ITEM_META, CLU_KUBE_NAME, "name"),
    CLU_PLACE(CLU_KUBE_ITEM_META, CLU_KUBE_NAMESPACE, "namespace"),
    CLU_PLACE(CLU_KUBE_ITEM_META, CLU_KUBE_ENDING, "deletionTimestamp"),
    /* Endpoints */
    CLU_PLACE(CLU_KUBE_ITEM, CLU_KUBE_SUBSETS, "subsets"),
    CLU_PLACE(CLU_KUBE_SUBSETS, CLU_KUBE_SUBSET, NULL),
    CLU_PLACE(CLU_KUBE_SUBSET, CLU_KUBE_ADDRESSES, "addresses"),
    CLU_PLACE(CLU_KUBE_SUBSET, CLU_KUBE_UNREADY, "notReadyAddresses"),
    CLU_PLACE(CLU_KUBE_ADDRESSES, CLU_KUBE_ADDRESS, NULL),
    CLU_PLACE(CLU_KUBE_UNREADY, CLU_KUBE_ADDRESS, NULL),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_IP, "ip"),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_HOSTNAME, "hostname"),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_TARGET, "targetRef"),
    CLU_PLACE(CLU_KUBE_TARGET, CLU_KUBE_NAMESPACE, "namespace"),
    /* EndpointSlices */
    CLU_PLACE(CLU_KUBE_ITEM, CLU_KUBE_ADDRESSES, "endpoints"),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_IPS, "addresses"),
    CLU_PLACE(CLU_KUBE_IPS, CLU_KUBE_IP, NULL),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_ZONE, "zone"),
    CLU_PLACE(CLU_KUBE_ADDRESS, CLU_KUBE_CONDITIONS, "conditions"),
    CLU_PLACE(CLU_KUBE_CONDITIONS, CLU_KUBE_READY, "ready"),
    CLU_PLACE(CLU_KUBE_CONDITIONS, CLU_KUBE_ENDING, "terminating"),
    /* Pods */
    CLU_PLACE(CLU_KUBE_ITEM, CLU_KUBE_SPEC, "spec"),
    CLU_PLACE(CLU_KUBE_SPEC, CLU_KUBE_HOSTNAME, "hostname"),
    CLU_PLACE(CLU_KUBE_ITEM, CLU_KUBE_STATUS, "status"),
    CLU_PLACE(CLU_KUBE_STATUS, CLU_KUBE_IP, "podIP"),
    CLU_PLACE(CLU_KUBE_STATUS, CLU_KUBE_PHASE, "phase"),
    CLU_PLACE(CLU_KUBE_STATUS, CLU_KUBE_POD_CONDITIONS, "conditions"),
    CLU_PLACE(CLU_KUBE_POD_CONDITIONS, CLU_KUBE_POD_CONDITION, NULL),
    CLU_PLACE(CLU_KUBE_POD_CONDITION, CLU_KUBE_CONDITION, "type"),
    CLU_PLACE(CLU_KUBE_POD_CONDITION, CLU_KUBE_IS, "status"),
    CLU_PLACE(0, 0, NULL),
};

/* The text of the token into a field; what does not fit there is left out. */
CLU_FN void clu_kube_take(const struct clu_kube *k, int token, char *out, size_t room)
{
    if (token == '"' && !k->json.cut && k->json.length < room && !*out)
        memcpy(out, k->text, k->json.length + 1);
}

/* A value that is no container. */
CLU_FN void clu_kube_text(struct clu_kube *k, int token)
{
    bool pods = k->lookup == CLU_KUBE_PODS;
    struct clu_kube_address *f = pods ? &k->item : &k->address;
    switch (k->json.id) {
    case CLU_KUBE_VERSION:
        if (k->phase != CLU_KUBE_WATCHES && k->json.places[k->json.depth - 1] == CLU_KUBE_ITEM_META)
            break; /* of a list its own counts */
        k->newer[0] = '\0';
        clu_kube_take(k, token, k->newer, sizeof k->newer);
        break;
    case CLU_KUBE_ITEM: /* no object */
        k->gone = true;
        break;
    case CLU_KUBE_CONTINUE:
        clu_kube_take(k, token, k->page, sizeof k->page);
        k->gone = k->gone || k->json.cut;
        break;
    case CLU_KUBE_TYPE:
        k->deleted = token == '"' && strcmp(k->text, "DELETED") == 0;
        k->gone = k->gone || (token == '"' && strcmp(k->text, "ERROR") == 0);
        break;
    case CLU_KUBE_NAME:
        k->object = clu_hash64(k->text, k->json.length, 0);
        break;
    case CLU_KUBE_NAMESPACE: /* that of the pod counts, which targetRef has, or else that of the item */
        if (k->json.places[k->json.depth - 1] == CLU_KUBE_TARGET)
            f->namespace_[0] = '\0';
        else
            f = &k->item;
        clu_kube_take(k, token, f->namespace_, sizeof f->namespace_);
        break;
    case CLU_KUBE_ENDING: /* a time, or a truth */
        if (k->json.places[k->json.depth - 1] == CLU_KUBE_ITEM_META)
            f = &k->item;
        f->ending = f->ending || token == '"' || token == 't';
        break;
    case CLU_KUBE_IP: /* of several addresses of an endpoint the first */
        clu_kube_take(k, token, f->ip, sizeof f->ip);
        break;
    case CLU_KUBE_HOSTNAME:
        clu_kube_take(k, token, f->hostname, sizeof f->hostname);
        break;
    case CLU_KUBE_ZONE:
        clu_kube_take(k, token, f->zone, sizeof f->zone);
        break;
    case CLU_KUBE_READY:
        f->unready = token == 'f';
        break;
    case CLU_KUBE_PHASE:
        f->over = strcmp(k->text, "Succeeded") == 0 || strcmp(k->text, "Failed") == 0;
        break;
    case CLU_KUBE_CONDITION:
        k->is_ready = token == '"' && strcmp(k->text, "Ready") == 0;
        break;
    case CLU_KUBE_IS:
        k->is_false = token == '"' && strcmp(k->text, "False") == 0;
        break;
    default:
        break;
    }
}

CLU_FN int clu_kube_token(struct clu_kube *k, int token)
{
    bool pods = k->lookup == CLU_KUBE_PODS;
    int result = 0;
    if (token != '{' && token != '}' && token != '[' && token != ']') {
        clu_kube_text(k, token);
        return 0;
    }
    switch (k->json.id) {
    case 0:
        if (token == '{') {
            k->deleted = false;
            k->item_at = k->found.size;
            k->object = 0;
        } else if (token == '}' && k->phase == CLU_KUBE_WATCHES && !k->gone) {
            if (k->object)
                clu_kube_settle(k);
            memcpy(k->version, k->newer, sizeof k->version);
        }
        break;
    case CLU_KUBE_ITEMS:
        k->listed = token == ']';
        break;
    case CLU_KUBE_ITEM:
        if (token == '{') {
            memset(&k->item, 0, sizeof k->item);
            k->unready_list = false;
            k->item_at = k->found.size;
            k->object = 0;
            break;
        }
        if (pods)
            result = clu_kube_add(k, &k->item);
        if (k->phase != CLU_KUBE_WATCHES)
            clu_kube_settle(k);
        break;
    case CLU_KUBE_UNREADY:
        k->unready_list = token == '[';
        break;
    case CLU_KUBE_ADDRESS:
        if (token == '{') {
            memset(&k->address, 0, sizeof k->address);
            break;
        }
        if (!*k->address.namespace_)
            memcpy(k->address.namespace_, k->item.namespace_, sizeof k->address.namespace_);
        if (!pods)
            result = clu_kube_add(k, &k->address);
        break;
    case CLU_KUBE_POD_CONDITION:
        if (token == '}' && k->is_ready && k->is_false)
            k->item.unready = true;
        k->is_ready = k->is_false = false;
        break;
    default:
        break;
    }
    return result;
}

/* ---- requests --------------------------------------------------------- */

/* A file of the service account, or one named by an option, trimmed and ended by NUL; an empty text where there is none. */
CLU_FN int clu_kube_file(struct clu_kube *k, const char *option, const char *name)
{
    const char *path = cluster_source_option(k->source, option), *account = cluster_source_option(k->source, "account");
    char buffer[512];
    struct clu_text t = clu_text_on(buffer, sizeof buffer);
    const struct cluster_io *io = cluster_source_io(k->source);
    uint64_t stamp = 0;
    int64_t size;
    if (!path) {
        clu_text_add(&t, account ? account : CLU_KUBE_ACCOUNT);
        clu_text_add(&t, name);
        path = buffer;
    }
    size = clu_read_file(io, cluster_source_allocator(k->source), path, &k->file, &k->file_capacity, 1, &stamp);
    if (size == CLUSTER_E_NOT_FOUND && path == buffer)
        size = 0;
    if (size < 0)
        return clu_round_fail(k->source, (int)size, "cannot read '#': $", clu_slice_str(path), cluster_strerror((int)size));
    while (size && (unsigned char)k->file[size - 1] <= ' ')
        size--;
    if (!k->file && !clu_reserve(cluster_source_allocator(k->source), &k->file, &k->file_capacity, 1, 1))
        return CLUSTER_E_MEMORY;
    k->file[size] = '\0';
    return 0;
}

/* The server, as in a URL without its path. */
CLU_FN void clu_kube_server(const struct clu_kube *k, struct clu_text *t)
{
    const struct cluster_io *io = cluster_source_io(k->source);
    const char *master = cluster_source_option(k->source, "master");
    struct cluster_address address;
    struct clu_slice text = clu_slice_str(master ? master : "");
    size_t domain = strlen(k->domain);
    char host[128], port[16];
    bool found = false, parsed;
    if (text.length && (clu_slice_starts(text, "http://") || clu_slice_starts(text, "https://"))) {
        clu_text_bytes(t, master, text.length - (text.at[text.length - 1] == '/'));
        return;
    }
    clu_text_add(t, "https://");
    host[0] = port[0] = '\0';
    if (!master) {
        (void)io->environment(io->ctx, "KUBERNETES_SERVICE_HOST", host, sizeof host);
        (void)io->environment(io->ctx, "KUBERNETES_SERVICE_PORT", port, sizeof port);
        found = *host != '\0';
        text = clu_slice_str(found ? host : "kubernetes.default.svc");
    }
    parsed = clu_address_parse(text, &address);
    if (parsed && address.family == 6) {
        clu_text_add(t, "[");
        clu_text_bytes(t, text.at, text.length);
        clu_text_add(t, "]");
    } else {
        clu_text_bytes(t, text.at, text.length);
        /* as libcluster completes the name of a master */
        if (!found && text.length && !parsed && !strchr(text.at, ':') && text.at[text.length - 1] != '.' &&
            !(text.length >= domain && memcmp(text.at + text.length - domain, k->domain, domain) == 0)) {
            clu_text_add(t, ".");
            clu_text_add(t, k->domain);
        }
    }
    if (*port) {
        clu_text_add(t, ":");
        clu_text_add(t, port);
    }
}

/* The query: what is asked for, which page, from which version on. */
CLU_FN void clu_kube_query(struct clu_kube *k, struct clu_text *t, bool watch)
{
    const char *item = NULL, *service = cluster_source_option(k->source, "service"),
               *field = cluster_source_option(k->source, "field"), *page = cluster_source_option(k->source, "page");
    const char *labels = "?labelSelector=$q", *fields = "&fieldSelector=$q";
    while ((item = cluster_source_item(k->source, item)) != NULL) {
        clu_compose(t, labels, item);
        labels = "%2C$q";
    }
    if (!cluster_source_item(k->source, NULL)) { /* by service alone */
        bool slices = k->lookup == CLU_KUBE_SLICES;
        clu_compose(t, slices ? "?labelSelector=kubernetes.io%2Fservice-name%3D$q" : "?fieldSelector=metadata.name%3D$q",
                    service);
        fields = slices ? fields : "%2C$q";
    }
    if (field)
        clu_compose(t, fields, field);
    if (watch)
        clu_compose(t, "&watch=1&allowWatchBookmarks=true&timeoutSeconds=$u&resourceVersion=$q", CLU_KUBE_WATCH, k->version);
    else
        clu_compose(t, "&limit=$s", page ? page : "500");
    if (*k->page)
        clu_compose(t, "&continue=$q", k->page);
    else if (!watch && clu_choice(k->source, "cached", "off on", 0))
        clu_text_add(t, "&resourceVersion=0");
}

/* What stands around the request: namespace, domain, token, authority. */
CLU_FN int clu_kube_prepare(struct clu_kube *k, struct cluster_request *r, char *ca, size_t ca_size)
{
    struct cluster_source *s = k->source;
    const struct cluster_io *io = cluster_source_io(s);
    const char *namespace_ = cluster_source_option(s, "namespace"), *cluster = cluster_source_option(s, "cluster");
    const char *account = cluster_source_option(s, "account");
    struct clu_text t = clu_text_on(k->domain, sizeof k->domain);
    uint64_t stamp = k->ca_stamp;
    int64_t size;
    int result = namespace_ ? 0 : clu_kube_file(k, "", "/namespace");
    if (result)
        return result;
    if (io->environment(io->ctx, "CLUSTER_DOMAIN", k->domain, sizeof k->domain) <= 0 || !*k->domain) {
        clu_text_add(&t, cluster ? cluster : "cluster");
        clu_text_add(&t, ".local");
    }
    t.length = strlen(k->domain);
    if (t.length && k->domain[t.length - 1] == '.')
        k->domain[t.length - 1] = '\0';
    namespace_ = namespace_ ? namespace_ : k->file;
    t = clu_text_on(k->namespace_, sizeof k->namespace_);
    clu_text_add(&t, namespace_);
    if (!*namespace_ || t.cut || strpbrk(namespace_, "/?&# %"))
        return clu_round_fail(s, CLUSTER_E_INVALID, "no namespace: outside of a pod namespace= says it", clu_slice_of(NULL, 0),
                              "");
    result = clu_kube_file(k, "token-file", "/token");
    if (result)
        return result;
    size = (int64_t)strlen(k->file);
    clu_wipe(k->token, k->token_capacity);
    if (!clu_reserve(cluster_source_allocator(s), &k->token, &k->token_capacity, (size_t)size + 32, 1))
        return CLUSTER_E_MEMORY;
    t = clu_text_on(k->token, k->token_capacity);
    if (size)
        clu_compose(&t, "Authorization: Bearer $s\n", k->file);
    t = clu_text_on(ca, ca_size);
    r->ca = cluster_source_option(s, "ca");
    if (!r->ca) {
        clu_text_add(&t, account ? account : CLU_KUBE_ACCOUNT);
        clu_text_add(&t, "/ca.crt");
        r->ca = ca;
    }
    size = io->read_file(io->ctx, r->ca, NULL, 0, &stamp);
    if (size < 0 && size != CLUSTER_E_AGAIN)
        r->ca = r->ca == ca ? NULL : r->ca;
    r->flags = stamp != k->ca_stamp ? CLUSTER_REQUEST_FRESH : 0;
    k->ca_stamp = stamp;
    return 0;
}

/* Ask for a list, the next page of one, or a watch. */
CLU_FN int clu_kube_ask(struct clu_kube *k, bool watch)
{
    static const char *const paths[] = {
        "/api/v1/namespaces/", "/endpoints", "/api/v1/namespaces/", "/pods", "/apis/discovery.k8s.io/v1/namespaces/",
        "/endpointslices"};
    struct cluster_source *s = k->source;
    const char *target = NULL, *field = cluster_source_option(s, "field"), *master = cluster_source_option(s, "master");
    size_t most = 1024 + 3 * sizeof k->page + (field ? 3 * strlen(field) : 0) + (master ? strlen(master) : 0);
    bool insecure = clu_choice(s, "insecure", "off on", 0) != 0;
    struct cluster_request r;
    struct clu_text t;
    char ca[512];
    int result;
    memset(&r, 0, sizeof r);
    r.size = (uint32_t)sizeof r;
    result = clu_kube_prepare(k, &r, ca, sizeof ca);
    if (result)
        return result;
    while ((target = cluster_source_item(s, target)) != NULL)
        most += 3 * strlen(target) + 16;
    if (!clu_reserve(cluster_source_allocator(s), &k->url, &k->url_capacity, most, 1))
        return CLUSTER_E_MEMORY;
    t = clu_text_on(k->url, k->url_capacity);
    clu_kube_server(k, &t);
    clu_text_add(&t, paths[2 * k->lookup]);
    clu_text_add(&t, k->namespace_);
    clu_text_add(&t, paths[2 * k->lookup + 1]);
    clu_kube_query(k, &t, watch);
    r.url = k->url;
    r.headers = "Accept: application/json\n";
    r.flags |= insecure ? CLUSTER_REQUEST_INSECURE : 0;
    /* a proxy before the API server, which is what speaks http, has a token of its own */
    r.secret = insecure || strncmp(k->url, "https:", 6) == 0 ? k->token : NULL;
    if (watch) {
        r.timeout_ns = (CLU_KUBE_WATCH + 10) * CLU_SECOND;
        r.answer_size = UINT64_MAX;
    }
    k->phase = watch ? CLU_KUBE_ASKS : CLU_KUBE_LISTS;
    k->listed = k->gone = k->dirty = false;
    k->newer[0] = k->page[0] = '\0';
    clu_json_begin(&k->json, clu_kube_paths, k->text, sizeof k->text);
    k->json.many = watch;
    result = t.cut ? CLUSTER_E_LIMIT : cluster_source_fetch(s, 0, &r);
    if (result == CLUSTER_E_INVALID)
        return clu_round_fail(s, result,
                              "'#' is no address of a server: master= takes HOST, HOST:PORT or a URL; the token is one line",
                              clu_slice_str(master ? master : "https:"), "");
    return result;
}

CLU_FN int clu_kube_list(struct clu_kube *k)
{
    k->found.size = 0;
    k->version[0] = k->page[0] = '\0';
    return clu_kube_ask(k, false);
}

CLU_FN int clu_kube_round(void *state, uint64_t now)
{
    struct clu_kube *k = (struct clu_kube *)state;
    (void)now;
    if (k->phase == CLU_KUBE_WATCHES && cluster_source_same(k->source) == 0)
        return 0;
    (void)cluster_source_timer(k->source, CLUSTER_NEVER);
    if (k->phase == CLU_KUBE_PUBLISHES)
        k->version[0] = '\0'; /* that of a list which nobody saw */
    k->fresh = false;
    return k->watch && *k->version ? clu_kube_ask(k, true) : clu_kube_list(k);
}

/* The watch is over: in a moment it goes on where it was, or with a new list. */
CLU_FN int clu_kube_watch_ended(struct clu_kube *k, bool gone)
{
    if (gone)
        k->version[0] = '\0';
    k->phase = CLU_KUBE_RESTS;
    (void)cluster_source_fetch(k->source, 0, NULL);
    (void)cluster_source_timer(k->source, cluster_source_now(k->source) + CLU_KUBE_PAUSE);
    return 0;
}

/* The list is being published, and after that watched. */
CLU_FN int clu_kube_published(struct clu_kube *k, int result)
{
    if (result == CLUSTER_E_AGAIN)
        return 0;
    k->phase = result ? CLU_KUBE_PUBLISHES : CLU_KUBE_RESTS;
    return result || !k->watch || !*k->version ? result : clu_kube_ask(k, true);
}

/* The list, or this page of it, is whole. */
CLU_FN int clu_kube_listed(struct clu_kube *k)
{
    if (!clu_json_whole(&k->json) || !k->listed || k->gone)
        return clu_round_fail(k->source, CLUSTER_E_PROTOCOL, "what came is no list of Kubernetes: is master= the API server?",
                              clu_slice_of(NULL, 0), "");
    if (*k->page)
        return clu_kube_ask(k, false);
    k->phase = CLU_KUBE_PUBLISHES;
    memcpy(k->version, k->newer, sizeof k->version);
    k->fresh = true;
    return clu_kube_published(k, clu_found_publish(&k->found, CLU_FOUND_STEP));
}

/* The request has failed. Without a watch there are lists, round by round. */
CLU_FN int clu_kube_failed(struct clu_kube *k, const struct cluster_response *r)
{
    uint8_t phase = k->phase;
    k->phase = CLU_KUBE_RESTS;
    if (phase == CLU_KUBE_WATCHES)
        return clu_kube_watch_ended(k, false);
    if (r->status || k->fresh)
        k->version[0] = '\0';
    if (phase == CLU_KUBE_ASKS && k->fresh) {
        if (!k->said)
            cluster_source_log(k->source, CLUSTER_LOG_WARN, r->why);
        k->said = true;
        return 0;
    }
    if (phase == CLU_KUBE_ASKS && r->status == 410)
        return clu_kube_list(k);
    return clu_round_fail(k->source, r->error, "$", clu_slice_of(NULL, 0), r->why);
}

CLU_FN int clu_kube_read(struct clu_kube *k)
{
    struct cluster_response r;
    const void *data;
    int64_t got;
    int token, result;
    memset(&r, 0, sizeof r);
    r.size = (uint32_t)sizeof r;
    (void)cluster_source_fetched(k->source, 0, &r);
    if (k->phase == CLU_KUBE_ASKS && !r.error) {
        k->phase = CLU_KUBE_WATCHES;
        if (cluster_source_same(k->source) != 0)
            return clu_kube_watch_ended(k, true);
    }
    while ((got = cluster_source_body(k->source, 0, &data)) > 0) {
        clu_json_feed(&k->json, data, (size_t)got);
        while ((token = clu_json_next(&k->json)) > 0) {
            result = clu_kube_token(k, token);
            if (result)
                return result;
        }
        if (token < 0 || (k->gone && k->phase == CLU_KUBE_WATCHES)) {
            if (k->phase == CLU_KUBE_WATCHES)
                return clu_kube_watch_ended(k, true);
            return clu_round_fail(k->source, CLUSTER_E_PROTOCOL, "what came is no JSON: is master= the API server?",
                                  clu_slice_of(NULL, 0), "");
        }
    }
    if (k->phase == CLU_KUBE_WATCHES && k->dirty) {
        k->dirty = false;
        result = clu_found_publish(&k->found, SIZE_MAX);
        if (result)
            return clu_kube_watch_ended(k, true);
    }
    if (got == CLUSTER_E_AGAIN)
        return 0;
    if (got < 0) {
        (void)cluster_source_fetched(k->source, 0, &r);
        return clu_kube_failed(k, &r);
    }
    return k->phase == CLU_KUBE_WATCHES ? clu_kube_watch_ended(k, false) : clu_kube_listed(k);
}

CLU_FN int clu_kube_ready(void *state, int fd, int revents, uint64_t now)
{
    struct clu_kube *k = (struct clu_kube *)state;
    int result;
    (void)revents;
    (void)now;
    if (fd == -1 && k->phase != CLU_KUBE_PUBLISHES)
        return cluster_source_refresh(k->source);
    if (fd != -1 && (fd != CLUSTER_FETCHED || k->phase == CLU_KUBE_RESTS || k->phase == CLU_KUBE_PUBLISHES))
        return 0;
    result = fd == -1 ? clu_kube_published(k, clu_found_go(&k->found, CLU_FOUND_STEP)) : clu_kube_read(k);
    if (result && k->phase != CLU_KUBE_RESTS) { /* what is still under way is of no use */
        (void)cluster_source_fetch(k->source, 0, NULL);
        k->version[0] = '\0';
        k->phase = CLU_KUBE_RESTS;
    }
    return result;
}

#endif
