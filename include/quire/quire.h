/*
 * quire.h - the native interface of Quire.
 *
 * A *system* is one budget of frames, its pagefiles and its commit limit.  A
 * *space* is one process's virtual addresses.  A *region* is one reservation
 * in a space.  A program that wants to manage memory of its own process opens
 * both at once with quire_process_open() of process.h.
 *
 * For every function here:
 *
 *   Units      Addresses and sizes are bytes and multiples of the page size
 *              (quire_system_page()); anything else is QUIRE_INVALID.  Faces
 *              that round do it before they call.
 *   Errors     A call that does not return QUIRE_OK changed nothing, unless its
 *              comment says otherwise.
 *   Threads    Any thread may call anything at any time, save open and close of
 *              the same system or space.  Nothing here is async-signal-safe
 *              except where it says so; touching managed memory is, always.
 *   Blocking   A call may wait for a page that is just being read or written.
 *
 * A range names pages of ONE region, unless a comment says otherwise; a range
 * that is not inside one region is QUIRE_NOT_PRESENT.
 */
#ifndef QUIRE_QUIRE_H
#define QUIRE_QUIRE_H
#include "host.h"
#include "machine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct quire_system;
struct quire_space;

/* ------------------------------------------------------------ the system */

struct quire_config {
        const struct quire_machine_ops *machine_ops;
        struct quire_machine *machine;
        const struct quire_host_ops *host_ops;
        struct quire_host *host;
        uint64_t budget;          /* bytes of frames, buffers and compressed tier: the most
                                   * that is ever resident.  At least quire_budget_least(). */
        uint64_t commit_limit;    /* bytes that may be committed; 0: budget and pagefiles */
        unsigned tier_percent;    /* of the budget that compressed pages may take at most, 0..80 */
        const char *policy;       /* "2q", "clock" or "lru"; null: "2q" */
        bool audit;               /* check the whole state at every public entry and exit (slow) */
};

/* The least budget in bytes that a system of this page size works with. */
uint64_t quire_budget_least(uint64_t page_size);

/* INVALID: a budget too small, an unknown policy; NO_MEMORY. */
QUIRE_CHECKED enum quire_status quire_system_open(const struct quire_config *,
                                                  struct quire_system **out);
/* Every space of it is closed.  Waits for transfers under way. */
void quire_system_close(struct quire_system *);

uint64_t quire_system_page(const struct quire_system *);   /* bytes a page */

/* Add a pagefile: `file' is the host's number for it (host.h), `bytes' the most
 * it may grow to (0: no limit of ours).  Pagefiles are used in the order added. */
QUIRE_CHECKED enum quire_status quire_pagefile_add(struct quire_system *, unsigned file,
                                                   uint64_t bytes);

/* Change the budget.  Shrinking evicts at once; NO_MEMORY: what is locked, what
 * is committed (where there is no commit limit of its own) or what no pagefile
 * takes does not fit, and the budget stays. */
QUIRE_CHECKED enum quire_status quire_budget_set(struct quire_system *, uint64_t bytes);

/* ------------------------------------------------- spaces and their layout */

/* What lies where in a space, as data.  Arenas ascend and do not overlap;
 * `allocate' marks those where a reservation that names no range is placed. */
struct quire_arena {
        const char *name;
        uint64_t first, bytes;
        bool allocate;
        bool refuse;             /* no reservation here, at any address */
        bool shared;             /* the same in every space (Win9x 2-3 GB) */
};
struct quire_layout {
        const char *name;
        const struct quire_arena *arenas;
        unsigned count;
};

extern const struct quire_layout quire_layout_64;        /* 64 KB .. 128 TB - 64 KB */
extern const struct quire_layout quire_layout_8t;        /* 64 KB .. 8 TB - 64 KB */
extern const struct quire_layout quire_layout_2_2;       /* 2 GB user, 2 GB system */
extern const struct quire_layout quire_layout_3gb;       /* 3 GB user, 1 GB system */
extern const struct quire_layout quire_layout_below_2g;  /* 64-bit, pointers of 31 bits */
extern const struct quire_layout quire_layout_win9x;     /* null, DOS, user, shared, system */

