/*
 * scenes.c - the scenes: what the core does, each in a few dozen calls.
 *
 * Regions are a few times the budget, so that everything is evicted and comes
 * back; PAGES is that size, since the budget of a scene is the least there is.
 */
#include "scene.h"

enum { PAGES = 96, BUDGET = 64 };

static uint64_t at(const struct run *r, uint64_t va, uint64_t page)
{
        return va + page * r->page;
}

static void play_touch(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, 20, 0, &va))
                return;
        do_read(r, 0, va, 20);
        do_fill(r, 0, va, 20, 2);
        do_read(r, 0, va, 20);
}

static void play_evict(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        do_read(r, 0, va, PAGES);
}

static void play_rewrite(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        for (unsigned i = 0; i < 3; i++)
                do_fill(r, 0, va, PAGES, 1 + i);
        do_read(r, 0, va, PAGES);
}

/* Into the tier, and when that is full on to the file. */
static void play_tier(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        for (unsigned i = 0; i < 2; i++) {
                do_fill(r, 0, va, PAGES, 2);
                do_advise(r, 0, va, PAGES, QUIRE_WONT_NEED);
                do_read(r, 0, va, 40);
        }
        do_change(r, 0, MODEL_DISCARD, at(r, va, 20), 20, 0);
        do_change(r, 0, MODEL_DECOMMIT, at(r, va, 50), 20, 0);
        do_read(r, 0, va, PAGES);
}

static void play_split(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        if (!do_split(r, 0, at(r, va, 40)) || !do_split(r, 0, at(r, va, 20)))
                return;
        do_read(r, 0, va, PAGES);
        do_change(r, 0, MODEL_DECOMMIT, at(r, va, 20), 20, 0);
        do_read(r, 0, va, 20);
        do_release(r, 0, at(r, va, 40), 0);
}

static void play_release_parts(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        if (!do_release(r, 0, at(r, va, 30), 10) || !do_release(r, 0, va, 5) ||
            !do_release(r, 0, at(r, va, PAGES - 5), 5))
                return;
        do_read(r, 0, at(r, va, 5), 25);
        do_read(r, 0, at(r, va, 40), PAGES - 45);
        do_fill(r, 0, at(r, va, 35), 8, 2);
}

static void play_move(struct run *r)
{
        uint64_t va, to;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        to = at(r, va, 3 * PAGES);
        if (!do_move(r, 0, va, PAGES, to))
                return;
        do_read(r, 0, to, PAGES);
        if (!do_move(r, 0, to, PAGES + 10, to))
                return;
        if (!do_change(r, 0, MODEL_COMMIT, at(r, to, PAGES), 10, RW))
                return;
        do_fill(r, 0, at(r, to, PAGES), 10, 2);
        if (do_move(r, 0, to, PAGES + 20, va))
                do_read(r, 0, va, PAGES + 10);
}

/* A part that shares its object with the rest moves, and takes its pages along. */
static void play_move_a_part(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        if (!do_split(r, 0, at(r, va, 50)))
                return;
        if (!do_move(r, 0, at(r, va, 50), PAGES - 50, at(r, va, 200)))
                return;
        do_read(r, 0, va, 50);
        do_read(r, 0, at(r, va, 200), PAGES - 50);
}

static void play_watch(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, QUIRE_WATCHED, &va))
                return;
        do_read(r, 0, va, 10);
        do_fill(r, 0, va, PAGES, 2);
        if (!do_watch(r, 0, va, PAGES / 2, true) || !do_watch(r, 0, va, PAGES, false))
                return;
        do_fill(r, 0, va, 20, 3);
        do_watch(r, 0, va, PAGES, true);
        do_change(r, 0, MODEL_WATCH_RESET, va, PAGES, 0);
        do_read(r, 0, va, PAGES);
        do_watch(r, 0, va, PAGES, true);
}

static void play_lock(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        if (!do_change(r, 0, MODEL_LOCK, va, 12, 0))
                return;
        do_read(r, 0, va, PAGES);
        if (!do_change(r, 0, MODEL_LOCK, at(r, va, 6), 12, 0))
                return;
        do_change(r, 0, MODEL_DISCARD, at(r, va, 8), 2, 0);
        do_change(r, 0, MODEL_PROTECT, at(r, va, 10), 4, QUIRE_R);
        do_change(r, 0, MODEL_DECOMMIT, at(r, va, 14), 2, 0);
        do_fill(r, 0, at(r, va, 30), PAGES - 30, 2);
        do_change(r, 0, MODEL_UNLOCK, va, 10, 0);
        do_read(r, 0, va, PAGES);
}

