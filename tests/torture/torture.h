/*
 * torture.h - phases of a torture: each way of resolving faults, and as root and as another
 * user, in a child process of its own each.
 *
 *   --seconds N    in all
 *   --faults MODE  inline or thread; both, one after the other, if not given
 *   --uid N        as this user; as root and as 65534, if not given (as oneself,
 *                  if that is not root)
 *   --seed N
 *   --here 1       in this process, for a debugger
 */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H
#include "quire/process.h"

struct torture_asked {
        const char *faults;              /* null: both */
        uint64_t seconds, seed;
        long uid;                        /* -1: any */
        bool here;
};
extern struct torture_asked asked;

/* test_begin, and the arguments. */
void torture_begin(int argc, char **argv, uint64_t seconds);
/* Run each phase, which checks what it finds; all of them share the seconds. */
void torture_phases(void (*run)(const char *faults, uint64_t milliseconds));

/* The process with the faults resolved so, in `process'; false: that can not be had here. */
bool torture_open(const char *faults, struct quire_process_options, struct quire_process **);
/* Ends the program where an answer is another. */
void expect(enum quire_status got, enum quire_status want, const char *what);

#endif
