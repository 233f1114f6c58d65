/*
 * region.c - regions: commit, decommit, protect, guard, discard, release.
 *
 * A region is one reservation: a run of addresses with its object, and runs of
 * attributes.  What a call costs depends on the attribute runs it covers and
 * the pages that have contents there, never on the length of the range.
 *
 * Every change is planned (arguments, records, charge, the machine's consent)
 * and then applied, which cannot fail.
 *
 * Does not decide: how a region comes to be (reserve.c), moving and cutting (cut.c).
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

/* The one region that holds the whole range, whatever is in transit there. */
enum quire_status quire_span_look(struct quire_space *s, uint64_t va, uint64_t bytes,
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
                enum quire_status st = quire_span_look(s, va, bytes, out);

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
                quire_page_note_shown(pages[i], r, va + i, access);
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
                        unsigned shown = quire_page_shown_at(p, span->region,
                                                             span->page + (at - span->index));
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
        st = quire_span_look(s, va, bytes, &span);
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
        if (span->region->object && span->region->object->parent)
                quire_copy_prune(span->region->object->parent, span->index, span->count);
}

/* The span, when nothing of it is in transit, and what others want of it is theirs. */
static enum quire_status find_to_empty(struct quire_space *s, uint64_t va, uint64_t bytes,
                                       struct quire_span *span)
{
        enum quire_status st;

        do {
                st = quire_span_find(s, va, bytes, span);
                if (st == QUIRE_OK && span->region->grant)
                        st = QUIRE_UNSUPPORTED;
                if (st == QUIRE_OK && span->region->object)
                        st = quire_copy_inherited(span->region->object, span->index, span->count);
        } while (st == QUIRE_BUSY);
        return st;
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
        st = find_to_empty(s, va, bytes, &span);
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
        if (shown & QUIRE_W || p->writes || !quire_object_zeroes(p->object))
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

/* A page that is kept stays where it is, and its snapshot gets a copy.  BUSY: no frame
 * for that. */
static enum quire_status plan_discard(const struct quire_span *span)
{
        struct quire_object *o = span->region->object;
        enum quire_status st = QUIRE_OK;
        uint64_t at = span->index;
        struct quire_page *p;

        for (; st == QUIRE_OK && (p = next_kept(span, at)); at = p->index + 1)
                if (!quire_object_free_to_change(o, p->index))
                        st = quire_copy_push(o, p->index, p);
        if (st != QUIRE_OK)
                return st;
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
        do {
                st = find_to_empty(s, va, bytes, &span);
                if (st == QUIRE_OK && span.region->object)
                        st = plan_discard(&span);
        } while (st == QUIRE_BUSY && (st = quire_reclaim(s->system)) == QUIRE_OK);
        if (st == QUIRE_OK)
                discard(&span);
        quire_leave(s->system);
        return st;
}

/* The region's object stays, for others; its pages are no region's any more. */
static void leave_home(struct quire_region *r)
{
        struct quire_object *o = r->object;
        struct quire_system *sys = o->system;
        struct quire_page *p;

        for (p = o->home ? quire_radix_next(&o->pages, r->object_first) : NULL;
             p && p->index - r->object_first < r->count;
             p = quire_radix_next(&o->pages, p->index + 1)) {
                quire_page_let_go(p);
                if (p->where == QUIRE_AT_FRAME)
                        quire_count_mapped(r, -1);
        }
        if (o->regions > 1)
                return;
        for (p = sys->locked ? quire_radix_next(&o->pages, 0) : NULL; p;
             p = quire_radix_next(&o->pages, p->index + 1))
                quire_page_let_go(p);        /* also by regions that went before */
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
                quire_region_count_reserved(r, r->count, false);
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
        must(sys, !r->grant ||
                  !(r->rights & ~(r->grant->rights | (r->copy ? QUIRE_W : 0))));   /* K2 */
}
