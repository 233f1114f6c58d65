/*
 * features_epoch_test.c - which pages of an object were written since somebody last
 * asked (D3), against a shadow copy: exactly, under evictions, snapshots and threads, with
 * nothing lost across a reset.
 */
#include "book.h"

enum { PAGES = 64, STEPS = 700 };

struct shadow {
        struct quire_grant *grant;
        struct quire_space *in[2];
        uint64_t va[2];
        bool written[PAGES];
        uint64_t word[PAGES];
};

/* Ask for a range, so many runs at a time, and compare; with reset a new epoch begins. */
static void check_written(struct shadow *s, uint64_t first, uint64_t count, bool reset,
                          uint64_t most)
{
        bool told[PAGES] = { false };
        uint64_t at = first, end = first + count, n;
        struct quire_range out[PAGES];

        do {
                n = most;
                CHECK(quire_object_written(s->grant, at * PAGE, (end - at) * PAGE, reset, out,
                                           &n) == QUIRE_OK);
                for (uint64_t i = 0; i < n; i++) {
                        uint64_t run = out[i].first / PAGE;

                        CHECK(run >= at && out[i].pages);          /* ascending, not adjacent */
                        at = run + out[i].pages;
                        CHECK(at <= end);
                        while (run < at && run < PAGES)
                                told[run++] = true;
                }
        } while (n == most && at < end);
        for (uint64_t i = first; i < end; i++) {
                CHECK_EQ(told[i], s->written[i]);
                if (reset)
                        s->written[i] = false;
        }
}

static void step_shadow(struct shadow *s, uint64_t *state)
{
        uint64_t i = test_random(state) % PAGES, n = 1 + test_random(state) % (PAGES - i);
        unsigned v = (unsigned)(test_random(state) % 2);
        struct quire_grant *k;

        switch (test_random(state) % 12) {
        case 0:
                evict(s->in[v], s->va[v] + i * PAGE, n);
                break;
        case 1:
                check_written(s, i, n, false, PAGES);
                break;
        case 2:
                check_written(s, i, n, true, 1 + test_random(state) % 5);
                break;
        case 3:                              /* a snapshot has an epoch of its own */
                k = snapshot(s->grant);
                CHECK(info(k).flags & QUIRE_EPOCHS);
                n = 1;
                CHECK(quire_object_written(k, 0, PAGES * PAGE, true,
                                           &(struct quire_range){ 0 }, &n) == QUIRE_OK);
                CHECK_EQ(n, 0);
                quire_grant_close(k);
                break;
        case 4: case 5:
                CHECK_EQ(word_in(s->in[v], s->va[v] + i * PAGE), s->word[i]);
                break;
        default:
                s->word[i] = test_random(state);
                CHECK_EQ(put_word(s->in[v], s->va[v] + i * PAGE, s->word[i]), 0);
                s->written[i] = true;
        }
}

/* Of an object as it was opened, or of a snapshot of a snapshot. */
static void play_shadow(uint64_t seed, unsigned depth, unsigned flags)
{
        struct drive_options o = options;
        struct shadow s = { .grant = NULL };
        struct quire_grant *above[3];
        uint64_t state = seed;

        o.budget = on->simulated ? quire_budget_least(4096) : o.budget;
        begin_with(o);
        s.grant = object(PAGES, QUIRE_EPOCHS | flags);
        for (unsigned i = 0; i < depth; i++) {
                above[i] = s.grant;
                s.grant = snapshot(s.grant);
        }
        s.in[0] = s.in[1] = space;
        if (on->simulated && !flags)
                s.in[1] = stage_space(&quire_layout_64);
        s.va[0] = map(space, s.grant, 0, PAGES, RW, 0);
        s.va[1] = flags ? s.va[0] : map(s.in[1], s.grant, 0, PAGES, RW, 0);
        for (unsigned step = 0; step < STEPS && !quire_test_state.bad; step++)
                step_shadow(&s, &state);
        check_written(&s, 0, PAGES, true, 1);
        check_written(&s, 0, PAGES, true, PAGES);
        if (quire_test_state.bad)
                fprintf(stderr, "seed of the shadow: %" PRIu64 ", %u deep\n", seed, depth);
        release(s.in[0], s.va[0]);
        if (!flags)
                release(s.in[1], s.va[1]);
        quire_grant_close(s.grant);
        while (depth--)
                quire_grant_close(above[depth]);
        finish();
}

static void test_D3_exactly_what_was_written(void)
{
        for (unsigned i = 0; i < 9 && !quire_test_state.bad; i++)
                play_shadow(test_seed() + i, i % 3, 0);
        play_shadow(test_seed(), 0, QUIRE_SOLE);
}

