/*
 * object.c - objects: where the pages of regions come from.
 *
 * A private region has an anonymous object of its own.  Page i of it lies at
 * address base + i of its one space, its home, for as long as the region is not
 * moved, so that a page finds its mapping without a list; releasing a part of a
 * region leaves the object to the parts that remain.  An object that grants refer
 * to has no home (save one that only one region at a time may map), and its
 * pages stay when a region goes.
 *
 * Does not decide: protections and commitment (the region's); what an object
 * inherits from its parent (copy.c), and what a pager supplies (pager.c).
 *
 * O1  every record of a private object with a home lies in a region that maps it, or
 *     the object has children, which may want it.
 * O2  refs counts regions, grants, children and calls under way; no object is
 *     without.
 * O3  an object's children name it as their parent, and its snapshot is one of them.
 *
 * Lock: the system's.
 */
#include "core.h"

/* With one reference.  Null: no memory. */
struct quire_object *quire_object_new(struct quire_system *sys, uint64_t count)
{
        struct quire_object *o = quire_alloc(sys, sizeof(*o));

        must_hold(sys);
        if (!o)
                return NULL;
        o->system = sys;
        o->refs = 1;
        o->count = count;
        o->number = ++sys->objects;
        o->next = sys->all;
        if (o->next)
                o->next->prev = o;
        sys->all = o;
        return o;
}

/* For one region, and what is cut from it. */
struct quire_object *quire_object_open_private(struct quire_system *sys, struct quire_space *home)
{
        struct quire_object *o = quire_object_new(sys, UINT64_MAX);

        must(sys, home && home->system == sys);
        if (o)
                o->home = home;
        return o;
}

/* The child has what the parent has, where it has nothing itself. */
void quire_object_adopt(struct quire_object *parent, struct quire_object *child)
{
        must(parent->system, !child->parent && parent != child);
        child->parent = parent;
        child->sibling = parent->child;
        parent->child = child;
        parent->refs++;
}

/* The child takes nothing from its parent any more; the reference is the caller's. */
void quire_object_leave(struct quire_object *child)
{
        struct quire_object **link = &child->parent->child;

        while (*link != child)
                link = &(*link)->sibling;
        *link = child->sibling;
        if (child->parent->snapshot == child)
                child->parent->snapshot = NULL;
        child->parent = child->sibling = NULL;
}

/* Storage is promised to so many pages more; false: over the limit. */
bool quire_object_charge(struct quire_object *o, uint64_t pages)
{
        struct quire_counters *c = &o->system->counters;

        must_hold(o->system);
        if (!quire_charge_fits(o->system, pages))
                return false;
        c->committed += pages;
        o->charged += pages;
        return true;
}

void quire_object_refund(struct quire_object *o, uint64_t pages)
{
        must(o->system, o->charged >= pages);
        must(o->system, o->system->counters.committed >= pages);               /* G1 */
        o->system->counters.committed -= pages;
        o->charged -= pages;
}

/* (Of an ON_TOUCH one such a page would be charged once more.) */
bool quire_object_zeroes(const struct quire_object *o)
{
        return !o->parent && !o->pager && o->kind != QUIRE_PHYSICAL &&
               !(o->flags & QUIRE_ON_TOUCH);
}

static void free_object(struct quire_object *o)
{
        struct quire_system *sys = o->system;

        must(sys, !o->pages.pages && !o->resident && !o->child && !o->parent);
        quire_object_refund(o, o->charged);
        if (o->store)
                sys->mops->store_close(sys->machine, o->store);
        if (o->next)
                o->next->prev = o->prev;
        if (o->prev)
                o->prev->next = o->next;
        else
                sys->all = o->next;
        if (o->pager && o->pager->closed) {
                o->next = sys->done;         /* quire_leave() tells it */
                sys->done = o;
        } else {
                quire_free(sys, o, sizeof(*o));
        }
}

