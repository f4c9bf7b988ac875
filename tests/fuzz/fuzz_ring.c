/*
 * Keys from outside on every kind of ring that reads terms, and on the others. A key has an owner exactly if it has a hash; the
 * first owner is the owner; all that are listed are different. The first byte picks the kind, its top bit terms.
 */
#include "../../src/place/ring.h"

#include "target.h"

#define NODES 5
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[NODES] = {"a@h", "b@h", "c@h:1", "unix:d", "e"};
    const struct clu_ring_rule *rule;
    struct cluster_ring_options options;
    struct cluster_node nodes[NODES];
    struct cluster_ring *ring;
    uint32_t owner, owners[NODES];
    uint64_t hash;
    size_t count, i, j;
    int result;
    if (!size)
        return 0;
    rule = clu_ring_rule_of((enum clu_ring_kind)((*data & 0x3f) % CLU_RING_KINDS));
    memset(nodes, 0, sizeof nodes);
    memset(&options, 0, sizeof options);
    options.size = (uint32_t)sizeof options;
    if (rule->takes & CLU_TAKES_NAME)
        options.name = "n";
    if (*data & 0x80)
        options.flags = rule->flags & CLUSTER_RING_TERM_KEYS;
    if (*data & 0x40)
        options.flags |= rule->flags & CLUSTER_RING_OTP25;
    for (i = 0; i < NODES; i++) {
        nodes[i].size = (uint32_t)sizeof nodes[i];
        nodes[i].name = names[i];
    }
    CHECK(cluster_ring_build(&ring, rule->name, nodes, NODES, &options) == 0);
    result = cluster_ring_hash(ring, data + 1, size - 1, &hash);
    owner = cluster_ring_owner(ring, data + 1, size - 1);
    count = cluster_ring_owners(ring, data + 1, size - 1, owners, NODES);
    CHECK(result == 0 || (options.flags & CLUSTER_RING_TERM_KEYS));
    CHECK((owner < NODES) == (result == 0) && (count > 0) == (result == 0));
    CHECK(!count || owners[0] == owner);
    for (i = 0; i < count; i++)
        for (j = 0; j < i; j++)
            CHECK(owners[i] != owners[j]);
    cluster_ring_free(ring);
    return 0;
}
