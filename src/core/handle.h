/*
 * struct cluster: the loop, the table, the sources, the status and the map of one handle, and the little that they need of
 * each other.
 */
#ifndef CLU_CORE_HANDLE_H
#define CLU_CORE_HANDLE_H

#include "../discover/open.h"
#ifndef CLUSTER_NO_CONNECT
#include "../link/host.h"
#include "../link/probe.h"
#endif
#ifndef CLUSTER_NO_ERLANG
#include "../link/rpc.h"
#endif
#include "../member/status.h"
#include "../net/epmd_server.h"
#include "../place/map.h"

#define CLU_OWN_ATTRIBUTE 63         /* bytes of zone and role */
#define CLU_MAP_RETRY (100 * CLU_MS) /* after a map could not be built for want of memory */

/* The loop comes first: near fields make small code. */
struct cluster {
    struct clu_loop loop;
    struct clu_shared *shown, *shown_member; /* what the event that the host looks at points to */
    bool status_news;
    bool has_map;
    bool own_auto; /* the own name is name@auto, and its address is not known yet */
    bool leaving;  /* CLUSTER_LEFT is owed */
#ifndef CLUSTER_NO_ERLANG
    bool own_given; /* the own name comes by links, and has only a host of its own */
#endif
#ifndef CLUSTER_NO_MAP
    bool map_news;
    bool map_up;           /* of members that are up only */
    uint32_t map_moves;    /* since the host was told */
    uint64_t map_state;    /* of the members it was built of */
    uint64_t map_seen;     /* what had happened to members when they were looked at last */
    uint64_t map_since_ns; /* since when it is not that of the members; CLUSTER_NEVER: it is */
    uint64_t map_settle_ns;
    struct cluster_map *map;
#endif
    struct clu_status status;
    struct clu_timer wake;             /* for the status and the map: it only brings about a step */
    uint64_t status_seen;              /* what had happened to members when they were counted last */
    uint64_t split_ns, split_since_ns; /* the last loss of several that was said, and the first that counts to it */
    uint64_t next_request;
    uint64_t leave_request, leave_span_ns, leave_end_ns; /* the end is known from the first step on */
    struct pollfd *polled;
    size_t polled_capacity;
    bool polled_not; /* by the last cluster_poll */
#ifndef CLUSTER_NO_MAP
    struct cluster_map_options map_options;
    char map_role[CLU_OWN_ATTRIBUTE + 1];
#endif
    struct cluster_event event;
    char text[256];
    char own_name[CLU_NAME_MAX + 1], zone[CLU_OWN_ATTRIBUTE + 1], role[CLU_OWN_ATTRIBUTE + 1];
    struct clu_table table;
#ifndef CLUSTER_NO_CONNECT
    struct clu_mesh mesh;
#endif
#ifndef CLUSTER_NO_ERLANG
    struct clu_node linked;
#endif
    struct clu_discovery discovery;
#ifndef CLUSTER_NO_EPMD_SERVER
    struct clu_epmd_server epmd_server;
#endif
};

/* A struct of the caller's, which may be an older, shorter one. False: it is a newer one that says what we do not know. */
CLU_FN bool clu_read_struct(void *out, size_t known, const void *given, size_t size)
{
    memset(out, 0, known);
    memcpy(out, given, size < known ? size : known);
    return clu_tail_is_zero(given, size, known);
}

#endif
