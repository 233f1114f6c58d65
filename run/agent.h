/*
 * agent.h - what the files of the agent share.
 *
 * The agent is a library that the dynamic linker loads into a program before
 * anything of the program runs.  It puts the program's private anonymous
 * memory under Quire, and lets no system call meet a page that is not there.
 *
 *   agent.c      the constructor: configuration, and the order of arming
 *   block.c      threads' blocks: code page, record, signal stack
 *   entry.S      the code page, and what else C can not say
 *   dispatch.c   a system call's way in, to the kernel and back
 *   table.c      what each system call does with its arguments
 *   calls.c      those that a line of the table can not describe
 *   buffers.c    arguments in managed memory: copied, or held resident
 *   chunk.c      transfers that are larger than may be held at once
 *   parts.c      whose a range of addresses is, part by part
 *   memory.c     mmap, munmap, mprotect; remap.c mremap; advice.c madvise and
 *                what only asks; heap.c the program break
 *   signals.c    handlers, masks and signal stacks as the program sees them
 *   deliver.c    signals on their way to the program's handlers, and back
 *   faults.c     SIGBUS and SIGSEGV
 *   threads.c    clone, exit
 *   fork.c       fork and exec
 *   files.c      descriptors that are ours
 *   report.c     the report file; heat.c its grid and the trace; share.c who
 *                owns the anonymous memory
 *
 * THE WALK OF ONE SYSTEM CALL
 *
 *  1. The program executes `syscall'.  The kernel's syscall user dispatch finds
 *     the thread's selector at BLOCK and the instruction outside of our blocks,
 *     and raises SIGSYS, which is never blocked.  Its handler runs on the stack
 *     in the thread's block with every other signal blocked, save SIGBUS and
 *     SIGSEGV, so that the agent may touch memory of the program that is not
 *     resident, or not there at all (quire_user_get, quire_user_put).
 *  2. quire_dispatch_signal finds the record by its stack pointer, sets the selector to
 *     ALLOW, drops what the thread's last call held, and looks the call up.
 *  3. Calls about memory, signals, threads and our descriptors are answered
 *     here: the result goes to the saved rax, and the handler returns.
 *  4. For the others, arguments that lie in managed memory are copied to the
 *     block (small, read only) or held resident (the rest).  The saved
 *     instruction pointer is set to the code page of the block, the selector to
 *     BLOCK, and the handler returns: the call is now made with the program's own
 *     signal mask and stack, sleeps and is interrupted as it would have been.
 *  5. The code page gives the argument registers back and jumps to where the
 *     program went on.  What the call held is dropped at the thread's next entry,
 *     or by another thread that needs it.
 *
 * A signal for the program comes to quire_deliver_signal on the same stack.  A
 * call that it interrupted is settled first: begun anew later if the kernel
 * would restart it, or finished if it has a result; so no handler of the
 * program ever sees the code page, and a thread has one call at a time.
 *
 * Locks, in this order: memory (memory.c) > the core's.  Agent code never
 * touches memory of the program while it is inside the core.
 */
#ifndef QUIRE_RUN_AGENT_H
#define QUIRE_RUN_AGENT_H
#include "layout.h"
#include "machines/linux/linux.h"
#include "raw.h"
#include "stats.h"
#include <ucontext.h>

#define PAGE ((uint64_t)4096)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

static inline uint64_t page_down(uint64_t va)
{
        return va & ~(PAGE - 1);
}

static inline uint64_t page_up(uint64_t va)
{
        return (va + PAGE - 1) & ~(PAGE - 1);
}

/* --------------------------------------------------------- calls and threads */

struct quire_thread;
struct quire_call;

/* What becomes of a system call. */
enum quire_outcome {
        QUIRE_CALL_ANSWER,    /* call->value is the result */
        QUIRE_CALL_PASS,      /* make it, with call->now */
        QUIRE_CALL_PASS_ON,   /* make it, then call->after decides */
        QUIRE_CALL_LEAVE,     /* the registers are set already */
};
typedef enum quire_outcome (*quire_call_fn)(struct quire_thread *, struct quire_call *);

/* The one system call that a thread is about to make, makes, or made last. */
struct quire_call {
        uint64_t args[6];            /* as the program gave them; the code page gives them back */
        uint64_t ret;                /* where the program goes on */
        uint64_t result;             /* of a call that enters the agent again */
        uint64_t entry_after;        /* quire_entry_after */
        uint32_t running;            /* [a] 1: from here until the code page clears it */
        uint32_t spare;
        int64_t nr;
        uint64_t now[6];             /* as the kernel gets them */
        int64_t value;
        ucontext_t *uc;              /* of the signal that brought us here */
        quire_call_fn after;         /* what to do with `result' */
        bool last;                   /* `after' must not ask for another round */
        uint64_t progress;           /* chunk.c: bytes done */
        uint64_t chunk;              /* chunk.c: bytes asked for in this round */
        uint64_t bounced_to, bounced_from;     /* chunk.c: data to be copied back; 0: none */
};

