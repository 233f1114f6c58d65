/*
 * hold.c - pages that must stay in their frames: locked by their owner, or held
 * for somebody who cannot fault.
 *
 * Locks have no count, holds have.  Both keep a page in the queue HELD, where
 * no policy looks.  At most half of the budget may be kept so, since the rest
 * of the program must go on.
 *
 * Who holds a page to write to it may do so at any moment, and can not fault: until
 * it is let go it keeps W, and counts as written and as modified whatever is reset or
 * flushed meanwhile.
 *
 * Lock: the system's.
 */
#include "region.h"

/* Half of the frames, since the rest of the program must go on. */
uint64_t quire_keep_limit(const struct quire_system *sys)
{
        return quire_frames_at(sys, sys->budget) / 2;
}

/* The region's own page, not one that it inherits. */
static struct quire_page *page_at(struct quire_space *s, uint64_t page)
{
        struct quire_region *r = quire_region_find(s, page);

        must_hold(s->system);
        return r && r->object ? quire_radix_find(&r->object->pages, quire_region_index(r, page))
                              : NULL;
}

/* What is kept already costs nothing more. */
static bool may_keep(struct quire_space *s, uint64_t page)
{
        struct quire_page *p = page_at(s, page);

        return (p && p->queue == QUIRE_Q_HELD) || s->system->locked < quire_keep_limit(s->system);
}

/* => FRAME */
static void keep(struct quire_system *sys, struct quire_page *p)
{
        must_hold(sys);
        must(sys, p->where == QUIRE_AT_FRAME && p->queue != QUIRE_Q_NONE);
        if (p->queue != QUIRE_Q_HELD) {
                quire_queue_remove(sys, p);
                quire_queue_push(sys, p, QUIRE_Q_HELD);
                sys->locked++;
        }
        must(sys, sys->locked == sys->queue[QUIRE_Q_HELD].count);              /* P5 */
}

/* If nobody keeps it any more, it counts as used just now. */
void quire_unkeep(struct quire_system *sys, struct quire_page *p)
{
        if (quire_page_wanted(p) || p->queue != QUIRE_Q_HELD)
                return;
        must(sys, p->where == QUIRE_AT_FRAME);
        quire_page_unwant(p);
        quire_queue_remove(sys, p);
        sys->policy->touch(sys, p);
        must(sys, p->queue != QUIRE_Q_NONE && p->queue != QUIRE_Q_HELD);       /* P4, P5 */
}

/* Bring the page in with this access, waiting for it.  Null: denied or no room;
 * *why 0: it is plain memory, which needs no keeping. */
static struct quire_page *bring(struct quire_space *s, uint64_t page, unsigned access,
                                enum quire_reason *why)
{
        for (;;) {
                struct quire_region *r = quire_region_find(s, page);
                struct quire_page *p = page_at(s, page);
                bool plain = r && (r->kind == QUIRE_PLAIN ||
                                   (p && p->where == QUIRE_AT_FIXED));
                struct quire_outcome got;

                if (p && p->where == QUIRE_AT_FRAME &&
                    (quire_page_shown_at(p, r, page) & access) == access)
                        return p;
                got = quire_resolve(s, page, access | QUIRE_OWN, 0);
                if (got.verdict == QUIRE_DENY || plain) {
                        *why = got.reason;
                        return NULL;
                }
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

/* Hold pages from `first' on until one cannot be (*st says why).  Returns how many. */
static uint64_t hold_pages(struct quire_space *s, uint64_t first, uint64_t count,
                           unsigned access, enum quire_status *st)
{
        uint64_t n = 0;

        must_hold(s->system);
        must(s->system, count && (access == QUIRE_R || access == QUIRE_W));
        for (*st = QUIRE_OK; n < count; n++) {
                enum quire_reason why = 0;
                struct quire_page *p;

                *st = may_keep(s, first + n) ? QUIRE_OK : QUIRE_LIMIT;
                if (*st != QUIRE_OK)
                        break;
                p = bring(s, first + n, access, &why);
                if (!p && why) {
                        *st = to_status(why);
                        break;
                }
                if (!p)
                        continue;
                if (p->holds == UINT16_MAX) {
                        *st = QUIRE_BUSY;
                        break;
                }
                if (p->queue != QUIRE_Q_HELD && !quire_page_want(p)) {
                        *st = QUIRE_NO_MEMORY;
                        break;
                }
                keep(s->system, p);
                p->holds++;
                p->writes |= access == QUIRE_W;
        }
        return n;
}

/* Holds that went with their pages meanwhile are nobody's any more. */
static void unhold_pages(struct quire_space *s, uint64_t first, uint64_t count, bool lock)
{
        must_hold(s->system);
        for (uint64_t i = 0; i < count; i++) {
                struct quire_page *p = page_at(s, first + i);

                if (!p || !p->holds)
                        continue;
                if (lock)
                        p->flags |= QUIRE_PAGE_IS_LOCKED;
                must(s->system, p->where == QUIRE_AT_FRAME && p->holds > 0);             /* P5 */
                p->holds--;
                p->writes = p->writes && p->holds;
                quire_unkeep(s->system, p);
        }
}

/* Returns how many pages of the range were locked. */
static uint64_t unlock_pages(struct quire_space *s, uint64_t first, uint64_t count)
{
        uint64_t n = 0;

        for (uint64_t i = 0; i < count; i++) {
                struct quire_page *p = page_at(s, first + i);

                if (!p || !(p->flags & QUIRE_PAGE_IS_LOCKED))
                        continue;
                must(s->system, p->queue == QUIRE_Q_HELD);                     /* P5 */
                p->flags &= (uint8_t)~QUIRE_PAGE_IS_LOCKED;
                quire_unkeep(s->system, p);
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
        if (st == QUIRE_OK && span.count > quire_keep_limit(s->system))
                st = QUIRE_LIMIT;
        if (st == QUIRE_OK) {
                uint64_t n = hold_pages(s, span.page, span.count, QUIRE_R, &st);

                unhold_pages(s, span.page, n, st == QUIRE_OK);
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
        enum quire_status st;
        unsigned shift;
        uint64_t n;

        if (!s || !held || !bytes || !access || access & ~(unsigned)(QUIRE_R | QUIRE_W) ||
            (va | bytes) & (((uint64_t)1 << s->system->shift) - 1))
                return QUIRE_INVALID;
        shift = s->system->shift;
        access = access & QUIRE_W ? QUIRE_W : QUIRE_R;     /* W includes R */
        quire_enter(s->system);
        n = hold_pages(s, va >> shift, bytes >> shift, access, &st);
        quire_leave(s->system);
        *held = n << shift;
        if (n)
                return QUIRE_OK;
        return st == QUIRE_LIMIT || st == QUIRE_NO_MEMORY ? QUIRE_BUSY : st;
}

void quire_region_unhold(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        unsigned shift = s->system->shift;

        quire_enter(s->system);
        unhold_pages(s, va >> shift, bytes >> shift, false);
        quire_leave(s->system);
}
