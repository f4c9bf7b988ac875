/*
 * The URLs of sources: `scheme:item,item?key=value&key=value`. Split first, decode after: %XX counts in items and in values
 * that are text, numbers and durations are taken as written. One table knows every option and one every scheme; they serve
 * the parser, its sentences, and the printed reference. What is decoded goes into the caller's buffer. Sentences and redacted
 * URLs show no value of a key that is known for secrets, and no user or password before a host.
 */
#ifndef CLU_WIRE_URL_H
#define CLU_WIRE_URL_H

#include "address.h"
#include "glob.h"

#define CLU_URL_MAX 65535

/* ---- the tables ------------------------------------------------------- */

/* Values of the first five are decoded, all others are taken as written. */
enum {
    CLU_OPTION_TEXT,   /* any, also empty */
    CLU_OPTION_FILLED, /* text that is not empty */
    CLU_OPTION_BASE,   /* the part of a name before '@' */
    CLU_OPTION_GLOBS,
    CLU_OPTION_RANGES,
    CLU_OPTION_DURATION, /* 0, or at least min milliseconds */
    CLU_OPTION_PERIOD,   /* a duration that may not be 0 */
    CLU_OPTION_COUNT,    /* min..max */
    CLU_OPTION_PERCENT,
    CLU_OPTION_CHOICE /* one of the words of choices, which stands for its place among them: so off is 0, on is 1 */
};

/* The values of the common options. Parsing changes what the URL gives and leaves all else as it was, so the caller puts its
 * defaults there first. Text points into the URL's buffer. */
struct clu_common {
    uint64_t interval_ns, timeout_ns, max_age_ns;
    uint64_t own; /* of an option of the scheme's own, which the strategy reads as text */
    const char *node, *only, *except, *allow, *role, *zone;
    uint32_t jitter_percent, port, misses, min, limit, weight, prune;
};

/* Every option: key, whose it is ("": every scheme's), type, least and most, the field of struct clu_common, choices, what
 * holds where it is not given, and what it is for. */
/* clang-format off */
#define CLU_URL_COMMON_LIST(X)                                                                                              \
    X("node", "", BASE, 0, 0, node, "", "the own node's", "base name, put before '@' where a source names hosts only")       \
    X("interval", "", DURATION, 10, 0, interval_ns, "ttl", "as the scheme", "time from round to round; 0: one round only")      \
    X("jitter", "", PERCENT, 0, 100, jitter_percent, "", "10%", "how far rounds move at random, so nodes are out of step")   \
    X("timeout", "", PERIOD, 1, 0, timeout_ns, "", "as the scheme", "a round without an answer by then has failed")          \
    X("port", "", COUNT, 1, 65535, port, "", "asked of epmd", "distribution port of every node of the source")               \
    X("prune", "", CHOICE, 0, 0, prune, "off on", "on", "off: no node that the source once named leaves")                      \
    X("misses", "", COUNT, 1, 1000, misses, "", "as the scheme", "a node leaves when so many complete rounds lack it")       \
    X("min", "", COUNT, 0, 1000000, min, "", "0", "never prune below so many nodes")                                         \
    X("max-age", "", DURATION, 1, 0, max_age_ns, "", "as the scheme", "a node leaves when unheard for so long; 0: never")    \
    X("only", "", GLOBS, 0, 0, only, "", "*", "take only nodes whose name matches one of these")                             \
    X("except", "", GLOBS, 0, 0, except, "", "none", "leave out nodes whose name matches one of these")                      \
    X("allow", "", RANGES, 0, 0, allow, "", "all", "take only nodes with an address in one of these ranges")                 \
    X("limit", "", COUNT, 1, 1000000, limit, "", "limit_members", "a round with more nodes than this has failed")            \
    X("role", "", TEXT, 0, 0, role, "", "none", "role of the nodes that the source gives none")                              \
    X("weight", "", COUNT, 1, 65535, weight, "", "1", "weight of the nodes that the source gives none")                      \
    X("zone", "", TEXT, 0, 0, zone, "", "none", "zone of the nodes that the source gives none")

