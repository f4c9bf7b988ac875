/* file: sources: the file appears, changes, vanishes, is half-written, or stays as it is. */
#include "../../src/core/sources.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "one_handle.h"

#define SECOND FAKE_SECOND

static struct cluster_source *s;

static void begin(const char *url)
{
    struct cluster_options o = fake_begin(&f);
    memset(&mirror, 0, sizeof mirror);
    now_ns = SECOND;
    assert_int_equal(cluster_create(&c, &o), 0);
    if (cluster_discover(c, url, &s) != 0)
        fail_msg("%s", cluster_last_error(c));
}

static void contents(const char *text)
{
    f.files[0].path = "/etc/nodes";
    f.files[0].text = text;
    f.files[0].stamp++;
}

static void wait_for(uint64_t seconds)
{
    fake_run(&f, c, &now_ns, now_ns + seconds * SECOND);
    mirror_check(&mirror, c);
}

static void comes_changes_goes(void **state)
{
    (void)state;
    begin("file:/etc/nodes");
    wait_for(1);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_NOT_FOUND);
    assert_string_equal(cluster_source_why(s), "cannot read '/etc/nodes': not found");
    contents("# ours\na@h\n\nb@h\n");
    wait_for(2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    expect("a@h b@h");
    contents("b@h\r\nc@h"); /* one missed round is enough, and a last line needs no end */
    wait_for(2);
    expect("b@h c@h");
    f.files[0].path = NULL;
    wait_for(100);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
    expect("b@h c@h");
    f.files[0].path = "/etc/nodes"; /* the very same file is there again */
    wait_for(2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
    expect("b@h c@h");
    f.files[0].error = CLUSTER_E_PERMISSION;
    wait_for(2);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_PERMISSION);
    f.files[0].error = 0;
    contents("");
    wait_for(2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    expect("");
    contents("# nothing\n   \n");
    wait_for(2);
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    assert_int_equal(mirror.seen[CLUSTER_SOURCE], 6);
    end();
}

static void attributes(void **state)
{
    const struct cluster_member *m;
    (void)state;
    begin("file:/etc/nodes?node=app&port=9000&zone=south");
    contents("a@h port=9100 weight=7 zone=east role=db address=10.0.0.7 # one\n10.0.0.8\n10.0.0.9\tzone=west\n");
    wait_for(0);
    expect("a@h app@10.0.0.8 app@10.0.0.9");
    m = cluster_member_find(c, "a@h");
    assert_true(m->port == 9100 && m->weight == 7);
    assert_string_equal(m->zone, "east");
    assert_string_equal(m->role, "db");
    assert_string_equal(m->address, "10.0.0.7");
    m = cluster_member_find(c, "app@10.0.0.8");
    assert_true(m->port == 9000 && m->weight == 1);
    assert_string_equal(m->zone, "south");
    assert_string_equal(cluster_member_find(c, "app@10.0.0.9")->zone, "west");
    contents("a@h port=9100 weight=7 zone=east role=db address=10.0.0.8\napp@10.0.0.8\n10.0.0.9\tzone=west\n");
    wait_for(2);
    assert_int_equal(mirror.seen[CLUSTER_CHANGE], 1);
    assert_int_equal(mirror.changed, CLUSTER_CHANGED_ADDRESS);
    end();
}

/* A malformed line fails the whole, and its number is said. */
static void malformed_lines(void **state)
{
    static const char *const table[][2] = {
        {"a@h\nb@h\nc@d@e\n", "line 3: 'c@d@e'"},  {"a@h port=x\n", "line 1: 'port=x'"},
        {"\n\n\nx@h colour=red", "line 4:"},       {"a@h\nb@h zone=\n", "line 2:"},
        {"a@h\nb@h address=nowhere\n", "line 2:"}, {"a@h\nb@h port=1 port=2\n", "line 2:"},
        {"a@h port=70000\n", "line 1:"},           {"a\x01@h\n", "'a\\x01@h'"},
        {"a@h\nhalf", "is a host, not a node"},
    };
    size_t i;
    (void)state;
    begin("file:/etc/nodes");
    contents("a@h\nz@h\n");
    wait_for(1);
    for (i = 0; i < CLU_COUNT(table); i++) {
        contents(table[i][0]);
        wait_for(2);
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_FAILED);
        assert_int_equal(cluster_source_error(s), CLUSTER_E_INVALID);
        if (!strstr(cluster_source_why(s), table[i][1]))
            fail_msg("%s lacks %s", cluster_source_why(s), table[i][1]);
        expect("a@h z@h");
    }
    contents("z@h\n");
    wait_for(2);
    expect("z@h");
    end();
}

