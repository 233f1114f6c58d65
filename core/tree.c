/*
 * tree.c - ordered trees: the regions of a space, the runs of a region.
 *
 * A treap: a binary search tree by key in which every node also has a random
 * rank, and no node ranks above its parent.  The expected depth is
 * 1.39 log2 n, whatever the order of insertion, and both insertion and removal
 * are a walk and a few rotations.  A tree may keep a summary of each subtree in
 * its nodes; `update' recomputes a node's from its children.
 *
 *              key 8, rank 9
 *             /             \
 *      key 3, rank 4    key 12, rank 7
 *
 * Does not decide: what keys mean, nor when nodes live.
 *
 * T1  left keys < key < right keys.
 * T2  a node's rank is at least its children's.
 * T3  a child's parent is the node.
 *
 * Lock: the caller's.
 */
#include "core.h"

static uint32_t next_rank(struct quire_tree *t)
{
        uint32_t x = t->seed ? t->seed : 0x9e3779b9u;

        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        return t->seed = x;
}

static void update_node(struct quire_tree *t, struct quire_node *n)
{
        if (t->update)
                t->update(n);
}

static void replace_child(struct quire_tree *t, struct quire_node *parent,
                          struct quire_node *old, struct quire_node *child)
{
        if (!parent)
                t->root = child;
        else if (parent->left == old)
                parent->left = child;
        else
                parent->right = child;
        if (child)
                child->parent = parent;
}

/* Lift a child over its parent; both summaries are made anew. */
static void rotate_up(struct quire_tree *t, struct quire_node *n)
{
        struct quire_node *p = n->parent;

        replace_child(t, p->parent, p, n);
        if (p->left == n) {
                p->left = n->right;
                if (p->left)
                        p->left->parent = p;
                n->right = p;
        } else {
                p->right = n->left;
                if (p->right)
                        p->right->parent = p;
                n->left = p;
        }
        p->parent = n;
        update_node(t, p);
        update_node(t, n);
}

/* What a node knows of itself changed: tell its ancestors. */
void quire_tree_refresh(struct quire_tree *t, struct quire_node *n)
{
        if (t->update)
                for (; n; n = n->parent)
                        t->update(n);
}

/* => no node has this key */
void quire_tree_insert(struct quire_tree *t, struct quire_node *n)
{
        struct quire_node **link = &t->root, *parent = NULL;

        while (*link) {
                parent = *link;
                link = n->key < parent->key ? &parent->left : &parent->right;
        }
        n->left = n->right = NULL;
        n->parent = parent;
        n->rank = next_rank(t);
        *link = n;
        while (n->parent && n->parent->rank < n->rank)
                rotate_up(t, n);
        quire_tree_refresh(t, n);
}

/* => the node is in the tree */
void quire_tree_remove(struct quire_tree *t, struct quire_node *n)
{
        struct quire_node *parent;

        while (n->left && n->right)
                rotate_up(t, n->left->rank > n->right->rank ? n->left : n->right);
        parent = n->parent;
        replace_child(t, parent, n, n->left ? n->left : n->right);
        quire_tree_refresh(t, parent);
        n->left = n->right = n->parent = NULL;
}

/* The last node whose key is at most `key', or null. */
struct quire_node *quire_tree_floor(const struct quire_tree *t, uint64_t key)
{
        struct quire_node *n = t->root, *best = NULL;

        while (n) {
                if (n->key <= key) {
                        best = n;
                        n = n->right;
                } else {
                        n = n->left;
                }
        }
        return best;
}

static struct quire_node *leftmost(struct quire_node *n)
{
        while (n && n->left)
                n = n->left;
        return n;
}

static struct quire_node *rightmost(struct quire_node *n)
{
        while (n && n->right)
                n = n->right;
        return n;
}

struct quire_node *quire_tree_first(const struct quire_tree *t)
{
        return leftmost(t->root);
}

struct quire_node *quire_tree_last(const struct quire_tree *t)
{
        return rightmost(t->root);
}

struct quire_node *quire_tree_next(const struct quire_node *n)
{
        if (n->right)
                return leftmost(n->right);
        while (n->parent && n->parent->right == n)
                n = n->parent;
        return n->parent;
}

struct quire_node *quire_tree_prev(const struct quire_node *n)
{
        if (n->left)
                return rightmost(n->left);
        while (n->parent && n->parent->left == n)
                n = n->parent;
        return n->parent;
}
