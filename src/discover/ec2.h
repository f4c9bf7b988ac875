/*
 * ec2: the running instances of Amazon EC2 that have tags or security groups, by DescribeInstances. Where the URL and the environment
 * have no keys, or no region, those of the instance that the program runs on are asked for in each round, by the second version of its
 * metadata service and by no other.
 *
 *   round -> TOKEN -> REGION -> ROLE -> KEYS -> the list, page by page -> publish
 */
#ifndef CLU_DISCOVER_EC2_H
#define CLU_DISCOVER_EC2_H

#include "../wire/glob.h"
#include "../wire/sigv4.h"
#include "../wire/xml.h"
#include "web.h"

#define CLU_EC2_META "http://169.254.169.254"

enum { CLU_EC2_RESERVATION = CLU_WEB_MORE, CLU_EC2_INSTANCES, CLU_EC2_STATE, CLU_EC2_PLACEMENT, CLU_EC2_TAGS, CLU_EC2_TAG };

enum { CLU_EC2_TOKEN, CLU_EC2_REGION, CLU_EC2_ROLE, CLU_EC2_KEYS, CLU_EC2_LIST }; /* steps of a round */

struct clu_ec2 {
    struct clu_web web; /* its item is the instance at hand */
    struct clu_xml xml;
    uint8_t any, named; /* of the options match= and host= */
    struct {
        char key[513], value[1024], group[256];
    } tag; /* or a group: the one at hand */
    struct clu_sigv4 keys;
    char server[128], meta[128], token[256], role[128];
    char lines[5120]; /* of the head of a request */
};

/* ---- the list --------------------------------------------------------- */

/* Does the tag at hand count, or the group, where one of those that are wanted is enough? */
CLU_FN bool clu_ec2_wants(const struct clu_ec2 *e)
{
    const char *groups = clu_web_get(&e->web, "group"), *item = NULL;
    char text[sizeof e->tag];
    struct clu_text t;
    if (*e->tag.group)
        return groups && clu_glob_list(clu_slice_str(groups), clu_slice_str(e->tag.group));
    clu_compose(clu_text_in(&t, text, sizeof text), "$s=$s", e->tag.key, e->tag.value);
    while ((item = cluster_source_item(e->web.source, item)) != NULL)
        if (clu_glob(clu_slice_str(item), clu_slice_str(text)))
            return true;
    return false;
}

/* The instance at hand has ended. */
CLU_FN int clu_ec2_item(struct clu_web *w)
{
    const struct clu_ec2 *e = (const struct clu_ec2 *)(const void *)w;
    struct clu_web_item *i = &w->item;
    const char *name = e->named ? i->name : i->address;
    struct cluster_address address;
    if (strcmp(i->state, "running") != 0 || (e->any && !i->matches))
        return 0;
    if (!*name || !clu_address_parse(clu_slice_str(i->address), &address)) {
        cluster_source_drop(w->source);
        return 0;
    }
    return clu_found_add(&w->found, name, i->address, i->zone, false);
}

CLU_FN int clu_ec2_token(struct clu_web *w, int token)
{
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    if (w->json.id == CLU_EC2_TAG && token == '}')
        w->item.matches = w->item.matches || clu_ec2_wants(e);
    return 0;
}

/* An element is to us what an object is in JSON, if it is not one for its text. */
CLU_FN int clu_ec2_next(struct clu_web *w)
{
    int token = clu_xml_next(&((struct clu_ec2 *)(void *)w)->xml, &w->json);
    return token == '"' && w->json.id != CLU_JSON_FIELD && w->json.id != CLU_WEB_PAGE ? '}' : token;
}

/* ---- the request ------------------------------------------------------ */

/* A value of a filter, which may have several. */
CLU_FN void clu_ec2_value(struct clu_text *t, unsigned filter, unsigned value, struct clu_slice text)
{
    clu_compose(t, "&Filter.$u.Value.$u=", filter, value);
    clu_text_quoted(t, text);
}

/* The next tag whose key is that of another one; with NULL the first. */
CLU_FN const char *clu_ec2_same_key(const struct cluster_source *s, const char *item, const char *tag)
{
    do
        item = cluster_source_item(s, item);
    while (item && strncmp(item, tag, strcspn(tag, "=") + 1) != 0);
    return item;
}

