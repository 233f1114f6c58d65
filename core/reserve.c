/*
 * reserve.c - how a region comes to be: its place, what the machine shows there, and
 * its object.
 *
 * A region of private memory has an object of its own; one that maps a grant shows
 * the grant's object, or, if it copies what it writes, has an object of its own whose
 * parent that is.  What is in the way at a place, and not ours, is remembered as a
 * FOREIGN region, so that no placement runs into it again.
 *
 * Everything that can fail comes first; then the region is put into its space.
 *
 * Does not decide: which gap is taken (space.c), what grants allow (grant.c).
 *
 * Lock: the system's.
 */
#include "region.h"

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

        must_hold(s->system);
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
        must(s->system, place->count > 0 && place->align > 0);
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

/* The most that a region may have of the grant's object.  What it writes of its own, it
 * must be able to read. */
static unsigned rights_of(const struct quire_request *q)
{
        bool own = q->flags & QUIRE_COPY && q->grant->rights & QUIRE_R;

        return q->grant->rights | (own ? QUIRE_W : 0);
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
                must(sys, r->object->regions > 0 && r->object->refs >= r->object->regions);
                if (--r->object->regions)
                        quire_copy_prune(r->object, r->object_first, r->count);
                else if (r->object->child)
                        quire_copy_prune(r->object, 0, UINT64_MAX);
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
        must(s->system, !own || (own->home == s && own->parent == o));
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
                r->rights = (uint8_t)rights_of(q);
                r->grant = q->grant;
                quire_grant_ref(r->grant);
        }
        return r;
}

void quire_region_count_reserved(struct quire_region *r, uint64_t pages, bool more)
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

        must(r->space->system, r->kind == QUIRE_PLAIN && !r->object);          /* N3 */
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
        quire_region_count_reserved(r, r->count, true);
        if (r->object && (r->object->home == s || r->object->flags & QUIRE_SOLE))
                come_home(r);
        must(s->system, r->ranges.first == r->object_first);                   /* N1 */
        must(s->system, !r->object == (r->kind != QUIRE_PAGED));               /* N3 */
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
        must(s->system, quire_space_free(s, first, r->count));
        quire_region_apply_reserve(r, first);
        *va = first << s->system->shift;
        return QUIRE_OK;
}

/* May this be mapped?  (What the grant says may have changed since it was opened.) */
static enum quire_status check_grant(const struct quire_request *q)
{
        const struct quire_grant *g = q->grant;

        if (!g)
                return QUIRE_OK;
        if (!quire_grant_valid(g))
                return QUIRE_NOT_PRESENT;
        if (q->access & ~rights_of(q))
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
