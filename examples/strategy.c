/*
 * A discovery strategy of one's own, taught to the library under a scheme: `directory:ADDRESS:PORT` asks a server over UDP
 * which nodes there are, and asks again when no answer comes.
 *
 *     question   "list\n"
 *     answer     a line a node, `NAME [PORT]`, then a line "end"; without "end" it was cut and counts for nothing
 *
 *     cc -std=c99 -o strategy examples/strategy.c
 *     ./strategy 'directory:127.0.0.1:7000?interval=2s'     with a server of yours
 *     ./strategy                                            with a small server of its own, and a story
 *
 * The library's own strategies use these same calls. The common options (interval=, misses=, only= ...) come for free;
 * `tries=` is an option of this strategy alone.
 */
#define CLUSTER_IMPLEMENTATION
#include "../cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 8192
#define NODES_MAX 256
#define TRY_NS UINT64_C(300000000) /* how long one question waits */

/* ---- the strategy ----------------------------------------------------- */

struct directory {
    struct cluster_source *source;
    struct cluster_address server;
    int fd; /* -1 between rounds */
    unsigned tries, tried;
};

/* "127.0.0.1:7000" */
static int parse_server(const char *target, struct cluster_address *out)
{
    char host[64];
    const char *colon = strrchr(target, ':');
    size_t length = colon ? (size_t)(colon - target) : sizeof host;
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (length >= sizeof host || !port || port > 65535 || *end)
        return CLUSTER_E_INVALID;
    memcpy(host, target, length);
    host[length] = '\0';
    memset(out, 0, sizeof *out);
    out->family = 4;
    out->port = (uint16_t)port;
    return inet_pton(AF_INET, host, out->bytes) == 1 ? CLUSTER_OK : CLUSTER_E_INVALID;
}

/* Parse, and do no I/O: the first round starts that. */
static int directory_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const char *tries = cluster_source_option(s, "tries");
    struct directory *d = (struct directory *)calloc(1, sizeof *d);
    (void)ctx;
    if (!d)
        return CLUSTER_E_MEMORY;
    d->source = s;
    d->fd = -1;
    d->tries = tries ? (unsigned)strtoul(tries, NULL, 10) : 3;
    if (parse_server(target, &d->server) < 0 || d->tries < 1 || d->tries > 10) {
        free(d);
        cluster_source_fail(s, CLUSTER_E_INVALID,
                            "directory: takes ADDRESS:PORT, as in directory:127.0.0.1:7000, tries= is 1 to 10");
        return CLUSTER_E_INVALID;
    }
    *state = d;
    return CLUSTER_OK;
}

/* The socket goes back to the library, which closes it when the host's loop knows that it is gone. */
static void directory_rest(struct directory *d)
{
    if (d->fd >= 0)
        cluster_source_close(d->source, d->fd);
    d->fd = -1;
    cluster_source_timer(d->source, CLUSTER_NEVER);
}

static int directory_ask(struct directory *d, uint64_t now)
{
    int64_t sent = cluster_source_send(d->source, d->fd, "list\n", 5, &d->server);
    d->tried++;
    if (sent < 0 && sent != CLUSTER_E_AGAIN)
        return (int)sent;
    return cluster_source_timer(d->source, now + TRY_NS);
}

static int directory_round(void *state, uint64_t now)
{
    struct directory *d = (struct directory *)state;
    int result;
    if (d->fd >= 0)
        return CLUSTER_OK; /* the answer to the last round's question serves this one too */
    d->tried = 0;
    d->fd = cluster_source_open(d->source, CLUSTER_UDP, d->server.family);
    if (d->fd < 0)
        return d->fd;
    cluster_source_watch(d->source, d->fd, POLLIN);
    result = directory_ask(d, now);
    if (result < 0)
        directory_rest(d);
    return result;
}

/* A complete list or nothing: what was cut must not make members leave. */
static int directory_publish(struct directory *d, char *text)
{
    struct cluster_node nodes[NODES_MAX];
    size_t count = 0;
    char *line, *end;
    memset(nodes, 0, sizeof nodes);
    for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *space;
        *end = '\0';
        if (!strcmp(line, "end"))
            return cluster_source_publish(d->source, nodes, count);
        if (count == NODES_MAX)
            return cluster_source_fail(d->source, CLUSTER_E_LIMIT, "the directory lists more than 256 nodes: split it in two");
        space = strchr(line, ' ');
        if (space)
            *space = '\0';
        nodes[count].size = sizeof nodes[0];
        nodes[count].name = line;
        nodes[count].port = space ? (uint32_t)strtoul(space + 1, NULL, 10) : 0;
        count++;
    }
    return cluster_source_fail(d->source, CLUSTER_E_PROTOCOL,
                               "the directory's answer has no end: it was cut, or is no directory");
}

