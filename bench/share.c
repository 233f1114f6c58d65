/*
 * share.c - what sharing costs: a page that is there already, seen for the first time
 * by somebody else; a write that makes a copy; a page that user code supplies.
 *
 *      second view      in the same process; the object is resident
 *      second process   a child of fork, by its own page tables
 *      copy-on-write    the page was read, and is written; of a paged object the copy counts
 *                       against the budget and can leave, of a hosted one the kernel has it
 *      null callback    a pager that does nothing and says that it is done: what is left
 *                       is the way there and back
 *
 * The kernel's are the same with mappings of a memfd.  Its faults bring in sixteen
 * pages that are there already; so do Quire's.
 */
#include "bench.h"
#include "quire/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES (UINT64_C(1) << 13)
#define BYTES (PAGES * BENCH_PAGE)

enum { VIEW_RANDOM, VIEW_SEQUENTIAL, PROCESS, COPY, COPY_HOSTED, CALLBACK, CALLBACK_RUNS,
       CALLBACK_THREAD };

struct state {
        int fd;
        uint8_t *base;
        struct quire_process *process;
        struct quire_space *space;
        struct quire_grant *object, *hosted;
        double *told;                   /* by a child of ours */
};

static void fill_all(uint8_t *base)
{
        for (uint64_t i = 0; i < PAGES; i++)
                memset(base + i * BENCH_PAGE, (int)i, BENCH_PAGE);
}

/* Nanoseconds a page, of a child that reads what we have. */
static double read_in_child(const struct state *state, uint8_t *base)
{
        pid_t pid = fork();
        *state->told = pid < 0 ? -1 : *state->told;
        if (pid == 0) {
                *state->told = quire_bench_touch(base, PAGES, false, false);
                _exit(0);
        }
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return *state->told;
}

static struct state *new_state(void)
{
        struct state *state = calloc(1, sizeof *state);
        if (!state)
                abort();
        state->told = mmap(NULL, BENCH_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                           0);
        if (state->told == MAP_FAILED)
                abort();
        return state;
}

/* ------------------------------------------------------------------ the kernel */

static uint8_t *map_file(const struct state *state, int flags)
{
        void *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, state->fd, 0);
        return at == MAP_FAILED ? NULL : at;
}

static bool open_kernel(struct seat *seat, struct answer *answer)
{
        struct state *state = new_state();
        seat->state = state;
        state->fd = memfd_create("share", MFD_CLOEXEC);
        if (state->fd < 0 || ftruncate(state->fd, (off_t)BYTES) != 0 ||
            !(state->base = map_file(state, MAP_SHARED))) {
                snprintf(answer->text, sizeof answer->text, "memfd: %s", strerror(errno));
                return false;
        }
        fill_all(state->base);
        return true;
}

static void run_kernel(struct seat *seat, const struct order *order, struct answer *answer)
{
        const struct state *state = seat->state;
        (void)order;
        for (int value = 0; value < BENCH_VALUES; value++)
                answer->value[value] = -1;
        for (int value = VIEW_RANDOM; value <= VIEW_SEQUENTIAL; value++) {
                uint8_t *view = map_file(state, MAP_SHARED);
                answer->value[value] = quire_bench_touch(view, PAGES, value == VIEW_RANDOM, false);
                munmap(view, BYTES);
        }
        answer->value[PROCESS] = read_in_child(state, state->base);
        uint8_t *copy = map_file(state, MAP_PRIVATE);
        (void)quire_bench_touch(copy, PAGES, false, false);
        answer->value[COPY] = quire_bench_touch(copy, PAGES, true, true);
        answer->value[COPY_HOSTED] = answer->value[COPY];
        munmap(copy, BYTES);
}

/* ---------------------------------------------------------------------- Quire */

static enum quire_status fill_nothing(void *context, uint64_t offset, uint64_t bytes,
                                      unsigned access, void *const page[])
{
        (void)context, (void)offset, (void)bytes, (void)access, (void)page;
        return QUIRE_OK;
}

static const struct quire_pager null_pager = {.fill = fill_nothing, .most = 16};

static uint8_t *map_grant(const struct state *state, struct quire_grant *grant, unsigned access,
                          unsigned flags)
{
        const struct quire_request request = {.bytes = BYTES, .grant = grant, .access = access,
                                              .flags = flags};
        uint64_t va;
        return quire_region_reserve(state->space, &request, &va) == QUIRE_OK
                       ? (uint8_t *)(uintptr_t)va : NULL;
}

static void unmap(const struct state *state, const uint8_t *base)
{
        if (quire_region_release(state->space, (uint64_t)(uintptr_t)base, 0) != QUIRE_OK)
                abort();
}

static bool open_quire(struct seat *seat, struct answer *answer)
{
        struct state *state = new_state();
        const struct quire_process_options options = {.memory = 4 * BYTES,
                                                      .pagefile = seat->bench->work,
                                                      .faults = QUIRE_FAULTS_INLINE};
        const struct quire_object_request paged = {.bytes = BYTES};
        const struct quire_object_request hosted = {.bytes = BYTES, .flags = QUIRE_HOSTED};
        seat->state = state;
        if (quire_process_open(&options, &state->process) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "%s", quire_process_problem());
                return false;
        }
        struct quire_system *system = quire_process_system(state->process);
        state->space = quire_process_space(state->process);
        if (quire_object_open(system, &paged, &state->object) != QUIRE_OK ||
            quire_object_open(system, &hosted, &state->hosted) != QUIRE_OK ||
            !(state->base = map_grant(state, state->object, QUIRE_R | QUIRE_W, 0))) {
                snprintf(answer->text, sizeof answer->text, "objects can not be shared here");
                answer->skip = true;
                return false;
        }
        fill_all(state->base);
        return true;
}

