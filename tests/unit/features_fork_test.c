/*
 * features_fork_test.c - what a duplicated process needs of the core: a freeze that ends
 * however hard others page meanwhile, that waits for nobody who waits for it, a child
 * whose pages go where they belong, and what was hidden for it seen again at little cost.
 */
#include "book.h"

enum { PAGERS = 4, ACCESSES = 300, FREEZES = 3, AREA = 192 };

static struct {
        uint64_t va, home;                   /* an area of ours; the book's */
        struct book book;
        struct quire_grant *grant;
        unsigned page, freezers, frozen;     /* threads that page, and freeze; freezes that ended */
        bool strict;                         /* no thread is stopped half way, and no pager asked */
        uint64_t refused;                    /* accesses and flushes */
} fork_stage;

static struct quire_sim_host *host(void)
{
        return on->host(stage);
}

/* Others run, and transfers end. */
static void let_pass(void)
{
        quire_sim_pass(host(), 2000);
        quire_sim_yield(host());
}

static void start_thread(const char *name, void (*fn)(void *), void *argument)
{
        REQUIRE(quire_sim_thread_start(host(), name, fn, argument));
}

/* What page i of the area begins with.  (holds() is for one thread.) */
static uint64_t first_word(uint64_t i)
{
        uint64_t state = i + 1;

        return test_random(&state);
}

/* Every page of the area says which one it is, in pages that do not compress to nothing. */
static void begin_paging(struct drive_options o)
{
        o.budget = quire_budget_least(4096);
        begin_with(o);
        fork_stage.va = region(AREA);
        for (uint64_t i = 0; i < AREA; i++)
                REQUIRE(!fill(fork_stage.va + i * PAGE, i + 1));
}

/* ------------------------------------------------------------------- a freeze that ends */

static void page_on(void *argument)
{
        uint64_t random = (uintptr_t)argument;

        for (unsigned i = 0; i < ACCESSES; i++) {
                uint64_t at = test_random(&random) % AREA, word = at + 1;

                if (i % 2)
                        fork_stage.refused += 0 != touch_in(space, fork_stage.va + at * PAGE +
                                                            PAGE - 8, W, &word, 8);
                else
                        fork_stage.refused += 0 != touch_in(space, fork_stage.va + at * PAGE, R,
                                                            &word, 8);
        }
        fork_stage.page--;
}

/* Pages go home as others want their frames, and by flushing. */
static void write_on(void *argument)
{
        uint64_t random = 77;

        (void)argument;
        for (unsigned i = 0; i < ACCESSES; i++) {
                uint64_t at = test_random(&random) % BOOK_PAGES;
                uint8_t byte = (uint8_t)i;

                fork_stage.refused += 0 != touch_in(space, fork_stage.home + at * PAGE, W, &byte,
                                                    1);
                if (i % 8 == 0)
                        fork_stage.refused += quire_object_flush(fork_stage.grant, 0,
                                                                 BOOK_PAGES * PAGE) != QUIRE_OK;
        }
        fork_stage.page--;
}

/* While a freeze waits nothing is read but what was under way (the host counts it when it
 * ends), a few times more while a pager has pages; and nothing written but what was ready
 * to be. */
static void freeze_once(void)
{
        uint64_t reads, writes, more = fork_stage.strict ? PAGERS : 8 * (PAGERS + 1);

        while (fork_stage.page && !sys->transit)
                let_pass();
        reads = quire_sim_calls(host(), QUIRE_SIM_READ);
        writes = quire_sim_calls(host(), QUIRE_SIM_WRITE);
        quire_system_freeze(sys);
        CHECK(!quire_sim_transfers(host()) && !sys->transit && !sys->going && !sys->lent);
        if (fork_stage.freezers == 1) {              /* else one waits while others may page */
                CHECK(quire_sim_calls(host(), QUIRE_SIM_READ) <= reads + more);
                CHECK(quire_sim_calls(host(), QUIRE_SIM_WRITE) <=
                      writes + more + sys->buffer_count);
        }
        fork_stage.frozen++;
        quire_system_thaw(sys);
}

static void freeze_on(void *argument)
{
        (void)argument;
        for (unsigned i = 0; i < FREEZES; i++)
                freeze_once();
}

