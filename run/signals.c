/*
 * signals.c - handlers, masks and signal stacks as the program sees them.
 *
 * In the kernel every signal that the program handles has one handler, ours
 * (deliver.c), on the stack in the thread's block, with every other signal
 * blocked.  Three signals are the agent's own and never blocked: SIGSYS brings
 * the system calls, SIGBUS and SIGSEGV the faults.  What the program says about
 * handlers, about these three in a mask, and about its signal stack, is kept
 * here and answered from here.
 *
 * Actions are of the process; a child made by vfork has its own in the kernel,
 * but this memory is its parent's, so it writes none of it.
 *
 * Signal context: yes.  Lock: `lock' guards program[]; nothing that can fault
 * is done under it.
 *
 *   S1  The kernel's handler of a signal is ours, exactly if program[] has the
 *       function to call (or had it until a moment ago), the three apart.
 *   S2  The mask in the kernel has none of the three.
 */
#include "agent.h"
#include "buffers.h"
#include <errno.h>
#include <string.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
#define SIGNALS 64
#define RESTORER 0x04000000u
#define PASSED_FLAGS ((uint64_t)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART))
#define NEVER_BLOCKED (raw_signal_bit(SIGKILL) | raw_signal_bit(SIGSTOP))

static struct raw_action program[SIGNALS + 1];
static uint32_t lock;

static void take_lock(void)
{
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
                __builtin_ia32_pause();
}

static void drop_lock(void)
{
        STORE(&lock, 0);
}

static bool is_kept(int sig)
{
        return raw_signal_bit(sig) & QUIRE_SYNC_BITS;
}

static bool is_function(uint64_t handler)
{
        return handler > 1;      /* not SIG_DFL, not SIG_IGN */
}

static uint64_t our_handler(int sig)
{
        if (sig == SIGSYS)
                return (uint64_t)(uintptr_t)quire_dispatch_signal;
        if (sig == SIGBUS || sig == SIGSEGV)
                return (uint64_t)(uintptr_t)quire_faults_signal;
        return (uint64_t)(uintptr_t)quire_deliver_signal;
}

/* The handler of faults writes the program's frames, which may lie in memory that is not
 * there: it must not block its own signal. */
static uint64_t our_flags(int sig)
{
        bool faults = sig == SIGBUS || sig == SIGSEGV;

        return SA_SIGINFO | SA_ONSTACK | RESTORER | (faults ? (uint64_t)SA_NODEFER : 0);
}

static long install(int sig, uint64_t flags, struct raw_action *old)
{
        struct raw_action ours = {
                .handler = our_handler(sig),
                .flags = (flags & PASSED_FLAGS) | our_flags(sig),
                .restorer = quire_block_restorer(),
                .mask = ~(raw_signal_bit(SIGBUS) | raw_signal_bit(SIGSEGV)),
        };

        return raw_sigaction(sig, &ours, old);
}

/* In a forked child: another thread may have had it. */
void quire_signals_forked(void)
{
        drop_lock();
}

/* The agent's own three, and whatever was given a handler before the program
 * began (the C library has one for its threads).  What they were is what the
 * program believes. */
void quire_signals_open(void)
{
        struct raw_action now;

        for (int sig = 1; sig <= SIGNALS; sig++) {
                if (raw_sigaction(sig, NULL, &now))
                        continue;
                if (!is_kept(sig) && !is_function(now.handler))
                        continue;
                program[sig] = now;
                (void)install(sig, now.flags, NULL);
        }
}

struct raw_action quire_signals_program(int sig)
{
        take_lock();
        struct raw_action act = program[sig];
        drop_lock();
        return act;
}

static long set_default(int sig)
{
        struct raw_action none = { 0 };

        return raw_sigaction(sig, &none, NULL);
}

/* SA_RESETHAND: the handler has been called once. */
void quire_signals_reset(int sig)
{
        take_lock();
        program[sig].handler = 0;
        if (!is_kept(sig))
                (void)set_default(sig);
        drop_lock();
}

