/*
 * random.c - random operations on every noun of a machine, against a shadow.
 *
 * A private window, two views of one store, one more that copies, and a plain
 * range, in one space.
 * The shadow knows what every page contains, what is granted, and what is
 * shown; each access must be allowed, denied and answered accordingly.
 * Failures are requested at random where the machine can fail.
 */
#include "rules.h"

enum { RUNS = 200, STEPS = 160, PRIVATE = 96, STORED = 40, PLAIN = 48, WORDS = 3 };

struct shadow {
        uint64_t word[WORDS];
};

struct world {
        struct rig rig;
        struct fake own, view[2], copy;
        struct quire_store *store;
        uint64_t plain;                         /* base; 0: no such ability */
        bool watches;                           /* writes to plain pages are noted */
        struct shadow own_page[PRIVATE], stored[STORED], copied[STORED], plain_page[PLAIN];
        unsigned plain_access[PLAIN];
        bool plain_written[PLAIN];
        uint64_t state;
        unsigned run;
};

static unsigned draw(struct world *w, unsigned below)
{
        return (unsigned)(test_random(&w->state) % below);
}

static size_t word_at(struct world *w, unsigned i)
{
        size_t page = fake_page_size(&w->rig);

        return i == 0 ? 0 : i == 1 ? page / 2 + 8 : page - 8;
}

static struct fake *draw_window(struct world *w)
{
        unsigned n = draw(w, 6);

        if (n < 2 || !w->store)
                return &w->own;
        return n < 4 ? &w->view[n - 2] : &w->copy;
}

static struct shadow *shadow_of(struct world *w, const struct fake *f, unsigned page)
{
        if (f == &w->own)
                return &w->own_page[page];
        return f->page[page].own ? &w->copied[page] : &w->stored[page];
}

/* What the window may be shown with there: a page that is still the store's can not be
 * written where it would be copied. */
static unsigned grantable(const struct fake *f, unsigned page, unsigned access)
{
        return f->copies && !f->page[page].own ? access & ~(unsigned)QUIRE_W : access;
}

/* ------------------------------------------------------------------ accesses */

static void step_access(struct world *w)
{
        struct fake *f = draw_window(w);
        unsigned page = draw(w, f->pages), which = draw(w, WORDS);
        struct shadow was = *shadow_of(w, f, page);
        uint64_t word = test_random(&w->state);
        bool write = draw(w, 2);
        unsigned need = write ? QUIRE_W : QUIRE_R;
        bool allowed = f->page[page].allowed & need;
        enum rig_answer a;

        f->ahead = draw(w, 3) ? 0 : draw(w, 20);
        f->mode = draw(w, 8) ? FAKE_RESOLVE : FAKE_EARLY;
        if (write) {
                a = fake_store(f, page, word_at(w, which), word);
                if (a == RIG_OK) {
                        *shadow_of(w, f, page) = was;      /* a copy begins as what it was */
                        shadow_of(w, f, page)->word[which] = word;
                }
        } else {
                a = fake_load(f, page, word_at(w, which), &word);
                if (a == RIG_OK)
                        CHECK_EQ(word, was.word[which]);
        }
        CHECK(a == (allowed ? RIG_OK : RIG_DENIED));
}

static void step_plain_access(struct world *w)
{
        unsigned page = draw(w, PLAIN), which = draw(w, WORDS);
        uint64_t va = w->plain + page * fake_page_size(&w->rig) + word_at(w, which);
        uint64_t word = test_random(&w->state), old = w->plain_page[page].word[which];
        bool write = draw(w, 2);
        unsigned need = write ? QUIRE_W : QUIRE_R;
        bool allowed = w->plain_access[page] & need;
        enum rig_answer a = w->rig.kind->access(&w->rig, w->own.mspace, va, need, &word, 8);

        CHECK(a == (allowed ? RIG_OK : RIG_DENIED));
        if (!allowed)
                return;
        if (!write)
                CHECK_EQ(word, old);
        w->plain_page[page].word[which] = word;
        w->plain_written[page] |= write;
}

/* -------------------------------------------------------------- translations */

