/*
 * launch.c - start a program under the agent, wait for it, end as it ended.
 *
 * The program runs in our process group, so that job control is the shell's
 * business as ever: what the terminal sends (^C, ^\, ^Z) reaches both, and we
 * stay to report.  What somebody sends to us alone is passed on.
 *
 * All signals that we handle are blocked from before the fork to the end and
 * taken with sigtimedwait(); there are no handlers.  The program gets the mask
 * and the dispositions that we were given.
 */
#include "launch.h"
#include "run/stats.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Passed on when they were meant for us alone. */
static const int forwarded[] = {
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGTSTP, SIGWINCH,
        SIGVTALRM, SIGPROF, SIGIO, SIGPWR,
};

/* ---------------------------------------------------------------- the agent */

bool quire_launch_agent(char *path, size_t room)
{
        /* Beside us in a build tree; from our place in an installation that
         * was moved; where it was installed. */
        static const char *const places[] = {
                "/../run/libquire-agent.so", QUIRE_AGENT_FROM_BINDIR "/libquire-agent.so",
        };
        char self[4096];
        ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (length > 0) {
                self[length] = 0;
                *strrchr(self, '/') = 0;
                for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
                        char *found;

                        if ((size_t)snprintf(path, room, "%s%s", self, places[i]) >= room)
                                continue;
                        found = realpath(path, NULL);
                        if (!found)
                                continue;
                        length = snprintf(path, room, "%s", found);
                        free(found);
                        return (size_t)length < room;
                }
        }
        snprintf(path, room, "%s/libquire-agent.so", QUIRE_AGENT_DIR);
        return access(path, R_OK) == 0;
}

/* ---------------------------------------------------------------- the child */

static void set_number(const char *name, uint64_t value)
{
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        if (value)
                setenv(name, text, 1);
}

static void set_environment(const struct quire_launch *l)
{
        static const char *const all[] = {
                QUIRE_ENV_MEMORY, QUIRE_ENV_PAGEFILE, QUIRE_ENV_PAGEFILE_SIZE,
                QUIRE_ENV_COMMIT_LIMIT, QUIRE_ENV_POLICY, QUIRE_ENV_FAULTS, QUIRE_ENV_STATS,
                QUIRE_ENV_TRACE, QUIRE_ENV_LEADER,
        };
        const char *preload = getenv("LD_PRELOAD");
        char *joined = NULL;

        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
                unsetenv(all[i]);      /* of a quire run around this one */
        if (preload && *preload && asprintf(&joined, "%s:%s", l->agent, preload) > 0)
                setenv("LD_PRELOAD", joined, 1);
        else
                setenv("LD_PRELOAD", l->agent, 1);
        free(joined);
        set_number(QUIRE_ENV_MEMORY, l->memory);
        set_number(QUIRE_ENV_PAGEFILE_SIZE, l->options->pagefile_size);
        set_number(QUIRE_ENV_COMMIT_LIMIT, l->commit_limit);
        set_number(QUIRE_ENV_LEADER, (uint64_t)getpid());
        setenv(QUIRE_ENV_PAGEFILE, l->pagefile, 1);
        setenv(QUIRE_ENV_POLICY, l->options->policy, 1);
        setenv(QUIRE_ENV_FAULTS, quire_faults_name(l->options->faults), 1);
        if (l->stats)
                setenv(QUIRE_ENV_STATS, l->stats, 1);
        if (l->trace)
                setenv(QUIRE_ENV_TRACE, l->trace, 1);
}

/* In the child: become the program, or say through the pipe why not. */
__attribute__((noreturn))
static void become(const struct quire_launch *l, const struct sigaction *chld, int failed)
{
        int error;

        set_environment(l);
        prctl(PR_SET_PDEATHSIG, SIGKILL);     /* kill -9 of the command ends the program */
        sigaction(SIGCHLD, chld, NULL);
        sigprocmask(SIG_SETMASK, &l->mask, NULL);
        execvp(l->path, l->argv);
        error = errno;
        if (write(failed, &error, sizeof(error)) < 0)
                _exit(QUIRE_EXIT_FAILED);
        _exit(QUIRE_EXIT_CANNOT);
}

