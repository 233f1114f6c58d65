/*
 * faults.c - one fault that needs no I/O, there and back.
 *
 *   first touch   a committed page that was never touched is filled with
 *                 zeroes; in random order, where nothing can be guessed, and
 *                 in sequence
 *   soft          the page is resident but hidden: the whole region was made
 *                 inaccessible and accessible again
 *   compressed    the page comes back from the compressed tier, half of it noise
 *
 * The reference is the kernel's own demand-zero fault in the same order.  "bare
 * mechanism" is the least that a fault resolved in the faulting thread can cost
 * here: a SIGBUS handler that does nothing but one UFFDIO_MOVE.
 */
#include "bench.h"
#include "kernel.h"
#include "quire/process.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES (UINT64_C(1) << 13)
#define BYTES (PAGES * BENCH_PAGE)

enum { RANDOM_TOUCH, SEQUENTIAL_TOUCH, SOFT, COMPRESSED, VALUES };

struct state {
        uint8_t *base;
        struct quire_process *process;
};

static double touch_all(uint8_t *base, bool shuffled)
{
        return quire_bench_touch(base, PAGES, shuffled, true);
}

static uint8_t *map_anonymous(uint64_t bytes)
{
        void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
                return NULL;
        (void)madvise(at, bytes, MADV_NOHUGEPAGE);
        return at;
}

/* ------------------------------------------------------------------ the kernel */

static bool open_kernel(struct seat *seat, struct answer *answer)
{
        struct state *state = calloc(1, sizeof *state);
        if (!state || !(state->base = map_anonymous(BYTES))) {
                snprintf(answer->text, sizeof answer->text, "mmap: %s", strerror(errno));
                return false;
        }
        seat->state = state;
        return true;
}

static void run_kernel(struct seat *seat, const struct order *order, struct answer *answer)
{
        struct state *state = seat->state;
        (void)order;
        answer->value[SOFT] = answer->value[COMPRESSED] = -1;
        madvise(state->base, BYTES, MADV_DONTNEED);
        answer->value[RANDOM_TOUCH] = touch_all(state->base, true);
        madvise(state->base, BYTES, MADV_DONTNEED);
        answer->value[SEQUENTIAL_TOUCH] = touch_all(state->base, false);
}

/* ---------------------------------------------------------- the bare mechanism */

static struct {
        int uffd;
        uint8_t *pool;
        uint64_t next;
} bare;

/* Only ioctl: async-signal-safe. */
static void move_page(int sig, siginfo_t *info, void *context)
{
        uint64_t at = (uint64_t)(uintptr_t)info->si_addr & ~(uint64_t)(BENCH_PAGE - 1);
        struct uffdio_move move = {
                .dst = at,
                .src = (uint64_t)(uintptr_t)(bare.pool + bare.next++ % PAGES * BENCH_PAGE),
                .len = BENCH_PAGE,
        };
        (void)context;
        if (ioctl(bare.uffd, UFFDIO_MOVE, &move) != 0)
                signal(sig, SIG_DFL);
}

static bool open_bare(struct seat *seat, struct answer *answer)
{
        struct sigaction action = {.sa_sigaction = move_page, .sa_flags = SA_SIGINFO};
        struct uffdio_api api = {.api = UFFD_API,
                                 .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MOVE};
        if (!open_kernel(seat, answer))
                return false;
        struct state *state = seat->state;
        struct uffdio_register all = {
                .range = {.start = (uint64_t)(uintptr_t)state->base, .len = BYTES},
                .mode = UFFDIO_REGISTER_MODE_MISSING,
        };
        bare.pool = map_anonymous(BYTES);
        bare.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
        if (!bare.pool || bare.uffd < 0 || ioctl(bare.uffd, UFFDIO_API, &api) != 0 ||
            ioctl(bare.uffd, UFFDIO_REGISTER, &all) != 0) {
                answer->skip = true;
                snprintf(answer->text, sizeof answer->text, "no UFFDIO_MOVE: %s",
                         strerror(errno));
                return false;
        }
        sigaction(SIGBUS, &action, NULL);
        return true;
}

static void run_bare(struct seat *seat, const struct order *order, struct answer *answer)
{
        struct state *state = seat->state;
        (void)order;
        answer->value[SOFT] = answer->value[COMPRESSED] = -1;
        for (int value = RANDOM_TOUCH; value <= SEQUENTIAL_TOUCH; value++) {
                madvise(state->base, BYTES, MADV_DONTNEED);
                memset(bare.pool, 0, BYTES);
                answer->value[value] = touch_all(state->base, value == RANDOM_TOUCH);
        }
}

