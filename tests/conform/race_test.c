/*
 * race_test.c - the core under simulated threads: faults against evictions,
 * protections, discards, releases, moves, holds and failing transfers, in an
 * order that the seed decides.
 *
 * Every word of the shared region has one writer, who knows what it contains.
 * The doomed region is released and reserved again while others use it: what
 * they read there is zero or was written in a life that overlaps the read.
 * Transfers are slow and finish in any order; threads change at unlocks, and
 * on the x86-64 tables they run on two processors.
 */
#include "driver.h"
#include "host.h"
#include "sim.h"
#include "test.h"

enum { THREADS = 4, SHARED = 220, DOOMED = 24, OWN = 40, STEPS = 250, SEEDS = 40,
       LIVES = 512 };

#define DOOMED_WORD 0xd000000000000000u

struct actor;

struct race {
        const struct driver *driver;
        struct drive *drive;
        struct quire_space *space;
        uint64_t seed, shared, doomed;
        unsigned life;                    /* of the doomed region; odd: it is there */
        unsigned storing[LIVES];          /* stores under way that began in this life ... */
        unsigned stored[LIVES];           /* ... and the life in which the last of them ended */
        unsigned narrowing;               /* threads that have made pages read-only just now */
        unsigned narrowed;                /* how often that was done */
        bool failing;                     /* transfers may fail */
        uint64_t denied_va;
        enum quire_reason why;
};

struct actor {
        struct race *race;
        unsigned number;
        uint64_t state;
        uint64_t word[SHARED];
        uint64_t own;                     /* a region nobody else uses; 0: none */
        uint64_t own_word[OWN];
};

static unsigned draw(struct actor *a, unsigned below)
{
        return (unsigned)(test_random(&a->state) % below);
}

static enum quire_verdict note_denied(void *context, struct quire_space *space, uint64_t va,
                                      unsigned access, enum quire_reason why)
{
        struct race *r = context;

        (void)space;
        (void)access;
        r->denied_va = va;
        r->why = why;
        return QUIRE_DENY;
}

/* Nothing that this test does can account for the denial. */
static void unexpected(const struct race *r)
{
        CHECK(r->why == 0);                   /* no access is denied */
        fprintf(stderr, "last denied: %#" PRIx64 " (shared from %#" PRIx64 "): %s\n",
                r->denied_va, r->shared, quire_reason_name(r->why));
}

static enum drive_answer touch(struct actor *a, uint64_t va, unsigned access, uint64_t *word)
{
        struct race *r = a->race;
        enum drive_answer answer = r->driver->access(r->drive, r->space, va, access, word,
                                                     sizeof *word, NULL);

        CHECK(answer != DRIVE_STUCK);
        return answer;
}

/* ------------------------------------------------------------------- shared */

static void use_shared(struct actor *a)
{
        unsigned page = draw(a, SHARED), before = a->race->narrowed - a->race->narrowing;
        uint64_t va = a->race->shared + page * 4096 + 8 * a->number, word = 0;

        if (draw(a, 2)) {
                if (touch(a, va, QUIRE_R, &word) == DRIVE_OK)
                        CHECK_EQ(word, a->word[page]);
                else if (!a->race->failing)
                        unexpected(a->race);
                return;
        }
        word = test_random(&a->state);
        if (touch(a, va, QUIRE_W, &word) == DRIVE_OK)
                a->word[page] = word;
        else if (a->race->narrowed == before && !a->race->failing)
                unexpected(a->race);
}

static void drawn_range(struct actor *a, uint64_t *va, uint64_t *bytes)
{
        unsigned pages = 1 + draw(a, 40);

        *va = a->race->shared + draw(a, SHARED - pages) * 4096;
        *bytes = pages * 4096;
}

static void advise_shared(struct actor *a)
{
        uint64_t va, bytes;

        drawn_range(a, &va, &bytes);
        CHECK(quire_region_advise(a->race->space, va, bytes,
                                  draw(a, 2) ? QUIRE_WILL_NEED : QUIRE_WONT_NEED) == QUIRE_OK);
}

static void narrow_shared(struct actor *a)
{
        uint64_t va, bytes;

        drawn_range(a, &va, &bytes);
        a->race->narrowing++;
        a->race->narrowed++;
        CHECK(quire_region_protect(a->race->space, va, bytes, QUIRE_R, NULL) == QUIRE_OK);
        for (unsigned i = draw(a, 4); i--;)
                quire_sim_yield(a->race->driver->host(a->race->drive));
        /* The others may have narrowed the same pages: they widen them themselves. */
        CHECK(quire_region_protect(a->race->space, va, bytes, QUIRE_R | QUIRE_W, NULL) ==
              QUIRE_OK);
        a->race->narrowing--;
}

