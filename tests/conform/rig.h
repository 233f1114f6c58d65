/*
 * rig.h - one machine under the conformance script, without the core.
 *
 * The script (fake.c, rules_*.c, random.c) has a quire_fault() of its own, so
 * each program is the script and one machine.  A machine is seen here only
 * through machine.h, the lock and the pause of its host, and what a test needs
 * besides: accesses, threads, obstacles, failures on request.
 */
#ifndef TESTS_CONFORM_RIG_H
#define TESTS_CONFORM_RIG_H
#include "quire/host.h"
#include "quire/machine.h"

struct rig_thread;

enum rig_answer {
        RIG_OK,
        RIG_DENIED,                  /* by a verdict, or because nobody owns the address */
        RIG_STUCK,
};

/* What can be made to fail, once. */
enum rig_point { RIG_FRAME, RIG_TABLE, RIG_ENTER, RIG_TAKE, RIG_POINTS };

struct rig {
        const struct rig_kind *kind;
        const struct quire_machine_ops *ops;
        struct quire_machine *machine;
        const struct quire_host_ops *host_ops;
        struct quire_host *host;
        void *own;                   /* the rig's own */
};

struct rig_kind {
        const char *name;
        bool real_threads;
        bool wakes_pages;            /* M5 holds for a page and not for each thread: a verdict
                                      * wakes whoever waits for the page, to fault once more */
        unsigned spaces;             /* the most at a time */

        /* False: this variant does not exist here (say why on stdout). */
        bool (*open)(struct rig *, uint64_t seed);
        void (*close)(struct rig *);

        /* The calling thread makes the access. */
        enum rig_answer (*access)(struct rig *, struct quire_mspace *, uint64_t va,
                                  unsigned access, void *buf, size_t n);
        /* The calling thread adds one to the word at va, by a load and a store of
         * its own, again and again, `times' in all. */
        enum rig_answer (*count_up)(struct rig *, struct quire_mspace *, uint64_t va,
                                    unsigned times);
        /* Where a range of so many pages may be reserved (paged) or delegated;
         * spare: not where the abilities recommend it. */
        uint64_t (*room)(struct rig *, uint64_t pages, bool paged, bool spare);

        struct rig_thread *(*start)(struct rig *, void (*fn)(void *), void *argument);
        void (*join)(struct rig *, struct rig_thread *);

        /* The attributes that a page is shown with.  Null: this machine has none; else
         * access() with QUIRE_KERNEL is made in kernel mode, without it in user mode. */
        unsigned (*attributes)(struct rig *, struct quire_mspace *, uint64_t va);
        /* The memory of a device, whose physical addresses these are where the machine
         * has frame_physical.  Null: no device. */
        void *(*device)(struct rig *, uint64_t address);
        uint64_t device_first, device_end;

        /* Null: cannot.  fail: the nth call from now on (1: the next; 0: none). */
        void (*fail)(struct rig *, enum rig_point, unsigned nth);
        bool (*obstacle)(struct rig *, struct quire_mspace *, uint64_t va, uint64_t pages);
        void (*obstacle_remove)(struct rig *, struct quire_mspace *, uint64_t va,
                                uint64_t pages);
};

/* The variants of this program's machine, null-terminated. */
extern const struct rig_kind *const rig_kinds[];

#endif
