/*
 * cut.c - regions that change their shape: split, released whole or in part,
 * moved.
 *
 * Cutting a region gives the upper part a record of its own; both parts go on
 * mapping the same object, so that no page is touched.  A part that is released
 * is first cut off at both ends, and then is a whole region.
 *
 * Does not decide: what a region is (region.c).
 *
 * Lock: the system's.
 */
#include "region.h"

/* What cutting a region once needs. */
struct cut {
        struct quire_region *upper;
        struct quire_spare_runs spare;
};

static enum quire_status plan_cut(struct quire_system *sys, struct cut *c)
{
        must_hold(sys);
        *c = (struct cut){ .upper = quire_alloc(sys, sizeof(*c->upper)) };
        if (!c->upper)
                return QUIRE_NO_MEMORY;
        if (quire_ranges_plan(sys, &c->spare) == QUIRE_OK)
                return QUIRE_OK;
        quire_free(sys, c->upper, sizeof(*c->upper));
        c->upper = NULL;
        return QUIRE_NO_MEMORY;
}

static void unplan_cut(struct quire_system *sys, struct cut *c)
{
        quire_ranges_unplan(sys, &c->spare);
        if (c->upper)
                quire_free(sys, c->upper, sizeof(*c->upper));
        c->upper = NULL;
}

static uint64_t resident_in(const struct quire_region *r)
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

/* The gauges of a region that was cut go where their pages are. */
static void share_counters(struct quire_region *low, struct quire_region *high)
{
        struct quire_span span = { high, high->node.key, high->object_first, high->count };
        struct quire_counters c = { .reserved = high->count };

        c.committed = quire_span_committed(&span);
        c.resident = c.resident_peak = resident_in(high);
        must(low->space->system, low->counters.committed >= c.committed);      /* N2 */
        must(low->space->system, low->counters.resident >= c.resident);
        high->counters = c;
        low->counters.reserved -= c.reserved;
        low->counters.committed -= c.committed;
        low->counters.resident -= c.resident;
}

/* Cut r before page `at'; what was planned becomes the upper part.
 * => inside, not its first */
static struct quire_region *apply_cut(struct quire_region *r, uint64_t at, struct cut *c)
{
        struct quire_region *u = c->upper;
        uint64_t low = at - r->node.key;

        must_hold(r->space->system);
        must(r->space->system, u && at > r->node.key && low < r->count);
        c->upper = NULL;
        u->space = r->space;
        u->kind = r->kind;
        u->watched = r->watched;
        u->pattern = r->pattern;
        u->tag = r->tag;
        u->copy = r->copy;
        u->revoked = r->revoked;
        u->rights = r->rights;
        u->attributes = r->attributes;
        u->grant = r->grant;
        u->object = r->object;
        u->object_first = r->object_first + low;
        u->node.key = at;
        u->count = r->count - low;
        if (u->grant)
                quire_grant_ref(u->grant);
        if (u->object) {
                u->object->refs++;
                u->object->regions++;
        }
        r->count = low;
        quire_ranges_cut(r->space->system, &r->ranges, u->object_first, &u->ranges, &c->spare);
        quire_space_insert(r->space, u);
        share_counters(r, u);
        must(r->space->system, u->gap == 0 && r->node.key + r->count == at);
        return u;
}

static enum quire_status split(struct quire_region *r, uint64_t at)
{
        struct quire_system *sys = r->space->system;
        struct cut c;

        must_hold(sys);
        must(sys, r->kind != QUIRE_FOREIGN && at > r->node.key);

        if (plan_cut(sys, &c) != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        apply_cut(r, at, &c);
        unplan_cut(sys, &c);
        return QUIRE_OK;
}

enum quire_status quire_region_split(struct quire_space *s, uint64_t va)
{
        enum quire_status st = QUIRE_OK;
        struct quire_region *r;
        uint64_t page;

