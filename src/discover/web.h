/*
 * What the sources on one JSON document have in common: a request a round, its document read as it comes, the nodes of it published.
 * A source may go on asking after its round (a question that waits for a change), or be told that something changed; it may announce
 * the own node, which each round keeps alive and leaving takes back:
 *
 *   NONE -> GRANTS -> PUTS -> HELD -> KEEPS -> HELD, or it is no longer there: GRANTS
 */
#ifndef CLU_DISCOVER_WEB_H
#define CLU_DISCOVER_WEB_H

#include "../net/lookup.h"
#include "../wire/compose.h"
#include "../wire/http.h"
#include "../wire/json.h"
#include "found.h"

#define CLU_WEB_WAIT 55u            /* seconds that a question waits for a change */
#define CLU_WEB_PAUSE (20 * CLU_MS) /* between two of them */
#define CLU_WEB_LEASE "15"          /* seconds that the own node is announced for */
#define CLU_WEB_URL 1024            /* bytes of a request, at first and at most */
#define CLU_WEB_URL_MAX ((size_t)1 << 20)
enum { CLU_WEB_NONE, CLU_WEB_GRANTS, CLU_WEB_PUTS, CLU_WEB_HELD, CLU_WEB_KEEPS, CLU_WEB_REVOKES };

struct clu_web;

/* Places that documents have in common, and the first that is a kind's own. */
enum { CLU_WEB_LIST = 1, CLU_WEB_ITEM, CLU_WEB_PAGE, CLU_WEB_MORE };

/* Slots of requests. */
enum { CLU_WEB_DOCUMENT, CLU_WEB_CHANGES, CLU_WEB_OWN, CLU_WEB_SLOTS };

/* An option that is one of some words: the place in the state that gets which, and what it gets without the option. */
struct clu_web_choice {
    const char *key, *words;
    uint16_t at, otherwise;
};

/* A kind of document, and how it is asked for. */
struct clu_web_kind {
    size_t size;                                     /* of the state, which begins with a struct clu_web */
    const char *(*refuses)(const struct clu_web *w); /* why the URL is none of the kind, or NULL; as a whole NULL: any is */
    const struct clu_json_path *paths;
    const struct clu_web_choice *choices; /* beside those of all kinds, to one without a key; NULL: there are none */
    uint8_t list;                         /* the list was there when this place ends by this byte */
    char ends;
    int (*next)(struct clu_web *w);             /* what reads the document, as clu_json_next, which NULL is */
    int (*item)(struct clu_web *w);             /* an item has ended */
    int (*token)(struct clu_web *w, int token); /* one of a place of its own; NULL: they say nothing */
    int (*published)(struct clu_web *w);        /* the list is published; NULL: nothing else is to do */
    /* What writes a request: the text has the server, and gets the rest of the URL, and after a NUL the body, if there is one. In the
     * slot OWN that is the step `own` of announcing, or what the kind asks there. */
    void (*ask)(struct clu_web *w, uint32_t slot, struct clu_text *url, struct cluster_request *r);
    const char *url, *server;                             /* its template, and who is asked without server= */
    const char *token_option, *token_file_option;         /* who names the token, and the file with it */
    const char *token_field;                              /* of the request, up to the token */
    int (*before)(struct clu_web *w);                     /* what a round begins with, or NULL; 1: `came` goes on */
    int (*came[CLU_WEB_SLOTS])(struct clu_web *w);        /* something of a slot: of a watch, not of a document */
    uint8_t (*announced)(struct clu_web *w, uint8_t own); /* what comes after that step; NULL: nothing does */
};

/* What is known of an item, or of a part of it that is a node, so far: fields of documents. */
struct clu_web_item {
    char ready, ending; /* the first byte of what is said of it */
    bool matches;
    char state[16], zone[64], namespace_[64], address[CLU_NAME_MAX + 1], name[CLU_NAME_MAX + 1];
    char version[64];
    char key[700]; /* in Base64 the longest of etcd */
};

