/*
 * brew_test.c - BREW's memory regions, each test named after the row that it asserts:
 * regions, pools, interfaces, groups, addresses, sharing, lifetime.  Rights are in
 * brew_rights_test.c, real processes in brew_linux_test.c.
 */
#include "brew_stage.h"

static const struct drive_options plain = { 0 };

/* ------------------------------------------------------------------ regions */

static void expect_info(IMemRegion1 *r, uint64_t va, uint64_t bytes, uint32 perms, uint32 flags)
{
        MemRegionInfo i = info(r);

        CHECK_EQ(i.ulVAStart, va);
        CHECK_EQ(i.dwSize, bytes);
        CHECK_EQ(i.nPerms, perms);
        CHECK_EQ(i.nFlags, flags);
}

static void create_and_ask(uint64_t bytes, uint32 flags, uint64_t at)
{
        const PhysMemInfo physical = { .dwSize = bytes };

        for (uint32 perms = 0; perms <= RIGHTS; perms++) {
                IMemRegion1 *r = NULL;
                uint64_t va;

                ANSWERS(IMemGroup_CreateRegion(group, NULL, at, &physical,
                                               flags | MEMREGION_PERMS(perms), &r), 0, r);
                va = info(r).ulVAStart;
                CHECK(at ? va == at : va && !(va % PAGE));
                expect_info(r, va, (bytes + PAGE - 1) / PAGE * PAGE, perms, flags);
                GONE(IMemRegion1, r, 0);
        }
}

static void info_is_what_was_created(const struct drive_options *o)
{
        static const uint32 flags[] = { 0, MEMREGION_CACHE_NONE, MEMREGION_CACHE_WRITETHRU,
                MEMREGION_VIRTUAL_EXCL | MEMREGION_SHARE_COMMON,
                MEMREGION_VIRTUAL_COMMON | MEMREGION_SHARE_EXCL | MEMREGION_CACHE_WRITEBACK };

        scene_open(&driver_sim, o);
        for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
                create_and_ask(1, flags[i], 0);
                create_and_ask(PAGE - 1, flags[i], 3 * GB);
                create_and_ask(PAGE, flags[i], 0);
                create_and_ask(PAGE + 1, flags[i], 3 * GB);
                create_and_ask(17 * PAGE, flags[i], 5 * TB);
                create_and_ask(10 * GB, flags[i], 0);
        }
        scene_close();
}

static void test_A1_info_is_what_was_created(void)
{
        const struct drive_options large = { .page_shift = 16 };

        info_is_what_was_created(&plain);
        info_is_what_was_created(&large);
}

static void test_A1_contiguous_and_no_larger(void)
{
        IMemRegion1 *r;
        IMemMap *m;
        uint64_t va;
        uint8_t byte;

        scene_open(machine, &plain);
        r = create(9, 0);
        m = map(A, r, RIGHTS, &va);
        CHECK_EQ(va, info(r).ulVAStart);
        for (uint64_t at = 0; at < 9 * PAGE; at += PAGE / 2)
                CHECK_EQ(put(A, va + at, (uint8_t)(at / 7)), 0);
        for (uint64_t at = 0; at < 9 * PAGE; at += PAGE / 2)
                CHECK_EQ(byte_of(A, va + at), (uint8_t)(at / 7));
        CHECK_EQ(get(A, va - 1, &byte), QUIRE_WHY_FREE);
        CHECK_EQ(get(A, va + 9 * PAGE, &byte), QUIRE_WHY_FREE);
        GONE(IMemMap, m, 0);
        CHECK_EQ(get(A, va, &byte), QUIRE_WHY_RESERVED);       /* kept for the next map */
        GONE(IMemRegion1, r, 0);
        CHECK_EQ(get(A, va, &byte), QUIRE_WHY_FREE);
        scene_close();
}

static void test_A1_contiguous_on_every_machine(void)
{
        on_machines(test_A1_contiguous_and_no_larger);
}

static void refuse(uint64_t bytes, uint64_t va, uint32 flags, int result)
{
        const PhysMemInfo physical = { .dwSize = bytes };
        IMemRegion1 *r = (IMemRegion1 *)(void *)group;

        ANSWERS(IMemGroup_CreateRegion(group, NULL, va, &physical, flags, &r), result, r);
}