static void hold_shared(struct actor *a)
{
        uint64_t va, bytes, held = 0;
        enum quire_status st;

        drawn_range(a, &va, &bytes);
        bytes = bytes > 8 * 4096 ? 8 * 4096 : bytes;
        st = quire_region_hold(a->race->space, va, bytes, draw(a, 2) ? QUIRE_R : QUIRE_W, &held);
        CHECK(st == QUIRE_OK || held == 0);
        CHECK(held <= bytes);
        quire_sim_yield(a->race->driver->host(a->race->drive));
        if (held)
                quire_region_unhold(a->race->space, va, held);
}

/* A pagefile that has failed promises less. */
static bool commit(struct race *r, uint64_t va, uint64_t bytes)
{
        enum quire_status st = quire_region_commit(r->space, va, bytes, QUIRE_R | QUIRE_W);

        CHECK(st == QUIRE_OK || (r->failing && st == QUIRE_LIMIT));
        return st == QUIRE_OK;
}

/* ------------------------------------------------------------------- doomed */

/* A word there says in which life its store began; it may have ended in a later
 * one.  What a load finds has to have been stored in a life that the load saw. */
static void use_doomed(struct actor *a)
{
        struct race *r = a->race;
        unsigned first = r->life, life;
        uint64_t va = r->doomed + draw(a, DOOMED) * 4096 + 8 * draw(a, 512), word = 0;

        if (draw(a, 2)) {
                word = DOOMED_WORD | first;
                r->storing[first]++;
                touch(a, va, QUIRE_W, &word);
                r->storing[first]--;
                r->stored[first] = r->life;
        } else if (touch(a, va, QUIRE_R, &word) == DRIVE_OK && word) {
                life = (unsigned)(word & ~DOOMED_WORD);
                if (CHECK(word >= DOOMED_WORD && life <= r->life))
                        CHECK(r->storing[life] || r->stored[life] >= first);
        }
}

static void live_and_die(struct actor *a)
{
        const struct quire_request request = {
                .bytes = DOOMED * 4096, .va = a->race->doomed, .kind = QUIRE_PAGED,
                .flags = QUIRE_EXACT,
        };
        struct race *r = a->race;
        uint64_t va = 0;

        if (r->life & 1) {
                if (draw(a, 4) || r->life + 2 >= LIVES)
                        return;
                CHECK(quire_region_release(r->space, r->doomed, 0) == QUIRE_OK);
                r->life++;
                return;
        }
        if (quire_region_reserve(r->space, &request, &va) != QUIRE_OK)
                return;
        r->life++;
        commit(r, va, request.bytes);
}

/* ---------------------------------------------------------------------- own */

static void drop_own(struct actor *a)
{
        CHECK(quire_region_release(a->race->space, a->own, 0) == QUIRE_OK);
        a->own = 0;
}

static void open_own(struct actor *a)
{
        const struct quire_request request = { .bytes = OWN * 4096, .kind = QUIRE_PAGED };

        if (quire_region_reserve(a->race->space, &request, &a->own) != QUIRE_OK) {
                a->own = 0;
                return;
        }
        if (!commit(a->race, a->own, request.bytes))
                drop_own(a);
        memset(a->own_word, 0, sizeof a->own_word);
}

static void use_own(struct actor *a)
{
        unsigned page = draw(a, OWN);
        uint64_t va = a->own + page * 4096 + 4088, word = 0;

        if (draw(a, 3)) {
                word = test_random(&a->state);
                if (touch(a, va, QUIRE_W, &word) == DRIVE_OK)
                        a->own_word[page] = word;
                else if (!a->race->failing)
                        unexpected(a->race);
        } else if (touch(a, va, QUIRE_R, &word) == DRIVE_OK) {
                CHECK_EQ(word, a->own_word[page]);
        } else if (!a->race->failing) {
                unexpected(a->race);
        }
}

static void change_own(struct actor *a)
{
        unsigned first = draw(a, OWN), count = 1 + draw(a, OWN - first);
        struct quire_space *space = a->race->space;
        uint64_t va = a->own + first * 4096, to = 0;
        enum quire_status st;

        switch (draw(a, 4)) {
        case 0:
                CHECK(quire_region_discard(space, va, count * 4096) == QUIRE_OK);
                memset(a->own_word + first, 0, count * sizeof *a->own_word);
                break;
        case 1:
                CHECK(quire_region_decommit(space, va, count * 4096) == QUIRE_OK);
                if (!commit(a->race, va, count * 4096))
                        drop_own(a);
                memset(a->own_word + first, 0, count * sizeof *a->own_word);
                break;
        case 2:
                st = quire_region_move(space, a->own, OWN * 4096, false, &to);
                CHECK(st == QUIRE_OK);
                a->own = st == QUIRE_OK ? to : a->own;
                break;
        default:
                drop_own(a);
        }
}

/* --------------------------------------------------------------------- race */

static void step(struct actor *a)
{
        unsigned what = draw(a, 100);

        if (what < 50)
                use_shared(a);
        else if (what < 55)
                advise_shared(a);
        else if (what < 58)
                narrow_shared(a);
        else if (what < 62)
                hold_shared(a);
        else if (what < 72)
                use_doomed(a);
        else if (what < 75 && a->number == 0)
                live_and_die(a);
        else if (!a->own)
                open_own(a);
        else if (what < 95)
                use_own(a);
        else
                change_own(a);
}

