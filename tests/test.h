/* SPDX-License-Identifier: MIT */
/*
 * test.h - the whole test framework: one executable a module, TAP on stdout.
 *
 *     #include "test.h"
 *     TEST(sum_of_two) { CHECK_EQ(1 + 1, 2); }
 *     TEST_MAIN()
 *
 * Options: --seed N for random tests (printed, so that a failure can be repeated), --only NAME for
 * one test, --long for tests that look at test_long and do more. A failed check is printed and the
 * test goes on; stop it with `if (test_failed()) return;` where going on makes no sense.
 * SKIP("why") leaves the test and shows the reason. Checks may be made from any thread; test_random
 * is for the test's own thread, TEST_MAIN for one file only.
 */
#ifndef SWARM_TESTS_TEST_H
#define SWARM_TESTS_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/base/atomic.h"
#include "../src/base/random.h"

#define TEST_FAILURES_SHOWN 20 /* of one test: a loop that fails a million times stays readable */

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

static struct test *test_first, **test_end = &test_first, *test_now;
static const char *test_skipped;
static atomic_u32 test_failures;
static uint64_t test_seed = 1, test_draws;
static bool test_long;

static inline void test_add(struct test *t) {
    *test_end = t;
    test_end = &t->next;
}

#define TEST(test_name)                                                                            \
    static void test_name(void);                                                                   \
    static struct test test_of_##test_name = {#test_name, test_name, NULL};                        \
    __attribute__((constructor)) static void test_add_##test_name(void) {                          \
        test_add(&test_of_##test_name);                                                            \
    }                                                                                              \
    static void test_name(void)

/* The next number of a sequence that depends on --seed and the test's name alone. */
static inline uint64_t test_random(void) {
    return random_draw(test_seed, hash_text64(test_now->name), test_draws++);
}

static inline uint64_t test_below(uint64_t bound) {
    return random_below(test_random(), bound);
}

static inline bool test_failed(void) {
    return ATOMIC_LOAD(&test_failures, relaxed) != 0;
}

static inline void test_fail(const char *file, int line, const char *text) {
    if (ATOMIC_ADD(&test_failures, 1, relaxed) < TEST_FAILURES_SHOWN) {
        printf("# %s:%d: %s\n", file, line, text);
    }
}

static inline void test_check_equal(const char *file, int line, const char *text, uint64_t a,
                                    uint64_t b) {
    char line_text[512];

    if (a != b) {
        snprintf(line_text, sizeof line_text,
                 "%s: %" PRIu64 " (0x%" PRIx64 ") != %" PRIu64 " (0x%" PRIx64 ")", text, a, a, b,
                 b);
        test_fail(file, line, line_text);
    }
}

#define CHECK(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, #condition))
#define CHECK_EQ(a, b)                                                                             \
    test_check_equal(__FILE__, __LINE__, #a " == " #b, (uint64_t)(a), (uint64_t)(b))
#define SKIP(why)                                                                                  \
    do {                                                                                           \
        test_skipped = (why);                                                                      \
        return;                                                                                    \
    } while (0)

/* What SWARM_ASSERT calls in a build with SWARM_ASSERTS. */
void swarm__assert_failed(const char *text, const char *file, int line) {
    printf("# %s:%d: assertion failed: %s (in test %s, --seed %" PRIu64 ")\n", file, line, text,
           test_now != NULL ? test_now->name : "?", test_seed);
    fflush(stdout);
    abort();
}

static inline bool test_run_one(struct test *t, unsigned number) {
    bool good;

    test_now = t;
    test_skipped = NULL;
    test_draws = 0;
    ATOMIC_STORE(&test_failures, 0, relaxed);
    t->run();
    good = !test_failed();
    printf("%sok %u - %s", good ? "" : "not ", number, t->name);
    if (test_skipped != NULL) {
        printf(" # SKIP %s", test_skipped);
    }
    printf("\n");
    fflush(stdout);
    return good;
}

static inline int test_main(int count, char **arguments) {
    const char *only = NULL;
    unsigned number = 0, bad = 0;

    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--seed") == 0 && i + 1 < count) {
            test_seed = strtoull(arguments[++i], NULL, 0);
        } else if (strcmp(arguments[i], "--only") == 0 && i + 1 < count) {
            only = arguments[++i];
        } else if (strcmp(arguments[i], "--long") == 0) {
            test_long = true;
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--only NAME] [--long]\n", arguments[0]);
            return 2;
        }
    }
    printf("# seed %" PRIu64 "\n", test_seed);
    for (struct test *t = test_first; t != NULL; t = t->next) {
        if (only == NULL || strcmp(only, t->name) == 0) {
            bad += test_run_one(t, ++number) ? 0u : 1u;
        }
    }
    printf("1..%u\n", number);
    return bad != 0 || number == 0; /* a misspelt --only must not look like success */
}

#define TEST_MAIN()                                                                                \
    int main(int count, char **arguments) {                                                        \
        return test_main(count, arguments);                                                        \
    }

#endif
