/*
 * area.c - areas (vm_desc_t): each is an object of the core with a grant of all
 * the rights that its maker had.
 *
 *   NORMAL  anonymous        MAP  physical        FILE, IMAGE, CALLBACK  with a pager
 *
 * A1  refs is the number of nodes, handles, opens and calls that have it; the
 *     object is closed with the last.
 * A2  An area with a pager of ours is freed when the pager is closed, since faults
 *     know it until then; another with its last reference.
 * A3  The areas of one file handle are one area (file_handle_t.area).
 *
 * Lock: the face's.
 */
#include "inside.h"

static struct area *areas;             /* [m] all of them */

static struct area *new_area(struct context *c, unsigned type, uint32_t flags, size_t pages)
{
        struct area *a = quire_mobius_alloc(&c->lodging, sizeof *a);

        if (!a)
                return NULL;
        a->lodging = c->lodging;
        a->system = c->process.system;
        a->refs = 1;
        a->desc.type = type;
        a->desc.flags = flags;
        a->desc.num_pages = pages;
        return a;
}

void quire_mobius_area_free(struct area *a)
{
        struct lodging l = a->lodging;

        if (a->desc.type == VM_AREA_FILE && a->desc.dest.file)
                mobius_file_close(a->desc.dest.file);
        quire_mobius_image_close(&l, a->image);
        quire_mobius_free(&l, a->fate, a->desc.num_pages);
        quire_mobius_free(&l, a->name, a->name_bytes);
        quire_mobius_free(&l, a, sizeof *a);
}

static void enlist(struct area *a)
{
        a->next = areas;
        a->prev = NULL;
        if (areas)
                areas->prev = a;
        areas = a;
}

static void delist(struct area *a)
{
        if (a->next)
                a->next->prev = a->prev;
        if (a->prev)
                a->prev->next = a->next;
        else
                areas = a->next;
}

/* --------------------------------------------------------- what areas are made of */

struct recipe {
        struct quire_object_request request;
        unsigned rights;
};

static enum quire_status plan_file(struct area *a, const struct making *m, struct recipe *r)
{
        file_handle_t *file = m->dest1;

        if (!file || !(file->read || file->open) ||
            m->pages > file->bytes / PAGE_BYTES + !!(file->bytes % PAGE_BYTES))
                return QUIRE_INVALID;
        quire_mobius_file_hold(file);
        a->desc.dest.file = file;
        if (file->open)
                return QUIRE_OK;
        r->request.pager = file->write ? &quire_mobius_file_pager : &quire_mobius_read_only_pager;
        if (!file->write)
                r->rights = QUIRE_R;
        return QUIRE_OK;
}

static enum quire_status plan_image(struct area *a, const struct making *m, struct recipe *r)
{
        enum quire_status st;

        if (!m->dest1)
                return QUIRE_INVALID;
        st = quire_mobius_image_open(&a->lodging, m->dest1, &a->image);
        if (st != QUIRE_OK)
                return st;
        a->desc.dest.mod = m->dest1;
        a->desc.num_pages = quire_mobius_image_pages(a->image);
        r->request.pager = &quire_mobius_image_pager;
        r->rights = QUIRE_R | QUIRE_X;
        return m->pages && m->pages != a->desc.num_pages ? QUIRE_INVALID : QUIRE_OK;
}

/* The object that the area wants. */
static enum quire_status plan_object(struct area *a, const struct making *m, struct recipe *r)
{
        enum quire_status st = QUIRE_OK;

        r->request.kind = QUIRE_CALLBACK;
        r->rights = QUIRE_R | QUIRE_W | QUIRE_X;
        switch (m->type) {
        case VM_AREA_NORMAL:
                r->request.kind = QUIRE_ANONYMOUS;
                break;
        case VM_AREA_MAP:
                r->request.kind = QUIRE_PHYSICAL;
                r->request.physical = a->desc.dest.phys_map = (addr_t)m->dest1;
                break;
        case VM_AREA_FILE:
                st = plan_file(a, m, r);
                break;
        case VM_AREA_IMAGE:
                st = plan_image(a, m, r);
                break;
        case VM_AREA_CALLBACK:
                a->desc.dest.callback.handler = (VMM_CALLBACK)(uintptr_t)m->dest1;
                a->desc.dest.callback.cookie = m->dest2;
                r->request.pager = &quire_mobius_callback_pager;
                st = m->dest1 ? QUIRE_OK : QUIRE_INVALID;
                break;
        default:
                st = QUIRE_INVALID;
        }
        if (st == QUIRE_OK && !a->desc.num_pages)
                st = QUIRE_INVALID;
        r->request.context = a;
        r->request.bytes = (uint64_t)a->desc.num_pages * PAGE_BYTES;
        return st;
}

/* With all rights that there are. */
static enum quire_status open_whole(struct area *a, const struct recipe *r,
                                    struct quire_grant **out)
{
        file_handle_t *file = a->desc.type == VM_AREA_FILE ? a->desc.dest.file : NULL;
        uint64_t bytes = r->request.bytes;

        if (!file || !file->open)
                return quire_object_open(a->system, &r->request, out);
        return file->open(file, bytes < file->bytes ? bytes : file->bytes, out);
}

/* The object with its grant, narrowed to what the area may do.  On failure the area
 * is gone: by its pager, if there was one. */
static enum quire_status open_object(struct area *a, const struct recipe *r)
{
        struct quire_object_info info;
        struct quire_grant *all;
        enum quire_status st = open_whole(a, r, &all);

        if (st != QUIRE_OK) {
                quire_mobius_area_free(a);
                return st;
        }
        quire_object_describe(all, &info);
        a->number = info.number;
        a->writes = info.rights & r->rights & QUIRE_W;
        st = quire_grant_narrow(all, info.rights & r->rights, &a->grant);
        quire_grant_close(all);
        if (st != QUIRE_OK && !r->request.pager)
                quire_mobius_area_free(a);
        return st;
}

