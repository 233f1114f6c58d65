/*
 * layout_test.c - core/layout.c: the published figures, and what makes a layout.
 */
#include "bare.h"

static const struct quire_layout *const layouts[] = {
        &quire_layout_64, &quire_layout_8t, &quire_layout_2_2, &quire_layout_3gb,
        &quire_layout_below_2g, &quire_layout_win9x,
};

static void test_layouts_are_valid(void)
{
        for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
                const struct quire_layout *l = layouts[i];

                CHECK(quire_layout_valid(l));
                CHECK(l->name && l->name[0]);
                CHECK(quire_layout_refuses(l, 0, 1));
                CHECK(quire_layout_refuses(l, 0xffff, 1));
        }
}

static const struct quire_arena *arena(const struct quire_layout *l, uint64_t va)
{
        for (unsigned i = 0; i < l->count; i++)
                if (va - l->arenas[i].first < l->arenas[i].bytes)
                        return &l->arenas[i];
        return NULL;
}

static bool allocates(const struct quire_layout *l, uint64_t va)
{
        const struct quire_arena *a = arena(l, va);

        return a && a->allocate && !a->refuse;
}

static void test_published_bounds(void)
{
        CHECK(allocates(&quire_layout_2_2, 0x10000));
        CHECK(allocates(&quire_layout_2_2, 0x7ffeffff));
        CHECK(!allocates(&quire_layout_2_2, 0x7fff0000));
        CHECK(!allocates(&quire_layout_2_2, 0x80000000));
        CHECK(allocates(&quire_layout_3gb, 0xbffeffff));
        CHECK(!allocates(&quire_layout_3gb, 0xbfff0000));
        CHECK(allocates(&quire_layout_8t, 0x7fffffeffff));
        CHECK(!allocates(&quire_layout_8t, 0x7fffffeffff + 1));
        CHECK(allocates(&quire_layout_64, 0x7ffffffeffff));
        CHECK(!allocates(&quire_layout_64, 0x7fffffff0000));
        CHECK(allocates(&quire_layout_below_2g, 0x7ffeffff));
        CHECK(!arena(&quire_layout_below_2g, 0x80000000));
        CHECK(!allocates(&quire_layout_win9x, 0x3fffff));
        CHECK(allocates(&quire_layout_win9x, 0x400000));
        CHECK(arena(&quire_layout_win9x, 0x80000000)->shared);
        CHECK(arena(&quire_layout_win9x, 0xc0000000)->shared);
}

/* The 3 GB switch moves one bound and changes nothing else. */
static void test_3gb_moves_one_bound(void)
{
        const struct quire_layout *a = &quire_layout_2_2, *b = &quire_layout_3gb;

        CHECK_EQ(a->count, b->count);
        for (unsigned i = 0; i < a->count; i++) {
                const struct quire_arena *x = &a->arenas[i], *y = &b->arenas[i];
                uint64_t moved = y->first - x->first;

                CHECK(!strcmp(x->name, y->name));
                CHECK(x->allocate == y->allocate && x->refuse == y->refuse &&
                      x->shared == y->shared);
                CHECK(moved == 0 || moved == (uint64_t)1 << 30);
        }
        CHECK_EQ(a->arenas[a->count - 1].first + a->arenas[a->count - 1].bytes,
                 b->arenas[b->count - 1].first + b->arenas[b->count - 1].bytes);
}

static void test_what_is_no_layout(void)
{
        static const struct quire_arena overlap[] = { { "a", 0, 0x20000, true, false, false },
                                                    { "b", 0x10000, 0x10000, true, false, false } };
        static const struct quire_arena wraps[] = {
                { "a", 0x10000, UINT64_MAX, true, false, false } };
        static const struct quire_arena nothing[] = {
                { "a", 0x10000, 0x10000, false, false, false } };
        static const struct quire_arena refuses[] = {
                { "a", 0x10000, 0x10000, true, true, false } };
        static const struct quire_arena empty[] = { { "a", 0x10000, 0, true, false, false } };

        CHECK(!quire_layout_valid(NULL));
        CHECK(!quire_layout_valid(&(struct quire_layout){ "none", NULL, 0 }));
        CHECK(!quire_layout_valid(&(struct quire_layout){ "overlap", overlap, 2 }));
        CHECK(!quire_layout_valid(&(struct quire_layout){ "wraps", wraps, 1 }));
        CHECK(!quire_layout_valid(&(struct quire_layout){ "nothing", nothing, 1 }));
        CHECK(!quire_layout_valid(&(struct quire_layout){ "refuses", refuses, 1 }));
        CHECK(!quire_layout_valid(&(struct quire_layout){ "empty", empty, 1 }));
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_layouts_are_valid);
        RUN(test_published_bounds);
        RUN(test_3gb_moves_one_bound);
        RUN(test_what_is_no_layout);
        return test_end();
}
