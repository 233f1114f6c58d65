/*
 * forget_test.c - the model test has to fail where the x86-64 machine leaves
 * an invalidation out.
 *
 *   forget_test MODEL     the program tests/model/random_test of this build
 */
#include "test.h"
#include "x86_64.h"

#include <fcntl.h>
#include <sys/wait.h>

static const char *model;

/* Does the model test find fault with a machine that forgets so? */
static bool model_fails(unsigned forget)
{
        char value[16];
        int status = 0;
        pid_t child;

        snprintf(value, sizeof value, "%u", forget);
        fflush(NULL);
        child = fork();
        REQUIRE(child >= 0);
        if (!child) {
                int null = open("/dev/null", O_WRONLY);

                dup2(null, 1);
                dup2(null, 2);
                setenv("QUIRE_X86_FORGET", value, 1);
                execl(model, model, "--driver", "x86_64", "--steps", "6000", "--seed", "5",
                      (char *)NULL);
                _exit(0);                    /* no model: it does not fail */
        }
        REQUIRE(waitpid(child, &status, 0) == child);
        return !WIFEXITED(status) || WEXITSTATUS(status);
}

static void the_model_is_content_with_all_of_them(void)
{
        REQUIRE(!access(model, X_OK));
        CHECK(!model_fails(0));
}

static void the_model_misses_invalidation_by_protect(void)
{
        CHECK(model_fails(QUIRE_X86_FORGET_PROTECT));
}

static void the_model_misses_invalidation_by_take(void)
{
        CHECK(model_fails(QUIRE_X86_FORGET_TAKE));
}

static void the_model_misses_invalidation_by_drop(void)
{
        CHECK(model_fails(QUIRE_X86_FORGET_DROP));
}

int main(int argc, char **argv)
{
        test_begin(1, argv);
        if (argc != 2) {
                fprintf(stderr, "usage: %s MODEL\n", argv[0]);
                return 2;
        }
        model = argv[1];
        RUN(the_model_is_content_with_all_of_them);
        RUN(the_model_misses_invalidation_by_protect);
        RUN(the_model_misses_invalidation_by_take);
        RUN(the_model_misses_invalidation_by_drop);
        return test_end();
}