static enum quire_status build(struct context *c, const struct making *m, struct area **out)
{
        struct area *a = new_area(c, m->type, m->flags, m->pages);
        struct recipe r = { 0 };
        enum quire_status st;

        if (!a)
                return QUIRE_NO_MEMORY;
        if (c->names && m->type == VM_AREA_NORMAL)
                r.request.flags = QUIRE_HOSTED;
        st = plan_object(a, m, &r);
        a->paged = r.request.pager;
        if (st == QUIRE_OK && a->paged) {
                a->fate = quire_mobius_alloc(&a->lodging, a->desc.num_pages);
                st = a->fate ? QUIRE_OK : QUIRE_NO_MEMORY;
        }
        if (st != QUIRE_OK) {
                quire_mobius_area_free(a);
                return st;
        }
        *out = a;
        return open_object(a, &r);
}

/* The area that the file has, held, if it will do. */
static enum quire_status find_file(const file_handle_t *file, size_t pages, struct area **out)
{
        struct area *a = (struct area *)file->area;

        *out = NULL;
        if (!a)
                return QUIRE_OK;
        if (pages > a->desc.num_pages)
                return QUIRE_INVALID;
        a->refs++;
        *out = a;
        return QUIRE_OK;
}

enum quire_status quire_mobius_area_open(struct context *c, const struct making *m,
                                         struct area **out)
{
        file_handle_t *file = m->type == VM_AREA_FILE ? m->dest1 : NULL;
        struct area *mine = NULL;
        enum quire_status st = QUIRE_OK;

        *out = NULL;
        quire_mobius_lock(&c->lodging);
        if (file)
                st = find_file(file, m->pages, out);
        quire_mobius_unlock();
        if (st != QUIRE_OK || *out)
                return st;
        st = build(c, m, &mine);
        if (st != QUIRE_OK)
                return st;
        quire_mobius_lock(&c->lodging);
        enlist(mine);
        if (file)
                st = find_file(file, m->pages, out);   /* somebody else was first? */
        if (st == QUIRE_OK && !*out) {
                if (file)
                        file->area = &mine->desc;
                *out = mine;
        }
        quire_mobius_unlock();
        if (*out != mine)
                quire_mobius_area_drop(mine);
        return st;
}

enum quire_status quire_mobius_area_adopt(struct context *c, struct quire_grant *grant,
                                          struct area **out)
{
        static const unsigned types[] = { [QUIRE_ANONYMOUS] = VM_AREA_NORMAL,
                                          [QUIRE_PHYSICAL] = VM_AREA_MAP,
                                          [QUIRE_CALLBACK] = VM_AREA_CALLBACK };
        struct quire_object_info info;
        struct area *a;

        quire_object_describe(grant, &info);
        a = new_area(c, types[info.kind], 0, info.bytes / PAGE_BYTES);
        if (!a)
                return QUIRE_NO_MEMORY;
        a->grant = grant;
        a->number = info.number;
        quire_mobius_lock(&c->lodging);
        enlist(a);
        quire_mobius_unlock();
        *out = a;
        return QUIRE_OK;
}

/* --------------------------------------------------------------------- references */

void quire_mobius_area_hold_locked(struct area *a)
{
        a->refs++;
}

void quire_mobius_area_drop(struct area *a)
{
        struct lodging l = a->lodging;
        struct quire_grant *grant = a->grant;
        bool last, paged;

        quire_mobius_lock(&l);
        last = --a->refs == 0;
        paged = a->paged;
        if (last) {
                delist(a);
                if (a->desc.type == VM_AREA_FILE && a->desc.dest.file->area == &a->desc)
                        a->desc.dest.file->area = NULL;
        }
        quire_mobius_unlock();
        if (!last)
                return;
        quire_grant_close(grant);
        if (!paged)
                quire_mobius_area_free(a);
}

void quire_mobius_area_link(struct area *a, struct place *p)
{
        a->refs++;
        a->desc.nodes++;
        p->next = a->places;
        __atomic_store_n(&a->places, p, __ATOMIC_SEQ_CST);
}

void quire_mobius_area_unlink(struct area *a, struct place *p)
{
        struct place **at = &a->places;

        while (*at != p)
                at = &(*at)->next;
        __atomic_store_n(at, p->next, __ATOMIC_SEQ_CST);
        a->desc.nodes--;
}

struct area *quire_mobius_area_of_number(struct quire_system *system, uint64_t number)
{
        struct area *a = areas;

        while (a && (a->system != system || a->number != number))
                a = a->next;
        return a;
}

enum quire_status quire_mobius_area_write(struct area *a)
{
        if (a->desc.type != VM_AREA_FILE || !a->writes)
                return QUIRE_OK;
        return quire_object_flush(a->grant, 0, (uint64_t)a->desc.num_pages * PAGE_BYTES);
}

struct area *quire_mobius_area_at(struct context *c, const void *ptr, vm_node_t *copy)
{
        struct area *a = NULL;
        vm_node_t *node;

        quire_mobius_lock(&c->lodging);
        node = quire_mobius_tree_find(c->process.vmm_top, (addr_t)ptr);
        if (node && !VMM_NODE_IS_EMPTY(node) && node->u.desc) {
                a = (struct area *)node->u.desc;
                a->refs++;
                *copy = *node;
        }
        quire_mobius_unlock();
        return a;
}

void mobius_area_close(vm_desc_t *desc)
{
        quire_mobius_answer(desc ? QUIRE_OK : QUIRE_INVALID);
        if (desc)
                quire_mobius_area_drop((struct area *)desc);
}
