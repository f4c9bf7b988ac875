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
    char server[128], token[256], role[128];
    char text[5632]; /* lines of the head of a request; the tag at hand */
};

/* ---- the list --------------------------------------------------------- */

/* Does the tag at hand count, or the group, where one of those that are wanted is enough? */
CLU_FN bool clu_ec2_wants(struct clu_ec2 *e)
{
    const char *groups = clu_web_get(&e->web, "group"), *item = NULL;
    struct clu_text t;
    if (*e->tag.group)
        return groups && clu_glob_list(clu_slice_str(groups), clu_slice_str(e->tag.group));
    clu_compose(clu_text_in(&t, e->text, sizeof e->text), "$s=$s", e->tag.key, e->tag.value);
    while ((item = cluster_source_item(e->web.source, item)) != NULL)
        if (clu_glob(clu_slice_str(item), clu_slice_of(t.data, t.length)))
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
    if (w->json.id == CLU_EC2_TAG && token == '}' && clu_ec2_wants(e))
        w->item.matches = true;
    return 0;
}

/* An element is to us what an object is in JSON, if it is not one for its text. */
CLU_FN int clu_ec2_next(struct clu_web *w)
{
    int token = clu_xml_next(&((struct clu_ec2 *)(void *)w)->xml, &w->json);
    return token == '"' && w->json.id != CLU_JSON_FIELD && w->json.id != CLU_WEB_PAGE ? '}' : token;
}

/* ---- the request ------------------------------------------------------ */

/* The form: of tags with one key any value, of different keys all, and one of the groups. */
CLU_FN void clu_ec2_form(const struct clu_ec2 *e, struct clu_text *t)
{
    const struct cluster_source *s = e->web.source;
    const char *groups = clu_web_get(&e->web, "group"), *item = NULL, *tag;
    unsigned filter = 1, value;
    clu_text_add(t, "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000"
                    "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running");
    while (!e->any && (item = cluster_source_item(s, item)) != NULL) {
        size_t key = strcspn(item, "=") + 1;
        for (value = 0, tag = NULL; (tag = cluster_source_item(s, tag)) != NULL;) {
            if (strncmp(item, tag, key) != 0)
                continue;
            if (tag < item)
                break; /* it is among the values of that one */
            if (tag == item) {
                clu_compose(t, "&Filter.$u.Name=tag%3A", ++filter);
                clu_text_quoted(t, clu_slice_of(item, key - 1));
            }
            clu_compose(t, "&Filter.$u.Value.$u=$q", filter, ++value, tag + key);
        }
    }
    if (groups && !e->any) {
        struct clu_slice rest = clu_slice_str(groups);
        clu_compose(t, "&Filter.$u.Name=instance.group-name", ++filter);
        for (value = 0; rest.at;) {
            clu_compose(t, "&Filter.$u.Value.$u=$q", filter, ++value, "");
            clu_text_quoted(t, clu_cut(&rest, ','));
        }
    }
    if (*e->web.page)
        clu_compose(t, "&NextToken=$q", e->web.page);
}

/* ---- region and keys -------------------------------------------------- */

/* What each step asks for: the field in which a name of it is known, and where the metadata service has it. */
static const struct clu_json_path clu_ec2_steps[] = {
    CLU_FIELD(0, "/latest/api/token", struct clu_ec2, token),
    CLU_FIELD(0, "/latest/meta-data/placement/region", struct clu_ec2, keys.region),
    CLU_FIELD(0, "/latest/meta-data/iam/security-credentials/$s", struct clu_ec2, role),
    CLU_FIELD(0, "/latest/meta-data/iam/security-credentials/$s", struct clu_ec2, keys.id),
};

enum { CLU_EC2_SECRET, CLU_EC2_ID, CLU_EC2_SESSION, CLU_EC2_REGIONS, CLU_EC2_VARIABLES = CLU_EC2_REGIONS + 2 };

/* Where the environment has them. */
static const struct clu_json_path clu_ec2_variables[CLU_EC2_VARIABLES] = {
    CLU_FIELD(0, "AWS_SECRET_ACCESS_KEY", struct clu_ec2, keys.secret),
    CLU_FIELD(0, "AWS_ACCESS_KEY_ID", struct clu_ec2, keys.id),
    CLU_FIELD(0, "AWS_SESSION_TOKEN", struct clu_ec2, keys.session),
    CLU_FIELD(0, "AWS_REGION", struct clu_ec2, keys.region),
    CLU_FIELD(0, "AWS_DEFAULT_REGION", struct clu_ec2, keys.region),
};

/* A field is the first line of a text, or without one the variable of its key; false: that is empty, or does not fit. */
CLU_FN bool clu_ec2_fill(struct clu_ec2 *e, const struct clu_json_path *field, const char *text)
{
    char *out = (char *)e + field->at;
    struct clu_text t;
    size_t length;
    if (!text)
        return clu_web_variable(&e->web, field->key, out, field->room);
    length = strcspn(text, "\r\n");
    clu_text_bytes(clu_text_in(&t, out, field->room), text, length);
    return length && length < field->room;
}

/* A request to the service itself. */
CLU_FN void clu_ec2_list(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    const struct cluster_io *io = cluster_source_io(w->source);
    const char *body;
    struct clu_text lines = clu_text_on(e->text, sizeof e->text);
    clu_sigv4_time(&e->keys, io->wall_time(io->ctx) / CLU_SECOND);
    clu_text_bytes(url, "", 1);
    body = url->data + url->length;
    clu_ec2_form(e, url);
    if (*w->token)
        (void)clu_ec2_fill(e, &clu_ec2_variables[CLU_EC2_SECRET], w->token);
    r->secret = clu_sigv4_post(&lines, &e->keys, "ec2", strstr(r->url, "://") + 3, body);
    r->method = "POST";
    r->headers = CLU_SIGV4_FORM;
    clu_xml_begin(&e->xml, &w->json);
}

