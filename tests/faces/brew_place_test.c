/*
 * brew_place_test.c - BREW's memory regions: addresses, who maps at the same time, cache
 * attributes, processes that end, and what happens where memory runs out.  Each test is
 * named after the row that it asserts.
 */
#include "brew_stage.h"
#include "x86_64.h"

static const struct drive_options plain = { 0 };

static bool overlap(uint64_t a, uint64_t b, uint64_t bytes)
{
        return a < b + bytes && b < a + bytes;
}

/* Something native in the way. */
static void block(unsigned who, uint64_t va, uint64_t pages)
{
        uint64_t got;

        REQUIRE(try_reserve(spaces[who], va, pages * PAGE, QUIRE_EXACT, &got) == QUIRE_OK);
}

/* Could something native have the page? */
static bool is_free(struct quire_space *s, uint64_t va)
{
        uint64_t got;
        enum quire_status st = try_reserve(s, va, PAGE, QUIRE_EXACT, &got);

        CHECK(st == QUIRE_OK || st == QUIRE_CONFLICT);
        return st == QUIRE_OK && quire_region_release(s, got, 0) == QUIRE_OK;
}

static void unblock(unsigned who, uint64_t va)
{
        CHECK(quire_region_release(spaces[who], va, 0) == QUIRE_OK);
}

/* --------------------------------------------------------------- cache: A6, A15 */

static const struct { uint32 flag; unsigned attributes; enum quire_x86_cache cache; } caches[] = {
        { 0, 0, QUIRE_CACHE_WB },
        { MEMREGION_CACHE_WRITEBACK, 0, QUIRE_CACHE_WB },
        { MEMREGION_CACHE_WRITETHRU, QUIRE_CACHE_THROUGH, QUIRE_CACHE_WT },
        { MEMREGION_CACHE_NONE, QUIRE_CACHE_NONE, QUIRE_CACHE_UC },
};
enum { CACHES = 4 };

/* What the page tables say of a page that is there. */
static enum quire_x86_cache cache_in_tables(unsigned who, uint64_t va)
{
        struct quire_mspace *s = quire_x86_space(machine->x86(stage), spaces[who]);
        bool large = false;
        quire_pte *entry = quire_table_find(quire_x86_table(s), va, &large);

        REQUIRE(entry && *entry & QUIRE_PTE_PRESENT);
        return quire_pte_page(*entry, large).cache;
}

static void test_A6_cache_attributes_are_reported_and_in_the_tables(void)
{
        scene_open(machine, &plain);
        for (unsigned i = 0; i < CACHES; i++) {
                IMemRegion1 *r = create(1, caches[i].flag), *there = passed(r, B);
                IMemMap *m[2];
                uint64_t va[2];

                CHECK_EQ(info(r).nFlags, caches[i].flag);
                CHECK_EQ(info(there).nFlags, caches[i].flag);
                m[0] = map(A, r, RIGHTS, &va[0]);
                m[1] = map(B, there, RIGHTS, &va[1]);
                for (unsigned who = A; who <= B; who++) {
                        struct quire_info q;

                        CHECK_EQ(put(who, va[who], 1), 0);
                        CHECK(quire_region_query(spaces[who], va[who], &q) == QUIRE_OK);
                        CHECK_EQ(q.attributes, caches[i].attributes);
                        if (machine == &driver_x86_64)
                                CHECK_EQ(cache_in_tables(who, va[who]), caches[i].cache);
                        GONE(IMemMap, m[who], 0);
                }
                GONE(IMemRegion1, there, 0);
                GONE(IMemRegion1, r, 0);
        }
        scene_close();
}

static void test_A6_on_every_machine(void)
{
        on_machines(test_A6_cache_attributes_are_reported_and_in_the_tables);
}

/* The part of the row that needs no hardware: whatever the attribute, both maps show
 * the frame that was written.  When stores leave a cache, the tables' bits decide (A6). */
