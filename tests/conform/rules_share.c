/*
 * rules_share.c - frames at more than one address: views that copy, shared
 * frames, physical frames; and the attributes that pages are shown with.
 */
#include "rules.h"

static struct quire_store *open_store(struct rig *rig, unsigned pages)
{
        struct quire_store *store;

        rule_open(rig);
        store = rule_store(rig, pages);
        if (!store)
                rule_close(rig);
        return store;
}

static void close_store(struct rig *rig, struct quire_store *store)
{
        fake_lock(rig);
        rig->ops->store_close(rig->machine, store);
        fake_unlock(rig);
        rule_close(rig);
}

/* -------------------------------------------------------------- views that copy */

/* Reads show the store, writes make copies, nobody sees another's. */
static void copies_are_private(void)
{
        struct fake shared = { 0 }, copy[2] = { { .copies = true }, { .copies = true } };
        struct quire_store *store;
        struct rig rig;
        uint64_t word = 0;

        store = open_store(&rig, 40);
        if (!store)
                SKIP("this machine has no stores just now");
        fake_open(&shared, &rig, 40, store);
        for (unsigned i = 0; i < 2; i++)
                fake_open_in(&copy[i], &shared, 40, store);
        for (unsigned page = 0; page < 40; page++)
                CHECK(fake_store(&shared, page, 8, rule_word(page, 0)) == RIG_OK);
        for (unsigned page = 0; page < 40; page++) {
                for (unsigned i = 0; i < 2; i++)
                        CHECK(fake_load(&copy[i], page, 8, &word) == RIG_OK &&
                              word == rule_word(page, 0));
                if (page % 3)
                        CHECK(fake_store(&copy[page % 2], page, 8, rule_word(page, 1)) == RIG_OK);
                CHECK(fake_store(&shared, page, 16, rule_word(page, 2)) == RIG_OK);
        }
        for (unsigned page = 0; page < 40; page++) {
                bool own[2] = { page % 3 && page % 2 == 0, page % 3 && page % 2 == 1 };

                for (unsigned i = 0; i < 2; i++) {
                        CHECK_EQ(copy[i].page[page].own, own[i]);
                        CHECK(fake_load(&copy[i], page, 8, &word) == RIG_OK &&
                              word == rule_word(page, own[i]));
                        CHECK(fake_load(&copy[i], page, 16, &word) == RIG_OK &&
                              word == (own[i] ? 0 : rule_word(page, 2)));
                }
                CHECK(fake_load(&shared, page, 8, &word) == RIG_OK && word == rule_word(page, 0));
        }
        for (unsigned i = 0; i < 2; i++)
                fake_close(&copy[i]);
        fake_close(&shared);
        close_store(&rig, store);
}

/* Whole runs of both kinds of frames go in and out, holes are noticed, and the
 * store's page comes back where a private one was. */
