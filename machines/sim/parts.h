/*
 * parts.h - the nouns of the simulated machine: frames, stores, spaces, and
 * what is shown where.
 *
 *   sim --< space --< claim        (claim.h)
 *    |        `-----< shown page --> frame
 *    `----< frame --> store
 *
 * Addresses are page numbers here; ops.c turns bytes into them.
 */
#ifndef QUIRE_SIM_PARTS_H
#define QUIRE_SIM_PARTS_H
#include "claim.h"
#include "sim.h"

/* ------------------------------------------------------------------- map.c */

/* A sparse array of pointers and two bytes, by page number. */
struct quire_sim_page {
        void *thing;                   /* null: nothing here */
        uint8_t access;
        uint8_t noted;                 /* QUIRE_REFERENCED, QUIRE_MODIFIED */
};
struct quire_sim_map {
        void *root;
};
struct quire_sim_page *quire_sim_map_find(const struct quire_sim_map *, uint64_t page);
/* The first that holds something at or after *page and before end; *page: which. */
struct quire_sim_page *quire_sim_map_next(const struct quire_sim_map *, uint64_t *page,
                                          uint64_t end);
/* Null: no memory. */
struct quire_sim_page *quire_sim_map_set(struct quire_sim_map *, uint64_t page, void *thing);
void quire_sim_map_clear(struct quire_sim_map *, uint64_t page);

/* ----------------------------------------------------------------- frame.c */

enum quire_sim_frame_kind {
        QUIRE_SIM_FREE,
        QUIRE_SIM_PRIVATE,
        QUIRE_SIM_STORED,
        QUIRE_SIM_TOUCHED,             /* a store's, made by a touch in a delegated view */
        QUIRE_SIM_PLAIN,
        QUIRE_SIM_PHYSICAL,            /* contents: a part of sim.physical */
};
struct quire_sim_frame {
        uint8_t *contents;
        quire_frame handle;
        struct quire_store *store;     /* STORED, TOUCHED */
        uint64_t index;                /* ... in the store; PHYSICAL: its page */
        struct quire_sim_frame *next;  /* FREE */
        uint32_t shown;                /* at how many addresses */
        uint8_t kind;                  /* enum quire_sim_frame_kind */
};
struct quire_store {
        struct quire_sim *sim;
        struct quire_store *next;
        uint64_t pages;
        struct quire_sim_map frames;
};
/* The frame of the handle; stops where there is none. */
struct quire_sim_frame *quire_sim_frame_of(struct quire_sim *, quire_frame, const char *what);
/* The core's windows into it end here. */
void quire_sim_frame_move(struct quire_sim *, struct quire_sim_frame *);
struct quire_sim_frame *quire_sim_frame_plain(struct quire_sim *);
/* The store's page, made by a touch where it is not there yet. */
struct quire_sim_frame *quire_sim_frame_touch(struct quire_store *, uint64_t index);
void quire_sim_frame_drop(struct quire_sim *, struct quire_sim_frame *);
enum quire_status quire_sim_frame_alloc(struct quire_machine *, struct quire_store *,
                                        uint64_t index, enum quire_fill, quire_frame *);
void quire_sim_frame_free(struct quire_machine *, quire_frame);
void *quire_sim_frame_window(struct quire_machine *, quire_frame);
enum quire_status quire_sim_store_open(struct quire_machine *, uint64_t pages,
                                       struct quire_store **);
void quire_sim_store_close(struct quire_machine *, struct quire_store *);
enum quire_status quire_sim_frame_physical(struct quire_machine *, uint64_t address,
                                           quire_frame *);
void quire_sim_frames_close(struct quire_sim *);

/* ----------------------------------------------------------------- space.c */

struct quire_mspace {
        struct quire_sim *sim;
        struct quire_mspace *next;
        void *owner;
        struct quire_claims claims;
        struct quire_sim_map shown;
};
enum quire_status quire_sim_space_open(struct quire_machine *, void *owner,
                                       struct quire_mspace **);
void quire_sim_space_close(struct quire_mspace *);
enum quire_status quire_sim_reserve(struct quire_mspace *, uint64_t va, uint64_t pages,
                                    const struct quire_view *, struct quire_range *);
void quire_sim_release(struct quire_mspace *, uint64_t va, uint64_t pages);
/* Stop showing anything there; plain pages lose their memory. */
void quire_sim_hide(struct quire_mspace *, uint64_t first, uint64_t pages);

/* ------------------------------------------------------------------ show.c */

enum quire_status quire_sim_enter(struct quire_mspace *, uint64_t va, uint64_t pages,
                                  const quire_frame *, unsigned access);
void quire_sim_protect(struct quire_mspace *, uint64_t va, uint64_t pages, unsigned access);
enum quire_status quire_sim_take(struct quire_mspace *, uint64_t va, uint64_t pages,
                                 const quire_frame *);
void quire_sim_drop(struct quire_mspace *, uint64_t va, uint64_t pages);

/* ----------------------------------------------------------------- plain.c */

enum quire_status quire_sim_delegate(struct quire_mspace *, uint64_t va, uint64_t pages,
                                     const struct quire_view *, struct quire_range *obstacle);
enum quire_status quire_sim_delegate_protect(struct quire_mspace *, uint64_t va, uint64_t pages,
                                             unsigned access);
void quire_sim_delegate_discard(struct quire_mspace *, uint64_t va, uint64_t pages);
void quire_sim_delegate_release(struct quire_mspace *, uint64_t va, uint64_t pages);
enum quire_status quire_sim_delegate_watch(struct quire_mspace *, uint64_t va, uint64_t pages);
enum quire_status quire_sim_harvest(struct quire_mspace *, uint64_t va, uint64_t pages,
                                    uint8_t *bits);

/* ------------------------------------------------------------------- sim.c */

struct quire_sim {
        struct quire_sim_options options;
        struct quire_sim_host *host;
        struct quire_abilities abilities;
        struct quire_machine_ops ops;
        unsigned shift;
        size_t page;
        struct quire_sim_frame **frame;        /* by the low half of the handle, less one */
        uint64_t frame_room, frame_end;
        struct quire_sim_frame *free_frames;
        struct quire_store *stores;
        struct quire_mspace *spaces;
        uint8_t *physical;                     /* null: none */
        struct quire_sim_map physical_frames;  /* by page of options.physical */
        struct quire_sim_counts counts;
};

#endif
