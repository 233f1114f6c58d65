/*
 * rules_frames.c - abilities, frames, windows and stores.
 */
#include "rules.h"

static bool reads_zero(const void *window, size_t bytes)
{
        const uint8_t *p = window;

        for (size_t i = 0; i < bytes; i++)
                if (p[i])
                        return false;
        return true;
}

static void abilities_are_fixed(void)
{
        const struct quire_abilities *can;
        struct quire_abilities before;
        struct rig rig;

        rule_open(&rig);
        can = rig.ops->abilities(rig.machine);
        before = *can;
        CHECK(can->page_shift == 12 || can->page_shift == 14 || can->page_shift == 16);
        CHECK(can->va_end && !(can->va_end & (fake_page_size(&rig) - 1)));
        CHECK(can->paged.first + (can->paged.pages << can->page_shift) <= can->va_end);
        CHECK(can->plain.first + (can->plain.pages << can->page_shift) <= can->va_end);
        CHECK(!rig.ops->delegate == !rig.ops->delegate_protect);
        CHECK(!rig.ops->delegate == !rig.ops->delegate_discard);
        CHECK(!rig.ops->delegate == !rig.ops->delegate_release);
        CHECK(rig.ops->delegate || !rig.ops->delegate_watch);
        CHECK(rig.ops->delegate || !can->delegates_views);
        CHECK(rig.ops->harvest || !rig.ops->delegate_watch);
        CHECK(rig.ops->harvest || !can->notes_referenced);
        rule_close(&rig);
        rule_open(&rig);
        CHECK_EQ(before.page_shift, rig.ops->abilities(rig.machine)->page_shift);
        rule_close(&rig);
}

static quire_frame new_frame(struct rig *rig, enum quire_fill fill)
{
        quire_frame frame = QUIRE_NO_FRAME;

        fake_lock(rig);
        CHECK(rig->ops->frame_alloc(rig->machine, NULL, 0, fill, &frame) == QUIRE_OK);
        fake_unlock(rig);
        CHECK(frame != QUIRE_NO_FRAME);
        return frame;
}

static void free_frame(struct rig *rig, quire_frame frame)
{
        fake_lock(rig);
        rig->ops->frame_free(rig->machine, frame);
        fake_unlock(rig);
}

/* B44: a frame that was dirty comes back zeroed. */
static void zeroed_frames_are_zero_B44(void)
{
        struct rig rig;
        size_t page;

        rule_open(&rig);
        page = fake_page_size(&rig);
        for (unsigned round = 0; round < 20; round++) {
                quire_frame clean[8], dirty[8];

                for (unsigned i = 0; i < 8; i++) {
                        clean[i] = new_frame(&rig, QUIRE_ZEROED);
                        CHECK(reads_zero(rig.ops->frame_window(rig.machine, clean[i]), page));
                        dirty[i] = new_frame(&rig, QUIRE_ANY_FILL);
                        memset(rig.ops->frame_window(rig.machine, dirty[i]), 0xff, page);
                        CHECK(reads_zero(rig.ops->frame_window(rig.machine, clean[i]), page));
                        memset(rig.ops->frame_window(rig.machine, clean[i]), 0x5a, page);
                }
                for (unsigned i = 0; i < 8; i++) {
                        free_frame(&rig, clean[i]);
                        free_frame(&rig, dirty[7 - i]);
                }
        }
        rule_close(&rig);
}

static void frames_are_apart(void)
{
        enum { COUNT = 200 };
        static quire_frame frame[COUNT];
        struct rig rig;

        rule_open(&rig);
        for (unsigned i = 0; i < COUNT; i++) {
                uint64_t *window;

                frame[i] = new_frame(&rig, i % 2 ? QUIRE_ZEROED : QUIRE_ANY_FILL);
                window = rig.ops->frame_window(rig.machine, frame[i]);
                REQUIRE(window);
                for (size_t w = 0; w < fake_page_size(&rig) / sizeof *window; w++)
                        window[w] = rule_word(i, (unsigned)w);
        }
        for (unsigned i = 0; i < COUNT; i++) {
                const uint64_t *window = rig.ops->frame_window(rig.machine, frame[i]);
                bool same = true;

                for (size_t w = 0; w < fake_page_size(&rig) / sizeof *window; w++)
                        same &= window[w] == rule_word(i, (unsigned)w);
                CHECK(same);
                for (unsigned k = 0; k < i; k++)
                        CHECK(frame[i] != frame[k]);
        }
        for (unsigned i = 0; i < COUNT; i++)
                free_frame(&rig, frame[i]);
        rule_close(&rig);
}

