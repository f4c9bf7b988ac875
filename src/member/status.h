/*
 * Is the cluster usable? Counts nodes against the quorum; a change is said once it has held for the settle time. It sees a
 * number and a time and knows nothing of members.
 *
 *            count >= quorum            count < quorum
 *   FORMING -----------------> READY ------------------> DEGRADED
 *                                ^                          |
 *                                +--------------------------+
 *                                      count >= quorum
 */
#ifndef CLU_MEMBER_STATUS_H
#define CLU_MEMBER_STATUS_H

#include "../base/platform.h"

enum { CLU_QUORUM_COUNT, CLU_QUORUM_MAJORITY, CLU_QUORUM_HORDE };

struct clu_status {
    int rule; /* CLU_QUORUM_... */
    uint32_t quorum;
    uint32_t count; /* at the last look */
    int state;
    uint64_t settle_ns;
    uint64_t since_ns; /* since when the count asks for another state; CLUSTER_NEVER: it does not */
    uint64_t token;
};

/* Look at the count; true when the state is another one now. */
CLU_FN bool clu_status_look(struct clu_status *s, uint32_t count, uint64_t now)
{
    bool ready = count >= s->quorum;
    s->count = count;
    if (ready == (s->state == CLUSTER_READY)) {
        s->since_ns = CLUSTER_NEVER;
        return false;
    }
    if (s->since_ns == CLUSTER_NEVER)
        s->since_ns = now;
    if (now - s->since_ns < s->settle_ns)
        return false;
    s->since_ns = CLUSTER_NEVER;
    s->state = ready ? CLUSTER_READY : CLUSTER_DEGRADED;
    if (ready)
        s->token++;
    return true;
}

/* When to look again though nothing changed. */
CLU_FN uint64_t clu_status_deadline(const struct clu_status *s)
{
    return s->since_ns == CLUSTER_NEVER ? CLUSTER_NEVER : clu_add_time(s->since_ns, s->settle_ns);
}

#endif
