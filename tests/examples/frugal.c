/* Linked with -Wl,--wrap=cluster_create: every handle that a program makes gets a step of very few I/O calls, so that each burst
 * leaves descriptors that are not drained. With NO_DESCRIPTORS in the environment nothing more can be opened afterwards. */
#include "cluster.h"
#include <stdlib.h>
#include <sys/resource.h>

int __real_cluster_create(struct cluster **out, const struct cluster_options *options);
int __wrap_cluster_create(struct cluster **out, const struct cluster_options *options);

int __wrap_cluster_create(struct cluster **out, const struct cluster_options *options)
{
    struct cluster_options frugal;
    if (options)
        frugal = *options;
    else
        cluster_options_init(&frugal);
    frugal.limit_budget = 3;
    if (getenv("NO_DESCRIPTORS")) {
        struct rlimit none = {3, 3};
        setrlimit(RLIMIT_NOFILE, &none);
    }
    return __real_cluster_create(out, &frugal);
}
