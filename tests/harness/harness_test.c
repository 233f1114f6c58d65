/*
 * harness_test.c - does tests/test.h count what it should?  The program runs
 * itself with a bad half, and reads what comes out.
 */
#include "test.h"
#include <sys/wait.h>

static const char *self;

static void test_sample_good(void)
{
        CHECK(1 + 1 == 2);
        CHECK_EQ(3, 3);
}

static void test_sample_bad(void)
{
        CHECK(1 + 1 == 3);
        CHECK_EQ(3, 4);
}

static void test_sample_skips(void)
{
        SKIP("it is a sample");
}

static void test_sample_requires(void)
{
        REQUIRE(0 > 1);
        puts("went on after a failed REQUIRE");
}

static int sample(int argc, char **argv)
{
        test_begin(argc, argv);
        test_seed();
        RUN(test_sample_good);
        RUN(test_sample_bad);
        RUN(test_sample_skips);
        RUN(test_sample_requires);
        return test_end();
}

/* Run the sample with more arguments; its output into `out', its exit status. */
static int run_sample(const char *arguments, char *out, size_t room)
{
        char command[512];
        size_t got = 0;
        FILE *pipe;

        snprintf(command, sizeof command, "QUIRE_SEED=77 QUIRE_SAMPLE=1 '%s' %s 2>&1",
                 self, arguments);
        fflush(stdout);
        pipe = popen(command, "r");
        if (!pipe)
                return -1;
        got = fread(out, 1, room - 1, pipe);
        out[got] = 0;
        return WEXITSTATUS(pclose(pipe));
}

static bool ends_with(const char *text, const char *end)
{
        size_t n = strlen(text), m = strlen(end);

        return n >= m && !strcmp(text + n - m, end);
}

static void test_failures_are_counted(void)
{
        char out[4096];

        CHECK_EQ(run_sample("", out, sizeof out), 1);
        CHECK(ends_with(out, "\n1 passed, 2 failed, 1 skipped\n"));
        CHECK(strstr(out, "failed: 1 + 1 == 3") && strstr(out, "3 (0x3) and 4 (0x4)"));
        CHECK(!strstr(out, "went on"));
        CHECK(strstr(out, "replay: QUIRE_SEED=77 "));
}

static void test_one_test_can_be_named(void)
{
        char out[4096];

        CHECK_EQ(run_sample("test_sample_good", out, sizeof out), 0);
        CHECK(ends_with(out, "\n1 passed, 0 failed\n"));
        CHECK_EQ(run_sample("test_no_such_test", out, sizeof out), 1);
        CHECK(ends_with(out, "\n0 passed, 0 failed\n"));
}

static void test_the_seed_is_taken(void)
{
        char out[4096];

        run_sample("test_sample_good", out, sizeof out);
        CHECK(strstr(out, "seed 77 "));
        run_sample("--seed 0x10 test_sample_good", out, sizeof out);
        CHECK(strstr(out, "seed 16 "));
}

static void test_what_becomes_true_is_waited_for(void)
{
        unsigned asked = 0;

        CHECK(BECOMES(++asked == 3));
        CHECK_EQ(asked, 3);              /* and not asked again */
}

int main(int argc, char **argv)
{
        self = argv[0];
        if (getenv("QUIRE_SAMPLE"))
                return sample(argc, argv);
        test_begin(argc, argv);
        RUN(test_failures_are_counted);
        RUN(test_one_test_can_be_named);
        RUN(test_the_seed_is_taken);
        RUN(test_what_becomes_true_is_waited_for);
        return test_end();
}
