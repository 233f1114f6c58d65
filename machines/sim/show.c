/*
 * show.c - translations of the simulated machine: enter, protect, take, drop.
 *
 * Every call checks all it is given before it changes anything (M3).
 */
#include "parts.h"

#include <string.h>

static void check_enter(struct quire_mspace *space, uint64_t page, struct quire_sim_frame *f)
{
        struct quire_sim *s = space->sim;
        const struct quire_claim *c = quire_claim_at(&space->claims, page);
        unsigned long long va = (unsigned long long)page << s->shift;

        if (quire_sim_map_find(&space->shown, page))
                quire_sim_stop(s->host, "enter at %llx, where something is shown", va);
        if (f->kind == QUIRE_SIM_PRIVATE && f->shown)
                quire_sim_stop(s->host, "enter at %llx of a private frame that is entered", va);
        if (f->store && (f->store != c->store || f->index != c->store_first + page - c->first))
                quire_sim_stop(s->host, "enter at %llx of a store frame that is not the view's "
                               "own page", va);
}

enum quire_status quire_sim_enter(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                  const quire_frame *frames, unsigned access)
{
        struct quire_sim *s = space->sim;
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "enter");
        struct quire_sim_frame *f[QUIRE_RUN_MAX];

        quire_sim_check_run(s->host, pages, "enter");
        quire_sim_check_access(s->host, access, "enter");
        for (uint64_t i = 0; i < pages; i++) {
                f[i] = quire_sim_frame_of(s, frames[i], "enter");
                check_enter(space, first + i, f[i]);
                for (uint64_t k = 0; f[i]->kind == QUIRE_SIM_PRIVATE && k < i; k++)
                        if (f[k] == f[i])
                                quire_sim_stop(s->host, "enter of one private frame twice");
        }
        if (quire_sim_fails(s->host, QUIRE_SIM_ENTER))
                return QUIRE_BUSY;
        for (uint64_t i = 0; i < pages; i++) {
                struct quire_sim_page *p = quire_sim_map_set(&space->shown, first + i, f[i]);

                if (!p)
                        quire_sim_stop(s->host, "the simulator itself has no memory for a page");
                p->access = (uint8_t)access;
                f[i]->shown++;
                if (f[i]->kind == QUIRE_SIM_PRIVATE)
                        quire_sim_frame_move(s, f[i]);
        }
        s->counts.enters++;
        s->counts.entered += pages;
        return QUIRE_OK;
}

void quire_sim_protect(struct quire_mspace *space, uint64_t va, uint64_t pages, unsigned access)
{
        struct quire_sim *s = space->sim;
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "protect");
        uint64_t end = first + pages;
        struct quire_sim_page *p;

        quire_sim_check_access(s->host, access, "protect");
        for (; (p = quire_sim_map_next(&space->shown, &first, end)); first++)
                p->access = (uint8_t)access;
        s->counts.protects++;
}

enum quire_status quire_sim_take(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                 const quire_frame *frames)
{
        struct quire_sim *s = space->sim;
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "take");
        bool hole = false;

        quire_sim_check_run(s->host, pages, "take");
        for (uint64_t i = 0; i < pages; i++) {
                const struct quire_sim_page *p = quire_sim_map_find(&space->shown, first + i);

                if (!p)
                        hole = true;
                else if (p->thing != quire_sim_frame_of(s, frames[i], "take"))
                        quire_sim_stop(s->host, "take at %llx of a frame that is not shown there",
                                       (unsigned long long)(first + i) << s->shift);
        }
        if (hole)
                return QUIRE_NOT_PRESENT;
        if (quire_sim_fails(s->host, QUIRE_SIM_TAKE))
                return QUIRE_BUSY;
        quire_sim_hide(space, first, pages);
        s->counts.takes++;
        s->counts.taken += pages;
        return QUIRE_OK;
}

/* As take, but the contents of private frames are lost: the core must not find
 * them there later. */
void quire_sim_drop(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        struct quire_sim *s = space->sim;
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "drop");
        uint64_t end = first + pages;
        struct quire_sim_page *p;

        for (uint64_t i = first; (p = quire_sim_map_next(&space->shown, &i, end)); i++) {
                struct quire_sim_frame *f = p->thing;

                if (f->kind == QUIRE_SIM_PRIVATE)
                        memset(f->contents, (int)(0x80 | (quire_sim_random(s->host) & 0x7f)),
                               s->page);
        }
        quire_sim_hide(space, first, pages);
        s->counts.drops++;
}
