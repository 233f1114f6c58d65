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
struct quire_grant;
struct quire_object;

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
/* Every space of it is closed; grants that are still open are closed with it, and are
 * not to be used any more.  Waits for transfers under way, and for pagers that are
 * written to. */
void quire_system_close(struct quire_system *);

uint64_t quire_system_page(const struct quire_system *);   /* bytes a page */

/* Add a pagefile: `file' is the host's number for it (host.h), `bytes' the most
 * it may grow to (0: no limit of ours).  Pagefiles are used in the order added. */
QUIRE_CHECKED enum quire_status quire_pagefile_add(struct quire_system *, unsigned file,
                                                   uint64_t bytes);

/* Change the budget.  Shrinking evicts at once; NO_MEMORY: what is locked, what
 * is committed (where there is no commit limit of its own), what is charged below or
 * what no pagefile takes does not fit, and the budget stays. */
QUIRE_CHECKED enum quire_status quire_budget_set(struct quire_system *, uint64_t bytes);

/* Memory of the caller's own, such as the buffers of a pager, counts in the budget: there
 * are so many bytes (whole pages) less for frames until they are refunded.  INVALID; NO_MEMORY
 * as above. */
QUIRE_CHECKED enum quire_status quire_budget_charge(struct quire_system *, uint64_t bytes);
void quire_budget_refund(struct quire_system *, uint64_t bytes);

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
        QUIRE_WHY_REVOKED,       /* the grant that the region was mapped through was revoked */
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
        QUIRE_COPY = 8,                       /* with a grant: written pages become the region's
                                               * own; nobody else sees them */
};

struct quire_request {
        uint64_t bytes;
        uint64_t va;                 /* with QUIRE_EXACT; otherwise ignored */
        uint64_t align;              /* 0: a page; else a power of two */
        uint64_t low, high;          /* range [low, high) to place it in; 0, 0: the layout's own */
        enum quire_region_kind kind;
        unsigned flags;
        unsigned attributes;         /* QUIRE_ATTRIBUTES of types.h */
        uint64_t tag;                /* the caller's, returned by query */
        struct quire_grant *grant;   /* map its object; null: private memory */
        uint64_t offset;             /* bytes of the object at which the region begins */
        unsigned access;             /* with a grant: of all pages, which are committed */
};

/* Reserve a range: no storage, every access denied.  *va says where.
 * With a grant, map a range of its object instead: see "objects and grants".
 * CONFLICT: not free (exact); NO_SPACE: no gap fits; NO_MEMORY; UNSUPPORTED:
 * PLAIN, or WATCHED of a plain region, where the machine can not; WATCHED of a
 * mapped one.  With a grant also DENIED: access beyond its rights; LIMIT: COPY
 * over the commit limit, whatever the access; INVALID: beyond the object's end;
 * NOT_PRESENT: the grant was revoked. */
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
 * address if exact; out, where it is.  UNSUPPORTED: growing a mapped region, or where a
 * copy of the space still inherits what was there; a part of a region that was split, if
 * it is mapped or its space was copied. */
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
        unsigned attributes;
        bool mapped, copy;             /* of an object; and written pages are its own */
        bool revoked;
        uint64_t object;               /* the object's number (quire_object_describe); 0: private */
        uint64_t offset;               /* bytes of the object at .base */
        unsigned rights;               /* the most that access may be */
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
enum { QUIRE_PAGE_LOCKED = 1, QUIRE_PAGE_DIRTY = 2, QUIRE_PAGE_WRITTEN = 4,
       QUIRE_PAGE_COPIED = 8 };      /* of a copy-on-write region: the region's own page */
/* One byte a page: the state in the low four bits, the flags in the high four, as they
 * are just now; waits for no page.  PLAIN regions: NONE. */
QUIRE_CHECKED enum quire_status quire_page_map(struct quire_space *, uint64_t va,
                                               uint64_t bytes, uint8_t *out);

/* ------------------------------------------------------ objects and grants */

/*
 * An *object* is where pages come from that more than one region may show.
 * Every region of it shows the same frames: a store through one is seen through
 * all, in every space, and evicting a page takes it from all of them.
 *
 * A *grant* is a reference to an object with rights (QUIRE_R, W, X), which can
 * only narrow: what is derived from a grant never has a right that it lacks,
 * and nothing gives a right back.  Whoever opens an object gets a grant of all
 * rights.  The object lives as long as a grant or a region refers to it.
 *
 * Mapping: quire_region_reserve() with .grant.  All pages of the region are
 * committed with .access; protect may change that within the rights of the
 * grant.  With QUIRE_COPY the region is copy-on-write: it shows the object's pages
 * until they are written there; .access may then have W without the grant's
 * W.  All of its pages are charged to the region when it is mapped, whatever its
 * access, since protect may let them be written later.  Mapped regions can not be
 * decommitted or discarded in part (UNSUPPORTED); they are released and split as
 * others, and keep their object when moved.
 */
