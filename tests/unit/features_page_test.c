/*
 * features_page_test.c - the features of storage and of paging, each test named
 * after the feature that it asserts: commit charge, pagefiles, eviction, watch,
 * budgets, stores, advice, counters.
 */
#include "stage.h"

static const struct drive_options plain_options = { 0 };

/* ------------------------------------------------------- storage and charge */

/* What may be committed can all be used, page by page, with contents that do not
 * compress, whatever is used in which order; and no page more may be. */
static uint64_t soft(const struct drive_options *o, uint64_t k)
{
        return o->tier_percent && k / 1000 % 2 ? SOFT_TO(1 + k % 13) : 0;
}

static void commit_all_there_is(const struct drive_options *o)
{
        static uint64_t what[4000];
        uint64_t random = test_seed(), n = 0, va;

        stage_open(o);
        va = reserve(4000);
        while (commit(va + n * PAGE, 1, RW) == QUIRE_OK)
                n++;
        printf("    budget %lu, %u files of %lu, tier %u %%, %s: %lu pages\n",
               (unsigned long)(o->budget / PAGE), o->pagefiles,
               (unsigned long)(o->pagefile_bytes / PAGE), o->tier_percent,
               o->policy ? o->policy : "2q", (unsigned long)n);
        CHECK_EQ(counters().committed, n);
        CHECK(n > o->budget / PAGE * 2 / 3 + o->pagefiles * o->pagefile_bytes / PAGE);
        CHECK(n <= o->budget / PAGE + o->pagefiles * o->pagefile_bytes / PAGE);
        CHECK(commit(va + n * PAGE, 1, RW) == QUIRE_LIMIT);
        CHECK_EQ(counters().committed, n);
        for (uint64_t i = 0; i < n; i++)
                REQUIRE(fill(va + i * PAGE, what[i] = i) == 0);
        for (uint64_t k = 0; k < 4000; k++) {
                uint64_t i = test_random(&random) % n;

                REQUIRE(holds(va + i * PAGE, what[i]));
                if (k == 1000)           /* a quarter of the budget stays where it is */
                        REQUIRE(quire_region_lock(space, va, o->budget / 4) == QUIRE_OK);
                if (k % 2)
                        REQUIRE(fill(va + i * PAGE, what[i] = k | soft(o, k)) == 0);
        }
        CHECK(quire_region_decommit(space, va, PAGE) == QUIRE_OK);
        CHECK(commit(va + n * PAGE, 1, RW) == QUIRE_OK);
        CHECK(commit(va, 1, RW) == QUIRE_LIMIT);
        stage_close();
}

static void test_B14_ram_and_pagefile_and_no_more(void)
{
        static const struct drive_options some[] = {
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12 },
                { .budget = 64 << 12, .pagefiles = 1, .pagefile_bytes = 64 << 12 },
                { .budget = 100 << 12, .pagefiles = 3, .pagefile_bytes = 70 << 12 },
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12,
                  .slow_io = true },
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12,
                  .policy = "clock" },
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12,
                  .policy = "lru" },
                { .budget = 1024 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12,
                  .tier_percent = 30 },
                { .budget = 1024 << 12, .pagefiles = 1, .pagefile_bytes = 900 << 12,
                  .tier_percent = 75 },
                { .budget = 1200 << 12, .pagefiles = 2, .pagefile_bytes = 400 << 12,
                  .tier_percent = 80, .slow_io = true },
                { .budget = 1024 << 12, .pagefiles = 1, .pagefile_bytes = 64 << 12,
                  .tier_percent = 80, .policy = "lru" },
        };

        for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++)
                commit_all_there_is(&some[i]);
}

/* ----------------------------------------------------------------- page maps */

/* Present means a frame, each frame is shown once, and what moved is found again:
 * the audit knows all of it, after every step. */