        if (!s || va & (((uint64_t)1 << s->system->shift) - 1))
                return QUIRE_INVALID;
        page = va >> s->system->shift;
        quire_enter(s->system);
        r = quire_region_find(s, page);
        if (!r || r->kind == QUIRE_FOREIGN)
                st = QUIRE_NOT_PRESENT;
        else if (r->node.key == page)
                st = QUIRE_CONFLICT;
        else
                st = split(r, page);
        quire_leave(s->system);
        return st;
}

/* Has it an object that nobody else maps, whose pages go with it? */
static bool is_private(const struct quire_region *r)
{
        return r->object && (!r->grant || r->copy);
}

/* Cut the span off at both ends, then it is a region that can go. */
static enum quire_status release(struct quire_span *span)
{
        struct quire_system *sys = span->region->space->system;
        bool front = span->page > span->region->node.key;
        bool back = span->page + span->count < span->region->node.key + span->region->count;
        struct cut a = { 0 }, b = { 0 };
        enum quire_status st = QUIRE_OK;

        if (front)
                st = plan_cut(sys, &a);
        if (st == QUIRE_OK && back)
                st = plan_cut(sys, &b);
        if (st == QUIRE_OK && is_private(span->region) &&
            (front || back || span->region->object->regions > 1))    /* else all of it goes */
                st = quire_object_plan_release(span->region->object, span->index, span->count);
        if (st == QUIRE_OK) {
                if (front)
                        span->region = apply_cut(span->region, span->page, &a);
                if (back)
                        apply_cut(span->region, span->page + span->count, &b);
                must(sys, span->region->node.key == span->page);
                must(sys, span->region->count == span->count);
                quire_region_apply_release(span->region);
        }
        unplan_cut(sys, &a);
        unplan_cut(sys, &b);
        return st;
}

/* What is owed to a pager is written before the last region goes (drops and retakes
 * the lock), so the span is looked for again. */
static enum quire_status find_to_release(struct quire_space *s, uint64_t va, uint64_t bytes,
                                         struct quire_span *span)
{
        enum quire_status st;

        do
                st = quire_span_find(s, va, bytes, span);
        while (st == QUIRE_OK && span->region->grant && span->count == span->region->count &&
               quire_object_flush_last(span->region->grant->object));
        return st;
}

enum quire_status quire_region_release(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_region *whole;
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        if (!bytes) {
                whole = quire_region_find(s, va >> s->system->shift);
                if (whole && va == whole->node.key << s->system->shift)
                        bytes = whole->count << s->system->shift;
        }
        if (bytes || va & (((uint64_t)1 << s->system->shift) - 1))
                st = find_to_release(s, va, bytes, &span);
        else
                st = QUIRE_NOT_PRESENT;
        if (st == QUIRE_OK)
                st = release(&span);
        quire_leave(s->system);
        return st;
}

/* ------------------------------------------------------------------- moving */

static void count_grown(struct quire_region *r, uint64_t pages)
{
        must(r->space->system, r->ranges.count == r->count + pages);           /* N1 */
        r->count += pages;
        r->counters.reserved += pages;
        r->space->counters.reserved += pages;
        r->space->system->counters.reserved += pages;
}

/* More reserved pages at the end, where nothing lies. */
static enum quire_status grow_in_place(struct quire_region *r, uint64_t more)
{
        struct quire_space *s = r->space;
        struct quire_system *sys = s->system;
        uint64_t end = r->node.key + r->count;
        struct quire_range obstacle;
        enum quire_status st;

        must(sys, more > 0 && !r->grant);
        if (!quire_space_free(s, end, more))
                return QUIRE_CONFLICT;
        st = sys->mops->reserve(s->mspace, end << sys->shift, more, NULL, &obstacle);
        if (st != QUIRE_OK)
                return st;
        st = quire_ranges_grow(sys, &r->ranges, more, 0);
        if (st != QUIRE_OK) {
                sys->mops->release(s->mspace, end << sys->shift, more);
                return st;
        }
        quire_space_remove(s, r);
        count_grown(r, more);
        quire_space_insert(s, r);
        return QUIRE_OK;
}

/* Let the region have its pages for itself, in an object of its own. */
static enum quire_status own_object(struct quire_region *r)
{
        struct quire_object *o;

