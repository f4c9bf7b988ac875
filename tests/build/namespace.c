/* Compiled twice, as SPACE=one and SPACE=two: each has a whole library of its own. */
#define NAMESPACE_PASTE(a, b) a##b
#define NAMESPACE_NAME(a, b) NAMESPACE_PASTE(a, b)
#define CLUSTER_NAMESPACE NAMESPACE_NAME(SPACE, _)
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"

int NAMESPACE_NAME(SPACE, _version)(void);
int NAMESPACE_NAME(SPACE, _version)(void)
{
    struct cluster *c = NULL;
    int error = cluster_create(&c, NULL);
    cluster_destroy(c);
    return error == CLUSTER_OK && cluster_version() == CLUSTER_VERSION;
}
