/*
 * sight.c - where pages are shown: at their home, and at any other place.
 *
 * A page of a private object is shown at one address of one space, its home,
 * and .shown says with what access.  Every other showing has a record, a sight:
 * of an object that several regions map, and of contents that a copy-on-write
 * region or a cloned space inherits.
 *
 *      page -- .shown (at home)
 *           -- sight -- sight         each: space, address, access
 *
 * Hiding at home keeps the contents of a private frame by taking it, which a
 * machine may fail.  What has sights is a store's frame, or the machine shares
 * frames: there drop keeps the contents, and can not fail.
 *
 * Does not decide: what may be shown (page.c), and when (fault.c).
 *
 * V1  a page has at most one sight for an address, and none at its home.
 * V2  sights imply a frame.
 * V3  a sight lies in a region for which the page is the source of contents.
 *
 * Lock: the system's.
 */
#include "core.h"

/* (A page that the region inherits may have its home at the address if nothing were there.) */
static bool at_home(const struct quire_page *p, const struct quire_region *r, uint64_t va)
{
        return p->object == r->object && p->object->home == r->space &&
               p->object->base + p->index == va;
}

bool quire_page_seen(const struct quire_page *p)
{
        return p->shown || p->sights;
}

static struct quire_sight **find_sight(struct quire_page *p, const struct quire_space *s,
                                       uint64_t va)
{
        struct quire_sight **link = &p->sights;

        while (*link && ((*link)->space != s || (*link)->va != va))
                link = &(*link)->next;
        return link;
}

unsigned quire_page_shown_at(const struct quire_page *p, const struct quire_region *r, uint64_t va)
{
        const struct quire_sight *at;

        if (at_home(p, r, va))
                return p->shown;
        at = *find_sight((struct quire_page *)p, r->space, va);
        return at ? at->access : 0;
}

/* => shown there.  The machine's protection was changed. */
void quire_page_note_shown(struct quire_page *p, const struct quire_region *r, uint64_t va,
                           unsigned access)
{
        if (at_home(p, r, va))
                p->shown = (uint8_t)access;
        else
                (*find_sight(p, r->space, va))->access = access;
}

static void free_sight(struct quire_system *sys, struct quire_sight **link)
{
        struct quire_sight *gone = *link;

        *link = gone->next;
        quire_free(sys, gone, sizeof(*gone));
}

/* --------------------------------------------------------------------- showing */

/* A sight for each page, before the machine shows any.  False: no memory. */
static bool add_sights(struct quire_region *r, uint64_t va, struct quire_page **pages,
                       unsigned count)
{
        struct quire_system *sys = r->space->system;

        for (unsigned i = 0; i < count; i++) {
                struct quire_sight *s = quire_alloc(sys, sizeof(*s));

                if (!s) {
                        while (i--)
                                free_sight(sys, &pages[i]->sights);
                        return false;
                }
                must(sys, !*find_sight(pages[i], r->space, va + i));           /* V1 */
                *s = (struct quire_sight){ pages[i]->sights, r->space, va + i, 0 };
                pages[i]->sights = s;
        }
        return true;
}

/* Show a run of pages, which are not shown there, at consecutive addresses of the
 * region.  => in frames; W only if all are dirty; REFUSES_W if the protection has no W */
enum quire_status quire_page_show(struct quire_region *r, uint64_t va, struct quire_page **pages,
                                  unsigned count, unsigned access)
{
        struct quire_system *sys = r->space->system;
        bool home = at_home(pages[0], r, va);
        quire_frame frames[QUIRE_RUN_MAX];
        enum quire_status st;

        must(sys, count && count <= QUIRE_RUN_MAX && access & QUIRE_R);
        for (unsigned i = 0; i < count; i++) {
                struct quire_page *p = pages[i];

                must(sys, p->where == QUIRE_AT_FRAME || p->where == QUIRE_AT_FIXED);
                must(sys, home == at_home(p, r, va + i) && (!home || !p->shown));
                must(sys, !(access & QUIRE_W) || p->flags & QUIRE_PAGE_IS_DIRTY ||
                          p->where == QUIRE_AT_FIXED);                         /* P2 */
                frames[i] = p->frame;
        }
        if (!home && !add_sights(r, va, pages, count))
                return QUIRE_NO_MEMORY;
        st = sys->mops->enter(r->space->mspace, va << sys->shift, count, frames,
                              access | r->attributes);
        for (unsigned i = 0; i < count; i++) {
                if (st == QUIRE_OK)
                        quire_page_note_shown(pages[i], r, va + i,
                                              access & ~(unsigned)QUIRE_REFUSES_W);
                else if (!home)
                        free_sight(sys, &pages[i]->sights);
        }
        return st;
}

