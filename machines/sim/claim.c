/*
 * claim.c - the claimed ranges of a space, in a treap.
 *
 * Every operation splits the treap into what lies before a page and what lies
 * from it on, works on the middle, and joins the parts again.  What is alike
 * and adjacent is one claim after quire_claim_set, so that protecting pages
 * back and forth leaves nothing behind.
 */
#include "claim.h"

#include <stdlib.h>

static uint32_t draw_priority(struct quire_claims *c)
{
        c->seed = c->seed * 1664525u + 1013904223u;
        return c->seed ^ c->seed >> 15;
}

/* low: claims that begin before the page; high: the others. */
static void split(struct quire_claim *t, uint64_t page, struct quire_claim **low,
                  struct quire_claim **high)
{
        while (t) {
                if (t->first < page) {
                        *low = t;
                        low = &t->right;
                        t = t->right;
                } else {
                        *high = t;
                        high = &t->left;
                        t = t->left;
                }
        }
        *low = *high = NULL;
}

/* => every claim of low begins before every claim of high */
static struct quire_claim *join(struct quire_claim *low, struct quire_claim *high)
{
        struct quire_claim *root = NULL, **at = &root;

        while (low && high) {
                if (low->priority >= high->priority) {
                        *at = low;
                        at = &low->right;
                        low = low->right;
                } else {
                        *at = high;
                        at = &high->left;
                        high = high->left;
                }
        }
        *at = low ? low : high;
        return root;
}

static void insert(struct quire_claims *c, struct quire_claim *new)
{
        struct quire_claim *low, *high;

        new->left = new->right = NULL;
        new->priority = draw_priority(c);
        split(c->root, new->first, &low, &high);
        c->root = join(join(low, new), high);
}

static void free_all(struct quire_claim *t)
{
        while (t) {
                struct quire_claim *right = t->right;

                free_all(t->left);
                free(t);
                t = right;
        }
}

/* The last claim that begins at the page or before it. */
static struct quire_claim *floor_of(const struct quire_claims *c, uint64_t page)
{
        struct quire_claim *t = c->root, *best = NULL;

        while (t) {
                if (t->first <= page) {
                        best = t;
                        t = t->right;
                } else {
                        t = t->left;
                }
        }
        return best;
}

struct quire_claim *quire_claim_at(const struct quire_claims *c, uint64_t page)
{
        struct quire_claim *t = floor_of(c, page);

        return t && page - t->first < t->pages ? t : NULL;
}

struct quire_claim *quire_claim_from(const struct quire_claims *c, uint64_t page)
{
        struct quire_claim *t = quire_claim_at(c, page), *best = NULL;

        if (t)
                return t;
        for (t = c->root; t;) {
                if (t->first > page) {
                        best = t;
                        t = t->left;
                } else {
                        t = t->right;
                }
        }
        return best;
}

bool quire_claim_add(struct quire_claims *c, const struct quire_claim *like)
{
        struct quire_claim *new = malloc(sizeof *new);

        if (!new)
                return false;
        *new = *like;
        insert(c, new);
        return true;
}

bool quire_claim_covers(const struct quire_claims *c, uint64_t first, uint64_t pages,
                        enum quire_claim_kind kind)
{
        uint64_t end = first + pages;

        while (first < end) {
                const struct quire_claim *t = quire_claim_at(c, first);

                if (!t || t->kind != kind)
                        return false;
                first = t->first + t->pages;
        }
        return true;
}

static bool cut_at(struct quire_claims *c, uint64_t page)
{
        struct quire_claim *t = floor_of(c, page), *new;
        uint64_t before;

        if (!t || t->first == page || page - t->first >= t->pages)
                return true;
        new = malloc(sizeof *new);
        if (!new)
                return false;
        before = page - t->first;
        *new = *t;
        new->first = page;
        new->pages = t->pages - before;
        new->store_first = t->store_first + before;
        t->pages = before;
        insert(c, new);
        return true;
}

bool quire_claim_cut(struct quire_claims *c, uint64_t first, uint64_t pages)
{
        return cut_at(c, first) && cut_at(c, first + pages);
}

void quire_claim_remove(struct quire_claims *c, uint64_t first, uint64_t pages)
{
        struct quire_claim *low, *middle, *high;

        split(c->root, first, &low, &middle);
        split(middle, first + pages, &middle, &high);
        free_all(middle);
        c->root = join(low, high);
}

static bool alike(const struct quire_claim *a, const struct quire_claim *b)
{
        return a->kind == b->kind && a->access == b->access && a->watched == b->watched &&
               a->store == b->store && a->copies == b->copies && a->first + a->pages == b->first &&
               (!a->store || a->store_first + a->pages == b->store_first);
}

/* Make one claim of neighbours that are alike, from before first to after the
 * end of the range. */
static void join_alike(struct quire_claims *c, uint64_t first, uint64_t pages)
{
        struct quire_claim *t = quire_claim_at(c, first ? first - 1 : 0);

        if (!t)
                t = quire_claim_from(c, first);
        while (t && t->first <= first + pages) {
                struct quire_claim *next = quire_claim_from(c, t->first + t->pages);
                uint64_t more;

                if (!next || !alike(t, next)) {
                        t = next;
                        continue;
                }
                more = next->pages;
                quire_claim_remove(c, next->first, more);
                t->pages += more;
        }
}

void quire_claim_set(struct quire_claims *c, uint64_t first, uint64_t pages, int access,
                     int watched)
{
        uint64_t end = first + pages;

        for (struct quire_claim *t = quire_claim_from(c, first); t && t->first < end;
             t = quire_claim_from(c, t->first + t->pages)) {
                if (access >= 0)
                        t->access = (uint8_t)access;
                if (watched >= 0)
                        t->watched = watched;
        }
        join_alike(c, first, pages);
}

void quire_claims_close(struct quire_claims *c)
{
        free_all(c->root);
        c->root = NULL;
}
