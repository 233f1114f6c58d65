/*
 * faults.c - SIGBUS and SIGSEGV: whose fault it is, and what follows.
 *
 *     the machine resolves it         the access runs again
 *     the agent was copying           the copy fails, its caller says EFAULT
 *     memory of ours, denied          SIGSEGV to the program, as plain memory has it
 *     not ours                        the same signal to the program
 *     Quire can not give the page     one line, and the end: never wrong data
 *
 * These two signals stay open while handlers of ours run, these two included (a
 * program's signal stack may be absent), so that those may touch memory of the
 * program.  A fault inside the agent anywhere else than in quire_entry_copy is an error
 * of the agent: one line says where it was.  (Other handlers than these come through if
 * what they touched is managed: the program may have put thread-local memory there.)
 *
 * Signal context: these are handlers.  Lock: none.
 */
#include "agent.h"
#include "buffers.h"
#include "memory.h"
#include "report.h"
#include <errno.h>

#define ERROR_WRITE 2u           /* a bit of the page fault's error code */

extern const char __ehdr_start[] __attribute__((visibility("hidden")));     /* the linker's */

static uint64_t reg(const ucontext_t *uc, int which)
{
        return (uint64_t)uc->uc_mcontext.gregs[which];
}

bool quire_user_get(void *to, uint64_t from, size_t bytes)
{
        return !quire_entry_copy(to, raw_pointer(from), bytes);
}

bool quire_user_put(uint64_t to, const void *from, size_t bytes)
{
        return !quire_entry_copy(raw_pointer(to), from, bytes);
}

static bool is_copying(const ucontext_t *uc)
{
        uint64_t rip = reg(uc, REG_RIP);

        return rip >= (uint64_t)(uintptr_t)quire_entry_copy &&
               rip < raw_address(quire_entry_copy_failed);
}

/* What Quire itself failed at ends the program. */
static void end_if_lost(enum quire_reason why)
{
        if (why == QUIRE_WHY_NO_MEMORY)
                quire_agent_fail("out of memory: the budget is full and the pagefile takes no more",
                                 "give --pagefile-size or --memory more, or free the disk");
        if (why == QUIRE_WHY_IO_ERROR)
                quire_agent_fail("the pagefile can not be read",
                                 "look at the disk it lies on (--pagefile chooses another)");
        if (why == QUIRE_WHY_BROKEN)
                quire_agent_fail("a page came back damaged from the pagefile",
                                 "look at the disk it lies on (--pagefile chooses another)");
}

static char *add_text(char *to, const char *text)
{
        while (*text)
                *to++ = *text++;
        return to;
}

static char *add_hex(char *to, uint64_t value)
{
        unsigned shift = 60;

        while (shift && !(value >> shift & 15))
                shift -= 4;
        to = add_text(to, "0x");
        for (;; shift -= 4) {
                *to++ = "0123456789abcdef"[value >> shift & 15];
                if (!shift)
                        return to;
        }
}

/* Nobody can go on after that; where it was is all there is to find out why. */
static _Noreturn void fail_inside(const ucontext_t *uc, int sig, const siginfo_t *info)
{
        uint64_t va = raw_address(info->si_addr), rip = reg(uc, REG_RIP);
        char line[200], *to = line;

        to = add_text(to, sig == SIGBUS ? "SIGBUS" : "SIGSEGV");
        to = add_text(to, reg(uc, REG_ERR) & ERROR_WRITE ? " writing " : " reading ");
        to = add_hex(to, va);
        to = add_text(to, " (");
        to = add_text(to, quire_linux_place(quire_agent.machine, va));
        to = add_text(to, ") at ");
        to = add_hex(to, rip);
        to = add_text(to, ", agent at ");
        to = add_hex(to, raw_address(__ehdr_start));
        to = add_text(to, "; please report it with the program's name");
        *to = 0;
        quire_agent_fail("internal error: a fault inside the agent", line);
}

/* A fault that an instruction caused and the machine did not resolve. */
static void pass_on(struct quire_thread *t, ucontext_t *uc, const siginfo_t *info,
                    const struct quire_signal_out *denied)
{
        uint64_t va = raw_address(info->si_addr);
        siginfo_t raised = *info;

        if (denied) {
                end_if_lost(denied->reason);
                if (quire_memory_changed(va, reg(uc, REG_ERR) & ERROR_WRITE))
                        return;
                raised.si_signo = denied->raise_sig;
                raised.si_code = quire_memory_beyond(va) ? SEGV_MAPERR : denied->raise_code;
        }
        if (is_copying(uc)) {
                uc->uc_mcontext.gregs[REG_RIP] =
                        (greg_t)raw_address(quire_entry_copy_failed);
                return;
        }
        if (quire_block_owns(reg(uc, REG_RSP)))
                fail_inside(uc, info->si_signo, info);
        quire_deliver_fault(t, uc, raised.si_signo, &raised);
}

static void resolve(struct quire_thread *t, ucontext_t *uc, int sig, siginfo_t *info)
{
        struct quire_signal_out out;

        if (t->holds && !LOAD(&t->call.running))
                quire_buffers_drop(t);
        switch (quire_linux_signal(quire_agent.machine, sig, info, uc, &out)) {
        case QUIRE_SIGNAL_RESUMED:
                quire_report_poll();
                break;
        case QUIRE_SIGNAL_NOT_OURS:
                pass_on(t, uc, info, NULL);
                break;
        case QUIRE_SIGNAL_DENIED:
                pass_on(t, uc, info, &out);
                break;
        }
}

/* The SIGBUS and SIGSEGV handler. */
void quire_faults_signal(int sig, siginfo_t *info, void *context)
{
        struct quire_thread *t = quire_thread_here();
        ucontext_t *uc = context;
        uint8_t selector = t->selector;

        if (info->si_code > 0 && t->faulting && !is_copying(uc))
                fail_inside(uc, sig, info);
        t->faulting++;
        t->selector = QUIRE_ALLOW;
        int before = errno;
        if (info->si_code > 0) {
                resolve(t, uc, sig, info);
        } else {
                if (selector == QUIRE_BLOCK)
                        quire_dispatch_settle(t, uc);
                quire_deliver_sent(t, uc, sig, info);
        }
        errno = before;
        t->selector = selector;
        t->faulting--;
}
