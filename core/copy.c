/*
 * copy.c - contents that an object does not have itself: copy-on-write.
 *
 * What an object lacks, its parent has, under the same index; what nobody has, reads
 * as zeroes or comes from the last one's pager.
 *
 *      copy-on-write region -> private object --parent--> mapped object
 *
 * A child that must not see later changes of its parent is the parent's snapshot:
 * before a page of the parent changes, its snapshot is given the old contents (a
 * push).  There is one snapshot at most; a second one brings in an object
 * between, which nobody maps, and what both have in common is there once:
 *
 *      root                    root <- middle <- first
 *       ^-- first                        ^------ second
 *
 * Where frames are shared, an object that has a parent is snapped the other way
 * round, and so is one that shows what others write to its parent: what it holds
 * goes up into a new object, its parent and the copy's.  Nothing is then ever
 * held twice, where frames are shared:
 *
 *      root <- child           root <- upper <- child
 *                                        ^----- copy
 *
 * An object that nobody maps or refers to, and that has but one child left, is merged
 * into that child; so objects go in any order.
 *
 * Does not decide: when something is copied (fault.c).
 *
 * C1  a page that its object's snapshot wants is not shown writable.
 * C2  contents of an object that is not charged for them are seen in a region, or by a
 *     child: somebody else is.
 *
 * Lock: the system's.
 */
#include "core.h"

bool quire_page_has(const struct quire_page *p)
{
        return p && p->where != QUIRE_AT_NONE;
}

struct quire_page *quire_object_own(const struct quire_object *o, uint64_t index)
{
        struct quire_page *p = quire_radix_find(&o->pages, index);

        return quire_page_has(p) ? p : NULL;
}

/* Who has the contents of page `index' of the object; the last one asked, if nobody. */
struct quire_source quire_source_of(struct quire_object *o, uint64_t index)
{
        struct quire_source s = { o, quire_radix_find(&o->pages, index) };

        while (!quire_page_has(s.page) && s.object->parent) {
                s.object = s.object->parent;
                s.page = quire_radix_find(&s.object->pages, index);
        }
        must(o->system, !s.page || (s.page->object == s.object && s.page->index == index));
        return s;
}

/* Can page `index' of the object be seen through a region, or a grant? */
static bool is_mapped(const struct quire_object *o, uint64_t index)
{
        const struct quire_region *r;

        if (o->grants || !o->home)
                return o->grants || o->regions;
        r = o->regions ? quire_region_find(o->home, o->base + index) : NULL;
        return r && r->object == o;
}

/* Does anybody at or below the object see what its parent has there? */
static bool is_wanted(const struct quire_object *top, uint64_t index)
{
        const struct quire_object *o = top;

        must(top->system, top->parent);
        for (;;) {
                bool own = quire_object_own(o, index);

                if (!own && is_mapped(o, index))
                        return true;
                if (!own && o->child) {
                        o = o->child;
                        continue;
                }
                while (o != top && !o->sibling)
                        o = o->parent;
                if (o == top)
                        return false;
                o = o->sibling;
        }
}

bool quire_object_free_to_change(const struct quire_object *o, uint64_t index)
{
        return !o->snapshot || !is_wanted(o->snapshot, index);
}

/* ---------------------------------------------------------------------- copying */

/* Does anybody see, or may anybody come to see, what the object has there? */
bool quire_object_needs(const struct quire_object *o, uint64_t index)
{
        if (o->pager || is_mapped(o, index))
                return true;
        for (const struct quire_object *c = o->child; c; c = c->sibling)
                if (is_wanted(c, index))
                        return true;
        return false;
}

/* Contents that nobody needs. */
static void free_unneeded(struct quire_object *o, uint64_t index)
{
        struct quire_page *p = quire_object_own(o, index);

        if (p && p->where != QUIRE_AT_COMING && !quire_object_needs(o, index))
                quire_page_free(p);
}

/* Somebody stopped looking at pages of the object, who may have been the last that wanted
 * what others above it have there. */
