/*
 * space.c - one process's virtual addresses: regions and the gaps between them.
 *
 *   first                                                              end
 *     |   gap   [region]  gap [region][region]        gap         (sentinel)
 *
 * Every region knows the gap just before it, and every subtree its largest gap,
 * so that the lowest and the highest fit are found in log n steps.  A second
 * summary counts gaps from a multiple of 16 pages, since 64 KB is what Windows
 * aligns to; larger alignments may have to look into a gap that then does not
 * fit.  The sentinel carries the last gap.
 *
 * Does not decide: what regions are (region.c).
 *
 * S1  regions are ordered and do not overlap; all lie in [first, end).
 * S2  a region's gap is its distance from the region before it, or from first.
 * S3  most_gap and most_gap16 are the maxima of the subtree.
 * S4  the last region is the sentinel.
 *
 * Lock: the system's.
 */
#include "core.h"

static const uint64_t granule = 16;            /* pages; see most_gap16 */

struct quire_region *quire_region_of(struct quire_node *n)
{
        return (struct quire_region *)(void *)n;   /* node is its first member */
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
        return (n + align - 1) & ~(align - 1);
}

/* Pages of the gap before the region that follow a multiple of the granule. */
static uint64_t granular_gap(const struct quire_region *r)
{
        uint64_t lost = round_up(r->node.key - r->gap, granule) - (r->node.key - r->gap);

        return r->gap > lost ? r->gap - lost : 0;
}

static void update_region(struct quire_node *n)
{
        struct quire_region *r = quire_region_of(n);

        r->most_gap = r->gap;
        r->most_gap16 = granular_gap(r);
        for (int side = 0; side < 2; side++) {
                struct quire_node *child = side ? n->right : n->left;

                if (!child)
                        continue;
                r->most_gap = quire_max(r->most_gap, quire_region_of(child)->most_gap);
                r->most_gap16 = quire_max(r->most_gap16, quire_region_of(child)->most_gap16);
        }
}

/* The gap before r changed, since a neighbour came or went. */
static void renew_gap(struct quire_space *s, struct quire_region *r)
{
        struct quire_node *before = quire_tree_prev(&r->node);
        uint64_t from = before ? before->key + quire_region_of(before)->count : s->first;

        must(s->system, r->node.key >= from);                                  /* S1 */
        r->gap = r->node.key - from;
        quire_tree_refresh(&s->regions, &r->node);
}

/* => its range is free */
void quire_space_insert(struct quire_space *s, struct quire_region *r)
{
        must_hold(s->system);
        must(s->system, r->space == s);
        must(s->system, r->count || r == &s->sentinel);
        must(s->system, r->node.key >= s->first && r->node.key + r->count <= s->end);
        quire_tree_insert(&s->regions, &r->node);
        renew_gap(s, r);
        if (r != &s->sentinel)
                renew_gap(s, quire_region_of(quire_tree_next(&r->node)));
}

void quire_space_remove(struct quire_space *s, struct quire_region *r)
{
        struct quire_region *after = quire_region_of(quire_tree_next(&r->node));

        must_hold(s->system);
        must(s->system, r != &s->sentinel && after);                           /* S4 */
        must(s->system, after->gap == after->node.key - r->node.key - r->count); /* S2 */
        quire_tree_remove(&s->regions, &r->node);
        renew_gap(s, after);
}

struct quire_region *quire_region_find(const struct quire_space *s, uint64_t page)
{
        struct quire_node *n = quire_tree_floor(&s->regions, page);

        if (!n || page - n->key >= quire_region_of(n)->count)
                return NULL;
        return quire_region_of(n);
}

/* Is the range inside the space, and no region in it? */
bool quire_space_free(const struct quire_space *s, uint64_t first, uint64_t count)
{
        struct quire_node *n = quire_tree_floor(&s->regions, first);
        struct quire_node *after = n ? quire_tree_next(n) : quire_tree_first(&s->regions);

        if (first < s->first || count > s->end - s->first || first > s->end - count)
                return false;
        if (n && n->key + quire_region_of(n)->count > first)
                return false;
        return !after || after->key >= first + count;
}

