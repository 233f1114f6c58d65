/*
 * node.c - the partition of a process into nodes.
 *
 *   | empty | area | reserved | area | reserved |        empty         |
 *   first                                                            end
 *
 * N1  each address from first to end lies in just one node.
 * N2  no two empty nodes are neighbours.
 * N3  the core has a region wherever a node is not empty.
 *
 * A node that goes may still be in the hands of a handler (VMM_CALLBACK) that runs in
 * another thread, and is kept among the retired until no handler runs.
 *
 * Lock: the face's.
 */
#include "inside.h"

static size_t handlers;                /* [a] that run now */
static struct place *retired;          /* [m] */

void quire_mobius_handler_begins(void)
{
        __atomic_add_fetch(&handlers, 1, __ATOMIC_SEQ_CST);
}

void quire_mobius_handler_ended(void)
{
        __atomic_sub_fetch(&handlers, 1, __ATOMIC_SEQ_CST);
}

static void free_place(struct place *p)
{
        struct context *c = (struct context *)p->process;

        quire_mobius_free(&c->lodging, p, sizeof *p);
}

/* Those that no handler can know any more. */
static void free_retired(void)
{
        if (__atomic_load_n(&handlers, __ATOMIC_SEQ_CST))
                return;
        while (retired) {
                struct place *p = retired;

                retired = p->next;
                free_place(p);
        }
}

/* => no area shows it, and it is in no tree */
static void retire(struct place *p)
{
        p->next = retired;
        retired = p;
        free_retired();
}

static struct place *new_place(struct context *c)
{
        struct place *p = quire_mobius_alloc(&c->lodging, sizeof *p);

        if (p)
                p->process = &c->process;
        return p;
}

static void insert(struct context *c, struct place *p)
{
        c->process.vmm_top = quire_mobius_tree_insert(c->process.vmm_top, &p->node);
}

enum quire_status quire_mobius_nodes_open(struct context *c)
{
        struct place *p = new_place(c);

        if (!p)
                return QUIRE_NO_MEMORY;
        p->node.base = c->process.first;
        p->node.num_pages = (c->process.end - c->process.first) / PAGE_BYTES;
        p->node.u.empty_pages = p->node.num_pages;
        insert(c, p);
        return QUIRE_OK;
}

/* Waits for handlers that run. */
void quire_mobius_nodes_close(struct context *c)
{
        for (bool waits = true; waits;) {
                quire_mobius_lock(&c->lodging);
                free_retired();
                waits = retired != NULL;
                quire_mobius_unlock();
                if (waits)
                        c->lodging.ops->pause(c->lodging.host);
        }
        while (c->process.vmm_top) {
                struct place *p = (struct place *)c->process.vmm_top;

                c->process.vmm_top = quire_mobius_tree_remove(&p->node, &p->node);
                free_place(p);
        }
}

enum quire_status quire_mobius_spare(struct context *c, struct spare *s)
{
        for (unsigned i = 0; i < 2; i++)
                s->place[i] = new_place(c);
        if (s->place[0] && s->place[1])
                return QUIRE_OK;
        quire_mobius_spare_free(c, s);
        return QUIRE_NO_MEMORY;
}

void quire_mobius_spare_free(struct context *c, struct spare *s)
{
        for (unsigned i = 0; i < 2; i++) {
                quire_mobius_free(&c->lodging, s->place[i], sizeof *s->place[i]);
                s->place[i] = NULL;
        }
}

static struct place *take_spare(struct spare *s)
{
        unsigned i = s->place[0] ? 0 : 1;
        struct place *p = s->place[i];

        s->place[i] = NULL;
        return p;
}

static void set_pages(vm_node_t *n, size_t pages)
{
        n->num_pages = pages;
        if (VMM_NODE_IS_EMPTY(n))
                n->u.empty_pages = pages;
}

/* A new node for the end of n, from base on, alike in all else. */
static struct place *split_off(struct context *c, vm_node_t *n, addr_t base, struct spare *s)
{
        size_t before = (base - n->base) / PAGE_BYTES;
        struct place *p = take_spare(s);

        p->node.base = base;
        p->node.flags = n->flags;
        p->node.u = n->u;
        set_pages(&p->node, n->num_pages - before);
        set_pages(n, before);
        insert(c, p);
        return p;
}

struct place *quire_mobius_carve(struct context *c, vm_node_t *n, addr_t base, size_t pages,
                                 struct spare *s)
{
        struct place *p = (struct place *)n;

        if (base > n->base)
                p = split_off(c, n, base, s);
        if (pages < p->node.num_pages)
                split_off(c, &p->node, base + pages * PAGE_BYTES, s);
        return p;
}

/* Two empty neighbours become one, the lower. */
static void join(struct context *c, vm_node_t *low, vm_node_t *high)
{
        if (!low || !high || !VMM_NODE_IS_EMPTY(low) || !VMM_NODE_IS_EMPTY(high))
                return;
        c->process.vmm_top = quire_mobius_tree_remove(c->process.vmm_top, high);
        set_pages(low, low->num_pages + high->num_pages);
        retire((struct place *)high);
}

void quire_mobius_empty(struct context *c, struct place *p)
{
        vm_node_t *n = &p->node, *below = NULL, *above;

        n->flags = 0;
        set_pages(n, n->num_pages);
        p->going = false;
        above = quire_mobius_tree_find(c->process.vmm_top, n->base + n->num_pages * PAGE_BYTES);
        if (n->base > c->process.first)
                below = quire_mobius_tree_find(c->process.vmm_top, n->base - 1);
        join(c, n, above);
        join(c, below, n);
}
