/*
 * features_share_test.c - the features of shared objects, each test named after the
 * row that it asserts: views that are coherent, what a mapped region can and can
 * not do, physical memory, attributes, charges, names.
 *
 * Each runs on the simulator and on the x86-64 tables, with frames that are shared
 * and without; where one space is enough, also in this process with real memory.
 */
#include "share.h"
#include "x86_64.h"

/* ------------------------------------------------------------------ shared pages */

static void test_B58_views_share_frames(void)
{
        struct quire_grant *g;
        struct quire_space *other;
        uint64_t a, b, c;

        begin();
        g = object(8, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 8, RW, 0);
        b = map(space, g, 2, 4, RW, 0);
        c = map(other, g, 0, 8, R, 0);
        CHECK_EQ(store(a + 3 * PAGE, 7), 0);
        CHECK_EQ(byte_at(b + PAGE), 7);
        CHECK_EQ(byte_in(other, c + 3 * PAGE), 7);
        CHECK_EQ(store(b + PAGE + 1, 8), 0);
        CHECK_EQ(byte_in(other, c + 3 * PAGE + 1), 8);
        CHECK_EQ(store_in(other, c, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(info(g).resident, 1);
        CHECK_EQ(info(g).regions, 3);
        release(space, a);
        CHECK_EQ(byte_at(b + PAGE), 7);
        quire_grant_close(g);
        CHECK_EQ(byte_in(other, c + 3 * PAGE), 7);
        release(space, b);
        release(other, c);
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(counters().resident, 0);
        finish();
}

static void test_B18_eviction_takes_a_shared_page_from_all(void)
{
        struct quire_grant *g;
        struct quire_space *other;
        uint64_t a, c;

        begin();
        g = object(64, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 64, RW, 0);
        c = map(other, g, 0, 64, R, 0);
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(fill(a + i * PAGE, i), 0);
        for (uint64_t i = 0; i < 64; i++)
                byte_in(other, c + i * PAGE);
        evict(space, a, 64);
        CHECK_EQ(info(g).resident, 0);
        byte_in(other, c + 5 * PAGE);
        CHECK_EQ(info(g).resident, 1);
        CHECK_EQ(counters().pages_in, 1);
        for (uint64_t i = 0; i < 64; i++)
                CHECK(holds(a + i * PAGE, i));
        release(space, a);
        release(other, c);
        quire_grant_close(g);
        finish();
}

static void test_B57_views_at_different_addresses(void)
{
        struct quire_request q = { .bytes = 4 * PAGE, .access = RW, .flags = QUIRE_EXACT };
        struct quire_grant *g;
        uint64_t a, b, at, hole, n = 0;

        begin();
        g = object(16, 0);
        hole = reserve(64);
        CHECK(quire_region_release(space, hole, 0) == QUIRE_OK);
        q.grant = g;
        q.va = hole + 8 * PAGE;
        q.offset = 4 * PAGE;
        REQUIRE(quire_region_reserve(space, &q, &a) == QUIRE_OK);
        CHECK_EQ(a, q.va);
        CHECK(quire_region_reserve(space, &q, &at) == QUIRE_CONFLICT);
        b = map(space, g, 0, 16, RW, QUIRE_TOP_DOWN);
        for (uint64_t i = 0; i < 4; i++) {
                CHECK_EQ(put_word(space, a + i * PAGE + 8 * i, ++n), 0);
                CHECK_EQ(word_in(space, b + (4 + i) * PAGE + 8 * i), n);
                CHECK_EQ(put_word(space, b + (4 + i) * PAGE + 512, ++n), 0);
                CHECK_EQ(word_in(space, a + i * PAGE + 512), n);
        }
        CHECK_EQ(info_of(a).offset, 4 * PAGE);
        CHECK_EQ(info_of(a).object, info(g).number);
        CHECK(info_of(a).mapped && !info_of(a).copy);
        q.offset = 14 * PAGE;
        CHECK(quire_region_reserve(space, &q, &at) == QUIRE_INVALID);      /* beyond its end */
        q.offset = 1;
        CHECK(quire_region_reserve(space, &q, &at) == QUIRE_INVALID);
        release(space, a);
        release(space, b);
        quire_grant_close(g);
        finish();
}

/* Nobody sees what he did not map, and what is gone is gone. */
static void test_B59_visible_only_to_those_that_mapped(void)
{
        struct quire_space *other;
        struct quire_grant *g;
        uint64_t a, b;
        uint8_t byte;

        begin();
        g = object(4, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 4, RW, 0);
        CHECK_EQ(store(a, 1), 0);
        CHECK_EQ(load_in(other, a, &byte), QUIRE_WHY_FREE);
        b = region_in(other, 4);
        CHECK_EQ(byte_in(other, b), 0);
        release(other, b);
        b = map(other, g, 0, 2, R, 0);
        CHECK_EQ(byte_in(other, b), 1);
        CHECK_EQ(load_in(other, b + 2 * PAGE, &byte), QUIRE_WHY_FREE);    /* page 2 was not */
        release(other, b);
        CHECK_EQ(load_in(other, b, &byte), QUIRE_WHY_FREE);
        CHECK_EQ(byte_at(a), 1);
        release(space, a);
        quire_grant_close(g);
        a = region(4);                                 /* and no one's frame shows it again */
        for (uint64_t i = 0; i < 4; i++)
                CHECK(is_zero(a + i * PAGE));
        release(space, a);
        finish();
}

/* The pages live until the last reference goes, of whatever kind. */
static void test_B60_pages_live_until_the_last_unmap(void)
{
        struct quire_grant *g, *r;
        uint64_t a;

        begin();
        g = object(8, 0);
        r = narrow(g, R);
        a = map(space, g, 0, 8, RW, 0);
        CHECK_EQ(store(a + PAGE, 5), 0);
        CHECK_EQ(counters().committed, 8);
        release(space, a);
        CHECK_EQ(counters().committed, 8);
        quire_grant_close(g);
        a = map(space, r, 0, 8, R, 0);
        CHECK_EQ(byte_at(a + PAGE), 5);
        quire_grant_close(r);
        evict(space, a, 8);
        CHECK_EQ(byte_at(a + PAGE), 5);
        release(space, a);
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(counters().resident, 0);
        CHECK_EQ(counters().file_pages, 0);
        finish();
}

/* ------------------------------------------------------- what a mapped region can do */

static void test_mapped_regions_are_cut_and_moved(void)
{
        struct quire_grant *g;
        uint64_t a, b, to;

        begin();
        g = object(16, 0);
        a = map(space, g, 0, 16, RW, 0);
        b = map(space, g, 0, 16, R, 0);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(store(a + i * PAGE, (uint8_t)(i + 1)), 0);
        CHECK(quire_region_decommit(space, a, PAGE) == QUIRE_UNSUPPORTED);
        CHECK(quire_region_discard(space, a, PAGE) == QUIRE_UNSUPPORTED);
        CHECK(quire_region_split(space, a + 6 * PAGE) == QUIRE_OK);
        CHECK_EQ(info_of(a + 6 * PAGE).offset, 6 * PAGE);
        CHECK_EQ(info_of(a + 6 * PAGE).bytes, 10 * PAGE);
        CHECK(quire_region_release(space, a + 8 * PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(load(a + 8 * PAGE, &(uint8_t){ 0 }), QUIRE_WHY_FREE);
        CHECK_EQ(byte_at(b + 8 * PAGE), 9);
        CHECK_EQ(byte_at(a + 7 * PAGE), 8);
        CHECK_EQ(byte_at(a + 10 * PAGE), 11);
        CHECK_EQ(info_of(a + 10 * PAGE).offset, 10 * PAGE);
        to = 0;
        CHECK(quire_region_move(space, a + 10 * PAGE, 7 * PAGE, false, &to) == QUIRE_UNSUPPORTED);
        to = a + 100 * PAGE;
        CHECK(quire_region_move(space, a + 10 * PAGE, 6 * PAGE, true, &to) == QUIRE_OK);
        CHECK_EQ(load(a + 10 * PAGE, &(uint8_t){ 0 }), QUIRE_WHY_FREE);
        CHECK_EQ(byte_at(to), 11);
        CHECK_EQ(store(to + PAGE, 99), 0);
        CHECK_EQ(byte_at(b + 11 * PAGE), 99);
        CHECK_EQ(info_of(to).offset, 10 * PAGE);
        CHECK_EQ(info(g).regions, 4);
        release(space, to);
        release(space, a);
        release(space, a + 6 * PAGE);
        CHECK_EQ(byte_at(b + 7 * PAGE), 8);
        release(space, b);
        CHECK_EQ(info(g).regions, 0);
        quire_grant_close(g);
        finish();
}

static void test_guards_in_mapped_regions(void)
{
        struct quire_grant *g;
        uint64_t a, b;
        uint8_t byte;

        begin();
        g = object(4, 0);
        a = map(space, g, 0, 4, RW, 0);
        b = map(space, g, 0, 4, RW, 0);
        CHECK_EQ(store(a + PAGE, 3), 0);
        CHECK_EQ(byte_at(b + PAGE), 3);
        CHECK(quire_region_guard(space, a + PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(byte_at(b + PAGE), 3);                    /* the mark is the view's */
        CHECK_EQ(store(b + 2 * PAGE, 4), 0);
        CHECK_EQ(load(a + PAGE, &byte), QUIRE_WHY_GUARD);
        CHECK_EQ(byte_at(a + PAGE), 3);
        CHECK_EQ(store(a + 2 * PAGE, 5), QUIRE_WHY_GUARD);
        CHECK_EQ(byte_at(a + 2 * PAGE), 4);
        CHECK_EQ(store(a + 2 * PAGE, 5), 0);
        CHECK_EQ(byte_at(b + 2 * PAGE), 5);
        release(space, a);
        a = map(space, g, 0, 4, RW, QUIRE_COPY);
        CHECK(quire_region_guard(space, a, 4 * PAGE) == QUIRE_OK);
        for (uint64_t i = 0; i < 4; i++) {
                CHECK_EQ(store(a + i * PAGE, 9), QUIRE_WHY_GUARD);
                CHECK_EQ(store(a + i * PAGE, 9), 0);
        }
        CHECK_EQ(byte_at(b + 2 * PAGE), 5);
        release(space, a);
        release(space, b);
        quire_grant_close(g);
        finish();
}

/* Protection is a view's own, within the rights of its grant. */
static void test_protection_is_a_views_own(void)
{
        struct quire_grant *g, *r;
        uint64_t a, b;
        unsigned old;

        begin();
        g = object(4, 0);
        r = narrow(g, R);
        a = map(space, g, 0, 4, RW, 0);
        b = map(space, r, 0, 4, R, 0);
        CHECK_EQ(store(a, 1), 0);
        CHECK_EQ(byte_at(b), 1);
        CHECK(protect(a, 2, 0) == QUIRE_OK);
        CHECK_EQ(load(a, &(uint8_t){ 0 }), QUIRE_WHY_PROTECTED);
        CHECK_EQ(byte_at(b), 1);
        CHECK(protect(b, 1, RW) == QUIRE_DENIED);
        CHECK(commit(b, 1, RW) == QUIRE_DENIED);
        CHECK(protect(b, 1, 0) == QUIRE_OK);
        CHECK(commit(b, 1, R) == QUIRE_OK);
        CHECK_EQ(byte_at(b), 1);
        CHECK(quire_region_protect(space, a, PAGE, RW, &old) == QUIRE_OK);
        CHECK_EQ(old, 0);
        CHECK_EQ(store(a, 2), 0);
        CHECK_EQ(byte_at(b), 2);
        CHECK_EQ(info_of(b).rights, R);
        CHECK_EQ(info_of(a).rights, RWX);
        release(space, a);
        release(space, b);
        quire_grant_close(r);
        quire_grant_close(g);
        finish();
}

static void test_sole_objects_are_mapped_once(void)
{
        struct quire_grant *g;
        struct quire_space *copy;
        uint64_t a, b;

        begin();
        g = object(16, QUIRE_SOLE);
        a = map(space, g, 0, 8, RW, 0);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(store(a + i * PAGE, (uint8_t)(i + 1)), 0);
        CHECK(try_map(space, g, 8, 8, RW, 0, &b) == QUIRE_BUSY);
        CHECK(try_map(space, g, 0, 8, RW, QUIRE_COPY, &b) == QUIRE_INVALID);
        evict(space, a, 4);
        CHECK(quire_space_clone(space, &copy) != QUIRE_OK);
        CHECK(quire_region_release(space, a + 2 * PAGE, PAGE) == QUIRE_OK);
        CHECK(try_map(space, g, 2, 1, RW, 0, &b) == QUIRE_BUSY);
        CHECK_EQ(byte_at(a + 3 * PAGE), 4);
        release(space, a);
        release(space, a + 3 * PAGE);
        b = map(space, g, 1, 15, RW, 0);
        for (uint64_t i = 1; i < 8; i++)
                CHECK_EQ(byte_at(b + (i - 1) * PAGE), i + 1);
        CHECK(is_zero(b + 14 * PAGE));
        quire_system_audit(sys);
        release(space, b);
        quire_grant_close(g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

/* -------------------------------------------------------------- charges and storage */

static void test_A18_on_touch_is_charged_by_page(void)
{
        struct drive_options o = options;
        struct quire_grant *g, *big;
        uint64_t a, b, c, before;

        o.commit_limit = 40 * PAGE;
        begin_with(o);
        g = object(64, QUIRE_ON_TOUCH);
        CHECK_EQ(counters().committed, 0);
        a = map(space, g, 0, 64, RW, 0);
        b = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(counters().committed, 0);
        for (uint64_t i = 0; i < 20; i++)
                CHECK_EQ(store(a + 3 * i * PAGE, (uint8_t)(i + 1)), 0);
        CHECK_EQ(counters().committed, 20);
        CHECK_EQ(info(g).charged, 20);
        for (uint64_t i = 0; i < 20; i++)
                CHECK_EQ(byte_at(b + 3 * i * PAGE), i + 1);
        CHECK_EQ(counters().committed, 20);                /* touched already */
        c = region(18);
        before = counters().resident;
        CHECK_EQ(store(a + PAGE, 1), 0);
        CHECK_EQ(byte_at(b + 4 * PAGE), 0);                /* a load touches, too */
        CHECK_EQ(counters().committed, 40);
        CHECK_EQ(store(a + 5 * PAGE, 1), QUIRE_WHY_NO_MEMORY);
        CHECK_EQ(load(b + 5 * PAGE, &(uint8_t){ 0 }), QUIRE_WHY_NO_MEMORY);
        CHECK_EQ(counters().committed, 40);
        CHECK_EQ(counters().resident, before + 2);
        CHECK(quire_object_open(sys, &(struct quire_object_request){ .bytes = PAGE }, &big) ==
              QUIRE_LIMIT);
        release(space, c);
        CHECK_EQ(store(a + 5 * PAGE, 1), 0);
        big = object(17, 0);
        quire_grant_close(big);
        evict(space, a, 64);
        CHECK_EQ(byte_at(b + 57 * PAGE), 20);
        CHECK_EQ(counters().committed, 23);
        release(space, a);
        release(space, b);
        CHECK_EQ(counters().committed, 23);
        quire_grant_close(g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

/* Where it can not be had, that is said at open, and not when it is mapped. */
static void test_hosted_objects_where_there_are_none(void)
{
        const struct quire_object_request q = { .bytes = 8 * PAGE, .flags = QUIRE_HOSTED };
        struct drive_options o = options;
        struct quire_grant *g = NULL;

        o.no_plain = true;
        begin_with(o);
        CHECK(quire_object_open(sys, &q, &g) == QUIRE_UNSUPPORTED);
        CHECK(!g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

static void test_hosted_objects(void)
{
        const struct quire_object_request q = { .bytes = 8 * PAGE, .flags = QUIRE_HOSTED };
        struct quire_grant *g = NULL, *r, *out;
        uint64_t a, b, c;

        begin();
        if (on->x86(stage)) {                              /* has no such memory */
                CHECK(quire_object_open(sys, &q, &g) == QUIRE_UNSUPPORTED);
                CHECK(!g);
                CHECK_EQ(counters().committed, 0);
                finish();
                return;
        }
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        CHECK_EQ(counters().committed, 8);
        r = narrow(g, R);
        a = map(space, g, 0, 8, RW, 0);
        b = map(space, r, 2, 4, R, 0);
        CHECK_EQ(put_word(space, a + 3 * PAGE, 77), 0);
        CHECK_EQ(word_in(space, b + PAGE), 77);
        CHECK_EQ(put_word(space, b + PAGE, 1), QUIRE_WHY_PROTECTED);
        CHECK(protect(b, 1, RW) == QUIRE_DENIED);
        CHECK(protect(a, 8, R) == QUIRE_OK);
        CHECK_EQ(put_word(space, a, 1), QUIRE_WHY_PROTECTED);
        CHECK(protect(a, 8, RW) == QUIRE_OK);
        CHECK_EQ(counters().resident, 0);                  /* not paged by us */
        CHECK(quire_object_clone(g, &out) == QUIRE_UNSUPPORTED);
        CHECK(quire_region_lock(space, a, PAGE) == QUIRE_UNSUPPORTED);
        c = map(space, r, 0, 8, RW, QUIRE_COPY);
        CHECK_EQ(counters().committed, 16);
        CHECK_EQ(word_in(space, c + 3 * PAGE), 77);
        CHECK_EQ(put_word(space, c + 3 * PAGE, 78), 0);
        CHECK_EQ(word_in(space, b + PAGE), 77);
        quire_grant_revoke(r);
        CHECK(touch_in(space, b + PAGE, R, &(uint8_t){ 0 }, 1) != 0);
        CHECK(touch_in(space, c + 3 * PAGE, R, &(uint8_t){ 0 }, 1) != 0);
        CHECK_EQ(word_in(space, a + 3 * PAGE), 77);
        CHECK(quire_region_release(space, a, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(word_in(space, a + 3 * PAGE), 77);
        release(space, a + 2 * PAGE);
        release(space, b);
        release(space, c);
        quire_grant_close(r);
        a = map(space, g, 3, 1, R, 0);
        CHECK_EQ(word_in(space, a), 77);                   /* kept by the grant */
        release(space, a);
        quire_grant_close(g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

/* ------------------------------------------------------------- physical, attributes */

static uint64_t *physical_word(uint64_t page)
{
        uint64_t at = on->x86(stage) ? QUIRE_X86_DEVICES : options.physical.first;

        at += page * PAGE;
        return on->x86(stage) ? quire_x86_physical(on->x86(stage), at)
                              : quire_sim_physical(on->sim(stage), at);
}

static void test_C4_physical_objects(void)
{
        struct quire_object_request q = { .bytes = 8 * PAGE, .kind = QUIRE_PHYSICAL };
        struct quire_space *other;
        struct quire_grant *g = NULL, *out;
        uint64_t a, b, c, held;

        begin();
        other = stage_space(&quire_layout_64);
        q.physical = on->x86(stage) ? QUIRE_X86_DEVICES : options.physical.first;
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        a = map(space, g, 0, 8, RW, 0);
        b = map(other, g, 2, 4, RW, 0);
        *physical_word(3) = 1234;
        CHECK_EQ(word_in(space, a + 3 * PAGE), 1234);
        CHECK_EQ(put_word(other, b + PAGE, 5678), 0);
        CHECK_EQ(*physical_word(3), 5678);
        CHECK_EQ(word_in(space, a + 3 * PAGE), 5678);
        CHECK_EQ(counters().committed + counters().resident, 0);
        evict(space, a, 8);
        CHECK_EQ(word_in(space, a + 3 * PAGE), 5678);
        CHECK(protect(a, 8, R) == QUIRE_OK);
        CHECK_EQ(put_word(space, a, 1), QUIRE_WHY_PROTECTED);
        CHECK(protect(a, 8, RW) == QUIRE_OK);
        CHECK(quire_region_hold(space, a, 2 * PAGE, W, &held) == QUIRE_OK);
        CHECK_EQ(held, 2 * PAGE);
        quire_region_unhold(space, a, 2 * PAGE);
        CHECK_EQ(counters().locked, 0);
        CHECK(quire_object_clone(g, &out) == QUIRE_UNSUPPORTED);
        c = map(space, g, 0, 8, RW, QUIRE_COPY);           /* of a device's memory, as it is */
        CHECK_EQ(word_in(space, c + 3 * PAGE), 5678);
        CHECK_EQ(put_word(space, c + 3 * PAGE, 9), 0);
        CHECK_EQ(*physical_word(3), 5678);
        *physical_word(4) = 44;
        CHECK_EQ(word_in(space, c + 4 * PAGE), 44);
        quire_grant_revoke(g);
        CHECK_EQ(put_word(other, b, 1), QUIRE_WHY_REVOKED);
        release(space, a);
        release(space, c);
        release(other, b);
        quire_grant_close(g);
        q.bytes = (uint64_t)1 << 30;
        CHECK(quire_object_open(sys, &q, &g) == QUIRE_NOT_PRESENT);
        finish();
}

static void test_no_physical_memory_here(void)
{
        const struct quire_object_request q = { .bytes = 8 * PAGE, .kind = QUIRE_PHYSICAL };
        struct quire_grant *g;

        begin();
        CHECK(quire_object_open(sys, &q, &g) == QUIRE_UNSUPPORTED);
        finish();
}

static unsigned shown_attributes(uint64_t va)
{
        if (on->x86(stage))
                return quire_x86_attributes(quire_x86_space(on->x86(stage), space), va);
        return quire_sim_attributes(on->sim(stage), quire_sim_space(on->sim(stage), space), va);
}

static void try_attributes(struct quire_grant *g, unsigned attributes)
{
        const struct quire_request q = { .bytes = 4 * PAGE, .grant = g, .access = RW,
                                         .attributes = attributes };
        unsigned mode = attributes & QUIRE_KERNEL;
        uint64_t va, word = attributes + 1;

        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        if (!g)
                CHECK(commit(va, 4, RW) == QUIRE_OK);
        CHECK_EQ(touch_in(space, va, W | mode, &word, 8), 0);
        CHECK_EQ(shown_attributes(va), attributes);
        evict(space, va, 4);
        CHECK_EQ(touch_in(space, va, R | mode, &word, 8), 0);
        CHECK_EQ(word, attributes + 1);
        CHECK(protect(va, 4, R) == QUIRE_OK);
        CHECK_EQ(touch_in(space, va, R | mode, &word, 8), 0);
        CHECK_EQ(shown_attributes(va), attributes);
        if (mode) {
                CHECK_EQ(get_word(space, va, &word), QUIRE_WHY_PROTECTED);
                CHECK_EQ(get_word(space, va + PAGE, &word), QUIRE_WHY_PROTECTED);
        }
        CHECK(quire_region_split(space, va + 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(info_of(va + 2 * PAGE).attributes, attributes);
        release(space, va);
        release(space, va + 2 * PAGE);
}

/* Of private regions, and of views of one object that are not alike. */
static void test_C8_C11_kernel_and_cache_attributes(void)
{
        struct quire_grant *g;

        begin();
        for (unsigned k = 0; k < 8; k++)
                try_attributes(NULL, k * QUIRE_KERNEL);
        g = object(4, 0);
        for (unsigned k = 0; k < 8; k++)
                try_attributes(g, k * QUIRE_KERNEL);
        quire_grant_close(g);
        finish();
}

static void test_attributes_are_kept(void)
{
        struct quire_request q = { .bytes = 4 * PAGE, .attributes = QUIRE_CACHE_THROUGH };
        uint64_t va;

        begin();
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        CHECK_EQ(info_of(va).attributes, QUIRE_CACHE_THROUGH);
        CHECK(commit(va, 4, RW) == QUIRE_OK);
        CHECK_EQ(store(va, 1), 0);
        CHECK_EQ(byte_at(va), 1);
        q.attributes = 64;
        CHECK(quire_region_reserve(space, &q, &va) == QUIRE_INVALID);
        release(space, va);
        finish();
}

/* -------------------------------------------------------------------- locks and holds */

static void test_locks_and_holds_on_mapped_pages(void)
{
        struct quire_grant *g;
        uint64_t a, b, held;

        begin();
        g = object(16, 0);
        a = map(space, g, 0, 16, RW, 0);
        b = map(space, g, 0, 16, RW, 0);
        for (uint64_t i = 0; i < 16; i++)
                CHECK_EQ(store(a + i * PAGE, (uint8_t)(i + 1)), 0);
        CHECK(quire_region_lock(space, a, 4 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().locked, 4);
        evict(space, b, 16);
        CHECK_EQ(info(g).resident, 4);
        CHECK(page_map_in(space, b) >> 4 & QUIRE_PAGE_LOCKED);   /* one frame, one lock */
        CHECK(quire_region_hold(space, b, 2 * PAGE, W, &held) == QUIRE_OK);
        CHECK_EQ(counters().locked, 4);
        CHECK(quire_region_unlock(space, a, 4 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().locked, 2);
        evict(space, a, 16);
        CHECK_EQ(info(g).resident, 2);
        quire_region_unhold(space, b, 2 * PAGE);
        CHECK_EQ(counters().locked, 0);
        CHECK(quire_region_lock(space, a, 2 * PAGE) == QUIRE_OK);
        quire_grant_revoke(g);
        release(space, a);
        release(space, b);
        CHECK_EQ(counters().locked, 0);
        quire_grant_close(g);
        finish();
}

/* -------------------------------------------------------------------------- main */

static void on_one_space(void)
{
        RUN(test_B57_views_at_different_addresses);
        RUN(test_B60_pages_live_until_the_last_unmap);
        RUN(test_mapped_regions_are_cut_and_moved);
        RUN(test_guards_in_mapped_regions);
        RUN(test_protection_is_a_views_own);
        RUN(test_sole_objects_are_mapped_once);
        RUN(test_A18_on_touch_is_charged_by_page);
        RUN(test_hosted_objects);
        RUN(test_locks_and_holds_on_mapped_pages);
        RUN(test_attributes_are_kept);
}

static void on_linux(void)
{
        on_one_space();
        RUN(test_no_physical_memory_here);
}

static void on_simulated(void)
{
        on_one_space();
        RUN(test_B58_views_share_frames);
        RUN(test_B18_eviction_takes_a_shared_page_from_all);
        RUN(test_B59_visible_only_to_those_that_mapped);
        RUN(test_hosted_objects_where_there_are_none);
        RUN(test_C4_physical_objects);
        RUN(test_C8_C11_kernel_and_cache_attributes);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        share_on_linux(on_linux);
        return test_end();
}
