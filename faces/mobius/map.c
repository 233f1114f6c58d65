/*
 * map.c - areas and reservations in the address space of a process.
 *
 * A mapping is first made in the core, where most can fail, and then in the nodes,
 * which can not (the nodes that it may take are set aside before).  In a reserved
 * node the core's reservation gives way to the mapping, and comes back if that fails.
 *
 * Does not decide: what an area is (area.c), what a node is (node.c).
 *
 * Lock: the face's, and not while the core releases: that waits for pages that are
 * being read, perhaps by a handler that wants the lock.
 */
#include "inside.h"

enum { ALL_FLAGS = VM_MEM_NODE_MASK | VM_MEM_ZERO | VM_MEM_LITERAL };

static bool at_exact(const struct mapping *m)
{
        return m->start || m->flags & VM_MEM_LITERAL;
}

static bool is_user(uint32_t flags)
{
        return flags & VM_MEM_PL_MASK;
}

bool quire_mobius_flags_good(const struct context *c, const struct mapping *m)
{
        const process_t *p = &c->process;

        if (m->flags & ~(uint32_t)ALL_FLAGS || m->start % PAGE_BYTES || !m->pages)
                return false;
        if (m->pages > (p->end - p->first) / PAGE_BYTES)
                return false;
        return !at_exact(m) || (m->start >= p->first && m->start < p->end &&
                                m->pages <= (p->end - m->start) / PAGE_BYTES);
}

/* What the core calls privilege and caching. */
static unsigned attributes_of(uint32_t flags)
{
        unsigned out = is_user(flags) ? 0 : QUIRE_KERNEL;

        if (flags & VM_MEM_CACHE_NONE)
                return out | QUIRE_CACHE_NONE;
        return flags & VM_MEM_CACHE_WT ? out | QUIRE_CACHE_THROUGH : out;
}

/* Where it is put if nobody says where: never at 0. */
static void set_range(const struct context *c, const struct mapping *m, struct quire_request *q)
{
        const process_t *p = &c->process;

        q->low = is_user(m->flags) ? p->first : p->kernel;
        q->high = is_user(m->flags) ? p->kernel : p->end;
        if (!q->low)
                q->low = PAGE_BYTES;
}

/* Parts of an image have an access each. */
static enum quire_status protect_parts(struct context *c, const struct image *image, addr_t base)
{
        struct image_part part;
        enum quire_status st = QUIRE_OK;

        for (unsigned n = 0; st == QUIRE_OK && quire_mobius_image_part(image, n, &part); n++)
                st = quire_region_protect(c->process.space, base + part.first * PAGE_BYTES,
                                          part.pages * PAGE_BYTES, part.access, NULL);
        return st;
}

/* What is left to do for a mapping that the core has just made. */
static enum quire_status finish(struct context *c, const struct mapping *m, uint64_t va)
{
        unsigned type = m->area ? m->area->desc.type : 0;

        if (type == VM_AREA_IMAGE)
                return protect_parts(c, m->area->image, va);
        if (type == VM_AREA_CALLBACK)         /* no handler is asked for what nobody misses */
                return quire_region_advise(c->process.space, va, m->pages * PAGE_BYTES,
                                           QUIRE_RANDOM);
        return QUIRE_OK;
}

static enum quire_status reserve_in_core(struct context *c, const struct mapping *m,
                                         struct quire_request *q, uint64_t *va)
{
        bool image = m->area && m->area->image;
        enum quire_status st;

        q->bytes = (uint64_t)m->pages * PAGE_BYTES;
        q->kind = QUIRE_PAGED;
        q->attributes = attributes_of(m->flags);
        if (m->area) {
                q->grant = m->area->grant;
                q->access = QUIRE_R | (m->flags & VM_MEM_WRITE && !image ? QUIRE_W : 0u);
                q->flags |= image ? QUIRE_COPY : 0u;
        }
        st = quire_region_reserve(c->process.space, q, va);
        if (st != QUIRE_OK)
                return st;
        st = finish(c, m, *va);
        if (st != QUIRE_OK && quire_region_release(c->process.space, *va, q->bytes) != QUIRE_OK)
                return QUIRE_CONFLICT;
        return st;
}

