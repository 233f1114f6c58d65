/*
 * model.c - what quire.h promises of regions, in the simplest form that can be
 * checked: an array of pages.  To be read beside the header and believed; what it
 * promises of a region's pages is in pages.c, of objects in objects.c.
 *
 * Does not know: where pages lie, frames, slots, policies, time.  A status that
 * depends on them (NO_MEMORY, BUSY, IO_ERROR) is the test's to judge; the model
 * is then not asked, since such a call changes nothing.
 */
#include "model.h"
#include <stdlib.h>
#include <string.h>

enum { REGIONS_MAX = 1 << 16 };

void model_open(struct model *m, struct model_system *system, unsigned shift, uint64_t low,
                uint64_t pages)
{
        *m = (struct model){ .system = system, .shift = shift, .low = low, .pages = pages };
        m->page = calloc(pages, sizeof(*m->page));
        m->region = calloc(REGIONS_MAX, sizeof(*m->region));
        if (!m->page || !m->region)
                abort();
}

void model_close(struct model *m)
{
        for (uint32_t n = 0; n < m->regions; n++)
                if (m->region[n].pages)
                        model_release(m, m->low + (m->region[n].first << m->shift), 0);
        free(m->page);
        free(m->region);
}

static uint64_t size_of(const struct model *m)
{
        return (uint64_t)1 << m->shift;
}

static uint64_t address(const struct model *m, uint64_t index)
{
        return m->low + (index << m->shift);
}

struct model_page *model_page(const struct model *m, uint64_t va)
{
        uint64_t index = (va - m->low) >> m->shift;

        return va >= m->low && index < m->pages ? &m->page[index] : NULL;
}

struct model_region *model_region(const struct model *m, const struct model_page *p)
{
        return p && p->region ? &m->region[p->region - 1] : NULL;
}

bool model_fits(const struct model_system *s, uint64_t pages)
{
        return s->committed + s->besides + pages <= s->limit;
}

enum quire_status model_find(const struct model *m, uint64_t va, uint64_t bytes,
                             struct model_span *s)
{
        if (!bytes || (va | bytes) & (size_of(m) - 1) || va + bytes < va)
                return QUIRE_INVALID;
        s->page = model_page(m, va);
        s->region = model_region(m, s->page);
        if (!s->region)
                return QUIRE_NOT_PRESENT;
        s->first = (va - m->low) >> m->shift;
        s->count = bytes >> m->shift;
        if (s->count > s->region->first + s->region->pages - s->first)
                return QUIRE_NOT_PRESENT;
        return QUIRE_OK;
}

bool model_revoked(const struct model_region *r)
{
        return r->grant && !model_grant_valid(r->grant);
}

/* Is the page charged to its region? */
static bool charged(const struct model *m, const struct model_page *p)
{
        const struct model_region *r = model_region(m, p);

        return p->committed && (!r->grant || r->copy);
}

void model_forget(struct model *m, struct model_page *p)
{
        m->system->committed -= charged(m, p);
        model_let_go(m->system, p);
        *p = (struct model_page){ .region = p->region, .written = p->written, .mark = p->mark };
}

/* ------------------------------------------------------ reserve and release */

static bool is_free(const struct model *m, uint64_t first, uint64_t count)
{
        if (first >= m->pages || count > m->pages - first)
                return false;
        for (uint64_t i = first; i < first + count; i++)
                if (m->page[i].region)
                        return false;
        return true;
}

/* The lowest or highest range that fits between the request's limits. */
static bool place(const struct model *m, const struct quire_request *r, uint64_t count,
                  uint64_t *first)
{
        uint64_t align = r->align ? r->align : size_of(m), run = 0;
        bool down = r->flags & QUIRE_TOP_DOWN;

        for (uint64_t n = 0; n < m->pages; n++) {
                uint64_t i = down ? m->pages - 1 - n : n, begin = down ? i : i + 1 - count;
                uint64_t at = address(m, i);
                bool usable = !m->page[i].region && at >= r->low && at + size_of(m) <= r->high;

                run = usable ? run + 1 : 0;
                if (run >= count && !(address(m, begin) & (align - 1))) {
                        *first = begin;
                        return true;
                }
        }
        return false;
}

