/*
 * tlb.c - a translation lookaside buffer, and the walk that fills it.
 *
 * As the processor's manual has it: a write through an entry that is not
 * dirty walks again to set the dirty bit; a fault forgets the entry that it
 * found wanting, so that an access that is tried again sees wider rights.
 * Writes to read-only pages fault in supervisor mode, too (CR0.WP).
 */
#include "tlb.h"

static struct quire_tlb_entry *find_small(struct quire_tlb *tlb, uint64_t root, uint64_t va)
{
        struct quire_tlb_entry *set = tlb->small[va / QUIRE_X86_PAGE % QUIRE_TLB_SETS];

        for (unsigned i = 0; i < QUIRE_TLB_WAYS; i++)
                if (set[i].root == root && set[i].page == va / QUIRE_X86_PAGE * QUIRE_X86_PAGE)
                        return &set[i];
        return NULL;
}

static struct quire_tlb_entry *find_large(struct quire_tlb *tlb, uint64_t root, uint64_t va)
{
        for (unsigned i = 0; i < QUIRE_TLB_LARGE; i++)
                if (tlb->large[i].root == root &&
                    tlb->large[i].page == va / QUIRE_X86_LARGE * QUIRE_X86_LARGE)
                        return &tlb->large[i];
        return NULL;
}

static struct quire_tlb_entry *find(struct quire_tlb *tlb, uint64_t root, uint64_t va)
{
        struct quire_tlb_entry *t = find_small(tlb, root, va);

        return t ? t : find_large(tlb, root, va);
}

static bool is_large(const struct quire_tlb *tlb, const struct quire_tlb_entry *t)
{
        return t >= tlb->large && t < tlb->large + QUIRE_TLB_LARGE;
}

static bool is_allowed(quire_pte e, unsigned access, bool user)
{
        if (user && !(e & QUIRE_PTE_USER))
                return false;
        if (access & QUIRE_W && !(e & QUIRE_PTE_WRITE))
                return false;
        return !(access & QUIRE_X) || !(e & QUIRE_PTE_NX);
}

/* The lowest entry of va, narrowed by those above it; 0: not present.  *at:
 * where it lies; *large: it is a 2 MiB page. */
static quire_pte walk(const struct quire_x86_table *t, uint64_t va, quire_pte **at, bool *large)
{
        const quire_pte grants = QUIRE_PTE_WRITE | QUIRE_PTE_USER;
        quire_pte all = grants, refuse = 0;
        uint64_t physical = t->root;

        for (unsigned shift = 39;; shift -= 9) {
                quire_pte *e = (quire_pte *)(void *)(t->memory->window + physical) +
                               (va >> shift & 511);

                if (!(*e & QUIRE_PTE_PRESENT))
                        return 0;
                all &= *e;
                refuse |= *e & QUIRE_PTE_NX;
                if (shift == 12 || (shift == 21 && *e & QUIRE_PTE_LARGE)) {
                        *at = e;
                        *large = shift == 21;
                        return (*e & ~grants) | all | refuse;
                }
                *e |= QUIRE_PTE_ACCESSED;
                physical = *e & QUIRE_PTE_FRAME;
        }
}

static void remember(struct quire_tlb *tlb, uint64_t root, uint64_t va, quire_pte entry,
                     bool large)
{
        struct quire_tlb_entry *place = find(tlb, root, va);
        unsigned next = tlb->next++;

        if (place)
                place->root = 0;
        if (large)
                place = &tlb->large[next % QUIRE_TLB_LARGE];
        else
                place = &tlb->small[va / QUIRE_X86_PAGE % QUIRE_TLB_SETS][next % QUIRE_TLB_WAYS];
        place->root = root;
        place->page = va & ~((large ? QUIRE_X86_LARGE : QUIRE_X86_PAGE) - 1);
        place->entry = entry;
}

static uint64_t physical_of(quire_pte e, uint64_t va, bool large)
{
        return large ? (e & QUIRE_PTE_LARGE_FRAME) | (va & (QUIRE_X86_LARGE - 1))
                     : (e & QUIRE_PTE_FRAME) | (va & (QUIRE_X86_PAGE - 1));
}

bool quire_tlb_access(struct quire_tlb *tlb, const struct quire_x86_table *t, uint64_t va,
                      unsigned access, bool user, uint64_t *physical)
{
        struct quire_tlb_entry *known = find(tlb, t->root, va);
        quire_pte e, *at, note = QUIRE_PTE_ACCESSED;
        bool large = false;

        if (va + QUIRE_X86_VA_END >= 2 * QUIRE_X86_VA_END)
                return false;                  /* not canonical */
        if (known && !is_allowed(known->entry, access, user)) {
                known->root = 0;
                return false;
        }
        if (known && (!(access & QUIRE_W) || known->entry & QUIRE_PTE_DIRTY)) {
                tlb->hits++;
                *physical = physical_of(known->entry, va, is_large(tlb, known));
                return true;
        }
        tlb->walks++;
        e = walk(t, va, &at, &large);
        if (!e || !is_allowed(e, access, user)) {
                if (known)
                        known->root = 0;
                return false;
        }
        if (access & QUIRE_W)
                note |= QUIRE_PTE_DIRTY;
        *at |= note;
        e |= note;
        remember(tlb, t->root, va, e, large);
        *physical = physical_of(e, va, large);
        return true;
}

void quire_tlb_invalidate(struct quire_tlb *tlb, uint64_t root, uint64_t va)
{
        struct quire_tlb_entry *t;

        tlb->invalidations++;
        while ((t = find(tlb, root, va)))
                t->root = 0;
}

void quire_tlb_flush(struct quire_tlb *tlb, uint64_t root)
{
        tlb->invalidations++;
        for (unsigned i = 0; i < QUIRE_TLB_SETS * QUIRE_TLB_WAYS; i++)
                if (tlb->small[i / QUIRE_TLB_WAYS][i % QUIRE_TLB_WAYS].root == root)
                        tlb->small[i / QUIRE_TLB_WAYS][i % QUIRE_TLB_WAYS].root = 0;
        for (unsigned i = 0; i < QUIRE_TLB_LARGE; i++)
                if (tlb->large[i].root == root)
                        tlb->large[i].root = 0;
}
