/*
 * objects.c - what quire.h promises of objects, grants and the regions that map
 * them, in the simplest form that can be checked: an object is an array of pages,
 * a clone of it is a copy of the array, and a region that copies keeps the pages
 * that were written there in its own.
 *
 * An object is charged all its pages, or nothing that is known beforehand: what
 * ON_TOUCH or a pager's object was charged, and what an object that is gone left
 * to clones that still share its pages, is only bounded (model_system.maybe).
 *
 * Does not know: when a pager is asked and what it answers.  A page whose contents
 * may still have to come from a book says so (.book); the test judges the rest.
 */
#include "model.h"
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- a page's place */

static struct model_page *page_of_object(const struct model *m, const struct model_page *p)
{
        const struct model_region *r = model_region(m, p);
        uint64_t index = (uint64_t)(p - m->page);

        return &r->grant->object->page[index - r->first + r->offset];
}

static bool shared(const struct model_region *r)
{
        return r && r->grant && !r->copy;
}

struct model_page *model_seen(const struct model *m, struct model_page *p)
{
        const struct model_region *r = model_region(m, p);

        return r && r->grant && !p->own ? page_of_object(m, p) : p;
}

struct model_page *model_kept(const struct model *m, struct model_page *p)
{
        return shared(model_region(m, p)) ? page_of_object(m, p) : p;
}

void model_own(const struct model *m, struct model_page *p)
{
        const struct model_region *r = model_region(m, p);

        if (!r->copy || p->own)
                return;
        p->content = model_seen(m, p)->content;
        p->own = true;
}

/* An access that is let through. */
void model_note(const struct model *m, struct model_page *p, unsigned access)
{
        const struct model_region *r = model_region(m, p);
        const struct model_object *o = r->grant ? r->grant->object : NULL;
        bool write = access & QUIRE_W;
        struct model_page *kept = model_kept(m, p);

        if (write)
                model_own(m, p);
        if (shared(r)) {
                kept->touched = true;
                kept->owed |= write && o->book;
                kept->written |= write && o->flags & QUIRE_EPOCHS;
        } else {
                kept->written |= write && r->watched;
        }
        if (write && !(shared(r) && o->book))
                kept->content.book = 0;
}

/* -------------------------------------------------------------------- objects */

/* Is the object charged all its pages?  Else the charge is not known. */
static bool charged_whole(const struct model_object *o)
{
        return o->kind == QUIRE_ANONYMOUS && !(o->flags & QUIRE_ON_TOUCH);
}

static void count_charge(struct model_system *s, const struct model_object *o, bool comes)
{
        uint64_t pages = comes ? o->pages : -o->pages;

        if (charged_whole(o))
                s->committed += pages;
        else
                s->maybe += pages;
}

static struct model_object *new_object(struct model_family *family, uint64_t pages)
{
        struct model_object *o = calloc(1, sizeof(*o));

        if (!family)
                family = calloc(1, sizeof(*family));
        if (o)
                o->page = calloc(pages, sizeof(*o->page));
        if (!o || !family || !o->page)
                abort();
        o->pages = pages;
        o->family = family;
        o->next = family->first;
        family->first = o;
        family->alive++;
        return o;
}

static void free_family(struct model_system *s, struct model_family *f)
{
        s->maybe -= f->maybe;
        for (struct model_object *o = f->first, *next; o; o = next) {
                next = o->next;
                if (o->gone)
                        *o->gone = true;
                free(o->page);
                free(o);
        }
        free(f);
}

/* No grant refers to it any more.  Relatives may go on showing its pages. */
static void object_gone(struct model_system *s, struct model_object *o)
{
        struct model_family *f = o->family;

        count_charge(s, o, false);
        f->maybe += o->pages;
        s->maybe += o->pages;
        if (!--f->alive)
                free_family(s, f);
}

/* --------------------------------------------------------------------- grants */

static struct model_grant *new_grant(struct model_system *s, struct model_object *o,
                                     struct model_grant *parent, unsigned rights)
{
        struct model_grant *g = calloc(1, sizeof(*g));

        if (!g)
                abort();
        *g = (struct model_grant){ .system = s, .object = o, .parent = parent, .handles = 1,
                                   .refs = 1, .rights = rights };
        if (parent)
                parent->refs++;
        o->grants++;
        o->handles++;
        return g;
}

static void unref(struct model_grant *g)
{
        while (g && !--g->refs) {
                struct model_grant *parent = g->parent;

                if (!--g->object->grants)
                        object_gone(g->system, g->object);
                free(g);
                g = parent;
        }
}

