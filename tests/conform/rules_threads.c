/*
 * rules_threads.c - M2 against threads that write all the time.
 *
 * Every word has one writer, which adds one to it.  While the script holds the
 * lock and has revoked the right to write, no word may change; at the end
 * every word is what its writer counted.  On a machine without real threads
 * the writers are switched between a load and its store.
 */
#include "rules.h"

enum { WRITERS = 2, PAGES = 24, ROUNDS = 300, REAL_ROUNDS = 100 };

struct writer {
        struct fake *f;
        unsigned number;
        uint64_t count[PAGES];
        bool denied;
        atomic_bool *stop;
};

static void write_on(void *argument)
{
        struct writer *w = argument;
        struct rig *rig = w->f->rig;
        uint64_t state = w->number + 1;

        while (!*w->stop) {
                unsigned page = (unsigned)(test_random(&state) % PAGES);
                unsigned times = 1 + (unsigned)(test_random(&state) % 20);

                if (rig->kind->count_up(rig, w->f->mspace, fake_va(w->f, page) + 8 * w->number,
                                        times) != RIG_OK)
                        w->denied = true;
                w->count[page] += times;
        }
}

/* => the lock is held, and the words cannot be written just now. */
static void check_still(struct fake *f, unsigned first, unsigned count,
                        uint64_t (*look)(struct fake *, unsigned page, size_t offset))
{
        uint64_t seen[PAGES][WRITERS];

        for (unsigned round = 0; round < 20; round++)
                for (unsigned i = 0; i < count; i++)
                        for (unsigned w = 0; w < WRITERS; w++) {
                                uint64_t now = look(f, first + i, 8 * w);

                                if (!round)
                                        seen[i][w] = now;
                                else
                                        CHECK_EQ(now, seen[i][w]);
                        }
}

/* Revoke something in [first, first + count) of shown pages, and look. */
typedef void (*revoke_fn)(struct fake *, unsigned first, unsigned count);

static void hammer(bool stored, revoke_fn revoke)
{
        struct writer writer[WRITERS];
        struct rig_thread *thread[WRITERS];
        struct quire_store *store = NULL;
        atomic_bool stop = false;
        unsigned rounds = rule_kind->real_threads ? REAL_ROUNDS : ROUNDS;
        struct fake f = { 0 };
        struct rig rig;
        uint64_t state = 5, word = 0;

        rule_open(&rig);
        store = stored ? rule_store(&rig, PAGES) : NULL;
        if (stored && !store) {
                rule_close(&rig);
                SKIP("this machine has no stores just now");
        }
        fake_open(&f, &rig, PAGES, store);
        fake_lock(&rig);
        f.ahead = 3;
        fake_unlock(&rig);
        for (unsigned w = 0; w < WRITERS; w++) {
                writer[w] = (struct writer){ .f = &f, .number = w, .stop = &stop };
                thread[w] = rig.kind->start(&rig, write_on, &writer[w]);
        }
        for (unsigned round = 0; round < rounds; round++) {
                unsigned first = (unsigned)(test_random(&state) % PAGES), count = 0;

                rig.host_ops->pause(rig.host);
                fake_lock(&rig);
                while (first + count < PAGES && f.page[first + count].shown)
                        count++;
                if (count)
                        revoke(&f, first, count);
                fake_unlock(&rig);
        }
        stop = true;
        for (unsigned w = 0; w < WRITERS; w++) {
                rig.kind->join(&rig, thread[w]);
                CHECK(!writer[w].denied);
        }
        for (unsigned page = 0; page < PAGES; page++)
                for (unsigned w = 0; w < WRITERS; w++) {
                        CHECK(fake_load(&f, page, 8 * w, &word) == RIG_OK);
                        CHECK_EQ(word, writer[w].count[page]);
                }
        fake_close(&f);
        fake_lock(&rig);
        if (store)
                rig.ops->store_close(rig.machine, store);
        fake_unlock(&rig);
        rule_close(&rig);
}

static void take_all(struct fake *f, unsigned first, unsigned count)
{
        CHECK(fake_take(f, first, count) == QUIRE_OK);
        check_still(f, first, count, fake_peek);
}

static void take_keeps_every_increment_M2(void)
{
        hammer(false, take_all);
}

static void take_of_a_view_keeps_every_increment_M2(void)
{
        hammer(true, take_all);
}

static void drop_all(struct fake *f, unsigned first, unsigned count)
{
        fake_drop(f, first, count);
        check_still(f, first, count, fake_peek);
}

static void no_write_lands_after_drop_M2(void)
{
        hammer(true, drop_all);
}

static uint64_t load_shown(struct fake *f, unsigned page, size_t offset)
{
        const volatile uint64_t *word =
                (const volatile uint64_t *)(uintptr_t)(fake_va(f, page) + offset);
        uint64_t simulated = 0;

        if (f->rig->kind->real_threads)
                return *word;
        CHECK(fake_load(f, page, offset, &simulated) == RIG_OK);
        return simulated;
}

static void protect_all(struct fake *f, unsigned first, unsigned count)
{
        fake_protect(f, first, count, QUIRE_R);
        check_still(f, first, count, load_shown);
}

static void no_write_lands_after_protect_M2(void)
{
        struct rig rig;
        bool able;

        rule_open(&rig);
        able = rule_protects(&rig);
        rule_close(&rig);
        if (!able)
                SKIP("this machine cannot refuse writes alone");
        hammer(false, protect_all);
}

static void release_all(struct fake *f, unsigned first, unsigned count)
{
        struct quire_view view;
        struct quire_range o;

        f->rig->ops->release(f->mspace, fake_va(f, first), count);
        for (unsigned i = 0; i < count; i++)
                f->page[first + i].shown = 0;
        check_still(f, first, count, fake_peek);
        CHECK(f->rig->ops->reserve(f->mspace, fake_va(f, first), count,
                                   fake_view(f, first, &view), &o) ==
              QUIRE_OK);
}

/* Only where nothing real touches the range between the two calls. */
static void no_write_lands_after_release_M2(void)
{
        if (rule_kind->real_threads)
                SKIP("a real writer would find the range released");
        hammer(true, release_all);
}

const struct rule rules_threads[] = {
        { "take_keeps_every_increment_M2", take_keeps_every_increment_M2 },
        { "take_of_a_view_keeps_every_increment_M2", take_of_a_view_keeps_every_increment_M2 },
        { "no_write_lands_after_drop_M2", no_write_lands_after_drop_M2 },
        { "no_write_lands_after_protect_M2", no_write_lands_after_protect_M2 },
        { "no_write_lands_after_release_M2", no_write_lands_after_release_M2 },
        { NULL, NULL },
};
