/*
 * fake.c - a core of a hundred lines: it shows the page that was faulted on.
 *
 * This quire_fault() stands in the place of the core's.  On Linux it runs in a
 * signal handler or in a handler thread, and does only what the core may do
 * there.
 */
#include "fake.h"

size_t fake_page_size(const struct rig *rig)
{
        return (size_t)1 << rig->ops->abilities(rig->machine)->page_shift;
}

uint64_t fake_va(const struct fake *f, unsigned page)
{
        return f->base + (uint64_t)page * fake_page_size(f->rig);
}

void fake_lock(struct rig *rig)
{
        rig->host_ops->lock(rig->host);
}

void fake_unlock(struct rig *rig)
{
        rig->host_ops->unlock(rig->host);
}

/* -------------------------------------------------------------- translations */

quire_frame fake_frame(struct fake *f, unsigned page)
{
        struct fake_page *p = &f->page[page];

        if (p->frame == QUIRE_NO_FRAME &&
            f->rig->ops->frame_alloc(f->rig->machine, f->store, f->first + page, QUIRE_ZEROED,
                                     &p->frame) != QUIRE_OK)
                p->frame = QUIRE_NO_FRAME;
        return p->frame;
}

bool fake_copy(struct fake *f, unsigned page)
{
        const struct quire_machine_ops *m = f->rig->ops;
        struct fake_page *p = &f->page[page];
        quire_frame copy;

        if (p->own)
                return true;
        if (fake_frame(f, page) == QUIRE_NO_FRAME ||
            m->frame_alloc(f->rig->machine, NULL, 0, QUIRE_ANY_FILL, &copy) != QUIRE_OK)
                return false;
        memcpy(m->frame_window(f->rig->machine, copy), fake_window(f, page),
               fake_page_size(f->rig));
        p->frame = copy;
        p->own = true;
        return true;
}

const struct quire_view *fake_view(const struct fake *f, unsigned first, struct quire_view *out)
{
        *out = (struct quire_view){ f->store, f->first + first, f->copies };
        return f->store ? out : NULL;
}

enum quire_status fake_enter(struct fake *f, unsigned first, unsigned count, unsigned access)
{
        quire_frame frames[QUIRE_RUN_MAX];
        enum quire_status st;

        unsigned beside = QUIRE_REFUSES_W;

        for (unsigned i = 0; i < count; i++) {
                frames[i] = f->page[first + i].frame;
                if (f->page[first + i].allowed & QUIRE_W || access & QUIRE_W)
                        beside = 0;
        }
        st = f->rig->ops->enter(f->mspace, fake_va(f, first), count, frames, access | beside);
        for (unsigned i = 0; st == QUIRE_OK && i < count; i++)
                f->page[first + i].shown = access;
        return st;
}

enum quire_status fake_take(struct fake *f, unsigned first, unsigned count)
{
        quire_frame frames[QUIRE_RUN_MAX];
        enum quire_status st;

        for (unsigned i = 0; i < count; i++)
                frames[i] = f->page[first + i].frame;
        st = f->rig->ops->take(f->mspace, fake_va(f, first), count, frames);
        for (unsigned i = 0; st == QUIRE_OK && i < count; i++)
                f->page[first + i].shown = 0;
        return st;
}

void fake_protect(struct fake *f, unsigned first, unsigned count, unsigned access)
{
        f->rig->ops->protect(f->mspace, fake_va(f, first), count, access);
        for (unsigned i = 0; i < count; i++)
                if (f->page[first + i].shown)
                        f->page[first + i].shown = access;
}

void fake_drop(struct fake *f, unsigned first, unsigned count)
{
        f->rig->ops->drop(f->mspace, fake_va(f, first), count);
        for (unsigned i = 0; i < count; i++)
                f->page[first + i].shown = 0;
}

void fake_free(struct fake *f, unsigned page)
{
        f->rig->ops->frame_free(f->rig->machine, f->page[page].frame);
        f->page[page].frame = QUIRE_NO_FRAME;
        f->page[page].own = false;
}

void *fake_window(struct fake *f, unsigned page)
{
        return f->rig->ops->frame_window(f->rig->machine, f->page[page].frame);
}

/* ---------------------------------------------------------------- the upcall */

/* Pages from `page' on that can be shown along with it. */
static unsigned count_alike(struct fake *f, unsigned page)
{
        const struct fake_page *p = f->page;
        unsigned n = 1;

        while (n <= f->ahead && n < QUIRE_RUN_MAX && page + n < f->pages &&
               p[page + n].frame != QUIRE_NO_FRAME && !p[page + n].shown &&
               p[page + n].allowed == p[page].allowed && p[page + n].own == p[page].own)
                n++;
        return n;
}

/* What the page may be shown with as it is. */
static unsigned granted(const struct fake *f, unsigned page)
{
        const struct fake_page *p = &f->page[page];

        return p->allowed & ~(unsigned)(f->copies && !p->own ? QUIRE_W : 0);
}

static enum quire_verdict resolve(struct fake *f, unsigned page, unsigned access)
{
        struct fake_page *p = &f->page[page];
        unsigned n;

