/* A program of several files: this one has main, declarations.c refers to the header too. */
#include "cluster.h"

int declared(void);

int main(void)
{
    struct cluster *c = NULL;
    int error = cluster_create(&c, NULL);
    cluster_destroy(c);
    return declared() && error == CLUSTER_OK ? 0 : 1;
}