/* What to grant or to show. */
static unsigned draw_access(struct world *w)
{
        return draw(w, 2) && rule_protects(&w->rig) ? QUIRE_R : QUIRE_R | QUIRE_W;
}

static void draw_run(struct world *w, const struct fake *f, unsigned *first, unsigned *count)
{
        unsigned most = f->pages < QUIRE_RUN_MAX ? f->pages : QUIRE_RUN_MAX;

        *count = 1 + draw(w, draw(w, 3) ? 6 : most);
        *first = draw(w, f->pages - *count + 1);
}

static bool ask_failure(struct world *w, enum rig_point point)
{
        if (!w->rig.kind->fail || draw(w, 6))
                return false;
        w->rig.kind->fail(&w->rig, point, 1);
        return true;
}

static void step_take(struct world *w)
{
        struct fake *f = draw_window(w);
        unsigned first, count;
        bool all = true, fails;
        enum quire_status st;

        draw_run(w, f, &first, &count);
        for (unsigned i = 0; i < count; i++)
                all &= f->page[first + i].shown != 0;
        fake_lock(&w->rig);
        for (unsigned i = 0; i < count; i++)
                if (f->page[first + i].frame == QUIRE_NO_FRAME)
                        fake_frame(f, first + i);
        fails = all && ask_failure(w, RIG_TAKE);
        st = fake_take(f, first, count);
        CHECK(st == (fails ? QUIRE_BUSY : all ? QUIRE_OK : QUIRE_NOT_PRESENT));
        for (unsigned i = 0; st == QUIRE_OK && i < count; i++)
                for (unsigned k = 0; k < WORDS; k++)
                        CHECK_EQ(fake_peek(f, first + i, word_at(w, k)),
                                 shadow_of(w, f, first + i)->word[k]);
        fake_unlock(&w->rig);
}

/* A run of hidden pages, shown with less access than is granted, or all. */
static void step_enter(struct world *w)
{
        struct fake *f = draw_window(w);
        unsigned first, count, n = 0, access;
        bool fails;

        draw_run(w, f, &first, &count);
        access = grantable(f, first, f->page[first].allowed & draw_access(w));
        if (!access)
                return;
        fake_lock(&w->rig);
        while (n < count && !f->page[first + n].shown &&
               grantable(f, first + n, f->page[first + n].allowed & access) == access &&
               fake_frame(f, first + n) != QUIRE_NO_FRAME)
                n++;
        fails = n && ask_failure(w, RIG_ENTER);
        if (n)
                CHECK(fake_enter(f, first, n, access) == (fails ? QUIRE_BUSY : QUIRE_OK));
        fake_unlock(&w->rig);
}

static void step_protect(struct world *w)
{
        struct fake *f = draw_window(w);
        unsigned first, count, access = draw_access(w);

        draw_run(w, f, &first, &count);
        fake_lock(&w->rig);
        for (unsigned i = 0, n; i < count; i += n) {
                unsigned granted = grantable(f, first + i, access);

                for (n = 1; i + n < count && grantable(f, first + i + n, access) == granted;)
                        n++;
                fake_protect(f, first + i, n, granted);
        }
        for (unsigned i = 0; i < count; i++)
                f->page[first + i].allowed = access;
        fake_unlock(&w->rig);
}

static void forget_contents(struct world *w, struct fake *f, unsigned page)
{
        if (f != &w->own && !f->page[page].own)
                return;
        if (f->page[page].frame != QUIRE_NO_FRAME)
                fake_free(f, page);
        if (f == &w->own)
                w->own_page[page] = (struct shadow){ 0 };
}

/* Pages that were shown lose what they contain; hidden ones keep it. */
static void step_drop(struct world *w)
{
        struct fake *f = draw_window(w);
        unsigned first, count;

        draw_run(w, f, &first, &count);
        fake_lock(&w->rig);
        for (unsigned i = 0; i < count; i++)
                f->page[first + i].allowed |= f->page[first + i].shown ? 0x100 : 0;
        fake_drop(f, first, count);
        for (unsigned i = 0; i < count; i++) {
                if (f->page[first + i].allowed & 0x100)
                        forget_contents(w, f, first + i);
                f->page[first + i].allowed &= 0xff;
        }
        fake_unlock(&w->rig);
}