/* ---------------------------------------------------------------------- hiding */

static bool comes_before(const struct quire_page *a, const struct quire_page *b)
{
        uint64_t x = a->object->number, y = b->object->number;

        return x != y ? x < y : a->index < b->index;
}

/* By object and index: batches are small and nearly sorted, so by insertion. */
void quire_page_sort(struct quire_page **pages, unsigned count)
{
        for (unsigned i = 1; i < count; i++) {
                struct quire_page *p = pages[i];
                unsigned k = i;

                for (; k && comes_before(p, pages[k - 1]); k--)
                        pages[k] = pages[k - 1];
                pages[k] = p;
        }
}

/* How many pages from the first on are shown at neighbouring homes. */
static unsigned home_run(struct quire_page **pages, unsigned count)
{
        unsigned n = 1;

        while (n < count && n < QUIRE_RUN_MAX && pages[n]->shown &&
               pages[n]->object == pages[0]->object && pages[n]->index == pages[0]->index + n)
                n++;
        return n;
}

static void take_run(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        quire_frame frames[QUIRE_RUN_MAX] = { QUIRE_NO_FRAME };
        enum quire_status st;

        must(sys, count && count <= QUIRE_RUN_MAX);
        for (unsigned i = 0; i < count; i++) {
                must(sys, pages[i]->shown && pages[i]->frame != QUIRE_NO_FRAME);
                frames[i] = pages[i]->frame;
        }
        st = sys->mops->take(pages[0]->object->home->mspace,
                             quire_page_va(pages[0]) << sys->shift, count, frames);
        for (unsigned i = 0; st == QUIRE_OK && i < count; i++)
                pages[i]->shown = 0;
        for (unsigned i = 0; st != QUIRE_OK && count > 1 && i < count; i++)
                take_run(sys, &pages[i], 1);
}

/* Drop the first sight of pages[0], and those of its neighbours beside it. */
static void drop_sights(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        const struct quire_sight *s = pages[0]->sights;
        struct quire_space *space = s->space;
        uint64_t va = s->va;
        unsigned n = 0;

        while (n < count && *find_sight(pages[n], space, va + n)) {
                free_sight(sys, find_sight(pages[n], space, va + n));
                n++;
        }
        must(sys, n > 0 && n <= count);
        sys->mops->drop(space->mspace, va << sys->shift, n);
}

/* Stop showing the pages anywhere, in runs of neighbours; sorts the array.  A page
 * that the machine could not take from its home stays shown there. */
void quire_page_hide_all(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        must_hold(sys);
        quire_page_sort(pages, count);
        for (unsigned i = 0; i < count;) {
                unsigned n = 1;

                if (pages[i]->shown) {
                        n = home_run(&pages[i], count - i);
                        take_run(sys, &pages[i], n);
                }
                i += n;
        }
        for (unsigned i = 0; i < count; i++)
                while (pages[i]->sights)
                        drop_sights(sys, &pages[i], count - i);
}

void quire_page_hide_for_good(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        for (unsigned tries = 0; tries < 64; tries++) {
                unsigned left = 0;

                quire_page_hide_all(sys, pages, count);
                for (unsigned i = 0; i < count; i++)
                        left += pages[i]->shown != 0;
                if (!left)
                        return;
        }
        quire_stop(sys, "the machine can take back what it shows", __FILE__, __LINE__);
}

/* Nobody needs the contents any more. */
void quire_page_drop(struct quire_page *p)
{
        struct quire_system *sys = p->object->system;

        if (p->shown)
                sys->mops->drop(p->object->home->mspace, quire_page_va(p) << sys->shift, 1);
        p->shown = 0;
        while (p->sights)
                drop_sights(sys, &p, 1);
}

/* Does the region at the sight inherit from the page's object by way of `through'? */
static bool leads_through(const struct quire_sight *s, const struct quire_page *p,
                          const struct quire_object *through)
{
        const struct quire_region *r = quire_region_find(s->space, s->va);
        const struct quire_object *o = r ? r->object : NULL;

        while (o && o != p->object && o != through)
                o = o->parent;
        return o == through;
}

/* The object `through' has contents of its own now: regions that inherit by way of
 * it must not see these any more. */
void quire_page_unsee(struct quire_page *p, const struct quire_object *through)
{
        struct quire_system *sys = p->object->system;
        struct quire_sight **link = &p->sights;

        must_hold(sys);
        must(sys, through != p->object);
        while (*link) {
                struct quire_sight *s = *link;

                if (leads_through(s, p, through)) {
                        sys->mops->drop(s->space->mspace, s->va << sys->shift, 1);
                        free_sight(sys, link);
                } else {
                        link = &s->next;
                }
        }
}

