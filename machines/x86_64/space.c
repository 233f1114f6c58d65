/*
 * space.c - spaces of the x86-64 machine: reserved ranges, and what is shown
 * in them.
 *
 * X1  An entry in a reserved range maps one frame of the core; in a delegated
 *     range, a page of plain memory.
 * X2  Whatever is narrowed is invalidated on every processor before the call
 *     returns (M2).
 *
 * enter makes the tables it needs before it changes anything (M3); with the
 * default pool there are always enough of them for private frames.
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

enum quire_status quire_x86_space_open(struct quire_machine *m, void *owner,
                                       struct quire_mspace **out)
{
        struct quire_x86 *x = (struct quire_x86 *)(void *)m;
        struct quire_mspace *space;

        quire_sim_need_lock(x->host, "space_open");
        if (quire_sim_fails(x->host, QUIRE_SIM_TABLE) || !(space = calloc(1, sizeof *space)))
                return QUIRE_NO_MEMORY;
        if (quire_table_open(&space->table, &x->memory) != QUIRE_OK) {
                free(space);
                return QUIRE_NO_MEMORY;
        }
        space->x86 = x;
        space->owner = owner;
        space->claims = (struct quire_claims){ .host = x->host, .shift = 12,
                                               .va_end = QUIRE_X86_VA_END };
        space->next = x->spaces;
        x->spaces = space;
        *out = space;
        return QUIRE_OK;
}

void quire_x86_space_close(struct quire_mspace *space)
{
        struct quire_x86 *x = space->x86;
        struct quire_mspace **at = &x->spaces;
        const struct quire_claim *c;

        quire_sim_need_lock(x->host, "space_close");
        while ((c = quire_claim_from(&space->claims, 0)))
                if (c->kind == QUIRE_CLAIM_RESERVED)
                        quire_x86_release(space, c->first << 12, c->pages);
                else if (c->kind == QUIRE_CLAIM_DELEGATED)
                        quire_x86_delegate_release(space, c->first << 12, c->pages);
                else
                        quire_x86_obstacle_remove(space, c->first << 12, c->pages);
        for (unsigned i = 0; !(x->options.forget & QUIRE_X86_FORGET_CLOSE) &&
             i < x->options.processors; i++)
                quire_tlb_flush(&x->tlb[i], space->table.root);
        quire_table_close(&space->table);
        while (*at != space)
                at = &(*at)->next;
        *at = space->next;
        free(space);
}

void quire_x86_invalidate(struct quire_mspace *space, uint64_t va, enum quire_x86_forget why)
{
        struct quire_x86 *x = space->x86;
        unsigned self = quire_sim_self(x->host) % x->options.processors;

        if (x->options.forget & why)
                return;
        for (unsigned i = 0; i < x->options.processors; i++)
                if (i == self || !(x->options.forget & QUIRE_X86_FORGET_OTHERS))
                        quire_tlb_invalidate(&x->tlb[i], space->table.root, va);
}

enum quire_status quire_x86_reserve(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                    const struct quire_view *view, struct quire_range *obstacle)
{
        const struct quire_claim claim = quire_claim_view(space->x86->host, QUIRE_CLAIM_RESERVED,
                                                          view, view ? view->store->pages : 0,
                                                          pages);

        return quire_claim_new(&space->claims, va, pages, &claim, obstacle);
}

/* Unmap one page of the core's. */
static void hide_page(struct quire_mspace *space, uint64_t va, quire_pte entry,
                      enum quire_x86_forget why)
{
        struct quire_x86 *x = space->x86;
        quire_frame handle = (entry & QUIRE_PTE_FRAME) >> 12;

        quire_table_unmap(&space->table, va);
        quire_x86_invalidate(space, va, why);
        x->frame[handle].shown--;
}

/* Private frames lose what they contain, save where frames are shared. */
static void hide_range(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        struct quire_x86 *x = space->x86;
        bool lose = !x->abilities.shares_frames;
        uint64_t end = va + pages * QUIRE_X86_PAGE;
        bool large;

        for (quire_pte *e; (e = quire_table_next(&space->table, &va, end, &large));
             va += QUIRE_X86_PAGE) {
                quire_frame handle = (*e & QUIRE_PTE_FRAME) >> 12;

                hide_page(space, va, *e, QUIRE_X86_FORGET_DROP);
                if (lose && !x->frame[handle].store && !x->frame[handle].device)
                        memset(quire_x86_contents(x, handle),
                               (int)(0x80 | (quire_sim_random(x->host) & 0x7f)), QUIRE_X86_PAGE);
        }
}

void quire_x86_release(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "release");

        hide_range(space, va, pages);
        quire_claim_end(&space->claims, first, pages);
}

void quire_x86_drop(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED, "drop");
        hide_range(space, va, pages);
}

/* --------------------------------------------------------------- translations */

static const struct {
        unsigned access;
        enum quire_x86_cache cache;
} caches[] = {
        { QUIRE_CACHE_THROUGH, QUIRE_CACHE_WT },
        { QUIRE_CACHE_NONE, QUIRE_CACHE_UC },
        { QUIRE_CACHE_COMBINE, QUIRE_CACHE_WC },
};

struct quire_x86_page quire_x86_page_of(unsigned access)
{
        struct quire_x86_page page = { .access = access & (QUIRE_R | QUIRE_W | QUIRE_X),
                                       .user = !(access & QUIRE_KERNEL),
                                       .cache = QUIRE_CACHE_WB };

