/*
 * radix_test.c - core/radix.c: the pages of an object, against an array and at
 * the ends of the number line, and without memory.
 */
#include "bare.h"

enum { INDEXES = 5000 };

static uint64_t spread(uint64_t i)
{
        return i < 1000 ? i : i < 2000 ? (i - 1000) << 20 : (i - 2000) * 977;
}

static void test_radix_against_an_array(void)
{
        static struct quire_page pages[INDEXES];
        static bool present[INDEXES];
        struct quire_radix x = { 0 };
        uint64_t random = test_seed(), count = 0;
        struct bare b;

        bare_open(&b);
        for (uint64_t i = 0; i < INDEXES; i++)
                pages[i].index = i * 37;
        for (int i = 0; i < 60000; i++) {
                uint64_t k = test_random(&random) % INDEXES;
                uint64_t from = test_random(&random) % (INDEXES * 37);
                struct quire_page *next = quire_radix_next(&x, from), *want = NULL;

                if (present[k])
                        quire_radix_remove(&b.sys, &x, k * 37);
                else
                        CHECK(quire_radix_insert(&b.sys, &x, &pages[k]) == QUIRE_OK);
                present[k] = !present[k];
                count += present[k] ? 1 : (uint64_t)-1;
                CHECK_EQ(x.pages, count);
                CHECK(quire_radix_find(&x, k * 37) == (present[k] ? &pages[k] : NULL));
                CHECK(!quire_radix_find(&x, k * 37 + 1));
                if (i % 50)
                        continue;
                next = quire_radix_next(&x, from);
                for (uint64_t j = (from + 36) / 37; j < INDEXES && !want; j++)
                        want = present[j] ? &pages[j] : NULL;
                CHECK(next == want);
        }
        for (uint64_t k = 0; k < INDEXES; k++)
                if (present[k])
                        quire_radix_remove(&b.sys, &x, k * 37);
        CHECK(x.root == NULL && x.height == 0);
        bare_close(&b);
}

static void test_radix_at_the_ends(void)
{
        struct quire_page low = { .index = 0 }, high = { .index = UINT64_MAX };
        struct quire_radix x = { 0 };
        struct bare b;

        bare_open(&b);
        CHECK(!quire_radix_next(&x, 0) && !quire_radix_find(&x, UINT64_MAX));
        CHECK(quire_radix_insert(&b.sys, &x, &high) == QUIRE_OK);
        CHECK(quire_radix_insert(&b.sys, &x, &low) == QUIRE_OK);
        CHECK(quire_radix_find(&x, 0) == &low && quire_radix_find(&x, UINT64_MAX) == &high);
        CHECK(quire_radix_next(&x, 1) == &high && quire_radix_next(&x, UINT64_MAX) == &high);
        quire_radix_remove(&b.sys, &x, UINT64_MAX);
        CHECK(!quire_radix_next(&x, 1));
        quire_radix_remove(&b.sys, &x, 0);
        bare_close(&b);
}

/* Every allocation of every insertion fails once: nothing changes. */
static void test_radix_without_memory(void)
{
        static struct quire_page pages[INDEXES];
        struct quire_radix x = { 0 };
        struct bare b;

        bare_open(&b);
        for (uint64_t i = 0; i < INDEXES; i++) {
                enum quire_status st = QUIRE_NO_MEMORY;

                pages[i].index = spread(i);
                if (quire_radix_find(&x, pages[i].index))
                        continue;
                for (uint64_t n = 1; st != QUIRE_OK; n++) {
                        uint64_t pages_before = x.pages;

                        b.fail_at = b.calls + n;
                        st = quire_radix_insert(&b.sys, &x, &pages[i]);
                        b.fail_at = 0;
                        CHECK(st == QUIRE_OK || st == QUIRE_NO_MEMORY);
                        CHECK_EQ(x.pages, pages_before + (st == QUIRE_OK));
                        CHECK(!i || quire_radix_find(&x, pages[i - 1].index));
                }
        }
        for (struct quire_page *p; (p = quire_radix_next(&x, 0));)
                quire_radix_remove(&b.sys, &x, p->index);
        bare_close(&b);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_radix_against_an_array);
        RUN(test_radix_at_the_ends);
        RUN(test_radix_without_memory);
        return test_end();
}