#define CLU_URL_OWN_LIST(X)                                                                                                 \
    X("type", "dns", CHOICE, 0, 0, own, "a+aaaa a aaaa srv", "by the own host", "records to ask for; an own host that is an address decides for its family, else both") \
    X("host", "dns", CHOICE, 0, 0, own, "ip name", "ip", "what of an SRV target stands after '@': its addresses, or its name")      \
    X("ports", "dns", CHOICE, 0, 0, own, "off on", "on", "off: the ports of SRV records are not the nodes', and epmd is asked") \
    X("server", "dns", FILLED, 0, 0, own, "", "resolv.conf", "DNS servers to ask, ADDRESS or ADDRESS:PORT, ',' between them")  \
    X("search", "dns", CHOICE, 0, 0, own, "off on", "off", "on: try the search list of /etc/resolv.conf")                   \
    X("hosts", "dns", CHOICE, 0, 0, own, "off on", "off", "on: look into /etc/hosts first")                                  \
    X("tcp", "dns", CHOICE, 0, 0, own, "off on keep", "off", "on: no UDP; keep: and one connection for all rounds")          \
    X("name", "epmd hosts", BASE, 0, 0, own, "", "all", "take only what is registered under this name")                           \
    X("secret", "gossip", FILLED, 0, 0, own, "", "none", "encrypt with this; every node needs the same")                    \
    X("secret-file", "gossip", FILLED, 0, 0, own, "", "none", "file with the secret, to keep it out of process lists")      \
    X("auth", "gossip", CHOICE, 0, 0, own, "optional required", "optional", "required: take only authenticated packets")    \
    X("if", "gossip", FILLED, 0, 0, own, "", "by the route", "interface to use, by name or by address")                     \
    X("ttl", "gossip", COUNT, 0, 255, own, "", "1", "how many routers a multicast packet may pass")                         \
    X("broadcast", "gossip", CHOICE, 0, 0, own, "off on", "off", "on: broadcast in place of multicast")                       \
    X("announce", "gossip", CHOICE, 0, 0, own, "auto on off", "auto", "say the own name; auto: if it can be dialled")       \
    X("wire", "gossip", CHOICE, 0, 0, own, "libcluster nodefinder peerage", "libcluster", "whose packets are spoken")                          \
    X("mode", "kubernetes", CHOICE, 0, 0, own, "ip dns hostname", "ip", "what stands after '@': the pod's address, its name in DNS, its name by the service") \
    X("lookup", "kubernetes", CHOICE, 0, 0, own, "endpoints pods endpointslices", "endpoints", "which objects are asked for") \
    X("watch", "kubernetes consul etcd", CHOICE, 0, 0, own, "off on", "off", "on: changes are told as they happen, not asked for")        \
    X("namespace", "kubernetes", FILLED, 0, 0, own, "", "the pod's own", "namespace of the objects")                        \
    X("service", "kubernetes", FILLED, 0, 0, own, "", "none", "headless service of mode=hostname; without a selector: whose pods") \
    X("field", "kubernetes", FILLED, 0, 0, own, "", "none", "field selector, e.g. status.phase=Running with lookup=pods")   \
    X("master", "kubernetes", FILLED, 0, 0, own, "", "as in a pod", "the API server: HOST, HOST:PORT, or a URL")             \
    X("cluster", "kubernetes", FILLED, 0, 0, own, "", "cluster", "the domain is this and .local; $CLUSTER_DOMAIN is stronger") \
    X("account", "kubernetes", FILLED, 0, 0, own, "", "as in a pod", "folder with the files token, namespace and ca.crt")     \
    X("ready", "kubernetes", CHOICE, 0, 0, own, "off on", "on", "off: take also what is not ready")                         \
    X("cached", "kubernetes", CHOICE, 0, 0, own, "off on", "off", "on: what the API server has in its cache will do")       \
    X("page", "kubernetes", COUNT, 1, 10000, own, "", "500", "how many objects are asked for at a time")                    \
    X("token-file", "kubernetes consul etcd", FILLED, 0, 0, own, "", "none, or that of account=", "file with the token, read for each request")  \
    X("ca", "kubernetes consul etcd ec2", FILLED, 0, 0, own, "", "the system's, or that of account=", "PEM file with the authority that signed the server's certificate") \
    X("insecure", "kubernetes consul etcd ec2", CHOICE, 0, 0, own, "off on", "off", "on: verify no certificate, and send the token all the same") \
    X("server", "consul", FILLED, 0, 0, own, "", "127.0.0.1:8500", "the agent: HOST, HOST:PORT, or a URL")                    \
    X("tag", "consul", FILLED, 0, 0, own, "", "none", "only instances with this tag")                                      \
    X("dc", "consul", FILLED, 0, 0, own, "", "the agent's", "datacenter to ask")                                            \
    X("token", "consul etcd", FILLED, 0, 0, own, "", "none", "token of the server; token-file= keeps it out of process lists") \
    X("server", "etcd", FILLED, 0, 0, own, "", "127.0.0.1:2379", "a member of etcd: HOST, HOST:PORT, or a URL")               \
    X("announce", "consul etcd", CHOICE, 0, 0, own, "off on", "off", "on: put the own node there, for as long as it runs")            \
    X("server", "rancher", FILLED, 0, 0, own, "", "rancher-metadata", "the metadata service: HOST, HOST:PORT, or a URL") \
    X("server", "ec2", FILLED, 0, 0, own, "", "the region's", "the service: a URL")                                            \
    X("region", "ec2", FILLED, 0, 0, own, "", "$AWS_REGION, or the own one", "region to ask")                                \
    X("group", "ec2", FILLED, 0, 0, own, "", "any", "only instances in one of these security groups, ',' between their names") \
    X("match", "ec2", CHOICE, 0, 0, own, "all any", "all", "any: one tag or group is enough")                                \
    X("host", "ec2", CHOICE, 0, 0, own, "ip name", "ip", "what stands after '@': the private address, or the private DNS name") \
    X("key", "ec2", FILLED, 0, 0, own, "", "$AWS_ACCESS_KEY_ID, or the role's", "id of the access key")                    \
    X("secret", "ec2", FILLED, 0, 0, own, "", "none", "the key's secret; secret-file= keeps it out of process lists")         \
    X("secret-file", "ec2", FILLED, 0, 0, own, "", "none", "file with the key's secret, read for each request")

