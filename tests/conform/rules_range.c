/*
 * rules_range.c - spaces, reserved ranges, views and obstacles.
 */
#include "rules.h"

static void a_fault_is_reported_with_its_kind(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;
        unsigned before;

        rule_open(&rig);
        fake_open(&f, &rig, 16, NULL);
        f.mode = FAKE_DENY;
        for (unsigned page = 0; page < 16; page += 5) {
                before = f.faults;
                CHECK(fake_load(&f, page, 8, &word) == RIG_DENIED);
                CHECK(f.faults > before && f.last_access == QUIRE_R);
                CHECK_EQ(f.last_va / fake_page_size(&rig), fake_va(&f, page) /
                         fake_page_size(&rig));
                before = f.faults;
                CHECK(fake_store(&f, page, 8, 1) == RIG_DENIED);
                CHECK(f.faults > before && f.last_access == QUIRE_W);
        }
        fake_close(&f);
        rule_close(&rig);
}

/* A denied access says so each time, and leaves nothing behind. */
static void a_denied_access_has_no_effect(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rule_protects(&rig)) {
                rule_close(&rig);
                SKIP("this machine cannot refuse writes alone");
        }
        fake_open(&f, &rig, 8, NULL);
        f.page[3].allowed = QUIRE_R;
        for (unsigned i = 0; i < 10; i++) {
                CHECK(fake_store(&f, 3, 0, 99) == RIG_DENIED);
                CHECK(fake_load(&f, 3, 0, &word) == RIG_OK && word == 0);
        }
        f.page[3].allowed = QUIRE_R | QUIRE_W;
        CHECK(fake_store(&f, 3, 0, 99) == RIG_OK);
        CHECK(fake_load(&f, 3, 0, &word) == RIG_OK && word == 99);
        fake_close(&f);
        rule_close(&rig);
}

/* A part is released: accesses are denied, whether the machine denies them by
 * itself or asks once more, and the rest stays. */
static void a_part_is_released(void)
{
        struct fake f = { 0 };
        struct quire_range obstacle;
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 24, NULL);
        for (unsigned page = 0; page < 24; page++)
                CHECK(fake_store(&f, page, 16, rule_word(page, 0)) == RIG_OK);
        fake_lock(&rig);
        rig.ops->release(f.mspace, fake_va(&f, 8), 8);
        for (unsigned page = 8; page < 16; page++) {
                f.page[page].shown = 0;
                f.page[page].allowed = 0;
                fake_free(&f, page);
        }
        fake_unlock(&rig);
        CHECK(fake_load(&f, 8, 0, &word) == RIG_DENIED);
        CHECK(fake_store(&f, 15, 0, 1) == RIG_DENIED);
        for (unsigned page = 0; page < 24; page++)
                if (page < 8 || page >= 16)
                        CHECK(fake_load(&f, page, 16, &word) == RIG_OK &&
                              word == rule_word(page, 0));
        fake_lock(&rig);
        CHECK(rig.ops->reserve(f.mspace, fake_va(&f, 8), 8, NULL, &obstacle) == QUIRE_OK);
        for (unsigned page = 8; page < 16; page++)
                f.page[page].allowed = QUIRE_R | QUIRE_W;
        fake_unlock(&rig);
        for (unsigned page = 8; page < 16; page++)
                CHECK(fake_load(&f, page, 16, &word) == RIG_OK && word == 0);
        fake_close(&f);
        rule_close(&rig);
}

/* Two ranges reserved one beside the other are released in one call. */
static void neighbours_are_released_together(void)
{
        struct fake f = { 0 };
        struct quire_range obstacle;
        struct rig rig;

        rule_open(&rig);
        f.base = rig.kind->room(&rig, 32, true, false);
        fake_open(&f, &rig, 16, NULL);
        fake_lock(&rig);
        REQUIRE(rig.ops->reserve(f.mspace, fake_va(&f, 16), 16, NULL, &obstacle) == QUIRE_OK);
        fake_unlock(&rig);
        f.pages = 32;
        for (unsigned page = 16; page < 32; page++)
                f.page[page].allowed = QUIRE_R | QUIRE_W;
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_store(&f, page, 0, 1) == RIG_OK);
        fake_close(&f);
        rule_close(&rig);
}

