/*
 * features_copy_test.c - copy-on-write: views that copy what they write, and clones of
 * objects in a tree, with as few frames as the contents need.
 */
#include "share.h"

/* ------------------------------------------------------------------ views that copy */

static void test_B40_copy_on_write(void)
{
        struct quire_grant *g;
        struct quire_space *other;
        uint64_t a, c, before;

        begin();
        g = object(4, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 4, RW, 0);
        CHECK_EQ(fill(a, 1), 0);
        CHECK_EQ(fill(a + PAGE, 2), 0);
        c = map(other, g, 0, 4, RW, QUIRE_COPY);
        before = counters().resident;
        byte_in(other, c);
        CHECK_EQ(counters().resident, before);
        CHECK_EQ(store_in(other, c + 9, 0x55), 0);
        CHECK_EQ(counters().resident, before + 1);
        CHECK_EQ(byte_in(other, c + 9), 0x55);
        CHECK(holds(a, 1));
        CHECK_EQ(store(a + PAGE, 0x66), 0);
        CHECK_EQ(byte_in(other, c + PAGE), 0x66);          /* not copied yet: still the same */
        CHECK_EQ(page_map_in(other, c) >> 4 & QUIRE_PAGE_COPIED, QUIRE_PAGE_COPIED);
        CHECK_EQ(page_map_in(other, c + PAGE) >> 4 & QUIRE_PAGE_COPIED, 0);
        CHECK_EQ(store_in(other, c + 3 * PAGE, 1), 0);       /* never touched by anybody */
        CHECK(is_zero(a + 3 * PAGE));
        release(other, c);
        CHECK(holds(a, 1));
        release(space, a);
        quire_grant_close(g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

/* A view of a grant that may only be read, written: the object never changes. */
static void test_B34_write_copy_needs_no_right_to_write(void)
{
        struct quire_grant *g, *r;
        uint64_t a, b, c;

        begin();
        g = object(8, 0);
        r = narrow(g, R);
        a = map(space, g, 0, 8, RW, 0);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        b = map(space, r, 0, 8, RW, QUIRE_COPY);
        c = map(space, r, 0, 8, R, QUIRE_COPY);
        for (uint64_t i = 0; i < 8; i += 2) {
                CHECK_EQ(put_word(space, b + i * PAGE, 100 + i), 0);
                CHECK_EQ(put_word(space, c + i * PAGE, 200 + i), QUIRE_WHY_PROTECTED);
        }
        CHECK(protect(c, 4, RW) == QUIRE_OK);
        CHECK_EQ(put_word(space, c + PAGE, 201), 0);
        for (uint64_t i = 0; i < 8; i++) {
                CHECK_EQ(word_in(space, a + i * PAGE), i + 1);
                CHECK_EQ(word_in(space, b + i * PAGE), i % 2 ? i + 1 : 100 + i);
                CHECK_EQ(word_in(space, c + i * PAGE), i == 1 ? 201 : i + 1);
        }
        evict(space, a, 8);
        evict(space, b, 8);
        for (uint64_t i = 0; i < 8; i++) {
                CHECK_EQ(put_word(space, a + i * PAGE, i + 50), 0);
                CHECK_EQ(word_in(space, b + i * PAGE), i % 2 ? i + 50 : 100 + i);
        }
        release(space, a);
        release(space, b);
        release(space, c);
        quire_grant_close(r);
        quire_grant_close(g);
        finish();
}

/* A run of writes copies what it writes, and nothing that may come next. */
static void test_B40_nothing_is_copied_ahead(void)
{
        struct quire_grant *g;
        uint64_t a, c;

        begin();
        g = object(64, 0);
        a = map(space, g, 0, 64, RW, 0);
        c = map(space, g, 0, 64, RW, QUIRE_COPY);
        for (uint64_t i = 0; i < 32; i++)
                CHECK_EQ(put_word(space, c + i * PAGE, i), 0);
        for (uint64_t i = 32; i < 64; i++) {
                CHECK(!(page_map_in(space, c + i * PAGE) >> 4 & QUIRE_PAGE_COPIED));
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
                CHECK_EQ(word_in(space, c + i * PAGE), i + 1);
        }
        release(space, a);
        release(space, c);
        quire_grant_close(g);
        finish();
}

/* Which pages are the region's own is exact, whatever was evicted, cloned or cut. */
static void test_B34_which_pages_were_copied(void)
{
        enum { PAGES = 48 };
        bool copied[PAGES] = { false };
        struct quire_space *twin = NULL;
        struct quire_grant *g;
        uint64_t a, c, state = test_seed();
        uint8_t got[PAGES];

        begin();
        g = object(PAGES, 0);
        a = map(space, g, 0, PAGES, RW, 0);
        c = map(space, g, 0, PAGES, RW, QUIRE_COPY);
        for (unsigned step = 0; step < 400; step++) {
                uint64_t i = test_random(&state) % PAGES;

                switch (test_random(&state) % 6) {
                case 0: case 1:
                        CHECK_EQ(put_word(space, c + i * PAGE, step), 0);
                        copied[i] = true;
                        break;
                case 2:
                        CHECK_EQ(put_word(space, a + i * PAGE, step), 0);
                        break;
                case 3:
                        word_in(space, c + i * PAGE);
                        break;
                case 4:
                        evict(space, i % 2 ? c : a, PAGES);
                        break;
                default:
                        if (step > 200 && on->simulated && !twin)
                                twin = clone_space(space);
                        break;
                }
                if (step % 4)
                        continue;
                CHECK(quire_page_map(space, c, PAGES * PAGE, got) == QUIRE_OK);
                for (i = 0; i < PAGES; i++)
                        CHECK_EQ(!(got[i] >> 4 & QUIRE_PAGE_COPIED), !copied[i]);
                CHECK(quire_page_map(space, a, PAGES * PAGE, got) == QUIRE_OK);
                for (i = 0; i < PAGES; i++)
                        CHECK(!(got[i] >> 4 & QUIRE_PAGE_COPIED));
        }
        if (twin)
                quire_space_close(twin);
        release(space, a);
        release(space, c);
        quire_grant_close(g);
        finish();
}

static void test_copies_are_charged(void)
{
        struct drive_options o = options;
        struct quire_grant *g, *k, *out;
        uint64_t a, c, none;

        o.commit_limit = 40 * PAGE;
        begin_with(o);
        g = object(16, 0);
        CHECK_EQ(counters().committed, 16);
        a = map(space, g, 0, 16, RW, 0);
        CHECK_EQ(counters().committed, 16);
        c = map(space, g, 0, 16, RW, QUIRE_COPY);
        CHECK_EQ(counters().committed, 32);
        CHECK(try_map(space, g, 0, 9, RW, QUIRE_COPY, &none) == QUIRE_LIMIT);
        CHECK(try_map(space, g, 0, 9, R, QUIRE_COPY, &none) == QUIRE_LIMIT);  /* whatever access */
        CHECK(try_map(space, g, 0, 9, 0, QUIRE_COPY, &none) == QUIRE_LIMIT);
        CHECK(quire_object_clone(g, &out) == QUIRE_LIMIT);
        CHECK_EQ(counters().committed, 32);
        CHECK_EQ(info(g).regions, 1);
        CHECK(quire_region_release(space, c + 4 * PAGE, 8 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().committed, 24);
        k = snapshot(g);
        CHECK_EQ(counters().committed, 40);
        CHECK_EQ(info(k).charged, 16);
        release(space, c);
        release(space, c + 12 * PAGE);
        CHECK_EQ(counters().committed, 32);
        quire_grant_close(k);
        CHECK_EQ(counters().committed, 16);
        release(space, a);
        quire_grant_close(g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

/* What is locked or held through a view that copies is its own from then on. */
static void test_locks_and_holds_on_copies(void)
{
        struct quire_grant *g;
        uint64_t a, c, held;

        begin();
        g = object(16, 0);
        a = map(space, g, 0, 16, RW, 0);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        evict(space, a, 8);
        c = map(space, g, 0, 16, RW, QUIRE_COPY);
        CHECK(quire_region_hold(space, c + 6 * PAGE, 4 * PAGE, R, &held) == QUIRE_OK);
        CHECK_EQ(held, 4 * PAGE);
        CHECK(quire_region_lock(space, c, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().locked, 6);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 101), 0);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(word_in(space, c + i * PAGE), i < 2 || (i >= 6 && i < 10) ? i + 1
                                                                                    : i + 101);
        evict(space, c, 16);
        for (uint64_t i = 6; i < 10; i++)
                CHECK_EQ(page_map_in(space, c + i * PAGE) & 15, QUIRE_PAGE_PRESENT);
        CHECK_EQ(put_word(space, c + 7 * PAGE, 7), 0);
        quire_region_unhold(space, c + 6 * PAGE, 4 * PAGE);
        CHECK(quire_region_unlock(space, c, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().locked, 0);
        CHECK(quire_region_hold(space, c + 12 * PAGE, 2 * PAGE, W, &held) == QUIRE_OK);
        CHECK_EQ(counters().locked, 2);
        release(space, c);
        CHECK_EQ(counters().locked, 0);
        CHECK_EQ(word_in(space, a + 12 * PAGE), 113);
        release(space, a);
        quire_grant_close(g);
        finish();
}

static void test_views_that_copy_are_cut_and_moved(void)
{
        struct quire_grant *g;
        uint64_t a, c, to = 0;

        begin();
        g = object(16, 0);
        a = map(space, g, 0, 16, RW, 0);
        c = map(space, g, 0, 16, RW, QUIRE_COPY);
        for (uint64_t i = 0; i < 16; i++) {
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
                if (i % 2)
                        CHECK_EQ(put_word(space, c + i * PAGE, i + 101), 0);
        }
        CHECK(quire_region_decommit(space, c, PAGE) == QUIRE_UNSUPPORTED);
        CHECK(quire_region_discard(space, c, PAGE) == QUIRE_UNSUPPORTED);
        CHECK(quire_region_move(space, c, 16 * PAGE, false, &to) == QUIRE_OK);
        to = c + 200 * PAGE;
        CHECK(quire_region_move(space, c, 16 * PAGE, true, &to) == QUIRE_OK);
        CHECK_EQ(load(c, &(uint8_t){ 0 }), QUIRE_WHY_FREE);
        c = to;
        quire_system_audit(sys);
        CHECK(quire_region_release(space, c + 4 * PAGE, 4 * PAGE) == QUIRE_OK);
        CHECK(quire_region_split(space, c + 12 * PAGE) == QUIRE_OK);
        for (uint64_t i = 0; i < 16; i++)
                if (i < 4 || i >= 8)
                        CHECK_EQ(word_in(space, c + i * PAGE), i % 2 ? i + 101 : i + 1);
        CHECK_EQ(load(c + 5 * PAGE, &(uint8_t){ 0 }), QUIRE_WHY_FREE);
        CHECK_EQ(put_word(space, c + 14 * PAGE, 9), 0);
        release(space, a);
        quire_grant_close(g);
        CHECK_EQ(word_in(space, c + 2 * PAGE), 3);
        CHECK_EQ(word_in(space, c + 14 * PAGE), 9);
        release(space, c + 8 * PAGE);
        CHECK_EQ(word_in(space, c), 1);
        release(space, c);
        release(space, c + 12 * PAGE);
        CHECK_EQ(counters().committed + counters().resident, 0);
        finish();
}

/* ------------------------------------------------------------------- clones in a tree */

enum { CLONES = 8, CLONE_PAGES = 10, TREES = 16, TREE_STEPS = 90 };

/* Every page's contents have an identity: the write that made them. */
struct tree {
        struct quire_grant *grant[CLONES];
        uint64_t va[CLONES];                 /* 0: not mapped */
        bool live[CLONES];
        uint64_t id[CLONES][CLONE_PAGES];
        uint64_t writes;
        unsigned n;
};

/* Frames that the contents need, where what is the same is there once. */
static uint64_t frames_needed(const struct tree *t)
{
        uint64_t seen[CLONES * CLONE_PAGES], n = 0;

        for (unsigned k = 0; k < CLONES; k++) {
                for (unsigned i = 0; t->live[k] && i < CLONE_PAGES; i++) {
                        uint64_t at = 0;

                        while (at < n && seen[at] != t->id[k][i])
                                at++;
                        if (at == n)
                                seen[n++] = t->id[k][i];
                }
        }
        return n;
}

static void check_tree(const struct tree *t, bool exact)
{
        for (unsigned k = 0; k < CLONES; k++)
                for (unsigned i = 0; t->live[k] && t->va[k] && i < CLONE_PAGES; i++)
                        CHECK_EQ(word_in(space, t->va[k] + i * PAGE), t->id[k][i]);
        if (exact && frames_are_shared())
                CHECK_EQ(counters().resident, frames_needed(t));
        quire_system_audit(sys);
}

static unsigned any_clone(const struct tree *t, uint64_t *state, bool live)
{
        unsigned k = (unsigned)(test_random(state) % CLONES);

        while (t->live[k] != live)
                k = (k + 1) % CLONES;
        return k;
}

static void write_clone(struct tree *t, uint64_t *state)
{
        unsigned k = any_clone(t, state, true);
        uint64_t i = test_random(state) % CLONE_PAGES;

        if (!t->va[k])
                return;
        CHECK_EQ(put_word(space, t->va[k] + i * PAGE, ++t->writes), 0);
        t->id[k][i] = t->writes;
}

static void clone_one(struct tree *t, uint64_t *state)
{
        unsigned from = any_clone(t, state, true), k;

        if (t->n == CLONES || !t->grant[from])
                return;
        k = any_clone(t, state, false);
        t->grant[k] = snapshot(t->grant[from]);
        t->va[k] = test_random(state) % 4 ? map(space, t->grant[k], 0, CLONE_PAGES, RW, 0) : 0;
        memcpy(t->id[k], t->id[from], sizeof(t->id[k]));
        t->live[k] = true;
        t->n++;
        if (t->va[k] && test_random(state) % 3 == 0) {     /* a region alone keeps it */
                quire_grant_close(t->grant[k]);
                t->grant[k] = NULL;
        }
}

static void delete_one(struct tree *t, uint64_t *state)
{
        unsigned k = any_clone(t, state, true);

        if (t->n == 1)
                return;
        if (t->grant[k] && test_random(state) % 2) {
                quire_grant_close(t->grant[k]);
                t->grant[k] = NULL;
        }
        if (t->va[k])
                release(space, t->va[k]);
        if (t->grant[k])
                quire_grant_close(t->grant[k]);
        t->va[k] = 0;
        t->grant[k] = NULL;
        t->live[k] = false;
        t->n--;
}

static void open_tree(struct tree *t)
{
        *t = (struct tree){ .n = 1 };
        t->live[0] = true;
        t->grant[0] = object(CLONE_PAGES, 0);
        t->va[0] = map(space, t->grant[0], 0, CLONE_PAGES, RW, 0);
        for (unsigned i = 0; i < CLONE_PAGES; i++) {
                CHECK_EQ(put_word(space, t->va[0] + i * PAGE, ++t->writes), 0);
                t->id[0][i] = t->writes;
        }
}

static void close_tree(struct tree *t)
{
        for (unsigned k = 0; k < CLONES; k++) {
                if (t->va[k])
                        release(space, t->va[k]);
                if (t->grant[k])
                        quire_grant_close(t->grant[k]);
        }
        CHECK_EQ(counters().resident + counters().committed + counters().file_pages, 0);
}

static void grow_tree(uint64_t seed, bool evicting)
{
        struct tree t;
        uint64_t state = seed;

        begin();
        open_tree(&t);
        for (unsigned step = 0; step < TREE_STEPS && !quire_test_state.bad; step++) {
                unsigned what = (unsigned)(test_random(&state) % 10);
                unsigned k = any_clone(&t, &state, true);

                if (what < 5)
                        write_clone(&t, &state);
                else if (what < 7)
                        clone_one(&t, &state);
                else if (what < 9)
                        delete_one(&t, &state);
                else if (evicting && t.va[k])
                        evict(space, t.va[k], CLONE_PAGES);
                check_tree(&t, !evicting);
        }
        while (t.n > 1 && !quire_test_state.bad) {
                delete_one(&t, &state);
                check_tree(&t, !evicting);
        }
        if (quire_test_state.bad)
                fprintf(stderr, "seed of the tree: %" PRIu64 "\n", seed);
        close_tree(&t);
        finish();
}

static void test_D6_clones_with_the_fewest_frames(void)
{
        for (unsigned i = 0; i < TREES && !quire_test_state.bad; i++)
                grow_tree(test_seed() + i, false);
}

static void test_D6_clones_that_are_evicted(void)
{
        for (unsigned i = 0; i < TREES && !quire_test_state.bad; i++)
                grow_tree(test_seed() + 1000 + i, true);
}

/* Four in a tree, in each of the 24 orders of deletion. */
static void test_D6_any_order_of_deletion(void)
{
        for (unsigned order = 0; order < 24 && !quire_test_state.bad; order++) {
                unsigned left[4] = { 0, 1, 2, 3 }, o = order;
                struct tree t;

                begin();
                open_tree(&t);
                for (unsigned k = 1; k < 4; k++) {
                        unsigned from = k == 2 ? 1 : 0;

                        t.grant[k] = snapshot(t.grant[from]);
                        t.va[k] = map(space, t.grant[k], 0, CLONE_PAGES, RW, 0);
                        memcpy(t.id[k], t.id[from], sizeof(t.id[k]));
                        t.live[k] = true;
                        for (unsigned w = 0; w <= k; w++) {
                                CHECK_EQ(put_word(space, t.va[w] + (k + w) * PAGE, ++t.writes), 0);
                                t.id[w][k + w] = t.writes;
                        }
                        check_tree(&t, true);
                }
                for (unsigned n = 4; n; o /= n--) {
                        unsigned k = left[o % n];

                        quire_grant_close(t.grant[k]);
                        release(space, t.va[k]);
                        t.live[k] = false;
                        t.va[k] = 0;
                        t.grant[k] = NULL;
                        for (unsigned j = o % n; j + 1 < n; j++)
                                left[j] = left[j + 1];
                        check_tree(&t, true);
                }
                close_tree(&t);
                finish();
        }
}

/* Views that copy, whose object nobody else has, need no more than what they show. */
static void test_D6_views_that_copy_leave_nothing(void)
{
        struct quire_grant *g;
        uint64_t a, c[3];

        begin();
        g = object(4, 0);
        a = map(space, g, 0, 4, RW, 0);
        for (uint64_t i = 0; i < 4; i++)
                CHECK_EQ(put_word(space, a + i * PAGE, i + 1), 0);
        for (unsigned k = 0; k < 3; k++)
                c[k] = map(space, g, 0, 4, RW, QUIRE_COPY);
        quire_grant_close(g);
        release(space, a);
        for (unsigned k = 0; k < 2; k++)
                for (uint64_t i = 0; i < 4; i++)
                        CHECK_EQ(put_word(space, c[k] + i * PAGE, 10 * k + i), 0);
        if (frames_are_shared())
                CHECK_EQ(counters().resident, 12);
        release(space, c[2]);                              /* the last that saw the object's */
        if (frames_are_shared())
                CHECK_EQ(counters().resident, 8);
        for (uint64_t i = 0; i < 4; i++)
                CHECK_EQ(word_in(space, c[1] + i * PAGE), 10 + i);
        release(space, c[0]);
        release(space, c[1]);
        CHECK_EQ(counters().resident, 0);
        finish();
}

static void test_clones_of_clones_see_what_was(void)
{
        struct quire_grant *g, *k[3];
        uint64_t a, b;

        begin();
        g = object(4, 0);
        a = map(space, g, 0, 4, RW, 0);
        for (unsigned i = 0; i < 3; i++) {
                CHECK_EQ(put_word(space, a, i + 1), 0);
                k[i] = snapshot(g);
        }
        CHECK_EQ(put_word(space, a, 4), 0);
        for (unsigned i = 0; i < 3; i++) {
                b = map(space, k[i], 0, 1, R, 0);
                CHECK_EQ(word_in(space, b), i + 1);
                release(space, b);
                CHECK(info(k[i]).number != info(g).number);
        }
        b = map(space, k[1], 0, 4, RW, QUIRE_COPY);        /* a copy of a copy's view */
        CHECK_EQ(word_in(space, b + PAGE), 0);
        CHECK_EQ(put_word(space, b, 22), 0);
        for (unsigned i = 0; i < 3; i++)
                quire_grant_close(k[i]);
        CHECK_EQ(word_in(space, b), 22);
        CHECK_EQ(word_in(space, a), 4);
        release(space, b);
        release(space, a);
        quire_grant_close(g);
        finish();
}

/* -------------------------------------------------------------------------- main */

static void on_one_space(void)
{
        RUN(test_B34_write_copy_needs_no_right_to_write);
        RUN(test_B40_nothing_is_copied_ahead);
        RUN(test_B34_which_pages_were_copied);
        RUN(test_copies_are_charged);
        RUN(test_locks_and_holds_on_copies);
        RUN(test_views_that_copy_are_cut_and_moved);
        RUN(test_D6_any_order_of_deletion);
        RUN(test_D6_clones_with_the_fewest_frames);
        RUN(test_D6_clones_that_are_evicted);
        RUN(test_D6_views_that_copy_leave_nothing);
        RUN(test_clones_of_clones_see_what_was);
}

static void on_simulated(void)
{
        on_one_space();
        RUN(test_B40_copy_on_write);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        share_on_linux(on_one_space);
        return test_end();
}
