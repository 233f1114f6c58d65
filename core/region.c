/*
 * region.c - regions: reserve, commit, decommit, protect, guard, discard,
 * release, query.
 *
 * A region is one reservation: a run of addresses with its object, and runs of
 * attributes.  What a call costs depends on the attribute runs it covers and
 * the pages that have contents there, never on the length of the range.
 *
 * Every change is planned (arguments, records, charge, the machine's consent)
 * and then applied, which cannot fail.
 *
 * Does not decide: where a region lies (space.c), moving and cutting (cut.c).
 *
 * N1  attributes cover exactly the region's pages.
 * N2  the committed counter is what the attributes say.
 * N3  a paged region has an object, a plain one has none.
 * N4  of a mapped region, the object's page at the region's first is at the offset
 *     that was asked for; access is among its rights.
 *
 * Lock: the system's.
 */
#include "region.h"

uint64_t quire_region_index(const struct quire_region *r, uint64_t page)
{
        return page - r->node.key + r->object_first;
}

uint64_t quire_region_va(const struct quire_region *r, uint64_t index)
{
        return (index - r->object_first + r->node.key) << r->space->system->shift;
}

/* Bytes of the interface to pages; INVALID unless they are whole ones. */
static enum quire_status to_pages(const struct quire_space *s, uint64_t va, uint64_t bytes,
                                  struct quire_span *out)
{
        uint64_t mask = ((uint64_t)1 << s->system->shift) - 1;

        if ((va | bytes) & mask || !bytes || va + bytes < va)
                return QUIRE_INVALID;
        out->page = va >> s->system->shift;
        out->count = bytes >> s->system->shift;
        return QUIRE_OK;
}

/* The one region that holds the whole range. */
static enum quire_status find_span(struct quire_space *s, uint64_t va, uint64_t bytes,
                                   struct quire_span *out)
{
        enum quire_status st = to_pages(s, va, bytes, out);

        if (st != QUIRE_OK)
                return st;
        out->region = quire_region_find(s, out->page);
        if (!out->region || out->region->kind == QUIRE_FOREIGN)
                return QUIRE_NOT_PRESENT;
        if (out->count > out->region->node.key + out->region->count - out->page)
                return QUIRE_NOT_PRESENT;
        out->index = quire_region_index(out->region, out->page);
        return QUIRE_OK;
}

/* The same, when nothing in it is in transit (drops and retakes the lock). */
enum quire_status quire_span_find(struct quire_space *s, uint64_t va, uint64_t bytes,
                                  struct quire_span *out)
{
        for (;;) {
                enum quire_status st = find_span(s, va, bytes, out);

                if (st != QUIRE_OK || !out->region->object ||
                    quire_object_settled(out->region->object, out->index, out->count))
                        return st;
                quire_wait_settled(s->system);
        }
}

/* How many pages of the range are committed. */
uint64_t quire_span_committed(const struct quire_span *span)
{
        uint64_t at = span->index, end = at + span->count, sum = 0;

        must_hold(span->region->space->system);
        must(span->region->space->system,
             span->index >= span->region->object_first &&
             span->index - span->region->object_first + span->count <= span->region->count);
        while (at < end) {
                struct quire_piece p = quire_ranges_at(&span->region->ranges, at);
                uint64_t next = quire_min(p.first + p.count, end);

                if (p.attr & QUIRE_ATTR_COMMITTED)
                        sum += next - at;
                at = next;
        }
        return sum;
}

/* ---------------------------------------------------------------- reserving */

/* The part of an obstacle that lies in the gap around page `at', which is free. */
static struct quire_range clip_to_gap(const struct quire_space *s, struct quire_range o,
                                      uint64_t at)
{
        struct quire_node *before = quire_tree_floor(&s->regions, at);
        struct quire_node *after = before ? quire_tree_next(before)
                                          : quire_tree_first(&s->regions);
        uint64_t from = before ? before->key + quire_region_of(before)->count : s->first;
        uint64_t end = quire_min(o.first + o.pages, after->key);

        from = quire_max(from, o.first);
        return (struct quire_range){ from, end > from ? end - from : 0 };
}

/* Remember what is in the way, so that no placement runs into it again. */
static enum quire_status note_foreign(struct quire_space *s, uint64_t first, uint64_t count,
                                      struct quire_range obstacle)
{
        struct quire_system *sys = s->system;
        struct quire_range o = { obstacle.first >> sys->shift, obstacle.pages };
        struct quire_region *r;

