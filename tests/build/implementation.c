/* The one .c file of its own. */
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
