/*
 * linux.h - the Linux machine and host, as the process library (process.c) and
 * the agent of `quire run` (run/) use them.  Not installed.
 *
 * One object is both the machine (pool, ranges, translations, faults) and the
 * host (records, lock, clock, pagefiles) of one process.
 */
#ifndef QUIRE_LINUX_H
#define QUIRE_LINUX_H
#include "quire/process.h"
#include <signal.h>

struct quire_linux;
struct quire_store;

/* What the agent wants otherwise than a linked program does.  All may be null. */
struct quire_linux_hooks {
        /* Who installs and chains the signal handlers.  True: nobody here; the
         * caller hands signals to quire_linux_signal(). */
        bool caller_handles_signals;
        void (*event)(void *context, const struct quire_event *);
        void (*say)(void *context, const char *line);
        /* A thread that is not in a signal handler is about to take the core's
         * lock and has its signals blocked; the handler threads' entry. */
        void (*thread_started)(void *context);
        void *context;
        /* Which fixed descriptor numbers to move our descriptors to (dup to at
         * least this one); 0: wherever they come. */
        int fd_floor;
};

/* quire_process_open() with hooks. */
QUIRE_CHECKED enum quire_status quire_process_open_hooked(const struct quire_process_options *,
                                                          const struct quire_linux_hooks *,
                                                          struct quire_process **out);
struct quire_linux *quire_process_linux(struct quire_process *);

enum quire_signal_result {
        QUIRE_SIGNAL_NOT_OURS,   /* as if Quire were not there */
        QUIRE_SIGNAL_RESUMED,    /* return from the handler: the access runs again */
        QUIRE_SIGNAL_DENIED,     /* raise_sig, raise_code of *out: what to raise instead */
};
struct quire_signal_out {
        int raise_sig;           /* SIGSEGV, or SIGBUS where the page is broken */
        int raise_code;          /* SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR ... */
        enum quire_reason reason;
        uint64_t va;
};
/* The fault part of a SIGBUS or SIGSEGV handler, with all signals blocked.
 * Async-signal-safe; waits where the page is in transit. */
enum quire_signal_result quire_linux_signal(struct quire_linux *, int sig, siginfo_t *,
                                            void *ucontext, struct quire_signal_out *out);

/* Does any managed (paged) range hold this address?  Lock-free, any context. */
bool quire_linux_owns(const struct quire_linux *, uint64_t va);
/* What lies there, in a word or two, for people.  Lock-free, any context. */
const char *quire_linux_place(const struct quire_linux *, uint64_t va);

/* One of the thread-local words of this machine, all of which lie near it: a thread
 * whose faults are resolved inline needs them resident. */
const void *quire_linux_words(void);

/* The calling thread runs with every signal blocked from here to leave, so the
 * host's lock need not block them again.  Nests.  (A signal handler's body.) */
void quire_linux_enter_masked(struct quire_linux *);
void quire_linux_leave_masked(struct quire_linux *);

/* fork: prepare before the call, with all signals blocked; then one of the others.
 * In the child faults are resolved inline from then on, whatever they were. */
void quire_linux_fork_prepare(struct quire_process *);
void quire_linux_fork_parent(struct quire_process *, int pid /* -1: it failed */);
void quire_linux_fork_child(struct quire_process *);

/* From now on who waits for a page sleeps at once, with no other call than preadv: the
 * program is about to limit its system calls (seccomp).  Any context. */
void quire_linux_spin_never(struct quire_linux *);

/* Our descriptors, to be kept from the program; returns how many. */
unsigned quire_linux_descriptors(struct quire_linux *, int *out, unsigned room);

/*
 * A store of memory that came from elsewhere: a memfd of at least so many pages, as
 * QUIRE_HOSTED objects want it (quire_object_request.store).  The store owns the
 * descriptor from now on and may have moved it to another number; where this
 * fails, the caller has it still.  A descriptor that is read-only, or whose memory is
 * sealed against writing, gives a store whose shared views can not have W (DENIED).
 * Whether others can shrink it (no F_SEAL_SHRINK) is not asked: what is gone
 * then raises SIGBUS in the program.
 * INVALID: no such memory, or too little; UNSUPPORTED; NO_MEMORY.
 * => the core's lock is not held
 */
QUIRE_CHECKED enum quire_status quire_linux_store_adopt(struct quire_linux *, int fd,
                                                        uint64_t pages,
                                                        struct quire_store **out);
/* The store's memfd, to be sent on or sealed; it stays the store's.  Its size
 * is sealed where it was made here. */
int quire_linux_store_fd(const struct quire_store *);
uint64_t quire_linux_store_pages(const struct quire_store *);

/* Bytes of ours that are not managed memory: records, buffers that the budget
 * does not count. */
uint64_t quire_linux_overhead(const struct quire_linux *);

#endif
