/*
 * steps_test.c - what operations cost, counted in basic blocks of the core that
 * were executed (this program's core is compiled to count them), not in time:
 * nothing may grow with the size of a range that is alike, nor faster than log n
 * with the number of regions or of runs.
 */
#include "../conform/driver.h"
#include "../test.h"

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
        steps++;
}

enum { RW = QUIRE_R | QUIRE_W };
#define TB ((uint64_t)1 << 40)
#define PAGE ((uint64_t)4096)

static const struct driver *const d = &driver_sim;
static struct drive *drive;
static struct quire_space *space;

static void open_drive(void)
{
        const struct drive_options options = { .budget = 1024 * PAGE, .pagefiles = 1,
                                               .commit_limit = 1000 * TB };

        REQUIRE(d->open(&options, &drive) == QUIRE_OK);
        space = d->space(drive);
}

static uint64_t reserve(uint64_t bytes, unsigned flags)
{
        struct quire_request q = { .bytes = bytes, .flags = flags };
        uint64_t va = 0;

        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        return va;
}

static void touch(uint64_t va)
{
        uint8_t byte = 1;

        REQUIRE(d->access(drive, space, va, QUIRE_W, &byte, 1, NULL) == DRIVE_OK);
}

/* ------------------------------------------------------- the size of a range */

enum { RESERVE, COMMIT, PROTECT, MARK, GUARD, REPROTECT, MAP, RANDOM, WATCH, RESET, WONT_NEED,
       WILL_NEED, QUERY, LOCK, SPLIT, MOVE, DISCARD, DECOMMIT, RELEASE, OPERATIONS };
static const char *const names[] = {
        "reserve", "commit", "protect", "mark", "guard", "protect again", "page map", "advise",
        "watch get", "watch reset", "wont need", "will need", "query", "lock and unlock", "split",
        "move", "discard", "decommit", "release",
};

static void do_one(unsigned what, uint64_t *va, uint64_t bytes)
{
        static uint64_t out[16];
        static uint8_t map[16];
        uint64_t count = 16;
        struct quire_info info;
        enum quire_status st = QUIRE_OK;

        switch (what) {
        case RESERVE: *va = reserve(bytes, QUIRE_WATCHED); break;
        case COMMIT: st = quire_region_commit(space, *va, bytes, RW); break;
        case PROTECT: st = quire_region_protect(space, *va, bytes, QUIRE_R, NULL); break;
        case MARK: st = quire_region_mark(space, *va, bytes, 3); break;
        case GUARD: st = quire_region_guard(space, *va, bytes); break;
        case REPROTECT: st = quire_region_protect(space, *va, bytes, RW, NULL); break;
        case MAP: st = quire_page_map(space, *va, 16 * PAGE, map); break;
        case RANDOM: st = quire_region_advise(space, *va, bytes, QUIRE_RANDOM); break;
        case WATCH: st = quire_watch_get(space, *va, bytes, false, out, &count); break;
        case RESET: st = quire_watch_reset(space, *va, bytes); break;
        case WONT_NEED: st = quire_region_advise(space, *va, bytes, QUIRE_WONT_NEED); break;
        case WILL_NEED: st = quire_region_advise(space, *va, bytes, QUIRE_WILL_NEED); break;
        case QUERY: st = quire_region_query(space, *va + bytes / 2, &info); break;
        case LOCK: st = quire_region_lock(space, *va, 4 * PAGE);
                if (st == QUIRE_OK)
                        st = quire_region_unlock(space, *va, 4 * PAGE);
                break;
        case SPLIT: st = quire_region_split(space, *va + bytes / 2); break;
        case MOVE: count = *va + 64 * TB;
                st = quire_region_move(space, *va, bytes / 2, true, &count); break;
        case DISCARD: st = quire_region_discard(space, *va + bytes / 2, bytes / 2); break;
        case DECOMMIT: st = quire_region_decommit(space, *va + bytes / 2, bytes / 2); break;
        default: st = quire_region_release(space, *va + bytes / 2, 0); break;
        }
        CHECK_EQ(st, QUIRE_OK);
}

/* Every operation on a region of so many bytes, three pages of which are touched. */
static void measure(uint64_t bytes, uint64_t *cost)
{
        uint64_t va = 0;

        open_drive();
        for (unsigned what = 0; what < OPERATIONS; what++) {
                if (what == MARK || what == WATCH || what == LOCK || what == WILL_NEED) {
                        steps = 0;
                        if (what != MARK)
                                for (uint64_t i = 0; i < 3; i++)
                                        touch(va + i * (bytes / 4) / PAGE * PAGE);
                }
                steps = 0;
                do_one(what, &va, bytes);
                cost[what] = steps;
        }
        d->close(drive);
}

static void test_nothing_grows_with_the_size_of_what_is_alike(void)
{
        uint64_t small[OPERATIONS], large[OPERATIONS];

        measure(64 * PAGE, small);
        measure(16 * TB, large);
        for (unsigned i = 0; i < OPERATIONS; i++) {
                printf("    %-16s %6lu steps in 256 KB, %6lu in 16 TB\n", names[i],
                       (unsigned long)small[i], (unsigned long)large[i]);
                CHECK(large[i] <= 2 * small[i] + 400);
        }
}

/* ---------------------------------------------------- the number of regions */

struct cost {
        uint64_t reserve, fit, commit, query, fault, release, part;
};

/* What things cost in a space with so many regions, one page each and apart. */
static struct cost cost_among(uint64_t regions)
{
        struct quire_info info;
        struct cost c = { 0 };
        uint64_t first = 0, va, middle;