        o = clip_to_gap(s, o, quire_max(first, o.first));
        if (!o.pages || o.first >= first + count)
                return QUIRE_CONFLICT;
        r = quire_alloc(sys, sizeof(*r));
        if (!r)
                return QUIRE_NO_MEMORY;
        must(sys, quire_space_free(s, o.first, o.pages));
        r->node.key = o.first;
        r->count = o.pages;
        r->kind = QUIRE_FOREIGN;
        r->space = s;
        quire_ranges_open(&r->ranges, 0, o.pages, 0);
        quire_space_insert(s, r);
        return QUIRE_OK;
}

/* What was in the way may have gone. */
static void forget_foreign(struct quire_space *s, uint64_t first, uint64_t count)
{
        struct quire_node *n = quire_tree_floor(&s->regions, first);
        struct quire_node *after;

        for (n = n ? n : quire_tree_first(&s->regions); n && n->key < first + count; n = after) {
                struct quire_region *r = quire_region_of(n);

                after = quire_tree_next(n);
                if (r->kind != QUIRE_FOREIGN || r == &s->sentinel || n->key + r->count <= first)
                        continue;
                quire_space_remove(s, r);
                quire_free(s->system, r, sizeof(*r));
        }
}

/* What is to be claimed: of which kind, and what it views. */
struct claim {
        enum quire_region_kind kind;
        const struct quire_view *view;
};

static enum quire_status claim(struct quire_space *s, struct claim c, uint64_t first,
                               uint64_t count, struct quire_range *obstacle)
{
        const struct quire_machine_ops *m = s->system->mops;
        uint64_t va = first << s->system->shift;

        must(s->system, quire_space_free(s, first, count));
        must(s->system, c.kind == QUIRE_PAGED || (c.kind == QUIRE_PLAIN && m->delegate));
        if (c.kind == QUIRE_PLAIN)
                return m->delegate(s->mspace, va, count, c.view, obstacle);
        return m->reserve(s->mspace, va, count, c.view, obstacle);
}

static enum quire_status claim_exact(struct quire_space *s, struct claim c, uint64_t first,
                                     uint64_t count)
{
        struct quire_range obstacle;
        enum quire_status st;

        forget_foreign(s, first, count);
        if (!quire_space_free(s, first, count))
                return QUIRE_CONFLICT;
        st = claim(s, c, first, count, &obstacle);
        if (st == QUIRE_CONFLICT && note_foreign(s, first, count, obstacle) == QUIRE_NO_MEMORY)
                return QUIRE_NO_MEMORY;
        return st;
}

static enum quire_status claim_in(struct quire_space *s, struct claim c,
                                  const struct quire_place *place, uint64_t *first)
{
        while (quire_space_fit(s, place, first)) {
                struct quire_range obstacle;
                enum quire_status st = claim(s, c, *first, place->count, &obstacle);

                if (st != QUIRE_CONFLICT)
                        return st;
                st = note_foreign(s, *first, place->count, obstacle);
                if (st != QUIRE_OK)
                        return st;
        }
        return QUIRE_NO_SPACE;
}

/* Try a range of the layout that may be allocated from. */
static enum quire_status claim_within(struct quire_space *s, struct claim c,
                                      struct quire_place place, struct quire_range zone,
                                      uint64_t *first)
{
        unsigned shift = s->system->shift;
        enum quire_status st = QUIRE_NO_SPACE;

        for (unsigned k = 0; k < s->layout->count && st == QUIRE_NO_SPACE; k++) {
                unsigned i = place.top_down ? s->layout->count - 1 - k : k;
                const struct quire_arena *a = &s->layout->arenas[i];
                struct quire_place p = place;

                if (!a->allocate || a->refuse)
                        continue;
                p.low = quire_max(a->first, zone.first) >> shift;
                p.high = quire_min(a->first + a->bytes, zone.first + zone.pages) >> shift;
                if (p.low < p.high)
                        st = claim_in(s, c, &p, first);
        }
        return st;
}

/* Where the machine has it cheapest, then wherever the layout allows. */
static enum quire_status claim_anywhere(struct quire_space *s, struct claim c,
                                        const struct quire_place *place, uint64_t *first)
{
        const struct quire_abilities *can = s->system->can;
        struct quire_range zone = c.kind == QUIRE_PLAIN ? can->plain : can->paged;
        enum quire_status st = QUIRE_NO_SPACE;

        zone.pages <<= s->system->shift;         /* bytes from here on */
        if (zone.pages)
                st = claim_within(s, c, *place, zone, first);
        zone = (struct quire_range){ 0, UINT64_MAX };
        return st == QUIRE_NO_SPACE ? claim_within(s, c, *place, zone, first) : st;
}