static void freeze_while_others_page(unsigned freezers, bool strict, unsigned round)
{
        struct drive_options o = options;

        o.slow_io = true;
        o.preempt_percent = strict ? 0 : 20;
        o.seed = test_seed() + round;
        o.audit = false;
        begin_paging(o);
        fork_stage.frozen = 0;
        fork_stage.refused = 0;
        fork_stage.strict = strict;
        fork_stage.freezers = freezers;
        fork_stage.page = PAGERS + !strict;
        fork_stage.grant = open_book(&fork_stage.book, &home_pager, 0);
        fork_stage.home = map(space, fork_stage.grant, 0, BOOK_PAGES, RW, 0);
        for (uintptr_t i = 0; i < PAGERS; i++)
                start_thread("pager", page_on, (void *)(i + 1));
        if (!strict)
                start_thread("writer", write_on, NULL);
        for (unsigned i = 0; i < freezers; i++)
                start_thread("freezer", freeze_on, NULL);
        quire_sim_run(host());
        CHECK_EQ(fork_stage.frozen, freezers * FREEZES);
        CHECK_EQ(fork_stage.refused, 0);
        for (uint64_t i = 0; i < AREA; i++) {
                uint64_t word = word_in(space, fork_stage.va + i * PAGE + PAGE - 8);

                CHECK(word == i + 1 || holds(fork_stage.va + i * PAGE, i + 1));
        }
        release(space, fork_stage.home);
        quire_grant_close(fork_stage.grant);
        finish();
}

static void test_L_a_freeze_ends_while_others_page(void)
{
        for (unsigned round = 0; round < 6 && !quire_test_state.bad; round++)
                freeze_while_others_page(1 + round % 2, round < 2, round);
}

/* ------------------------------------------------------ nobody waits for who waits for him */

/* It must not take for ever: whoever waits in vain does so in pauses. */
static void watch_over(void *argument)
{
        const bool *done = argument;

        for (unsigned i = 0; i < 100000 && !*done; i++)
                let_pass();
        REQUIRE(*done);
}

static struct {
        void *page[QUIRE_IO_MAX];
        struct quire_object *object;
        uint64_t offset, bytes;
        bool lent, writes, wrote, frozen;
} user;

/* The pager's own thread needs memory that is in the pagefile, to do what it has to. */
static void touch_stored(uint64_t at)
{
        while (!sys->freezing && !user.frozen)
                let_pass();
        CHECK_EQ(state_of(fork_stage.va + at * PAGE) & 15, QUIRE_PAGE_STORED);
        CHECK_EQ(word_in(space, fork_stage.va + at * PAGE), first_word(at));
}

static enum quire_status fill_user(void *context, uint64_t offset, uint64_t bytes,
                                   unsigned access, void *const page[])
{
        (void)context;
        (void)access;
        for (uint64_t i = 0; i < bytes / PAGE; i++)
                memset(page[i], (int)(offset / PAGE + i + 1), PAGE);
        return QUIRE_OK;
}

static enum quire_status lend_user(void *context, struct quire_object *o, uint64_t offset,
                                   uint64_t bytes, void *const page[])
{
        (void)context;
        if (user.lent)
                return QUIRE_IO_ERROR;
        user.lent = true;
        user.object = o;
        user.offset = offset;
        user.bytes = bytes;
        memcpy(user.page, page, bytes / PAGE * sizeof(*page));
        return QUIRE_BUSY;
}

static enum quire_status write_user(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        (void)context;
        (void)offset;
        (void)bytes;
        (void)page;
        user.writes = true;
        touch_stored(3);
        user.wrote = true;
        return QUIRE_OK;
}

static const struct quire_pager user_pager = { .fill = fill_user, .ahead = lend_user,
                                               .write = write_user, .most = 4, .evicts = true };

static void fill_lent(void *argument)
{
        (void)argument;
        touch_stored(7);
        (void)fill_user(NULL, user.offset, user.bytes, R, user.page);
        user.lent = false;
        quire_pager_filled(user.object, user.offset, user.bytes, QUIRE_OK);
}

static void flush_user(void *argument)
{
        CHECK(quire_object_flush(argument, 0, 64 * PAGE) == QUIRE_OK);
}

static void freeze_users(void *argument)
{
        (void)argument;
        while (!user.writes)
                let_pass();
        quire_system_freeze(sys);
        CHECK(user.wrote && !user.lent && !sys->lent);
        quire_system_thaw(sys);
        user.frozen = true;
}

