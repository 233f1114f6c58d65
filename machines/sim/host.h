/*
 * host.h - lodging for the machines that live inside a test: records, the
 * lock, a simulated clock, pagefiles in memory, simulated threads, failures on
 * request, and the referee.  machines/sim and machines/x86_64 both lodge here.
 *
 * Everything is decided by the seed and the order of calls; one thread of the
 * process at a time may use a host.
 *
 * Simulated threads are stacks of their own.  A switch happens only where a
 * thread waits (a slow transfer, pause, a verdict that is PENDING), where it
 * asks for one (quire_sim_yield), or, with preempt_percent, where it lets go
 * of the lock.  The caller of quire_sim_host_open is a simulated thread, too.
 *
 * The referee: rules H1 to H3, and what a machine finds broken, end in
 * quire_sim_stop, which says what was broken and aborts.
 */
#ifndef QUIRE_SIM_HOST_H
#define QUIRE_SIM_HOST_H
#include "quire/host.h"
#include "quire/machine.h"

struct quire_sim_host;
struct quire_sim_thread;

struct quire_sim_host_options {
        unsigned page_shift;          /* 0: 12 */
        uint64_t seed;                /* 0: threads take turns */
        bool slow_io;                 /* transfers take time, and finish in any order */
        bool no_compress;             /* without lz4 */
        unsigned preempt_percent;     /* how often an unlock lets another thread run */
};

/* Null: no memory. */
struct quire_sim_host *quire_sim_host_open(const struct quire_sim_host_options *);
/* Stops where something is left: records, transfers, threads, the lock. */
void quire_sim_host_close(struct quire_sim_host *);
const struct quire_host_ops *quire_sim_host_ops(struct quire_sim_host *);
struct quire_host *quire_sim_host_handle(struct quire_sim_host *);

/* ------------------------------------------------------- failures on request */

enum quire_sim_point {
        QUIRE_SIM_ALLOC,              /* host alloc: null */
        QUIRE_SIM_FRAME,              /* frame_alloc: NO_MEMORY */
        QUIRE_SIM_TABLE,              /* the machine's own records and tables: NO_MEMORY */
        QUIRE_SIM_ENTER,              /* enter: BUSY, as Linux says of a pinned page */
        QUIRE_SIM_TAKE,               /* take: BUSY, likewise */
        QUIRE_SIM_READ,               /* transfers: as quire_sim_io_failure says */
        QUIRE_SIM_WRITE,
        QUIRE_SIM_POINTS,
};
enum quire_sim_io_failure {
        QUIRE_SIM_IO_ERROR,           /* IO_ERROR, and what was to be filled is garbage */
        QUIRE_SIM_IO_FULL,            /* NO_SPACE; nothing is written */
        QUIRE_SIM_IO_TORN,            /* IO_ERROR; half of the last page is written */
        QUIRE_SIM_IO_LIE,             /* OK, although just half of the last page was moved */
        QUIRE_SIM_IO_FLIP,            /* OK, with one bit wrong */
};
#define QUIRE_SIM_FOREVER UINT64_MAX

/* Let the nth call from now (1: the next) fail, and `times' in all (0: none). */
void quire_sim_fail(struct quire_sim_host *, enum quire_sim_point, uint64_t nth, uint64_t times);
/* How transfers fail that fail: QUIRE_SIM_IO_ERROR at first. */
void quire_sim_fail_how(struct quire_sim_host *, enum quire_sim_io_failure);
/* Calls so far; those that were made to fail. */
uint64_t quire_sim_calls(const struct quire_sim_host *, enum quire_sim_point);
uint64_t quire_sim_failed(const struct quire_sim_host *, enum quire_sim_point);
/* A machine asks: is this call to fail? */
bool quire_sim_fails(struct quire_sim_host *, enum quire_sim_point);

/* Records outstanding: bytes, now and at most. */
uint64_t quire_sim_records(const struct quire_sim_host *);
uint64_t quire_sim_records_peak(const struct quire_sim_host *);

