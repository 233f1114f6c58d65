/*
 * features_space_test.c - the features of address spaces and of reservations, each
 * test named after the feature that it asserts: layouts, states and transitions,
 * protections, guard marks, placement, errors, what a page is just now.
 */
#include "stage.h"

static const struct drive_options plain_options = { 0 };

/* ------------------------------------------------------------------- layouts */

/* Everything that can be reserved without naming a place lies in the bounds. */
static void fill_layout(const struct quire_layout *l, uint64_t low, uint64_t end)
{
        struct quire_space *s;
        uint64_t va = 0, lowest = UINT64_MAX, highest = 0, pages = 0;

        stage_open(&plain_options);
        s = stage_space(l);
        for (uint64_t size = end - low; size >= 64 * KB; size = size / 2 & ~(64 * KB - 1)) {
                unsigned flags = size & 128 * KB ? QUIRE_TOP_DOWN : 0;

                while (try_reserve(s, 0, size, flags, &va) == QUIRE_OK) {
                        lowest = va < lowest ? va : lowest;
                        highest = va + size > highest ? va + size : highest;
                        pages += size / PAGE;
                }
        }
        CHECK_EQ(lowest, low);
        CHECK_EQ(highest, end);
        CHECK_EQ(pages, (end - low) / PAGE);
        stage_close();
}

static void test_B1_no_allocation_outside_of_the_profile(void)
{
        fill_layout(&quire_layout_2_2, 64 * KB, 2 * GB - 64 * KB);
        fill_layout(&quire_layout_64, 64 * KB, 128 * TB - 64 * KB);
        fill_layout(&quire_layout_below_2g, 64 * KB, 2 * GB - 64 * KB);
        fill_layout(&quire_layout_win9x, 4 * MB, 2 * GB);
}

static void test_B3_user_allocation_stays_below_2_gb(void)
{
        uint64_t va = 0;
        struct quire_space *s;

        stage_open(&plain_options);
        s = stage_space(&quire_layout_2_2);
        while (try_reserve(s, 0, 16 * MB, QUIRE_TOP_DOWN, &va) == QUIRE_OK)
                CHECK(va + 16 * MB <= 0x80000000);
        stage_close();
}

static void test_B4_the_3gb_switch_moves_the_bound(void)
{
        fill_layout(&quire_layout_3gb, 64 * KB, 3 * GB - 64 * KB);
}

static void test_B10_64_bit_user_space_is_8_tb(void)
{
        fill_layout(&quire_layout_8t, 0x10000, 0x7fffffeffff + 1);
}

static void test_B5_null_partition(void)
{
        struct quire_request below = { .bytes = 4096, .low = 0, .high = 64 * KB };
        struct quire_space *s;
        uint64_t va;
        uint8_t byte;

        stage_open(&plain_options);
        s = stage_space(&quire_layout_win9x);
        CHECK_EQ(load_in(s, 0, &byte), QUIRE_WHY_FREE);
        CHECK_EQ(store_in(s, 0xffff, 1), QUIRE_WHY_FREE);
        for (uint64_t at = 0; at < 64 * KB; at += PAGE)
                CHECK(try_reserve(s, at, PAGE, QUIRE_EXACT, &va) != QUIRE_OK);
        CHECK(try_reserve(s, 60 * KB, 64 * KB, QUIRE_EXACT, &va) != QUIRE_OK);
        CHECK(quire_region_reserve(s, &below, &va) != QUIRE_OK);
        below.high = 128 * KB;
        CHECK(quire_region_reserve(s, &below, &va) == QUIRE_OK);
        CHECK_EQ(va, 64 * KB);
        stage_close();
}