static void test_L_a_freeze_waits_for_nobody_who_waits_for_it(void)
{
        const struct quire_object_request q = { .bytes = 64 * PAGE, .kind = QUIRE_CALLBACK,
                                                .pager = &user_pager };
        struct drive_options o = options;
        struct quire_grant *g = NULL;
        uint64_t va, did;

        o.slow_io = true;
        begin_paging(o);
        memset(&user, 0, sizeof(user));
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        va = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(store(va, 1), 0);
        evict(space, fork_stage.va, AREA);
        CHECK(quire_object_prefetch(g, 16 * PAGE, 4 * PAGE, &did) == QUIRE_OK);
        CHECK_EQ(sys->lent, 4);
        start_thread("flusher", flush_user, g);
        start_thread("filler", fill_lent, NULL);
        start_thread("freezer", freeze_users, NULL);
        start_thread("watcher", watch_over, &user.frozen);
        quire_sim_run(host());
        CHECK(user.frozen);
        CHECK_EQ(byte_at(va + 17 * PAGE), 18);
        release(space, va);
        quire_grant_close(g);
        finish();
}

/* ------------------------------------------------------------------- what the child writes */

/* Pages that were on their way home go there, and not to where the child's pagefile
 * would have them. */
static void test_L_what_goes_home_gets_there_before_a_fork(void)
{
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        begin();
        g = open_book(&b, &home_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(store(va + 40 * PAGE, 0xa0), 0);
        CHECK_EQ(store(va + 41 * PAGE, 0xa1), 0);
        evict(space, va, 64);
        CHECK_EQ(b.wrote, 0);                        /* more may come */
        quire_system_freeze(sys);
        CHECK_EQ(b.wrote, 2);
        CHECK(b.page[40] == 0xa0 && b.page[41] == 0xa1);
        quire_system_forked(sys);
        quire_system_thaw(sys);
        REQUIRE(quire_pagefile_add(sys, 1, 0) == QUIRE_OK);
        b.page[40] = 0xb0;                           /* by the parent, since */
        CHECK_EQ(store(va + 20 * PAGE, 0xc0), 0);
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.wrote, 3);
        CHECK(b.page[20] == 0xc0 && b.page[40] == 0xb0 && b.page[0] == 1 && b.page[1] == 2);
        CHECK_EQ(byte_at(va + 41 * PAGE), 0xa1);
        release(space, va);
        quire_grant_close(g);
        finish();
}

/* ------------------------------------------------------------- what the fork hid is seen again */

static void freeze_and_thaw(void)
{
        quire_system_freeze(sys);
        quire_system_thaw(sys);
}

/* Faults that this many accesses in a row take. */
static uint64_t faults_of(uint64_t va, uint64_t first, uint64_t pages, unsigned access)
{
        uint64_t before = counters().faults_soft, word = 1;

        for (uint64_t i = first; i < first + pages; i++)
                CHECK_EQ(touch_in(space, va + i * PAGE, access, &word, 1), 0);
        return counters().faults_soft - before;
}

static struct quire_page *page_in(uint64_t va)
{
        struct quire_region *r = quire_region_find(space, va / PAGE);

        return quire_radix_find(&r->object->pages, quire_region_index(r, va / PAGE));
}

static void end_two_views(struct quire_grant *g, uint64_t a, uint64_t b)
{
        release(space, a);
        release(space, b);
        quire_grant_close(g);
        finish();
}

static void see_again(const char *policy)
{
        struct drive_options o = options;
        struct quire_grant *g;
        uint64_t a, b;
        bool hides = !frames_are_shared();

        o.policy = policy;
        begin_with(o);
        g = object(64, 0);
        a = map(space, g, 0, 64, RW, 0);
        b = map(space, g, 0, 64, R, 0);
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(fill(a + i * PAGE, i), 0);
        freeze_and_thaw();
        CHECK_EQ(quire_page_seen(page_in(a)), !hides);
        CHECK_EQ(faults_of(b, 0, 64, R), 4);         /* sixteen at a time, as before a fork */
        freeze_and_thaw();
        CHECK_EQ(faults_of(a, 0, 64, W), hides ? 4 : 0);
        CHECK_EQ(faults_of(b, 0, 64, R), hides ? 4 : 0);
        freeze_and_thaw();
        for (uint64_t i = 64; i--; )                 /* backwards nothing can go along */
                CHECK_EQ(faults_of(b, i, 1, R), hides);
        CHECK_EQ(counters().faults_hard, 0);
        for (uint64_t i = 1; i < 64; i++)
                CHECK_EQ(word_in(space, b + i * PAGE), word_in(space, a + i * PAGE));
        end_two_views(g, a, b);
}

static void test_L_what_a_fork_hid_is_seen_again_in_runs(void)
{
        see_again("2q");
        see_again("clock");
        see_again("lru");
}

