/*
 * space_test.c - core/space.c: placement against a bitmap, its limits and
 * alignments, the layouts' arenas, and a million regions.
 */
#include "bare.h"

static const uint64_t page_of_64k = 16;

static struct quire_space *open_space(struct bare *b, const struct quire_layout *l)
{
        struct quire_space *s = NULL;

        quire_unlock(&b->sys);
        REQUIRE(quire_space_open(&b->sys, l, &s) == QUIRE_OK);
        quire_lock(&b->sys);
        return s;
}

static void close_space(struct bare *b, struct quire_space *s)
{
        quire_unlock(&b->sys);
        quire_space_close(s);
        quire_lock(&b->sys);
}

static void put(struct quire_space *s, struct quire_region *r, uint64_t first, uint64_t count)
{
        *r = (struct quire_region){ .node.key = first, .count = count, .space = s,
                                    .kind = QUIRE_FOREIGN };
        quire_space_insert(s, r);
}

/* The lowest (highest) fit in a bitmap of used pages. */
static bool fit_slowly(const bool *used, uint64_t pages, const struct quire_place *p,
                       uint64_t *first)
{
        bool found = false;

        for (uint64_t at = p->low; at + p->count <= p->high && at + p->count <= pages; at++) {
                bool clear = !(at & (p->align - 1));

                for (uint64_t i = 0; clear && i < p->count; i++)
                        clear = !used[at + i];
                if (!clear)
                        continue;
                *first = at;
                found = true;
                if (!p->top_down)
                        return true;
        }
        return found;
}

static void mark(bool *used, const struct quire_region *r, bool value)
{
        for (uint64_t i = 0; i < r->count; i++)
                used[r->node.key + i] = value;
}

static struct quire_place draw_place(uint64_t *random, uint64_t pages)
{
        uint64_t a = test_random(random) % pages, b = test_random(random) % pages;
        struct quire_place p = { .count = 1 + test_random(random) % 12,
                                 .align = 1u << test_random(random) % 6,
                                 .low = 16, .high = pages,
                                 .top_down = test_random(random) & 1 };

        if (test_random(random) % 2) {
                p.low = a < b ? a : b;
                p.high = a < b ? b : a;
        }
        if (p.low < 16)
                p.low = 16;              /* the null partition */
        return p;
}

static void test_placement_against_a_bitmap(void)
{
        enum { PAGES = 900, MANY = 200 };
        static struct quire_region regions[MANY];
        static bool used[PAGES], present[MANY];
        uint64_t random = test_seed();
        struct bare b;
        struct quire_space *s;

        bare_open(&b);
        s = open_space(&b, &quire_layout_64);
        for (int i = 0; i < 30000; i++) {
                unsigned k = (unsigned)(test_random(&random) % MANY);
                struct quire_place p = draw_place(&random, PAGES);
                uint64_t want = 0, got = 0;
                bool fits;

                if (present[k]) {
                        mark(used, &regions[k], false);
                        quire_space_remove(s, &regions[k]);
                        present[k] = false;
                        continue;
                }
                fits = p.low < p.high && fit_slowly(used, PAGES, &p, &want);
                CHECK_EQ(quire_space_fit(s, &p, &got), fits);
                if (!fits)
                        continue;
                CHECK_EQ(got, want);
                put(s, &regions[k], got, p.count);
                mark(used, &regions[k], true);
                present[k] = true;
                if (i % 500 == 0)
                        quire_space_check(s);
        }
        for (unsigned k = 0; k < MANY; k++)
                if (present[k])
                        quire_space_remove(s, &regions[k]);
        quire_space_check(s);
        close_space(&b, s);
        bare_close(&b);
}

static void test_find_and_free(void)
{
        struct bare b;
        struct quire_region r;
        struct quire_space *s;

        bare_open(&b);
        s = open_space(&b, &quire_layout_64);
        put(s, &r, 100, 10);
        CHECK(!quire_region_find(s, 99) && quire_region_find(s, 100) == &r);
        CHECK(quire_region_find(s, 109) == &r && !quire_region_find(s, 110));
        CHECK(quire_space_free(s, 90, 10) && !quire_space_free(s, 90, 11));
        CHECK(!quire_space_free(s, 109, 1) && quire_space_free(s, 110, 5));
        CHECK(!quire_space_free(s, s->end - 1, 2) && !quire_space_free(s, s->end, 1));
        CHECK(!quire_space_free(s, 110, UINT64_MAX) && !quire_space_free(s, UINT64_MAX, 2));
        quire_space_remove(s, &r);
        close_space(&b, s);
        bare_close(&b);
}

/* 128 TB hold one region, or a million; what is free is found in between. */
static void test_a_million_regions_in_128_tb(void)
{
        enum { MANY = 1000000 };
        struct quire_region *all = calloc(MANY, sizeof(*all));
        struct quire_place p = { .count = 1, .align = 1, .high = UINT64_MAX };
        struct bare b;
        struct quire_space *s;
        uint64_t first = 0;

        REQUIRE(all);
        bare_open(&b);
        s = open_space(&b, &quire_layout_64);
        p.count = ((uint64_t)1 << 35) - 32;
        CHECK(quire_space_fit(s, &p, &first));
        CHECK_EQ(first, page_of_64k);
        p.count++;
        CHECK(!quire_space_fit(s, &p, &first));
        for (uint64_t i = 0; i < MANY; i++)
                put(s, &all[i], 16 + 32 * i, i % 1000 ? 31 : 16);
        quire_space_check(s);
        p.count = 1;
        CHECK(quire_space_fit(s, &p, &first));
        CHECK_EQ(first, 16 + 16);
        p.count = page_of_64k;
        p.align = page_of_64k;
        p.low = 33;
        CHECK(quire_space_fit(s, &p, &first));
        CHECK_EQ(first, 16 + 32 * 1000 + 16);
        p.top_down = true;
        p.high = 16 + 32 * (uint64_t)MANY;
        CHECK(quire_space_fit(s, &p, &first));
        CHECK_EQ(first, 16 + 32 * 999000 + 16);
        p.count = 17;
        CHECK(!quire_space_fit(s, &p, &first));
        for (uint64_t i = 0; i < MANY; i++)
                quire_space_remove(s, &all[i]);
        close_space(&b, s);
        bare_close(&b);
        free(all);
}

/* Refused arenas are never free, whatever is asked. */
static void test_refused_arenas(void)
{
        struct quire_place p = { .count = 1, .align = 1, .low = 0, .high = 17 };
        struct bare b;
        struct quire_space *s;
        uint64_t first = 0;

        bare_open(&b);
        s = open_space(&b, &quire_layout_2_2);
        CHECK(quire_space_fit(s, &p, &first));
        CHECK_EQ(first, page_of_64k);
        p.high = 16;
        CHECK(!quire_space_fit(s, &p, &first));
        p = (struct quire_place){ .count = 1, .align = 1, .low = 0x7ffef, .high = 0x80000,
                                  .top_down = true };
        CHECK(quire_space_fit(s, &p, &first));
        CHECK_EQ(first, 0x7ffef);
        p.low = 0x7fff0;
        CHECK(!quire_space_fit(s, &p, &first));
        close_space(&b, s);
        bare_close(&b);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_placement_against_a_bitmap);
        RUN(test_find_and_free);
        RUN(test_a_million_regions_in_128_tb);
        RUN(test_refused_arenas);
        return test_end();
}
