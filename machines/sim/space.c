/*
 * space.c - spaces of the simulated machine, and the ranges claimed in them.
 *
 * S1  Something is shown only where a range is reserved or delegated.
 */
#include "parts.h"

#include <stdlib.h>

void quire_sim_need_lock(struct quire_sim *s, const char *what)
{
        if (!quire_sim_locked(s->host))
                quire_sim_stop(s->host, "M4: %s without the core's lock", what);
}

static uint64_t check_range(struct quire_mspace *space, uint64_t va, uint64_t pages,
                            const char *what)
{
        struct quire_sim *s = space->sim;
        uint64_t end = s->abilities.va_end >> s->shift, first = va >> s->shift;

        quire_sim_need_lock(s, what);
        if (!pages || va & (s->page - 1) || first >= end || pages > end - first)
                quire_sim_stop(s->host, "M1: %s of %llu pages at %llx", what,
                               (unsigned long long)pages, (unsigned long long)va);
        return first;
}

uint64_t quire_sim_range(struct quire_mspace *space, uint64_t va, uint64_t pages,
                         enum quire_claim_kind kind, const char *what)
{
        uint64_t first = check_range(space, va, pages, what);

        if (!quire_claim_covers(&space->claims, first, pages, kind))
                quire_sim_stop(space->sim->host, "%s of %llu pages at %llx, not all of them %s",
                               what, (unsigned long long)pages, (unsigned long long)va,
                               kind == QUIRE_CLAIM_RESERVED ? "reserved" : "delegated");
        return first;
}

enum quire_status quire_sim_vacant(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                   struct quire_range *obstacle, const char *what)
{
        uint64_t first = check_range(space, va, pages, what);
        const struct quire_claim *c = quire_claim_from(&space->claims, first);

        if (!c || c->first >= first + pages)
                return QUIRE_OK;
        if (c->kind != QUIRE_CLAIM_OBSTACLE)
                quire_sim_stop(space->sim->host, "%s at %llx, where the core has a range", what,
                               (unsigned long long)va);
        obstacle->first = c->first << space->sim->shift;
        obstacle->pages = c->pages;
        return QUIRE_CONFLICT;
}

/* ------------------------------------------------------------------- spaces */

enum quire_status quire_sim_space_open(struct quire_machine *m, void *owner,
                                       struct quire_mspace **out)
{
        struct quire_sim *s = (struct quire_sim *)(void *)m;
        struct quire_mspace *space;

        quire_sim_need_lock(s, "space_open");
        if (quire_sim_fails(s->host, QUIRE_SIM_TABLE) || !(space = calloc(1, sizeof *space)))
                return QUIRE_NO_MEMORY;
        space->sim = s;
        space->owner = owner;
        space->next = s->spaces;
        s->spaces = space;
        *out = space;
        return QUIRE_OK;
}

void quire_sim_space_close(struct quire_mspace *space)
{
        struct quire_sim *s = space->sim;
        struct quire_mspace **at = &s->spaces;

        quire_sim_need_lock(s, "space_close");
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
                                    struct quire_store *store, uint64_t first,
                                    struct quire_range *obstacle)
{
        struct quire_sim *s = space->sim;
        enum quire_status st = quire_sim_vacant(space, va, pages, obstacle, "reserve");
        const struct quire_claim claim = {
                .kind = QUIRE_CLAIM_RESERVED, .first = va >> s->shift, .pages = pages,
                .store = store, .store_first = store ? first : 0,
        };

        if (st != QUIRE_OK)
                return st;
        if (store && (first >= store->pages || pages > store->pages - first))
                quire_sim_stop(s->host, "reserve of a view beyond the end of its store");
        if (quire_sim_fails(s->host, QUIRE_SIM_TABLE) ||
            !quire_claim_add(&space->claims, &claim))
                return QUIRE_NO_MEMORY;
        s->counts.reserves++;
        return QUIRE_OK;
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
                else if (f->kind == QUIRE_SIM_PRIVATE)
                        quire_sim_frame_move(space->sim, f);
        }
}

static void unclaim(struct quire_mspace *space, uint64_t first, uint64_t pages)
{
        if (!quire_claim_cut(&space->claims, first, pages))
                quire_sim_stop(space->sim->host, "the simulator itself has no memory for a claim");
        quire_claim_remove(&space->claims, first, pages);
}

void quire_sim_release(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = quire_sim_range(space, va, pages, QUIRE_CLAIM_RESERVED, "release");

        quire_sim_hide(space, first, pages);
        unclaim(space, first, pages);
}

void quire_sim_delegate_release(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = quire_sim_range(space, va, pages, QUIRE_CLAIM_DELEGATED,
                                         "delegate_release");

        quire_sim_hide(space, first, pages);
        unclaim(space, first, pages);
}

bool quire_sim_obstacle(struct quire_sim *s, struct quire_mspace *space, uint64_t va,
                        uint64_t pages)
{
        const struct quire_claim claim = { .kind = QUIRE_CLAIM_OBSTACLE,
                                           .first = va >> s->shift, .pages = pages };
        const struct quire_claim *next = quire_claim_from(&space->claims, claim.first);

        if (next && next->first < claim.first + pages)
                return false;
        return quire_claim_add(&space->claims, &claim);
}

void quire_sim_obstacle_remove(struct quire_sim *s, struct quire_mspace *space, uint64_t va,
                               uint64_t pages)
{
        if (!quire_claim_covers(&space->claims, va >> s->shift, pages, QUIRE_CLAIM_OBSTACLE))
                quire_sim_stop(s->host, "quire_sim_obstacle_remove where there is none");
        unclaim(space, va >> s->shift, pages);
}