/* Eight filled pages of an object, in a view and in one that copies. */
static struct quire_grant *begin_two_views(uint64_t *a, uint64_t *b)
{
        struct quire_grant *g;

        begin();
        g = object(8, 0);
        *a = map(space, g, 0, 8, RW, 0);
        *b = map(space, g, 0, 8, RW, QUIRE_COPY);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(fill(*a + i * PAGE, i), 0);
        return g;
}

/* Nor is hidden what somebody holds, who can not fault, in a view that copies or another. */
static void test_L_what_is_held_is_shown_during_a_fork(void)
{
        uint64_t a, b, held;
        struct quire_grant *g = begin_two_views(&a, &b);

        CHECK_EQ(fill(b + 7 * PAGE, 77), 0);
        CHECK(quire_region_hold(space, a, PAGE, W, &held) == QUIRE_OK);
        CHECK(quire_region_hold(space, b + PAGE, 2 * PAGE, W, &held) == QUIRE_OK);
        CHECK(quire_region_hold(space, b + 3 * PAGE, PAGE, R, &held) == QUIRE_OK);
        quire_system_freeze(sys);
        CHECK(quire_page_shown_at(page_in(a), quire_region_find(space, a / PAGE), a / PAGE) &
              QUIRE_W);
        CHECK(page_in(b + PAGE)->shown & page_in(b + 2 * PAGE)->shown & QUIRE_W);
        CHECK(page_in(b + 3 * PAGE)->shown & QUIRE_R);
        CHECK(!quire_page_seen(page_in(b + 7 * PAGE)));
        quire_system_thaw(sys);
        CHECK_EQ(faults_of(a, 0, 1, W) + faults_of(b, 1, 2, W) + faults_of(b, 3, 1, R), 0);
        CHECK(holds(b + 7 * PAGE, 77));
        quire_region_unhold(space, a, PAGE);
        quire_region_unhold(space, b + PAGE, 3 * PAGE);
        end_two_views(g, a, b);
}

/* A child shows nothing in views before its stores are its own, and has all that was there;
 * holds are gone, locks are not. */
static void test_L_a_child_hides_what_is_held_in_views(void)
{
        uint64_t a, b, held;
        struct quire_grant *g = begin_two_views(&a, &b);

        CHECK_EQ(fill(b + PAGE, 11), 0);
        CHECK(quire_region_hold(space, a, PAGE, W, &held) == QUIRE_OK);
        CHECK(quire_region_hold(space, b + PAGE, PAGE, W, &held) == QUIRE_OK);
        CHECK(quire_region_lock(space, b + 2 * PAGE, PAGE) == QUIRE_OK);
        quire_system_freeze(sys);
        quire_system_hide_views(sys);
        for (uint64_t i = 0; i < 8; i++)
                CHECK(sys->can->shares_frames || !quire_page_seen(page_in(a + i * PAGE)));
        CHECK(!quire_page_seen(page_in(b + PAGE)) && !quire_page_seen(page_in(b + 2 * PAGE)));
        quire_system_forked(sys);
        quire_system_thaw(sys);
        quire_system_audit(sys);
        CHECK(holds(a, 0) && holds(b, 0) && holds(b + PAGE, 11) && holds(b + 2 * PAGE, 2));
        CHECK_EQ(counters().locked, 1);
        CHECK(quire_region_unlock(space, b + 2 * PAGE, PAGE) == QUIRE_OK);
        end_two_views(g, a, b);
}

/* Pages that are put aside, to see who wants them, show it by a fault of their own. */
static void test_L_what_cools_does_not_go_along(void)
{
        struct quire_grant *g;
        uint64_t a, area, i;

        begin();
        g = object(64, 0);
        a = map(space, g, 0, 64, RW, 0);
        for (i = 0; i < 64; i++)
                CHECK_EQ(fill(a + i * PAGE, i), 0);
        area = region(256);
        for (i = 0; !sys->queue[QUIRE_Q_COOL].count; i++)
                CHECK_EQ(fill(area + i * PAGE, i), 0);
        freeze_and_thaw();
        for (i = 63; page_in(a + i * PAGE)->queue == QUIRE_Q_IN; i--)
                ;
        REQUIRE(i < 48 && page_in(a + i * PAGE)->queue == QUIRE_Q_COOL);
        for (uint64_t k = 0; k < i; k++)             /* (an older one was evicted, perhaps) */
                if (page_in(a + k * PAGE) && page_in(a + k * PAGE)->queue == QUIRE_Q_COOL) {
                        CHECK_EQ(faults_of(a, k, 1, R), 1);
                        CHECK_EQ(page_in(a + k * PAGE)->queue, QUIRE_Q_HOT);
                        CHECK_EQ(page_in(a + (k + 1) * PAGE)->queue, QUIRE_Q_COOL);
                        CHECK(!quire_page_seen(page_in(a + (k + 1) * PAGE)));
                }
        CHECK_EQ(faults_of(a, i, 1, R), 1);          /* and those behind are not cooling */
        CHECK_EQ(page_in(a + i * PAGE)->queue, QUIRE_Q_HOT);
        CHECK_EQ(faults_of(a, i + 1, 15, R), 0);
        release(space, a);
        quire_grant_close(g);
        finish();
}

