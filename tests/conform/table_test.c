/*
 * table_test.c - x86-64 page tables and the TLB, without a machine around
 * them: entries, tables, 2 MiB pages, privileges, staleness.
 */
#include "table.h"
#include "test.h"
#include "tlb.h"

#include <sys/mman.h>

enum { POOL = 4096 };

static struct quire_x86_memory memory;
static struct quire_x86_table table;
static struct quire_tlb tlb;

/* Physical: page 0 is nothing, then the pool, then 1 GiB that is only mapped. */
static void open_pages(uint32_t pool)
{
        size_t bytes = (size_t)(pool + 1) * QUIRE_X86_PAGE;

        memset(&tlb, 0, sizeof tlb);
        memory = (struct quire_x86_memory){ .first = QUIRE_X86_PAGE, .pages = pool, .free = pool };
        memory.window = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        memory.used = calloc(pool, sizeof *memory.used);
        REQUIRE(memory.window != MAP_FAILED && memory.used);
        REQUIRE(quire_table_open(&table, &memory) == QUIRE_OK);
}

static void close_pages(void)
{
        CHECK(!quire_table_check(&table));
        quire_table_close(&table);
        CHECK_EQ(memory.free, memory.pages);
        munmap(memory.window, (size_t)(memory.pages + 1) * QUIRE_X86_PAGE);
        free(memory.used);
}

static quire_pte entry(uint64_t physical, unsigned access)
{
        return quire_pte_make(physical, (struct quire_x86_page){ access, true, QUIRE_CACHE_WB },
                              false);
}

static void map(uint64_t va, quire_pte e)
{
        REQUIRE(quire_table_make(&table, va, 1) == QUIRE_OK);
        quire_table_map(&table, va, e);
}

/* Where an access from user mode goes; 0: a fault. */
static uint64_t reach(uint64_t va, unsigned access)
{
        uint64_t physical = 0;

        return quire_tlb_access(&tlb, &table, va, access, true, &physical) ? physical : 0;
}

/* ------------------------------------------------------------------ entries */

static void entries_say_what_a_page_is_A5_A6_C11(void)
{
        for (unsigned i = 0; i < 2 * 2 * 4 * 5; i++) {
                bool large = i & 1;
                struct quire_x86_page page = {
                        .access = QUIRE_R | (i & 4 ? QUIRE_W : 0) | (i & 8 ? QUIRE_X : 0),
                        .user = i & 2, .cache = (enum quire_x86_cache)(i / 16),
                };
                uint64_t physical = large ? QUIRE_X86_LARGE * 77 : QUIRE_X86_PAGE * 12345;
                quire_pte e = quire_pte_make(physical, page, large);
                struct quire_x86_page back = quire_pte_page(e, large);

                CHECK(back.access == page.access && back.user == page.user &&
                      back.cache == page.cache);
                CHECK_EQ(e & (large ? QUIRE_PTE_LARGE_FRAME : QUIRE_PTE_FRAME), physical);
                CHECK(!(e & QUIRE_PTE_NX) == !!(page.access & QUIRE_X));
        }
}

/* The bits themselves, as the processor's manual numbers them. */
static void cache_bits_B36_B37_C11(void)
{
        static const struct {
                enum quire_x86_cache cache;
                quire_pte small, large;
        } rows[] = {
                { QUIRE_CACHE_WB, 0, 0 },
                { QUIRE_CACHE_WT, 1 << 3, 1 << 3 },
                { QUIRE_CACHE_UC_WEAK, 1 << 4, 1 << 4 },
                { QUIRE_CACHE_UC, 3 << 3, 3 << 3 },
                { QUIRE_CACHE_WC, 1 << 7, 1 << 12 },
        };
        const quire_pte mask = 1 << 3 | 1 << 4;

        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct quire_x86_page page = { QUIRE_R, true, rows[i].cache };

                CHECK_EQ(quire_pte_make(0, page, false) & (mask | 1 << 7), rows[i].small);
                CHECK_EQ(quire_pte_make(0, page, true) & (mask | 1 << 12), rows[i].large);
        }
}

