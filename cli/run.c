/*
 * run.c - `quire run`: check everything, start the program under the agent,
 * wait, and show what was asked for.
 *
 * Nothing is printed that was not asked for, save why a run is refused.  When
 * the agent ends the program it says so itself.
 */
#include "facts.h"
#include "launch.h"
#include "place.h"
#include "watch.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRACE_EVENTS (UINT64_C(1) << 19)

struct run {
        struct quire_run_options options;
        struct quire_program program;
        struct quire_place pagefile;
        struct quire_output report[QUIRE_REPORT_FORMS], heatmap, trace;
        struct quire_shared stats_file, trace_file;
        struct quire_launch launch;
        struct quire_watch watch;
        struct quire_facts facts;
        char agent[4096];
};

static uint64_t now_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Half of the memory that there is, by the kernel or by the memory cgroup. */
static uint64_t default_memory(void)
{
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * page;
        FILE *limit = fopen("/sys/fs/cgroup/memory.max", "re");
        unsigned long long bytes;

        if (limit) {
                if (fscanf(limit, "%llu", &bytes) == 1 && bytes < all)
                        all = bytes;
                fclose(limit);
        }
        return all / 2 / page * page;
}

static bool wants_stats(const struct quire_run_options *o)
{
        return o->report[QUIRE_REPORT_TEXT] || o->report[QUIRE_REPORT_JSON] || o->heatmap
               || o->trace;
}

/* --------------------------------------------------------- before it starts */

static int open_outputs(struct run *r)
{
        const struct quire_run_options *o = &r->options;
        int status = 0;

        for (unsigned form = 0; !status && form < QUIRE_REPORT_FORMS; form++)
                if (o->report_file[form])
                        status = quire_output_open("--report", o->report_file[form],
                                                   &r->report[form]);
        if (!status && o->heatmap)
                status = quire_output_open("--heatmap", o->heatmap, &r->heatmap);
        if (!status && o->trace)
                status = quire_output_open("--trace", o->trace, &r->trace);
        return status;
}

/* Open Quire as the agent will, in a process that ends again: too small a budget,
 * a machine that forbids what was asked for.  Its reasons are better than ours. */
