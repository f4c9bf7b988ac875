/*
 * What a link to an Erlang node costs, beside OTP's own ei, in one run with one real node and one epmd on loopback:
 *
 *     cc -std=c99 -O2 -I. tests/bench/erlang.c -o build/bench-erlang -lei && build/bench-erlang [ROUNDS]
 *
 *   dial         a new program: epmd's answer, the handshake, a ping and its answer
 *   call         erlang:node() by rex, one after the other
 *   call + 1 MiB the same; before every tenth a message of 1 MiB goes to a process there
 *
 * All take turns, a batch each, so that whatever else the machine does hits all. Of cluster.h each call ends after 5 s at the
 * latest; ei waits for ever, or with its functions that take a time for 5 s as well. Shown are the median and the 99th
 * percentile, and how often a second; a ratio below 1 says that cluster.h is the faster one.
 */
#define _GNU_SOURCE 1
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"

#include <arpa/inet.h>
#include <ei.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define NODE "bench_server@127.0.0.1"
#define COOKIE "bench"
#define BATCH 50
#define MEGABYTE (1u << 20)

enum { DIAL, CALL, LOADED, KINDS };
enum { OURS, EI, TIMED, SIDES };

static const char *const sides[SIDES] = {"cluster.h", "ei", "ei, 5 s"};
static const char *const kinds[KINDS] = {"dial", "call", "call + 1 MiB"};
static double *taken[KINDS][SIDES]; /* microseconds */
static size_t taken_count[KINDS][SIDES];
static pid_t children[2];
static int child_count;

static void stop(void)
{
    while (child_count) {
        (void)kill(children[--child_count], SIGKILL);
        (void)waitpid(children[child_count], NULL, 0);
    }
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench/erlang: %s\n", what);
    exit(3);
}

/* ---- the node --------------------------------------------------------- */

static void start(char **argv, int out)
{
    pid_t child = fork();
    must(child >= 0, "fork");
    if (!child) {
        (void)dup2(out, 1);
        (void)execvp(argv[0], argv);
        _exit(127);
    }
    children[child_count++] = child;
}

static void start_node(void)
{
    static char port[8], script[] = "register(sink, spawn(fun() -> F = fun(G) -> receive _ -> G(G) end end, F(F) end)), "
                                    "io:format(\"up~n\").";
    char *epmd[] = {(char *)"epmd", (char *)"-address", (char *)"127.0.0.1", (char *)"-port", port, NULL};
    char *erl[] = {(char *)"erl",
                   (char *)"-noinput",
                   (char *)"-name",
                   (char *)NODE,
                   (char *)"-setcookie",
                   (char *)COOKIE,
                   (char *)"-start_epmd",
                   (char *)"false",
                   (char *)"-kernel",
                   (char *)"inet_dist_use_interface",
                   (char *)"{127,0,0,1}",
                   (char *)"-eval",
                   script,
                   NULL};
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0), out[2], tries;
    char line[64];
    ssize_t got;
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(!bind(fd, (struct sockaddr *)&at, size) && !getsockname(fd, (struct sockaddr *)&at, &size), "no free port");
    close(fd);
    (void)snprintf(port, sizeof port, "%u", ntohs(at.sin_port));
    (void)setenv("ERL_EPMD_PORT", port, 1);
    must(!pipe(out), "pipe");
    (void)atexit(stop);
    start(epmd, out[1]);
    for (tries = 0; tries < 3000; tries++) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (!connect(fd, (struct sockaddr *)&at, size))
            break;
        close(fd);
        (void)poll(NULL, 0, 10);
    }
    must(tries < 3000, "no epmd: is Erlang there?");
    close(fd);
    start(erl, out[1]);
    close(out[1]);
    got = read(out[0], line, sizeof line);
    must(got >= 3 && !memcmp(line, "up\n", 3), "no erl");
}

static double now_us(void)
{
    return (double)cluster_now() / 1e3;
}

static void took(int kind, int side, double began)
{
    taken[kind][side][taken_count[kind][side]++] = now_us() - began;
}

/* ---- cluster.h -------------------------------------------------------- */

static uint8_t *megabyte; /* a binary */

