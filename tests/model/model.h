/*
 * model.h - what quire.h promises, in the simplest form that can be checked: an
 * array of pages.
 *
 * One model stands for one space; the spaces of a system share its promises
 * (struct model_system).  Every function does what the function of quire.h of
 * that name promises, and returns the status that it promises.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H
#include "quire/quire.h"

/* What a page holds: a whole page's fill, and bytes written over it since. */
enum { MODEL_WRITES = 5 };
struct model_content {
        uint64_t fill;                    /* 0: zeroes; low two bits: how well it compresses */
        uint16_t at[MODEL_WRITES];
        uint8_t value[MODEL_WRITES];
        uint8_t writes;
        uint8_t book;                     /* 1 + the book that may still be asked for it; 0: none */
};

struct model_page {
        uint32_t region;                  /* number + 1; 0: free */
        bool committed, guard, locked, written;
        bool own;                         /* of a region that copies: not the object's */
        bool owed, touched;               /* of an object: its pager lacks it; it was accessed */
        uint8_t access, mark;
        uint16_t holds;
        bool writes;                      /* held to be written, and not let go since */
        struct model_content content;
};

struct model_region {
        uint64_t first, pages;            /* within the window; pages 0: not in use */
        enum quire_region_kind kind;
        bool watched, copy;
        bool cut;                         /* a part of what was one region */
        struct model_grant *grant;        /* that it was mapped through, or null */
        uint64_t offset;                  /* the object's page at the region's first */
        uint64_t tag;
};

struct model_system {
        uint64_t limit, committed, locked;             /* pages */
        uint64_t lock_limit;
        uint64_t maybe;                   /* committed besides, at most: see objects.c */
        uint64_t besides;                 /* ... and in fact, as the test was told */
};

/* Objects that were cloned from each other. */
struct model_family {
        struct model_object *first;
        uint64_t alive;
        uint64_t maybe;                   /* charged to those that are gone, at most */
};
struct model_object {
        struct model_family *family;
        struct model_object *next;        /* in the family */
        struct model_page *page;          /* contents, locks, what was written */
        uint64_t pages, regions, handles;
        uint64_t grants;                  /* that refer to it, with a handle or without */
        enum quire_object_kind kind;
        unsigned flags;
        uint8_t book;                     /* 1 + its pager's; 0: none */
        bool *gone;                       /* set, if not null, when nobody can see its pages */
        bool homeless;                    /* its modified pages have no home but the pagefile */
        bool evicts;
};
struct model_grant {
        struct model_system *system;
        struct model_object *object;
        struct model_grant *parent;       /* that it was narrowed from */
        uint64_t handles, refs;           /* refs: handles, regions, grants narrowed from it */
        unsigned rights;
        bool revoked;
};

struct model {
        struct model_system *system;
        unsigned shift;                   /* of a page */
        uint64_t low, pages;              /* the window: bytes, pages */
        struct model_page *page;
        struct model_region *region;
        uint32_t regions;                 /* numbers given out */
        uint64_t reserved;                /* pages */
};

void model_open(struct model *, struct model_system *, unsigned shift, uint64_t low,
                uint64_t pages);
void model_close(struct model *);

/* grant: the model's own for the request's, or null. */
enum quire_status model_reserve(struct model *, const struct quire_request *,
                                struct model_grant *grant, uint64_t *va);
enum model_op { MODEL_COMMIT, MODEL_DECOMMIT, MODEL_PROTECT, MODEL_GUARD, MODEL_DISCARD,
                MODEL_MARK, MODEL_LOCK, MODEL_UNLOCK, MODEL_WATCH_RESET };
/* value: the access or the mark. */
enum quire_status model_change(struct model *, enum model_op, uint64_t va, uint64_t bytes,
                               unsigned value);
enum quire_status model_release(struct model *, uint64_t va, uint64_t bytes);
enum quire_status model_move(struct model *, uint64_t from, uint64_t bytes, uint64_t to);
enum quire_status model_split(struct model *, uint64_t va);
enum quire_status model_watch_get(struct model *, uint64_t va, uint64_t bytes, bool reset,
                                  uint64_t *out, uint64_t *count);
enum quire_status model_query(const struct model *, uint64_t va, struct quire_info *);

/* Pages from va on that may be held so, at most `pages'; hold counts them.  more:
 * the hold stopped there although more was asked for. */
uint64_t model_holdable(const struct model *, uint64_t va, uint64_t pages, unsigned access);
void model_hold(struct model *, uint64_t va, uint64_t pages, unsigned access, bool more);
void model_unhold(struct model *, uint64_t va, uint64_t pages);

/* An access to one page: 0, or why it is denied.  Clears a guard mark, notes a write. */
unsigned model_access(struct model *, uint64_t va, unsigned access);

/* Pages of one region, by index in the window. */
struct model_span {
        uint64_t first, count;
        struct model_region *region;
        struct model_page *page;          /* the first */
};
/* Every page of the span, if all is well so far. */
#define MODEL_EACH(st, s, p) \
        for (struct model_page *p = (s).page; (st) == QUIRE_OK && p < (s).page + (s).count; p++)
/* The pages of a range of one region: INVALID, NOT_PRESENT. */
enum quire_status model_find(const struct model *, uint64_t va, uint64_t bytes,
                             struct model_span *);
bool model_revoked(const struct model_region *);       /* the grant that it was mapped through */
void model_forget(struct model *, struct model_page *);  /* it is not committed any more */
struct model_page *model_page(const struct model *, uint64_t va);
struct model_region *model_region(const struct model *, const struct model_page *);
/* May so many pages more be committed? */
bool model_fits(const struct model_system *, uint64_t pages);
/* What a release of all its regions leaves of a page: nothing is locked or held. */
void model_let_go(struct model_system *, struct model_page *);
/* A copy of the whole space, into a model that is not open. */
enum quire_status model_space_clone(const struct model *, struct model *into);

/* objects.c: the page whose contents an address shows, and the one that is locked,
 * held or written there */
struct model_page *model_seen(const struct model *, struct model_page *);
struct model_page *model_kept(const struct model *, struct model_page *);
void model_own(const struct model *, struct model_page *);         /* its region copies it now */
void model_note(const struct model *, struct model_page *, unsigned access);

enum quire_status model_object_open(struct model_system *, const struct quire_object_request *,
                                    uint8_t book, unsigned shift, struct model_grant **out);
enum quire_status model_object_clone(struct model_grant *, struct model_grant **out);
enum quire_status model_grant_narrow(struct model_grant *, unsigned rights,
                                     struct model_grant **out);
void model_grant_hold(struct model_grant *);
void model_grant_close(struct model_grant *);
bool model_grant_valid(const struct model_grant *);
/* May the region be mapped, when its request makes sense otherwise? */
enum quire_status model_grant_map(const struct model *, const struct quire_request *,
                                  struct model_grant *);
unsigned model_rights(const struct model_region *);
/* A region that maps something came to be, or went. */
void model_region_refer(const struct model_region *, bool comes);
/* content.c: what the page reads as; `out' has room for one page. */
void model_bytes(const struct model *, const struct model_content *, uint8_t *out);

#endif
