/*
 * do.c - the calls of a scene (scene.h).
 */
#include "scene.h"

enum { TRIES = 6 };

/* The call was made: was that it?  Sets *done. */
static bool finished(struct run *r, enum quire_status got)
{
        bool excused = run_excused(r, got);

        r->failed = run_failed(r);
        if (r->hurt && !r->shape.options.commit_limit)     /* a file that fails is used no more */
                r->promises.limit = quire_charge_limit(r->system);
        return !excused;
}

bool do_reserve(struct run *r, unsigned space, uint64_t pages, unsigned flags,
                enum quire_region_kind kind, uint64_t *va)
{
        struct model *m = &r->model[space];
        struct quire_request q = { .bytes = pages * r->page, .flags = flags, .kind = kind,
                                   .low = m->low, .high = m->low + m->pages * r->page };
        uint64_t expected = 0;

        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = quire_region_reserve(r->space[space], &q, va);

                if (!finished(r, st))
                        continue;
                run_must_be(r, st, model_reserve(m, &q, NULL, &expected));
                if (*va != expected)
                        run_fails(r, "placed at %#lx, not at %#lx", (unsigned long)*va,
                                  (unsigned long)expected);
                return st == QUIRE_OK;
        }
        return false;
}

static enum quire_status change(struct run *r, unsigned space, enum model_op op, uint64_t va,
                                uint64_t bytes, unsigned value)
{
        struct quire_space *s = r->space[space];

        switch (op) {
        case MODEL_COMMIT: return quire_region_commit(s, va, bytes, value);
        case MODEL_DECOMMIT: return quire_region_decommit(s, va, bytes);
        case MODEL_PROTECT: return quire_region_protect(s, va, bytes, value, NULL);
        case MODEL_GUARD: return quire_region_guard(s, va, bytes);
        case MODEL_DISCARD: return quire_region_discard(s, va, bytes);
        case MODEL_MARK: return quire_region_mark(s, va, bytes, (uint8_t)value);
        case MODEL_LOCK: return quire_region_lock(s, va, bytes);
        case MODEL_UNLOCK: return quire_region_unlock(s, va, bytes);
        default: return quire_watch_reset(s, va, bytes);
        }
}

bool do_change(struct run *r, unsigned space, enum model_op op, uint64_t va, uint64_t pages,
               unsigned value)
{
        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = change(r, space, op, va, pages * r->page, value);
                bool alarms = op == MODEL_LOCK && run_failed(r) != r->failed;

                if (alarms && st != QUIRE_OK && st != QUIRE_DENIED)
                        run_learn_guards(r, space, va, pages * r->page);
                if (!finished(r, st))
                        continue;
                run_must_be(r, st, model_change(&r->model[space], op, va, pages * r->page,
                                                value));
                if (alarms)
                        run_learn_guards(r, space, va, pages * r->page);
                return st == QUIRE_OK;
        }
        return false;
}

bool do_release(struct run *r, unsigned space, uint64_t va, uint64_t pages)
{
        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = quire_region_release(r->space[space], va,
                                                            pages * r->page);

                if (!finished(r, st))
                        continue;
                run_must_be(r, st, model_release(&r->model[space], va, pages * r->page));
                return st == QUIRE_OK;
        }
        return false;
}

bool do_split(struct run *r, unsigned space, uint64_t va)
{
        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = quire_region_split(r->space[space], va);

                if (!finished(r, st))
                        continue;
                run_must_be(r, st, model_split(&r->model[space], va));
                return st == QUIRE_OK;
        }
        return false;
}

bool do_move(struct run *r, unsigned space, uint64_t from, uint64_t pages, uint64_t to)
{
        for (unsigned i = 0; i < TRIES; i++) {
                uint64_t where = to;
                enum quire_status st = quire_region_move(r->space[space], from,
                                                         pages * r->page, true, &where);

                if (!finished(r, st))
                        continue;
                run_must_be(r, st, model_move(&r->model[space], from, pages * r->page, to));
                return st == QUIRE_OK;
        }
        return false;
}

bool do_advise(struct run *r, unsigned space, uint64_t va, uint64_t pages,
               enum quire_advice advice)
{
        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = quire_region_advise(r->space[space], va, pages * r->page,
                                                           advice);

                if (!finished(r, st))
                        continue;
                run_must_be(r, st, QUIRE_OK);
                return true;
        }
        return false;
}

bool do_watch(struct run *r, unsigned space, uint64_t va, uint64_t pages, bool reset)
{
        uint64_t got[512], want[512], got_n = 512, want_n = 512;

        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = quire_watch_get(r->space[space], va, pages * r->page,
                                                       reset, got, &got_n);

                if (!finished(r, st))
                        continue;
                run_must_be(r, st, model_watch_get(&r->model[space], va, pages * r->page,
                                                   reset, want, &want_n));
                for (uint64_t k = 0; k < want_n; k++)
                        if (got_n != want_n || got[k] != want[k])
                                run_fails(r, "the pages written are others");
                return true;
        }
        return false;
}

bool do_hold(struct run *r, unsigned space, uint64_t va, uint64_t pages, unsigned access,
             uint64_t *held)
{
        uint64_t most = model_holdable(&r->model[space], va, pages, access);

        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_status st = quire_region_hold(r->space[space], va, pages * r->page,
                                                         access, held);
                bool failed = run_failed(r) != r->failed;

                if (!finished(r, st))
                        continue;
                *held >>= r->shift;
                if (*held > most || (*held < most && !failed && !r->hurt))
                        run_fails(r, "held %lu pages of %lu", (unsigned long)*held,
                                  (unsigned long)most);
                model_hold(&r->model[space], va, *held, access, *held < pages);
                return *held;
        }
        return false;
}

void do_unhold(struct run *r, unsigned space, uint64_t va, uint64_t pages)
{
        quire_region_unhold(r->space[space], va, pages * r->page);
        model_unhold(&r->model[space], va, pages);
}

bool do_region(struct run *r, unsigned space, uint64_t pages, unsigned flags, uint64_t *va)
{
        return do_reserve(r, space, pages, flags, QUIRE_PAGED, va) &&
               do_change(r, space, MODEL_COMMIT, *va, pages, RW);
}

void do_fill(struct run *r, unsigned space, uint64_t va, uint64_t pages, unsigned kind)
{
        for (uint64_t i = 0; i < pages; i++) {
                run_fill_page(r, space, va + i * r->page, kind);
                r->failed = run_failed(r);
        }
}

void do_read(struct run *r, unsigned space, uint64_t va, uint64_t pages)
{
        for (uint64_t i = 0; i < pages; i++) {
                run_read_page(r, space, va + i * r->page);
                r->failed = run_failed(r);
        }
}