static void test_A15_a_second_map_shows_what_was_stored(void)
{
        scene_open(machine, &plain);
        for (unsigned i = 0; i < CACHES; i++) {
                IMemRegion1 *r = create(1, caches[i].flag), *there = passed(r, B);
                uint64_t va[2];
                IMemMap *m[2];

                m[0] = map(A, r, RIGHTS, &va[0]);
                m[1] = map(B, there, MEMREGION_ACCESS_READ, &va[1]);
                for (unsigned n = 0; n < 20; n++) {
                        CHECK_EQ(put(A, va[0] + n, (uint8_t)(n + i)), 0);
                        CHECK_EQ(byte_of(B, va[1] + n), n + i);
                }
                GONE(IMemMap, m[0], 0);
                GONE(IMemMap, m[1], 0);
                GONE(IMemRegion1, there, 0);
                GONE(IMemRegion1, r, 0);
        }
        scene_close();
}

static void test_A15_on_every_machine(void)
{
        on_machines(test_A15_a_second_map_shows_what_was_stored);
}

/* PHYSMEM_FIXED: the region is what lies at a physical address. */
static void test_A15_stores_reach_fixed_memory(void)
{
        PhysMemInfo at = { .dwSize = 2 * 4096, .ulPhysStart = QUIRE_X86_DEVICES,
                           .nFlags = PHYSMEM_FIXED };
        IMemRegion1 *r = NULL;
        IMemPool *pool;
        uint8_t *device;
        uint64_t va;
        IMemMap *m;

        scene_open(&driver_x86_64, &plain);
        device = quire_x86_physical(machine->x86(stage), at.ulPhysStart);
        for (unsigned i = 0; i < CACHES; i++) {
                ANSWERS(IMemGroup_CreateRegion(group, NULL, 0, &at, caches[i].flag, &r), 0, r);
                m = map(A, r, RIGHTS, &va);
                CHECK_EQ(put(A, va + PAGE + 3, (uint8_t)(90 + i)), 0);
                CHECK_EQ(device[PAGE + 3], 90 + i);
                device[5] = (uint8_t)i;
                CHECK_EQ(byte_of(A, va + 5), i);
                CHECK_EQ(cache_in_tables(A, va), caches[i].cache);
                CHECK_EQ(counters().committed, 0);             /* nobody's but the device's */
                GONE(IMemMap, m, 0);
                GONE(IMemRegion1, r, 0);
        }
        pool = new_pool(env[A], 9, 0);
        ANSWERS(IMemGroup_CreateRegion(group, (IQI *)pool, 0, &at, 0, &r), AEE_EBADPARM, r);
        GONE(IMemPool, pool, 0);
        at.ulPhysStart++;
        ANSWERS(IMemGroup_CreateRegion(group, NULL, 0, &at, 0, &r), AEE_EBADPARM, r);
        at.ulPhysStart = (uint64_t)1 << 45;                    /* nothing lies there */
        ANSWERS(IMemGroup_CreateRegion(group, NULL, 0, &at, 0, &r), AEE_EBADPARM, r);
        scene_close();
}

/* ------------------------------------------------------------- addresses: A7 */

static void test_A7_exclusive_addresses_are_one_process_s(void)
{
        enum { OTHERS = 40 };
        IMemRegion1 *r, *there, *other[OTHERS], *no = NULL;
        IMemMap *m[2], *more[OTHERS], *second = NULL;
        uint64_t va[2], at;

        scene_open(machine, &plain);
        r = create(8, MEMREGION_VIRTUAL_EXCL);
        there = passed(r, B);
        m[0] = map(A, r, RIGHTS, &va[0]);
        m[1] = map(B, there, RIGHTS, &va[1]);
        CHECK_EQ(va[0], info(r).ulVAStart);
        CHECK(!overlap(va[0], va[1], 8 * PAGE));
        CHECK_EQ(put(A, va[0] + PAGE, 9), 0);
        CHECK_EQ(byte_of(B, va[1] + PAGE), 9);                 /* the same bytes */
        for (unsigned i = 0; i < OTHERS; i++) {                /* nobody else comes there */
                unsigned who = i % 2;
                IMemRegion1 *mine = create(5, 0);

                other[i] = who ? passed(mine, B) : mine;
                if (who)
                        GONE(IMemRegion1, mine, 0);
                more[i] = map(who, other[i], RIGHTS, &at);
                CHECK(!overlap(at, va[!who], 8 * PAGE));
        }
        for (uint64_t k = 0; k < 8; k++) {                     /* not even if it asks for it */
                CHECK(!is_free(spaces[B], va[0] + k * PAGE));
                CHECK(!is_free(spaces[A], va[1] + k * PAGE));
        }
        ANSWERS(try_create(group, NULL, va[1], 1, 0, &no), AEE_EITEMBUSY, no);
        ANSWERS(try_map(A, r, RIGHTS, &second, NULL), AEE_EITEMBUSY, second);
        for (unsigned i = 0; i < OTHERS; i++) {
                GONE(IMemMap, more[i], 0);
                GONE(IMemRegion1, other[i], 0);
        }
        GONE(IMemMap, m[0], 0);
        GONE(IMemRegion1, r, 0);
        CHECK(!is_free(spaces[B], va[0]));                     /* B's object keeps it */
        GONE(IMemMap, m[1], 0);
        GONE(IMemRegion1, there, 0);
        CHECK(is_free(spaces[B], va[0]));                      /* free with the last object */
        scene_close();
}

