/*
 * hold.c - pages that must stay in their frames: locked by their owner, or held
 * for somebody who cannot fault.
 *
 * Locks have no count, holds have.  Both keep a page in the queue HELD, where
 * no policy looks.  At most half of the budget may be kept so, since the rest
 * of the program must go on.
 *
 * Lock: the system's.
 */
#include "region.h"

static bool may_keep_more(const struct quire_system *sys)
{
        return sys->locked < sys->budget / 2;
}

/* => FRAME */
static void keep(struct quire_system *sys, struct quire_page *p)
{
        if (p->queue != QUIRE_Q_HELD) {
                quire_queue_remove(sys, p);
                quire_queue_push(sys, p, QUIRE_Q_HELD);
                sys->locked++;
        }
}

/* Nobody keeps it any more: it counts as used just now. */
static void let_go(struct quire_system *sys, struct quire_page *p)
{
        if (quire_page_wanted(p) || p->queue != QUIRE_Q_HELD)
                return;
        quire_queue_remove(sys, p);
        sys->locked--;
        sys->policy->touch(sys, p);
}

/* Bring the page in with this access, waiting for it.  Null: denied or no room. */
static struct quire_page *bring(struct quire_space *s, uint64_t page, unsigned access,
                                enum quire_reason *why)
{
        for (;;) {
                struct quire_region *r = quire_region_find(s, page);
                struct quire_page *p = NULL;
                struct quire_outcome got;

                if (r && r->object)
                        p = quire_radix_find(&r->object->pages, quire_region_index(r, page));
                if (p && p->where == QUIRE_AT_FRAME && (p->shown & access) == access)
                        return p;
                got = quire_resolve(s, page, access, 0);
                if (got.verdict == QUIRE_DENY) {
                        *why = got.reason;
                        return NULL;
                }
                if (r && r->kind == QUIRE_PLAIN)
                        return NULL;
        }
}

static enum quire_status to_status(enum quire_reason why)
{
        switch (why) {
        case QUIRE_WHY_NO_MEMORY:
                return QUIRE_NO_MEMORY;
        case QUIRE_WHY_IO_ERROR:
                return QUIRE_IO_ERROR;
        case QUIRE_WHY_BROKEN:
                return QUIRE_BROKEN;
        default:
                return QUIRE_DENIED;
        }
}

static unsigned access_of(const struct quire_space *s, uint64_t page)
{
        struct quire_region *r = quire_region_find(s, page);
        unsigned access;

        if (!r || !r->object)
                return 0;
        access = quire_ranges_attr(&r->ranges, quire_region_index(r, page)) & QUIRE_ATTR_ACCESS;
        return access & QUIRE_R ? QUIRE_R : access & QUIRE_W ? QUIRE_W : QUIRE_X;
}

static enum quire_status lock_pages(struct quire_space *s, const struct quire_span *span)
{
        struct quire_system *sys = s->system;

        for (uint64_t i = 0; i < span->count; i++) {
                uint64_t page = span->page + i;
                enum quire_reason why = QUIRE_WHY_PROTECTED;
                struct quire_page *p;

                if (!may_keep_more(sys))
                        return QUIRE_LIMIT;
                p = bring(s, page, access_of(s, page), &why);
                if (!p)
                        return to_status(why);
                keep(sys, p);
                p->flags |= QUIRE_PAGE_IS_LOCKED;
        }
        return QUIRE_OK;
}

/* Returns how many pages of the range were locked. */
static uint64_t unlock_pages(struct quire_space *s, uint64_t first, uint64_t count)
{
        uint64_t n = 0;

        for (uint64_t i = 0; i < count; i++) {
                struct quire_region *r = quire_region_find(s, first + i);
                struct quire_page *p = NULL;

                if (r && r->object)
                        p = quire_radix_find(&r->object->pages,
                                             quire_region_index(r, first + i));
                if (!p || !(p->flags & QUIRE_PAGE_IS_LOCKED))
                        continue;
                p->flags &= (uint8_t)~QUIRE_PAGE_IS_LOCKED;
                let_go(s->system, p);
                n++;
        }
        return n;
}

enum quire_status quire_region_lock(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && span.region->kind == QUIRE_PLAIN)
                st = QUIRE_UNSUPPORTED;
        if (st == QUIRE_OK && quire_span_committed(&span) < span.count)
                st = QUIRE_NOT_PRESENT;
        if (st == QUIRE_OK && span.count > s->system->budget / 2)
                st = QUIRE_LIMIT;
        if (st == QUIRE_OK) {
                st = lock_pages(s, &span);
                if (st != QUIRE_OK)
                        unlock_pages(s, span.page, span.count);
        }
        quire_leave(s->system);
        return st;
}

enum quire_status quire_region_unlock(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && unlock_pages(s, span.page, span.count) < span.count)
                st = QUIRE_NOT_PRESENT;
        quire_leave(s->system);
        return st;
}

enum quire_status quire_region_hold(struct quire_space *s, uint64_t va, uint64_t bytes,
                                    unsigned access, uint64_t *held)
{
        enum quire_reason why = QUIRE_WHY_FREE;
        struct quire_page *p = NULL;
        struct quire_system *sys;
        uint64_t n = 0;

        if (!s || !held || !bytes || (access != QUIRE_R && access != QUIRE_W) ||
            (va | bytes) & (((uint64_t)1 << s->system->shift) - 1))
                return QUIRE_INVALID;
        sys = s->system;
        quire_enter(sys);
        for (; n < bytes >> sys->shift && may_keep_more(sys); n++) {
                p = bring(s, (va >> sys->shift) + n, access, &why);
                if (!p || p->holds == UINT16_MAX)
                        break;
                keep(sys, p);
                p->holds++;
        }
        quire_leave(sys);
        *held = n << sys->shift;
        if (n)
                return QUIRE_OK;
        return p || why == QUIRE_WHY_NO_MEMORY || !may_keep_more(sys) ? QUIRE_BUSY : to_status(why);
}

void quire_region_unhold(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_system *sys = s->system;
        uint64_t first = va >> sys->shift;

        quire_enter(sys);
        for (uint64_t i = 0; i < bytes >> sys->shift; i++) {
                struct quire_region *r = quire_region_find(s, first + i);
                struct quire_page *p = NULL;

                if (r && r->object)
                        p = quire_radix_find(&r->object->pages,
                                             quire_region_index(r, first + i));
                if (!p || !p->holds)           /* released meanwhile, with its holds */
                        continue;
                p->holds--;
                let_go(sys, p);
        }
        quire_leave(sys);
}