/* Nobody wrote to what only went along: its slot in the pagefile is still good. */
static void test_L_what_goes_along_is_as_clean_as_it_was(void)
{
        uint64_t va, dirty = 0;

        begin();
        va = region(16);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        evict(space, va, 16);
        freeze_and_thaw();                           /* all of it is written */
        for (uint64_t i = 0; i < 16; i++)
                CHECK(holds(va + i * PAGE, i));
        CHECK(protect(va, 16, 0) == QUIRE_OK);
        CHECK(protect(va, 16, RW) == QUIRE_OK);
        CHECK_EQ(faults_of(va, 2, 1, W), 1);
        for (uint64_t i = 0; i < 16; i++)
                dirty += page_in(va + i * PAGE)->flags & QUIRE_PAGE_IS_DIRTY;
        CHECK_EQ(dirty, 1);
        CHECK(page_in(va + 2 * PAGE)->flags & QUIRE_PAGE_IS_DIRTY);
        finish();
}

/* ... and neither does a watch, or a pager, take it for written. */
static void test_L_what_goes_along_is_not_written(void)
{
        struct quire_grant *g;
        struct book book;
        uint64_t va, home, out[32], n = 32;

        begin();
        va = reserve_in(space, 32, QUIRE_WATCHED);
        CHECK(commit(va, 32, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < 32; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_watch_reset(space, va, 32 * PAGE) == QUIRE_OK);
        CHECK(protect(va, 32, 0) == QUIRE_OK);
        CHECK(protect(va, 32, RW) == QUIRE_OK);
        CHECK_EQ(faults_of(va, 0, 16, R), 1);
        CHECK_EQ(faults_of(va, 3, 1, W), 1);
        CHECK_EQ(faults_of(va, 16, 3, W), 3);
        CHECK(quire_watch_get(space, va, 32 * PAGE, false, out, &n) == QUIRE_OK);
        CHECK(n == 4 && out[0] == va + 3 * PAGE && out[1] == va + 16 * PAGE &&
              out[3] == va + 18 * PAGE);
        CHECK(quire_region_guard(space, va + 20 * PAGE, PAGE) == QUIRE_OK);
        CHECK_EQ(faults_of(va, 19, 1, R), 1);
        CHECK_EQ(load(va + 20 * PAGE, &(uint8_t){ 0 }), QUIRE_WHY_GUARD);

        g = open_book(&book, &home_pager, 0);
        home = map(space, g, 0, 16, RW, 0);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(byte_at(home + i * PAGE), i + 1);
        freeze_and_thaw();
        CHECK_EQ(store(home + 2 * PAGE, 0xa0), 0);
        CHECK_EQ(store(home + 4 * PAGE, 0xa1), 0);
        CHECK_EQ(byte_at(home + 3 * PAGE), 4);
        CHECK(quire_object_flush(g, 0, 16 * PAGE) == QUIRE_OK);
        CHECK_EQ(book.wrote, 2);
        CHECK(book.page[2] == 0xa0 && book.page[4] == 0xa1);
        release(space, home);
        quire_grant_close(g);
        finish();
}

static void on_simulated(void)
{
        RUN(test_L_a_freeze_ends_while_others_page);
        RUN(test_L_a_freeze_waits_for_nobody_who_waits_for_it);
        RUN(test_L_what_goes_home_gets_there_before_a_fork);
        RUN(test_L_what_a_fork_hid_is_seen_again_in_runs);
        RUN(test_L_what_is_held_is_shown_during_a_fork);
        RUN(test_L_a_child_hides_what_is_held_in_views);
        RUN(test_L_what_cools_does_not_go_along);
        RUN(test_L_what_goes_along_is_as_clean_as_it_was);
        RUN(test_L_what_goes_along_is_not_written);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        return test_end();
}
