/*
 * table.c - four-level page tables: find, make, map, unmap, and 2 MiB pages.
 *
 * Decides nothing about who owns a frame, and invalidates nothing: whoever
 * narrows an entry does that (tlb.h).  The caller serialises.
 *
 *      level 4          3            2              1
 *      root[512] --> [512] -------> [512] -------> [512] --> 4 KiB page
 *                                      `-- LARGE --> 2 MiB page
 */
#include "table.h"

#define ENTRIES 512u
#define INDEX(va, level) ((unsigned)((va) >> (3 + 9 * (level))) & (ENTRIES - 1))
#define SPAN(level) ((uint64_t)1 << (3 + 9 * (level)))    /* what one entry of it covers */

static quire_pte *entries(const struct quire_x86_memory *m, uint64_t physical)
{
        return (quire_pte *)(void *)(m->window + physical);
}

static uint16_t *used(const struct quire_x86_memory *m, uint64_t physical)
{
        return &m->used[(physical - m->first) / QUIRE_X86_PAGE];
}

/* ------------------------------------------------------------------- entries */

quire_pte quire_pte_make(uint64_t physical, struct quire_x86_page page, bool large)
{
        quire_pte pat = large ? QUIRE_PTE_LARGE_PAT : QUIRE_PTE_PAT;
        quire_pte e = physical;

        if (!page.access)
                return 0;
        e |= QUIRE_PTE_PRESENT;
        if (page.access & QUIRE_W)
                e |= QUIRE_PTE_WRITE;
        if (!(page.access & QUIRE_X))
                e |= QUIRE_PTE_NX;
        if (page.user)
                e |= QUIRE_PTE_USER;
        if (page.cache & 1)
                e |= QUIRE_PTE_PWT;
        if (page.cache & 2)
                e |= QUIRE_PTE_PCD;
        if (page.cache & 4)
                e |= pat;
        if (large)
                e |= QUIRE_PTE_LARGE;
        return e;
}

struct quire_x86_page quire_pte_page(quire_pte e, bool large)
{
        quire_pte pat = large ? QUIRE_PTE_LARGE_PAT : QUIRE_PTE_PAT;
        struct quire_x86_page page = { 0, false, QUIRE_CACHE_WB };
        unsigned cache = 0;

        if (!(e & QUIRE_PTE_PRESENT))
                return page;
        page.access = QUIRE_R;
        if (e & QUIRE_PTE_WRITE)
                page.access |= QUIRE_W;
        if (!(e & QUIRE_PTE_NX))
                page.access |= QUIRE_X;
        page.user = e & QUIRE_PTE_USER;
        cache |= e & QUIRE_PTE_PWT ? 1 : 0;
        cache |= e & QUIRE_PTE_PCD ? 2 : 0;
        cache |= e & pat ? 4 : 0;
        page.cache = (enum quire_x86_cache)cache;
        return page;
}

quire_pte quire_pte_protect(quire_pte e, unsigned access)
{
        e &= ~(QUIRE_PTE_PRESENT | QUIRE_PTE_WRITE | QUIRE_PTE_NX);
        if (access)
                e |= QUIRE_PTE_PRESENT;
        if (access & QUIRE_W)
                e |= QUIRE_PTE_WRITE;
        if (!(access & QUIRE_X))
                e |= QUIRE_PTE_NX;
        return e;
}

/* ------------------------------------------------------------------ the pool */

/* => m->free is not zero */
static uint64_t take_page(struct quire_x86_memory *m)
{
        uint64_t physical = m->list;
        quire_pte *e;

        m->free--;
        if (physical)
                m->list = entries(m, physical)[0];
        else
                physical = m->first + m->fresh++ * QUIRE_X86_PAGE;
        e = entries(m, physical);
        for (unsigned i = 0; i < ENTRIES; i++)
                e[i] = 0;
        *used(m, physical) = 0;
        return physical;
}

static void give_page(struct quire_x86_memory *m, uint64_t physical)
{
        entries(m, physical)[0] = m->list;
        m->list = physical;
        m->free++;
}

enum quire_status quire_table_open(struct quire_x86_table *t, struct quire_x86_memory *m)
{
        if (!m->free)
                return QUIRE_NO_MEMORY;
        t->memory = m;
        t->root = take_page(m);
        t->deposits = 0;
        t->tables = 1;
        return QUIRE_OK;
}

