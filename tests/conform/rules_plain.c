/*
 * rules_plain.c - delegated ranges and harvest: the optional abilities.
 */
#include "rules.h"

/* A space with a delegated range of `pages' at .base; the fake's own window
 * lies elsewhere. */
struct plain {
        struct fake f;
        uint64_t base;
        unsigned pages;
};

static bool plain_open(struct plain *p, struct rig *rig, unsigned pages, unsigned access)
{
        struct quire_range o;

        rule_open(rig);
        if (!rig->ops->delegate) {
                rule_close(rig);
                return false;
        }
        memset(p, 0, sizeof *p);
        fake_open(&p->f, rig, 4, NULL);
        p->pages = pages;
        p->base = rig->kind->room(rig, pages, false, false);
        fake_lock(rig);
        REQUIRE(rig->ops->delegate(p->f.mspace, p->base, pages, NULL, &o) == QUIRE_OK);
        if (access)
                REQUIRE(rig->ops->delegate_protect(p->f.mspace, p->base, pages, access) ==
                        QUIRE_OK);
        fake_unlock(rig);
        return true;
}

static void plain_close(struct plain *p)
{
        struct rig *rig = p->f.rig;

        fake_lock(rig);
        rig->ops->delegate_release(p->f.mspace, p->base, p->pages);
        fake_unlock(rig);
        fake_close(&p->f);
        rule_close(rig);
}

static uint64_t plain_va(const struct plain *p, unsigned page)
{
        return p->base + (uint64_t)page * fake_page_size(p->f.rig);
}

static enum rig_answer plain_load(struct plain *p, unsigned page, uint64_t *word)
{
        return p->f.rig->kind->access(p->f.rig, p->f.mspace, plain_va(p, page), QUIRE_R, word,
                                      sizeof *word);
}

static enum rig_answer plain_store(struct plain *p, unsigned page, uint64_t word)
{
        return p->f.rig->kind->access(p->f.rig, p->f.mspace, plain_va(p, page), QUIRE_W, &word,
                                      sizeof word);
}

static void plain_protect(struct plain *p, unsigned first, unsigned count, unsigned access)
{
        struct rig *rig = p->f.rig;

        fake_lock(rig);
        CHECK(rig->ops->delegate_protect(p->f.mspace, plain_va(p, first), count, access) ==
              QUIRE_OK);
        fake_unlock(rig);
}

/* First touches read as zeroes and are not reported. */
static void plain_memory_is_silent(void)
{
        struct plain p;
        struct rig rig;
        uint64_t word;

        if (!plain_open(&p, &rig, 64, QUIRE_R | QUIRE_W))
                SKIP("this machine delegates nothing");
        for (unsigned page = 0; page < 64; page++) {
                word = 1;
                CHECK(plain_load(&p, page, &word) == RIG_OK && word == 0);
                CHECK(plain_store(&p, page, rule_word(page, 0)) == RIG_OK);
        }
        for (unsigned page = 0; page < 64; page++)
                CHECK(plain_load(&p, page, &word) == RIG_OK && word == rule_word(page, 0));
        CHECK_EQ(p.f.faults, 0);
        plain_close(&p);
}

/* Claimed with no access; what is denied is reported, and contents stay. */
static void plain_protection_holds(void)
{
        struct plain p;
        struct rig rig;
        uint64_t word = 0;
        unsigned before;

        if (!plain_open(&p, &rig, 48, 0))
                SKIP("this machine delegates nothing");
        p.f.mode = FAKE_DENY;
        CHECK(plain_load(&p, 0, &word) == RIG_DENIED);
        CHECK(p.f.faults == 1 && p.f.last_access == QUIRE_R);
        CHECK(plain_store(&p, 47, 1) == RIG_DENIED);
        CHECK(p.f.faults == 2 && p.f.last_access == QUIRE_W);
        plain_protect(&p, 0, 48, QUIRE_R | QUIRE_W);
        for (unsigned page = 0; page < 48; page++)
                CHECK(plain_store(&p, page, rule_word(page, 0)) == RIG_OK);
        for (unsigned page = 0; page < 48; page++)
                plain_protect(&p, page, 1, page % 3 == 0 ? 0 : page % 3 == 1 ? QUIRE_R
                                                                            : QUIRE_R | QUIRE_W);
        for (unsigned page = 0; page < 48; page++) {
                before = p.f.faults;
                CHECK(plain_load(&p, page, &word) == (page % 3 ? RIG_OK : RIG_DENIED));
                CHECK(!(page % 3) || word == rule_word(page, 0));
                CHECK(plain_store(&p, page, rule_word(page, 1)) ==
                      (page % 3 == 2 ? RIG_OK : RIG_DENIED));
                CHECK((page % 3 == 2) == (before == p.f.faults));
        }
        plain_protect(&p, 0, 48, QUIRE_R);
        for (unsigned page = 0; page < 48; page++)
                CHECK(plain_load(&p, page, &word) == RIG_OK &&
                      word == rule_word(page, page % 3 == 2));
        plain_close(&p);
}

