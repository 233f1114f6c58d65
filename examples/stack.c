/*
 * stack.c - a stack that grows by its guard page, and says so when it is full.
 *
 *     stack [KIB]                               a stack of 1024 KiB, by default
 *
 * Only the top of the stack is committed, and the page below carries a guard
 * mark.  Touching that page clears its mark and calls on_denied(), which commits
 * the next page below, marks that one, and lets the access go on.  The lowest page is
 * never committed: an access to it is denied for good, and arrives at whoever
 * handles SIGSEGV.
 *
 *     base                                                       base + bytes
 *      | reserved ... | reserved | guard | committed ... committed |
 *                                  <--- grows
 *
 * Faults are signals here, so the handlers need a stack of their own.
 */
#include <inttypes.h>
#include <quire/process.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static uint64_t base, bytes, page;           /* of the stack */
static uint64_t grown;                       /* how often */
static volatile enum quire_reason reason;    /* of the last denial */
static volatile uint64_t depth;
static sigjmp_buf overflowed;

/* In signal context, so nothing here but calls of Quire's. */
static enum quire_verdict on_denied(void *context, struct quire_space *space, uint64_t va,
                                    unsigned access, enum quire_reason why)
{
        uint64_t next = (va & ~(page - 1)) - page;

        (void)context, (void)access;
        reason = why;
        if (why != QUIRE_WHY_GUARD || va - base >= bytes)
                return QUIRE_DENY;
        if (next > base && (quire_region_commit(space, next, page, QUIRE_R | QUIRE_W) ||
                            quire_region_guard(space, next, page)))
                return QUIRE_DENY;
        grown++;
        return QUIRE_RESUME;
}

/* Here in the end come the accesses that were denied. */
static void on_segv(int sig, siginfo_t *info, void *context)
{
        (void)sig, (void)context;
        if ((uint64_t)info->si_addr - base >= bytes)
                abort();                     /* some other bug */
        siglongjmp(overflowed, 1);
}

/* The sum of all numbers up to n, the hard way. */
__attribute__((noinline)) static uint64_t add_up(uint64_t n)
{
        volatile unsigned char frame[512];   /* less than a page, or it might miss the guard */
        uint64_t sum;

        frame[0] = 0;
        depth++;
        sum = n ? n + add_up(n - 1) : 0;
        return sum + frame[0];               /* after the call, so that it is one */
}

static uint64_t argument, result;

static void run(void)
{
        result = add_up(argument);
}

/* Call run() on the stack.  False: it overflowed. */
static bool call_on_stack(uint64_t n)
{
        static ucontext_t here, there;

        argument = n;
        depth = 0;
        if (sigsetjmp(overflowed, 1))
                return false;
        getcontext(&there);
        there.uc_stack.ss_sp = (void *)base;
        there.uc_stack.ss_size = bytes;
        there.uc_link = &here;
        makecontext(&there, run, 0);
        swapcontext(&here, &there);
        return true;
}

static void need(enum quire_status status, const char *what)
{
        if (status == QUIRE_OK)
                return;
        fprintf(stderr, "stack: %s: %s\n", what, quire_status_name(status));
        exit(1);
}

int main(int argc, char **argv)
{
        static char handlers[1 << 16];       /* the stack that signals arrive on */
        struct quire_process_options options = { .memory = 16u << 20 };
        uint64_t kib = (uint64_t)(argc > 1 ? atoi(argv[1]) : 1024);
        struct quire_request request = { .bytes = kib << 10 };
        struct sigaction segv = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        stack_t alternate = { .ss_sp = handlers, .ss_size = sizeof(handlers) };
        struct quire_process *process;
        struct quire_space *space;

        sigaltstack(&alternate, NULL);
        sigaction(SIGSEGV, &segv, NULL);     /* before Quire, which hands on what is not its own */
        if (quire_process_open(&options, &process) != QUIRE_OK)
                return fprintf(stderr, "stack: %s\n", quire_process_problem()), 1;
        space = quire_process_space(process);
        page = quire_system_page(quire_process_system(process));
        bytes = request.bytes;
        need(bytes >= 16 * page ? QUIRE_OK : QUIRE_INVALID, "at least 16 pages");

        need(quire_region_reserve(space, &request, &base), "reserve");
        need(quire_region_commit(space, base + bytes - 2 * page, 2 * page, QUIRE_R | QUIRE_W),
             "commit");
        need(quire_region_guard(space, base + bytes - 2 * page, page), "guard");
        quire_space_on_denied(space, on_denied, NULL);

        if (!call_on_stack(bytes / 2048))
                return fprintf(stderr, "stack: too small\n"), 1;
        printf("depth %" PRIu64 ": the sum is %" PRIu64 "; the stack grew %" PRIu64 " times\n",
               depth, result, grown);
        if (call_on_stack(UINT64_MAX))
                return fprintf(stderr, "stack: endless\n"), 1;
        printf("depth %" PRIu64 ": overflow of %" PRIu64 " KiB after it grew %" PRIu64
               " times: %s\n", depth, kib, grown, quire_reason_name(reason));
        quire_process_close(process);
        return 0;
}
