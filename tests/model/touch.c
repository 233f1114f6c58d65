/*
 * touch.c - the accesses of a random run: each is made on the driver and on
 * the model, and both must let it through, or deny it for the same reason.  A
 * read compares all of a page.
 */
#include "run.h"
#include <string.h>

static const char *reason(unsigned why)
{
        return why ? quire_reason_name((enum quire_reason)why) : "nothing";
}

static bool is_plain(const struct run *r, unsigned space, uint64_t va)
{
        const struct model_page *p = model_page(&r->model[space], va);

        return p && p->region && r->model[space].region[p->region - 1].kind == QUIRE_PLAIN;
}

/* Denied for want of something that was made to fail. */
static bool is_excused(const struct run *r, enum quire_reason why)
{
        if (why != QUIRE_WHY_NO_MEMORY && why != QUIRE_WHY_IO_ERROR)
                return false;
        return run_failed(r) != r->failed || (run_is_short(r) && why == QUIRE_WHY_NO_MEMORY);
}

/* Denied for what the page's pager said, or because no more may be committed. */
static bool is_refused(struct run *r, unsigned space, uint64_t va, enum quire_reason why)
{
        uint64_t index;
        struct run_book *b = run_book_at(r, space, va, &index);

        if (b && why == QUIRE_WHY_BROKEN)
                return b->broken[index];
        if (b && why == QUIRE_WHY_IO_ERROR)
                return b->dead;
        return why == QUIRE_WHY_NO_MEMORY && run_at_limit(r);
}

/* An access to a page of a pager's own object that is broken must not be let through. */
static void check_whole(struct run *r, unsigned space, uint64_t va)
{
        const struct model_region *g = model_region(&r->model[space],
                                                    model_page(&r->model[space], va));
        uint64_t index;
        struct run_book *b = run_book_at(r, space, va, &index);

        if (!b || g->copy || g->grant->object != b->object)
                return;
        if (b->broken[index] == BOOK_BROKEN)
                run_fails(r, "access to %#lx is let through; its pager broke it",
                          (unsigned long)va);
}

/* One access within one page.  False: it was denied, as it must be. */
static bool touch(struct run *r, unsigned space, uint64_t va, unsigned access, void *buf,
                  size_t n)
{
        enum quire_reason why = 0;
        uint64_t page = va & ~(r->page - 1);
        enum drive_answer got = r->shape.driver->access(r->drive, r->space[space], va, access,
                                                        buf, n, &why);
        unsigned want;

        r->accesses++;
        if (got == DRIVE_STUCK)
                run_fails(r, "access %u to %#lx makes no progress", access, (unsigned long)va);
        if (got == DRIVE_DENIED && (is_excused(r, why) || is_refused(r, space, page, why))) {
                run_learn_pages(r, space, page, r->page);
                return false;
        }
        want = model_access(&r->model[space], page, access);
        r->denials += want != 0;
        if (want == QUIRE_WHY_GUARD && run_failed(r) != r->failed)
                run_learn_guards(r, space, page, r->page);
        if (got == DRIVE_OK && want)
                run_fails(r, "access %u to %#lx is let through; the model denies it: %s",
                          access, (unsigned long)va, reason(want));
        if (got == DRIVE_DENIED && !want)
                run_fails(r, "access %u to %#lx is denied: %s; the model lets it through",
                          access, (unsigned long)va, reason(why));
        /* Free addresses and plain memory may be the machine's own to refuse. */
        if (want && why != want &&
            (why || (want != QUIRE_WHY_FREE && !is_plain(r, space, page))))
                run_fails(r, "access %u to %#lx is denied: %s; the model says: %s", access,
                          (unsigned long)va, reason(why), reason(want));
        if (got == DRIVE_OK)
                check_whole(r, space, page);
        return !want;
}

static struct model_content *content_at(struct run *r, unsigned space, uint64_t va)
{
        return &model_seen(&r->model[space], model_page(&r->model[space], va))->content;
}

static void compare_page(struct run *r, unsigned space, uint64_t va, const uint8_t *got)
{
        model_bytes(&r->model[space], content_at(r, space, va), r->want);
        if (!memcmp(r->want, got, r->page))
                return;
        for (uint64_t i = 0; i < r->page; i++)
                if (r->want[i] != got[i])
                        run_fails(r, "byte %#lx reads %02x, must be %02x",
                                  (unsigned long)(va + i), got[i], r->want[i]);
}

void run_read_page(struct run *r, unsigned space, uint64_t va)
{
        if (touch(r, space, va, QUIRE_R, r->got, r->page))
                compare_page(r, space, va, r->got);
}

static struct run_target pick_page(struct run *r)
{
        struct run_target t = run_pick(r, 1);

        t.va &= ~(r->page - 1);
        return t;
}