/* What is asked for at every turn stands first. */
struct clu_web {
    struct cluster_source *source;
    const struct clu_web_kind *kind;
    const char *server;     /* whom to ask */
    const char *token;      /* or a secret, of the request at hand; "": there is none */
    const char *token_file; /* where a token may be unless an option says so; NULL: nowhere */
    const char *ca;         /* the file with the authority of the server; NULL: the host's own */
    char *url, *file;
    bool busy;         /* a request is under way */
    bool waits;        /* it is a question that waits for a change */
    bool watches;      /* it is a watch, whose answer is for `came` */
    bool listed;       /* the document has the list */
    bool publishes;    /* the list, which is long, over some steps */
    bool changes;      /* somebody tells of changes */
    bool again;        /* something changed meanwhile */
    uint8_t own;       /* how far announcing the own node is */
    uint8_t step;      /* how far the round is, where it has steps */
    uint8_t watch;     /* of the option watch= */
    uint8_t insecure;  /* of insecure= */
    uint8_t announces; /* of announce= */
    /* of Kubernetes alone */
    uint8_t mode, lookup, ready, cached; /* of these options */
    bool follows;                        /* the watch has begun: what comes is a change */
    bool dirty;                          /* the list is another one than was published */
    bool fresh;                          /* the round has ended with a list, the watch is its sequel */
    bool said;                           /* that there is no watch */
    bool unready_list;                   /* the addresses at hand are not ready */
    bool new_ca;                         /* the authority is not the one of the request before */
    const char *namespace_, *domain;
    size_t item_at; /* where the nodes of the item at hand begin */

    uint64_t index;  /* that a question waits to see exceeded; 0: none */
    size_t answered; /* bytes of answer */
    struct clu_found found;
    size_t url_capacity, file_capacity;
    uint64_t file_stamp;
    struct clu_json json;
    struct clu_web_item item;
    char lease[24], left[24], text[1024], answer[5120];
    char page[1024]; /* the rest of the list begins there; "": this is all */
};

CLU_FN void clu_web_close(void *state)
{
    struct clu_web *w = (struct clu_web *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(w->source);
    size_t size = w->kind->size;
    clu_wipe(w->file, w->file_capacity);
    clu_found_free(&w->found);
    clu_free(memory, w->url, w->url_capacity);
    clu_free(memory, w->file, w->file_capacity);
    clu_wipe(w, size);
    clu_free(memory, w, size);
}

/* An option; NULL: it is not given. */
CLU_CALLED const char *clu_web_get(const struct clu_web *w, const char *key)
{
    return cluster_source_option(w->source, key);
}

CLU_FN void clu_web_choose(struct clu_web *w, const struct clu_web_choice *c)
{
    for (; c && c->key; c++)
        ((uint8_t *)w)[c->at] = (uint8_t)clu_choice(w->source, c->key, c->words, c->otherwise);
}

/* The context of these strategies is their kind. */
CLU_FN int clu_web_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    static const struct clu_web_choice choices[] = {
        {"watch", "off on", offsetof(struct clu_web, watch), 0},
        {"insecure", "off on", offsetof(struct clu_web, insecure), 0},
        {"announce", "off on", offsetof(struct clu_web, announces), 0},
        {NULL, NULL, 0, 0},
    };
    const struct clu_web_kind *kind = (const struct clu_web_kind *)ctx;
    const char *why = NULL;
    struct clu_web *w;
    (void)target;
    if (clu_state_new(s, kind->size, state))
        return CLUSTER_E_MEMORY;
    w = (struct clu_web *)*state;
    w->kind = kind;
    w->server = clu_web_get(w, "server");
    if (!w->server)
        w->server = kind->server;
    w->ca = clu_web_get(w, "ca");
    w->found.source = s;
    clu_web_choose(w, choices);
    clu_web_choose(w, kind->choices);
    if (w->watch)
        (void)cluster_source_streams(s);
    if (kind->refuses)
        why = kind->refuses(w);
    if (!why)
        return 0;
    (void)cluster_source_fail(s, CLUSTER_E_INVALID, why);
    clu_web_close(w);
    return CLUSTER_E_INVALID;
}

/* A host, or a node, of the document. */
CLU_FN int clu_web_add(struct clu_web *w, const char *name)
{
    struct cluster_address address;
    const char *host = *clu_name_host(name) ? clu_name_host(name) : name;
    if (!*name)
        return 0;
    return clu_found_add(&w->found, name, clu_address_parse(clu_slice_str(host), &address) ? host : "", "", false);
}