/* The request that claims for the region what it shows. */
struct quire_request quire_region_request(const struct quire_region *r, uint64_t count)
{
        unsigned shift = r->space->system->shift;

        return (struct quire_request){ .bytes = count << shift, .kind = r->kind,
                                       .grant = r->grant, .offset = r->object_first << shift,
                                       .flags = r->copy ? QUIRE_COPY : 0 };
}

/* What the machine is to show in a region that maps the grant. */
static struct quire_view view_of(const struct quire_request *q, unsigned shift)
{
        return (struct quire_view){ q->grant ? q->grant->object->store : NULL,
                                    q->offset >> shift, q->flags & QUIRE_COPY };
}

/* Find a place and claim it from the machine; *first: its page number. */
enum quire_status quire_place_claim(struct quire_space *s, const struct quire_request *q,
                                    uint64_t *first)
{
        unsigned shift = s->system->shift;
        struct quire_view view = view_of(q, shift);
        struct claim c = { q->kind, view.store ? &view : NULL };
        struct quire_place place = { .count = q->bytes >> shift,
                                     .align = quire_max(q->align >> shift, 1),
                                     .low = q->low >> shift, .high = q->high >> shift,
                                     .top_down = q->flags & QUIRE_TOP_DOWN };

        if (q->flags & QUIRE_EXACT) {
                *first = q->va >> shift;
                return claim_exact(s, c, *first, place.count);
        }
        if (q->low || q->high)
                return claim_in(s, c, &place, first);
        return claim_anywhere(s, c, &place, first);
}

/* Does what it says of a grant make sense? */
static bool grant_valid(const struct quire_space *s, const struct quire_request *q)
{
        uint64_t page = (uint64_t)1 << s->system->shift, pages = q->bytes >> s->system->shift;
        const struct quire_object *o;

        if (!q->grant)
                return !(q->flags & QUIRE_COPY);
        o = q->grant->object;
        return q->grant->system == s->system && !(q->offset & (page - 1)) &&
               !(q->access & ~(unsigned)QUIRE_ATTR_ACCESS) && pages <= o->count &&
               q->offset >> s->system->shift <= o->count - pages &&
               !(q->flags & QUIRE_COPY && o->flags & QUIRE_SOLE);
}

static bool request_valid(const struct quire_space *s, const struct quire_request *q)
{
        uint64_t page = (uint64_t)1 << s->system->shift;
        uint64_t end = s->end << s->system->shift;

        if (!q->bytes || (q->bytes | q->low | q->high) & (page - 1) || q->bytes > end)
                return false;
        if (q->align & (q->align - 1) || (q->align && q->align < page))
                return false;
        if (q->flags & ~(unsigned)(QUIRE_TOP_DOWN | QUIRE_EXACT | QUIRE_WATCHED | QUIRE_COPY))
                return false;
        if (q->attributes & ~(unsigned)QUIRE_ATTRIBUTES || !grant_valid(s, q))
                return false;
        if (q->kind != QUIRE_PAGED && q->kind != QUIRE_PLAIN)
                return false;
        if (q->high < q->low || (q->high && q->high - q->low < q->bytes))
                return false;
        if (!(q->flags & QUIRE_EXACT))
                return true;
        return !(q->va & ((q->align ? q->align : page) - 1)) &&
               q->va >> s->system->shift >= s->first && q->va <= end - q->bytes &&
               !quire_layout_refuses(s->layout, q->va, q->bytes);
}

static bool request_supported(const struct quire_space *s, const struct quire_request *q)
{
        const struct quire_machine_ops *m = s->system->mops;

        if (q->grant && q->flags & QUIRE_WATCHED)
                return false;
        if (q->grant && q->kind == QUIRE_PLAIN && !(q->grant->object->flags & QUIRE_HOSTED))
                return false;
        if (q->kind == QUIRE_PLAIN && !m->delegate)
                return false;
        return !(q->kind == QUIRE_PLAIN && q->flags & QUIRE_WATCHED && !m->delegate_watch);
}

