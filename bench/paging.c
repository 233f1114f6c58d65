/*
 * paging.c - 1 GiB of data in a budget of 256 MiB (--quick: a quarter of both):
 * random, Zipf and sequential reads and writes.
 *
 * One access is one 8-byte word of a page.  Every read checks the page's tag,
 * every write counts in the page's second word, and at the end the counts are
 * added up: a contender that loses a page fails.
 *
 * Memory is counted alike for all: the kernel's swap and the file's mapping run
 * in a memory cgroup of the budget's size, page cache included; the pagers
 * (the plain one and Quire, whose compressed pages are inside its budget) count
 * their frames themselves and use O_DIRECT, and sit in a cgroup that tells their
 * peak.  In the warm contest everybody's file lies in the kernel's page cache,
 * so that what is compared is the pager and not the disk; there is no swap in it.
 *
 * The plain pager runs as the scheduler places its thread, and on one CPU with
 * the faulting thread; in the warm contest also on another CPU, which costs the
 * waking of an idle CPU at each fault.  Where it ran is noted on the line.
 *
 * Each pattern is first run untimed, for everybody at once, until its steady
 * state; then in interleaved windows of time.  The sequential pattern comes first,
 * when what was written together lies together in the files, and again last, when
 * the random patterns have scattered it ("aged").
 */
#include "bench.h"
#include "quire/file.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FULL (1024 * MIB)
#define BATCH 16u

enum { DO_ACCESSES, DO_CHECK };
enum place { AS_PLACED, TOGETHER, APART };

/* What a contender is made of. */
struct kind {
        bool (*map)(struct seat *, struct answer *);
        uint64_t (*misses)(const struct seat *);        /* null: major faults */
        void (*hint)(const struct seat *, int pattern);
        void (*settle)(const struct seat *);
        enum grain grain;
        bool buffered;
        enum place place;
        enum quire_faults faults;
        unsigned file;                                  /* flags of quire_file_open() */
};

struct paged {
        uint8_t *base;
        uint64_t pages;
        struct walk walk;
        bool walking;
        uint64_t writes;
        void *own;              /* the contender's pager or process */
};

static const struct kind *kind_of(const struct seat *seat)
{
        return seat->who->argument;
}

static void fill_pages(const struct seat *seat)
{
        const struct paged *paged = seat->state;
        for (uint64_t i = 0; i < paged->pages; i++)
                quire_bench_page_fill(paged->base + i * BENCH_PAGE, i, kind_of(seat)->grain);
}

/* ----------------------------------------------------- the kernel's contenders */

