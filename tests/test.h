/*
 * test.h - the harness of a test program.
 *
 *     static void test_B22_zero_at_first_touch(void)
 *     {
 *             CHECK(first_byte() == 0);
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *             test_begin(argc, argv);
 *             RUN(test_B22_zero_at_first_touch);
 *             return test_end();
 *     }
 *
 * A failed CHECK prints where and what, counts, and goes on; a failed REQUIRE
 * ends the program.  A test fails once, however many of its checks do; a check
 * that fails outside of any RUN counts as a failed test.  The last line
 * that the program prints is `N passed, N failed' (and `, N skipped').
 *
 * Arguments: names of tests, to run only those; --seed N (also the environment
 * variable QUIRE_SEED); --list.
 *
 * Checks may be made from any thread; RUN, SKIP and test_end from the main one.
 */
#ifndef QUIRE_TEST_H
#define QUIRE_TEST_H
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Several files of one program may include this: they share one state. */
struct test_state {
        unsigned passed, failed, skipped;
        atomic_uint bad;                  /* failed checks since the present test began */
        const char *running;              /* null: between tests */
        const char *skip;                 /* why the present test is skipped, or null */
        uint64_t seed;
        bool seeded;
        int argc;
        char **argv;
};
__attribute__((weak)) struct test_state quire_test_state;

static inline bool test_check(bool good, const char *file, int line, const char *what)
{
        if (!good) {
                atomic_fetch_add(&quire_test_state.bad, 1);
                fflush(stdout);
                fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
        }
        return good;
}

static inline bool test_check_equal(uint64_t a, uint64_t b, const char *file, int line,
                                    const char *what)
{
        if (!test_check(a == b, file, line, what))
                fprintf(stderr, "    %" PRIu64 " (0x%" PRIx64 ") and %" PRIu64 " (0x%" PRIx64 ")\n",
                        a, a, b, b);
        return a == b;
}

static inline void test_count(void)
{
        struct test_state *t = &quire_test_state;

        if (atomic_exchange(&t->bad, 0))
                t->failed++;
        else if (t->skip)
                t->skipped++;
        else if (t->running)
                t->passed++;
}

static inline int test_end(void)
{
        struct test_state *t = &quire_test_state;

        test_count();             /* what failed outside of any test */
        if (t->failed && t->seeded)
                fprintf(stderr, "replay: QUIRE_SEED=%" PRIu64 " %s\n", t->seed, t->argv[0]);
        fflush(stderr);
        printf("%u passed, %u failed", t->passed, t->failed);
        if (t->skipped)
                printf(", %u skipped", t->skipped);
        printf("\n");
        fflush(stdout);
        return t->failed || t->passed + t->skipped == 0;
}

static inline void test_give_up(void)
{
        exit(test_end());
}

static inline bool test_wanted(const char *name)
{
        struct test_state *t = &quire_test_state;
        bool named = false;

        for (int i = 1; i < t->argc; i++) {
                if (!strcmp(t->argv[i], "--list")) {
                        printf("%s\n", name);
                        return false;
                }
                if (!strcmp(t->argv[i], "--seed"))
                        i++;
                else if (!strcmp(t->argv[i], name))
                        return true;
                else
                        named = true;
        }
        return !named;
}

static inline void test_run(const char *name, void (*function)(void))
{
        struct test_state *t = &quire_test_state;
        struct timespec from, to;

        if (!test_wanted(name))
                return;
        test_count();             /* what failed between two tests */
        t->running = name;
        t->skip = NULL;
        printf("%s ...\n", name);
        fflush(stdout);
        clock_gettime(CLOCK_MONOTONIC, &from);
        function();
        clock_gettime(CLOCK_MONOTONIC, &to);
        printf("%s %s%s (%.2f s)\n", name,
               t->bad ? "FAILED" : t->skip ? "skipped: " : "ok", !t->bad && t->skip ? t->skip : "",
               (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
        test_count();
        t->running = t->skip = NULL;
}

static inline void test_begin(int argc, char **argv)
{
        quire_test_state.argc = argc;
        quire_test_state.argv = argv;
}

/* The program's seed: --seed, or QUIRE_SEED, or a new one; printed once. */
static inline uint64_t test_seed(void)
{
        struct test_state *t = &quire_test_state;
        const char *given = getenv("QUIRE_SEED");
        struct timespec now;

        if (t->seeded)
                return t->seed;
        for (int i = 1; i + 1 < t->argc; i++)
                if (!strcmp(t->argv[i], "--seed"))
                        given = t->argv[i + 1];
        clock_gettime(CLOCK_REALTIME, &now);
        t->seed = given ? strtoull(given, NULL, 0)
                        : ((uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec) >> 4;
        t->seeded = true;
        printf("seed %" PRIu64 " (replay: QUIRE_SEED=%" PRIu64 " %s)\n", t->seed, t->seed,
               t->argc ? t->argv[0] : "the program");
        fflush(stdout);
        return t->seed;
}

/* splitmix64: the next number of the sequence that *state stands in. */
static inline uint64_t test_random(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

/* A moment for others to run; false: they had long enough. */
static inline bool test_wait_more(uint64_t *begun)
{
        struct timespec moment = { .tv_nsec = 5000000 }, now;

        (void)nanosleep(&moment, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if (!*begun)
                *begun = (uint64_t)now.tv_sec;
        return (uint64_t)now.tv_sec - *begun < 60;
}

/* Does it become true?  It is waited for as long as a machine may take that is busy with
 * other things; what is asked is whether, and not how soon. */
#define BECOMES(condition)                                                              \
        ({                                                                              \
                uint64_t begun_ = 0;                                                    \
                bool became_;                                                           \
                while (!(became_ = (condition)) && test_wait_more(&begun_))             \
                        continue;                                                       \
                became_;                                                                \
        })
#define CHECK(cond) test_check(!!(cond), __FILE__, __LINE__, #cond)
#define CHECK_EQ(a, b)                                                                  \
        test_check_equal((uint64_t)(a), (uint64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define REQUIRE(cond)                                                                   \
        do {                                                                            \
                if (!CHECK(cond))                                                       \
                        test_give_up();                                                 \
        } while (0)
#define RUN(function) test_run(#function, function)
/* The rest of the present test makes no sense here, because ... (a literal). */
#define SKIP(why)                                                                       \
        do {                                                                            \
                quire_test_state.skip = (why);                                          \
                return;                                                                 \
        } while (0)

#endif
