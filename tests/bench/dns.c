/*
 * What a question to DNS costs, beside c-ares and the res_nquery of glibc, all on one core with one server that answers from
 * prepared bytes:
 *
 *     cc -std=c99 -O2 -I. tests/bench/dns.c -o build/bench-dns -lcares -lresolv && build/bench-dns [--check]
 *
 *   cluster.h    the public calls: ask, wait with poll, read the answer and all of its records
 *   unchanged    the same, but of the answer its digest alone, as a source does whose records are those of before
 *   same bytes   so too, but from a server whose times to live do not go down; with the others one is another in each answer
 *   c-ares       ares_query, ares_getsock, poll, ares_process_fd, ares_parse_..._reply
 *   res_nquery   with ns_initparse, ns_parserr for every record, and dn_expand for a target
 *   bytes        res_nquery alone: none of the records is looked at
 *   bare         the same messages on bare sockets: the floor
 *
 * A x10 comes over UDP; the others are cut there and come over TCP; kept: over one TCP connection that stays open. Times are
 * those of the best of several batches, a query; system calls are counted by tracing a child, allocations by taking the place
 * of malloc. With --check nothing is timed, and the exit status is 1 if the counts of cluster.h miss their goals.
 */
#define _GNU_SOURCE 1
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netinet/tcp.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { A10, A1000, SRV1000, KINDS };

static const struct {
    const char *title, *name, *url_name;
    int type;
    unsigned count;
} kinds[KINDS] = {
    {"A x10", "a10.bench.example", "a10", 1, 10},
    {"A x1000", "a1000.bench.example", "a1000", 1, 1000},
    {"SRV x1000", "s1000.bench.example", "s1000", 33, 1000},
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench/dns: %s\n", what);
    exit(3);
}

/* ---- memory ----------------------------------------------------------- */

/* Every allocation of the process goes through these, those within libraries too. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

static unsigned long allocations;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    allocations++;
    return __libc_realloc(ptr, size);
}

/* ---- the server ------------------------------------------------------- */

/* The length that TCP puts before a message, and the message. */
static struct {
    uint8_t bytes[65537];
    size_t size;
} answers[KINDS];

static void add(int kind, const void *bytes, size_t size)
{
    memcpy(answers[kind].bytes + answers[kind].size, bytes, size);
    answers[kind].size += size;
}

static void add16(int kind, unsigned value)
{
    uint8_t bytes[2];
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    add(kind, bytes, 2);
}

static size_t name_on_wire(uint8_t *out, const char *text)
{
    size_t size = 0;
    while (*text) {
        size_t length = strcspn(text, ".");
        out[size++] = (uint8_t)length;
        memcpy(out + size, text, length);
        size += length;
        text += length + (text[length] == '.');
    }
    out[size++] = 0;
    return size;
}

static void prepare(void)
{
    uint8_t name[256];
    char target[64];
    int kind;
    unsigned i;
    for (kind = 0; kind < KINDS; kind++) {
        add16(kind, 0);
        add16(kind, 0);
        add16(kind, 0x8180);
        add16(kind, 1);
        add16(kind, kinds[kind].count);
        add16(kind, 0);
        add16(kind, 0);
        add(kind, name, name_on_wire(name, kinds[kind].name));
        add16(kind, (unsigned)kinds[kind].type);
        add16(kind, 1);
        for (i = 0; i < kinds[kind].count; i++) {
            size_t size;
            add16(kind, 0xc00c);
            add16(kind, (unsigned)kinds[kind].type);
            add16(kind, 1);
            add16(kind, 0);
            add16(kind, 30);
            if (kinds[kind].type == 1) {
                add16(kind, 4);
                add16(kind, 0x0a00 | i >> 16);
                add16(kind, i);
                continue;
            }
            sprintf(target, "10-244-%u-%u.web.default.svc.cluster.local", i >> 8, i & 255);
            size = name_on_wire(name, target);
            add16(kind, (unsigned)size + 6);
            add16(kind, 0);
            add16(kind, 10);
            add16(kind, 9100);
            add(kind, name, size);
        }
        answers[kind].bytes[0] = (uint8_t)((answers[kind].size - 2) >> 8);
        answers[kind].bytes[1] = (uint8_t)(answers[kind].size - 2);
    }
}

/* Whether each answer has another time to live. */
static volatile int *aging;