static void test_A1_what_makes_no_sense_is_refused(void)
{
        PhysMemInfo physical = { .dwSize = PAGE, .nFlags = 2 };
        IMemRegion1 *r;
        uint64_t va;

        scene_open(&driver_sim, &plain);
        refuse(0, 0, 0, AEE_EBADPARM);
        refuse(UINT64_MAX, 0, 0, AEE_EBADPARM);
        refuse(UINT64_MAX - PAGE, 0, 0, AEE_EBADPARM);
        refuse(PAGE, 12345, 0, AEE_EBADPARM);
        refuse(PAGE, 0, MEMREGION_VIRTUAL_EXCL | MEMREGION_VIRTUAL_COMMON, AEE_EBADPARM);
        refuse(PAGE, 0, MEMREGION_SHARE_EXCL | MEMREGION_SHARE_COMMON, AEE_EBADPARM);
        refuse(PAGE, 0, 0x4, AEE_EBADPARM);
        refuse(PAGE, 0, 0x100000, AEE_EBADPARM);
        refuse(PAGE, 0, 0x10000, AEE_EBADPARM);                /* rights without their mark */
        refuse((uint64_t)1 << 50, 0, 0, AEE_EBADPARM);         /* larger than the space */
        CHECK_EQ(IMemGroup_CreateRegion(group, NULL, 0, &physical, 0, &r), AEE_EBADPARM);
        CHECK_EQ(IMemGroup_CreateRegion(group, NULL, 0, NULL, 0, &r), AEE_EBADPARM);
        physical.nFlags = 0;
        CHECK_EQ(IMemGroup_CreateRegion(group, NULL, 0, &physical, 0, NULL), AEE_EBADPARM);
        CHECK(try_reserve(spaces[A], 7 * GB, PAGE, QUIRE_EXACT, &va) == QUIRE_OK);
        refuse(2 * PAGE, 7 * GB - PAGE, 0, AEE_EITEMBUSY);
        CHECK(quire_region_release(spaces[A], va, 0) == QUIRE_OK);
        scene_close();
}

/* ------------------------------------------------------------------- pools */

static void touch_all(IMemRegion1 *r, unsigned wanted)
{
        uint64_t va, bytes = info(r).dwSize;
        IMemMap *m = map(A, r, RIGHTS, &va);

        for (uint64_t at = 0; at < bytes; at += PAGE)
                CHECK_EQ(put(A, va + at, 1), wanted);
        GONE(IMemMap, m, 0);
}

static void test_A2_exhaustion_of_a_pool_takes_from_no_other(void)
{
        const struct drive_options limited = { .commit_limit = 20 * PAGE };
        IMemPool *one, *two;
        IMemRegion1 *first, *second, *other, *r = NULL;

        scene_open(machine, &limited);
        one = new_pool(env[A], 10, 0);
        two = new_pool(env[A], 10, 0);
        first = create_in(group, one, 4, 0);
        second = create_in(group, one, 6, 0);
        touch_all(first, 0);
        touch_all(second, 0);
        CHECK_EQ(pool_info(one).dwUsed, 10 * PAGE);
        ANSWERS(try_create(group, one, 0, 1, 0, &r), AEE_ENOMEMORY, r);
        CHECK_EQ(pool_info(two).dwUsed, 0);
        other = create_in(group, two, 10, 0);                  /* all of it is still there */
        touch_all(other, 0);
        CHECK_EQ(pool_info(one).dwUsed, 10 * PAGE);
        ANSWERS(try_create(group, two, 0, 1, 0, &r), AEE_ENOMEMORY, r);

        GONE(IMemRegion1, second, 0);
        CHECK_EQ(pool_info(one).dwUsed, 4 * PAGE);
        ANSWERS(try_create(group, one, 0, 7, 0, &r), AEE_ENOMEMORY, r);
        GONE(IMemRegion1, first, 0);
        GONE(IMemRegion1, other, 0);
        CHECK_EQ(pool_info(one).dwUsed, 0);
        CHECK_EQ(pool_info(two).dwUsed, 0);
        CHECK_EQ(counters().committed, 0);
        GONE(IMemPool, one, 0);
        GONE(IMemPool, two, 0);
        scene_close();
}

static void test_A2_on_every_machine(void)
{
        on_machines(test_A2_exhaustion_of_a_pool_takes_from_no_other);
}

enum { POOLS = 3, SLOTS = 24 };

