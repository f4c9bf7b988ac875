/* Control messages: those of a real session, every cut of them, and what we write, byte for byte. */
#include "../../src/wire/control.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "atom.h"
#include "hex.h"

static const struct seen {
    const char *what;
    unsigned op, count;
    const char *to; /* the name in the last but one or the last place that has one */
    unsigned place;
    bool message;
} expected[] = {
    {"is_auth", CLU_OP_REG_SEND, 3, "net_kernel", 2, true},
    {"yes", CLU_OP_SEND, 2, "", 0, true},
    {"monitor net_kernel", CLU_OP_MONITOR, 3, "net_kernel", 1, false},
    {"is_auth", CLU_OP_REG_SEND, 3, "net_kernel", 2, true},
    {"hello to nobody", CLU_OP_REG_SEND, 3, "nobody", 2, true},
    {"monitor nobody", CLU_OP_MONITOR, 3, "nobody", 1, false},
    {"demonitor nobody", 20, 3, "nobody", 1, false},
};

/* A packet of the session by its owner and what it is, without its length. */
static size_t packet(const char *whose, const char *what, size_t width, uint8_t *bytes, size_t room)
{
    static char line[4096];
    char *field[3];
    FILE *f = fopen("tests/vectors/erlang/session.txt", "r");
    size_t size = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (line[0] != '#' && split_fields(line, field, 3) == 3 && !strcmp(field[0], whose) && !strcmp(field[1], what))
            size = unhex(field[2], bytes, room);
    fclose(f);
    assert_true(size > width);
    memmove(bytes, bytes + width, size - width);
    return size - width;
}

static void as_real_nodes_wrote(void **state)
{
    uint8_t bytes[1024];
    size_t i, cut;
    (void)state;
    for (i = 0; i < CLU_COUNT(expected); i++) {
        size_t size = packet(i ? "b" : "c", expected[i].what, 4, bytes, sizeof bytes), fits = 0;
        struct clu_control c;
        assert_true(clu_control_read(bytes, size, &c));
        assert_int_equal(c.op, expected[i].op);
        assert_int_equal(c.count, expected[i].count);
        assert_true(atom_is(c.arguments[expected[i].place], expected[i].to));
        assert_false(atom_is(c.arguments[1 - (expected[i].place == 1)], "net_kerne"));
        assert_int_equal(clu_left(&c.message) != 0, expected[i].message);
        if (expected[i].message)
            assert_true(clu_term_skip(&c.message) && !clu_left(&c.message));
        for (cut = 0; cut < size; cut++)
            fits += clu_control_read(bytes, cut, &c);
        /* of one with a message: without it, or with a part that only its reader finds cut */
        assert_true(expected[i].message ? fits > 0 : fits == 0);
    }
}

static void malformed(void **state)
{
    static const char *const none[] = {"",
                                       "70",
                                       "7083",
                                       "708368",
                                       "70836800",
                                       "6f8368026101",
                                       "708368086101",
                                       "70836901026101",
                                       "708268016101",
                                       "7083680163",
                                       "708368026101",
                                       "70836801610182"};
    uint8_t bytes[64];
    struct clu_control c;
    size_t i;
    (void)state;
    for (i = 0; i < CLU_COUNT(none); i++) {
        size_t size = unhex(none[i], bytes, sizeof bytes);
        assert_false(clu_control_read(bytes, size, &c));
    }
    assert_true(clu_control_read(bytes, unhex("7083680161ff", bytes, sizeof bytes), &c));
    assert_int_equal(c.op, 255);
}

/* Our question whether a node is there, as it was sent and taken. */
static void what_we_write(void **state)
{
    uint8_t bytes[1024], written[1024];
    size_t size = packet("c", "is_auth", 4, bytes, sizeof bytes), at;
    struct clu_writer w = clu_writer_on(written, sizeof written);
    (void)state;
    clu_control_write(&w, CLU_OP_REG_SEND, 4);
    clu_pid_write(&w, "c@127.0.0.1", 0x12345678, 1, 0);
    clu_atom_write(&w, "");
    clu_atom_write(&w, "net_kernel");
    clu_write_be(&w, CLU_TERM_VERSION, 1);
    clu_tuple_write(&w, 3);
    clu_atom_write(&w, "$gen_call");
    clu_tuple_write(&w, 2);
    clu_pid_write(&w, "c@127.0.0.1", 0x12345678, 1, 0);
    at = clu_written(&w);
    assert_memory_equal(written, bytes, at);
    clu_reference_write(&w, "c@127.0.0.1", 0x12345678, 1, UINT64_C(0x1122334455667788));
    assert_memory_equal(written + at, bytes + at, 20);
    assert_int_equal(clu_written(&w) - at, 3 + 2 + 11 + 4 + 12);
    clu_tuple_write(&w, 2);
    clu_atom_write(&w, "is_auth");
    clu_atom_write(&w, "c@127.0.0.1");
    assert_int_equal(clu_written(&w), size);
}

