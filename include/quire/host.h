/*
 * host.h - what the core asks of its lodging: memory for its own records, one
 * lock, the time, pagefiles, and a place to say things.
 *
 * It is apart from machine.h so that page tables can be tested inside a
 * process, and a process can lodge inside a kernel.
 *
 *   H1  alloc and free are called with the lock held, also from a fault: they
 *       never wait and never enter the core.
 *   H2  io_read, io_start, io_poll and pause are called with the lock not held.
 *   H3  The lock is not recursive, and holding it keeps the thread from running
 *       code that could fault into the core (in a process: signals are blocked).
 */
#ifndef QUIRE_HOST_H
#define QUIRE_HOST_H
#include "types.h"

struct quire_host;

/* The most pages that one transfer moves. */
#define QUIRE_IO_MAX 32u

/* One transfer between memory and consecutive slots of one pagefile.  A slot
 * is one page; slot n lies at byte n << page_shift of the file. */
struct quire_io {
        unsigned file;                    /* the host's number of the pagefile */
        uint64_t slot;                    /* the first */
        unsigned count;                   /* pages, 1..QUIRE_IO_MAX */
        void *page[QUIRE_IO_MAX];         /* where each lies in memory */
        enum quire_status status;         /* set by the host when it is done:
                                           * OK, IO_ERROR, or NO_SPACE (the file
                                           * can not grow: all of it failed) */
        struct quire_io *next;            /* the host's while the transfer is under way */
        /* Null, or what may be done while the pages are on their way: io_read calls it with
         * the transfer, if it does, once, in its own caller's context. */
        void (*meanwhile)(const struct quire_io *);
        void *context;                    /* of whoever set it */
};

enum quire_event_kind {
        QUIRE_EV_ZERO = 1,    /* first touch, filled with zeroes; count: pages */
        QUIRE_EV_SOFT,        /* present but hidden, or widened */
        QUIRE_EV_TIER,        /* came back from the compressed tier; count: pages */
        QUIRE_EV_HARD,        /* came back from a pagefile; count: pages */
        QUIRE_EV_DENIED,      /* arg: enum quire_reason of quire.h */
        QUIRE_EV_EVICT,       /* left its frame */
        QUIRE_EV_WRITE,       /* written to a pagefile; count: pages, arg: file */
        QUIRE_EV_IO_ERROR,    /* arg: 0 read, 1 write */
        QUIRE_EV_BROKEN,      /* the page's contents are lost */
};

struct quire_event {
        uint64_t time;        /* clock() */
        uint64_t va;
        uint32_t kind;        /* enum quire_event_kind */
        uint32_t count;       /* pages */
        uint64_t arg;
};

struct quire_host_ops {
        /* Records: zeroed, aligned to 16 (from one page upward: to the page).
         * Null: there is no more.  free names the size that alloc was given. */
        void *(*alloc)(struct quire_host *, size_t bytes);
        void (*free)(struct quire_host *, void *, size_t bytes);

        void (*lock)(struct quire_host *);
        void (*unlock)(struct quire_host *);

        /* Nanoseconds since some fixed moment; never runs backwards. */
        uint64_t (*clock)(struct quire_host *);

        /* Let others run for a moment; simulated time passes. */
        void (*pause)(struct quire_host *);

        /* PAGEFILES: null where there are none */

        /* Read now; returns io->status. */
        enum quire_status (*io_read)(struct quire_host *, struct quire_io *);
        /* Begin to write; the pages stay as they are until io_poll hands the
         * transfer back with its status.  A host without asynchronous I/O
         * writes here, and hands it back at the next io_poll. */
        void (*io_start)(struct quire_host *, struct quire_io *);
        /* A transfer that is finished, or null.  wait: sleep until there is
         * one; null then means that none is under way. */
        struct quire_io *(*io_poll)(struct quire_host *, bool wait);

        /* OPTIONAL: null where the host does not have it */

        /* Compress one page into at most `room' bytes; 0: it does not fit.
         * expand must give back exactly one page; false: damaged input. */
        size_t (*compress)(struct quire_host *, const void *page, void *out, size_t room);
        bool (*expand)(struct quire_host *, const void *in, size_t bytes, void *page);
        /* Called with the lock held, in order. */
        void (*event)(struct quire_host *, const struct quire_event *);
        /* One line for a person, without a newline; any context. */
        void (*say)(struct quire_host *, const char *line);

        /* An invariant does not hold.  Must not return. */
        void (*stop)(struct quire_host *, const char *what, const char *file, int line);
};

#endif