void quire_copy_prune(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_page *p, *after;

        for (; o; o = o->parent) {
                must_hold(o->system);
                if (o->grants || o->pager || (o->regions && !o->home))
                        continue;                    /* all of it can be seen */
                for (p = quire_radix_next(&o->pages, first); p && p->index - first < count;
                     p = after) {
                        after = quire_radix_next(&o->pages, p->index + 1);
                        free_unneeded(o, p->index);
                }
        }
}

/* Contents of a page, to be read.  Null: its machine could not hide it just now. */
static const void *contents_of(struct quire_page *p)
{
        struct quire_system *sys = p->object->system;
        const void *window = sys->mops->frame_window(sys->machine, p->frame);

        must(sys, p->where == QUIRE_AT_FRAME || p->where == QUIRE_AT_FIXED);
        if (window)
                return window;
        quire_page_hide_all(sys, &p, 1);
        return p->shown ? NULL : sys->mops->frame_window(sys->machine, p->frame);
}

/* A page that somebody keeps was hidden for its window.  (Only where frames are not shared
 * and there are several spaces; who holds it there waits for the lock, should he come
 * just now.)  => shown at its home before, with that access */
static void show_again(struct quire_page *p, unsigned access)
{
        struct quire_region *r = quire_page_region(p);

        must(p->object->system, r && !p->shown && p->where == QUIRE_AT_FRAME);
        (void)quire_page_show(r, quire_page_va(p), &p, 1, access);     /* or when asked for */
}

/* The object gets contents of its own, a copy of a page that it inherits.
 * => from: in a frame, or fixed.  BUSY: no frame, reclaim first; NO_MEMORY: no record. */
enum quire_status quire_copy_page(struct quire_page *from, struct quire_object *to)
{
        struct quire_system *sys = to->system;
        struct quire_object *o = from->object;
        uint64_t index = from->index;
        unsigned shown = from->shown;
        const void *contents;
        struct quire_page *p;
        quire_frame frame;

        must_hold(sys);
        must(sys, o != to && !quire_object_own(to, index));
        p = quire_object_page(to, index);
        if (!p)
                return QUIRE_NO_MEMORY;
        if (quire_frame_get(to, index, QUIRE_ANY_FILL, &frame) != QUIRE_OK)
                return QUIRE_BUSY;
        contents = contents_of(from);
        if (!contents) {
                quire_frame_put(sys, frame);
                return QUIRE_BUSY;
        }
        memcpy(sys->mops->frame_window(sys->machine, frame), contents, (size_t)1 << sys->shift);
        if (shown && !from->shown && quire_page_wanted(from))
                show_again(from, shown);
        quire_page_settle(p, frame, true, false);
        sys->counters.copied++;
        quire_page_unsee(from, to);
        free_unneeded(o, index);
        return QUIRE_OK;
}

/* Nobody in the object's line has contents there: it has zeroes of its own now. */
enum quire_status quire_copy_zeroes(struct quire_object *o, uint64_t index)
{
        struct quire_page *p = quire_object_page(o, index);

        if (!p)
                return QUIRE_NO_MEMORY;
        must(o->system, !quire_page_has(p) && p->slot.kind == QUIRE_SLOT_NONE);
        must(o->system, o->parent && p->frame == QUIRE_NO_FRAME);              /* P1 */
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILL };
        p->where = QUIRE_AT_SLOT;
        return QUIRE_OK;
}

/* The object's contents there are about to change (p; null: zeroes): its snapshot
 * gets them first.  => the snapshot wants them; p is in a frame */
enum quire_status quire_copy_push(struct quire_object *o, uint64_t index, struct quire_page *p)
{
        must(o->system, !quire_object_free_to_change(o, index));
        must(o->system, !p || p->object == o);
        must(o->system, o->snapshot->parent == o);                             /* O3 */
        return p ? quire_copy_page(p, o->snapshot) : quire_copy_zeroes(o->snapshot, index);
}

