/*
 * share.c - the operations of a random run on objects, grants, pagers and whole
 * spaces.
 *
 * Does not decide: what is right (objects.c), what the pagers do (book.c).
 */
#include "run.h"
#include "../../core/core.h"
#include <stdlib.h>
#include <string.h>

enum { RUNS = 64 };                       /* more than an object of BOOK_PAGES can have */

static struct run_grant *pick_grant(struct run *r)
{
        return r->grants ? &r->grant[draw_below(&r->draw, r->grants)] : NULL;
}

static void add_grant(struct run *r, struct quire_grant *real, struct model_grant *model)
{
        r->grant[r->grants++] = (struct run_grant){ real, model };
}

/* A range of the object's pages, sometimes beyond it. */
static void pick_range(struct run *r, const struct model_object *o, uint64_t *first,
                       uint64_t *pages)
{
        *first = draw_below(&r->draw, o->pages);
        *pages = 1 + draw_below(&r->draw, o->pages - *first);
        if (draw_percent(&r->draw, 40)) {
                *first = 0;
                *pages = o->pages;
        }
        if (draw_percent(&r->draw, 3))
                *pages += 1 + draw_below(&r->draw, o->pages);
}

/* ------------------------------------------------------------ opening, mapping */

void act_object_open(struct run *r)
{
        struct quire_object_request q = {
                .bytes = (1 + draw_below(&r->draw, BOOK_PAGES)) * r->page,
        };
        struct run_book *b = NULL;
        struct quire_grant *real = NULL;
        struct model_grant *model = NULL;
        enum quire_status st;

        run_says(r, "open an object: there are enough");
        if (r->grants == RUN_GRANTS)
                return;
        if (draw_percent(&r->draw, 45))
                b = run_book_open(r, q.bytes >> r->shift);
        if (draw_percent(&r->draw, 40) && !r->shape.options.no_write_protect)
                q.flags |= QUIRE_EPOCHS;
        if (draw_percent(&r->draw, 20))
                q.flags |= QUIRE_SOLE;
        if (b) {
                q.kind = QUIRE_CALLBACK;
                q.pager = &b->pager;
                q.context = b;
                if (draw_percent(&r->draw, 50))
                        b->pager.most = 1 + (unsigned)draw_below(&r->draw, 6);
                b->pager.evicts = draw_percent(&r->draw, 50);
                if (!b->pager.evicts && draw_percent(&r->draw, 10))
                        b->pager.write = NULL;
                b->ahead = (enum book_ahead)draw_below(&r->draw, BOOK_AHEADS);
        } else if (draw_percent(&r->draw, 25)) {
                q.flags |= QUIRE_ON_TOUCH;
        }
        run_says(r, "open an object, %#lx bytes, kind %d, flags %u%s", (unsigned long)q.bytes,
                 (int)q.kind, q.flags, b && b->pager.evicts ? ", evicts" : "");
        st = quire_object_open(r->system, &q, &real);
        run_same(r, st, model_object_open(&r->promises, &q, b ? run_book_number(b) : 0, r->shift,
                                          &model));
        if (st == QUIRE_OK)
                add_grant(r, real, model);
        for (uint64_t i = 0; b && st == QUIRE_OK && i < model->object->pages; i++)
                model->object->page[i].content = b->first[i];
        if (b && st == QUIRE_OK) {
                b->object = model->object;
                b->object->gone = &b->gone;
        } else if (b) {
                run_book_close(b);
        }
}

