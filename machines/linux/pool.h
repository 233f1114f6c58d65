/*
 * pool.h - frames, and the slots that hold what is not shown anywhere.
 *
 *    frame    FREE                            in the list of frames given back
 *             LAZY                            reads as zeroes, has no page yet
 *             HELD ---- slot                  its page lies in the pool
 *             SHOWN                           its page lies at some address
 *
 *    slot     empty                           no page; may receive one
 *             stale                           a page nobody needs; cheap to reuse
 *             (neither)                       holds the page of one HELD frame
 *
 * Invariants
 *   P1  A slot is empty, stale or bound to exactly one HELD frame.
 *   P2  stales <= slack - QUIRE_RUN_MAX - STORE_RUN, no call has more than
 *       QUIRE_RUN_MAX pages in two places at a time, and stores have no more than
 *       STORE_RUN that are nobody's: so pages in existence never exceed frames handed
 *       out + slack.
 *   P3  empties and stales are the numbers of bits set.
 */
#ifndef QUIRE_LINUX_POOL_H
#define QUIRE_LINUX_POOL_H
#include "bits.h"
#include "quire/machine.h"

struct quire_linux;

enum frame_state { FRAME_FREE, FRAME_LAZY, FRAME_HELD, FRAME_SHOWN };
#define FRAME_SHIFT 30
#define NO_SLOT UINT32_MAX

struct pool {
        uint64_t base;               /* [I] address of slot 0 */
        uint64_t bytes;              /* [I] of the mapping */
        uint32_t slots;              /* [I] */
        uint32_t frames;             /* [I] the most frames there can be */
        uint32_t slack;              /* [I] pages beside those of frames */
        uint32_t *frame;             /* [L] state << FRAME_SHIFT | slot, or next free + 1 */
        uint32_t fresh;              /* [L] frames from here on were never used */
        uint32_t free;               /* [L] first frame given back + 1, or 0 */
        uint32_t ready;              /* [L] slots from here on are in no map yet */
        uint32_t empties;            /* [L] */
        uint32_t stales;             /* [L] */
        uint32_t dearth;             /* [L] see note_dearth() */
        bool lean;                   /* [L] of late, pages had to be made */
        uint32_t hint;               /* [L] where to look for an empty slot */
        uint32_t stale_hint;         /* [L] where to look for a stale one */
        struct bits empty;           /* [L] */
        struct bits stale;           /* [L] */
};

static inline uint32_t frame_index(quire_frame f)
{
        return (uint32_t)f - 1;
}

static inline enum frame_state frame_state(const struct pool *p, quire_frame f)
{
        return (enum frame_state)(p->frame[frame_index(f)] >> FRAME_SHIFT);
}

static inline uint32_t frame_slot(const struct pool *p, quire_frame f)
{
        return p->frame[frame_index(f)] & ((1u << FRAME_SHIFT) - 1);
}

static inline void frame_set(struct pool *p, quire_frame f, enum frame_state s, uint32_t slot)
{
        p->frame[frame_index(f)] = (uint32_t)s << FRAME_SHIFT | slot;
}

static inline uint64_t slot_va(const struct pool *p, uint32_t slot)
{
        return p->base + ((uint64_t)slot << 12);
}

bool quire_pool_open(struct quire_linux *);
bool quire_pool_adopt(struct quire_linux *);
void quire_pool_close(struct quire_linux *);

/* Claim up to `want' consecutive empty slots; returns the first, or NO_SLOT. */
uint32_t quire_pool_claim(struct pool *, uint32_t want, uint32_t *got);
/* Claim one stale slot, or NO_SLOT. */
uint32_t quire_pool_reuse(struct pool *);
/* A claimed slot, or that of a frame no longer held: with or without its page. */
void quire_pool_emptied(struct pool *, uint32_t slot);
void quire_pool_staled(struct quire_linux *, uint32_t slot);

#endif