static void test_B12_page_map_is_consistent(void)
{
        const struct drive_options o = { .budget = 64 << 12, .audit = true };
        uint64_t random = test_seed(), va;

        stage_open(&o);
        va = region(150);
        for (uint64_t i = 0; i < 150; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        for (unsigned k = 0; k < 400; k++) {
                uint64_t i = test_random(&random) % 150;
                struct quire_counters c;

                CHECK(holds(va + i * PAGE, i));
                quire_system_audit(sys);
                c = counters();
                CHECK(c.resident <= 64);
                CHECK_EQ(state_of(va + i * PAGE) & 15, QUIRE_PAGE_PRESENT);
        }
        stage_close();
}

/* ----------------------------------------------------------------- pagefiles */

/* Several, in the order in which they were added; they grow as they are needed. */
static void test_B15_several_pagefiles_grow(void)
{
        const struct drive_options o = { .budget = 64 << 12, .pagefiles = 3,
                                         .pagefile_bytes = 50 << 12 };
        struct quire_sim_host *h;
        uint64_t va, before = 0;

        stage_open(&o);
        h = driver_sim.host(stage);
        CHECK_EQ(quire_sim_file_slots(h, 0), 0);
        va = region(180);
        for (uint64_t i = 0; i < 180; i++) {
                CHECK_EQ(fill(va + i * PAGE, i), 0);
                CHECK(quire_sim_file_slots(h, 0) >= before);
                before = quire_sim_file_slots(h, 0);
        }
        CHECK_EQ(quire_sim_file_slots(h, 0), 50);
        CHECK_EQ(quire_sim_file_slots(h, 1), 50);
        CHECK(quire_sim_file_slots(h, 2) > 5 && quire_sim_file_slots(h, 2) <= 50);
        for (uint64_t i = 0; i < 180; i++)
                CHECK(holds(va + i * PAGE, i));
        stage_close();
}

/* The disk is full before the file is: that is said, nothing is lost, and with
 * another file it goes on. */
static void test_B15_a_full_disk_is_reported(void)
{
        const struct drive_options o = { .budget = 64 << 12, .commit_limit = 1000 << 12 };
        uint64_t va, n = 0;
        uint8_t byte;

        stage_open(&o);
        quire_sim_file_limit(driver_sim.host(stage), 0, 40);
        va = region(200);
        for (; n < 200; n++) {
                unsigned why = fill(va + n * PAGE, n);

                CHECK(why == 0 || why == QUIRE_WHY_NO_MEMORY);
                if (why)
                        break;
        }
        CHECK(n >= 80 && n < 110);
        CHECK(counters().io_errors > 0);
        for (uint64_t i = 0; i < n; i++) {
                unsigned why = load(va + i * PAGE, &byte);

                CHECK(why == 0 || why == QUIRE_WHY_NO_MEMORY);
                CHECK(why || holds(va + i * PAGE, i) || load(va + i * PAGE, &byte));
        }
        CHECK(quire_pagefile_add(sys, 1, 0) == QUIRE_OK);
        for (uint64_t i = 0; i < n; i++)
                CHECK(holds(va + i * PAGE, i));
        for (; n < 200; n++)
                CHECK_EQ(fill(va + n * PAGE, n), 0);
        for (uint64_t i = 0; i < n; i++)
                CHECK(holds(va + i * PAGE, i));
        stage_close();
}

/* Transfers that fail now and then lose nothing. */
static void test_B15_failing_transfers_lose_nothing(void)
{
        const struct drive_options o = { .budget = 64 << 12, .slow_io = true };
        struct quire_sim_host *h;
        uint64_t va, denied = 0;

        stage_open(&o);
        h = driver_sim.host(stage);
        va = region(150);
        for (uint64_t i = 0; i < 150; i++) {
                if (i % 40 == 20)
                        quire_sim_fail(h, QUIRE_SIM_WRITE, 1, 1);
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        }
        for (uint64_t i = 0; i < 150; i++) {
                uint8_t byte;
                unsigned why;

                quire_sim_fail(h, QUIRE_SIM_READ, 1, 1);
                why = load(va + i * PAGE, &byte);
                CHECK(why == 0 || why == QUIRE_WHY_IO_ERROR);
                denied += why != 0;
                quire_sim_fail(h, QUIRE_SIM_READ, 1, 0);
                CHECK(holds(va + i * PAGE, i));
        }
        CHECK(denied > 20);
        CHECK(counters().io_errors > denied);
        CHECK_EQ(counters().broken, 0);
        stage_close();
}

/* ------------------------------------------------------- storage given back */

static void test_B19_everything_returns_at_the_end_of_a_process(void)
{
        const struct drive_options o = { .budget = 1100 << 12, .tier_percent = 30 };
        struct quire_counters before, after;
        struct quire_space *s, *first;
        uint64_t va;

        stage_open(&o);
        first = space;
        before = counters();
        space = s = stage_space(NULL);
        va = region(2500);
        for (uint64_t i = 0; i < 2500; i++)
                CHECK_EQ(fill(va + i * PAGE, i % 2 ? i : i | SOFT), 0);
        CHECK(quire_region_lock(s, va, 20 * PAGE) == QUIRE_OK);
        after = counters();
        CHECK(after.committed == 2500 && after.resident > 100 && after.file_pages > 100 &&
              after.tier_pages > 0);
        driver_sim.space_close(stage, s);
        space = first;
        after = counters();
        CHECK_EQ(after.reserved, before.reserved);
        CHECK_EQ(after.committed, before.committed);
        CHECK_EQ(after.resident, before.resident);
        CHECK_EQ(after.locked, before.locked);
        CHECK_EQ(after.tier_pages, before.tier_pages);
        CHECK_EQ(after.tier_frames, before.tier_frames);
        CHECK_EQ(after.file_pages, before.file_pages);
        CHECK_EQ(quire_sim_count(driver_sim.sim(stage)).frames, 0);
        va = region(2500);
        for (uint64_t i = 0; i < 2500; i++)
                CHECK(is_zero(va + i * PAGE));
        stage_close();
}

/* Frames that held something else before are zeroes to their next owner. */
static void test_B44_reused_frames_are_zeroes(void)
{
        const struct drive_options o = { .budget = 64 << 12 };
        uint64_t va, other;

        stage_open(&o);
        va = region(300);
        other = region(300);
        for (uint64_t i = 0; i < 300; i++) {
                CHECK_EQ(fill(va + i * PAGE, i), 0);
                CHECK(is_zero(other + i * PAGE));
        }
        CHECK(quire_region_decommit(space, va, 300 * PAGE) == QUIRE_OK);
        CHECK(commit(va, 300, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < 300; i++)
                CHECK(is_zero(va + i * PAGE));
        stage_close();
}

/* Contents are disposable: nothing of the range is written, and it reads as zeroes. */
static void test_B47_discarded_pages_are_not_written(void)
{
        const struct drive_options o = { .budget = 128 << 12 };
        uint64_t va, other, out;

        stage_open(&o);
        va = region(60);
        other = region(400);
        for (uint64_t i = 0; i < 60; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK_EQ(counters().pages_out, 0);
        CHECK(quire_region_discard(space, va, 60 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().committed, 460);
        for (uint64_t i = 0; i < 400; i++)
                CHECK(is_zero(other + i * PAGE));
        CHECK_EQ(counters().pages_out, 0);
        for (uint64_t i = 0; i < 60; i++)
                CHECK(is_zero(va + i * PAGE));
        for (uint64_t i = 0; i < 60; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_advise(space, va, 60 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        out = counters().pages_out;
        CHECK(out > 0);
        CHECK(quire_region_discard(space, va, 60 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().file_pages, 0);
        for (uint64_t i = 0; i < 60; i++)
                CHECK(is_zero(va + i * PAGE));
        stage_close();
}

/* A page that is kept stays where it is, as zeroes. */
static void test_B47_discard_keeps_locks(void)
{
        uint64_t va;

        stage_open(&plain_options);
        va = region(6);
        for (uint64_t i = 0; i < 6; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_lock(space, va + 2 * PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK(quire_region_discard(space, va, 6 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().locked, 2);
        CHECK_EQ(counters().resident, 2);
        for (uint64_t i = 0; i < 6; i++)
                CHECK(is_zero(va + i * PAGE));
        CHECK(quire_region_unlock(space, va + 2 * PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK(quire_region_unlock(space, va + 2 * PAGE, 2 * PAGE) == QUIRE_NOT_PRESENT);
        stage_close();
}

/* --------------------------------------------------------------- write watch */

/* Just the pages written, whatever became of them meanwhile; and again from there
 * on, when there were more than fit. */
static void test_B51_D3_watch_is_exact(void)
{
        const struct drive_options o = { .budget = 64 << 12 };
        uint64_t random = test_seed(), va, out[64];
        bool written[200] = { false };

        stage_open(&o);
        va = reserve_in(space, 200, QUIRE_WATCHED);
        CHECK(commit(va, 200, RW) == QUIRE_OK);
        for (unsigned round = 0; round < 200; round++) {
                uint64_t next = 0, count;

                for (unsigned k = 0; k < 60; k++) {
                        uint64_t i = test_random(&random) % 200;

                        if (test_random(&random) % 3) {
                                CHECK_EQ(store(va + i * PAGE + k, (uint8_t)k), 0);
                                written[i] = true;
                        } else {
                                byte_at(va + i * PAGE);
                        }
                }
                CHECK(protect(va, 100, R) == QUIRE_OK && protect(va, 100, RW) == QUIRE_OK);
                for (uint64_t from = 0; from < 200;) {   /* resumed where the array was full */
                        count = 1 + test_random(&random) % 64;
                        uint64_t room = count;

                        CHECK(quire_watch_get(space, va + from * PAGE, (200 - from) * PAGE,
                                              round % 2, out, &count) == QUIRE_OK);
                        CHECK(count <= room);
                        for (uint64_t k = 0; k < count; k++) {
                                uint64_t i = (out[k] - va) / PAGE;

                                for (; next < i; next++)
                                        CHECK(!written[next]);
                                CHECK(written[i]);
                                next = i + 1;
                                written[i] = round % 2 == 0;
                        }
                        from = count == room ? (out[count - 1] - va) / PAGE + 1 : 200;
                }
                for (; next < 200; next++)
                        CHECK(!written[next]);
        }
        stage_close();
}

static void test_B51_marks_survive_decommit_and_protection(void)
{
        uint64_t va, out[8], count = 8;

        stage_open(&plain_options);
        va = reserve_in(space, 4, QUIRE_WATCHED);
        CHECK(commit(va, 4, RW) == QUIRE_OK);
        CHECK_EQ(store(va, 1), 0);
        CHECK_EQ(store(va + 2 * PAGE, 1), 0);
        CHECK(quire_region_decommit(space, va, 2 * PAGE) == QUIRE_OK);
        CHECK(protect(va + 2 * PAGE, 1, 0) == QUIRE_OK);
        CHECK(quire_region_discard(space, va + 2 * PAGE, PAGE) == QUIRE_OK);
        CHECK(quire_watch_get(space, va, 4 * PAGE, false, out, &count) == QUIRE_OK);
        CHECK(count == 2 && out[0] == va && out[1] == va + 2 * PAGE);
        CHECK(quire_watch_reset(space, va, PAGE) == QUIRE_OK);
        count = 8;
        CHECK(quire_watch_get(space, va, 4 * PAGE, true, out, &count) == QUIRE_OK);
        CHECK(count == 1 && out[0] == va + 2 * PAGE);
        stage_close();
}

/* A hold to write counts as a write: somebody else is going to do it. */
static void test_B51_holds_to_write_are_writes(void)
{
        uint64_t va, out[8], count = 8, held;

        stage_open(&plain_options);
        va = reserve_in(space, 4, QUIRE_WATCHED);
        CHECK(commit(va, 4, RW) == QUIRE_OK);
        CHECK(quire_region_hold(space, va, PAGE, QUIRE_R, &held) == QUIRE_OK);
        CHECK(quire_region_hold(space, va + PAGE, 2 * PAGE, QUIRE_W, &held) == QUIRE_OK);
        CHECK_EQ(held, 2 * PAGE);
        CHECK(quire_watch_get(space, va, 4 * PAGE, true, out, &count) == QUIRE_OK);
        CHECK(count == 2 && out[0] == va + PAGE && out[1] == va + 2 * PAGE);
        quire_region_unhold(space, va, 3 * PAGE);
        CHECK_EQ(counters().locked, 0);
        stage_close();
}

/* -------------------------------------------------------------------- budgets */

/* Whatever happens, no more is resident than the budget; less, if it shrinks. */
static void test_D2_budget_is_never_exceeded(void)
{
        const struct drive_options o = { .budget = 1200 << 12, .tier_percent = 40 };
        uint64_t random = test_seed(), va;

        stage_open(&o);
        va = region(3000);
        for (unsigned k = 0; k < 12000; k++) {
                uint64_t i = test_random(&random) % 3000, budget = sys->budget;
                struct quire_counters c;

                CHECK_EQ(fill(va + i * PAGE, k % 3 ? i | SOFT : i), 0);
                if (k % 2000 == 1999)
                        CHECK(quire_budget_set(sys, (1300 - k / 20) * PAGE) == QUIRE_OK);
                c = counters();
                budget = budget < sys->budget ? sys->budget : budget;
                CHECK(c.resident + c.tier_frames <= budget);
                CHECK(quire_sim_count(driver_sim.sim(stage)).frames + c.tier_frames <= budget);
                CHECK(sys->taken <= sys->budget);
        }
        CHECK(quire_budget_set(sys, quire_budget_least(PAGE) - PAGE) == QUIRE_INVALID);
        stage_close();
}

static void test_D2_locks_and_their_limit(void)
{
        const struct drive_options o = { .budget = 128 << 12 };
        uint64_t va, limit, i;

        stage_open(&o);
        va = region(300);
        limit = quire_keep_limit(sys);
        CHECK(limit > 50 && limit <= 64);
        CHECK(quire_region_lock(space, va, (limit + 1) * PAGE) == QUIRE_LIMIT);
        CHECK_EQ(counters().locked, 0);
        CHECK(quire_region_lock(space, va, limit * PAGE) == QUIRE_OK);
        CHECK(quire_region_lock(space, va, limit * PAGE) == QUIRE_OK);
        CHECK(quire_region_lock(space, va + limit * PAGE, PAGE) == QUIRE_LIMIT);
        CHECK_EQ(counters().locked, limit);
        for (i = 0; i < 300; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        for (i = 0; i < limit; i++)
                CHECK_EQ(state_of(va + i * PAGE), QUIRE_PAGE_PRESENT |
                         (QUIRE_PAGE_LOCKED | QUIRE_PAGE_DIRTY) << 4);
        for (i = 0; i < 300; i++)
                CHECK(holds(va + i * PAGE, i));
        CHECK(quire_region_unlock(space, va, limit * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().locked, 0);
        CHECK(protect(va, 1, 0) == QUIRE_OK);
        CHECK(quire_region_lock(space, va, 2 * PAGE) == QUIRE_DENIED);
        CHECK_EQ(counters().locked, 0);
        stage_close();
}

/* A lock that fails leaves what was locked before. */
static void test_D2_a_failing_lock_undoes_only_itself(void)
{
        uint64_t va;

        stage_open(&plain_options);
        va = region(10);
        CHECK(quire_region_lock(space, va, 3 * PAGE) == QUIRE_OK);
        CHECK(protect(va + 6 * PAGE, 1, 0) == QUIRE_OK);
        CHECK(quire_region_lock(space, va, 10 * PAGE) == QUIRE_DENIED);
        CHECK_EQ(counters().locked, 3);
        CHECK(quire_region_unlock(space, va, 3 * PAGE) == QUIRE_OK);
        stage_close();
}

/* --------------------------------------------------------------------- stores */

/* Pages of one repeated word take no storage and no transfer. */
static void test_D5_zero_and_same_filled_pages_take_no_slot(void)
{
        const struct drive_options o = { .budget = 64 << 12 };
        uint64_t va, i;

        stage_open(&o);
        va = region(400);
        for (i = 0; i < 400; i++)
                for (uint64_t k = 0; i % 2 && k < PAGE; k += 8) {
                        uint64_t word = i;

                        CHECK(driver_sim.access(stage, space, va + i * PAGE + k, QUIRE_W, &word,
                                                8, NULL) == DRIVE_OK);
                }
        for (i = 0; i < 400; i++)
                CHECK_EQ(byte_at(va + i * PAGE), i % 2 ? i & 255 : 0);
        CHECK(counters().evicted > 500);
        CHECK_EQ(counters().pages_out, 0);
        CHECK_EQ(counters().file_pages, 0);
        stage_close();
}

/* Damage to what lies in the pagefile is reported at every access; no wrong byte
 * is ever read, and what is not damaged is as it was. */
static void test_D5_a_flipped_bit_is_reported(void)
{
        const struct drive_options o = { .budget = 64 << 12 };
        struct quire_sim_host *h;
        uint64_t random = test_seed(), va, broken = 0, stored = 0;
        uint8_t byte;

        stage_open(&o);
        h = driver_sim.host(stage);
        va = region(200);
        for (uint64_t i = 0; i < 200; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_advise(space, va, 200 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        for (uint64_t i = 0; i < 200; i++)
                stored += state_of(va + i * PAGE) == QUIRE_PAGE_STORED;
        CHECK(stored > 150);
        for (uint64_t slot = 0; slot < quire_sim_file_slots(h, 0); slot += 3)
                quire_sim_file_flip(h, 0, slot, (unsigned)(test_random(&random) % (PAGE * 8)));
        for (uint64_t i = 0; i < 200; i++) {
                unsigned why = load(va + i * PAGE, &byte);

                if (!why) {
                        CHECK(holds(va + i * PAGE, i));
                        continue;
                }
                CHECK_EQ(why, QUIRE_WHY_BROKEN);
                CHECK_EQ(load(va + i * PAGE, &byte), QUIRE_WHY_BROKEN);
                CHECK_EQ(store(va + i * PAGE, 1), QUIRE_WHY_BROKEN);
                CHECK_EQ(state_of(va + i * PAGE), QUIRE_PAGE_BROKEN);
                CHECK(quire_region_lock(space, va + i * PAGE, PAGE) == QUIRE_BROKEN);
                broken++;
                CHECK(quire_region_discard(space, va + i * PAGE, PAGE) == QUIRE_OK);
                CHECK(is_zero(va + i * PAGE));
        }
        CHECK(broken > 40 && broken < 80);
        CHECK_EQ(counters().broken, broken);
        stage_close();
}

/* A disk that says OK and did it by half, or flips a bit on the way. */
static void test_D5_a_lying_disk_is_found_out(void)
{
        static const enum quire_sim_io_failure how[] = { QUIRE_SIM_IO_LIE, QUIRE_SIM_IO_FLIP };
        static const enum quire_sim_point point[] = { QUIRE_SIM_WRITE, QUIRE_SIM_READ };
        const struct drive_options o = { .budget = 64 << 12 };

        for (unsigned k = 0; k < 4; k++) {
                uint64_t va, broken = 0;

                stage_open(&o);
                va = region(200);
                quire_sim_fail_how(driver_sim.host(stage), how[k % 2]);
                quire_sim_fail(driver_sim.host(stage), point[k / 2], 3, 4);
                for (uint64_t i = 0; i < 200; i++)
                        CHECK_EQ(fill(va + i * PAGE, i), 0);
                for (uint64_t i = 0; i < 200; i++) {
                        uint8_t byte;
                        unsigned why = load(va + i * PAGE, &byte);

                        CHECK(why == QUIRE_WHY_BROKEN || holds(va + i * PAGE, i));
                        broken += why == QUIRE_WHY_BROKEN;
                }
                CHECK(broken >= 1 && broken <= 4);
                CHECK_EQ(counters().broken, broken);
                stage_close();
        }
}

/* --------------------------------------------------------------------- advice */

/* Resident before they are touched, as far as there is room, and no further. */
static void test_D8_advised_pages_are_resident_before_the_first_touch(void)
{
        uint64_t va, hard, resident = 0;

        stage_open(&plain_options);
        va = region(400);
        for (uint64_t i = 0; i < 400; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_advise(space, va, 400 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        CHECK_EQ(counters().resident, 0);
        CHECK(quire_region_advise(space, va, 100 * PAGE, QUIRE_WILL_NEED) == QUIRE_OK);
        for (uint64_t i = 0; i < 100; i++)
                CHECK_EQ(state_of(va + i * PAGE) & 15, QUIRE_PAGE_PRESENT);
        hard = counters().faults_hard + counters().faults_tier;
        for (uint64_t i = 0; i < 100; i++)
                CHECK(holds(va + i * PAGE, i));
        CHECK_EQ(counters().faults_hard + counters().faults_tier, hard);
        CHECK(quire_region_advise(space, va, 400 * PAGE, QUIRE_WILL_NEED) == QUIRE_OK);
        for (uint64_t i = 0; i < 400; i++)
                resident += (state_of(va + i * PAGE) & 15) == QUIRE_PAGE_PRESENT;
        CHECK(resident > 200 && resident <= 256);
        CHECK_EQ(counters().resident, resident);
        for (uint64_t i = 0; i < 100; i++)
                CHECK_EQ(state_of(va + i * PAGE) & 15, QUIRE_PAGE_PRESENT);
        stage_close();
}

static void test_D8_advice_changes_nothing_else(void)
{
        uint64_t va;

        stage_open(&plain_options);
        va = reserve(20);
        CHECK(commit(va, 10, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < 10; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_guard(space, va + 5 * PAGE, PAGE) == QUIRE_OK);
        CHECK(protect(va + 6 * PAGE, 1, 0) == QUIRE_OK);
        for (int a = QUIRE_NORMAL; a <= QUIRE_WONT_NEED; a++)
                CHECK(quire_region_advise(space, va, 20 * PAGE, (enum quire_advice)a) == QUIRE_OK);
        CHECK(quire_region_advise(space, va, 20 * PAGE, QUIRE_WILL_NEED) == QUIRE_OK);
        CHECK(info_of(va + 5 * PAGE).guarded);
        CHECK_EQ(store(va + 5 * PAGE, 1), QUIRE_WHY_GUARD);
        CHECK_EQ(store(va + 6 * PAGE, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(store(va + 10 * PAGE, 1), QUIRE_WHY_RESERVED);
        CHECK(protect(va + 6 * PAGE, 1, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < 10; i++)
                CHECK(holds(va + i * PAGE, i));
        CHECK(quire_region_advise(space, va, PAGE, (enum quire_advice)9) == QUIRE_INVALID);
        stage_close();
}

/* A sequential reader faults once for many pages. */
static void test_D8_reading_ahead(void)
{
        const struct drive_options o = { .budget = 1024 << 12 };
        uint64_t va, faults[2];

        for (unsigned k = 0; k < 2; k++) {
                struct quire_counters c;

                stage_open(&o);
                va = region(600);
                for (uint64_t i = 0; i < 600; i++)
                        CHECK_EQ(fill(va + i * PAGE, i), 0);
                CHECK(quire_region_advise(space, va, 600 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
                CHECK(quire_region_advise(space, va, 600 * PAGE, k ? QUIRE_NORMAL : QUIRE_RANDOM) ==
                      QUIRE_OK);
                c = counters();
                for (uint64_t i = 0; i < 600; i++)
                        CHECK(holds(va + i * PAGE, i));
                faults[k] = counters().faults_hard - c.faults_hard;
                stage_close();
        }
        CHECK(faults[0] > 500);
        CHECK(faults[1] * 5 < faults[0]);
}

/* --------------------------------------------------------------------- seeing */

static void add(struct quire_counters *sum, const struct quire_counters *c)
{
        sum->reserved += c->reserved;
        sum->committed += c->committed;
        sum->resident += c->resident;
        sum->faults_zero += c->faults_zero;
        sum->faults_soft += c->faults_soft;
        sum->faults_tier += c->faults_tier;
        sum->faults_hard += c->faults_hard;
}

static void check_sum(const struct quire_counters *all, const struct quire_counters *sum)
{
        CHECK_EQ(all->reserved, sum->reserved);
        CHECK_EQ(all->committed, sum->committed);
        CHECK_EQ(all->resident, sum->resident);
        CHECK_EQ(all->faults_zero, sum->faults_zero);
        CHECK_EQ(all->faults_soft, sum->faults_soft);
        CHECK_EQ(all->faults_tier, sum->faults_tier);
        CHECK_EQ(all->faults_hard, sum->faults_hard);
}

/* The system's counters are the sums of its spaces', theirs of their regions';
 * and the histogram has as many faults as were counted. */
static void test_D13_counters_add_up(void)
{
        struct quire_space *spaces[2], *first;
        struct quire_counters c, all, of_spaces = { 0 };
        uint64_t random = test_seed(), va[2][3], histogram[QUIRE_BUCKETS], n = 0, hard = 0;

        stage_open(&plain_options);
        first = spaces[0] = space;
        spaces[1] = stage_space(NULL);
        for (unsigned s = 0; s < 2; s++)
                for (unsigned i = 0; i < 3; i++)
                        va[s][i] = region_in(spaces[s], 150);
        for (unsigned k = 0; k < 6000; k++) {
                unsigned s = k % 2;

                space = spaces[s];
                CHECK_EQ(fill(va[s][test_random(&random) % 3] +
                              test_random(&random) % 150 * PAGE, k), 0);
        }
        for (unsigned s = 0; s < 2; s++) {
                struct quire_counters of_regions = { 0 };

                for (unsigned i = 0; i < 3; i++) {
                        CHECK(quire_region_counters(spaces[s], va[s][i], &c) == QUIRE_OK);
                        add(&of_regions, &c);
                }
                quire_space_counters(spaces[s], &c);
                check_sum(&c, &of_regions);
                add(&of_spaces, &c);
        }
        all = counters();
        check_sum(&all, &of_spaces);
        quire_system_latency(sys, false, histogram);
        for (unsigned i = 0; i < QUIRE_BUCKETS; i++)
                n += histogram[i];
        CHECK_EQ(n, all.faults_zero + all.faults_soft + all.faults_tier + all.faults_hard);
        quire_system_latency(sys, true, histogram);
        for (unsigned i = 0; i < QUIRE_BUCKETS; i++)
                hard += histogram[i];
        CHECK_EQ(hard, all.faults_hard);
        CHECK(all.pages_in >= all.faults_hard && all.pages_out > 0 && all.evicted > 1000);
        space = first;
        stage_close();
}

struct seen {
        uint64_t kind[QUIRE_EV_BROKEN + 1], pages[QUIRE_EV_BROKEN + 1], last;
};

static void note_event(void *context, const struct quire_event *e)
{
        struct seen *s = context;

        CHECK(e->kind >= QUIRE_EV_ZERO && e->kind <= QUIRE_EV_BROKEN);
        CHECK(e->time >= s->last);
        s->last = e->time;
        s->kind[e->kind]++;
        s->pages[e->kind] += e->count;
}

/* The trace tells of everything that is counted. */
static void test_D13_trace_tells_all(void)
{
        struct seen seen = { 0 };
        struct quire_counters c;
        uint64_t va;

        stage_open(&plain_options);
        quire_sim_on_event(driver_sim.host(stage), note_event, &seen);
        va = region(600);
        for (unsigned round = 0; round < 3; round++)
                for (uint64_t i = 0; i < 600; i++)
                        CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK_EQ(store(va - PAGE, 1), QUIRE_WHY_FREE);
        CHECK(quire_region_guard(space, va, PAGE) == QUIRE_OK);
        CHECK_EQ(store(va, 1), QUIRE_WHY_GUARD);
        c = counters();
        CHECK_EQ(seen.kind[QUIRE_EV_ZERO], c.faults_zero);
        CHECK_EQ(seen.kind[QUIRE_EV_SOFT], c.faults_soft);
        CHECK_EQ(seen.kind[QUIRE_EV_TIER], c.faults_tier);
        CHECK_EQ(seen.kind[QUIRE_EV_HARD], c.faults_hard);
        CHECK_EQ(seen.kind[QUIRE_EV_EVICT], c.evicted);
        CHECK_EQ(seen.kind[QUIRE_EV_DENIED], c.denied);
        CHECK_EQ(seen.pages[QUIRE_EV_WRITE], c.pages_out);
        CHECK_EQ(seen.pages[QUIRE_EV_HARD], c.pages_in);
        CHECK(c.faults_hard > 10 && c.denied == 1);
        stage_close();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B14_ram_and_pagefile_and_no_more);
        RUN(test_B12_page_map_is_consistent);
        RUN(test_B15_several_pagefiles_grow);
        RUN(test_B15_a_full_disk_is_reported);
        RUN(test_B15_failing_transfers_lose_nothing);
        RUN(test_B19_everything_returns_at_the_end_of_a_process);
        RUN(test_B44_reused_frames_are_zeroes);
        RUN(test_B47_discarded_pages_are_not_written);
        RUN(test_B47_discard_keeps_locks);
        RUN(test_B51_D3_watch_is_exact);
        RUN(test_B51_marks_survive_decommit_and_protection);
        RUN(test_B51_holds_to_write_are_writes);
        RUN(test_D2_budget_is_never_exceeded);
        RUN(test_D2_locks_and_their_limit);
        RUN(test_D2_a_failing_lock_undoes_only_itself);
        RUN(test_D5_zero_and_same_filled_pages_take_no_slot);
        RUN(test_D5_a_flipped_bit_is_reported);
        RUN(test_D5_a_lying_disk_is_found_out);
        RUN(test_D8_advised_pages_are_resident_before_the_first_touch);
        RUN(test_D8_advice_changes_nothing_else);
        RUN(test_D8_reading_ahead);
        RUN(test_D13_counters_add_up);
        RUN(test_D13_trace_tells_all);
        return test_end();
}