QUIRE_CHECKED enum quire_status quire_space_open(struct quire_system *,
                                                 const struct quire_layout *,
                                                 struct quire_space **out);
/* Releases every region.  No thread accesses the space any more. */
void quire_space_close(struct quire_space *);

/* Why an access was denied. */
enum quire_reason {
        QUIRE_WHY_FREE = 1,      /* the address belongs to no region */
        QUIRE_WHY_RESERVED,      /* reserved, not committed */
        QUIRE_WHY_PROTECTED,     /* committed, with less access */
        QUIRE_WHY_GUARD,         /* a guard mark, which is now cleared */
        QUIRE_WHY_BROKEN,        /* the page's contents were lost */
        QUIRE_WHY_IO_ERROR,      /* the page could not be read just now; it is not lost */
        QUIRE_WHY_NO_MEMORY,     /* no frame, and no storage to evict to */
};

/*
 * Hear of denied accesses, in the thread that made them (or that resolves
 * faults, and may then ask twice), in signal context where faults are signals,
 * with no lock held.
 * Returning QUIRE_RESUME tries the access again; QUIRE_DENY lets the machine
 * raise it (a process gets SIGSEGV or SIGBUS as it would without Quire).
 * May call quire_region_* on any space of the system.
 */
typedef enum quire_verdict (*quire_denied_fn)(void *context, struct quire_space *,
                                              uint64_t va, unsigned access,
                                              enum quire_reason);
void quire_space_on_denied(struct quire_space *, quire_denied_fn, void *context);

/* --------------------------------------------------------------- regions */

enum quire_region_kind {
        QUIRE_PAGED,     /* Quire resolves every first touch and may evict */
        QUIRE_PLAIN,     /* the machine's own memory: unpaged, at the machine's own cost */
        QUIRE_FOREIGN,   /* not ours: something of the machine's that is in the way (query only) */
};

enum {                                        /* request flags */
        QUIRE_TOP_DOWN = 1,                   /* the highest range that fits */
        QUIRE_EXACT = 2,                      /* at .va or not at all */
        QUIRE_WATCHED = 4,                    /* writes are noted from now on */
};

struct quire_request {
        uint64_t bytes;
        uint64_t va;                 /* with QUIRE_EXACT; otherwise ignored */
        uint64_t align;              /* 0: a page; else a power of two */
        uint64_t low, high;          /* range [low, high) to place it in; 0, 0: the layout's own */
        enum quire_region_kind kind;
        unsigned flags;
        uint64_t tag;                /* the caller's, returned by query */
};

/* Reserve a range: no storage, every access denied.  *va says where.
 * CONFLICT: not free (exact); NO_SPACE: no gap fits; NO_MEMORY; UNSUPPORTED:
 * PLAIN, or WATCHED of a plain region, where the machine can not. */
QUIRE_CHECKED enum quire_status quire_region_reserve(struct quire_space *,
                                                     const struct quire_request *,
                                                     uint64_t *va);

/* Commit: storage is promised to every page of the range, which then reads as
 * zeroes, with `access' on all of it.  Pages that were committed keep their
 * contents and take the new access.  LIMIT: over the commit limit. */
QUIRE_CHECKED enum quire_status quire_region_commit(struct quire_space *, uint64_t va,
                                                    uint64_t bytes, unsigned access);
/* Back to reserved; contents are gone, the promise is returned.  Succeeds on
 * pages that were not committed. */
QUIRE_CHECKED enum quire_status quire_region_decommit(struct quire_space *, uint64_t va,
                                                      uint64_t bytes);
/* New access (0: none) for committed pages.  *old (may be null): the access of
 * the first page.  Guard marks in the range are cleared.
 * NOT_PRESENT: a page of it is not committed. */
QUIRE_CHECKED enum quire_status quire_region_protect(struct quire_space *, uint64_t va,
                                                     uint64_t bytes, unsigned access,
                                                     unsigned *old);
/* Mark committed pages of a paged region: the next access of any kind to such
 * a page clears its mark and is denied with QUIRE_WHY_GUARD. */
QUIRE_CHECKED enum quire_status quire_region_guard(struct quire_space *, uint64_t va,
                                                   uint64_t bytes);
