/*
 * What every other fragment stands on: the C and POSIX headers, the marks on private functions, and a clear error where the
 * compiler was told to hide what is needed. Owns nothing.
 */
#ifndef CLU_BASE_PLATFORM_H
#define CLU_BASE_PLATFORM_H

/* Ask for the sockets' options before the first system header. In the amalgamation this stands at the top of the file. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1
#endif
#ifndef __BSD_VISIBLE
#define __BSD_VISIBLE 1
#endif

#include "../api.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Private functions are static; a part that is left out may leave some without a caller. */
#if defined(__GNUC__) || defined(__clang__)
#define CLU_FN static __attribute__((unused))
#define CLU_CALLED CLU_FN __attribute__((noinline)) /* calling it makes smaller code than having it in place */
#define CLU_LIKELY(x) __builtin_expect(!!(x), 1)
#define CLU_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define CLU_FN static
#define CLU_CALLED CLU_FN
#define CLU_LIKELY(x) (x)
#define CLU_UNLIKELY(x) (x)
#endif

/* Before the definition of a public function. */
#ifdef CLUSTER_STATIC
#define CLUSTER_DEF CLU_FN
#else
#define CLUSTER_DEF
#endif

#define CLU_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CLU_MS UINT64_C(1000000)
#define CLU_SECOND UINT64_C(1000000000)

/* The struct that a member is part of. */
#define CLU_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

CLU_FN uint64_t clu_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* a + b for times: CLUSTER_NEVER stays never, and nothing wraps. */
CLU_CALLED uint64_t clu_add_time(uint64_t a, uint64_t b)
{
    return b > CLUSTER_NEVER - a ? CLUSTER_NEVER : a + b;
}

#endif
