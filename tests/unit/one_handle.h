/*
 * For unit tests: one handle on a virtual machine, the mirror of its events, and the time. Include after cmocka.h and core/sources.h.
 */
#ifndef TESTS_UNIT_ONE_HANDLE_H
#define TESTS_UNIT_ONE_HANDLE_H

#include "fake_loop.h"

static struct fake f;
static struct cluster *c;
static struct mirror mirror;
static uint64_t now_ns;

static inline void end(void)
{
    mirror_end(&mirror);
    cluster_destroy(c);
    fake_end(&f);
}

/* What one timer brings about another does in the next moment: a microsecond more. */
static inline void wait_ms(uint64_t ms)
{
    fake_run(&f, c, &now_ns, now_ns + ms * CLU_MS + 1000);
    mirror_check(&mirror, c);
}

/* The names of all members, with blanks between them. */
static inline void expect(const char *names)
{
    char text[1024] = "";
    size_t i;
    for (i = 0; i < cluster_member_count(c); i++) {
        assert_true(strlen(text) + strlen(cluster_member_at(c, i)->name) + 2 <= sizeof text);
        strcat(text, i ? " " : "");
        strcat(text, cluster_member_at(c, i)->name);
    }
    assert_string_equal(text, names);
}

#endif
