/*
 * tiny.c - see tiny.h.  Its lock is the host's.
 */
#include "tiny.h"
#include "elsewhere.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define M (&quire_linux_machine_ops)
#define H (&quire_linux_host_ops)
#define BATCH 16u

enum where { NOWHERE, SHOWN, STORED };

struct page {
        quire_frame frame;
        unsigned char where;
        bool writable, denied;
};

struct tiny {
        struct tiny_options options;
        struct quire_linux *l;
        struct quire_machine *m;
        struct quire_host *h;
        struct quire_mspace *space;
        uint64_t base;
        struct page *page;
        char *disk;
        uint64_t *queue;             /* a ring of page numbers, in order of showing */
        uint64_t head, tail;
        uint64_t faults;
        uint64_t hold_page;          /* + 1; 0: none */
        uint64_t held_ticket;
};

char *tiny_base(const struct tiny *t)
{
        return (char *)(uintptr_t)t->base;
}

struct quire_linux *tiny_linux(const struct tiny *t)
{
        return t->l;
}

struct quire_mspace *tiny_space(const struct tiny *t)
{
        return t->space;
}

uint64_t tiny_faults(const struct tiny *t)
{
        return t->faults;
}

static uint64_t page_va(const struct tiny *t, uint64_t page)
{
        return t->base + page * TINY_PAGE;
}

static void must(bool good, const char *what)
{
        if (good)
                return;
        fprintf(stderr, "tiny core: %s\n", what);
        abort();
}

static void write_page(struct tiny *t, uint64_t page, const void *from)
{
        struct quire_io io = { .slot = page, .count = 1 };

        if (!t->options.disk) {
                memcpy(t->disk + page * TINY_PAGE, from, TINY_PAGE);
                return;
        }
        io.page[0] = (void *)(uintptr_t)from;
        H->io_start(t->h, &io);
        must(H->io_poll(t->h, true) == &io && !io.status, "a write failed");
}

static void read_page(struct tiny *t, uint64_t page, void *to)
{
        struct quire_io io = { .slot = page, .count = 1 };

        if (!t->options.disk) {
                memcpy(to, t->disk + page * TINY_PAGE, TINY_PAGE);
                return;
        }
        io.page[0] = to;
        must(!H->io_read(t->h, &io), "a read failed");
}

/* Take a run of neighbours, as long as they are shown and `most' allows. */
static uint64_t evict_run(struct tiny *t, uint64_t first, uint64_t most)
{
        quire_frame frames[QUIRE_RUN_MAX];
        uint64_t n = 0;

        while (n < most && first + n < t->options.pages && t->page[first + n].where == SHOWN) {
                frames[n] = t->page[first + n].frame;
                n++;
        }
        must(!M->take(t->space, page_va(t, first), n, frames), "take failed");
        for (uint64_t i = 0; i < n; i++) {
                void *window = M->frame_window(t->m, frames[i]);
                must(window, "a taken frame has no window");
                write_page(t, first + i, window);
                M->frame_free(t->m, frames[i]);
                t->page[first + i].where = STORED;
        }
        return n;
}

static void evict_some(struct tiny *t)
{
        uint64_t want = BATCH;

        while (want && t->head != t->tail) {
                uint64_t page = t->queue[t->head % (t->options.pages * 2)];
                t->head++;
                if (t->page[page].where == SHOWN)
                        want -= evict_run(t, page, want);
        }
}

static uint64_t shown_count(const struct tiny *t)
{
        uint64_t n = 0;

        for (uint64_t i = 0; i < t->options.pages; i++)
                n += t->page[i].where == SHOWN;
        return n;
}

void tiny_evict_all(struct tiny *t)
{
        H->lock(t->h);
        while (shown_count(t))
                evict_some(t);
        H->unlock(t->h);
}

