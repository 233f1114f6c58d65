/*
 * ops.c - the operations on regions of a random run: each is made on the
 * driver and on the model, and both must answer alike.
 *
 * Does not decide: what is right (model.c).  Here is only what may happen for
 * reasons that the model does not know.
 */
#include "run.h"
#include "../../core/core.h"
#include <string.h>

static unsigned pick_space(struct run *r)
{
        return (unsigned)draw_below(&r->draw, r->spaces);
}

static struct run_target target(struct run *r, unsigned space, uint64_t va, uint64_t bytes)
{
        return (struct run_target){ space, va, bytes, &r->model[space], r->space[space] };
}

/* A region of the space, or null: a few are tried. */
static struct model_region *pick_region(struct run *r, unsigned space)
{
        struct model *m = &r->model[space];

        for (int i = 0; m->regions && i < 8; i++) {
                struct model_region *g = &m->region[draw_below(&r->draw, m->regions)];

                if (g->pages)
                        return g;
        }
        return NULL;
}

static struct run_target pick_wild(struct run *r, unsigned space)
{
        struct model *m = &r->model[space];
        uint64_t va = m->low + draw_below(&r->draw, m->pages) * r->page;
        uint64_t bytes = draw_below(&r->draw, 20) * r->page;

        switch (draw_below(&r->draw, 12)) {
        case 0: return target(r, space, va + 1 + draw_below(&r->draw, r->page - 1), bytes);
        case 1: return target(r, space, va, bytes + 1 + draw_below(&r->draw, r->page - 1));
        case 2: return target(r, space, va, ~(r->page - 1) - va);
        case 3: return target(r, space, va, ~(r->page - 1));
        case 4: return target(r, space, m->low - r->page, bytes);
        default: return target(r, space, va, bytes);
        }
}

struct run_target run_pick(struct run *r, uint64_t most)
{
        unsigned space = pick_space(r);
        struct model_region *g = pick_region(r, space);
        uint64_t first, pages;

        if (!g || draw_percent(&r->draw, 4))
                return pick_wild(r, space);
        first = draw_below(&r->draw, g->pages);
        if (draw_percent(&r->draw, 25))
                first = 0;
        pages = g->pages - first;
        if (most && pages > most)
                pages = most;
        if (!draw_percent(&r->draw, 20))
                pages = 1 + draw_below(&r->draw, pages);
        return target(r, space, r->model[space].low + (g->first + first) * r->page,
                      pages * r->page);
}

unsigned run_pick_access(struct run *r)
{
        static const uint8_t often[] = { QUIRE_R | QUIRE_W, QUIRE_R | QUIRE_W, QUIRE_R | QUIRE_W,
                                         QUIRE_R | QUIRE_W, QUIRE_R, QUIRE_R, 0,
                                         QUIRE_R | QUIRE_X, QUIRE_R | QUIRE_W | QUIRE_X,
                                         QUIRE_X, QUIRE_W };

        if (draw_percent(&r->draw, 1))
                return 8 + (unsigned)draw_below(&r->draw, 100);
        return often[draw_below(&r->draw, sizeof(often))];
}

static void says_range(struct run *r, const char *verb, const struct run_target *t)
{
        run_says(r, "%s %u:%#lx + %#lx", verb, t->space, (unsigned long)t->va,
                 (unsigned long)t->bytes);
}

/* ------------------------------------------------------ reserve and release */

static uint64_t pick_size(struct run *r)
{
        uint64_t limit = r->shape.window / 2;
        uint64_t most = draw_percent(&r->draw, 5) ? limit : draw_percent(&r->draw, 60) ? 160 : 12;

        return 1 + draw_below(&r->draw, most < limit ? most : limit);
}

