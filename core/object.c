/*
 * object.c - objects: where the pages of regions come from.
 *
 * A private region has an anonymous object of its own.  Page i of it lies at
 * address base + i of its one space, for as long as the region is not moved, so
 * that a page finds its mapping without a list; releasing a part of a region
 * leaves the object to the parts that remain.
 *
 * Does not decide: protections and commitment (the region's).
 *
 * O1  every record lies in a region that maps the object.
 * O2  refs counts those regions; no object is without.
 *
 * Lock: the system's.
 */
#include "core.h"

/* With one reference.  Null: no memory. */
struct quire_object *quire_object_open(struct quire_system *sys, struct quire_space *home)
{
        struct quire_object *o = quire_alloc(sys, sizeof(*o));

        must(sys, home && home->system == sys);
        if (o) {
                o->system = sys;
                o->home = home;
                o->refs = 1;
                o->number = ++sys->objects;
        }
        return o;
}

/* => the region that let go has cleared its pages */
void quire_object_drop(struct quire_object *o)
{
        must_hold(o->system);
        must(o->system, o->refs > 0);                                          /* O2 */
        if (--o->refs)
                return;
        must(o->system, !o->pages.pages);
        quire_free(o->system, o, sizeof(*o));
}

struct quire_page *quire_object_page(struct quire_object *o, uint64_t index)
{
        struct quire_page *p = quire_radix_find(&o->pages, index);

        must_hold(o->system);
        if (p)
                return p;
        p = quire_alloc(o->system, sizeof(*p));
        if (!p)
                return NULL;
        p->object = o;
        p->index = index;
        if (quire_radix_insert(o->system, &o->pages, p) != QUIRE_OK) {
                quire_free(o->system, p, sizeof(*p));
                return NULL;
        }
        return p;
}

/* The shown pages of the range vanish in one call, from the first to the last. */
static void drop_shown(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_system *sys = o->system;
        uint64_t low = 0, high = 0;
        struct quire_page *p;

        for (p = quire_radix_next(&o->pages, first); p && p->index - first < count;
             p = quire_radix_next(&o->pages, p->index + 1)) {
                if (!p->shown)
                        continue;
                must(sys, p->object == o && p->where == QUIRE_AT_FRAME);       /* P2 */
                if (!high)
                        low = p->index;
                high = p->index + 1;
                p->shown = 0;
        }
        if (high)
                sys->mops->drop(o->home->mspace, (o->base + low) << sys->shift, high - low);
}

/* Discard the contents of the range; written marks stay if asked.
 * => no page of it is coming */
void quire_object_clear(struct quire_object *o, uint64_t first, uint64_t count,
                        bool keep_marks)
{
        struct quire_page *p, *after;

        must_hold(o->system);
        must(o->system, count > 0);
        drop_shown(o, first, count);
        for (p = quire_radix_next(&o->pages, first); p && p->index - first < count; p = after) {
                after = quire_radix_next(&o->pages, p->index + 1);
                if (keep_marks && (p->flags & QUIRE_PAGE_IS_WRITTEN))
                        quire_page_empty(p);
                else
                        quire_page_free(p);
        }
}

/* Is no page of the range in transit? */
bool quire_object_settled(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_page *p;

        must_hold(o->system);
        if (!o->system->transit)
                return true;
        for (p = quire_radix_next(&o->pages, first); p && p->index - first < count;
             p = quire_radix_next(&o->pages, p->index + 1))
                if (p->where == QUIRE_AT_COMING)
                        return false;
        return true;
}

/* Undo the part of a carry that was done. */
static void carry_back(uint64_t first, uint64_t end, struct quire_object *to)
{
        struct quire_page *p;

        while ((p = quire_radix_next(&to->pages, first)) && p->index < end)
                quire_radix_remove(to->system, &to->pages, p->index);
        must(to->system, !to->pages.pages);
}

/* Put the records of the range into another, empty object, under the same
 * indexes.  => settled, and nothing of it is shown.  NO_MEMORY: as before. */
enum quire_status quire_object_carry(struct quire_object *from, uint64_t first,
                                     uint64_t count, struct quire_object *to)
{
        struct quire_page *p;

        must(from->system, !to->pages.pages && from->home == to->home);
        for (p = quire_radix_next(&from->pages, first); p && p->index - first < count;
             p = quire_radix_next(&from->pages, p->index + 1)) {
                must(from->system, p->where != QUIRE_AT_COMING && !p->shown);
                if (quire_radix_insert(from->system, &to->pages, p) != QUIRE_OK) {
                        carry_back(first, p->index, to);
                        return QUIRE_NO_MEMORY;
                }
        }
        while ((p = quire_radix_next(&from->pages, first)) && p->index - first < count) {
                quire_radix_remove(from->system, &from->pages, p->index);
                p->object = to;
        }
        return QUIRE_OK;
}
