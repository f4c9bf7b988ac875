/*
 * connect=tcp, connect=epmd: is a member there? Asked again and again, for an open stream on which nothing is said is closed by
 * most programs, by an Erlang node after some seconds, and tells nothing of one that hangs or was cut off. So a stream is
 * closed as soon as it is there.
 */
#ifndef CLU_LINK_PROBE_H
#define CLU_LINK_PROBE_H

#include "peer.h"

/* What was missing here says nothing of a member that was up. */
CLU_FN void clu_probe_ended(struct clu_link *link, enum clu_why why, int error)
{
    struct clu_peer *p = (struct clu_peer *)link->peer;
    struct clu_mesh *mesh = p->mesh;
    struct clu_member *m = p->member;
    bool ours = why == CLU_WHY_CROWDED || error == CLUSTER_E_MEMORY;
    clu_peer_stop(p);
    if (why == CLU_WHY_THERE || (p->dial.up && ours))
        clu_peer_rise(p);
    else if (p->dial.up)
        clu_peer_lost(p, why, error);
    else
        clu_peer_failed(p, why, error);
    clu_mesh_look_at(&mesh->watch, m, CLUSTER_CHANGE); /* of one that drains nothing more is asked once it is down */
}

#endif
