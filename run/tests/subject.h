/*
 * subject.h - the program that is run plain and under the agent, and must say
 * the same both times.  Each case prints what it saw: no addresses, no times,
 * no process ids.
 */
#ifndef QUIRE_RUN_TESTS_SUBJECT_H
#define QUIRE_RUN_TESTS_SUBJECT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subject_case {
        const char *name;
        int (*run)(void);        /* the exit status */
};
extern const struct subject_case subject_signals[], subject_faults[], subject_threads[],
        subject_processes[], subject_memory[], subject_calls[];

/* Print a line, at once. */
void subject_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An anonymous mapping. */
void *subject_map(size_t bytes);
/* Ask for these pages to be anywhere but in memory. */
void *subject_cold(void *p, size_t bytes);
/* A pattern that depends on the seed, and whether it is there. */
void subject_fill(void *p, size_t bytes, uint64_t seed);
bool subject_is(const void *p, size_t bytes, uint64_t seed);
/* Wait for a child: "exit N" or "signal N". */
void subject_wait(const char *what, int pid);

/* Much more than the budget the tests give. */
#define SUBJECT_LARGE ((size_t)24 << 20)

#endif
