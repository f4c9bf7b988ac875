/* The external format into Erlang's term syntax: every tag, every cut of the term and of the room, limits, and reading back. */
#include "../../src/wire/term_print.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static uint8_t term[1 << 20];
static char text[1 << 21];

/* The text of a term, which is the same however much room there is, as far as it fits. */
static size_t print(const uint8_t *data, size_t size)
{
    size_t length = cluster_term_print(data, size, text, sizeof text), room, step = length / 40 + 1;
    char *exact;
    assert_int_equal(cluster_term_print(data, size, NULL, 0), length);
    assert_int_equal(strlen(text), length);
    for (room = 1; room <= length + 1; room += step) {
        exact = (char *)malloc(room);
        assert_non_null(exact);
        assert_int_equal(cluster_term_print(data, size, exact, room), length);
        assert_memory_equal(exact, text, room - 1);
        assert_int_equal(exact[room - 1], 0);
        free(exact);
    }
    return length;
}

/* Prints as this, and without its last bytes or with one more as nothing. */
static void assert_prints(const char *hex, const char *expected)
{
    static uint8_t exact[1 << 16];
    size_t size = unhex(hex, term, sizeof term), cut;
    if (print(term, size) != strlen(expected) || strcmp(text, expected) != 0)
        fail_msg("%.80s: %s", hex, text);
    for (cut = 0; cut < size; cut++) {
        uint8_t *part = (uint8_t *)malloc(cut ? cut : 1);
        assert_non_null(part);
        memcpy(part, term, cut);
        assert_int_equal(cluster_term_print(part, cut, (char *)exact, sizeof exact), 0);
        assert_int_equal(exact[0], 0);
        free(part);
    }
    term[size] = CLU_TERM_NIL;
    assert_int_equal(cluster_term_print(term, size + 1, NULL, 0), 0);
}

static void assert_refused(const char *hex)
{
    size_t size = unhex(hex, term, sizeof term);
    text[0] = 'x';
    if (cluster_term_print(term, size, text, sizeof text))
        fail_msg("%s: %s", hex, text);
    assert_int_equal(text[0], 0);
}

/* What is printed reads back as the same bytes. */
static void assert_reads_back(const uint8_t *data, size_t size)
{
    static uint8_t again[1 << 20];
    size_t count;
    assert_true(print(data, size) > 0);
    if (cluster_term_parse(text, again, sizeof again, &count))
        fail_msg("%.80s: %s", text, cluster_term_why(text, NULL));
    assert_int_equal(count, size);
    assert_memory_equal(again, data, size);
}

static void reads_back_what_otp_made(void **state)
{
    static char line[4096];
    FILE *f = fopen("tests/vectors/term_text.txt", "r");
    char *field[3];
    int seen = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if ((line[0] == '#' && line[1] == ' ') || split_fields(line, field, 3) != 3 || strcmp(field[2], "read") != 0)
            continue;
        assert_reads_back(term, unhex(field[1], term, sizeof term));
        seen++;
    }
    fclose(f);
    assert_true(seen > 150);
}

