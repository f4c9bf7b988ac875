/*
 * epmd: serve one.
 */
#ifndef CLUSTERCTL_EPMD_H
#define CLUSTERCTL_EPMD_H

#include "sources.h"

struct epmd_server {
    bool json;
    char fault[256]; /* "": none yet */
};

/* What the handle says of the epmd that it serves. */
static void on_epmd_log(void *ctx, int level, const char *message, const char *setting)
{
    static const char serves[] = "epmd is served at ";
    struct epmd_server *e = (struct epmd_server *)ctx;
    if (strcmp(setting, "epmd") != 0) {
        on_log(NULL, level, message, setting);
    } else if (strncmp(message, serves, sizeof serves - 1) != 0) {
        const char *why = strrchr(message, ':');
        snprintf(e->fault, sizeof e->fault, "%s", why ? why + 2 : message);
    } else if (e->json) {
        json_begin("epmd");
        json_text("address", message + sizeof serves - 1);
        json_end();
    } else {
        printf("%s\n", message);
    }
    fflush(stdout);
}

static int run_epmd(const struct arguments *a)
{
    struct epmd_server e = {false, ""};
    const char *address = text_of(a, OPT_ADDRESS, "127.0.0.1");
    bool six = strchr(address, ':') != NULL;
    struct cluster_options options;
    struct cluster *c;
    struct text where = {NULL, 0, 0};
    char error[512] = "", port[24];
    struct loop l;
    int result, status = signals_begin();
    if (status)
        return status;
    if (given(a, OPT_LISTEN_PORT) && (!number_of(a, OPT_LISTEN_PORT, 0) || number_of(a, OPT_LISTEN_PORT, 0) > 65535))
        return fail(USAGE, "--port takes 1 to 65535");
    e.json = given(a, OPT_JSON);
    text_add(&where, "embedded:");
    text_add(&where, six ? "[" : "");
    text_add(&where, address);
    text_add(&where, six ? "]" : "");
    snprintf(port, sizeof port, ":%lu", (unsigned long)number_of(a, OPT_LISTEN_PORT, 0));
    text_add(&where, given(a, OPT_LISTEN_PORT) ? port : "");
    cluster_options_init(&options);
    options.epmd = where.at;
    options.log = on_epmd_log;
    options.log_ctx = &e;
    options.log_level = CLUSTER_LOG_INFO;
    options.error = error;
    options.error_size = sizeof error;
    result = cluster_create(&c, &options);
    text_free(&where);
    if (result == CLUSTER_E_INVALID)
        return fail(USAGE, "--address takes an IP address of this host, 0.0.0.0 or ::, not \"%s\"", address);
    if (result < 0)
        return fail(FAILED, "%s", *error ? error : cluster_strerror(result));
    loop_begin(&l, c, signal_pipe[0]);
    while (!signal_end && !*e.fault)
        loop_turn(&l, CLUSTER_NEVER);
    loop_end(&l);
    if (*e.fault)
        return fail(
            FAILED,
            "no epmd can be served at %s%s: %s: does one run there (`clusterctl names`)? Is it an address of this host?",
            address, given(a, OPT_LISTEN_PORT) ? port : "", e.fault);
    return DONE;
}

#endif
