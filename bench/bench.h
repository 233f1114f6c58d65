/*
 * bench.h - what the files of the benchmark share.
 *
 * A *contender* is one way to do a job (the kernel's own, a hand-written
 * baseline, Quire's).  It runs in a child process of its own, so that its
 * memory, its mappings and its memory cgroup are clean, and waits there for
 * *orders*: one order is one round of a *contest*.  Rounds of the contenders
 * are interleaved, A B C, B C A, ..., and every number in the table is a
 * median over rounds of one and the same run.
 *
 *      main ──── contest ──── child: contender ── calls.c faults.c paging.c watch.c
 *        │          │
 *        │        table (lines, targets, JSON)
 *        ├──── programs.c (whole programs, plain and under `quire run')
 *        └──── limit.c (memory cgroups, the swap file, and taking them away)
 */
#ifndef QUIRE_BENCH_H
#define QUIRE_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
        BENCH_VALUES = 8,       /* numbers that one round yields */
        BENCH_ROUNDS = 64,      /* rounds of one contest, at most */
        BENCH_CONTENDERS = 10,  /* in one contest, at most */
        BENCH_PAGE = 4096,
};

#define MIB (UINT64_C(1) << 20)

/* What the command line says. */
struct bench {
        bool quick;
        const char *only;       /* run groups whose key is in this list; null: all */
        const char *skip;       /* but none of this one */
        const char *quire;      /* the quire command; null: rows with programs are skipped */
        const char *programs;   /* programs.py; null: the same */
        const char *json;       /* null: no such file */
        char work[256];         /* a directory of ours on a disk */
};

/* ------------------------------------------------------------ contenders */

struct seat;

struct order {
        int what;               /* which of the contender's jobs */
        int pattern;
        bool write;
        double seconds;         /* go on for so long */
        uint64_t count;         /* and do no more than so much */
};

struct answer {
        bool ok;
        bool skip;              /* not ok because this machine can not, text says why */
        double value[BENCH_VALUES];     /* nanoseconds; negative: no such value */
        double misses;          /* share of the accesses that missed; negative: unknown */
        double cpu;             /* processor time of an access, nanoseconds; negative: unknown */
        double together;        /* share of the time that the pager's thread was on the faulting
                                 * thread's CPU; negative: unknown, or there is none */
        char text[160];
};

struct contender {
        const char *name;
        /* In the child.  False: answer->text says why. */
        bool (*open)(struct seat *, struct answer *);
        void (*run)(struct seat *, const struct order *, struct answer *);
        void (*close)(struct seat *);
        const void *argument;
        bool watched;           /* in a memory cgroup, so that its peak is known */
        uint64_t limit;         /* bytes of that cgroup (--quick: a quarter); 0: no limit */
        bool needs_swap;
};

/* A contender in its child. */
struct seat {
        const struct bench *bench;
        const struct contender *who;
        void *state;
};

/* ---------------------------------------------------------------- contests */

enum aim_kind {
        AIM_NONE,
        AIM_RATIO_MOST,         /* median over the reference's median, at most */
        AIM_RATIO_LEAST,
        AIM_VALUE_MOST,         /* nanoseconds */
};

struct aim {
        enum aim_kind kind;
        double target;
        unsigned values;        /* bit set of the values that it holds for */
};

/* Contenders that sit in their children, ready for orders. */
struct contest {
        const char *group;              /* heads the table's section */
        const char *row;                /* in front of the values' names; may be null */
        const char *what[BENCH_VALUES]; /* null: not a line of the table */
        const struct contender *who;
        const struct aim *aims;         /* of each contender; null: no aims */
        unsigned count;
        unsigned reference;             /* whom ratios relate to */
        struct child *child[BENCH_CONTENDERS];
};

void quire_bench_contest_open(struct contest *, const struct bench *);
/* Everybody at once, nothing is measured. */
void quire_bench_contest_warm(struct contest *, const struct order *);
/* Interleaved rounds, and a line of the table for each value and contender. */
void quire_bench_contest_run(struct contest *, const struct order *, unsigned rounds);
/* Lines that say how much memory each contender had at its peak. */
void quire_bench_contest_peaks(struct contest *, uint64_t budget);
void quire_bench_contest_close(struct contest *);

/* ------------------------------------------------------------------- children */

struct child;

/* Its first answer says whether it is ready. */
struct child *quire_bench_child_open(const struct bench *, const struct contender *);
void quire_bench_child_order(struct child *, const struct order *);
/* Not ok when the child died or took too long; it is not there any more then. */
void quire_bench_child_await(struct child *, struct answer *);
/* Bytes that its memory cgroup held at most; 0: unknown. */
uint64_t quire_bench_child_peak(const struct child *);
void quire_bench_child_close(struct child *);