/* The same range, not where the abilities recommend it. */
static void a_range_may_lie_anywhere(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        f.base = rig.kind->room(&rig, 20, true, true);
        fake_open(&f, &rig, 20, NULL);
        for (unsigned page = 0; page < 20; page++)
                CHECK(fake_store(&f, page, 0, rule_word(page, 1)) == RIG_OK);
        fake_lock(&rig);
        CHECK(fake_take(&f, 4, 9) == QUIRE_OK);
        CHECK_EQ(fake_peek(&f, 7, 0), rule_word(7, 1));
        fake_unlock(&rig);
        for (unsigned page = 0; page < 20; page++)
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == rule_word(page, 1));
        fake_close(&f);
        rule_close(&rig);
}

/* Reserving is no loop over pages: a range far larger than any memory. */
static void a_huge_range_is_reserved_at_once(void)
{
        struct fake f = { 0 };
        struct quire_range obstacle;
        struct rig rig;
        uint64_t pages, va;

        rule_open(&rig);
        pages = (uint64_t)1 << (37 - rig.ops->abilities(rig.machine)->page_shift);
        va = rig.kind->room(&rig, pages, true, true);
        fake_open(&f, &rig, 4, NULL);
        fake_lock(&rig);
        CHECK(rig.ops->reserve(f.mspace, va, pages, NULL, &obstacle) == QUIRE_OK);
        rig.ops->protect(f.mspace, va, pages, QUIRE_R);
        rig.ops->drop(f.mspace, va, pages);
        rig.ops->release(f.mspace, va + fake_page_size(&rig), pages / 2);
        rig.ops->release(f.mspace, va, 1);
        rig.ops->release(f.mspace, va + fake_page_size(&rig) * (1 + pages / 2),
                         pages - 1 - pages / 2);
        fake_unlock(&rig);
        fake_close(&f);
        rule_close(&rig);
}

static void check_obstacle(struct fake *f, const struct quire_range *o, uint64_t va,
                           uint64_t pages)
{
        size_t page = fake_page_size(f->rig);

        CHECK(o->pages && !(o->first & (page - 1)));
        CHECK(o->first < va + pages * page && o->first + o->pages * page > va);
}

static void an_obstacle_is_named(void)
{
        struct fake f = { 0 };
        struct quire_range o = { 0 };
        struct rig rig;
        uint64_t va, word;
        size_t page;

        rule_open(&rig);
        if (!rig.kind->obstacle) {
                rule_close(&rig);
                SKIP("nothing but the core lives in this machine's spaces");
        }
        page = fake_page_size(&rig);
        fake_open(&f, &rig, 4, NULL);
        va = rig.kind->room(&rig, 64, true, true);
        for (unsigned at = 0; at < 64; at += 21) {
                REQUIRE(rig.kind->obstacle(&rig, f.mspace, va + at * page, 1));
                fake_lock(&rig);
                CHECK(rig.ops->reserve(f.mspace, va, 64, NULL, &o) == QUIRE_CONFLICT);
                check_obstacle(&f, &o, va, 64);
                CHECK(o.first <= va + at * page && o.first + o.pages * page > va + at * page);
                if (rig.ops->delegate) {
                        o = (struct quire_range){ 0 };
                        CHECK(rig.ops->delegate(f.mspace, va, 64, NULL, &o) == QUIRE_CONFLICT);
                        check_obstacle(&f, &o, va, 64);
                }
                fake_unlock(&rig);
                rig.kind->obstacle_remove(&rig, f.mspace, va + at * page, 1);
                /* M3: nothing of the refused range is claimed. */
                fake_lock(&rig);
                REQUIRE(rig.ops->reserve(f.mspace, va, 64, NULL, &o) == QUIRE_OK);
                rig.ops->release(f.mspace, va, 64);
                fake_unlock(&rig);
        }
        CHECK(fake_store(&f, 1, 0, 5) == RIG_OK && fake_load(&f, 1, 0, &word) == RIG_OK &&
              word == 5);
        fake_close(&f);
        rule_close(&rig);
}

/* M3, with the machine's own memory failing. */
static void a_failed_reserve_changes_nothing_M3(void)
{
        struct fake f = { 0 };
        struct quire_range o;
        struct rig rig;
        uint64_t va, word = 0;
        unsigned before;

        rule_open(&rig);
        if (!rig.kind->fail) {
                rule_close(&rig);
                SKIP("failures cannot be requested from this machine");
        }
        fake_open(&f, &rig, 4, NULL);
        va = rig.kind->room(&rig, 64, true, true);
        for (unsigned nth = 1;; nth++) {
                enum quire_status st;

                fake_lock(&rig);
                rig.kind->fail(&rig, RIG_TABLE, nth);
                st = rig.ops->reserve(f.mspace, va, 64, NULL, &o);
                rig.kind->fail(&rig, RIG_TABLE, 0);
                fake_unlock(&rig);
                if (st == QUIRE_OK)
                        break;
                CHECK(st == QUIRE_NO_MEMORY);
                before = f.faults;
                CHECK(rig.kind->access(&rig, f.mspace, va, QUIRE_R, &word, 8) == RIG_DENIED);
                CHECK_EQ(before, f.faults);
        }
        CHECK(rig.kind->access(&rig, f.mspace, va, QUIRE_R, &word, 8) == RIG_DENIED);
        CHECK_EQ(f.last_va / fake_page_size(&rig), va / fake_page_size(&rig));
        fake_lock(&rig);
        rig.ops->release(f.mspace, va, 64);
        fake_unlock(&rig);
        fake_close(&f);
        rule_close(&rig);
}

