/* Erlang's term syntax into the external format: what OTP reads, every cut of room, faults with their places, and limits. */
#include "../../src/wire/term_parse.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

static uint8_t out[1 << 20];

/* The bytes of a text, which fit into no less than their size. */
static size_t parse(const char *text)
{
    size_t size, again, room, step;
    uint8_t *exact;
    int error = cluster_term_parse(text, out, sizeof out, &size);
    if (error < 0)
        fail_msg("%.60s: %s", text, cluster_term_why(text, NULL));
    assert_string_equal(cluster_term_why(text, &again), "");
    assert_int_equal(again, 0);
    assert_int_equal(cluster_term_parse(text, NULL, 0, &again), CLUSTER_E_LIMIT);
    assert_int_equal(again, size);
    step = size / 40 + 1;
    for (room = 0; room < size; room += step) {
        exact = (uint8_t *)malloc(room ? room : 1);
        assert_non_null(exact);
        assert_int_equal(cluster_term_parse(text, exact, room, &again), CLUSTER_E_LIMIT);
        assert_int_equal(again, size);
        free(exact);
    }
    exact = (uint8_t *)malloc(size);
    assert_non_null(exact);
    assert_int_equal(cluster_term_parse(text, exact, size, &again), 0);
    assert_int_equal(again, size);
    assert_memory_equal(exact, out, size);
    free(exact);
    return size;
}

static void assert_parses(const char *text, const char *hex)
{
    assert_hex(out, parse(text), hex);
}

static void assert_fault(const char *text, int error, size_t at, const char *why)
{
    size_t size = 1, place = SIZE_MAX;
    if (cluster_term_parse(text, out, sizeof out, &size) != error)
        fail_msg("%.60s", text);
    assert_int_equal(size, 0);
    assert_string_equal(cluster_term_why(text, &place), why);
    if (place != at)
        fail_msg("%.60s: at %zu", text, place);
}

static void agrees_with_otp(void **state)
{
    static char line[4096];
    FILE *f = fopen("tests/vectors/term_text.txt", "r");
    char *field[3];
    int seen = 0, refused = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        size_t size, at;
        if (line[0] == '#' && line[1] == ' ')
            continue;
        assert_int_equal(split_fields(line, field, 3), 3);
        seen++;
        if (strcmp(field[2], "read") == 0) {
            assert_parses(field[0], field[1]);
            continue;
        }
        refused++;
        if (cluster_term_parse(field[0], out, sizeof out, &size) != CLUSTER_E_INVALID)
            fail_msg("%s", field[0]);
        assert_true(strlen(cluster_term_why(field[0], &at)) > 5);
        assert_true(at <= strlen(field[0]));
    }
    fclose(f);
    assert_true(seen > 300 && refused > 130);
}

static void reads_blanks_and_comments(void **state)
{
    (void)state;
    assert_parses(" \t\r\n{ % one\n a % two\n , % three \n b } % four\n . % five", "83 68 02 7701 61 7701 62");
    assert_parses("%\n%%\n1%", "83 61 01");
    assert_parses("\"a\"%c\n\"b\"", "83 6b 0002 6162");
    assert_parses("'a\nb'", "83 77 03 610a62");
    assert_parses("\"a\\\nb\"", "83 6b 0003 610a62");
    assert_parses("-\n1", "83 62 ffffffff");
}

