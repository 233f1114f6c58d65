/*
 * sim.h - the reference machine: what the words of machine.h mean, in the
 * plainest form, with a referee.
 *
 * It lodges in a quire_sim_host (host.h), which has the seed, the failures on
 * request and the simulated threads.  Where the core breaks a rule of
 * machine.h it stops (quire_sim_stop): a frame freed while it is entered,
 * something entered over what is shown, a range that is not reserved, a call
 * without the lock, and so on.  It shares frames; with no_share it has a machine's
 * limits that can not: then a frame entered twice is stopped, too, and a
 * window that is used after its frame was entered or taken is memory that was
 * freed: AddressSanitizer sees it.
 */
#ifndef QUIRE_SIM_H
#define QUIRE_SIM_H
#include "host.h"

struct quire_sim;

struct quire_sim_options {
        struct quire_sim_host *host;      /* of the same page size */
        unsigned page_shift;              /* 12, 14 or 16; 0: 12 */
        uint64_t frames;                  /* the most there are; 0: no limit */
        uint64_t va_end;                  /* 0: 2^47 */
        bool no_plain;                    /* no delegate family */
        bool no_watch;                    /* no delegate_watch */
        bool no_harvest;                  /* notes no references */
        bool no_write_protect;            /* says that it cannot; R without W still works, as
                                           * the slow fallback of such a machine would */
        bool no_execute;                  /* fetches are reads */
        bool no_share;                    /* a private frame is entered once and has no window
                                           * then, a store's in its views; drop loses contents */
        unsigned spurious_percent;        /* how often an allowed access faults first (M2) */
        struct quire_range paged, plain;  /* hints for the core */
        struct quire_range physical;      /* addresses of devices' memory; pages 0: none */
};

/* Null: no memory, or options that make no sense. */
struct quire_sim *quire_sim_open(const struct quire_sim_options *);
/* Stops where spaces, stores or frames are left. */
void quire_sim_close(struct quire_sim *);
const struct quire_machine_ops *quire_sim_ops(struct quire_sim *);
struct quire_machine *quire_sim_handle(struct quire_sim *);

/* The space that was opened for this owner, or null. */
struct quire_mspace *quire_sim_space(struct quire_sim *, const void *owner);

/*
 * The running simulated thread reads n bytes at va (QUIRE_R: into buf),
 * writes them (QUIRE_W: from buf) or fetches them (QUIRE_X: into buf); any
 * alignment; from user mode, or with QUIRE_KERNEL in access from the other one.
 * Pages before one that fails are done.
 * DENIED: a verdict.  NOT_PRESENT: nothing of the core's lies there, so nobody
 * was asked.  BUSY: it faulted again and again without progress.
 */
QUIRE_CHECKED enum quire_status quire_sim_access(struct quire_sim *, struct quire_mspace *,
                                                 uint64_t va, unsigned access, void *buf,
                                                 size_t n);
/* Would the access succeed without a fault? */
bool quire_sim_allows(struct quire_sim *, struct quire_mspace *, uint64_t va, unsigned access);

/* The QUIRE_ATTRIBUTES that the page is shown with; 0, too, where none is. */
unsigned quire_sim_attributes(struct quire_sim *, const struct quire_mspace *, uint64_t va);
/* The memory at a physical address, or null.  Good until the machine is closed. */
void *quire_sim_physical(struct quire_sim *, uint64_t address);

/* Put something that is not the core's into a space, or take it away.  False:
 * not free, or no memory. */
bool quire_sim_obstacle(struct quire_mspace *, uint64_t va, uint64_t pages);
void quire_sim_obstacle_remove(struct quire_mspace *, uint64_t va, uint64_t pages);

struct quire_sim_counts {
        uint64_t frames, frames_peak;     /* that the core has; plain memory and physical
                                           * addresses not among them */
        uint64_t faults, spurious;        /* reported; those that the machine made up */
        uint64_t enters, entered;         /* calls, pages */
        uint64_t takes, taken;
        uint64_t protects, drops;
        uint64_t reserves, delegates, harvests;
};
struct quire_sim_counts quire_sim_count(const struct quire_sim *);

#endif