/* Every scheme of this build: its name, how its target is written, the least and most items there, and what it does. */
#define CLU_URL_SCHEME_LIST(X)                                                                                              \
    X("static", "NODE,NODE,...", 0, 65535, "a fixed list of nodes; none: the empty answer")                                 \
    X("push", "NAME", 0, 1, "complete lists that the program hands in")                                                     \
    CLU_URL_SCHEME_FILE(X) CLU_URL_SCHEME_DNS(X) CLU_URL_SCHEME_EPMD(X) CLU_URL_SCHEME_GOSSIP(X) CLU_URL_SCHEME_KUBERNETES(X) CLU_URL_SCHEME_CONSUL(X)         \
        CLU_URL_SCHEME_ETCD(X) CLU_URL_SCHEME_RANCHER(X) CLU_URL_SCHEME_HOSTS(X) CLU_URL_SCHEME_EC2(X)
#ifdef CLUSTER_NO_FILE
#define CLU_URL_SCHEME_FILE(X)
#else
#define CLU_URL_SCHEME_FILE(X) X("file", "PATH", 1, 1, "a file with a node a line, read again when it changes")
#endif
#ifdef CLUSTER_NO_DNS
#define CLU_URL_SCHEME_DNS(X)
#else
#define CLU_URL_SCHEME_DNS(X)                                                                                               \
    X("dns", "NAME,NAME,...", 0, 65535, "the hosts that DNS has for these names; BASE@NAME: the nodes' base name with it")