static void copies_and_originals_in_one_run(void)
{
        struct fake f = { .copies = true };
        struct quire_store *store;
        struct rig rig;
        uint64_t word = 0;

        store = open_store(&rig, 32);
        if (!store)
                SKIP("this machine has no stores just now");
        fake_open(&f, &rig, 32, store);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == 0);
        fake_lock(&rig);
        CHECK(fake_take(&f, 0, 32) == QUIRE_OK);
        for (unsigned page = 0; page < 32; page++) {
                *(uint64_t *)fake_window(&f, page) = rule_word(page, 0);
                if (page % 5 < 2)
                        REQUIRE(fake_copy(&f, page));
                ((uint64_t *)fake_window(&f, page))[1] = page;
        }
        for (unsigned round = 0; round < 6; round++) {
                unsigned hole = round * 5 + round % 2;

                CHECK(fake_enter(&f, 0, 32, QUIRE_R) == QUIRE_OK);
                if (round % 2)
                        fake_protect(&f, 0, 32, QUIRE_R);
                CHECK(fake_take(&f, hole, 1) == QUIRE_OK);
                CHECK(fake_take(&f, hole, 1) == QUIRE_NOT_PRESENT);
                if (rule_protects(&rig))
                        fake_protect(&f, hole, 1, QUIRE_R);
                CHECK(fake_take(&f, 0, 32) == QUIRE_NOT_PRESENT);
                CHECK(fake_enter(&f, hole, 1, QUIRE_R) == QUIRE_OK);
                fake_unlock(&rig);
                for (unsigned page = 0; page < 32; page++)
                        CHECK(fake_load(&f, page, 0, &word) == RIG_OK &&
                              word == rule_word(page, 0));
                fake_lock(&rig);
                CHECK(fake_take(&f, 0, 32) == QUIRE_OK);
                for (unsigned page = 0; page < 32; page++) {
                        CHECK_EQ(fake_peek(&f, page, 0), rule_word(page, 0));
                        CHECK_EQ(fake_peek(&f, page, 8), page);
                }
        }
        for (unsigned page = 0; page < 32; page++)
                if (f.page[page].own)
                        fake_free(&f, page);
        fake_unlock(&rig);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_load(&f, page, 8, &word) == RIG_OK && word == (page % 5 < 2 ? 0 : page));
        fake_close(&f);
        close_store(&rig, store);
}

/* Views side by side, of other pages and of the other kind, keep apart. */
static void neighbouring_views_keep_apart(void)
{
        struct fake f[4] = { { .first = 0 }, { .first = 16, .copies = true },
                             { .first = 4, .copies = true }, { .first = 8 } };
        struct quire_store *store;
        struct rig rig;
        uint64_t word = 0, base;

        store = open_store(&rig, 24);
        if (!store)
                SKIP("this machine has no stores just now");
        base = rig.kind->room(&rig, 32, true, false);
        for (unsigned i = 0; i < 4; i++) {
                f[i].base = base + i * 8 * fake_page_size(&rig);
                if (i)
                        fake_open_in(&f[i], &f[0], 8, store);
                else
                        fake_open(&f[i], &rig, 8, store);
        }
        fake_lock(&rig);
        for (unsigned i = 0; i < 4; i++)
                for (unsigned page = 0; page < 8; page++) {
                        REQUIRE(fake_frame(&f[i], page) != QUIRE_NO_FRAME);
                        *(uint64_t *)fake_window(&f[i], page) = f[i].first + page + 1;
                }
        fake_unlock(&rig);
        for (unsigned i = 0; i < 4; i++)
                for (unsigned page = 0; page < 8; page++)
                        CHECK(fake_load(&f[i], page, 0, &word) == RIG_OK &&
                              word == f[i].first + page + 1);
        for (unsigned page = 0; page < 8; page++)
                CHECK(fake_store(&f[1], page, 0, 70) == RIG_OK);
        CHECK(fake_store(&f[3], 2, 0, 80) == RIG_OK);
        for (unsigned i = 0; i < 4; i += 2)
                for (unsigned page = 0; page < 8; page++)
                        CHECK(fake_load(&f[i], page, 0, &word) == RIG_OK &&
                              word == (f[i].first + page == 10 ? 80 : f[i].first + page + 1));
        for (unsigned i = 4; i-- > 0;)
                fake_close(&f[i]);
        close_store(&rig, store);
}

/* --------------------------------------------------------------- shared frames */

static void show_at(struct fake *f, unsigned page, quire_frame frame, unsigned access)
{
        fake_lock(f->rig);
        f->page[page].frame = frame;
        CHECK(fake_enter(f, page, 1, access) == QUIRE_OK);
        fake_unlock(f->rig);
}

static void hide_at(struct fake *f, unsigned page)
{
        fake_lock(f->rig);
        CHECK(fake_take(f, page, 1) == QUIRE_OK);
        f->page[page].frame = QUIRE_NO_FRAME;
        fake_unlock(f->rig);
}

