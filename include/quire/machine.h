/*
 * machine.h - what the core asks of a machine.
 *
 * The core decides which page belongs where.  A machine makes it so, and
 * reports the accesses it could not satisfy.  Nothing above this header knows
 * of page tables or file descriptors; nothing below it knows of regions,
 * objects, commit charges or pagers.
 *
 * Three nouns:
 *
 *   frame   One page of contents.  A private frame is entered at no more than
 *           one address at a time; a store frame at any number, in views of its
 *           store.  A machine that shares frames (abilities) knows no such
 *           bounds: it enters any frame anywhere.
 *   store   A row of frames that views may share.  Views are linear: page i
 *           of a view shows page (first + i) of its store.  A view that copies
 *           takes private frames, too.
 *   mspace  The machine's half of an address space.
 *
 * Seven rules, for every function:
 *
 *   M1  Addresses are bytes, page aligned.  Counts are pages and never zero.
 *   M2  Revoking is synchronous: when protect, take or drop returns, no thread
 *       holds the old right.  Granting may be lazy, so a machine may report a
 *       fault that is already resolved; the core answers it by granting again
 *       (protect) and RESUME.
 *   M3  A call that fails changes nothing.
 *   M4  A call never blocks on I/O, never enters the core, never takes a core
 *       lock.  The core serialises all calls, save frame_window (see there).
 *   M5  A thread stopped by a fault runs again only on a verdict: quire_fault()
 *       returning RESUME or DENY, or resume().  Entering a page does not wake.
 *   M6  The core's truth is never stored in the machine.  A machine may be
 *       asked to forget any translation, and is never asked what it remembers
 *       except by harvest.
 *   M7  Calls may come from a fault, that is from a signal handler or a trap:
 *       they take no lock of their own that ordinary code could hold, allocate
 *       from nothing that can wait, and touch no memory that Quire pages.
 */
#ifndef QUIRE_MACHINE_H
#define QUIRE_MACHINE_H
#include "types.h"

struct quire_machine;
struct quire_store;
struct quire_mspace;

typedef uint64_t quire_frame;                     /* compare for equality only */
#define QUIRE_NO_FRAME ((quire_frame)0)

/* The longest run that one enter or take may name. */
#define QUIRE_RUN_MAX 64u

/* With the access that enter is given, in place of W: to write there is refused by the
 * protection itself, so that writes need not be noticed.  A machine may let a page be
 * written for a moment in which no thread of the program runs. */
enum { QUIRE_REFUSES_W = 64 };

enum { QUIRE_REFERENCED = 1, QUIRE_MODIFIED = 2 };         /* harvest: a bit set */

enum quire_fill {
        QUIRE_ZEROED,     /* the frame reads as zeroes */
        QUIRE_ANY_FILL,   /* the core will write all of it through its window */
};

enum quire_verdict {
        QUIRE_RESUME,     /* the access can now succeed, or is worth trying again */
        QUIRE_DENY,       /* raise an access violation in the thread */
        QUIRE_PENDING,    /* leave it stopped; the core will call resume() */
};

/* A range of pages: `first' is a byte address here, a page index in the core. */
struct quire_range {
        uint64_t first;
        uint64_t pages;
};

/* What a machine can do, as data. */
struct quire_abilities {
        unsigned page_shift;
        bool notes_referenced;    /* harvest reports QUIRE_REFERENCED */
        bool executes;            /* QUIRE_X is enforced or at least granted */
        bool write_protects;      /* enter can cheaply show R while refusing W */
        bool shares_frames;       /* any frame may be entered at any number of addresses, in
                                   * any range; every frame has a window, shown or not */
        bool delegates_views;     /* delegate takes a view: a store can be plain memory */
        uint64_t va_end;          /* first address that no space can hold */
        struct quire_range paged; /* where paged ranges are cheapest; pages 0: anywhere */
        struct quire_range plain; /* where delegated ranges are cheapest; pages 0: anywhere */
};

/* What a range shows when it is not private memory. */
struct quire_view {
        struct quire_store *store;
        uint64_t first;           /* the store's page at the range's first */
        bool copies;              /* private frames may be entered in place of the store's */
};

struct quire_machine_ops {
        /* Fixed from open to close. */
        const struct quire_abilities *(*abilities)(struct quire_machine *);

        /* FRAMES */

        /* A private frame; or page `index' of a store, created zeroed the
         * first time it is asked for.  NO_MEMORY: the machine has no more. */
        enum quire_status (*frame_alloc)(struct quire_machine *, struct quire_store *,
                                         uint64_t index, enum quire_fill, quire_frame *out);
        /* Give a frame back.  It is entered nowhere. */
        void (*frame_free)(struct quire_machine *, quire_frame);
        /* Where the core may read the frame, and write it while no thread
         * could be writing; without its lock, too, while the window is good.
         * A private frame's is good until the frame is entered, taken or freed,
         * and a private frame that is entered has none (null).  A store's frame
         * has the same one until it is freed or its store closed, wherever
         * it is entered and taken meanwhile; and where frames are shared, so has
         * every frame. */
        void *(*frame_window)(struct quire_machine *, quire_frame);

        /* STORES */