static void a_store_keeps_its_pages(void)
{
        struct quire_store *store, *other;
        quire_frame frame[40], again;
        struct rig rig;

        rule_open(&rig);
        store = rule_store(&rig, 40);
        other = rule_store(&rig, 40);
        if (!store) {
                rule_close(&rig);
                SKIP("this machine has no stores just now");
        }
        fake_lock(&rig);
        for (unsigned i = 0; i < 40; i++) {
                unsigned k = i * 7 % 40;

                REQUIRE(rig.ops->frame_alloc(rig.machine, store, k, QUIRE_ZEROED, &frame[k]) ==
                        QUIRE_OK);
                CHECK(reads_zero(rig.ops->frame_window(rig.machine, frame[k]),
                                 fake_page_size(&rig)));
                memset(rig.ops->frame_window(rig.machine, frame[k]), (int)k + 1,
                       fake_page_size(&rig));
        }
        for (unsigned i = 0; i < 40; i++) {
                const uint8_t *window = rig.ops->frame_window(rig.machine, frame[i]);

                CHECK(rig.ops->frame_alloc(rig.machine, store, i, QUIRE_ANY_FILL, &again) ==
                      QUIRE_OK && again == frame[i]);
                CHECK(window[0] == i + 1 && window[fake_page_size(&rig) - 1] == i + 1);
                REQUIRE(rig.ops->frame_alloc(rig.machine, other, i, QUIRE_ZEROED, &again) ==
                        QUIRE_OK);
                CHECK(again != frame[i]);
                CHECK(reads_zero(rig.ops->frame_window(rig.machine, again),
                                 fake_page_size(&rig)));
        }
        rig.ops->store_close(rig.machine, store);
        rig.ops->store_close(rig.machine, other);
        fake_unlock(&rig);
        rule_close(&rig);
}

/* M3: what fails to be made is not there, and what was there stays. */
static void failed_allocations_change_nothing_M3(void)
{
        struct quire_store *store = NULL;
        struct quire_mspace *space = NULL;
        quire_frame frame = QUIRE_NO_FRAME, kept;
        struct rig rig;

        rule_open(&rig);
        kept = new_frame(&rig, QUIRE_ZEROED);
        if (rig.kind->fail) {
                fake_lock(&rig);
                rig.kind->fail(&rig, RIG_FRAME, 1);
                CHECK(rig.ops->frame_alloc(rig.machine, NULL, 0, QUIRE_ZEROED, &frame) ==
                      QUIRE_NO_MEMORY);
                CHECK(frame == QUIRE_NO_FRAME);
                rig.kind->fail(&rig, RIG_TABLE, 1);
                CHECK(rig.ops->store_open(rig.machine, 3, &store) == QUIRE_NO_MEMORY && !store);
                rig.kind->fail(&rig, RIG_TABLE, 1);
                CHECK(rig.ops->space_open(rig.machine, &rig, &space) == QUIRE_NO_MEMORY &&
                      !space);
                rig.kind->fail(&rig, RIG_TABLE, 0);
                fake_unlock(&rig);
                CHECK(reads_zero(rig.ops->frame_window(rig.machine, kept),
                                 fake_page_size(&rig)));
        }
        free_frame(&rig, kept);
        rule_close(&rig);
}

const struct rule rules_frames[] = {
        { "abilities_are_fixed", abilities_are_fixed },
        { "zeroed_frames_are_zero_B44", zeroed_frames_are_zero_B44 },
        { "frames_are_apart", frames_are_apart },
        { "a_store_keeps_its_pages", a_store_keeps_its_pages },
        { "failed_allocations_change_nothing_M3", failed_allocations_change_nothing_M3 },
        { NULL, NULL },
};