enum quire_object_kind {
        QUIRE_ANONYMOUS,     /* zeroes at first, paged to the pagefile */
        QUIRE_CALLBACK,      /* contents come from a pager: user code, a file, a device */
        QUIRE_PHYSICAL,      /* a range of the machine's physical addresses; never paged */
};

enum {                                        /* object flags */
        QUIRE_ON_TOUCH = 1,                   /* ANONYMOUS: charge each page when it is first
                                               * touched, not all of them at open; an access over
                                               * the limit is denied (NO_MEMORY) */
        QUIRE_HOSTED = 2,                     /* ANONYMOUS: the machine's own shared memory,
                                               * unpaged, which other processes may have, too */
        QUIRE_EPOCHS = 4,                     /* writes are noted: quire_object_written() */
        QUIRE_SOLE = 8,                       /* one region maps it at a time (a second one is
                                               * BUSY): costs what private memory costs */
};

/*
 * A pager supplies the pages of a CALLBACK object.
 *
 * Both functions are called with no lock held, by several threads at once; fill in
 * the thread that faulted, and so in signal context where faults are signals: it
 * must be async-signal-safe there and may touch no paged memory.  A pager that can
 * not work so answers QUIRE_BUSY and lets a thread of its own supply.
 *
 * page[i] is where page i of the range is, for the time of the call.
 */
struct quire_pager {
        /*
         * Fill all of the range, which nobody else is filling.
         *   OK        filled.
         *   BUSY      quire_pager_supply() or quire_pager_fail() will be called for
         *             every page of it, by any thread, perhaps before this returns;
         *             whoever needs a page waits for that, and page[] is not for use.
         *   IO_ERROR  not just now: the access is denied (IO_ERROR), the next one asks again.
         *   BROKEN    never: the pages are broken.
         */
        enum quire_status (*fill)(void *context, uint64_t offset, uint64_t bytes,
                                  unsigned access, void *const page[]);
        /* Write modified pages home.  Anything but OK: they stay modified, nothing is
         * lost, and they are handed over again later.  Null: modified pages have no home but
         * the pagefile.  Called by flush, when the object goes, and by the thread that needs
         * frames. */
        enum quire_status (*write)(void *context, uint64_t offset, uint64_t bytes,
                                   const void *const page[]);
        /*
         * Begin to fill all of the range, which nobody asked for yet but probably will soon,
         * and do not wait.  BUSY: page[] is the pager's until it calls quire_pager_filled()
         * for all of the range, in one piece or several, from any thread, perhaps before this
         * returns.  Anything else: not now.  Null: fill alone reads ahead.
         */
        enum quire_status (*ahead)(void *context, struct quire_object *, uint64_t offset,
                                   uint64_t bytes, void *const page[]);
        /* What was written is durable when this returns.  Null: it always is.  Called by
         * flush, after all writes of it. */
        enum quire_status (*sync)(void *context);
        /* Nothing refers to the object any more, and its modified pages were written. */
        void (*closed)(void *context);
        unsigned most;               /* pages of one call, at most; 0: QUIRE_IO_MAX */
        bool evicts;                 /* modified pages that must leave memory go home, for which
                                      * write is needed; else to the pagefile, until they are
                                      * flushed */
};

struct quire_object_request {
        uint64_t bytes;
        enum quire_object_kind kind;
        unsigned flags;
        const struct quire_pager *pager;      /* CALLBACK; outlives the object */
        void *context;                        /* the pager's */
        uint64_t physical;                    /* PHYSICAL: its first address */
        struct quire_store *store;            /* HOSTED: a store of the machine's that exists
                                               * already, which the object closes; null:
                                               * a new one */
};

/* LIMIT: over the commit limit; UNSUPPORTED: PHYSICAL or HOSTED where the
 * machine can not; NOT_PRESENT: no such physical addresses; INVALID: also a pager
 * that lacks fill, or evicts and lacks write; NO_MEMORY. */
QUIRE_CHECKED enum quire_status quire_object_open(struct quire_system *,
                                                  const struct quire_object_request *,
                                                  struct quire_grant **out);