static bool map_swapped(struct seat *seat, struct answer *answer)
{
        struct paged *paged = seat->state;
        paged->base = mmap(NULL, paged->pages * BENCH_PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (paged->base == MAP_FAILED) {
                snprintf(answer->text, sizeof answer->text, "mmap: %s", strerror(errno));
                return false;
        }
        (void)madvise(paged->base, paged->pages * BENCH_PAGE, MADV_NOHUGEPAGE);
        fill_pages(seat);
        return true;
}

static bool map_file(struct seat *seat, struct answer *answer)
{
        struct paged *paged = seat->state;
        int fd = quire_bench_data_file(seat->bench->work, paged->pages, kind_of(seat)->grain,
                                       kind_of(seat)->buffered);
        if (fd < 0) {
                snprintf(answer->text, sizeof answer->text, "data file: %s", strerror(-fd));
                return false;
        }
        paged->base = mmap(NULL, paged->pages * BENCH_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                           fd, 0);
        close(fd);
        if (paged->base == MAP_FAILED)
                snprintf(answer->text, sizeof answer->text, "mmap: %s", strerror(errno));
        return paged->base != MAP_FAILED;
}

static void hint_mapping(const struct seat *seat, int pattern)
{
        const struct paged *paged = seat->state;
        (void)madvise(paged->base, paged->pages * BENCH_PAGE,
                      pattern == PATTERN_SEQUENTIAL ? MADV_SEQUENTIAL : MADV_RANDOM);
}

/* Dirty pages are written before others are measured, and nobody pays: this
 * flatters the mapping. */
static void settle_mapping(const struct seat *seat)
{
        const struct paged *paged = seat->state;
        (void)msync(paged->base, paged->pages * BENCH_PAGE, MS_SYNC);
}

/* ------------------------------------------------------------ the plain pager */

/* Apart: the other CPU that this process may use, if there is one. */
static void pin_both(struct pager *pager, enum place place)
{
        cpu_set_t allowed, one;
        int here = sched_getcpu(), there = here;
        sched_getaffinity(0, sizeof allowed, &allowed);
        for (int cpu = 0; place == APART && cpu < CPU_SETSIZE; cpu++)
                if (cpu != here && CPU_ISSET((unsigned)cpu, &allowed))
                        there = cpu;
        CPU_ZERO(&one);
        CPU_SET((unsigned)here, &one);
        (void)sched_setaffinity(0, sizeof one, &one);
        quire_bench_pager_pin(pager, there);
}

static bool map_pager(struct seat *seat, struct answer *answer)
{
        struct paged *paged = seat->state;
        const struct pager_options options = {
                .directory = seat->bench->work,
                .pages = paged->pages,
                .budget = paged->pages / 4,
                .grain = kind_of(seat)->grain,
                .buffered = kind_of(seat)->buffered,
        };
        struct pager *pager = quire_bench_pager_open(&options, answer->text, sizeof answer->text);
        answer->skip = !pager;
        paged->own = pager;
        if (!pager)
                return false;
        paged->base = quire_bench_pager_base(pager);
        if (kind_of(seat)->place != AS_PLACED)
                pin_both(pager, kind_of(seat)->place);
        return true;
}

static uint64_t pager_misses(const struct seat *seat)
{
        return quire_bench_pager_misses(((const struct paged *)seat->state)->own);
}

/* ---------------------------------------------------------------------- Quire */

static bool reserve_data(struct paged *paged)
{
        struct quire_space *space = quire_process_space(paged->own);
        const struct quire_request request = {.bytes = paged->pages * BENCH_PAGE,
                                              .kind = QUIRE_PAGED};
        uint64_t va;
        if (quire_region_reserve(space, &request, &va) != QUIRE_OK ||
            quire_region_commit(space, va, request.bytes, QUIRE_R | QUIRE_W) != QUIRE_OK)
                return false;
        paged->base = (uint8_t *)(uintptr_t)va;
        return true;
}

static bool open_quire(struct seat *seat, struct answer *answer)
{
        struct paged *paged = seat->state;
        struct quire_process *process;
        const struct quire_process_options options = {
                /* Records lie outside of Quire's budget: all told, it shall have what
                 * the others have.  The lines of the most memory show whether it had. */
                .memory = paged->pages / 4 * BENCH_PAGE * 9 / 10 / BENCH_PAGE * BENCH_PAGE,
                .pagefile = seat->bench->work,
                .faults = kind_of(seat)->faults,
                .buffered = kind_of(seat)->buffered,
        };
        if (quire_process_open(&options, &process) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "%s", quire_process_problem());
                return false;
        }
        paged->own = process;
        return true;
}

static bool map_quire(struct seat *seat, struct answer *answer)
{
        if (!open_quire(seat, answer))
                return false;
        if (!reserve_data(seat->state)) {
                snprintf(answer->text, sizeof answer->text, "cannot reserve and commit 1 GiB");
                return false;
        }
        fill_pages(seat);
        return true;
}

/* Only read: a view without W. */
static bool map_quire_file(struct seat *seat, struct answer *answer)
{
        struct paged *paged = seat->state;
        const struct quire_file_options options = {.flags = kind_of(seat)->file};
        struct quire_request request = {.bytes = paged->pages * BENCH_PAGE, .access = QUIRE_R};
        int fd = quire_bench_data_file(seat->bench->work, paged->pages, kind_of(seat)->grain,
                                       false);
        uint64_t va;
        if (fd < 0) {
                snprintf(answer->text, sizeof answer->text, "data file: %s", strerror(-fd));
                return false;
        }
        if (!open_quire(seat, answer))
                return false;
        if (quire_file_open(paged->own, fd, &options, &request.grant) != QUIRE_OK ||
            quire_region_reserve(quire_process_space(paged->own), &request, &va) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "cannot map the file");
                return false;
        }
        quire_grant_close(request.grant);
        close(fd);
        paged->base = (uint8_t *)(uintptr_t)va;
        return true;
}