static void references(void **state)
{
    uint8_t bytes[64];
    struct clu_writer w = clu_writer_on(bytes, sizeof bytes);
    struct clu_reader r;
    uint32_t slot;
    size_t size, cut;
    (void)state;
    clu_reference_write(&w, "c@h", 7, 1, UINT64_C(0x1122334455667788));
    size = clu_written(&w);
    r = clu_reader_of(bytes, size);
    assert_true(clu_reference_read(&r, "c@h", 7, &slot) == UINT64_C(0x1122334455667788));
    r = clu_reader_of(bytes, size);
    assert_true(clu_reference_read(&r, "c@g", 7, &slot) == 0);
    r = clu_reader_of(bytes, size);
    assert_true(clu_reference_read(&r, "c@h", 8, &slot) == 0);
    for (cut = 0; cut < size; cut++) {
        r = clu_reader_of(bytes, cut);
        assert_true(clu_reference_read(&r, "c@h", 7, &slot) == 0);
    }
    /* OTP may write the atom in its older form */
    size = unhex("5a0003"
                 "640003634068"
                 "00000007"
                 "00000001"
                 "0000000000000005",
                 bytes, sizeof bytes);
    r = clu_reader_of(bytes, size);
    assert_true(clu_reference_read(&r, "c@h", 7, &slot) == 5);
    assert_int_equal(slot, 1);
}

static void pids(void **state)
{
    uint8_t bytes[64];
    struct clu_writer w = clu_writer_on(bytes, sizeof bytes);
    struct clu_reader r;
    size_t size, cut;
    (void)state;
    clu_pid_write(&w, "c@h", 7, 3, 0);
    size = clu_written(&w);
    assert_hex(bytes, size, "587703634068000000030000000000000007");
    r = clu_reader_of(bytes, size);
    assert_int_equal(clu_pid_read(&r, "c@h", 7), 3);
    assert_int_equal(clu_left(&r), 0);
    r = clu_reader_of(bytes, size);
    assert_int_equal(clu_pid_read(&r, "c@g", 7), 0);
    r = clu_reader_of(bytes, size);
    assert_int_equal(clu_pid_read(&r, "c@h", 8), 0);
    for (cut = 0; cut < size; cut++) {
        r = clu_reader_of(bytes, cut);
        assert_int_equal(clu_pid_read(&r, "c@h", 7), 0);
    }
    w = clu_writer_on(bytes, sizeof bytes);
    clu_pid_write(&w, "c@h", 7, 3, 1);
    r = clu_reader_of(bytes, size);
    assert_int_equal(clu_pid_read(&r, "c@h", 7), 0);
}

static void forms(void **state)
{
    static const char good[] = "h\3d\0\11$gen_callh\2a\1w\1xh\2w\7is_authj", other[] = "h\2w\1ya\7";
    static const char *const wrong[] = {"{2 $gen_call", "{3 $gen_cal", "{3 $gen_calls",
                                        "$gen_call",    "* *",         "{3 * {2 * * {2 is_auth * *"};
    struct clu_reader r = clu_reader_of(good, sizeof good - 1);
    struct clu_slice out[5];
    size_t i;
    (void)state;
    assert_true(clu_form_read(&r, "{3 $gen_call {2 * * {2 is_auth *", out) && !clu_left(&r));
    assert_true(clu_slice_is(out[0], "a\1") && atom_is(out[1], "x") && clu_slice_is(out[2], "j"));
    r = clu_reader_of(good, sizeof good - 1);
    assert_true(clu_form_read(&r, "{3", NULL) && clu_form_read(&r, "*", out) && atom_is(out[0], "$gen_call"));
    for (i = 0; i < CLU_COUNT(wrong); i++) {
        r = clu_reader_of(good, sizeof good - 1);
        assert_false(clu_form_read(&r, wrong[i], out));
        assert_int_equal(clu_left(&r), 0);
    }
    for (i = 0; i < sizeof good - 1; i++) {
        r = clu_reader_of(good, i);
        assert_false(clu_form_read(&r, "{3 $gen_call {2 * * {2 is_auth *", out));
    }
    r = clu_reader_of(other, sizeof other - 1);
    assert_false(clu_form_read(&r, "{2 y z", NULL)); /* no atom */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_real_nodes_wrote), cmocka_unit_test(malformed), cmocka_unit_test(what_we_write),
        cmocka_unit_test(references),          cmocka_unit_test(pids),      cmocka_unit_test(forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