/* A page that the object inherits, and its snapshot through it. */
static struct quire_page *next_inherited(struct quire_object *o, uint64_t first, uint64_t count)
{
        for (struct quire_object *from = o->parent; from; from = from->parent) {
                struct quire_page *p = quire_radix_next(&from->pages, first);

                for (; p && p->index - first < count;
                     p = quire_radix_next(&from->pages, p->index + 1))
                        if (quire_page_has(p) && quire_source_of(o, p->index).page == p &&
                            !quire_object_free_to_change(o, p->index))
                                return p;
        }
        return NULL;
}

/* The object is about to inherit nothing in the range: its snapshot, which inherits
 * through it, gets copies.  BUSY: the lock was dropped, look at everything again. */
enum quire_status quire_copy_inherited(struct quire_object *o, uint64_t first, uint64_t count)
{
        struct quire_page *p;

        must_hold(o->system);
        while (o->snapshot && (p = next_inherited(o, first, count))) {
                enum quire_status st;

                if (p->where == QUIRE_AT_FRAME) {
                        st = quire_copy_page(p, o->snapshot);
                        if (st == QUIRE_OK)
                                continue;
                        if (st == QUIRE_BUSY)
                                st = quire_reclaim_frames(o->system, 2);
                } else {
                        st = quire_page_bring(p);
                }
                return st == QUIRE_OK ? QUIRE_BUSY : st;
        }
        return QUIRE_OK;
}

/* --------------------------------------------------------------------- snapshots */

/* A page that somebody wants to stay as it is, shown as it is, can not be had from the
 * snapshot's parent: the copy gets it at once.  BUSY: no frame. */
static enum quire_status copy_wanted(struct quire_object *o, struct quire_object *copy)
{
        struct quire_page *p = o->system->locked ? quire_radix_next(&o->pages, 0) : NULL;

        for (; p; p = quire_radix_next(&o->pages, p->index + 1)) {
                enum quire_status st;

                if (!quire_page_wanted(p))
                        continue;
                must(o->system, p->where == QUIRE_AT_FRAME);                   /* P4, P5 */
                st = quire_copy_page(p, copy);
                if (st != QUIRE_OK)
                        return st;
        }
        return QUIRE_OK;
}

/* Hide pages of an object, a batch at a time; those that are wanted only if all are to
 * be. */
void quire_object_hide(struct quire_object *o, bool all)
{
        struct quire_page *batch[QUIRE_RUN_MAX], *p;
        uint64_t at = 0;
        unsigned n;

        do {
                for (n = 0; n < QUIRE_RUN_MAX && (p = quire_radix_next(&o->pages, at));
                     at = p->index + 1)
                        if (quire_page_seen(p) && (all || !quire_page_wanted(p)))
                                batch[n++] = p;
                quire_page_hide_for_good(o->system, batch, n);
        } while (n == QUIRE_RUN_MAX);
}

/* What stays with an object when all else is handed over: pages that are wanted, and
 * marks of pages that were written.  A record for each.  False: no memory. */
static bool plan_hand_over(struct quire_object *from, struct quire_object *to)
{
        struct quire_page *p = quire_radix_next(&from->pages, 0);

        must(from->system, !to->pages.pages);
        for (; p; p = quire_radix_next(&from->pages, p->index + 1))
                if ((quire_page_wanted(p) || p->flags & QUIRE_PAGE_IS_WRITTEN) &&
                    !quire_object_page(to, p->index))
                        return false;
        return true;
}

/* One record that is another object's now; empty: the one that stays, or null. */
static void hand_page(struct quire_page *p, struct quire_object *to, struct quire_page *empty)
{
        struct quire_object *from = p->object;
        struct quire_system *sys = to->system;

        if (empty)
                empty->object = from;
        if (quire_page_wanted(p)) {
                quire_radix_replace(sys, &from->pages, p);
                empty->object = to;
                quire_radix_replace(sys, &to->pages, empty);
                quire_page_free(empty);
                return;
        }
        must(sys, !quire_page_seen(p) && p->where != QUIRE_AT_COMING);
        must(sys, !from->pager && !to->pager && !(from->flags & QUIRE_ON_TOUCH));  /* P3, P7 */
        if (empty)
                empty->flags |= p->flags & QUIRE_PAGE_IS_WRITTEN;
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_WRITTEN;
        if (p->where == QUIRE_AT_FRAME)
                quire_count_resident(p, -1);
        p->object = to;
        if (p->where == QUIRE_AT_FRAME)
                quire_count_resident(p, 1);
        if (!quire_page_has(p))
                quire_page_free(p);
}