static void protecting_an_entry_keeps_the_rest(void)
{
        struct quire_x86_page page = { QUIRE_R | QUIRE_W, true, QUIRE_CACHE_WC };
        quire_pte e = quire_pte_make(0x5000, page, false) | QUIRE_PTE_DIRTY;

        CHECK(quire_pte_page(quire_pte_protect(e, QUIRE_R), false).access == QUIRE_R);
        CHECK(quire_pte_page(quire_pte_protect(e, QUIRE_R), false).cache == QUIRE_CACHE_WC);
        CHECK(quire_pte_protect(e, QUIRE_R) & QUIRE_PTE_DIRTY);
        CHECK(!(quire_pte_protect(e, 0) & QUIRE_PTE_PRESENT));
        CHECK_EQ(quire_pte_protect(e, 0) & QUIRE_PTE_FRAME, 0x5000);
        CHECK_EQ(quire_pte_protect(quire_pte_protect(e, 0), QUIRE_R | QUIRE_W), e);
}

/* ------------------------------------------------------------------- tables */

/* Pages all over the address space, against an array. */
static void tables_come_and_go_B12(void)
{
        enum { PAGES = 300 };
        static uint64_t at[PAGES];
        static bool mapped[PAGES];
        uint64_t state = 4;

        open_pages(POOL);
        memset(mapped, 0, sizeof mapped);
        for (unsigned i = 0; i < PAGES; i++) {
                unsigned near = (unsigned)(test_random(&state) % 4);
                uint64_t va = test_random(&state) % QUIRE_X86_VA_END;

                va = near && i ? at[i - 1] + (QUIRE_X86_PAGE << 9 * near) : va;
                at[i] = va % QUIRE_X86_VA_END & ~(QUIRE_X86_PAGE - 1);
                for (unsigned k = 0; k < i; k++)
                        if (at[k] == at[i])
                                at[i--] = 0;
        }
        for (unsigned step = 0; step < 6000; step++) {
                unsigned i = (unsigned)(test_random(&state) % PAGES);
                bool large = true;
                quire_pte *e = quire_table_find(&table, at[i], &large);

                CHECK(!e == !mapped[i]);
                CHECK(!e || (!large && (*e & QUIRE_PTE_FRAME) == (i + 1) * QUIRE_X86_PAGE));
                if (mapped[i])
                        quire_table_unmap(&table, at[i]);
                else
                        map(at[i], entry((i + 1) * QUIRE_X86_PAGE, QUIRE_R));
                mapped[i] = !mapped[i];
                if (step % 100 == 0)
                        CHECK(!quire_table_check(&table));
        }
        for (unsigned i = 0; i < PAGES; i++)
                if (mapped[i])
                        quire_table_unmap(&table, at[i]);
        CHECK_EQ(table.tables, 1);
        close_pages();
}

/* A walk of a range finds what is mapped, in order, and nothing else. */
static void a_walk_costs_what_is_mapped(void)
{
        static const uint64_t where[] = { 0x1000, 0x200000, 0x3ff000, 0x40000000, 0x7fffffffe000,
                                          0x7ffffffff000 };
        uint64_t va = 0;
        unsigned found = 0;
        bool large;

        open_pages(POOL);
        for (unsigned i = 0; i < 6; i++)
                map(where[i], entry(QUIRE_X86_PAGE, QUIRE_R));
        while (quire_table_next(&table, &va, QUIRE_X86_VA_END, &large)) {
                CHECK(found < 6 && va == where[found] && !large);
                found++;
                va += QUIRE_X86_PAGE;
        }
        CHECK_EQ(found, 6);
        va = 0x201000;
        CHECK(!quire_table_next(&table, &va, 0x3ff000, &large));
        close_pages();
}

/* M3: for every size of pool, all the tables of a range are there or none.  Six
 * pages around the border of two entries of the root need two of each level. */
static void tables_are_made_whole_or_not_at_all_M3(void)
{
        uint64_t va = ((uint64_t)1 << 39) - 3 * QUIRE_X86_PAGE;

        for (uint32_t pool = 1; pool < 9; pool++) {
                enum quire_status st;

                open_pages(pool);
                st = quire_table_make(&table, va, 6);
                CHECK(st == (pool < 7 ? QUIRE_NO_MEMORY : QUIRE_OK));
                if (st != QUIRE_OK) {
                        CHECK_EQ(memory.free, pool - 1);
                        CHECK_EQ(table.tables, 1);
                }
                for (unsigned i = 0; st == QUIRE_OK && i < 6; i++)
                        quire_table_map(&table, va + i * QUIRE_X86_PAGE,
                                        entry(QUIRE_X86_PAGE, QUIRE_R));
                close_pages();
        }
}

