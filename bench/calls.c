/*
 * calls.c - what the calls cost: reserve, commit, protect, decommit and release
 * of a region of 1 MiB.
 *
 * A round makes whole lives of one region, and times each call by itself; what
 * reading the clock costs is taken off, and the slowest twentieth left out, since
 * a call that was preempted says nothing.  The plain region is held against the
 * calls that a program makes by hand for the same effect.  To decommit is more
 * than MADV_DONTNEED, since accesses are denied afterwards; the bare madvise is
 * shown too.  With pages touched, every page is written after commit.
 *
 * Among 10^6 regions: as many paged regions of 64 KiB stand, with 250,000 gaps
 * between them that are too small, and the same calls are made in their midst.
 */
#include "bench.h"
#include "quire/process.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES (256 * (uint64_t)BENCH_PAGE)
#define SMALL (16 * (uint64_t)BENCH_PAGE)

#define LIVES_MOST 512
#define WARMING 3

enum { RESERVE, COMMIT, PROTECT, DECOMMIT, RELEASE, RELEASE_COMMITTED, CALLS };

struct calls {
        bool (*call)(const struct seat *, int call, uint64_t *va);
        enum quire_region_kind kind;
        uint64_t standing;      /* regions, beforehand */
        bool touched;
        bool bare_madvise;
};

static const struct calls *calls_of(const struct seat *seat)
{
        return seat->who->argument;
}

/* ------------------------------------------------------------------ contenders */

static bool call_raw(const struct seat *seat, int call, uint64_t *va)
{
        void *at = (void *)(uintptr_t)*va;
        switch (call) {
        case RESERVE:
                at = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1, 0);
                *va = (uint64_t)(uintptr_t)at;
                return at != MAP_FAILED;
        case COMMIT:
                return mprotect(at, BYTES, PROT_READ | PROT_WRITE) == 0;
        case PROTECT:
                return mprotect(at, BYTES, PROT_READ) == 0;
        case DECOMMIT:
                return (calls_of(seat)->bare_madvise || mprotect(at, BYTES, PROT_NONE) == 0) &&
                       madvise(at, BYTES, MADV_DONTNEED) == 0;
        default:
                return munmap(at, BYTES) == 0;
        }
}

static bool call_quire(const struct seat *seat, int call, uint64_t *va)
{
        struct quire_space *space = quire_process_space(seat->state);
        const struct quire_request request = {.bytes = BYTES, .kind = calls_of(seat)->kind};
        switch (call) {
        case RESERVE:
                return quire_region_reserve(space, &request, va) == QUIRE_OK;
        case COMMIT:
                return quire_region_commit(space, *va, BYTES, QUIRE_R | QUIRE_W) == QUIRE_OK;
        case PROTECT:
                return quire_region_protect(space, *va, BYTES, QUIRE_R, NULL) == QUIRE_OK;
        case DECOMMIT:
                return quire_region_decommit(space, *va, BYTES) == QUIRE_OK;
        default:
                return quire_region_release(space, *va, 0) == QUIRE_OK;
        }
}

static bool open_raw(struct seat *seat, struct answer *answer)
{
        (void)seat;
        (void)answer;
        return true;
}

/* Five are reserved, and the third of each five is given back. */
static bool raise_regions(struct quire_space *space, uint64_t standing)
{
        const struct quire_request request = {.bytes = SMALL, .kind = QUIRE_PAGED};
        uint64_t va, middle = 0;
        for (uint64_t i = 0; i < standing + standing / 4; i++) {
                if (quire_region_reserve(space, &request, &va) != QUIRE_OK)
                        return false;
                if (i % 5 == 2)
                        middle = va;
                if (i % 5 == 4 && quire_region_release(space, middle, 0) != QUIRE_OK)
                        return false;
        }
        return true;
}

static bool open_quire(struct seat *seat, struct answer *answer)
{
        struct quire_process *process;
        const struct quire_process_options options = {.memory = 256 * MIB,
                                                      .pagefile = seat->bench->work};
        if (quire_process_open(&options, &process) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "%s", quire_process_problem());
                return false;
        }
        seat->state = process;
        if (!raise_regions(quire_process_space(process), calls_of(seat)->standing)) {
                snprintf(answer->text, sizeof answer->text, "cannot reserve %llu regions",
                         (unsigned long long)calls_of(seat)->standing);
                return false;
        }
        return true;
}

static void close_quire(struct seat *seat)
{
        quire_process_close(seat->state);
}

/* ---------------------------------------------------------------------- a round */

static void touch_pages(uint64_t va)
{
        for (uint64_t at = 0; at < BYTES; at += BENCH_PAGE)
                *(volatile uint8_t *)(uintptr_t)(va + at) = 1;
}

struct samples {
        double took[CALLS][LIVES_MOST];
        unsigned count[CALLS];
};