        enum quire_status (*store_open)(struct quire_machine *, uint64_t pages,
                                        struct quire_store **out);
        /* No view remains.  Frees every frame of the store. */
        void (*store_close)(struct quire_machine *, struct quire_store *);

        /* SPACES, AND THE RANGES CLAIMED IN THEM */

        /* `owner' comes back as the first argument of quire_fault(). */
        enum quire_status (*space_open)(struct quire_machine *, void *owner,
                                        struct quire_mspace **out);
        void (*space_close)(struct quire_mspace *);
        /* From now on every access in the range is the core's to resolve.
         * With a view, the range shows its store (null: private frames).
         * Everything enter will need is allocated here, where failing is cheap,
         * or can not fail.
         * CONFLICT: something that is not the core's lies there; *obstacle says
         * where it begins and ends (at least one page of it is in the range). */
        enum quire_status (*reserve)(struct quire_mspace *, uint64_t va, uint64_t pages,
                                     const struct quire_view *, struct quire_range *obstacle);
        /* Drop the range.  Accesses in it are denied from now on, by the machine
         * or by the core when the machine asks. */
        void (*release)(struct quire_mspace *, uint64_t va, uint64_t pages);

        /* TRANSLATIONS, INSIDE A RESERVED RANGE */

        /* Show frames[i] at page i of the range, where nothing is shown.
         * access includes R, and the region's attributes (types.h), and perhaps
         * REFUSES_W; of store frames, frames[i] is the view's own page (or frames are shared), and
         * in a view that copies access has no W, here and in protect. */
        enum quire_status (*enter)(struct quire_mspace *, uint64_t va, uint64_t pages,
                                   const quire_frame *frames, unsigned access);
        /* Narrow or widen the access of what is shown; leave holes alone. */
        void (*protect)(struct quire_mspace *, uint64_t va, uint64_t pages,
                        unsigned access);
        /* Stop showing frames[i] at page i of the range, every page of which
         * is shown, and keep the contents in the frames.  NOT_PRESENT: a page
         * of the range shows nothing. */
        enum quire_status (*take)(struct quire_mspace *, uint64_t va, uint64_t pages,
                                  const quire_frame *frames);
        /* Stop showing anything in the range.  The contents of private frames
         * shown there are lost (the frames remain the core's, good for nothing but
         * frame_free); store frames keep theirs, and where frames are shared
         * all do. */
        void (*drop)(struct quire_mspace *, uint64_t va, uint64_t pages);

        /* STOPPED THREADS */

        /* Deliver the verdict that quire_fault() left PENDING: RESUME or DENY. */
        void (*resume)(struct quire_machine *, uint64_t ticket, enum quire_verdict);

        /* OPTIONAL: null, or answering UNSUPPORTED, where the machine has no such
         * ability */

        /* A range that is not reserved, as plain memory: the machine resolves
         * its first touches with zeroes and reports nothing.  delegate claims
         * it with no access; delegate_protect sets the access of pages (0: any
         * access faults; contents stay); delegate_discard makes them zeroes;
         * delegate_release gives the range back.  obstacle as in reserve.
         * With a view, first touches show the store's own pages, which the machine
         * makes as they are touched (a view that copies: until they are written
         * there); UNSUPPORTED where it can not (abilities). */
        enum quire_status (*delegate)(struct quire_mspace *, uint64_t va, uint64_t pages,
                                      const struct quire_view *, struct quire_range *obstacle);
        enum quire_status (*delegate_protect)(struct quire_mspace *, uint64_t va,
                                              uint64_t pages, unsigned access);
        void (*delegate_discard)(struct quire_mspace *, uint64_t va, uint64_t pages);
        void (*delegate_release)(struct quire_mspace *, uint64_t va, uint64_t pages);
        /* Begin to note writes in a delegated range; harvest then reports them. */
        enum quire_status (*delegate_watch)(struct quire_mspace *, uint64_t va,
                                            uint64_t pages);
        /* Read and clear what the processor noted about each page: bits[i] of
         * page i.  QUIRE_MODIFIED only in delegated, watched ranges. */
        enum quire_status (*harvest)(struct quire_mspace *, uint64_t va, uint64_t pages,
                                     uint8_t *bits);
        /* Frames of a store that frame_alloc will be asked for next, for which it has none
         * yet: a machine that makes many for less than one by one may do so now. */
        void (*frame_prepare)(struct quire_machine *, struct quire_store *, uint64_t index,
                              uint64_t pages);
        /* The frame at a physical address: memory or a device of the machine's,
         * which is neither counted nor freed (frame_free is never called for it),
         * and may be entered anywhere.  NOT_PRESENT: there is none. */
        enum quire_status (*frame_physical)(struct quire_machine *, uint64_t address,
                                            quire_frame *out);
};

/*
 * The calls a machine makes into the core.  Any thread; no locks held.
 *
 * quire_fault: an access to va could not be satisfied.  access is QUIRE_R, W
 * or X, just one of them, with QUIRE_KERNEL if it was made with the privilege
 * that regions with that attribute demand.  ticket names the stopped thread to
 * resume().  May block on I/O on behalf of the access.  A machine whose stopped
 * threads may be woken by others asks about a denied access once more, since the
 * first verdict may be older than the access that it would meet.
 */
enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket);

#endif
