/*
 * pager.c - where contents come from: a handler of the program's, a file, an image;
 * and what became of each page's last transfer.
 *
 *   fill    FATE_READING, then FATE_NONE or FATE_READ_FAILED
 *   write   FATE_WRITING, then FATE_NONE or FATE_WRITE_FAILED
 *
 * Runs in faults, and so in signal context on Linux: takes no lock, and allocates
 * nothing.  What a handler does there is the program's own responsibility.
 *
 * Lock: none.  Fates are atomic; the fills under way in a thread are known to that thread only.
 */
#include "inside.h"
#include <string.h>

/* A handler that runs now in this thread, and the page that it was asked for. */
struct filling {
        struct area *area;
        uint64_t page;
        void *window;
        struct filling *next;
};
static _Thread_local __attribute__((tls_model("initial-exec"))) struct filling *fillings;

void quire_mobius_note_fate(struct area *a, uint64_t page, unsigned fate)
{
        uint8_t *all = __atomic_load_n(&a->fate, __ATOMIC_ACQUIRE);

        if (all)
                __atomic_store_n(&all[page], (uint8_t)fate, __ATOMIC_RELAXED);
}

static unsigned fate_of(struct area *a, uint64_t page)
{
        uint8_t *all = __atomic_load_n(&a->fate, __ATOMIC_ACQUIRE);

        return all ? __atomic_load_n(&all[page], __ATOMIC_RELAXED) : FATE_NONE;
}

static void area_closed(void *context)
{
        quire_mobius_area_free(context);
}

/* ------------------------------------------------------------------------ handlers */

/* (Another may have begun meanwhile, where simulated threads share this one.) */
static void forget_filling(struct filling *f)
{
        struct filling **at = &fillings;

        while (*at != f)
                at = &(*at)->next;
        *at = f->next;
}

/* The process of the node is current meanwhile, whichever thread it is that fills; the error
 * of the calls around it stays. */
static bool call_handler(const struct area *a, struct place *p, uint64_t page, bool is_writing)
{
        process_t *before = mobius_process_enter(p->process);
        int error = mobius_error();
        bool good = a->desc.dest.callback.handler(a->desc.dest.callback.cookie, &p->node,
                                                  p->node.base + page * PAGE_BYTES, is_writing);

        mobius_process_enter(before);
        quire_mobius_answer_error(error);
        return good;
}

static bool ask_handler(struct area *a, uint64_t page, bool is_writing, void *window)
{
        struct filling f = { a, page, window, fillings };
        struct place *p;
        bool good = false;

        memset(window, 0, PAGE_BYTES);
        fillings = &f;
        quire_mobius_handler_begins();
        p = __atomic_load_n(&a->places, __ATOMIC_SEQ_CST);
        if (p)
                good = call_handler(a, p, page, is_writing);
        quire_mobius_handler_ended();
        forget_filling(&f);
        return good;
}

static enum quire_status fill_by_handler(void *context, uint64_t offset, uint64_t bytes,
                                         unsigned access, void *const page[])
{
        struct area *a = context;
        enum quire_status st = QUIRE_OK;

        for (uint64_t i = 0; i < bytes / PAGE_BYTES; i++) {
                uint64_t number = offset / PAGE_BYTES + i;
                bool good;

                quire_mobius_note_fate(a, number, FATE_READING);
                good = ask_handler(a, number, access & QUIRE_W, page[i]);
                quire_mobius_note_fate(a, number, good ? FATE_NONE : FATE_READ_FAILED);
                if (!good)
                        st = QUIRE_IO_ERROR;
        }
        return st;
}

const struct quire_pager quire_mobius_callback_pager = {
        .fill = fill_by_handler, .closed = area_closed, .most = 1,
};

/* The page of the area at an address in a node of it.  False: it is not there. */
static bool page_of(const vm_node_t *node, addr_t at, struct area **area, uint64_t *page)
{
        if (!node || VMM_NODE_IS_EMPTY(node) || !node->u.desc || at < node->base)
                return false;
        *area = (struct area *)node->u.desc;
        *page = (at - node->base) / PAGE_BYTES;
        return *page < node->num_pages && (*area)->desc.type == VM_AREA_CALLBACK;
}

void *mobius_page_window(vm_node_t *node, addr_t at)
{
        struct area *a;
        uint64_t page;

        quire_mobius_answer(QUIRE_INVALID);
        if (!page_of(node, at, &a, &page))
                return NULL;
        for (struct filling *f = fillings; f; f = f->next) {
                if (f->area == a && f->page == page) {
                        quire_mobius_answer(QUIRE_OK);
                        return f->window;
                }
        }
        return NULL;
}

bool mobius_page_fill(vm_node_t *node, addr_t at, const void *contents)
{
        void *window = mobius_page_window(node, at);
        enum quire_status st = QUIRE_INVALID;
        uint64_t page, taken = 0;
        struct area *a;

        if (window) {
                memcpy(window, contents, PAGE_BYTES);
                return true;
        }
        if (page_of(node, at, &a, &page))
                st = quire_pager_supply(a->grant, page * PAGE_BYTES, PAGE_BYTES, contents, &taken);
        if (st == QUIRE_OK && !taken)
                st = QUIRE_BUSY;
        quire_mobius_answer(st);
        return st == QUIRE_OK;
}

