/*
 * policy_test.c - core/policy_*.c: what each policy misses on made traces,
 * against the optimum (Belady: evict what is used again last), in the simulator.
 *
 * The figures are bounds around what was measured with margin for the seed, not
 * aims: a policy that gets worse than its bound has broken.
 */
#include "../../core/core.h"
#include "../conform/driver.h"
#include "../test.h"

enum { PAGES = 1200, BUDGET = 320, STEPS = 40000 };

static uint16_t trace[STEPS];

/* --------------------------------------------------------------------- traces */

/* Page k is used in proportion to 1/(k + 1); pages are in no order. */
static void make_zipf(uint64_t *random)
{
        static double sum[PAGES];
        double total = 0;

        for (unsigned k = 0; k < PAGES; k++)
                sum[k] = total += 1.0 / (k + 1);
        for (unsigned i = 0; i < STEPS; i++) {
                double x = (double)(test_random(random) >> 11) / 9007199254740992.0 * total;
                unsigned low = 0, high = PAGES - 1;

                while (low < high) {
                        unsigned middle = (low + high) / 2;

                        if (sum[middle] < x)
                                low = middle + 1;
                        else
                                high = middle;
                }
                trace[i] = (uint16_t)(low * 7 % PAGES);
        }
}

static void make_random(uint64_t *random)
{
        for (unsigned i = 0; i < STEPS; i++)
                trace[i] = (uint16_t)(test_random(random) % PAGES);
}

/* Round and round, a little more than there is room for. */
static void make_loop(uint64_t *random)
{
        (void)random;
        for (unsigned i = 0; i < STEPS; i++)
                trace[i] = (uint16_t)(i % (BUDGET + BUDGET / 4));
}

/* A hot set of half the room, and now and then a pass over everything else. */
static void make_scan(uint64_t *random)
{
        unsigned scan = 0;

        for (unsigned i = 0; i < STEPS; i++) {
                if (i / 2000 % 2 && test_random(random) % 2)
                        trace[i] = (uint16_t)(BUDGET / 2 + scan++ % (PAGES - BUDGET / 2));
                else
                        trace[i] = (uint16_t)(test_random(random) % (BUDGET / 2));
        }
}

/* The hot set moves on. */
static void make_phases(uint64_t *random)
{
        for (unsigned i = 0; i < STEPS; i++) {
                unsigned from = i / 4000 * 97 % (PAGES - BUDGET);

                trace[i] = (uint16_t)(test_random(random) % 10 ?
                                      from + test_random(random) % (BUDGET * 2 / 3) :
                                      test_random(random) % PAGES);
        }
}

/* What was used all the time is not used any more; what is goes round and round, and there
 * would be room for it. */
static void make_takeover(uint64_t *random)
{
        for (unsigned i = 0; i < STEPS; i++) {
                if (i < STEPS / 4)
                        trace[i] = (uint16_t)(test_random(random) % (BUDGET * 4 / 3));
                else
                        trace[i] = (uint16_t)(BUDGET * 2 + i % (BUDGET * 3 / 4));
        }
}

/* -------------------------------------------------------------------- counting */

static unsigned optimum(unsigned room)
{
        static unsigned next[STEPS];
        unsigned last[PAGES], misses = 0, held = 0, until[PAGES];
        bool present[PAGES] = { false };

        for (unsigned k = 0; k < PAGES; k++)
                last[k] = STEPS;
        for (unsigned i = STEPS; i-- > 0;) {
                next[i] = last[trace[i]];
                last[trace[i]] = i;
        }
        for (unsigned i = 0; i < STEPS; i++) {
                unsigned k = trace[i];

                if (!present[k]) {
                        misses++;
                        if (held == room) {
                                unsigned worst = PAGES;

                                for (unsigned j = 0; j < PAGES; j++)
                                        if (present[j] &&
                                            (worst == PAGES || until[j] > until[worst]))
                                                worst = j;
                                present[worst] = false;
                                held--;
                        }
                        present[k] = true;
                        held++;
                }
                until[k] = next[i];
        }
        return misses;
}

static uint64_t frames_of(const struct quire_system *sys)
{
        return sys->budget - (uint64_t)sys->buffer_count * sys->buffer_pages - sys->headroom;
}