#endif
#ifdef CLUSTER_NO_EPMD
#define CLU_URL_SCHEME_EPMD(X)
#else
#define CLU_URL_SCHEME_EPMD(X)                                                                                              \
    X("epmd", "HOST:PORT,...", 0, 65535, "every node registered at these epmds; none: at the local one")
#endif
#ifdef CLUSTER_NO_GOSSIP
#define CLU_URL_SCHEME_GOSSIP(X)
#else
#define CLU_URL_SCHEME_GOSSIP(X)                                                                                            \
    X("gossip", "ADDRESS:PORT", 0, 1, "multicast as libcluster speaks it; none: 233.252.1.32:45892")
#endif
#ifdef CLUSTER_NO_KUBERNETES
#define CLU_URL_SCHEME_KUBERNETES(X)
#else
#define CLU_URL_SCHEME_KUBERNETES(X)                                                                                        \
    X("kubernetes", "SELECTOR", 0, 65535, "the pods behind a label selector, as the API server lists them")
#endif
#ifdef CLUSTER_NO_HOSTS
#define CLU_URL_SCHEME_HOSTS(X)
#else
#define CLU_URL_SCHEME_HOSTS(X) X("hosts", "PATH", 0, 1, "every node at the epmds of the hosts in a .hosts.erlang")
#endif
#ifdef CLUSTER_NO_CONSUL
#define CLU_URL_SCHEME_CONSUL(X)
#else
#define CLU_URL_SCHEME_CONSUL(X) X("consul", "SERVICE", 1, 1, "the instances of a service whose checks pass, from Consul")
#endif
#ifdef CLUSTER_NO_EC2
#define CLU_URL_SCHEME_EC2(X)
#else
#define CLU_URL_SCHEME_EC2(X) X("ec2", "TAG=VALUE,...", 0, 65535, "the running instances with these tags, from Amazon EC2")
#endif
#ifdef CLUSTER_NO_ETCD
#define CLU_URL_SCHEME_ETCD(X)
#else
#define CLU_URL_SCHEME_ETCD(X) X("etcd", "PREFIX", 1, 1, "the nodes whose names are keys under a prefix of etcd")
#endif
#ifdef CLUSTER_NO_RANCHER
#define CLU_URL_SCHEME_RANCHER(X)
#else
#define CLU_URL_SCHEME_RANCHER(X) X("rancher", "SERVICE", 0, 1, "the containers of a service of Rancher 1; none: of the own one")
#endif
/* clang-format on */

/* The keys and the schemes, as lists of words. */
#define CLU_WORD(word, ...) " " word
#define CLU_URL_KEYS (&(CLU_URL_COMMON_LIST(CLU_WORD))[1])
#define CLU_URL_ALL_KEYS (&(CLU_URL_COMMON_LIST(CLU_WORD) CLU_URL_OWN_LIST(CLU_WORD))[1])
#define CLU_URL_SCHEMES (&(CLU_URL_SCHEME_LIST(CLU_WORD))[1])

struct clu_option_info {
    const char *scheme, *choices;
    uint32_t min, max;
    uint16_t offset;
    uint8_t type;
};

