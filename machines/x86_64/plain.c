/*
 * plain.c - delegated ranges of the x86-64 machine, and harvest.
 *
 * A first touch gets a 2 MiB page where the whole of one lies in the range, is
 * alike, is not watched, and nothing of it was touched before.  What is said
 * of a part of such a page splits it; that cannot fail (T3).
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

static uint64_t large_base(uint64_t va)
{
        return va / QUIRE_X86_LARGE * QUIRE_X86_LARGE;
}

static bool may_be_large(struct quire_mspace *space, const struct quire_claim *c, uint64_t va)
{
        uint64_t base = large_base(va), at = base;
        uint64_t end = (c->first + c->pages) << 12;
        bool large;

        return !space->x86->options.no_large && !c->watched && base >= c->first << 12 &&
               base + QUIRE_X86_LARGE <= end &&
               !quire_table_next(&space->table, &at, base + QUIRE_X86_LARGE, &large);
}

static bool touch_large(struct quire_mspace *space, const struct quire_claim *c, uint64_t va)
{
        const struct quire_x86_page like = quire_x86_page_of(c->access | QUIRE_R);
        struct quire_x86 *x = space->x86;
        uint64_t page = may_be_large(space, c, va) ? quire_x86_block_take(&x->plain) : 0;

        if (!page)
                return false;
        if (quire_table_map_large(&space->table, large_base(va),
                                  quire_pte_make(page << 12, like, true)) != QUIRE_OK) {
                for (unsigned i = 0; i < QUIRE_X86_BLOCK; i++)
                        quire_x86_page_give(&x->plain, page + i);
                return false;
        }
        memset(quire_x86_contents(x, page), 0, QUIRE_X86_LARGE);
        x->counts.large++;
        return true;
}

bool quire_x86_plain_resolve(struct quire_mspace *space, uint64_t va, unsigned access)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> 12);
        struct quire_x86 *x = space->x86;
        unsigned allowed;
        uint64_t page;
        bool large;

        if (!c || c->kind != QUIRE_CLAIM_DELEGATED)
                return false;
        allowed = c->access & QUIRE_W ? c->access | QUIRE_R : c->access;
        if (!(allowed & access & (QUIRE_R | QUIRE_W | QUIRE_X)) ||
            (allowed & QUIRE_KERNEL && !(access & QUIRE_KERNEL)))
                return false;
        /* Mapped already: the processor remembered less than there is by now. */
        if (quire_table_find(&space->table, va, &large) || touch_large(space, c, va))
                return true;
        page = quire_x86_page_take(&x->plain);
        if (!page || quire_table_make(&space->table, va & ~(QUIRE_X86_PAGE - 1), 1) != QUIRE_OK)
                quire_sim_stop(x->host, "no plain memory is left (and a kernel would kill)");
        memset(quire_x86_contents(x, page), 0, QUIRE_X86_PAGE);
        quire_table_map(&space->table, va & ~(QUIRE_X86_PAGE - 1),
                        quire_pte_make(page << 12, quire_x86_page_of(allowed | QUIRE_R), false));
        return true;
}

/* A 2 MiB page that holds the edge of a range is split. */
static void split_at(struct quire_mspace *space, uint64_t va)
{
        bool large;

        if (va == large_base(va) || !quire_table_find(&space->table, va, &large) || !large)
                return;
        quire_table_split_large(&space->table, va);
        space->x86->counts.split++;
}

static uint64_t range_of(struct quire_mspace *space, uint64_t va, uint64_t pages,
                         const char *what)
{
        return quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_DELEGATED, what);
}

static void discard(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        struct quire_x86 *x = space->x86;
        uint64_t end = va + pages * QUIRE_X86_PAGE;
        bool large;

        split_at(space, va);
        split_at(space, end);
        for (quire_pte *e; (e = quire_table_next(&space->table, &va, end, &large));) {
                uint64_t page = (*e & (large ? QUIRE_PTE_LARGE_FRAME : QUIRE_PTE_FRAME)) >> 12;
                unsigned count = large ? QUIRE_X86_BLOCK : 1;

                quire_table_unmap(&space->table, va);
                quire_x86_invalidate(space, va, QUIRE_X86_FORGET_DROP);
                for (unsigned i = 0; i < count; i++)
                        quire_x86_page_give(&x->plain, page + i);
                va += count * QUIRE_X86_PAGE;
        }
}