static void play_hold(struct run *r)
{
        uint64_t va, one = 0, two = 0;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        do_hold(r, 0, va, 8, QUIRE_R, &one);
        do_hold(r, 0, at(r, va, 4), 8, QUIRE_W, &two);
        do_read(r, 0, va, PAGES);
        do_change(r, 0, MODEL_DISCARD, at(r, va, 5), 2, 0);
        if (one)
                do_unhold(r, 0, va, one);
        do_read(r, 0, va, PAGES);
        if (two)
                do_unhold(r, 0, at(r, va, 4), two);
        do_fill(r, 0, va, PAGES, 3);
}

static void play_guard(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, 40, 0, &va))
                return;
        do_fill(r, 0, va, 40, 2);
        for (uint64_t i = 0; i < 40; i += 4)
                if (!do_change(r, 0, MODEL_GUARD, at(r, va, i), 1 + i % 3, 0))
                        return;
        do_read(r, 0, va, 40);
        do_read(r, 0, va, 40);
        do_change(r, 0, MODEL_GUARD, va, 40, 0);
        do_change(r, 0, MODEL_LOCK, va, 4, 0);
        do_change(r, 0, MODEL_PROTECT, at(r, va, 10), 20, QUIRE_R);
        do_fill(r, 0, va, 40, 2);
}

static void play_protect(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        for (uint64_t i = 0; i < PAGES; i += 2)
                if (!do_change(r, 0, MODEL_PROTECT, at(r, va, i), 1, i % 4 ? 0 : QUIRE_R))
                        return;
        do_fill(r, 0, va, PAGES, 3);
        do_change(r, 0, MODEL_PROTECT, va, PAGES, QUIRE_R | QUIRE_X);
        do_read(r, 0, va, PAGES);
        do_change(r, 0, MODEL_MARK, at(r, va, 10), 10, 7);
        do_change(r, 0, MODEL_PROTECT, va, PAGES, RW);
        do_fill(r, 0, va, PAGES, 2);
}

static void play_prefetch(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        do_advise(r, 0, va, PAGES, QUIRE_WONT_NEED);
        do_advise(r, 0, va, 20, QUIRE_WILL_NEED);
        do_read(r, 0, va, 30);
        do_advise(r, 0, va, PAGES, QUIRE_WONT_NEED);
        do_advise(r, 0, va, PAGES, QUIRE_SEQUENTIAL);
        do_read(r, 0, va, PAGES);
        do_advise(r, 0, va, PAGES, QUIRE_RANDOM);
        do_read(r, 0, va, PAGES);
}

static void play_fills(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, 2 * PAGES, 0, &va))
                return;
        do_fill(r, 0, va, 2 * PAGES, 0);
        do_read(r, 0, va, 2 * PAGES);
        do_fill(r, 0, va, 2 * PAGES, 0);
        do_read(r, 0, va, 2 * PAGES);
}

static void play_discard(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        for (unsigned i = 0; i < 3; i++) {
                do_fill(r, 0, va, PAGES, 2);
                do_change(r, 0, MODEL_DISCARD, at(r, va, 10 * i), 30, 0);
                do_read(r, 0, va, PAGES);
                do_change(r, 0, MODEL_DECOMMIT, at(r, va, 20 * i), 30, 0);
                do_change(r, 0, MODEL_COMMIT, va, PAGES, RW);
                do_read(r, 0, va, PAGES);
        }
}

static void play_plain(struct run *r)
{
        uint64_t va;

        if (!do_reserve(r, 0, 40, 0, QUIRE_PLAIN, &va) ||
            !do_change(r, 0, MODEL_COMMIT, va, 30, RW))
                return;
        do_fill(r, 0, va, 30, 2);
        do_change(r, 0, MODEL_PROTECT, at(r, va, 5), 10, QUIRE_R);
        do_read(r, 0, va, 30);
        do_change(r, 0, MODEL_DECOMMIT, at(r, va, 7), 3, 0);
        do_split(r, 0, at(r, va, 20));
        do_change(r, 0, MODEL_DISCARD, at(r, va, 20), 5, 0);
        do_read(r, 0, va, 30);
        do_release(r, 0, at(r, va, 2), 10);
}

/* The same addresses in several spaces; one is closed with its contents. */
static void play_spaces(struct run *r)
{
        uint64_t va[RUN_SPACES];

        for (unsigned s = 0; s < r->spaces; s++)
                if (!do_region(r, s, PAGES / 2, 0, &va[s]))
                        return;
        for (unsigned s = 0; s < r->spaces; s++)
                do_fill(r, s, va[s], PAGES / 2, 2);
        for (unsigned s = 0; s < r->spaces; s++)
                do_read(r, s, va[s], PAGES / 2);
        r->spaces--;
        r->shape.driver->space_close(r->drive, r->space[r->spaces]);
        model_close(&r->model[r->spaces]);
        do_read(r, 0, va[0], PAGES / 2);
}