/* An unchanged file is not read again, and still says that its nodes are there. */
static void the_same_counts_as_seen(void **state)
{
    unsigned long rounds;
    (void)state;
    begin("file:/etc/nodes?max-age=5s&interval=1s");
    contents("a@h\n");
    wait_for(60);
    expect("a@h");
    assert_true(cluster_revision(c) == 1);
    assert_true(cluster_source_rounds(s) > 50);
    /* The first look says how long it is, the second reads; then one call a round. */
    rounds = (unsigned long)cluster_source_rounds(s);
    assert_int_equal(f.calls[FAKE_READ_FILE], rounds + 1);
    /* A missed round is a missed one, though the file did not change after it. */
    end();
    begin("file:/etc/nodes?misses=4&interval=1s&jitter=0%");
    contents("a@h\nb@h\n");
    wait_for(0);
    contents("a@h\n");
    wait_for(3);
    expect("a@h b@h");
    wait_for(1);
    expect("a@h");
    end();
}

static void a_long_file(void **state)
{
    static char text[300000];
    size_t size = 0, i;
    (void)state;
    for (i = 0; i < 5000; i++)
        size +=
            (size_t)sprintf(text + size, "node%u@10.0.%u.%u weight=2\n", (unsigned)i, (unsigned)(i / 250), (unsigned)(i % 250));
    begin("file:/etc/nodes?limit=5000");
    contents(text);
    wait_for(0);
    assert_int_equal(cluster_member_count(c), 5000);
    strcpy(text + size, "one@more\n");
    contents(text);
    wait_for(2);
    assert_int_equal(cluster_source_error(s), CLUSTER_E_LIMIT);
    assert_non_null(strstr(cluster_source_why(s), "limit="));
    assert_int_equal(cluster_member_count(c), 5000);
    end();
}

/* It grows between the look at its length and the reading. */
static int64_t growing(void *ctx, const char *path, void *data, size_t size, uint64_t *stamp)
{
    struct fake *machine = (struct fake *)ctx;
    int64_t result = fake_read_file(ctx, path, data, size, stamp);
    if (machine->calls[FAKE_READ_FILE] == 1) {
        machine->files[0].text = "a@h\nb@h\nc@h\nd@h\n";
        machine->files[0].stamp++;
    }
    return result;
}

static void grows_while_read(void **state)
{
    struct cluster_options o = fake_begin(&f);
    (void)state;
    memset(&mirror, 0, sizeof mirror);
    f.io.read_file = growing;
    contents("a@h\n");
    now_ns = SECOND;
    assert_int_equal(cluster_create(&c, &o), 0);
    assert_int_equal(cluster_discover(c, "file:/etc/nodes", &s), 0);
    wait_for(0);
    expect("a@h b@h c@h d@h");
    end();
}

static void no_memory(void **state)
{
    unsigned long n;
    int all;
    (void)state;
    for (all = 0; all < 2; all++)
        for (n = 1;; n++) {
            bool done;
            begin("file:/etc/nodes?interval=1s");
            contents("a@h\nb@h\n");
            wait_for(0);
            contents("b@h port=1\nc@h\nd@h\ne@h\nf@h\ng@h\nh@h\ni@h\nj@h\nk@h\n");
            fake_memory_fail(&f.memory, n, all);
            wait_for(2);
            done = !f.memory.failures;
            if (all && !done) {
                assert_true(cluster_source_state(s) == CLUSTER_SOURCE_ANSWER || cluster_source_error(s) == CLUSTER_E_MEMORY);
                if (cluster_source_state(s) == CLUSTER_SOURCE_FAILED)
                    expect("a@h b@h");
            }
            fake_memory_fail(&f.memory, 0, false);
            wait_for(2);
            expect("b@h c@h d@h e@h f@h g@h h@h i@h j@h k@h");
            assert_int_equal(cluster_member_find(c, "b@h")->port, 1);
            end();
            if (done) {
                assert_true(n > 10);
                break;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_changes_goes), cmocka_unit_test(attributes),
        cmocka_unit_test(malformed_lines),    cmocka_unit_test(the_same_counts_as_seen),
        cmocka_unit_test(a_long_file),        cmocka_unit_test(grows_while_read),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