/* => a region that let go has forgotten its pages, and a private one cleared them */
void quire_object_drop(struct quire_object *o)
{
        while (o) {
                struct quire_object *parent = o->parent;

                must_hold(o->system);
                must(o->system, o->refs > 0);                                  /* O2 */
                if (--o->refs) {
                        quire_object_merge(o);
                        return;
                }
                if (o->pages.pages)
                        quire_object_clear(o, 0, UINT64_MAX, false);
                if (parent) {
                        quire_object_leave(o);
                        quire_copy_prune(parent, 0, UINT64_MAX);
                }
                free_object(o);
                o = parent;                  /* one that was dropped with the child */
        }
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

/* The pages of the range that are shown at home vanish in one call, from the first
 * to the last. */
static void drop_shown(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_system *sys = o->system;
        uint64_t low = 0, high = 0;
        struct quire_page *p;

        for (p = quire_radix_next(&o->pages, first); p && p->index - first < count;
             p = quire_radix_next(&o->pages, p->index + 1)) {
                if (!p->shown || p->sights)
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

/* What a part of an object holds may be wanted by its snapshot: records for that, made before
 * anything changes. */
enum quire_status quire_object_plan_release(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_object *s = o->snapshot;
        struct quire_page *p;

        for (p = s ? quire_radix_next(&o->pages, first) : NULL; p && p->index - first < count;
             p = quire_radix_next(&o->pages, p->index + 1))
                if (quire_page_has(p) && !quire_object_free_to_change(o, p->index) &&
                    !quire_object_page(s, p->index))
                        return QUIRE_NO_MEMORY;
        return QUIRE_OK;
}

/* And what it inherits may have to be hidden. */
enum quire_status quire_object_plan_clear(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_page *p;

        must(o->system, count > 0);
        for (const struct quire_object *from = o->parent; from; from = from->parent)
                for (p = quire_radix_next(&from->pages, first); p && p->index - first < count;
                     p = quire_radix_next(&from->pages, p->index + 1))
                        if (quire_page_has(p) && !quire_object_page(o, p->index))
                                return QUIRE_NO_MEMORY;
        return quire_object_plan_release(o, first, count);
}

/* The snapshot takes the contents; its record for them comes here, empty. */
static struct quire_page *hand_down(struct quire_page *p, struct quire_object *s)
{
        struct quire_object *o = p->object;
        struct quire_system *sys = o->system;
        struct quire_page *empty = quire_radix_find(&s->pages, p->index);
        uint8_t marks = (p->flags ^ empty->flags) & QUIRE_PAGE_IS_WRITTEN;

        must(sys, !quire_page_has(empty) && p->where != QUIRE_AT_COMING);
        must(sys, !(o->flags & QUIRE_ON_TOUCH));         /* (only regions' own are cleared) */
        quire_page_let_go(p);
        quire_page_hide_for_good(sys, &p, 1);
        if (p->where == QUIRE_AT_FRAME)
                quire_count_resident(p, -1);
        if (p->where == QUIRE_AT_FRAME && !(p->flags & QUIRE_PAGE_IS_DIRTY) &&
            p->slot.kind == QUIRE_SLOT_NONE)
                p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILL };      /* zeroes: P3 */
        empty->object = o;
        quire_radix_replace(sys, &o->pages, empty);
        p->object = s;
        quire_radix_replace(sys, &s->pages, p);
        p->flags ^= marks;
        empty->flags ^= marks;
        if (p->where == QUIRE_AT_FRAME)
                quire_count_resident(p, 1);
        return empty;
}

/* A record that was planned: nothing of the parent's shows through any more. */
static void hide_parent(struct quire_page *p)
{
        if (quire_page_has(p) || !p->object->parent)
                return;
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILL };
        p->where = QUIRE_AT_SLOT;
}

/* Records of the range that say nothing but that nothing is inherited. */
void quire_object_unplan_growth(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_page *p;

        must_hold(o->system);
        while (o->parent && (p = quire_radix_next(&o->pages, first)) && p->index - first < count)
                quire_page_free(p);
}

/* A range that no region of the object shows is about to be shown: it reads as zeroes,
 * whatever others have there.  NO_MEMORY; UNSUPPORTED: a child wants what is there. */
enum quire_status quire_object_plan_growth(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_page *p = quire_radix_next(&o->pages, first);

        must_hold(o->system);
        if (!count || (!o->parent && !o->child))
                return QUIRE_OK;
        if (p && p->index - first < count)
                return QUIRE_UNSUPPORTED;
        for (struct quire_object *from = o->parent; from; from = from->parent)
                for (p = quire_radix_next(&from->pages, first); p && p->index - first < count;
                     p = quire_radix_next(&from->pages, p->index + 1)) {
                        struct quire_page *own = quire_object_page(o, p->index);

                        if (own && quire_object_free_to_change(o, p->index)) {
                                hide_parent(own);
                                continue;
                        }
                        quire_object_unplan_growth(o, first, count);
                        return own ? QUIRE_UNSUPPORTED : QUIRE_NO_MEMORY;
                }
        return QUIRE_OK;
}

/*
 * Discard the contents of the range; written marks stay if asked, and then the
 * range reads as zeroes: nothing is inherited there.
 * => no page of it is coming; unless all of the object goes, it was planned
 */
void quire_object_clear(struct quire_object *o, uint64_t first, uint64_t count,
                        bool keep_marks)
{
        struct quire_object *s = o->refs ? o->snapshot : NULL;
        struct quire_page *p, *after;

        must_hold(o->system);
        must(o->system, count > 0);
        if (!s)
                drop_shown(o, first, count);
        for (p = quire_radix_next(&o->pages, first); p && p->index - first < count; p = after) {
                after = quire_radix_next(&o->pages, p->index + 1);
                if (s && quire_page_has(p) && !quire_object_free_to_change(o, p->index))
                        p = hand_down(p, s);
                quire_page_empty(p);
                if (keep_marks)
                        hide_parent(p);
                if (!quire_page_has(p) && !(keep_marks && p->flags & QUIRE_PAGE_IS_WRITTEN))
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
                if (p->where == QUIRE_AT_COMING && p->queue != QUIRE_Q_LATE)
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
                from->resident -= p->where == QUIRE_AT_FRAME;
                to->resident += p->where == QUIRE_AT_FRAME;
        }
        return QUIRE_OK;
}
