/*
 * Options: one table, one parser.
 */
#ifndef CLUSTERCTL_OPTIONS_H
#define CLUSTERCTL_OPTIONS_H

#include "loop.h"

enum command_bit {
    ON_DEMO = 1,
    ON_WATCH = 2,
    ON_WAIT = 4,
    ON_LIST = 8,
    ON_NAMES = 16,
    ON_PORT = 32,
    ON_OWNER = 64,
    ON_PLAN = 128,
    ON_HASH = 256,
    ON_RESOLVE = 512,
    ON_PING = 1024,
    ON_EPMD = 2048,
    ON_SEND = 4096,
    ON_CALL = 8192,
    ON_SERVE = 16384,
    ON_MAP = 32768,
    ON_URLS = 65536,
    ON_DOCTOR = 131072,
    ON_ERLANG = ON_PING | ON_SEND | ON_CALL | ON_SERVE,
    ON_ALL = 262143
};

enum option_id {
    OPT_NODE,
    OPT_CONNECT,
    OPT_RECONNECT,
    OPT_ON_LEAVE,
    OPT_BACKOFF,
    OPT_COOKIE,
    OPT_COOKIE_FILE,
    OPT_LISTEN,
    OPT_TLS,
    OPT_CA,
    OPT_REGISTER,
    OPT_ECHO,
    OPT_QUORUM,
    OPT_UNTIL,
    OPT_FOR,
    OPT_RECORD,
    OPT_KIND,
    OPT_NODES,
    OPT_FROM,
    OPT_TO,
    OPT_SHARDS,
    OPT_WEIGHTS,
    OPT_ZONES,
    OPT_SVG,
    OPT_REPLICAS,
    OPT_NODE_TYPE,
    OPT_POINTS,
    OPT_NAME,
    OPT_BUCKET,
    OPT_TERMS,
    OPT_OTP25,
    OPT_RANGE,
    OPT_ETF,
    OPT_SEED,
    OPT_KEY,
    OPT_TYPE,
    OPT_SERVER,
    OPT_SEARCH,
    OPT_STAY,
    OPT_JOIN,
    OPT_GROUP,
    OPT_CHECKS,
    OPT_LISTEN_PORT,
    OPT_ADDRESS,
    OPT_JSON,
    OPT_HELP,
    OPT_COUNT
};

enum option_kind { TAKES_NOTHING, TAKES_TEXT, TAKES_NUMBER, TAKES_DURATION };

struct option_row {
    enum option_id id;
    const char *name;
    enum option_kind kind;
    unsigned commands;
    const char *argument;
    const char *help;
};

