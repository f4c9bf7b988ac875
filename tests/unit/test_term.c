/* The external term format: every term that OTP wrote or judged, every cut of them, and the readers and writers of values. */
#include "../../src/wire/term.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"

/* Step over one whole term with its version byte, in a block of exactly its size. */
static bool skips(const uint8_t *bytes, size_t size, size_t *left)
{
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    struct clu_reader r;
    bool fine;
    assert_non_null(exact);
    if (size)
        memcpy(exact, bytes, size);
    r = clu_reader_of(exact, size);
    fine = clu_read_u8(&r) == CLU_TERM_VERSION && clu_term_skip(&r);
    *left = clu_left(&r);
    free(exact);
    return fine;
}

/* Where we differ from OTP: compressed terms are refused, and a map in a skipped term may have a key twice. */
static void agrees_with_otp(void **state)
{
    static char line[16384];
    static uint8_t bytes[8192];
    FILE *f = fopen("tests/vectors/terms.txt", "r");
    char *field[3];
    int seen = 0, refused = 0;
    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        size_t size, left, cut;
        bool ok;
        if (line[0] == '#')
            continue;
        assert_int_equal(split_fields(line, field, 3), 3);
        size = unhex(field[2], bytes, sizeof bytes);
        ok = strcmp(field[1], "ok") == 0;
        if (strcmp(field[0], "compressed") == 0)
            ok = false;
        if (strcmp(field[0], "map key twice") == 0)
            ok = true;
        if (skips(bytes, size, &left) != ok)
            fail_msg("%s %s", field[0], field[2]);
        seen++;
        refused += !ok;
        if (!ok)
            continue;
        assert_int_equal(left, 0);
        for (cut = 0; cut < size; cut++)
            assert_false(skips(bytes, cut, &left));
    }
    fclose(f);
    assert_true(seen > 80 && refused > 25);
}

/* Nesting as deep as a packet can hold takes neither stack nor a step more than it has bytes. */
static void depth_is_free(void **state)
{
    static uint8_t nested[1 + 2 * 500000 + 1];
    size_t i, left;
    (void)state;
    nested[0] = CLU_TERM_VERSION;
    for (i = 1; i + 1 < sizeof nested; i += 2) {
        nested[i] = CLU_TERM_SMALL_TUPLE;
        nested[i + 1] = 1;
    }
    nested[sizeof nested - 1] = CLU_TERM_NIL;
    assert_true(skips(nested, sizeof nested, &left));
    assert_int_equal(left, 0);
    assert_false(skips(nested, sizeof nested - 1, &left));
}

static void leaves_what_follows(void **state)
{
    uint8_t bytes[64];
    size_t left, size = unhex("83 68 02 61 01 6a 61 07", bytes, sizeof bytes);
    (void)state;
    assert_true(skips(bytes, size, &left));
    assert_int_equal(left, 2);
}

static void reads_atoms(void **state)
{
    static const struct {
        const char *hex, *text;
    } cases[] = {
        {"64 0004 6e6f6465", "node"},
        {"73 04 6e6f6465", "node"},
        {"76 0004 6e6f6465", "node"},
        {"77 04 6e6f6465", "node"},
        {"77 00", ""},
        {"64 0002 e97f", "\xc3\xa9\x7f"},
        {"73 03 80ff41", "\xc2\x80\xc3\xbf"
                         "A"},
        {"77 02 c3a9", "\xc3\xa9"},
        {"76 0004 f09f9880", "\xf0\x9f\x98\x80"},
    };
    static const char *const bad[] = {"", "77", "77 02 61", "64 00", "64 0002 61", "6d 00000001 61", "77 01 e9", "61 01", "6a"};
    uint8_t bytes[64];
    char text[CLU_ATOM_MAX];
    size_t i, size, room;
    struct clu_reader r;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        size = unhex(cases[i].hex, bytes, sizeof bytes);
        r = clu_reader_of(bytes, size);
        assert_int_equal(clu_term_atom(&r, text, sizeof text), strlen(cases[i].text));
        assert_memory_equal(text, cases[i].text, strlen(cases[i].text));
        assert_false(r.bad);
        assert_int_equal(clu_left(&r), 0);
        /* Without room the length is told, and nothing written beyond it. */
        for (room = 0; room < strlen(cases[i].text); room++) {
            r = clu_reader_of(bytes, size);
            memset(text, '?', sizeof text);
            assert_int_equal(clu_term_atom(&r, text, room), strlen(cases[i].text));
            assert_false(r.bad);
            assert_int_equal(text[room], '?');
        }
    }
    for (i = 0; i < CLU_COUNT(bad); i++) {
        r = clu_reader_of(bytes, unhex(bad[i], bytes, sizeof bytes));
        assert_int_equal(clu_term_atom(&r, text, sizeof text), 0);
        assert_true(r.bad);
    }
}

