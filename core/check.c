/*
 * check.c - the whole state against every invariant that has a number.
 *
 * The sums that no single noun can see:
 *
 *   Y1  every record is an object's, and every frame taken from the machine is
 *       a page's: none is lost, none has two owners.
 *   Y2  what is taken of the budget is frames, tier and buffers; never more
 *       than the budget.
 *   Y3  queues hold what their counts say, and each page once.
 *   Y4  a slot belongs to one page: as many slots are used as pages, buffers
 *       and late or bad slots account for.
 *   Y5  the charge is the sum of what is committed (charge.c, G1).
 *
 * Lock: the system's.
 */
#include "core.h"

struct census {
        uint64_t records, frames, coming, file_pages, wanted, reserved, committed, resident;
};

static void count_page(struct quire_system *sys, const struct quire_page *p, struct census *c)
{
        quire_page_check(sys, p);
        must(sys, p->where != QUIRE_AT_COMING || p->queue == QUIRE_Q_NONE);
        c->records++;
        c->frames += p->frame != QUIRE_NO_FRAME;
        c->coming += p->where == QUIRE_AT_COMING;
        c->resident += p->where == QUIRE_AT_FRAME;
        c->file_pages += p->slot.kind == QUIRE_SLOT_FILE || p->slot.copied;
        c->wanted += quire_page_wanted(p);
}

/* The records that a region's part of its object holds. */
static void count_region(struct quire_system *sys, const struct quire_region *r,
                         struct census *c)
{
        uint64_t resident = c->resident, end = r->object_first + r->count;
        struct quire_page *p;

        c->reserved += r->kind == QUIRE_FOREIGN ? 0 : r->count;
        c->committed += r->counters.committed;
        if (!r->object)
                return;
        for (p = quire_radix_next(&r->object->pages, r->object_first); p && p->index < end;
             p = quire_radix_next(&r->object->pages, p->index + 1))
                count_page(sys, p, c);
        must(sys, r->counters.resident == c->resident - resident);
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
        total->records += c.records;
        total->frames += c.frames;
        total->coming += c.coming;
        total->resident += c.resident;
        total->file_pages += c.file_pages;
        total->wanted += c.wanted;
        total->reserved += c.reserved;
        total->committed += c.committed;
}

static void check_queues(struct quire_system *sys)
{
        for (unsigned id = QUIRE_Q_IN; id < QUIRE_QUEUES; id++) {
                struct quire_page *before = NULL;
                uint64_t n = 0;

                for (struct quire_page *p = sys->queue[id].first; p; p = p->next, n++) {
                        must(sys, p->queue == id && p->prev == before);        /* Q1 */
                        before = p;
                }
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
        check_queues(sys);
        quire_slots_check(sys);
        quire_tier_check(sys);
        quire_store_check(sys);
        must(sys, c.frames == sys->frames);                                    /* Y1 */
        must(sys, c.coming == sys->transit);
        must(sys, c.wanted == sys->locked);
        must(sys, sys->queue[QUIRE_Q_HELD].count == sys->locked);              /* P5 */
        must(sys, sys->queue[QUIRE_Q_TIER].count == sys->counters.tier_pages);
        must(sys, sys->counters.resident <= sys->counters.resident_peak);
        must(sys, c.resident == sys->counters.resident);
        must(sys, c.reserved == sys->counters.reserved);
        must(sys, c.committed == sys->counters.committed);                     /* Y5 */
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