static const struct option_row option_table[] = {
    {OPT_NODE, "node", TAKES_TEXT, ON_WATCH | ON_WAIT | ON_LIST | ON_MAP | ON_DOCTOR | ON_ERLANG, "NAME",
     "the own node, name@host or name@auto"},
    {OPT_CONNECT, "connect", TAKES_TEXT, ON_WATCH, "MODE",
     "who is up: erlang, by links; tcp, whose port answers; epmd, whom epmd knows; none (the default)"},
    {OPT_RECONNECT, "reconnect", TAKES_TEXT, ON_WATCH, "off", "dial each member once; on (the default)"},
    {OPT_ON_LEAVE, "on-leave", TAKES_TEXT, ON_WATCH, "WHAT", "links to who left discovery: keep (the default) or disconnect"},
    {OPT_BACKOFF, "backoff", TAKES_TEXT, ON_WATCH, "FROM..TO", "the time between dials of a member (default 200ms..30s)"},
    {OPT_COOKIE, "cookie", TAKES_TEXT, ON_WATCH | ON_DOCTOR | ON_ERLANG, "COOKIE",
     "the cluster's cookie; others see it in process lists"},
    {OPT_COOKIE_FILE, "cookie-file", TAKES_TEXT, ON_WATCH | ON_DOCTOR | ON_ERLANG, "FILE",
     "the file with the cookie (default ~/.erlang.cookie, if it is private)"},
    {OPT_LISTEN, "listen", TAKES_TEXT, ON_WATCH | ON_SERVE, "ADDR:PORT",
     "where other nodes connect; ADDR:FIRST-LAST; port 0: any"},
    {OPT_TLS, "tls", TAKES_TEXT, ON_WATCH | ON_DOCTOR | (ON_ERLANG & ~ON_SERVE), "HOW",
     "links are encrypted: on, insecure (no certificate is verified), off"},
    {OPT_CA, "ca", TAKES_TEXT, ON_WATCH | ON_DOCTOR | (ON_ERLANG & ~ON_SERVE), "FILE",
     "the authority of the nodes' certificates (default: the system's)"},
    {OPT_REGISTER, "register", TAKES_TEXT, ON_SERVE, "PROCESS",
     "the process that takes messages (default: the name before '@')"},
    {OPT_ECHO, "echo", TAKES_NOTHING, ON_SERVE, "", "answer {From, X} with X"},
    {OPT_QUORUM, "quorum", TAKES_NUMBER, ON_WATCH | ON_WAIT | ON_DOCTOR, "N",
     "nodes that make the cluster ready, this one counted"},
    {OPT_UNTIL, "until", TAKES_NUMBER, ON_WATCH, "N", "end with 0 once N members are there"},
    {OPT_FOR, "for", TAKES_DURATION, ON_WATCH | ON_WAIT | ON_LIST | ON_MAP | ON_CALL | ON_SERVE | ON_DOCTOR, "TIME",
     "how long at most, as in 500ms, 10s, 2m"},
    {OPT_RECORD, "record", TAKES_TEXT, ON_WATCH, "DIR", "keep what the sources answer in this folder, for a bug report"},
    {OPT_KIND, "kind", TAKES_TEXT, ON_OWNER | ON_PLAN, "KIND", "how keys are placed (default map; see above)"},
    {OPT_NODES, "nodes", TAKES_TEXT, ON_OWNER, "A,B,C", "the nodes, in any order"},
    {OPT_FROM, "from", TAKES_TEXT, ON_PLAN, "A,B,C", "the nodes before"},
    {OPT_TO, "to", TAKES_TEXT, ON_PLAN, "A,B", "the nodes after"},
    {OPT_SHARDS, "shards", TAKES_NUMBER, ON_OWNER | ON_PLAN | ON_MAP, "N", "shards of a map, a power of two (default 4096)"},
    {OPT_WEIGHTS, "weights", TAKES_TEXT, ON_OWNER | ON_PLAN, "1,1,2", "the weights of the nodes, in their order"},
    {OPT_ZONES, "zones", TAKES_TEXT, ON_OWNER | ON_PLAN, "a,b/1,b/2", "map: the zones of the nodes, in their order"},
    {OPT_SVG, "svg", TAKES_TEXT, ON_MAP, "FILE", "draw the map as a picture in this file"},
    {OPT_REPLICAS, "replicas", TAKES_NUMBER, ON_OWNER | ON_PLAN | ON_MAP, "N", "how many owners a key has (default 1)"},
    {OPT_NODE_TYPE, "node-type", TAKES_TEXT, ON_OWNER | ON_PLAN, "TYPE",
     "libring: what a node is: atom (the default) or binary"},
    {OPT_POINTS, "points", TAKES_NUMBER, ON_OWNER | ON_PLAN, "N", "points of a node; riak: partitions of the ring"},
    {OPT_NAME, "name", TAKES_TEXT, ON_OWNER | ON_PLAN, "ATOM", "horde, libring: nodes are tuples {ATOM, node}"},
    {OPT_BUCKET, "bucket", TAKES_TEXT, ON_OWNER | ON_PLAN | ON_HASH, "TEXT", "riak: the bucket of the keys (default empty)"},
    {OPT_TERMS, "terms", TAKES_NOTHING, ON_OWNER | ON_HASH, NULL, "keys are terms in Erlang's syntax"},
    {OPT_OTP25, "otp25", TAKES_NOTHING, ON_OWNER | ON_HASH, NULL, "libring: the nodes there run OTP 25 or older"},
    {OPT_RANGE, "range", TAKES_NUMBER, ON_HASH, "N", "phash2: hashes are 0 to N - 1 (default 134217728)"},
    {OPT_ETF, "etf", TAKES_TEXT, ON_HASH, "HEX", "phash2: a term in the external format, in place of the key"},
    {OPT_SEED, "seed", TAKES_NUMBER, ON_OWNER | ON_PLAN | ON_HASH, "N", "seed of hash64, rendezvous, jump (default 0)"},
    {OPT_KEY, "key", TAKES_TEXT, ON_HASH, "HEX", "the 16 bytes of siphash's key, 32 hexadecimal digits (default 0)"},
    {OPT_TYPE, "type", TAKES_TEXT, ON_RESOLVE, "TYPE", "a+aaaa (the default), a, aaaa, srv, cname, ptr or txt"},
    {OPT_SERVER, "server", TAKES_TEXT, ON_RESOLVE, "ADDR[:PORT]", "the DNS server to ask (default: /etc/resolv.conf)"},
    {OPT_SEARCH, "search", TAKES_NOTHING, ON_RESOLVE, NULL, "try the search list of /etc/resolv.conf"},
    {OPT_STAY, "stay", TAKES_NOTHING, ON_DEMO, NULL, "go on until interrupted"},
    {OPT_JOIN, "join", TAKES_NOTHING, ON_DEMO, NULL, "be one more node of a demo that runs in another terminal"},
    {OPT_GROUP, "group", TAKES_TEXT, ON_DEMO, "ADDR:PORT", "where the nodes meet (default 239.76.67.1:45893)"},
    {OPT_CHECKS, "checks", TAKES_NOTHING, ON_DOCTOR, NULL, "print the list of checks, and check nothing"},
    {OPT_LISTEN_PORT, "port", TAKES_NUMBER, ON_EPMD, "P", "the port (default 4369, or ERL_EPMD_PORT)"},
    {OPT_ADDRESS, "address", TAKES_TEXT, ON_EPMD, "A",
     "where other hosts may ask: an address of this one, or 0.0.0.0 (default: loopback)"},
    {OPT_JSON, "json", TAKES_NOTHING, ON_ALL, NULL, "print one JSON object a line"},
    {OPT_HELP, "help", TAKES_NOTHING, ON_ALL, NULL, "say how the command is used"},
};