static int try_options(const struct run *r)
{
        const struct quire_process_options o = {
                .memory = r->options.memory, .pagefile = r->pagefile.directory,
                .pagefile_size = r->options.pagefile_size, .policy = r->options.policy,
                .faults = r->options.faults,
        };
        struct quire_process *process;
        enum quire_status answer;
        struct sigaction normal = { .sa_handler = SIG_DFL }, before;
        int status = 0;
        pid_t pid;

        sigaction(SIGCHLD, &normal, &before);      /* ignored: nothing to wait for */
        pid = fork();
        if (pid == 0) {
                answer = quire_process_open(&o, &process);
                if (answer != QUIRE_OK)
                        status = quire_cli_complain(answer == QUIRE_INVALID ? QUIRE_EXIT_BAD
                                                    : QUIRE_EXIT_FAILED, "%s",
                                                    quire_process_problem());
                _exit(status);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return quire_cli_complain(QUIRE_EXIT_FAILED, "fork: %s", strerror(errno));
        sigaction(SIGCHLD, &before, NULL);
        if (!WIFEXITED(status))
                return quire_cli_complain(QUIRE_EXIT_FAILED,
                                          "Quire does not start on this machine (%s)",
                                          strsignal(WTERMSIG(status)));
        return WEXITSTATUS(status);
}

static int check(struct run *r)
{
        struct quire_run_options *o = &r->options;
        int status = quire_program_find(o->program[0], getenv("PATH"), &r->program);

        if (status)
                return quire_cli_complain(status, "%s", r->program.line);
        if (!quire_launch_agent(r->agent, sizeof(r->agent)))
                return quire_cli_complain(QUIRE_EXIT_FAILED,
                        "%s is not there: this installation is incomplete", r->agent);
        if (strpbrk(r->agent, ": \t"))
                return quire_cli_complain(QUIRE_EXIT_FAILED,
                        "%s: LD_PRELOAD can not name a path with a blank or a colon", r->agent);
        if (!o->memory)
                o->memory = default_memory();
        status = quire_place_pagefile(o->pagefile, &r->pagefile);
        if (!status)
                status = try_options(r);
        return status ? status : open_outputs(r);
}

static int share_files(struct run *r)
{
        struct quire_stats_header *h;
        struct quire_trace_header *t;
        int status = 0;

        if (wants_stats(&r->options)) {
                status = quire_shared_open(&r->stats_file, "report", QUIRE_STATS_BYTES,
                                           r->pagefile.directory);
                if (status)
                        return status;
                h = r->stats_file.at;
                *h = (struct quire_stats_header){
                        .magic = QUIRE_STATS_MAGIC, .version = QUIRE_STATS_VERSION,
                        .entries = QUIRE_STATS_ENTRIES, .stride = QUIRE_STATS_STRIDE,
                        .first = QUIRE_STATS_FIRST, .started = now_ns(),
                };
        }
        if (r->options.trace) {
                status = quire_shared_open(&r->trace_file, "trace",
                                           QUIRE_TRACE_FIRST + TRACE_EVENTS
                                           * sizeof(struct quire_trace_record),
                                           r->pagefile.directory);
                if (status)
                        return status;
                t = r->trace_file.at;
                *t = (struct quire_trace_header){
                        .magic = QUIRE_TRACE_MAGIC, .version = QUIRE_TRACE_VERSION,
                        .capacity = TRACE_EVENTS,
                };
        }
        return 0;
}

/* ------------------------------------------------------------------ running */

static void plan_launch(struct run *r)
{
        const struct quire_run_options *o = &r->options;
        bool stats = r->stats_file.at;

        r->watch.facts = &r->facts;
        r->launch = (struct quire_launch){
                .path = r->program.path, .argv = o->program, .options = o, .agent = r->agent,
                .pagefile = r->pagefile.path, .memory = o->memory,
                .commit_limit = o->pagefile_size ? o->memory + o->pagefile_size : 0,
                .stats = stats ? r->stats_file.path : NULL,
                .trace = r->trace_file.at ? r->trace_file.path : NULL,
                .watch = stats ? quire_watch_look : NULL, .context = &r->watch,
        };
        r->facts.argv = o->program;
        r->facts.policy = o->policy;
        r->facts.faults = quire_faults_name(o->faults);
        r->facts.pagefile = r->pagefile.path;
        r->facts.pagefile_in_memory = r->pagefile.in_memory;
        r->facts.pagefile_room = r->pagefile.room;
        r->facts.pagefile_size = o->pagefile_size;
        r->facts.budget = o->memory;
        r->facts.page = (uint64_t)sysconf(_SC_PAGESIZE);
        r->facts.stats = r->stats_file.at;
        r->facts.started = now_ns();
}

static uint64_t to_ns(const struct timeval *t)
{
        return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

static void gather(struct run *r)
{
        struct quire_facts *f = &r->facts;

        f->ended = now_ns();
        f->leader = (uint32_t)r->launch.pid;
        f->wait_status = r->launch.wait_status;
        f->max_rss = (uint64_t)r->launch.usage.ru_maxrss * 1024;
        f->user_ns = to_ns(&r->launch.usage.ru_utime);
        f->system_ns = to_ns(&r->launch.usage.ru_stime);
        quire_watch_end(&r->watch);
}

static void show_reports(struct run *r)
{
        static void (*const renderers[])(const struct quire_facts *, FILE *) = {
                [QUIRE_REPORT_TEXT] = quire_report_text,
                [QUIRE_REPORT_JSON] = quire_report_json,
        };

        for (unsigned form = 0; form < QUIRE_REPORT_FORMS; form++) {
                if (!r->options.report[form])
                        continue;
                renderers[form](&r->facts, r->report[form].file
                                           ? quire_output_begin(&r->report[form]) : stderr);
                fflush(stderr);
        }
}

static int show(struct run *r)
{
        const char *heatmap = r->options.heatmap, *trace = r->options.trace;
        int status = 0;

        show_reports(r);
        if (heatmap)
                status = (strstr(heatmap + strlen(heatmap) - 4, ".png") ? quire_heat_png
                          : quire_heat_svg)(&r->facts, quire_output_begin(&r->heatmap));
        if (trace) {
                size_t length = strlen(trace);
                bool json = length > 5 && !strcmp(trace + length - 5, ".json");

                quire_trace_write(&r->facts, r->trace_file.at, r->trace_file.bytes, json,
                                  quire_output_begin(&r->trace));
        }
        return status;
}

static int clean_up(struct run *r)
{
        int status = 0, one;

        for (unsigned form = 0; form < QUIRE_REPORT_FORMS; form++) {
                one = quire_output_close(&r->report[form]);
                status = status ? status : one;
        }
        one = quire_output_close(&r->heatmap);
        status = status ? status : one;
        one = quire_output_close(&r->trace);
        status = status ? status : one;
        quire_shared_close(&r->stats_file);
        quire_shared_close(&r->trace_file);
        quire_place_leave(&r->pagefile);
        return status;
}

int quire_run_command(int argc, char **argv)
{
        struct run *r = calloc(1, sizeof(*r));
        int status, late = 0;
        bool ran = false;

        if (!r)
                return quire_cli_complain(QUIRE_EXIT_FAILED, "no memory");
        status = quire_options_parse(argc, argv, &r->options);
        if (!status && r->options.help) {
                fputs(quire_help_run, stdout);
                free(r);
                return 0;
        }
        if (!status)
                status = check(r);
        if (!status)
                status = share_files(r);
        if (!status) {
                plan_launch(r);
                status = quire_launch_run(&r->launch);
                ran = !status;
        }
        if (ran) {
                gather(r);
                late = show(r);
        }
        if (!late)
                late = clean_up(r);
        else
                clean_up(r);
        if (ran)
                status = quire_launch_mirror(&r->launch);
        free(r);
        return status ? status : late;
}