/* A snapshot of the object's contents as they are now, as an object of its own with
 * all rights: pages are copied when they are written, here or there.  DENIED:
 * the grant lacks R; UNSUPPORTED: PHYSICAL, HOSTED. */
QUIRE_CHECKED enum quire_status quire_object_clone(struct quire_grant *,
                                                   struct quire_grant **out);

struct quire_object_info {
        uint64_t number;             /* never another object's, in this system */
        uint64_t bytes;
        enum quire_object_kind kind;
        unsigned flags, rights;      /* the object's, the grant's */
        uint64_t regions, grants;    /* that refer to it */
        uint64_t charged, resident;  /* pages */
        bool revoked, broken;        /* the grant was; the pager was declared dead */
};
void quire_object_describe(struct quire_grant *, struct quire_object_info *out);

/* Write pages of the range that were modified home (CALLBACK with a write
 * function), and wait until that is done.  Pages that are held with W are written as they
 * are, and stay modified.  DENIED: the grant lacks W.  IO_ERROR: some could not be
 * written; they stay modified (also where nothing but pages that could not be is left in
 * memory, and no room to write from).  BUSY: those that are held could not (SOLE, where
 * frames are not shared: they can be read in one place only); all others are home. */
QUIRE_CHECKED enum quire_status quire_object_flush(struct quire_grant *, uint64_t offset,
                                                   uint64_t bytes);
/* Runs of pages that are modified and not home yet, ascending, at most *count of them
 * into out (bytes and pages); *count: how many. */
QUIRE_CHECKED enum quire_status quire_object_dirty(struct quire_grant *, uint64_t offset,
                                                   uint64_t bytes, struct quire_range *out,
                                                   uint64_t *count);
/* The pages written since they were last reset, exactly, as runs (EPOCHS, else
 * INVALID).  With reset, those returned begin a new epoch: a store that is not in
 * this answer is in the next.  Pages that are held with W are written in each epoch, from
 * its beginning on.  Resumable at the end of the last run. */
QUIRE_CHECKED enum quire_status quire_object_written(struct quire_grant *, uint64_t offset,
                                                     uint64_t bytes, bool reset,
                                                     struct quire_range *out, uint64_t *count);

/*
 * The fault set: note from now on which pages of a CALLBACK object its pager is asked for, in
 * this order, as runs: at most `room' of them, and no more are noted then.  The runs
 * are the caller's memory, not paged, until it stops noting with room 0 (which makes
 * their .first bytes); *count: how many there are by then, or so far.  BUSY: somebody
 * else is noting.  LIMIT: it stopped, and there had been no room for all of them.
 */
QUIRE_CHECKED enum quire_status quire_object_record(struct quire_grant *,
                                                    struct quire_range *runs, uint64_t room,
                                                    uint64_t *count);
/* Bring pages of a CALLBACK object in before they are touched, as far as frames are free:
 * nothing is evicted.  They are shown when they are touched.  BUSY: a good many
 * are being read already, *did (bytes from offset on) says how far it came; NO_MEMORY: no
 * frames are left; IO_ERROR: its pager fails (without `ahead', this waits for it). */
QUIRE_CHECKED enum quire_status quire_object_prefetch(struct quire_grant *, uint64_t offset,
                                                      uint64_t bytes, uint64_t *did);

/* Pages of a CALLBACK object: those that somebody waits for arrive and he goes on;
 * those that nobody asked for are taken as far as frames are free; those that
 * have contents keep them.  *taken (may be null): bytes of pages that took theirs. */
QUIRE_CHECKED enum quire_status quire_pager_supply(struct quire_grant *, uint64_t offset,
                                                   uint64_t bytes, const void *contents,
                                                   uint64_t *taken);
/* IO_ERROR: whoever waits for a page of the range is denied it; BROKEN: and so is
 * everybody from now on. */
QUIRE_CHECKED enum quire_status quire_pager_fail(struct quire_grant *, uint64_t offset,
                                                 uint64_t bytes, enum quire_status);
/* The answer to ahead: OK, or whoever waits for a page of the range asks fill. */
void quire_pager_filled(struct quire_object *, uint64_t offset, uint64_t bytes,
                        enum quire_status);
/* The pager is dead: whoever waits for it is denied (IO_ERROR), and so is every
 * access to a page that is not here.  Its functions are not called any more.  Modified pages
 * stay; where it was to evict them, nothing promises room for them, and others may lack it. */