static void act_reserve(struct run *r)
{
        unsigned space = pick_space(r);
        struct model *m = &r->model[space];
        struct quire_request q = {
                .bytes = pick_size(r) * r->page, .kind = QUIRE_PAGED,
                .low = m->low, .high = m->low + m->pages * r->page,
                .tag = draw_below(&r->draw, 1000),
        };
        uint64_t va = 0, expected = 0;
        enum quire_status st;

        if (draw_percent(&r->draw, 10) && !r->shape.options.no_plain)
                q.kind = QUIRE_PLAIN;
        else if (draw_percent(&r->draw, 30) && !r->shape.options.no_write_protect)
                q.flags |= QUIRE_WATCHED;
        if (draw_percent(&r->draw, 30))
                q.flags |= QUIRE_TOP_DOWN;
        if (draw_percent(&r->draw, 20))
                q.align = r->page << draw_below(&r->draw, 6);
        if (draw_percent(&r->draw, 30)) {
                q.flags |= QUIRE_EXACT;
                q.va = m->low + draw_below(&r->draw, m->pages - q.bytes / r->page) * r->page;
                q.low = q.high = q.align = 0;
        } else if (draw_percent(&r->draw, 30)) {
                q.low += draw_below(&r->draw, m->pages / 2) * r->page;
                q.high -= draw_below(&r->draw, m->pages / 2) * r->page;
        }
        run_says(r, "reserve in %u, %#lx bytes, kind %d, flags %u, align %#lx, at %#lx, "
                 "in %#lx..%#lx", space, (unsigned long)q.bytes, (int)q.kind, q.flags,
                 (unsigned long)q.align, (unsigned long)q.va, (unsigned long)q.low,
                 (unsigned long)q.high);
        st = quire_region_reserve(r->space[space], &q, &va);
        run_same(r, st, model_reserve(m, &q, NULL, &expected));
        if (st == QUIRE_OK && va != expected)
                run_fails(r, "placed at %#lx; the model places it at %#lx", (unsigned long)va,
                          (unsigned long)expected);
}

/* A hold does not move with its region. */
static bool is_held(const struct run_target *t)
{
        const struct model_page *p = model_page(t->model, t->va);
        const struct model_region *g;

        if (!p || !p->region)
                return false;
        g = &t->model->region[p->region - 1];
        for (uint64_t i = 0; i < g->pages; i++)
                if (t->model->page[g->first + i].holds)
                        return true;
        return false;
}

static void act_release(struct run *r)
{
        struct run_target t = run_pick(r, 64);
        const struct model_page *p = model_page(t.model, t.va & ~(r->page - 1));

        if (draw_percent(&r->draw, 50)) {
                t.bytes = 0;
                if (p && p->region && draw_percent(&r->draw, 90))
                        t.va = t.model->low +
                               t.model->region[p->region - 1].first * r->page;
        }
        says_range(r, "release", &t);
        run_same(r, quire_region_release(t.in, t.va, t.bytes),
                 model_release(t.model, t.va, t.bytes));
}

/* Is it a part of a region, whose own pages others may share? */
static bool may_stay(const struct run *r, const struct model_region *g)
{
        return g->cut && (g->grant ? g->copy || g->grant->object->flags & QUIRE_SOLE : r->cloned);
}

static void act_move(struct run *r)
{
        struct run_target t = run_pick(r, 0);
        const struct model_page *p = model_page(t.model, t.va & ~(r->page - 1));
        const struct model_region *g;
        uint64_t to, bytes, pages;
        enum quire_status st;

        run_says(r, "move: nothing to move");
        if (!p || !p->region || is_held(&t))
                return;
        g = &t.model->region[p->region - 1];
        if (draw_percent(&r->draw, 95))
                t.va = t.model->low + g->first * r->page;
        pages = g->pages + (draw_percent(&r->draw, 40) ? draw_below(&r->draw, 20) : 0);
        if (draw_percent(&r->draw, 2))
                pages = g->pages - 1;
        bytes = pages * r->page;
        if (pages >= t.model->pages || !pages)
                return;
        to = t.model->low + draw_below(&r->draw, t.model->pages - pages) * r->page;
        if (draw_percent(&r->draw, 20) &&
            bytes <= t.model->low + t.model->pages * r->page - t.va)
                to = t.va;
        run_says(r, "move %u:%#lx to %#lx + %#lx", t.space, (unsigned long)t.va,
                 (unsigned long)to, (unsigned long)bytes);
        st = quire_region_move(t.in, t.va, bytes, true, &to);
        if (st == QUIRE_UNSUPPORTED && may_stay(r, g))
                return;
        run_same(r, st, model_move(t.model, t.va, bytes, to));
}