void act_map(struct run *r)
{
        unsigned space = (unsigned)draw_below(&r->draw, r->spaces);
        struct model *m = &r->model[space];
        const struct run_grant *g = pick_grant(r);
        struct quire_request q = { .kind = QUIRE_PAGED, .low = m->low,
                                   .high = m->low + m->pages * r->page,
                                   .tag = draw_below(&r->draw, 1000) };
        uint64_t va = 0, expected = 0, first, pages;
        enum quire_status st;

        run_says(r, "map: there is no grant");
        if (!g)
                return;
        pick_range(r, g->model->object, &first, &pages);
        q.bytes = pages * r->page;
        q.grant = g->real;
        q.offset = first * r->page;
        q.access = run_pick_access(r);
        if (q.access < 8 && !draw_percent(&r->draw, 10))
                q.access &= g->model->rights;
        if (draw_percent(&r->draw, 35)) {
                q.flags |= QUIRE_COPY;
                if (draw_percent(&r->draw, 50))
                        q.access = QUIRE_R | QUIRE_W;
        }
        if (draw_percent(&r->draw, 2))
                q.flags |= QUIRE_WATCHED;
        if (draw_percent(&r->draw, 20))
                q.flags |= QUIRE_TOP_DOWN;
        if (draw_percent(&r->draw, 30)) {
                q.flags |= QUIRE_EXACT;
                q.va = m->low + draw_below(&r->draw, m->pages - pages) * r->page;
                q.low = q.high = 0;
        }
        run_says(r, "map in %u, grant %u, pages %lu + %lu, access %u, flags %u, at %#lx", space,
                 (unsigned)(g - r->grant), (unsigned long)first, (unsigned long)pages, q.access,
                 q.flags, (unsigned long)q.va);
        st = quire_region_reserve(r->space[space], &q, &va);
        run_same(r, st, model_reserve(m, &q, g->model, &expected));
        if (st == QUIRE_OK && va != expected)
                run_fails(r, "placed at %#lx; the model places it at %#lx", (unsigned long)va,
                          (unsigned long)expected);
}

void act_object_clone(struct run *r)
{
        const struct run_grant *g = pick_grant(r);
        struct model_grant *model = NULL;
        struct quire_grant *real = NULL;
        enum quire_status st;

        run_says(r, "clone of an object: there are enough, or none");
        if (!g || r->grants == RUN_GRANTS)
                return;
        run_says(r, "clone of grant %u", (unsigned)(g - r->grant));
        st = quire_object_clone(g->real, &real);
        run_same(r, st, model_object_clone(g->model, &model));
        if (st == QUIRE_OK)
                add_grant(r, real, model);
}

/* ---------------------------------------------------------------------- grants */

void act_narrow(struct run *r)
{
        const struct run_grant *g = pick_grant(r);
        unsigned rights = (unsigned)draw_below(&r->draw, draw_percent(&r->draw, 95) ? 8 : 16);
        struct model_grant *model = NULL;
        struct quire_grant *real = NULL;
        enum quire_status st;

        run_says(r, "narrow a grant: there are enough, or none");
        if (!g || r->grants == RUN_GRANTS)
                return;
        if (draw_percent(&r->draw, 60))
                rights = (rights | QUIRE_R) & g->model->rights;
        run_says(r, "narrow grant %u to %u", (unsigned)(g - r->grant), rights);
        st = quire_grant_narrow(g->real, rights, &real);
        run_same(r, st, model_grant_narrow(g->model, rights, &model));
        if (st == QUIRE_OK)
                add_grant(r, real, model);
}

static void close_grant(struct run *r, struct run_grant *at)
{
        struct run_grant g = *at;

        *at = r->grant[--r->grants];
        quire_grant_close(g.real);
        model_grant_close(g.model);
}

void act_grant_close(struct run *r)
{
        struct run_grant *g = pick_grant(r);

        run_says(r, "close a grant: there is none");
        if (!g)
                return;
        run_says(r, "close grant %u", (unsigned)(g - r->grant));
        if (r->grants < RUN_GRANTS && draw_percent(&r->draw, 10)) {
                run_says(r, "hold grant %u", (unsigned)(g - r->grant));
                quire_grant_hold(g->real);
                model_grant_hold(g->model);
                add_grant(r, g->real, g->model);
        } else {
                close_grant(r, g);
        }
}

void run_close_grants(struct run *r)
{
        while (r->grants)
                close_grant(r, &r->grant[0]);
}

void act_revoke(struct run *r)
{
        const struct run_grant *g = pick_grant(r);

        run_says(r, "revoke: there is no grant");
        if (!g || !draw_percent(&r->draw, 30))
                return;
        run_says(r, "revoke grant %u", (unsigned)(g - r->grant));
        quire_grant_revoke(g->real);
        g->model->revoked = true;
}

/* --------------------------------------------------------------------- changes */