static void age(int kind)
{
    if (*aging)
        answers[kind].bytes[2 + 12 + strlen(kinds[kind].name) + 2 + 4 + 9] ^= 1;
}

/* Which of the names a query asks for, from its first label alone. */
static int kind_of(const uint8_t *query)
{
    return query[12] == 3 ? A10 : query[13] == 'a' ? A1000 : SRV1000;
}

static void serve(int udp, int listener)
{
    static uint8_t query[65536], cut[512];
    struct pollfd fds[16];
    nfds_t count = 2, i;
    fds[0].fd = udp;
    fds[1].fd = listener;
    fds[0].events = fds[1].events = POLLIN;
    for (;;) {
        if (poll(fds, count, -1) < 0)
            continue;
        if (fds[0].revents) {
            struct sockaddr_in from;
            socklen_t length = sizeof from;
            ssize_t got = recvfrom(udp, query, sizeof query, 0, (struct sockaddr *)&from, &length);
            int kind;
            size_t size, question;
            if (got < 17)
                continue;
            kind = kind_of(query);
            age(kind);
            question = strlen(kinds[kind].name) + 2 + 4;
            size = kind == A10 ? answers[kind].size - 2 : 12 + question;
            memcpy(cut, answers[kind].bytes + 2, size);
            memcpy(cut, query, 2);
            if (kind != A10) {
                cut[2] |= 2;
                memset(cut + 6, 0, 6);
            }
            (void)sendto(udp, cut, size, 0, (struct sockaddr *)&from, length);
        }
        for (i = 2; i < count; i++) {
            ssize_t got;
            if (!fds[i].revents)
                continue;
            got = recv(fds[i].fd, query, sizeof query, 0);
            if (got < 19) {
                close(fds[i].fd);
                fds[i--] = fds[--count];
                continue;
            }
            age(kind_of(query + 2));
            memcpy(answers[kind_of(query + 2)].bytes + 2, query + 2, 2);
            (void)send(fds[i].fd, answers[kind_of(query + 2)].bytes, answers[kind_of(query + 2)].size, MSG_NOSIGNAL);
        }
        if (fds[1].revents && count < 16) {
            int one = 1;
            fds[count].fd = accept(listener, NULL, NULL);
            fds[count].events = POLLIN;
            fds[count].revents = 0;
            (void)setsockopt(fds[count].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            count += fds[count].fd >= 0;
        }
    }
}

static struct sockaddr_in server;
static pid_t server_pid;

static void start_server(void)
{
    socklen_t length = sizeof server;
    int udp = socket(AF_INET, SOCK_DGRAM, 0), listener = socket(AF_INET, SOCK_STREAM, 0);
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listener, (struct sockaddr *)&server, length) == 0, "bind");
    must(getsockname(listener, (struct sockaddr *)&server, &length) == 0, "getsockname");
    must(bind(udp, (struct sockaddr *)&server, length) == 0, "the port of TCP is taken in UDP: try again");
    must(listen(listener, 16) == 0, "listen");
    aging = (volatile int *)mmap(NULL, sizeof *aging, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(aging != MAP_FAILED, "mmap");
    server_pid = fork();
    must(server_pid >= 0, "fork");
    if (server_pid == 0)
        serve(udp, listener);
    close(udp);
    close(listener);
}

static void end_server(void)
{
    (void)kill(server_pid, SIGKILL);
}

/* ---- cluster.h -------------------------------------------------------- */

static struct cluster *handle;
static struct cluster_source *source;
static struct {
    int kind;
    bool all; /* read the records, not the digest alone */
    unsigned left, wrong;
    unsigned long sum;
    uint64_t digest;
} job;

static int ask(void)
{
    return cluster_source_resolve(source, (uint32_t)job.kind, kinds[job.kind].name, (uint32_t)kinds[job.kind].type);
}

static int bench_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    (void)ctx;
    (void)target;
    *state = source = s;
    return 0;
}

static int bench_round(void *state, uint64_t now)
{
    (void)state;
    (void)now;
    return job.left ? ask() : cluster_source_publish(source, NULL, 0);
}

