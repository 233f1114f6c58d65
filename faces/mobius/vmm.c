/*
 * vmm.c - the calls of the face, by the names that Mobius gave them.
 *
 * Does not decide: anything.  It checks what came from outside, calls map.c and
 * area.c, and notes the answer.
 *
 * Lock: see map.c.
 */
#include "inside.h"

/* Map it, note the answer, and give the caller's reference to the area back. */
static void *map_answered(struct context *c, const struct mapping *m)
{
        addr_t base = 0;
        enum quire_status st = QUIRE_INVALID;

        if (quire_mobius_flags_good(c, m))
                st = quire_mobius_map(c, m, &base);
        if (m->area)
                quire_mobius_area_drop(m->area);
        quire_mobius_answer(st);
        return st == QUIRE_OK ? (void *)base : NULL;
}

void *VmmMap(size_t pages, addr_t start, void *dest1, void *dest2, unsigned type,
             uint32_t flags)
{
        struct context *c = quire_mobius_current();
        struct mapping m = { .pages = pages, .start = start, .flags = flags };
        const struct making making = { pages, type, flags, dest1, dest2 };
        enum quire_status st;

        if (!c)
                return NULL;
        if (flags & VM_MEM_RESERVED)
                return map_answered(c, &m);
        if (!pages && type == VM_AREA_IMAGE)
                m.pages = 1;                  /* whatever the image has */
        if (!quire_mobius_flags_good(c, &m)) {
                quire_mobius_answer(QUIRE_INVALID);
                return NULL;
        }
        st = quire_mobius_area_open(c, &making, &m.area);
        quire_mobius_answer(st);
        if (st != QUIRE_OK)
                return NULL;
        if (m.area->image)
                m.pages = m.area->desc.num_pages;
        return map_answered(c, &m);
}

void *VmmAlloc(size_t pages, addr_t start, uint32_t flags)
{
        return VmmMap(pages, start, NULL, NULL, VM_AREA_NORMAL, flags);
}

void *VmmAllocCallback(size_t pages, addr_t start, uint32_t flags, VMM_CALLBACK handler,
                       void *cookie)
{
        return VmmMap(pages, start, (void *)(uintptr_t)handler, cookie, VM_AREA_CALLBACK, flags);
}

void *VmmMapFile(file_handle_t *file, addr_t start, size_t pages, uint32_t flags)
{
        return VmmMap(pages, start, file, NULL, VM_AREA_FILE, flags & ~(uint32_t)VM_MEM_ZERO);
}

/* The half that it lies in says whose it is. */
void *VmmReserveArea(size_t pages, addr_t start)
{
        struct context *c = quire_mobius_current();
        bool user = c && start < c->process.kernel;

        return c ? VmmMap(pages, start, NULL, NULL, VM_AREA_NORMAL,
                          VM_MEM_RESERVED | (user ? VM_MEM_USER : VM_MEM_KERNEL))
                 : NULL;
}

void *VmmMapSharedArea(vm_desc_t *desc, addr_t start, uint32_t flags)
{
        struct context *c = quire_mobius_current();
        struct mapping m = { .area = (struct area *)desc, .start = start, .flags = flags };

        if (!c)
                return NULL;
        quire_mobius_answer(QUIRE_INVALID);
        if (!desc || flags & VM_MEM_RESERVED || m.area->system != c->process.system)
                return NULL;
        quire_mobius_lock(&c->lodging);
        quire_mobius_area_hold_locked(m.area);
        quire_mobius_unlock();
        m.pages = desc->num_pages;
        return map_answered(c, &m);
}

/* ---------------------------------------------------------------------------- freeing */

/* The last node of a file's area goes when everything is written. */
static enum quire_status free_at(struct context *c, const void *ptr)
{
        vm_node_t node;
        struct area *a = quire_mobius_area_at(c, ptr, &node);
        enum quire_status st = QUIRE_OK;

        if (a && a->desc.nodes == 1)
                st = quire_mobius_area_write(a);
        if (st == QUIRE_OK)
                st = quire_mobius_unmap(c, (addr_t)ptr);
        if (a)
                quire_mobius_area_drop(a);
        return st;
}

bool VmmFree(void *ptr)
{
        struct context *c = quire_mobius_current();
        enum quire_status st;

        if (!c)
                return false;
        st = free_at(c, ptr);
        quire_mobius_answer(st);
        return st == QUIRE_OK;
}

void VmmFreeNode(vm_node_t *node)
{
        struct place *p = (struct place *)node;

        quire_mobius_answer(node ? free_at((struct context *)p->process, (void *)node->base)
                                 : QUIRE_INVALID);
}

bool mobius_area_flush(void *ptr)
{
        struct context *c = quire_mobius_current();
        enum quire_status st = QUIRE_INVALID;
        vm_node_t node;
        struct area *a = c ? quire_mobius_area_at(c, ptr, &node) : NULL;

        if (a) {
                st = quire_mobius_area_write(a);
                quire_mobius_area_drop(a);
        }
        quire_mobius_answer(st);
        return st == QUIRE_OK;
}

/* ----------------------------------------------------------------------------- faults */

/* A page could, or could not, be read: where no pager of ours knows, nobody else does. */
static void note_read(struct area *a, uint64_t page, bool failed)
{
        uint8_t *fresh = NULL;

        if (a->paged)
                return;
        if (failed && !__atomic_load_n(&a->fate, __ATOMIC_ACQUIRE))
                fresh = quire_mobius_alloc(&a->lodging, a->desc.num_pages);
        if (fresh) {
                quire_mobius_lock(&a->lodging);
                if (!a->fate) {
                        __atomic_store_n(&a->fate, fresh, __ATOMIC_RELEASE);
                        fresh = NULL;
                }
                quire_mobius_unlock();
                quire_mobius_free(&a->lodging, fresh, a->desc.num_pages);
        }
        quire_mobius_note_fate(a, page, failed ? FATE_READ_FAILED : FATE_NONE);
}

bool VmmPageFault(process_t *proc, addr_t start, bool is_writing)
{
        struct context *c = proc ? (struct context *)proc : quire_mobius_current();
        addr_t page = PAGE_ALIGN(start);
        enum quire_status st;
        uint64_t held = 0;
        vm_node_t node;
        struct area *a;

        if (!c)
                return false;
        quire_mobius_answer(QUIRE_NOT_PRESENT);
        a = quire_mobius_area_at(c, (void *)start, &node);
        if (!a)
                return false;
        st = quire_region_hold(c->process.space, page, PAGE_BYTES,
                               is_writing ? QUIRE_W : QUIRE_R, &held);
        if (st == QUIRE_OK)
                quire_region_unhold(c->process.space, page, PAGE_BYTES);
        note_read(a, (page - node.base) / PAGE_BYTES, st == QUIRE_IO_ERROR);
        quire_mobius_area_drop(a);
        quire_mobius_answer(st);
        return st == QUIRE_OK;
}
