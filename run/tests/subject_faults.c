/*
 * subject_faults.c - programs that handle their own faults, and those that die
 * of them.
 */
#include "subject.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static char *area;
static volatile int faults;
static sigjmp_buf out;

static void install(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
        struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

        sigaction(sig, &act, NULL);
}

/* --------------------------------------------------------------- barriers */

static void lift(int sig, siginfo_t *info, void *context)
{
        char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));

        (void)context;
        if (faults++ < 3)
                subject_say("signal %d code %d page %d", sig, info->si_code,
                            (int)((page - area) / (ptrdiff_t)PAGE));
        mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static int run_barrier(void)
{
        area = subject_map(600 * PAGE);
        install(SIGSEGV, lift, 0);
        subject_fill(area, 600 * PAGE, 1);
        mprotect(area, 600 * PAGE, PROT_READ);
        subject_say("reads %d", subject_is(area, 600 * PAGE, 1));
        subject_say("faults after reading %d", faults);
        for (size_t i = 0; i < 600; i += 3)
                area[i * PAGE] ^= 1;
        subject_say("faults after writing %d", faults);
        mprotect(area, 600 * PAGE, PROT_NONE);
        faults = 0;
        for (size_t i = 0; i < 600; i += 2)
                area[i * PAGE + 8] ^= 1;
        subject_say("faults without access %d", faults);
        return 0;
}

/* ---------------------------------------------------------------- reports */

static volatile int code, number;
static void *volatile address;
static volatile long long error_bits;

static void note(int sig, siginfo_t *info, void *context)
{
        const ucontext_t *uc = context;

        number = sig;
        code = info->si_code;
        address = info->si_addr;
        error_bits = uc->uc_mcontext.gregs[REG_ERR] & 6;
        siglongjmp(out, 1);
}

static void provoke(const char *what, volatile char *p, bool writes)
{
        number = 0;
        if (!sigsetjmp(out, 1)) {
                if (writes)
                        *p = 1;
                else
                        (void)*p;
        }
        subject_say("%s: signal %d code %d address %d error %d", what, number, code,
                    number ? address == (void *)p : -1, (int)error_bits);
}

static int run_reports(void)
{
        char name[] = "/tmp/quire-subject-XXXXXX";
        int fd = mkstemp(name);

        unlink(name);
        install(SIGSEGV, note, 0);
        install(SIGBUS, note, 0);
        area = subject_map(8 * PAGE);
        area[0] = area[PAGE] = 1;
        mprotect(area + PAGE, PAGE, PROT_READ);
        mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
        munmap(area + 3 * PAGE, PAGE);
        provoke("free to write", area, true);
        provoke("read only, read", area + PAGE + 5, false);
        provoke("read only, write", area + PAGE + 5, true);
        provoke("no access, read", area + 2 * PAGE + 7, false);
        provoke("no access, write", area + 2 * PAGE + 7, true);
        provoke("unmapped, read", area + 3 * PAGE + 9, false);
        provoke("null, write", NULL, true);
        if (ftruncate(fd, (off_t)PAGE))
                return 1;
        char *f = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        provoke("within the file", f, true);
        provoke("past the file", f + PAGE, false);
        char *top = sbrk(0);
        top = (char *)(((uintptr_t)top + PAGE - 1) & ~(PAGE - 1));
        provoke("past the break", top + 64 * PAGE, true);
        return 0;
}

/* ----------------------------------------------------------- stack overflow */

static int deeper(int n)
{
        volatile char fill[4096];

        fill[n % 4096] = (char)n;
        return n > 1000000 ? n : deeper(n + 1) + fill[n % 4096];
}

static void overflowed(int sig, siginfo_t *info, void *context)
{
        (void)context;
        subject_say("signal %d code %d", sig, info->si_code);
        siglongjmp(out, 1);
}

static int run_overflow(void)
{
        struct rlimit small = { 1 << 20, 1 << 20 };
        stack_t s = { .ss_sp = malloc(65536), .ss_size = 65536 };

        setrlimit(RLIMIT_STACK, &small);
        sigaltstack(&s, NULL);
        install(SIGSEGV, overflowed, SA_ONSTACK);
        for (volatile int i = 0; i < 3; i++)
                if (!sigsetjmp(out, 1))
                        subject_say("depth %d", deeper(0));
        subject_say("recovered");
        return 0;
}

