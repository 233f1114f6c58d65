/*
 * rules_show.c - enter, protect, take and drop, one page and runs.
 */
#include "rules.h"

static void contents_go_in_and_out(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;
        size_t last;

        rule_open(&rig);
        fake_open(&f, &rig, 8, NULL);
        last = fake_page_size(&rig) - sizeof word;
        for (unsigned round = 0; round < 10; round++) {
                unsigned page = round % 8;

                fake_lock(&rig);
                REQUIRE(fake_frame(&f, page) != QUIRE_NO_FRAME);
                word = rule_word(page, round);
                memcpy((uint8_t *)fake_window(&f, page) + last, &word, sizeof word);
                CHECK(fake_enter(&f, page, 1, QUIRE_R | QUIRE_W) == QUIRE_OK);
                CHECK(!fake_window(&f, page) == !rule_shares(&rig));
                fake_unlock(&rig);
                CHECK(fake_load(&f, page, last, &word) == RIG_OK &&
                      word == rule_word(page, round));
                CHECK(fake_store(&f, page, 0, ~word) == RIG_OK);
                fake_lock(&rig);
                CHECK(fake_take(&f, page, 1) == QUIRE_OK);
                CHECK_EQ(fake_peek(&f, page, 0), ~word);
                CHECK_EQ(fake_peek(&f, page, last), word);
                fake_unlock(&rig);
        }
        CHECK_EQ(f.faults, 0);
        fake_close(&f);
        rule_close(&rig);
}

/* A frame that was taken may be entered somewhere else. */
static void a_frame_moves(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 64, NULL);
        CHECK(fake_store(&f, 0, 40, 1) == RIG_OK);
        for (unsigned page = 0; page + 1 < 64; page++) {
                fake_lock(&rig);
                CHECK(fake_take(&f, page, 1) == QUIRE_OK);
                f.page[page + 1].frame = f.page[page].frame;
                f.page[page].frame = QUIRE_NO_FRAME;
                fake_unlock(&rig);
                CHECK(fake_load(&f, page + 1, 40, &word) == RIG_OK && word == page + 1);
                CHECK(fake_store(&f, page + 1, 40, word + 1) == RIG_OK);
                CHECK(fake_load(&f, page, 40, &word) == RIG_OK && word == 0);
                fake_lock(&rig);
                CHECK(fake_take(&f, page, 1) == QUIRE_OK);
                fake_unlock(&rig);
        }
        fake_close(&f);
        rule_close(&rig);
}

static void runs_of_every_length(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, FAKE_PAGES, NULL);
        for (unsigned n = 1; n <= QUIRE_RUN_MAX; n++) {
                unsigned first = n * 13 % (FAKE_PAGES - n);

                fake_lock(&rig);
                for (unsigned i = 0; i < n; i++) {
                        uint64_t *window;

                        REQUIRE(fake_frame(&f, first + i) != QUIRE_NO_FRAME);
                        window = fake_window(&f, first + i);
                        window[1] = rule_word(first + i, n);
                }
                CHECK(fake_enter(&f, first, n, n % 2 ? QUIRE_R : QUIRE_R | QUIRE_W) == QUIRE_OK);
                fake_unlock(&rig);
                for (unsigned i = 0; i < n; i++)
                        CHECK(fake_load(&f, first + i, 8, &word) == RIG_OK &&
                              word == rule_word(first + i, n));
                for (unsigned i = 0; i < n; i += 3)
                        CHECK(fake_store(&f, first + i, 16, n) == RIG_OK);
                fake_lock(&rig);
                CHECK(fake_take(&f, first, n) == QUIRE_OK);
                for (unsigned i = 0; i < n; i++) {
                        CHECK_EQ(fake_peek(&f, first + i, 8), rule_word(first + i, n));
                        if (i % 3 == 0)
                                CHECK_EQ(fake_peek(&f, first + i, 16), n);
                }
                fake_unlock(&rig);
        }
        fake_close(&f);
        rule_close(&rig);
}

/* Frames need not come in the order of addresses. */
static void a_run_of_scattered_frames(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 64, NULL);
        fake_lock(&rig);
        for (unsigned i = 0; i < 64; i++)
                REQUIRE(fake_frame(&f, i * 29 % 64) != QUIRE_NO_FRAME);
        for (unsigned i = 0; i < 64; i++)
                *(uint64_t *)fake_window(&f, i) = rule_word(i, 3);
        CHECK(fake_enter(&f, 0, 64, QUIRE_R | QUIRE_W) == QUIRE_OK);
        CHECK(fake_take(&f, 16, 32) == QUIRE_OK);
        for (unsigned i = 16; i < 32; i++) {
                quire_frame other = f.page[63 - i].frame;

                f.page[63 - i].frame = f.page[i].frame;
                f.page[i].frame = other;
        }
        CHECK(fake_enter(&f, 16, 32, QUIRE_R | QUIRE_W) == QUIRE_OK);
        fake_unlock(&rig);
        for (unsigned i = 0; i < 64; i++) {
                unsigned from = i < 16 || i >= 48 ? i : 63 - i;

                CHECK(fake_load(&f, i, 0, &word) == RIG_OK && word == rule_word(from, 3));
        }
        fake_close(&f);
        rule_close(&rig);
}