static void discarded_plain_memory_is_zero(void)
{
        struct plain p;
        struct rig rig;
        uint64_t word = 0;

        if (!plain_open(&p, &rig, 40, QUIRE_R | QUIRE_W))
                SKIP("this machine delegates nothing");
        for (unsigned round = 0; round < 5; round++) {
                for (unsigned page = 0; page < 40; page++)
                        CHECK(plain_store(&p, page, rule_word(page, round)) == RIG_OK);
                fake_lock(&rig);
                rig.ops->delegate_discard(p.f.mspace, plain_va(&p, round * 3), 7);
                fake_unlock(&rig);
                for (unsigned page = 0; page < 40; page++) {
                        bool gone = page >= round * 3 && page < round * 3 + 7;

                        CHECK(plain_load(&p, page, &word) == RIG_OK &&
                              word == (gone ? 0 : rule_word(page, round)));
                }
        }
        CHECK_EQ(p.f.faults, 0);
        plain_close(&p);
}

/* A part of it is released, then reserved as a paged range, and back. */
static void plain_and_paged_are_neighbours(void)
{
        struct plain p;
        struct quire_range o;
        struct rig rig;
        uint64_t word = 0;

        if (!plain_open(&p, &rig, 24, QUIRE_R | QUIRE_W))
                SKIP("this machine delegates nothing");
        for (unsigned page = 0; page < 24; page++)
                CHECK(plain_store(&p, page, rule_word(page, 0)) == RIG_OK);
        fake_lock(&rig);
        rig.ops->delegate_release(p.f.mspace, plain_va(&p, 8), 8);
        fake_unlock(&rig);
        CHECK(plain_load(&p, 8, &word) == RIG_DENIED && plain_store(&p, 15, 1) == RIG_DENIED);
        p.f.faults = 0;
        fake_lock(&rig);
        CHECK(rig.ops->reserve(p.f.mspace, plain_va(&p, 8), 8, NULL, &o) == QUIRE_OK);
        fake_unlock(&rig);
        CHECK(plain_load(&p, 8, &word) == RIG_DENIED && p.f.faults > 0);
        fake_lock(&rig);
        rig.ops->release(p.f.mspace, plain_va(&p, 8), 8);
        CHECK(rig.ops->delegate(p.f.mspace, plain_va(&p, 8), 8, NULL, &o) == QUIRE_OK);
        fake_unlock(&rig);
        plain_protect(&p, 8, 8, QUIRE_R);
        for (unsigned page = 0; page < 24; page++)
                CHECK(plain_load(&p, page, &word) == RIG_OK &&
                      word == (page >= 8 && page < 16 ? 0 : rule_word(page, 0)));
        plain_close(&p);
}

