/* The POSIX defaults against the kernel's loopback. */
#include "../../src/loop/posix.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct cluster_io io;

static int setup(void **state)
{
    (void)state;
    memset(&io, 0, sizeof io);
    io.size = (uint32_t)sizeof io;
    clu_posix_io(&io);
    return 0;
}

static struct cluster_address v4(const char *bytes, uint16_t port)
{
    struct cluster_address a;
    memset(&a, 0, sizeof a);
    a.family = 4;
    a.port = port;
    memcpy(a.bytes, bytes, 4);
    return a;
}

#define LOOPBACK "\x7f\0\0\1"

/* The port that the kernel gave. */
static uint16_t port_of(int fd)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    return ntohs(name.sin_port);
}

/* A guard against a hang, not a measure of time. */
static short wait_for(int fd, short events)
{
    struct pollfd p = {fd, events, 0};
    assert_int_equal(poll(&p, 1, 10000), 1);
    return p.revents;
}

static int bound(int kind, uint32_t flags, uint16_t *port)
{
    struct cluster_address a = v4(LOOPBACK, *port);
    int fd = io.open(NULL, kind, 4);
    assert_true(fd >= 0);
    assert_int_equal(io.bind(NULL, fd, &a, flags), 0);
    *port = port_of(fd);
    return fd;
}

static void assert_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* A connected pair of streams. */
static void pair(int *client, int *server)
{
    uint16_t port = 0;
    int listener = bound(CLUSTER_TCP, 0, &port);
    struct cluster_address to = v4(LOOPBACK, port), peer;
    assert_int_equal(io.accept(NULL, listener, &peer), CLUSTER_E_INVALID); /* not yet listening */
    assert_int_equal(io.listen(NULL, listener, 4), 0);
    assert_int_equal(io.accept(NULL, listener, &peer), CLUSTER_E_AGAIN);
    *client = io.open(NULL, CLUSTER_TCP, 4);
    assert_true(*client >= 0);
    assert_int_equal(io.connect(NULL, *client, &to), 0);
    wait_for(listener, POLLIN);
    *server = io.accept(NULL, listener, &peer);
    assert_true(*server >= 0);
    assert_int_equal(peer.family, 4);
    assert_int_equal(peer.port, port_of(*client));
    assert_memory_equal(peer.bytes, LOOPBACK, 4);
    assert_flags(*client);
    assert_flags(*server);
    assert_flags(listener);
    io.close(NULL, listener);
}

static void keeps_the_hosts_functions(void **state)
{
    struct cluster_io mine;
    (void)state;
    memset(&mine, 0, sizeof mine);
    mine.open = clu_posix_open;
    mine.wall_time = (uint64_t(*)(void *))abort;
    clu_posix_io(&mine);
    assert_true(mine.wall_time == (uint64_t(*)(void *))abort);
    assert_true(mine.open == clu_posix_open);
    assert_true(mine.random == clu_posix_random);
    assert_true(mine.bind == clu_posix_bind);
    assert_true(mine.interfaces == clu_posix_interfaces);
}

