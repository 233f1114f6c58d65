/*
 * tier.c - the compressed tier: pages that left their frames, compressed, in
 * memory that counts against the budget like any frame.
 *
 * Blocks of a few frames are cut into pieces of one size each, 24 sizes from a
 * 32nd to three quarters of a page; a page that does not compress to that is
 * not for this tier.  The pages themselves are queued (Q_TIER) in the order
 * they came, oldest first, which is the order in which they move on to a
 * pagefile when the tier is full.
 *
 *      block:  [header | piece | piece | piece | ... ]     pieces of one size,
 *                                                          each naming its block
 *
 * How much of the budget it takes follows the faults: hard ones (of pages that
 * compress) say that more of what left should have stayed here, compressed ones
 * that more of what is here should have stayed in frames; one of the former costs about as much as
 * ten of the latter.  It moves in steps between a third and all of its share.
 *
 * A block may hold few pages, and then takes more frames than those would.  Where
 * storage is full, the pages of such a block move into free pieces of others, of their
 * size or larger ones, and its frames are free.  When no block can be emptied any more,
 * those above any block have fewer free pieces than it has pages, so that all of them
 * together cost less than the headroom more than their pages would in frames: what was
 * promised has room.
 *
 * Does not decide: what goes in, or on to a pagefile (store.c).
 *
 * C1  a block's used count is the number of its pieces that hold a page.
 * C2  a block is in its class's list if and only if it has a free piece.
 * C3  no block is empty; all blocks lie within the budget.
 *
 * Lock: the system's.
 */
#include "core.h"

#define BLOCK_FRAMES 16u
#define TUNE_FAULTS 256u
#define BLOCK_MAGIC 0x74696572u

struct piece {
        struct quire_tier_block *block;
        union {
                struct piece *next;        /* while free */
                uint8_t bytes[8];          /* and more: the compressed page */
        };
};

struct quire_tier_block {
        uint32_t magic, class;
        uint32_t used, pieces;
        struct piece *free;
        struct quire_tier_block *next, *prev;
};

static size_t class_bytes(const struct quire_system *sys, unsigned class)
{
        return ((size_t)1 << sys->shift) / 32 * (class + 1);
}

/* The class of a compressed page, which follows the name of its block. */
static unsigned class_of(const struct quire_system *sys, size_t bytes)
{
        size_t step = ((size_t)1 << sys->shift) / 32;

        bytes += offsetof(struct piece, bytes);
        return (unsigned)((bytes + step - 1) / step) - 1;
}

static void list_block(struct quire_system *sys, struct quire_tier_block *b)
{
        b->prev = NULL;
        b->next = sys->tier.open[b->class];
        if (b->next)
                b->next->prev = b;
        sys->tier.open[b->class] = b;
}

static void unlist_block(struct quire_system *sys, struct quire_tier_block *b)
{
        if (b->prev)
                b->prev->next = b->next;
        else
                sys->tier.open[b->class] = b->next;
        if (b->next)
                b->next->prev = b->prev;
}

/* A block of the class, out of the budget; null: no room. */
static struct quire_tier_block *open_block(struct quire_system *sys, unsigned class)
{
        struct quire_tier *t = &sys->tier;
        size_t bytes = class_bytes(sys, class);
        struct quire_tier_block *b;
        uint8_t *at;

        must(sys, class < QUIRE_TIER_CLASSES && !t->open[class]);
        if (t->blocks >= t->most_blocks || sys->taken + t->block_frames > sys->budget)
                return NULL;
        b = quire_alloc(sys, t->block_bytes);
        if (!b)
                return NULL;
        b->magic = BLOCK_MAGIC;
        b->class = class;
        b->pieces = (uint32_t)((t->block_bytes - sizeof(*b)) / bytes);
        at = (uint8_t *)b + t->block_bytes - b->pieces * bytes;
        for (unsigned i = 0; i < b->pieces; i++, at += bytes) {
                struct piece *p = (struct piece *)(void *)at;

                p->block = b;
                p->next = b->free;
                b->free = p;
        }
        t->blocks++;
        sys->taken += t->block_frames;
        list_block(sys, b);
        return b;
}

static void close_block(struct quire_system *sys, struct quire_tier_block *b)
{
        must(sys, sys->tier.blocks > 0 && sys->taken >= sys->tier.block_frames);
        unlist_block(sys, b);
        sys->tier.blocks--;
        sys->taken -= sys->tier.block_frames;
        b->magic = 0;
        quire_free(sys, b, sys->tier.block_bytes);
}

