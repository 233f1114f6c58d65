/*
 * agent_test.c - every case of the subject, plain and under the agent: do they
 * say the same, and end the same?
 *
 * Arguments: the agent's library, the subject, and how: "inline", "thread"
 * (faults by handler threads), or "user" (inline, as uid 65534; needs root).
 * A run of a case that takes longer than LIMIT is killed, and has failed.
 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BUDGET "8388608"
#define LIMIT 100                /* seconds */
#define NOBODY 65534
#define SAID (1 << 16)

static char folder[] = "/tmp/quire-agent-test-XXXXXX";
static char agent[128], subject[128];
static const char *how;
static const char *name;         /* of the present case */

struct end {
        char said[SAID];
        size_t length;
        int status;
};

/* A file of ours where everybody can read it. */
static bool copy_file(const char *from, char *to, size_t room, const char *as)
{
        char buffer[65536];
        ssize_t n;
        int in = open(from, O_RDONLY), out;

        (void)snprintf(to, room, "%s/%s", folder, as);
        out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
        if (in < 0 || out < 0)
                return false;
        while ((n = read(in, buffer, sizeof(buffer))) > 0)
                if (write(out, buffer, (size_t)n) != n)
                        return false;
        close(in);
        close(out);
        return n == 0;
}

static void become_nobody(void)
{
        if (strcmp(how, "user"))
                return;
        if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
            setresuid(NOBODY, NOBODY, NOBODY))
                _exit(96);
}

static void run_subject(const char *word, bool under_agent)
{
        become_nobody();
        alarm(LIMIT);
        if (under_agent) {
                setenv("QUIRE_RUN_MEMORY", BUDGET, 1);
                setenv("QUIRE_RUN_PAGEFILE", folder, 1);
                setenv("QUIRE_RUN_FAULTS", strcmp(how, "thread") ? "inline" : "thread", 1);
                setenv("LD_PRELOAD", agent, 1);
        }
        execl(subject, subject, word, (char *)NULL);
        _exit(95);
}

/* Run one case; what it says to standard output, and how it ends. */
static void watch(const char *word, bool under_agent, struct end *end)
{
        int ends[2];
        ssize_t n;
        pid_t pid;

        memset(end, 0, sizeof(*end));
        if (pipe(ends) || (pid = fork()) < 0)
                return;
        if (pid == 0) {
                dup2(ends[1], 1);
                close(ends[0]);
                close(ends[1]);
                run_subject(word, under_agent);
        }
        close(ends[1]);
        while ((n = read(ends[0], end->said + end->length, SAID - 1 - end->length)) > 0)
                end->length += (size_t)n;
        close(ends[0]);
        while (waitpid(pid, &end->status, 0) < 0 && errno == EINTR)
                ;
}

static void same_plain_and_under_the_agent(void)
{
        static struct end plain, under;

        watch(name, false, &plain);
        watch(name, true, &under);
        CHECK(plain.length > 0 || !strncmp(name, "fault-", 6) || !strcmp(name, "thread-exits"));
        bool same = CHECK(!strcmp(plain.said, under.said));
        same = CHECK_EQ(plain.status, under.status) && same;
        if (!same)
                fprintf(stderr, "--- plain\n%s--- under the agent\n%s---\n", plain.said,
                        under.said);
}

static void needs_root(void)
{
        SKIP("only root can become uid 65534");
}

int main(int argc, char **argv)
{
        static struct end list;
        char *rest;

        if (argc != 4)
                return 2;
        test_begin(1, argv);
        how = argv[3];
        if (!strcmp(how, "user") && geteuid()) {
                RUN(needs_root);
                return test_end();
        }
        REQUIRE(mkdtemp(folder) && !chmod(folder, 01777));
        REQUIRE(copy_file(argv[1], agent, sizeof(agent), "agent.so") &&
                copy_file(argv[2], subject, sizeof(subject), "subject"));
        watch("--list", false, &list);
        REQUIRE(list.length > 0);
        for (name = strtok_r(list.said, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest))
                test_run(name, same_plain_and_under_the_agent);
        unlink(agent);
        unlink(subject);
        CHECK(!rmdir(folder));           /* nothing of Quire's is left either */
        return test_end();
}