/* A variable of the environment; false, and an empty text: it is not set, or does not fit. */
CLU_FN bool clu_web_variable(const struct clu_web *w, const char *name, char *out, size_t room)
{
    const struct cluster_io *io = cluster_source_io(w->source);
    int length;
    length = io->environment(io->ctx, name, out, room);
    if (length > 0 && (size_t)length < room)
        return true;
    out[0] = '\0';
    return false;
}

/* A file, trimmed, which stays until the next one is read; NULL: the round has failed. One that may be missing is empty then. */
CLU_FN const char *clu_web_file(struct clu_web *w, const char *path, bool may_miss)
{
    int64_t size;
    w->file_stamp = 0;
    size = clu_read_file(cluster_source_io(w->source), cluster_source_allocator(w->source), path, &w->file, &w->file_capacity,
                         1, &w->file_stamp);
    if (size == CLUSTER_E_NOT_FOUND && may_miss)
        return "";
    if (size < 0) {
        (void)clu_round_fail(w->source, (int)size, "cannot read '#': $", clu_slice_str(path), cluster_strerror((int)size));
        return NULL;
    }
    while (size && (unsigned char)w->file[size - 1] <= ' ')
        size--;
    w->file[size] = '\0';
    return w->file;
}

/* The token or secret of the next request; false: the round has failed. */
CLU_FN bool clu_web_secret(struct clu_web *w)
{
    const char *token = clu_web_get(w, w->kind->token_option), *path = clu_web_get(w, w->kind->token_file_option);
    if (path || w->token_file)
        token = clu_web_file(w, path ? path : w->token_file, !path);
    else if (!token)
        token = "";
    w->token = token;
    return token != NULL;
}

/* A piece of a URL with the value of an option in it, where that is given. */
CLU_FN void clu_web_option(const struct clu_web *w, struct clu_text *url, const char *form, const char *option)
{
    const char *value = clu_web_get(w, option);
    if (value)
        clu_compose(url, form, value);
}

/* Send the request of a slot. It is written anew with more room until that is enough: the line with the token, the URL, the body. The
 * token does not stay there. */
CLU_FN int clu_web_send(struct clu_web *w, uint32_t slot)
{
    struct cluster_source *s = w->source;
    struct cluster_request r;
    struct clu_text text;
    size_t room = CLU_WEB_URL;
    int result;
    if (!clu_web_secret(w))
        return CLUSTER_E_INVALID;
    do {
        const char *body, *end;
        if (!clu_reserve(cluster_source_allocator(s), &w->url, &w->url_capacity, room, 1))
            return CLUSTER_E_MEMORY;
        room = 2 * w->url_capacity;
        memset(&r, 0, sizeof r);
        r.size = (uint32_t)sizeof r;
        clu_text_in(&text, w->url, w->url_capacity);
        if (*w->token)
            clu_compose(&text, "$s$s\n", w->kind->token_field, w->token);
        clu_text_bytes(&text, "", 1);
        r.url = text.data + text.length;
        clu_compose(&text, strstr(w->server, "://") ? "$s" : w->kind->url, w->server);
        text.length -= text.data[text.length - 1] == '/';
        r.headers = "Accept: application/json\n";
        r.secret = w->url;
        r.ca = w->ca;
        r.flags = w->insecure;
        w->kind->ask(w, slot, &text, &r);
        body = clu_url_next(r.url);
        end = text.data + text.length;
        if (body <= end) {
            r.body = body;
            r.body_size = (size_t)(end - body);
        }
        result = text.cut ? CLUSTER_E_LIMIT : cluster_source_fetch(s, slot, &r);
        clu_wipe(w->url, w->url_capacity);
    } while (text.cut && room <= CLU_WEB_URL_MAX);
    if (result == CLUSTER_E_INVALID)
        return clu_round_fail(s, result,
                              "'#' is no address of a server: it takes HOST, HOST:PORT or a URL; a token is one line",
                              clu_slice_str(w->server), "");
    return result;
}

/* The next request of announcing the own node. */
CLU_CALLED int clu_web_announce(struct clu_web *w, uint8_t own)
{
    int result;
    w->own = own;
    w->answered = 0;
    result = clu_web_send(w, CLU_WEB_OWN);
    w->own = result ? (uint8_t)CLU_WEB_NONE : own;
    return result;
}