/* Does the place fit in the gap before r?  => p's limits are inside the space */
static bool fit_gap(const struct quire_region *r, const struct quire_place *p, uint64_t *first)
{
        uint64_t from = quire_max(r->node.key - r->gap, p->low);
        uint64_t to = quire_min(r->node.key, p->high);
        uint64_t at;

        if (to < from || to - from < p->count)
                return false;
        at = p->top_down ? (to - p->count) & ~(p->align - 1) : round_up(from, p->align);
        if (at < from || at > to - p->count)
                return false;
        *first = at;
        return true;
}

static bool worth_a_look(const struct quire_node *n, const struct quire_place *p)
{
        const struct quire_region *r = (const struct quire_region *)(const void *)n;

        return n && r->most_gap >= p->count &&
               (p->align < granule || r->most_gap16 >= p->count);
}

/* The lowest or highest fit in the subtree; subtrees out of limits are skipped. */
static bool fit_subtree(struct quire_node *n, const struct quire_place *p, uint64_t *first)
{
        struct quire_node *near, *far;
        bool near_inside, far_inside, low_side, high_side;
        struct quire_region *r;

        if (!worth_a_look(n, p))
                return false;
        r = quire_region_of(n);
        low_side = n->key - r->gap > p->low;
        high_side = n->key < p->high;
        near = p->top_down ? n->right : n->left;
        far = p->top_down ? n->left : n->right;
        near_inside = p->top_down ? high_side : low_side;
        far_inside = p->top_down ? low_side : high_side;
        if (near_inside && fit_subtree(near, p, first))
                return true;
        if (fit_gap(r, p, first))
                return true;
        return far_inside && fit_subtree(far, p, first);
}

/* Find the lowest (or highest) free range.  => align is a power of two */
bool quire_space_fit(const struct quire_space *s, const struct quire_place *want,
                     uint64_t *first)
{
        struct quire_place p = *want;

        must(s->system, p.count && p.align && !(p.align & (p.align - 1)));
        p.low = quire_max(p.low, s->first);
        p.high = quire_min(p.high, s->end);
        if (p.low >= p.high || p.count > p.high - p.low)
                return false;
        if (!fit_subtree(s->regions.root, &p, first))
                return false;
        must(s->system, *first >= p.low && p.count <= p.high - *first);
        must(s->system, !(*first & (p.align - 1)));
        must(s->system, quire_space_free(s, *first, p.count));
        return true;
}

static void set_bounds(struct quire_space *s)
{
        const struct quire_layout *l = s->layout;
        const struct quire_arena *last = &l->arenas[l->count - 1];
        unsigned shift = s->system->shift;

        s->first = l->arenas[0].first >> shift;
        s->end = quire_min(last->first + last->bytes, s->system->can->va_end) >> shift;
        s->sentinel.node.key = s->end;
        s->sentinel.kind = QUIRE_FOREIGN;
        s->sentinel.space = s;
        s->regions.update = update_region;
        quire_space_insert(s, &s->sentinel);
}

/* What the layout refuses is in the way of every placement, from the start. */
static enum quire_status refuse_arenas(struct quire_space *s)
{
        unsigned shift = s->system->shift;

        for (unsigned i = 0; i < s->layout->count; i++) {
                const struct quire_arena *a = &s->layout->arenas[i];
                uint64_t end = quire_min((a->first + a->bytes) >> shift, s->end);
                struct quire_region *r;

                if (!a->refuse || a->first >> shift >= end)
                        continue;
                r = quire_alloc(s->system, sizeof(*r));
                if (!r)
                        return QUIRE_NO_MEMORY;
                r->node.key = a->first >> shift;
                r->count = end - r->node.key;
                r->kind = QUIRE_FOREIGN;
                r->space = s;
                quire_space_insert(s, r);
        }
        return QUIRE_OK;
}

static void forget_foreign(struct quire_space *s)
{
        struct quire_node *n = quire_tree_first(&s->regions), *after;

        for (; n; n = after) {
                struct quire_region *r = quire_region_of(n);

                after = quire_tree_next(n);
                if (r->kind != QUIRE_FOREIGN || r == &s->sentinel)
                        continue;
                quire_space_remove(s, r);
                quire_free(s->system, r, sizeof(*r));
        }
}