void quire_region_free(struct quire_region *r)
{
        struct quire_system *sys = r->space->system;

        if (r->object) {
                r->object->regions--;
                quire_object_drop(r->object);
        }
        if (r->grant)
                quire_grant_unref(r->grant);
        quire_ranges_close(sys, &r->ranges);
        quire_free(sys, r, sizeof(*r));
}

/* The object whose pages the region is to show first of all.  Null: no memory. */
static struct quire_object *object_for(struct quire_space *s, const struct quire_request *q)
{
        struct quire_object *o = q->grant ? q->grant->object : NULL;
        struct quire_object *own;

        if (o && !(q->flags & QUIRE_COPY)) {
                o->refs++;
                return o;
        }
        own = quire_object_open_private(s->system, s);
        if (own && o)
                quire_object_adopt(o, own);
        return own;
}

static struct quire_region *plan_region(struct quire_space *s, const struct quire_request *q)
{
        struct quire_region *r = quire_alloc(s->system, sizeof(*r));

        must(s->system, q->bytes >> s->system->shift > 0);
        if (!r)
                return NULL;
        r->space = s;
        r->kind = (uint8_t)q->kind;
        r->count = q->bytes >> s->system->shift;
        r->tag = q->tag;
        r->watched = q->flags & QUIRE_WATCHED;
        r->attributes = (uint8_t)q->attributes;
        r->rights = QUIRE_ATTR_ACCESS;
        r->object_first = q->grant ? q->offset >> s->system->shift : 0;
        quire_ranges_open(&r->ranges, r->object_first, r->count,
                          q->grant ? QUIRE_ATTR_COMMITTED | q->access : 0);
        if (q->kind == QUIRE_PAGED) {
                r->object = object_for(s, q);
                if (!r->object) {
                        quire_free(s->system, r, sizeof(*r));
                        return NULL;
                }
                r->object->regions++;
        }
        if (q->grant) {
                r->copy = q->flags & QUIRE_COPY;
                r->rights = (uint8_t)(q->grant->rights | (r->copy ? QUIRE_W : 0));
                r->grant = q->grant;
                quire_grant_ref(r->grant);
        }
        return r;
}

static void count_reserved(struct quire_region *r, uint64_t pages, bool more)
{
        uint64_t add = more ? pages : -pages;

        must_hold(r->space->system);
        must(r->space->system, more || r->counters.reserved >= pages);
        r->space->system->counters.reserved += add;
        r->space->counters.reserved += add;
        r->counters.reserved += add;
}

/* Pages of an object that was mapped before may be in frames. */
static void come_home(struct quire_region *r)
{
        struct quire_object *o = r->object;
        struct quire_page *p;

        must(r->space->system, !o->home || o->home == r->space);
        o->home = r->space;
        o->base = r->node.key - r->object_first;
        for (p = quire_radix_next(&o->pages, r->object_first);
             p && p->index - r->object_first < r->count;
             p = quire_radix_next(&o->pages, p->index + 1))
                if (p->where == QUIRE_AT_FRAME)
                        quire_count_mapped(r, 1);
}

/* The machine's half of a plain region, or why it can not be. */
static enum quire_status set_up_plain(struct quire_region *r, uint64_t first, unsigned access)
{
        const struct quire_machine_ops *m = r->space->system->mops;
        uint64_t va = first << r->space->system->shift;
        enum quire_status st = QUIRE_OK;

        if (r->watched)
                st = m->delegate_watch(r->space->mspace, va, r->count);
        else if (r->grant && access)
                st = m->delegate_protect(r->space->mspace, va, r->count,
                                         quire_attr_access(access));
        if (st != QUIRE_OK)
                m->delegate_release(r->space->mspace, va, r->count);
        return st;
}

/* => its place is claimed */
void quire_region_apply_reserve(struct quire_region *r, uint64_t first)
{
        struct quire_space *s = r->space;

        must(s->system, quire_space_free(s, first, r->count));
        r->node.key = first;
        quire_space_insert(s, r);
        count_reserved(r, r->count, true);
        if (r->object && (r->object->home == s || r->object->flags & QUIRE_SOLE))
                come_home(r);
}

static enum quire_status reserve(struct quire_space *s, const struct quire_request *q,
                                 uint64_t *va)
{
        struct quire_region *r = plan_region(s, q);
        enum quire_status st = QUIRE_OK;
        uint64_t first = 0;

        if (!r)
                return QUIRE_NO_MEMORY;
        if (q->grant && !quire_charge(s, r, r->count))
                st = QUIRE_LIMIT;
        if (st == QUIRE_OK) {
                st = quire_place_claim(s, q, &first);
                if (st == QUIRE_OK && q->kind == QUIRE_PLAIN)
                        st = set_up_plain(r, first, q->access);
                if (st != QUIRE_OK)
                        quire_refund(s, r, r->counters.committed);
        }
        if (st != QUIRE_OK) {
                quire_region_free(r);
                return st;
        }
        quire_region_apply_reserve(r, first);
        *va = first << s->system->shift;
        return QUIRE_OK;
}