static void test_A7_common_addresses_are_the_same_everywhere(void)
{
        IMemRegion1 *r, *there, *no = NULL;
        IMemMap *m[2], *second = NULL;
        uint64_t va[2];

        scene_open(machine, &plain);
        r = create(8, MEMREGION_VIRTUAL_COMMON);
        there = passed(r, B);
        CHECK(!is_free(spaces[B], info(r).ulVAStart));
        for (unsigned n = 0; n < 3; n++) {
                m[1] = map(B, there, RIGHTS, &va[1]);          /* in any order */
                m[0] = map(A, r, RIGHTS, &va[0]);
                CHECK_EQ(va[0], va[1]);
                CHECK_EQ(va[0], info(r).ulVAStart);
                CHECK_EQ(put(n % 2, va[0] + n, (uint8_t)(70 + n)), 0);
                CHECK_EQ(byte_of(!(n % 2), va[0] + n), 70 + n);
                ANSWERS(try_map(B, there, 1, &second, NULL), AEE_EITEMBUSY, second);
                GONE(IMemMap, m[n % 2], 0);
                GONE(IMemMap, m[!(n % 2)], 0);
                CHECK(!is_free(spaces[n % 2], va[0]));
        }
        GONE(IMemRegion1, r, 0);
        GONE(IMemRegion1, there, 0);

        block(B, 6 * GB + 2 * PAGE, 1);
        ANSWERS(try_create(group, NULL, 6 * GB, 4, MEMREGION_VIRTUAL_COMMON, &no),
                AEE_EITEMBUSY, no);
        ANSWERS(try_create(group, NULL, 6 * GB, 4, MEMREGION_VIRTUAL_EXCL, &no), AEE_EITEMBUSY, no);
        ANSWERS(try_create(group, NULL, 6 * GB, 4, 0, &no), AEE_SUCCESS, no);
        GONE(IMemRegion1, no, 0);
        unblock(B, 6 * GB + 2 * PAGE);
        ANSWERS(try_create(group, NULL, 6 * GB, 4, MEMREGION_VIRTUAL_COMMON, &no),
                AEE_SUCCESS, no);
        GONE(IMemRegion1, no, 0);
        scene_close();
}

/* Spaces whose free addresses interleave: the lowest place that both have is found. */
static void test_A7_a_place_that_all_have_is_found(void)
{
        enum { STEPS = 30 };
        uint64_t base = 64 * KB;
        IMemRegion1 *r;

        scene_open(machine, &plain);
        for (uint64_t i = 0; i < STEPS; i++)
                block(i % 2, base + 3 * i * PAGE, 2);          /* gaps of one page each, ... */
        r = create(3, MEMREGION_VIRTUAL_COMMON);
        CHECK_EQ(info(r).ulVAStart, base + (3 * (STEPS - 1) + 2) * PAGE);
        GONE(IMemRegion1, r, 0);
        unblock(0, base + 3 * 10 * PAGE);
        unblock(1, base + 3 * 11 * PAGE);                      /* ... but here */
        r = create(7, MEMREGION_VIRTUAL_EXCL);
        CHECK_EQ(info(r).ulVAStart, base + (3 * 9 + 2) * PAGE);
        GONE(IMemRegion1, r, 0);
        for (uint64_t i = 0; i < STEPS; i++)
                if (i != 10 && i != 11)
                        unblock(i % 2, base + 3 * i * PAGE);
        scene_close();
}

