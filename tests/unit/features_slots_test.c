/*
 * features_slots_test.c - slots of pagefiles: those that are taken although their contents
 * are somewhere else, too, and what lies next to what.
 */
#include "book.h"

enum { MANY = 4096, SLOTS = 64 };

/* A page that needs a slot, and there is none but those of copies. */
static void begin_short_of_slots(unsigned tier_percent)
{
        struct drive_options o = options;

        o.budget = MANY * PAGE;
        o.commit_limit = 4 * MANY * PAGE;
        o.pagefile_bytes = SLOTS * PAGE;
        o.tier_percent = tier_percent;
        o.audit = false;
        begin_with(o);
}

static void fill_pages(uint64_t va, uint64_t pages, uint64_t how)
{
        for (uint64_t i = 0; i < pages; i++)
                REQUIRE(fill(va + i * PAGE, i | how) == 0);
}

/* Pages, in memory or compressed, whose contents are in a slot as well. */
static uint64_t copies(void)
{
        uint64_t n = 0;

        for (unsigned id = QUIRE_Q_IN; id < QUIRE_QUEUES; id++)
                for (const struct quire_page *p = sys->queue[id].first; p; p = p->next)
                        n += p->slot.copied || (p->where == QUIRE_AT_FRAME &&
                                                p->slot.kind == QUIRE_SLOT_FILE);
        return n;
}

/* Private pages that nobody compresses, until one is denied.  Returns how many fitted. */
static uint64_t fill_up(uint64_t *va)
{
        uint64_t n = 0;
        unsigned why = 0;

        *va = region(MANY);
        while (n < MANY && !(why = fill(*va + n * PAGE, n)))
                n++;
        CHECK_EQ(why, QUIRE_WHY_NO_MEMORY);
        return n;
}

/* Behind a thousand pages that are locked and dirty, some that are locked and clean. */
static void test_slots_of_locked_pages_are_found(void)
{
        uint64_t dirty, clean, va, fitted, free;

        begin_short_of_slots(0);
        dirty = region(1100);
        clean = region(SLOTS);
        fill_pages(dirty, 1100, 0);
        CHECK(quire_region_lock(space, dirty, 1100 * PAGE) == QUIRE_OK);
        fill_pages(clean, SLOTS, 0);
        evict(space, clean, SLOTS);
        quire_system_freeze(sys);                    /* all of it is written */
        quire_system_thaw(sys);
        CHECK(quire_region_lock(space, clean, SLOTS * PAGE) == QUIRE_OK);
        CHECK_EQ(copies(), SLOTS);
        free = quire_frames_at(sys, sys->budget) - 1100 - SLOTS;
        fitted = fill_up(&va);
        CHECK_EQ(copies(), 0);
        CHECK(fitted >= free + SLOTS);
        release(space, dirty);                       /* room to look at it all */
        for (uint64_t i = 0; i < SLOTS; i++)
                CHECK(holds(clean + i * PAGE, i));
        for (uint64_t i = 0; i < fitted; i++)
                CHECK(holds(va + i * PAGE, i));
        finish();
}

/* Behind a thousand compressed pages, some that are in the pagefile, too. */
static void test_slots_of_compressed_pages_are_found(void)
{
        uint64_t packed, clean, va, fitted;

        begin_short_of_slots(25);
        packed = region(1100);
        clean = region(SLOTS);
        fill_pages(clean, SLOTS, SOFT);
        evict(space, clean, SLOTS);
        quire_lock(sys);
        CHECK(quire_store_spill(sys, SLOTS));
        quire_unlock(sys);
        quire_system_freeze(sys);
        quire_system_thaw(sys);
        fill_pages(packed, 1100, SOFT);
        evict(space, packed, 1100);
        for (uint64_t i = 0; i < SLOTS; i++)
                CHECK(holds(clean + i * PAGE, i | SOFT));
        CHECK(protect(clean, SLOTS, 0) == QUIRE_OK);       /* hidden, they need not be dropped */
        evict(space, clean, SLOTS);
        CHECK(protect(clean, SLOTS, RW) == QUIRE_OK);
        CHECK_EQ(counters().tier_pages, 1100 + SLOTS);
        CHECK_EQ(copies(), SLOTS);
        fitted = fill_up(&va);
        CHECK_EQ(copies(), 0);
        CHECK_EQ(counters().file_pages, SLOTS);
        release(space, packed);                      /* room to look at it all */
        for (uint64_t i = 0; i < SLOTS; i++)
                CHECK(holds(clean + i * PAGE, i | SOFT));
        for (uint64_t i = 0; i < fitted; i++)
                CHECK(holds(va + i * PAGE, i));
        finish();
}