static int bench_ready(void *state, int fd, int revents, uint64_t now)
{
    struct cluster_dns_answer a;
    struct cluster_record r;
    unsigned count = 0;
    (void)state;
    (void)fd;
    (void)now;
    a.size = (uint32_t)sizeof a;
    r.size = (uint32_t)sizeof r;
    if (cluster_source_answer(source, (uint32_t)revents, &a) || a.error)
        job.wrong++;
    while (job.all && cluster_source_record(source, (uint32_t)revents, &r) > 0) {
        job.sum += r.type == CLUSTER_DNS_A ? r.address.bytes[3] : r.text_size;
        count++;
    }
    job.wrong += a.count != kinds[job.kind].count || (job.all && count != a.count);
    job.digest += a.digest;
    return --job.left ? ask() : cluster_source_publish(source, NULL, 0);
}

static void bench_close(void *state)
{
    (void)state;
}

static void open_ours(const char *options)
{
    struct cluster_strategy strategy;
    char url[128];
    memset(&strategy, 0, sizeof strategy);
    strategy.size = (uint32_t)sizeof strategy;
    strategy.open = bench_open;
    strategy.round = bench_round;
    strategy.ready = bench_ready;
    strategy.close = bench_close;
    strategy.options = "server search hosts tcp";
    strategy.interval_ns = CLUSTER_NEVER;
    sprintf(url, "bench:?timeout=60s&server=127.0.0.1:%u%s", ntohs(server.sin_port), options);
    must(cluster_create(&handle, NULL) == 0 && cluster_strategy_register(handle, "bench", &strategy, NULL) == 0, "create");
    must(cluster_discover(handle, url, NULL) == 0, cluster_last_error(handle));
    must(cluster_step(handle, cluster_now(), NULL, 0) == 0, "step");
}

static void run_ours(int kind, unsigned times)
{
    job.kind = kind;
    job.left = times;
    must(cluster_source_refresh(source) == 0, "refresh");
    while (job.left) {
        struct pollfd fds[8];
        size_t count = cluster_watches(handle, fds, 8);
        uint64_t now = cluster_now(), until = cluster_deadline(handle);
        if (until > now)
            (void)poll(fds, (nfds_t)count, until == CLUSTER_NEVER ? -1 : (int)((until - now) / 1000000 + 1));
        must(cluster_step(handle, cluster_now(), fds, count) == 0, "step");
    }
    while (cluster_next_event(handle))
        continue;
    must(!job.wrong, "a wrong answer to cluster.h");
}

static void open_udp(void)
{
    job.all = true;
    open_ours("");
}

static void open_unchanged(void)
{
    job.all = false;
    open_ours("");
}

static void open_kept(void)
{
    job.all = true;
    open_ours("&tcp=keep");
}

static void open_kept_unchanged(void)
{
    job.all = false;
    open_ours("&tcp=keep");
}

static void close_ours(void)
{
    cluster_destroy(handle);
}

/* ---- c-ares ----------------------------------------------------------- */

static ares_channel channel;
static bool came;

static unsigned parse_cares(int kind, const unsigned char *bytes, int size)
{
    static struct ares_addrttl addresses[1000];
    int count = 1000;
    unsigned found = 0;
    if (kinds[kind].type == 1) {
        if (ares_parse_a_reply(bytes, size, NULL, addresses, &count) == ARES_SUCCESS)
            found = (unsigned)count;
    } else {
        struct ares_srv_reply *first = NULL, *one;
        if (ares_parse_srv_reply(bytes, size, &first) == ARES_SUCCESS)
            for (one = first; one; one = one->next)
                found++;
        ares_free_data(first);
    }
    return found;
}

static void cares_answered(void *arg, int status, int timeouts, unsigned char *bytes, int size)
{
    int kind = *(int *)arg;
    (void)timeouts;
    must(status == ARES_SUCCESS && parse_cares(kind, bytes, size) == kinds[kind].count, "a wrong answer to c-ares");
    came = true;
}

static void open_cares(void)
{
    char text[64];
    sprintf(text, "127.0.0.1:%u", ntohs(server.sin_port));
    must(ares_library_init(ARES_LIB_INIT_ALL) == 0 && ares_init(&channel) == 0, "ares_init");
    must(ares_set_servers_ports_csv(channel, text) == 0, "ares_set_servers_ports_csv");
}

static void run_cares(int kind, unsigned times)
{
    while (times--) {
        came = false;
        ares_query(channel, kinds[kind].name, 1, kinds[kind].type, cares_answered, &kind);
        while (!came) {
            ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
            struct pollfd fds[ARES_GETSOCK_MAXNUM];
            int bits = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM), i, count = 0;
            for (i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
                int events = (ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) | (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0);
                if (!events)
                    continue;
                fds[count].fd = sockets[i];
                fds[count++].events = (short)events;
            }
            (void)poll(fds, (nfds_t)count, 5000);
            for (i = 0; i < count; i++)
                if (fds[i].revents)
                    ares_process_fd(channel, fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
                                    fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
        }
    }
}

