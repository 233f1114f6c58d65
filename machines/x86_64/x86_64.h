/*
 * x86_64.h - a machine of x86-64 page tables that lives inside a test.
 *
 * The translations are real page tables (table.h) in simulated physical
 * memory; accesses go through the model of a processor's TLB (tlb.h), one for
 * each of `processors'.  A simulated thread runs on the processor of its
 * number.  What the machine narrows it has to invalidate, on every processor;
 * `forget' leaves some of that out, so that tests can show that they notice.
 *
 * It lodges in a quire_sim_host, as the simulated machine does, and has its
 * claims and its referee.
 */
#ifndef QUIRE_X86_64_H
#define QUIRE_X86_64_H
#include "host.h"
#include "table.h"
#include "tlb.h"

struct quire_x86;

/* Invalidations to leave out. */
enum quire_x86_forget {
        QUIRE_X86_FORGET_PROTECT = 1,
        QUIRE_X86_FORGET_TAKE = 2,
        QUIRE_X86_FORGET_DROP = 4,        /* and release */
        QUIRE_X86_FORGET_HARVEST = 8,
        QUIRE_X86_FORGET_CLOSE = 16,      /* of a space */
        QUIRE_X86_FORGET_OTHERS = 32,     /* all, on other processors */
};

struct quire_x86_options {
        struct quire_sim_host *host;      /* of 4 KiB pages */
        uint64_t frames;                  /* that the core can have; 0: 16,384 */
        uint64_t plain;                   /* pages of delegated memory; 0: 16,384 */
        uint64_t tables;                  /* pages of tables; 0: as many as it can take, where no
                                           * frame is shown more than twice */
        unsigned processors;              /* 0: 2; at most 8 */
        bool no_plain, no_harvest;
        bool no_share;                    /* as in quire_sim_options */
        bool no_large;                    /* no 2 MiB pages in delegated ranges */
        unsigned forget;                  /* enum quire_x86_forget: a bit set */
};

/* Null: no memory, or options that make no sense. */
struct quire_x86 *quire_x86_open(const struct quire_x86_options *);
/* Stops where spaces, stores, frames or tables are left. */
void quire_x86_close(struct quire_x86 *);
const struct quire_machine_ops *quire_x86_ops(struct quire_x86 *);
struct quire_machine *quire_x86_handle(struct quire_x86 *);
struct quire_mspace *quire_x86_space(struct quire_x86 *, const void *owner);

/* Physical addresses of devices: memory that the machine does not hand out. */
#define QUIRE_X86_DEVICES QUIRE_X86_PAGE
#define QUIRE_X86_DEVICES_END QUIRE_X86_LARGE
/* The memory at one of them, or null.  Good until the machine is closed. */
void *quire_x86_physical(struct quire_x86 *, uint64_t address);

/* As quire_sim_access, by the processor of the running thread. */
QUIRE_CHECKED enum quire_status quire_x86_access(struct quire_x86 *, struct quire_mspace *,
                                                 uint64_t va, unsigned access, void *buf,
                                                 size_t n);
void quire_x86_forget(struct quire_x86 *, unsigned forget);

/* As quire_sim_attributes, from the tables. */
unsigned quire_x86_attributes(const struct quire_mspace *, uint64_t va);

/* The tables of a space, to look at. */
const struct quire_x86_table *quire_x86_table(const struct quire_mspace *);
bool quire_x86_obstacle(struct quire_mspace *, uint64_t va, uint64_t pages);
void quire_x86_obstacle_remove(struct quire_mspace *, uint64_t va, uint64_t pages);

struct quire_x86_counts {
        uint64_t faults;
        uint64_t hits, walks, invalidations;    /* of all processors */
        uint64_t large, split;                  /* 2 MiB pages made, and split */
        uint64_t tables, tables_peak;           /* pages of tables */
        uint64_t frames, frames_peak;           /* that the core has */
};
struct quire_x86_counts quire_x86_count(const struct quire_x86 *);

#endif