/* May this be mapped?  (What the grant says may have changed since it was opened.) */
static enum quire_status check_grant(const struct quire_request *q)
{
        const struct quire_grant *g = q->grant;
        unsigned rights;

        if (!g)
                return QUIRE_OK;
        rights = g->rights | (q->flags & QUIRE_COPY && g->rights & QUIRE_R ? QUIRE_W : 0);
        if (!quire_grant_valid(g))
                return QUIRE_NOT_PRESENT;
        if (q->access & ~rights)
                return QUIRE_DENIED;
        return g->object->flags & QUIRE_SOLE && g->object->regions ? QUIRE_BUSY : QUIRE_OK;
}

enum quire_status quire_region_reserve(struct quire_space *s, const struct quire_request *q,
                                       uint64_t *va)
{
        struct quire_request asked;
        enum quire_status st;

        if (!s || !q || !va || !request_valid(s, q))
                return QUIRE_INVALID;
        asked = *q;
        if (q->grant && q->grant->object->flags & QUIRE_HOSTED)
                asked.kind = QUIRE_PLAIN;
        if (!request_supported(s, &asked))
                return QUIRE_UNSUPPORTED;
        quire_enter(s->system);
        st = check_grant(&asked);
        if (st == QUIRE_OK)
                st = reserve(s, &asked, va);
        quire_leave(s->system);
        return st;
}

/* -------------------------------------------------- access of what is there */

/* What the attributes of the span allow to be shown of a page; 0: hide it. */
static unsigned allowed(const struct quire_span *span, const struct quire_page *p)
{
        return quire_page_best_access(span->region, p,
                                      quire_ranges_attr(&span->region->ranges, p->index));
}

/* A run of pages that are shown in the region: show them with this access, or hide
 * them.  (What is shared is hidden everywhere: others see it again as they ask.) */
static void show_anew(const struct quire_span *span, struct quire_page **pages, unsigned count,
                      unsigned access)
{
        struct quire_region *r = span->region;
        struct quire_system *sys = r->space->system;
        uint64_t va = span->page + (pages[0]->index - span->index);

        if (!access) {
                quire_page_hide_for_good(sys, pages, count);
                return;
        }
        must(sys, access & QUIRE_R);
        sys->mops->protect(r->space->mspace, va << sys->shift, count, access | r->attributes);
        for (unsigned i = 0; i < count; i++)
                quire_page_note_shown(pages[i], r->space, va + i, access);
}

/* Pages of one object that are shown with another access than the new attributes
 * allow: runs of neighbours are changed in one call. */
static void apply_access_in(const struct quire_span *span, struct quire_object *o)
{
        struct quire_space *s = span->region->space;
        struct quire_page *batch[QUIRE_RUN_MAX], *p;
        uint64_t at = span->index, end = at + span->count;

        while ((p = quire_radix_next(&o->pages, at)) && p->index < end) {
                unsigned n = 0, want = 0;

                for (at = p->index; p && p->index == at && at < end && n < QUIRE_RUN_MAX;
                     p = quire_radix_find(&o->pages, at)) {
                        unsigned shown = quire_page_shown_at(p, s, span->page + (at - span->index));
                        unsigned best = shown ? allowed(span, p) : 0;

                        if (!shown || shown == best || (n && best != want))
                                break;
                        want = best;
                        batch[n++] = p;
                        at++;
                }
                must(s->system, n || at < end);
                if (n)
                        show_anew(span, batch, n, want);
                else
                        at++;
        }
}

static void apply_access(const struct quire_span *span)
{
        for (struct quire_object *o = span->region->object; o; o = o->parent)
                apply_access_in(span, o);
}

static enum quire_status change(struct quire_span *span, uint32_t clear, uint32_t set)
{
        struct quire_system *sys = span->region->space->system;
        struct quire_spare_runs spare;

