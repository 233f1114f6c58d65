/*
 * features_room_test.c - pages of pagers beside private memory: the room that they leave to
 * others, and what they take of it while they are kept; and the room in pagefiles that is
 * taken twice.
 */
#include "book.h"

/* Private pages have nowhere to go, but for one; the pager's pages behind them have,
 * whatever queue they are in. */
static void try_what_can_go(const char *policy)
{
        const struct drive_options o = { .budget = 128 << 12, .commit_limit = 128 << 12,
                                         .pagefile_bytes = 1 << 12, .policy = policy };
        struct quire_grant *g;
        uint64_t va, own, pages;
        struct book b;

        begin_with(o);
        g = open_book(&b, &book_pager, QUIRE_EPOCHS);
        va = map(space, g, 0, 8, RW, 0);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(store(va + i * PAGE, 0x70), 0);
        CHECK(quire_object_flush(g, 0, 8 * PAGE) == QUIRE_OK);
        evict(space, va, 8);
        for (uint64_t i = 0; i < 8; i++)                   /* they were here lately */
                CHECK_EQ(byte_at(va + i * PAGE), 0x70);
        pages = quire_frames_at(sys, sys->budget) - 1;
        own = region(pages);
        for (uint64_t i = 0; i < pages; i++)
                CHECK_EQ(store(own + i * PAGE, 1), 0);
        quire_grant_close(g);
        release(space, va);
        release(space, own);
        finish();
}

static void test_D4_what_can_go_makes_room(void)
{
        static const char *const policies[] = { "2q", "clock", "lru" };

        for (unsigned i = 0; i < 3; i++)
                try_what_can_go(policies[i]);
}

static uint64_t charged(struct quire_grant *g)
{
        struct quire_object_info info;

        quire_object_describe(g, &info);
        return info.charged;
}

/* A page that is kept in its frame takes that from what is promised to others. */
static void try_kept_pages(const struct quire_pager *pager)
{
        struct drive_options o = options;
        struct quire_grant *g;
        uint64_t va, own, held;
        struct book b;

        o.commit_limit = 40 * PAGE;
        begin_with(o);
        g = open_book(&b, pager, 0);
        va = map(space, g, 0, 8, RW, 0);
        own = region(36);
        CHECK_EQ(byte_at(va), 1);
        CHECK_EQ(charged(g), 0);
        CHECK(quire_region_lock(space, va, 3 * PAGE) == QUIRE_OK);
        CHECK_EQ(charged(g), 3);
        CHECK(quire_region_lock(space, va + 3 * PAGE, 2 * PAGE) == QUIRE_NO_MEMORY);
        CHECK_EQ(charged(g), 3);
        CHECK(quire_region_hold(space, va, 8 * PAGE, QUIRE_R, &held) == QUIRE_OK);
        CHECK_EQ(held, 4 * PAGE);
        CHECK_EQ(charged(g), 4);
        CHECK_EQ(store(va + 2 * PAGE, 9), 0);              /* once is enough */
        CHECK_EQ(charged(g), 4);
        CHECK(quire_region_unlock(space, va, 3 * PAGE) == QUIRE_OK);
        quire_region_unhold(space, va, held);
        CHECK_EQ(charged(g), pager->evicts ? 0 : 1);
        CHECK(quire_region_lock(space, va, PAGE) == QUIRE_OK);
        quire_grant_close(g);
        release(space, va);
        CHECK_EQ(counters().committed, 36);
        release(space, own);
        finish();
}

static void test_D4_what_is_kept_is_promised(void)
{
        try_kept_pages(&book_pager);
        try_kept_pages(&home_pager);
}

/* ------------------------------------------------ slots of what is somewhere else, too */

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

static void on_linux(void)
{
        RUN(test_D4_what_is_kept_is_promised);
}

static void on_simulated(void)
{
        RUN(test_D4_what_can_go_makes_room);
        RUN(test_D4_what_is_kept_is_promised);
        RUN(test_slots_of_locked_pages_are_found);
        RUN(test_slots_of_compressed_pages_are_found);
        RUN(test_slots_are_looked_for_to_the_end);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        share_on_linux(on_linux);
        return test_end();
}