static void test_D3_only_where_it_was_asked_for(void)
{
        struct quire_range out[2];
        struct quire_grant *g;
        struct book b;
        uint64_t va, n = 2;

        begin();
        g = object(4, 0);
        CHECK(quire_object_written(g, 0, PAGE, false, out, &n) == QUIRE_INVALID);
        CHECK(quire_object_dirty(g, 0, PAGE, out, &n) == QUIRE_INVALID);
        quire_grant_close(g);
        g = open_book(&b, &book_pager, QUIRE_EPOCHS);
        va = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(store(va + 9 * PAGE, 1), 0);
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_OK);
        CHECK(quire_object_written(g, 0, 64 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK(n == 1 && out[0].first == 9 * PAGE);         /* home, and written in this epoch */
        CHECK_EQ(store(va + 9 * PAGE, 2), 0);
        n = 2;
        CHECK(quire_object_dirty(g, 0, 64 * PAGE, out, &n) == QUIRE_OK);
        CHECK_EQ(n, 1);
        n = 2;
        CHECK(quire_object_written(g, 0, 64 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK_EQ(n, 1);
        n = 2;
        CHECK(quire_object_dirty(g, 0, 64 * PAGE, out, &n) == QUIRE_OK);
        CHECK_EQ(n, 1);                                    /* still not home */
        evict(space, va, 64);
        n = 2;
        CHECK(quire_object_written(g, 0, 64 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK_EQ(n, 0);
        release(space, va);
        quire_grant_close(g);
        CHECK_EQ(b.page[9], 2);
        finish();
}

/* ------------------------------------------------------------------------ under threads */

enum { WRITERS = 3, WRITES = 260 };

/* Stores to each page: begun, and ended; and what they were when it was last reset. */
static struct {
        struct quire_grant *grant;
        struct quire_space *in[2];
        uint64_t va[2];
        uint64_t begun[PAGES], ended[PAGES];
        uint64_t begun_then[PAGES], ended_then[PAGES];
        unsigned writers;
        uint64_t told;
} shared;

static void write_pages(void *argument)
{
        uint64_t state = (uintptr_t)argument + test_seed();

        for (unsigned i = 0; i < WRITES && !quire_test_state.bad; i++) {
                uint64_t page = test_random(&state) % PAGES;
                unsigned v = (unsigned)(test_random(&state) % 2);

                if (test_random(&state) % 12 == 0) {
                        evict(shared.in[v], shared.va[v] + page * PAGE, PAGES - page);
                        continue;
                }
                shared.begun[page]++;
                CHECK_EQ(on->access(stage, shared.in[v], shared.va[v] + page * PAGE +
                                    8 * (uintptr_t)argument, W, &state, 8, NULL), DRIVE_OK);
                shared.ended[page]++;
                if (test_random(&state) % 4 == 0)
                        quire_sim_yield(on->host(stage));
        }
        shared.writers--;
}

/* A store that ended before we ask, and was not told of, is told now; and what is told
 * was under way or begun since the last time. */
static void collect_once(void)
{
        uint64_t ended[PAGES], n = PAGES;
        struct quire_range out[PAGES];
        bool told[PAGES] = { false };

        memcpy(ended, shared.ended, sizeof(ended));
        CHECK(quire_object_written(shared.grant, 0, PAGES * PAGE, true, out, &n) == QUIRE_OK);
        for (uint64_t i = 0; i < n; i++)
                for (uint64_t k = 0; k < out[i].pages; k++)
                        told[out[i].first / PAGE + k] = true;
        for (unsigned i = 0; i < PAGES; i++) {
                if (ended[i] > shared.begun_then[i])
                        CHECK(told[i]);
                if (!told[i])
                        continue;
                CHECK(shared.begun[i] > shared.ended_then[i]);
                shared.begun_then[i] = shared.begun[i];
                shared.ended_then[i] = ended[i];
                shared.told++;
        }
}

static void collect(void *argument)
{
        (void)argument;
        while (shared.writers && !quire_test_state.bad) {
                collect_once();
                for (unsigned i = 0; i < 8; i++) {
                        quire_sim_pass(on->host(stage), 2000);     /* transfers end */
                        quire_sim_yield(on->host(stage));
                }
        }
        collect_once();
}

static void test_D3_nothing_is_lost_under_threads(void)
{
        for (unsigned round = 0; round < 4 && !quire_test_state.bad; round++) {
                struct drive_options o = options;

                o.budget = quire_budget_least(4096);
                o.seed = test_seed() + round;
                o.preempt_percent = 30;
                o.slow_io = round % 2;
                o.audit = false;
                begin_with(o);
                memset(&shared, 0, sizeof(shared));
                shared.grant = object(PAGES, QUIRE_EPOCHS);
                shared.in[0] = space;
                shared.in[1] = stage_space(&quire_layout_64);
                for (unsigned v = 0; v < 2; v++)
                        shared.va[v] = map(shared.in[v], shared.grant, 0, PAGES, RW, 0);
                shared.writers = WRITERS;
                for (uintptr_t k = 0; k < WRITERS; k++)
                        REQUIRE(quire_sim_thread_start(on->host(stage), "writer", write_pages,
                                                       (void *)k));
                REQUIRE(quire_sim_thread_start(on->host(stage), "reader", collect, NULL));
                quire_sim_run(on->host(stage));
                collect_once();
                CHECK(shared.told > PAGES);
                for (unsigned v = 0; v < 2; v++)
                        release(shared.in[v], shared.va[v]);
                quire_grant_close(shared.grant);
                finish();
        }
}

/* ------------------------------------------------------------- pages that are held */

/* Written by somebody who can not fault; on Linux by the kernel. */
static void put_byte_held(uint64_t va, uint8_t byte)
{
        uint64_t faults = counters().faults_soft;
        int end[2];

        if (on->simulated) {
                CHECK_EQ(touch_in(space, va, W, &byte, 1), 0);
                CHECK_EQ(counters().faults_soft, faults);
                return;
        }
        REQUIRE(!pipe(end) && write(end[1], &byte, 1) == 1);
        CHECK(read(end[0], (void *)(uintptr_t)va, 1) == 1);
        CHECK(!close(end[0]) && !close(end[1]));
        CHECK_EQ(byte_in(space, va), byte);
}

static void hold(uint64_t va, uint64_t pages)
{
        uint64_t held = 0;

        CHECK(quire_region_hold(space, va, pages * PAGE, W, &held) == QUIRE_OK);
        CHECK_EQ(held, pages * PAGE);
}

/* How many pages of the first eight were written; which must be a run from `first' on. */
static uint64_t written_from(struct quire_grant *g, uint64_t first, bool reset)
{
        struct quire_range runs[8];
        uint64_t n = 8;

        CHECK(quire_object_written(g, 0, 8 * PAGE, reset, runs, &n) == QUIRE_OK);
        CHECK(n <= 1 && (!n || runs[0].first == first * PAGE));
        return n ? runs[0].pages : 0;
}

/* Who holds a page to write to it writes in every epoch, until he lets it go. */
static void test_D3_held_pages_are_written_in_each_epoch(void)
{
        struct quire_grant *g;
        uint64_t va;

        begin();
        g = object(8, QUIRE_EPOCHS);
        va = map(space, g, 0, 8, RW, 0);
        CHECK_EQ(store(va + 2 * PAGE, 1), 0);
        hold(va + 3 * PAGE, 2);
        quire_region_unhold(space, va + 4 * PAGE, PAGE);
        CHECK_EQ(written_from(g, 2, true), 3);
        put_byte_held(va + 3 * PAGE, 7);
        CHECK_EQ(written_from(g, 3, true), 1);
        put_byte_held(va + 3 * PAGE, 8);
        CHECK_EQ(written_from(g, 3, false), 1);
        hold(va + 3 * PAGE, 1);
        quire_region_unhold(space, va + 3 * PAGE, PAGE);
        CHECK_EQ(written_from(g, 3, true), 1);             /* still held once */
        put_byte_held(va + 3 * PAGE, 9);
        quire_region_unhold(space, va + 3 * PAGE, PAGE);
        CHECK_EQ(written_from(g, 3, true), 1);
        CHECK_EQ(written_from(g, 0, true), 0);
        CHECK_EQ(store(va + 3 * PAGE, 10), 0);
        CHECK_EQ(written_from(g, 3, true), 1);
        release(space, va);
        quire_grant_close(g);
        finish();
}

static uint64_t owed(struct quire_grant *g, uint64_t first)
{
        struct quire_range runs[8];
        uint64_t n = 8;

        CHECK(quire_object_dirty(g, 0, 8 * PAGE, runs, &n) == QUIRE_OK);
        CHECK(n <= 1 && (!n || runs[0].first == first * PAGE));
        return n ? runs[0].pages : 0;
}

/* A flush writes it as it is, and owes it again. */
static void flush_held(const struct quire_pager *pager, unsigned flags)
{
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        begin();
        g = open_book(&b, pager, flags);
        va = map(space, g, 0, 8, RW, 0);
        CHECK_EQ(store(va + 4 * PAGE, 3), 0);
        hold(va + 5 * PAGE, 1);
        put_byte_held(va + 5 * PAGE, 4);
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == QUIRE_OK);
        CHECK(b.page[4] == 3 && b.page[5] == 4);
        CHECK_EQ(owed(g, 5), 1);
        put_byte_held(va + 5 * PAGE, 6);
        b.write_answer = QUIRE_IO_ERROR;
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == QUIRE_IO_ERROR);
        b.write_answer = QUIRE_OK;
        CHECK_EQ(owed(g, 5), 1);
        put_byte_held(va + 5 * PAGE + 1, 7);
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.page[5], 6);
        quire_region_unhold(space, va + 5 * PAGE, PAGE);
        CHECK_EQ(owed(g, 5), 1);
        CHECK_EQ(store(va + 5 * PAGE, 8), 0);
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.page[5], 8);
        CHECK_EQ(owed(g, 5), 0);
        hold(va + 5 * PAGE, 1);                            /* and as the last that sees it goes */
        put_byte_held(va + 5 * PAGE, 9);
        quire_grant_close(g);
        release(space, va);
        CHECK_EQ(b.page[5], 9);
        CHECK_EQ(b.closed, 1);
        finish();
}

static void test_B61_held_pages_are_flushed_and_stay_modified(void)
{
        flush_held(&book_pager, 0);
        flush_held(&home_pager, 0);
        flush_held(&home_pager, QUIRE_EPOCHS);
}

/* What can only be read where it is shown is not taken from who holds it. */
static void test_B61_held_pages_of_a_sole_object(void)
{
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        begin();
        g = open_book(&b, &home_pager, QUIRE_SOLE);
        va = map(space, g, 0, 8, RW, 0);
        CHECK_EQ(store(va + 4 * PAGE, 3), 0);
        hold(va + 5 * PAGE, 1);
        put_byte_held(va + 5 * PAGE, 4);
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == (frames_are_shared() ? QUIRE_OK
                                                                         : QUIRE_BUSY));
        CHECK_EQ(b.page[4], 3);
        put_byte_held(va + 5 * PAGE, 6);
        CHECK_EQ(owed(g, 5), 1);
        quire_region_unhold(space, va + 5 * PAGE, PAGE);
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.page[5], 6);
        CHECK_EQ(owed(g, 0), 0);
        release(space, va);
        quire_grant_close(g);
        finish();
}