/* M3 for the delegate family. */
static void failed_delegation_changes_nothing_M3(void)
{
        struct plain p;
        struct quire_range o;
        struct rig rig;
        uint64_t word = 0, va;

        if (!plain_open(&p, &rig, 16, QUIRE_R | QUIRE_W))
                SKIP("this machine delegates nothing");
        for (unsigned page = 0; page < 16; page++)
                CHECK(plain_store(&p, page, rule_word(page, 0)) == RIG_OK);
        va = rig.kind->room(&rig, 16, false, true);
        for (unsigned nth = 1; rig.kind->fail; nth++) {
                enum quire_status st;
                unsigned before = p.f.faults;

                fake_lock(&rig);
                rig.kind->fail(&rig, RIG_TABLE, nth);
                st = rig.ops->delegate_protect(p.f.mspace, plain_va(&p, 4), 4, QUIRE_R);
                rig.kind->fail(&rig, RIG_TABLE, 0);
                fake_unlock(&rig);
                if (st == QUIRE_OK)
                        break;
                CHECK(st == QUIRE_NO_MEMORY);
                CHECK(plain_store(&p, 5, rule_word(5, 0)) == RIG_OK && before == p.f.faults);
                fake_lock(&rig);
                rig.kind->fail(&rig, RIG_TABLE, nth);
                st = rig.ops->delegate(p.f.mspace, va, 16, NULL, &o);
                rig.kind->fail(&rig, RIG_TABLE, 0);
                if (st == QUIRE_OK)
                        rig.ops->delegate_release(p.f.mspace, va, 16);
                fake_unlock(&rig);
                CHECK(rig.kind->access(&rig, p.f.mspace, va, QUIRE_R, &word, 8) == RIG_DENIED);
                CHECK_EQ(before, p.f.faults);
        }
        for (unsigned page = 0; page < 16; page++)
                CHECK(plain_load(&p, page, &word) == RIG_OK && word == rule_word(page, 0));
        plain_close(&p);
}

static void check_written(struct plain *p, const bool *written, unsigned first, unsigned count)
{
        struct rig *rig = p->f.rig;
        uint8_t bits[64];

        memset(bits, 0xff, sizeof bits);
        fake_lock(rig);
        CHECK(rig->ops->harvest(p->f.mspace, plain_va(p, first), count, bits) == QUIRE_OK);
        fake_unlock(rig);
        for (unsigned i = 0; i < count; i++)
                CHECK(!(bits[i] & QUIRE_MODIFIED) == !written[first + i]);
}

/* B51, D3: the exact set of pages written, and again after the harvest. */
static void watched_plain_memory_is_noted_B51_D3(void)
{
        bool written[64] = { false };
        enum quire_status st;
        struct plain p;
        struct rig rig;
        uint64_t word = 0, state = 11;

        if (!plain_open(&p, &rig, 64, QUIRE_R | QUIRE_W))
                SKIP("this machine delegates nothing");
        if (!rig.ops->delegate_watch) {
                plain_close(&p);
                SKIP("this machine watches nothing");
        }
        for (unsigned page = 0; page < 64; page += 2)
                CHECK(plain_store(&p, page, 1) == RIG_OK);
        fake_lock(&rig);
        st = rig.ops->delegate_watch(p.f.mspace, p.base, 64);
        fake_unlock(&rig);
        if (st == QUIRE_UNSUPPORTED) {
                plain_close(&p);
                SKIP("this machine cannot watch just now");
        }
        CHECK(st == QUIRE_OK);
        check_written(&p, written, 0, 64);
        for (unsigned round = 0; round < 20; round++) {
                unsigned first = (unsigned)(test_random(&state) % 32);

                for (unsigned i = 0; i < 12; i++) {
                        unsigned page = (unsigned)(test_random(&state) % 64);

                        if (i % 3) {
                                CHECK(plain_store(&p, page, round) == RIG_OK);
                                written[page] = true;
                        } else {
                                CHECK(plain_load(&p, page, &word) == RIG_OK);
                        }
                }
                check_written(&p, written, first, 32);
                memset(written + first, 0, 32 * sizeof *written);
        }
        check_written(&p, written, 0, 64);
        CHECK_EQ(p.f.faults, 0);
        plain_close(&p);
}

/* Harvest of a reserved range: what was touched, once; nothing is lost by it. */
static void references_are_noted(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint8_t bits[32];
        uint64_t word = 0;

        rule_open(&rig);
        if (!rig.ops->abilities(rig.machine)->notes_referenced) {
                rule_close(&rig);
                SKIP("this machine notes no references");
        }
        fake_open(&f, &rig, 32, NULL);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_store(&f, page, 0, page) == RIG_OK);
        for (unsigned round = 0; round < 6; round++) {
                fake_lock(&rig);
                CHECK(rig.ops->harvest(f.mspace, f.base, 32, bits) == QUIRE_OK);
                CHECK(rig.ops->harvest(f.mspace, f.base, 32, bits) == QUIRE_OK);
                fake_unlock(&rig);
                for (unsigned page = 0; page < 32; page++)
                        CHECK(bits[page] == 0);
                for (unsigned page = round; page < 32; page += round + 2)
                        CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == page);
                fake_lock(&rig);
                CHECK(rig.ops->harvest(f.mspace, f.base, 32, bits) == QUIRE_OK);
                fake_unlock(&rig);
                for (unsigned page = 0; page < 32; page++)
                        CHECK(bits[page] == (page >= round && !((page - round) % (round + 2))
                                             ? QUIRE_REFERENCED : 0));
        }
        fake_close(&f);
        rule_close(&rig);
}