/* A process that comes later. */
static void test_A7_environments_that_open_later(void)
{
        IMemRegion1 *common, *exclusive, *r;
        struct quire_space *late;
        IMemSpace *ms = NULL;
        IEnv *e = NULL;
        uint64_t got, va = 0;
        IMemMap *m = NULL;
        void *p = NULL;

        scene_open(machine, &plain);
        late = stage_space(NULL);
        common = create(4, MEMREGION_VIRTUAL_COMMON);
        exclusive = create(4, MEMREGION_VIRTUAL_EXCL);
        got = info(exclusive).ulVAStart + PAGE;
        REQUIRE(try_reserve(late, got, PAGE, QUIRE_EXACT, &got) == QUIRE_OK);
        ANSWERS(quire_brew_open(sys, late, &e), AEE_EITEMBUSY, e);
        CHECK(quire_region_release(late, got, 0) == QUIRE_OK);
        ANSWERS(quire_brew_open(sys, late, &e), AEE_SUCCESS, e);
        CHECK(!is_free(late, info(common).ulVAStart));
        CHECK(!is_free(late, info(exclusive).ulVAStart));
        CHECK_EQ(IEnv_CreateInstance(e, AEECLSID_MemSpace, &p), AEE_SUCCESS);
        ms = p;
        CHECK_EQ(quire_brew_pass(common, e, &r), AEE_SUCCESS);
        CHECK_EQ(IMemSpace_MapRegion(ms, r, 1, 0, &m, &va, NULL), AEE_SUCCESS);
        CHECK_EQ(va, info(common).ulVAStart);
        GONE(IMemMap, m, 0);
        GONE(IMemRegion1, r, 0);
        GONE(IMemSpace, ms, 0);
        GONE(IMemRegion1, common, 0);
        GONE(IMemRegion1, exclusive, 0);
        quire_brew_close(e);
        CHECK(is_free(late, va));
        machine->space_close(stage, late);
        scene_close();
}

static void test_A7_on_every_machine(void)
{
        on_machines(test_A7_exclusive_addresses_are_one_process_s);
        on_machines(test_A7_common_addresses_are_the_same_everywhere);
        on_machines(test_A7_a_place_that_all_have_is_found);
        on_machines(test_A7_environments_that_open_later);
}

