/*
 * What doctor knows while it works, and its loop: a handle, and probes beside it.
 */
#ifndef CLUSTERCTL_DOCTOR_STATE_H
#define CLUSTERCTL_DOCTOR_STATE_H

#include "doctor_net.h"
#include "sources.h"

#define EPMD_PORTS 8 /* that are tried */

enum node_step {
    NODE_WAITS,  /* for its turn */
    NODE_HOST,   /* its host is looked up */
    NODE_EPMD,   /* its epmd's port is tried */
    NODE_NAMES,  /* its epmd is asked */
    NODE_PORT,   /* its own port is tried */
    NODE_READY,  /* for a link */
    NODE_LISTED, /* the handle knows where it is */
    NODE_LINK,
    NODE_TICK,
    NODE_DONE
};

/* A node that a source lists. */
struct node {
    char *name;
    union address address;
    struct probe probe;
    enum node_step step;
    bool addressed, known, up;
    bool registered, other; /* epmd knows it by what stands before its '@'; a node of another name answers there */
    uint32_t port;
    size_t epmd; /* which of the epmd ports is tried */
    uint64_t request, began;
    char seen[160]; /* what the epmd of the first port has in its place */
};

/* A question to DNS. */
struct question {
    char *name, *server, *why; /* server: NULL, or it is only asked whether this one answers */
    size_t url;                /* of which operand */
    char first[64];            /* the first address */
    uint32_t type, rcode, count, ttl, flags;
    int error;
    bool done;
};

struct doctor {
    const struct arguments *a;
    struct doctor_report report;
    struct loop loop;
    struct pollfd *watched; /* those of the loop, and the probes */
    size_t watched_capacity;
    struct cluster_io io;
    uint64_t began, listen;
    struct names urls, shown; /* those that are understood, for the handle, and for eyes */
    const char *own;          /* --node, as written */
    char name[300];           /* the own name; "": none */
    char dials[300];          /* who links are tried as */
    bool formed;              /* it is what --node says, and a node's name */
    bool nameless;            /* it is undefined@HOST: other nodes give it one, and nobody lists it */
    bool announced;           /* by another node too */
    bool lists;               /* every source should list the own node, and the handle has no name, so as to show it */
    bool links;               /* are tried */
    bool registered;          /* a node of the own name is, at the epmd of this host */
    union address own_address;
    bool own_addressed;
    uint64_t own_request, registry_request;
    uint32_t epmd_ports[EPMD_PORTS]; /* the first is that of this host's nodes */
    size_t epmd_port_count;
    struct question *questions;
    size_t question_count;
    struct node *nodes;
    size_t count;
    struct cluster_source *push;
    char tick[32]; /* what the first node says of its tick time */
};

static void doctor_epmd_port(struct doctor *d, uint32_t port)
{
    size_t i;
    for (i = 0; i < d->epmd_port_count; i++)
        if (d->epmd_ports[i] == port)
            return;
    if (d->epmd_port_count < EPMD_PORTS)
        d->epmd_ports[d->epmd_port_count++] = port;
}

static uint32_t environment_port(void)
{
    const char *set = getenv("ERL_EPMD_PORT");
    unsigned long port = set ? strtoul(set, NULL, 10) : 0;
    return port && port < 65536 ? (uint32_t)port : 4369;
}

/* Sleep until something happens or `until`, then one step; probes that are ready are looked at. */
static void doctor_turn(struct doctor *d, uint64_t until)
{
    struct cluster *c = d->loop.c;
    uint64_t now = cluster_now(), left;
    size_t count, used, i;
    int timeout = cluster_timeout_ms(c, now);
    while ((count = cluster_watches(c, d->watched + 1, d->watched_capacity ? d->watched_capacity - 1 : 0)) + 1 + d->count >
           d->watched_capacity) {
        d->watched_capacity = (count + 1 + d->count) * 2;
        d->watched = (struct pollfd *)grow(d->watched, d->watched_capacity * sizeof *d->watched);
    }
    d->watched[0].fd = signal_pipe[0];
    d->watched[0].events = POLLIN;
    used = count + 1;
    for (i = 0; i < d->count; i++)
        if (d->nodes[i].probe.state == PROBE_RUNS) {
            d->watched[used].fd = d->nodes[i].probe.fd;
            d->watched[used++].events = POLLOUT;
        }
    left = until > now ? (until - now + MILLISECOND - 1) / MILLISECOND : 0;
    if (timeout < 0 || (uint64_t)timeout > left)
        timeout = (int)left;
    for (i = 0; i < used; i++)
        d->watched[i].revents = 0;
    if (poll(d->watched, (nfds_t)used, timeout) < 0)
        for (i = 0; i < used; i++)
            d->watched[i].revents = 0;
    now = cluster_now();
    cluster_step(c, now, d->watched + 1, count);
    used = count + 1;
    for (i = 0; i < d->count; i++)
        if (d->nodes[i].probe.state == PROBE_RUNS)
            probe_look(&d->nodes[i].probe, d->watched[used++].revents != 0, now);
}

#endif