/* One frame at many addresses, in two spaces, with other access. */
static void a_shared_frame_is_one_memory(void)
{
        struct fake a = { 0 }, b = { 0 };
        quire_frame frame;
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rule_shares(&rig)) {
                rule_close(&rig);
                SKIP("a frame of this machine's is entered once");
        }
        fake_open(&a, &rig, 8, NULL);
        fake_open(&b, &rig, 8, NULL);
        fake_lock(&rig);
        frame = fake_frame(&a, 0);
        REQUIRE(frame != QUIRE_NO_FRAME && fake_window(&a, 0));
        fake_unlock(&rig);
        show_at(&a, 0, frame, QUIRE_R | QUIRE_W);
        show_at(&a, 5, frame, QUIRE_R);
        show_at(&b, 3, frame, QUIRE_R | QUIRE_W);
        a.page[5].allowed = QUIRE_R;
        for (unsigned round = 0; round < 8; round++) {
                CHECK(fake_store(round % 2 ? &a : &b, round % 2 ? 0 : 3, 8 * round,
                                 rule_word(0, round)) == RIG_OK);
                CHECK(fake_load(&a, 5, 8 * round, &word) == RIG_OK && word == rule_word(0, round));
                CHECK(fake_load(&b, 3, 8 * round, &word) == RIG_OK && word == rule_word(0, round));
                CHECK(!rule_protects(&rig) || fake_store(&a, 5, 0, 1) == RIG_DENIED);
                CHECK_EQ(fake_peek(&a, 0, 8 * round), rule_word(0, round));
        }
        hide_at(&a, 5);
        hide_at(&b, 3);
        CHECK(fake_load(&a, 0, 16, &word) == RIG_OK && word == rule_word(0, 2));
        CHECK_EQ(fake_peek(&a, 0, 16), rule_word(0, 2));
        fake_close(&b);
        fake_close(&a);
        rule_close(&rig);
}

/* In a run more than once, and in a range that shows something else. */
/* Where the window of page 0 of the fake is. */
static uint8_t *window_at(struct fake *f)
{
        uint8_t *at;

        fake_lock(f->rig);
        at = fake_window(f, 0);
        fake_unlock(f->rig);
        CHECK(at);
        return at;
}

/* One frame, which both show, from first to last: its window is where it was. */
static void show_and_hide(struct fake *a, struct fake *b)
{
        uint8_t *at = window_at(a);
        uint64_t word = 0;

        show_at(a, 0, a->page[0].frame, QUIRE_R | QUIRE_W);
        CHECK(window_at(a) == at);
        show_at(b, 0, a->page[0].frame, QUIRE_R);
        CHECK(window_at(a) == at && window_at(b) == at);
        CHECK(fake_store(a, 0, 16, 71) == RIG_OK);
        CHECK_EQ(*(volatile uint64_t *)(void *)(at + 16), 71);
        fake_lock(a->rig);
        fake_protect(a, 0, 1, QUIRE_R);
        fake_unlock(a->rig);
        *(volatile uint64_t *)(void *)(at + 16) = 72;      /* nobody else writes now */
        CHECK(fake_load(a, 0, 16, &word) == RIG_OK && word == 72);
        CHECK(fake_load(b, 0, 16, &word) == RIG_OK && word == 72);
        hide_at(b, 0);
        CHECK(window_at(a) == at);
        fake_lock(a->rig);
        CHECK(fake_take(a, 0, 1) == QUIRE_OK);
        fake_unlock(a->rig);
        CHECK(window_at(a) == at);
        CHECK_EQ(*(volatile uint64_t *)(void *)(at + 16), 72);
}