/* With neither flag: the creator's first map lies where GetInfo says. */
static void test_A7_without_flags(void)
{
        IMemRegion1 *r, *there;
        IMemMap *m[3];
        uint64_t va[3];

        scene_open(&driver_sim, &plain);
        block(B, 64 * KB, 100);
        r = create(2, 0);
        there = passed(r, B);
        m[0] = map(A, r, RIGHTS, &va[0]);
        m[1] = map(A, r, RIGHTS, &va[1]);
        m[2] = map(B, there, RIGHTS, &va[2]);
        CHECK_EQ(va[0], info(r).ulVAStart);
        CHECK(!overlap(va[0], va[1], 2 * PAGE));
        CHECK(va[2] != va[0] && info(there).ulVAStart == va[0]);
        GONE(IMemMap, m[0], 0);
        m[0] = map(A, r, 1, &va[0]);
        CHECK_EQ(va[0], info(r).ulVAStart);
        for (unsigned i = 0; i < 3; i++)
                GONE(IMemMap, m[i], 0);
        /* Somebody native was faster: then anywhere. */
        m[0] = map(A, r, 1, &va[0]);
        CHECK(quire_region_release(spaces[A], va[0], 0) == QUIRE_OK);
        block(A, va[0], 2);
        m[1] = map(A, r, 1, &va[1]);
        CHECK(va[1] != va[0]);
        GONE(IMemMap, m[1], 0);
        unblock(A, va[0]);
        GONE(IMemMap, m[0], 0);                                /* nothing is left of it */
        m[0] = map(A, r, 1, &va[0]);
        CHECK_EQ(va[0], info(r).ulVAStart);
        GONE(IMemMap, m[0], 0);
        unblock(B, 64 * KB);
        GONE(IMemRegion1, there, 0);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

/* --------------------------------------------------------------- sharing: A8 */

static void test_A8_exclusive_sharing(void)
{
        IMemRegion1 *r[2];
        IMemMap *m[3], *no = NULL;
        uint64_t va;

        scene_open(machine, &plain);
        r[A] = create(2, MEMREGION_SHARE_EXCL);
        r[B] = passed(r[A], B);
        for (unsigned first = 0; first < 2; first++) {
                m[0] = map(first, r[first], RIGHTS, &va);
                ANSWERS(try_map(!first, r[!first], 1, &no, NULL), AEE_EITEMBUSY, no);
                m[1] = map(first, r[first], 1, &va);           /* the same process may */
                GONE(IMemMap, m[0], 0);
                ANSWERS(try_map(!first, r[!first], 1, &no, NULL), AEE_EITEMBUSY, no);
                CHECK_EQ(put(first, va, 1), QUIRE_WHY_PROTECTED);
                CHECK_EQ(IMemMap_Unmap(m[1]), AEE_SUCCESS);
                m[2] = map(!first, r[!first], RIGHTS, &va);    /* allowed after unmap */
                CHECK_EQ(put(!first, va, 1), 0);
                ANSWERS(try_map(first, r[first], 1, &no, NULL), AEE_EITEMBUSY, no);
                GONE(IMemMap, m[1], 0);
                GONE(IMemMap, m[2], 0);
        }
        GONE(IMemRegion1, r[A], 0);
        GONE(IMemRegion1, r[B], 0);
        scene_close();
}

static void test_A8_common_sharing(void)
{
        static const uint32 flags[] = { MEMREGION_SHARE_COMMON, 0 };

        scene_open(machine, &plain);
        for (unsigned i = 0; i < 2; i++) {
                IMemRegion1 *r = create(2, flags[i]), *there = passed(r, B);
                uint64_t va[2];
                IMemMap *m[2];

                m[0] = map(A, r, RIGHTS, &va[0]);
                m[1] = map(B, there, RIGHTS, &va[1]);
                CHECK_EQ(put(A, va[0] + PAGE, 30), 0);
                CHECK_EQ(byte_of(B, va[1] + PAGE), 30);
                CHECK_EQ(put(B, va[1] + PAGE, 31), 0);
                CHECK_EQ(byte_of(A, va[0] + PAGE), 31);
                GONE(IMemMap, m[0], 0);
                GONE(IMemMap, m[1], 0);
                GONE(IMemRegion1, there, 0);
                GONE(IMemRegion1, r, 0);
        }
        scene_close();
}

static void test_A8_on_every_machine(void)
{
        on_machines(test_A8_exclusive_sharing);
        on_machines(test_A8_common_sharing);
}

/* ------------------------------------------------------- processes that end */

static void expect_dead(IMemGroup *g, IMemRegion1 *r, IMemSpace *s, IMemMap *m, IMemPool *pool)
{
        IMemRegion1 *out = r;
        IMemMap *map_out = m;
        MemRegionInfo i;
        MemMapInfo map_info;
        MemPoolInfo pool_is;
        uint32 count;

        CHECK_EQ(IMemRegion1_GetInfo(r, &i), AEE_EFAILED);
        ANSWERS(IMemRegion1_GrantAccess(r, 0, &out), AEE_EFAILED, out);
        out = r;
        ANSWERS(quire_brew_pass(r, env[B], &out), AEE_EFAILED, out);
        ANSWERS(IMemSpace_MapRegion(s, r, 0, 0, &map_out, NULL, NULL), AEE_EFAILED, map_out);
        CHECK_EQ(IMemMap_GetInfo(m, &map_info), AEE_EFAILED);
        CHECK_EQ(IMemMap_Unmap(m), AEE_EFAILED);
        CHECK_EQ(IMemPool_GetInfo(pool, &pool_is), AEE_EFAILED);
        ANSWERS(try_create(g, NULL, 0, 1, 0, &out), AEE_EFAILED, out);
        CHECK_EQ(IMemGroup_ListRegions(g, NULL, 0, &count), AEE_EFAILED);
        CHECK_EQ(IMemGroup_SetAccess(g, 0), AEE_EFAILED);
        CHECK_EQ(IMemGroup_Revoke(g), AEE_EFAILED);
}

static void test_A8_a_process_that_ends_lets_go(void)
{
        struct quire_space *mortal;
        IEnv *e = NULL;
        IMemGroup *g;
        IMemPool *pool, *no_pool = NULL;
        IMemRegion1 *r[2], *there, *out;
        IMemSpace *s;
        IMemMap *m[2], *after;
        IEnv *twice = NULL;
        void *p = NULL;
        uint64_t va;

        scene_open(machine, &plain);
        mortal = stage_space(NULL);
        REQUIRE(quire_brew_open(sys, mortal, &e) == AEE_SUCCESS);
        ANSWERS(quire_brew_open(sys, mortal, &twice), AEE_EITEMBUSY, twice);
        REQUIRE(IEnv_CreateInstance(e, AEECLSID_MemSpace, &p) == AEE_SUCCESS);
        s = p;
        g = new_group(e);
        pool = new_pool(e, 10, 0);
        r[0] = create_in(g, pool, 2, MEMREGION_SHARE_EXCL | MEMREGION_VIRTUAL_COMMON);
        r[1] = create_in(g, pool, 3, MEMREGION_VIRTUAL_EXCL);
        there = passed(r[0], B);
        for (unsigned i = 0; i < 2; i++)
                REQUIRE(IMemSpace_MapRegion(s, r[i], RIGHTS, 0, &m[i], &va, NULL) == AEE_SUCCESS);
        GONE(IMemRegion1, r[1], 1);                            /* its map has it */
        CHECK_EQ(IEnv_AddRef(e), 2);
        ANSWERS(try_map(B, there, 1, &after, NULL), AEE_EITEMBUSY, after);
        quire_brew_close(e);                                   /* the end */

        after = map(B, there, RIGHTS, &va);                    /* nobody maps it any more */
        CHECK_EQ(put(B, va, 3), 0);
        CHECK(!is_free(spaces[A], info(there).ulVAStart));
        expect_dead(g, r[0], s, m[0], pool);
        ANSWERS(IEnv_CreateInstance(e, AEECLSID_MemGroup, &p), AEE_EFAILED, p);
        ANSWERS(IEnv_CreatePool(e, PAGE, 0, &no_pool), AEE_EFAILED, no_pool);
        ANSWERS(quire_brew_pass(there, e, &out), AEE_EFAILED, out);
        machine->space_close(stage, mortal);

        GONE(IMemMap, after, 0);                               /* any order */
        GONE(IMemRegion1, there, 0);
        CHECK_EQ(counters().committed, 0);
        GONE(IEnv, e, 0);
        GONE(IMemMap, m[1], 0);
        GONE(IMemPool, pool, 0);
        GONE(IMemGroup, g, 0);
        GONE(IMemMap, m[0], 0);
        GONE(IMemSpace, s, 0);
        GONE(IMemRegion1, r[0], 0);
        scene_close();
}

static void test_A8_ends_on_every_machine(void)
{
        on_machines(test_A8_a_process_that_ends_lets_go);
}

static void test_environments_are_checked(void)
{
        const struct drive_options small = { .budget = 64 * 4096 };
        struct quire_system *other;
        struct drive *second = NULL;
        IMemRegion1 *r, *out;
        IEnv *e = (IEnv *)(void *)&e;

        scene_open(&driver_sim, &plain);
        ANSWERS(quire_brew_open(NULL, spaces[A], &e), AEE_EBADPARM, e);
        ANSWERS(quire_brew_open(sys, NULL, &e), AEE_EBADPARM, e);
        CHECK_EQ(quire_brew_open(sys, spaces[A], NULL), AEE_EBADPARM);
        quire_brew_close(NULL);
        REQUIRE(driver_sim.open(&small, &second) == QUIRE_OK);
        other = driver_sim.system(second);
        r = create(1, MEMREGION_VIRTUAL_COMMON);
        ANSWERS(quire_brew_open(other, driver_sim.space(second), &e), AEE_SUCCESS, e);
        ANSWERS(quire_brew_pass(r, e, &out), AEE_EUNSUPPORTED, out);
        CHECK(is_free(driver_sim.space(second), info(r).ulVAStart));   /* another world */
        GONE(IMemRegion1, r, 0);
        r = create(1, MEMREGION_VIRTUAL_EXCL);
        CHECK(is_free(driver_sim.space(second), info(r).ulVAStart));
        GONE(IMemRegion1, r, 0);
        CHECK_EQ(IEnv_Release(e), 0);                          /* also closes it */
        driver_sim.close(second);
        scene_close();
}

/* ------------------------------------------------------ where memory runs out */

/* The linker sends every calloc here (meson.build): the face's own records, too. */
static uint64_t callocs_left = UINT64_MAX;
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

void *__wrap_calloc(size_t count, size_t bytes)
{
        return callocs_left-- ? __real_calloc(count, bytes) : NULL;
}

static void let_fail(enum quire_sim_point point, uint64_t nth)
{
        if (point == QUIRE_SIM_POINTS)
                callocs_left = nth - 1;
        else
                quire_sim_fail(machine->host(stage), point, nth, nth != 0);
}

enum { STAGES = 9 };

struct travel {
        IMemPool *pool;
        IMemRegion1 *r[4];
        IMemMap *m[3];
};

static int one_step(struct travel *t, unsigned n)
{
        uint64_t va;

        switch (n) {
        case 0: return try_create(group, t->pool, 0, 3, MEMREGION_VIRTUAL_EXCL, &t->r[0]);
        case 1: return try_create(group, t->pool, 3 * GB, 2, 0, &t->r[3]);
        case 2: return IMemRegion1_GrantAccess(t->r[0], 3, &t->r[1]);
        case 3: return quire_brew_pass(t->r[1], env[B], &t->r[2]);
        case 4: return IMemSpace_MapRegion(mem[A], t->r[0], 7, 2 * PAGE, &t->m[0], &va, NULL);
        case 5: return try_map(B, t->r[2], 3, &t->m[1], &va);
        case 6: return try_map(A, t->r[3], 1, &t->m[2], &va);
        case 7: return IMemGroup_SetAccess(group, RIGHTS);
        default: return IMemMap_Unmap(t->m[0]);
        }
}

/* Everything once, as far as it goes; how far. */
static unsigned go_through(IMemPool *pool, int *result)
{
        struct travel t = { .pool = pool };
        unsigned n = 0;

        for (*result = AEE_SUCCESS; n < STAGES && *result == AEE_SUCCESS; n++)
                *result = one_step(&t, n);
        for (unsigned i = 0; i < 3; i++)
                if (t.m[i])
                        GONE(IMemMap, t.m[i], 0);
        for (unsigned i = 0; i < 4; i++)
                if (t.r[i])
                        GONE(IMemRegion1, t.r[i], 0);
        return *result == AEE_SUCCESS ? STAGES : n - 1;
}

static void fail_at(enum quire_sim_point point)
{
        unsigned far = 0, last = 0;

        for (uint64_t nth = 1; far < STAGES; nth++) {
                IMemPool *pool;
                int result = 0;

                REQUIRE(nth < 1000);
                scene_open(machine, &plain);
                pool = new_pool(env[A], 20, 0);
                let_fail(point, nth);
                far = go_through(pool, &result);
                CHECK(result == AEE_SUCCESS || result == AEE_ENOMEMORY);
                CHECK(nth > 1 || far < STAGES);
                CHECK(far >= last || far == STAGES);
                last = far;
                quire_system_audit(sys);
                let_fail(point, 0);
                CHECK_EQ(pool_info(pool).dwUsed, 0);
                CHECK_EQ(go_through(pool, &result), STAGES);   /* as if nothing had happened */
                GONE(IMemPool, pool, 0);
                scene_close();
        }
}

static void fail_everywhere(void)
{
        fail_at(QUIRE_SIM_ALLOC);
        fail_at(QUIRE_SIM_TABLE);
        fail_at(QUIRE_SIM_POINTS);
}

static void test_every_allocation_fails_once(void)
{
        on_machines(fail_everywhere);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_A6_on_every_machine);
        RUN(test_A15_on_every_machine);
        RUN(test_A15_stores_reach_fixed_memory);
        RUN(test_A7_on_every_machine);
        RUN(test_A7_without_flags);
        RUN(test_A8_on_every_machine);
        RUN(test_A8_ends_on_every_machine);
        RUN(test_environments_are_checked);
        RUN(test_every_allocation_fails_once);
        return test_end();
}