        if (quire_ranges_plan(sys, &spare) != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        quire_ranges_apply(sys, &span->region->ranges, span->index, span->count, clear, set,
                           &spare);
        quire_ranges_unplan(sys, &spare);
        if (span->region->object)
                apply_access(span);
        return QUIRE_OK;
}

/* Attributes of a plain region reach the machine first, since it may refuse. */
static enum quire_status change_plain(struct quire_span *span, uint32_t clear, uint32_t set)
{
        struct quire_space *s = span->region->space;
        struct quire_system *sys = s->system;
        struct quire_spare_runs spare;
        enum quire_status st;

        must(sys, span->region->kind == QUIRE_PLAIN);                          /* N3 */
        if (quire_ranges_plan(sys, &spare) != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        st = sys->mops->delegate_protect(s->mspace, span->page << sys->shift, span->count,
                                         quire_attr_access(set));
        if (st == QUIRE_OK)
                quire_ranges_apply(sys, &span->region->ranges, span->index, span->count, clear,
                                   set, &spare);
        quire_ranges_unplan(sys, &spare);
        return st;
}

static enum quire_status set_access(struct quire_span *span, uint32_t clear, uint32_t set)
{
        return span->region->object ? change(span, clear, set) : change_plain(span, clear, set);
}

/* May pages of the region have the access? */
static enum quire_status check_rights(const struct quire_region *r, unsigned access)
{
        if (r->revoked)
                return QUIRE_NOT_PRESENT;
        return access & ~(unsigned)r->rights ? QUIRE_DENIED : QUIRE_OK;
}

static enum quire_status commit(struct quire_space *s, struct quire_span *span, unsigned access)
{
        uint64_t more = span->count - quire_span_committed(span);
        enum quire_status st;

        must(s->system, span->region->space == s && more <= span->count);
        if (!quire_charge(s, span->region, more))
                return QUIRE_LIMIT;
        st = set_access(span, QUIRE_ATTR_ACCESS | QUIRE_ATTR_GUARD,
                        QUIRE_ATTR_COMMITTED | access);
        if (st != QUIRE_OK)
                quire_refund(s, span->region, more);
        return st;
}

enum quire_status quire_region_commit(struct quire_space *s, uint64_t va, uint64_t bytes,
                                      unsigned access)
{
        struct quire_span span;
        enum quire_status st;

        if (!s || access & ~(unsigned)QUIRE_ATTR_ACCESS)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK)
                st = check_rights(span.region, access);
        if (st == QUIRE_OK)
                st = commit(s, &span, access);
        quire_leave(s->system);
        return st;
}

enum quire_status quire_region_protect(struct quire_space *s, uint64_t va, uint64_t bytes,
                                       unsigned access, unsigned *old)
{
        struct quire_span span;
        enum quire_status st;
        uint32_t before = 0;

        if (!s || access & ~(unsigned)QUIRE_ATTR_ACCESS)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && quire_span_committed(&span) < span.count)
                st = QUIRE_NOT_PRESENT;
        if (st == QUIRE_OK)
                st = check_rights(span.region, access);
        if (st == QUIRE_OK) {
                before = quire_ranges_attr(&span.region->ranges, span.index);
                st = set_access(&span, QUIRE_ATTR_ACCESS | QUIRE_ATTR_GUARD, access);
        }
        if (st == QUIRE_OK && old)
                *old = before & QUIRE_ATTR_ACCESS;
        quire_leave(s->system);
        return st;
}

enum quire_status quire_region_guard(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && span.region->kind != QUIRE_PAGED)
                st = QUIRE_UNSUPPORTED;
        if (st == QUIRE_OK && quire_span_committed(&span) < span.count)
                st = QUIRE_NOT_PRESENT;
        if (st == QUIRE_OK)
                st = change(&span, 0, QUIRE_ATTR_GUARD);
        quire_leave(s->system);
        return st;
}

enum quire_status quire_region_mark(struct quire_space *s, uint64_t va, uint64_t bytes,
                                    uint8_t mark)
{
        struct quire_spare_runs spare;
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = find_span(s, va, bytes, &span);
        if (st == QUIRE_OK)
                st = quire_ranges_plan(s->system, &spare);
        if (st == QUIRE_OK) {
                quire_ranges_apply(s->system, &span.region->ranges, span.index, span.count,
                                   QUIRE_ATTR_MARK, (uint32_t)mark << QUIRE_ATTR_MARK_SHIFT,
                                   &spare);
                quire_ranges_unplan(s->system, &spare);
        }
        quire_leave(s->system);
        return st;
}

/* ------------------------------------------------------------- giving back */

