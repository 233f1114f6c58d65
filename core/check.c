/*
 * check.c - the whole state against every invariant that has a number.
 *
 * The sums that no single noun can see:
 *
 *   Y1  every record is an object's, and every frame taken from the machine is
 *       a page's: none is lost, none has two owners (physical ones are not taken).
 *   Y2  what is taken of the budget is frames, tier and buffers; never more
 *       than the budget.
 *   Y3  queues hold what their counts say, and each page once.
 *   Y4  a slot belongs to one page: as many slots are used as pages, buffers
 *       and late or bad slots account for.
 *   Y5  the charge is the sum of what is committed (charge.c, G1).
 *   Y6  an object's references are those there are (object.c, O2).
 *
 * Lock: the system's.
 */
#include "core.h"

struct census {
        uint64_t records, frames, coming, late, file_pages, wanted, reserved, committed, charged,
                 resident;
};

static void count_page(struct quire_system *sys, const struct quire_page *p, struct census *c)
{
        quire_page_check(sys, p);
        must(sys, p->where != QUIRE_AT_COMING || p->queue == QUIRE_Q_NONE ||
                  p->queue == QUIRE_Q_LATE);
        c->records++;
        c->frames += p->frame != QUIRE_NO_FRAME && p->where != QUIRE_AT_FIXED;
        c->coming += p->where == QUIRE_AT_COMING && p->queue != QUIRE_Q_LATE;
        c->late += p->queue == QUIRE_Q_LATE;
        c->resident += p->where == QUIRE_AT_FRAME;
        c->file_pages += p->slot.kind == QUIRE_SLOT_FILE || p->slot.copied;
        c->wanted += quire_page_wanted(p);
}

static void check_object(struct quire_system *sys, const struct quire_object *o,
                         struct census *c)
{
        uint64_t records = c->records, resident = c->resident, children = 0, handles = 0,
                 promised = 0, has = 0;
        struct quire_page *p;

        for (p = quire_radix_next(&o->pages, 0); p; p = quire_radix_next(&o->pages, p->index + 1)) {
                must(sys, p->object == o && p->index < o->count);              /* Y1 */
                count_page(sys, p, c);
                must(sys, o->regions || !quire_page_wanted(p));
                promised += quire_page_promised(p);
                has += quire_page_has(p);
        }
        must(sys, c->records - records == o->pages.pages);                     /* R2 */
        must(sys, c->resident - resident == o->resident);
        for (const struct quire_object *k = o->child; k; k = k->sibling, children++)
                must(sys, k->parent == o);                                     /* O3 */
        for (const struct quire_grant *g = o->granted; g; g = g->next)
                handles += g->handles > 0;
        must(sys, handles == o->grants);
        must(sys, !o->snapshot || o->snapshot->parent == o);                   /* O3 */
        must(sys, o->refs >= o->regions + o->grants + children);               /* Y6 */
        must(sys, o->refs > 0 && (!o->home || o->regions));
        if (o->pager)
                must(sys, o->charged == promised);                             /* Y5 */
        if (o->flags & QUIRE_ON_TOUCH)
                must(sys, o->charged == has);                                  /* Y5 */
        c->charged += o->charged;
}

/* The pages in frames that have their home in the region. */
static uint64_t resident_at_home(const struct quire_region *r)
{
        uint64_t n = 0, end = r->object_first + r->count;
        struct quire_page *p;

        if (!r->object || r->object->home != r->space)
                return 0;
        for (p = quire_radix_next(&r->object->pages, r->object_first); p && p->index < end;
             p = quire_radix_next(&r->object->pages, p->index + 1))
                n += p->where == QUIRE_AT_FRAME;
        return n;
}

static void count_region(struct quire_system *sys, const struct quire_region *r,
                         struct census *c)
{
        uint64_t resident = resident_at_home(r);

        c->reserved += r->kind == QUIRE_FOREIGN ? 0 : r->count;
        c->committed += r->counters.committed;
        c->charged += quire_region_charged(r) ? r->counters.committed : 0;
        c->resident += resident;
        must(sys, r->counters.resident == resident);
}

static void check_space(struct quire_space *s, struct census *total)
{
        struct quire_system *sys = s->system;
        struct census c = { 0 };

        quire_space_check(s);
        for (struct quire_node *n = quire_tree_first(&s->regions); n; n = quire_tree_next(n))
                count_region(sys, quire_region_of(n), &c);
        must(sys, s->system == sys && (!s->next || s->next->prev == s));
        must(sys, s->counters.reserved == c.reserved);
        must(sys, s->counters.committed == c.committed);                       /* Y5 */
        must(sys, s->counters.resident == c.resident);
        total->reserved += c.reserved;
        total->charged += c.charged;
}

static void check_queues(struct quire_system *sys)
{
        for (unsigned id = QUIRE_Q_IN; id < QUIRE_QUEUES; id++) {
                struct quire_page *before = NULL;
                bool found = !sys->queue[id].look;
                uint64_t n = 0;

                for (struct quire_page *p = sys->queue[id].first; p; p = p->next, n++) {
                        must(sys, p->queue == id && p->prev == before);        /* Q1 */
                        found |= p == sys->queue[id].look;
                        before = p;
                }
                must(sys, found);                                              /* Q2 */
                must(sys, sys->queue[id].last == before);
                must(sys, sys->queue[id].count == n);                          /* Y3 */
        }
}

void quire_check(struct quire_system *sys)
{
        uint64_t buffers = (uint64_t)sys->buffer_count * sys->buffer_pages;
        struct census c = { 0 };

        must_hold(sys);
        for (struct quire_space *s = sys->spaces; s; s = s->next)
                check_space(s, &c);
        for (const struct quire_object *o = sys->all; o; o = o->next)
                check_object(sys, o, &c);
        check_queues(sys);
        quire_slots_check(sys);
        quire_tier_check(sys);
        quire_store_check(sys);
        must(sys, c.frames == sys->frames);                                    /* Y1 */
        must(sys, c.coming == sys->transit);
        must(sys, c.late == sys->late && sys->queue[QUIRE_Q_LATE].count == sys->late);
        must(sys, c.wanted == sys->locked);
        must(sys, sys->queue[QUIRE_Q_HELD].count == sys->locked);              /* P5 */
        must(sys, !sys->queue[QUIRE_Q_STUCK].count);
        must(sys, sys->queue[QUIRE_Q_TIER].count == sys->counters.tier_pages);
        must(sys, sys->counters.resident <= sys->counters.resident_peak);
        must(sys, c.resident == sys->counters.resident);
        must(sys, c.reserved == sys->counters.reserved);
        must(sys, c.charged == sys->counters.committed);                       /* Y5 */
        must(sys, c.file_pages == sys->counters.file_pages);                   /* Y4 */
        must(sys, sys->taken == sys->frames + buffers +
                  sys->tier.blocks * sys->tier.block_frames);                  /* Y2 */
        must(sys, sys->taken <= sys->budget);                                  /* Y2 */
}

void quire_system_audit(struct quire_system *sys)
{
        quire_lock(sys);
        quire_check(sys);
        quire_unlock(sys);
}