/* The form: of tags with one key any value, of different keys all, and one of the groups. */
CLU_FN void clu_ec2_form(const struct clu_ec2 *e, struct clu_text *t)
{
    const struct cluster_source *s = e->web.source;
    const char *groups = cluster_source_option(s, "group"), *item = NULL, *tag;
    unsigned filter = 1, value = 0;
    clu_text_add(t, "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000"
                    "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running");
    while (!e->any && (item = cluster_source_item(s, item)) != NULL) {
        size_t key = strcspn(item, "=");
        tag = clu_ec2_same_key(s, NULL, item);
        if (tag != item)
            continue; /* it is among the values of that one */
        clu_compose(t, "&Filter.$u.Name=tag%3A", ++filter);
        clu_text_quoted(t, clu_slice_of(item, key));
        for (value = 0; tag; tag = clu_ec2_same_key(s, tag, item))
            clu_ec2_value(t, filter, ++value, clu_slice_str(tag + key + 1));
    }
    if (groups && !e->any) {
        struct clu_slice rest = clu_slice_str(groups);
        clu_compose(t, "&Filter.$u.Name=instance.group-name", ++filter);
        for (value = 0; rest.at;)
            clu_ec2_value(t, filter, ++value, clu_cut(&rest, ','));
    }
    if (*e->web.page)
        clu_compose(t, "&NextToken=$q", e->web.page);
}

CLU_FN void clu_ec2_list(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    const struct cluster_io *io = cluster_source_io(w->source);
    const char *host = strstr(r->url, "://") + 3, *body;
    struct clu_text lines = clu_text_on(e->lines, sizeof e->lines);
    e->keys.service = "ec2";
    clu_sigv4_time(e->keys.time, io->wall_time(io->ctx) / CLU_SECOND);
    clu_text_bytes(url, "/", 2);
    body = url->data + url->length;
    clu_ec2_form(e, url);
    clu_sigv4_post(&lines, &e->keys, clu_slice_of(host, strcspn(host, "/")), body);
    r->method = "POST";
    r->headers = "Content-Type: " CLU_SIGV4_FORM "\n";
    r->secret = e->lines;
    clu_xml_begin(&e->xml, &w->json);
}

/* ---- region and keys -------------------------------------------------- */

/* The first line of a text, if it fits. */
CLU_FN bool clu_ec2_copy(const char *text, char *out, size_t room)
{
    struct clu_text t = clu_text_on(out, room);
    clu_text_bytes(&t, text, strcspn(text, "\r\n"));
    return t.length && !t.cut;
}

/* What is known before anybody is asked: keys of the URL, or else of the environment; and the region, also one that an instance said. */
CLU_FN void clu_ec2_known(struct clu_ec2 *e)
{
    struct clu_web *w = &e->web;
    const char *id = clu_web_get(w, "key"), *region = clu_web_get(w, "region");
    e->keys.secret[0] = e->keys.session[0] = e->role[0] = '\0';
    if (id) {
        (void)clu_ec2_copy(id, e->keys.id, sizeof e->keys.id);
        (void)clu_ec2_copy(w->token, e->keys.secret, sizeof e->keys.secret);
    } else if (clu_web_variable(w, "AWS_ACCESS_KEY_ID", e->keys.id, sizeof e->keys.id) &&
               clu_web_variable(w, "AWS_SECRET_ACCESS_KEY", e->keys.secret, sizeof e->keys.secret)) {
        (void)clu_web_variable(w, "AWS_SESSION_TOKEN", e->keys.session, sizeof e->keys.session);
    }
    if (region)
        (void)clu_ec2_copy(region, e->keys.region, sizeof e->keys.region);
    else if (!*e->keys.region && !clu_web_variable(w, "AWS_REGION", e->keys.region, sizeof e->keys.region))
        (void)clu_web_variable(w, "AWS_DEFAULT_REGION", e->keys.region, sizeof e->keys.region);
}

