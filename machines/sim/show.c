/*
 * show.c - translations of the simulated machine: enter, protect, take, drop.
 *
 * Every call checks all it is given before it changes anything (M3).
 */
#include "parts.h"

#include <string.h>

static void check_enter(struct quire_mspace *space, uint64_t page, struct quire_sim_frame *f,
                        unsigned access)
{
        struct quire_sim *s = space->sim;
        const struct quire_claim *c = quire_claim_at(&space->claims, page);
        unsigned long long va = (unsigned long long)page << s->shift;

        if (quire_sim_map_find(&space->shown, page))
                quire_sim_stop(s->host, "enter at %llx, where something is shown", va);
        quire_claim_check_write(s->host, c, f->store, access, "enter");
        if (s->abilities.shares_frames || f->kind == QUIRE_SIM_PHYSICAL)
                return;
        if (f->kind == QUIRE_SIM_PRIVATE && f->shown)
                quire_sim_stop(s->host, "enter at %llx of a private frame that is entered", va);
        quire_claim_check_frame(s->host, c, page, f->store, f->index, s->shift);
}

/* The same private frame twice in one call. */
static bool is_doubled(const struct quire_sim *s, struct quire_sim_frame *const *f, uint64_t i)
{
        if (s->abilities.shares_frames || f[i]->kind != QUIRE_SIM_PRIVATE)
                return false;
        for (uint64_t k = 0; k < i; k++)
                if (f[k] == f[i])
                        return true;
        return false;
}

enum quire_status quire_sim_enter(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                  const quire_frame *frames, unsigned access)
{
        struct quire_sim *s = space->sim;
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "enter");
        struct quire_sim_frame *f[QUIRE_RUN_MAX];

        quire_sim_check_run(s->host, pages, "enter");
        access = quire_sim_enter_access(s->host, access);
        for (uint64_t i = 0; i < pages; i++) {
                f[i] = quire_sim_frame_of(s, frames[i], "enter");
                check_enter(space, first + i, f[i], access);
                if (is_doubled(s, f, i))
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
                if (f[i]->kind == QUIRE_SIM_PRIVATE && !s->abilities.shares_frames)
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
        for (; (p = quire_sim_map_next(&space->shown, &first, end)); first++) {
                quire_claim_check_write(s->host, quire_claim_at(&space->claims, first),
                                        ((struct quire_sim_frame *)p->thing)->store, access,
                                        "protect");
                p->access = (uint8_t)access;
        }
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

/* As take, but the contents of private frames are lost, save where frames are
 * shared: the core must not find them there later. */
void quire_sim_drop(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        struct quire_sim *s = space->sim;
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "drop");
        uint64_t end = first + pages;
        struct quire_sim_page *p;

        for (uint64_t i = first; (p = quire_sim_map_next(&space->shown, &i, end)); i++) {
                struct quire_sim_frame *f = p->thing;

                if (f->kind == QUIRE_SIM_PRIVATE && !s->abilities.shares_frames)
                        memset(f->contents, (int)(0x80 | (quire_sim_random(s->host) & 0x7f)),
                               s->page);
        }
        quire_sim_hide(space, first, pages);
        s->counts.drops++;
}