static struct cluster *ours_new(const char *name)
{
    struct cluster_options options;
    struct cluster *c;
    cluster_options_init(&options);
    options.node = name;
    options.cookie = COOKIE;
    options.limit_output = 4 * MEGABYTE;
    must(!cluster_create(&c, &options), "cluster_create");
    return c;
}

static void ours_answer(struct cluster *c, uint64_t request)
{
    const struct cluster_event *e;
    for (;;) {
        while ((e = cluster_next_event(c)) != NULL)
            if (e->type == CLUSTER_REPLY && e->request == request) {
                must(!e->error, e->text);
                return;
            }
        must(!cluster_poll(c, -1), "cluster_poll");
    }
}

static void ours_dial(unsigned number)
{
    double began = now_us();
    struct cluster *c;
    uint64_t request;
    char name[64];
    (void)snprintf(name, sizeof name, "bench_ours%u@127.0.0.1", number);
    c = ours_new(name);
    must(!cluster_ping(c, NODE, &request), "cluster_ping");
    ours_answer(c, request);
    took(DIAL, OURS, began);
    cluster_destroy(c);
}

static void ours_call(struct cluster *c, int kind, unsigned number)
{
    double began = now_us();
    uint64_t request;
    if (kind == LOADED && number % 10 == 0)
        must(!cluster_send(c, NODE, "sink", megabyte, 6 + MEGABYTE), "cluster_send");
    must(!cluster_call(c, NODE, "erlang", "node", "\x83j", 2, 0, &request), "cluster_call");
    ours_answer(c, request);
    took(kind, OURS, began);
}

/* ---- ei --------------------------------------------------------------- */

static int ei_link(ei_cnode *node, const char *base, unsigned milliseconds)
{
    char name[80];
    struct in_addr loopback;
    int fd;
    loopback.s_addr = htonl(INADDR_LOOPBACK);
    (void)snprintf(name, sizeof name, "%s@127.0.0.1", base);
    must(ei_connect_xinit(node, "127.0.0.1", base, name, &loopback, COOKIE, 1) >= 0, "ei_connect_xinit");
    fd = milliseconds ? ei_connect_tmo(node, (char *)NODE, milliseconds) : ei_connect(node, (char *)NODE);
    must(fd >= 0, "ei_connect");
    return fd;
}

/* {'$gen_call', {Pid, Ref}, {is_auth, Node}} to net_kernel, and {Ref, yes} */
static void ei_ping(ei_cnode *node, int fd, unsigned milliseconds)
{
    erlang_msg message;
    erlang_ref reference;
    ei_x_buff x;
    int got;
    ei_x_new_with_version(&x);
    ei_x_encode_tuple_header(&x, 3);
    ei_x_encode_atom(&x, "$gen_call");
    ei_x_encode_tuple_header(&x, 2);
    ei_x_encode_pid(&x, ei_self(node));
    must(!ei_make_ref(node, &reference), "ei_make_ref");
    ei_x_encode_ref(&x, &reference);
    ei_x_encode_tuple_header(&x, 2);
    ei_x_encode_atom(&x, "is_auth");
    ei_x_encode_atom(&x, ei_thisnodename(node));
    must(!ei_reg_send(node, fd, (char *)"net_kernel", x.buff, x.index), "ei_reg_send");
    do
        got = ei_xreceive_msg_tmo(fd, &message, &x, milliseconds);
    while (got == ERL_TICK);
    must(got == ERL_MSG, "ei_xreceive_msg");
    ei_x_free(&x);
}

static void ei_dial(int side, unsigned number)
{
    unsigned milliseconds = side == TIMED ? 5000 : 0;
    double began = now_us();
    ei_cnode node;
    char base[64];
    int fd;
    (void)snprintf(base, sizeof base, "bench_ei%d_%u", side, number);
    fd = ei_link(&node, base, milliseconds);
    ei_ping(&node, fd, milliseconds);
    took(DIAL, side, began);
    ei_close_connection(fd);
}

