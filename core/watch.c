/*
 * watch.c - write watch: which pages were written since somebody last asked.
 *
 * A page of a watched region is shown without W until its first write, which
 * marks it; resetting a mark takes W away again, save from pages that are held to be
 * written: those stay marked.  In a plain region the machine notes writes by itself,
 * and is asked.
 *
 * Lock: the system's.
 */
#include "region.h"

static void reset_marks(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        must_hold(sys);
        quire_page_narrow(sys, pages, count);
        for (unsigned i = 0; i < count; i++) {
                must(sys, !(pages[i]->shown & QUIRE_W));
                pages[i]->flags &= (uint8_t)~QUIRE_PAGE_IS_WRITTEN;
                if (pages[i]->where == QUIRE_AT_NONE && !pages[i]->flags)
                        quire_page_free(pages[i]);
        }
}

/* Collect marked pages into out (null: only count them). */
static uint64_t collect(struct quire_span *span, bool reset, uint64_t *out, uint64_t limit)
{
        struct quire_object *o = span->region->object;
        struct quire_page *batch[QUIRE_RUN_MAX], *p;
        uint64_t at = span->index, end = at + span->count, n = 0;
        unsigned k = 0;

        must(o->system, span->region->watched && limit > 0);
        while (n < limit && (p = quire_radix_next(&o->pages, at)) && p->index < end) {
                at = p->index + 1;
                if (!(p->flags & QUIRE_PAGE_IS_WRITTEN))
                        continue;
                if (out)
                        out[n] = quire_region_va(span->region, p->index);
                n++;
                if (p->writes)
                        continue;
                batch[k++] = p;
                if (k < QUIRE_RUN_MAX)
                        continue;
                if (reset)
                        reset_marks(o->system, batch, k);
                k = 0;
        }
        if (reset && k)
                reset_marks(o->system, batch, k);
        must(o->system, n <= limit && k < QUIRE_RUN_MAX);
        return n;
}

/* A plain region's marks are the machine's; reading them clears them. */
static enum quire_status collect_plain(struct quire_span *span, bool reset, uint64_t *out,
                                       uint64_t *count)
{
        struct quire_space *s = span->region->space;
        struct quire_system *sys = s->system;
        uint64_t n = 0, limit = *count;
        uint8_t bits[512];

        must_hold(sys);
        must(sys, span->region->kind == QUIRE_PLAIN && span->region->watched);
        if (!reset)
                return QUIRE_UNSUPPORTED;
        for (uint64_t i = 0; i < span->count && n < limit;) {
                uint64_t part = quire_min(span->count - i, quire_min(sizeof(bits), limit - n));
                enum quire_status st;

                memset(bits, 0, sizeof(bits));
                st = sys->mops->harvest(s->mspace, (span->page + i) << sys->shift, part, bits);
                if (st != QUIRE_OK)
                        return st;
                for (uint64_t k = 0; k < part; k++)
                        if (bits[k] & QUIRE_MODIFIED)
                                out[n++] = (span->page + i + k) << sys->shift;
                i += part;
        }
        *count = n;
        return QUIRE_OK;
}

enum quire_status quire_watch_get(struct quire_space *s, uint64_t va, uint64_t bytes, bool reset,
                                  uint64_t *out, uint64_t *count)
{
        struct quire_span span;
        enum quire_status st;

        if (!s || !out || !count || !*count)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && !span.region->watched)
                st = QUIRE_INVALID;
        if (st == QUIRE_OK && span.region->kind == QUIRE_PLAIN)
                st = collect_plain(&span, reset, out, count);
        else if (st == QUIRE_OK)
                *count = collect(&span, reset, out, *count);
        quire_leave(s->system);
        return st;
}

enum quire_status quire_watch_reset(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && !span.region->watched)
                st = QUIRE_INVALID;
        if (st == QUIRE_OK && span.region->kind == QUIRE_PLAIN)
                st = s->system->mops->delegate_watch(s->mspace, va, span.count);
        else if (st == QUIRE_OK)
                collect(&span, true, NULL, UINT64_MAX);
        quire_leave(s->system);
        return st;
}