static void reads_integers(void **state)
{
    static const struct {
        const char *hex;
        uint64_t value;
        bool fits;
    } cases[] = {
        {"61 00", 0, true},
        {"61 ff", 255, true},
        {"62 00000100", 256, true},
        {"62 ffffffff", 0, false},
        {"62 80000000", 0, false},
        {"62 7fffffff", INT32_MAX, true},
        {"6e 04 00 00000080", UINT64_C(2147483648), true},
        {"6e 04 01 01000080", 0, false},
        {"6e 08 01 0000000000000080", 0, false},
        {"6e 08 00 ffffffffffffff7f", INT64_MAX, true},
        {"6e 08 00 0000000000000080", UINT64_C(1) << 63, true},
        {"6e 08 00 ffffffffffffffff", UINT64_MAX, true},
        {"6e 08 01 0100000000000080", 0, false},
        {"6e 09 00 000000000000000001", 0, false},
        {"6e 0a 00 01000000000000000000", 1, true},
        {"6f 00000003 01 010000", 0, false},
        {"6e 01 01 00", 0, true},
        {"6e 00 00", 0, true},
        {"62 000000", 0, false},
        {"6e 02 00 01", 0, false},
        {"6f ffffffff 00", 0, false},
        {"6a", 0, false},
        {"", 0, false},
        {"46 3ff8000000000000", 0, false},
    };
    uint8_t bytes[64];
    size_t i, size;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++) {
        struct clu_reader r;
        size = unhex(cases[i].hex, bytes, sizeof bytes);
        r = clu_reader_of(bytes, size);
        assert_true(clu_term_u64(&r) == cases[i].value);
        assert_int_equal(!r.bad, cases[i].fits);
    }
}

static void reads_binaries_and_maps(void **state)
{
    uint8_t bytes[64];
    struct clu_reader r;
    size_t size;
    const uint8_t *p;
    (void)state;
    r = clu_reader_of(bytes, unhex("6d 00000003 616263 74 00000001 6a6a", bytes, sizeof bytes));
    assert_int_equal(clu_term_tag(&r), CLU_TERM_BINARY);
    p = clu_term_binary(&r, &size);
    assert_int_equal(size, 3);
    assert_ptr_equal(p, bytes + 5);
    assert_int_equal(clu_term_map(&r), 1);
    assert_int_equal(clu_left(&r), 2);
    assert_false(r.bad);
    (void)clu_take(&r, 2);
    assert_int_equal(clu_term_tag(&r), 0);
    r = clu_reader_of(bytes, unhex("6d 00000004 616263", bytes, sizeof bytes));
    assert_null(clu_term_binary(&r, &size));
    assert_int_equal(size, 0);
    assert_true(r.bad);
    r = clu_reader_of(bytes, unhex("6b 0003 616263", bytes, sizeof bytes));
    assert_null(clu_term_binary(&r, &size));
    r = clu_reader_of(bytes, unhex("74 00000002 6a6a6a", bytes, sizeof bytes)); /* two pairs cannot stand in three bytes */
    assert_int_equal(clu_term_map(&r), 0);
    assert_true(r.bad);
    r = clu_reader_of(bytes, unhex("74 ffffffff 6a6a", bytes, sizeof bytes));
    assert_int_equal(clu_term_map(&r), 0);
    assert_true(r.bad);
    r = clu_reader_of(bytes, unhex("68 02 6a6a", bytes, sizeof bytes));
    assert_int_equal(clu_term_map(&r), 0);
    assert_true(r.bad);
}