/* A request to the metadata service. */
CLU_FN void clu_ec2_meta(struct clu_web *w, struct clu_text *url, struct cluster_request *r)
{
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    struct clu_text t;
    clu_compose(url, clu_ec2_steps[w->step].key, e->role);
    clu_compose(clu_text_in(&t, e->text, sizeof e->text), "X-aws-ec2-metadata-token: $s\n", e->token);
    r->secret = NULL;
    r->headers = e->text;
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

/* Ask for the first that is not known, or else for the list. */
CLU_FN int clu_ec2_step(struct clu_ec2 *e)
{
    struct clu_web *w = &e->web;
    const char *server, *region = e->keys.region;
    struct clu_text t;
    size_t length;
    int result;
    for (w->step = 0; w->step < CLU_EC2_LIST && ((const char *)e)[clu_ec2_steps[w->step].at]; w->step++)
        ;
    if (w->step < CLU_EC2_LIST) {
        w->answered = 0;
        w->server = CLU_EC2_META;
        if (clu_web_variable(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", e->server, sizeof e->server))
            w->server = e->server;
        return clu_web_send(w, CLU_WEB_OWN);
    }
    length = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (length > 32 || region[length]) {
        result = clu_round_fail(w->source, CLUSTER_E_INVALID, "'#' is no region: region= takes one like eu-west-1",
                                clu_slice_str(region), "");
        e->keys.region[0] = '\0'; /* an instance that said it may say another one */
        return result;
    }
    clu_compose(clu_text_in(&t, e->server, sizeof e->server), "https://ec2.$s.amazonaws.com$s", region,
                region[0] == 'c' && region[1] == 'n' ? ".cn" : "");
    server = clu_web_get(w, "server");
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
    e->keys.secret[0] = '\0';
    return clu_web_fields(&e->web, paths, e->text, sizeof e->text) && *e->keys.id && *e->keys.secret && *e->keys.session;
}

/* An answer of the metadata service. */
CLU_FN int clu_ec2_came(struct clu_web *w)
{
    struct cluster_response r;
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    int64_t got = clu_web_answer(w);
    if (got == CLUSTER_E_AGAIN)
        return 0;
    clu_web_response(w, CLU_WEB_OWN, &r);
    if (got < 0)
        return clu_round_fail(w->source, (int)got, "no #: not in the URL, the environment or what the instance says: $",
                              clu_slice_str(*e->keys.region ? "key= and secret-file=" : "region="), r.why);
    if (w->step == CLU_EC2_KEYS ? !clu_ec2_role_keys(e)
                                : !clu_ec2_fill(e, &clu_ec2_steps[w->step], w->answer) || strpbrk(e->role, "/?%# "))
        return clu_web_bad(w);
    return clu_ec2_step(e);
}

/* What is known before anybody is asked: keys of the URL, or else of the environment; and the region, also one that an instance said. */
CLU_FN int clu_ec2_before(struct clu_web *w)
{
    struct clu_ec2 *e = (struct clu_ec2 *)(void *)w;
    const char *key = clu_web_get(w, "key"), *region = clu_web_get(w, "region");
    size_t i;
    int result;
    e->keys.id[0] = e->keys.session[0] = '\0';
    for (i = key ? CLU_EC2_ID : 0; i < CLU_EC2_REGIONS && clu_ec2_fill(e, &clu_ec2_variables[i], key) && !key; i++)
        ;
    for (i = CLU_EC2_REGIONS; i < CLU_EC2_VARIABLES && !*e->keys.region; i++)
        (void)clu_ec2_fill(e, &clu_ec2_variables[i], region);
    e->role[0] = *e->keys.id != '\0';
    e->token[0] = *e->keys.id && *e->keys.region;
    result = clu_ec2_step(e);
    return result ? result : 1;
}

CLU_FN const char *clu_ec2_refuses(const struct clu_web *w)
{
    const char *item = cluster_source_item(w->source, NULL);
    bool tags = item || clu_web_get(w, "group");
    for (; item && tags; item = cluster_source_item(w->source, item))
        tags = *item != '=' && strchr(item, '=');
    if (!tags)
        return "ec2: takes tags KEY=VALUE after its ':', as in ec2:cluster=web, or group=";
    return !clu_web_get(w, "key") == !(clu_web_get(w, "secret") || clu_web_get(w, "secret-file"))
               ? NULL
               : "key= and secret= or secret-file= go together";
}

static const struct clu_json_path clu_ec2_paths[] = {
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

static const struct clu_web_choice clu_ec2_choices[] = {
    {"match", "all any", offsetof(struct clu_ec2, any), 0},
    {"host", "ip name", offsetof(struct clu_ec2, named), 0},
    {NULL, NULL, 0, 0},
};

static const struct clu_web_kind clu_ec2_kind = {sizeof(struct clu_ec2),
                                                 clu_ec2_refuses,
                                                 clu_ec2_paths,
                                                 clu_ec2_choices,
                                                 CLU_WEB_LIST,
                                                 '}',
                                                 clu_ec2_next,
                                                 clu_ec2_item,
                                                 clu_ec2_token,
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

#endif