/* Readable, writable, private: two processes, one address, two contents. */
static void two_spaces_at(const struct quire_layout *l, uint64_t va)
{
        struct quire_space *a, *b;
        uint64_t got;
        uint8_t byte = 0;

        stage_open(&plain_options);
        a = stage_space(l);
        b = stage_space(l);
        CHECK(try_reserve(a, va, 64 * KB, QUIRE_EXACT, &got) == QUIRE_OK);
        CHECK(try_reserve(b, va, 64 * KB, QUIRE_EXACT, &got) == QUIRE_OK);
        CHECK(quire_region_commit(a, va, 64 * KB, RW) == QUIRE_OK);
        CHECK(quire_region_commit(b, va, 64 * KB, RW) == QUIRE_OK);
        CHECK_EQ(store_in(a, va + 5, 11), 0);
        CHECK(load_in(b, va + 5, &byte) == 0 && byte == 0);
        CHECK_EQ(store_in(b, va + 5, 22), 0);
        CHECK(load_in(a, va + 5, &byte) == 0 && byte == 11);
        CHECK(load_in(b, va + 5, &byte) == 0 && byte == 22);
        stage_close();
}

static void test_B2_processes_are_isolated(void)
{
        two_spaces_at(&quire_layout_64, 5 * GB);
}

static void test_B6_dos_area_is_private_and_writable(void)
{
        two_spaces_at(&quire_layout_win9x, 64 * KB);
        two_spaces_at(&quire_layout_win9x, 4 * MB - 64 * KB);
}