static void link_space(struct quire_space *s)
{
        must_hold(s->system);
        s->next = s->system->spaces;
        if (s->next)
                s->next->prev = s;
        s->system->spaces = s;
}

static void unlink_space(struct quire_space *s)
{
        must(s->system, s->prev || s->system->spaces == s);
        if (s->prev)
                s->prev->next = s->next;
        else
                s->system->spaces = s->next;
        if (s->next)
                s->next->prev = s->prev;
}

static void free_space(struct quire_space *s)
{
        forget_foreign(s);
        must(s->system, s->regions.root == &s->sentinel.node);
        must(s->system, !s->counters.committed && !s->counters.resident);
        if (s->mspace)
                s->system->mops->space_close(s->mspace);
        quire_free(s->system, s, sizeof(*s));
}

/* INVALID: the layout; NO_MEMORY. */
enum quire_status quire_space_open(struct quire_system *sys, const struct quire_layout *layout,
                                   struct quire_space **out)
{
        enum quire_status st = QUIRE_NO_MEMORY;
        struct quire_space *s;

        if (!sys || !out || !quire_layout_valid(layout))
                return QUIRE_INVALID;
        quire_enter(sys);
        s = quire_alloc(sys, sizeof(*s));
        if (s) {
                s->system = sys;
                s->layout = layout;
                set_bounds(s);
                st = refuse_arenas(s);
        }
        if (st == QUIRE_OK)
                st = sys->mops->space_open(sys->machine, s, &s->mspace);
        if (st == QUIRE_OK) {
                link_space(s);
                *out = s;
        } else if (s) {
                free_space(s);
        }
        quire_leave(sys);
        return st;
}

/* The first region that is somebody's; false: none is left. */
static bool first_region(struct quire_space *s, uint64_t *va)
{
        struct quire_node *n;

        quire_lock(s->system);
        for (n = quire_tree_first(&s->regions); n; n = quire_tree_next(n))
                if (quire_region_of(n)->kind != QUIRE_FOREIGN)
                        break;
        if (n)
                *va = n->key << s->system->shift;
        quire_unlock(s->system);
        return n != NULL;
}

void quire_space_close(struct quire_space *s)
{
        struct quire_system *sys = s->system;
        uint64_t va;

        while (first_region(s, &va))
                if (quire_region_release(s, va, 0) != QUIRE_OK)
                        sys->hops->pause(sys->host);
        quire_enter(sys);
        unlink_space(s);
        free_space(s);
        quire_leave(sys);
}

void quire_space_on_denied(struct quire_space *s, quire_denied_fn fn, void *context)
{
        quire_enter(s->system);
        s->denied = fn;
        s->denied_context = context;
        quire_leave(s->system);
}

void quire_space_check(struct quire_space *s)
{
        struct quire_system *sys = s->system;
        struct quire_node *n = quire_tree_first(&s->regions);
        uint64_t at = s->first;

        must(sys, s->mspace && s->first < s->end);
        for (; n; n = quire_tree_next(n)) {
                struct quire_region was, *r = quire_region_of(n);

                must(sys, n->key >= at);                                       /* S1 */
                must(sys, r->gap == n->key - at);                              /* S2 */
                must(sys, !n->parent || n->parent->rank >= n->rank);           /* T2 */
                must(sys, !n->left || n->left->parent == n);                   /* T3 */
                must(sys, !n->right || n->right->parent == n);                 /* T3 */
                was = *r;
                update_region(n);
                must(sys, was.most_gap == r->most_gap);                        /* S3 */
                must(sys, was.most_gap16 == r->most_gap16);                    /* S3 */
                at = n->key + r->count;
                if (r != &s->sentinel)
                        quire_region_check(sys, r);
        }
        must(sys, quire_tree_last(&s->regions) == &s->sentinel.node);          /* S4 */
        must(sys, at == s->end);                                               /* S1 */
}
