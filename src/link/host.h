/*
 * connect=host: the program connects by itself. It is asked to, and says how that went; what it leaves unsaid, or what failed,
 * is asked for again. What is to be asked waits in a line until the program reads its events, so none is lost and none is said
 * twice.
 */
#ifndef CLU_LINK_HOST_H
#define CLU_LINK_HOST_H

#include "peer.h"

CLU_FN int clu_host_begin(struct clu_dial *d)
{
    struct clu_peer *p = clu_peer_of(d);
    if (!d->up)
        clu_peer_state(p, CLUSTER_MEMBER_DIALLED);
    clu_dial_line_put(&p->mesh->tells, d);
    return 0;
}

/* The time of a program that has not read its events yet does not run. */
CLU_FN void clu_host_expired(struct clu_dial *d)
{
    if (d->line)
        clu_dial_timer(d, clu_add_time(d->home->loop->now, CLU_DIAL_DEADLINE));
    else if (d->up)
        clu_dial_again(d);
    else
        clu_peer_failed(clu_peer_of(d), CLU_WHY_UNREPORTED, CLUSTER_E_TIMEOUT);
}

/* It is to disconnect. */
CLU_FN void clu_host_parts(struct clu_peer *p)
{
    clu_dial_ask(&p->dial);
}

/* How it went, or what happened to a link, or that the program will have none. The peer may be gone afterwards. */
CLU_FN int clu_host_report(struct clu_peer *p, int outcome, int error)
{
    int result = outcome == CLUSTER_REPORT_UP && !p->dial.up ? clu_peer_join(p) : 0;
    if (result)
        return result;
    if (outcome == CLUSTER_REPORT_UP && p->dial.asked) {
        clu_dial_again(&p->dial); /* it is to end, and does not yet */
        return 0;
    }
    if (outcome == CLUSTER_REPORT_UP) {
        clu_peer_rise(p);
        return 0;
    }
    p->kept++;
    p->dial.asked = false;
    if (p->dial.up)
        clu_peer_lost(p, CLU_WHY_SYSTEM, error);
    else if (outcome != CLUSTER_REPORT_IGNORED)
        clu_peer_failed(p, CLU_WHY_SYSTEM, error);
    if (outcome == CLUSTER_REPORT_IGNORED) {
        clu_peer_stop(p);
        clu_peer_state(p, CLUSTER_MEMBER_UNLINKED);
        clu_dial_want(&p->dial, false);
        p->dial.failures = 0;
    }
    p->kept--;
    clu_peer_drop(p);
    return 0;
}

#endif