struct quire_span {
        uint64_t va, bytes;
};
struct quire_hold {
        uint64_t va;
        uint32_t pages;
        uint32_t access;
};

/* Values of the selector, as the kernel defines them. */
enum { QUIRE_ALLOW = 0, QUIRE_BLOCK = 1 };

#define QUIRE_HOLDS  1100            /* IOV_MAX, and what goes with it */
#define QUIRE_BOUNCE 16384
#define QUIRE_LASTING 8

/* The three signals that the kernel never blocks for us; see signals.c. */
enum quire_kept { QUIRE_KEPT_BUS, QUIRE_KEPT_SEGV, QUIRE_KEPT_SYS, QUIRE_KEPT };

/* [o] only the thread itself; [a] atomic; [I] fixed while the thread runs. */
struct quire_thread {
        struct quire_call call;      /* [o]; layout.h knows where it is */
        uint8_t selector;            /* [o] read by the kernel */
        bool borrowed;               /* [I] a vfork child: the memory is its parent's */
        bool helper;                 /* [I] a thread of Quire's own: block.c */
        bool exec_pending;           /* [o] an execve was let through */
        bool clear_handlers;         /* [o] threads.c: what the child does first */
        uint8_t faulting;            /* [o] faults.c: handlers of faults, one inside the other */
        uint32_t index;              /* [I] of the block */
        int tid;                     /* [I] */
        /* signals.c */
        uint64_t kept_blocked;       /* [o] of the three, those that the program blocks */
        uint64_t kept_pending;       /* [o] of those, the ones that came meanwhile */
        siginfo_t kept_info[QUIRE_KEPT];   /* [o] */
        stack_t altstack;            /* [o] as the program set it */
        /* buffers.c */
        uint32_t hold_lock;          /* guards the holds; see there */
        uint32_t holds;
        uint32_t bounced;            /* [o] bytes of bounce[] in use */
        struct quire_span scratch;   /* [o] a mapping that the call needed, to be unmapped */
        struct quire_span lasting[QUIRE_LASTING];      /* [o] held until the thread ends */
        uint64_t child;              /* [o] threads.c: the frame that a new thread begins with */
        uint64_t calls, calls_memory, calls_held, held_pages;      /* [o] */
        struct quire_hold hold[QUIRE_HOLDS];
        char bounce[QUIRE_BOUNCE] __attribute__((aligned(4096)));
};

_Static_assert(offsetof(struct quire_call, args) == QUIRE_CALL_SAVED, "layout.h");
_Static_assert(offsetof(struct quire_call, ret) == QUIRE_CALL_RETURN, "layout.h");
_Static_assert(offsetof(struct quire_call, result) == QUIRE_CALL_RESULT, "layout.h");
_Static_assert(offsetof(struct quire_call, entry_after) == QUIRE_CALL_AFTER, "layout.h");
_Static_assert(offsetof(struct quire_call, running) == QUIRE_CALL_RUNNING, "layout.h");
_Static_assert(sizeof(struct quire_thread) <= QUIRE_BLOCK_GUARD - QUIRE_BLOCK_RECORD, "layout.h");

/* The record of the thread whose handler is running. */
static inline struct quire_thread *quire_thread_here(void)
{
        uint64_t here = raw_address(__builtin_frame_address(0));

        return raw_pointer((here & ~(uint64_t)(QUIRE_BLOCK_BYTES - 1)) + QUIRE_BLOCK_RECORD);
}

static inline enum quire_outcome quire_answer(struct quire_call *c, int64_t value)
{
        c->value = value;
        return QUIRE_CALL_ANSWER;
}

/* --- entry.S: symbols of the template, and functions */
extern char quire_code_begin[], quire_code_end[], quire_code_call[], quire_code_called[],
        quire_code_call_end[], quire_code_call_on[], quire_code_called_on[],
        quire_code_stored_on[], quire_code_call_on_end[], quire_code_restore[],
        quire_code_return[], quire_code_exit[], quire_entry_after[], quire_entry_after_end[],
        quire_entry_copy_failed[];