/* Contents of the range vanish.  => settled */
void quire_span_clear(struct quire_span *span, bool keep_marks)
{
        struct quire_space *s = span->region->space;

        must_hold(s->system);
        must(s->system, !span->region->grant);
        if (span->region->object && span->region->object->parent)
                quire_region_forget(span->region, span->index, span->count, QUIRE_FORGET_DROP);
        if (span->region->object)
                quire_object_clear(span->region->object, span->index, span->count, keep_marks);
        else
                s->system->mops->delegate_discard(s->mspace, span->page << s->system->shift,
                                                  span->count);
}

static enum quire_status decommit(struct quire_space *s, struct quire_span *span)
{
        uint64_t less = quire_span_committed(span);
        const uint32_t gone = QUIRE_ATTR_ACCESS | QUIRE_ATTR_COMMITTED | QUIRE_ATTR_GUARD;
        struct quire_spare_runs spare;
        enum quire_status st = QUIRE_OK;

        must(s->system, less <= span->region->counters.committed);             /* N2 */
        if (!less)
                return QUIRE_OK;
        if (span->region->object)
                st = quire_object_plan_clear(span->region->object, span->index, span->count);
        if (st != QUIRE_OK || quire_ranges_plan(s->system, &spare) != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        if (!span->region->object)
                st = s->system->mops->delegate_protect(s->mspace, span->page << s->system->shift,
                                                       span->count, 0);
        if (st == QUIRE_OK) {
                quire_span_clear(span, true);
                quire_ranges_apply(s->system, &span->region->ranges, span->index, span->count,
                                   gone, 0, &spare);
                quire_refund(s, span->region, less);
        }
        quire_ranges_unplan(s->system, &spare);
        return st;
}

enum quire_status quire_region_decommit(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && span.region->grant)
                st = QUIRE_UNSUPPORTED;
        if (st == QUIRE_OK)
                st = decommit(s, &span);
        quire_leave(s->system);
        return st;
}

/* A page that is kept becomes zeroes in its frame. */
static void zero_kept(struct quire_region *r, struct quire_page *p)
{
        struct quire_system *sys = r->space->system;
        unsigned shown = p->shown;

        if (shown)
                quire_page_hide_for_good(sys, &p, 1);
        memset(sys->mops->frame_window(sys->machine, p->frame), 0, (size_t)1 << sys->shift);
        quire_store_free(sys, p);
        if (shown & QUIRE_W || !quire_object_zeroes(p->object))
                p->flags |= QUIRE_PAGE_IS_DIRTY;
        else
                p->flags &= (uint8_t)~QUIRE_PAGE_IS_DIRTY;
        if (shown)
                (void)quire_page_show(r, quire_page_va(p), &p, 1, shown);  /* or when asked for */
}

static struct quire_page *next_kept(const struct quire_span *span, uint64_t at)
{
        struct quire_object *o = span->region->object;
        struct quire_page *p = NULL;

        if (o && o->system->locked)
                p = quire_radix_next(&o->pages, at);
        while (p && !quire_page_wanted(p))
                p = quire_radix_next(&o->pages, p->index + 1);
        return p && p->index - span->index < span->count ? p : NULL;
}

/* The contents from index `at' up to `end' vanish. */
static void clear_part(const struct quire_span *span, uint64_t at, uint64_t end)
{
        struct quire_span part = { span->region, span->page + (at - span->index), at, end - at };

        if (part.count)
                quire_span_clear(&part, true);
}

/* A page that is kept stays where it is, and its snapshot gets a copy. */
static enum quire_status plan_discard(const struct quire_span *span)
{
        struct quire_object *o = span->region->object;
        uint64_t at = span->index;
        struct quire_page *p;

        for (; (p = next_kept(span, at)); at = p->index + 1)
                if (!quire_object_free_to_change(o, p->index) &&
                    quire_copy_push(o, p->index, p) != QUIRE_OK)
                        return QUIRE_NO_MEMORY;
        return quire_object_plan_clear(o, span->index, span->count);
}

static void discard(const struct quire_span *span)
{
        uint64_t at = span->index;
        struct quire_page *p;

        while ((p = next_kept(span, at))) {
                clear_part(span, at, p->index);
                zero_kept(span->region, p);
                at = p->index + 1;
        }
        clear_part(span, at, span->index + span->count);
}

enum quire_status quire_region_discard(struct quire_space *s, uint64_t va, uint64_t bytes)
{
        struct quire_span span;
        enum quire_status st;

