/*
 * driver.h - one interface to Quire on the simulator, on the x86-64 tables and
 * in this Linux process, so that a test of the native interface is written
 * once.
 *
 * A *drive* is one open system with its machine, its host and its spaces.  A
 * test calls quire.h on driver->system() and driver->space(), and makes its
 * accesses through driver->access(): on Linux a real load or store by the
 * calling thread, elsewhere a simulated one.
 *
 * Everything that open does is undone by close, which also referees: on the
 * simulated machines records that were not freed, frames that were not given
 * back and locks still held stop the program.
 *
 * Linux: one drive at a time; one space, which is the process; the driver owns
 * the handlers of SIGSEGV and SIGBUS while a drive is open (a denied access
 * comes back as DRIVE_DENIED in the thread that made it).
 */
#ifndef TESTS_CONFORM_DRIVER_H
#define TESTS_CONFORM_DRIVER_H
#include "quire/quire.h"

struct drive;
struct quire_sim;
struct quire_x86;
struct quire_sim_host;

struct drive_options {
        uint64_t budget;             /* bytes */
        uint64_t commit_limit;       /* bytes; 0: budget and pagefiles together */
        uint64_t pagefile_bytes;     /* of each pagefile; 0: no limit */
        unsigned pagefiles;          /* how many; Linux has one, if this is not zero */
        const char *policy;          /* null: the default */
        unsigned tier_percent;       /* 0: no compressed tier */
        unsigned page_shift;         /* simulator: 12, 14 or 16; elsewhere 12; 0: 12 */
        const struct quire_layout *layout;  /* of the first space; null: the 64-bit one */
        uint64_t seed;               /* of the simulated host's order of things */
        bool slow_io;                /* simulated: transfers finish later, out of order */
        unsigned preempt_percent;    /* simulated: how often an unlock changes threads */
        unsigned spurious_percent;   /* simulator: how often an allowed access faults first */
        bool audit;                  /* quire_config.audit */
        /* Simulated machines without an ability; all have it otherwise. */
        bool no_plain, no_harvest, no_write_protect;
        bool no_share;               /* frames as on Linux: sim.h */
        /* Called after the driver has noted the reason; null: DENY. */
        quire_denied_fn denied;
        void *denied_context;
};

enum drive_answer {
        DRIVE_OK,
        DRIVE_DENIED,                /* *why: the last reason heard; 0: none was heard */
        DRIVE_STUCK,                 /* simulated: faulted again and again without progress */
};

struct driver {
        const char *name;            /* "sim", "x86_64", "linux" */
        bool simulated;              /* deterministic, single-threaded, failures on request */
        unsigned spaces;             /* the most at a time */

        enum quire_status (*open)(const struct drive_options *, struct drive **out);
        /* Closes the spaces that are open, too. */
        void (*close)(struct drive *);

        struct quire_system *(*system)(struct drive *);
        struct quire_space *(*space)(struct drive *);          /* the first */
        /* More of them; UNSUPPORTED on Linux. */
        enum quire_status (*space_open)(struct drive *, const struct quire_layout *,
                                        struct quire_space **out);
        void (*space_close)(struct drive *, struct quire_space *);
        /* A copy of one; UNSUPPORTED on Linux. */
        enum quire_status (*space_clone)(struct drive *, struct quire_space *from,
                                         struct quire_space **out);

        /* Read n bytes at va into buf (QUIRE_R), write them from buf (QUIRE_W),
         * or fetch from va (QUIRE_X: buf as for R; UNSUPPORTED accesses do not
         * exist: Linux reads).  Any alignment, may cross pages; of a denied
         * access the pages before the denied one may have been done.  The
         * calling thread makes it. */
        enum drive_answer (*access)(struct drive *, struct quire_space *, uint64_t va,
                                    unsigned access, void *buf, size_t n,
                                    enum quire_reason *why);

        /* The simulated parts, for failures on request, simulated threads and
         * hooks; null where the driver has none. */
        struct quire_sim_host *(*host)(struct drive *);
        struct quire_sim *(*sim)(struct drive *);
        struct quire_x86 *(*x86)(struct drive *);
};

extern const struct driver driver_sim, driver_x86_64, driver_linux;
/* Those that this build has, null-terminated. */
extern const struct driver *const drivers[];

static inline enum drive_answer drive_load(const struct driver *d, struct drive *s,
                                           struct quire_space *space, uint64_t va,
                                           uint8_t *byte, enum quire_reason *why)
{
        return d->access(s, space, va, QUIRE_R, byte, 1, why);
}

static inline enum drive_answer drive_store(const struct driver *d, struct drive *s,
                                            struct quire_space *space, uint64_t va,
                                            uint8_t byte, enum quire_reason *why)
{
        return d->access(s, space, va, QUIRE_W, &byte, 1, why);
}

#endif