/* ------------------------------------------------------------------- narrowing */

static void narrow_run(struct quire_system *sys, struct quire_space *s, uint64_t va,
                       unsigned count, unsigned access)
{
        const struct quire_region *r = quire_region_find(s, va);

        must(sys, r && access & QUIRE_R && !(access & QUIRE_W));
        sys->mops->protect(s->mspace, va << sys->shift, count, access | r->attributes);
}

/* Take W from the pages wherever they are shown; the next write faults.  The array
 * ascends, of one object. */
void quire_page_narrow(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        for (unsigned i = 0, n; i < count; i += n) {
                struct quire_page *p = pages[i];

                for (struct quire_sight *s = p->sights; s; s = s->next) {
                        if (!(s->access & QUIRE_W))
                                continue;
                        s->access &= ~(unsigned)QUIRE_W;
                        narrow_run(sys, s->space, s->va, 1, s->access);
                }
                n = 1;
                if (!(p->shown & QUIRE_W))
                        continue;
                while (i + n < count && pages[i + n]->index == p->index + n &&
                       pages[i + n]->shown == p->shown && !pages[i + n]->sights)
                        n++;
                narrow_run(sys, p->object->home, quire_page_va(p), n,
                           p->shown & ~(unsigned)QUIRE_W);
                for (unsigned k = 0; k < n; k++)
                        pages[i + k]->shown &= (uint8_t)~QUIRE_W;
        }
}

/* ------------------------------------------------------------- a region's range */

/* Pages of the object from index `first' on that are shown in the region from va on. */
static void forget_in(struct quire_region *r, uint64_t va, struct quire_object *o,
                      struct quire_range range, bool drop)
{
        struct quire_space *s = r->space;
        struct quire_system *sys = s->system;
        struct quire_page *batch[QUIRE_RUN_MAX], *p;
        uint64_t at = range.first;

        for (unsigned n = 0;; n = 0) {
                while (n < QUIRE_RUN_MAX && (p = quire_radix_next(&o->pages, at)) &&
                       p->index - range.first < range.pages) {
                        uint64_t there = va + (p->index - range.first);
                        struct quire_sight **link = find_sight(p, s, there);

                        at = p->index + 1;
                        if (*link && drop)
                                sys->mops->drop(s->mspace, there << sys->shift, 1);
                        if (*link)
                                free_sight(sys, link);
                        if (p->shown && at_home(p, r, there))
                                batch[n++] = p;
                }
                if (!n)
                        return;
                quire_page_hide_for_good(sys, batch, n);
        }
}

/* Nothing is to be shown in a range of the region any more, whether its own (if
 * asked) or inherited.  Contents are taken from their homes. */
void quire_region_forget(struct quire_region *r, uint64_t index, uint64_t count, unsigned how)
{
        const struct quire_range range = { index, count };
        uint64_t va = r->node.key + (index - r->object_first);

        must_hold(r->space->system);
        must(r->space->system, index - r->object_first + count <= r->count);
        for (struct quire_object *o = r->object; o; o = o->parent)
                if (how & QUIRE_FORGET_OWN || o != r->object)
                        forget_in(r, va, o, range, how & QUIRE_FORGET_DROP);
}

/* V3, one sight. */
static void check_sight(struct quire_system *sys, const struct quire_page *p,
                        const struct quire_sight *s)
{
        const struct quire_region *r = quire_region_find(s->space, s->va);
        struct quire_source source;
        uint64_t index;

        must(sys, r && r->object && !r->revoked);
        must(sys, !at_home(p, r, s->va));                               /* V1 */
        index = quire_region_index(r, s->va);
        source = quire_source_of(r->object, index);
        must(sys, source.page == p);                                           /* V3 */
        must(sys, !((s->access ^ quire_page_best_access(r, p, quire_ranges_attr(&r->ranges, index)))
                    & ~(unsigned)QUIRE_W));
        must(sys, !(s->access & QUIRE_W) || p->flags & QUIRE_PAGE_IS_DIRTY ||
                  p->where == QUIRE_AT_FIXED);                                 /* P2 */
        for (const struct quire_sight *o = s->next; o; o = o->next)
                must(sys, o->space != s->space || o->va != s->va);             /* V1 */
}

void quire_sights_check(struct quire_system *sys, const struct quire_page *p)
{
        must(sys, !p->sights || p->frame != QUIRE_NO_FRAME);                   /* V2 */
        for (const struct quire_sight *s = p->sights; s; s = s->next)
                check_sight(sys, p, s);
}