static void close_cares(void)
{
    ares_destroy(channel);
    ares_library_cleanup();
}

/* ---- res_nquery ------------------------------------------------------- */

static struct __res_state resolver;
static uint8_t libc_answer[65536];
static int libc_size;

static void open_libc(void)
{
    must(res_ninit(&resolver) == 0, "res_ninit");
    resolver.nscount = 1;
    resolver.nsaddr_list[0] = server;
}

static unsigned parse_libc(int kind, const uint8_t *bytes, int size)
{
    ns_msg message;
    ns_rr record;
    char target[NS_MAXDNAME];
    int i;
    if (ns_initparse(bytes, size, &message) < 0)
        return 0;
    for (i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        if (ns_parserr(&message, ns_s_an, i, &record) < 0)
            return 0;
        if (kinds[kind].type == 33 && dn_expand(bytes, bytes + size, ns_rr_rdata(record) + 6, target, sizeof target) < 0)
            return 0;
    }
    return (unsigned)i;
}

static void run_bytes(int kind, unsigned times)
{
    while (times--) {
        libc_size = res_nquery(&resolver, kinds[kind].name, 1, kinds[kind].type, libc_answer, sizeof libc_answer);
        must(libc_size == (int)answers[kind].size - 2, "a wrong answer to res_nquery");
    }
}

static void run_libc(int kind, unsigned times)
{
    while (times--) {
        run_bytes(kind, 1);
        must(parse_libc(kind, libc_answer, libc_size) == kinds[kind].count, "a wrong answer to res_nquery");
    }
}

static void close_libc(void)
{
    res_nclose(&resolver);
}

/* ---- bare sockets ----------------------------------------------------- */

static int kept = -1;

static size_t bare_query(int kind, uint8_t *out)
{
    size_t size = name_on_wire(out + 14, kinds[kind].name) + 14;
    memset(out, 0, 14);
    out[4] = 1; /* recursion */
    out[7] = 1;
    out[size] = 0;
    out[size + 1] = (uint8_t)kinds[kind].type;
    out[size + 2] = 0;
    out[size + 3] = 1;
    out[1] = (uint8_t)(size + 2);
    return size + 4;
}

static int bare_connect(int type)
{
    int fd = socket(AF_INET, type, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&server, sizeof server) == 0, "connect");
    return fd;
}

static void bare_exchange(int fd, const uint8_t *query, size_t size)
{
    static uint8_t answer[65537];
    size_t have = 0;
    must(send(fd, query, size, 0) == (ssize_t)size, "send");
    do {
        ssize_t got = recv(fd, answer + have, sizeof answer - have, 0);
        must(got > 0, "recv");
        have += (size_t)got;
    } while (have < 2 || have < 2 + ((size_t)answer[0] << 8 | answer[1]));
}

static void run_bare(int kind, unsigned times)
{
    uint8_t query[300];
    size_t size = bare_query(kind, query);
    while (times--) {
        static uint8_t answer[1232];
        struct pollfd wait;
        wait.fd = bare_connect(SOCK_DGRAM);
        wait.events = POLLIN;
        must(send(wait.fd, query + 2, size - 2, 0) > 0 && poll(&wait, 1, -1) == 1, "poll");
        must(recv(wait.fd, answer, sizeof answer, 0) > 0, "recv");
        close(wait.fd);
        if (kind == A10)
            continue;
        wait.fd = bare_connect(SOCK_STREAM);
        bare_exchange(wait.fd, query, size);
        close(wait.fd);
    }
}

static void run_bare_kept(int kind, unsigned times)
{
    uint8_t query[300];
    size_t size = bare_query(kind, query);
    while (times--)
        bare_exchange(kept, query, size);
}

static void open_bare(void)
{
    kept = bare_connect(SOCK_STREAM);
}

static void close_bare(void)
{
    close(kept);
}

/* ---- measuring -------------------------------------------------------- */

enum { OURS, UNCHANGED, SAME, CARES, LIBC, LIBC_BYTES, BARE, KEPT, KEPT_UNCHANGED, KEPT_SAME, BARE_KEPT, WAYS };

