/*
 * table.h - four-level page tables of x86-64, in the processor's own format.
 *
 * Freestanding: no libc, no host.  The tables lie in physical memory, which
 * the code here sees through a window; in a process that is a big allocation,
 * in a kernel the direct map.
 *
 * Addresses are bytes.  Physical addresses are offsets into the window.
 */
#ifndef QUIRE_X86_TABLE_H
#define QUIRE_X86_TABLE_H
#include "quire/types.h"

typedef uint64_t quire_pte;

#define QUIRE_PTE_PRESENT ((quire_pte)1 << 0)
#define QUIRE_PTE_WRITE ((quire_pte)1 << 1)
#define QUIRE_PTE_USER ((quire_pte)1 << 2)
#define QUIRE_PTE_PWT ((quire_pte)1 << 3)
#define QUIRE_PTE_PCD ((quire_pte)1 << 4)
#define QUIRE_PTE_ACCESSED ((quire_pte)1 << 5)
#define QUIRE_PTE_DIRTY ((quire_pte)1 << 6)
#define QUIRE_PTE_LARGE ((quire_pte)1 << 7)       /* in a directory */
#define QUIRE_PTE_PAT ((quire_pte)1 << 7)         /* of a 4 KiB page */
#define QUIRE_PTE_LARGE_PAT ((quire_pte)1 << 12)  /* of a 2 MiB page */
#define QUIRE_PTE_NX ((quire_pte)1 << 63)
#define QUIRE_PTE_FRAME ((quire_pte)0x000ffffffffff000)
#define QUIRE_PTE_LARGE_FRAME ((quire_pte)0x000fffffffe00000)

#define QUIRE_X86_PAGE ((uint64_t)4096)
#define QUIRE_X86_LARGE ((uint64_t)2 << 20)
#define QUIRE_X86_VA_END ((uint64_t)1 << 47)      /* of the lower half */

/* What a page is like, apart from where it lies. */
enum quire_x86_cache {                             /* index into the page attribute table ... */
        QUIRE_CACHE_WB = 0,                        /* ... as it is after a reset, with WC in 4 */
        QUIRE_CACHE_WT = 1,
        QUIRE_CACHE_UC_WEAK = 2,                   /* UC-: a memory type register may say WC */
        QUIRE_CACHE_UC = 3,
        QUIRE_CACHE_WC = 4,
};
struct quire_x86_page {
        unsigned access;                           /* QUIRE_R, W, X; 0: not present */
        bool user;
        enum quire_x86_cache cache;
};
quire_pte quire_pte_make(uint64_t physical, struct quire_x86_page, bool large);
struct quire_x86_page quire_pte_page(quire_pte, bool large);
/* The same page with this access; 0: not present, and its place still known. */
quire_pte quire_pte_protect(quire_pte, unsigned access);

/* Physical memory, as far as tables need it.  All tables of all spaces come
 * from one pool of pages. */
struct quire_x86_memory {
        uint8_t *window;                 /* of physical address 0 */
        uint64_t first;                  /* physical address of the pool */
        uint32_t pages, fresh;           /* of the pool; those below fresh were used once */
        uint32_t free;                   /* how many can be had */
        uint64_t list;                   /* free pages, linked through their first word; 0: none */
        uint16_t *used;                  /* entries in use, of each page of the pool */
};

/*
 * T1  An entry of an upper level that is present names a table of the pool,
 *     or, in a directory, a 2 MiB page.
 * T2  used[] of a table is the number of its entries that are not zero; a
 *     table without any is not linked, save the root and between make and map.
 * T3  For every 2 MiB page one pool page is set aside (deposits), so that
 *     splitting it cannot fail.
 */
struct quire_x86_table {
        struct quire_x86_memory *memory;
        uint64_t root;                   /* physical address of the fourth level */
        uint64_t deposits;               /* list, as the free one */
        uint32_t tables;                 /* pages of the pool it has, deposits among them */
};

/* NO_MEMORY: the pool is empty. */
QUIRE_CHECKED enum quire_status quire_table_open(struct quire_x86_table *,
                                                 struct quire_x86_memory *);
/* Frees the tables.  What they map is the caller's. */
void quire_table_close(struct quire_x86_table *);

/* An entry that is not zero maps its page, present or not.  The entry that maps
 * va, or null; *large: it is a 2 MiB page. */
quire_pte *quire_table_find(const struct quire_x86_table *, uint64_t va, bool *large);
/* The first page that is mapped at or after *va and before end; *va: where it
 * begins, or as it was where it began before.  Costs what is mapped. */
quire_pte *quire_table_next(const struct quire_x86_table *, uint64_t *va, uint64_t end,
                            bool *large);

/* Have the tables that 4 KiB pages in the range need, or change nothing:
 * NO_MEMORY.  => no 2 MiB page lies there */
QUIRE_CHECKED enum quire_status quire_table_make(struct quire_x86_table *, uint64_t va,
                                                 uint64_t pages);
/* => made, and nothing is mapped there */
void quire_table_map(struct quire_x86_table *, uint64_t va, quire_pte);
/* Unmap a page of either size; tables that become empty go.  => mapped */
void quire_table_unmap(struct quire_x86_table *, uint64_t va);

/* A 2 MiB page.  => va and the physical address are aligned to it, nothing is
 * mapped in its range.  NO_MEMORY: not enough pages in the pool. */
QUIRE_CHECKED enum quire_status quire_table_map_large(struct quire_x86_table *, uint64_t va,
                                                      quire_pte);
/* Make 512 pages of it, alike in every respect.  => a 2 MiB page holds va */
void quire_table_split_large(struct quire_x86_table *, uint64_t va);

/* Null, or which invariant does not hold. */
const char *quire_table_check(const struct quire_x86_table *);

#endif
