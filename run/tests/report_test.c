/*
 * report_test.c - what a managed process leaves in the report file and the
 * trace, and how it ends when Quire can not go on.
 *
 * Arguments: the agent's library and the subject.
 */
#include "run/stats.h"
#include "subject.h"
#include "test.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BUDGET (8u << 20)
#define EVENTS 4096u
#define PAGE 4096u

static const char *agent, *subject;
static char folder[] = "/tmp/quire-report-test-XXXXXX";
static char stats_path[64], trace_path[64];
static struct quire_stats_header *header;
static struct quire_trace_header *trace;

static void *map_new(const char *path, uint64_t bytes)
{
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        void *p = MAP_FAILED;

        if (fd >= 0 && !ftruncate(fd, (off_t)bytes))
                p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        REQUIRE(p != MAP_FAILED);
        return p;
}

/* Fresh files, as the command makes them. */
static void begin_report(void)
{
        header = map_new(stats_path, QUIRE_STATS_BYTES);
        header->magic = QUIRE_STATS_MAGIC;
        header->version = QUIRE_STATS_VERSION;
        header->entries = QUIRE_STATS_ENTRIES;
        header->stride = QUIRE_STATS_STRIDE;
        header->first = QUIRE_STATS_FIRST;
        trace = map_new(trace_path,
                        QUIRE_TRACE_FIRST + EVENTS * sizeof(struct quire_trace_record));
        trace->magic = QUIRE_TRACE_MAGIC;
        trace->version = QUIRE_TRACE_VERSION;
        trace->capacity = EVENTS;
}

static struct quire_stats_entry *entry(unsigned i)
{
        return (void *)((char *)header + header->first + (uint64_t)i * header->stride);
}

static int run(const char *word, const char *name, const char *value)
{
        char budget[32];
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                (void)snprintf(budget, sizeof(budget), "%u", BUDGET);
                setenv("QUIRE_RUN_MEMORY", budget, 1);
                setenv("QUIRE_RUN_PAGEFILE", folder, 1);
                setenv("QUIRE_RUN_STATS", stats_path, 1);
                setenv("QUIRE_RUN_TRACE", trace_path, 1);
                if (name)
                        setenv(name, value, 1);
                setenv("LD_PRELOAD", agent, 1);
                int quiet = open("/dev/null", O_WRONLY);
                dup2(quiet, 1);
                execl(subject, subject, word, (char *)NULL);
                _exit(95);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        return status;
}

static uint64_t plane_sum(const struct quire_heat *h, unsigned plane)
{
        uint64_t sum = 0;

        for (unsigned r = 0; r < QUIRE_HEAT_ROWS; r++)
                for (unsigned c = 0; c < QUIRE_HEAT_COLUMNS; c++)
                        sum += h->cell[plane][r][c];
        return sum;
}

static void test_D13_a_process_and_its_figures(void)
{
        begin_report();
        CHECK_EQ(run("memory-large", NULL, NULL), 0);
        const struct quire_stats_entry *e = entry(0);
        const struct quire_counters *c = &e->counters;
        CHECK_EQ(e->state, QUIRE_STATS_DONE);
        CHECK_EQ(e->end_kind, QUIRE_END_EXIT);
        CHECK_EQ(e->end_value, 0);
        CHECK(e->pid > 0 && e->end > e->start && !strcmp(e->comm, "subject"));
        CHECK(strstr(e->program, "subject") && strstr(e->abilities, "syscall-dispatch"));
        CHECK_EQ(e->budget, BUDGET);
        CHECK(e->mapped_peak >= 48u << 20 && c->faults_zero > 0 && c->faults_hard > 0);
        CHECK(c->resident_peak > 0 && c->resident_peak * PAGE <= BUDGET);
        CHECK(e->calls > 0 && e->calls_memory > 0 && e->threads == 1);
        /* 48 MiB of it were written; what is not managed is small beside that. */
        CHECK(e->peak.managed >= 40u << 20);
        CHECK(e->peak.managed * 100 >= (e->peak.managed + e->peak.unmanaged) * 95);
        CHECK(plane_sum(&e->heat, QUIRE_HEAT_TOUCHED) >= (48u << 20) / PAGE);
        CHECK(plane_sum(&e->heat, QUIRE_HEAT_RETURNED) >= c->faults_hard);
        CHECK(plane_sum(&e->heat, QUIRE_HEAT_EVICTED) >= (40u << 20) / PAGE);
        CHECK_EQ(entry(1)->state, QUIRE_STATS_FREE);
}