static void maps_errors(void **state)
{
    static const struct {
        int number, result;
    } cases[] = {
        {EAGAIN, CLUSTER_E_AGAIN},
        {EWOULDBLOCK, CLUSTER_E_AGAIN},
        {EINPROGRESS, CLUSTER_E_AGAIN},
        {ENOTCONN, CLUSTER_E_AGAIN},
        {ENOMEM, CLUSTER_E_MEMORY},
        {EMFILE, CLUSTER_E_LIMIT},
        {ENFILE, CLUSTER_E_LIMIT},
        {EMSGSIZE, CLUSTER_E_LIMIT},
        {ENOENT, CLUSTER_E_NOT_FOUND},
        {ETIMEDOUT, CLUSTER_E_TIMEOUT},
        {ECONNREFUSED, CLUSTER_E_REFUSED},
        {ENETUNREACH, CLUSTER_E_UNREACHABLE},
        {EHOSTUNREACH, CLUSTER_E_UNREACHABLE},
        {EHOSTDOWN, CLUSTER_E_UNREACHABLE},
        {EPIPE, CLUSTER_E_CLOSED},
        {ECONNRESET, CLUSTER_E_CLOSED},
        {EACCES, CLUSTER_E_PERMISSION},
        {EPERM, CLUSTER_E_PERMISSION},
        {EADDRINUSE, CLUSTER_E_ADDRESS},
        {EADDRNOTAVAIL, CLUSTER_E_ADDRESS},
        {EAFNOSUPPORT, CLUSTER_E_UNSUPPORTED},
        {ENOSYS, CLUSTER_E_UNSUPPORTED},
        {EINVAL, CLUSTER_E_INVALID},
        {EBADF, CLUSTER_E_IO},
        {EIO, CLUSTER_E_IO},
        {0, CLUSTER_E_IO},
        {-1, CLUSTER_E_IO},
        {123456, CLUSTER_E_IO},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        assert_int_equal(clu_posix_error(cases[i].number), cases[i].result);
}

static void calls_on_nothing_fail(void **state)
{
    struct cluster_address none, to = v4(LOOPBACK, 1);
    char byte = 0;
    uint16_t port = 0;
    int fd, other;
    (void)state;
    memset(&none, 0, sizeof none);
    assert_int_equal(io.bind(NULL, -1, &to, CLUSTER_IO_REUSE), CLUSTER_E_IO);
    assert_int_equal(io.connect(NULL, -1, &to), CLUSTER_E_IO);
    assert_int_equal(io.listen(NULL, -1, 1), CLUSTER_E_IO);
    assert_int_equal(io.accept(NULL, -1, NULL), CLUSTER_E_IO);
    assert_int_equal(io.send(NULL, -1, &byte, 1, NULL), CLUSTER_E_IO);
    assert_int_equal(io.recv(NULL, -1, &byte, 1, NULL), CLUSTER_E_IO);
    assert_int_equal(io.join(NULL, -1, &none, &to, 1), CLUSTER_E_IO);
    fd = bound(CLUSTER_UDP, 0, &port);
    assert_int_equal(io.bind(NULL, fd, &none, 0), CLUSTER_E_INVALID);
    assert_int_equal(io.connect(NULL, fd, &none), CLUSTER_E_INVALID);
    assert_int_equal(io.send(NULL, fd, &byte, 1, &none), CLUSTER_E_INVALID);
    assert_int_equal(io.send(NULL, fd, &byte, 1, NULL), CLUSTER_E_INVALID); /* no destination */
    assert_int_equal(io.join(NULL, fd, &none, &none, 1), CLUSTER_E_INVALID);
    assert_int_equal(io.join(NULL, fd, &none, &to, 256), CLUSTER_E_INVALID);
    assert_int_equal(io.join(NULL, fd, &none, &to, -1), CLUSTER_E_INVALID);
    assert_int_equal(io.join(NULL, fd, &to, &to, 1), CLUSTER_E_INVALID); /* no multicast address */
    other = io.open(NULL, CLUSTER_UDP, 4);
    to.port = port;
    assert_int_equal(io.bind(NULL, other, &to, 0), CLUSTER_E_ADDRESS);
    io.close(NULL, other);
    other = io.open(NULL, CLUSTER_UDP, 4);
    to = v4("\xc0\0\2\1", 0); /* TEST-NET-1 is no address of this host */
    assert_int_equal(io.bind(NULL, other, &to, 0), CLUSTER_E_ADDRESS);
    io.close(NULL, other);
    io.close(NULL, fd);
}

static void stream_carries_and_ends(void **state)
{
    int client, server, on = 0;
    socklen_t size = sizeof on;
    struct cluster_address from;
    char in[8];
    (void)state;
    pair(&client, &server);
    assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    size = sizeof on;
    assert_int_equal(getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    assert_int_equal(io.recv(NULL, server, in, sizeof in, NULL), CLUSTER_E_AGAIN);
    wait_for(client, POLLOUT);
    assert_int_equal(io.send(NULL, client, "0123456789", 10, NULL), 10);
    wait_for(server, POLLIN);
    /* the rest of a stream is not lost where it did not fit, whether or not the peer is asked for */
    assert_int_equal(io.recv(NULL, server, in, 4, &from), 4);
    assert_memory_equal(in, "0123", 4);
    assert_int_equal(io.recv(NULL, server, in, 8, NULL), 6);
    assert_memory_equal(in, "456789", 6);
    io.close(NULL, client);
    wait_for(server, POLLIN);
    assert_int_equal(io.recv(NULL, server, in, sizeof in, NULL), 0);
    io.close(NULL, server);
}

static void refused(void **state)
{
    uint16_t port = 0;
    int fd = bound(CLUSTER_TCP, 0, &port), client, error; /* bound, so nobody else takes the port; not listening */
    struct cluster_address to = v4(LOOPBACK, port);
    (void)state;
    client = io.open(NULL, CLUSTER_TCP, 4);
    error = io.connect(NULL, client, &to);
    if (!error) {
        wait_for(client, POLLOUT);
        error = (int)io.send(NULL, client, "x", 1, NULL);
    }
    assert_int_equal(error, CLUSTER_E_REFUSED);
    io.close(NULL, client);
    io.close(NULL, fd);
}

/* Runs in a child with the default disposition of SIGPIPE, which would end it. */
static int write_to_a_reset_stream(void)
{
    struct linger now = {1, 0};
    int client, server, i;
    int64_t got = 0;
    char in[4];
    (void)signal(SIGPIPE, SIG_DFL);
    pair(&client, &server);
    (void)setsockopt(server, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    io.close(NULL, server);
    wait_for(client, POLLIN);
    if (io.recv(NULL, client, in, sizeof in, NULL) != CLUSTER_E_CLOSED)
        return 1;
    for (i = 0; i < 3 && got >= 0; i++)
        got = io.send(NULL, client, "x", 1, NULL);
    if (got != CLUSTER_E_CLOSED)
        return 2;
    io.close(NULL, client);
    client = io.open(NULL, CLUSTER_TCP, 4);
    got = io.send(NULL, client, "x", 1, NULL); /* never connected */
    if (got != CLUSTER_E_CLOSED && got != CLUSTER_E_AGAIN)
        return 3;
    return 0;
}

static void no_sigpipe(void **state)
{
    int status = 0;
    pid_t child = fork();
    (void)state;
    if (child == 0)
        _exit(write_to_a_reset_stream());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void send_says_again_when_full(void **state)
{
    static char block[65536];
    int client, server, i;
    int64_t sent = 0;
    (void)state;
    pair(&client, &server);
    wait_for(client, POLLOUT);
    for (i = 0; i < 4096 && sent >= 0; i++)
        sent = io.send(NULL, client, block, sizeof block, NULL);
    assert_int_equal(sent, CLUSTER_E_AGAIN);
    io.close(NULL, client);
    io.close(NULL, server);
}

static void datagram_that_does_not_fit(void **state)
{
    uint16_t port = 0, other = 0;
    int to = bound(CLUSTER_UDP, 0, &port), from = bound(CLUSTER_UDP, 0, &other);
    struct cluster_address target = v4(LOOPBACK, port), sender = v4(LOOPBACK, other), peer;
    char in[4];
    (void)state;
    assert_int_equal(io.connect(NULL, to, &sender), 0); /* other programs may send to a port that they believe to be theirs */
    assert_flags(to);
    assert_int_equal(io.recv(NULL, to, in, sizeof in, &peer), CLUSTER_E_AGAIN);
    assert_int_equal(io.send(NULL, from, "0123456789", 10, &target), 10);
    assert_int_equal(io.send(NULL, from, "abcd", 4, &target), 4);
    assert_int_equal(io.send(NULL, from, "", 0, &target), 0);
    wait_for(to, POLLIN);
    assert_true(io.recv(NULL, to, in, sizeof in, &peer) > 4);
    assert_memory_equal(in, "0123", 4);
    assert_int_equal(peer.family, 4);
    assert_int_equal(peer.port, other);
    assert_memory_equal(peer.bytes, LOOPBACK, 4);
    assert_int_equal(io.recv(NULL, to, in, sizeof in, NULL), 4);
    assert_memory_equal(in, "abcd", 4);
    assert_int_equal(io.recv(NULL, to, in, sizeof in, &peer), 0);
    assert_int_equal(io.recv(NULL, to, in, sizeof in, &peer), CLUSTER_E_AGAIN);
    /* connected: the peer is implied, and its refusal is heard */
    assert_int_equal(io.connect(NULL, from, &target), 0);
    io.close(NULL, to);
    assert_int_equal(io.send(NULL, from, "x", 1, NULL), 1);
    wait_for(from, POLLIN);
    assert_int_equal(io.recv(NULL, from, in, sizeof in, NULL), CLUSTER_E_REFUSED);
    io.close(NULL, from);
}

static void too_large_datagram_is_a_limit(void **state)
{
    static char block[70000];
    uint16_t port = 0;
    int fd = bound(CLUSTER_UDP, 0, &port);
    struct cluster_address to = v4(LOOPBACK, port);
    (void)state;
    assert_int_equal(io.send(NULL, fd, block, sizeof block, &to), CLUSTER_E_LIMIT);
    io.close(NULL, fd);
}

static void ipv6(void **state)
{
    struct cluster_address any, any4 = v4("\0\0\0\0", 0), to, peer;
    int six = io.open(NULL, CLUSTER_UDP, 6), four, sender;
    struct sockaddr_in6 name;
    socklen_t size = sizeof name;
    char in[4];
    (void)state;
    memset(&any, 0, sizeof any);
    any.family = 6;
    if (six < 0 || io.bind(NULL, six, &any, 0) != 0) {
        print_message("this kernel has no IPv6\n");
        skip();
    }
    assert_int_equal(getsockname(six, (struct sockaddr *)&name, &size), 0);
    any4.port = ntohs(name.sin6_port);
    four = io.open(NULL, CLUSTER_UDP, 4);
    assert_int_equal(io.bind(NULL, four, &any4, 0), 0); /* V6ONLY: the IPv4 port is free */
    to = any;
    to.bytes[15] = 1;
    to.port = any4.port;
    sender = io.open(NULL, CLUSTER_UDP, 6);
    if (io.send(NULL, sender, "six", 3, &to) == 3) {
        wait_for(six, POLLIN);
        assert_int_equal(io.recv(NULL, six, in, sizeof in, &peer), 3);
        assert_int_equal(peer.family, 6);
        assert_memory_equal(peer.bytes, to.bytes, 16);
    } else {
        print_message("::1 is not up here\n");
    }
    io.close(NULL, six);
    io.close(NULL, four);
    io.close(NULL, sender);
}

static void multicast_is_heard_back(void **state)
{
    struct cluster_address any = v4("\0\0\0\0", 0), via = v4(LOOPBACK, 0), group = v4("\xe9\xfc\1\x20", 0), none, from;
    int one = io.open(NULL, CLUSTER_UDP, 4), two, stranger, error;
    char in[16];
    (void)state;
    memset(&none, 0, sizeof none);
    assert_int_equal(io.bind(NULL, one, &any, CLUSTER_IO_REUSE), 0);
    any.port = group.port = port_of(one);
    two = io.open(NULL, CLUSTER_UDP, 4);
    assert_int_equal(io.bind(NULL, two, &any, CLUSTER_IO_REUSE), 0);
    stranger = io.open(NULL, CLUSTER_UDP, 4);
    assert_int_equal(io.bind(NULL, stranger, &any, 0), CLUSTER_E_ADDRESS); /* sharing is asked for, never given */
    error = io.join(NULL, one, &group, &via, 1);
    if (error) {
        print_message("the kernel refuses multicast on 127.0.0.1: %d\n", error);
        skip();
    }
    assert_int_equal(io.join(NULL, two, &group, &via, 1), 0);
    assert_int_equal(io.send(NULL, one, "heartbeat", 9, &group), 9);
    wait_for(two, POLLIN);
    assert_int_equal(io.recv(NULL, two, in, sizeof in, &from), 9);
    assert_memory_equal(from.bytes, LOOPBACK, 4);
    wait_for(one, POLLIN);
    assert_int_equal(io.recv(NULL, one, in, sizeof in, &from), 9);
    /* only the interface chosen: sends, is no member */
    io.close(NULL, stranger);
    stranger = io.open(NULL, CLUSTER_UDP, 4);
    assert_int_equal(io.join(NULL, stranger, &none, &via, 1), 0);
    assert_int_equal(io.send(NULL, stranger, "hello", 5, &group), 5);
    wait_for(two, POLLIN);
    assert_int_equal(io.recv(NULL, two, in, sizeof in, &from), 5);
    assert_int_equal(from.port, port_of(stranger));
    io.close(NULL, one);
    io.close(NULL, two);
    io.close(NULL, stranger);
}

static void broadcast_needs_its_flag(void **state)
{
    struct cluster_address any = v4("\0\0\0\0", 0), all = v4("\x7f\xff\xff\xff", 0), from;
    int with = io.open(NULL, CLUSTER_UDP, 4), without = io.open(NULL, CLUSTER_UDP, 4);
    char in[4];
    (void)state;
    assert_int_equal(io.bind(NULL, with, &any, CLUSTER_IO_BROADCAST), 0);
    assert_int_equal(io.bind(NULL, without, &any, 0), 0);
    all.port = port_of(with);
    assert_int_equal(io.send(NULL, without, "no", 2, &all), CLUSTER_E_PERMISSION);
    assert_int_equal(io.send(NULL, with, "yes", 3, &all), 3);
    wait_for(with, POLLIN);
    assert_int_equal(io.recv(NULL, with, in, sizeof in, &from), 3);
    io.close(NULL, with);
    io.close(NULL, without);
}

static void interfaces_have_loopback(void **state)
{
    struct cluster_address list[64], one;
    int count = io.interfaces(NULL, NULL, list, CLU_COUNT(list)), found = 0, i;
    (void)state;
    assert_true(count > 0);
    for (i = 0; i < count && i < (int)CLU_COUNT(list); i++) {
        assert_true(list[i].family == 4 || list[i].family == 6);
        if (list[i].family == 4 && memcmp(list[i].bytes, LOOPBACK, 4) == 0) {
            assert_int_equal(list[i].prefix, 8);
            assert_int_equal(list[i].port, 0);
            found = 1;
        }
        if (list[i].family == 6 && list[i].bytes[0] == 0xfe && (list[i].bytes[1] & 0xc0) == 0x80)
            assert_true(list[i].scope != 0);
    }
    assert_true(found);
    assert_int_equal(io.interfaces(NULL, NULL, NULL, 0), count);
    assert_int_equal(io.interfaces(NULL, NULL, &one, 1), count);
    assert_int_equal(io.interfaces(NULL, "no-such-interface", list, CLU_COUNT(list)), 0);
}

static char directory[] = "/tmp/test_posix_......";
static char path[sizeof directory + 16];

static void put(const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void file_is_read_when_it_changed(void **state)
{
    char in[8];
    uint64_t stamp = 0, before;
    (void)state;
    put("one");
    memset(in, 0, sizeof in);
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, &stamp), 3);
    assert_memory_equal(in, "one", 4);
    assert_true(stamp != 0);
    /* changed at once, to the same size: seen, however coarse the clock of the file system */
    put("two");
    before = stamp;
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, &stamp), 3);
    assert_memory_equal(in, "two", 3);
    assert_true(stamp != before);
    /* larger than the room: the size says so */
    put("0123456789");
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, &stamp), 10);
    assert_memory_equal(in, "01234567", 8);
    put("01234567");
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, &stamp), 8);
    put("");
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, NULL), 0);
    /* a failure leaves the stamp */
    before = stamp;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, &stamp), CLUSTER_E_NOT_FOUND);
    assert_int_equal(stamp, before);
}

