/*
 * share_race_test.c - simulated threads over shared objects: they store, load, map,
 * copy, snapshot, revoke, flush and evict at once, in two spaces and in the least
 * budget, in an order that the seed decides; with audits.
 *
 * Every word has one writer, who knows what it contains: in the object, in the view of
 * his own that copies, and in each snapshot as it was when he took it.
 */
#include "../conform/driver.h"
#include "../test.h"
#include "host.h"

enum { THREADS = 4, PAGES = 72, STEPS = 160, SEEDS = 12, RW = QUIRE_R | QUIRE_W };
#define PAGE ((uint64_t)4096)

static struct {
        const struct driver *driver;
        struct drive *drive;
        struct quire_system *sys;
        struct quire_space *space[2];
        struct quire_grant *grant;
        uint64_t va[2];                      /* the object, in either space */
        uint8_t home[PAGES][4096];           /* what the pager has */
        bool paged;
} race;

struct actor {
        unsigned number;
        uint64_t state;
        uint64_t word[PAGES];                /* in the object, at 8 * number */
        uint64_t copy, own[PAGES];           /* a view that copies; 0: none */
};

static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        (void)context;
        (void)access;
        for (uint64_t i = 0; i < bytes / PAGE; i++) {
                memcpy(page[i], race.home[offset / PAGE + i], PAGE);
                quire_sim_yield(race.driver->host(race.drive));
        }
        return QUIRE_OK;
}

static enum quire_status write_home(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        (void)context;
        for (uint64_t i = 0; i < bytes / PAGE; i++) {
                quire_sim_yield(race.driver->host(race.drive));
                memcpy(race.home[offset / PAGE + i], page[i], PAGE);
        }
        return QUIRE_OK;
}

static const struct quire_pager pager = { .fill = fill, .write = write_home, .most = 3,
                                          .evicts = true };

static unsigned draw(struct actor *a, unsigned below)
{
        return (unsigned)(test_random(&a->state) % below);
}

/* 0, or why it was denied. */
static unsigned touch(unsigned space, uint64_t va, unsigned access, uint64_t *word)
{
        enum quire_reason why = 0;
        enum drive_answer got = race.driver->access(race.drive, race.space[space], va, access,
                                                    word, 8, &why);

        CHECK(got != DRIVE_STUCK);
        return got == DRIVE_OK ? 0 : why ? why : 99;
}

static enum quire_status map(unsigned space, struct quire_grant *g, unsigned access,
                             unsigned flags, uint64_t *va)
{
        const struct quire_request q = { .bytes = PAGES * PAGE, .grant = g, .access = access,
                                         .flags = flags };

        return quire_region_reserve(race.space[space], &q, va);
}

static void use_object(struct actor *a)
{
        unsigned page = draw(a, PAGES), space = draw(a, 2);
        uint64_t va = race.va[space] + page * PAGE + 8 * a->number, word = 0;

        if (draw(a, 2)) {
                CHECK_EQ(touch(space, va, QUIRE_R, &word), 0);
                CHECK_EQ(word, a->word[page]);
                return;
        }
        word = test_random(&a->state) | 1;
        CHECK_EQ(touch(space, va, QUIRE_W, &word), 0);
        a->word[page] = word;
}

/* A view that copies: in space 1, of this thread alone. */
static void use_copy(struct actor *a)
{
        unsigned page = draw(a, PAGES);
        uint64_t word = 0;

        if (!a->copy) {
                CHECK(map(1, race.grant, RW, QUIRE_COPY, &a->copy) == QUIRE_OK);
                memset(a->own, 0, sizeof(a->own));
        } else if (draw(a, 30) == 0) {
                CHECK(quire_region_release(race.space[1], a->copy, 0) == QUIRE_OK);
                a->copy = 0;
                return;
        }
        if (draw(a, 2)) {
                word = test_random(&a->state) | 1;
                CHECK_EQ(touch(1, a->copy + page * PAGE + 8 * a->number, QUIRE_W, &word), 0);
                a->own[page] = word;
        } else {
                CHECK_EQ(touch(1, a->copy + page * PAGE + 8 * a->number, QUIRE_R, &word), 0);
                if (a->own[page])
                        CHECK_EQ(word, a->own[page]);
                else
                        CHECK_EQ(word, a->word[page]);
        }
}

static void take_snapshot(struct actor *a)
{
        struct quire_grant *g = NULL;
        uint64_t va = 0, word = 0, was[PAGES];

        CHECK(quire_object_clone(race.grant, &g) == QUIRE_OK);
        memcpy(was, a->word, sizeof(was));
        for (unsigned i = 0; i < 6; i++)
                use_object(a);
        CHECK(map(0, g, QUIRE_R, 0, &va) == QUIRE_OK);
        for (unsigned i = 0; i < 12; i++) {
                unsigned page = draw(a, PAGES);

                CHECK_EQ(touch(0, va + page * PAGE + 8 * a->number, QUIRE_R, &word), 0);
                CHECK_EQ(word, was[page]);
        }
        quire_grant_close(g);
        CHECK(quire_region_release(race.space[0], va, 0) == QUIRE_OK);
}