/* Pages from t.va on that lie in the window, at most so many. */
static uint64_t ahead(struct run *r, const struct run_target *t, uint64_t most)
{
        uint64_t index = (t->va - t->model->low) >> r->shift;
        uint64_t n = 1 + draw_below(&r->draw, most);

        if (!model_page(t->model, t->va))
                return 0;
        return n < t->model->pages - index ? n : t->model->pages - index;
}

void act_read(struct run *r)
{
        struct run_target t = pick_page(r);
        uint64_t pages = ahead(r, &t, draw_percent(&r->draw, 15) ? 80 : 3);

        run_says(r, "read %u:%#lx, %lu pages", t.space, (unsigned long)t.va,
                 (unsigned long)pages);
        for (uint64_t i = 0; i < pages; i++)
                run_read_page(r, t.space, t.va + i * r->page);
}

static bool is_revoked(const struct model *m, const struct model_page *p)
{
        const struct model_region *g = model_region(m, p);

        return g && g->grant && !model_grant_valid(g->grant);
}

/* One access over the border of two pages; only where both may be read. */
void act_read_across(struct run *r)
{
        struct run_target t = pick_page(r);
        struct model_page *p = model_page(t.model, t.va);
        uint64_t from = t.va + 1 + draw_below(&r->draw, r->page - 1);
        enum quire_reason why = 0;

        run_says(r, "read a page across %u:%#lx", t.space, (unsigned long)from);
        if (!p || !model_page(t.model, t.va + r->page))
                return;
        for (unsigned i = 0; i < 2; i++)
                if (!p[i].committed || p[i].guard || !p[i].access ||
                    is_revoked(t.model, &p[i]))
                        return;
        if (r->shape.driver->access(r->drive, t.in, from, QUIRE_R, r->got, r->page, &why) !=
            DRIVE_OK) {
                if (is_excused(r, why) || is_refused(r, t.space, t.va, why) ||
                    is_refused(r, t.space, t.va + r->page, why))
                        return;
                run_fails(r, "a read across two pages at %#lx is denied: %s",
                          (unsigned long)from, reason(why));
        }
        for (unsigned i = 0; i < 2; i++) {
                model_note(t.model, &p[i], QUIRE_R);
                model_bytes(t.model, &model_seen(t.model, &p[i])->content, r->want + i * r->page);
        }
        if (memcmp(r->want + (from - t.va), r->got, r->page))
                run_fails(r, "a read across two pages at %#lx differs", (unsigned long)from);
}

void run_fill_page(struct run *r, unsigned space, uint64_t va, unsigned kind)
{
        struct model *m = &r->model[space];
        struct model_content c = { .fill = draw_mix(++r->fills) << 2 | kind };

        if (kind == 0)
                c.fill = draw_below(&r->draw, 4) ? draw_below(&r->draw, 64) << 2 : 0;
        model_bytes(m, &c, r->got);
        if (touch(r, space, va, QUIRE_W, r->got, r->page))
                *content_at(r, space, va) = c;
}

/* A few bytes; a page that was written too often already is written whole. */
void act_write(struct run *r)
{
        struct run_target t = pick_page(r);
        const struct model_page *p = model_page(t.model, t.va);
        struct model_content *c = p ? content_at(r, t.space, t.va) : NULL;
        uint64_t at = draw_below(&r->draw, r->page);
        uint8_t byte = (uint8_t)draw_below(&r->draw, 256);

        run_says(r, "write %u:%#lx = %02x", t.space, (unsigned long)(t.va + at), byte);
        if (c && c->writes == MODEL_WRITES) {
                run_fill_page(r, t.space, t.va, (unsigned)draw_below(&r->draw, 4));
        } else if (touch(r, t.space, t.va + at, QUIRE_W, &byte, 1)) {
                c = content_at(r, t.space, t.va);          /* it may have been copied */
                c->at[c->writes] = (uint16_t)at;
                c->value[c->writes++] = byte;
        }
}

void act_fill(struct run *r)
{
        struct run_target t = pick_page(r);
        uint64_t pages = ahead(r, &t, draw_percent(&r->draw, 25) ? 120 : 4);
        unsigned kind = (unsigned)draw_below(&r->draw, 4);

        run_says(r, "fill %u:%#lx, %lu pages, kind %u", t.space, (unsigned long)t.va,
                 (unsigned long)pages, kind);
        for (uint64_t i = 0; i < pages; i++)
                run_fill_page(r, t.space, t.va + i * r->page, kind);
}

void act_fetch(struct run *r)
{
        struct run_target t = pick_page(r);

        if (!r->shape.driver->simulated)
                return;
        run_says(r, "fetch %u:%#lx", t.space, (unsigned long)t.va);
        if (touch(r, t.space, t.va, QUIRE_X, r->got, 16)) {
                model_bytes(t.model, content_at(r, t.space, t.va), r->want);
                if (memcmp(r->want, r->got, 16))
                        run_fails(r, "a fetch at %#lx differs", (unsigned long)t.va);
        }
}

void act_sweep(struct run *r)
{
        run_says(r, "compare everything");
        run_compare(r, draw_percent(&r->draw, 30));
}