static void reads_what_has_no_syntax(void **state)
{
    (void)state;
    assert_parses("#Pid<a@b.91.0.4294967295>", "83 58 77 03 614062 0000005b 00000000 ffffffff");
    assert_parses("#Pid<'a@1.2'.1.2.3>", "83 58 77 05 6140312e32 00000001 00000002 00000003");
    assert_parses("#Port<a@b.5.1>", "83 59 77 03 614062 00000005 00000001");
    assert_parses("#Port<a@b.268435455.1>", "83 59 77 03 614062 0fffffff 00000001");
    assert_parses("#Port<a@b.268435456.1>", "83 78 77 03 614062 0000000010000000 00000001");
    assert_parses("#Port<a@b.18446744073709551615.1>", "83 78 77 03 614062 ffffffffffffffff 00000001");
    assert_parses("#Ref<a@b.1.2>", "83 5a 0001 77 03 614062 00000001 00000002");
    assert_parses("#Ref<a@b.1.2.3.4.5.6>", "83 5a 0005 77 03 614062 00000001 00000002 00000003 00000004 00000005 00000006");
    assert_parses("{#Pid<a@b.1.2.3>,1}", "83 68 02 58 77 03 614062 00000001 00000002 00000003 61 01");
    assert_parses("#Fun<01000102030405060708090a0b0c0d0e0f00000007,m,8,9,#Pid<a@b.1.2.3>>",
                  "83 70 00000036 01 000102030405060708090a0b0c0d0e0f 00000007 00000000 77016d 6108 6109"
                  "5877036140620000000100000002 00000003");
    assert_parses("[#Fun<01000102030405060708090A0b0c0d0e0f00000007, 'm' ,8,9,p,x,{[]}>|y]",
                  "83 6c 00000001 70 0000002d 01 000102030405060708090a0b0c0d0e0f 00000007 00000002 77016d 6108 6109 770170"
                  "770178 6801 6a 770179");
}

/* Sizes at which the form of the head changes. */
static void reads_large_things(void **state)
{
    static char text[400000];
    size_t count, i, size;
    (void)state;
    for (count = 254; count < 258; count++) {
        char *t = text;
        *t++ = '{';
        for (i = 0; i < count; i++)
            t += sprintf(t, "%s{}", i ? "," : "");
        strcpy(t, "}");
        size = parse(text);
        assert_int_equal(size, 1 + (count < 256 ? 2 : 5) + 2 * count);
        assert_int_equal(out[1], count < 256 ? CLU_TERM_SMALL_TUPLE : CLU_TERM_LARGE_TUPLE);
        assert_int_equal(out[count < 256 ? 2 : 5], count & 255);
        assert_int_equal(out[size - 2], CLU_TERM_SMALL_TUPLE);
        assert_int_equal(out[size - 1], 0);
    }
    for (count = 65534; count < 65538; count++) {
        memset(text, 'x', count + 2);
        text[0] = text[count + 1] = '"';
        text[count + 2] = '\0';
        size = parse(text);
        assert_int_equal(size, count < 65536 ? 4 + count : 7 + 2 * count);
        assert_int_equal(out[1], count < 65536 ? CLU_TERM_STRING : CLU_TERM_LIST);
        assert_int_equal(out[size - 1], count < 65536 ? 'x' : CLU_TERM_NIL);
        strcpy(text + count + 2, "\"\xd0\xb6\"");
        size = parse(text);
        assert_int_equal(size, 7 + 2 * count + 5);
        assert_hex(out + size - 8, 8, "61 78 62 00000436 6a");
    }
    for (count = 1; count < 257; count++) { /* an atom of so many characters, of 1 and of 4 bytes */
        memset(text, 'x', count);
        text[count] = '\0';
        if (count == 256) {
            assert_fault(text, CLUSTER_E_INVALID, 255, "an atom has at most 255 characters");
            continue;
        }
        assert_int_equal(parse(text), 3 + count);
        strcpy(text, "'");
        for (i = 0; i < count; i++)
            strcat(text, "\xf0\x9f\x98\x80");
        strcat(text, "'");
        assert_int_equal(parse(text), (count < 64 ? 3 : 4) + 4 * count);
        assert_int_equal(out[1], count < 64 ? CLU_TERM_SMALL_ATOM_UTF8 : CLU_TERM_ATOM_UTF8);
    }
}