/* Regions come and go at random; each pool's charge is the sum of its own. */
static void test_A2_charge_is_the_sum_of_the_regions(void)
{
        uint64_t seed = test_seed(), sum[POOLS] = { 0 };
        IMemPool *pool[POOLS];
        struct {
                IMemRegion1 *r;
                unsigned pool;
                uint64_t pages;
        } slot[SLOTS] = { 0 };

        scene_open(&driver_sim, &plain);
        for (unsigned i = 0; i < POOLS; i++)
                pool[i] = new_pool(env[A], 40, 0);
        for (unsigned n = 0; n < 2000; n++) {
                unsigned k = (unsigned)(test_random(&seed) % SLOTS);
                unsigned p = (unsigned)(test_random(&seed) % POOLS);
                uint64_t pages = test_random(&seed) % 16 + 1;

                if (slot[k].r) {
                        GONE(IMemRegion1, slot[k].r, 0);
                        sum[slot[k].pool] -= slot[k].pages;
                        slot[k].r = NULL;
                } else {
                        ANSWERS(try_create(group, pool[p], 0, pages, 0, &slot[k].r),
                                sum[p] + pages > 40 ? AEE_ENOMEMORY : AEE_SUCCESS, slot[k].r);
                        slot[k].pool = p;
                        slot[k].pages = pages;
                        sum[p] += slot[k].r ? pages : 0;
                }
                for (unsigned i = 0; i < POOLS; i++)
                        CHECK_EQ(pool_info(pool[i]).dwUsed, sum[i] * PAGE);
        }
        for (unsigned k = 0; k < SLOTS; k++)
                if (slot[k].r)
                        GONE(IMemRegion1, slot[k].r, 0);
        for (unsigned i = 0; i < POOLS; i++) {
                CHECK_EQ(pool_info(pool[i]).dwUsed, 0);
                GONE(IMemPool, pool[i], 0);
        }
        scene_close();
}

static void test_A2_pools_are_checked(void)
{
        IMemPool *pool = NULL, *theirs;
        IMemRegion1 *r = NULL;
        MemPoolInfo i;

        scene_open(&driver_sim, &plain);
        ANSWERS(IEnv_CreatePool(env[A], 0, 0, &pool), AEE_EBADPARM, pool);
        ANSWERS(IEnv_CreatePool(env[A], PAGE - 1, 0, &pool), AEE_EBADPARM, pool);
        ANSWERS(IEnv_CreatePool(env[A], PAGE, 2, &pool), AEE_EBADPARM, pool);
        CHECK_EQ(IEnv_CreatePool(env[A], PAGE, 0, NULL), AEE_EBADPARM);
        ANSWERS(IEnv_CreatePool(env[A], 2 * PAGE + 5, 0, &pool), AEE_SUCCESS, pool);
        i = pool_info(pool);
        CHECK(i.dwSize == 2 * PAGE && i.dwUsed == 0 && i.nFlags == 0);
        CHECK_EQ(IMemPool_GetInfo(pool, NULL), AEE_EBADPARM);
        theirs = new_pool(env[B], 5, 0);
        ANSWERS(try_create(group, theirs, 0, 1, 0, &r), AEE_EPRIVLEVEL, r);
        ANSWERS(try_create(group, (IMemPool *)(void *)group, 0, 1, 0, &r), AEE_EBADPARM, r);
        /* A pool without references lives on in its regions. */
        r = create_in(group, pool, 2, 0);
        GONE(IMemPool, pool, 1);
        touch_all(r, 0);
        GONE(IMemRegion1, r, 0);
        GONE(IMemPool, theirs, 0);
        scene_close();
}