/* Whatever the policy, what comes back is what was written. */
static void touch_page(struct drive *drive, struct quire_space *s, uint64_t va, uint64_t k)
{
        const uint64_t mark = (k + 1) * 0x9e3779b97f4a7c15u;
        uint64_t word = 0, other = ~mark;

        CHECK(driver_sim.access(drive, s, va, QUIRE_R, &word, 8, NULL) == DRIVE_OK);
        CHECK(word == 0 || word == mark);
        if (word)
                return;
        word = mark;
        CHECK(driver_sim.access(drive, s, va, QUIRE_W, &word, 8, NULL) == DRIVE_OK);
        CHECK(driver_sim.access(drive, s, va + 64, QUIRE_W, &other, 8, NULL) == DRIVE_OK);
}

/* Play the trace; returns how many accesses brought a page in.  *room: frames. */
static unsigned misses_of(const char *policy, bool notes_use, unsigned *room)
{
        const struct driver *d = &driver_sim;
        const struct drive_options options = {
                .budget = BUDGET << 12, .pagefiles = 1, .policy = policy,
                .no_harvest = !notes_use,
        };
        struct quire_request q = { .bytes = PAGES << 12 };
        struct quire_counters c;
        struct drive *drive;
        struct quire_space *s;
        uint64_t va = 0;

        REQUIRE(d->open(&options, &drive) == QUIRE_OK);
        s = d->space(drive);
        *room = (unsigned)frames_of(d->system(drive));
        REQUIRE(quire_region_reserve(s, &q, &va) == QUIRE_OK);
        REQUIRE(quire_region_commit(s, va, q.bytes, QUIRE_R | QUIRE_W) == QUIRE_OK);
        REQUIRE(quire_region_advise(s, va, q.bytes, QUIRE_RANDOM) == QUIRE_OK);
        for (unsigned i = 0; i < STEPS; i++)
                touch_page(drive, s, va + ((uint64_t)trace[i] << 12), trace[i]);
        quire_system_counters(d->system(drive), &c);
        d->close(drive);
        return (unsigned)(c.faults_zero + c.faults_tier + c.faults_hard);
}

struct bound {
        const char *policy;
        bool notes_use;
        double most;                     /* misses, of the optimum's */
};

static void compare(const char *name, void (*make)(uint64_t *), const struct bound *bounds)
{
        uint64_t random = test_seed();
        unsigned room = 0;

        make(&random);
        for (; bounds->policy; bounds++) {
                unsigned misses = misses_of(bounds->policy, bounds->notes_use, &room);
                unsigned least = optimum(room);
                double ratio = (double)misses / least;

                printf("    %s, %s%s: %.2f %% missed, %.2f of the optimum\n", name,
                       bounds->policy, bounds->notes_use ? ", use is noted" : "",
                       100.0 * misses / STEPS, ratio);
                CHECK(misses >= least);
                CHECK(ratio <= bounds->most);
        }
}

static void test_B16_zipf(void)
{
        static const struct bound bounds[] = {
                { "2q", false, 2.05 }, { "clock", true, 2.25 }, { "clock", false, 2.6 },
                { "lru", true, 2.2 }, { NULL, false, 0 } };

        compare("zipf", make_zipf, bounds);
}

static void test_B16_random(void)
{
        static const struct bound bounds[] = {
                { "2q", false, 2.0 }, { "clock", true, 2.0 },
                { "lru", true, 2.0 }, { NULL, false, 0 } };

        compare("random", make_random, bounds);
}

static void test_B16_loop(void)
{
        static const struct bound bounds[] = {
                { "2q", false, 3.85 }, { "clock", true, 4 },
                { "lru", true, 4 }, { NULL, false, 0 } };

        compare("loop", make_loop, bounds);
}

static void test_B16_scan(void)
{
        static const struct bound bounds[] = {
                { "2q", false, 1.3 }, { "clock", true, 1.75 },
                { "lru", true, 1.7 }, { NULL, false, 0 } };

        compare("scan", make_scan, bounds);
}

static void test_B16_phases(void)
{
        static const struct bound bounds[] = {
                { "2q", false, 2.1 }, { "clock", true, 2.15 },
                { "lru", true, 1.95 }, { NULL, false, 0 } };

        compare("phases", make_phases, bounds);
}

static void test_B16_takeover(void)
{
        static const struct bound bounds[] = {
                { "2q", false, 2.9 }, { "clock", true, 2.7 },
                { "lru", true, 2.7 }, { NULL, false, 0 } };

        compare("takeover", make_takeover, bounds);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B16_zipf);
        RUN(test_B16_random);
        RUN(test_B16_loop);
        RUN(test_B16_scan);
        RUN(test_B16_phases);
        RUN(test_B16_takeover);
        return test_end();
}