/* A fresh object of the null pager's, mapped and touched. */
static double call_back(const struct state *state, int value)
{
        const struct quire_object_request request = {
                .bytes = BYTES, .kind = QUIRE_CALLBACK, .pager = &null_pager, .flags = QUIRE_SOLE,
        };
        struct quire_server *server = NULL;
        struct quire_grant *grant;
        enum quire_status st =
                value == CALLBACK_THREAD
                        ? quire_server_open(state->process, &request, 1, &grant, &server)
                        : quire_object_open(quire_process_system(state->process), &request, &grant);
        if (st != QUIRE_OK)
                return -1;
        uint8_t *base = map_grant(state, grant, QUIRE_R, 0);
        quire_grant_close(grant);
        if (value == CALLBACK_RUNS &&
            quire_region_advise(state->space, (uint64_t)(uintptr_t)base, BYTES,
                                QUIRE_SEQUENTIAL) != QUIRE_OK)
                return -1;
        double took = quire_bench_touch(base, PAGES, value != CALLBACK_RUNS, false);
        unmap(state, base);
        if (server && quire_server_close(server) != QUIRE_OK)
                return -1;
        return took;
}

/* Each page of a view that copies is read, and then written. */
static double write_copies(const struct state *state, struct quire_grant *grant)
{
        uint8_t *copy = map_grant(state, grant, QUIRE_R | QUIRE_W, QUIRE_COPY);
        (void)quire_bench_touch(copy, PAGES, false, false);
        double took = quire_bench_touch(copy, PAGES, true, true);
        unmap(state, copy);
        return took;
}

static void run_quire(struct seat *seat, const struct order *order, struct answer *answer)
{
        const struct state *state = seat->state;
        (void)order;
        for (int value = 0; value < BENCH_VALUES; value++)
                answer->value[value] = -1;
        for (int value = VIEW_RANDOM; value <= VIEW_SEQUENTIAL; value++) {
                uint8_t *view = map_grant(state, state->object, QUIRE_R, 0);
                answer->value[value] = quire_bench_touch(view, PAGES, value == VIEW_RANDOM, false);
                unmap(state, view);
        }
        uint8_t *shared = map_grant(state, state->hosted, QUIRE_R | QUIRE_W, 0);
        fill_all(shared);
        answer->value[PROCESS] = read_in_child(state, shared);
        unmap(state, shared);
        answer->value[COPY] = write_copies(state, state->object);
        answer->value[COPY_HOSTED] = write_copies(state, state->hosted);
}

static void run_callback(struct seat *seat, const struct order *order, struct answer *answer)
{
        const int *value = seat->who->argument;
        (void)order;
        for (int i = 0; i < BENCH_VALUES; i++)
                answer->value[i] = -1;
        answer->value[*value] = call_back(seat->state, *value);
}

static void close_quire(struct seat *seat)
{
        const struct state *state = seat->state;
        unmap(state, state->base);
        quire_grant_close(state->object);
        quire_grant_close(state->hosted);
        quire_process_close(state->process);
}

/* ------------------------------------------------------------------ the contest */

static const int alone = CALLBACK, in_runs = CALLBACK_RUNS, by_thread = CALLBACK_THREAD;

static const struct contender contenders[] = {
        {.name = "kernel, a memfd", .open = open_kernel, .run = run_kernel},
        {.name = "quire", .open = open_quire, .run = run_quire, .close = close_quire},
        {.name = "in the faulting thread", .open = open_quire, .run = run_callback,
         .close = close_quire, .argument = &alone},
        {.name = "the same, SEQUENTIAL", .open = open_quire, .run = run_callback,
         .close = close_quire, .argument = &in_runs},
        {.name = "quire_server_open", .open = open_quire, .run = run_callback,
         .close = close_quire, .argument = &by_thread},
};

static const struct aim aims[] = {
        {AIM_NONE, 0, 0},
        {AIM_RATIO_MOST, 1.5, 1u << COPY | 1u << COPY_HOSTED},
        {AIM_VALUE_MOST, 6000, 1u << CALLBACK},
        {AIM_VALUE_MOST, 600, 1u << CALLBACK_RUNS},
        {AIM_NONE, 0, 0},
};

void quire_bench_share(const struct bench *bench)
{
        struct contest contest = {
                .group = "2s  sharing: per page",
                .what = {"first read, second view, random order",
                         "first read, second view, in sequence",
                         "first read, second process", "copy-on-write, random order",
                         "copy-on-write, hosted, random order",
                         "null callback, random order", "null callback, in runs of 16",
                         "null callback in a thread, random"},
                .who = contenders, .count = 5, .aims = aims,
        };
        quire_bench_contest_open(&contest, bench);
        quire_bench_contest_run(&contest, &(struct order){0}, bench->quick ? 3 : 7);
        quire_bench_contest_close(&contest);
        quire_bench_clone(bench);
}