enum quire_status quire_x86_delegate(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                     const struct quire_view *view,
                                     struct quire_range *obstacle)
{
        const struct quire_claim claim = { .kind = QUIRE_CLAIM_DELEGATED };

        if (view)
                return QUIRE_UNSUPPORTED;
        return quire_claim_new(&space->claims, va, pages, &claim, obstacle);
}

enum quire_status quire_x86_delegate_protect(struct quire_mspace *space, uint64_t va,
                                             uint64_t pages, unsigned access)
{
        const unsigned rights = QUIRE_R | QUIRE_W | QUIRE_X;
        uint64_t first = range_of(space, va, pages, "delegate_protect");
        uint64_t end = va + pages * QUIRE_X86_PAGE;
        bool large;

        if (quire_sim_fails(space->x86->host, QUIRE_SIM_TABLE) ||
            !quire_claim_cut(&space->claims, first, pages))
                return QUIRE_NO_MEMORY;
        quire_claim_set(&space->claims, first, pages, (int)access, -1);
        split_at(space, va);
        split_at(space, end);
        for (quire_pte *e; (e = quire_table_next(&space->table, &va, end, &large));
             va += large ? QUIRE_X86_LARGE : QUIRE_X86_PAGE) {
                unsigned before = quire_pte_page(*e, large).access;

                *e = quire_pte_protect(*e, access & rights ? (access & rights) | QUIRE_R : 0);
                if (before & ~access)
                        quire_x86_invalidate(space, va, QUIRE_X86_FORGET_PROTECT);
        }
        return QUIRE_OK;
}

void quire_x86_delegate_discard(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        range_of(space, va, pages, "delegate_discard");
        discard(space, va, pages);
}

void quire_x86_delegate_release(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = range_of(space, va, pages, "delegate_release");

        discard(space, va, pages);
        quire_claim_end(&space->claims, first, pages);
}

/* Pages are watched one by one: what is large is split. */
enum quire_status quire_x86_delegate_watch(struct quire_mspace *space, uint64_t va,
                                           uint64_t pages)
{
        uint64_t first = range_of(space, va, pages, "delegate_watch");
        uint64_t end = va + pages * QUIRE_X86_PAGE;
        bool large;

        if (quire_sim_fails(space->x86->host, QUIRE_SIM_TABLE) ||
            !quire_claim_cut(&space->claims, first, pages))
                return QUIRE_NO_MEMORY;
        quire_claim_set(&space->claims, first, pages, -1, true);
        for (quire_pte *e; (e = quire_table_next(&space->table, &va, end, &large));
             va += QUIRE_X86_PAGE) {
                if (large) {
                        quire_table_split_large(&space->table, va);
                        space->x86->counts.split++;
                        e = quire_table_find(&space->table, va, &large);
                }
                *e &= ~QUIRE_PTE_DIRTY;
                quire_x86_invalidate(space, va, QUIRE_X86_FORGET_HARVEST);
        }
        return QUIRE_OK;
}

enum quire_status quire_x86_harvest(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                    uint8_t *bits)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> 12);
        bool plain = c && c->kind == QUIRE_CLAIM_DELEGATED, large;

        quire_claim_range(&space->claims, va, pages,
                          plain ? QUIRE_CLAIM_DELEGATED : QUIRE_CLAIM_RESERVED, "harvest");
        for (uint64_t i = 0; i < pages; i++, va += QUIRE_X86_PAGE) {
                quire_pte *e = quire_table_find(&space->table, va, &large);

                bits[i] = 0;
                if (!e)
                        continue;
                c = quire_claim_at(&space->claims, va >> 12);
                if (*e & QUIRE_PTE_ACCESSED && space->x86->abilities.notes_referenced)
                        bits[i] |= QUIRE_REFERENCED;
                if (*e & QUIRE_PTE_DIRTY && c->watched)
                        bits[i] |= QUIRE_MODIFIED;
                *e &= ~(QUIRE_PTE_ACCESSED | QUIRE_PTE_DIRTY);
                quire_x86_invalidate(space, va, QUIRE_X86_FORGET_HARVEST);
        }
        return QUIRE_OK;
}