/* Files that nobody changed for a while keep their stamp: those of the system do. */
static void file_unchanged_goes_unread(void **state)
{
    static const char *const old[] = {"/etc/services", "/etc/protocols", "/etc/passwd", "/bin/sh"};
    char in[8], again[8];
    uint64_t stamp = 0, kept;
    size_t i;
    int done = 0;
    (void)state;
    for (i = 0; i < CLU_COUNT(old); i++) {
        struct stat info;
        if (stat(old[i], &info) != 0 || time(NULL) - info.st_ctime < 60)
            continue;
        stamp = 0;
        assert_true(io.read_file(NULL, old[i], in, sizeof in, &stamp) > 8);
        memset(again, 'x', sizeof again);
        kept = stamp;
        assert_int_equal(io.read_file(NULL, old[i], again, sizeof again, &stamp), CLUSTER_E_AGAIN);
        assert_memory_equal(again, "xxxxxxxx", 8);
        assert_true(stamp == kept);
        stamp++;
        assert_true(io.read_file(NULL, old[i], again, sizeof again, &stamp) > 8);
        assert_true(stamp == kept);
        assert_memory_equal(again, in, 8);
        done = 1;
    }
    if (!done)
        skip();
}

static void stamp_follows_each_part(void **state)
{
    struct stat info, other;
    (void)state;
    memset(&info, 0, sizeof info);
    info.st_mtime = info.st_ctime = 1000000000;
    info.st_size = 10;
    info.st_ino = 7;
    assert_true(clu_posix_stamp(&info) == clu_posix_stamp(&info));
    other = info, other.st_size = 11;
    assert_true(clu_posix_stamp(&info) != clu_posix_stamp(&other));
    other = info, other.st_ino = 8;
    assert_true(clu_posix_stamp(&info) != clu_posix_stamp(&other));
    other = info, other.st_mtime++;
    assert_true(clu_posix_stamp(&info) != clu_posix_stamp(&other));
#ifdef __linux__
    other = info, other.st_mtim.tv_nsec = 1;
    assert_true(clu_posix_stamp(&info) != clu_posix_stamp(&other));
#endif
    other = info, other.st_ctime++;
    assert_true(clu_posix_stamp(&info) != clu_posix_stamp(&other));
    /* written just now, or in the future of a clock that was set back: never the same stamp twice */
    other = info, other.st_mtime = time(NULL);
    assert_true(clu_posix_stamp(&other) != clu_posix_stamp(&other));
    other = info, other.st_mtime = time(NULL) + 100000;
    assert_true(clu_posix_stamp(&other) != clu_posix_stamp(&other));
    other = info, other.st_ctime = time(NULL);
    assert_true(clu_posix_stamp(&other) != clu_posix_stamp(&other));
}

