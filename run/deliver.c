/*
 * deliver.c - signals on their way to the program's handlers, and back.
 *
 * The kernel brings every signal to us first, on the stack in the thread's
 * block (signals.c).  Delivering it is then what the kernel itself would have
 * done: build a frame on the program's stack, or its signal stack, and change
 * our own frame so that leaving it enters the program's handler.  A handler's
 * return, the system call rt_sigreturn, is the same the other way round: its
 * frame is copied into ours.  So the kernel never writes to or reads from a
 * stack of the program's, which may lie in managed memory and not be resident.
 *
 *     the program's frame, from below     restorer, ucontext, siginfo, (gap),
 *                                         floating-point state (64-aligned)
 *
 * Signal context: this is a handler.  Lock: none.
 *
 *   V1  What is pushed shows the program at an instruction of its own (D2).
 *   V2  The ucontext that the program sees has the mask and the signal stack
 *       that it set; ours, those that the kernel has.
 */
#include "agent.h"
#include "report.h"
#include <errno.h>
#include <string.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
#define RESTORER 0x04000000u
#define RED_ZONE 128u
#define STATE_LEGACY 512u
#define STATE_MAGIC 0x46505853u
#define BAD_ADDRESS 1u                   /* never accessible */
#define FLAGS_CLEARED 0x10500ll          /* RF, DF, TF */

/* struct ucontext as the kernel has it: the C library's is longer. */
#define UCONTEXT_BYTES (offsetof(ucontext_t, uc_sigmask) + sizeof(uint64_t))
#define SIGINFO_BYTES 128u

struct frame {
        uint64_t restorer;
        char uc[UCONTEXT_BYTES];
        char info[SIGINFO_BYTES];
};
_Static_assert(UCONTEXT_BYTES == 304 && sizeof(struct frame) == 440, "the kernel's layout");

/* At the end of the legacy area: what follows it. */
struct state_note {
        uint32_t magic, bytes;
        uint64_t features;
        uint32_t size, spare[7];
};

static uint64_t state_bytes(const struct state_note *note)
{
        return note->magic == STATE_MAGIC && note->bytes > STATE_LEGACY && note->bytes < 65536
                       ? note->bytes
                       : STATE_LEGACY;
}

/* Bytes of the floating-point state in a frame that the kernel made. */
uint64_t quire_deliver_state_bytes(const void *state)
{
        struct state_note note;

        memcpy(&note, (const char *)state + STATE_LEGACY - sizeof(note), sizeof(note));
        return state_bytes(&note);
}

/* ---------------------------------------------------------------- dying of it */

/* Let the kernel do what it does by default, to this thread, at the instruction
 * where it stands. */
static void leave_to_kernel(ucontext_t *uc, int sig, const siginfo_t *info)
{
        struct raw_action none = { 0 };
        uint64_t bit = raw_signal_bit(sig);
        siginfo_t copy = *info;

        (void)raw_sigmask(SIG_BLOCK, &bit, NULL);
        (void)raw_sigaction(sig, &none, NULL);
        (void)raw4(SYS_rt_tgsigqueueinfo, raw_int(raw_getpid()), raw_int(raw_gettid()),
                   raw_int(sig), raw_address(&copy));
        *quire_signals_word(uc) &= ~bit;
}

static void die_of(ucontext_t *uc, int sig, const siginfo_t *info)
{
        quire_report_end(QUIRE_END_SIGNAL, sig, NULL);
        leave_to_kernel(uc, sig, info);
}

/* ------------------------------------------------------------------- frames */

/* Where the frame goes, and its floating-point state. */
static uint64_t place_frame(const struct quire_thread *t, const ucontext_t *uc,
                            const struct raw_action *act, uint64_t *state, uint64_t bytes)
{
        uint64_t sp = (uint64_t)uc->uc_mcontext.gregs[REG_RSP] - RED_ZONE;

        if (act->flags & SA_ONSTACK && t->altstack.ss_size && !t->helper &&
            !quire_signals_on_stack(t, sp))
                sp = raw_address(t->altstack.ss_sp) + t->altstack.ss_size;
        *state = (sp - bytes) & ~(uint64_t)63;
        return ((*state - sizeof(struct frame)) & ~(uint64_t)15) - 8;
}