/* Who gives up has looked at all, with others between. */
static void test_slots_are_looked_for_to_the_end(void)
{
        uint64_t dirty, clean;

        begin_short_of_slots(0);
        dirty = region(1100);
        clean = region(2);
        fill_pages(clean, 2, 0);
        evict(space, clean, 2);
        quire_lock(sys);
        quire_store_flush(sys);
        quire_store_settle(sys, true);
        CHECK(!quire_spares_find(sys));
        quire_unlock(sys);
        fill_pages(dirty, 1100, 0);
        CHECK(quire_region_lock(space, dirty, 1100 * PAGE) == QUIRE_OK);
        CHECK(quire_region_lock(space, clean, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(copies(), 2);
        quire_lock(sys);
        CHECK(!quire_spares_free(sys));
        CHECK(sys->queue[QUIRE_Q_HELD].look);
        quire_unlock(sys);
        CHECK(quire_region_unlock(space, dirty, 600 * PAGE) == QUIRE_OK);
        quire_system_audit(sys);                     /* Q2 */
        quire_lock(sys);
        CHECK(quire_spares_find(sys));
        CHECK(!quire_spares_find(sys));
        quire_unlock(sys);
        CHECK_EQ(copies(), 0);
        CHECK_EQ(counters().file_pages, 0);
        finish();
}
/* Pages that leave together lie together and come back with one read, though half of what is
 * written is what the tier spills. */
static void test_what_left_in_sequence_comes_back_in_runs(void)
{
        const struct drive_options o = { .budget = 4096 << 12, .tier_percent = 75,
                                         .pagefile_bytes = 16384 << 12 };
        enum { PAGES = 12000 };
        uint64_t va, before;

        stage_open(&o);
        va = region(PAGES);
        for (uint64_t i = 0; i < PAGES; i++)
                CHECK_EQ(fill(va + i * PAGE, i | SOFT_TO(8)), 0);
        for (unsigned round = 0; round < 3; round++) {
                before = counters().faults_hard;
                for (uint64_t i = 0; i < PAGES; i++)
                        CHECK(holds(va + i * PAGE, i | SOFT_TO(8)));
        }
        CHECK(counters().faults_hard - before > PAGES / 64);
        CHECK(counters().faults_hard - before < PAGES / 20);
        stage_close();
}

/* Who waits for a page makes the frames free that the next will want: nobody who reads one
 * finds none.  What is only advised takes what there is. */
static void test_frames_are_made_free_while_a_page_is_on_its_way(void)
{
        const struct drive_options o = { .budget = 256 << 12, .pagefile_bytes = 16384 << 12 };
        enum { PAGES = 1000 };
        uint64_t va, most, hard;

        stage_open(&o);
        va = region(PAGES);
        for (uint64_t i = 0; i < PAGES; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_advise(space, va, PAGES * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        CHECK(quire_region_advise(space, va, PAGES * PAGE, QUIRE_WILL_NEED) == QUIRE_OK);
        most = counters().resident;
        CHECK(most > 200);
        hard = counters().faults_hard;
        for (uint64_t i = 0; i < PAGES; i++) {
                CHECK(holds(va + i * 37 % PAGES * PAGE, i * 37 % PAGES));
                CHECK(counters().resident < most || counters().faults_hard == hard);
        }
        CHECK(counters().faults_hard - hard > PAGES / 2);
        stage_close();
}

static void on_simulated(void)
{
        RUN(test_slots_of_locked_pages_are_found);
        RUN(test_slots_of_compressed_pages_are_found);
        RUN(test_slots_are_looked_for_to_the_end);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        RUN(test_what_left_in_sequence_comes_back_in_runs);
        RUN(test_frames_are_made_free_while_a_page_is_on_its_way);
        return test_end();
}
