/* epmd: sources of a build without DNS: the same tests, and the sentence on a host that it cannot look up. */
#define CLUSTER_NO_DNS
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"
#include "test_epmd_source.c"
