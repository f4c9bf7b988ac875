/*
 * As much of cmocka's interface as the unit tests use, in one header without a library: for machines whose cmocka is not
 * at hand (others' processors under qemu) and for sanitizers that must see every instruction.
 */
#ifndef SHIM_CMOCKA_H
#define SHIM_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uintmax_t LargestIntegralType;

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
    void *initial_state;
};

static jmp_buf shim_way_out;
enum { SHIM_FAILED = 1, SHIM_SKIPPED = 2 };

static void shim_expect(int holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    printf("%s:%d: %s\n", file, line, what);
    longjmp(shim_way_out, SHIM_FAILED);
}

static void shim_expect_equal(uintmax_t a, uintmax_t b, int equal, const char *what, const char *file, int line)
{
    if ((a == b) == equal)
        return;
    printf("%s:%d: %s: 0x%jx, 0x%jx\n", file, line, what, a, b);
    longjmp(shim_way_out, SHIM_FAILED);
}

static int shim_run(const char *group, const struct CMUnitTest *tests, size_t count, int (*setup)(void **),
                    int (*teardown)(void **))
{
    static void *group_state, *state;
    static size_t i, failed;
    group_state = NULL;
    failed = 0;
    printf("[==========] %s: Running %u test(s).\n", group, (unsigned)count);
    if (setup && setup(&group_state) != 0)
        return 1;
    for (i = 0; i < count; i++) {
        int end;
        state = tests[i].initial_state ? tests[i].initial_state : group_state;
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        end = setjmp(shim_way_out);
        if (end == 0) {
            shim_expect(!tests[i].setup || tests[i].setup(&state) == 0, "set-up failed", __FILE__, __LINE__);
            tests[i].test(&state);
            shim_expect(!tests[i].teardown || tests[i].teardown(&state) == 0, "tear-down failed", __FILE__, __LINE__);
        }
        printf("[ %8s ] %s\n", end == 0 ? "OK" : end == SHIM_SKIPPED ? "SKIPPED" : "FAILED", tests[i].name);
        failed += end == SHIM_FAILED;
    }
    if (teardown)
        (void)teardown(&group_state);
    return (int)failed;
}

#define cmocka_unit_test(f)                                                                                                    \
    {                                                                                                                          \
#f, f, NULL, NULL, NULL                                                                                                \
    }
#define cmocka_unit_test_setup(f, up)                                                                                          \
    {                                                                                                                          \
#f, f, up, NULL, NULL                                                                                                  \
    }
#define cmocka_unit_test_teardown(f, down)                                                                                     \
    {                                                                                                                          \
#f, f, NULL, down, NULL                                                                                                \
    }
#define cmocka_unit_test_setup_teardown(f, up, down)                                                                           \
    {                                                                                                                          \
#f, f, up, down, NULL                                                                                                  \
    }
#define cmocka_unit_test_prestate(f, state)                                                                                    \
    {                                                                                                                          \
#f, f, NULL, NULL, state                                                                                               \
    }
#define cmocka_run_group_tests(tests, up, down) shim_run(#tests, tests, sizeof(tests) / sizeof((tests)[0]), up, down)
#define cmocka_run_group_tests_name(name, tests, up, down) shim_run(name, tests, sizeof(tests) / sizeof((tests)[0]), up, down)
#define cmocka_set_message_output(output) ((void)0)

#define skip() longjmp(shim_way_out, SHIM_SKIPPED)
#define fail() shim_expect(0, "fail()", __FILE__, __LINE__)
#define fail_msg(...) (printf(__VA_ARGS__), printf("\n"), fail())
#define print_message printf
#define print_error printf

#define shim_value(x) ((uintmax_t)(x))
#define assert_true(x) shim_expect((x) != 0, #x, __FILE__, __LINE__)
#define assert_false(x) shim_expect((x) == 0, "not " #x, __FILE__, __LINE__)
#define assert_null(x) shim_expect((x) == NULL, #x " == NULL", __FILE__, __LINE__)
#define assert_non_null(x) shim_expect((x) != NULL, #x " != NULL", __FILE__, __LINE__)
#define assert_int_equal(a, b) shim_expect_equal(shim_value(a), shim_value(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) shim_expect_equal(shim_value(a), shim_value(b), 0, #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) shim_expect((const void *)(a) == (const void *)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) shim_expect((const void *)(a) != (const void *)(b), #a " != " #b, __FILE__, __LINE__)
#define assert_string_equal(a, b) shim_expect(strcmp(a, b) == 0, #a " == " #b, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) shim_expect(strcmp(a, b) != 0, #a " != " #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) shim_expect(memcmp(a, b, size) == 0, #a " == " #b, __FILE__, __LINE__)
#define assert_memory_not_equal(a, b, size) shim_expect(memcmp(a, b, size) != 0, #a " != " #b, __FILE__, __LINE__)
#define assert_in_range(x, low, high)                                                                                          \
    shim_expect(shim_value(x) >= shim_value(low) && shim_value(x) <= shim_value(high), #x " in range", __FILE__, __LINE__)
#define assert_not_in_range(x, low, high)                                                                                      \
    shim_expect(shim_value(x) < shim_value(low) || shim_value(x) > shim_value(high), #x " out of range", __FILE__, __LINE__)
#define assert_return_code(code, error) shim_expect((code) >= 0, #code, __FILE__, __LINE__)

#endif