/* -------------------------------------------------------------- 2 MiB pages */

static quire_pte large_entry(uint64_t physical, unsigned access)
{
        return quire_pte_make(physical, (struct quire_x86_page){ access, true, QUIRE_CACHE_WC },
                              true);
}

static void a_large_page_splits_into_itself_B48(void)
{
        uint64_t va = 7 * QUIRE_X86_LARGE, physical = 9 * QUIRE_X86_LARGE;
        quire_pte e = large_entry(physical, QUIRE_R | QUIRE_W), *got;
        bool large = false;

        open_pages(POOL);
        REQUIRE(quire_table_map_large(&table, va, e) == QUIRE_OK);
        for (unsigned i = 0; i < 512; i += 73) {
                got = quire_table_find(&table, va + i * QUIRE_X86_PAGE + 5, &large);
                CHECK(got && large && (*got & ~QUIRE_PTE_ACCESSED) == e);
                CHECK_EQ(reach(va + i * QUIRE_X86_PAGE + 5, QUIRE_R),
                         physical + i * QUIRE_X86_PAGE + 5);
        }
        CHECK(!quire_table_find(&table, va - 1, &large));
        CHECK(!quire_table_find(&table, va + QUIRE_X86_LARGE, &large));
        CHECK(!quire_table_check(&table));
        quire_table_split_large(&table, va + 77 * QUIRE_X86_PAGE);
        CHECK(!quire_table_check(&table));
        for (unsigned i = 0; i < 512; i++) {
                got = quire_table_find(&table, va + i * QUIRE_X86_PAGE, &large);
                CHECK(got && !large);
                CHECK_EQ(*got & QUIRE_PTE_FRAME, physical + i * QUIRE_X86_PAGE);
                CHECK(quire_pte_page(*got, false).access == (QUIRE_R | QUIRE_W));
                CHECK(quire_pte_page(*got, false).cache == QUIRE_CACHE_WC);
        }
        for (unsigned i = 0; i < 512; i++)
                quire_table_unmap(&table, va + i * QUIRE_X86_PAGE);
        CHECK_EQ(table.tables, 1);
        close_pages();
}

/* T3: with nothing left in the pool. */
static void splitting_cannot_fail(void)
{
        open_pages(5);
        CHECK(quire_table_map_large(&table, 0, large_entry(0, QUIRE_R)) == QUIRE_OK);
        CHECK(quire_table_map_large(&table, QUIRE_X86_LARGE, large_entry(0, QUIRE_R)) == QUIRE_OK);
        CHECK_EQ(memory.free, 0);
        CHECK(quire_table_map_large(&table, 2 * QUIRE_X86_LARGE, large_entry(0, QUIRE_R)) ==
              QUIRE_NO_MEMORY);
        quire_table_split_large(&table, QUIRE_X86_LARGE);
        quire_table_split_large(&table, 0);
        CHECK(!quire_table_check(&table));
        close_pages();
}

static void a_large_page_goes_whole(void)
{
        open_pages(POOL);
        CHECK(quire_table_map_large(&table, 3 * QUIRE_X86_LARGE, large_entry(0, QUIRE_R)) ==
              QUIRE_OK);
        quire_table_unmap(&table, 3 * QUIRE_X86_LARGE + 12345);
        CHECK_EQ(table.tables, 1);
        close_pages();
}

/* -------------------------------------------------------------- privileges */

static void user_and_supervisor_B3_C8(void)
{
        struct quire_x86_page kernel = { QUIRE_R | QUIRE_W | QUIRE_X, false, QUIRE_CACHE_WB };
        uint64_t physical;

        open_pages(POOL);
        map(0x1000, quire_pte_make(0x5000, kernel, false));
        map(0x2000, entry(0x6000, QUIRE_R));
        for (unsigned access = QUIRE_R; access <= QUIRE_X; access *= 2) {
                CHECK(!quire_tlb_access(&tlb, &table, 0x1000, access, true, &physical));
                CHECK(quire_tlb_access(&tlb, &table, 0x1000, access, false, &physical) &&
                      physical == 0x5000);
                CHECK(!quire_tlb_access(&tlb, &table, 0x1000, access, true, &physical));
        }
        CHECK(quire_tlb_access(&tlb, &table, 0x2000, QUIRE_R, false, &physical));
        CHECK(!quire_tlb_access(&tlb, &table, 0x2000, QUIRE_W, false, &physical));
        close_pages();
}

