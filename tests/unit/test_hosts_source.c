/* hosts: sources: the terms of .hosts.erlang, where the file is looked for, and what its hosts come to. */
#include "../../src/core/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "web_server.h"

/* All hosts of a text, each followed by a blank; "!" at the end for what is none. */
static const char *hosts(const char *text)
{
    static char out[512];
    struct clu_text t = clu_text_on(out, sizeof out);
    size_t size = strlen(text);
    char *exact = (char *)malloc(size + 1); /* one byte is spare, as in a file that was read */
    struct clu_slice rest, host;
    int result;
    assert_non_null(exact);
    memcpy(exact, text, size);
    rest = clu_slice_of(exact, size);
    while ((result = clu_hosts_next(&rest, &host)) > 0) {
        clu_text_bytes(&t, host.at, host.length);
        clu_text_add(&t, " ");
    }
    clu_text_add(&t, result ? "!" : "");
    free(exact);
    return out;
}

static void terms_are_read(void **state)
{
    (void)state;
    assert_string_equal(hosts(""), "");
    assert_string_equal(hosts(" \n%% nothing\n\n"), "");
    assert_string_equal(hosts("'host1.example.com'.\nhost2.\n'10.0.0.1'."), "host1.example.com host2 10.0.0.1 ");
    assert_string_equal(hosts("% a comment with 'quotes'.\r\n'a-b'. % another\r\nhost_3 .\t'c'\n."), "a-b host_3 c ");
    assert_string_equal(hosts("host2.%comment"), "host2 ");
}

static void what_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"host", "'host'", "'host.\n",  "host..", "Host.",  "1host.", "''.", "'a b'.",
                                      "a.b.", "a-b.",   "\"host\".", "host,",  "'a@b'.", "[a].",   ".",   "a b."};
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(bad); i++)
        if (!strchr(hosts(bad[i]), '!'))
            fail_msg("taken: %s", bad[i]);
}

/* ---- the source ------------------------------------------------------- */

/* Every epmd has one node, `app`, at port 9100. */
static void epmd(struct fake *machine, int fd, const uint8_t *data, size_t size)
{
    static const uint8_t port[] = {119, 0, 9100 >> 8, 9100 & 255, 77, 0, 0, 6, 0, 5, 0, 3, 'a', 'p', 'p', 0, 0};
    static const char names[] = "\0\0\x11\x11name app at port 9100\n";
    struct fake_socket *socket = &machine->s[fd];
    (void)data;
    (void)size;
    if (socket->kind != CLUSTER_TCP || socket->out_size < 3)
        return;
    if (socket->out[2] == 'n')
        fake_push(machine, fd, names, sizeof names - 1, NULL);
    else
        fake_push(machine, fd, port, sizeof port, NULL);
    socket->ended = true;
}

static void begin_with(const char *url, const char *node, const char *path, const char *text)
{
    struct cluster_options o = web_begin(NULL);
    f.sent = epmd;
    o.node = node;
    f.files[0].path = "/etc/hosts";
    f.files[0].text = "10.0.0.1 host1.example.com\n10.0.0.2 host2\n10.0.0.3 host3.example.com\n";
    f.files[0].stamp = 1;
    f.files[1].path = path;
    f.files[1].text = text;
    f.files[1].stamp = 1;
    f.variables[0][0] = "HOME";
    f.variables[0][1] = "/home/me";
    web_start(&o, url);
    web_run(10);
}

static void hosts_become_their_nodes(void **state)
{
    (void)state;
    begin_with("hosts:/x/hosts", NULL, "/x/hosts", "'host1.example.com'.\nhost2.\n'10.0.0.9'.\n");
    web_members("app@10.0.0.9 app@host1.example.com app@host2");
    assert_string_equal(cluster_member_at(c, 1)->address, "10.0.0.1");
    assert_int_equal(cluster_member_at(c, 1)->port, 9100);
    /* the file is another one in the next round */
    f.files[1].text = "'host3.example.com'.";
    web_round();
    web_round();
    web_round();
    web_members("app@host3.example.com");
    /* and a broken one, a missing one, an empty one */
    f.files[1].text = "'host3.example.com'\n'host1.example.com'.\n";
    web_round();
    web_failed(CLUSTER_E_INVALID, "host3.example.com");
    f.files[1].path = NULL;
    web_round();
    web_failed(CLUSTER_E_NOT_FOUND, "/x/hosts");
    web_members("app@host3.example.com");
    f.files[1].path = "/x/hosts";
    f.files[1].text = "%\n";
    web_round();
    assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_EMPTY);
    end();
}

static void short_names_have_short_hosts(void **state)
{
    (void)state;
    begin_with("hosts:", "me@here", ".hosts.erlang", "'host1.example.com'. 'host3.example.com'.");
    web_members("app@host1 app@host3 me@here");
    end();
    begin_with("hosts:", "me@here.example.com", ".hosts.erlang", "'host1.example.com'.");
    web_members("app@host1.example.com me@here.example.com");
    end();
}

static void the_file_is_here_or_in_the_home(void **state)
{
    (void)state;
    begin_with("hosts:", NULL, ".hosts.erlang", "host2.");
    web_members("app@host2");
    end();
    begin_with("hosts:", NULL, "/home/me/.hosts.erlang", "host2.");
    web_members("app@host2");
    end();
    begin_with("hosts:", NULL, "/elsewhere", "host2.");
    web_failed(CLUSTER_E_NOT_FOUND, "hosts:PATH names one");
    end();
}

static void every_allocation_may_fail(void **state)
{
    unsigned long n;
    (void)state;
    for (n = 1; n < 30; n++) {
        begin_with("hosts:?interval=1m&jitter=0%", NULL, ".hosts.erlang", "host2. 'host1.example.com'.");
        f.memory.fail_at = f.memory.allocations + n;
        web_round();
        f.memory.fail_at = 0;
        web_members("app@host1.example.com app@host2");
        web_round();
        assert_int_equal(cluster_source_state(s), CLUSTER_SOURCE_ANSWER);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_are_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(hosts_become_their_nodes),
        cmocka_unit_test(short_names_have_short_hosts),
        cmocka_unit_test(the_file_is_here_or_in_the_home),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
