/*
 * Rendezvous hashing: every node has a score for the key, and the highest owns it. A function of the set of names, with no
 * table to keep, at the price of one look at every node. Owns nothing, never allocates.
 */
#ifndef CLU_PLACE_RENDEZVOUS_H
#define CLU_PLACE_RENDEZVOUS_H

#include "../base/hash.h"

/* A well mixed word of any state, wyrand's way: one product. */
CLU_FN uint64_t clu_draw(uint64_t state)
{
    return clu_fold(state, state ^ CLU_WY1);
}

CLUSTER_DEF uint32_t cluster_rendezvous(const void *key, size_t size, const char *const *names, size_t count, uint64_t seed)
{
    uint64_t hash = cluster_hash64(key, size, seed), most = 0;
    uint32_t best = CLUSTER_NOBODY;
    size_t i;
    for (i = 0; i < count && i < CLUSTER_NOBODY; i++) {
        uint64_t score = clu_draw(hash + cluster_hash64(names[i], strlen(names[i]), seed));
        if (best == CLUSTER_NOBODY || score > most || (score == most && strcmp(names[i], names[best]) < 0)) {
            most = score;
            best = (uint32_t)i;
        }
    }
    return best;
}

#endif
