/*
 * subject_signals.c - handlers, masks, interrupted calls, signal stacks.
 */
#include "subject.h"
#include <errno.h>
#include <fenv.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count, depth, deepest;
static sigjmp_buf out;

static void install(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
        struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

        sigaction(sig, &act, NULL);
}

static const char *bits(const sigset_t *set)
{
        static char text[80];
        char *p = text;

        for (int s = 1; s <= 31; s++)
                *p++ = sigismember(set, s) ? '1' : '0';
        *p = 0;
        return text;
}

static const char *mask_now(void)
{
        sigset_t set;

        sigprocmask(SIG_BLOCK, NULL, &set);
        return bits(&set);
}

/* ------------------------------------------------------------------ handlers */

static void tell(int sig, siginfo_t *info, void *context)
{
        const ucontext_t *uc = context;

        count++;
        subject_say("handler %d code %d value %d mask %s", sig, info->si_code,
                    info->si_value.sival_int, mask_now());
        subject_say("  interrupted mask %s", bits(&uc->uc_sigmask));
}

static int run_handlers(void)
{
        union sigval value = { .sival_int = 42 };
        struct sigaction act = { .sa_sigaction = tell, .sa_flags = SA_SIGINFO }, old;

        sigaddset(&act.sa_mask, SIGUSR2);
        sigaddset(&act.sa_mask, SIGBUS);
        sigaddset(&act.sa_mask, SIGSEGV);
        sigaction(SIGUSR1, &act, NULL);
        sigqueue(getpid(), SIGUSR1, value);
        raise(SIGUSR1);
        sigaction(SIGUSR1, NULL, &old);
        subject_say("old: same handler %d flags %x mask %s", old.sa_sigaction == tell,
                    (unsigned)old.sa_flags & ~0x04000000u, bits(&old.sa_mask));
        signal(SIGUSR1, SIG_IGN);
        sigaction(SIGUSR1, NULL, &old);
        subject_say("ignored %d", old.sa_handler == SIG_IGN);
        raise(SIGUSR1);
        signal(SIGUSR1, SIG_DFL);
        sigaction(SIGUSR1, NULL, &old);
        subject_say("default %d", old.sa_handler == SIG_DFL);
        for (int s = 1; s < 32; s++)
                if (sigaction(s, NULL, &old) || old.sa_handler != SIG_DFL)
                        subject_say("signal %d is not at its default", s);
        subject_say("refused: %d %d", sigaction(SIGKILL, &act, NULL), errno);
        return 0;
}

static void nest(int sig)
{
        depth++;
        if (depth > deepest)
                deepest = depth;
        count++;
        if (depth < 5 && count < 8)
                raise(sig);
        depth--;
}

static int run_flags(void)
{
        struct sigaction act = { .sa_handler = nest, .sa_flags = SA_NODEFER }, old;

        sigaction(SIGUSR1, &act, NULL);
        raise(SIGUSR1);
        subject_say("nodefer: %d calls, %d deep", count, deepest);
        count = deepest = 0;
        act.sa_flags = 0;
        sigaction(SIGUSR1, &act, NULL);
        raise(SIGUSR1);
        subject_say("deferred: deepest %d", deepest);
        act.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
        act.sa_handler = nest;
        depth = 10;
        sigaction(SIGUSR2, &act, NULL);
        raise(SIGUSR2);
        sigaction(SIGUSR2, NULL, &old);
        subject_say("reset to default %d", old.sa_handler == SIG_DFL);
        return 0;
}

/* ----------------------------------------------------------- interrupted calls */

static void on_alarm(int sig)
{
        (void)sig;
        count++;
}

static void on_alarm_jump(int sig)
{
        (void)sig;
        siglongjmp(out, 1);
}

static void alarm_in(long microseconds)
{
        struct itimerval t = { .it_value = { microseconds / 1000000, microseconds % 1000000 } };

        setitimer(ITIMER_REAL, &t, NULL);
}

