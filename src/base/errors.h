/*
 * The names of results.
 */
#ifndef CLU_BASE_ERRORS_H
#define CLU_BASE_ERRORS_H

#include "platform.h"

CLUSTER_DEF const char *cluster_strerror(int error)
{
    static const char *const names[] = {"success",
                                        "invalid argument",
                                        "out of memory",
                                        "try again",
                                        "limit reached",
                                        "exists already",
                                        "not found",
                                        "timeout",
                                        "connection refused",
                                        "unreachable",
                                        "connection closed",
                                        "malformed bytes from the peer",
                                        "permission denied",
                                        "address not available",
                                        "not supported",
                                        "input/output error",
                                        "called from inside a hook"};
    return error <= 0 && error > -(int)CLU_COUNT(names) ? names[-error] : "unknown error";
}

#endif
