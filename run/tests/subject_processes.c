/*
 * subject_processes.c - fork, vfork, exec and their relatives.
 */
#include "subject.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

extern char **environ;

/* ---------------------------------------------------------------------- fork */

static int run_fork(void)
{
        char *p = subject_map(SUBJECT_LARGE);

        subject_fill(p, SUBJECT_LARGE, 3);
        for (int i = 0; i < 2; i++) {
                pid_t pid = fork();
                if (pid == 0) {
                        bool same = subject_is(p, SUBJECT_LARGE, 3);
                        subject_fill(p, SUBJECT_LARGE, 4);
                        _exit(same && subject_is(p, SUBJECT_LARGE, 4) ? 0 : 1);
                }
                subject_fill(p, SUBJECT_LARGE / 2, 5);
                subject_wait("child", pid);
                subject_say("own half %d", subject_is(p, SUBJECT_LARGE / 2, 5));
                subject_fill(p, SUBJECT_LARGE, 3);
        }
        return 0;
}

/* Each generation changes a page and looks at all of them. */
static int generation(char *p, int n)
{
        pid_t pid;
        int status;

        for (int i = 0; i < 64; i++)
                if (p[i * 65536] != (char)(i < n ? 100 + i : i))
                        return 1;
        if (n == 6)
                return 0;
        p[n * 65536] = (char)(100 + n);
        pid = fork();
        if (pid == 0)
                _exit(generation(p, n + 1));
        if (waitpid(pid, &status, 0) != pid || status)
                return 2;
        return p[n * 65536] == (char)(100 + n) && p[(n + 1) * 65536] == (char)(n + 1) ? 0 : 3;
}

static int run_generations(void)
{
        char *p = subject_map(64 * 65536);

        for (int i = 0; i < 64; i++)
                memset(p + i * 65536, i, 65536);
        subject_say("generations %d", generation(p, 0));
        return 0;
}

static int run_marks(void)
{
        char *p = subject_map(3 * 65536);
        pid_t pid;

        memset(p, 7, 3 * 65536);
        int r = madvise(p, 65536, MADV_WIPEONFORK);
        subject_say("wipe %d", r);
        r = madvise(p + 2 * 65536, 65536, MADV_DONTFORK);
        subject_say("dont %d", r);
        pid = fork();
        if (pid == 0) {
                subject_say("child %d %d", p[5], p[65536 + 5]);
                p[2 * 65536] = 1;
                _exit(0);
        }
        subject_wait("child", pid);
        subject_say("parent %d %d %d", p[5], p[65536 + 5], p[2 * 65536]);
        return 0;
}

static pid_t forked_in_handler;

static void fork_here(int sig)
{
        (void)sig;
        forked_in_handler = fork();
        if (!forked_in_handler)
                _exit(8);
}

static int run_fork_in_handler(void)
{
        signal(SIGUSR1, fork_here);
        raise(SIGUSR1);
        subject_wait("child", forked_in_handler);
        return 0;
}

static int child_of_clone(void *arg)
{
        *(volatile int *)arg += 1;
        return *(volatile int *)arg;
}

static int run_clone(void)
{
        char *stack = subject_map(65536);
        volatile int *value = subject_map(4096);
        pid_t pid;

        *value = 40;
        pid = clone(child_of_clone, stack + 65536, SIGCHLD, (void *)value);
        subject_wait("copied", pid);
        subject_say("value %d", *value);
        pid = clone(child_of_clone, stack + 65536, CLONE_VM | SIGCHLD, (void *)value);
        subject_wait("shared", pid);
        subject_say("value %d", *value);
        pid = clone(child_of_clone, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD,
                    (void *)value);
        subject_wait("vforked", pid);
        subject_say("value %d", *value);
        return 0;
}

/* ---------------------------------------------------------------------- exec */

static char *cold_string(const char *text)
{
        char *p = subject_map(4096);

        memcpy(p, text, strlen(text) + 1);
        return subject_cold(p, 4096);
}

static int run_exec(void)
{
        char **argv = subject_map(4096);
        pid_t pid;

        argv[0] = cold_string("sh");
        argv[1] = cold_string("-c");
        argv[2] = cold_string("echo $1 $2; exit 9");
        argv[3] = cold_string("zero");
        argv[4] = cold_string("one");
        argv[5] = cold_string("two words");
        subject_cold(argv, 4096);
        pid = fork();
        if (pid == 0) {
                execv(cold_string("/bin/sh"), argv);
                _exit(77);
        }
        subject_wait("exec", pid);
        subject_cold(argv, 4096);
        pid = vfork();
        if (pid == 0) {
                execv("/bin/sh", argv);
                _exit(77);
        }
        subject_wait("vfork exec", pid);
        execv("/no/such/program", argv);
        subject_say("no such program: errno %d", errno);
        pid = vfork();
        if (pid == 0) {
                execv("/no/such/program", argv);
                _exit(errno);
        }
        subject_wait("vfork, no such program", pid);
        return 0;
}

static int run_spawn(void)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        char *const argv[] = { "sh", "-c", "echo spawned; kill -TERM $$", NULL };
        char *const none[] = { "nothing", NULL };
        sigset_t all;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addclose(&actions, 5);
        posix_spawnattr_init(&attr);
        sigfillset(&all);
        posix_spawnattr_setsigdefault(&attr, &all);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
        signal(SIGUSR1, fork_here);
        int r = posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ);
        subject_wait("spawned", pid);
        subject_say("spawn %d", r);
        r = posix_spawnp(&pid, "no-such-program-at-all", NULL, NULL, none, environ);
        subject_say("spawn %d", r);
        struct sigaction old;
        sigaction(SIGUSR1, NULL, &old);
        subject_say("handler kept %d", old.sa_handler == fork_here);
        r = system("exit 3");
        subject_say("system %d", WEXITSTATUS(r));
        FILE *f = popen("echo from a pipe", "r");
        char line[100] = "";
        if (f && fgets(line, sizeof(line), f))
                subject_say("popen %s", line);
        return f ? pclose(f) : 1;
}

/* The way of a daemon: everything closed, two forks, and still its memory. */
static int run_daemon(void)
{
        char *p = subject_map(SUBJECT_LARGE);
        int ends[2];
        pid_t pid;
        char answer = '?';

        subject_fill(p, SUBJECT_LARGE, 12);
        if (pipe(ends) || dup2(ends[1], 9) != 9)
                return 1;
        pid = fork();
        if (pid == 0) {
                for (int fd = 3; fd < 1024; fd++)
                        if (fd != 9)
                                close(fd);
                close_range(10, ~0u, 0);
                setsid();
                if (fork() == 0) {
                        char c = subject_is(p, SUBJECT_LARGE, 12) ? 'y' : 'n';
                        _exit(write(9, &c, 1) != 1);
                }
                _exit(0);
        }
        subject_wait("daemon's parent", pid);
        close(ends[1]);
        close(9);
        long n = read(ends[0], &answer, 1);
        subject_say("daemon says %ld %c", n, answer);
        return 0;
}

const struct subject_case subject_processes[] = {
        { "process-fork", run_fork },   { "process-generations", run_generations },
        { "process-marks", run_marks }, { "process-fork-in-handler", run_fork_in_handler },
        { "process-clone", run_clone }, { "process-exec", run_exec },
        { "process-spawn", run_spawn }, { "process-daemon", run_daemon },
        { NULL, NULL },
};
