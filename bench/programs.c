/*
 * programs.c - whole programs, plain and under `quire run'.
 *
 * programs.py makes the inputs, runs the programs and compares their outputs;
 * it says what it measured in lines of words separated by tabs, which become
 * lines of the table here:
 *
 *      round    PROGRAM  plain-ns  quire-ns        one interleaved round
 *      end      PROGRAM  text                      that was the last round of it
 *      skipped  PROGRAM  text
 *      failed   PROGRAM  text
 */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct pair {
        const char *group;
        const struct aim *aim;
        unsigned rounds;
        double plain[BENCH_ROUNDS], quire[BENCH_ROUNDS];
};

static void add_remark(const struct pair *pair, const char *program, const char *text,
                       enum outcome state)
{
        struct line line = {.group = pair->group};
        line.state = state;
        snprintf(line.what, sizeof line.what, "%s", program);
        snprintf(line.who, sizeof line.who, "quire run");
        snprintf(line.note, sizeof line.note, "%s", text);
        quire_bench_table_add(&line);
}

static void add_side(const struct pair *pair, const char *program, const char *text, bool ours)
{
        const struct aim none = {.kind = AIM_NONE};
        const double *values = ours ? pair->quire : pair->plain;
        struct line line = {.group = pair->group};
        snprintf(line.what, sizeof line.what, "%s", program);
        snprintf(line.who, sizeof line.who, "%s", ours ? "quire run" : "plain");
        snprintf(line.note, sizeof line.note, "%s", ours ? text : "");
        line.low = line.high = values[0];
        for (unsigned i = 1; i < pair->rounds; i++) {
                line.low = values[i] < line.low ? values[i] : line.low;
                line.high = values[i] > line.high ? values[i] : line.high;
        }
        line.median = quire_bench_median(values, pair->rounds);
        if (ours)
                snprintf(line.against, sizeof line.against, "plain");
        quire_bench_table_compare(&line, ours ? pair->aim : &none, values,
                                  ours ? pair->plain : NULL, pair->rounds);
        quire_bench_table_add(&line);
}

static void take_line(struct pair *pair, char *text)
{
        char *word[4] = {NULL}, *rest = text;
        unsigned count = 0;
        text[strcspn(text, "\n")] = '\0';
        while (count < 4 && (word[count] = strsep(&rest, "\t")))
                count++;
        if (count < 3)
                return;
        if (strcmp(word[0], "round") == 0 && count == 4 && pair->rounds < BENCH_ROUNDS) {
                pair->plain[pair->rounds] = strtod(word[2], NULL);
                pair->quire[pair->rounds++] = strtod(word[3], NULL);
        } else if (strcmp(word[0], "end") == 0 && pair->rounds) {
                add_side(pair, word[1], word[2], false);
                add_side(pair, word[1], word[2], true);
                pair->rounds = 0;
        } else if (strcmp(word[0], "skipped") == 0) {
                add_remark(pair, word[1], word[2], SKIPPED);
        } else {
                add_remark(pair, word[1], word[2], FAILED);
        }
}

/* Forks and execs without a shell; the child's output is the pipe. */
static pid_t start_helper(const struct bench *bench, const char *which, FILE **out)
{
        int ends[2];
        if (pipe(ends) != 0)
                return -1;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                /* In a group of its own, so that the guard finds what it started. */
                if (!quire_bench_limit_cgroup())
                        (void)quire_bench_limit_enter(which, 0);
                quire_bench_limit_detach();
                setenv("TMPDIR", bench->work, 1);
                dup2(ends[1], 1);
                close(ends[0]);
                close(ends[1]);
                execlp("python3", "python3", bench->programs, which, bench->quire, bench->work,
                       bench->quick ? "quick" : "full", (char *)NULL);
                _exit(127);
        }
        close(ends[1]);
        *out = fdopen(ends[0], "r");
        return *out ? pid : -1;
}

static void run_programs(const struct bench *bench, const char *which, struct pair *pair)
{
        FILE *out;
        char text[512];
        int status = 0;
        if (!bench->quire || !bench->programs || access(bench->quire, X_OK) != 0) {
                add_remark(pair, "", "no quire command was named (--quire, --programs)", SKIPPED);
                return;
        }
        pid_t pid = start_helper(bench, which, &out);
        if (pid < 0)
                abort();
        while (fgets(text, sizeof text, out))
                take_line(pair, text);
        fclose(out);
        (void)waitpid(pid, &status, 0);
        quire_bench_limit_leave(which);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                add_remark(pair, "", "programs.py did not end well", FAILED);
}

void quire_bench_fitting(const struct bench *bench)
{
        static const struct aim aim = {AIM_RATIO_MOST, 1.10, 1};
        struct pair pair = {
                .group = "5   programs that fit their budget of 1 GiB: from start to end",
                .aim = &aim,
        };
        run_programs(bench, "fitting", &pair);
}

void quire_bench_full(const struct bench *bench)
{
        static const struct aim none = {.kind = AIM_NONE};
        struct pair pair = {
                .group = "6   full-size programs in 64 MiB: from start to end",
                .aim = &none,
        };
        run_programs(bench, "full", &pair);
}
