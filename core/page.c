/*
 * page.c - one page's life: its record, its frame, and what the machine shows.
 *
 *                first touch                      evict
 *      NONE ---------------------> FRAME ---------------------> SLOT
 *       ^    discard                 ^ |      (zeroes: NONE)     |
 *       +----------------------------|-+                         | fault, from a pagefile
 *                                    |                           v
 *                                    +----------------------- COMING
 *                         arrived                                |
 *                                                   LOST <-------+ checksum
 *
 * A page in a frame may be hidden: its contents are resident, but the machine
 * does not show them.  That is how use is observed where the processor notes
 * nothing, and what a protection without access means.
 *
 * P1  FRAME, COMING and FIXED have a frame, the others have none.
 * P2  shown implies FRAME or FIXED; shown with W implies dirty.
 * P3  clean in a FRAME: .slot still holds the contents (NONE: as if there were no
 *     record: zeroes, or the pager has them).
 * P4  in a policy's queue or Q_HELD if and only if FRAME; Q_TIER if and only if
 *     SLOT in the tier.
 * P5  held or locked pages are in Q_HELD.
 * P6  who writes holds, and a page that he may write to is dirty.
 * P7  OWED: the object has a pager, which has other contents than the page.
 *
 * Lock: the system's.
 */
#include "core.h"

uint64_t quire_page_va(const struct quire_page *p)
{
        return p->object->home ? p->object->base + p->index : 0;
}

struct quire_region *quire_page_region(const struct quire_page *p)
{
        struct quire_region *r = NULL;

        if (p->object->home)
                r = quire_region_find(p->object->home, quire_page_va(p));
        return r && r->object == p->object ? r : NULL;
}

static bool has_frame(const struct quire_object *o, uint64_t index)
{
        const struct quire_page *p = quire_radix_find(&o->pages, index);

        return p && p->frame != QUIRE_NO_FRAME;
}