static void act_split(struct run *r)
{
        struct run_target t = run_pick(r, 1);

        says_range(r, "split", &t);
        run_same(r, quire_region_split(t.in, t.va), model_split(t.model, t.va));
}

/* ------------------------------------------------------- what pages are like */

static void act_commit(struct run *r)
{
        struct run_target t = run_pick(r, draw_percent(&r->draw, 30) ? 0 : 96);
        unsigned access = run_pick_access(r);

        says_range(r, "commit", &t);
        run_same(r, quire_region_commit(t.in, t.va, t.bytes, access),
                 model_change(t.model, MODEL_COMMIT, t.va, t.bytes, access));
}

static void act_decommit(struct run *r)
{
        struct run_target t = run_pick(r, 64);

        says_range(r, "decommit", &t);
        run_same(r, quire_region_decommit(t.in, t.va, t.bytes),
                 model_change(t.model, MODEL_DECOMMIT, t.va, t.bytes, 0));
}

static void act_protect(struct run *r)
{
        struct run_target t = run_pick(r, 64);
        const struct model_page *p = model_page(t.model, t.va);
        unsigned access = run_pick_access(r), old = 0, expected = p ? p->access : 0;
        enum quire_status st;

        run_says(r, "protect %u:%#lx + %#lx, access %u", t.space, (unsigned long)t.va,
                 (unsigned long)t.bytes, access);
        st = quire_region_protect(t.in, t.va, t.bytes, access, &old);
        run_same(r, st, model_change(t.model, MODEL_PROTECT, t.va, t.bytes, access));
        if (st == QUIRE_OK && old != expected)
                run_fails(r, "the old access was %u, must be %u", old, expected);
}

static void act_guard(struct run *r)
{
        struct run_target t = run_pick(r, 6);

        says_range(r, "guard", &t);
        run_same(r, quire_region_guard(t.in, t.va, t.bytes),
                 model_change(t.model, MODEL_GUARD, t.va, t.bytes, 0));
}

static void act_discard(struct run *r)
{
        struct run_target t = run_pick(r, 64);

        says_range(r, "discard", &t);
        run_same(r, quire_region_discard(t.in, t.va, t.bytes),
                 model_change(t.model, MODEL_DISCARD, t.va, t.bytes, 0));
}

static void act_mark(struct run *r)
{
        struct run_target t = run_pick(r, 64);
        uint8_t mark = (uint8_t)draw_below(&r->draw, 4);

        says_range(r, "mark", &t);
        run_same(r, quire_region_mark(t.in, t.va, t.bytes, mark),
                 model_change(t.model, MODEL_MARK, t.va, t.bytes, mark));
}

/* -------------------------------------------------- locking, holding, watching */

/* Where something failed, marks may be left or gone. */
static void learn_guards(struct run *r, const struct run_target *t)
{
        if (run_failed(r) != r->failed && t->bytes <= 64 * r->page)
                run_learn_guards(r, t->space, t->va, t->bytes);
}

/* Is a page of the range a pager's, who may deny it? */
static bool is_booked(struct run *r, const struct run_target *t)
{
        uint64_t index;

        for (uint64_t i = 0; i < t->bytes; i += r->page)
                if (run_book_at(r, t->space, t->va + i, &index))
                        return true;
        return false;
}

/* What is kept of a pager's pages is charged: it may be too much. */
static bool is_too_much(struct run *r, const struct run_target *t)
{
        uint64_t pages = t->bytes >> r->shift, limit = quire_charge_limit(r->system);

        return is_booked(r, t) && r->system->counters.committed + pages > limit;
}

