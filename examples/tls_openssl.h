/*
 * TLS for cluster.h by OpenSSL: the five tls_ hooks of struct cluster_io. Include it after cluster.h, in one file, and link with
 * -lssl -lcrypto:
 *
 *     struct cluster_io io;
 *     memset(&io, 0, sizeof io);
 *     io.size = sizeof io;
 *     tls_openssl(&io);
 *     options.io = &io;
 *
 * Certificates are verified by name and by authority, TLS 1.2 is the least. The authorities are read for each connection, so a
 * file that changes counts at once. The socket stays the library's; bytes go through send(2) without a signal.
 */
#ifndef TLS_OPENSSL_H
#define TLS_OPENSSL_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls_openssl_session {
    SSL *ssl;
    SSL_CTX *context;
    BIO_METHOD *method;
    int fd;
    int closed;    /* the connection broke: there is nobody to say goodbye to */
    pid_t process; /* that it is of: one that was forked off has no word in it */
};

/* ---- the socket ------------------------------------------------------- */

static int tls_openssl_moved(BIO *bio, ssize_t count, int flag)
{
    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_flags(bio, flag | BIO_FLAGS_SHOULD_RETRY);
    return (int)count;
}

static int tls_openssl_bio_write(BIO *bio, const char *data, int size)
{
    const struct tls_openssl_session *s = (const struct tls_openssl_session *)BIO_get_data(bio);
#ifdef MSG_NOSIGNAL
    return tls_openssl_moved(bio, send(s->fd, data, (size_t)size, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
#else
    return tls_openssl_moved(bio, send(s->fd, data, (size_t)size, 0), BIO_FLAGS_WRITE); /* the library set SO_NOSIGPIPE */
#endif
}

static int tls_openssl_bio_read(BIO *bio, char *data, int size)
{
    const struct tls_openssl_session *s = (const struct tls_openssl_session *)BIO_get_data(bio);
    return tls_openssl_moved(bio, recv(s->fd, data, (size_t)size, 0), BIO_FLAGS_READ);
}

static long tls_openssl_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* ---- the hooks -------------------------------------------------------- */

static void tls_openssl_close(void *ctx, void *tls)
{
    struct tls_openssl_session *s = (struct tls_openssl_session *)tls;
    (void)ctx;
    ERR_clear_error();
    if (s->ssl && !s->closed && s->process == getpid() && SSL_is_init_finished(s->ssl))
        (void)SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    BIO_meth_free(s->method);
    ERR_clear_error();
    free(s);
}

/* The authorities, and what the certificate has to be for. */
static int tls_openssl_trust(struct tls_openssl_session *s, const char *server, const char *ca)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(s->ssl);
    if (!server)
        return 0;
    if (ca ? SSL_CTX_load_verify_locations(s->context, ca, NULL) != 1 : SSL_CTX_set_default_verify_paths(s->context) != 1)
        return CLUSTER_E_NOT_FOUND;
    SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, server) == 1)
        return 0;
    ERR_clear_error();
    return SSL_set1_host(s->ssl, server) == 1 && SSL_set_tlsext_host_name(s->ssl, server) == 1 ? 0 : CLUSTER_E_INVALID;
}

static int tls_openssl_start(void *ctx, int fd, const char *server, const char *ca, void **tls)
{
    struct tls_openssl_session *s = (struct tls_openssl_session *)calloc(1, sizeof *s);
    BIO *bio = NULL;
    int result = CLUSTER_E_MEMORY;
    if (!s)
        return result;
    s->fd = fd;
    s->process = getpid();
    s->context = SSL_CTX_new(TLS_client_method());
    s->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cluster.h");
    if (s->context && s->method && SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION) == 1 &&
        BIO_meth_set_write(s->method, tls_openssl_bio_write) == 1 && BIO_meth_set_read(s->method, tls_openssl_bio_read) == 1 &&
        BIO_meth_set_ctrl(s->method, tls_openssl_bio_control) == 1)
        s->ssl = SSL_new(s->context);
    if (s->ssl)
        bio = BIO_new(s->method);
    if (bio) {
        BIO_set_data(bio, s);
        BIO_set_init(bio, 1);
        SSL_set_bio(s->ssl, bio, bio);
        SSL_set_mode(s->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        result = tls_openssl_trust(s, server, ca);
    }
    if (result) {
        s->closed = 1;
        tls_openssl_close(ctx, s);
        return result;
    }
    *tls = s;
    return 0;
}

/* What a call on the session came to, in the library's terms. */
static int tls_openssl_error(struct tls_openssl_session *s, int result)
{
    int error = SSL_get_error(s->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return CLUSTER_E_AGAIN;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    s->closed = 1;
    return error == SSL_ERROR_SSL && !SSL_is_init_finished(s->ssl) ? CLUSTER_E_PROTOCOL : CLUSTER_E_CLOSED;
}

static int tls_openssl_step(void *ctx, void *tls)
{
    struct tls_openssl_session *s = (struct tls_openssl_session *)tls;
    int result, error;
    (void)ctx;
    ERR_clear_error();
    result = SSL_connect(s->ssl);
    if (result == 1)
        return 0;
    error = tls_openssl_error(s, result);
    if (error == CLUSTER_E_AGAIN)
        return SSL_want_write(s->ssl) ? POLLOUT : POLLIN;
    if (SSL_get_verify_result(s->ssl) != X509_V_OK)
        return CLUSTER_E_PERMISSION;
    return error ? error : CLUSTER_E_CLOSED;
}

static int64_t tls_openssl_recv(void *ctx, void *tls, void *data, size_t size)
{
    struct tls_openssl_session *s = (struct tls_openssl_session *)tls;
    size_t count;
    int result;
    (void)ctx;
    ERR_clear_error();
    result = SSL_read_ex(s->ssl, data, size, &count);
    return result == 1 ? (int64_t)count : tls_openssl_error(s, result);
}

static int64_t tls_openssl_send(void *ctx, void *tls, const void *data, size_t size)
{
    struct tls_openssl_session *s = (struct tls_openssl_session *)tls;
    size_t count;
    int result;
    (void)ctx;
    ERR_clear_error();
    result = SSL_write_ex(s->ssl, data, size, &count);
    if (result == 1)
        return (int64_t)count;
    result = tls_openssl_error(s, result);
    return result ? result : CLUSTER_E_CLOSED;
}

static void tls_openssl(struct cluster_io *io)
{
    io->tls_start = tls_openssl_start;
    io->tls_step = tls_openssl_step;
    io->tls_recv = tls_openssl_recv;
    io->tls_send = tls_openssl_send;
    io->tls_close = tls_openssl_close;
}

#endif