struct option_value {
    bool given;
    const char *text;
    uint64_t number;
};

/* What the command line said. */
struct arguments {
    const struct command *command;
    struct option_value values[OPT_COUNT];
    char **operands;
    size_t count;
    char **program; /* after `--`, for `wait`; else NULL */
};

struct command {
    const char *name;
    unsigned bit;
    size_t least, most; /* operands */
    const char *synopsis;
    const char *summary;
    const char *details;
    int (*run)(const struct arguments *a);
};

static bool given(const struct arguments *a, enum option_id id)
{
    return a->values[id].given;
}

static const char *text_of(const struct arguments *a, enum option_id id, const char *otherwise)
{
    return given(a, id) ? a->values[id].text : otherwise;
}

static uint64_t number_of(const struct arguments *a, enum option_id id, uint64_t otherwise)
{
    return given(a, id) ? a->values[id].number : otherwise;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *out, const char **rest)
{
    uint64_t value = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    *rest = text;
    return true;
}

static bool parse_duration(const char *text, uint64_t *out)
{
    static const struct unit {
        const char *name;
        uint64_t ns;
    } units[] = {{"ms", MILLISECOND}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND}};
    uint64_t value;
    const char *rest;
    size_t i;
    if (!parse_number(text, 1000000000, &value, &rest))
        return false;
    for (i = 0; i < COUNT(units); i++) {
        if (!strcmp(rest, units[i].name)) {
            *out = value * units[i].ns;
            return value <= 100000000 * SECOND / units[i].ns; /* three years */
        }
    }
    return false;
}