/* ------------------------------------------------------------------ pagefiles */

/* A write beyond this many slots finds the file full; at first there is no limit. */
void quire_sim_file_limit(struct quire_sim_host *, unsigned file, uint64_t slots);
/* Damage a slot: turn one bit of it over.  False: nothing was ever written there. */
bool quire_sim_file_flip(struct quire_sim_host *, unsigned file, uint64_t slot, unsigned bit);
/* The highest slot ever written, plus one. */
uint64_t quire_sim_file_slots(const struct quire_sim_host *, unsigned file);
/* Transfers that were begun and not yet handed back. */
unsigned quire_sim_transfers(const struct quire_sim_host *);
/* Slow or not, from now on. */
void quire_sim_slow_io(struct quire_sim_host *, bool slow);

/* --------------------------------------------------------------- time, threads */

uint64_t quire_sim_now(const struct quire_sim_host *);          /* nanoseconds */
void quire_sim_pass(struct quire_sim_host *, uint64_t ns);

enum quire_sim_state {
        QUIRE_SIM_READY,              /* runs, or can */
        QUIRE_SIM_WAITS_IO,           /* until a moment */
        QUIRE_SIM_WAITS_VERDICT,      /* for resume() */
        QUIRE_SIM_STEPS,              /* runs another thread through quire_sim_step */
        QUIRE_SIM_WAITS_END,          /* in quire_sim_run: for every other to end */
        QUIRE_SIM_ENDED,
};
/* A thread that will run fn(argument).  It does not run yet.  Null: no memory. */
struct quire_sim_thread *quire_sim_thread_start(struct quire_sim_host *, const char *name,
                                                void (*fn)(void *), void *argument);
enum quire_sim_state quire_sim_thread_state(const struct quire_sim_thread *);
/* Run it until it waits, pauses, is preempted or ends; does nothing where it
 * cannot run.  Returns its state then. */
enum quire_sim_state quire_sim_step(struct quire_sim_thread *);
/* The number of the running thread: 0 is the opener of the host. */
unsigned quire_sim_self(const struct quire_sim_host *);
/* Let others run, if any can. */
void quire_sim_yield(struct quire_sim_host *);
/* Run every thread to its end, letting time pass. */
void quire_sim_run(struct quire_sim_host *);
/* The record of a thread that has ended goes.  (Close does so, too.) */
void quire_sim_thread_forget(struct quire_sim_thread *);

/* For machines: the running thread reports a fault and waits for the verdict. */
enum quire_verdict quire_sim_fault(struct quire_sim_host *, void *owner, uint64_t va,
                                   unsigned access);
void quire_sim_resume(struct quire_sim_host *, uint64_t ticket, enum quire_verdict);

/* ----------------------------------------------------------------- the referee */

/* A rule was broken.  Does not return. */
_Noreturn void quire_sim_stop(struct quire_sim_host *, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Called with the message in place of printing it and aborting.  May leave by
 * longjmp; if it returns, the program aborts. */
void quire_sim_on_stop(struct quire_sim_host *, void (*)(void *, const char *), void *context);
/* After such an escape: close frees everything and checks nothing. */
void quire_sim_forgive(struct quire_sim_host *);
bool quire_sim_forgiven(const struct quire_sim_host *);
/* Is the lock held?  Machines check what the core promises. */
bool quire_sim_locked(const struct quire_sim_host *);

/* What the core says and traces.  Null: nobody listens (the default). */
void quire_sim_on_event(struct quire_sim_host *,
                        void (*)(void *, const struct quire_event *), void *context);
void quire_sim_on_say(struct quire_sim_host *, void (*)(void *, const char *), void *context);
/* A thread is about to wait; a place to start other threads. */
void quire_sim_on_wait(struct quire_sim_host *, void (*)(void *, enum quire_sim_state),
                       void *context);

/* The host's random numbers. */
uint64_t quire_sim_random(struct quire_sim_host *);

#endif