/* Those that needed a transfer, as major faults do. */
static uint64_t count_ours(const struct seat *seat)
{
        struct quire_counters counters;
        const struct paged *paged = seat->state;
        quire_system_counters(quire_process_system(paged->own), &counters);
        return counters.faults_hard;
}

/* ------------------------------------------------------------- all of them alike */

static bool open_paged(struct seat *seat, struct answer *answer)
{
        struct paged *paged = calloc(1, sizeof *paged);
        if (!paged)
                abort();
        paged->pages = FULL / BENCH_PAGE / (seat->bench->quick ? 4 : 1);
        seat->state = paged;
        if (!kind_of(seat)->map(seat, answer))
                return false;
        /* All of them begin with as much resident as those that had to be filled. */
        for (uint64_t i = paged->pages * 3 / 4; i < paged->pages; i++)
                (void)*(volatile uint8_t *)(paged->base + i * BENCH_PAGE);
        return true;
}

static uint64_t count_misses(const struct seat *seat)
{
        struct rusage usage;
        if (kind_of(seat)->misses)
                return kind_of(seat)->misses(seat);
        getrusage(RUSAGE_SELF, &usage);
        return (uint64_t)usage.ru_majflt;
}

/* Of the whole process: its helper threads count. */
static double processor_time(void)
{
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bool touch(struct paged *paged, const uint32_t *pages, bool write)
{
        bool intact = true;
        for (unsigned i = 0; i < BATCH; i++) {
                uint64_t *word =
                        (uint64_t *)(void *)(paged->base + (uint64_t)pages[i] * BENCH_PAGE);
                if (write)              /* one instruction: the first access is a write */
                        __atomic_fetch_add(&word[1], 1, __ATOMIC_RELAXED);
                intact = __atomic_load_n(&word[0], __ATOMIC_RELAXED) ==
                                 quire_bench_page_tag(pages[i]) &&
                         intact;
        }
        paged->writes += write ? BATCH : 0;
        return intact;
}

static void access_pages(struct seat *seat, const struct order *order, struct answer *answer)
{
        struct paged *paged = seat->state;
        uint32_t pages[BATCH];
        uint64_t took = 0, done = 0, together = 0, limit = (uint64_t)(order->seconds * 1e9);

        if (!paged->walking || paged->walk.pattern != order->pattern) {
                quire_bench_walk_open(&paged->walk, order->pattern, paged->pages, 1);
                paged->walking = true;
                if (kind_of(seat)->hint)
                        kind_of(seat)->hint(seat, order->pattern);
        }
        uint64_t missed = count_misses(seat);
        double cpu = processor_time();
        while (took < limit && done < order->count) {
                quire_bench_walk_next(&paged->walk, pages, BATCH);
                uint64_t start = quire_bench_clock();
                answer->ok = touch(paged, pages, order->write) && answer->ok;
                took += quire_bench_clock() - start;
                done += BATCH;
                if (kind_of(seat)->map == map_pager)
                        together += sched_getcpu() == quire_bench_pager_cpu(paged->own) ? BATCH : 0;
        }
        if (!answer->ok)
                snprintf(answer->text, sizeof answer->text, "a page had wrong contents");
        answer->cpu = (processor_time() - cpu) / (double)done;
        answer->misses = (double)(count_misses(seat) - missed) / (double)done;
        if (kind_of(seat)->map == map_pager)
                answer->together = (double)together / (double)done;
        answer->value[0] = (double)took / (double)done;
        if (order->write && kind_of(seat)->settle)
                kind_of(seat)->settle(seat);
}

/* Every page, and every write that was made. */
static void check_pages(const struct seat *seat, struct answer *answer)
{
        const struct paged *paged = seat->state;
        uint64_t writes = 0, wrong = 0;
        for (uint64_t i = 0; i < paged->pages; i++) {
                const uint64_t *word = (const uint64_t *)(void *)(paged->base + i * BENCH_PAGE);
                wrong += word[0] != quire_bench_page_tag(i);
                writes += word[1];
        }
        answer->ok = wrong == 0 && writes == paged->writes;
        if (!answer->ok)
                snprintf(answer->text, sizeof answer->text,
                         "%llu pages wrong; %llu writes made, %llu found",
                         (unsigned long long)wrong, (unsigned long long)paged->writes,
                         (unsigned long long)writes);
}

static void run_paged(struct seat *seat, const struct order *order, struct answer *answer)
{
        if (order->what == DO_CHECK)
                check_pages(seat, answer);
        else
                access_pages(seat, order, answer);
}

static void close_paged(struct seat *seat)
{
        struct paged *paged = seat->state;
        if (kind_of(seat)->map == map_quire || kind_of(seat)->map == map_quire_file)
                quire_process_close(paged->own);
}

/* ------------------------------------------------------------------ the contests */

#define PAGER(grain_, buffered_, place_)                                                      \
        &(const struct kind){.map = map_pager, .misses = pager_misses, .grain = grain_,       \
                             .buffered = buffered_, .place = place_}
#define QUIRE(grain_, buffered_)                                                              \
        &(const struct kind){.map = map_quire, .misses = count_ours, .grain = grain_,       \
                             .buffered = buffered_, .faults = QUIRE_FAULTS_INLINE}
#define QUIRE_FILE(flags_)                                                                    \
        (&(const struct kind){.map = map_quire_file, .misses = count_ours,                    \
                              .grain = GRAIN_RANDOM, .file = flags_,                          \
                              .faults = QUIRE_FAULTS_INLINE})
#define FILE_MMAP(grain_, hint_)                                                              \
        (&(const struct kind){.map = map_file, .settle = settle_mapping, .hint = hint_,       \
                              .grain = grain_})
#define CONTENDER(name_, kind_)                                                               \
        .name = name_, .open = open_paged, .run = run_paged, .close = close_paged,            \
        .argument = kind_, .watched = true

#define COLD(grain_)                                                                          \
        {                                                                                     \
                {CONTENDER("quire", QUIRE(grain_, false))},                                   \
                {CONTENDER("kernel swap", (&(const struct kind){                              \
                         .map = map_swapped, .grain = grain_})),                              \
                 .limit = FULL / 4, .needs_swap = true},                                      \
                {CONTENDER("file mmap, as it comes", FILE_MMAP(grain_, NULL)),                \
                 .limit = FULL / 4},                                                          \
                {CONTENDER("file mmap, hinted", FILE_MMAP(grain_, hint_mapping)),             \
                 .limit = FULL / 4},                                                          \
                {CONTENDER("uffd thread, as placed", PAGER(grain_, false, AS_PLACED))},       \
                {CONTENDER("uffd thread, pinned", PAGER(grain_, false, TOGETHER))},           \
        }

static const struct contender cold_random[] = COLD(GRAIN_RANDOM);
static const struct contender cold_half[] = COLD(GRAIN_HALF);
static const struct contender warm_random[] = {
        {CONTENDER("quire", QUIRE(GRAIN_RANDOM, true))},
        {CONTENDER("uffd thread, as placed", PAGER(GRAIN_RANDOM, true, AS_PLACED))},
        {CONTENDER("uffd thread, pinned", PAGER(GRAIN_RANDOM, true, TOGETHER))},
        {CONTENDER("uffd thread, other CPU", PAGER(GRAIN_RANDOM, true, APART))},
};

static const struct contender files[] = {
        {CONTENDER("quire file, sole", QUIRE_FILE(QUIRE_FILE_SOLE)), .limit = FULL / 4},
        {CONTENDER("quire file, shared", QUIRE_FILE(0)), .limit = FULL / 4},
        {CONTENDER("file mmap, as it comes", FILE_MMAP(GRAIN_RANDOM, NULL)), .limit = FULL / 4},
        {CONTENDER("file mmap, hinted", FILE_MMAP(GRAIN_RANDOM, hint_mapping)),
         .limit = FULL / 4},
        {CONTENDER("uffd thread, as placed", PAGER(GRAIN_RANDOM, false, AS_PLACED))},
};

static const struct aim file_aims[] = {
        {AIM_NONE, 0, 0}, {AIM_NONE, 0, 0}, {AIM_RATIO_LEAST, 1.00, 1},
        {AIM_RATIO_LEAST, 1.00, 1}, {AIM_NONE, 0, 0},
};

static const struct aim cold_aims[] = {
        {AIM_NONE, 0, 0}, {AIM_RATIO_LEAST, 1.00, 1}, {AIM_NONE, 0, 0},
        {AIM_NONE, 0, 0}, {AIM_NONE, 0, 0}, {AIM_NONE, 0, 0},
};
static const struct aim warm_aims[] = {
        {AIM_NONE, 0, 0}, {AIM_RATIO_LEAST, 10.0, 1}, {AIM_RATIO_LEAST, 1.50, 1},
        {AIM_NONE, 0, 0},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Reads come first and bring the pattern's steady state about; writes inherit it. */
static void play_pattern(struct contest *contest, const struct bench *bench, int pattern,
                         const char *name)
{
        for (int write = 0; write <= (contest->who != files); write++) {
                char what[32];
                struct order order = {.what = DO_ACCESSES, .pattern = pattern, .write = write,
                                      .seconds = write ? 3 : 8, .count = UINT64_C(1) << 18};
                if (bench->quick)
                        order.seconds /= 8;
                quire_bench_contest_warm(contest, &order);
                order.seconds = bench->quick ? 0.1 : 0.35;
                order.count = UINT64_MAX;
                snprintf(what, sizeof what, "%s %s", name, write ? "write" : "read");
                contest->what[0] = what;
                quire_bench_contest_run(contest, &order, bench->quick ? 3 : 5);
        }
}

static void play(struct contest *contest, const struct bench *bench)
{
        quire_bench_contest_open(contest, bench);
        play_pattern(contest, bench, PATTERN_SEQUENTIAL, "sequential");
        play_pattern(contest, bench, PATTERN_RANDOM, "random");
        play_pattern(contest, bench, PATTERN_ZIPF, "zipf");
        play_pattern(contest, bench, PATTERN_SEQUENTIAL, "sequential, aged,");
        contest->row = "all pages and writes accounted for";
        quire_bench_contest_warm(contest, &(struct order){.what = DO_CHECK});
        quire_bench_contest_peaks(contest, FULL / (bench->quick ? 16 : 4));
        quire_bench_contest_close(contest);
}

/* A file of four times the memory, only read. */
void quire_bench_files(const struct bench *bench)
{
        struct contest contest = {
                .group = bench->quick ? "3d  a file of 256 MiB in 64 MiB, only read: per access"
                                      : "3d  a file of 1 GiB in 256 MiB, only read: per access",
                .who = files, .aims = file_aims, .count = COUNT(files),
        };
        quire_bench_contest_open(&contest, bench);
        play_pattern(&contest, bench, PATTERN_SEQUENTIAL, "sequential");
        play_pattern(&contest, bench, PATTERN_RANDOM, "random");
        play_pattern(&contest, bench, PATTERN_ZIPF, "zipf");
        contest.row = "all pages right";
        quire_bench_contest_warm(&contest, &(struct order){.what = DO_CHECK});
        quire_bench_contest_peaks(&contest, FULL / (bench->quick ? 16 : 4));
        quire_bench_contest_close(&contest);
}

void quire_bench_paging(const struct bench *bench)
{
        struct contest full[] = {
                {.group = "3a  1 GiB in 256 MiB, a disk below, incompressible data: per access"},
                {.group = "3b  1 GiB in 256 MiB, a disk below, half-compressible: per access"},
                {.group = "3c  1 GiB in 256 MiB, warm files (page cache below): per access"},
        };
        struct contest quick[] = {
                {.group = "3a  256 MiB in 64 MiB, a disk below, incompressible data: per access"},
                {.group = "3b  256 MiB in 64 MiB, a disk below, half-compressible: per access"},
                {.group = "3c  256 MiB in 64 MiB, warm files (page cache below): per access"},
        };
        static const struct {
                const struct contender *who;
                const struct aim *aims;
                unsigned count;
        } sides[] = {
                {cold_random, cold_aims, COUNT(cold_random)},
                {cold_half, cold_aims, COUNT(cold_half)},
                {warm_random, warm_aims, COUNT(warm_random)},
        };
        for (unsigned i = 0; i < COUNT(sides); i++) {
                struct contest *contest = bench->quick ? &quick[i] : &full[i];
                contest->who = sides[i].who;
                contest->aims = sides[i].aims;
                contest->count = sides[i].count;
                play(contest, bench);
        }
}
