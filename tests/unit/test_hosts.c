/* The hosts file's lookup, and lists of nodes line by line: exact values, and every malformed line with its number. */
#include "../../src/wire/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char hosts_text[] = "127.0.0.1\tlocalhost loop\n"
                                 "::1 localhost ip6-localhost # localhost2\r\n"
                                 "# 10.0.0.9 web\n"
                                 "\n"
                                 "  10.0.0.1   WEB.Example.COM  web   www\r\n"
                                 "10.0.0.2 web#x\n"
                                 "10.0.0.1 web\n"
                                 "fd00::5\tsix\n"
                                 "nonsense nothing\n"
                                 "10.0.0.3web\n"
                                 "fe80::1%lo0 nothing\n"
                                 "10.0.0.4 last.";

static const char *find(const char *name)
{
    static char text[CLU_ADDRESS_TEXT];
    struct cluster_address a;
    struct clu_text t = clu_text_on(text, sizeof text);
    struct clu_slice rest = clu_slice_str(hosts_text);
    if (clu_hosts_find(&rest, clu_slice_str(name), &a))
        clu_address_text(&t, &a);
    return text;
}

static void finds_names(void **state)
{
    (void)state;
    assert_string_equal(find("localhost"), "127.0.0.1");
    assert_string_equal(find("LocalHost"), "127.0.0.1");
    assert_string_equal(find("ip6-localhost"), "::1");
    assert_string_equal(find("web"), "10.0.0.1");
    assert_string_equal(find("web.example.com"), "10.0.0.1");
    assert_string_equal(find("last."), "10.0.0.4");
    assert_string_equal(find("six"), "fd00::5");
    assert_string_equal(find("localhost2"), "");
    assert_string_equal(find("we"), "");
    assert_string_equal(find("webx"), "");
    assert_string_equal(find("nothing"), "");
    assert_string_equal(find(""), "");
}

static struct clu_list list_of(char *room, const char *text)
{
    strcpy(room, text);
    return clu_list_on(room, strlen(text));
}

static void reads_a_list(void **state)
{
    char text[] = "\xEF\xBB\xBF# the nodes\n"
                  "\n"
                  "a@h1\r\n"
                  "\tb@h2   port=9100 weight=2\tzone=eu role=db address=10.0.0.1   # the second\n"
                  "   \n"
                  "host.example  \r\n"
                  "c#d@h address=fe80::1%3 zone=x=y\n"
                  "last";
    struct clu_list list = clu_list_on(text, sizeof text - 1);
    struct cluster_node n;
    char buffer[256];
    struct clu_text error = clu_text_on(buffer, sizeof buffer);
    (void)state;
    assert_int_equal(clu_list_next(&list, &n, &error), 1);
    assert_string_equal(n.name, "a@h1");
    assert_int_equal(n.port + n.weight, 0);
    assert_true(!n.zone && !n.role && !n.address);
    assert_int_equal(list.line, 3);
    assert_int_equal(clu_list_next(&list, &n, &error), 1);
    assert_string_equal(n.name, "b@h2");
    assert_int_equal(n.port, 9100);
    assert_int_equal(n.weight, 2);
    assert_string_equal(n.zone, "eu");
    assert_string_equal(n.role, "db");
    assert_string_equal(n.address, "10.0.0.1");
    assert_int_equal(list.line, 4);
    assert_int_equal(clu_list_next(&list, &n, &error), 1);
    assert_string_equal(n.name, "host.example");
    assert_int_equal(n.port, 0);
    assert_int_equal(clu_list_next(&list, &n, &error), 1);
    assert_string_equal(n.name, "c#d@h");
    assert_string_equal(n.address, "fe80::1%3");
    assert_string_equal(n.zone, "x=y");
    assert_int_equal(clu_list_next(&list, &n, &error), 1);
    assert_string_equal(n.name, "last");
    assert_int_equal(list.line, 8);
    assert_int_equal(clu_list_next(&list, &n, &error), 0);
    assert_int_equal(clu_list_next(&list, &n, &error), 0);
    assert_string_equal(buffer, "");
    list = list_of(buffer, "");
    assert_int_equal(clu_list_next(&list, &n, &error), 0);
    list = list_of(buffer, "\xEF\xBB\xBF");
    assert_int_equal(clu_list_next(&list, &n, &error), 0);
    list = list_of(buffer, "#only\r\n \r\n\n");
    assert_int_equal(clu_list_next(&list, &n, &error), 0);
}

