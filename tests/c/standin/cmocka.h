/* What the C tests use of cmocka, for systems whose cross compiler has no cmocka: see build/cross. A test that fails jumps
 * back to the runner, and the next one runs. */
#ifndef STANDIN_CMOCKA_H
#define STANDIN_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **);
    int (*setup)(void **);
    int (*teardown)(void **);
};

enum standin_end { STANDIN_FAILED = 1, STANDIN_SKIPPED };

static jmp_buf standin_runner;

#define print_message(...) printf(__VA_ARGS__)

__attribute__((noreturn, unused, format(printf, 3, 4))) static void standin_failed(
    const char *file, int line, const char *format, ...) {
    va_list args;
    printf("%s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    longjmp(standin_runner, STANDIN_FAILED);
}

#define fail_msg(...) standin_failed(__FILE__, __LINE__, __VA_ARGS__)
#define skip() longjmp(standin_runner, STANDIN_SKIPPED)

/* Integers and pointers are compared as the widest integer, as cmocka does. */
#define STANDIN_COMPARE(a, op, b, type)                                                            \
    do {                                                                                           \
        type standin_a = (type)(a), standin_b = (type)(b);                                         \
        if (!(standin_a op standin_b))                                                             \
            fail_msg("%s %s %s: %jd, %jd", #a, #op, #b, (intmax_t)standin_a, (intmax_t)standin_b); \
    } while (0)
#define assert_int_equal(a, b) STANDIN_COMPARE(a, ==, b, uintmax_t)
#define assert_int_not_equal(a, b) STANDIN_COMPARE(a, !=, b, uintmax_t)
#define assert_ptr_equal(a, b) STANDIN_COMPARE(a, ==, b, uintptr_t)
#define assert_in_range(a, low, high)            \
    do {                                         \
        STANDIN_COMPARE(a, >=, low, uintmax_t);  \
        STANDIN_COMPARE(a, <=, high, uintmax_t); \
    } while (0)

#define STANDIN_HOLDS(condition, text)          \
    do {                                        \
        if (!(condition)) fail_msg("%s", text); \
    } while (0)
#define assert_true(c) STANDIN_HOLDS(c, #c)
#define assert_false(c) STANDIN_HOLDS(!(c), "not " #c)
#define assert_null(p) STANDIN_HOLDS((p) == NULL, #p " is NULL")
#define assert_non_null(p) STANDIN_HOLDS((p) != NULL, #p " is not NULL")
#define assert_string_equal(a, b) STANDIN_HOLDS(strcmp(a, b) == 0, #a " equals " #b)
#define assert_string_not_equal(a, b) STANDIN_HOLDS(strcmp(a, b) != 0, #a " differs from " #b)
#define assert_memory_equal(a, b, n) STANDIN_HOLDS(memcmp(a, b, n) == 0, #a " equals " #b)

#define cmocka_unit_test(f) \
    { #f, f, NULL, NULL }
#define cmocka_unit_test_setup_teardown(f, before, after) \
    { #f, f, before, after }

__attribute__((unused)) static int standin_run(const struct CMUnitTest *tests, size_t count) {
    static volatile size_t i;
    static volatile int failed;
    void *state = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 0; i < count; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        int end = setjmp(standin_runner);
        if (end == 0) {
            if (tests[i].setup != NULL && tests[i].setup(&state) != 0) end = STANDIN_FAILED;
            if (end == 0) tests[i].test(&state);
        }
        if (tests[i].teardown != NULL) tests[i].teardown(&state);
        failed += end == STANDIN_FAILED;
        printf("[ %s ] %s\n",
               end == 0                 ? "      OK"
               : end == STANDIN_SKIPPED ? " SKIPPED"
                                        : "  FAILED",
               tests[i].name);
    }
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown) \
    standin_run(tests, sizeof(tests) / sizeof *(tests))

#endif