/* What is entered at more than one address has one window all the time. */
static void a_window_stays_while_its_frame_is_shown(void)
{
        struct fake a = { 0 }, b = { 0 };
        struct quire_store *store;
        struct rig rig;

        store = open_store(&rig, 8);
        if (!store)
                SKIP("this machine has no stores just now");
        for (unsigned shared = 0; shared <= rule_shares(&rig); shared++) {
                a = b = (struct fake){ 0 };
                fake_open(&a, &rig, 8, shared ? NULL : store);
                fake_open_in(&b, &a, 8, shared ? NULL : store);
                fake_lock(&rig);
                REQUIRE(fake_frame(&a, 0) != QUIRE_NO_FRAME);
                fake_unlock(&rig);
                show_and_hide(&a, &b);
                fake_close(&b);
                fake_close(&a);
        }
        close_store(&rig, store);
}

static void a_shared_frame_is_entered_anywhere(void)
{
        struct fake f = { 0 }, view = { 0 };
        struct quire_store *store;
        struct rig rig;
        uint64_t word = 0;

        store = open_store(&rig, 8);
        if (!store || !rule_shares(&rig)) {
                if (store)
                        close_store(&rig, store);
                SKIP("a frame of this machine's is entered once");
        }
        fake_open(&f, &rig, 8, NULL);
        fake_open_in(&view, &f, 8, store);
        fake_lock(&rig);
        REQUIRE(fake_frame(&view, 2) != QUIRE_NO_FRAME && fake_frame(&f, 0) != QUIRE_NO_FRAME);
        f.page[1].frame = f.page[2].frame = f.page[0].frame;
        CHECK(fake_enter(&f, 0, 3, QUIRE_R | QUIRE_W) == QUIRE_OK);
        f.page[7].frame = view.page[2].frame;
        CHECK(fake_enter(&f, 7, 1, QUIRE_R | QUIRE_W) == QUIRE_OK);
        view.page[5].frame = f.page[0].frame;
        CHECK(fake_enter(&view, 5, 1, QUIRE_R) == QUIRE_OK);
        fake_unlock(&rig);
        CHECK(fake_store(&f, 1, 0, 11) == RIG_OK && fake_store(&f, 7, 0, 12) == RIG_OK);
        CHECK(fake_load(&f, 2, 0, &word) == RIG_OK && word == 11);
        CHECK(fake_load(&view, 5, 0, &word) == RIG_OK && word == 11);
        CHECK(fake_load(&view, 2, 0, &word) == RIG_OK && word == 12);
        fake_lock(&rig);
        fake_drop(&f, 1, 7);
        fake_drop(&view, 0, 8);
        f.page[1].frame = f.page[2].frame = f.page[7].frame = QUIRE_NO_FRAME;
        view.page[5].frame = QUIRE_NO_FRAME;
        fake_unlock(&rig);
        CHECK(fake_load(&f, 0, 0, &word) == RIG_OK && word == 11);
        CHECK(fake_load(&view, 2, 0, &word) == RIG_OK && word == 12);
        fake_close(&view);
        fake_close(&f);
        close_store(&rig, store);
}

/* drop and release leave the contents of shared frames in them. */
static void dropped_contents_stay_in_shared_frames(void)
{
        struct fake f = { 0 };
        struct quire_range o;
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rule_shares(&rig)) {
                rule_close(&rig);
                SKIP("what this machine drops is lost");
        }
        fake_open(&f, &rig, 16, NULL);
        for (unsigned page = 0; page < 16; page++)
                CHECK(fake_store(&f, page, 0, rule_word(page, 0)) == RIG_OK);
        fake_lock(&rig);
        fake_drop(&f, 0, 8);
        rig.ops->release(f.mspace, fake_va(&f, 8), 8);
        for (unsigned page = 0; page < 16; page++) {
                f.page[page].shown = 0;
                CHECK_EQ(fake_peek(&f, page, 0), rule_word(page, 0));
        }
        CHECK(rig.ops->reserve(f.mspace, fake_va(&f, 8), 8, NULL, &o) == QUIRE_OK);
        fake_unlock(&rig);
        for (unsigned page = 0; page < 16; page++)
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == rule_word(page, 0));
        fake_close(&f);
        rule_close(&rig);
}