static void only_files_are_read(void **state)
{
    char in[8];
    uint64_t stamp = 0;
    (void)state;
    assert_int_equal(io.read_file(NULL, directory, in, sizeof in, &stamp), CLUSTER_E_INVALID);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(io.read_file(NULL, path, in, sizeof in, &stamp), CLUSTER_E_INVALID); /* and does not wait */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(io.read_file(NULL, "", in, sizeof in, &stamp), CLUSTER_E_NOT_FOUND);
    assert_int_equal(io.read_file(NULL, "/dev/null/x", in, sizeof in, &stamp), CLUSTER_E_NOT_FOUND);
    assert_int_equal(stamp, 0);
#ifdef __linux__
    assert_true(io.read_file(NULL, "/proc/self/stat", in, sizeof in, &stamp) > 8); /* st_size is 0 there */
#endif
}

static void environment_and_host_name(void **state)
{
    char out[300], host[256];
    (void)state;
    assert_int_equal(setenv("CLUSTER_TEST", "value", 1), 0);
    assert_int_equal(io.environment(NULL, "CLUSTER_TEST", out, sizeof out), 5);
    assert_string_equal(out, "value");
    out[0] = 'x';
    assert_int_equal(io.environment(NULL, "CLUSTER_TEST", out, 5), 5); /* no room for its end: not written */
    assert_int_equal(out[0], 'x');
    assert_int_equal(io.environment(NULL, "CLUSTER_TEST", out, 6), 5);
    assert_string_equal(out, "value");
    assert_int_equal(setenv("CLUSTER_TEST", "", 1), 0);
    assert_int_equal(io.environment(NULL, "CLUSTER_TEST", out, 6), 0);
    assert_int_equal(unsetenv("CLUSTER_TEST"), 0);
    assert_int_equal(io.environment(NULL, "CLUSTER_TEST", out, sizeof out), CLUSTER_E_NOT_FOUND);
    assert_int_equal(setenv("HOSTNAME", "chosen", 1), 0);
    assert_int_equal(io.environment(NULL, "HOSTNAME", out, sizeof out), 6);
    assert_string_equal(out, "chosen");
    assert_int_equal(unsetenv("HOSTNAME"), 0);
    assert_int_equal(gethostname(host, sizeof host), 0);
    assert_int_equal(io.environment(NULL, "HOSTNAME", out, sizeof out), strlen(host));
    assert_string_equal(out, host);
}

