/*
 * random_test.c - random operations on every driver against the model.
 *
 *   --steps N       operations on the simulator; a fifth of it on each other driver
 *   --driver NAME   only this one
 *   --seconds N     instead of a number of operations
 *   --seed N        the first run's; the runs after it follow from it
 *   --once STEPS    one run of so many steps of just this seed, as a failure
 *                   prints it (with --short: one of the short runs)
 *   --until STEP    stop before this step     --trace   print every step
 *   --shrink        find a shorter sequence of steps that fails too
 *
 * Half of the operations are done in short runs in small windows, with the
 * audit after every step; half in long ones.
 */
#include "../test.h"
#include "run.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

enum { SHORT_STEPS = 1000, LONG_STEPS = 50000, SHRINK_SECONDS = 100 };

static struct {
        const char *driver;
        uint64_t steps, seconds, seed, once, until;
        bool shrink, trace, brief, seeded;
} asked = { .steps = 20000, .until = UINT64_MAX };

static struct run run;

/* What the runs did in all, to see that they did it. */
static struct {
        uint64_t accesses, denials, refused, hard, tier, evicted, pages_in, pages_out;
} total;

/* Which steps are left out while shrinking; null: none. */
static const uint8_t *omitted;

/* Whoever stops the program (the core's audit, the machine, a wild pointer): say
 * which run it was. */
static void tell_crash(int sig)
{
        signal(sig, SIG_DFL);
        run_tell(&run);
        raise(sig);
}

static void add_up(void)
{
        struct quire_counters c;

        quire_system_counters(run.system, &c);
        total.accesses += run.accesses;
        total.denials += run.denials;
        total.refused += run.refused;
        total.hard += c.faults_hard;
        total.tier += c.faults_tier;
        total.evicted += c.evicted;
        total.pages_in += c.pages_in;
        total.pages_out += c.pages_out;
}

static void print_total(const char *name, uint64_t steps, uint64_t runs)
{
        printf("    %s: %lu operations in %lu runs: %lu refused; %lu accesses, %lu denied; faults:"
               " %lu tier, %lu hard;\n    pages: %lu evicted, %lu written, %lu read\n", name,
               (unsigned long)steps, (unsigned long)runs, (unsigned long)total.refused,
               (unsigned long)total.accesses, (unsigned long)total.denials,
               (unsigned long)total.tier, (unsigned long)total.hard,
               (unsigned long)total.evicted, (unsigned long)total.pages_out,
               (unsigned long)total.pages_in);
}

static void do_run(const struct run_shape *shape)
{
        run.trace = asked.trace;
        run_open(&run, shape);
        while (run.step < shape->steps && run.step < asked.until) {
                if (omitted && omitted[run.step])
                        run.step++;
                else
                        run_step(&run);
        }
        run_compare(&run, true);
        quire_system_audit(run.system);
        add_up();
        run_close(&run);
}

static uint64_t seconds_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec;
}


/* ------------------------------------------------------------------ many runs */

/* Short and long runs in turns, so that each do half of the operations. */
static void run_driver(const struct driver *d)
{
        uint64_t steps = d == &driver_sim ? asked.steps : asked.steps / 5;
        uint64_t end = seconds_now() + asked.seconds, done[2] = { 0, 0 }, runs = 0;

        while (asked.seconds ? seconds_now() < end : done[0] + done[1] < steps) {
                bool brief = done[1] <= done[0] ? done[1] == done[0] : true;
                uint64_t most = brief ? SHORT_STEPS : LONG_STEPS, left = most;
                struct run_shape s;

                if (!asked.seconds && steps - done[0] - done[1] < left)
                        left = steps - done[0] - done[1];
                s = run_shape_drawn(d, draw_mix(asked.seed + runs) >> 20, left, brief);
                do_run(&s);
                done[!brief] += s.steps;
                runs++;
        }
        print_total(d->name, done[0] + done[1], runs);
}

