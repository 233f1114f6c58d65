/*
 * advise.c - what a program knows of its future: patterns, prefetch, eviction.
 *
 * Lock: the system's.
 */
#include "region.h"

/* Pages that a pager has: there are no records to go by. */
static void prefetch_paged(struct quire_space *s, uint64_t first, uint64_t count)
{
        struct quire_system *sys = s->system;

        must_hold(sys);
        must(sys, count > 0);
        for (uint64_t i = 0; i < count && sys->taken + sys->headroom < sys->budget; i++) {
                struct quire_region *r = quire_region_find(s, first + i);
                uint32_t attr;

                if (!r || !r->object)
                        return;
                attr = quire_ranges_attr(&r->ranges, quire_region_index(r, first + i));
                if (quire_attr_access(attr) && !(attr & QUIRE_ATTR_GUARD) && !r->revoked &&
                    !quire_page_has(quire_source_of(r->object,
                                                    quire_region_index(r, first + i)).page) &&
                    quire_resolve(s, first + i, QUIRE_R, 0).verdict != QUIRE_RESUME)
                        return;
        }
}

/* Bring stored pages of the range in, while free frames last. */
static void prefetch(struct quire_space *s, uint64_t first, uint64_t count)
{
        struct quire_system *sys = s->system;

        must_hold(sys);
        for (uint64_t i = 0; i < count;) {
                struct quire_region *r = quire_region_find(s, first + i);
                struct quire_page *p;
                uint32_t attr;
                uint64_t index;

                if (!r || !r->object || sys->taken + sys->headroom >= sys->budget)
                        return;
                index = quire_region_index(r, first + i);
                p = quire_radix_next(&r->object->pages, index);
                if (!p || p->index - index >= count - i || p->index >= r->object_first + r->count)
                        return;
                i += p->index - index + 1;
                if (p->where != QUIRE_AT_SLOT)
                        continue;
                index = r->node.key + (p->index - r->object_first);
                attr = quire_ranges_attr(&r->ranges, p->index);
                if (quire_attr_access(attr) && !(attr & QUIRE_ATTR_GUARD))   /* sets off no alarm */
                        (void)quire_resolve(s, index, QUIRE_R, 0);
        }
}

static bool may_go(const struct quire_page *p)
{
        return p->where == QUIRE_AT_FRAME && !quire_page_wanted(p);
}

/* Pages from `first' on that can go, out of their queues; *end: behind the last. */
static unsigned collect_resident(struct quire_space *s, uint64_t first, uint64_t count,
                                 struct quire_page **batch, uint64_t *end)
{
        struct quire_region *r = quire_region_find(s, first);
        uint64_t index = r ? quire_region_index(r, first) : 0;
        unsigned n = 0;

        for (uint64_t at = index; r && r->object && n < QUIRE_RUN_MAX; at++) {
                struct quire_page *p = quire_radix_next(&r->object->pages, at);

                if (!p || p->index - index >= count || p->index - r->object_first >= r->count)
                        break;
                at = p->index;
                if (!may_go(p))
                        continue;
                must(s->system, p->queue != QUIRE_Q_NONE && p->queue != QUIRE_Q_HELD);
                quire_queue_remove(s->system, p);
                batch[n++] = p;
                *end = first + (p->index - index) + 1;
        }
        must(s->system, !n || (*end > first && *end <= first + count));
        return n;
}

/* Evict what is resident in the range, waiting for transfers (drops and retakes
 * the lock); what has no room in the store stays. */
static void push_out(struct quire_space *s, uint64_t first, uint64_t count)
{
        struct quire_system *sys = s->system;
        struct quire_page *batch[QUIRE_RUN_MAX];
        uint64_t stop = first + count, end = first;
        unsigned n;

        must_hold(sys);
        quire_hold_back(sys);
        while (first < stop && (n = collect_resident(s, first, stop - first, batch, &end))) {
                if (quire_evict(sys, batch, n) == n || !quire_store_settle(sys, true))
                        first = end;
                quire_hold_back(sys);
        }
}

static enum quire_status advise(struct quire_space *s, struct quire_span *span,
                                enum quire_advice advice)
{
        struct quire_region *r = span->region;

        must_hold(s->system);
        if (r->kind == QUIRE_PLAIN)
                return QUIRE_UNSUPPORTED;
        switch (advice) {
        case QUIRE_NORMAL:
                r->pattern = QUIRE_READ_NORMAL;
                break;
        case QUIRE_SEQUENTIAL:
                r->pattern = QUIRE_READ_SEQUENTIAL;
                break;
        case QUIRE_RANDOM:
                r->pattern = QUIRE_READ_RANDOM;
                break;
        case QUIRE_WILL_NEED: {
                uint8_t before = r->pattern;
                uint64_t first = r->node.key;

                r->pattern = QUIRE_READ_SEQUENTIAL;        /* in long runs */
                prefetch(s, span->page, span->count);
                if (r->grant && r->grant->object->pager)
                        prefetch_paged(s, span->page, span->count);
                r = quire_region_find(s, first);
                if (r)
                        r->pattern = before;
                break;
        }
        case QUIRE_WONT_NEED:
                push_out(s, span->page, span->count);
                quire_store_push(s->system);
                break;
        default:
                return QUIRE_INVALID;
        }
        return QUIRE_OK;
}

enum quire_status quire_region_advise(struct quire_space *s, uint64_t va, uint64_t bytes,
                                      enum quire_advice advice)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK)
                st = advise(s, &span, advice);
        quire_leave(s->system);
        return st;
}
