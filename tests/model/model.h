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
};

struct model_page {
        uint32_t region;                  /* number + 1; 0: free */
        bool committed, guard, locked, written;
        uint8_t access, mark;
        uint16_t holds;
        struct model_content content;
};

struct model_region {
        uint64_t first, pages;            /* within the window; pages 0: not in use */
        enum quire_region_kind kind;
        bool watched;
        uint64_t tag;
};

struct model_system {
        uint64_t limit, committed, locked;             /* pages */
        uint64_t lock_limit;
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

enum quire_status model_reserve(struct model *, const struct quire_request *, uint64_t *va);
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

struct model_page *model_page(const struct model *, uint64_t va);
/* content.c: what the page reads as; `out' has room for one page. */
void model_bytes(const struct model *, const struct model_content *, uint8_t *out);

#endif