/* By place in CLU_URL_ALL_KEYS; of -1 for any other, which is text. */
CLU_FN const struct clu_option_info *clu_option_at(int index)
{
#define CLU_ROW(key, scheme, type, min, max, member, choices, fallback, help)                                                  \
    {scheme, choices, min, max, (uint16_t)offsetof(struct clu_common, member), CLU_OPTION_##type},
    static const struct clu_option_info table[] = {CLU_ROW("", "", TEXT, 0, 0, own, "", "", "") CLU_URL_COMMON_LIST(CLU_ROW)
                                                       CLU_URL_OWN_LIST(CLU_ROW)};
#undef CLU_ROW
    return &table[index + 1];
}

struct clu_scheme_info {
    const char *target;
    uint16_t min, max;
};

/* By place in CLU_URL_SCHEMES; of -1 for any other, of which nothing is known. */
CLU_FN const struct clu_scheme_info *clu_scheme_info_at(int index)
{
#define CLU_ROW(scheme, target, min, max, help) {target, min, max},
    static const struct clu_scheme_info table[] = {{"", 0, 65535}, CLU_URL_SCHEME_LIST(CLU_ROW)};
#undef CLU_ROW
    return &table[index + 1];
}

/* What only the printed reference needs stands apart, so that a program without it does not carry it. */
struct clu_option_help {
    const char *key, *scheme, *fallback, *help;
    const struct clu_option_info *info;
};

/* The index-th option, the common ones first; false past the end. */
CLU_FN bool clu_url_help(size_t index, struct clu_option_help *out)
{
#define CLU_ROW(key, scheme, type, min, max, member, choices, fallback, help) {key, scheme, fallback, help, NULL},
    static const struct clu_option_help table[] = {CLU_URL_COMMON_LIST(CLU_ROW) CLU_URL_OWN_LIST(CLU_ROW)};
#undef CLU_ROW
    if (index >= CLU_COUNT(table))
        return false;
    *out = table[index];
    out->info = clu_option_at((int)index);
    return true;
}

struct clu_scheme_help {
    const char *scheme, *target, *help;
};

CLU_FN bool clu_url_scheme_help(size_t index, struct clu_scheme_help *out)
{
#define CLU_ROW(scheme, target, min, max, help) {scheme, target, help},
    static const struct clu_scheme_help table[] = {CLU_URL_SCHEME_LIST(CLU_ROW)};
#undef CLU_ROW
    if (index >= CLU_COUNT(table))
        return false;
    *out = table[index];
    return true;
}

/* ---- redaction -------------------------------------------------------- */

/* Is the value of this key hidden? What counts is the last word of it: so it is of auth-token, not of token-file. */
CLU_FN bool clu_key_is_secret(struct clu_slice key)
{
    struct clu_slice word;
    do
        word = clu_cut(&key, '-');
    while (key.at);
    return clu_word_find("secret token password key cookie", word) >= 0;
}

/* An item or an option as written, with *** for a secret value, or for what stands between the first :// and the last @. */
CLU_FN void clu_redact(struct clu_text *out, struct clu_slice part)
{
    struct clu_slice value = part, key = clu_cut(&value, '=');
    size_t from = key.length + 1, to = part.length;
    if (!clu_key_is_secret(key)) {
        for (from = 0; from < part.length && !clu_slice_starts(clu_slice_from(part, from), "://");)
            from++;
        from += 3;
        while (to && part.at[--to] != '@')
            continue;
    }
    if (from < to) {
        clu_text_bytes(out, part.at, from);
        clu_text_add(out, "***");
        part = clu_slice_from(part, to);
    }
    clu_text_bytes(out, part.at, part.length);
}

/* The URL as written, without its secrets; any text at all. At most twice as long as the URL. */
CLU_FN void clu_url_redact(const char *url, struct clu_text *out)
{
    const char *separators = "?,";
    for (;;) {
        size_t length = strcspn(url, separators);
        clu_redact(out, clu_slice_of(url, length));
        url += length;
        if (!*url)
            return;
        if (*url == '?')
            separators = "&";
        clu_text_bytes(out, url++, 1);
    }
}

/* ---- a parsed URL ----------------------------------------------------- */

/* All in the caller's buffer: the items one after another, each ended by NUL, and an empty one at the end; then keys and values
 * in turn, each ended by NUL. */
struct clu_url {
    const char *target, *options;
    size_t items, option_count;
};

/* The item or other text after this one. */
CLU_FN const char *clu_url_next(const char *text)
{
    return text + strlen(text) + 1;
}

/* The decoded value; NULL when it is not given. */
CLU_FN const char *clu_url_option(const struct clu_url *u, const char *key)
{
    const char *at = u->options;
    size_t i;
    for (i = 0; i < u->option_count; i++) {
        const char *value = clu_url_next(at);
        if (strcmp(at, key) == 0)
            return value;
        at = clu_url_next(value);
    }
    return NULL;
}

/* ---- sentences -------------------------------------------------------- */

/* What is left of the longer of two words without the beginning and the end that both share. */
CLU_FN size_t clu_distance(struct clu_slice a, struct clu_slice b)
{
    for (; a.length && b.length && *a.at == *b.at; a = clu_slice_from(a, 1))
        b = clu_slice_from(b, 1);
    for (; a.length && b.length && a.at[a.length - 1] == b.at[b.length - 1]; a.length--)
        b.length--;
    return a.length > b.length ? a.length : b.length;
}

/* The sentence for a word that is in none of two lists: the one that was likely meant, or else all of them. */
CLU_FN int clu_url_unknown(struct clu_text *error, const char *kind, struct clu_slice word, const char *words, const char *more)
{
    struct clu_slice near = clu_slice_of(NULL, 0), rest;
    size_t nearer = word.length < 4 ? 2 : 3;
    const char *list;
    for (list = words; list; list = list == words ? more : NULL) {
        for (rest = clu_slice_str(list); rest.at;) {
            struct clu_slice candidate = clu_cut(&rest, ' ');
            size_t distance = clu_distance(word, candidate);
            if (distance < nearer && distance < word.length) {
                nearer = distance;
                near = candidate;
            }
        }
    }
    (void)clu_say(error, "unknown $ '#': ", word, kind);
    if (near.at)
        return clu_say(error, "did you mean '#'?", near, "");
    (void)clu_say(error, "there are $", word, words);
    return more && *more ? clu_say(error, " $", word, more) : CLUSTER_E_INVALID;
}

/* What an option takes, e.g. "a number from 1 to 1000". */
CLU_FN void clu_option_takes(const struct clu_option_info *info, struct clu_text *out)
{
    static const char *const what[] = {
        "any text",
        "a text that is not empty",
        "the base name before '@' alone (the own node's whole name is options.node, or --node)",
        "patterns of names with * and ? (written %3F), separated by ','",
        "ranges of addresses like 10.0.0.0/8,fd00::/8",
        "0 or a duration like 500ms, 5s, 1m, 2h, at least ",
        "a duration like 500ms, 5s, 1m, 2h, at least ",
        "a number from ",
        "a percentage, 0% to 100%",
        "one of ",
    };
    clu_text_add(out, what[info->type]);
    if (info->type < CLU_OPTION_DURATION || info->type > CLU_OPTION_COUNT) {
        clu_text_add(out, info->choices);
        return;
    }
    clu_text_u64(out, info->min);
    clu_text_add(out, info->type == CLU_OPTION_COUNT ? " to " : "ms");
    if (info->type == CLU_OPTION_COUNT)
        clu_text_u64(out, info->max);
    if (*info->choices)
        clu_text_add(out, "; of dns: also ttl");
}

/* ---- parsing ---------------------------------------------------------- */

/* The caller fills in what comes first. */
struct clu_url_parser {
    struct clu_text *error; /* for one sentence */
    struct clu_url *out;
    struct clu_common *common; /* the defaults */
    char *at;                  /* a buffer of strlen(url) + 1 bytes: never more is written than was read */
    const char *own_keys;      /* what the scheme takes beside the common options, separated by spaces */
    struct clu_slice scheme;   /* clu_url_scheme fills it in */
    struct clu_slice part;     /* the item or option at work */
    bool after_secret;         /* what follows may be the rest of a secret with an '&' in it */
};

/* A sentence about the part at work, shown without its secret. */
CLU_FN int clu_url_say(struct clu_url_parser *p, const char *sentence)
{
    char buffer[2 * CLU_SAY_MOST];
    struct clu_text shown = clu_text_on(buffer, sizeof buffer);
    clu_redact(&shown, p->part);
    return clu_say(p->error, sentence, clu_slice_of(buffer, shown.length), "");
}

/* What stands before the first ':'. */
CLU_FN int clu_url_scheme(struct clu_url_parser *p, const char *url)
{
    struct clu_slice rest = clu_slice_str(url), head;
    if (rest.length > CLU_URL_MAX)
        return clu_say(p->error, "the URL is longer than 65535 bytes: make several sources of it, or use file:PATH", rest, "");
    head = clu_cut(&rest, '?');
    p->scheme = clu_cut(&head, ':');
    if (!head.at)
        return clu_say(p->error, "no ':' after the scheme in '#': write it like static:a@h1,b@h2 or file:PATH", p->scheme, "");
    return 0;
}

/* Text and its NUL, decoded if wanted. */
CLU_FN int clu_url_put(struct clu_url_parser *p, struct clu_slice text, bool decode)
{
    size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned c = (unsigned char)text.at[i];
        if (c < 0x20 || c == 0x7f)
            return clu_url_say(p, "a control byte in '#', maybe the end of a line: take it out, or write it as %XX");
        if (decode && c == '%') {
            c = text.length - i < 3 ? 256 : clu_hex_digit(text.at[i + 1]) << 4 | clu_hex_digit(text.at[i + 2]);
            if (!c || c > 255)
                return clu_url_say(p, "bad escape in '#': after '%' come two hexadecimal digits, not 00; '%' itself is %25");
            i += 2;
        }
        *p->at++ = (char)c;
    }
    *p->at++ = '\0';
    return 0;
}

