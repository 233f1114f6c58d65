/*
 * features_page_test.c - the features of storage and of paging, each test named
 * after the feature that it asserts: commit charge, pagefiles, eviction, watch,
 * budgets, stores, advice, counters.
 */
#include "stage.h"

static const struct drive_options plain_options = { 0 };

/* Bytes of a file of so many pages of 4 KB. */
static uint64_t pages_of(uint64_t n)
{
        return n * 4096;
}

/* ------------------------------------------------------- storage and charge */

/* What may be committed can all be used, page by page, with contents that do not
 * compress, whatever is used in which order; and no page more may be. */
static uint64_t soft(const struct drive_options *o, uint64_t k)
{
        return o->tier_percent && k / 1000 % 2 ? SOFT : 0;
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
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12, .slow_io = true },
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12, .policy = "clock" },
                { .budget = 256 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12, .policy = "lru" },
                { .budget = 1200 << 12, .pagefiles = 1, .pagefile_bytes = 300 << 12, .tier_percent = 50 },
        };

        for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++)
                commit_all_there_is(&some[i]);
        (void)plain_options;
        (void)pages_of;
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B14_ram_and_pagefile_and_no_more);
        return test_end();
}