static void free_tables(struct quire_x86_table *t, uint64_t physical, unsigned level)
{
        const quire_pte *e = entries(t->memory, physical);

        for (unsigned i = 0; level > 1 && i < ENTRIES; i++)
                if (e[i] && !(e[i] & QUIRE_PTE_LARGE))
                        free_tables(t, e[i] & QUIRE_PTE_FRAME, level - 1);
        give_page(t->memory, physical);
}

void quire_table_close(struct quire_x86_table *t)
{
        free_tables(t, t->root, 4);
        while (t->deposits) {
                uint64_t physical = t->deposits;

                t->deposits = entries(t->memory, physical)[0];
                give_page(t->memory, physical);
        }
        t->root = 0;
        t->tables = 0;
}

/* ------------------------------------------------------------------- finding */

/* Down to the entry of va at the level, or as far as there are tables; *level:
 * how far. */
static quire_pte *descend(const struct quire_x86_table *t, uint64_t va, unsigned *level)
{
        uint64_t physical = t->root;
        unsigned at = 4;

        for (;; at--) {
                quire_pte *e = &entries(t->memory, physical)[INDEX(va, at)];

                if (at == *level || !*e || (at == 2 && *e & QUIRE_PTE_LARGE)) {
                        *level = at;
                        return e;
                }
                physical = *e & QUIRE_PTE_FRAME;
        }
}

quire_pte *quire_table_find(const struct quire_x86_table *t, uint64_t va, bool *large)
{
        unsigned level = 1;
        quire_pte *e = descend(t, va, &level);

        *large = level == 2;
        return *e ? e : NULL;
}

quire_pte *quire_table_next(const struct quire_x86_table *t, uint64_t *va, uint64_t end,
                            bool *large)
{
        while (*va < end) {
                unsigned level = 1;
                quire_pte *e = descend(t, *va, &level);

                if (*e) {
                        *large = level == 2;
                        return e;
                }
                *va = (*va / SPAN(level) + 1) * SPAN(level);
        }
        return NULL;
}

/* -------------------------------------------------------------------- tables */

/* Tables missing for entries at `bottom' of the pages in the range. */
static uint32_t count_missing(const struct quire_x86_table *t, uint64_t va, uint64_t end,
                              unsigned bottom)
{
        uint32_t missing = 0;

        for (unsigned above = bottom + 1; above <= 4; above++) {
                uint64_t at = va / SPAN(above) * SPAN(above);

                for (; at < end; at += SPAN(above)) {
                        unsigned level = above;
                        const quire_pte *e = descend(t, at < va ? va : at, &level);

                        missing += level > above || !*e;
                }
        }
        return missing;
}

/* => there are pages enough */
static void add_tables(struct quire_x86_table *t, uint64_t va, unsigned bottom)
{
        for (;;) {
                unsigned level = bottom;
                quire_pte *e = descend(t, va, &level);

                if (level == bottom)
                        return;
                /* What an upper level allows is narrowed only at the lowest. */
                *e = take_page(t->memory) | QUIRE_PTE_PRESENT | QUIRE_PTE_WRITE | QUIRE_PTE_USER;
                t->tables++;
                if (level < 4) {
                        unsigned up = level + 1;

                        ++*used(t->memory, *descend(t, va, &up) & QUIRE_PTE_FRAME);
                } else {
                        ++*used(t->memory, t->root);
                }
        }
}

enum quire_status quire_table_make(struct quire_x86_table *t, uint64_t va, uint64_t pages)
{
        uint64_t end = va + pages * QUIRE_X86_PAGE;

        if (count_missing(t, va, end, 1) > t->memory->free)
                return QUIRE_NO_MEMORY;
        for (uint64_t at = va; at < end; at = (at / SPAN(2) + 1) * SPAN(2))
                add_tables(t, at, 1);
        return QUIRE_OK;
}

/* The table that holds the entry of va at the level. */
static uint64_t table_of(const struct quire_x86_table *t, uint64_t va, unsigned level)
{
        unsigned up = level + 1;

        return level == 4 ? t->root : *descend(t, va, &up) & QUIRE_PTE_FRAME;
}