/* --------------------------------------------------------------------------- files */

/* How much of a page lies before the file's end. */
static size_t within_file(const file_handle_t *file, uint64_t offset)
{
        uint64_t rest = file->bytes > offset ? file->bytes - offset : 0;

        return rest < PAGE_BYTES ? (size_t)rest : PAGE_BYTES;
}

static enum quire_status fill_from_file(void *context, uint64_t offset, uint64_t bytes,
                                        unsigned access, void *const page[])
{
        struct area *a = context;
        file_handle_t *file = a->desc.dest.file;
        enum quire_status st = QUIRE_OK;

        (void)access;
        for (uint64_t i = 0; i < bytes / PAGE_BYTES; i++) {
                uint64_t at = offset + i * PAGE_BYTES;
                size_t n = within_file(file, at);
                bool good;

                quire_mobius_note_fate(a, at / PAGE_BYTES, FATE_READING);
                memset((uint8_t *)page[i] + n, 0, PAGE_BYTES - n);
                good = file->read(file, at, page[i], n);
                quire_mobius_note_fate(a, at / PAGE_BYTES, good ? FATE_NONE : FATE_READ_FAILED);
                if (!good)
                        st = QUIRE_IO_ERROR;
        }
        return st;
}

static enum quire_status write_to_file(void *context, uint64_t offset, uint64_t bytes,
                                       const void *const page[])
{
        struct area *a = context;
        file_handle_t *file = a->desc.dest.file;
        enum quire_status st = QUIRE_OK;

        for (uint64_t i = 0; i < bytes / PAGE_BYTES; i++) {
                uint64_t at = offset + i * PAGE_BYTES;
                bool good;

                quire_mobius_note_fate(a, at / PAGE_BYTES, FATE_WRITING);
                good = file->write(file, at, page[i], within_file(file, at));
                quire_mobius_note_fate(a, at / PAGE_BYTES, good ? FATE_NONE : FATE_WRITE_FAILED);
                if (!good)
                        st = QUIRE_IO_ERROR;
        }
        return st;
}

const struct quire_pager quire_mobius_file_pager = {
        .fill = fill_from_file, .write = write_to_file, .closed = area_closed,
};
const struct quire_pager quire_mobius_read_only_pager = {
        .fill = fill_from_file, .closed = area_closed,
};

void quire_mobius_file_hold(file_handle_t *file)
{
        __atomic_add_fetch(&file->references, 1, __ATOMIC_ACQ_REL);
}

void mobius_file_close(file_handle_t *file)
{
        if (!__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) && file->closed)
                file->closed(file);
}

/* -------------------------------------------------------------------------- images */

static enum quire_status fill_from_image(void *context, uint64_t offset, uint64_t bytes,
                                         unsigned access, void *const page[])
{
        struct area *a = context;

        (void)access;
        for (uint64_t i = 0; i < bytes / PAGE_BYTES; i++)
                quire_mobius_image_fill(a->image, offset / PAGE_BYTES + i, page[i]);
        return QUIRE_OK;
}

const struct quire_pager quire_mobius_image_pager = {
        .fill = fill_from_image, .closed = area_closed,
};

/* --------------------------------------------------------------------- page states */

static enum mobius_page_state name_state(unsigned map, unsigned fate)
{
        enum quire_page_state state = (enum quire_page_state)(map & 15);

        if (fate == FATE_READING || state == QUIRE_PAGE_COMING)
                return MOBIUS_PAGE_READINPROG;
        if (fate == FATE_WRITING)
                return MOBIUS_PAGE_WRITEINPROG;
        if (state == QUIRE_PAGE_BROKEN)
                return MOBIUS_PAGE_READFAILED;
        if (state == QUIRE_PAGE_PRESENT && !(map >> 4 & QUIRE_PAGE_DIRTY))
                return MOBIUS_PAGE_VALID_CLEAN;
        if (fate == FATE_WRITE_FAILED)
                return MOBIUS_PAGE_WRITEFAILED;
        if (state == QUIRE_PAGE_PRESENT)
                return MOBIUS_PAGE_VALID_DIRTY;
        return fate == FATE_READ_FAILED ? MOBIUS_PAGE_READFAILED : MOBIUS_PAGE_PAGEDOUT;
}

enum mobius_page_state mobius_page_state(process_t *process, addr_t any)
{
        struct context *c = process ? (struct context *)process : quire_mobius_current();
        enum quire_status st;
        vm_node_t node;
        struct area *a;
        uint8_t map = 0;
        unsigned fate;

        if (!c)
                return MOBIUS_PAGE_NONE;
        a = quire_mobius_area_at(c, (void *)any, &node);
        quire_mobius_answer(QUIRE_OK);
        if (!a)
                return MOBIUS_PAGE_NONE;
        st = quire_page_map(c->process.space, PAGE_ALIGN(any), PAGE_BYTES, &map);
        fate = fate_of(a, (any - node.base) / PAGE_BYTES);
        quire_mobius_area_drop(a);
        quire_mobius_answer(st);
        return st == QUIRE_OK ? name_state(map, fate) : MOBIUS_PAGE_NONE;
}