/* A5, B32, C9: every right that a present page can have. */
static void rights_are_enforced_A5_B32_C9(void)
{
        open_pages(POOL);
        for (unsigned i = 0; i < 4; i++) {
                unsigned access = QUIRE_R | (i & 1 ? QUIRE_W : 0) | (i & 2 ? QUIRE_X : 0);
                uint64_t va = (i + 1) * QUIRE_X86_PAGE;

                map(va, entry(va, access));
                for (unsigned round = 0; round < 2; round++) {
                        CHECK_EQ(reach(va, QUIRE_R), va);
                        CHECK_EQ(reach(va, QUIRE_W), i & 1 ? va : 0);
                        CHECK_EQ(reach(va, QUIRE_X), i & 2 ? va : 0);
                }
        }
        CHECK_EQ(reach(0x9000, QUIRE_R), 0);
        CHECK_EQ(reach(QUIRE_X86_VA_END, QUIRE_R), 0);
        CHECK_EQ(reach((uint64_t)1 << 63, QUIRE_R), 0);
        close_pages();
}

static void accessed_and_dirty(void)
{
        const quire_pte both = QUIRE_PTE_ACCESSED | QUIRE_PTE_DIRTY;
        bool large;

        open_pages(POOL);
        map(0x1000, entry(0x5000, QUIRE_R | QUIRE_W));
        CHECK_EQ(*quire_table_find(&table, 0x1000, &large) & both, 0);
        CHECK(reach(0x1000, QUIRE_R));
        CHECK_EQ(*quire_table_find(&table, 0x1000, &large) & both, QUIRE_PTE_ACCESSED);
        CHECK(reach(0x1000, QUIRE_W));
        CHECK_EQ(*quire_table_find(&table, 0x1000, &large) & both, both);
        close_pages();
}

/* ---------------------------------------------------------------- staleness */

static void a_translation_stays_until_it_is_invalidated(void)
{
        bool large;

        open_pages(POOL);
        map(0x1000, entry(0x5000, QUIRE_R | QUIRE_W));
        CHECK(reach(0x1000, QUIRE_W));
        *quire_table_find(&table, 0x1000, &large) = entry(0x6000, QUIRE_R);
        CHECK_EQ(reach(0x1234, QUIRE_W), 0x5234);
        quire_tlb_invalidate(&tlb, table.root, 0x2000);
        CHECK_EQ(reach(0x1234, QUIRE_W), 0x5234);
        quire_tlb_invalidate(&tlb, table.root, 0x1fff);
        CHECK_EQ(reach(0x1234, QUIRE_W), 0);
        CHECK_EQ(reach(0x1234, QUIRE_R), 0x6234);
        close_pages();
}

/* The dirty bit too: cleared in the table alone, it does not come back. */
static void a_dirty_bit_stays_until_it_is_invalidated(void)
{
        bool large;
        quire_pte *e;

        open_pages(POOL);
        map(0x1000, entry(0x5000, QUIRE_R | QUIRE_W));
        e = quire_table_find(&table, 0x1000, &large);
        CHECK(reach(0x1000, QUIRE_W) && *e & QUIRE_PTE_DIRTY);
        *e &= ~QUIRE_PTE_DIRTY;
        CHECK(reach(0x1000, QUIRE_W) && !(*e & QUIRE_PTE_DIRTY));
        quire_tlb_invalidate(&tlb, table.root, 0x1000);
        CHECK(reach(0x1000, QUIRE_W) && *e & QUIRE_PTE_DIRTY);
        close_pages();
}

