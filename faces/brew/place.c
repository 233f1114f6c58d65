/*
 * place.c - which addresses belong to a region, and keeping them free.
 *
 * A *range* is addresses that are a memory's.  A *seat* is what that means in one
 * environment: the addresses are reserved there by us, or a map lies there.
 *
 *     neither flag    one range, with a seat in the environment that created it:
 *                     the first map finds its place as GetInfo says
 *     VIRTUAL_COMMON  one range, with a seat in every environment of the system
 *     VIRTUAL_EXCL    a range for each environment that has mapped it, with a seat
 *                     in every environment; only its owner's is ever taken
 *
 * P1  what a seat keeps lies in its range; a seat that is taken keeps at most the rest.
 * P2  a range of a memory with a VIRTUAL flag has a seat in every open environment of its
 *     system.
 *
 * Between releasing what is kept and reserving it for the map, a thread that reserves
 * natively can be faster.  The map is then refused, or lies elsewhere, and the seat
 * keeps nothing until the next one leaves.
 *
 * Lock: the face's.
 */
#include "inside.h"

#include <stdlib.h>

struct seat {
        struct seat *next;           /* of its range */
        struct range *range;
        struct env *env;
        uint64 first, bytes;         /* what is kept; bytes 0: nothing */
        bool taken;                  /* a map lies there */
};

struct range {
        struct range *next;          /* of its memory */
        struct range *after, **link; /* all that there are */
        struct memory *memory;
        struct env *owner;           /* whose seat may be taken; null: everybody's, or it is gone */
        uint64 va, bytes;
        struct seat *seats;
};

static struct range *all;

static bool is_virtual(const struct memory *m)
{
        return m->flags & (MEMREGION_VIRTUAL_EXCL | MEMREGION_VIRTUAL_COMMON);
}

/* ----------------------------------------------------------------- keeping */

/* Keep the range's bytes at the lowest place from `low' on (0: wherever the layout has
 * it), or just there. */
static enum quire_status keep(struct seat *s, uint64 low, bool exact)
{
        const struct quire_request request = {
                .bytes = s->range->bytes,
                .va = low,
                .flags = exact ? QUIRE_EXACT : 0,
                .low = exact ? 0 : low,
                .high = exact || !low ? 0 : ~(quire_system_page(s->env->system) - 1),
        };
        enum quire_status st = quire_region_reserve(s->env->space, &request, &s->first);

        s->bytes = st == QUIRE_OK ? request.bytes : 0;
        return st;
}

/* No longer keep the first `bytes'.  => they are kept */
static enum quire_status let_go(struct seat *s, uint64 bytes)
{
        enum quire_status st = quire_region_release(s->env->space, s->first, bytes);

        if (st == QUIRE_OK) {
                s->first += bytes;
                s->bytes -= bytes;
        }
        return st;
}

/* What was kept is gone, or it is not ours to release. */
static void let_all_go(struct seat *s)
{
        if (s->bytes && let_go(s, s->bytes) != QUIRE_OK)
                s->bytes = 0;
}

/* Keep all of it again, as far as nobody was faster. */
static void keep_again(struct seat *s)
{
        let_all_go(s);
        if (keep(s, s->range->va, true) != QUIRE_OK)
                s->bytes = 0;
}

static enum quire_status keep_exactly(struct range *r)
{
        enum quire_status st = QUIRE_OK;

        for (struct seat *s = r->seats; s && st == QUIRE_OK; s = s->next)
                st = keep(s, r->va, true);
        return st;
}

/* Find the lowest place that is free for all seats: each in turn says where it could be at
 * the lowest, until all say the same. */
static enum quire_status keep_anywhere(struct range *r)
{
        struct seat *s = r->seats;

        while (s) {
                enum quire_status st = keep(s, r->va, false);

                if (st != QUIRE_OK)
                        return st;
                if (s == r->seats || s->first == r->va) {
                        r->va = s->first;
                        s = s->next;
                        continue;
                }
                r->va = s->first;
                for (s = r->seats; s; s = s->next)
                        let_all_go(s);
                s = r->seats;
        }
        return QUIRE_OK;
}

/* ------------------------------------------------------------------ ranges */

static struct seat *add_seat(struct range *r, struct env *e)
{
        struct seat *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->range = r;
        s->env = e;
        s->next = r->seats;
        r->seats = s;
        return s;
}

static void remove_seat(struct seat **link)
{
        struct seat *s = *link;

        *link = s->next;
        let_all_go(s);
        free(s);
}

static void range_close(struct range *r)
{
        while (r->seats)
                remove_seat(&r->seats);
        *r->link = r->after;
        if (r->after)
                r->after->link = r->link;
        free(r);
}