static void bring(struct tiny *t, uint64_t page, unsigned access)
{
        struct page *p = &t->page[page];
        enum quire_fill fill = p->where == STORED ? QUIRE_ANY_FILL : QUIRE_ZEROED;
        unsigned show = QUIRE_R | (access == QUIRE_W || !t->options.read_only_first ? QUIRE_W : 0);

        if (t->tail - t->head >= t->options.frames)
                evict_some(t);
        must(!M->frame_alloc(t->m, NULL, 0, fill, &p->frame), "no frame");
        if (fill == QUIRE_ANY_FILL)
                read_page(t, page, M->frame_window(t->m, p->frame));
        must(!M->enter(t->space, page_va(t, page), 1, &p->frame, show), "enter failed");
        p->where = SHOWN;
        p->writable = show & QUIRE_W;
        t->queue[t->tail++ % (t->options.pages * 2)] = page;
}

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        struct tiny *t = owner;
        enum quire_verdict verdict = QUIRE_RESUME;
        uint64_t page;

        H->lock(t->h);
        page = (va - t->base) / TINY_PAGE;
        t->faults++;
        if (page >= t->options.pages || t->page[page].denied) {
                struct quire_event e = { .va = va, .kind = QUIRE_EV_DENIED,
                                         .arg = QUIRE_WHY_PROTECTED };
                H->event(t->h, &e);
                verdict = QUIRE_DENY;
        } else if (t->hold_page == page + 1) {
                t->hold_page = 0;
                __atomic_store_n(&t->held_ticket, ticket, __ATOMIC_RELEASE);
                verdict = QUIRE_PENDING;
        } else if (t->page[page].where != SHOWN) {
                bring(t, page, access);
        } else if (access == QUIRE_W) {
                M->protect(t->space, page_va(t, page), 1, QUIRE_R | QUIRE_W);
                t->page[page].writable = true;
        }
        H->unlock(t->h);
        return verdict;
}

void tiny_deny(struct tiny *t, uint64_t page, bool deny)
{
        H->lock(t->h);
        if (deny && t->page[page].where == SHOWN)
                evict_run(t, page, 1);
        t->page[page].denied = deny;
        H->unlock(t->h);
}

void tiny_hold_back(struct tiny *t, uint64_t page)
{
        H->lock(t->h);
        t->hold_page = page + 1;
        H->unlock(t->h);
}

bool tiny_held_back(const struct tiny *t)
{
        return __atomic_load_n(&t->held_ticket, __ATOMIC_ACQUIRE);
}

void tiny_release(struct tiny *t, enum quire_verdict verdict)
{
        H->lock(t->h);
        M->resume(t->m, t->held_ticket, verdict);
        __atomic_store_n(&t->held_ticket, 0, __ATOMIC_RELEASE);
        H->unlock(t->h);
}

uint64_t tiny_elsewhere(uint64_t pages)
{
        uint64_t va = find_elsewhere(pages);

        must(va, "no address space");
        return va;
}

static bool claim(struct tiny *t)
{
        struct quire_range obstacle;
        enum quire_status st;

        H->lock(t->h);
        st = M->space_open(t->m, t, &t->space);
        t->base = t->options.away ? tiny_elsewhere(t->options.pages)
                                  : M->abilities(t->m)->paged.first;
        if (!st)
                st = M->reserve(t->space, t->base, t->options.pages, NULL, &obstacle);
        H->unlock(t->h);
        return !st;
}

struct tiny *tiny_open(const struct tiny_options *options)
{
        struct quire_linux_setup setup = {
                .memory = options->frames * TINY_PAGE, .faults = options->faults,
                .no_pagefile = !options->disk,
        };
        struct tiny *t = calloc(1, sizeof(*t));
        char problem[256];

        if (!t || quire_linux_open(&setup, &t->l, problem)) {
                fprintf(stderr, "tiny core: %s\n", t ? problem : "no memory");
                free(t);
                return NULL;
        }
        t->options = *options;
        t->m = quire_linux_machine(t->l);
        t->h = quire_linux_host(t->l);
        t->page = calloc(options->pages, sizeof(*t->page));
        t->queue = calloc(options->pages * 2, sizeof(*t->queue));
        t->disk = options->disk ? NULL : calloc(options->pages, TINY_PAGE);
        must(t->page && t->queue, "no memory");
        must(claim(t), "the range can not be reserved");
        return t;
}

void tiny_close(struct tiny *t)
{
        tiny_evict_all(t);
        H->lock(t->h);
        M->release(t->space, t->base, t->options.pages);
        M->space_close(t->space);
        H->unlock(t->h);
        quire_linux_close(t->l);
        free(t->page);
        free(t->queue);
        free(t->disk);
        free(t);
}