        for (unsigned i = 0; i < sizeof caches / sizeof *caches; i++)
                if ((access & QUIRE_CACHE_COMBINE) == caches[i].access)
                        page.cache = caches[i].cache;
        return page;
}

unsigned quire_x86_access_of(struct quire_x86_page page)
{
        unsigned access = page.access | (page.user ? 0 : QUIRE_KERNEL);

        for (unsigned i = 0; i < sizeof caches / sizeof *caches; i++)
                if (page.cache == caches[i].cache)
                        access |= caches[i].access;
        return access;
}

unsigned quire_x86_attributes(const struct quire_mspace *space, uint64_t va)
{
        bool large;
        const quire_pte *e = quire_table_find(&space->table, va, &large);

        if (!e || !(*e & QUIRE_PTE_PRESENT))
                return 0;
        return quire_x86_access_of(quire_pte_page(*e, large)) & QUIRE_ATTRIBUTES;
}

static void check_enter(struct quire_mspace *space, uint64_t va, quire_frame handle,
                        unsigned access)
{
        struct quire_x86 *x = space->x86;
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> 12);
        const struct quire_x86_frame *f = quire_x86_frame_of(x, handle, "enter");
        bool large;

        if (quire_table_find(&space->table, va, &large))
                quire_sim_stop(x->host, "enter at %llx, where something is shown",
                               (unsigned long long)va);
        quire_claim_check_write(x->host, c, f->store, access, "enter");
        if (x->abilities.shares_frames || f->device)
                return;
        if (!f->store && f->shown)
                quire_sim_stop(x->host, "enter at %llx of a private frame that is entered",
                               (unsigned long long)va);
        quire_claim_check_frame(x->host, c, va >> 12, f->store, f->index, 12);
}

enum quire_status quire_x86_enter(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                  const quire_frame *frames, unsigned access)
{
        struct quire_x86 *x = space->x86;
        const struct quire_x86_page page =
                quire_x86_page_of(quire_sim_enter_access(x->host, access));

        quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED, "enter");
        quire_sim_check_run(x->host, pages, "enter");
        for (uint64_t i = 0; i < pages; i++)
                check_enter(space, va + i * QUIRE_X86_PAGE, frames[i], access);
        if (quire_sim_fails(x->host, QUIRE_SIM_ENTER))
                return QUIRE_BUSY;
        if (quire_table_make(&space->table, va, pages) != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        for (uint64_t i = 0; i < pages; i++) {
                quire_table_map(&space->table, va + i * QUIRE_X86_PAGE,
                                quire_pte_make(frames[i] << 12, page, false));
                x->frame[frames[i]].shown++;
        }
        return QUIRE_OK;
}

static bool is_narrower(struct quire_x86_page page, struct quire_x86_page before)
{
        return before.access & ~page.access || (before.user && !page.user) ||
               before.cache != page.cache;
}

/* Widening needs no invalidation: a processor that remembers less faults once
 * more, forgets it, and the core grants again. */
void quire_x86_protect(struct quire_mspace *space, uint64_t va, uint64_t pages, unsigned access)
{
        const quire_pte noted = QUIRE_PTE_ACCESSED | QUIRE_PTE_DIRTY;
        const struct quire_x86_page page = quire_x86_page_of(access);
        uint64_t end = va + pages * QUIRE_X86_PAGE;
        struct quire_x86 *x = space->x86;
        bool large;

        quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED, "protect");
        quire_sim_check_access(x->host, access, "protect");
        for (quire_pte *e; (e = quire_table_next(&space->table, &va, end, &large));
             va += QUIRE_X86_PAGE) {
                struct quire_x86_page before = quire_pte_page(*e, false);
                uint64_t physical = *e & QUIRE_PTE_FRAME;

                quire_claim_check_write(x->host, quire_claim_at(&space->claims, va >> 12),
                                        x->frame[physical >> 12].store, access, "protect");
                *e = quire_pte_make(physical, page, false) | (*e & noted);
                if (is_narrower(page, before))
                        quire_x86_invalidate(space, va, QUIRE_X86_FORGET_PROTECT);
        }
}

enum quire_status quire_x86_take(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                 const quire_frame *frames)
{
        struct quire_x86 *x = space->x86;
        bool hole = false, large;

        quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED, "take");
        quire_sim_check_run(x->host, pages, "take");
        for (uint64_t i = 0; i < pages; i++) {
                const quire_pte *e = quire_table_find(&space->table, va + i * QUIRE_X86_PAGE,
                                                      &large);

                quire_x86_frame_of(x, frames[i], "take");
                if (!e)
                        hole = true;
                else if ((*e & QUIRE_PTE_FRAME) >> 12 != frames[i])
                        quire_sim_stop(x->host, "take at %llx of a frame that is not shown there",
                                       (unsigned long long)(va + i * QUIRE_X86_PAGE));
        }
        if (hole)
                return QUIRE_NOT_PRESENT;
        if (quire_sim_fails(x->host, QUIRE_SIM_TAKE))
                return QUIRE_BUSY;
        for (uint64_t i = 0; i < pages; i++)
                hide_page(space, va + i * QUIRE_X86_PAGE, frames[i] << 12,
                          QUIRE_X86_FORGET_TAKE);
        return QUIRE_OK;
}
