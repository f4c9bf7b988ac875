/* A session of examples/tls_openssl.h on 127.0.0.1, port argv[1], authorities argv[2]: a child that is forked off closes its copy,
 * then the parent sends `hello` and prints what comes back. */
#include "cluster.h"

#include "examples/tls_openssl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int begin(const struct cluster_io *io, const char *port, const char *ca, void **tls)
{
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM, 0), wants;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 || io->tls_start(NULL, fd, "127.0.0.1", ca, tls) < 0)
        return -1;
    while ((wants = io->tls_step(NULL, *tls)) > 0) /* the socket blocks */
        continue;
    return wants < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
    struct cluster_io io;
    void *tls = NULL;
    char text[16];
    int64_t got;
    pid_t child;
    memset(&io, 0, sizeof io);
    tls_openssl(&io);
    if (argc < 3 || begin(&io, argv[1], argv[2], &tls) < 0)
        return 2;
    child = fork();
    if (!child) {
        io.tls_close(NULL, tls);
        _exit(0);
    }
    if (child < 0 || waitpid(child, NULL, 0) != child || io.tls_send(NULL, tls, "hello", 5) != 5)
        return 3;
    while ((got = io.tls_recv(NULL, tls, text, sizeof text)) == CLUSTER_E_AGAIN)
        continue;
    if (got > 0)
        printf("%.*s", (int)got, text);
    io.tls_close(NULL, tls);
    return got > 0 ? 0 : 1;
}