/* M2: wider rights are seen at the second try at the latest. */
static void wider_rights_are_seen_after_a_fault_M2(void)
{
        bool large;

        open_pages(POOL);
        map(0x1000, entry(0x5000, QUIRE_R));
        CHECK(reach(0x1000, QUIRE_R));
        *quire_table_find(&table, 0x1000, &large) = entry(0x5000, QUIRE_R | QUIRE_W);
        CHECK_EQ(reach(0x1000, QUIRE_W), 0);
        CHECK_EQ(reach(0x1000, QUIRE_W), 0x5000);
        close_pages();
}

static void a_large_page_is_invalidated_by_any_address(void)
{
        open_pages(POOL);
        CHECK(quire_table_map_large(&table, 0, large_entry(2 * QUIRE_X86_LARGE, QUIRE_R)) ==
              QUIRE_OK);
        CHECK(reach(0x3000, QUIRE_R));
        quire_table_unmap(&table, 0);
        CHECK_EQ(reach(0x150000, QUIRE_R), 2 * QUIRE_X86_LARGE + 0x150000);
        quire_tlb_invalidate(&tlb, table.root, 0x1ff000);
        CHECK_EQ(reach(0x150000, QUIRE_R), 0);
        close_pages();
}

static void a_flush_is_of_one_space(void)
{
        struct quire_x86_table other;
        uint64_t physical = 0;

        open_pages(POOL);
        REQUIRE(quire_table_open(&other, &memory) == QUIRE_OK);
        map(0x1000, entry(0x5000, QUIRE_R));
        REQUIRE(quire_table_make(&other, 0x1000, 1) == QUIRE_OK);
        quire_table_map(&other, 0x1000, entry(0x7000, QUIRE_R));
        CHECK(quire_tlb_access(&tlb, &other, 0x1000, QUIRE_R, true, &physical) &&
              physical == 0x7000);
        CHECK_EQ(reach(0x1000, QUIRE_R), 0x5000);
        quire_table_unmap(&table, 0x1000);
        quire_table_unmap(&other, 0x1000);
        quire_tlb_flush(&tlb, table.root);
        CHECK_EQ(reach(0x1000, QUIRE_R), 0);
        CHECK(quire_tlb_access(&tlb, &other, 0x1000, QUIRE_R, true, &physical));
        quire_tlb_flush(&tlb, other.root);
        CHECK(!quire_tlb_access(&tlb, &other, 0x1000, QUIRE_R, true, &physical));
        quire_table_close(&other);
        close_pages();
}

/* More pages than there are places, and every one is translated right. */
static void a_tlb_is_finite(void)
{
        uint64_t walks;

        open_pages(POOL);
        for (unsigned i = 0; i < 1000; i++)
                map((i + 1) * QUIRE_X86_PAGE, entry((i + 9) * QUIRE_X86_PAGE, QUIRE_R));
        for (unsigned round = 0; round < 3; round++)
                for (unsigned i = 0; i < 1000; i++)
                        CHECK_EQ(reach((i + 1) * QUIRE_X86_PAGE, QUIRE_R),
                                 (i + 9) * QUIRE_X86_PAGE);
        CHECK(tlb.walks > 2000);
        walks = tlb.walks;
        for (unsigned i = 0; i < 100; i++)
                CHECK(reach(5 * QUIRE_X86_PAGE, QUIRE_R));
        CHECK_EQ(tlb.walks, walks + 1);
        close_pages();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(entries_say_what_a_page_is_A5_A6_C11);
        RUN(cache_bits_B36_B37_C11);
        RUN(protecting_an_entry_keeps_the_rest);
        RUN(tables_come_and_go_B12);
        RUN(a_walk_costs_what_is_mapped);
        RUN(tables_are_made_whole_or_not_at_all_M3);
        RUN(a_large_page_splits_into_itself_B48);
        RUN(splitting_cannot_fail);
        RUN(a_large_page_goes_whole);
        RUN(user_and_supervisor_B3_C8);
        RUN(rights_are_enforced_A5_B32_C9);
        RUN(accessed_and_dirty);
        RUN(a_translation_stays_until_it_is_invalidated);
        RUN(a_dirty_bit_stays_until_it_is_invalidated);
        RUN(wider_rights_are_seen_after_a_fault_M2);
        RUN(a_large_page_is_invalidated_by_any_address);
        RUN(a_flush_is_of_one_space);
        RUN(a_tlb_is_finite);
        return test_end();
}