/* All records of one object are another's, but for what stays.  => planned */
static void hand_over(struct quire_object *from, struct quire_object *to)
{
        struct quire_radix stays = to->pages;
        struct quire_page *p, *after;

        quire_object_hide(from, false);
        to->pages = from->pages;
        from->pages = stays;
        for (p = quire_radix_next(&to->pages, 0); p; p = after) {
                after = quire_radix_next(&to->pages, p->index + 1);
                hand_page(p, to, quire_radix_find(&from->pages, p->index));
        }
        must(from->system, from->pages.pages <= stays.pages);
}

/* A new parent for two takes the place of the one that `below' has now. */
static void put_between(struct quire_object *between, struct quire_object *below)
{
        struct quire_object *above = below->parent;
        bool snapshot = above->snapshot == below;

        must(below->system, between->refs == 1 && !between->parent && !between->child);
        quire_object_leave(below);
        quire_object_adopt(above, between);
        above->refs--;                       /* what below held */
        if (snapshot)
                above->snapshot = between;
        quire_object_adopt(between, below);
        between->refs--;                     /* nobody but its children refers to it */
        must(below->system, above->refs > 0 && between->refs == 1);            /* O2 */
}

/* No write to these pages goes unseen; of those that are wanted there are copies. */
static void narrow_object(struct quire_object *o)
{
        struct quire_page *batch[QUIRE_RUN_MAX], *p;
        uint64_t at = 0;
        unsigned n;

        do {
                for (n = 0; n < QUIRE_RUN_MAX && (p = quire_radix_next(&o->pages, at));
                     at = p->index + 1)
                        if (!quire_page_wanted(p))
                                batch[n++] = p;
                quire_page_narrow(o->system, batch, n);
        } while (n == QUIRE_RUN_MAX);
}

/* Is a record of the object in transit? */
static bool in_transit(const struct quire_object *o)
{
        return !quire_object_settled((struct quire_object *)o, 0, UINT64_MAX);
}

/* Does it show what others will write to an object above it?  Then its snapshot does, too,
 * and can not inherit by way of it: where it copies a page, the snapshot does not. */
static bool inherits_changes(const struct quire_object *o)
{
        for (; o->parent; o = o->parent)
                if (o->parent->snapshot != o && (o->parent->regions || o->parent->grants))
                        return true;
        return false;
}

/* What the object has goes up, for it and the copy. */
static enum quire_status snap_upward(struct quire_object *o, struct quire_object *copy)
{
        struct quire_object *upper = quire_object_new(o->system, o->count);

        if (!upper)
                return QUIRE_NO_MEMORY;
        if (!plan_hand_over(o, upper)) {
                quire_object_drop(upper);
                return QUIRE_NO_MEMORY;
        }
        put_between(upper, o);
        hand_over(o, upper);
        quire_object_adopt(upper, copy);
        return QUIRE_OK;
}

/* The copy is the object's snapshot, with the one there is, if any. */
static enum quire_status snap_downward(struct quire_object *o, struct quire_object *copy)
{
        struct quire_object *middle = NULL;

        if (o->snapshot) {
                middle = quire_object_new(o->system, o->count);
                if (!middle)
                        return QUIRE_NO_MEMORY;
                put_between(middle, o->snapshot);
                quire_object_adopt(middle, copy);
        } else {
                quire_object_adopt(o, copy);
                o->snapshot = copy;
        }
        must(o->system, o->snapshot == (middle ? middle : copy));              /* O3 */
        narrow_object(o);
        return QUIRE_OK;
}