static const struct {
    const char *name;
    void (*open)(void);
    void (*run)(int kind, unsigned times);
    void (*close)(void);
} ways[WAYS] = {
    {"cluster.h", open_udp, run_ours, close_ours},
    {"  unchanged", open_unchanged, run_ours, close_ours},
    {"  same bytes", open_unchanged, run_ours, close_ours},
    {"c-ares", open_cares, run_cares, close_cares},
    {"res_nquery", open_libc, run_libc, close_libc},
    {"  bytes", open_libc, run_bytes, close_libc},
    {"bare", open_bare, run_bare, close_bare},
    {"kept: cluster.h", open_kept, run_ours, close_ours},
    {"  unchanged", open_kept_unchanged, run_ours, close_ours},
    {"  same bytes", open_kept_unchanged, run_ours, close_ours},
    {"kept: bare", open_bare, run_bare_kept, close_bare},
};

static struct {
    double wall, cpu, calls, allocations; /* a query; calls below 0: they cannot be counted here */
} cost[KINDS][WAYS];

static double clock_us(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(int kind, int way, unsigned times)
{
    double wall, cpu;
    unsigned long before;
    *aging = way != SAME && way != KEPT_SAME;
    ways[way].open();
    ways[way].run(kind, 3);
    before = allocations;
    cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    wall = clock_us(CLOCK_MONOTONIC);
    ways[way].run(kind, times);
    wall = (clock_us(CLOCK_MONOTONIC) - wall) / times;
    cpu = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / times;
    cost[kind][way].allocations = (double)(allocations - before) / times;
    ways[way].close();
    if (!cost[kind][way].wall || wall < cost[kind][way].wall)
        cost[kind][way].wall = wall;
    if (!cost[kind][way].cpu || cpu < cost[kind][way].cpu)
        cost[kind][way].cpu = cpu;
}

/* All system calls of a child that asks so many times; below 0: a child cannot be traced here. */
static long trace(int kind, int way, unsigned times)
{
    long stops = 0;
    int status;
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(9);
        (void)raise(SIGSTOP);
        ways[way].open();
        ways[way].run(kind, times);
        _exit(0);
    }
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    if (!WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
        return -1;
    for (;;) {
        must(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid, "ptrace");
        if (!WIFSTOPPED(status))
            break;
        stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
    }
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the traced child failed");
    return stops / 2;
}

/* What the start costs is the same in both and goes away. */
static void count_calls(int kind, int way)
{
    long few = trace(kind, way, 10), many = trace(kind, way, 60);
    cost[kind][way].calls = few < 0 || many < 0 ? -1 : (double)(many - few) / 50;
}

/* ---- messages alone --------------------------------------------------- */

enum { WALK, CHECK, KNOWN, READ, PARSE, WORKS };

static double parsing[KINDS][WORKS];

/* The least that a reader of any message must do. */
static unsigned walk(const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    unsigned count = 0, left = (unsigned)p[6] << 8 | p[7];
    p += 12;
    while (p < end && *p)
        p += *p + 1;
    p += 5;
    for (; left; left--) {
        size_t length;
        if (end - p < 12 || p[0] != 0xc0 || p[1] != 12)
            return 0;
        length = (size_t)p[10] << 8 | p[11];
        if ((size_t)(end - p - 12) < length)
            return 0;
        count += p[3] != 0;
        p += 12 + length;
    }
    return p == end ? count : 0;
}

static void work(int kind, int which)
{
    const uint8_t *message = answers[kind].bytes + 2;
    static struct clu_dns_known known[KINDS], none;
    size_t size = answers[kind].size - 2;
    unsigned count = 0;
    struct clu_dns_result result;
    if (which == WALK) {
        count = walk(message, size);
    } else if (which == PARSE) {
        count = parse_cares(kind, message, (int)size);
    } else {
        uint16_t id = (uint16_t)(message[0] << 8 | message[1]);
        none.result.count = 0;
        if (clu_dns_check(message, size, id, kinds[kind].name, (uint16_t)kinds[kind].type, &result,
                          which == KNOWN ? &known[kind] : &none) == CLU_DNS_ANSWER)
            count = result.count;
        job.digest += result.digest;
    }
    if (which == READ) {
        struct cluster_dns_answer a;
        struct cluster_record r;
        a.size = (uint32_t)sizeof a;
        r.size = (uint32_t)sizeof r;
        count = 0;
        must(cluster_source_answer(source, (uint32_t)kind, &a) == 0, "no answer");
        while (cluster_source_record(source, (uint32_t)kind, &r) > 0) {
            job.sum += r.text_size + r.address.bytes[3];
            count++;
        }
    }
    must(count == kinds[kind].count, "a message is not read whole");
}

static void measure_parsing(int kind)
{
    int which, batch, i;
    open_udp();
    run_ours(kind, 1);
    for (batch = 0; batch < 40; batch++)
        for (which = 0; which < WORKS; which++) {
            double took = clock_us(CLOCK_PROCESS_CPUTIME_ID);
            for (i = 0; i < 20; i++)
                work(kind, which);
            took = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - took) / 20;
            if (!batch || took < parsing[kind][which])
                parsing[kind][which] = took;
        }
    close_ours();
}