static void test_B7_user_area_holds_data_and_code(void)
{
        struct quire_space *first;
        uint64_t va;

        stage_open(&plain_options);
        first = space;
        space = stage_space(&quire_layout_win9x);
        va = reserve(2);
        CHECK(va >= 4 * MB && va < 2 * GB);
        CHECK(commit(va, 1, RW) == QUIRE_OK && commit(va + PAGE, 1, RX) == QUIRE_OK);
        CHECK_EQ(store(va, 1), 0);
        CHECK_EQ(fetch(va + PAGE), 0);
        CHECK_EQ(store(va + PAGE, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(fetch(va), QUIRE_WHY_PROTECTED);
        space = first;
        stage_close();
}

/* The same program at three page sizes. */
static void test_B13_pages_of_4_16_and_64_kb(void)
{
        for (unsigned shift = 12; shift <= 16; shift += 2) {
                const struct drive_options o = { .page_shift = shift };
                uint64_t va;

                stage_open(&o);
                CHECK_EQ(quire_system_page(sys), (uint64_t)1 << shift);
                va = region(600);
                for (uint64_t i = 0; i < 600; i++)
                        CHECK_EQ(fill(va + i * PAGE, i), 0);
                for (uint64_t i = 0; i < 600; i++)
                        CHECK(holds(va + i * PAGE, i));
                CHECK(counters().pages_in > 0);
                CHECK(commit(va + PAGE / 2, 1, RW) == QUIRE_INVALID);
                stage_close();
        }
}

/* ----------------------------------------------------------- states of pages */

static void test_B20_free_pages_fault(void)
{
        uint64_t va;
        uint8_t byte;

        stage_open(&plain_options);
        va = region(3);
        CHECK(quire_region_release(space, va + PAGE, PAGE) == QUIRE_OK);
        CHECK_EQ(load(va + PAGE, &byte), QUIRE_WHY_FREE);
        CHECK_EQ(store(va + PAGE, 1), QUIRE_WHY_FREE);
        CHECK_EQ(fetch(va + PAGE), QUIRE_WHY_FREE);
        CHECK(!info_of(va + PAGE).reserved);
        CHECK(load(va, &byte) == 0 && load(va + 2 * PAGE, &byte) == 0);
        stage_close();
}

static void test_B21_reserved_pages(void)
{
        uint64_t va, other;
        uint8_t byte;

        stage_open(&plain_options);
        va = reserve(10);
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(counters().reserved, 10);
        CHECK_EQ(load(va, &byte), QUIRE_WHY_RESERVED);
        CHECK_EQ(store(va + 9 * PAGE, 1), QUIRE_WHY_RESERVED);
        CHECK(try_reserve(space, va + 9 * PAGE, PAGE, QUIRE_EXACT, &other) == QUIRE_CONFLICT);
        CHECK(try_reserve(space, va - PAGE, 2 * PAGE, QUIRE_EXACT, &other) != QUIRE_OK);
        CHECK(info_of(va).reserved && !info_of(va).committed);
        CHECK_EQ(counters().resident, 0);
        stage_close();
}

static void test_B22_committed_pages(void)
{
        uint64_t va;

        stage_open(&plain_options);
        va = reserve(10);
        CHECK(commit(va, 10, RW) == QUIRE_OK);
        CHECK_EQ(counters().committed, 10);
        CHECK_EQ(counters().resident, 0);
        CHECK(is_zero(va + 5 * PAGE));
        CHECK_EQ(counters().resident, 1);
        CHECK_EQ(counters().faults_zero, 1);
        CHECK_EQ(state_of(va), QUIRE_PAGE_NONE);
        CHECK_EQ(state_of(va + 5 * PAGE) & 15, QUIRE_PAGE_PRESENT);
        stage_close();
}

/* Commit in pieces; again: it succeeds, keeps contents, charges nothing. */
static void test_B23_transitions(void)
{
        uint64_t va;

        stage_open(&plain_options);
        va = reserve(8);
        CHECK(commit(va + 2 * PAGE, 2, RW) == QUIRE_OK);
        CHECK_EQ(fill(va + 2 * PAGE, 7), 0);
        CHECK(commit(va, 8, RW) == QUIRE_OK);
        CHECK_EQ(counters().committed, 8);
        CHECK(holds(va + 2 * PAGE, 7));
        CHECK(commit(va + 2 * PAGE, 1, R) == QUIRE_OK);
        CHECK_EQ(counters().committed, 8);
        CHECK(holds(va + 2 * PAGE, 7));
        CHECK_EQ(store(va + 2 * PAGE, 1), QUIRE_WHY_PROTECTED);
        CHECK(commit(va + 100 * PAGE, 1, RW) == QUIRE_NOT_PRESENT);
        CHECK(commit(va + 7 * PAGE, 2, RW) == QUIRE_NOT_PRESENT);
        stage_close();
}

static void test_B24_B53_decommit(void)
{
        uint64_t va;
        uint8_t byte;

        stage_open(&plain_options);
        va = region(10);
        for (uint64_t i = 0; i < 10; i++)
                CHECK_EQ(fill(va + i * PAGE, i), 0);
        CHECK(quire_region_decommit(space, va + 3 * PAGE, 4 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().committed, 6);
        CHECK_EQ(counters().resident, 6);
        CHECK_EQ(load(va + 3 * PAGE, &byte), QUIRE_WHY_RESERVED);
        CHECK(holds(va + 2 * PAGE, 2) && holds(va + 7 * PAGE, 7));
        CHECK(quire_region_decommit(space, va, 10 * PAGE) == QUIRE_OK);
        CHECK(quire_region_decommit(space, va, 10 * PAGE) == QUIRE_OK);
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(counters().reserved, 10);
        CHECK(commit(va, 10, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < 10; i++)
                CHECK(is_zero(va + i * PAGE));
        stage_close();
}

static void test_B25_B52_release_from_any_mix_of_states(void)
{
        uint64_t va, other;
        uint8_t byte;

        stage_open(&plain_options);
        va = reserve(10);
        CHECK(commit(va, 4, RW) == QUIRE_OK && commit(va + 6 * PAGE, 2, R) == QUIRE_OK);
        CHECK(quire_region_guard(space, va + PAGE, PAGE) == QUIRE_OK);
        CHECK_EQ(fill(va, 1), 0);
        CHECK(quire_region_lock(space, va + 2 * PAGE, PAGE) == QUIRE_OK);
        CHECK(quire_region_decommit(space, va + 3 * PAGE, PAGE) == QUIRE_OK);
        CHECK(quire_region_release(space, va + PAGE, 0) == QUIRE_NOT_PRESENT);
        CHECK(quire_region_release(space, va, 0) == QUIRE_OK);
        CHECK_EQ(counters().reserved, 0);
        CHECK_EQ(counters().committed, 0);
        CHECK_EQ(counters().resident, 0);
        CHECK_EQ(counters().locked, 0);
        for (uint64_t i = 0; i < 10; i++)
                CHECK_EQ(load(va + i * PAGE, &byte), QUIRE_WHY_FREE);
        CHECK(try_reserve(space, va, 10 * PAGE, QUIRE_EXACT, &other) == QUIRE_OK);
        CHECK(quire_region_release(space, va, 0) == QUIRE_OK);
        CHECK(quire_region_release(space, va, 0) == QUIRE_NOT_PRESENT);
        stage_close();
}

/* --------------------------------------------------------------- protections */

static void test_B27_protections(void)
{
        static const unsigned all[] = { 0, R, RW, RX, RWX };
        uint64_t va;

        stage_open(&plain_options);
        va = region(5);
        for (uint64_t i = 0; i < 5; i++) {
                uint8_t byte = 0;

                CHECK_EQ(fill(va + i * PAGE, i), 0);
                CHECK(protect(va + i * PAGE, 1, all[i]) == QUIRE_OK);
                CHECK_EQ(load(va + i * PAGE, &byte), all[i] & R ? 0 : QUIRE_WHY_PROTECTED);
                CHECK_EQ(fetch(va + i * PAGE), all[i] & QUIRE_X ? 0 : QUIRE_WHY_PROTECTED);
                CHECK_EQ(store(va + i * PAGE, byte), all[i] & QUIRE_W ? 0 : QUIRE_WHY_PROTECTED);
                CHECK_EQ(info_of(va + i * PAGE).access, all[i]);
        }
        CHECK(protect(va, 5, R) == QUIRE_OK);
        for (uint64_t i = 0; i < 5; i++)
                CHECK(holds(va + i * PAGE, i));
        CHECK(protect(va, 1, 8) == QUIRE_INVALID);
        stage_close();
}

/* Execution without read, and writing without it, mean reading too, from the
 * first access on: no machine here can tell them apart. */
static void test_B27_execute_only_reads(void)
{
        static const unsigned less[] = { QUIRE_X, QUIRE_W, QUIRE_W | QUIRE_X };
        uint64_t va;
        uint8_t byte;

        stage_open(&plain_options);
        va = region(3);
        for (uint64_t i = 0; i < 3; i++) {
                CHECK(protect(va + i * PAGE, 1, less[i]) == QUIRE_OK);
                CHECK_EQ(load(va + i * PAGE, &byte), 0);
                CHECK_EQ(fetch(va + i * PAGE), less[i] & QUIRE_X ? 0 : QUIRE_WHY_PROTECTED);
                CHECK_EQ(store(va + i * PAGE, 1), less[i] & QUIRE_W ? 0 : QUIRE_WHY_PROTECTED);
                CHECK_EQ(load(va + i * PAGE, &byte), 0);
                CHECK_EQ(info_of(va + i * PAGE).access, less[i]);
        }
        stage_close();
}

static unsigned access_as(unsigned kind, uint64_t va)
{
        uint8_t byte;

        return kind == 0 ? load(va, &byte) : kind == 1 ? store(va, 1) : fetch(va);
}

/* One alarm a page, whatever the access; then the protection that lies under it. */
static void test_B35_guard_alarms_once(void)
{
        uint64_t va;

        stage_open(&plain_options);
        va = region(9);
        CHECK(protect(va, 9, RWX) == QUIRE_OK);
        CHECK(quire_region_guard(space, va, 9 * PAGE) == QUIRE_OK);
        for (uint64_t i = 0; i < 9; i++) {
                uint64_t at = va + i * PAGE + i;

                CHECK(info_of(at).guarded);
                CHECK_EQ(access_as((unsigned)i % 3, at), QUIRE_WHY_GUARD);
                CHECK(!info_of(at).guarded);
                CHECK_EQ(access_as((unsigned)i % 3, at), 0);
                CHECK(i == 8 || info_of(at + PAGE).guarded);
        }
        CHECK_EQ(counters().denied, 9);
        stage_close();
}

static void test_B35_guard_over_a_protection(void)
{
        uint64_t va;
        uint8_t byte;

        stage_open(&plain_options);
        va = region(4);
        CHECK_EQ(fill(va, 3), 0);
        CHECK(protect(va, 1, R) == QUIRE_OK && protect(va + PAGE, 1, 0) == QUIRE_OK);
        CHECK(quire_region_guard(space, va, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(store(va, 1), QUIRE_WHY_GUARD);
        CHECK_EQ(store(va, 1), QUIRE_WHY_PROTECTED);
        CHECK(holds(va, 3));
        CHECK_EQ(load(va + PAGE, &byte), QUIRE_WHY_GUARD);
        CHECK_EQ(load(va + PAGE, &byte), QUIRE_WHY_PROTECTED);
        CHECK(quire_region_guard(space, va + 2 * PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK(protect(va + 2 * PAGE, 1, RW) == QUIRE_OK);
        CHECK(commit(va + 3 * PAGE, 1, RW) == QUIRE_OK);
        CHECK(store(va + 2 * PAGE, 1) == 0 && store(va + 3 * PAGE, 1) == 0);
        stage_close();
}

/* A lock and a hold are accesses: they fail once, and disarm. */
static void test_B35_guard_and_lock(void)
{
        uint64_t va, held = 99;

        stage_open(&plain_options);
        va = region(4);
        CHECK(quire_region_guard(space, va, 2 * PAGE) == QUIRE_OK);
        CHECK(quire_region_lock(space, va, PAGE) == QUIRE_DENIED);
        CHECK(!info_of(va).guarded);
        CHECK_EQ(counters().locked, 0);
        CHECK(quire_region_lock(space, va, PAGE) == QUIRE_OK);
        CHECK(quire_region_hold(space, va, 3 * PAGE, QUIRE_W, &held) == QUIRE_OK);
        CHECK_EQ(held, PAGE);
        quire_region_unhold(space, va, held);
        CHECK(!info_of(va + PAGE).guarded);
        CHECK(quire_region_hold(space, va, 3 * PAGE, QUIRE_W, &held) == QUIRE_OK);
        CHECK_EQ(held, 3 * PAGE);
        quire_region_unhold(space, va, held);
        stage_close();
}

/* The failing lock of a guarded page does not count as a write. */
static void test_B35_guard_and_watch(void)
{
        uint64_t va, out[4], count = 4;

        stage_open(&plain_options);
        va = reserve_in(space, 2, QUIRE_WATCHED);
        CHECK(commit(va, 2, RW) == QUIRE_OK);
        CHECK(quire_region_guard(space, va, PAGE) == QUIRE_OK);
        CHECK(quire_region_lock(space, va, PAGE) == QUIRE_DENIED);
        CHECK(quire_region_guard(space, va, PAGE) == QUIRE_OK);
        CHECK_EQ(store(va, 1), QUIRE_WHY_GUARD);
        CHECK(quire_watch_get(space, va, 2 * PAGE, true, out, &count) == QUIRE_OK);
        CHECK_EQ(count, 0);
        CHECK_EQ(store(va, 1), 0);
        count = 4;
        CHECK(quire_watch_get(space, va, 2 * PAGE, true, out, &count) == QUIRE_OK);
        CHECK(count == 1 && out[0] == va);
        stage_close();
}

/* ------------------------------------------------------- calls and arguments */

/* Only whole pages; every page of the range, and no other, takes the change. */
static void test_B43_ranges(void)
{
        uint64_t random = test_seed(), va;

        stage_open(&plain_options);
        va = reserve(40);
        for (int i = 0; i < 500; i++) {
                uint64_t first = test_random(&random) % 40, n = test_random(&random) % 41;
                uint64_t off = test_random(&random) % PAGE, more = test_random(&random) % PAGE;
                enum quire_status st = quire_region_commit(space, va + first * PAGE + off,
                                                           n * PAGE + more, RW);

                if (off || more || !n)
                        CHECK_EQ(st, QUIRE_INVALID);
                else
                        CHECK_EQ(st, first + n <= 40 ? QUIRE_OK : QUIRE_NOT_PRESENT);
                n = test_random(&random) % (40 - first) + 1;
                CHECK(commit(va, 40, RW) == QUIRE_OK);
                CHECK(quire_region_decommit(space, va + first * PAGE, n * PAGE) == QUIRE_OK);
                for (uint64_t k = 0; k < 40; k++)
                        CHECK_EQ(info_of(va + k * PAGE).committed, k < first || k >= first + n);
        }
        stage_close();
}

static void test_B45_commit_needs_a_reservation(void)
{
        uint64_t va;

        stage_open(&plain_options);
        CHECK(commit(5 * GB, 1, RW) == QUIRE_NOT_PRESENT);
        va = reserve(2);
        CHECK(commit(va + 2 * PAGE, 1, RW) == QUIRE_NOT_PRESENT);
        CHECK(commit(va + PAGE, 2, RW) == QUIRE_NOT_PRESENT);
        CHECK_EQ(counters().committed, 0);
        stage_close();
}

static void test_B46_reserve_once_commit_in_pieces(void)
{
        uint64_t va, other;

        stage_open(&plain_options);
        va = reserve(6);
        for (uint64_t i = 0; i < 6; i++)
                CHECK(try_reserve(space, va + i * PAGE, PAGE, QUIRE_EXACT, &other) ==
                      QUIRE_CONFLICT);
        for (uint64_t i = 0; i < 6; i += 2)
                CHECK(commit(va + i * PAGE, 1, RW) == QUIRE_OK);
        CHECK_EQ(counters().committed, 3);
        for (uint64_t i = 0; i < 6; i++)
                CHECK_EQ(store(va + i * PAGE, 1), i % 2 ? QUIRE_WHY_RESERVED : 0);
        stage_close();
}

static void test_B50_top_down(void)
{
        uint64_t a, b, c, d;

        stage_open(&plain_options);
        a = reserve_in(space, 4, QUIRE_TOP_DOWN);
        CHECK_EQ(a, 128 * TB - 64 * KB - 4 * PAGE);
        b = reserve_in(space, 4, QUIRE_TOP_DOWN);
        CHECK_EQ(b, a - 4 * PAGE);
        c = reserve_in(space, 4, QUIRE_TOP_DOWN);
        CHECK(quire_region_release(space, b, 0) == QUIRE_OK);
        d = reserve_in(space, 5, QUIRE_TOP_DOWN);
        CHECK_EQ(d, c - 5 * PAGE);
        CHECK_EQ(reserve_in(space, 3, QUIRE_TOP_DOWN), b + PAGE);
        CHECK_EQ(reserve(1), 64 * KB);
        stage_close();
}

static void test_B54_errors(void)
{
        struct quire_request bad[] = {
                { .bytes = 0 }, { .bytes = 100 }, { .bytes = UINT64_MAX & ~(uint64_t)4095 },
                { .bytes = 4096, .align = 5 }, { .bytes = 4096, .align = 1024 },
                { .bytes = 4096, .align = 12288 }, { .bytes = 4096, .flags = 64 },
                { .bytes = 4096, .kind = QUIRE_FOREIGN },
                { .bytes = 4096, .low = 8192, .high = 4096 },
                { .bytes = 8192, .low = 65536, .high = 65536 + 4096 },
                { .bytes = 4096, .low = 1, .high = 1 << 20 },
                { .bytes = 4096, .flags = QUIRE_EXACT, .va = 4097 },
                { .bytes = 4096, .flags = QUIRE_EXACT, .va = 0 },
                { .bytes = 4096, .flags = QUIRE_EXACT, .va = UINT64_MAX - 4095 },
                { .bytes = 8192, .flags = QUIRE_EXACT, .va = UINT64_MAX - 4095 },
                { .bytes = 4096, .flags = QUIRE_EXACT, .va = 20480, .align = 8192 },
        };
        uint64_t va = 77, count = 0, out;

        stage_open(&plain_options);
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                CHECK_EQ(quire_region_reserve(space, &bad[i], &va), QUIRE_INVALID);
                CHECK_EQ(va, 77);
        }
        CHECK(quire_region_reserve(space, NULL, &va) == QUIRE_INVALID);
        va = region(4);
        CHECK(quire_region_commit(space, va, 0, RW) == QUIRE_INVALID);
        CHECK(quire_region_commit(space, va, UINT64_MAX & ~(PAGE - 1), RW) == QUIRE_INVALID);
        CHECK(quire_region_decommit(space, va, 0) == QUIRE_INVALID);
        CHECK(quire_region_protect(space, va, 0, R, NULL) == QUIRE_INVALID);
        CHECK(quire_region_release(space, va + 1, 0) == QUIRE_INVALID);
        CHECK(quire_region_release(space, va, 1) == QUIRE_INVALID);
        CHECK(quire_region_split(space, va + 1) == QUIRE_INVALID);
        CHECK(quire_watch_get(space, va, PAGE, false, &out, &count) == QUIRE_INVALID);
        CHECK(quire_region_query(space, 128 * TB, &(struct quire_info){ 0 }) == QUIRE_NOT_PRESENT);
        CHECK_EQ(counters().committed, 4);
        stage_close();
}

struct reading {
        uint64_t va;
        unsigned why;
        uint8_t byte;
};

static void read_byte(void *argument)
{
        struct reading *r = argument;

        r->why = load(r->va, &r->byte);
}

/* The page map says what is, while a page is being read, too; and keeps nobody waiting. */
static void test_C28_the_page_map_waits_for_nothing(void)
{
        const struct drive_options o = { .budget = 64 << 12, .slow_io = true };
        struct reading r = { .why = 99 };
        struct quire_sim_thread *reader;
        uint64_t now;

        stage_open(&o);
        r.va = region(4);
        for (uint64_t i = 0; i < 4; i++)
                CHECK_EQ(store(r.va + i * PAGE, (uint8_t)(0x70 + i)), 0);
        CHECK(quire_region_advise(space, r.va, 4 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        quire_system_freeze(sys);                    /* what is on its way arrives */
        quire_system_thaw(sys);
        CHECK_EQ(state_of(r.va), QUIRE_PAGE_STORED);
        reader = quire_sim_thread_start(driver_sim.host(stage), "reader", read_byte, &r);
        REQUIRE(reader && quire_sim_step(reader) == QUIRE_SIM_WAITS_IO);
        now = quire_sim_now(driver_sim.host(stage));
        CHECK_EQ(state_of(r.va), QUIRE_PAGE_COMING);
        CHECK_EQ(state_of(r.va + 3 * PAGE), QUIRE_PAGE_STORED);
        CHECK_EQ(quire_sim_now(driver_sim.host(stage)), now);
        CHECK_EQ(r.why, 99);
        quire_sim_run(driver_sim.host(stage));
        CHECK_EQ(r.why, 0);
        CHECK_EQ(r.byte, 0x70);
        CHECK_EQ(state_of(r.va), QUIRE_PAGE_PRESENT);
        stage_close();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B1_no_allocation_outside_of_the_profile);
        RUN(test_B2_processes_are_isolated);
        RUN(test_B3_user_allocation_stays_below_2_gb);
        RUN(test_B4_the_3gb_switch_moves_the_bound);
        RUN(test_B5_null_partition);
        RUN(test_B6_dos_area_is_private_and_writable);
        RUN(test_B7_user_area_holds_data_and_code);
        RUN(test_B10_64_bit_user_space_is_8_tb);
        RUN(test_B13_pages_of_4_16_and_64_kb);
        RUN(test_B20_free_pages_fault);
        RUN(test_B21_reserved_pages);
        RUN(test_B22_committed_pages);
        RUN(test_B23_transitions);
        RUN(test_B24_B53_decommit);
        RUN(test_B25_B52_release_from_any_mix_of_states);
        RUN(test_B27_protections);
        RUN(test_B27_execute_only_reads);
        RUN(test_B35_guard_alarms_once);
        RUN(test_B35_guard_over_a_protection);
        RUN(test_B35_guard_and_lock);
        RUN(test_B35_guard_and_watch);
        RUN(test_B43_ranges);
        RUN(test_B45_commit_needs_a_reservation);
        RUN(test_B46_reserve_once_commit_in_pieces);
        RUN(test_B50_top_down);
        RUN(test_B54_errors);
        RUN(test_C28_the_page_map_waits_for_nothing);
        return test_end();
}
