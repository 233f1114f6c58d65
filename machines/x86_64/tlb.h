/*
 * tlb.h - what one processor remembers of the tables, and its walk of them.
 *
 * Freestanding, as table.h.  The model may be as stale as the processor is
 * allowed to be: a translation, its permissions and its dirty bit stay as they
 * were when they were walked, until they are invalidated or their place is
 * needed.  Nothing is remembered of pages that are not present.
 */
#ifndef QUIRE_X86_TLB_H
#define QUIRE_X86_TLB_H
#include "table.h"

#define QUIRE_TLB_SETS 16u
#define QUIRE_TLB_WAYS 4u
#define QUIRE_TLB_LARGE 8u

struct quire_tlb_entry {
        uint64_t root;                 /* whose tables; 0: the entry is empty */
        uint64_t page;                 /* address of the page's first byte */
        quire_pte entry;               /* as it was walked, with what all levels allow */
};
struct quire_tlb {
        struct quire_tlb_entry small[QUIRE_TLB_SETS][QUIRE_TLB_WAYS];
        struct quire_tlb_entry large[QUIRE_TLB_LARGE];
        unsigned next;                 /* which way gives its place up */
        uint64_t hits, walks, invalidations;
};

/*
 * One access of the processor: QUIRE_R, W or X, from user mode or not, without
 * crossing a page.  *physical: where it goes.  False: a page fault.  Sets the
 * accessed and dirty bits as the processor does.
 */
bool quire_tlb_access(struct quire_tlb *, const struct quire_x86_table *, uint64_t va,
                      unsigned access, bool user, uint64_t *physical);
/* Forget the page that holds va. */
void quire_tlb_invalidate(struct quire_tlb *, uint64_t root, uint64_t va);
/* Forget all of one root. */
void quire_tlb_flush(struct quire_tlb *, uint64_t root);

#endif