static int option_parse_value(struct option_value *v, const struct option_row *row, const char *text)
{
    const char *rest;
    v->text = text;
    switch (row->kind) {
    case TAKES_NUMBER:
        if (!parse_number(text, row->id == OPT_SEED || row->id == OPT_RANGE ? UINT64_MAX : UINT32_MAX, &v->number, &rest) ||
            *rest)
            return fail(USAGE, "--%s takes a whole number, not \"%s\"", row->name, text);
        break;
    case TAKES_DURATION:
        if (!parse_duration(text, &v->number))
            return fail(USAGE, "--%s takes a duration such as 500ms, 10s or 2m, not \"%s\"", row->name, text);
        break;
    default:
        break;
    }
    return DONE;
}

static int option_unknown(const struct arguments *a, const char *name)
{
    struct nearest near = {NULL, NULL, 0};
    size_t i;
    for (i = 0; i < COUNT(option_table); i++)
        if (!strcmp(option_table[i].name, name))
            return fail(USAGE, "`%s` takes no --%s: see `clusterctl help %s`", a->command->name, name, a->command->name);
    near.typed = name;
    for (i = 0; i < COUNT(option_table); i++)
        if (option_table[i].commands & a->command->bit)
            nearest_try(&near, option_table[i].name);
    if (near.best)
        return fail(USAGE, "there is no option --%s: did you mean --%s?", name, near.best);
    return fail(USAGE, "there is no option --%s: see `clusterctl help %s`", name, a->command->name);
}

/* One `--name`, `--name=value` or `--name value`; *index ends on the last argument used. */
static int option_parse(struct arguments *a, int argc, char **argv, int *index)
{
    char name[32];
    const char *text = argv[*index] + 2;
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    const struct option_row *row = NULL;
    struct option_value *value;
    size_t i;
    if (length >= sizeof name)
        return fail(USAGE, "there is no option %s: see `clusterctl help %s`", argv[*index], a->command->name);
    memcpy(name, text, length);
    name[length] = '\0';
    for (i = 0; i < COUNT(option_table); i++)
        if (!strcmp(option_table[i].name, name) && (option_table[i].commands & a->command->bit))
            row = &option_table[i];
    if (!row)
        return option_unknown(a, name);
    value = &a->values[row->id];
    if (value->given)
        return fail(USAGE, "--%s is given twice: keep one", name);
    value->given = true;
    if (row->kind == TAKES_NOTHING)
        return equals ? fail(USAGE, "--%s takes no value: leave out \"%s\"", name, equals) : DONE;
    if (!equals && *index + 1 >= argc)
        return fail(USAGE, "--%s needs a value: --%s %s", name, name, row->argument);
    return option_parse_value(value, row, equals ? equals + 1 : argv[++*index]);
}

/* Everything after the command's name. Options and operands mix; `--` ends the options. */
static int arguments_parse(struct arguments *a, int argc, char **argv)
{
    int i;
    for (i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--")) {
            if (a->command->bit == ON_WAIT) {
                a->program = argv + i + 1;
                return DONE;
            }
            while (++i < argc)
                a->operands[a->count++] = argv[i];
        } else if (!strcmp(argv[i], "-h")) {
            a->values[OPT_HELP].given = true;
        } else if (argv[i][0] == '-' && argv[i][1] == '-') {
            int status = option_parse(a, argc, argv, &i);
            if (status)
                return status;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return fail(USAGE, "there is no option %s: options are long, see `clusterctl help %s`", argv[i], a->command->name);
        } else {
            a->operands[a->count++] = argv[i];
        }
    }
    return DONE;
}

static int arguments_check(const struct arguments *a)
{
    if (a->count < a->command->least)
        return fail(USAGE, "`%s` needs more: clusterctl %s %s", a->command->name, a->command->name, a->command->synopsis);
    if (a->count > a->command->most)
        return fail(USAGE, "`%s` has no use for \"%s\": clusterctl %s %s", a->command->name, a->operands[a->command->most],
                    a->command->name, a->command->synopsis);
    return DONE;
}

#endif