static bool push_frame(struct quire_thread *t, ucontext_t *uc, int sig, const siginfo_t *info,
                       const struct raw_action *act)
{
        const void *from = uc->uc_mcontext.fpregs;
        uint64_t bytes = from ? quire_deliver_state_bytes(from) : 0;
        struct frame frame = { .restorer = act->restorer };
        greg_t *regs = uc->uc_mcontext.gregs;
        uint64_t state, sp = place_frame(t, uc, act, &state, bytes);
        stack_t stack = quire_signals_stack(t, (uint64_t)regs[REG_RSP]);
        uint64_t mask = quire_signals_visible(t, uc);
        fpregset_t there = from ? raw_pointer(state) : NULL;

        memcpy(frame.uc, uc, UCONTEXT_BYTES);
        memcpy(frame.info, info, SIGINFO_BYTES);
        memcpy(frame.uc + offsetof(ucontext_t, uc_stack), &stack, sizeof(stack));
        memcpy(frame.uc + offsetof(ucontext_t, uc_mcontext.fpregs), &there, sizeof(there));
        memcpy(frame.uc + offsetof(ucontext_t, uc_sigmask), &mask, sizeof(mask));
        if (bytes && !quire_user_put(state, from, bytes))
                return false;
        if (!quire_user_put(sp, &frame, sizeof(frame)))
                return false;
        regs[REG_RDI] = sig;
        regs[REG_RSI] = (greg_t)(sp + offsetof(struct frame, info));
        regs[REG_RDX] = (greg_t)(sp + offsetof(struct frame, uc));
        regs[REG_RAX] = 0;
        regs[REG_RSP] = (greg_t)sp;
        regs[REG_RIP] = (greg_t)act->handler;
        regs[REG_EFL] &= ~FLAGS_CLEARED;
        uc->uc_mcontext.fpregs = NULL;      /* a handler begins with a clean state */
        if ((unsigned)stack.ss_flags & SS_AUTODISARM)
                t->altstack = (stack_t){ .ss_flags = SS_DISABLE };
        return true;
}

/* Enter the handler.  False: its frame could not be written. */
static bool enter_handler(struct quire_thread *t, ucontext_t *uc, int sig, const siginfo_t *info,
                          const struct raw_action *act)
{
        uint64_t mask = quire_signals_visible(t, uc) | act->mask;

        if (!(act->flags & RESTORER) || !push_frame(t, uc, sig, info, act))
                return false;
        if (!(act->flags & SA_NODEFER))
                mask |= raw_signal_bit(sig);
        if (act->flags & SA_RESETHAND)
                quire_signals_reset(sig);
        quire_signals_set_visible(t, uc, mask);
        return true;
}

/* A handler's frame found no room: as the kernel does, SIGSEGV instead. */
static void no_room(struct quire_thread *t, ucontext_t *uc, int sig)
{
        siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };
        struct raw_action act = quire_signals_program(SIGSEGV);

        if (sig == SIGSEGV || act.handler <= 1 ||
            t->kept_blocked & raw_signal_bit(SIGSEGV) ||
            !enter_handler(t, uc, SIGSEGV, &info, &act))
                die_of(uc, SIGSEGV, &info);
}

void quire_deliver(struct quire_thread *t, ucontext_t *uc, int sig, const siginfo_t *info)
{
        struct raw_action act = quire_signals_program(sig);

        if (act.handler == 1)
                return;                  /* SIG_IGN since */
        if (act.handler == 0)
                leave_to_kernel(uc, sig, info);      /* SIG_DFL since */
        else if (!enter_handler(t, uc, sig, info, &act))
                no_room(t, uc, sig);
}

void quire_deliver_fault(struct quire_thread *t, ucontext_t *uc, int sig, const siginfo_t *info)
{
        struct raw_action act = quire_signals_program(sig);

        if (act.handler <= 1 || t->kept_blocked & raw_signal_bit(sig))
                die_of(uc, sig, info);
        else if (!enter_handler(t, uc, sig, info, &act))
                no_room(t, uc, sig);
}

