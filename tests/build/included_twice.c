/* Declarations, then the implementation, then both again. The feature macros come with the compiler's flags. */
#include "cluster.h"

#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include "cluster.h"