/* Runs of an object's pages that the driver names, page by page. */
static void spread(struct run *r, const struct quire_range *runs, uint64_t n, uint64_t first,
                   uint64_t pages, bool *is)
{
        uint64_t at = first;

        memset(is, 0, BOOK_PAGES * sizeof(*is));
        for (uint64_t i = 0; i < n; i++) {
                uint64_t begin = runs[i].first >> r->shift;

                if (runs[i].first & (r->page - 1) || !runs[i].pages || begin < at ||
                    runs[i].pages > first + pages - begin || (i && begin == at))
                        run_fails(r, "run %lu, page %lu + %lu, is out of order", (unsigned long)i,
                                  (unsigned long)begin, (unsigned long)runs[i].pages);
                at = begin + runs[i].pages;
                memset(is + begin, 1, runs[i].pages);
        }
}

void act_written(struct run *r)
{
        const struct run_grant *g = pick_grant(r);
        struct quire_range runs[RUNS];
        uint64_t first, pages, n = draw_percent(&r->draw, 30) ? 1 + draw_below(&r->draw, 3) : RUNS;
        uint64_t most = n, end;
        bool is[BOOK_PAGES], reset = draw_percent(&r->draw, 60);
        enum quire_status st;

        run_says(r, "written: there is no grant");
        if (!g)
                return;
        pick_range(r, g->model->object, &first, &pages);
        run_says(r, "written, grant %u, pages %lu + %lu%s", (unsigned)(g - r->grant),
                 (unsigned long)first, (unsigned long)pages, reset ? ", reset" : "");
        st = quire_object_written(g->real, first * r->page, pages * r->page, reset, runs, &n);
        run_must_be(r, st, g->model->object->flags & QUIRE_EPOCHS &&
                           pages <= g->model->object->pages - first ? QUIRE_OK : QUIRE_INVALID);
        if (st != QUIRE_OK)
                return;
        spread(r, runs, n, first, pages, is);
        end = n == most ? (runs[n - 1].first >> r->shift) + runs[n - 1].pages : first + pages;
        for (uint64_t i = first; i < end; i++) {
                struct model_page *p = &g->model->object->page[i];

                if (is[i] != p->written)
                        run_fails(r, "page %lu was %swritten", (unsigned long)i,
                                  p->written ? "" : "not ");
                p->written &= !reset || p->writes;
        }
}

/* What is not owed is home, and what is owed was written. */
static void compare_dirty(struct run *r, struct quire_grant *g, struct model_object *o,
                          bool contents)
{
        struct run_book *b = &r->book[o->book - 1];
        struct quire_range runs[RUNS];
        struct quire_object_info info;
        uint64_t n = RUNS, sum = 0, charged = 0;
        bool is[BOOK_PAGES];

        run_must_be(r, quire_object_dirty(g, 0, o->pages * r->page, runs, &n), QUIRE_OK);
        spread(r, runs, n, 0, o->pages, is);
        quire_object_describe(g, &info);
        for (uint64_t i = 0; i < o->pages; i++) {
                struct model_page *p = &o->page[i];

                sum += is[i];
                charged += (is[i] && !o->evicts) || p->locked || p->holds;
                if (is[i] && !p->owed && !r->shape.options.no_write_protect)
                        run_fails(r, "page %lu is owed to its pager, and was not written",
                                  (unsigned long)i);
                if (!is[i] && p->owed && !o->evicts && run_failed(r) == r->failed)
                        run_fails(r, "page %lu was written, and is not owed", (unsigned long)i);
                p->owed = is[i];
                if (contents && !is[i] && !b->broken[i] && !run_is_home(b, i))
                        run_fails(r, "page %lu is not owed, and not home", (unsigned long)i);
        }
        if (info.charged != charged)
                run_fails(r, "%lu pages are owed, %lu charged, not %lu", (unsigned long)sum,
                          (unsigned long)info.charged, (unsigned long)charged);
}

void run_compare_objects(struct run *r, bool contents)
{
        for (unsigned i = 0; i < r->grants; i++) {
                const struct model_grant *g = r->grant[i].model;
                struct model_object *o = g->object;
                struct quire_object_info info;
                uint64_t touched = 0;

                quire_object_describe(r->grant[i].real, &info);
                for (uint64_t k = 0; k < o->pages; k++)
                        touched += o->page[k].touched;
                if (info.rights != g->rights || info.bytes != o->pages << r->shift ||
                    info.kind != o->kind || info.flags != o->flags ||
                    info.regions != o->regions || info.grants != o->handles ||
                    info.revoked != !model_grant_valid(g))
                        run_fails(r, "grant %u: rights %u, %lu regions, %lu grants; must be %u, "
                                  "%lu, %lu", i, info.rights, (unsigned long)info.regions,
                                  (unsigned long)info.grants, g->rights,
                                  (unsigned long)o->regions, (unsigned long)o->handles);
                if (o->kind == QUIRE_ANONYMOUS &&
                    (info.charged > o->pages ||
                     info.charged < (o->flags & QUIRE_ON_TOUCH ? touched : o->pages)))
                        run_fails(r, "grant %u: %lu pages charged", i,
                                  (unsigned long)info.charged);
                if (o->book)
                        compare_dirty(r, r->grant[i].real, o, contents);
        }
}

