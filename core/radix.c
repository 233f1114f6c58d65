/*
 * radix.c - the pages of an object, by index.
 *
 * 64 ways a level, as many levels as the largest index asks for; a node knows
 * which of its places are in use, so that finding the next record skips what is
 * empty: the cost of a walk grows with the records, not with the range.
 *
 *      height 2            [ 0 . 2 . . . ]
 *                          /      \
 *      height 1   [ 0 1 . . ]    [ . . 5 . ]      -> struct quire_page
 *
 * R1  a node that is empty does not exist.
 * R2  pages counts the records.
 *
 * Lock: the system's.
 */
#include "core.h"

#define WAYS 64u
#define BITS 6u

struct node {
        uint64_t used;
        void *place[WAYS];
};

static unsigned place_of(uint64_t index, unsigned level)
{
        return (unsigned)(index >> (BITS * level)) & (WAYS - 1);
}

static bool covers(const struct quire_radix *x, uint64_t index)
{
        return x->height && (x->height * BITS >= 64 || !(index >> (x->height * BITS)));
}

struct quire_page *quire_radix_find(const struct quire_radix *x, uint64_t index)
{
        void *at = x->root;

        if (!covers(x, index))
                return NULL;
        for (unsigned level = x->height; at && level-- > 0;)
                at = ((struct node *)at)->place[place_of(index, level)];
        return at;
}

/* The first record in the subtree at or after index. */
static struct quire_page *next_in(struct node *n, unsigned level, uint64_t index)
{
        unsigned from = place_of(index, level);
        uint64_t rest = n->used & ~(uint64_t)0 << from;

        while (rest) {
                unsigned i = (unsigned)__builtin_ctzll(rest);
                struct quire_page *found;

                if (!level)
                        return n->place[i];
                found = next_in(n->place[i], level - 1, i == from ? index : 0);
                if (found)
                        return found;
                rest &= rest - 1;
        }
        return NULL;
}

struct quire_page *quire_radix_next(const struct quire_radix *x, uint64_t index)
{
        return covers(x, index) ? next_in(x->root, x->height - 1, index) : NULL;
}

/* One level more, or as many as an empty tree needs at once.  NO_MEMORY. */
static enum quire_status add_level(struct quire_system *sys, struct quire_radix *x,
                                   uint64_t index)
{
        struct node *n = quire_alloc(sys, sizeof(*n));

        if (!n)
                return QUIRE_NO_MEMORY;
        if (x->root) {
                n->used = 1;
                n->place[0] = x->root;
        }
        x->root = n;
        do
                x->height++;
        while (!n->used && !covers(x, index));
        return QUIRE_OK;
}

/* Take away what an insertion that failed left empty (R1). */
static void prune(struct quire_system *sys, struct quire_radix *x, uint64_t index)
{
        struct node *path[64 / BITS + 1];
        unsigned level = x->height, depth = 0;
        void *at = x->root;

        if (!covers(x, index))
                return;
        while (at && level-- > 0) {
                path[depth++] = at;
                at = ((struct node *)at)->place[place_of(index, level)];
        }
        for (level = x->height - depth; depth-- > 0; level++) {
                if (path[depth]->used)
                        return;
                quire_free(sys, path[depth], sizeof(struct node));
                if (!depth) {
                        x->root = NULL;
                        x->height = 0;
                } else {
                        unsigned place = place_of(index, level + 1);

                        path[depth - 1]->place[place] = NULL;
                        path[depth - 1]->used &= ~((uint64_t)1 << place);
                }
        }
}

/* => no record has this index.  NO_MEMORY. */
enum quire_status quire_radix_insert(struct quire_system *sys, struct quire_radix *x,
                                     struct quire_page *page)
{
        uint64_t index = page->index;
        struct node *n;

        must_hold(sys);
        while (!covers(x, index))
                if (add_level(sys, x, index) != QUIRE_OK)
                        return QUIRE_NO_MEMORY;
        n = x->root;
        for (unsigned level = x->height; level-- > 0;) {
                unsigned i = place_of(index, level);

                if (!level) {
                        must(sys, !n->place[i] && !(n->used >> i & 1));
                        n->place[i] = page;
                } else if (!n->place[i]) {
                        n->place[i] = quire_alloc(sys, sizeof(*n));
                        if (!n->place[i])
                                return prune(sys, x, index), QUIRE_NO_MEMORY;
                }
                n->used |= (uint64_t)1 << i;
                n = n->place[i];
        }
        x->pages++;
        return QUIRE_OK;
}

/* The place of a record in its node.  => a record has this index */
static struct node *leaf_of(struct quire_system *sys, const struct quire_radix *x, uint64_t index)
{
        struct node *n = x->root;

        must(sys, covers(x, index) && x->pages > 0);                           /* R2 */
        for (unsigned level = x->height; level-- > 1;) {
                must(sys, n->used >> place_of(index, level) & 1);
                n = n->place[place_of(index, level)];
        }
        must(sys, n->place[place_of(index, 0)]);
        return n;
}

/* => a record has this index */
void quire_radix_remove(struct quire_system *sys, struct quire_radix *x, uint64_t index)
{
        struct node *n = leaf_of(sys, x, index);

        must_hold(sys);
        n->place[place_of(index, 0)] = NULL;
        n->used &= ~((uint64_t)1 << place_of(index, 0));
        x->pages--;
        prune(sys, x, index);
}

/* => a record has the page's index */
void quire_radix_replace(struct quire_system *sys, struct quire_radix *x, struct quire_page *page)
{
        must_hold(sys);
        leaf_of(sys, x, page->index)->place[place_of(page->index, 0)] = page;
}
