/*
 * threads.h - the making of a thread or a process, between threads.c and fork.c.
 */
#ifndef QUIRE_RUN_THREADS_H
#define QUIRE_RUN_THREADS_H
#include "agent.h"

/* The words of struct clone_args. */
enum {
        QUIRE_CLONE3_FLAGS, QUIRE_CLONE3_PIDFD, QUIRE_CLONE3_CHILD_TID, QUIRE_CLONE3_PARENT_TID,
        QUIRE_CLONE3_SIGNAL, QUIRE_CLONE3_STACK, QUIRE_CLONE3_STACK_SIZE, QUIRE_CLONE3_TLS,
        QUIRE_CLONE3_SET_TID, QUIRE_CLONE3_SET_TID_SIZE, QUIRE_CLONE3_CGROUP,
        QUIRE_CLONE3_WORDS = 16,
};

struct quire_birth {
        long nr;                     /* SYS_clone or SYS_clone3, with arg[] */
        uint64_t arg[5];
        uint64_t flags;
        uint64_t stack;              /* that the program wants the child to have; 0: its own */
        uint64_t parent_tid, child_tid, tls;
        bool wide;                   /* arg[0] is wide_args */
        bool clear_handlers;
        uint64_t wide_args[QUIRE_CLONE3_WORDS];
};

void quire_birth_stack(struct quire_birth *, const struct quire_thread *child, uint64_t sp);

/* fork.c: the child has memory of its own. */
enum quire_outcome quire_fork(struct quire_thread *, struct quire_call *, struct quire_birth *);

#endif
