/*
 * user.c - the calls as a program in user mode makes them: with handles, and with kernel
 * memory out of reach; and the system calls, by number.
 *
 * Lock: see map.c.
 */
#include "inside.h"

/* May a program in user mode have memory like that there? */
static bool user_may(struct context *c, addr_t start, size_t pages, uint32_t flags)
{
        addr_t end = c->process.kernel;

        if ((flags & VM_MEM_PL_MASK) == VM_MEM_USER && start < end &&
            pages <= (end - start) / PAGE_SIZE)
                return true;
        quire_mobius_answer(QUIRE_DENIED);
        return false;
}

/* May it do something with what lies there? */
static bool user_has(struct context *c, const void *ptr)
{
        const vm_node_t *n;
        bool kernels;

        quire_mobius_lock(&c->lodging);
        n = quire_mobius_tree_find(c->process.vmm_top, (addr_t)ptr);
        kernels = n && !VMM_NODE_IS_EMPTY(n) && !(n->flags & VM_MEM_PL_MASK);
        quire_mobius_unlock();
        if (kernels)
                quire_mobius_answer(QUIRE_DENIED);
        return !kernels;
}

void *VmmUserAlloc(size_t pages, addr_t start, uint32_t flags)
{
        struct context *c = quire_mobius_current();

        return c && user_may(c, start, pages, flags) ? VmmAlloc(pages, start, flags) : NULL;
}

bool VmmUserFree(void *ptr)
{
        struct context *c = quire_mobius_current();

        return c && user_has(c, ptr) && VmmFree(ptr);
}

void *VmmUserReserveArea(size_t pages, addr_t start)
{
        struct context *c = quire_mobius_current();

        return c && user_may(c, start, pages, VM_MEM_USER) ? VmmReserveArea(pages, start) : NULL;
}

void *VmmUserMapSharedArea(handle_t area, addr_t start, uint32_t flags)
{
        struct context *c = quire_mobius_current();
        struct area *a = NULL;
        struct handle *h;
        void *base;

        if (!c)
                return NULL;
        quire_mobius_lock(&c->lodging);
        h = quire_mobius_handle(c, area, HANDLE_AREA);
        if (h) {
                a = h->to.area;
                quire_mobius_area_hold_locked(a);
        }
        quire_mobius_unlock();
        if (!a) {
                quire_mobius_answer_error(MOBIUS_EHANDLE);
                return NULL;
        }
        base = user_may(c, start, a->desc.num_pages, flags)
                       ? VmmMapSharedArea(&a->desc, start, flags) : NULL;
        quire_mobius_area_drop(a);
        return base;
}

void *VmmUserMapFile(handle_t file, addr_t start, size_t pages, uint32_t flags)
{
        struct context *c = quire_mobius_current();
        file_handle_t *f = NULL;
        struct handle *h;
        void *base;

        if (!c || !user_may(c, start, pages, flags))
                return NULL;
        quire_mobius_lock(&c->lodging);
        h = quire_mobius_handle(c, file, HANDLE_FILE);
        if (h) {
                f = h->to.file;
                quire_mobius_file_hold(f);
        }
        quire_mobius_unlock();
        if (!f) {
                quire_mobius_answer_error(MOBIUS_EHANDLE);
                return NULL;
        }
        base = VmmMapFile(f, start, pages, flags);
        mobius_file_close(f);
        return base;
}

/* A handle for the area, whose hold goes with it. */
static handle_t handle_and_drop(struct area *a)
{
        handle_t h = mobius_handle_area(&a->desc);

        quire_mobius_area_drop(a);
        return h;
}

handle_t VmmUserShare(void *base, const wchar_t *name)
{
        struct context *c = quire_mobius_current();
        struct area *a = NULL;
        enum quire_status st;

        if (!c || !user_has(c, base))
                return 0;
        st = quire_mobius_share(c, base, name, &a);
        quire_mobius_answer(st);
        return st == QUIRE_OK ? handle_and_drop(a) : 0;
}

handle_t VmmUserOpenSharedArea(const wchar_t *name)
{
        struct context *c = quire_mobius_current();
        struct area *a = NULL;
        enum quire_status st;

        if (!c)
                return 0;
        st = quire_mobius_open_shared(c, name, &a);
        quire_mobius_answer(st);
        return st == QUIRE_OK ? handle_and_drop(a) : 0;
}

/* ----------------------------------------------------------------------- system calls */

static uintptr_t call_alloc(const uintptr_t a[4])
{
        return (uintptr_t)VmmUserAlloc(a[0], a[1], (uint32_t)a[2]);
}

static uintptr_t call_free(const uintptr_t a[4])
{
        return VmmUserFree((void *)a[0]);
}

static uintptr_t call_map_shared_area(const uintptr_t a[4])
{
        return (uintptr_t)VmmUserMapSharedArea((handle_t)a[0], a[1], (uint32_t)a[2]);
}

static uintptr_t call_map_file(const uintptr_t a[4])
{
        return (uintptr_t)VmmUserMapFile((handle_t)a[0], a[1], a[2], (uint32_t)a[3]);
}

static uintptr_t call_reserve_area(const uintptr_t a[4])
{
        return (uintptr_t)VmmUserReserveArea(a[0], a[1]);
}

static uintptr_t call_share(const uintptr_t a[4])
{
        return VmmUserShare((void *)a[0], (const wchar_t *)a[1]);
}

static uintptr_t (*const calls[])(const uintptr_t[4]) = {
        [MOBIUS_SYS_ALLOC - MOBIUS_SYS_ALLOC] = call_alloc,
        [MOBIUS_SYS_FREE - MOBIUS_SYS_ALLOC] = call_free,
        [MOBIUS_SYS_MAP_SHARED_AREA - MOBIUS_SYS_ALLOC] = call_map_shared_area,
        [MOBIUS_SYS_MAP_FILE - MOBIUS_SYS_ALLOC] = call_map_file,
        [MOBIUS_SYS_RESERVE_AREA - MOBIUS_SYS_ALLOC] = call_reserve_area,
        [MOBIUS_SYS_SHARE - MOBIUS_SYS_ALLOC] = call_share,
};

uintptr_t mobius_system_call(unsigned number, const uintptr_t argument[4])
{
        unsigned i = number - MOBIUS_SYS_ALLOC;

        if (i < sizeof(calls) / sizeof(calls[0]))
                return calls[i](argument);
        quire_mobius_answer(QUIRE_UNSUPPORTED);
        return 0;
}
