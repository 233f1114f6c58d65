/*
 * parts.h - a range of the program's addresses, part by part: whose it is.
 * Between the files about memory.
 */
#ifndef QUIRE_RUN_PARTS_H
#define QUIRE_RUN_PARTS_H
#include "memory.h"

enum quire_part_kind {
        QUIRE_PART_KERNEL,      /* outside of where managed memory can be */
        QUIRE_PART_FREE,        /* in the arena, mapped by nobody */
        QUIRE_PART_PAGED,       /* managed */
        QUIRE_PART_PLAIN,       /* in the arena, but the kernel's: a file, or executable */
        QUIRE_PART_BEYOND,      /* in the heap, past the break */
};

struct quire_part {
        uint64_t va, bytes;
        enum quire_part_kind kind;
        bool committed;
        unsigned access;
        uint8_t mark;
        uint64_t base, region;  /* of its region: address and size */
};

/* Marks that a region's pages carry: what a forked child does with them. */
enum { QUIRE_MARK_DONT_FORK = 1, QUIRE_MARK_WIPE = 2 };

/* The part that va lies in, as far as it goes on alike, at most to `end'. */
struct quire_part quire_part_at(uint64_t va, uint64_t end);

/* The core's functions, with our signals' state told.  => the memory lock */
bool quire_part_reserve(enum quire_region_kind, uint64_t va, uint64_t bytes);
int quire_part_release(const struct quire_part *);
/* New access for managed pages, as mprotect; a negative errno. */
int quire_part_protect(const struct quire_part *, int prot);
/* Make them zeroes; what was committed stays so. */
void quire_part_discard(const struct quire_part *);
/* Exchange managed pages for the kernel's own, contents and all. */
int quire_part_to_kernel(const struct quire_part *, int prot);
/* Let a managed part become a plain region, whose contents are the kernel's. */
int quire_range_to_plain(const struct quire_part *);
/* Free a range: managed parts are released, others are left to the kernel. */
int quire_range_free(uint64_t va, uint64_t bytes);
unsigned quire_prot_access(int prot);
int quire_status_errno(enum quire_status);
void quire_mapped_add(uint64_t bytes);
void quire_mapped_sub(uint64_t bytes);

/* memory.c: map managed memory where there is room, as mmap. */
int64_t quire_range_map(uint64_t hint, uint64_t bytes, int prot, int flags);

/* advice.c: mlock, as far as it goes; is any page marked for forks? */
int quire_part_lock(const struct quire_part *);
bool quire_advice_marked(void);

/* heap.c */
void quire_heap_open(void);
bool quire_heap_beyond(uint64_t va, uint64_t *until);

#endif
