/*
 * plain.c - delegated ranges of the simulated machine, and harvest.
 *
 * A plain page has memory from its first touch on (sim.c) until it is discarded
 * or released.  In a view it is the store's page, which stays the store's; in one
 * that copies a page of its own from the first write on.
 */
#include "parts.h"

/* What is not done to views. */
static void refuse_view(const struct quire_mspace *space, uint64_t first, const char *what)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, first);

        if (c->store)
                quire_sim_stop(space->sim->host, "%s of a view", what);
}

static uint64_t range_of(struct quire_mspace *space, uint64_t va, uint64_t pages,
                         const char *what)
{
        return quire_claim_range(&space->claims, va, pages, QUIRE_CLAIM_DELEGATED, what);
}

enum quire_status quire_sim_delegate(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                     const struct quire_view *view,
                                     struct quire_range *obstacle)
{
        const struct quire_claim claim = quire_claim_view(space->sim->host, QUIRE_CLAIM_DELEGATED,
                                                          view, view ? view->store->pages : 0,
                                                          pages);
        enum quire_status st = quire_claim_new(&space->claims, va, pages, &claim, obstacle);

        space->sim->counts.delegates += st == QUIRE_OK;
        return st;
}

void quire_sim_delegate_release(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = range_of(space, va, pages, "delegate_release");

        quire_sim_hide(space, first, pages);
        quire_claim_end(&space->claims, first, pages);
}

enum quire_status quire_sim_delegate_protect(struct quire_mspace *space, uint64_t va,
                                             uint64_t pages, unsigned access)
{
        struct quire_sim *s = space->sim;
        uint64_t first = range_of(space, va, pages, "delegate_protect");

        if (access & ~(unsigned)(QUIRE_R | QUIRE_W | QUIRE_X | QUIRE_ATTRIBUTES))
                quire_sim_stop(s->host, "delegate_protect with access %u", access);
        if (quire_sim_fails(s->host, QUIRE_SIM_TABLE) ||
            !quire_claim_cut(&space->claims, first, pages))
                return QUIRE_NO_MEMORY;
        quire_claim_set(&space->claims, first, pages, (int)access, -1);
        return QUIRE_OK;
}

void quire_sim_delegate_discard(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        uint64_t first = range_of(space, va, pages, "delegate_discard");

        refuse_view(space, first, "delegate_discard");
        quire_sim_hide(space, first, pages);
}

enum quire_status quire_sim_delegate_watch(struct quire_mspace *space, uint64_t va,
                                           uint64_t pages)
{
        struct quire_sim *s = space->sim;
        uint64_t first = range_of(space, va, pages, "delegate_watch");
        uint64_t end = first + pages;
        struct quire_sim_page *p;

        refuse_view(space, first, "delegate_watch");
        if (quire_sim_fails(s->host, QUIRE_SIM_TABLE) ||
            !quire_claim_cut(&space->claims, first, pages))
                return QUIRE_NO_MEMORY;
        quire_claim_set(&space->claims, first, pages, -1, true);
        for (; (p = quire_sim_map_next(&space->shown, &first, end)); first++)
                p->noted &= (uint8_t)~QUIRE_MODIFIED;
        return QUIRE_OK;
}

enum quire_status quire_sim_harvest(struct quire_mspace *space, uint64_t va, uint64_t pages,
                                    uint8_t *bits)
{
        struct quire_sim *s = space->sim;
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> s->shift);
        enum quire_claim_kind kind = c ? (enum quire_claim_kind)c->kind : QUIRE_CLAIM_RESERVED;
        uint64_t first = quire_claim_range(&space->claims, va, pages, kind, "harvest");

        for (uint64_t i = 0; i < pages; i++) {
                struct quire_sim_page *p = quire_sim_map_find(&space->shown, first + i);

                bits[i] = 0;
                if (!p)
                        continue;
                c = quire_claim_at(&space->claims, first + i);
                if (s->abilities.notes_referenced)
                        bits[i] |= p->noted & QUIRE_REFERENCED;
                if (c->watched)
                        bits[i] |= p->noted & QUIRE_MODIFIED;
                p->noted = 0;
        }
        s->counts.harvests++;
        return QUIRE_OK;
}
