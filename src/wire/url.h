/*
 * The URLs of sources: `scheme:item,item?key=value&key=value`. Split first, decode after: %XX counts in items and in values
 * that are text, numbers and durations are taken as written. One table knows every option and one every scheme; they serve
 * the parser, the nearest right word in its sentences, and the printed reference. What is decoded goes into the caller's
 * buffer. No sentence and no redacted URL ever shows a secret.
 */
#ifndef CLU_WIRE_URL_H
#define CLU_WIRE_URL_H

#include "../base/bytes.h"
#include "address.h"
#include "glob.h"

#define CLU_URL_MAX 65535
#define CLU_URL_ITEMS 4096
#define CLU_URL_OPTIONS 32

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
    CLU_OPTION_CHOICE, /* one of the words of choices, separated by spaces */
    CLU_OPTION_FLAG    /* on or off */
};

/* The values of the common options. clu_url_common changes what the URL gives and leaves all else as it was, so the caller
 * puts its defaults there first. Text points into the URL's buffer. */
struct clu_common {
    uint64_t interval_ns, timeout_ns, max_age_ns;
    const char *node, *only, *except, *allow, *role, *zone;
    uint32_t jitter_percent, port, misses, min, limit, weight;
    uint32_t given; /* CLU_GIVEN_... */
    bool prune;
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

/* Every option: key, whose it is ("": every scheme's, and these come first), type, least and most, the field of struct
 * clu_common, choices, what holds where it is not given, and what it is for. */
/* clang-format off */
#define CLU_URL_OPTION_LIST(X)                                                                                              \
    X("node", "", BASE, 0, 0, node, "", "the own node's", "base name, put before '@' where a source names hosts only")       \
    X("interval", "", DURATION, 10, 0, interval_ns, "", "as the scheme", "time from round to round; 0: one round only")      \
    X("jitter", "", PERCENT, 0, 100, jitter_percent, "", "10%", "how far rounds move at random, so nodes are out of step")   \
    X("timeout", "", PERIOD, 1, 0, timeout_ns, "", "as the scheme", "a round without an answer by then has failed")          \
    X("port", "", COUNT, 1, 65535, port, "", "asked of epmd", "distribution port of every node of the source")               \
    X("prune", "", FLAG, 0, 0, prune, "off on", "on", "off: no node that the source once named leaves")                      \
    X("misses", "", COUNT, 1, 1000, misses, "", "as the scheme", "a node leaves when so many complete rounds lack it")       \
    X("min", "", COUNT, 0, 1000000, min, "", "0", "never prune below so many nodes")                                         \
    X("max-age", "", DURATION, 1, 0, max_age_ns, "", "as the scheme", "a node leaves when unheard for so long; 0: never")    \
    X("only", "", GLOBS, 0, 0, only, "", "*", "take only nodes whose name matches one of these")                             \
    X("except", "", GLOBS, 0, 0, except, "", "none", "leave out nodes whose name matches one of these")                      \
    X("allow", "", RANGES, 0, 0, allow, "", "all", "take only nodes with an address in one of these ranges")                 \
    X("limit", "", COUNT, 1, 1000000, limit, "", "limit_members", "a round with more nodes than this has failed")            \
    X("role", "", TEXT, 0, 0, role, "", "none", "role of the nodes that the source gives none")                              \
    X("weight", "", COUNT, 1, 65535, weight, "", "1", "weight of the nodes that the source gives none")                      \
    X("zone", "", TEXT, 0, 0, zone, "", "none", "zone of the nodes that the source gives none")                              \
    X("name", "epmd", BASE, 0, 0, node, "", "all", "take only what is registered under this name")                           \
    X("secret", "gossip", FILLED, 0, 0, node, "", "none", "encrypt with this; every node needs the same")                    \
    X("secret-file", "gossip", FILLED, 0, 0, node, "", "none", "file with the secret, to keep it out of process lists")      \
    X("auth", "gossip", CHOICE, 0, 0, node, "optional required", "optional", "required: take only authenticated packets")    \
    X("if", "gossip", FILLED, 0, 0, node, "", "by the route", "interface to use, by name or by address")                     \
    X("ttl", "gossip", COUNT, 0, 255, node, "", "1", "how many routers a multicast packet may pass")                         \
    X("broadcast", "gossip", FLAG, 0, 0, node, "off on", "off", "on: broadcast in place of multicast")                       \
    X("announce", "gossip", CHOICE, 0, 0, node, "auto on off", "auto", "say the own name; auto: if it can be dialled")       \
    X("wire", "gossip", CHOICE, 0, 0, node, "libcluster", "libcluster", "whose packets are spoken")

/* Every scheme of this build: its name, how its target is written, the least and most items there, and what it does. */
#define CLU_URL_SCHEME_LIST(X)                                                                                              \
    X("static", "NODE,...", 0, CLU_URL_ITEMS, "a fixed list of nodes; none: the empty answer")                              \
    X("push", "NAME", 0, 1, "complete lists that the program hands in")                                                     \
    X("file", "PATH", 1, 1, "a file with a node a line, read again when it changes")                                        \
    CLU_URL_SCHEME_EPMD(X) CLU_URL_SCHEME_GOSSIP(X)
#ifdef CLUSTER_NO_EPMD
#define CLU_URL_SCHEME_EPMD(X)
#else
#define CLU_URL_SCHEME_EPMD(X)                                                                                              \
    X("epmd", "HOST[:PORT],...", 0, CLU_URL_ITEMS, "every node registered at these epmds; none: at the local one")
#endif
#ifdef CLUSTER_NO_GOSSIP
#define CLU_URL_SCHEME_GOSSIP(X)
#else
#define CLU_URL_SCHEME_GOSSIP(X)                                                                                            \
    X("gossip", "ADDRESS:PORT", 0, 1, "multicast as libcluster speaks it; none: 233.252.1.32:45892")
#endif
/* clang-format on */

struct clu_option_info {
    const char *key, *scheme, *choices;
    uint32_t min, max;
    uint16_t offset;
    uint8_t type;
};

struct clu_scheme_info {
    const char *scheme, *target;
    uint32_t min, max;
};

CLU_FN const struct clu_option_info *clu_url_options(size_t *count)
{
#define CLU_ROW(key, scheme, type, min, max, member, choices, fallback, help)                                                  \
    {key, scheme, choices, min, max, (uint16_t)offsetof(struct clu_common, member), CLU_OPTION_##type},
    static const struct clu_option_info table[] = {CLU_URL_OPTION_LIST(CLU_ROW)};
#undef CLU_ROW
    *count = CLU_COUNT(table);
    return table;
}

CLU_FN const struct clu_scheme_info *clu_url_schemes(size_t *count)
{
#define CLU_ROW(scheme, target, min, max, help) {scheme, target, min, max},
    static const struct clu_scheme_info table[] = {CLU_URL_SCHEME_LIST(CLU_ROW)};
#undef CLU_ROW
    *count = CLU_COUNT(table);
    return table;
}

/* What only the printed reference needs stands apart, so that a program without it does not carry it. */
CLU_FN const char *clu_option_help(size_t index, const char **fallback)
{
#define CLU_ROW(key, scheme, type, min, max, member, choices, fallback, help) {fallback, help},
    static const char *const table[][2] = {CLU_URL_OPTION_LIST(CLU_ROW)};
#undef CLU_ROW
    *fallback = table[index][0];
    return table[index][1];
}

CLU_FN const char *clu_scheme_help(size_t index)
{
#define CLU_ROW(scheme, target, min, max, help) help,
    static const char *const table[] = {CLU_URL_SCHEME_LIST(CLU_ROW)};
#undef CLU_ROW
    return table[index];
}

/* ---- the nearest right word ------------------------------------------- */

#define CLU_NEAR_MAX 31

/* How many bytes were mistyped, left out, put in, or swapped with a neighbour (Damerau-Levenshtein, each place once); case
 * does not count. Both at most CLU_NEAR_MAX long. */
CLU_FN unsigned clu_distance(struct clu_slice a, struct clu_slice b)
{
    uint8_t rows[3][CLU_NEAR_MAX + 1];
    size_t i, j;
    for (i = 0; i <= a.length; i++) {
        uint8_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        for (j = 0; j <= b.length; j++) {
            unsigned best = (unsigned)(i + j);
            if (i && j) {
                char x = clu_lower(a.at[i - 1]), y = clu_lower(b.at[j - 1]);
                best = above[j - 1] + (x != y ? 1u : 0u);
                if (above[j] + 1u < best)
                    best = above[j] + 1u;
                if (row[j - 1] + 1u < best)
                    best = row[j - 1] + 1u;
                if (i > 1 && j > 1 && x == clu_lower(b.at[j - 2]) && y == clu_lower(a.at[i - 2]) && second[j - 2] + 1u < best)
                    best = second[j - 2] + 1u;
            }
            row[j] = (uint8_t)best;
        }
    }
    return rows[a.length % 3][b.length];
}

struct clu_near {
    struct clu_slice word, best; /* best.length 0: none is near */
    unsigned distance;
};

CLU_FN struct clu_near clu_near_to(struct clu_slice word)
{
    struct clu_near near;
    near.word = word;
    near.best = clu_slice_of("", 0);
    near.distance = CLU_NEAR_MAX;
    return near;
}

CLU_FN void clu_near_try(struct clu_near *near, struct clu_slice candidate)
{
    size_t longer = near->word.length > candidate.length ? near->word.length : candidate.length;
    size_t most = longer < 5 ? 1 : longer < 9 ? 2 : longer / 3;
    unsigned distance;
    if (longer > CLU_NEAR_MAX || !near->word.length || !candidate.length)
        return;
    distance = clu_distance(near->word, candidate);
    if (distance <= most && distance < near->distance && distance < longer) {
        near->distance = distance;
        near->best = candidate;
    }
}

/* Of a list of words, separated by spaces. */
CLU_FN void clu_near_words(struct clu_near *near, struct clu_slice words)
{
    while (words.at)
        clu_near_try(near, clu_cut(&words, ' '));
}

CLU_FN bool clu_word_in(struct clu_slice words, struct clu_slice word)
{
    while (word.length && words.at)
        if (clu_slice_same(clu_cut(&words, ' '), word))
            return true;
    return false;
}

/* ---- redaction -------------------------------------------------------- */

CLU_FN bool clu_word_char(char c)
{
    c = clu_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Is the value of this key, or of what it may be a misspelling of, to be hidden? Names of files are no secrets. */
CLU_FN bool clu_key_is_secret(struct clu_slice key)
{
    struct clu_slice words = clu_slice_str("secret token password passwd passphrase cookie key");
    struct clu_near near;
    size_t i, length = 0;
    while (length < key.length && clu_word_char(key.at[length]))
        length++;
    key.length = length;
    if (length > 5 && clu_slice_is(clu_slice_from(key, length - 4), "file"))
        return false;
    near = clu_near_to(key);
    clu_near_words(&near, words);
    while (words.at) {
        struct clu_slice word = clu_cut(&words, ' ');
        for (i = 0; i + word.length <= length; i++)
            if (clu_distance(clu_slice_of(key.at + i, word.length), word) == 0)
                return true;
    }
    return near.best.length > 0;
}

/* The byte that stands at s.at[*at], decoded where it is a good escape; *at moves past it. */
CLU_FN char clu_url_byte(struct clu_slice s, size_t *at)
{
    char c = s.at[(*at)++];
    if (c == '%' && s.length - *at >= 2) {
        unsigned high = clu_hex_digit(s.at[*at]), low = clu_hex_digit(s.at[*at + 1]);
        if (high < 16 && low < 16) {
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
    struct clu_slice value = option, key = clu_cut(&value, '=');
    if (!clu_key_is_secret(key)) {
        clu_redact_text(out, option);
        return;
    }
    while (key.length && clu_word_char(key.at[0])) {
        clu_text_bytes(out, key.at, 1);
        key = clu_slice_from(key, 1);
    }
    if (key.length || value.at)
        clu_text_add(out, "=***");
}

/* The URL as written, without its secrets; any text at all. What has no '=' may be the rest of a secret with an '&' in it. */
CLU_FN void clu_url_redact(const char *url, struct clu_text *out)
{
    struct clu_slice options = clu_slice_str(url), option;
    const char *separator = "?";
    bool after_secret = false, secret;
    clu_redact_text(out, clu_cut(&options, '?'));
    for (; options.at; separator = "&") {
        option = clu_cut(&options, '&');
        secret = clu_key_is_secret(option);
        clu_text_add(out, separator);
        if ((secret || after_secret) && clu_slice_find(option, '=') == option.length)
            clu_text_add(out, "***");
        else
            clu_redact_option(out, option);
        after_secret = secret;
    }
}

/* ---- sentences -------------------------------------------------------- */

/* One sentence with '$' in it for 'a', the second for 'b': redacted, escaped and shortened. The result is what the caller
 * returns. */
CLU_FN int clu_url_say(struct clu_text *error, const char *sentence, struct clu_slice a, struct clu_slice b)
{
    for (; *sentence; sentence++)
        if (*sentence == '$') {
            char buffer[100];
            struct clu_text quoted = clu_text_on(buffer, sizeof buffer);
            clu_redact_option(&quoted, a);
            a = b;
            clu_text_add(error, "'");
            clu_text_escaped(error, quoted.data, quoted.length);
            clu_text_add(error, quoted.cut ? "...'" : "'");
        } else {
            clu_text_bytes(error, sentence, 1);
        }
    return CLUSTER_E_INVALID;
}

/* The words of a list, the first after `first`, the others after `between`; nothing for an empty list. */
CLU_FN void clu_text_words(struct clu_text *out, const char *words, const char *first, const char *between)
{
    struct clu_slice rest = clu_slice_str(words);
    while (*words && rest.at) {
        struct clu_slice word = clu_cut(&rest, ' ');
        clu_text_add(out, first);
        clu_text_bytes(out, word.at, word.length);
        first = between;
    }
}

/* What an option takes, e.g. "a whole number from 1 to 1000". */
CLU_FN void clu_option_takes(const struct clu_option_info *info, struct clu_text *out)
{
    static const char *const what[] = {
        "any text",
        "a text that is not empty",
        "the base name before '@', not a whole name (the own node's is options.node, or --node)",
        "patterns of whole names, with * and ? (written %3F), separated by ','",
        "ranges of addresses like 10.0.0.0/8,fd00::/8",
        "0 or a duration like 500ms, 5s, 1m, 2h",
        "a duration like 500ms, 5s, 1m, 2h",
        "a whole number from ",
        "a percentage like 10%, at most 100%",
    };
    if (info->type >= CLU_OPTION_CHOICE) {
        clu_text_words(out, info->choices, "", " or ");
        return;
    }
    clu_text_add(out, what[info->type]);
    if (info->type == CLU_OPTION_COUNT) {
        clu_text_u64(out, info->min);
        clu_text_add(out, " to ");
        clu_text_u64(out, info->max);
    } else if (info->min > 1) {
        clu_text_add(out, " (at least ");
        clu_text_u64(out, info->min);
        clu_text_add(out, "ms)");
    }
}

/* ---- values ----------------------------------------------------------- */

/* Is this a value of the option? What it counts, in ns for durations and 1 for on, goes to *out. */
CLU_FN bool clu_option_value(const struct clu_option_info *info, struct clu_slice s, uint64_t *out)
{
    uint32_t percent;
    struct clu_slice words;
    *out = 0;
    switch (info->type) {
    case CLU_OPTION_TEXT:
        return true;
    case CLU_OPTION_BASE:
        return clu_name_half_valid(s.at, s.length);
    case CLU_OPTION_GLOBS:
        while (s.at)
            if (!clu_cut(&s, ',').length)
                return false;
        return true;
    case CLU_OPTION_RANGES:
        return clu_ranges_valid(s);
    case CLU_OPTION_DURATION:
    case CLU_OPTION_PERIOD:
        return clu_duration(s, out) && (*out ? *out >= info->min * CLU_MS : info->type == CLU_OPTION_DURATION);
    case CLU_OPTION_COUNT:
        return clu_number(s, info->max, out) && *out >= info->min;
    case CLU_OPTION_PERCENT:
        if (!clu_percent(s, &percent))
            return false;
        *out = percent;
        return true;
    case CLU_OPTION_CHOICE:
    case CLU_OPTION_FLAG:
        for (words = clu_slice_str(info->choices); words.at; ++*out)
            if (clu_slice_same(clu_cut(&words, ' '), s))
                return true;
        return false;
    default:
        return s.length > 0;
    }
}

/* The right value that was likely meant; *out stays empty when none is. */
CLU_FN void clu_option_guess(const struct clu_option_info *info, struct clu_slice s, struct clu_text *out)
{
    struct clu_near near = clu_near_to(s);
    size_t digits = 0, keep;
    uint64_t ignored;
    if (info->type >= CLU_OPTION_CHOICE) {
        clu_near_words(&near, clu_slice_str(info->choices));
        if (!near.best.length && info->type == CLU_OPTION_FLAG)
            near.best = clu_slice_str(strchr("yYtTeE1", s.at[0]) ? "on" : strchr("nNfFdD0", s.at[0]) ? "off" : "");
        clu_text_bytes(out, near.best.at, near.best.length);
    } else if (info->type == CLU_OPTION_BASE) {
        clu_text_bytes(out, s.at, clu_slice_find(s, '@'));
    } else if (info->type >= CLU_OPTION_DURATION && info->type != CLU_OPTION_COUNT && !clu_duration(s, &ignored)) {
        while (digits < s.length && s.at[digits] >= '0' && s.at[digits] <= '9')
            digits++;
        /* "msec" and "minutes" begin like the unit that is meant */
        for (keep = digits ? digits + 3 : 0; keep-- > digits;) {
            *out = clu_text_on(out->data, out->size);
            clu_text_bytes(out, s.at, keep < s.length ? keep : s.length);
            if (s.length == digits)
                clu_text_add(out, info->type == CLU_OPTION_PERCENT ? "%" : "s");
            if (clu_option_value(info, clu_slice_of(out->data, out->length), &ignored))
                return;
        }
        out->length = 0;
    }
}

CLU_FN int clu_url_wrong_value(struct clu_text *error, const struct clu_option_info *info, struct clu_slice option,
                               struct clu_slice value)
{
    char buffer[64];
    struct clu_text guess = clu_text_on(buffer, sizeof buffer);
    struct clu_slice key = clu_slice_str(info->key);
    if (!value.length)
        return clu_url_say(error, "option $ is empty: give it a value or leave it out", key, key);
    (void)clu_url_say(error, "$ is not right: ", option, key);
    clu_text_add(error, info->key);
    clu_text_add(error, " takes ");
    clu_option_takes(info, error);
    clu_option_guess(info, value, &guess);
    if (guess.length) {
        clu_text_add(error, ": did you mean '");
        clu_text_add(error, info->key);
        clu_text_add(error, "=");
        clu_text_escaped(error, guess.data, guess.length);
        clu_text_add(error, "'?");
    }
    return CLUSTER_E_INVALID;
}

/* ---- the scheme ------------------------------------------------------- */

CLU_FN const struct clu_scheme_info *clu_scheme_find(struct clu_slice scheme)
{
    size_t count, i;
    const struct clu_scheme_info *table = clu_url_schemes(&count);
    for (i = 0; i < count; i++)
        if (clu_slice_is(scheme, table[i].scheme))
            return &table[i];
    return NULL;
}

/* What stands before the first ':'. */
CLU_FN int clu_url_scheme(const char *url, struct clu_slice *scheme, struct clu_text *error)
{
    struct clu_slice rest = clu_slice_str(url), whole = rest, head = clu_cut(&rest, '?');
    size_t i;
    if (whole.length > CLU_URL_MAX) {
        clu_text_add(error, "the URL is longer than 65535 bytes: split it into several sources, or use file:PATH");
        return CLUSTER_E_INVALID;
    }
    for (i = 0; i < whole.length; i++)
        if ((unsigned char)whole.at[i] < 0x20 || whole.at[i] == 0x7f) {
            clu_text_add(error, "the URL has a control byte at offset ");
            clu_text_u64(error, i);
            clu_text_add(error, ": take it out, or write it as %XX");
            return CLUSTER_E_INVALID;
        }
    *scheme = clu_cut(&head, ':');
    if (!head.at) {
        const char *guess = clu_slice_find(*scheme, '@') < scheme->length   ? "static:NODE,..."
                            : clu_slice_find(*scheme, '/') < scheme->length ? "file:PATH"
                                                                            : "SCHEME:TARGET";
        (void)clu_url_say(error, "no ':' after the scheme in $: write ", *scheme, *scheme);
        clu_text_add(error, guess);
        return CLUSTER_E_INVALID;
    }
    if (!scheme->length) {
        clu_text_add(error, "no scheme before ':': write SCHEME:TARGET, as static:a@h1,b@h2");
        return CLUSTER_E_INVALID;
    }
    return 0;
}

/* The sentence for a scheme that nobody serves. `registered`: schemes beside the built-in ones, separated by spaces. */
CLU_FN int clu_url_unknown_scheme(struct clu_slice scheme, const char *registered, struct clu_text *error)
{
    size_t count, i;
    const struct clu_scheme_info *table = clu_url_schemes(&count);
    struct clu_near near = clu_near_to(scheme);
    for (i = 0; i < count; i++)
        clu_near_try(&near, clu_slice_str(table[i].scheme));
    clu_near_words(&near, clu_slice_str(registered));
    (void)clu_url_say(
        error, near.best.length ? "unknown scheme $: did you mean $? This build has " : "unknown scheme $: this build has ",
        scheme, near.best);
    for (i = 0; i < count; i++) {
        clu_text_add(error, i ? ", " : "");
        clu_text_add(error, table[i].scheme);
    }
    clu_text_words(error, registered, ", ", ", ");
    return CLUSTER_E_INVALID;
}

/* ---- the rest --------------------------------------------------------- */

/* A parsed URL. All in the caller's buffer: the items one after another, each ended by NUL, and an empty one at the end; then
 * keys and values in turn, each ended by NUL. */
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

/* Does this key stand in the table for a scheme ("": common)? */
CLU_FN const struct clu_option_info *clu_option_find(struct clu_slice key, struct clu_slice scheme)
{
    size_t count, i;
    const struct clu_option_info *table = clu_url_options(&count);
    for (i = 0; i < count; i++)
        if (clu_slice_is(key, table[i].key) && clu_slice_is(scheme, table[i].scheme))
            return &table[i];
    return NULL;
}

struct clu_url_parser {
    struct clu_url *out;
    struct clu_writer w;
    struct clu_slice scheme;
    const char *own_keys;
    struct clu_text *error;
    bool after_secret;
};

/* Text and its NUL, decoded if wanted. False: a bad escape or a NUL byte, said in one sentence about `whole`. */
CLU_FN bool clu_url_put(struct clu_url_parser *p, struct clu_slice text, bool decode, struct clu_slice whole)
{
    size_t at = 0;
    while (at < text.length) {
        size_t from = at;
        char c = decode ? clu_url_byte(text, &at) : text.at[at++];
        if (decode && text.at[from] == '%' && (at == from + 1 || !c)) {
            (void)clu_url_say(p->error,
                              c ? "bad escape in $: after '%' come two hexadecimal digits, and '%' itself is written %25"
                                : "%00 in $: no value can hold a NUL byte, take it out",
                              whole, whole);
            return false;
        }
        clu_write(&p->w, &c, 1);
    }
    clu_write(&p->w, "", 1);
    return true;
}

CLU_FN int clu_url_unknown_option(struct clu_url_parser *p, struct clu_slice key)
{
    size_t count, i;
    const struct clu_option_info *table = clu_url_options(&count);
    struct clu_near near = clu_near_to(key);
    for (i = 0; i < count; i++)
        if (!table[i].scheme[0]) {
            clu_near_try(&near, clu_slice_str(table[i].key));
        } else if (clu_slice_is(key, table[i].key)) {
            (void)clu_url_say(p->error, "option $ does not apply to $: it is for ", key, p->scheme);
            clu_text_add(p->error, table[i].scheme);
            return CLUSTER_E_INVALID;
        }
    clu_near_words(&near, clu_slice_str(p->own_keys));
    if (near.best.length)
        return clu_url_say(p->error, "unknown option $: did you mean $?", key, near.best);
    if (p->after_secret)
        key = p->scheme;
    (void)clu_url_say(p->error,
                      p->after_secret ? "unknown option after a secret (an '&' in a value is written %26): $ takes "
                                      : "unknown option $: $ takes ",
                      key, p->scheme);
    for (i = 0; i < count && !table[i].scheme[0]; i++) {
        clu_text_add(p->error, i ? ", " : "");
        clu_text_add(p->error, table[i].key);
    }
    clu_text_words(p->error, p->own_keys, ", ", ", ");
    return CLUSTER_E_INVALID;
}

CLU_FN int clu_url_add_option(struct clu_url_parser *p, struct clu_slice option)
{
    struct clu_slice value = option, key = clu_cut(&value, '=');
    const struct clu_option_info *info = clu_option_find(key, clu_slice_str(""));
    const char *at = (const char *)p->w.at, *sentence = NULL;
    bool secret = clu_key_is_secret(key);
    uint64_t ignored;
    if (!option.length)
        sentence = "an option is empty: after '?' and '&' comes key=value";
    else if (!value.at)
        sentence = secret || p->after_secret ? "no '=' in a secret or after it: write key=value, an '&' in a value as %26"
                                             : "option $ has no '=': write key=value";
    else if (!key.length)
        sentence = "option $ has no key: write key=value";
    else if (p->out->option_count == CLU_URL_OPTIONS)
        sentence = "more than 32 options: leave some out";
    if (sentence)
        return clu_url_say(p->error, sentence, option, option);
    if (!info && clu_word_in(clu_slice_str(p->own_keys), key))
        info = clu_option_find(key, p->scheme);
    else if (!info)
        return clu_url_unknown_option(p, key);
    p->after_secret = secret;
    (void)clu_url_put(p, key, false, key);
    if (clu_url_option(p->out, at))
        return clu_url_say(p->error, "option $ is given twice: keep one of them", key, key);
    at = (const char *)p->w.at;
    if (!clu_url_put(p, value, !info || info->type < CLU_OPTION_DURATION, option))
        return CLUSTER_E_INVALID;
    value = clu_slice_str(at);
    if (info && !clu_option_value(info, value, &ignored))
        return clu_url_wrong_value(p->error, info, option, value);
    p->out->option_count++;
    return 0;
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
    int result = clu_url_scheme(url, &p.scheme, error);
    if (result)
        return result;
    if (size <= options.length)
        return CLUSTER_E_LIMIT;
    p.out = out;
    p.w = clu_writer_on(buffer, size);
    p.own_keys = own_keys;
    p.error = error;
    p.after_secret = false;
    out->target = out->options = buffer;
    out->items = out->option_count = 0;
    target = clu_slice_from(clu_cut(&options, '?'), p.scheme.length + 1);
    info = clu_scheme_find(p.scheme);
    if (options.at && clu_slice_find(options, '?') < options.length)
        sentence = "a second '?' among the options: they are separated by '&', and a '?' in a value is written %3F";
    else if (info && clu_slice_starts(target, "//") && !clu_slice_is(p.scheme, "file"))
        sentence = "'//' after $: between scheme and target stands ':' alone";
    if (!target.length)
        target.at = NULL;
    while (!sentence && target.at) {
        struct clu_slice item = clu_cut(&target, ',');
        if (!item.length)
            sentence = "an empty item in the target of $: take the ',' out, or write it %2C if it belongs to an item";
        else if (++out->items > CLU_URL_ITEMS)
            sentence = "more than 4096 items in $: split them into several sources, or use file:PATH";
        else if (!clu_url_put(&p, item, true, item))
            return CLUSTER_E_INVALID;
    }
    if (!sentence && info && out->items > info->max)
        sentence = "$ takes one item: a ',' in it is written %2C";
    if (!sentence && info && out->items < info->min)
        sentence = "$ needs a target after its ':'";
    if (sentence)
        return clu_url_say(error, sentence, p.scheme, p.scheme);
    clu_write(&p.w, "", 1);
    out->options = (const char *)p.w.at;
    while (options.at && !result)
        result = clu_url_add_option(&p, clu_cut(&options, '&'));
    return result;
}

/* The common options of a parsed URL, over the caller's defaults. */
CLU_FN void clu_url_common(const struct clu_url *u, struct clu_common *out)
{
    size_t count, i;
    const struct clu_option_info *info = clu_url_options(&count);
    out->given = 0;
    for (i = 0; i < count && !info[i].scheme[0]; i++) {
        const char *text = clu_url_option(u, info[i].key);
        char *field = (char *)out + info[i].offset;
        uint64_t value;
        uint32_t number;
        bool on;
        if (!text || !clu_option_value(&info[i], clu_slice_str(text), &value))
            continue;
        out->given |= (uint32_t)1 << i;
        number = (uint32_t)value;
        on = value != 0;
        if (info[i].type < CLU_OPTION_DURATION)
            memcpy(field, &text, sizeof text);
        else if (info[i].type == CLU_OPTION_FLAG)
            memcpy(field, &on, sizeof on);
        else if (info[i].type < CLU_OPTION_COUNT)
            memcpy(field, &value, sizeof value);
        else
            memcpy(field, &number, sizeof number);
    }
}

#endif