static void play_budget(struct run *r)
{
        uint64_t va;
        enum quire_status st;

        if (!do_region(r, 0, 2 * PAGES, 0, &va))
                return;
        for (uint64_t pages = 4 * BUDGET; pages >= BUDGET; pages /= 2) {
                st = quire_budget_set(r->system, pages * r->page);
                if (!run_excused(r, st))
                        run_must_be(r, st, QUIRE_OK);
                do_fill(r, 0, va, 2 * PAGES, 1 + (unsigned)(pages % 3));
        }
        st = quire_budget_charge(r->system, BUDGET / 4 * r->page);
        if (!run_excused(r, st))
                run_must_be(r, st, QUIRE_OK);
        do_fill(r, 0, va, 2 * PAGES, 1);
        if (st == QUIRE_OK)
                quire_budget_refund(r->system, BUDGET / 4 * r->page);
        do_read(r, 0, va, 2 * PAGES);
}

/* More is promised than there is: what has no room is refused, nothing is lost,
 * and what is given back can be used. */
static void play_full(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, 3 * PAGES, 0, &va))
                return;
        r->hurt = true;
        do_fill(r, 0, va, 3 * PAGES, 2);
        do_read(r, 0, va, 3 * PAGES);
        do_change(r, 0, MODEL_DECOMMIT, va, PAGES, 0);
        do_fill(r, 0, at(r, va, PAGES), 2 * PAGES, 3);
        do_read(r, 0, va, 3 * PAGES);
}

/* A child of fork reads the parent's slots, and writes to a file of its own. */
static void play_fork(struct run *r)
{
        uint64_t va;

        if (!do_region(r, 0, PAGES, 0, &va))
                return;
        do_fill(r, 0, va, PAGES, 2);
        quire_pagefile_keep(r->system, true);
        do_fill(r, 0, va, PAGES / 2, 3);
        quire_pagefile_keep(r->system, false);
        quire_system_freeze(r->system);
        quire_system_forked(r->system);
        quire_system_thaw(r->system);
        if (quire_pagefile_add(r->system, 3, 0) != QUIRE_OK)
                run_fails(r, "the child's pagefile");
        do_read(r, 0, va, PAGES);
        do_fill(r, 0, va, PAGES, 1);
        do_read(r, 0, va, PAGES);
}

#define ROOM (256 << 12)
const struct scene scenes[] = {
        { "touch", play_touch, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "evict", play_evict, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "evict, slow I/O", play_evict,
          { .pagefiles = 1, .pagefile_bytes = ROOM, .slow_io = true }, 0 },
        { "evict to a tier and a file", play_tier,
          { .pagefiles = 1, .pagefile_bytes = ROOM, .tier_percent = 3, .budget = 1024 }, 0 },
        { "evict to a tier and a file, slow I/O", play_tier,
          { .pagefiles = 1, .pagefile_bytes = ROOM, .tier_percent = 3, .budget = 1024,
            .slow_io = true }, 0 },
        { "evict to a tier alone", play_tier,
          { .pagefiles = 0, .tier_percent = 50, .budget = 1024 }, 0 },
        { "evict to several files", play_rewrite,
          { .pagefiles = 3, .pagefile_bytes = 50 << 12 }, 0 },
        { "rewrite", play_rewrite, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "rewrite, slow I/O, clock", play_rewrite,
          { .pagefiles = 1, .pagefile_bytes = ROOM, .slow_io = true, .policy = "clock" }, 0 },
        { "rewrite, lru", play_rewrite,
          { .pagefiles = 1, .pagefile_bytes = ROOM, .policy = "lru" }, 0 },
        { "split", play_split, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "release parts", play_release_parts, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "move", play_move, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "move a part", play_move_a_part, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "watch", play_watch, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "lock", play_lock, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "hold", play_hold, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "guard", play_guard, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "protect", play_protect, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "prefetch", play_prefetch, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "fills", play_fills, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "discard", play_discard, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "discard, slow I/O", play_discard,
          { .pagefiles = 1, .pagefile_bytes = ROOM, .slow_io = true }, 0 },
        { "plain", play_plain, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "spaces", play_spaces, { .pagefiles = 1, .pagefile_bytes = ROOM }, 3 },
        { "budget", play_budget, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { "full", play_full,
          { .pagefiles = 1, .pagefile_bytes = 100 << 12, .commit_limit = 4096 << 12 }, 0 },
        { "fork", play_fork, { .pagefiles = 1, .pagefile_bytes = ROOM }, 0 },
        { NULL, NULL, { 0 }, 0 },
};