/* A request to the metadata service. */
CLU_FN void clu_ec2_meta(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    static const char *const paths[] = {"/latest/api/token", "/latest/meta-data/placement/region",
                                        "/latest/meta-data/iam/security-credentials/$s",
                                        "/latest/meta-data/iam/security-credentials/$s"};
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    struct clu_text t;
    clu_compose(url, paths[w->step], e->role);
    clu_compose(clu_text_in(&t, e->lines, sizeof e->lines), "X-aws-ec2-metadata-token: $s\n", e->token);
    r->secret = NULL;
    r->headers = e->lines;
    if (w->step == CLU_EC2_TOKEN) {
        r->method = "PUT";
        r->headers = "X-aws-ec2-metadata-token-ttl-seconds: 60\n";
        clu_text_bytes(url, "", 1);
    }
}

CLU_FN void clu_ec2_ask(struct clu_web *w, uint32_t slot, struct clu_text *url, struct cluster_request *r)
{
    if (slot == CLU_WEB_OWN)
        clu_ec2_meta(w, url, r);
    else
        clu_ec2_list(w, url, r);
}

/* Ask for what is still unknown of region and keys, from a step on, or else for the list. */
CLU_FN int clu_ec2_step(struct clu_ec2 *e, uint8_t step)
{
    struct clu_web *w = &e->web;
    const char *server = clu_web_get(w, "server");
    size_t length = strlen(e->keys.region);
    struct clu_text t;
    /* the token serves both, the second step the region, the others the keys */
    while (step < CLU_EC2_LIST && (step == CLU_EC2_REGION || *e->keys.secret) && (step > CLU_EC2_REGION || length))
        step++;
    w->step = step;
    if (step < CLU_EC2_LIST) {
        w->answered = 0;
        w->server = clu_web_variable(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", e->meta, sizeof e->meta) ? e->meta : CLU_EC2_META;
        return clu_web_send(w, CLU_WEB_OWN);
    }
    if (length > 32 || strspn(e->keys.region, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return clu_round_fail(w->source, CLUSTER_E_INVALID, "'#' is no region: region= takes one like eu-west-1",
                              clu_slice_str(e->keys.region), "");
    clu_compose(clu_text_in(&t, e->server, sizeof e->server), "https://ec2.$s.amazonaws.com$s", e->keys.region,
                strncmp(e->keys.region, "cn-", 3) == 0 ? ".cn" : "");
    w->server = server ? server : e->server;
    return clu_web_ask(w);
}

/* Temporary keys, as the metadata service has them. */
CLU_FN bool clu_ec2_role_keys(struct clu_ec2 *e)
{
    static const struct clu_json_path paths[] = {
        CLU_FIELD(0, "AccessKeyId", struct clu_ec2, keys.id),
        CLU_FIELD(0, "SecretAccessKey", struct clu_ec2, keys.secret),
        CLU_FIELD(0, "Token", struct clu_ec2, keys.session),
        CLU_PLACE(0, 0, NULL),
    };
    e->keys.id[0] = '\0';
    return clu_web_fields(&e->web, paths, e->lines, sizeof e->lines) && *e->keys.id && *e->keys.secret && *e->keys.session;
}

/* An answer of the metadata service. */
CLU_FN int clu_ec2_came(struct clu_web *w)
{
    struct cluster_response r;
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    int64_t got = clu_web_answer(w);
    bool good;
    if (got == CLUSTER_E_AGAIN)
        return 0;
    clu_web_response(w, CLU_WEB_OWN, &r);
    if (got < 0)
        return clu_round_fail(w->source, (int)got,
                              *e->keys.region ? "no keys: key= and secret-file=, the environment, or a role of the instance: $"
                                              : "no region: region=, the environment, or an instance that says its own: $",
                              clu_slice_of(NULL, 0), r.why);
    if (w->step == CLU_EC2_TOKEN)
        good = clu_ec2_copy(w->answer, e->token, sizeof e->token);
    else if (w->step == CLU_EC2_REGION)
        good = clu_ec2_copy(w->answer, e->keys.region, sizeof e->keys.region);
    else if (w->step == CLU_EC2_ROLE)
        good = clu_ec2_copy(w->answer, e->role, sizeof e->role) && !strpbrk(e->role, "/?%# ");
    else
        good = clu_ec2_role_keys(e);
    return good ? clu_ec2_step(e, (uint8_t)(w->step + 1)) : clu_web_bad(w);
}

CLU_FN int clu_ec2_before(struct clu_web *w)
{
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    int result;
    if (!clu_web_secret(w))
        return CLUSTER_E_INVALID;
    clu_ec2_known(e);
    result = clu_ec2_step(e, CLU_EC2_TOKEN);
    return result ? result : 1;
}

CLU_FN int clu_ec2_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    static const struct clu_json_path paths[] = {
        CLU_PLACE(0, CLU_WEB_LIST, "reservationSet"),
        CLU_PLACE(CLU_WEB_LIST, CLU_EC2_RESERVATION, "item"),
        CLU_PLACE(CLU_EC2_RESERVATION, CLU_EC2_INSTANCES, "instancesSet"),
        CLU_OBJECT(CLU_EC2_INSTANCES, CLU_WEB_ITEM, "item", struct clu_web, item),
        CLU_FIELD(CLU_WEB_ITEM, "privateDnsName", struct clu_web, item.name),
        CLU_FIELD(CLU_WEB_ITEM, "privateIpAddress", struct clu_web, item.address),
        CLU_PLACE(CLU_WEB_ITEM, CLU_EC2_STATE, "instanceState"),
        CLU_FIELD(CLU_EC2_STATE, "name", struct clu_web, item.state),
        CLU_PLACE(CLU_WEB_ITEM, CLU_EC2_PLACEMENT, "placement"),
        CLU_FIELD(CLU_EC2_PLACEMENT, "availabilityZone", struct clu_web, item.zone),
        CLU_PLACE(CLU_WEB_ITEM, CLU_EC2_TAGS, "tagSet"),
        CLU_PLACE(CLU_WEB_ITEM, CLU_EC2_TAGS, "groupSet"),
        CLU_OBJECT(CLU_EC2_TAGS, CLU_EC2_TAG, "item", struct clu_ec2, tag),
        CLU_FIELD(CLU_EC2_TAG, "key", struct clu_ec2, tag.key),
        CLU_FIELD(CLU_EC2_TAG, "value", struct clu_ec2, tag.value),
        CLU_FIELD(CLU_EC2_TAG, "groupName", struct clu_ec2, tag.group),
        CLU_PLACE(0, CLU_WEB_PAGE, "nextToken"),
        CLU_PLACE(0, 0, NULL),
    };
    static const struct clu_web_choice choices[] = {
        {"match", "all any", offsetof(struct clu_ec2, any), 0},
        {"host", "ip name", offsetof(struct clu_ec2, named), 0},
        {NULL, NULL, 0, 0},
    };
    static const struct clu_web_kind kind = {sizeof(struct clu_ec2),
                                             NULL,
                                             paths,
                                             choices,
                                             CLU_WEB_LIST,
                                             '}',
                                             clu_ec2_next,
                                             clu_ec2_item,
                                             clu_ec2_token,
                                             NULL,
                                             NULL,
                                             clu_ec2_ask,
                                             "http://$s",
                                             "",
                                             "secret",
                                             "secret-file",
                                             "",
                                             clu_ec2_before,
                                             {NULL, NULL, clu_ec2_came},
                                             NULL};
    bool key = cluster_source_option(s, "key") != NULL;
    bool secret = cluster_source_option(s, "secret") || cluster_source_option(s, "secret-file");
    const char *item = NULL, *why = NULL;
    (void)ctx;
    while ((item = cluster_source_item(s, item)) != NULL)
        if (*item == '=' || !strchr(item, '='))
            break;
    if (item)
        why = "'#' is no tag: write KEY=VALUE";
    else if (!cluster_source_item(s, NULL) && !cluster_source_option(s, "group"))
        why = "ec2: needs a tag after its ':', as in ec2:cluster=web, or group=";
    else if (key != secret)
        why = "key= and secret= or secret-file= go together";
    if (why)
        return clu_round_fail(s, CLUSTER_E_INVALID, why, clu_slice_str(item ? item : ""), "");
    return clu_web_open((void *)&kind, s, target, state);
}

#endif