/* B2: the same address, other contents. */
static void spaces_are_apart_B2(void)
{
        struct fake a = { 0 }, b = { 0 };
        struct rig rig;
        uint64_t word = 0;

        if (rule_kind->spaces < 2)
                SKIP("this machine has one space");
        rule_open(&rig);
        fake_open(&a, &rig, 32, NULL);
        b.base = a.base;
        fake_open(&b, &rig, 32, NULL);
        for (unsigned page = 0; page < 32; page++) {
                CHECK(fake_store(&a, page, 0, rule_word(page, 1)) == RIG_OK);
                CHECK(fake_store(&b, page, 0, rule_word(page, 2)) == RIG_OK);
        }
        fake_lock(&rig);
        fake_drop(&b, 10, 5);
        CHECK(fake_take(&b, 0, 10) == QUIRE_OK);
        fake_unlock(&rig);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_load(&a, page, 0, &word) == RIG_OK && word == rule_word(page, 1));
        fake_close(&b);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_load(&a, page, 0, &word) == RIG_OK && word == rule_word(page, 1));
        fake_close(&a);
        rule_close(&rig);
}

/* B57, B58: two views of a store, and its window, are one memory. */
static void views_are_one_memory_B57_B58(void)
{
        struct fake a = { 0 }, b = { 0 };
        struct quire_store *store;
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        store = rule_store(&rig, 40);
        if (!store) {
                rule_close(&rig);
                SKIP("this machine has no stores just now");
        }
        fake_open(&a, &rig, 40, store);
        fake_open_in(&b, &a, 40, store);
        CHECK(a.base != b.base);
        for (unsigned page = 0; page < 40; page++) {
                CHECK(fake_store(&a, page, 24, rule_word(page, 0)) == RIG_OK);
                CHECK(fake_load(&b, page, 24, &word) == RIG_OK && word == rule_word(page, 0));
                CHECK(fake_store(&b, page, 32, rule_word(page, 1)) == RIG_OK);
                CHECK(fake_load(&a, page, 32, &word) == RIG_OK && word == rule_word(page, 1));
                CHECK(a.page[page].frame == b.page[page].frame);
        }
        fake_lock(&rig);
        fake_drop(&a, 0, 20);
        CHECK(fake_take(&a, 20, 20) == QUIRE_OK);
        CHECK_EQ(fake_peek(&a, 3, 32), rule_word(3, 1));
        CHECK_EQ(fake_peek(&a, 33, 24), rule_word(33, 0));
        fake_unlock(&rig);
        for (unsigned page = 0; page < 40; page++) {
                CHECK(fake_load(&b, page, 24, &word) == RIG_OK && word == rule_word(page, 0));
                CHECK(fake_load(&a, page, 24, &word) == RIG_OK && word == rule_word(page, 0));
        }
        fake_close(&b);
        fake_close(&a);
        fake_lock(&rig);
        rig.ops->store_close(rig.machine, store);
        fake_unlock(&rig);
        rule_close(&rig);
}

const struct rule rules_range[] = {
        { "a_fault_is_reported_with_its_kind", a_fault_is_reported_with_its_kind },
        { "a_denied_access_has_no_effect", a_denied_access_has_no_effect },
        { "a_part_is_released", a_part_is_released },
        { "neighbours_are_released_together", neighbours_are_released_together },
        { "a_range_may_lie_anywhere", a_range_may_lie_anywhere },
        { "a_huge_range_is_reserved_at_once", a_huge_range_is_reserved_at_once },
        { "an_obstacle_is_named", an_obstacle_is_named },
        { "a_failed_reserve_changes_nothing_M3", a_failed_reserve_changes_nothing_M3 },
        { "spaces_are_apart_B2", spaces_are_apart_B2 },
        { "views_are_one_memory_B57_B58", views_are_one_memory_B57_B58 },
        { NULL, NULL },
};