/* Make the contents zeroes; committed pages stay committed. */
QUIRE_CHECKED enum quire_status quire_region_discard(struct quire_space *, uint64_t va,
                                                     uint64_t bytes);
/* Free the range, which may be a part of a region (the rest becomes one or two
 * regions).  bytes 0: the whole region, and va must be its base. */
QUIRE_CHECKED enum quire_status quire_region_release(struct quire_space *, uint64_t va,
                                                     uint64_t bytes);
/* Move a whole paged region, contents and all, to another range; growing adds
 * reserved pages at the end.  CONFLICT, NO_SPACE as reserve.  *to: in, the
 * address if exact; out, where it is. */
QUIRE_CHECKED enum quire_status quire_region_move(struct quire_space *, uint64_t from,
                                                  uint64_t bytes, bool exact, uint64_t *to);
/* Cut a region in two at va, so that each part has a base of its own. */
QUIRE_CHECKED enum quire_status quire_region_split(struct quire_space *, uint64_t va);

/* Eight bits a page that Quire keeps for a face and never looks at. */
QUIRE_CHECKED enum quire_status quire_region_mark(struct quire_space *, uint64_t va,
                                                  uint64_t bytes, uint8_t mark);

struct quire_info {
        uint64_t base, bytes;          /* the region; of free addresses, the gap */
        uint64_t run_first, run_bytes; /* the longest run around va that is alike */
        bool reserved, committed, guarded, watched;
        unsigned access;
        uint8_t mark;
        enum quire_region_kind kind;
        uint64_t tag;
};
/* What lies at va (of any alignment)?  Also answers for free addresses, so
 * that a walk is: query(va), then va = run_first + run_bytes, until NOT_PRESENT
 * past the end of the layout. */
QUIRE_CHECKED enum quire_status quire_region_query(struct quire_space *, uint64_t va,
                                                   struct quire_info *out);

/* What one page is now, for faces and for people. */
enum quire_page_state {
        QUIRE_PAGE_NONE,        /* not committed, or never touched: reads as zeroes */
        QUIRE_PAGE_PRESENT,     /* in a frame */
        QUIRE_PAGE_COMING,      /* being read */
        QUIRE_PAGE_STORED,      /* in the compressed tier or a pagefile */
        QUIRE_PAGE_BROKEN,      /* its contents were lost */
};
enum { QUIRE_PAGE_LOCKED = 1, QUIRE_PAGE_DIRTY = 2, QUIRE_PAGE_WRITTEN = 4 };
/* One byte a page: the state in the low four bits, the flags in the high four.
 * PLAIN regions: NONE. */
QUIRE_CHECKED enum quire_status quire_page_map(struct quire_space *, uint64_t va,
                                               uint64_t bytes, uint8_t *out);

/* ------------------------------------------- locking, watching and advice */

/* Make committed pages resident and keep them so.  No count: one unlock undoes
 * any number of locks.  LIMIT: more than half of the frames would be locked;
 * DENIED: a page without access; pages may have become resident all the same. */
QUIRE_CHECKED enum quire_status quire_region_lock(struct quire_space *, uint64_t va,
                                                  uint64_t bytes);
/* NOT_PRESENT: a page of it was not locked (none is, afterwards). */
QUIRE_CHECKED enum quire_status quire_region_unlock(struct quire_space *, uint64_t va,
                                                    uint64_t bytes);

/*
 * Hold pages resident for somebody who cannot fault, such as a system call
 * handed a buffer; with QUIRE_W they are writable and count as written.
 * Counted: each hold wants its own quire_region_unhold().  Stops before the
 * first page that the access is not allowed to, or for which there is no
 * memory; *held: the bytes held from va on.  The range may cross regions.
 * BUSY: nothing could be held just now because too much is held already.
 */
QUIRE_CHECKED enum quire_status quire_region_hold(struct quire_space *, uint64_t va,
                                                  uint64_t bytes, unsigned access,
                                                  uint64_t *held);
void quire_region_unhold(struct quire_space *, uint64_t va, uint64_t bytes);

/* The pages of a WATCHED region written since the last reset, ascending, at most
 * *count of them into `out'; *count: how many.  With reset just those returned
 * are reset.  Marks survive protect and decommit. */
