/*
 * child.c - one contender in a child process, and the talk with it.
 *
 * Orders and answers travel over a socket pair, one packet each.  A child that
 * dies or does not answer is reported as a failed line, never waited for for
 * ever.
 */
#include "bench.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The slowest thing that a child does is to fill its gigabyte. */
#define PATIENCE_MS 180000

struct child {
        pid_t pid;              /* 0: gone */
        int socket;
        bool in_group, limited;
        uint64_t peak;
        char name[64];          /* of its cgroup */
};

static _Noreturn void serve(int socket, const struct child *child, const struct bench *bench,
                            const struct contender *who)
{
        struct seat seat = {.bench = bench, .who = who};
        struct answer answer = {.misses = -1, .cpu = -1, .together = -1};
        struct order order;

        quire_bench_limit_detach();
        prctl(PR_SET_NAME, who->name);  /* a profiler tells them apart by it */
        uint64_t limit = bench->quick ? who->limit / 4 : who->limit;
        if (child->in_group && !quire_bench_limit_enter(child->name, limit)) {
                snprintf(answer.text, sizeof answer.text, "no memory cgroup: %s",
                         strerror(errno));
                answer.skip = true;
        } else {
                answer.ok = who->open(&seat, &answer);
        }
        bool ok = answer.ok;
        if (write(socket, &answer, sizeof answer) != (ssize_t)sizeof answer || !ok)
                _exit(1);
        while (read(socket, &order, sizeof order) == (ssize_t)sizeof order) {
                memset(&answer, 0, sizeof answer);
                answer.ok = true;
                answer.misses = answer.cpu = answer.together = -1;
                who->run(&seat, &order, &answer);
                if (write(socket, &answer, sizeof answer) != (ssize_t)sizeof answer)
                        break;
        }
        if (who->close)
                who->close(&seat);
        _exit(0);
}

struct child *quire_bench_child_open(const struct bench *bench, const struct contender *who)
{
        static unsigned serial;
        int ends[2];
        struct child *child = calloc(1, sizeof *child);
        if (!child || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                abort();
        child->in_group = (who->watched || who->limit) && !quire_bench_limit_cgroup();
        child->limited = who->limit;
        snprintf(child->name, sizeof child->name, "c%u", serial++);
        fflush(NULL);
        child->pid = fork();
        if (child->pid < 0)
                abort();
        if (child->pid == 0) {
                close(ends[0]);
                serve(ends[1], child, bench, who);
        }
        close(ends[1]);
        child->socket = ends[0];
        return child;
}

void quire_bench_child_order(struct child *child, const struct order *order)
{
        /* A child that is gone is noticed in await. */
        if (child->pid)
                (void)send(child->socket, order, sizeof *order, MSG_NOSIGNAL);
}

/* Why it is gone, if anybody asks.  The kernel may find no page to swap out
 * for a moment, and kill whoever sits in a limited cgroup: not our failure. */
static void reap(struct child *child, struct answer *answer)
{
        int status = 0;
        while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (answer && child->limited && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
                answer->skip = true;
                snprintf(answer->text, sizeof answer->text,
                         "killed by the kernel: out of memory in its cgroup");
        } else if (answer && WIFSIGNALED(status))
                snprintf(answer->text, sizeof answer->text, "ended by signal %d",
                         WTERMSIG(status));
        else if (answer)
                snprintf(answer->text, sizeof answer->text, "ended with status %d",
                         WEXITSTATUS(status));
        child->pid = 0;
        close(child->socket);
}

void quire_bench_child_await(struct child *child, struct answer *answer)
{
        struct pollfd wait = {.fd = child->socket, .events = POLLIN};
        memset(answer, 0, sizeof *answer);
        if (!child->pid)
                return;
        int ready;
        while ((ready = poll(&wait, 1, PATIENCE_MS)) < 0 && errno == EINTR)
                ;
        if (ready > 0 && read(child->socket, answer, sizeof *answer) == (ssize_t)sizeof *answer)
                return;
        memset(answer, 0, sizeof *answer);
        if (ready == 0)
                kill(child->pid, SIGKILL);
        reap(child, answer);
        if (ready == 0)
                snprintf(answer->text, sizeof answer->text, "no answer within %d s",
                         PATIENCE_MS / 1000);
}

uint64_t quire_bench_child_peak(const struct child *child)
{
        return child->in_group ? quire_bench_limit_peak(child->name) : 0;
}

void quire_bench_child_close(struct child *child)
{
        struct pollfd gone = {.fd = child->socket, .events = POLLIN};
        if (child->pid) {
                shutdown(child->socket, SHUT_WR);
                if (poll(&gone, 1, PATIENCE_MS / 3) == 0)
                        kill(child->pid, SIGKILL);
                reap(child, NULL);
        }
        if (child->in_group)
                quire_bench_limit_leave(child->name);
        free(child);
}