static void test_B51_watched_pages_that_are_held(void)
{
        const struct quire_request q = { .bytes = 8 * PAGE, .flags = QUIRE_WATCHED };
        uint64_t va = 0, out[8], n = 8;

        begin();
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        REQUIRE(quire_region_commit(space, va, 8 * PAGE, RW) == QUIRE_OK);
        CHECK_EQ(store(va + PAGE, 1), 0);
        hold(va + 3 * PAGE, 1);
        CHECK(quire_watch_get(space, va, 8 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK(n == 2 && out[0] == va + PAGE && out[1] == va + 3 * PAGE);
        put_byte_held(va + 3 * PAGE, 7);
        CHECK(quire_watch_reset(space, va, 8 * PAGE) == QUIRE_OK);
        put_byte_held(va + 3 * PAGE, 8);
        n = 8;
        CHECK(quire_watch_get(space, va, 8 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK(n == 1 && out[0] == va + 3 * PAGE);
        quire_region_unhold(space, va + 3 * PAGE, PAGE);
        CHECK(quire_watch_reset(space, va, 8 * PAGE) == QUIRE_OK);
        n = 8;
        CHECK(quire_watch_get(space, va, 8 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK_EQ(n, 0);
        CHECK_EQ(store(va + 3 * PAGE, 9), 0);
        n = 8;
        CHECK(quire_watch_get(space, va, 8 * PAGE, true, out, &n) == QUIRE_OK);
        CHECK_EQ(n, 1);
        release(space, va);
        finish();
}

static void on_one_space(void)
{
        RUN(test_D3_held_pages_are_written_in_each_epoch);
        RUN(test_B61_held_pages_are_flushed_and_stay_modified);
        RUN(test_B61_held_pages_of_a_sole_object);
        RUN(test_B51_watched_pages_that_are_held);
        RUN(test_D3_exactly_what_was_written);
        RUN(test_D3_only_where_it_was_asked_for);
}

static void on_simulated(void)
{
        on_one_space();
        RUN(test_D3_nothing_is_lost_under_threads);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        share_on_linux(on_one_space);
        return test_end();
}
