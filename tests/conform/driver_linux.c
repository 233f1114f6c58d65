/*
 * driver_linux.c - the native interface in this process, with real loads and
 * stores.
 *
 * The driver's handlers of SIGSEGV and SIGBUS are installed before the process
 * is opened, so that the machine's own chain to them; an access that ends
 * there was denied, and jumps back to where it began.
 */
#include "driver.h"
#include "quire/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct drive {
        struct drive_options options;
        struct quire_process *process;
        atomic_int why;
        struct sigaction old_segv, old_bus;
};

static _Thread_local sigjmp_buf *volatile way_out;

static void give_up_access(int sig, siginfo_t *info, void *context)
{
        (void)info;
        (void)context;
        if (way_out)
                siglongjmp(*way_out, 1);
        signal(sig, SIG_DFL);           /* not an access of ours: die of it */
}

static enum quire_verdict note_denied(void *context, struct quire_space *space, uint64_t va,
                                      unsigned access, enum quire_reason reason)
{
        struct drive *d = context;

        atomic_store(&d->why, (int)reason);
        if (!d->options.denied)
                return QUIRE_DENY;
        return d->options.denied(d->options.denied_context, space, va, access, reason);
}

static void take_signals(struct drive *d)
{
        struct sigaction action = { .sa_sigaction = give_up_access,
                                    .sa_flags = SA_SIGINFO | SA_ONSTACK };

        sigemptyset(&action.sa_mask);
        sigaction(SIGSEGV, &action, &d->old_segv);
        sigaction(SIGBUS, &action, &d->old_bus);
}

static void give_signals_back(struct drive *d)
{
        sigaction(SIGSEGV, &d->old_segv, NULL);
        sigaction(SIGBUS, &d->old_bus, NULL);
}

static enum quire_status open_linux(const struct drive_options *o, struct drive **out)
{
        const struct quire_process_options options = {
                .memory = o->budget,
                .pagefile_size = o->pagefile_bytes,
                .commit_limit = o->commit_limit || o->pagefiles ? o->commit_limit : o->budget,
                .policy = o->policy,
                .tier_percent = o->tier_percent ? o->tier_percent : 255,
                .audit = o->audit,
        };
        struct drive *d;
        enum quire_status st;

        if (o->layout || (o->page_shift && o->page_shift != 12))
                return QUIRE_UNSUPPORTED;
        d = calloc(1, sizeof *d);
        if (!d)
                return QUIRE_NO_MEMORY;
        d->options = *o;
        take_signals(d);
        st = quire_process_open(&options, &d->process);
        if (st != QUIRE_OK) {
                give_signals_back(d);
                free(d);
                return st;
        }
        quire_space_on_denied(quire_process_space(d->process), note_denied, d);
        *out = d;
        return QUIRE_OK;
}

static void close_linux(struct drive *d)
{
        quire_process_close(d->process);
        give_signals_back(d);
        free(d);
}

static struct quire_system *system_of(struct drive *d)
{
        return quire_process_system(d->process);
}

static struct quire_space *space_of(struct drive *d)
{
        return quire_process_space(d->process);
}

static enum quire_status no_space(struct drive *d, const struct quire_layout *layout,
                                  struct quire_space **out)
{
        (void)d;
        (void)layout;
        (void)out;
        return QUIRE_UNSUPPORTED;
}

static void keep_space(struct drive *d, struct quire_space *space)
{
        (void)d;
        (void)space;
}

static enum quire_status clone_space(struct drive *d, struct quire_space *from,
                                     struct quire_space **out)
{
        (void)d;
        return quire_space_clone(from, out);
}

/* Byte by byte and volatile: memcpy may touch memory in an order of its own,
 * and AddressSanitizer has an opinion about it. */
__attribute__((noinline, no_sanitize("address", "undefined")))
static void copy_bytes(volatile uint8_t *to, const volatile uint8_t *from, size_t n)
{
        for (; n && ((uintptr_t)to | (uintptr_t)from) & 7; n--)
                *to++ = *from++;
        for (; n >= 8; n -= 8, to += 8, from += 8)
                *(volatile uint64_t *)(volatile void *)to =
                        *(const volatile uint64_t *)(const volatile void *)from;
        while (n--)
                *to++ = *from++;
}

/* False: the access ended in a handler. */
static bool try_access(uint8_t *at, unsigned access, void *buf, size_t n)
{
        sigjmp_buf out;

        if (sigsetjmp(out, 1))
                return false;
        way_out = &out;
        if (access == QUIRE_W)
                copy_bytes(at, buf, n);
        else
                copy_bytes(buf, at, n);
        return true;
}

static enum drive_answer access_linux(struct drive *d, struct quire_space *space, uint64_t va,
                                      unsigned access, void *buf, size_t n,
                                      enum quire_reason *why)
{
        bool done;

        (void)space;
        atomic_store(&d->why, 0);
        done = try_access((uint8_t *)(uintptr_t)va, access, buf, n);
        way_out = NULL;
        if (why)
                *why = (enum quire_reason)atomic_load(&d->why);
        return done ? DRIVE_OK : DRIVE_DENIED;
}

static struct quire_sim_host *no_host(struct drive *d)
{
        (void)d;
        return NULL;
}

static struct quire_sim *no_sim(struct drive *d)
{
        (void)d;
        return NULL;
}

static struct quire_x86 *no_x86(struct drive *d)
{
        (void)d;
        return NULL;
}

const struct driver driver_linux = {
        .name = "linux",
        .spaces = 1,
        .open = open_linux,
        .close = close_linux,
        .system = system_of,
        .space = space_of,
        .space_open = no_space,
        .space_close = keep_space,
        .space_clone = clone_space,
        .access = access_linux,
        .host = no_host,
        .sim = no_sim,
        .x86 = no_x86,
};