static void revoke_one(struct actor *a)
{
        struct quire_grant *g = NULL, *child = NULL;
        uint64_t one = 0, two = 0, word = 0;

        CHECK(quire_grant_narrow(race.grant, RW, &g) == QUIRE_OK);
        CHECK(quire_grant_narrow(g, QUIRE_R, &child) == QUIRE_OK);
        CHECK(map(0, g, RW, 0, &one) == QUIRE_OK);
        CHECK(map(1, child, QUIRE_R, 0, &two) == QUIRE_OK);
        CHECK_EQ(touch(1, two + 8 * a->number, QUIRE_R, &word), 0);
        CHECK_EQ(word, a->word[0]);
        quire_grant_revoke(g);
        CHECK_EQ(touch(0, one, QUIRE_R, &word), QUIRE_WHY_REVOKED);
        CHECK_EQ(touch(1, two, QUIRE_R, &word), QUIRE_WHY_REVOKED);
        quire_grant_close(child);
        quire_grant_close(g);
        CHECK(quire_region_release(race.space[0], one, 0) == QUIRE_OK);
        CHECK(quire_region_release(race.space[1], two, 0) == QUIRE_OK);
}

static void act(void *argument)
{
        struct actor *a = argument;

        for (unsigned i = 0; i < STEPS && !quire_test_state.bad; i++) {
                unsigned what = draw(a, 100), first = draw(a, PAGES);

                if (what < 55)
                        use_object(a);
                else if (what < 80)
                        use_copy(a);
                else if (what < 84)
                        take_snapshot(a);
                else if (what < 88)
                        revoke_one(a);
                else if (what < 92 && race.paged)
                        CHECK(quire_object_flush(race.grant, first * PAGE,
                                                 (PAGES - first) * PAGE) == QUIRE_OK);
                else if (what < 98)
                        CHECK(quire_region_advise(race.space[0], race.va[0] + first * PAGE,
                                                  (PAGES - first) * PAGE,
                                                  what % 2 ? QUIRE_WONT_NEED : QUIRE_WILL_NEED) ==
                              QUIRE_OK);
                else
                        quire_system_audit(race.sys);
        }
}

static bool open_race(const struct driver *driver, uint64_t seed)
{
        const struct drive_options options = {
                .budget = quire_budget_least(PAGE) + seed % 3 * 8 * PAGE, .pagefiles = 1,
                .seed = seed | 1, .slow_io = seed % 4 != 3, .preempt_percent = seed % 3 ? 30 : 4,
                .no_share = seed % 2, .tier_percent = seed % 5 == 4 ? 30 : 0,
                .audit = seed % 6 == 0,
        };
        struct quire_object_request q = { .bytes = PAGES * PAGE };

        memset(&race, 0, sizeof(race));
        race.driver = driver;
        race.paged = seed / 2 % 2;
        if (!CHECK(driver->open(&options, &race.drive) == QUIRE_OK))
                return false;
        race.sys = driver->system(race.drive);
        race.space[0] = driver->space(race.drive);
        CHECK(driver->space_open(race.drive, &quire_layout_64, &race.space[1]) == QUIRE_OK);
        q.kind = race.paged ? QUIRE_CALLBACK : QUIRE_ANONYMOUS;
        q.pager = race.paged ? &pager : NULL;
        CHECK(quire_object_open(race.sys, &q, &race.grant) == QUIRE_OK);
        for (unsigned s = 0; s < 2; s++)
                CHECK(map(s, race.grant, RW, 0, &race.va[s]) == QUIRE_OK);
        return true;
}

static void close_race(struct actor *actor, uint64_t seed)
{
        quire_system_audit(race.sys);
        for (unsigned n = 0; n < THREADS && !quire_test_state.bad; n++) {
                for (unsigned page = 0; page < PAGES; page++) {
                        uint64_t word = 0;

                        CHECK_EQ(touch(n % 2, race.va[n % 2] + page * PAGE + 8 * n, QUIRE_R,
                                       &word), 0);
                        CHECK_EQ(word, actor[n].word[page]);
                }
                if (actor[n].copy)
                        CHECK(quire_region_release(race.space[1], actor[n].copy, 0) == QUIRE_OK);
        }
        for (unsigned s = 0; s < 2; s++)
                CHECK(quire_region_release(race.space[s], race.va[s], 0) == QUIRE_OK);
        quire_grant_close(race.grant);
        for (unsigned n = 0; race.paged && n < THREADS; n++)
                for (unsigned page = 0; page < PAGES; page++)
                        CHECK(!memcmp(&race.home[page][8 * n], &actor[n].word[page], 8));
        if (quire_test_state.bad)
                fprintf(stderr, "%s, seed %" PRIu64 "\n", race.driver->name, seed);
        race.driver->close(race.drive);
}

static void run_race(const struct driver *driver, uint64_t seed)
{
        static struct actor actor[THREADS];

        if (!open_race(driver, seed))
                return;
        for (unsigned n = 0; n < THREADS; n++) {
                actor[n] = (struct actor){ .number = n, .state = seed * 16 + n };
                REQUIRE(quire_sim_thread_start(driver->host(race.drive), "actor", act, &actor[n]));
        }
        quire_sim_run(driver->host(race.drive));
        close_race(actor, seed);
}

static void races_over_what_is_shared(void)
{
        for (unsigned i = 0; drivers[i]; i++)
                for (unsigned k = 0; drivers[i]->simulated && k < SEEDS; k++)
                        if (!quire_test_state.bad)
                                run_race(drivers[i], test_seed() + k);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(races_over_what_is_shared);
        return test_end();
}
