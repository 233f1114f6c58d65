/*
 * space.c - spaces of the simulated machine, and the ranges claimed in them.
 *
 * S1  Something is shown only where a range is reserved or delegated.
 */
#include "parts.h"

#include <stdlib.h>

/* ------------------------------------------------------------------- spaces */

enum quire_status quire_sim_space_open(struct quire_machine *m, void *owner,
                                       struct quire_mspace **out)
{
        struct quire_sim *s = (struct quire_sim *)(void *)m;
        struct quire_mspace *space;

        quire_sim_need_lock(s->host, "space_open");
        if (quire_sim_fails(s->host, QUIRE_SIM_TABLE) || !(space = calloc(1, sizeof *space)))
                return QUIRE_NO_MEMORY;
        space->sim = s;
        space->owner = owner;
        space->claims = (struct quire_claims){ .host = s->host, .shift = s->shift,
                                               .va_end = s->abilities.va_end };
        space->next = s->spaces;
        s->spaces = space;
        *out = space;
        return QUIRE_OK;
}

void quire_sim_space_close(struct quire_mspace *space)
{
        struct quire_sim *s = space->sim;
        struct quire_mspace **at = &s->spaces;

        quire_sim_need_lock(s->host, "space_close");
        quire_sim_hide(space, 0, UINT64_MAX);
        quire_claims_close(&space->claims);
        while (*at != space)
                at = &(*at)->next;
        *at = space->next;
        free(space);
}

struct quire_mspace *quire_sim_space(struct quire_sim *s, const void *owner)
{
        struct quire_mspace *space = s->spaces;

        while (space && space->owner != owner)
                space = space->next;
        return space;
}

/* ------------------------------------------------------------------- ranges */

enum quire_status quire_sim_reserve(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                    const struct quire_view *view, struct quire_range *obstacle)
{
        const struct quire_claim claim = quire_claim_view(space->sim->host, QUIRE_CLAIM_RESERVED,
                                                          view, view ? view->store->pages : 0,
                                                          pages);
        enum quire_status st;

        st = quire_claim_new(&space->claims, va, pages, &claim, obstacle);
        space->sim->counts.reserves += st == QUIRE_OK;
        return st;
}

void quire_sim_hide(struct quire_mspace *space, uint64_t first, uint64_t pages)
{
        uint64_t end = pages > UINT64_MAX - first ? UINT64_MAX : first + pages;
        struct quire_sim_page *p;

        for (; (p = quire_sim_map_next(&space->shown, &first, end)); first++) {
                struct quire_sim_frame *f = p->thing;

                quire_sim_map_clear(&space->shown, first);
                f->shown--;
                if (f->kind == QUIRE_SIM_PLAIN)
                        quire_sim_frame_drop(space->sim, f);
                else if (f->kind == QUIRE_SIM_PRIVATE && !space->sim->abilities.shares_frames)
                        quire_sim_frame_move(space->sim, f);
        }
}

void quire_sim_release(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_RESERVED,
                                           "release");

        quire_sim_hide(space, first, pages);
        quire_claim_end(&space->claims, first, pages);
}

bool quire_sim_obstacle(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        return quire_claim_obstacle(&space->claims, va, pages);
}

void quire_sim_obstacle_remove(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        quire_claim_clear(&space->claims, va, pages);
}