/* Is this a value of the option? What it counts, in ns for durations, goes to *out. */
CLU_FN bool clu_option_value(const struct clu_option_info *info, struct clu_slice s, uint64_t *out)
{
    int choice;
    switch (info->type) {
    case CLU_OPTION_BASE:
        return clu_name_half_valid(s.at, s.length);
    case CLU_OPTION_RANGES:
        return clu_ranges_valid(s);
    case CLU_OPTION_DURATION:
    case CLU_OPTION_PERIOD:
        return clu_duration(s, out) && (*out >= info->min * CLU_MS || (!*out && info->type == CLU_OPTION_DURATION));
    case CLU_OPTION_PERCENT:
        if (!s.length || s.at[--s.length] != '%')
            return false; /* fall through */
    case CLU_OPTION_COUNT:
        return clu_number(s, info->max, out) && *out >= info->min;
    case CLU_OPTION_CHOICE:
        choice = clu_word_find(info->choices, s);
        *out = (uint64_t)choice;
        return choice >= 0;
    case CLU_OPTION_GLOBS:
        while (s.at)
            if (!clu_cut(&s, ',').length)
                return false;
        return true;
    default:
        return s.length || info->type == CLU_OPTION_TEXT;
    }
}

/* The keys that the table has for a scheme alone, separated by spaces. */
CLU_FN void clu_option_keys(struct clu_slice scheme, struct clu_text *out)
{
    struct clu_slice rest = clu_slice_str(CLU_URL_ALL_KEYS);
    int at;
    for (at = 0; rest.at; at++) {
        struct clu_slice key = clu_cut(&rest, ' ');
        if (clu_word_find(clu_option_at(at)->scheme, scheme) < 0)
            continue;
        clu_text_add(out, out->length ? " " : "");
        clu_text_bytes(out, key.at, key.length);
    }
}