/* ------------------------------------------------------------- physical frames */

static void a_device_is_shown_and_written(void)
{
        struct fake f = { 0 };
        quire_frame frame = QUIRE_NO_FRAME, again;
        struct rig rig;
        uint64_t word = 0, at;
        uint64_t *device;
        size_t page;

        rule_open(&rig);
        if (!rig.ops->frame_physical || !rig.kind->device) {
                rule_close(&rig);
                SKIP("no physical addresses");
        }
        page = fake_page_size(&rig);
        at = rig.kind->device_end - page;
        device = rig.kind->device(&rig, at);
        REQUIRE(device);
        fake_open(&f, &rig, 4, NULL);
        fake_lock(&rig);
        CHECK(rig.ops->frame_physical(rig.machine, rig.kind->device_end, &again) ==
              QUIRE_NOT_PRESENT);
        CHECK(rig.ops->frame_physical(rig.machine, rig.kind->device_first - page, &again) ==
              QUIRE_NOT_PRESENT);
        CHECK(rig.ops->frame_physical(rig.machine, at, &frame) == QUIRE_OK);
        CHECK(rig.ops->frame_physical(rig.machine, at, &again) == QUIRE_OK && again == frame);
        CHECK(rig.ops->frame_physical(rig.machine, at - page, &again) == QUIRE_OK &&
              again != frame);
        CHECK(rig.ops->frame_window(rig.machine, frame) == device);
        fake_unlock(&rig);
        show_at(&f, 0, frame, QUIRE_R | QUIRE_W);
        show_at(&f, 2, frame, QUIRE_R);
        device[3] = 33;
        CHECK(fake_load(&f, 0, 24, &word) == RIG_OK && word == 33);
        CHECK(fake_store(&f, 0, 32, 44) == RIG_OK && device[4] == 44);
        CHECK(fake_load(&f, 2, 32, &word) == RIG_OK && word == 44);
        hide_at(&f, 0);
        fake_lock(&rig);
        fake_drop(&f, 2, 1);
        f.page[2].frame = QUIRE_NO_FRAME;
        fake_unlock(&rig);
        CHECK(device[3] == 33 && device[4] == 44);
        CHECK_EQ(f.faults, 0);
        fake_close(&f);
        rule_close(&rig);
}

/* ------------------------------------------------------------------ attributes */

static const unsigned attributes[] = {
        0, QUIRE_KERNEL, QUIRE_CACHE_THROUGH, QUIRE_CACHE_NONE, QUIRE_CACHE_COMBINE,
        QUIRE_KERNEL | QUIRE_CACHE_NONE,
};
enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

/* Wherever a machine has none, they change nothing. */
static void attributes_are_kept(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;
        unsigned mode;

        rule_open(&rig);
        mode = rig.kind->attributes ? QUIRE_KERNEL : 0;
        fake_open(&f, &rig, ATTRIBUTES, NULL);
        for (unsigned round = 0; round < 2; round++) {
                for (unsigned i = 0; i < ATTRIBUTES; i++) {
                        unsigned with = attributes[(i + round) % ATTRIBUTES];

                        fake_lock(&rig);
                        REQUIRE(fake_frame(&f, i) != QUIRE_NO_FRAME);
                        if (round)
                                fake_protect(&f, i, 1, QUIRE_R | QUIRE_W | with);
                        else
                                CHECK(fake_enter(&f, i, 1, QUIRE_R | QUIRE_W | with) == QUIRE_OK);
                        fake_unlock(&rig);
                        if (mode)
                                CHECK_EQ(rig.kind->attributes(&rig, f.mspace, fake_va(&f, i)),
                                         with);
                        word = rule_word(i, round);
                        CHECK(rig.kind->access(&rig, f.mspace, fake_va(&f, i), QUIRE_W | mode,
                                               &word, sizeof word) == RIG_OK);
                        CHECK(rig.kind->access(&rig, f.mspace, fake_va(&f, i), QUIRE_R | mode,
                                               &word, sizeof word) == RIG_OK &&
                              word == rule_word(i, round));
                }
        }
        fake_lock(&rig);
        CHECK(fake_take(&f, 0, ATTRIBUTES) == QUIRE_OK);
        for (unsigned i = 0; i < ATTRIBUTES; i++)
                CHECK_EQ(fake_peek(&f, i, 0), rule_word(i, 1));
        fake_unlock(&rig);
        fake_close(&f);
        rule_close(&rig);
}

