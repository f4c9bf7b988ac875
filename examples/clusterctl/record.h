/*
 * What sources answer, kept in a folder: a file for each connection and each datagram, after a line that says whose it is, and a note
 * with the URLs, the version, and what was asked. It stands between the library and its I/O hooks. Secrets that were sent, and those
 * that an answer names, are written as '*', as many as they were long, so that what is kept can still be parsed.
 */
#ifndef CLUSTERCTL_RECORD_H
#define CLUSTERCTL_RECORD_H

#include "helpers.h"

#define RECORD_MOST ((size_t)32 << 20) /* bytes kept of a connection */
#define RECORD_FILES 10000

/* A socket at work. */
struct record_socket {
    bool open, stream, muted, cut;
    void *tls;
    unsigned number; /* of its file; 0: nothing came yet */
    char peer[96];
    struct text bytes;
};

struct recorder {
    struct cluster_io under; /* the hooks that do the work */
    const char *folder;      /* NULL: nothing is recorded */
    FILE *note;
    unsigned files;
    struct record_socket *sockets; /* by fd */
    size_t count;
    struct names secrets;
};

static struct recorder recorder;

static struct record_socket *record_of(int fd)
{
    return fd >= 0 && (size_t)fd < recorder.count && recorder.sockets[fd].open ? &recorder.sockets[fd] : NULL;
}

static void record_peer(struct record_socket *s, const struct cluster_address *a)
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof text);
    snprintf(s->peer, sizeof s->peer, a->family == 6 ? "[%s]:%u" : "%s:%u", text, a->port);
}

/* ---- secrets ---------------------------------------------------------- */

static void record_secret(const char *at, size_t length)
{
    size_t i;
    char *secret;
    for (i = length; i && at[i - 1] != ' ';) /* "Bearer TOKEN": what comes after the scheme */
        i--;
    at += i;
    length -= i;
    if (length < 4)
        return;
    for (i = 0; i < recorder.secrets.count; i++)
        if (strlen(recorder.secrets.at[i]) == length && !memcmp(recorder.secrets.at[i], at, length))
            return;
    secret = (char *)grow(NULL, length + 1);
    memcpy(secret, at, length);
    secret[length] = '\0';
    recorder.secrets.at = (char **)grow(recorder.secrets.at, (recorder.secrets.count + 1) * sizeof *recorder.secrets.at);
    recorder.secrets.at[recorder.secrets.count++] = secret;
}

/* Where a text begins among bytes; NULL: nowhere. */
static char *record_find(char *at, const char *end, const char *text)
{
    size_t length = strlen(text);
    for (; (size_t)(end - at) >= length; at++)
        if (*at == *text && !memcmp(at, text, length))
            return at;
    return NULL;
}

/* Stars over the value of a member of a JSON object. */
static void record_mask_value(char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == ':' || *at == '\n'))
        at++;
    if (at == end || *at != '"')
        return;
    for (at++; at < end && *at != '"'; at++) {
        bool escape = *at == '\\';
        *at = '*';
        if (escape && at + 1 < end)
            *++at = '*';
    }
}

static void record_mask(char *bytes, size_t size)
{
    static const char *const members[] = {"\"AccessKeyId\"", "\"SecretAccessKey\"", "\"Token\"",
                                          "\"token\"",       "\"password\"",        "\"secret\""};
    const char *end = bytes + size;
    char *at;
    size_t i;
    for (i = 0; i < recorder.secrets.count; i++)
        for (at = bytes; (at = record_find(at, end, recorder.secrets.at[i])) != NULL;)
            memset(at, '*', strlen(recorder.secrets.at[i]));
    for (i = 0; i < COUNT(members); i++)
        for (at = bytes; (at = record_find(at, end, members[i])) != NULL;) {
            at += strlen(members[i]);
            record_mask_value(at, end);
        }
}

/* ---- files ------------------------------------------------------------ */

static void record_write(unsigned number, const char *kind, const char *peer, const char *bytes, size_t size, bool cut)
{
    char path[1024];
    int fd;
    FILE *f;
    bool bad = true;
    snprintf(path, sizeof path, "%s/%04u-%s", recorder.folder, number, kind);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (f) {
        fprintf(f, "# %s %s, %lu bytes%s\n", kind, peer, (unsigned long)size, cut ? ", cut" : "");
        fwrite(bytes, 1, size, f);
        bad = ferror(f) != 0;
        bad = fclose(f) != 0 || bad;
    }
    if (bad)
        fprintf(stderr, "clusterctl: warning: cannot write %s: %s\n", path, strerror(errno));
}