static void test_A2_shareable_pools(void)
{
        IMemRegion1 *r, *there;
        IMemPool *pool;
        IMemMap *m[2];
        uint64_t va[2];

        scene_open(&driver_sim, &plain);
        pool = new_pool(env[A], 4, MEMPOOL_SHAREABLE);
        CHECK_EQ(pool_info(pool).nFlags, MEMPOOL_SHAREABLE);
        CHECK_EQ(pool_info(pool).dwUsed, 0);
        r = create_in(group, pool, 4, 0);
        there = passed(r, B);
        m[0] = map(A, r, RIGHTS, &va[0]);
        m[1] = map(B, there, MEMREGION_ACCESS_READ, &va[1]);
        CHECK_EQ(va[0], info(r).ulVAStart);
        CHECK_EQ(put(A, va[0] + 3 * PAGE, 44), 0);
        CHECK_EQ(byte_of(B, va[1] + 3 * PAGE), 44);
        CHECK(put(B, va[1], 1) != 0);
        GONE(IMemMap, m[0], 0);
        GONE(IMemMap, m[1], 0);
        m[0] = map(A, r, MEMREGION_ACCESS_READ, &va[0]);
        CHECK_EQ(va[0], info(r).ulVAStart);
        CHECK_EQ(byte_of(A, va[0] + 3 * PAGE), 44);
        GONE(IMemMap, m[0], 0);
        CHECK_EQ(pool_info(pool).dwUsed, 4 * PAGE);
        GONE(IMemRegion1, there, 0);
        GONE(IMemRegion1, r, 0);
        CHECK_EQ(pool_info(pool).dwUsed, 0);
        GONE(IMemPool, pool, 0);
        scene_close();
}

static void test_A2_not_every_machine_has_shareable_pools(void)
{
        const struct drive_options poor = { .no_plain = true };
        IMemPool *pool = NULL;

        scene_open(&driver_sim, &poor);
        ANSWERS(IEnv_CreatePool(env[A], PAGE, MEMPOOL_SHAREABLE, &pool), AEE_EUNSUPPORTED, pool);
        scene_close();
        scene_open(&driver_x86_64, &plain);
        ANSWERS(IEnv_CreatePool(env[A], PAGE, MEMPOOL_SHAREABLE, &pool), AEE_EUNSUPPORTED, pool);
        scene_close();
}

/* -------------------------------------------------------------- interfaces */

enum { KINDS = 6, IDS = 8 };

static void expect_interfaces(IQI *p, unsigned has)
{
        static const AEEIID ids[IDS] = { AEEIID_IQI, AEEIID_IEnv, AEEIID_IMemPool,
                AEEIID_IMemGroup, AEEIID_IMemRegion, AEEIID_IMemRegion1, AEEIID_IMemSpace,
                AEEIID_IMemMap };

        for (unsigned k = 0; k < IDS; k++) {
                void *got = &got;

                if (has >> k & 1) {
                        CHECK_EQ(IQI_QueryInterface(p, ids[k], &got), AEE_SUCCESS);
                        CHECK(got == p);
                        CHECK_EQ(IQI_Release(p), 1);
                } else {
                        CHECK_EQ(IQI_QueryInterface(p, ids[k], &got), AEE_ECLASSNOTSUPPORT);
                        CHECK(!got);
                }
        }
        for (uint32 unknown = 0; unknown < 3; unknown++) {
                void *got = &got;

                CHECK_EQ(IQI_QueryInterface(p, unknown * 0x7fffffff, &got),
                         AEE_ECLASSNOTSUPPORT);
                CHECK(!got);
        }
        CHECK_EQ(IQI_QueryInterface(p, AEEIID_IQI, NULL), AEE_EBADPARM);
        CHECK_EQ(IQI_AddRef(p), 2);
        CHECK_EQ(IQI_Release(p), 1);                           /* refusals took nothing */
}

static void expect_count(IQI *p, uint64_t *seed)
{
        uint32 refs = 1;

        for (unsigned n = 0; n < 200; n++)
                if (refs == 1 || test_random(seed) % 2)
                        CHECK_EQ(IQI_AddRef(p), ++refs);
                else
                        CHECK_EQ(IQI_Release(p), --refs);
        while (refs > 1)
                CHECK_EQ(IQI_Release(p), --refs);
}