static void make_region(struct model *m, uint64_t first, uint64_t count,
                        const struct model_region *like)
{
        uint32_t n = 0;

        while (n < m->regions && m->region[n].pages)
                n++;
        if (n == REGIONS_MAX)
                abort();
        if (n == m->regions)
                m->regions++;
        m->region[n] = *like;
        m->region[n].first = first;
        m->region[n].pages = count;
        for (uint64_t i = first; i < first + count; i++)
                m->page[i].region = n + 1;
        m->reserved += count;
}

/* All pages of a region that maps something are committed. */
static void map(struct model *m, struct model_region *g, unsigned access)
{
        for (uint64_t i = g->first; i < g->first + g->pages; i++) {
                m->page[i].committed = true;
                m->page[i].access = (uint8_t)access;
                m->system->committed += charged(m, &m->page[i]);
        }
        model_region_refer(g, true);
}

/* => the request's limits are inside the window, unless it is exact */
enum quire_status model_reserve(struct model *m, const struct quire_request *r,
                                struct model_grant *grant, uint64_t *va)
{
        uint64_t count = r->bytes >> m->shift, first = (r->va - m->low) >> m->shift;
        struct model_region like = { .kind = r->kind, .tag = r->tag, .grant = grant,
                                     .offset = r->offset >> m->shift,
                                     .copy = r->flags & QUIRE_COPY,
                                     .watched = r->flags & QUIRE_WATCHED };
        enum quire_status st = grant ? model_grant_map(m, r, grant) : QUIRE_OK;

        if (!(r->flags & QUIRE_EXACT) && (r->high < r->low || r->high - r->low < r->bytes))
                return QUIRE_INVALID;
        if (st != QUIRE_OK)
                return st;
        if ((r->flags & QUIRE_EXACT) && !is_free(m, first, count))
                return QUIRE_CONFLICT;
        if (!(r->flags & QUIRE_EXACT) && !place(m, r, count, &first))
                return QUIRE_NO_SPACE;
        make_region(m, first, count, &like);
        if (grant)
                map(m, model_region(m, &m->page[first]), r->access);
        *va = address(m, first);
        return QUIRE_OK;
}

/* Make a region of its own begin at the page. */
static void cut(struct model *m, uint64_t first)
{
        struct model_region *r = first < m->pages ? model_region(m, &m->page[first]) : NULL;
        struct model_region upper;
        uint64_t rest;

        if (!r || r->first == first)
                return;
        rest = r->first + r->pages - first;
        r->cut = true;
        r->pages -= rest;
        m->reserved -= rest;
        upper = *r;
        upper.offset += r->pages;
        make_region(m, first, rest, &upper);
        if (r->grant)
                model_region_refer(r, true);
}

enum quire_status model_split(struct model *m, uint64_t va)
{
        struct model_span s;
        enum quire_status st = model_find(m, va, size_of(m), &s);

        if (st == QUIRE_OK && s.region->first == s.first)
                st = QUIRE_CONFLICT;
        if (st == QUIRE_OK)
                cut(m, s.first);
        return st;
}

enum quire_status model_release(struct model *m, uint64_t va, uint64_t bytes)
{
        struct model_span s;
        enum quire_status st = model_find(m, va, bytes ? bytes : size_of(m), &s);

        if (st == QUIRE_OK && !bytes && s.region->first != s.first)
                st = QUIRE_NOT_PRESENT;
        if (st != QUIRE_OK)
                return st;
        if (!bytes)
                s.count = s.region->pages;
        cut(m, s.first);
        cut(m, s.first + s.count);
        s.region = model_region(m, s.page);
        m->reserved -= s.count;
        MODEL_EACH(st, s, p) {
                if (s.region->grant && s.region->grant->object->flags & QUIRE_SOLE)
                        model_let_go(m->system, model_kept(m, p));
                model_forget(m, p);
                *p = (struct model_page){ 0 };
        }
        s.region->pages = 0;
        if (s.region->grant)
                model_region_refer(s.region, false);
        return QUIRE_OK;
}