void quire_pager_died(struct quire_grant *);

/* A grant of the same object with the rights given, derived from this one.
 * DENIED: rights that this one lacks; NOT_PRESENT: it was revoked. */
QUIRE_CHECKED enum quire_status quire_grant_narrow(struct quire_grant *, unsigned rights,
                                                   struct quire_grant **out);
/* Another reference to the grant itself: each wants its own close. */
void quire_grant_hold(struct quire_grant *);
/* Closing a grant leaves those derived from it, and regions mapped through it. */
void quire_grant_close(struct quire_grant *);
/*
 * Take back what the grant gave: from now on nothing can be mapped through it or
 * a grant derived from it, and accesses to regions that were are denied
 * (QUIRE_WHY_REVOKED); when this returns, no thread holds the old right.  The regions stay
 * reserved until they are released; a copy-on-write region loses its own pages'
 * access, too.
 */
void quire_grant_revoke(struct quire_grant *);

/* Names of grants in this system, for faces that have them.  UTF-8, 1 to 255
 * bytes.  A name goes when it is removed, or with the last close of its grant.
 * CONFLICT: the name is taken; NOT_PRESENT: it is not; DENIED: rights that the named grant
 * lacks. */
QUIRE_CHECKED enum quire_status quire_name_set(struct quire_system *, const char *name,
                                               struct quire_grant *);
QUIRE_CHECKED enum quire_status quire_name_find(struct quire_system *, const char *name,
                                                unsigned rights, struct quire_grant **out);
QUIRE_CHECKED enum quire_status quire_name_remove(struct quire_system *, const char *name);

/*
 * A copy of a whole space as it is now, as fork would make it: private regions
 * and their contents are copied when they are written, mapped regions show the
 * same objects, attributes and marks are the same; locks and holds are not copied.
 * UNSUPPORTED: the machine has but one space, or a region is PLAIN; LIMIT: what
 * the copy may come to write is over the commit limit; NO_MEMORY.
 */
QUIRE_CHECKED enum quire_status quire_space_clone(struct quire_space *,
                                                  struct quire_space **out);

/* ------------------------------------------- locking, watching and advice */

/* Make committed pages resident and keep them so.  No count: one unlock undoes
 * any number of locks.  Pages of a QUIRE_COPY region become its own, as if
 * they were written: what is written to the object later is not seen there.  LIMIT:
 * more than half of the frames would be locked; DENIED: a page without access;
 * NO_MEMORY: also where pages of a CALLBACK object, which are charged to it while they
 * are locked or held, would be over the commit limit.  Pages may have become resident,
 * and the region's own, all the same.  UNSUPPORTED: pages of a PLAIN region or a HOSTED
 * object, which are never paged. */
QUIRE_CHECKED enum quire_status quire_region_lock(struct quire_space *, uint64_t va,
                                                  uint64_t bytes);
/* NOT_PRESENT: a page of it was not locked (none is, afterwards). */
QUIRE_CHECKED enum quire_status quire_region_unlock(struct quire_space *, uint64_t va,
                                                    uint64_t bytes);

/*
 * Hold pages resident for somebody who cannot fault, such as a system call
 * handed a buffer; with QUIRE_W they are writable and count as written, and as modified,
 * until all holds of them are given back, whatever is reset or flushed meanwhile.
 * Counted: each hold wants its own quire_region_unhold().  Pages of a QUIRE_COPY
 * region become its own, also by a hold for reading.  Stops before the
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
 * are reset, and of those not pages that are held with W; go on behind the last.  Marks
 * survive protect and decommit. */
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
        uint64_t evicted, clean_evicted, prefetched, copied;
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
 * the system's lock, thaw lets it go.  While it waits no other thread begins a
 * transfer, so that it ends soon; a pager's write, and whoever fills what ahead
 * was given, may touch memory meanwhile, but not flush an object.  Frozen, nothing
 * is shown of paged stores, and in views that copy, but pages that are held or locked.
 * In the child call quire_system_forked() between, when the machine is ready:
 * pagefiles of before are only read from then on (add new ones to write), holds of
 * other threads are gone, and the system's events and latencies are counted from
 * nothing.  A machine that gives the child stores of its own calls
 * quire_system_hide_views() before it does: nothing at all is shown in views then.
 * quire_pagefile_keep(true) before the fork makes the parent keep every slot
 * that the child may still read; false, when no such child is left, frees them.
 */
void quire_system_freeze(struct quire_system *);
void quire_system_hide_views(struct quire_system *);
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