/* Is the page held, and can only be read where it is shown? */
static bool is_out_of_reach(const struct run *r, const struct model_object *o, uint64_t index)
{
        bool shares = r->shape.driver->simulated && !r->shape.options.no_share;

        return o->flags & QUIRE_SOLE && !shares && o->page[index].holds;
}

static bool is_any_out_of_reach(const struct run *r, const struct model_object *o, uint64_t first,
                                uint64_t pages)
{
        for (uint64_t i = first; i < first + pages && i < o->pages; i++)
                if (is_out_of_reach(r, o, i))
                        return true;
        return false;
}

/* After a flush of the range: nothing is owed but what is held, and that is said. */
static void compare_flushed(struct run *r, const struct run_grant *g, uint64_t first,
                            uint64_t pages, enum quire_status st)
{
        const struct model_object *o = g->model->object;
        bool is[BOOK_PAGES], left = false, unsaid = false;
        struct quire_range runs[RUNS];
        uint64_t n = RUNS;

        run_must_be(r, quire_object_dirty(g->real, first * r->page, pages * r->page, runs, &n),
                    QUIRE_OK);
        spread(r, runs, n, first, pages, is);
        for (uint64_t i = first; i < first + pages; i++) {
                if (is_out_of_reach(r, o, i)) {
                        left |= is[i];
                        unsaid |= is[i] && st == QUIRE_OK && !o->page[i].writes;
                        o->page[i].owed = is[i];
                }
                o->page[i].owed &= o->page[i].writes || is_out_of_reach(r, o, i);
                if (is[i] != o->page[i].owed)
                        run_fails(r, "page %lu is %sowed after a flush", (unsigned long)i,
                                  is[i] ? "" : "not ");
        }
        if (unsaid || (st == QUIRE_BUSY && !left))
                run_fails(r, "a flush answers %s; pages that are held are %sowed",
                          quire_status_name(st), left ? "" : "not ");
        run_compare_objects(r, true);
}

/* Does what was refused take all buffers, and is there no frame to have it back? */
static bool is_full(const struct run *r)
{
        const struct quire_system *sys = r->system;

        for (unsigned i = 0; i < sys->buffer_count; i++)
                if (sys->buffers[i].state != QUIRE_BUF_STUCK)
                        return false;
        return run_is_short(r) && sys->taken + sys->headroom >= sys->budget;
}

void act_flush(struct run *r)
{
        const struct run_grant *g = pick_grant(r);
        const struct model_object *o;
        uint64_t first, pages;
        enum quire_status st, want = QUIRE_OK;

        run_says(r, "flush: there is no grant");
        if (!g)
                return;
        o = g->model->object;
        pick_range(r, o, &first, &pages);
        run_says(r, "flush grant %u, pages %lu + %lu", (unsigned)(g - r->grant),
                 (unsigned long)first, (unsigned long)pages);
        st = quire_object_flush(g->real, first * r->page, pages * r->page);
        if (!o->book || o->homeless || pages > o->pages - first)
                want = QUIRE_INVALID;
        else if (!model_grant_valid(g->model))
                want = QUIRE_NOT_PRESENT;
        else if (!(g->model->rights & QUIRE_W))
                want = QUIRE_DENIED;
        else if (st == QUIRE_IO_ERROR && (r->book[o->book - 1].dead || is_full(r)))
                want = QUIRE_IO_ERROR;
        else if (st == QUIRE_BUSY && is_any_out_of_reach(r, o, first, pages))
                want = QUIRE_BUSY;
        if (want != QUIRE_BUSY && run_excused(r, st))
                return;
        run_must_be(r, st, want);
        if (st == QUIRE_OK || st == QUIRE_BUSY)
                compare_flushed(r, g, first, pages, st);
}

/* ---------------------------------------------------------------------- pagers */

