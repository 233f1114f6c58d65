/*
 * broken.c - machines that are wrong in one thing each, under the conformance
 * script: it has to notice every one of them.
 *
 * Each runs in a child process, which fails a rule, is stopped by the referee,
 * or hangs (and is killed); that is what is asserted here.
 */
#include "rules.h"

#include <fcntl.h>
#include <sys/wait.h>

static const struct rig_kind *victim;

static _Noreturn void run_child(void)
{
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 1);
        dup2(null, 2);
        alarm(100);              /* (what a starved machine takes for some milliseconds) */
        quire_test_state.passed = quire_test_state.failed = 0;
        rules_run(victim, true);
        _exit(quire_test_state.failed ? 1 : 0);
}

static void the_script_notices(void)
{
        int status = 0;
        pid_t child;

        fflush(NULL);
        child = fork();
        REQUIRE(child >= 0);
        if (!child)
                run_child();
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(!WIFEXITED(status) || WEXITSTATUS(status));
}

/* The first two are not broken: the script finds nothing wrong with them. */
static void the_script_is_content(void)
{
        int status = 0;
        pid_t child;

        fflush(NULL);
        child = fork();
        REQUIRE(child >= 0);
        if (!child)
                run_child();
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
        static char names[64][96];
        unsigned used = 0;

        test_begin(argc, argv);
        test_seed();
        for (const struct rig_kind *const *kind = rig_kinds; *kind; kind++, used++) {
                victim = *kind;
                REQUIRE(used < sizeof names / sizeof *names);
                snprintf(names[used], sizeof names[used], "%s", victim->name);
                test_run(names[used], used > 1 ? the_script_notices : the_script_is_content);
        }
        return test_end();
}