/* One life of a region; notes what each call took. */
static bool live_once(const struct seat *seat, const int *life, unsigned length,
                      struct samples *samples)
{
        uint64_t va = 0;
        for (unsigned i = 0; i < length; i++) {
                uint64_t start = quire_bench_clock();
                bool ok = calls_of(seat)->call(seat, life[i], &va);
                uint64_t took = quire_bench_clock() - start;
                if (!ok)
                        return false;
                samples->took[life[i]][samples->count[life[i]]++] = (double)took;
                if (life[i] == COMMIT && calls_of(seat)->touched)
                        touch_pages(va);
        }
        return true;
}

static int compare_samples(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

static double average(double *took, unsigned count)
{
        double sum = 0;
        unsigned kept = count - count / 20;
        qsort(took, count, sizeof *took, compare_samples);
        for (unsigned i = 0; i < kept; i++)
                sum += took[i];
        return sum / kept;
}

static void run_calls(struct seat *seat, const struct order *order, struct answer *answer)
{
        static const int long_life[] = {RESERVE, COMMIT, PROTECT, DECOMMIT, RELEASE};
        static const int short_life[] = {RESERVE, COMMIT, RELEASE_COMMITTED};
        static struct samples samples, unused;
        memset(&samples, 0, sizeof samples);
        memset(&unused, 0, sizeof unused);
        for (unsigned i = 0; answer->ok && i < WARMING; i++)
                answer->ok = live_once(seat, long_life, 5, &unused);
        for (uint64_t i = 0; answer->ok && i < order->count; i++)
                answer->ok = live_once(seat, long_life, 5, &samples) &&
                             live_once(seat, short_life, 3, &unused);
        memcpy(samples.took[RELEASE_COMMITTED], unused.took[RELEASE_COMMITTED],
               sizeof samples.took[RELEASE_COMMITTED]);
        samples.count[RELEASE_COMMITTED] = unused.count[RELEASE_COMMITTED];
        if (!answer->ok) {
                snprintf(answer->text, sizeof answer->text, "a call failed");
                return;
        }
        double cost = quire_bench_clock_cost();
        for (int call = 0; call < CALLS; call++) {
                answer->value[call] = average(samples.took[call], samples.count[call]) - cost;
                if (calls_of(seat)->bare_madvise && call != DECOMMIT)
                        answer->value[call] = -1;
        }
}

/* ------------------------------------------------------------------ the contests */

#define RAW(name_, touched_, bare_)                                                           \
        {.name = name_, .open = open_raw, .run = run_calls,                                   \
         .argument = &(const struct calls){.call = call_raw, .touched = touched_,             \
                                           .bare_madvise = bare_}}
#define OURS(name_, kind_, touched_, standing_)                                               \
        {.name = name_, .open = open_quire, .run = run_calls, .close = close_quire,           \
         .argument = &(const struct calls){.call = call_quire, .kind = kind_,                 \
                                           .touched = touched_, .standing = standing_}}
#define STANDING "1c  calls on a region of 1 MiB that stands alone, or among 10^6 regions"
#define EACH                                                                                  \
        {"reserve", "commit", "protect", "decommit", "release", "release, committed"}

static const struct contender bare[] = {
        RAW("raw calls", false, false),
        OURS("quire, plain", QUIRE_PLAIN, false, 0),
        OURS("quire, paged", QUIRE_PAGED, false, 0),
        RAW("raw madvise alone", false, true),
};
static const struct contender touched[] = {
        RAW("raw calls", true, false),
        OURS("quire, plain", QUIRE_PLAIN, true, 0),
        OURS("quire, paged", QUIRE_PAGED, true, 0),
        RAW("raw madvise alone", true, true),
};
static const struct contender paged[] = {
        OURS("no other region", QUIRE_PAGED, false, 0),
        OURS("10^6 regions", QUIRE_PAGED, false, 1000000),
};
static const struct contender plain[] = {
        OURS("no other region", QUIRE_PLAIN, false, 0),
        OURS("10^6 regions", QUIRE_PLAIN, false, 1000000),
};
static const struct aim aims[] = {
        {AIM_NONE, 0, 0}, {AIM_RATIO_MOST, 1.10, ~0u}, {AIM_NONE, 0, 0}, {AIM_NONE, 0, 0},
};

void quire_bench_calls(const struct bench *bench)
{
        struct contest contests[] = {
                {.group = "1a  calls on a region of 1 MiB, no page touched", .what = EACH,
                 .who = bare, .count = 4, .aims = aims},
                {.group = "1b  calls on a region of 1 MiB, all pages touched", .what = EACH,
                 .who = touched, .count = 4, .aims = aims},
                {.group = STANDING, .row = "paged", .what = EACH, .who = paged, .count = 2},
                {.group = STANDING, .row = "plain", .what = EACH, .who = plain, .count = 2},
        };
        for (unsigned i = 0; i < 4; i++) {
                struct order order = {.count = i == 1 ? 40 : 500};
                quire_bench_contest_open(&contests[i], bench);
                quire_bench_contest_run(&contests[i], &order, bench->quick ? 7 : 21);
                quire_bench_contest_close(&contests[i]);
        }
}
