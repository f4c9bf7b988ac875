/*
 * Where the host of a member is, when that takes DNS: asked for one dial, within the time of that dial, and then forgotten.
 * IPv4 is asked for first, IPv6 when there is none; of several addresses each dial that failed moves on to the next.
 */
#ifndef CLU_CORE_NAMES_H
#define CLU_CORE_NAMES_H

#include "handle.h"

#if !defined(CLUSTER_NO_CONNECT) && !defined(CLUSTER_NO_DNS)

CLU_FN void clu_name_end(struct clu_link *link)
{
    clu_question_free(link->question);
    link->question = NULL;
}

CLU_FN void clu_name_answered(struct clu_question *q)
{
    struct clu_link *link = (struct clu_link *)q->owner;
    struct cluster_dns_answer a;
    struct cluster_record r;
    uint32_t left;
    int result = 0;
    clu_question_answer(q, &a);
    if (!a.error && !a.count)
        result = clu_link_fail(link, CLU_WHY_HOST);
    for (left = a.count ? link->turn % a.count + 1 : 0; left; left--)
        result = clu_question_record(q, &r);
    clu_name_end(link);
    if (result > 0)
        clu_link_found(link, &r.address);
    else
        clu_link_end(link, a.error ? a.error : result ? result : CLUSTER_E_PROTOCOL);
}

/* The search list of /etc/resolv.conf counts, as it does wherever a program connects to a name. */
CLU_FN int clu_name_look_up(struct clu_link *link, struct clu_slice host)
{
    struct cluster *c = CLU_CONTAINER(link->home, struct cluster, mesh.links);
    struct clu_question *q = clu_question_new(&c->discovery.resolver);
    const struct clu_peer *p = (const struct clu_peer *)link->peer;
    int result;
    if (!q)
        return CLUSTER_E_MEMORY;
    link->question = q;
    q->answered = clu_name_answered;
    q->owner = link;
    q->search = true;
    result = clu_question_ask(q, host, CLU_DNS_EITHER, p->dial.timer.at - c->loop.now);
    return result == CLUSTER_E_INVALID ? clu_link_fail(link, CLU_WHY_HOST) : result;
}

#endif

#endif
