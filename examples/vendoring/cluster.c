#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
