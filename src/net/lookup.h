/*
 * From a host as it is written to an address, without a question on the network: addresses, localhost, and the names of
 * /etc/hosts. And what else those who look hosts up share.
 */
#ifndef CLU_NET_LOOKUP_H
#define CLU_NET_LOOKUP_H

#include "../base/memory.h"
#include "../wire/hosts.h"

#define CLU_EPMD_PORT 4369
#define CLU_HOSTS_PATH "/etc/hosts"
#define CLU_FILE_MAX ((size_t)16 << 20)
#define CLU_DNS_EITHER 256 /* no type of DNS: addresses of IPv4 or, if there are none, of IPv6 */

/* A whole file in memory of *capacity bytes, of which so many are spare; its size, or a negative CLUSTER_E... As with the hook,
 * CLUSTER_E_AGAIN: it has this stamp. It may hold a secret, as what was there before: nothing of that stays behind. */
CLU_FN int64_t clu_read_file(const struct cluster_io *io, const struct cluster_allocator *memory, const char *path, char **data,
                             size_t *capacity, size_t spare, uint64_t *stamp)
{
    for (;;) {
        uint64_t now = *stamp;
        int64_t size = io->read_file(io->ctx, path, *data, *capacity, &now);
        if (size < 0)
            return size;
        if ((uint64_t)size < *capacity && *capacity - (uint64_t)size >= spare) {
            *stamp = now;
            return size;
        }
        if ((uint64_t)size > CLU_FILE_MAX)
            return CLUSTER_E_LIMIT;
        if (*data)
            clu_wipe(*data, *capacity);
        if (!clu_reserve(memory, data, capacity, (size_t)size + spare, 1))
            return CLUSTER_E_MEMORY;
    }
}

/* Where epmd listens, unless the program's environment says otherwise. */
CLU_FN uint16_t clu_epmd_port_here(const struct cluster_io *io)
{
    uint16_t port = CLU_EPMD_PORT;
    char variable[16];
    variable[0] = '\0';
    (void)io->environment(io->ctx, "ERL_EPMD_PORT", variable, sizeof variable);
    (void)clu_port(clu_slice_str(variable), &port);
    return port;
}

/* 0; CLUSTER_E_NOT_FOUND: it takes a resolver to know. The port is left alone. */
CLU_CALLED int clu_lookup(const struct cluster_io *io, const struct cluster_allocator *memory, struct clu_slice host,
                          struct cluster_address *out)
{
    uint16_t port = out->port;
    int64_t size = 0;
    bool found = clu_address_parse(host, out);
    if (!found) {
        char *text = NULL;
        size_t capacity = 0;
        uint64_t stamp = 0;
        struct clu_slice rest;
        size = clu_read_file(io, memory, CLU_HOSTS_PATH, &text, &capacity, 1, &stamp);
        rest = clu_slice_of(text, size > 0 ? (size_t)size : 0);
        found = clu_hosts_find(&rest, host, out);
        clu_free(memory, text, capacity);
    }
    if (!found && clu_host_same(host, clu_slice_str("localhost")))
        found = clu_address_parse(clu_slice_str("127.0.0.1"), out);
    out->port = port;
    return found ? 0 : size == CLUSTER_E_MEMORY ? CLUSTER_E_MEMORY : CLUSTER_E_NOT_FOUND;
}

#endif
