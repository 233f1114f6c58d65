/*
 * agent.c - the beginning: configuration from the environment, Quire opened,
 * and the program's first thread put under dispatch, in an order that leaves
 * nothing half done when a step fails.
 *
 * Everything here up to arming runs before the program, on its own stack, with
 * the C library at hand.  Without QUIRE_RUN_MEMORY the library does nothing.
 */
#include "agent.h"
#include "files.h"
#include "memory.h"
#include "report.h"
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLD_MOST ((uint64_t)8 << 20)
#define HOLD_LEAST ((uint64_t)64 << 10)
#define NO_DISPATCH "this kernel has no syscall user dispatch"
#define NEED_DISPATCH "quire run needs Linux 5.11 or newer on x86-64"

struct quire_agent quire_agent;

/* ------------------------------------------------------------------- speaking */

static char *add_words(char *to, const char *end, const char *words)
{
        while (*words && to < end)
                *to++ = *words++;
        return to;
}

static void speak(const char *what, const char *detail, char *line, size_t room)
{
        char comm[17] = "";
        char *end = line + room - 2, *to;

        (void)raw3(SYS_prctl, PR_GET_NAME, raw_address(comm), 0);
        to = add_words(line, end, "quire: ");
        to = add_words(to, end, comm);
        to = add_words(to, end, ": ");
        to = add_words(to, end, what);
        if (detail) {
                to = add_words(to, end, "; ");
                to = add_words(to, end, detail);
        }
        *to = 0;
        size_t n = (size_t)(to - line);
        line[n] = '\n';
        (void)raw3(SYS_write, 2, raw_address(line), n + 1);
        line[n] = 0;
}

void quire_agent_say(const char *what, const char *detail)
{
        char line[512];

        speak(what, detail, line, sizeof(line));
}

_Noreturn void quire_agent_fail(const char *what, const char *detail)
{
        char line[512];

        speak(what, detail, line, sizeof(line));
        quire_report_end(QUIRE_END_QUIRE, QUIRE_RUN_FAILED, line + strlen("quire: "));
        (void)raw3(SYS_exit_group, QUIRE_RUN_FAILED, 0, 0);
        __builtin_unreachable();
}

static void helper_started(void *context)
{
        (void)context;
        quire_block_helper();
}

static void say(void *context, const char *line)
{
        (void)context;
        quire_agent_say(line, NULL);
}

/* -------------------------------------------------------------- configuration */

static uint64_t number(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        char *end;
        unsigned long long value;

        if (!text || !*text)
                return otherwise;
        value = strtoull(text, &end, 10);
        if (*end)
                quire_agent_fail("not a number of bytes in the environment", name);
        return value;
}

static enum quire_faults faults_mode(void)
{
        const char *text = getenv(QUIRE_ENV_FAULTS);

        if (!text || !*text || !strcmp(text, "auto"))
                return QUIRE_FAULTS_AUTO;
        if (!strcmp(text, "inline"))
                return QUIRE_FAULTS_INLINE;
        if (!strcmp(text, "thread"))
                return QUIRE_FAULTS_THREAD;
        quire_agent_fail("neither auto, inline nor thread", QUIRE_ENV_FAULTS);
}

/* A pagefile that is named is one process's; others make theirs beside it. */
static const char *pagefile(char folder[PATH_MAX])
{
        const char *path = getenv(QUIRE_ENV_PAGEFILE), *slash;
        struct stat st;

        if (!path || !*path)
                return NULL;
        if (number(QUIRE_ENV_LEADER, (uint64_t)raw_getpid()) == (uint64_t)raw_getpid() ||
            (!stat(path, &st) && S_ISDIR(st.st_mode)))
                return path;
        slash = strrchr(path, '/');
        if (!slash || (size_t)(slash - path) + 2 > PATH_MAX)
                return ".";
        size_t n = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, n);
        folder[n] = 0;
        return folder;
}

