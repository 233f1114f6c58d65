/*
 * clone.c - a copy of a whole space: what fork would make.
 *
 * Every region gets one like it at the same address.  A private region's object
 * is snapped (copy.c), once for all the regions that share it; a mapped region
 * shows the same object.
 *
 * Does not decide: what is copied when (copy.c, fault.c).
 *
 * Lock: the system's, held from the first region to the last, so that the copy is
 * of one moment.
 */
#include "region.h"

/* The copy's object for the region; null: *st says why. */
static struct quire_object *copy_object(const struct quire_region *r, struct quire_space *into,
                                        enum quire_status *st)
{
        struct quire_object *o = r->object, *twin = o->twin;

        must_hold(into->system);
        must(into->system, !twin || (twin->home == into && twin->base == o->base));

        *st = QUIRE_OK;
        if (r->grant && !r->copy)
                twin = o;
        if (twin) {
                twin->refs++;
                return twin;
        }
        *st = QUIRE_NO_MEMORY;
        twin = quire_object_open_private(into->system, into);
        if (!twin)
                return NULL;
        twin->base = o->base;
        *st = quire_object_snapshot(o, twin);
        if (*st == QUIRE_OK) {
                must(into->system, twin->parent && twin->parent != twin);
                o->twin = twin;
                return twin;
        }
        quire_object_drop(twin);
        return NULL;
}

static enum quire_status copy_record(const struct quire_region *r, struct quire_region *u,
                                     struct quire_space *into)
{
        enum quire_status st = quire_ranges_copy(into->system, &r->ranges, &u->ranges);

        must(into->system, r->space->system == into->system && r->space != into);
        must(into->system, st != QUIRE_OK || u->ranges.count == r->count);
        u->space = into;
        u->kind = r->kind;
        u->count = r->count;
        u->object_first = r->object_first;
        u->watched = r->watched;
        u->copy = r->copy;
        u->revoked = r->revoked;
        u->rights = r->rights;
        u->attributes = r->attributes;
        u->pattern = r->pattern;
        u->tag = r->tag;
        if (st == QUIRE_OK && r->object) {
                u->object = copy_object(r, into, &st);
                if (u->object)
                        u->object->regions++;
        }
        if (st == QUIRE_OK && r->grant) {
                u->grant = r->grant;
                quire_grant_ref(u->grant);
        }
        return st;
}

static enum quire_status may_copy(const struct quire_region *r)
{
        must(r->space->system, r->kind != QUIRE_FOREIGN && r->count > 0);
        if (r->kind == QUIRE_PLAIN && !r->grant)
                return QUIRE_UNSUPPORTED;
        return r->grant && r->grant->object->flags & QUIRE_SOLE ? QUIRE_UNSUPPORTED : QUIRE_OK;
}

static enum quire_status copy_region(const struct quire_region *r, struct quire_space *into)
{
        struct quire_region *u = quire_alloc(into->system, sizeof(*u));
        enum quire_status st = u ? copy_record(r, u, into) : QUIRE_NO_MEMORY;
        struct quire_request q = quire_region_request(r, r->count);
        uint64_t first;

        must_hold(into->system);
        must(into->system, r->kind != QUIRE_FOREIGN);
        q.va = r->node.key << into->system->shift;
        q.flags |= QUIRE_EXACT;
        if (st == QUIRE_OK && !quire_charge(into, u, r->counters.committed))
                st = QUIRE_LIMIT;
        if (st == QUIRE_OK) {
                st = quire_place_claim(into, &q, &first);
                if (st != QUIRE_OK)
                        quire_refund(into, u, u->counters.committed);
        }
        if (st == QUIRE_OK) {
                must(into->system, first == r->node.key);
                must(into->system, u->counters.committed == r->counters.committed);
                quire_region_apply_reserve(u, first);
        } else if (u) {
                quire_region_free(u);
        }
        return st;
}

/* May all of it be copied, and promised? */
static enum quire_status may_copy_regions(struct quire_space *from)
{
        enum quire_status st = QUIRE_OK;
        uint64_t pages = 0;

        for (struct quire_node *n = quire_tree_first(&from->regions); n && st == QUIRE_OK;
             n = quire_tree_next(n)) {
                const struct quire_region *r = quire_region_of(n);

                if (n == &from->sentinel.node || r->kind == QUIRE_FOREIGN)
                        continue;
                st = may_copy(r);
                pages += quire_region_charged(r) ? r->counters.committed : 0;
        }
        must(from->system, pages <= from->system->counters.committed);         /* G1 */
        if (st == QUIRE_OK && !quire_charge_fits(from->system, pages))
                st = QUIRE_LIMIT;
        return st;
}

static enum quire_status copy_regions(struct quire_space *from, struct quire_space *into)
{
        enum quire_status st = may_copy_regions(from);
        struct quire_node *n;

        for (n = quire_tree_first(&from->regions); n && st == QUIRE_OK; n = quire_tree_next(n))
                if (n != &from->sentinel.node && quire_region_of(n)->kind != QUIRE_FOREIGN)
                        st = copy_region(quire_region_of(n), into);
        for (n = quire_tree_first(&from->regions); n; n = quire_tree_next(n))
                if (quire_region_of(n)->object)
                        quire_region_of(n)->object->twin = NULL;
        return st;
}

/* BUSY: no frame for what must be copied at once. */
static enum quire_status clone(struct quire_space *from, struct quire_space **out)
{
        struct quire_system *sys = from->system;
        struct quire_space *into = NULL;
        enum quire_status st = quire_space_open(sys, from->layout, &into);

        if (st != QUIRE_OK)
                return st;
        quire_enter(sys);
        while (sys->transit)
                quire_wait_settled(sys);
        st = copy_regions(from, into);
        quire_leave(sys);
        if (st == QUIRE_OK)
                *out = into;
        else
                quire_space_close(into);
        return st;
}

enum quire_status quire_space_clone(struct quire_space *from, struct quire_space **out)
{
        enum quire_status st;

        if (!from || !out)
                return QUIRE_INVALID;
        while ((st = clone(from, out)) == QUIRE_BUSY) {
                quire_enter(from->system);
                st = quire_reclaim(from->system);
                quire_leave(from->system);
                if (st != QUIRE_OK)
                        break;
        }
        return st;
}