/* M3: a run with one hole is not taken at all, wherever the hole is. */
static void a_run_with_a_hole_is_not_taken_M3(void)
{
        static const unsigned lengths[] = { 1, 2, 3, 17, 64 };
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 64, NULL);
        for (unsigned page = 0; page < 64; page++)
                CHECK(fake_store(&f, page, 0, rule_word(page, 0)) == RIG_OK);
        for (unsigned l = 0; l < sizeof lengths / sizeof *lengths; l++)
                for (unsigned hole = 0; hole < lengths[l]; hole += lengths[l] > 3 ? 7 : 1) {
                        unsigned before;

                        fake_lock(&rig);
                        CHECK(fake_take(&f, hole, 1) == QUIRE_OK);
                        CHECK(fake_take(&f, 0, lengths[l]) == QUIRE_NOT_PRESENT);
                        CHECK_EQ(fake_peek(&f, hole, 0), rule_word(hole, 0));
                        fake_unlock(&rig);
                        before = f.faults;
                        for (unsigned page = 0; page < lengths[l]; page++)
                                CHECK(page == hole || (fake_load(&f, page, 0, &word) == RIG_OK &&
                                                       word == rule_word(page, 0)));
                        CHECK_EQ(before, f.faults);
                        CHECK(fake_load(&f, hole, 0, &word) == RIG_OK);
                }
        fake_close(&f);
        rule_close(&rig);
}

/* M3: what the machine refuses for a reason of its own. */
static void a_refused_run_stays_M3(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rig.kind->fail) {
                rule_close(&rig);
                SKIP("failures cannot be requested from this machine");
        }
        fake_open(&f, &rig, 32, NULL);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_store(&f, page, 0, rule_word(page, 0)) == RIG_OK);
        fake_lock(&rig);
        rig.kind->fail(&rig, RIG_TAKE, 1);
        CHECK(fake_take(&f, 0, 32) == QUIRE_BUSY);
        fake_unlock(&rig);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_store(&f, page, 8, 1) == RIG_OK);
        fake_lock(&rig);
        CHECK(fake_take(&f, 0, 32) == QUIRE_OK);
        rig.kind->fail(&rig, RIG_ENTER, 1);
        CHECK(fake_enter(&f, 0, 32, QUIRE_R) == QUIRE_BUSY);
        for (unsigned page = 0; page < 32; page++)
                CHECK_EQ(fake_peek(&f, page, 0), rule_word(page, 0));
        fake_unlock(&rig);
        for (unsigned page = 0; page < 32; page++)
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == rule_word(page, 0));
        fake_close(&f);
        rule_close(&rig);
}

/* M2: protect narrows at once, and widens; holes stay holes. */
static void protect_narrows_and_widens_M2(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rule_protects(&rig)) {
                rule_close(&rig);
                SKIP("this machine cannot refuse writes alone");
        }
        fake_open(&f, &rig, 48, NULL);
        for (unsigned page = 0; page < 48; page += 1 + page % 3)
                CHECK(fake_store(&f, page, 0, 7) == RIG_OK);
        CHECK(fake_store(&f, 47, 0, 7) == RIG_OK);
        for (unsigned page = 0; page < 48; page++)
                f.page[page].allowed = QUIRE_R;
        fake_lock(&rig);
        fake_protect(&f, 0, 48, QUIRE_R);
        fake_unlock(&rig);
        for (unsigned page = 0; page < 48; page++) {
                unsigned before = f.faults;
                bool shown = f.page[page].shown;

                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == (shown ? 7 : 0));
                CHECK(shown == (f.faults == before));
                CHECK(fake_store(&f, page, 0, 8) == RIG_DENIED);
        }
        for (unsigned page = 0; page < 48; page++)
                f.page[page].allowed = QUIRE_R | QUIRE_W;
        fake_lock(&rig);
        fake_protect(&f, 0, 48, QUIRE_R | QUIRE_W);
        fake_unlock(&rig);
        for (unsigned page = 0; page < 48; page++)
                CHECK(fake_store(&f, page, 0, page) == RIG_OK);
        for (unsigned page = 0; page < 48; page++)
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == page);
        fake_close(&f);
        rule_close(&rig);
}