static void prints_every_tag(void **state)
{
    (void)state;
    assert_prints("83 61 ff", "255");
    assert_prints("83 62 80000000", "-2147483648");
    assert_prints("83 62 00000007", "7");
    assert_prints("83 6e 00 00", "0");
    assert_prints("83 6e 03 01 000000", "0");
    assert_prints("83 6e 0a 01 00000000000000000100", "-18446744073709551616");
    assert_prints("83 6f 00000002 00 0001", "256");
    assert_prints("83 46 bff8000000000000", "-1.5");
    assert_prints("83 63 312e3530303030303030303030303030303030303030652b30300000000000", "1.5");
    assert_prints("83 63 2d312e3439393939393939393939393939393934343439652d303100000000", "-0.15");
    assert_prints("83 64 0003 61e962", "a\xc3\xa9"
                                       "b");
    assert_prints("83 73 02 61d7", "'a\xc3\x97'");
    assert_prints("83 76 0002 6131", "a1");
    assert_prints("83 77 04 d0b64142", "'\xd0\xb6"
                                       "AB'");
    assert_prints("83 77 00", "''");
    assert_prints("83 77 02 6966", "'if'");
    assert_prints("83 77 05 6d61796265", "'maybe'");
    assert_prints("83 77 09 27225c0a1b7f01c29f", "'\\'\"\\\\\\n\\e\\d\\001\\237'");
    assert_prints("83 68 00", "{}");
    assert_prints("83 68 02 6a 68 01 77 01 61", "{[],{a}}");
    assert_prints("83 69 00000001 77 01 61", "{a}");
    assert_prints("83 74 00000000", "#{}");
    assert_prints("83 74 00000002 77 01 61 61 01 6a 68 00", "#{a => 1,[] => {}}");
    assert_prints("83 6a", "[]");
    assert_prints("83 6b 0003 61220a", "\"a\\\"\\n\"");
    assert_prints("83 6b 0002 61ff", "\"a\xc3\xbf\"");
    assert_prints("83 6b 0002 017f", "[1,127]");
    assert_prints("83 6c 00000002 61 61 62 00000436 6a", "\"a\xd0\xb6\"");
    assert_prints("83 6c 00000002 61 61 62 00000436 61 62", "[97,1078|98]");
    assert_prints("83 6c 00000001 62 0000d800 6a", "[55296]");
    assert_prints("83 6c 00000001 62 0000ffff 6a", "[65535]");
    assert_prints("83 6c 00000002 61 61 77 01 61 6a", "[97,a]");
    assert_prints("83 6c 00000001 77 01 61 6c 00000001 77 01 62 6a", "[a,b]");
    assert_prints("83 6c 00000001 77 01 61 6c 00000001 77 01 62 77 01 63", "[a,b|c]");
    assert_prints("83 6c 00000001 77 01 61 6b 0001 62", "[a|\"b\"]");
    assert_prints("83 6c 00000000 6c 00000000 77 01 63", "c");
    assert_prints("83 6c 00000001 77 01 61 6c 00000000 6a", "[a]");
    assert_prints("83 6d 00000000", "<<>>");
    assert_prints("83 6d 00000002 6122", "<<\"a\\\"\">>");
    assert_prints("83 6d 00000003 61d0b6", "<<\"a\xd0\xb6\"/utf8>>");
    assert_prints("83 6d 00000002 61e9", "<<97,233>>");
    assert_prints("83 6d 00000001 00", "<<0>>");
    assert_prints("83 4d 00000000 00", "<<>>");
    assert_prints("83 4d 00000002 08 6162", "<<\"ab\">>");
    assert_prints("83 4d 00000002 03 61a0", "<<97,5:3>>");
    assert_prints("83 58 77 03 614062 0000005b 00000001 ffffffff", "#Pid<a@b.91.1.4294967295>");
    assert_prints("83 67 64 0003 614062 0000005b 00000001 03", "#Pid<a@b.91.1.3>");
    assert_prints("83 59 77 03 614062 00000005 00000001", "#Port<a@b.5.1>");
    assert_prints("83 66 77 03 614062 00000005 01", "#Port<a@b.5.1>");
    assert_prints("83 78 77 03 614062 0000000100000000 00000001", "#Port<a@b.4294967296.1>");
    assert_prints("83 5a 0001 77 03 614062 00000001 00000002", "#Ref<a@b.1.2>");
    assert_prints("83 5a 0005 77 03 614031 00000001 00000002 00000003 00000004 00000005 00000006", "#Ref<a@1.1.2.3.4.5.6>");
    assert_prints("83 72 0003 77 03 614062 01 00000002 00000003 00000004", "#Ref<a@b.1.2.3.4>");
    assert_prints("83 71 77 01 61 77 02 6966 61 02", "fun a:'if'/2");
    assert_prints("83 70 00000036 01 000102030405060708090a0b0c0d0e0f 00000007 00000001 77016d 6108 6109"
                  "5877036140620000000100000002 00000003 68 00",
                  "#Fun<01000102030405060708090a0b0c0d0e0f00000007,m,8,9,#Pid<a@b.1.2.3>,{}>");
}

static void refuses_what_is_no_term(void **state)
{
    static const char *const cases[] = {
        "",
        "82 6a",
        "83",
        "83 00",
        "83 50 00000001 78 9c 00", /* compressed */
        "83 46 7ff0000000000000",
        "83 46 fff8000000000000",
        "83 63 00000000000000000000000000000000000000000000000000000000000000",
        "83 63 31 000000000000000000000000000000000000000000000000000000000000", /* an integer */
        "83 63 312e3065393939 000000000000000000000000000000000000000000000000",
        "83 4d 00000001 00 ff",
        "83 4d 00000001 09 ff",
        "83 4d 00000000 01",
        "83 77 01 ff",
        "83 5a 0000 77 03 614062 00000001",
        "83 5a 0006 77 03 614062 00000001 000000020000000300000004000000050000000600000007",
        "83 58 61 01 0000005b 00000001 ffffffff", /* of what is no atom */
        "83 71 77 01 61 77 01 62 62 00000001",
        "83 71 77 01 61 61 01 61 01",
        "83 70 0000001d 01 000102030405060708090a0b0c0d0e0f 00000007 00000000 61 01 6108 6109 6a",
        "83 6c ffffffff 6a",
        "83 74 ffffffff 6a 6a",
        "83 69 ffffffff",
        "83 65 77 03 614062 00000001 01",
    };
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        assert_refused(cases[i]);
    assert_int_equal(cluster_term_print(NULL, 0, text, sizeof text), 0);
}

