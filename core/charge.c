/*
 * charge.c - the commit charge: the promise that a committed page will find
 * storage, in a frame or in a pagefile.
 *
 * Charging is counting.  What keeps the promise is that the limit never exceeds
 * what frames and pagefiles hold together, unless the user asked for a limit of
 * his own and so for overcommitment.
 *
 * Does not decide: which pages are committed (ranges), where they lie (store).
 *
 * A region of an object that is shared shows pages that are charged to the object.
 *
 * G1  the system's charge is the sum of what is committed in regions that are
 *     charged, and of what objects are; a space's committed pages are the sum of
 *     its regions', a region's what its runs say.
 *
 * Lock: the system's.
 */
#include "core.h"

/* Frames that pages can have in a budget of so many: write buffers and room that
 * only the tier may take are aside. */
uint64_t quire_frames_at(const struct quire_system *sys, uint64_t budget)
{
        uint64_t aside = (uint64_t)sys->buffer_count * sys->buffer_pages + sys->headroom;

        return budget - quire_min(budget, aside);
}

/* In pages: what frames and pagefiles hold, less a batch where pages come and go,
 * since a page that comes in needs a frame while it has its slot. */
uint64_t quire_charge_limit_at(const struct quire_system *sys, uint64_t budget)
{
        uint64_t room = quire_slots_capacity(sys), frames = quire_frames_at(sys, budget);

        if (sys->commit_limit)
                return sys->commit_limit;
        if (room)
                frames -= quire_min(frames, quire_min(32, budget / 16));
        return room > UINT64_MAX - frames ? UINT64_MAX : room + frames;
}

uint64_t quire_charge_limit(const struct quire_system *sys)
{
        return quire_charge_limit_at(sys, sys->budget);
}

/* May so many pages more be promised? */
bool quire_charge_fits(const struct quire_system *sys, uint64_t pages)
{
        uint64_t limit = quire_charge_limit(sys), committed = sys->counters.committed;

        return !pages || (committed <= limit && pages <= limit - committed);
}

bool quire_region_charged(const struct quire_region *r)
{
        return !r->grant || r->copy;
}

/* False: over the limit, and nothing changed. */
bool quire_charge(struct quire_space *s, struct quire_region *r, uint64_t pages)
{
        struct quire_counters *c = &s->system->counters;

        must_hold(s->system);
        must(s->system, r->space == s && r->kind != QUIRE_FOREIGN);
        must(s->system, pages <= r->count - r->counters.committed);
        if (quire_region_charged(r)) {
                if (!quire_charge_fits(s->system, pages))
                        return false;
                c->committed += pages;
        }
        s->counters.committed += pages;
        r->counters.committed += pages;
        return true;
}

/* => that much was charged */
void quire_refund(struct quire_space *s, struct quire_region *r, uint64_t pages)
{
        must_hold(s->system);
        must(s->system, r->counters.committed >= pages);
        must(s->system, s->counters.committed >= pages);                       /* G1 */
        if (quire_region_charged(r)) {
                must(s->system, s->system->counters.committed >= pages);       /* G1 */
                s->system->counters.committed -= pages;
        }
        s->counters.committed -= pages;
        r->counters.committed -= pages;
}