static void open_quire(uint64_t memory)
{
        static char folder[PATH_MAX];
        struct quire_process_options options = {
                .memory = memory,
                .pagefile = pagefile(folder),
                .pagefile_size = number(QUIRE_ENV_PAGEFILE_SIZE, 0),
                .commit_limit = number(QUIRE_ENV_COMMIT_LIMIT, 0),
                .policy = getenv(QUIRE_ENV_POLICY),
                .faults = faults_mode(),
                .buffered = number(QUIRE_ENV_BUFFERED, 0),
                .tier_percent = (unsigned)number(QUIRE_ENV_TIER, 0),
                .audit = number(QUIRE_ENV_AUDIT, 0),
        };
        struct quire_linux_hooks hooks = {
                .caller_handles_signals = true,
                .event = quire_report_event,
                .say = say,
                .thread_started = helper_started,
                .fd_floor = quire_files_floor(),
        };

        if (options.policy && !*options.policy)
                options.policy = NULL;
        if (quire_process_open_hooked(&options, &hooks, &quire_agent.process) != QUIRE_OK)
                quire_agent_fail(quire_process_problem(), NULL);
        quire_agent.machine = quire_process_linux(quire_agent.process);
        quire_agent.space = quire_process_space(quire_agent.process);
        quire_agent.system = quire_process_system(quire_agent.process);
        quire_agent.budget = memory;
        quire_agent.hold_most = page_down(memory / 8);
        if (quire_agent.hold_most > HOLD_MOST)
                quire_agent.hold_most = HOLD_MOST;
        if (quire_agent.hold_most < HOLD_LEAST)
                quire_agent.hold_most = HOLD_LEAST;
}

/* The mechanisms in use, for the report: names of abilities that are there.
 * QUIRE_DISABLE may have taken away the one that nothing replaces here. */
static void note_abilities(void)
{
        struct quire_ability list[32];
        unsigned n = quire_process_probe(list, 32);
        char words[240], *to = words, *end = words + sizeof(words) - 1;

        for (unsigned i = 0; i < n && i < 32; i++) {
                if (!list[i].present && !strcmp(list[i].name, "syscall-dispatch"))
                        quire_agent_fail(NO_DISPATCH, NEED_DISPATCH);
                if (!list[i].present)
                        continue;
                if (to > words)
                        to = add_words(to, end, ", ");
                to = add_words(to, end, list[i].name);
        }
        *to = 0;
        quire_report_abilities(words);
}

/* --------------------------------------------------------------------- arming */

/* A mask that came through exec may block our three. */
static void open_mask(struct quire_thread *t)
{
        uint64_t sync = QUIRE_SYNC_BITS, old = 0;

        (void)raw_sigmask(SIG_UNBLOCK, &sync, &old);
        t->kept_blocked = old & sync;
}

/* The linker runs this before any other constructor (-z initfirst), so that what
 * an allocator maps in its own is managed too; the C library, which it runs
 * before its own, has not been told the environment yet. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **envp)
{
        struct quire_thread *t;
        uint64_t memory;

        (void)argc;
        (void)argv;
        if (!environ)
                environ = envp;
        memory = number(QUIRE_ENV_MEMORY, 0);
        if (!memory)
                return;
        quire_agent.pid = raw_getpid();
        if (!quire_block_open() || !(t = quire_block_take()))
                quire_agent_fail("no address space is left for the agent",
                                 "raise the limit of virtual memory (ulimit -v)");
        t->tid = raw_gettid();
        quire_share_before();
        open_quire(memory);
        quire_share_after();
        quire_memory_open();
        quire_report_open(getenv(QUIRE_ENV_STATS), getenv(QUIRE_ENV_TRACE));
        note_abilities();
        quire_files_refresh();
        open_mask(t);
        quire_signals_open();
        if (quire_block_arm(t))
                quire_agent_fail(NO_DISPATCH, NEED_DISPATCH);
        quire_agent.armed = true;
        t->selector = QUIRE_BLOCK;
}