static void test_A3_references_and_interfaces(void)
{
        static const unsigned has[KINDS] = { 1 | 1 << 1, 1 | 1 << 2, 1 | 1 << 3,
                                             1 | 1 << 4 | 1 << 5, 1 | 1 << 6, 1 | 1 << 7 };
        uint64_t seed = test_seed(), va;
        IMemRegion1 *r, *mapped;
        IQI *object[KINDS];
        MemRegionInfo i;

        scene_open(&driver_sim, &plain);
        r = create(2, 0);
        mapped = create(1, 0);
        object[0] = (IQI *)env[B];
        object[1] = (IQI *)new_pool(env[A], 9, 0);
        object[2] = (IQI *)new_group(env[B]);
        object[3] = (IQI *)r;
        object[4] = (IQI *)mem[A];
        object[5] = (IQI *)map(A, mapped, 1, &va);
        for (unsigned k = 0; k < KINDS; k++) {
                expect_interfaces(object[k], has[k]);
                expect_count(object[k], &seed);
        }
        CHECK_EQ(IMemRegion_GetInfo((IMemRegion *)r, NULL), AEE_EBADPARM);
        CHECK_EQ(IMemRegion_GetInfo((IMemRegion *)r, &i), AEE_SUCCESS);
        CHECK_EQ(i.dwSize, 2 * PAGE);
        for (unsigned k = 0; k < KINDS; k++)
                if (k % 4)                                     /* not those of the scene */
                        CHECK_EQ(IQI_Release(object[k]), 0);
        GONE(IMemRegion1, mapped, 0);
        scene_close();
}

static void test_A3_classes(void)
{
        void *p;

        scene_open(&driver_sim, &plain);
        for (uint32 clsid = AEECLSID_MemGroup - 2; clsid < AEECLSID_MemSpace + 3; clsid++) {
                bool known = clsid == AEECLSID_MemGroup || clsid == AEECLSID_MemSpace;

                p = &p;
                ANSWERS(IEnv_CreateInstance(env[A], clsid, &p),
                        known ? AEE_SUCCESS : AEE_ECLASSNOTSUPPORT, p);
                if (p)
                        CHECK_EQ(IQI_Release(p), 0);
        }
        CHECK_EQ(IEnv_CreateInstance(env[A], AEECLSID_MemGroup, NULL), AEE_EBADPARM);
        scene_close();
}

/* --------------------------------------------------------- groups: A10, A16 */

struct known {
        IMemRegion1 *r;
        unsigned group;
        uint64_t va, pages, order;
};

static const struct known *find_known(const struct known *slot, uint64_t va)
{
        for (unsigned k = 0; k < SLOTS; k++)
                if (slot[k].r && slot[k].va == va)
                        return &slot[k];
        return NULL;
}

/* The group lists its own, all of them, oldest first. */
static void expect_list(IMemGroup *g, unsigned number, const struct known *slot)
{
        MemRegionInfo list[SLOTS];
        uint64_t last = 0;
        uint32 count = 0, want = 0;

        CHECK(IMemGroup_ListRegions(g, list, SLOTS, &count) == AEE_SUCCESS);
        for (unsigned k = 0; k < SLOTS; k++)
                want += slot[k].r && slot[k].group == number;
        CHECK_EQ(count, want);
        for (unsigned c = 0; c < count && c < SLOTS; c++) {
                const struct known *k = find_known(slot, list[c].ulVAStart);

                REQUIRE(k);
                CHECK_EQ(k->group, number);
                CHECK_EQ(k->pages * PAGE, list[c].dwSize);
                CHECK(k->order > last);
                last = k->order;
        }
}

static void test_A10_every_region_has_one_group_for_life(void)
{
        struct known slot[SLOTS] = { 0 };
        uint64_t seed = test_seed();
        IMemGroup *g[2];

        scene_open(&driver_sim, &plain);
        g[0] = group;
        g[1] = new_group(env[A]);
        for (unsigned n = 1; n <= 1000; n++) {
                struct known *k = &slot[test_random(&seed) % SLOTS];

                if (k->r) {
                        GONE(IMemRegion1, k->r, 0);
                        k->r = NULL;
                } else {
                        *k = (struct known){ .group = (unsigned)(test_random(&seed) % 2),
                                             .pages = test_random(&seed) % 5 + 1, .order = n };
                        k->r = create_in(g[k->group], NULL, k->pages, 0);
                        k->va = info(k->r).ulVAStart;
                }
                expect_list(g[0], 0, slot);
                expect_list(g[1], 1, slot);
        }
        for (unsigned k = 0; k < SLOTS; k++)
                if (slot[k].r)
                        GONE(IMemRegion1, slot[k].r, 0);
        GONE(IMemGroup, g[1], 0);
        scene_close();
}