/* Again and again: the first may come before the call that it is to interrupt. */
static void alarm_every(long microseconds)
{
        struct itimerval t = { { 0, microseconds }, { 0, microseconds } };
        int kept = errno;

        setitimer(ITIMER_REAL, &t, NULL);
        errno = kept;
}

static int told[2];

static void on_alarm_tell(int sig)
{
        (void)sig;
        count++;
        if (write(told[1], "x", 1) != 1)
                _exit(4);
}

/* A byte, some alarms after the reader was ready for it. */
static pid_t write_later(int fd)
{
        char c[8];
        pid_t pid = fork();

        if (pid)
                return pid;
        for (int i = 0; i < 4; i++)
                if (read(told[0], c, 1) != 1)
                        _exit(2);
        _exit(write(fd, "x", 1) != 1);
}

static int run_interrupted(void)
{
        struct timespec long_time = { 60, 0 }, left = { 0, 0 };
        struct sigaction act = { .sa_handler = on_alarm };
        int ends[2];
        char c;

        if (pipe(ends) || pipe(told))
                return 1;
        sigaction(SIGALRM, &act, NULL);
        alarm_every(20000);
        errno = 0;
        long n = read(ends[0], &c, 1);
        alarm_every(0);
        subject_say("read %ld errno %d counted %d", n, errno, count > 0);
        alarm_every(20000);
        n = nanosleep(&long_time, &left);
        alarm_every(0);
        subject_say("sleep %ld errno %d left %d", n, errno, left.tv_sec > 0);
        struct pollfd p = { .fd = ends[0], .events = POLLIN };
        alarm_every(20000);
        n = poll(&p, 1, 60000);
        alarm_every(0);
        subject_say("poll %ld errno %d", n, errno);
        /* With SA_RESTART the read goes on, and a child feeds it later. */
        act.sa_handler = on_alarm_tell;
        act.sa_flags = SA_RESTART;
        sigaction(SIGALRM, &act, NULL);
        count = 0;
        pid_t child = write_later(ends[1]);
        alarm_every(20000);
        n = read(ends[0], &c, 1);
        alarm_every(0);
        subject_say("restarted read %ld '%c' counted %d", n, c, count >= 4);
        subject_wait("writer", child);
        return 0;
}

static int run_jumps(void)
{
        static char large[65536];
        volatile int jumps = 0;
        int ends[2];

        if (pipe(ends))
                return 1;
        signal(SIGALRM, on_alarm_jump);
        for (volatile int i = 0; i < 50; i++) {
                if (sigsetjmp(out, 1)) {
                        jumps++;
                        continue;
                }
                alarm_in(1000);
                if (read(ends[0], large, sizeof(large)))
                        break;
        }
        subject_say("jumps %d mask %s", jumps, mask_now());
        return 0;
}

static int run_masks(void)
{
        struct timespec ts = { 5, 0 }, none = { 0, 0 };
        sigset_t set, empty, pending;
        siginfo_t info;

        sigemptyset(&empty);
        signal(SIGUSR1, on_alarm);
        sigemptyset(&set);
        for (int s = SIGUSR1; s <= SIGUSR2; s++)
                sigaddset(&set, s);
        sigaddset(&set, SIGBUS);
        sigaddset(&set, SIGSYS);
        sigprocmask(SIG_SETMASK, &set, NULL);
        subject_say("mask %s", mask_now());
        raise(SIGUSR1);
        sigpending(&pending);
        subject_say("pending %s count %d", bits(&pending), count);
        int r = sigsuspend(&empty);
        subject_say("suspend %d errno %d count %d", r, errno, count);
        subject_say("mask %s", mask_now());
        raise(SIGUSR1);
        r = ppoll(NULL, 0, &ts, &empty);
        subject_say("ppoll %d errno %d count %d", r, errno, count);
        raise(SIGUSR1);
        r = pselect(0, NULL, NULL, NULL, &ts, &empty);
        subject_say("pselect %d errno %d count %d", r, errno, count);
        raise(SIGUSR1);
        struct epoll_event event;
        int e = epoll_create1(0);
        r = epoll_pwait(e, &event, 1, 5000, &empty);
        subject_say("epoll_pwait %d errno %d count %d", r, errno, count);
        raise(SIGUSR2);
        r = sigtimedwait(&set, &info, &none);
        subject_say("timedwait %d signo %d", r, info.si_signo);
        int fd = signalfd(-1, &set, SFD_NONBLOCK);
        struct signalfd_siginfo si = { 0 };
        raise(SIGUSR2);
        long n = read(fd, &si, sizeof(si));
        subject_say("signalfd %ld signo %u", n, si.ssi_signo);
        return 0;
}