/* The place of a key: where several schemes have one of that name, of this scheme's. -1: there is none. */
CLU_FN int clu_option_find(struct clu_slice key, struct clu_slice scheme)
{
    struct clu_slice rest = clu_slice_str(CLU_URL_ALL_KEYS);
    int at, first = -1;
    for (at = 0; rest.at; at++) {
        if (!clu_slice_same(clu_cut(&rest, ' '), key))
            continue;
        if (clu_word_find(clu_option_at(at)->scheme, scheme) >= 0)
            return at;
        first = first < 0 ? at : first;
    }
    return first;
}

CLU_FN int clu_url_add_option(struct clu_url_parser *p, struct clu_slice option)
{
    struct clu_slice value = option, key = clu_cut(&value, '=');
    int index = clu_option_find(key, p->scheme);
    const struct clu_option_info *info = clu_option_at(index);
    const char *name = p->at, *text;
    void *field;
    bool own;
    uint64_t number = 0;
    p->part = option;
    if (!value.at || !key.length) {
        clu_text_add(p->error, "option ");
        clu_text_u64(p->error, p->out->option_count + 1);
        return clu_say(p->error, " is not key=value: an '&' in a value is written %26", key, "");
    }
    own = clu_word_find(p->own_keys, key) >= 0;
    if (own) {
        if (*info->scheme && clu_word_find(info->scheme, p->scheme) < 0)
            info = clu_option_at(-1);
    } else if (*info->scheme) {
        return clu_say(p->error, "option '#' does not apply: it is for '$'", key, info->scheme);
    } else if (index < 0) {
        return clu_url_unknown(p->error, "option", p->after_secret ? clu_slice_str("***") : key, CLU_URL_KEYS, p->own_keys);
    }
    p->after_secret = clu_key_is_secret(key);
    (void)clu_url_put(p, key, false);
    if (clu_url_option(p->out, name))
        return clu_say(p->error, "option '#' is given twice: keep one of them", key, "");
    text = p->at;
    if (clu_url_put(p, value, info->type < CLU_OPTION_DURATION))
        return CLUSTER_E_INVALID;
    p->out->option_count++;
    /* a common option that a scheme lists as its own takes its words too, there as 0 */
    if (!(own && !*info->scheme && clu_word_find(info->choices, value) >= 0 && value.length) &&
        !clu_option_value(info, clu_slice_str(text), &number)) {
        (void)clu_url_say(p, "'#' is not right: it takes ");
        clu_option_takes(info, p->error);
        return CLUSTER_E_INVALID;
    }
    field = (char *)p->common + info->offset;
    if (info->type < CLU_OPTION_DURATION)
        *(const char **)field = text;
    else if (info->type < CLU_OPTION_COUNT)
        *(uint64_t *)field = number;
    else
        *(uint32_t *)field = (uint32_t)number;
    return 0;
}

