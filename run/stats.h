/*
 * stats.h - what the agent and the quire command share: the names of the
 * environment variables that configure the agent, and the layout of the report
 * file that every managed process maps and writes while it runs.
 *
 * The command makes the file (QUIRE_STATS_BYTES long, sparse, mode 0600), fills
 * the header, names it in QUIRE_RUN_STATS, and reads it when the program is
 * gone.  A process claims an entry when it begins: at its exec, and a forked
 * child at its fork.  It writes to no entry but its own, so what is left after
 * a SIGKILL is what was true a moment ago.
 *
 *     offset 0                      struct quire_stats_header
 *     QUIRE_STATS_FIRST             entry 0 (struct quire_stats_entry)
 *     + QUIRE_STATS_STRIDE          entry 1
 *     ...
 *
 *   S1  state goes FREE -> LIVE -> DONE by its process; DONE -> TAKEN -> LIVE by
 *       a later process that finds no free entry and has added the old one to
 *       header.rest.  Nothing else changes an entry of another process.
 *   S2  Every field may be read while it is written; each is a word of its own.
 *   S3  Times are CLOCK_MONOTONIC nanoseconds, sizes bytes, unless said.
 */
#ifndef QUIRE_RUN_STATS_H
#define QUIRE_RUN_STATS_H
#include "quire/quire.h"

/* Sizes are decimal numbers of bytes.  Absent or empty: as the default says. */
#define QUIRE_ENV_MEMORY        "QUIRE_RUN_MEMORY"         /* needed: budget of each process */
#define QUIRE_ENV_PAGEFILE      "QUIRE_RUN_PAGEFILE"       /* folder or path; $TMPDIR, /tmp */
#define QUIRE_ENV_PAGEFILE_SIZE "QUIRE_RUN_PAGEFILE_SIZE"  /* 0: as the disk allows */
#define QUIRE_ENV_COMMIT_LIMIT  "QUIRE_RUN_COMMIT_LIMIT"   /* as in quire_process_options */
#define QUIRE_ENV_POLICY        "QUIRE_RUN_POLICY"         /* "2q" */
#define QUIRE_ENV_FAULTS        "QUIRE_RUN_FAULTS"         /* auto, inline, thread */
#define QUIRE_ENV_TIER          "QUIRE_RUN_TIER"           /* percent of memory; 255: no tier */
#define QUIRE_ENV_BUFFERED      "QUIRE_RUN_BUFFERED"       /* 1: no O_DIRECT */
#define QUIRE_ENV_AUDIT         "QUIRE_RUN_AUDIT"          /* 1 */
#define QUIRE_ENV_STATS         "QUIRE_RUN_STATS"          /* the report file; absent: none */
#define QUIRE_ENV_TRACE         "QUIRE_RUN_TRACE"          /* the trace ring's file */
/* Pid of the process that the command started.  When QUIRE_RUN_PAGEFILE names a
 * file, only that process uses it; every other one makes an unlinked file in
 * the same directory. */
#define QUIRE_ENV_LEADER        "QUIRE_RUN_LEADER"

/* How the agent ends a process that it can not go on with, having said why on
 * standard error. */
#define QUIRE_RUN_FAILED 125

#define QUIRE_STATS_MAGIC   0x54535251u              /* "QRST" */
#define QUIRE_STATS_VERSION 1u
#define QUIRE_STATS_ENTRIES 256u
#define QUIRE_STATS_FIRST   0x4000u
#define QUIRE_STATS_STRIDE  0xD0000u
#define QUIRE_STATS_BYTES   (QUIRE_STATS_FIRST + \
                             (uint64_t)QUIRE_STATS_ENTRIES * QUIRE_STATS_STRIDE)

enum quire_stats_state {
        QUIRE_STATS_FREE,
        QUIRE_STATS_LIVE,
        QUIRE_STATS_DONE,
        QUIRE_STATS_TAKEN,
};

enum quire_stats_end {
        QUIRE_END_UNKNOWN,    /* still running, or killed without a chance to say so */
        QUIRE_END_EXIT,       /* exit_group: end_value is the status */
        QUIRE_END_EXEC,       /* became another program, which has its own entry */
        QUIRE_END_SIGNAL,     /* ended itself by a signal: end_value is the signal */
        QUIRE_END_QUIRE,      /* Quire ended it: cause says why */
};

/* One measurement of where the process's anonymous memory lies. */
struct quire_stats_share {
        uint64_t time;
        uint64_t managed;       /* contents in managed pages, resident or not */
        uint64_t unmanaged;     /* other anonymous memory of the program, from smaps_rollup */
        uint64_t overhead;      /* of Quire itself, not in the budget */
};