static void act_lock(struct run *r)
{
        struct run_target t = run_pick(r, 8);
        enum quire_status st;

        says_range(r, "lock", &t);
        st = quire_region_lock(t.in, t.va, t.bytes);
        if (st != QUIRE_OK && st != QUIRE_DENIED)
                learn_guards(r, &t);
        if (st != QUIRE_OK)
                run_learn_pages(r, t.space, t.va, t.bytes);
        if (st == QUIRE_NO_MEMORY && is_too_much(r, &t))
                return;
        run_same(r, st, model_change(t.model, MODEL_LOCK, t.va, t.bytes, 0));
        learn_guards(r, &t);
}

static void act_unlock(struct run *r)
{
        struct run_target t = run_pick(r, 8);

        says_range(r, "unlock", &t);
        run_same(r, quire_region_unlock(t.in, t.va, t.bytes),
                 model_change(t.model, MODEL_UNLOCK, t.va, t.bytes, 0));
}

static void act_hold(struct run *r)
{
        struct run_target t = run_pick(r, 6);
        unsigned access = draw_percent(&r->draw, 50) ? QUIRE_R : QUIRE_W;
        uint64_t held = 0, most;
        enum quire_status st;

        says_range(r, access & QUIRE_W ? "hold to write" : "hold to read", &t);
        if (r->holds == RUN_HOLDS || (t.va | t.bytes) & (r->page - 1) ||
            t.bytes > 64 * r->page)
                return;
        st = quire_region_hold(t.in, t.va, t.bytes, access, &held);
        most = model_holdable(t.model, t.va, t.bytes >> r->shift, access);
        if (st != QUIRE_OK && st != QUIRE_DENIED)
                learn_guards(r, &t);
        if (held < t.bytes)
                run_learn_pages(r, t.space, t.va + held, t.bytes - held);
        if (run_excused(r, st))
                return;
        if (st != QUIRE_OK && held)
                run_fails(r, "hold answers %s and holds %#lx", quire_status_name(st),
                          (unsigned long)held);
        if (held & (r->page - 1) || held >> r->shift > most)
                run_fails(r, "held %#lx, at most %#lx may be", (unsigned long)held,
                          (unsigned long)(most << r->shift));
        if (held >> r->shift < most && run_failed(r) == r->failed && !run_is_short(r) &&
            r->promises.locked + most <= r->promises.lock_limit && !run_at_limit(r) &&
            !is_booked(r, &t))
                run_fails(r, "held %#lx, %#lx could be", (unsigned long)held,
                          (unsigned long)(most << r->shift));
        model_hold(t.model, t.va, held >> r->shift, access, held < t.bytes);
        learn_guards(r, &t);
        if (!held)
                return;
        r->hold[r->holds++] = (struct run_hold){ t.space, t.va, held >> r->shift };
}

static void unhold(struct run *r, unsigned which)
{
        struct run_hold h = r->hold[which];

        quire_region_unhold(r->space[h.space], h.va, h.pages << r->shift);
        model_unhold(&r->model[h.space], h.va, h.pages);
        r->hold[which] = r->hold[--r->holds];
}

void run_unhold_all(struct run *r)
{
        while (r->holds)
                unhold(r, 0);
}

static void act_unhold(struct run *r)
{
        run_says(r, "unhold one of %u", r->holds);
        if (r->holds)
                unhold(r, (unsigned)draw_below(&r->draw, r->holds));
}

static void act_watch_get(struct run *r)
{
        struct run_target t = run_pick(r, 0);
        uint64_t got[40] = { 0 }, want[40] = { 0 }, got_n, want_n;
        bool reset = draw_percent(&r->draw, 50);
        enum quire_status st;

        got_n = want_n = 1 + draw_below(&r->draw, 40);
        run_says(r, "watch %u:%#lx + %#lx, at most %lu%s", t.space, (unsigned long)t.va,
                 (unsigned long)t.bytes, (unsigned long)got_n, reset ? ", reset" : "");
        st = quire_watch_get(t.in, t.va, t.bytes, reset, got, &got_n);
        run_same(r, st, model_watch_get(t.model, t.va, t.bytes, reset, want, &want_n));
        if (st == QUIRE_OK && (got_n != want_n || memcmp(got, want, got_n * sizeof(*got))))
                run_fails(r, "%lu pages written, must be %lu", (unsigned long)got_n,
                          (unsigned long)want_n);
}