static void test_A10_a_group_lives_in_its_regions(void)
{
        IMemGroup *g;
        IMemRegion1 *r, *there;
        uint32 count = 9;

        scene_open(&driver_sim, &plain);
        g = new_group(env[A]);
        r = create_in(g, NULL, 1, 0);
        there = passed(r, B);
        GONE(IMemRegion1, r, 0);
        CHECK_EQ(IMemGroup_ListRegions(g, NULL, 0, &count), AEE_SUCCESS);
        CHECK_EQ(count, 1);                                    /* B's object is of the group */
        CHECK_EQ(IMemGroup_ListRegions(g, NULL, 1, &count), AEE_EBADPARM);
        CHECK_EQ(IMemGroup_ListRegions(g, NULL, 0, NULL), AEE_EBADPARM);
        GONE(IMemGroup, g, 1);
        CHECK_EQ(info(there).nPerms, RIGHTS);
        GONE(IMemRegion1, there, 0);
        scene_close();
}

static void test_A16_empty_groups_and_regions_that_differ(void)
{
        IMemPool *pool;
        IMemRegion1 *r[3];
        MemRegionInfo list[4];
        uint32 count = 9;

        scene_open(&driver_sim, &plain);
        CHECK_EQ(IMemGroup_ListRegions(group, list, 4, &count), AEE_SUCCESS);
        CHECK_EQ(count, 0);
        pool = new_pool(env[A], 8, 0);
        r[0] = create_in(group, pool, 3, MEMREGION_PERMS(MEMREGION_ACCESS_READ));
        r[1] = create_in(group, NULL, 4, MEMREGION_PERMS(MEMREGION_ACCESS_WRITE));
        r[2] = create_in(group, pool, 5, MEMREGION_CACHE_NONE);
        CHECK_EQ(pool_info(pool).dwUsed, 8 * PAGE);
        CHECK_EQ(IMemGroup_ListRegions(group, list, 4, &count), AEE_SUCCESS);
        CHECK_EQ(count, 3);
        CHECK(list[0].nPerms == 1 && list[1].nPerms == 2 && list[2].nPerms == RIGHTS);
        CHECK(list[0].dwSize == 3 * PAGE && list[1].dwSize == 4 * PAGE);
        CHECK(list[2].nFlags == MEMREGION_CACHE_NONE && list[0].nFlags == 0);
        CHECK_EQ(IMemGroup_ListRegions(group, list, 1, &count), AEE_SUCCESS);
        CHECK_EQ(count, 3);                                    /* as many as there are */
        for (unsigned i = 0; i < 3; i++)
                GONE(IMemRegion1, r[i], 0);
        CHECK_EQ(IMemGroup_ListRegions(group, list, 4, &count), AEE_SUCCESS);
        CHECK_EQ(count, 0);                                    /* empty again */
        GONE(IMemPool, pool, 0);
        scene_close();
}

/* ------------------------------------------------------- lifetime: A9, A17, A18 */

