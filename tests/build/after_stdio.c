/* A system header first: with strict -std=c99 the sockets' options stay hidden, and the header has to say so. */
#include <stdio.h>

#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