static void prints_large_integers(void **state)
{
    static const char most[] = "83 6f 00000200 01";
    size_t size = unhex(most, term, sizeof term), i;
    (void)state;
    memset(term + size, 0xff, 512);
    assert_reads_back(term, size + 512);
    assert_int_equal(strlen(text), 1 + 1234);
    assert_memory_equal(text,
                        "-1044388881413152506691752710716624382579964249047383780384233483283953907971557456848826811934997"
                        "55834089010",
                        109);
    /* 2^4096, and a digit alone in front */
    for (i = 1; i < 0x11; i += 0x0f) {
        size = unhex("83 6f 00000201 00", term, sizeof term);
        memset(term + size, 0, 512);
        term[size + 512] = (uint8_t)i;
        assert_reads_back(term, size + 513);
        assert_memory_equal(text, i == 1 ? "16#01000" : "16#10000", 8);
        assert_int_equal(strlen(text), 3 + 2 * 513);
    }
    /* Zeros in front count for nothing. */
    size = unhex("83 6f 00000300 00 07", term, sizeof term);
    memset(term + size, 0, 0x2ff);
    assert_int_equal(print(term, size + 0x2ff), 1);
    assert_string_equal(text, "7");
    /* Nine digits at a time: zeros between them stay. */
    assert_int_equal(cluster_term_parse("-1000000000000000000000000000000000001000000000", term, sizeof term, &size), 0);
    (void)print(term, size);
    assert_string_equal(text, "-1000000000000000000000000000000000001000000000");
}

/* As io_lib's ~p since OTP 25. */
static void prints_floats(void **state)
{
    static const char *const same[] = {"0.0",
                                       "-0.0",
                                       "1.0",
                                       "0.1",
                                       "-0.15",
                                       "0.01",
                                       "0.001",
                                       "0.0001",
                                       "1.0e-5",
                                       "1.2e-4",
                                       "0.00123",
                                       "1.2e-5",
                                       "10.0",
                                       "100.0",
                                       "1.0e3",
                                       "1.2e3",
                                       "1.2e4",
                                       "12345.0",
                                       "1.23e7",
                                       "123456.0",
                                       "123456789012.0",
                                       "1.0e10",
                                       "1.0e-10",
                                       "1.0e100",
                                       "1.0e-100",
                                       "5.0e-324",
                                       "1.5e300",
                                       "0.30000000000000004",
                                       "2251799813685249.5",
                                       "9007199254740991.0",
                                       "9.007199254740992e15",
                                       "1.2345678901234568e17",
                                       "1.7976931348623157e308",
                                       "2.2250738585072014e-308",
                                       "1.0e22",
                                       "1.0e23",
                                       "123.456"};
    size_t i, size;
    (void)state;
    for (i = 0; i < CLU_COUNT(same); i++) {
        assert_int_equal(cluster_term_parse(same[i], term, sizeof term, &size), 0);
        assert_reads_back(term, size);
        assert_string_equal(text, same[i]);
    }
}

static void nests_so_deep(void **state)
{
    static const char *const open[] = {"6801", "6c00000001", "7400000001 6a"}, *const close[] = {"", "6a", ""};
    static const char *const inner[] = {"6a", "6800", "6b0001 61", "6b0001 01", "6c00000001 62 00000436 6a", "7400000000"};
    char hex[4000];
    size_t i, k, size;
    unsigned depth, d;
    (void)state;
    for (i = 0; i < CLU_COUNT(open); i++) {
        for (depth = CLUSTER_TERM_DEPTH - 1; depth <= CLUSTER_TERM_DEPTH + 1; depth++) {
            for (k = 0; k <= CLU_COUNT(inner); k++) {
                bool fits = depth + (k < CLU_COUNT(inner)) <= CLUSTER_TERM_DEPTH;
                strcpy(hex, "83");
                for (d = 0; d < depth; d++)
                    strcat(hex, open[i]);
                strcat(hex, k < CLU_COUNT(inner) ? inner[k] : "770161");
                for (d = 0; d < depth; d++)
                    strcat(hex, close[i]);
                /* the map's key in the innermost place is a container of its own */
                if (i == 2 && depth == CLUSTER_TERM_DEPTH)
                    fits = false;
                size = unhex(hex, term, sizeof term);
                if (fits)
                    assert_reads_back(term, size);
                else
                    assert_refused(hex);
            }
        }
    }
    /* A list that is a tail is no deeper. */
    term[0] = CLU_TERM_VERSION;
    for (i = 0, size = 1; i < 1000; i++)
        size += unhex("6c 00000001 77 01 61", term + size, sizeof term - size);
    term[size++] = CLU_TERM_NIL;
    assert_int_equal(print(term, size), 2 * 1000 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_otp_made),
        cmocka_unit_test(prints_every_tag),
        cmocka_unit_test(refuses_what_is_no_term),
        cmocka_unit_test(prints_large_integers),
        cmocka_unit_test(prints_floats),
        cmocka_unit_test(nests_so_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