/* The owner's seat is the first, so that its layout has the first word. */
static bool add_seats(struct range *r, struct env *first)
{
        for (struct env *e = quire_brew_next_env(NULL); e; e = quire_brew_next_env(e))
                if (is_virtual(r->memory) && e != first && e->system == first->system &&
                    !add_seat(r, e))
                        return false;
        return add_seat(r, first);
}

static struct range *range_new(struct memory *m, struct env *e, uint64 va)
{
        struct range *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        *r = (struct range){ .memory = m, .va = va, .bytes = m->bytes, .after = all, .link = &all };
        r->owner = m->flags & MEMREGION_VIRTUAL_COMMON ? NULL : e;
        if (all)
                all->link = &r->after;
        return all = r;
}

static enum quire_status range_open(struct memory *m, struct env *e, uint64 va,
                                    struct range **out)
{
        struct range *r = range_new(m, e, va);
        enum quire_status st = QUIRE_NO_MEMORY;

        if (!r)
                return QUIRE_NO_MEMORY;
        if (add_seats(r, e))
                st = va ? keep_exactly(r) : keep_anywhere(r);
        if (st != QUIRE_OK) {
                range_close(r);
                return st;
        }
        r->next = m->ranges;
        *out = m->ranges = r;
        return QUIRE_OK;
}

enum quire_status quire_brew_ranges_open(struct memory *m, struct env *e, uint64 va, uint64 *out)
{
        struct range *r = NULL;
        enum quire_status st = range_open(m, e, va, &r);

        if (st == QUIRE_OK)
                *out = r->va;
        return st;
}

void quire_brew_ranges_close(struct memory *m)
{
        while (m->ranges) {
                struct range *r = m->ranges;

                m->ranges = r->next;
                range_close(r);
        }
}

/* ------------------------------------------------------------ environments */

enum quire_status quire_brew_places_enter(struct env *e)
{
        enum quire_status st = QUIRE_OK;

        for (struct range *r = all; r && st == QUIRE_OK; r = r->after) {
                struct seat *s;

                if (!is_virtual(r->memory) || r->memory->system != e->system)
                        continue;
                s = add_seat(r, e);
                st = s ? keep(s, r->va, true) : QUIRE_NO_MEMORY;
        }
        return st;
}

/* What it owned is nobody's from now on, and need not be kept. */
void quire_brew_places_leave(struct env *e)
{
        for (struct range *r = all; r; r = r->after) {
                bool owned = r->owner == e;
                struct seat **link = &r->seats;

                while (*link)
                        if (owned || (*link)->env == e)
                                remove_seat(link);
                        else
                                link = &(*link)->next;
                if (owned)
                        r->owner = NULL;
        }
}

/* -------------------------------------------------------------------- maps */

/* The seat that the environment may take; null: there is none. */
static struct seat *find_seat(const struct memory *m, const struct env *e)
{
        for (const struct range *r = m->ranges; r; r = r->next) {
                if (r->owner && r->owner != e)
                        continue;
                for (struct seat *s = r->seats; s; s = s->next)
                        if (s->env == e)
                                return s;
        }
        return NULL;
}

static enum quire_status take_seat(struct seat *s, struct quire_request *q, uint64 *va)
{
        enum quire_status st = s->bytes ? let_go(s, q->bytes) : QUIRE_OK;

        if (st != QUIRE_OK)
                return st;
        q->va = s->range->va;
        q->flags |= QUIRE_EXACT;
        st = quire_region_reserve(s->env->space, q, va);
        q->flags &= ~(unsigned)QUIRE_EXACT;
        if (st == QUIRE_OK)
                s->taken = true;
        else
                keep_again(s);
        return st;
}

enum quire_status quire_brew_place_take(struct memory *m, struct env *e,
                                        struct quire_request *q, uint64 *va, struct seat **out)
{
        struct seat *s = find_seat(m, e);
        enum quire_status st = QUIRE_CONFLICT;
        struct range *r;

        *out = NULL;
        if (!s && m->flags & MEMREGION_VIRTUAL_EXCL) {
                st = range_open(m, e, 0, &r);
                if (st != QUIRE_OK)
                        return st;
                s = find_seat(m, e);
        }
        if (s && !s->taken)
                st = take_seat(s, q, va);
        if (st == QUIRE_OK)
                *out = s;
        else if (st == QUIRE_CONFLICT && !is_virtual(m))
                st = quire_region_reserve(e->space, q, va);
        return st;
}

void quire_brew_place_leave(struct seat *s)
{
        if (!s)
                return;
        s->taken = false;
        keep_again(s);
}