static void random_fills(void **state)
{
    uint8_t bytes[1000], seen[256];
    size_t i, different = 0;
    (void)state;
    memset(bytes, 0, sizeof bytes);
    memset(seen, 0, sizeof seen);
    assert_int_equal(io.random(NULL, bytes, 0), 0);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(io.random(NULL, bytes, sizeof bytes - 1), 0);
    assert_int_equal(bytes[sizeof bytes - 1], 0);
    for (i = 0; i < sizeof bytes; i++)
        if (!seen[bytes[i]]++)
            different++;
    assert_true(different > 128); /* 250 of 256 are expected */
}

static void clocks_run(void **state)
{
    uint64_t wall = io.wall_time(NULL), now = cluster_now();
    (void)state;
    assert_true(wall / CLU_SECOND >= (uint64_t)time(NULL) - 1);
    assert_true(now > 0);
    assert_true(cluster_now() >= now);
}

/* The table of descriptors is full: said, and nothing is left behind. */
static void out_of_descriptors(void **state)
{
    int fds[65], count = 0, i;
    char in[4];
    uint64_t stamp = 0;
    struct rlimit limit, small;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = limit;
    small.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    while (count < 64 && (fds[count] = io.open(NULL, CLUSTER_UDP, 4)) >= 0)
        assert_flags(fds[count++]);
    assert_true(count < 64);
    assert_int_equal(fds[count], CLUSTER_E_LIMIT);
    assert_int_equal(io.read_file(NULL, "/etc/passwd", in, sizeof in, &stamp), CLUSTER_E_LIMIT);
    for (i = 0; i < count; i++)
        io.close(NULL, fds[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_hosts_functions),
        cmocka_unit_test(maps_errors),
        cmocka_unit_test(calls_on_nothing_fail),
        cmocka_unit_test(stream_carries_and_ends),
        cmocka_unit_test(refused),
        cmocka_unit_test(no_sigpipe),
        cmocka_unit_test(send_says_again_when_full),
        cmocka_unit_test(datagram_that_does_not_fit),
        cmocka_unit_test(too_large_datagram_is_a_limit),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(multicast_is_heard_back),
        cmocka_unit_test(broadcast_needs_its_flag),
        cmocka_unit_test(interfaces_have_loopback),
        cmocka_unit_test(file_is_read_when_it_changed),
        cmocka_unit_test(file_unchanged_goes_unread),
        cmocka_unit_test(stamp_follows_each_part),
        cmocka_unit_test(only_files_are_read),
        cmocka_unit_test(environment_and_host_name),
        cmocka_unit_test(random_fills),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(out_of_descriptors),
    };
    int failed;
    memset(strchr(directory, '.'), 'X', 6); /* what mkdtemp(3) puts other letters for */
    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(path, sizeof path, "%s/file", directory);
    failed = cmocka_run_group_tests_name("posix", tests, setup, NULL);
    (void)unlink(path);
    (void)rmdir(directory);
    return failed;
}