/* ---------------------------------------------------------------------- Quire */

static bool open_quire(struct seat *seat, struct answer *answer)
{
        struct state *state = calloc(1, sizeof *state);
        const struct quire_process_options options = {
                .memory = 256 * MIB,
                .pagefile = seat->bench->work,
                .faults = *(const enum quire_faults *)seat->who->argument,
        };
        const struct quire_request request = {.bytes = BYTES, .kind = QUIRE_PAGED};
        uint64_t va;
        if (!state)
                abort();
        if (quire_process_open(&options, &state->process) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "%s", quire_process_problem());
                return false;
        }
        struct quire_space *space = quire_process_space(state->process);
        if (quire_region_reserve(space, &request, &va) != QUIRE_OK ||
            quire_region_commit(space, va, BYTES, QUIRE_R | QUIRE_W) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "cannot reserve and commit");
                return false;
        }
        state->base = (uint8_t *)(uintptr_t)va;
        seat->state = state;
        return true;
}

static uint64_t count_faults(const struct state *state, int value)
{
        struct quire_counters counters;
        quire_system_counters(quire_process_system(state->process), &counters);
        return value == SOFT ? counters.faults_soft
               : value == COMPRESSED ? counters.faults_tier : counters.faults_zero;
}

/* Bring about that the next touches are faults of this kind. */
static bool prepare_faults(const struct state *state, int value)
{
        struct quire_space *space = quire_process_space(state->process);
        uint64_t va = (uint64_t)(uintptr_t)state->base;
        if (value == SOFT)
                return quire_region_protect(space, va, BYTES, 0, NULL) == QUIRE_OK &&
                       quire_region_protect(space, va, BYTES, QUIRE_R | QUIRE_W, NULL) ==
                               QUIRE_OK;
        if (value != COMPRESSED)
                return quire_region_discard(space, va, BYTES) == QUIRE_OK;
        for (uint64_t i = 0; i < PAGES; i++)
                quire_bench_page_fill(state->base + i * BENCH_PAGE, i, GRAIN_HALF);
        return quire_region_advise(space, va, BYTES, QUIRE_WONT_NEED) == QUIRE_OK;
}

static void run_quire(struct seat *seat, const struct order *order, struct answer *answer)
{
        struct state *state = seat->state;
        (void)order;
        for (int value = 0; value < VALUES; value++) {
                if (!prepare_faults(state, value)) {
                        answer->ok = false;
                        snprintf(answer->text, sizeof answer->text, "a call failed");
                        return;
                }
                uint64_t before = count_faults(state, value);
                answer->value[value] = touch_all(state->base, value != SEQUENTIAL_TOUCH);
                uint64_t faults = count_faults(state, value) - before;
                /* Fewer faults than pages: it is not what the row says.  In
                 * sequence that is the point. */
                if (value != SEQUENTIAL_TOUCH && faults < PAGES * 9 / 10)
                        answer->value[value] = -1;
        }
}

static void close_quire(struct seat *seat)
{
        quire_process_close(((struct state *)seat->state)->process);
}

/* ------------------------------------------------------------------ the contest */

static const enum quire_faults by_thread = QUIRE_FAULTS_THREAD, in_line = QUIRE_FAULTS_INLINE;

static const struct contender contenders[] = {
        {.name = "kernel demand-zero", .open = open_kernel, .run = run_kernel},
        {.name = "bare mechanism", .open = open_bare, .run = run_bare},
        {.name = "quire", .open = open_quire, .run = run_quire, .close = close_quire,
         .argument = &in_line},
        {.name = "quire, handler threads", .open = open_quire, .run = run_quire,
         .close = close_quire, .argument = &by_thread},
};

static const struct aim aims[] = {
        {AIM_NONE, 0, 0},
        {AIM_NONE, 0, 0},
        {AIM_VALUE_MOST, 6000, 1u << RANDOM_TOUCH | 1u << SEQUENTIAL_TOUCH | 1u << SOFT},
        {AIM_NONE, 0, 0},
};

void quire_bench_faults(const struct bench *bench)
{
        struct contest contest = {
                .group = "2   one fault without I/O, round trip: per page",
                .what = {"first touch, random order", "first touch, in sequence",
                         "soft, random order", "from the compressed tier, random"},
                .who = contenders, .count = 4, .aims = aims,
        };
        quire_bench_contest_open(&contest, bench);
        quire_bench_contest_run(&contest, &(struct order){.what = 0}, bench->quick ? 5 : 15);
        quire_bench_contest_close(&contest);
}
