/*
 * query.c - what lies where: regions, runs that are alike, gaps, pages.
 *
 * Lock: the system's.
 */
#include "region.h"

static void describe_gap(const struct quire_space *s, uint64_t page, struct quire_info *out)
{
        struct quire_node *before = quire_tree_floor(&s->regions, page);
        struct quire_node *after = before ? quire_tree_next(before)
                                          : quire_tree_first(&s->regions);
        uint64_t from = before ? before->key + quire_region_of(before)->count : s->first;
        unsigned shift = s->system->shift;

        must(s->system, after && page >= from && page < after->key);           /* S4 */
        out->base = out->run_first = from << shift;
        out->bytes = out->run_bytes = (after->key - from) << shift;
}

static void describe_region(const struct quire_region *r, uint64_t page, struct quire_info *out)
{
        unsigned shift = r->space->system->shift;
        struct quire_piece p;

        must_hold(r->space->system);
        out->base = out->run_first = r->node.key << shift;
        out->bytes = out->run_bytes = r->count << shift;
        out->kind = r->kind;
        out->reserved = true;
        if (r->kind == QUIRE_FOREIGN)
                return;
        p = quire_ranges_at(&r->ranges, quire_region_index(r, page));
        must(r->space->system, p.first >= r->object_first && p.count <= r->count);
        out->run_first = quire_region_va(r, p.first);
        out->run_bytes = p.count << shift;
        out->committed = p.attr & QUIRE_ATTR_COMMITTED;
        out->guarded = p.attr & QUIRE_ATTR_GUARD;
        out->watched = r->watched;
        out->access = p.attr & QUIRE_ATTR_ACCESS;
        out->mark = (uint8_t)((p.attr & QUIRE_ATTR_MARK) >> QUIRE_ATTR_MARK_SHIFT);
        out->tag = r->tag;
        out->attributes = r->attributes;
        out->rights = r->rights;
        out->mapped = r->grant;
        out->copy = r->copy;
        out->revoked = r->revoked;
        out->object = r->grant ? r->grant->object->number : 0;
        out->offset = r->grant ? r->object_first << shift : 0;
}

enum quire_status quire_region_query(struct quire_space *s, uint64_t va, struct quire_info *out)
{
        enum quire_status st = QUIRE_OK;
        struct quire_region *r;
        uint64_t page;

        if (!s || !out)
                return QUIRE_INVALID;
        page = va >> s->system->shift;
        *out = (struct quire_info){ .kind = QUIRE_PAGED };
        quire_enter(s->system);
        r = quire_region_find(s, page);
        if (page < s->first || page >= s->end)
                st = QUIRE_NOT_PRESENT;
        else if (r)
                describe_region(r, page, out);
        else
                describe_gap(s, page, out);
        quire_leave(s->system);
        return st;
}

static uint8_t describe_page(const struct quire_page *p)
{
        static const uint8_t states[] = {
                [QUIRE_AT_NONE] = QUIRE_PAGE_NONE, [QUIRE_AT_FRAME] = QUIRE_PAGE_PRESENT,
                [QUIRE_AT_COMING] = QUIRE_PAGE_COMING, [QUIRE_AT_SLOT] = QUIRE_PAGE_STORED,
                [QUIRE_AT_LOST] = QUIRE_PAGE_BROKEN, [QUIRE_AT_FIXED] = QUIRE_PAGE_PRESENT,
        };
        unsigned flags = 0;

        must(p->object->system, p->where < sizeof(states));
        if (quire_page_wanted(p))
                flags |= QUIRE_PAGE_LOCKED;
        if (p->flags & (QUIRE_PAGE_IS_DIRTY | QUIRE_PAGE_IS_OWED))
                flags |= QUIRE_PAGE_DIRTY;
        if (p->flags & QUIRE_PAGE_IS_WRITTEN)
                flags |= QUIRE_PAGE_WRITTEN;
        return (uint8_t)(states[p->where] | flags << 4);
}

/* Locks, and what was noted of writes, are of whoever has the page; not of a region
 * that inherits it. */
#define INHERITED ((uint8_t)~((QUIRE_PAGE_LOCKED | QUIRE_PAGE_WRITTEN) << 4))

/* Pages of one object, where nobody nearer to the region has contents.  copied: the
 * region's own, not of the object that it was mapped to show. */
static void map_object(const struct quire_span *span, const struct quire_object *o, bool copied,
                       uint8_t *out)
{
        bool own = o == span->region->object;
        struct quire_page *p;

        must(o->system, !copied || span->region->copy);

        for (p = quire_radix_next(&o->pages, span->index);
             p && p->index - span->index < span->count;
             p = quire_radix_next(&o->pages, p->index + 1)) {
                uint8_t *at = &out[p->index - span->index];

                if (!own && !quire_page_has(p))
                        continue;
                if (!(*at & 15))
                        *at |= describe_page(p) & (own ? UINT8_MAX : INHERITED);
                if (copied && quire_page_has(p))
                        *at |= QUIRE_PAGE_COPIED << 4;
        }
}

/* Pages that are not committed have no contents, whatever is inherited there or was
 * left to hide that. */
static void map_uncommitted(const struct quire_span *span, uint8_t *out)
{
        uint64_t i = 0;

        while (i < span->count) {
                struct quire_piece p = quire_ranges_at(&span->region->ranges, span->index + i);
                uint64_t end = quire_min(p.first + p.count - span->index, span->count);

                must(span->region->space->system, end > i);
                for (; i < end; i++)
                        if (!(p.attr & QUIRE_ATTR_COMMITTED))
                                out[i] &= QUIRE_PAGE_WRITTEN << 4;
        }
}

enum quire_status quire_page_map(struct quire_space *s, uint64_t va, uint64_t bytes,
                                 uint8_t *out)
{
        struct quire_span span;
        enum quire_status st;
        bool copied;

        if (!s || !out)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_look(s, va, bytes, &span);
        if (st == QUIRE_OK) {
                memset(out, 0, span.count);
                copied = span.region->copy;
                for (const struct quire_object *o = span.region->object; o; o = o->parent) {
                        copied = copied && o != span.region->grant->object;
                        map_object(&span, o, copied, out);
                }
                map_uncommitted(&span, out);
        }
        quire_leave(s->system);
        return st;
}