static void test_A9_bytes_survive_until_the_last_object(void)
{
        static const unsigned order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                              { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

        for (unsigned n = 0; n < 6; n++) {
                IMemRegion1 *r[3];
                IMemMap *m;
                uint64_t va;

                scene_open(machine, &plain);
                r[0] = create(2, 0);
                r[1] = granted(r[0], RIGHTS);
                r[2] = granted(r[1], MEMREGION_ACCESS_READ | MEMREGION_ACCESS_WRITE);
                m = map(A, r[0], RIGHTS, &va);
                CHECK_EQ(put(A, va + PAGE, 77), 0);
                GONE(IMemMap, m, 0);
                for (unsigned i = 0; i < 3; i++) {
                        for (unsigned k = i; k < 3; k++) {
                                m = map(A, r[order[n][k]], MEMREGION_ACCESS_READ, &va);
                                CHECK_EQ(byte_of(A, va + PAGE), 77);
                                GONE(IMemMap, m, 0);
                        }
                        CHECK_EQ(counters().committed, 1);
                        GONE(IMemRegion1, r[order[n][i]], 0);
                }
                CHECK_EQ(counters().committed, 0);             /* gone with the last */
                scene_close();
        }
}

static void test_A9_on_every_machine(void)
{
        on_machines(test_A9_bytes_survive_until_the_last_object);
}

static void test_A17_a_map_defers_release(void)
{
        IMemPool *pool;
        IMemRegion1 *r;
        IMemMap *m;
        MemMapInfo i;
        uint64_t va;
        uint8_t byte;

        scene_open(machine, &plain);
        pool = new_pool(env[A], 4, 0);
        r = create_in(group, pool, 3, 0);
        m = map(A, r, RIGHTS, &va);
        CHECK_EQ(put(A, va, 5), 0);
        CHECK_EQ(IMemRegion1_AddRef(r), 3);                    /* ours, the map's, and this */
        GONE(IMemRegion1, r, 2);
        GONE(IMemRegion1, r, 1);                               /* deferred */
        CHECK_EQ(byte_of(A, va), 5);
        CHECK_EQ(put(A, va + 2 * PAGE, 6), 0);
        CHECK_EQ(pool_info(pool).dwUsed, 3 * PAGE);
        CHECK_EQ(counters().committed, 2);
        CHECK(IMemMap_GetInfo(m, &i) == AEE_SUCCESS);
        CHECK(i.ulVAStart == va && i.dwSize == 3 * PAGE && i.nPerms == RIGHTS);
        CHECK_EQ(IMemMap_Unmap(m), AEE_SUCCESS);               /* completes it */
        CHECK_EQ(pool_info(pool).dwUsed, 0);
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(get(A, va, &byte), QUIRE_WHY_FREE);
        CHECK(IMemMap_GetInfo(m, &i) == AEE_SUCCESS && i.dwSize == 0);
        CHECK_EQ(IMemMap_Unmap(m), AEE_EFAILED);
        CHECK_EQ(IMemMap_GetInfo(m, NULL), AEE_EBADPARM);
        GONE(IMemMap, m, 0);
        GONE(IMemPool, pool, 0);
        scene_close();
}

static void test_A17_on_every_machine(void)
{
        on_machines(test_A17_a_map_defers_release);
}

static void test_A18_charge_grows_on_touch(void)
{
        const struct drive_options limited = { .commit_limit = 30 * PAGE };
        IMemRegion1 *r, *there;
        IMemMap *m[3];
        uint64_t va[3];
        uint8_t byte;

        scene_open(machine, &limited);
        r = create(100, 0);                                    /* more than can be committed */
        there = passed(r, B);
        m[0] = map(A, r, RIGHTS, &va[0]);
        m[1] = map(A, r, RIGHTS, &va[1]);
        m[2] = map(B, there, RIGHTS, &va[2]);
        CHECK_EQ(counters().committed, 0);
        for (uint64_t i = 0; i < 30; i++) {
                CHECK_EQ(put(i % 3 == 2 ? B : A, va[i % 3] + 3 * i * PAGE, (uint8_t)i), 0);
                CHECK_EQ(counters().committed, i + 1);
        }
        for (uint64_t i = 0; i < 30; i++)                      /* seen elsewhere: charged once */
                CHECK_EQ(byte_of(i % 3 ? A : B, va[i % 3 ? 0 : 2] + 3 * i * PAGE), i);
        CHECK_EQ(counters().committed, 30);
        CHECK_EQ(put(A, va[0] + 99 * PAGE, 1), QUIRE_WHY_NO_MEMORY);
        CHECK_EQ(get(B, va[2] + PAGE, &byte), QUIRE_WHY_NO_MEMORY);
        for (unsigned i = 0; i < 3; i++)
                GONE(IMemMap, m[i], 0);
        CHECK_EQ(counters().committed, 30);                    /* contents stay */
        GONE(IMemRegion1, there, 0);
        GONE(IMemRegion1, r, 0);
        CHECK_EQ(counters().committed, 0);
        scene_close();
}

static void test_A18_on_every_machine(void)
{
        on_machines(test_A18_charge_grows_on_touch);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_A1_info_is_what_was_created);
        RUN(test_A1_contiguous_on_every_machine);
        RUN(test_A1_what_makes_no_sense_is_refused);
        RUN(test_A2_on_every_machine);
        RUN(test_A2_charge_is_the_sum_of_the_regions);
        RUN(test_A2_pools_are_checked);
        RUN(test_A2_shareable_pools);
        RUN(test_A2_not_every_machine_has_shareable_pools);
        RUN(test_A3_references_and_interfaces);
        RUN(test_A3_classes);
        RUN(test_A10_every_region_has_one_group_for_life);
        RUN(test_A10_a_group_lives_in_its_regions);
        RUN(test_A16_empty_groups_and_regions_that_differ);
        RUN(test_A9_on_every_machine);
        RUN(test_A17_on_every_machine);
        RUN(test_A18_on_every_machine);
        return test_end();
}
