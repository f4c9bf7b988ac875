/* A node for a small machine: no heap at all, no stdio, one process of a few hundred KiB. It watches its sources, places 256 shards on
 * their members, and says what changes. All memory is one buffer; its size is the limit of everything, and it is checked at once.
 *
 *     musl-gcc -std=c99 -Os -fno-asynchronous-unwind-tables -static -s -o appliance examples/appliance.c
 *     ./appliance box@10.0.0.7 'gossip:?if=eth0&limit=128'
 *
 * python3 tests/appliance.py says how large it is, and how much memory it takes with how many members.
 */
#define CLUSTER_IMPLEMENTATION
#define CLUSTER_STATIC /* what nothing here calls is not in the program */
#define CLUSTER_NO_CONNECT
#define CLUSTER_NO_DNS
#define CLUSTER_NO_EPMD
#define CLUSTER_NO_EPMD_SERVER
#define CLUSTER_NO_HOSTS
#define CLUSTER_NO_HTTP
#define CLUSTER_NO_REFERENCE
#define CLUSTER_NO_RING
#define CLUSTER_NO_TERM
#include "../cluster.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MEMORY
#define MEMORY (128 * 1024)
#endif

static uint64_t memory[MEMORY / 8];
static volatile sig_atomic_t ended;

#ifndef __GLIBC__ /* which allocates before main begins */
/* The proof that there is no heap: whoever asks for it gets nothing. The C library takes these in place of its own. */
void *malloc(size_t size)
{
    (void)size;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    (void)count, (void)size;
    return NULL;
}

void *realloc(void *old, size_t size)
{
    (void)old, (void)size;
    return NULL;
}

void free(void *old)
{
    (void)old;
}
#endif

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

/* A line of up to four words. A line that cannot be written ends the program. */
static void say(int fd, const char *a, const char *b, const char *c, const char *d)
{
    const char *words[4];
    char line[640];
    size_t size = 0, i;
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
    for (i = 0; i < 4; i++) {
        size_t length = strlen(words[i]);
        length = length < sizeof line - 1 - size ? length : sizeof line - 1 - size;
        memcpy(line + size, words[i], length);
        size += length;
    }
    line[size++] = '\n';
    if (write(fd, line, size) != (ssize_t)size && fd == STDOUT_FILENO) {
        say(STDERR_FILENO, "appliance: the output cannot be written: is the disk full?", "", "", "");
        _exit(3);
    }
}

static const char *number(uint64_t value, unsigned base, char *out, size_t width)
{
    char *at = out + 20;
    for (*at = '\0'; value || width; value /= base, width -= width > 0)
        *--at = "0123456789abcdef"[value % base];
    return at;
}

static void on_log(void *ctx, int level, const char *message, const char *setting)
{
    (void)ctx, (void)level;
    say(STDERR_FILENO, "appliance: ", message, *setting ? ": see " : "", setting);
}

static int fail(const char *sentence, int status)
{
    say(STDERR_FILENO, "appliance: ", sentence, "", "");
    return status;
}

static void show(const struct cluster_event *e)
{
    char buffer[21];
    switch (e->type) {
    case CLUSTER_JOIN:
    case CLUSTER_LEAVE:
        say(STDOUT_FILENO, e->type == CLUSTER_JOIN ? "+ " : "- ", e->member->name, "", "");
        break;
    case CLUSTER_SOURCE:
        say(STDOUT_FILENO, "source ", cluster_source_url(e->source), " ", e->error ? e->text : "answers");
        break;
    case CLUSTER_MAP:
        say(STDOUT_FILENO, "map ", number(e->fingerprint, 16, buffer, 16), "", "");
        break;
    case CLUSTER_RESYNC:
        say(STDOUT_FILENO, "resync", "", "", "");
        break;
    default:
        break;
    }
}

/* How far up the buffer anything was ever written: it was zero at the start. */
static uint64_t memory_used(void)
{
    size_t i = sizeof memory / sizeof memory[0];
    while (i && !memory[i - 1])
        i--;
    return i * sizeof memory[0];
}

int main(int argc, char **argv)
{
    struct cluster_allocator arena;
    struct cluster_options options;
    struct cluster_map_options map;
    struct sigaction action;
    struct cluster *c;
    const struct cluster_event *e;
    char error[256] = "", used[21], all[21];
    int i, result = 0;
    if (argc < 3)
        return fail("it takes its own name and sources, as in: appliance box@10.0.0.7 gossip:", 2);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    memset(&map, 0, sizeof map);
    map.size = sizeof map;
    map.shards = 256;
    cluster_options_init(&options);
    options.node = argv[1];
    options.map = &map;
    options.allocator = &arena;
    options.limit_members = 128;
    options.limit_events = 64;
    options.limit_watches = 8;
    options.log = on_log;
    options.error = error;
    options.error_size = sizeof error;
    if (cluster_arena_init(&arena, memory, sizeof memory) < 0 || (result = cluster_create(&c, &options)) < 0)
        return fail(error, result == CLUSTER_E_INVALID ? 2 : 3);
    for (i = 2; i < argc; i++)
        if ((result = cluster_discover(c, argv[i], NULL)) < 0)
            return fail(cluster_last_error(c), result == CLUSTER_E_MEMORY ? 3 : 2);
    while (!ended && cluster_poll(c, 1000) == 0) /* a signal is seen between two polls */
        while ((e = cluster_next_event(c)) != NULL)
            show(e);
    cluster_destroy(c);
    say(STDOUT_FILENO, "memory ", number(memory_used(), 10, used, 1), " of ", number(sizeof memory, 10, all, 1));
    return 0;
}