/* ------------------------------------------------------------------------ table */

enum unit { UNIT_TIME, UNIT_BYTES };
enum outcome { MEASURED, SKIPPED, FAILED };

struct line {
        const char *group;      /* lives as long as the table */
        char what[64];
        char who[48];
        enum unit unit;
        double median, low, high;
        double cpu;             /* processor time of the same, where it is known */
        double ratio;           /* 0: none */
        char against[48];
        struct aim aim;
        bool met;
        char note[160];         /* instead of numbers where `skipped' */
        enum outcome state;
};

void quire_bench_table_add(const struct line *);
/* Adds the aim's verdict and the line; `ours' and `theirs' are paired rounds. */
void quire_bench_table_compare(struct line *, const struct aim *, const double *ours,
                               const double *theirs, unsigned rounds);
/* Writes the JSON, if it is wanted, as far as the table goes. */
bool quire_bench_table_save(const struct bench *);
/* The closing lines; the number of lines that failed. */
unsigned quire_bench_table_close(const struct bench *);
double quire_bench_median(const double *, unsigned count);

/* ------------------------------------------------------------- limits, clean-up */

/* Makes the work directory, and a guard process that takes it, the cgroups and
 * the swap file away when this process is gone for whatever reason. */
bool quire_bench_limit_open(struct bench *, const char *parent);
void quire_bench_limit_close(void);
/* Null, or why there is no memory cgroup (no swap file). */
const char *quire_bench_limit_cgroup(void);
const char *quire_bench_limit_swap(const struct bench *, uint64_t bytes);
/* In a child that does not exec: let go of what keeps the guard waiting. */
void quire_bench_limit_detach(void);
/* In the child: go into a memory cgroup called `name'. */
bool quire_bench_limit_enter(const char *name, uint64_t limit);
uint64_t quire_bench_limit_peak(const char *name);
void quire_bench_limit_leave(const char *name);

/* -------------------------------------------------------------------- patterns */

enum { PATTERN_RANDOM, PATTERN_ZIPF, PATTERN_SEQUENTIAL };
enum grain { GRAIN_RANDOM, GRAIN_HALF };    /* how well a page compresses */

struct walk {
        int pattern;
        uint64_t pages;         /* a power of two */
        uint64_t seed, cursor;
        double first, last, accept;
};

void quire_bench_walk_open(struct walk *, int pattern, uint64_t pages, uint64_t seed);
void quire_bench_walk_next(struct walk *, uint32_t *out, unsigned count);
/* A permutation of 0..pages-1. */
uint32_t quire_bench_shuffled(uint32_t index, uint64_t pages);
void quire_bench_page_fill(void *page, uint64_t index, enum grain);
/* Touch each of so many pages, at most 8192: nanoseconds a page. */
double quire_bench_touch(uint8_t *base, uint64_t pages, bool shuffled, bool write);
/* The first word of a page, which never changes; the second counts writes. */
uint64_t quire_bench_page_tag(uint64_t index);

uint64_t quire_bench_clock(void);       /* nanoseconds */
double quire_bench_clock_cost(void);    /* of two calls of it, nanoseconds */

/* ------------------------------------------------------- the plain uffd pager */

struct pager;

struct pager_options {
        const char *directory;
        uint64_t pages, budget;         /* pages */
        enum grain grain;
        bool buffered;                  /* let the kernel cache the file */
};

struct pager *quire_bench_pager_open(const struct pager_options *, char *why, size_t room);
uint8_t *quire_bench_pager_base(const struct pager *);
uint64_t quire_bench_pager_misses(const struct pager *);
int quire_bench_pager_cpu(const struct pager *);        /* where its thread ran last */
void quire_bench_pager_pin(struct pager *, int cpu);
/* A file with the pages' contents, unlinked, on the disk; negative: errno. */
int quire_bench_data_file(const char *directory, uint64_t pages, enum grain, bool buffered);

/* ------------------------------------------------------------------- the groups */

void quire_bench_calls(const struct bench *);
void quire_bench_faults(const struct bench *);
void quire_bench_paging(const struct bench *);
void quire_bench_files(const struct bench *);
void quire_bench_share(const struct bench *);
void quire_bench_clone(const struct bench *);
void quire_bench_watch(const struct bench *);
void quire_bench_fitting(const struct bench *);
void quire_bench_full(const struct bench *);

#endif