static void act_watch_reset(struct run *r)
{
        struct run_target t = run_pick(r, 0);

        says_range(r, "watch reset", &t);
        run_same(r, quire_watch_reset(t.in, t.va, t.bytes),
                 model_change(t.model, MODEL_WATCH_RESET, t.va, t.bytes, 0));
}

/* Advice changes no contents and no promise. */
static void act_advise(struct run *r)
{
        struct run_target t = run_pick(r, 0);
        enum quire_advice advice = (enum quire_advice)draw_below(&r->draw, QUIRE_WONT_NEED + 1);
        enum quire_status st;

        run_says(r, "advise %u:%#lx + %#lx: %d", t.space, (unsigned long)t.va,
                 (unsigned long)t.bytes, (int)advice);
        st = quire_region_advise(t.in, t.va, t.bytes, advice);
        if ((t.va | t.bytes) & (r->page - 1))
                run_same(r, st, QUIRE_INVALID);
}

/* Another budget: on the simulator up to twice the first, which elsewhere is all
 * the memory there is, and at times a part of it charged.  What is locked or has nowhere
 * to go may forbid it. */
static void act_budget(struct run *r)
{
        uint64_t first = r->shape.options.budget >> r->shift;
        uint64_t least = quire_budget_least(r->page) >> r->shift;
        uint64_t most = r->shape.driver == &driver_sim ? 2 * first : first;
        uint64_t pages = least + draw_below(&r->draw, most - least + 1);
        enum quire_status st = QUIRE_OK;

        if (!r->shape.driver->simulated || r->shape.options.commit_limit)
                return;                  /* (the limit might be more than it can hold) */
        if (r->charged) {
                run_says(r, "refund %lu pages of the budget", (unsigned long)r->charged);
                quire_budget_refund(r->system, r->charged << r->shift);
                r->charged = 0;
        } else if (pages % 3 == 0) {
                pages = 1 + pages / 4;
                run_says(r, "charge %lu pages to the budget", (unsigned long)pages);
                st = quire_budget_charge(r->system, pages << r->shift);
                r->charged = st == QUIRE_OK ? pages : 0;
        } else {
                run_says(r, "budget of %lu pages", (unsigned long)pages);
                st = quire_budget_set(r->system, pages << r->shift);
        }
        if (st != QUIRE_OK && st != QUIRE_NO_MEMORY)
                run_fails(r, "the budget's change answers %s", quire_status_name(st));
        r->promises.lock_limit = quire_keep_limit(r->system);
        if (!r->shape.options.commit_limit)
                r->promises.limit = quire_charge_limit(r->system);
}

const struct run_op run_ops[] = {
        { "read", 22, act_read }, { "write", 22, act_write }, { "fill", 20, act_fill },
        { "read across", 3, act_read_across }, { "fetch", 2, act_fetch },
        { "reserve", 8, act_reserve }, { "release", 4, act_release },
        { "commit", 14, act_commit }, { "decommit", 3, act_decommit },
        { "protect", 5, act_protect }, { "guard", 3, act_guard },
        { "discard", 3, act_discard }, { "mark", 2, act_mark }, { "split", 2, act_split },
        { "move", 2, act_move }, { "lock", 2, act_lock }, { "unlock", 2, act_unlock },
        { "hold", 2, act_hold }, { "unhold", 3, act_unhold },
        { "watch get", 3, act_watch_get }, { "watch reset", 1, act_watch_reset },
        { "advise", 5, act_advise }, { "compare", 1, act_sweep },
        { "budget", 1, act_budget },
        { "open object", 3, act_object_open }, { "map", 9, act_map },
        { "clone object", 2, act_object_clone }, { "narrow", 2, act_narrow },
        { "close grant", 4, act_grant_close }, { "revoke", 1, act_revoke },
        { "written", 4, act_written }, { "flush", 3, act_flush },
        { "answers", 2, act_answers }, { "supply", 2, act_supply },
        { "fail pages", 1, act_pager_fail },
        { "copy space", 1, act_space_clone }, { "close space", 1, act_space_close },
        { NULL, 0, NULL },
};
