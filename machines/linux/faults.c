/*
 * faults.c - a fault's way to the core and back, in the thread that faulted.
 *
 * With userfaultfd's SIGBUS feature an access to an absent (or write-protected)
 * paged page arrives as SIGBUS at the faulting instruction; an access to plain
 * memory without permission arrives as SIGSEGV, as ever.  quire_linux_signal()
 * hands both to quire_fault().  A page in transit leaves the thread waiting on
 * a cell of its own stack until resume() writes the verdict there.
 *
 * Why an access was denied comes from the core's event of it, which is made in
 * the same thread just before the verdict: it is kept in a thread-local.
 *
 * Lock: none, save what quire_fault() takes.  Signal context: this is it.  No
 * errno, no allocation, no paged memory.
 */
#include "internal.h"
#include "sys.h"
#include <sched.h>
#include <ucontext.h>

#define ERROR_WRITE 2            /* bits of the page fault's error code */
#define ERROR_FETCH 16

static __thread uint64_t denied_va __attribute__((tls_model("initial-exec")));
static __thread unsigned denied_why __attribute__((tls_model("initial-exec")));
static __thread uint64_t fault_page __attribute__((tls_model("initial-exec")));   /* plus 1 */

void quire_denied_note(uint64_t va, unsigned why)
{
        denied_va = va & ~(PAGE - 1);
        denied_why = why;
}

/*
 * Which page the thread resolves a fault of.  The core answers a fault on what it
 * believes to be shown by granting it again (M2), and protect then knows that the
 * page is not a hole: store.c shows it again where the kernel has lost it.
 */
void quire_fault_begin(uint64_t va)
{
        fault_page = (va >> PAGE_SHIFT) + 1;
}

void quire_fault_end(void)
{
        fault_page = 0;
}

const void *quire_linux_words(void)
{
        return &fault_page;
}

bool quire_fault_is_at(uint64_t va)
{
        return fault_page == (va >> PAGE_SHIFT) + 1;
}

/* What a denied access would have been raised as, had the kernel judged it. */
void quire_denied_describe(uint64_t va, struct quire_signal_out *out)
{
        unsigned why = denied_va == (va & ~(PAGE - 1)) ? denied_why : QUIRE_WHY_PROTECTED;

        out->va = va;
        out->reason = (enum quire_reason)why;
        out->raise_sig = SIGSEGV;
        out->raise_code = SEGV_ACCERR;
        switch (why) {
        case QUIRE_WHY_FREE:
                out->raise_code = SEGV_MAPERR;
                break;
        case QUIRE_WHY_BROKEN:
        case QUIRE_WHY_IO_ERROR:
        case QUIRE_WHY_NO_MEMORY:
                out->raise_sig = SIGBUS;
                out->raise_code = BUS_ADRERR;
                break;
        default:
                break;
        }
        denied_va = 0;
        denied_why = 0;
}

static unsigned fault_access(const void *context)
{
        const ucontext_t *u = context;
        long long error = u->uc_mcontext.gregs[REG_ERR];

        if (error & ERROR_FETCH)
                return QUIRE_X;
        return error & ERROR_WRITE ? QUIRE_W : QUIRE_R;
}

/* Wait until resume() has written a verdict. */
enum quire_verdict quire_ticket_wait(struct ticket *t)
{
        uint32_t verdict;

        while (!(verdict = LOAD(&t->verdict)))
                (void)sys_futex_wait(&t->verdict, 0);
        return (enum quire_verdict)(verdict - 1);
}

void quire_linux_resume(struct quire_machine *m, uint64_t ticket, enum quire_verdict verdict)
{
        struct ticket *t = (struct ticket *)(uintptr_t)ticket;

        if (t->late) {
                quire_thread_verdict(linux_of(m), t, verdict);
                return;
        }
        /* The cell dies with its thread's stack frame as soon as the verdict is
         * in it; waking by its address then wakes nobody. */
        STORE(&t->verdict, 1 + (uint32_t)verdict);
        (void)sys_futex_wake(&t->verdict, 1);
}

bool quire_linux_owns(const struct quire_linux *l, uint64_t va)
{
        return LOAD(&l->space.owner) && quire_arena_paged(l, va);
}

const char *quire_linux_place(const struct quire_linux *l, uint64_t va)
{
        if (quire_arena_paged(l, va))
                return "managed memory";
        if (quire_arena_plain(l, va))
                return "delegated memory";
        if (va - l->pool.base < l->pool.bytes)
                return "the pool of frames";
        return va - l->lodging.first < l->lodging.bytes ? "records" : "not of the machine";
}

static bool is_ours(const struct quire_linux *l, int sig, const siginfo_t *info, uint64_t va)
{
        /* Not what somebody sent, nor broken memory, nor a protection key. */
        if (!LOAD(&l->space.owner))
                return false;
        if (sig == SIGBUS)
                return info->si_code == BUS_ADRERR && quire_arena_paged(l, va);
        if (sig != SIGSEGV || (info->si_code != SEGV_ACCERR && info->si_code != SEGV_MAPERR))
                return false;
        return quire_arena_paged(l, va) || quire_arena_plain(l, va);
}

enum quire_signal_result quire_linux_signal(struct quire_linux *l, int sig, siginfo_t *info,
                                            void *context, struct quire_signal_out *out)
{
        uint64_t va = (uint64_t)(uintptr_t)info->si_addr;
        struct ticket ticket = { .va = va };
        const ucontext_t *u = context;
        const struct spot at = { AT_ACCESS, (uint64_t)u->uc_mcontext.gregs[REG_RSP],
                                 (uint64_t)u->uc_mcontext.gregs[REG_RIP] };
        enum quire_verdict verdict;

        if (!is_ours(l, sig, info, va))
                return QUIRE_SIGNAL_NOT_OURS;
        quire_mask_enter();
        if (quire_bar_met(l, va, &at, out)) {
                quire_mask_leave();
                return QUIRE_SIGNAL_DENIED;
        }
        if (LOAD(&l->threads.bars))
                quire_bar_yield(l, sys_gettid(), va);
        quire_fault_begin(va);
        verdict = quire_fault(LOAD(&l->space.owner), va, fault_access(context),
                              (uint64_t)(uintptr_t)&ticket);
        quire_fault_end();
        if (verdict == QUIRE_PENDING)
                verdict = quire_ticket_wait(&ticket);
        quire_bar_lift(l, va);
        if (verdict == QUIRE_DENY)
                quire_denied_describe(va, out);
        quire_mask_leave();
        return verdict == QUIRE_DENY ? QUIRE_SIGNAL_DENIED : QUIRE_SIGNAL_RESUMED;
}

void quire_linux_enter_masked(struct quire_linux *l)
{
        (void)l;
        quire_mask_enter();
}

void quire_linux_leave_masked(struct quire_linux *l)
{
        (void)l;
        quire_mask_leave();
}