/* What each round begins with: the own node is announced, or kept alive, or taken back. */
CLU_FN int clu_web_keep(struct clu_web *w)
{
    const struct cluster_node *own = cluster_source_own(w->source);
    bool announces = w->announces && own->name;
    if (own->flags & CLUSTER_NODE_LEAVING) {
        if (announces && w->own != CLU_WEB_NONE && w->own != CLU_WEB_REVOKES)
            return clu_web_announce(w, CLU_WEB_REVOKES);
        if (w->own != CLU_WEB_REVOKES)
            cluster_source_withdrawn(w->source);
    } else if (announces && (w->own == CLU_WEB_NONE || w->own == CLU_WEB_HELD)) {
        return clu_web_announce(w, w->own == CLU_WEB_HELD ? CLU_WEB_KEEPS : CLU_WEB_GRANTS);
    }
    return 0;
}

/* Ask for the document, or for the page of it that is next. */
CLU_FN int clu_web_go(struct clu_web *w)
{
    int result;
    w->listed = false;
    clu_json_begin(&w->json, w->kind->paths, w->text, sizeof w->text);
    result = clu_web_send(w, CLU_WEB_DOCUMENT);
    w->page[0] = '\0';
    w->busy = result == 0;
    return result;
}

CLU_FN int clu_web_ask(struct clu_web *w)
{
    w->waits = w->index != 0;
    w->found.size = 0;
    return clu_web_go(w);
}

CLU_FN int clu_web_round(void *state, uint64_t now)
{
    struct clu_web *w = (struct clu_web *)state;
    int result;
    (void)now;
    w->page[0] = '\0';
    w->publishes = false;
    (void)cluster_source_timer(w->source, CLUSTER_NEVER);
    result = w->kind->before ? w->kind->before(w) : 0;
    if (!result && w->busy && w->waits && cluster_source_same(w->source) == 0)
        return 0;
    w->index = 0;
    return !result ? clu_web_ask(w) : result < 0 ? result : 0;
}

CLU_CALLED int clu_web_bad(struct clu_web *w)
{
    (void)cluster_source_fail(w->source, CLUSTER_E_PROTOCOL,
                              "what came is not the list that was asked for: is that the right server?");
    return CLUSTER_E_PROTOCOL;
}

/* The list is being published; once it is, what comes next. */
CLU_FN int clu_web_published(struct clu_web *w, int result)
{
    w->publishes = result == CLUSTER_E_AGAIN;
    if (result)
        return w->publishes ? 0 : result;
    if (w->again)
        (void)cluster_source_refresh(w->source);
    w->again = false;
    return w->kind->published ? w->kind->published(w) : 0;
}

/* The document is whole. */
CLU_FN int clu_web_end(struct clu_web *w)
{
    w->busy = false;
    if (!w->listed || !clu_json_whole(&w->json))
        return clu_web_bad(w);
    if (*w->page)
        return clu_web_go(w);
    return clu_web_published(w, clu_found_publish(&w->found, CLU_FOUND_STEP));
}

/* More of the document. */
CLU_FN int clu_web_feed(struct clu_web *w, const void *data, size_t size)
{
    const struct clu_web_kind *k = w->kind;
    struct clu_json *j = &w->json;
    int token = 0, result = 0;
    clu_json_feed(j, data, size);
    while (!result && (token = k->next ? k->next(w) : clu_json_next(j)) > 0) {
        if (clu_json_taken(j, token, w))
            continue;
        if (j->id == k->list && token == k->ends)
            w->listed = true;
        if (j->id == CLU_WEB_ITEM) {
            result = token == '}' ? k->item(w) : token == '{' ? 0 : CLUSTER_E_PROTOCOL;
        } else if (j->id == CLU_WEB_PAGE && token == '"' && !j->cut) {
            memcpy(w->page, w->text, j->length + 1);
        } else if (j->id == CLU_WEB_PAGE) {
            result = token == '"' || token == 't' ? CLUSTER_E_LIMIT : 0; /* there is more, and no way to ask for it */
        } else if (k->token) {
            result = k->token(w, token);
        }
    }
    return token < 0 ? CLUSTER_E_PROTOCOL : result;
}