#define QUIRE_HEAT_COLUMNS 256u
#define QUIRE_HEAT_ROWS    256u
enum quire_heat_plane {
        QUIRE_HEAT_TOUCHED,     /* first touches */
        QUIRE_HEAT_RETURNED,    /* came back, from the tier or a pagefile */
        QUIRE_HEAT_EVICTED,
        QUIRE_HEAT_PLANES
};
/* The addresses that some rows of the grid stand for. */
struct quire_heat_band {
        uint64_t first;         /* address of its first row */
        uint64_t row_bytes;     /* doubles when addresses past the last row appear */
        uint32_t row, rows;     /* where in the grid; rows 0: the band is not in use */
        uint32_t used;          /* rows of it up to the highest that was hit */
        uint32_t spare;
        char name[16];          /* "heap" (brk), "mmap" */
};
#define QUIRE_HEAT_BANDS 2u
/* Pages counted by time and address.  Column c stands for the time from
 * start + c * column_ns; column_ns doubles when the columns are used up. */
struct quire_heat {
        uint64_t start, column_ns;
        uint32_t columns_used, spare;
        struct quire_heat_band band[QUIRE_HEAT_BANDS];
        uint32_t cell[QUIRE_HEAT_PLANES][QUIRE_HEAT_ROWS][QUIRE_HEAT_COLUMNS];
};

struct quire_stats_entry {
        uint32_t state;                     /* enum quire_stats_state; atomic */
        uint32_t pid, parent_pid;
        int32_t parent_entry;               /* of the process that forked it, -1: none */
        char comm[16];
        char program[240];                  /* path of the executable, cut off */
        uint64_t start, end;                /* end 0: as end_kind UNKNOWN */
        uint32_t end_kind;                  /* enum quire_stats_end */
        int32_t end_value;
        char cause[240];                    /* of QUIRE_END_QUIRE */
        char abilities[240];                /* the mechanisms in use, separated by ", " */
        uint64_t budget;
        uint64_t updated;                   /* when the figures below were refreshed */
        struct quire_counters counters;
        uint64_t latency_all[QUIRE_BUCKETS];
        uint64_t latency_hard[QUIRE_BUCKETS];
        uint64_t mapped, mapped_peak;       /* virtual managed memory, now and at most */
        struct quire_stats_share peak;      /* where managed + unmanaged was the greatest */
        struct quire_stats_share last;
        uint64_t calls;                     /* system calls that the agent saw */
        uint64_t calls_memory;              /* answered by Quire: mmap, brk and their like */
        uint64_t calls_held;                /* with managed buffers held resident */
        uint64_t held_pages;
        uint32_t threads, threads_peak;
        uint32_t forks, spare;
        struct quire_heat heat;
};

/* Entries that had to make room, added up. */
struct quire_stats_rest {
        uint32_t processes, spare;
        uint64_t mapped_peak;               /* the greatest of one */
        uint64_t resident_peak;             /* the greatest of one */
        struct quire_counters counters;     /* events: sums; pages now: zero */
        uint64_t latency_all[QUIRE_BUCKETS];
        uint64_t latency_hard[QUIRE_BUCKETS];
};

struct quire_stats_header {
        uint32_t magic, version;
        uint32_t entries, stride;
        uint64_t first;
        uint64_t started;                   /* by the command */
        uint32_t rest_lock;                 /* atomic: 1 while rest is being added to */
        uint32_t lost;                      /* processes that found no entry at all; atomic */
        struct quire_stats_rest rest;
};

/* ------------------------------------------------------------- the trace ring */

#define QUIRE_TRACE_MAGIC   0x52545251u              /* "QRTR" */
#define QUIRE_TRACE_VERSION 1u
#define QUIRE_TRACE_FIRST   4096u                    /* where records begin in the file */

/* The command makes the file, QUIRE_TRACE_FIRST + capacity * sizeof(record)
 * bytes long, and fills the header.  Record n (from 0) lies in place n modulo
 * capacity; it is whole when its sequence is n + 1. */
struct quire_trace_header {
        uint32_t magic, version;
        uint64_t capacity;
        uint64_t next;                      /* atomic: records ever begun */
};
struct quire_trace_record {
        uint64_t sequence;                  /* atomic, written last */
        uint32_t pid, spare;
        struct quire_event event;
};

_Static_assert(sizeof(struct quire_stats_header) <= QUIRE_STATS_FIRST, "header fits");
_Static_assert(sizeof(struct quire_stats_entry) <= QUIRE_STATS_STRIDE, "entry fits");
_Static_assert(QUIRE_STATS_STRIDE % 4096 == 0 && QUIRE_STATS_FIRST % 4096 == 0, "mappable");

#endif