/* Make a new object, `copy', one that has what the object has now.
 * => settled.  NO_MEMORY; BUSY: no frame, reclaim first. */
enum quire_status quire_object_snapshot(struct quire_object *o, struct quire_object *copy)
{
        enum quire_status st;

        must_hold(o->system);
        must(o->system, !copy->parent && !copy->pages.pages && !in_transit(o));
        st = copy_wanted(o, copy);
        if (st != QUIRE_OK)
                return st;
        if (o->parent && (o->system->can->shares_frames || inherits_changes(o)))
                return snap_upward(o, copy);
        return snap_downward(o, copy);
}

/* ----------------------------------------------------------------------- merging */

/* A record of an object that goes, for its only child.  False: no memory. */
static bool move_page(struct quire_page *p, struct quire_object *to)
{
        struct quire_system *sys = to->system;
        struct quire_page *old = quire_object_page(to, p->index);
        struct quire_object *from = p->object;

        must(sys, from == to->parent && !quire_page_wanted(p));
        if (!old)
                return false;
        must(sys, !quire_page_has(old) && !old->sights);
        quire_page_hide_for_good(sys, &p, 1);
        if (p->where == QUIRE_AT_FRAME)
                quire_count_resident(p, -1);
        if (p->where == QUIRE_AT_FRAME && !(p->flags & QUIRE_PAGE_IS_DIRTY) &&
            p->slot.kind == QUIRE_SLOT_NONE)
                p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILL };      /* zeroes: P3 */
        quire_page_uncharge(p);              /* (the child was charged for all of its pages) */
        quire_radix_remove(sys, &from->pages, p->index);
        p->object = to;
        p->flags = (uint8_t)((p->flags & ~QUIRE_PAGE_IS_WRITTEN) |
                             (old->flags & QUIRE_PAGE_IS_WRITTEN));
        quire_radix_replace(sys, &to->pages, p);
        quire_free(sys, old, sizeof(*old));
        if (p->where == QUIRE_AT_FRAME)
                quire_count_resident(p, 1);
        return true;
}

/* Pages that another object's store would have to hold leave their frames. */
static bool fits(struct quire_page *p, const struct quire_object *to)
{
        struct quire_system *sys = to->system;

        must(sys, p->object->store == NULL);
        if (p->where != QUIRE_AT_FRAME || !to->store)
                return true;
        quire_queue_remove(sys, p);
        return quire_evict(sys, &p, 1) == 1;      /* (else it is in a queue again) */
}

static bool move_pages(struct quire_object *from, struct quire_object *to)
{
        struct quire_page *p;

        while ((p = quire_radix_next(&from->pages, 0))) {
                uint64_t index = p->index;

                must(from->system, !quire_page_wanted(p));
                if (!quire_page_has(p) || !is_wanted(to, index)) {
                        quire_page_free(p);
                        continue;
                }
                if (!fits(p, to))
                        return false;
                p = quire_object_own(from, index);               /* (zeroes are gone) */
                if (p ? !move_page(p, to) : quire_copy_zeroes(to, index) != QUIRE_OK)
                        return false;
        }
        return true;
}

/* If nobody refers to the object but one child, the child takes its place.  What can
 * not be moved just now stays, and is tried again with the next reference that goes. */
void quire_object_merge(struct quire_object *o)
{
        struct quire_object *child = o->child, *parent = o->parent;
        bool snapshot = parent && parent->snapshot == o;

        must_hold(o->system);
        if (!child || child->sibling || o->refs != 1 || o->regions || o->grants || o->pager ||
            o->store || o->kind == QUIRE_PHYSICAL || in_transit(o))
                return;
        o->home = NULL;
        if (!move_pages(o, child))
                return;
        must(o->system, !o->pages.pages && !o->resident);
        quire_object_leave(child);
        if (parent) {
                quire_object_leave(o);
                quire_object_adopt(parent, child);
                parent->refs--;
                if (snapshot)
                        parent->snapshot = child;
        }
        quire_object_drop(o);
}
