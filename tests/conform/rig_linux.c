/*
 * rig_linux.c - this process under the conformance script, in variants: each
 * way to resolve faults, and each ability switched off that has a fallback.
 *
 * The rig's handlers of SIGSEGV and SIGBUS are there before the machine is
 * opened, so that it chains to them; an access that ends there was denied.
 */
#include "bare.h"
#include "rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct own {
        struct quire_linux *linux_machine;
        uint64_t paged, plain;            /* where the next range may lie */
};

struct rig_thread {
        pthread_t thread;
        void (*fn)(void *);
        void *argument;
};

static struct own only;                   /* one machine is open at a time */
static _Thread_local sigjmp_buf *volatile way_out;

static void give_up_access(int sig, siginfo_t *info, void *context)
{
        (void)info;
        (void)context;
        if (way_out)
                siglongjmp(*way_out, 1);
        signal(sig, SIG_DFL);             /* not an access of the script: die of it */
}

static void take_signals(void)
{
        struct sigaction action = { .sa_sigaction = give_up_access, .sa_flags = SA_SIGINFO };

        sigemptyset(&action.sa_mask);
        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
}

/* ------------------------------------------------------------ open and close */

static bool open_variant(struct rig *rig, enum quire_faults faults, const char *disabled)
{
        const struct quire_linux_setup setup = {
                .memory = 64u << 20, .faults = faults, .no_pagefile = true,
        };
        char problem[256] = "";
        const struct quire_abilities *can;
        enum quire_status st;

        take_signals();
        setenv("QUIRE_DISABLE", disabled, 1);
        st = quire_linux_open(&setup, &only.linux_machine, problem);
        if (st != QUIRE_OK) {
                printf("not here: %s without %s: %s\n", rig->kind->name,
                       *disabled ? disabled : "nothing", problem);
                return false;
        }
        rig->ops = &quire_linux_machine_ops;
        rig->machine = quire_linux_machine(only.linux_machine);
        rig->host_ops = &quire_linux_host_ops;
        rig->host = quire_linux_host(only.linux_machine);
        can = rig->ops->abilities(rig->machine);
        only.paged = can->paged.first;
        only.plain = can->plain.first;
        return true;
}

static void close_machine(struct rig *rig)
{
        (void)rig;
        quire_linux_close(only.linux_machine);
}

/* ------------------------------------------------------------------- accesses */

__attribute__((noinline, no_sanitize("address", "undefined", "thread")))
static void copy_bytes(volatile uint8_t *to, const volatile uint8_t *from, size_t n)
{
        while (n--)
                *to++ = *from++;
}

/* A fault orders what the script wrote before the access, what the upcall does,
 * and what the script reads after it; ThreadSanitizer knows only of the lock. */
static void order(struct rig *rig)
{
        rig->host_ops->lock(rig->host);
        rig->host_ops->unlock(rig->host);
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

static enum rig_answer make_access(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                   unsigned access, void *buf, size_t n)
{
        bool done;

        (void)space;
        order(rig);
        done = try_access((uint8_t *)(uintptr_t)va, access, buf, n);
        way_out = NULL;
        order(rig);
        return done ? RIG_OK : RIG_DENIED;
}

__attribute__((noinline, no_sanitize("address", "undefined", "thread")))
static void add_ones(volatile uint64_t *word, unsigned times)
{
        while (times--)
                *word = *word + 1;
}

static bool try_count_up(uint64_t va, unsigned times)
{
        sigjmp_buf out;

        if (sigsetjmp(out, 1))
                return false;
        way_out = &out;
        add_ones((volatile uint64_t *)(uintptr_t)va, times);
        return true;
}

static enum rig_answer count_up(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                unsigned times)
{
        bool done = try_count_up(va, times);

        (void)rig;
        (void)space;
        way_out = NULL;
        return done ? RIG_OK : RIG_DENIED;
}

/* ---------------------------------------------------- room, obstacles, threads */

static uint64_t find_gap(uint64_t pages)
{
        size_t bytes = (size_t)(pages << 12);
        void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED) {
                perror("mmap");
                abort();
        }
        munmap(p, bytes);
        return (uint64_t)(uintptr_t)p;
}

static uint64_t find_room(struct rig *rig, uint64_t pages, bool paged, bool spare)
{
        const struct quire_abilities *can = rig->ops->abilities(rig->machine);
        uint64_t *at = paged ? &only.paged : &only.plain, va = *at;

        if (spare || !(paged ? can->paged.pages : can->plain.pages))
                return find_gap(pages);
        *at += (pages + 3) << can->page_shift;
        return va;
}

static bool place_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                           uint64_t pages)
{
        void *p = mmap((void *)(uintptr_t)va, pages << 12, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        (void)rig;
        (void)space;
        return p != MAP_FAILED;
}

static void remove_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                            uint64_t pages)
{
        (void)rig;
        (void)space;
        munmap((void *)(uintptr_t)va, pages << 12);
}

static void *run_thread(void *argument)
{
        struct rig_thread *t = argument;

        t->fn(t->argument);
        return NULL;
}

static struct rig_thread *start_thread(struct rig *rig, void (*fn)(void *), void *argument)
{
        struct rig_thread *t = malloc(sizeof *t);

        (void)rig;
        *t = (struct rig_thread){ .fn = fn, .argument = argument };
        if (pthread_create(&t->thread, NULL, run_thread, t)) {
                perror("pthread_create");
                abort();
        }
        return t;
}

static void join_thread(struct rig *rig, struct rig_thread *t)
{
        (void)rig;
        pthread_join(t->thread, NULL);
        free(t);
}

#define LINUX_KIND(which, faults, disabled, ...)                                        \
        static bool open_##which(struct rig *rig, uint64_t seed)                        \
        {                                                                               \
                (void)seed;                                                             \
                return open_variant(rig, faults, disabled);                             \
        }                                                                               \
        static const struct rig_kind which = {                                          \
                .name = "linux_" #which,                                                \
                .real_threads = true,                                                   \
                .spaces = 1,                                                            \
                .open = open_##which,                                                   \
                .close = close_machine,                                                 \
                .access = make_access,                                                  \
                .count_up = count_up,                                                   \
                .room = find_room,                                                      \
                .start = start_thread,                                                  \
                .join = join_thread,                                                    \
                .obstacle = place_obstacle,                                             \
                .obstacle_remove = remove_obstacle,                                     \
                __VA_ARGS__                                                             \
        }

LINUX_KIND(in_line, QUIRE_FAULTS_INLINE, "");
LINUX_KIND(handler_thread, QUIRE_FAULTS_THREAD, "", .wakes_pages = true);
LINUX_KIND(copying, QUIRE_FAULTS_INLINE, "move");
LINUX_KIND(protecting_no_writes, QUIRE_FAULTS_INLINE, "write-protect");
LINUX_KIND(watching_nothing, QUIRE_FAULTS_INLINE, "pagemap-scan");

const struct rig_kind *const rig_kinds[] = {
        &in_line, &handler_thread, &copying, &protecting_no_writes, &watching_nothing, NULL,
};