static void refuses_malformed_lines(void **state)
{
    static const struct {
        const char *line, *offending;
    } table[] = {
        {"a@b@c", "'a@b@c'"},
        {"@h", "'@h'"},
        {"a@", "'a@'"},
        {"a@h\x01", "'a@h\\x01'"},
        {"a@h\rb@h", "'a@h\\x0db@h'"},
        {"a@h b@h", "'b@h'"},
        {"a@h port", "'port'"},
        {"a@h port=", "'port='"},
        {"a@h port=0", "'port=0'"},
        {"a@h port=65536", "'port=65536'"},
        {"a@h port=9 port=9", "'port=9'"},
        {"a@h weight=0", "'weight=0'"},
        {"a@h weight=x", "'weight=x'"},
        {"a@h weight=1 weight=2", "'weight=2'"},
        {"a@h zone=", "'zone='"},
        {"a@h zone=a zone=a", "'zone=a'"},
        {"a@h zone=\x7f", "'zone=\\x7f'"},
        {"a@h role=a role=b", "'role=b'"},
        {"a@h address=h", "'address=h'"},
        {"a@h address=10.0.0.1:5", "'address=10.0.0.1:5'"},
        {"a@h address=fe80::1%eth0", "'address=fe80::1%eth0'"},
        {"a@h Port=9", "'Port=9'"},
        {"a@h prot=9", "'prot=9'"},
        {"a@h =9", "'=9'"},
        {"a@h, b@h", "'b@h'"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(table); i++) {
        char text[128], buffer[256];
        struct clu_text t = clu_text_on(text, sizeof text), error = clu_text_on(buffer, sizeof buffer);
        struct clu_list list;
        struct cluster_node n;
        clu_text_add(&t, "good@h\n#\n");
        clu_text_add(&t, table[i].line);
        clu_text_add(&t, "\nmore@h\n");
        list = clu_list_on(text, t.length);
        assert_int_equal(clu_list_next(&list, &n, &error), 1);
        assert_int_equal(clu_list_next(&list, &n, &error), CLUSTER_E_INVALID);
        assert_int_equal(list.line, 3);
        if (strncmp(buffer, "line 3: ", 8) != 0 || !strstr(buffer, table[i].offending) ||
            !strstr(buffer,
                    "write name@host or host, then any of port=9100 weight=2 zone=eu role=db address=10.0.0.1, each once"))
            fail_msg("'%s' gave: %s", table[i].line, buffer);
        assert_int_equal(clu_list_next(&list, &n, &error), 0); /* nothing after an error */
    }
}

static void refuses_nul_and_long_names(void **state)
{
    char line[300], buffer[512];
    struct clu_text error = clu_text_on(buffer, sizeof buffer);
    char text[] = "a@h\0b@h\n";
    struct clu_list list = clu_list_on(text, 8);
    struct cluster_node n;
    (void)state;
    assert_int_equal(clu_list_next(&list, &n, &error), CLUSTER_E_INVALID);
    assert_non_null(strstr(buffer, "'a@h\\x00b@h'"));
    memset(line, 'x', sizeof line);
    line[1] = '@';
    list = clu_list_on(line, 255);
    assert_int_equal(clu_list_next(&list, &n, &error), 1);
    memset(line + 2, 'x', sizeof line - 2);
    list = clu_list_on(line, 256);
    error = clu_text_on(buffer, sizeof buffer);
    assert_int_equal(clu_list_next(&list, &n, &error), CLUSTER_E_INVALID);
    assert_true(strlen(buffer) < 220); /* long words are shortened */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names),
        cmocka_unit_test(reads_a_list),
        cmocka_unit_test(refuses_malformed_lines),
        cmocka_unit_test(refuses_nul_and_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