/* CLONE_CLEAR_SIGHAND, in the child; its memory may be its parent's. */
void quire_signals_clear_all(bool borrowed)
{
        struct raw_action now;

        for (int sig = 1; sig <= SIGNALS; sig++) {
                if (is_kept(sig)) {
                        if (!borrowed && is_function(program[sig].handler))
                                program[sig].handler = 0;
                } else if (!raw_sigaction(sig, NULL, &now) && is_function(now.handler)) {
                        (void)set_default(sig);
                }
        }
}

/* What the program believes the action to be. */
static long present_action(int sig, struct raw_action *out)
{
        long failed = 0;

        if (!is_kept(sig))
                failed = raw_sigaction(sig, NULL, out);
        if (!failed && (is_kept(sig) || is_function(out->handler)))
                *out = quire_signals_program(sig);
        return failed;
}

static long change_action(const struct quire_thread *t, int sig, struct raw_action *new)
{
        long failed = 0;

        new->mask &= ~NEVER_BLOCKED;
        if (is_kept(sig)) {
                if (!t->borrowed) {
                        take_lock();
                        program[sig] = *new;
                        drop_lock();
                }
                return 0;
        }
        if (!is_function(new->handler)) {
                new->mask &= ~QUIRE_SYNC_BITS;
                return raw_sigaction(sig, new, NULL);
        }
        take_lock();
        if (!t->borrowed)
                program[sig] = *new;
        failed = install(sig, new->flags, NULL);
        drop_lock();
        return failed;
}

/* rt_sigaction(sig, act, oldact, size) */
enum quire_outcome quire_signals_action(struct quire_thread *t, struct quire_call *c)
{
        int sig = (int)c->args[0];
        struct raw_action old, new;
        long failed;

        if (c->args[3] != sizeof(uint64_t) || sig < 1 || sig > SIGNALS)
                return quire_answer(c, -EINVAL);
        if (c->args[1] && (sig == SIGKILL || sig == SIGSTOP))
                return quire_answer(c, -EINVAL);
        if (c->args[1] && !quire_user_get(&new, c->args[1], sizeof(new)))
                return quire_answer(c, -EFAULT);
        failed = present_action(sig, &old);
        if (!failed && c->args[1])
                failed = change_action(t, sig, &new);
        if (!failed && c->args[2] && !quire_user_put(c->args[2], &old, sizeof(old)))
                failed = -EFAULT;
        return quire_answer(c, failed);
}

/* ------------------------------------------------------------------ masks */

uint64_t quire_signals_visible(const struct quire_thread *t, const ucontext_t *uc)
{
        return *(const uint64_t *)(const void *)&uc->uc_sigmask | t->kept_blocked;
}

/* The mask that the program runs with when the handler has returned. */
void quire_signals_set_visible(struct quire_thread *t, ucontext_t *uc, uint64_t mask)
{
        mask &= ~NEVER_BLOCKED;
        *quire_signals_word(uc) = mask & ~QUIRE_SYNC_BITS;
        t->kept_blocked = mask & QUIRE_SYNC_BITS;
}

/* rt_sigprocmask(how, set, oldset, size): no system call at all, since the
 * return from our frame sets the mask anyway. */
enum quire_outcome quire_signals_mask(struct quire_thread *t, struct quire_call *c)
{
        uint64_t old = quire_signals_visible(t, c->uc);
        uint64_t set = 0, new = old;