        must_hold(r->space->system);
        must(r->space->system, r->object->refs > 0);
        if (r->object->regions == 1)
                return QUIRE_OK;
        must(r->space->system, !r->object->parent && !r->object->child);
        o = quire_object_open_private(r->space->system, r->space);
        if (!o)
                return QUIRE_NO_MEMORY;
        o->base = r->object->base;
        o->regions = 1;
        if (quire_object_carry(r->object, r->object_first, r->count, o) != QUIRE_OK) {
                quire_object_drop(o);
                return QUIRE_NO_MEMORY;
        }
        must(o->system, r->object->regions > 1 && o->home == r->object->home);
        r->object->regions--;
        quire_object_drop(r->object);
        r->object = o;
        return QUIRE_OK;
}

static enum quire_status move_to(struct quire_region *r, uint64_t first, uint64_t more)
{
        struct quire_space *s = r->space;
        struct quire_system *sys = s->system;
        uint64_t old = r->node.key, old_count = r->count;
        enum quire_status st = QUIRE_OK;

        quire_region_forget(r, r->object_first, r->count, QUIRE_FORGET_OWN | QUIRE_FORGET_DROP);
        if (r->object->home)
                st = own_object(r);
        if (st == QUIRE_OK && more)
                st = quire_ranges_grow(sys, &r->ranges, more, 0);
        if (st != QUIRE_OK)
                return st;
        sys->mops->release(s->mspace, old << sys->shift, old_count);
        quire_space_remove(s, r);
        if (more)
                count_grown(r, more);
        must(sys, !r->object->home || r->object->regions == 1);
        r->node.key = first;
        if (r->object->home)
                r->object->base = first - r->object_first;
        quire_space_insert(s, r);
        return QUIRE_OK;
}

static enum quire_status move(struct quire_space *s, struct quire_span *span, uint64_t count,
                              bool exact, uint64_t *to)
{
        struct quire_region *r = span->region;
        struct quire_request q = quire_region_request(r, count);
        enum quire_status st;
        uint64_t first;

        q.va = *to;
        q.flags |= exact ? QUIRE_EXACT : 0;
        if (!exact || *to == r->node.key << s->system->shift) {
                st = count == r->count ? QUIRE_OK : grow_in_place(r, count - r->count);
                if (st == QUIRE_OK)
                        *to = r->node.key << s->system->shift;
                if (st != QUIRE_CONFLICT || exact)
                        return st;
        }
        st = quire_place_claim(s, &q, &first);
        if (st != QUIRE_OK)
                return st;
        st = move_to(r, first, count - r->count);
        if (st == QUIRE_OK)
                *to = first << s->system->shift;
        else
                s->system->mops->release(s->mspace, first << s->system->shift, count);
        return st;
}

static enum quire_status grow_and_move(struct quire_space *s, struct quire_span *span,
                                       uint64_t count, bool exact, uint64_t *to)
{
        struct quire_region *r = span->region;
        uint64_t end = r->object_first + r->count, more = count - r->count;
        enum quire_status st;

        if (r->object->home && r->object->regions > 1 &&
            (r->grant || r->object->parent || r->object->child))
                return QUIRE_UNSUPPORTED;            /* pages of both parts lie at one home */
        st = quire_object_plan_growth(r->object, end, more);
        if (st != QUIRE_OK)
                return st;
        st = move(s, span, count, exact, to);
        if (st != QUIRE_OK)
                quire_object_unplan_growth(r->object, end, more);
        return st;
}

enum quire_status quire_region_move(struct quire_space *s, uint64_t from, uint64_t bytes,
                                    bool exact, uint64_t *to)
{
        uint64_t page = s ? (uint64_t)1 << s->system->shift : 1;
        struct quire_region *r;
        struct quire_span span;
        enum quire_status st = QUIRE_NOT_PRESENT;

        if (!s || !to || !bytes || (bytes | from) & (page - 1) || (exact && *to & (page - 1)))
                return QUIRE_INVALID;
        quire_enter(s->system);
        r = quire_region_find(s, from >> s->system->shift);
        if (r && r->kind == QUIRE_PAGED && r->node.key == from >> s->system->shift)
                st = quire_span_find(s, from, r->count << s->system->shift, &span);
        if (st == QUIRE_OK && bytes >> s->system->shift < span.region->count)
                st = QUIRE_INVALID;
        if (st == QUIRE_OK && span.region->grant && bytes >> s->system->shift > span.region->count)
                st = QUIRE_UNSUPPORTED;
        if (st == QUIRE_OK)
                st = grow_and_move(s, &span, bytes >> s->system->shift, exact, to);
        quire_leave(s->system);
        return st;
}
