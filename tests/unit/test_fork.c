/* What fork does to a handle: the child's cluster_destroy closes the child's copies and nothing else. Real sockets on loopback;
 * packets go to a closed port of a broadcast address, so that nobody else is disturbed. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE (20 * CLU_SECOND)

/* Step until the source has sent and heard itself again. */
static void hear_itself(struct cluster *c)
{
    struct cluster_counts counts;
    uint64_t end = cluster_now() + DEADLINE, before;
    memset(&counts, 0, sizeof counts);
    counts.size = (uint32_t)sizeof counts;
    assert_int_equal(cluster_stats(c, &counts), 0);
    before = counts.received;
    while (counts.received == before && cluster_now() < end) {
        while (cluster_next_event(c))
            continue;
        assert_int_equal(cluster_poll(c, 1000), 0);
        assert_int_equal(cluster_stats(c, &counts), 0);
    }
    assert_true(counts.received > before);
}

static void the_child_destroys_its_copy(void **state)
{
    struct cluster_options options;
    struct cluster *c;
    struct cluster_source *s;
    struct pollfd watched[4];
    size_t count, i;
    pid_t child;
    int status = 0;
    (void)state;
    cluster_options_init(&options);
    options.node = "parent@127.0.0.1";
    assert_int_equal(cluster_create(&c, &options), 0);
    assert_int_equal(cluster_discover(c, "gossip:127.255.255.255:45981?broadcast=on&announce=on&interval=50ms", &s), 0);
    hear_itself(c);
    count = cluster_watches(c, watched, CLU_COUNT(watched));
    assert_int_equal(count, 1);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct cluster_counts counts;
        uint64_t sent;
        memset(&counts, 0, sizeof counts);
        counts.size = (uint32_t)sizeof counts;
        (void)cluster_stats(c, &counts);
        sent = counts.sent;
        cluster_destroy(c);
        for (i = 0; i < count; i++)
            if (fcntl(watched[i].fd, F_GETFD) != -1)
                _exit(1);
        _exit(sent ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    for (i = 0; i < count; i++)
        assert_true(fcntl(watched[i].fd, F_GETFD) & FD_CLOEXEC);
    hear_itself(c);
    assert_int_not_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    cluster_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_child_destroys_its_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
