/*
 * contest.c - contenders against each other: interleaved rounds, and what
 * comes of them.
 *
 * Every round asks each contender once, and each round begins with another
 * one, so that whatever else the machine does meets all of them alike.  Ratios
 * are medians of the ratios of one round, not ratios of medians: what disturbs
 * a round disturbs both sides of its ratio.
 */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between two turns, so that write-back of one does not meet the next. */
#define PAUSE_US 10000

struct result {
        double value[BENCH_VALUES][BENCH_ROUNDS];
        double misses[BENCH_ROUNDS], cpu[BENCH_ROUNDS], together[BENCH_ROUNDS];
};

static void add_remark(const struct contest *contest, const char *what, unsigned who,
                       const struct answer *answer)
{
        struct line line = {.group = contest->group, .state = answer->skip ? SKIPPED : FAILED};
        snprintf(line.what, sizeof line.what, "%s", what ? what : "");
        snprintf(line.who, sizeof line.who, "%s", contest->who[who].name);
        snprintf(line.note, sizeof line.note, "%s", answer->text);
        quire_bench_table_add(&line);
}

/* A child that failed says so once, and is out of the contest. */
static void expel(struct contest *contest, unsigned i, const struct answer *answer)
{
        add_remark(contest, contest->row, i, answer);
        quire_bench_child_close(contest->child[i]);
        contest->child[i] = NULL;
}

/* Null: it may try. */
static const char *find_problem(const struct bench *bench, const struct contender *who)
{
        const char *problem = NULL;
        if (who->limit)
                problem = quire_bench_limit_cgroup();
        if (who->needs_swap && !problem)
                problem = quire_bench_limit_swap(bench, 2048 * MIB);
        return problem;
}

void quire_bench_contest_open(struct contest *contest, const struct bench *bench)
{
        struct answer answer = {.skip = true};
        for (unsigned i = 0; i < contest->count; i++) {
                const char *problem = find_problem(bench, &contest->who[i]);
                contest->child[i] = NULL;
                if (!problem) {
                        contest->child[i] = quire_bench_child_open(bench, &contest->who[i]);
                        continue;
                }
                snprintf(answer.text, sizeof answer.text, "%s", problem);
                add_remark(contest, contest->row, i, &answer);
        }
        for (unsigned i = 0; i < contest->count; i++) {
                if (!contest->child[i])
                        continue;
                quire_bench_child_await(contest->child[i], &answer);
                if (!answer.ok)
                        expel(contest, i, &answer);
        }
}

void quire_bench_contest_warm(struct contest *contest, const struct order *order)
{
        for (unsigned i = 0; i < contest->count; i++)
                if (contest->child[i])
                        quire_bench_child_order(contest->child[i], order);
        for (unsigned i = 0; i < contest->count; i++) {
                struct answer answer;
                if (!contest->child[i])
                        continue;
                quire_bench_child_await(contest->child[i], &answer);
                if (!answer.ok)
                        expel(contest, i, &answer);
        }
}

static void play_round(struct contest *contest, const struct order *order, unsigned round,
                       struct result *results)
{
        for (unsigned k = 0; k < contest->count; k++) {
                unsigned i = (k + round) % contest->count;
                struct answer answer;
                if (!contest->child[i])
                        continue;
                quire_bench_child_order(contest->child[i], order);
                quire_bench_child_await(contest->child[i], &answer);
                if (!answer.ok) {
                        expel(contest, i, &answer);
                        continue;
                }
                for (unsigned v = 0; v < BENCH_VALUES; v++)
                        results[i].value[v][round] = answer.value[v];
                results[i].misses[round] = answer.misses;
                results[i].cpu[round] = answer.cpu;
                results[i].together[round] = answer.together;
                usleep(PAUSE_US);
        }
}

/* Lowest, median and highest of the rounds. */
static void summarize(struct line *line, const double *values, unsigned rounds)
{
        line->low = line->high = values[0];
        for (unsigned i = 1; i < rounds; i++) {
                if (values[i] < line->low)
                        line->low = values[i];
                if (values[i] > line->high)
                        line->high = values[i];
        }
        line->median = quire_bench_median(values, rounds);
}

/* What else was seen: of no weight in any ratio, and good to know. */
static void describe(struct line *line, const struct result *result, unsigned rounds)
{
        char cpu[48] = "", place[48] = "";
        double misses = quire_bench_median(result->misses, rounds);
        double together = quire_bench_median(result->together, rounds);
        line->cpu = quire_bench_median(result->cpu, rounds);
        if (line->cpu > 0)
                snprintf(cpu, sizeof cpu, ", cpu %.1f us", line->cpu / 1e3);
        if (together >= 0)
                snprintf(place, sizeof place, ", same CPU %.0f %%", 100 * together);
        if (misses >= 0)
                snprintf(line->note, sizeof line->note, "%.1f %% missed%s%s", 100 * misses, cpu,
                         place);
}

static void add_line(const struct contest *contest, unsigned v, unsigned i,
                     const struct result *results, unsigned rounds)
{
        const struct aim none = {.kind = AIM_NONE};
        const struct aim *aim = contest->aims ? &contest->aims[i] : &none;
        const struct result *mine = &results[i], *reference = &results[contest->reference];
        struct line line = {.group = contest->group};

        if (results[i].value[v][0] < 0)
                return;
        snprintf(line.what, sizeof line.what, "%s%s%s", contest->row ? contest->row : "",
                 contest->row ? ", " : "", contest->what[v]);
        snprintf(line.who, sizeof line.who, "%s", contest->who[i].name);
        summarize(&line, mine->value[v], rounds);
        describe(&line, mine, rounds);
        bool paired = i != contest->reference && contest->child[contest->reference] &&
                      reference->value[v][0] > 0;
        if (paired)
                snprintf(line.against, sizeof line.against, "%s",
                         contest->who[contest->reference].name);
        quire_bench_table_compare(&line, aim->values & (1u << v) ? aim : &none, mine->value[v],
                                  paired ? reference->value[v] : NULL, rounds);
        quire_bench_table_add(&line);
}

void quire_bench_contest_run(struct contest *contest, const struct order *order, unsigned rounds)
{
        struct result *results = calloc(contest->count, sizeof *results);
        if (!results || rounds > BENCH_ROUNDS)
                abort();
        for (unsigned round = 0; round < rounds; round++)
                play_round(contest, order, round, results);
        for (unsigned v = 0; v < BENCH_VALUES && contest->what[v]; v++)
                for (unsigned i = 0; i < contest->count; i++)
                        if (contest->child[i])
                                add_line(contest, v, i, results, rounds);
        free(results);
}

void quire_bench_contest_peaks(struct contest *contest, uint64_t budget)
{
        for (unsigned i = 0; i < contest->count; i++) {
                struct line line = {.group = contest->group, .unit = UNIT_BYTES};
                uint64_t peak = contest->child[i] ? quire_bench_child_peak(contest->child[i]) : 0;
                if (!peak)
                        continue;
                snprintf(line.what, sizeof line.what, "most memory, all told");
                snprintf(line.who, sizeof line.who, "%s", contest->who[i].name);
                snprintf(line.against, sizeof line.against, "the budget");
                line.median = line.low = line.high = (double)peak;
                line.ratio = (double)peak / (double)budget;
                quire_bench_table_add(&line);
        }
}

void quire_bench_contest_close(struct contest *contest)
{
        for (unsigned i = 0; i < contest->count; i++)
                if (contest->child[i])
                        quire_bench_child_close(contest->child[i]);
}