/* The socket is ready, or (fd -1) the time for an answer is over. */
static int directory_ready(void *state, int fd, int revents, uint64_t now)
{
    struct directory *d = (struct directory *)state;
    struct cluster_address from;
    char answer[ANSWER_MAX + 1];
    int64_t size;
    if (fd < 0) {
        int result = d->tried < d->tries ? directory_ask(d, now) : CLUSTER_E_TIMEOUT;
        if (result == CLUSTER_OK)
            return CLUSTER_OK;
        directory_rest(d);
        if (result != CLUSTER_E_TIMEOUT)
            return result;
        return cluster_source_fail(d->source, CLUSTER_E_TIMEOUT, "the directory does not answer: is it running there?");
    }
    if (revents & POLLNVAL) {
        d->fd = -1;
        return CLUSTER_E_IO;
    }
    while ((size = cluster_source_recv(d->source, d->fd, answer, ANSWER_MAX, &from)) != CLUSTER_E_AGAIN) {
        if (size < 0) {
            directory_rest(d);
            return (int)size; /* fails the round */
        }
        if (size > ANSWER_MAX || from.port != d->server.port || memcmp(from.bytes, d->server.bytes, 4) != 0) {
            cluster_source_drop(d->source);
            continue;
        }
        answer[size] = '\0';
        directory_rest(d);
        return directory_publish(d, answer);
    }
    return CLUSTER_OK;
}

static void directory_close(void *state)
{
    directory_rest((struct directory *)state);
    free(state);
}

static int directory_register(struct cluster *c)
{
    struct cluster_strategy strategy;
    memset(&strategy, 0, sizeof strategy);
    strategy.size = sizeof strategy;
    strategy.open = directory_open;
    strategy.round = directory_round;
    strategy.ready = directory_ready;
    strategy.close = directory_close;
    strategy.options = "tries";
    return cluster_strategy_register(c, "directory", &strategy, NULL);
}

/* ---- a directory to try it with --------------------------------------- */

/* A UDP socket on a free loopback port. */
static int server_open(unsigned *port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

/* Answers every question that waits; the list is another one each time. */
static void server_answer(int fd, unsigned *asked)
{
    static const char *const answers[] = {"a@127.0.0.1 9100\nb@127.0.0.1\nend\n",
                                          "a@127.0.0.1 9200\nb@127.0.0.1\nc@127.0.0.1\nend\n", "c@127.0.0.1\n",
                                          "c@127.0.0.1\nend\n"};
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    char question[16];
    while (recvfrom(fd, question, sizeof question, 0, (struct sockaddr *)&from, &size) > 0) {
        const char *answer = answers[*asked < 4 ? *asked : 3];
        if (sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&from, size) < 0)
            perror("sendto");
        ++*asked;
        size = sizeof from;
    }
}

/* ---- the program ------------------------------------------------------ */

/* 0 when the output cannot be written. */
static int print_events(struct cluster *c)
{
    const struct cluster_event *e;
    while ((e = cluster_next_event(c)) != NULL) {
        switch (e->type) {
        case CLUSTER_JOIN:
        case CLUSTER_LEAVE:
        case CLUSTER_CHANGE:
            printf("%-6s %s port %u\n", cluster_event_name(e->type), e->member->name, (unsigned)e->member->port);
            break;
        case CLUSTER_SOURCE:
            if (e->state == CLUSTER_SOURCE_FAILED)
                printf("failed %s\n", e->text);
            break;
        default:
            break;
        }
    }
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    struct cluster *c;
    char url[128];
    unsigned port = 0, asked = 0;
    int server = -1, result = 0;
    if (cluster_create(&c, NULL) < 0)
        return 3;
    if (argc < 2 && (server = server_open(&port)) < 0) {
        perror("no UDP socket on loopback");
        return 3;
    }
    snprintf(url, sizeof url, "directory:127.0.0.1:%u?interval=200ms&misses=1", port);
    if (directory_register(c) < 0 || cluster_discover(c, argc > 1 ? argv[1] : url, NULL) < 0) {
        fprintf(stderr, "%s\n", cluster_last_error(c));
        return 2;
    }
    while (cluster_poll(c, server < 0 ? -1 : 20) == 0) {
        if (!print_events(c)) {
            perror("the output cannot be written");
            result = 3;
            break;
        }
        if (server >= 0)
            server_answer(server, &asked);
        if (asked > 4)
            break; /* the last answer was read in an earlier turn */
    }
    cluster_destroy(c);
    if (server >= 0)
        close(server);
    return result;
}
