/*
 * brew_rights_test.c - BREW's memory regions: who may do what, exhaustively where the
 * rights are few enough; groups; what reaches another process.  Each test is named
 * after the row that it asserts.
 */
#include "brew_stage.h"

static const struct drive_options plain = { 0 };

/* What the interface says of rights, as a model: a set, and the one rule. */
static bool within(uint32 inner, uint32 outer)
{
        for (unsigned bit = 0; bit < 3; bit++)
                if (inner >> bit & 1 && !(outer >> bit & 1))
                        return false;
        return true;
}

/* Do accesses through a map of these rights end as they should?  Writing and executing
 * include reading. */
static void expect_access(unsigned who, uint64_t va, uint32 perms, unsigned why)
{
        uint8_t byte;

        CHECK_EQ(get(who, va, &byte), perms ? 0 : why);
        CHECK_EQ(put(who, va, byte), perms & MEMREGION_ACCESS_WRITE ? 0 : why);
        CHECK_EQ(run_at(who, va), perms & MEMREGION_ACCESS_EXECUTE ? 0 : why);
}

/* ------------------------------------------------------------------ A4, A5, A12 */

static void test_A4_granting_never_widens(void)
{
        scene_open(&driver_sim, &plain);
        for (uint32 has = 0; has <= RIGHTS; has++)
                for (uint32 wants = 0; wants <= RIGHTS; wants++) {
                        IMemRegion1 *r = create(1, MEMREGION_PERMS(has)), *narrow = r;

                        ANSWERS(IMemRegion1_GrantAccess(r, wants, &narrow),
                                within(wants, has) ? AEE_SUCCESS : AEE_EPRIVLEVEL, narrow);
                        CHECK_EQ(info(r).nPerms, has);
                        if (narrow) {
                                CHECK_EQ(info(narrow).nPerms, wants);
                                GONE(IMemRegion1, narrow, 0);
                        }
                        GONE(IMemRegion1, r, 0);
                }
        scene_close();
}

/* One chain; grants that are refused end it. */
static void chain(const uint32 perms[4])
{
        IMemRegion1 *r[4] = { create(1, MEMREGION_PERMS(perms[0])) };
        unsigned n = 1;

        for (; n < 4; n++) {
                bool allowed = within(perms[n], perms[n - 1]);

                ANSWERS(IMemRegion1_GrantAccess(r[n - 1], perms[n], &r[n]),
                        allowed ? AEE_SUCCESS : AEE_EPRIVLEVEL, r[n]);
                if (!r[n])
                        break;
                for (unsigned k = 0; k <= n; k++) {
                        CHECK_EQ(info(r[k]).nPerms, perms[k]);
                        CHECK(within(perms[n], perms[k]));
                }
        }
        for (unsigned k = 0; k < 4; k++)
                if (r[k])
                        GONE(IMemRegion1, r[k], 0);
}

static void test_A4_every_chain_of_three_grants(void)
{
        scene_open(&driver_sim, &plain);
        for (uint32 n = 0; n < 8 * 8 * 8 * 8; n++)
                chain((const uint32[4]){ n & 7, n >> 3 & 7, n >> 6 & 7, n >> 9 & 7 });
        scene_close();
}

