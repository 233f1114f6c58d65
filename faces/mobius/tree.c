/*
 * tree.c - the nodes of a process by their bases, as a tree that stays balanced.
 *
 *                 base 0x5000            heights of the two sides differ by one
 *                /           \           at most, so a walk is no longer than
 *          0x0000             0x9000     1.44 times the logarithm of their number
 *
 * T1  left < node < right, by base.
 * T2  height is 1 more than that of the higher side.
 * T3  the sides' heights differ by 1 at most.
 *
 * Lock: the face's.
 */
#include "inside.h"

static struct place *place_of(vm_node_t *n)
{
        return (struct place *)n;
}

static unsigned height(vm_node_t *n)
{
        return n ? place_of(n)->height : 0;
}

static void renew_height(vm_node_t *n)
{
        unsigned l = height(n->left), r = height(n->right);

        place_of(n)->height = 1 + (l > r ? l : r);
}

/* The right child (or the left one) becomes the top. */
static vm_node_t *lift_right(vm_node_t *n)
{
        vm_node_t *top = n->right;

        n->right = top->left;
        top->left = n;
        renew_height(n);
        renew_height(top);
        return top;
}

static vm_node_t *lift_left(vm_node_t *n)
{
        vm_node_t *top = n->left;

        n->left = top->right;
        top->right = n;
        renew_height(n);
        renew_height(top);
        return top;
}

/* => both sides are balanced, and differ by 2 at most. */
static vm_node_t *balance(vm_node_t *n)
{
        if (height(n->right) > height(n->left) + 1) {
                if (height(n->right->left) > height(n->right->right))
                        n->right = lift_left(n->right);
                return lift_right(n);
        }
        if (height(n->left) > height(n->right) + 1) {
                if (height(n->left->right) > height(n->left->left))
                        n->left = lift_right(n->left);
                return lift_left(n);
        }
        renew_height(n);
        return n;
}

vm_node_t *quire_mobius_tree_insert(vm_node_t *top, vm_node_t *n)
{
        if (!top) {
                n->left = n->right = NULL;
                renew_height(n);
                return n;
        }
        if (n->base < top->base)
                top->left = quire_mobius_tree_insert(top->left, n);
        else
                top->right = quire_mobius_tree_insert(top->right, n);
        return balance(top);
}

/* The first of the subtree leaves it. */
static vm_node_t *take_first(vm_node_t *top, vm_node_t **first)
{
        if (!top->left) {
                *first = top;
                return top->right;
        }
        top->left = take_first(top->left, first);
        return balance(top);
}

/* => it is there */
vm_node_t *quire_mobius_tree_remove(vm_node_t *top, vm_node_t *n)
{
        vm_node_t *heir;

        if (n->base < top->base) {
                top->left = quire_mobius_tree_remove(top->left, n);
                return balance(top);
        }
        if (n->base > top->base) {
                top->right = quire_mobius_tree_remove(top->right, n);
                return balance(top);
        }
        if (!n->right)
                return n->left;
        n->right = take_first(n->right, &heir);
        heir->left = n->left;
        heir->right = n->right;
        return balance(heir);
}

vm_node_t *quire_mobius_tree_find(vm_node_t *top, addr_t at)
{
        while (top) {
                if (at < top->base)
                        top = top->left;
                else if ((at - top->base) / PAGE_BYTES < top->num_pages)
                        break;
                else
                        top = top->right;
        }
        return top;
}

vm_node_t *VmmLookupNode(int level, vm_node_t *parent, const void *ptr)
{
        addr_t at = (addr_t)ptr;

        if (!parent || level < 0 || level >= VMM_TREE_DEPTH)
                return NULL;
        if (at < parent->base)
                return VmmLookupNode(level + 1, parent->left, ptr);
        if ((at - parent->base) / PAGE_BYTES < parent->num_pages)
                return parent;
        return VmmLookupNode(level + 1, parent->right, ptr);
}