/* In blocks, of what buffers and headroom leave. */
static uint64_t share_of_budget(const struct quire_system *sys)
{
        uint64_t other = (uint64_t)sys->buffer_count * sys->buffer_pages + sys->headroom;
        uint64_t frames = sys->budget - quire_min(sys->budget, other);

        return frames / BLOCK_FRAMES * sys->tier.percent / 100;
}

void quire_tier_resize(struct quire_system *sys)
{
        must_hold(sys);
        must(sys, sys->tier.blocks * BLOCK_FRAMES <= sys->budget);             /* C3 */
        sys->tier.most_blocks = share_of_budget(sys) * 2 / 3;
}

void quire_tier_tune(struct quire_system *sys)
{
        struct quire_tier *t = &sys->tier;
        uint64_t tier = sys->counters.faults_tier - t->tier_seen;
        uint64_t most = share_of_budget(sys), step = most / 16 + 1;

        must_hold(sys);
        if (!t->scratch || t->missed + tier < TUNE_FAULTS)
                return;
        if (t->missed * 10 > tier)
                t->most_blocks = quire_min(most, t->most_blocks + step);
        else if (t->missed * 100 < tier && t->most_blocks > most / 3 + step)
                t->most_blocks -= step;
        t->missed = 0;
        t->tier_seen += tier;
}

/* percent of the budget; 0: no tier.  NO_MEMORY. */
enum quire_status quire_tier_open(struct quire_system *sys, unsigned percent)
{
        struct quire_tier *t = &sys->tier;

        t->block_frames = BLOCK_FRAMES;
        t->block_bytes = (size_t)BLOCK_FRAMES << sys->shift;
        if (!percent || !sys->hops->compress || sys->budget < 64 * BLOCK_FRAMES)
                return QUIRE_OK;
        t->percent = percent;
        t->most_blocks = share_of_budget(sys) * 2 / 3;
        t->scratch = quire_alloc(sys, (size_t)1 << sys->shift);
        if (!t->scratch)
                return QUIRE_NO_MEMORY;
        sys->headroom = 2 * BLOCK_FRAMES;
        return QUIRE_OK;
}

void quire_tier_close(struct quire_system *sys)
{
        must(sys, !sys->tier.blocks);
        if (sys->tier.scratch)
                quire_free(sys, sys->tier.scratch, (size_t)1 << sys->shift);
}

bool quire_tier_put(struct quire_system *sys, struct quire_page *p, const void *contents)
{
        struct quire_tier *t = &sys->tier;
        struct quire_tier_block *b;
        struct piece *piece;
        size_t bytes;

        must_hold(sys);
        must(sys, p->slot.kind == QUIRE_SLOT_NONE && p->queue == QUIRE_Q_NONE);
        if (!t->scratch || p->flags & QUIRE_PAGE_IS_DENSE)
                return false;
        bytes = sys->hops->compress(sys->host, contents, t->scratch,
                                    class_bytes(sys, QUIRE_TIER_CLASSES - 1) -
                                    offsetof(struct piece, bytes));
        if (!bytes) {
                p->flags |= QUIRE_PAGE_IS_DENSE;
                return false;
        }
        b = t->open[class_of(sys, bytes)];
        if (!b)
                b = open_block(sys, class_of(sys, bytes));
        if (!b)
                return false;
        piece = b->free;
        must(sys, piece && piece->block == b && b->used < b->pieces);          /* C2 */
        must(sys, bytes <= class_bytes(sys, b->class) - offsetof(struct piece, bytes));
        b->free = piece->next;
        if (++b->used == b->pieces)
                unlist_block(sys, b);
        memcpy(piece->bytes, t->scratch, bytes);
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_TIER, .bytes = (uint16_t)bytes,
                                       .packed = piece };
        t->bytes += bytes;
        sys->counters.tier_pages++;
        quire_queue_push(sys, p, QUIRE_Q_TIER);
        return true;
}

/* False: what was stored is damaged. */
bool quire_tier_get(struct quire_system *sys, const struct quire_slot *slot, void *out)
{
        const struct piece *piece = slot->packed;

        must_hold(sys);
        must(sys, slot->kind == QUIRE_SLOT_TIER && piece->block->magic == BLOCK_MAGIC);

        return sys->hops->expand(sys->host, piece->bytes, slot->bytes, out);
}