static void act(void *argument)
{
        struct actor *a = argument;
        struct quire_sim_host *host = a->race->driver->host(a->race->drive);

        for (unsigned i = 0; i < STEPS && !quire_test_state.bad; i++) {
                step(a);
                if (a->race->failing && !draw(a, 30))
                        quire_sim_fail(host, draw(a, 2) ? QUIRE_SIM_READ : QUIRE_SIM_WRITE,
                                       1 + draw(a, 3), 1);
        }
}

static void tell_seed(void *context, const char *what)
{
        const struct race *r = context;

        fprintf(stderr, "%s, seed %" PRIu64 ": %s\n", r->driver->name, r->seed, what);
}

static bool open_race(struct race *r, const struct driver *driver, uint64_t seed, bool failing)
{
        const struct drive_options options = {
                .budget = quire_budget_least(4096) + (seed % 3) * 16 * 4096,
                .pagefiles = 1 + seed % 2,
                .tier_percent = seed % 4 == 3 ? 30 : 0,
                .policy = quire_policy_names[seed % 2],
                .seed = seed | 1,
                .slow_io = seed % 5 != 4,
                .preempt_percent = seed % 3 ? 30 : 3,
                .spurious_percent = seed % 7 == 0 ? 20 : 0,
                .no_harvest = seed % 6 == 0,
                .no_write_protect = seed % 9 == 0,
                .audit = seed % 8 == 0,
                .denied = note_denied,
                .denied_context = r,
        };
        const struct quire_request request = { .bytes = SHARED * 4096, .kind = QUIRE_PAGED };

        *r = (struct race){ .driver = driver, .seed = seed, .failing = failing,
                            .doomed = (uint64_t)1 << 40 };
        if (!CHECK(driver->open(&options, &r->drive) == QUIRE_OK))
                return false;
        quire_sim_on_stop(driver->host(r->drive), tell_seed, r);
        /* Failures that are reported, and pass: nothing may be lost. */
        quire_sim_fail_how(driver->host(r->drive),
                           seed & 2 ? QUIRE_SIM_IO_ERROR : QUIRE_SIM_IO_TORN);
        r->space = driver->space(r->drive);
        REQUIRE(quire_region_reserve(r->space, &request, &r->shared) == QUIRE_OK);
        REQUIRE(quire_region_commit(r->space, r->shared, request.bytes, QUIRE_R | QUIRE_W) ==
                QUIRE_OK);
        return true;
}

static void close_race(struct race *r, struct actor *actor)
{
        uint64_t word = 0;

        quire_sim_fail(r->driver->host(r->drive), QUIRE_SIM_READ, 0, 0);
        quire_sim_fail(r->driver->host(r->drive), QUIRE_SIM_WRITE, 0, 0);
        r->failing = false;
        quire_system_audit(r->driver->system(r->drive));
        for (unsigned n = 0; n < THREADS && !quire_test_state.bad; n++) {
                for (unsigned page = 0; page < SHARED && !quire_test_state.bad; page++)
                        if (CHECK(touch(&actor[n], r->shared + page * 4096 + 8 * n, QUIRE_R,
                                        &word) == DRIVE_OK))
                                CHECK_EQ(word, actor[n].word[page]);
                for (unsigned page = 0; actor[n].own && page < OWN; page++)
                        if (CHECK(touch(&actor[n], actor[n].own + page * 4096 + 4088, QUIRE_R,
                                        &word) == DRIVE_OK))
                                CHECK_EQ(word, actor[n].own_word[page]);
        }
        if (quire_test_state.bad)
                tell_seed(r, "failed");
        r->driver->close(r->drive);
}

static void run_race(const struct driver *driver, uint64_t seed, bool failing)
{
        static struct actor actor[THREADS];
        struct race r;

        if (!open_race(&r, driver, seed, failing))
                return;
        for (unsigned n = 0; n < THREADS; n++) {
                actor[n] = (struct actor){ .race = &r, .number = n, .state = seed * 16 + n };
                REQUIRE(quire_sim_thread_start(driver->host(r.drive), "actor", act, &actor[n]));
        }
        quire_sim_run(driver->host(r.drive));
        close_race(&r, actor);
}

static void run_seeds(const struct driver *driver, bool failing)
{
        for (unsigned i = 0; i < SEEDS && !quire_test_state.bad; i++)
                run_race(driver, test_seed() + i, failing);
}

static void races_on_the_simulator(void)
{
        run_seeds(&driver_sim, false);
}

static void races_with_failing_transfers(void)
{
        run_seeds(&driver_sim, true);
}

#ifdef HAVE_X86
static void races_on_two_processors(void)
{
        run_seeds(&driver_x86_64, false);
}
#endif

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(races_on_the_simulator);
        RUN(races_with_failing_transfers);
#ifdef HAVE_X86
        RUN(races_on_two_processors);
#endif
        return test_end();
}
