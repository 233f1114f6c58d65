/*
 * record.c - the fault set of an object: which pages its pager was asked for, in what
 * order, and bringing them in before anybody asks.
 *
 *      a first start   asked for 7, 8, 3, 20..51, ...      noted as runs
 *      a later one     the same runs, read while the program begins to run
 *
 * Bringing in takes free frames only, and little at a time, so that what is touched
 * meanwhile comes first.
 *
 * Does not decide: where runs are kept from one start to the next (machines/).
 *
 * N1  notes <= notes_room; without noted both are 0, and nothing is full.
 *
 * Lock: the system's.
 */
#include "core.h"

#define MOST_LENT 512u           /* pages that are read before their time, at most */

/* The pager is being asked for the pages. */
void quire_record_note(struct quire_object *o, uint64_t index, uint64_t count)
{
        struct quire_range *last = o->notes ? &o->noted[o->notes - 1] : NULL;

        must_hold(o->system);
        must(o->system, o->notes <= o->notes_room && !o->noted == !o->notes_room);     /* N1 */
        must(o->system, !o->notes_full || o->notes == o->notes_room);                  /* N1 */
        if (last && last->first + last->pages == index)
                last->pages += count;
        else if (o->notes < o->notes_room)
                o->noted[o->notes++] = (struct quire_range){ index, count };
        else
                o->notes_full = o->noted != NULL;
}

enum quire_status quire_object_record(struct quire_grant *g, struct quire_range *runs,
                                      uint64_t room, uint64_t *count)
{
        struct quire_object *o = g ? g->object : NULL;
        enum quire_status st = QUIRE_OK;

        if (!o || !o->pager || !count || (room && !runs))
                return QUIRE_INVALID;
        quire_enter(g->system);
        *count = o->notes;
        for (uint64_t i = 0; !room && i < o->notes; i++)
                o->noted[i].first <<= g->system->shift;
        if (o->noted && room && o->noted != runs) {
                st = QUIRE_BUSY;
        } else if (!room || !o->noted) {
                if (o->notes_full)
                        st = QUIRE_LIMIT;
                o->notes_full = false;
                o->noted = room ? runs : NULL;
                o->notes = 0;
                o->notes_room = room;
        }
        quire_leave(g->system);
        return st;
}

/* Pages of the range, by a pager that has to be waited for. */
static enum quire_status ask_now(struct quire_object *o, uint64_t *index, uint64_t end)
{
        struct quire_system *sys = o->system;
        enum quire_status st = QUIRE_OK;

        o->refs++;
        while (*index < end && st == QUIRE_OK && !o->dead) {
                unsigned n = (unsigned)quire_min(end - *index, QUIRE_IO_MAX);

                if (quire_page_has(quire_radix_find(&o->pages, *index)))
                        n = 1;
                else if (sys->late > MOST_LENT)
                        st = QUIRE_BUSY;
                else
                        st = quire_pager_ask(o, *index, &n, QUIRE_R);
                if (st == QUIRE_BUSY && n && sys->late <= MOST_LENT)
                        st = QUIRE_OK;           /* it is on its way */
                if (st == QUIRE_OK)
                        *index += n;
        }
        quire_object_drop(o);
        return st;
}

static enum quire_status ask_ahead(struct quire_object *o, uint64_t *index, uint64_t end)
{
        struct quire_system *sys = o->system;
        uint64_t most = sys->lent < MOST_LENT ? MOST_LENT - sys->lent : 0;
        uint64_t to = *index + quire_min(most, end - *index);

        *index = quire_pager_ask_ahead(o, *index, to - *index, QUIRE_AHEAD_FREE);
        if (*index == end)
                return QUIRE_OK;
        if (*index == to || sys->lent)
                return QUIRE_BUSY;
        return sys->taken + sys->headroom >= sys->budget ? QUIRE_NO_MEMORY : QUIRE_BUSY;
}

enum quire_status quire_object_prefetch(struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                        uint64_t *did)
{
        struct quire_object *o = g ? g->object : NULL;
        uint64_t first, index, end;
        enum quire_status st;

        if (!o || !o->pager || !did || !bytes ||
            (offset | bytes) & (((uint64_t)1 << g->system->shift) - 1))
                return QUIRE_INVALID;
        first = index = offset >> g->system->shift;
        end = first + (bytes >> g->system->shift);
        if (first >= o->count || end - first > o->count - first)
                return QUIRE_INVALID;
        quire_enter(g->system);
        if (!quire_grant_valid(g))
                st = QUIRE_NOT_PRESENT;
        else if (o->dead)
                st = QUIRE_IO_ERROR;
        else if (o->pager->ahead)
                st = ask_ahead(o, &index, end);
        else
                st = ask_now(o, &index, end);
        *did = (index - first) << g->system->shift;
        quire_leave(g->system);
        return st;
}