        if (c->args[3] != sizeof(uint64_t))
                return quire_answer(c, -EINVAL);
        if (c->args[1]) {
                if (!quire_user_get(&set, c->args[1], sizeof(set)))
                        return quire_answer(c, -EFAULT);
                switch ((int)c->args[0]) {
                case SIG_BLOCK:
                        new = old | set;
                        break;
                case SIG_UNBLOCK:
                        new = old & ~set;
                        break;
                case SIG_SETMASK:
                        new = set;
                        break;
                default:
                        return quire_answer(c, -EINVAL);
                }
                quire_signals_set_visible(t, c->uc, new);
        }
        if (c->args[2] && !quire_user_put(c->args[2], &old, sizeof(old)))
                return quire_answer(c, -EFAULT);
        return quire_answer(c, 0);
}

enum quire_outcome quire_signals_pending(struct quire_thread *t, struct quire_call *c)
{
        uint64_t set = 0;
        uint64_t size = c->args[1];
        long failed = raw3(SYS_rt_sigpending, raw_address(&set), 8, 0);

        if (failed || size > sizeof(set))
                return quire_answer(c, failed ? failed : -EINVAL);
        set &= *quire_signals_word(c->uc);
        set |= t->kept_pending & t->kept_blocked;
        if (!quire_user_put(c->args[0], &set, size))
                return quire_answer(c, -EFAULT);
        return quire_answer(c, 0);
}

bool quire_signals_filter(struct quire_thread *t, struct quire_call *c, unsigned arg)
{
        uint64_t *copy, set;

        if (!c->now[arg])
                return true;
        if (!quire_user_get(&set, c->now[arg], sizeof(set)))
                return false;
        if (!(set & QUIRE_SYNC_BITS) && !quire_buffers_managed(c->now[arg], sizeof(set)))
                return true;
        copy = quire_buffers_room(t, sizeof(set));
        if (!copy)
                return false;
        *copy = set & ~QUIRE_SYNC_BITS;
        c->now[arg] = raw_address(copy);
        return true;
}

/* ---------------------------------------------------------- the signal stack */

bool quire_signals_on_stack(const struct quire_thread *t, uint64_t sp)
{
        uint64_t first = raw_address(t->altstack.ss_sp);

        if ((unsigned)t->altstack.ss_flags & SS_AUTODISARM)
                return false;
        return sp > first && sp - first <= t->altstack.ss_size;
}

/* Set it, as sigaltstack() and a return from a handler do.  => sp: where the
 * program's stack pointer is. */
int quire_signals_set_stack(struct quire_thread *t, const stack_t *new, uint64_t sp)
{
        unsigned mode = (unsigned)new->ss_flags & ~SS_AUTODISARM;

        if (quire_signals_on_stack(t, sp))
                return -EPERM;
        if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
                return -EINVAL;
        if (mode != SS_DISABLE && new->ss_size < 2048)
                return -ENOMEM;
        t->altstack = *new;
        if (mode == SS_DISABLE) {
                t->altstack.ss_size = 0;
                t->altstack.ss_sp = NULL;
        }
        return 0;
}

/* What a frame, or sigaltstack(), says that it is. */
stack_t quire_signals_stack(const struct quire_thread *t, uint64_t sp)
{
        stack_t stack = t->altstack;
        unsigned mode = (unsigned)stack.ss_flags & SS_AUTODISARM;

        if (!stack.ss_size)
                mode |= SS_DISABLE;
        else if (quire_signals_on_stack(t, sp))
                mode |= SS_ONSTACK;
        stack.ss_flags = (int)mode;
        return stack;
}

enum quire_outcome quire_signals_altstack(struct quire_thread *t, struct quire_call *c)
{
        uint64_t sp = (uint64_t)c->uc->uc_mcontext.gregs[REG_RSP];
        stack_t old = quire_signals_stack(t, sp), new;
        int failed = 0;

        if (c->args[0]) {
                if (!quire_user_get(&new, c->args[0], sizeof(new)))
                        return quire_answer(c, -EFAULT);
                failed = quire_signals_set_stack(t, &new, sp);
        }
        if (!failed && c->args[1] && !quire_user_put(c->args[1], &old, sizeof(old)))
                failed = -EFAULT;
        return quire_answer(c, failed);
}