/* ------------------------------------------------- the three, sent by somebody */

static unsigned kept_index(int sig)
{
        return sig == SIGBUS ? QUIRE_KEPT_BUS : sig == SIGSEGV ? QUIRE_KEPT_SEGV : QUIRE_KEPT_SYS;
}

void quire_deliver_sent(struct quire_thread *t, ucontext_t *uc, int sig, const siginfo_t *info)
{
        bool inside = quire_block_owns((uint64_t)uc->uc_mcontext.gregs[REG_RSP]);

        if (!inside && !(t->kept_blocked & raw_signal_bit(sig))) {
                quire_deliver(t, uc, sig, info);
                return;
        }
        t->kept_pending |= raw_signal_bit(sig);
        t->kept_info[kept_index(sig)] = *info;
}

/* Deliver what waited and is blocked no more.  => uc is of the program. */
void quire_deliver_pending(struct quire_thread *t, ucontext_t *uc)
{
        static const int kept[] = { SIGBUS, SIGSEGV, SIGSYS };

        quire_dispatch_settle(t, uc);
        for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
                uint64_t bit = raw_signal_bit(kept[i]);
                if (!(t->kept_pending & ~t->kept_blocked & bit))
                        continue;
                t->kept_pending &= ~bit;
                quire_deliver(t, uc, kept[i], &t->kept_info[kept_index(kept[i])]);
        }
}

/* ------------------------------------------------------------------ and back */

/* Take the floating-point state that the program's frame names into ours. */
static bool pull_state(ucontext_t *uc, uint64_t from)
{
        char *to = (char *)uc->uc_mcontext.fpregs;
        struct state_note note;

        if (!from || !to) {
                uc->uc_mcontext.fpregs = NULL;
                return true;
        }
        if (!quire_user_get(&note, from + STATE_LEGACY - sizeof(note), sizeof(note)))
                return false;
        uint64_t bytes = state_bytes(&note);
        uint64_t room = quire_deliver_state_bytes(to);
        return quire_user_get(to, from, bytes < room ? bytes : room);
}

/* rt_sigreturn, with the stack pointer just above the restorer's slot. */
enum quire_outcome quire_deliver_return(struct quire_thread *t, struct quire_call *c)
{
        ucontext_t *uc = c->uc;
        siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };
        fpregset_t state;
        stack_t ours = uc->uc_stack, theirs;
        char copy[UCONTEXT_BYTES];
        uint64_t mask, at;

        if (quire_user_get(copy, (uint64_t)uc->uc_mcontext.gregs[REG_RSP], sizeof(copy)))
                memcpy(&at, copy + offsetof(ucontext_t, uc_mcontext.fpregs), sizeof(at));
        else
                at = BAD_ADDRESS;
        if (!pull_state(uc, at)) {
                quire_deliver_fault(t, uc, SIGSEGV, &info);
                return QUIRE_CALL_LEAVE;
        }
        state = uc->uc_mcontext.fpregs;
        memcpy(&theirs, copy + offsetof(ucontext_t, uc_stack), sizeof(theirs));
        memcpy(&mask, copy + offsetof(ucontext_t, uc_sigmask), sizeof(mask));
        memcpy(uc, copy, UCONTEXT_BYTES);
        uc->uc_mcontext.fpregs = state;
        uc->uc_stack = ours;
        (void)quire_signals_set_stack(t, &theirs, (uint64_t)uc->uc_mcontext.gregs[REG_RSP]);
        quire_signals_set_visible(t, uc, mask);
        return QUIRE_CALL_LEAVE;
}

/* The handler, in the kernel's eyes, of every signal that the program handles. */
void quire_deliver_signal(int sig, siginfo_t *info, void *context)
{
        struct quire_thread *t = quire_thread_here();
        ucontext_t *uc = context;
        int before = errno;

        t->selector = QUIRE_ALLOW;
        quire_dispatch_settle(t, uc);
        quire_deliver(t, uc, sig, info);
        errno = before;
        t->selector = QUIRE_BLOCK;
}