static void ei_call(ei_cnode *node, int fd, int kind, int side, unsigned number)
{
    double began = now_us();
    ei_x_buff arguments, answer;
    erlang_msg message;
    int got;
    if (kind == LOADED && number % 10 == 0)
        must(!ei_reg_send(node, fd, (char *)"sink", (char *)megabyte, 6 + MEGABYTE), "ei_reg_send");
    ei_x_new(&arguments);
    ei_x_new(&answer);
    ei_x_encode_empty_list(&arguments);
    if (side == EI) {
        must(ei_rpc(node, fd, (char *)"erlang", (char *)"node", arguments.buff, arguments.index, &answer) >= 0, "ei_rpc");
    } else {
        must(ei_rpc_to(node, fd, (char *)"erlang", (char *)"node", arguments.buff, arguments.index) >= 0, "ei_rpc_to");
        do
            got = ei_rpc_from(node, fd, 5000, &message, &answer);
        while (got == ERL_TICK);
        must(got == ERL_MSG, "ei_rpc_from");
    }
    took(kind, side, began);
    ei_x_free(&arguments);
    ei_x_free(&answer);
}

/* ---- the run ---------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(int kind)
{
    double median[SIDES], worst[SIDES], sum[SIDES];
    size_t i, count = taken_count[kind][OURS]; /* of each */
    int side;
    for (side = 0; side < SIDES; side++) {
        for (sum[side] = 0, i = 0; i < count; i++)
            sum[side] += taken[kind][side][i];
        qsort(taken[kind][side], count, sizeof(double), compare);
        median[side] = taken[kind][side][count / 2];
        worst[side] = taken[kind][side][count * 99 / 100];
    }
    for (side = 0; side < SIDES; side++)
        printf("%-13s %-10s %9.1f us %9.1f us p99 %8.0f /s   ratio %5.2f %5.2f %5.2f\n", kinds[kind], sides[side], median[side],
               worst[side], (double)count / sum[side] * 1e6, median[OURS] / median[side], worst[OURS] / worst[side],
               sum[OURS] / sum[side]);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 40, dials = 0, calls, round, i;
    struct cluster *c;
    ei_cnode node;
    uint64_t request;
    int fd, kind, side;
    must(rounds > 0 && rounds < 10000, "usage: bench-erlang [ROUNDS]");
    if (system("command -v epmd >/dev/null && command -v erl >/dev/null")) {
        puts("skipped: no Erlang here");
        return 0;
    }
    for (kind = 0; kind < KINDS; kind++)
        for (side = 0; side < SIDES; side++) {
            taken[kind][side] = (double *)calloc(rounds * BATCH, sizeof(double));
            must(taken[kind][side] != NULL, "memory");
        }
    megabyte = (uint8_t *)calloc(1, 6 + MEGABYTE);
    must(megabyte && !ei_init(), "ei_init");
    memcpy(megabyte, "\x83m\0\x10\0\0", 6);
    start_node();
    ours_dial(100000); /* what loads code there comes first */
    ei_dial(EI, 100000);
    taken_count[DIAL][OURS] = taken_count[DIAL][EI] = 0;
    c = ours_new("bench_caller@127.0.0.1");
    must(!cluster_ping(c, NODE, &request), "cluster_ping");
    ours_answer(c, request);
    fd = ei_link(&node, "bench_ei_caller", 0);
    for (round = 0; round < rounds; round++) {
        for (i = 0; i < BATCH / 10 * SIDES; i++) {
            side = (int)((i + i / SIDES) % SIDES); /* each goes first in turn */
            if (side == OURS)
                ours_dial(dials++);
            else
                ei_dial(side, dials++);
        }
        for (kind = CALL; kind < KINDS; kind++)
            for (i = 0; i < SIDES; i++) {
                side = (int)((i + round) % SIDES);
                for (calls = 0; calls < BATCH; calls++)
                    if (side == OURS)
                        ours_call(c, kind, calls);
                    else
                        ei_call(&node, fd, kind, side, calls);
            }
    }
    for (kind = 0; kind < KINDS; kind++)
        report(kind);
    cluster_destroy(c);
    ei_close_connection(fd);
    for (kind = 0; kind < KINDS; kind++)
        for (side = 0; side < SIDES; side++)
            free(taken[kind][side]);
    free(megabyte);
    return 0;
}