static void validates_utf8(void **state)
{
    static const struct {
        const char *hex;
        size_t count;
    } cases[] = {
        {"", 0},
        {"61 62", 2},
        {"c3a9", 1},
        {"e282ac", 1},
        {"f09f9880 61", 2},
        {"f48fbfbf", 1},
        {"efbfbf", 1},
        {"ed9fbf", 1},
        {"ee8080", 1},
        {"c280", 1},
        {"e0a080", 1},
        {"f0908080", 1},
        {"00", 1},
        {"7f", 1},
        {"80", SIZE_MAX},
        {"bf", SIZE_MAX},
        {"c3", SIZE_MAX},
        {"c341", SIZE_MAX},
        {"c080", SIZE_MAX},
        {"c1bf", SIZE_MAX},
        {"e09fbf", SIZE_MAX},
        {"e282", SIZE_MAX},
        {"eda080", SIZE_MAX},
        {"edbfbf", SIZE_MAX},
        {"f08fbfbf", SIZE_MAX},
        {"f4908080", SIZE_MAX},
        {"f7bfbfbf", SIZE_MAX},
        {"f8888080", SIZE_MAX},
        {"fe", SIZE_MAX},
        {"ff", SIZE_MAX},
        {"f09f98", SIZE_MAX},
        {"e28241", SIZE_MAX},
        {"c3a9a9", SIZE_MAX},
    };
    uint8_t bytes[64];
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(cases); i++)
        assert_true(clu_utf8_count(bytes, unhex(cases[i].hex, bytes, sizeof bytes)) == cases[i].count);
}

static void writes(void **state)
{
    static const struct {
        uint64_t value;
        const char *hex;
    } integers[] = {
        {0, "61 00"},
        {255, "61 ff"},
        {256, "62 00000100"},
        {INT32_MAX, "62 7fffffff"},
        {UINT64_C(2147483648), "6e 04 00 00000080"},
        {UINT64_C(0xff00000000), "6e 05 00 00000000ff"},
        {UINT64_C(0x010000000000), "6e 06 00 000000000001"},
        {INT64_MAX, "6e 08 00 ffffffffffffff7f"},
        {UINT64_MAX, "6e 08 00 ffffffffffffffff"},
    };
    uint8_t out[1100];
    char text[1100];
    struct clu_writer w;
    size_t i, size;
    (void)state;
    for (i = 0; i < CLU_COUNT(integers); i++) {
        w = clu_writer_on(out, sizeof out);
        clu_term_write_integer(&w, integers[i].value, false);
        assert_hex(out, clu_written(&w), integers[i].hex);
        for (size = clu_written(&w); size--;) { /* no room: nothing is claimed to be written */
            w = clu_writer_on(out, size);
            clu_term_write_integer(&w, integers[i].value, false);
            assert_true(w.bad);
        }
    }
    w = clu_writer_on(out, sizeof out);
    clu_term_write_integer(&w, UINT64_MAX, false);
    clu_term_write_atom(&w, "node", 4);
    clu_term_write_binary(&w, "abc", 3);
    assert_hex(out, clu_written(&w), "6e 08 00 ffffffffffffffff 77 04 6e6f6465 6d 00000003 616263");
    /* 255 bytes, then 256; a byte that begins nothing; a character that is cut. */
    memset(text, 'x', sizeof text);
    w = clu_writer_on(out, sizeof out);
    clu_term_write_atom(&w, text, 255);
    assert_int_equal(clu_written(&w), 257);
    assert_int_equal(out[0], CLU_TERM_SMALL_ATOM_UTF8);
    w = clu_writer_on(out, sizeof out);
    clu_term_write_atom(&w, text, 256);
    assert_true(w.bad);
    w = clu_writer_on(out, sizeof out);
    clu_term_write_atom(&w, "\xff", 1);
    assert_true(w.bad);
    w = clu_writer_on(out, sizeof out);
    clu_term_write_atom(&w, "\xd0\xb6", 1);
    assert_true(w.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_otp), cmocka_unit_test(depth_is_free),  cmocka_unit_test(leaves_what_follows),
        cmocka_unit_test(reads_atoms),     cmocka_unit_test(reads_integers), cmocka_unit_test(reads_binaries_and_maps),
        cmocka_unit_test(validates_utf8),  cmocka_unit_test(writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