static void step_deny(struct world *w)
{
        struct fake *f = draw_window(w);
        unsigned page = draw(w, f->pages);

        fake_lock(&w->rig);
        if (!f->page[page].shown || fake_take(f, page, 1) == QUIRE_OK)
                f->page[page].allowed = 0;
        fake_unlock(&w->rig);
}

static void step_window(struct world *w)
{
        unsigned page = draw(w, PRIVATE), which = draw(w, WORDS);
        struct fake_page *p = &w->own.page[page];
        uint64_t word = test_random(&w->state);

        fake_lock(&w->rig);
        if (p->frame != QUIRE_NO_FRAME && p->shown) {
                CHECK(!fake_window(&w->own, page) == !rule_shares(&w->rig));
        } else if (p->frame != QUIRE_NO_FRAME) {
                CHECK_EQ(fake_peek(&w->own, page, word_at(w, which)),
                         w->own_page[page].word[which]);
                memcpy((uint8_t *)fake_window(&w->own, page) + word_at(w, which), &word, 8);
                w->own_page[page].word[which] = word;
        }
        fake_unlock(&w->rig);
}

/* ------------------------------------------------------------ ranges and plain */

static void step_release(struct world *w)
{
        struct fake *f = draw_window(w);
        enum quire_status st = QUIRE_NO_MEMORY;
        struct quire_view view;
        struct quire_range o;
        unsigned first, count;

        draw_run(w, f, &first, &count);
        fake_lock(&w->rig);
        w->rig.ops->release(f->mspace, fake_va(f, first), count);
        for (unsigned i = 0; i < count; i++) {
                f->page[first + i].shown = 0;
                forget_contents(w, f, first + i);
        }
        if (ask_failure(w, RIG_TABLE)) {
                st = w->rig.ops->reserve(f->mspace, fake_va(f, first), count,
                                         fake_view(f, first, &view), &o);
                CHECK(st == QUIRE_NO_MEMORY || st == QUIRE_OK);
                w->rig.kind->fail(&w->rig, RIG_TABLE, 0);
        }
        if (st != QUIRE_OK)
                st = w->rig.ops->reserve(f->mspace, fake_va(f, first), count,
                                         fake_view(f, first, &view), &o);
        CHECK(st == QUIRE_OK);
        fake_unlock(&w->rig);
}

static void step_plain_protect(struct world *w)
{
        unsigned count = 1 + draw(w, PLAIN), first = draw(w, PLAIN - count + 1);
        unsigned access = (unsigned[]){ 0, QUIRE_R, QUIRE_R | QUIRE_W }[draw(w, 3)];
        uint64_t va = w->plain + first * fake_page_size(&w->rig);

        fake_lock(&w->rig);
        CHECK(w->rig.ops->delegate_protect(w->own.mspace, va, count, access) == QUIRE_OK);
        for (unsigned i = 0; i < count; i++)
                w->plain_access[first + i] = access;
        fake_unlock(&w->rig);
}

static void step_plain_discard(struct world *w)
{
        unsigned count = 1 + draw(w, PLAIN), first = draw(w, PLAIN - count + 1);

        fake_lock(&w->rig);
        w->rig.ops->delegate_discard(w->own.mspace,
                                     w->plain + first * fake_page_size(&w->rig), count);
        memset(&w->plain_page[first], 0, count * sizeof *w->plain_page);
        /* Whether a discarded page still counts as written is not said. */
        if (w->watches)
                CHECK(w->rig.ops->delegate_watch(w->own.mspace,
                                                 w->plain + first * fake_page_size(&w->rig),
                                                 count) == QUIRE_OK);
        memset(&w->plain_written[first], 0, count * sizeof *w->plain_written);
        fake_unlock(&w->rig);
}

static void step_plain_harvest(struct world *w)
{
        unsigned count = 1 + draw(w, PLAIN), first = draw(w, PLAIN - count + 1);
        uint8_t bits[PLAIN];

        if (!w->watches)
                return;
        fake_lock(&w->rig);
        CHECK(w->rig.ops->harvest(w->own.mspace, w->plain + first * fake_page_size(&w->rig),
                                  count, bits) == QUIRE_OK);
        fake_unlock(&w->rig);
        for (unsigned i = 0; i < count; i++) {
                CHECK(!(bits[i] & QUIRE_MODIFIED) == !w->plain_written[first + i]);
                w->plain_written[first + i] = false;
        }
}

