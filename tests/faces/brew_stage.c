/*
 * brew_stage.c - the calls of brew_stage.h.
 */
#include "brew_stage.h"

struct quire_space *spaces[2];
IEnv *env[2];
IMemSpace *mem[2];
IMemGroup *group;
const struct driver *machine = &driver_sim;

void scene_open(const struct driver *driver, const struct drive_options *options)
{
        machine = driver;
        stage_open_with(driver, options);
        spaces[A] = space;
        spaces[B] = stage_space(options->layout);
        for (unsigned i = 0; i < 2; i++) {
                void *p = NULL;

                REQUIRE(quire_brew_open(sys, spaces[i], &env[i]) == AEE_SUCCESS);
                REQUIRE(IEnv_CreateInstance(env[i], AEECLSID_MemSpace, &p) == AEE_SUCCESS);
                mem[i] = p;
        }
        group = new_group(env[A]);
}

void scene_close(void)
{
        GONE(IMemGroup, group, 0);
        for (unsigned i = 0; i < 2; i++) {
                GONE(IMemSpace, mem[i], 0);
                quire_brew_close(env[i]);
        }
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(counters().reserved, 0);
        stage_close();
}

void on_machines(void (*test)(void))
{
        for (unsigned i = 0; drivers[i]; i++)
                if (drivers[i]->simulated) {
                        machine = drivers[i];
                        test();
                }
        machine = &driver_sim;
}

IMemGroup *new_group(IEnv *e)
{
        void *p = NULL;

        REQUIRE(IEnv_CreateInstance(e, AEECLSID_MemGroup, &p) == AEE_SUCCESS);
        return p;
}

IMemPool *new_pool(IEnv *e, uint64_t pages, uint32 flags)
{
        IMemPool *pool = NULL;

        REQUIRE(IEnv_CreatePool(e, pages * PAGE, flags, &pool) == AEE_SUCCESS);
        return pool;
}

MemPoolInfo pool_info(IMemPool *pool)
{
        MemPoolInfo i = { 0 };

        CHECK(IMemPool_GetInfo(pool, &i) == AEE_SUCCESS);
        return i;
}

int try_create(IMemGroup *g, IMemPool *pool, uint64_t va, uint64_t pages, uint32 flags,
               IMemRegion1 **out)
{
        const PhysMemInfo physical = { .dwSize = pages * PAGE };

        return IMemGroup_CreateRegion(g, (IQI *)pool, va, &physical, flags, out);
}

IMemRegion1 *create_in(IMemGroup *g, IMemPool *pool, uint64_t pages, uint32 flags)
{
        IMemRegion1 *r = NULL;

        REQUIRE(try_create(g, pool, 0, pages, flags, &r) == AEE_SUCCESS);
        return r;
}

IMemRegion1 *create(uint64_t pages, uint32 flags)
{
        return create_in(group, NULL, pages, flags);
}

IMemRegion1 *granted(IMemRegion1 *r, uint32 perms)
{
        IMemRegion1 *narrow = NULL;

        REQUIRE(IMemRegion1_GrantAccess(r, perms, &narrow) == AEE_SUCCESS);
        return narrow;
}

IMemRegion1 *passed(IMemRegion1 *r, unsigned to)
{
        IMemRegion1 *there = NULL;

        REQUIRE(quire_brew_pass(r, env[to], &there) == AEE_SUCCESS);
        return there;
}

MemRegionInfo info(IMemRegion1 *r)
{
        MemRegionInfo i = { 0 };

        CHECK(IMemRegion1_GetInfo(r, &i) == AEE_SUCCESS);
        return i;
}

int try_map(unsigned who, IMemRegion1 *r, uint32 perms, IMemMap **out, uint64_t *va)
{
        uint64_t mapped = 0;
        int result = IMemSpace_MapRegion(mem[who], r, perms, 0, out, va, &mapped);

        if (result == AEE_SUCCESS)
                CHECK_EQ(mapped, info(r).dwSize);
        return result;
}

IMemMap *map(unsigned who, IMemRegion1 *r, uint32 perms, uint64_t *va)
{
        IMemMap *m = NULL;

        REQUIRE(try_map(who, r, perms, &m, va) == AEE_SUCCESS);
        return m;
}

static unsigned access_of(unsigned who, uint64_t va, unsigned access, uint8_t *byte)
{
        enum quire_reason why = 0;
        enum drive_answer a = machine->access(stage, spaces[who], va, access, byte, 1, &why);

        CHECK(a != DRIVE_STUCK);
        return a == DRIVE_OK ? 0 : why ? why : QUIRE_WHY_FREE;
}

unsigned get(unsigned who, uint64_t va, uint8_t *byte)
{
        return access_of(who, va, QUIRE_R, byte);
}

unsigned put(unsigned who, uint64_t va, uint8_t byte)
{
        return access_of(who, va, QUIRE_W, &byte);
}

unsigned run_at(unsigned who, uint64_t va)
{
        uint8_t byte;

        return access_of(who, va, QUIRE_X, &byte);
}

uint8_t byte_of(unsigned who, uint64_t va)
{
        uint8_t byte = 0xee;

        CHECK_EQ(get(who, va, &byte), 0);
        return byte;
}
