/*
 * book.c - the pagers of a random run: each has a book in memory as its pages' home.
 *
 * What a pager answers is chosen beforehand (act_answers in share.c): it fills, or
 * supplies and says BUSY, or fails; it takes what is written, or refuses.  When the
 * object goes, the book must hold what the object's pages read as.
 *
 * Called where faults are resolved, which may be a signal handler: allocates
 * nothing.
 */
#include "run.h"
#include <stdlib.h>
#include <string.h>

static uint8_t *home_of(const struct run_book *b, uint64_t index)
{
        return b->home + (index << b->run->shift);
}

static void check_range(const struct run_book *b, uint64_t offset, uint64_t bytes)
{
        uint64_t pages = bytes >> b->run->shift;

        if (!b->object || b->closed || b->dead)
                run_fails(b->run, "a pager is called that is closed or dead");
        if (!pages || (offset | bytes) & (b->run->page - 1) || pages > b->object->pages ||
            offset >> b->run->shift > b->object->pages - pages ||
            (b->pager.most && pages > b->pager.most))
                run_fails(b->run, "a pager is asked for %#lx + %#lx", (unsigned long)offset,
                          (unsigned long)bytes);
}

/* A handle to supply with; null: there is none. */
static struct quire_grant *handle_of(const struct run_book *b)
{
        for (unsigned i = 0; i < b->run->grants; i++)
                if (b->run->grant[i].model->object == b->object)
                        return b->run->grant[i].real;
        return NULL;
}

static enum quire_status fill_later(struct run_book *b, uint64_t offset, uint64_t bytes)
{
        uint64_t taken = 0;
        enum quire_status st = quire_pager_supply(handle_of(b), offset, bytes, b->home + offset,
                                                  &taken);

        if (st != QUIRE_OK || taken != bytes)
                run_fails(b->run, "a supply of what was asked for answers %s and takes %#lx",
                          quire_status_name(st), (unsigned long)taken);
        return QUIRE_BUSY;
}

static enum quire_status fill_refused(struct run_book *b, uint64_t offset, uint64_t bytes)
{
        uint64_t first = offset >> b->run->shift, pages = bytes >> b->run->shift;

        b->fill_fails--;
        b->run->book_failures++;
        if (b->answer == QUIRE_BROKEN)
                memset(b->broken + first, BOOK_BROKEN, pages);
        if (!b->late || !handle_of(b))
                return b->answer;
        if (quire_pager_fail(handle_of(b), offset, bytes, b->answer) != QUIRE_OK)
                run_fails(b->run, "what was asked for cannot be failed");
        return QUIRE_BUSY;
}

static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        struct run_book *b = context;

        check_range(b, offset, bytes);
        if (b->fill_fails)
                return fill_refused(b, offset, bytes);
        if (b->late && handle_of(b))
                return fill_later(b, offset, bytes);
        for (uint64_t i = 0; i < bytes >> b->run->shift; i++)
                memcpy(page[i], home_of(b, (offset >> b->run->shift) + i), b->run->page);
        return access ? QUIRE_OK : QUIRE_INVALID;
}

static enum quire_status fill_ahead(void *context, struct quire_object *o, uint64_t offset,
                                    uint64_t bytes, void *const page[])
{
        struct run_book *b = context;
        uint64_t first = b->ahead == BOOK_FILLS_IN_TWO ? bytes / 2 & ~(b->run->page - 1) : 0;

        check_range(b, offset, bytes);
        if (b->ahead == BOOK_NOT_AHEAD)
                return QUIRE_IO_ERROR;
        for (uint64_t i = 0; i < bytes >> b->run->shift; i++)
                memcpy(page[i], home_of(b, (offset >> b->run->shift) + i), b->run->page);
        if (first)
                quire_pager_filled(o, offset, first, QUIRE_OK);
        quire_pager_filled(o, offset + first, bytes - first,
                           b->ahead == BOOK_FILLS_NOT ? QUIRE_IO_ERROR : QUIRE_OK);
        return QUIRE_BUSY;
}

static enum quire_status sync_home(void *context)
{
        struct run_book *b = context;

        if (!b->object || b->closed || b->dead || b->object->homeless)
                run_fails(b->run, "a pager is asked to sync that is closed, dead or homeless");
        return QUIRE_OK;
}

static enum quire_status take(void *context, uint64_t offset, uint64_t bytes,
                              const void *const page[])
{
        struct run_book *b = context;

        check_range(b, offset, bytes);
        if (b->write_fails) {
                b->write_fails--;
                b->run->book_failures++;
                b->run->hurt = true;             /* its pages take room that nobody promised */
                return QUIRE_IO_ERROR;
        }
        for (uint64_t i = 0; i < bytes >> b->run->shift; i++)
                memcpy(home_of(b, (offset >> b->run->shift) + i), page[i], b->run->page);
        return QUIRE_OK;
}

bool run_is_home(struct run_book *b, uint64_t index)
{
        model_bytes(&b->run->model[0], &b->object->page[index].content, b->run->want);
        return !memcmp(b->run->want, home_of(b, index), b->run->page);
}

static void closed(void *context)
{
        struct run_book *b = context;
        struct run *r = b->run;

        if (!b->object || b->closed)
                run_fails(r, "a pager is closed twice");
        b->closed = true;
        if (b->object->homeless || b->dead || run_failed(r) != r->failed || r->hurt)
                return;
        for (uint64_t i = 0; i < b->object->pages; i++)
                if (!b->broken[i] && !run_is_home(b, i))
                        run_fails(r, "an object is gone, and its page %lu is not home",
                                  (unsigned long)i);
}

/* A book that is free, with pages of its own; null: all are in use. */
struct run_book *run_book_open(struct run *r, uint64_t pages)
{
        struct run_book *b = NULL;

        for (unsigned i = 0; i < RUN_BOOKS; i++)
                if (!r->book[i].run)
                        b = &r->book[i];
        if (!b || pages > BOOK_PAGES)
                return NULL;
        *b = (struct run_book){ .run = r, .home = malloc(pages << r->shift) };
        if (!b->home)
                abort();
        b->pager = (struct quire_pager){ .fill = fill, .write = take, .ahead = fill_ahead,
                                         .sync = sync_home, .closed = closed };
        for (uint64_t i = 0; i < pages; i++) {
                b->first[i] = (struct model_content){ .fill = draw_mix(++r->fills) };
                model_bytes(&r->model[0], &b->first[i], home_of(b, i));
        }
        return b;
}

bool run_is_short(const struct run *r)
{
        bool homeless = false;

        for (unsigned i = 0; i < RUN_BOOKS; i++)
                homeless |= r->book[i].run && r->book[i].dead && r->book[i].pager.evicts;
        return r->hurt || homeless;
}

uint8_t run_book_number(const struct run_book *b)
{
        return (uint8_t)(b - b->run->book + 1);
}

void run_book_close(struct run_book *b)
{
        free(b->home);
        *b = (struct run_book){ 0 };
}

/* The book that page `va' may have to be asked from, and which page of it. */
struct run_book *run_book_at(struct run *r, unsigned space, uint64_t va, uint64_t *index)
{
        struct model *m = &r->model[space];
        struct model_page *p = model_page(m, va);
        const struct model_region *g = model_region(m, p);
        uint8_t number;

        if (!g || !g->grant)
                return NULL;
        *index = (uint64_t)(p - m->page) - g->first + g->offset;
        number = !p->own && g->grant->object->book ? g->grant->object->book
                                                   : model_seen(m, p)->content.book;
        return number ? &r->book[number - 1] : NULL;
}
