/* What reading a list of Kubernetes costs: 5,000 pods, 19 MB of JSON, from a socket that always has more. Prints the CPU time
 * of all steps and of the longest one, the best of some runs, and beside them that of Python's json and of jq on the same
 * bytes. --check judges what is no time: every pod is a member, and the memory is bounded by the members, not by the list.
 *
 *   cc -O2 -I. tests/bench/documents.c -o documents && ./documents */
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define PODS 5000

static char *list; /* head and body */
static size_t size, head, at;
static size_t used, most;

static void *counting(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    void *moved = NULL;
    (void)ctx;
    if (new_size)
        moved = realloc(ptr, new_size);
    else
        free(ptr);
    if (moved || !new_size)
        used = used - old_size + new_size;
    most = used > most ? used : most;
    return moved;
}

static int socket_open(void *ctx, int kind, int family)
{
    (void)ctx;
    (void)kind;
    (void)family;
    return 3;
}

static int socket_connect(void *ctx, int fd, const struct cluster_address *address)
{
    (void)ctx;
    (void)fd;
    (void)address;
    return 0;
}

static int64_t socket_send(void *ctx, int fd, const void *data, size_t count, const struct cluster_address *to)
{
    (void)ctx;
    (void)fd;
    (void)data;
    (void)to;
    return (int64_t)count;
}

static int64_t socket_recv(void *ctx, int fd, void *data, size_t count, struct cluster_address *from)
{
    (void)ctx;
    (void)fd;
    (void)from;
    if (at == size)
        return CLUSTER_E_AGAIN;
    count = count < size - at ? count : size - at;
    memcpy(data, list + at, count);
    at += count;
    return (int64_t)count;
}

static void socket_close(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
}

static int64_t no_file(void *ctx, const char *path, void *data, size_t room, uint64_t *stamp)
{
    (void)ctx;
    (void)path;
    (void)data;
    (void)room;
    (void)stamp;
    return CLUSTER_E_NOT_FOUND;
}

/* Pods in no order of their addresses, with what real ones have beside. */
static void make_list(void)
{
    static char note[3001];
    const size_t room = (size_t)32 << 20;
    char *body = (char *)malloc(room), *out = body;
    unsigned i, k;
    memset(note, 'x', sizeof note - 1);
    list = (char *)malloc(room);
    if (!body || !list)
        exit(1);
    out += sprintf(out, "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[");
    for (i = 0; i < PODS; i++) {
        unsigned scattered = i * 2654435761u;
        out += sprintf(
            out,
            "%s{\"metadata\":{\"name\":\"web-%05u\",\"namespace\":\"default\",\"labels\":{\"app\":\"web\"},\"annotations\":{"
            "\"note\":\"%s\"}},\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"web:1\",\"env\":[",
            i ? "," : "", i, note);
        for (k = 0; k < 20; k++)
            out += sprintf(out, "%s{\"name\":\"A%u\",\"value\":\"v\"}", k ? "," : "", k);
        out += sprintf(
            out,
            "]}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.%u.%u.%u\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
            "\"True\"}]}}",
            scattered >> 24, scattered >> 16 & 255, scattered >> 8 & 255);
    }
    out += sprintf(out, "]}");
    head = (size_t)sprintf(list, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", (size_t)(out - body));
    size = head + (size_t)(out - body);
    memcpy(list + head, body, size - head);
    free(body);
}

static double cpu_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* One list, from the first question to the last member; how many there are then. */
static size_t run(double *all, double *longest)
{
    struct cluster_allocator memory = {sizeof memory, 0, NULL, counting};
    struct cluster_options options;
    struct cluster_io io;
    struct cluster *c;
    struct cluster_source *s;
    size_t members;
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    io.open = socket_open;
    io.connect = socket_connect;
    io.send = socket_send;
    io.recv = socket_recv;
    io.close = socket_close;
    io.read_file = no_file;
    cluster_options_init(&options);
    options.allocator = &memory;
    options.io = &io;
    at = used = most = 0;
    *all = *longest = 0;
    if (cluster_create(&c, &options) != 0 ||
        cluster_discover(c, "kubernetes:app=web?node=web&lookup=pods&namespace=x&timeout=1m&interval=1h&master=http://10.0.0.1",
                         &s) != 0)
        exit(1);
    while (cluster_source_state(s) == CLUSTER_SOURCE_STARTING) {
        struct pollfd fds[8];
        size_t count = cluster_watches(c, fds, 8), i;
        double before, took;
        for (i = 0; i < count; i++)
            fds[i].revents = fds[i].events;
        before = cpu_ms();
        (void)cluster_step(c, cluster_now(), fds, count);
        took = cpu_ms() - before;
        *all += took;
        *longest = took > *longest ? took : *longest;
        while (cluster_next_event(c))
            continue;
    }
    members = cluster_member_count(c);
    cluster_destroy(c);
    return members;
}

/* The CPU time of another program that reads the list from its standard input; 0: there is none. */
static double peer_ms(const char *command)
{
    struct rusage before, after;
    FILE *pipe;
    (void)getrusage(RUSAGE_CHILDREN, &before);
    pipe = popen(command, "w");
    if (!pipe)
        return 0;
    (void)fwrite(list + head, 1, size - head, pipe);
    if (pclose(pipe) != 0)
        return 0;
    (void)getrusage(RUSAGE_CHILDREN, &after);
    return (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1e3 +
           (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
    static const char *const peers[][2] = {
        {"Python's json, its start taken off", "python3 -c 'import json,sys; json.load(sys.stdin)' 2>/dev/null"},
        {"jq", "jq -r '.items[].status.podIP' >/dev/null 2>&1"},
    };
    double all, longest, best = 1e9, best_longest = 1e9;
    size_t members = 0, i;
    make_list();
    for (i = 0; i < (argc > 1 && strcmp(argv[1], "--check") == 0 ? 1 : 15); i++) {
        members = run(&all, &longest);
        best = all < best ? all : best;
        best_longest = longest < best_longest ? longest : best_longest;
    }
    if (members != PODS || most > (size_t)8 << 20) {
        fprintf(stderr, "%zu members of %d pods, %zu bytes of memory\n", members, PODS, most);
        return 1;
    }
    if (argc > 1)
        return 0;
    printf("%d pods, %.1f MB: %.1f ms in all, the longest step %.2f ms, %.1f MB of memory\n", PODS, (double)size / 1e6, best,
           best_longest, (double)most / 1e6);
    for (i = 0; i < 2; i++) {
        double peer = peer_ms(peers[i][1]);
        if (i == 0 && peer > 0)
            peer -= peer_ms("python3 -c 'import json,sys; sys.stdin.read()'");
        if (peer > 0)
            printf("%s: %.1f ms, %.1f times as long\n", peers[i][0], peer, peer / best);
        else
            printf("%s: not here\n", peers[i][0]);
    }
    free(list);
    return 0;
}