/* Tables of va that have no entries go, from the level up. */
static void trim_tables(struct quire_x86_table *t, uint64_t va, unsigned level)
{
        for (; level < 4; level++) {
                uint64_t empty = table_of(t, va, level);
                unsigned up = level + 1;

                if (*used(t->memory, empty))
                        return;
                *descend(t, va, &up) = 0;
                give_page(t->memory, empty);
                t->tables--;
                --*used(t->memory, table_of(t, va, level + 1));
        }
}

void quire_table_map(struct quire_x86_table *t, uint64_t va, quire_pte entry)
{
        unsigned level = 1;

        *descend(t, va, &level) = entry;
        ++*used(t->memory, table_of(t, va, 1));
}

/* ------------------------------------------------------------- 2 MiB pages */

static void put_deposit(struct quire_x86_table *t)
{
        uint64_t physical = take_page(t->memory);

        entries(t->memory, physical)[0] = t->deposits;
        t->deposits = physical;
        t->tables++;
}

static uint64_t take_deposit(struct quire_x86_table *t)
{
        uint64_t physical = t->deposits;

        t->deposits = entries(t->memory, physical)[0];
        return physical;
}

enum quire_status quire_table_map_large(struct quire_x86_table *t, uint64_t va, quire_pte entry)
{
        unsigned level = 2;

        if (count_missing(t, va, va + QUIRE_X86_LARGE, 2) + 1 > t->memory->free)
                return QUIRE_NO_MEMORY;
        add_tables(t, va, 2);
        put_deposit(t);
        *descend(t, va, &level) = entry;
        ++*used(t->memory, table_of(t, va, 2));
        return QUIRE_OK;
}

void quire_table_split_large(struct quire_x86_table *t, uint64_t va)
{
        unsigned level = 2;
        quire_pte *directory = descend(t, va, &level);
        quire_pte whole = *directory, *e;
        uint64_t physical = take_deposit(t);
        quire_pte same = whole & ~(QUIRE_PTE_LARGE_FRAME | QUIRE_PTE_LARGE | QUIRE_PTE_LARGE_PAT);

        if (whole & QUIRE_PTE_LARGE_PAT)
                same |= QUIRE_PTE_PAT;
        e = entries(t->memory, physical);
        for (unsigned i = 0; i < ENTRIES; i++)
                e[i] = same | ((whole & QUIRE_PTE_LARGE_FRAME) + i * QUIRE_X86_PAGE);
        *used(t->memory, physical) = ENTRIES;
        *directory = physical | QUIRE_PTE_PRESENT | QUIRE_PTE_WRITE | QUIRE_PTE_USER;
}

void quire_table_unmap(struct quire_x86_table *t, uint64_t va)
{
        unsigned level = 1;
        quire_pte *e = descend(t, va, &level);

        *e = 0;
        --*used(t->memory, table_of(t, va, level));
        if (level == 2) {
                give_page(t->memory, take_deposit(t));
                t->tables--;
        }
        trim_tables(t, va, level);
}

/* --------------------------------------------------------------------- check */

static const char *check_table(const struct quire_x86_table *t, uint64_t physical,
                               unsigned level, uint32_t *tables, uint32_t *large)
{
        const struct quire_x86_memory *m = t->memory;
        const quire_pte *e = entries(m, physical);
        const char *wrong = NULL;
        unsigned count = 0;

        if (physical < m->first || (physical - m->first) / QUIRE_X86_PAGE >= m->fresh)
                return "T1: a table outside of the pool";
        ++*tables;
        for (unsigned i = 0; i < ENTRIES && !wrong; i++) {
                count += e[i] != 0;
                if (level == 2 && e[i] & QUIRE_PTE_LARGE)
                        ++*large;
                else if (level > 1 && e[i])
                        wrong = check_table(t, e[i] & QUIRE_PTE_FRAME, level - 1, tables, large);
        }
        if (!wrong && (count != *used(m, physical) || (!count && level < 4)))
                wrong = "T2: a table's count of entries";
        return wrong;
}

const char *quire_table_check(const struct quire_x86_table *t)
{
        uint32_t tables = 0, large = 0;
        const char *wrong = check_table(t, t->root, 4, &tables, &large);

        for (uint64_t d = t->deposits; d; d = entries(t->memory, d)[0]) {
                tables++;
                large--;
        }
        if (!wrong && large)
                wrong = "T3: deposits and 2 MiB pages";
        if (!wrong && tables != t->tables)
                wrong = "the number of tables";
        return wrong;
}
