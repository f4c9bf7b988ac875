/* The bounded reader and writer: values, bounds, and that one failure stays. */
#include "../../src/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const uint8_t input[] = {1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xfe};

static void reads_in_order(void **state)
{
    struct clu_reader r = clu_reader_of(input, sizeof input);
    (void)state;
    assert_int_equal(clu_left(&r), 10);
    assert_int_equal(clu_read_u8(&r), 1);
    assert_int_equal(clu_read_u16(&r), 0x0203);
    assert_int_equal(clu_read_u32(&r), 0x04050607);
    assert_ptr_equal(clu_take(&r, 1), input + 7);
    assert_int_equal(clu_read_be(&r, 2), 0xfffe);
    assert_int_equal(clu_left(&r), 0);
    assert_false(r.bad);
    assert_non_null(clu_take(&r, 0));
    assert_false(r.bad);
    r = clu_reader_of(input, 8);
    assert_int_equal(clu_read_be(&r, 8), UINT64_C(0x0102030405060708));
}

static void stays_bad(void **state)
{
    struct clu_reader r = clu_reader_of(input, 3);
    (void)state;
    assert_int_equal(clu_read_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(clu_left(&r), 0);
    assert_null(clu_take(&r, 1));
    assert_null(clu_take(&r, 0));
    assert_int_equal(clu_read_u8(&r), 0);
    assert_false(clu_read_match(&r, "\1", 1));
    r = clu_reader_of(input, 3);
    assert_null(clu_take(&r, SIZE_MAX));
    assert_true(r.bad);
}

static void matches_or_leaves(void **state)
{
    struct clu_reader r = clu_reader_of(input, 3);
    (void)state;
    assert_false(clu_read_match(&r, "\1\3", 2));
    assert_false(clu_read_match(&r, input, 4));
    assert_int_equal(clu_left(&r), 3);
    assert_false(r.bad);
    assert_true(clu_read_match(&r, "\1\2", 2));
    assert_int_equal(clu_read_u8(&r), 3);
}

static void takes_no_bytes(void **state)
{
    struct clu_reader r = clu_reader_of(NULL, 0);
    struct clu_writer w = clu_writer_on(NULL, 0);
    (void)state;
    assert_int_equal(clu_left(&r), 0);
    assert_non_null(clu_take(&r, 0));
    assert_true(clu_read_match(&r, "", 0));
    assert_false(r.bad);
    assert_int_equal(clu_read_u8(&r), 0);
    assert_true(r.bad);
    assert_false(clu_read_match(&r, "", 0)); /* not even nothing is in what is bad */
    assert_int_equal(clu_written(&w), 0);
    assert_null(clu_room(&w, 1));
}

static void writes_in_order(void **state)
{
    uint8_t out[12];
    static const uint8_t expected[] = {0xab, 1, 2, 3, 4, 0, 0, 0, 9, 'x', 'y'};
    struct clu_writer w;
    (void)state;
    memset(out, '#', sizeof out);
    w = clu_writer_on(out, 11);
    clu_write_be(&w, 0x12ab, 1);
    clu_write_be(&w, 0x01020304, 4);
    clu_write_be(&w, 9, 4);
    clu_write(&w, "xy", 2);
    clu_write(&w, NULL, 0);
    assert_false(w.bad);
    assert_int_equal(clu_written(&w), 11);
    assert_memory_equal(out, expected, 11);
    clu_write(&w, "z", 1);
    assert_true(w.bad);
    assert_int_equal(clu_written(&w), 0);
    assert_int_equal(out[11], '#');
}

static void writes_nothing_past_the_room(void **state)
{
    uint8_t out[4] = {7, 7, 7, 7};
    struct clu_writer w = clu_writer_on(out, 3);
    (void)state;
    clu_write_be(&w, 0xffffffff, 4);
    assert_true(w.bad);
    clu_write(&w, "a", 1);
    assert_null(clu_room(&w, 0));
    assert_int_equal(out[0], 7);
    assert_int_equal(out[3], 7);
    w = clu_writer_on(out, 3);
    assert_null(clu_room(&w, SIZE_MAX));
    w = clu_writer_on(out, 3);
    assert_ptr_equal(clu_room(&w, 3), out);
    assert_int_equal(clu_written(&w), 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_in_order), cmocka_unit_test(stays_bad),       cmocka_unit_test(matches_or_leaves),
        cmocka_unit_test(takes_no_bytes), cmocka_unit_test(writes_in_order), cmocka_unit_test(writes_nothing_past_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