static struct run_book *book_of(struct run *r, const struct run_grant *g)
{
        return g && g->model->object->book ? &r->book[g->model->object->book - 1] : NULL;
}

/* What the pager answers from now on, for a while. */
void act_answers(struct run *r)
{
        struct run_book *b = book_of(r, pick_grant(r));
        unsigned what = (unsigned)draw_below(&r->draw, 10);

        run_says(r, "a pager's answers: there is none");
        if (!b)
                return;
        b->fill_fails = b->write_fails = 0;
        b->answer = what == 0 ? QUIRE_BROKEN : QUIRE_IO_ERROR;
        if (what < 3)
                b->fill_fails = 1 + (unsigned)draw_below(&r->draw, 3);
        else if (what == 3)
                b->write_fails = 1 + (unsigned)draw_below(&r->draw, 2);
        b->late = draw_percent(&r->draw, 30);
        b->ahead = (enum book_ahead)draw_below(&r->draw, BOOK_AHEADS);
        run_says(r, "book %u fails %u times with %s, refuses %u times%s",
                 (unsigned)(b - r->book), b->fill_fails, quire_status_name(b->answer),
                 b->write_fails, b->late ? ", is late" : "");
}

/* Contents that nobody asked for: those that the book has. */
void act_supply(struct run *r)
{
        const struct run_grant *g = pick_grant(r);
        struct run_book *b = book_of(r, g);
        uint64_t first, pages, taken = 0;
        enum quire_status st;

        run_says(r, "supply: there is no pager");
        if (!b)
                return;
        pick_range(r, b->object, &first, &pages);
        if (pages > b->object->pages - first)
                return;
        run_says(r, "supply to grant %u, pages %lu + %lu", (unsigned)(g - r->grant),
                 (unsigned long)first, (unsigned long)pages);
        st = quire_pager_supply(g->real, first * r->page, pages * r->page,
                                b->home + first * r->page, &taken);
        run_must_be(r, st, QUIRE_OK);
        if (taken > pages * r->page)
                run_fails(r, "%#lx bytes are taken", (unsigned long)taken);
}

/* Pages that nobody has are broken, or the pager is dead. */
void act_pager_fail(struct run *r)
{
        const struct run_grant *g = pick_grant(r);
        struct run_book *b = book_of(r, g);
        uint64_t first, pages;

        run_says(r, "fail: there is no pager");
        if (!b)
                return;
        if (draw_percent(&r->draw, 20)) {
                run_says(r, "the pager of grant %u dies", (unsigned)(g - r->grant));
                quire_pager_died(g->real);
                b->dead = true;
                return;
        }
        pick_range(r, b->object, &first, &pages);
        if (pages > 3)
                pages = 3;
        if (pages > b->object->pages - first)
                return;
        run_says(r, "fail pages %lu + %lu of grant %u", (unsigned long)first,
                 (unsigned long)pages, (unsigned)(g - r->grant));
        if (!run_excused(r, quire_pager_fail(g->real, first * r->page, pages * r->page,
                                             QUIRE_BROKEN)))
                for (uint64_t i = first; i < first + pages; i++)
                        b->broken[i] = b->broken[i] ? b->broken[i] : BOOK_PERHAPS;
}

/* ---------------------------------------------------------------------- spaces */

void act_space_clone(struct run *r)
{
        unsigned space = (unsigned)draw_below(&r->draw, r->spaces);
        enum quire_status st;

        run_says(r, "copy of space %u: not now", space);
        if (r->spaces == RUN_SPACES || r->spaces == r->shape.driver->spaces)
                return;
        run_says(r, "copy of space %u", space);
        st = r->shape.driver->space_clone(r->drive, r->space[space], &r->space[r->spaces]);
        run_same(r, st, model_space_clone(&r->model[space], &r->model[r->spaces]));
        if (st != QUIRE_OK)
                return;
        r->spaces++;
        r->cloned = true;
}

void act_space_close(struct run *r)
{
        unsigned space = (unsigned)draw_below(&r->draw, r->spaces), last = r->spaces - 1;

        run_says(r, "close space %u: not now", space);
        if (r->spaces < 2)
                return;
        run_says(r, "close space %u", space);
        run_unhold_all(r);
        r->spaces--;
        r->shape.driver->space_close(r->drive, r->space[space]);
        model_close(&r->model[space]);
        r->space[space] = r->space[last];
        r->model[space] = r->model[last];
}