/* Take a URL apart, of which clu_url_scheme gave the scheme. */
CLU_CALLED int clu_url_parse(struct clu_url_parser *p)
{
    struct clu_slice options = clu_slice_str(p->scheme.at + p->scheme.length + 1), target = clu_cut(&options, '?');
    int index = clu_word_find(CLU_URL_SCHEMES, p->scheme), result = 0;
    const struct clu_scheme_info *info = clu_scheme_info_at(index);
    const char *sentence = NULL;
    p->out->target = p->at;
    if (index >= 0 && !info->min && clu_slice_starts(target, "//"))
        sentence = "no '//' after '#': write '$' after its ':'";
    if (!target.length)
        target.at = NULL;
    while (target.at) {
        p->part = clu_cut(&target, ',');
        if (!p->part.length)
            sentence = "an empty item in the target of '#': a ',' too many? In an item it is written %2C";
        if (clu_url_put(p, p->part, true))
            return CLUSTER_E_INVALID;
        p->out->items++;
    }
    if (p->out->items < info->min || p->out->items > info->max)
        sentence = "the target of '#' must be one '$', with a ',' in it written %2C";
    if (sentence)
        return clu_say(p->error, sentence, p->scheme, info->target);
    *p->at++ = '\0';
    p->out->options = p->at;
    while (options.at && !result)
        result = clu_url_add_option(p, clu_cut(&options, '&'));
    return result;
}

#endif