/* A page entered for reading refuses writes, and one fault widens it. */
static void read_only_pages_refuse_writes(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rule_protects(&rig)) {
                rule_close(&rig);
                SKIP("this machine cannot refuse writes alone");
        }
        fake_open(&f, &rig, 32, NULL);
        for (unsigned round = 0; round < 8; round++) {
                fake_lock(&rig);
                for (unsigned page = 0; page < 32; page++)
                        REQUIRE(fake_frame(&f, page) != QUIRE_NO_FRAME);
                CHECK(fake_enter(&f, 0, 32, QUIRE_R) == QUIRE_OK);
                fake_unlock(&rig);
                for (unsigned page = 0; page < 32; page++) {
                        unsigned before = f.faults;

                        CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == round);
                        CHECK_EQ(before, f.faults);
                        f.page[page].allowed = QUIRE_R;
                        CHECK(fake_store(&f, page, 0, 99) == RIG_DENIED);
                        CHECK(f.last_access == QUIRE_W);
                        f.page[page].allowed = QUIRE_R | QUIRE_W;
                        CHECK(fake_store(&f, page, 0, round + 1) == RIG_OK);
                }
                fake_lock(&rig);
                CHECK(fake_take(&f, 0, 32) == QUIRE_OK);
                fake_unlock(&rig);
        }
        fake_close(&f);
        rule_close(&rig);
}

/* Dropped pages are gone; their frames can be freed. */
static void dropped_pages_are_gone_M2(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 80, NULL);
        for (unsigned round = 0; round < 6; round++) {
                unsigned first = round * 11, n = 1 + round * 4, before;

                for (unsigned page = 0; page < 80; page += 2)
                        CHECK(fake_store(&f, page, 0, rule_word(page, round)) == RIG_OK);
                fake_lock(&rig);
                fake_drop(&f, first, n);
                for (unsigned page = first; page < first + n; page++)
                        if (f.page[page].frame != QUIRE_NO_FRAME)
                                fake_free(&f, page);
                fake_unlock(&rig);
                for (unsigned page = 0; page < 80; page += 2) {
                        bool gone = page >= first && page < first + n;

                        before = f.faults;
                        CHECK(fake_load(&f, page, 0, &word) == RIG_OK &&
                              word == (gone ? 0 : rule_word(page, round)));
                        CHECK(gone == (f.faults != before));
                }
        }
        fake_close(&f);
        rule_close(&rig);
}

/* M6: everything forgotten again and again; the contents come back from frames. */
static void everything_may_be_forgotten_M6(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 64, NULL);
        f.ahead = 5;
        for (unsigned round = 0; round < 20; round++) {
                for (unsigned page = round % 3; page < 64; page += 3)
                        CHECK(fake_store(&f, page, 8 * round, rule_word(page, round)) == RIG_OK);
                fake_lock(&rig);
                for (unsigned page = 0; page < 64; page++)
                        if (f.page[page].shown)
                                CHECK(fake_take(&f, page, 1) == QUIRE_OK);
                fake_unlock(&rig);
                for (unsigned page = round % 3; page < 64; page += 3)
                        for (unsigned r = round % 3; r <= round; r += 3)
                                CHECK(fake_load(&f, page, 8 * r, &word) == RIG_OK &&
                                      word == rule_word(page, r));
        }
        fake_close(&f);
        rule_close(&rig);
}

/* A5, as far as this machine has execute permission. */
static void execute_is_granted_or_enforced_A5(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        if (!rig.ops->abilities(rig.machine)->executes || rig.kind->real_threads) {
                rule_close(&rig);
                SKIP("no execute permission, or nothing to fetch with");
        }
        fake_open(&f, &rig, 4, NULL);
        f.page[0].allowed = QUIRE_R | QUIRE_W;
        f.page[1].allowed = QUIRE_R | QUIRE_X;
        f.page[2].allowed = QUIRE_R | QUIRE_W | QUIRE_X;
        f.page[3].allowed = QUIRE_R;
        for (unsigned i = 0; i < 8; i++) {             /* absent, and then shown */
                unsigned page = i % 4;
                enum rig_answer fetch = rig.kind->access(&rig, f.mspace, fake_va(&f, page),
                                                         QUIRE_X, &word, sizeof word);

                CHECK((fetch == RIG_OK) == (page == 1 || page == 2));
                CHECK((fake_store(&f, page, 0, 1) == RIG_OK) == (page == 0 || page == 2));
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK);
        }
        fake_close(&f);
        rule_close(&rig);
}

const struct rule rules_show[] = {
        { "contents_go_in_and_out", contents_go_in_and_out },
        { "a_frame_moves", a_frame_moves },
        { "runs_of_every_length", runs_of_every_length },
        { "a_run_of_scattered_frames", a_run_of_scattered_frames },
        { "a_run_with_a_hole_is_not_taken_M3", a_run_with_a_hole_is_not_taken_M3 },
        { "a_refused_run_stays_M3", a_refused_run_stays_M3 },
        { "protect_narrows_and_widens_M2", protect_narrows_and_widens_M2 },
        { "read_only_pages_refuse_writes", read_only_pages_refuse_writes },
        { "dropped_pages_are_gone_M2", dropped_pages_are_gone_M2 },
        { "everything_may_be_forgotten_M6", everything_may_be_forgotten_M6 },
        { "execute_is_granted_or_enforced_A5", execute_is_granted_or_enforced_A5 },
        { NULL, NULL },
};