/* --------------------------------------------------------------- the parent */

/* Only what was sent to us by somebody else, and not by the program itself:
 * what the kernel sends for the terminal the program has got already. */
static void pass_on(const struct quire_launch *l, const siginfo_t *info)
{
        bool terminal = info->si_code > 0;

        if (!terminal && info->si_pid != l->pid)
                kill(l->pid, info->si_signo);
        if (info->si_signo == SIGTSTP) {      /* stop as we would have */
                sigset_t one;

                sigemptyset(&one);
                sigaddset(&one, SIGTSTP);
                raise(SIGTSTP);
                sigprocmask(SIG_UNBLOCK, &one, NULL);
                sigprocmask(SIG_BLOCK, &one, NULL);
        }
}

static void wait_for(struct quire_launch *l, const sigset_t *ours)
{
        uint64_t next = l->watch ? l->watch(l->context) : 0;

        for (;;) {
                struct timespec limit = { .tv_sec = (time_t)(next / 1000000000),
                                          .tv_nsec = (long)(next % 1000000000) };
                siginfo_t info;
                int sig = next ? sigtimedwait(ours, &info, &limit) : sigwaitinfo(ours, &info);

                if (sig < 0 && errno == EAGAIN)
                        next = l->watch(l->context);
                else if (sig > 0 && sig != SIGCHLD)
                        pass_on(l, &info);
                if (wait4(l->pid, &l->wait_status, WNOHANG, &l->usage) != 0)
                        return;
        }
}

static int cannot_start(const char *path, int error)
{
        bool absent = error == ENOENT;

        return quire_cli_complain(absent ? QUIRE_EXIT_NO_PROGRAM : QUIRE_EXIT_CANNOT,
                                  "can not run %s: %s", path, strerror(error));
}

int quire_launch_run(struct quire_launch *l)
{
        struct sigaction chld, normal = { .sa_handler = SIG_DFL };
        sigset_t ours;
        int failed[2], error = 0;

        sigemptyset(&ours);
        sigaddset(&ours, SIGCHLD);
        for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
                sigaddset(&ours, forwarded[i]);
        if (pipe2(failed, O_CLOEXEC) < 0)
                return quire_cli_complain(QUIRE_EXIT_FAILED, "pipe: %s", strerror(errno));
        sigprocmask(SIG_BLOCK, &ours, &l->mask);
        sigaction(SIGCHLD, &normal, &chld);   /* ignored: there would be nothing to wait for */
        l->pid = fork();
        if (l->pid == 0)
                become(l, &chld, failed[1]);
        close(failed[1]);
        if (l->pid < 0) {
                error = errno;
                close(failed[0]);
                return quire_cli_complain(QUIRE_EXIT_FAILED, "fork: %s", strerror(error));
        }
        if (read(failed[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
                error = 0;                    /* closed by the exec */
        close(failed[0]);
        if (error) {
                waitpid(l->pid, &l->wait_status, 0);
                return cannot_start(l->path, error);
        }
        wait_for(l, &ours);
        return 0;
}

int quire_launch_mirror(const struct quire_launch *l)
{
        struct sigaction normal = { .sa_handler = SIG_DFL };
        struct rlimit none = { 0, 0 };
        sigset_t one;
        int sig;

        if (!WIFSIGNALED(l->wait_status))
                return WEXITSTATUS(l->wait_status);
        /* The caller sees what it would have seen: a shell stops its loop at a
         * ^C, and says "Killed" or "Segmentation fault". */
        sig = WTERMSIG(l->wait_status);
        setrlimit(RLIMIT_CORE, &none);        /* the one core dump that matters exists */
        prctl(PR_SET_DUMPABLE, 0);
        fflush(NULL);
        sigaction(sig, &normal, NULL);
        sigemptyset(&one);
        sigaddset(&one, sig);
        raise(sig);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        return 128 + sig;
}