static void reads_large_integers(void **state)
{
    static char text[5000];
    static const size_t counts[] = {9, 10, 15, 16, 17, 18, 31, 32, 33, 509, 510, 511, 512, 1023, 1024, 1025, 1026, 2400};
    size_t k, digits, i, size;
    (void)state;
    for (k = 0; k < CLU_COUNT(counts); k++) {
        digits = counts[k];
        strcpy(text, "-16#");
        memset(text + 4, 'f', digits);
        text[4] = '1';
        text[4 + digits] = '\0';
        size = parse(text);
        assert_int_equal(out[1], digits <= 510 ? CLU_TERM_SMALL_BIG : CLU_TERM_LARGE_BIG);
        i = digits <= 510 ? 4 : 7;
        assert_int_equal(size, i + digits / 2 + digits % 2);
        assert_int_equal(out[i - 1], 1);
        for (; i + 1 < size; i++)
            assert_int_equal(out[i], 0xff);
        assert_int_equal(out[i], digits % 2 ? 1 : 0x1f);
    }
    /* Digits behind zeros and with _ between them, beyond the 4096 bits that other bases have. */
    strcpy(text, "16#0_0");
    for (i = 0; i < 1025; i++)
        strcat(text, "_a");
    size = parse(text);
    assert_hex(out, 8, "83 6f 00000201 00 aa");
    assert_int_equal(size, 7 + 513);
    assert_int_equal(out[size - 1], 0x0a);
    /* 10^1233 has 4096 bits, 10^1234 has 4100. */
    text[0] = '1';
    memset(text + 1, '0', 1234);
    text[1234] = '\0';
    assert_int_equal(parse(text), 7 + 512);
    text[1234] = '0';
    text[1235] = '\0';
    assert_fault(text, CLUSTER_E_LIMIT, 1235, "an integer of more than 4096 bits is written in base 16, as 16#...");
}

static void nests_so_deep(void **state)
{
    static const char *const open[] = {"[", "{", "#{a=>", "[b|{"}, *const close[] = {"]", "}", "}", "}]"};
    static char text[8000];
    size_t i;
    int depth, levels;
    (void)state;
    for (i = 0; i < CLU_COUNT(open); i++) {
        levels = i == 3 ? 2 : 1;
        for (depth = CLUSTER_TERM_DEPTH / levels; depth < CLUSTER_TERM_DEPTH / levels + 2; depth++) {
            int j;
            text[0] = '\0';
            for (j = 0; j < depth; j++)
                strcat(text, open[i]);
            strcat(text, "a");
            for (j = 0; j < depth; j++)
                strcat(text, close[i]);
            if (depth == CLUSTER_TERM_DEPTH / levels) {
                (void)parse(text);
                continue;
            }
            assert_fault(text, CLUSTER_E_LIMIT, strlen(open[i]) * (size_t)(depth - 1),
                         "the term is nested deeper than 128 containers");
        }
    }
    /* A list that is a tail is no deeper. */
    text[0] = '\0';
    for (depth = 0; depth < 1000; depth++)
        strcat(text, "[1|");
    strcat(text, "[]");
    for (depth = 0; depth < 1000; depth++)
        strcat(text, "]");
    assert_int_equal(parse(text), 1 + 3 + 1000);
    /* A string is a list. */
    memset(text, '{', CLUSTER_TERM_DEPTH);
    strcpy(text + CLUSTER_TERM_DEPTH, "\"\"");
    assert_fault(text, CLUSTER_E_LIMIT, CLUSTER_TERM_DEPTH, "the term is nested deeper than 128 containers");
}