static void test_A4_both_objects_see_the_same_bytes(void)
{
        IMemRegion1 *r, *reader;
        IMemMap *m[2];
        uint64_t va[2];

        scene_open(machine, &plain);
        r = create(3, 0);
        reader = granted(r, MEMREGION_ACCESS_READ);
        m[0] = map(A, r, RIGHTS, &va[0]);
        m[1] = map(A, reader, MEMREGION_ACCESS_READ, &va[1]);
        CHECK(va[0] != va[1]);
        for (uint64_t i = 0; i < 3; i++) {
                CHECK_EQ(put(A, va[0] + i * PAGE + 9, (uint8_t)(40 + i)), 0);
                CHECK_EQ(byte_of(A, va[1] + i * PAGE + 9), 40 + i);
                CHECK_EQ(put(A, va[1] + i * PAGE + 9, 1), QUIRE_WHY_PROTECTED);
                CHECK_EQ(byte_of(A, va[0] + i * PAGE + 9), 40 + i);
        }
        GONE(IMemMap, m[0], 0);
        CHECK_EQ(byte_of(A, va[1] + 9), 40);
        GONE(IMemMap, m[1], 0);
        GONE(IMemRegion1, reader, 0);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

static void test_A4_on_every_machine(void)
{
        on_machines(test_A4_both_objects_see_the_same_bytes);
}

static void test_A4_bits_that_are_no_rights(void)
{
        IMemRegion1 *r, *out;
        IMemMap *m;

        scene_open(&driver_sim, &plain);
        r = create(1, 0);
        for (uint32 bits = 8; bits; bits <<= 1) {
                out = r;
                ANSWERS(IMemRegion1_GrantAccess(r, bits, &out), AEE_EBADPARM, out);
                m = (IMemMap *)(void *)r;
                ANSWERS(try_map(A, r, bits, &m, NULL), AEE_EBADPARM, m);
                CHECK_EQ(IMemGroup_SetAccess(group, bits), AEE_EBADPARM);
        }
        CHECK_EQ(IMemRegion1_GrantAccess(r, 1, NULL), AEE_EBADPARM);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

static void test_A5_all_combinations(void)
{
        scene_open(machine, &plain);
        for (uint32 perms = 0; perms <= RIGHTS; perms++) {
                IMemRegion1 *r = create(2, MEMREGION_PERMS(perms));
                uint64_t va;
                IMemMap *m = map(A, r, perms, &va);

                expect_access(A, va, perms, QUIRE_WHY_PROTECTED);
                expect_access(A, va + PAGE + 5, perms, QUIRE_WHY_PROTECTED);
                GONE(IMemMap, m, 0);
                GONE(IMemRegion1, r, 0);
        }
        scene_close();
}

static void test_A5_on_every_machine(void)
{
        on_machines(test_A5_all_combinations);
}

static void map_pair(uint32 has, uint32 wants, unsigned who)
{
        IMemRegion1 *r = create(1, MEMREGION_PERMS(has));
        IMemRegion1 *there = passed(r, who);
        IMemMap *m = (IMemMap *)(void *)r;
        MemMapInfo i;
        uint64_t va = 0;

        ANSWERS(try_map(who, there, wants, &m, &va),
                within(wants, has) ? AEE_SUCCESS : AEE_EPRIVLEVEL, m);
        if (m) {
                CHECK(IMemMap_GetInfo(m, &i) == AEE_SUCCESS && i.nPerms == (int)wants);
                expect_access(who, va, wants, QUIRE_WHY_PROTECTED);
                /* The space itself can protect up to the object's rights, and no further. */
                for (unsigned more = 0; more <= RIGHTS; more++)
                        CHECK_EQ(quire_region_protect(spaces[who], va, PAGE, more, NULL),
                                 within(more, has) ? QUIRE_OK : QUIRE_DENIED);
                GONE(IMemMap, m, 0);
        }
        GONE(IMemRegion1, there, 0);
        GONE(IMemRegion1, r, 0);
}

static void test_A12_every_pair_of_rights(void)
{
        scene_open(machine, &plain);
        for (uint32 has = 0; has <= RIGHTS; has++)
                for (uint32 wants = 0; wants <= RIGHTS; wants++) {
                        map_pair(has, wants, A);
                        map_pair(has, wants, B);
                }
        scene_close();
}

static void test_A12_on_every_machine(void)
{
        on_machines(test_A12_every_pair_of_rights);
}

static void test_A12_sizes(void)
{
        IMemRegion1 *r;
        IMemMap *m = NULL;
        uint64_t va, mapped = 0;
        uint8_t byte;

        scene_open(&driver_sim, &plain);
        r = create(4, 0);
        ANSWERS(IMemSpace_MapRegion(mem[A], r, 1, 4 * PAGE + 1, &m, &va, &mapped), AEE_EBADPARM, m);
        ANSWERS(IMemSpace_MapRegion(mem[A], r, 1, PAGE + 1, &m, &va, &mapped), AEE_SUCCESS, m);
        CHECK_EQ(mapped, 2 * PAGE);
        CHECK_EQ(va, info(r).ulVAStart);
        CHECK_EQ(get(A, va + 2 * PAGE - 1, &byte), 0);
        CHECK_EQ(get(A, va + 2 * PAGE, &byte), QUIRE_WHY_RESERVED);
        GONE(IMemMap, m, 0);
        CHECK_EQ(info_of(va).run_bytes, 4 * PAGE);             /* kept in one piece again */
        CHECK_EQ(IMemSpace_MapRegion(mem[A], r, 1, 0, NULL, &va, &mapped), AEE_EBADPARM);
        ANSWERS(IMemSpace_MapRegion(mem[A], r, 1, 0, &m, NULL, NULL), AEE_SUCCESS, m);
        GONE(IMemMap, m, 0);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

/* ----------------------------------------------------------------- groups: A11 */

enum { MANY = 6 };

struct crowd {
        IMemGroup *group;
        IMemRegion1 *r[MANY], *there[MANY];
        IMemMap *m[MANY];
        uint64_t va[MANY];
};

/* Regions of different rights, mapped by A and B by turns. */
static void gather(struct crowd *c, IMemGroup *g)
{
        c->group = g;
        for (unsigned i = 0; i < MANY; i++) {
                c->r[i] = create_in(g, NULL, 1, MEMREGION_PERMS(RIGHTS - i % 3));
                c->there[i] = passed(c->r[i], B);
                c->m[i] = map(i % 2, i % 2 ? c->there[i] : c->r[i], RIGHTS - i % 3, &c->va[i]);
        }
}

static void scatter(struct crowd *c)
{
        for (unsigned i = 0; i < MANY; i++) {
                GONE(IMemMap, c->m[i], 0);
                GONE(IMemRegion1, c->there[i], 0);
                GONE(IMemRegion1, c->r[i], 0);
        }
}

static void expect_crowd(const struct crowd *c, uint32 allowed, unsigned why)
{
        MemRegionInfo list[MANY + 1];
        MemMapInfo mapped;
        uint32 count;

        CHECK_EQ(IMemGroup_ListRegions(c->group, list, MANY + 1, &count), AEE_SUCCESS);
        CHECK_EQ(count, MANY);
        for (unsigned i = 0; i < MANY; i++) {
                uint32 perms = (RIGHTS - i % 3) & allowed;

                expect_access(i % 2, c->va[i], perms, why);
                CHECK_EQ(info(c->r[i]).nPerms, perms);
                CHECK_EQ(info(c->there[i]).nPerms, perms);
                CHECK_EQ(list[i].nPerms, perms);
                CHECK_EQ(IMemMap_GetInfo(c->m[i], &mapped), AEE_SUCCESS);
                CHECK_EQ(mapped.nPerms, perms);
        }
}

static void test_A11_revoking_reaches_all_of_the_group_and_no_other(void)
{
        struct crowd one, two;
        IMemRegion1 *r = NULL;
        IMemMap *m = NULL;

        scene_open(machine, &plain);
        gather(&one, group);
        gather(&two, new_group(env[A]));
        expect_crowd(&one, RIGHTS, QUIRE_WHY_PROTECTED);
        CHECK_EQ(IMemGroup_Revoke(one.group), AEE_SUCCESS);
        expect_crowd(&one, 0, QUIRE_WHY_REVOKED);
        expect_crowd(&two, RIGHTS, QUIRE_WHY_PROTECTED);
        for (unsigned i = 0; i < MANY; i++) {                  /* and nothing new */
                for (uint32 perms = 0; perms <= RIGHTS; perms++) {
                        ANSWERS(IMemRegion1_GrantAccess(one.r[i], perms, &r), AEE_EPRIVLEVEL, r);
                        ANSWERS(try_map(B, one.there[i], perms, &m, NULL), AEE_EPRIVLEVEL, m);
                }
                ANSWERS(quire_brew_pass(one.r[i], env[B], &r), AEE_EPRIVLEVEL, r);
        }
        ANSWERS(try_create(one.group, NULL, 0, 1, 0, &r), AEE_EPRIVLEVEL, r);
        ANSWERS(try_create(one.group, NULL, 0, 1, MEMREGION_PERMS(0), &r), AEE_EPRIVLEVEL, r);
        scatter(&one);
        expect_crowd(&two, RIGHTS, QUIRE_WHY_PROTECTED);
        scatter(&two);
        GONE(IMemGroup, two.group, 0);
        scene_close();
}

static void test_A11_rights_of_the_group_narrow_for_all(void)
{
        struct crowd one, two;
        IMemRegion1 *r = NULL;
        uint32 now = RIGHTS;

        scene_open(machine, &plain);
        gather(&one, group);
        gather(&two, new_group(env[A]));
        for (unsigned step = 0; step < 4; step++) {
                static const uint32 to[] = { 7, 3, 1, 0 };

                for (uint32 wider = 0; wider <= RIGHTS; wider++)
                        if (!within(wider, now))
                                CHECK_EQ(IMemGroup_SetAccess(one.group, wider), AEE_EPRIVLEVEL);
                CHECK_EQ(IMemGroup_SetAccess(one.group, now = to[step]), AEE_SUCCESS);
                expect_crowd(&one, now, QUIRE_WHY_PROTECTED);
                expect_crowd(&two, RIGHTS, QUIRE_WHY_PROTECTED);
                for (uint32 wants = 0; wants <= RIGHTS; wants++) {
                        ANSWERS(try_create(one.group, NULL, 0, 1, MEMREGION_PERMS(wants), &r),
                                now && within(wants, now) ? AEE_SUCCESS : AEE_EPRIVLEVEL, r);
                        if (r)
                                GONE(IMemRegion1, r, 0);
                }
        }
        scatter(&one);
        scatter(&two);
        GONE(IMemGroup, two.group, 0);
        scene_close();
}

/* A map that is made later can not be protected back to what the group took away. */
static void test_A11_what_was_taken_stays_taken(void)
{
        IMemRegion1 *r;
        IMemMap *m;
        uint64_t va;

        scene_open(machine, &plain);
        r = create(1, 0);
        CHECK_EQ(IMemGroup_SetAccess(group, MEMREGION_ACCESS_READ), AEE_SUCCESS);
        m = map(A, r, MEMREGION_ACCESS_READ, &va);
        CHECK_EQ(quire_region_protect(spaces[A], va, PAGE, RW, NULL), QUIRE_DENIED);
        expect_access(A, va, MEMREGION_ACCESS_READ, QUIRE_WHY_PROTECTED);
        GONE(IMemMap, m, 0);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

static void test_A11_on_every_machine(void)
{
        on_machines(test_A11_revoking_reaches_all_of_the_group_and_no_other);
        on_machines(test_A11_rights_of_the_group_narrow_for_all);
        on_machines(test_A11_what_was_taken_stays_taken);
}

/* --------------------------------------------------------------- passing: A13 */

static void expect_nothing_mapped(struct quire_space *s)
{
        struct quire_info i;

        for (uint64_t at = 0; quire_region_query(s, at, &i) == QUIRE_OK;
             at = i.run_first + i.run_bytes)
                CHECK(!i.mapped);
}

static void test_A13_only_passing_reaches_another_process(void)
{
        IMemRegion1 *r, *there, fake;
        IMemMap *m[2] = { NULL };
        uint64_t va[2];
        uint8_t byte;
        void *p = NULL;

        scene_open(machine, &plain);
        r = create(1, 0);
        m[0] = map(A, r, RIGHTS, &va[0]);
        CHECK_EQ(put(A, va[0], 200), 0);

        for (uint32 perms = 0; perms <= RIGHTS; perms++)       /* not by A's pointer, */
                ANSWERS(try_map(B, r, perms, &m[1], NULL), AEE_EPRIVLEVEL, m[1]);
        fake = (IMemRegion1){ mem[A]->pvt };                   /* nor one that is none, */
        CHECK_EQ(IMemSpace_MapRegion(mem[B], &fake, 1, 0, &m[1], NULL, NULL), AEE_EBADPARM);
        CHECK_EQ(IMemSpace_MapRegion(mem[B], NULL, 1, 0, &m[1], NULL, NULL), AEE_EBADPARM);
        for (AEECLSID id = AEEIID_IEnv; id < AEECLSID_MemSpace + 100; id++)    /* a number, */
                if (id != AEECLSID_MemGroup && id != AEECLSID_MemSpace)
                        ANSWERS(IEnv_CreateInstance(env[B], id, &p), AEE_ECLASSNOTSUPPORT, p);
        CHECK_EQ(get(B, va[0], &byte), QUIRE_WHY_FREE);        /* its address, */
        expect_nothing_mapped(spaces[B]);

        there = passed(r, B);                                  /* but by passing it */
        m[1] = map(B, there, RIGHTS, &va[1]);
        CHECK_EQ(byte_of(B, va[1]), 200);
        CHECK_EQ(put(B, va[1], 201), 0);
        CHECK_EQ(byte_of(A, va[0]), 201);
        for (unsigned i = 0; i < 2; i++)
                GONE(IMemMap, m[i], 0);
        GONE(IMemRegion1, there, 0);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

static void test_A13_on_every_machine(void)
{
        on_machines(test_A13_only_passing_reaches_another_process);
}

static void test_A13_passing_gives_no_more_rights(void)
{
        IMemRegion1 *r, *narrow, *there, *wide = NULL;

        scene_open(&driver_sim, &plain);
        r = create(1, 0);
        for (uint32 perms = 0; perms <= RIGHTS; perms++) {
                narrow = granted(r, perms);
                there = passed(narrow, B);
                CHECK_EQ(info(there).nPerms, perms);
                CHECK_EQ(info(there).ulVAStart, info(r).ulVAStart);
                for (uint32 wants = 0; wants <= RIGHTS; wants++) {
                        ANSWERS(IMemRegion1_GrantAccess(there, wants, &wide),
                                within(wants, perms) ? AEE_SUCCESS : AEE_EPRIVLEVEL, wide);
                        if (wide)
                                GONE(IMemRegion1, wide, 0);
                }
                GONE(IMemRegion1, narrow, 0);
                GONE(IMemRegion1, there, 0);
        }
        there = r;
        ANSWERS(quire_brew_pass(NULL, env[B], &there), AEE_EBADPARM, there);
        ANSWERS(quire_brew_pass(r, NULL, &there), AEE_EBADPARM, there);
        CHECK_EQ(quire_brew_pass(r, env[B], NULL), AEE_EBADPARM);
        GONE(IMemRegion1, r, 0);
        scene_close();
}

/* ------------------------------------------------------------------------ A14 */

enum { OBJECTS = 12, MAPS = 6 };

struct model {
        struct {
                IMemRegion1 *r;
                unsigned who;
                uint64_t va, bytes;
                uint32 perms, flags;
        } object[OBJECTS];
        struct {
                IMemMap *m;
                unsigned object;
                uint64_t va;
        } map[MAPS];
        uint32 access;
};

static void expect_model(const struct model *o)
{
        for (unsigned i = 0; i < OBJECTS; i++)
                if (o->object[i].r) {
                        MemRegionInfo is = info(o->object[i].r);

                        CHECK_EQ(is.ulVAStart, o->object[i].va);
                        CHECK_EQ(is.dwSize, o->object[i].bytes);
                        CHECK_EQ(is.nPerms, o->object[i].perms & o->access);
                        CHECK_EQ(is.nFlags, o->object[i].flags);
                }
}

static void change_object(struct model *o, uint64_t *seed, unsigned to)
{
        static const uint32 flags[] = { 0, MEMREGION_CACHE_NONE, MEMREGION_VIRTUAL_EXCL,
                MEMREGION_CACHE_WRITETHRU | MEMREGION_SHARE_COMMON, MEMREGION_VIRTUAL_COMMON };
        unsigned from = (unsigned)(test_random(seed) % OBJECTS);
        uint32 perms = (uint32)(test_random(seed) % 8);

        if (o->object[to].r) {
                for (unsigned k = 0; k < MAPS; k++)
                        if (o->map[k].m && o->map[k].object == to)
                                return;
                GONE(IMemRegion1, o->object[to].r, 0);
                o->object[to].r = NULL;
        } else if (!o->object[from].r) {
                o->object[to].flags = flags[perms % 5];
                o->object[to].perms = perms & o->access;
                o->object[to].bytes = (1 + perms) * PAGE;
                o->object[to].r = create(1 + perms, flags[perms % 5] |
                                                    MEMREGION_PERMS(perms & o->access));
                o->object[to].va = info(o->object[to].r).ulVAStart;
                o->object[to].who = A;
        } else if (perms & 1) {
                o->object[to] = o->object[from];
                o->object[to].perms &= perms & o->access;
                o->object[to].r = granted(o->object[from].r, o->object[to].perms);
        } else {
                o->object[to] = o->object[from];
                o->object[to].who = perms >> 1 & 1;
                o->object[to].r = passed(o->object[from].r, perms >> 1 & 1);
        }
}

static void change_map(struct model *o, uint64_t *seed, unsigned k)
{
        unsigned i = (unsigned)(test_random(seed) % OBJECTS);
        uint32 perms = o->object[i].perms & o->access;
        int result;

        if (o->map[k].m) {
                GONE(IMemMap, o->map[k].m, 0);
                o->map[k].m = NULL;
        } else if (o->object[i].r) {
                result = try_map(o->object[i].who, o->object[i].r, perms, &o->map[k].m,
                                 &o->map[k].va);
                CHECK(result == AEE_SUCCESS ||
                      (result == AEE_EITEMBUSY && o->object[i].flags & 0x300));
                o->map[k].object = i;
                if (!result && perms & MEMREGION_ACCESS_WRITE)
                        CHECK_EQ(put(o->object[i].who, o->map[k].va, 1), 0);
        }
}

static void test_A14_info_agrees_after_every_operation(void)
{
        uint64_t seed = test_seed();

        for (unsigned round = 0; round < 40; round++) {
                struct model o = { .access = RIGHTS };

                scene_open(&driver_sim, &plain);
                for (unsigned n = 0; n < 200; n++) {
                        if (test_random(&seed) % 2)
                                change_object(&o, &seed, (unsigned)(test_random(&seed) % OBJECTS));
                        else
                                change_map(&o, &seed, (unsigned)(test_random(&seed) % MAPS));
                        if (n == 100 && round % 2)
                                CHECK_EQ(IMemGroup_SetAccess(group, o.access = 7 & round), 0);
                        expect_model(&o);
                }
                CHECK_EQ(IMemGroup_Revoke(group), AEE_SUCCESS);
                o.access = 0;
                expect_model(&o);
                for (unsigned k = 0; k < MAPS; k++)
                        if (o.map[k].m)
                                GONE(IMemMap, o.map[k].m, 0);
                for (unsigned i = 0; i < OBJECTS; i++)
                        if (o.object[i].r)
                                GONE(IMemRegion1, o.object[i].r, 0);
                scene_close();
        }
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_A4_granting_never_widens);
        RUN(test_A4_every_chain_of_three_grants);
        RUN(test_A4_on_every_machine);
        RUN(test_A4_bits_that_are_no_rights);
        RUN(test_A5_on_every_machine);
        RUN(test_A12_on_every_machine);
        RUN(test_A12_sizes);
        RUN(test_A11_on_every_machine);
        RUN(test_A13_on_every_machine);
        RUN(test_A13_passing_gives_no_more_rights);
        RUN(test_A14_info_agrees_after_every_operation);
        return test_end();
}
