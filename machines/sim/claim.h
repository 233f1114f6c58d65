/*
 * claim.h - which ranges of a space are claimed, by whom, and how.  Shared by
 * the machines that live inside a test; on a real machine this knowledge is
 * the kernel's, or nobody's.
 *
 * Addresses are page numbers, lengths page counts.
 */
#ifndef QUIRE_SIM_CLAIM_H
#define QUIRE_SIM_CLAIM_H
#include "host.h"

enum quire_claim_kind {
        QUIRE_CLAIM_RESERVED,         /* every access is the core's to resolve */
        QUIRE_CLAIM_DELEGATED,        /* plain memory */
        QUIRE_CLAIM_OBSTACLE,         /* somebody else's */
};
struct quire_claim {
        struct quire_claim *left, *right;
        uint64_t first, pages;
        uint64_t store_first;         /* of a view: the store's page at .first */
        struct quire_store *store;    /* null: no view */
        uint32_t priority;
        uint8_t kind;                 /* enum quire_claim_kind */
        uint8_t access;               /* DELEGATED */
        bool watched;                 /* DELEGATED */
        bool copies;                  /* of a view */
};
/* A treap by .first.  C1 claims do not overlap.  C2 priorities descend. */
struct quire_claims {
        struct quire_claim *root;
        uint32_t seed;
        struct quire_sim_host *host;
        unsigned shift;               /* of a page */
        uint64_t va_end;              /* bytes */
};

/* The claim that holds the page, or null. */
struct quire_claim *quire_claim_at(const struct quire_claims *, uint64_t page);
/* The lowest claim that ends after the page, or null. */
struct quire_claim *quire_claim_from(const struct quire_claims *, uint64_t page);
/* => nothing is claimed there.  False: no memory. */
bool quire_claim_add(struct quire_claims *, const struct quire_claim *like);
/* Is all of the range claimed in this way? */
bool quire_claim_covers(const struct quire_claims *, uint64_t first, uint64_t pages,
                        enum quire_claim_kind);
/* Cut so that claims begin at the page and at the end of the range.  False: no
 * memory; nothing has changed for anybody who looks. */
bool quire_claim_cut(struct quire_claims *, uint64_t first, uint64_t pages);
/* => cut.  Remove the claims in the range. */
void quire_claim_remove(struct quire_claims *, uint64_t first, uint64_t pages);
/* => cut.  Set access (negative: as it is) and watched (likewise), and join what
 * is alike then. */
void quire_claim_set(struct quire_claims *, uint64_t first, uint64_t pages, int access,
                     int watched);
void quire_claims_close(struct quire_claims *);

/* referee.c: the same for what the core asks, which is checked.  Addresses are
 * bytes, results are page numbers. */

/* The lock is held, M1 holds, and all of it is claimed so; the first page. */
uint64_t quire_claim_range(const struct quire_claims *, uint64_t va, uint64_t pages,
                           enum quire_claim_kind, const char *what);
/* What a view (null: none) makes of a claim.  => store_pages is its store's length */
struct quire_claim quire_claim_view(struct quire_sim_host *, enum quire_claim_kind,
                                    const struct quire_view *, uint64_t store_pages,
                                    uint64_t pages);
/* Claim a range like this one.  CONFLICT: an obstacle; NO_MEMORY. */
enum quire_status quire_claim_new(struct quire_claims *, uint64_t va, uint64_t pages,
                                  const struct quire_claim *like, struct quire_range *obstacle);
/* => nothing is shown there */
void quire_claim_end(struct quire_claims *, uint64_t first, uint64_t pages);
/* What is not the core's.  False: not free, or no memory. */
bool quire_claim_obstacle(struct quire_claims *, uint64_t va, uint64_t pages);
void quire_claim_clear(struct quire_claims *, uint64_t va, uint64_t pages);
/* The lock is held, or the referee stops. */
void quire_sim_need_lock(struct quire_sim_host *, const char *what);
/* May this store's page, or this private frame (store: null), be entered here, by a
 * machine that does not share frames? */
void quire_claim_check_frame(struct quire_sim_host *, const struct quire_claim *, uint64_t page,
                             const struct quire_store *store, uint64_t index, unsigned shift);
/* W is not for the store's own pages in a view that copies. */
void quire_claim_check_write(struct quire_sim_host *, const struct quire_claim *,
                             const struct quire_store *store, unsigned access, const char *what);
/* An access that enter and protect may give; a length that enter and take may. */
unsigned quire_sim_enter_access(struct quire_sim_host *, unsigned access);
void quire_sim_check_access(struct quire_sim_host *, unsigned access, const char *what);
void quire_sim_check_run(struct quire_sim_host *, uint64_t pages, const char *what);

#endif
