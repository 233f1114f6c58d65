/*
 * map.c - a sparse array by page number: four levels of 512, as page tables
 * have them, because the simulated addresses are as sparse.
 *
 * Nodes count what they hold and go when that is nothing, so that walking a
 * range costs what it holds and not how long it is.
 */
#include "parts.h"

#include <stdlib.h>

#define BITS 9u
#define WAYS (1u << BITS)
#define TOP 3u                         /* the level of the root; leaves are level 0 */

struct node {
        unsigned count;
        void *child[WAYS];
};
struct leaf {
        unsigned count;
        struct quire_sim_page page[WAYS];
};

static unsigned slot(uint64_t page, unsigned level)
{
        return (unsigned)(page >> level * BITS) & (WAYS - 1);
}

struct quire_sim_page *quire_sim_map_find(const struct quire_sim_map *m, uint64_t page)
{
        void *at = m->root;
        struct quire_sim_page *p;

        if (page >> (TOP + 1) * BITS)
                return NULL;
        for (unsigned level = TOP; at && level; level--)
                at = ((struct node *)at)->child[slot(page, level)];
        if (!at)
                return NULL;
        p = &((struct leaf *)at)->page[slot(page, 0)];
        return p->thing ? p : NULL;
}

/* The first page at or after `page' whose part of the tree exists down to a
 * leaf, in *leaf; false: none before end. */
static bool find_leaf(const struct quire_sim_map *m, uint64_t *page, uint64_t end,
                      struct leaf **leaf)
{
        while (*page < end && !(*page >> (TOP + 1) * BITS)) {
                void *at = m->root;
                unsigned level = TOP;

                while (at && level)
                        at = ((struct node *)at)->child[slot(*page, level--)];
                if (at) {
                        *leaf = at;
                        return true;
                }
                if (!m->root)
                        return false;
                /* Nothing below the child at level + 1: go to the next one. */
                level++;
                *page = ((*page >> level * BITS) + 1) << level * BITS;
        }
        return false;
}

struct quire_sim_page *quire_sim_map_next(const struct quire_sim_map *m, uint64_t *page,
                                          uint64_t end)
{
        struct leaf *leaf;

        while (find_leaf(m, page, end, &leaf)) {
                do {
                        struct quire_sim_page *p = &leaf->page[slot(*page, 0)];

                        if (p->thing)
                                return p;
                        ++*page;
                } while (*page < end && slot(*page, 0));
        }
        return NULL;
}

struct quire_sim_page *quire_sim_map_set(struct quire_sim_map *m, uint64_t page, void *thing)
{
        void **at = &m->root;
        struct quire_sim_page *p;

        for (unsigned level = TOP; level; level--) {
                struct node *n = *at;

                if (!n && !(*at = n = calloc(1, sizeof *n)))
                        return NULL;
                at = &n->child[slot(page, level)];
                n->count += !*at;
        }
        if (!*at && !(*at = calloc(1, sizeof(struct leaf))))
                return NULL;
        p = &((struct leaf *)*at)->page[slot(page, 0)];
        ((struct leaf *)*at)->count += !p->thing;
        p->thing = thing;
        return p;
}

void quire_sim_map_clear(struct quire_sim_map *m, uint64_t page)
{
        void **path[TOP + 1], **at = &m->root;
        struct leaf *leaf;

        for (unsigned level = TOP; level; level--) {
                path[level] = at;
                at = &((struct node *)*at)->child[slot(page, level)];
        }
        leaf = *at;
        leaf->page[slot(page, 0)] = (struct quire_sim_page){ 0 };
        if (--leaf->count)
                return;
        free(leaf);
        *at = NULL;
        for (unsigned level = 1; level <= TOP; level++) {
                struct node *n = *path[level];

                if (--n->count)
                        return;
                free(n);
                *path[level] = NULL;
        }
}