static void on_segv_sent(int sig, siginfo_t *info, void *context)
{
        (void)context;
        subject_say("sent %d code %d", sig, info->si_code);
}

static int run_kept_signals(void)
{
        static const int kept[] = { SIGSEGV, SIGBUS, SIGSYS };
        sigset_t set, pending;

        for (int i = 0; i < 3; i++) {
                install(kept[i], on_segv_sent, 0);
                kill(getpid(), kept[i]);
                sigemptyset(&set);
                sigaddset(&set, kept[i]);
                sigprocmask(SIG_BLOCK, &set, NULL);
                kill(getpid(), kept[i]);
                sigpending(&pending);
                subject_say("blocked, pending %d", sigismember(&pending, kept[i]));
                sigprocmask(SIG_UNBLOCK, &set, NULL);
                signal(kept[i], SIG_IGN);
                kill(getpid(), kept[i]);
                subject_say("ignored");
                signal(kept[i], SIG_DFL);
        }
        return 0;
}

/* ----------------------------------------------------------------- stacks */

static char *stack_low;
static size_t stack_size;

static void on_stack(int sig)
{
        char here;
        stack_t now, other = { .ss_flags = SS_DISABLE };
        bool inside = &here >= stack_low && &here < stack_low + stack_size;

        sigaltstack(NULL, &now);
        int r = sigaltstack(&other, NULL);
        subject_say("handler %d inside %d flags %d set %d errno %d", sig, inside, now.ss_flags, r,
                    r ? errno : 0);
}

static int run_altstack(void)
{
        struct sigaction act = { .sa_handler = on_stack, .sa_flags = SA_ONSTACK };
        stack_t s = { .ss_size = 100 }, now;

        stack_size = 65536;
        stack_low = malloc(stack_size);
        sigaltstack(NULL, &now);
        subject_say("at first flags %d", now.ss_flags);
        s.ss_sp = stack_low;
        int r = sigaltstack(&s, NULL);
        subject_say("too small %d errno %d", r, errno);
        s.ss_size = stack_size;
        s.ss_flags = 77;
        r = sigaltstack(&s, NULL);
        subject_say("bad flags %d errno %d", r, errno);
        s.ss_flags = 0;
        r = sigaltstack(&s, NULL);
        sigaction(SIGUSR1, &act, NULL);
        act.sa_flags = 0;
        sigaction(SIGUSR2, &act, NULL);
        raise(SIGUSR1);
        raise(SIGUSR2);
        sigaltstack(NULL, &now);
        subject_say("set %d kept %d", r, now.ss_sp == (void *)stack_low);
        return 0;
}

/* ------------------------------------------------------------ state and context */

static void spoil(int sig)
{
        (void)sig;
        /* A handler begins with a clean state, and what it does is undone. */
        subject_say("rounding in handler %d", fegetround() == FE_TONEAREST);
        fesetround(FE_DOWNWARD);
        __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm7, %%xmm7" ::: "xmm0", "xmm7");
        count++;
}

