/*
 * signal.c - our SIGBUS and SIGSEGV handlers in a linked program, and whoever
 * had those signals before.
 *
 * A fault that is not ours, and one that the core denies, reach the program
 * exactly as they would have without Quire: through the handler that was there
 * when we came, with its mask and flags, or as the default action at the same
 * instruction.  The kernel treats a fault differently from a signal that
 * somebody sent: it can neither be blocked nor ignored, both end the program.
 *
 * A handler that the program installs after us replaces ours; the agent of
 * `quire run` keeps that from happening and does its own chaining
 * (caller_handles_signals).
 *
 * Our handlers run on the alternate stack where there is one, since a thread
 * may well have overflowed its own; so does, then, the handler chained to.
 *
 * Lock: none.  Signal context: all of it, errno kept.
 */
#include "internal.h"
#include "sys.h"
#include <errno.h>
#include <string.h>
#include <ucontext.h>

static struct quire_linux *active;            /* [a] */
static struct sigaction previous[2];          /* of SIGBUS, SIGSEGV */

static struct sigaction *previous_of(int sig)
{
        return &previous[sig == SIGSEGV];
}

static uint64_t mask_bit(int sig)
{
        return (uint64_t)1 << (sig - 1);
}

static uint64_t mask_word(const sigset_t *set)
{
        uint64_t word;

        memcpy(&word, set, sizeof(word));
        return word;
}

/* The default action, at the interrupted instruction. */
static void end_by(int sig, const siginfo_t *info, ucontext_t *u)
{
        struct sigaction plain = { .sa_handler = SIG_DFL };
        uint64_t mask = mask_word(&u->uc_sigmask) & ~mask_bit(sig);

        (void)sigaction(sig, &plain, NULL);
        memcpy(&u->uc_sigmask, &mask, sizeof(mask));
        if (sys_call6(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), sig, sys_address(info), 0,
                      0))
                (void)sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), sig);
}

static void call_handler(const struct sigaction *act, int sig, siginfo_t *info, ucontext_t *u)
{
        uint64_t mask = mask_word(&u->uc_sigmask) | mask_word(&act->sa_mask);

        if (!(act->sa_flags & SA_NODEFER))
                mask |= mask_bit(sig);
        (void)sys_sigmask(SIG_SETMASK, &mask, NULL);
        if (act->sa_flags & SA_SIGINFO)
                act->sa_sigaction(sig, info, u);
        else
                act->sa_handler(sig);
}

/* => every signal is blocked; forced: raised by an access, not sent. */
static void chain(int sig, siginfo_t *info, ucontext_t *u, bool forced)
{
        struct sigaction act = *previous_of(sig);
        bool blocked = mask_word(&u->uc_sigmask) & mask_bit(sig);
        bool handled = act.sa_handler != SIG_DFL && act.sa_handler != SIG_IGN;

        if (forced && (blocked || act.sa_handler == SIG_IGN)) {
                end_by(sig, info, u);
        } else if (handled) {
                if ((unsigned)act.sa_flags & SA_RESETHAND)
                        previous_of(sig)->sa_handler = SIG_DFL;
                call_handler(&act, sig, info, u);
        } else if (act.sa_handler == SIG_DFL) {
                end_by(sig, info, u);
        }
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
        struct quire_linux *l = LOAD(&active);
        struct quire_signal_out out;
        enum quire_signal_result result = QUIRE_SIGNAL_NOT_OURS;
        int saved = errno;

        if (l)
                result = quire_linux_signal(l, sig, info, context, &out);
        if (result == QUIRE_SIGNAL_DENIED) {
                siginfo_t raised = *info;
                raised.si_signo = out.raise_sig;
                raised.si_code = out.raise_code;
                raised.si_addr = (void *)(uintptr_t)out.va;
                chain(out.raise_sig, &raised, context, true);
        } else if (result == QUIRE_SIGNAL_NOT_OURS) {
                chain(sig, info, context, info->si_code > 0);
        }
        errno = saved;
}

bool quire_signals_install(struct quire_linux *l)
{
        struct sigaction ours = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

        (void)sigfillset(&ours.sa_mask);
        STORE(&active, l);
        if (sigaction(SIGBUS, &ours, previous_of(SIGBUS)))
                return false;
        if (sigaction(SIGSEGV, &ours, previous_of(SIGSEGV))) {
                (void)sigaction(SIGBUS, previous_of(SIGBUS), NULL);
                return false;
        }
        return true;
}

/* Put back what was there, where it is still ours to put back. */
void quire_signals_remove(void)
{
        const int both[2] = { SIGBUS, SIGSEGV };
        struct sigaction now;

        for (int i = 0; i < 2; i++)
                if (!sigaction(both[i], NULL, &now) && now.sa_flags & SA_SIGINFO &&
                    now.sa_sigaction == on_signal)
                        (void)sigaction(both[i], previous_of(both[i]), NULL);
        STORE(&active, (struct quire_linux *)NULL);
}