long quire_entry_clone(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
int quire_entry_copy(void *to, const void *from, size_t bytes);

/* Address of a symbol of the template in this thread's block. */
static inline uint64_t quire_code_at(const struct quire_thread *t, const char *symbol)
{
        return raw_address(t) - QUIRE_BLOCK_RECORD + (uint64_t)(symbol - quire_code_begin);
}

/* --- block.c */
bool quire_block_open(void);
struct quire_thread *quire_block_take(void);
void quire_block_give(struct quire_thread *);
uint8_t *quire_block_busy(const struct quire_thread *);
void quire_block_forked(struct quire_thread *mine);
uint64_t quire_block_top(const struct quire_thread *);
bool quire_block_owns(uint64_t va);
int quire_block_arm(struct quire_thread *);
void quire_block_helper(void);
uint64_t quire_block_restorer(void);
uint64_t quire_block_bytes(void);
/* Another thread's record, for walking all of them; null: not in use. */
struct quire_thread *quire_block_at(uint32_t index);
uint32_t quire_block_count(void);

/* --- dispatch.c */
void quire_dispatch_signal(int sig, siginfo_t *, void *context);
void quire_dispatch_settle(struct quire_thread *, ucontext_t *);

/* --- table.c */
enum quire_outcome quire_table_call(struct quire_thread *, struct quire_call *);

/* --- signals.c */
#define QUIRE_SYNC_BITS ((uint64_t)1 << (SIGBUS - 1) | (uint64_t)1 << (SIGSEGV - 1) | \
                         (uint64_t)1 << (SIGSYS - 1))
void quire_signals_open(void);
enum quire_outcome quire_signals_action(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_signals_mask(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_signals_altstack(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_signals_pending(struct quire_thread *, struct quire_call *);
/* Replace the mask that argument `arg' points to by one that leaves the three
 * alone.  False: it can not be read. */
bool quire_signals_filter(struct quire_thread *, struct quire_call *, unsigned arg);
struct raw_action quire_signals_program(int sig);
void quire_signals_reset(int sig);
void quire_signals_clear_all(bool borrowed);
int quire_signals_set_stack(struct quire_thread *, const stack_t *, uint64_t sp);
stack_t quire_signals_stack(const struct quire_thread *, uint64_t sp);
void quire_signals_forked(void);
bool quire_signals_on_stack(const struct quire_thread *, uint64_t sp);
uint64_t quire_signals_visible(const struct quire_thread *, const ucontext_t *);
void quire_signals_set_visible(struct quire_thread *, ucontext_t *, uint64_t mask);
static inline uint64_t *quire_signals_word(ucontext_t *uc)
{
        return (uint64_t *)(void *)&uc->uc_sigmask;
}

/* --- deliver.c */
void quire_deliver_signal(int sig, siginfo_t *, void *context);
/* A signal for the program that no handler of the kernel's brought. */
void quire_deliver(struct quire_thread *, ucontext_t *, int sig, const siginfo_t *);
/* The same for a fault: what is blocked or ignored kills. */
void quire_deliver_fault(struct quire_thread *, ucontext_t *, int sig, const siginfo_t *);
/* One of the three that some process sent; it waits while it is blocked. */
void quire_deliver_sent(struct quire_thread *, ucontext_t *, int sig, const siginfo_t *);
void quire_deliver_pending(struct quire_thread *, ucontext_t *);
enum quire_outcome quire_deliver_return(struct quire_thread *, struct quire_call *);
/* Bytes of the floating-point state in a frame; 0: none. */
uint64_t quire_deliver_state_bytes(const void *state);

/* --- faults.c */
void quire_faults_signal(int sig, siginfo_t *, void *context);
/* Copy from or to memory of the program.  False: not all of it is accessible. */
bool quire_user_get(void *to, uint64_t from, size_t bytes);
bool quire_user_put(uint64_t to, const void *from, size_t bytes);

/* --- threads.c */
enum quire_outcome quire_threads_clone(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_threads_clone3(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_threads_fork(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_threads_vfork(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_threads_exit(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_threads_exit_group(struct quire_thread *, struct quire_call *);
unsigned quire_threads_count(void);
void quire_threads_forked(void);

/* --- fork.c */
enum quire_outcome quire_fork_exec(struct quire_thread *, struct quire_call *);
void quire_fork_exec_failed(struct quire_thread *);

/* --- agent.c */
struct quire_agent {
        bool armed;                   /* [I] the program is under dispatch */
        int pid;                      /* of this process image */
        struct quire_process *process;        /* [I] */
        struct quire_linux *machine;          /* [I] */
        struct quire_space *space;            /* [I] */
        struct quire_system *system;          /* [I] */
        uint64_t budget;                      /* [I] bytes */
        uint64_t hold_most;                   /* [I] bytes that one call holds at most */
};
extern struct quire_agent quire_agent;
/* Say one line on standard error, and end the process with QUIRE_RUN_FAILED. */
_Noreturn void quire_agent_fail(const char *what, const char *detail);
/* The same words without the end. */
void quire_agent_say(const char *what, const char *detail);

#endif