static int run_state(void)
{
        double in[2] = { 1.5, -2.25 }, after[2];

        signal(SIGUSR1, spoil);
        fesetround(FE_UPWARD);
        pid_t pid = getpid();
        __asm__ volatile("movupd %1, %%xmm7\n\t"
                         "mov %2, %%edi\n\t"
                         "mov $10, %%esi\n\t"           /* SIGUSR1 */
                         "mov $62, %%eax\n\t"           /* kill */
                         "syscall\n\t"
                         "movupd %%xmm7, %0"
                         : "=m"(after)
                         : "m"(in), "m"(pid)
                         : "rax", "rcx", "r11", "rdi", "rsi", "xmm7", "memory");
        subject_say("xmm %g %g rounding up %d", after[0], after[1], fegetround() == FE_UPWARD);
        return 0;
}

/* Registers that a system call must leave alone. */
static int run_registers(void)
{
        uint64_t in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, seen[8] = { 0 };
        int bad = 0;

        for (int round = 0; round < 100; round++) {
                __asm__ volatile("mov 0(%0), %%rdi\n\tmov 8(%0), %%rsi\n\tmov 16(%0), %%rdx\n\t"
                                 "mov 24(%0), %%r10\n\tmov 32(%0), %%r8\n\tmov 40(%0), %%r9\n\t"
                                 "mov 48(%0), %%r12\n\tmov 56(%0), %%r13\n\t"
                                 "mov $39, %%eax\n\tsyscall\n\t"
                                 "mov %%rdi, 0(%1)\n\tmov %%rsi, 8(%1)\n\tmov %%rdx, 16(%1)\n\t"
                                 "mov %%r10, 24(%1)\n\tmov %%r8, 32(%1)\n\tmov %%r9, 40(%1)\n\t"
                                 "mov %%r12, 48(%1)\n\tmov %%r13, 56(%1)"
                                 :
                                 : "r"(in), "r"(seen)
                                 : "rax", "rcx", "r11", "rdi", "rsi", "rdx", "r10", "r8", "r9",
                                   "r12", "r13", "memory");
                bad += memcmp(in, seen, sizeof(in)) != 0;
        }
        subject_say("registers lost %d", bad);
        return 0;
}

static void step_over(int sig, siginfo_t *info, void *context)
{
        ucontext_t *uc = context;

        (void)sig;
        (void)info;
        uc->uc_mcontext.gregs[REG_RIP] += 2;           /* ud2 */
        uc->uc_mcontext.gregs[REG_RAX] = 77;
        sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static int run_context(void)
{
        uint64_t rax = 0;

        install(SIGILL, step_over, 0);
        __asm__ volatile("ud2" : "=a"(rax) : "a"(rax) : "memory");
        subject_say("rax %d mask %s", (int)rax, mask_now());
        return 0;
}

/* A storm of signals over calls and memory; sums tell whether anything is lost. */
static int run_storm(void)
{
        struct itimerval every = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
        struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
        size_t bytes = SUBJECT_LARGE / 2;
        char *p = subject_map(bytes);
        int ends[2], bad = 0;
        char word[64];

        if (pipe(ends))
                return 1;
        sigaction(SIGALRM, &act, NULL);
        setitimer(ITIMER_REAL, &every, NULL);
        for (uint64_t round = 0; round < 3; round++) {
                subject_fill(p, bytes, round);
                for (int i = 0; i < 2000; i++) {
                        bad += write(ends[1], p + i * 64, 64) != 64;
                        bad += read(ends[0], word, 64) != 64;
                        bad += memcmp(word, p + i * 64, 64) != 0;
                }
                bad += !subject_is(p, bytes, round);
        }
        setitimer(ITIMER_REAL, &never, NULL);
        subject_say("bad %d signals came %d", bad, count > 20);
        return 0;
}

const struct subject_case subject_signals[] = {
        { "signal-handlers", run_handlers },   { "signal-flags", run_flags },
        { "signal-interrupts", run_interrupted }, { "signal-jumps", run_jumps },
        { "signal-masks", run_masks },         { "signal-kept", run_kept_signals },
        { "signal-stack", run_altstack },      { "signal-state", run_state },
        { "signal-registers", run_registers }, { "signal-context", run_context },
        { "signal-storm", run_storm },         { NULL, NULL },
};
