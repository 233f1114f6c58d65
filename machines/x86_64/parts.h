/*
 * parts.h - the nouns of the x86-64 machine inside a test.
 *
 *      physical memory (4 KiB pages, numbered from 0)
 *      | 0: none | devices | frames of the core | plain memory | tables |
 *
 * A frame's handle is its page number.
 */
#ifndef QUIRE_X86_PARTS_H
#define QUIRE_X86_PARTS_H
#include "claim.h"
#include "x86_64.h"

#define QUIRE_X86_PROCESSORS 8u
#define QUIRE_X86_BLOCK 512u             /* pages of a 2 MiB page */

/* ---------------------------------------------------------------- memory.c */

/* Pages of one use, in blocks of 512 aligned ones. */
struct quire_x86_zone {
        uint64_t first;                  /* page number; a multiple of 512 */
        uint64_t pages;                  /* a multiple of 512 */
        uint64_t most;                   /* that may be taken at a time */
        uint64_t taken;
        uint64_t hint;                   /* the block to look at first */
        uint64_t *bits;                  /* 1: taken */
        uint16_t *count;                 /* taken, of each block */
};
struct quire_x86_frame {
        struct quire_store *store;       /* null: private */
        uint64_t index;                  /* in the store */
        uint32_t shown;                  /* at how many addresses */
        bool taken;                      /* it is the core's */
        bool device;                     /* and no memory of the machine's */
};
bool quire_x86_memory_open(struct quire_x86 *);
void quire_x86_memory_close(struct quire_x86 *);
/* 0: none is free. */
uint64_t quire_x86_page_take(struct quire_x86_zone *);
uint64_t quire_x86_block_take(struct quire_x86_zone *);
void quire_x86_page_give(struct quire_x86_zone *, uint64_t page);
/* The contents of a page. */
uint8_t *quire_x86_contents(const struct quire_x86 *, uint64_t page);

/* ----------------------------------------------------------------- frame.c */

struct quire_store {
        struct quire_x86 *x86;
        struct quire_store *next;
        uint64_t pages;
        uint64_t *frame;                 /* page numbers; 0: not made yet */
};
struct quire_x86_frame *quire_x86_frame_of(struct quire_x86 *, quire_frame, const char *what);
enum quire_status quire_x86_frame_alloc(struct quire_machine *, struct quire_store *,
                                        uint64_t index, enum quire_fill, quire_frame *);
void quire_x86_frame_free(struct quire_machine *, quire_frame);
enum quire_status quire_x86_frame_physical(struct quire_machine *, uint64_t address,
                                           quire_frame *);
void *quire_x86_frame_window(struct quire_machine *, quire_frame);
enum quire_status quire_x86_store_open(struct quire_machine *, uint64_t pages,
                                       struct quire_store **);
void quire_x86_store_close(struct quire_machine *, struct quire_store *);

/* ----------------------------------------------------------------- space.c */

struct quire_mspace {
        struct quire_x86 *x86;
        struct quire_mspace *next;
        void *owner;
        struct quire_claims claims;
        struct quire_x86_table table;
};
enum quire_status quire_x86_space_open(struct quire_machine *, void *owner,
                                       struct quire_mspace **);
void quire_x86_space_close(struct quire_mspace *);
enum quire_status quire_x86_reserve(struct quire_mspace *, uint64_t va, uint64_t pages,
                                    const struct quire_view *, struct quire_range *);
void quire_x86_release(struct quire_mspace *, uint64_t va, uint64_t pages);
enum quire_status quire_x86_enter(struct quire_mspace *, uint64_t va, uint64_t pages,
                                  const quire_frame *, unsigned access);
void quire_x86_protect(struct quire_mspace *, uint64_t va, uint64_t pages, unsigned access);
enum quire_status quire_x86_take(struct quire_mspace *, uint64_t va, uint64_t pages,
                                 const quire_frame *);
void quire_x86_drop(struct quire_mspace *, uint64_t va, uint64_t pages);
/* What this access, with attributes, is in an entry; and the other way round. */
struct quire_x86_page quire_x86_page_of(unsigned access);
unsigned quire_x86_access_of(struct quire_x86_page);
/* Every processor forgets the page that holds va, unless `why' is left out. */
void quire_x86_invalidate(struct quire_mspace *, uint64_t va, enum quire_x86_forget why);

/* ----------------------------------------------------------------- plain.c */

/* A fault in plain memory that is the machine's own business; false: it is not
 * plain, or not allowed. */
bool quire_x86_plain_resolve(struct quire_mspace *, uint64_t va, unsigned access);
enum quire_status quire_x86_delegate(struct quire_mspace *, uint64_t va, uint64_t pages,
                                     const struct quire_view *, struct quire_range *obstacle);
enum quire_status quire_x86_delegate_protect(struct quire_mspace *, uint64_t va, uint64_t pages,
                                             unsigned access);
void quire_x86_delegate_discard(struct quire_mspace *, uint64_t va, uint64_t pages);
void quire_x86_delegate_release(struct quire_mspace *, uint64_t va, uint64_t pages);
enum quire_status quire_x86_delegate_watch(struct quire_mspace *, uint64_t va, uint64_t pages);
enum quire_status quire_x86_harvest(struct quire_mspace *, uint64_t va, uint64_t pages,
                                    uint8_t *bits);

/* ------------------------------------------------------------------ x86.c */

struct quire_x86 {
        struct quire_x86_options options;
        struct quire_sim_host *host;
        struct quire_abilities abilities;
        struct quire_machine_ops ops;
        struct quire_x86_memory memory;          /* the tables' view of it */
        uint64_t bytes;                          /* of all physical memory */
        struct quire_x86_zone frames, plain;
        struct quire_x86_frame *frame;           /* by page number: devices, frames */
        struct quire_tlb tlb[QUIRE_X86_PROCESSORS];
        struct quire_store *stores;
        struct quire_mspace *spaces;
        struct quire_x86_counts counts;
};

#endif