/* ---------------------------------------------------------------------- runs */

static void open_plain(struct world *w)
{
        struct quire_range o;
        enum quire_status st;

        if (!w->rig.ops->delegate)
                return;
        w->plain = w->rig.kind->room(&w->rig, PLAIN, false, false);
        fake_lock(&w->rig);
        REQUIRE(w->rig.ops->delegate(w->own.mspace, w->plain, PLAIN, NULL, &o) == QUIRE_OK);
        st = w->rig.ops->delegate_watch
             ? w->rig.ops->delegate_watch(w->own.mspace, w->plain, PLAIN) : QUIRE_UNSUPPORTED;
        REQUIRE(st == QUIRE_OK || st == QUIRE_UNSUPPORTED);
        w->watches = st == QUIRE_OK;
        fake_unlock(&w->rig);
}

static void open_world(struct world *w, unsigned run)
{
        memset(w, 0, sizeof *w);
        w->run = run;
        w->state = test_seed() + run;
        rule_open(&w->rig);
        w->store = rule_store(&w->rig, STORED);
        fake_open(&w->own, &w->rig, PRIVATE, NULL);
        for (unsigned i = 0; w->store && i < 2; i++)
                fake_open_in(&w->view[i], &w->own, STORED, w->store);
        w->copy.copies = true;
        if (w->store)
                fake_open_in(&w->copy, &w->own, STORED, w->store);
        open_plain(w);
}

static void close_world(struct world *w)
{
        fake_lock(&w->rig);
        if (w->plain)
                w->rig.ops->delegate_release(w->own.mspace, w->plain, PLAIN);
        fake_unlock(&w->rig);
        if (w->store)
                fake_close(&w->copy);
        for (unsigned i = 2; w->store && i-- > 0;)
                fake_close(&w->view[i]);
        fake_close(&w->own);
        fake_lock(&w->rig);
        if (w->store)
                w->rig.ops->store_close(w->rig.machine, w->store);
        fake_unlock(&w->rig);
        rule_close(&w->rig);
}

static void check_everything(struct world *w)
{
        struct fake *all[] = { &w->own, &w->view[0], &w->view[1], &w->copy };
        uint64_t word = 0;

        for (unsigned n = 0; n < (w->store ? 4 : 1); n++)
                for (unsigned page = 0; page < all[n]->pages; page++)
                        for (unsigned k = 0; k < WORDS; k++) {
                                bool allowed = all[n]->page[page].allowed;

                                CHECK(fake_load(all[n], page, word_at(w, k), &word) ==
                                      (allowed ? RIG_OK : RIG_DENIED));
                                if (allowed)
                                        CHECK_EQ(word, shadow_of(w, all[n], page)->word[k]);
                        }
}

static void run_once(struct world *w)
{
        static void (*const steps[])(struct world *) = {
                step_access, step_access, step_access, step_access, step_take, step_take,
                step_enter, step_enter, step_protect, step_drop, step_deny, step_window,
                step_window, step_release,
        };
        static void (*const plain_steps[])(struct world *) = {
                step_plain_access, step_plain_access, step_plain_access, step_plain_protect,
                step_plain_discard, step_plain_harvest,
        };

        for (unsigned i = 0; i < STEPS && !quire_test_state.bad; i++)
                if (w->plain && !draw(w, 4))
                        plain_steps[draw(w, sizeof plain_steps / sizeof *plain_steps)](w);
                else
                        steps[draw(w, sizeof steps / sizeof *steps)](w);
        if (!quire_test_state.bad)
                check_everything(w);
        if (quire_test_state.bad)
                fprintf(stderr, "in run %u\n", w->run);
}

static void random_runs(void)
{
        static struct world w;

        for (unsigned run = 0; run < RUNS && !quire_test_state.bad; run++) {
                open_world(&w, run);
                run_once(&w);
                close_world(&w);
        }
}

const struct rule rules_random[] = {
        { "random_runs", random_runs },
        { NULL, NULL },
};