/* -------------------------------------------------------------- delegated views */

enum { HOSTED = 24 };

/* Two views of one store, in two spaces where there are two. */
struct hosted {
        struct fake f[2];
        struct quire_store *store;
        uint64_t at[2];
};

static bool delegate_views(struct hosted *h, struct rig *rig, const struct quire_view view[2])
{
        bool can = rig->ops->abilities(rig->machine)->delegates_views;
        enum quire_status st = QUIRE_OK;
        struct quire_range o;

        for (unsigned i = 0; i < 2 && st == QUIRE_OK; i++) {
                const struct quire_view v = { h->store, view[i].first, view[i].copies };

                h->at[i] = rig->kind->room(rig, HOSTED, false, false);
                st = rig->ops->delegate(h->f[i].mspace, h->at[i], HOSTED, &v, &o);
                CHECK_EQ(st, can ? QUIRE_OK : QUIRE_UNSUPPORTED);
                if (st == QUIRE_OK)
                        CHECK(rig->ops->delegate_protect(h->f[i].mspace, h->at[i], HOSTED,
                                                         QUIRE_R | QUIRE_W) == QUIRE_OK);
        }
        return st == QUIRE_OK;
}

static void hosted_close(struct hosted *h, bool delegated)
{
        struct rig *rig = h->f[0].rig;

        fake_lock(rig);
        for (unsigned i = 0; delegated && i < 2; i++)
                rig->ops->delegate_release(h->f[i].mspace, h->at[i], HOSTED);
        fake_unlock(rig);
        for (unsigned i = 2; i-- > 0;)
                fake_close(&h->f[i]);
        fake_lock(rig);
        rig->ops->store_close(rig->machine, h->store);
        fake_unlock(rig);
        rule_close(rig);
}

/* False: not here, and nothing is open. */
static bool hosted_open(struct hosted *h, struct rig *rig, const struct quire_view view[2])
{
        bool delegated;

        rule_open(rig);
        memset(h, 0, sizeof *h);
        if (rig->ops->delegate)
                h->store = rule_store(rig, 2 * HOSTED);
        if (!h->store) {
                rule_close(rig);
                return false;
        }
        fake_open(&h->f[0], rig, 4, NULL);
        if (rig->kind->spaces > 1)
                fake_open(&h->f[1], rig, 4, NULL);
        else
                fake_open_in(&h->f[1], &h->f[0], 4, NULL);
        fake_lock(rig);
        delegated = delegate_views(h, rig, view);
        fake_unlock(rig);
        if (!delegated)
                hosted_close(h, false);
        return delegated;
}

static enum rig_answer hosted_load(struct hosted *h, unsigned i, unsigned page, uint64_t *word)
{
        struct rig *rig = h->f[i].rig;

        return rig->kind->access(rig, h->f[i].mspace, h->at[i] + page * fake_page_size(rig) + 24,
                                 QUIRE_R, word, sizeof *word);
}

static enum rig_answer hosted_store(struct hosted *h, unsigned i, unsigned page, uint64_t word)
{
        struct rig *rig = h->f[i].rig;

        return rig->kind->access(rig, h->f[i].mspace, h->at[i] + page * fake_page_size(rig) + 24,
                                 QUIRE_W, &word, sizeof word);
}

/* First touches make the store's pages, silently; views of it are one memory, each
 * from its own page on, and the store keeps it when they go. */