static void record_finish(struct record_socket *s)
{
    if (s->stream && s->number && !s->muted) {
        record_mask(s->bytes.at, s->bytes.length);
        record_write(s->number, s->tls ? "tls" : "tcp", s->peer, s->bytes.at, s->bytes.length, s->cut);
    }
    text_free(&s->bytes);
    memset(s, 0, sizeof *s);
}

/* ---- what comes and goes ---------------------------------------------- */

/* A request by HTTP goes into the note with its first line, and is where secrets are known from. */
static void record_sent(struct record_socket *s, const char *data, size_t size)
{
    static const char *const fields[] = {
        "authorization:", "x-consul-token:", "x-amz-security-token:", "x-aws-ec2-metadata-token:"};
    const char *end = data + size, *line = data, *next;
    size_t i, length = 0;
    while (length < size && data[length] != '\r' && data[length] != '\n')
        length++;
    if (length < 9 || length == size || memcmp(data + length - 9, " HTTP/1.1", 9) != 0)
        return;
    s->muted = s->muted || (length > 21 && !memcmp(data, "PUT /latest/api/token", 21));
    fprintf(recorder.note, "%s: %.*s%s\n", s->peer, (int)length, data, s->muted ? " (its answers are keys, and not kept)" : "");
    fflush(recorder.note);
    for (; line < end && *line != '\r'; line = next) {
        next = (const char *)memchr(line, '\n', (size_t)(end - line));
        if (!next)
            return;
        for (i = 0; i < COUNT(fields); i++) {
            length = strlen(fields[i]);
            if ((size_t)(next - line) > length && !strncasecmp(line, fields[i], length))
                record_secret(line + length, (size_t)(next - line) - length - (next[-1] == '\r'));
        }
        next++;
    }
}

static void record_got(struct record_socket *s, const char *data, size_t size, const struct cluster_address *from)
{
    size_t room = RECORD_MOST - s->bytes.length;
    if (!s->number && recorder.files == RECORD_FILES)
        return;
    if (!s->stream) {
        char *copy = (char *)grow(NULL, size + 1);
        memcpy(copy, data, size);
        if (from)
            record_peer(s, from);
        record_mask(copy, size);
        record_write(++recorder.files, "udp", s->peer, copy, size, false);
        free(copy);
        return;
    }
    if (!s->number)
        s->number = ++recorder.files;
    s->cut = s->cut || size > room;
    if (!s->muted)
        text_bytes(&s->bytes, data, size < room ? size : room);
}

/* ---- hooks ------------------------------------------------------------ */

static int record_open(void *ctx, int kind, int family)
{
    int fd = recorder.under.open(ctx, kind, family);
    struct record_socket *s;
    if (fd < 0)
        return fd;
    if ((size_t)fd >= recorder.count) {
        recorder.sockets = (struct record_socket *)grow(recorder.sockets, ((size_t)fd + 1) * sizeof *recorder.sockets);
        memset(recorder.sockets + recorder.count, 0, ((size_t)fd + 1 - recorder.count) * sizeof *recorder.sockets);
        recorder.count = (size_t)fd + 1;
    }
    s = &recorder.sockets[fd];
    s->open = true;
    s->stream = kind == CLUSTER_TCP;
    return fd;
}

static int record_connect(void *ctx, int fd, const struct cluster_address *address)
{
    struct record_socket *s = record_of(fd);
    if (s)
        record_peer(s, address);
    return recorder.under.connect(ctx, fd, address);
}

static int64_t record_send(void *ctx, int fd, const void *data, size_t size, const struct cluster_address *to)
{
    int64_t sent = recorder.under.send(ctx, fd, data, size, to);
    struct record_socket *s = record_of(fd);
    if (sent > 0 && s && s->stream)
        record_sent(s, (const char *)data, size);
    return sent;
}

static int64_t record_recv(void *ctx, int fd, void *data, size_t size, struct cluster_address *from)
{
    struct cluster_address peer;
    struct cluster_address *whose = from ? from : &peer;
    struct record_socket *s = record_of(fd);
    int64_t got = recorder.under.recv(ctx, fd, data, size, s && !s->stream ? whose : from);
    if (got > 0 && s)
        record_got(s, (const char *)data, (uint64_t)got < size ? (size_t)got : size, s->stream ? NULL : whose);
    return got;
}

