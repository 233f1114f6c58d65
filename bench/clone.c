/*
 * clone.c - a copy of 1 GiB of resident memory (--quick: a quarter): fork() of a process that
 * has it, and quire_space_clone() of a space that has it, on the x86-64 page tables in
 * simulated physical memory.
 *
 * Both copy page tables and make everything copy-on-write, and copy no page; the
 * child is not run, and ends at once.
 */
#include "bench.h"
#include "host.h"
#include "quire/quire.h"
#include "x86_64.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAKE, END };

struct state {
        struct quire_sim_host *host;
        struct quire_x86 *machine;
        struct quire_system *system;
        struct quire_space *space;
};

static uint64_t bytes_of(const struct bench *bench)
{
        return (bench->quick ? 256 : 1024) * MIB;
}

static bool open_resident(struct seat *seat, struct answer *answer)
{
        uint64_t bytes = bytes_of(seat->bench);
        uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) {
                snprintf(answer->text, sizeof answer->text, "mmap: %s", strerror(errno));
                return false;
        }
        (void)madvise(at, bytes, MADV_NOHUGEPAGE);
        for (uint64_t i = 0; i < bytes; i += BENCH_PAGE)
                at[i] = 1;
        return true;
}

static void run_fork(struct seat *seat, const struct order *order, struct answer *answer)
{
        (void)seat;
        (void)order;
        uint64_t start = quire_bench_clock();
        pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        uint64_t made = quire_bench_clock();
        answer->ok = pid > 0;
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        answer->value[MAKE] = (double)(made - start);
        answer->value[END] = (double)(quire_bench_clock() - made);
}

static bool open_machine(struct state *state, uint64_t pages)
{
        const struct quire_sim_host_options host = {.page_shift = 12};
        state->host = quire_sim_host_open(&host);
        const struct quire_x86_options options = {.host = state->host, .frames = pages + 4096};
        state->machine = state->host ? quire_x86_open(&options) : NULL;
        if (!state->machine)
                return false;
        const struct quire_config config = {
                .machine_ops = quire_x86_ops(state->machine),
                .machine = quire_x86_handle(state->machine),
                .host_ops = quire_sim_host_ops(state->host),
                .host = quire_sim_host_handle(state->host),
                .budget = (pages + 2048) * BENCH_PAGE,
                .commit_limit = 4 * pages * BENCH_PAGE,
        };
        return quire_system_open(&config, &state->system) == QUIRE_OK &&
               quire_space_open(state->system, &quire_layout_64, &state->space) == QUIRE_OK;
}

static bool open_space(struct seat *seat, struct answer *answer)
{
        struct state *state = calloc(1, sizeof *state);
        uint64_t bytes = bytes_of(seat->bench), va;
        const struct quire_request request = {.bytes = bytes};
        uint8_t byte = 1;
        seat->state = state;
        if (!state || !open_machine(state, bytes / BENCH_PAGE) ||
            quire_region_reserve(state->space, &request, &va) != QUIRE_OK ||
            quire_region_commit(state->space, va, bytes, QUIRE_R | QUIRE_W) != QUIRE_OK) {
                snprintf(answer->text, sizeof answer->text, "the machine can not be opened");
                return false;
        }
        struct quire_mspace *mspace = quire_x86_space(state->machine, state->space);
        for (uint64_t i = 0; i < bytes; i += BENCH_PAGE)
                answer->ok = quire_x86_access(state->machine, mspace, va + i, QUIRE_W, &byte, 1) ==
                             QUIRE_OK && (i == 0 || answer->ok);
        if (!answer->ok)
                snprintf(answer->text, sizeof answer->text, "an access was denied");
        return answer->ok;
}

static void run_clone(struct seat *seat, const struct order *order, struct answer *answer)
{
        const struct state *state = seat->state;
        struct quire_space *copy;
        (void)order;
        uint64_t start = quire_bench_clock();
        answer->ok = quire_space_clone(state->space, &copy) == QUIRE_OK;
        uint64_t made = quire_bench_clock();
        if (answer->ok)
                quire_space_close(copy);
        else
                snprintf(answer->text, sizeof answer->text, "quire_space_clone failed");
        answer->value[MAKE] = (double)(made - start);
        answer->value[END] = (double)(quire_bench_clock() - made);
}

static const struct contender contenders[] = {
        {.name = "fork", .open = open_resident, .run = run_fork},
        {.name = "quire, x86-64 tables", .open = open_space, .run = run_clone},
};

static const struct aim aims[] = {{AIM_NONE, 0, 0}, {AIM_RATIO_MOST, 1.0, 1u << MAKE}};

void quire_bench_clone(const struct bench *bench)
{
        struct contest contest = {
                .group = bench->quick ? "2c  a copy of 256 MiB of resident memory"
                                      : "2c  a copy of 1 GiB of resident memory",
                .what = {"made", "and ended"},
                .who = contenders, .count = 2, .aims = aims,
        };
        quire_bench_contest_open(&contest, bench);
        quire_bench_contest_run(&contest, &(struct order){0}, bench->quick ? 3 : 5);
        quire_bench_contest_close(&contest);
}
