/*
 * features_room_test.c - pages of pagers beside private memory: the room that they leave to
 * others, what they take of it while they are kept, and what becomes of those that nobody takes.
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

/* A home refuses pages until no buffer is left for any, and the pagefile has no room for
 * them.  Whoever is flushed then finds one, and so does the home when it takes pages again. */
static void test_B61_a_flush_finds_a_buffer(void)
{
        const struct drive_options o = { .budget = 128 << 12, .pagefile_bytes = 1 << 12 };
        struct quire_grant *refused, *other;
        uint64_t a, c, stuck;
        struct book b, d;

        begin_with(o);
        refused = open_book(&b, &home_pager, 0);
        other = open_book(&d, &home_pager, 0);
        a = map(space, refused, 0, 32, RW, 0);
        c = map(space, other, 0, 16, RW, 0);
        for (uint64_t i = 0; i < 32; i++)
                CHECK_EQ(store(a + i * PAGE, 0x60), 0);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(store(c + i * PAGE, 0x70), 0);
        b.write_answer = QUIRE_NO_SPACE;
        evict(space, a, 32);
        stuck = counters().file_pages;
        CHECK_EQ(stuck, sys->buffer_count * quire_min(sys->buffer_pages, home_pager.most));
        CHECK(quire_object_flush(other, 0, 16 * PAGE) == QUIRE_OK);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(d.page[i], 0x70);
        CHECK(counters().file_pages < stuck);
        evict(space, a, 32);
        CHECK_EQ(counters().file_pages, stuck);
        b.write_answer = QUIRE_OK;
        CHECK(quire_object_flush(refused, 16 * PAGE, 16 * PAGE) == QUIRE_OK);
        CHECK(quire_object_flush(refused, 0, 32 * PAGE) == QUIRE_OK);
        for (uint64_t i = 0; i < 32; i++)
                CHECK_EQ(b.page[i], 0x60);
        CHECK_EQ(counters().file_pages, 0);
        quire_grant_close(refused);
        quire_grant_close(other);
        release(space, a);
        release(space, c);
        finish();
}

/* Stores to private pages from *at on, until one is denied. */
static unsigned fill_up(uint64_t va, uint64_t pages, uint64_t *at)
{
        unsigned why = 0;

        while (*at < pages && !(why = store(va + *at * PAGE, 0x50)))
                ++*at;
        return why;
}

/* Memory is full of what a home refused, and there is no frame to have any of it back: when
 * it takes pages again, it is asked to.  What it has newer contents of is kept from it. */
static void test_B61_what_was_refused_is_offered_again(void)
{
        const struct drive_options o = { .budget = 96 << 12, .pagefile_bytes = 1 << 12 };
        uint64_t a, own, at = 0, held;
        struct quire_grant *g;
        struct book b;

        begin_with(o);
        held = quire_min(sys->buffer_pages, home_pager.most);
        g = open_book(&b, &home_pager, 0);
        a = map(space, g, 0, 64, RW, 0);
        own = region(40);
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(store(a + i * PAGE, 0x60), 0);
        b.write_answer = QUIRE_NO_SPACE;
        evict(space, a, 2 * held);
        CHECK_EQ(sys->buffer_count, 2);
        CHECK_EQ(counters().file_pages, 2 * held);         /* both buffers are stuck */
        for (uint64_t i = 0; i < held; i++)                /* one is not any more */
                CHECK_EQ(byte_at(a + i * PAGE), 0x60);
        CHECK_EQ(store(a + (held + 1) * PAGE, 0x61), 0);
        b.write_answer = QUIRE_OK;
        CHECK(quire_object_flush(g, (held + 1) * PAGE, PAGE) == QUIRE_OK);
        CHECK_EQ(b.page[held + 1], 0x61);
        b.write_answer = QUIRE_NO_SPACE;
        for (unsigned i = 0; i < 3; i++)
                CHECK_EQ(fill_up(own, 40, &at), QUIRE_WHY_NO_MEMORY);
        CHECK(at > 8 && at < 40);
        quire_system_audit(sys);
        b.write_answer = QUIRE_OK;
        CHECK_EQ(fill_up(own, 40, &at), 0);
        CHECK(b.page[held] == 0x60 && b.page[held + 1] == 0x61 && b.page[held + 2] == 0x60);
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_OK);
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(b.page[i], i == held + 1 ? 0x61 : 0x60);
        for (uint64_t i = 0; i < 40; i++)
                CHECK_EQ(byte_at(own + i * PAGE), 0x50);
        quire_grant_close(g);
        release(space, a);
        release(space, own);
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
        RUN(test_B61_a_flush_finds_a_buffer);
        RUN(test_B61_what_was_refused_is_offered_again);
}

/* What the caller has of its own counts: of frames, tier and buffers there is that much
 * less, also after the budget was changed. */
static void test_D2_what_is_charged_is_not_there_for_frames(void)
{
        const struct drive_options o = { .budget = 1200 << 12, .tier_percent = 40 };
        uint64_t va;

        stage_open(&o);
        va = region(3000);
        for (uint64_t i = 0; i < 3000; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(counters().resident > 700);
        CHECK(quire_budget_charge(sys, 600 * PAGE) == QUIRE_OK);
        CHECK(sys->taken <= 600);
        for (uint64_t i = 0; i < 3000; i++) {
                struct quire_counters c;

                CHECK(holds(va + i * PAGE, i));
                c = counters();
                CHECK(c.resident + c.tier_frames <= 600);
        }
        CHECK(quire_budget_charge(sys, 550 * PAGE) == QUIRE_NO_MEMORY);
        CHECK(quire_budget_charge(sys, 4000 * PAGE) == QUIRE_NO_MEMORY);
        CHECK(quire_budget_charge(sys, UINT64_MAX & ~(PAGE - 1)) == QUIRE_INVALID);
        CHECK(quire_budget_charge(sys, PAGE + 1) == QUIRE_INVALID);
        CHECK(quire_budget_charge(sys, 0) == QUIRE_INVALID);
        CHECK_EQ(sys->budget, 600);
        CHECK(quire_budget_set(sys, 1000 * PAGE) == QUIRE_OK);
        CHECK_EQ(sys->budget, 400);
        CHECK(quire_budget_set(sys, 610 * PAGE) == QUIRE_NO_MEMORY);
        quire_budget_refund(sys, 600 * PAGE);
        CHECK_EQ(sys->budget, 1000);
        for (uint64_t i = 0; i < 3000; i++)
                CHECK(holds(va + i * PAGE, i));
        CHECK(counters().resident > 500);
        stage_close();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        share_on_linux(on_linux);
        RUN(test_D2_what_is_charged_is_not_there_for_frames);
        return test_end();
}