        access &= ~(unsigned)QUIRE_KERNEL;
        if (!(p->allowed & access))
                return QUIRE_DENY;
        if (!(granted(f, page) & access)) {
                if (p->shown && fake_take(f, page, 1) != QUIRE_OK)
                        return QUIRE_DENY;
                if (!fake_copy(f, page))
                        return QUIRE_DENY;
        }
        if (p->shown) {
                fake_protect(f, page, 1, granted(f, page));
                return QUIRE_RESUME;
        }
        if (fake_frame(f, page) == QUIRE_NO_FRAME)
                return QUIRE_DENY;
        n = count_alike(f, page);
        if (fake_enter(f, page, n, granted(f, page)) != QUIRE_OK &&
            fake_enter(f, page, 1, granted(f, page)) != QUIRE_OK)
                return QUIRE_DENY;
        return QUIRE_RESUME;
}

static enum quire_verdict answer(struct fake *f, uint64_t va, unsigned access, uint64_t ticket)
{
        unsigned page = (unsigned)((va - f->base) / fake_page_size(f->rig));
        enum quire_verdict verdict;

        switch (f->mode) {
        case FAKE_DENY:
                return QUIRE_DENY;
        case FAKE_PEND:
                if (f->tickets == FAKE_TICKETS)
                        return QUIRE_DENY;
                f->ticket[f->tickets++] = ticket;
                return QUIRE_PENDING;
        case FAKE_EARLY:
                verdict = resolve(f, page, access);
                f->rig->ops->resume(f->rig->machine, ticket, verdict);
                return QUIRE_PENDING;
        default:
                return resolve(f, page, access);
        }
}

/* The windows that are open; a fault belongs to the one that holds its address. */
static struct fake *windows[8];

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        struct fake *f = NULL, *first = owner;
        struct rig *rig = first->rig;
        enum quire_verdict verdict = QUIRE_DENY;

        fake_lock(rig);
        for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++)
                if (windows[i] && windows[i]->mspace == first->mspace && va >= windows[i]->base &&
                    va < fake_va(windows[i], windows[i]->pages))
                        f = windows[i];
        if (f) {
                f->faults++;
                f->last_va = va;
                f->last_access = access;
                verdict = answer(f, va, access, ticket);
        } else {
                first->faults++;
                first->last_va = va;
                first->last_access = access;
        }
        fake_unlock(rig);
        return verdict;
}

/* ------------------------------------------------------------ open and close */

static void clear(struct fake *f, struct rig *rig, unsigned pages, struct quire_store *store)
{
        unsigned i = 0;

        *f = (struct fake){ .rig = rig, .base = f->base, .pages = pages, .store = store,
                            .first = f->first, .copies = f->copies };
        for (unsigned k = 0; k < pages; k++)
                f->page[k].allowed = QUIRE_R | QUIRE_W;
        while (windows[i])
                i++;
        REQUIRE(i < sizeof windows / sizeof *windows);
        windows[i] = f;
}

static void reserve(struct fake *f)
{
        struct quire_range obstacle;
        struct quire_view view;
        enum quire_status st;

        if (!f->base)
                f->base = f->rig->kind->room(f->rig, f->pages, true, false);
        fake_lock(f->rig);
        st = f->rig->ops->reserve(f->mspace, f->base, f->pages, fake_view(f, 0, &view), &obstacle);
        fake_unlock(f->rig);
        REQUIRE(st == QUIRE_OK);
}

void fake_open(struct fake *f, struct rig *rig, unsigned pages, struct quire_store *store)
{
        clear(f, rig, pages, store);
        fake_lock(rig);
        REQUIRE(rig->ops->space_open(rig->machine, f, &f->mspace) == QUIRE_OK);
        fake_unlock(rig);
        reserve(f);
}

void fake_open_in(struct fake *f, struct fake *owner, unsigned pages, struct quire_store *store)
{
        clear(f, owner->rig, pages, store);
        f->mspace = owner->mspace;
        reserve(f);
}

static bool is_owner(const struct fake *f)
{
        for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++)
                if (windows[i] && windows[i] != f && windows[i]->mspace == f->mspace)
                        return false;
        return true;
}

/* The last window of a space closes it. */
void fake_close(struct fake *f)
{
        fake_lock(f->rig);
        f->rig->ops->release(f->mspace, f->base, f->pages);
        for (unsigned i = 0; i < f->pages; i++)
                if ((!f->store || f->page[i].own) && f->page[i].frame != QUIRE_NO_FRAME)
                        fake_free(f, i);
        if (is_owner(f))
                f->rig->ops->space_close(f->mspace);
        fake_unlock(f->rig);
        for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++)
                if (windows[i] == f)
                        windows[i] = NULL;
}

/* ------------------------------------------------------------------ accesses */

enum rig_answer fake_load(struct fake *f, unsigned page, size_t offset, uint64_t *word)
{
        return f->rig->kind->access(f->rig, f->mspace, fake_va(f, page) + offset, QUIRE_R, word,
                                    sizeof *word);
}

enum rig_answer fake_store(struct fake *f, unsigned page, size_t offset, uint64_t word)
{
        return f->rig->kind->access(f->rig, f->mspace, fake_va(f, page) + offset, QUIRE_W, &word,
                                    sizeof word);
}

uint64_t fake_peek(struct fake *f, unsigned page, size_t offset)
{
        const uint8_t *window = fake_window(f, page);
        uint64_t word = UINT64_MAX;

        if (CHECK(window))
                memcpy(&word, window + offset, sizeof word);
        return word;
}
