/*
 * ranges_test.c - core/ranges.c: runs of attributes against an array of pages,
 * and what a change costs.
 */
#include "bare.h"

enum { PAGES = 600 };

static void compare(struct bare *b, const struct quire_ranges *r, const uint32_t *want,
                    uint64_t first, uint64_t count)
{
        uint64_t page = first;

        quire_ranges_check(&b->sys, r);
        CHECK(r->first == first && r->count == count);
        while (page < first + count) {
                struct quire_piece p = quire_ranges_at(r, page);
                uint64_t end = page;

                while (end < first + count && want[end] == want[page])
                        end++;
                CHECK_EQ(p.first, page);
                CHECK_EQ(p.count, end - page);
                CHECK_EQ(p.attr, want[page]);
                CHECK_EQ(quire_ranges_attr(r, end - 1), want[page]);
                page = end;
        }
}

static void change(struct bare *b, struct quire_ranges *r, uint64_t first, uint64_t count,
                   uint32_t clear, uint32_t set)
{
        struct quire_spare_runs spare;

        REQUIRE(quire_ranges_plan(&b->sys, &spare) == QUIRE_OK);
        quire_ranges_apply(&b->sys, r, first, count, clear, set, &spare);
        quire_ranges_unplan(&b->sys, &spare);
}

static void test_ranges_against_an_array(void)
{
        struct bare b;
        struct quire_ranges r;
        uint32_t want[2 * PAGES] = { 0 };
        uint64_t random = test_seed(), first = 100, count = PAGES;

        bare_open(&b);
        quire_ranges_open(&r, first, count, 0);
        for (int i = 0; i < 20000; i++) {
                uint64_t at = first + test_random(&random) % count;
                uint64_t n = 1 + test_random(&random) % (test_random(&random) % 4 ? 9 : count);
                uint32_t clear = (uint32_t)test_random(&random) & 7;
                uint32_t set = (uint32_t)test_random(&random) & clear;

                if (n > first + count - at)
                        n = first + count - at;
                change(&b, &r, at, n, clear, set);
                for (uint64_t k = at; k < at + n; k++)
                        want[k] = (want[k] & ~clear) | set;
                if (i % 3 == 0)
                        compare(&b, &r, want, first, count);
        }
        quire_ranges_close(&b.sys, &r);
        bare_close(&b);
}

static void test_ranges_cut_and_grow(void)
{
        uint64_t random = test_seed();

        for (int i = 0; i < 400; i++) {
                struct bare b;
                struct quire_ranges r, high;
                struct quire_spare_runs spare;
                uint32_t want[2 * PAGES] = { 0 };
                uint64_t at = 1 + test_random(&random) % (PAGES - 1);

                bare_open(&b);
                quire_ranges_open(&r, 0, PAGES, 0);
                for (uint64_t k = 0; k < test_random(&random) % 60; k++) {
                        uint64_t from = test_random(&random) % PAGES;
                        uint64_t n = 1 + test_random(&random) % (PAGES - from);
                        uint32_t set = (uint32_t)test_random(&random) % 3;

                        change(&b, &r, from, n, 3, set);
                        for (uint64_t p = from; p < from + n; p++)
                                want[p] = set;
                }
                REQUIRE(quire_ranges_plan(&b.sys, &spare) == QUIRE_OK);
                quire_ranges_cut(&b.sys, &r, at, &high, &spare);
                quire_ranges_unplan(&b.sys, &spare);
                compare(&b, &r, want, 0, at);
                compare(&b, &high, want, at, PAGES - at);
                CHECK(quire_ranges_grow(&b.sys, &high, 7, (uint32_t)i % 3) == QUIRE_OK);
                for (uint64_t p = PAGES; p < PAGES + 7; p++)
                        want[p] = (uint32_t)i % 3;
                compare(&b, &high, want, at, PAGES - at + 7);
                quire_ranges_close(&b.sys, &r);
                quire_ranges_close(&b.sys, &high);
                bare_close(&b);
        }
}

/* A plan that has no memory leaves nothing behind, and one that was not needed neither. */
static void test_ranges_plan_may_fail(void)
{
        struct bare b;
        struct quire_ranges r;
        struct quire_spare_runs spare;

        for (uint64_t n = 1; n <= 3; n++) {
                bare_open(&b);
                b.fail_at = n;
                CHECK(quire_ranges_plan(&b.sys, &spare) == QUIRE_NO_MEMORY);
                bare_close(&b);
        }
        bare_open(&b);
        quire_ranges_open(&r, 0, 10, 1);
        b.fail_at = 1;
        CHECK(quire_ranges_grow(&b.sys, &r, 5, 2) == QUIRE_NO_MEMORY);
        CHECK(r.count == 10 && !r.runs.root);
        bare_close(&b);
}

/* What is alike has no records, however large it is. */
static void test_ranges_uniform_is_free(void)
{
        struct bare b;
        struct quire_ranges r;
        const uint64_t pages = (uint64_t)1 << 35;          /* 128 TB */

        bare_open(&b);
        quire_ranges_open(&r, 0, pages, 0);
        change(&b, &r, 0, pages, 0, QUIRE_ATTR_COMMITTED);
        CHECK_EQ(b.records, 0);
        change(&b, &r, pages / 2, 1, 0, QUIRE_ATTR_GUARD);
        CHECK_EQ(b.records, 3);
        change(&b, &r, pages / 2, 1, QUIRE_ATTR_GUARD, 0);
        CHECK_EQ(b.records, 0);
        CHECK_EQ(quire_ranges_attr(&r, pages - 1), QUIRE_ATTR_COMMITTED);
        quire_ranges_close(&b.sys, &r);
        bare_close(&b);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_ranges_against_an_array);
        RUN(test_ranges_cut_and_grow);
        RUN(test_ranges_plan_may_fail);
        RUN(test_ranges_uniform_is_free);
        return test_end();
}
