/*
 * share_test.c - every scene of sharing with the first, second, ... Nth call of the host,
 * the machine or a pager failing, until one plays to its end without reaching the Nth:
 * once, and from the Nth on.  After each failure the whole state is audited and nothing
 * has changed; at the end every word is right, at home too, and everything given back.
 *
 * Arguments: names of scenes (all), --every N (only each Nth call is made to fail,
 * beginning where the seed says), --driver NAME.
 */
#include "play.h"
#include <signal.h>

/* A pager's fills and writes, beside the points of the simulated host. */
enum { FILL = QUIRE_SIM_POINTS, WRITE };

struct way {
        const char *name;
        unsigned point;
        uint64_t times;
        enum quire_sim_io_failure how;
};
static const struct way ways[] = {
        { "one record", QUIRE_SIM_ALLOC, 1, 0 },
        { "all records", QUIRE_SIM_ALLOC, QUIRE_SIM_FOREVER, 0 },
        { "one frame", QUIRE_SIM_FRAME, 1, 0 },
        { "all frames", QUIRE_SIM_FRAME, QUIRE_SIM_FOREVER, 0 },
        { "one table", QUIRE_SIM_TABLE, 1, 0 },
        { "all tables", QUIRE_SIM_TABLE, QUIRE_SIM_FOREVER, 0 },
        { "one enter", QUIRE_SIM_ENTER, 1, 0 },
        { "one take", QUIRE_SIM_TAKE, 1, 0 },
        { "one read", QUIRE_SIM_READ, 1, QUIRE_SIM_IO_ERROR },
        { "all reads", QUIRE_SIM_READ, QUIRE_SIM_FOREVER, QUIRE_SIM_IO_ERROR },
        { "one write", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_ERROR },
        { "all writes", QUIRE_SIM_WRITE, QUIRE_SIM_FOREVER, QUIRE_SIM_IO_ERROR },
        { "one write, disk full", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_FULL },
        { "one fill", FILL, 1, 0 },
        { "all fills", FILL, QUIRE_SIM_FOREVER, 0 },
        { "one write home", WRITE, 1, 0 },
        { "all writes home", WRITE, QUIRE_SIM_FOREVER, 0 },
};

static const struct driver *driver;
static const struct share_scene *scene;
static const struct way *way;
static bool no_share;
static uint64_t nth, every = 1;
static struct play play;

static void tell(void)
{
        fprintf(stderr, "on %s%s, scene \"%s\": %s, call %" PRIu64 "\n", driver->name,
                no_share ? ", frames not shared" : "", scene->name, way->name, nth);
}

static void tell_crash(int sig)
{
        signal(sig, SIG_DFL);
        tell();
        raise(sig);
}

/* Play it with the nth call failing.  False: it was not reached. */
static bool play_once(void)
{
        const struct drive_options options = {
                .budget = quire_budget_least(PAGE), .commit_limit = 4096 * PAGE,
                .pagefiles = 1, .pagefile_bytes = 700 * PAGE,
                .no_share = no_share, .slow_io = scene->slow_io, .seed = scene->slow_io,
        };
        bool reached;

        play_open(&play, driver, &options);
        if (way->point < QUIRE_SIM_POINTS) {
                quire_sim_fail_how(play.host, way->how);
                quire_sim_fail(play.host, (enum quire_sim_point)way->point, nth, way->times);
        } else {
                play.fails = nth;
                play.fails_times = way->times;
                play.failing_writes = way->point == WRITE;
        }
        play.hurt = way->point == QUIRE_SIM_WRITE;
        scene->play(&play);
        for (unsigned k = 0; k < QUIRE_SIM_POINTS; k++)
                quire_sim_fail(play.host, (enum quire_sim_point)k, 1, 0);
        reached = play_failed(&play);
        play_close(&play);
        for (unsigned i = 0; play.closed && i < MOST; i++)
                CHECK_EQ(play.home[i], play.words[0][i]);
        if (quire_test_state.bad)
                tell();
        return reached;
}

static void play_every_way(void)
{
        uint64_t sum = 0;

        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                way = &ways[i];
                for (nth = 1 + test_seed() % every; !quire_test_state.bad && play_once();
                     nth += every)
                        sum++;
        }
        printf("    %s%s, %s: %" PRIu64 " runs\n", driver->name,
               no_share ? ", frames not shared" : "", scene->name, sum);
}

static bool is_wanted(int argc, char **argv, const char *name)
{
        bool named = false;

        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--every") || !strcmp(argv[i], "--driver"))
                        i++;
                else if (!strcmp(argv[i], name))
                        return true;
                else
                        named = true;
        }
        return !named;
}

static const char *option(int argc, char **argv, const char *name)
{
        for (int i = 1; i + 1 < argc; i++)
                if (!strcmp(argv[i], name))
                        return argv[i + 1];
        return NULL;
}

int main(int argc, char **argv)
{
        const char *only = option(argc, argv, "--driver"), *step = option(argc, argv, "--every");

        test_begin(1, argv);
        signal(SIGABRT, tell_crash);
        every = step ? strtoull(step, NULL, 0) : 1;
        for (unsigned i = 0; drivers[i]; i++) {
                driver = drivers[i];
                if (!driver->simulated || (only && strcmp(only, driver->name)))
                        continue;
                for (unsigned k = 0; k < 2; k++) {
                        no_share = k;
                        for (scene = share_scenes; scene->name; scene++)
                                if (is_wanted(argc, argv, scene->name))
                                        test_run(scene->name, play_every_way);
                }
        }
        return test_end();
}
