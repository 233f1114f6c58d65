/*
 * features_clone_test.c - copies of whole spaces: what fork would make, on machines that
 * have more than one space, with frames that are shared and without.
 */
#include "share.h"

static void test_space_clone(void)
{
        struct quire_space *copy, *second;
        struct quire_grant *g;
        uint64_t a, b;

        begin();
        a = region(16);
        g = object(4, 0);
        b = map(space, g, 0, 4, RW, 0);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(store(a + i * PAGE, (uint8_t)(10 + i)), 0);
        CHECK_EQ(store(b, 1), 0);
        copy = clone_space(space);
        quire_system_audit(sys);
        CHECK_EQ(byte_in(copy, a + PAGE), 11);
        CHECK_EQ(store(a + PAGE, 99), 0);
        CHECK_EQ(byte_in(copy, a + PAGE), 11);
        CHECK_EQ(store_in(copy, a + 2 * PAGE, 98), 0);
        CHECK_EQ(byte_at(a + 2 * PAGE), 12);
        CHECK_EQ(store_in(copy, a + 9 * PAGE, 97), 0);
        CHECK(is_zero(a + 9 * PAGE));
        CHECK_EQ(store(b, 2), 0);
        CHECK_EQ(byte_in(copy, b), 2);
        second = clone_space(copy);
        quire_system_audit(sys);
        CHECK_EQ(byte_in(second, a + 2 * PAGE), 98);
        CHECK_EQ(byte_in(second, a + PAGE), 11);
        CHECK_EQ(store_in(second, a + 3 * PAGE, 96), 0);
        CHECK_EQ(byte_in(copy, a + 3 * PAGE), 13);
        CHECK(quire_region_decommit(copy, a, 4 * PAGE) == QUIRE_OK);
        CHECK(quire_region_commit(copy, a, 4 * PAGE, RW) == QUIRE_OK);
        CHECK_EQ(byte_in(copy, a + 2 * PAGE), 0);
        CHECK_EQ(byte_in(copy, a + PAGE), 0);
        CHECK_EQ(byte_in(second, a + 2 * PAGE), 98);
        quire_system_audit(sys);
        CHECK(quire_region_release(space, a + 4 * PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(byte_in(copy, a + 4 * PAGE), 14);
        CHECK_EQ(byte_in(second, a + 5 * PAGE), 15);
        quire_system_audit(sys);
        CHECK(quire_region_release(space, a, 4 * PAGE) == QUIRE_OK);
        quire_system_audit(sys);
        CHECK_EQ(byte_in(second, a + 3 * PAGE), 96);
        CHECK_EQ(byte_in(second, a), 10);
        CHECK_EQ(byte_in(second, a + 6 * PAGE), 16);
        quire_space_close(copy);
        CHECK_EQ(byte_in(second, a + 6 * PAGE), 16);
        CHECK_EQ(byte_in(second, a + PAGE), 11);
        CHECK_EQ(byte_at(a + 7 * PAGE), 17);
        quire_space_close(second);
        quire_grant_close(g);
        finish();
}

static void test_space_clone_costs_no_frame_until_written(void)
{
        struct quire_space *copy, *second;
        uint64_t a;

        begin();
        a = region(20);
        for (uint64_t i = 0; i < 20; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        copy = clone_space(space);
        second = clone_space(copy);
        CHECK_EQ(counters().resident, 20);
        CHECK_EQ(counters().committed, 60);
        if (frames_are_shared()) {
                for (uint64_t i = 0; i < 20; i++)
                        CHECK_EQ(word_in(second, a + i * PAGE), i + 1);
                CHECK_EQ(counters().resident, 20);
                for (uint64_t i = 0; i < 5; i++)
                        CHECK_EQ(put_word(copy, a + i * PAGE, 100 + i), 0);
                CHECK_EQ(counters().resident, 25);
                quire_space_close(copy);
                CHECK_EQ(counters().resident, 20);
                release(space, a);
                CHECK_EQ(counters().resident, 20);
                copy = clone_space(second);
        }
        for (uint64_t i = 0; i < 20; i++)
                CHECK_EQ(word_in(second, a + i * PAGE), i + 1);
        quire_space_close(second);
        CHECK_EQ(word_in(copy, a + 19 * PAGE), 20);
        quire_space_close(copy);
        finish();
}

static void test_space_clone_is_refused(void)
{
        struct drive_options o = options;
        struct quire_space *copy = NULL;
        struct quire_request plain = { .bytes = 4 * PAGE, .kind = QUIRE_PLAIN };
        uint64_t a, p;

        o.commit_limit = 39 * PAGE;
        begin_with(o);
        a = region(20);
        CHECK_EQ(store(a, 1), 0);
        CHECK(quire_space_clone(space, &copy) == QUIRE_LIMIT);
        CHECK(!copy);
        CHECK_EQ(counters().committed, 20);
        CHECK(quire_region_decommit(space, a + PAGE, PAGE) == QUIRE_OK);
        copy = clone_space(space);
        CHECK_EQ(counters().committed, 38);
        CHECK(quire_region_commit(copy, a + PAGE, PAGE, RW) == QUIRE_OK);
        CHECK_EQ(byte_in(copy, a), 1);
        quire_space_close(copy);
        copy = NULL;
        REQUIRE(quire_region_reserve(space, &plain, &p) == QUIRE_OK);
        CHECK(quire_space_clone(space, &copy) == QUIRE_UNSUPPORTED);
        CHECK(!copy);
        release(space, p);
        copy = clone_space(space);
        quire_space_close(copy);
        CHECK_EQ(counters().committed, 19);
        finish();
}

/* A page that is held must be copied at once, and there is no frame for it; but the copy is
 * more than may be promised, and that is what it is refused for. */
static void test_space_clone_is_refused_before_it_begins(void)
{
        const struct drive_options o = { .budget = 96 << 12, .pagefile_bytes = 1 << 12,
                                         .commit_limit = 96 << 12 };
        struct quire_space *copy = NULL;
        uint64_t a, b, pages, held;

        begin_with(o);
        a = region(1);
        CHECK(quire_region_hold(space, a, PAGE, W, &held) == QUIRE_OK);
        CHECK_EQ(held, PAGE);
        pages = quire_frames_at(sys, sys->budget);         /* the file takes one */
        b = region(pages);
        for (uint64_t i = 0; i < pages; i++)
                CHECK_EQ(store(b + i * PAGE, 1), 0);
        CHECK(quire_space_clone(space, &copy) == QUIRE_LIMIT);
        CHECK(!copy);
        CHECK_EQ(counters().committed, pages + 1);
        CHECK(quire_region_discard(space, b, pages * PAGE) == QUIRE_OK);
        CHECK(quire_space_clone(space, &copy) == QUIRE_LIMIT);
        release(space, b);
        copy = clone_space(space);
        CHECK_EQ(counters().committed, 2);
        quire_space_close(copy);
        quire_region_unhold(space, a, held);
        release(space, a);
        finish();
}

static void check_watch(struct quire_space *s, uint64_t va, uint64_t pages, const bool *written)
{
        uint64_t out[64], n = 64, k = 0;

        CHECK(quire_watch_get(s, va, pages * PAGE, true, out, &n) == QUIRE_OK);
        for (uint64_t i = 0; i < pages; i++) {
                bool told = k < n && out[k] == va + i * PAGE;

                k += told;
                CHECK_EQ(told, written[i]);
        }
        CHECK_EQ(k, n);
}

/* What was written in a watched region is known there, and not in its copy. */
static void test_space_clone_keeps_the_watch(void)
{
        const struct quire_request q = { .bytes = 8 * PAGE, .flags = QUIRE_WATCHED };
        const bool none[8] = { false }, one[8] = { false, true }, two[8] = { true, true, true };
        struct quire_space *copy, *second, *third;
        uint64_t a;

        begin();
        REQUIRE(quire_region_reserve(space, &q, &a) == QUIRE_OK);
        CHECK(commit(a, 8, RW) == QUIRE_OK);
        CHECK_EQ(put_word(space, a + PAGE, 1), 0);
        copy = clone_space(space);
        check_watch(copy, a, 8, none);
        CHECK_EQ(put_word(copy, a, 2), 0);
        CHECK_EQ(put_word(copy, a + PAGE, 2), 0);
        CHECK_EQ(put_word(copy, a + 2 * PAGE, 2), 0);
        second = clone_space(copy);                        /* of one that inherits itself */
        third = clone_space(copy);
        check_watch(second, a, 8, none);
        check_watch(copy, a, 8, two);
        check_watch(space, a, 8, one);
        CHECK_EQ(put_word(space, a + PAGE, 3), 0);
        CHECK_EQ(put_word(copy, a + PAGE, 3), 0);
        CHECK_EQ(put_word(second, a + PAGE, 3), 0);
        check_watch(space, a, 8, one);
        check_watch(copy, a, 8, one);
        check_watch(second, a, 8, one);
        check_watch(third, a, 8, none);
        CHECK_EQ(word_in(third, a + PAGE), 2);
        quire_space_close(second);
        CHECK_EQ(put_word(copy, a + 5 * PAGE, 3), 0);
        CHECK_EQ(put_word(copy, a + 5 * PAGE, 4), 0);
        quire_space_close(third);
        check_watch(copy, a, 8, (bool[8]){ [5] = true });
        quire_space_close(copy);
        check_watch(space, a, 8, none);
        finish();
}

static uint64_t faults(void)
{
        const struct quire_counters c = counters();

        return c.faults_zero + c.faults_soft + c.faults_tier + c.faults_hard;
}

/* Who holds a page can not fault: it is shown to him whoever copies it. */
static void test_space_clone_leaves_what_is_held_where_it_is(void)
{
        struct quire_space *first, *second;
        uint64_t a, held, before;

        begin();
        a = region(4);
        for (uint64_t i = 0; i < 4; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        first = clone_space(space);
        CHECK(quire_region_hold(space, a, 2 * PAGE, R, &held) == QUIRE_OK);
        CHECK(quire_region_hold(space, a + 2 * PAGE, PAGE, W, &held) == QUIRE_OK);
        CHECK_EQ(word_in(first, a), 1);              /* it copies, where it can not share */
        CHECK_EQ(put_word(first, a + PAGE, 22), 0);
        CHECK_EQ(put_word(first, a + 2 * PAGE, 23), 0);
        before = faults();
        CHECK_EQ(word_in(space, a), 1);
        CHECK_EQ(word_in(space, a + PAGE), 2);
        CHECK_EQ(put_word(space, a + 2 * PAGE, 3), 0);
        CHECK_EQ(faults(), before);
        second = clone_space(space);
        CHECK_EQ(word_in(second, a), 1);
        CHECK_EQ(word_in(second, a + 2 * PAGE), 3);
        before = faults();
        CHECK_EQ(word_in(space, a), 1);
        CHECK_EQ(put_word(space, a + 2 * PAGE, 4), 0);
        CHECK_EQ(faults(), before);
        CHECK_EQ(word_in(second, a + 2 * PAGE), 3);
        quire_region_unhold(space, a, 3 * PAGE);
        quire_space_close(first);
        quire_space_close(second);
        finish();
}

static void test_space_clone_copies_attributes_and_no_locks(void)
{
        struct quire_request q = { .bytes = 8 * PAGE, .attributes = QUIRE_CACHE_NONE, .tag = 77 };
        struct quire_info i;
        struct quire_space *copy;
        uint64_t a, held;

        begin();
        REQUIRE(quire_region_reserve(space, &q, &a) == QUIRE_OK);
        CHECK(commit(a, 6, RW) == QUIRE_OK);
        CHECK_EQ(put_word(space, a + PAGE, 5), 0);
        CHECK(quire_region_guard(space, a + PAGE, PAGE) == QUIRE_OK);
        CHECK(quire_region_mark(space, a + 2 * PAGE, PAGE, 9) == QUIRE_OK);
        CHECK(protect(a + 3 * PAGE, 1, R) == QUIRE_OK);
        CHECK(quire_region_lock(space, a, PAGE) == QUIRE_OK);
        CHECK(quire_region_hold(space, a + 4 * PAGE, PAGE, W, &held) == QUIRE_OK);
        copy = clone_space(space);
        CHECK_EQ(counters().locked, 2);
        CHECK(quire_region_unlock(copy, a, PAGE) == QUIRE_NOT_PRESENT);
        CHECK(quire_region_query(copy, a + PAGE, &i) == QUIRE_OK);
        CHECK(i.guarded && i.tag == 77 && i.attributes == QUIRE_CACHE_NONE);
        CHECK(quire_region_query(copy, a + 2 * PAGE, &i) == QUIRE_OK);
        CHECK_EQ(i.mark, 9);
        CHECK(quire_region_query(copy, a + 7 * PAGE, &i) == QUIRE_OK);
        CHECK(!i.committed);
        CHECK_EQ(put_word(copy, a + 3 * PAGE, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(put_word(copy, a + PAGE, 6), QUIRE_WHY_GUARD);
        CHECK_EQ(put_word(copy, a + PAGE, 6), 0);
        CHECK_EQ(put_word(space, a + PAGE, 7), QUIRE_WHY_GUARD);       /* each has its own */
        CHECK_EQ(word_in(space, a + PAGE), 5);
        quire_region_unhold(space, a + 4 * PAGE, PAGE);
        CHECK(quire_region_unlock(space, a, PAGE) == QUIRE_OK);
        quire_space_close(copy);
        CHECK_EQ(counters().locked, 0);
        finish();
}

/* A view that copies, in a space that is copied: what it copied is each one's own, what it
 * did not still is the object's, and nobody changes the object. */
static void test_space_clone_of_views_that_copy(void)
{
        struct quire_space *copy, *second;
        struct quire_grant *g;
        uint64_t a, c;

        begin();
        g = object(8, 0);
        a = map(space, g, 0, 8, RW, 0);
        for (uint64_t i = 0; i < 4; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        c = map(space, g, 0, 8, RW, QUIRE_COPY);
        CHECK_EQ(put_word(space, c, 100), 0);
        CHECK_EQ(put_word(space, c + 5 * PAGE, 105), 0);     /* the object has nothing there */
        copy = clone_space(space);
        quire_system_audit(sys);
        CHECK_EQ(word_in(copy, c), 100);
        CHECK_EQ(word_in(copy, c + 5 * PAGE), 105);
        CHECK_EQ(word_in(copy, a), 1);
        CHECK_EQ(word_in(space, a + 5 * PAGE), 0);
        CHECK_EQ(put_word(space, c + PAGE, 101), 0);
        CHECK_EQ(word_in(copy, c + PAGE), 2);
        CHECK_EQ(put_word(space, a + PAGE, 22), 0);
        CHECK_EQ(word_in(space, c + PAGE), 101);
        CHECK_EQ(word_in(copy, c + PAGE), 22);               /* not copied there */
        CHECK_EQ(put_word(copy, c, 200), 0);
        CHECK_EQ(word_in(space, c), 100);
        second = clone_space(copy);
        CHECK_EQ(put_word(copy, a + 2 * PAGE, 33), 0);
        CHECK_EQ(word_in(second, c + 2 * PAGE), 33);
        CHECK_EQ(word_in(second, c), 200);
        CHECK_EQ(put_word(second, c + 6 * PAGE, 206), 0);
        CHECK_EQ(word_in(copy, c + 6 * PAGE), 0);
        CHECK_EQ(put_word(space, a + 6 * PAGE, 66), 0);
        CHECK_EQ(word_in(space, c + 6 * PAGE), 66);
        CHECK_EQ(word_in(second, c + 6 * PAGE), 206);
        quire_space_close(copy);
        CHECK_EQ(word_in(second, c + 5 * PAGE), 105);
        release(space, c);
        CHECK_EQ(word_in(second, c + 5 * PAGE), 105);
        CHECK_EQ(word_in(second, c), 200);
        quire_space_close(second);
        CHECK_EQ(word_in(space, a + 5 * PAGE), 0);
        quire_grant_close(g);
        finish();
}

/* Where a region grows, or grows again, nothing of another space shows. */
static void test_space_clone_and_growth(void)
{
        struct quire_space *copy, *second;
        uint64_t a, to, end;

        begin();
        a = region(8);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        copy = clone_space(space);
        second = clone_space(copy);
        to = a;
        CHECK(quire_region_move(space, a, 12 * PAGE, true, &to) == QUIRE_OK);
        CHECK(commit(a, 12, RW) == QUIRE_OK);
        for (uint64_t i = 8; i < 12; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        CHECK(quire_region_release(copy, a + 6 * PAGE, 2 * PAGE) == QUIRE_OK);
        /* Without shared frames the second copy sees by way of the first what was there. */
        CHECK(quire_region_move(copy, a, 12 * PAGE, true, &to) ==
              (frames_are_shared() ? QUIRE_OK : QUIRE_UNSUPPORTED));
        for (uint64_t i = 0; frames_are_shared() && i < 12; i++) {
                CHECK(quire_region_commit(copy, a + i * PAGE, PAGE, RW) == QUIRE_OK);
                CHECK_EQ(word_in(copy, a + i * PAGE), i < 6 ? i + 1 : 0);
        }
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(word_in(second, a + i * PAGE), i + 1);
        end = a + 100 * PAGE;
        CHECK(quire_region_move(second, a, 12 * PAGE, true, &end) == QUIRE_OK);
        CHECK(quire_region_commit(second, end, 12 * PAGE, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < 12; i++)
                CHECK_EQ(word_in(second, end + i * PAGE), i < 8 ? i + 1 : 0);
        CHECK_EQ(put_word(space, a + 10 * PAGE, 99), 0);
        if (frames_are_shared())
                CHECK_EQ(word_in(copy, a + 10 * PAGE), 0);
        quire_space_close(copy);
        CHECK_EQ(word_in(second, end + 7 * PAGE), 8);
        quire_space_close(second);
        CHECK_EQ(word_in(space, a + 11 * PAGE), 12);
        finish();
}

/* --------------------------------------------------------------------- against a model */

enum { WORLDS = 5, PAGES = 20, VIEWED = 6, STEPS = 160, ROUNDS = 10 };

struct cell {
        bool reserved, committed, guard, written;
        uint64_t word;
};
struct world {
        struct quire_space *space;           /* null: not there */
        struct cell cell[PAGES];             /* the first half is watched */
        uint64_t own[VIEWED];                /* of the view that copies; 0: the object's */
};
struct universe {
        struct world world[WORLDS];
        uint64_t base, view, copy;           /* the same in every world */
        uint64_t object[VIEWED];
        uint64_t writes;
        struct quire_grant *grant;
};

static uint64_t page_at(const struct universe *u, unsigned i)
{
        return u->base + i * PAGE;
}

static unsigned verdict(struct cell *c)
{
        if (!c->reserved)
                return QUIRE_WHY_FREE;
        if (!c->committed)
                return QUIRE_WHY_RESERVED;
        if (c->guard) {
                c->guard = false;
                return QUIRE_WHY_GUARD;
        }
        return 0;
}

static void change_cell(struct universe *u, struct world *w, unsigned i, unsigned what)
{
        struct cell *c = &w->cell[i];
        uint64_t va = page_at(u, i);
        enum quire_status none = c->reserved ? QUIRE_OK : QUIRE_NOT_PRESENT, st;

        switch (what) {
        case 0:
                CHECK(quire_region_decommit(w->space, va, PAGE) == none);
                c->committed = c->guard = false;
                c->word = 0;
                break;
        case 1:
                CHECK(quire_region_commit(w->space, va, PAGE, RW) == none);
                c->committed = c->reserved;
                c->guard = false;
                break;
        case 2:
                CHECK(quire_region_discard(w->space, va, PAGE) == none);
                c->word = 0;
                break;
        case 3:
                st = quire_region_guard(w->space, va, PAGE);
                CHECK(st == (c->committed ? QUIRE_OK : QUIRE_NOT_PRESENT));
                c->guard = c->committed;
                break;
        default:
                if (i % 4)
                        return;
                CHECK(quire_region_release(w->space, va, PAGE) == none);
                *c = (struct cell){ 0 };
        }
}

static void check_world_watch(struct universe *u, struct world *w)
{
        for (unsigned i = 0; i < PAGES / 2; i++) {
                uint64_t out[1], n = 1;

                if (!w->cell[i].reserved)
                        continue;
                CHECK(quire_watch_get(w->space, page_at(u, i), PAGE, true, out, &n) == QUIRE_OK);
                CHECK_EQ(n, w->cell[i].written);
                w->cell[i].written = false;
        }
}

static void check_worlds(struct universe *u)
{
        for (unsigned k = 0; k < WORLDS; k++) {
                struct world *w = &u->world[k];
                uint64_t word;

                if (!w->space)
                        continue;
                for (unsigned i = 0; i < PAGES; i++) {
                        unsigned why = verdict(&w->cell[i]);

                        CHECK_EQ(get_word(w->space, page_at(u, i), &word), why);
                        if (!why)
                                CHECK_EQ(word, w->cell[i].word);
                }
                for (unsigned i = 0; i < VIEWED; i++) {
                        CHECK_EQ(word_in(w->space, u->view + i * PAGE), u->object[i]);
                        CHECK_EQ(word_in(w->space, u->copy + i * PAGE),
                                 w->own[i] ? w->own[i] : u->object[i]);
                }
        }
        quire_system_audit(sys);
}

static void copy_world(struct universe *u, unsigned from, unsigned to)
{
        if (u->world[to].space)
                return;
        u->world[to] = u->world[from];
        u->world[to].space = clone_space(u->world[from].space);
        for (unsigned i = 0; i < PAGES; i++)
                u->world[to].cell[i].written = false;
}

static void write_world(struct universe *u, struct world *w, uint64_t *state)
{
        unsigned i = (unsigned)(test_random(state) % PAGES), v = i % VIEWED, why;
        uint64_t word = ++u->writes;

        switch (test_random(state) % 4) {
        case 0:
                CHECK_EQ(put_word(w->space, u->view + v * PAGE, word), 0);
                u->object[v] = word;
                break;
        case 1:
                CHECK_EQ(put_word(w->space, u->copy + v * PAGE, word), 0);
                w->own[v] = word;
                break;
        default:
                why = verdict(&w->cell[i]);
                CHECK_EQ(put_word(w->space, page_at(u, i), word), why);
                if (why)
                        break;
                w->cell[i].word = word;
                w->cell[i].written = true;
        }
}

static void step_worlds(struct universe *u, uint64_t *state)
{
        unsigned k = (unsigned)(test_random(state) % WORLDS);
        unsigned other = (unsigned)(test_random(state) % WORLDS);
        struct world *w;

        while (!u->world[k].space)
                k = (k + 1) % WORLDS;
        w = &u->world[k];
        switch (test_random(state) % 10) {
        case 0:
                copy_world(u, k, other);
                break;
        case 1:
                if (w->space == space || test_random(state) % 2)
                        break;
                quire_space_close(w->space);
                w->space = NULL;
                break;
        case 2:
                if (w->cell[1].reserved)
                        CHECK(quire_region_advise(w->space, page_at(u, 1), PAGE,
                                                  QUIRE_WONT_NEED) == QUIRE_OK);
                evict(w->space, u->copy, VIEWED);
                break;
        case 3: case 4: case 5:
                change_cell(u, w, (unsigned)(test_random(state) % PAGES),
                            (unsigned)(test_random(state) % 5));
                break;
        case 6:
                check_world_watch(u, w);
                break;
        default:
                write_world(u, w, state);
        }
}

static void play_worlds(uint64_t seed)
{
        struct quire_request q = { .bytes = PAGES / 2 * PAGE,
                                   .flags = QUIRE_WATCHED | QUIRE_EXACT, .va = GB };
        struct universe u = { .base = GB };
        uint64_t state = seed, va;

        begin();
        u.world[0].space = space;
        u.grant = object(VIEWED, 0);
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        q.va += q.bytes;
        q.flags = QUIRE_EXACT;
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        u.view = map(space, u.grant, 0, VIEWED, RW, 0);
        u.copy = map(space, u.grant, 0, VIEWED, RW, QUIRE_COPY);
        for (unsigned i = 0; i < PAGES; i++)
                u.world[0].cell[i].reserved = true;
        for (unsigned step = 0; step < STEPS && !quire_test_state.bad; step++) {
                step_worlds(&u, &state);
                check_worlds(&u);
        }
        if (quire_test_state.bad)
                fprintf(stderr, "seed of the worlds: %" PRIu64 "\n", seed);
        for (unsigned k = WORLDS; k--;)
                if (u.world[k].space && u.world[k].space != space)
                        quire_space_close(u.world[k].space);
        quire_grant_close(u.grant);
        finish();
}

static void test_space_clones_against_a_model(void)
{
        for (unsigned i = 0; i < ROUNDS && !quire_test_state.bad; i++)
                play_worlds(test_seed() + i);
}

static void all(void)
{
        RUN(test_space_clone);
        RUN(test_space_clone_costs_no_frame_until_written);
        RUN(test_space_clone_is_refused);
        RUN(test_space_clone_is_refused_before_it_begins);
        RUN(test_space_clone_keeps_the_watch);
        RUN(test_space_clone_leaves_what_is_held_where_it_is);
        RUN(test_space_clone_copies_attributes_and_no_locks);
        RUN(test_space_clone_of_views_that_copy);
        RUN(test_space_clone_and_growth);
        RUN(test_space_clones_against_a_model);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(all);
        return test_end();
}