/* ------------------------------------------- a signal stack that is not there */

static char *stack_area;
static volatile int sent;

static void note_sent(int sig)
{
        char here;

        sent = sig + 100 * (&here >= stack_area && &here < stack_area + 16 * PAGE);
}

/* The handler's frame goes to pages that were paged out, or never touched. */
static int run_cold_stack(void)
{
        struct sigaction act = { .sa_handler = note_sent, .sa_flags = SA_ONSTACK };
        stack_t s = { .ss_sp = stack_area = subject_map(16 * PAGE), .ss_size = 16 * PAGE };

        area = subject_map(4 * PAGE);
        mprotect(area + PAGE, PAGE, PROT_READ);
        mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
        sigaltstack(&s, NULL);
        install(SIGSEGV, note, SA_ONSTACK);
        provoke("no access, new stack", area + 2 * PAGE + 7, true);
        for (int i = 0; i < 2; i++) {
                subject_cold(stack_area, 16 * PAGE);
                provoke("no access", area + 2 * PAGE + 7, i);
                subject_cold(stack_area, 16 * PAGE);
                provoke("read only", area + PAGE, true);
                subject_cold(stack_area, 16 * PAGE);
                provoke("null", NULL, i);
        }
        sigaction(SIGBUS, &act, NULL);
        subject_cold(stack_area, 16 * PAGE);
        raise(SIGBUS);
        subject_say("sent %d", sent);
        return 0;
}

/* -------------------------------------------------------------------- dying */

static void in_child(const char *what, void (*f)(void))
{
        struct rlimit none = { 0, 0 };
        pid_t pid = fork();

        if (pid == 0) {
                setrlimit(RLIMIT_CORE, &none);
                f();
                _exit(0);
        }
        subject_wait(what, pid);
}

static void die_segv(void)
{
        *(volatile char *)(area + 2 * PAGE) = 1;
}

static void die_null(void)
{
        volatile uintptr_t nowhere = 8;

        *(volatile char *)nowhere = 1;
}

static void die_abort(void)
{
        abort();
}

static void die_term(void)
{
        raise(SIGTERM);
}

static void die_sys(void)
{
        raise(SIGSYS);
}

static void die_bus(void)
{
        kill(getpid(), SIGBUS);
}

static void die_ignored(void)
{
        signal(SIGSEGV, SIG_IGN);
        die_segv();
}

static void die_blocked(void)
{
        sigset_t set;

        sigfillset(&set);
        sigprocmask(SIG_SETMASK, &set, NULL);
        signal(SIGSEGV, SIG_DFL);
        die_segv();
}

static void again(int sig)
{
        (void)sig;
        die_segv();
}

static void die_twice(void)
{
        signal(SIGSEGV, again);
        die_segv();
}

/* The handler's frame can not be written at all. */
static void die_stackless(void)
{
        stack_t s = { .ss_sp = area + PAGE, .ss_size = 2 * PAGE };

        sigaltstack(&s, NULL);
        install(SIGSEGV, note, SA_ONSTACK);
        die_segv();
}

static void die_trap(void)
{
        __builtin_trap();
}

static int run_deaths(void)
{
        area = subject_map(4 * PAGE);
        mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
        in_child("segv", die_segv);
        in_child("null", die_null);
        in_child("abort", die_abort);
        in_child("term", die_term);
        in_child("sys", die_sys);
        in_child("bus", die_bus);
        in_child("ignored", die_ignored);
        in_child("blocked", die_blocked);
        in_child("twice", die_twice);
        in_child("stackless", die_stackless);
        in_child("trap", die_trap);
        return 0;
}

static int run_own_death(void)
{
        struct rlimit none = { 0, 0 };

        setrlimit(RLIMIT_CORE, &none);
        die_null();
        return 0;
}

static int run_status(void)
{
        return 57;
}

const struct subject_case subject_faults[] = {
        { "fault-barrier", run_barrier },   { "fault-reports", run_reports },
        { "fault-overflow", run_overflow }, { "fault-cold-stack", run_cold_stack },
        { "fault-deaths", run_deaths },     { "fault-own-death", run_own_death },
        { "fault-status", run_status },
        { NULL, NULL },
};
