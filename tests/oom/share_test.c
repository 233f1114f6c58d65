/*
 * share_test.c - every scene of sharing with the first, second, ... Nth call of the host,
 * the machine or a pager failing, until one plays to its end without reaching the Nth:
 * once, and from the Nth on.  After each failure the whole state is audited and nothing
 * has changed; at the end every word is right, at home too, and everything given back.
 *
 * Arguments: ways.h.
 */
#include "play.h"
#include "ways.h"

static const struct share_scene *scene;
static struct play play;

/* Play it with the nth call failing.  False: it was not reached. */
static bool play_once(void)
{
        const struct drive_options options = {
                .budget = quire_budget_least(PAGE), .commit_limit = 4096 * PAGE,
                .pagefiles = 1, .pagefile_bytes = 700 * PAGE,
                .no_share = playing.no_share, .slow_io = scene->slow_io, .seed = scene->slow_io,
        };
        const struct way *way = playing.way;
        bool reached;

        play_open(&play, playing.driver, &options);
        if (way->point < QUIRE_SIM_POINTS) {
                quire_sim_fail_how(play.host, way->how);
                quire_sim_fail(play.host, (enum quire_sim_point)way->point, playing.nth,
                               way->times);
        } else {
                play.fails = playing.nth;
                play.fails_times = way->times;
                play.failing_writes = way->point == WAY_WRITE;
        }
        play.hurt = way->point == QUIRE_SIM_WRITE;
        scene->play(&play);
        for (unsigned k = 0; k < QUIRE_SIM_POINTS; k++)
                quire_sim_fail(play.host, (enum quire_sim_point)k, 1, 0);
        reached = play_failed(&play);
        play_close(&play);
        for (unsigned i = 0; play.closed && i < MOST; i++)
                CHECK_EQ(play.home[i], play.words[0][i]);
        return reached;
}

int main(int argc, char **argv)
{
        ways_begin(argc, argv);
        while (ways_next_driver())
                for (unsigned k = 0; k < 2; k++) {
                        playing.no_share = k;
                        for (scene = share_scenes; scene->name; scene++)
                                ways_play(scene->name, true, play_once);
                }
        return test_end();
}
