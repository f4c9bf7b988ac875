/*
 * The URLs of sources: `scheme:item,item?key=value&key=value`. Split first, decode after: %XX counts in items and in values
 * that are text, numbers and durations are taken as written. One table knows every option and one every scheme; they serve
 * the parser, the nearest right word in its sentences, and the printed reference. What is decoded goes into the caller's
 * buffer. No sentence and no redacted URL ever shows a secret.
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

/* The values of the common options. clu_url_common changes what the URL gives and leaves all else as it was, so the caller
 * puts its defaults there first. Text points into the URL's buffer. */
struct clu_common {
    uint64_t interval_ns, timeout_ns, max_age_ns;
    const char *node, *only, *except, *allow, *role, *zone;
    uint32_t jitter_percent, port, misses, min, limit, weight, prune;
    uint32_t given; /* CLU_GIVEN_... */
};

/* Bits of `given`, in the order of the table. */
enum {
    CLU_GIVEN_NODE = 1 << 0,
    CLU_GIVEN_INTERVAL = 1 << 1,
    CLU_GIVEN_JITTER = 1 << 2,
    CLU_GIVEN_TIMEOUT = 1 << 3,
    CLU_GIVEN_PORT = 1 << 4,
    CLU_GIVEN_PRUNE = 1 << 5,
    CLU_GIVEN_MISSES = 1 << 6,
    CLU_GIVEN_MIN = 1 << 7,
    CLU_GIVEN_MAX_AGE = 1 << 8,
    CLU_GIVEN_ONLY = 1 << 9,
    CLU_GIVEN_EXCEPT = 1 << 10,
    CLU_GIVEN_ALLOW = 1 << 11,
    CLU_GIVEN_LIMIT = 1 << 12,
    CLU_GIVEN_ROLE = 1 << 13,
    CLU_GIVEN_WEIGHT = 1 << 14,
    CLU_GIVEN_ZONE = 1 << 15
};

/* Every option: key, whose it is ("": every scheme's), type, least and most, the field of struct clu_common, choices, what
 * holds where it is not given, and what it is for. */
/* clang-format off */
#define CLU_URL_COMMON_LIST(X)                                                                                              \
    X("node", "", BASE, 0, 0, node, "", "the own node's", "base name, put before '@' where a source names hosts only")       \
    X("interval", "", DURATION, 10, 0, interval_ns, "", "as the scheme", "time from round to round; 0: one round only")      \
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
    X("name", "epmd", BASE, 0, 0, node, "", "all", "take only what is registered under this name")                           \
    X("secret", "gossip", FILLED, 0, 0, node, "", "none", "encrypt with this; every node needs the same")                    \
    X("secret-file", "gossip", FILLED, 0, 0, node, "", "none", "file with the secret, to keep it out of process lists")      \
    X("auth", "gossip", CHOICE, 0, 0, node, "optional required", "optional", "required: take only authenticated packets")    \
    X("if", "gossip", FILLED, 0, 0, node, "", "by the route", "interface to use, by name or by address")                     \
    X("ttl", "gossip", COUNT, 0, 255, node, "", "1", "how many routers a multicast packet may pass")                         \
    X("broadcast", "gossip", CHOICE, 0, 0, node, "off on", "off", "on: broadcast in place of multicast")                       \
    X("announce", "gossip", CHOICE, 0, 0, node, "auto on off", "auto", "say the own name; auto: if it can be dialled")       \
    X("wire", "gossip", CHOICE, 0, 0, node, "libcluster", "libcluster", "whose packets are spoken")

/* Every scheme of this build: its name, how its target is written, the least and most items there, and what it does. */
#define CLU_URL_SCHEME_LIST(X)                                                                                              \
    X("static", "NODE,NODE,...", 0, 65535, "a fixed list of nodes; none: the empty answer")                                 \
    X("push", "NAME", 0, 1, "complete lists that the program hands in")                                                     \
    CLU_URL_SCHEME_FILE(X) CLU_URL_SCHEME_EPMD(X) CLU_URL_SCHEME_GOSSIP(X)