/* In a process of its own, so that a crash is one failure.  True: all was right. */
static bool in_child(void (*act)(const void *), const void *argument, bool quiet)
{
        int status = 0;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        if (pid == 0) {
                if (quiet && (!freopen("/dev/null", "w", stderr) ||
                              !freopen("/dev/null", "w", stdout)))
                        _exit(2);
                act(argument);
                fflush(NULL);
                _exit(0);
        }
        while (pid < 0 || waitpid(pid, &status, 0) < 0)
                if (pid < 0 || errno != EINTR)
                        return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void act_driver(const void *d)
{
        run_driver(d);
}

static void act_once(const void *shape)
{
        do_run(shape);
}

/* ------------------------------------------------------------------ shrinking */

static void shrink(const struct run_shape *given)
{
        struct run_shape s = *given;
        uint8_t *out = calloc(s.steps + 1, 1);
        uint64_t left = 0, end = seconds_now() + SHRINK_SECONDS;

        omitted = out;
        if (!out || in_child(act_once, &s, true)) {
                printf("nothing to shrink: it does not fail\n");
                free(out);
                return;
        }
        for (uint64_t low = 0, high = s.steps; low + 1 < high;) {
                uint64_t middle = (low + high) / 2;

                s.steps = middle;
                if (in_child(act_once, &s, true))
                        low = middle;
                else
                        high = middle;
                s.steps = high;
        }
        for (uint64_t size = s.steps / 2; size && seconds_now() < end; size /= 2) {
                for (uint64_t at = 0; at < s.steps && seconds_now() < end; at += size) {
                        uint64_t n = size < s.steps - at ? size : s.steps - at;
                        uint8_t *kept = malloc(n);

                        memcpy(kept, out + at, n);
                        memset(out + at, 1, n);
                        if (in_child(act_once, &s, true))
                                memcpy(out + at, kept, n);
                        free(kept);
                }
        }
        for (uint64_t i = 0; i < s.steps; i++)
                left += !out[i];
        printf("%lu steps of %lu are left:\n", (unsigned long)left, (unsigned long)s.steps);
        asked.trace = true;
        in_child(act_once, &s, false);
        free(out);
}

/* ----------------------------------------------------------------------- main */

static void parse(int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : "";

                if (!strcmp(argv[i], "--shrink"))
                        asked.shrink = true;
                else if (!strcmp(argv[i], "--trace"))
                        asked.trace = true;
                else if (!strcmp(argv[i], "--short"))
                        asked.brief = true;
                else if (!strcmp(argv[i], "--driver"))
                        asked.driver = argv[++i] ? value : "";
                else if (!strcmp(argv[i], "--steps"))
                        asked.steps = strtoull(value, NULL, 0), i++;
                else if (!strcmp(argv[i], "--seconds"))
                        asked.seconds = strtoull(value, NULL, 0), i++;
                else if (!strcmp(argv[i], "--once"))
                        asked.once = strtoull(value, NULL, 0), i++;
                else if (!strcmp(argv[i], "--until"))
                        asked.until = strtoull(value, NULL, 0), i++;
                else if (!strcmp(argv[i], "--seed"))
                        asked.seed = strtoull(value, NULL, 0), asked.seeded = true, i++;
                else
                        fprintf(stderr, "unknown: %s (see the head of random_test.c)\n",
                                argv[i]), exit(2);
        }
}

static void one_run(const struct driver *d)
{
        struct run_shape s = run_shape_drawn(d, asked.seed, asked.once, asked.brief);

        if (asked.shrink)
                shrink(&s);
        else
                do_run(&s);
}

static const struct driver *current;

static void random_operations(void)
{
        printf("    on %s\n", current->name);
        CHECK(in_child(act_driver, current, false));
}

int main(int argc, char **argv)
{
        test_begin(1, argv);
        signal(SIGABRT, tell_crash);
        parse(argc, argv);
        if (!asked.seeded)
                asked.seed = test_seed();
        for (unsigned i = 0; drivers[i]; i++) {
                if (asked.driver && strcmp(asked.driver, drivers[i]->name))
                        continue;
                current = drivers[i];
                if (asked.once)
                        one_run(current);
                else
                        RUN(random_operations);
        }
        return asked.once ? 0 : test_end();
}