/* ---- goals ------------------------------------------------------------ */

static unsigned missed;

static void goal(const char *what, double is, double most, const char *unit)
{
    bool met = is <= most;
    missed += !met;
    printf("  %-64s %7.2f  goal %7.2f %-6s %s\n", what, is, most, unit, met ? "met" : "missed");
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void count_goals(void)
{
    goal("A x10: heap allocations a query", cost[A10][OURS].allocations, 0, "");
    goal("A x1000: heap allocations a query", cost[A1000][OURS].allocations, 0, "");
    goal("SRV x1000: heap allocations a query", cost[SRV1000][OURS].allocations, 0, "");
    if (cost[A10][OURS].calls >= 0)
        goal("A x10: system calls a query", cost[A10][OURS].calls, 6, "");
}

/* Messages of 64 KiB that make the most work: of names of many labels, of long labels, or of many pointers, each unlike the one
 * before it; and of links of a chain that stand the wrong way round, at the end of all records. */
enum { LABELS, LONG_LABELS, POINTERS, LINKS };

static uint8_t *worst_record(uint8_t *p, const void *owner, size_t owner_size, unsigned type, const void *data, size_t size)
{
    memcpy(p, owner, owner_size);
    p += owner_size;
    memset(p, 0, 10);
    p[1] = (uint8_t)type;
    p[3] = 1;
    p[8] = (uint8_t)(size >> 8);
    p[9] = (uint8_t)size;
    memcpy(p + 10, data, size);
    return p + 10 + size;
}

static double worst_us(int shape)
{
    static const uint8_t head[] = {0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 33, 0, 1};
    static uint8_t message[65535], target[600];
    struct clu_dns_result result;
    struct clu_dns_known none;
    uint8_t *p = message + sizeof head, srv[8] = {0, 1, 0, 1, 0, 80, 0, 0};
    size_t at[2];
    double best = 0;
    unsigned count = 0;
    int i, batch;
    memcpy(message, head, sizeof head);
    for (i = 0; i < 2; i++) {
        size_t size = 0;
        at[i] = (size_t)(p - message) + 11;
        for (; shape == LABELS && size < 252; size += 2) {
            target[size] = 1;
            target[size + 1] = (uint8_t)('a' + i);
        }
        for (; shape == LONG_LABELS && size < 252; size += 63) {
            target[size] = 62;
            memset(target + size + 1, 'a' + i, 62);
        }
        for (; shape == POINTERS && size < 240; size += 2) {
            size_t to = size ? at[i] + size - 2 : 12;
            target[size] = (uint8_t)(0xc0 | to >> 8);
            target[size + 1] = (uint8_t)to;
        }
        target[size] = 0;
        p = worst_record(p, "", 1, 99, target, size + 1);
        at[i] += shape == POINTERS ? size - 2 : 0;
        count++;
    }
    for (; p < message + sizeof message - 500; count++) {
        srv[6] = (uint8_t)(0xc0 | at[count & 1] >> 8);
        srv[7] = (uint8_t)at[count & 1];
        p = worst_record(p, "\xc0\x0c", 2, shape == LINKS ? 99 : 33, srv, shape == LINKS ? 0 : sizeof srv);
    }
    for (i = 16; i-- && shape == LINKS; count++) {
        uint8_t link[] = {1, (uint8_t)('a' + i), 0, 1, (uint8_t)('b' + i), 0};
        p = worst_record(p, link, 3, 5, link + 3, 3);
    }
    message[6] = (uint8_t)(count >> 8);
    message[7] = (uint8_t)count;
    for (batch = 0; batch < 40; batch++) {
        double took = clock_us(CLOCK_PROCESS_CPUTIME_ID);
        none.result.count = 0;
        (void)clu_dns_check(message, (size_t)(p - message), 0, "a", 33, &result, &none);
        took = clock_us(CLOCK_PROCESS_CPUTIME_ID) - took;
        best = batch && best < took ? best : took;
    }
    return best;
}

static void time_goals(void)
{
    int kind, way;
    char what[96];
    goal("A x10: CPU, of the better of c-ares and res_nquery",
         cost[A10][OURS].cpu / least(cost[A10][CARES].cpu, cost[A10][LIBC].cpu), 1, "times");
    goal("A x10: wall, of the better of c-ares and res_nquery",
         cost[A10][OURS].wall / least(cost[A10][CARES].wall, cost[A10][LIBC].wall), 1, "times");
    for (kind = A1000; kind < KINDS; kind++) {
        sprintf(what, "%s: CPU, of res_nquery", kinds[kind].title);
        goal(what, cost[kind][OURS].cpu / cost[kind][LIBC].cpu, 1, "times");
        sprintf(what, "%s: wall, of res_nquery", kinds[kind].title);
        goal(what, cost[kind][OURS].wall / cost[kind][LIBC].wall, 1, "times");
        for (way = OURS; way <= UNCHANGED; way++) {
            const char *which = way == OURS ? "" : " unchanged";
            sprintf(what, "%s%s: CPU, of c-ares", kinds[kind].title, which);
            goal(what, cost[kind][way].cpu / cost[kind][CARES].cpu, 0.5, "times");
            sprintf(what, "%s%s: wall, of c-ares", kinds[kind].title, which);
            goal(what, cost[kind][way].wall / cost[kind][CARES].wall, 0.5, "times");
            sprintf(what, "%s%s: parsing, of c-ares", kinds[kind].title, which);
            goal(what, parsing[kind][way == OURS ? READ : CHECK] / parsing[kind][PARSE], 0.2, "times");
        }
    }
    for (kind = 0; kind < KINDS; kind++)
        for (way = KEPT_UNCHANGED; way <= KEPT_SAME; way++) {
            sprintf(what, "%s %s: kept TCP, wall, of a bare exchange", kinds[kind].title,
                    way == KEPT_SAME ? "same bytes" : "unchanged");
            goal(what, cost[kind][way].wall / cost[kind][BARE_KEPT].wall, 1.6, "times");
        }
    goal("A x1000 unchanged: parsing, of a bare checked walk", parsing[A1000][CHECK] / parsing[A1000][WALK], 5, "times");
    goal("the worst message of 64 KiB, of labels: CPU", worst_us(LABELS), 1000, "us");
    goal("the same, of long labels", worst_us(LONG_LABELS), 1000, "us");
    goal("the same, of pointers", worst_us(POINTERS), 1000, "us");
    goal("the same, of links", worst_us(LINKS), 1000, "us");
}

static void one_core(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv)
{
    const bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    int kind, way, batch;
    one_core();
    prepare();
    start_server();
    (void)atexit(end_server);
    for (kind = 0; kind < KINDS; kind++)
        for (way = 0; way < WAYS; way++) {
            if (check && way != OURS)
                continue;
            count_calls(kind, way);
            measure(kind, way, 20);
        }
    for (batch = 0; !check && batch < 15; batch++)
        for (kind = 0; kind < KINDS; kind++)
            for (way = 0; way < WAYS; way++)
                measure(kind, way, kind == A10 ? 400 : 60);
    for (kind = 0; kind < KINDS && !check; kind++) {
        printf("%-10s%-18s wall us   CPU us    calls  allocations\n", kinds[kind].title, "");
        for (way = 0; way < WAYS; way++)
            printf("          %-18s %7.1f  %7.1f  %7.2f  %11.2f\n", ways[way].name, cost[kind][way].wall, cost[kind][way].cpu,
                   cost[kind][way].calls, cost[kind][way].allocations);
        measure_parsing(kind);
        printf(
            "          of the message alone, us: bare walk %.1f, the same bytes %.1f, check and digest %.1f, and every record "
            "%.1f, c-ares %.1f\n",
            parsing[kind][WALK], parsing[kind][KNOWN], parsing[kind][CHECK], parsing[kind][READ], parsing[kind][PARSE]);
    }
    printf("goals\n");
    count_goals();
    if (!check)
        time_goals();
    return check && missed ? 1 : 0;
}