/* A frame for a page of the object, within the budget.  NO_MEMORY: reclaim first. */
enum quire_status quire_frame_get(struct quire_object *o, uint64_t index, enum quire_fill fill,
                                  quire_frame *out)
{
        struct quire_system *sys = o->system;
        enum quire_status st;

        must_hold(sys);
        must(sys, sys->taken <= sys->budget);                                  /* Y2 */
        must(sys, !o->store || !has_frame(o, index));       /* a store's frame is its page's own */
        if (sys->taken + sys->headroom >= sys->budget)
                return QUIRE_NO_MEMORY;
        st = sys->mops->frame_alloc(sys->machine, o->store, index, fill, out);
        if (st != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        must(sys, *out != QUIRE_NO_FRAME);
        sys->taken++;
        sys->frames++;
        return QUIRE_OK;
}

/* Frames for so many pages from the index on will be wanted, as far as there are any and
 * nobody has those pages. */
void quire_frames_prepare(struct quire_object *o, uint64_t index, uint64_t count)
{
        struct quire_system *sys = o->system;
        uint64_t used = sys->taken + sys->headroom;
        uint64_t most = quire_min(count, sys->budget > used ? sys->budget - used : 0), n = 0;

        must_hold(sys);
        if (!o->store || !sys->mops->frame_prepare)
                return;
        most = quire_min(most, index < o->count ? o->count - index : 0);
        while (n < most && !has_frame(o, index + n))
                n++;
        if (n > 1)
                sys->mops->frame_prepare(sys->machine, o->store, index, n);
}

/* => entered nowhere */
void quire_frame_put(struct quire_system *sys, quire_frame f)
{
        must_hold(sys);
        must(sys, sys->frames > 0 && f != QUIRE_NO_FRAME);
        must(sys, sys->taken > 0);
        sys->mops->frame_free(sys->machine, f);
        sys->taken--;
        sys->frames--;
}

bool quire_page_wanted(const struct quire_page *p)
{
        return p->holds || (p->flags & QUIRE_PAGE_IS_LOCKED);
}

/* Is a page of a pager's object charged to it: since it has no home but a pagefile until it
 * is flushed, or since nothing but the frame will do for it? */
bool quire_page_promised(const struct quire_page *p)
{
        const struct quire_pager *pager = p->object->pager;

        return pager && ((p->flags & QUIRE_PAGE_IS_OWED && !pager->evicts) || quire_page_wanted(p));
}

/* It was, and perhaps needs not be any longer. */
static void unpromise(const struct quire_page *p)
{
        if (p->object->pager && !quire_page_promised(p))
                quire_object_refund(p->object, 1);
}

/* It is about to be wanted.  False: nobody can promise that. */
bool quire_page_want(const struct quire_page *p)
{
        must(p->object->system, p->where == QUIRE_AT_FRAME);
        return !p->object->pager || quire_page_promised(p) || quire_object_charge(p->object, 1);
}

/* It was wanted, and is not any longer. */
void quire_page_unwant(const struct quire_page *p)
{
        struct quire_system *sys = p->object->system;

        must(sys, !quire_page_wanted(p) && sys->locked > 0);
        sys->locked--;
        unpromise(p);
}

/* Locks and holds are gone.  => wanted */
static void forget_wants(struct quire_page *p)
{
        p->holds = 0;
        p->writes = false;
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_LOCKED;
        quire_page_unwant(p);
}

/* Locks and holds are gone, as its address is. */
void quire_page_let_go(struct quire_page *p)
{
        struct quire_system *sys = p->object->system;

        if (!quire_page_wanted(p))
                return;
        must(sys, p->queue == QUIRE_Q_HELD);                                   /* P5 */
        forget_wants(p);
        quire_queue_remove(sys, p);
        sys->policy->insert(sys, p);
}

/* The page has contents in a frame now, hidden. */
void quire_page_settle(struct quire_page *p, quire_frame f, bool dirty, bool ahead)
{
        struct quire_system *sys = p->object->system;

        must_hold(sys);
        must(sys, p->queue == QUIRE_Q_NONE && !quire_page_wanted(p));
        must(sys, f != QUIRE_NO_FRAME && p->where != QUIRE_AT_FRAME);
        must(sys, !dirty || p->slot.kind == QUIRE_SLOT_NONE);                  /* P3 */
        must(sys, !p->shown && !p->sights);
        p->frame = f;
        p->where = QUIRE_AT_FRAME;
        p->flags &= QUIRE_PAGE_IS_WRITTEN | QUIRE_PAGE_IS_DENSE | QUIRE_PAGE_IS_OWED;
        if (dirty)
                p->flags |= QUIRE_PAGE_IS_DIRTY;
        if (p->evicted && (uint32_t)sys->eviction_clock - p->evicted < 2 * sys->budget)
                p->flags |= QUIRE_PAGE_IS_BACK;
        if (ahead)
                p->flags |= QUIRE_PAGE_IS_AHEAD;
        quire_count_resident(p, 1);
        sys->policy->insert(sys, p);
}

/* A write is coming: the slot's copy will not do any more, and neither will its
 * pager's.  False: nobody can promise it storage. */
bool quire_page_make_dirty(struct quire_page *p)
{
        struct quire_object *o = p->object;

        must(o->system, p->where == QUIRE_AT_FRAME);
        if (p->flags & QUIRE_PAGE_IS_DIRTY)
                return true;
        if (o->pager && !(p->flags & QUIRE_PAGE_IS_OWED)) {
                if (!o->pager->evicts && !quire_page_promised(p) && !quire_object_charge(o, 1))
                        return false;
                p->flags |= QUIRE_PAGE_IS_OWED;
        }
        quire_store_free(o->system, p);
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_DENSE;
        p->flags |= QUIRE_PAGE_IS_DIRTY;
        return true;
}

/* Its pager has the contents now, or they are gone. */
void quire_page_unowe(struct quire_page *p)
{
        if (!(p->flags & QUIRE_PAGE_IS_OWED))
                return;
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_OWED;
        if (!p->object->pager->evicts)
                unpromise(p);
}

/* Its object, if it is charged by the touch, has the contents no longer. */
void quire_page_uncharge(const struct quire_page *p)
{
        if (p->object->flags & QUIRE_ON_TOUCH && quire_page_has(p))
                quire_object_refund(p->object, 1);
}

/* The contents are gone; the record stays.  => not COMING */
void quire_page_empty(struct quire_page *p)
{
        struct quire_system *sys = p->object->system;

        must_hold(sys);
        must(sys, p->where != QUIRE_AT_COMING);
        must(sys, !p->shown || p->where == QUIRE_AT_FRAME);                    /* P2 */
        if (p->queue != QUIRE_Q_NONE)
                quire_queue_remove(sys, p);
        quire_page_unowe(p);
        quire_page_uncharge(p);
        quire_store_free(sys, p);
        quire_page_drop(p);
        if (p->where == QUIRE_AT_FRAME) {
                quire_frame_put(sys, p->frame);
                quire_count_resident(p, -1);
        }
        if (quire_page_wanted(p))
                forget_wants(p);
        p->frame = QUIRE_NO_FRAME;
        p->where = QUIRE_AT_NONE;
        p->flags &= QUIRE_PAGE_IS_WRITTEN;
}

void quire_page_free(struct quire_page *p)
{
        struct quire_system *sys = p->object->system;

        quire_page_empty(p);
        quire_radix_remove(sys, &p->object->pages, p->index);
        quire_free(sys, p, sizeof(*p));
}

/* What can be written or executed can be read, since no machine shows it otherwise
 * (machine.h, enter), and it must not depend on what happens to be shown. */
unsigned quire_attr_access(uint32_t attr)
{
        unsigned access = attr & QUIRE_ATTR_ACCESS;

        return access ? access | QUIRE_R : 0;
}

/* The most that can be shown of the page in the region without missing a first write. */
unsigned quire_page_best_access(const struct quire_region *r, const struct quire_page *p,
                                uint32_t attr)
{
        unsigned access = quire_attr_access(attr);

        if (!(attr & QUIRE_ATTR_COMMITTED) || (attr & QUIRE_ATTR_GUARD) || r->revoked)
                return 0;
        if (p->where == QUIRE_AT_FIXED && p->object == r->object)
                return access;
        if (!(p->flags & QUIRE_PAGE_IS_DIRTY) || p->object != r->object ||
            !quire_object_free_to_change(p->object, p->index) ||
            ((r->watched || p->object->flags & QUIRE_EPOCHS) &&
             !(p->flags & QUIRE_PAGE_IS_WRITTEN)))
                access &= ~(unsigned)QUIRE_W;
        return access;
}

static void check_queue(struct quire_system *sys, const struct quire_page *p)
{
        bool in_frame_queue = p->queue == QUIRE_Q_IN || p->queue == QUIRE_Q_HOT ||
                              p->queue == QUIRE_Q_COOL || p->queue == QUIRE_Q_HELD;

        must(sys, in_frame_queue == (p->where == QUIRE_AT_FRAME));             /* P4 */
        must(sys, (p->queue == QUIRE_Q_TIER) ==
                  (p->where == QUIRE_AT_SLOT && p->slot.kind == QUIRE_SLOT_TIER)); /* P4 */
        must(sys, (p->queue == QUIRE_Q_HELD) == quire_page_wanted(p));         /* P5 */
        must(sys, !p->writes || (p->holds && p->flags & QUIRE_PAGE_IS_DIRTY)); /* P6 */
        must(sys, p->queue != QUIRE_Q_COOL || !quire_page_seen(p));
        must(sys, p->queue != QUIRE_Q_LATE || p->where == QUIRE_AT_COMING);
}

/* What its home shows.  => at home in the region */
static void check_home(struct quire_system *sys, const struct quire_page *p)
{
        const struct quire_region *r = quire_page_region(p);
        unsigned best;

        must(sys, r || !p->shown);                                             /* P2 */
        must(sys, r || p->object->count != UINT64_MAX || p->object->child ||
                  !p->object->regions);                                        /* O1 */
        if (!r)
                return;
        best = quire_page_best_access(r, p, quire_ranges_attr(&r->ranges, p->index));
        must(sys, !p->shown || !((p->shown ^ best) & ~(unsigned)QUIRE_W));
        must(sys, !(p->shown & QUIRE_W) || best & QUIRE_W);                    /* C1 */
        must(sys, p->object->system == sys && p->object->home == r->space);
}

void quire_page_check(struct quire_system *sys, const struct quire_page *p)
{
        bool framed = p->where == QUIRE_AT_FRAME || p->where == QUIRE_AT_COMING ||
                      p->where == QUIRE_AT_FIXED;

        if (p->object->home)
                check_home(sys, p);
        must(sys, p->object->home || !p->shown);
        must(sys, framed == (p->frame != QUIRE_NO_FRAME));                     /* P1 */
        must(sys, !quire_page_seen(p) || p->where == QUIRE_AT_FRAME ||
                  p->where == QUIRE_AT_FIXED);                                 /* P2 */
        must(sys, !(p->shown & QUIRE_W) || (p->flags & QUIRE_PAGE_IS_DIRTY));  /* P2 */
        must(sys, !(p->flags & QUIRE_PAGE_IS_DIRTY) ||
                  (p->where == QUIRE_AT_FRAME && p->slot.kind == QUIRE_SLOT_NONE)); /* P3 */
        must(sys, p->where != QUIRE_AT_SLOT || p->slot.kind != QUIRE_SLOT_NONE);    /* P3 */
        must(sys, p->where != QUIRE_AT_NONE || p->slot.kind == QUIRE_SLOT_NONE);
        must(sys, p->where != QUIRE_AT_FRAME || p->slot.kind != QUIRE_SLOT_TIER);
        must(sys, p->where != QUIRE_AT_FRAME || p->slot.kind != QUIRE_SLOT_NONE ||
                  p->flags & QUIRE_PAGE_IS_DIRTY || p->object->pager ||
                  quire_object_zeroes(p->object));                             /* P3 */
        must(sys, p->slot.kind != QUIRE_SLOT_HOME || (p->object->pager && p->slot.buffer));
        must(sys, !(p->flags & QUIRE_PAGE_IS_OWED) || p->object->pager);
        must(sys, p->slot.buffer <= sys->buffer_count);
        must(sys, !p->slot.copied || (p->slot.kind == QUIRE_SLOT_TIER && !p->slot.buffer));
        must(sys, !quire_page_has(p) || p->where == QUIRE_AT_COMING || p->object->charged ||
                  quire_object_needs(p->object, p->index));                    /* C2, O1 */
        check_queue(sys, p);
        quire_sights_check(sys, p);
}