static void test_D13_the_trace_is_a_ring(void)
{
        uint64_t kinds = 0, before = 0;
        unsigned bad = 0;

        begin_report();
        CHECK_EQ(run("memory-large", NULL, NULL), 0);
        const struct quire_trace_record *r =
                (const void *)((const char *)trace + QUIRE_TRACE_FIRST);
        REQUIRE(trace->next > EVENTS);
        for (uint64_t n = trace->next - EVENTS; n < trace->next; n++) {
                const struct quire_trace_record *one = &r[n % EVENTS];
                bad += one->sequence != n + 1 || one->pid != entry(0)->pid ||
                       one->event.time < before;
                before = one->event.time;
                kinds |= 1u << one->event.kind;
        }
        CHECK_EQ(bad, 0);
        CHECK(kinds & 1u << QUIRE_EV_EVICT && kinds & 1u << QUIRE_EV_HARD);
}

static void test_D13_forks_and_execs_have_entries(void)
{
        unsigned children = 0, execs = 0, done = 0;

        begin_report();
        CHECK_EQ(run("process-exec", NULL, NULL), 0);
        CHECK(entry(0)->forks > 0);
        for (unsigned i = 0; i < QUIRE_STATS_ENTRIES && entry(i)->state; i++) {
                done += entry(i)->state == QUIRE_STATS_DONE;
                children += entry(i)->parent_entry == 0;
                execs += entry(i)->end_kind == QUIRE_END_EXEC;
        }
        CHECK(children >= 1 && execs >= 1 && done >= 3);
        /* An exec that failed did not end its process. */
        CHECK_EQ(entry(0)->end_kind, QUIRE_END_EXIT);
}

/* They have what their parent had, also where they never map or unmap. */
static void test_D13_children_report_what_they_inherited(void)
{
        unsigned children = 0;

        begin_report();
        CHECK_EQ(run("process-fork", NULL, NULL), 0);
        for (unsigned i = 1; i < QUIRE_STATS_ENTRIES && entry(i)->state; i++) {
                CHECK_EQ(entry(i)->parent_entry, 0);
                CHECK_EQ(entry(i)->end_kind, QUIRE_END_EXIT);
                CHECK(entry(i)->mapped_peak >= SUBJECT_LARGE);
                CHECK_EQ(entry(i)->mapped, entry(i)->mapped_peak);
                children++;
        }
        CHECK_EQ(children, 2);
}

static void test_a_signal_that_kills_is_told(void)
{
        begin_report();
        int status = run("fault-own-death", NULL, NULL);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        CHECK_EQ(entry(0)->end_kind, QUIRE_END_SIGNAL);
        CHECK_EQ(entry(0)->end_value, SIGSEGV);
}

/* Promised more than the pagefile takes: it ends, and says why. */
static void test_a_full_pagefile_ends_the_program(void)
{
        setenv("QUIRE_RUN_PAGEFILE_SIZE", "1048576", 1);
        begin_report();
        int status = run("memory-large", "QUIRE_RUN_COMMIT_LIMIT", "1073741824");
        unsetenv("QUIRE_RUN_PAGEFILE_SIZE");
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), QUIRE_RUN_FAILED);
        CHECK_EQ(entry(0)->end_kind, QUIRE_END_QUIRE);
        CHECK(strstr(entry(0)->cause, "pagefile"));
}

static void test_bad_settings_end_before_the_program(void)
{
        static const char *const bad[][2] = {
                { "QUIRE_RUN_MEMORY", "4096" }, { "QUIRE_RUN_MEMORY", "many" },
                { "QUIRE_RUN_FAULTS", "sideways" }, { "QUIRE_RUN_POLICY", "none" },
                { "QUIRE_RUN_PAGEFILE", "/nonexistent/folder" },
                { "QUIRE_DISABLE", "syscall-dispatch" }, { "QUIRE_DISABLE", "userfaultfd" },
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                begin_report();
                int status = run("fault-status", bad[i][0], bad[i][1]);
                if (!CHECK_EQ(WEXITSTATUS(status), QUIRE_RUN_FAILED))
                        fprintf(stderr, "    %s=%s\n", bad[i][0], bad[i][1]);
        }
}

int main(int argc, char **argv)
{
        if (argc != 3)
                return 2;
        test_begin(1, argv);
        agent = argv[1];
        subject = argv[2];
        REQUIRE(mkdtemp(folder));
        (void)snprintf(stats_path, sizeof(stats_path), "%s/stats", folder);
        (void)snprintf(trace_path, sizeof(trace_path), "%s/trace", folder);
        RUN(test_D13_a_process_and_its_figures);
        RUN(test_D13_the_trace_is_a_ring);
        RUN(test_D13_forks_and_execs_have_entries);
        RUN(test_D13_children_report_what_they_inherited);
        RUN(test_a_signal_that_kills_is_told);
        RUN(test_a_full_pagefile_ends_the_program);
        RUN(test_bad_settings_end_before_the_program);
        unlink(stats_path);
        unlink(trace_path);
        CHECK(!rmdir(folder));
        return test_end();
}