/* What is known of the answer of a slot. */
CLU_FN void clu_web_response(const struct clu_web *w, uint32_t slot, struct cluster_response *r)
{
    memset(r, 0, sizeof *r);
    r->size = (uint32_t)sizeof *r;
    r->why = "";
    (void)cluster_source_fetched(w->source, slot, r);
}

/* The short answer of the slot OWN, as far as it fits: how many bytes once it is whole, or a negative CLUSTER_E... */
CLU_FN int64_t clu_web_answer(struct clu_web *w)
{
    const void *data;
    int64_t got;
    while ((got = cluster_source_body(w->source, CLU_WEB_OWN, &data)) > 0) {
        size_t left = sizeof w->answer - 1 - w->answered, size = (size_t)got < left ? (size_t)got : left;
        memcpy(w->answer + w->answered, data, size);
        w->answered += size;
    }
    w->answer[w->answered] = '\0';
    return got < 0 ? got : (int64_t)w->answered;
}

/* The fields of that answer, which is a document; the text is room for each. */
CLU_FN bool clu_web_fields(struct clu_web *w, const struct clu_json_path *paths, char *text, size_t room)
{
    struct clu_json j;
    int token;
    clu_json_begin(&j, paths, text, room);
    clu_json_feed(&j, w->answer, w->answered);
    while ((token = clu_json_next(&j)) > 0)
        (void)clu_json_taken(&j, token, w);
    return clu_json_whole(&j);
}

/* A step of announcing has its answer. One that was not kept alive is announced anew. */
CLU_FN int clu_web_announced(struct clu_web *w)
{
    struct cluster_response r;
    int64_t got = clu_web_answer(w);
    uint8_t own = w->own, next;
    if (got == CLUSTER_E_AGAIN)
        return 0;
    w->own = CLU_WEB_NONE;
    if (own == CLU_WEB_REVOKES) {
        cluster_source_withdrawn(w->source);
        return 0;
    }
    if (got < 0 && own != CLU_WEB_KEEPS) {
        clu_web_response(w, CLU_WEB_OWN, &r);
        cluster_source_log(w->source, CLUSTER_LOG_WARN, r.why);
        return 0;
    }
    next = got < 0 ? (uint8_t)CLU_WEB_GRANTS : w->kind->announced ? w->kind->announced(w, own) : (uint8_t)CLU_WEB_HELD;
    if (next == CLU_WEB_GRANTS || next == CLU_WEB_PUTS)
        return clu_web_announce(w, next);
    w->own = next;
    return 0;
}

/* What came of the document, or of the watch in its slot: as cluster_source_body, and what reading it says. */
CLU_FN int64_t clu_web_take(struct clu_web *w, int *result)
{
    const void *data;
    int64_t got;
    *result = 0;
    while (!*result && (got = cluster_source_body(w->source, CLU_WEB_DOCUMENT, &data)) > 0)
        *result = clu_web_feed(w, data, (size_t)got);
    return got;
}

CLU_FN int clu_web_read(struct clu_web *w)
{
    struct cluster_response r;
    int result;
    int64_t got = clu_web_take(w, &result);
    if (result || got == CLUSTER_E_AGAIN)
        return result == CLUSTER_E_PROTOCOL ? clu_web_bad(w) : result;
    if (got == 0)
        return clu_web_end(w);
    clu_web_response(w, CLU_WEB_DOCUMENT, &r);
    (void)cluster_source_fail(w->source, (int)got, r.why);
    return (int)got;
}

/* The timer, or something of a request. */
CLU_FN int clu_web_ready(void *state, int fd, int revents, uint64_t now)
{
    struct clu_web *w = (struct clu_web *)state;
    int result;
    (void)now;
    if (fd == CLUSTER_FETCHED) {
        if (revents != CLU_WEB_DOCUMENT || w->watches)
            return w->kind->came[revents](w);
        result = w->busy ? clu_web_read(w) : 0;
    } else {
        if (!w->publishes)
            return w->index ? clu_web_ask(w) : cluster_source_refresh(w->source);
        result = clu_web_published(w, clu_found_go(&w->found, CLU_FOUND_STEP));
    }
    if (result < 0) { /* what is still under way is of no use */
        (void)cluster_source_fetch(w->source, CLU_WEB_DOCUMENT, NULL);
        w->busy = false;
        w->index = 0;
    }
    return result;
}

#endif
