/* Teaches: a network that falls in two. Three nodes add to a balance in a store. One of them may write: the one that has the lease in
 * etcd, whose revision is the token that the store checks. A node that does not see the majority keeps the work that it is given, and
 * marks what it reads as stale. When all is healed it reads the store again, and its work goes there, once each however often
 * it is sent.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 5_split_brain examples/drills/5_split_brain.c
 *     COOKIE=secret ./5_split_brain n1@127.0.0.1 epmd:127.0.0.1 127.0.0.1:2379 store.txt     and so n2 and n3
 *
 * The store is a file that all share, a line a write. Work comes from any Erlang node: rpc:call('n1@127.0.0.1', drill, add,
 * [{Id, Amount}]), where Id is one that nobody used before; drill:read() gives the balance. A last argument is how long a node
 * may say nothing (8s).
 */
#define _DEFAULT_SOURCE /* ftruncate */
#include "drill.h"
#include "lease.h"
#include "store.h"
#include <fcntl.h>
#include <unistd.h>

#define NODES 3
#define BUFFER 256

struct replica {
    struct cluster *c;
    struct lease lease;
    const char *path;
    struct store store;             /* as it was read last */
    struct store_op buffer[BUFFER]; /* what the store may not have yet */
    size_t buffered;
    uint64_t request; /* to the writer, with one of these; 0: none is under way */
    uint64_t passed;  /* the id of that one */
    uint64_t said;    /* the token that was said last */
};

/* ---- the store: lines `TOKEN ID AMOUNT`, in a file that is locked ------- */

/* Read all of it, then write, unless there is only to be read (op NULL). The check of the token and the write are one, by the lock. */
static int store_file(struct replica *r, const struct store_op *op)
{
    struct flock lock;
    char line[96], *text, *at, *end;
    off_t size;
    int fd = open(r->path, O_RDWR | O_CREAT | O_APPEND, 0600), result = STORE_KNOWN;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    if (fd < 0 || fcntl(fd, F_SETLKW, &lock) < 0 || (size = lseek(fd, 0, SEEK_END)) < 0) {
        perror(r->path);
        exit(3);
    }
    text = (char *)terms_memory((size_t)size + 1);
    text[lseek(fd, 0, SEEK_SET) == 0 && read(fd, text, (size_t)size) == (ssize_t)size ? size : 0] = '\0';
    r->store.count = 0;
    r->store.token = 0;
    for (at = text; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        struct store_op old;
        uint64_t token = strtoull(at, &at, 10);
        old.id = strtoull(at, &at, 10);
        old.amount = strtoll(at, &at, 10);
        (void)store_write(&r->store, token, old);
    }
    if (*at && ftruncate(fd, (off_t)(at - text)) < 0) { /* who wrote that died at it, and told nobody that it was done */
        perror(r->path);
        exit(3);
    }
    free(text);
    if (op && (result = store_write(&r->store, r->lease.token, *op)) == STORE_DONE) {
        int length = snprintf(line, sizeof line, "%llu %llu %lld\n", (unsigned long long)r->lease.token,
                              (unsigned long long)op->id, (long long)op->amount);
        if (write(fd, line, (size_t)length) != (ssize_t)length) {
            perror(r->path);
            exit(3);
        }
    }
    close(fd);
    return result;
}

/* ---- work ---------------------------------------------------------------- */

static int ready(const struct replica *r)
{
    return cluster_status(r->c) == CLUSTER_READY;
}

static void forget(struct replica *r, uint64_t id)
{
    size_t i;
    for (i = 0; i < r->buffered && r->buffer[i].id != id; i++)
        continue;
    if (i < r->buffered)
        r->buffer[i] = r->buffer[--r->buffered];
}

/* Let the buffered work go where it belongs: to the store if we write, else to the one who does. It stays until the store has it. */
static void deliver(struct replica *r)
{
    while (ready(r) && r->buffered && r->lease.token) {
        int result = store_file(r, &r->buffer[0]);
        if (result == STORE_STALE) {
            printf("refused: token %llu, and the store has seen %llu\n", (unsigned long long)r->lease.token,
                   (unsigned long long)r->store.token);
            lease_lost(&r->lease);
            return;
        }
        forget(r, r->buffer[0].id);
    }
    if (ready(r) && r->buffered && !r->request && *r->lease.holder) {
        size_t size;
        unsigned char *arguments =
            term_of(&size, "[{%llu, %lld}]", (unsigned long long)r->buffer[0].id, (long long)r->buffer[0].amount);
        if (cluster_call(r->c, r->lease.holder, "drill", "add", arguments, size, 0, &r->request) < 0)
            r->request = 0;
        r->passed = r->buffer[0].id;
        free(arguments);
    }
}