static void says_what_is_wrong(void **state)
{
    static const char missing[] = "a term is missing here", comma[] = "`,` or the closing bracket is missing here",
                      digit[] = "a digit is missing here",
                      character[] = "no such character: `\\x` has two digits, or braces around up to 10FFFF",
                      opaque[] = "no map, #Pid<NODE.1.2.3>, #Port<NODE.1.2>, #Ref<NODE.1.2...> or #Fun<HEX,MODULE,1,2,PID...>",
                      large[] = "an integer that is too large for its place";
    static const struct {
        const char *text, *why;
        size_t at;
    } cases[] = {
        {"", missing, 0},
        {" % c", missing, 4},
        {"{a, ", missing, 4},
        {"[1 2]", comma, 3},
        {"[1", comma, 2},
        {"{1]", comma, 2},
        {"#{1}", "`=>` is missing here", 3},
        {"a b", "something follows the term", 2},
        {"a. .", "something follows the term", 3},
        {"{X}", "a variable: as an atom it stands in single quotes", 1},
        {"{if}", "a word of the language: as an atom it stands in single quotes", 1},
        {"'abc", "the text ends within quotes or after `$`", 4},
        {"\"ab\\x4\"", character, 3},
        {"$\\x{110000}", character, 1},
        {"$\\x{d800}", character, 1},
        {"$\\", character, 1},
        {"$", "the text ends within quotes or after `$`", 1},
        {"{\xff}", "no UTF-8 here", 2},
        {"\xed\xa0\x80", "no UTF-8 here", 3},
        {"'\xc3", "no UTF-8 here", 2},
        {"-a", digit, 1},
        {"16#g", digit, 3},
        {"37#1", "the base of an integer is 2 to 36", 2},
        {"99999999999999999999#1", "the base of an integer is 2 to 36", 20},
        {"1.0e", "an exponent has digits", 4},
        {"-1.0e309", "a float is at most 1.7976931348623157e308", 1},
        {"<<1 2>>", "`,` or `>>` is missing here", 4},
        {"<<256>>", "an integer in a binary fits into 8 bits, or into its :SIZE of at most 64", 2},
        {"<<1,8:3>>", "an integer in a binary fits into 8 bits, or into its :SIZE of at most 64", 4},
        {"<<1:65>>", "an integer in a binary fits into 8 bits, or into its :SIZE of at most 64", 2},
        {"<<1:128>>", large, 4},
        {"<<99999999999999999999>>", large, 2},
        {"<<\"\xd0\xb6\">>", "characters above 255 in a binary: write \"...\"/utf8", 2},
        {"<<\"a\"/utf16>>", "the one type of a segment is utf8", 6},
        {"fun a/1", "a function is written fun m:f/1, or #Fun<HEX...>", 5},
        {"fun a:b/256", large, 8},
        {"#", opaque, 0},
        {"#pid<a.1.2.3>", opaque, 0},
        {"#Pid<a.1.2>", opaque, 10},
        {"#Pid<a.1.2.3.4>", opaque, 12},
        {"#Pid<1.2.3>", opaque, 5},
        {"#Pid<a.1.2.4294967296>", large, 11},
        {"#Port<a.1>", opaque, 9},
        {"#Port<a.18446744073709551616.1>", large, 8},
        {"#Ref<a.1>", opaque, 8},
        {"#Ref<a.1.2.3.4.5.6.7>", opaque, 18},
        {"#Fun<01>", opaque, 7},
        {"#Fun<01000102030405060708090a0b0c0d0e0f00000007>", opaque, 47},
        {"#Fun<01000102030405060708090a0b0c0d0e0f00000007,1,8,9,p>", opaque, 48},
        {"#Fun<01000102030405060708090a0b0c0d0e0f00000007,m,8,9>", comma, 53},
        {"#Fun<01000102030405060708090a0b0c0d0e0f00000007,m|8,9,p>", comma, 49},
    };
    size_t i, size = 1;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        assert_fault(cases[i].text, CLUSTER_E_INVALID, cases[i].at, cases[i].why);
    assert_int_equal(cluster_term_parse(NULL, out, sizeof out, &size), CLUSTER_E_INVALID);
    assert_int_equal(cluster_term_parse("a", out, sizeof out, NULL), CLUSTER_E_INVALID);
    assert_string_equal(cluster_term_why(NULL, NULL), missing);
}

/* Every beginning of a term of every kind is refused, with a place in it. */
static void refuses_what_is_cut(void **state)
{
    static const char whole[] = "{'a b',[1,2|c],\"d\\x{e9}\",#{1.5e3=>-16#ff},<<\"f\"/utf8,1:3>>,fun g:h/1,$\\n,#Pid<i.1.2.3>,"
                                "#Fun<01000102030405060708090a0b0c0d0e0f00000007,m,8,9,p>}";
    char text[sizeof whole];
    size_t cut, size, at;
    (void)state;
    (void)parse(whole);
    for (cut = 0; cut + 1 < sizeof whole; cut++) {
        memcpy(text, whole, cut);
        text[cut] = '\0';
        assert_int_equal(cluster_term_parse(text, out, sizeof out, &size), CLUSTER_E_INVALID);
        assert_true(cluster_term_why(text, &at)[0]);
        assert_true(at <= cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_otp),      cmocka_unit_test(reads_blanks_and_comments),
        cmocka_unit_test(reads_large_things),   cmocka_unit_test(reads_what_has_no_syntax),
        cmocka_unit_test(reads_large_integers), cmocka_unit_test(nests_so_deep),
        cmocka_unit_test(says_what_is_wrong),   cmocka_unit_test(refuses_what_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