#ifdef CLUSTER_NO_FILE
#define CLU_URL_SCHEME_FILE(X)
#else
#define CLU_URL_SCHEME_FILE(X) X("file", "PATH", 1, 1, "a file with a node a line, read again when it changes")
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
/* clang-format on */

/* The keys and the schemes, as lists of words. */
#define CLU_WORD(word, ...) " " word
#define CLU_URL_KEYS (&(CLU_URL_COMMON_LIST(CLU_WORD))[1])
#define CLU_URL_OWN_KEYS (&(CLU_URL_OWN_LIST(CLU_WORD))[1])
#define CLU_URL_SCHEMES (&(CLU_URL_SCHEME_LIST(CLU_WORD))[1])

struct clu_option_info {
    const char *scheme, *choices;
    uint32_t min, max;
    uint16_t offset;
    uint8_t type;
};

#define CLU_ROW(key, scheme, type, min, max, member, choices, fallback, help)                                                  \
    {scheme, choices, min, max, (uint16_t)offsetof(struct clu_common, member), CLU_OPTION_##type},

/* By place in CLU_URL_KEYS. */
CLU_FN const struct clu_option_info *clu_option_common(int index)
{
    static const struct clu_option_info table[] = {CLU_URL_COMMON_LIST(CLU_ROW)};
    return &table[index];
}

/* By place in CLU_URL_OWN_KEYS. */
CLU_FN const struct clu_option_info *clu_option_own(int index)
{
    static const struct clu_option_info table[] = {CLU_URL_OWN_LIST(CLU_ROW)};
    return &table[index];
}
#undef CLU_ROW

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
    int common;
    if (index >= CLU_COUNT(table))
        return false;
    *out = table[index];
    common = clu_word_find(CLU_URL_KEYS, clu_slice_str(out->key));
    out->info =
        common >= 0 ? clu_option_common(common) : clu_option_own(clu_word_find(CLU_URL_OWN_KEYS, clu_slice_str(out->key)));
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

/* ---- the nearest right word ------------------------------------------- */

#define CLU_NEAR_MAX 31

/* How many bytes were mistyped, left out, put in, or swapped with a neighbour (Damerau-Levenshtein, each place once); case
 * does not count. Both at most CLU_NEAR_MAX long. */
CLU_FN unsigned clu_distance(struct clu_slice a, struct clu_slice b)
{
    uint8_t table[CLU_NEAR_MAX + 1][CLU_NEAR_MAX + 1];
    size_t i, j;
    for (i = 0; i <= a.length; i++)
        for (j = 0; j <= b.length; j++) {
            unsigned best = (unsigned)(i + j), other;
            if (i && j) {
                char x = clu_lower(a.at[i - 1]), y = clu_lower(b.at[j - 1]);
                best = table[i - 1][j - 1] + (x != y ? 1u : 0u);
                other = (table[i - 1][j] < table[i][j - 1] ? table[i - 1][j] : table[i][j - 1]) + 1u;
                if (other < best)
                    best = other;
                if (i > 1 && j > 1 && x == clu_lower(b.at[j - 2]) && y == clu_lower(a.at[i - 2]) &&
                    table[i - 2][j - 2] + 1u < best)
                    best = table[i - 2][j - 2] + 1u;
            }
            table[i][j] = (uint8_t)best;
        }
    return table[a.length][b.length];
}

/* ---- redaction -------------------------------------------------------- */

/* How much of a text can be a key: letters, digits, '-', '_'. */
CLU_FN size_t clu_key_length(struct clu_slice s)
{
    size_t length = 0;
    while (length < s.length && (clu_hex_digit(s.at[length]) < 10 || s.at[length] == '-' || s.at[length] == '_' ||
                                 (unsigned)(clu_lower(s.at[length]) - 'a') < 26))
        length++;
    return length;
}

/* Is the value of this key to be hidden? So is one that looks like a misspelling; names of files are no secrets. */
CLU_FN bool clu_key_is_secret(struct clu_slice key)
{
    struct clu_slice words = clu_slice_str("secret token password passwd passphrase cookie key");
    size_t at;
    key.length = clu_key_length(key);
    if (key.length > 5 && clu_slice_is(clu_slice_from(key, key.length - 5), "-file"))
        return false;
    while (words.at) {
        struct clu_slice word = clu_cut(&words, ' '), part;
        for (at = 0; at < key.length; at++) {
            part = clu_slice_from(key, at);
            if (part.length > word.length)
                part.length = word.length;
            if (clu_distance(part, word) <= word.length / 5)
                return true;
        }
    }
    return false;
}

/* The byte that stands at s.at[*at], decoded where it is a good escape; *at moves past it. */
CLU_FN char clu_url_byte(struct clu_slice s, size_t *at)
{
    char c = s.at[(*at)++];
    if (c == '%' && s.length - *at >= 2) {
        unsigned high = clu_hex_digit(s.at[*at]), low = clu_hex_digit(s.at[*at + 1]);
        if ((high | low) < 16) {
            *at += 2;
            c = (char)(high << 4 | low);
        }
    }
    return c;
}

/* A text, as written, with *** for what stands between :// and @, also where these are escaped. A slash does not end it: people
 * put passwords there that should have been escaped. */
CLU_FN void clu_redact_text(struct clu_text *out, struct clu_slice s)
{
    size_t at = 0, seen = 0;
    while (at < s.length) {
        size_t from = at, last = 0, i, before;
        char c = clu_url_byte(s, &at);
        seen = c == ':' ? 1 : c == '/' && seen ? seen + 1 : 0;
        clu_text_bytes(out, s.at + from, at - from);
        if (seen < 3)
            continue;
        for (i = at; i < s.length && s.at[i] != ',';) {
            before = i;
            if (clu_url_byte(s, &i) == '@')
                last = before;
        }
        if (last) {
            clu_text_add(out, "***");
            at = last;
        }
        seen = 0;
    }
}

CLU_FN void clu_redact_option(struct clu_text *out, struct clu_slice option)
{
    size_t length = clu_key_length(option);
    if (length + 1 >= option.length || !clu_key_is_secret(option)) {
        clu_redact_text(out, option);
    } else {
        clu_text_bytes(out, option.at, length);
        clu_text_add(out, "=***");
    }
}

/* The URL as written, without its secrets; any text at all. What has no '=' may be the rest of a secret with an '&' in it.
 * At most twice as long as the URL. */
CLU_FN void clu_url_redact(const char *url, struct clu_text *out)
{
    struct clu_slice options = clu_slice_str(url), option;
    const char *separator = "?";
    clu_redact_text(out, clu_cut(&options, '?'));
    while (options.at) {
        option = clu_cut(&options, '&');
        clu_text_add(out, separator);
        if (option.length && clu_slice_find(option, '=') == option.length)
            option = clu_slice_str("***");
        clu_redact_option(out, option);
        separator = "&";
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

/* The index-th item; NULL past the end. */
CLU_FN const char *clu_url_item(const struct clu_url *u, size_t index)
{
    const char *item = u->target;
    if (index >= u->items)
        return NULL;
    while (index--)
        item = clu_url_next(item);
    return item;
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

/* What a sentence can name, as $0 to $4. */
enum { CLU_WORD_SCHEME, CLU_WORD_PART, CLU_WORD_KEY, CLU_WORD_NEAR, CLU_WORD_TARGET, CLU_WORD_COUNT };

struct clu_url_parser {
    struct clu_url *out;
    char *at; /* in the buffer: what is written is never longer than what was read */
    struct clu_text *error;
    const char *more; /* words beside the built-in ones: keys of the scheme, or registered schemes */
    const struct clu_option_info *info;
    struct clu_slice word[CLU_WORD_COUNT];
    unsigned distance; /* of the nearest word */
    bool after_secret;
};

CLU_FN void clu_url_parser_init(struct clu_url_parser *p, struct clu_text *error, const char *more)
{
    memset(p, 0, sizeof *p);
    p->error = error;
    p->more = more;
    p->distance = CLU_NEAR_MAX;
}

/* The word of a list that was likely meant, or what an earlier list gave if that is nearer. */
CLU_FN void clu_nearest(struct clu_url_parser *p, struct clu_slice word, const char *words)
{
    struct clu_slice rest = clu_slice_str(words);
    while (rest.at) {
        struct clu_slice candidate = clu_cut(&rest, ' ');
        size_t longer = word.length > candidate.length ? word.length : candidate.length;
        unsigned most = longer < 5 ? 1 : longer < 9 ? 2 : 3, distance;
        if (longer > CLU_NEAR_MAX)
            continue;
        distance = clu_distance(word, candidate);
        if (distance < longer && distance <= most && distance < p->distance) {
            p->distance = distance;
            p->word[CLU_WORD_NEAR] = candidate;
        }
    }
}

/* The words of a list, the first after `first`, the others after `between`; nothing for an empty list. */
CLU_FN void clu_text_words(struct clu_text *out, const char *words, const char *first, const char *between)
{
    if (*words)
        clu_text_add(out, first);
    for (; *words; words++)
        if (*words == ' ')
            clu_text_add(out, between);
        else
            clu_text_bytes(out, words, 1);
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
        "0 or a duration like 500ms, 5s, 1m, 2h",
        "a duration like 500ms, 5s, 1m, 2h",
        "a number from ",
        "a percentage, 0% to 100%",
        "",
    };
    clu_text_add(out, what[info->type]);
    clu_text_words(out, info->choices, "", " or ");
    if (info->type == CLU_OPTION_COUNT) {
        clu_text_u64(out, info->min);
        clu_text_add(out, " to ");
        clu_text_u64(out, info->max);
    } else if (info->min > 1) {
        clu_text_add(out, ", at least ");
        clu_text_u64(out, info->min);
        clu_text_add(out, "ms");
    }
}

/* One sentence. A word is redacted, escaped and shortened; $K is all keys, $S all schemes, $T what the option takes. The result
 * is what the caller returns. */
CLU_FN int clu_url_say(struct clu_url_parser *p, const char *sentence)
{
    for (; *sentence; sentence++) {
        char buffer[100];
        struct clu_text quoted = clu_text_on(buffer, sizeof buffer);
        if (*sentence != '$') {
            clu_text_bytes(p->error, sentence, 1);
        } else if (*++sentence == 'T') {
            clu_option_takes(p->info, p->error);
        } else if (*sentence > '9') {
            clu_text_words(p->error, *sentence == 'K' ? CLU_URL_KEYS : CLU_URL_SCHEMES, "", ", ");
            clu_text_words(p->error, p->more, ", ", ", ");
        } else {
            clu_redact_option(&quoted, p->word[*sentence - '0']);
            clu_text_add(p->error, "'");
            clu_text_escaped(p->error, quoted.data, quoted.length);
            clu_text_add(p->error, quoted.cut ? "...'" : "'");
        }
    }
    return CLUSTER_E_INVALID;
}

/* ---- the scheme ------------------------------------------------------- */

/* What stands before the first ':'. */
CLU_FN int clu_url_scheme(const char *url, struct clu_slice *scheme, struct clu_text *error)
{
    struct clu_url_parser p;
    struct clu_slice rest = clu_slice_str(url), head;
    const char *sentence = NULL;
    size_t i;
    clu_url_parser_init(&p, error, "");
    if (rest.length > CLU_URL_MAX)
        sentence = "the URL is longer than 65535 bytes: make several sources of it, or use file:PATH";
    for (i = 0; i < rest.length; i++)
        if ((unsigned char)url[i] < 0x20 || url[i] == 0x7f)
            sentence = "the URL has a control byte, maybe the end of a line: take it out, or write it as %XX";
    head = clu_cut(&rest, '?');
    *scheme = p.word[CLU_WORD_SCHEME] = clu_cut(&head, ':');
    if (!sentence && !head.at)
        sentence = "no ':' after the scheme in $0: write it like static:a@h1,b@h2 or file:PATH";
    return sentence ? clu_url_say(&p, sentence) : 0;
}

/* The sentence for a scheme that nobody serves. `registered`: schemes beside the built-in ones, separated by spaces. */
CLU_FN int clu_url_unknown_scheme(struct clu_slice scheme, const char *registered, struct clu_text *error)
{
    struct clu_url_parser p;
    clu_url_parser_init(&p, error, registered);
    p.word[CLU_WORD_SCHEME] = scheme;
    clu_nearest(&p, scheme, CLU_URL_SCHEMES);
    clu_nearest(&p, scheme, registered);
    return clu_url_say(&p, p.word[CLU_WORD_NEAR].at ? "unknown scheme $0: did you mean $3? There are $S"
                                                    : "unknown scheme $0: there are $S");
}

/* ---- options ---------------------------------------------------------- */

/* Is this a value of the option? What it counts, in ns for durations, goes to *out. */
CLU_FN bool clu_option_value(const struct clu_option_info *info, struct clu_slice s, uint64_t *out)
{
    uint32_t percent;
    int choice;
    if (info->type == CLU_OPTION_BASE)
        return clu_name_half_valid(s.at, s.length);
    if (info->type == CLU_OPTION_RANGES)
        return clu_ranges_valid(s);
    if (info->type == CLU_OPTION_COUNT)
        return clu_number(s, info->max, out) && *out >= info->min;
    if (info->type == CLU_OPTION_DURATION || info->type == CLU_OPTION_PERIOD)
        return clu_duration(s, out) && (*out ? *out >= info->min * CLU_MS : info->type == CLU_OPTION_DURATION);
    if (info->type == CLU_OPTION_PERCENT) {
        if (!clu_percent(s, &percent))
            return false;
        *out = percent;
    } else if (info->type == CLU_OPTION_CHOICE) {
        choice = clu_word_find(info->choices, s);
        *out = (uint64_t)choice;
        return choice >= 0;
    } else if (info->type != CLU_OPTION_TEXT) /* FILLED is not empty, and so is no part of GLOBS */
        while (s.at)
            if (!clu_cut(&s, info->type == CLU_OPTION_GLOBS ? ',' : '\0').length)
                return false;
    return true;
}

/* Text and its NUL, decoded if wanted. False: a bad escape. */
CLU_FN bool clu_url_put(struct clu_url_parser *p, struct clu_slice text, bool decode)
{
    size_t at = 0;
    while (at < text.length) {
        size_t from = at;
        char c = text.at[at++];
        if (decode && c == '%') {
            c = clu_url_byte(text, &from);
            if (from == at || !c) {
                (void)clu_url_say(p, "bad escape in $1: after '%' come two hexadecimal digits, not 00; '%' itself is %25");
                return false;
            }
            at = from;
        }
        *p->at++ = c;
    }
    *p->at++ = '\0';
    return true;
}

CLU_FN int clu_url_unknown_option(struct clu_url_parser *p, int own)
{
    struct clu_slice *word = p->word;
    if (own >= 0) {
        word[CLU_WORD_NEAR] = clu_slice_str(clu_option_own(own)->scheme);
        return clu_url_say(p, "option $2 does not apply: it is for $3");
    }
    clu_nearest(p, word[CLU_WORD_KEY], CLU_URL_KEYS);
    clu_nearest(p, word[CLU_WORD_KEY], p->more);
    if (word[CLU_WORD_NEAR].at)
        return clu_url_say(p, "unknown option $2: did you mean $3?");
    if (p->after_secret)
        word[CLU_WORD_KEY] = clu_slice_str("***");
    return clu_url_say(p, "unknown option $2: $0 takes $K");
}

CLU_FN int clu_url_add_option(struct clu_url_parser *p, struct clu_slice option)
{
    struct clu_slice value = option, key = clu_cut(&value, '=');
    const char *name = p->at, *text;
    bool secret = clu_key_is_secret(key);
    int index = clu_word_find(CLU_URL_KEYS, key), own = clu_word_find(CLU_URL_OWN_KEYS, key);
    uint64_t ignored;
    p->word[CLU_WORD_PART] = option;
    p->word[CLU_WORD_KEY] = key;
    if (!value.at || !key.length) {
        if (secret || p->after_secret)
            p->word[CLU_WORD_PART] = clu_slice_str("***");
        return clu_url_say(p, "option $1 is not key=value; an '&' in a value is written %26");
    }
    p->info = NULL;
    if (index >= 0)
        p->info = clu_option_common(index);
    else if (clu_word_find(p->more, key) < 0)
        return clu_url_unknown_option(p, own);
    else if (own >= 0 && clu_slice_is(p->word[CLU_WORD_SCHEME], clu_option_own(own)->scheme))
        p->info = clu_option_own(own);
    p->after_secret = secret;
    (void)clu_url_put(p, key, false);
    if (clu_url_option(p->out, name))
        return clu_url_say(p, "option $2 is given twice: keep one of them");
    text = p->at;
    if (!clu_url_put(p, value, !p->info || p->info->type < CLU_OPTION_DURATION))
        return CLUSTER_E_INVALID;
    p->out->option_count++;
    value = clu_slice_str(text);
    if (!p->info || clu_option_value(p->info, value, &ignored))
        return 0;
    clu_nearest(p, value, p->info->choices);
    return clu_url_say(p, p->word[CLU_WORD_NEAR].at ? "$1 is not right: $2 takes $T: did you mean $3?"
                                                    : "$1 is not right: $2 takes $T");
}

/* Take a URL apart. own_keys: what the scheme takes beside the common options, separated by spaces. The buffer needs
 * strlen(url) + 1 bytes and must outlive *out. On failure there is one sentence in *error. */
CLU_FN int clu_url_parse(struct clu_url *out, const char *url, const char *own_keys, char *buffer, size_t size,
                         struct clu_text *error)
{
    struct clu_url_parser p;
    struct clu_slice target, options = clu_slice_str(url);
    const struct clu_scheme_info *info;
    const char *sentence = NULL;
    int result, scheme;
    clu_url_parser_init(&p, error, own_keys);
    result = clu_url_scheme(url, &p.word[CLU_WORD_SCHEME], error);
    if (result)
        return result;
    if (size <= options.length)
        return CLUSTER_E_LIMIT;
    p.out = out;
    p.at = buffer;
    memset(out, 0, sizeof *out);
    out->target = buffer;
    target = clu_slice_from(clu_cut(&options, '?'), p.word[CLU_WORD_SCHEME].length + 1);
    scheme = clu_word_find(CLU_URL_SCHEMES, p.word[CLU_WORD_SCHEME]);
    info = clu_scheme_info_at(scheme);
    p.word[CLU_WORD_TARGET] = clu_slice_str(info->target);
    if (scheme >= 0 && !info->min && clu_slice_starts(target, "//"))
        sentence = "no '//' after $0: write $4 after its ':'";
    if (!target.length)
        target.at = NULL;
    while (target.at) {
        struct clu_slice item = p.word[CLU_WORD_PART] = clu_cut(&target, ',');
        if (!item.length)
            sentence = "an empty item in the target of $0: a ',' too many? In an item it is written %2C";
        else if (!clu_url_put(&p, item, true))
            return CLUSTER_E_INVALID;
        out->items++;
    }
    if (options.at && clu_slice_find(options, '?') < options.length)
        sentence = "a second '?' among the options of $0: in a value it is written %3F";
    else if (out->items < (info->min) || out->items > info->max)
        sentence = "the target of $0 must be one $4, with a ',' in it written %2C";
    if (sentence)
        return clu_url_say(&p, sentence);
    *p.at++ = '\0';
    out->options = p.at;
    while (options.at && !result)
        result = clu_url_add_option(&p, clu_cut(&options, '&'));
    return result;
}

/* The common options of a parsed URL, over the caller's defaults. */
CLU_FN void clu_url_common(const struct clu_url *u, struct clu_common *out)
{
    const char *key = u->options, *text;
    size_t i;
    out->given = 0;
    for (i = 0; i < u->option_count; i++, key = clu_url_next(text)) {
        int index = clu_word_find(CLU_URL_KEYS, clu_slice_str(key));
        const struct clu_option_info *info = clu_option_common(index < 0 ? 0 : index);
        char *field = (char *)out + info->offset;
        uint64_t value = 0;
        text = clu_url_next(key);
        if (index < 0)
            continue;
        out->given |= (uint32_t)1 << index;
        (void)clu_option_value(info, clu_slice_str(text), &value);
        if (info->type < CLU_OPTION_DURATION)
            *(const char **)(void *)field = text;
        else if (info->type < CLU_OPTION_COUNT)
            *(uint64_t *)(void *)field = value;
        else
            *(uint32_t *)(void *)field = (uint32_t)value;
    }
}

#endif