static void on_reply(struct replica *r, const struct cluster_event *e)
{
    char *text = e->error ? NULL : term_text(e->term, e->term_size);
    if (e->request == r->request) {
        r->request = 0;
        if (text && strcmp(text, "done") == 0)
            forget(r, r->passed);
    }
    free(text);
}

/* The {Id, Amount} of a call, in whole numbers; 0: it is none. */
static int op_of(const char *arguments, struct store_op *op)
{
    char *pair = term_element(arguments, 0), *id = pair ? term_element(pair, 0) : NULL;
    char *amount = pair ? term_element(pair, 1) : NULL, *id_end, *amount_end;
    int good = 0;
    if (id && amount) {
        op->id = strtoull(id, &id_end, 10);
        op->amount = strtoll(amount, &amount_end, 10);
        good = !*id_end && !*amount_end;
    }
    free(pair);
    free(id);
    free(amount);
    return good;
}

/* drill:add({Id, Amount}) -> done | buffered; drill:read() -> {Balance, fresh | stale} */
static void on_call(struct replica *r, const struct cluster_event *e)
{
    char *arguments = term_text(e->term, e->term_size);
    unsigned char *answer = NULL;
    struct store_op op;
    size_t size = 0, i;
    if (strcmp(e->text, "drill:read/0") == 0) {
        if (ready(r))
            (void)store_file(r, NULL);
        answer =
            term_of(&size, "{%lld, %s}", (long long)store_balance(&r->store, r->store.count), ready(r) ? "fresh" : "stale");
    } else if (strcmp(e->text, "drill:add/1") == 0 && r->buffered < BUFFER && op_of(arguments, &op)) {
        for (i = 0; i < r->buffered && r->buffer[i].id != op.id; i++)
            continue;
        if (i == r->buffered)
            r->buffer[r->buffered++] = op;
        deliver(r);
        answer = term_of(&size, store_has(&r->store, r->store.count, op.id) ? "done" : "buffered");
    }
    cluster_answer(r->c, e->request, answer, size);
    free(arguments);
    free(answer);
}

static void on_event(struct replica *r, const struct cluster_event *e)
{
    drill_say(e);
    if (e->type == CLUSTER_CALL)
        on_call(r, e);
    else if (e->type == CLUSTER_REPLY)
        on_reply(r, e);
    if (e->type != CLUSTER_STATUS || e->state == CLUSTER_FORMING)
        return;
    if (ready(r)) /* the source of truth first, then our own work */
        (void)store_file(r, NULL);
    printf("%s: %u of %d nodes, balance %lld%s, %lu to be written\n", ready(r) ? "READY" : "DEGRADED", (unsigned)e->count,
           NODES, (long long)store_balance(&r->store, r->store.count), ready(r) ? "" : " (stale)", (unsigned long)r->buffered);
}

int main(int argc, char **argv)
{
    static struct replica r;
    struct cluster_options options;
    const struct cluster_event *e;
    char listen[64], url[160];
    if (argc != 5 && argc != 6)
        return drill_usage("./5_split_brain n1@127.0.0.1 epmd:127.0.0.1 127.0.0.1:2379 store.txt [8s]");
    drill_options(&options, argv[1], listen);
    options.quorum_of = "majority";
    options.expected = NODES;
    options.tick = argc == 6 ? argv[5] : "8s";
    r.path = argv[4];
    snprintf(url, sizeof url, "lease:%s?timeout=1s", argv[3]);
    if ((r.c = drill_begin(&options, argv[2])) == NULL)
        return 2;
    if (lease_register(r.c, &r.lease) < 0 || cluster_discover(r.c, url, NULL) < 0) {
        fprintf(stderr, "%s\n", cluster_last_error(r.c));
        cluster_destroy(r.c);
        return 2;
    }
    while (!drill_over) {
        uint64_t until = cluster_now() + 100 * DRILL_MS;
        while ((e = drill_event(r.c, until)) != NULL)
            on_event(&r, e);
        if (r.lease.token != r.said && r.lease.token)
            printf("writes under token %llu\n", (unsigned long long)r.lease.token);
        r.said = r.lease.token;
        deliver(&r);
    }
    cluster_destroy(r.c);
    free(r.store.ops);
    return 0;
}

/* Exercise: take the check out of store_write, pause the writer (kill -STOP) until another one writes, and let it go on
 * (kill -CONT) with work for it. What does the store have in it, and how long would the lease have to be for that never to
 * happen? */
