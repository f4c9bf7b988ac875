/* All of it static in the one file that uses it. */
#define CLUSTER_STATIC
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"

int main(void)
{
    struct cluster *c = NULL;
    int error = cluster_create(&c, NULL);
    cluster_destroy(c);
    return error == CLUSTER_OK ? 0 : 1;
}
