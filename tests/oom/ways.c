/*
 * ways.c - see ways.h.
 */
#include "ways.h"
#include "../test.h"
#include <signal.h>

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
        { "one write, torn", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_TORN },
        { "one write, disk full", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_FULL },
        { "all writes, disk full", QUIRE_SIM_WRITE, QUIRE_SIM_FOREVER, QUIRE_SIM_IO_FULL },
        { "one fill", WAY_FILL, 1, 0 },
        { "all fills", WAY_FILL, QUIRE_SIM_FOREVER, 0 },
        { "one write home", WAY_WRITE, 1, 0 },
        { "all writes home", WAY_WRITE, QUIRE_SIM_FOREVER, 0 },
};

struct playing playing;
static int count;                        /* of the program's arguments */
static char **arguments;
static uint64_t every = 1;
static bool with_pagers;
static bool (*play_once)(void);

static void tell(void)
{
        fprintf(stderr, "on %s%s, scene \"%s\": %s, call %" PRIu64 "\n", playing.driver->name,
                playing.no_share ? ", frames not shared" : "", playing.scene, playing.way->name,
                playing.nth);
}

static void tell_crash(int sig)
{
        signal(sig, SIG_DFL);
        if (playing.way)
                tell();
        raise(sig);
}

static const char *option(const char *name)
{
        for (int i = 1; i + 1 < count; i++)
                if (!strcmp(arguments[i], name))
                        return arguments[i + 1];
        return NULL;
}

static bool wanted(const char *scene)
{
        bool named = false;

        for (int i = 1; i < count; i++) {
                if (!strcmp(arguments[i], "--every") || !strcmp(arguments[i], "--driver"))
                        i++;
                else if (!strcmp(arguments[i], scene))
                        return true;
                else
                        named = true;
        }
        return !named;
}

void ways_begin(int argc, char **argv)
{
        const char *step;

        count = argc;
        arguments = argv;
        test_begin(1, argv);
        signal(SIGABRT, tell_crash);
        step = option("--every");
        every = step ? strtoull(step, NULL, 0) : 1;
}

bool ways_next_driver(void)
{
        const char *only = option("--driver");
        static unsigned next;

        while ((playing.driver = drivers[next])) {
                next++;
                if (playing.driver->simulated && (!only || !strcmp(only, playing.driver->name)))
                        return true;
        }
        return false;
}

static void play_every_way(void)
{
        uint64_t runs = 0;

        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                playing.way = &ways[i];
                if (playing.way->point >= QUIRE_SIM_POINTS && !with_pagers)
                        continue;
                for (playing.nth = 1 + test_seed() % every; !quire_test_state.bad && play_once();
                     playing.nth += every)
                        runs++;
                if (quire_test_state.bad) {
                        tell();
                        return;
                }
        }
        printf("    %s%s, %s: %" PRIu64 " runs\n", playing.driver->name,
               playing.no_share ? ", frames not shared" : "", playing.scene, runs);
}

void ways_play(const char *scene, bool pagers, bool (*play)(void))
{
        playing.scene = scene;
        with_pagers = pagers;
        play_once = play;
        if (wanted(scene))
                test_run(scene, play_every_way);
}