        if (!s)
                return QUIRE_INVALID;
        quire_enter(s->system);
        st = quire_span_find(s, va, bytes, &span);
        if (st == QUIRE_OK && span.region->grant)
                st = QUIRE_UNSUPPORTED;
        if (st == QUIRE_OK && span.region->object)
                st = plan_discard(&span);
        if (st == QUIRE_OK)
                discard(&span);
        quire_leave(s->system);
        return st;
}

/* The region's object stays, for others; its pages are no region's any more. */
static void leave_home(struct quire_region *r)
{
        struct quire_object *o = r->object;
        struct quire_page *p;

        for (p = quire_radix_next(&o->pages, r->object_first);
             p && p->index - r->object_first < r->count;
             p = quire_radix_next(&o->pages, p->index + 1)) {
                if (o->home || o->regions == 1)
                        quire_page_let_go(p);
                if (o->home && p->where == QUIRE_AT_FRAME)
                        quire_count_mapped(r, -1);
        }
        if (o->regions == 1)
                o->home = NULL;
}

/* Nothing is shown in the region any more, and what is nobody else's is gone. */
static void empty_region(struct quire_region *r)
{
        struct quire_object *o = r->object;
        bool mapped = r->grant && !r->copy;

        quire_region_forget(r, r->object_first, r->count,
                            mapped || o->child ? QUIRE_FORGET_OWN : 0);
        if (mapped || (o->child && o->regions == 1))
                leave_home(r);               /* children take what they want */
        else
                quire_object_clear(o, r->object_first, r->count, false);
}

/* The whole region goes.  Cannot fail.  => settled, and planned */
void quire_region_apply_release(struct quire_region *r)
{
        struct quire_space *s = r->space;
        struct quire_system *sys = s->system;
        uint64_t va = r->node.key << sys->shift;

        must_hold(sys);
        must(sys, r != &s->sentinel);
        if (r->kind == QUIRE_PAGED) {
                empty_region(r);
                sys->mops->release(s->mspace, va, r->count);
        } else if (r->kind == QUIRE_PLAIN) {
                sys->mops->delegate_release(s->mspace, va, r->count);
        }
        if (r->kind != QUIRE_FOREIGN) {
                quire_refund(s, r, r->counters.committed);
                count_reserved(r, r->count, false);
        }
        quire_space_remove(s, r);
        quire_region_free(r);
}

/* Nothing is shown any more, whatever its attributes say.  Cannot fail. */
void quire_region_apply_revoke(struct quire_region *r)
{
        struct quire_space *s = r->space;
        struct quire_system *sys = s->system;
        uint64_t va = r->node.key << sys->shift;

        must(sys, r->revoked);
        if (r->kind == QUIRE_PAGED) {
                quire_region_forget(r, r->object_first, r->count, QUIRE_FORGET_OWN);
                sys->mops->drop(s->mspace, va, r->count);
        } else if (sys->mops->delegate_protect(s->mspace, va, r->count, 0) != QUIRE_OK) {
                quire_stop(sys, "the machine can take back a whole region's access", __FILE__,
                           __LINE__);
        }
}

void quire_region_check(struct quire_system *sys, const struct quire_region *r)
{
        struct quire_span all = { (struct quire_region *)r, r->node.key, r->object_first,
                                  r->count };

        if (r->kind == QUIRE_FOREIGN)
                return;
        must(sys, r->counters.resident <= r->count && r->counters.committed <= r->count);
        quire_ranges_check(sys, &r->ranges);
        must(sys, r->ranges.first == r->object_first);                         /* N1 */
        must(sys, r->ranges.count == r->count);                                /* N1 */
        must(sys, r->counters.committed == quire_span_committed(&all));        /* N2 */
        must(sys, r->counters.reserved == r->count);
        must(sys, (r->kind == QUIRE_PAGED) == (r->object != NULL));            /* N3 */
        must(sys, !r->object || r->object->refs > 0);                          /* O2 */
        must(sys, !r->object || !r->object->home ||
                  r->object->base + r->object_first == r->node.key);
        must(sys, !r->grant || (r->grant->object->count >= r->object_first + r->count));   /* N4 */
        must(sys, r->revoked == (r->grant && !quire_grant_valid(r->grant)));   /* K3 */
        must(sys, !r->grant || !(r->rights & ~(r->grant->rights | (r->copy ? QUIRE_W : 0)))); /* K2 */
}