/* The node is empty, or reserved, and has the whole range. */
static bool has_room(const vm_node_t *n, addr_t base, size_t pages)
{
        if (!n || ((const struct place *)n)->going)
                return false;
        if (!VMM_NODE_IS_EMPTY(n) && n->u.desc)
                return false;
        return pages <= n->num_pages - (base - n->base) / PAGE_BYTES;
}

static enum quire_status reserve_again(struct context *c, addr_t base, uint64_t bytes)
{
        struct quire_request q = { .flags = QUIRE_EXACT, .va = base, .bytes = bytes };
        uint64_t va;

        return bytes ? quire_region_reserve(c->process.space, &q, &va) : QUIRE_OK;
}

/* What is reserved, which may be several regions of the core. */
static enum quire_status release_reserved(struct context *c, addr_t base, uint64_t bytes)
{
        enum quire_status st = QUIRE_OK;
        struct quire_info info;
        addr_t at = base, part;

        for (; st == QUIRE_OK && at < base + bytes; at += part) {
                st = quire_region_query(c->process.space, at, &info);
                if (st != QUIRE_OK)
                        break;
                part = info.base + info.bytes - at;
                if (part > base + bytes - at)
                        part = base + bytes - at;
                st = quire_region_release(c->process.space, at, part);
                if (st != QUIRE_OK)
                        break;
        }
        if (st != QUIRE_OK && reserve_again(c, base, at - base) != QUIRE_OK)
                return QUIRE_NO_MEMORY;           /* N3 does not hold: nobody else takes it */
        return st;
}

static enum quire_status map_exactly(struct context *c, const struct mapping *m, addr_t base)
{
        vm_node_t *n = quire_mobius_tree_find(c->process.vmm_top, base);
        struct quire_request q = { .flags = QUIRE_EXACT, .va = base };
        uint64_t bytes = (uint64_t)m->pages * PAGE_BYTES;
        bool reserved = n && !VMM_NODE_IS_EMPTY(n);
        enum quire_status st;
        uint64_t va;

        if (!has_room(n, base, m->pages) || (reserved && !m->area))
                return QUIRE_CONFLICT;
        if (reserved) {
                st = release_reserved(c, base, bytes);
                if (st != QUIRE_OK)
                        return st;
        }
        st = reserve_in_core(c, m, &q, &va);
        if (st != QUIRE_OK && reserved && reserve_again(c, base, bytes) != QUIRE_OK)
                return QUIRE_NO_MEMORY;           /* N3 does not hold, likewise */
        return st;
}

static enum quire_status map_anywhere(struct context *c, const struct mapping *m, addr_t *base)
{
        struct quire_request q = { 0 };
        enum quire_status st;
        uint64_t va = 0;

        set_range(c, m, &q);
        if (m->pages > (q.high - q.low) / PAGE_BYTES)
                return QUIRE_NO_SPACE;
        st = reserve_in_core(c, m, &q, &va);
        if (st != QUIRE_OK)
                return st;
        *base = va;
        if (has_room(quire_mobius_tree_find(c->process.vmm_top, va), va, m->pages))
                return QUIRE_OK;
        /* The core has a hole where we have a node: one that goes, or after a failure above. */
        st = quire_region_release(c->process.space, va, q.bytes);
        return QUIRE_CONFLICT;
}

/* An image that nobody shows yet goes to its own base, or is relocated. */
static enum quire_status map_image(struct context *c, const struct mapping *m, addr_t *base)
{
        struct image *image = m->area->image;
        bool fresh = !m->area->desc.nodes;
        addr_t own = quire_mobius_image_base(image);
        struct mapping there = *m;
        enum quire_status st = QUIRE_CONFLICT;

