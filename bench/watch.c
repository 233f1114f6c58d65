/*
 * watch.c - write watch: which pages of 1 GiB were written since I last asked?
 *
 * One round is one checkpoint of a program: 1 % of the pages, scattered, is
 * written once (the first write after arming, where the cost of noting lies),
 * and then the list of them is asked for and all is armed again.  The list must
 * be exactly the pages that were written.
 *
 * The reference is the classic barrier: mprotect the range read-only, let a
 * SIGSEGV handler note the page and make it writable, one mprotect of the whole
 * range to arm again.
 */
#include "bench.h"
#include "quire/process.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES (UINT64_C(1) << 18)
#define BYTES (PAGES * BENCH_PAGE)
#define DIRTY (PAGES / 100)

enum { FIRST_WRITE, GET_AND_ARM, CHECKPOINT };

struct watch {
        uint8_t *base;
        struct quire_process *process;
        uint64_t round;
        uint64_t written[DIRTY];        /* addresses, ascending */
};

/* -------------------------------------------------------- SIGSEGV and mprotect */

static struct {
        uint8_t *base;
        uint8_t dirty[PAGES];
} barrier;

static void note_write(int sig, siginfo_t *info, void *context)
{
        uint64_t page = (uint64_t)((uint8_t *)info->si_addr - barrier.base) / BENCH_PAGE;
        (void)context;
        if (page >= PAGES || mprotect(barrier.base + page * BENCH_PAGE, BENCH_PAGE,
                                      PROT_READ | PROT_WRITE) != 0) {
                signal(sig, SIG_DFL);
                return;
        }
        barrier.dirty[page] = 1;
}

static bool open_barrier(struct seat *seat, struct answer *answer)
{
        struct sigaction action = {.sa_sigaction = note_write, .sa_flags = SA_SIGINFO};
        struct watch *watch = calloc(1, sizeof *watch);
        if (!watch)
                abort();
        watch->base = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (watch->base == MAP_FAILED) {
                snprintf(answer->text, sizeof answer->text, "mmap: %s", strerror(errno));
                return false;
        }
        (void)madvise(watch->base, BYTES, MADV_NOHUGEPAGE);
        memset(watch->base, 1, BYTES);
        barrier.base = watch->base;
        seat->state = watch;
        sigaction(SIGSEGV, &action, NULL);
        return mprotect(watch->base, BYTES, PROT_READ) == 0;
}

static uint64_t get_barrier(struct watch *watch)
{
        uint64_t found = 0;
        for (uint64_t i = 0; i < PAGES; i++) {
                if (!barrier.dirty[i])
                        continue;
                barrier.dirty[i] = 0;
                if (found < DIRTY)
                        watch->written[found] = (uint64_t)(uintptr_t)watch->base + i * BENCH_PAGE;
                found++;
        }
        return mprotect(watch->base, BYTES, PROT_READ) == 0 ? found : 0;
}

/* ---------------------------------------------------------------------- Quire */

static bool open_quire(struct seat *seat, struct answer *answer)
{
        struct watch *watch = calloc(1, sizeof *watch);
        const struct quire_process_options options = {.memory = 1400 * MIB,
                                                      .pagefile = seat->bench->work};
        const struct quire_request request = {
                .bytes = BYTES,
                .kind = *(const enum quire_region_kind *)seat->who->argument,
                .flags = QUIRE_WATCHED,
        };
        uint64_t va;
        if (!watch)
                abort();
        if (quire_process_open(&options, &watch->process) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "%s", quire_process_problem());
                return false;
        }
        struct quire_space *space = quire_process_space(watch->process);
        if (quire_region_reserve(space, &request, &va) != QUIRE_OK ||
            quire_region_commit(space, va, BYTES, QUIRE_R | QUIRE_W) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "cannot reserve and commit 1 GiB");
                return false;
        }
        watch->base = (uint8_t *)(uintptr_t)va;
        memset(watch->base, 1, BYTES);
        seat->state = watch;
        return quire_watch_reset(space, va, BYTES) == QUIRE_OK;
}

static uint64_t get_quire(struct watch *watch)
{
        uint64_t found = DIRTY;
        struct quire_space *space = quire_process_space(watch->process);
        if (quire_watch_get(space, (uint64_t)(uintptr_t)watch->base, BYTES, true, watch->written,
                            &found) != QUIRE_OK)
                return 0;
        return found;
}

static void close_quire(struct seat *seat)
{
        quire_process_close(((struct watch *)seat->state)->process);
}

/* ------------------------------------------------------------------ the contest */

/* The pages of one round; each round others. */
static uint64_t choose_page(const struct watch *watch, uint64_t i)
{
        return quire_bench_shuffled((uint32_t)((watch->round * DIRTY + i) % PAGES), PAGES);
}

static bool is_exact(const struct watch *watch, uint64_t found)
{
        static uint8_t listed[PAGES];
        memset(listed, 0, sizeof listed);
        for (uint64_t i = 0; i < found && i < DIRTY; i++)
                listed[(watch->written[i] - (uint64_t)(uintptr_t)watch->base) / BENCH_PAGE] = 1;
        for (uint64_t i = 0; i < DIRTY; i++)
                if (!listed[choose_page(watch, i)])
                        return false;
        return found == DIRTY;
}

static void run_watch(struct seat *seat, const struct order *order, struct answer *answer)
{
        struct watch *watch = seat->state;
        (void)order;
        uint64_t start = quire_bench_clock();
        for (uint64_t i = 0; i < DIRTY; i++)
                *(volatile uint8_t *)(watch->base + choose_page(watch, i) * BENCH_PAGE) = 2;
        uint64_t middle = quire_bench_clock();
        uint64_t found = watch->process ? get_quire(watch) : get_barrier(watch);
        uint64_t end = quire_bench_clock();
        answer->value[FIRST_WRITE] = (double)(middle - start) / (double)DIRTY;
        answer->value[GET_AND_ARM] = (double)(end - middle);
        answer->value[CHECKPOINT] = (double)(end - start);
        answer->ok = is_exact(watch, found);
        if (!answer->ok)
                snprintf(answer->text, sizeof answer->text,
                         "%llu pages were written, %llu were listed",
                         (unsigned long long)DIRTY, (unsigned long long)found);
        watch->round++;
}

static const enum quire_region_kind plain = QUIRE_PLAIN, paged = QUIRE_PAGED;

static const struct contender contenders[] = {
        {.name = "SIGSEGV + mprotect", .open = open_barrier, .run = run_watch},
        {.name = "quire, plain", .open = open_quire, .run = run_watch, .close = close_quire,
         .argument = &plain},
        {.name = "quire, paged", .open = open_quire, .run = run_watch, .close = close_quire,
         .argument = &paged},
};

void quire_bench_watch(const struct bench *bench)
{
        struct contest contest = {
                .group = "4   write watch over 1 GiB, 1 % of the pages written",
                .what = {"first write after arming, a page", "get the list and arm again",
                         "both, all pages"},
                .who = contenders, .count = 3,
        };
        quire_bench_contest_open(&contest, bench);
        quire_bench_contest_run(&contest, &(struct order){.what = 0}, bench->quick ? 5 : 15);
        quire_bench_contest_close(&contest);
}