static void record_close(void *ctx, int fd)
{
    struct record_socket *s = record_of(fd);
    if (s)
        record_finish(s);
    recorder.under.close(ctx, fd);
}

static int record_tls_start(void *ctx, int fd, const char *server, const char *ca, void **tls)
{
    int result = recorder.under.tls_start(ctx, fd, server, ca, tls);
    struct record_socket *s = record_of(fd);
    if (result == 0 && s)
        s->tls = *tls;
    return result;
}

static struct record_socket *record_of_tls(const void *tls)
{
    size_t i;
    for (i = 0; i < recorder.count; i++)
        if (recorder.sockets[i].open && recorder.sockets[i].tls == tls)
            return &recorder.sockets[i];
    return NULL;
}

static int64_t record_tls_recv(void *ctx, void *tls, void *data, size_t size)
{
    int64_t got = recorder.under.tls_recv(ctx, tls, data, size);
    struct record_socket *s = record_of_tls(tls);
    if (got > 0 && s)
        record_got(s, (const char *)data, (size_t)got, NULL);
    return got;
}

static int64_t record_tls_send(void *ctx, void *tls, const void *data, size_t size)
{
    int64_t sent = recorder.under.tls_send(ctx, tls, data, size);
    struct record_socket *s = record_of_tls(tls);
    if (sent > 0 && s)
        record_sent(s, (const char *)data, size);
    return sent;
}

static void record_tls_close(void *ctx, void *tls)
{
    struct record_socket *s = record_of_tls(tls);
    if (s) { /* another session may have its place in memory */
        record_finish(s);
        s->open = s->stream = true;
    }
    recorder.under.tls_close(ctx, tls);
}

/* ---- the beginning and the end ---------------------------------------- */

/* From here on what comes through these hooks is kept in the folder. */
static int record_begin(struct cluster_io *io, const char *folder)
{
    struct cluster_options options;
    struct cluster *c;
    struct cluster_source *s;
    char path[1024];
    int fd;
    cluster_options_init(&options);
    options.io = io;
    /* the hooks that io leaves to the library are those that a source sees */
    if (cluster_create(&c, &options) < 0 || cluster_discover(c, "static:", &s) < 0)
        return fail(FAILED, "no memory");
    recorder.under = *cluster_source_io(s);
    cluster_destroy(c);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return fail(FAILED, "cannot make the folder %s: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/note.txt", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    recorder.note = fd < 0 ? NULL : fdopen(fd, "w");
    if (!recorder.note)
        return fail(FAILED, "cannot write %s: %s: --record takes a folder that is new or empty", path, strerror(errno));
    recorder.folder = folder;
    io->open = record_open;
    io->connect = record_connect;
    io->send = record_send;
    io->recv = record_recv;
    io->close = record_close;
    if (recorder.under.tls_start) {
        io->tls_start = record_tls_start;
        io->tls_recv = record_tls_recv;
        io->tls_send = record_tls_send;
        io->tls_close = record_tls_close;
    }
    fprintf(recorder.note, "clusterctl with cluster.h %s\n", cluster_version_string());
    return DONE;
}

/* The URLs, as they may be shown; at the end with how each source stands. */
static void record_sources(struct cluster *c, bool end)
{
    static const char *const states[] = {"starting", "answer", "empty", "failed"};
    struct cluster_source *s;
    size_t i;
    for (i = 0; recorder.folder && (s = cluster_source_at(c, i)) != NULL; i++)
        fprintf(recorder.note, "source %s%s%s%s%s\n", cluster_source_url(s), end ? " " : "",
                end ? states[cluster_source_state(s)] : "", end && *cluster_source_why(s) ? ": " : "",
                end ? cluster_source_why(s) : "");
}

/* After the last handle. */
static void record_end(void)
{
    size_t i;
    if (!recorder.folder)
        return;
    for (i = 0; i < recorder.count; i++)
        if (recorder.sockets[i].open)
            record_finish(&recorder.sockets[i]);
    if (fclose(recorder.note) != 0)
        fprintf(stderr, "clusterctl: warning: cannot write %s/note.txt: %s\n", recorder.folder, strerror(errno));
    for (i = 0; i < recorder.secrets.count; i++)
        free(recorder.secrets.at[i]);
    free(recorder.secrets.at);
    free(recorder.sockets);
    memset(&recorder, 0, sizeof recorder);
}

#endif