void quire_tier_free(struct quire_system *sys, struct quire_slot *slot)
{
        struct piece *piece = slot->packed;
        struct quire_tier_block *b = piece->block;

        must_hold(sys);
        must(sys, slot->kind == QUIRE_SLOT_TIER && sys->tier.bytes >= slot->bytes);
        must(sys, b->magic == BLOCK_MAGIC && b->used > 0);
        must(sys, sys->counters.tier_pages > 0);
        sys->tier.bytes -= slot->bytes;
        sys->counters.tier_pages--;
        piece->next = b->free;
        b->free = piece;
        if (b->used-- == b->pieces)
                list_block(sys, b);
        if (!b->used)
                close_block(sys, b);
        slot->kind = QUIRE_SLOT_NONE;
}

/* ------------------------------------------------------------------- emptying blocks */

/* The block of fewest pages that have room in others; null: none has. */
static struct quire_tier_block *find_sparse(const struct quire_tier *t)
{
        struct quire_tier_block *found = NULL;
        uint64_t room = 0;                 /* free pieces of this class and larger ones */

        for (unsigned c = QUIRE_TIER_CLASSES; c-- > 0;) {
                for (const struct quire_tier_block *b = t->open[c]; b; b = b->next)
                        room += b->pieces - b->used;
                for (struct quire_tier_block *b = t->open[c]; b; b = b->next)
                        if (b->used <= room - (b->pieces - b->used) &&
                            (!found || b->used < found->used))
                                found = b;
        }
        return found;
}

/* Another block with room for so many compressed bytes, as small pieces as can be. */
static struct quire_tier_block *find_room(struct quire_system *sys, size_t bytes,
                                          const struct quire_tier_block *but)
{
        struct quire_tier_block *b = NULL;

        for (unsigned c = class_of(sys, bytes); !b && c < QUIRE_TIER_CLASSES; c++) {
                b = sys->tier.open[c];
                if (b == but)
                        b = b->next;
        }
        must(sys, b && b->free && b->used < b->pieces);                        /* C2 */
        return b;
}

/* The page's compressed contents move to a piece of another block. */
static void move_page(struct quire_system *sys, struct quire_page *p, struct quire_tier_block *to)
{
        struct piece *old = p->slot.packed, *piece = to->free;
        struct quire_tier_block *from = old->block;

        must(sys, from != to && from->used > 0 && from->used < from->pieces);
        must(sys, p->slot.bytes <= class_bytes(sys, to->class) - offsetof(struct piece, bytes));
        to->free = piece->next;
        if (++to->used == to->pieces)
                unlist_block(sys, to);
        memcpy(piece->bytes, old->bytes, p->slot.bytes);
        p->slot.packed = piece;
        old->next = from->free;
        from->free = old;
        from->used--;
}

/* Frames of a block whose pages others have room for.  Looks at all pages of the tier,
 * once; allocates nothing.  False: there is none. */
bool quire_tier_compact(struct quire_system *sys)
{
        struct quire_tier_block *b = find_sparse(&sys->tier);
        struct quire_page *p = sys->queue[QUIRE_Q_TIER].first;

        must_hold(sys);
        for (; b && b->used && p; p = p->next)
                if (((const struct piece *)p->slot.packed)->block == b)
                        move_page(sys, p, find_room(sys, p->slot.bytes, b));
        must(sys, !b || !b->used);                                             /* C1 */
        if (b)
                close_block(sys, b);
        return b;
}

void quire_tier_check(struct quire_system *sys)
{
        struct quire_tier *t = &sys->tier;
        uint64_t pages = 0, bytes = 0;

        must(sys, t->blocks * BLOCK_FRAMES <= sys->budget);                    /* C3 */
        for (unsigned c = 0; c < QUIRE_TIER_CLASSES; c++) {
                for (struct quire_tier_block *b = t->open[c]; b; b = b->next) {
                        unsigned clear = 0;

                        for (struct piece *p = b->free; p; p = p->next)
                                clear++;
                        must(sys, b->magic == BLOCK_MAGIC && b->class == c);
                        must(sys, clear == b->pieces - b->used);               /* C1 */
                        must(sys, clear && b->used);                           /* C2, C3 */
                }
        }
        for (struct quire_page *p = sys->queue[QUIRE_Q_TIER].first; p; p = p->next, pages++)
                bytes += p->slot.bytes;
        must(sys, pages == sys->counters.tier_pages);
        must(sys, bytes == t->bytes);
}
