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
 * P1  FRAME and COMING have a frame, the others have none.
 * P2  shown implies FRAME; shown with W implies dirty.
 * P3  clean in a FRAME: .slot still holds the contents (NONE: zeroes).
 * P4  in a policy's queue or Q_HELD if and only if FRAME; Q_TIER if and only if
 *     SLOT in the tier.
 * P5  held or locked pages are in Q_HELD.
 *
 * Lock: the system's.
 */
#include "core.h"

uint64_t quire_page_va(const struct quire_page *p)
{
        return p->object->base + p->index;
}

struct quire_region *quire_page_region(const struct quire_page *p)
{
        return quire_region_find(p->object->home, quire_page_va(p));
}

/* A frame within the budget.  NO_MEMORY: reclaim first. */
enum quire_status quire_frame_get(struct quire_system *sys, enum quire_fill fill,
                                  quire_frame *out)
{
        enum quire_status st;

        must_hold(sys);
        must(sys, sys->taken <= sys->budget);                                  /* Y2 */
        if (sys->taken + sys->headroom >= sys->budget)
                return QUIRE_NO_MEMORY;
        st = sys->mops->frame_alloc(sys->machine, NULL, 0, fill, out);
        if (st != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        must(sys, *out != QUIRE_NO_FRAME);
        sys->taken++;
        sys->frames++;
        return QUIRE_OK;
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

/* The contents are gone; the record stays.  => not COMING */
void quire_page_empty(struct quire_page *p)
{
        struct quire_system *sys = p->object->system;

        must_hold(sys);
        must(sys, p->where != QUIRE_AT_COMING);
        must(sys, !p->shown || p->where == QUIRE_AT_FRAME);                    /* P2 */
        if (p->queue != QUIRE_Q_NONE)
                quire_queue_remove(sys, p);
        quire_store_free(sys, p);
        if (p->where == QUIRE_AT_FRAME) {
                if (p->shown)
                        sys->mops->drop(p->object->home->mspace,
                                        quire_page_va(p) << sys->shift, 1);
                quire_frame_put(sys, p->frame);
                quire_count_resident(p, -1);
        }
        if (quire_page_wanted(p)) {
                must(sys, sys->locked > 0);
                sys->locked--;
        }
        p->holds = 0;
        p->frame = QUIRE_NO_FRAME;
        p->shown = 0;
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

/* The most that can be shown of the page without missing a first write. */
unsigned quire_page_best_access(const struct quire_region *r, const struct quire_page *p,
                                uint32_t attr)
{
        unsigned access = quire_attr_access(attr);

        if (!(attr & QUIRE_ATTR_COMMITTED) || (attr & QUIRE_ATTR_GUARD))
                return 0;
        if (!(p->flags & QUIRE_PAGE_IS_DIRTY) ||
            (r->watched && !(p->flags & QUIRE_PAGE_IS_WRITTEN)))
                access &= ~(unsigned)QUIRE_W;
        return access;
}

/* Show a run of hidden pages.  => FRAME, consecutive; W only if all are dirty */
enum quire_status quire_page_show(struct quire_page **pages, unsigned count, unsigned access)
{
        struct quire_page *p = pages[0];
        struct quire_system *sys = p->object->system;
        quire_frame frames[QUIRE_RUN_MAX];
        enum quire_status st;

        must(sys, count && count <= QUIRE_RUN_MAX && access & QUIRE_R);
        for (unsigned i = 0; i < count; i++) {
                must(sys, pages[i]->where == QUIRE_AT_FRAME && !pages[i]->shown);
                must(sys, pages[i]->index == p->index + i && pages[i]->object == p->object);
                must(sys, !(access & QUIRE_W) || pages[i]->flags & QUIRE_PAGE_IS_DIRTY); /* P2 */
                frames[i] = pages[i]->frame;
        }
        st = sys->mops->enter(p->object->home->mspace, quire_page_va(p) << sys->shift, count,
                              frames, access);
        for (unsigned i = 0; st == QUIRE_OK && i < count; i++)
                pages[i]->shown = (uint8_t)access;
        return st;
}

static bool comes_before(const struct quire_page *a, const struct quire_page *b)
{
        uint64_t x = a->object->number, y = b->object->number;

        return x != y ? x < y : a->index < b->index;
}

/* By object and index: batches are small and nearly sorted, so by insertion. */
void quire_page_sort(struct quire_page **pages, unsigned count)
{
        for (unsigned i = 1; i < count; i++) {
                struct quire_page *p = pages[i];
                unsigned k = i;

                for (; k && comes_before(p, pages[k - 1]); k--)
                        pages[k] = pages[k - 1];
                pages[k] = p;
        }
}

static unsigned run_length(struct quire_page **pages, unsigned count)
{
        unsigned n = 1;

        while (n < count && n < QUIRE_RUN_MAX && pages[n]->shown &&
               pages[n]->object == pages[0]->object && pages[n]->index == pages[0]->index + n)
                n++;
        return n;
}

static void hide_run(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        quire_frame frames[QUIRE_RUN_MAX] = { QUIRE_NO_FRAME };
        enum quire_status st;

        must(sys, count && count <= QUIRE_RUN_MAX);
        for (unsigned i = 0; i < count; i++) {
                must(sys, pages[i]->shown && pages[i]->frame != QUIRE_NO_FRAME);
                frames[i] = pages[i]->frame;
        }
        st = sys->mops->take(pages[0]->object->home->mspace,
                             quire_page_va(pages[0]) << sys->shift, count, frames);
        for (unsigned i = 0; st == QUIRE_OK && i < count; i++)
                pages[i]->shown = 0;
        for (unsigned i = 0; st != QUIRE_OK && count > 1 && i < count; i++)
                hide_run(sys, &pages[i], 1);
}

/* Stop showing the pages, in runs of neighbours; sorts the array.  A page that
 * the machine could not take stays shown. */
void quire_page_hide_all(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        must_hold(sys);
        quire_page_sort(pages, count);
        for (unsigned i = 0; i < count;) {
                unsigned n = 1;

                if (pages[i]->shown) {
                        n = run_length(&pages[i], count - i);
                        hide_run(sys, &pages[i], n);
                }
                i += n;
        }
}

static void check_queue(struct quire_system *sys, const struct quire_page *p)
{
        bool in_frame_queue = p->queue == QUIRE_Q_IN || p->queue == QUIRE_Q_HOT ||
                              p->queue == QUIRE_Q_COOL || p->queue == QUIRE_Q_HELD;

        must(sys, in_frame_queue == (p->where == QUIRE_AT_FRAME));             /* P4 */
        must(sys, (p->queue == QUIRE_Q_TIER) ==
                  (p->where == QUIRE_AT_SLOT && p->slot.kind == QUIRE_SLOT_TIER)); /* P4 */
        must(sys, (p->queue == QUIRE_Q_HELD) == quire_page_wanted(p));         /* P5 */
        must(sys, p->queue != QUIRE_Q_COOL || !p->shown);
}

void quire_page_check(struct quire_system *sys, const struct quire_page *p)
{
        bool framed = p->where == QUIRE_AT_FRAME || p->where == QUIRE_AT_COMING;
        const struct quire_region *r = quire_page_region(p);
        unsigned best;

        must(sys, r && r->object == p->object);                                /* O1 */
        best = quire_page_best_access(r, p, quire_ranges_attr(&r->ranges, p->index));
        must(sys, framed == (p->frame != QUIRE_NO_FRAME));                     /* P1 */
        must(sys, !p->shown || p->where == QUIRE_AT_FRAME);                    /* P2 */
        must(sys, !(p->shown & QUIRE_W) || (p->flags & QUIRE_PAGE_IS_DIRTY));  /* P2 */
        must(sys, !(p->flags & QUIRE_PAGE_IS_DIRTY) ||
                  (p->where == QUIRE_AT_FRAME && p->slot.kind == QUIRE_SLOT_NONE)); /* P3 */
        must(sys, p->where != QUIRE_AT_SLOT || p->slot.kind != QUIRE_SLOT_NONE);    /* P3 */
        must(sys, p->where != QUIRE_AT_NONE || p->slot.kind == QUIRE_SLOT_NONE);
        must(sys, p->where != QUIRE_AT_FRAME || p->slot.kind == QUIRE_SLOT_NONE ||
                  p->slot.kind == QUIRE_SLOT_FILE || p->slot.kind == QUIRE_SLOT_FILL);
        must(sys, !p->shown || !((p->shown ^ best) & ~(unsigned)QUIRE_W));
        must(sys, p->object->system == sys && p->object->home == r->space);
        must(sys, p->slot.buffer <= sys->buffer_count);
        must(sys, !p->slot.copied || (p->slot.kind == QUIRE_SLOT_TIER && !p->slot.buffer));
        check_queue(sys, p);
}