/* User mode is denied what is the kernel's, and a fault says which mode it was. */
static void the_kernels_pages_are_its_own(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rig.kind->attributes) {
                rule_close(&rig);
                SKIP("this machine has no modes");
        }
        fake_open(&f, &rig, 4, NULL);
        fake_lock(&rig);
        for (unsigned page = 0; page < 2; page++)
                REQUIRE(fake_frame(&f, page) != QUIRE_NO_FRAME);
        CHECK(fake_enter(&f, 0, 1, QUIRE_R | QUIRE_W | QUIRE_KERNEL) == QUIRE_OK);
        CHECK(fake_enter(&f, 1, 1, QUIRE_R | QUIRE_W) == QUIRE_OK);
        fake_unlock(&rig);
        f.mode = FAKE_DENY;
        word = 5;
        for (unsigned page = 0; page < 2; page++)
                CHECK(rig.kind->access(&rig, f.mspace, fake_va(&f, page), QUIRE_W | QUIRE_KERNEL,
                                       &word, sizeof word) == RIG_OK);
        CHECK_EQ(f.faults, 0);
        CHECK(fake_load(&f, 1, 0, &word) == RIG_OK && word == 5);
        CHECK(fake_load(&f, 0, 0, &word) == RIG_DENIED && f.last_access == QUIRE_R);
        CHECK(fake_store(&f, 0, 0, 6) == RIG_DENIED && f.last_access == QUIRE_W);
        CHECK(rig.kind->access(&rig, f.mspace, fake_va(&f, 2), QUIRE_R | QUIRE_KERNEL, &word,
                               sizeof word) == RIG_DENIED);
        CHECK_EQ(f.last_access, (unsigned)(QUIRE_R | QUIRE_KERNEL));
        CHECK(rig.kind->access(&rig, f.mspace, fake_va(&f, 3), QUIRE_W | QUIRE_KERNEL, &word,
                               sizeof word) == RIG_DENIED);
        CHECK_EQ(f.last_access, (unsigned)(QUIRE_W | QUIRE_KERNEL));
        /* M2: what is made the kernel's is so at once. */
        CHECK(fake_load(&f, 1, 0, &word) == RIG_OK);
        fake_lock(&rig);
        fake_protect(&f, 1, 1, QUIRE_R | QUIRE_W | QUIRE_KERNEL);
        fake_unlock(&rig);
        CHECK(fake_load(&f, 1, 0, &word) == RIG_DENIED);
        fake_close(&f);
        rule_close(&rig);
}

const struct rule rules_share[] = {
        { "copies_are_private", copies_are_private },
        { "copies_and_originals_in_one_run", copies_and_originals_in_one_run },
        { "neighbouring_views_keep_apart", neighbouring_views_keep_apart },
        { "a_shared_frame_is_one_memory", a_shared_frame_is_one_memory },
        { "a_window_stays_while_its_frame_is_shown", a_window_stays_while_its_frame_is_shown },
        { "a_shared_frame_is_entered_anywhere", a_shared_frame_is_entered_anywhere },
        { "dropped_contents_stay_in_shared_frames", dropped_contents_stay_in_shared_frames },
        { "a_device_is_shown_and_written", a_device_is_shown_and_written },
        { "attributes_are_kept", attributes_are_kept },
        { "the_kernels_pages_are_its_own", the_kernels_pages_are_its_own },
        { NULL, NULL },
};
