/*
 * clusterctl: look at a cluster, wait for one, place keys on one, and see one form.
 *
 *     cc -std=c99 -o clusterctl examples/clusterctl.c
 *     ./clusterctl demo
 *     ./clusterctl help
 *
 * One program in one file, written against the public header alone. Its parts, in order: small helpers, words on the
 * terminal, JSON, signals and the loop, options, one section a command, the demo, the command table.
 *
 * Exit status: 0 done, 1 a negative answer, 2 usage, 3 could not do it. Errors are one sentence on stderr.
 */
#define CLUSTER_IMPLEMENTATION
#include "../cluster.h"

#ifdef CLUSTERCTL_OPENSSL /* make sets it where OpenSSL's headers are */
#include "tls_openssl.h"
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

enum { DONE = 0, NEGATIVE = 1, USAGE = 2, FAILED = 3 };

/* ====================================================================================================================
 * Helpers: errors, memory, growing text, lists of names, near misses
 * ================================================================================================================== */

/* One sentence to stderr; returns the exit status, so that a command ends with `return fail(USAGE, ...)`. */
static int fail(int status, const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(int status, const char *format, ...)
{
    va_list list;
    fflush(stdout);
    fputs("clusterctl: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return status;
}

static void *grow(void *old, size_t size)
{
    void *grown = realloc(old, size ? size : 1);
    if (!grown)
        exit(fail(FAILED, "out of memory: %lu bytes were not to be had", (unsigned long)size));
    return grown;
}

static char *copy_of(const char *string)
{
    size_t size = strlen(string) + 1;
    return (char *)memcpy(grow(NULL, size), string, size);
}

/* Text that grows; always NUL-terminated once something was added. */
struct text {
    char *at;
    size_t length, capacity;
};

static void text_bytes(struct text *t, const char *bytes, size_t count)
{
    if (t->length + count + 1 > t->capacity) {
        t->capacity = (t->length + count + 1) * 2;
        t->at = (char *)grow(t->at, t->capacity);
    }
    memcpy(t->at + t->length, bytes, count);
    t->length += count;
    t->at[t->length] = '\0';
}

static void text_add(struct text *t, const char *string)
{
    text_bytes(t, string, strlen(string));
}

static void text_format(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);

static void text_format(struct text *t, const char *format, ...)
{
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    text_add(t, line);
}

static void text_clear(struct text *t)
{
    text_bytes(t, "", 0);
    t->length = 0;
    t->at[0] = '\0';
}

static void text_free(struct text *t)
{
    free(t->at);
    memset(t, 0, sizeof *t);
}

/* A list of strings of our own. */
struct names {
    char **at;
    size_t count;
};

static void names_add(struct names *n, const char *name, size_t length)
{
    char *copy = (char *)grow(NULL, length + 1);
    memcpy(copy, name, length);
    copy[length] = '\0';
    n->at = (char **)grow(n->at, (n->count + 1) * sizeof *n->at);
    n->at[n->count++] = copy;
}

static void names_clear(struct names *n)
{
    while (n->count)
        free(n->at[--n->count]);
    free(n->at);
    n->at = NULL;
}

/* The parts of `text` between separators; empty text has none. */
static void names_split(struct names *n, const char *text, char separator)
{
    names_clear(n);
    while (*text) {
        const char *end = strchr(text, separator);
        size_t length = end ? (size_t)(end - text) : strlen(text);
        names_add(n, text, length);
        text += length;
        if (*text == separator && *++text == '\0')
            names_add(n, "", 0);
    }
}

static bool names_has(const struct names *n, const char *name)
{
    size_t i;
    for (i = 0; i < n->count; i++)
        if (!strcmp(n->at[i], name))
            return true;
    return false;
}

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters to insert, drop, change or swap to get from one word to the other. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][32];
    size_t i, j, la = strlen(a), lb = strlen(b);
    if (la >= 32 || lb >= 32)
        return 32;
    for (j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (j = 1; j <= lb; j++) {
            row[j] = smallest(smallest(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smallest(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

/* Keeps in *best the word nearest to what was typed, if it is near at all. */
struct nearest {
    const char *typed;
    const char *best;
    size_t distance;
};

static void nearest_try(struct nearest *n, const char *word)
{
    size_t d = distance(n->typed, word);
    size_t length = strlen(n->typed);
    if (length >= 2 && !strncmp(n->typed, word, length))
        d = 1;
    if (d <= (strlen(word) < 5 ? 1u : 2u) && (!n->best || d < n->distance)) {
        n->best = word;
        n->distance = d;
    }
}

/* ====================================================================================================================
 * Words on the terminal: colour, and text from outside made safe
 * ================================================================================================================== */

static bool environment_is(const char *name, const char *value)
{
    const char *set = getenv(name);
    return set && !strcmp(set, value);
}

/* A terminal that can move its cursor. */
static bool is_terminal(int fd)
{
    return isatty(fd) && !environment_is("TERM", "dumb") && getenv("TERM");
}

static bool wants_colour(int fd)
{
    const char *no = getenv("NO_COLOR");
    return is_terminal(fd) && !(no && *no);
}

static bool speaks_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    size_t i;
    for (i = 0; i < COUNT(variables); i++) {
        const char *set = getenv(variables[i]);
        if (set && *set)
            return strstr(set, "UTF-8") || strstr(set, "utf8") || strstr(set, "utf-8");
    }
    return false;
}

/* The length of the well-formed UTF-8 character at `s`, 0 if there is none. */
static size_t utf8_length(const char *s)
{
    const unsigned char *b = (const unsigned char *)s;
    size_t i, length = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (length > 1) {
        unsigned low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
        unsigned high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
        if (b[1] < low || b[1] > high)
            return 0;
    }
    for (i = 2; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* What came from the network or a file may try to steer the terminal: controls become \xHH. */
static void print_safe(FILE *out, const char *s)
{
    while (*s) {
        size_t length = utf8_length(s);
        unsigned char byte = (unsigned char)*s;
        bool control = byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (unsigned char)s[1] < 0xa0);
        if (!length || control) {
            fprintf(out, "\\x%02x", byte);
            s++;
        } else {
            fwrite(s, 1, length, out);
            s += length;
        }
    }
}

/* ====================================================================================================================
 * JSON: one object a line
 * ================================================================================================================== */

static bool json_comma; /* the next item needs one before it */

static void json_string(const char *s, size_t size)
{
    size_t i = 0;
    putchar('"');
    while (i < size) {
        unsigned char byte = (unsigned char)s[i];
        size_t length = size - i >= 4 || memchr(s + i, 0, size - i) ? 4 : size - i;
        char window[5];
        memset(window, 0, sizeof window);
        memcpy(window, s + i, smallest(length, size - i));
        length = utf8_length(window);
        if (byte == '"' || byte == '\\') {
            printf("\\%c", byte);
        } else if (byte == '\n') {
            fputs("\\n", stdout);
        } else if (byte < 0x20 || byte == 0x7f) {
            printf("\\u%04x", byte);
        } else if (!length) {
            fputs("\\ufffd", stdout);
        } else {
            fwrite(s + i, 1, length, stdout);
            i += length;
            continue;
        }
        i++;
    }
    putchar('"');
}

static void json_key(const char *key)
{
    if (json_comma)
        putchar(',');
    if (key) {
        json_string(key, strlen(key));
        putchar(':');
    }
    json_comma = true;
}

/* key NULL: an item of a list */
static void json_text(const char *key, const char *value)
{
    json_key(key);
    if (value)
        json_string(value, strlen(value));
    else
        fputs("null", stdout);
}

static void json_number(const char *key, uint64_t value)
{
    json_key(key);
    printf("%llu", (unsigned long long)value);
}

/* 64 bits do not survive a JSON number: hexadecimal text */
static void json_hex(const char *key, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    json_text(key, text);
}

static void json_seconds(const char *key, uint64_t ns)
{
    json_key(key);
    printf("%llu.%03llu", (unsigned long long)(ns / SECOND), (unsigned long long)(ns / MILLISECOND % 1000));
}

static void json_open(const char *key, char bracket)
{
    json_key(key);
    putchar(bracket);
    json_comma = false;
}

static void json_close(char bracket)
{
    putchar(bracket);
    json_comma = true;
}

static void json_begin(const char *type)
{
    json_comma = false;
    json_open(NULL, '{');
    json_text("type", type);
}

static void json_end(void)
{
    fputs("}\n", stdout);
}

static void json_names(const char *key, const struct names *list)
{
    size_t i;
    json_open(key, '[');
    for (i = 0; i < list->count; i++)
        json_text(NULL, list->at[i]);
    json_close(']');
}

/* ====================================================================================================================
 * Signals and the loop
 * ================================================================================================================== */

static volatile sig_atomic_t signal_end;     /* the signal that asks us to end */
static volatile sig_atomic_t signal_resized; /* the terminal has a new size */
static volatile sig_atomic_t signal_suspend; /* Ctrl-Z */
static int signal_pipe[2] = {-1, -1};        /* wakes poll(2), also when the signal came just before it */

static void on_signal(int number)
{
    int saved = errno;
    if (number == SIGWINCH)
        signal_resized = 1;
    else if (number == SIGTSTP)
        signal_suspend = 1;
    else
        signal_end = number;
    if (write(signal_pipe[1], "", 1) < 0)
        errno = 0; /* full: poll wakes anyway */
    errno = saved;
}

static void signal_catch(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = handler;
    sigaction(number, &action, NULL);
}

static bool pipe_make(int ends[2])
{
    if (pipe(ends) < 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return true;
}

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};

/* From here on these end the program in good order, unless we were started without them, as nohup does. What exec(2) starts in
 * our place finds them as we did: it takes a caught signal back to its default. */
static int signals_begin(void)
{
    size_t i;
    if (!pipe_make(signal_pipe))
        return fail(FAILED, "no pipe for signals (%s): raise the limit on open files (ulimit -n)", strerror(errno));
    fcntl(signal_pipe[0], F_SETFL, O_NONBLOCK);
    fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
    for (i = 0; i < COUNT(ending_signals); i++) {
        struct sigaction found;
        if (sigaction(ending_signals[i], NULL, &found) == 0 && found.sa_handler != SIG_IGN)
            signal_catch(ending_signals[i], on_signal);
    }
    return DONE;
}

/* Around fork(2): a signal to the child must not run a handler that it has from us. */
static void signals_hold(bool on)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(on ? SIG_BLOCK : SIG_UNBLOCK, &all, NULL);
}

static void signal_pipe_drain(void)
{
    char bytes[64];
    while (read(signal_pipe[0], bytes, sizeof bytes) > 0)
        continue;
}

/* A handle, its watches, and one descriptor of ours beside them. */
struct loop {
    struct cluster *c;
    int fd; /* ours: the signal pipe, or a demo node's commands */
    struct pollfd *fds;
    size_t capacity;
};

static void loop_begin(struct loop *l, struct cluster *c, int fd)
{
    l->c = c;
    l->fd = fd;
    l->capacity = 8;
    l->fds = (struct pollfd *)grow(NULL, (l->capacity + 1) * sizeof *l->fds);
}

static void loop_end(struct loop *l)
{
    cluster_destroy(l->c);
    free(l->fds);
    l->c = NULL;
    l->fds = NULL;
}

/* Sleep until something happens or `until` (absolute; CLUSTER_NEVER: no end), then one step. Says whether our own
 * descriptor is ready. */
static bool loop_turn(struct loop *l, uint64_t until)
{
    uint64_t now;
    size_t count;
    int timeout;
    while ((count = cluster_watches(l->c, l->fds + 1, l->capacity)) > l->capacity) {
        l->capacity = count + count / 2;
        l->fds = (struct pollfd *)grow(l->fds, (l->capacity + 1) * sizeof *l->fds);
    }
    l->fds[0].fd = l->fd;
    l->fds[0].events = POLLIN;
    l->fds[0].revents = 0;
    now = cluster_now();
    timeout = cluster_timeout_ms(l->c, now);
    if (until != CLUSTER_NEVER) {
        uint64_t left = until > now ? (until - now + MILLISECOND - 1) / MILLISECOND : 0;
        if (timeout < 0 || (uint64_t)timeout > left)
            timeout = left > 3600000 ? 3600000 : (int)left;
    }
    if (poll(l->fds, (nfds_t)(count + 1), timeout) < 0) {
        size_t i;
        for (i = 0; i <= count; i++) /* interrupted: nothing is known */
            l->fds[i].revents = 0;
    }
    cluster_step(l->c, cluster_now(), l->fds + 1, count);
    return l->fds[0].revents != 0;
}

/* ====================================================================================================================
 * Options: one table, one parser
 * ================================================================================================================== */

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
    ON_ERLANG = ON_PING | ON_SEND | ON_CALL | ON_SERVE,
    ON_ALL = 65535
};

enum option_id {
    OPT_NODE,
    OPT_CONNECT,
    OPT_COOKIE,
    OPT_COOKIE_FILE,
    OPT_LISTEN,
    OPT_REGISTER,
    OPT_ECHO,
    OPT_QUORUM,
    OPT_UNTIL,
    OPT_FOR,
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
    {OPT_NODE, "node", TAKES_TEXT, ON_WATCH | ON_WAIT | ON_LIST | ON_MAP | ON_ERLANG, "NAME",
     "the own node, name@host or name@auto"},
    {OPT_CONNECT, "connect", TAKES_TEXT, ON_WATCH, "MODE", "erlang: link to every member; none (the default)"},
    {OPT_COOKIE, "cookie", TAKES_TEXT, ON_WATCH | ON_ERLANG, "COOKIE", "the cluster's cookie; others see it in process lists"},
    {OPT_COOKIE_FILE, "cookie-file", TAKES_TEXT, ON_WATCH | ON_ERLANG, "FILE",
     "the file with the cookie (default ~/.erlang.cookie, if it is private)"},
    {OPT_LISTEN, "listen", TAKES_TEXT, ON_WATCH | ON_SERVE, "ADDR:PORT",
     "where other nodes connect; ADDR:FIRST-LAST; port 0: any"},
    {OPT_REGISTER, "register", TAKES_TEXT, ON_SERVE, "PROCESS",
     "the process that takes messages (default: the name before '@')"},
    {OPT_ECHO, "echo", TAKES_NOTHING, ON_SERVE, "", "answer {From, X} with X"},
    {OPT_QUORUM, "quorum", TAKES_NUMBER, ON_WATCH | ON_WAIT, "N", "nodes that make the cluster ready, this one counted"},
    {OPT_UNTIL, "until", TAKES_NUMBER, ON_WATCH, "N", "end with 0 once N members are there"},
    {OPT_FOR, "for", TAKES_DURATION, ON_WATCH | ON_WAIT | ON_LIST | ON_MAP | ON_CALL | ON_SERVE, "TIME",
     "how long at most, as in 500ms, 10s, 2m"},
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
    {OPT_LISTEN_PORT, "port", TAKES_NUMBER, ON_EPMD, "P", "the port (default 4369, or ERL_EPMD_PORT)"},
    {OPT_ADDRESS, "address", TAKES_TEXT, ON_EPMD, "A",
     "where other hosts may ask: an address of this one, or 0.0.0.0 (default: loopback)"},
    {OPT_JSON, "json", TAKES_NOTHING, ON_ALL, NULL, "print one JSON object a line"},
    {OPT_HELP, "help", TAKES_NOTHING, ON_ALL, NULL, "say how the command is used"},
};

/* Options of this tool that belong to parts of the library which this version has not. */
struct refused_row {
    const char *name;
    const char *instead;
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

/* ====================================================================================================================
 * What the commands with sources share
 * ================================================================================================================== */

/* Warnings that no event tells. A failing source and a full queue are events as well, and the commands tell of those. */
static void on_log(void *ctx, int level, const char *message, const char *setting)
{
    (void)ctx;
    if (!strcmp(setting, "url") || !strcmp(setting, "limit_events"))
        return;
    fflush(stdout);
    fprintf(stderr, "clusterctl: %s: ", level <= CLUSTER_LOG_ERROR ? "error" : "warning");
    print_safe(stderr, message);
    if (*setting)
        fprintf(stderr, " [%s]", setting);
    fputc('\n', stderr);
}

#define COOKIE_SIZE 300 /* longer than any cookie */

/* The first line of a file. */
static int cookie_of_file(const char *path, bool must_be_private, char *out)
{
    struct stat info;
    FILE *f = fopen(path, "r");
    size_t length;
    if (!f)
        return fail(FAILED, "no cookie: %s: %s: say it with --cookie or --cookie-file", path, strerror(errno));
    if (must_be_private && (fstat(fileno(f), &info) < 0 || (info.st_mode & 077))) {
        fclose(f);
        return fail(FAILED, "%s can be read by others: chmod 600 it, or name the file with --cookie-file", path);
    }
    length = fread(out, 1, COOKIE_SIZE - 1, f);
    fclose(f);
    out[length] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return *out ? DONE : fail(FAILED, "%s has no cookie in its first line", path);
}

/* The cookie that the command line names, or the user's own. */
static int find_cookie(const struct arguments *a, char *out)
{
    const char *cookie = text_of(a, OPT_COOKIE, NULL), *file = text_of(a, OPT_COOKIE_FILE, NULL), *home = getenv("HOME");
    char path[1024];
    if (cookie && file)
        return fail(USAGE, "--cookie and --cookie-file are both given: keep one");
    if (cookie && (!*cookie || strlen(cookie) >= COOKIE_SIZE))
        return fail(USAGE, "--cookie takes a cookie of 1 to 255 bytes");
    if (cookie) {
        strcpy(out, cookie);
        return DONE;
    }
    snprintf(path, sizeof path, "%s/.erlang.cookie", home ? home : "");
    return cookie_of_file(file ? file : path, !file, out);
}

/* A handle with the options of the command line and every operand as a source. */
static int open_sources(struct loop *l, const struct arguments *a)
{
    char error[512] = "", cookie[COOKIE_SIZE] = "";
    struct cluster_options options;
#ifdef CLUSTERCTL_OPENSSL
    struct cluster_io io;
#endif
    struct cluster *c;
    size_t i;
    int result, status = signals_begin();
    if (status)
        return status;
    cluster_options_init(&options);
    options.node = text_of(a, OPT_NODE, NULL);
    options.quorum = (uint32_t)number_of(a, OPT_QUORUM, 0);
    options.connect = text_of(a, OPT_CONNECT, NULL);
    options.listen = text_of(a, OPT_LISTEN, NULL);
    if (options.node && (options.listen || (options.connect && strcmp(options.connect, "none")))) {
        status = find_cookie(a, cookie);
        if (status)
            return status;
        options.cookie = cookie;
    }
    options.log = on_log;
    options.error = error;
    options.error_size = sizeof error;
#ifdef CLUSTERCTL_OPENSSL
    memset(&io, 0, sizeof io);
    io.size = sizeof io;
    tls_openssl(&io);
    options.io = &io;
#endif
    result = cluster_create(&c, &options);
    if (result < 0)
        return fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", *error ? error : cluster_strerror(result));
    for (i = 0; i < a->count; i++) {
        result = cluster_discover(c, a->operands[i], NULL);
        if (result < 0) {
            status = fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(c));
            cluster_destroy(c);
            return status;
        }
    }
    loop_begin(l, c, signal_pipe[0]);
    return DONE;
}

static uint64_t end_of(const struct arguments *a, uint64_t otherwise)
{
    uint64_t span = number_of(a, OPT_FOR, otherwise);
    return span == CLUSTER_NEVER ? span : cluster_now() + span;
}

/* Members other than the own node. */
static size_t others(const struct cluster *c)
{
    return cluster_member_count(c) - (*cluster_own_name(c) ? 1 : 0);
}

static const char *source_state_name(int state)
{
    static const char *const names[] = {"starting", "answer", "empty", "failed"};
    return (size_t)state < COUNT(names) ? names[state] : "unknown";
}

static const char *status_name(int status)
{
    static const char *const names[] = {"forming", "ready", "degraded"};
    return (size_t)status < COUNT(names) ? names[status] : "unknown";
}

static void complain_of_source(const struct cluster_source *s)
{
    fflush(stdout);
    fputs("clusterctl: ", stderr);
    print_safe(stderr, cluster_source_url(s));
    fputs(" failed: ", stderr);
    print_safe(stderr, *cluster_source_why(s) ? cluster_source_why(s) : cluster_strerror(cluster_source_error(s)));
    fputc('\n', stderr);
}

static void json_member(const struct cluster_member *m)
{
    json_text("node", m->name);
    json_text("host", m->host);
    json_text("address", *m->address ? m->address : NULL);
    json_number("port", m->port);
    json_number("weight", m->weight);
    json_text("zone", *m->zone ? m->zone : NULL);
    json_text("role", *m->role ? m->role : NULL);
    json_key("draining");
    fputs(m->flags & CLUSTER_MEMBER_DRAINING ? "true" : "false", stdout);
}

/* ====================================================================================================================
 * watch: an event a line
 * ================================================================================================================== */

/* What was last printed of a member: it tells what a change was from, and what a resync left out. */
struct seen {
    char *name, *address, *zone, *role;
    uint32_t port, weight, flags;
};

struct roster {
    struct seen **at; /* by name */
    size_t count, capacity;
};

struct watch {
    struct loop loop;
    struct roster roster;
    bool json, colour;
};

static size_t roster_place(const struct roster *r, const char *name, bool *found)
{
    size_t low = 0, high = r->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(r->at[middle]->name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void seen_take(struct seen *s, const struct cluster_member *m)
{
    s->address = copy_of(m->address);
    s->zone = copy_of(m->zone);
    s->role = copy_of(m->role);
    s->port = m->port;
    s->weight = m->weight;
    s->flags = m->flags;
}

static void seen_drop(struct seen *s)
{
    free(s->address);
    free(s->zone);
    free(s->role);
}

static void roster_insert(struct roster *r, size_t place, const struct cluster_member *m)
{
    struct seen *s = (struct seen *)grow(NULL, sizeof *s);
    if (r->count == r->capacity) {
        r->capacity = r->capacity * 2 + 16;
        r->at = (struct seen **)grow(r->at, r->capacity * sizeof *r->at);
    }
    memmove(r->at + place + 1, r->at + place, (r->count - place) * sizeof *r->at);
    s->name = copy_of(m->name);
    seen_take(s, m);
    r->at[place] = s;
    r->count++;
}

static void roster_remove(struct roster *r, size_t place)
{
    seen_drop(r->at[place]);
    free(r->at[place]->name);
    free(r->at[place]);
    r->count--;
    memmove(r->at + place, r->at + place + 1, (r->count - place) * sizeof *r->at);
}

static void watch_line(const struct watch *w, const char *colour, char sign, const char *name)
{
    if (w->colour)
        fputs(colour, stdout);
    printf("%c ", sign);
    print_safe(stdout, name);
    if (w->colour)
        fputs("\033[0m", stdout);
}

static void watch_join(struct watch *w, size_t place, const struct cluster_member *m, uint64_t revision)
{
    roster_insert(&w->roster, place, m);
    if (w->json) {
        json_begin("join");
        json_member(m);
        json_number("revision", revision);
        json_end();
        return;
    }
    watch_line(w, "\033[32m", '+', m->name);
    putchar('\n');
}

static void watch_leave(struct watch *w, size_t place, uint64_t revision)
{
    const char *name = w->roster.at[place]->name;
    if (w->json) {
        json_begin("leave");
        json_text("node", name);
        json_number("revision", revision);
        json_end();
    } else {
        watch_line(w, "\033[31m", '-', name);
        putchar('\n');
    }
    roster_remove(&w->roster, place);
}

/* " port 0 -> 9100", then ", " before the next */
static void print_change(const char **separator, const char *what, const char *from, const char *to)
{
    if (!strcmp(from, to))
        return;
    printf("%s%s ", *separator, what);
    print_safe(stdout, *from ? from : "-");
    fputs(" -> ", stdout);
    print_safe(stdout, *to ? to : "-");
    *separator = ", ";
}

static void print_number_change(const char **separator, const char *what, uint32_t from, uint32_t to)
{
    char old_text[16], new_text[16];
    snprintf(old_text, sizeof old_text, "%lu", (unsigned long)from);
    snprintf(new_text, sizeof new_text, "%lu", (unsigned long)to);
    print_change(separator, what, old_text, new_text);
}

static void watch_change(struct watch *w, size_t place, const struct cluster_member *m, uint64_t revision)
{
    struct seen *s = w->roster.at[place];
    const char *separator = " ";
    if (w->json) {
        json_begin("change");
        json_member(m);
        json_number("revision", revision);
        json_end();
    } else {
        watch_line(w, "\033[33m", '~', m->name);
        print_change(&separator, "address", s->address, m->address);
        print_number_change(&separator, "port", s->port, m->port);
        print_number_change(&separator, "weight", s->weight, m->weight);
        print_change(&separator, "zone", s->zone, m->zone);
        print_change(&separator, "role", s->role, m->role);
        print_change(&separator, "draining", s->flags & CLUSTER_MEMBER_DRAINING ? "yes" : "no",
                     m->flags & CLUSTER_MEMBER_DRAINING ? "yes" : "no");
        putchar('\n');
    }
    seen_drop(s);
    seen_take(s, m);
}

static bool seen_differs(const struct seen *s, const struct cluster_member *m)
{
    return strcmp(s->address, m->address) || strcmp(s->zone, m->zone) || strcmp(s->role, m->role) || s->port != m->port ||
           s->weight != m->weight || ((s->flags ^ m->flags) & CLUSTER_MEMBER_DRAINING);
}

static void watch_upsert(struct watch *w, const struct cluster_member *m, uint64_t revision)
{
    bool found;
    size_t place = roster_place(&w->roster, m->name, &found);
    if (m->flags & CLUSTER_MEMBER_SELF)
        return;
    if (!found)
        watch_join(w, place, m, revision);
    else if (seen_differs(w->roster.at[place], m))
        watch_change(w, place, m, revision);
}

/* Events were lost: what is printed is then the difference to the members as they are. */
static void watch_resync(struct watch *w, uint64_t revision)
{
    size_t i;
    const struct cluster_member *m;
    for (i = w->roster.count; i-- > 0;)
        if (!cluster_member_find(w->loop.c, w->roster.at[i]->name))
            watch_leave(w, i, revision);
    for (i = 0; (m = cluster_member_at(w->loop.c, i)) != NULL; i++)
        watch_upsert(w, m, revision);
}

static void watch_status(const struct watch *w, const struct cluster_event *e)
{
    if (w->json) {
        json_begin("status");
        json_text("state", status_name((int)e->state));
        json_number("count", e->count);
        json_number("quorum", e->quorum);
        json_text("why", e->text);
        json_end();
        return;
    }
    printf("status %s %lu/%lu\n", status_name((int)e->state), (unsigned long)e->count, (unsigned long)e->quorum);
}

/* Says itself how it stands: `up NAME`, `down NAME reason`. */
static void watch_link(const struct watch *w, const struct cluster_event *e)
{
    bool up = e->type == CLUSTER_UP;
    if (w->json) {
        json_begin(cluster_event_name(e->type));
        json_text("node", e->member->name);
        json_text("error", e->error ? cluster_strerror(e->error) : NULL);
        json_text("why", up ? NULL : e->text);
        json_end();
        return;
    }
    printf("%s%s ", w->colour ? (up ? "\033[32m" : "\033[31m") : "", cluster_event_name(e->type));
    print_safe(stdout, e->member->name);
    fputs(w->colour ? "\033[0m" : "", stdout);
    printf(up ? "\n" : " %s\n", e->text);
}

/* Members that are linked. */
static size_t linked(const struct cluster *c)
{
    size_t count = 0, i;
    for (i = 0; i < cluster_member_count(c); i++)
        count += cluster_member_at(c, i)->state == CLUSTER_MEMBER_UP;
    return count;
}

static void watch_source(const struct watch *w, const struct cluster_event *e)
{
    if (w->json) {
        json_begin("source");
        json_text("url", cluster_source_url(e->source));
        json_text("state", source_state_name((int)e->state));
        json_text("error", e->error ? cluster_strerror(e->error) : NULL);
        json_text("why", e->text);
        json_end();
        return;
    }
    fputs("source ", stdout);
    print_safe(stdout, cluster_source_url(e->source));
    printf(" %s", source_state_name((int)e->state));
    if (*e->text)
        putchar(' ');
    print_safe(stdout, e->text);
    putchar('\n');
}

static void watch_event(struct watch *w, const struct cluster_event *e)
{
    bool found;
    size_t place;
    switch (e->type) {
    case CLUSTER_JOIN:
    case CLUSTER_CHANGE:
        watch_upsert(w, e->member, e->revision);
        break;
    case CLUSTER_LEAVE:
        place = roster_place(&w->roster, e->member->name, &found);
        if (found)
            watch_leave(w, place, e->revision);
        break;
    case CLUSTER_UP:
    case CLUSTER_DOWN:
        watch_link(w, e);
        break;
    case CLUSTER_RESYNC:
        watch_resync(w, e->revision);
        break;
    case CLUSTER_STATUS:
        watch_status(w, e);
        break;
    case CLUSTER_SOURCE:
        watch_source(w, e);
        break;
    default:
        break;
    }
}

/* What is announced of the own node is withdrawn, if that can be done soon. */
static void watch_withdraw(struct watch *w)
{
    const struct cluster_event *e;
    bool left = cluster_leave(w->loop.c, 500, NULL) < 0;
    w->loop.fd = -1; /* the signal has been seen */
    while (!left) {
        loop_turn(&w->loop, CLUSTER_NEVER);
        while ((e = cluster_next_event(w->loop.c)) != NULL)
            left = left || e->type == CLUSTER_LEFT;
    }
}

static int run_watch(const struct arguments *a)
{
    struct watch w;
    const struct cluster_event *e;
    uint64_t end;
    bool until = given(a, OPT_UNTIL), links = strcmp(text_of(a, OPT_CONNECT, "none"), "none") != 0;
    int status;
    memset(&w, 0, sizeof w);
    w.json = given(a, OPT_JSON);
    w.colour = wants_colour(STDOUT_FILENO);
    status = open_sources(&w.loop, a);
    if (status)
        return status;
    setvbuf(stdout, NULL, _IOLBF, 0);
    end = end_of(a, CLUSTER_NEVER);
    for (;;) {
        while ((e = cluster_next_event(w.loop.c)) != NULL)
            watch_event(&w, e);
        if (until && (links ? linked(w.loop.c) : others(w.loop.c)) >= number_of(a, OPT_UNTIL, 0)) {
            status = DONE;
            break;
        }
        if (signal_end || ferror(stdout) || cluster_now() >= end) {
            status = until ? NEGATIVE : DONE;
            break;
        }
        loop_turn(&w.loop, end);
    }
    watch_withdraw(&w);
    while (w.roster.count)
        roster_remove(&w.roster, w.roster.count - 1);
    free(w.roster.at);
    loop_end(&w.loop);
    return status;
}

/* ====================================================================================================================
 * ping, send, call, node: talking to Erlang nodes
 * ================================================================================================================== */

static const struct cluster_event *await_reply(struct loop *l, uint64_t request);
static int query_refused(struct loop *l, int result);

/* Be a node, under this name, which takes links from others if `listen` says where. */
static int open_node(struct loop *l, const struct arguments *a, const char *name, const char *listen)
{
    struct cluster_options options;
    struct cluster *c;
    char error[512] = "", cookie[COOKIE_SIZE];
    int result, status = find_cookie(a, cookie);
    if (!status)
        status = signals_begin();
    if (status)
        return status;
    cluster_options_init(&options);
    options.node = name;
    options.cookie = cookie;
    options.listen = listen;
    options.log = on_log;
    options.error = error;
    options.error_size = sizeof error;
    result = cluster_create(&c, &options);
    if (result < 0)
        return fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", *error ? error : cluster_strerror(result));
    loop_begin(l, c, signal_pipe[0]);
    return DONE;
}

/* The same to talk to one other node. Nodes link to nodes of their own kind, of long or of short names. */
static int open_node_for(struct loop *l, const struct arguments *a)
{
    const char *host = strchr(a->operands[0], '@');
    char own[300];
    snprintf(own, sizeof own, "clusterctl-%ld@%s", (long)getpid(), host ? host + 1 : "localhost");
    return open_node(l, a, text_of(a, OPT_NODE, own), NULL);
}

/* Erlang's syntax in the external format, from malloc; NULL: it is wrong, and that was said. */
static unsigned char *term_of(const char *text, size_t *size)
{
    unsigned char *term;
    size_t at;
    int result = cluster_term_parse(text, NULL, 0, size);
    if (!*size) {
        const char *why = cluster_term_why(text, &at);
        fail(USAGE, "no term: %s (byte %lu of \"%s\")", *why ? why : cluster_strerror(result), (unsigned long)at, text);
        return NULL;
    }
    term = (unsigned char *)grow(NULL, *size);
    (void)cluster_term_parse(text, term, *size, size);
    return term;
}

/* The text of a term, from malloc. */
static char *text_of_term(const void *term, size_t size)
{
    size_t length = cluster_term_print(term, size, NULL, 0);
    char *text = (char *)grow(NULL, length + 1);
    text[0] = '\0';
    (void)cluster_term_print(term, size, text, length + 1);
    return length ? text : (free(text), copy_of("?"));
}

/* Is the node there? Its link is kept. The reply's text says why not. */
static int ping(struct loop *l, const char *node, const struct cluster_event **reply)
{
    uint64_t request;
    int result = cluster_ping(l->c, node, &request);
    if (result < 0)
        return fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(l->c));
    *reply = await_reply(l, request);
    return *reply ? DONE : FAILED;
}

static int run_ping(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply = NULL;
    const char *node = a->operands[0];
    int status = open_node_for(&l, a);
    if (status)
        return status;
    status = ping(&l, node, &reply);
    if (reply && reply->error)
        status = NEGATIVE;
    if (reply && given(a, OPT_JSON)) {
        json_begin("ping");
        json_text("node", node);
        json_text("answer", reply->error ? "pang" : "pong");
        json_text("error", reply->error ? cluster_strerror(reply->error) : NULL);
        json_text("why", reply->error ? reply->text : NULL);
        json_end();
    } else if (reply && reply->error) {
        printf("pang: %s\n", reply->text);
    } else if (reply) {
        puts("pong");
    }
    loop_end(&l);
    return status;
}

/* The message is behind the first ping and before the second, so that it has arrived when the second is answered. */
static int run_send(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply = NULL;
    const char *node = a->operands[0];
    size_t size;
    unsigned char *term = term_of(a->operands[2], &size);
    int status = term ? open_node_for(&l, a) : USAGE, result = 0, round;
    if (status) {
        free(term);
        return status;
    }
    for (round = 0; !status && round < 2; round++) {
        status = ping(&l, node, &reply);
        if (!status && reply->error)
            status = fail(NEGATIVE, "%s: %s", node, reply->text);
        if (!status && !round)
            result = cluster_send(l.c, node, a->operands[1], term, size);
        if (!status && result)
            status = fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(l.c));
    }
    loop_end(&l);
    free(term);
    return status;
}

static int run_call(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    uint64_t request;
    size_t size;
    char *text;
    unsigned char *term = term_of(a->count > 3 ? a->operands[3] : "[]", &size);
    int status = term ? open_node_for(&l, a) : USAGE, result = 0;
    if (!status)
        result =
            cluster_call(l.c, a->operands[0], a->operands[1], a->operands[2], term, size, number_of(a, OPT_FOR, 0), &request);
    free(term);
    if (status)
        return status;
    if (result < 0)
        return query_refused(&l, result);
    reply = await_reply(&l, request);
    if (!reply || reply->error) {
        status = reply ? fail(NEGATIVE, "%s: %s", a->operands[0], reply->text) : FAILED;
    } else {
        text = text_of_term(reply->term, (size_t)reply->term_size);
        status = strncmp(text, "{badrpc,", 8) ? DONE : NEGATIVE;
        if (given(a, OPT_JSON)) {
            json_begin("call");
            json_text("node", a->operands[0]);
            json_text("result", text);
            json_end();
        } else {
            puts(text);
        }
        free(text);
    }
    loop_end(&l);
    return status;
}

/* A version, and the bytes of a term, from malloc. */
static unsigned char *term_from(const unsigned char *bytes, size_t size)
{
    unsigned char *term = (unsigned char *)grow(NULL, 1 + size);
    term[0] = 131;
    memcpy(term + 1, bytes, size);
    return term;
}

/* How many bytes the pid has in {Pid, Term}; 0: it is no such tuple. */
static size_t echo_pid(const unsigned char *term, size_t size)
{
    size_t length;
    if (size < 8 || term[1] != 104 || term[2] != 2 || term[3] != 88)
        return 0;
    length = term[4] == 119 || term[4] == 115 ? 2 + (size_t)term[5] : 3 + ((size_t)term[5] << 8 | term[6]);
    return 3 + 1 + length + 12 < size ? 1 + length + 12 : 0;
}

/* {From, X}: X to From. While too much waits for the other node nothing else is done. */
static void node_echo(struct loop *l, const struct cluster_event *e)
{
    const unsigned char *term = (const unsigned char *)e->term;
    size_t size = (size_t)e->term_size, pid = echo_pid(term, size), rest = size - 3 - pid;
    unsigned char *to, *answer;
    int result;
    if (!pid)
        return;
    to = term_from(term + 3, pid);
    answer = term_from(term + 3 + pid, rest);
    while ((result = cluster_send_pid(l->c, to, 1 + pid, answer, 1 + rest)) == CLUSTER_E_AGAIN && !signal_end)
        loop_turn(l, CLUSTER_NEVER);
    if (result)
        fail(DONE, "no echo: %s", cluster_last_error(l->c));
    free(to);
    free(answer);
}

static void node_event(const struct watch *w, const struct cluster_event *e)
{
    const struct cluster_member *m = e->member;
    bool message = e->type == CLUSTER_MESSAGE;
    char *text;
    if (e->type == CLUSTER_UP || e->type == CLUSTER_DOWN) {
        watch_link(w, e);
    } else if (e->type == CLUSTER_CHANGE && (m->flags & CLUSTER_MEMBER_SELF)) {
        if (w->json) {
            json_begin("listen");
            json_number("port", m->port);
            json_end();
        } else {
            printf("listen %lu\n", (unsigned long)m->port);
        }
    } else if (message || e->type == CLUSTER_CALL) {
        text = text_of_term(e->term, (size_t)e->term_size);
        if (w->json) {
            json_begin(cluster_event_name(e->type));
            json_text("node", m->name);
            json_text(message ? "process" : "function", e->text);
            json_text(message ? "term" : "arguments", text);
            json_end();
        } else {
            printf("%s ", cluster_event_name(e->type));
            print_safe(stdout, m->name);
            putchar(' ');
            print_safe(stdout, e->text);
            printf(" %s\n", text);
        }
        free(text);
    }
}

static int run_node(const struct arguments *a)
{
    struct watch w;
    const struct cluster_event *e;
    const char *name = text_of(a, OPT_NODE, NULL), *host = name ? strchr(name, '@') : NULL;
    char listen[300], process[256];
    struct in6_addr address;
    uint64_t end;
    int status, result;
    if (!host)
        return fail(USAGE, "a node needs --node NAME@HOST");
    snprintf(process, sizeof process, "%.*s", (int)(host - name < 255 ? host - name : 255), name);
    snprintf(listen, sizeof listen,
             inet_pton(AF_INET6, host + 1, &address) == 1  ? "[%s]:0"
             : inet_pton(AF_INET, host + 1, &address) == 1 ? "%s:0"
                                                           : "0.0.0.0:0",
             host + 1);
    memset(&w, 0, sizeof w);
    w.json = given(a, OPT_JSON);
    w.colour = wants_colour(STDOUT_FILENO);
    status = open_node(&w.loop, a, name, text_of(a, OPT_LISTEN, listen));
    if (status)
        return status;
    result = cluster_register(w.loop.c, text_of(a, OPT_REGISTER, process));
    if (result < 0)
        return query_refused(&w.loop, result);
    setvbuf(stdout, NULL, _IOLBF, 0);
    end = end_of(a, CLUSTER_NEVER);
    while (!signal_end && !ferror(stdout) && cluster_now() < end) {
        while ((e = cluster_next_event(w.loop.c)) != NULL) {
            node_event(&w, e);
            if (e->type == CLUSTER_CALL)
                (void)cluster_answer(w.loop.c, e->request, NULL, 0);
            else if (e->type == CLUSTER_MESSAGE && given(a, OPT_ECHO))
                node_echo(&w.loop, e);
        }
        loop_turn(&w.loop, end);
    }
    loop_end(&w.loop);
    return DONE;
}

/* ====================================================================================================================
 * wait: a gate before a program
 * ================================================================================================================== */

/* The last word before time was over: the count, and what each source says. */
static int wait_over(const struct loop *l, const struct arguments *a)
{
    size_t i;
    struct cluster_source *s;
    for (i = 0; (s = cluster_source_at(l->c, i)) != NULL; i++)
        if (cluster_source_state(s) == CLUSTER_SOURCE_FAILED)
            complain_of_source(s);
    if (signal_end)
        return fail(NEGATIVE, "interrupted before the cluster was ready; the command was not run");
    return fail(NEGATIVE, "%lu of %lu nodes are there after %s, this one counted: give it longer with --for, or ask for less",
                (unsigned long)(others(l->c) + 1), (unsigned long)number_of(a, OPT_QUORUM, 0), text_of(a, OPT_FOR, ""));
}

static int run_wait(const struct arguments *a)
{
    struct loop l;
    uint64_t end;
    int status;
    if (!given(a, OPT_QUORUM))
        return fail(USAGE, "`wait` needs --quorum N: how many nodes make the cluster ready, this one counted");
    if (number_of(a, OPT_QUORUM, 0) == 0)
        return fail(USAGE, "--quorum 0 waits for nothing: give 1 or more");
    if (!a->program || !a->program[0])
        return fail(USAGE, "`wait` needs the command to run at the end, after --: clusterctl wait URL --quorum N -- COMMAND");
    status = open_sources(&l, a);
    if (status)
        return status;
    end = end_of(a, CLUSTER_NEVER);
    while (cluster_status(l.c) != CLUSTER_READY) {
        if (signal_end || cluster_now() >= end) {
            status = wait_over(&l, a);
            loop_end(&l);
            return status;
        }
        loop_turn(&l, end);
        while (cluster_next_event(l.c))
            continue;
    }
    if (given(a, OPT_JSON)) {
        json_begin("ready");
        json_number("members", others(l.c));
        json_number("quorum", number_of(a, OPT_QUORUM, 0));
        json_end();
    }
    loop_end(&l);
    fflush(stdout);
    execvp(a->program[0], a->program);
    return fail(FAILED, "cannot run %s: %s", a->program[0], strerror(errno));
}

/* ====================================================================================================================
 * list: the members after each source's first round
 * ================================================================================================================== */

static bool every_source_spoke(const struct cluster *c)
{
    size_t i;
    struct cluster_source *s;
    for (i = 0; (s = cluster_source_at(c, i)) != NULL; i++)
        if (cluster_source_state(s) == CLUSTER_SOURCE_STARTING)
            return false;
    return true;
}

static void list_members(const struct cluster *c, bool json)
{
    size_t i;
    const struct cluster_member *m;
    for (i = 0; (m = cluster_member_at(c, i)) != NULL; i++) {
        if (m->flags & CLUSTER_MEMBER_SELF)
            continue;
        if (json) {
            json_begin("member");
            json_member(m);
            json_end();
        } else {
            print_safe(stdout, m->name);
            putchar('\n');
        }
    }
}

/* Names the sources that did not answer; returns how many did. */
static size_t list_complain(const struct cluster *c)
{
    size_t i, answered = 0;
    struct cluster_source *s;
    for (i = 0; (s = cluster_source_at(c, i)) != NULL; i++) {
        int state = cluster_source_state(s);
        if (state == CLUSTER_SOURCE_FAILED)
            complain_of_source(s);
        else if (state == CLUSTER_SOURCE_STARTING)
            fail(FAILED, "%s gave no answer in time: give it longer with --for", cluster_source_url(s));
        else
            answered++;
    }
    return answered;
}

/* Until every source had its first round, or time is over. */
static int open_first_rounds(struct loop *l, const struct arguments *a)
{
    uint64_t end;
    int status = open_sources(l, a);
    if (status)
        return status;
    end = end_of(a, 10 * SECOND);
    while (!every_source_spoke(l->c) && !signal_end && cluster_now() < end) {
        loop_turn(l, end);
        while (cluster_next_event(l->c))
            continue;
    }
    return DONE;
}

/* How a command on the first rounds ends. */
static int end_first_rounds(struct loop *l)
{
    int status = others(l->c) ? DONE : NEGATIVE;
    if (!list_complain(l->c) && cluster_source_at(l->c, 0) && !others(l->c))
        status = FAILED;
    loop_end(l);
    return status;
}

static int run_list(const struct arguments *a)
{
    struct loop l;
    int status = open_first_rounds(&l, a);
    if (status)
        return status;
    list_members(l.c, given(a, OPT_JSON));
    return end_first_rounds(&l);
}

/* ====================================================================================================================
 * names, port: one question to an epmd
 * ================================================================================================================== */

/* Runs the loop until the request is answered. Returns the reply, which lives until the next turn, or NULL when a signal
 * came first. */
static const struct cluster_event *await_reply(struct loop *l, uint64_t request)
{
    const struct cluster_event *e;
    while (!signal_end) {
        while ((e = cluster_next_event(l->c)) != NULL)
            if (e->type == CLUSTER_REPLY && e->request == request)
                return e;
        loop_turn(l, CLUSTER_NEVER);
    }
    return NULL;
}

static int open_queries(struct loop *l)
{
    struct cluster *c;
    int result, status = signals_begin();
    if (status)
        return status;
    result = cluster_create(&c, NULL);
    if (result < 0)
        return fail(FAILED, "%s", cluster_strerror(result));
    loop_begin(l, c, signal_pipe[0]);
    return DONE;
}

static int query_refused(struct loop *l, int result)
{
    int status = fail(result == CLUSTER_E_INVALID ? USAGE : FAILED, "%s", cluster_last_error(l->c));
    loop_end(l);
    return status;
}

static void names_print(const char *lines, bool json)
{
    struct names list = {NULL, 0};
    size_t i;
    names_split(&list, lines, '\n');
    for (i = 0; i < list.count; i++) {
        char *space = strrchr(list.at[i], ' ');
        if (!space)
            continue;
        if (json) {
            *space = '\0';
            json_begin("name");
            json_text("name", list.at[i]);
            json_number("port", strtoul(space + 1, NULL, 10));
            json_end();
        } else {
            print_safe(stdout, list.at[i]);
            putchar('\n');
        }
    }
    names_clear(&list);
}

static int run_names(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    const char *host = a->count ? a->operands[0] : NULL;
    uint64_t request;
    int result, status = open_queries(&l);
    if (status)
        return status;
    result = cluster_epmd_names(l.c, host, &request);
    if (result < 0)
        return query_refused(&l, result);
    reply = await_reply(&l, request);
    if (!reply)
        status = FAILED;
    else if (reply->error)
        status = fail(reply->error == CLUSTER_E_INVALID ? USAGE : FAILED, "no names: %s",
                      *reply->text ? reply->text : cluster_strerror(reply->error));
    else
        names_print(reply->text, given(a, OPT_JSON));
    loop_end(&l);
    return status;
}

static int run_port(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    const char *node = a->operands[0];
    uint64_t request;
    int result, status = open_queries(&l);
    if (status)
        return status;
    result = cluster_epmd_port(l.c, node, &request);
    if (result < 0)
        return query_refused(&l, result);
    reply = await_reply(&l, request);
    if (!reply) {
        status = FAILED;
    } else if (reply->error == CLUSTER_E_NOT_FOUND) {
        status = fail(NEGATIVE, "no port of %s: %s; `clusterctl names HOST` prints those it has", node, reply->text);
    } else if (reply->error) {
        status = fail(reply->error == CLUSTER_E_INVALID ? USAGE : FAILED, "no port of %s: %s", node,
                      *reply->text ? reply->text : cluster_strerror(reply->error));
    } else if (given(a, OPT_JSON)) {
        json_begin("port");
        json_text("node", node);
        json_number("port", strtoul(reply->text, NULL, 10));
        json_end();
    } else {
        puts(reply->text);
    }
    loop_end(&l);
    return status;
}

/* ====================================================================================================================
 * resolve: one question to DNS
 * ================================================================================================================== */

/* Text in a URL: what has a meaning there is escaped. */
static void url_add(struct text *url, const char *text)
{
    for (; *text; text++) {
        if (strchr("%?,&=", *text))
            text_format(url, "%%%02x", (unsigned)(unsigned char)*text);
        else
            text_bytes(url, text, 1);
    }
}

/* The text of a TXT record as bytes, in place; its length. */
static size_t txt_bytes(char *quoted)
{
    char *out = quoted, *in = quoted + 1;
    while (*in && *in != '"') {
        unsigned byte = 0;
        if (*in == '\\' && sscanf(in, "\\x%2x", &byte) == 1) {
            *out++ = (char)byte;
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    return (size_t)(out - quoted);
}

static void record_json(const char *name, const char *type, uint32_t ttl, char *line)
{
    bool address = !strcmp(type, "a+aaaa") || !strcmp(type, "a") || !strcmp(type, "aaaa");
    unsigned priority, weight, port;
    int at = 0;
    json_begin(!address ? type : strchr(line, ':') ? "aaaa" : "a");
    json_text("name", name);
    json_number("ttl", ttl);
    if (address) {
        json_text("address", line);
    } else if (!strcmp(type, "srv") && sscanf(line, "%u %u %u %n", &priority, &weight, &port, &at) == 3) {
        json_number("priority", priority);
        json_number("weight", weight);
        json_number("port", port);
        json_text("target", line + at);
    } else if (!strcmp(type, "txt")) {
        size_t size = txt_bytes(line);
        json_key("text");
        json_string(line, size);
    } else {
        json_text("target", line);
    }
    json_end();
}

static void records_print(const struct arguments *a, const struct cluster_event *reply)
{
    struct names list = {NULL, 0};
    size_t i;
    names_split(&list, reply->text, '\n');
    for (i = 0; i < list.count; i++) {
        if (!*list.at[i])
            continue;
        if (given(a, OPT_JSON)) {
            record_json(a->operands[0], text_of(a, OPT_TYPE, "a+aaaa"), reply->count, list.at[i]);
        } else {
            print_safe(stdout, list.at[i]);
            putchar('\n');
        }
    }
    names_clear(&list);
}

static int run_resolve(const struct arguments *a)
{
    struct loop l;
    const struct cluster_event *reply;
    const char *name = a->operands[0];
    struct text url = {NULL, 0, 0};
    uint64_t request;
    int result, status = open_queries(&l);
    if (status)
        return status;
    url_add(&url, name);
    text_add(&url, given(a, OPT_SEARCH) ? "?search=on" : "?search=off");
    if (given(a, OPT_SERVER)) {
        text_add(&url, "&server=");
        url_add(&url, text_of(a, OPT_SERVER, ""));
    }
    result = cluster_resolve(l.c, url.at, text_of(a, OPT_TYPE, NULL), &request);
    text_free(&url);
    if (result < 0)
        return query_refused(&l, result);
    reply = await_reply(&l, request);
    if (!reply)
        status = FAILED;
    else if (reply->error)
        status = fail(reply->error == CLUSTER_E_NOT_FOUND ? NEGATIVE : FAILED, "no answer for %s: %s", name, reply->text);
    else
        records_print(a, reply);
    loop_end(&l);
    return status;
}

/* ====================================================================================================================
 * epmd: serve one
 * ================================================================================================================== */

struct epmd_server {
    bool json;
    char fault[256]; /* "": none yet */
};

/* What the handle says of the epmd that it serves. */
static void on_epmd_log(void *ctx, int level, const char *message, const char *setting)
{
    static const char serves[] = "epmd is served at ";
    struct epmd_server *e = (struct epmd_server *)ctx;
    if (strcmp(setting, "epmd") != 0) {
        on_log(NULL, level, message, setting);
    } else if (strncmp(message, serves, sizeof serves - 1) != 0) {
        const char *why = strrchr(message, ':');
        snprintf(e->fault, sizeof e->fault, "%s", why ? why + 2 : message);
    } else if (e->json) {
        json_begin("epmd");
        json_text("address", message + sizeof serves - 1);
        json_end();
    } else {
        printf("%s\n", message);
    }
    fflush(stdout);
}

static int run_epmd(const struct arguments *a)
{
    struct epmd_server e = {false, ""};
    const char *address = text_of(a, OPT_ADDRESS, "127.0.0.1");
    bool six = strchr(address, ':') != NULL;
    struct cluster_options options;
    struct cluster *c;
    struct text where = {NULL, 0, 0};
    char error[512] = "", port[24];
    struct loop l;
    int result, status = signals_begin();
    if (status)
        return status;
    if (given(a, OPT_LISTEN_PORT) && (!number_of(a, OPT_LISTEN_PORT, 0) || number_of(a, OPT_LISTEN_PORT, 0) > 65535))
        return fail(USAGE, "--port takes 1 to 65535");
    e.json = given(a, OPT_JSON);
    text_add(&where, "embedded:");
    text_add(&where, six ? "[" : "");
    text_add(&where, address);
    text_add(&where, six ? "]" : "");
    snprintf(port, sizeof port, ":%lu", (unsigned long)number_of(a, OPT_LISTEN_PORT, 0));
    text_add(&where, given(a, OPT_LISTEN_PORT) ? port : "");
    cluster_options_init(&options);
    options.epmd = where.at;
    options.log = on_epmd_log;
    options.log_ctx = &e;
    options.log_level = CLUSTER_LOG_INFO;
    options.error = error;
    options.error_size = sizeof error;
    result = cluster_create(&c, &options);
    text_free(&where);
    if (result == CLUSTER_E_INVALID)
        return fail(USAGE, "--address takes an IP address of this host, 0.0.0.0 or ::, not \"%s\"", address);
    if (result < 0)
        return fail(FAILED, "%s", *error ? error : cluster_strerror(result));
    loop_begin(&l, c, signal_pipe[0]);
    while (!signal_end && !*e.fault)
        loop_turn(&l, CLUSTER_NEVER);
    loop_end(&l);
    if (*e.fault)
        return fail(
            FAILED,
            "no epmd can be served at %s%s: %s: does one run there (`clusterctl names`)? Is it an address of this host?",
            address, given(a, OPT_LISTEN_PORT) ? port : "", e.fault);
    return DONE;
}

/* ====================================================================================================================
 * owner, plan, hash: placement on the command line
 * ================================================================================================================== */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The nodes of an option, in their order; empty text is the empty list. */
static int parse_nodes(struct names *nodes, const char *option, const char *text)
{
    char **sorted;
    const char *twice = NULL;
    size_t i;
    memset(nodes, 0, sizeof *nodes);
    names_split(nodes, text, ',');
    sorted = (char **)grow(NULL, (nodes->count + 1) * sizeof *sorted);
    for (i = 0; i < nodes->count; i++)
        sorted[i] = nodes->at[i];
    if (nodes->count)
        qsort(sorted, nodes->count, sizeof *sorted, compare_names);
    for (i = 0; i < nodes->count; i++)
        if (!*sorted[i] || (i && !strcmp(sorted[i], sorted[i - 1])))
            twice = sorted[i];
    free(sorted);
    if (twice && *twice)
        return fail(USAGE, "--%s names %s twice: name each node once", option, twice);
    return twice ? fail(USAGE, "--%s has an empty name: write the nodes as a,b,c", option) : DONE;
}

/* How keys may be placed, and with which options. */
struct kind {
    const char *name;
    const char *options; /* each between spaces */
};

static const struct kind kinds[] = {
    {"map", " shards weights zones replicas "},
    {"rendezvous", " weights replicas seed "},
    {"jump", " seed "},
    {"libring", " weights replicas node-type points name terms otp25 "},
    {"horde", " replicas name terms "},
    {"ex_hash_ring", " weights replicas points "},
    {"ketama", " weights replicas "},
    {"libmemcached", " weights replicas "},
    {"nginx", " weights replicas "},
    {"riak", " replicas points bucket "},
    {"modulo", " terms "},
    {"nebulex", " terms "},
    {"cachex", " terms "},
    {"cachex-jump", " terms "},
    {"phoenix-tracker", " terms "},
};

static int kind_of(const struct kind **out, const char *what, const char *text)
{
    struct nearest near = {text, NULL, 0};
    size_t i;
    for (i = 0; i < COUNT(kinds); i++) {
        *out = &kinds[i];
        if (!strcmp(text, kinds[i].name))
            return DONE;
        nearest_try(&near, kinds[i].name);
    }
    if (near.best)
        return fail(USAGE, "there is no %s %s: did you mean %s?", what, text, near.best);
    return fail(USAGE, "there is no %s %s: see `clusterctl help owner`", what, text);
}

/* Only options that are of some kinds are looked at. */
static int kind_check(const struct arguments *a, const struct kind *kind)
{
    static const enum option_id own[] = {OPT_SHARDS, OPT_WEIGHTS, OPT_ZONES, OPT_REPLICAS, OPT_NODE_TYPE, OPT_POINTS,
                                         OPT_NAME,   OPT_BUCKET,  OPT_TERMS, OPT_OTP25,    OPT_SEED};
    size_t i, j;
    for (i = 0; i < COUNT(own); i++) {
        char word[32];
        const char *name = NULL;
        for (j = 0; j < COUNT(option_table); j++)
            if (option_table[j].id == own[i])
                name = option_table[j].name;
        snprintf(word, sizeof word, " %s ", name);
        /* A plan has a number of shards, or else of keys. */
        if (given(a, own[i]) && !strstr(kind->options, word) && !(own[i] == OPT_SHARDS && a->command->bit == ON_PLAN))
            return fail(USAGE, "--%s does not go with %s: leave it out", name, kind->name);
    }
    if (!strcmp(kind->name, "horde") && !given(a, OPT_NAME) && a->command->bit != ON_HASH)
        return fail(USAGE, "horde needs --name: the supervisor's or registry's, such as Elixir.MyApp.DistSup");
    return DONE;
}

/* Where keys are placed: by a map, or by a ring when map is NULL. */
struct placement {
    const struct kind *kind;
    struct names nodes, zones;
    const struct names *first; /* of a plan: the nodes before */
    struct cluster_map *map;
    struct cluster_ring *ring;
    bool json, terms;
    size_t replicas;
};

/* The n-th of the texts between commas; its length too. NULL: there are fewer. */
static const char *nth_of(const char *list, size_t n, size_t *length)
{
    for (; n && list; n--) {
        list = strchr(list, ',');
        list += list != NULL;
    }
    *length = list ? strcspn(list, ",") : 0;
    return list;
}

/* Where a node stands among those that weights and zones are given for: the nodes of --nodes; for a plan those of --from, then
 * those that only --to has. */
static size_t order_of(const struct placement *p, const char *name)
{
    const struct names *first = p->first ? p->first : &p->nodes;
    size_t i, at = 0;
    for (i = 0; i < first->count; i++)
        if (!strcmp(first->at[i], name))
            return i;
    for (i = 0; i < p->nodes.count && strcmp(p->nodes.at[i], name) != 0; i++) {
        size_t j = 0;
        while (j < first->count && strcmp(first->at[j], p->nodes.at[i]) != 0)
            j++;
        at += j == first->count;
    }
    return first->count + at;
}

static int parse_weights(const struct placement *p, struct cluster_node *nodes, const char *text)
{
    size_t i;
    for (i = 0; i < p->nodes.count; i++) {
        size_t length;
        const char *at = nth_of(text, order_of(p, nodes[i].name), &length), *end = at;
        uint64_t weight = 0;
        if (!at || !parse_number(at, UINT32_MAX, &weight, &end) || !weight || end != at + length)
            return fail(USAGE, "--weights takes a number from 1 to 4294967295 for each node, as in 1,1,2");
        nodes[i].weight = (uint32_t)weight;
    }
    return DONE;
}

static int parse_zones(struct placement *p, struct cluster_node *nodes, const char *text)
{
    size_t i;
    for (i = 0; i < p->nodes.count; i++) {
        size_t length;
        const char *at = nth_of(text, order_of(p, nodes[i].name), &length);
        if (!at)
            return fail(USAGE, "--zones takes a zone for each node, as in eu/a,eu/b,us");
        names_add(&p->zones, at, length);
        nodes[i].zone = p->zones.at[i];
    }
    return DONE;
}

/* As many as there are nodes, all told. */
static int check_lists(const struct arguments *a, size_t nodes)
{
    static const enum option_id lists[] = {OPT_WEIGHTS, OPT_ZONES};
    size_t i, length;
    for (i = 0; i < COUNT(lists); i++)
        if (given(a, lists[i]) && nth_of(text_of(a, lists[i], ""), nodes, &length))
            return fail(USAGE, "--%s has more than %lu entries, one for each node", i ? "zones" : "weights",
                        (unsigned long)nodes);
    return DONE;
}

static int build_map(struct placement *p, const struct arguments *a, const struct cluster_node *nodes)
{
    struct cluster_map_options options;
    uint64_t shards = number_of(a, OPT_SHARDS, 4096);
    int result;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = (uint32_t)shards;
    options.replicas = (uint32_t)number_of(a, OPT_REPLICAS, 1);
    if (given(a, OPT_REPLICAS) && (!options.replicas || number_of(a, OPT_REPLICAS, 1) > 16))
        return fail(USAGE, "--replicas takes a number from 1 to 16 for a map");
    result = cluster_map_build(&p->map, nodes, p->nodes.count, &options);
    if (result == CLUSTER_E_INVALID)
        return fail(USAGE, "no map of these nodes: each is named once, weights are at most 65535");
    return result < 0 ? fail(FAILED, "no map: %s", cluster_strerror(result)) : DONE;
}

static int build_ring(struct placement *p, const struct arguments *a, const struct cluster_node *nodes)
{
    struct cluster_ring_options options;
    const char *type = text_of(a, OPT_NODE_TYPE, "atom");
    int result;
    if (strcmp(type, "atom") && strcmp(type, "binary"))
        return fail(USAGE, "--node-type is atom or binary, not \"%s\"", type);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.flags = (!strcmp(type, "binary") ? CLUSTER_RING_BINARY_NODES : 0) |
                    (given(a, OPT_TERMS) ? CLUSTER_RING_TERM_KEYS : 0) | (given(a, OPT_OTP25) ? CLUSTER_RING_OTP25 : 0);
    options.points = (uint32_t)number_of(a, OPT_POINTS, 0);
    options.name = text_of(a, OPT_NAME, !strcmp(p->kind->name, "horde") ? "name" : NULL);
    options.bucket = text_of(a, OPT_BUCKET, NULL);
    options.seed = number_of(a, OPT_SEED, 0);
    result = cluster_ring_build(&p->ring, p->kind->name, nodes, p->nodes.count, &options);
    if (result == CLUSTER_E_LIMIT)
        return fail(USAGE, "too much for %s: at most 65534 nodes and 67108864 points of all together", p->kind->name);
    if (result == CLUSTER_E_INVALID && !strcmp(p->kind->name, "riak"))
        return fail(USAGE, "--points %s is no power of two: try 64", text_of(a, OPT_POINTS, ""));
    if (result == CLUSTER_E_INVALID)
        return fail(USAGE, "a node or --name is no atom: at most 255 characters, in UTF-8");
    return result < 0 ? fail(FAILED, "no %s: %s", p->kind->name, cluster_strerror(result)) : DONE;
}

static int placement_build(struct placement *p, const struct arguments *a)
{
    const size_t count = p->nodes.count;
    struct cluster_node *nodes = (struct cluster_node *)grow(NULL, (count + 1) * sizeof *nodes);
    int status = DONE;
    size_t i;
    memset(nodes, 0, (count + 1) * sizeof *nodes);
    for (i = 0; i < count; i++) {
        nodes[i].size = sizeof *nodes;
        nodes[i].name = p->nodes.at[i];
    }
    if (given(a, OPT_WEIGHTS))
        status = parse_weights(p, nodes, text_of(a, OPT_WEIGHTS, ""));
    if (!status && given(a, OPT_ZONES))
        status = parse_zones(p, nodes, text_of(a, OPT_ZONES, ""));
    if (!status)
        status = !strcmp(p->kind->name, "map") ? build_map(p, a, nodes) : build_ring(p, a, nodes);
    free(nodes);
    return status;
}

static void placement_clear(struct placement *p)
{
    cluster_map_free(p->map);
    cluster_ring_free(p->ring);
    names_clear(&p->nodes);
    names_clear(&p->zones);
}

/* The first `capacity` owners of a key, in pointers to their names. */
static size_t placement_owners(const struct placement *p, const void *key, size_t size, const char **out, size_t capacity)
{
    uint32_t *owners = (uint32_t *)grow(NULL, (capacity + 1) * sizeof *owners);
    size_t i, count;
    if (p->map)
        count = cluster_map_owners(p->map, key, size, owners, capacity);
    else
        count = cluster_ring_owners(p->ring, key, size, owners, capacity);
    count = count < capacity ? count : capacity;
    for (i = 0; i < count; i++)
        out[i] = p->map ? cluster_map_node(p->map, owners[i]) : cluster_ring_node(p->ring, owners[i]);
    free(owners);
    return count;
}

/* A term's text in the external format, which the caller frees. */
static int parse_term(const char *text, void **out, size_t *size)
{
    const char *why;
    size_t at = 0;
    *out = NULL;
    (void)cluster_term_parse(text, NULL, 0, size);
    if (*size) {
        *out = grow(NULL, *size);
        if (cluster_term_parse(text, *out, *size, size) == 0)
            return DONE;
        free(*out);
        *out = NULL;
    }
    why = cluster_term_why(text, &at);
    return fail(USAGE, "\"%s\" is no term: %s, at byte %lu", text, why, (unsigned long)at);
}

static int owner_print(const struct placement *p, const char *key, size_t size)
{
    const char **owners;
    size_t i, count, term_size = size;
    void *term = NULL;
    if (p->terms) {
        int status = strlen(key) == size ? parse_term(key, &term, &term_size) : fail(USAGE, "a term has no NUL byte");
        if (status)
            return status;
    }
    owners = (const char **)grow(NULL, (p->replicas + 1) * sizeof *owners);
    count = placement_owners(p, term ? (const char *)term : key, term_size, owners, p->replicas);
    free(term);
    if (p->json) {
        json_begin("owner");
        json_key("key");
        json_string(key, size);
        json_open("owners", '[');
        for (i = 0; i < count; i++)
            json_text(NULL, owners[i]);
        json_close(']');
        json_end();
    } else {
        fwrite(key, 1, size, stdout);
        for (i = 0; i < count; i++)
            printf("%c%s", i ? ',' : ' ', owners[i]);
        puts(count ? "" : " -");
    }
    free(owners);
    return DONE;
}

static int owner_print_lines(const struct placement *p)
{
    struct text line = {NULL, 0, 0};
    int byte, status = DONE;
    do {
        text_clear(&line);
        while ((byte = getchar()) != EOF && byte != '\n') {
            char c = (char)byte;
            text_bytes(&line, &c, 1);
        }
        if (byte == '\n' || line.length)
            status = owner_print(p, line.at, line.length);
    } while (!status && byte != EOF && !ferror(stdout));
    text_free(&line);
    return status;
}

static int check_shards(const struct arguments *a)
{
    uint64_t shards = number_of(a, OPT_SHARDS, 4096);
    if (!shards || shards > (1u << 24) || (shards & (shards - 1)))
        return fail(USAGE, "--shards %s is no power of two from 1 to 16777216: try 4096", text_of(a, OPT_SHARDS, ""));
    return DONE;
}

static int run_owner(const struct arguments *a)
{
    struct placement p;
    size_t i;
    int status;
    memset(&p, 0, sizeof p);
    p.json = given(a, OPT_JSON);
    p.terms = given(a, OPT_TERMS);
    status = kind_of(&p.kind, "kind", text_of(a, OPT_KIND, "map"));
    if (!status)
        status = kind_check(a, p.kind);
    if (!status)
        status = check_shards(a);
    if (!status && !given(a, OPT_NODES))
        status = fail(USAGE, "`owner` needs --nodes A,B,C: the nodes to place on");
    if (!status)
        status = parse_nodes(&p.nodes, "nodes", text_of(a, OPT_NODES, ""));
    if (!status && !p.nodes.count)
        status = fail(USAGE, "--nodes is empty: name at least one node");
    p.replicas = (size_t)number_of(a, OPT_REPLICAS, 1);
    if (!status && (!p.replicas || p.replicas > p.nodes.count))
        status = fail(USAGE, "--replicas takes a number from 1 to %lu, the number of nodes", (unsigned long)p.nodes.count);
    if (!status)
        status = check_lists(a, p.nodes.count);
    if (!status)
        status = placement_build(&p, a);
    for (i = 0; !status && i < a->count; i++) {
        if (!strcmp(a->operands[i], "-"))
            status = owner_print_lines(&p);
        else
            status = owner_print(&p, a->operands[i], strlen(a->operands[i]));
    }
    placement_clear(&p);
    return status;
}

/* place: which of the shard's owners moves, where it has more than one; else 0. */
static void move_print(uint64_t shard, uint32_t place, const char *before, const char *after, bool json)
{
    if (json) {
        json_begin("move");
        json_number("shard", shard);
        if (place)
            json_number("owner", place);
        json_text("from", before);
        json_text("to", after);
        json_end();
    } else {
        printf("%lu %s -> %s", (unsigned long)shard, before ? before : "-", after ? after : "-");
        if (place)
            printf(" (owner %u)", (unsigned)place);
        putchar('\n');
    }
}

static void plan_print_map(const struct cluster_map *from, const struct cluster_map *to, bool json)
{
    size_t i, count = cluster_map_plan(from, to, NULL, 0);
    struct cluster_move *moves = (struct cluster_move *)grow(NULL, (count + 1) * sizeof *moves);
    cluster_map_plan(from, to, moves, count);
    for (i = 0; i < count; i++)
        move_print(moves[i].shard, cluster_map_replicas(from) > 1 || cluster_map_replicas(to) > 1 ? moves[i].replica + 1 : 0,
                   cluster_map_node(from, moves[i].from), cluster_map_node(to, moves[i].to), json);
    free(moves);
}

/* What has no shards places keys: the numbers from 0, in decimal. */
static void plan_print_keys(const struct placement *from, const struct placement *to, uint64_t count, bool json)
{
    uint64_t i;
    for (i = 0; i < count; i++) {
        const char *before = NULL, *after = NULL;
        char key[24];
        size_t size = (size_t)snprintf(key, sizeof key, "%lu", (unsigned long)i);
        placement_owners(from, key, size, &before, 1);
        placement_owners(to, key, size, &after, 1);
        if (before && after ? strcmp(before, after) : before != after)
            move_print(i, 0, before, after, json);
    }
}

static int run_plan(const struct arguments *a)
{
    struct placement from, to;
    const bool json = given(a, OPT_JSON);
    size_t i, new_ones;
    int status;
    memset(&from, 0, sizeof from);
    memset(&to, 0, sizeof to);
    status = kind_of(&from.kind, "kind", text_of(a, OPT_KIND, "map"));
    to.kind = from.kind;
    if (!status)
        status = kind_check(a, from.kind);
    if (!status)
        status = check_shards(a);
    if (!status && (!given(a, OPT_FROM) || !given(a, OPT_TO)))
        status = fail(USAGE, "`plan` needs --from A,B,C and --to A,B: the nodes before and after");
    if (!status)
        status = parse_nodes(&from.nodes, "from", text_of(a, OPT_FROM, ""));
    if (!status)
        status = parse_nodes(&to.nodes, "to", text_of(a, OPT_TO, ""));
    to.first = &from.nodes;
    for (i = new_ones = 0; !status && i < to.nodes.count; i++)
        new_ones += order_of(&to, to.nodes.at[i]) >= from.nodes.count;
    if (!status)
        status = check_lists(a, from.nodes.count + new_ones);
    if (!status)
        status = placement_build(&from, a);
    if (!status)
        status = placement_build(&to, a);
    if (!status && from.map)
        plan_print_map(from.map, to.map, json);
    else if (!status)
        plan_print_keys(&from, &to, number_of(a, OPT_SHARDS, 4096), json);
    placement_clear(&from);
    placement_clear(&to);
    return status;
}

/* ====================================================================================================================
 * map: shards on the members, as text and as a picture
 * ================================================================================================================== */

#define SVG_WIDTH 960u
#define SVG_MARGIN 24u
#define SVG_ROW 22u   /* of a node */
#define SVG_NAME 300u /* room of a name */
#define SVG_SHARDS 65536u
#define SVG_HEAD "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 " /* and the height */

/* A drawing of a map, and how its nodes are grouped: sorted by zone, then by name. */
struct drawing {
    FILE *out;
    const struct cluster_map *map;
    const struct cluster_node *nodes; /* by index of the map */
    uint32_t *order;                  /* indices by zone */
    uint32_t *zone;                   /* of each node by index: the number of its zone */
    uint32_t *first;                  /* of each zone: where it begins in `order`; one more at the end */
    uint32_t count, zones, most;      /* the fullest node's load */
};

static const struct cluster_node *drawing_sorts; /* qsort has no context */

static int compare_zones(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int order = strcmp(drawing_sorts[x].zone, drawing_sorts[y].zone);
    return order ? order : x < y ? -1 : 1;
}

static void drawing_begin(struct drawing *p, const struct cluster_map *map, const struct cluster_node *nodes)
{
    uint32_t i;
    memset(p, 0, sizeof *p);
    p->map = map;
    p->nodes = nodes;
    p->count = cluster_map_nodes(map);
    p->order = (uint32_t *)grow(NULL, (p->count + 1) * sizeof *p->order);
    p->zone = (uint32_t *)grow(NULL, (p->count + 1) * sizeof *p->zone);
    p->first = (uint32_t *)grow(NULL, (p->count + 1) * sizeof *p->first);
    for (i = 0; i < p->count; i++) {
        const uint32_t load = cluster_map_node_load(map, i);
        p->order[i] = i;
        p->most = load > p->most ? load : p->most;
    }
    drawing_sorts = nodes;
    qsort(p->order, p->count, sizeof *p->order, compare_zones);
    for (i = 0; i < p->count; i++) {
        if (!i || strcmp(nodes[p->order[i]].zone, nodes[p->order[i - 1]].zone) != 0)
            p->first[p->zones++] = i;
        p->zone[p->order[i]] = p->zones - 1;
    }
    p->first[p->zones] = p->count;
}

static void drawing_end(struct drawing *p)
{
    free(p->order);
    free(p->zone);
    free(p->first);
}

/* Text between tags: what XML would read is written otherwise, and what cannot be shown as a question mark. */
static void svg_text(FILE *out, const char *s, size_t most)
{
    size_t shown = 0;
    while (*s && shown++ < most) {
        const size_t length = utf8_length(s);
        if (!length || (unsigned char)*s < 32 || *s == 127)
            fputc('?', out);
        else if (*s == '<' || *s == '&')
            fputs(*s == '<' ? "&lt;" : "&amp;", out);
        else
            fwrite(s, 1, length, out);
        s += length ? length : 1;
    }
    if (*s)
        fputs("&#8230;", out);
}

/* Nodes of a zone have neighbouring hues, by turns lighter and darker; 0 is red, 1536 red again. */
static void svg_colour(const struct drawing *p, uint32_t place, char *out)
{
    const uint32_t zone = p->zone[p->order[place]], nodes = p->first[zone + 1] - p->first[zone], nth = place - p->first[zone];
    const uint32_t hue = (uint32_t)(1536 * ((uint64_t)zone * nodes * 4 + (uint64_t)nth * 3) / ((uint64_t)p->zones * nodes * 4));
    const uint32_t lightest = 222 - nth % 2 * 44, darkest = 98 - nth % 2 * 36, part = hue % 256;
    const uint32_t rise = darkest + (lightest - darkest) * part / 256, fall = lightest + darkest - rise;
    const uint32_t by[6][3] = {{lightest, rise, darkest}, {fall, lightest, darkest}, {darkest, lightest, rise},
                               {darkest, fall, lightest}, {rise, darkest, lightest}, {lightest, darkest, fall}};
    const uint32_t *rgb = by[hue / 256 % 6];
    snprintf(out, 8, "#%02x%02x%02x", (unsigned)rgb[0] & 255u, (unsigned)rgb[1] & 255u, (unsigned)rgb[2] & 255u);
}

/* The zones, each with its nodes: colour, name, a bar and a number of shards. Returns where it ends. */
static uint32_t svg_zones(const struct drawing *p, uint32_t y)
{
    const uint32_t bar = SVG_WIDTH - 2 * SVG_MARGIN - SVG_NAME - 150;
    uint32_t zone, i;
    for (zone = 0; zone < p->zones; zone++) {
        const char *name = p->nodes[p->order[p->first[zone]]].zone;
        fprintf(p->out, "<text class=\"zone\" x=\"%u\" y=\"%u\">", SVG_MARGIN, y + 15);
        svg_text(p->out, *name ? name : p->zones > 1 ? "no zone" : "nodes", 60);
        fputs("</text>\n", p->out);
        y += SVG_ROW;
        for (i = p->first[zone]; i < p->first[zone + 1]; i++, y += SVG_ROW) {
            const uint32_t index = p->order[i], load = cluster_map_node_load(p->map, index);
            const uint32_t width = p->most ? (uint32_t)((uint64_t)bar * load / p->most) : 0;
            char colour[8];
            svg_colour(p, i, colour);
            fprintf(p->out, "<rect x=\"%u\" y=\"%u\" width=\"14\" height=\"14\" rx=\"3\" fill=\"%s\"/>", SVG_MARGIN + 8, y + 4,
                    colour);
            fprintf(p->out, "<text x=\"%u\" y=\"%u\">", SVG_MARGIN + 30, y + 15);
            svg_text(p->out, p->nodes[index].name, 36);
            fprintf(p->out, "</text><rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"12\" rx=\"2\" fill=\"%s\"/>",
                    SVG_MARGIN + SVG_NAME, y + 5, width, colour);
            fprintf(p->out, "<text x=\"%u\" y=\"%u\">%u", SVG_MARGIN + SVG_NAME + width + 8, y + 15, (unsigned)load);
            if (p->nodes[index].weight > 1)
                fprintf(p->out, " <tspan class=\"note\">weight %u</tspan>", (unsigned)p->nodes[index].weight);
            if (p->nodes[index].flags)
                fputs(" <tspan class=\"note\">draining</tspan>", p->out);
            fputs("</text>\n", p->out);
        }
        y += 8;
    }
    return y;
}

/* The shards, a cell each, in the colour of the first owner; below it a stripe for each further one. */
static uint32_t svg_shards(const struct drawing *p, uint32_t y)
{
    const uint32_t shards = cluster_map_shards(p->map), copies = cluster_map_replicas(p->map),
                   room = SVG_WIDTH - 2 * SVG_MARGIN;
    uint32_t columns = 1, rows, i, place, replica, owners[16];
    double cell, gap;
    while (columns < 64 ? columns < shards : columns * columns < shards)
        columns *= 2;
    rows = (shards + columns - 1) / columns;
    cell = (double)room / (columns < 32 ? 32 : columns);
    gap = cell > 6 ? 1 : 0;
    fprintf(p->out,
            "<text class=\"note\" x=\"%u\" y=\"%u\">the shards from 0 on, %u a row, in the colour of the owner%s</text>\n",
            SVG_MARGIN, y + 20, (unsigned)columns, copies > 1 ? "; below in those of the further owners" : "");
    y += 32;
    for (place = 0; place < p->count; place++) {
        char colour[8];
        svg_colour(p, place, colour);
        fprintf(p->out, "<path fill=\"%s\" d=\"", colour);
        for (i = 0; i < shards; i++) {
            const double x = SVG_MARGIN + i % columns * cell, top = y + i / columns * cell, height = cell - gap;
            const double first = copies > 1 ? height * 0.6 : height, rest = copies > 1 ? height * 0.4 / (copies - 1) : 0;
            const size_t count = cluster_map_shard_owners(p->map, i, owners, 16);
            for (replica = 0; replica < count; replica++)
                if (owners[replica] == p->order[place])
                    fprintf(p->out, "M%.4g %.5gh%.4gv%.4gh-%.4gz", x, replica ? top + first + rest * (replica - 1) : top,
                            cell - gap, replica ? rest : first, cell - gap);
        }
        fputs("\"/>\n", p->out);
    }
    return y + (uint32_t)(rows * cell + 1);
}

static int svg_write(const struct cluster_map *map, const struct cluster_node *nodes, const char *path)
{
    struct drawing p;
    uint32_t height;
    bool bad;
    drawing_begin(&p, map, nodes);
    p.out = fopen(path, "w");
    if (!p.out) {
        drawing_end(&p);
        return fail(FAILED, "cannot write %s: %s", path, strerror(errno));
    }
    fputs(SVG_HEAD
          "         \" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n"
          "<style>text{fill:#24292f}.title{font-size:20px;font-weight:600}.zone{font-weight:600}.note{fill:#6e7781}"
          ".ground{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.ground{fill:#0d1117}}"
          "</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
          p.out);
    fprintf(p.out, "<text class=\"title\" x=\"%u\" y=\"42\">%u shards on %u node%s", SVG_MARGIN,
            (unsigned)cluster_map_shards(map), (unsigned)p.count, p.count == 1 ? "" : "s");
    if (p.zones > 1)
        fprintf(p.out, " in %u zones", (unsigned)p.zones);
    fputs("</text>\n", p.out);
    fprintf(p.out, "<text class=\"note\" x=\"%u\" y=\"64\">%u owner%s each, fingerprint %016llx</text>\n", SVG_MARGIN,
            (unsigned)cluster_map_replicas(map), cluster_map_replicas(map) == 1 ? "" : "s",
            (unsigned long long)cluster_map_fingerprint(map));
    height = svg_shards(&p, svg_zones(&p, 80)) + SVG_MARGIN;
    fputs("</svg>\n", p.out);
    /* the height is known now */
    bad = ferror(p.out) != 0 || fseek(p.out, (long)strlen(SVG_HEAD), SEEK_SET) != 0;
    fprintf(p.out, "%u", (unsigned)height);
    bad = fclose(p.out) != 0 || bad;
    drawing_end(&p);
    return bad ? fail(FAILED, "cannot write %s: %s", path, strerror(errno)) : DONE;
}

static void map_print(const struct cluster_map *map, const struct cluster_node *nodes, bool json)
{
    uint32_t i;
    for (i = 0; i < cluster_map_nodes(map); i++) {
        if (json) {
            json_begin("node");
            json_text("name", nodes[i].name);
            json_text("zone", nodes[i].zone);
            json_number("weight", nodes[i].weight);
            json_number("shards", cluster_map_node_load(map, i));
            json_end();
        } else {
            print_safe(stdout, nodes[i].name);
            printf(" %u\n", (unsigned)cluster_map_node_load(map, i));
        }
    }
}

/* The members' map. Members are sorted by name, so the map's indices are theirs. */
static int map_members(const struct cluster *c, const struct arguments *a)
{
    const size_t count = cluster_member_count(c);
    struct cluster_node *nodes = (struct cluster_node *)grow(NULL, (count + 1) * sizeof *nodes);
    struct cluster_map_options options;
    struct cluster_map *map = NULL;
    size_t i;
    int result, status = DONE;
    memset(nodes, 0, (count + 1) * sizeof *nodes);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.shards = (uint32_t)number_of(a, OPT_SHARDS, 4096);
    options.replicas = (uint32_t)number_of(a, OPT_REPLICAS, 1);
    for (i = 0; i < count; i++) {
        const struct cluster_member *m = cluster_member_at(c, i);
        nodes[i].size = sizeof *nodes;
        nodes[i].name = m->name;
        nodes[i].zone = m->zone;
        nodes[i].weight = m->weight < 65535 ? m->weight : 65535;
        nodes[i].flags = m->flags & CLUSTER_MEMBER_DRAINING ? CLUSTER_NODE_DRAINING : 0;
    }
    result = cluster_map_build(&map, nodes, count, &options);
    if (result < 0)
        status = fail(FAILED, "no map: %s", cluster_strerror(result));
    if (!status && given(a, OPT_SVG))
        status = svg_write(map, nodes, text_of(a, OPT_SVG, ""));
    if (!status)
        map_print(map, nodes, given(a, OPT_JSON));
    cluster_map_free(map);
    free(nodes);
    return status;
}

static int run_map(const struct arguments *a)
{
    struct loop l;
    int ended, status = check_shards(a);
    if (!status && given(a, OPT_SVG) && number_of(a, OPT_SHARDS, 4096) > SVG_SHARDS)
        status = fail(USAGE, "--shards %s is too many for a picture: at most %u", text_of(a, OPT_SHARDS, ""), SVG_SHARDS);
    if (!status && (!number_of(a, OPT_REPLICAS, 1) || number_of(a, OPT_REPLICAS, 1) > 16))
        status = fail(USAGE, "--replicas takes a number from 1 to 16 for a map");
    if (!status)
        status = open_first_rounds(&l, a);
    if (status)
        return status;
    if (cluster_member_count(l.c))
        status = map_members(l.c, a);
    ended = end_first_rounds(&l);
    return status ? status : ended;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return c && digit ? (int)(digit - digits) : -1;
}

/* 32 hexadecimal digits are 16 bytes; SipHash reads them as two little-endian words. */
static bool parse_key(const char *text, uint64_t words[2])
{
    size_t i;
    words[0] = words[1] = 0;
    for (i = 0; i < 32; i++) {
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        words[i / 16] |= (uint64_t)digit << (i % 16 / 2 * 8 + (i % 2 ? 0 : 4));
    }
    return text[32] == '\0';
}

/* Bytes in hexadecimal, which the caller frees. */
static int parse_etf(const char *text, void **out, size_t *size)
{
    size_t i;
    uint8_t *bytes = (uint8_t *)grow(NULL, strlen(text) / 2 + 1);
    *out = bytes;
    *size = 0;
    for (i = 0; text[i]; i += 2) {
        int high = hex_digit(text[i]), low = high < 0 ? -1 : hex_digit(text[i + 1]);
        if (low < 0)
            return fail(USAGE, "--etf takes pairs of hexadecimal digits, not \"%s\"", text);
        bytes[(*size)++] = (uint8_t)(high << 4 | low);
    }
    return DONE;
}

static int hash_phash2(const struct arguments *a, uint64_t *value)
{
    const uint64_t range = number_of(a, OPT_RANGE, 1u << 27);
    void *term = NULL;
    size_t size = 0;
    uint32_t hash = 0;
    int status, result;
    if (!range || range > UINT64_C(1) << 32)
        return fail(USAGE, "--range takes a number from 1 to 4294967296");
    if (given(a, OPT_ETF))
        status = parse_etf(text_of(a, OPT_ETF, ""), &term, &size);
    else
        status = parse_term(a->operands[1], &term, &size);
    result = status ? 0 : cluster_phash2(term, size, range, &hash);
    free(term);
    if (result)
        return fail(USAGE, "the term has no hash: %s",
                    result == CLUSTER_E_UNSUPPORTED ? "pids, ports, references and funs are another node's business"
                    : result == CLUSTER_E_LIMIT     ? "it is nested too deep"
                                                    : "it is no term in the external format, 131 first");
    *value = hash;
    return status;
}

/* What a ring or router hashes a key to; nodes do not matter. */
static int hash_ring(const struct arguments *a, uint64_t *value)
{
    struct placement p;
    void *term = NULL;
    const char *key = a->operands[1];
    size_t size = strlen(key);
    int status;
    memset(&p, 0, sizeof p);
    status = kind_of(&p.kind, "hash", a->operands[0]);
    if (!status)
        status = kind_check(a, p.kind);
    if (!status)
        status = placement_build(&p, a);
    if (!status && given(a, OPT_TERMS))
        status = parse_term(key, &term, &size);
    if (!status && cluster_ring_hash(p.ring, term ? term : key, size, value) != 0)
        status = fail(USAGE, "the key has no hash: pids, ports, references and funs are another node's business");
    free(term);
    placement_clear(&p);
    return status;
}

static int run_hash(const struct arguments *a)
{
    const char *kind = a->operands[0], *data = a->count > 1 ? a->operands[1] : text_of(a, OPT_ETF, "");
    uint64_t key[2], value = 0;
    const bool is_sip = !strcmp(kind, "siphash"), is_64 = !strcmp(kind, "hash64"), is_phash2 = !strcmp(kind, "phash2");
    int status = DONE;
    if (!is_phash2 && (given(a, OPT_ETF) || given(a, OPT_RANGE)))
        return fail(USAGE, "--%s is of phash2", given(a, OPT_ETF) ? "etf" : "range");
    if (a->count > 1 ? given(a, OPT_ETF) : !given(a, OPT_ETF))
        return fail(USAGE, "`hash` needs a kind and one key: clusterctl hash %s", a->command->synopsis);
    if (!is_sip && given(a, OPT_KEY))
        return fail(USAGE, "%s takes %s, not --key", kind, is_64 ? "--seed" : "no key of its own");
    if ((is_sip || is_phash2) && given(a, OPT_SEED))
        return fail(USAGE, "%s takes %s, not --seed", kind, is_sip ? "--key" : "--range");
    if (!strcmp(kind, "map"))
        return fail(USAGE, "a map hashes with hash64, or, when it has a seed, with siphash");
    if (!parse_key(text_of(a, OPT_KEY, "00000000000000000000000000000000"), key))
        return fail(USAGE, "--key takes 32 hexadecimal digits, not \"%s\"", text_of(a, OPT_KEY, ""));
    if (is_sip)
        value = cluster_siphash(data, strlen(data), key[0], key[1]);
    else if (is_64)
        value = cluster_hash64(data, strlen(data), number_of(a, OPT_SEED, 0));
    else
        status = is_phash2 ? hash_phash2(a, &value) : hash_ring(a, &value);
    if (status)
        return status;
    if (given(a, OPT_JSON)) {
        json_begin("hash");
        json_text("kind", kind);
        json_text("key", data);
        json_number("hash", value);
        json_hex("hex", value);
        json_end();
    } else {
        printf("%llu\n", (unsigned long long)value);
    }
    return DONE;
}

/* ====================================================================================================================
 * demo, one node: a process with a handle of its own, which reports in lines and obeys its parent
 *
 *   reports   join NAME | leave NAME | members NAME... | source WAY STATE WHY | status STATE COUNT QUORUM |
 *             move FROM TO COUNT | owners SHARDS NAME... | map FINGERPRINT MOVED | failed WHY    (fields end in a tab)
 *   commands  "b": meet by broadcast; end of file: end
 * ================================================================================================================== */

#define DEMO_SHARDS 256
#define DEMO_GROUP "239.76.67.1"
#define DEMO_PORT 45893
#define DEMO_QUORUM 2

enum demo_way { BY_MULTICAST, BY_BROADCAST };

/* One line to the parent: the fields of `format`, which end in tabs. */
struct reporter {
    int fd;
    struct text line;
};

static void report_send(struct reporter *r)
{
    size_t sent = 0;
    text_add(&r->line, "\n");
    while (sent < r->line.length) {
        ssize_t n = write(r->fd, r->line.at + sent, r->line.length - sent);
        if (n < 0 && errno != EINTR)
            _exit(FAILED); /* the parent is gone */
        if (n > 0)
            sent += (size_t)n;
    }
    text_clear(&r->line);
}

/* Fields until NULL. */
static void report(struct reporter *r, const char *const *fields)
{
    for (; *fields; fields++) {
        text_add(&r->line, *fields);
        text_add(&r->line, "\t");
    }
    report_send(r);
}

static void report_2(struct reporter *r, const char *what, const char *field)
{
    const char *fields[3];
    fields[0] = what;
    fields[1] = field;
    fields[2] = NULL;
    report(r, fields);
}

static void demo_url(char *out, size_t size, enum demo_way way, const char *address, unsigned port)
{
    static const char common[] = "if=127.0.0.1&interval=300ms&max-age=1500ms&announce=on";
    if (way == BY_MULTICAST)
        snprintf(out, size, "gossip:%s:%u?ttl=0&%s", address, port, common);
    else
        snprintf(out, size, "gossip:127.255.255.255:%u?broadcast=on&%s", port, common);
}

/* A demo node's own state. */
struct member_process {
    struct loop loop;
    struct reporter out;
    struct cluster_map *map; /* as last reported */
    enum demo_way way;
    const char *address; /* the group's */
    unsigned port;
};

static void member_report_members(struct member_process *p)
{
    const struct cluster_member *m;
    size_t i;
    text_add(&p->out.line, "members\t");
    for (i = 0; (m = cluster_member_at(p->loop.c, i)) != NULL; i++) {
        text_add(&p->out.line, m->name);
        text_add(&p->out.line, "\t");
    }
    report_send(&p->out);
}

static void member_report_owners(struct member_process *p, const struct cluster_map *map)
{
    uint32_t i;
    text_add(&p->out.line, "owners\t");
    for (i = 0; i < DEMO_SHARDS; i++)
        text_format(&p->out.line, "%02x", (unsigned)(cluster_map_shard_owner(map, i) & 0xff));
    text_add(&p->out.line, "\t");
    for (i = 0; i < cluster_map_nodes(map); i++) {
        text_add(&p->out.line, cluster_map_node(map, i));
        text_add(&p->out.line, "\t");
    }
    report_send(&p->out);
}

/* Who gave how many shards to whom between two maps. */
static void member_report_moves(struct member_process *p, const struct cluster_map *from, const struct cluster_map *to)
{
    struct cluster_move moves[DEMO_SHARDS];
    size_t i, j, count = smallest(cluster_map_plan(from, to, moves, DEMO_SHARDS), DEMO_SHARDS);
    for (i = 0; i < count; i++) {
        uint32_t same = 0;
        const char *giver = moves[i].from == CLUSTER_NOBODY ? "-" : cluster_map_node(from, moves[i].from);
        const char *taker = moves[i].to == CLUSTER_NOBODY ? "-" : cluster_map_node(to, moves[i].to);
        if (moves[i].shard == CLUSTER_NOBODY)
            continue; /* counted with an earlier one */
        for (j = i; j < count; j++) {
            if (moves[j].shard != CLUSTER_NOBODY && moves[j].from == moves[i].from && moves[j].to == moves[i].to) {
                moves[j].shard = CLUSTER_NOBODY;
                same++;
            }
        }
        text_format(&p->out.line, "move\t%s\t%s\t%lu\t", giver, taker, (unsigned long)same);
        report_send(&p->out);
    }
}

static void member_report_map(struct member_process *p, const struct cluster_event *e)
{
    struct cluster_map *map = cluster_current_map(p->loop.c);
    if (!map)
        return;
    member_report_moves(p, p->map, map);
    member_report_owners(p, map);
    text_format(&p->out.line, "map\t%llx\t%lu\t", (unsigned long long)e->fingerprint, (unsigned long)e->count);
    report_send(&p->out);
    cluster_map_free(p->map);
    p->map = map;
}

static void member_report_source(struct member_process *p, const struct cluster_event *e)
{
    text_format(&p->out.line, "source\t%d\t%s\t", (int)p->way, source_state_name((int)e->state));
    text_add(&p->out.line, e->text);
    text_add(&p->out.line, "\t");
    report_send(&p->out);
}

static void member_events(struct member_process *p)
{
    const struct cluster_event *e;
    bool members = false;
    while ((e = cluster_next_event(p->loop.c)) != NULL) {
        if (members && e->type != CLUSTER_JOIN && e->type != CLUSTER_LEAVE) {
            member_report_members(p);
            members = false;
        }
        switch (e->type) {
        case CLUSTER_JOIN:
        case CLUSTER_LEAVE:
            members = true;
            if (!(e->member->flags & CLUSTER_MEMBER_SELF))
                report_2(&p->out, cluster_event_name(e->type), e->member->name);
            break;
        case CLUSTER_RESYNC:
            members = true;
            break;
        case CLUSTER_STATUS:
            text_format(&p->out.line, "status\t%s\t%lu\t%lu\t", status_name((int)e->state), (unsigned long)e->count,
                        (unsigned long)e->quorum);
            report_send(&p->out);
            break;
        case CLUSTER_SOURCE:
            member_report_source(p, e);
            break;
        case CLUSTER_MAP:
            member_report_map(p, e);
            break;
        default:
            break;
        }
    }
    if (members)
        member_report_members(p);
}

static int member_meet(struct member_process *p, enum demo_way way)
{
    char url[256];
    struct cluster_source *old = cluster_source_at(p->loop.c, 0);
    if (old)
        cluster_source_remove(old);
    p->way = way;
    demo_url(url, sizeof url, way, p->address, p->port);
    if (cluster_discover(p->loop.c, url, NULL) < 0) {
        report_2(&p->out, "failed", cluster_last_error(p->loop.c));
        return FAILED;
    }
    return DONE;
}

/* Says whether to go on. */
static bool member_obey(struct member_process *p, int commands)
{
    char command;
    ssize_t n = read(commands, &command, 1);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    return command != 'b' || member_meet(p, BY_BROADCAST) == DONE;
}

/* The life of a demo node. Ends when its parent closes the command pipe or dies. */
static int member_run(const char *name, enum demo_way way, const char *address, unsigned port, int commands, int reports)
{
    struct member_process p;
    struct cluster_options options;
    struct cluster_map_options map;
    struct cluster *c;
    char error[256] = "";
    int status;
    memset(&p, 0, sizeof p);
    memset(&map, 0, sizeof map);
    p.out.fd = reports;
    p.address = address;
    p.port = port;
    map.size = sizeof map;
    map.shards = DEMO_SHARDS;
    cluster_options_init(&options);
    options.node = name;
    options.quorum = DEMO_QUORUM;
    options.map = &map;
    options.log_level = CLUSTER_LOG_ERROR;
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_create(&c, &options) < 0) {
        report_2(&p.out, "failed", error);
        return FAILED;
    }
    loop_begin(&p.loop, c, commands);
    status = member_meet(&p, way);
    while (!status) {
        member_events(&p);
        if (loop_turn(&p.loop, CLUSTER_NEVER) && !member_obey(&p, commands))
            break;
    }
    cluster_map_free(p.map);
    loop_end(&p.loop);
    text_free(&p.out.line);
    return status;
}

/* ====================================================================================================================
 * demo, the parent: what it knows of its nodes, and the stories it tells
 * ================================================================================================================== */

/* Shards that went from one node to another. */
struct tally {
    char *from, *to;
    unsigned count;
};

struct tallies {
    struct tally *at;
    size_t count;
};

static void tallies_add(struct tallies *t, const char *from, const char *to, unsigned count)
{
    size_t i;
    for (i = 0; i < t->count; i++) {
        if (!strcmp(t->at[i].from, from) && !strcmp(t->at[i].to, to)) {
            t->at[i].count += count;
            return;
        }
    }
    t->at = (struct tally *)grow(t->at, (t->count + 1) * sizeof *t->at);
    t->at[t->count].from = copy_of(from);
    t->at[t->count].to = copy_of(to);
    t->at[t->count].count = count;
    t->count++;
}

static void tallies_clear(struct tallies *t)
{
    while (t->count) {
        t->count--;
        free(t->at[t->count].from);
        free(t->at[t->count].to);
    }
    free(t->at);
    t->at = NULL;
}

#define OWN_NODES 3

/* A node of ours: its process, and how it sees the cluster. */
struct own_node {
    char name[64];
    pid_t pid;
    bool alive;
    int reports, commands; /* our ends of the pipes, -1 when closed */
    struct text input;     /* a report that has not come whole */
    struct names members;
    struct names owners; /* a map's nodes, by index */
    unsigned char shards[DEMO_SHARDS];
    bool placed; /* it has reported a map */
    uint64_t fingerprint;
    char status[16];
    unsigned counted;
    char why[256];      /* why its source does not work */
    struct text cause;  /* of the placement that comes next: "blue left" */
    struct tallies now; /* moves of the placement that comes next */
    uint64_t died;      /* when */
};

/* Every node that was ever seen, for its colour. */
struct face {
    char *name;
    bool here;       /* in the reporter's list, or ours and alive */
    uint64_t last;   /* when it was last here */
    unsigned colour; /* index of palette */
};

enum demo_step { STEP_FORM, STEP_FORMED, STEP_LEAVE, STEP_LEFT, STEP_RETURN, STEP_RETURNED, STEP_STAY };

#define STORY 64

struct demo {
    bool json, live, stay, join;
    const char *address; /* the group */
    char address_text[16];
    unsigned port;
    enum demo_way way;
    struct own_node own[OWN_NODES];
    size_t count;
    struct face *faces;
    size_t face_count;
    char *story[STORY]; /* the last lines said, a ring */
    size_t told;
    uint64_t began, now;
    enum demo_step step;
    uint64_t step_began, next_at; /* next_at: when a pause ends */
    struct tallies moves;         /* the reporter's, since the step began */
    uint64_t moved_at[DEMO_SHARDS];
    bool unsettled; /* placement changed, and not all agree yet */
    bool met;       /* a node has seen another */
    bool dirty;     /* the picture is old */
    int lock;
    int status;        /* not -1: the demo is over */
    char verdict[512]; /* why it failed */
    uint64_t drawn_at;
    /* the picture */
    bool colour, utf8;
    unsigned rows, columns, drawn;
};

static const char *const demo_names[OWN_NODES] = {"red@127.0.0.1", "green@127.0.0.1", "blue@127.0.0.1"};

/* The part before '@'. Two buffers, so that one sentence can hold two names. */
static const char *short_name(const char *name)
{
    static char buffers[4][40];
    static unsigned turn;
    char *out = buffers[turn++ % 4];
    const char *at = strchr(name, '@');
    size_t i, length = smallest(at ? (size_t)(at - name) : strlen(name), sizeof buffers[0] - 1);
    for (i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        out[i] = (char)(byte > 0x20 && byte < 0x7f ? byte : '?');
    }
    out[length] = '\0';
    return out;
}

static uint64_t demo_time(const struct demo *d)
{
    return d->now - d->began;
}

/* A line of the story: printed when piped, kept for the picture when live, left out with --json. */
static void demo_say(struct demo *d, const char *format, ...) PRINTF_LIKE(2, 3);

static void demo_say(struct demo *d, const char *format, ...)
{
    char line[1024];
    va_list list;
    uint64_t tenths = demo_time(d) / (100 * MILLISECOND);
    int length = snprintf(line, sizeof line, "%3lu.%lu s  ", (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
    va_start(list, format);
    vsnprintf(line + length, sizeof line - (size_t)length, format, list);
    va_end(list);
    if (d->live) {
        char **place = &d->story[d->told++ % STORY];
        free(*place);
        *place = copy_of(line);
        d->dirty = true;
    } else if (!d->json) {
        puts(line);
    }
}

/* The demo is over; the sentence comes when the terminal is ours no more. */
static void demo_fail(struct demo *d, const char *format, ...) PRINTF_LIKE(2, 3);

static void demo_fail(struct demo *d, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(d->verdict, sizeof d->verdict, format, list);
    va_end(list);
    d->status = FAILED;
}

static void demo_event(const struct demo *d, const char *type)
{
    json_begin(type);
    json_seconds("time", demo_time(d));
}

static struct face *demo_face(struct demo *d, const char *name)
{
    size_t i;
    struct face *f;
    for (i = 0; i < d->face_count; i++)
        if (!strcmp(d->faces[i].name, name))
            return &d->faces[i];
    d->faces = (struct face *)grow(d->faces, (d->face_count + 1) * sizeof *d->faces);
    f = &d->faces[d->face_count];
    f->name = copy_of(name);
    f->here = false;
    f->last = d->now;
    f->colour = (unsigned)d->face_count++;
    return f;
}

/* The node of ours whose view the picture shows: the first that is alive and has reported. */
static struct own_node *demo_reporter(struct demo *d)
{
    size_t i;
    for (i = 0; i < d->count; i++)
        if (d->own[i].alive && d->own[i].placed)
            return &d->own[i];
    return NULL;
}

static struct own_node *demo_own(struct demo *d, const char *name)
{
    size_t i;
    for (i = 0; i < d->count; i++)
        if (!strcmp(d->own[i].name, name))
            return &d->own[i];
    return NULL;
}

static unsigned own_load(const struct own_node *n, const char *name)
{
    unsigned load = 0;
    size_t i;
    for (i = 0; n->placed && i < DEMO_SHARDS; i++)
        if (n->shards[i] < n->owners.count && !strcmp(n->owners.at[n->shards[i]], name))
            load++;
    return load;
}

/* Everyone of ours sees everyone of ours that lives and nobody that died, and all place alike. */
static bool demo_converged(const struct demo *d)
{
    const struct own_node *first = NULL;
    size_t i, j;
    for (i = 0; i < d->count; i++) {
        const struct own_node *n = &d->own[i];
        if (!n->alive)
            continue;
        if (!n->placed || (first && n->fingerprint != first->fingerprint))
            return false;
        first = n;
        for (j = 0; j < d->count; j++) {
            const struct own_node *other = &d->own[j];
            if (names_has(&n->members, other->name) != other->alive || (own_load(n, other->name) > 0) != other->alive)
                return false;
        }
    }
    return first != NULL;
}

/* "43 to red, 42 to green" of those that one node gave or took. */
static void moves_sentence(struct text *out, const struct tallies *moves, const char *from, const char *to)
{
    const char *separator = "";
    size_t i;
    for (i = 0; i < moves->count; i++) {
        const struct tally *t = &moves->at[i];
        if ((from && strcmp(t->from, from)) || (to && strcmp(t->to, to)))
            continue;
        text_format(out, "%s%u ", separator, t->count);
        if (from)
            text_format(out, "to %s", short_name(t->to));
        else if (to)
            text_format(out, "from %s", short_name(t->from));
        else
            text_format(out, "from %s to %s", short_name(t->from), short_name(t->to));
        separator = ", ";
    }
}

static bool moves_share(const struct tallies *moves, bool giver)
{
    size_t i;
    for (i = 1; i < moves->count; i++)
        if (strcmp(giver ? moves->at[i].from : moves->at[i].to, giver ? moves->at[0].from : moves->at[0].to))
            return false;
    return moves->count > 0;
}

/* "blue left: 85 shards moved, 43 to red, 42 to green" */
static void demo_tell_moves(struct demo *d, const struct own_node *n)
{
    struct text sentence = {NULL, 0, 0};
    const struct tallies *moves = &n->now;
    unsigned total = 0;
    size_t i;
    for (i = 0; i < moves->count; i++)
        total += moves->at[i].count;
    text_add(&sentence, "");
    if (moves->count && !strcmp(moves->at[0].from, "-")) {
        demo_say(d, "%s has all %u shards: nobody else is there yet", short_name(n->name), total);
        text_free(&sentence);
        return;
    }
    if (moves_share(moves, true))
        moves_sentence(&sentence, moves, moves->at[0].from, NULL);
    else
        moves_sentence(&sentence, moves, NULL, moves_share(moves, false) ? moves->at[0].to : NULL);
    if (total)
        demo_say(d, "%s: %u of %u shards moved, %s", n->cause.length ? n->cause.at : "placed anew", total, DEMO_SHARDS,
                 sentence.at);
    else if (n->cause.length)
        demo_say(d, "%s: no shard moved", n->cause.at);
    text_free(&sentence);
}

/* A line a node: members, shards owned, and who took over. */
static void demo_rows(struct demo *d)
{
    struct own_node *reporter = demo_reporter(d);
    size_t i, j;
    if (d->live || d->json || !reporter)
        return;
    for (i = 0; i < d->count; i++) {
        const struct own_node *n = &d->own[i];
        struct text line = {NULL, 0, 0}, took = {NULL, 0, 0}, gave = {NULL, 0, 0};
        if (!n->alive)
            continue;
        text_format(&line, "         %-16s %3u shards, %lu members:", n->name, own_load(n, n->name),
                    (unsigned long)n->members.count);
        for (j = 0; j < n->members.count; j++)
            text_format(&line, " %s", short_name(n->members.at[j]));
        moves_sentence(&took, &d->moves, NULL, n->name);
        moves_sentence(&gave, &d->moves, n->name, NULL);
        if (took.length)
            text_format(&line, "; took over %s", took.at);
        if (gave.length)
            text_format(&line, "; gave %s", gave.at);
        puts(line.at);
        text_free(&line);
        text_free(&took);
        text_free(&gave);
    }
}

static void demo_step_json(const struct demo *d, const char *name)
{
    size_t i, j;
    demo_event(d, "step");
    json_text("step", name);
    json_seconds("took", d->now - d->step_began);
    json_open("nodes", '[');
    for (i = 0; i < d->count; i++) {
        const struct own_node *n = &d->own[i];
        if (!n->alive)
            continue;
        json_open(NULL, '{');
        json_text("node", n->name);
        json_names("members", &n->members);
        json_number("shards", own_load(n, n->name));
        json_open("took", '[');
        for (j = 0; j < d->moves.count; j++) {
            if (strcmp(d->moves.at[j].to, n->name))
                continue;
            json_open(NULL, '{');
            json_text("from", d->moves.at[j].from);
            json_number("shards", d->moves.at[j].count);
            json_close('}');
        }
        json_close(']');
        json_close('}');
    }
    json_close(']');
    json_end();
}

/* ---- processes ---- */

/* A node of ours dies with us, also when we are killed. */
static void die_with_parent(pid_t parent)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent)
        _exit(FAILED);
}

static void own_close(struct own_node *n)
{
    if (n->reports >= 0)
        close(n->reports);
    if (n->commands >= 0)
        close(n->commands);
    n->reports = n->commands = -1;
}

static void own_forget(struct own_node *n)
{
    names_clear(&n->members);
    names_clear(&n->owners);
    tallies_clear(&n->now);
    text_free(&n->input);
    text_free(&n->cause);
    n->placed = false;
    n->status[0] = n->why[0] = '\0';
    n->counted = 0;
}

/* Only what a node of the demo needs stays open in it. */
static void own_become(struct demo *d, struct own_node *n, pid_t parent, int commands, int reports)
{
    size_t i;
    int status;
    die_with_parent(parent);
    signal_catch(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which then closes the pipe */
    signal_catch(SIGHUP, SIG_IGN);
    signal_catch(SIGTERM, SIG_DFL);
    signal_catch(SIGTSTP, SIG_DFL);
    signal_catch(SIGWINCH, SIG_DFL);
    signals_hold(false);
    for (i = 0; i < d->count; i++)
        own_close(&d->own[i]);
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    if (d->lock >= 0)
        close(d->lock);
    if (d->join)
        snprintf(n->name, sizeof n->name, "guest-%ld@127.0.0.1", (long)getpid());
    status = member_run(n->name, d->way, d->address, d->port, commands, reports);
    _exit(status);
}

static int own_spawn(struct demo *d, struct own_node *n)
{
    int down[2] = {-1, -1}, up[2] = {-1, -1};
    pid_t parent = getpid();
    own_forget(n);
    fflush(stdout);
    signals_hold(true);
    if (!pipe_make(down) || !pipe_make(up) || (n->pid = fork()) < 0) {
        int error = errno;
        signals_hold(false);
        close(down[0]);
        close(down[1]);
        close(up[0]);
        close(up[1]);
        return fail(FAILED, "cannot start a process (%s): raise its limits (ulimit -u, ulimit -n)", strerror(error));
    }
    if (n->pid == 0) {
        close(down[1]);
        close(up[0]);
        own_become(d, n, parent, down[0], up[1]);
    }
    signals_hold(false);
    close(down[0]);
    close(up[1]);
    n->commands = down[1];
    n->reports = up[0];
    n->alive = true;
    fcntl(n->reports, F_SETFL, O_NONBLOCK);
    if (d->join)
        snprintf(n->name, sizeof n->name, "guest-%ld@127.0.0.1", (long)n->pid);
    demo_face(d, n->name)->here = true;
    if (d->json) {
        demo_event(d, "start");
        json_text("node", n->name);
        json_number("pid", (uint64_t)n->pid);
        json_end();
    }
    return DONE;
}

/* The process is gone or is to go; the status of waitpid. */
static int own_reap(struct demo *d, struct own_node *n)
{
    int status = 0;
    own_close(n);
    while (waitpid(n->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    n->alive = false;
    n->died = d->now;
    own_forget(n);
    d->dirty = true;
    return status;
}

/* End every node of ours: first by closing its pipe, then by force. */
static void demo_end_nodes(struct demo *d)
{
    struct timespec nap = {0, 10000000};
    size_t i;
    int patience = 50;
    for (i = 0; i < d->count; i++) {
        if (d->own[i].alive) {
            close(d->own[i].commands);
            d->own[i].commands = -1;
            kill(d->own[i].pid, SIGCONT);
        }
    }
    for (i = 0; i < d->count; i++) {
        struct own_node *n = &d->own[i];
        while (n->alive) {
            if (waitpid(n->pid, NULL, WNOHANG) != 0) {
                n->alive = false;
            } else if (patience-- > 0) {
                nanosleep(&nap, NULL);
            } else {
                kill(n->pid, SIGKILL);
                own_reap(d, n);
            }
        }
        own_close(n);
        own_forget(n);
    }
}

/* ---- reports ---- */

/* Nodes meet by multicast. Where a node's own packet does not come back, all of ours go over to broadcast. */
static void demo_source_failed(struct demo *d, struct own_node *n, enum demo_way way)
{
    size_t i;
    if (way != d->way || d->way != BY_MULTICAST || d->met)
        return;
    d->way = BY_BROADCAST;
    demo_say(d, "no multicast on loopback here (%s): meeting by broadcast to 127.255.255.255 instead", n->why);
    if (d->json) {
        demo_event(d, "fallback");
        json_text("to", "broadcast");
        json_text("why", n->why);
        json_end();
    }
    for (i = 0; i < d->count; i++)
        if (d->own[i].alive && write(d->own[i].commands, "b", 1) < 0)
            d->own[i].why[0] = '\0'; /* it just died: its pipe tells */
}

static void demo_report_source(struct demo *d, struct own_node *n, const struct names *f)
{
    if (f->count < 4)
        return;
    if (d->json) {
        demo_event(d, "source");
        json_text("at", n->name);
        json_text("state", f->at[2]);
        json_text("why", f->at[3]);
        json_end();
    }
    snprintf(n->why, sizeof n->why, "%s", f->at[3]);
    if (!strcmp(f->at[2], "failed"))
        demo_source_failed(d, n, *f->at[1] == '0' ? BY_MULTICAST : BY_BROADCAST);
}

static void demo_report_member(struct demo *d, struct own_node *n, const struct names *f)
{
    bool joined = !strcmp(f->at[0], "join");
    if (f->count < 2)
        return;
    if (d->json) {
        demo_event(d, f->at[0]);
        json_text("at", n->name);
        json_text("node", f->at[1]);
        json_end();
    }
    if (joined)
        d->met = true;
    text_format(&n->cause, "%s%s %s", n->cause.length ? ", " : "", short_name(f->at[1]), joined ? "joined" : "left");
}

static void demo_report_members(struct demo *d, struct own_node *n, const struct names *f)
{
    size_t i;
    names_clear(&n->members);
    for (i = 1; i < f->count; i++) {
        if (!*f->at[i])
            continue;
        names_add(&n->members, f->at[i], strlen(f->at[i]));
        demo_face(d, f->at[i]);
    }
}

static void demo_report_owners(struct demo *d, struct own_node *n, const struct names *f)
{
    struct own_node *reporter = demo_reporter(d);
    struct names old = n->owners;
    bool shown = (!reporter || reporter == n);
    size_t i;
    if (f->count < 2 || strlen(f->at[1]) != (size_t)2 * DEMO_SHARDS)
        return;
    memset(&n->owners, 0, sizeof n->owners);
    for (i = 2; i < f->count; i++)
        if (*f->at[i])
            names_add(&n->owners, f->at[i], strlen(f->at[i]));
    for (i = 0; i < DEMO_SHARDS; i++) {
        char digits[3];
        unsigned char index;
        memcpy(digits, f->at[1] + 2 * i, 2);
        digits[2] = '\0';
        index = (unsigned char)strtoul(digits, NULL, 16);
        if (shown && n->placed && n->shards[i] < old.count && index < n->owners.count &&
            strcmp(old.at[n->shards[i]], n->owners.at[index]))
            d->moved_at[i] = d->now;
        n->shards[i] = index;
    }
    n->placed = true;
    names_clear(&old);
}

static void demo_map_json(const struct demo *d, const struct own_node *n, const char *moved)
{
    size_t i;
    demo_event(d, "map");
    json_text("at", n->name);
    json_hex("fingerprint", n->fingerprint);
    json_number("moved", strtoul(moved, NULL, 10));
    json_open("moves", '[');
    for (i = 0; i < n->now.count; i++) {
        json_open(NULL, '{');
        json_text("from", strcmp(n->now.at[i].from, "-") ? n->now.at[i].from : NULL);
        json_text("to", n->now.at[i].to);
        json_number("shards", n->now.at[i].count);
        json_close('}');
    }
    json_close(']');
    json_end();
}

static void demo_report_map(struct demo *d, struct own_node *n, const struct names *f)
{
    size_t i;
    if (f->count < 3)
        return;
    n->fingerprint = strtoull(f->at[1], NULL, 16);
    if (d->json)
        demo_map_json(d, n, f->at[2]);
    if (n == demo_reporter(d)) {
        if (d->step != STEP_FORM)
            demo_tell_moves(d, n);
        for (i = 0; i < n->now.count; i++)
            tallies_add(&d->moves, n->now.at[i].from, n->now.at[i].to, n->now.at[i].count);
        d->unsettled = true;
    }
    tallies_clear(&n->now);
    text_clear(&n->cause);
}

static void demo_report_status(struct demo *d, struct own_node *n, const struct names *f)
{
    if (f->count < 4)
        return;
    snprintf(n->status, sizeof n->status, "%s", f->at[1]);
    n->counted = (unsigned)strtoul(f->at[2], NULL, 10);
    if (d->json) {
        demo_event(d, "status");
        json_text("at", n->name);
        json_text("state", n->status);
        json_number("count", n->counted);
        json_number("quorum", strtoul(f->at[3], NULL, 10));
        json_end();
    }
}

static void demo_report_line(struct demo *d, struct own_node *n, const char *line)
{
    struct names f = {NULL, 0};
    names_split(&f, line, '\t');
    if (!f.count)
        return;
    if (!strcmp(f.at[0], "join") || !strcmp(f.at[0], "leave"))
        demo_report_member(d, n, &f);
    else if (!strcmp(f.at[0], "members"))
        demo_report_members(d, n, &f);
    else if (!strcmp(f.at[0], "source"))
        demo_report_source(d, n, &f);
    else if (!strcmp(f.at[0], "status"))
        demo_report_status(d, n, &f);
    else if (!strcmp(f.at[0], "move") && f.count >= 4)
        tallies_add(&n->now, f.at[1], f.at[2], (unsigned)strtoul(f.at[3], NULL, 10));
    else if (!strcmp(f.at[0], "owners"))
        demo_report_owners(d, n, &f);
    else if (!strcmp(f.at[0], "map"))
        demo_report_map(d, n, &f);
    else if (!strcmp(f.at[0], "failed") && f.count >= 2)
        snprintf(n->why, sizeof n->why, "%s", f.at[1]);
    names_clear(&f);
    d->dirty = true;
}

/* A node of ours ended and we did not end it. */
static void demo_lost(struct demo *d, struct own_node *n)
{
    char why[sizeof n->why];
    int status;
    snprintf(why, sizeof why, "%s", n->why);
    status = own_reap(d, n);
    if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "signal %d", WTERMSIG(status));
    if (d->json) {
        demo_event(d, "lost");
        json_text("node", n->name);
        json_text("why", why);
        json_end();
    }
    if (d->join && WIFSIGNALED(status)) {
        demo_say(d, "%s was killed (%s): the others see it leave in 1.5 s", short_name(n->name), why);
        d->status = DONE;
    } else if (d->stay && d->step >= STEP_RETURNED && WIFSIGNALED(status)) {
        demo_say(d, "%s was killed (%s): it comes back in 5 s", short_name(n->name), why);
        d->unsettled = true;
    } else {
        demo_fail(d, "%s ended before its time: %s", n->name, *why ? why : "without a word");
    }
}

static void demo_read(struct demo *d, struct own_node *n)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(n->reports, bytes, sizeof bytes)) > 0) {
        char *start, *end;
        text_bytes(&n->input, bytes, (size_t)got);
        start = n->input.at;
        while ((end = strchr(start, '\n')) != NULL) {
            *end = '\0';
            demo_report_line(d, n, start);
            start = end + 1;
        }
        n->input.length = strlen(start);
        memmove(n->input.at, start, n->input.length + 1);
    }
    if (got == 0)
        demo_lost(d, n);
}

/* ====================================================================================================================
 * demo, the picture: drawn in place on a terminal
 * ================================================================================================================== */

/* One line of the picture: what is beyond the width is cut. */
struct row {
    struct text *out;
    unsigned left; /* columns */
    bool colour;
};

static const char *const palette[] = {"\033[91m", "\033[92m", "\033[94m", "\033[93m", "\033[95m",
                                      "\033[96m", "\033[33m", "\033[35m", "\033[36m", "\033[37m"};

static void row_add(struct row *r, const char *colour, const char *text)
{
    if (!r->left)
        return;
    if (colour && r->colour)
        text_add(r->out, colour);
    while (*text && r->left) {
        size_t length = utf8_length(text);
        bool shown = length && (unsigned char)*text >= 0x20 && *text != 0x7f;
        text_bytes(r->out, shown ? text : "?", shown ? length : 1);
        text += length ? length : 1;
        r->left--;
    }
    if (colour && r->colour)
        text_add(r->out, "\033[0m");
}

static void row_format(struct row *r, const char *colour, const char *format, ...) PRINTF_LIKE(3, 4);

static void row_format(struct row *r, const char *colour, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    row_add(r, colour, text);
}

static const char *face_colour(const struct face *f)
{
    return palette[f->colour % COUNT(palette)];
}

/* What stands for a node where there is no colour: its first letter, or a digit for guests. */
static char face_letter(const struct face *f)
{
    return f->colour < OWN_NODES && strncmp(f->name, "guest-", 6) ? f->name[0] : (char)('0' + f->colour % 10);
}

/* Text in which the nodes' short names wear their colours. */
static void row_names(struct demo *d, struct row *r, const char *text)
{
    while (*text) {
        size_t i, length = strcspn(text, " :,;()");
        const char *colour = NULL;
        char word[128];
        if (!length)
            length = 1;
        length = smallest(length, sizeof word - 1);
        memcpy(word, text, length);
        word[length] = '\0';
        for (i = 0; i < d->face_count; i++)
            if (!strcmp(word, short_name(d->faces[i].name)))
                colour = face_colour(&d->faces[i]);
        row_add(r, colour, word);
        text += length;
    }
}

struct picture {
    struct demo *d;
    struct text out;
    struct row row;
    unsigned lines, most;
};

/* Begins a line; false when the terminal has no more. */
static bool picture_line(struct picture *p)
{
    if (p->lines >= p->most)
        return false;
    if (p->lines)
        text_add(&p->out, "\033[K\n");
    p->lines++;
    p->row.out = &p->out;
    p->row.left = p->d->columns - 1;
    p->row.colour = p->d->colour;
    return true;
}

static void picture_face(struct picture *p, const struct face *f)
{
    struct demo *d = p->d;
    struct own_node *own = demo_own(d, f->name), *reporter = demo_reporter(d);
    const struct own_node *view = own && own->alive ? own : reporter;
    unsigned load = view && f->here ? own_load(view, f->name) : 0, i, width;
    const char *colour = f->here ? face_colour(f) : "\033[2m";
    if (!picture_line(p))
        return;
    row_add(&p->row, colour, f->here ? (d->utf8 ? " \xe2\x97\x8f " : " * ") : (d->utf8 ? " \xe2\x97\x8b " : " x "));
    row_format(&p->row, colour, "%-13s", short_name(f->name));
    if (own && own->alive)
        row_format(&p->row, NULL, " pid %-7ld", (long)own->pid);
    else
        row_format(&p->row, NULL, " %-11s", own ? "killed" : f->here ? "from outside" : "gone");
    if (own && own->alive)
        row_format(&p->row, NULL, " sees %-2lu %-8s", (unsigned long)(own->members.count ? own->members.count - 1 : 0),
                   own->status);
    else
        row_format(&p->row, NULL, " %-16s", "");
    if (!f->here)
        return;
    row_format(&p->row, NULL, " %3u shards ", load);
    width = p->row.left > 48 ? 48 : p->row.left;
    for (i = 0; width && i < (load * width + DEMO_SHARDS - 1) / DEMO_SHARDS; i++)
        row_add(&p->row, colour, d->utf8 ? "\xe2\x96\xac" : "=");
}

/* Is its owner a node of ours that died, as the others have yet to see? */
static bool face_is_dead(struct demo *d, const struct face *f)
{
    const struct own_node *own = demo_own(d, f->name);
    return own && !own->alive;
}

static const char *picture_cell(struct demo *d, const struct face *f, bool fresh)
{
    if (!f)
        return "\xc2\xb7";
    if (face_is_dead(d, f))
        return "\xe2\x96\x91";
    return fresh ? "\xe2\x96\x92" : "\xe2\x96\x88";
}

/* A cell a shard, in its owner's colour; shaded for a moment when it moved, faint while its owner is dead. */
static void picture_shards(struct picture *p)
{
    struct demo *d = p->d;
    struct own_node *reporter = demo_reporter(d);
    unsigned i, across = d->columns > 130 ? 128 : d->columns > 66 ? 64 : 32;
    for (i = 0; i < DEMO_SHARDS; i++) {
        const struct face *f = NULL;
        bool fresh = d->moved_at[i] && d->now - d->moved_at[i] < SECOND;
        char letter[2] = {0, 0};
        const char *cell = letter;
        if (i % across == 0) {
            if (!picture_line(p))
                return;
            row_add(&p->row, NULL, " ");
        }
        if (reporter && reporter->shards[i] < reporter->owners.count)
            f = demo_face(d, reporter->owners.at[reporter->shards[i]]);
        letter[0] = !f ? '.' : face_is_dead(d, f) ? 'x' : face_letter(f);
        if (d->colour && d->utf8)
            cell = picture_cell(d, f, fresh);
        else if (fresh && letter[0] >= 'a' && letter[0] <= 'z')
            letter[0] = (char)(letter[0] - 'a' + 'A');
        row_add(&p->row, f ? face_colour(f) : NULL, cell);
    }
}

static void picture_agreement(struct picture *p)
{
    struct demo *d = p->d;
    const struct own_node *reporter = demo_reporter(d);
    if (!picture_line(p))
        return;
    row_format(&p->row, "\033[1m", " %d shards", DEMO_SHARDS);
    row_add(&p->row, NULL, d->colour ? ", each in its owner's colour" : ", each with its owner's letter");
    if (reporter && demo_converged(d))
        row_format(&p->row, NULL, "%s fingerprint %04llx", d->count > 1 ? "; all nodes agree," : ";",
                   (unsigned long long)(reporter->fingerprint >> 48));
}

static void picture_story(struct picture *p, unsigned room)
{
    struct demo *d = p->d;
    size_t i, count = smallest(smallest(d->told, STORY), room);
    for (i = d->told - count; i < d->told; i++) {
        if (!picture_line(p))
            return;
        row_add(&p->row, NULL, " ");
        row_names(d, &p->row, d->story[i % STORY]);
    }
}

static void picture_measure(struct demo *d)
{
    struct winsize size;
    memset(&size, 0, sizeof size);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    d->columns = size.ws_col;
    d->rows = size.ws_row;
}

static void terminal_write(const struct text *t)
{
    size_t sent = 0;
    while (sent < t->length) {
        ssize_t n = write(STDOUT_FILENO, t->at + sent, t->length - sent);
        if (n <= 0 && errno != EINTR)
            return;
        if (n > 0)
            sent += (size_t)n;
    }
}

/* Who is in the picture: nodes of ours, and those that the reporter lists or that left a moment ago. */
static void demo_refresh_faces(struct demo *d)
{
    const struct own_node *reporter = demo_reporter(d);
    size_t i;
    for (i = 0; i < d->face_count; i++) {
        struct face *f = &d->faces[i];
        const struct own_node *own = demo_own(d, f->name);
        f->here = own ? own->alive : reporter && names_has(&reporter->members, f->name);
        if (f->here || own)
            f->last = d->now;
    }
}

static void demo_draw(struct demo *d)
{
    struct picture p;
    unsigned room;
    size_t i;
    memset(&p, 0, sizeof p);
    if (signal_resized) {
        signal_resized = 0;
        picture_measure(d);
        text_add(&p.out, "\033[H\033[2J");
        d->drawn = 0;
    }
    p.d = d;
    p.most = d->rows - 1;
    text_add(&p.out, "\033[?25l");
    if (d->drawn > 1)
        text_format(&p.out, "\033[%uF", d->drawn - 1);
    else if (d->drawn)
        text_add(&p.out, "\r");
    demo_refresh_faces(d);
    picture_line(&p);
    row_add(&p.row, "\033[1m", " clusterctl demo");
    row_add(&p.row, NULL, d->join ? "  one more node, which finds the others" : "  three processes find each other");
    row_add(&p.row, NULL, d->way == BY_MULTICAST ? " by multicast on loopback" : " by broadcast on loopback");
    picture_line(&p);
    for (i = 0; i < d->face_count; i++) {
        if (d->now - d->faces[i].last > 3 * SECOND)
            continue;
        picture_face(&p, &d->faces[i]);
    }
    picture_line(&p);
    picture_agreement(&p);
    picture_shards(&p);
    picture_line(&p);
    room = p.most > p.lines ? p.most - p.lines : 0;
    picture_story(&p, room > 12 ? 12 : room);
    text_add(&p.out, "\033[K\n\033[J");
    d->drawn = p.lines + 1;
    d->drawn_at = d->now;
    d->dirty = false;
    terminal_write(&p.out);
    text_free(&p.out);
}

/* The cursor comes back, below the picture. */
static void terminal_leave(const struct demo *d)
{
    static const char show[] = "\033[?25h\033[0m";
    if (d->live && write(STDOUT_FILENO, show, sizeof show - 1) < 0)
        return;
}

/* Ctrl-Z: the shell gets its cursor back; with `fg` the picture begins anew. */
static void demo_suspend(struct demo *d)
{
    signal_suspend = 0;
    terminal_leave(d);
    kill(getpid(), SIGSTOP);
    signal_resized = 1;
    d->dirty = true;
}

/* ====================================================================================================================
 * demo, the script: each step waits for what the nodes report, never for a clock alone
 * ================================================================================================================== */

#define STEP_LIMIT (15 * SECOND)
#define EYE_PAUSE (2400 * MILLISECOND)
#define COMES_BACK (5 * SECOND)

static struct own_node *demo_victim(struct demo *d)
{
    return &d->own[OWN_NODES - 1];
}

static void demo_enter(struct demo *d, enum demo_step step)
{
    d->step = step;
    d->step_began = d->now;
    d->next_at = d->now + (d->live ? EYE_PAUSE : 0);
    d->unsettled = false;
}

/* A step is reached: the rows that show it, then on. */
static void demo_reached(struct demo *d, enum demo_step next, const char *name)
{
    demo_rows(d);
    if (d->json)
        demo_step_json(d, name);
    demo_enter(d, next);
}

static void demo_begin_moves(struct demo *d)
{
    tallies_clear(&d->moves);
}

static void demo_kill(struct demo *d)
{
    struct own_node *victim = demo_victim(d);
    pid_t pid = victim->pid;
    kill(pid, SIGKILL);
    own_reap(d, victim);
    demo_say(d, "killed %s (pid %ld, SIGKILL: it says no goodbye)", short_name(victim->name), (long)pid);
    if (d->json) {
        demo_event(d, "kill");
        json_text("node", victim->name);
        json_number("pid", (uint64_t)pid);
        json_end();
    }
    demo_begin_moves(d);
    demo_enter(d, STEP_LEAVE);
}

static void demo_revive(struct demo *d)
{
    struct own_node *victim = demo_victim(d);
    demo_begin_moves(d);
    if (own_spawn(d, victim)) {
        d->status = FAILED;
        return;
    }
    demo_say(d, "started %s again (pid %ld)", short_name(victim->name), (long)victim->pid);
    demo_enter(d, STEP_RETURN);
}

static void demo_stay(struct demo *d)
{
    size_t i;
    demo_enter(d, STEP_STAY);
    for (i = 0; i < d->count && !d->join; i++)
        demo_say(d, "%s is pid %ld: kill it and see", short_name(d->own[i].name), (long)d->own[i].pid);
    demo_say(d, "add a node from another terminal with `clusterctl demo --join`; Ctrl-C ends this one");
}

static void demo_finish(struct demo *d)
{
    uint64_t tenths = demo_time(d) / (100 * MILLISECOND);
    if (d->stay) {
        demo_stay(d);
        return;
    }
    demo_say(d, "done in %lu.%lu s", (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
    d->status = DONE;
}

static void demo_stayed(struct demo *d)
{
    size_t i;
    for (i = 0; i < d->count; i++) {
        struct own_node *n = &d->own[i];
        if (!n->alive && d->now >= n->died + COMES_BACK && own_spawn(d, n))
            d->status = FAILED;
    }
    if (d->unsettled && demo_converged(d)) {
        demo_rows(d);
        if (d->json)
            demo_step_json(d, "settled");
        demo_begin_moves(d);
        d->unsettled = false;
    }
}

/* What was waited for, in words, when it does not come. */
static void demo_too_late(struct demo *d)
{
    static const char *const awaited[] = {
        "the nodes did not find each other",      "", "the others did not see the killed node leave", "",
        "the restarted node was not found again", ""};
    const char *why = "";
    size_t i;
    for (i = 0; i < d->count; i++)
        if (*d->own[i].why)
            why = d->own[i].why;
    demo_fail(d, "%s within %lu s%s%s: check that the firewall lets UDP port %u pass on loopback, or try --group",
              awaited[d->step], (unsigned long)(STEP_LIMIT / SECOND), *why ? ": " : "", why, d->port);
}

static void demo_advance(struct demo *d)
{
    bool waits = d->step == STEP_FORM || d->step == STEP_LEAVE || d->step == STEP_RETURN;
    if (d->step == STEP_STAY) {
        demo_stayed(d);
        return;
    }
    if (waits && !demo_converged(d)) {
        if (d->now >= d->step_began + STEP_LIMIT)
            demo_too_late(d);
        return;
    }
    if (!waits && d->now < d->next_at)
        return;
    switch (d->step) {
    case STEP_FORM:
        demo_say(d, "all see each other and place the %d shards alike (fingerprint %016llx)", DEMO_SHARDS,
                 (unsigned long long)demo_reporter(d)->fingerprint);
        demo_begin_moves(d);
        demo_reached(d, STEP_FORMED, "formed");
        break;
    case STEP_FORMED:
        demo_kill(d);
        break;
    case STEP_LEAVE:
        demo_reached(d, STEP_LEFT, "left");
        break;
    case STEP_LEFT:
        demo_revive(d);
        break;
    case STEP_RETURN:
        demo_reached(d, STEP_RETURNED, "returned");
        break;
    default:
        demo_finish(d);
        break;
    }
}

/* ---- beginning and end ---- */

static int parse_group(struct demo *d, const char *text)
{
    const char *colon = strrchr(text, ':'), *rest;
    struct in_addr address;
    uint64_t port;
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length >= sizeof d->address_text || !parse_number(colon + 1, 65534, &port, &rest) || *rest || !port)
        return fail(USAGE, "--group takes ADDRESS:PORT, a multicast address and a port below 65535, not \"%s\"", text);
    memcpy(d->address_text, text, length);
    d->address_text[length] = '\0';
    if (inet_pton(AF_INET, d->address_text, &address) != 1 || ntohl(address.s_addr) >> 28 != 14)
        return fail(USAGE, "--group %s is no IPv4 multicast address: take one of 239.0.0.0 to 239.255.255.255",
                    d->address_text);
    d->address = d->address_text;
    d->port = (unsigned)port;
    return DONE;
}

static void demo_say_loopback(struct demo *d)
{
    demo_say(d, "the loopback interface was down: brought it up, as `ip link set lo up` does");
    if (d->json) {
        demo_event(d, "loopback");
        json_text("why", "the loopback interface was down: brought it up");
        json_end();
    }
}

/* A fresh network namespace has its loopback interface down. */
static int demo_loopback_up(struct demo *d)
{
#ifdef __linux__
    struct ifreq request;
    int result = DONE, fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo", 3);
    if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
            result = fail(FAILED, "the loopback interface is down and may not be changed (%s): run `ip link set lo up` as root",
                          strerror(errno));
        else
            demo_say_loopback(d);
    }
    if (fd >= 0)
        close(fd);
    return result;
#else
    (void)d;
    return DONE;
#endif
}

/* One demo on a host, group and port: two would share their names. The port after the group's is the mark. */
static int demo_alone(struct demo *d)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)(d->port + 1));
    d->lock = socket(AF_INET, SOCK_DGRAM, 0);
    if (d->lock < 0)
        return fail(FAILED, "no UDP socket: %s", strerror(errno));
    if (bind(d->lock, (struct sockaddr *)&address, sizeof address) < 0 && errno == EADDRINUSE)
        return fail(FAILED,
                    "a demo runs here already (UDP port %u is taken): add a node to it with `clusterctl demo --join`, or give "
                    "this one its own --group",
                    d->port + 1);
    return DONE;
}

/* A picture needs a terminal with some room. */
static void demo_terminal(struct demo *d)
{
    if (!d->live)
        return;
    picture_measure(d);
    d->live = d->columns >= 50 && d->rows >= 14;
    d->colour = wants_colour(STDOUT_FILENO);
    d->utf8 = speaks_utf8();
    if (d->live) {
        signal_catch(SIGWINCH, on_signal);
        signal_catch(SIGTSTP, on_signal);
    }
}

static int demo_begin(struct demo *d)
{
    size_t i;
    int status = signals_begin();
    if (status)
        return status;
    signal_catch(SIGPIPE, SIG_IGN);
    signal_catch(SIGCHLD, SIG_DFL); /* else waitpid(2) would have nothing to tell */
    demo_terminal(d);
    status = demo_loopback_up(d);
    if (!status && !d->join)
        status = demo_alone(d);
    if (status)
        return status;
    d->count = d->join ? 1 : OWN_NODES;
    for (i = 0; i < d->count; i++) {
        d->own[i].reports = d->own[i].commands = -1;
        if (!d->join)
            snprintf(d->own[i].name, sizeof d->own[i].name, "%s", demo_names[i]);
    }
    for (i = 0; !status && i < d->count; i++) {
        status = own_spawn(d, &d->own[i]);
        if (!status)
            demo_say(d, "started %s (pid %ld)", d->own[i].name, (long)d->own[i].pid);
    }
    d->step_began = d->now;
    if (d->join)
        demo_stay(d);
    return status;
}

/* Time for the eye, not for the nodes. */
static bool demo_pauses(const struct demo *d)
{
    return d->step == STEP_FORMED || d->step == STEP_LEFT || d->step == STEP_RETURNED;
}

/* When to look again if no node reports. */
static int demo_timeout(const struct demo *d)
{
    uint64_t wait = d->live ? 200 * MILLISECOND : 500 * MILLISECOND;
    if (demo_pauses(d)) {
        uint64_t left = d->next_at > d->now ? d->next_at - d->now : 0;
        wait = left < wait ? left : wait;
    }
    return (int)((wait + MILLISECOND - 1) / MILLISECOND);
}

static void demo_turn(struct demo *d)
{
    struct pollfd fds[OWN_NODES + 1];
    size_t i;
    fds[0].fd = signal_pipe[0];
    fds[0].events = POLLIN;
    fds[0].revents = 0;
    for (i = 0; i < d->count; i++) {
        fds[i + 1].fd = d->own[i].reports; /* -1 is skipped */
        fds[i + 1].events = POLLIN;
        fds[i + 1].revents = 0;
    }
    if (poll(fds, (nfds_t)(d->count + 1), demo_timeout(d)) < 0)
        return;
    d->now = cluster_now();
    if (fds[0].revents)
        signal_pipe_drain();
    for (i = 0; i < d->count; i++)
        if (fds[i + 1].revents)
            demo_read(d, &d->own[i]);
}

static void demo_free(struct demo *d)
{
    size_t i;
    tallies_clear(&d->moves);
    for (i = 0; i < d->face_count; i++)
        free(d->faces[i].name);
    free(d->faces);
    for (i = 0; i < STORY; i++)
        free(d->story[i]);
    if (d->lock >= 0)
        close(d->lock);
}

/* The sentence on stderr for an end that was not the script's. */
static int demo_verdict(const struct demo *d)
{
    if (*d->verdict)
        return fail(FAILED, "%s", d->verdict);
    if (d->status != -1)
        return d->status;
    if (ferror(stdout))
        return FAILED;
    return d->stay || d->join ? DONE : fail(FAILED, "interrupted before the demo was over");
}

static int run_demo(const struct arguments *a)
{
    struct demo d;
    int status;
    memset(&d, 0, sizeof d);
    d.json = given(a, OPT_JSON);
    d.stay = given(a, OPT_STAY);
    d.join = given(a, OPT_JOIN);
    d.live = !d.json && is_terminal(STDOUT_FILENO);
    d.lock = d.status = -1;
    d.address = DEMO_GROUP;
    d.port = DEMO_PORT;
    d.began = d.now = cluster_now();
    if (d.join && d.stay)
        return fail(USAGE, "--join goes on until interrupted by itself: leave out --stay");
    if (given(a, OPT_GROUP) && parse_group(&d, text_of(a, OPT_GROUP, "")))
        return USAGE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    status = demo_begin(&d);
    if (status)
        d.status = status;
    while (d.status == -1 && !signal_end && !ferror(stdout)) {
        if (signal_suspend)
            demo_suspend(&d);
        if (d.live && (d.dirty || signal_resized || d.now - d.drawn_at >= 200 * MILLISECOND))
            demo_draw(&d);
        demo_turn(&d);
        demo_advance(&d);
    }
    if (d.live && d.drawn)
        demo_draw(&d);
    terminal_leave(&d);
    demo_end_nodes(&d);
    status = status ? status : demo_verdict(&d);
    if (d.json && !ferror(stdout)) {
        demo_event(&d, "end");
        json_number("status", (uint64_t)status);
        json_end();
    }
    demo_free(&d);
    return status;
}

/* ====================================================================================================================
 * The commands, help, main
 * ================================================================================================================== */

static int run_help(const struct arguments *a);

static const struct command commands[] = {
    {"demo", ON_DEMO, 0, 0, "[--stay | --join] [--group ADDR:PORT] [--json]", "see a cluster form on this machine, live",
     "Starts three nodes, processes of this program on loopback. They find each other by gossip, share out 256 shards,\n"
     "one is killed and its shards move, it comes back and they move back. Ends by itself.\n"
     "With --stay it goes on; `clusterctl demo --join` in another terminal is one more node of it.\n",
     run_demo},
    {"watch", ON_WATCH, 1, SIZE_MAX, "URL... [--node NAME] [--connect erlang] [--quorum N] [--until N] [--for TIME] [--json]",
     "print what happens to the members, an event a line",
     "Prints `+ NAME` when a node joins, `- NAME` when it leaves, `~ NAME what` when it changes, `status S N/Q` and\n"
     "`source URL state why`. The own node is neither printed nor counted by --until.\n"
     "With --connect erlang it links to every member, which needs --node, and prints `up NAME` and `down NAME reason`;\n"
     "--until then counts the members that are up.\n"
     "Ends with 0 once --until members are there, with 0 when --for is over, but 1 if --until was not reached by then.\n",
     run_watch},
    {"wait", ON_WAIT, 1, SIZE_MAX, "URL... --quorum N [--for TIME] [--node NAME] -- COMMAND [ARG...]",
     "run a command once the cluster is ready",
     "Waits until --quorum nodes are there, this program counted, then becomes COMMAND.\n"
     "Ends with 1, without running it, when --for is over before.\n",
     run_wait},
    {"list", ON_LIST, 1, SIZE_MAX, "URL... [--node NAME] [--for TIME] [--json]", "print the members, sorted, one a line",
     "Prints the members after each source's first round, or after --for (10s). The own node is left out.\n"
     "Ends with 1 when there is no member, with 3 when every source failed.\n",
     run_list},
    {"names", ON_NAMES, 0, 1, "[HOST[:PORT]] [--json]", "print the names registered at an epmd",
     "Prints `NAME PORT` a line. Without HOST it asks this host. ERL_EPMD_PORT changes the default port 4369.\n", run_names},
    {"port", ON_PORT, 1, 1, "NODE [--json]", "print the port where a node accepts links",
     "Asks the epmd of the node's host. Ends with 1 when the node is not registered there.\n", run_port},
    {"resolve", ON_RESOLVE, 1, 1, "NAME [--type TYPE] [--server ADDR[:PORT]] [--search] [--json]", "look a name up in DNS",
     "Prints a record a line: an address, `PRIORITY WEIGHT PORT TARGET`, a name, or a text in quotes.\n"
     "Ends with 1 when there is none, with 3 when no server gave an answer.\n",
     run_resolve},
    {"ping", ON_PING, 1, 1, "NODE [--cookie C | --cookie-file F] [--node NAME] [--json]",
     "say whether an Erlang node is there and knows the cookie",
     "Prints `pong`, or `pang: reason` and ends with 1. Without --cookie and --cookie-file the cookie is that of\n"
     "~/.erlang.cookie, if nobody else can read it.\n",
     run_ping},
    {"send", ON_SEND, 3, 3, "NODE PROCESS TERM [--cookie C | --cookie-file F] [--node NAME]",
     "send a message to a process of an Erlang node",
     "The term is in Erlang's syntax. Ends with 1 when the node cannot be reached.\n", run_send},
    {"call", ON_CALL, 3, 4,
     "NODE MODULE FUNCTION [ARGUMENTS] [--cookie C | --cookie-file F] [--node NAME] [--for TIME] [--json]",
     "call a function of an Erlang node",
     "The arguments are a list in Erlang's syntax, [] if there are none. Prints the result; ends with 1 when the call "
     "failed.\n",
     run_call},
    {"node", ON_SERVE, 0, 0,
     "--node NAME [--cookie C | --cookie-file F] [--listen ADDR:PORT] [--register PROCESS] [--echo] [--json]",
     "be a node that others link to",
     "Prints `listen PORT`, `up NODE`, `down NODE reason`, `message NODE PROCESS TERM` and `call NODE M:F/N ARGUMENTS`.\n",
     run_node},
    {"epmd", ON_EPMD, 0, 0, "[--port P] [--address A] [--json]", "serve epmd, until interrupted",
     "Tells the ports of this host's nodes, which register with it. Prints where it listens. Only programs of this host\n"
     "may register, whatever the address; nobody can stop it from outside.\n",
     run_epmd},
    {"owner", ON_OWNER, 1, SIZE_MAX, "--nodes A,B,C [--kind KIND] [--weights 1,1,2] [--zones a,a,b] [--replicas N] KEY... | -",
     "print which node owns a key",
     "Prints `KEY OWNER[,OWNER...]` a line. With `-` the keys are read from standard input, one a line.\n"
     "Kinds: map, rendezvous, jump; as other systems place them: libring, horde, ex_hash_ring, ketama, libmemcached,\n"
     "nginx, riak, modulo, nebulex, cachex, cachex-jump, phoenix-tracker. To these, give the nodes in their order.\n",
     run_owner},
    {"plan", ON_PLAN, 0, 0, "--from A,B,C --to A,B [--kind KIND] [--shards N] [--weights 1,1,2] [--zones a,a,b] [--replicas N]",
     "print which shards move when the nodes change",
     "Prints `SHARD FROM -> TO` a line, in an order that is safe to follow; with --replicas also which of the shard's owners\n"
     "it is. `-` stands for nobody, and an empty list for no nodes. Weights and zones are those of the nodes of --from, in\n"
     "their order, then of those that only --to names. For a kind without shards the keys are placed that are the\n"
     "numbers below N, in decimal.\n",
     run_plan},
    {"map", ON_MAP, 1, SIZE_MAX, "URL... [--svg FILE] [--shards N] [--replicas N] [--node NAME] [--for TIME] [--json]",
     "place shards on the members, and draw it",
     "Prints `NODE SHARDS` a line, by the members after each source's first round, or after --for (10s), with their weights\n"
     "and zones. With --svg it draws nodes, zones and shards in a file that a browser shows.\n"
     "Ends with 1 when there is no member, with 3 when every source failed.\n",
     run_map},
    {"hash", ON_HASH, 1, 2, "KIND KEY [--seed N | --key HEX | --range N | --etf HEX]", "print the hash of a key",
     "Prints it in decimal. Kinds: hash64 and siphash, of bytes; phash2, of a term in Erlang's syntax; and those of `owner`\n"
     "but map: what that system hashes a key to.\n",
     run_hash},
    {"help", ON_ALL, 0, 1, "[COMMAND]", "say how a command is used", "", run_help},
};

/* Of the design, and not in this version. */
static const struct refused_row refused_commands[] = {
    {"doctor", "`watch URL` says why a source fails"},
    {"urls", "docs/urls.md lists every scheme and option"},
};

static const struct command *command_find(const char *name)
{
    size_t i;
    for (i = 0; i < COUNT(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int command_unknown(const char *name)
{
    struct nearest near = {NULL, NULL, 0};
    size_t i;
    for (i = 0; i < COUNT(refused_commands); i++)
        if (!strcmp(refused_commands[i].name, name))
            return fail(USAGE, "this version has no %s: %s", name, refused_commands[i].instead);
    near.typed = name;
    for (i = 0; i < COUNT(commands); i++)
        nearest_try(&near, commands[i].name);
    if (near.best)
        return fail(USAGE, "there is no command %s: did you mean %s?", name, near.best);
    return fail(USAGE, "there is no command %s: see `clusterctl help`", name);
}

static void help_all(FILE *out)
{
    size_t i;
    fputs("clusterctl " CLUSTER_VERSION_STRING ": look at a cluster, wait for one, place keys on one\n\n", out);
    for (i = 0; i < COUNT(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\nA URL says where nodes are found, as in static:a@h1,b@h2, file:nodes.txt, dns:web@tasks.web, epmd:host "
          "or\ngossip:.\n"
          "`clusterctl help COMMAND` says more; --json prints one JSON object a line; --version the version.\n"
          "Exit status: 0 done, 1 a negative answer, 2 usage, 3 could not do it.\n",
          out);
}

static void help_command(const struct command *c)
{
    size_t i;
    printf("clusterctl %s %s\n\n%s", c->name, c->synopsis, c->details);
    if (c->bit == ON_ALL)
        return;
    putchar('\n');
    for (i = 0; i < COUNT(option_table); i++) {
        char left[32];
        const struct option_row *row = &option_table[i];
        if (!(row->commands & c->bit))
            continue;
        snprintf(left, sizeof left, "--%s%s%s", row->name, row->argument ? " " : "", row->argument ? row->argument : "");
        printf("  %-18s %s\n", left, row->help);
    }
}

static void help_json(const struct command *c)
{
    json_begin("command");
    json_text("name", c->name);
    json_text("arguments", c->synopsis);
    json_text("summary", c->summary);
    json_end();
}

static int run_help(const struct arguments *a)
{
    const struct command *c = a->count ? command_find(a->operands[0]) : NULL;
    size_t i;
    if (a->count && !c)
        return command_unknown(a->operands[0]);
    if (!given(a, OPT_JSON)) {
        if (c)
            help_command(c);
        else
            help_all(stdout);
        return DONE;
    }
    for (i = 0; i < COUNT(commands); i++)
        if (!c || c == &commands[i])
            help_json(&commands[i]);
    return DONE;
}

static int print_version(bool json)
{
    if (json) {
        json_begin("version");
        json_text("version", cluster_version_string());
        json_end();
    } else {
        printf("clusterctl %s\n", cluster_version_string());
    }
    return DONE;
}

static int run(int argc, char **argv)
{
    struct arguments a;
    int status;
    bool json = argc > 2 && !strcmp(argv[2], "--json");
    memset(&a, 0, sizeof a);
    if (argc < 2) {
        help_all(stderr);
        return USAGE;
    }
    if (!strcmp(argv[1], "--version"))
        return print_version(json);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        argv[1] = (char *)"help";
    a.command = command_find(argv[1]);
    if (!a.command)
        return argv[1][0] == '-' ? fail(USAGE, "begin with a command, not with %s: see `clusterctl help`", argv[1])
                                 : command_unknown(argv[1]);
    a.operands = (char **)grow(NULL, (size_t)argc * sizeof *a.operands);
    status = arguments_parse(&a, argc - 2, argv + 2);
    if (!status && given(&a, OPT_HELP))
        help_command(a.command);
    else if (!status && (status = arguments_check(&a)) == DONE)
        status = a.command->run(&a);
    free(a.operands);
    return status;
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);
    if (fflush(stdout) || ferror(stdout))
        return status == DONE ? fail(FAILED, "cannot write to standard output: %s", strerror(errno)) : status;
    return status;
}