QUIRE_CHECKED enum quire_status quire_watch_get(struct quire_space *, uint64_t va,
                                                uint64_t bytes, bool reset,
                                                uint64_t *out, uint64_t *count);
QUIRE_CHECKED enum quire_status quire_watch_reset(struct quire_space *, uint64_t va,
                                                  uint64_t bytes);

enum quire_advice {
        QUIRE_NORMAL,        /* read ahead when a pattern shows */
        QUIRE_SEQUENTIAL,    /* read ahead always */
        QUIRE_RANDOM,        /* never read ahead */
        QUIRE_WILL_NEED,     /* now: bring stored pages in, as far as free frames go */
        QUIRE_WONT_NEED,     /* now: evict what is resident; contents stay */
};
/* NORMAL, SEQUENTIAL and RANDOM are of the whole region that va lies in. */
QUIRE_CHECKED enum quire_status quire_region_advise(struct quire_space *, uint64_t va,
                                                    uint64_t bytes, enum quire_advice);

/* ---------------------------------------------------------------- seeing */

/* Latency of faults in a histogram of 4 buckets an octave: bucket b holds
 * [2^(b/4) * (4 + b%4) / 4, ...) nanoseconds. */
#define QUIRE_BUCKETS 160

struct quire_counters {
        /* pages, now */
        uint64_t reserved, committed, resident, resident_peak, locked;
        uint64_t tier_pages, tier_frames;      /* compressed pages, and the frames they take */
        uint64_t file_pages, file_pages_peak;  /* pages that lie in pagefiles */
        /* events since the start */
        uint64_t faults_zero, faults_soft, faults_tier, faults_hard, denied;
        uint64_t pages_in, pages_out;          /* pagefile reads and writes, pages */
        uint64_t evicted, clean_evicted, prefetched;
        uint64_t io_errors, broken;
        uint64_t stall_ns;                     /* time that faults took, all threads */
};
/* Of a system all of them; of a space and a region those that make sense there. */
void quire_system_counters(struct quire_system *, struct quire_counters *);
void quire_space_counters(struct quire_space *, struct quire_counters *);
QUIRE_CHECKED enum quire_status quire_region_counters(struct quire_space *, uint64_t va,
                                                      struct quire_counters *);
/* Of resolved faults; hard only: those that read a pagefile. */
void quire_system_latency(struct quire_system *, bool hard, uint64_t out[QUIRE_BUCKETS]);
/* Nanoseconds below which the share (0..1000, per mille) of the histogram lies. */
uint64_t quire_latency_quantile(const uint64_t histogram[QUIRE_BUCKETS], unsigned per_mille);
unsigned quire_latency_bucket(uint64_t ns);

/*
 * Hear of every event (host.h) of a system, as it happens: with the system's
 * lock held, in the faulting thread, in signal context where faults are
 * signals.  The function must be quick and async-signal-safe and may call
 * nothing of Quire's.  Null: nobody listens.
 */
typedef void (*quire_event_fn)(void *context, const struct quire_event *);
void quire_system_on_event(struct quire_system *, quire_event_fn, void *context);

/* Check the whole state (every invariant of every noun).  Stops through the
 * host where one does not hold. */
void quire_system_audit(struct quire_system *);

/* -------------------------------------------------------- duplicating a process */

/*
 * Around fork(): freeze waits until no page is in transit and returns holding
 * the system's lock, thaw lets it go.  In the child call quire_system_forked()
 * between, when the machine is ready: pagefiles of before are only read from
 * then on (add new ones to write), holds of other threads are gone, and the
 * system's events and latencies are counted from nothing.
 * quire_pagefile_keep(true) before the fork makes the parent keep every slot
 * that the child may still read; false, when no such child is left, frees them.
 */
void quire_system_freeze(struct quire_system *);
void quire_system_forked(struct quire_system *);
void quire_system_thaw(struct quire_system *);
void quire_pagefile_keep(struct quire_system *, bool keep);

/* --------------------------------------------------------------- policies */

/* The names of the replacement policies, null-terminated. */
extern const char *const quire_policy_names[];

const char *quire_status_name(enum quire_status);
const char *quire_reason_name(enum quire_reason);

#ifdef __cplusplus
}
#endif
#endif
