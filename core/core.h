/*
 * core.h - the nouns of the core, their fields and the lock that guards them.
 *
 *   system --< space --< region >-- object --< page -- frame | slot
 *                               grant --^  |      \--< sight
 *                                          parent
 *
 * One lock, the system's (host.h), guards everything here: faults are short,
 * what is long (transfers) runs without it, and one lock can be reasoned about
 * in a signal handler.  Letters on fields: [I] fixed at creation, [s] the
 * system lock, [h] the host's while a transfer is under way.
 *
 * Addresses are page numbers, lengths are page counts; a range is (first,
 * count).  Bytes stop at the public functions, and are made again at the seam.
 *
 * Plan, then apply: functions named plan_... check and allocate; those named
 * apply_... cannot fail.
 */
#ifndef QUIRE_CORE_H
#define QUIRE_CORE_H
#include "quire/quire.h"

/* The four that a freestanding compiler may call on its own. */
void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);

#define quire_max(a, b) ((a) > (b) ? (a) : (b))
#define quire_min(a, b) ((a) < (b) ? (a) : (b))

/* Always on, cheap.  The host stops the world; sys names whose host. */
#define must(sys, cond)                                                                 \
        do {                                                                            \
                if (__builtin_expect(!(cond), 0))                                       \
                        quire_stop((sys), #cond, __FILE__, __LINE__);                   \
        } while (0)
/* The caller holds the system's lock. */
#define must_hold(sys) must((sys), (sys)->held)

struct quire_page;
struct quire_object;
struct quire_region;
struct quire_space;
struct quire_buffer;

/* ------------------------------------------------------------------ tree.c */

struct quire_node {
        struct quire_node *left, *right, *parent;
        uint64_t key;              /* [s] changes only while the order stays */
        uint32_t rank;             /* [s] heap order: a parent's is at least its children's */
        uint32_t spare;            /* the owner's */
};
struct quire_tree {
        struct quire_node *root;
        void (*update)(struct quire_node *);   /* renew a node's summary; or null */
        uint32_t seed;
};
void quire_tree_insert(struct quire_tree *, struct quire_node *);
void quire_tree_remove(struct quire_tree *, struct quire_node *);
void quire_tree_refresh(struct quire_tree *, struct quire_node *);
struct quire_node *quire_tree_floor(const struct quire_tree *, uint64_t key);
struct quire_node *quire_tree_first(const struct quire_tree *);
struct quire_node *quire_tree_last(const struct quire_tree *);
struct quire_node *quire_tree_next(const struct quire_node *);
struct quire_node *quire_tree_prev(const struct quire_node *);

/* ---------------------------------------------------------------- ranges.c */

/* What may differ from page to page of a region. */
enum {
        QUIRE_ATTR_ACCESS = 7,          /* QUIRE_R | W | X */
        QUIRE_ATTR_COMMITTED = 8,
        QUIRE_ATTR_GUARD = 16,
        QUIRE_ATTR_MARK_SHIFT = 8,
        QUIRE_ATTR_MARK = 0xff00,
};
struct quire_run {
        struct quire_node node;         /* key: first page of the run */
        uint64_t count;
        uint32_t attr;
};
struct quire_ranges {
        struct quire_tree runs;         /* empty: all pages alike */
        uint64_t first, count;
        uint32_t uniform;               /* the attributes, where the tree is empty */
};
/* Run records set aside, so that a change of attributes cannot fail. */
struct quire_spare_runs {
        struct quire_run *run[3];
        unsigned count;
};
struct quire_piece {                    /* one run, read out */
        uint64_t first, count;
        uint32_t attr;
};
void quire_ranges_open(struct quire_ranges *, uint64_t first, uint64_t count, uint32_t attr);
void quire_ranges_close(struct quire_system *, struct quire_ranges *);
enum quire_status quire_ranges_copy(struct quire_system *, const struct quire_ranges *from,
                                    struct quire_ranges *to);
struct quire_piece quire_ranges_at(const struct quire_ranges *, uint64_t page);
uint32_t quire_ranges_attr(const struct quire_ranges *, uint64_t page);
enum quire_status quire_ranges_plan(struct quire_system *, struct quire_spare_runs *);
void quire_ranges_unplan(struct quire_system *, struct quire_spare_runs *);
void quire_ranges_apply(struct quire_system *, struct quire_ranges *, uint64_t first,
                        uint64_t count, uint32_t clear, uint32_t set,
                        struct quire_spare_runs *);
void quire_ranges_cut(struct quire_system *, struct quire_ranges *low, uint64_t at,
                      struct quire_ranges *high, struct quire_spare_runs *);
enum quire_status quire_ranges_grow(struct quire_system *, struct quire_ranges *,
                                    uint64_t count, uint32_t attr);
void quire_ranges_check(struct quire_system *, const struct quire_ranges *);

/* ------------------------------------------------------- object.c, page.c */

enum quire_where {
        QUIRE_AT_NONE,             /* a record without contents: as if there were none */
        QUIRE_AT_FRAME,            /* .frame holds the contents */
        QUIRE_AT_COMING,           /* .frame is being filled from .slot or by the pager */
        QUIRE_AT_SLOT,             /* .slot holds the contents */
        QUIRE_AT_LOST,             /* broken */
        QUIRE_AT_FIXED,            /* .frame is the machine's: physical memory */
};
enum {
        QUIRE_PAGE_IS_DIRTY = 1,       /* the frame holds what no slot does */
        QUIRE_PAGE_IS_WRITTEN = 2,     /* write watch */
        QUIRE_PAGE_IS_LOCKED = 4,
        QUIRE_PAGE_IS_AHEAD = 8,       /* brought in before it was asked for */
        QUIRE_PAGE_IS_BACK = 16,       /* came back soon after it was evicted */
        QUIRE_PAGE_IS_DENSE = 32,      /* its contents do not compress */
        QUIRE_PAGE_IS_OWED = 64,       /* its pager does not have these contents yet */
        QUIRE_PAGE_IS_FAILED = 128,    /* the pager failed; .slot.number that ask next are told */
};
enum quire_queue_id { QUIRE_Q_NONE, QUIRE_Q_IN, QUIRE_Q_HOT, QUIRE_Q_COOL, QUIRE_Q_HELD,
                      QUIRE_Q_STUCK,       /* within one reclaim: could not go just now */
                      QUIRE_Q_TIER, QUIRE_Q_LATE, QUIRE_QUEUES };

/* Where a page's contents lie when they are in no frame.  kind in the top byte. */
enum quire_slot_kind { QUIRE_SLOT_NONE, QUIRE_SLOT_FILL, QUIRE_SLOT_TIER, QUIRE_SLOT_FILE,
                       QUIRE_SLOT_HOME };
struct quire_slot {
        uint8_t kind;              /* enum quire_slot_kind */
        uint8_t file;              /* FILE: index in system.files.  Of a page that a pager was
                                    * asked for: 1, while it fills it */
        uint16_t bytes;            /* TIER: length of the compressed page.  Of a page that
                                    * a pager was asked for: see pager.c */
        uint32_t buffer;           /* FILE: 1 + write buffer that still holds it; 0: none.
                                    * TIER: 1 + buffer that is writing it out.
                                    * HOME: 1 + buffer that is taking it to the pager */
        bool copied;               /* TIER: .copy_file, .copy_number hold the contents, too */
        uint8_t copy_file;
        uint64_t copy_number;
        union {
                uint64_t fill;     /* FILL: the eight bytes that the page repeats */
                uint64_t number;   /* FILE: the slot's number */
                void *packed;      /* TIER: the compressed bytes */
        };
};

/* A place where a page is shown, besides its home: where an object is shared, and
 * where contents are inherited. */
struct quire_sight {
        struct quire_sight *next;
        struct quire_space *space;
        uint64_t va;               /* page number */
        unsigned access;
};

struct quire_page {
        struct quire_page *next, *prev;    /* [s] in the queue named by .queue */
        struct quire_object *object;       /* [s] */
        uint64_t index;                    /* [s] in the object */
        quire_frame frame;                 /* [s] FRAME, COMING */
        struct quire_slot slot;            /* [s] SLOT, COMING; FRAME: a copy, if clean */
        uint32_t evicted;                  /* [s] the eviction clock when it left its frame */
        uint16_t holds;                    /* [s] counted holds */
        uint8_t where;                     /* [s] enum quire_where */
        uint8_t flags;                     /* [s] */
        uint8_t shown;                     /* [s] access that is shown at its home; 0: hidden */
        uint8_t queue;                     /* [s] enum quire_queue_id */
        uint16_t refs;                     /* [s] policies: referenced since last seen */
        bool writes;                       /* [s] it was held by somebody who writes to it, and was
                                            * not let go since */
        struct quire_sight *sights;        /* [s] where else it is shown */
};

/* Pages of an object by index: a radix tree, 64 ways, skipping what is empty. */
struct quire_radix {
        void *root;
        unsigned height;           /* levels; 0: empty */
        uint64_t pages;            /* records in it */
};
struct quire_page *quire_radix_find(const struct quire_radix *, uint64_t index);
/* The first record at or after index; null: none. */
struct quire_page *quire_radix_next(const struct quire_radix *, uint64_t index);
enum quire_status quire_radix_insert(struct quire_system *, struct quire_radix *,
                                     struct quire_page *);
void quire_radix_remove(struct quire_system *, struct quire_radix *, uint64_t index);
/* Another record takes the place of the one with its index. */
void quire_radix_replace(struct quire_system *, struct quire_radix *, struct quire_page *);

/*
 * Where pages come from.  A private region has one of its own, which a release
 * of a part of it leaves to both remaining parts; what grants refer to may be
 * shared.  What an object does not have, its parent has; see copy.c.
 */
struct quire_object {
        struct quire_system *system;   /* [I] */
        struct quire_radix pages;      /* [s] */
        uint64_t refs;                 /* [s] regions, grants, children, and calls under way */
        uint64_t regions, grants;      /* [s] of them; grants that have handles */
        struct quire_grant *granted;   /* [s] all grants that refer to it */
        struct quire_space *home;      /* [s] the one space that maps it, or null ... */
        uint64_t base;                 /* [s] ... with page i at address base + i */
        uint64_t number;               /* [I] in the order in which they were opened */
        uint64_t count;                /* [I] pages; of a private one: no bound */
        uint8_t kind;                  /* [I] enum quire_object_kind */
        uint8_t flags;                 /* [I] as quire.h has them */
        bool dead;                     /* [s] the pager answers no more */
        struct quire_store *store;     /* [I] the machine's, or null */
        uint64_t charged, resident;    /* [s] pages */
        const struct quire_pager *pager;   /* [I] or null */
        void *context;                 /* [I] the pager's */
        uint64_t physical;             /* [I] first address of a PHYSICAL one */
        uint64_t failures;             /* [s] transfers home that failed */
        struct quire_range *noted;     /* [s] runs that the pager was asked for; or null */
        uint64_t notes, notes_room;    /* [s] how many, of how many at most */
        bool notes_full;               /* [s] there was no room for more of them */
        struct quire_object *parent;   /* [s] where contents are that are not here */
        struct quire_object *child;    /* [s] the first whose parent this is */
        struct quire_object *sibling;  /* [s] the next that has the same parent */
        struct quire_object *snapshot; /* [s] the child that gets contents before they change */
        struct quire_object *twin;     /* [s] its copy, while its space is copied */
        struct quire_object *next, *prev;   /* [s] in system.all */
};
struct quire_object *quire_object_open_private(struct quire_system *, struct quire_space *);
struct quire_object *quire_object_new(struct quire_system *, uint64_t count);
void quire_object_drop(struct quire_object *);
void quire_object_adopt(struct quire_object *parent, struct quire_object *child);
void quire_object_leave(struct quire_object *child);
bool quire_object_charge(struct quire_object *, uint64_t pages);
void quire_object_refund(struct quire_object *, uint64_t pages);
/* Does a page without a record read as zeroes? */
bool quire_object_zeroes(const struct quire_object *);
void quire_object_hide(struct quire_object *, bool all);
/* The page record at index, made if absent; null: no memory. */
struct quire_page *quire_object_page(struct quire_object *, uint64_t index);
enum quire_status quire_object_plan_release(struct quire_object *, uint64_t first,
                                            uint64_t count);
enum quire_status quire_object_plan_growth(struct quire_object *, uint64_t first,
                                           uint64_t count);
void quire_object_unplan_growth(struct quire_object *, uint64_t first, uint64_t count);
enum quire_status quire_object_plan_clear(struct quire_object *, uint64_t first,
                                          uint64_t count);
void quire_object_clear(struct quire_object *, uint64_t first, uint64_t count,
                        bool keep_marks);
bool quire_object_settled(struct quire_object *, uint64_t first, uint64_t count);
enum quire_status quire_object_carry(struct quire_object *from, uint64_t first,
                                     uint64_t count, struct quire_object *to);

/* copy.c: contents that are inherited, and pushed, pulled and merged */
struct quire_source {
        struct quire_object *object;
        struct quire_page *page;       /* its record, or null */
};
struct quire_source quire_source_of(struct quire_object *, uint64_t index);
/* Does no snapshot of the object want the contents that it has there? */
bool quire_object_free_to_change(const struct quire_object *, uint64_t index);
bool quire_object_needs(const struct quire_object *, uint64_t index);
/* Has the object contents of its own there? */
struct quire_page *quire_object_own(const struct quire_object *, uint64_t index);
void quire_copy_prune(struct quire_object *, uint64_t first, uint64_t count);
enum quire_status quire_copy_page(struct quire_page *from, struct quire_object *to);
enum quire_status quire_copy_zeroes(struct quire_object *, uint64_t index);
enum quire_status quire_copy_push(struct quire_object *, uint64_t index, struct quire_page *);
enum quire_status quire_copy_inherited(struct quire_object *, uint64_t first, uint64_t count);
enum quire_status quire_object_snapshot(struct quire_object *, struct quire_object *copy);
void quire_object_merge(struct quire_object *);

/* sight.c: where pages are shown */
bool quire_page_seen(const struct quire_page *);                /* anywhere */
unsigned quire_page_shown_at(const struct quire_page *, const struct quire_region *, uint64_t va);
enum quire_status quire_page_show(struct quire_region *, uint64_t va, struct quire_page **,
                                  unsigned count, unsigned access);
void quire_page_note_shown(struct quire_page *, const struct quire_region *, uint64_t va,
                           unsigned access);
void quire_page_hide_all(struct quire_system *, struct quire_page **, unsigned count);
void quire_page_hide_for_good(struct quire_system *, struct quire_page **, unsigned count);
void quire_page_drop(struct quire_page *);
void quire_page_unsee(struct quire_page *, const struct quire_object *through);
void quire_page_narrow(struct quire_system *, struct quire_page **, unsigned count);
void quire_page_sort(struct quire_page **, unsigned count);
enum { QUIRE_FORGET_OWN = 1,          /* not only what is inherited */
       QUIRE_FORGET_DROP = 2 };       /* the machine, too: the caller does not release it */
void quire_region_forget(struct quire_region *, uint64_t index, uint64_t count, unsigned how);
void quire_sights_check(struct quire_system *, const struct quire_page *);

/* page.c: one page's life */
struct quire_region *quire_page_region(const struct quire_page *);    /* at its home, or null */
uint64_t quire_page_va(const struct quire_page *);     /* page number at its home; else 0 */
void quire_page_free(struct quire_page *);                      /* contents, record and all */
void quire_page_empty(struct quire_page *);                     /* contents only */
bool quire_page_wanted(const struct quire_page *);              /* held or locked */
bool quire_page_want(const struct quire_page *);                /* is charged, if need be */
void quire_page_unwant(const struct quire_page *);
bool quire_page_promised(const struct quire_page *);            /* charged for */
void quire_page_let_go(struct quire_page *);                    /* by all who want it */
bool quire_page_has(const struct quire_page *);                 /* contents (or lost them) */
void quire_page_settle(struct quire_page *, quire_frame, bool dirty, bool ahead);
bool quire_page_make_dirty(struct quire_page *);
void quire_page_unowe(struct quire_page *);
void quire_page_uncharge(const struct quire_page *);
void quire_page_check(struct quire_system *, const struct quire_page *);
unsigned quire_attr_access(uint32_t attr);
unsigned quire_page_best_access(const struct quire_region *, const struct quire_page *,
                                uint32_t attr);
enum quire_status quire_frame_get(struct quire_object *, uint64_t index, enum quire_fill,
                                  quire_frame *);
void quire_frames_prepare(struct quire_object *, uint64_t index, uint64_t count);
void quire_frame_put(struct quire_system *, quire_frame);

/* pager.c: contents from user code, and back to it */
enum quire_status quire_pager_ask(struct quire_object *, uint64_t index, unsigned *count,
                                  unsigned access);
/* What it does where no frame is free, and how far it came. */
enum quire_ahead { QUIRE_AHEAD_FREE, QUIRE_AHEAD_RECLAIM };
uint64_t quire_pager_ask_ahead(struct quire_object *, uint64_t index, uint64_t count,
                               enum quire_ahead);
bool quire_object_flush_last(struct quire_object *);
void quire_pager_abandoned(struct quire_object *);
void quire_pagers_forked(struct quire_system *);

/* home.c: buffers on their way to a pager */
void quire_pager_write(struct quire_system *, struct quire_buffer *);
bool quire_pager_offer(struct quire_system *);
bool quire_stuck_empty(struct quire_system *);

/* record.c: which pages were asked for, and asking for them again */
void quire_record_note(struct quire_object *, uint64_t index, uint64_t count);

/* grant.c */
struct quire_grant {
        struct quire_system *system;   /* [I] */
        struct quire_object *object;   /* [I] */
        struct quire_grant *parent;    /* [I] that it was derived from, or null */
        uint64_t handles;              /* [s] that are to be closed */
        uint64_t refs;                 /* [s] and regions, and grants derived from it */
        struct quire_grant *next, *prev;   /* [s] in its object's list */
        unsigned rights;               /* [I] */
        bool revoked;                  /* [s] itself */
};
void quire_grants_close(struct quire_system *);     /* every handle that is left */
struct quire_name {
        struct quire_name *next;
        struct quire_grant *grant;
        char text[256];
};
bool quire_grant_valid(const struct quire_grant *);     /* neither it nor a parent is revoked */
void quire_grant_ref(struct quire_grant *);
void quire_grant_unref(struct quire_grant *);
struct quire_grant *quire_grant_new(struct quire_object *, unsigned rights,
                                    struct quire_grant *parent);
/* The machine's store of a HOSTED object. */
struct quire_store *quire_grant_store(const struct quire_grant *);

/* --------------------------------------------------------------- region.c */

/* One run of faults that looks sequential; a region follows a few at once. */
#define QUIRE_STREAMS 4u
struct quire_stream {
        uint64_t expected;         /* object page whose fault would continue it */
        uint32_t window;           /* pages to bring in with that fault */
        uint32_t depth;            /* pages to have under way beyond it, where the pager can */
        uint64_t asked;            /* object page up to which it was asked for them */
};
#define QUIRE_MOST_AHEAD 32u
struct quire_stream *quire_stream_at(struct quire_region *, uint64_t index);
/* The fault at index brought in so many pages. */
void quire_stream_note(struct quire_region *, uint64_t index, uint64_t count);
enum quire_pattern { QUIRE_READ_NORMAL, QUIRE_READ_SEQUENTIAL, QUIRE_READ_RANDOM };

struct quire_region {
        struct quire_node node;        /* [s] key: first page */
        uint64_t count;                /* [s] pages; 0: the sentinel at the end of the space */
        uint64_t gap;                  /* [s] free pages just before it */
        uint64_t most_gap;             /* [s] largest gap in this subtree ... */
        uint64_t most_gap16;           /* [s] ... and counted from a multiple of 16 pages */
        struct quire_space *space;     /* [I] */
        struct quire_object *object;   /* [I] null: PLAIN, FOREIGN */
        uint64_t object_first;         /* [s] the object's page at the region's first */
        struct quire_ranges ranges;    /* [s] keyed by object page (PLAIN: by region page) */
        uint8_t kind;                  /* [I] enum quire_region_kind */
        bool watched;                  /* [I] */
        bool copy;                     /* [I] mapped, and what is written is its own */
        bool revoked;                  /* [s] its grant is: every access is denied */
        uint8_t rights;                /* [I] the most that its access may be */
        uint8_t attributes;            /* [I] QUIRE_ATTRIBUTES */
        struct quire_grant *grant;     /* [I] that it was mapped through, or null */
        uint8_t pattern;               /* [s] enum quire_pattern */
        uint8_t turn;                  /* [s] stream to forget next */
        struct quire_stream stream[QUIRE_STREAMS];   /* [s] */
        uint64_t tag;                  /* [I] */
        struct quire_counters counters;/* [s] */
};
struct quire_region *quire_region_of(struct quire_node *);
/* The region that holds the page, or null. */
struct quire_region *quire_region_find(const struct quire_space *, uint64_t page);
uint64_t quire_region_index(const struct quire_region *, uint64_t page);
/* Are its committed pages charged to it, not to an object that is shared? */
bool quire_region_charged(const struct quire_region *);
void quire_region_check(struct quire_system *, const struct quire_region *);

/* ---------------------------------------------------------------- space.c */

struct quire_space {
        struct quire_space *next, *prev;   /* [s] in system.spaces */
        struct quire_system *system;       /* [I] */
        struct quire_mspace *mspace;       /* [I] */
        const struct quire_layout *layout; /* [I] */
        uint64_t first, end;               /* [I] pages that regions may lie in */
        struct quire_tree regions;         /* [s] */
        struct quire_region sentinel;      /* [s] at .end */
        quire_denied_fn denied;            /* [s] */
        void *denied_context;              /* [s] */
        struct quire_counters counters;    /* [s] */
};

/* What a placement asks for, in pages. */
struct quire_place {
        uint64_t count, align, low, high;
        bool top_down;
};
bool quire_space_fit(const struct quire_space *, const struct quire_place *, uint64_t *first);
bool quire_space_free(const struct quire_space *, uint64_t first, uint64_t count);
void quire_space_insert(struct quire_space *, struct quire_region *);
void quire_space_remove(struct quire_space *, struct quire_region *);
void quire_space_check(struct quire_space *);
bool quire_layout_valid(const struct quire_layout *);
bool quire_layout_refuses(const struct quire_layout *, uint64_t first, uint64_t bytes);

/* --------------------------------------------------------------- charge.c */

bool quire_charge(struct quire_space *, struct quire_region *, uint64_t pages);
void quire_refund(struct quire_space *, struct quire_region *, uint64_t pages);
uint64_t quire_charge_limit(const struct quire_system *);
bool quire_charge_fits(const struct quire_system *, uint64_t pages);
uint64_t quire_frames_at(const struct quire_system *, uint64_t budget);
uint64_t quire_charge_limit_at(const struct quire_system *, uint64_t budget);

/* ----------------------------------------------------------------- slot.c */

#define QUIRE_FILES 8u                   /* pagefiles of one system */
#define QUIRE_CHUNK_SLOTS 4096u          /* slots that one record describes */
struct quire_slot_chunk {
        uint64_t used[QUIRE_CHUNK_SLOTS / 64];
        uint64_t kept[QUIRE_CHUNK_SLOTS / 64];   /* a child may still read it */
        uint64_t late[QUIRE_CHUNK_SLOTS / 64];   /* kept, and freed meanwhile */
        uint32_t sum[QUIRE_CHUNK_SLOTS];
        uint32_t free;
};
struct quire_file {
        unsigned host_file;              /* [I] */
        uint64_t limit;                  /* [s] slots it may grow to */
        uint64_t chunks, room;           /* [s] records, and room in the table */
        struct quire_slot_chunk **chunk; /* [s] */
        uint64_t used;                   /* [s] slots taken (late ones too) */
        uint64_t hint;                   /* [s] where to look next */
        bool frozen;                     /* [s] read only: of before a fork */
};
/* Take a run of at most `want' free slots; returns its length, 0: none. */
unsigned quire_slot_take(struct quire_system *, unsigned want, unsigned *file, uint64_t *first);
/* So many in a row; false: no file has them. */
bool quire_slot_take_all(struct quire_system *, unsigned count, unsigned *file, uint64_t *first);
void quire_slot_free(struct quire_system *, unsigned file, uint64_t number);
void quire_slot_retire(struct quire_system *, unsigned file, uint64_t number);
void quire_slots_keep(struct quire_system *);
void quire_slot_shut(struct quire_system *, unsigned file);
uint32_t *quire_slot_sum(struct quire_system *, unsigned file, uint64_t number);
uint32_t quire_checksum(const void *page, size_t bytes);
uint64_t quire_slots_capacity(const struct quire_system *);
void quire_slots_close(struct quire_system *);
void quire_slots_check(struct quire_system *);

/* ----------------------------------------------------------------- tier.c */

#define QUIRE_TIER_CLASSES 24u
struct quire_tier_block;
struct quire_tier {
        struct quire_tier_block *open[QUIRE_TIER_CLASSES];  /* [s] with room, by size class */
        unsigned percent;                                   /* [I] of the budget, at most */
        uint64_t blocks;                                    /* [s] */
        uint64_t most_blocks;                               /* [s] as faults of late suggest */
        uint64_t missed, tier_seen;       /* [s] since it was last set: hard faults of pages that
                                           * compress; tier faults until then */
        size_t block_bytes;                                 /* [I] */
        unsigned block_frames;                              /* [I] */
        uint64_t bytes;                                     /* [s] compressed bytes in use */
        void *scratch;                                      /* [s] one page */
};
enum quire_status quire_tier_open(struct quire_system *, unsigned percent);
void quire_tier_close(struct quire_system *);
/* The budget changed. */
void quire_tier_resize(struct quire_system *);
/* Let the tier grow or shrink a step, as the faults since the last time suggest. */
void quire_tier_tune(struct quire_system *);
/* Store the page's contents; false: it does not compress or there is no room. */
bool quire_tier_put(struct quire_system *, struct quire_page *, const void *contents);
bool quire_tier_get(struct quire_system *, const struct quire_slot *, void *out);
void quire_tier_free(struct quire_system *, struct quire_slot *);
/* Give up the frames of a sparse block, whose pages go to others; false: none can go. */
bool quire_tier_compact(struct quire_system *);
void quire_tier_check(struct quire_system *);

/* -------------------------------------------------------------- store.c */

/* A write buffer: pages on their way to consecutive slots of a pagefile.  Their
 * contents are read back from here until the transfer is done. */
enum quire_buffer_state { QUIRE_BUF_FREE, QUIRE_BUF_OPEN, QUIRE_BUF_FULL, QUIRE_BUF_GOING,
                          QUIRE_BUF_STUCK };
struct quire_buffer {
        struct quire_io io;                       /* [h] while GOING, else [s] */
        void *memory;                             /* [I] QUIRE_IO_MAX pages */
        struct quire_page *page[QUIRE_IO_MAX];    /* [s] null: not wanted any more */
        unsigned room;                            /* [s] slots it was given */
        unsigned failures;                        /* [s] transfers in a row that failed */
        unsigned live;                            /* [s] pages that are not null */
        uint8_t state;                            /* [s] enum quire_buffer_state */
        uint8_t file;                             /* [s] index in system.files */
        bool spills;                              /* [s] of the tier's oldest, not of frames */
        struct quire_object *object;              /* [s] whose pager takes it; null: a pagefile.
                                                   * io.slot is then the first page's index */
};
enum quire_status quire_store_open(struct quire_system *);
void quire_store_close(struct quire_system *);
/* Put contents away for a page whose frame is going; false: no room just now. */
bool quire_store_put(struct quire_system *, struct quire_page *, const void *contents);
/* Keep a clean page that lies in a pagefile in the tier, too, if it compresses. */
void quire_store_copy(struct quire_system *, struct quire_page *, const void *contents);
/* The compressed copy goes; => copied. */
void quire_store_uncopy(struct quire_system *, struct quire_page *);
/* Forget what the slot holds. */
void quire_store_free(struct quire_system *, struct quire_page *);
/* Contents without a transfer (fill, tier, buffer).  NOT_PRESENT: needs one. */
enum quire_status quire_store_get(struct quire_system *, struct quire_page *, void *out);
/* Take in what finished; wait: until something does (drops and retakes the lock;
 * false: nothing is under way). */
bool quire_store_settle(struct quire_system *, bool wait);
/* Begin what is waiting to be written (drops and retakes the lock). */
void quire_store_push(struct quire_system *);
/* Copy a page to a buffer that goes to its pager; false: no room just now. */
bool quire_store_put_home(struct quire_system *, struct quire_page *, const void *contents);
/* Does a buffer hold pages of the object, for its pager? */
bool quire_store_owes(const struct quire_system *, const struct quire_object *);
/* No buffer that goes to a pager waits for more pages; false: there are none. */
bool quire_store_send_home(struct quire_system *);
bool quire_store_spill(struct quire_system *, unsigned pages);
/* The open buffer is written as it is, without waiting for it to fill. */
void quire_store_flush(struct quire_system *);
void quire_store_check(struct quire_system *);

/* ---------------------------------------------------------------- spare.c */

/* Give up slots that are not the only place of their contents; false: none was found at once. */
bool quire_spares_free(struct quire_system *);
/* The same (drops and retakes the lock); false: there are none. */
bool quire_spares_find(struct quire_system *);

/* --------------------------------------------------------------- policy_*.c */

struct quire_queue {
        struct quire_page *first, *last;
        struct quire_page *look;       /* [s] where spare.c looks on; null: at the first */
        uint64_t count;
};
void quire_queue_push(struct quire_system *, struct quire_page *, enum quire_queue_id);
void quire_queue_remove(struct quire_system *, struct quire_page *);

/* Which page goes.  All with the lock held; a page is in a policy's queue while
 * it has a frame and nobody holds it. */
struct quire_policy {
        const char *name;
        void (*insert)(struct quire_system *, struct quire_page *);  /* got its frame just now */
        void (*touch)(struct quire_system *, struct quire_page *);   /* faulted on, has a frame */
        /* Take up to `want' victims out of the queues; returns how many. */
        unsigned (*victims)(struct quire_system *, struct quire_page **, unsigned want);
};
extern const struct quire_policy quire_policy_2q, quire_policy_clock, quire_policy_lru;
const struct quire_policy *quire_policy_named(const char *);
/* Was it used since the last time?  False where the machine notes nothing. */
bool quire_policy_used(struct quire_system *, struct quire_page *);

/* --------------------------------------------------------- reclaim.c, fault.c */

/* Make frames free.  OK: progress was made, look at everything again (the lock
 * may have been dropped meanwhile); NO_MEMORY: nothing can go. */
enum quire_status quire_reclaim(struct quire_system *);
/* quire_io.meanwhile of pages that come from a pagefile; its context is the system.  Lock
 * not held. */
void quire_reclaim_ahead(const struct quire_io *);
enum quire_status quire_reclaim_frames(struct quire_system *, uint64_t frames);
/* Put pages away; returns how many left their frames.  Lock held throughout. */
unsigned quire_evict(struct quire_system *, struct quire_page **, unsigned count);

struct quire_outcome {
        enum quire_verdict verdict;
        enum quire_reason reason;          /* of DENY */
        enum quire_event_kind kind;        /* of RESUME: what it took */
};
/* Resolve one access; the lock is held, dropped and retaken as needed.  Ticket
 * 0: the caller cannot be resumed, so wait here for pages in transit; NO_ALARM:
 * likewise, and it is no access of the program's, so guard marks stay. */
#define QUIRE_NO_ALARM UINT64_MAX
#define QUIRE_OWN 0x100u               /* with an access: the page must be the region's own */
struct quire_outcome quire_resolve(struct quire_space *, uint64_t page, unsigned access,
                                   uint64_t ticket);
/* Contents that lie elsewhere into a frame, as far as one step goes (drops and retakes
 * the lock): look again. */
enum quire_status quire_page_bring(struct quire_page *);
/* Let pages in transit in the range arrive (drops and retakes the lock). */
void quire_wait_settled(struct quire_system *);

/* Threads that wait for a page to arrive. */
#define QUIRE_WAITERS 64u
struct quire_waiter {
        uint64_t ticket;                   /* 0: it can not be resumed, and looks again by itself */
        uint64_t turn;                     /* ... and is known by this */
        struct quire_page *page;           /* null: the entry is free */
};
bool quire_wait_for(struct quire_system *, struct quire_page *, uint64_t ticket);
uint64_t quire_wait_along(struct quire_system *, struct quire_page *, uint64_t turn);
void quire_wait_no_more(struct quire_system *, uint64_t turn);
unsigned quire_wake(struct quire_system *, struct quire_page *);     /* how many */

/* hold.c: a hold or a lock of the page is gone */
void quire_unkeep(struct quire_system *, struct quire_page *);
/* the most pages that may be locked or held */
uint64_t quire_keep_limit(const struct quire_system *);

/* ---------------------------------------------------------------- count.c */

void quire_note(struct quire_system *, enum quire_event_kind, uint64_t page, uint64_t count,
                uint64_t arg);
void quire_count_fault(struct quire_region *, enum quire_event_kind, uint64_t page,
                       uint64_t count);
void quire_count_resident(struct quire_page *, int64_t pages);
void quire_count_mapped(struct quire_region *, int64_t pages);

/* --------------------------------------------------------------- system.c */

/* What holds back for a freeze that waits (fork.c). */
enum quire_freezing {
        QUIRE_FREEZE_NOT,
        QUIRE_FREEZE_PAGERS,       /* nothing is lent to pagers, or written to them */
        QUIRE_FREEZE_ALL,          /* nor is anything read from pagefiles, or written there */
};
/* Until transfers may begin again (drops and retakes the lock, if they may not). */
void quire_hold_back(struct quire_system *);

struct quire_system {
        const struct quire_machine_ops *mops;   /* [I] */
        struct quire_machine *machine;          /* [I] */
        const struct quire_host_ops *hops;      /* [I] */
        struct quire_host *host;                /* [I] */
        const struct quire_abilities *can;      /* [I] */
        unsigned shift;                         /* [I] log2 of the page size */
        bool audit;                             /* [I] */
        bool held;                              /* [s] true while the lock is held */
        bool frozen;                            /* [s] between freeze and thaw */
        uint8_t freezing;                       /* [s] enum quire_freezing, until thaw */

        uint64_t budget;                        /* [s] frames, buffers and tier together */
        uint64_t beside;                        /* [s] pages charged, and no part of it any more */
        uint64_t taken;                         /* [s] of the budget */
        uint64_t frames;                        /* [s] frames that the machine gave us */
        uint64_t transit;                       /* [s] pages COMING, but for those that ... */
        uint64_t late;                          /* [s] ... a pager supplies when it can */
        uint64_t lent;                          /* [s] late pages that a pager writes to */
        uint64_t locked;                        /* [s] pages locked or held */
        uint64_t commit_limit;                  /* [s] as given; 0: budget and pagefiles */
        uint64_t eviction_clock;                /* [s] pages evicted so far */
        uint64_t cooled;                        /* [s] 2q: picks while IN has its part */

        const struct quire_policy *policy;      /* [I] */
        struct quire_queue queue[QUIRE_QUEUES]; /* [s] */
        struct quire_space *spaces;             /* [s] */
        struct quire_object *all;               /* [s] every object */
        struct quire_object *done;              /* [s] gone, but that their pagers are to hear it */
        struct quire_name *names;               /* [s] */

        struct quire_file files[QUIRE_FILES];   /* [s] */
        unsigned file_count;                    /* [s] */
        bool keep_late;                         /* [s] slots of before a fork stay for the child */
        struct quire_tier tier;                 /* [s] */
        struct quire_buffer *buffers;           /* [I] */
        unsigned buffer_count, buffer_pages;    /* [I] */
        unsigned going;                         /* [s] buffers FULL or GOING */
        uint64_t objects;                       /* [s] opened so far */
        uint64_t asks;                          /* [s] of pagers, so far */
        uint64_t refused;                       /* [s] records that the host had no memory for */
        uint64_t settled;                       /* [s] transfers that were handed back so far */
        uint64_t headroom;                      /* [I] frames that only the tier may take */
        unsigned file_failures[QUIRE_FILES];    /* [s] failed writes in a row */
        bool storage_full;                      /* [s] said so once */

        struct quire_waiter waiters[QUIRE_WAITERS];  /* [s] */
        unsigned waiting;                       /* [s] */
        uint64_t turns;                         /* [s] of waiters, so far */
        quire_event_fn event;                   /* [s] */
        void *event_context;                    /* [s] */
        struct quire_counters counters;         /* [s] */
        uint64_t latency[2][QUIRE_BUCKETS];     /* [s] all, hard */
};
_Noreturn void quire_stop(struct quire_system *, const char *what, const char *file, int line);
void *quire_alloc(struct quire_system *, size_t bytes);
void quire_free(struct quire_system *, void *, size_t bytes);
void quire_lock(struct quire_system *);
void quire_unlock(struct quire_system *);
void quire_enter(struct quire_system *);      /* a public call begins: lock, audit */
void quire_leave(struct quire_system *);      /* ... and ends: audit, unlock */
void quire_check(struct quire_system *);      /* the whole state; lock held */
void quire_say(struct quire_system *, const char *line);

#endif