        open_drive();
        for (uint64_t i = 0; i < regions; i++) {
                va = reserve(PAGE * 3, 0);
                if (!i)
                        first = va;
                CHECK(quire_region_release(space, va + 2 * PAGE, PAGE) == QUIRE_OK);
                if (i % 2)
                        CHECK(quire_region_commit(space, va, PAGE, RW) == QUIRE_OK);
                if (i + 1 < regions)     /* the page between is taken, so that none fits there */
                        CHECK(reserve(PAGE, 0) == va + 2 * PAGE);
        }
        middle = first + regions / 2 * 3 * PAGE;
        steps = 0;
        va = reserve(PAGE * 64, 0);
        c.fit = steps;
        steps = 0;
        CHECK(quire_region_commit(space, va, PAGE * 64, RW) == QUIRE_OK);
        c.commit = steps;
        steps = 0;
        touch(va);
        c.fault = steps;
        steps = 0;
        CHECK(quire_region_query(space, middle, &info) == QUIRE_OK);
        c.query = steps;
        steps = 0;
        CHECK(quire_region_release(space, middle + PAGE, PAGE) == QUIRE_OK);
        c.part = steps;
        steps = 0;
        CHECK(reserve(PAGE, 0) == middle + PAGE);
        c.reserve = steps;
        steps = 0;
        CHECK(quire_region_release(space, va, 0) == QUIRE_OK);
        c.release = steps;
        d->close(drive);
        return c;
}

static void test_costs_are_logarithmic_in_regions(void)
{
        struct cost few = cost_among(500), many = cost_among(50000);

        printf("    among 1,000 / 100,000 regions: fit %lu / %lu, fill a hole %lu / %lu, "
               "commit %lu / %lu,\n    fault %lu / %lu, query %lu / %lu, release %lu / %lu, "
               "of a part %lu / %lu\n", (unsigned long)few.fit, (unsigned long)many.fit,
               (unsigned long)few.reserve, (unsigned long)many.reserve,
               (unsigned long)few.commit, (unsigned long)many.commit,
               (unsigned long)few.fault, (unsigned long)many.fault,
               (unsigned long)few.query, (unsigned long)many.query,
               (unsigned long)few.release, (unsigned long)many.release,
               (unsigned long)few.part, (unsigned long)many.part);
        CHECK(many.fit <= 3 * few.fit && many.reserve <= 3 * few.reserve);
        CHECK(many.commit <= 3 * few.commit && many.fault <= 3 * few.fault);
        CHECK(many.query <= 3 * few.query && many.release <= 3 * few.release);
        CHECK(many.part <= 3 * few.part);
}

/* ------------------------------------------------------- the number of runs */

static void cost_of_runs(uint64_t pages, uint64_t *protect, uint64_t *fault)
{
        uint64_t va, at;

        open_drive();
        va = reserve(pages * PAGE, 0);
        CHECK(quire_region_commit(space, va, pages * PAGE, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < pages; i += 2)
                CHECK(quire_region_protect(space, va + i * PAGE, PAGE, QUIRE_R, NULL) == QUIRE_OK);
        at = va + pages / 4 * 2 * PAGE;
        steps = 0;
        CHECK(quire_region_protect(space, at, PAGE, 0, NULL) == QUIRE_OK);
        *protect = steps;
        steps = 0;
        touch(at + PAGE);
        *fault = steps;
        d->close(drive);
}

static void test_costs_are_logarithmic_in_runs(void)
{
        uint64_t protect[2], fault[2];

        cost_of_runs(2000, &protect[0], &fault[0]);
        cost_of_runs(1000000, &protect[1], &fault[1]);
        printf("    among 2,000 / 1,000,000 runs: protect a page %lu / %lu, fault %lu / %lu\n",
               (unsigned long)protect[0], (unsigned long)protect[1],
               (unsigned long)fault[0], (unsigned long)fault[1]);
        CHECK(protect[1] <= 3 * protect[0]);
        CHECK(fault[1] <= 3 * fault[0]);
}

/* ------------------------------------------------------ the number of pages */

/* Steps for each fault that evicts, in a budget of so many pages. */
static uint64_t cost_of_eviction(uint64_t budget, const char *policy)
{
        const struct drive_options options = { .budget = budget * PAGE, .pagefiles = 1,
                                               .policy = policy };
        uint64_t va, faults = budget / 2;

        REQUIRE(d->open(&options, &drive) == QUIRE_OK);
        space = d->space(drive);
        va = reserve(3 * budget * PAGE, 0);
        CHECK(quire_region_commit(space, va, 3 * budget * PAGE, RW) == QUIRE_OK);
        CHECK(quire_region_advise(space, va, 3 * budget * PAGE, QUIRE_RANDOM) == QUIRE_OK);
        for (uint64_t i = 0; i < 2 * budget; i++)
                touch(va + i * PAGE);
        steps = 0;
        for (uint64_t i = 0; i < faults; i++)
                touch(va + (2 * budget + i) * PAGE);
        d->close(drive);
        return steps / faults;
}

static void test_eviction_costs_the_same_in_a_large_budget(void)
{
        static const char *const policies[] = { "2q", "clock" };

        for (unsigned i = 0; i < 2; i++) {
                uint64_t small = cost_of_eviction(1000, policies[i]);
                uint64_t large = cost_of_eviction(60000, policies[i]);

                printf("    %s: %lu steps a fault among 1,000 pages, %lu among 60,000\n",
                       policies[i], (unsigned long)small, (unsigned long)large);
                CHECK(large <= small + small / 2);
        }
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_nothing_grows_with_the_size_of_what_is_alike);
        RUN(test_costs_are_logarithmic_in_regions);
        RUN(test_costs_are_logarithmic_in_runs);
        RUN(test_eviction_costs_the_same_in_a_large_budget);
        return test_end();
}