        there.start = at_exact(m) ? m->start : own;
        *base = there.start;
        if (fresh && there.start != own && !quire_mobius_image_moves(image))
                return QUIRE_CONFLICT;
        if (quire_mobius_flags_good(c, &there))
                st = map_exactly(c, &there, there.start);
        if (st != QUIRE_OK && !at_exact(m) && (!fresh || quire_mobius_image_moves(image)))
                st = map_anywhere(c, m, base);
        if (st == QUIRE_OK && fresh)
                quire_mobius_image_place(image, m->area->desc.dest.mod, *base);
        return st;
}

static enum quire_status map_locked(struct context *c, const struct mapping *m, addr_t *base)
{
        if (m->area && m->area->image)
                return map_image(c, m, base);
        if (!at_exact(m))
                return map_anywhere(c, m, base);
        *base = m->start;
        return map_exactly(c, m, m->start);
}

/* The core chose what another thread frees: the node is not empty yet. */
static bool came_too_early(struct context *c, const struct mapping *m, enum quire_status st,
                           addr_t base)
{
        addr_t end = base + m->pages * PAGE_BYTES;

        if (st != QUIRE_CONFLICT || at_exact(m))
                return false;
        while (base < end) {
                vm_node_t *n = quire_mobius_tree_find(c->process.vmm_top, base);

                if (!n || ((struct place *)n)->going)
                        return n;
                base = n->base + n->num_pages * PAGE_BYTES;
        }
        return false;
}

static uint32_t node_flags(const struct mapping *m)
{
        uint32_t flags = m->flags & VM_MEM_NODE_MASK;

        if (m->area)
                return flags | VM_MEM_READ;
        return (flags & VM_MEM_PL_MASK) | VM_MEM_RESERVED;
}

enum quire_status quire_mobius_map(struct context *c, const struct mapping *m, addr_t *base)
{
        struct spare spare;
        enum quire_status st = quire_mobius_spare(c, &spare);

        if (st != QUIRE_OK)
                return st;
        quire_mobius_lock(&c->lodging);
        st = map_locked(c, m, base);
        while (came_too_early(c, m, st, *base)) {
                quire_mobius_unlock();
                c->lodging.ops->pause(c->lodging.host);
                quire_mobius_lock(&c->lodging);
                st = map_locked(c, m, base);
        }
        if (st == QUIRE_OK) {
                vm_node_t *n = quire_mobius_tree_find(c->process.vmm_top, *base);
                struct place *p = quire_mobius_carve(c, n, *base, m->pages, &spare);

                p->node.flags = node_flags(m);
                p->node.u.desc = m->area ? &m->area->desc : NULL;
                if (m->area)
                        quire_mobius_area_link(m->area, p);
        }
        quire_mobius_unlock();
        quire_mobius_spare_free(c, &spare);
        return st;
}

/* --------------------------------------------------------------------------- undone */

enum quire_status quire_mobius_unmap(struct context *c, addr_t at)
{
        vm_node_t *n, before;
        struct area *a;
        uint64_t bytes;
        enum quire_status st;

        quire_mobius_lock(&c->lodging);
        n = quire_mobius_tree_find(c->process.vmm_top, at);
        if (!n || VMM_NODE_IS_EMPTY(n) || ((struct place *)n)->going) {
                quire_mobius_unlock();
                return QUIRE_INVALID;
        }
        before = *n;
        bytes = (uint64_t)before.num_pages * PAGE_BYTES;
        a = (struct area *)before.u.desc;
        ((struct place *)n)->going = true;
        if (a)
                quire_mobius_area_unlink(a, (struct place *)n);
        n->flags = VM_MEM_RESERVED;
        n->u.desc = NULL;
        quire_mobius_unlock();

        st = a ? quire_region_release(c->process.space, before.base, bytes)
               : release_reserved(c, before.base, bytes);
        quire_mobius_lock(&c->lodging);
        if (st == QUIRE_OK) {
                quire_mobius_empty(c, (struct place *)n);
        } else {
                n->flags = before.flags;
                n->u = before.u;
                ((struct place *)n)->going = false;
                if (a)
                        quire_mobius_area_link(a, (struct place *)n);
        }
        quire_mobius_unlock();
        if (a)                                /* link took a reference of its own */
                quire_mobius_area_drop(a);
        return st;
}
