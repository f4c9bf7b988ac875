/* The reference of URLs in a build without some parts: what is left out is not in it, and what is left is the same. */
#define CLUSTER_NO_DNS
#define CLUSTER_NO_GOSSIP
#define CLUSTER_NO_HTTP
#define CLUSTER_IMPLEMENTATION
#include "../../cluster.h"
#include "test_reference.c"