static void delegated_views_are_one_memory(void)
{
        static const struct quire_view views[2] = { { NULL, 3, false }, { NULL, 11, false } };
        struct quire_range o;
        struct hosted h;
        struct rig rig;
        uint64_t word = 1;

        if (!hosted_open(&h, &rig, views))
                SKIP("this machine delegates no views");
        for (unsigned page = 0; page < HOSTED; page++) {
                word = 1;
                CHECK(hosted_load(&h, 0, page, &word) == RIG_OK && word == 0);
                CHECK(hosted_store(&h, 0, page, rule_word(page, 0)) == RIG_OK);
        }
        for (unsigned page = 0; page < HOSTED; page++)
                CHECK(hosted_load(&h, 1, page, &word) == RIG_OK &&
                      word == (page + 8 < HOSTED ? rule_word(page + 8, 0) : 0));
        CHECK(hosted_store(&h, 1, 2, 77) == RIG_OK);
        CHECK(hosted_load(&h, 0, 10, &word) == RIG_OK && word == 77);
        fake_lock(&rig);
        CHECK(rig.ops->delegate_protect(h.f[1].mspace, h.at[1], 4, QUIRE_R) == QUIRE_OK);
        fake_unlock(&rig);
        h.f[0].mode = h.f[1].mode = FAKE_DENY;
        CHECK_EQ(h.f[0].faults + h.f[1].faults, 0);
        CHECK(hosted_store(&h, 1, 2, 78) == RIG_DENIED);
        CHECK(hosted_load(&h, 1, 2, &word) == RIG_OK && word == 77);
        CHECK(hosted_store(&h, 0, 10, 79) == RIG_OK);
        CHECK(hosted_load(&h, 1, 2, &word) == RIG_OK && word == 79);
        fake_lock(&rig);
        rig.ops->delegate_release(h.f[0].mspace, h.at[0], HOSTED);
        fake_unlock(&rig);
        CHECK(hosted_load(&h, 0, 10, &word) == RIG_DENIED);
        CHECK(hosted_load(&h, 1, 2, &word) == RIG_OK && word == 79);
        fake_lock(&rig);
        CHECK(rig.ops->delegate(h.f[0].mspace, h.at[0], HOSTED,
                                &(struct quire_view){ h.store, 13, false }, &o) == QUIRE_OK);
        CHECK(rig.ops->delegate_protect(h.f[0].mspace, h.at[0], HOSTED, QUIRE_R) == QUIRE_OK);
        fake_unlock(&rig);
        CHECK(hosted_load(&h, 0, 0, &word) == RIG_OK && word == 79);
        hosted_close(&h, true);
}

/* What is written in a view that copies is its own from then on. */
static void delegated_copies_are_private(void)
{
        static const struct quire_view views[2] = { { NULL, 0, false }, { NULL, 0, true } };
        struct hosted h;
        struct rig rig;
        uint64_t word = 0;

        if (!hosted_open(&h, &rig, views))
                SKIP("this machine delegates no views");
        for (unsigned page = 0; page < HOSTED; page += 2)
                CHECK(hosted_store(&h, 0, page, rule_word(page, 0)) == RIG_OK);
        for (unsigned page = 0; page < HOSTED; page++) {
                CHECK(hosted_load(&h, 1, page, &word) == RIG_OK &&
                      word == (page % 2 ? 0 : rule_word(page, 0)));
                if (page % 3)
                        CHECK(hosted_store(&h, 1, page, rule_word(page, 1)) == RIG_OK);
        }
        for (unsigned page = 0; page < HOSTED; page++) {
                CHECK(hosted_load(&h, 0, page, &word) == RIG_OK &&
                      word == (page % 2 ? 0 : rule_word(page, 0)));
                CHECK(hosted_store(&h, 0, page, rule_word(page, 2)) == RIG_OK);
                CHECK(hosted_load(&h, 1, page, &word) == RIG_OK &&
                      word == rule_word(page, page % 3 ? 1 : 2));
        }
        CHECK_EQ(h.f[0].faults + h.f[1].faults, 0);
        hosted_close(&h, true);
}

const struct rule rules_plain[] = {
        { "plain_memory_is_silent", plain_memory_is_silent },
        { "plain_protection_holds", plain_protection_holds },
        { "discarded_plain_memory_is_zero", discarded_plain_memory_is_zero },
        { "plain_and_paged_are_neighbours", plain_and_paged_are_neighbours },
        { "failed_delegation_changes_nothing_M3", failed_delegation_changes_nothing_M3 },
        { "watched_plain_memory_is_noted_B51_D3", watched_plain_memory_is_noted_B51_D3 },
        { "references_are_noted", references_are_noted },
        { "delegated_views_are_one_memory", delegated_views_are_one_memory },
        { "delegated_copies_are_private", delegated_copies_are_private },
        { NULL, NULL },
};