bool model_grant_valid(const struct model_grant *g)
{
        for (; g; g = g->parent)
                if (g->revoked)
                        return false;
        return true;
}

enum quire_status model_object_open(struct model_system *s, const struct quire_object_request *q,
                                    uint8_t book, unsigned shift, struct model_grant **out)
{
        struct model_object like = { .pages = q->bytes >> shift, .kind = q->kind,
                                     .flags = q->flags, .book = book };
        struct model_object *o;

        if (charged_whole(&like) && !model_fits(s, like.pages))
                return QUIRE_LIMIT;
        o = new_object(NULL, like.pages);
        o->kind = q->kind;
        o->flags = q->flags;
        o->book = book;
        o->evicts = q->pager && q->pager->evicts;
        o->homeless = q->pager && !q->pager->write;
        count_charge(s, o, true);
        *out = new_grant(s, o, NULL, QUIRE_R | QUIRE_W | QUIRE_X);
        return QUIRE_OK;
}

enum quire_status model_object_clone(struct model_grant *g, struct model_grant **out)
{
        const struct model_object *from = g->object;
        struct model_object *o;

        if (!model_grant_valid(g))
                return QUIRE_NOT_PRESENT;
        if (!(g->rights & QUIRE_R))
                return QUIRE_DENIED;
        if (!model_fits(g->system, from->pages))
                return QUIRE_LIMIT;
        o = new_object(from->family, from->pages);
        o->flags = from->flags & QUIRE_EPOCHS;
        for (uint64_t i = 0; i < o->pages; i++) {
                o->page[i].content = from->page[i].content;
                if (from->book)
                        o->page[i].content.book = from->book;
        }
        count_charge(g->system, o, true);
        *out = new_grant(g->system, o, NULL, QUIRE_R | QUIRE_W | QUIRE_X);
        return QUIRE_OK;
}

enum quire_status model_grant_narrow(struct model_grant *g, unsigned rights,
                                     struct model_grant **out)
{
        if (rights > (QUIRE_R | QUIRE_W | QUIRE_X))
                return QUIRE_INVALID;
        if (!model_grant_valid(g))
                return QUIRE_NOT_PRESENT;
        if (rights & ~g->rights)
                return QUIRE_DENIED;
        *out = new_grant(g->system, g->object, g, rights);
        return QUIRE_OK;
}

void model_grant_hold(struct model_grant *g)
{
        g->handles++;
        g->refs++;
}

void model_grant_close(struct model_grant *g)
{
        if (!--g->handles)
                g->object->handles--;
        unref(g);
}

/* --------------------------------------------------------------------- mapping */

/* What one may write of his own, he must have been given to read. */
static unsigned rights_of(const struct model_grant *g, bool copy)
{
        return g->rights | (copy && g->rights & QUIRE_R ? QUIRE_W : 0);
}

unsigned model_rights(const struct model_region *r)
{
        return r->grant ? rights_of(r->grant, r->copy) : QUIRE_R | QUIRE_W | QUIRE_X;
}

enum quire_status model_grant_map(const struct model *m, const struct quire_request *q,
                                  struct model_grant *g)
{
        uint64_t pages = q->bytes >> m->shift, first = q->offset >> m->shift;
        bool copy = q->flags & QUIRE_COPY;

        if (first > g->object->pages || pages > g->object->pages - first ||
            q->access > (QUIRE_R | QUIRE_W | QUIRE_X) || (copy && g->object->flags & QUIRE_SOLE))
                return QUIRE_INVALID;
        if (q->flags & QUIRE_WATCHED || q->kind == QUIRE_PLAIN)
                return QUIRE_UNSUPPORTED;
        if (!model_grant_valid(g))
                return QUIRE_NOT_PRESENT;
        if (q->access & ~rights_of(g, copy))
                return QUIRE_DENIED;
        if (g->object->flags & QUIRE_SOLE && g->object->regions)
                return QUIRE_BUSY;
        return copy && !model_fits(m->system, pages) ? QUIRE_LIMIT : QUIRE_OK;
}

void model_region_refer(const struct model_region *r, bool comes)
{
        struct model_grant *g = r->grant;
        struct model_object *o = g->object;

        o->regions += comes ? shared(r) : -shared(r);
        if (comes) {
                g->refs++;
                return;
        }
        if (shared(r) && !o->regions)    /* what was locked through any of them is let go */
                for (uint64_t i = 0; i < o->pages; i++)
                        model_let_go(g->system, &o->page[i]);
        unref(g);
}