/* A whole paged region, to the window's pages at `to'; its own address: it grows. */
enum quire_status model_move(struct model *m, uint64_t from, uint64_t bytes, uint64_t to)
{
        struct model_span s;
        enum quire_status st = model_find(m, from, size_of(m), &s);
        uint64_t first = (to - m->low) >> m->shift, count = bytes >> m->shift, more;
        struct model_region old;

        if (st == QUIRE_OK && (s.region->kind != QUIRE_PAGED || s.region->first != s.first))
                st = QUIRE_NOT_PRESENT;
        if (st != QUIRE_OK)
                return st;
        old = *s.region;
        more = count - old.pages;
        s.count = old.pages;
        if (count < old.pages)
                return QUIRE_INVALID;
        if (more && old.grant)
                return QUIRE_UNSUPPORTED;
        if (first == s.first ? more && !is_free(m, first + s.count, more)
                             : !is_free(m, first, count))
                return QUIRE_CONFLICT;
        if (first != s.first) {
                memcpy(&m->page[first], s.page, s.count * sizeof(*s.page));
                memset(s.page, 0, s.count * sizeof(*s.page));
        }
        s.region->pages = 0;
        m->reserved -= s.count;
        make_region(m, first, count, &old);
        return QUIRE_OK;
}

/* ------------------------------------------------------------------- seeing */

static bool alike(const struct model_page *a, const struct model_page *b)
{
        return a->region == b->region && a->committed == b->committed && a->guard == b->guard &&
               a->access == b->access && a->mark == b->mark;
}

enum quire_status model_query(const struct model *m, uint64_t va, struct quire_info *out)
{
        const struct model_page *p = model_page(m, va);
        const struct model_region *r = model_region(m, p);
        uint64_t first, end;

        if (!p)
                return QUIRE_NOT_PRESENT;
        first = (uint64_t)(p - m->page);
        end = first + 1;
        while (first && alike(&m->page[first - 1], p))
                first--;
        while (end < m->pages && alike(&m->page[end], p))
                end++;
        *out = (struct quire_info){
                .base = address(m, r ? r->first : first),
                .bytes = (r ? r->pages : end - first) << m->shift,
                .run_first = address(m, first), .run_bytes = (end - first) << m->shift,
                .reserved = r, .committed = p->committed, .guarded = p->guard,
                .watched = r && r->watched, .access = p->access, .mark = p->mark,
                .kind = r ? r->kind : QUIRE_PAGED, .tag = r ? r->tag : 0,
                .mapped = r && r->grant, .copy = r && r->copy, .revoked = r && model_revoked(r),
                .offset = r && r->grant ? r->offset << m->shift : 0,
                .rights = r ? model_rights(r) : 0,
        };
        return QUIRE_OK;
}

/* -------------------------------------------------------------- a whole space */

enum quire_status model_space_clone(const struct model *from, struct model *into)
{
        uint64_t more = 0;

        for (uint32_t n = 0; n < from->regions; n++)
                if (from->region[n].pages &&
                    (from->region[n].kind == QUIRE_PLAIN ||
                     (from->region[n].grant &&
                      from->region[n].grant->object->flags & QUIRE_SOLE)))
                        return QUIRE_UNSUPPORTED;
        for (uint64_t i = 0; i < from->pages; i++)
                more += from->page[i].committed && charged(from, &from->page[i]);
        if (more && !model_fits(from->system, more))
                return QUIRE_LIMIT;
        from->system->committed += more;
        model_open(into, from->system, from->shift, from->low, from->pages);
        into->regions = from->regions;
        into->reserved = from->reserved;
        memcpy(into->page, from->page, from->pages * sizeof(*from->page));
        memcpy(into->region, from->region, from->regions * sizeof(*from->region));
        for (uint64_t i = 0; i < from->pages; i++) {
                into->page[i].locked = into->page[i].written = into->page[i].writes = false;
                into->page[i].holds = 0;
        }
        for (uint32_t n = 0; n < from->regions; n++)
                if (from->region[n].pages && from->region[n].grant)
                        model_region_refer(&from->region[n], true);
        return QUIRE_OK;
}
