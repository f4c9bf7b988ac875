/* The declarations alone, twice, as every other file of a program sees them. */
#include "cluster.h"
#include "cluster.h"

struct cluster_options declared_options;
struct cluster_event declared_event;
struct cluster_counts declared_counts;

int (*declared_create)(struct cluster **, const struct cluster_options *) = cluster_create;

int declared(void);
int declared(void)
{
    return cluster_version() == CLUSTER_VERSION && cluster_hash64("a", 1, 0) != 0;
}
